//! Nobody reads the supervisor's output while a service floods it: what that does to its memory,
//! and to everybody else it looks after.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use crate::moving::{Keep, Reader, Target, movers, unable};
use crate::orphan_maker::ON_REQUEST;
use crate::peer::{ACTOR, Log, MAKER, Task, sleeper};
use crate::processes::{wait_until, written};
use crate::report::{NOTHING, Samples, Table, contest, seconds, size};
use crate::restart;
use crate::running::{Output, Running};
use crate::workshop::{Contestant, Workshop};
use crate::writer::{Gate, Job, WRITE};

const ROUNDS: usize = 3;
const FLOOD: Job = Job { role: WRITE, writers: 1, lines: 320_000, length: 100, block: 4096 };

/// Who is not there by then is not coming.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who has not written anything for so long is blocked.
const BLOCKED: Duration = Duration::from_millis(500);

const ORPHANS: usize = 5;
const KILLS: usize = 3;

/// Longer than the second before which s6 and supervisord take an end for a failed start.
const UP: Duration = Duration::from_millis(1300);

/// Whether the supervisor's output is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    On,
    Stalled,
}

/// What was seen; what did not happen is nothing.
struct Seen {
    memory: f64,
    restart: Option<f64>,
    reap: Option<f64>,
    stop: Option<f64>,
}

pub(crate) fn run(workshop: &Workshop) {
    let rounds = workshop.rounds(ROUNDS);
    let title = format!(
        "Nobody reads, while a service writes {} MB; median of {rounds}, with a reader in brackets",
        FLOOD.bytes() / 1_000_000
    );
    let mut table =
        Table::new(title, &["", "memory (anonymous)", "restart", "reap an orphan", "stop"]);
    let peers = || -> Vec<(Contestant, Reading)> {
        let relays = movers(workshop).into_iter().filter(|mover| !mover.is_floor());
        relays.map(|mover| (mover, Reading::Stalled)).collect()
    };
    let beside = peers().into_iter().map(|(mover, _)| (mover, Reading::On));
    let contestants = peers().into_iter().zip(beside).flat_map(|(a, b)| [a, b]).collect();
    let all = contest(rounds, contestants, |(mover, reading)| measure(workshop, mover, *reading));
    for pair in all.chunks(2) {
        let [((mover, _), stalled), (_, read)] = pair else { continue };
        if stalled.is_empty() {
            continue;
        }
        let both = |number: fn(&Seen) -> Option<f64>, show: fn(f64) -> String| {
            let one = |seen: &[Seen]| {
                let measured: Vec<f64> = seen.iter().filter_map(number).collect();
                let never = if seen.is_empty() { NOTHING } else { "never" };
                Samples::of(&measured, |it| *it).median().map_or(never.to_owned(), show)
            };
            format!("{} ({})", one(stalled), one(read))
        };
        let cells = [
            both(|seen| Some(seen.memory), size),
            both(|seen| seen.restart, seconds),
            both(|seen| seen.reap, seconds),
            both(|seen| seen.stop, seconds),
        ];
        table.row(&mover.name, cells);
    }
    unable(workshop, Target::Pipe).into_iter().for_each(|why| table.note(why));
    table.note(format!("never: not within {PATIENCE:?}"));
    table.note("goal: below 2 MiB, and all within 5 ms");
    table.print();
}

/// A service that floods, one that is killed, and one that makes orphans.
fn measure(workshop: &Workshop, mover: &Contestant, reading: Reading) -> Option<Seen> {
    let mut gate = Gate::closed(workshop.room(), FLOOD);
    let reaped = workshop.room().join("reaped");
    let mut commands = FLOOD.commands(workshop, &gate);
    commands.push(workshop.sleeper());
    commands.push(workshop.actor(ON_REQUEST, &[reaped.display().to_string()]));
    let words = workshop.prepare(mover, &Task { commands, log: Log::Console }).ok()?;
    let mut running = Running::start(&words, Output::Pipe);
    let pipe = running.stdout();
    let reader = (reading == Reading::On)
        .then(|| Reader::of(pipe.try_clone().expect("a descriptor is free"), Keep::Nothing));
    let there = gate.all_wait(PATIENCE)
        && wait_until(PATIENCE, || running.one_called(MAKER).is_some())
        && wait_until(PATIENCE, || running.one_called(sleeper()).is_some());
    if !there {
        return None;
    }
    std::thread::sleep(UP);
    gate.open();
    wait_until(PATIENCE, || gate.has_ended() || is_blocked(&running));
    let seen = Seen {
        memory: running.memory().anonymous,
        restart: middle((0..KILLS).map_while(|kill| {
            if kill > 0 {
                std::thread::sleep(UP);
            }
            restart::measure(&running)
        })),
        reap: middle((0..ORPHANS).map_while(|orphan| reap(&running, &reaped, orphan))),
        stop: running.stopped_within(PATIENCE),
    };
    drop(running);
    if let Some(reader) = reader {
        reader.end();
    }
    Some(seen)
}

/// Whether the writer has stopped writing.
fn is_blocked(running: &Running) -> bool {
    let Some(writer) = running.one_called(ACTOR) else { return true };
    let pid = writer.as_raw().unsigned_abs();
    let before = written(pid);
    std::thread::sleep(BLOCKED);
    written(pid) == before
}

/// Has an orphan made; how long it was there.
fn reap(running: &Running, results: &Path, before: usize) -> Option<f64> {
    let maker = running.one_called(MAKER)?;
    let said = || fs::read_to_string(results).unwrap_or_default();
    kill(maker, Signal::SIGUSR1).ok()?;
    wait_until(PATIENCE, || said().lines().count() > before).then_some(())?;
    let time = crate::clock::read(said().lines().nth(before)?)?;
    Some(time.as_secs_f64())
}

fn middle(times: impl Iterator<Item = f64>) -> Option<f64> {
    let times: Vec<f64> = times.collect();
    Samples::of(&times, |time| *time).median()
}
