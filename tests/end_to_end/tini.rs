//! The main command: at least as right as tini, dumb-init and catatonit are where they are right,
//! and right where they are wrong.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::sandbox::{
    Ended, PATIENCE, Scene, children, one_below, onit, read, send, stat, status, wait_until,
    wait_until_or,
};

#[test]
fn the_exit_code_is_that_of_the_command() {
    for code in [0, 1, 2, 7, 42, 125, 126, 127, 128, 143, 255] {
        let ended = Scene::init().script(&format!("exit {code}")).run();
        assert_eq!((ended.code, ended.stderr.as_str()), (code, ""));
    }
}

#[test]
fn every_exit_code_passes_through() {
    // Not as PID 1, which is as good for this and far cheaper.
    for code in 0..=255 {
        let status =
            Command::new(onit()).args(["--", "sh", "-c", &format!("exit {code}")]).status();
        assert_eq!(status.unwrap().code(), Some(code));
    }
}

#[test]
fn death_by_a_signal_is_128_and_its_number() {
    for signal in (1..=16).chain([24, 25, 26, 27, 29, 30, 31]).chain(34..=64) {
        let ended = Scene::init().script(&format!("ulimit -c 0; kill -{signal} $$")).run();
        assert_eq!((ended.code, ended.stderr.as_str()), (128 + signal, ""));
    }
}

#[test]
fn every_signal_that_can_be_passed_on_is() {
    // What the shell can trap, and what onit catches. 32 and 33 are the libc's own.
    let ours = [4, 5, 6, 7, 8, 9, 11, 17, 19, 21, 22, 31, 32, 33];
    let signals: Vec<i32> = (1..=64).filter(|signal| !ours.contains(signal)).collect();
    let list: Vec<String> = signals.iter().map(ToString::to_string).collect();
    let script = format!(
        "for s in {}; do trap \"echo got $s.\" $s; done; echo ready; while :; do sleep 1000 & wait $!; done",
        list.join(" ")
    );
    for running in [
        Scene::init().args(&["--", "bash", "-c", &script]).start(),
        Scene::process().args(&["--", "bash", "-c", &script]).start(),
    ] {
        running.wait_for("ready");
        for signal in &signals {
            running.signal(*signal);
            running.wait_for(&format!("got {signal}.\n"));
        }
        assert_eq!(running.stderr(), "");
    }
}

#[test]
fn repeated_signals_are_all_passed_on() {
    let script = "trap 'echo again' TERM; echo ready; while :; do sleep 1000 & wait $!; done";
    let running = Scene::init().script(script).start();
    running.wait_for("ready");
    for times in 1..=5 {
        running.signal(libc::SIGTERM);
        running.wait_for_times("again", times);
    }
}

#[test]
fn inherited_dispositions_and_masks_break_nothing() {
    let ended = Scene::init()
        .before_exec(|| {
            // SAFETY: signal and sigprocmask are async-signal-safe.
            unsafe {
                libc::signal(libc::SIGCHLD, libc::SIG_IGN);
                libc::signal(libc::SIGPIPE, libc::SIG_IGN);
                let mut all = std::mem::zeroed();
                libc::sigfillset(&mut all);
                libc::sigprocmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
            }
            Ok(())
        })
        .args(&["--", "cat", "/proc/self/status"])
        .run();
    assert_eq!(ended.code, 0);
    for name in ["SigBlk", "SigIgn", "SigCgt"] {
        let none = format!("{name}:\t0000000000000000\n");
        assert!(ended.stdout.contains(&none), "{}", ended.stdout);
    }
}

#[test]
fn orphans_are_reaped_and_no_zombie_is_left() {
    let script = "for i in $(seq 500); do (sh -c 'exit 3' & ) ; done; echo made; read line";
    let (reader, writer) = std::io::pipe().unwrap();
    let running = Scene::init().stdin(reader).script(script).start();
    running.wait_for("made");
    wait_until("only the main command is left", || children(running.pid).len() == 1);
    drop(writer);
    assert_eq!(running.finish().code, 1);
}

#[test]
fn orphans_are_adopted_where_onit_is_not_pid_1() {
    let running = Scene::process().script("(sleep 1000 &); echo made; read line").start();
    running.wait_for("made");
    // `read` failed at once, and what lives on hears TERM.
    let ended = running.finish();
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""));
}

#[test]
fn what_lives_on_hears_term_and_then_kill() {
    let script = "setsid sh -c 'trap \"echo heard; exit\" TERM; echo one; while :; do sleep 1000 & wait; done' & \
                  setsid sh -c 'trap \"\" TERM; echo two; while :; do sleep 0.01; done' & \
                  read a; exit 3";
    let (reader, writer) = std::io::pipe().unwrap();
    let running = Scene::init().stdin(reader).script(script).start();
    running.wait_for("one").wait_for("two");
    drop(writer);
    let ended = running.finish();
    assert_eq!(ended.code, 3);
    assert!(ended.stdout.contains("heard"), "{}", ended.stdout);
    assert!(ended.took.as_secs() < 9, "{:?}", ended.took);
}

#[test]
fn a_stopped_command_is_not_a_dead_one() {
    let mut running = Scene::init()
        .script("trap 'echo on' CONT; echo ready; while :; do sleep 1000 & wait; done")
        .start();
    running.wait_for("ready");
    let main = children(running.pid)[0];
    let state = || std::fs::read_to_string(format!("/proc/{main}/stat")).unwrap();
    // SAFETY: kill takes two numbers.
    unsafe { libc::kill(main, libc::SIGSTOP) };
    wait_until("it is stopped", || state().contains(") T "));
    assert!(!running.is_over());
    running.signal(libc::SIGCONT);
    running.wait_for("on");
}

#[test]
fn output_passes_byte_for_byte() {
    let mut child = Command::new(onit())
        .args(["--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let bytes: Vec<u8> =
        (0..4_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut stdin = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.stdout == bytes && output.status.code() == Some(0));
}

#[test]
fn at_rest_nothing_wakes_up() {
    let running = Scene::init().script("echo ready; exec sleep 1000").start();
    running.wait_for("ready");
    let before = super::services::at_rest(running.pid);
    // Something else takes its time meanwhile.
    let other = Scene::process().script("sleep 2").run();
    assert_eq!(other.code, 0);
    assert_eq!(super::services::switches(running.pid), before);
}

#[test]
fn a_deadline_that_was_asked_for_holds() {
    let running = Scene::init()
        .args(&["--stop-timeout", "1s"])
        .script("trap '' TERM; echo ready; while :; do sleep 0.01; done")
        .start();
    running.wait_for("ready");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 137);
    assert!(ended.took.as_secs() < 5, "{:?}", ended.took);
}

#[test]
fn without_one_the_command_has_all_the_time_it_wants() {
    let script = "trap 'echo heard' TERM; echo ready; while :; do sleep 1000 & wait; done";
    let mut running = Scene::init().script(script).start();
    running.wait_for("ready");
    running.signal(libc::SIGTERM);
    running.wait_for("heard");
    running.signal(libc::SIGTERM);
    running.wait_for_times("heard", 2);
    assert!(!running.is_over());
    running.signal(libc::SIGKILL);
    wait_until_or("it is over", PATIENCE, || running.is_over(), String::new);
}

/// What is passed on reaches the shell that waits here; it says so, `ready` first.
const SAYS_SIGNALS: &str = "for n in $(seq 1 64); do case $n in 9|17|19|32|33) ;; \
     *) trap \"echo got $n.\" $n;; esac; done; \
     sleep 1000 & echo ready; while :; do wait $!; done";

#[test]
fn what_is_not_passed_on_reaches_nobody() {
    // What says that a process itself is broken, and what concerns whoever touches a terminal.
    let running = Scene::init().script(SAYS_SIGNALS).start();
    running.wait_for("ready\n");
    for signal in [4, 5, 6, 7, 8, 11, 21, 22, 31] {
        running.signal(signal);
    }
    running.signal(libc::SIGUSR1);
    running.wait_for("got 10.\n");
    assert_eq!(running.stdout(), "ready\ngot 10.\n");
}

#[test]
fn no_early_signal_is_lost() {
    for round in 0..200 {
        let scene = Scene::init().args(&["--", "sleep", "1000"]);
        let scene = if round % 4 == 0 { scene.below_a_shell() } else { scene };
        let running = scene.start();
        // Before the first statement of `main` the kernel discards what is sent to PID 1.
        wait_until("main has begun", || {
            ["SigBlk", "SigCgt"].iter().any(|set| {
                let set = u64::from_str_radix(&status(running.pid, set), 16).unwrap();
                set & 1 << (libc::SIGTERM - 1) != 0
            })
        });
        running.signal(libc::SIGTERM);
        assert_eq!(running.finish().code, 143);
    }
}

#[test]
fn a_signal_from_before_the_start_is_not_lost() {
    // Blocked and pending survives an exec; see signal(7).
    let ended = Scene::init()
        .args(&["--", "sleep", "1000"])
        .wrapped(&["env", "--block-signal", "sh", "-c", "kill -TERM $$; exec \"$@\"", "sh"])
        .run();
    assert_eq!((ended.code, ended.stderr.as_str()), (143, ""));
}

#[test]
fn whatever_was_ignored_ends_the_command_again() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGPIPE, libc::SIGTERM, 34] {
        let running = Scene::init()
            .args(&["--", "sleep", "1000"])
            .wrapped(&["env", "--ignore-signal", "--block-signal"])
            .start();
        let sleep = one_below(running.pid, "sleep 1000");
        // 32 and 33 too, which a libc hides.
        for set in ["SigIgn", "SigBlk", "SigCgt"] {
            assert_eq!(status(sleep, set), "0000000000000000");
        }
        running.signal(signal);
        assert_eq!(running.finish().code, 128 + signal);
    }
}

#[test]
fn the_command_finds_everything_as_an_exec_would_have_left_it() {
    let scene = |scene: Scene, folder: &str| {
        let odd: &OsStr = OsStrExt::from_bytes(b"\xff\xfe=\n");
        scene
            .env("EMPTY", "")
            .env("NOTIFY_SOCKET", "/run/notify")
            .env("ONIT_OWN", "kept")
            .env("ONIT_SOURCES", "")
            .env("BYTES", odd)
            .prepared(
                &format!("cd {folder}; umask 0027; ulimit -n 200; ulimit -c 0"),
                &format!("5< {folder}/file 9>> {folder}/file"),
            )
            .wrapped(&["nice", "-n", "3"])
    };
    let folder = folder("exec");
    std::fs::write(folder.join("file"), "").unwrap();
    let folder_text = folder.display().to_string();
    let alone = scene(Scene::of_init("sleep").args(&["1000"]), &folder_text).start();
    let onit = scene(Scene::init().args(&["--", "sleep", "1000"]), &folder_text).start();
    let (expected, found) = (alone.pid, one_below(onit.pid, "sleep 1000"));
    wait_until("the other sleeps too", || stat(expected, 3) == "S");
    for file in ["cmdline", "environ", "oom_score_adj"] {
        assert_eq!(read(found, file), read(expected, file), "{file}");
    }
    assert!(read(found, "environ").windows(10).any(|bytes| bytes == b"BYTES=\xff\xfe=\n"));
    for line in ["Umask", "Uid", "Gid", "Groups", "SigBlk", "SigCgt", "CapEff", "CapBnd"] {
        assert_eq!(status(found, line), status(expected, line), "{line}");
    }
    // Signals that were ignored are the one exception.
    assert_eq!(status(found, "SigIgn"), "0000000000000000");
    assert_eq!(stat(found, 19), stat(expected, 19));
    assert_eq!(stat(found, 19), "3");
    let link = |pid: i32, name: &str| std::fs::read_link(format!("/proc/{pid}/{name}")).unwrap();
    for name in ["cwd", "root", "fd/0", "fd/5", "fd/9"] {
        assert_eq!(link(found, name), link(expected, name), "{name}");
    }
    // Whoever runs the tests may have left others open.
    assert_eq!(descriptors(found), descriptors(expected));
    assert!([0, 1, 2, 5, 9].iter().all(|fd| descriptors(found).contains(fd)));
    let limits = |pid: i32| -> Vec<String> {
        let text = String::from_utf8(read(pid, "limits")).unwrap();
        // It bears the mark of its run.
        let lines = text.lines().filter(|line| !line.starts_with("Max file locks"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(limits(found), limits(expected));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn arguments_pass_byte_for_byte() {
    let words: Vec<&str> = "sh\n-c\nsleep 1000; :\n\n--\n-x\na b\n$HOME".split('\n').collect();
    let running = Scene::init().args(&["--"]).args(&words).start();
    one_below(running.pid, "sleep 1000");
    let shell = children(running.pid)[0];
    assert_eq!(read(shell, "cmdline"), b"sh\0-c\0sleep 1000; :\0\0--\0-x\0a b\0$HOME\0");
}

#[test]
fn whoever_is_killed_in_the_end_was_given_two_seconds_and_is_named() {
    for scene in [Scene::init(), Scene::init().below_a_shell()] {
        let start = Instant::now();
        let script = "trap '' TERM; setsid sleep 1000 & sleep 1001 & exit 3";
        let ended = scene.script(script).run();
        let took = start.elapsed();
        assert_eq!(ended.code, 3);
        assert!(took.as_millis() >= 1900 && took.as_secs() < 8, "{took:?}");
        let said = "onit | main: processes it left behind did not end in time, are killed\n";
        assert_eq!(ended.stderr, said);
    }
}

#[test]
fn not_as_pid_1_it_stops_and_goes_on_with_its_command() {
    let scene = Scene::init().below_a_shell();
    let running = scene.script("kill -STOP $$; echo again; exit 6").start();
    wait_until("both are stopped", || {
        let main = children(running.pid);
        stat(running.pid, 3) == "T" && main.iter().all(|main| stat(*main, 3) == "T")
    });
    running.signal(libc::SIGCONT);
    let ended = running.finish();
    assert_eq!((ended.code, ended.stdout.as_str()), (6, "again\n"));
}

#[test]
fn not_as_pid_1_orphans_are_its_children() {
    let scene = Scene::init().below_a_shell().script("(sleep 1001 &); exec sleep 1000");
    let running = scene.start();
    one_below(running.pid, "sleep 1000");
    let orphan = one_below(running.pid, "sleep 1001");
    wait_until("it is adopted", || children(running.pid).contains(&orphan));
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!((ended.code, ended.stderr.as_str()), (143, ""));
}

// ---- side by side ----

/// An init to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Init {
    Onit,
    Tini,
    Dumb,
    Catatonit,
}

use Init::{Catatonit, Dumb, Onit, Tini};

impl Init {
    fn program(self) -> &'static str {
        match self {
            Onit => onit(),
            Tini => "tini",
            Dumb => "dumb-init",
            Catatonit => "catatonit",
        }
    }

    fn is_installed(self) -> bool {
        if Command::new(self.program()).arg("--version").output().is_ok() {
            return true;
        }
        eprintln!("{} is not installed, and not compared with", self.program());
        false
    }

    /// As PID 1, with a main command.
    fn main(self, words: &[&str]) -> Scene {
        Scene::of_init(self.program()).env("ONIT_SOURCES", "").args(&["--"]).args(words)
    }

    fn script(self, script: &str) -> Scene {
        self.main(&["sh", "-c", script])
    }
}

/// What a peer is known to do that onit does not.
const HANGS: &str = "hangs";

/// The scenario comes out as `expected` under onit; under a peer too, or as the table says. A peer
/// that hangs is not tried.
fn compare(
    name: &str,
    scenario: impl Fn(Init) -> String,
    expected: &str,
    differences: &[(Init, &str)],
) {
    for init in [Onit, Tini, Dumb, Catatonit] {
        if !init.is_installed() || differences.contains(&(init, HANGS)) {
            continue;
        }
        let outcome = scenario(init);
        let is_known = init != Onit && differences.contains(&(init, outcome.as_str()));
        assert!(outcome == expected || is_known, "{name}, {init:?}: {outcome}, not {expected}");
    }
}

fn outcome(ended: &Ended) -> String {
    format!("{} {}", ended.code, ended.stdout.trim_end()).trim_end().to_owned()
}

#[test]
fn side_by_side_scripts_end_alike() {
    for (script, expected) in [
        ("exit 0", "0"),
        ("exit 255", "255"),
        ("kill -9 $$", "137"),
        ("kill -TERM $$", "143"),
        ("kill -64 $$", "192"),
        ("(true &); exit 4", "4"),
        ("trap 'echo got it; kill $!; exit 4' TERM; sleep 1000 & kill 1; wait", "4 got it"),
        ("for n in $(seq 500); do (sleep 0 &); done; echo forked", "0 forked"),
    ] {
        compare(script, |init| outcome(&init.script(script).run()), expected, &[]);
    }
}

#[test]
fn side_by_side_every_code_and_signal_passes() {
    let all_codes = "for n in $(seq 0 255); do \"$@\" -- sh -c \"exit $n\"; \
                     [ $? = $n ] || echo wrong $n; done";
    let all_signals = "for n in $(seq 1 16) $(seq 24 27) $(seq 29 31) $(seq 34 64); do \
                       \"$@\" -- sh -c \"kill -$n \\$\\$\" 2> /dev/null; \
                       [ $? = $((128 + n)) ] || echo wrong $n; done";
    for script in [all_codes, all_signals] {
        let scenario = |init: Init| {
            let scene = Scene::of_init("sh").args(&["-c", script, "sh", init.program()]);
            outcome(&scene.env("ONIT_SOURCES", "").run())
        };
        compare(script, scenario, "0", &[]);
    }
}

#[test]
fn side_by_side_signals_are_passed_on() {
    let ours = [4, 5, 6, 7, 8, 9, 11, 17, 19, 21, 22, 31, 32, 33];
    // dumb-init makes a STOP of TSTP; catatonit keeps it.
    let all: Vec<i32> = (1..=64).filter(|s| !ours.contains(s) && *s != libc::SIGTSTP).collect();
    let scenario = |is_init: bool| {
        let all = all.clone();
        move |init: Init| {
            let scene = init.script(SAYS_SIGNALS);
            let running = if is_init { scene } else { scene.below_a_shell() }.start();
            running.wait_for("ready\n");
            for signal in &all {
                running.signal(*signal);
                running.wait_for(&format!("got {signal}.\n"));
            }
            "all".to_owned()
        }
    };
    compare("as PID 1", scenario(true), "all", &[]);
    compare("not as PID 1", scenario(false), "all", &[]);
    let repeats = |init: Init| {
        let running = init.script(SAYS_SIGNALS).start();
        running.wait_for("ready\n");
        for times in 1..=5 {
            running.signal(libc::SIGTERM);
            running.wait_for_times("got 15.\n", times);
        }
        "five".to_owned()
    };
    compare("repeats", repeats, "five", &[]);
}

#[test]
fn side_by_side_odd_starts() {
    let script = "sleep 0; echo done; exit 5";
    let chld =
        |init: Init| outcome(&init.script(script).wrapped(&["env", "--ignore-signal=CHLD"]).run());
    compare("CHLD ignored", chld, "5 done", &[(Tini, HANGS), (Catatonit, HANGS)]);
    let block =
        |init: Init| outcome(&init.script(script).wrapped(&["env", "--block-signal"]).run());
    compare("all blocked", block, "5 done", &[]);
    let listen = |init: Init| {
        let script = "[ $LISTEN_PID = $$ ] && [ $LISTEN_FDS = 1 ] && echo right";
        outcome(&init.script(script).env("LISTEN_PID", "1").env("LISTEN_FDS", "1").run())
    };
    compare("LISTEN_PID", listen, "0 right", &[(Tini, "1"), (Dumb, "1")]);
    let foreign = |init: Init| {
        let script = "[ $LISTEN_PID = 4711 ] && echo right";
        outcome(&init.script(script).env("LISTEN_PID", "4711").env("LISTEN_FDS", "1").run())
    };
    compare("LISTEN_PID of another", foreign, "0 right", &[]);
}

#[test]
fn side_by_side_closed_streams() {
    for closed in 0..8 {
        let each = [(1, "<&-"), (2, ">&-"), (4, "2>&-")];
        let redirections: Vec<&str> =
            each.iter().filter(|(bit, _)| closed & bit != 0).map(|(_, text)| *text).collect();
        let scenario = |init: Init| {
            let script = "echo out; echo err >&2; read line; exit 7";
            let ended = init.script(script).prepared("", &redirections.join(" ")).run();
            if init == Onit {
                assert!(!ended.stderr.contains("onit |"), "{}", ended.stderr);
            }
            let err = if ended.stderr.lines().any(|line| line == "err") { "err" } else { "" };
            format!("{} {}{err}", ended.code, ended.stdout.trim_end())
        };
        let out = if closed & 2 == 0 { "out" } else { "" };
        let err = if closed & 4 == 0 { "err" } else { "" };
        // tini cannot do without its standard input.
        let tini: &[(Init, &str)] = if closed & 1 == 0 { &[] } else { &[(Tini, "1 ")] };
        let name = format!("closed: {}", redirections.join(" "));
        compare(&name, scenario, &format!("7 {out}{err}"), tini);
    }
}

#[test]
fn side_by_side_what_cannot_be_executed() {
    let folder = folder("cannot");
    let file = |name: &str, text: &str, mode: u32| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    std::os::unix::fs::symlink("loop", folder.join("loop")).unwrap();
    let check = |program: &str, code: i32, words: &str, peers: [i32; 3]| {
        for (init, code) in
            [Onit, Tini, Dumb, Catatonit].into_iter().zip([code, peers[0], peers[1], peers[2]])
        {
            if !init.is_installed() {
                continue;
            }
            let ended = init.main(&[program]).env("PATH", "/usr/bin:/bin").run();
            assert_eq!(ended.code, code, "{init:?} {program}: {}", ended.stderr);
            if init == Onit {
                let said = format!("onit | cannot execute {words}\n");
                assert_eq!(ended.stderr, said);
            }
        }
    };
    let nowhere = "/nonexistent/program";
    check(nowhere, 127, &format!("{nowhere}: no such file or directory"), [127, 2, 1]);
    let words = "no-such-program: not found in PATH (/usr/bin:/bin)";
    check("no-such-program", 127, words, [127, 2, 1]);
    check("/etc", 126, "/etc: permission denied", [126, 2, 1]);
    check("/etc/passwd/x", 126, "/etc/passwd/x: not a directory", [1, 2, 1]);
    let path = folder.join("loop").display().to_string();
    check(&path, 126, &format!("{path}: too many levels of symbolic links"), [1, 2, 1]);
    let path = file("plain", "#!/bin/sh\n", 0o644);
    check(&path, 126, &format!("{path}: permission denied"), [126, 2, 1]);
    // A libc runs these with a shell, the peers let it.
    let path = file("empty", "", 0o755);
    check(&path, 126, &format!("{path}: exec format error: the file is empty"), [0, 0, 0]);
    let path = file("text", "echo hi\n", 0o755);
    let words = "exec format error: a script needs `#!` and its interpreter in the first line";
    check(&path, 126, &format!("{path}: {words}"), [0, 0, 0]);
    let path = file("script", "#!/no/such/interpreter\n", 0o755);
    let words = format!("{path}: its interpreter /no/such/interpreter is missing");
    check(&path, 127, &words, [127, 2, 1]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn side_by_side_a_stopped_command_is_not_dead() {
    let scenario = |init: Init| {
        let mut running = init.script("echo here; kill -STOP $$; exit 6").start();
        running.wait_for("here");
        let main = children(running.pid)[0];
        wait_until("it is stopped", || stat(main, 3) == "T");
        running.signal(libc::SIGWINCH);
        assert!(!running.is_over());
        send(main, libc::SIGCONT);
        running.finish().code.to_string()
    };
    compare("STOP", scenario, "6", &[]);
}

/// A folder that is there, and empty.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("onit-e2e-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn descriptors(pid: i32) -> Vec<i32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut all: Vec<i32> = entries
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .collect();
    all.sort_unstable();
    all
}
