//! Real processes, in the care of a supervisor as agents have them. Nothing here sleeps: each test waits for events.
#![expect(
    clippy::disallowed_methods,
    reason = "checks the real files and starts real processes"
)]

use super::*;
use crate::runtime::supervisor::testing::InProcess;
use crate::runtime::supervisor::{Lifetime, SupervisedRuntime};
use crate::runtime::{Ended, Limits};

/// An agent's runtime and the supervisor behind it.
pub(crate) struct Rig {
    pub(crate) runtime: Option<SupervisedRuntime>,
    events: mpsc::Receiver<RuntimeEvent>,
    pub(crate) recovery: Recovery,
    pub(crate) supervisor: InProcess,
}

pub(crate) async fn rig() -> Rig {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    rig_of(InProcess::new(Host::system(), directory), Lifetime::TheirOwn).await
}

pub(crate) async fn rig_of(supervisor: InProcess, lifetime: Lifetime) -> Rig {
    let runtime = supervisor.runtime(lifetime);
    let (sender, events) = mpsc::channel(64);
    let recovery = runtime.recover(sender).await.unwrap();
    Rig {
        runtime: Some(runtime),
        events,
        recovery,
        supervisor,
    }
}

pub(crate) fn id(pod: &str, run: u32) -> ContainerId {
    ContainerId {
        pod_uid: pod.into(),
        container: "main".into(),
        run,
    }
}

pub(crate) fn spec(pod: &str, run: u32, command: &[&str]) -> ContainerSpec {
    ContainerSpec {
        id: id(pod, run),
        command: command.iter().map(ToString::to_string).collect(),
        environment: Vec::new(),
        working_directory: None,
        hostname: "host".to_owned(),
        limits: Limits::default(),
        fenced: false,
    }
}

pub(crate) fn shell(pod: &str, script: &str) -> ContainerSpec {
    spec(pod, 0, &["sh", "-c", script])
}

/// A test that fails must not leave processes behind.
pub(crate) fn end_leftovers_of_a_test(directory: &Path) {
    let path = directory.join("containers.journal");
    let Ok((journal, _)) = Journal::read(&Host::system(), &path, "") else {
        return;
    };
    let content = journal.content();
    for record in content
        .pods
        .values()
        .flat_map(BTreeMap::values)
        .flat_map(BTreeMap::values)
    {
        if let crate::journal::RunRecord::Started(mark) = record {
            // The error says that it is over already.
            kill_process_group(Pid::from_raw(mark.pid).unwrap(), Signal::KILL).unwrap_or_default();
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.supervisor.clean_up();
    }
}

impl Rig {
    pub(crate) fn runtime(&self) -> &SupervisedRuntime {
        self.runtime.as_ref().unwrap()
    }

    fn path(&self) -> &Path {
        self.supervisor.path()
    }

    pub(crate) async fn next(&mut self) -> RuntimeEvent {
        self.events.recv().await.unwrap()
    }

    pub(crate) async fn started(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, RuntimeEvent::Started { .. }), "{event:?}");
    }

    pub(crate) async fn ended(&mut self) -> Ended {
        match self.next().await {
            RuntimeEvent::Ended { ended, .. } => ended,
            event @ RuntimeEvent::Started { .. } => panic!("{event:?}"),
        }
    }

    pub(crate) async fn run(&mut self, spec: ContainerSpec) -> Ended {
        self.runtime().start(spec);
        self.started().await;
        self.ended().await
    }

    pub(crate) async fn output(&self, pod: &str, follow: bool) -> String {
        let mut stream = self.open(pod, follow).await;
        let mut text = Vec::new();
        while let Some(piece) = stream.recv().await {
            text.extend_from_slice(&piece.unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    /// Waits until the pod's output is gone; removing is asked for and not answered.
    pub(crate) async fn until_removed(&self, pod: &str) {
        while self.path().join("logs").join(pod).exists() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn open(&self, pod: &str, follow: bool) -> LogStream {
        let request = LogRequest {
            pod_uid: pod.into(),
            container: "main".into(),
            follow,
            ..LogRequest::default()
        };
        self.runtime().logs(request).await.unwrap()
    }
}

#[tokio::test]
async fn exit_codes_and_signals_are_told() {
    let mut rig = rig().await;
    for (script, exit_code, signal, reason) in [
        ("true", 0, 0, "Completed"),
        ("exit 7", 7, 0, "Error"),
        ("kill -TERM $$", 143, 15, "Error"),
    ] {
        let ended = rig.run(shell(script, script)).await;
        assert_eq!(
            (ended.exit_code, ended.signal, ended.reason.as_str()),
            (exit_code, signal, reason)
        );
        assert!(ended.started_at.unwrap() <= ended.finished_at);
    }
    assert!(!rig.path().join("logs").exists(), "silent pods leave no file");
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let mut rig = rig().await;
    for (command, directory, expected) in [
        (vec!["no-such-program"], None, "\"no-such-program\" was not found"),
        (vec!["/etc/no/such"], None, "does not exist on this node"),
        (vec!["/etc/passwd"], None, "may not be executed"),
        (
            vec!["true"],
            Some("/no/such/place"),
            "workingDir \"/no/such/place\"",
        ),
    ] {
        let mut spec = spec(expected, 0, &command);
        spec.working_directory = directory.map(str::to_owned);
        rig.runtime().start(spec);
        let ended = rig.ended().await;
        assert_eq!((ended.exit_code, ended.reason.as_str()), (128, "StartError"));
        assert!(ended.message.contains(expected), "{}", ended.message);
    }
}

#[tokio::test]
async fn the_environment_is_clean_and_the_container_has_the_last_word() {
    let mut rig = rig().await;
    let mut spec = shell("p", "env | sort; pwd");
    spec.environment = [("A", "1"), ("HOME", "/x"), ("A", "2")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    spec.working_directory = Some("/usr".to_owned());
    rig.run(spec).await;
    let output = rig.output("p", false).await;
    let kept: Vec<&str> = output
        .lines()
        .filter(|line| {
            !["_=", "SHLVL=", "OLDPWD="]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .collect();
    let path = format!("PATH={DEFAULT}", DEFAULT = launch::DEFAULT_PATH);
    assert_eq!(
        kept,
        ["A=2", "HOME=/x", "HOSTNAME=host", &path, "PWD=/usr", "/usr"]
    );
}

#[tokio::test]
async fn the_whole_group_is_signalled_and_its_rest_ends_with_the_main_process() {
    let mut rig = rig().await;
    rig.runtime().start(shell("p", "sleep 30 & echo $!; wait"));
    rig.started().await;
    let mut stream = rig.open("p", true).await;
    let line = stream.recv().await.unwrap().unwrap();
    let child: i32 = std::str::from_utf8(&line).unwrap().trim().parse().unwrap();
    rig.runtime().signal(&id("p", 0), StopSignal::Terminate);
    assert_eq!(rig.ended().await.exit_code, 143);
    assert!(gone(child), "the child was signalled too");

    // A main process that ends and leaves a child in its group.
    rig.runtime().start(shell("q", "sleep 30 & echo $!"));
    rig.started().await;
    assert_eq!(rig.ended().await.exit_code, 0);
    let child: i32 = rig.output("q", false).await.trim().parse().unwrap();
    assert!(gone(child), "the rest of the group was killed");
}

/// Whether a process is over; a zombie is, it only waits for its new parent.
pub(crate) fn gone(pid: i32) -> bool {
    proc_stat::process_stat(&*Host::system().disk, pid).is_none_or(|stat| stat.state == 'Z')
}

#[tokio::test]
async fn an_escaped_grandchild_that_holds_the_output_open_does_not_hold_up_the_end() {
    let mut rig = rig().await;
    let ended = rig
        .run(shell(
            "p",
            "setsid sh -c 'echo $$; exec sleep 60' & while ! kill -0 $! 2>/dev/null; do :; done; echo main",
        ))
        .await;
    assert_eq!(ended.exit_code, 0);
    let output = rig.output("p", false).await;
    assert!(output.contains("main"), "{output}");
    for pid in output.lines().filter_map(|line| line.parse().ok()) {
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }
}

#[tokio::test]
async fn following_gets_output_while_it_is_written_and_ends_with_the_run() {
    let mut rig = rig().await;
    rig.runtime().start(shell(
        "p",
        "exec 2>/dev/null; trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done",
    ));
    rig.started().await;
    let mut stream = rig.open("p", true).await;
    assert_eq!(stream.recv().await.unwrap().unwrap(), "up\n");
    rig.runtime().signal(&id("p", 0), StopSignal::Terminate);
    let mut rest = Vec::new();
    while let Some(piece) = stream.recv().await {
        rest.extend_from_slice(&piece.unwrap());
    }
    assert!(rest.ends_with(b"bye\n"), "{rest:?}");
    assert_eq!(rig.ended().await.exit_code, 3);
}

#[tokio::test]
async fn no_zombie_and_no_descriptor_is_left_after_many_pods() {
    let mut rig = rig().await;
    rig.run(shell("warm", "true")).await;
    let own = std::process::id();
    for pod in 0..100 {
        rig.runtime().start(shell(&format!("p{pod}"), "true"));
    }
    let mut left = 100;
    while left > 0 {
        if let RuntimeEvent::Ended { ended, .. } = rig.next().await {
            assert_eq!(ended.exit_code, 0);
            left -= 1;
        }
    }
    let marks = std::fs::read_to_string(rig.path().join("containers.journal")).unwrap();
    let zombies = proc_stat::all_processes(&*Host::system().disk)
        .into_iter()
        .filter(|stat| stat.state == 'Z' && u32::try_from(stat.parent).unwrap() == own)
        .filter(|stat| marks.contains(&format!("\"pid\":{},", stat.pid)))
        .count();
    assert_eq!(zombies, 0);
}

#[tokio::test]
async fn a_new_life_keeps_ends_and_output_and_kills_what_still_runs() {
    let mut rig = rig().await;
    let ended = rig.run(shell("done", "echo kept; exit 4")).await;
    rig.run(shell("acknowledged", "echo old")).await;
    rig.runtime().finish(&"acknowledged".into());
    rig.runtime().start(shell("busy", "echo $$; exec sleep 30"));
    rig.started().await;
    let line = rig.open("busy", true).await.recv().await.unwrap().unwrap();
    let pid: i32 = std::str::from_utf8(&line).unwrap().trim().parse().unwrap();

    // Agent and supervisor die together, as when the machine runs out of memory.
    rig.runtime = None;
    rig.supervisor.kill();
    let again = rig_of(rig.supervisor.clone(), Lifetime::TheirOwn).await;
    assert!(gone(pid), "the left-over process was killed");
    assert_eq!(again.recovery.finished, BTreeSet::from(["acknowledged".into()]));
    let found: BTreeMap<_, _> = again.recovery.containers.iter().cloned().collect();
    assert_eq!(found.len(), 2);
    assert_eq!(found[&id("done", 0)], Found::Ended(ended));
    let Found::Ended(lost) = &found[&id("busy", 0)] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (lost.exit_code, lost.reason.as_str()),
        (137, "ContainerStatusUnknown")
    );
    assert!(lost.started_at.is_some() && !lost.message.is_empty());
    assert_eq!(again.output("done", false).await, "kept\n");

    again.runtime().retain(BTreeSet::from(["done".into()]));
    again.until_removed("acknowledged").await;
    assert_eq!(again.output("acknowledged", false).await, "");
    assert_eq!(again.output("done", false).await, "kept\n");
    again.runtime().remove(&"done".into());
    again.until_removed("done").await;
    assert_eq!(again.output("done", false).await, "");
}

#[tokio::test]
async fn the_previous_run_can_be_read_after_a_restart() {
    let mut rig = rig().await;
    rig.run(spec("p", 0, &["echo", "first"])).await;
    let previous = LogRequest {
        pod_uid: "p".into(),
        container: "main".into(),
        previous: true,
        ..LogRequest::default()
    };
    let refusal = rig.runtime().logs(previous.clone()).await.unwrap_err();
    assert!(refusal.contains("no previous run"), "{refusal}");
    // The second run is silent and must still count as the current one.
    rig.run(spec("p", 1, &["true"])).await;
    assert_eq!(rig.output("p", false).await, "");
    let mut stream = rig.runtime().logs(previous).await.unwrap();
    assert_eq!(stream.recv().await.unwrap().unwrap(), "first\n");
}

#[tokio::test]
async fn stopping_the_agent_ends_every_container_and_starts_none() {
    let mut rig = rig().await;
    rig.runtime().start(shell("p", "exec sleep 30"));
    rig.started().await;
    rig.runtime().start(shell(
        "q",
        "exec 2>/dev/null; trap 'exit 9' TERM; echo up; while :; do sleep 0.01; done",
    ));
    rig.started().await;
    let up = rig.open("q", true).await.recv().await;
    assert_eq!(up.unwrap().unwrap(), "up\n");
    rig.runtime().stop_all().await;
    let mut codes = [rig.ended().await.exit_code, rig.ended().await.exit_code];
    codes.sort_unstable();
    assert_eq!(codes, [9, 143]);
    rig.runtime().start(shell("late", "true"));
    // The last sender of events goes with the supervisor.
    assert_eq!(rig.events.recv().await, None, "nothing was started");
}

#[tokio::test]
async fn limits_hold_where_the_machine_allows_it() {
    let mut rig = rig().await;
    if Cgroups::find(&*Host::system().disk) == Cgroups::default() {
        return;
    }
    let mut limited = shell(
        "p",
        "cat /proc/self/cgroup; echo \"$0\"; setsid sleep 30 & exit 3",
    );
    limited.limits = Limits {
        cpu_milli: Some(500),
        memory: Some(64 << 20),
    };
    let ended = rig.run(limited).await;
    assert_eq!(ended.exit_code, 3);
    let output = rig.output("p", false).await;
    assert!(
        output.contains("/bosun/p.main.0\n") && output.ends_with("sh\n"),
        "{output}"
    );

    let hungry = "exec tail /dev/zero";
    let mut limited = shell("q", hungry);
    limited.limits.memory = Some(16 << 20);
    let ended = rig.run(limited).await;
    assert_eq!((ended.exit_code, ended.reason.as_str()), (137, "OOMKilled"));

    let mut missing = spec("r", 0, &["/no/such/program"]);
    missing.limits.cpu_milli = Some(1);
    rig.runtime().start(missing);
    assert_eq!(rig.ended().await.reason, "StartError");
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    for mount in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
        for pod in ["p", "q", "r"] {
            let left = Path::new(mount).join(format!("bosun/{pod}.main.0"));
            assert!(!left.exists(), "{} is left", left.display());
        }
    }
}
