//! From what the supervisor says to lines of an answer.

use super::line::{About, Brief, End, Event, Exit, Line, Link, Outcome, Problem, Reload, Status};
use crate::output::Stamp;
use crate::service::{self, Condition, Kind, Name, RunId, Time};
use crate::supervisor::{
    self, Answer, Change, Difference, Goal, Past, Refusal, Report, State, Verdict,
};

/// What the supervisor does not know.
pub struct Scene<'a> {
    /// The time since onit started.
    pub now: Time,
    /// The same moment on the wall clock, in nanoseconds since 1970.
    pub wall_clock: u64,
    /// onit's own process.
    pub own_pid: u32,
    /// The process of a run, if it is there.
    pub pid: &'a dyn Fn(RunId) -> Option<i32>,
}

/// What is left of an answer when its lines are written: reports, one line each, since there may
/// be thousands; and then its end.
pub struct Spoken {
    /// Lines that come first.
    pub lines: Vec<Line>,
    /// Then these, each by [`status`].
    pub reports: Vec<Report>,
    /// Then this; none: more is to come later.
    pub end: Option<End>,
}

impl Scene<'_> {
    /// A moment on the wall clock.
    fn time(&self, at: Time) -> String {
        let ago = u64::try_from(self.now.since(at).as_nanos()).unwrap_or(u64::MAX);
        let stamp = Stamp::at(self.wall_clock.saturating_sub(ago));
        String::from_utf8_lossy(stamp.as_bytes()).into_owned()
    }

    fn pid_of(&self, report: &Report) -> Option<i32> {
        report.state.run().and_then(self.pid)
    }
}

/// The lines of an answer.
#[must_use]
pub fn answer(answer: Answer, scene: &Scene<'_>) -> Spoken {
    let (mut lines, mut reports) = (Vec::new(), Vec::new());
    let end = match answer {
        Answer::Status(found) => {
            lines.push(Line::About(About {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: scene.own_pid,
                up_ms: milliseconds(scene.now.since_start()),
                services: found.len(),
            }));
            reports = found;
            Some(End::ok(""))
        }
        Answer::Health { well: true, reason } => Some(End::ok(reason)),
        Answer::Health { well: false, reason } => Some(End::failed("not-reached", reason)),
        Answer::Progress(reports) => {
            let briefs = reports.iter().map(|report| brief(report, scene)).collect();
            lines.push(Line::Progress(briefs));
            None
        }
        Answer::Difference(difference) => {
            lines.push(Line::Reload(reload(&difference)));
            None
        }
        Answer::Done(outcomes) => {
            let all = outcomes.iter().all(|outcome| outcome.reached);
            lines.extend(outcomes.into_iter().map(|outcome| outcome_line(outcome, scene)));
            Some(if all { End::ok("") } else { End::failed("not-reached", "") })
        }
        Answer::ShuttingDown => Some(End::ok("everything is being stopped")),
        Answer::Refused(refusal) => {
            let message = refusal.to_string();
            let error = match refusal {
                Refusal::Unknown { .. } => "unknown",
                Refusal::Stopping
                | Refusal::MainCommand
                | Refusal::Needed { .. }
                | Refusal::NoReload { .. }
                | Refusal::NotReady { .. }
                | Refusal::NotRunning { .. } => "refused",
                Refusal::Problems(problems) => {
                    lines.extend(problems.iter().map(problem));
                    "problems"
                }
            };
            Some(End::failed(error, message))
        }
    };
    Spoken { lines, reports, end }
}

/// How a service is.
#[must_use]
pub fn status(report: &Report, scene: &Scene<'_>) -> Status {
    let spec = &report.spec;
    let Brief { service, state, why } = brief(report, scene);
    Status {
        service,
        state,
        is_up: report.is_up(),
        wanted: report.goal == Goal::Up,
        pid: scene.pid_of(report),
        health: match report.health() {
            Verdict::Healthy => Some("healthy".to_owned()),
            Verdict::Unhealthy => Some("unhealthy".to_owned()),
            Verdict::Unknown => None,
        },
        status_text: report.status.clone(),
        since: scene.time(report.since),
        since_ms: milliseconds(scene.now.since(report.since)),
        restarts: report.runs.saturating_sub(1),
        why,
        next: report.next(),
        next_attempt_ms: next_attempt(&report.state, scene.now),
        kind: kind(spec.kind).to_owned(),
        description: spec.description.clone(),
        command: spec.command.words().map(|word| word.to_string_lossy().into_owned()).collect(),
        place: spec.place.as_ref().map(ToString::to_string),
        depends_on: spec.depends_on.iter().map(|other| other.name.to_string()).collect(),
        waits_for: report.chain.iter().map(link).collect(),
        exits: report.past.iter().map(|past| exit(past, scene)).collect(),
        cpu_ms: None,
        memory_bytes: None,
    }
}

/// A service has become something else.
#[must_use]
pub fn event(change: &Change, scene: &Scene<'_>) -> Event {
    let Brief { service, state, why } = brief(&change.report, scene);
    // A run has ended when the service leaves `stopping`; before that it may be going to.
    let ended = change.report.past.last().filter(|past| past.at == change.at);
    Event {
        number: change.number,
        time: scene.time(change.at),
        service,
        from: change.before.to_owned(),
        to: state,
        pid: scene.pid_of(&change.report),
        exit: ended.map(|past| exit(past, scene)),
        why,
    }
}

fn brief(report: &Report, scene: &Scene<'_>) -> Brief {
    Brief {
        service: report.spec.name.to_string(),
        state: report.state.word().to_owned(),
        why: report.why(scene.now),
    }
}

fn outcome_line(outcome: supervisor::Outcome, scene: &Scene<'_>) -> Line {
    let Brief { service, state, why } = brief(&outcome.report, scene);
    Line::Outcome(Outcome {
        service,
        state,
        why,
        pid: scene.pid_of(&outcome.report),
        reached: outcome.reached,
        changed: outcome.changed,
    })
}

fn reload(difference: &Difference) -> Reload {
    let names = |names: &[Name]| names.iter().map(ToString::to_string).collect();
    Reload {
        added: names(&difference.added),
        changed: names(&difference.changed),
        removed: names(&difference.removed),
        unchanged: difference.unchanged,
        started: names(&difference.started),
        restarted: names(&difference.restarted),
    }
}

fn problem(problem: &service::Problem) -> Line {
    Line::Problem(Problem {
        place: problem.place.to_string(),
        what: problem.what.clone(),
        hint: problem.hint.clone(),
    })
}

fn link(link: &supervisor::Link) -> Link {
    let condition = link.condition.map(|condition| match condition {
        Condition::Started => "started",
        Condition::Ready => "ready",
        Condition::Completed => "completed",
    });
    Link {
        depth: link.depth,
        service: link.service.to_string(),
        condition: condition.map(str::to_owned),
        state: link.state.word().to_owned(),
    }
}

fn exit(past: &Past, scene: &Scene<'_>) -> Exit {
    let signal = match past.end.exit() {
        Some(service::Exit::Signal(signal)) => Some(signal.to_string()),
        Some(service::Exit::OutOfMemory) => Some(service::Signal::KILL.to_string()),
        Some(service::Exit::Code(_)) | None => None,
    };
    Exit {
        time: scene.time(past.at),
        ago_ms: milliseconds(scene.now.since(past.at)),
        ran_ms: milliseconds(past.ran),
        code: past.end.code(),
        signal,
        asked: past.cause == supervisor::Cause::Asked,
        what: past.end.to_string(),
    }
}

fn next_attempt(state: &State, now: Time) -> Option<u64> {
    match state {
        State::Backoff { until } => Some(milliseconds(until.since(now))),
        State::Down
        | State::Waiting
        | State::Starting { .. }
        | State::Unready(_)
        | State::Up(_)
        | State::Stopping(_)
        | State::Completed { .. }
        | State::Failed { .. } => None,
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Service => "service",
        Kind::Oneshot => "oneshot",
        Kind::Main => "main",
    }
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
