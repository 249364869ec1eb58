//! `sv` of runit and `svstat` of daemontools, as the distribution has them, look after services of
//! onit in a runit directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::peers::Supervisor;

const PATIENCE: Duration = Duration::from_secs(30);

/// Says what it hears, and ends on TERM.
const RUN: &str = r#"#!/bin/sh
trap 'echo hung up' HUP
trap 'echo asked to end; exit 7' TERM
echo up
while :; do sleep 0.05; done
"#;

/// A directory of services, and onit that runs it.
struct Directory {
    path: PathBuf,
    onit: Option<Supervisor>,
}

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("onit-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self { path, onit: None }
    }

    fn script(self, name: &str, text: &str) -> Self {
        let path = self.services().join(name);
        fs::create_dir_all(path.parent().expect("it is in one")).expect("our own folder");
        fs::write(&path, text).expect("our own folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own file");
        self
    }

    fn services(&self) -> PathBuf {
        self.path.join("service")
    }

    fn start(mut self) -> Self {
        let mut onit = Command::new("setpriv");
        onit.args(["--pdeathsig", "KILL"]).arg(env!("CARGO_BIN_EXE_onit")).arg(self.services());
        onit.env("ONIT_SOCKET", self.path.join("onit.sock"));
        self.onit = Some(Supervisor::start(&mut onit, &self.path.join("log")));
        self
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path.join("log")).unwrap_or_default()
    }

    /// What a program says of the services, and its exit code.
    fn ask(&self, program: &str, words: &[&str]) -> (String, i32) {
        let mut command = Command::new(program);
        command.env("SVDIR", self.services()).current_dir(self.services()).args(words);
        let output = command.stdin(Stdio::null()).output().expect("it is installed");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (said, output.status.code().unwrap_or(-1))
    }

    /// What `sv` says.
    #[track_caller]
    fn sv(&self, words: &[&str]) -> String {
        let (said, code) = self.ask("sv", words);
        assert_eq!(code, 0, "sv {words:?}: {said}\n{}", self.log());
        said
    }

    /// Waits until `sv status` says this of a service.
    #[track_caller]
    fn wait_for(&self, service: &str, wanted: &str) -> String {
        self.wait_until(service, wanted, |said| said.contains(wanted))
    }

    /// Waits until `sv status` says of a service what is `wanted`.
    #[track_caller]
    fn wait_until(&self, service: &str, wanted: &str, is_it: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (said, _) = self.ask("sv", &["status", service]);
            if is_it(&said) {
                return said;
            }
            assert!(Instant::now() < deadline, "no `{wanted}` in {said}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[track_caller]
    fn wait_for_log(&self, wanted: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.log().matches(wanted).count() < times {
            assert!(Instant::now() < deadline, "no `{wanted}` in {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Some(onit) = self.onit.take() {
            onit.end(Signal::SIGTERM);
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Those of these that are not installed; in CI they have to be.
fn missing(programs: &[&'static str]) -> Vec<&'static str> {
    let is_missing = |program: &&&str| !Path::new("/usr/bin").join(program).exists();
    let missing: Vec<_> = programs.iter().filter(is_missing).copied().collect();
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(missing.is_empty() || !ci, "cannot run: {missing:?} are not installed");
    missing
}

fn pid(said: &str) -> i32 {
    let rest = said.split("(pid ").nth(1).unwrap_or_default();
    rest.split(')').next().and_then(|pid| pid.parse().ok()).unwrap_or_default()
}

#[test]
fn sv_and_svstat_find_everything_as_they_left_it() {
    let missing = missing(&["sv", "svstat"]);
    if !missing.is_empty() {
        eprintln!("skipped: {missing:?} are not installed");
        return;
    }
    let directory = Directory::new("sv")
        .script("web/run", RUN)
        .script("web/log/run", "#!/bin/sh\nexec cat\n")
        .script("web/check", "#!/bin/sh\ntest -e checked\n")
        .script("asleep/run", RUN)
        .script("asleep/down", "")
        .start();
    let said = directory.wait_for("web", "run: web: (pid ");
    assert!(said.contains("; run: log: (pid "), "{said}");
    let first = pid(&said);
    directory.wait_for("asleep", "down: asleep: ");
    let (said, _) = directory.ask("svstat", &["web", "asleep"]);
    assert!(said.starts_with(&format!("web: up (pid {first}) ")), "{said}");
    assert!(said.contains("asleep: down "), "{said}");

    // Signals.
    directory.wait_for_log("web-log | up", 1);
    directory.sv(&["hup", "web"]);
    directory.wait_for_log("web-log | hung up", 1);
    directory.sv(&["pause", "web"]);
    directory.wait_for("web", ", paused");
    directory.sv(&["cont", "web"]);
    let said = directory.wait_for("web", "run: web: ");
    assert_eq!(pid(&said), first, "{said}");

    // `sv stop` waits for the end, and `sv start` for ./check.
    let said = directory.sv(&["-w", "20", "stop", "web"]);
    assert!(said.starts_with("ok: down: web: "), "{said}");
    directory.wait_for_log("web-log | asked to end", 1);
    let (said, code) = directory.ask("sv", &["-w", "1", "start", "web"]);
    assert!(code == 1 && said.starts_with("timeout: run: web: "), "{said}");
    fs::write(directory.services().join("web/checked"), "").expect("our own folder");
    let said = directory.sv(&["-w", "20", "start", "web"]);
    assert!(said.starts_with("ok: run: web: "), "{said}");
    directory.wait_for_log("web-log | up", 2);

    // Another process, and the same logger. What it writes may be seen before its status is kept.
    let before = pid(&directory.sv(&["status", "web"]));
    directory.sv(&["term", "web"]);
    directory.wait_for_log("web-log | up", 3);
    directory.wait_until("web", "another process", |said| {
        said.contains("run: web: (pid ") && pid(said) != before
    });

    directory.sv(&["up", "asleep"]);
    let said = directory.wait_for("asleep", "run: asleep: ");
    assert!(said.contains("normally down"), "{said}");
    directory.sv(&["-w", "20", "force-stop", "asleep", "web"]);
    directory.wait_for("asleep", "down: asleep: ");
    directory.wait_for("web", "; run: log: ");
}

#[test]
fn what_stands_in_control_is_run_instead() {
    let missing = missing(&["sv"]);
    if !missing.is_empty() {
        eprintln!("skipped: {missing:?} are not installed");
        return;
    }
    let directory = Directory::new("control")
        .script("web/run", RUN)
        .script("web/control/u", "#!/bin/sh\necho before; exit 1\n")
        .script("web/control/t", "#!/bin/sh\necho instead; kill -9 $(cat supervise/pid)\n")
        .script("web/control/h", "#!/bin/sh\necho read again\n")
        .start();
    directory.wait_for_log("web | up", 1);
    assert_eq!(directory.log().matches("web | before").count(), 1);
    directory.wait_for("web", "run: web: ");
    directory.sv(&["hup", "web"]);
    directory.wait_for_log("web | read again", 1);
    assert!(!directory.log().contains("hung up"), "{}", directory.log());
    directory.sv(&["term", "web"]);
    directory.wait_for_log("web | instead", 1);
    directory.wait_for_log("web | before", 2);
    directory.wait_for_log("web | up", 2);
    directory.wait_for("web", "run: web: ");
    directory.sv(&["-w", "20", "stop", "web"]);
    directory.wait_for_log("web | instead", 2);
    assert!(!directory.log().contains("asked to end"), "{}", directory.log());
}

#[test]
fn a_place_that_is_somebody_elses_is_left_alone() {
    let missing = missing(&["sv"]);
    if !missing.is_empty() {
        eprintln!("skipped: {missing:?} are not installed");
        return;
    }
    let directory = Directory::new("taken")
        .script("web/run", RUN)
        .script("other/run", RUN)
        .script("other/supervise/ok", "no FIFO at all")
        .script("linked/run", RUN);
    let services = directory.services();
    fs::create_dir_all(directory.path.join("run")).expect("our own folder");
    std::os::unix::fs::symlink("../../run/linked", services.join("linked/supervise"))
        .expect("our own folder");
    fs::create_dir(services.join("web/supervise")).expect("our own folder");
    let lock = fs::File::create(services.join("web/supervise/lock")).expect("our own folder");
    lock.lock().expect("nobody else has it");
    let directory = directory.start();
    directory.wait_for("linked", "run: linked: ");
    assert!(directory.path.join("run/linked/status").exists());
    for (name, why) in [("web", "resource temporarily unavailable"), ("other", "file exists")] {
        directory.wait_for_log(&format!("{name} | up"), 1);
        let path = services.join(name).join("supervise");
        directory.wait_for_log(&format!("cannot keep {}: {why}", path.display()), 1);
    }
}

#[test]
fn svlogd_hears_signals_after_its_writer_has_been_started_again() {
    let missing = missing(&["sv", "svlogd"]);
    if !missing.is_empty() {
        eprintln!("skipped: {missing:?} are not installed");
        return;
    }
    let directory = Directory::new("svlogd")
        .script("web/run", "#!/bin/sh\necho up\nexec sleep 1000\n")
        .script("web/log/run", "#!/bin/sh\nexec svlogd .\n")
        .start();
    let log = directory.services().join("web/log/current");
    let content = || fs::read_to_string(&log).unwrap_or_default();
    let wait_for = |times: usize| {
        let deadline = Instant::now() + PATIENCE;
        while content().matches("up\n").count() < times {
            assert!(Instant::now() < deadline, "{}\n{}", content(), directory.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    directory.wait_for("web", "run: log: (pid ");
    // It has made its input non-blocking by then.
    wait_for(1);
    directory.sv(&["term", "web"]);
    wait_for(2);
    let (said, code) = directory.ask("sv", &["-w", "5", "stop", "web/log"]);
    assert_eq!(code, 0, "{said}\n{}", directory.log());
    directory.wait_for_log("web-log: stopped (exit code 0)", 1);
}

#[test]
fn a_reload_finds_the_directory_that_is_there_now() {
    let missing = missing(&["sv"]);
    if !missing.is_empty() {
        eprintln!("skipped: {missing:?} are not installed");
        return;
    }
    let directory = Directory::new("replaced").script("web/run", RUN).start();
    let said = directory.wait_for("web", "run: web: (pid ");
    // As a new version is put in the place of an old one.
    let web = directory.services().join("web");
    let copy = directory.path.join("copy");
    fs::create_dir_all(&copy).expect("our own folder");
    fs::copy(web.join("run"), copy.join("run")).expect("our own file");
    fs::remove_dir_all(&web).expect("our own folder");
    fs::rename(&copy, &web).expect("our own folder");
    let again = directory.wait_for("web", "run: web: (pid ");
    assert_eq!(pid(&said), pid(&again), "{again}");
    directory.sv(&["-w", "20", "stop", "web"]);

    // Where nothing is to be changed nothing is.
    let directory = directory.script(".next/run", RUN);
    let services = directory.services();
    fs::rename(services.join(".next"), services.join("next")).expect("our own folder");
    let socket = directory.path.join("onit.sock");
    let mut onit = Command::new(env!("CARGO_BIN_EXE_onit"));
    let output = onit.args(["reload", "--dry-run"]).env("ONIT_SOCKET", socket).output();
    let said = String::from_utf8_lossy(&output.expect("it has been built").stdout).into_owned();
    assert!(said.contains("next: new"), "{said}");
    // What is watched is read when it has been left alone for a moment, and not before.
    std::thread::sleep(Duration::from_millis(100));
    assert!(
        directory.log().contains("reloaded; new: next")
            || !services.join("next/supervise").exists()
    );
    directory.wait_for("next", "run: next: ");
}

#[test]
fn what_a_service_writes_into_its_own_directory_is_no_news() {
    let path = std::env::temp_dir().join(format!("onit-alone-{}", std::process::id()));
    let script = "#!/bin/sh\necho up; mkdir -p data; touch data/$$; sleep 0.1; rm data/$$\n";
    let directory = Directory { path, onit: None }.script("run", script);
    let socket = directory.path.join("onit.sock");
    let mut onit = Command::new("setpriv");
    onit.args(["--pdeathsig", "KILL"]).arg(env!("CARGO_BIN_EXE_onit")).env("ONIT_SOCKET", socket);
    onit.args(["--log-level", "debug", "--format", "runit"]).arg(directory.services());
    let onit = Some(Supervisor::start(&mut onit, &directory.path.join("log")));
    let directory = Directory { path: directory.path.clone(), onit };
    directory.wait_for_log("service | up", 3);
    assert!(!directory.log().contains("read the sources again"), "{}", directory.log());
}

#[test]
fn services_come_before_sv_where_few_files_may_be_open() {
    let mut directory = Directory::new("few");
    for number in 0..40 {
        directory = directory.script(&format!("s{number}/run"), "#!/bin/sh\nexec sleep 1000\n");
    }
    // Enough for the services, and not for their directories as well.
    let mut onit = Command::new("setpriv");
    onit.args(["--pdeathsig", "KILL", "prlimit", "--nofile=280:280"]);
    onit.arg(env!("CARGO_BIN_EXE_onit")).arg(directory.services());
    onit.env("ONIT_SOCKET", directory.path.join("onit.sock"));
    directory.onit = Some(Supervisor::start(&mut onit, &directory.path.join("log")));
    directory.wait_for_log(": started\n", 40);
    let said = directory.log();
    assert!(said.contains("no more than 280 files may be open"), "{said}");
    assert!(!said.contains("too many open files"), "{said}");
}
