//! What the tests need of a container engine: images and containers that go away by themselves.
//!
//! Everything goes through the `docker` client, as a user would do it, and nothing looks at the
//! engine's own files: it may be on another machine.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// How long a condition may take to come true. Engines under load need seconds for a start.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same in words of timeout(1), for a client that waits for a container.
pub(crate) const LONGEST_RUN: &str = "60";

/// Between two looks at something only the engine can tell.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// An image, removed when the last test that needs it is done.
pub(crate) struct Image {
    pub(crate) tag: String,
}

/// A container, removed with its test.
pub(crate) struct Container {
    pub(crate) name: String,
}

/// A build that takes nothing from its cache: a test that ends removes its image with all the
/// layers under it, and a build that has just found one of them there fails with "unknown parent
/// image".
const BUILD: [&str; 3] = ["build", "-q", "--no-cache"];

/// A volume that containers share, removed with its test.
pub(crate) struct Volume {
    name: String,
}

/// How a container ended that was waited for.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Image {
    /// Dockerfile.example, built as the README says. All tests share one.
    pub(crate) fn example() -> Arc<Self> {
        static SHARED: Mutex<Weak<Image>> = Mutex::new(Weak::new());
        // A test that failed while it held the lock has left nothing half done.
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(image) = shared.upgrade() {
            return image;
        }
        let binary = release_binary();
        let shell = root().join("target/busybox");
        std::fs::copy(busybox(), &shell).expect("target/ can be written to");
        let image = Self { tag: unique("example") };
        let binary_argument = format!("BINARY={}", binary.display());
        must(
            docker(&BUILD)
                .args(["-f", "Dockerfile.example", "-t", &image.tag])
                .args(["--build-arg", &binary_argument, "."])
                .current_dir(root()),
        );
        let image = Arc::new(image);
        *shared = Arc::downgrade(&image);
        image
    }

    /// An image on top of this one, from these lines of a Dockerfile.
    pub(crate) fn extended(&self, lines: &str) -> Self {
        let image = Self { tag: unique("extended") };
        let text = format!("FROM {}\n{lines}\n", self.tag);
        let mut build = docker(&BUILD);
        must_with_input(build.args(["--network=none", "-t", &image.tag, "-"]), &text);
        image
    }

    /// Runs it in the foreground to its end.
    pub(crate) fn run(&self, options: &[&str], words: &[&str]) -> Ended {
        // Named, so that a run that never ends is removed when the test gives up.
        let container = Container { name: unique("run") };
        let run = self.command(&container, &["run", "--rm"], options, words);
        let mut command = Command::new("timeout");
        command.arg(LONGEST_RUN).arg(run.get_program()).args(run.get_args());
        ended(&command.stdin(Stdio::null()).output().expect("timeout can be started"))
    }

    /// Starts it in the background.
    pub(crate) fn start(&self, options: &[&str], words: &[&str]) -> Container {
        let container = Container { name: unique("run") };
        must(&mut self.command(&container, &["run", "-d"], options, words));
        container
    }

    /// The client's command line, for a test that runs it on a terminal.
    pub(crate) fn command(
        &self,
        container: &Container,
        verb: &[&str],
        options: &[&str],
        words: &[&str],
    ) -> Command {
        let mut command = docker(verb);
        // No test needs a network, and an engine without one is quicker.
        command
            .args(["--network=none", "--name", &container.name])
            .args(options)
            .arg(&self.tag)
            .args(words);
        command
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = docker(&["rmi", "-f", &self.tag]).output();
    }
}

impl Container {
    /// A name for a container that does not run yet.
    pub(crate) fn to_be() -> Self {
        Self { name: unique("run") }
    }

    /// `docker stop` with ten seconds of grace: how long it took, and the exit code.
    pub(crate) fn stop(&self) -> (Duration, i32) {
        let start = Instant::now();
        must(&mut docker(&["stop", "-t", "10", &self.name]));
        (start.elapsed(), self.exit_code())
    }

    /// `docker kill -s SIGNAL`.
    pub(crate) fn signal(&self, signal: &str) {
        must(&mut docker(&["kill", "-s", signal, &self.name]));
    }

    /// `docker update` with these options.
    pub(crate) fn update(&self, options: &[&str]) {
        must(docker(&["update"]).args(options).arg(&self.name));
    }

    /// Starts it again after it has ended, in the file system that it left.
    pub(crate) fn start_again(&self) {
        must(&mut docker(&["start", &self.name]));
    }

    /// Waits for its end.
    pub(crate) fn wait(&self) -> i32 {
        let code = must(&mut docker(&["wait", &self.name]));
        code.trim().parse().expect("docker wait prints a number")
    }

    /// Runs `words` in it, to their end.
    pub(crate) fn exec(&self, words: &[&str]) -> Ended {
        let output = docker(&["exec", &self.name]).args(words).output();
        ended(&output.expect("docker can be started"))
    }

    /// Runs `words` in it as another user, to their end.
    pub(crate) fn exec_as(&self, user: &str, words: &[&str]) -> Ended {
        let output = docker(&["exec", "-u", user, &self.name]).args(words).output();
        ended(&output.expect("docker can be started"))
    }

    /// Runs `words` in it, in the background.
    pub(crate) fn exec_in_background(&self, words: &[&str]) {
        must(docker(&["exec", "-d", &self.name]).args(words));
    }

    /// All it wrote so far.
    pub(crate) fn logs(&self) -> String {
        let (stdout, stderr) = self.streams();
        stdout + &stderr
    }

    /// All it wrote so far, to standard output and to standard error.
    pub(crate) fn streams(&self) -> (String, String) {
        let output = docker(&["logs", &self.name]).output().expect("docker can be started");
        let Ended { stdout, stderr, .. } = ended(&output);
        (stdout, stderr)
    }

    /// What runs in it, as `state command`, in no order.
    pub(crate) fn processes(&self) -> Vec<String> {
        let table = must(&mut docker(&["top", &self.name, "-eo", "pid,stat,args"]));
        let row = |line: &str| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
        table.lines().skip(1).map(row).collect()
    }

    /// Whether it runs.
    pub(crate) fn is_running(&self) -> bool {
        self.inspect("{{.State.Running}}") == "true"
    }

    /// Waits until it has written `text`.
    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_until(&format!("{text:?} in the log"), || {
            let is_over = !self.is_running();
            let logs = self.logs();
            if logs.contains(text) {
                return Ok(());
            }
            assert!(!is_over, "waited for {text:?}, but it is over:\n{logs}");
            Err(logs)
        });
    }

    /// Waits until its processes are as wanted.
    pub(crate) fn wait_for_processes(&self, what: &str, wanted: impl Fn(&[String]) -> bool) {
        wait_until(what, || {
            let processes = self.processes();
            if wanted(&processes) { Ok(()) } else { Err(processes.join("\n")) }
        });
    }

    /// Waits until the engine calls it so: `healthy`, `unhealthy`.
    pub(crate) fn wait_for_health(&self, wanted: &str) {
        wait_until(&format!("a container that is {wanted}"), || {
            let found = self.inspect("{{json .State.Health}}");
            let status = self.inspect("{{.State.Health.Status}}");
            if status == wanted { Ok(()) } else { Err(found) }
        });
    }

    /// What its health check printed last.
    pub(crate) fn last_health_output(&self) -> String {
        let outputs = self.inspect("{{range .State.Health.Log}}{{println .Output}}{{end}}");
        outputs.trim_end().lines().last().unwrap_or_default().to_owned()
    }

    fn exit_code(&self) -> i32 {
        self.inspect("{{.State.ExitCode}}").parse().expect("an exit code is a number")
    }

    fn inspect(&self, format: &str) -> String {
        must(&mut docker(&["inspect", "-f", format, &self.name])).trim().to_owned()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = docker(&["rm", "-f", "-v", &self.name]).output();
    }
}

impl Volume {
    pub(crate) fn new() -> Self {
        let volume = Self { name: unique("volume") };
        must(&mut docker(&["volume", "create", &volume.name]));
        volume
    }

    pub(crate) fn mount(&self, place: &str) -> String {
        format!("--volume={}:{place}", self.name)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = docker(&["volume", "rm", "-f", &self.name]).output();
    }
}

/// Waits until `look` finds what is wanted; if it never does, shows what was there instead.
pub(crate) fn wait_until(what: &str, mut look: impl FnMut() -> Result<(), String>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Err(found) = look() else { return };
        assert!(Instant::now() < deadline, "waited in vain for {what}; found:\n{found}");
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// The release binary of this source, relative to the repository: it is what goes into images.
fn release_binary() -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    // A set RUSTFLAGS replaces the ones that make the binary static, silently.
    build.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    must(build.args(["build", "--release", "--target-dir", "target"]).current_dir(root()));
    let built_for_test = Path::new(env!("CARGO_BIN_EXE_onit"));
    let target = built_for_test.ancestors().nth(2).and_then(Path::file_name);
    Path::new("target").join(target.expect("target/TRIPLE/debug/onit")).join("release/onit")
}

/// The shell of the example image: a static one.
fn busybox() -> PathBuf {
    let known = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    let found = known.into_iter().find(|path| path.exists());
    found.expect("busybox is installed (Debian: busybox-static)")
}

fn docker(words: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(words).stdin(Stdio::null());
    // BuildKit's plug-in is not everywhere; the classic builder is enough for one stage.
    command.env("DOCKER_BUILDKIT", "0");
    command
}

/// What `command` printed; fails the test if it failed.
fn must(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let ended = ended(&output);
    assert!(ended.code == 0, "{command:?} failed: {ended:?}");
    ended.stdout
}

fn must_with_input(command: &mut Command, input: &str) {
    use std::io::Write as _;
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("docker can be started");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("docker reads it");
    let ended = ended(&child.wait_with_output().expect("docker can be waited for"));
    assert!(ended.code == 0, "{command:?} failed: {ended:?}");
}

fn ended(output: &Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A name nobody else uses on this engine.
fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = format!("onit-test-{what}");
    write!(name, "-{}-{count}", std::process::id()).expect("a string takes it");
    name
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
