//! What /proc says about processes; see proc(5).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a supervisor may take for anything. The slowest needs a good part of it
/// for a thousand services.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How soon somebody is there who is started at once.
const EXPECTED: Duration = Duration::from_millis(20);

/// The kernel gives out a pid a moment before it shows the process, so one that is not there is
/// looked for a few times more.
const LOOKS: u8 = 5;

/// Finds processes of one name as they appear, without looking at all there are each time.
///
/// The kernel hands out pids in order, and the last one is told cheaply, so each look only costs
/// what is new, and what has not been executed yet.
pub(crate) struct Census {
    name: String,
    last: u32,
    /// Who has not executed it yet, and how often each was not to be seen.
    undecided: Vec<(u32, u8)>,
    found: usize,
}

impl Census {
    /// Counts processes called `name` that start from now on.
    pub(crate) fn from_now_on(name: &str) -> Self {
        Self { name: name.to_owned(), last: last_pid(), undecided: Vec::new(), found: 0 }
    }

    /// How many there were so far.
    pub(crate) fn look(&mut self) -> usize {
        let last = last_pid();
        while self.last != last {
            self.last = if self.last >= pid_max() { 1 } else { self.last + 1 };
            self.undecided.push((self.last, 0));
        }
        let (name, found) = (&self.name, &mut self.found);
        self.undecided.retain_mut(|(pid, misses)| match comm(*pid) {
            Some(comm) if comm == *name => {
                *found += 1;
                false
            }
            Some(_) => true,
            None => {
                *misses += 1;
                *misses < LOOKS
            }
        });
        self.found
    }

    /// Waits until there were `wanted` of them; `false` if that never happens.
    pub(crate) fn wait_for(&mut self, wanted: usize) -> bool {
        // Looking without a pause would take the second core away from what is measured.
        wait_until(PATIENCE, || self.look() >= wanted)
    }

    /// Waits for the next one, without a pause at first: it is expected at once.
    pub(crate) fn wait_for_next(&mut self, patience: Duration) -> bool {
        let wanted = self.found + 1;
        let start = Instant::now();
        while start.elapsed() < EXPECTED {
            if self.look() >= wanted {
                return true;
            }
        }
        wait_until(patience, || self.look() >= wanted)
    }
}

/// Looks again and again until something holds; `false` if it never does.
pub(crate) fn wait_until(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !holds() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    true
}

/// The name of the program a process has executed.
pub(crate) fn comm(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// The children of all threads of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let lists = threads(pid).filter_map(|thread| fs::read_to_string(thread.join("children")).ok());
    lists.flat_map(|list| numbers(&list)).collect()
}

/// A process and everything below it.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(next) = all.get(at) {
        let more = children(*next);
        all.extend(more);
        at += 1;
    }
    all
}

/// The anonymous memory of a process that is in RAM, in bytes.
pub(crate) fn anonymous(pid: u32) -> u64 {
    field(Path::new(&format!("/proc/{pid}/status")), "RssAnon") << 10
}

/// Its pages that nobody else has mapped, in bytes.
pub(crate) fn private(pid: u32) -> u64 {
    let path = format!("/proc/{pid}/smaps_rollup");
    (field(Path::new(&path), "Private_Clean") + field(Path::new(&path), "Private_Dirty")) << 10
}

/// The proportional set size, in bytes: pages that are shared count in parts.
pub(crate) fn pss(pid: u32) -> u64 {
    field(Path::new(&format!("/proc/{pid}/smaps_rollup")), "Pss") << 10
}

/// How often all threads of a process went to sleep or were sent to.
pub(crate) fn context_switches(pid: u32) -> u64 {
    let switches = threads(pid).map(|thread| {
        let path = thread.join("status");
        field(&path, "voluntary_ctxt_switches") + field(&path, "nonvoluntary_ctxt_switches")
    });
    switches.sum()
}

/// The processor time of all threads a process has, to the nanosecond; see proc(5), schedstat.
pub(crate) fn worked(pid: u32) -> Duration {
    let times = threads(pid).filter_map(|thread| {
        let text = fs::read_to_string(thread.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum())
}

/// How many bytes a process has written so far; see proc(5), io.
pub(crate) fn written(pid: u32) -> u64 {
    field(Path::new(&format!("/proc/{pid}/io")), "wchar")
}

fn threads(pid: u32) -> impl Iterator<Item = PathBuf> {
    let all = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    all.map(|thread| thread.path())
}

fn field(path: &Path, key: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn last_pid() -> u32 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().last().and_then(|pid| pid.parse().ok()).unwrap_or(0)
}

fn pid_max() -> u32 {
    static KNOWN: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *KNOWN.get_or_init(|| {
        let text = fs::read_to_string("/proc/sys/kernel/pid_max").unwrap_or_default();
        text.trim().parse().unwrap_or(u32::MAX)
    })
}

fn numbers(text: &str) -> Vec<u32> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}
