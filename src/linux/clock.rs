//! The clocks: the one place that reads them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::service::Time;

/// A clock that counts from when it was made and never goes back (`CLOCK_MONOTONIC`).
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// The same moment, as `CLOCK_MONOTONIC` shows it.
    origin: Duration,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: monotonic_clock(), origin: since_boot() }
    }

    /// What `CLOCK_MONOTONIC` showed when it was made: others speak of that.
    #[must_use]
    pub fn origin(&self) -> Duration {
        self.origin
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

/// `CLOCK_MONOTONIC`, which an [`Instant`] does not tell; see clock_gettime(2).
pub(super) fn since_boot() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills in `time`, which lives. It knows this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0))
}
