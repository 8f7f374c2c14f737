//! Bad input: each kind of it is refused with the field or file and the way out, and makes nothing.

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::manifests::{cron_job, job, pod, replica_set};
use crate::program::Place;

/// A manifest after one change.
fn with(mut manifest: Value, pointer: &str, value: Value) -> String {
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    manifest.pointer_mut(parent).expect("the parent is there")[field] = value;
    manifest.to_string()
}

#[test]
fn files_that_are_no_manifests_are_refused_by_line() {
    let place = Place::new();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let levels = (0..5_000).map(|level| " ".repeat(level) + "a:");
    let deep_block = levels.collect::<Vec<_>>().join(
        "
",
    );
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (before, name) in ('a'..'j').zip('b'..='j') {
        let ten = vec![format!("*{before}"); 10].join(", ");
        bomb += &[&*format!("{name}: &{name} ["), &ten, "]\n"].concat();
    }
    let head = "apiVersion: batch/v1\nkind: Job\n";
    let huge = format!("{head}metadata:\n  name: x\n# {}\n", "x".repeat(17 << 20));
    let cases = [
        ("empty.yaml", String::new(), vec!["empty.yaml"]),
        ("broken.yaml", "a: [1\nb: 2\n".into(), vec!["broken.yaml:"]),
        ("tab.yaml", "a:\n\tb: 1\n".into(), vec!["tab.yaml:2"]),
        ("scalar.yaml", "just text\n".into(), vec!["scalar.yaml:1"]),
        (
            "twice.yaml",
            format!("{head}kind: Pod\nmetadata:\n  name: x\n"),
            vec!["twice.yaml:3", "kind"],
        ),
        (
            "kindless.yaml",
            "apiVersion: v1\nmetadata:\n  name: x\n".into(),
            vec!["kindless.yaml", "kind"],
        ),
        (
            "unknown.yaml",
            "apiVersion: v1\nkind: Widget\n".into(),
            vec!["unknown.yaml", "Widget"],
        ),
        (
            "version.yaml",
            "apiVersion: batch/v2\nkind: Job\n".into(),
            vec!["version.yaml", "batch/v1"],
        ),
        ("deep.yaml", deep, vec!["deep.yaml:", "nest"]),
        ("block.yaml", deep_block, vec!["block.yaml:", "nest"]),
        ("bomb.yaml", bomb, vec!["bomb.yaml:"]),
        ("huge.yaml", huge, vec!["huge.yaml", "16 MiB", "split"]),
    ];
    for (name, text, parts) in cases {
        let file = place.file(name, text);
        // Also without a server: the file is read first.
        let line = format!("apply --server 127.0.0.1:1 -f {file}");
        place.bosun(&line).refused(&parts);
    }
    let binary = place.file("binary.yaml", [0xff, 0xfe, 0x00, 0x01]);
    place
        .bosun(&format!("apply -f {binary}"))
        .refused(&["binary.yaml:1", "UTF-8"]);
    place
        .bosun("apply -f missing.yaml")
        .refused(&["missing.yaml", "no such file"]);
    place
        .start_with("apply -f -", None, "kind: [}")
        .end()
        .refused(&["standard input:1"]);
}

#[test]
fn fields_are_refused_by_path_and_line() {
    let cluster = Cluster::up();
    let job = |pointer: &str, value: Value| with(job("x", "true"), pointer, value);
    let container = "/spec/template/spec/containers/0";
    let cases = [
        (
            job("/spec/compltions", json!(1)),
            vec!["spec.compltions", "completions"],
        ),
        (
            job("/spec/completions", json!("three")),
            vec!["spec.completions", "three"],
        ),
        (
            job("/spec/completions", json!(1.5)),
            vec!["spec.completions", "1.5"],
        ),
        (
            job("/spec/completions", json!(3_000_000_000_i64)),
            vec!["spec.completions"],
        ),
        (job("/spec/completions", json!([1])), vec!["spec.completions"]),
        (
            job(&format!("{container}/command"), json!("true")),
            vec!["containers[0].command"],
        ),
        (
            job(&format!("{container}/imagee"), json!("x")),
            vec!["containers[0].imagee", "image"],
        ),
        (job("/metadata/labels", json!({"a": 1})), vec!["metadata.labels"]),
        (job("/metadata/name", json!(7)), vec!["metadata.name"]),
    ];
    for (manifest, parts) in cases {
        let answer = cluster.pipe("apply -f -", manifest);
        assert!(answer.stderr.contains("standard input:1"), "{answer:#?}");
        answer.refused(&parts);
    }
    assert_eq!(cluster.names("jobs"), [""; 0]);
}

#[test]
fn values_of_a_job_are_refused_with_their_path() {
    let cluster = Cluster::up();
    let job = |pointer: &str, value: Value| with(job("x", "true"), pointer, value);
    let requests = json!({"requests": {"cpu": "much"}});
    let cases = [
        (
            job("/metadata/name", json!("Not_A_Label")),
            vec!["metadata.name", "Not_A_Label"],
        ),
        (job("/metadata/name", json!("")), vec!["metadata.name"]),
        (
            job("/metadata/name", json!("a".repeat(300))),
            vec!["metadata.name", "253"],
        ),
        (job("/metadata/namespace", json!("nowhere")), vec!["nowhere"]),
        (
            job("/metadata/labels", json!({"-bad-": "x"})),
            vec!["metadata.labels", "-bad-"],
        ),
        (job("/spec/parallelism", json!(-1)), vec!["spec.parallelism", "0"]),
        (
            job("/spec/backoffLimit", json!(-7)),
            vec!["spec.backoffLimit", "0"],
        ),
        (
            job("/spec/activeDeadlineSeconds", json!(-1)),
            vec!["spec.activeDeadlineSeconds"],
        ),
        (
            job("/spec/completionMode", json!("Some")),
            vec!["spec.completionMode", "Indexed"],
        ),
        (
            job("/spec/template/spec/restartPolicy", json!("Always")),
            vec!["spec.template.spec.restartPolicy", "OnFailure", "Never"],
        ),
        (
            job("/spec/template/spec/containers", json!([])),
            vec!["spec.template.spec.containers"],
        ),
        (
            job("/spec/template/spec/containers/0/resources", requests),
            vec!["containers[0].resources.requests", "much"],
        ),
    ];
    for (manifest, parts) in cases {
        cluster.pipe("apply -f -", &manifest).refused(&parts);
    }
    assert_eq!(cluster.names("jobs,pods"), [""; 0]);
}

#[test]
fn values_of_other_kinds_are_refused_with_their_path() {
    let cluster = Cluster::up();
    let cron = |schedule: &str| cron_job("x", schedule, "true").to_string();
    let cases = [
        (
            with(replica_set("x", 1), "/spec/selector/matchLabels/app", json!("y")),
            vec!["spec.template.metadata.labels", "selector"],
        ),
        (
            with(replica_set("x", 1), "/spec/replicas", json!(-1)),
            vec!["spec.replicas"],
        ),
        (cron("whenever"), vec!["spec.schedule", "five fields"]),
        (cron("0 0 30 2 *"), vec!["spec.schedule", "never fires"]),
        (cron("61 * * * *"), vec!["spec.schedule", "61"]),
        (cron("* * * *"), vec!["spec.schedule", "five"]),
        (cron("TZ=UTC * * * * *"), vec!["spec.schedule", "timeZone"]),
        (
            with(
                cron_job("x", "* * * * *", "true"),
                "/spec/timeZone",
                json!("Mars/Base"),
            ),
            vec!["spec.timeZone", "Mars/Base"],
        ),
        (
            with(pod("x", "true"), "/spec/terminationGracePeriodSeconds", json!(-1)),
            vec!["spec.terminationGracePeriodSeconds"],
        ),
    ];
    for (manifest, parts) in cases {
        cluster.pipe("apply -f -", &manifest).refused(&parts);
    }
    for kind in ["jobs", "pods", "rs", "cronjobs"] {
        assert_eq!(cluster.names(kind), [""; 0], "{kind}");
    }
}

#[test]
fn two_objects_of_one_name_are_refused_before_anything_is_made() {
    let cluster = Cluster::up();
    let twice = format!("{}\n---\n{}\n", job("same", "true"), job("same", "false"));
    cluster
        .pipe("apply -f -", &twice)
        .refused(&["same", "standard input:3"]);
    assert_eq!(cluster.names("jobs"), [""; 0]);
}

#[test]
fn many_mistakes_are_told_together() {
    let cluster = Cluster::up();
    let mut manifest = job("bad", "true");
    manifest["spec"]["backoffLimit"] = json!(-1);
    manifest["spec"]["parallelism"] = json!(-1);
    manifest["spec"]["completions"] = json!(-1);
    cluster.pipe("apply -f -", &manifest).refused(&[
        "spec.backoffLimit",
        "spec.parallelism",
        "spec.completions",
    ]);
}

#[test]
fn what_cannot_be_changed_says_so() {
    let cluster = Cluster::up();
    let mut manifest = replica_set("web", 0);
    cluster.apply(&manifest);
    manifest["spec"]["selector"]["matchLabels"] = json!({"app": "web", "tier": "x"});
    manifest["spec"]["template"]["metadata"]["labels"] = json!({"app": "web", "tier": "x"});
    cluster
        .pipe("apply -f -", &manifest)
        .refused(&["spec.selector", "may not be changed"]);
}

#[test]
fn command_lines_that_make_no_sense_are_refused() {
    let place = Place::new();
    for (line, parts) in [
        ("gett pods", &["gett", "get"][..]),
        ("get", &["WHAT"]),
        ("get jbos", &["jbos", "jobs"]),
        ("run", &["FILE"]),
        ("run missing.yaml", &["missing.yaml"]),
        ("apply", &["--filename"]),
        ("scale rs/x", &["--replicas"]),
        ("scale rs/x --replicas=many", &["many"]),
        ("wait pod/x", &["--for"]),
        ("logs", &["POD"]),
        ("completion cmd", &["bash"]),
        ("get pods -o nonsense", &["nonsense"]),
        ("get pods --server 1.2.3.4:99999", &["1.2.3.4:99999"]),
        ("create job x --from=pod/y", &["cronjob"]),
    ] {
        let output = place.bosun(line);
        assert_eq!(output.stdout, "", "bosun {line}");
        output.refused(parts);
    }
}
