//! Each class of bad manifest, and what is said about it.

use super::source::Text;
use super::{Namespace, strict, told};

const DEFAULT: Namespace<'static> = Namespace {
    name: "default",
    explicit: false,
};

pub(super) fn read(text: &str, namespace: Namespace<'_>) -> Result<Vec<strict::ManifestObject>, String> {
    let texts = [Text {
        source: "x.yaml".into(),
        text: text.into(),
    }];
    let (objects, mistakes) = strict::read(&texts, namespace);
    told(&mistakes).map_or(Ok(objects), Err)
}

fn names(text: &str) -> String {
    let objects = read(text, DEFAULT).unwrap();
    let name = |object: &strict::ManifestObject| {
        format!("{}@{}", object.reference(), object.object.metadata().namespace)
    };
    objects.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn check(text: &str, expected: &str) {
    let told = read(text, DEFAULT).unwrap_err();
    assert_eq!(told, expected, "{text}");
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n";

#[test]
fn objects_in_documents_and_lists() {
    let text = format!(
        "{POD}---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: batch/v1\n  kind: Job\n  metadata: {{name: b, namespace: other}}\n- {{apiVersion: v1, kind: Namespace, metadata: {{name: c}}}}\n---\napiVersion: v1\nkind: PodList\nitems:\n- {{apiVersion: v1, kind: Pod, metadata: {{generateName: d-}}}}\n"
    );
    assert_eq!(
        names(&text),
        "pod/a@default job.batch/b@other namespace/c@ pod/d-@default"
    );
}

#[test]
fn unknown_fields_have_line_path_and_hint() {
    let text = format!(
        "{POD}spec:\n  containers:\n  - name: x\n    imagee: y\n    zzz: 1\n  restartpolicy: Never\n"
    );
    check(
        &text,
        "x.yaml:8: spec.containers[0].imagee: unknown field; did you mean \"image\"?\n\
         x.yaml:9: spec.containers[0].zzz: unknown field\n\
         x.yaml:10: spec.restartpolicy: unknown field; did you mean \"restartPolicy\"?",
    );
}

#[test]
fn wrong_types_have_line_and_path() {
    let text = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: a\nspec:\n  parallelism: \"two\"\n";
    let told = read(text, DEFAULT).unwrap_err();
    assert!(
        told.starts_with("x.yaml:6: spec.parallelism: expected "),
        "{told}"
    );
    let told = read(&format!("{POD}spec: [1]\n"), DEFAULT).unwrap_err();
    assert!(told.starts_with("x.yaml:5: spec: expected an object"), "{told}");
    let told = read(&format!("{POD}  labels: {{a: 1}}\n"), DEFAULT).unwrap_err();
    assert!(told.starts_with("x.yaml:5: metadata.labels"), "{told}");
}

#[test]
fn kinds_that_do_not_exist() {
    for (text, expected) in [
        (
            "kind: Pod\nmetadata: {name: a}\n",
            "x.yaml:1: apiVersion: missing",
        ),
        ("apiVersion: v1\nmetadata: {name: a}\n", "x.yaml:1: kind: missing"),
        ("apiVersion: batch/v1beta1\nkind: CronJob\n", "write \"batch/v1\""),
        (
            "apiVersion: apps/v1\nkind: Deployment\n",
            "x.yaml:2: kind: \"Deployment\"",
        ),
        (
            "apiVersion: 1\nkind: Pod\n",
            "x.yaml:1: apiVersion: expected a string",
        ),
    ] {
        let told = read(text, DEFAULT).unwrap_err();
        assert!(told.contains(expected), "{text}: {told}");
    }
}

#[test]
fn what_is_no_object_at_all() {
    let expected = "x.yaml:1: expected an object with apiVersion, kind and metadata; is this a manifest?";
    check("just text\n", expected);
    check("- a\n- b\n", expected);
    check("apiVersion: v1\nkind: List\n", "x.yaml:1: the List has no items");
    check(
        "apiVersion: v1\nkind: List\nitems: {a: b}\n",
        "x.yaml:3: items: expected a list of objects",
    );
}

#[test]
fn names_are_needed_and_unique() {
    check(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  labels: {a: b}\n",
        "x.yaml:3: metadata.name: missing; every Pod needs a name",
    );
    check(
        "apiVersion: v1\nkind: Pod\n",
        "x.yaml:1: metadata.name: missing; every Pod needs a name",
    );
    check(
        &format!("{POD}---\n{POD}"),
        "x.yaml:9 (document 2): metadata.name: a second Pod default/a; the first stands at x.yaml:4 (document 1); rename or remove one",
    );
    // The same name in another namespace or kind is another object.
    names(&format!("{POD}---\n{POD}  namespace: other\n"));
}

#[test]
fn the_command_lines_namespace_counts() {
    let explicit = Namespace {
        name: "mine",
        explicit: true,
    };
    let objects = read(POD, explicit).unwrap();
    assert_eq!(objects[0].object.metadata().namespace, "mine");
    assert_eq!(objects[0].json["metadata"]["namespace"], "mine");
    let told = read(&format!("{POD}  namespace: other\n"), explicit).unwrap_err();
    assert!(
        told.starts_with("x.yaml:5: metadata.namespace: is \"other\""),
        "{told}"
    );
}

#[test]
fn a_broken_file_does_not_hide_the_mistakes_of_another() {
    let texts = [
        Text {
            source: "a.yaml".into(),
            text: "a: [\n".into(),
        },
        Text {
            source: "b.yaml".into(),
            text: format!("{POD}x: 1\n"),
        },
    ];
    let (_, mistakes) = strict::read(&texts, DEFAULT);
    let told = told(&mistakes).unwrap();
    assert!(
        told.starts_with("a.yaml:") && told.contains("\nb.yaml:5: x: unknown field"),
        "{told}"
    );
}

#[test]
fn only_so_many_mistakes_are_told() {
    let fields: Vec<String> = (0..50).map(|number| format!("field{number}: 1\n")).collect();
    let fields = fields.concat();
    let told = read(&format!("{POD}{fields}"), DEFAULT).unwrap_err();
    assert_eq!(told.lines().count(), 21);
    assert!(told.ends_with("... and 30 more"), "{told}");
}
