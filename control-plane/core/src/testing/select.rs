//! Which objects a line of a script means.

use bosun_proto::core_v1::Pod;
use bosun_proto::{Key, Kind, Resource};

use super::fixture::{Fixture, NAMESPACE};
use crate::kinds::pod;
use crate::liveness::Standing;

const INDEX_ANNOTATION: &str = "batch.kubernetes.io/job-completion-index";

/// A kind by the words an operator uses: `job`, `jobs`, `cronjob`, `rs`.
pub(super) fn kind(word: &str) -> Result<Kind, String> {
    Kind::parse_word(word).ok_or_else(|| format!("no kind is called {word}"))
}

/// What the leader hears of a node: `Heard`, `Silent`, `Lost`.
pub(super) fn standing(word: &str) -> Result<Standing, String> {
    match word {
        "Heard" => Ok(Standing::Heard),
        "Silent" => Ok(Standing::Silent),
        "Lost" => Ok(Standing::Lost),
        _ => Err(format!("{word} is none of Heard, Silent and Lost")),
    }
}

/// The key of an object in the scripts' namespace.
pub(super) fn key(kind: Kind, name: &str) -> Key {
    Key::new(kind, if kind.info().namespaced { NAMESPACE } else { "" }, name)
}

/// The pods on nodes that a verb may mean, oldest first: `NAME`, `of KIND NAME`, `2 of KIND NAME`, `index 3 of KIND NAME`.
///
/// # Errors
/// When there are none or, with a number, not that many.
pub(super) fn pods(
    fixture: &Fixture,
    words: &[&str],
    may: impl Fn(&Pod) -> bool,
) -> Result<Vec<String>, String> {
    let may = |pod: &Pod| !pod::spec(pod).node_name.is_empty() && may(pod);
    let of = |kind_word: &str, name: &str| -> Result<Vec<Pod>, String> {
        let pods = fixture.pods_of(kind(kind_word)?, name);
        Ok(pods.into_iter().filter(|pod| may(pod)).collect())
    };
    let (chosen, wanted) = match words {
        ["of", kind, name] => (of(kind, name)?, None),
        ["index", index, "of", kind, name] => {
            let mut pods = of(kind, name)?;
            pods.retain(|pod| {
                pod.metadata()
                    .annotations
                    .get(INDEX_ANNOTATION)
                    .is_some_and(|is| is == index)
            });
            (pods, Some(1))
        }
        [count, "of", kind, name] => {
            let count: usize = count
                .parse()
                .map_err(|_| format!("{count} is not a number of pods"))?;
            let mut pods = of(kind, name)?;
            pods.truncate(count);
            (pods, Some(count))
        }
        [name] => (
            fixture
                .pods()
                .into_iter()
                .filter(|pod| pod.metadata().name == *name && may(pod))
                .collect(),
            Some(1),
        ),
        _ => {
            return Err("expected `NAME`, `of KIND NAME`, `2 of KIND NAME` or `index 3 of KIND NAME`".into());
        }
    };
    let found = chosen.len();
    if found == 0 || wanted.is_some_and(|wanted| wanted != found) {
        return Err(format!("{found} pods fit `{}`", words.join(" ")));
    }
    Ok(chosen
        .into_iter()
        .map(|pod| pod.metadata().name.clone())
        .collect())
}
