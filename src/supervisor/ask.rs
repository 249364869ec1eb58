//! What can be asked of the supervisor, and what it answers. The control socket speaks these as
//! lines of JSON; here they are data.

use std::fmt;

use super::Report;
use crate::service::{Name, Pattern, Problem, RunId, Signal};

/// Names one question for as long as it is open. A number that is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A question, or an order. No names mean all services where that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// How these services are.
    Status {
        /// Which.
        names: Vec<Pattern>,
    },
    /// Whether all is well.
    Health {
        /// How well.
        level: HealthLevel,
    },
    /// These are wanted, and everything they need.
    Start {
        /// Which.
        names: Vec<Pattern>,
        /// Whether the answer waits for the outcome.
        wait: bool,
    },
    /// These are no longer wanted.
    Stop {
        /// Which.
        names: Vec<Pattern>,
        /// What becomes of those that need them.
        dependents: Dependents,
        /// Whether the answer waits for the outcome.
        wait: bool,
    },
    /// These are stopped, if they run, and started, with everything they need.
    Restart {
        /// Which.
        names: Vec<Pattern>,
        /// Whether the answer waits for the outcome.
        wait: bool,
    },
    /// The commands of these are sent a signal.
    Signal {
        /// Which.
        names: Vec<Pattern>,
        /// What they are sent.
        signal: Signal,
    },
    /// When these have come so far.
    Wait {
        /// Which.
        names: Vec<Pattern>,
        /// How far.
        milestone: Milestone,
    },
    /// The sources are read again, and the difference is applied.
    Reload {
        /// Only say what the difference is.
        dry_run: bool,
        /// Whether the answer waits for the outcome.
        wait: bool,
    },
    /// These read their configuration again, each in its own way.
    ReloadServices {
        /// Which.
        names: Vec<Pattern>,
        /// Whether the answer waits for the outcome.
        wait: bool,
    },
    /// Everything is stopped.
    Shutdown {
        /// The exit code that makes, unless there is a main command.
        code: u8,
    },
}

/// How well all is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthLevel {
    /// Nothing has failed for good.
    Alive,
    /// Every service is ready and well, every oneshot has completed.
    Ready,
}

/// What becomes of those that need a service which is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependents {
    /// If there are any, nothing is stopped.
    Refuse,
    /// They go on without it.
    Keep,
    /// They are stopped before it.
    Stop,
}

/// How far a service can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// It is up; a oneshot has completed.
    Ready,
    /// Nothing of it runs.
    Stopped,
    /// It has completed.
    Done,
}

/// An answer. To one question come any number of [`Answer::Progress`], one [`Answer::Difference`]
/// where it is about a reload, and then one of the others, which is the last.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// How the services are.
    Status(Vec<Report>),
    /// Whether all is well, and in one line why, or why not.
    Health {
        /// Whether it is.
        well: bool,
        /// Why.
        reason: String,
    },
    /// These have not come so far yet.
    Progress(Vec<Report>),
    /// What a reload changes.
    Difference(Difference),
    /// How each service ended up.
    Done(Vec<Outcome>),
    /// Everything is being stopped, and nobody will be there to say when that is done.
    ShuttingDown,
    /// Nothing was done.
    Refused(Refusal),
}

/// What came of an order for one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it is now.
    pub report: Report,
    /// Whether it came so far as was asked. Without waiting: whether it is on its way.
    pub reached: bool,
    /// Whether there was anything to do.
    pub changed: bool,
}

/// What a reload changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// New.
    pub added: Vec<Name>,
    /// Other than before.
    pub changed: Vec<Name>,
    /// No longer there; they are stopped.
    pub removed: Vec<Name>,
    /// As before.
    pub unchanged: usize,
    /// Of the new and the changed those that are started; and who is as before, but needed now.
    pub started: Vec<Name>,
    /// Of the changed those that are restarted. Who is in neither list is left to whoever asks.
    pub restarted: Vec<Name>,
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No service is called so.
    Unknown {
        /// What was asked for.
        pattern: Pattern,
        /// What may have been meant.
        nearest: Option<Name>,
        /// It is described, but not enabled.
        disabled: bool,
    },
    /// Everything is being stopped.
    Stopping,
    /// The end of the main command is the end of everything.
    MainCommand,
    /// Others need what is to be stopped.
    Needed {
        /// Whom, and by whom.
        by: Vec<(Name, Vec<Name>)>,
    },
    /// A signal cannot reach what does not run.
    NotRunning {
        /// Which do not.
        names: Vec<Name>,
    },
    /// Nothing says how these could read their configuration again.
    NoReload {
        /// Which.
        names: Vec<Name>,
    },
    /// Only what is ready can read its configuration again.
    NotReady {
        /// Which are not.
        names: Vec<Name>,
    },
    /// The sources have problems.
    Problems(Vec<Problem>),
}

impl Difference {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing has changed");
        }
        let parts = [("new", &self.added), ("changed", &self.changed), ("removed", &self.removed)];
        for (word, names) in parts {
            if !names.is_empty() {
                write!(f, "{word}: {}; ", listed(names))?;
            }
        }
        write!(f, "unchanged: {}", self.unchanged)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { pattern, disabled: true, .. } => {
                write!(f, "{pattern} is not enabled; see `enabled` in its file, and onit reload")
            }
            Self::Unknown { pattern, nearest: Some(name), .. } => {
                write!(f, "no service is called {pattern}; did you mean {name}?")
            }
            Self::Unknown { pattern, .. } if pattern.is_open() => {
                write!(f, "no service fits {pattern}")
            }
            Self::Unknown { pattern, .. } => write!(f, "no service is called {pattern}"),
            Self::Stopping => f.write_str("everything is being stopped"),
            Self::MainCommand => f.write_str(
                "the end of the main command is the end of everything; that is onit shutdown",
            ),
            Self::Needed { by } => {
                for (at, (name, others)) in by.iter().enumerate() {
                    let gap = if at == 0 { "" } else { "; " };
                    write!(f, "{gap}{name} is needed by {}", listed(others))?;
                }
                f.write_str("; --with-dependents stops them first, --force lets them go on")
            }
            Self::NotRunning { names } => {
                let verb = if names.len() == 1 { "does" } else { "do" };
                write!(f, "{} {verb} not run", listed(names))
            }
            Self::NoReload { names } => {
                let verb = if names.len() == 1 { "has" } else { "have" };
                write!(f, "{} {verb} no [reload]; there is onit restart", listed(names))
            }
            Self::NotReady { names } => {
                let verb = if names.len() == 1 { "is" } else { "are" };
                write!(
                    f,
                    "{} {verb} not up, and will read the configuration at the start",
                    listed(names)
                )
            }
            Self::Problems(problems) => {
                let plural = if problems.len() == 1 { "" } else { "s" };
                write!(f, "{} problem{plural}; nothing was changed", problems.len())
            }
        }
    }
}

/// Names as a person lists them.
fn listed(names: &[Name]) -> String {
    let names: Vec<&str> = names.iter().map(Name::as_str).collect();
    names.join(", ")
}

/// A question that is not answered yet, because its outcome is not known.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    /// Those that have not come so far.
    pub(super) awaited: Vec<Awaited>,
    /// Those that have, or never will.
    pub(super) done: Vec<Outcome>,
    /// The state of those awaited, as it was told last.
    pub(super) told: Vec<(Name, &'static str)>,
}

/// A service whose outcome is waited for.
#[derive(Clone, Debug)]
pub(super) struct Awaited {
    pub(super) service: Name,
    pub(super) until: Until,
    pub(super) changed: bool,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// It was told to start: its next attempt succeeds, or does not.
    Started {
        /// A run that was there before does not count, unless nothing had to be done.
        after: Option<RunId>,
    },
    /// It was told to read its configuration again, and this run does.
    Reloaded {
        run: RunId,
        /// The how manieth time that is.
        number: u64,
    },
    /// It was told to stop, or has left the plan: nothing of it runs, or it is wanted again.
    Down,
    Milestone(Milestone),
}
