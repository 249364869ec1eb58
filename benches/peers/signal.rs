//! A signal to PID 1: how long until the handler of its command runs.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::answer::{ANSWER, heard};
use crate::clock;
use crate::floor;
use crate::peer::{Log, Part, Task};
use crate::report::{contest, latencies};
use crate::running::{Output, Running};
use crate::workshop::Workshop;

const SIGNALS: usize = 500;

/// Everybody is asleep again by then.
const PAUSE: Duration = Duration::from_millis(1);

pub(crate) fn run(workshop: &Workshop) {
    let signals = workshop.rounds(SIGNALS);
    let title = format!("From a signal to PID 1 to the handler of its command, {signals} times");
    let task = Task { commands: vec![workshop.actor(ANSWER, &[])], log: Log::Silent };
    let floor = workshop.floor("sigwait, kill", floor::INIT);
    let mut running = Vec::new();
    for contestant in std::iter::once(floor).chain(workshop.peers(Part::Command)) {
        let Ok(words) = workshop.prepare(&contestant, &task) else { continue };
        let mut one = Running::start(&words, Output::Pipe);
        let mut answers = one.stdout();
        if heard(&mut answers).is_some() {
            running.push((contestant.name, one, answers));
        }
    }
    let all = contest(signals, running, |(_, running, answers)| {
        std::thread::sleep(PAUSE);
        let sent = clock::now();
        running.send(Signal::SIGUSR1);
        let came = heard(&mut &*answers)?;
        Some(came.saturating_sub(sent).as_secs_f64())
    });
    let mut table = latencies(title, &all, |(name, ..)| name);
    table.note("goal: onit 1.2 × what tini takes");
    table.print();
}
