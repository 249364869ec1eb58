//! How it is found out whether a service is ready, and whether it is well.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::Argv;
use super::address::Endpoint;
use super::http::Url;
use crate::limits::SOCKET_PATH_BYTES_MAX;

/// One look from outside, done by a process of its own: it succeeds or it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A TCP connection is accepted at this `host:port`.
    Tcp(String),
    /// A connection to the stream socket at this path is accepted.
    Unix(PathBuf),
    /// A GET of this URL is answered with a status from 200 to 399.
    Http(String),
    /// Something is at this path.
    File(PathBuf),
    /// This command ends with exit code 0.
    Exec(Argv),
}

/// What a service says itself when it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// `READY=1`; see sd_notify(3).
    Notify,
    /// A newline on this descriptor, as under s6.
    Fd(i32),
    /// A line of its output that contains this text.
    Log(String),
}

/// When a service is ready: after its announcement, if it makes one, as soon as the probe succeeds,
/// if there is one. At least one of them is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// What it says itself.
    pub announcement: Option<Announcement>,
    /// What is found out then.
    pub probe: Option<Probe>,
    /// From the start of one probe to the start of the next.
    pub interval: Duration,
    /// From the exec until it is given up, which is a failed start.
    pub timeout: Duration,
}

/// How it is found out whether a service is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// By looking, again and again.
    Probe {
        /// How.
        probe: Probe,
        /// From the start of one probe to the start of the next.
        interval: Duration,
        /// How long one of them may take.
        timeout: Duration,
        /// So many failures in a row make it unhealthy; at least 1.
        retries: u32,
        /// Failures this soon after it became ready do not count, unless one has succeeded.
        start_period: Duration,
    },
    /// It says `WATCHDOG=1` at least this often; see sd_watchdog_enabled(3).
    Watchdog(Duration),
}

/// How a service is kept well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// How it is found out whether it is.
    pub check: Check,
    /// What is done when it is not.
    pub on_unhealthy: Remedy,
}

/// What is done about a service that is unhealthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It is stopped. That is a failure of this run, and what follows is what follows on any.
    Restart,
    /// Everything is stopped.
    Shutdown,
    /// Nothing; it is told.
    Continue,
}

/// How a service is told to read its configuration again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reload {
    /// What is done.
    pub by: ReloadBy,
    /// Whether it answers with `RELOADING=1` and, when it is done, `READY=1`; see sd_notify(3).
    pub notify: bool,
    /// How long it may take.
    pub timeout: Duration,
}

/// What tells a service to read its configuration again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadBy {
    /// Its process is sent this signal.
    Signal(super::Signal),
    /// This is run, with its pid in `ONIT_MAIN_PID`.
    Command(Argv),
}

impl Readiness {
    /// The usual time between two probes.
    pub const INTERVAL: Duration = Duration::from_millis(500);
    /// The usual time until it is given up.
    pub const TIMEOUT: Duration = Duration::from_secs(60);
}

impl Check {
    /// The usual time between two probes.
    pub const INTERVAL: Duration = Duration::from_secs(10);
    /// The usual time for one.
    pub const TIMEOUT: Duration = Duration::from_secs(3);
    /// The usual number of failures in a row.
    pub const RETRIES: u32 = 3;
}

impl Reload {
    /// The usual time for it.
    pub const TIMEOUT: Duration = Duration::from_secs(60);
}

impl Probe {
    /// Whether it can be tried at all: what is wrong with an address or a URL is known before.
    ///
    /// # Errors
    /// What is wrong, for a person.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Tcp(address) => Endpoint::parse(address).map(drop),
            Self::Http(url) => Url::parse(url).map(drop),
            Self::Unix(path) if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX => {
                let path = path.display();
                Err(format!("`{path}` has more than {SOCKET_PATH_BYTES_MAX} bytes; see unix(7)"))
            }
            Self::Unix(path) | Self::File(path) if path.as_os_str().is_empty() => {
                Err("the path is empty".to_owned())
            }
            Self::Exec(argv) if argv.program.is_empty() => Err("the command is empty".to_owned()),
            Self::Unix(_) | Self::File(_) | Self::Exec(_) => Ok(()),
        }
    }

    /// What follows `onit probe` on a command line to do the same; none for a command, which is
    /// run as it is.
    #[must_use]
    pub fn words(&self) -> Option<[OsString; 2]> {
        match self {
            Self::Tcp(address) => Some(["tcp".into(), address.into()]),
            Self::Unix(path) => Some(["unix".into(), path.into()]),
            Self::Http(url) => Some(["http".into(), url.into()]),
            Self::File(path) => Some(["file".into(), path.into()]),
            Self::Exec(_) => None,
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Unix(path) => write!(f, "unix {}", path.display()),
            Self::Http(url) => f.write_str(url),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Exec(argv) => write!(f, "exec {}", argv.program.to_string_lossy()),
        }
    }
}

impl fmt::Display for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Notify => f.write_str("READY=1"),
            Self::Fd(fd) => write!(f, "a newline on descriptor {fd}"),
            Self::Log(text) => write!(f, "a line with `{text}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_tried_is_told_before() {
        let check = |probe: Probe, expected: Result<(), &str>| {
            assert_eq!(probe.check(), expected.map_err(str::to_owned), "{probe}");
        };
        check(Probe::Tcp("localhost:80".to_owned()), Ok(()));
        let wrong = "`localhost` has no port; an address is HOST:PORT";
        check(Probe::Tcp("localhost".to_owned()), Err(wrong));
        check(Probe::Http("http://localhost".to_owned()), Ok(()));
        let wrong = "`localhost` is no URL; one begins with http://";
        check(Probe::Http("localhost".to_owned()), Err(wrong));
        check(Probe::Unix("/run/x".into()), Ok(()));
        check(Probe::Unix("x".repeat(107).into()), Ok(()));
        let long = "x".repeat(108);
        let wrong = format!("`{long}` has more than 107 bytes; see unix(7)");
        check(Probe::Unix(long.into()), Err(&wrong));
        check(Probe::Unix(PathBuf::new()), Err("the path is empty"));
        check(Probe::File(PathBuf::new()), Err("the path is empty"));
        check(Probe::File("x".into()), Ok(()));
        check(Probe::Exec(Argv::new::<&str>("", vec![])), Err("the command is empty"));
        check(Probe::Exec(Argv::new::<&str>("x", vec![])), Ok(()));
    }
}
