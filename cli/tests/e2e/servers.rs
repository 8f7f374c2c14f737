//! Three servers as real processes: they form a cluster, survive the loss of one, take a new one in its place, and go on
//! after all were killed.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::program::{Output, Place, Program, text};

/// How long a change of the servers may take. Far more than any needs.
const DEADLINE: Duration = Duration::from_mins(1);

struct Servers {
    place: Place,
    addresses: BTreeMap<&'static str, String>,
    running: BTreeMap<&'static str, Program>,
}

impl Servers {
    fn form() -> Self {
        let names = ["a", "b", "c"];
        // All at once, so that they differ.
        let free = names.map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let address = |listener: &TcpListener| listener.local_addr().expect("an address").to_string();
        let addresses = names.into_iter().zip(free.iter().map(address)).collect();
        drop(free);
        let mut servers = Self {
            place: Place::new(),
            addresses,
            running: BTreeMap::new(),
        };
        for name in names {
            servers.start(name);
        }
        servers.until_voters("a b c");
        servers
    }

    fn list(&self) -> String {
        self.addresses.values().cloned().collect::<Vec<_>>().join(",")
    }

    fn directory(&self, name: &str) -> std::path::PathBuf {
        self.place.path(&format!("server-{name}"))
    }

    fn line(&self, name: &str) -> String {
        format!(
            "server --name {name} --listen {} --servers {} --data-dir {}",
            self.addresses[name],
            self.list(),
            text(&self.directory(name))
        )
    }

    fn start(&mut self, name: &'static str) {
        let program = self.place.start(&self.line(name));
        self.running.insert(name, program);
    }

    fn kill_9(&mut self, name: &str) {
        let program = self.running.remove(name).expect("it runs");
        program.signal(Signal::KILL);
        assert_eq!(program.end().code, None);
    }

    /// Runs a verb against all of them.
    fn bosun(&self, line: &str) -> Output {
        self.place.start_with(line, Some(&self.list()), "").end()
    }

    /// The rows of `bosun servers`, by name.
    fn table(&self) -> BTreeMap<String, Vec<String>> {
        let output = self.bosun("servers");
        let rows = output.stdout.lines().skip(1);
        rows.map(|row| row.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .map(|row| (row[0].clone(), row))
            .collect()
    }

    #[track_caller]
    fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let limit = Instant::now() + DEADLINE;
        while !holds() {
            assert!(Instant::now() < limit, "in vain: {what}; {:#?}", self.table());
        }
    }

    /// Waits until these servers vote and answer, and no others are there.
    #[track_caller]
    fn until_voters(&self, names: &str) {
        let wanted: Vec<&str> = names.split_whitespace().collect();
        self.until(names, || {
            let table = self.table();
            let voting = |row: &Vec<String>| row[3] != "learner" && row[4] == "now";
            table.keys().map(String::as_str).eq(wanted.iter().copied()) && table.values().all(voting)
        });
    }

    fn leader(&self) -> &'static str {
        let table = self.table();
        let leads = |name: &&&str| table.get(**name).is_some_and(|row| row[3] == "leader");
        self.addresses.keys().find(leads).copied().expect("one leads")
    }

    /// Waits until all that run answer with the same namespaces, these among them.
    #[track_caller]
    fn until_equal(&self, names: &[&str]) {
        let read = |name: &&str| {
            let address = Some(self.addresses[*name].as_str());
            self.place
                .start_with("get namespaces -o json", address, "")
                .end()
                .stdout
        };
        self.until("the same state everywhere", || {
            let states: Vec<String> = self.running.keys().map(read).collect();
            let complete = |state: &String| names.iter().all(|name| state.contains(&format!("\"{name}\"")));
            states.windows(2).all(|pair| pair[0] == pair[1]) && states.iter().all(complete)
        });
    }

    #[track_caller]
    fn write(&self, name: &str) {
        self.bosun(&format!("create namespace {name}")).succeeded();
    }
}

#[test]
fn three_servers_lose_one_replace_it_and_survive_a_kill_of_all() {
    let mut servers = Servers::form();
    servers.write("before");

    let victim = servers.leader();
    servers.kill_9(victim);
    servers.until("another one leads", || {
        servers
            .table()
            .values()
            .any(|row| row[0] != victim && row[3] == "leader")
    });
    servers.write("with-two");

    // Its disk is lost: a new one takes its place under its name, with a number of its own.
    let number = servers.table()[victim][1].clone();
    std::fs::remove_dir_all(servers.directory(victim)).expect("its directory");
    servers.start(victim);
    servers.until("a new number", || {
        servers.table().get(victim).is_some_and(|row| row[1] != number)
    });
    servers.until_voters("a b c");
    servers.until_equal(&["before", "with-two"]);

    for name in ["a", "b", "c"] {
        servers.kill_9(name);
    }
    for name in ["a", "b", "c"] {
        servers.start(name);
    }
    servers.until_voters("a b c");
    servers.write("after");
    servers.until_equal(&["before", "with-two", "after"]);
}

#[test]
fn a_server_is_removed_and_joins_anew() {
    let mut servers = Servers::form();
    let leader = servers.leader();
    servers.bosun(&format!("servers remove {leader}")).succeeded();
    let ended = servers.running.remove(leader).expect("it ran").end();
    ended.refused(&["was removed from the cluster", "move its data directory"]);
    servers
        .place
        .bosun(&servers.line(leader))
        .refused(&["was removed from the cluster"]);
    servers.write("with-two");
    servers
        .bosun("servers remove nobody")
        .refused(&["there is no server \"nobody\""]);

    std::fs::remove_dir_all(servers.directory(leader)).expect("its directory");
    servers.start(leader);
    servers.until_voters("a b c");
    servers.until_equal(&["with-two"]);

    servers.bosun(&format!("servers transfer {leader}")).succeeded();
    servers.until("it leads", || servers.leader() == leader);

    // Its directory is its own.
    let other = servers.place.bosun(&format!(
        "server --name other --listen 127.0.0.1:0 --data-dir {}",
        text(&servers.directory(leader))
    ));
    other.refused(&["in use by another bosun process"]);
    servers.kill_9(leader);
    let other = servers.place.bosun(&format!(
        "server --name other --listen 127.0.0.1:0 --data-dir {}",
        text(&servers.directory(leader))
    ));
    other.refused(&["--name other", &format!("belongs to server {leader}")]);
}
