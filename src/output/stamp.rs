//! The time of a line: RFC 3339, UTC, with milliseconds. Is told the time.

/// A moment of the wall clock, ready to be copied in front of a line: `2026-11-20T20:24:40.123Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    milliseconds: u64,
    text: [u8; Self::BYTES],
}

impl Stamp {
    /// The length of every stamp.
    pub const BYTES: usize = 24;

    /// The moment `nanoseconds` after 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn at(nanoseconds: u64) -> Self {
        Self::from_milliseconds(nanoseconds / 1_000_000)
    }

    /// Moves to another moment. Costs next to nothing within the same millisecond.
    pub fn advance(&mut self, nanoseconds: u64) {
        let milliseconds = nanoseconds / 1_000_000;
        if milliseconds != self.milliseconds {
            *self = Self::from_milliseconds(milliseconds);
        }
    }

    /// The stamp as text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    fn from_milliseconds(milliseconds: u64) -> Self {
        let seconds = milliseconds / 1000;
        let (year, month, day) = civil_from_days(seconds / 86_400);
        let fields = [
            (year, 4, b'-'),
            (month, 2, b'-'),
            (day, 2, b'T'),
            (seconds % 86_400 / 3600, 2, b':'),
            (seconds % 3600 / 60, 2, b':'),
            (seconds % 60, 2, b'.'),
            (milliseconds % 1000, 3, b'Z'),
        ];
        let mut text = [0; Self::BYTES];
        let mut places = text.iter_mut();
        for (value, digits, after) in fields {
            let skipped = POWERS.len().saturating_sub(digits);
            for power in POWERS.iter().skip(skipped) {
                let digit = value.checked_div(*power).unwrap_or(0) % 10;
                if let Some(place) = places.next() {
                    *place = u8::try_from(digit).unwrap_or(0) | b'0';
                }
            }
            if let Some(place) = places.next() {
                *place = after;
            }
        }
        Self { milliseconds, text }
    }
}

const POWERS: [u64; 4] = [1000, 100, 10, 1];

/// Year, month and day of a count of days since 1970-01-01.
///
/// The calendar repeats every 400 years, which are 146 097 days. Years are counted from March, so
/// that the leap day is the last of its year and the lengths of the months follow `(153m + 2) / 5`.
/// See Howard Hinnant, "chrono-compatible low-level date algorithms".
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(719_468);
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = day_of_era
        .saturating_sub(day_of_era / 1460)
        .saturating_add(day_of_era / 36_524)
        .saturating_sub(day_of_era / 146_096)
        / 365;
    let days_before = year_of_era
        .saturating_mul(365)
        .saturating_add(year_of_era / 4)
        .saturating_sub(year_of_era / 100);
    let day_of_year = day_of_era.saturating_sub(days_before);
    let month_from_march = day_of_year.saturating_mul(5).saturating_add(2) / 153;
    let before_month = month_from_march.saturating_mul(153).saturating_add(2) / 5;
    let day = day_of_year.saturating_sub(before_month).saturating_add(1);
    let year = era.saturating_mul(400).saturating_add(year_of_era);
    if month_from_march < 10 {
        (year, month_from_march.saturating_add(3), day)
    } else {
        (year.saturating_add(1), month_from_march.saturating_sub(9), day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_the_time_in_utc_with_milliseconds() {
        let check = |seconds: u64, milliseconds: u64, expected: &str| {
            let nanoseconds = (seconds * 1000 + milliseconds) * 1_000_000 + 999_999;
            let stamp = Stamp::at(nanoseconds);
            assert_eq!(std::str::from_utf8(stamp.as_bytes()), Ok(expected));
            let mut moved = Stamp::at(0);
            moved.advance(nanoseconds);
            assert_eq!(moved, stamp);
        };
        // The expected texts are those of date(1).
        check(0, 0, "1970-01-01T00:00:00.000Z");
        check(951_782_399, 1, "2000-02-28T23:59:59.001Z");
        check(951_782_400, 0, "2000-02-29T00:00:00.000Z");
        check(951_868_800, 0, "2000-03-01T00:00:00.000Z");
        check(1_709_164_800, 20, "2024-02-29T00:00:00.020Z");
        check(1_763_670_280, 123, "2025-11-20T20:24:40.123Z");
        check(1_767_225_599, 999, "2025-12-31T23:59:59.999Z");
        check(4_107_542_400, 0, "2100-03-01T00:00:00.000Z");
    }
}
