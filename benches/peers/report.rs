//! How a result is shown: interleaved rounds, medians, ratios to the floor, tables in Markdown.

use std::time::{Duration, Instant};

/// A contestant that has used up this much sits the remaining rounds out: one that is a hundred
/// times slower than the rest is known well enough by then.
const ALLOWANCE: Duration = Duration::from_secs(4);

/// Has each contestant measured once a round, in turn, so that whatever else the machine does
/// meets all of them. Who could not do it once (`None`) is not asked again.
pub(crate) fn contest<C, M>(
    rounds: usize,
    contestants: Vec<C>,
    measure: impl FnMut(&C) -> Option<M>,
) -> Vec<(C, Vec<M>)> {
    paced_contest(rounds, || {}, contestants, measure)
}

/// The same, with something to be waited for before each round.
pub(crate) fn paced_contest<C, M>(
    rounds: usize,
    mut wait: impl FnMut(),
    contestants: Vec<C>,
    mut measure: impl FnMut(&C) -> Option<M>,
) -> Vec<(C, Vec<M>)> {
    let mut all: Vec<(C, Vec<M>)> = contestants.into_iter().map(|one| (one, Vec::new())).collect();
    let mut left = vec![ALLOWANCE; all.len()];
    for _ in 0..rounds {
        wait();
        for ((contestant, measured), left) in all.iter_mut().zip(&mut left) {
            if left.is_zero() {
                continue;
            }
            let start = Instant::now();
            let one = measure(contestant);
            *left =
                if one.is_some() { left.saturating_sub(start.elapsed()) } else { Duration::ZERO };
            measured.extend(one);
        }
    }
    all
}

/// What was measured of one thing, in all rounds.
#[derive(Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// One number of each measurement.
    pub(crate) fn of<M>(measured: &[M], number: impl Fn(&M) -> f64) -> Self {
        let mut sorted: Vec<f64> = measured.iter().map(number).collect();
        sorted.sort_by(f64::total_cmp);
        Self(sorted)
    }

    /// The one in the middle, or what lies between the two in the middle.
    pub(crate) fn median(&self) -> Option<f64> {
        let upper = *self.0.get(self.0.len() / 2)?;
        let lower = *self.0.get((self.0.len() - 1) / 2)?;
        Some(f64::midpoint(lower, upper))
    }

    /// The one that 99 of 100 do not exceed.
    pub(crate) fn percentile_99(&self) -> Option<f64> {
        self.0.get(self.0.len() * 99 / 100).copied()
    }

    pub(crate) fn longest(&self) -> Option<f64> {
        self.0.last().copied()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The median, and between what it lies.
    pub(crate) fn spread(&self, show: fn(f64) -> String) -> String {
        let (Some(least), Some(median), Some(most)) =
            (self.0.first(), self.median(), self.0.last())
        else {
            return NOTHING.to_owned();
        };
        if self.0.len() == 1 {
            return format!("{} (once)", show(median));
        }
        format!("{} ({} to {})", show(median), show(*least), show(*most))
    }

    /// The median as so many times that of the floor.
    pub(crate) fn to_floor(&self, floor: &Self) -> String {
        match (self.median(), floor.median()) {
            (Some(median), Some(floor)) if floor > 0.0 => format!("{} ×", plain(median / floor)),
            _ => NOTHING.to_owned(),
        }
    }
}

/// What was measured of the floor: it is the first contestant.
pub(crate) fn floor_of<C, M>(all: &[(C, Vec<M>)], number: impl Fn(&M) -> f64) -> Samples {
    all.first().map_or(Samples::default(), |(_, measured)| Samples::of(measured, number))
}

/// A table of how long one and the same thing took again and again.
pub(crate) fn latencies<C>(
    title: String,
    all: &[(C, Vec<f64>)],
    name: impl Fn(&C) -> &str,
) -> Table {
    let head = ["", "median", "to the floor", "99 of 100", "longest", "measured"];
    let mut table = Table::new(title, &head);
    let floor = floor_of(all, |time| *time);
    for (contestant, times) in all {
        let times = Samples::of(times, |time| *time);
        let cells = [
            shown(times.median(), seconds),
            times.to_floor(&floor),
            shown(times.percentile_99(), seconds),
            shown(times.longest(), seconds),
            times.count().to_string(),
        ];
        table.row(name(contestant), cells);
    }
    table
}

/// A cell of what was not measured; a note below the table says why.
pub(crate) const NOTHING: &str = "–";

/// The median, if there is one.
pub(crate) fn shown(value: Option<f64>, show: fn(f64) -> String) -> String {
    value.map_or(NOTHING.to_owned(), show)
}

/// Three digits, and the unit that keeps them short.
pub(crate) fn seconds(value: f64) -> String {
    let (number, unit) = match value {
        _ if value >= 1.0 => (value, "s"),
        _ if value >= 1e-3 => (value * 1e3, "ms"),
        _ if value >= 1e-6 => (value * 1e6, "µs"),
        _ => (value * 1e9, "ns"),
    };
    format!("{} {unit}", plain(number))
}

/// Three digits where there are as many.
pub(crate) fn plain(value: f64) -> String {
    match value {
        _ if value == 0.0 => "0".to_owned(),
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Of a number of bytes.
pub(crate) fn size(bytes: f64) -> String {
    let kib = bytes / 1024.0;
    if kib < 1.0 {
        return format!("{bytes:.0} B");
    }
    if kib >= 10_000.0 {
        return format!("{:.1} MiB", kib / 1024.0);
    }
    format!("{kib:.0} KiB")
}

/// A table in Markdown, with what is to be said about it.
pub(crate) struct Table {
    title: String,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, head: &[&str]) -> Self {
        let head = head.iter().map(|cell| (*cell).to_owned()).collect();
        Self { title: title.into(), rows: vec![head], notes: Vec::new() }
    }

    pub(crate) fn row(&mut self, name: &str, cells: impl IntoIterator<Item = String>) {
        self.rows.push(std::iter::once(name.to_owned()).chain(cells).collect());
    }

    /// Said below it, once.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(crate) fn print(&self) {
        println!("\n## {}\n", self.title);
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
            if number == 0 {
                let rules = widths.iter().map(|width| "-".repeat(*width));
                println!("|-{}-|", rules.collect::<Vec<_>>().join("-|-"));
            }
        }
        if !self.notes.is_empty() {
            println!();
        }
        for note in &self.notes {
            println!("- {note}");
        }
    }
}
