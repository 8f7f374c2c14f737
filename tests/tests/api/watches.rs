//! Watches: every change once and in order, from whatever version the server still remembers.

use bosun_client::{ApiError, ChangeKind, PatchKind, Query, Step};
use bosun_proto::api::watch_event::Type;
use bosun_proto::{Key, Kind, Object, api};
use serde_json::json;
use tonic::Code;

use crate::server::{TestServer, idle_pod, namespace, next, soon, wire};

fn watch(kind: Kind, version: &str) -> api::WatchRequest {
    api::WatchRequest {
        kind: wire(kind),
        resource_version: version.into(),
        ..api::WatchRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_come_without_gaps_or_repeats_while_many_write() {
    const WRITERS: usize = 5;
    const EACH: usize = 20;
    let server = TestServer::start().await;
    let start = soon(server.client.list(&Query::new(Kind::Namespace, "")))
        .await
        .expect("a list");
    let request = watch(Kind::Namespace, &start.resource_version);
    let early = soon(server.objects().watch(request.clone()))
        .await
        .expect("a watch");
    let writers = (0..WRITERS).map(|writer| {
        let client = server.client.clone();
        tokio::spawn(async move {
            for number in 0..EACH {
                let name = format!("n{writer}-{number}");
                let made = crate::server::object(namespace(&name, json!({})));
                client.create(&made, false).await.expect("created");
            }
        })
    });
    let writers = futures::future::join_all(writers.collect::<Vec<_>>());

    let collect = |stream: tonic::Response<tonic::Streaming<api::WatchEvent>>| async {
        let mut stream = stream.into_inner();
        let mut added: Vec<(u64, String)> = Vec::new();
        while added.len() < WRITERS * EACH {
            let event = next(&mut stream).await;
            if event.r#type() == Type::Added {
                let object = event.object.and_then(Object::from_wire).expect("an object");
                let version = event.resource_version.parse().expect("a version");
                added.push((version, object.metadata().name.clone()));
            }
        }
        added
    };
    let (seen, written) = futures::join!(collect(early), writers);
    assert!(written.into_iter().all(|result| result.is_ok()));
    assert!(
        seen.is_sorted_by(|one, other| one.0 < other.0),
        "in order, each once"
    );
    let mut names: Vec<_> = seen.iter().map(|(_, name)| name.clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), WRITERS * EACH);

    // The same again afterwards, and from the middle only the rest.
    let late = soon(server.objects().watch(request)).await.expect("a watch");
    assert_eq!(collect(late).await, seen);
    let (middle, _) = &seen[50];
    let rest = soon(
        server
            .objects()
            .watch(watch(Kind::Namespace, &middle.to_string())),
    )
    .await;
    let mut rest = rest.expect("a watch").into_inner();
    loop {
        let event = next(&mut rest).await;
        if event.r#type() == Type::Added {
            assert_eq!(event.resource_version, seen[51].0.to_string());
            break;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn an_object_that_leaves_the_selection_is_told_as_deleted() {
    let server = TestServer::start().await;
    let mut stream = soon(server.objects().watch(api::WatchRequest {
        label_selector: "colour=red".into(),
        ..watch(Kind::Namespace, "0")
    }))
    .await
    .expect("a watch")
    .into_inner();
    server.create(namespace("x", json!({"colour": "blue"}))).await;
    let key = Key::new(Kind::Namespace, "", "x");
    for colour in ["red", "red2", "red"] {
        let patch = json!({"metadata": {"labels": {"colour": colour}}});
        soon(server.client.patch(&key, PatchKind::Merge, &patch, false))
            .await
            .expect("patched");
    }
    let patch = json!({"metadata": {"labels": {"more": "yes"}}});
    soon(server.client.patch(&key, PatchKind::Merge, &patch, false))
        .await
        .expect("patched");
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(next(&mut stream).await.r#type());
    }
    assert_eq!(seen, [Type::Added, Type::Deleted, Type::Added, Type::Modified]);
    server.stop().await;
}

#[tokio::test]
async fn a_watch_without_a_version_begins_with_what_is_there() {
    let server = TestServer::start().await;
    server.create(idle_pod("x")).await;
    for version in ["", "0"] {
        let stream = soon(server.objects().watch(watch(Kind::Pod, version))).await;
        let first = next(&mut stream.expect("a watch").into_inner()).await;
        assert_eq!(first.r#type(), Type::Added);
    }
    let status = soon(server.objects().watch(watch(Kind::Pod, "soon")))
        .await
        .expect_err("no version");
    assert!(
        status.code() == Code::InvalidArgument && status.message().contains("soon"),
        "{status}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_version_that_is_forgotten_is_told_and_a_follower_begins_anew() {
    let server = TestServer::start().await;
    let stored = server.create(idle_pod("large")).await;
    let old = stored.metadata().resource_version.clone();
    let mut follow = server.client.follow(Query::new(Kind::Pod, "default"));
    assert!(
        matches!(soon(follow.next()).await, Ok(Step::Change(change)) if change.kind == ChangeKind::Added)
    );
    // The history keeps so many bytes of changes; fill it with changes of a large object.
    for round in 0..200 {
        let filler = "x".repeat(250_000);
        let patch = json!({"metadata": {"annotations": {"round": round.to_string(), "filler": filler}}});
        soon(
            server
                .client
                .patch(&stored.key(), PatchKind::Merge, &patch, false),
        )
        .await
        .expect("patched");
    }
    let stream = soon(server.objects().watch(watch(Kind::Pod, &old))).await;
    let status = match stream {
        Ok(stream) => soon(stream.into_inner().message()).await.expect_err("too old"),
        Err(status) => status,
    };
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    let mut by_client = server.client.watch(Query::new(Kind::Pod, "default"), &old);
    let error = soon(by_client.next()).await.expect_err("too old");
    assert!(matches!(error, ApiError::TooOld { .. }), "{error}");
    // The follower gets to the last state, whichever of the changes it saw.
    loop {
        if let Step::Change(change) = soon(follow.next()).await.expect("it goes on")
            && change
                .object
                .metadata()
                .annotations
                .get("round")
                .is_some_and(|round| round == "199")
        {
            break;
        }
    }
    server.stop().await;
}
