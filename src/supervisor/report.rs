//! How a service is, as data for whoever asks, and in words.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::life::{Life, Phase};
use super::notice::Rounded;
use super::state::{Cause, End, Goal, State};
use crate::limits::BEFORE_START_TIME_MAX;
use crate::service::{Condition, Kind, Name, Role, Spec, Time};

/// How a service is.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What it is.
    pub spec: Arc<Spec>,
    /// What we want of it.
    pub goal: Goal,
    /// What it is.
    pub state: State,
    /// Since when.
    pub since: Time,
    /// How often its command was executed.
    pub runs: u32,
    /// Ends in a row, each before `reset_after`.
    pub ends: u32,
    /// The last ends, the latest last.
    pub past: Vec<Past>,
    /// What its present run is about, if it has one.
    pub life: Option<Life>,
    /// Those it waits for, and those they wait for.
    pub chain: Vec<Link>,
}

/// An end that has been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// When.
    pub at: Time,
    /// How long the command had run.
    pub ran: Duration,
    /// How it ended.
    pub end: End,
    /// Who wanted it to.
    pub cause: Cause,
}

/// Somebody who is waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// 0: by the service itself; 1: by one at 0 before it, and so on.
    pub depth: usize,
    /// Who.
    pub service: Name,
    /// What must be reached; none: only its fate must be known.
    pub condition: Option<Condition>,
    /// What it is.
    pub state: State,
}

/// A service has become something else.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Counted from 1, without a gap.
    pub number: u64,
    /// When.
    pub at: Time,
    /// The word for what it was before.
    pub before: &'static str,
    /// How it is now.
    pub report: Report,
}

impl Report {
    /// Whether it is as it is meant to be: it runs, or has done its work.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match self.state {
            State::Up { .. } => self.spec.kind != Kind::Oneshot,
            State::Completed { .. } => true,
            State::Down
            | State::Waiting
            | State::Starting { .. }
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Failed { .. } => false,
        }
    }

    /// Why it is what it is, and what comes next; empty where there is nothing to explain.
    #[must_use]
    pub fn why(&self, now: Time) -> String {
        match &self.state {
            State::Down => match self.past.last() {
                Some(Past { end, cause: Cause::Asked, .. }) => {
                    format!("stopped on request ({end})")
                }
                Some(_) | None => "stopped on request".to_owned(),
            },
            State::Waiting => self.waits(),
            State::Starting { .. } => self.starts(now),
            State::Up { .. } => match (self.goal, self.spec.kind) {
                (Goal::Down | Goal::Gone, _) => "is to stop when nobody needs it".to_owned(),
                (Goal::Up, Kind::Oneshot) => "at work".to_owned(),
                (Goal::Up, Kind::Service | Kind::Main) => String::new(),
            },
            State::Stopping(stopping) => {
                let mut text = match (&stopping.end, stopping.cause) {
                    (None, Cause::Asked) => "asked to end".to_owned(),
                    (None, Cause::Own) => "ending".to_owned(),
                    (Some(end), _) => format!("{end}, and is being cleared away"),
                };
                if let Some(kill_at) = self.life.as_ref().and_then(kill_at) {
                    let _ = write!(text, "; KILL in {}", Rounded(kill_at.since(now)));
                }
                match (self.goal, stopping.cause) {
                    (Goal::Up, Cause::Asked) => text.push_str("; then started again"),
                    (Goal::Up, Cause::Own) | (Goal::Down | Goal::Gone, _) => {}
                }
                text
            }
            State::Backoff { until } => {
                let mut text = self.last_end();
                let _ = write!(text, "next attempt in {}", Rounded(until.since(now)));
                let _ = match self.spec.backoff.limit {
                    0 => write!(text, " ({} in a row)", self.ends),
                    limit => write!(text, " ({} of {limit} in a row)", self.ends),
                };
                text
            }
            State::Completed { exit } => exit.to_string(),
            State::Failed { reason } => reason.to_string(),
        }
    }

    /// What would change its state, for a person who wants that.
    #[must_use]
    pub fn next(&self) -> String {
        let name = &self.spec.name;
        match &self.state {
            State::Down => format!("onit start {name}"),
            State::Waiting => match self.chain.iter().rfind(|link| link.state.is_at_rest()) {
                Some(link) => format!("onit start {}", link.service),
                None => "starts by itself as soon as what it waits for is reached".to_owned(),
            },
            State::Starting { .. } => "the end of what runs, or its time limit".to_owned(),
            State::Up { .. } => format!("its end, or onit stop {name}, onit restart {name}"),
            State::Stopping(_) => "the end of what is left of it".to_owned(),
            State::Backoff { .. } => {
                format!("the next attempt; onit start {name} makes it now, onit stop {name} never")
            }
            State::Completed { .. } => format!("onit start {name} runs it again"),
            State::Failed { .. } => format!("onit start {name} tries again"),
        }
    }

    fn waits(&self) -> String {
        let mut text = String::new();
        for link in self.chain.iter().filter(|link| link.depth == 0) {
            let gap = if text.is_empty() { "waits for " } else { ", " };
            let _ = write!(text, "{gap}{} ({})", link.service, link.state.word());
        }
        if text.is_empty() { "its turn is next".to_owned() } else { text }
    }

    fn starts(&self, now: Time) -> String {
        let life = self.life.as_ref();
        match life.map(|life| life.role) {
            Some(Role::BeforeStart { index }) => {
                let at = index.saturating_add(1);
                let all = self.spec.before_start.len();
                let left = life.and_then(|life| life.limit).map(|limit| limit.since(now));
                let left = Rounded(left.unwrap_or(BEFORE_START_TIME_MAX));
                format!("before_start {at} of {all} is at work; it may take {left} more")
            }
            Some(Role::Main | Role::StopCommand { .. } | Role::AfterExit { .. }) | None => {
                "is being executed".to_owned()
            }
        }
    }

    fn last_end(&self) -> String {
        match self.past.last() {
            Some(Past { end: end @ End::Exited(_), ran, .. }) => {
                format!("{end} after {}; ", Rounded(*ran))
            }
            Some(Past { end, .. }) => format!("{end}; "),
            None => String::new(),
        }
    }
}

/// When the patience with a run ends.
fn kill_at(life: &Life) -> Option<Time> {
    match life.phase {
        Phase::Spawning | Phase::Running => life.limit,
        Phase::Awaited { kill_at } | Phase::Asked { kill_at, .. } | Phase::Left { kill_at, .. } => {
            Some(kill_at)
        }
        Phase::Killed { .. } | Phase::LeftKilled { .. } => None,
    }
}
