//! What it takes to move what services write: who moves it, into what, and at what cost.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::floor;
use crate::floor_relay;
use crate::peer::{Log, Part, Task};
use crate::processes::wait_until;
use crate::running::{Output, Running};
use crate::workshop::{Contestant, Workshop};
use crate::writer::{Gate, Job};

/// Circus moves some 10 MB a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// So long nothing more has to come until it is taken for granted that nothing will.
const QUIET: Duration = Duration::from_millis(150);

/// Where lines go in the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// PID 1 has /dev/null for its standard output.
    Null,
    /// It has a pipe there that is read as fast as can be.
    Pipe,
    /// The supervisor keeps files; floors have a file for their standard output.
    File,
}

/// What one contestant took for one job.
pub(crate) struct Moved {
    /// Seconds from the first write to the last read.
    pub(crate) took: f64,
    /// Seconds of the processor: of all the supervisor's processes.
    pub(crate) worked: f64,
    /// The same of the writers.
    pub(crate) writers_worked: f64,
    /// What came out of the pipe, if it was to be kept.
    pub(crate) output: Vec<u8>,
}

/// What is done with what comes out of the pipe.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    All,
}

impl Target {
    pub(crate) const ALL: [Self; 3] = [Self::Null, Self::Pipe, Self::File];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "/dev/null",
            Self::Pipe => "a pipe",
            Self::File => "a file",
        }
    }

    fn log(self) -> Log {
        match self {
            Self::Null | Self::Pipe => Log::Console,
            Self::File => Log::Files,
        }
    }
}

/// The floors first: one that puts a prefix before each line, one that only reads and writes.
pub(crate) fn movers(workshop: &Workshop) -> Vec<Contestant> {
    let relay = workshop.floor("memchr, writev", floor_relay::RELAY);
    let cat = workshop.floor("cat", floor_relay::CAT);
    [vec![relay, cat], workshop.peers(Part::Logs)].concat()
}

/// Services that write to the same descriptor as PID 1: nobody moves anything.
pub(crate) fn nobody(workshop: &Workshop) -> Contestant {
    workshop.floor("nobody in between", floor::VFORK)
}

/// Why some cannot do it.
pub(crate) fn unable(workshop: &Workshop, target: Target) -> Vec<String> {
    let task = Task { commands: vec![workshop.sleeper()], log: target.log() };
    let reason = |mover: Contestant| {
        let why = workshop.prepare(&mover, &task).err()?;
        Some(format!("{}, into {}: {why}", mover.name, target.name()))
    };
    movers(workshop).into_iter().filter_map(reason).collect()
}

/// Has the job done; nothing if it cannot be, or not in time.
pub(crate) fn measure(
    workshop: &Workshop,
    mover: &Contestant,
    job: Job,
    target: Target,
    keep: Keep,
) -> Option<Moved> {
    let mut gate = Gate::closed(workshop.room(), job);
    let task = Task { commands: job.commands(workshop, &gate), log: target.log() };
    let words = workshop.prepare(mover, &task).ok()?;
    let output = match target {
        Target::Null => Output::Null,
        Target::Pipe => Output::Pipe,
        Target::File if mover.is_floor() => {
            Output::File(File::create(workshop.room().join("out")).expect("our own folder"))
        }
        Target::File => Output::Null,
    };
    let mut running = Running::start(&words, output);
    let reader = (target == Target::Pipe).then(|| Reader::of(running.stdout(), keep));
    if !gate.all_wait(PATIENCE) {
        return None;
    }
    running.settle();
    let before = running.supervisors_worked();
    gate.open();
    let results = gate.results(PATIENCE)?;
    if let Some(reader) = reader.as_ref().filter(|_| keep == Keep::All) {
        reader.wait_for_quiet();
    }
    let worked = running.supervisors_worked().saturating_sub(before).as_secs_f64();
    drop(running);
    let began = results.iter().map(|one| one.began).min()?;
    let ended = results.iter().map(|one| one.ended).max()?;
    Some(Moved {
        took: ended.saturating_sub(began).as_secs_f64(),
        worked,
        writers_worked: results.iter().map(|one| one.worked).sum::<Duration>().as_secs_f64(),
        output: reader.map(Reader::end).unwrap_or_default(),
    })
}

/// Reads a pipe to its end.
pub(crate) struct Reader {
    thread: JoinHandle<Vec<u8>>,
    came: Arc<AtomicU64>,
}

impl Reader {
    pub(crate) fn of(mut pipe: File, keep: Keep) -> Self {
        let came = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&came);
        let thread = std::thread::spawn(move || {
            let mut kept = Vec::new();
            let mut buffer = vec![0; 1 << 20];
            loop {
                let count = pipe.read(&mut buffer).unwrap_or(0);
                if count == 0 {
                    return kept;
                }
                if keep == Keep::All {
                    kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
                }
                counted.fetch_add(count as u64, Ordering::Relaxed);
            }
        });
        Self { thread, came }
    }

    /// Waits until nothing more comes for a while.
    pub(crate) fn wait_for_quiet(&self) {
        let mut before = u64::MAX;
        wait_until(PATIENCE, || {
            let now = self.came.load(Ordering::Relaxed);
            let quiet = now == before;
            before = now;
            if !quiet {
                std::thread::sleep(QUIET);
            }
            quiet
        });
    }

    /// What was kept, when the other end is closed.
    pub(crate) fn end(self) -> Vec<u8> {
        self.thread.join().unwrap_or_default()
    }
}
