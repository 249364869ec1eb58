//! The runs as processes: what would be needed to take them over, in one place.
//!
//! Only the loop reaps, so a pid that is held here is never somebody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::service::{Failure, Kind, Role, RunId, Spec};

use super::channels::Channels;
use super::spawn::Attempt;

/// A run as a process.
#[derive(Debug)]
pub struct Run {
    /// What was started.
    pub spec: Arc<Spec>,
    /// Which of its commands.
    pub role: Role,
    /// The process that was started; also its process group.
    pub pid: i32,
    /// How far its start has come.
    pub start: Start,
    /// How it can speak.
    pub channels: Channels,
    /// Whether we sent it KILL, so that its death by it is no surprise.
    pub killed: bool,
}

/// How far the start of a run has come.
#[derive(Debug)]
pub enum Start {
    /// Nothing is known yet.
    Pending {
        /// Where the outcome comes.
        pipe: OwnedFd,
        /// What is being tried. Apart, as nothing of it is needed from the exec on.
        attempt: Box<Attempt>,
    },
    /// It has been executed.
    Executed,
    /// It could not be executed, and its process is about to end.
    Failed(Box<Failure>),
}

/// A run whose process has ended, while others of it may live.
#[derive(Debug)]
pub struct Remains {
    /// What was started.
    pub spec: Arc<Spec>,
    /// Which of its commands.
    pub role: Role,
    /// The process that had been started: the number of its group and session.
    pub leader: i32,
    /// Who has been sent TERM since it ended.
    pub told: BTreeSet<i32>,
    /// What it wrote has been passed on since it ended.
    pub is_flushed: bool,
}

/// All runs that are not gone.
#[derive(Debug, Default)]
pub struct Runs {
    alive: BTreeMap<RunId, Run>,
    by_pid: BTreeMap<i32, RunId>,
    remains: BTreeMap<RunId, Remains>,
}

impl Runs {
    /// A process has been started.
    pub fn add(&mut self, id: RunId, run: Run) {
        self.by_pid.insert(run.pid, id);
        self.alive.insert(id, run);
    }

    /// The run, if its process has not been reaped.
    #[must_use]
    pub fn alive(&self, id: RunId) -> Option<&Run> {
        self.alive.get(&id)
    }

    /// The run, if its process has not been reaped.
    pub fn alive_mut(&mut self, id: RunId) -> Option<&mut Run> {
        self.alive.get_mut(&id)
    }

    /// The run whose process this is.
    #[must_use]
    pub fn by_pid(&self, pid: i32) -> Option<RunId> {
        self.by_pid.get(&pid).copied()
    }

    /// The main command, if its process has not been reaped.
    #[must_use]
    pub fn main_command(&self) -> Option<&Run> {
        let is_it = |run: &&Run| run.spec.kind == Kind::Main && run.role == Role::Main;
        self.alive.values().find(is_it)
    }

    /// Its process is reaped.
    pub fn reaped(&mut self, id: RunId) -> Option<Run> {
        let run = self.alive.remove(&id)?;
        self.by_pid.remove(&run.pid);
        Some(run)
    }

    /// Others of the run may live.
    pub fn leave(&mut self, id: RunId, remains: Remains) {
        self.remains.insert(id, remains);
    }

    /// What is left of a run whose process has been reaped.
    #[must_use]
    pub fn remains(&self, id: RunId) -> Option<&Remains> {
        self.remains.get(&id)
    }

    /// All runs of which others than the process may live.
    pub fn all_remains(&mut self) -> impl Iterator<Item = (RunId, &mut Remains)> {
        self.remains.iter_mut().map(|(id, remains)| (*id, remains))
    }

    /// Whether there is any such run.
    #[must_use]
    pub fn has_remains(&self) -> bool {
        !self.remains.is_empty()
    }

    /// Nobody of the run is left.
    pub fn gone(&mut self, id: RunId) -> Option<Remains> {
        self.remains.remove(&id)
    }

    /// The process of the run, which was its group's and session's number, dead or alive.
    #[must_use]
    pub fn leader(&self, id: RunId) -> Option<i32> {
        let alive = self.alive.get(&id).map(|run| run.pid);
        alive.or_else(|| self.remains.get(&id).map(|remains| remains.leader))
    }
}
