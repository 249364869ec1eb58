//! Tells whoever started us how we are, as sd_notify(3): one datagram, and another one that shows
//! when the first has been taken. Knows nothing of what is told.

use std::ffi::{OsStr, OsString};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use nix::errno::Errno as System;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, setsockopt,
    socket, sockopt,
};
use nix::sys::time::TimeVal;
use nix::unistd::pipe2;

use super::clock::{Clock, since_boot};
use crate::limits::NOTIFY_TIME_MAX;
use crate::service::{Errno, Failure};

/// Whether to wait until a message has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barrier {
    /// Until then, so that whoever is told still finds us.
    Wait,
    /// No longer than until it is sent.
    None,
}

/// Sends `assignments` to the socket `name`: a path, or an abstract name behind an `@`.
///
/// # Errors
/// Nobody is there, or nobody takes it in time.
pub fn notify(name: &OsStr, assignments: &[OsString], barrier: Barrier) -> Result<(), Failure> {
    let object = || format!("NOTIFY_SOCKET ({})", name.to_string_lossy());
    let failed = |operation, errno| {
        if errno == System::EAGAIN {
            let why = format!("nobody has taken it for {} s", NOTIFY_TIME_MAX.as_secs());
            return Failure::known(operation, object(), why);
        }
        Failure::errno(operation, object(), Errno::from(errno))
    };
    let Some(address) = address(name) else {
        let why = "only a path or @ and an abstract name are known";
        return Err(Failure::known("reach", object(), why));
    };
    match tell(address, &message(assignments), barrier) {
        Ok(None) => Ok(()),
        Ok(Some(pipe)) => wait_for_hangup(&pipe).map_err(|errno| failed("be sure of", errno)),
        Err(errno) => Err(failed("reach", errno)),
    }
}

/// None for what is no address of this kind.
fn address(name: &OsStr) -> Option<Result<UnixAddr, System>> {
    match name.as_bytes() {
        [b'@', name @ ..] => Some(UnixAddr::new_abstract(name)),
        [b'/', ..] => Some(UnixAddr::new(name)),
        _ => None,
    }
}

/// The assignments, a line each. A reload needs the time at which it began, so that the answer to
/// one request is not taken for that to the next.
fn message(assignments: &[OsString]) -> Vec<u8> {
    let has = |start: &[u8]| assignments.iter().any(|word| word.as_bytes().starts_with(start));
    let mut message = assignments.join(OsStr::new("\n")).into_vec();
    if assignments.iter().any(|word| word == "RELOADING=1") && !has(b"MONOTONIC_USEC=") {
        let time = format!("\nMONOTONIC_USEC={}", since_boot().as_micros());
        message.extend_from_slice(time.as_bytes());
    }
    message
}

/// Sends the message, and the barrier behind it: what is returned hangs up when that is taken.
fn tell(
    address: Result<UnixAddr, System>,
    message: &[u8],
    barrier: Barrier,
) -> Result<Option<OwnedFd>, System> {
    let address = address?;
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    // A full queue is waited for; see socket(7).
    let limit = TimeVal::new(i64::try_from(NOTIFY_TIME_MAX.as_secs()).unwrap_or(1), 0);
    setsockopt(&socket, sockopt::SendTimeout, &limit)?;
    send(socket.as_fd(), &address, message, None)?;
    match barrier {
        Barrier::None => Ok(None),
        Barrier::Wait => {
            let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
            // `theirs` ends here: then only whoever receives it has it.
            send(socket.as_fd(), &address, b"BARRIER=1", Some(&theirs))?;
            Ok(Some(ours))
        }
    }
}

fn send(
    socket: BorrowedFd<'_>,
    address: &UnixAddr,
    message: &[u8],
    descriptor: Option<&OwnedFd>,
) -> Result<(), System> {
    let descriptors: Vec<i32> = descriptor.iter().map(|fd| fd.as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let control = if descriptors.is_empty() { &[] } else { &rights[..] };
    let message = [IoSlice::new(message)];
    let flags = MsgFlags::MSG_NOSIGNAL;
    loop {
        match sendmsg(socket.as_raw_fd(), &message, control, flags, Some(address)) {
            Err(System::EINTR) => {}
            result => return result.map(drop),
        }
    }
}

/// Waits until nobody has the other end of `pipe`.
fn wait_for_hangup(pipe: &OwnedFd) -> Result<(), System> {
    let clock = Clock::start();
    loop {
        let left = NOTIFY_TIME_MAX.saturating_sub(clock.now().since_start());
        if left.is_zero() {
            return Err(System::EAGAIN);
        }
        // Rounded up, so that it does not turn in circles for the last part of a millisecond.
        let left = left.saturating_add(Duration::from_millis(1));
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        // POLLHUP is told without being asked for.
        let mut polled = [PollFd::new(pipe.as_fd(), PollFlags::empty())];
        match poll(&mut polled, left) {
            Ok(0) | Err(System::EINTR) => {}
            result => return result.map(drop),
        }
    }
}
