//! What the words on the command line mean.
//!
//! The first word may be a verb; without one it is `run`. Everything behind the first `--` is the
//! main command and is not looked at.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::Parser;

use super::USAGE;
use crate::service::{Argv, nearest};

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Supervise.
    Run(Run),
    /// Print the plan, or every problem.
    Check(Check),
}

/// PID 1 and process supervisor for containers.
#[derive(Parser, Clone, Debug, Default, PartialEq, Eq)]
#[command(
    name = "onit",
    version,
    disable_help_subcommand = true,
    override_usage = "onit [run] [OPTIONS] [SOURCE…] [-- COMMAND [ARG…]]\n       onit check [SOURCE…]",
    after_help = AFTER_HELP
)]
pub struct Run {
    /// Directories of service files, or single service files
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<PathBuf>,
    /// The whole time a shutdown may take, such as 9s [env: ONIT_STOP_TIMEOUT]
    #[arg(long, value_name = "TIME")]
    pub stop_timeout: Option<OsString>,
    /// Further signals that ask for an orderly stop, separated by commas [env: ONIT_STOP_SIGNALS]
    #[arg(long, value_name = "SIGNALS")]
    pub stop_signals: Option<OsString>,
    /// The shape of the lines: text, json or raw [env: ONIT_LOG_FORMAT]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<OsString>,
    /// How much onit says about itself: error, warn, info or debug [env: ONIT_LOG_LEVEL]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<OsString>,
    /// Whether text lines begin with the time: true or false [env: ONIT_LOG_TIMESTAMPS]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub log_timestamps: Option<OsString>,
    /// Where the control socket is [env: ONIT_SOCKET]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// The main command, taken from behind `--`.
    #[arg(skip)]
    pub command: Option<Argv>,
}

/// Print the plan in start order, or every problem at once; exit 0, or 2 with problems.
#[derive(Parser, Clone, Debug, Default, PartialEq, Eq)]
#[command(name = "onit check", version)]
pub struct Check {
    /// Directories of service files, or single service files
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<PathBuf>,
}

/// What `onit --help` ends with.
const AFTER_HELP: &str = "\
Without SOURCE, ONIT_SOURCES (separated by colons) or /etc/onit/services is read.
The main command after `--` is started when all services are up; its end ends everything.

  onit -- nginx -g 'daemon off;'     one program, as under tini
  onit /etc/onit/services            a directory of services
  onit services -- app serve         services, and then the program they are for

Exit codes: that of the main command; without one, that of the service whose failure ended
everything, or 0; 2 bad usage or configuration; 126 and 127 the main command cannot be
executed or is not found; 70 an internal fault.";

/// Every verb there is or will be, for hints.
const VERBS: [&str; 24] = [
    "run",
    "check",
    "convert",
    "status",
    "start",
    "stop",
    "restart",
    "reload",
    "signal",
    "logs",
    "events",
    "wait",
    "health",
    "shutdown",
    "notify",
    "probe",
    "as",
    "serve",
    "syslog",
    "completions",
    "manual",
    "help",
    "version",
    "control",
];

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
        let command = match words.iter().position(|word| word == "--") {
            None => None,
            Some(at) => {
                let mut rest = words.split_off(at).into_iter().skip(1);
                rest.next().map(|program| Argv { program, arguments: rest.collect() })
            }
        };
        let verb = words.first().and_then(|word| word.to_str()).map(str::to_owned);
        match verb.as_deref() {
            Some("check") => {
                if command.is_some() {
                    return Err(refuse("`onit check` takes no command".to_owned()));
                }
                let check = Check::try_parse_from(words).map_err(|error| from_clap(&error))?;
                Ok(Self::Check(check))
            }
            Some("run") => Self::parse_run(words.into_iter().skip(1), command),
            Some("help") => Self::parse_run([OsString::from("--help")], None),
            Some(other) if VERBS.contains(&other) && !exists(OsStr::new(other)) => {
                Err(refuse(format!("`onit {other}` is not supported yet")))
            }
            Some(_) | None => Self::parse_run(words, command),
        }
    }

    fn parse_run(
        words: impl IntoIterator<Item = OsString>,
        command: Option<Argv>,
    ) -> Result<Self, Refusal> {
        let words: Vec<OsString> = words.into_iter().collect();
        // Before options are looked at: they may be those of a main command without its `--`.
        if let Some(first) = words.first().filter(|word| !is_option(word) && !exists(word)) {
            return Err(no_such_source(first, &words));
        }
        let words = std::iter::once(OsString::from("onit")).chain(words);
        let run = Run::try_parse_from(words).map_err(|error| from_clap(&error))?;
        Ok(Self::Run(Run { command, ..run }))
    }
}

/// The words may have been meant as a verb, or as the main command.
fn no_such_source(missing: &OsStr, words: &[OsString]) -> Refusal {
    let word = missing.to_string_lossy();
    let hint = match nearest(&word, VERBS) {
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

fn refuse(what: String) -> Refusal {
    Refusal { text: format!("onit: {what}\n"), code: USAGE }
}

fn from_clap(error: &clap::Error) -> Refusal {
    let code = if error.use_stderr() { USAGE } else { 0 };
    let text = error.render().to_string();
    let text = match text.strip_prefix("error: ") {
        Some(what) => format!("onit: {what}"),
        None => text,
    };
    Refusal { text, code }
}

fn exists(path: &OsStr) -> bool {
    std::path::Path::new(path).symlink_metadata().is_ok()
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
        check("onit status", "onit: `onit status` is not supported yet\n");
    }
}
