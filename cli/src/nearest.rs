//! Owns the guess at what a misspelt word was meant to be.

/// The known word nearest to a misspelt one, when it is near enough to be worth suggesting.
pub(crate) fn nearest<'known>(
    word: &str,
    known: impl IntoIterator<Item = &'known str>,
) -> Option<&'known str> {
    let allowed = 1 + word.chars().count() / 4;
    let ranked = known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate));
    ranked
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, remove, replace, swap of neighbours) from one word to the other, ignoring case.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().flat_map(char::to_lowercase).collect();
    let to: Vec<char> = to.chars().flat_map(char::to_lowercase).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, char) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(char != other);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *char == to[column - 1] && from[row - 1] == *other {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn guesses() {
        let known = ["image", "imagePullPolicy", "command", "name", "restartPolicy"];
        let cases = [
            ("imagee", Some("image")),
            ("Image", Some("image")),
            ("comand", Some("command")),
            ("nmae", Some("name")),
            ("restart_policy", Some("restartPolicy")),
            ("restrtPolicy", Some("restartPolicy")),
            ("xyz", None),
            ("", None),
        ];
        for (word, expected) in cases {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
