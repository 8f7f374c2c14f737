//! Whom the leader takes in, lets vote and takes out. Pure: decides on [`Members`] as the leader sees them.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::raft::{Member, Members, MembershipChange, NodeId, Server};

/// A server that has answered the leader within this time counts as alive. Several heartbeats, and longer than an election
/// may take, so that neither a lost packet nor a new leader makes a server look dead.
pub(crate) const ALIVE_WITHIN: Duration = Duration::from_secs(1);

/// What a server that asks for its place is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is a member, and everything about it is right.
    Member(NodeId),
    /// It becomes one, or what is known about it changes, by this step.
    Change(MembershipChange),
    /// It was taken out.
    Removed,
    /// It cannot be decided just now.
    Later(String),
    /// No, and why.
    Refused(String),
}

/// Decides about a server that asks for its place: `known_as` is its number, if a cluster has given it one. `leading_for`
/// is how long this server has led.
pub(crate) fn admit(
    members: &Members,
    leading_for: Duration,
    known_as: Option<NodeId>,
    server: Server,
) -> Admission {
    if let Some(node_id) = known_as {
        return place(members, node_id, server);
    }
    let same_name = || {
        members
            .servers
            .iter()
            .filter(|member| member.server.name == server.name)
    };
    if let Some(alive) = same_name().find(|member| is_alive(member)) {
        return Admission::Refused(format!(
            "a server named {} is alive at {} (number {}): give this one another --name, or stop that one first",
            server.name, alive.server.address, alive.node_id
        ));
    }
    if same_name().any(|member| member.heard.is_none()) && leading_for < ALIVE_WITHIN {
        return Admission::Later("the leader is new and cannot tell yet who is alive".into());
    }
    if !members.settled {
        return Admission::Later("another change of the servers is under way".into());
    }
    let learners = same_name().filter(|member| !member.voter);
    let replacing = learners.map(|member| member.node_id).collect();
    Admission::Change(MembershipChange::Add { server, replacing })
}

/// Decides about a server that has a number.
fn place(members: &Members, node_id: NodeId, server: Server) -> Admission {
    match members.find(node_id) {
        None => Admission::Removed,
        Some(member) if member.server == server => Admission::Member(node_id),
        Some(_) if !members.settled => Admission::Later("another change of the servers is under way".into()),
        Some(_) => Admission::Change(MembershipChange::Update { node_id, server }),
    }
}

/// The next step by which the leader completes what was begun: a change left half done, or a learner that has caught up.
/// `caught_up_at` is the last entry the leader had when it looked before: who has that one lags by no more than what is
/// written between two looks.
pub(crate) fn complete(members: &Members, caught_up_at: u64) -> Option<MembershipChange> {
    if !members.settled {
        return Some(MembershipChange::Settle);
    }
    let ready = |member: &&Member| {
        !member.voter && is_alive(member) && member.matched_index.is_some_and(|index| index >= caught_up_at)
    };
    let learner = members.servers.iter().find(ready)?;
    let same_name = |voter: &&Member| voter.server.name == learner.server.name;
    Some(MembershipChange::Promote {
        node_id: learner.node_id,
        replacing: members
            .voters()
            .filter(same_name)
            .map(|voter| voter.node_id)
            .collect(),
    })
}

/// How a server is taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// By this step.
    Change(MembershipChange),
    /// It leads: this server has to take over the lead first.
    HandOver(NodeId),
    /// No, and why.
    Refused(String),
}

/// Decides about taking out the server with this name (and number, unless that is 0), on the leader, which is `own`.
pub(crate) fn remove(members: &Members, own: NodeId, name: &str, node_id: NodeId) -> Removal {
    let member = match find(members, name, node_id) {
        Ok(member) => member,
        Err(refusal) => return Removal::Refused(refusal),
    };
    if !members.settled {
        return Removal::Refused("another change of the servers is under way; try again".into());
    }
    if member.voter {
        let rest: Vec<&Member> = members
            .voters()
            .filter(|voter| voter.node_id != member.node_id)
            .collect();
        if rest.is_empty() {
            return Removal::Refused(format!(
                "{name} is the only server that votes: without it there is no cluster; let another one join first"
            ));
        }
        let alive = rest.iter().filter(|voter| is_alive(voter)).count();
        let needed = rest.len() / 2 + 1;
        if alive < needed {
            return Removal::Refused(format!(
                "without {name}, {} servers would vote and only {alive} of them answer, but {needed} are needed to agree on \
                 anything: bring others back, or remove a dead one first",
                rest.len()
            ));
        }
    }
    if member.node_id == own {
        return match successor(members, own) {
            Some(successor) => Removal::HandOver(successor),
            None => Removal::Refused(format!(
                "{name} leads and no other server that votes answers; it can be removed once one does"
            )),
        };
    }
    Removal::Change(MembershipChange::Remove {
        node_id: member.node_id,
        voter: member.voter,
    })
}

/// The server with this name (and number, unless that is 0).
pub(crate) fn find<'m>(members: &'m Members, name: &str, node_id: NodeId) -> Result<&'m Member, String> {
    let fits = |member: &&Member| member.server.name == name && (node_id == 0 || member.node_id == node_id);
    let found: Vec<&Member> = members.servers.iter().filter(fits).collect();
    match found.as_slice() {
        [member] => Ok(member),
        [] => {
            let names: BTreeSet<&str> = members
                .servers
                .iter()
                .map(|member| member.server.name.as_str())
                .collect();
            let names: Vec<&str> = names.into_iter().collect();
            Err(format!(
                "there is no server {name:?}; there are {}",
                names.join(", ")
            ))
        }
        several => {
            let numbers: Vec<String> = several.iter().map(|member| member.node_id.to_string()).collect();
            Err(format!(
                "several servers are named {name} (one is about to take the place of the other): say which, by number: {}",
                numbers.join(", ")
            ))
        }
    }
}

/// Who would lead best instead of `own`: the voter that is alive and has most of the log.
pub(crate) fn successor(members: &Members, own: NodeId) -> Option<NodeId> {
    members
        .voters()
        .filter(|voter| voter.node_id != own && is_alive(voter))
        .max_by_key(|voter| voter.matched_index)
        .map(|voter| voter.node_id)
}

/// Whether a server has answered the leader of late.
pub(crate) fn is_alive(member: &Member) -> bool {
    member.heard.is_some_and(|ago| ago <= ALIVE_WITHIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Members as `1=a:leader 2=b 3=c:dead 4=c:learner`; all have entry 10 unless they end in `@` and a number. A `!`
    /// says that a change is under way.
    fn members(text: &str) -> Members {
        let server = |word: &str| {
            let (node_id, rest) = word.split_once('=').unwrap();
            let (rest, matched) = rest.split_once('@').unwrap_or((rest, "10"));
            let marks: Vec<&str> = rest.split(':').collect();
            let heard = if marks.contains(&"dead") {
                Some(Duration::from_secs(9))
            } else if marks.contains(&"unheard") {
                None
            } else {
                Some(Duration::from_millis(40))
            };
            Member {
                node_id: node_id.parse().unwrap(),
                server: named(marks[0]),
                voter: !marks.contains(&"learner"),
                heard,
                matched_index: Some(matched.parse().unwrap()),
            }
        };
        let words = text.split_whitespace().filter(|word| *word != "!");
        Members::seen(words.map(server).collect(), !text.contains('!'))
    }

    fn named(name: &str) -> Server {
        Server {
            name: name.into(),
            address: format!("{name}:7600"),
        }
    }

    fn ids(ids: &[NodeId]) -> BTreeSet<NodeId> {
        ids.iter().copied().collect()
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn a_new_server_is_taken_in_unless_one_of_its_name_is_alive() {
        let admit =
            |text: &str, name: &str, leading_for| admit(&members(text), leading_for, None, named(name));
        let add = |name: &str, replacing: &[NodeId]| {
            Admission::Change(MembershipChange::Add {
                server: named(name),
                replacing: ids(replacing),
            })
        };
        assert_eq!(admit("1=a 2=b", "c", Duration::ZERO), add("c", &[]));
        // A dead voter is replaced when the new one can vote, a dead learner at once.
        assert_eq!(admit("1=a 2=b 3=c:dead", "c", LONG), add("c", &[]));
        assert_eq!(
            admit("1=a 2=b 3=c:dead 4=c:dead:learner", "c", LONG),
            add("c", &[4])
        );
        assert_eq!(admit("1=a 2=b 3=c:unheard", "c", LONG), add("c", &[]));
        assert!(matches!(
            admit("1=a 2=b 3=c:unheard", "c", Duration::ZERO),
            Admission::Later(_)
        ));
        assert!(matches!(admit("! 1=a 2=b", "c", LONG), Admission::Later(_)));
        let Admission::Refused(why) = admit("1=a 2=b 3=c", "c", LONG) else {
            panic!("two of one name")
        };
        assert!(why.contains("c:7600") && why.contains("--name"), "{why}");
    }

    #[test]
    fn a_server_with_a_number_is_told_its_place() {
        let admit = |text: &str, node_id, server| admit(&members(text), LONG, Some(node_id), server);
        assert_eq!(admit("1=a 2=b", 2, named("b")), Admission::Member(2));
        assert_eq!(admit("1=a 2=b", 3, named("c")), Admission::Removed);
        let moved = Server {
            address: "elsewhere:1".into(),
            ..named("b")
        };
        let update = MembershipChange::Update {
            node_id: 2,
            server: moved.clone(),
        };
        assert_eq!(admit("1=a 2=b", 2, moved.clone()), Admission::Change(update));
        assert!(matches!(admit("! 1=a 2=b", 2, moved), Admission::Later(_)));
    }

    #[test]
    fn a_learner_votes_once_it_has_caught_up_in_place_of_the_dead_one() {
        let promote = |node_id, replacing: &[NodeId]| {
            Some(MembershipChange::Promote {
                node_id,
                replacing: ids(replacing),
            })
        };
        assert_eq!(complete(&members("1=a 2=b"), 10), None);
        assert_eq!(complete(&members("1=a 2=b:learner@9"), 10), None);
        assert_eq!(complete(&members("1=a 2=b:learner:dead"), 10), None);
        assert_eq!(
            complete(&members("1=a 2=b:learner 3=c:learner"), 10),
            promote(2, &[])
        );
        assert_eq!(
            complete(&members("1=a 3=c:dead 4=c:learner"), 10),
            promote(4, &[3])
        );
        assert_eq!(
            complete(&members("! 1=a 2=b:learner"), 10),
            Some(MembershipChange::Settle)
        );
    }

    #[test]
    fn nobody_is_removed_whom_the_rest_cannot_do_without() {
        let remove = |text: &str, name: &str| remove(&members(text), 1, name, 0);
        let change = |node_id, voter| Removal::Change(MembershipChange::Remove { node_id, voter });
        assert_eq!(remove("1=a 2=b 3=c", "c"), change(3, true));
        assert_eq!(remove("1=a 2=b 3=c:dead", "c"), change(3, true));
        assert_eq!(remove("1=a 2=b 3=c:learner:dead", "c"), change(3, false));
        assert_eq!(remove("1=a 2=b 3=c@9", "a"), Removal::HandOver(2));
        for (text, name, why) in [
            ("1=a", "a", "only server that votes"),
            ("1=a 2=b 3=c:dead", "b", "only 1 of them answer"),
            ("1=a 2=b:dead", "a", "0 of them answer"),
            ("1=a 2=b 3=c", "d", "there are a, b, c"),
            ("1=a 2=b 3=c:dead 4=c:learner", "c", "by number: 3, 4"),
            ("! 1=a 2=b 3=c", "c", "try again"),
        ] {
            let Removal::Refused(told) = remove(text, name) else {
                panic!("{name} of {text} is removed")
            };
            assert!(told.contains(why), "{name} of {text}: {told}");
        }
    }
}
