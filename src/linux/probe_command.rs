//! A command as a probe: its exit code is the answer, and nothing of it stays behind, however it
//! ended. Decides how long it is waited for, and who goes with it.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{SigHandler, SigSet, Signal as System, kill, signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::clock::Clock;
use super::console::Streams;
use super::kin;
use super::probe::{Deadline, Found};
use super::spawn::{self, ExecResult, Handover, Order, Original, Started};
use super::terminal::Terminal;
use crate::limits::{KILL_AGAIN_AFTER, PROBE_KILL_TIME_MAX};
use crate::service::{Argv, Exit, Failure, Name, Role, RunId, Signal, Spec};

/// Why it is not waited for any longer.
enum End {
    Exited(Exit),
    OutOfTime,
    Interrupted(Signal),
}

/// Those who were our children before there was a command: whoever executed us had started them.
struct Strangers {
    /// None if /proc does not speak of us; then only the command's group can be killed.
    pids: Option<Vec<i32>>,
}

/// Runs `argv` to its end or that of the time. All signals are held when this is called, and stay
/// so: they are waited for.
pub(super) fn run(argv: &Argv, deadline: &Deadline, environment: &[(OsString, OsString)]) -> Found {
    let command = argv.program.to_string_lossy();
    let original = Original::now();
    // Found ignored it would reap our children before we have asked how they ended.
    // SAFETY: the default installs no handler, so there is no code to be unsafe.
    let _ = unsafe { signal(System::SIGCHLD, SigHandler::SigDfl) };
    // Some sandboxes refuse it; then what leaves its parent cannot be found.
    let _ = prctl::set_child_subreaper(true);
    let strangers = Strangers::now();
    let started = match start(argv, environment, &original) {
        Ok(started) => started,
        Err(failure) => return Found::Failure(failure.to_string()),
    };
    let awaited = awaited(&original);
    let end = wait(&started, &awaited, deadline);
    strangers.end_all_others(started.pid, &awaited);
    match end {
        End::Interrupted(signal) => Found::Interrupted(signal),
        End::OutOfTime => {
            Found::Failure(format!("{command}: not done within {}; killed", deadline.words()))
        }
        End::Exited(exit) => match spawn::read_exec(started.exec.as_fd(), &started.attempt) {
            ExecResult::Failed(failure) => Found::Failure(failure.to_string()),
            ExecResult::Pending | ExecResult::Executed if exit == Exit::Code(0) => Found::Success,
            ExecResult::Pending | ExecResult::Executed => {
                Found::Failure(format!("{command}: {exit}"))
            }
        },
    }
}

/// As everything else is started, but with all that we have: it is an ordinary program.
fn start(
    argv: &Argv,
    environment: &[(OsString, OsString)],
    original: &Original,
) -> Result<Started, Failure> {
    let name = Name::new("probe").map_err(|_| Failure::known("run", "probe", "no name"))?;
    let spec = Spec::new(name, argv.clone());
    spawn::spawn(&Order {
        berth: None,
        input: None,
        spec: &spec,
        run: own_run(),
        role: Role::Main,
        streams: Streams { stdout: 1, stderr: 2 },
        environment,
        main_pid: None,
        notify: None,
        sockets: &[],
        newline: None,
        terminal: Terminal::None,
        handover: Handover::Everything,
        original,
    })
}

/// The run that we bear the mark of, so that the command bears the same.
fn own_run() -> RunId {
    let soft = getrlimit(Resource::RLIMIT_LOCKS).map_or(u64::MAX, |(soft, _)| soft);
    RunId(soft.saturating_sub(spawn::MARK))
}

/// CHLD, and the signals that ask us to end, unless whoever started us has them ignored.
fn awaited(original: &Original) -> SigSet {
    let mut awaited = SigSet::from(System::SIGCHLD);
    let ends = [
        (Signal::HUP, System::SIGHUP),
        (Signal::INT, System::SIGINT),
        (Signal::QUIT, System::SIGQUIT),
        (Signal::TERM, System::SIGTERM),
    ];
    for (signal, system) in ends {
        if !original.signals.contains(&signal) {
            awaited.add(system);
        }
    }
    awaited
}

fn wait(started: &Started, awaited: &SigSet, deadline: &Deadline) -> End {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    loop {
        // It stays to be reaped, so that its group can be killed and is no other's.
        if let Ok(Some(ended)) = super::wait_for(libc::P_PID, started.pid.as_raw(), flags) {
            return End::Exited(ended.exit);
        }
        let Some(left) = deadline.left() else { return End::OutOfTime };
        match next_signal(awaited, left) {
            Some(Signal::CHLD) | None => {}
            Some(signal) => return End::Interrupted(signal),
        }
    }
}

/// Takes the next of the `awaited` signals, which are held; none if there was none for so long.
fn next_signal(awaited: &SigSet, patience: Duration) -> Option<Signal> {
    let seconds = libc::time_t::try_from(patience.as_secs()).unwrap_or(libc::time_t::MAX);
    let mut time = libc::timespec { tv_sec: seconds, tv_nsec: 0 };
    time.tv_nsec = patience.subsec_nanos().into();
    // SAFETY: both point to what lives longer than the call; nothing more is asked for.
    let number =
        unsafe { libc::sigtimedwait(awaited.as_ref(), std::ptr::null_mut(), &raw const time) };
    Signal::from_number(number)
}

impl Strangers {
    fn now() -> Self {
        Self { pids: kin::proc_is_ours().then(kin::own_children) }
    }

    /// Kills the group of `leader`, which has not been reaped, and everybody else below us, until
    /// none is left.
    fn end_all_others(&self, leader: Pid, awaited: &SigSet) {
        let began = Clock::start();
        // Those below first: who is found through a parent may be lost with it.
        self.kill_all();
        let _ = kill(Pid::from_raw(leader.as_raw().saturating_neg()), System::SIGKILL);
        while !self.are_alone() && began.now().since_start() < PROBE_KILL_TIME_MAX {
            let _ = next_signal(awaited, KILL_AGAIN_AFTER);
            // What had forked meanwhile has become our child.
            self.kill_all();
        }
    }

    fn others(&self) -> Vec<i32> {
        let Some(strangers) = &self.pids else { return Vec::new() };
        kin::own_children().into_iter().filter(|pid| !strangers.contains(pid)).collect()
    }

    fn kill_all(&self) {
        for kin in kin::downwards(self.others()) {
            let _ = kill(Pid::from_raw(kin.pid), System::SIGKILL);
        }
    }

    /// Reaps whoever has ended, and says whether nobody else is left.
    fn are_alone(&self) -> bool {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return self.others().is_empty(),
                Ok(_) | Err(nix::Error::EINTR) => {}
                // There is nobody.
                Err(_) => return true,
            }
        }
    }
}
