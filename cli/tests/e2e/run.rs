//! `bosun run`: one command from a file to its end.

use rustix::process::Signal;
use serde_json::json;

use crate::cluster::Cluster;
use crate::manifests::{WAIT, job};
use crate::program::Place;

#[test]
fn a_job_is_run_to_its_end_and_accounted_for() {
    let place = Place::new();
    let output = place.bosun("run examples/job.yaml");
    let lines: Vec<&str> = output
        .stdout
        .lines()
        .filter(|line| line.contains(" | "))
        .collect();
    let said: Vec<&str> = lines
        .iter()
        .filter_map(|line| Some(line.split_once(" | ")?.1))
        .collect();
    let [first, middle @ .., last] = &said[..] else {
        panic!("{output:#?}");
    };
    assert!(first.starts_with("hello from "), "{output:#?}");
    assert_eq!(
        middle,
        ["step 1 of 3 done", "step 2 of 3 done", "step 3 of 3 done"]
    );
    assert_eq!(*last, "goodbye");
    assert!(lines.iter().all(|line| line.starts_with("hello-")), "{output:#?}");
    let row = table_row(&output.stdout, "hello");
    assert_eq!(row[..5], ["Job", "hello", "Completed", "1", "0"]);
    // Nothing for a terminal where there is none.
    assert!(!output.stdout.contains('\u{1b}') && !output.stderr.contains('\u{1b}'));
    output.succeeded();
    assert_eq!(place.left_in_tmp(), [""; 0]);
}

#[test]
fn six_pieces_of_work_are_done_once_each() {
    let output = Place::new().bosun("run examples/job-parallel.yaml");
    for piece in 0..6 {
        for what in ["begins", "is done"] {
            let line = format!("piece {piece} {what}");
            assert_eq!(output.stdout.matches(&line).count(), 1, "{line}: {output:#?}");
        }
    }
    let row = table_row(&output.stdout, "six-pieces");
    assert_eq!(row[..5], ["Job", "six-pieces", "Completed", "6", "0"]);
    output.succeeded();
}

#[test]
fn a_failure_names_pod_reason_exit_code_and_last_lines() {
    let place = Place::new();
    let fine = place.file("fine.yaml", job("fine", "echo all good").to_string());
    let wrong = place.file(
        "wrong.yaml",
        job("wrong", "echo one; echo two >&2; exit 3").to_string(),
    );
    let output = place.bosun(&format!("run {fine} {wrong}"));
    assert_eq!(table_row(&output.stdout, "fine")[2], "Completed");
    assert_eq!(
        table_row(&output.stdout, "wrong")[2..4],
        ["Failed", "(BackoffLimitExceeded)"]
    );
    assert_eq!(output.code, Some(1));
    output.refused(&[
        "wrong",
        "pod wrong-",
        "BackoffLimitExceeded",
        "exit code 3",
        "| one",
        "| two",
    ]);
    assert_eq!(place.left_in_tmp(), [""; 0]);
}

#[test]
fn a_mistake_in_a_file_is_told_before_anything_runs() {
    let place = Place::new();
    let mark = place.path("mark");
    let fine = place.file(
        "fine.yaml",
        job("fine", &format!("touch {}", mark.display())).to_string(),
    );
    let wrong = place.file(
        "wrong.yaml",
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  nmae: x\n",
    );
    place
        .bosun(&format!("run {fine} {wrong}"))
        .refused(&["wrong.yaml:4", "nmae", "name"]);
    place
        .bosun(&format!("run {fine} missing.yaml"))
        .refused(&["missing.yaml: there is no such file"]);
    assert!(!mark.exists());
    assert_eq!(place.left_in_tmp(), [""; 0]);
}

#[test]
fn what_only_the_server_can_refuse_is_told_with_its_file() {
    let place = Place::new();
    let mut negative = job("negative", "true");
    negative["spec"]["parallelism"] = json!(-1);
    let file = place.file("negative.yaml", negative.to_string());
    place
        .bosun(&format!("run {file}"))
        .refused(&["negative.yaml", "spec.parallelism"]);
    assert_eq!(place.left_in_tmp(), [""; 0]);
}

#[test]
fn a_run_in_an_existing_cluster_leaves_its_objects_there() {
    let cluster = Cluster::up();
    let file = cluster
        .place
        .file("job.yaml", job("there", "echo done").to_string());
    let line = format!("run --server {} {file}", cluster.address());
    let told = cluster.place.bosun(&line).succeeded();
    assert_eq!(table_row(&told, "there")[2], "Completed");
    assert_eq!(cluster.get("job/there")["status"]["succeeded"], 1);
    cluster.place.bosun(&line).refused(&[
        "job.batch/there is in this cluster and has ended already",
        "bosun delete",
    ]);
}

#[test]
fn a_server_killed_in_the_middle_is_told_and_fails_the_run() {
    let mut cluster = Cluster::up();
    let file = cluster.place.file(
        "job.yaml",
        job("long", &format!("echo begun; {WAIT}")).to_string(),
    );
    let mut run = cluster
        .place
        .start(&format!("run --server {} {file}", cluster.address()));
    run.until("| begun");
    cluster.kill_9();
    run.end().refused(&["error: ", cluster.address()]);
}

#[test]
fn an_interrupted_run_stops_its_containers_and_cleans_up() {
    let place = Place::new();
    let mark = place.path("stopped");
    let script = format!("trap 'touch {}; exit 0' TERM; echo begun; {WAIT}", mark.display());
    let file = place.file("job.yaml", job("long", &script).to_string());
    let mut run = place.start(&format!("run {file}"));
    run.until("| begun");
    run.signal(Signal::INT);
    let output = run.end();
    assert_eq!(output.code, Some(1), "{output:#?}");
    output.failed();
    assert!(mark.exists(), "the container was not asked to stop");
    assert_eq!(place.left_in_tmp(), [""; 0]);
}

/// The words of a row of the final table.
#[track_caller]
fn table_row<'a>(stdout: &'a str, name: &str) -> Vec<&'a str> {
    let rows = stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut found = rows.filter(|row| row.first() == Some(&"Job") && row.get(1) == Some(&name));
    found
        .next()
        .unwrap_or_else(|| panic!("no row for {name} in:\n{stdout}"))
}
