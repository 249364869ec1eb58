//! Signals to onit. No handler runs: they stay blocked, and the loop reads them from a descriptor
//! like any other event, see signalfd(2) and docs/decisions/0028-signals-are-read.md.
//!
//! The first statement of `main` blocks all signals. One that PID 1 neither blocks nor handles is
//! discarded, a blocked one stays pending, whatever is to be done with it: see signal(7) and
//! pid_namespaces(7). So nothing that arrives after that first statement is lost. Those that are
//! not to be read are let in when it is known which these are.

use std::mem::{MaybeUninit, offset_of};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use libc::signalfd_siginfo as Record;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::read;

use crate::limits::SIGNALS_A_TURN_MAX;
use crate::service::{Failure, Signal};
use crate::supervisor::Sender;

/// The signals to onit, as they come in.
#[derive(Debug)]
pub struct Signals {
    descriptor: SignalFd,
}

/// A signal that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Which it is.
    pub signal: Signal,
    /// Where it came from.
    pub sender: Sender,
    /// Who sent it, and with CHLD from the kernel whom it is about; none from outside of our PID
    /// namespace.
    pub pid: Option<i32>,
}

/// Blocks every signal of this process until [`Signals::read_from_now_on`] or [`release`].
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
    let always = Arc::new(AtomicBool::new(true));
    // Fails only for a signal that cannot be handled.
    let _ = signal_hook::flag::register_conditional_shutdown(libc::SIGTERM, 0, always);
}

impl Signals {
    /// Reads `wanted` and CHLD from here on, and lets in all others. To be called by the thread
    /// that will read: the others keep all of them blocked.
    ///
    /// # Errors
    /// No descriptor to be had.
    pub fn read_from_now_on(wanted: &[Signal]) -> Result<Self, Failure> {
        let failed = |error: nix::Error| Failure::errno("read", "signals (signalfd)", error.into());
        // A write to the terminal from the background must fail or pass, not stop us.
        for ours in [nix::sys::signal::Signal::SIGTTIN, nix::sys::signal::Signal::SIGTTOU] {
            // SAFETY: ignoring a signal installs no handler, so there is no code to be unsafe.
            let _ = unsafe { signal(ours, SigHandler::SigIgn) };
        }
        // Who ignores CHLD has no children to wait for: the kernel reaps them. See wait(2).
        // SAFETY: as above.
        let _ = unsafe { signal(nix::sys::signal::Signal::SIGCHLD, SigHandler::SigDfl) };
        let read = wanted.iter().copied().chain([Signal::CHLD]).filter(|s| can_be_read(*s));
        let set = set_of(read);
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let descriptor = SignalFd::with_flags(&set, flags).map_err(failed)?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&set), None).map_err(failed)?;
        Ok(Self { descriptor })
    }

    /// What is readable when a signal has come in.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Takes what has come in, as much of it as one turn takes. Of one signal below 32 that came
    /// several times between two looks the kernel keeps the first, see signal(7).
    pub fn take(&self, each: impl FnMut(Arrival)) {
        let mut buffer = [0; size_of::<Record>() * SIGNALS_A_TURN_MAX];
        // EAGAIN: there is none. Nothing else can be, and the loop comes again as long as there is.
        let bytes = read(&self.descriptor, &mut buffer).unwrap_or(0);
        let (records, _) = buffer.get(..bytes).unwrap_or_default().as_chunks();
        records.iter().filter_map(arrival).for_each(each);
    }
}

/// What the kernel wrote about a signal. Its fields have the places and sizes of signalfd(2).
fn arrival(record: &[u8; size_of::<Record>()]) -> Option<Arrival> {
    let field = |offset: usize| {
        let bytes = record.get(offset..)?.first_chunk()?;
        Some(i32::from_ne_bytes(*bytes))
    };
    let signal = Signal::from_number(field(offset_of!(Record, ssi_signo))?)?;
    let sender = match field(offset_of!(Record, ssi_code))? {
        libc::SI_KERNEL => Sender::Kernel,
        _ => Sender::Process,
    };
    let pid = field(offset_of!(Record, ssi_pid))?;
    Some(Arrival { signal, sender, pid: Some(pid).filter(|pid| *pid > 0) })
}

/// These signals, as the C library has them. nix's own sets have no realtime signals.
fn set_of(signals: impl Iterator<Item = Signal>) -> SigSet {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset(3) writes a whole set to where it is told to.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for signal in signals {
        // SAFETY: the set is one, and a number that no signal has is refused.
        unsafe { libc::sigaddset(set.as_mut_ptr(), signal.number()) };
    }
    // SAFETY: it was emptied, and so is initialised.
    let set = unsafe { set.assume_init() };
    // SAFETY: a set of the C library is what is asked for.
    unsafe { SigSet::from_sigset_t_unchecked(set) }
}

/// Every signal that can be passed on: all but those that cannot be blocked, those that say that
/// this very process is broken, those of the terminal to whoever touches it from the background,
/// CHLD, and the two that glibc keeps for its threads.
pub fn forwardable() -> impl Iterator<Item = Signal> {
    (1..=64)
        .filter_map(Signal::from_number)
        .filter(|signal| can_be_read(*signal))
        .filter(|signal| ![Signal::CHLD, Signal::TTIN, Signal::TTOU].contains(signal))
}

fn can_be_read(signal: Signal) -> bool {
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
    use nix::unistd::{getpid, gettid};

    use super::*;

    /// Sends `signal` to this thread alone: the others of the tests must not get it.
    fn send_to_self(signal: Signal) {
        let (own, thread) = (getpid().as_raw(), gettid().as_raw());
        // SAFETY: tgkill(2) takes three numbers.
        let result = unsafe { libc::syscall(libc::SYS_tgkill, own, thread, signal.number()) };
        assert_eq!(result, 0);
    }

    fn taken(signals: &Signals) -> Vec<i32> {
        let mut all = Vec::new();
        signals.take(|arrival| all.push(arrival.signal.number()));
        all.retain(|number| *number != libc::SIGCHLD);
        all
    }

    #[test]
    fn what_came_before_it_was_known_what_is_to_be_read_is_not_lost() {
        SigSet::all().thread_set_mask().unwrap();
        let realtime = Signal::from_number(libc::SIGRTMIN() + 3).unwrap();
        // Merged by the kernel, and queued.
        for signal in [Signal::TERM, Signal::TERM, realtime, realtime] {
            send_to_self(signal);
        }
        let signals = Signals::read_from_now_on(&[Signal::TERM, realtime]).unwrap();
        let realtime = realtime.number();
        assert_eq!(taken(&signals), [libc::SIGTERM, realtime, realtime]);
        assert!(taken(&signals).is_empty());
        send_to_self(Signal::TERM);
        assert_eq!(taken(&signals), [libc::SIGTERM]);
    }

    #[test]
    fn more_than_fits_into_a_turn_comes_in_the_next() {
        let realtime = Signal::from_number(libc::SIGRTMIN()).unwrap();
        let signals = Signals::read_from_now_on(&[realtime]).unwrap();
        for _ in 0..=SIGNALS_A_TURN_MAX {
            send_to_self(realtime);
        }
        assert_eq!(taken(&signals), [realtime.number(); SIGNALS_A_TURN_MAX]);
        assert_eq!(taken(&signals), [realtime.number()]);
    }

    #[test]
    fn who_sent_it_is_known() {
        let signals = Signals::read_from_now_on(&[Signal::HUP]).unwrap();
        send_to_self(Signal::HUP);
        let mut all = Vec::new();
        signals.take(|arrival| all.push(arrival));
        all.retain(|arrival| arrival.signal != Signal::CHLD);
        let pid = Some(getpid().as_raw());
        let expected = Arrival { signal: Signal::HUP, sender: Sender::Process, pid };
        assert_eq!(all, [expected]);
        // What the kernel says by itself, such as a key on the terminal.
        let mut record = [0; size_of::<Record>()];
        record[..4].copy_from_slice(&libc::SIGINT.to_ne_bytes());
        record[8..12].copy_from_slice(&libc::SI_KERNEL.to_ne_bytes());
        let expected = Arrival { signal: Signal::INT, sender: Sender::Kernel, pid: None };
        assert_eq!(arrival(&record), Some(expected));
    }

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
