//! Processes whose parents have ended: PID 1 has to reap them.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::prctl::set_name;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, pause, pipe2};

use crate::clock;
use crate::peer::MAKER;
use crate::processes::children;

/// Makes so many as its argument says, one after another; each dies at once.
pub(crate) const STREAM: &str = "orphans-stream";
/// Makes so many, and lets all of them die at the same moment.
pub(crate) const BURST: &str = "orphans-burst";
/// What it says at that moment.
pub(crate) const RELEASED: &str = "released";
/// Makes one at each USR1, waits until it has been reaped, and appends to the file that is its
/// argument how long that took.
pub(crate) const ON_REQUEST: &str = "orphan-on-request";

pub(crate) fn stream(words: &[String]) {
    for _ in 0..count(words) {
        fork_once_and_wait(|| {
            // Ends at once, as does its parent.
            let _ = fork_once();
        });
    }
    wait_until_reaped();
}

pub(crate) fn burst(words: &[String]) {
    let count = count(words);
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).expect("a descriptor is free");
    let mut writer = Some(writer);
    fork_once_and_wait(|| {
        // The end they wait for comes when the maker closes it, so nobody else may have it open.
        writer = None;
        for _ in 0..count {
            if let ForkResult::Child = fork_once() {
                wait_for_end(&reader);
                return;
            }
        }
    });
    println!("{RELEASED}");
    drop(writer);
    wait_until_reaped();
}

pub(crate) fn on_request(words: &[String]) {
    let path = words.first().expect("a file");
    let mut results = File::options().append(true).create(true).open(path).expect("a directory");
    let mut request = SigSet::empty();
    request.add(Signal::SIGUSR1);
    request.thread_block().expect("a signal that can be blocked");
    set_name(&std::ffi::CString::new(MAKER).expect("no NUL")).expect("a short name");
    while request.wait().is_ok() {
        let began = clock::now();
        let orphan = make_one();
        while kill(orphan, None) != Err(Errno::ESRCH) {
            std::thread::yield_now();
        }
        let took = clock::now().saturating_sub(began);
        writeln!(results, "{}", took.as_nanos()).expect("room for a line");
    }
    pause();
}

fn count(words: &[String]) -> usize {
    words.first().and_then(|word| word.parse().ok()).expect("a number")
}

/// Until PID 1 has no child left but the one that we are, or that we are below.
fn wait_until_reaped() {
    while children(1).len() > 1 {
        // To look is work as well, the more the more there are.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An orphan that dies at once.
fn make_one() -> Pid {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).expect("a descriptor is free");
    fork_once_and_wait(|| {
        if let ForkResult::Parent { child } = fork_once() {
            let mut pipe = File::from(writer.try_clone().expect("a descriptor is free"));
            pipe.write_all(&child.as_raw().to_ne_bytes()).expect("somebody reads");
        }
    });
    let mut pid = [0; 4];
    File::from(reader).read_exact(&mut pid).expect("it has been written");
    drop(writer);
    Pid::from_raw(i32::from_ne_bytes(pid))
}

fn wait_for_end(pipe: &OwnedFd) {
    let mut byte = [0];
    while nix::unistd::read(pipe, &mut byte).is_ok_and(|count| count > 0) {}
}

/// A child that does this and ends.
fn fork_once_and_wait(work: impl FnOnce()) {
    match fork_once() {
        ForkResult::Parent { child } => {
            waitpid(child, None).expect("it is our child");
        }
        ForkResult::Child => {
            work();
            // SAFETY: `_exit` takes no pointers.
            unsafe { nix::libc::_exit(0) };
        }
    }
}

fn fork_once() -> ForkResult {
    // SAFETY: this process has one thread, so its child may do whatever it could.
    unsafe { fork() }.expect("there is room for another process")
}
