//! An orderly stop: from TERM to the end of PID 1, with services that end at once.

use crate::by_services::{self, Quantity};
use crate::floor;
use crate::peer::{Part, Task, sleeper};
use crate::processes::{Census, PATIENCE};
use crate::running::{Output, Running};
use crate::workshop::Workshop;

const ROUNDS: usize = 3;

pub(crate) fn run(workshop: &Workshop) {
    let mut notes = vec!["goal: 1.2 × with 1,000".to_owned()];
    for peer in workshop.peers(Part::Services) {
        notes.extend(peer.not_orderly().map(|why| format!("without {}: {why}", peer.name)));
    }
    let contestants = || {
        let orderly = workshop.peers(Part::Services).into_iter();
        let orderly = orderly.filter(|peer| peer.not_orderly().is_none());
        std::iter::once(workshop.floor("kill and wait", floor::STOP)).chain(orderly).collect()
    };
    let quantity = Quantity::time("Stop of so many services", "stop");
    let notes: Vec<&str> = notes.iter().map(String::as_str).collect();
    by_services::run(workshop, workshop.rounds(ROUNDS), contestants, measure, &[quantity], &notes);
}

fn measure(words: &[String], task: &Task) -> Option<f64> {
    let mut census = Census::from_now_on(sleeper());
    let mut running = Running::start(words, Output::Null);
    if !census.wait_for(task.commands.len()) {
        return None;
    }
    // The last has been executed; whoever starts them may still have to hear of it.
    running.settle();
    running.stopped_within(PATIENCE)
}
