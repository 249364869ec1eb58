//! What a client may say, and what it means.

use serde::{Deserialize, Serialize};

use super::VERSION;
use crate::service::{Pattern, Signal, nearest};
use crate::supervisor::{Ask, Dependents, HealthLevel, Milestone};

/// A request as it stands on the line. Which members belong to which `do` is said in
/// docs/control-protocol.md and held by [`Request::meaning`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// The version of the protocol.
    pub onit: u32,
    /// What is to be done: `status`, `start` and so on.
    #[serde(rename = "do")]
    pub verb: String,
    /// Names of services, or patterns of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Whether the answer waits for the outcome; true unless it says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<bool>,
    /// What becomes of those that need a service which is stopped: `refuse`, `keep`, `stop`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependents: Option<String>,
    /// A signal, by name or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// `ready` or `alive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// `ready`, `stopped` or `done`.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub milestone: Option<String>,
    /// Only say what would change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// The exit code of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// How many lines of each stream; all that are kept unless it says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<usize>,
    /// Go on with what is yet to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow: Option<bool>,
}

/// What a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The supervisor is asked.
    Ask(Ask),
    /// The recent output of services.
    Logs {
        /// Whose; of all without a pattern.
        names: Vec<Pattern>,
        /// How many lines of each stream; none: all that are kept.
        lines: Option<usize>,
        /// Go on with what is yet to come.
        follow: bool,
    },
    /// The recent changes of state.
    Events {
        /// Whose; of all without a pattern.
        names: Vec<Pattern>,
        /// Go on with what is yet to come.
        follow: bool,
    },
}

/// Why a line is no request: what to tell the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

/// Every `do`, and the members that belong to it.
const VERBS: [(&str, &[&str]); 11] = [
    ("status", &["names"]),
    ("health", &["level"]),
    ("start", &["names", "wait"]),
    ("stop", &["names", "wait", "dependents"]),
    ("restart", &["names", "wait"]),
    ("signal", &["names", "signal"]),
    ("wait", &["names", "for"]),
    ("reload", &["names", "wait", "dry_run"]),
    ("shutdown", &["exit_code"]),
    ("logs", &["names", "lines", "follow"]),
    ("events", &["names", "follow"]),
];

impl Request {
    /// A request of this version.
    #[must_use]
    pub fn new(verb: &str, names: Vec<String>) -> Self {
        Self { onit: VERSION, verb: verb.to_owned(), names, ..Self::default() }
    }

    /// The request as a line, with its end.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        // Nothing in it can fail to be written.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Takes one line, without its end, as a request.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, Fault> {
        // What reads structures takes lists for them too; the protocol does not.
        if !line.trim_ascii_start().starts_with(b"{") {
            return Err(Fault("not a request: it is no JSON object".to_owned()));
        }
        serde_json::from_slice(line).map_err(|error| Fault(format!("not a request: {error}")))
    }

    /// What it means.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn meaning(self) -> Result<Meaning, Fault> {
        if self.onit != VERSION {
            return Err(Fault(format!(
                "protocol version {} is not spoken here; this onit speaks {VERSION}: \
                 {{\"onit\":{VERSION},\"do\":\"status\"}}",
                self.onit
            )));
        }
        let Some((verb, members)) = VERBS.iter().find(|(verb, _)| *verb == self.verb) else {
            return Err(unknown("do", &self.verb, VERBS.map(|(verb, _)| verb)));
        };
        if let Some(member) = self.members().find(|member| !members.contains(member)) {
            return Err(Fault(format!("`{member}` has no meaning for `{verb}`")));
        }
        let names: Vec<Pattern> = self.names.iter().map(Pattern::new).collect();
        let wait = self.wait.unwrap_or(true);
        let follow = self.follow.unwrap_or(false);
        let needs_names = ["start", "stop", "restart", "signal", "wait"].contains(verb);
        if needs_names && names.is_empty() {
            return Err(Fault(format!("`{verb}` needs `names`; [\"*\"] means all")));
        }
        Ok(Meaning::Ask(match *verb {
            "status" => Ask::Status { names },
            "health" => Ask::Health {
                level: one_of(
                    "level",
                    self.level,
                    [("ready", HealthLevel::Ready), ("alive", HealthLevel::Alive)],
                )?,
            },
            "start" => Ask::Start { names, wait },
            "stop" => Ask::Stop {
                names,
                dependents: one_of(
                    "dependents",
                    self.dependents,
                    [
                        ("refuse", Dependents::Refuse),
                        ("keep", Dependents::Keep),
                        ("stop", Dependents::Stop),
                    ],
                )?,
                wait,
            },
            "restart" => Ask::Restart { names, wait },
            "signal" => {
                let word = self.signal.unwrap_or_default();
                let signal = Signal::from_name(&word)
                    .ok_or_else(|| Fault(format!("`signal` is no signal: {word:?}")))?;
                Ask::Signal { names, signal }
            }
            "wait" => Ask::Wait {
                names,
                milestone: one_of(
                    "for",
                    self.milestone,
                    [
                        ("ready", Milestone::Ready),
                        ("stopped", Milestone::Stopped),
                        ("done", Milestone::Done),
                    ],
                )?,
            },
            "reload" if names.is_empty() => {
                Ask::Reload { dry_run: self.dry_run.unwrap_or(false), wait }
            }
            "reload" if self.dry_run == Some(true) => {
                return Err(Fault("`dry_run` has no meaning for `reload` with `names`".to_owned()));
            }
            "reload" => Ask::ReloadServices { names, wait },
            "shutdown" => Ask::Shutdown { code: self.exit_code.unwrap_or(0) },
            "logs" => return Ok(Meaning::Logs { names, lines: self.lines, follow }),
            _ => return Ok(Meaning::Events { names, follow }),
        }))
    }

    /// The members that are there.
    fn members(&self) -> impl Iterator<Item = &'static str> {
        [
            ("names", !self.names.is_empty()),
            ("wait", self.wait.is_some()),
            ("dependents", self.dependents.is_some()),
            ("signal", self.signal.is_some()),
            ("level", self.level.is_some()),
            ("for", self.milestone.is_some()),
            ("dry_run", self.dry_run.is_some()),
            ("exit_code", self.exit_code.is_some()),
            ("lines", self.lines.is_some()),
            ("follow", self.follow.is_some()),
        ]
        .into_iter()
        .filter(|(_, is_there)| *is_there)
        .map(|(member, _)| member)
    }
}

/// The meaning of a word; without one the first.
fn one_of<T: Copy, const N: usize>(
    member: &str,
    word: Option<String>,
    known: [(&'static str, T); N],
) -> Result<T, Fault> {
    let found = match &word {
        None => known.first(),
        Some(word) => known.iter().find(|(name, _)| name == word),
    };
    found
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| unknown(member, &word.unwrap_or_default(), known.map(|(name, _)| name)))
}

fn unknown<const N: usize>(member: &str, word: &str, known: [&'static str; N]) -> Fault {
    match nearest(word, known) {
        Some(best) => Fault(format!("`{member}` is {word:?}; did you mean {best:?}?")),
        None => Fault(format!("`{member}` is {word:?}; known are: {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(line: &str) -> Result<Meaning, Fault> {
        Request::parse(line.as_bytes()).and_then(Request::meaning)
    }

    #[test]
    fn what_is_left_out_means_the_usual() {
        let check = |line: &str, expected: Ask| {
            assert_eq!(meaning(line), Ok(Meaning::Ask(expected)), "{line}");
        };
        let web = || vec![Pattern::new("web")];
        check(r#"{"onit":1,"do":"status"}"#, Ask::Status { names: vec![] });
        check(r#"{"onit":1,"do":"health"}"#, Ask::Health { level: HealthLevel::Ready });
        check(
            r#"{"onit":1,"do":"stop","names":["web"]}"#,
            Ask::Stop { names: web(), dependents: Dependents::Refuse, wait: true },
        );
        check(
            r#"{"onit":1,"do":"wait","names":["web"],"for":"done"}"#,
            Ask::Wait { names: web(), milestone: Milestone::Done },
        );
        check(
            r#"{"onit":1,"do":"signal","names":["web"],"signal":"hup"}"#,
            Ask::Signal { names: web(), signal: Signal::HUP },
        );
        check(r#"{"onit":1,"do":"shutdown"}"#, Ask::Shutdown { code: 0 });
        check(r#"{"onit":1,"do":"reload"}"#, Ask::Reload { dry_run: false, wait: true });
        check(
            r#"{"onit":1,"do":"reload","names":["web"]}"#,
            Ask::ReloadServices { names: vec![Pattern::new("web")], wait: true },
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        let check = |line: &str, expected: &str| {
            let Fault(text) = meaning(line).unwrap_err();
            assert!(text.contains(expected), "{line}: {text}");
        };
        check("", "it is no JSON object");
        check("{", "not a request: EOF");
        check("[]", "not a request: ");
        check(r#"{"onit":1,"do":"stauts"}"#, r#"did you mean "status"?"#);
        check(r#"{"onit":2,"do":"status"}"#, "protocol version 2 is not spoken here");
        check(r#"{"do":"status"}"#, "protocol version 0 is not spoken here");
        check(r#"{"onit":1,"do":"status","naems":[]}"#, "unknown field `naems`");
        check(
            r#"{"onit":1,"do":"status","signal":"TERM"}"#,
            "`signal` has no meaning for `status`",
        );
        check(r#"{"onit":1,"do":"stop"}"#, "`stop` needs `names`");
        check(r#"{"onit":1,"do":"signal","names":["a"],"signal":"HOP"}"#, "is no signal");
        check(r#"{"onit":1,"do":"health","level":"redy"}"#, r#"did you mean "ready"?"#);
        check(r#"{"onit":1,"do":"shutdown","exit_code":256}"#, "not a request: ");
    }

    #[test]
    fn what_a_client_writes_is_what_is_read() {
        let request = Request { follow: Some(true), ..Request::new("logs", vec!["web".into()]) };
        let line = request.line();
        let text = String::from_utf8(line.clone()).unwrap();
        assert_eq!(text, "{\"onit\":1,\"do\":\"logs\",\"names\":[\"web\"],\"follow\":true}\n");
        assert_eq!(Request::parse(&line), Ok(request));
    }
}
