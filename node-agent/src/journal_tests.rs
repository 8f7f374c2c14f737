//! The journal over restarts, crashes, damage and rewriting, on a disk in memory.

use super::*;
use bosun_host::testing;

fn id(pod: &str, container: &str, run: u32) -> ContainerId {
    ContainerId {
        pod_uid: pod.into(),
        container: container.into(),
        run,
    }
}

fn mark(pid: i32) -> ProcessMark {
    ProcessMark {
        pid,
        start_ticks: 7,
        started_at: wall(5),
    }
}

fn ended(exit_code: i32) -> Ended {
    Ended {
        exit_code,
        signal: 0,
        reason: "Error".to_owned(),
        message: String::new(),
        started_at: Some(wall(5)),
        finished_at: wall(9),
    }
}

const PATH: &str = "/data/journal";

fn host() -> Host {
    let (host, _) = testing::host(1, wall(0));
    host.disk.create_directory(Path::new("/data")).unwrap();
    host
}

fn open(host: &Host, boot: &str) -> (Journal, Earlier) {
    Journal::read(host, Path::new(PATH), boot).unwrap()
}

fn append_raw(host: &Host, bytes: &[u8]) {
    let file = host.disk.open(Path::new(PATH), OpenMode::Write).unwrap();
    file.write_at(file.length().unwrap(), bytes).unwrap();
}

#[tokio::test]
async fn what_was_recorded_is_read_back() {
    let host = host();
    let (journal, _) = open(&host, "boot");
    journal.begin(None).unwrap();
    journal.started(&id("p", "c", 0), mark(10));
    journal.ended(&id("p", "c", 0), &ended(3));
    journal.started(&id("p", "c", 1), mark(11));
    journal.started(&id("q", "c", 0), mark(12));
    journal.finished(&"q".into());
    journal.started(&id("r", "c", 0), mark(13));
    journal.removed(&"r".into());
    let (again, earlier) = open(&host, "boot");
    assert!(earlier.same_boot && earlier.session.is_none());
    assert_eq!(again.content(), journal.content());
    let content = again.content();
    let runs = &content.pods["p"]["c"];
    assert_eq!(runs[&0], RunRecord::Ended(ended(3)));
    assert_eq!(runs[&1], RunRecord::Started(mark(11)));
    assert!(content.finished.contains("q") && !content.pods.contains_key("r"));
    assert!(!open(&host, "another boot").1.same_boot);
}

#[tokio::test]
async fn the_session_of_the_earlier_life_is_read_back_also_after_a_rewrite() {
    let host = host();
    let session = SessionMark { pid: 40, ticks: 7 };
    open(&host, "boot").0.begin(Some(session)).unwrap();
    let (again, earlier) = open(&host, "boot");
    assert_eq!(earlier.session, Some(session));
    again.begin(None).unwrap();
    assert_eq!(open(&host, "boot").1.session, None);
}

#[tokio::test]
async fn what_a_full_disk_refused_is_written_when_there_is_room_again() {
    let (host, disk) = testing::host(1, wall(0));
    host.disk.create_directory(Path::new("/data")).unwrap();
    let (journal, _) = open(&host, "boot");
    journal.begin(None).unwrap();
    journal.started(&id("p", "c", 0), mark(10));
    disk.set_capacity(Some(0));
    journal.ended(&id("p", "c", 0), &ended(3));
    journal.started(&id("q", "c", 0), mark(11));
    assert!(!journal.catch_up() && journal.is_behind());
    assert_eq!(
        journal.record(&id("p", "c", 0)),
        Some(RunRecord::Ended(ended(3))),
        "known all the same"
    );
    disk.set_capacity(None);
    assert!(journal.catch_up() && !journal.is_behind());
    journal.ended(&id("q", "c", 0), &ended(4));
    assert_eq!(open(&host, "boot").0.content(), journal.content());
}

#[tokio::test]
async fn only_the_last_two_runs_are_kept() {
    let host = host();
    let (journal, _) = open(&host, "boot");
    for run in 0..5 {
        journal.ended(&id("p", "c", run), &ended(1));
    }
    let kept: Vec<u32> = journal.content().pods["p"]["c"].keys().copied().collect();
    assert_eq!(kept, [3, 4]);
}

#[tokio::test]
async fn a_damaged_tail_is_cut_and_appending_goes_on_after_the_cut() {
    let host = host();
    let (journal, _) = open(&host, "boot");
    journal.begin(None).unwrap();
    journal.ended(&id("p", "c", 0), &ended(3));
    let before = journal.content();
    append_raw(&host, b"{\"ended\":{\"pod\":\"half");
    let (again, _) = open(&host, "boot");
    assert_eq!(again.content(), before);
    again.begin(None).unwrap();
    again.finished(&"p".into());
    assert!(open(&host, "boot").0.is_finished("p"));
}

#[tokio::test]
async fn another_format_is_refused_with_the_file_and_the_way_out() {
    let host = host();
    for header in [
        "{\"bosun_agent_journal\":9,\"boot_id\":\"b\"}\n",
        "something else\n",
    ] {
        host.disk
            .write_atomically(Path::new(PATH), header.as_bytes())
            .unwrap();
        let refusal = Journal::read(&host, Path::new(PATH), "b")
            .err()
            .unwrap()
            .to_string();
        assert!(
            refusal.contains(PATH) && refusal.contains("remove the file"),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn the_file_is_rewritten_when_it_has_grown() {
    let host = host();
    let (journal, _) = open(&host, "boot");
    journal.begin(None).unwrap();
    for number in 0..40_000 {
        let pod: Arc<str> = format!("pod-{}", number % 3).into();
        journal.ended(&id(&pod, "container", number), &ended(1));
    }
    let length = host
        .disk
        .open(Path::new(PATH), OpenMode::Read)
        .unwrap()
        .length()
        .unwrap();
    assert!(length <= REWRITE_MIN, "{length}");
    assert_eq!(open(&host, "boot").0.content(), journal.content());
}
