//! How a process ended, and which ends count as success.

use std::fmt;

use super::Signal;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It called `exit` with this code.
    Code(u8),
    /// A signal ended it.
    Signal(Signal),
    /// The kernel killed it because memory ran out: a SIGKILL nobody here sent, while the
    /// container's `oom_kill` count rose.
    OutOfMemory,
}

/// An end that counts as success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuccessCode {
    /// This exit code.
    Code(u8),
    /// Death by this signal.
    Signal(Signal),
}

impl Exit {
    /// What a shell would say in `$?`: the code, or 128 + the signal's number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            // Numbers end at 64, so the sum fits.
            Self::Signal(signal) => u8::try_from(signal.number()).unwrap_or(0).saturating_add(128),
            Self::OutOfMemory => 137,
        }
    }

    /// Whether this end is among `successes`.
    #[must_use]
    pub fn is_success(self, successes: &[SuccessCode]) -> bool {
        successes.iter().any(|success| match (success, self) {
            (SuccessCode::Code(wanted), Self::Code(code)) => *wanted == code,
            (SuccessCode::Signal(wanted), Self::Signal(signal)) => *wanted == signal,
            (SuccessCode::Code(_), Self::Signal(_) | Self::OutOfMemory)
            | (SuccessCode::Signal(_), Self::Code(_) | Self::OutOfMemory) => false,
        })
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "killed by {signal}"),
            Self::OutOfMemory => f.write_str("killed: out of memory"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(Exit::Code(3).code(), 3);
        assert_eq!(Exit::Signal(Signal::TERM).code(), 143);
        assert_eq!(Exit::OutOfMemory.code(), 137);
    }

    #[test]
    fn success_is_what_was_declared() {
        let declared = [SuccessCode::Code(0), SuccessCode::Signal(Signal::TERM)];
        assert!(Exit::Code(0).is_success(&declared));
        assert!(Exit::Signal(Signal::TERM).is_success(&declared));
        assert!(!Exit::Code(143).is_success(&declared));
        assert!(!Exit::OutOfMemory.is_success(&[SuccessCode::Signal(Signal::KILL)]));
    }
}
