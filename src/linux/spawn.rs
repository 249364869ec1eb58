//! Starting a process: the only way to start one. Decides what the child becomes, prepares all of
//! it, forks, and words what went wrong. What is done between fork and exec is in `child`.
//!
//! It is fork, not vfork or posix_spawn(3): these hold the parent until the exec is done, and an
//! exec from a volume that hangs would stop PID 1. The outcome comes back through a pipe that the
//! exec closes. What the child needs lies on a `pad`, and nothing else goes along with it but what
//! the C library needs; where there are many descriptors it leaves them from a `berth`.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::c_char;
use nix::sys::resource::{Resource as System, getrlimit};
use nix::sys::signal::{self, SigSet, SigmaskHow, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Pid, Uid, getpid, pipe2, setpgid};

use super::berth::{Berth, Left};
use super::child::{
    self, Descriptors, NONE, Orders, REPORT_BYTES, Report, SIGSET_BYTES, Session, Stdin, Step,
};
use super::console::Streams;
use super::environment::{self, DEFAULT_PATH, Sources};
use super::heap::keep_heap_out;
use super::pad::{Pad, Unfit};
use super::terminal::{self, Terminal};
use super::users::{Database, Identity, Own, Request};
use crate::limits::{PATH_DIRECTORIES_MAX, READY_PROBE_TIME_MAX};
use crate::service::{
    Argv, Attributes, Capability, Check, Errno, Exit, ExitArguments, Failure, Kind, Limit, Probe,
    Purpose, ReloadBy, Resource, Role, RunId, Signal, Spec, Who,
};

/// What is to be started.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The service.
    pub spec: &'a Spec,
    /// The name of the run; its processes are marked with it.
    pub run: RunId,
    /// Which of the service's commands.
    pub role: Role,
    /// What it reads, if that is not `/dev/null` or, for the main command, onit's own.
    pub input: Option<RawFd>,
    /// Where it writes.
    pub streams: Streams,
    /// onit's own variables.
    pub environment: &'a [(OsString, OsString)],
    /// For a stop or reload command: whom it is about, `ONIT_MAIN_PID`. For an `after_exit`
    /// command: who it was, and so what process group.
    pub main_pid: Option<i32>,
    /// The notify socket of the run, if it has one: `NOTIFY_SOCKET`.
    pub notify: Option<&'a Path>,
    /// Its sockets, with their names: from descriptor 3 on, `LISTEN_FDS`.
    pub sockets: &'a [(RawFd, &'a str)],
    /// Where it writes a newline when it is ready, and as which descriptor it has that.
    pub newline: Option<(RawFd, RawFd)>,
    /// What the service's command has to do with the terminal. Its other commands: nothing.
    pub terminal: Terminal,
    /// What the service's command has of onit's own. Its other commands: [`Handover::Declared`].
    pub handover: Handover,
    /// How onit found the world.
    pub original: &'a Original,
    /// Where children leave our descriptors from, if these may be many.
    pub berth: Option<&'a Berth>,
}

/// What a process has of onit's own descriptors and variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// What is declared.
    Declared,
    /// Everything, as an exec would have left it; for the main command when there is nothing else.
    /// What onit opened itself has to be close-on-exec.
    Everything,
}

/// How onit found the world before it changed anything; children get it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// The limit of descriptors, soft and hard.
    pub nofile: (u64, u64),
    /// The signals that were found ignored, and those that onit catches. (onit ignores
    /// SIGPIPE; that one is always reset.)
    pub signals: Vec<Signal>,
}

/// A process that was forked. Whether its command could be executed is yet to be read.
#[derive(Debug)]
pub struct Started {
    /// Its process id.
    pub pid: Pid,
    /// Where [`read_exec`] finds the outcome; non-blocking. It becomes readable when there is one.
    pub exec: OwnedFd,
    /// What is being tried, for [`read_exec`] to word a failure.
    pub attempt: Attempt,
}

/// What a child is trying: the words for each of its steps.
#[derive(Clone, Debug)]
pub struct Attempt {
    program: String,
    candidates: Vec<CString>,
    /// The `PATH` in which the program is looked for.
    path: Option<OsString>,
    directory: Option<String>,
    identity: (&'static str, String),
    nice: i32,
    limits: Vec<Limit>,
    oom_score: String,
    root: String,
    capabilities: String,
}

/// What became of the exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecResult {
    /// Nothing yet.
    Pending,
    /// The command runs, or something ended it since.
    Executed,
    /// It could not be executed. The child is about to exit and has to be reaped.
    Failed(Failure),
}

/// The mark of run 0: far above any limit somebody might have set, far below "unlimited".
pub(super) const MARK: u64 = 1 << 40;

/// The soft `RLIMIT_LOCKS` that the processes of `run` bear: a limit the kernel has not enforced
/// since 2.4, see getrlimit(2), but still hands down with every fork and exec.
#[must_use]
pub fn mark(run: RunId) -> u64 {
    MARK.saturating_add(run.0)
}

/// Forks a child that executes what `order` says.
///
/// # Errors
/// What is known to be wrong before there is a child, or that there cannot be one. What the child
/// finds out is told by [`read_exec`].
pub fn spawn(order: &Order<'_>) -> Result<Started, Failure> {
    start(order, Descriptors::Close)
}

/// `close` is how what is not handed over is closed.
fn start(order: &Order<'_>, close: Descriptors) -> Result<Started, Failure> {
    let spec = order.spec;
    let attributes = &*spec.attributes;
    let command = command(spec, order.role)?;
    let argv = command.argv();
    // A probe of the user's stands where the service stands. The other commands of a service
    // prepare or clean up for it, as whoever onit is.
    let as_service = match (&command, order.role) {
        (_, Role::Main) | (Command::Theirs(_), Role::Probe { .. }) => true,
        (Command::Ours(_), _)
        | (
            _,
            Role::BeforeStart { .. }
            | Role::Reload { .. }
            | Role::StopCommand { .. }
            | Role::AfterExit { .. },
        ) => false,
    };
    let identity = if as_service { identity(spec)? } else { None };
    let handover = if as_service { order.handover } else { Handover::Declared };
    let variables = match &command {
        Command::Theirs(_) => variables(order, handover, identity.as_ref())?,
        // It has been told everything in its arguments.
        Command::Ours(_) => Vec::new(),
    };
    let listen_pid = own_listen_pid(order, &variables, handover);
    let (candidates, path) = match &command {
        Command::Theirs(argv) => candidates(&argv.program, &variables)?,
        Command::Ours(_) => (vec![OWN_PROGRAM.to_owned()], None),
    };
    let cannot_start =
        |errno: nix::Error| Failure::errno("start a process for", spec.name.as_str(), errno.into());
    let pad = Pad::new().map_err(cannot_start)?;
    let sheet = Sheet { pad: &pad, object: &argv.program };
    let exit_arguments = exit_arguments(order);
    let words = argv.words().map(|word| word.as_bytes());
    let words = words.chain(exit_arguments.iter().map(Vec::as_slice));
    let words = sheet.pointers(words.map(|word| sheet.text(&[word])))?;
    let variables = sheet.pointers(
        variables
            .iter()
            .map(|(name, value)| sheet.text(&[name.as_bytes(), b"=", value.as_bytes()])),
    )?;
    let tried = candidates.iter().map(|path| sheet.text(&[path.to_bytes()]));
    let tried: Vec<&CStr> = tried.collect::<Result<_, _>>()?;
    let directory = attributes.directory.as_deref().filter(|path| !path.as_os_str().is_empty());
    let directory_text = directory.map(|path| sheet.path(path)).transpose()?;
    let root = attributes.root.as_deref().map(|path| sheet.path(path)).transpose()?;
    // The working directory has to lie inside of it.
    let directory_text = match (root, directory_text) {
        (Some(_), None) if as_service => Some(c"/"),
        (_, text) => text,
    };
    let oom_score_adj = attributes.oom_score_adj.map(|score| score.to_string().into_bytes());
    let capabilities = attributes
        .capabilities
        .as_ref()
        .map(|kept| kept.iter().fold(0u64, |bits, capability| bits | (1 << capability.number())));
    let limits: &[Limit] = if as_service { &attributes.limits } else { &[] };
    let system_limits: Vec<_> =
        limits.iter().map(|limit| (system(limit.resource), limit.soft, limit.hard)).collect();
    let attempted_limits = attempted_limits(order, limits);
    let groups: Option<Vec<Gid>> = identity
        .as_ref()
        .and_then(|identity| identity.groups.as_ref())
        .map(|groups| groups.iter().map(|gid| Gid::from_raw(*gid)).collect());
    let signals: Vec<i32> =
        order.original.signals.iter().chain(&[Signal::PIPE]).map(|s| s.number()).collect();
    let terminal = if as_service { order.terminal } else { Terminal::None };
    let foreground = match terminal {
        Terminal::Share { foreground: true } => terminal::controlling(),
        Terminal::None | Terminal::Own | Terminal::Share { foreground: false } => None,
    };
    let session = match terminal {
        Terminal::None => Session::Own,
        Terminal::Own => Session::OwnWithTerminal,
        Terminal::Share { .. } => {
            Session::Shared { terminal: foreground.as_ref().map(AsRawFd::as_raw_fd) }
        }
    };
    let (exec, report) = pipe2(OFlag::O_CLOEXEC).map_err(cannot_start)?;
    // Ours only: the child writes at most once, into an empty pipe.
    fcntl(&exec, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(cannot_start)?;
    let sockets = order.sockets.iter().zip(3..).map(|((socket, _), target)| (*socket, target));
    let handed: Vec<(RawFd, RawFd)> = match order.role {
        Role::Main => sockets.chain(order.newline).collect(),
        Role::BeforeStart { .. }
        | Role::Probe { .. }
        | Role::Reload { .. }
        | Role::StopCommand { .. }
        | Role::AfterExit { .. } => Vec::new(),
    };
    let orders = sheet.keep(Orders {
        handed: sheet.place(&handed)?,
        session,
        stdin: match (order.input, order.role, spec.kind) {
            (Some(input), _, _) => Stdin::Given(input),
            (None, Role::Main, Kind::Main) => Stdin::Inherited,
            (None, _, _) => Stdin::Nothing,
        },
        stdout: order.streams.stdout,
        stderr: order.streams.stderr,
        descriptors: match handover {
            Handover::Declared => close,
            Handover::Everything => Descriptors::Keep,
        },
        umask: attributes.umask.filter(|_| as_service).map(Mode::from_bits_truncate),
        nice: attributes.nice.filter(|_| as_service),
        oom_score_adj: match oom_score_adj.filter(|_| as_service) {
            Some(score) => Some(sheet.place(&score)?),
            None => None,
        },
        root: root.filter(|_| as_service),
        capabilities: capabilities.filter(|_| as_service),
        no_new_privileges: as_service && attributes.no_new_privileges,
        limits: sheet.place(&system_limits)?,
        attempted_limits: sheet.place(&attempted_limits)?,
        groups: match groups {
            Some(groups) => Some(sheet.place(&groups)?),
            None => None,
        },
        gid: identity.as_ref().map(|identity| Gid::from_raw(identity.gid)),
        uid: identity.as_ref().and_then(|identity| identity.uid).map(Uid::from_raw),
        directory: directory_text,
        signals: sheet.place(&signals)?,
        candidates: sheet.place(&tried)?,
        argv: words,
        envp: variables,
        listen_pid,
        report: report.as_raw_fd(),
        leaves_from: None,
    })?;
    let own_namespace = attributes.pid_namespace && order.role == Role::Main;
    let flags = if own_namespace { libc::CLONE_NEWPID } else { 0 };
    // With everything handed over there is nothing to leave behind.
    let berth = order.berth.filter(|it| handover == Handover::Declared && it.is_usable());
    let pid = match &command {
        Command::Theirs(_) => match berth {
            None => fork_child(&pad, orders, flags),
            Some(berth) => match fork_from_berth(&pad, orders, flags, berth, &exec).transpose() {
                Some(pid) => pid,
                // Once more, with all there is to copy and another pipe.
                None => return start(&Order { berth: None, ..*order }, close),
            },
        },
        Command::Ours(_) => borrow_child(&pad, orders).or_else(|_| fork_child(&pad, orders, 0)),
    };
    let pid = pid.map_err(|errno| match own_namespace {
        true => Failure::errno("make a PID namespace for", spec.name.as_str(), errno.into()),
        false => cannot_start(errno),
    })?;
    if let Terminal::Share { .. } = terminal {
        // The child does the same; whoever is first. After the exec it is refused and was done.
        let _ = setpgid(pid, pid);
    }
    let attempt = Attempt {
        program: argv.program.to_string_lossy().into_owned(),
        candidates,
        path,
        directory: directory.map(|path| path.display().to_string()),
        identity: identity_words(spec),
        nice: attributes.nice.unwrap_or_default(),
        limits: limits.to_vec(),
        oom_score: attributes
            .oom_score_adj
            .map(|it| format!("oom_score_adj to {it}"))
            .unwrap_or_default(),
        root: attributes.root.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
        capabilities: capability_words(spec),
    };
    Ok(Started { pid, exec, attempt })
}

/// Reads from [`Started::exec`] what became of it. Never blocks. Ask this before an exit of the
/// child is believed: a child that could not execute its command exits too.
#[must_use]
pub fn read_exec(pipe: BorrowedFd<'_>, attempt: &Attempt) -> ExecResult {
    let mut bytes = [0; REPORT_BYTES];
    match nix::unistd::read(pipe, &mut bytes) {
        Ok(0) => ExecResult::Executed,
        Err(nix::Error::EAGAIN | nix::Error::EINTR) => ExecResult::Pending,
        Ok(REPORT_BYTES) => match Report::from_bytes(&bytes) {
            Some(report) => ExecResult::Failed(attempt.failure(&report)),
            None => ExecResult::Failed(attempt.garbled()),
        },
        // A pipe hands over a text of this size as a whole; see pipe(7).
        Ok(_) | Err(_) => ExecResult::Failed(attempt.garbled()),
    }
}

impl Original {
    /// What there is now: to be asked before anything is changed. To the signals that are ignored
    /// those have to be added that onit will ignore.
    #[must_use]
    pub fn now() -> Self {
        let nofile = getrlimit(System::RLIMIT_NOFILE).unwrap_or((1024, 4096));
        let signals = (1..=64).filter(|number| is_ignored(*number)).filter_map(Signal::from_number);
        Self { nofile, signals: signals.collect() }
    }
}

fn is_ignored(signal: i32) -> bool {
    // The kernel's own call, because a libc does not tell of the signals it keeps for itself. The
    // handler is the first word of its structure, which is shorter than this.
    let mut action = [0usize; 8];
    let none = ptr::null::<usize>();
    // SAFETY: `action` is larger than the kernel's structure; no new value is set.
    let result = unsafe {
        libc::syscall(libc::SYS_rt_sigaction, signal, none, action.as_mut_ptr(), SIGSET_BYTES)
    };
    result == 0 && action.first() == Some(&libc::SIG_IGN)
}

/// Forks with all signals blocked: one that came to the child before it has reset its dispositions
/// would be lost where onit ignores it. `flags` are those of clone(2) beyond what makes it a fork.
/// `orders` lie on `pad`, as all that they name.
///
/// The child has a stack of its own there, and of the libc's wrapper nothing but the call: what a
/// libc does around its fork is for a child that goes on to use it, and part of what that would
/// tidy up is kept out of ours.
fn fork_child(pad: &Pad, orders: &mut Orders<'_>, flags: i32) -> Result<Pid, nix::Error> {
    extern "C" fn start(orders: *mut libc::c_void) -> libc::c_int {
        // SAFETY: these are the orders below: the child's own copy, or whoever owns them waits.
        child::run(unsafe { &mut *orders.cast::<Orders<'_>>() })
    }
    let stack = pad.stack().map_err(|_| nix::Error::ENOMEM)?;
    let orders = ptr::from_mut(orders).cast();
    let flags = flags | libc::SIGCHLD;
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    keep_heap_out();
    // SAFETY: the child has a stack and, but for `borrow_child`, memory of its own, and does
    // nothing that is not safe in the copy of one thread of several; see `child`.
    let pid = unsafe { libc::clone(start, stack.as_ptr().cast(), flags, orders) };
    let pid = nix::Error::result(pid).map(Pid::from_raw);
    let _ = mask.thread_set_mask();
    pid
}

/// Starts a child in our own memory and waits until it has executed, as vfork(2) does: nothing is
/// copied. Only for onit itself: an exec from a volume that hangs would stop PID 1, but if the
/// volume that onit is on hangs, so does PID 1. What else the child touches nobody else does
/// meanwhile: this thread waits, see CLONE_VFORK in clone(2), and others do not know of `orders`.
fn borrow_child(pad: &Pad, orders: &mut Orders<'_>) -> Result<Pid, nix::Error> {
    fork_child(pad, orders, libc::CLONE_VM | libc::CLONE_VFORK)
}

/// The same with a child that has our descriptors until it leaves from `berth`; none if it cannot.
fn fork_from_berth(
    pad: &Pad,
    orders: &mut Orders<'_>,
    flags: i32,
    berth: &Berth,
    exec: &OwnedFd,
) -> Result<Option<Pid>, nix::Error> {
    if !berth.fill(orders) {
        return Ok(None);
    }
    // A signal is not to end the waiting.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let pid = fork_child(pad, orders, flags | libc::CLONE_FILES);
    let left = pid.map(|pid| (pid, berth.wait(exec)));
    if let Ok((pid, Left::Silent)) = left {
        // It must not leave with what comes into the berth next. Reaped like any orphan.
        let _ = kill(pid, signal::SIGKILL);
    }
    berth.clear();
    let _ = mask.thread_set_mask();
    match left? {
        (pid, Left::Yes) => Ok(Some(pid)),
        (_, Left::Refused | Left::Silent) => Ok(None),
    }
}

/// The user that a service becomes, if it becomes one.
///
/// # Errors
/// There is no such user.
pub fn owner(spec: &Spec) -> Result<Option<u32>, Failure> {
    Ok(identity(spec)?.and_then(|identity| identity.uid))
}

/// Whether a role is done by onit itself, in a process of its own.
#[must_use]
pub fn is_ours(spec: &Spec, role: Role) -> bool {
    let Role::Probe { purpose, .. } = role else { return false };
    match probe(spec, purpose) {
        Some((Probe::Tcp(_) | Probe::Unix(_) | Probe::Http(_) | Probe::File(_), _)) => true,
        Some((Probe::Exec(_), _)) | None => false,
    }
}

/// What a role runs.
enum Command<'a> {
    /// Something of the service file.
    Theirs(&'a Argv),
    /// onit itself, whatever it is called and even if it is there no more; see proc_pid_exe(5).
    Ours(Argv),
}

impl Command<'_> {
    fn argv(&self) -> &Argv {
        match self {
            Self::Theirs(argv) => argv,
            Self::Ours(argv) => argv,
        }
    }
}

/// onit itself.
const OWN_PROGRAM: &CStr = c"/proc/self/exe";

fn command(spec: &Spec, role: Role) -> Result<Command<'_>, Failure> {
    let argv = match role {
        Role::Main => Some(&spec.command),
        Role::BeforeStart { index } => spec.hooks.before_start.get(index),
        Role::Probe { purpose, .. } => match probe(spec, purpose) {
            Some((Probe::Exec(argv), _)) => Some(argv),
            Some((probe, time)) => return Ok(Command::Ours(own_probe(probe, time))),
            None => None,
        },
        Role::Reload { .. } => match spec.reload.as_ref().map(|reload| &reload.by) {
            Some(ReloadBy::Command(argv)) => Some(argv),
            Some(ReloadBy::Signal(_)) | None => None,
        },
        Role::StopCommand { .. } => spec.stop.command.as_ref(),
        Role::AfterExit { index, .. } => spec.hooks.after_exit.get(index),
    };
    let none = || Failure::known("run", role.to_string(), "the service has no such command");
    argv.map(Command::Theirs).ok_or_else(none)
}

/// How it is found out, and how long that may take.
fn probe(spec: &Spec, purpose: Purpose) -> Option<(&Probe, Duration)> {
    match purpose {
        Purpose::Ready => Some((spec.ready.as_ref()?.probe.as_ref()?, READY_PROBE_TIME_MAX)),
        Purpose::Health => match &spec.health.as_ref()?.check {
            Check::Probe { probe, timeout, .. } => Some((probe, *timeout)),
            Check::Watchdog(_) => None,
        },
    }
}

fn own_probe(probe: &Probe, time: Duration) -> Argv {
    let words = ["probe".into(), "--timeout".into(), format!("{}ms", time.as_millis()).into()];
    let words: Vec<OsString> =
        words.into_iter().chain(probe.words().into_iter().flatten()).collect();
    Argv::new("onit", words)
}

fn identity(spec: &Spec) -> Result<Option<Identity>, Failure> {
    let Attributes { user, group, groups, .. } = &*spec.attributes;
    let request = Request { user: user.as_ref(), group: group.as_ref(), groups: groups.as_deref() };
    if request.user.is_none() && request.group.is_none() && request.groups.is_none() {
        return Ok(None);
    }
    Database::read().resolve(request, &Own::now())
}

fn capability_words(spec: &Spec) -> String {
    let kept = spec.attributes.capabilities.iter().flatten();
    kept.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The name of a capability by its number.
fn capability(number: u32) -> String {
    let names = Capability::names();
    let name = usize::try_from(number).ok().and_then(|number| names.get(number));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

fn identity_words(spec: &Spec) -> (&'static str, String) {
    let text = |who: &Who| match who {
        Who::Number(number) => number.to_string(),
        Who::Named(name) => name.clone(),
    };
    let Attributes { user, group, groups, .. } = &*spec.attributes;
    match (user, group, groups) {
        (Some(user), _, _) => ("become user", text(user)),
        (None, Some(group), _) => ("join group", text(group)),
        (None, None, groups) => {
            let texts: Vec<String> = groups.iter().flatten().map(text).collect();
            ("join groups", texts.join(", "))
        }
    }
}

fn variables(
    order: &Order<'_>,
    handover: Handover,
    identity: Option<&Identity>,
) -> Result<Vec<(OsString, OsString)>, Failure> {
    match handover {
        Handover::Everything => Ok(order.environment.to_vec()),
        Handover::Declared => environment::build(Sources {
            own: order.environment,
            environment: &order.spec.environment,
            account: identity.and_then(|identity| identity.account.as_ref()),
            told: &told(order),
        })
        .map(|variables| variables.into_iter().collect()),
    }
}

/// What onit tells the commands of its own making. Of code and signal one is always empty, never
/// unset, so that a script under `set -u` can ask for either.
fn told(order: &Order<'_>) -> Vec<(&'static str, OsString)> {
    let service = ("ONIT_SERVICE", order.spec.name.as_str().into());
    match order.role {
        Role::Main => {
            let socket = order.notify.map(|path| ("NOTIFY_SOCKET", path.into()));
            let check = order.spec.health.as_ref().map(|health| &health.check);
            let watchdog = match check {
                Some(Check::Watchdog(every)) => {
                    Some(("WATCHDOG_USEC", every.as_micros().to_string().into()))
                }
                Some(Check::Probe { .. }) | None => None,
            };
            socket.into_iter().chain(watchdog).chain(told_of_sockets(order)).collect()
        }
        Role::BeforeStart { .. } | Role::Probe { .. } => vec![service],
        Role::Reload { .. } | Role::StopCommand { .. } => {
            let pid = order.main_pid.map(|pid| pid.to_string()).unwrap_or_default();
            vec![service, ("ONIT_MAIN_PID", pid.into())]
        }
        Role::AfterExit { exit, .. } => {
            let (code, signal) = match exit {
                Exit::Code(code) => (code.to_string(), String::new()),
                Exit::Signal(signal) => (String::new(), signal.to_string()),
                Exit::OutOfMemory => (String::new(), Signal::KILL.to_string()),
            };
            vec![service, ("ONIT_EXIT_CODE", code.into()), ("ONIT_EXIT_SIGNAL", signal.into())]
        }
    }
}

/// What an `after_exit` command is told in its arguments.
fn exit_arguments(order: &Order<'_>) -> Vec<Vec<u8>> {
    let Role::AfterExit { exit, .. } = order.role else { return Vec::new() };
    let (code, signal) = match exit {
        Exit::Code(code) => (Some(code), 0),
        Exit::Signal(signal) => (None, signal.number()),
        Exit::OutOfMemory => (None, Signal::KILL.number()),
    };
    let code = |otherwise: &str| code.map_or(otherwise.to_owned(), |code| code.to_string());
    match order.spec.hooks.after_exit_arguments {
        ExitArguments::None => Vec::new(),
        ExitArguments::Runit => vec![code("-1").into(), signal.to_string().into()],
        ExitArguments::S6 => {
            let (name, group) = (order.spec.name.as_str().into(), order.main_pid.unwrap_or(0));
            vec![code("256").into(), signal.to_string().into(), name, group.to_string().into()]
        }
    }
}

/// See sd_listen_fds(3). The child puts its own number in for `LISTEN_PID`.
fn told_of_sockets(order: &Order<'_>) -> Vec<(&'static str, OsString)> {
    if order.sockets.is_empty() {
        return Vec::new();
    }
    let names: Vec<&str> = order.sockets.iter().map(|(_, name)| *name).collect();
    vec![
        ("LISTEN_FDS", order.sockets.len().to_string().into()),
        ("LISTEN_FDNAMES", names.join(":").into()),
        ("LISTEN_PID", "0".into()),
    ]
}

/// Where `LISTEN_PID` stands if it names us: the sockets are handed on, so the child must find its
/// own pid there; see sd_listen_fds(3).
fn own_listen_pid(
    order: &Order<'_>,
    variables: &[(OsString, OsString)],
    handover: Handover,
) -> Option<usize> {
    let own = OsString::from(getpid().to_string());
    let hands_on = |value: &OsString| match handover {
        Handover::Everything => *value == own,
        Handover::Declared => order.role == Role::Main && !order.sockets.is_empty(),
    };
    variables.iter().position(|(name, value)| name == "LISTEN_PID" && hands_on(value))
}

/// The paths to try for `program`, as execvp(3): a name with a `/` as it is, another in each
/// directory of the `PATH` the child will have, an empty one being its working directory. With
/// them that `PATH`, if it was used.
fn candidates(
    program: &OsStr,
    variables: &[(OsString, OsString)],
) -> Result<(Vec<CString>, Option<OsString>), Failure> {
    if program.is_empty() || program.as_bytes().contains(&b'/') {
        return Ok((vec![c_string(program.as_bytes(), program)?], None));
    }
    let path = variables.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_os_str());
    let path = path.unwrap_or(OsStr::new(DEFAULT_PATH));
    let mut candidates = Vec::new();
    for directory in path.as_bytes().split(|byte| *byte == b':') {
        if candidates.len() >= PATH_DIRECTORIES_MAX {
            let why = format!("PATH has more than {PATH_DIRECTORIES_MAX} directories");
            return Err(Failure::known(Failure::EXECUTE, program.to_string_lossy(), why));
        }
        let mut candidate = directory.to_vec();
        if !directory.is_empty() {
            candidate.push(b'/');
        }
        candidate.extend_from_slice(program.as_bytes());
        candidates.push(c_string(&candidate, program)?);
    }
    Ok((candidates, Some(path.to_owned())))
}

/// The limits that are set as far as it goes: what onit changed for itself, and the mark.
fn attempted_limits(order: &Order<'_>, limits: &[Limit]) -> Vec<(System, u64, u64)> {
    let mut attempted = Vec::new();
    if !limits.iter().any(|limit| limit.resource == Resource::Nofile) {
        let (soft, hard) = order.original.nofile;
        attempted.push((System::RLIMIT_NOFILE, soft, hard));
    }
    let mark = mark(order.run);
    if let Ok((_, hard)) = getrlimit(System::RLIMIT_LOCKS)
        && mark <= hard
    {
        attempted.push((System::RLIMIT_LOCKS, mark, hard));
    }
    attempted
}

fn system(resource: Resource) -> System {
    match resource {
        Resource::As => System::RLIMIT_AS,
        Resource::Core => System::RLIMIT_CORE,
        Resource::Cpu => System::RLIMIT_CPU,
        Resource::Data => System::RLIMIT_DATA,
        Resource::Fsize => System::RLIMIT_FSIZE,
        Resource::Memlock => System::RLIMIT_MEMLOCK,
        Resource::Msgqueue => System::RLIMIT_MSGQUEUE,
        Resource::Nice => System::RLIMIT_NICE,
        Resource::Nofile => System::RLIMIT_NOFILE,
        Resource::Nproc => System::RLIMIT_NPROC,
        Resource::Rss => System::RLIMIT_RSS,
        Resource::Rtprio => System::RLIMIT_RTPRIO,
        Resource::Rttime => System::RLIMIT_RTTIME,
        Resource::Sigpending => System::RLIMIT_SIGPENDING,
        Resource::Stack => System::RLIMIT_STACK,
    }
}

/// What a child is told, as it is written down for it.
#[derive(Clone, Copy)]
struct Sheet<'a> {
    pad: &'a Pad,
    /// What cannot be executed if it does not fit.
    object: &'a OsStr,
}

impl<'a> Sheet<'a> {
    fn text(self, parts: &[&[u8]]) -> Result<&'a CStr, Failure> {
        self.pad.text(parts).map_err(|unfit| self.refused(unfit))
    }

    fn path(self, path: &Path) -> Result<&'a CStr, Failure> {
        let object = path.as_os_str();
        self.pad.text(&[object.as_bytes()]).map_err(|unfit| Sheet { object, ..self }.refused(unfit))
    }

    fn place<T: Copy>(self, items: &[T]) -> Result<&'a mut [T], Failure> {
        self.pad.place(items).map_err(|unfit| self.refused(unfit))
    }

    fn keep<T>(self, value: T) -> Result<&'a mut T, Failure> {
        self.pad.keep(value).map_err(|unfit| self.refused(unfit))
    }

    /// Texts as execve(2) takes them: an array of pointers that ends with a null pointer.
    fn pointers(
        self,
        texts: impl Iterator<Item = Result<&'a CStr, Failure>>,
    ) -> Result<&'a mut [*const c_char], Failure> {
        let pointers = texts.map(|text| text.map(CStr::as_ptr));
        let pointers: Vec<_> = pointers.chain([Ok(ptr::null())]).collect::<Result<_, _>>()?;
        self.place(&pointers)
    }

    fn refused(self, unfit: Unfit) -> Failure {
        let object = self.object.to_string_lossy();
        match unfit {
            Unfit::Nul => Failure::known(Failure::EXECUTE, object, NUL),
            Unfit::TooMuch => Failure::errno(Failure::EXECUTE, object, Errno(libc::E2BIG)),
        }
    }
}

const NUL: &str = "there is a NUL byte in what it would be given";

fn c_string(text: &[u8], object: &OsStr) -> Result<CString, Failure> {
    CString::new(text).map_err(|_| Failure::known(Failure::EXECUTE, object.to_string_lossy(), NUL))
}

impl Attempt {
    fn failure(&self, report: &Report) -> Failure {
        let errno = Errno(report.fault.errno);
        let index = usize::try_from(report.fault.index).unwrap_or(usize::MAX);
        match report.fault.step {
            Step::Session => Failure::errno("create a session for", &self.program, errno),
            Step::Stdin => Failure::errno("open", "/dev/null", errno),
            Step::Stream => {
                let object =
                    if report.fault.index == 1 { "standard output" } else { "standard error" };
                Failure::errno("hand over", object, errno)
            }
            Step::Handed => {
                let object = format!("descriptor {}", report.fault.index);
                Failure::errno("hand over", object, errno)
            }
            Step::Nice => Failure::errno("set nice to", self.nice.to_string(), errno),
            Step::OomScore => Failure::errno("set", &self.oom_score, errno),
            Step::Root => Failure::errno("change the root directory to", &self.root, errno),
            Step::Bounding => {
                let object = capability(report.fault.index);
                Failure::errno("give up the capability", object, errno)
            }
            Step::Capabilities => {
                Failure::errno("keep the capabilities", &self.capabilities, errno)
            }
            Step::Ambient => {
                Failure::errno("keep the capability", capability(report.fault.index), errno)
            }
            Step::Privileges => Failure::errno("set", "no_new_privileges", errno),
            Step::Limit => {
                let object = self.limits.get(index).map(limit_words).unwrap_or_default();
                Failure::errno("set limit", object, errno)
            }
            Step::Groups | Step::Group | Step::User => {
                let (operation, object) = &self.identity;
                Failure::errno(operation, object, errno)
            }
            Step::Directory => {
                let object = self.directory.as_deref().unwrap_or_default();
                Failure::errno("change directory to", object, errno)
            }
            Step::Execute => self.not_executed(report, errno),
        }
    }

    fn not_executed(&self, report: &Report, errno: Errno) -> Failure {
        let candidate = usize::try_from(report.fault.index)
            .ok()
            .and_then(|index| self.candidates.get(index))
            .map(|path| path.to_string_lossy().into_owned());
        let object = candidate.unwrap_or_else(|| self.program.clone());
        let text = match (errno, &self.path) {
            (Errno::ENOENT, _) if report.fault.index != NONE => what_is_missing(report.head()),
            (Errno::ENOENT, Some(path)) => format!("not found in PATH ({})", path.display()),
            (Errno::ENOEXEC, _) => what_is_wrong(report.head()),
            (_, _) => return Failure::errno(Failure::EXECUTE, object, errno),
        };
        Failure::explained(Failure::EXECUTE, object, errno, text)
    }

    fn garbled(&self) -> Failure {
        Failure::errno(Failure::EXECUTE, &self.program, Errno(libc::EIO))
    }
}

/// What ENOENT means for a file that is there; see execve(2), "Interpreter scripts".
fn what_is_missing(head: Option<&[u8]>) -> String {
    match head {
        Some(head) if head.starts_with(b"#!") => {
            let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let line = line.strip_prefix(b"#!").unwrap_or_default();
            let windows =
                if line.ends_with(b"\r") { " (it ends its lines as Windows does)" } else { "" };
            let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            let interpreter = words.next().unwrap_or_default().escape_ascii();
            format!("its interpreter {interpreter} is missing{windows}")
        }
        Some(head) if head.starts_with(b"\x7fELF") => {
            "its loader is missing; it was built for another libc".into()
        }
        Some(_) | None => "its interpreter is missing".into(),
    }
}

/// What ENOEXEC means.
fn what_is_wrong(head: Option<&[u8]>) -> String {
    let reason = match head {
        Some([]) => ": the file is empty",
        Some(head) if head.starts_with(b"\x7fELF") => ": it was built for another machine",
        Some(head) if head.starts_with(b"#!") => ": the line after `#!` names no interpreter",
        Some(_) => ": a script needs `#!` and its interpreter in the first line",
        None => "",
    };
    format!("{}{reason}", Errno::ENOEXEC)
}

fn limit_words(limit: &Limit) -> String {
    let text = |value: u64| match value {
        u64::MAX => "unlimited".into(),
        value => value.to_string(),
    };
    let (name, soft, hard) = (limit.resource.name(), text(limit.soft), text(limit.hard));
    if soft == hard {
        format!("{name} to {soft}")
    } else {
        format!("{name} to {soft}, hard {hard}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs::{self, OpenOptions, Permissions};
    use std::os::fd::{AsFd, FromRawFd};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;
    use std::time::Instant;

    use nix::poll::{PollFd, PollFlags, poll};
    use nix::sys::wait::{WaitStatus, waitpid};

    use super::super::files;
    use super::super::signals::Signals;
    use super::*;
    use crate::service::{Inherit, Name, Why};

    /// Everything an order borrows, with what most tests want.
    struct Scene {
        spec: Spec,
        role: Role,
        streams: Streams,
        environment: Vec<(OsString, OsString)>,
        main_pid: Option<i32>,
        terminal: Terminal,
        handover: Handover,
        sockets: Vec<(RawFd, &'static str)>,
        newline: Option<(RawFd, RawFd)>,
        close: Descriptors,
        berth: Option<Berth>,
    }

    /// A child that lives until this is dropped.
    struct Running(Pid);

    const RUN: RunId = RunId(4711);

    impl Scene {
        fn new(words: &[&str]) -> Self {
            let argv = Argv::new(words[0], words[1..].to_vec());
            Self {
                spec: Spec::new(Name::new("web").unwrap(), argv),
                role: Role::Main,
                streams: Streams { stdout: null(), stderr: null() },
                environment: vec![("PATH".into(), "/bin:/usr/bin".into())],
                main_pid: None,
                terminal: Terminal::None,
                handover: Handover::Declared,
                sockets: Vec::new(),
                newline: None,
                close: Descriptors::Close,
                berth: None,
            }
        }

        /// One for each way in which a child leaves our descriptors behind.
        fn sleeping_in_all_ways() -> Vec<Self> {
            let ways = [Descriptors::Close, Descriptors::CloseByList, Descriptors::CloseByCount];
            let copies = ways.map(|close| Self { close, ..Self::sleeping() });
            let leaves = Self { berth: Some(Berth::open().unwrap()), ..Self::sleeping() };
            copies.into_iter().chain([leaves]).collect()
        }

        fn sleeping() -> Self {
            Self::new(&["/bin/sleep", "1000"])
        }

        fn order<'a>(&'a self, original: &'a Original) -> Order<'a> {
            Order {
                input: None,
                spec: &self.spec,
                run: RUN,
                role: self.role,
                streams: self.streams,
                environment: &self.environment,
                notify: None,
                sockets: &self.sockets,
                newline: self.newline,
                main_pid: self.main_pid,
                terminal: self.terminal,
                handover: self.handover,
                original,
                berth: self.berth.as_ref(),
            }
        }

        fn start(&self) -> Result<Started, Failure> {
            start(&self.order(original()), self.close)
        }

        fn run(&self) -> Running {
            let (child, outcome) = self.attempt().unwrap();
            assert_eq!(outcome, ExecResult::Executed);
            child.wait_until_it_sleeps();
            child
        }

        /// The failure there must be, found before the fork or after it.
        fn fail(&self) -> Failure {
            let (child, outcome) = match self.attempt() {
                Err(failure) => return failure,
                Ok(tried) => tried,
            };
            let ExecResult::Failed(failure) = outcome else {
                panic!("{:?} was executed", self.spec.command);
            };
            assert_eq!(waitpid(child.0, None), Ok(WaitStatus::Exited(child.0, 127)));
            // Reaped: nobody to be killed.
            std::mem::forget(child);
            failure
        }

        fn attempt(&self) -> Result<(Running, ExecResult), Failure> {
            loop {
                let started = self.start()?;
                let child = Running(started.pid);
                let outcome = outcome(&started);
                // A child of another test holds the file we have just written until it execs.
                let busy = |failure: &Failure| failure.why == Why::Errno(Errno::ETXTBSY);
                if !matches!(&outcome, ExecResult::Failed(failure) if busy(failure)) {
                    return Ok((child, outcome));
                }
            }
        }
    }

    impl Running {
        /// The exec closes the pipe before /proc tells of the new program, which then opens its
        /// libraries and locales for a moment.
        #[expect(clippy::disallowed_methods, reason = "a deadline for a test")]
        fn wait_until_it_sleeps(&self) {
            let start = Instant::now();
            loop {
                let stat = self.text("stat");
                if stat.rsplit(')').next().unwrap().trim_start().starts_with(['S', 'Z']) {
                    return;
                }
                assert!(start.elapsed().as_secs() < 20, "{stat}");
                std::thread::yield_now();
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            PathBuf::from(format!("/proc/{}/{name}", self.0))
        }

        fn text(&self, name: &str) -> String {
            text(&self.path(name))
        }

        fn link(&self, name: &str) -> PathBuf {
            fs::read_link(self.path(name)).unwrap()
        }

        fn status(&self, key: &str) -> String {
            let status = self.text("status");
            let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        }

        /// Field `number` of stat, as proc_pid_stat(5) counts them, from 3 on.
        fn stat(&self, number: usize) -> i32 {
            let stat = self.text("stat");
            let fields = stat.rsplit(')').next().unwrap();
            fields.split_whitespace().nth(number.saturating_sub(3)).unwrap().parse().unwrap()
        }

        fn descriptors(&self) -> BTreeSet<i32> {
            let names = files::list(&self.path("fd")).unwrap();
            names.iter().map(|name| name.to_str().unwrap().parse().unwrap()).collect()
        }

        fn environment(&self) -> BTreeMap<String, String> {
            let split = |word: &str| word.split_once('=').map(|(n, v)| (n.into(), v.into()));
            self.text("environ").split_terminator('\0').filter_map(split).collect()
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = kill(self.0, signal::SIGKILL);
            let _ = waitpid(self.0, None);
        }
    }

    fn outcome(started: &Started) -> ExecResult {
        let mut polled = [PollFd::new(started.exec.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut polled, 20_000u16), Ok(1), "no outcome of an exec in 20 s");
        read_exec(started.exec.as_fd(), &started.attempt)
    }

    fn text(path: &Path) -> String {
        String::from_utf8(files::read(path, 1 << 20).unwrap()).unwrap()
    }

    fn null() -> RawFd {
        static NULL: OnceLock<fs::File> = OnceLock::new();
        let open = || OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
        NULL.get_or_init(open).as_raw_fd()
    }

    /// As found by an onit whose parent left two signals ignored, one of them one that glibc keeps
    /// for itself. Rust's runtime has added SIGPIPE.
    fn original() -> &'static Original {
        static ORIGINAL: OnceLock<Original> = OnceLock::new();
        ORIGINAL.get_or_init(|| {
            for number in [signal::SIGUSR2 as i32, 33] {
                let ignore = [libc::SIG_IGN, 0, 0, 0, 0, 0, 0, 0];
                let none = ptr::null_mut::<usize>();
                // SAFETY: `ignore` is larger than the kernel's structure.
                let result = unsafe {
                    let call = libc::SYS_rt_sigaction;
                    libc::syscall(call, number, ignore.as_ptr(), none, SIGSET_BYTES)
                };
                assert_eq!(result, 0);
            }
            Original::now()
        })
    }

    fn is_root() -> bool {
        nix::unistd::geteuid().is_root()
    }

    /// A directory that is removed when this is dropped.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("onit-spawn-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, mode: u32, content: &[u8]) -> String {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            path.to_str().unwrap().into()
        }

        fn path(&self, name: &str) -> String {
            self.0.join(name).to_str().unwrap().into()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_child_starts_clean() {
        let mut blocked = SigSet::empty();
        blocked.add(signal::SIGUSR1);
        blocked.thread_set_mask().unwrap();
        let child = Scene::sleeping().run();
        assert_eq!(SigSet::thread_get_mask().unwrap(), blocked, "our own mask is back");
        for key in ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"] {
            assert_eq!(child.status(key), "0000000000000000", "{key}");
        }
        assert_eq!(child.stat(6), child.0.as_raw(), "a session of its own");
        assert_eq!(child.stat(5), child.0.as_raw(), "a group of its own");
        assert_eq!(child.stat(7), 0, "no terminal");
        assert_eq!(child.link("fd/0"), Path::new("/dev/null"));
        assert_eq!(child.text("cmdline"), "/bin/sleep\x001000\x00");
    }

    #[test]
    fn nothing_is_open_but_what_is_declared() {
        let stray = fcntl(std::io::stdin(), FcntlArg::F_DUPFD(700)).unwrap();
        // SAFETY: fcntl has just made it for us.
        let _stray = unsafe { OwnedFd::from_raw_fd(stray) };
        for scene in Scene::sleeping_in_all_ways() {
            let child = scene.run();
            assert_eq!(child.descriptors(), BTreeSet::from([0, 1, 2]));
        }
        let mut scene = Scene::sleeping();
        scene.spec = Spec::main(scene.spec.command);
        scene.handover = Handover::Everything;
        let child = scene.run();
        assert!(child.descriptors().contains(&stray), "an exec would have left it");
        assert_eq!(child.link("fd/0"), fs::read_link("/proc/self/fd/0").unwrap());
        assert!(!child.descriptors().contains(&null()), "what onit opened is its own");
    }

    #[test]
    fn whoever_does_not_fit_into_the_berth_is_forked_with_a_copy() {
        let berth = Berth::open().unwrap();
        let mut scene = Scene { berth: Some(berth), ..Scene::sleeping() };
        scene.sockets = vec![(null(), "a"); 20];
        let child = scene.run();
        assert_eq!(child.descriptors(), (0..23).collect());
        // And the next one that fits leaves from it.
        scene.sockets.clear();
        assert_eq!(scene.run().descriptors(), BTreeSet::from([0, 1, 2]));
        assert!(scene.berth.unwrap().is_usable());
    }

    #[test]
    fn sockets_stand_where_they_are_looked_for() {
        let pipes: Vec<_> = (0..3).map(|_| std::io::pipe().unwrap()).collect();
        // As far down as there is room: they stand in each other's way, and in that of the report.
        let numbers: Vec<RawFd> = pipes.iter().map(|(_, writer)| writer.as_raw_fd()).collect();
        let own = |number: RawFd| fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
        for mut scene in Scene::sleeping_in_all_ways() {
            scene.environment.push(("LISTEN_FDNAMES".into(), "onit's own".into()));
            scene.sockets = vec![(numbers[2], "b"), (numbers[0], "a")];
            scene.newline = Some((numbers[1], 17));
            let child = scene.run();
            assert_eq!(child.descriptors(), BTreeSet::from([0, 1, 2, 3, 4, 17]));
            assert_eq!(child.link("fd/3"), own(numbers[2]));
            assert_eq!(child.link("fd/4"), own(numbers[0]));
            assert_eq!(child.link("fd/17"), own(numbers[1]));
            let environment = child.environment();
            let value = |name: &str| environment.get(name).cloned().unwrap_or_default();
            assert_eq!(value("LISTEN_FDS"), "2");
            assert_eq!(value("LISTEN_FDNAMES"), "b:a");
            assert_eq!(value("LISTEN_PID"), child.0.to_string());
            // The report finds its way past them.
            scene.spec.command = Argv::new::<&str>("/no/such/program", vec![]);
            for target in [17, 5, 6, 7, 8, 9, 10, 11, 12] {
                scene.newline = Some((numbers[1], target));
                let failure = scene.fail();
                assert!(failure.is_about_the_command(), "{failure}");
            }
            // Only the command has them.
            scene.spec.command = Scene::sleeping().spec.command;
            scene.spec.hooks.before_start = vec![scene.spec.command.clone()];
            scene.role = Role::BeforeStart { index: 0 };
            let child = scene.run();
            assert_eq!(child.descriptors(), BTreeSet::from([0, 1, 2]));
            assert!(!child.environment().contains_key("LISTEN_FDS"));
        }
    }

    #[test]
    fn a_child_is_what_its_spec_says() {
        let mut scene = Scene::sleeping();
        let (_, hard) = getrlimit(System::RLIMIT_NOFILE).unwrap();
        let spec = &mut scene.spec;
        spec.attributes.umask = Some(0o027);
        spec.attributes.nice = Some(7);
        spec.attributes.directory = Some("/proc".into());
        spec.attributes.limits = vec![
            Limit { resource: Resource::Nofile, soft: 64, hard },
            Limit { resource: Resource::Core, soft: 0, hard: 0 },
        ];
        spec.environment.inherit = Inherit::Nothing;
        spec.environment.variables = vec![("PORT".into(), "8080".into())];
        let child = scene.run();
        assert_eq!(child.status("Umask"), "0027");
        assert_eq!(child.stat(19), 7);
        assert_eq!(child.link("cwd"), Path::new("/proc"));
        let limits = child.text("limits");
        let limit = |name: &str| {
            let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().to_owned()
        };
        assert_eq!(limit("Max open files"), "64");
        assert_eq!(limit("Max core file size"), "0");
        assert_eq!(limit("Max file locks"), mark(RUN).to_string());
        let expected = [("PATH", DEFAULT_PATH), ("PORT", "8080")];
        let expected = expected.map(|(name, value)| (name.into(), value.into()));
        assert_eq!(child.environment(), BTreeMap::from(expected));
    }

    #[test]
    fn a_child_has_the_capabilities_that_are_kept_and_no_other() {
        if !is_root() {
            return;
        }
        let bind = 1u64 << 10;
        let check = |user: Option<Who>, kept: &[&str], expected: u64| {
            let mut scene = Scene::sleeping();
            scene.spec.attributes.user = user.clone();
            let kept = kept.iter().map(|name| Capability::from_name(name).unwrap());
            scene.spec.attributes.capabilities = Some(kept.collect());
            let child = scene.run();
            for set in ["CapBnd", "CapPrm", "CapEff", "CapAmb"] {
                let found = u64::from_str_radix(&child.status(set), 16).unwrap();
                assert_eq!(found, expected, "{set} of {user:?}");
            }
        };
        for user in [None, Some(Who::Number(65534))] {
            check(user.clone(), &["net_bind_service"], bind);
            check(user, &[], 0);
        }
        let mut scene = Scene::sleeping();
        scene.spec.attributes.user = Some(Who::Number(65534));
        scene.spec.attributes.no_new_privileges = true;
        scene.spec.attributes.oom_score_adj = Some(321);
        let child = scene.run();
        assert_eq!(child.status("NoNewPrivs"), "1");
        assert_eq!(child.text("oom_score_adj").trim(), "321");
        assert_eq!(child.status("CapEff"), "0000000000000000");
        // It is inherited when nothing is said of it.
        let child = Scene::sleeping().run();
        assert_eq!(child.status("NoNewPrivs"), "0");
        let own = std::mem::ManuallyDrop::new(Running(getpid()));
        assert_eq!(child.status("CapBnd"), own.status("CapBnd"));
    }

    #[test]
    fn what_cannot_be_granted_is_a_failure_that_names_it() {
        if !is_root() {
            return;
        }
        let check = |change: fn(&mut Spec), expected: &str| {
            let mut scene = Scene::sleeping();
            change(&mut scene.spec);
            let failure = scene.fail();
            assert_eq!(failure.to_string(), expected);
            assert!(!failure.is_about_the_command());
        };
        check(
            |spec| spec.attributes.root = Some("/no/such/root".into()),
            "cannot change the root directory to /no/such/root: no such file or directory",
        );
        // As a child that has given up everything sees it: not even that it may give up.
        let mut scene = Scene::sleeping();
        scene.spec.attributes.oom_score_adj = Some(5000);
        let failure = scene.fail();
        let words = "cannot set oom_score_adj to 5000: invalid argument";
        assert_eq!(failure.to_string(), words);
    }

    #[test]
    fn a_child_can_have_another_root() {
        // Where /bin leads into /usr, /usr is a whole system for a program without files.
        let is_merged = fs::read_link("/bin").is_ok_and(|bin| bin == Path::new("usr/bin"));
        if !is_root() || !is_merged {
            return;
        }
        let mut scene = Scene::sleeping();
        scene.spec.attributes.root = Some("/usr".into());
        let child = scene.run();
        assert_eq!(child.link("root"), Path::new("/usr"));
        assert_eq!(child.link("cwd"), Path::new("/usr"));
        scene.spec.attributes.directory = Some("/lib".into());
        assert_eq!(scene.run().link("cwd"), Path::new("/usr/lib"));
    }

    #[test]
    fn children_get_the_limit_of_descriptors_onit_was_given() {
        let (soft, hard) = original().nofile;
        let lowered = Original { nofile: (soft.min(99), hard), signals: Vec::new() };
        let scene = Scene::sleeping();
        let started = spawn(&scene.order(&lowered)).unwrap();
        let child = Running(started.pid);
        assert_eq!(outcome(&started), ExecResult::Executed);
        child.wait_until_it_sleeps();
        let limits = child.text("limits");
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        let values: Vec<&str> = line.split_whitespace().take(2).collect();
        assert_eq!(values, [soft.min(99).to_string(), hard.to_string()]);
    }

    #[test]
    fn a_user_is_become_or_refused() {
        let mut scene = Scene::sleeping();
        scene.spec.attributes.user = Some(Who::Number(12_345));
        scene.spec.attributes.group = Some(Who::Number(54_321));
        scene.spec.attributes.groups = Some(vec![Who::Number(7)]);
        if is_root() {
            let child = scene.run();
            assert_eq!(child.status("Uid"), "12345 12345 12345 12345");
            assert_eq!(child.status("Gid"), "54321 54321 54321 54321");
            assert_eq!(child.status("Groups"), "7 54321");
            assert_eq!(child.environment()["HOME"], "/");
            let directory = Scratch::new("private");
            fs::set_permissions(&directory.0, Permissions::from_mode(0o700)).unwrap();
            scene.spec.attributes.directory = Some(directory.0.clone());
            let expected =
                format!("cannot change directory to {}: permission denied", directory.path(""));
            let expected = expected.replace("/:", ":");
            assert_eq!(scene.fail().to_string(), expected);
        } else {
            let expected = "cannot become user 12345: operation not permitted";
            assert_eq!(scene.fail().to_string(), expected);
        }
        // What we are already needs no capability, and changes nothing.
        let mut scene = Scene::sleeping();
        scene.spec.attributes.user = Some(Who::Number(Own::now().uid));
        let own = text(Path::new("/proc/self/status"));
        let child = scene.run();
        for key in ["Uid", "Gid", "Groups"] {
            let line = own.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':')).unwrap();
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(child.status(key), line, "{key}");
        }
    }

    #[test]
    fn what_keeps_a_child_from_its_exec_is_said() {
        let scratch = Scratch::new("failures");
        let check = |change: &dyn Fn(&mut Scene), expected: &str| {
            let mut scene = Scene::sleeping();
            change(&mut scene);
            let failure = scene.fail();
            assert_eq!(failure.to_string(), expected);
            assert!(!failure.is_about_the_command(), "{expected}");
        };
        check(
            &|scene| scene.spec.attributes.directory = Some("/missing".into()),
            "cannot change directory to /missing: no such file or directory",
        );
        check(
            &|scene| scene.spec.attributes.directory = Some("/etc/passwd".into()),
            "cannot change directory to /etc/passwd: not a directory",
        );
        check(
            &|scene| scene.spec.attributes.user = Some(Who::Named("no-such-user".into())),
            "cannot become user no-such-user: no user named `no-such-user` in /etc/passwd",
        );
        // More than fs.nr_open is refused to root, too.
        check(
            &|scene| {
                let limit = Limit { resource: Resource::Nofile, soft: u64::MAX, hard: u64::MAX };
                scene.spec.attributes.limits = vec![limit];
            },
            "cannot set limit nofile to unlimited: operation not permitted",
        );
        check(
            &|scene| {
                let core = Limit { resource: Resource::Core, soft: 0, hard: 0 };
                let stack = Limit { resource: Resource::Stack, soft: 2, hard: 1 };
                scene.spec.attributes.limits = vec![core, stack];
            },
            "cannot set limit stack to 2, hard 1: invalid argument",
        );
        check(
            &|scene| scene.streams.stderr = 9999,
            "cannot hand over standard error: bad file descriptor",
        );
        check(
            &|scene| scene.role = Role::BeforeStart { index: 1 },
            "cannot run before_start: the service has no such command",
        );
        let file = scratch.file("env", 0o600, b"A=1\nB=\0");
        check(
            &|scene| scene.spec.environment.files = vec![file.clone().into()],
            &format!("cannot read {file}:2: a NUL byte"),
        );
        if !is_root() {
            check(
                &|scene| scene.spec.attributes.nice = Some(-5),
                "cannot set nice to -5: permission denied",
            );
        }
    }

    #[test]
    fn a_command_that_cannot_be_executed_is_told_why() {
        let scratch = Scratch::new("commands");
        let check = |program: &str, code: u8, expected: &str| {
            let failure = Scene::new(&[program]).fail();
            assert_eq!(failure.to_string(), format!("cannot execute {expected}"));
            assert_eq!(failure.code(), code, "{expected}");
            // Too long a path is the one thing policy does not take for final.
            assert_eq!(
                failure.is_about_the_command(),
                !expected.contains("too long"),
                "{expected}"
            );
        };
        let long = format!("/{}", "x/".repeat(4096));
        check("/app/server", 127, "/app/server: no such file or directory");
        check("./server", 127, "./server: no such file or directory");
        check("", 127, ": no such file or directory");
        check("no-such-tool", 127, "no-such-tool: not found in PATH (/bin:/usr/bin)");
        check("/etc", 126, "/etc: permission denied");
        check("/etc/passwd", 126, "/etc/passwd: permission denied");
        check("/etc/passwd/x", 126, "/etc/passwd/x: not a directory");
        check(&long, 126, &format!("{long}: file name too long"));
        symlink("loop", scratch.path("loop")).unwrap();
        let looped = scratch.path("loop");
        check(&looped, 126, &format!("{looped}: too many levels of symbolic links"));

        let check = |name: &str, content: &[u8], code: u8, expected: &str| {
            let path = scratch.file(name, 0o755, content);
            check(&path, code, &format!("{path}: {expected}"));
        };
        check("script", b"#!/no/bash -e\n", 127, "its interpreter /no/bash is missing");
        check(
            "windows",
            b"#! /bin/sh\r\necho\r\n",
            127,
            "its interpreter /bin/sh is missing (it ends its lines as Windows does)",
        );
        check("empty", b"", 126, "exec format error: the file is empty");
        check(
            "bare",
            b"echo hello\n",
            126,
            "exec format error: a script needs `#!` and its interpreter in the first line",
        );
        check(
            "shebang",
            b"#!\n",
            126,
            "exec format error: the line after `#!` names no interpreter",
        );
        check(
            "foreign",
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xff\xff",
            126,
            "exec format error: it was built for another machine",
        );
        let loader = elf_with_missing_loader();
        check("loader", &loader, 127, "its loader is missing; it was built for another libc");
    }

    /// A program of this machine whose loader does not exist.
    fn elf_with_missing_loader() -> Vec<u8> {
        let mut elf = files::read(Path::new("/proc/self/exe"), 1 << 30).unwrap();
        elf.truncate(64);
        let loader = b"/no/loader\0";
        // One program header right behind the file header: PT_INTERP, its text behind that.
        elf[32..40].copy_from_slice(&64u64.to_ne_bytes());
        elf[56..58].copy_from_slice(&1u16.to_ne_bytes());
        elf.extend_from_slice(&3u32.to_ne_bytes());
        elf.extend_from_slice(&4u32.to_ne_bytes());
        for field in [120, 0, 0, loader.len() as u64, loader.len() as u64, 1] {
            elf.extend_from_slice(&field.to_ne_bytes());
        }
        elf.extend_from_slice(loader);
        elf
    }

    #[test]
    fn too_much_to_hand_over_is_said() {
        let mut scene = Scene::sleeping();
        // One string of 128 KiB is more than the kernel takes; see execve(2).
        scene.spec.command.arguments = ["x".repeat(1 << 17).into()].into();
        assert_eq!(scene.fail().to_string(), "cannot execute /bin/sleep: argument list too long");
        scene.spec.command.arguments = ["a\0b".into()].into();
        let expected = "cannot execute /bin/sleep: there is a NUL byte in what it would be given";
        assert_eq!(scene.fail().to_string(), expected);
    }

    #[test]
    fn commands_are_looked_for_in_the_path_of_the_service() {
        let scratch = Scratch::new("path");
        scratch.file("denied/sleep", 0o644, b"");
        scratch.file("broken/sleep", 0o755, b"#!/no/sh\n");
        scratch.file("empty/other", 0o755, b"");
        fs::create_dir_all(scratch.path("good")).unwrap();
        symlink("/bin/sleep", scratch.path("good/sleep")).unwrap();
        let path = |names: &[&str]| {
            let paths: Vec<_> = names.iter().map(|name| scratch.path(name)).collect();
            paths.join(":")
        };
        let scene = |path: &str| {
            let mut scene = Scene::new(&["sleep", "1000"]);
            scene.spec.environment.variables = vec![("PATH".into(), path.into())];
            scene
        };
        let found = scene(&path(&["empty", "denied", "broken", "good"])).run();
        assert_eq!(found.text("cmdline"), "sleep\x001000\x00", "its name is as it was given");
        let check = |names: &[&str], expected: String| {
            assert_eq!(scene(&path(names)).fail().to_string(), expected);
        };
        let denied = scratch.path("denied/sleep");
        check(&["denied", "empty"], format!("cannot execute {denied}: permission denied"));
        check(&["empty", "denied"], format!("cannot execute {denied}: permission denied"));
        let broken = scratch.path("broken/sleep");
        let why = "its interpreter /no/sh is missing";
        check(&["empty", "broken"], format!("cannot execute {broken}: {why}"));
        let both = path(&["empty", "missing"]);
        check(&["empty", "missing"], format!("cannot execute sleep: not found in PATH ({both})"));

        // An empty directory in it is the working directory, the service's.
        let mut here = scene("/missing:");
        here.spec.attributes.directory = Some(scratch.path("good").into());
        assert_eq!(here.run().link("cwd"), Path::new(&scratch.path("good")));
        let many = scene(&":".repeat(PATH_DIRECTORIES_MAX)).fail();
        assert_eq!(many.to_string(), "cannot execute sleep: PATH has more than 1024 directories");
    }

    #[test]
    fn other_commands_run_as_onit_with_what_they_need_to_know() {
        let check = |role: Role, expected: &[(&str, &str)]| {
            let mut scene = Scene::new(&["/no/such/command"]);
            let sleep = Argv::new("/bin/sleep", vec!["1000"]);
            let spec = &mut scene.spec;
            spec.hooks.before_start = vec![sleep.clone()];
            spec.hooks.after_exit = vec![sleep.clone()];
            spec.stop.command = Some(sleep);
            spec.attributes.user = Some(Who::Named("no-such-user".into()));
            spec.attributes.nice = Some(9);
            spec.attributes.limits = vec![Limit { resource: Resource::Stack, soft: 2, hard: 1 }];
            spec.attributes.directory = Some("/proc".into());
            spec.environment.variables = vec![("PORT".into(), "1".into())];
            scene.environment = vec![("ONIT_SOCKET".into(), "/run/x".into())];
            scene.main_pid = Some(42);
            scene.role = role;
            let child = scene.run();
            let always = [("ONIT_SERVICE", "web"), ("PATH", DEFAULT_PATH), ("PORT", "1")];
            let expected = expected.iter().copied().chain(always);
            let expected = expected.map(|(name, value)| (name.into(), value.into())).collect();
            assert_eq!(child.environment(), expected, "{role:?}");
            assert_eq!(child.link("cwd"), Path::new("/proc"));
            assert_ne!(child.stat(19), 9, "not the nice value of the service");
            assert_eq!(child.stat(6), child.0.as_raw(), "a session of its own");
        };
        check(Role::BeforeStart { index: 0 }, &[]);
        check(Role::StopCommand { main: Some(RunId(1)) }, &[("ONIT_MAIN_PID", "42")]);
        let after = |exit| Role::AfterExit { index: 0, exit };
        let ended = |code, signal| [("ONIT_EXIT_CODE", code), ("ONIT_EXIT_SIGNAL", signal)];
        check(after(Exit::Code(3)), &ended("3", ""));
        check(after(Exit::Signal(Signal::TERM)), &ended("", "SIGTERM"));
        check(after(Exit::OutOfMemory), &ended("", "SIGKILL"));
    }

    #[test]
    fn a_bare_main_command_takes_over_the_environment() {
        let own = getpid().to_string();
        let check = |handover, listen_pid: &str, expected: &dyn Fn(&Running) -> Option<String>| {
            let mut scene = Scene::sleeping();
            scene.spec = Spec::main(scene.spec.command);
            scene.handover = handover;
            scene.environment = vec![
                ("ONIT_SOCKET".into(), "/run/x".into()),
                ("LISTEN_PID".into(), listen_pid.into()),
                ("LISTEN_FDS".into(), "1".into()),
            ];
            let child = scene.run();
            let environment = child.environment();
            assert_eq!(environment.get("LISTEN_PID").cloned(), expected(&child));
            assert_eq!(environment.contains_key("LISTEN_FDS"), expected(&child).is_some());
            assert_eq!(environment.contains_key("ONIT_SOCKET"), expected(&child).is_some());
            assert_eq!(environment.contains_key("PATH"), expected(&child).is_none());
        };
        check(Handover::Everything, &own, &|child| Some(child.0.to_string()));
        check(Handover::Everything, "7", &|_| Some("7".into()));
        check(Handover::Declared, &own, &|_| None);
    }

    #[test]
    fn a_signal_to_a_child_that_has_not_executed_yet_is_its_own() {
        let signals = Signals::read_from_now_on(&[Signal::USR1, Signal::WINCH]).unwrap();
        for _ in 0..100 {
            // Should the signal be lost, it ends by itself and the assertion says so.
            let scene = Scene::new(&["/bin/sleep", "5"]);
            let started = spawn(&scene.order(original())).unwrap();
            kill(started.pid, signal::SIGUSR1).unwrap();
            let status = waitpid(started.pid, None).unwrap();
            assert_eq!(status, WaitStatus::Signaled(started.pid, signal::SIGUSR1, false));
        }
        signals.take(|arrival| assert_eq!(arrival.signal, Signal::CHLD));
        // What is sent to us is heard.
        signal::raise(signal::SIGWINCH).unwrap();
        let mut heard = Vec::new();
        signals.take(|arrival| heard.push(arrival.signal));
        assert!(heard.contains(&Signal::WINCH), "{heard:?}");
    }

    #[test]
    fn the_main_command_of_pid_1_takes_the_terminal() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let terminal = pty.slave.as_raw_fd();
        let mut scene = Scene::sleeping();
        scene.spec = Spec::main(scene.spec.command);
        scene.terminal = Terminal::Own;
        scene.streams = Streams { stdout: terminal, stderr: terminal };
        let child = scene.run();
        let device = nix::sys::stat::fstat(&pty.slave).unwrap().st_rdev;
        assert_eq!(child.stat(7), i32::try_from(device).unwrap(), "its terminal");
        assert_eq!(child.stat(8), child.0.as_raw(), "in the foreground");
        assert_eq!(child.stat(6), child.0.as_raw(), "of its own session");
    }

    /// Sharing a terminal needs a process that has one: the test below, run on a new one.
    #[test]
    fn a_shared_terminal_changes_hands() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let inside = "linux::spawn::tests::inside_a_terminal";
        let words = ["/proc/self/exe", inside, "--exact", "--ignored", "--test-threads=1"];
        let mut scene = Scene::new(&words);
        scene.terminal = Terminal::Own;
        scene.streams = Streams { stdout: pty.slave.as_raw_fd(), stderr: null() };
        let child = scene.run();
        drop(pty.slave);
        let mut said = Vec::new();
        loop {
            let mut polled = [PollFd::new(pty.master.as_fd(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut polled, 20_000u16), Ok(1), "it says nothing for 20 s");
            let mut bytes = [0; 4096];
            // EIO: nobody has the terminal open any more.
            match nix::unistd::read(&pty.master, &mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(length) => said.extend_from_slice(&bytes[..length]),
            }
        }
        let said = String::from_utf8_lossy(&said);
        let status = waitpid(child.0, None).unwrap();
        assert_eq!(status, WaitStatus::Exited(child.0, 0), "{said}");
        assert!(said.contains("1 passed"), "{said}");
    }

    #[test]
    #[ignore = "run by a_shared_terminal_changes_hands, on a terminal of its own"]
    fn inside_a_terminal() {
        assert!(terminal::is_foreground());
        let mut scene = Scene::sleeping();
        scene.spec = Spec::main(scene.spec.command);
        // Crosswise: what stands in the way moves.
        scene.streams = Streams { stdout: 2, stderr: 1 };
        scene.terminal = Terminal::Share { foreground: true };
        let child = scene.run();
        assert_eq!(child.link("fd/1"), Path::new("/dev/null"));
        assert_eq!(child.link("fd/2"), fs::read_link("/proc/self/fd/1").unwrap());
        assert_eq!(child.stat(6), getpid().as_raw(), "our session");
        assert_eq!(child.stat(5), child.0.as_raw(), "its own group");
        assert_eq!(child.stat(8), child.0.as_raw(), "in the foreground");
        assert!(!terminal::is_foreground());
        terminal::take_back_from(child.0).unwrap();
        assert!(terminal::is_foreground());
        terminal::give_to(child.0).unwrap();
        assert_eq!(child.stat(8), child.0.as_raw());
        terminal::take_back_from(child.0).unwrap();

        scene.terminal = Terminal::Share { foreground: false };
        let other = scene.run();
        assert_eq!(other.stat(5), other.0.as_raw(), "its own group");
        assert!(terminal::is_foreground(), "the foreground stays ours");
    }
}
