//! The ways in which a run can tell something besides writing output: its notify socket, the
//! descriptor on which it says that it is ready, and of a probe whatever it writes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{pipe2, read};

use super::notify::Ear;
use super::relay::errno;
use crate::limits::{PROBE_READ_BYTES, STATUS_BYTES_MAX};
use crate::service::Failure;
use crate::service::notify::printable;

/// What onit holds of the ways in which one run can speak.
#[derive(Debug, Default)]
pub struct Channels {
    /// Its notify socket.
    pub ear: Option<Box<Ear>>,
    /// Where it writes a newline when it is ready.
    pub newline: Option<OwnedFd>,
    /// What it writes, if it is a probe.
    pub finding: Option<Box<Finding>>,
    /// It has been complained about what it says.
    pub complained: bool,
}

/// What came from where a newline is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newline {
    /// Nothing of interest yet.
    Pending,
    /// The newline.
    Came,
    /// It will never come.
    Never,
}

/// What a probe writes: all of it is read, the end is kept.
#[derive(Debug)]
pub struct Finding {
    pipe: OwnedFd,
    end: Vec<u8>,
}

/// A pipe that a child is given the other end of; see pipe(7). Ours does not block. A child that
/// becomes another user may open its end again, as `/dev/stderr`.
///
/// # Errors
/// No descriptors to be had.
pub fn pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    let failed = |error| Failure::errno("open", "a pipe", errno(error));
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(failed)?;
    // What cannot be changed can still be written to through the descriptor, so this may fail.
    let _ = fchmod(&writer, Mode::from_bits_truncate(0o622));
    Ok((reader, writer))
}

/// Reads where a newline is waited for. Never waits.
#[must_use]
pub fn read_newline(pipe: BorrowedFd<'_>) -> Newline {
    let mut bytes = [0; 256];
    match read(pipe, &mut bytes) {
        Ok(0) => Newline::Never,
        Ok(count) if bytes.iter().take(count).any(|byte| *byte == b'\n') => Newline::Came,
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Newline::Pending,
        Err(_) => Newline::Never,
    }
}

impl Channels {
    /// What is open of them.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let ear = self.ear.as_deref().map(Ear::descriptor);
        let newline = self.newline.as_ref().map(AsFd::as_fd);
        let finding = self.finding.as_deref().map(Finding::descriptor);
        ear.into_iter().chain(newline).chain(finding)
    }
}

impl Finding {
    /// What comes out of `pipe`, which does not block.
    #[must_use]
    pub fn new(pipe: OwnedFd) -> Self {
        Self { pipe, end: Vec::new() }
    }

    /// What becomes readable when there is something.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Reads some of what is there, and says how much: 0 if there will never be more, none if there
    /// is nothing now. Never waits.
    pub fn read(&mut self) -> Option<usize> {
        let mut bytes = [0; PROBE_READ_BYTES];
        let count = read(&self.pipe, &mut bytes).ok()?;
        self.end.extend_from_slice(bytes.get(..count).unwrap_or_default());
        let over = self.end.len().saturating_sub(END_BYTES);
        self.end.drain(..over);
        Some(count)
    }

    /// The last line that says anything.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        let lines = self.end.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.rev().find(|line| !line.is_empty()).map(printable)
    }
}

/// How much of the end is kept: the longest line that is shown, and an empty one behind it.
const END_BYTES: usize = STATUS_BYTES_MAX.saturating_mul(2);

#[cfg(test)]
mod tests {
    use nix::unistd::write;

    use super::*;

    #[test]
    fn of_what_a_probe_writes_the_last_line_is_kept() {
        let check = |text: &str, expected: Option<&str>| {
            let (reader, writer) = pipe().unwrap();
            let mut finding = Finding::new(reader);
            write(&writer, text.as_bytes()).unwrap();
            while finding.read().is_some() {}
            assert_eq!(finding.last_line().as_deref(), expected, "{text:?}");
        };
        check("", None);
        check(" \n\n", None);
        check("one\ntwo \n \n", Some("two"));
        check(&format!("{}\nend", "x".repeat(60_000)), Some("end"));
        check("\x1b[31mred", Some(" [31mred"));
    }

    #[test]
    fn a_newline_is_what_is_waited_for() {
        let (reader, writer) = pipe().unwrap();
        assert_eq!(read_newline(reader.as_fd()), Newline::Pending);
        write(&writer, b"almost").unwrap();
        assert_eq!(read_newline(reader.as_fd()), Newline::Pending);
        write(&writer, b"there\nnow").unwrap();
        assert_eq!(read_newline(reader.as_fd()), Newline::Came);
        drop(writer);
        assert_eq!(read_newline(reader.as_fd()), Newline::Never);
    }
}
