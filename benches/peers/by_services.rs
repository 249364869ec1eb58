//! What grows with the number of services: measured for several, one table and one picture each.

use crate::peer::Task;
use crate::plot::{Line, Picture};
use crate::report::{NOTHING, Samples, Table, contest, seconds};
use crate::workshop::{Contestant, Workshop};

/// How many services there are.
const COUNTS: [usize; 4] = [1, 10, 100, 1000];

/// Something that is measured.
pub(crate) struct Quantity<M> {
    pub(crate) title: &'static str,
    /// The name of the picture's file.
    pub(crate) file: &'static str,
    /// What the picture's axis says, and by what it divides.
    pub(crate) unit: (&'static str, f64),
    pub(crate) number: fn(&M) -> f64,
    pub(crate) show: fn(f64) -> String,
}

impl Quantity<f64> {
    /// How long it took.
    pub(crate) fn time(title: &'static str, file: &'static str) -> Self {
        Self { title, file, unit: ("ms", 1e-3), number: |took| *took, show: seconds }
    }
}

/// A contest for each number of services; a table and, if wanted, a picture of each quantity.
pub(crate) fn run<M>(
    workshop: &Workshop,
    rounds: usize,
    contestants: impl Fn() -> Vec<Contestant>,
    measure: impl Fn(&[String], &Task) -> Option<M>,
    quantities: &[Quantity<M>],
    notes: &[&str],
) {
    let mut results = Vec::new();
    let mut failures = Vec::new();
    for count in COUNTS {
        let task = workshop.sleepers(count);
        let all = contest(rounds, contestants(), |contestant| {
            measure(&workshop.prepare(contestant, &task).ok()?, &task)
        });
        let failed = all.iter().filter(|(_, measured)| measured.is_empty());
        failures.extend(failed.map(|(contestant, _)| format!("{}, {count}", contestant.name)));
        results.push(all);
    }
    for quantity in quantities {
        let mut head = vec![String::new()];
        head.extend(COUNTS.iter().map(|count| format!("{count}, to the floor")));
        head.push("1000, spread".to_owned());
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        let mut table = Table::new(format!("{}, median of {rounds}", quantity.title), &head);
        let mut picture = Picture::new(quantity.title, "services", quantity.unit.0);
        for (place, contestant) in contestants().iter().enumerate() {
            let samples = |all: &[(Contestant, Vec<M>)]| {
                let measured = all.get(place).map_or(&[][..], |(_, measured)| measured);
                Samples::of(measured, quantity.number)
            };
            let mut cells: Vec<String> = results
                .iter()
                .map(|all| cell(&samples(all), &floor(all, quantity), quantity))
                .collect();
            cells.push(
                results.last().map_or(NOTHING.to_owned(), |all| samples(all).spread(quantity.show)),
            );
            table.row(&contestant.name, cells);
            let points = COUNTS.iter().zip(&results).filter_map(|(count, all)| {
                Some((*count as f64, samples(all).median()? / quantity.unit.1))
            });
            picture.line(Line::of(contestant, points.collect()));
        }
        notes.iter().for_each(|note| table.note(*note));
        if !failures.is_empty() {
            table.note(format!("not done in time: {}", failures.join("; ")));
        }
        table.print();
        workshop.draw(quantity.file, &picture);
    }
}

fn cell<M>(samples: &Samples, floor: &Samples, quantity: &Quantity<M>) -> String {
    match samples.median() {
        Some(median) => format!("{}, {}", (quantity.show)(median), samples.to_floor(floor)),
        None => NOTHING.to_owned(),
    }
}

/// That of the better floor, if there are several.
fn floor<M>(all: &[(Contestant, Vec<M>)], quantity: &Quantity<M>) -> Samples {
    let floors = all.iter().filter(|(contestant, _)| contestant.is_floor());
    let samples = floors.map(|(_, measured)| Samples::of(measured, quantity.number));
    samples
        .filter(|samples| samples.count() > 0)
        .min_by(|a, b| a.median().partial_cmp(&b.median()).unwrap_or(std::cmp::Ordering::Equal))
        .unwrap_or_default()
}
