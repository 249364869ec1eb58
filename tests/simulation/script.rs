//! What a process of the simulated world does: how long its exec takes, how long it runs, which
//! signals it heeds, whom it leaves behind.

use std::time::Duration;

use onit::service::notify::{Message, Watchdog};
use onit::service::{Errno, Exit, Failure, Signal};

/// What one process does.
#[derive(Clone, Debug)]
pub struct Script {
    pub exec: Exec,
    /// How long it runs by itself; none: until somebody ends it.
    pub runs: Option<Duration>,
    /// How it ends by itself.
    pub exit: Exit,
    pub heeds: Heeds,
    /// How it ends when it heeds a signal; none: by that signal.
    pub farewell: Option<Exit>,
    /// How long after the end of its input it ends by itself, with 0; none: it does not.
    pub ends_with_input: Option<Duration>,
    /// Processes it started, there from its exec on.
    pub relatives: Vec<Relative>,
    /// For a stop command: after this long the process it is to stop ends with 0.
    pub stops: Option<Duration>,
    /// What it says of itself, and how long after its exec.
    pub says: Vec<(Duration, Word)>,
    /// How it answers to being told to read its configuration again.
    pub reloads: Option<Reloads>,
    /// What a probe has found out when it ends.
    pub finding: &'static str,
    /// Hangs in the kernel: KILL has no effect.
    pub undying: bool,
}

/// Something that a process says of itself.
#[derive(Clone, Debug)]
pub enum Word {
    /// On its descriptor, or in its output.
    Announces,
    /// It closes that descriptor.
    Mute,
    /// Through its notify socket.
    Message(Message),
}

/// How a process answers to being told to read its configuration again: by USR2, or by the end of a
/// reload command.
#[derive(Clone, Copy, Debug)]
pub struct Reloads {
    /// After this long it says that it is at it.
    pub begins: Duration,
    /// After this long it says that it is done.
    pub ends: Duration,
    /// It says that it began long ago.
    pub is_stale: bool,
}

/// What becomes of the exec.
#[derive(Clone, Debug)]
pub enum Exec {
    Takes(Duration),
    Fails(Failure, Duration),
    /// A dead volume: never comes back, and cannot be killed.
    Hangs,
}

/// Which signals, of those that ask for an end, are heeded, and how fast.
#[derive(Clone, Copy, Debug)]
pub enum Heeds {
    All(Duration),
    Only(Signal, Duration),
    Nothing,
}

/// A process that a run started, besides the one we started.
#[derive(Clone, Debug)]
pub struct Relative {
    pub heeds: Heeds,
    /// Whether it is in the process group of the run.
    pub in_group: bool,
    /// How often somebody it forked takes its place when it is killed.
    pub reborn: u32,
    pub undying: bool,
    /// How long it lives by itself.
    pub lives: Option<Duration>,
}

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

impl Heeds {
    pub fn delay(self, signal: Signal) -> Option<Duration> {
        match self {
            Self::All(delay) => asks_for_an_end(signal).then_some(delay),
            Self::Only(heeded, delay) => (heeded == signal).then_some(delay),
            Self::Nothing => None,
        }
    }
}

fn asks_for_an_end(signal: Signal) -> bool {
    [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::PWR, Signal::HALT]
        .contains(&signal)
}

/// Runs until it is asked to end, and then ends at once.
pub fn runs() -> Script {
    Script {
        exec: Exec::Takes(Duration::ZERO),
        runs: None,
        exit: Exit::Code(0),
        heeds: Heeds::All(Duration::ZERO),
        farewell: None,
        ends_with_input: None,
        relatives: Vec::new(),
        stops: None,
        says: Vec::new(),
        reloads: None,
        finding: "",
        undying: false,
    }
}

/// Runs until its input ends, and this long after that.
pub fn reads(delay: Duration) -> Script {
    Script { ends_with_input: Some(delay), ..runs() }
}

/// Runs until it is killed.
pub fn deaf() -> Script {
    Script { heeds: Heeds::Nothing, ..runs() }
}

/// Needs this long from the stop signal to its end, which is exit code 0.
pub fn slow(delay: Duration) -> Script {
    Script { heeds: Heeds::All(delay), farewell: Some(Exit::Code(0)), ..runs() }
}

/// Ends by itself.
pub fn ends(after: Duration, code: u8) -> Script {
    dies(after, Exit::Code(code))
}

/// Ends by itself, like this.
pub fn dies(after: Duration, exit: Exit) -> Script {
    Script { runs: Some(after), exit, ..runs() }
}

/// Cannot be executed.
pub fn fails(errno: Errno) -> Script {
    let failure = Failure::errno(Failure::EXECUTE, "/bin/it", errno);
    Script { exec: Exec::Fails(failure, Duration::ZERO), ..runs() }
}

/// A stop command that takes this long to end the process, and ends with it.
pub fn stops(after: Duration) -> Script {
    Script { stops: Some(after), ..ends(after, 0) }
}

/// A probe that takes this long and finds out this.
pub fn finds(after: Duration, code: u8) -> Script {
    ends(after, code)
}

impl Script {
    pub fn says(mut self, after: Duration, word: Word) -> Self {
        self.says.push((after, word));
        self
    }

    pub fn message(self, after: Duration, message: Message) -> Self {
        self.says(after, Word::Message(message))
    }

    /// `READY=1`
    pub fn ready(self, after: Duration) -> Self {
        self.message(after, Message { ready: true, ..Message::default() })
    }

    /// `STOPPING=1`
    pub fn stopping(self, after: Duration) -> Self {
        self.message(after, Message { stopping: true, ..Message::default() })
    }

    /// `WATCHDOG=1`, so often.
    pub fn pings(self, every: Duration, times: u32) -> Self {
        let watchdog = Some(Watchdog::Alive);
        let ping = || Message { watchdog, ..Message::default() };
        (1..=times).fold(self, |script, time| script.message(every * time, ping()))
    }

    pub fn extends(self, after: Duration, by: Duration) -> Self {
        self.message(after, Message { extend_timeout: Some(by), ..Message::default() })
    }

    pub fn reloads(self, begins: Duration, ends: Duration) -> Self {
        Self { reloads: Some(Reloads { begins, ends, is_stale: false }), ..self }
    }

    pub fn finding(self, finding: &'static str) -> Self {
        Self { finding, ..self }
    }

    pub fn executed_after(self, delay: Duration) -> Self {
        Self { exec: Exec::Takes(delay), ..self }
    }

    pub fn leaving(mut self, relative: Relative) -> Self {
        self.relatives.push(relative);
        self
    }

    pub fn undying(self) -> Self {
        Self { undying: true, ..self }
    }

    pub fn heeding(self, signal: Signal) -> Self {
        Self { heeds: Heeds::Only(signal, Duration::ZERO), ..self }
    }

    pub fn with_farewell(self, exit: Exit) -> Self {
        Self { farewell: Some(exit), ..self }
    }
}

/// Ends this long after a TERM.
pub fn relative(delay: Duration) -> Relative {
    let heeds = Heeds::All(delay);
    Relative { heeds, in_group: true, reborn: 0, undying: false, lives: None }
}

/// Ends only when killed.
pub fn deaf_relative() -> Relative {
    Relative { heeds: Heeds::Nothing, ..relative(Duration::ZERO) }
}
