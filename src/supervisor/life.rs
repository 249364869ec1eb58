//! The life of a run: asked to end, killed, cleared away. The same for every role.
//!
//! Knows nothing of services; it is told how much time there is, and says what to send.

use std::time::Duration;

use crate::limits::{DRAIN_SHARE, KILL_AGAIN_AFTER, LEFTOVERS_TIME_MAX};
use crate::service::{Exit, Index, Leftovers, Role, Scope, Signal, Stop, StopStep, Time};

/// One process, and whatever it started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// The service it belongs to.
    pub service: Index,
    /// What it is for.
    pub role: Role,
    /// When it is killed if nobody asked it to end before: the limit of a hook, or, for the
    /// command of a oneshot, when it is asked.
    pub limit: Option<Time>,
    /// Where in its life it is.
    pub phase: Phase,
}

/// Where in its life a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its command is about to be executed.
    Spawning,
    /// Its command runs.
    Running,
    /// A stop command has been asked to end it.
    Awaited {
        /// When it is killed.
        kill_at: Time,
    },
    /// Its standard input, which came from other services, has ended.
    Drained {
        /// When it is sent the first stop signal.
        next: Time,
        /// When it is killed.
        kill_at: Time,
    },
    /// It was sent the stop signal at this place of the list.
    Asked {
        /// Counted from 0.
        step: usize,
        /// When it is sent the next one.
        next: Time,
        /// When it is killed.
        kill_at: Time,
    },
    /// It was sent KILL.
    Killed {
        /// How often.
        times: u32,
        /// When it is sent again.
        again: Time,
    },
    /// Its process has ended; others of it, who were told TERM, may live.
    Left {
        /// How the process ended.
        exit: Exit,
        /// When they are killed.
        kill_at: Time,
    },
    /// Its process has ended; others of it were sent KILL.
    LeftKilled {
        /// How the process ended.
        exit: Exit,
        /// How often.
        times: u32,
        /// When it is sent again.
        again: Time,
    },
}

/// A signal that a deadline or a request makes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// What to send.
    pub signal: Signal,
    /// To whom of the run.
    pub scope: Scope,
    /// Whether this is where patience ended.
    pub overdue: Option<Overdue>,
}

/// Whose patience ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// The process did not heed the stop signals.
    Stop,
    /// The process took longer than such a command may.
    Limit,
    /// Those left behind did not heed TERM.
    Leftovers,
}

impl Life {
    /// A run whose spawn has just been asked for.
    #[must_use]
    pub fn new(service: Index, role: Role, limit: Option<Time>) -> Self {
        Self { service, role, limit, phase: Phase::Spawning }
    }

    /// When [`Life::overdue`] is to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        match self.phase {
            Phase::Spawning | Phase::Running => self.limit,
            Phase::Awaited { kill_at } | Phase::Left { kill_at, .. } => Some(kill_at),
            Phase::Drained { next, kill_at } | Phase::Asked { next, kill_at, .. } => {
                Some(next.min(kill_at))
            }
            Phase::Killed { again, .. } | Phase::LeftKilled { again, .. } => Some(again),
        }
    }

    /// Whether its process is still there.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.exit().is_none()
    }

    /// How its process ended, if it has.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        match self.phase {
            Phase::Left { exit, .. } | Phase::LeftKilled { exit, .. } => Some(exit),
            Phase::Spawning
            | Phase::Running
            | Phase::Awaited { .. }
            | Phase::Drained { .. }
            | Phase::Asked { .. }
            | Phase::Killed { .. } => None,
        }
    }

    /// Whether it is the command of a oneshot that has been at work for longer than it may.
    #[must_use]
    pub fn is_too_long(&self, now: Time) -> bool {
        match self.phase {
            Phase::Spawning | Phase::Running => {
                self.role == Role::Main && self.limit.is_some_and(|limit| limit <= now)
            }
            Phase::Awaited { .. }
            | Phase::Drained { .. }
            | Phase::Asked { .. }
            | Phase::Killed { .. }
            | Phase::Left { .. }
            | Phase::LeftKilled { .. } => false,
        }
    }

    /// The command has been executed.
    pub fn spawned(&mut self) {
        match self.phase {
            Phase::Spawning => self.phase = Phase::Running,
            Phase::Running
            | Phase::Awaited { .. }
            | Phase::Drained { .. }
            | Phase::Asked { .. }
            | Phase::Killed { .. }
            | Phase::Left { .. }
            | Phase::LeftKilled { .. } => {}
        }
    }

    /// Asks the process to end within `time`, which scales the waits of the list. What has been
    /// asked before stays as it is.
    pub fn ask(
        &mut self,
        stop: &Stop,
        first: Option<Signal>,
        time: Duration,
        now: Time,
    ) -> Option<Due> {
        let end = now.after(time);
        match self.phase {
            Phase::Spawning | Phase::Running => {
                let step = self.step(stop, 0)?;
                let next = now.after(scaled(step.wait, self.rest(stop, 0), time));
                self.phase = Phase::Asked { step: 0, next, kill_at: end };
                let signal = first.unwrap_or(step.signal);
                Some(Due { signal, scope: self.scope(stop), overdue: None })
            }
            Phase::Awaited { .. }
            | Phase::Drained { .. }
            | Phase::Asked { .. }
            | Phase::Killed { .. }
            | Phase::Left { .. }
            | Phase::LeftKilled { .. } => None,
        }
    }

    /// Leaves no more than `time` to what is on its way down, or to a hook that is at work.
    pub fn hurry(&mut self, time: Duration, now: Time) {
        let end = now.after(time);
        match &mut self.phase {
            Phase::Spawning | Phase::Running => self.limit = self.limit.map(|at| at.min(end)),
            Phase::Drained { next, kill_at } => {
                *next = now.after(time.mul_f64(DRAIN_SHARE)).min(*next);
                *kill_at = end.min(*kill_at);
            }
            Phase::Awaited { kill_at }
            | Phase::Asked { kill_at, .. }
            | Phase::Left { kill_at, .. } => *kill_at = end.min(*kill_at),
            Phase::Killed { .. } | Phase::LeftKilled { .. } => {}
        }
    }

    /// It says that it needs so much more time to end than it has.
    pub fn extend(&mut self, time: Duration, now: Time) {
        let end = now.after(time);
        match &mut self.phase {
            Phase::Awaited { kill_at } => *kill_at = end.max(*kill_at),
            Phase::Drained { next, kill_at } | Phase::Asked { next, kill_at, .. } => {
                *next = end.max(*next);
                *kill_at = end.max(*kill_at);
            }
            Phase::Spawning
            | Phase::Running
            | Phase::Killed { .. }
            | Phase::Left { .. }
            | Phase::LeftKilled { .. } => {}
        }
    }

    /// Its standard input has ended, and it is to end within `time`: half of that for what it has
    /// still to read, then the stop signals.
    pub fn drain(&mut self, time: Duration, now: Time) {
        match self.phase {
            Phase::Spawning | Phase::Running => {
                let next = now.after(time.mul_f64(DRAIN_SHARE));
                self.phase = Phase::Drained { next, kill_at: now.after(time) };
            }
            Phase::Awaited { .. }
            | Phase::Drained { .. }
            | Phase::Asked { .. }
            | Phase::Killed { .. }
            | Phase::Left { .. }
            | Phase::LeftKilled { .. } => {}
        }
    }

    /// A stop command has been asked to end the process within `time`.
    pub fn wait(&mut self, time: Duration, now: Time) {
        match self.phase {
            Phase::Spawning | Phase::Running => {
                self.phase = Phase::Awaited { kill_at: now.after(time) };
            }
            Phase::Awaited { .. }
            | Phase::Drained { .. }
            | Phase::Asked { .. }
            | Phase::Killed { .. }
            | Phase::Left { .. }
            | Phase::LeftKilled { .. } => {}
        }
    }

    /// The stop command failed, or the end of its input did not end it: the signals after all, in
    /// the time that is left.
    pub fn ask_after_all(&mut self, stop: &Stop, now: Time) -> Option<Due> {
        match self.phase {
            Phase::Awaited { kill_at } | Phase::Drained { kill_at, .. } => {
                self.phase = Phase::Running;
                self.ask(stop, None, kill_at.since(now), now)
            }
            Phase::Spawning
            | Phase::Running
            | Phase::Asked { .. }
            | Phase::Killed { .. }
            | Phase::Left { .. }
            | Phase::LeftKilled { .. } => None,
        }
    }

    /// The process has ended. `time` is what those left behind are given if nobody asked for it.
    pub fn exited(&mut self, exit: Exit, time: Duration, now: Time) {
        self.phase = match self.phase {
            Phase::Spawning | Phase::Running => {
                Phase::Left { exit, kill_at: now.after(time.min(LEFTOVERS_TIME_MAX)) }
            }
            Phase::Awaited { kill_at }
            | Phase::Drained { kill_at, .. }
            | Phase::Asked { kill_at, .. } => Phase::Left { exit, kill_at },
            // They were killed with it, and had their time while it had its.
            Phase::Killed { times, again } => Phase::LeftKilled { exit, times, again },
            Phase::Left { .. } | Phase::LeftKilled { .. } => self.phase,
        };
    }

    /// What its deadline, which has passed, makes due.
    pub fn overdue(&mut self, stop: &Stop, now: Time) -> Option<Due> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        match self.phase {
            Phase::Spawning | Phase::Running => self.kill(stop, Some(Overdue::Limit), now),
            Phase::Awaited { .. } => self.kill(stop, Some(Overdue::Stop), now),
            Phase::Drained { kill_at, .. } if now < kill_at => self.ask_after_all(stop, now),
            Phase::Drained { .. } => self.kill(stop, Some(Overdue::Stop), now),
            Phase::Asked { step, next: _, kill_at } => {
                let following = step.saturating_add(1);
                match self.step(stop, following) {
                    Some(StopStep { signal, wait }) if now < kill_at => {
                        let wait = scaled(wait, self.rest(stop, following), kill_at.since(now));
                        let next = now.after(wait);
                        self.phase = Phase::Asked { step: following, next, kill_at };
                        Some(Due { signal, scope: self.scope(stop), overdue: None })
                    }
                    Some(_) | None => self.kill(stop, Some(Overdue::Stop), now),
                }
            }
            Phase::Left { .. } => self.kill(stop, Some(Overdue::Leftovers), now),
            Phase::Killed { .. } | Phase::LeftKilled { .. } => self.kill(stop, None, now),
        }
    }

    /// Kills it now, and goes on to kill it until it is gone.
    pub fn kill(&mut self, stop: &Stop, overdue: Option<Overdue>, now: Time) -> Option<Due> {
        let again = |times: u32| {
            // Each wait twice the one before: what a KILL does not end hangs in the kernel.
            now.after(KILL_AGAIN_AFTER.saturating_mul(1 << times.min(8)))
        };
        self.phase = match self.phase {
            Phase::Spawning
            | Phase::Running
            | Phase::Awaited { .. }
            | Phase::Drained { .. }
            | Phase::Asked { .. } => Phase::Killed { times: 1, again: again(0) },
            Phase::Killed { times, .. } => {
                Phase::Killed { times: times.saturating_add(1), again: again(times) }
            }
            Phase::Left { exit, .. } => Phase::LeftKilled { exit, times: 1, again: again(0) },
            Phase::LeftKilled { exit, times, .. } => {
                Phase::LeftKilled { exit, times: times.saturating_add(1), again: again(times) }
            }
        };
        let scope = match (stop.leftovers, self.role) {
            // What a probe started has no business without it.
            (Leftovers::Kill, _) | (Leftovers::Keep, Role::Probe { .. }) => Scope::Run,
            (Leftovers::Keep, _) => Scope::Process,
        };
        Some(Due { signal: Signal::KILL, scope, overdue })
    }

    /// The stop signal at this place of the list. What is not the command of the service gets one
    /// TERM.
    fn step(&self, stop: &Stop, at: usize) -> Option<StopStep> {
        match self.role {
            Role::Main => stop.steps.get(at).copied(),
            Role::BeforeStart { .. }
            | Role::Probe { .. }
            | Role::Reload { .. }
            | Role::StopCommand { .. }
            | Role::AfterExit { .. } => {
                (at == 0).then_some(StopStep { signal: Signal::TERM, wait: stop.timeout })
            }
        }
    }

    /// The time from this place of the list to the KILL, as the service file has it.
    fn rest(&self, stop: &Stop, from: usize) -> Duration {
        (from..).map_while(|at| self.step(stop, at)).map(|step| step.wait).sum()
    }

    fn scope(&self, stop: &Stop) -> Scope {
        match self.role {
            Role::Main => stop.scope,
            Role::BeforeStart { .. }
            | Role::Probe { .. }
            | Role::Reload { .. }
            | Role::StopCommand { .. }
            | Role::AfterExit { .. } => Scope::Process,
        }
    }
}

/// `part` of `whole`, in `new_whole`: 2 s of 10 s are 1 s in 5 s.
fn scaled(part: Duration, whole: Duration, new_whole: Duration) -> Duration {
    if whole.is_zero() || part >= whole {
        return new_whole;
    }
    new_whole.mul_f64(part.as_secs_f64() / whole.as_secs_f64())
}
