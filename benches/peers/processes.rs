//! What /proc says about processes; see proc(5).

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a supervisor may take for anything. The slowest needs six seconds for its start.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Finds processes of one name as they appear, without looking at all there are each time.
///
/// The kernel hands out pids in order, and the last one is told cheaply, so each look only costs
/// what is new, and what has not been executed yet.
pub(crate) struct Census {
    name: String,
    last: u32,
    undecided: Vec<u32>,
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
            self.undecided.push(self.last);
        }
        let before = self.undecided.len();
        let name = &self.name;
        let mut gone = 0;
        self.undecided.retain(|pid| match comm(*pid) {
            Some(comm) => comm != *name,
            None => {
                gone += 1;
                false
            }
        });
        self.found += before - self.undecided.len() - gone;
        self.found
    }

    /// Waits until there were `wanted` of them; `false` if that never happens.
    pub(crate) fn wait_for(&mut self, wanted: usize) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while self.look() < wanted {
            if Instant::now() > deadline {
                return false;
            }
            // Looking without a pause would take the second core away from what is measured.
            std::thread::sleep(Duration::from_micros(200));
        }
        true
    }
}

/// The name of the program a process has executed.
pub(crate) fn comm(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// The children of all threads of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
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

/// A number of /proc/PID/status, such as `RssAnon`.
pub(crate) fn status(pid: u32, key: &str) -> u64 {
    field(Path::new(&format!("/proc/{pid}/status")), key)
}

/// The proportional set size, in KiB: pages that are shared count in parts.
pub(crate) fn pss(pid: u32) -> u64 {
    field(Path::new(&format!("/proc/{pid}/smaps_rollup")), "Pss")
}

/// How often all threads of a process went to sleep or were sent to.
pub(crate) fn context_switches(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let switches = threads.map(|thread| {
        let path = thread.path().join("status");
        field(&path, "voluntary_ctxt_switches") + field(&path, "nonvoluntary_ctxt_switches")
    });
    switches.sum()
}

/// The processor time a process has used. The kernel counts it in ticks of 10 ms.
pub(crate) fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may contain anything, so fields are counted from its closing parenthesis.
    let (_, rest) = stat.rsplit_once(')').unwrap_or_default();
    let ticks =
        rest.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
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
