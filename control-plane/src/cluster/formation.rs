//! What a server with an empty disk does next, by what the servers of its list say. Pure.
//!
//! A new cluster is formed only when *all* of the list say that they belong to none, and by the one that the list names
//! first: a server that cannot be asked may hold the cluster's data, and two first ones do not exist as long as all are
//! given the same list, which is checked.

/// What one other server of the list said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It could not be asked; why.
    Silent(String),
    /// It belongs to no cluster.
    Empty {
        /// Its name.
        name: String,
        /// The list it was started with.
        servers: Vec<String>,
    },
    /// It belongs to a cluster.
    Member {
        /// Which one.
        cluster_id: String,
    },
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Form a new cluster.
    Form,
    /// Ask the cluster that was found to be taken in.
    Join,
    /// Ask again later; what is waited for.
    Wait(String),
    /// It cannot go on like this; why, and the way out.
    Refuse(String),
}

/// Decides for the server called `name` at `address`, which was started with `servers`. `answers` has an answer for each
/// other server of the list.
pub(crate) fn decide(name: &str, address: &str, servers: &[String], answers: &[(String, Answer)]) -> Next {
    let mut clusters: Vec<(&str, &str)> = Vec::new();
    for (other, answer) in answers {
        if let Answer::Member { cluster_id } = answer
            && clusters.iter().all(|(_, known)| known != cluster_id)
        {
            clusters.push((other, cluster_id));
        }
    }
    match clusters.as_slice() {
        [] => {}
        [_] => return Next::Join,
        several => {
            let told: Vec<String> = several
                .iter()
                .map(|(other, cluster_id)| format!("{other} to {cluster_id}"))
                .collect();
            return Next::Refuse(format!(
                "--servers names servers of different clusters ({}): name those of one",
                told.join(", ")
            ));
        }
    }
    for (other, answer) in answers {
        let Answer::Empty {
            name: other_name,
            servers: their_list,
        } = answer
        else {
            continue;
        };
        if other_name == name {
            return Next::Refuse(format!(
                "--name {name}: the server at {other} has the same name; each needs one of its own"
            ));
        }
        if their_list != servers {
            return Next::Refuse(format!(
                "--servers: this server was given {}, the one at {other} {}; a new cluster needs the same list, in the \
                 same order, on every server",
                servers.join(","),
                if their_list.is_empty() {
                    "none".to_owned()
                } else {
                    their_list.join(",")
                }
            ));
        }
    }
    let silent: Vec<&str> = answers
        .iter()
        .filter(|(_, answer)| matches!(answer, Answer::Silent(_)))
        .map(|(other, _)| other.as_str())
        .collect();
    if !silent.is_empty() {
        return Next::Wait(format!(
            "{}: a new cluster is formed only when all of --servers answer",
            silent.join(", ")
        ));
    }
    match servers.first() {
        Some(first) if first == address => Next::Form,
        Some(first) if servers.iter().any(|server| server == address) => {
            Next::Wait(format!("{first}, the first of --servers, to form the cluster"))
        }
        Some(_) | None => Next::Wait(format!(
            "the servers of --servers to form a cluster; this one ({address}) is not among them and will join it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `decide` for the server at `own` with the list a,b,c; `answers` as `b=empty c=silent d=member:x`.
    fn check(own: &str, answers: &str, expected: &str) {
        let list: Vec<String> = ["a:1", "b:1", "c:1"].map(str::to_owned).to_vec();
        let answers: Vec<(String, Answer)> = answers
            .split_whitespace()
            .map(|text| {
                let (server, answer) = text.split_once('=').unwrap();
                let answer = match answer.split_once(':').unwrap_or((answer, "")) {
                    ("silent", _) => Answer::Silent("refused".into()),
                    ("member", cluster) => Answer::Member {
                        cluster_id: cluster.into(),
                    },
                    ("empty", "") => Answer::Empty {
                        name: server.into(),
                        servers: list.clone(),
                    },
                    ("empty", "no-list") => Answer::Empty {
                        name: server.into(),
                        servers: Vec::new(),
                    },
                    ("empty", "same-name") => Answer::Empty {
                        name: own.into(),
                        servers: list.clone(),
                    },
                    other => panic!("{other:?}"),
                };
                (format!("{server}:1"), answer)
            })
            .collect();
        let next = match decide(own, &format!("{own}:1"), &list, &answers) {
            Next::Form => "form".to_owned(),
            Next::Join => "join".to_owned(),
            Next::Wait(why) => format!("wait {why}"),
            Next::Refuse(why) => format!("refuse {why}"),
        };
        assert!(
            next.starts_with(expected) || next.contains(expected),
            "{own} {answers:?}: {next}"
        );
    }

    #[test]
    fn a_cluster_is_formed_by_the_first_and_only_when_all_say_that_they_have_none() {
        check("a", "b=empty c=empty", "form");
        check("b", "a=empty c=empty", "wait a:1");
        check("a", "b=empty c=silent", "wait c:1: ");
        check("a", "b=silent c=silent", "wait b:1, c:1: ");
        check("d", "a=empty b=empty c=empty", "is not among them");
    }

    #[test]
    fn a_cluster_that_exists_is_joined_whoever_is_silent() {
        check("a", "b=member:x c=silent", "join");
        check("a", "b=empty c=member:x", "join");
        check("b", "a=member:x c=member:x", "join");
        check("d", "a=silent b=silent c=member:x", "join");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        check(
            "a",
            "b=member:x c=member:y",
            "refuse --servers names servers of different clusters",
        );
        check(
            "a",
            "b=empty:no-list c=empty",
            "refuse --servers: this server was given a:1,b:1,c:1, the one at b:1 none",
        );
        check("a", "b=empty:same-name c=empty", "refuse --name a");
    }
}
