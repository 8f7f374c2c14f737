//! Requests that come more than once: done once, and answered as the first time.

use bosun_proto::{Kind, Object, api, meta_v1};
use serde_json::json;
use tonic::{Code, Request};

use crate::server::{TestServer, idle_pod, names, object, soon, wire};

/// A request under an id.
fn under<T>(id: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let id = id.parse().expect("metadata");
    request.metadata_mut().insert("bosun-request-id", id);
    request
}

fn create(value: serde_json::Value) -> api::CreateRequest {
    api::CreateRequest {
        object: Some(object(value).to_wire()),
        dry_run: false,
    }
}

fn delete(name: &str) -> api::DeleteRequest {
    api::DeleteRequest {
        kind: wire(Kind::Pod),
        namespace: "default".into(),
        name: name.into(),
        options: Some(meta_v1::DeleteOptions::default()),
    }
}

const FIRST: &str = "01234567-89ab-cdef-0123-456789abcdef";
const SECOND: &str = "11234567-89ab-cdef-0123-456789abcdef";
const THIRD: &str = "21234567-89ab-cdef-0123-456789abcdef";

#[tokio::test]
async fn a_repeated_write_is_done_once_and_answered_as_the_first() {
    let server = TestServer::start().await;
    let mut objects = server.objects();
    let mut generated = idle_pod("");
    generated["metadata"] = json!({"generateName": "g-", "namespace": "default"});
    let mut uids = Vec::new();
    for _ in 0..3 {
        let answer = soon(objects.create(under(FIRST, create(generated.clone())))).await;
        let created = answer
            .expect("it is created")
            .into_inner()
            .object
            .and_then(Object::from_wire);
        uids.push(created.expect("an object").metadata().uid.clone());
    }
    assert_eq!((&uids[1], &uids[2]), (&uids[0], &uids[0]));
    let request = api::ListRequest {
        kind: wire(Kind::Pod),
        ..api::ListRequest::default()
    };
    let found = names(
        soon(objects.list(request))
            .await
            .expect("a list")
            .into_inner()
            .items,
    );
    assert_eq!(found.len(), 1, "{found:?}");

    // Created, deleted by somebody else, and the creation repeated: it was done, and is not done again.
    for _ in 0..2 {
        soon(objects.create(under(SECOND, create(idle_pod("p")))))
            .await
            .expect("it is created");
    }
    let status = soon(objects.create(create(idle_pod("p"))))
        .await
        .expect_err("another request");
    assert_eq!(status.code(), Code::AlreadyExists);
    for _ in 0..2 {
        let answer = soon(objects.delete(under(THIRD, delete("p")))).await;
        assert!(answer.expect("it is deleted").into_inner().gone);
    }
    soon(objects.create(under(SECOND, create(idle_pod("p")))))
        .await
        .expect("it was created");
    let status = soon(objects.delete(delete("p"))).await.expect_err("it is gone");
    assert_eq!(status.code(), Code::NotFound);

    let status = soon(objects.create(under("12", create(idle_pod("q")))))
        .await
        .expect_err("no id");
    assert_eq!(status.code(), Code::InvalidArgument);
    server.stop().await;
}
