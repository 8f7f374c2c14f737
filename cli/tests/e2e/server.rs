//! Starting a server where it cannot run: each refusal names the setting and the way out.

use std::net::TcpListener;
use std::process::Command;

use rustix::process::Signal;
use serde_json::json;

use crate::cluster::{Cluster, address_in};
use crate::manifests::pod;
use crate::program::{Place, text};

#[test]
fn a_second_start_on_one_directory_is_refused() {
    let cluster = Cluster::up();
    let second = cluster.place.bosun(&cluster.up_line());
    second.refused(&[
        &text(&cluster.place.path("data")),
        "in use by another bosun process",
    ]);
    // The first is none the worse for it.
    cluster.ok("get nodes");
}

#[test]
fn a_port_in_use_is_named() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    for line in [
        format!("up --listen {address} --data-dir {}", text(&place.path("up"))),
        format!(
            "server --listen {address} --data-dir {}",
            text(&place.path("server"))
        ),
    ] {
        place.bosun(&line).refused(&[&address, "--listen"]);
    }
    place
        .bosun("up --listen nowhere")
        .refused(&["nowhere", "IP:PORT"]);
    place
        .bosun(&format!(
            "up --listen 0.0.0.0:0 --data-dir {}",
            text(&place.path("open"))
        ))
        .refused(&["--insecure-plaintext"]);
}

#[test]
fn a_directory_of_another_format_is_refused_and_left_as_it_is() {
    let mut cluster = Cluster::up();
    cluster.stop().succeeded();
    let segment = first_segment(&cluster.place);
    let mut bytes = std::fs::read(&segment).expect("a segment of the log");
    let original = bytes.clone();
    // The head as docs/log-format.md has it: version at 8, checksum of the 64 bytes at 12.
    bytes[8] = 99;
    bytes[12..16].fill(0);
    let checksum = crc32fast::hash(&bytes[..64]);
    bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(&segment, &bytes).expect("a segment of the log");
    let refused = cluster.place.bosun(&cluster.up_line());
    refused.refused(&["99", "version"]);
    assert_eq!(std::fs::read(&segment).expect("a segment of the log"), bytes);
    std::fs::write(&segment, original).expect("a segment of the log");
    cluster.start();
}

/// The first file of the raft log.
fn first_segment(place: &Place) -> std::path::PathBuf {
    let mut waiting = vec![place.path("data")];
    let mut found = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|end| end == "log") && text(&path).contains("raft") {
                found.push(path);
            }
        }
    }
    found.sort();
    found.into_iter().next().expect("a segment")
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let place = Place::new();
    let file = place.file("file", "not a directory");
    place
        .bosun(&format!("up --listen 127.0.0.1:0 --data-dir {file}"))
        .refused(&["data directory", &file, "another directory"]);
    // A place where also root cannot write.
    place
        .bosun("up --listen 127.0.0.1:0 --data-dir /proc/bosun")
        .refused(&["data directory", "/proc/bosun"]);
}

#[test]
fn no_server_is_told_with_the_way_out() {
    let place = Place::new();
    for line in [
        "get pods",
        "apply -f examples/job.yaml",
        "delete job x",
        "logs x",
        "describe job x",
        "wait job/x --for=delete",
        "scale rs/x --replicas=1",
        "run examples/job.yaml",
    ] {
        // Port 1 is where nobody listens.
        place.bosun(&format!("{line} --server 127.0.0.1:1")).refused(&[
            "127.0.0.1:1",
            "bosun up",
            "--server",
        ]);
    }
    place.bosun("get pods --server somewhere").refused(&["somewhere"]);
}

/// A small file system, unmounted when dropped.
struct SmallDisk(String);

impl SmallDisk {
    /// `None` where this user or this machine may not mount.
    fn mount(place: &Place, mebibytes: u32) -> Option<Self> {
        let path = place.path("small");
        std::fs::create_dir(&path).expect("a mount point");
        let path = text(&path);
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "bosun-test", &path])
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(path));
        }
        eprintln!("SKIPPED: a small file system cannot be mounted here (it needs root)");
        None
    }

    fn grow(&self, mebibytes: u32) {
        let size = format!("remount,size={mebibytes}m");
        let grown = Command::new("mount").args(["-o", &size, &self.0]).output();
        assert!(grown.is_ok_and(|output| output.status.success()));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").args(["-l", &self.0]).output());
    }
}

#[test]
fn a_disk_that_is_full_from_the_start_is_told() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place, 4) else {
        return;
    };
    let line = format!("up --listen 127.0.0.1:0 --data-dir {}/data", disk.0);
    place
        .bosun(&line)
        .refused(&["no space left", &disk.0, "free some space"]);
    disk.grow(64);
    let mut server = place.start(&line);
    server.until("is running at ");
    server.signal(Signal::TERM);
    server.end().succeeded();
}

#[test]
fn a_disk_that_becomes_full_is_told_and_loses_nothing_that_was_acknowledged() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place, 24) else {
        return;
    };
    let line = format!("up --listen 127.0.0.1:0 --data-dir {}/data", disk.0);
    let mut server = place.start(&line);
    let address = address_in(&server.until("is running at "));
    let mut acknowledged = Vec::new();
    let refusal = loop {
        assert!(acknowledged.len() < 100, "the disk does not fill");
        let name = format!("big-{}", acknowledged.len());
        let mut manifest = pod(&name, &format!(": {}", "x".repeat(1_000_000)));
        // It never runs, so that only this test fills the disk.
        manifest["spec"]["nodeSelector"] = json!({"no": "where"});
        let create = place.start_with("create -f -", Some(&address), &manifest.to_string());
        let output = create.end();
        if output.code != Some(0) {
            break output;
        }
        acknowledged.push(name);
    };
    refusal.failed();
    assert!(acknowledged.len() > 3, "{acknowledged:?}");
    server
        .end()
        .refused(&["no space left", &disk.0, "free some space"]);

    disk.grow(128);
    let mut server = place.start(&line);
    let address = address_in(&server.until("is running at "));
    let names = place
        .start_with("get pods -o name", Some(&address), "")
        .end()
        .succeeded();
    for name in &acknowledged {
        let line = format!("pod/{name}");
        assert!(
            names.lines().any(|other| other == line),
            "{name} is lost: {names}"
        );
    }
    server.signal(Signal::TERM);
    server.end().succeeded();
}
