//! What is refused: codes, causes with paths, and limits.

use bosun_proto::meta_v1::Status as MetaStatus;
use bosun_proto::{Kind, Object, api};
use prost::Message as _;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::server::{TestServer, idle_pod, job, object, soon, wire};

async fn refused(server: &TestServer, value: Value) -> Status {
    let request = api::CreateRequest {
        object: Some(object(value).to_wire()),
        dry_run: false,
    };
    soon(server.objects().create(request))
        .await
        .expect_err("it is refused")
}

fn details(status: &Status) -> MetaStatus {
    MetaStatus::decode(status.details()).expect("a Kubernetes Status")
}

#[tokio::test]
async fn details_tell_every_cause_by_its_path() {
    let server = TestServer::start().await;
    let mut wrong = job("wrong");
    wrong["spec"]["parallelism"] = json!(-1);
    wrong["spec"]["template"]["spec"]["containers"] = json!([]);
    let status = refused(&server, wrong).await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let told = details(&status);
    assert_eq!(
        (&*told.status, &*told.reason, told.code),
        ("Failure", "Invalid", 422)
    );
    let causes = told.details.expect("details").causes;
    let fields: Vec<&str> = causes.iter().map(|cause| &*cause.field).collect();
    for field in ["spec.parallelism", "spec.template.spec.containers"] {
        assert!(fields.contains(&field), "{fields:?}");
    }
    assert!(
        causes
            .iter()
            .all(|cause| !cause.reason.is_empty() && !cause.message.is_empty())
    );
    server.stop().await;
}

#[tokio::test]
async fn each_refusal_has_its_code_and_reason() {
    let server = TestServer::start().await;
    server.create(idle_pod("x")).await;
    let mut elsewhere = idle_pod("y");
    elsewhere["metadata"]["namespace"] = json!("nowhere");
    for (value, code, reason) in [
        (idle_pod("x"), Code::AlreadyExists, "AlreadyExists"),
        (elsewhere, Code::NotFound, "NotFound"),
    ] {
        let status = refused(&server, value).await;
        assert_eq!(
            (status.code(), &*details(&status).reason),
            (code, reason),
            "{status}"
        );
    }
    let get = |kind, name: &str| api::GetRequest {
        kind,
        namespace: "default".into(),
        name: name.into(),
        resource_version: String::new(),
    };
    let mut objects = server.objects();
    let missing = soon(objects.get(get(wire(Kind::Pod), "none")))
        .await
        .expect_err("none");
    assert_eq!((missing.code(), details(&missing).code), (Code::NotFound, 404));
    for request in [get(0, "x"), get(99, "x"), get(wire(Kind::Pod), "")] {
        let status = soon(objects.get(request)).await.expect_err("nonsense");
        assert_eq!(
            (status.code(), &*details(&status).reason),
            (Code::InvalidArgument, "BadRequest")
        );
    }
    let empty = soon(objects.create(api::CreateRequest::default()))
        .await
        .expect_err("no object");
    assert_eq!(empty.code(), Code::InvalidArgument);
    assert!(empty.message().contains("object"), "{empty}");
    server.stop().await;
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_and_the_server_lives_on() {
    let server = TestServer::start().await;
    let mut huge = idle_pod("huge");
    huge["spec"]["containers"][0]["args"] = json!(["x".repeat(65 << 20)]);
    let request = api::CreateRequest {
        object: Some(object(huge).to_wire()),
        dry_run: false,
    };
    let mut objects = server.objects().max_encoding_message_size(usize::MAX);
    let status = soon(objects.create(request)).await.expect_err("too large");
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    server.create(idle_pod("small")).await;
    server.stop().await;
}

#[tokio::test]
async fn an_object_of_no_kind_or_of_garbage_is_refused() {
    let server = TestServer::start().await;
    let request = api::CreateRequest {
        object: Some(api::Object { kind: None }),
        dry_run: false,
    };
    let status = soon(server.objects().create(request)).await.expect_err("no kind");
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let bare = Object::from(bosun_proto::core_v1::Pod::default());
    let request = api::CreateRequest {
        object: Some(bare.to_wire()),
        dry_run: false,
    };
    let status = soon(server.objects().create(request))
        .await
        .expect_err("an empty pod");
    assert!(status.message().contains("metadata.name"), "{status}");
    server.stop().await;
}
