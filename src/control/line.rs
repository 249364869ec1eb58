//! What onit answers, line by line. Each line is an object with one member, whose name says what
//! kind of line it is: `{"status":{…}}`. The last line of every answer is an `end`.

use serde::Serialize;
use serde_json::Value;

use super::member::{Taken, Wrong, member, taken};

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Who answers.
    About(About),
    /// How a service is.
    Status(Box<Status>),
    /// Services whose outcome is waited for; comes again when one of them becomes something else.
    Progress(Vec<Brief>),
    /// What came of an order for one service.
    Outcome(Outcome),
    /// What a reload changes.
    Reload(Reload),
    /// Something wrong in a source.
    Problem(Problem),
    /// A service has become something else.
    Event(Event),
    /// A line of output.
    Log(Log),
    /// What a follower was too slow for.
    Lost(Lost),
    /// The answer is complete.
    End(End),
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct About {
    /// The version of onit.
    pub version: String,
    /// Its process, as it sees itself.
    pub pid: u32,
    /// How long it has been running, in milliseconds.
    pub up_ms: u64,
    /// How many services follow.
    pub services: usize,
}

/// How a service is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its name.
    pub service: String,
    /// `down`, `waiting`, `starting`, `up`, `unhealthy`, `stopping`, `backoff`, `completed` or
    /// `failed`.
    pub state: String,
    /// Whether that is what it is meant to be: it is up, or has completed.
    pub is_up: bool,
    /// Whether it is wanted; false after `onit stop`.
    pub wanted: bool,
    /// The process that runs: of its command, or of a command around it.
    pub pid: Option<i32>,
    /// `healthy` or `unhealthy`; none: it has no `[health]`, or has not been looked at yet.
    pub health: Option<String>,
    /// What it last said of itself (`STATUS=` of sd_notify); may be empty.
    pub status_text: String,
    /// When it became what it is, RFC 3339.
    pub since: String,
    /// How long ago that was, in milliseconds.
    pub since_ms: u64,
    /// How often it was started again.
    pub restarts: u32,
    /// Why it is what it is and what comes next, for a person; may be empty.
    pub why: String,
    /// What would change its state, for a person.
    pub next: String,
    /// When it is started again, in milliseconds from now.
    pub next_attempt_ms: Option<u64>,
    /// `service`, `oneshot` or `main`.
    #[serde(rename = "type")]
    pub kind: String,
    /// In the user's words.
    pub description: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it is described, as `file:line`; none for the main command.
    pub place: Option<String>,
    /// What it needs.
    pub depends_on: Vec<String>,
    /// Those it waits for now, and those they wait for.
    pub waits_for: Vec<Link>,
    /// Its last ends, the latest last.
    pub exits: Vec<Exit>,
    /// CPU time of its processes, in milliseconds. Added by `onit status --json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// Resident memory of its processes, in bytes. Added by `onit status --json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// Somebody who is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// 0: by the service itself; 1: by one at 0 before it, and so on.
    pub depth: usize,
    /// Who.
    pub service: String,
    /// `started`, `ready` or `completed`; none: only its fate must be known.
    pub condition: Option<String>,
    /// What it is.
    pub state: String,
}

/// An end that has been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exit {
    /// When, RFC 3339.
    pub time: String,
    /// How long ago, in milliseconds.
    pub ago_ms: u64,
    /// How long the command had run, in milliseconds.
    pub ran_ms: u64,
    /// The exit code a shell would see: 128 + the signal for a signal.
    pub code: u8,
    /// The signal that ended it.
    pub signal: Option<String>,
    /// Whether onit wanted it to end.
    pub asked: bool,
    /// In words.
    pub what: String,
}

/// What a service is, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Brief {
    /// Its name.
    pub service: String,
    /// What it is.
    pub state: String,
    /// Why, for a person; may be empty.
    pub why: String,
}

/// What came of an order for one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Its name.
    pub service: String,
    /// What it is now.
    pub state: String,
    /// Why, for a person; may be empty.
    pub why: String,
    /// The process that runs.
    pub pid: Option<i32>,
    /// Whether it came so far as was asked.
    pub reached: bool,
    /// Whether there was anything to do.
    pub changed: bool,
}

/// What a reload changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reload {
    /// New.
    pub added: Vec<String>,
    /// Other than before.
    pub changed: Vec<String>,
    /// No longer there; they are stopped.
    pub removed: Vec<String>,
    /// How many are as before.
    pub unchanged: usize,
    /// Of the new and the changed those that are started; and who is as before, but needed now.
    pub started: Vec<String>,
    /// Of the changed those that are restarted.
    pub restarted: Vec<String>,
}

/// Something wrong in a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where: `file:line`.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A service has become something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Counted from 1 since onit started, without a gap.
    pub number: u64,
    /// When, RFC 3339.
    pub time: String,
    /// Which service.
    pub service: String,
    /// What it was.
    pub from: String,
    /// What it is.
    pub to: String,
    /// The process that runs.
    pub pid: Option<i32>,
    /// How its last run ended, where that is what happened.
    pub exit: Option<Exit>,
    /// Why, for a person; may be empty.
    pub why: String,
}

/// A line of output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Log {
    /// When its end was read, RFC 3339.
    pub time: String,
    /// Whose it is.
    pub service: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// The line; what is not UTF-8 is replaced.
    pub message: String,
}

/// What a follower was too slow for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Whose lines; none: events.
    pub service: Option<String>,
    /// How many.
    pub count: u64,
}

/// The answer is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct End {
    /// Whether all that was asked for was done and reached.
    pub ok: bool,
    /// If not, why, for a program: `bad-request`, `unknown`, `refused`, `problems`, `not-reached`,
    /// `busy`, `denied`.
    pub error: Option<String>,
    /// For a person; may be empty.
    pub message: String,
}

impl End {
    /// All is done.
    #[must_use]
    pub fn ok(message: impl Into<String>) -> Self {
        Self { ok: true, error: None, message: message.into() }
    }

    /// It is not.
    #[must_use]
    pub fn failed(error: &str, message: impl Into<String>) -> Self {
        Self { ok: false, error: Some(error.to_owned()), message: message.into() }
    }
}

impl Status {
    /// Services as one list, for `onit status --json`; with its end.
    #[must_use]
    pub fn list(all: &[Self]) -> String {
        // Nothing in it can fail to be written.
        let mut text = serde_json::to_string(all).unwrap_or_default();
        text.push('\n');
        text
    }
}

impl Line {
    /// Takes one line, without its end, as a line of an answer.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        Self::taken(value).map_err(|wrong| format!("`{wrong}` is missing or wrong"))
    }

    /// Appends it, with its end.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Nothing in it can fail to be written, and a vector takes everything.
        let _ = serde_json::to_writer(&mut *out, self);
        out.push(b'\n');
    }
}

taken! {
    About { version, pid, up_ms, services }
    Status {
        service, state, is_up, wanted, pid, health, status_text, since, since_ms, restarts, why,
        next, next_attempt_ms, kind = "type", description, command, place, depends_on, waits_for,
        exits, cpu_ms, memory_bytes,
    }
    Link { depth, service, condition, state }
    Exit { time, ago_ms, ran_ms, code, signal, asked, what }
    Brief { service, state, why }
    Outcome { service, state, why, pid, reached, changed }
    Reload { added, changed, removed, unchanged, started, restarted }
    Problem { place, what, hint }
    Event { number, time, service, from, to, pid, exit, why }
    Log { time, service, stream, message }
    Lost { service, count }
    End { ok, error, message }
}

impl Taken for Line {
    fn taken(value: Value) -> Result<Self, Wrong> {
        let Value::Object(object) = value else { return Err("line") };
        let mut members = object.into_iter();
        let (Some((kind, content)), None) = (members.next(), members.next()) else {
            return Err("line");
        };
        Ok(match kind.as_str() {
            "about" => Self::About(Taken::taken(content)?),
            "status" => Self::Status(Box::new(Taken::taken(content)?)),
            "progress" => Self::Progress(Taken::taken(content)?),
            "outcome" => Self::Outcome(Taken::taken(content)?),
            "reload" => Self::Reload(Taken::taken(content)?),
            "problem" => Self::Problem(Taken::taken(content)?),
            "event" => Self::Event(Taken::taken(content)?),
            "log" => Self::Log(Taken::taken(content)?),
            "lost" => Self::Lost(Taken::taken(content)?),
            "end" => Self::End(Taken::taken(content)?),
            _ => return Err("kind"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit() -> Exit {
        Exit {
            time: "then".to_owned(),
            ago_ms: u64::MAX,
            ran_ms: 1,
            code: 255,
            signal: Some("SIGKILL".to_owned()),
            asked: true,
            what: "killed".to_owned(),
        }
    }

    #[test]
    fn every_line_is_taken_as_it_was_written() {
        let link = Link {
            depth: 1,
            service: "db".to_owned(),
            condition: None,
            state: "starting".to_owned(),
        };
        let status = Status {
            service: "web".to_owned(),
            state: "up".to_owned(),
            is_up: true,
            pid: Some(i32::MAX),
            since_ms: 7,
            restarts: 3,
            kind: "service".to_owned(),
            command: vec!["a\"b\n".to_owned(), "ü\u{1F600}".to_owned()],
            waits_for: vec![link],
            exits: vec![exit(), exit()],
            cpu_ms: Some(9),
            ..Status::default()
        };
        let text = String::new;
        let brief = Brief { service: "web".to_owned(), state: text(), why: text() };
        let lines = [
            Line::About(About { version: "1".to_owned(), pid: 1, up_ms: 2, services: 3 }),
            Line::Status(Box::new(status)),
            Line::Status(Box::default()),
            Line::Progress(vec![brief.clone(), brief]),
            Line::Outcome(Outcome {
                service: "web".to_owned(),
                state: text(),
                why: text(),
                pid: None,
                reached: true,
                changed: false,
            }),
            Line::Reload(Reload {
                added: vec!["a".to_owned()],
                changed: vec![],
                removed: vec!["b".to_owned()],
                unchanged: 5,
                started: vec!["a".to_owned()],
                restarted: vec![],
            }),
            Line::Problem(Problem { place: "a:1".to_owned(), what: text(), hint: None }),
            Line::Event(Event {
                number: 1,
                time: text(),
                service: "web".to_owned(),
                from: "up".to_owned(),
                to: "down".to_owned(),
                pid: Some(5),
                exit: Some(exit()),
                why: text(),
            }),
            Line::Log(Log {
                time: text(),
                service: text(),
                stream: "stderr".to_owned(),
                message: "\u{0}\u{fffd}".to_owned(),
            }),
            Line::Lost(Lost { service: None, count: 4 }),
            Line::End(End::failed("busy", "later")),
        ];
        for line in lines {
            let mut text = Vec::new();
            line.write(&mut text);
            assert_eq!(Line::parse(text.trim_ascii_end()), Ok(line));
        }
    }

    #[test]
    fn what_is_not_known_is_passed_over_and_what_is_wrong_is_named() {
        let ok = Ok(Line::End(End::ok("")));
        let check = |text: &str, expected: &Result<Line, String>| {
            assert_eq!(&Line::parse(text.as_bytes()), expected, "{text}");
        };
        check(r#"{"end":{"ok":true,"error":null,"message":""}}"#, &ok);
        check(r#"{"end":{"message":"","more":[{}],"ok":true}}"#, &ok);
        let wrong = |what: &str| Err(format!("`{what}` is missing or wrong"));
        check(r#"{"end":{"ok":true}}"#, &wrong("message"));
        check(r#"{"end":{"ok":1,"message":""}}"#, &wrong("ok"));
        check(r#"{"lost":{"count":-1}}"#, &wrong("count"));
        check(r#"{"lost":{"count":1.5}}"#, &wrong("count"));
        check(r#"{"lost":{"count":18446744073709551616}}"#, &wrong("count"));
        check(r#"{"about":{"version":"","pid":4294967296}}"#, &wrong("pid"));
        check(r#"{"progress":{}}"#, &wrong("list"));
        check(r#"{"end":[]}"#, &wrong("End"));
        check(r#"{"later":{}}"#, &wrong("kind"));
        check("{}", &wrong("line"));
        check(r#"{"end":{},"lost":{}}"#, &wrong("line"));
        check("[]", &wrong("line"));
        assert!(Line::parse(b"{").is_err());
    }
}
