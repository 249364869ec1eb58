//! `onit -- true`: what an init adds to a command that ends at once.

use std::time::Duration;

use crate::floor;
use crate::peer::{Log, Part, Task};
use crate::report::{contest, latencies};
use crate::running::{Output, Running};
use crate::workshop::Workshop;

const ROUNDS: usize = 200;
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(workshop: &Workshop) {
    let rounds = workshop.rounds(ROUNDS);
    let title = format!("`true` as the command of PID 1, from its exec to its end, {rounds} times");
    let task = Task { commands: vec![vec!["true".to_owned()]], log: Log::Silent };
    let floor = workshop.floor("vfork, exec, wait", floor::INIT);
    let contestants = std::iter::once(floor).chain(workshop.peers(Part::Command)).collect();
    let all = contest(rounds, contestants, |contestant| {
        let mut running = Running::start(&workshop.prepare(contestant, &task).ok()?, Output::Null);
        running.ended_within(PATIENCE)?;
        Some(running.started.elapsed().as_secs_f64())
    });
    let mut table = latencies(title, &all, |contestant| &contestant.name);
    table.note("goal: onit 1.2 × what the static tini takes");
    table.print();
}
