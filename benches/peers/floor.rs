//! The barest loops that do the same work, to compare with: they supervise nothing.
//!
//! The benchmark executes itself in these roles, so that they start from nothing like the rest.

use std::ffi::CString;
use std::io::{IoSlice, Read, Write};
use std::process::{Command, ExitCode, Stdio};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{wait, waitpid};
use nix::unistd::{ForkResult, Pid, execv, fork, pause};

use crate::flood::LAST;

/// Starts its second argument so many times as the first says, by fork and exec.
pub(crate) const FORK: &str = "floor-fork";
/// The same by `posix_spawn`, which is vfork and exec.
pub(crate) const VFORK: &str = "floor-vfork";
/// Makes so many orphans as its argument says.
pub(crate) const ORPHANS: &str = "floor-orphans";

/// Does nothing.
pub(crate) const NOTHING: &str = "floor-nothing";

/// As [`VFORK`]; on TERM it sends TERM to all and waits for them.
pub(crate) const STOP: &str = "floor-stop";

/// Writes so many bytes in lines of its second argument, and stays.
pub(crate) const FLOOD: &str = "floor-flood";
/// Starts that and moves its lines, each behind a prefix.
pub(crate) const RELAY: &str = "floor-relay";
/// Starts that and moves its bytes.
pub(crate) const CAT: &str = "floor-cat";

pub(crate) fn is_role(word: &str) -> bool {
    [FORK, VFORK, ORPHANS, NOTHING, STOP, FLOOD, RELAY, CAT].contains(&word)
}

pub(crate) fn play(role: &str, arguments: &[String]) -> ExitCode {
    let count = arguments.first().and_then(|word| word.parse().ok()).unwrap_or(0);
    let program = arguments.get(1).map_or("", String::as_str);
    match role {
        FORK => start_by_fork(count, program),
        VFORK => start_by_vfork(count, program),
        NOTHING => {}
        STOP => start_and_stop(count, program),
        FLOOD => flood(count, program.parse().unwrap_or(100)),
        RELAY => relay(arguments, true),
        CAT => relay(arguments, false),
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

fn start_and_stop(count: usize, program: &str) {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGTERM);
    let start = || Command::new(program).arg("1000").stdin(Stdio::inherit()).spawn();
    let children: Vec<_> =
        (0..count).map(|_| start().expect("there is room for another process")).collect();
    mask.thread_block().expect("a signal that can be blocked");
    mask.wait().expect("a signal that is blocked");
    for child in &children {
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("our own child");
    }
    while wait().is_ok() {}
}

fn flood(bytes: usize, length: usize) {
    let mut line = vec![b'x'; length.saturating_sub(1)];
    line.push(b'\n');
    let block = line.repeat((64 << 10) / length);
    let mut out = std::io::stdout().lock();
    for _ in 0..bytes / block.len() {
        out.write_all(&block).expect("somebody reads");
    }
    out.write_all(LAST).expect("somebody reads");
    out.flush().expect("somebody reads");
    pause();
}

fn relay(arguments: &[String], by_line: bool) {
    let ourselves = std::env::current_exe().expect("/proc is there");
    let writer = Command::new(ourselves).arg(FLOOD).args(arguments).stdout(Stdio::piped()).spawn();
    let mut writer = writer.expect("there is room for another process");
    let mut input = writer.stdout.take().expect("a pipe was asked for");
    let out = std::io::stdout();
    let mut buffer = vec![0; 64 << 10];
    let mut held = 0;
    loop {
        let room = buffer.get_mut(held..).expect("within it");
        let count = input.read(room).unwrap_or(0);
        if count == 0 {
            break;
        }
        let filled = buffer.get(..held + count).expect("within it");
        let rest = if by_line { write_lines(&out, filled) } else { write_whole(&out, filled) };
        let from = held + count - rest;
        held += count;
        buffer.copy_within(from..held, 0);
        held = rest;
    }
    let _ = writer.wait();
}

fn write_whole(out: &std::io::Stdout, bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = nix::unistd::write(out, rest).expect("somebody reads");
        rest = rest.get(written..).unwrap_or_default();
    }
    0
}

/// Each line behind a prefix; how many bytes are left of one that is not whole.
fn write_lines(out: &std::io::Stdout, bytes: &[u8]) -> usize {
    let mut parts = Vec::with_capacity(1024);
    let mut rest = bytes;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, after) = rest.split_at(end + 1);
        parts.push(IoSlice::new(b"web | "));
        parts.push(IoSlice::new(line));
        rest = after;
        if parts.len() == parts.capacity() {
            write_parts(out, &mut parts);
        }
    }
    write_parts(out, &mut parts);
    rest.len()
}

fn write_parts(out: &std::io::Stdout, parts: &mut Vec<IoSlice<'_>>) {
    let mut left = parts.as_mut_slice();
    while !left.is_empty() {
        let written = nix::sys::uio::writev(out, left).expect("somebody reads");
        IoSlice::advance_slices(&mut left, written);
    }
    parts.clear();
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
