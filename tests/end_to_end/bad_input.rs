//! Bad input: a clear message, and exit code 2 before anything was started, or a service that is
//! retried while the rest goes on.

use std::os::unix::ffi::OsStrExt;

use super::sandbox::{Scene, is_root};

#[test]
fn what_is_wrong_is_said_before_anything_is_started() {
    let check = |name: &str, text: &str, words: &[&str]| {
        let ended = Scene::init()
            .service("good", "command = [\"echo\", \"must not run\"]")
            .service(name, text)
            .with_services()
            .run();
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
        for word in words {
            assert!(ended.stderr.contains(word), "{word:?} in {}", ended.stderr);
        }
    };
    check("web", "command = [", &["web.toml:1: this is no TOML"]);
    check(
        "web",
        "comand = [\"x\"]",
        &["web.toml:1: unknown key `comand`; did you mean `command`?"],
    );
    check(
        "web",
        "command = 5",
        &["web.toml:1: a list of words, or a text is needed here, not a number"],
    );
    check(
        "web",
        "command = [\"x\"]\ndepends_on = [\"goood\"]",
        &["web.toml:2: there is no service `goood`; did you mean `good`?"],
    );
    check("web", "command = [\"x\"]\nafter = [\"web\"]", &["waits for itself"]);
    check("web", "command = [\"x\"]\nready = { tcp = \"1\" }", &["`ready` is not supported yet"]);
    check("o d", "command = [\"x\"]", &["not a name of a service"]);
    check("onit", "colour = true", &["onit.toml:1: unknown key `colour`"]);
}

#[test]
fn sources_that_are_none_are_named() {
    let check = |arguments: &[&str], words: &str| {
        let ended = Scene::init().args(arguments).run();
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words:?} in {}", ended.stderr);
    };
    check(&["/no/such/place"], "no such source: /no/such/place");
    check(&["bash"], "did you mean: onit -- bash");
    check(&["stauts"], "did you mean: onit status");
    check(&["status"], "`onit status` is not supported yet");
    check(&["--stop-timeot", "3s", "--", "true"], "--stop-timeot");
    check(&["--stop-timeout", "soon", "--", "true"], "--stop-timeout: `soon` is no duration");
    check(&["/etc/passwd"], "the name of a service file ends in .toml");
    check(&["/proc/self/fd"], "no service in this directory");
}

#[test]
fn nothing_to_do_says_how_to_start() {
    let ended = Scene::init().env("ONIT_SOURCES", "").run();
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("onit -- COMMAND"), "{}", ended.stderr);
    let ended = Scene::init().env("ONIT_SOURCES", "").args(&["--"]).run();
    assert_eq!(ended.code, 2);
}

#[test]
fn what_only_the_start_can_know_is_retried_while_the_rest_goes_on() {
    let check = |text: &str, words: &str| {
        let ended = Scene::init()
            .service("good", "type = \"oneshot\"\ncommand = [\"echo\", \"good\"]")
            .service(
                "bad",
                &format!(
                    "{text}\non_failure = \"continue\"\n[backoff]\ninitial = \"1ms\"\nlimit = 2"
                ),
            )
            .with_services()
            .run();
        assert_eq!(ended.stdout, "good | good\n", "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words:?} in {}", ended.stderr);
        assert!(ended.stderr.contains("next attempt in"), "{}", ended.stderr);
        assert_eq!(ended.code, 126, "{}", ended.stderr);
    };
    check(
        "command = [\"true\"]\ndirectory = \"/no/such\"",
        "cannot change directory to /no/such: no such file or directory",
    );
    check("command = [\"true\"]\nuser = \"nobodyy\"", "no user named `nobodyy` in /etc/passwd");
    check("command = [\"true\"]\ngroup = \"nogroupp\"", "nogroupp");
    check("command = [\"true\"]\nenvironment_files = [\"/no/such.env\"]", "/no/such.env");
    check("command = [\"true\"]\nenvironment_files = [\"/proc\"]", "/proc");
    check("command = [\"true\"]\nlimits = { nofile = \"4000000000\" }", "limit nofile");
}

#[test]
fn an_environment_that_is_not_utf8_passes() {
    let ended = Scene::init()
        .before_exec(|| {
            // SAFETY: both texts end with a NUL; the child is of a single thread.
            unsafe { libc::setenv(c"ODD".as_ptr(), c"a\xffb".as_ptr(), 1) };
            Ok(())
        })
        .service("web", "type = \"oneshot\"\ncommand = [\"printf\", \"%s\", \"${ODD:-none}\"]")
        .with_services()
        .run();
    // `execve` of the sandbox takes the environment that was prepared, so set it there too.
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let odd = std::ffi::OsStr::from_bytes(b"a\xffb");
    let status = std::process::Command::new(super::sandbox::onit())
        .args(["--", "sh", "-c", "[ ${#ODD} -gt 0 ]"])
        .env("ODD", odd)
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn few_descriptors_are_a_failure_of_those_who_find_none() {
    let mut scene = Scene::init().before_exec(|| {
        let limit = libc::rlimit { rlim_cur: 20, rlim_max: 20 };
        // SAFETY: setrlimit reads the limit it is given.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
        Ok(())
    });
    for number in 0..8 {
        scene = scene.service(
            &format!("s{number}"),
            "command = [\"sh\", \"-c\", \"echo up; exec sleep 1000\"]\non_failure = \"continue\"",
        );
    }
    let running = scene.with_services().start();
    running.wait_for("| up").wait_for_notice("too many open files; next attempt in");
    running.signal(libc::SIGTERM);
    assert_eq!(running.finish().code, 0);
}

#[test]
fn a_fork_that_is_refused_is_tried_again() {
    if !is_root() {
        eprintln!("not root: the limit of processes cannot be made to bite only here");
        return;
    }
    let running = Scene::process()
        .before_exec(|| {
            // A user of nobody else's, who may have no more than this one process and its threads.
            let limit = libc::rlimit { rlim_cur: 3, rlim_max: 3 };
            // SAFETY: both take numbers, or read the limit they are given.
            unsafe {
                libc::setrlimit(libc::RLIMIT_NPROC, &limit);
                libc::setresuid(54_321, 54_321, 54_321);
            }
            Ok(())
        })
        .service("a", "command = [\"sleep\", \"1000\"]\non_failure = \"continue\"")
        .service("b", "command = [\"sleep\", \"1000\"]\non_failure = \"continue\"")
        .with_services()
        .start();
    running.wait_for_notice("resource temporarily unavailable; next attempt in");
    running.signal(libc::SIGTERM);
    assert_eq!(running.finish().code, 0);
}
