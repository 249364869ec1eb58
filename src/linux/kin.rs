//! Who belongs to a run: its group, its session, and its mark.
//!
//! The mark is the soft `RLIMIT_LOCKS`, which the kernel has not enforced since 2.4 and every fork
//! and exec inherits; `/proc/PID/limits` can be read without any capability. Orphans become our
//! direct children, so what is left of a run is found from our unknown children downwards. Of
//! other processes only `children` and `limits` are read: `stat`, `environ` and `wchan` block while
//! a process hangs in exec. Under hidepid the mark of another user's process cannot be read; its
//! group and session are asked of the kernel without /proc.
//!
//! Where /proc is missing nobody is found; then only groups can be signalled.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;

use nix::unistd::{Pid, getpgid, getsid};

use crate::limits::KIN_MAX;
use crate::service::RunId;

use super::spawn;

/// A process found in /proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kin {
    /// The process.
    pub pid: i32,
    /// The run whose mark it bears.
    pub mark: Option<RunId>,
    /// Its process group, as numbered in our namespace.
    pub group: i32,
    /// Its session, as numbered in our namespace.
    pub session: i32,
}

impl Kin {
    /// Whether it belongs to the run that was started as process `leader`.
    #[must_use]
    pub fn is_of(&self, run: RunId, leader: i32) -> bool {
        // A process in a session outside of our namespace has the number 0.
        self.mark == Some(run) || self.group == leader || self.session == leader
    }
}

/// Whether /proc speaks of our own PID namespace. In one that was entered without mounting it anew
/// it speaks of another, whose numbers are other processes: then nobody is to be looked for.
#[must_use]
pub fn proc_is_ours() -> bool {
    let own = std::process::id().to_string();
    std::fs::read_link("/proc/self").is_ok_and(|link| link.as_os_str() == own.as_str())
}

/// Our own children, of all threads; none if /proc cannot say.
#[must_use]
pub fn own_children() -> Vec<i32> {
    children("self")
}

/// Our own children that nobody of us has forked, or that the first thread has: an orphan becomes a
/// child of that one.
#[must_use]
pub fn orphans() -> Vec<i32> {
    let mut all = Vec::new();
    add_children(format!("/proc/self/task/{}/children", std::process::id()).as_ref(), &mut all);
    all
}

/// Everybody from `roots` downwards, the roots included.
#[must_use]
pub fn downwards(roots: impl IntoIterator<Item = i32>) -> Vec<Kin> {
    let mut to_visit: Vec<i32> = roots.into_iter().collect();
    let mut seen: BTreeSet<i32> = to_visit.iter().copied().collect();
    let mut found = Vec::new();
    while let Some(pid) = to_visit.pop() {
        let Some(kin) = look_at(pid) else { continue };
        found.push(kin);
        if seen.len() > KIN_MAX {
            // A tree that grows faster than it is looked at: what is missed is found the next time.
            continue;
        }
        to_visit.extend(children(&pid.to_string()).into_iter().filter(|child| seen.insert(*child)));
    }
    found
}

/// The children of a process, of all its threads: proc_pid_task(5). Our own too, since an orphan
/// may be given to any of our threads.
pub(super) fn children(process: &str) -> Vec<i32> {
    let mut all = Vec::new();
    #[expect(clippy::disallowed_methods, reason = "a directory of /proc is on no dead mount")]
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return all };
    for thread in threads.flatten() {
        add_children(&thread.path().join("children"), &mut all);
    }
    all
}

fn add_children(path: &std::path::Path, all: &mut Vec<i32>) {
    let mut text = Vec::new();
    if read_into(path, &mut text) {
        all.extend(text.split(|byte| *byte == b' ').filter_map(number));
    }
}

/// What can be known of a process; none if it is gone.
fn look_at(pid: i32) -> Option<Kin> {
    let process = Some(Pid::from_raw(pid));
    // These need no /proc, so they work under hidepid too.
    let group = getpgid(process).ok()?.as_raw();
    let session = getsid(process).ok()?.as_raw();
    Some(Kin { pid, mark: mark(pid), group, session })
}

fn mark(pid: i32) -> Option<RunId> {
    let mut text = Vec::new();
    if !read_into(format!("/proc/{pid}/limits").as_ref(), &mut text) {
        return None;
    }
    let name = b"Max file locks";
    let line = text.split(|byte| *byte == b'\n').find(|line| line.starts_with(name))?;
    let soft = line.get(name.len()..)?.trim_ascii().split(|byte| *byte == b' ').next()?;
    let soft: u64 = std::str::from_utf8(soft).ok()?.parse().ok()?;
    soft.checked_sub(spawn::MARK).map(RunId)
}

pub(super) fn number(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// Reads a file of /proc, which never blocks for those that are read here.
#[expect(clippy::disallowed_methods, reason = "files of /proc are no FIFOs and on no dead mount")]
fn read_into(path: &std::path::Path, text: &mut Vec<u8>) -> bool {
    File::open(path).and_then(|mut file| file.read_to_end(text)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_find_ourselves() {
        let own = i32::try_from(std::process::id()).unwrap();
        let kin = look_at(own).unwrap();
        assert_eq!(kin.pid, own);
        assert_eq!(kin.mark, None);
        assert!(downwards([own]).iter().any(|kin| kin.pid == own));
    }

    #[test]
    fn nobody_is_found_where_nobody_is() {
        assert_eq!(look_at(i32::MAX), None);
        assert!(downwards([i32::MAX]).is_empty());
    }
}
