//! Bad input: a clear message, and exit code 2 before anything was started, or a service that is
//! retried while the rest goes on.

use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use super::sandbox::{Scene, is_root, one_below, onit, send};

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
    check(
        "web",
        "command = [\"x\"]\nready = { tcp = \"1\" }",
        &["web.toml:2: `1` has no port; an address is HOST:PORT"],
    );
    check("web", "command = [\"x\"]\nschedule = \"@daily\"", &["`schedule` is not supported yet"]);
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
    check(&["convert"], "what? onit convert SOURCE");
    check(&["serve"], "`onit serve` is not supported yet");
    check(&["--stop-timeot", "3s", "--", "true"], "--stop-timeot");
    check(&["--stop-timeout", "soon", "--", "true"], "--stop-timeout: `soon` is no duration");
    check(&["/etc/passwd"], "its name would end in .toml");
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
        let limit = libc::rlimit { rlim_cur: 24, rlim_max: 24 };
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

#[test]
fn a_refused_fork_is_made_good_as_soon_as_there_is_room() {
    if !is_root() {
        eprintln!("not root: the limit of processes cannot be made to bite only here");
        return;
    }
    let oneshot = "type = \"oneshot\"\ncommand = [\"sleep\", \"1000\"]\non_failure = \"continue\"\n\
                   [backoff]\ninitial = \"10ms\"\nmax = \"10ms\"\nlimit = 0";
    // onit, its loop, its two relays, and one process.
    let running = Scene::init()
        .service("a", oneshot)
        .service("b", oneshot)
        .with_services()
        .wrapped(&["prlimit", "--nproc=5", "setpriv", "--reuid=54322", "--clear-groups"])
        .start();
    running.wait_for_notice("cannot start a process for");
    running.wait_for_notice("resource temporarily unavailable; next attempt in");
    send(one_below(running.pid, "sleep 1000"), libc::SIGKILL);
    running.wait_for_notice("a: started").wait_for_notice("b: started");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn what_only_root_may_do_is_refused_to_others_and_said() {
    if !is_root() {
        eprintln!("not root: nobody else to become");
        return;
    }
    let check = |text: &str, words: &str| {
        let ended = Scene::init()
            .service("good", "type = \"oneshot\"\ncommand = [\"echo\", \"good\"]")
            .service(
                "bad",
                &format!(
                    "command = [\"true\"]\n{text}\non_failure = \"continue\"\n\
                     [backoff]\ninitial = \"1ms\"\nlimit = 2"
                ),
            )
            .with_services()
            .wrapped(&["setpriv", "--reuid=54323", "--regid=54323", "--clear-groups"])
            .run();
        assert_eq!(ended.stdout, "good | good\n", "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words:?} in {}", ended.stderr);
    };
    check("nice = -5", "cannot set nice to -5: permission denied");
    check("user = \"root\"", "cannot become user root: ");
    check("group = \"root\"", "cannot join group root: ");
    check("limits = { nofile = \"3000000\" }", "cannot set limit nofile to 3000000: ");
    let scene = Scene::init().service("good", "command = [\"true\"]");
    let services = scene.folder().join("services");
    std::fs::set_permissions(&services, Permissions::from_mode(0o700)).unwrap();
    let ended =
        scene.with_services().wrapped(&["setpriv", "--reuid=54323", "--clear-groups"]).run();
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("permission denied"), "{}", ended.stderr);
}

#[test]
fn files_that_would_hang_are_refused() {
    let fifo = |path: std::path::PathBuf| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let scene = Scene::init();
    fifo(scene.folder().join("services/web.toml"));
    let ended = scene.with_services().run();
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("web.toml: "), "{}", ended.stderr);
    let scene = Scene::init();
    fifo(scene.folder().join("env"));
    let ended = scene
        .service(
            "web",
            "command = [\"true\"]\nenvironment_files = [\"@FOLDER@/env\"]\n[backoff]\nlimit = 1",
        )
        .with_services()
        .run();
    assert_eq!(ended.code, 126, "{}", ended.stderr);
    assert!(ended.stderr.contains("/env: "), "{}", ended.stderr);
}

#[test]
fn a_check_says_what_a_start_would_and_starts_nothing() {
    let scene = Scene::init()
        .args(&["check"])
        .service("web", "command = [\"touch\", \"@FOLDER@/started\"]\nrestart = \"never\"")
        .with_services();
    let started = scene.folder().join("started");
    let ended = scene.run();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(ended.stdout.contains("web   service  never"), "{}", ended.stdout);
    assert!(!started.exists());
    let ended = Scene::init().args(&["check"]).service("web", "x = 1").with_services().run();
    assert_eq!(ended.code, 2);
    assert!(ended.stdout.contains("web.toml:1: unknown key `x`"), "{}", ended.stdout);
}

#[test]
fn a_proc_of_another_namespace_breaks_nothing() {
    let mut command = std::process::Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child"]);
    if !is_root() {
        command.arg("--map-root-user");
    }
    command.arg("--").arg(onit());
    let web = "command = [\"sh\", \"-c\", \"setsid sleep 1000 & exec sleep 1000\"]";
    let ended = Scene::of(command)
        .service("web", web)
        .with_services()
        .script("sleep 1000 & setsid sleep 1000 & exit 3")
        .run();
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.took.as_secs() < 8, "{:?}", ended.took);
}
