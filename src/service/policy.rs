//! The decisions a service file makes: what its ends mean, how it is stopped, what it waits for.

use std::time::Duration;

use super::{Argv, Name, Signal};

/// Whether a service is started again when its command has ended unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Whatever the end was.
    Always,
    /// Unless the end was a success.
    OnFailure,
    /// Not at all.
    Never,
}

/// What the end of a service for good means for the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Everything else goes on.
    Continue,
    /// Everything else is stopped, and onit exits with the code of that end.
    Shutdown,
}

/// What another service must have reached before this one is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The other service.
    pub name: Name,
    /// What it must have reached.
    pub condition: Condition,
}

/// What a dependency must have reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Its command runs, or has done its work.
    Started,
    /// Its command runs and is ready, or has done its work.
    Ready,
    /// Its command has ended with success.
    Completed,
}

/// How long to wait before a service is started again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// After the first end.
    pub initial: Duration,
    /// By how much each further wait is longer than the one before; at least 1.
    pub factor: f64,
    /// The longest wait.
    pub max: Duration,
    /// By which part of itself, 0 to 1, a wait is at random longer or shorter.
    pub jitter: f64,
    /// A run at least this long makes the next start immediate and the count begin again.
    pub reset_after: Duration,
    /// This many ends in a row, each before `reset_after`, are a failure for good; 0 means never.
    pub limit: u32,
}

/// How a service is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The signals, each with the time until the next; at least one. KILL follows the last.
    pub steps: Vec<StopStep>,
    /// Run instead of the signals, which follow if it fails.
    pub command: Option<Argv>,
    /// From the first signal, or the start of the command, to the KILL.
    pub timeout: Duration,
    /// Who gets the signals.
    pub scope: Scope,
    /// What becomes of the rest of the run when its main process has ended.
    pub leftovers: Leftovers,
}

/// One signal of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopStep {
    /// What is sent.
    pub signal: Signal,
    /// The time until the next step, or the KILL.
    pub wait: Duration,
}

/// Who gets a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The process that was started.
    Process,
    /// Its process group.
    Group,
    /// Whoever belongs to the run: its group, its session, everyone that bears its mark.
    Run,
}

/// What a command of `after_exit` is told in its arguments, besides its environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExitArguments {
    /// Nothing.
    #[default]
    None,
    /// As the `finish` of runsv(8): the exit code, or -1 after a signal; the signal, or 0.
    Runit,
    /// As the `finish` of s6-supervise: the exit code, or 256 after a signal; the signal, or 0; the
    /// name of the service; the process group of what has ended. One that ends with 125 says that
    /// the service has failed for good; see
    /// <https://skarnet.org/software/s6/servicedir.html>.
    S6,
}

impl ExitArguments {
    /// With this exit code a command says that the service is not to be started again; none: no
    /// exit code says so.
    #[must_use]
    pub fn permanent_failure(self) -> Option<u8> {
        match self {
            Self::None | Self::Runit => None,
            Self::S6 => Some(125),
        }
    }
}

/// What becomes of the rest of a run when its main process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftovers {
    /// TERM, time, KILL. The run is over when none is left.
    Kill,
    /// They live on; the run is over at once.
    Keep,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            factor: 2.0,
            max: Duration::from_secs(30),
            jitter: 0.1,
            reset_after: Duration::from_secs(10),
            limit: 10,
        }
    }
}

impl Default for Stop {
    fn default() -> Self {
        let timeout = Duration::from_secs(10);
        Self {
            steps: vec![StopStep { signal: Signal::TERM, wait: timeout }],
            command: None,
            timeout,
            scope: Scope::Process,
            leftovers: Leftovers::Kill,
        }
    }
}

impl Backoff {
    /// The wait after `ends` ends in a row (1 or more). `dice` is a random number from 0 to 1.
    #[must_use]
    pub fn wait(&self, ends: u32, dice: f64) -> Duration {
        let exponent = i32::try_from(ends.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.initial.as_secs_f64() * self.factor.powi(exponent);
        let seconds = seconds.min(self.max.as_secs_f64());
        let spread = 1.0 + self.jitter * (2.0 * dice - 1.0);
        Duration::try_from_secs_f64(seconds * spread).unwrap_or(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff::default();
        let waits: Vec<u128> = (1..=11).map(|ends| backoff.wait(ends, 0.5).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        assert_eq!(backoff.wait(u32::MAX, 0.5), backoff.max);
    }

    #[test]
    fn jitter_stays_within_its_part() {
        let backoff = Backoff::default();
        assert_eq!(backoff.wait(1, 0.0).as_millis(), 90);
        assert_eq!(backoff.wait(1, 1.0).as_millis(), 110);
    }
}
