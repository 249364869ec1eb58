//! A service that is killed: from the KILL to the exec of the next.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::floor;
use crate::peer::{Part, sleeper};
use crate::processes::Census;
use crate::report::{Samples, Table, contest, seconds, shown};
use crate::running::{Output, Running};
use crate::workshop::Workshop;

const KILLS: usize = 20;

/// Longer than the second before which s6, runit and supervisord take an end for a failed start.
const UP: Duration = Duration::from_millis(1300);

/// monit looks once a second.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(workshop: &Workshop) {
    let kills = workshop.rounds(KILLS);
    let title = format!("Restart after a KILL, {kills} times, after {UP:?} of being up");
    let head = ["", "median", "to the floor", "longest", "returned"];
    let mut table = Table::new(title, &head);
    let task = workshop.sleepers(1);
    let mut running = Vec::new();
    let floor = workshop.floor("wait, vfork, exec", floor::KEEP);
    for contestant in std::iter::once(floor).chain(workshop.peers(Part::Services)) {
        let mut census = Census::from_now_on(sleeper());
        let Ok(words) = workshop.prepare(&contestant, &task) else { continue };
        let one = Running::start(&words, Output::Null);
        if census.wait_for(1) {
            running.push((contestant.name, one));
        } else {
            table.note(format!("{} did not start it", contestant.name));
        }
    }
    let mut up = Instant::now();
    let all = contest(kills, running, |(name, running)| {
        // The floor comes first, and everybody is killed once a round: all are up since then.
        if name.starts_with("floor") {
            std::thread::sleep(UP.saturating_sub(up.elapsed()));
            up = Instant::now();
        }
        measure(running)
    });
    let floor = all.first().map_or(Samples::default(), |(_, times)| Samples::of(times, |it| *it));
    for ((name, _), times) in &all {
        let times = Samples::of(times, |time| *time);
        let cells = [
            shown(times.median(), seconds),
            times.to_floor(&floor),
            shown(times.longest(), seconds),
            times.count().to_string(),
        ];
        table.row(name, cells);
    }
    table.note("who takes long is killed less often");
    table.note("goal: 1.3 ×");
    table.print();
}

/// How long the next one lets one wait for it.
pub(crate) fn measure(running: &Running) -> Option<f64> {
    let victim = running.one_called(sleeper())?;
    let mut census = Census::from_now_on(sleeper());
    let start = Instant::now();
    kill(victim, Signal::SIGKILL).ok()?;
    census.wait_for_next(PATIENCE).then(|| start.elapsed().as_secs_f64())
}
