//! The clocks: the one place that reads them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::service::Time;

/// A clock that counts from when it was made and never goes back (`CLOCK_MONOTONIC`).
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: monotonic_clock() }
    }

    /// The time since it was made.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::at(self.start.elapsed())
    }
}

/// Nanoseconds since 1970, for the time in front of a line.
#[expect(clippy::disallowed_methods, reason = "lines bear the time at which they were read")]
pub(super) fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// For the relays, which have no loop that would pass them the time.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(super) fn monotonic_clock() -> Instant {
    Instant::now()
}
