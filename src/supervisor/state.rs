//! The states of a service, and the data that each of them owns.

use std::time::Duration;

use crate::service::{Exit, Failure, Name, Role, RunId, Time};

/// What we want of a service. What it *is* is its [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// It runs, or has done its work.
    Up,
    /// It does not run.
    Down,
    /// It does not run, and is no longer part of the plan.
    Gone,
}

/// Who wanted an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nobody but the process itself, or whoever signalled it: policy says what comes next.
    Own,
    /// We: it is stopped, or restarted.
    Asked,
}

/// What a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It does not run.
    Down,
    /// It is to run, and waits for others or for its turn.
    Waiting,
    /// A `before_start` command runs, or its command is about to be executed.
    Starting {
        /// The run of that command.
        run: RunId,
    },
    /// Its command runs, and is not ready yet.
    Unready(Unready),
    /// Its command runs, and is ready.
    Up(Up),
    /// It is on its way down, asked or not: its command is being stopped, or what that left behind
    /// is being cleared away, or an `after_exit` command runs.
    Stopping(Box<Stopping>),
    /// It has ended unasked and is started again later.
    Backoff {
        /// When.
        until: Time,
    },
    /// It has done its work.
    Completed {
        /// How its command ended.
        exit: Exit,
    },
    /// It is not started again by itself.
    Failed {
        /// Why.
        reason: Reason,
    },
}

/// Running, and not ready yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unready {
    /// The run of its command.
    pub run: RunId,
    /// When the command was executed.
    pub since: Time,
    /// When it is given up.
    pub until: Time,
    /// What it takes to be ready.
    pub step: Step,
}

/// What a service that is not ready yet waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// That it says so itself.
    Announcement,
    /// That a probe succeeds.
    Probe(Box<Probing>),
}

/// Running and ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Up {
    /// The run of its command.
    pub run: RunId,
    /// When the command was executed.
    pub since: Time,
    /// When it became ready.
    pub ready: Time,
    /// Whether it is well.
    pub health: Verdict,
    /// How that is found out.
    pub watch: Watch,
    /// Where the reading of its configuration is.
    pub reload: Reloading,
}

/// Whether a service is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody has looked yet, or nobody is to.
    Unknown,
    /// It is.
    Healthy,
    /// It is not.
    Unhealthy,
}

/// How it is found out whether a service is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watch {
    /// It is not.
    Nobody,
    /// By looking, again and again.
    Probe(Box<Probing>),
    /// It is to say that it is alive.
    Watchdog {
        /// How often.
        every: Duration,
        /// When it is too late; none: it is, and that has been dealt with.
        until: Option<Time>,
    },
}

/// Looking, again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probing {
    /// The probe that is due or runs.
    pub turn: Turn,
    /// So many have failed in a row.
    pub failures: u32,
    /// What the last of those found; empty if none has failed.
    pub finding: String,
}

/// One of many probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is started at this time.
    Due(Time),
    /// It runs.
    Running {
        /// Its run.
        run: RunId,
        /// What it has said so far; empty if nothing.
        said: String,
        /// Before this the next is not started.
        next: Time,
    },
}

/// Where the reading of its configuration is that a running service was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloading {
    /// Nobody asked for it, or it is done.
    Idle,
    /// It could not be done.
    Failed(String),
    /// Its reload command runs.
    Command {
        /// The run of that command.
        run: RunId,
        /// Somebody has asked for it once more since it began.
        again: bool,
    },
    /// It has been told, and is to say when it is done.
    Answer {
        /// When it was told.
        told: Time,
        /// When it is given up.
        until: Time,
        /// Whether it has said that it is at it.
        begun: bool,
        /// Somebody has asked for it once more since it was told.
        again: bool,
    },
}

/// Why a run that nobody asked to end is ended nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It was not ready in time.
    NotReady {
        /// How long it had.
        time: Duration,
        /// What kept it from being ready, as far as that is known; may be empty.
        finding: String,
    },
    /// A oneshot took longer than it may.
    TooLong {
        /// How long it had.
        time: Duration,
    },
    /// It has closed the descriptor on which it was to say that it is ready.
    NeverReady,
    /// It was not well any more.
    Unhealthy {
        /// What was found; may be empty.
        finding: String,
    },
}

/// On the way down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopping {
    /// The run whose end we wait for.
    pub run: RunId,
    /// The run of the stop command, while there is one.
    pub command: Option<RunId>,
    /// How it ended, once that is known.
    pub end: Option<End>,
    /// How long its command ran.
    pub ran: Duration,
    /// How long of that it was ready.
    pub was_ready: Duration,
    /// Who wanted it to end.
    pub cause: Cause,
    /// If nobody did: why it is ended nevertheless.
    pub unfit: Option<Unfit>,
}

/// How an attempt to run a service ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Its command ran and ended.
    Exited(Exit),
    /// Its command ran, was not as it was to be, and was ended for that.
    Unfit {
        /// What was wrong with it.
        why: Unfit,
        /// How it ended then.
        exit: Exit,
    },
    /// Its command, or a `before_start` command, could not be executed.
    NotStarted(Failure),
    /// A command around it failed.
    HookFailed {
        /// Which.
        role: Role,
        /// How.
        exit: Exit,
    },
}

/// Why a service has failed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It ended, or could not be started, and its policy says that this was it.
    Ended(End),
    /// It needs this one, which has failed for good.
    Dependency(Name),
}

impl State {
    /// Whether nothing of the service runs, and nothing will without a new request.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        match self {
            Self::Down | Self::Completed { .. } | Self::Failed { .. } => true,
            Self::Waiting
            | Self::Starting { .. }
            | Self::Unready(_)
            | Self::Up(_)
            | Self::Stopping(_)
            | Self::Backoff { .. } => false,
        }
    }

    /// The run it is about: of the command, or of a command around it.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        match self {
            Self::Starting { run } => Some(*run),
            Self::Unready(unready) => Some(unready.run),
            Self::Up(up) => Some(up.run),
            Self::Stopping(stopping) => Some(stopping.run),
            Self::Down
            | Self::Waiting
            | Self::Backoff { .. }
            | Self::Completed { .. }
            | Self::Failed { .. } => None,
        }
    }

    /// The run beside it: of a probe, or of a reload command.
    pub(super) fn helper(&self) -> [Option<RunId>; 2] {
        let running = |probing: &Probing| match probing.turn {
            Turn::Running { run, .. } => Some(run),
            Turn::Due(_) => None,
        };
        match self {
            Self::Unready(Unready { step: Step::Probe(probing), .. }) => [running(probing), None],
            Self::Up(Up { watch, reload, .. }) => {
                let probe = match watch {
                    Watch::Probe(probing) => running(probing),
                    Watch::Nobody | Watch::Watchdog { .. } => None,
                };
                let command = match reload {
                    Reloading::Command { run, .. } => Some(*run),
                    Reloading::Idle | Reloading::Failed(_) | Reloading::Answer { .. } => None,
                };
                [probe, command]
            }
            Self::Unready(_)
            | Self::Starting { .. }
            | Self::Stopping(_)
            | Self::Down
            | Self::Waiting
            | Self::Backoff { .. }
            | Self::Completed { .. }
            | Self::Failed { .. } => [None, None],
        }
    }

    /// When something is to be done about it although nothing has happened.
    pub(super) fn deadline(&self) -> Option<Time> {
        let due = |probing: &Probing| match probing.turn {
            Turn::Due(at) => Some(at),
            Turn::Running { .. } => None,
        };
        match self {
            Self::Backoff { until } => Some(*until),
            Self::Unready(Unready { until, step, .. }) => match step {
                Step::Announcement => Some(*until),
                Step::Probe(probing) => {
                    due(probing).map_or(Some(*until), |at| Some(at.min(*until)))
                }
            },
            Self::Up(Up { watch, reload, .. }) => {
                let check = match watch {
                    Watch::Nobody => None,
                    Watch::Probe(probing) => due(probing),
                    Watch::Watchdog { until, .. } => *until,
                };
                let answer = match reload {
                    Reloading::Answer { until, .. } => Some(*until),
                    Reloading::Idle | Reloading::Failed(_) | Reloading::Command { .. } => None,
                };
                check.into_iter().chain(answer).min()
            }
            Self::Down
            | Self::Waiting
            | Self::Starting { .. }
            | Self::Stopping(_)
            | Self::Completed { .. }
            | Self::Failed { .. } => None,
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Waiting => "waiting",
            Self::Starting { .. } | Self::Unready(_) => "starting",
            Self::Up(Up { health: Verdict::Unhealthy, .. }) => "unhealthy",
            Self::Up(_) => "up",
            Self::Stopping(_) => "stopping",
            Self::Backoff { .. } => "backoff",
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
        }
    }
}

impl Probing {
    /// The first probe at this time.
    pub(super) fn from(at: Time) -> Box<Self> {
        Box::new(Self { turn: Turn::Due(at), failures: 0, finding: String::new() })
    }
}

impl End {
    /// The exit code it would make of the container.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            // It said that the end of the command was one for good: whose code that is, if it says
            // anything, is the command's.
            Self::HookFailed { role: Role::AfterExit { exit, .. }, .. }
                if *exit != Exit::Code(0) =>
            {
                exit.code()
            }
            Self::Exited(exit) | Self::HookFailed { exit, .. } | Self::Unfit { exit, .. } => {
                exit.code()
            }
            Self::NotStarted(failure) => failure.code(),
        }
    }

    /// How the command itself ended, if it ran.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        match self {
            Self::Exited(exit) | Self::Unfit { exit, .. } => Some(*exit),
            Self::NotStarted(_) | Self::HookFailed { .. } => None,
        }
    }
}
