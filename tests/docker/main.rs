//! The image of Dockerfile.example, built and run by a real engine: what an engine asks of PID 1.
//!
//! Needs a Docker engine, `busybox` and `script`; `.ci/run` brings them. Every test makes its own
//! containers and removes them.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test may start programs, wait for them, and stop at the first surprise"
)]

mod control;
mod engine;
mod hostile;
mod ready;

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use engine::{Container, Ended, Image, LONGEST_RUN, wait_until};

/// `docker stop` gives ten seconds. Nothing in these tests is slow to stop, so half is plenty.
const WELL_UNDER_THE_GRACE: Duration = Duration::from_secs(5);

/// A service directory with this one file, put where onit looks for it.
struct Services {
    directory: PathBuf,
}

impl Services {
    fn new(test: &str, files: &[(&str, &str)]) -> Self {
        let directory = std::env::temp_dir().join(format!("onit-{test}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a temporary directory");
        for (name, text) in files {
            fs::write(directory.join(name), text).expect("a service file");
        }
        Self { directory }
    }

    fn mount(&self) -> String {
        format!("--volume={}:/etc/onit/services:ro", self.directory.display())
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// No services, only what stands behind `--`.
const BARE: [&str; 2] = ["-e", "ONIT_SOURCES="];

/// Says its pid, which the configuration has to be told with a second `$` for each.
const WORKER: &str = r#"command = ["sh", "-c", "echo worker is up as $$$$; exec sleep 1000"]"#;

#[test]
#[ignore = "needs a Docker engine"]
fn the_example_stops_well_under_its_grace() {
    let image = Image::example();
    let container = image.start(&[], &[]);
    wait_until_it_says_something(&container);
    check_stop(&container, 0);
}

#[test]
#[ignore = "needs a Docker engine"]
fn the_example_runs_with_no_rights_at_all() {
    let image = Image::example();
    let options = ["-u", "1000", "--read-only", "--cap-drop", "ALL"];
    let options = [&options[..], &["--security-opt", "no-new-privileges"]].concat();
    let container = image.start(&options, &[]);
    wait_until_it_says_something(&container);
    check_stop(&container, 0);
}

#[test]
#[ignore = "needs a Docker engine"]
fn the_example_runs_behind_another_init() {
    let image = Image::example();
    let container = image.start(&["--init"], &[]);
    wait_until_it_says_something(&container);
    let processes = container.processes();
    assert!(processes.iter().any(|row| row.contains("docker-init")), "{processes:?}");
    check_stop(&container, 0);
}

#[test]
#[ignore = "needs a Docker engine"]
fn the_exit_code_is_that_of_the_main_command() {
    let image = Image::example();
    let check = |words: &[&str], expected: i32| {
        let ended = image.run(&BARE, &[&["--"], words].concat());
        assert_eq!(ended.code, expected, "{words:?}: {ended:?}");
        ended
    };
    let quiet = check(&["sh", "-c", "echo to stdout; echo to stderr >&2"], 0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("to stdout\n", "to stderr\n"));
    check(&["sh", "-c", "exit 7"], 7);
    check(&["sh", "-c", "kill -9 $$"], 137);
    let missing = check(&["/no/such/program"], 127);
    assert!(missing.stderr.contains("/no/such/program"), "{missing:?}");
    let directory = check(&["/etc"], 126);
    assert!(directory.stderr.contains("/etc"), "{directory:?}");
}

#[test]
#[ignore = "needs a Docker engine"]
fn a_stopped_main_command_says_143() {
    let image = Image::example();
    let container = image.start(&BARE, &["--", "sleep", "1000"]);
    container.wait_for_processes("sleep", |all| all.iter().any(|row| row.contains("sleep 1000")));
    check_stop(&container, 143);
    assert_eq!(container.logs(), "", "a better tini is as silent as tini");
}

#[test]
#[ignore = "needs a Docker engine"]
fn the_code_of_a_failure_is_the_code_of_the_container() {
    let image = Image::example();
    let failing = ("failing.toml", "command = [\"sh\", \"-c\", \"exit 3\"]\nrestart = \"never\"\n");
    let services = Services::new("failure", &[failing, ("worker.toml", WORKER)]);
    let ended = image.run(&[&services.mount()], &[]);
    assert_eq!(ended.code, 3, "{ended:?}");
}

#[test]
#[ignore = "needs a Docker engine"]
fn bad_configuration_starts_nothing_and_exits_2() {
    let image = Image::example();
    let wrong = ("wrong.toml", "comand = [\"sleep\", \"1000\"]\n");
    let services = Services::new("wrong", &[wrong, ("worker.toml", WORKER)]);
    let ended = image.run(&[&services.mount()], &[]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("wrong.toml:1"), "{ended:?}");
    assert!(!ended.stdout.contains("worker is up"), "{ended:?}");
}

#[test]
#[ignore = "needs a Docker engine"]
fn as_in_an_image_that_used_tini() {
    let example = Image::example();
    let lines =
        "ENV ONIT_SOURCES=\nENTRYPOINT [\"/onit\", \"--\"]\nCMD [\"sh\", \"-c\", \"exit 9\"]";
    let image = example.extended(lines);
    assert_eq!(image.run(&[], &[]).code, 9);
    let Ended { code, stdout, .. } = image.run(&[], &["sh", "-c", "echo instead of CMD"]);
    assert_eq!((code, stdout.as_str()), (0, "instead of CMD\n"));
}

#[test]
#[ignore = "needs a Docker engine"]
fn five_hundred_orphans_leave_no_zombie() {
    // Each subshell forks and ends at once, so its child is an orphan that PID 1 has to reap.
    let script = "i=0; while [ $i -lt 500 ]; do (: &); i=$((i+1)); done; echo done; sleep 1000";
    let image = Image::example();
    for options in [&BARE[..], &[&BARE[..], &["--init"]].concat()] {
        let container = image.start(options, &["--", "sh", "-c", script]);
        container.wait_for_log("done");
        container.wait_for_processes("nobody but the living", |all| {
            all.iter().all(|row| !row.starts_with('Z')) && all.len() <= 4
        });
        check_stop(&container, 143);
    }
}

#[test]
#[ignore = "needs a Docker engine"]
fn the_stop_signal_of_a_base_image_stops() {
    let image = Image::example();
    let services = Services::new("winch", &[("worker.toml", WORKER)]);
    let mount = services.mount();
    let options = ["--stop-signal", "SIGWINCH", "-e", "ONIT_STOP_SIGNALS=WINCH", &mount];
    let container = image.start(&options, &[]);
    container.wait_for_log("worker is up");
    check_stop(&container, 0);
}

#[test]
#[ignore = "needs a Docker engine"]
fn what_docker_exec_started_is_left_alone_until_the_end() {
    let image = Image::example();
    let services = Services::new("exec", &[("worker.toml", WORKER)]);
    let container = image.start(&[&services.mount()], &[]);
    container.wait_for_log("worker is up");
    container.exec_in_background(&["sleep", "2000"]);
    container.wait_for_processes("the guest", |all| is_there(all, "sleep 2000"));
    let logs = container.logs();
    let (_, rest) = logs.split_once("worker is up as ").expect("it was waited for");
    let pid = rest.lines().next().expect("a pid");
    let killed = container.exec(&["sh", "-c", &format!("kill -9 {pid}")]);
    assert_eq!(killed.code, 0, "{killed:?}");
    wait_until("a second start", || {
        let logs = container.logs();
        let starts = logs.matches("worker is up").count();
        if starts >= 2 { Ok(()) } else { Err(logs) }
    });
    assert!(is_there(&container.processes(), "sleep 2000"), "the guest was ended");
    check_stop(&container, 0);
}

#[test]
#[ignore = "needs a Docker engine"]
fn a_hangup_is_not_the_end() {
    let image = Image::example();
    let services = Services::new("hangup", &[("worker.toml", WORKER)]);
    let container = image.start(&[&services.mount()], &[]);
    container.wait_for_log("worker is up");
    container.signal("HUP");
    container.wait_for_log("reloaded; nothing has changed");
    assert!(container.is_running());
    assert_eq!(container.logs().matches("worker is up").count(), 1, "{}", container.logs());
    check_stop(&container, 0);

    let script = "trap 'exit 5' HUP; echo ready; while :; do sleep 1; done";
    let container = image.start(&BARE, &["--", "sh", "-c", script]);
    container.wait_for_log("ready");
    container.signal("HUP");
    assert_eq!(container.wait(), 5, "the main command gets every signal that is not ours");
}

#[test]
#[ignore = "needs a Docker engine"]
fn control_c_reaches_the_main_command() {
    let image = Image::example();
    let script = "trap 'exit 42' INT; echo read''y; while :; do sleep 1; done";
    let code = on_a_terminal(&image, &BARE, &["--", "sh", "-c", script], "ready");
    assert_eq!(code, 42);
}

#[test]
#[ignore = "needs a Docker engine"]
fn control_c_stops_the_services() {
    let image = Image::example();
    let services = Services::new("terminal", &[("worker.toml", WORKER)]);
    let code = on_a_terminal(&image, &[&services.mount()], &[], "worker is up");
    assert_eq!(code, 0);
}

/// Runs the image with `-it` on a terminal of its own, presses Ctrl-C once it has written `ready`,
/// and returns the exit code of the client.
fn on_a_terminal(image: &Image, options: &[&str], words: &[&str], ready: &str) -> i32 {
    let container = Container::to_be();
    let client = image.command(&container, &["run", "--rm", "-it"], options, words);
    let quoted = |word: &std::ffi::OsStr| {
        format!("'{}'", word.to_str().expect("UTF-8").replace('\'', r"'\''"))
    };
    let line: Vec<String> =
        std::iter::once(client.get_program()).chain(client.get_args()).map(quoted).collect();
    // script(1) gives the client a terminal, and -e hands its exit code on.
    let mut script = Command::new("timeout")
        .args([LONGEST_RUN, "script", "-q", "-e", "-c", &line.join(" "), "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script is installed (Debian: bsdutils)");
    let mut keyboard = script.stdin.take().expect("a pipe");
    let mut screen = script.stdout.take().expect("a pipe");
    let mut seen = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&seen).contains(ready) {
        let size = screen.read(&mut piece).expect("the screen can be read");
        assert!(size > 0, "ended early: {}", String::from_utf8_lossy(&seen));
        seen.extend(piece.iter().take(size));
    }
    keyboard.write_all(b"\x03").expect("script reads its keyboard");
    screen.read_to_end(&mut seen).expect("the screen can be read");
    let status = script.wait().expect("script ends with its client");
    status.code().unwrap_or(-1)
}

fn check_stop(container: &Container, expected: i32) {
    let (took, code) = container.stop();
    let logs = container.logs();
    assert_eq!(code, expected, "{logs}");
    assert!(took < WELL_UNDER_THE_GRACE, "took {took:?}:\n{logs}");
}

fn wait_until_it_says_something(container: &Container) {
    wait_until("a line from a service", || {
        let logs = container.logs();
        if logs.contains(" | ") { Ok(()) } else { Err(logs) }
    });
    assert!(container.is_running());
}

fn is_there(processes: &[String], command: &str) -> bool {
    processes.iter().any(|row| row.ends_with(command))
}
