//! A connection to a running onit: a request out, lines of the answer in.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::control::{Line, Request};
use crate::linux::place;
use crate::service::Failure;

/// A connection to a running onit.
pub struct Connection {
    stream: UnixStream,
    /// What has been read and not been taken.
    inbox: Vec<u8>,
    /// How much of that has been taken.
    taken: usize,
}

/// What came.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
#[derive(Debug)]
pub enum Heard {
    /// A line of the answer.
    Line(Line),
    /// Nothing, for as long as there was patience.
    Nothing,
    /// The connection is closed: onit has gone, or is done with us.
    Closed,
}

impl Connection {
    /// Connects to the onit at `socket`, or where it is usually.
    ///
    /// # Errors
    /// Nobody answers, or not one to be trusted.
    pub fn open(socket: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self { stream: place::connect(socket)?, inbox: Vec::new(), taken: 0 })
    }

    /// Asks. What cannot be sent is found out when there is no answer.
    pub fn ask(&mut self, request: &Request) {
        let _ = self.stream.write_all(&request.line());
    }

    /// The next line of the answer; waits for it no longer than `patience`, without one for ever.
    pub fn hear(&mut self, patience: Option<Duration>) -> Heard {
        loop {
            let rest = self.inbox.get(self.taken..).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', rest) {
                let line = rest.get(..end).unwrap_or_default();
                let parsed = Line::parse(line);
                self.taken = self.taken.saturating_add(end).saturating_add(1);
                match parsed {
                    Ok(line) => return Heard::Line(line),
                    // A kind of line that this version does not know yet.
                    Err(_) => continue,
                }
            }
            self.inbox.drain(..self.taken);
            self.taken = 0;
            if let Some(patience) = patience
                && !self.waits(patience)
            {
                return Heard::Nothing;
            }
            let mut buffer = [0; 16 << 10];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Heard::Closed,
                Ok(bytes) => self.inbox.extend_from_slice(buffer.get(..bytes).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Heard::Closed,
            }
        }
    }

    /// Whether the next line is there already, or the connection is known to be closed.
    pub fn is_ready(&self) -> bool {
        let rest = self.inbox.get(self.taken..).unwrap_or_default();
        rest.contains(&b'\n') || self.waits(Duration::ZERO)
    }

    fn waits(&self, patience: Duration) -> bool {
        let mut ready = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
        let milliseconds = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        poll(&mut ready, timeout).is_ok_and(|count| count > 0)
    }
}
