//! Whoever started onit, told how it is; see sd_notify(3) and sd_watchdog_enabled(3).

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::limits::{ABOVE_RETRY_INTERVAL, ABOVE_WAITING_MAX, ABOVE_WATCHDOG_MIN};
use crate::service::Time;
use crate::supervisor::Above as Word;

/// Whoever started onit and wants to be told.
#[derive(Debug)]
pub struct Above {
    socket: UnixDatagram,
    address: SocketAddr,
    /// What they had no room for yet.
    waiting: VecDeque<String>,
    /// When that is tried again.
    again: Option<Time>,
    watchdog: Option<Watchdog>,
}

/// They want to hear that onit is alive.
#[derive(Clone, Copy, Debug)]
struct Watchdog {
    every: Duration,
    next: Time,
}

impl Above {
    /// Those whom onit's own environment names, if it names any. What cannot be spoken to does not
    /// want to be told.
    #[must_use]
    pub fn of(environment: &[(OsString, OsString)], pid: u32, now: Time) -> Option<Self> {
        let value = |name: &str| {
            let found = environment.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_os_str())
        };
        let address = address(value("NOTIFY_SOCKET")?)?;
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        let is_meant = value("WATCHDOG_PID").is_none_or(|meant| *meant == *pid.to_string());
        let interval = value("WATCHDOG_USEC").filter(|_| is_meant).and_then(OsStr::to_str);
        let interval = interval.and_then(|text| text.parse().ok()).filter(|interval| *interval > 0);
        // Twice as often as they ask for, as the page says.
        let watchdog = interval.map(|interval: u64| {
            let every = Duration::from_micros(interval.div_ceil(2)).max(ABOVE_WATCHDOG_MIN);
            Watchdog { every, next: now }
        });
        Some(Self { socket, address, waiting: VecDeque::new(), again: None, watchdog })
    }

    /// Tells them something, now or when they have room for it; of too much the oldest is lost.
    pub fn tell(&mut self, word: &Word, now: Time) {
        let text = match word {
            Word::Ready => "READY=1".to_owned(),
            Word::Status(text) => format!("STATUS={text}"),
            Word::Stopping => "STOPPING=1".to_owned(),
            Word::Over(code) => format!("EXIT_STATUS={code}"),
        };
        if self.waiting.len() >= ABOVE_WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(text);
        self.send(now);
    }

    /// When [`Above::due`] is to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let watchdog = self.watchdog.map(|watchdog| watchdog.next);
        watchdog.into_iter().chain(self.again).min()
    }

    /// Time has passed.
    pub fn due(&mut self, now: Time) {
        if self.again.is_some_and(|again| again <= now) {
            self.send(now);
        }
        if let Some(watchdog) = &mut self.watchdog
            && watchdog.next <= now
        {
            watchdog.next = now.after(watchdog.every);
            // One that is lost is followed by the next.
            let _ = self.socket.send_to_addr(b"WATCHDOG=1", &self.address);
        }
    }

    fn send(&mut self, now: Time) {
        self.again = None;
        while let Some(text) = self.waiting.front() {
            match self.socket.send_to_addr(text.as_bytes(), &self.address) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.again = Some(now.after(ABOVE_RETRY_INTERVAL));
                    return;
                }
                // Nobody listens any more: there is nobody to tell.
                Ok(_) | Err(_) => {
                    self.waiting.pop_front();
                }
            }
        }
    }
}

/// `/path`, or `@name` for a name that is in no file system; see unix(7).
fn address(text: &OsStr) -> Option<SocketAddr> {
    match text.as_bytes() {
        [b'@', name @ ..] if !name.is_empty() => SocketAddr::from_abstract_name(name).ok(),
        [b'/', ..] => SocketAddr::from_pathname(text).ok(),
        _ => None,
    }
}
