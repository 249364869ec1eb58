//! Waiting: one epoll, one deadline. Sleeps until a descriptor is ready or the deadline is there,
//! and never ticks.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::service::RunId;

/// Whose descriptor it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// What the signals are read from.
    Signals,
    /// The exec pipe of a run.
    Exec(RunId),
    /// Where clients of the control socket come in.
    Door,
    /// A client of the control socket.
    Client(u64),
    /// The sources have been read again.
    Sources,
    /// A directory of services has changed.
    Changes,
    /// It has not changed for a moment.
    Settled,
    /// `sv` has given orders.
    Orders,
    /// A line that is waited for has been written.
    Lines,
    /// The notify socket of a run.
    Notify(RunId),
    /// Where a run writes a newline when it is ready.
    Newline(RunId),
    /// What a probe writes.
    Finding(RunId),
}

/// Whose descriptor is ready, and for what.
pub type Ready = (Token, EpollFlags);

/// Descriptors that are waited for.
pub struct Reactor {
    epoll: Epoll,
    ready: Vec<EpollEvent>,
}

/// Descriptors looked at in one turn; the rest is found in the next.
const READY_A_TURN: usize = 128;

impl Reactor {
    /// An epoll of its own.
    ///
    /// # Errors
    /// No descriptor or memory to be had.
    pub fn new() -> Result<Self, Errno> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { epoll, ready: vec![EpollEvent::empty(); READY_A_TURN] })
    }

    /// Waits for `descriptor` to become readable, or its other end to close.
    ///
    /// # Errors
    /// No memory, or more watches than the user may have; see epoll_ctl(2).
    pub fn watch(&self, descriptor: BorrowedFd<'_>, token: Token) -> Result<(), Errno> {
        self.epoll.add(descriptor, EpollEvent::new(EpollFlags::EPOLLIN, token.encode()))
    }

    /// Waits for something else at a watched `descriptor`. That its other end has closed is told in
    /// any case.
    ///
    /// # Errors
    /// It is not watched.
    pub fn change(
        &self,
        descriptor: BorrowedFd<'_>,
        token: Token,
        flags: EpollFlags,
    ) -> Result<(), Errno> {
        self.epoll.modify(descriptor, &mut EpollEvent::new(flags, token.encode()))
    }

    /// No longer waits for `descriptor`.
    pub fn forget(&self, descriptor: BorrowedFd<'_>) {
        // Fails only if it is not watched, and then there is nothing to do.
        let _ = self.epoll.delete(descriptor);
    }

    /// Waits until a watched descriptor is ready or `timeout` has passed; none waits for ever.
    /// Adds whose descriptors are ready to `ready`.
    pub fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) {
        let timeout = match timeout {
            None => EpollTimeout::NONE,
            Some(timeout) => {
                EpollTimeout::try_from(milliseconds(timeout)).unwrap_or(EpollTimeout::MAX)
            }
        };
        // EINTR: we were stopped and go on, see signal(7). Anything else would be a descriptor that
        // is no epoll, which cannot be.
        let count = self.epoll.wait(&mut self.ready, timeout).unwrap_or(0);
        let events = self.ready.iter().take(count);
        ready.extend(events.map(|event| (Token::decode(event.data()), event.events())));
    }
}

/// Rounded up, since a wait that ends too early would be a turn for nothing.
fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

/// What kind of descriptor it is stands in the topmost four bits. Runs and clients are counted from
/// 1, and neither ever comes near the rest.
const KIND_SHIFT: u32 = 60;

impl Token {
    fn encode(self) -> u64 {
        let (kind, number) = match self {
            Self::Signals => (0u64, 0),
            Self::Door => (0, 1),
            Self::Sources => (0, 2),
            Self::Lines => (0, 3),
            Self::Changes => (0, 4),
            Self::Settled => (0, 5),
            Self::Orders => (0, 6),
            Self::Exec(run) => (1, run.0),
            Self::Client(client) => (2, client),
            Self::Notify(run) => (3, run.0),
            Self::Newline(run) => (4, run.0),
            Self::Finding(run) => (5, run.0),
        };
        kind << KIND_SHIFT | number
    }

    fn decode(data: u64) -> Self {
        let number = data & ((1 << KIND_SHIFT) - 1);
        match (data >> KIND_SHIFT, number) {
            (1, run) => Self::Exec(RunId(run)),
            (2, client) => Self::Client(client),
            (3, run) => Self::Notify(RunId(run)),
            (4, run) => Self::Newline(RunId(run)),
            (5, run) => Self::Finding(RunId(run)),
            (_, 1) => Self::Door,
            (_, 2) => Self::Sources,
            (_, 3) => Self::Lines,
            (_, 4) => Self::Changes,
            (_, 5) => Self::Settled,
            (_, 6) => Self::Orders,
            (_, _) => Self::Signals,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up_to_milliseconds() {
        let check = |duration, expected| assert_eq!(milliseconds(duration), expected);
        check(Duration::ZERO, 0);
        check(Duration::from_nanos(1), 1);
        check(Duration::from_micros(1001), 2);
        check(Duration::from_secs(u64::MAX), i32::MAX);
    }

    #[test]
    fn tokens_survive_the_kernel() {
        let last = (1 << KIND_SHIFT) - 1;
        let runs = [Token::Exec, Token::Notify, Token::Newline, Token::Finding];
        let runs = runs.iter().flat_map(|of| [of(RunId(1)), of(RunId(last))]);
        let clients = [Token::Client(1), Token::Client(last)];
        let single = [
            Token::Signals,
            Token::Door,
            Token::Sources,
            Token::Lines,
            Token::Changes,
            Token::Settled,
            Token::Orders,
        ];
        for token in runs.chain(clients).chain(single) {
            assert_eq!(Token::decode(token.encode()), token);
        }
    }
}
