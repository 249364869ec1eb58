//! What goes in and what comes out of the core: [`Event`], [`Action`], [`Wake`].

use std::sync::Arc;

use super::Notice;
use crate::service::{Exit, Failure, Role, RunId, Scope, Signal, Spec, Time};

/// Something that happened.
///
/// Of one run the order is: `SpawnFailed`, and nothing more; or `Spawned`, `Exited`, `Gone`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The command of this run has been executed.
    Spawned {
        /// Which.
        run: RunId,
    },
    /// The command of this run could not be executed; nothing of the run is left.
    SpawnFailed {
        /// Which.
        run: RunId,
        /// Why.
        failure: Failure,
    },
    /// The process that was started has ended and is reaped. Others of its run, which have been
    /// sent TERM and CONT once (unless the service keeps its leftovers), may still live.
    Exited {
        /// Which.
        run: RunId,
        /// How.
        exit: Exit,
    },
    /// Nobody of this run is left.
    Gone {
        /// Which.
        run: RunId,
    },
    /// Nobody at all is left. Told after a [`Action::Sweep`], as soon as it is true.
    Alone,
    /// A signal was sent to onit.
    Signalled {
        /// Which.
        signal: Signal,
        /// By whom.
        sender: Sender,
    },
    /// Time has passed: the deadlines up to now are due. Told once a turn.
    DeadlinePassed,
}

/// Who sent a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The kernel: a key was pressed on the terminal, or the terminal is gone.
    Kernel,
    /// A process.
    Process,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start a process of `service`.
    Spawn {
        /// Its name from now on.
        run: RunId,
        /// What is to be started.
        service: Arc<Spec>,
        /// Which of the service's commands.
        role: Role,
    },
    /// Send a signal to a run that is not gone.
    Kill {
        /// Which.
        run: RunId,
        /// What is sent.
        signal: Signal,
        /// To whom of it.
        scope: Scope,
    },
    /// Send a signal to everybody who is left, whoever started them, and say [`Event::Alone`] as
    /// soon as nobody is.
    Sweep {
        /// What is sent.
        signal: Signal,
    },
    /// Say something.
    Report(Notice),
}

/// When the loop has to go on although nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// At once: there is work left.
    Now,
    /// At this time.
    At(Time),
    /// Not before something happens.
    Never,
}
