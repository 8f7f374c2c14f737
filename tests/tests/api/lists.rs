//! Lists: pages and selectors.

use bosun_proto::{Kind, api};
use serde_json::json;
use tonic::Code;

use crate::server::{TestServer, idle_pod, names, namespace, soon, wire};

async fn list(server: &TestServer, change: impl FnOnce(&mut api::ListRequest)) -> Vec<String> {
    let mut request = api::ListRequest {
        kind: wire(Kind::Pod),
        ..api::ListRequest::default()
    };
    change(&mut request);
    let answer = soon(server.objects().list(request)).await.expect("a list");
    names(answer.into_inner().items)
}

#[tokio::test]
async fn pages_make_up_the_whole_while_others_write() {
    let server = TestServer::start().await;
    for number in 0..10 {
        server.create(idle_pod(&format!("p{number}"))).await;
    }
    let mut found = Vec::new();
    let mut request = api::ListRequest {
        kind: wire(Kind::Pod),
        limit: 3,
        ..api::ListRequest::default()
    };
    let mut versions = Vec::new();
    loop {
        let page = soon(server.objects().list(request.clone()))
            .await
            .expect("a page")
            .into_inner();
        assert!(page.items.len() <= 3);
        versions.push(page.resource_version);
        found.extend(names(page.items));
        let expected_left = 10_i64 - i64::try_from(found.len()).expect("few");
        if page.r#continue.is_empty() {
            break;
        }
        assert!(page.remaining_item_count >= expected_left);
        request.r#continue = page.r#continue;
        // Behind the page that was just read, so that it is in none.
        server.create(idle_pod(&format!("a{}", found.len()))).await;
    }
    let expected: Vec<String> = (0..10).map(|number| format!("p{number}")).collect();
    assert_eq!(found, expected);
    // A watch from any page's version misses nothing: all pages tell the first one's.
    assert!(
        versions.iter().all(|version| *version == versions[0]),
        "{versions:?}"
    );

    request.r#continue = "nonsense".into();
    let status = soon(server.objects().list(request))
        .await
        .expect_err("not a token");
    assert_eq!(status.code(), Code::InvalidArgument);
    let negative = api::ListRequest {
        kind: wire(Kind::Pod),
        limit: -1,
        ..api::ListRequest::default()
    };
    let status = soon(server.objects().list(negative))
        .await
        .expect_err("a negative limit");
    assert!(status.message().contains("limit"), "{status}");
    server.stop().await;
}

#[tokio::test]
async fn selectors_choose() {
    let server = TestServer::start().await;
    server.create(namespace("other", json!({}))).await;
    for (name, space, tier) in [
        ("a", "default", "front"),
        ("b", "default", "back"),
        ("c", "other", "front"),
    ] {
        let mut pod = idle_pod(name);
        pod["metadata"]["namespace"] = json!(space);
        pod["metadata"]["labels"] = json!({"tier": tier});
        server.create(pod).await;
    }
    let labels =
        |text: &'static str| move |request: &mut api::ListRequest| request.label_selector = text.into();
    let fields =
        |text: &'static str| move |request: &mut api::ListRequest| request.field_selector = text.into();
    assert_eq!(list(&server, |_| {}).await, ["a", "b", "c"]);
    assert_eq!(
        list(&server, |request| request.namespace = "other".into()).await,
        ["c"]
    );
    assert_eq!(list(&server, labels("tier=front")).await, ["a", "c"]);
    assert_eq!(list(&server, labels("tier in (back,side)")).await, ["b"]);
    assert_eq!(list(&server, labels("tier!=front")).await, ["b"]);
    assert_eq!(list(&server, labels("!tier")).await, [""; 0]);
    assert_eq!(list(&server, fields("metadata.name=b")).await, ["b"]);
    assert_eq!(list(&server, fields("metadata.namespace!=default")).await, ["c"]);
    assert_eq!(
        list(&server, fields("status.phase=Pending,spec.nodeName="))
            .await
            .len(),
        3
    );
    for (labels, fields) in [
        ("tier in (", ""),
        ("=x", ""),
        ("", "spec.color=red"),
        ("", "metadata.name"),
    ] {
        let request = api::ListRequest {
            kind: wire(Kind::Pod),
            label_selector: labels.into(),
            field_selector: fields.into(),
            ..api::ListRequest::default()
        };
        let status = soon(server.objects().list(request))
            .await
            .expect_err("not a selector");
        assert_eq!(status.code(), Code::InvalidArgument, "{labels}{fields}: {status}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_read_says_how_recent_it_must_be() {
    let server = TestServer::start().await;
    let version = server
        .create(idle_pod("a"))
        .await
        .metadata()
        .resource_version
        .clone();
    for asked in ["", "0", &version] {
        let found = list(&server, |request| request.resource_version = asked.into()).await;
        assert_eq!(found, ["a"], "{asked:?}");
    }
    let both = |request: &mut api::ListRequest| {
        request.resource_version.clone_from(&version);
        request.r#continue = "1:default/a".into();
    };
    let neither = |request: &mut api::ListRequest| request.resource_version = "yesterday".into();
    for change in [&both as &dyn Fn(&mut api::ListRequest), &neither] {
        let mut request = api::ListRequest {
            kind: wire(Kind::Pod),
            ..api::ListRequest::default()
        };
        change(&mut request);
        let status = soon(server.objects().list(request)).await.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains("resourceVersion"), "{status}");
    }
    server.stop().await;
}
