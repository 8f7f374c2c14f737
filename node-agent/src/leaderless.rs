//! Keeps the lease while the control plane has no leader: a majority of the servers may vouch for that.
//!
//! Owns the rounds of questions and what answers count together. docs/fencing.md says why they may be relied on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bosun_client::endpoint::channel;
use bosun_host::Host;
use bosun_proto::node::node_agents_client::NodeAgentsClient;
use bosun_proto::node::{LeaderContactRequest, LeaderContactResponse};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;

use crate::lease::{Lease, LeaseKeeper};
use crate::session::Servers;

/// How long a round of questions lasts; later answers do not count.
pub const ROUND_MAX: Duration = Duration::from_secs(1);
/// How long a sleep lasts at most, because timers stand still while the machine is suspended and leases do not.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Whether the answers of one round say that no leader can have been in touch with its majority since the round began: a
/// majority of one and the same set of voters knows none. While voters change, a majority of the old and of the new.
pub fn vouch<'a>(answers: impl IntoIterator<Item = &'a LeaderContactResponse>) -> bool {
    // By voters: the entry that made them, and their sets.
    let mut groups: BTreeMap<_, BTreeSet<u64>> = BTreeMap::new();
    for answer in answers.into_iter().filter(|answer| answer.knows_no_leader) {
        if let Some(voters) = &answer.voters {
            let sets: Vec<Vec<u64>> = voters.sets.iter().map(|set| set.server_ids.clone()).collect();
            let made_by = (voters.term, voters.leader_id, voters.index);
            groups
                .entry((made_by, sets))
                .or_default()
                .insert(answer.server_id);
        }
    }
    groups.iter().any(|((_, sets), vouching)| {
        let is_majority = |set: &Vec<u64>| {
            let voters: BTreeSet<u64> = set.iter().copied().collect();
            !voters.is_empty() && voters.intersection(vouching).count() * 2 > voters.len()
        };
        !sets.is_empty() && sets.iter().all(is_majority)
    })
}

/// Asks whenever the lease gets old, for as long as the agent lives.
pub(crate) async fn ask_around(host: Host, keeper: Arc<LeaseKeeper>, servers: watch::Receiver<Servers>) {
    let mut lease = keeper.subscribe();
    let mut clients = BTreeMap::new();
    loop {
        let running = lease.borrow_and_update().filter(|lease| lease.runs(keeper.now()));
        let wait = running.map(|lease: Lease| lease.doubtful_at().saturating_duration_since(keeper.now()));
        match wait {
            // Nothing to keep.
            None => {
                if lease.changed().await.is_err() {
                    return;
                }
            }
            Some(wait) if !wait.is_zero() => {
                tokio::select! {
                    () = sleep(wait.min(SLEEP_MAX)) => {}
                    changed = lease.changed() => if changed.is_err() { return },
                }
            }
            Some(_) => {
                let began = keeper.now();
                let addresses = servers.borrow().addresses.clone();
                if ask(&host, &addresses, &mut clients).await && keeper.now() - began <= ROUND_MAX {
                    tracing::debug!("no server leads; a majority vouches for that, and the lease goes on");
                    keeper.prolong(began);
                } else {
                    let rest = ROUND_MAX.saturating_sub(keeper.now() - began);
                    sleep(rest).await;
                }
            }
        }
    }
}

/// One round; true as soon as a majority vouches.
async fn ask(
    host: &Host,
    addresses: &[String],
    clients: &mut BTreeMap<String, NodeAgentsClient<Channel>>,
) -> bool {
    clients.retain(|address, _| addresses.contains(address));
    let mut calls = JoinSet::new();
    for address in addresses {
        if !clients.contains_key(address) {
            match channel(Arc::clone(&host.network), std::slice::from_ref(address)) {
                Ok(channel) => {
                    clients.insert(address.clone(), NodeAgentsClient::new(channel));
                }
                Err(error) => {
                    tracing::debug!(%address, %error, "cannot be asked");
                    continue;
                }
            }
        }
        let Some(mut client) = clients.get(address).cloned() else {
            continue;
        };
        let request = LeaderContactRequest {
            round_ms: i64::try_from(ROUND_MAX.as_millis()).unwrap_or(i64::MAX),
        };
        calls.spawn(async move { client.leader_contact(request).await });
    }
    let mut answers = Vec::new();
    let all = async {
        while let Some(answer) = calls.join_next().await {
            match answer {
                Ok(Ok(answer)) => answers.push(answer.into_inner()),
                Ok(Err(status)) => tracing::trace!(%status, "no answer about leaders"),
                Err(error) => tracing::debug!(%error, "a question was not asked"),
            }
            if vouch(&answers) {
                return true;
            }
        }
        false
    };
    timeout(ROUND_MAX, all).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use bosun_proto::node::{VoterSet, Voters};

    use super::*;

    /// An answer of server `server_id` that knows no leader, with voters made by entry `index`.
    fn answer(server_id: u64, index: u64, sets: &[&[u64]]) -> LeaderContactResponse {
        let sets = sets
            .iter()
            .map(|set| VoterSet {
                server_ids: set.to_vec(),
            })
            .collect();
        LeaderContactResponse {
            server_id,
            knows_no_leader: true,
            voters: Some(Voters {
                term: 1,
                leader_id: 1,
                index,
                sets,
            }),
        }
    }

    #[test]
    fn only_a_majority_of_one_set_of_voters_vouches() {
        let three: &[&[u64]] = &[&[1, 2, 3]];
        let one = answer(1, 5, three);
        let two = answer(2, 5, three);
        assert!(!vouch([]));
        assert!(!vouch([&one]));
        assert!(!vouch([&one, &one]), "one server, reached twice");
        assert!(vouch([&one, &two]));
        let knows = LeaderContactResponse {
            knows_no_leader: false,
            ..two.clone()
        };
        assert!(!vouch([&one, &knows]));
        assert!(
            !vouch([&one, &answer(2, 6, three)]),
            "the same voters, but made by another entry"
        );
        assert!(!vouch([&one, &answer(2, 5, &[&[1, 2, 3, 4, 5]])]));
        assert!(!vouch([&one, &answer(4, 5, three)]), "4 has no vote");
        let five: &[&[u64]] = &[&[1, 2, 3, 4, 5]];
        assert!(!vouch([&answer(1, 5, five), &answer(2, 5, five)]));
        assert!(vouch([
            &answer(1, 5, five),
            &answer(2, 5, five),
            &answer(5, 5, five)
        ]));
        let without = LeaderContactResponse { voters: None, ..one };
        assert!(!vouch([&without, &without]));
        assert!(!vouch([&answer(1, 0, &[])]), "a server of no cluster");
        assert!(!vouch([&answer(1, 0, &[&[]])]));
    }

    #[test]
    fn while_voters_change_both_majorities_are_needed() {
        let joint: &[&[u64]] = &[&[1, 2, 3], &[3, 4, 5]];
        let of = |ids: &[u64]| ids.iter().map(|id| answer(*id, 9, joint)).collect::<Vec<_>>();
        assert!(!vouch(&of(&[1, 2])));
        assert!(!vouch(&of(&[1, 2, 3])));
        assert!(vouch(&of(&[1, 3, 4])));
        assert!(vouch(&of(&[2, 1, 4, 5])));
    }
}
