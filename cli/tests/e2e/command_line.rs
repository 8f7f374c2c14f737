//! The verbs and their output, as people and scripts use them.

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::manifests::{WAIT, job, pod, replica_set};
use crate::program::Place;

/// Three pods that never run, with labels to choose by, in two namespaces.
fn with_pods() -> Cluster {
    let cluster = Cluster::up();
    cluster.ok("create namespace other");
    for (name, namespace, tier) in [
        ("a", "default", "front"),
        ("b", "default", "back"),
        ("c", "other", "front"),
    ] {
        let mut manifest = pod(name, "true");
        manifest["metadata"]["namespace"] = json!(namespace);
        manifest["metadata"]["labels"] = json!({"tier": tier});
        manifest["spec"]["nodeSelector"] = json!({"no": "where"});
        cluster.apply(&manifest);
    }
    cluster
}

#[test]
fn get_chooses_and_prints() {
    let cluster = with_pods();
    let table = cluster.ok("get pods");
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].starts_with("NAME") && lines[0].contains("STATUS"),
        "{table}"
    );
    assert!(
        lines[1].starts_with("a ") && lines[2].starts_with("b ") && lines.len() == 3,
        "{table}"
    );
    assert!(cluster.ok("get pods -o wide").contains("NODE"));
    assert_eq!(cluster.ok("get pods -o name"), "pod/a\npod/b\n");
    assert_eq!(cluster.ok("get pods -n other -o name"), "pod/c\n");
    assert_eq!(cluster.ok("get pods -A -o name").lines().count(), 3);
    assert!(cluster.ok("get pods -A").contains("NAMESPACE"));
    assert_eq!(
        cluster
            .ok("get pods -A -l tier=front --no-headers")
            .lines()
            .count(),
        2
    );
    assert_eq!(cluster.ok("get pods -l tier!=front -o name"), "pod/b\n");
    assert_eq!(
        cluster.ok("get pods --field-selector metadata.name=b -o name"),
        "pod/b\n"
    );
    assert_eq!(
        cluster.ok("get pod/a -o jsonpath={.metadata.labels.tier}").trim(),
        "front"
    );
    let yaml = cluster.ok("get pod a -o yaml");
    assert!(yaml.starts_with("apiVersion: v1\nkind: Pod\n"), "{yaml}");
    assert_eq!(cluster.get("pod/a")["metadata"]["name"], "a");
    assert!(cluster.ok("get nodes,pods").contains("node-1"));
    let none = cluster.bosun("get jobs");
    assert!(
        none.stderr.contains("No resources found") || none.stdout.is_empty(),
        "{none:#?}"
    );
    none.succeeded();
    cluster
        .bosun("get pod none")
        .refused(&["pods \"none\" not found"]);
    cluster
        .bosun("get pods --field-selector spec.color=red")
        .refused(&["spec.color"]);
    cluster.bosun("get pods -l a=b=c").refused(&["a=b=c"]);
    cluster
        .bosun("get deployments")
        .refused(&["deployments", "The kinds are:"]);
}

#[test]
fn what_yaml_prints_can_be_applied_again() {
    let cluster = with_pods();
    let yaml = cluster.ok("get pod a -o yaml");
    let answer = cluster.pipe("apply -f -", &yaml);
    assert!(answer.succeeded().contains("pod/a"), "{yaml}");
}

#[test]
fn a_watch_shows_each_change() {
    let cluster = with_pods();
    let mut watch = cluster.begin("get pods -w");
    watch.until("b ");
    cluster.ok("delete pod a");
    let mut late = pod("late", "true");
    late["spec"]["nodeSelector"] = json!({"no": "where"});
    cluster.apply(&late);
    watch.until("late ");
}

#[test]
fn apply_says_what_it_did() {
    let cluster = Cluster::up();
    let mut manifest = replica_set("web", 1);
    assert_eq!(cluster.apply(&manifest), "replicaset.apps/web created\n");
    assert_eq!(cluster.apply(&manifest), "replicaset.apps/web unchanged\n");
    manifest["spec"]["replicas"] = json!(2);
    assert_eq!(cluster.apply(&manifest), "replicaset.apps/web configured\n");
    assert_eq!(cluster.get("rs/web")["spec"]["replicas"], 2);
    cluster
        .pipe("create -f -", &manifest)
        .refused(&["replicasets.apps \"web\" already exists"]);
    let dry = cluster.pipe("apply --dry-run=server -f -", job("dry", "true"));
    assert!(dry.succeeded().contains("dry run"));
    assert_eq!(cluster.names("jobs"), [""; 0]);

    let folder = cluster.place.path("folder");
    std::fs::create_dir(&folder).expect("a folder");
    let two = format!("{}\n---\n{}\n", job("one", "true"), job("two", "true"));
    std::fs::write(folder.join("two.yaml"), two).expect("a file");
    std::fs::write(folder.join("three.json"), job("three", "true").to_string()).expect("a file");
    let folder = folder.display();
    assert_eq!(cluster.ok(&format!("apply -f {folder}")).lines().count(), 3);
    assert_eq!(cluster.names("jobs"), ["one", "three", "two"]);
    cluster.ok(&format!("delete -f {folder}"));
    assert_eq!(cluster.names("jobs"), [""; 0]);
    cluster
        .bosun(&format!("delete -f {folder}"))
        .refused(&["not found"]);
    cluster.ok(&format!("delete -f {folder} --ignore-not-found"));
}

#[test]
fn describe_tells_the_story_with_its_events() {
    let cluster = Cluster::up();
    cluster.apply(job("told", "true"));
    cluster.wait("job/told", "condition=Complete");
    let told = cluster.ok("describe job told");
    for part in [
        "Name:",
        "told",
        "Complete",
        "Events:",
        "SuccessfulCreate",
        "Completed",
    ] {
        assert!(told.contains(part), "no {part:?} in:\n{told}");
    }
    let pod = cluster.name("pods -l job-name=told");
    let told = cluster.ok(&format!("describe pod {pod}"));
    for part in ["Node:", "node-1", "exitCode: 0", "Scheduled"] {
        assert!(told.contains(part), "no {part:?} in:\n{told}");
    }
    assert!(cluster.ok("describe node node-1").contains("Ready"));
    cluster
        .bosun("describe job none")
        .refused(&["jobs.batch \"none\" not found"]);
    assert!(cluster.ok("get events").contains("SuccessfulCreate"));
}

#[test]
fn wait_ends_with_what_it_waits_for_or_says_why_not() {
    let cluster = with_pods();
    cluster
        .bosun("wait pod/a --for=jsonpath={.status.phase}=Running --timeout=0")
        .refused(&["pod/a"]);
    cluster
        .bosun("wait pod/a --for=delete --timeout=1s")
        .refused(&["pod/a", "still waiting"]);
    cluster
        .bosun("wait pod/none --for=condition=Ready")
        .refused(&["pod/none", "does not exist"]);
    cluster
        .bosun("wait pod/a --for=nonsense")
        .refused(&["condition="]);
    let mut wait = cluster.begin("wait pod/soon --for=create --timeout=60s");
    cluster.apply(pod("soon", "true"));
    wait.until("pod/soon created");
    wait.end().succeeded();
    let wait = cluster.begin("wait pod/b --for=delete --timeout=60s");
    cluster.ok("delete pod b");
    assert_eq!(wait.end().succeeded(), "pod/b deleted\n");
}

#[test]
fn delete_by_label_all_and_namespace() {
    let cluster = with_pods();
    cluster.ok("delete pods -l tier=back");
    assert_eq!(cluster.names("pods"), ["a"]);
    cluster.bosun("delete pods").refused(&["--all"]);
    cluster.ok("delete pods --all");
    assert_eq!(cluster.names("pods"), [""; 0]);
    // A namespace empties itself.
    cluster.ok("delete namespace other");
    assert_eq!(cluster.names("pods -A"), [""; 0]);
    cluster.bosun("get namespace other").refused(&["not found"]);
    cluster.bosun("delete pod none").refused(&["not found"]);
}

#[test]
fn delete_may_return_before_the_end() {
    let cluster = Cluster::up();
    cluster.apply(pod("slow", &format!("trap 'exit 0' TERM; echo on; {WAIT}")));
    cluster.wait_line("slow", "on");
    cluster.ok("delete pod slow --wait=false");
    cluster.wait("pod/slow", "delete");
}

#[test]
fn completion_and_version_need_no_server() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.bosun(&format!("completion {shell}")).succeeded();
        assert!(script.contains("bosun") && script.contains("apply"), "{shell}");
    }
    let version = place.bosun("version --client").succeeded();
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    assert!(
        place
            .bosun("--version")
            .succeeded()
            .contains(env!("CARGO_PKG_VERSION"))
    );
    assert!(
        place
            .bosun("--help")
            .succeeded()
            .contains("bosun run examples/job.yaml")
    );
    let cluster = Cluster::up();
    let both = cluster.ok("version");
    assert_eq!(both.matches(env!("CARGO_PKG_VERSION")).count(), 2, "{both}");
}

#[test]
fn the_tour_of_the_readme_works() {
    let cluster = Cluster::up();
    cluster.ok("apply -f examples/mixed.yaml");
    cluster.ok("get jobs,rs,cronjobs,pods -o wide");
    cluster.wait("job/mixed-once", "condition=Complete");
    assert!(!cluster.ok("logs job/mixed-once").is_empty());
    cluster.ok("scale rs/mixed-always --replicas=4");
    cluster.wait_field("rs/mixed-always", ".status.readyReplicas", "4");
    cluster.ok("describe rs mixed-always");
    cluster.ok("create job now --from=cronjob/mixed-each-minute");
    cluster.wait("job/now", "condition=Complete");
    cluster.ok("delete -f examples/mixed.yaml");
    let left: Vec<Value> = ["jobs", "rs", "cronjobs"]
        .map(|kind| cluster.get(kind)["items"].clone())
        .into();
    assert!(
        left.iter()
            .all(|items| items.as_array().is_some_and(Vec::is_empty)),
        "{left:?}"
    );
}
