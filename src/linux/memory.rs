//! Memory: whether the kernel killed for want of it, by the container's `oom_kill` count; and
//! giving back what is not needed any more.

use crate::linux::files;

/// The count of cgroup v2 (`memory.events`), else of v1 (`memory.oom_control`); see the kernel's
/// admin-guide/cgroup-v2.rst. None where neither can be read, as on a host's root cgroup.
#[must_use]
pub fn oom_kills() -> Option<u64> {
    ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"]
        .iter()
        .find_map(|path| parse(&files::read(path.as_ref(), SIZE_MAX).ok()?))
}

/// Gives freed memory back to the kernel, from the middle of the heap too. Costs about as much as
/// reading the heap once.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: malloc_trim(3) takes a number.
        let _ = unsafe { libc::malloc_trim(0) };
    }
}

/// Both files are a dozen short lines.
const SIZE_MAX: usize = 4096;

fn parse(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_both_files() {
        assert_eq!(parse(b"low 0\noom 3\noom_kill 2\noom_group_kill 0\n"), Some(2));
        assert_eq!(parse(b"oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), Some(7));
        assert_eq!(parse(b"low 0\n"), None);
        assert_eq!(parse(b"\xff"), None);
    }
}
