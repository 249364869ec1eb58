//! A moment, as time since onit started.

use std::fmt;
use std::time::Duration;

/// A moment on a clock that never goes back: the time since onit started. The core never reads a
/// clock; it is told the time.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(Duration);

impl Time {
    /// The moment onit started.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The moment `since_start` after the start.
    #[must_use]
    pub const fn at(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// The time since the start.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The moment `duration` later; the end of time if there is none.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// The moment `duration` earlier; the start if there is none.
    #[must_use]
    pub const fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }

    /// How long ago `earlier` was; nothing if it is yet to come.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{:?}", self.0)
    }
}
