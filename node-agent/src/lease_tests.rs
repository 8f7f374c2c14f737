//! Leases: what they count from, when they end, and when fenced pods may be started.

use super::*;

const LEASE: Duration = Duration::from_secs(8);

fn at(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

#[test]
fn a_lease_counts_from_the_sending_and_a_late_answer_does_not_shorten_it() {
    let start = Instant::now();
    let lease = Lease::granted(None, at(start, 500), LEASE, 1);
    assert_eq!(lease.ends(), at(start, 8_500));
    assert!(lease.runs(at(start, 8_499)) && !lease.runs(at(start, 8_500)));
    let later = Lease::granted(Some(lease), at(start, 1_500), LEASE, 1);
    let late = Lease::granted(Some(later), at(start, 1_000), LEASE, 1);
    assert_eq!(late.ends(), at(start, 9_500));
    assert_eq!(late.doubtful_at(), at(start, 3_500));
}

#[test]
fn one_that_ran_out_is_replaced_by_another_and_never_prolonged() {
    let start = Instant::now();
    let lease = Lease::granted(None, at(start, 0), LEASE, 1);
    let prolonged = lease.prolonged(at(start, 7_000), at(start, 7_900));
    assert_eq!(prolonged.ends(), at(start, 15_000));
    let dead = lease.prolonged(at(start, 7_900), at(start, 8_000));
    assert_eq!(
        dead, lease,
        "the round began in time, but its answers came too late"
    );
    let continued = Lease::granted(Some(lease), at(start, 7_999), LEASE, 2);
    assert_eq!(continued.generation, 1);
    let another = Lease::granted(Some(lease), at(start, 8_000), LEASE, 2);
    assert_eq!((another.generation, another.ends()), (2, at(start, 16_000)));
}

#[test]
fn fenced_pods_are_started_only_after_the_full_set_of_the_session_that_gave_the_lease() {
    let start = Instant::now();
    let lease = |sent, session, previous| Some(Lease::granted(previous, at(start, sent), LEASE, session));
    let (begin, stop, nothing) = (
        Verdict {
            begin: true,
            stop: false,
        },
        Verdict {
            begin: false,
            stop: true,
        },
        Verdict::default(),
    );
    let mut trust = Trust::default();
    let first = lease(0, 1, None);
    assert_eq!(trust.look(None, at(start, 0)), nothing);
    assert_eq!(trust.look(first, at(start, 1)), nothing);
    trust.opened();
    trust.completed(1);
    assert_eq!(trust.look(first, at(start, 2)), begin);
    // A new session without a gap: the pods are still its own.
    trust.opened();
    let second = lease(5_000, 2, first);
    assert_eq!(trust.look(second, at(start, 5_100)), nothing);
    assert!(trust.may_start());
    // Cut off.
    assert_eq!(trust.look(second, at(start, 12_999)), nothing);
    assert_eq!(trust.look(second, at(start, 13_000)), stop);
    assert_eq!(trust.look(second, at(start, 14_000)), nothing);
    assert!(!trust.may_start());
    // The old session's set is complete only now; what is in it may be given up since.
    trust.completed(2);
    assert_eq!(trust.look(second, at(start, 14_100)), nothing);
    let third = lease(15_000, 3, second);
    assert_eq!(trust.look(third, at(start, 15_100)), nothing);
    trust.opened();
    trust.completed(3);
    assert_eq!(trust.look(third, at(start, 15_200)), begin);
    // The process slept through the end of one lease and the beginning of the next.
    let fourth = lease(30_000, 3, third);
    assert_eq!(
        trust.look(fourth, at(start, 30_100)),
        Verdict {
            stop: true,
            begin: true
        },
        "its server answers it still, so nothing was given up; what ran is stopped to be sure"
    );
}

/// A clock that is set by hand, and a machine that may sleep.
struct ByHand(std::sync::Mutex<(Instant, Duration)>);

impl Clock for ByHand {
    fn wall(&self) -> bosun_host::WallTime {
        bosun_host::WallTime::UNIX_EPOCH
    }

    fn instant(&self) -> Instant {
        self.0.lock().unwrap().0
    }

    fn boot_instant(&self) -> Instant {
        let (instant, suspended) = *self.0.lock().unwrap();
        instant + suspended
    }
}

#[test]
fn a_machine_that_was_suspended_has_lost_that_time_and_the_runtime_is_told_the_rest() {
    let start = Instant::now();
    let clock = Arc::new(ByHand(std::sync::Mutex::new((start, Duration::ZERO))));
    let (sender, told) = std::sync::mpsc::channel();
    let keeper = LeaseKeeper::new(clock.clone(), move |until| sender.send(until).unwrap());
    let sent_at = keeper.now();
    *clock.0.lock().unwrap() = (at(start, 1_000), Duration::from_secs(3));
    keeper.grant(sent_at, LEASE, 1);
    let lease = keeper.subscribe().borrow().unwrap();
    assert_eq!(lease.ends(), at(start, 8_000));
    assert_eq!(told.recv().unwrap(), at(start, 5_000), "4 of 8 s are over");
    *clock.0.lock().unwrap() = (at(start, 1_001), Duration::from_mins(1));
    assert!(!lease.runs(keeper.now()));
    keeper.prolong(sent_at);
    assert!(told.try_recv().is_err());
}
