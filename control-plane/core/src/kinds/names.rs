//! The forms of names: what makes a text a label, a name, a key or a value. Each function says what is wrong with a text and
//! what would be right, or `None` when it is fine. Source of the forms: Kubernetes' object names and identifiers (RFC 1123).

/// The longest DNS label.
pub(super) const LABEL_MAX: usize = 63;
/// The longest DNS subdomain.
pub(super) const SUBDOMAIN_MAX: usize = 253;
/// The longest name of a port. Source: RFC 6335.
const PORT_NAME_MAX: usize = 15;
/// How much of a wrong value a message repeats.
const QUOTE_MAX: usize = 48;

/// The text in quotes, cut when it is long.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().count() <= QUOTE_MAX {
        return format!("{text:?}");
    }
    format!("{:?}...", text.chars().take(QUOTE_MAX).collect::<String>())
}

/// A DNS label (RFC 1123).
pub(super) fn dns_label(text: &str) -> Option<String> {
    if text.len() <= LABEL_MAX && is_label(text) {
        return None;
    }
    Some(format!(
        "{} is not a DNS label: use 1 to {LABEL_MAX} lower-case letters, digits and '-', with a letter or digit at both ends",
        quoted(text)
    ))
}

/// A DNS subdomain (RFC 1123).
pub(super) fn dns_subdomain(text: &str) -> Option<String> {
    if text.len() <= SUBDOMAIN_MAX && text.split('.').all(is_label) {
        return None;
    }
    Some(format!(
        "{} is not a DNS name: use 1 to {SUBDOMAIN_MAX} lower-case letters, digits, '-' and '.', with a letter or digit at both ends \
         and around each '.'",
        quoted(text)
    ))
}

/// The key of a label, an annotation or a taint, a finalizer, a condition: `name` or `dns.name/name`.
pub(super) fn qualified_name(text: &str) -> Option<String> {
    let (prefix, name) = text
        .split_once('/')
        .map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let prefix_is_fine = prefix.is_none_or(|prefix| dns_subdomain(prefix).is_none());
    if prefix_is_fine && !name.is_empty() && is_label_value(name) {
        return None;
    }
    Some(format!(
        "{} is not a key: use 1 to {LABEL_MAX} letters, digits, '-', '_' and '.', with a letter or digit at both ends, and \
         in front of it, if wanted, a DNS name and '/', as in example.com/name",
        quoted(text)
    ))
}

/// The value of a label.
pub(super) fn label_value(text: &str) -> Option<String> {
    if is_label_value(text) {
        return None;
    }
    Some(format!(
        "{} is not a label value: use at most {LABEL_MAX} letters, digits, '-', '_' and '.', with a letter or digit at both \
         ends, or nothing",
        quoted(text)
    ))
}

/// The name of an environment variable. Source: Kubernetes since 1.34, any printable ASCII but '='.
pub(super) fn environment_name(text: &str) -> Option<String> {
    let fine = !text.is_empty()
        && text
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
    (!fine).then(|| {
        format!(
            "{} is not the name of an environment variable: use printable ASCII letters without '='",
            quoted(text)
        )
    })
}

/// The name of a port (RFC 6335).
pub(super) fn port_name(text: &str) -> Option<String> {
    let fine = text.len() <= PORT_NAME_MAX
        && is_label(text)
        && !text.contains("--")
        && text.bytes().any(|byte| byte.is_ascii_lowercase());
    (!fine).then(|| {
        format!(
            "{} is not the name of a port: use 1 to {PORT_NAME_MAX} lower-case letters, digits and single '-', at least one \
             letter, with a letter or digit at both ends",
            quoted(text)
        )
    })
}

/// A path below a folder that cannot leave it.
pub(super) fn path_below(text: &str) -> Option<String> {
    if !text.starts_with('/') && text.split('/').all(|step| step != "..") {
        return None;
    }
    Some(format!("{} must be a relative path without '..'", quoted(text)))
}

fn is_label(text: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !text.is_empty()
        && text.bytes().all(|byte| fine(byte) || byte == b'-')
        && text.bytes().next().is_some_and(fine)
        && text.bytes().last().is_some_and(fine)
}

fn is_label_value(text: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric();
    text.is_empty()
        || text.len() <= LABEL_MAX
            && text.bytes().all(|byte| fine(byte) || b"-_.".contains(&byte))
            && text.bytes().next().is_some_and(fine)
            && text.bytes().last().is_some_and(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_takes_what_it_should_and_says_why_not() {
        type Form = fn(&str) -> Option<String>;
        let long = "a".repeat(64);
        let cases: [(Form, &[&str], &[&str]); 7] = [
            (
                dns_label,
                &["a", "a-1", "0"],
                &["", "A", "-a", "a-", "a.b", "a_b", "ä", &long],
            ),
            (
                dns_subdomain,
                &["a", "a.b-1.c", "0.1"],
                &["", ".a", "a.", "a..b", "a.-b", "B"],
            ),
            (
                qualified_name,
                &["A_b.c", "example.com/a", "x"],
                &["", "/a", "a/", "a/b/c", "Ex.com/a", "-a", &long],
            ),
            (label_value, &["", "A_b.c", "1"], &["-", "a-", "a b", "ä", &long]),
            (environment_name, &["A", "a.b-c", "1 x"], &["", "A=B", "ä", "a\n"]),
            (
                port_name,
                &["http", "a-1"],
                &["", "8080", "a--b", "-a", "HTTP", "a23456789012345x"],
            ),
            (path_below, &["", "a/b", "..a"], &["/a", "../a", "a/.."]),
        ];
        for (form, right, wrong) in cases {
            for text in right {
                assert_eq!(form(text), None, "{text}");
            }
            for text in wrong {
                assert!(
                    form(text).is_some_and(|message| message.contains("use") || message.contains("must")),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn a_message_repeats_no_more_than_the_beginning_of_a_huge_value() {
        assert!(dns_label(&"a".repeat(1 << 20)).is_some_and(|message| message.len() < 300));
    }
}
