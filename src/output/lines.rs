//! From bytes to lines: keeps the beginning of a line until its end comes, and nothing else.

use memchr::{memchr, memchr_iter};

use super::{Page, Shape, Stamp};
use crate::limits::OUT_BYTES;

/// The lines of one stream. Holds at most one line that has no end yet.
#[derive(Clone, Debug)]
pub struct Lines {
    shape: Shape,
    /// The beginning of a line. Never longer than what makes one line of this shape.
    tail: Vec<u8>,
}

impl Lines {
    /// Lines of this shape.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self { shape, tail: Vec::new() }
    }

    /// The shape of these lines.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// How many bytes wait for the end of their line.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.tail.len()
    }

    /// Appends to `out` the lines that end in `bytes`, and keeps the beginning of the next.
    ///
    /// Stops when `out` holds [`OUT_BYTES`]; the caller makes room and comes again with what is
    /// left. Returns how many bytes were taken. In `front` is put together what stands before each
    /// line of now: once for all that come at once.
    pub fn push(&mut self, bytes: &[u8], stamp: &Stamp, front: &mut Page, out: &mut Page) -> usize {
        let mut rest = bytes;
        front.clear();
        self.shape.write_front(stamp, front);
        while !rest.is_empty() && out.len() < OUT_BYTES {
            if self.tail.is_empty() {
                let taken = copy_lines(rest, &self.shape, front.as_slice(), out);
                rest = rest.get(taken..).unwrap_or_default();
                if out.len() >= OUT_BYTES || rest.is_empty() {
                    break;
                }
            }
            let taken = if self.tail.is_empty() {
                self.line(rest, stamp, out)
            } else {
                self.rest_of_line(rest, stamp, out)
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        bytes.len().saturating_sub(rest.len())
    }

    /// Ends the line that has been begun, if there is one: nothing more will come.
    pub fn flush(&mut self, stamp: &Stamp, out: &mut Page) {
        let mut rest = self.shape.trimmed(&self.tail);
        if self.tail.is_empty() {
            return;
        }
        loop {
            let written = self.shape.write(rest, stamp, out);
            rest = rest.get(written..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
        }
        self.tail.clear();
    }

    /// Forgets the line that has been begun.
    pub fn clear(&mut self) {
        self.tail.clear();
    }

    /// Takes one line, or a piece of one, straight from `bytes`; keeps it if it has no end yet.
    fn line(&mut self, bytes: &[u8], stamp: &Stamp, out: &mut Page) -> usize {
        let room = self.shape.room();
        // What has no end within the room is too long, wherever its end is: looking further would
        // mean to look at the same bytes again for each piece.
        let window = bytes.get(..room.saturating_add(1)).unwrap_or(bytes);
        match memchr(b'\n', window) {
            Some(end) => {
                let content = self.shape.trimmed(bytes.get(..end).unwrap_or_default());
                let written = self.shape.write(content, stamp, out);
                // Only with the last piece the end of the line is behind us.
                if written == content.len() { end.saturating_add(1) } else { written }
            }
            None if window.len() > room => self.shape.write(window, stamp, out),
            None => {
                self.tail.extend_from_slice(window);
                window.len()
            }
        }
    }

    /// Takes what `bytes` has of the line that has been begun.
    fn rest_of_line(&mut self, bytes: &[u8], stamp: &Stamp, out: &mut Page) -> usize {
        let room = self.shape.room();
        let missing = room.saturating_add(1).saturating_sub(self.tail.len());
        let window = bytes.get(..missing).unwrap_or(bytes);
        match memchr(b'\n', window) {
            Some(end) => {
                self.tail.extend_from_slice(window.get(..end).unwrap_or_default());
                self.flush(stamp, out);
                end.saturating_add(1)
            }
            None => {
                self.tail.extend_from_slice(window);
                if self.tail.len() > room {
                    let written = self.shape.write(&self.tail, stamp, out);
                    self.tail.drain(..written.min(self.tail.len()));
                }
                window.len()
            }
        }
    }
}

/// Copies the whole lines that `bytes` begins with, each behind `front`, as long as none could be
/// too long: what nearly all lines are, and so the innermost loop of all. Returns how many bytes
/// those are.
fn copy_lines(bytes: &[u8], shape: &Shape, front: &[u8], out: &mut Page) -> usize {
    let most = shape.room_for_any().saturating_add(1);
    let is_bare = shape.is_bare();
    let mut from = 0usize;
    for end in memchr_iter(b'\n', bytes) {
        let after = end.saturating_add(1);
        let Some(line) = bytes.get(from..after) else { break };
        if line.len() > most || out.len() >= OUT_BYTES {
            break;
        }
        out.push(front);
        if is_bare {
            out.push(line);
        } else {
            shape.write_line(line, out);
        }
        from = after;
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Stream, Style};
    use crate::service::{Format, Level, Name};

    fn style(format: Format) -> Style {
        Style { format, timestamps: false, colours: false, max_line: 16 << 10 }
    }

    fn web(style: Style) -> Lines {
        Lines::new(Shape::of_service(style, &Name::new("web").unwrap(), Stream::Stdout))
    }

    fn stamp() -> Stamp {
        Stamp::at(1_763_670_280_123_000_000)
    }

    /// What becomes of `input` when it comes in chunks of `size` bytes, and then the run ends.
    fn written(mut lines: Lines, input: &[u8], size: usize) -> Vec<u8> {
        let (mut all, mut out) = (Vec::new(), Page::default());
        for chunk in input.chunks(size) {
            let mut rest = chunk;
            while !rest.is_empty() {
                let taken = lines.push(rest, &stamp(), &mut Page::default(), &mut out);
                rest = &rest[taken..];
                all.extend_from_slice(out.as_slice());
                out.clear();
            }
        }
        lines.flush(&stamp(), &mut out);
        all.extend_from_slice(out.as_slice());
        all
    }

    /// A pseudo-random sequence; the same seed gives the same one.
    fn random(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed | 1;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        }
    }

    #[test]
    fn a_line_looks_as_its_format_says() {
        let check = |style: Style, input: &str, expected: &str| {
            for size in [1, 2, 3, 1000] {
                let all = written(web(style), input.as_bytes(), size);
                assert_eq!(String::from_utf8(all).unwrap(), expected, "{style:?} {size}");
            }
        };
        let text = style(Format::Text);
        check(text, "hello\n", "web | hello\n");
        check(text, "", "");
        check(text, "\n", "web | \n");
        check(text, "a\n\nb", "web | a\nweb | \nweb | b\n");
        check(text, "dos\r\n", "web | dos\r\n");
        let stamped = Style { timestamps: true, ..text };
        check(stamped, "hello\n", "2025-11-20T20:24:40.123Z web | hello\n");
        let coloured = Style { colours: true, ..text };
        check(coloured, "hello\n", "\x1b[32mweb\x1b[0m | hello\n");
        check(style(Format::Raw), "a\r\n\nb", "a\r\n\nb\n");
        let json = style(Format::Json);
        let head =
            r#"{"time":"2025-11-20T20:24:40.123Z","service":"web","stream":"stdout","message":"#;
        check(json, "dos\r\n", &format!("{head}\"dos\"}}\n"));
        check(json, "\r\n", &format!("{head}\"\"}}\n"));
        check(
            json,
            "a\"b\\c\td\x1b[0m\u{7f}ü\n",
            &format!("{head}\"a\\\"b\\\\c\\td\\u001b[0m\\u007fü\"}}\n"),
        );
    }

    #[test]
    fn what_is_not_utf8_is_replaced_in_json_only() {
        let all = written(web(style(Format::Json)), b"a\xff\xe2\x82b\n", 1);
        assert!(String::from_utf8(all).unwrap().contains("\"message\":\"a\u{FFFD}\u{FFFD}b\""));
        assert_eq!(written(web(style(Format::Text)), b"a\xff\n", 1), b"web | a\xff\n");
    }

    #[test]
    fn onit_speaks_as_a_service_of_its_own() {
        let check = |style: Style, level: Level, expected: &str| {
            let mut out = Page::default();
            Shape::of_notice(style, level).write(b"ready", &stamp(), &mut out);
            assert_eq!(std::str::from_utf8(out.as_slice()).unwrap(), expected);
        };
        let text = style(Format::Text);
        check(text, Level::Error, "onit | ready\n");
        check(style(Format::Raw), Level::Info, "onit | ready\n");
        let coloured = Style { colours: true, ..text };
        check(coloured, Level::Error, "\x1b[31monit | ready\x1b[0m\n");
        check(coloured, Level::Warn, "\x1b[33monit | ready\x1b[0m\n");
        check(coloured, Level::Info, "onit | ready\n");
        check(
            style(Format::Json),
            Level::Warn,
            "{\"time\":\"2025-11-20T20:24:40.123Z\",\"service\":\"onit\",\"stream\":\"stderr\",\
             \"level\":\"warn\",\"message\":\"ready\"}\n",
        );
    }

    #[test]
    fn a_line_that_just_fits_is_not_cut() {
        let text = Style { max_line: 256, ..style(Format::Text) };
        let fits = "x".repeat(256 - "web | \n".len());
        for size in [1, 7, 1000] {
            let all = written(web(text), format!("{fits}\n").as_bytes(), size);
            assert_eq!(String::from_utf8(all).unwrap(), format!("web | {fits}\n"));
            let all = written(web(text), format!("{fits}y\n").as_bytes(), size);
            let expected = format!("web | {} …\nweb | xxxxy\n", "x".repeat(256 - 11));
            assert_eq!(String::from_utf8(all).unwrap(), expected);
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters_and_nothing_is_lost() {
        let mut random = random(7);
        for _ in 0..200 {
            let length = (random() % 2000) as usize;
            let letters = ['a', 'ü', '€', '😀', '\t', '"', '\u{1}'];
            let line: String = (0..length).map(|_| letters[(random() % 7) as usize]).collect();
            for format in [Format::Text, Format::Json, Format::Raw] {
                let narrow = Style { max_line: 256, ..style(format) };
                let size = (random() % 300) as usize + 1;
                let all = written(web(narrow), line.as_bytes(), size);
                let all = String::from_utf8(all).expect("no character is cut");
                let mut joined = String::new();
                let count = all.lines().count();
                for (index, piece) in all.lines().enumerate() {
                    assert!(piece.len() < 256, "{format:?}: {} bytes", piece.len());
                    let last = index + 1 == count;
                    joined.push_str(&content(format, piece, last));
                }
                assert_eq!(joined, line, "{format:?}");
            }
        }
    }

    /// The content of one written piece, which must bear the mark unless it is the last.
    fn content(format: Format, piece: &str, last: bool) -> String {
        match format {
            Format::Text => {
                let piece = piece.strip_prefix("web | ").unwrap();
                match last {
                    true => piece.to_owned(),
                    false => piece.strip_suffix(" …").unwrap().to_owned(),
                }
            }
            Format::Json => {
                let members = json(piece.as_bytes()).expect(piece);
                let partial =
                    members.iter().any(|(key, value)| key == "partial" && value == "true");
                assert_eq!(partial, !last);
                members.into_iter().find(|(key, _)| key == "message").unwrap().1
            }
            Format::Raw => piece.to_owned(),
        }
    }

    #[test]
    fn any_bytes_make_valid_json_within_the_longest_line() {
        let mut random = random(11);
        for round in 0..300 {
            let length = (random() % 3000) as usize;
            // Some rounds are mostly text, some are noise.
            let input: Vec<u8> = (0..length)
                .map(|_| match round % 3 {
                    0 => random() as u8,
                    1 => (random() % 128) as u8,
                    _ => [b'a', b'\n', 0xE2, 0x82, 0xAC, 0xF0, b'"'][(random() % 7) as usize],
                })
                .collect();
            let max_line = 256 + (random() % 500) as usize;
            let size = (random() % 300) as usize + 1;
            let all = written(web(Style { max_line, ..style(Format::Json) }), &input, size);
            for line in all.split_inclusive(|byte| *byte == b'\n') {
                assert!(line.len() <= max_line);
                let members = json(line.strip_suffix(b"\n").unwrap());
                let members =
                    members.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(line)));
                let keys: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
                assert_eq!(keys[..4], ["time", "service", "stream", "message"]);
            }
        }
    }

    /// The members of a flat JSON object; none if it is not one.
    fn json(line: &[u8]) -> Option<Vec<(String, String)>> {
        let mut rest = std::str::from_utf8(line).ok()?.strip_prefix('{')?;
        let mut members = Vec::new();
        loop {
            let (key, after) = json_string(rest)?;
            let after = after.strip_prefix(':')?;
            let (value, after) = match after.strip_prefix("true") {
                Some(after) => ("true".to_owned(), after),
                None => json_string(after)?,
            };
            members.push((key, value));
            match after {
                "}" => return Some(members),
                _ => rest = after.strip_prefix(',')?,
            }
        }
    }

    fn json_string(text: &str) -> Option<(String, &str)> {
        let mut value = String::new();
        let mut characters = text.strip_prefix('"')?.chars();
        loop {
            match characters.next()? {
                '"' => return Some((value, characters.as_str())),
                '\\' => match characters.next()? {
                    letter @ ('"' | '\\') => value.push(letter),
                    'n' => value.push('\n'),
                    'r' => value.push('\r'),
                    't' => value.push('\t'),
                    'u' => {
                        let digits: String = characters.by_ref().take(4).collect();
                        value.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                    }
                    _ => return None,
                },
                character if character < ' ' => return None,
                character => value.push(character),
            }
        }
    }

    #[test]
    fn every_name_leaves_room_in_the_shortest_line() {
        let name = Name::new(&"n".repeat(63)).unwrap();
        for format in [Format::Text, Format::Json, Format::Raw] {
            let style = Style { format, timestamps: true, colours: true, max_line: 0 };
            let mut out = Page::default();
            let long = [0_u8; 1000];
            let written =
                Shape::of_service(style, &name, Stream::Stderr).write(&long, &stamp(), &mut out);
            assert!(written >= 1 && out.len() <= 256, "{format:?}: {written} {}", out.len());
        }
    }

    #[test]
    fn the_out_buffer_does_not_grow_with_the_number_of_lines() {
        let mut lines = web(Style { timestamps: true, ..style(Format::Text) });
        let mut out = Page::default();
        let taken = lines.push(&[b'\n'; 64 << 10], &stamp(), &mut Page::default(), &mut out);
        assert!(taken < 64 << 10);
        assert!(out.len() < OUT_BYTES + 256);
    }

    #[test]
    fn a_line_without_end_takes_no_more_than_its_longest_piece() {
        let mut lines = web(style(Format::Text));
        let mut out = Page::default();
        for _ in 0..1000 {
            assert_eq!(lines.push(&[b'x'; 5000], &stamp(), &mut Page::default(), &mut out), 5000);
            assert!(lines.waiting() <= 16 << 10);
            out.clear();
        }
    }
}
