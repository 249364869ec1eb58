//! The main command: at least as right as tini, dumb-init and catatonit are where they are right,
//! and right where they are wrong.

use std::io::Write;
use std::process::{Command, Stdio};

use super::sandbox::{Ended, PATIENCE, Scene, children, onit, wait_until, wait_until_or};

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
    for signal in [1, 2, 3, 6, 9, 11, 15, 34, 64] {
        let ended = Scene::init().script(&format!("ulimit -c 0; kill -{signal} $$")).run();
        assert_eq!((ended.code, ended.stderr.as_str()), (128 + signal, ""));
    }
}

#[test]
fn what_cannot_be_executed_is_126_or_127_and_says_why() {
    let check = |command: &str, code: i32, words: &str| {
        let ended = Scene::init().env("PATH", "/usr/bin:/bin").args(&["--", command]).run();
        assert_eq!(ended.code, code, "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    };
    let folder = std::env::temp_dir().join(format!("onit-e2e-exec-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    check("/nonexistent/program", 127, "no such file or directory");
    check("no-such-program", 127, "not found in PATH");
    check("/etc", 126, "permission denied");
    check("/etc/passwd/x", 126, "not a directory");
    check(&file("plain", "echo hi\n", 0o644), 126, "permission denied");
    check(&file("text", "echo hi\n", 0o755), 126, "text");
    check(&file("script", "#!/no/such/interpreter\n", 0o755), 127, "/no/such/interpreter");
    std::fs::remove_dir_all(folder).unwrap();
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
fn a_signal_right_after_the_start_is_not_lost() {
    for _ in 0..100 {
        let running = Scene::init().args(&["--", "sleep", "1000"]).start();
        // Before the first statement of `main` the kernel discards what is sent to PID 1.
        wait_until("main has begun", || {
            let path = format!("/proc/{}/status", running.pid);
            let status = std::fs::read_to_string(path).unwrap();
            ["SigBlk:\t", "SigCgt:\t"].iter().any(|name| {
                let set = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
                u64::from_str_radix(set, 16).unwrap() & 1 << (libc::SIGTERM - 1) != 0
            })
        });
        running.signal(libc::SIGTERM);
        assert_eq!(running.finish().code, 143);
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
fn closed_descriptors_break_nothing() {
    for closed in [&[0][..], &[1], &[2], &[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]] {
        let ended = Scene::init()
            .before_exec(move || {
                for fd in closed {
                    // SAFETY: close takes a number.
                    unsafe { libc::close(*fd) };
                }
                Ok(())
            })
            .script("exit 5")
            .run();
        assert_eq!(ended.code, 5, "{closed:?}");
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
    let script = "setsid sh -c 'trap \"echo heard; exit\" TERM; echo one; while :; do sleep 0.01; done' & \
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
        .script("trap 'echo on' CONT; echo ready; while :; do sleep 0.01; done")
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
fn the_command_finds_what_onit_found() {
    let running = Scene::init()
        .before_exec(|| {
            // SAFETY: dup2 takes two numbers. Descriptor 7 is inherited.
            unsafe { libc::dup2(0, 7) };
            Ok(())
        })
        .env("LISTEN_PID", "1")
        .env("LISTEN_FDS", "1")
        .env("NOTIFY_SOCKET", "/run/x")
        .script("ls /proc/self/fd | tr '\\n' ' '; echo; echo $LISTEN_PID=$$ $NOTIFY_SOCKET; pwd");
    let ended: Ended = running.run();
    let descriptors = ended.stdout.lines().next().unwrap().split(' ');
    assert!(descriptors.into_iter().any(|number| number == "7"), "{}", ended.stdout);
    assert!(ended.stdout.contains("2=2 /run/x"), "{}", ended.stdout);
    let here = std::env::current_dir().unwrap();
    assert!(ended.stdout.contains(here.to_str().unwrap()), "{}", ended.stdout);
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

/// Where they are installed, the peers agree on what is common ground.
#[test]
fn the_peers_agree_on_the_common_ground() {
    let peers = [("tini", "--"), ("dumb-init", "--"), ("catatonit", "--")];
    for (peer, dashes) in peers {
        if Command::new(peer).arg("--version").output().is_err() {
            eprintln!("{peer} is not installed, and not compared with");
            continue;
        }
        for script in ["exit 0", "exit 9", "kill -9 $$", "kill -15 $$", "(true &); exit 4"] {
            let theirs = Scene::of_init(peer).args(&[dashes, "/bin/sh", "-c", script]).run();
            let ours = Scene::init().script(script).run();
            assert_eq!(ours.code, theirs.code, "{peer}: {script}");
        }
    }
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
    let script = "trap 'echo heard' TERM; echo ready; while :; do sleep 0.01; done";
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
