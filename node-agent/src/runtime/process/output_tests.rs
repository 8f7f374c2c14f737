//! Container output written and read back: records, rotation, tails, following.

use std::path::Path;
use std::sync::Arc;

use bosun_host::{Host, WallTime, testing};
use tokio::sync::mpsc;

use super::output::{Output, Stream, older_path, run_of, run_path};
use super::output_reader::Reading;
use crate::runtime::{ContainerId, LogRequest};

fn id(run: u32) -> ContainerId {
    ContainerId {
        pod_uid: "uid".into(),
        container: "main".into(),
        run,
    }
}

fn at(seconds: i64) -> WallTime {
    WallTime::from_timestamp(seconds, 123_456_789).unwrap()
}

fn root() -> &'static Path {
    Path::new("/logs")
}

fn host() -> Host {
    testing::host(1, at(0)).0
}

fn output(host: &Host, run: u32) -> Output {
    Output::new(Arc::clone(&host.disk), root(), &id(run))
}

async fn read(host: &Host, run: u32, request: LogRequest) -> String {
    let (sender, mut receiver) = mpsc::channel::<Result<bytes::Bytes, String>>(4);
    let reading = Reading::new(Arc::clone(&host.disk), run_path(root(), &id(run)), None, &request);
    let collect = async {
        let mut text = Vec::new();
        while let Some(piece) = receiver.recv().await {
            text.extend_from_slice(&piece.unwrap());
        }
        String::from_utf8(text).unwrap()
    };
    tokio::join!(reading.run(sender), collect).1
}

#[tokio::test]
async fn records_carry_time_stream_and_flag() {
    let host = host();
    let mut out = output(&host, 0);
    out.append(Stream::Stdout, b"one\ntw", at(0));
    out.append(Stream::Stderr, b"bad\n", at(1));
    out.append(Stream::Stdout, b"o\nrest", at(2));
    out.close(at(3));
    let text = String::from_utf8(host.disk.read(&run_path(root(), &id(0))).unwrap()).unwrap();
    assert_eq!(
        text,
        "1970-01-01T00:00:00.123456789Z stdout F one\n\
         1970-01-01T00:00:01.123456789Z stderr F bad\n\
         1970-01-01T00:00:02.123456789Z stdout F two\n\
         1970-01-01T00:00:03.123456789Z stdout P rest\n"
    );
    let all = LogRequest::default();
    assert_eq!(read(&host, 0, all).await, "one\nbad\ntwo\nrest");
}

#[tokio::test]
async fn a_silent_first_run_leaves_no_file_and_reads_as_empty() {
    let host = host();
    output(&host, 0).close(at(1));
    assert!(host.disk.read(&run_path(root(), &id(0))).is_err());
    assert_eq!(read(&host, 0, LogRequest::default()).await, "");
}

#[tokio::test]
async fn a_restart_leaves_a_trace_and_drops_the_run_before_the_last() {
    let host = host();
    for run in 0..4 {
        let mut out = output(&host, run);
        if run != 3 {
            out.append(Stream::Stdout, b"x\n", at(0));
        }
        out.close(at(1));
    }
    let names = host.disk.list(Path::new("/logs/uid")).unwrap();
    assert_eq!(names, ["main.2.log", "main.3.log"]);
    assert_eq!(run_of("main.3.log", "main"), Some(3));
    assert_eq!(run_of("main.3.log.1", "main"), None);
    assert_eq!(run_of("main.3.log", "mai"), None);
}

#[tokio::test]
async fn long_lines_are_cut_and_read_back_whole() {
    let host = host();
    let line = "y".repeat(100_000);
    let mut out = output(&host, 0);
    for piece in format!("{line}\nend\n").as_bytes().chunks(7_001) {
        out.append(Stream::Stdout, piece, at(0));
    }
    out.close(at(1));
    assert_eq!(
        read(&host, 0, LogRequest::default()).await,
        format!("{line}\nend\n")
    );
    let tail = LogRequest {
        tail_lines: Some(1),
        ..LogRequest::default()
    };
    assert_eq!(read(&host, 0, tail).await, "end\n");
}

#[tokio::test]
async fn tail_since_limit_and_times_select() {
    let host = host();
    let mut out = output(&host, 0);
    for second in 0..5 {
        out.append(Stream::Stdout, format!("line {second}\n").as_bytes(), at(second));
    }
    out.close(at(9));
    let base = LogRequest::default;
    let cases = [
        (
            LogRequest {
                tail_lines: Some(2),
                ..base()
            },
            "line 3\nline 4\n",
        ),
        (
            LogRequest {
                tail_lines: Some(0),
                ..base()
            },
            "",
        ),
        (
            LogRequest {
                tail_lines: Some(99),
                limit_bytes: Some(8),
                ..base()
            },
            "line 0\nl",
        ),
        (
            LogRequest {
                since: Some(at(3)),
                ..base()
            },
            "line 3\nline 4\n",
        ),
        (
            LogRequest {
                since: Some(at(3)),
                tail_lines: Some(1),
                ..base()
            },
            "line 4\n",
        ),
        (
            LogRequest {
                timestamps: true,
                tail_lines: Some(1),
                ..base()
            },
            "1970-01-01T00:00:04.123456789Z line 4\n",
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(read(&host, 0, request.clone()).await, expected, "{request:?}");
    }
}

#[tokio::test]
async fn a_full_file_is_set_aside_and_both_are_read() {
    let host = host();
    let mut out = output(&host, 0).with_file_bytes_max(100);
    for second in 0..6 {
        out.append(Stream::Stdout, format!("line {second}\n").as_bytes(), at(second));
    }
    out.close(at(9));
    assert!(host.disk.read(&older_path(&run_path(root(), &id(0)))).is_ok());
    // Two records fit into a file; the older two files' worth is gone.
    assert_eq!(
        read(&host, 0, LogRequest::default()).await,
        "line 2\nline 3\nline 4\nline 5\n"
    );
}

#[tokio::test]
async fn following_sees_every_line_across_a_rotation_and_ends_with_the_run() {
    let host = host();
    let mut out = output(&host, 0).with_file_bytes_max(100);
    let (sender, mut receiver) = mpsc::channel(4);
    let follow = LogRequest {
        follow: true,
        ..LogRequest::default()
    };
    let reading = Reading::new(
        Arc::clone(&host.disk),
        run_path(root(), &id(0)),
        Some(out.progress()),
        &follow,
    );
    let task = tokio::spawn(reading.run(sender));
    for second in 0..7 {
        let line = format!("line {second}\n");
        out.append(Stream::Stdout, line.as_bytes(), at(second));
        assert_eq!(receiver.recv().await.unwrap().unwrap(), line.as_bytes());
    }
    out.close(at(9));
    assert!(receiver.recv().await.is_none());
    task.await.unwrap();
}
