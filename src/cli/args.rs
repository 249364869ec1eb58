//! What the words on the command line mean.
//!
//! The first word may be a verb; without one it is `run`. Everything behind the first `--` is the
//! main command and is not looked at. Which options a verb has stands in `verbs.rs`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::verbs::{self, LATER, VERBS, VerbInfo};
use super::words::Words;
use super::{USAGE, help};
use crate::service::{Argv, Signal, nearest};

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Supervise.
    Run(Run),
    /// Print the plan, or every problem.
    Check(Check),
    /// Speak to a running onit.
    Ask(Ask),
    /// Print completions.
    Completions(Shell),
    /// Print the manual page.
    Manual,
}

/// What is to be supervised, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Directories of service files, or single service files.
    pub sources: Vec<PathBuf>,
    /// `--stop-timeout`
    pub stop_timeout: Option<OsString>,
    /// `--stop-signals`
    pub stop_signals: Option<OsString>,
    /// `--log-format`
    pub log_format: Option<OsString>,
    /// `--log-level`
    pub log_level: Option<OsString>,
    /// `--log-timestamps`
    pub log_timestamps: Option<OsString>,
    /// `--socket`
    pub socket: Option<OsString>,
    /// The main command.
    pub command: Option<Argv>,
}

/// What is to be checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// Directories of service files, or single service files.
    pub sources: Vec<PathBuf>,
}

/// What a running onit is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Where it is; none: in the usual places, or where ONIT_SOCKET says.
    pub socket: Option<PathBuf>,
    /// What.
    pub what: What,
}

/// What a running onit can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// `onit status`
    Status {
        /// Whose; everybody's without one.
        names: Vec<String>,
        /// For programs.
        json: bool,
        /// Again and again.
        watch: bool,
    },
    /// `onit start`
    Start {
        /// Which.
        names: Vec<String>,
        /// How long to wait for the outcome.
        patience: Patience,
    },
    /// `onit stop`
    Stop {
        /// Which.
        names: Vec<String>,
        /// What becomes of those that need them.
        dependents: Dependents,
        /// How long to wait for the outcome.
        patience: Patience,
    },
    /// `onit restart`
    Restart {
        /// Which.
        names: Vec<String>,
        /// How long to wait for the outcome.
        patience: Patience,
    },
    /// `onit reload`
    Reload {
        /// Only print the difference.
        dry_run: bool,
        /// How long to wait for the outcome.
        patience: Patience,
    },
    /// `onit signal`
    Signal {
        /// What is sent.
        signal: Signal,
        /// To whom.
        names: Vec<String>,
    },
    /// `onit logs`
    Logs {
        /// Whose; everybody's without one.
        names: Vec<String>,
        /// Go on with what is yet to come.
        follow: bool,
        /// At most so many lines of each stream.
        lines: Option<usize>,
        /// For programs.
        json: bool,
    },
    /// `onit events`
    Events {
        /// Whose; everybody's without one.
        names: Vec<String>,
        /// Go on with what is yet to come.
        follow: bool,
        /// For programs.
        json: bool,
    },
    /// `onit wait`
    Wait {
        /// Whom for.
        names: Vec<String>,
        /// What for: `ready`, `stopped` or `done`.
        milestone: &'static str,
        /// How long at most.
        timeout: Option<Duration>,
    },
    /// `onit health`
    Health {
        /// How well: `ready` or `alive`.
        level: &'static str,
    },
    /// `onit shutdown`
    Shutdown {
        /// What onit is to exit with.
        exit_code: Option<u8>,
        /// How long to wait for its end.
        patience: Patience,
    },
}

/// How long to wait for an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Whether to wait at all.
    pub wait: bool,
    /// How long at most.
    pub timeout: Option<Duration>,
}

/// What becomes of those that need a service which is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependents {
    /// If there are any, nothing is stopped.
    Refuse,
    /// `--force`: they go on without it.
    Force,
    /// `--with-dependents`: they are stopped before it.
    Stop,
}

/// A shell that can complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// Words that are not understood, or that ask for a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What to say, with its newline.
    pub text: String,
    /// The exit code; 0 if the text is what was asked for.
    pub code: u8,
}

impl Verb {
    /// Takes the whole command line apart.
    ///
    /// # Errors
    /// Words that are not understood, or a text that was asked for.
    pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, Refusal> {
        let mut words: Vec<OsString> = words.into_iter().skip(1).collect();
        let rest = words.iter().position(|word| word == "--").map(|at| words.split_off(at));
        let first = words.first().and_then(|word| word.to_str()).unwrap_or_default().to_owned();
        match first.as_str() {
            "-h" | "--help" => return Err(Refusal { text: help::all(), code: 0 }),
            "-V" | "--version" | "version" => return Err(version()),
            "help" => return Err(help_about(&words)),
            _ => {}
        }
        if LATER.contains(&first.as_str()) && !exists(OsStr::new(&first)) {
            return Err(refuse(format!("`onit {first}` is not supported yet")));
        }
        let verb = verbs::find(&first);
        let command = rest.as_ref().and_then(|rest| {
            let mut rest = rest.iter().skip(1).cloned();
            rest.next().map(|program| Argv { program, arguments: rest.collect() })
        });
        match verb {
            None => Self::parse_run(words, command),
            Some(verb) => {
                words.remove(0);
                if verb.name == "run" {
                    return Self::parse_run(words, command);
                }
                if rest.is_some() {
                    return Err(refuse(format!("`onit {}` takes no command", verb.name)));
                }
                Self::parse_other(verb, words)
            }
        }
    }

    fn parse_run(words: Vec<OsString>, command: Option<Argv>) -> Result<Self, Refusal> {
        // Before options are looked at: they may be those of a main command without its `--`.
        if let Some(first) = words.first().filter(|word| !is_option(word) && !exists(word)) {
            return Err(no_such_source(first, &words));
        }
        let Some(run) = verbs::find("run") else { return Err(refuse(String::new())) };
        let words = Words::parse(run, words)?;
        if words.has("help") {
            return Err(Refusal { text: help::all(), code: 0 });
        }
        if words.has("version") {
            return Err(version());
        }
        let value = |long: &str| words.value(long).map(OsStr::to_owned);
        Ok(Self::Run(Run {
            stop_timeout: value("stop-timeout"),
            stop_signals: value("stop-signals"),
            log_format: value("log-format"),
            log_level: value("log-level"),
            log_timestamps: value("log-timestamps"),
            socket: value("socket"),
            sources: words.operands.iter().map(PathBuf::from).collect(),
            command,
        }))
    }

    fn parse_other(verb: &'static VerbInfo, words: Vec<OsString>) -> Result<Self, Refusal> {
        let words = Words::parse(verb, words)?;
        if words.has("help") {
            return Err(Refusal { text: help::of(verb), code: 0 });
        }
        if verb.name == "check" {
            let sources = words.operands.iter().map(PathBuf::from).collect();
            return Ok(Self::Check(Check { sources }));
        }
        let names = words.names()?;
        if verb.operands.is_empty()
            && let Some(first) = names.first()
        {
            return Err(refuse(format!("`onit {}` takes no `{first}`", verb.name)));
        }
        let needs_names = verb.operands.contains("NAME") && !verb.operands.contains('[');
        let first_name = usize::from(verb.name == "signal");
        if needs_names && names.len() <= first_name {
            let usage = format!("onit {} {}", verb.name, verb.operands);
            return Err(refuse(format!("whom? {usage}; '*' means all services")));
        }
        let what = match verb.name {
            "completions" => return Ok(Self::Completions(shell(&names)?)),
            "manual" => return Ok(Self::Manual),
            "status" => What::Status { names, json: words.has("json"), watch: words.has("watch") },
            "start" => What::Start { names, patience: patience(&words)? },
            "stop" => {
                What::Stop { names, dependents: dependents(&words)?, patience: patience(&words)? }
            }
            "restart" => What::Restart { names, patience: patience(&words)? },
            "reload" => What::Reload { dry_run: words.has("dry-run"), patience: patience(&words)? },
            "signal" => {
                let mut names = names;
                let word = names.remove(0);
                let signal = Signal::from_name(&word)
                    .ok_or_else(|| refuse(format!("no signal is called {word}")))?;
                What::Signal { signal, names }
            }
            "logs" => What::Logs {
                names,
                follow: words.has("follow"),
                lines: number(&words, "lines")?,
                json: words.has("json"),
            },
            "events" => {
                What::Events { names, follow: words.has("follow"), json: words.has("json") }
            }
            "wait" => What::Wait {
                names,
                milestone: one_of(&words, "for", &["ready", "stopped", "done"])?,
                timeout: timeout(&words)?,
            },
            "health" => What::Health { level: one_of(&words, "level", &["ready", "alive"])? },
            _ => What::Shutdown {
                exit_code: number(&words, "exit-code")?,
                patience: patience(&words)?,
            },
        };
        let socket = words.value("socket").filter(|path| !path.is_empty()).map(PathBuf::from);
        Ok(Self::Ask(Ask { socket, what }))
    }
}

fn version() -> Refusal {
    Refusal { text: format!("onit {}\n", env!("CARGO_PKG_VERSION")), code: 0 }
}

/// `onit help`, `onit help VERB`.
fn help_about(words: &[OsString]) -> Refusal {
    match words.get(1).map(|word| word.to_string_lossy()) {
        None => Refusal { text: help::all(), code: 0 },
        Some(word) => match verbs::find(&word) {
            Some(verb) => Refusal { text: help::of(verb), code: 0 },
            None => refuse(match nearest(&word, VERBS.iter().map(|verb| verb.name)) {
                Some(best) => format!("there is no verb {word}; did you mean: onit help {best}"),
                None => format!("there is no verb {word}; onit help lists them"),
            }),
        },
    }
}

fn shell(names: &[String]) -> Result<Shell, Refusal> {
    match names {
        [name] if name == "bash" => Ok(Shell::Bash),
        [name] if name == "zsh" => Ok(Shell::Zsh),
        [name] if name == "fish" => Ok(Shell::Fish),
        _ => Err(refuse("which shell? onit completions bash|zsh|fish".to_owned())),
    }
}

fn patience(words: &Words) -> Result<Patience, Refusal> {
    Ok(Patience { wait: !words.has("no-wait"), timeout: timeout(words)? })
}

/// A duration such as `10s`; a bare number is a number of seconds.
fn timeout(words: &Words) -> Result<Option<Duration>, Refusal> {
    let Some(text) = words.text("timeout")? else { return Ok(None) };
    let seconds = text.parse().ok().map(Duration::from_secs);
    match seconds.or_else(|| humantime::parse_duration(text).ok()) {
        Some(timeout) => Ok(Some(timeout)),
        None => Err(refuse(format!("`--timeout {text}` is no duration such as 10s or 2m"))),
    }
}

fn dependents(words: &Words) -> Result<Dependents, Refusal> {
    match (words.has("force"), words.has("with-dependents")) {
        (false, false) => Ok(Dependents::Refuse),
        (true, false) => Ok(Dependents::Force),
        (false, true) => Ok(Dependents::Stop),
        (true, true) => {
            let what = "`--force` lets those go on that `--with-dependents` stops; which of them?";
            Err(refuse(what.to_owned()))
        }
    }
}

fn number<T: std::str::FromStr>(words: &Words, long: &str) -> Result<Option<T>, Refusal> {
    let Some(text) = words.text(long)? else { return Ok(None) };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(refuse(format!("`--{long} {text}` is no number that would do"))),
    }
}

/// One of the words that an option knows; without it the first.
fn one_of(words: &Words, long: &str, known: &[&'static str]) -> Result<&'static str, Refusal> {
    let Some(text) = words.text(long)? else { return Ok(known.first().copied().unwrap_or("")) };
    match known.iter().find(|word| **word == text) {
        Some(word) => Ok(word),
        None => Err(refuse(match nearest(text, known) {
            Some(best) => format!("`--{long} {text}`: did you mean {best}?"),
            None => format!("`--{long} {text}`: known are {}", known.join(", ")),
        })),
    }
}

/// The words may have been meant as a verb, or as the main command.
fn no_such_source(missing: &OsStr, words: &[OsString]) -> Refusal {
    let word = missing.to_string_lossy();
    let hint = match nearest(&word, VERBS.iter().map(|verb| verb.name).chain(LATER)) {
        _ if word.contains('/') => {
            "a source is a directory of service files, or one of them".into()
        }
        Some(verb) => format!("did you mean: onit {verb}"),
        None => {
            let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
            format!("did you mean: onit -- {}", words.join(" "))
        }
    };
    refuse(format!("no such source: {word}; {hint}"))
}

fn is_option(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}

/// A refusal in the words of a person.
pub(super) fn refuse(what: String) -> Refusal {
    Refusal { text: format!("onit: {what}\n"), code: USAGE }
}

fn exists(path: &OsStr) -> bool {
    Path::new(path).symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Verb, Refusal> {
        Verb::parse(line.split(' ').map(OsString::from))
    }

    fn run(sources: &[&str], command: Option<Argv>) -> Verb {
        let sources = sources.iter().map(PathBuf::from).collect();
        Verb::Run(Run { sources, command, ..Run::default() })
    }

    #[test]
    fn everything_behind_the_dashes_is_the_main_command() {
        let command = || Some(Argv::new("ls", vec!["--", "-l"]));
        assert_eq!(parse("onit -- ls -- -l"), Ok(run(&[], command())));
        assert_eq!(parse("onit run / -- ls -- -l"), Ok(run(&["/"], command())));
        assert_eq!(parse("onit --"), Ok(run(&[], None)));
        assert_eq!(parse("onit"), Ok(run(&[], None)));
        assert_eq!(parse("onit -- run"), Ok(run(&[], Some(Argv::new::<&str>("run", vec![])))));
    }

    #[test]
    fn a_word_that_is_no_source_gets_a_hint() {
        let check = |line: &str, expected: &str| {
            let refusal = parse(line).unwrap_err();
            assert_eq!((refusal.code, refusal.text.as_str()), (2, expected), "{line}");
        };
        check("onit bash", "onit: no such source: bash; did you mean: onit -- bash\n");
        let hint = "a source is a directory of service files, or one of them";
        check("onit /srv/none", &format!("onit: no such source: /srv/none; {hint}\n"));
        check("onit bash -c ls", "onit: no such source: bash; did you mean: onit -- bash -c ls\n");
        check("onit stauts", "onit: no such source: stauts; did you mean: onit status\n");
        check("onit convert", "onit: `onit convert` is not supported yet\n");
        check("onit check -- ls", "onit: `onit check` takes no command\n");
        let hint = "did you mean `--json`?";
        check(
            "onit status --jsno",
            &format!("onit: `onit status` has no option `--jsno`; {hint}\n"),
        );
        check("onit logs -n", "onit: `-n` needs a value: --lines N\n");
        check("onit status --json=1", "onit: `--json` takes no value, and got `1`\n");
        check("onit stop", "onit: whom? onit stop NAME…; '*' means all services\n");
        check("onit signal HUP", "onit: whom? onit signal SIGNAL NAME…; '*' means all services\n");
        check("onit signal HOP web", "onit: no signal is called HOP\n");
        check("onit health web", "onit: `onit health` takes no `web`\n");
        check("onit wait web --for redy", "onit: `--for redy`: did you mean ready?\n");
        check(
            "onit wait web --timeout soon",
            "onit: `--timeout soon` is no duration such as 10s or 2m\n",
        );
        check(
            "onit help stauts",
            "onit: there is no verb stauts; did you mean: onit help status\n",
        );
        check("onit completions", "onit: which shell? onit completions bash|zsh|fish\n");
    }

    #[test]
    fn what_is_asked_is_taken_apart() {
        let check = |line: &str, socket: Option<&str>, what: What| {
            let socket = socket.map(PathBuf::from);
            assert_eq!(parse(line), Ok(Verb::Ask(Ask { socket, what })), "{line}");
        };
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let patient = Patience { wait: true, timeout: None };
        check(
            "onit logs -fn5 web --json",
            None,
            What::Logs { names: names(&["web"]), follow: true, lines: Some(5), json: true },
        );
        check(
            "onit status --socket=/s -w",
            Some("/s"),
            What::Status { names: names(&[]), json: false, watch: true },
        );
        check(
            "onit stop --with-dependents a b-* --timeout 90",
            None,
            What::Stop {
                names: names(&["a", "b-*"]),
                dependents: Dependents::Stop,
                patience: Patience { wait: true, timeout: Some(Duration::from_secs(90)) },
            },
        );
        check(
            "onit signal rtmin+3 web",
            None,
            What::Signal { signal: Signal::HALT, names: names(&["web"]) },
        );
        check("onit health", None, What::Health { level: "ready" });
        check("onit shutdown", None, What::Shutdown { exit_code: None, patience: patient });
        let run = parse("onit run --log-timestamps --socket /s / -- ls");
        let Ok(Verb::Run(run)) = run else { panic!("{run:?}") };
        assert_eq!((run.log_timestamps, run.socket), (Some("true".into()), Some("/s".into())));
    }
}
