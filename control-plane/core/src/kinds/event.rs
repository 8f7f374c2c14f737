//! Events: defaults, checks, columns.

use bosun_proto::core_v1::Event;
use bosun_proto::scalars::Time;

use super::{Column, Rules};

impl Rules for Event {
    const COLUMNS: &'static [Column] = &[];

    fn cells(&self, _now: Time) -> Vec<String> {
        Vec::new()
    }
}
