//! How long and by which seed: from the environment of the test.

use std::time::Duration;

/// Long enough for most kinds of fault, short enough for every run of all tests.
const SHORT: Duration = Duration::from_mins(2);

/// What a run is given.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Decides which faults happen when, and what clients do.
    pub(crate) seed: u64,
    /// How long faults are made.
    pub(crate) length: Duration,
    /// The name of the test, as far as cargo needs it.
    test: &'static str,
}

impl Settings {
    /// `BOSUN_CHAOS_SEED` and `BOSUN_CHAOS_MINUTES`; without them a fresh seed and the short run.
    pub(crate) fn from_environment(test: &'static str) -> Self {
        let number = |name: &str| {
            let text = std::env::var(name).ok()?;
            let number: u64 = text
                .parse()
                .unwrap_or_else(|_| panic!("{name}={text} is not a whole number"));
            Some(number)
        };
        let fresh = || {
            let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let nanoseconds = since_epoch.unwrap_or_default().subsec_nanos();
            u64::from(nanoseconds) << 16 | u64::from(std::process::id() & 0xffff)
        };
        Self {
            seed: number("BOSUN_CHAOS_SEED").unwrap_or_else(fresh),
            length: number("BOSUN_CHAOS_MINUTES").map_or(SHORT, Duration::from_mins),
            test,
        }
    }

    /// How to run the same again.
    pub(crate) fn command(&self) -> String {
        let minutes = match self.length {
            SHORT => String::new(),
            length => format!("BOSUN_CHAOS_MINUTES={} ", length.as_secs() / 60),
        };
        let compose = image().map_or_else(String::new, |image| format!("BOSUN_CHAOS_IMAGE={image} "));
        format!(
            "{compose}BOSUN_CHAOS_SEED={} {minutes}cargo test -p bosun-cli --test chaos {} -- --nocapture",
            self.seed, self.test
        )
    }
}

/// The image to make containers of, if there shall be any: `BOSUN_CHAOS_IMAGE`.
pub(crate) fn image() -> Option<String> {
    std::env::var("BOSUN_CHAOS_IMAGE").ok()
}
