//! A moment, as time since onit started.

use std::fmt;
use std::time::Duration;

/// A moment on a clock that never goes back: the time since onit started, in nanoseconds, up to the
/// end of time after 584 years. The core never reads a clock; it is told the time.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The moment onit started.
    pub const ZERO: Self = Self(0);

    /// The moment `since_start` after the start; the end of time if there is none.
    #[must_use]
    pub const fn at(since_start: Duration) -> Self {
        Self(nanoseconds(since_start))
    }

    /// The time since the start.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The moment `duration` later; the end of time if there is none.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(duration)))
    }

    /// The moment `duration` earlier; the start if there is none.
    #[must_use]
    pub const fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanoseconds(duration)))
    }

    /// How long ago `earlier` was; nothing if it is yet to come.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

const fn nanoseconds(duration: Duration) -> u64 {
    let nanoseconds = duration.as_nanos();
    // Not by `try_from`, which is not const.
    if nanoseconds > u64::MAX as u128 { u64::MAX } else { nanoseconds as u64 }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{:?}", self.since_start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_moment_before_the_start_and_none_after_the_end() {
        let second = Time::at(Duration::from_secs(1));
        let end = second.after(Duration::MAX);
        assert_eq!(second.before(Duration::MAX), Time::ZERO);
        assert_eq!(end, Time::at(Duration::MAX));
        assert_eq!(end.after(Duration::from_nanos(1)), end);
        assert_eq!(second.since(end), Duration::ZERO);
        assert_eq!(Time::at(Duration::from_millis(1500)).since(second), Duration::from_millis(500));
    }
}
