//! The validated description of a service, and of onit itself.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    Announcement, Backoff, Capability, Check, Consequence, Dependency, ExitArguments, Health,
    Leftovers, Listen, Name, Pattern, Place, Rare, Readiness, Reload, Restart, Scope, Signal, Stop,
    StopStep, SuccessCode,
};
use crate::limits::{LINE_BYTES, LOG_FILE_BYTES, LOG_FILES_KEPT};

/// A command: the program and its arguments. Not empty, free of NUL bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argv {
    /// What is executed: a path, or a name that is looked up in `PATH`.
    pub program: OsString,
    /// What follows it.
    pub arguments: Box<[OsString]>,
}

/// What kind of thing a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Kept running.
    Service,
    /// Runs once, to its end.
    Oneshot,
    /// The program given after `--`: never restarted, and its end ends the container.
    Main,
}

/// A user or a group, as the user named it. Resolved at each start, since an earlier service may
/// have created it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// By number; needs no entry anywhere.
    Number(u32),
    /// By name, looked up in `/etc/passwd` or `/etc/group`.
    Named(String),
}

/// Which of onit's own variables a service inherits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inherit {
    /// All.
    All,
    /// None.
    Nothing,
    /// Those whose name fits one of these patterns, in which `*` stands for anything.
    Patterns(Vec<Pattern>),
}

/// Where a service's environment comes from, later sources winning: onit's own variables, the
/// files in their order, the variables of the service file, the secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Which of onit's own.
    pub inherit: Inherit,
    /// Files of `KEY=value` lines, read at each start.
    pub files: Vec<PathBuf>,
    /// Set by the service file.
    pub variables: Vec<(OsString, OsString)>,
    /// Each with the file that holds its value, read at each start and never shown.
    pub secrets: Vec<(OsString, PathBuf)>,
    /// Each takes its value from the file that the variable of the same name with `_FILE` behind it
    /// names, if that is set; so do the entrypoints of many images.
    pub file_variables: Vec<OsString>,
}

/// A resource that can be limited; see getrlimit(2). `RLIMIT_LOCKS` is missing: onit marks the
/// processes of a run with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// Address space, in bytes.
    As,
    /// Core file, in bytes.
    Core,
    /// CPU time, in seconds.
    Cpu,
    /// Data segment, in bytes.
    Data,
    /// Size of a file, in bytes.
    Fsize,
    /// Locked memory, in bytes.
    Memlock,
    /// POSIX message queues, in bytes.
    Msgqueue,
    /// Nice value, as 20 minus it.
    Nice,
    /// Descriptors.
    Nofile,
    /// Processes of the user.
    Nproc,
    /// Resident set, in bytes; has no effect.
    Rss,
    /// Realtime priority.
    Rtprio,
    /// Realtime CPU time without a blocking call, in microseconds.
    Rttime,
    /// Queued signals.
    Sigpending,
    /// Stack, in bytes.
    Stack,
}

/// One limit. `u64::MAX` is "unlimited".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is limited.
    pub resource: Resource,
    /// The limit in force.
    pub soft: u64,
    /// How far the process may raise it.
    pub hard: u64,
}

/// The limits a service file sets; what it does not set is inherited.
pub type Limits = Vec<Limit>;

/// Where a stream of a service goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Line by line to onit's own stream of that kind.
    Console,
    /// Nowhere.
    Discard,
    /// The service writes to onit's own stream itself.
    Inherit,
    /// Line by line to this file, which is created and appended to.
    File(PathBuf),
    /// As it is, through a pipe that outlives both, to the standard input of this service.
    Service(Name),
}

/// The shape of the lines onit writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `web | line`.
    Text,
    /// One JSON object a line: time, service, stream, message.
    Json,
    /// The line as it came.
    Raw,
}

/// What becomes of a service's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Where standard output goes.
    pub stdout: LogTarget,
    /// Where standard error goes; none: into the same pipe as standard output.
    pub stderr: Option<LogTarget>,
    /// The shape of its lines; none: the one of [`Settings::format`].
    pub format: Option<Format>,
    /// Longest line written, in bytes, prefix and newline included.
    pub max_line: usize,
    /// How files are kept small.
    pub rotation: Rotation,
}

/// How a log file is kept small: when it is full it gets the number 1, and what had that one 2, and
/// so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The size at which it is full, in bytes; 0: never.
    pub max_size: u64,
    /// So many full ones are kept.
    pub keep: u32,
}

/// How much onit says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What went wrong for good.
    Error,
    /// What went wrong and is being dealt with.
    Warn,
    /// What happened.
    Info,
    /// Everything.
    Debug,
}

/// The commands that are run around the one of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// Run before the command, one after another, as onit's own user.
    pub before_start: Vec<Argv>,
    /// Run after the command has ended, one after another, as onit's own user.
    pub after_exit: Vec<Argv>,
    /// What those are told in their arguments.
    pub after_exit_arguments: ExitArguments,
    /// How long each of them may take.
    pub after_exit_timeout: Duration,
}

/// What the processes of a service are beside their program: mostly what onit is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Working directory; none: onit's own.
    pub directory: Option<PathBuf>,
    /// As whom it runs; none: onit's own user.
    pub user: Option<Who>,
    /// Its group; none: the user's.
    pub group: Option<Who>,
    /// Further groups; none: those `/etc/group` gives the user, or with an explicit `group` none.
    pub groups: Option<Vec<Who>>,
    /// File mode mask; none: onit's own.
    pub umask: Option<u32>,
    /// Nice value; none: onit's own.
    pub nice: Option<i32>,
    /// How soon the kernel kills it when memory is short, -1000 to 1000; none: as onit itself.
    pub oom_score_adj: Option<i32>,
    /// The capabilities it keeps, and no other; none: those it has anyway.
    pub capabilities: Option<Vec<Capability>>,
    /// Whether nothing it executes may gain privileges; see PR_SET_NO_NEW_PRIVS in prctl(2).
    pub no_new_privileges: bool,
    /// What it has for its root directory; none: onit's own.
    pub root: Option<PathBuf>,
    /// Limits; those not named are inherited.
    pub limits: Limits,
    /// Whether it is the first process of a PID namespace of its own; see pid_namespaces(7).
    pub pid_namespace: bool,
}

/// The validated description of one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// What it is called.
    pub name: Name,
    /// The name of its file, if it is one of several instances.
    pub family: Option<Name>,
    /// Where it was described; none for the main command.
    pub place: Option<Place>,
    /// What it is, in the user's words; may be empty.
    pub description: String,
    /// What kind of thing it is.
    pub kind: Kind,
    /// Whether it is started without being asked for. Otherwise it is only when somebody asks, or
    /// when one that is started needs it.
    pub autostart: bool,
    /// What is run.
    pub command: Argv,
    /// What must have been reached before it is started.
    pub depends_on: Vec<Dependency>,
    /// Services whose fate must be known before it is started.
    pub after: Vec<Name>,
    /// Services with which it is restarted. It is started after them, as with `after`.
    pub restart_with: Rare<Vec<Name>>,
    /// When it is ready; none: as soon as its command is executed.
    pub ready: Option<Box<Readiness>>,
    /// How it is kept well; none: nobody looks.
    pub health: Option<Box<Health>>,
    /// How it is told to read its configuration again; none: it cannot be.
    pub reload: Option<Box<Reload>>,
    /// Sockets that are bound for it.
    pub listen: Rare<Vec<Listen>>,
    /// Whether it is started again.
    pub restart: Restart,
    /// Which ends count as success.
    pub success_codes: Rare<Vec<SuccessCode>>,
    /// What its successful end for good means.
    pub on_success: Consequence,
    /// What its failure for good means.
    pub on_failure: Consequence,
    /// How long to wait before it is started again.
    pub backoff: Rare<Backoff>,
    /// How it is stopped.
    pub stop: Rare<Stop>,
    /// The commands around it.
    pub hooks: Rare<Hooks>,
    /// What its processes are.
    pub attributes: Rare<Attributes>,
    /// Its environment.
    pub environment: Rare<Environment>,
    /// What becomes of its output.
    pub log: Rare<Log>,
    /// Whether what other services write comes in on its standard input.
    pub is_consumer: bool,
    /// How long a oneshot may take; none: as long as it likes.
    pub timeout: Option<Duration>,
    /// Kept as runit's `supervise/` of the service; none: nothing is.
    pub supervise: Option<Box<Path>>,
    /// Signals to onit that are passed on to it.
    pub forward_signals: Rare<Vec<Signal>>,
}

/// What is set for onit itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The whole time a shutdown may take. None: unset, see [`Settings::STOP_TIMEOUT`].
    pub stop_timeout: Option<Duration>,
    /// Signals that ask for an orderly stop, besides TERM, INT, QUIT, PWR and 37.
    pub stop_signals: Vec<Signal>,
    /// The shape of the lines onit writes.
    pub format: Format,
    /// Whether `text` lines begin with the time.
    pub timestamps: bool,
    /// How much onit says about itself; none: info with services, warn without.
    pub level: Option<Level>,
    /// Where the control socket is; none: the usual places.
    pub socket: Option<PathBuf>,
}

impl Settings {
    /// The default shutdown budget: under Docker's 10 s.
    pub const STOP_TIMEOUT: Duration = Duration::from_secs(9);
    /// The default under Kubernetes, whose grace period is 30 s.
    pub const STOP_TIMEOUT_KUBERNETES: Duration = Duration::from_secs(29);
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stop_timeout: None,
            stop_signals: Vec::new(),
            format: Format::Text,
            timestamps: false,
            level: None,
            socket: None,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            stdout: LogTarget::Console,
            stderr: Some(LogTarget::Console),
            format: None,
            max_line: LINE_BYTES,
            rotation: Rotation::default(),
        }
    }
}

impl Hooks {
    /// Time an `after_exit` command may take where nothing else is said; s6 gives its `finish` the
    /// same.
    pub const AFTER_EXIT_TIMEOUT: Duration = Duration::from_secs(5);
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            before_start: Vec::new(),
            after_exit: Vec::new(),
            after_exit_arguments: ExitArguments::None,
            after_exit_timeout: Self::AFTER_EXIT_TIMEOUT,
        }
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            inherit: Inherit::All,
            files: Vec::new(),
            variables: Vec::new(),
            secrets: Vec::new(),
            file_variables: Vec::new(),
        }
    }
}

impl Spec {
    /// A service with nothing set but its name and command.
    #[must_use]
    pub fn new(name: Name, command: Argv) -> Self {
        Self {
            name,
            family: None,
            place: None,
            description: String::new(),
            kind: Kind::Service,
            autostart: true,
            command,
            depends_on: Vec::new(),
            after: Vec::new(),
            restart_with: Rare::default(),
            ready: None,
            health: None,
            reload: None,
            listen: Rare::default(),
            restart: Restart::Always,
            success_codes: Rare::default(),
            on_success: Consequence::Continue,
            on_failure: Consequence::Shutdown,
            backoff: Rare::default(),
            stop: Rare::default(),
            hooks: Rare::default(),
            attributes: Rare::default(),
            environment: Rare::default(),
            log: Rare::default(),
            is_consumer: false,
            timeout: None,
            supervise: None,
            forward_signals: Rare::default(),
        }
    }

    /// What it and its other instances are called together.
    #[must_use]
    pub fn family(&self) -> &Name {
        self.family.as_ref().unwrap_or(&self.name)
    }

    /// Everyone it waits for before it starts.
    pub fn waits_for(&self) -> impl Iterator<Item = &Name> {
        let needs = self.depends_on.iter().map(|dependency| &dependency.name);
        needs.chain(&self.after).chain(&*self.restart_with)
    }

    /// Whether its command is given a socket for what it has to say; see sd_notify(3).
    #[must_use]
    pub fn notifies(&self) -> bool {
        let announces = |ready: &Readiness| ready.announcement == Some(Announcement::Notify);
        let is_watched = |health: &Health| matches!(health.check, Check::Watchdog(_));
        self.ready.as_deref().is_some_and(announces)
            || self.health.as_deref().is_some_and(is_watched)
            || self.reload.as_ref().is_some_and(|reload| reload.notify)
    }

    /// Whether a process of it would be the same under `other`: they may differ in where they are
    /// described, in which words, and in who starts them.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let place = |spec: &Self| Self {
            place: None,
            description: String::new(),
            autostart: true,
            ..spec.clone()
        };
        place(self) == place(other)
    }

    /// Shares with `other` the parts that say the same: what is set for all services, or for all
    /// instances of one, is there once.
    pub fn share(&mut self, other: &Self) {
        self.success_codes.share(&other.success_codes);
        self.backoff.share(&other.backoff);
        self.stop.share(&other.stop);
        self.hooks.share(&other.hooks);
        self.attributes.share(&other.attributes);
        self.environment.share(&other.environment);
        self.log.share(&other.log);
    }

    /// The main command: never restarted, its streams are onit's own, and its end ends the
    /// container.
    #[must_use]
    pub fn main(command: Argv) -> Self {
        Self {
            kind: Kind::Main,
            restart: Restart::Never,
            on_success: Consequence::Shutdown,
            on_failure: Consequence::Shutdown,
            log: Log {
                stdout: LogTarget::Inherit,
                stderr: Some(LogTarget::Inherit),
                ..Log::default()
            }
            .into(),
            stop: Stop {
                steps: vec![StopStep { signal: Signal::TERM, wait: Stop::default().timeout }],
                scope: Scope::Process,
                leftovers: Leftovers::Kill,
                ..Stop::default()
            }
            .into(),
            ..Self::new(Name::main(), command)
        }
    }
}

impl Default for Rotation {
    fn default() -> Self {
        Self { max_size: LOG_FILE_BYTES, keep: LOG_FILES_KEPT }
    }
}

impl LogTarget {
    /// Whether what goes there passes through onit.
    #[must_use]
    pub fn is_relayed(&self) -> bool {
        match self {
            Self::Console | Self::File(_) => true,
            Self::Discard | Self::Inherit | Self::Service(_) => false,
        }
    }
}

impl Log {
    /// The services that read what it writes.
    pub fn consumers(&self) -> impl Iterator<Item = &Name> {
        std::iter::once(&self.stdout).chain(&self.stderr).filter_map(|target| match target {
            LogTarget::Service(name) => Some(name),
            LogTarget::Console | LogTarget::Discard | LogTarget::Inherit | LogTarget::File(_) => {
                None
            }
        })
    }
}

impl Argv {
    /// A program and its arguments.
    #[must_use]
    pub fn new<T: Into<OsString>>(program: impl Into<OsString>, arguments: Vec<T>) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { program: program.into(), arguments }
    }

    /// The program and its arguments, in order.
    pub fn words(&self) -> impl Iterator<Item = &OsString> {
        std::iter::once(&self.program).chain(&self.arguments)
    }
}

impl Resource {
    /// Every resource with its name in a service file.
    pub const ALL: [(&'static str, Self); 15] = [
        ("as", Self::As),
        ("core", Self::Core),
        ("cpu", Self::Cpu),
        ("data", Self::Data),
        ("fsize", Self::Fsize),
        ("memlock", Self::Memlock),
        ("msgqueue", Self::Msgqueue),
        ("nice", Self::Nice),
        ("nofile", Self::Nofile),
        ("nproc", Self::Nproc),
        ("rss", Self::Rss),
        ("rtprio", Self::Rtprio),
        ("rttime", Self::Rttime),
        ("sigpending", Self::Sigpending),
        ("stack", Self::Stack),
    ];

    /// Whether it is counted in bytes.
    #[must_use]
    pub fn is_size(self) -> bool {
        match self {
            Self::As
            | Self::Core
            | Self::Data
            | Self::Fsize
            | Self::Memlock
            | Self::Msgqueue
            | Self::Rss
            | Self::Stack => true,
            Self::Cpu
            | Self::Nice
            | Self::Nofile
            | Self::Nproc
            | Self::Rtprio
            | Self::Rttime
            | Self::Sigpending => false,
        }
    }

    /// Its name in a service file.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, resource)| *resource == self).map_or("", |(name, _)| name)
    }
}
