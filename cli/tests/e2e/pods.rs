//! Pods: how containers run, restart, end, and what they print.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::cluster::Cluster;
use crate::manifests::{WAIT, pod, wait_for};

/// The shell's own process id: in a container's command, $$ stands for one $.
const PID: &str = "$$$$";

/// The process id that a container printed as `pid NUMBER`.
fn pid_in(line: &str) -> Pid {
    let number = line.trim().rsplit(' ').next().and_then(|word| word.parse().ok());
    number
        .and_then(Pid::from_raw)
        .expect("the line ends in a process id")
}

#[test]
fn a_killed_container_is_started_again_in_place() {
    let cluster = Cluster::up();
    let mut manifest = pod("again", &format!("echo run by pid {PID}; {WAIT}"));
    manifest["spec"]["restartPolicy"] = json!("Always");
    cluster.apply(&manifest);
    let first = cluster.wait_line("again", "pid");
    let before = cluster.get("pod/again");
    kill_process(pid_in(&first), Signal::KILL).expect("the container's process runs");
    cluster.wait_field("pod/again", ".status.containerStatuses[0].restartCount", "1");
    cluster.wait_field("pod/again", ".status.containerStatuses[0].ready", "true");
    let second = cluster.wait_line("again", "pid");
    assert_ne!(first, second);

    let after = cluster.get("pod/again");
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(after["status"]["phase"], "Running");
    let last = &after["status"]["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!((&last["exitCode"], &last["signal"]), (&json!(137), &json!(9)));
    assert_eq!(cluster.ok("logs --previous again"), first);
    let row = cluster.ok("get pod again");
    assert!(
        row.contains("RESTARTS") && row.contains("1/1") && row.contains("Running"),
        "{row}"
    );
}

#[test]
fn exit_codes_and_signals_are_kept() {
    let cluster = Cluster::up();
    let cases = [
        ("fine", "exit 0", "Succeeded", 0, None),
        ("wrong", "exit 42", "Failed", 42, None),
        ("killed", "kill -9 $$$$", "Failed", 137, Some(9)),
    ];
    for (name, script, ..) in cases {
        cluster.apply(pod(name, script));
    }
    for (name, _, phase, code, signal) in cases {
        cluster.wait_field(&format!("pod/{name}"), ".status.phase", phase);
        let pod = cluster.get(&format!("pod/{name}"));
        let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
        assert_eq!(ended["exitCode"], code, "{name}: {ended}");
        assert_eq!(ended["signal"].as_i64(), signal, "{name}: {ended}");
    }
}

#[test]
fn the_environment_holds_downward_fields_and_references() {
    let cluster = Cluster::up();
    let script = r#"echo "$POD in $SPACE on $NODE: $GREETING, $LABEL, $(pwd), $0 $1""#;
    let mut manifest = pod("env", script);
    manifest["metadata"]["labels"] = json!({"tier": "front"});
    let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    let container = &mut manifest["spec"]["containers"][0];
    container["workingDir"] = json!("/usr");
    container["args"] = json!(["first", "$(POD)-second"]);
    container["env"] = json!([
        {"name": "POD", "valueFrom": field("metadata.name")},
        {"name": "SPACE", "valueFrom": field("metadata.namespace")},
        {"name": "NODE", "valueFrom": field("spec.nodeName")},
        {"name": "LABEL", "valueFrom": field("metadata.labels['tier']")},
        {"name": "GREETING", "value": "hello $(POD) $$(POD) $(NONE)"},
    ]);
    cluster.apply(&manifest);
    cluster.wait_field("pod/env", ".status.phase", "Succeeded");
    let pod = cluster.get("pod/env");
    let node = pod["spec"]["nodeName"].as_str().expect("a node");
    let expected =
        format!("env in default on {node}: hello env $(POD) $(NONE), front, /usr, first env-second\n");
    assert_eq!(cluster.ok("logs env"), expected);
}

#[test]
fn a_deleted_pod_is_asked_to_stop_first() {
    let cluster = Cluster::up();
    let script = format!("trap 'echo asked to stop; exit 0' TERM; echo ready; {WAIT}");
    cluster.apply(pod("polite", &script));
    cluster.wait_line("polite", "ready");
    let mut output = cluster.begin("logs -f polite");
    output.until("ready");
    assert!(cluster.ok("delete pod polite").contains("deleted"));
    output.until("asked to stop");
    output.end().succeeded();
    cluster.bosun("get pod polite").refused(&["polite", "not found"]);
    cluster.bosun("logs polite").refused(&["polite"]);
}

#[test]
fn a_pod_that_does_not_listen_is_killed_after_its_grace() {
    let cluster = Cluster::up();
    let script = format!("trap '' TERM; echo deaf pid {PID}; for i in $$(seq 3000); do sleep 0.1; done");
    let mut manifest = pod("deaf", &script);
    manifest["spec"]["terminationGracePeriodSeconds"] = json!(1);
    cluster.apply(&manifest);
    let pid = pid_in(&cluster.wait_line("deaf", "pid"));
    cluster.ok("delete pod deaf --timeout=60s");
    assert!(
        rustix::process::test_kill_process(pid).is_err(),
        "the process outlived its pod"
    );
    cluster.bosun("get pod deaf").refused(&["not found"]);
}

#[test]
fn output_is_read_during_and_after_the_run() {
    let cluster = Cluster::up();
    let go = cluster.place.path("go");
    // The container waits for a file, which the test makes once it has read what came before.
    let script = format!(
        "echo one; echo two >&2; {}; echo three; printf four",
        wait_for(&go)
    );
    cluster.apply(pod("talks", &script));
    let mut followed = cluster.begin("logs -f talks");
    followed.until("one");
    followed.until("two");
    let during = cluster.ok("logs talks");
    assert_eq!(during.lines().count(), 2, "{during}");
    std::fs::write(&go, "").expect("a file");
    assert!(followed.end().succeeded().ends_with("three\nfour"));
    cluster.wait_field("pod/talks", ".status.phase", "Succeeded");
    assert_eq!(cluster.ok("logs talks --tail=2"), "three\nfour");
    assert_eq!(cluster.ok("logs talks --tail=0"), "");
    let stamped = cluster.ok("logs talks --timestamps --tail=2");
    let (time, line) = stamped
        .lines()
        .next()
        .and_then(|line| line.split_once(' '))
        .expect("a time");
    assert!(
        time.starts_with("20") && time.ends_with('Z') && line == "three",
        "{stamped}"
    );
    cluster
        .bosun("logs talks --previous")
        .refused(&["talks", "previous"]);
    cluster.bosun("logs talks -c other").refused(&["other", "main"]);
}

#[test]
fn what_cannot_start_says_why() {
    let cluster = Cluster::up();
    let mut silent = pod("silent", "");
    silent["spec"]["containers"][0]
        .as_object_mut()
        .expect("a container")
        .remove("command");
    let mut unknown = pod("unknown", "");
    unknown["spec"]["containers"][0]["command"] = json!(["no-such-program-here"]);
    let mut nowhere = pod("nowhere", "true");
    nowhere["spec"]["containers"][0]["workingDir"] = json!("/no/such/directory");
    cluster.apply(&unknown);
    cluster.apply(&nowhere);
    for (name, part) in [
        ("unknown", "no-such-program-here"),
        ("nowhere", "/no/such/directory"),
    ] {
        cluster.wait_field(&format!("pod/{name}"), ".status.phase", "Failed");
        let pod = cluster.get(&format!("pod/{name}"));
        let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
        let message = ended["message"].as_str().unwrap_or_default();
        assert!(message.contains(part), "{name}: {ended}");
    }
    // Refused by the server or by the node: either way it says that a command is missing.
    let answer = cluster.pipe("apply -f -", &silent);
    assert_eq!(answer.code, Some(0), "{answer:#?}");
    cluster.wait_field("pod/silent", ".status.containerStatuses[0].started", "false");
    let described = cluster.ok("describe pod silent");
    assert!(described.contains("command"), "{described}");
}

#[test]
fn a_pod_that_fits_nowhere_says_why() {
    let cluster = Cluster::up();
    let mut manifest = pod("homeless", "true");
    manifest["spec"]["nodeSelector"] = json!({"disk": "ssd"});
    cluster.apply(&manifest);
    let path = r#".status.conditions[?(@.type=="PodScheduled")].status"#;
    cluster.wait_field("pod/homeless", path, "False");
    let described = cluster.ok("describe pod homeless");
    assert!(
        described.contains("FailedScheduling") || described.contains("Unschedulable"),
        "{described}"
    );
    assert!(described.contains("0/1 nodes"), "{described}");
    assert_eq!(cluster.get("pod/homeless")["status"]["phase"], "Pending");
}

#[test]
fn a_node_is_cordoned_drained_and_taken_back() {
    let cluster = Cluster::up();
    let node = cluster.get("nodes")["items"][0]["metadata"]["name"].clone();
    let node = node.as_str().expect("the cluster has a node").to_owned();
    cluster.apply(pod("bare", WAIT));
    cluster.wait_field("pod/bare", ".status.phase", "Running");
    assert_eq!(
        cluster.ok(&format!("cordon {node}")),
        format!("node/{node} cordoned\n")
    );
    assert_eq!(
        cluster.ok(&format!("cordon node/{node}")),
        format!("node/{node} already cordoned\n")
    );
    assert!(cluster.ok("get nodes").contains("Ready,SchedulingDisabled"));
    cluster.bosun(&format!("drain {node}")).refused(&[
        "stays cordoned",
        "cannot delete Pods that declare no controller (use --force to override): default/bare",
    ]);
    let drained = cluster.ok(&format!("drain {node} --force --grace-period=1"));
    let expected = format!(
        "node/{node} already cordoned\nevicting pod default/bare\npod/bare evicted\nnode/{node} drained\n"
    );
    assert_eq!(drained, expected);
    cluster.apply(pod("later", "true"));
    cluster.wait_field("pod/later", ".status.conditions[0].reason", "Unschedulable");
    assert_eq!(
        cluster.ok(&format!("uncordon {node}")),
        format!("node/{node} uncordoned\n")
    );
    cluster.wait_field("pod/later", ".status.phase", "Succeeded");
}
