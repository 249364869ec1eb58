//! `onit run`: from the words to the loop, and `onit check`, which stops before the loop.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::args::{Check, Run};
use super::{USAGE, check as listing, complain, say};
use crate::config::{self, Files, Loaded, Options, Request};
use crate::limits::SERVICE_FILE_BYTES_MAX;
use crate::linux::clock::Clock;
use crate::linux::console::{Console, ConsoleSettings};
use crate::linux::last_words::FAULT;
use crate::linux::process::Process;
use crate::linux::signals::{self, Signals};
use crate::linux::spawn::Handover;
use crate::linux::{Linux, Parts, files, last_words};
use crate::run::{self, Host};
use crate::service::{Errno, Kind, Level, Plan, Settings, Signal};
use crate::supervisor::{Rules, Supervisor};

/// Where services are looked for when nothing else is said.
const DEFAULT_SOURCE: &str = "/etc/onit/services";

/// The logs are drained at least this long, also where the budget is used up.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);

/// Supervises until it is over.
pub fn run(run: Run) -> ExitCode {
    last_words::prepare();
    let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let clock = Clock::start();
    let loaded = match load(&run, &environment) {
        Ok(loaded) => loaded,
        Err(text) => {
            complain(&text);
            return ExitCode::from(USAGE);
        }
    };
    match supervise(loaded, environment, clock) {
        Ok(code) => ExitCode::from(code),
        Err(refused) => {
            complain(&format!("onit: cannot start: {refused}\n"));
            ExitCode::from(u8::try_from(FAULT).unwrap_or(1))
        }
    }
}

/// Prints the plan, or every problem.
pub fn check(check: &Check) -> ExitCode {
    signals::release();
    let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let sources = sources(&check.sources, &environment);
    let options = Options::default();
    let request = Request { sources: &sources, main: None, environment: &environment, options };
    let result = config::load(&request, &Disk);
    say(&listing::render(&result));
    ExitCode::from(if result.is_ok() { 0 } else { USAGE })
}

/// Reads everything there is to read, or says what is wrong with it.
fn load(run: &Run, environment: &[(OsString, OsString)]) -> Result<Loaded, String> {
    let sources = sources(&run.sources, environment);
    if sources.is_empty() && run.command.is_none() {
        return Err(HOW_TO_START.to_owned());
    }
    let options = Options {
        stop_timeout: run.stop_timeout.clone(),
        stop_signals: run.stop_signals.clone(),
        log_format: run.log_format.clone(),
        log_level: run.log_level.clone(),
        log_timestamps: run.log_timestamps.clone(),
    };
    let request = Request { sources: &sources, main: run.command.clone(), environment, options };
    config::load(&request, &Disk).map_err(|problems| listing::problems(&problems))
}

/// The sources of the command line, else those of the environment, else the usual one if it is
/// there.
fn sources(given: &[PathBuf], environment: &[(OsString, OsString)]) -> Vec<PathBuf> {
    if !given.is_empty() {
        return given.to_vec();
    }
    match variable(environment, "ONIT_SOURCES") {
        Some(list) => list
            .as_bytes()
            .split(|byte| *byte == b':')
            .filter(|source| !source.is_empty())
            .map(|source| PathBuf::from(OsStr::from_bytes(source)))
            .collect(),
        None => {
            let usual = PathBuf::from(DEFAULT_SOURCE);
            if usual.is_dir() { vec![usual] } else { Vec::new() }
        }
    }
}

fn supervise(
    loaded: Loaded,
    environment: Vec<(OsString, OsString)>,
    clock: Clock,
) -> Result<u8, Errno> {
    let Loaded { plan, settings, .. } = loaded;
    let has_main = plan.nodes().iter().any(|node| node.spec.kind == Kind::Main);
    let is_bare = has_main && plan.nodes().len() == 1;
    let process = Process::prepare();
    let wanted = wanted_signals(&plan, &settings, has_main);
    let terminal = process.terminal(has_main);
    let signals = Signals::catch(&wanted)?;
    let level = if is_bare { Level::Warn } else { Level::Info };
    let console = Console::new(ConsoleSettings {
        format: settings.format,
        timestamps: settings.timestamps,
        level: settings.level.unwrap_or(level),
        colours: variable(&environment, "NO_COLOR").is_none_or(OsStr::is_empty),
    });
    console.notices().install();
    let rules = Rules {
        stop_timeout: stop_timeout(&settings, is_bare, &environment),
        stop_signals: settings.stop_signals,
        seed: process.seed(),
    };
    let mut linux = Linux::new(Parts {
        clock,
        original: process.original(signals.caught()),
        signals,
        console,
        environment,
        terminal,
        handover: if is_bare { Handover::Everything } else { Handover::Declared },
    })?;
    let mut supervisor = Supervisor::new(plan, rules);
    let code = run::run(&mut supervisor, &mut linux);
    let end = supervisor.end_of_budget().unwrap_or_default();
    linux.finish(end.since(linux.now()).max(LEAST_PATIENCE));
    Ok(code)
}

/// What the loop has to hear of: requests to stop and to reload; with a main command everything
/// that can be passed on to it; what services want to be told.
fn wanted_signals(plan: &Plan, settings: &Settings, has_main: bool) -> Vec<Signal> {
    let mut wanted =
        vec![Signal::TERM, Signal::INT, Signal::QUIT, Signal::PWR, Signal::HALT, Signal::HUP];
    wanted.extend(&settings.stop_signals);
    wanted.extend(plan.nodes().iter().flat_map(|node| node.spec.forward_signals.iter().copied()));
    if has_main {
        wanted.extend(signals::forwardable());
    }
    wanted
}

/// The shutdown budget. A main command without services has no deadline but the engine's, unless
/// one was asked for.
fn stop_timeout(
    settings: &Settings,
    is_bare: bool,
    environment: &[(OsString, OsString)],
) -> Option<Duration> {
    if settings.stop_timeout.is_some() || is_bare {
        return settings.stop_timeout;
    }
    let in_kubernetes = variable(environment, "KUBERNETES_SERVICE_HOST").is_some();
    Some(if in_kubernetes { Settings::STOP_TIMEOUT_KUBERNETES } else { Settings::STOP_TIMEOUT })
}

fn variable<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
}

/// The files of this machine.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Errno> {
        files::read(path, SERVICE_FILE_BYTES_MAX)
    }

    fn list(&self, directory: &Path) -> Result<Vec<OsString>, Errno> {
        files::list(directory)
    }
}

/// What `onit` says when there is nothing to do.
const HOW_TO_START: &str = "\
onit: nothing to run: no source or command is given, ONIT_SOURCES is not set, and there is no
/etc/onit/services

  onit -- COMMAND [ARG…]     runs one program, as PID 1 should
  onit DIRECTORY             keeps the services of a directory running
  onit --help                says more
";
