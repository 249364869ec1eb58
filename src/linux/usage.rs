//! What the processes of a service use, read from /proc by the client that shows it: PID 1 has
//! better things to do.

use std::time::Duration;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{SysconfVar, read, sysconf};

use super::kin::{children, number};
use crate::limits::KIN_MAX;

/// What a process and everybody below it use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time since they were started.
    pub cpu: Duration,
    /// Resident memory, in bytes. What they share is counted for each.
    pub memory: u64,
}

/// What `pid` and everybody below it use; none if it is gone or /proc cannot say.
#[must_use]
pub fn of(pid: i32) -> Option<Usage> {
    let ticks = positive(sysconf(SysconfVar::CLK_TCK));
    let page = positive(sysconf(SysconfVar::PAGE_SIZE));
    let mut usage = None;
    let mut to_visit = vec![pid];
    let mut visited = 0usize;
    // One read is enough for what is read here, and one buffer for all.
    let mut buffer = [0; 4096];
    while let Some(pid) = to_visit.pop() {
        let Some(text) = read_once(&format!("/proc/{pid}/stat"), &mut buffer) else { continue };
        let Some(stat) = Stat::parse(text) else { continue };
        let all: &mut Usage = usage.get_or_insert_default();
        let cpu = Duration::from_secs(stat.ticks).checked_div(ticks).unwrap_or_default();
        all.cpu = all.cpu.saturating_add(cpu);
        all.memory = all.memory.saturating_add(stat.pages.saturating_mul(u64::from(page)));
        visited = visited.saturating_add(1);
        if visited >= KIN_MAX {
            continue;
        }
        if stat.threads > 1 {
            to_visit.extend(children(&pid.to_string()));
            continue;
        }
        // Most have one thread, which bears the number of the process.
        let path = format!("/proc/{pid}/task/{pid}/children");
        match read_once(&path, &mut buffer) {
            Some(text) if text.len() < 4096 => {
                to_visit.extend(text.split(|byte| *byte == b' ').filter_map(number));
            }
            Some(_) => to_visit.extend(children(&pid.to_string())),
            None => {}
        }
    }
    usage
}

/// What is said of a process.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    ticks: u64,
    threads: u64,
    pages: u64,
}

impl Stat {
    /// Fields 14 and 15 together, 20, and 24: utime, stime, num_threads and rss of
    /// proc_pid_stat(5). The name of the program, in parentheses, may hold anything.
    fn parse(stat: &[u8]) -> Option<Self> {
        let behind_name = stat.iter().rposition(|byte| *byte == b')')?.checked_add(1)?;
        let text = std::str::from_utf8(stat.get(behind_name..)?).ok()?;
        let mut fields = text.split_ascii_whitespace().skip(14 - 3);
        let mut next = |skip: usize| -> Option<u64> { fields.nth(skip)?.parse().ok() };
        let ticks = next(0)?.saturating_add(next(0)?);
        Some(Self { ticks, threads: next(20 - 16)?, pages: next(24 - 21)? })
    }
}

/// A file of /proc, as far as it fits.
fn read_once<'a>(path: &str, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let file = open(path, flags, Mode::empty()).ok()?;
    let bytes = read(&file, buffer).ok()?;
    buffer.get(..bytes)
}

/// Both are known to be there on Linux; 1 keeps a division harmless.
fn positive(value: nix::Result<Option<libc::c_long>>) -> u32 {
    value.ok().flatten().and_then(|value| u32::try_from(value).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_name() {
        let stat = b"7 (a ) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 10 20 0 0 20 0 3 0 99 1000 42 18\n";
        assert_eq!(Stat::parse(stat), Some(Stat { ticks: 30, threads: 3, pages: 42 }));
        assert_eq!(Stat::parse(b"7 (sh"), None);
    }

    #[test]
    fn we_use_something() {
        let own = of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.memory > 100_000);
    }
}
