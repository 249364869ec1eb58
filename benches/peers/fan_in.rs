//! Fifty services that write at the same time: what it costs to bring their lines together, and
//! whether each line is whole, none is lost, and those of one service keep their order.

use crate::moving::{self, Keep, Target};
use crate::report::{NOTHING, Samples, Table, contest, floor_of, plain, shown};
use crate::workshop::Workshop;
use crate::writer::{FIRST, Job, LAST, NUMBER};

const ROUNDS: usize = 3;
const WRITERS: usize = 50;
const LINES: usize = 10_000;
const LENGTH: usize = 100;

/// What became of the lines.
#[derive(Clone, Copy, Default)]
struct Checked {
    /// What came out that is no line of one writer, with whatever was put before and after it.
    torn: usize,
    lost: usize,
    /// Came after a later one of the same writer.
    reordered: usize,
}

/// Numbers of one contestant in one round.
struct Seen {
    rate: f64,
    cost: f64,
    checked: Checked,
}

pub(crate) fn run(workshop: &Workshop) {
    for (block, how) in [(LENGTH, "a write each"), (4096, "in blocks of 4 KiB")] {
        show(workshop, block, how);
    }
}

fn show(workshop: &Workshop, block: usize, how: &str) {
    let rounds = workshop.rounds(ROUNDS);
    let title = format!(
        "{WRITERS} services, {LINES} lines of {LENGTH} bytes each, {how}, into one pipe, \
         median of {rounds}"
    );
    let head = ["", "MB/s", "CPU s/GB", "to the floor", "torn", "lost", "out of order"];
    let mut table = Table::new(title, &head);
    let job = Job { role: NUMBER, writers: WRITERS, lines: LINES, length: LENGTH, block };
    let mut movers = moving::movers(workshop);
    movers.push(moving::nobody(workshop));
    let all = contest(rounds, movers, |mover| {
        let moved = moving::measure(workshop, mover, job, Target::Pipe, Keep::All)?;
        Some(Seen {
            rate: job.bytes() as f64 / 1e6 / moved.took,
            cost: moved.worked / (job.bytes() as f64 / 1e9),
            checked: check(&moved.output),
        })
    });
    let floor = floor_of(&all, |seen| seen.cost);
    for (mover, seen) in &all {
        let (rate, cost) = (Samples::of(seen, |one| one.rate), Samples::of(seen, |one| one.cost));
        // The worst of all rounds: one torn line is one too many.
        let worst = |number: fn(&Checked) -> usize| {
            let most = seen.iter().map(|one| number(&one.checked)).max();
            most.map_or(NOTHING.to_owned(), |most| most.to_string())
        };
        let cells = [
            shown(rate.median(), plain),
            shown(cost.median(), plain),
            cost.to_floor(&floor),
            worst(|checked| checked.torn),
            worst(|checked| checked.lost),
            worst(|checked| checked.reordered),
        ];
        table.row(&mover.name, cells);
    }
    moving::unable(workshop, Target::Pipe).into_iter().for_each(|why| table.note(why));
    table.note(format!(
        "of {} lines, the worst of all rounds; lost is what did not come out whole",
        WRITERS * LINES
    ));
    table.note("goal: onit 1.2 × what it costs with a single writer (flood); none torn or lost");
    table.print();
}

/// Looks at every line that came out.
fn check(output: &[u8]) -> Checked {
    let mut checked = Checked::default();
    let mut came = vec![0_usize; WRITERS];
    let mut next = vec![0_usize; WRITERS];
    for line in output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        // What a supervisor says of itself is no line of a writer.
        let Some(first) = memchr::memchr(FIRST, line) else {
            checked.torn += usize::from(line.iter().filter(|byte| **byte == b'x').count() > 20);
            continue;
        };
        let Some((writer, number)) = line.get(first..).and_then(whole) else {
            checked.torn += 1;
            continue;
        };
        if let (Some(came), Some(next)) = (came.get_mut(writer), next.get_mut(writer)) {
            *came += 1;
            checked.reordered += usize::from(number < *next);
            *next = number + 1;
        }
    }
    checked.lost = came.iter().map(|came| LINES.saturating_sub(*came)).sum();
    checked
}

/// Whose line it is and the how manyeth, if it is one and only one.
fn whole(text: &[u8]) -> Option<(usize, usize)> {
    let (line, rest) = text.split_at_checked(LENGTH - 1)?;
    let (head, padding) = line.split_at_checked(12)?;
    let (last, padding) = padding.split_last()?;
    let is_whole = *last == LAST
        && padding.iter().all(|byte| *byte == b'x')
        && !rest.iter().any(|byte| [FIRST, LAST].contains(byte));
    let mut numbers = std::str::from_utf8(head.get(1..)?).ok()?.split_whitespace();
    let writer = numbers.next()?.parse().ok()?;
    let number = numbers.next()?.parse().ok()?;
    is_whole.then_some((writer, number))
}
