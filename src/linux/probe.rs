//! One probe: is a connection accepted, a URL answered, a file there? For a process of its own,
//! since it waits: nothing for the loop. Decides nothing about what follows from it.
//!
//! A name is looked for in /etc/hosts and nowhere else: a static glibc has no NSS.

use std::ffi::OsString;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno as System;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect as connect_socket, setsockopt, socket,
    sockopt,
};
use nix::sys::time::TimeVal;

use super::clock::Clock;
use super::{files, probe_command, signals};
use crate::limits::{HTTP_HEAD_BYTES_MAX, TEXT_FILE_BYTES_MAX};
use crate::service::address::{self, Endpoint, Host};
use crate::service::http::{self, Answer, Url};
use crate::service::{Errno, Probe, Signal};

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It succeeded.
    Success,
    /// It did not: why, in a line for a person.
    Failure(String),
    /// This signal asked us to end before it was known.
    Interrupted(Signal),
}

/// The time a probe may take, and what is left of it.
pub(super) struct Deadline {
    clock: Clock,
    limit: Duration,
}

/// Where names stand.
const HOSTS: &str = "/etc/hosts";

/// Tries `probe`, for at most `limit`. Signals are held when this is called; see `signals`. A
/// command gets `environment`.
#[must_use]
pub fn run(probe: &Probe, limit: Duration, environment: &[(OsString, OsString)]) -> Found {
    let deadline = Deadline::within(limit);
    if let Probe::Exec(argv) = probe {
        return probe_command::run(argv, &deadline, environment);
    }
    signals::release();
    let result = match probe {
        Probe::Tcp(address) => tcp(address, &deadline),
        Probe::Http(url) => http(url, &deadline),
        Probe::Unix(path) => unix(path, &deadline),
        Probe::File(path) => file(path),
        Probe::Exec(_) => Ok(()),
    };
    match result {
        Ok(()) => Found::Success,
        Err(why) => Found::Failure(why),
    }
}

fn tcp(address: &str, deadline: &Deadline) -> Result<(), String> {
    let endpoint = Endpoint::parse(address)?;
    let stream = connect(&endpoint, deadline);
    stream.map(drop).map_err(|why| format!("cannot connect to {address}: {why}"))
}

fn http(text: &str, deadline: &Deadline) -> Result<(), String> {
    let url = Url::parse(text)?;
    let (status, reason) = ask(&url, deadline).map_err(|why| format!("{text}: {why}"))?;
    if http::is_success(status) {
        return Ok(());
    }
    let space = if reason.is_empty() { "" } else { " " };
    Err(format!("{text}: {status}{space}{reason}"))
}

fn unix(path: &Path, deadline: &Deadline) -> Result<(), String> {
    let failed = |why: &dyn fmt::Display| {
        let path = path.display();
        format!("cannot connect to {path}: {why}")
    };
    let connected = || {
        let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        let address = UnixAddr::new(path)?;
        loop {
            let left = deadline.left().ok_or(System::EAGAIN)?;
            // Where a queue is full this is the only way to wait for room in it; see socket(7).
            let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
            let left = TimeVal::new(seconds, left.subsec_micros().max(1).into());
            setsockopt(&socket, sockopt::SendTimeout, &left)?;
            match connect_socket(socket.as_raw_fd(), &address) {
                Err(System::EINTR) => {}
                result => return result,
            }
        }
    };
    match connected() {
        Ok(()) => Ok(()),
        Err(System::EAGAIN) => Err(failed(&deadline)),
        Err(errno) => Err(failed(&Errno::from(errno))),
    }
}

fn file(path: &Path) -> Result<(), String> {
    match path.metadata() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{}: {}", path.display(), Errno::from(error))),
    }
}

/// Connects to one of the addresses of `endpoint`.
fn connect(endpoint: &Endpoint, deadline: &Deadline) -> Result<TcpStream, String> {
    let addresses = addresses(&endpoint.host)?;
    let mut refusal = None;
    for (tried, address) in addresses.iter().enumerate() {
        let Some(left) = deadline.left() else { break };
        // A share of what is left: one that swallows everything leaves time for the others.
        let still = addresses.len().saturating_sub(tried);
        let share = left.checked_div(u32::try_from(still).unwrap_or(u32::MAX)).unwrap_or(left);
        match connect_to(SocketAddr::new(*address, endpoint.port), share) {
            Ok(stream) => return Ok(stream),
            // The first that says something: localhost is often not to be had over IPv6.
            Err(errno) => refusal = refusal.or(errno),
        }
    }
    Err(match refusal {
        Some(errno) => errno.to_string(),
        None => deadline.to_string(),
    })
}

/// Connects within `patience`; without an error number nobody answered.
fn connect_to(address: SocketAddr, patience: Duration) -> Result<TcpStream, Option<Errno>> {
    let patience = patience.max(Duration::from_millis(1));
    let stream = TcpStream::connect_timeout(&address, patience)
        .map_err(|error| error.raw_os_error().map(Errno))?;
    // Where nobody listens on a port from which connections are made, the kernel may choose just
    // this one for ours: then it is connected to itself.
    match (stream.local_addr(), stream.peer_addr()) {
        (Ok(own), Ok(other)) if own == other => Err(Some(Errno(libc::ECONNREFUSED))),
        _ => Ok(stream),
    }
}

fn addresses(host: &Host) -> Result<Vec<IpAddr>, String> {
    match host {
        Host::Address(address) => Ok(vec![*address]),
        Host::Local => Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        Host::Named(name) => {
            let hosts = match files::read(Path::new(HOSTS), TEXT_FILE_BYTES_MAX) {
                Ok(hosts) => hosts,
                Err(Errno::ENOENT) => Vec::new(),
                Err(errno) => return Err(format!("cannot read {HOSTS}: {errno}")),
            };
            let found = address::addresses_of(name, &hosts);
            if found.is_empty() {
                let known = "only addresses and names of /etc/hosts are known";
                return Err(format!("{name} is not in {HOSTS}; {known}"));
            }
            Ok(found)
        }
    }
}

/// Asks for `url`, and reads until the status is known.
fn ask(url: &Url, deadline: &Deadline) -> Result<(u16, String), String> {
    let mut stream =
        connect(&url.endpoint, deadline).map_err(|why| format!("cannot connect: {why}"))?;
    let request = url.request();
    let mut unsent = request.as_bytes();
    while !unsent.is_empty() {
        let _ = stream.set_write_timeout(Some(deadline.left_or_why()?));
        let sent = deadline.judge(stream.write(unsent))?;
        unsent = unsent.get(sent..).unwrap_or_default();
    }
    let mut bytes = [0; HTTP_HEAD_BYTES_MAX];
    let mut length = 0usize;
    loop {
        let room = bytes.get_mut(length..).unwrap_or_default();
        if room.is_empty() {
            return Err(format!("no status in the first {HTTP_HEAD_BYTES_MAX} bytes"));
        }
        let _ = stream.set_read_timeout(Some(deadline.left_or_why()?));
        match stream.read(room) {
            Ok(0) if length == 0 => return Err("closed without an answer".to_owned()),
            Ok(0) => return Err("closed in the middle of the answer".to_owned()),
            result => length = length.saturating_add(deadline.judge(result)?),
        }
        match Answer::read(bytes.get(..length).unwrap_or_default()) {
            Answer::Incomplete => {}
            Answer::Status(status, reason) => return Ok((status, reason)),
            Answer::Garbage(looks) => return Err(format!("the answer is no HTTP, but {looks}")),
        }
    }
}

impl Deadline {
    fn within(limit: Duration) -> Self {
        Self { clock: Clock::start(), limit }
    }

    /// What is left; none if it is over.
    pub(super) fn left(&self) -> Option<Duration> {
        let left = self.limit.saturating_sub(self.clock.now().since_start());
        (!left.is_zero()).then_some(left)
    }

    /// How long it was, in words.
    pub(super) fn words(&self) -> String {
        match self.limit.subsec_millis() {
            0 => format!("{} s", self.limit.as_secs()),
            _ => format!("{} ms", self.limit.as_millis()),
        }
    }

    fn left_or_why(&self) -> Result<Duration, String> {
        self.left().ok_or_else(|| self.to_string())
    }

    /// How many bytes a read or a write that waits came to.
    fn judge(&self, result: std::io::Result<usize>) -> Result<usize, String> {
        match result {
            Ok(bytes) => Ok(bytes),
            // It was stopped and goes on; see signal(7).
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(self.to_string()),
            Err(error) => Err(Errno::from(error).to_string()),
        }
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer within {}", self.words())
    }
}
