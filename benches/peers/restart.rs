//! A service that is killed: from the KILL to the exec of the next.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::floor;
use crate::peer::{Part, sleeper};
use crate::processes::Census;
use crate::report::{latencies, paced_contest};
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
    let task = workshop.sleepers(1);
    let mut running = Vec::new();
    let mut notes = vec!["goal: 1.3 ×".to_owned()];
    let floor = workshop.floor("wait, vfork, exec", floor::KEEP);
    for contestant in std::iter::once(floor).chain(workshop.peers(Part::Services)) {
        let mut census = Census::from_now_on(sleeper());
        let Ok(words) = workshop.prepare(&contestant, &task) else { continue };
        let one = Running::start(&words, Output::Null);
        if census.wait_for(1) {
            running.push((contestant.name, one));
        } else {
            notes.push(format!("{} did not start it", contestant.name));
        }
    }
    // Everybody is killed once a round, and up again when the next one begins.
    let wait = || std::thread::sleep(UP);
    let all = paced_contest(kills, wait, running, |(_, running)| measure(running));
    let mut table = latencies(title, &all, |(name, _)| name);
    notes.into_iter().for_each(|note| table.note(note));
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
