//! The language of sd_notify(3), as it is heard: lines of `KEY=value` in a datagram. Whoever sends
//! may send anything; what is not understood is left out, what is malformed is refused as a whole.

use std::time::Duration;

use super::Time;
use crate::limits::{DURATION_MAX, STATUS_BYTES_MAX};

/// What one datagram says. Most say one thing only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// `READY=1`: it is ready, or has read its configuration again.
    pub ready: bool,
    /// `RELOADING=1`: it reads its configuration again.
    pub reloading: bool,
    /// `MONOTONIC_USEC`: when it began to.
    pub since: Option<Time>,
    /// `STOPPING=1`: it is about to end.
    pub stopping: bool,
    /// `STATUS`: how it is, in its own words; free of control characters.
    pub status: Option<String>,
    /// `WATCHDOG=1`, `WATCHDOG=trigger`.
    pub watchdog: Option<Watchdog>,
    /// `WATCHDOG_USEC`: how often it will say that it is alive.
    pub watchdog_interval: Option<Duration>,
    /// `EXTEND_TIMEOUT_USEC`: it needs at least so much more time for what it is doing.
    pub extend_timeout: Option<Duration>,
}

/// What a service says to its watchdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watchdog {
    /// It is alive.
    Alive,
    /// It is not well.
    Trigger,
}

/// A datagram that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datagram {
    /// It says something.
    Message(Message),
    /// Whoever sent it waits until all that came before it has been dealt with: the descriptor that
    /// came along is to be closed then.
    Barrier,
}

/// Takes a datagram apart that came with so many descriptors. `origin` is what `CLOCK_MONOTONIC`
/// showed when onit's own time began.
///
/// # Errors
/// What makes it malformed.
pub fn parse(bytes: &[u8], descriptors: usize, origin: Duration) -> Result<Datagram, &'static str> {
    // Some senders count the NUL that ends a text of C.
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.contains(&0) {
        return Err("a NUL byte in it");
    }
    let mut message = Message::default();
    let mut barrier = false;
    let mut others = 0usize;
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Some(at) = line.iter().position(|byte| *byte == b'=') else {
            return Err("a line without `=`");
        };
        let (key, value) = line.split_at(at);
        let value = value.strip_prefix(b"=").unwrap_or_default();
        if key == b"BARRIER" && value == b"1" {
            barrier = true;
        } else {
            others = others.saturating_add(1);
            message.assign(key, value, origin);
        }
    }
    match (barrier, others, descriptors) {
        (true, 0, 1) => Ok(Datagram::Barrier),
        (true, ..) => Err("BARRIER=1 stands alone and comes with one descriptor"),
        (false, ..) => Ok(Datagram::Message(message)),
    }
}

impl Message {
    fn assign(&mut self, key: &[u8], value: &[u8], origin: Duration) {
        match (key, value) {
            (b"READY", b"1") => self.ready = true,
            (b"RELOADING", b"1") => self.reloading = true,
            (b"STOPPING", b"1") => self.stopping = true,
            (b"WATCHDOG", b"1") => self.watchdog = Some(Watchdog::Alive),
            (b"WATCHDOG", b"trigger") => self.watchdog = Some(Watchdog::Trigger),
            (b"STATUS", text) => self.status = Some(printable(text)),
            (b"MONOTONIC_USEC", number) => {
                let since = microseconds(number).map(|at| at.saturating_sub(origin));
                self.since = since.map(Time::at).or(self.since);
            }
            (b"WATCHDOG_USEC", number) => {
                let wait = bounded(number).filter(|wait| !wait.is_zero());
                self.watchdog_interval = wait.or(self.watchdog_interval);
            }
            (b"EXTEND_TIMEOUT_USEC", number) => {
                self.extend_timeout = bounded(number).or(self.extend_timeout);
            }
            // MAINPID, ERRNO, FDSTORE, X_…, and whatever is invented next.
            _ => {}
        }
    }
}

fn microseconds(text: &[u8]) -> Option<Duration> {
    std::str::from_utf8(text).ok()?.parse().ok().map(Duration::from_micros)
}

/// A wait; nobody means one that is longer than for ever.
fn bounded(text: &[u8]) -> Option<Duration> {
    microseconds(text).map(|wait| wait.min(DURATION_MAX))
}

/// A text as a person may be shown it.
#[must_use]
pub fn printable(text: &[u8]) -> String {
    let mut out = String::new();
    for letter in String::from_utf8_lossy(text).chars() {
        let letter = if letter.is_control() { ' ' } else { letter };
        if out.len().saturating_add(letter.len_utf8()) > STATUS_BYTES_MAX {
            out.push('…');
            break;
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Duration = Duration::from_secs(100);

    fn message(text: &str) -> Message {
        match parse(text.as_bytes(), 0, ORIGIN) {
            Ok(Datagram::Message(message)) => message,
            other => panic!("{text:?} is {other:?}"),
        }
    }

    #[test]
    fn what_is_known_is_understood() {
        let none = Message::default;
        let check = |text: &str, expected: Message| assert_eq!(message(text), expected, "{text:?}");
        check("READY=1", Message { ready: true, ..none() });
        check("READY=1\n\0", Message { ready: true, ..none() });
        check("READY=0", none());
        check("STOPPING=1", Message { stopping: true, ..none() });
        check("MAINPID=7\nX_OURS=1\nERRNO=2", none());
        check("", none());
        let status = Some("loaded a=b\u{fffd} ".to_owned());
        assert_eq!(
            parse(b"STATUS=loaded a=b\xff\t", 0, ORIGIN),
            Ok(Datagram::Message(Message { status, ..none() })),
        );
        let since = Some(Time::at(Duration::from_micros(500)));
        let reloading = Message { reloading: true, since, ..none() };
        check("RELOADING=1\nMONOTONIC_USEC=100000500", reloading);
        check("WATCHDOG=1", Message { watchdog: Some(Watchdog::Alive), ..none() });
        check("WATCHDOG=trigger", Message { watchdog: Some(Watchdog::Trigger), ..none() });
        check("WATCHDOG=2\nWATCHDOG_USEC=0\nWATCHDOG_USEC=-1\nWATCHDOG_USEC=x", none());
        let second = Some(Duration::from_secs(1));
        check("WATCHDOG_USEC=1000000", Message { watchdog_interval: second, ..none() });
        check("EXTEND_TIMEOUT_USEC=1000000", Message { extend_timeout: second, ..none() });
        let longest = Some(DURATION_MAX);
        let text = format!("EXTEND_TIMEOUT_USEC={}", u64::MAX);
        check(&text, Message { extend_timeout: longest, ..none() });
    }

    #[test]
    fn a_barrier_stands_alone_with_its_descriptor() {
        assert_eq!(parse(b"BARRIER=1\n", 1, ORIGIN), Ok(Datagram::Barrier));
        assert!(parse(b"BARRIER=1", 0, ORIGIN).is_err());
        assert!(parse(b"BARRIER=1", 2, ORIGIN).is_err());
        assert!(parse(b"BARRIER=1\nREADY=1", 1, ORIGIN).is_err());
    }

    #[test]
    fn what_is_malformed_is_refused() {
        assert!(parse(b"READY=1\0X=1", 0, ORIGIN).is_err());
        assert!(parse(b"READY", 0, ORIGIN).is_err());
    }

    #[test]
    fn a_status_is_bounded() {
        let long = format!("STATUS={}", "ä".repeat(STATUS_BYTES_MAX));
        let status = message(&long).status.unwrap();
        assert!(status.len() <= STATUS_BYTES_MAX + '…'.len_utf8());
        assert!(status.ends_with('…'));
    }
}
