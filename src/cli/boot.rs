//! `onit run`: from the words to the loop, and `onit check`, which stops before the loop.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::args::{Check, Reading, Run};
use super::{USAGE, check as listing, complain, say};
use crate::config::{self, Files, Loaded, Options, Request};
use crate::formats::{Format, Formats, Surroundings};
use crate::limits::SERVICE_FILE_BYTES_MAX;
use crate::linux::clock::Clock;
use crate::linux::console::{Console, ConsoleSettings};
use crate::linux::last_words::FAULT;
use crate::linux::listen::{self, Handed};
use crate::linux::place::{self, Place, Unplaced};
use crate::linux::process::Process;
use crate::linux::rescan::Rescan;
use crate::linux::signals::{self, Signals};
use crate::linux::spawn::Handover;
use crate::linux::thread;
use crate::linux::trust::Trust;
use crate::linux::{Linux, Parts, files};
use crate::run::{self, Host};
use crate::service::{Argv, Errno, Failure, Kind, Level, Plan, Problem, Settings, Signal, nearest};
use crate::supervisor::{Rules, Supervisor};

/// Where services are looked for when nothing else is said.
const DEFAULT_SOURCE: &str = "/etc/onit/services";

/// The logs are drained at least this long, also where the budget is used up.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);

/// Supervises until it is over.
pub fn run(run: Run) -> u8 {
    let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    // Before anything is opened.
    let handed = listen::handed(&environment, std::process::id());
    let clock = Clock::start();
    let order = match Order::new(run, environment) {
        Ok(order) => order,
        Err(text) => {
            complain(&text);
            return USAGE;
        }
    };
    let loaded = match order.load() {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&listing::problems(&problems));
            return USAGE;
        }
    };
    match supervise(order, loaded, clock, handed) {
        Ok(code) => code,
        Err(Unable::Taken(text)) => {
            complain(&text);
            USAGE
        }
        Err(Unable::Refused(refused)) => {
            complain(&format!("onit: {refused}; nothing was started\n"));
            u8::try_from(FAULT).unwrap_or(1)
        }
    }
}

/// Why onit does not start, although its configuration is right.
enum Unable {
    /// Another onit answers on its control socket.
    Taken(String),
    /// The system refused what cannot be done without.
    Refused(Failure),
}

impl From<Failure> for Unable {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

/// What is to be run, as it was asked for: it can be read again.
struct Order {
    sources: Vec<PathBuf>,
    main: Option<Argv>,
    environment: Vec<(OsString, OsString)>,
    foreign: Formats,
    options: Options,
}

impl Order {
    fn new(run: Run, environment: Vec<(OsString, OsString)>) -> Result<Self, String> {
        let sources = sources(&run.sources, &environment);
        if sources.is_empty() && run.command.is_none() {
            return Err(HOW_TO_START.to_owned());
        }
        let foreign = formats(&run.reading, &environment)?;
        let options = Options {
            stop_timeout: run.stop_timeout,
            stop_signals: run.stop_signals,
            log_format: run.log_format,
            log_level: run.log_level,
            log_timestamps: run.log_timestamps,
            socket: run.socket,
        };
        Ok(Self { sources, main: run.command, environment, foreign, options })
    }

    /// Reads everything there is to read, or says what is wrong with it.
    fn load(&self) -> Result<Loaded, Vec<Problem>> {
        let request = Request {
            sources: &self.sources,
            foreign: &self.foreign,
            main: self.main.clone(),
            environment: &self.environment,
            is_elsewhere: false,
            options: self.options.clone(),
        };
        config::load(&request, &Disk)
    }
}

/// Prints the plan, or every problem.
pub fn check(check: &Check) -> u8 {
    signals::release();
    let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let sources = sources(&check.sources, &environment);
    let foreign = match formats(&check.reading, &environment) {
        Ok(foreign) => foreign,
        Err(text) => {
            complain(&text);
            return USAGE;
        }
    };
    let request = Request {
        sources: &sources,
        foreign: &foreign,
        main: None,
        environment: &environment,
        is_elsewhere: false,
        options: Options::default(),
    };
    let result = config::load(&request, &Disk);
    say(&listing::render(&result));
    if result.is_ok() { 0 } else { USAGE }
}

/// Who reads sources of other formats, as the command line says it, else the environment.
///
/// # Errors
/// There is no such format.
pub fn formats(reading: &Reading, environment: &[(OsString, OsString)]) -> Result<Formats, String> {
    let given = |option: &Option<OsString>, name: &str| {
        let own = option.as_deref().map(OsStr::to_string_lossy);
        let word = own.or_else(|| Some(variable(environment, name)?.to_string_lossy()));
        word.filter(|word| !word.is_empty()).map(Cow::into_owned)
    };
    let format = match given(&reading.format, "ONIT_FORMAT") {
        Some(word) => Some(format_named(&word)?),
        None => None,
    };
    let formation = given(&reading.formation, "ONIT_FORMATION");
    let text = |text: &OsString| text.to_str().map(str::to_owned);
    let environment =
        environment.iter().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
    // Without a directory to be in, what is named from there is named from the root.
    let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let surroundings = Surroundings { environment, directory, formation };
    Ok(Formats { format, surroundings })
}

fn format_named(word: &str) -> Result<Format, String> {
    Format::named(word).ok_or_else(|| {
        let names = Format::ALL.map(|(name, _)| name);
        let hint = match nearest(word, names) {
            Some(best) => format!("did you mean {best}?"),
            None => format!("there are {}", names.join(", ")),
        };
        format!("onit: there is no format {word}; {hint}\n")
    })
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
    order: Order,
    loaded: Loaded,
    clock: Clock,
    handed: Vec<Handed>,
) -> Result<u8, Unable> {
    let nodes = loaded.plan.nodes();
    let has_main = nodes.iter().any(|node| node.spec.kind == Kind::Main);
    let is_bare = has_main && nodes.len() == 1;
    let process = Process::prepare();
    process.make_room(nodes.len());
    let task = Task { order, loaded, clock, handed, process, has_main, is_bare };
    if is_bare {
        return task.run();
    }
    // There is a result unless the loop has panicked, and then nobody is there any more.
    let again = || Failure::errno("start", "the loop", Errno(libc::EAGAIN));
    thread::apart(move || task.run()).unwrap_or_else(|| Err(again().into()))
}

/// What the loop begins with.
struct Task {
    order: Order,
    loaded: Loaded,
    clock: Clock,
    handed: Vec<Handed>,
    process: Process,
    has_main: bool,
    is_bare: bool,
}

impl Task {
    fn run(self) -> Result<u8, Unable> {
        let Self { order, loaded, clock, handed, process, has_main, is_bare } = self;
        let environment = order.environment.clone();
        let Loaded { plan, settings, remarks, foreign } = loaded;
        let berth = process.berth(plan.nodes().len());
        let wanted = wanted_signals(&plan, &settings, has_main);
        let terminal = process.terminal(has_main);
        let signals = Signals::read_from_now_on(&wanted)?;
        let level = if is_bare { Level::Warn } else { Level::Info };
        let console = Console::new(ConsoleSettings {
            format: settings.format,
            timestamps: settings.timestamps,
            level: settings.level.unwrap_or(level),
            colours: variable(&environment, "NO_COLOR").is_none_or(OsStr::is_empty),
        });
        console.notices().install();
        for line in listing::formats(&foreign, &remarks) {
            log::info!("{line}");
        }
        let directories = watched(&foreign);
        let rescan = match directories.is_empty() {
            true => None,
            false => Rescan::new().map(Arc::new).map_err(|failure| log::warn!("{failure}")).ok(),
        };
        rescan.iter().for_each(|rescan| rescan.watch(&directories));
        let watching = rescan.clone();
        // What came between the reading and the watching would not be seen: it is read once more.
        let plan = match &rescan {
            Some(_) => order.load().map_or(plan, |again| again.plan),
            None => plan,
        };
        let trust = Trust::default();
        trust.look(&plan);
        // A lone main command is everybody's idea of a container: there is nothing to ask about it.
        let has_services = plan.nodes().iter().any(|node| node.spec.kind != Kind::Main);
        let place = match !has_services && settings.socket.is_none() {
            true => None,
            false => make_place(settings.socket.as_deref())?,
        };
        let stop_timeout = stop_timeout(&settings, is_bare, &environment);
        let seed = process.seed();
        let refused = |errno: nix::Error| {
            Failure::errno("open", "what the loop waits with", Errno::from(errno))
        };
        let mut linux = Linux::new(Parts {
            clock,
            original: process.original(),
            signals,
            berth,
            console,
            place,
            load: Arc::new(move || {
                let loaded = order.load();
                watching.iter().for_each(|rescan| rescan.watch(&directories));
                let loaded = loaded?;
                trust.look(&loaded.plan);
                Ok(loaded.plan)
            }),
            rescan,
            handed,
            environment,
            terminal,
            handover: if is_bare { Handover::Everything } else { Handover::Declared },
        })
        .map_err(refused)?;
        let rules = Rules {
            stop_timeout,
            stop_signals: settings.stop_signals,
            seed,
            tells_above: linux.tells_above(),
        };
        linux.expect(plan.nodes().iter().map(|node| &node.spec));
        let mut supervisor = Supervisor::new(plan, rules);
        let code = run::run(&mut supervisor, &mut linux);
        let end = supervisor.end_of_budget().unwrap_or_default();
        linux.finish(end.since(linux.now()).max(LEAST_PATIENCE));
        Ok(code)
    }
}

/// The directories in which what is new is to be found without being asked for: runsvdir does.
fn watched(foreign: &[(PathBuf, &'static str)]) -> Vec<PathBuf> {
    let is_watched = |(_, format): &&(PathBuf, &str)| *format == Format::Runit.name();
    foreign.iter().filter(is_watched).map(|(source, _)| source.clone()).collect()
}

/// Makes the control socket. Without a place for it there is none, and services are supervised all
/// the same.
fn make_place(path: Option<&Path>) -> Result<Option<Place>, Unable> {
    match place::make(path) {
        Ok(place) => Ok(Some(place)),
        Err(Unplaced::Taken { path, pid }) => {
            // One of another PID namespace has no number here.
            let who = pid.filter(|pid| *pid > 0).map(|pid| format!(" (process {pid})"));
            let who = who.unwrap_or_default();
            let path = path.display();
            Err(Unable::Taken(format!(
                "onit: another onit{who} answers at {path}; nothing was started; \
                 --socket gives this one another place\n"
            )))
        }
        Err(Unplaced::Nowhere(failure)) => {
            log::warn!("{failure}; onit status and its like will not work (see --socket)");
            Ok(None)
        }
    }
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
#[derive(Clone, Copy, Debug)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Errno> {
        files::read(path, SERVICE_FILE_BYTES_MAX)
    }

    fn list(&self, directory: &Path) -> Result<Vec<OsString>, Errno> {
        files::list(directory)
    }

    fn is_executable(&self, path: &Path) -> bool {
        files::is_executable(path)
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
