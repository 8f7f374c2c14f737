//! The agent's main loop: takes in what the control plane and the runtime say, has the pure parts decide, and carries the
//! decisions out. It never waits for a container or a server.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bosun_host::{DataDirectory, Host, WallTime};
use bosun_proto::node::{EventReport, OpenLogs, PodReport};
use bosun_proto::node_loss::is_fenced;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::due::Due;
use crate::heartbeat::Heart;
use crate::leaderless::ask_around;
use crate::lease::{Lease, LeaseKeeper, Trust, Verdict};
use crate::logs::{READERS_MAX, log_request, serve};
use crate::node_object::{Machine, facts, node_object};
use crate::pod::life::{self, Step};
use crate::pod::status::status;
use crate::pod::{Cause, NodeFacts, PodRecord};
use crate::report::{Acknowledged, Outbox, report};
use crate::runtime::{EVENTS_MAX, Runtime, RuntimeEvent, StopSignal};
use crate::session::{FromServer, KnownServers, Links, SessionKeeper};
use crate::sync::{Changes, Pods};
use crate::{AgentError, Config};

/// How many messages of the control plane may wait for the agent.
const INBOX_MAX: usize = 256;
/// How many acknowledgements may wait for the agent.
const ACKNOWLEDGED_MAX: usize = 16;
/// How much news is taken in before pods are advanced; more would delay the first of it.
const NEWS_PER_TURN_MAX: usize = 256;
/// An agent without anything due looks at the time again after this long.
const IDLE: Duration = Duration::from_hours(1);
/// How often the lease is looked at while it runs: timers stand still while the machine is suspended, leases do not.
const LEASE_LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Runs the agent until it is shut down ([`Config::shutdown`]) or cannot go on.
///
/// # Errors
/// A bad setting, a data directory or runtime that cannot be used, a control plane that refuses the node.
pub async fn run<R: Runtime>(config: Config, host: Host, runtime: R) -> Result<(), AgentError> {
    config.check()?;
    let directory = DataDirectory::claim(&*host.disk, &config.data_directory)?;
    let (events_sender, events) = mpsc::channel(EVENTS_MAX);
    let recovery = runtime.recover(events_sender).await?;
    let machine = Machine::inspect(&*host.disk, directory.path());
    let runtime_version = runtime.version();
    let (links_sender, links) = watch::channel(None);
    let (inbox_sender, inbox) = mpsc::channel(INBOX_MAX);
    let (acknowledged_sender, acknowledged) = mpsc::channel(ACKNOWLEDGED_MAX);
    let runtime = Arc::new(runtime);
    let fencing = Arc::clone(&runtime);
    let lease = Arc::new(LeaseKeeper::new(Arc::clone(&host.clock), move |until| {
        fencing.extend_lease(until);
    }));
    let servers = Arc::new(KnownServers::new(
        config.servers.clone(),
        config.insecure_plaintext,
    ));
    let outbox = Arc::new(Outbox::default());
    let keeper = SessionKeeper {
        host: host.clone(),
        servers: Arc::clone(&servers),
        lease: Arc::clone(&lease),
        node: node_object(&config, &machine, &runtime_version),
        boot_id: host.entropy.uuid().to_string(),
        links: links_sender,
        inbox: inbox_sender,
    };
    let mut agent = Agent {
        node: facts(&config, &machine, &runtime_version),
        host: host.clone(),
        runtime,
        pods: Pods::recovered(recovery),
        outbox: Arc::clone(&outbox),
        links: links.clone(),
        due: Due::default(),
        readers: Arc::new(Semaphore::new(READERS_MAX)),
        log_tasks: JoinSet::new(),
        lease: lease.subscribe(),
        trust: Trust::default(),
        session: 0,
    };
    // Dropped with this function, and the tasks with it.
    let mut tasks = JoinSet::new();
    let name = config.node_name.clone();
    tasks.spawn(ask_around(host, Arc::clone(&lease), servers.subscribe()));
    let heart = Heart {
        node_name: name.clone(),
        lease,
        servers,
    };
    tasks.spawn(heart.beat(links.clone()));
    tasks.spawn(report(name, outbox, links, acknowledged_sender));
    let session = keeper.run();
    let turns = agent.turn_for_ever(inbox, events, acknowledged);
    let result = tokio::select! {
        refused = session => refused.map_or(Ok(()), Err),
        () = turns => Ok(()),
        () = config.shutdown.cancelled() => Ok(()),
    };
    if config.keep_pods && result.is_ok() {
        tracing::info!("the pods are left running for the next agent");
    } else {
        agent.runtime.stop_all().await;
    }
    drop(directory);
    result
}

/// What the main loop holds.
struct Agent<R> {
    host: Host,
    node: NodeFacts,
    runtime: Arc<R>,
    pods: Pods,
    outbox: Arc<Outbox>,
    links: Links,
    due: Due,
    readers: Arc<Semaphore>,
    log_tasks: JoinSet<()>,
    lease: watch::Receiver<Option<Lease>>,
    trust: Trust,
    /// The number of the session whose messages come in.
    session: u64,
}

/// One piece of news.
enum News {
    Server(FromServer),
    Runtime(RuntimeEvent),
    Acknowledged(Acknowledged),
    Time,
    Lease,
}

impl<R: Runtime> Agent<R> {
    async fn turn_for_ever(
        &mut self,
        mut inbox: mpsc::Receiver<FromServer>,
        mut events: mpsc::Receiver<RuntimeEvent>,
        mut acknowledged: mpsc::Receiver<Acknowledged>,
    ) {
        loop {
            let wait = self.due.next().map_or(IDLE, |time| {
                let left = time - self.host.clock.wall();
                left.to_std().unwrap_or(Duration::ZERO).min(IDLE)
            });
            let wait = wait.min(self.until_lease_look());
            let first = tokio::select! {
                Some(event) = events.recv() => News::Runtime(event),
                Some(message) = inbox.recv() => News::Server(message),
                Some(done) = acknowledged.recv() => News::Acknowledged(done),
                changed = self.lease.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    News::Lease
                }
                () = sleep(wait) => News::Time,
            };
            let now = self.host.clock.wall();
            // Before anything else: what has no right to run any more must not wait for news to be taken in.
            let mut touched = self.look_at_lease(now);
            touched.append(&mut self.take_in(first, now));
            for _ in 1..NEWS_PER_TURN_MAX {
                let next = events
                    .try_recv()
                    .map(News::Runtime)
                    .or_else(|_| inbox.try_recv().map(News::Server))
                    .or_else(|_| acknowledged.try_recv().map(News::Acknowledged));
                match next {
                    Ok(news) => touched.append(&mut self.take_in(news, now)),
                    Err(_) => break,
                }
            }
            touched.append(&mut self.look_at_lease(now));
            touched.append(&mut self.due.take(now));
            for uid in touched {
                self.advance(&uid, now);
            }
            while self.log_tasks.try_join_next().is_some() {}
        }
    }

    /// Notes what is new; the pods it concerns are to be advanced.
    fn take_in(&mut self, news: News, now: WallTime) -> BTreeSet<Arc<str>> {
        let changes = match news {
            News::Runtime(event) => {
                let (RuntimeEvent::Started { id, .. } | RuntimeEvent::Ended { id, .. }) = &event;
                let Some(record) = self.pods.records.get_mut(&id.pod_uid) else {
                    self.pods.observe_recovered(&event);
                    return BTreeSet::new();
                };
                if let Some(note) = record.observe(&event) {
                    let report = event_report(record, note, now);
                    self.outbox.put_event(report);
                }
                return BTreeSet::from([Arc::clone(&id.pod_uid)]);
            }
            News::Server(FromServer::Opened(number)) => {
                self.session = number;
                self.trust.opened();
                self.pods.session_opened();
                return BTreeSet::new();
            }
            News::Server(FromServer::OpenLogs(open)) => {
                self.open_logs(open, now);
                return BTreeSet::new();
            }
            News::Server(FromServer::FullSet(part)) => {
                if part.complete {
                    self.trust.completed(self.session);
                }
                self.pods.full_set(part, now)
            }
            News::Server(FromServer::Assignments(assignments)) => self.pods.assignments(assignments, now),
            News::Acknowledged(Acknowledged { stopped, unknown }) => {
                for uid in &stopped {
                    if self.pods.end_acknowledged(uid) {
                        self.outbox.forget(uid);
                        self.due.set(uid, None);
                        self.runtime.finish(uid);
                    }
                }
                self.pods.unknown(unknown, now)
            }
            News::Time | News::Lease => return BTreeSet::new(),
        };
        let Changes {
            touched,
            gone,
            retain,
            unwanted,
        } = changes;
        for id in unwanted {
            self.runtime.signal(&id, StopSignal::Kill);
        }
        for uid in gone {
            self.runtime.remove(&uid);
        }
        if let Some(known) = retain {
            self.runtime.retain(known);
        }
        touched
    }

    /// How long the lease need not be looked at.
    fn until_lease_look(&self) -> Duration {
        let lease = *self.lease.borrow();
        lease.map_or(IDLE, |lease| {
            let left = lease
                .ends()
                .saturating_duration_since(self.host.clock.boot_instant());
            if left.is_zero() && !self.trust.saw_it_run() {
                // Its end was seen, and the next change wakes.
                IDLE
            } else {
                left.min(LEASE_LOOK_INTERVAL)
            }
        })
    }

    /// Stops the fenced pods when the lease has run out; lets those that wait be started when there is one again. Gives the
    /// pods that are to be advanced.
    fn look_at_lease(&mut self, now: WallTime) -> BTreeSet<Arc<str>> {
        let lease = *self.lease.borrow_and_update();
        let Verdict { stop, begin } = self.trust.look(lease, self.host.clock.boot_instant());
        let mut touched = BTreeSet::new();
        for (uid, record) in &mut self.pods.records {
            let fenced = is_fenced(&record.pod);
            if stop && fenced && record.has_begun() {
                life::fence(record, now);
            }
            if (stop || begin) && fenced {
                touched.insert(Arc::clone(uid));
            }
        }
        if stop {
            let pods = touched.len();
            tracing::warn!(
                pods,
                "cut off from the control plane for too long: fenced pods are stopped"
            );
        }
        touched
    }

    /// Moves one pod as far as it can go, and has that told.
    fn advance(&mut self, uid: &Arc<str>, now: WallTime) {
        let Some(record) = self.pods.records.get_mut(uid) else {
            return;
        };
        record.held = !self.trust.may_start() && is_fenced(&record.pod);
        let advance = life::advance(record, &self.node, now);
        for step in advance.steps {
            match step {
                Step::Start(spec) => self.runtime.start(*spec),
                Step::Signal(id, signal) => self.runtime.signal(&id, signal),
            }
        }
        self.due.set(uid, advance.look_again);
        let removed = record.ending.is_some_and(|ending| ending.cause == Cause::Removed);
        if removed {
            self.outbox.forget(uid);
            match self.pods.drop_if_removed(uid) {
                (true, true) => self.runtime.finish(uid),
                (true, false) => self.runtime.remove(uid),
                (false, _) => {}
            }
            return;
        }
        for note in advance.notes {
            let report = event_report(record, note, now);
            self.outbox.put_event(report);
        }
        let report = pod_report(record, &self.node, now);
        self.outbox.put(Arc::clone(uid), report);
    }

    fn open_logs(&mut self, open: OpenLogs, now: WallTime) {
        let Some(link) = self.links.borrow().clone() else {
            return;
        };
        let record = self.pods.records.get(open.pod_uid.as_str());
        let request = log_request(&open, record, now);
        let runtime = Arc::clone(&self.runtime);
        self.log_tasks.spawn(serve(
            link,
            open.relay_id,
            request,
            runtime,
            Arc::clone(&self.readers),
        ));
    }
}

fn pod_report(record: &mut PodRecord, node: &NodeFacts, now: WallTime) -> PodReport {
    let status = status(record, node, now);
    let meta = record.pod.metadata.as_ref();
    PodReport {
        namespace: meta.map(|meta| meta.namespace.clone()).unwrap_or_default(),
        name: meta.map(|meta| meta.name.clone()).unwrap_or_default(),
        uid: record.uid.to_string(),
        status: Some(status),
        stopped: record.stopped,
    }
}

fn event_report(record: &PodRecord, note: life::Note, now: WallTime) -> EventReport {
    let meta = record.pod.metadata.as_ref();
    EventReport {
        namespace: meta.map(|meta| meta.namespace.clone()).unwrap_or_default(),
        pod: meta.map(|meta| meta.name.clone()).unwrap_or_default(),
        pod_uid: record.uid.to_string(),
        warning: note.warning,
        reason: note.reason.to_owned(),
        message: note.message,
        time: Some(now.into()),
    }
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "agent_fencing_tests.rs"]
mod fencing_tests;
