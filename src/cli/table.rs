//! Columns that line up, and durations and sizes as people say them.

use std::fmt::Write as _;
use std::time::Duration;

/// A cell: its text, and the escape sequence that colours it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// What is written.
    pub text: String,
    /// How it is coloured on a terminal; empty: not at all.
    pub colour: &'static str,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), colour: "" }
    }
}

/// Rows of cells with each column as wide as its widest cell. With `columns` lines are cut there.
#[must_use]
pub fn lined_up(rows: &[Vec<Cell>], columns: Option<usize>) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            let width = cell.text.chars().count();
            match widths.get_mut(at) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut at = 0usize;
        let mut gap = 0usize;
        for (width, cell) in widths.iter().zip(row) {
            let room = columns.map(|columns| columns.saturating_sub(at.saturating_add(gap)));
            if !cell.text.is_empty() && room != Some(0) {
                at = at.saturating_add(gap);
                let _ = write!(text, "{:gap$}", "");
                at = at.saturating_add(write_cell(&mut text, cell, room));
                gap = 0;
            }
            let written = cell.text.chars().count();
            gap = gap.saturating_add(width.saturating_sub(written)).saturating_add(2);
        }
        text.push('\n');
    }
    text
}

/// Writes a cell, cut to what there is room for, and returns how wide that was.
fn write_cell(text: &mut String, cell: &Cell, room: Option<usize>) -> usize {
    let width = cell.text.chars().count();
    let cut = room.filter(|room| *room < width);
    text.push_str(cell.colour);
    match cut {
        Some(room) => {
            text.extend(cell.text.chars().take(room.saturating_sub(1)));
            text.push('…');
        }
        None => text.push_str(&cell.text),
    }
    if !cell.colour.is_empty() {
        text.push_str("\x1b[0m");
    }
    cut.unwrap_or(width)
}

/// A duration in at most two units: `850ms`, `12s`, `3m 4s`, `2h 5m`, `3d 4h`.
#[must_use]
pub fn age(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes, rest) {
        (0, 0, 0, 0) => format!("{}ms", duration.as_millis()),
        (0, 0, 0, rest) => format!("{rest}s"),
        (0, 0, minutes, rest) => format!("{minutes}m {rest}s"),
        (0, hours, minutes, _) => format!("{hours}h {minutes}m"),
        (days, hours, _, _) => format!("{days}d {hours}h"),
    }
}

/// CPU time: `0.12s`, `12.3s`, and from a minute on like [`age`].
#[must_use]
pub fn cpu(duration: Duration) -> String {
    match duration.as_secs() {
        0..10 => format!("{:.2}s", duration.as_secs_f64()),
        10..60 => format!("{:.1}s", duration.as_secs_f64()),
        _ => age(duration),
    }
}

/// A size in bytes: `640K`, `12.3M`, `1.2G`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let kibibytes = bytes / 1024;
    let tenths = |unit: u64| {
        let tenths = bytes.saturating_mul(10).checked_div(unit).unwrap_or(0);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match kibibytes {
        0..1024 => format!("{kibibytes}K"),
        1024..1_048_576 => format!("{}M", tenths(1 << 20)),
        _ => format!("{}G", tenths(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colour() {
        let red = |text: &str| Cell { text: text.to_owned(), colour: "\x1b[31m" };
        let rows = vec![
            vec!["NAME".into(), "STATE".into(), "WHY".into()],
            vec!["web".into(), red("failed"), "exit code 1".into()],
            vec!["database".into(), "up".into(), "".into()],
        ];
        assert_eq!(
            lined_up(&rows, None),
            "NAME      STATE   WHY\n\
             web       \x1b[31mfailed\x1b[0m  exit code 1\n\
             database  up\n"
        );
        assert_eq!(
            lined_up(&rows, Some(22)),
            "NAME      STATE   WHY\nweb       \x1b[31mfailed\x1b[0m  exi…\ndatabase  up\n"
        );
    }

    #[test]
    fn durations_and_sizes_have_two_digits_or_units() {
        let check = |milliseconds, expected: &str| {
            assert_eq!(age(Duration::from_millis(milliseconds)), expected);
        };
        check(0, "0ms");
        check(999, "999ms");
        check(12_000, "12s");
        check(184_000, "3m 4s");
        check(7_500_000, "2h 5m");
        check(273_600_000, "3d 4h");
        assert_eq!(cpu(Duration::from_millis(123)), "0.12s");
        assert_eq!(cpu(Duration::from_millis(12_340)), "12.3s");
        assert_eq!(cpu(Duration::from_secs(75)), "1m 15s");
        assert_eq!(size(655_360), "640K");
        assert_eq!(size(12_900_000), "12.3M");
        assert_eq!(size(1_300_000_000), "1.2G");
    }
}
