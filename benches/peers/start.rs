//! Many services: from the exec of the supervisor to the exec of the last of them.

use crate::by_services::{self, Quantity};
use crate::floor;
use crate::peer::{Part, Task, sleeper};
use crate::processes::Census;
use crate::running::{Output, Running};
use crate::workshop::Workshop;

/// Odd, so that the median is a measurement.
const ROUNDS: usize = 3;

pub(crate) fn run(workshop: &Workshop) {
    let contestants = || {
        let fork = workshop.floor("fork, exec", floor::FORK);
        let vfork = workshop.floor("vfork, exec", floor::VFORK);
        [vec![fork, vfork], workshop.peers(Part::Services)].concat()
    };
    let quantity = Quantity::time("Start of so many services", "start");
    let notes = ["to the faster floor; goal: 1.2 × with 1,000"];
    by_services::run(workshop, workshop.rounds(ROUNDS), contestants, measure, &[quantity], &notes);
}

fn measure(words: &[String], task: &Task) -> Option<f64> {
    let mut census = Census::from_now_on(sleeper());
    let running = Running::start(words, Output::Null);
    let complete = census.wait_for(task.commands.len());
    let took = running.started.elapsed().as_secs_f64();
    complete.then_some(took)
}
