//! The barest loops that do the same work, to compare with: they supervise nothing.
//!
//! The benchmark executes itself in these roles, so that they start from nothing like the rest.

use std::ffi::CString;
use std::process::{Command, ExitCode, Stdio};

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, execv, fork, pause};

/// Starts its second argument so many times as the first says, by fork and exec.
pub(crate) const FORK: &str = "floor-fork";
/// The same by `posix_spawn`, which is vfork and exec.
pub(crate) const VFORK: &str = "floor-vfork";
/// Makes so many orphans as its argument says.
pub(crate) const ORPHANS: &str = "floor-orphans";

/// Does nothing.
pub(crate) const NOTHING: &str = "floor-nothing";

pub(crate) fn is_role(word: &str) -> bool {
    [FORK, VFORK, ORPHANS, NOTHING].contains(&word)
}

pub(crate) fn play(role: &str, arguments: &[String]) -> ExitCode {
    let count = arguments.first().and_then(|word| word.parse().ok()).unwrap_or(0);
    let program = arguments.get(1).map_or("", String::as_str);
    match role {
        FORK => start_by_fork(count, program),
        VFORK => start_by_vfork(count, program),
        NOTHING => {}
        _ => make_orphans(count),
    }
    ExitCode::SUCCESS
}

fn start_by_fork(count: usize, program: &str) {
    let program = CString::new(program).expect("a path has no NUL");
    let words = [program.clone(), c"1000".to_owned()];
    for _ in 0..count {
        // SAFETY: this process has one thread, so its child may do whatever it could.
        let side = unsafe { fork() }.expect("there is room for another process");
        if let ForkResult::Child = side {
            let _ = execv(&program, &words);
            // SAFETY: `_exit` takes no pointers.
            unsafe { nix::libc::_exit(127) };
        }
    }
    pause();
}

fn start_by_vfork(count: usize, program: &str) {
    for _ in 0..count {
        // Nobody waits for it: it outlives us.
        let spawned = Command::new(program).arg("1000").stdin(Stdio::inherit()).spawn();
        drop(spawned.expect("there is room for another process"));
    }
    pause();
}

/// Each child forks and ends, which makes its child an orphan that is dead or dies at once.
fn make_orphans(count: usize) {
    for _ in 0..count {
        // SAFETY: this process has one thread, so its child may do whatever it could.
        match unsafe { fork() }.expect("there is room for another process") {
            ForkResult::Parent { child } => {
                waitpid(child, None).expect("it is our child");
            }
            ForkResult::Child => {
                // SAFETY: as above.
                let _ = unsafe { fork() };
                // SAFETY: `_exit` takes no pointers.
                unsafe { nix::libc::_exit(0) };
            }
        }
    }
}
