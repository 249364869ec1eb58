//! What a supervisor needs of memory, all its processes together.

use crate::by_services::{self, Quantity};
use crate::floor;
use crate::peer::{Part, Task, sleeper};
use crate::processes::Census;
use crate::report::size;
use crate::running::{Memory, Output, Running};
use crate::workshop::Workshop;

/// It differs little from one time to the next.
const ROUNDS: usize = 1;

pub(crate) fn run(workshop: &Workshop) {
    let contestants = || {
        let floor = workshop.floor("vfork, exec", floor::VFORK);
        std::iter::once(floor).chain(workshop.peers(Part::Services)).collect()
    };
    let unit = ("MiB", f64::from(1 << 20));
    let quantity = |title, file, number: fn(&Memory) -> f64| Quantity {
        title,
        file,
        unit,
        number,
        show: size,
    };
    let quantities = [
        quantity("Memory, proportional (PSS)", "memory", |memory| memory.proportional),
        quantity("Memory, private", "memory-private", |memory| memory.private),
        quantity("Memory, anonymous", "memory-anonymous", |memory| memory.anonymous),
    ];
    let notes = [
        "of all processes that are not services",
        "goal: anonymous 300 KiB, and 2 KiB more a silent service; PSS at 1,000 3.5 MB",
        "a static binary has all its pages to itself; a libc that others use counts in part",
    ];
    by_services::run(workshop, workshop.rounds(ROUNDS), contestants, measure, &quantities, &notes);
}

fn measure(words: &[String], task: &Task) -> Option<Memory> {
    let mut census = Census::from_now_on(sleeper());
    let running = Running::start(words, Output::Null);
    if !census.wait_for(task.commands.len()) {
        return None;
    }
    running.settle();
    Some(running.memory())
}
