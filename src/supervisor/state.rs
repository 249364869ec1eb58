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
    /// Its command runs.
    Up {
        /// The run of that command.
        run: RunId,
        /// When the command was executed.
        since: Time,
    },
    /// It is on its way down, asked or not: its command is being stopped, or what that left behind
    /// is being cleared away, or an `after_exit` command runs.
    Stopping(Stopping),
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
    /// Who wanted it to end.
    pub cause: Cause,
}

/// How an attempt to run a service ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Its command ran and ended.
    Exited(Exit),
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
            | Self::Up { .. }
            | Self::Stopping(_)
            | Self::Backoff { .. } => false,
        }
    }

    /// The run it is about: of the command, or of a command around it.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        match self {
            Self::Up { run, .. } | Self::Starting { run } => Some(*run),
            Self::Stopping(stopping) => Some(stopping.run),
            Self::Down
            | Self::Waiting
            | Self::Backoff { .. }
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
            Self::Starting { .. } => "starting",
            Self::Up { .. } => "up",
            Self::Stopping(_) => "stopping",
            Self::Backoff { .. } => "backoff",
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
        }
    }
}

impl End {
    /// The exit code it would make of the container.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Exited(exit) | Self::HookFailed { exit, .. } => exit.code(),
            Self::NotStarted(failure) => failure.code(),
        }
    }

    /// How the command itself ended, if it ran.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        match self {
            Self::Exited(exit) => Some(*exit),
            Self::NotStarted(_) | Self::HookFailed { .. } => None,
        }
    }
}
