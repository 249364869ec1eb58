//! A run: one spawn of one process, named for ever.

use std::fmt;

use super::Exit;

/// Names one spawn of one process for ever: a number never used again, unlike a pid, which is an
/// affair of the Linux layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The command of the service.
    Main,
    /// The `before_start` command at this index.
    BeforeStart {
        /// Counted from 0.
        index: usize,
    },
    /// A look at whether the run `main` is ready, or well.
    Probe {
        /// Whom it is about.
        main: RunId,
        /// What it is to find out.
        purpose: Purpose,
    },
    /// The reload command, which has the run `main` read its configuration again.
    Reload {
        /// Whose pid the command finds in `ONIT_MAIN_PID`.
        main: RunId,
    },
    /// The stop command, which asks the run `main` to end, or undoes what a oneshot has done.
    StopCommand {
        /// Whose pid the command finds in `ONIT_MAIN_PID`; none: there is nobody left to stop.
        main: Option<RunId>,
    },
    /// The `after_exit` command at this index.
    AfterExit {
        /// Counted from 0.
        index: usize,
        /// How the command of the service ended: `ONIT_EXIT_CODE` and `ONIT_EXIT_SIGNAL`.
        exit: Exit,
    },
}

/// What a probe is to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Whether the service is ready.
    Ready,
    /// Whether it is well.
    Health,
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main => f.write_str("command"),
            Self::BeforeStart { .. } => f.write_str("before_start"),
            Self::Probe { purpose: Purpose::Ready, .. } => f.write_str("readiness probe"),
            Self::Probe { purpose: Purpose::Health, .. } => f.write_str("health probe"),
            Self::Reload { .. } => f.write_str("reload.command"),
            Self::StopCommand { .. } => f.write_str("stop.command"),
            Self::AfterExit { .. } => f.write_str("after_exit"),
        }
    }
}
