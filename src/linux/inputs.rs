//! The pipes from service to service: what one writes is the standard input of the other.
//!
//! onit holds both ends and takes nothing out. So neither side notices that the other is started
//! again, and nothing is lost on the way.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use litemap::LiteMap;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{pipe2, read};

use super::relay::{errno, unread};
use crate::limits::UNREAD_SHOWN_MAX;
use crate::service::notify::printable;
use crate::service::{Errno, Failure, Name};

/// The pipes there are, by who reads from them.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pipes: LiteMap<Name, Pipe>,
}

/// The two ends. Both are blocking, since services have them as they are.
#[derive(Debug)]
struct Pipe {
    reader: OwnedFd,
    /// None: it has been closed, for the reader to see the end.
    writer: Option<OwnedFd>,
}

impl Inputs {
    /// The end that somebody who is started now reads from, as `consumer`.
    ///
    /// # Errors
    /// No descriptors are to be had.
    pub(super) fn open_for_reader(&mut self, consumer: &Name) -> Result<RawFd, Failure> {
        let pipe = self.open(consumer)?;
        wait_again(&pipe.reader);
        Ok(pipe.reader.as_raw_fd())
    }

    /// Makes sure that somebody who is started now can write to `consumer`.
    ///
    /// # Errors
    /// No descriptors are to be had.
    pub(super) fn open_for_writer(&mut self, consumer: &Name) -> Result<(), Failure> {
        self.open(consumer)?.writer.iter().for_each(wait_again);
        Ok(())
    }

    /// The pipe to `consumer`, a new one if it has ended.
    fn open(&mut self, consumer: &Name) -> Result<&Pipe, Failure> {
        if self.writer(consumer).is_none() {
            let failed = |error| Failure::errno("open", "a pipe between services", errno(error));
            let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
            // For services that run as another user and open /dev/stdout, or /dev/stdin, which lead
            // here. Through the descriptor it works in any case, so this may fail.
            let _ = fchmod(&writer, Mode::from_bits_truncate(0o666));
            self.forget(consumer);
            self.pipes.insert(consumer.clone(), Pipe { reader, writer: Some(writer) });
        }
        let lost = || Failure::errno("open", "a pipe between services", Errno(libc::ENOENT));
        self.pipes.get(consumer).ok_or_else(lost)
    }

    /// The end that is written to, if there is a pipe which has not ended.
    pub(super) fn writer(&self, consumer: &Name) -> Option<RawFd> {
        Some(self.pipes.get(consumer)?.writer.as_ref()?.as_raw_fd())
    }

    /// Gives up our end to write to: when nobody else has one, the reader comes to the end.
    pub(super) fn end(&mut self, consumer: &Name) {
        if let Some(pipe) = self.pipes.get_mut(consumer) {
            pipe.writer = None;
        }
    }

    /// Nobody reads any more. What is still in the pipe is shown.
    pub(super) fn forget(&mut self, consumer: &Name) {
        if let Some(pipe) = self.pipes.remove(consumer) {
            show_rest(consumer, &pipe);
        }
    }

    /// It is over: whatever nobody has read is shown.
    pub(super) fn forget_all(&mut self) {
        std::mem::take(&mut self.pipes)
            .into_iter()
            .for_each(|(name, pipe)| show_rest(&name, &pipe));
    }
}

/// A program that made an end non-blocking did so for all who will ever have it; see fcntl(2).
/// Whoever is started next gets it as it was. The other end stays as it is: svlogd relies on what
/// it has made of its own, and hears no signal while it waits in a read.
fn wait_again(end: &OwnedFd) {
    // It fails for no descriptor of ours.
    let _ = fcntl(end, FcntlArg::F_SETFL(OFlag::empty()));
}

/// What nobody has read is shown, as far as a pipe of the usual size holds it.
fn show_rest(consumer: &Name, pipe: &Pipe) {
    let left = unread(&pipe.reader);
    if left == 0 {
        return;
    }
    let mut rest = vec![0; left.min(UNREAD_SHOWN_MAX)];
    // Somebody who was left behind may read as well: this must not wait.
    let _ = fcntl(&pipe.reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
    let count = read(&pipe.reader, &mut rest).unwrap_or(0);
    rest.truncate(count);
    log::warn!("{consumer} has not read all that was written for it; this is left:");
    for line in rest.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        log::warn!("{consumer} | {}", printable(line));
    }
    if left > count {
        log::warn!("{} bytes more are lost", left.saturating_sub(count));
    }
}
