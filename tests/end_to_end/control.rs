//! Asking a running onit, and telling it: the client, a client in Python, and clients that are up
//! to no good.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use super::sandbox::{Ended, PATIENCE, Running, Scene, onit, wait_until};
use super::services::at_rest;

/// A service that says who it is and then waits.
const UP: &str = "command = [\"sh\", \"-c\", \"echo up; exec sleep 1000\"]\n";

impl Running {
    /// What the client says.
    pub fn ask(&self, words: &[&str]) -> Ended {
        let start = std::time::Instant::now();
        let output = self.client(words).stdin(Stdio::null()).output().unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            took: start.elapsed(),
        }
    }

    fn client(&self, words: &[&str]) -> Command {
        let mut command = Command::new(onit());
        command.args(words).env("ONIT_SOCKET", self.folder().join("onit.sock"));
        command
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.folder().join("onit.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Checks what the client says, and its exit code.
    fn check(&self, words: &[&str], code: i32, expected: &str) -> &Self {
        let ended = self.ask(words);
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert_eq!(ended.code, code, "{words:?}: {all}");
        assert!(all.contains(expected), "{words:?}: {expected:?} in {all}");
        self
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder().join("services").join(format!("{name}.toml")), text).unwrap();
    }
}

fn ended_well(running: Running) {
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

fn web_and_db() -> Running {
    let running = Scene::init()
        .service("db", UP)
        .service("web", &format!("{UP}depends_on = [\"db\"]"))
        .service("setup", "type = \"oneshot\"\ncommand = [\"sh\", \"-c\", \"echo done\"]")
        .with_services()
        .start();
    running.wait_for("web | up").wait_for("setup | done");
    running.check(&["wait", "*"], 0, "setup: completed");
    running
}

#[test]
fn status_tells_how_services_are() {
    let running = web_and_db();
    let ended = running.ask(&["status"]);
    assert_eq!(ended.code, 0);
    let heads: Vec<String> = ended
        .stdout
        .lines()
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(heads, ["NAME STATE", "db up", "setup completed", "web up"]);
    running
        .check(&["status", "web", "nope"], 4, "no service is called nope")
        .check(&["status", "wbe"], 4, "did you mean web?")
        .check(&["status", "web"], 0, "depends on    db")
        .check(&["status", "web"], 0, "web | up")
        .check(&["health"], 0, "3 services, all up")
        .check(&["stop", "web"], 0, "web: down")
        .check(&["status"], 3, "stopped on request (killed by SIGTERM)")
        .check(&["health"], 1, "web is down")
        .check(&["health", "--level", "alive"], 0, "none has failed");
    let json = running.ask(&["status", "--json", "db"]);
    assert!(json.stdout.starts_with("[{\"service\":\"db\",\"state\":\"up\",\"is_up\":true"));
    assert!(json.stdout.contains("\"memory_bytes\":"), "{}", json.stdout);
    ended_well(running);
}

#[test]
fn orders_wait_for_the_outcome_and_change_nothing_twice() {
    let running = web_and_db();
    running
        .check(&["stop", "db"], 1, "db is needed by web")
        .check(&["stop", "db", "--with-dependents"], 0, "db: down")
        .check(&["stop", "db"], 0, "db: down already")
        .check(&["start", "web"], 0, "web: up, pid")
        .check(&["status", "db"], 0, "db: up")
        .check(&["start", "web"], 0, "web: up already, pid")
        .check(&["restart", "db"], 0, "db: up, pid")
        .check(&["stop", "db", "--force"], 0, "db: down")
        .check(&["status", "web"], 0, "web: up")
        .check(&["signal", "TERM", "db"], 1, "db does not run")
        .check(&["start", "setup"], 0, "setup: completed")
        .check(&["wait", "setup", "--for", "done"], 0, "setup: completed")
        .check(&["start", "nope"], 4, "no service is called nope")
        .check(&["start", "db", "--no-wait"], 0, "db: ");
    assert_eq!(running.stdout().matches("setup | done").count(), 2);
    ended_well(running);
}

#[test]
fn what_was_not_reached_is_told_with_its_reason_and_last_lines() {
    let running = Scene::init()
        .service(
            "flaky",
            "command = [\"sh\", \"-c\", \"echo no disk >&2; sleep 0.1; exit 3\"]\n\
             on_failure = \"continue\"\nrestart = \"never\"",
        )
        .service(
            "deaf",
            "command = [\"sh\", \"-c\", \"trap '' TERM; echo up; while :; do sleep 0.05; done\"]\n\
             stop.timeout = \"1s\"",
        )
        .with_services()
        .start();
    running.wait_for("deaf | up");
    running
        .check(&["wait", "flaky", "--for", "done"], 1, "flaky: failed: exit code 3")
        .check(&["wait", "flaky", "--for", "done"], 1, "  flaky | no disk")
        .check(&["health", "--level", "alive"], 1, "flaky is failed: exit code 3")
        .check(&["stop", "deaf", "--timeout", "100ms"], 1, "deaf: still stopping")
        .check(&["wait", "deaf", "--for", "stopped"], 0, "killed by SIGKILL");
    ended_well(running);
}

#[test]
fn what_is_stopped_by_hand_keeps_onit_alive() {
    let running = Scene::init().service("web", UP).with_services().start();
    running.wait_for("web | up");
    running
        .check(&["stop", "web"], 0, "web: down")
        .check(&["stop", "*"], 0, "web: down already")
        .check(&["start", "web"], 0, "web: up, pid")
        .check(&["stop", "web"], 0, "web: down")
        .check(&["shutdown", "--exit-code", "7"], 0, "");
    let ended = running.finish();
    assert_eq!(ended.code, 7, "{}", ended.stderr);
}

#[test]
fn a_reload_touches_only_what_changed() {
    let running = web_and_db();
    let pid = |name: &str| {
        let json = running.ask(&["status", "--json", name]).stdout;
        let rest = json.split("\"pid\":").nth(1).unwrap_or_default().to_owned();
        rest.split(',').next().unwrap().parse::<i32>().unwrap()
    };
    let (db, web) = (pid("db"), pid("web"));
    running.check(&["reload"], 0, "nothing has changed");
    running.write("web", &format!("{UP}depends_on = [\"db\"]\ndescription = \"another\""));
    running.check(&["reload"], 0, "nothing has changed");
    running.write("web", "command = [\"sleep\", \"2000\"]\ndepends_on = [\"db\"]");
    running.write("new", UP);
    running.check(&["reload", "--dry-run"], 0, "web: changed, would be restarted");
    assert_eq!(pid("web"), web);
    running.write("idle", &format!("{UP}autostart = false"));
    running.check(&["reload", "--dry-run"], 0, "idle: new, not started: see onit start");
    running.check(&["reload"], 0, "new: new, started");
    running.write("idle", UP);
    running.check(&["reload"], 0, "idle: changed, started");
    assert_eq!(pid("db"), db);
    assert_ne!(pid("web"), web);
    running.write("web", "command = [\"sleep\"");
    running.check(&["reload"], 1, "web.toml:1: ").check(&["status", "web"], 0, "sleep 2000");
    std::fs::remove_file(running.folder().join("services/web.toml")).unwrap();
    running.signal(libc::SIGHUP);
    running.wait_for_notice("reloaded; removed: web");
    wait_until("web is forgotten", || running.ask(&["status", "web"]).code == 4);
    assert_eq!(pid("db"), db);
    ended_well(running);
}

#[test]
fn logs_join_the_past_and_the_present_without_a_gap_or_a_double() {
    let running = Scene::init()
        .service(
            "count",
            "command = [\"sh\", \"-c\", \"i=0; while [ $i -lt 4000 ]; do i=$((i+1)); echo $i; done; \
             sleep 1000\"]",
        )
        .with_services()
        .start();
    running.wait_for("count | 10\n");
    let mut client = running
        .client(&["logs", "-f", "count"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut last = None;
    while last != Some(4000) {
        let line = lines.next().unwrap().unwrap();
        let number: usize = line.strip_prefix("count | ").unwrap().parse().unwrap();
        assert!(last.is_none_or(|last| number == last + 1), "{last:?}, then {number}");
        last = Some(number);
    }
    client.kill().unwrap();
    client.wait().unwrap();
    running.check(&["logs", "-n", "2", "count"], 0, "count | 3999\ncount | 4000\n");
    running.check(&["logs", "onit"], 0, "onit | count: started");
    running.check(&["logs", "nope"], 4, "no service is called nope");
    ended_well(running);
}

#[test]
fn who_follows_a_stream_from_before_its_first_line_misses_none_of_it() {
    const LATE: &str = "command = [\"sh\", \"-c\", \"while [ ! -e @FOLDER@/go ]; do sleep 0.01; \
                        done; seq 1 3; exec sleep 1000\"]";
    let running = Scene::init().service("early", UP).service("late", LATE).with_services().start();
    running.wait_for("early | up\n");
    let mut client = running
        .client(&["logs", "-f", "-n", "1", "early", "late"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut expect = |expected: &str| assert_eq!(lines.next().as_deref(), Some(expected));
    expect("early | up");
    std::fs::write(running.folder().join("go"), "").unwrap();
    (1..=3).for_each(|number| expect(&format!("late | {number}")));
    // One that is gone and comes back is followed again.
    std::fs::remove_file(running.folder().join("services/late.toml")).unwrap();
    running.check(&["reload"], 0, "late");
    let folder = running.folder().to_str().unwrap();
    running.write("late", &LATE.replace("@FOLDER@", folder));
    running.check(&["reload"], 0, "late");
    (1..=3).for_each(|number| expect(&format!("late | {number}")));
    client.kill().unwrap();
    client.wait().unwrap();
    ended_well(running);
}

/// The lines that come through a connection, each as the text behind a member: `"message":"42`.
fn follow(running: &Running, what: &str) -> BufReader<UnixStream> {
    let mut follower = running.connect();
    let request = format!("{{\"onit\":1,\"do\":\"{what}\",\"follow\":true}}\n");
    follower.write_all(request.as_bytes()).unwrap();
    BufReader::new(follower)
}

/// The number behind `key` in a line.
fn number(line: &str, key: &str) -> Option<u64> {
    let rest = line.split(key).nth(1)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[test]
fn who_reads_logs_too_slowly_is_told_how_many_lines_it_missed() {
    const LINES: u64 = 60_000;
    let running = Scene::init()
        .service(
            "count",
            "command = [\"sh\", \"-c\", \"echo 0; while [ ! -e @FOLDER@/go ]; do sleep 0.01; done; \
             seq 1 60000; sleep 1000\"]",
        )
        .with_services()
        .start();
    running.wait_for("count | 0\n");
    let mut slow = follow(&running, "logs");
    let mut line = String::new();
    while number(&line, "\"message\":\"") != Some(0) {
        line.clear();
        slow.read_line(&mut line).unwrap();
    }
    std::fs::write(running.folder().join("go"), "").unwrap();
    // It reads nothing, and nobody waits for it.
    running.wait_for("count | 60000\n");
    let (mut next, mut lost) = (1, 0);
    while next <= LINES {
        line.clear();
        slow.read_line(&mut line).unwrap();
        if let Some(count) = number(&line, "\"count\":") {
            next += count;
            lost += count;
        } else if line.contains("\"service\":\"count\"") {
            assert_eq!(number(&line, "\"message\":\""), Some(next));
            next += 1;
        }
    }
    assert!(lost > 0);
    ended_well(running);
}

#[test]
fn who_reads_events_too_slowly_is_told_how_many_it_missed() {
    let running = web_and_db();
    let mut slow = follow(&running, "events");
    let mut line = String::new();
    slow.read_line(&mut line).unwrap();
    let mut next = number(&line, "\"number\":").unwrap();
    let mut busy = running.connect();
    let mut answers = BufReader::new(busy.try_clone().unwrap());
    // More than a socket and onit keep for it.
    for _ in 0..500 {
        busy.write_all(b"{\"onit\":1,\"do\":\"restart\",\"names\":[\"web\"]}\n").unwrap();
        line.clear();
        while !line.starts_with("{\"end\"") {
            line.clear();
            answers.read_line(&mut line).unwrap();
        }
    }
    let mut lost = 0;
    // The first that follows what was missed is one that happens after it has begun to read.
    while lost == 0 {
        line.clear();
        slow.get_ref().set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
        if slow.read_line(&mut line).is_err() {
            running.check(&["restart", "web"], 0, "web: up");
            continue;
        }
        match number(&line, "\"count\":") {
            Some(count) => lost = count,
            None => {
                next += 1;
                assert_eq!(number(&line, "\"number\":"), Some(next));
            }
        }
    }
    line.clear();
    slow.read_line(&mut line).unwrap();
    assert_eq!(number(&line, "\"number\":"), Some(next + lost + 1));
    ended_well(running);
}

#[test]
fn events_come_once_and_in_order() {
    let running = web_and_db();
    let mut client =
        running.client(&["events", "-f", "--json", "web"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    running.check(&["restart", "web"], 0, "web: up");
    let mut seen = Vec::new();
    let mut numbers = Vec::new();
    while seen.last().map(String::as_str) != Some("up") || seen.len() < 6 {
        let line = lines.next().unwrap().unwrap();
        let after = |key: &str| line.split(key).nth(1).unwrap().to_owned();
        seen.push(after("\"to\":\"").split('"').next().unwrap().to_owned());
        numbers.push(after("\"number\":").split(',').next().unwrap().parse::<u64>().unwrap());
    }
    assert_eq!(seen, ["starting", "up", "stopping", "waiting", "starting", "up"]);
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    client.kill().unwrap();
    client.wait().unwrap();
    ended_well(running);
}

/// The client of docs/control-protocol.md, as it stands there.
#[test]
fn the_client_of_the_documentation_works() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("no python3: the client of the documentation cannot be tried");
        return;
    }
    let running = web_and_db();
    let page = include_str!("../../docs/control-protocol.md");
    let client = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let python = |script: &str| {
        let output = Command::new("python3")
            .args(["-c", script])
            .env("ONIT_SOCKET", running.folder().join("onit.sock"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(python(client), "db up \nsetup completed exit code 0\nweb up \n");
    let functions = client.split("for kind").next().unwrap();
    let stop = format!(
        "{functions}\n\
         print([k for k, _ in ask('stop', names=['db'], dependents='stop') if k != 'progress'])\n\
         print([c['reached'] for k, c in ask('start', names=['web']) if k == 'outcome'])\n\
         print([c['error'] for k, c in ask('start', names=['no']) if k == 'end'])\n\
         print([c['message'] for k, c in ask('logs', names=['web'], lines=1) if k == 'log'])\n"
    );
    assert_eq!(python(&stop), "['outcome', 'outcome', 'end']\n[True]\n['unknown']\n['up']\n");
    ended_well(running);
}

#[test]
fn a_client_that_is_up_to_no_good_costs_only_itself() {
    let running = web_and_db();
    let is_well = || {
        let ended = running.ask(&["health"]);
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    };
    // Says nothing.
    let silent: Vec<UnixStream> = (0..300).map(|_| running.connect()).collect();
    is_well();
    drop(silent);
    // Says nothing that makes sense, and goes on to say it.
    let mut garbage = running.connect();
    let bytes: Vec<u8> = (0..=255u8).cycle().take(200_000).collect();
    let _ = garbage.write_all(&bytes);
    let mut answer = String::new();
    let _ = BufReader::new(&garbage).read_line(&mut answer);
    assert!(answer.contains("bad-request"), "{answer}");
    is_well();
    // Half a request, and no more.
    let mut half = running.connect();
    half.write_all(b"{\"onit\":1,\"do\":\"sta").unwrap();
    is_well();
    // More than any request may be long: the connection is closed.
    let mut endless = running.connect();
    let chunk = [b'x'; 65536];
    wait_until("it is thrown out", || endless.write_all(&chunk).is_err());
    is_well();
    // Asks and asks and never reads.
    let deaf = running.connect();
    deaf.set_nonblocking(true).unwrap();
    while (&deaf).write(b"{\"onit\":1,\"do\":\"status\"}\n").is_ok() {}
    is_well();
    // Follows and never reads.
    for what in ["logs", "events"] {
        let mut follower = running.connect();
        let request = format!("{{\"onit\":1,\"do\":\"{what}\",\"follow\":true}}\n");
        follower.write_all(request.as_bytes()).unwrap();
        is_well();
    }
    // Asks, and says that this was all: it gets its answer.
    let mut polite = running.connect();
    polite.write_all(b"{\"onit\":1,\"do\":\"health\"}\n").unwrap();
    polite.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    polite.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("{\"end\":{\"ok\":true"), "{answer}");
    // Leaves while it is waited for.
    let mut gone = running.connect();
    gone.write_all(b"{\"onit\":1,\"do\":\"wait\",\"names\":[\"db\"],\"for\":\"stopped\"}\n")
        .unwrap();
    let mut first = String::new();
    BufReader::new(&gone).read_line(&mut first).unwrap();
    assert!(first.contains("progress"), "{first}");
    drop(gone);
    is_well();
    drop((half, deaf));
    // With everybody gone there is nothing to do any more.
    at_rest(running.pid);
    ended_well(running);
}

#[test]
fn clients_neither_take_all_descriptors_nor_keep_onit_busy() {
    let running = Scene::init()
        .before_exec(|| {
            let limit = libc::rlimit { rlim_cur: 32, rlim_max: 32 };
            // SAFETY: setrlimit reads the limit it is given.
            unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
            Ok(())
        })
        .service("web", UP)
        .with_services()
        .start();
    running.wait_for("web | up");
    let silent: Vec<UnixStream> = (0..100).map(|_| running.connect()).collect();
    at_rest(running.pid);
    running.check(&["restart", "web"], 0, "web: up, pid");
    drop(silent);
    running.check(&["health"], 0, "1 service, all up");
    at_rest(running.pid);
    ended_well(running);
}

#[test]
fn the_socket_is_ours_alone_and_a_stale_one_is_replaced() {
    let scene = Scene::init().service("web", UP);
    let socket = scene.socket();
    // Left behind by one that is gone.
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let running = scene.with_services().start();
    running.wait_for("web | up").check(&["health"], 0, "1 service, all up");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = Scene::init().service("web", UP).with_services().env("ONIT_SOCKET", &socket);
    let ended = second.run();
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("another onit answers at"), "{}", ended.stderr);
    running.check(&["health"], 0, "1 service, all up");
    running.check(&["shutdown"], 0, "");
    assert_eq!(running.finish().code, 0);
    assert!(!socket.exists());
}

#[test]
fn without_a_place_for_a_socket_services_run() {
    let running = Scene::init()
        .service("web", UP)
        .with_services()
        .env("ONIT_SOCKET", "/no/such/place/onit.sock")
        .start();
    running.wait_for("web | up");
    running.wait_for_notice("cannot make the control socket /no/such/place/onit.sock");
    running.check(&["status"], 5, "is onit running there?");
    ended_well(running);
}

#[test]
fn the_manual_is_one() {
    let page = Command::new(onit()).arg("manual").output().unwrap().stdout;
    let groff = ["-man", "-ww", "-Tutf8"];
    let Ok(mut groff) = Command::new("groff")
        .args(groff)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        eprintln!("no groff: the manual cannot be set");
        return;
    };
    groff.stdin.take().unwrap().write_all(&page).unwrap();
    let set = groff.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&set.stderr), "");
    assert!(String::from_utf8_lossy(&set.stdout).contains("onit"));
}

#[test]
fn completions_complete() {
    let script = Command::new(onit()).args(["completions", "bash"]).output().unwrap().stdout;
    let script = String::from_utf8(script).unwrap();
    let complete = |words: &str, at: usize| {
        let asked = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD={at}; _onit; echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash").args(["-c", &asked]).current_dir("/").output();
        output.map(|output| String::from_utf8(output.stdout).unwrap())
    };
    let Ok(verbs) = complete("onit sta", 1) else {
        eprintln!("no bash: completions cannot be tried");
        return;
    };
    assert_eq!(verbs, "status start\n");
    assert_eq!(complete("onit stop --w", 2).unwrap(), "--with-dependents\n");
    assert_eq!(complete("onit completions f", 2).unwrap(), "fish\n");
}

#[test]
fn a_lone_main_command_has_no_socket() {
    let scene = Scene::init();
    let socket = scene.socket();
    let running = scene.args(&["--", "sh", "-c", "echo up; exec sleep 1000"]).start();
    running.wait_for("up");
    assert!(!socket.exists());
    running.signal(libc::SIGTERM);
    assert_eq!(running.finish().code, 143);
}

#[test]
fn the_main_command_is_not_stopped_by_hand() {
    let running = Scene::init()
        .service("web", UP)
        .with_services()
        .args(&["--", "sh", "-c", "echo main is up; exec sleep 1000"])
        .start();
    running.wait_for("main is up");
    running
        .check(&["status", "main"], 0, "main: up")
        .check(&["stop", "main"], 1, "that is onit shutdown")
        .check(&["logs", "main"], 1, "nothing is kept of it")
        .check(&["signal", "TERM", "main"], 0, "main: signalled");
    assert_eq!(running.finish().code, 143);
}

#[test]
fn what_is_only_started_on_request_waits_for_one() {
    let running = Scene::init()
        .service("db", &format!("{UP}autostart = false"))
        .service("setup", "command = [\"true\"]\ntype = \"oneshot\"")
        .with_services()
        .start();
    running.wait_for_notice("setup: exit code 0");
    running
        .check(&["health"], 0, "1 service, all up")
        .check(&["status"], 0, "is not started by itself")
        .check(&["status", "db"], 0, "onit start db")
        .check(&["start", "db"], 0, "db: up, pid")
        .check(&["stop", "db"], 0, "db: down")
        .check(&["health"], 0, "1 service, all up");
    ended_well(running);
}

#[test]
fn a_directory_of_runit_is_watched() {
    let scene = Scene::init();
    let services = scene.folder().join("service");
    let make = |path: &Path| {
        std::fs::create_dir_all(path).unwrap();
        std::fs::write(path.join("run"), "#!/bin/sh\nexec sleep 1000\n").unwrap();
        std::fs::set_permissions(path.join("run"), PermissionsExt::from_mode(0o755)).unwrap();
    };
    make(&services.join("first"));
    let elsewhere = scene.folder().join("sv/linked");
    make(&elsewhere);
    // What comes to nothing is not worth a word, unless one listens closely.
    let running = scene.with_source(&services).env("ONIT_LOG_LEVEL", "debug").start();
    running.wait_for_notice("first: started");
    // A link to one, a new one, one that is not whole for long, and one that goes.
    std::os::unix::fs::symlink(&elsewhere, services.join("linked")).unwrap();
    running.wait_for_notice("linked: started");
    make(&services.join("second"));
    running.wait_for_notice("second: started");
    std::fs::create_dir(services.join("late")).unwrap();
    running.wait_for_notice("nothing has changed");
    make(&services.join("late"));
    running.wait_for_notice("late: started");
    std::fs::rename(services.join("second"), services.join("third")).unwrap();
    running.wait_for_notice("second: stopped").wait_for_notice("third: started");
    std::fs::remove_file(services.join("linked")).unwrap();
    running.wait_for_notice("linked: stopped");
    // And nothing wakes it when nothing changes.
    at_rest(running.pid);
    ended_well(running);
}

#[test]
fn an_answer_about_a_thousand_services_comes_to_its_end() {
    // Some 140 KB: more than is put into words ahead, and less than the socket takes at once.
    let idle = "command = [\"sleep\", \"1000\"]\nautostart = false\ninstances = 1000\n";
    let name = "idle-with-a-rather-long-name";
    let running = Scene::init().service(name, idle).with_services().start();
    let mut client = Command::new("timeout");
    client.arg("20").arg(onit()).args(["stop", name]);
    client.env("ONIT_SOCKET", running.folder().join("onit.sock"));
    wait_until("onit listens", || running.ask(&["status"]).code == 0);
    let output = client.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(said.lines().count(), 1000, "{said}");
    ended_well(running);
}
