//! A program as PID 1 of a namespace, which is gone with its value.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, clone};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, kill, signal, sigprocmask};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, execve, pipe2};

use crate::peer::{find, is_service, python_path};
use crate::processes::{
    PATIENCE, anonymous, children, comm, family, private, pss, wait_until, worked,
};

/// Enough for what happens between clone and exec.
const STACK: usize = 256 << 10;

/// Who works less than one per cent of this long has nothing left to do.
const QUIET: Duration = Duration::from_millis(50);

/// Where a program's standard output goes.
pub(crate) enum Output {
    Null,
    Pipe,
    File(File),
}

/// In bytes.
pub(crate) struct Memory {
    pub(crate) anonymous: f64,
    /// Nobody else has it.
    pub(crate) private: f64,
    /// Pages that are shared count in parts.
    pub(crate) proportional: f64,
}

/// A program as PID 1 of a namespace.
pub(crate) struct Running {
    pub(crate) pid: u32,
    /// When it was about to be executed.
    pub(crate) started: Instant,
    handle: OwnedFd,
    stdout: Option<File>,
    waited_for: bool,
}

impl Running {
    /// Executes `words` as PID 1 of a new PID namespace, with a /proc of its own. All peers and
    /// floors start this way, so what it costs is in every number alike.
    pub(crate) fn start(words: &[String], output: Output) -> Self {
        let null = File::options().read(true).write(true).open("/dev/null").expect("it is there");
        let (stdout, ours) = match output {
            Output::Null => (null.try_clone().expect("a descriptor is free").into(), None),
            Output::File(file) => (OwnedFd::from(file), None),
            Output::Pipe => {
                let (reader, writer) = pipe2(OFlag::O_CLOEXEC).expect("a descriptor is free");
                (writer, Some(File::from(reader)))
            }
        };
        let (pid, started) = execute(words, &null, &stdout);
        let handle = handle_of(pid).expect("it is our child");
        let pid = u32::try_from(pid.as_raw()).expect("a pid is positive");
        Self { pid, started, handle, stdout: ours, waited_for: false }
    }

    /// The end of its output that is ours.
    pub(crate) fn stdout(&mut self) -> File {
        self.stdout.take().expect("a pipe was asked for")
    }

    pub(crate) fn send(&self, signal: Signal) {
        let _ = kill(self.as_pid(), signal);
    }

    /// Waits for its end; how long that took, or `None` if it did not come in time.
    pub(crate) fn ended_within(&mut self, patience: Duration) -> Option<Duration> {
        let start = Instant::now();
        let timeout = PollTimeout::try_from(patience).expect("a short time");
        let mut fds = [PollFd::new(self.handle.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut fds, timeout).is_ok_and(|count| count > 0);
        let took = start.elapsed();
        if ready {
            let _ = waitpid(self.as_pid(), None);
            self.waited_for = true;
        }
        ready.then_some(took)
    }

    /// Every process of it that is no service.
    pub(crate) fn supervisors(&self) -> Vec<u32> {
        let is_service = |pid: &u32| comm(*pid).is_some_and(|name| is_service(&name));
        family(self.pid).into_iter().filter(|pid| !is_service(pid)).collect()
    }

    /// The processor time of all those so far.
    pub(crate) fn supervisors_worked(&self) -> Duration {
        self.supervisors().into_iter().map(worked).sum()
    }

    /// Tells it to stop; how many seconds that took.
    pub(crate) fn stopped_within(&mut self, patience: Duration) -> Option<f64> {
        self.send(Signal::SIGTERM);
        Some(self.ended_within(patience)?.as_secs_f64())
    }

    /// What all those of it that are no services need.
    pub(crate) fn memory(&self) -> Memory {
        let supervisors = self.supervisors();
        let sum = |one: fn(u32) -> u64| supervisors.iter().map(|pid| one(*pid)).sum::<u64>() as f64;
        Memory { anonymous: sum(anonymous), private: sum(private), proportional: sum(pss) }
    }

    /// Waits until nothing is left to be done: nobody has worked for a while.
    pub(crate) fn settle(&self) {
        let mut before = Duration::ZERO;
        wait_until(PATIENCE, || {
            std::thread::sleep(QUIET);
            let now = self.supervisors_worked();
            let quiet = now.saturating_sub(before) < QUIET / 100;
            before = now;
            quiet
        });
    }

    /// A process below it that has executed this.
    pub(crate) fn one_called(&self, name: &str) -> Option<Pid> {
        let is_it = |pid: &u32| comm(*pid).is_some_and(|comm| comm == name);
        let pid = family(self.pid).into_iter().find(is_it)?;
        Some(Pid::from_raw(i32::try_from(pid).ok()?))
    }

    /// How many children it has.
    pub(crate) fn children(&self) -> usize {
        children(self.pid).len()
    }

    fn as_pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.pid).expect("a pid is small"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.waited_for {
            // The kernel kills everybody else of the namespace, and only then is this one gone.
            self.send(Signal::SIGKILL);
            let _ = self.ended_within(PATIENCE);
        }
    }
}

/// Its pid, and when it was about to be executed.
fn execute(words: &[String], null: &File, stdout: &OwnedFd) -> (Pid, Instant) {
    let program = words.first().and_then(|word| find(word)).expect("it is installed");
    let program = text(program.into_os_string().into_vec());
    let words: Vec<CString> = words.iter().map(|word| text(word.clone().into_bytes())).collect();
    let environment = environment();
    let mut stack = vec![0; STACK];
    let mut started = Instant::now();
    let mut become_it = || -> Result<(), Errno> {
        // Whatever becomes of us, PID 1 and its namespace follow.
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
        mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>)?;
        dup2_stdin(null)?;
        dup2_stdout(stdout)?;
        dup2_stderr(null)?;
        // SAFETY: no handler is set, only the default, which the runtime of Rust has changed.
        unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        started = Instant::now();
        execve(&program, &words, &environment).map(|_| ())
    };
    let flags = CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_VM
        | CloneFlags::CLONE_VFORK;
    let callback = Box::new(|| if become_it().is_ok() { 0 } else { 127 });
    // SAFETY: with CLONE_VFORK this thread waits until the other has executed its program, so what
    // it borrows is there and is changed by nobody; the stack is its own.
    let pid = unsafe { clone(callback, &mut stack, flags, Some(libc::SIGCHLD)) };
    (pid.expect("a PID namespace, which takes root"), started)
}

/// Ours, with the place of the Python packages.
fn environment() -> Vec<CString> {
    let variables = std::env::vars_os().filter(|(name, _)| name != "PYTHONPATH");
    let ours = variables
        .map(|(name, value)| text([name.into_vec(), b"=".to_vec(), value.into_vec()].concat()));
    let python = [b"PYTHONPATH=".to_vec(), python_path().into_vec()].concat();
    ours.chain([text(python)]).collect()
}

fn text(bytes: Vec<u8>) -> CString {
    CString::new(bytes).expect("no word has a NUL")
}

/// See pidfd_open(2).
fn handle_of(pid: Pid) -> Option<OwnedFd> {
    // SAFETY: the call takes no pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: the kernel has just made it, and nobody else knows it.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// How many bytes wait in a pipe; see pipe(7).
pub(crate) fn waiting_in(pipe: &impl AsRawFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: the pointer is to an int that is ours, which is what FIONREAD fills in.
    let done = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    if done == 0 { usize::try_from(count).unwrap_or(0) } else { 0 }
}
