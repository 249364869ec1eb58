//! Should onit panic after all: the children hear TERM, and the exit code is 70.
//!
//! Without this an aborting PID 1 would die by SIGSEGV (its own SIGABRT is discarded by the
//! kernel), the container would show 139, and its processes would be killed unheard.

use std::io::Write;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use super::kin;

/// The exit code of an internal fault; `EX_SOFTWARE` of sysexits(3).
pub const FAULT: i32 = 70;

/// How long the children have between TERM and the end.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at who is left.
const PAUSE: Duration = Duration::from_millis(10);

/// From here on a panic of whichever thread sees the children off and ends the process.
pub fn prepare() {
    std::panic::set_hook(Box::new(|panic| {
        log::logger().flush();
        // One write, straight to stderr: the relay may be what is broken.
        let text = format!("onit | internal fault: {panic}; stopping everything\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
        see_off(Signal::SIGTERM);
        see_off(Signal::SIGCONT);
        let mut waited = Duration::ZERO;
        while waited < PATIENCE && !is_alone() {
            #[expect(clippy::disallowed_methods, reason = "there is no loop any more")]
            std::thread::sleep(PAUSE);
            waited = waited.saturating_add(PAUSE);
        }
        see_off(Signal::SIGKILL);
        // SAFETY: `_exit` ends the process without running anything that might panic again.
        unsafe { libc::_exit(FAULT) }
    }));
}

fn see_off(signal: Signal) {
    if getpid() == Pid::from_raw(1) {
        let _ = kill(Pid::from_raw(-1), signal);
    } else if kin::proc_is_ours() {
        for kin in kin::downwards(kin::own_children()) {
            let _ = kill(Pid::from_raw(kin.pid), signal);
        }
    }
}

/// Reaps whoever ended, and says whether nobody is left.
fn is_alone() -> bool {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return false,
            Err(Errno::EINTR) | Ok(_) => {}
            Err(_) => return true,
        }
    }
}
