//! Owns what the process's environment says. Read once, here and nowhere else; the verbs get values.

use std::path::PathBuf;

/// The settings that environment variables carry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// BOSUN_SERVER: where the servers are.
    pub(crate) server: Option<String>,
    /// BOSUN_LOG, else RUST_LOG: what to log.
    pub(crate) log: Option<String>,
    /// NO_COLOR is not set and TERM is not `dumb`.
    pub(crate) colours: bool,
    /// XDG_DATA_HOME/bosun, else HOME/.local/share/bosun: where `bosun up` keeps its data.
    pub(crate) data_home: Option<PathBuf>,
    /// TMPDIR, else /tmp.
    pub(crate) temporary: PathBuf,
}

impl Environment {
    /// Reads the environment of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub(crate) fn read() -> Self {
        Self::from(|name| std::env::var(name).ok())
    }

    fn from(variable: impl Fn(&str) -> Option<String>) -> Self {
        let filled = |name: &str| variable(name).filter(|value| !value.is_empty());
        let data_home = filled("XDG_DATA_HOME").map(PathBuf::from);
        let home = || filled("HOME").map(|home| PathBuf::from(home).join(".local/share"));
        Self {
            server: filled("BOSUN_SERVER"),
            log: filled("BOSUN_LOG").or_else(|| filled("RUST_LOG")),
            colours: filled("NO_COLOR").is_none() && variable("TERM").is_none_or(|term| term != "dumb"),
            data_home: data_home.or_else(home).map(|path| path.join("bosun")),
            temporary: filled("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;
    use std::path::Path;

    fn with(variables: &[(&str, &str)]) -> Environment {
        let found = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Environment::from(found)
    }

    #[test]
    fn defaults_and_precedence() {
        assert_eq!(
            with(&[("HOME", "/h")]).data_home.as_deref(),
            Some(Path::new("/h/.local/share/bosun"))
        );
        let both = with(&[("HOME", "/h"), ("XDG_DATA_HOME", "/x")]);
        assert_eq!(both.data_home.as_deref(), Some(Path::new("/x/bosun")));
        assert_eq!(with(&[]).data_home, None);
        assert!(with(&[]).colours);
        assert!(with(&[("NO_COLOR", "")]).colours);
        assert!(!with(&[("NO_COLOR", "1")]).colours);
        assert!(!with(&[("TERM", "dumb")]).colours);
        assert_eq!(
            with(&[("RUST_LOG", "a"), ("BOSUN_LOG", "b")]).log.as_deref(),
            Some("b")
        );
    }
}
