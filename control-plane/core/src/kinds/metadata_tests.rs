//! Names, labels, annotations, finalizers and owners: what is refused, and by which path.

use crate::kinds::fixtures::check;

const GOOD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p.q, namespace: default}
spec:
  containers: [{name: a, image: busybox}]
";

#[test]
fn names_labels_annotations() {
    check(
        GOOD,
        &r#"
        metadata.name = "P" => metadata.name: lower-case
        metadata.name = "../etc" => metadata.name: DNS name
        metadata.name = - => metadata.name: generateName
        metadata.generateName = "a-" => fine
        metadata.generateName = "A-" => metadata.generateName: lower-case
        metadata.namespace = "a.b" => metadata.namespace: DNS label
        metadata.namespace = - => metadata.namespace: a Pod lives in a namespace
        metadata.labels = {"a/b/c":"x"} => metadata.labels: is not a key
        metadata.labels = {"a":"x y"} => metadata.labels[a]: label value
        metadata.annotations = {"Example.com/a":"any text, as long as you like"} => fine
        metadata.annotations = {"":"x"} => metadata.annotations: is not a key
        metadata.annotations = {"bosun.dev/on-node-loss":"keep"} => fine
        metadata.annotations = {"bosun.dev/on-node-loss":"Keep"} => metadata.annotations[bosun.dev/on-node-loss]: stop
        metadata.annotations = {"bosun.dev/on-node-loss":""} => metadata.annotations[bosun.dev/on-node-loss]: one of: stop, keep
        metadata.annotations = {"a":"HUGE"} => metadata.annotations: at most 262144
        "#
        .replace("HUGE", &"x".repeat(256 << 10)),
    );
}

#[test]
fn finalizers_and_owners() {
    check(
        GOOD,
        r#"
        metadata.finalizers = ["example.com/a"] => fine
        metadata.finalizers = ["mine"] => metadata.finalizers[0]: needs a domain
        metadata.finalizers = ["orphan","foregroundDeletion"] => metadata.finalizers: not both
        metadata.ownerReferences = [{"apiVersion":"batch/v1","kind":"Job","name":"j","uid":"u","controller":true}] => fine
        metadata.ownerReferences = [{"apiVersion":"batch/v1","kind":"Job","name":"j","uid":"","controller":true}] => metadata.ownerReferences[0].uid: named by
        metadata.ownerReferences = [{"apiVersion":"batch/v1","kind":"Job","name":"j","uid":"u","controller":true},{"apiVersion":"batch/v1","kind":"Job","name":"j","uid":"w","controller":true}] => metadata.ownerReferences: only one owner
        metadata.ownerReferences = [{"apiVersion":"v1","kind":"Event","name":"e","uid":"u"}] => metadata.ownerReferences[0].kind: cannot own
        "#,
    );
}

#[test]
fn a_namespace_has_a_shorter_form_of_name_and_lives_in_none() {
    check(
        "{apiVersion: v1, kind: Namespace, metadata: {name: a}}",
        r#"
        metadata.labels = {"team":"x"} => fine
        metadata.name = "a.b" => metadata.name: DNS label
        metadata.namespace = "b" => metadata.namespace: lives in no namespace
        "#,
    );
}
