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
use crate::limits::{DURATION_MAX, NOTIFY_BYTES_MAX};
use crate::linux::notify_client::Barrier;
use crate::service::{self, Argv, Probe, Signal, Who, nearest};

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Supervise.
    Run(Run),
    /// Print the plan, or every problem.
    Check(Check),
    /// Print sources as service files.
    Convert(Convert),
    /// Speak to a running onit.
    Ask(Ask),
    /// Try once whether something answers.
    Probe {
        /// What, and how; it can be tried.
        probe: Probe,
        /// For how long; not 0.
        limit: Duration,
    },
    /// Tell whoever started us how we are.
    Notify {
        /// What, each a `KEY=VALUE` in one line.
        assignments: Vec<OsString>,
        /// Whether to wait until it has been taken notice of.
        barrier: Barrier,
    },
    /// Become somebody else, and something else.
    As {
        /// As whom; none: as whoever we are.
        user: Option<Who>,
        /// In which group; none: the user's.
        group: Option<Who>,
        /// What is executed.
        command: Argv,
    },
    /// Print completions.
    Completions(Shell),
    /// Print the manual page.
    Manual,
}

/// How sources are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// `--format`
    pub format: Option<OsString>,
    /// `--formation`
    pub formation: Option<OsString>,
}

/// What is to be supervised, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Directories of service files, or single service files.
    pub sources: Vec<PathBuf>,
    /// How they are read.
    pub reading: Reading,
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
    /// How they are read.
    pub reading: Reading,
}

/// What is to be converted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Convert {
    /// The sources.
    pub sources: Vec<PathBuf>,
    /// How they are read.
    pub reading: Reading,
    /// Where the files go; none: they are printed.
    pub output: Option<PathBuf>,
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
        /// Which; without one the sources are read again.
        names: Vec<String>,
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
                if verb.name == "as" {
                    words.extend(rest.into_iter().flatten());
                    return Self::parse_as(verb, words);
                }
                // Theirs are operands, and dashes before them do no harm.
                if ["probe", "notify"].contains(&verb.name) {
                    words.extend(rest.into_iter().flatten());
                    return Self::parse_applet(verb, words);
                }
                if rest.is_some() {
                    return Err(refuse(format!("`onit {}` takes no command", verb.name)));
                }
                Self::parse_other(verb, words)
            }
        }
    }

    /// Everything behind whom to become is the command; dashes between them do no harm.
    fn parse_as(verb: &'static VerbInfo, words: Vec<OsString>) -> Result<Self, Refusal> {
        let mut words = words.into_iter().peekable();
        let usage = || refuse(format!("whom, and what? onit as {}", verb.operands));
        let whom = words.next().ok_or_else(usage)?;
        if whom == "-h" || whom == "--help" {
            return Err(Refusal { text: help::of(verb), code: 0 });
        }
        if is_option(&whom) {
            let word = whom.to_string_lossy();
            return Err(refuse(format!(
                "`onit as` has no option {word}, and no user is called so"
            )));
        }
        let Some(text) = whom.to_str() else {
            return Err(refuse("the user is not UTF-8".to_owned()));
        };
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let (user, group) = (who(user)?, who(group)?);
        words.next_if(|word| word == "--");
        let program = words.next().ok_or_else(usage)?;
        Ok(Self::As { user, group, command: Argv { program, arguments: words.collect() } })
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
            reading: reading(&words),
            sources: words.operands.iter().map(PathBuf::from).collect(),
            command,
        }))
    }

    fn parse_applet(verb: &'static VerbInfo, words: Vec<OsString>) -> Result<Self, Refusal> {
        // The words behind a command are its own.
        let is_command = |operands: &[OsString]| matches!(operands, [kind, _] if kind == "exec");
        let words = Words::parse_until(verb, words, is_command)?;
        if words.has("help") {
            return Err(Refusal { text: help::of(verb), code: 0 });
        }
        if verb.name == "notify" {
            let barrier = if words.has("no-block") { Barrier::None } else { Barrier::Wait };
            return Ok(Self::Notify { assignments: assignments(words.operands)?, barrier });
        }
        let limit = timeout(&words)?.unwrap_or(service::Check::TIMEOUT);
        if limit.is_zero() {
            return Err(refuse("`--timeout 0`: a probe takes some time".to_owned()));
        }
        Ok(Self::Probe { probe: probe(words.operands)?, limit: limit.min(DURATION_MAX) })
    }

    fn parse_other(verb: &'static VerbInfo, words: Vec<OsString>) -> Result<Self, Refusal> {
        let words = Words::parse(verb, words)?;
        if words.has("help") {
            return Err(Refusal { text: help::of(verb), code: 0 });
        }
        let reading = reading(&words);
        let sources = || words.operands.iter().map(PathBuf::from).collect();
        match verb.name {
            "check" => return Ok(Self::Check(Check { sources: sources(), reading })),
            "convert" if words.operands.is_empty() => {
                return Err(refuse("what? onit convert SOURCE".to_owned()));
            }
            "convert" => {
                let output = words.value("output").map(PathBuf::from);
                return Ok(Self::Convert(Convert { sources: sources(), reading, output }));
            }
            _ => {}
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
            "reload" if words.has("dry-run") && !names.is_empty() => {
                return Err(refuse("--dry-run is for the sources, not for a service".to_owned()));
            }
            "reload" => {
                let dry_run = words.has("dry-run");
                What::Reload { names, dry_run, patience: patience(&words)? }
            }
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

/// What is to be tried, and can be.
/// A user or a group, by name or number; none if it is empty.
fn who(word: &str) -> Result<Option<Who>, Refusal> {
    match word.parse::<u32>() {
        _ if word.is_empty() => Ok(None),
        // The last one means "no change" to the kernel; see setresuid(2).
        Ok(u32::MAX) => Err(refuse(format!("{word} is no user or group number"))),
        Ok(number) => Ok(Some(Who::Number(number))),
        Err(_) if word.parse::<i128>().is_ok() => {
            Err(refuse(format!("{word} is no user or group number")))
        }
        Err(_) => Ok(Some(Who::Named(word.to_owned()))),
    }
}

fn probe(operands: Vec<OsString>) -> Result<Probe, Refusal> {
    const KINDS: [&str; 5] = ["tcp", "unix", "http", "file", "exec"];
    let mut operands = operands.into_iter();
    let kind = operands.next().unwrap_or_default();
    let kind = kind.to_string_lossy();
    if !KINDS.contains(&&*kind) {
        let usage = "onit probe tcp HOST:PORT | unix PATH | http URL | file PATH | exec COMMAND";
        return Err(refuse(match nearest(&kind, KINDS) {
            Some(best) => format!("there is no probe `{kind}`; did you mean {best}?"),
            None if kind.is_empty() => format!("which probe? {usage}"),
            None => format!("there is no probe `{kind}`; {usage}"),
        }));
    }
    let Some(first) = operands.next() else {
        return Err(refuse(format!("`onit probe {kind}` of what? see onit probe --help")));
    };
    if kind != "exec"
        && let Some(more) = operands.next()
    {
        let more = more.to_string_lossy();
        return Err(refuse(format!("`onit probe {kind}` takes no `{more}`")));
    }
    let text = |word: OsString| {
        word.into_string().map_err(|word| refuse(format!("not UTF-8: {}", word.to_string_lossy())))
    };
    let probe = match &*kind {
        "tcp" => Probe::Tcp(text(first)?),
        "http" => Probe::Http(text(first)?),
        "unix" => Probe::Unix(first.into()),
        "file" => Probe::File(first.into()),
        _ => Probe::Exec(Argv { program: first, arguments: operands.collect() }),
    };
    probe.check().map_err(refuse)?;
    Ok(probe)
}

/// What is to be told. A receiver passes over what it does not know, so that a slip would never be
/// noticed there.
fn assignments(words: Vec<OsString>) -> Result<Vec<OsString>, Refusal> {
    if words.is_empty() {
        return Err(refuse("what? onit notify KEY=VALUE…, such as READY=1".to_owned()));
    }
    for word in &words {
        if let Some(what) = slip(&word.to_string_lossy()) {
            return Err(refuse(what));
        }
    }
    let bytes = words.iter().map(|word| word.len().saturating_add(1)).sum::<usize>();
    if bytes > NOTIFY_BYTES_MAX {
        return Err(refuse(format!("at most {NOTIFY_BYTES_MAX} bytes can be told at once")));
    }
    Ok(words)
}

/// What is wrong with an assignment, if something is.
fn slip(word: &str) -> Option<String> {
    let key = word.split('=').next().unwrap_or_default();
    let capitals = key.to_ascii_uppercase();
    let is_key = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if key.is_empty() || !is_key {
        return Some(format!("`{word}` is no KEY=VALUE"));
    }
    if !word.contains('=') {
        let is_flag = ["READY", "RELOADING", "STOPPING", "WATCHDOG"].contains(&&*capitals);
        let hint = if is_flag { format!("; did you mean {capitals}=1?") } else { String::new() };
        return Some(format!("`{word}` is no KEY=VALUE{hint}"));
    }
    if key != capitals {
        return Some(format!("`{key}`: keys are in capitals; did you mean {capitals}?"));
    }
    if key == "BARRIER" {
        return Some("BARRIER=1 is sent without being asked for".to_owned());
    }
    word.contains('\n').then(|| format!("the value of {key} has more than one line"))
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

fn reading(words: &Words) -> Reading {
    let value = |long: &str| words.value(long).map(OsStr::to_owned);
    Reading { format: value("format"), formation: value("formation") }
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
        check("onit serve", "onit: `onit serve` is not supported yet\n");
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

    #[test]
    fn a_probe_is_taken_apart() {
        let check = |line: &str, probe: Probe, milliseconds: u64| {
            let limit = Duration::from_millis(milliseconds);
            assert_eq!(parse(line), Ok(Verb::Probe { probe, limit }), "{line}");
        };
        let tcp = || Probe::Tcp("[::1]:80".to_owned());
        let exec = |arguments: &[&str]| Probe::Exec(Argv::new("ls", arguments.to_vec()));
        check("onit probe tcp [::1]:80", tcp(), 3000);
        check("onit probe --timeout 500ms tcp [::1]:80", tcp(), 500);
        check("onit probe --timeout 500ms -- tcp [::1]:80", tcp(), 500);
        check("onit probe tcp [::1]:80 --timeout=2", tcp(), 2000);
        check("onit probe unix /run/x", Probe::Unix("/run/x".into()), 3000);
        check("onit probe file -- --timeout", Probe::File("--timeout".into()), 3000);
        check("onit probe http http://web/?x", Probe::Http("http://web/?x".to_owned()), 3000);
        check("onit probe exec ls --timeout 5 -- -h", exec(&["--timeout", "5", "--", "-h"]), 3000);
        check("onit probe exec -- ls -- -h", exec(&["--", "-h"]), 3000);
        check("onit probe exec --timeout 5 -- ls -h", exec(&["-h"]), 5000);
        check("onit probe -- exec ls -h", exec(&["-h"]), 3000);
    }

    #[test]
    fn what_cannot_be_tried_or_told_is_refused() {
        let check = |line: &str, expected: &str| {
            let refusal = parse(line).unwrap_err();
            assert_eq!(
                (refusal.code, &*refusal.text),
                (2, &*format!("onit: {expected}\n")),
                "{line}"
            );
        };
        let kinds = "onit probe tcp HOST:PORT | unix PATH | http URL | file PATH | exec COMMAND";
        check("onit probe", &format!("which probe? {kinds}"));
        check("onit probe grpc x", &format!("there is no probe `grpc`; {kinds}"));
        check("onit probe htpp x", "there is no probe `htpp`; did you mean http?");
        check("onit probe exec", "`onit probe exec` of what? see onit probe --help");
        check("onit probe exec --", "`onit probe exec` of what? see onit probe --help");
        check("onit probe tcp a:1 b:2", "`onit probe tcp` takes no `b:2`");
        check("onit probe tcp web", "`web` has no port; an address is HOST:PORT");
        let curl = "a probe speaks no TLS; exec with a program such as curl can";
        check("onit probe http https://web/", &format!("`https://web/`: {curl}"));
        check("onit probe --timeout 0s tcp a:1", "`--timeout 0`: a probe takes some time");
        let wrong = "`--timeout soon` is no duration such as 10s or 2m";
        check("onit probe --timeout soon tcp a:1", wrong);

        check("onit notify", "what? onit notify KEY=VALUE…, such as READY=1");
        check("onit notify READY", "`READY` is no KEY=VALUE; did you mean READY=1?");
        check("onit notify ready", "`ready` is no KEY=VALUE; did you mean READY=1?");
        check("onit notify A=1 hello", "`hello` is no KEY=VALUE");
        check("onit notify =1", "`=1` is no KEY=VALUE");
        check("onit notify A-B=1", "`A-B=1` is no KEY=VALUE");
        check("onit notify ready=1", "`ready`: keys are in capitals; did you mean READY?");
        check("onit notify BARRIER=1", "BARRIER=1 is sent without being asked for");
        check("onit notify STATUS=a\nb", "the value of STATUS has more than one line");
        let long = format!("onit notify STATUS={}", "x".repeat(4000));
        check(&long, "at most 4000 bytes can be told at once");
    }

    #[test]
    fn what_is_told_is_taken_as_it_is() {
        let check = |line: &str, words: &[&str], barrier: Barrier| {
            let assignments = words.iter().map(OsString::from).collect();
            assert_eq!(parse(line), Ok(Verb::Notify { assignments, barrier }), "{line}");
        };
        check("onit notify READY=1 X_1=a=b", &["READY=1", "X_1=a=b"], Barrier::Wait);
        check("onit notify --no-block -- STATUS=", &["STATUS="], Barrier::None);
    }
}
