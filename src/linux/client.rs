//! The socket of one client: never waits, never raises a signal.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{self, MsgFlags, Shutdown, getsockopt, sockopt};

use super::clock::monotonic_clock;
use crate::control::Session;
use crate::limits::CLIENT_READ_BYTES;

/// Sends what is to be sent, as far as the client takes it now.
///
/// # Errors
/// The client is gone.
pub fn send(socket: BorrowedFd<'_>, session: &mut Session) -> Result<(), Errno> {
    // With MSG_NOSIGNAL: a SIGPIPE would be passed on to the main command.
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    while !session.unsent().is_empty() {
        match socket::send(socket.as_raw_fd(), session.unsent(), flags) {
            Ok(0) | Err(Errno::EAGAIN) => break,
            Ok(bytes) => session.sent(bytes),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Reads what is there; none if there is nothing now, 0 if there will never be more.
///
/// # Errors
/// The client is gone.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
    loop {
        match socket::recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(Errno::EAGAIN) => return Ok(None),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Sends what is to be sent, as far as the client takes it at once, and makes sure that it can read
/// that: what it has sent and nobody has read would make the kernel throw it away when the socket
/// is closed, and say ECONNRESET instead; see unix(7).
pub fn farewell(socket: BorrowedFd<'_>, session: &mut Session) {
    if send(socket, session).is_err()
        || socket::shutdown(socket.as_raw_fd(), Shutdown::Read).is_err()
    {
        return;
    }
    // It cannot send any more, so this ends: a socket holds some hundred KiB.
    let mut buffer = [0; CLIENT_READ_BYTES];
    while let Ok(Some(1..)) = receive(socket, &mut buffer) {}
}

/// Says that nothing more will come.
pub fn say_goodbye(socket: BorrowedFd<'_>) {
    // Who has gone already need not be told.
    let _ = socket::shutdown(socket.as_raw_fd(), Shutdown::Write);
}

/// Waits until all of them have hung up, but not longer than `patience`.
pub fn wait_for_hangups(sockets: &[OwnedFd], patience: Duration) {
    let began = monotonic_clock();
    for socket in sockets {
        let left = patience.saturating_sub(began.elapsed());
        let Ok(left) = PollTimeout::try_from(left) else { return };
        // POLLHUP is told without being asked for.
        let _ = poll(&mut [PollFd::new(socket.as_fd(), PollFlags::empty())], left);
    }
}

/// The user and the process at the other end when the connection was made; see `SO_PEERCRED` in
/// unix(7).
///
/// # Errors
/// It is no socket of this kind.
pub fn peer(socket: BorrowedFd<'_>) -> Result<(u32, i32), Errno> {
    let credentials = getsockopt(&socket, sockopt::PeerCredentials)?;
    Ok((credentials.uid(), credentials.pid()))
}
