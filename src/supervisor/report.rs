//! How a service is, as data for whoever asks, and in words.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::life::{Life, Phase};
use super::notice::Rounded;
use super::state::{
    Cause, End, Goal, Probing, Reloading, State, Step, Unready, Up, Verdict, Watch,
};
use crate::limits::BEFORE_START_TIME_MAX;
use crate::service::{Check, Condition, Kind, Name, Probe, Role, Spec, Time};

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
    /// What it last said of itself; may be empty.
    pub status: String,
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
    /// Whether it is as it is meant to be: it runs, has done its work, or waits to be asked for.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match self.state {
            State::Up(_) => self.spec.kind != Kind::Oneshot && self.health() != Verdict::Unhealthy,
            State::Completed { .. } => true,
            State::Down => !self.spec.autostart,
            State::Unready(_)
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
                None if !self.spec.autostart => "is not started by itself".to_owned(),
                Some(_) | None => "stopped on request".to_owned(),
            },
            State::Waiting => self.waits(),
            State::Starting { .. } => self.starts(now),
            State::Unready(_) | State::Up(_) if self.goal != Goal::Up => {
                "is to stop when nobody needs it".to_owned()
            }
            State::Unready(unready) => self.becomes_ready(unready, now),
            State::Up(_) if self.spec.kind == Kind::Oneshot => "at work".to_owned(),
            State::Up(up) => self.runs(up, now),
            State::Stopping(stopping) => {
                let is_undone = self
                    .life
                    .as_ref()
                    .is_some_and(|life| life.role == Role::StopCommand { main: None });
                let mut text = match (&stopping.end, &stopping.unfit, stopping.cause) {
                    (None, _, Cause::Asked) if is_undone => "is being undone".to_owned(),
                    (None, _, Cause::Asked) => "asked to end".to_owned(),
                    (None, Some(unfit), Cause::Own) => format!("{unfit}; asked to end"),
                    (None, None, Cause::Own) => "it says that it is about to end".to_owned(),
                    (Some(end), _, _) => format!("{end}, and is being cleared away"),
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
            State::Unready(_) => {
                "that it is ready, its end, or the end of the time for it".to_owned()
            }
            State::Up(_) => format!("its end, or onit stop {name}, onit restart {name}"),
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
                let all = self.spec.hooks.before_start.len();
                let left = life.and_then(|life| life.limit).map(|limit| limit.since(now));
                let left = Rounded(left.unwrap_or(BEFORE_START_TIME_MAX));
                format!("before_start {at} of {all} is at work; it may take {left} more")
            }
            Some(
                Role::Main
                | Role::Probe { .. }
                | Role::Reload { .. }
                | Role::StopCommand { .. }
                | Role::AfterExit { .. },
            )
            | None => "is being executed".to_owned(),
        }
    }

    /// Whether it is well, if it runs.
    #[must_use]
    pub fn health(&self) -> Verdict {
        match &self.state {
            State::Up(up) => up.health,
            State::Down
            | State::Waiting
            | State::Starting { .. }
            | State::Unready(_)
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Completed { .. }
            | State::Failed { .. } => Verdict::Unknown,
        }
    }

    fn becomes_ready(&self, unready: &Unready, now: Time) -> String {
        let ready = self.spec.ready.as_ref();
        let mut text = match &unready.step {
            Step::Announcement => match ready.and_then(|ready| ready.announcement.as_ref()) {
                Some(announcement) => format!("waits for {announcement}"),
                None => String::new(),
            },
            Step::Probe(probing) => {
                let probe = ready.and_then(|ready| ready.probe.as_ref());
                match probing.failures {
                    0 => format!("waits for {}", probe.map_or(String::new(), Probe::to_string)),
                    _ => trouble(probe, probing),
                }
            }
        };
        let _ = write!(text, "; given up in {}", Rounded(unready.until.since(now)));
        self.with_status(text)
    }

    fn runs(&self, up: &Up, now: Time) -> String {
        let mut text = match &up.watch {
            Watch::Nobody => String::new(),
            Watch::Probe(probing) if probing.failures > 0 => {
                let check = self.spec.health.as_ref().map(|health| &health.check);
                let probe = match check {
                    Some(Check::Probe { probe, .. }) => Some(probe),
                    Some(Check::Watchdog(_)) | None => None,
                };
                trouble(probe, probing)
            }
            Watch::Probe(_) => String::new(),
            Watch::Watchdog { every, until: None } => {
                format!("no WATCHDOG=1 within {}", Rounded(*every))
            }
            Watch::Watchdog { .. } => String::new(),
        };
        let reload = match &up.reload {
            Reloading::Idle => String::new(),
            Reloading::Failed(why) => format!("not reloaded: {why}"),
            Reloading::Command { .. } => "reloading".to_owned(),
            Reloading::Answer { until, .. } => {
                format!("reloading; READY=1 is due in {}", Rounded(until.since(now)))
            }
        };
        if !reload.is_empty() {
            let gap = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{gap}{reload}");
        }
        self.with_status(text)
    }

    /// With what it says of itself.
    fn with_status(&self, mut text: String) -> String {
        if !self.status.is_empty() {
            let gap = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{gap}“{}”", self.status);
        }
        text
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

/// What has been found, and how often. onit's own probes name what they looked at themselves.
fn trouble(probe: Option<&Probe>, probing: &Probing) -> String {
    let what = match probe {
        Some(Probe::Exec(_)) => format!("{}: ", probe.map_or(String::new(), Probe::to_string)),
        Some(_) | None => String::new(),
    };
    let times = match probing.failures {
        1 => String::new(),
        failures => format!(" ({failures} times)"),
    };
    format!("{what}{}{times}", probing.finding)
}

/// When the patience with a run ends.
fn kill_at(life: &Life) -> Option<Time> {
    match life.phase {
        Phase::Spawning | Phase::Running => life.limit,
        Phase::Awaited { kill_at }
        | Phase::Drained { kill_at, .. }
        | Phase::Asked { kill_at, .. }
        | Phase::Left { kill_at, .. } => Some(kill_at),
        Phase::Killed { .. } | Phase::LeftKilled { .. } => None,
    }
}
