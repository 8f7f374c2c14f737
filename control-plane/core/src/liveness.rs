//! The leader's view of which nodes are alive: when it last heard from each, on its own monotonic clock.
//!
//! Pure and never stored. It says which nodes have changed their standing; what is written then is decided by
//! [`crate::controllers::node_lifecycle`]. Times are durations since an arbitrary start, the same for all calls. How long a
//! silent node is noticed does not depend on the number of nodes.

use std::collections::BTreeMap;
use std::time::Duration;

/// After which silence something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Then a node is not ready, and pods that may overlap are replaced.
    pub silent_after: Duration,
    /// Then pods that must not overlap are replaced, too: their agent has stopped them by now.
    pub lost_after: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            silent_after: Duration::from_secs(3),
            lost_after: Duration::from_secs(10),
        }
    }
}

/// How a node stands. It gets worse in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Its agent is heard.
    Heard,
    /// Not heard for [`Patience::silent_after`].
    Silent,
    /// Not heard for [`Patience::lost_after`].
    Lost,
}

/// When each node was last heard, and which standing of it is written down.
#[derive(Clone, Debug)]
pub struct Liveness {
    patience: Patience,
    nodes: BTreeMap<String, Watched>,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    /// The last heartbeat, or when its grace began.
    since: Duration,
    /// False while there is only grace: no news is then no reason to call a node ready.
    heard: bool,
    settled: Standing,
}

impl Watched {
    fn standing(&self, patience: &Patience, at: Duration) -> Standing {
        let silence = at.saturating_sub(self.since);
        if silence >= patience.lost_after {
            Standing::Lost
        } else if silence >= patience.silent_after {
            self.settled.max(Standing::Silent)
        } else if self.heard {
            Standing::Heard
        } else {
            self.settled
        }
    }

    /// When the standing gets worse, if nothing is heard until then.
    fn deadline(&self, patience: &Patience, at: Duration) -> Option<Duration> {
        match self.standing(patience, at) {
            standing if standing != self.settled => Some(at),
            Standing::Heard => Some(self.since + patience.silent_after),
            Standing::Silent => Some(self.since + patience.lost_after),
            Standing::Lost => None,
        }
    }
}

impl Liveness {
    /// What a new leader knows: each node with the standing that is written down, and full grace from `at`.
    pub fn new(
        patience: Patience,
        nodes: impl IntoIterator<Item = (String, Standing)>,
        at: Duration,
    ) -> Self {
        let watched = |settled| Watched {
            since: at,
            heard: false,
            settled,
        };
        Self {
            patience,
            nodes: nodes
                .into_iter()
                .map(|(node, settled)| (node, watched(settled)))
                .collect(),
        }
    }

    /// A heartbeat (or anything else) came from a node. True when its standing may be another one now, so that [`Self::due`]
    /// is worth a call.
    pub fn heard(&mut self, node: &str, at: Duration) -> bool {
        let Some(watched) = self.nodes.get_mut(node) else {
            let watched = Watched {
                since: at,
                heard: true,
                settled: Standing::Silent,
            };
            self.nodes.insert(node.to_owned(), watched);
            return true;
        };
        watched.since = watched.since.max(at);
        watched.heard = true;
        watched.settled != Standing::Heard
    }

    /// The node does not exist any more.
    pub fn forget(&mut self, node: &str) {
        self.nodes.remove(node);
    }

    /// Every node gets full grace again: the leader itself was cut off and could not have heard them.
    pub fn grace(&mut self, at: Duration) {
        for watched in self.nodes.values_mut() {
            watched.since = watched.since.max(at);
            watched.heard = false;
        }
    }

    /// The nodes whose standing at `at` is not the one that is written down, and which it is.
    pub fn due(&self, at: Duration) -> Vec<(String, Standing)> {
        let standings = self
            .nodes
            .iter()
            .map(|(node, watched)| (node, watched.settled, watched.standing(&self.patience, at)));
        standings
            .filter(|(_, settled, standing)| settled != standing)
            .map(|(node, _, standing)| (node.clone(), standing))
            .collect()
    }

    /// The nodes that are written down as anything but heard.
    pub fn unheard(&self) -> impl Iterator<Item = (&str, Standing)> {
        let nodes = self
            .nodes
            .iter()
            .map(|(node, watched)| (node.as_str(), watched.settled));
        nodes.filter(|(_, settled)| *settled != Standing::Heard)
    }

    /// The standing of a node is written down; until this is called, [`Self::due`] names it again.
    pub fn settle(&mut self, node: &str, standing: Standing) {
        if let Some(watched) = self.nodes.get_mut(node) {
            watched.settled = standing;
        }
    }

    /// When [`Self::due`] next has something to say, if nothing is heard until then: `at` when it has now, `None` when never.
    pub fn next_deadline(&self, at: Duration) -> Option<Duration> {
        self.nodes
            .values()
            .filter_map(|watched| watched.deadline(&self.patience, at))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use Standing::{Heard, Lost, Silent};

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn leader(nodes: &[(&str, Standing)]) -> Liveness {
        let nodes = nodes
            .iter()
            .map(|(node, standing)| ((*node).to_owned(), *standing));
        Liveness::new(Patience::default(), nodes, seconds(100))
    }

    /// What is due, settled at once.
    fn turn(liveness: &mut Liveness, at: u64) -> Vec<(String, Standing)> {
        let due = liveness.due(seconds(at));
        for (node, standing) in &due {
            liveness.settle(node, *standing);
        }
        due
    }

    fn one(node: &str, standing: Standing) -> Vec<(String, Standing)> {
        vec![(node.into(), standing)]
    }

    #[test]
    fn a_node_falls_silent_is_lost_and_comes_back() {
        let mut liveness = leader(&[("a", Heard)]);
        liveness.heard("a", seconds(101));
        assert_eq!(liveness.next_deadline(seconds(101)), Some(seconds(104)));
        assert_eq!(turn(&mut liveness, 103), []);
        assert_eq!(turn(&mut liveness, 104), one("a", Silent));
        assert_eq!(liveness.next_deadline(seconds(104)), Some(seconds(111)));
        assert_eq!(turn(&mut liveness, 110), []);
        assert_eq!(turn(&mut liveness, 111), one("a", Lost));
        assert_eq!(liveness.next_deadline(seconds(111)), None);
        assert!(liveness.heard("a", seconds(200)));
        assert_eq!(liveness.next_deadline(seconds(200)), Some(seconds(200)));
        assert_eq!(turn(&mut liveness, 200), one("a", Heard));
        assert!(!liveness.heard("a", seconds(201)));
    }

    #[test]
    fn a_new_leader_gives_full_grace_and_takes_silence_for_neither_good_nor_bad_news() {
        let mut liveness = leader(&[("good", Heard), ("gone", Lost), ("quiet", Silent)]);
        assert_eq!(turn(&mut liveness, 102), []);
        assert_eq!(turn(&mut liveness, 103), one("good", Silent));
        let both = vec![("good".to_owned(), Lost), ("quiet".to_owned(), Lost)];
        assert_eq!(turn(&mut liveness, 110), both);
    }

    #[test]
    fn grace_begins_again_and_a_node_that_is_down_does_not_look_alive_by_it() {
        let mut liveness = leader(&[("a", Heard)]);
        liveness.heard("a", seconds(101));
        liveness.heard("b", seconds(101));
        assert_eq!(turn(&mut liveness, 101), one("b", Heard));
        assert_eq!(turn(&mut liveness, 105).len(), 2);
        liveness.heard("a", seconds(106));
        assert_eq!(turn(&mut liveness, 106), one("a", Heard));
        liveness.grace(seconds(107));
        assert_eq!(turn(&mut liveness, 109), []);
        assert_eq!(turn(&mut liveness, 110), one("a", Silent));
        assert_eq!(
            turn(&mut liveness, 117),
            vec![("a".to_owned(), Lost), ("b".to_owned(), Lost)]
        );
    }

    #[test]
    fn thousands_of_nodes_are_noticed_as_fast_as_one() {
        let names: Vec<String> = (0..5_000).map(|number| format!("node-{number:04}")).collect();
        let known = names.iter().map(|name| (name.clone(), Heard));
        let mut liveness = Liveness::new(Patience::default(), known, seconds(100));
        for name in &names {
            liveness.heard(name, seconds(101));
        }
        liveness.heard("node-0007", seconds(103));
        assert_eq!(turn(&mut liveness, 103), []);
        let silent = turn(&mut liveness, 104);
        assert_eq!(
            silent.len(),
            4_999,
            "all that fell silent at one time, at one time"
        );
        assert_eq!(turn(&mut liveness, 106), one("node-0007", Silent));
        assert_eq!(turn(&mut liveness, 111).len(), 4_999);
        let lost = liveness.unheard().filter(|(_, standing)| *standing == Lost);
        assert_eq!((lost.count(), liveness.unheard().count()), (4_999, 5_000));
        assert_eq!(liveness.next_deadline(seconds(111)), Some(seconds(113)));
    }

    #[test]
    fn what_is_not_settled_is_due_again_and_a_forgotten_node_never() {
        let mut liveness = leader(&[("a", Heard)]);
        assert_eq!(liveness.due(seconds(103)), one("a", Silent));
        assert_eq!(liveness.due(seconds(104)), one("a", Silent));
        assert_eq!(liveness.next_deadline(seconds(104)), Some(seconds(104)));
        liveness.forget("a");
        assert_eq!(liveness.due(seconds(200)), []);
    }
}
