//! Go writes a Time that was never set as an empty message. Here absent is `None`, so messages that come from Go clients in
//! the binary form pass through [`ZeroTimes`] on entry. The implementations for messages are generated.

use std::collections::BTreeMap;

use crate::scalars::Time;

/// A value that may hold Times.
pub trait ZeroTimes {
    /// Turns every zero Time below into an absent one.
    fn drop_zero_times(&mut self);
}

impl<T: ZeroTimes> ZeroTimes for Box<T> {
    fn drop_zero_times(&mut self) {
        (**self).drop_zero_times();
    }
}

impl<T: ZeroTimes> ZeroTimes for Option<T> {
    fn drop_zero_times(&mut self) {
        if let Some(value) = self {
            value.drop_zero_times();
        }
    }
}

impl<T: ZeroTimes> ZeroTimes for Vec<T> {
    fn drop_zero_times(&mut self) {
        self.iter_mut().for_each(T::drop_zero_times);
    }
}

impl<T: ZeroTimes> ZeroTimes for BTreeMap<String, T> {
    fn drop_zero_times(&mut self) {
        self.values_mut().for_each(T::drop_zero_times);
    }
}

pub(crate) fn drop_zero_time(time: &mut Option<Time>) {
    if *time == Some(Time::default()) {
        *time = None;
    }
}
