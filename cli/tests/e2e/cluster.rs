//! A cluster by `bosun up`, and what tests say to it.

use rustix::process::Signal;
use serde_json::Value;

use crate::program::{Output, Place, Program, text};

/// A cluster in a directory of its own. Ends gracefully, with all its containers, when dropped.
pub(crate) struct Cluster {
    pub(crate) place: Place,
    server: Option<Program>,
    address: String,
}

impl Cluster {
    pub(crate) fn up() -> Self {
        let mut cluster = Self {
            place: Place::new(),
            server: None,
            address: String::new(),
        };
        cluster.start();
        cluster
    }

    /// Starts it (again) on its directory.
    pub(crate) fn start(&mut self) {
        let mut server = self.place.start(&self.up_line());
        self.address = address_in(&server.until("is running at "));
        self.server = Some(server);
    }

    /// The command line that starts it.
    pub(crate) fn up_line(&self) -> String {
        format!(
            "up --listen 127.0.0.1:0 --data-dir {}",
            text(&self.place.path("data"))
        )
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Kills it as a power cut would. What its containers run stays behind until the next start.
    pub(crate) fn kill_9(&mut self) {
        let server = self.server.take().expect("it runs");
        server.signal(Signal::KILL);
        assert_eq!(server.end().code, None);
    }

    /// Ends it as a person would; what it said.
    pub(crate) fn stop(&mut self) -> Output {
        let server = self.server.take().expect("it runs");
        server.signal(Signal::TERM);
        server.end()
    }

    /// Starts a verb against it.
    pub(crate) fn begin(&self, line: &str) -> Program {
        self.place.start_with(line, Some(&self.address), "")
    }

    /// Runs a verb against it.
    #[track_caller]
    pub(crate) fn bosun(&self, line: &str) -> Output {
        self.begin(line).end()
    }

    /// The output of a verb that must succeed.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> String {
        self.bosun(line).succeeded()
    }

    /// Applies manifests; what was said on standard output.
    #[track_caller]
    pub(crate) fn apply(&self, manifest: impl ToString) -> String {
        self.pipe("apply -f -", manifest).succeeded()
    }

    /// Runs a verb that reads manifests from standard input.
    #[track_caller]
    pub(crate) fn pipe(&self, line: &str, manifest: impl ToString) -> Output {
        self.place
            .start_with(line, Some(&self.address), &manifest.to_string())
            .end()
    }

    /// Waits for a goal of `bosun wait`.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, goal: &str) {
        self.ok(&format!("wait {what} --for={goal} --timeout=60s"));
    }

    /// Waits until the field at a path has a value.
    #[track_caller]
    pub(crate) fn wait_field(&self, what: &str, path: &str, value: &str) {
        self.wait(what, &format!("jsonpath={{{path}}}={value}"));
    }

    /// An object (or a list) as JSON.
    #[track_caller]
    pub(crate) fn get(&self, what: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("get {what} -o json"))).expect("JSON")
    }

    /// The names of what a query finds.
    #[track_caller]
    pub(crate) fn names(&self, what: &str) -> Vec<String> {
        let list = self.get(what);
        let items = list["items"].as_array().expect("a list");
        let names = items.iter().map(|item| item["metadata"]["name"].as_str());
        names.map(|name| name.expect("a name").to_owned()).collect()
    }

    /// The one name that a query finds.
    #[track_caller]
    pub(crate) fn name(&self, what: &str) -> String {
        let mut names = self.names(what);
        assert_eq!(names.len(), 1, "{what}: {names:?}");
        names.remove(0)
    }

    /// Waits until a pod has printed a line with `part`; the line.
    #[track_caller]
    pub(crate) fn wait_line(&self, pod: &str, part: &str) -> String {
        self.begin(&format!("logs -f {pod}")).until(part)
    }
}

/// The address in the line by which `bosun up` says that it is ready.
pub(crate) fn address_in(line: &str) -> String {
    let after = line.split("is running at ").nth(1);
    let address = after.and_then(|rest| rest.split(';').next());
    address.expect("the address in the line").to_owned()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.server.is_none() && !std::thread::panicking() {
            // Only the next start ends the containers that a kill left behind.
            self.start();
        }
        if let Some(server) = self.server.take() {
            server.signal(Signal::TERM);
            let output = server.end();
            if !std::thread::panicking() {
                assert_eq!(output.code, Some(0), "it did not end well: {output:#?}");
                assert!(!output.stderr.contains("panicked"), "{output:#?}");
            }
        }
    }
}
