//! The terminal: who has it, and how it changes hands. Decides nothing about when.
//!
//! Every door tolerates that there is none. While the terminal changes hands SIGTTOU is blocked:
//! tcsetpgrp(3) from the background would stop us otherwise.

use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::ptr;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::unistd::{Pid, getpgrp, getpid, tcgetpgrp, tcsetpgrp};

use crate::service::Errno;

/// What a child has to do with the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// Nothing: a session of its own, without one.
    None,
    /// It takes it: a session of its own whose terminal is the one on 0, 1 or 2. For the main
    /// command of PID 1, which must have [`give_up`] before.
    Own,
    /// It shares ours: our session, a group of its own.
    Share {
        /// Whether that group is in the foreground; ask [`is_foreground`] before.
        foreground: bool,
    },
}

/// How wide the terminal at `descriptor` is, in columns; none if it is no terminal.
#[must_use]
pub fn columns(descriptor: BorrowedFd<'_>) -> Option<usize> {
    // SAFETY: all zeroes are a valid winsize.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: TIOCGWINSZ fills in the winsize it is given; see tty_ioctl(4).
    let result = unsafe { libc::ioctl(descriptor.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    // A terminal that does not know its size says 0.
    (result == 0).then_some(match size.ws_col {
        0 => 80,
        columns => usize::from(columns),
    })
}

/// Gives up the controlling terminal. Whether there was one.
///
/// The kernel sends SIGHUP and SIGCONT to the foreground group when a session leader does this
/// (tty_ioctl(4), TIOCNOTTY). That is us, and both are taken away again before anybody sees them.
/// One that a process sent just before is sent again. To be called while there is only one thread,
/// or the signals find another.
pub fn give_up() -> bool {
    let Some(terminal) = controlling() else { return false };
    let mut caused = SigSet::empty();
    caused.add(Signal::SIGHUP);
    caused.add(Signal::SIGCONT);
    let mask = caused.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    // SAFETY: TIOCNOTTY takes no argument; the descriptor is open, we own it.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCNOTTY) };
    while let Some((signal, sender)) = take_pending(&caused) {
        // The kernel sends them in the name of whoever gives the terminal up.
        if sender != getpid() {
            // It is blocked still and stays pending until the mask is back.
            caused.remove(signal);
            let _ = kill(getpid(), signal);
        }
    }
    if let Ok(mask) = mask {
        let _ = mask.thread_set_mask();
    }
    result == 0
}

/// Whether there is a controlling terminal and we are in its foreground group.
#[must_use]
pub fn is_foreground() -> bool {
    controlling().is_some_and(|terminal| tcgetpgrp(&terminal) == Ok(getpgrp()))
}

/// Makes our group the foreground group again, if `group` is: whoever else has the terminal, such
/// as the shell that put us into the background, keeps it.
///
/// # Errors
/// What the system says, unless that there is no terminal, or not ours.
pub fn take_back_from(group: Pid) -> Result<(), Errno> {
    if controlling().is_some_and(|terminal| tcgetpgrp(&terminal) == Ok(group)) {
        give_to(getpgrp())
    } else {
        Ok(())
    }
}

/// Makes `group`, a process group of our session, the foreground group, if there is a terminal.
///
/// # Errors
/// What the system says, unless that there is no terminal, or not ours.
pub fn give_to(group: Pid) -> Result<(), Errno> {
    let Some(terminal) = controlling() else { return Ok(()) };
    let mut ttou = SigSet::empty();
    ttou.add(Signal::SIGTTOU);
    let mask = ttou.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let result = tcsetpgrp(&terminal, group);
    if let Ok(mask) = mask {
        let _ = mask.thread_set_mask();
    }
    use nix::errno::Errno::{EBADF, EIO, ENOTTY, ENXIO, EPERM};
    match result {
        Ok(()) | Err(ENOTTY | ENXIO | EBADF | EIO | EPERM) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Our controlling terminal, if we have one: /dev/tty(4), or where an image has no such file the
/// one of 0, 1 and 2 that is it.
#[must_use]
pub(super) fn controlling() -> Option<OwnedFd> {
    let tty = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
        .open("/dev/tty");
    match tty {
        Ok(tty) => return Some(tty.into()),
        // There is none, see tty(4): no need to ask for it in other ways.
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return None,
        Err(_) => {}
    }
    // tcgetpgrp(3) says ENOTTY for a terminal that is not our controlling one.
    let is_it = |terminal: &OwnedFd| tcgetpgrp(terminal).is_ok();
    let copy = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().ok();
    copy(std::io::stdin().as_fd())
        .filter(is_it)
        .or_else(|| copy(std::io::stdout().as_fd()).filter(is_it))
        .or_else(|| copy(std::io::stderr().as_fd()).filter(is_it))
}

/// Takes one of `signals`, which are blocked, out of those that are pending, with its sender.
fn take_pending(signals: &SigSet) -> Option<(Signal, Pid)> {
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::uninit();
    let set: *const libc::sigset_t = ptr::from_ref(signals.as_ref());
    // SAFETY: all three point to objects of our own that outlive the call, see sigtimedwait(2).
    let number = unsafe { libc::sigtimedwait(set, info.as_mut_ptr(), &raw const at_once) };
    let signal = Signal::try_from(number).ok()?;
    // SAFETY: sigtimedwait returned a signal, hence it has filled `info` in.
    let info = unsafe { info.assume_init() };
    // SAFETY: the field is valid for what kill(2) and the terminal send; see sigaction(2).
    let sender = unsafe { info.si_pid() };
    Some((signal, Pid::from_raw(sender)))
}

#[cfg(test)]
mod tests {
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork, setsid};

    use super::*;

    /// What the leader of a new session with a terminal makes of it: a child of one thread, as
    /// `give_up` wants it.
    fn check(expected: i32, leader: fn() -> i32) {
        let pty = nix::pty::openpty(None, None).unwrap();
        let mut hup = SigSet::empty();
        hup.add(Signal::SIGHUP);
        hup.add(Signal::SIGTERM);
        let mask = hup.thread_swap_mask(SigmaskHow::SIG_BLOCK).unwrap();
        // SAFETY: only this thread lives on in the child; glibc and musl keep malloc usable there,
        // and nothing below waits for another thread.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let _ = setsid();
                // SAFETY: TIOCSCTTY takes a number.
                unsafe { libc::ioctl(pty.slave.as_raw_fd(), libc::TIOCSCTTY as _, 0) };
                let code = leader();
                // SAFETY: _exit(2) runs none of the test's exit handlers.
                unsafe { libc::_exit(code) }
            }
            ForkResult::Parent { child } => {
                kill(child, Signal::SIGHUP).unwrap();
                kill(child, Signal::SIGTERM).unwrap();
                mask.thread_set_mask().unwrap();
                assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, expected)));
            }
        }
    }

    /// Waits until both signals of the parent are there, HUP first.
    fn wait_for_the_parent() {
        let mut term = SigSet::empty();
        term.add(Signal::SIGTERM);
        let _ = term.wait();
    }

    fn is_pending(signal: Signal) -> bool {
        // SAFETY: a set of signals may be all zeros; sigpending fills it in.
        let mut pending: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: `pending` is ours.
        unsafe { libc::sigpending(&raw mut pending) };
        // SAFETY: `pending` has been filled in.
        unsafe { libc::sigismember(&raw const pending, signal as i32) == 1 }
    }

    #[test]
    fn giving_the_terminal_up_is_not_heard() {
        check(0, || {
            wait_for_the_parent();
            let mut hup = SigSet::empty();
            hup.add(Signal::SIGHUP);
            let _ = take_pending(&hup);
            // From here on a HUP ends us.
            let _ = hup.thread_unblock();
            let facts = [is_foreground(), give_up(), !is_foreground(), !give_up()];
            facts.iter().filter(|fact| !**fact).count() as i32
        });
    }

    #[test]
    fn a_hangup_sent_before_is_not_lost() {
        check(0, || {
            wait_for_the_parent();
            let facts = [
                is_pending(Signal::SIGHUP),
                give_up(),
                is_pending(Signal::SIGHUP),
                !is_pending(Signal::SIGCONT),
            ];
            facts.iter().filter(|fact| !**fact).count() as i32
        });
    }

    #[test]
    fn without_a_terminal_there_is_nothing_to_do() {
        check(0, || {
            let _ = give_up();
            let facts = [
                !is_foreground(),
                take_back_from(getpgrp()).is_ok(),
                give_to(Pid::from_raw(1)).is_ok(),
            ];
            facts.iter().filter(|fact| !**fact).count() as i32
        });
    }
}
