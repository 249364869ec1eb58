//! The barest relay: one thread that moves what its services write to its own standard output.

use std::fs::File;
use std::io::{IoSlice, Read, Stdout};
use std::os::fd::AsFd;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;

use crate::floor::spawn;

/// Moves lines, each behind a prefix.
pub(crate) const RELAY: &str = "floor-relay";
/// Moves bytes.
pub(crate) const CAT: &str = "floor-cat";

/// What is read at once.
const BLOCK: usize = 64 << 10;

/// Writes what can be written; how many bytes at the end are left for the next time.
type Move = fn(&Stdout, &[u8]) -> usize;

struct Input {
    pipe: File,
    buffer: Vec<u8>,
    held: usize,
}

pub(crate) fn relay(commands: &[Vec<String>], write: Move) {
    let out = std::io::stdout();
    let mut inputs: Vec<Input> = commands.iter().map(|command| Input::of(command)).collect();
    while !inputs.is_empty() {
        // One is waited for by reading it.
        if let [input] = inputs.as_mut_slice() {
            if !input.take(&out, write) {
                return;
            }
            continue;
        }
        let ready = readable(&inputs);
        let mut ready = ready.into_iter();
        inputs.retain_mut(|input| !ready.next().unwrap_or(false) || input.take(&out, write));
    }
}

fn readable(inputs: &[Input]) -> Vec<bool> {
    let mut all: Vec<PollFd<'_>> =
        inputs.iter().map(|input| PollFd::new(input.pipe.as_fd(), PollFlags::POLLIN)).collect();
    poll(&mut all, PollTimeout::NONE).expect("descriptors that are open");
    all.iter().map(|one| one.any().unwrap_or(false)).collect()
}

impl Input {
    fn of(command: &[String]) -> Self {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).expect("a descriptor is free");
        spawn(command, Some(&writer));
        Self { pipe: File::from(reader), buffer: vec![0; BLOCK], held: 0 }
    }

    /// Moves what there is; `false` at its end.
    fn take(&mut self, out: &Stdout, write: Move) -> bool {
        let room = self.buffer.get_mut(self.held..).expect("within it");
        let count = self.pipe.read(room).unwrap_or(0);
        let end = self.held + count;
        let rest = write(out, self.buffer.get(..end).expect("within it"));
        self.buffer.copy_within(end - rest..end, 0);
        self.held = rest;
        count > 0
    }
}

/// All of it.
pub(crate) fn whole(out: &Stdout, bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = nix::unistd::write(out, rest).expect("somebody reads");
        rest = rest.get(written..).unwrap_or_default();
    }
    0
}

/// Each line behind a prefix; one that is not whole is left.
pub(crate) fn prefixed(out: &Stdout, bytes: &[u8]) -> usize {
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

fn write_parts(out: &Stdout, parts: &mut Vec<IoSlice<'_>>) {
    let mut left = parts.as_mut_slice();
    while !left.is_empty() {
        let written = nix::sys::uio::writev(out, left).expect("somebody reads");
        IoSlice::advance_slices(&mut left, written);
    }
    parts.clear();
}
