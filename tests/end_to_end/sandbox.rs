//! Starts onit in a world of its own, and watches it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up: far more than it takes, also where everything
/// else runs beside it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What is to be started.
pub struct Scene {
    folder: PathBuf,
    command: Command,
    /// What becomes the program, inside of the namespace.
    wrapper: Vec<OsString>,
    /// What is PID 1 or below it; none where the command is the program.
    program: Option<OsString>,
    is_init: bool,
    arguments: Vec<OsString>,
}

/// onit, running.
pub struct Running {
    child: Child,
    /// The process that is onit, as numbered where the test runs.
    pub pid: i32,
    stdout: Arc<Captured>,
    stderr: Arc<Captured>,
    folder: PathBuf,
}

/// onit, ended.
pub struct Ended {
    /// 128 and the signal's number for a signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

#[derive(Default)]
struct Captured {
    bytes: Mutex<(Vec<u8>, bool)>,
    changed: Condvar,
}

/// What makes a namespace. That it ends takes everybody in it along.
pub const UNSHARE: [&str; 6] =
    ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "--map-root-user"];

/// The arguments of `unshare`.
pub fn unshare() -> Vec<&'static str> {
    let mut words = UNSHARE[1..].to_vec();
    if is_root() {
        words.pop();
    }
    words.push("--");
    words
}

/// The program under test.
pub fn onit() -> &'static str {
    env!("CARGO_BIN_EXE_onit")
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

impl Scene {
    /// onit as PID 1 of a namespace of its own.
    pub fn init() -> Self {
        Self::of_init(onit())
    }

    /// Another program as PID 1 of a namespace of its own.
    pub fn of_init(program: &str) -> Self {
        let mut command = Command::new(UNSHARE[0]);
        command.args(unshare());
        Self { program: Some(program.into()), ..Self::of(command) }
    }

    /// Not as PID 1, but as the only child of a shell that is.
    pub fn below_a_shell(mut self) -> Self {
        self.is_init = false;
        self
    }

    /// Has these words execute the program, inside of the namespace: `env`, `nice`.
    pub fn wrapped(mut self, words: &[&str]) -> Self {
        self.wrapper.splice(0..0, words.iter().map(OsString::from));
        self
    }

    /// Has a shell prepare what the program finds, inside of the namespace: `commands` first, and
    /// `redirections` as it executes the program.
    pub fn prepared(self, commands: &str, redirections: &str) -> Self {
        self.wrapped(&["/bin/sh", "-ec", &format!("{commands}\nexec \"$@\" {redirections}"), "sh"])
    }

    /// onit as an ordinary process.
    pub fn process() -> Self {
        Self::of(Command::new(onit()))
    }

    pub fn of(mut command: Command) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("onit-e2e-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(folder.join("services")).unwrap();
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ONIT_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self {
            folder,
            command,
            wrapper: Vec::new(),
            program: None,
            is_init: true,
            arguments: Vec::new(),
        }
    }

    /// A folder of this scene's own.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn service(self, name: &str, text: &str) -> Self {
        let text = text.replace("@FOLDER@", &self.folder.display().to_string());
        fs::write(self.folder.join("services").join(format!("{name}.toml")), text).unwrap();
        self
    }

    /// Adds the folder of the services as a source.
    pub fn with_services(self) -> Self {
        let services = self.folder.join("services");
        self.with_source(&services)
    }

    /// The same, with services that are described elsewhere.
    pub fn with_source(mut self, source: &Path) -> Self {
        self.arguments.push(source.into());
        // All tests share /run.
        let socket = self.socket();
        self.env("ONIT_SOCKET", socket)
    }

    /// Where its control socket is.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("onit.sock")
    }

    pub fn args(mut self, words: &[&str]) -> Self {
        self.arguments.extend(words.iter().map(OsString::from));
        self
    }

    /// A script as the main command.
    pub fn script(self, script: &str) -> Self {
        self.args(&["--", "/bin/sh", "-c", script])
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stdout(to);
        self
    }

    pub fn stderr(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stderr(to);
        self
    }

    pub fn stdin(mut self, from: impl Into<Stdio>) -> Self {
        self.command.stdin(from);
        self
    }

    /// Done in the child before anything is executed; only what is safe after a fork.
    pub fn before_exec(
        mut self,
        action: impl FnMut() -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        // SAFETY: the tests pass single system calls.
        unsafe { self.command.pre_exec(action) };
        self
    }

    pub fn start(mut self) -> Running {
        if let Some(program) = &self.program {
            if !self.is_init {
                // A shell that stays PID 1: it has something to do afterwards.
                self.command.args(["/bin/sh", "-c", "\"$@\"; exit $?", "sh"]);
            }
            self.command.args(&self.wrapper).arg(program);
        }
        self.command.args(&self.arguments);
        let mut child = self.command.spawn().unwrap();
        let capture = |stream: Option<Box<dyn Read + Send>>| {
            let captured = Arc::new(Captured::default());
            match stream {
                Some(stream) => captured.clone().fill(stream),
                None => captured.bytes.lock().unwrap().1 = true,
            }
            captured
        };
        let stdout = capture(child.stdout.take().map(|s| Box::new(s) as _));
        let stderr = capture(child.stderr.take().map(|s| Box::new(s) as _));
        let outer = i32::try_from(child.id()).unwrap();
        let mut running = Running { child, pid: outer, stdout, stderr, folder: self.folder };
        if let Some(program) = &self.program {
            running.pid = running.find(program, self.is_init);
        }
        running
    }

    pub fn run(self) -> Ended {
        self.start().finish()
    }
}

impl Running {
    /// The program, which `unshare` or the shell below it has started.
    fn find(&mut self, program: &OsStr, is_init: bool) -> i32 {
        let outer = self.pid;
        let mut found = None;
        wait_until("the program is executed", || {
            let init = children(outer);
            let all = if is_init { init } else { init.into_iter().flat_map(children).collect() };
            found = all.into_iter().find(|pid| words(*pid).first().is_some_and(|w| w == program));
            // It may be over already.
            found.is_some() || self.child.try_wait().unwrap().is_some()
        });
        found.unwrap_or(outer)
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: kill takes two numbers.
        unsafe { libc::kill(self.pid, signal) };
    }

    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits for a line, or a part of one, on standard output.
    pub fn wait_for(&self, text: &str) -> &Self {
        self.wait_for_times(text, 1)
    }

    pub fn wait_for_times(&self, text: &str, times: usize) -> &Self {
        self.stdout.wait(|all| all.matches(text).count() >= times, text, &self.stderr);
        self
    }

    /// Waits for what onit says.
    pub fn wait_for_notice(&self, text: &str) -> &Self {
        self.stderr.wait(|all| all.contains(text), text, &self.stdout);
        self
    }

    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Ended {
        let start = Instant::now();
        let mut status = None;
        let (stdout, stderr) = (self.stdout.clone(), self.stderr.clone());
        wait_until_or(
            "onit ends",
            PATIENCE,
            || {
                status = self.child.try_wait().unwrap();
                status.is_some()
            },
            || format!("{}\n{}", stdout.text(), stderr.text()),
        );
        let took = start.elapsed();
        let status = status.unwrap();
        self.stdout.wait_for_end();
        self.stderr.wait_for_end();
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
        Ended { code, stdout: self.stdout(), stderr: self.stderr(), took }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // `unshare --kill-child` takes the namespace with it.
        if self.child.try_wait().unwrap().is_none() {
            if u32::try_from(self.pid) == Ok(self.child.id()) {
                // There is no namespace. While onit is there, whoever is left behind by one that
                // is killed comes to it, and so is found the next time.
                let deadline = Instant::now() + PATIENCE;
                loop {
                    let below = descendants(self.pid);
                    if below.is_empty() || Instant::now() > deadline {
                        break;
                    }
                    below.into_iter().for_each(|pid| send(pid, libc::SIGKILL));
                    thread::sleep(Duration::from_millis(1));
                }
            }
            self.signal(libc::SIGKILL);
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Captured {
    fn fill(self: Arc<Self>, mut stream: Box<dyn Read + Send>) {
        thread::spawn(move || {
            let mut buffer = [0; 65536];
            loop {
                let read = stream.read(&mut buffer).unwrap_or(0);
                let mut bytes = self.bytes.lock().unwrap();
                bytes.0.extend_from_slice(&buffer[..read]);
                bytes.1 = read == 0;
                self.changed.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap().0).into_owned()
    }

    fn wait(&self, mut condition: impl FnMut(&str) -> bool, what: &str, other: &Self) {
        let deadline = Instant::now() + PATIENCE;
        let mut bytes = self.bytes.lock().unwrap();
        loop {
            let text = String::from_utf8_lossy(&bytes.0).into_owned();
            if condition(&text) {
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || bytes.1 {
                drop(bytes);
                panic!("waited in vain for {what:?}; saw\n{text}\nand beside it\n{}", other.text());
            }
            bytes = self.changed.wait_timeout(bytes, left).unwrap().0;
        }
    }

    fn wait_for_end(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut bytes = self.bytes.lock().unwrap();
        while !bytes.1 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "somebody still holds the output");
            bytes = self.changed.wait_timeout(bytes, left).unwrap().0;
        }
    }
}

/// The one place where a test waits for what nobody tells it.
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_until_or(what, PATIENCE, condition, String::new);
}

pub fn wait_until_or(
    what: &str,
    patience: Duration,
    mut condition: impl FnMut() -> bool,
    saw: impl Fn() -> String,
) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}; saw\n{}", saw());
        thread::sleep(Duration::from_millis(2));
    }
}

/// The children of a process, of all its threads.
pub fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists =
        threads.flatten().filter_map(|t| fs::read_to_string(t.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()
        })
        .collect()
}

pub fn comm(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// The command line of a process.
pub fn words(pid: i32) -> Vec<OsString> {
    let line = read(pid, "cmdline");
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    line.split(|byte| *byte == 0).map(|word| OsStr::from_bytes(word).to_owned()).collect()
}

/// A file of a process in /proc.
pub fn read(pid: i32, name: &str) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default()
}

/// A field of a process by its number in proc_pid_stat(5), from 3 on.
pub fn stat(pid: i32, number: usize) -> String {
    let text = String::from_utf8_lossy(&read(pid, "stat")).into_owned();
    let fields = text.rsplit(')').next().unwrap_or_default();
    fields.split_whitespace().nth(number - 3).unwrap_or_default().to_owned()
}

/// A line of a process by its name in proc_pid_status(5).
pub fn status(pid: i32, name: &str) -> String {
    let text = String::from_utf8_lossy(&read(pid, "status")).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

/// Sends a signal to one process of a namespace that was started.
pub fn send(pid: i32, signal: i32) {
    // SAFETY: kill takes two numbers.
    unsafe { libc::kill(pid, signal) };
}

/// The one process below `pid` with just these words, as soon as it is there and waits.
pub fn one_below(pid: i32, line: &str) -> i32 {
    let wanted: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    let mut found = Vec::new();
    let look = || {
        let lines = descendants(pid).into_iter().map(|pid| format!("{pid} {:?}", words(pid)));
        lines.collect::<Vec<_>>().join("\n")
    };
    let is_it = |pid: &i32| words(*pid) == wanted && stat(*pid, 3) == "S";
    let there = || {
        found = descendants(pid).into_iter().filter(is_it).collect();
        found.len() == 1
    };
    wait_until_or(&format!("one {line:?} is there"), PATIENCE, there, look);
    found[0]
}

/// Everybody below a process.
pub fn descendants(pid: i32) -> Vec<i32> {
    let mut all = children(pid);
    let mut at = 0;
    while at < all.len() {
        all.extend(children(all[at]));
        at += 1;
    }
    all
}
