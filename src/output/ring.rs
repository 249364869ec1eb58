//! The recent output of one stream, as it came: what `onit logs` shows, and a failed start.
//!
//! Every byte has a place, counted from the beginning of the stream, so that whoever reads along
//! knows what it has had: nothing comes twice, and what was overwritten is counted.

use std::collections::VecDeque;

use memchr::{memchr, memchr_iter, memrchr};

use crate::limits::RING_MARKS_MAX;

/// The latest bytes of one stream.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    bytes: VecDeque<u8>,
    /// How many bytes came before the first that is kept.
    start: u64,
    /// The first bytes that are kept are the rest of a line whose beginning is not.
    is_torn: bool,
    /// How many lines have ended before the first byte that is kept, as far as that was counted.
    lines_before: u64,
    /// Up to which place bytes came when; ascending.
    marks: VecDeque<Mark>,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    end: u64,
    nanoseconds: u64,
}

/// How far somebody has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The place of the next byte.
    place: u64,
    /// How many lines have ended before it, counted like `lines_before`.
    lines: u64,
}

/// A line that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When its end came, in nanoseconds since 1970.
    pub nanoseconds: u64,
    /// Its content, without its end.
    pub content: Vec<u8>,
    /// How many lines before it were overwritten before they were read.
    pub lost: u64,
}

impl Cursor {
    /// Whether there is something between this and `other`.
    #[must_use]
    pub fn is_before(&self, other: &Self) -> bool {
        self.place < other.place
    }
}

impl Ring {
    /// How much is kept, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes `bytes`, and keeps the latest `limit` bytes of all. What is overwritten is counted in
    /// lines if `counting`: without anybody who reads along that is not worth the time.
    pub fn push(&mut self, bytes: &[u8], nanoseconds: u64, limit: usize, counting: bool) {
        if bytes.is_empty() {
            return;
        }
        let skipped = bytes.len().saturating_sub(limit);
        let (passing, kept) = bytes.split_at_checked(skipped).unwrap_or((bytes, &[]));
        let room = limit.saturating_sub(kept.len());
        self.drop_front(self.bytes.len().saturating_sub(room), counting);
        if let Some(last) = passing.last() {
            if counting {
                self.lines_before = self.lines_before.saturating_add(count(passing));
            }
            self.is_torn = *last != b'\n';
            self.start = self.start.saturating_add(wide(passing.len()));
        }
        self.bytes.extend(kept);
        self.mark(nanoseconds);
    }

    /// Ends the line that has been begun, if there is one.
    pub fn end_line(&mut self, nanoseconds: u64, limit: usize, counting: bool) {
        if self.bytes.back().is_some_and(|last| *last != b'\n') {
            self.push(b"\n", nanoseconds, limit, counting);
        }
    }

    /// From here on everything is new.
    #[must_use]
    pub fn end(&self) -> Cursor {
        let (front, back) = self.bytes.as_slices();
        let mut lines = self.lines_before;
        lines = lines.saturating_add(count(front)).saturating_add(count(back));
        // A line that has been begun is new as a whole.
        let begun = match memrchr(b'\n', back) {
            Some(last) => back.len().saturating_sub(last.saturating_add(1)),
            None => match memrchr(b'\n', front) {
                Some(last) => self.bytes.len().saturating_sub(last.saturating_add(1)),
                None => self.bytes.len(),
            },
        };
        let place = self.start.saturating_add(wide(self.bytes.len().saturating_sub(begun)));
        Cursor { place, lines }
    }

    /// Before the last `lines` whole lines that are kept, or before all of them.
    #[must_use]
    pub fn before_last(&self, lines: Option<usize>) -> Cursor {
        let first = match self.line_end(self.start).filter(|_| self.is_torn) {
            Some(end) => Cursor { place: end, lines: self.lines_before.saturating_add(1) },
            None => Cursor { place: self.start, lines: self.lines_before },
        };
        let Some(wanted) = lines else { return first };
        let end = self.end();
        let kept = end.lines.saturating_sub(first.lines);
        let mut skip = kept.saturating_sub(wide(wanted));
        let mut cursor = first;
        while skip > 0 {
            let Some(next) = self.line_end(cursor.place) else { break };
            cursor = Cursor { place: next, lines: cursor.lines.saturating_add(1) };
            skip = skip.saturating_sub(1);
        }
        cursor
    }

    /// The next whole line at `cursor`, which moves behind it.
    pub fn next(&self, cursor: &mut Cursor) -> Option<Line> {
        let is_behind = cursor.place < self.start;
        let (mut place, mut lines, mut lost) = if is_behind {
            let lost = self.lines_before.saturating_sub(cursor.lines);
            (self.start, self.lines_before, lost)
        } else {
            (cursor.place, cursor.lines, 0)
        };
        if place == self.start && self.is_torn {
            // Its beginning is gone: a piece of a line is none. Who begins to read here has not
            // lost it either.
            place = self.line_end(place)?;
            lines = lines.saturating_add(1);
            lost = lost.saturating_add(u64::from(is_behind));
        }
        let end = self.line_end(place)?;
        let content = self.copy(place, end.saturating_sub(1));
        let mark = self.marks.partition_point(|mark| mark.end < end);
        let nanoseconds = self.marks.get(mark).or(self.marks.back()).map_or(0, |m| m.nanoseconds);
        *cursor = Cursor { place: end, lines: lines.saturating_add(1) };
        Some(Line { nanoseconds, content, lost })
    }

    /// The place behind the end of the line at `place`.
    fn line_end(&self, place: u64) -> Option<u64> {
        let from = usize::try_from(place.checked_sub(self.start)?).ok()?;
        let (front, back) = self.bytes.as_slices();
        let found = match front.get(from..) {
            Some(rest) => match memchr(b'\n', rest) {
                Some(at) => Some(from.saturating_add(at)),
                None => memchr(b'\n', back).map(|at| front.len().saturating_add(at)),
            },
            None => {
                let from_back = from.saturating_sub(front.len());
                memchr(b'\n', back.get(from_back..)?).map(|at| from.saturating_add(at))
            }
        };
        Some(self.start.saturating_add(wide(found?)).saturating_add(1))
    }

    fn copy(&self, from: u64, to: u64) -> Vec<u8> {
        let index = |place: u64| usize::try_from(place.saturating_sub(self.start)).unwrap_or(0);
        let (from, to) = (index(from).min(self.bytes.len()), index(to).min(self.bytes.len()));
        self.bytes.range(from..to.max(from)).copied().collect()
    }

    fn drop_front(&mut self, bytes: usize, counting: bool) {
        let Some(last) = bytes.checked_sub(1).and_then(|last| self.bytes.get(last)) else { return };
        self.is_torn = *last != b'\n';
        if counting {
            let (front, back) = self.bytes.as_slices();
            let in_front = front.get(..bytes).unwrap_or(front);
            let in_back = back.get(..bytes.saturating_sub(front.len())).unwrap_or(back);
            let lines = count(in_front).saturating_add(count(in_back));
            self.lines_before = self.lines_before.saturating_add(lines);
        }
        self.bytes.drain(..bytes);
        self.start = self.start.saturating_add(wide(bytes));
        let gone = self.marks.partition_point(|mark| mark.end <= self.start);
        self.marks.drain(..gone);
    }

    fn mark(&mut self, nanoseconds: u64) {
        let end = self.start.saturating_add(wide(self.bytes.len()));
        let is_full = self.marks.len() >= RING_MARKS_MAX;
        match self.marks.back_mut() {
            Some(last) if is_full || last.nanoseconds == nanoseconds => {
                *last = Mark { end, nanoseconds };
            }
            Some(_) | None => self.marks.push_back(Mark { end, nanoseconds }),
        }
    }
}

fn count(bytes: &[u8]) -> u64 {
    wide(memchr_iter(b'\n', bytes).count())
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read from `cursor` on, as text, with what was lost before each line.
    fn read(ring: &Ring, cursor: &mut Cursor) -> Vec<(String, u64)> {
        std::iter::from_fn(|| ring.next(cursor))
            .map(|line| (String::from_utf8(line.content).unwrap(), line.lost))
            .collect()
    }

    fn lines(numbers: std::ops::Range<usize>) -> Vec<(String, u64)> {
        numbers.map(|number| (format!("line {number}"), 0)).collect()
    }

    #[test]
    fn who_reads_along_gets_every_line_once_and_is_told_of_the_others() {
        // In pieces of every size, and with a reader that comes after every so many of them.
        let text: String = (0..200).map(|number| format!("line {number}\n")).collect();
        for size in [1, 3, 7, 50, 500] {
            for pace in [1, 2, 5, 20] {
                let mut ring = Ring::default();
                let mut cursor = ring.end();
                let mut next = 0;
                let mut look = |ring: &Ring, cursor: &mut Cursor| {
                    for (line, lost) in read(ring, cursor) {
                        next += lost;
                        assert_eq!(line, format!("line {next}"), "{size} {pace}");
                        next += 1;
                    }
                };
                for (at, chunk) in text.as_bytes().chunks(size).enumerate() {
                    ring.push(chunk, 1, 64, true);
                    assert!(ring.len() <= 64);
                    if at % pace == 0 {
                        look(&ring, &mut cursor);
                    }
                }
                look(&ring, &mut cursor);
                assert_eq!(next, 200, "{size} {pace}");
            }
        }
    }

    #[test]
    fn a_snapshot_ends_where_following_begins() {
        let mut ring = Ring::default();
        ring.push(b"line 0\nline 1\nline 2\nli", 1, 1000, false);
        let check = |lines_wanted, expected: std::ops::Range<usize>| {
            let mut cursor = ring.before_last(lines_wanted);
            assert_eq!(read(&ring, &mut cursor), lines(expected));
            assert_eq!(cursor, ring.end());
        };
        check(None, 0..3);
        check(Some(2), 1..3);
        check(Some(9), 0..3);
        check(Some(0), 3..3);
        let mut cursor = ring.end();
        ring.push(b"ne 3\n", 2, 1000, true);
        assert_eq!(read(&ring, &mut cursor), lines(3..4));
    }

    #[test]
    fn the_rest_of_a_line_is_no_line() {
        let mut ring = Ring::default();
        ring.push(b"a long beginning\nline 0\nline 1\n", 1, 20, false);
        let mut cursor = ring.before_last(None);
        assert_eq!(read(&ring, &mut cursor), lines(0..2));
        ring.push(&[b'x'; 100], 1, 20, true);
        ring.end_line(2, 20, true);
        assert_eq!(read(&ring, &mut cursor), []);
    }

    #[test]
    fn lines_have_the_time_of_their_end() {
        let mut ring = Ring::default();
        ring.push(b"a\nb", 10, 1000, false);
        ring.push(b"b\nc\n", 20, 1000, false);
        let mut cursor = ring.before_last(None);
        let times: Vec<u64> =
            std::iter::from_fn(|| ring.next(&mut cursor)).map(|line| line.nanoseconds).collect();
        assert_eq!(times, [10, 20, 20]);
        for time in 0..10 * RING_MARKS_MAX {
            ring.push(b"x", time as u64, 1 << 20, false);
            assert!(ring.marks.len() <= RING_MARKS_MAX);
        }
    }
}
