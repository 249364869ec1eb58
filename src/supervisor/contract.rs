//! What goes in and what comes out of the core: [`Event`], [`Action`], [`Wake`].

use std::sync::Arc;

use super::{Answer, Ask, Change, Notice, Ticket};
use crate::service::notify::Message;
use crate::service::{Exit, Failure, Name, Plan, Problem, Role, RunId, Scope, Signal, Spec, Time};

/// Something that happened.
///
/// Of one run the order is: `SpawnFailed`, and nothing more; or `Spawned`, `Exited`, `Gone`.
#[derive(Clone, Debug, PartialEq)]
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
    /// The command of this run has said that it is ready, in another way than by a message: on its
    /// descriptor, or in its output. Told between `Spawned` and `Exited`.
    Announced {
        /// Which.
        run: RunId,
    },
    /// The command of this run has closed the descriptor on which it was to say that it is ready.
    /// Told between `Spawned` and `Exited`.
    Mute {
        /// Which.
        run: RunId,
    },
    /// The command of this run has said something of itself. Told between `Spawned` and `Exited`.
    Notified {
        /// Which.
        run: RunId,
        /// What.
        message: Message,
    },
    /// What a probe has to say, in a line; told before it has `Exited`.
    Found {
        /// The run of the probe.
        run: RunId,
        /// What.
        finding: String,
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
    /// Something has changed where sources that are watched stand.
    SourcesChanged,
    /// Somebody asks for something. Answered by [`Action::Reply`], now or later.
    Asked {
        /// What the answer is marked with.
        ticket: Ticket,
        /// What is asked.
        ask: Ask,
    },
    /// Whoever asked this does not wait for the answer any more.
    HungUp {
        /// What was to mark the answer.
        ticket: Ticket,
    },
    /// The sources have been read, as [`Action::ReadPlan`] asked.
    PlanRead {
        /// The plan, or everything that is wrong with it.
        result: Result<Plan, Vec<Problem>>,
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
    /// A service has become something else: for those who follow.
    Tell(Box<Change>),
    /// Answer a question.
    Reply {
        /// Which.
        ticket: Ticket,
        /// What.
        answer: Box<Answer>,
    },
    /// Tell whoever started onit how it is; see sd_notify(3).
    TellAbove(Above),
    /// Read the sources again, and say [`Event::PlanRead`].
    ReadPlan,
    /// Another plan is in force: this is what its services are.
    Adopt {
        /// All of them.
        specs: Vec<Arc<Spec>>,
    },
    /// Nobody who writes to the standard input of this service runs: it is to see the end of that
    /// input.
    EndInput {
        /// Whose.
        service: Name,
    },
    /// Nothing of a service runs, and nothing will without a new request: whoever connects to its
    /// sockets is to be refused, and not to wait.
    Release {
        /// Which.
        service: Name,
    },
    /// A service is no longer part of the plan, and nothing of it runs: what was kept for it can
    /// go.
    Forget {
        /// Which.
        service: Name,
    },
}

/// What onit says of itself to whoever started it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Above {
    /// Everything that is to run does, and is ready.
    Ready,
    /// How things are, in a line.
    Status(String),
    /// Everything is being stopped.
    Stopping,
    /// It is over, with this exit code.
    Over(u8),
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
