//! onit as a process: what it changes about itself before it starts others, and what it found.

use std::io::stdin;
use std::os::fd::{FromRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Pid, getpid, getsid};

use crate::limits::{BERTH_SERVICES, DESCRIPTORS_MAX};
use crate::service::{Signal, Spec};

use super::berth::Berth;
use super::clock::wall_clock;
use super::spawn::Original;
use super::terminal::{self, Terminal};

/// What a running service takes: two pipes of two ends, the pipe of an exec, a notify socket, and
/// one of its own.
const DESCRIPTORS_A_SERVICE: usize = 7;
/// What onit takes for itself, clients, and probes.
pub(super) const SPARE: usize = 64;

/// What this service takes while it runs, and the pipe that says whether it was executed.
pub(super) fn descriptors(spec: &Spec) -> usize {
    let is_apart = usize::from(spec.log.stderr.is_some());
    let announces = usize::from(spec.ready.as_ref().is_some_and(|it| it.announcement.is_some()));
    let notifies = usize::from(spec.notifies());
    [3, 2usize.saturating_mul(is_apart), announces, notifies, spec.listen.len()].iter().sum()
}

/// This process, made ready to be everybody's parent.
#[derive(Clone, Debug)]
pub struct Process {
    original: Original,
    is_init: bool,
}

impl Process {
    /// Takes note of what children are to get back, and becomes fit to be their parent: room for
    /// descriptors, and every orphan below us becomes our child.
    #[must_use]
    pub fn prepare() -> Self {
        let original = Original::now();
        let (_, hard) = original.nofile;
        // Two descriptors a service and stream. What cannot be had is found out by the service
        // that needs it.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        let is_init = getpid() == Pid::from_raw(1);
        if !is_init {
            // PR_SET_CHILD_SUBREAPER, since Linux 3.4. Some sandboxes refuse it; then orphans are
            // the real init's, and there is nothing a user could do about it.
            let _ = prctl::set_child_subreaper(true);
        }
        one_arena();
        Self { original, is_init }
    }

    /// Makes room for the descriptors of so many services, before there is a second thread: with
    /// one, each time the kernel has to make more room it waits for all processors to have passed a
    /// quiet moment, some 10 ms (`expand_fdtable` in fs/file.c of Linux).
    pub fn make_room(&self, services: usize) {
        let descriptors = services.saturating_mul(DESCRIPTORS_A_SERVICE).saturating_add(SPARE);
        let (_, hard) = self.original.nofile;
        let most = i32::try_from(hard).unwrap_or(i32::MAX).min(DESCRIPTORS_MAX);
        let last = i32::try_from(descriptors).unwrap_or(i32::MAX).min(most).saturating_sub(1);
        // What cannot be had is found out by the service that needs it.
        let furthest = fcntl(stdin(), FcntlArg::F_DUPFD_CLOEXEC(last));
        if let Ok(furthest) = furthest {
            // SAFETY: fcntl has just made it for us.
            drop(unsafe { OwnedFd::from_raw_fd(furthest) });
        }
    }

    /// Where children leave our descriptors from, if there will be many services. One that is not
    /// to be had costs time, nothing else.
    #[must_use]
    pub fn berth(&self, services: usize) -> Option<Berth> {
        if services < BERTH_SERVICES { None } else { Berth::open().ok() }
    }

    /// How a main command gets the terminal. As PID 1 this gives ours up, if there is a main
    /// command to take it.
    #[must_use]
    pub fn terminal(&self, has_main: bool) -> Terminal {
        if !has_main {
            return Terminal::None;
        }
        // An engine makes PID 1 the leader of a session with a terminal of its own. In a namespace
        // entered from a shell the terminal is that of the shell's session, and stays so.
        let leads = getsid(None).is_ok_and(|session| session == getpid());
        if self.is_init && (leads || terminal::controlling().is_none()) {
            if leads {
                terminal::give_up();
            }
            Terminal::Own
        } else {
            Terminal::Share { foreground: terminal::is_foreground() }
        }
    }

    /// What children get back.
    #[must_use]
    pub fn original(&self) -> Original {
        let mut original = self.original.clone();
        // See `signals`.
        original.signals.extend([Signal::TTIN, Signal::TTOU]);
        original.signals.sort_unstable();
        original.signals.dedup();
        original
    }

    /// Where the randomness of retries begins: different for each container, and no more than that.
    #[must_use]
    pub fn seed(&self) -> u64 {
        wall_clock() ^ u64::from(std::process::id()).rotate_left(32)
    }
}

/// Keeps glibc from giving every relay thread a heap of its own: they allocate next to nothing.
fn one_arena() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: mallopt(3) takes two numbers. A refusal costs memory, nothing else.
        let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }
}
