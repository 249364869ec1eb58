//! The barest PID 1 for each workload, to compare with: they supervise nothing.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, wait, waitpid};
use nix::unistd::{ForkResult, Pid, execv, fork, pause};

/// Does nothing.
pub(crate) const NOTHING: &str = "floor-nothing";
/// Starts its services by fork and exec.
pub(crate) const FORK: &str = "floor-fork";
/// The same by `posix_spawn`, which is vfork and exec.
pub(crate) const VFORK: &str = "floor-vfork";
/// As that; on TERM it sends TERM to all and waits for them.
pub(crate) const STOP: &str = "floor-stop";
/// Starts its service again as soon as it has ended.
pub(crate) const KEEP: &str = "floor-keep";
/// Passes signals on to its command and reaps, until the command has ended.
pub(crate) const INIT: &str = "floor-init";

/// Commands with their arguments.
type Commands = [Vec<String>];

pub(crate) fn start_by_fork(commands: &Commands) {
    for command in commands {
        let words: Vec<CString> = command.iter().map(|word| text(word)).collect();
        let program = words.first().expect("a program");
        // SAFETY: this process has one thread, so its child may do whatever it could.
        let side = unsafe { fork() }.expect("there is room for another process");
        if let ForkResult::Child = side {
            let _ = execv(program, &words);
            // SAFETY: `_exit` takes no pointers.
            unsafe { nix::libc::_exit(127) };
        }
    }
    pause();
}

pub(crate) fn start_by_vfork(commands: &Commands) {
    for command in commands {
        spawn(command, None);
    }
    pause();
}

pub(crate) fn start_and_stop(commands: &Commands) {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGTERM);
    mask.thread_block().expect("a signal that can be blocked");
    let children: Vec<Pid> = commands.iter().map(|command| spawn(command, None)).collect();
    mask.wait().expect("a signal that is blocked");
    for child in children {
        kill(child, Signal::SIGTERM).expect("our own child");
    }
    while wait().is_ok() {}
}

pub(crate) fn keep(commands: &Commands) {
    let command = commands.first().expect("one service");
    loop {
        spawn(command, None);
        wait().expect("our own child");
    }
}

/// The least that has to be done for a single command.
pub(crate) fn init(commands: &Commands) {
    let signals = SigSet::all();
    signals.thread_block().expect("signals that can be blocked");
    let main = spawn(commands.first().expect("a command"), None);
    loop {
        let signal = signals.wait().expect("signals that are blocked");
        if signal != Signal::SIGCHLD {
            let _ = kill(main, signal);
            continue;
        }
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(_) => break,
                Ok(ended) if ended.pid() == Some(main) => return,
                Ok(_) => {}
            }
        }
    }
}

/// By `posix_spawn`, which is vfork and exec, with all signals unblocked.
pub(crate) fn spawn(command: &[String], stdout: Option<&OwnedFd>) -> Pid {
    let words: Vec<CString> = command.iter().map(|word| text(word)).collect();
    let variables = std::env::vars().map(|(name, value)| text(&format!("{name}={value}")));
    let variables: Vec<CString> = variables.collect();
    let mut actions = PosixSpawnFileActions::init().expect("there is memory");
    if let Some(stdout) = stdout {
        actions.add_dup2(stdout.as_raw_fd(), 1).expect("there is memory");
    }
    let mut attributes = PosixSpawnAttr::init().expect("there is memory");
    let flags = PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF;
    attributes.set_flags(flags).expect("flags there are");
    attributes.set_sigmask(&SigSet::empty()).expect("a set of signals");
    // The runtime of Rust ignores it.
    let pipe: SigSet = [Signal::SIGPIPE].into_iter().collect();
    attributes.set_sigdefault(&pipe).expect("a set of signals");
    let program = words.first().expect("a program");
    posix_spawnp(program, &actions, &attributes, &words, &variables)
        .expect("there is room for another process")
}

fn text(word: &str) -> CString {
    CString::new(word).expect("no word has a NUL")
}
