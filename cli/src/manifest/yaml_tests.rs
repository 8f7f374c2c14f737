//! What the YAML reader takes, refuses, and how it bounds hostile input.

use super::documents;
use serde_json::{Value, json};

fn read(text: &str) -> Vec<Value> {
    documents(text)
        .unwrap()
        .iter()
        .map(super::Node::to_json)
        .collect()
}

fn refused(text: &str) -> (usize, String) {
    let error = documents(text).unwrap_err();
    (error.line, error.message)
}

#[test]
fn several_documents_and_empty_ones() {
    let text = "---\na: 1\n---\n# nothing here\n---\nb: [x, {y: z}]\n...\n";
    assert_eq!(read(text), [json!({"a": 1}), json!({"b": ["x", {"y": "z"}]})]);
    assert!(read("").is_empty());
    assert!(read("# only a comment\n").is_empty());
}

#[test]
fn json_is_read_by_the_same_reader() {
    let text = "{\n\t\"a\": \"x\\/y\",\n\t\"b\": [1, 2.5, null, true],\n\t\"c\": {}\n}\n";
    assert_eq!(
        read(text),
        [json!({"a": "x/y", "b": [1, 2.5, null, true], "c": {}})]
    );
}

#[test]
fn quoted_and_block_scalars_stay_text() {
    let text = "a: \"1\"\nb: 'true'\nc: |\n  one\n  two\nd: >-\n  folded\n  line\n";
    assert_eq!(
        read(text),
        [json!({"a": "1", "b": "true", "c": "one\ntwo\n", "d": "folded line"})]
    );
}

#[test]
fn anchors_aliases_and_merge_keys() {
    let text = "base: &base {x: 1, y: 2}\ncopy: *base\nmerged:\n  <<: *base\n  y: 3\n";
    let expected = json!({"base": {"x": 1, "y": 2}, "copy": {"x": 1, "y": 2}, "merged": {"y": 3, "x": 1}});
    assert_eq!(read(text), [expected]);
}

#[test]
fn tags() {
    assert_eq!(read("a: !!str 5\nb: !!int \"7\"\n"), [json!({"a": "5", "b": 7})]);
    assert!(refused("a: !secret x\n").1.contains("tag"));
    assert!(refused("a: !!binary aGk=\n").1.contains("tag"));
}

#[test]
fn a_duplicate_field_names_itself_and_its_line() {
    let (line, message) = refused("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n");
    assert_eq!(line, 5);
    assert!(
        message.contains("\"c\"") && message.contains("twice"),
        "{message}"
    );
}

#[test]
fn syntax_errors_have_a_line_and_a_hint() {
    let (line, message) = refused("a: 1\nb: [1, 2\nc: 3\n");
    assert!(line >= 2, "{line}");
    assert!(message.starts_with("not valid YAML"), "{message}");
    let (line, message) = refused("a:\n\tb: 1\n");
    assert_eq!(line, 2);
    assert!(message.contains("tab"), "{message}");
}

#[test]
fn field_names_must_be_text() {
    assert!(refused("? [a, b]\n: 1\n").1.contains("field name"));
    assert!(refused("~: 1\n").1.contains("no name"));
    assert_eq!(read("1: x\ntrue: y\n"), [json!({"1": "x", "true": "y"})]);
}

#[test]
fn an_alias_bomb_is_bounded() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let below = level - 1;
        let items = vec![format!("*a{below}"); 10].join(", ");
        text += &[
            "a",
            &level.to_string(),
            ": &a",
            &level.to_string(),
            " [",
            &items,
            "]\n",
        ]
        .concat();
    }
    assert!(refused(&text).1.contains("aliases"));
}

#[test]
fn an_alias_inside_its_own_value_is_refused() {
    assert!(refused("a: &a [1, *a]\n").1.contains("alias"));
}

#[test]
fn deep_nesting_is_refused_however_it_is_written() {
    let flow = format!("a: {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let block = format!("{}x\n", "- ".repeat(100_000));
    let mappings: Vec<String> = (0..500)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .collect();
    let mappings = mappings.concat();
    let json = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    for text in [flow, block, mappings, json] {
        let message = refused(&text).1;
        assert!(message.contains("nested deeper"), "{message}");
    }
}

#[test]
fn lines_are_found_by_field_path() {
    let text = "kind: Job\nmetadata:\n  labels:\n    app.example.org/name: x\nspec:\n  containers:\n  - name: a\n    image: b\n  - name: c\n    imagee: d\n";
    let tree = documents(text).unwrap().remove(0);
    assert_eq!(tree.line_of("spec.containers[1].imagee"), 10);
    assert_eq!(tree.line_of("metadata.labels.app.example.org/name"), 4);
    assert_eq!(tree.line_of("metadata.labels[app.example.org/name]"), 4);
    assert_eq!(tree.line_of("spec.containers[1].missing"), 9);
    assert_eq!(tree.line_of("spec.containers[7]"), 6);
    assert_eq!(tree.line_of(""), 1);
}
