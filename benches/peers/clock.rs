//! The clock that processes share: a time taken in one means the same in another.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Since the machine was started.
pub(crate) fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).expect("it is always there").into()
}

/// The processor time of this process so far.
pub(crate) fn used() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("it is always there").into()
}

/// A time that another process has written down, in nanoseconds.
pub(crate) fn read(word: &str) -> Option<Duration> {
    word.parse().ok().map(Duration::from_nanos)
}
