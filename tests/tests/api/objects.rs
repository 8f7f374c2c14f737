//! Creating, changing and deleting objects.

use bosun_client::PatchKind;
use bosun_proto::batch_v1::{Job, JobSpec};
use bosun_proto::core_v1::{Container, PodSpec, PodTemplateSpec};
use bosun_proto::meta_v1::{DeleteOptions, ObjectMeta, Preconditions};
use bosun_proto::{Key, Kind, Object, Resource, api};
use serde_json::json;

use crate::server::{TestServer, idle_pod, job, namespace, object, soon, wire};

#[tokio::test]
async fn a_job_is_made_of_raw_messages() {
    let server = TestServer::start().await;
    let container = Container {
        name: "main".into(),
        image: "busybox".into(),
        command: vec!["true".into()],
        ..Container::default()
    };
    let job = Job {
        metadata: Some(ObjectMeta {
            name: "raw".into(),
            ..ObjectMeta::default()
        }),
        spec: Some(JobSpec {
            template: Some(PodTemplateSpec {
                metadata: None,
                spec: Some(PodSpec {
                    restart_policy: "Never".into(),
                    containers: vec![container],
                    ..PodSpec::default()
                }),
            }),
            ..JobSpec::default()
        }),
        status: None,
    };
    let mut objects = server.objects();
    let request = |dry_run| api::CreateRequest {
        object: Some(Object::from(job.clone()).to_wire()),
        dry_run,
    };
    let get = api::GetRequest {
        kind: wire(Kind::Job),
        namespace: String::new(),
        name: "raw".into(),
        resource_version: String::new(),
    };
    soon(objects.create(request(true))).await.expect("it would do");
    assert!(
        soon(objects.get(get.clone())).await.is_err(),
        "a dry run stores nothing"
    );

    let written = soon(objects.create(request(false)))
        .await
        .expect("it does")
        .into_inner();
    assert!(
        written.warnings.iter().any(|warning| warning.contains("image")),
        "{:?}",
        written.warnings
    );
    let stored = written
        .object
        .and_then(Object::from_wire)
        .expect("the object as stored");
    let metadata = stored.metadata();
    assert_eq!((&*metadata.namespace, metadata.generation), ("default", 1));
    assert!(!metadata.uid.is_empty() && !metadata.resource_version.is_empty());
    let stored = Job::from_object(&stored).expect("a Job");
    let spec = stored.spec.as_ref().expect("a spec");
    assert_eq!(
        (spec.completions, spec.backoff_limit),
        (Some(1), Some(6)),
        "defaults"
    );
    let found = soon(objects.get(get)).await.expect("it is there").into_inner();
    let found = Object::from_wire(found).expect("an object");
    assert_eq!(found.metadata().uid, stored.metadata().uid);
    server.stop().await;
}

#[tokio::test]
async fn of_two_updates_of_one_version_one_is_refused() {
    let server = TestServer::start().await;
    let stored = server.create(idle_pod("x")).await;
    let labelled = |value: &str| {
        let mut changed = stored.clone();
        changed.metadata_mut().labels.insert("by".into(), value.into());
        changed
    };
    let first = soon(server.client.update(&labelled("first"), false))
        .await
        .expect("the first");
    let second = soon(server.client.update(&labelled("second"), false))
        .await
        .expect_err("the second");
    assert!(second.is_conflict(), "{second}");
    // Without a version the last one wins.
    let mut third = labelled("third");
    third.metadata_mut().resource_version.clear();
    let third = soon(server.client.update(&third, false))
        .await
        .expect("the third")
        .object;
    assert_eq!(third.metadata().labels["by"], "third");
    assert_eq!(third.metadata().uid, first.object.metadata().uid);
    server.stop().await;
}

#[tokio::test]
async fn spec_and_status_have_each_their_own_verb() {
    let server = TestServer::start().await;
    let mut stored = server.create(idle_pod("x")).await;
    stored.metadata_mut().labels.insert("kept".into(), "yes".into());
    let stored = soon(server.client.update(&stored, false))
        .await
        .expect("labels")
        .object;

    let mut changed = stored.to_json();
    changed["metadata"]["resourceVersion"] = json!("");
    changed["status"]["message"] = json!("said by the test");
    changed["spec"]["nodeSelector"] = json!({"changed": "yes"});
    changed["spec"]["activeDeadlineSeconds"] = json!(77);
    let answer = soon(server.client.update_status(&object(changed.clone()), false)).await;
    let stored = answer.expect("the status").object.to_json();
    assert_eq!(stored["status"]["message"], "said by the test");
    assert_eq!(
        stored["spec"]["activeDeadlineSeconds"],
        json!(null),
        "the spec is not the status's"
    );
    assert_eq!(stored["metadata"]["labels"]["kept"], "yes");

    changed["spec"]["nodeSelector"] = stored["spec"]["nodeSelector"].clone();
    changed["status"]["message"] = json!("not by this verb");
    let answer = soon(server.client.update(&object(changed), false)).await;
    let stored = answer.expect("the spec").object.to_json();
    assert_eq!(stored["status"]["message"], "said by the test");
    assert_eq!(stored["spec"]["activeDeadlineSeconds"], 77);
    server.stop().await;
}

#[tokio::test]
async fn patches_of_both_languages() {
    let server = TestServer::start().await;
    server.create(namespace("x", json!({"a": "1", "b": "2"}))).await;
    let key = Key::new(Kind::Namespace, "", "x");
    let patch = |kind, document| {
        let (client, key) = (&server.client, &key);
        async move { soon(client.patch(key, kind, &document, false)).await }
    };
    let merge = json!({"metadata": {"labels": {"a": null, "c": "3"}}});
    let merged = patch(PatchKind::Merge, merge)
        .await
        .expect("a merge patch")
        .object;
    let labels = merged.metadata().labels.clone();
    assert_eq!(
        json!(labels),
        json!({"b": "2", "c": "3", "kubernetes.io/metadata.name": "x"})
    );
    let steps = json!([
        {"op": "test", "path": "/metadata/labels/b", "value": "2"},
        {"op": "replace", "path": "/metadata/labels/b", "value": "4"},
    ]);
    let stepped = patch(PatchKind::Json, steps.clone())
        .await
        .expect("a JSON patch")
        .object;
    assert_eq!(stepped.metadata().labels["b"], "4");
    patch(PatchKind::Json, steps)
        .await
        .expect_err("the test in it does not hold any more");
    patch(PatchKind::Merge, json!({"metadata": {"lables": {}}}))
        .await
        .expect_err("a field that does not exist");
    patch(PatchKind::Merge, json!([1])).await.expect_err("no object");
    let after = soon(server.client.get(&key)).await.expect("it is there");
    assert_eq!(
        after.metadata().resource_version,
        stepped.metadata().resource_version
    );
    server.stop().await;
}

#[tokio::test]
async fn many_patches_of_one_object_at_once_all_arrive() {
    let server = TestServer::start().await;
    server.create(namespace("x", json!({}))).await;
    let key = Key::new(Kind::Namespace, "", "x");
    let patches = (0..20).map(|number| {
        let (client, key) = (server.client.clone(), key.clone());
        async move {
            let patch = json!({"metadata": {"labels": {format!("n{number}"): "x"}}});
            client.patch(&key, PatchKind::Merge, &patch, false).await
        }
    });
    for written in soon(futures::future::join_all(patches)).await {
        written.expect("each arrives");
    }
    let after = soon(server.client.get(&key)).await.expect("it is there");
    let numbered = after.metadata().labels.keys().filter(|key| key.starts_with('n'));
    assert_eq!(numbered.count(), 20);
    server.stop().await;
}

#[tokio::test]
async fn a_delete_may_name_what_it_means() {
    let server = TestServer::start().await;
    let stored = server.create(job("x")).await;
    let key = stored.key();
    let with = |uid: &str| DeleteOptions {
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        propagation_policy: Some("Background".into()),
        ..DeleteOptions::default()
    };
    let other = soon(server.client.delete(&key, with("another")))
        .await
        .expect_err("another uid");
    assert!(other.is_conflict(), "{other}");
    soon(server.client.get(&key)).await.expect("it is still there");
    soon(server.client.delete(&key, with(&stored.metadata().uid)))
        .await
        .expect("its own uid");
    let gone = soon(server.client.delete(&key, DeleteOptions::default())).await;
    // Its pods may hold it for a moment; then it is gone.
    assert!(gone.is_ok() || gone.is_err_and(|error| error.is_not_found()));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_writes_at_once_share_one_connection() {
    // More than the protocol's own window of 64 KiB holds, several times over.
    const WRITES: usize = 1_000;
    let server = TestServer::start().await;
    let writes = (0..WRITES).map(|number| {
        let note = "x".repeat(1_500);
        let namespace = object(json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": format!("n{number}"), "annotations": {"note": note}},
        }));
        let client = server.client.clone();
        tokio::spawn(async move { client.create(&namespace, false).await })
    });
    for write in writes.collect::<Vec<_>>() {
        soon(write).await.expect("no panic").expect("stored");
    }
}
