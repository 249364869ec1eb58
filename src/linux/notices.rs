//! onit's own voice: what is said through the `log` crate, as lines of the service `onit`.
//!
//! Whoever speaks never waits: a message is one write to a non-blocking pipe, which the relay to
//! standard error empties. When the pipe is full, messages are dropped and counted, and the count
//! is told as soon as there is room.
//!
//! The loop has more to say at once: what it says is held until it is about to wait, and then
//! passed on together. Each write wakes the relay, which takes longer than all the rest.

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use log::{LevelFilter, Log, Metadata, Record};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

use super::clock::wall_clock;
use super::console::{ConsoleSettings, Identity, Relays};
use super::relay::{Aside, Pipe, errno, lock};
use super::rings::SharedRing;
use crate::limits::NOTICE_BYTES_MAX;
use crate::output::{Lines, Page, Shape, Stamp, Stream, Style};
use crate::service::{Failure, Level};

/// The logger. Neither a pipe nor a thread exists before the first message.
#[derive(Debug)]
pub struct Notices {
    settings: ConsoleSettings,
    relays: Arc<Relays>,
    /// Where it is kept for `onit logs`.
    ring: Arc<SharedRing>,
    voice: Mutex<Option<Voice>>,
    held: Mutex<Held>,
    /// Messages said so far.
    said: AtomicU64,
    /// Messages dropped and not told about.
    dropped: Arc<AtomicU64>,
}

/// The way to the relay.
#[derive(Clone, Debug)]
struct Voice {
    pipe: Arc<Pipe>,
    style: Style,
    dropped: Arc<AtomicU64>,
}

/// What has been said and not been passed on.
#[derive(Debug, Default)]
struct Held {
    /// Whole lines, together not longer than what a pipe takes whole or not at all.
    lines: Page,
    messages: u64,
}

thread_local! {
    /// What this thread says is held until it is passed on.
    static HOLDS: Cell<bool> = const { Cell::new(false) };
}

/// The text of one message, up to a bound, without anything that would end its line or move a
/// cursor.
struct Text(String);

impl Notices {
    pub(super) fn new(
        settings: ConsoleSettings,
        relays: Arc<Relays>,
        ring: Arc<SharedRing>,
    ) -> Self {
        Self {
            settings,
            relays,
            ring,
            voice: Mutex::default(),
            held: Mutex::default(),
            said: AtomicU64::new(0),
            dropped: Arc::default(),
        }
    }

    /// Makes this the logger of the process, unless there is one: the first stays.
    pub fn install(self: Arc<Self>) {
        let level = match self.settings.level {
            Level::Error => LevelFilter::Error,
            Level::Warn => LevelFilter::Warn,
            Level::Info => LevelFilter::Info,
            Level::Debug => LevelFilter::Trace,
        };
        if log::set_boxed_logger(Box::new(self)).is_ok() {
            log::set_max_level(level);
        }
    }

    /// Says `text`, or drops it.
    pub fn say(&self, level: Level, text: &fmt::Arguments<'_>) {
        if level > self.settings.level {
            return;
        }
        self.said.fetch_add(1, Ordering::Relaxed);
        let mut message = Text::of(text);
        match self.voice() {
            Ok(voice) => self.hold(&voice, line(voice.style, level, &message).as_slice()),
            Err(_) => self.say_directly(level, &message),
        }
        message.0.push('\n');
        self.ring.push(message.0.as_bytes(), wall_clock());
    }

    /// From here on what this thread says is held until [`Notices::pass_on`], which it promises to
    /// call before it waits; or not any more.
    pub fn hold_what_is_said(&self, holds: bool) {
        HOLDS.set(holds);
        self.pass_on();
    }

    /// How many messages have been said.
    #[must_use]
    pub fn said(&self) -> u64 {
        self.said.load(Ordering::Relaxed)
    }

    /// Whether something is held.
    #[must_use]
    pub fn holds(&self) -> bool {
        lock(&self.held).messages > 0
    }

    /// Passes on what is held.
    pub fn pass_on(&self) {
        let mut held = lock(&self.held);
        if held.messages > 0
            && let Ok(voice) = self.voice()
        {
            held.pass_on(&voice);
        }
    }

    fn hold(&self, voice: &Voice, line: &[u8]) {
        let mut held = lock(&self.held);
        if held.lines.len().saturating_add(line.len()) > NOTICE_BYTES_MAX {
            held.pass_on(voice);
        }
        held.lines.push(line);
        held.messages = held.messages.saturating_add(1);
        if !HOLDS.get() {
            held.pass_on(voice);
        }
    }

    fn voice(&self) -> Result<Voice, Failure> {
        let mut place = lock(&self.voice);
        if let Some(voice) = &*place {
            return Ok(voice.clone());
        }
        let Identity { key, is_terminal } = self.relays.identity(Stream::Stderr).clone();
        let pipe = Arc::new(Pipe::open()?);
        // Unlike a service's, both ends are ours alone.
        fcntl(pipe.writer(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
            .map_err(|error| Failure::errno("open", "a pipe for messages", errno(error)))?;
        let dropped = Arc::clone(&self.dropped);
        let style = style(self.settings, is_terminal);
        let voice = Voice { pipe: Arc::clone(&pipe), style, dropped };
        let speaker = voice.clone();
        let aside = Aside::Tell(Box::new(move || speaker.say_dropped()));
        let lines = Lines::new(Shape::raw(NOTICE_BYTES_MAX));
        let sink = || self.relays.sink(Stream::Stderr);
        self.relays.route(key, sink)?.relay.attach(&pipe, lines, aside)?;
        *place = Some(voice.clone());
        Ok(voice)
    }

    /// Without descriptors or threads there is no relay, and just that may be what is to be said.
    /// If standard error has room now, a message this short does not block on it.
    fn say_directly(&self, level: Level, text: &Text) {
        let is_said = self.relays.duplicate_stderr().is_some_and(|stderr| {
            let line = line(style(self.settings, false), level, text);
            has_room(stderr.as_fd()) && write(&stderr, line.as_slice()).is_ok()
        });
        if !is_said {
            self.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Log for Notices {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        level(metadata.level()) <= self.settings.level
    }

    fn log(&self, record: &Record<'_>) {
        self.say(level(record.level()), record.args());
    }

    /// Also for a thread that has panicked anywhere, with a lock of ours in its hands.
    fn flush(&self) {
        if let (Ok(mut held), Ok(voice)) = (self.held.try_lock(), self.voice.try_lock())
            && held.messages > 0
            && let Some(voice) = &*voice
        {
            held.pass_on(voice);
        }
    }
}

impl Held {
    fn pass_on(&mut self, voice: &Voice) {
        voice.say(self.lines.as_slice(), self.messages);
        self.lines.clear();
        self.messages = 0;
    }
}

impl Voice {
    /// Says `lines`, which are so many messages.
    fn say(&self, lines: &[u8], messages: u64) {
        self.say_dropped();
        if !self.write(lines) {
            self.dropped.fetch_add(messages, Ordering::SeqCst);
            // The relay may have emptied the pipe in between, and then would not come again.
            self.say_dropped();
        }
    }

    fn say_dropped(&self) {
        let dropped = self.dropped.swap(0, Ordering::SeqCst);
        if dropped == 0 {
            return;
        }
        let messages = if dropped == 1 { "message" } else { "messages" };
        let text = Text::of(&format_args!("{dropped} {messages} dropped"));
        let text = line(self.style, Level::Warn, &text);
        if !self.write(text.as_slice()) {
            self.dropped.fetch_add(dropped, Ordering::SeqCst);
        }
    }

    /// All of `lines` or nothing: they are not longer than `PIPE_BUF`, see pipe(7).
    fn write(&self, lines: &[u8]) -> bool {
        write(self.pipe.writer(), lines).is_ok()
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.len() > NOTICE_BYTES_MAX {
                return Err(fmt::Error);
            }
            if character.is_control() {
                self.0.extend(character.escape_default());
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

impl Text {
    /// The message and nothing else.
    fn of(text: &fmt::Arguments<'_>) -> Self {
        let mut message = Self(String::new());
        // An error only says that there is more than enough.
        let _ = message.write_fmt(*text);
        message
    }
}

/// The message as one line; what does not fit is cut, and the cut is marked.
fn line(style: Style, level: Level, text: &Text) -> Page {
    let mut line = Page::default();
    Shape::of_notice(style, level).write(text.0.as_bytes(), &Stamp::at(wall_clock()), &mut line);
    line
}

fn style(settings: ConsoleSettings, is_terminal: bool) -> Style {
    Style {
        format: settings.format,
        timestamps: settings.timestamps,
        colours: settings.colours && is_terminal,
        max_line: NOTICE_BYTES_MAX,
    }
}

fn has_room(descriptor: BorrowedFd<'_>) -> bool {
    let mut ready = [PollFd::new(descriptor, PollFlags::POLLOUT)];
    let _ = poll(&mut ready, PollTimeout::ZERO);
    let [ready] = ready;
    ready.revents().is_some_and(|events| events.contains(PollFlags::POLLOUT))
}

fn level(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warn,
        log::Level::Info => Level::Info,
        log::Level::Debug | log::Level::Trace => Level::Debug,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::super::console::tests::{over, relays};
    use super::super::relay::tests::{console, expect, read_bytes};
    use super::*;

    #[test]
    fn nothing_runs_before_the_first_message() {
        let (reader, writer) = console();
        let console = over(writer.try_clone().unwrap(), writer);
        let notices = console.notices();
        notices.hold_what_is_said(true);
        notices.hold_what_is_said(false);
        notices.say(Level::Debug, &format_args!("nobody asked"));
        assert_eq!(relays(&console), 0);
        notices.say(Level::Warn, &format_args!("web: exit code {}\nrm\x1b[2J", 3));
        expect(&reader, "onit | web: exit code 3\\nrm\\u{1b}[2J\n");
        assert_eq!(relays(&console), 1);
    }

    #[test]
    fn what_is_held_is_said_at_once_and_in_order() {
        let (reader, writer) = console();
        let console = over(writer.try_clone().unwrap(), writer);
        let notices = console.notices();
        notices.hold_what_is_said(true);
        notices.say(Level::Info, &format_args!("one"));
        notices.say(Level::Info, &format_args!("two"));
        assert!(notices.holds() && !has_come(&reader));
        notices.pass_on();
        assert!(!notices.holds());
        expect(&reader, "onit | one\nonit | two\n");
        // Whoever does not promise to come back passes on what others have said before.
        notices.say(Level::Info, &format_args!("three"));
        std::thread::scope(|scope| {
            scope.spawn(|| notices.say(Level::Info, &format_args!("four")));
        });
        expect(&reader, "onit | three\nonit | four\n");
        // No more than a pipe takes whole is held.
        for _ in 0..NOTICE_BYTES_MAX / 100 {
            notices.say(Level::Info, &format_args!("{}", "x".repeat(100)));
        }
        read_bytes(&reader, 1000);
        notices.say(Level::Info, &format_args!("last words"));
        Log::flush(&*notices);
        assert!(!notices.holds());
        notices.hold_what_is_said(false);
    }

    fn has_come(reader: &OwnedFd) -> bool {
        let mut ready = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, 20_u8).unwrap() > 0
    }

    #[test]
    fn a_long_message_is_cut_to_what_a_pipe_takes_whole() {
        let (reader, writer) = console();
        let console = over(writer.try_clone().unwrap(), writer);
        console.notices().say(Level::Error, &format_args!("{}", "ü".repeat(5000)));
        let all = String::from_utf8(read_bytes(&reader, NOTICE_BYTES_MAX)).unwrap();
        assert!(all.starts_with("onit | üü"));
        assert!(all.ends_with("ü …\n"));
    }

    #[test]
    fn messages_nobody_takes_are_counted_and_the_count_is_told() {
        let (reader, writer) = console();
        let console = over(writer.try_clone().unwrap(), writer);
        let notices = console.notices();
        let long = "x".repeat(1000);
        // More than two pipes and a relay hold; none of it makes us wait.
        const SAID: usize = 1000;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..SAID / 4 {
                        notices.say(Level::Info, &format_args!("{long}"));
                    }
                });
            }
        });
        let line = format!("onit | {long}\n");
        let (mut whole, mut dropped) = (0, 0);
        while whole + dropped < SAID {
            let start = String::from_utf8(read_bytes(&reader, 8)).unwrap();
            if line.starts_with(&start) {
                let rest = read_bytes(&reader, line.len() - 8);
                assert!(rest == line.as_bytes()[8..]);
                whole += 1;
            } else {
                let mut text = start;
                while !text.ends_with('\n') {
                    text.push(char::from(read_bytes(&reader, 1)[0]));
                }
                let count = text.strip_prefix("onit | ").unwrap();
                let (count, words) = count.split_once(' ').unwrap();
                assert!(words == "messages dropped\n" || words == "message dropped\n", "{words}");
                dropped += count.parse::<usize>().unwrap();
            }
        }
        assert_eq!(whole + dropped, SAID);
        assert!(dropped > 0);
    }
}
