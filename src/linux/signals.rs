//! Signals to onit. Handlers only write into a pipe, by signal-hook; the loop reads them like any
//! other event.
//!
//! The first statement of `main` blocks all signals, since a signal whose default is to do nothing
//! harmful is discarded for PID 1 while it has no handler, but a blocked one stays pending: see
//! signal(7) and pid_namespaces(7). They are unblocked when the handlers are in place, so that
//! nothing that arrives after that first statement is lost.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, signal, sigprocmask};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::raw::WithRawSiginfo;

use crate::service::Signal;
use crate::supervisor::Sender;

/// The signals to onit, as they come in.
pub struct Signals {
    /// Kept to the end of the process: to unregister sixty signals copies what is registered sixty
    /// times, and their handlers stay anyway.
    delivery: ManuallyDrop<SignalDelivery<UnixStream, WithRawSiginfo>>,
    caught: Vec<Signal>,
}

/// Blocks every signal of this process until [`Signals::catch`] or [`release`].
pub fn hold() {
    // Fails only for a wrong argument.
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
}

/// Unblocks every signal, also those that were blocked when onit was started.
pub fn release() {
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// From here on TERM ends this process with the exit code 0: what it asked for is under way, and
/// it is among those that are stopped.
pub fn end_well_on_term() {
    extern "C" fn end(_: libc::c_int) {
        // SAFETY: `_exit` may be called in a handler, see signal-safety(7).
        unsafe { libc::_exit(0) }
    }
    // SAFETY: the handler does nothing but what may be done in one.
    let _ = unsafe { signal(nix::sys::signal::Signal::SIGTERM, SigHandler::Handler(end)) };
}

impl Signals {
    /// Catches `wanted` and CHLD, and lets them in.
    ///
    /// # Errors
    /// No descriptor to be had for the pipe, or a signal that cannot be caught.
    pub fn catch(wanted: &[Signal]) -> std::io::Result<Self> {
        // A write to the terminal from the background must fail or pass, not stop us.
        for ours in [nix::sys::signal::Signal::SIGTTIN, nix::sys::signal::Signal::SIGTTOU] {
            // SAFETY: ignoring a signal installs no handler, so there is no code to be unsafe.
            let _ = unsafe { signal(ours, SigHandler::SigIgn) };
        }
        let mut caught: Vec<Signal> =
            wanted.iter().copied().chain([Signal::CHLD]).filter(|s| can_be_caught(*s)).collect();
        caught.sort_unstable();
        caught.dedup();
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        let numbers = caught.iter().map(|signal| signal.number());
        let delivery = SignalDelivery::with_pipe(read, write, WithRawSiginfo, numbers)?;
        release();
        Ok(Self { delivery: ManuallyDrop::new(delivery), caught })
    }

    /// What is readable when a signal has come in.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }

    /// What is caught, and has to be reset in children.
    #[must_use]
    pub fn caught(&self) -> &[Signal] {
        &self.caught
    }

    /// What has come in. Of one signal up to five that came between two looks are told apart. With
    /// CHLD comes whom it is about, or one of those.
    pub fn take(&mut self, mut each: impl FnMut(Signal, Sender, Option<i32>)) {
        for info in self.delivery.pending() {
            let Some(signal) = Signal::from_number(info.si_signo) else { continue };
            let child = match signal == Signal::CHLD {
                // SAFETY: of CHLD the kernel fills in the pid; of one that a process has sent it is
                // the sender's. See sigaction(2).
                true => Some(unsafe { info.si_pid() }).filter(|pid| *pid > 0),
                false => None,
            };
            let sender = match info.si_code {
                libc::SI_KERNEL => Sender::Kernel,
                _ => Sender::Process,
            };
            each(signal, sender, child);
        }
    }
}

/// Every signal that can be passed on: all but those that cannot be caught, those that say that
/// this very process is broken, those of the terminal to whoever touches it from the background,
/// CHLD, and the two that glibc keeps for its threads.
pub fn forwardable() -> impl Iterator<Item = Signal> {
    (1..=64)
        .filter_map(Signal::from_number)
        .filter(|signal| can_be_caught(*signal))
        .filter(|signal| ![Signal::CHLD, Signal::TTIN, Signal::TTOU].contains(signal))
}

fn can_be_caught(signal: Signal) -> bool {
    let broken = [
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGABRT,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGSEGV,
        libc::SIGSYS,
    ];
    !signal.is_uncatchable()
        && !broken.contains(&signal.number())
        && !(32..=33).contains(&signal.number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_harmless_is_forwardable() {
        let numbers: Vec<i32> = forwardable().map(Signal::number).collect();
        for wanted in [1, 2, 3, 10, 12, 13, 14, 15, 18, 20, 28, 30, 34, 37, 64] {
            assert!(numbers.contains(&wanted), "{wanted}");
        }
        for unwanted in [4, 5, 6, 7, 8, 9, 11, 17, 19, 21, 22, 31, 32, 33] {
            assert!(!numbers.contains(&unwanted), "{unwanted}");
        }
    }
}
