//! A write a line, as most programs log: what the one who reads costs the one who writes.

use crate::moving::{self, Keep, Moved, Target};
use crate::report::{Samples, Table, contest, plain, seconds, shown};
use crate::workshop::Workshop;
use crate::writer::{Job, WRITE};

const ROUNDS: usize = 5;
const LINES: usize = 400_000;
const LENGTH: usize = 100;

pub(crate) fn run(workshop: &Workshop) {
    let rounds = workshop.rounds(ROUNDS);
    let title =
        format!("{LINES} lines of {LENGTH} bytes, a write each, into a pipe, median of {rounds}");
    let head = [
        "",
        "a line takes",
        "to cat",
        "CPU of the writer a line",
        "to cat",
        "CPU s/GB of the reader",
        "to the floor",
    ];
    let mut table = Table::new(title, &head);
    let job = Job { role: WRITE, writers: 1, lines: LINES, length: LENGTH, block: LENGTH };
    let all = contest(rounds, moving::movers(workshop), |mover| {
        moving::measure(workshop, mover, job, Target::Pipe, Keep::Nothing)
    });
    let took = |moved: &Moved| moved.took / LINES as f64;
    let wrote = |moved: &Moved| moved.writers_worked / LINES as f64;
    let read = |moved: &Moved| moved.worked / (job.bytes() as f64 / 1e9);
    let floor = |place: usize, number: &dyn Fn(&Moved) -> f64| {
        all.get(place).map_or(Samples::default(), |(_, measured)| Samples::of(measured, number))
    };
    for (mover, measured) in &all {
        let (took_it, wrote_it) = (Samples::of(measured, took), Samples::of(measured, wrote));
        let read_it = Samples::of(measured, read);
        let cells = [
            took_it.spread(seconds),
            took_it.to_floor(&floor(1, &took)),
            shown(wrote_it.median(), seconds),
            wrote_it.to_floor(&floor(1, &wrote)),
            shown(read_it.median(), plain),
            read_it.to_floor(&floor(0, &read)),
        ];
        table.row(&mover.name, cells);
    }
    moving::unable(workshop, Target::Pipe).into_iter().for_each(|why| table.note(why));
    table.note("goal: onit never costs the writer more than cat does");
    table.print();
}
