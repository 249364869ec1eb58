//! What the processes of a service use, read from /proc by the client that shows it: PID 1 has
//! better things to do.

use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use super::kin::{children, read_into};
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
    while let Some(pid) = to_visit.pop() {
        let mut text = Vec::new();
        if !read_into(format!("/proc/{pid}/stat").as_ref(), &mut text) {
            continue;
        }
        let Some((cpu, pages)) = parse(&text) else { continue };
        let all: &mut Usage = usage.get_or_insert_default();
        let cpu = Duration::from_secs(cpu).checked_div(ticks).unwrap_or_default();
        all.cpu = all.cpu.saturating_add(cpu);
        all.memory = all.memory.saturating_add(pages.saturating_mul(u64::from(page)));
        visited = visited.saturating_add(1);
        if visited < KIN_MAX {
            to_visit.extend(children(&pid.to_string()));
        }
    }
    usage
}

/// Fields 14 and 15 together, and 24: utime, stime and rss of proc_pid_stat(5). The name of the
/// program, in parentheses, may hold anything.
fn parse(stat: &[u8]) -> Option<(u64, u64)> {
    let behind_name = stat.iter().rposition(|byte| *byte == b')')?.checked_add(1)?;
    let text = std::str::from_utf8(stat.get(behind_name..)?).ok()?;
    let field = |number: usize| -> Option<u64> {
        text.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
    };
    Some((field(14)?.saturating_add(field(15)?), field(24)?))
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
        let stat = b"7 (a ) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 10 20 0 0 20 0 1 0 99 1000 42 18\n";
        assert_eq!(parse(stat), Some((30, 42)));
        assert_eq!(parse(b"7 (sh"), None);
    }

    #[test]
    fn we_use_something() {
        let own = of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.memory > 100_000);
    }
}
