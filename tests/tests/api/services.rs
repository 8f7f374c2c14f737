//! What a generic gRPC client needs: health and reflection.

use std::collections::BTreeSet;

use futures::stream;
use prost::Message as _;
use prost_types::{FileDescriptorProto, MethodDescriptorProto};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::server::{TestServer, next, soon};

#[tokio::test]
async fn it_says_that_it_serves() {
    let server = TestServer::start().await;
    let mut health = HealthClient::new(server.channel.clone());
    for service in ["", "bosun.api.v1.Objects", "bosun.node.v1.NodeAgents"] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let answer = soon(health.check(request)).await.expect("an answer").into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
    server.stop().await;
}

async fn ask(server: &TestServer, question: MessageRequest) -> MessageResponse {
    let mut reflection = ServerReflectionClient::new(server.channel.clone());
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let answers = reflection.server_reflection_info(stream::iter([request]));
    let mut answers = soon(answers).await.expect("an answer").into_inner();
    next(&mut answers).await.message_response.expect("an answer")
}

async fn file(server: &TestServer, question: MessageRequest) -> FileDescriptorProto {
    let MessageResponse::FileDescriptorResponse(answer) = ask(server, question).await else {
        panic!("no file");
    };
    FileDescriptorProto::decode(&*answer.file_descriptor_proto[0]).expect("a descriptor")
}

#[tokio::test]
async fn reflection_lists_the_services_and_describes_them() {
    let server = TestServer::start().await;
    let answer = ask(&server, MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(listed) = answer else {
        panic!("no list of services");
    };
    let names: BTreeSet<_> = listed.service.into_iter().map(|service| service.name).collect();
    for name in [
        "bosun.api.v1.Objects",
        "bosun.api.v1.Cluster",
        "bosun.node.v1.NodeAgents",
    ] {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
    let symbol = MessageRequest::FileContainingSymbol("bosun.api.v1.Objects".into());
    let objects = file(&server, symbol).await;
    let methods: BTreeSet<_> = objects.service[0]
        .method
        .iter()
        .map(MethodDescriptorProto::name)
        .collect();
    let expected = [
        "Create",
        "Delete",
        "Get",
        "List",
        "Logs",
        "Patch",
        "Update",
        "UpdateStatus",
        "Watch",
    ];
    assert_eq!(methods, expected.into());
    server.stop().await;
}

/// A generic client follows the imports from a service to the last message: all must be there.
#[tokio::test]
async fn every_file_that_a_client_needs_can_be_had() {
    let server = TestServer::start().await;
    let symbol = MessageRequest::FileContainingSymbol("bosun.api.v1.Objects".into());
    let mut waiting = file(&server, symbol).await.dependency;
    let mut seen = BTreeSet::new();
    let mut messages = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if seen.insert(name.clone()) {
            let found = file(&server, MessageRequest::FileByFilename(name)).await;
            messages.extend(found.message_type.iter().map(|message| message.name().to_owned()));
            waiting.extend(found.dependency);
        }
    }
    for message in ["Object", "Job", "PodTemplateSpec", "ObjectMeta", "LabelSelector"] {
        assert!(messages.contains(message), "{message} is not among {messages:?}");
    }
    server.stop().await;
}
