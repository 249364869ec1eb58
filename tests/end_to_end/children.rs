//! What a child finds, seen from inside of it: services, oneshots, hooks and stop commands alike.

use super::sandbox::{Scene, is_root};

/// Says what it finds. `grep` catches a signal of its own, hence the `cat`.
const LOOK: &str = r#"
cat /proc/self/status | grep -E "^Sig(Blk|Ign|Cgt)" | tr "\n\t" "  "; echo
echo "fds" $(ls /proc/$$$$/fd)
echo "stdin $(readlink /proc/$$$$/fd/0)"
read -r a b c d pgrp session tty rest < /proc/$$$$/stat
[ $$$$ = $session ] && [ $$$$ = $pgrp ] && echo "own session"; echo "tty $tty"
"#;

fn look() -> String {
    LOOK.replace("$$$$", "$$").replace("$$", "$$$$")
}

fn checked(role: &str, stdout: &str) {
    let has = |line: &str| {
        assert!(stdout.lines().any(|l| l.contains(line)), "{role}: no {line:?} in\n{stdout}");
    };
    has("SigBlk: 0000000000000000 SigIgn: 0000000000000000 SigCgt: 0000000000000000");
    has("fds 0 1 2");
    has("stdin /dev/null");
    has("own session");
    has("tty 0");
}

#[test]
fn every_kind_of_child_is_clean() {
    let script = look();
    let command = format!("[\"sh\", \"-c\", '''{script}''']");
    let check = |role: &str, text: String| {
        let ended = Scene::init()
            .before_exec(|| {
                // SAFETY: dup2 and signal take numbers. What is inherited must not be handed on.
                unsafe {
                    libc::dup2(0, 9);
                    libc::signal(libc::SIGUSR2, libc::SIG_IGN);
                }
                Ok(())
            })
            .service("x", &text)
            .with_services()
            .run();
        checked(role, &ended.stdout);
    };
    check("service", format!("restart = \"never\"\ncommand = {command}"));
    check("oneshot", format!("type = \"oneshot\"\ncommand = {command}"));
    check(
        "before_start",
        format!("type = \"oneshot\"\ncommand = [\"true\"]\nbefore_start = [{command}]"),
    );
    check(
        "after_exit",
        format!("type = \"oneshot\"\ncommand = [\"true\"]\nafter_exit = [{command}]"),
    );
    let running = Scene::init()
        .service(
            "x",
            &format!("command = [\"sh\", \"-c\", \"echo up; exec sleep 1000\"]\n[stop]\ntimeout = \"1s\"\ncommand = {command}"),
        )
        .with_services()
        .start();
    running.wait_for("x | up");
    running.signal(libc::SIGTERM);
    checked("stop command", &running.finish().stdout);
}

#[test]
fn what_is_declared_is_what_is_found() {
    let scene = Scene::init();
    std::fs::write(scene.folder().join("env"), "#x\nFILE=from file\nA=lost\n").unwrap();
    let ended = scene
        .env("FROM_OUTSIDE", "1")
        .env("SECRET_OUTSIDE", "1")
        .service(
            "x",
            r#"
type = "oneshot"
directory = "/usr"
umask = "0027"
nice = 5
environment = { A = "b c", N = 5 }
environment_files = ["@FOLDER@/env"]
inherit_environment = ["PATH", "FROM_*"]
limits = { nofile = "100:200", core = 0 }
command = ["sh", "-c", '''
pwd; umask; nice; ulimit -Sn; ulimit -Hn; ulimit -c
grep locks /proc/self/limits
env | sort
''']
"#,
        )
        .with_services()
        .run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let lines: Vec<&str> =
        ended.stdout.lines().map(|line| line.strip_prefix("x | ").unwrap()).collect();
    assert_eq!(lines[..6], ["/usr", "0027", "5", "100", "200", "0"], "{}", ended.stdout);
    assert!(lines[6].contains(&(1u64 << 40).to_string()[..6]), "{}", lines[6]);
    let variables = &lines[7..];
    for wanted in ["A=b c", "N=5", "FILE=from file", "FROM_OUTSIDE=1"] {
        assert!(variables.contains(&wanted), "{wanted}: {variables:?}");
    }
    assert!(!ended.stdout.contains("SECRET_OUTSIDE") && !ended.stdout.contains("ONIT_"));
}

#[test]
fn the_limit_of_descriptors_is_the_one_onit_found() {
    let ended = Scene::init()
        .before_exec(|| {
            let limit = libc::rlimit { rlim_cur: 123, rlim_max: 4096 };
            // SAFETY: setrlimit reads the limit it is given.
            unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
            Ok(())
        })
        .service("x", "type = \"oneshot\"\ncommand = [\"sh\", \"-c\", \"ulimit -Sn; ulimit -Hn\"]")
        .with_services()
        .run();
    assert_eq!(ended.stdout, "x | 123\nx | 4096\n");
}

#[test]
fn a_service_runs_as_its_user_and_its_hooks_as_onits() {
    if !is_root() {
        eprintln!("not root: nobody to become");
        return;
    }
    let ended = Scene::init()
        .service(
            "x",
            r#"
type = "oneshot"
user = "nobody"
before_start = [["sh", "-c", "echo hook $(id -u)"]]
command = ["sh", "-c", "id -u; id -G; echo $HOME $USER; echo also > /dev/stdout"]
"#,
        )
        .with_services()
        .run();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let expected = format!(
        "x | hook 0\nx | {}\nx | {}\nx | {} nobody\nx | also\n",
        nobody.uid,
        nobody.gid,
        nobody.dir.display()
    );
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
    let numbers = "type = \"oneshot\"\nuser = 4242\ngroup = 4343\ncommand = [\"id\", \"-u\"]";
    let ended = Scene::init().service("x", numbers).with_services().run();
    assert_eq!(ended.stdout, "x | 4242\n", "{}", ended.stderr);
}
