//! What a line looks like: its frame, how its content is encoded, and where it is cut.
//!
//! Everything that does not change from line to line is put together once; a line is then a few
//! copies into the buffer of its caller, and allocates nothing.

use super::{Page, Stamp};
use crate::limits::{LINE_BYTES_MAX, LINE_BYTES_MIN};
use crate::service::{Format, Level, Name};

/// How lines are to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// The form.
    pub format: Format,
    /// Whether `text` begins with the time; `json` always has it, `raw` never.
    pub timestamps: bool,
    /// Whether `text` is coloured: the sink is a terminal.
    pub colours: bool,
    /// Longest line, in bytes, everything included. Kept within the range `limits` gives.
    pub max_line: usize,
}

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output, or both in one.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The look of the lines of one stream: `open`, the time, `head`, the content, `close`.
#[derive(Clone, Debug)]
pub struct Shape {
    frame: &'static Frame,
    timestamps: bool,
    head: Box<[u8]>,
    /// What is left of the longest line for the encoded content and what closes it.
    left: u32,
}

/// What lines of one form have in common, whoever they come from.
#[derive(Debug)]
struct Frame {
    open: &'static [u8],
    close: &'static [u8],
    /// Closes every piece of a line but the last.
    close_partial: &'static [u8],
    encoding: Encoding,
}

static TEXT: Frame =
    Frame {
        open: b"", close: b"\n", close_partial: " …\n".as_bytes(), encoding: Encoding::Plain
    };

/// A text that began with the escape sequence of a colour.
static COLOURED: Frame = Frame {
    open: b"",
    close: b"\x1b[0m\n",
    close_partial: " …\x1b[0m\n".as_bytes(),
    encoding: Encoding::Plain,
};

static JSON: Frame = Frame {
    open: b"{\"time\":\"",
    close: b"\"}\n",
    close_partial: b"\",\"partial\":true}\n",
    encoding: Encoding::Json,
};

static RAW: Frame =
    Frame { open: b"", close: b"\n", close_partial: b"\n", encoding: Encoding::Plain };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// As it came.
    Plain,
    /// As the inside of a JSON string.
    Json,
}

/// One byte becomes six at most, as in `\u0000`, and never none.
const JSON_EXPANSION: usize = 6;

const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

impl Shape {
    /// The lines of a service.
    #[must_use]
    pub fn of_service(style: Style, service: &Name, stream: Stream) -> Self {
        let service = service.as_str();
        match style.format {
            Format::Text => {
                let name = if style.colours {
                    format!("\x1b[{}m{service}\x1b[0m | ", colour(service))
                } else {
                    format!("{service} | ")
                };
                Self::text(style, &name, &TEXT)
            }
            Format::Json => {
                let stream = stream.as_str();
                Self::json(style, &format!("\"service\":\"{service}\",\"stream\":\"{stream}\""))
            }
            Format::Raw => Self::raw(style.max_line),
        }
    }

    /// What onit itself says. There is no `raw` form of it: it did not come as a line, and what
    /// has no name on it could be anybody's.
    #[must_use]
    pub fn of_notice(style: Style, level: Level) -> Self {
        let name = Name::ONIT;
        let escape = if style.colours { escape(level) } else { None };
        match style.format {
            Format::Text | Format::Raw => match escape {
                Some(escape) => Self::text(style, &format!("{escape}{name} | "), &COLOURED),
                None => Self::text(style, &format!("{name} | "), &TEXT),
            },
            Format::Json => {
                let (stream, level) = (Stream::Stderr.as_str(), word(level));
                Self::json(
                    style,
                    &format!(
                        "\"service\":\"{name}\",\"stream\":\"{stream}\",\"level\":\"{level}\""
                    ),
                )
            }
        }
    }

    /// Lines as they came.
    #[must_use]
    pub fn raw(max_line: usize) -> Self {
        Self::measured(&RAW, false, Vec::new(), max_line)
    }

    /// Appends what stands before the content of a line.
    pub fn write_front(&self, stamp: &Stamp, out: &mut Page) {
        out.push(self.frame.open);
        if self.timestamps {
            out.push(stamp.as_bytes());
        }
        out.push(&self.head);
    }

    /// Whether what follows the front is the line as it came, with its end.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.frame.encoding == Encoding::Plain && self.frame.close == b"\n"
    }

    /// Appends what follows the front for `line`, which fits and still has its end.
    pub fn write_line(&self, line: &[u8], out: &mut Page) {
        let (_, content) = line.split_last().unwrap_or((&b'\n', line));
        self.encode(self.trimmed(content), out);
        out.push(self.frame.close);
    }

    /// Longest content that makes one line whatever it is, in bytes as they came.
    #[must_use]
    pub fn room_for_any(&self) -> usize {
        match self.frame.encoding {
            Encoding::Plain => self.room(),
            Encoding::Json => self.room() / JSON_EXPANSION,
        }
    }

    /// Longest content that can make one whole line, in bytes as they came. What is longer is
    /// known to need a cut, before its end is seen.
    #[must_use]
    pub fn room(&self) -> usize {
        self.room_before(self.frame.close)
    }

    /// The content of a complete line without what only marked its end.
    #[must_use]
    pub fn trimmed<'a>(&self, content: &'a [u8]) -> &'a [u8] {
        match self.frame.encoding {
            Encoding::Plain => content,
            Encoding::Json => match content.split_last() {
                Some((b'\r', content)) => content,
                Some(_) | None => content,
            },
        }
    }

    /// Appends `content` as one line to `out`, or, where it is too long for one, its first piece,
    /// marked as such. Returns how much of `content` that was: all of it, or at least one byte.
    pub fn write(&self, content: &[u8], stamp: &Stamp, out: &mut Page) -> usize {
        self.write_front(stamp, out);
        let from = out.len();
        // To find out where to cut takes far longer than to encode, and hardly a line has to be.
        let room = self.room();
        if content.len() <= room {
            self.encode(content, out);
            if out.len().saturating_sub(from) <= room {
                out.push(self.frame.close);
                return content.len();
            }
            out.truncate(from);
        }
        let piece = content.get(..self.cut(content)).unwrap_or(content);
        self.encode(piece, out);
        out.push(self.frame.close_partial);
        piece.len()
    }

    fn encode(&self, content: &[u8], out: &mut Page) {
        match self.frame.encoding {
            Encoding::Plain => out.push(content),
            Encoding::Json => encode(content, out),
        }
    }

    /// Where `content`, which does not fit, must be cut.
    fn cut(&self, content: &[u8]) -> usize {
        let room = self.room_before(self.frame.close_partial);
        match self.frame.encoding {
            Encoding::Plain => character_start(content, room),
            Encoding::Json => json_cut(content, room),
        }
    }

    fn text(style: Style, name: &str, frame: &'static Frame) -> Self {
        let gap = if style.timestamps { " " } else { "" };
        let head = [gap, name].concat().into_bytes();
        Self::measured(frame, style.timestamps, head, style.max_line)
    }

    /// Names and words need no escape: they are letters, digits and `_ . @ -`.
    fn json(style: Style, members: &str) -> Self {
        let head = ["\",", members, ",\"message\":\""].concat().into_bytes();
        Self::measured(&JSON, true, head, style.max_line)
    }

    fn measured(frame: &'static Frame, timestamps: bool, head: Vec<u8>, max_line: usize) -> Self {
        let stamp = if timestamps { Stamp::BYTES } else { 0 };
        let left = max_line
            .clamp(LINE_BYTES_MIN, LINE_BYTES_MAX)
            .saturating_sub(frame.open.len())
            .saturating_sub(stamp)
            .saturating_sub(head.len());
        // Not more than the longest line.
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        Self { frame, timestamps, head: head.into(), left }
    }

    /// What is left for the encoded content of what is closed by `close`.
    fn room_before(&self, close: &[u8]) -> usize {
        // The smallest line has room for the longest name with all that goes with it, so that at
        // least one character is left for each piece; the tests hold it to that.
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        left.saturating_sub(close.len()).max(JSON_EXPANSION)
    }
}

impl Stream {
    /// `stdout` or `stderr`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// The colour of a name on a terminal: always the same for the same name, and never one of those
/// that onit's own warnings and errors have.
fn colour(name: &str) -> u8 {
    // FNV-1a: names that differ in one letter, as web@1 and web@2, get different colours.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    match hash.rotate_right(32) % 8 {
        0 => 36,
        1 => 32,
        2 => 35,
        3 => 34,
        4 => 96,
        5 => 92,
        6 => 95,
        _ => 94,
    }
}

fn escape(level: Level) -> Option<&'static str> {
    match level {
        Level::Error => Some("\x1b[31m"),
        Level::Warn => Some("\x1b[33m"),
        Level::Info | Level::Debug => None,
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
    }
}

/// The last place up to `at` that is not inside a UTF-8 character; `at` itself in what is not
/// UTF-8.
fn character_start(content: &[u8], at: usize) -> usize {
    // A character has at most three bytes after its first.
    let is_inside = |at: usize| content.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    let lowest = at.saturating_sub(3).max(1);
    (lowest..=at).rev().find(|at| !is_inside(*at)).unwrap_or(at)
}

/// Where `content` must be cut so that its encoding takes at most `room`.
fn json_cut(content: &[u8], room: usize) -> usize {
    let mut taken: usize = 0;
    let mut cut: usize = 0;
    // A step is what must stay together: `from` bytes as they came, `to` bytes encoded. Says
    // whether there was room for it.
    let mut step = |from: usize, to: usize| {
        taken = taken.saturating_add(to);
        let fits = taken <= room;
        if fits {
            cut = cut.saturating_add(from);
        }
        fits
    };
    for chunk in content.utf8_chunks() {
        for character in chunk.valid().chars() {
            let from = character.len_utf8();
            let to = u8::try_from(character).map_or(from, |byte| match escaped(byte) {
                Escaped::No => from,
                Escaped::Short(_) => 2,
                Escaped::Long => JSON_EXPANSION,
            });
            if !step(from, to) {
                return cut;
            }
        }
        let invalid = chunk.invalid().len();
        if invalid > 0 && !step(invalid, REPLACEMENT.len()) {
            return cut;
        }
    }
    cut
}

#[derive(Clone, Copy)]
enum Escaped {
    No,
    /// A backslash and this.
    Short(u8),
    /// `\u00` and two digits.
    Long,
}

fn escaped(byte: u8) -> Escaped {
    match byte {
        b'"' | b'\\' => Escaped::Short(byte),
        b'\n' => Escaped::Short(b'n'),
        b'\r' => Escaped::Short(b'r'),
        b'\t' => Escaped::Short(b't'),
        0..=0x1F | 0x7F => Escaped::Long,
        _ => Escaped::No,
    }
}

/// Appends `content` as the inside of a JSON string.
fn encode(content: &[u8], out: &mut Page) {
    let mut rest = content;
    loop {
        let (plain, special) = rest.split_at_checked(plain_bytes(rest)).unwrap_or((rest, &[]));
        out.push(plain);
        match special.split_first() {
            None => return,
            Some((byte, after)) if byte.is_ascii() => {
                escape_byte(*byte, out);
                rest = after;
            }
            Some(_) => return encode_beyond_ascii(special, out),
        }
    }
}

/// Almost everything is UTF-8, and to see that at once is faster than character by character.
fn encode_beyond_ascii(content: &[u8], out: &mut Page) {
    for chunk in content.utf8_chunks() {
        let mut rest = chunk.valid().as_bytes();
        loop {
            let special = rest.iter().position(|byte| !matches!(escaped(*byte), Escaped::No));
            let (plain, special) = rest.split_at(special.unwrap_or(rest.len()));
            out.push(plain);
            let Some((byte, after)) = special.split_first() else { break };
            escape_byte(*byte, out);
            rest = after;
        }
        if !chunk.invalid().is_empty() {
            out.push(REPLACEMENT);
        }
    }
}

fn escape_byte(byte: u8, out: &mut Page) {
    match escaped(byte) {
        Escaped::No => out.push(&[byte]),
        Escaped::Short(letter) => out.push(&[b'\\', letter]),
        Escaped::Long => {
            out.push(b"\\u00");
            out.push(&[hexadecimal(byte >> 4), hexadecimal(byte & 0xF)]);
        }
    }
}

/// How many bytes at the beginning of `bytes` are ASCII and need no escape.
fn plain_bytes(bytes: &[u8]) -> usize {
    // Eight at a time, since this is what the time of a JSON line goes into.
    let (words, _) = bytes.as_chunks::<8>();
    let plain_words = words.iter().take_while(|word| is_plain(u64::from_ne_bytes(**word))).count();
    // What the last word has in common with these eight has been looked at, which is no harm.
    let last = bytes.last_chunk::<8>();
    if plain_words == words.len() && last.is_some_and(|word| is_plain(u64::from_ne_bytes(*word))) {
        return bytes.len();
    }
    let from = plain_words.saturating_mul(8);
    let rest = bytes.get(from..).unwrap_or_default();
    let is_plain = |byte: &u8| byte.is_ascii() && matches!(escaped(*byte), Escaped::No);
    from.saturating_add(rest.iter().take_while(|byte| is_plain(byte)).count())
}

/// Whether eight bytes are ASCII and none of them needs an escape. Each term sets the highest bit
/// of a byte that does: it is set already; adding one to 0x7F sets it; taking 0x20 from what is
/// less borrows it, as does taking one from what is nothing but for the byte it was compared with.
/// A carry or a borrow may reach the next byte, but only from one that is found anyway.
#[inline(always)]
fn is_plain(word: u64) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let differs = |byte: u8| (word ^ EACH.wrapping_mul(byte.into())).wrapping_sub(EACH);
    let controls = word.wrapping_add(EACH) | word.wrapping_sub(EACH.wrapping_mul(0x20));
    (word | controls | differs(b'"') | differs(b'\\')) & EACH.wrapping_mul(0x80) == 0
}

fn hexadecimal(digit: u8) -> u8 {
    match digit {
        0..=9 => digit | b'0',
        _ => digit.saturating_sub(10).saturating_add(b'a'),
    }
}
