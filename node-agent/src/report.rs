//! Tells the control plane how pods are. Owns the outbox, in which the last word about each pod wins, and the one report
//! under way. What happens meanwhile gathers for the next report.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bosun_proto::node::{EventReport, PodReport, ReportRequest};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::session::{Links, next_link};

/// At most so many pods in one report.
const PODS_MAX: usize = 256;
/// At most so many events in one report.
const EVENTS_MAX: usize = 100;
/// At most so many events wait; the oldest go first.
const EVENTS_WAITING_MAX: usize = 1000;
/// How long news that is not a pod's end waits for more. A pod that runs and ends within this time is told once.
const LINGER: Duration = Duration::from_millis(5);
/// How long a server may take to make a report durable.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The pause after a failed report; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What came of a report.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    /// Pods whose end is known to the control plane now.
    pub(crate) stopped: Vec<Arc<str>>,
    /// Pods it does not know.
    pub(crate) unknown: Vec<String>,
}

/// What is to be told.
#[derive(Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    pods: BTreeMap<Arc<str>, PodReport>,
    events: VecDeque<EventReport>,
    /// When the first of all this came in.
    since: Option<Instant>,
    /// Something in it is not to be held back.
    urgent: bool,
}

impl Outbox {
    /// Puts in the last word about a pod. The end of a pod goes out at once.
    pub(crate) fn put(&self, uid: Arc<str>, report: PodReport) {
        let mut waiting = self.waiting();
        waiting.urgent |= report.stopped;
        waiting.pods.insert(uid, report);
        self.stir(waiting);
    }

    /// Puts in an event.
    pub(crate) fn put_event(&self, event: EventReport) {
        let mut waiting = self.waiting();
        waiting.events.push_back(event);
        if waiting.events.len() > EVENTS_WAITING_MAX {
            waiting.events.pop_front();
        }
        self.stir(waiting);
    }

    /// Takes back what was to be told about a pod.
    pub(crate) fn forget(&self, uid: &str) {
        self.waiting().pods.remove(uid);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stir(&self, mut waiting: MutexGuard<'_, Waiting>) {
        let first = waiting.since.is_none();
        if first {
            waiting.since = Some(Instant::now());
        }
        if first || waiting.urgent {
            self.changed.notify_one();
        }
    }

    /// Waits until a report is due.
    async fn due(&self) {
        loop {
            let (since, urgent) = {
                let waiting = self.waiting();
                (waiting.since, waiting.urgent)
            };
            match since {
                None => self.changed.notified().await,
                Some(_) if urgent => return,
                Some(since) => tokio::select! {
                    () = sleep_until(since + LINGER) => return,
                    () = self.changed.notified() => {}
                },
            }
        }
    }

    fn take(&self) -> Batch {
        let mut waiting = self.waiting();
        let pods = match waiting.pods.keys().nth(PODS_MAX).cloned() {
            None => std::mem::take(&mut waiting.pods),
            Some(first_left) => {
                let left = waiting.pods.split_off(&first_left);
                std::mem::replace(&mut waiting.pods, left)
            }
        };
        let count = waiting.events.len().min(EVENTS_MAX);
        let events = waiting.events.drain(..count).collect();
        if waiting.pods.is_empty() && waiting.events.is_empty() {
            waiting.since = None;
            waiting.urgent = false;
        }
        Batch { pods, events }
    }

    /// What could not be told waits again, unless there is newer word.
    fn put_back(&self, batch: Batch) {
        let mut waiting = self.waiting();
        for (uid, report) in batch.pods {
            waiting.urgent |= report.stopped;
            waiting.pods.entry(uid).or_insert(report);
        }
        for event in batch.events.into_iter().rev() {
            if waiting.events.len() < EVENTS_WAITING_MAX {
                waiting.events.push_front(event);
            }
        }
        self.stir(waiting);
    }
}

#[derive(Debug, Default)]
struct Batch {
    pods: BTreeMap<Arc<str>, PodReport>,
    events: Vec<EventReport>,
}

/// Reports as long as the agent lives.
pub(crate) async fn report(
    node_name: String,
    outbox: Arc<Outbox>,
    mut links: Links,
    acknowledged: mpsc::Sender<Acknowledged>,
) {
    let mut pause = PAUSE_FIRST;
    loop {
        outbox.due().await;
        let Some(link) = next_link(&mut links).await else {
            return;
        };
        let batch = outbox.take();
        if batch.pods.is_empty() && batch.events.is_empty() {
            continue;
        }
        let request = ReportRequest {
            node_name: node_name.clone(),
            session_id: link.session_id.to_string(),
            pods: batch.pods.values().cloned().collect(),
            events: batch.events.clone(),
        };
        let mut client = link.client.clone();
        let failure = tokio::select! {
            answer = timeout(ANSWER_MAX, client.report(request)) => match answer {
                Ok(Ok(answer)) => {
                    pause = PAUSE_FIRST;
                    let done = acknowledgement(&batch, answer.into_inner().unknown_uids);
                    if acknowledged.send(done).await.is_err() {
                        return;
                    }
                    continue;
                }
                Ok(Err(status)) => {
                    link.judge(&status);
                    status.message().to_owned()
                }
                Err(_) => format!("no answer within {} s", ANSWER_MAX.as_secs()),
            },
            () = link.broken.cancelled() => "the session has ended".to_owned(),
        };
        tracing::debug!(
            failure,
            pods = batch.pods.len(),
            "report failed; it is sent again"
        );
        outbox.put_back(batch);
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn acknowledgement(batch: &Batch, unknown: Vec<String>) -> Acknowledged {
    Acknowledged {
        stopped: batch
            .pods
            .iter()
            .filter(|(uid, report)| report.stopped && !unknown.iter().any(|unknown| **unknown == ***uid))
            .map(|(uid, _)| Arc::clone(uid))
            .collect(),
        unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(phase: &str, stopped: bool) -> PodReport {
        PodReport {
            name: phase.to_owned(),
            stopped,
            ..PodReport::default()
        }
    }

    fn names(batch: &Batch) -> Vec<&str> {
        batch.pods.values().map(|report| report.name.as_str()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_word_wins_and_an_end_does_not_wait() {
        let outbox = Outbox::default();
        let begun = Instant::now();
        outbox.put("a".into(), report("Running", false));
        outbox.put("b".into(), report("Running", false));
        outbox.due().await;
        assert_eq!(begun.elapsed(), LINGER);
        outbox.put("a".into(), report("Succeeded", true));
        let begun = Instant::now();
        outbox.due().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(names(&outbox.take()), ["Succeeded", "Running"]);
        assert!(
            timeout(Duration::from_secs(9), outbox.due()).await.is_err(),
            "nothing is left"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_sent_again_unless_there_is_newer_word() {
        let outbox = Outbox::default();
        outbox.put("a".into(), report("Pending", false));
        outbox.put("b".into(), report("Pending", false));
        let batch = outbox.take();
        outbox.put("a".into(), report("Running", false));
        outbox.put_back(batch);
        outbox.due().await;
        assert_eq!(names(&outbox.take()), ["Running", "Pending"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_has_a_limit_and_the_rest_follows_at_once() {
        let outbox = Outbox::default();
        for number in 0..PODS_MAX + 7 {
            outbox.put(format!("{number:05}").into(), report("Succeeded", true));
        }
        for _ in 0..EVENTS_WAITING_MAX + 5 {
            outbox.put_event(EventReport::default());
        }
        let first = outbox.take();
        assert_eq!((first.pods.len(), first.events.len()), (PODS_MAX, EVENTS_MAX));
        let begun = Instant::now();
        outbox.due().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(outbox.take().pods.len(), 7);
        assert_eq!(outbox.waiting().events.len(), EVENTS_WAITING_MAX - 2 * EVENTS_MAX);
    }

    #[test]
    fn unknown_pods_are_not_acknowledged() {
        let batch = Batch {
            pods: BTreeMap::from([
                ("a".into(), report("Succeeded", true)),
                ("b".into(), report("Succeeded", true)),
                ("c".into(), report("Running", false)),
            ]),
            events: Vec::new(),
        };
        let done = acknowledgement(&batch, vec!["b".to_owned()]);
        assert_eq!(
            (done.stopped, done.unknown),
            (vec!["a".into()], vec!["b".to_owned()])
        );
    }
}
