//! Lines as fast as one service can write them: how fast they are moved, and what that costs.

use crate::moving::{self, Keep, Moved, Target};
use crate::plot::{Line, Picture};
use crate::report::{Samples, Table, contest, plain, shown};
use crate::workshop::{Contestant, Workshop};
use crate::writer::{Job, WRITE};

const ROUNDS: usize = 3;

/// What is written for the tables, and for each point of the pictures.
const BYTES: usize = 256 << 20;
const BYTES_A_POINT: usize = 16 << 20;

/// What is written at once: most programs have smaller buffers, none is faster.
const BLOCK: usize = 64 << 10;

const LENGTHS: [usize; 2] = [100, 2048];
const LENGTHS_OF_PICTURES: [usize; 8] = [20, 50, 100, 200, 500, 1000, 2000, 4000];

pub(crate) fn run(workshop: &Workshop) {
    for length in LENGTHS {
        for target in Target::ALL {
            show(workshop, length, target);
        }
    }
    if workshop.plots.is_some() {
        draw(workshop, Target::Pipe, "relay-pipe");
        draw(workshop, Target::File, "relay-file");
    }
}

fn show(workshop: &Workshop, length: usize, target: Target) {
    let rounds = workshop.rounds(ROUNDS);
    let title = format!(
        "{} MiB of lines of {length} bytes in blocks of 64 KiB into {}, median of {rounds}",
        BYTES >> 20,
        target.name()
    );
    let mut table =
        Table::new(title, &["", "MB/s", "CPU s/GB", "to the floor", "spread of CPU s/GB"]);
    let all = flood(workshop, rounds, job(BYTES, length), target);
    let cost = |measured: &[Moved]| Samples::of(measured, |moved| moved.worked / gigabytes(BYTES));
    let floor = all.first().map_or(Samples::default(), |(_, measured)| cost(measured));
    for (mover, measured) in &all {
        let rate = Samples::of(measured, |moved| gigabytes(BYTES) * 1e3 / moved.took);
        let cost = cost(measured);
        let cells = [
            shown(rate.median(), plain),
            shown(cost.median(), plain),
            cost.to_floor(&floor),
            cost.spread(plain),
        ];
        table.row(&mover.name, cells);
    }
    moving::unable(workshop, target).into_iter().for_each(|why| table.note(why));
    table.note("CPU is that of all processes of the supervisor");
    table.note("goal: text 0.5 × with 100 bytes, 0.8 × with 2 KiB; json 1.5 × that of text");
    table.print();
}

fn draw(workshop: &Workshop, target: Target, file: &str) {
    let title = format!("What it costs to move lines into {}", target.name());
    let mut picture = Picture::new(title, "bytes a line", "CPU s/GB");
    let mut lines: Vec<Vec<(f64, f64)>> =
        moving::movers(workshop).iter().map(|_| Vec::new()).collect();
    for length in LENGTHS_OF_PICTURES {
        let job = job(BYTES_A_POINT, length);
        let all = flood(workshop, workshop.rounds(ROUNDS), job, target);
        for ((_, measured), line) in all.iter().zip(&mut lines) {
            let cost = Samples::of(measured, |moved| moved.worked / gigabytes(BYTES_A_POINT));
            line.extend(cost.median().map(|cost| (length as f64, cost)));
        }
    }
    for (mover, points) in moving::movers(workshop).iter().zip(lines) {
        picture.line(Line::of(mover, points));
    }
    workshop.draw(file, &picture);
}

fn flood(
    workshop: &Workshop,
    rounds: usize,
    job: Job,
    target: Target,
) -> Vec<(Contestant, Vec<Moved>)> {
    contest(rounds, moving::movers(workshop), |mover| {
        moving::measure(workshop, mover, job, target, Keep::Nothing)
    })
}

fn job(bytes: usize, length: usize) -> Job {
    Job { role: WRITE, writers: 1, lines: bytes / length, length, block: BLOCK }
}

fn gigabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e9
}
