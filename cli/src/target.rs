//! Owns the words by which people name objects: `pods`, `pod/x`, `jobs,pods`, `all`, `job x y`.

use crate::failure::UsageError;
use bosun_proto::Kind;

/// What a verb is asked to act on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// All objects of a kind that the other options let through.
    All(Kind),
    /// One object.
    Named(Kind, String),
}

impl Target {
    /// The kind asked for.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::All(kind) | Self::Named(kind, _) => *kind,
        }
    }
}

/// `job.batch/x`, `pod/x`: how an object is named in answers.
pub(crate) fn reference(kind: Kind, name: &str) -> String {
    format!("{}/{name}", qualified(kind))
}

/// `job.batch`, `pod`: a kind as a word that is unique over all groups.
pub(crate) fn qualified(kind: Kind) -> String {
    let info = kind.info();
    if info.group.is_empty() {
        info.singular.to_owned()
    } else {
        format!("{}.{}", info.singular, info.group)
    }
}

/// The kinds a word stands for: one, several with commas, or the category `all`.
pub(crate) fn kinds(word: &str) -> Result<Vec<Kind>, UsageError> {
    let mut kinds = Vec::new();
    for part in word.split(',').filter(|part| !part.is_empty()) {
        let category = Kind::in_category(part);
        if category.is_empty() {
            kinds.push(kind(part)?);
        } else {
            kinds.extend(category);
        }
    }
    if kinds.is_empty() {
        Err(UsageError::new("the kind is missing; name one, for example pods"))
    } else {
        Ok(kinds)
    }
}

/// The one kind a word stands for.
pub(crate) fn kind(word: &str) -> Result<Kind, UsageError> {
    Kind::parse_word(word).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.info().plural).collect();
        let words = Kind::ALL.iter().flat_map(|kind| {
            let info = kind.info();
            info.short_names.iter().copied().chain([info.plural])
        });
        let hint = crate::nearest::nearest(&word.to_lowercase(), words);
        let hint = hint.map_or_else(String::new, |hint| format!(" Did you mean {hint:?}?"));
        UsageError::new(format!(
            "there is no kind {word:?}.{hint} The kinds are: {}",
            known.join(", ")
        ))
    })
}

/// Reads the words of a verb: `KIND/NAME ...`, `KIND NAME ...` or `KIND[,KIND]`.
pub(crate) fn parse(words: &[String]) -> Result<Vec<Target>, UsageError> {
    let Some(first) = words.first() else {
        return Err(UsageError::new(
            "name what to act on: KIND, KIND NAME or KIND/NAME, for example job/x",
        ));
    };
    if words.iter().any(|word| word.contains('/')) {
        return words.iter().map(|word| slashed(word)).collect();
    }
    let kinds = kinds(first)?;
    let names = &words[1..];
    if names.is_empty() {
        return Ok(kinds.into_iter().map(Target::All).collect());
    }
    if let Some(word) = words
        .iter()
        .find(|word| word.ends_with(',') || word.starts_with(','))
    {
        let message = format!("a list of kinds has no spaces: write pods,jobs and not {word:?} alone");
        return Err(UsageError::new(message));
    }
    let named = |kind: Kind| names.iter().map(move |name| Target::Named(kind, name.clone()));
    Ok(kinds.into_iter().flat_map(named).collect())
}

fn slashed(word: &str) -> Result<Target, UsageError> {
    match word.split_once('/') {
        Some((kind, name)) if !name.is_empty() && !name.contains('/') => {
            Ok(Target::Named(self::kind(kind)?, name.to_owned()))
        }
        Some(_) | None => Err(UsageError::new(format!(
            "{word:?} is not KIND/NAME; once one argument is written KIND/NAME, all must be"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<String, String> {
        let words: Vec<String> = line
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let shown = |target: &Target| match target {
            Target::All(kind) => qualified(*kind),
            Target::Named(kind, name) => reference(*kind, name),
        };
        let targets = parse(&words).map_err(|error| error.to_string())?;
        Ok(targets.iter().map(shown).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn words() {
        let cases = [
            ("pods", "pod"),
            ("po", "pod"),
            ("Job", "job.batch"),
            ("cronjobs.batch", "cronjob.batch"),
            ("pod,rs", "pod replicaset.apps"),
            ("job x y", "job.batch/x job.batch/y"),
            ("pod,job x", "pod/x job.batch/x"),
            ("pod/x job/y", "pod/x job.batch/y"),
        ];
        for (line, expected) in cases {
            assert_eq!(parsed(line).unwrap(), expected, "{line}");
        }
        assert!(parsed("all").unwrap().contains("job.batch"));
    }

    #[test]
    fn wrong_words_say_what_would_be_right() {
        let cases = [
            ("", "name what to act on"),
            ("jbos", "Did you mean \"jobs\"?"),
            ("deployments", "The kinds are:"),
            ("pod/x y", "all must be"),
            ("pod/", "KIND/NAME"),
            ("a/b/c", "KIND/NAME"),
            ("pods, jobs", "no spaces"),
            (",,", "kind is missing"),
        ];
        for (line, expected) in cases {
            let message = parsed(line).unwrap_err();
            assert!(message.contains(expected), "{line}: {message}");
        }
    }
}
