//! Objects of every kind in both encodings, and how unfit JSON is told.

use serde_json::json;

use super::*;

fn job() -> Value {
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "hello", "namespace": "default"},
        "spec": {"parallelism": 0, "template": {"spec": {"containers": [{"name": "main", "image": "busybox"}]}}},
        "status": {"active": 1},
    })
}

fn read(value: Value) -> Object {
    let (object, unknown) = Object::from_json(value).unwrap();
    assert_eq!(unknown, Vec::<String>::new());
    object
}

/// The message of reading the Job with one value replaced.
fn error(pointer: &str, wrong: Value) -> String {
    let mut document = job();
    *document.pointer_mut(pointer).unwrap() = wrong;
    Object::from_json(document).unwrap_err().to_string()
}

#[test]
fn json_there_and_back() {
    let object = read(job());
    assert_eq!(object.to_json(), job());
    assert_eq!(object.key().to_string(), "Job default/hello");
    let text = serde_json::to_string(&object).unwrap();
    assert!(
        text.starts_with(r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"#),
        "{text}"
    );
}

#[test]
fn wire_there_and_back() {
    let object = read(job());
    let mut bytes = Vec::new();
    object.encode(&mut bytes);
    assert_eq!(bytes, object.to_wire().encode_to_vec());
    assert_eq!(bytes.len(), object.encoded_len());
    assert_eq!(
        Object::from_wire(api::Object::decode(bytes.as_slice()).unwrap()),
        Some(object.clone())
    );
    let bare = object.to_kubernetes_bytes();
    assert_eq!(Object::from_kubernetes_bytes(Kind::Job, &bare).unwrap(), object);
    assert_eq!(Object::from_wire(api::Object::default()), None);
}

#[test]
fn wrong_types_are_named_with_their_path() {
    let cases = [
        (
            "/spec/template/spec/containers/0/name",
            json!(5),
            "spec.template.spec.containers[0].name: expected a string, found the number 5",
        ),
        (
            "/spec/parallelism",
            json!("5"),
            "spec.parallelism: expected a whole number, found the string \"5\"",
        ),
        (
            "/spec/parallelism",
            json!(3_000_000_000_i64),
            "spec.parallelism: expected a whole number of 32 bits, found the number 3000000000",
        ),
        (
            "/spec/template/spec/containers",
            json!({}),
            "spec.template.spec.containers: expected a list, found an object",
        ),
        (
            "/metadata",
            json!({"labels": {"a": 1}}),
            "metadata.labels[a]: expected a string, found the number 1",
        ),
        ("/spec/template/spec", json!({"hostNetwork": "yes"}), {
            "spec.template.spec.hostNetwork: expected true or false, found the string \"yes\""
        }),
        ("/metadata", json!({"creationTimestamp": ""}), {
            "metadata.creationTimestamp: \"\" is not a time; write it like 2026-01-31T08:00:00Z"
        }),
        ("/spec", json!([]), "spec: expected an object, found a list"),
    ];
    for (pointer, wrong, message) in cases {
        assert_eq!(error(pointer, wrong), message);
    }
    let inline = json!({"containers": [{"name": "a", "livenessProbe": {"httpGet": {"port": {}}}}]});
    assert_eq!(
        error("/spec/template/spec", inline),
        "spec.template.spec.containers[0].livenessProbe.httpGet.port: expected a whole number or a string, found an object"
    );
}

#[test]
fn unknown_fields_are_listed_with_their_paths() {
    let mut document = job();
    document["sepc"] = json!(1);
    document["spec"]["paralelism"] = json!(1);
    document["spec"]["template"]["spec"]["containers"][0]["livenessProbe"] =
        json!({"httpPost": {}, "exec": {"cmd": []}});
    document["spec"]["template"]["spec"]["volumes"] = json!([{"name": "a", "emptyDir": {}, "emptydir": {}}]);
    let (_, unknown) = Object::from_json(document).unwrap();
    assert_eq!(
        unknown,
        [
            "sepc",
            "spec.paralelism",
            "spec.template.spec.containers[0].livenessProbe.exec.cmd",
            "spec.template.spec.containers[0].livenessProbe.httpPost",
            "spec.template.spec.volumes[0].emptydir",
        ]
    );
}

#[test]
fn unsupported_kinds_say_what_is_supported() {
    for (api_version, kind, said) in [
        ("apps/v1", "Deployment", "supported are Namespace (v1)"),
        ("batch/v1beta1", "CronJob", "write \"batch/v1\""),
        ("", "Job", "apiVersion: missing"),
    ] {
        let error = Object::from_json(json!({"apiVersion": api_version, "kind": kind}))
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(
        Object::from_json(json!({"apiVersion": "v1"}))
            .unwrap_err()
            .to_string()
            .starts_with("kind: missing")
    );
    assert!(Object::from_json(json!({"apiVersion": 1, "kind": "Pod"})).is_err());
    assert!(Object::from_json(json!([])).is_err());
}

#[test]
fn null_is_absent_and_empty_messages_stay() {
    let volumes = json!([{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": null}]);
    let document = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": null, "creationTimestamp": null},
        "spec": {"volumes": volumes, "containers": null, "hostNetwork": null, "priority": null},
    });
    let expected = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b"}], "containers": []},
    });
    assert_eq!(read(document).to_json(), expected);
}

#[test]
fn halves_are_copied_and_compared_alone() {
    let one = read(job());
    let mut two = one.clone();
    two.metadata_mut().generation = 7;
    assert_ne!(one, two);
    assert!(one.spec_equal(&two) && one.status_equal(&two));

    if let Some(job) = batch_v1::Job::from_object_mut(&mut two) {
        job.spec.get_or_insert_default().parallelism = Some(3);
        job.status.get_or_insert_default().active = 3;
    }
    assert!(!one.spec_equal(&two) && !one.status_equal(&two));
    let mut three = one.clone();
    three.copy_status_from(&two);
    assert!(three.status_equal(&two) && three.spec_equal(&one));
    three.copy_spec_from(&two);
    assert!(three.spec_equal(&two));
    assert_eq!(three.metadata().generation, 0);
    assert!(
        batch_v1::Job::from_object(&one).is_some_and(|job| job.metadata().generation == 0),
        "a clone is not touched"
    );
}

#[test]
fn a_plain_kind_is_all_spec() {
    let mut event = Object::from(core_v1::Event {
        reason: "Started".to_owned(),
        ..Default::default()
    });
    event.metadata_mut().name = "e".to_owned();
    let other = Object::from(core_v1::Event {
        reason: "Killed".to_owned(),
        ..Default::default()
    });
    assert!(!event.spec_equal(&other) && event.status_equal(&other));
    event.copy_spec_from(&other);
    assert!(event.spec_equal(&other));
    assert_eq!(event.metadata().name, "e");
    assert!(!event.spec_equal(&Object::from(core_v1::Pod::default())));
}

#[test]
fn times_never_set_are_absent_on_entry() {
    let zero = Some(crate::Time::default());
    let metadata = ObjectMeta {
        creation_timestamp: zero,
        deletion_timestamp: zero,
        ..Default::default()
    };
    let status = batch_v1::JobStatus {
        start_time: zero,
        conditions: vec![batch_v1::JobCondition {
            last_probe_time: zero,
            ..Default::default()
        }],
        ..Default::default()
    };
    let job = batch_v1::Job {
        metadata: Some(metadata),
        status: Some(status),
        ..Default::default()
    };
    let object = Object::from_kubernetes_bytes(Kind::Job, &job.encode_to_vec()).unwrap();
    assert_eq!(object.metadata(), &ObjectMeta::default());
    let status = batch_v1::Job::from_object(&object)
        .unwrap()
        .status
        .as_ref()
        .unwrap();
    assert_eq!(
        (status.start_time, status.conditions[0].last_probe_time),
        (None, None)
    );
}

/// A server keeps thousands of these, and several versions of each: a large field that is mostly absent belongs behind a
/// pointer (`BOXED` in build.rs).
#[test]
fn what_there_are_thousands_of_stays_small() {
    let sizes = [
        ("Pod", size_of::<core_v1::Pod>(), 1_750),
        ("Container", size_of::<core_v1::Container>(), 550),
        ("ContainerStatus", size_of::<core_v1::ContainerStatus>(), 550),
        ("EnvVar", size_of::<core_v1::EnvVar>(), 64),
        ("Volume", size_of::<core_v1::Volume>(), 300),
        ("Event", size_of::<core_v1::Event>(), 850),
        ("Job", size_of::<batch_v1::Job>(), 2_000),
    ];
    for (message, size, most) in sizes {
        assert!(
            size <= most,
            "{message} takes {size} bytes, at most {most} are expected"
        );
    }
}
