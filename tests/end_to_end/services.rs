//! Services: their order, their restarts, their stop, and the code that all of it ends with.

use std::collections::BTreeMap;
use std::fs;

use super::sandbox::{
    Scene, children, comm, descendants, one_below, onit, send, status, wait_until, words,
};

/// Runs until it is asked to stop. It waits for a child instead of sleeping itself: dash forgets a
/// signal that comes while it starts a command to wait for (its `onsig` returns at once after a
/// vfork), and only `wait` is interrupted.
const WORKER: &str = r#"command = ["sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 1000 & wait; done"]"#;

#[test]
fn services_start_in_order_and_stop_in_reverse() {
    let running = Scene::init()
        // To be started is less than to have said something.
        .service("db", &format!("{WORKER}\n[ready]\nlog = \"up\""))
        .service(
            "migrate",
            "type = \"oneshot\"\ndepends_on = [\"db\"]\ncommand = [\"echo\", \"migrated\"]",
        )
        .service("web", &format!("depends_on = [\"migrate\"]\n{WORKER}"))
        .with_services()
        .start();
    running.wait_for("web | up");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(
        lines,
        ["db | up", "migrate | migrated", "web | up", "web | bye", "db | bye"],
        "{}",
        ended.stderr
    );
    assert!(ended.took.as_secs() < 5, "{:?}", ended.took);
}

#[test]
fn of_many_services_each_has_its_own_streams_and_nothing_else() {
    start_many(Scene::init());
}

/// More than are forked with a copy of onit's descriptors.
pub(crate) fn start_many(mut scene: Scene) {
    const SERVICES: usize = 80;
    // What the glob opens itself is the lowest number that is free.
    let command = r#"command = ["sh", "-c", "echo $ONE: /proc/self/fd/*; echo $ONE >&2"]"#;
    for one in 0..SERVICES {
        let text = format!("type = \"oneshot\"\n{command}\nenvironment = {{ ONE = \"{one}\" }}");
        scene = scene.service(&format!("s{one}"), &text);
    }
    let ended = scene.with_services().run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let open = "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3";
    for one in 0..SERVICES {
        assert_eq!(ended.stdout.matches(&format!("s{one} | {one}: {open}\n")).count(), 1);
        assert_eq!(ended.stderr.matches(&format!("s{one} | {one}\n")).count(), 1);
    }
}

#[test]
fn of_many_that_end_at_once_none_is_overlooked() {
    // More than are looked for after each CHLD.
    const SERVICES: usize = 600;
    let mut scene = Scene::init();
    for one in 0..SERVICES {
        let text = "command = [\"sleep\", \"1000\"]\nrestart = \"never\"\n\
                    on_failure = \"continue\"\nlog = { stdout = \"inherit\", stderr = \"inherit\" }";
        scene = scene.service(&format!("s{one}"), text);
    }
    let running = scene.with_services().start();
    wait_until("all are there", || {
        children(running.pid).iter().filter(|pid| comm(**pid) == "sleep").count() == SERVICES
    });
    for pid in children(running.pid) {
        send(pid, libc::SIGKILL);
    }
    let ended = running.finish();
    assert_eq!(ended.stderr.matches(": killed by SIGKILL").count(), SERVICES, "{}", ended.stderr);
}

#[test]
fn a_service_that_was_up_long_enough_is_back_at_once() {
    let running = Scene::init()
        .service("web", &format!("{WORKER}\n[backoff]\nreset_after = \"1ms\"\ninitial = \"20s\""))
        .with_services()
        .start();
    for times in 1..=5 {
        running.wait_for_times("web | up", times);
        // What it says may come sooner than that.
        wait_until("it has been up for longer than 1 ms", || {
            let status = running.ask(&["status", "--json", "web"]).stdout;
            let since = status.split("\"since_ms\":").nth(1).unwrap_or_default();
            since.split(',').next().unwrap_or_default().parse::<u64>().is_ok_and(|ms| ms > 1)
        });
        let main = children(running.pid)[0];
        // SAFETY: kill takes two numbers.
        unsafe { libc::kill(main, libc::SIGKILL) };
    }
    running.wait_for_times("web | up", 6);
    assert!(running.stderr().contains("killed by SIGKILL"), "{}", running.stderr());
}

#[test]
fn a_failure_for_good_ends_everything_with_its_code() {
    let ended = Scene::init()
        .service("db", WORKER)
        .service(
            "web",
            "command = [\"sh\", \"-c\", \"echo last words; exit 9\"]\n\
             depends_on = [\"db\"]\n[backoff]\ninitial = \"10ms\"\nlimit = 3",
        )
        .with_services()
        .run();
    assert_eq!(ended.code, 9, "{}", ended.stderr);
    assert_eq!(ended.stdout.matches("web | last words").count(), 3);
    assert!(ended.stderr.contains("next attempt in"), "{}", ended.stderr);
    assert!(ended.stderr.contains("too often in a row, giving up"), "{}", ended.stderr);
    assert!(ended.stdout.contains("db | bye"), "{}", ended.stdout);
}

#[test]
fn a_failure_that_may_be_is_the_code_when_nothing_is_left() {
    let ended = Scene::init()
        .service("once", "type = \"oneshot\"\ncommand = [\"true\"]")
        .service(
            "odd",
            "type = \"oneshot\"\non_failure = \"continue\"\ncommand = [\"sh\", \"-c\", \"exit 6\"]",
        )
        .service("needs", "depends_on = [\"odd\"]\ncommand = [\"echo\", \"must not run\"]")
        .with_services()
        .run();
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(ended.stderr.contains("needs: not started: it needs odd"), "{}", ended.stderr);
    assert!(!ended.stdout.contains("must not run"));
}

#[test]
fn a_missing_command_fails_at_once_and_says_why() {
    let ended =
        Scene::init().service("web", "command = [\"/no/such/program\"]").with_services().run();
    assert_eq!(ended.code, 127);
    let words = "web: cannot execute /no/such/program: no such file or directory";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
}

#[test]
fn the_budget_holds_for_a_service_that_is_deaf() {
    let deaf =
        "command = [\"sh\", \"-c\", \"trap '' TERM; echo deaf; while :; do sleep 0.01; done\"]";
    let running = Scene::init()
        .env("ONIT_STOP_TIMEOUT", "2")
        .service("deaf", deaf)
        .service("db", WORKER)
        .service("web", &format!("depends_on = [\"db\", \"deaf\"]\n{WORKER}"))
        .with_services()
        .start();
    running.wait_for("deaf | deaf").wait_for("web | up");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("db | bye") && ended.stdout.contains("web | bye"));
    assert!(ended.stderr.contains("the time to stop is over, killing deaf"), "{}", ended.stderr);
    assert!(ended.took.as_millis() < 3000, "{:?}", ended.took);
}

#[test]
fn stop_signals_come_one_after_another_and_to_whom_they_should() {
    let running = Scene::init()
        .service(
            "web",
            "command = [\"sh\", \"-c\", \"trap 'echo int' INT; trap 'echo term; exit 0' TERM; \
             echo up; while :; do sleep 1000 & wait; done\"]\n\
             [stop]\nsignal = [[\"SIGINT\", \"300ms\"], [\"SIGTERM\", \"5s\"]]",
        )
        .with_services()
        .start();
    running.wait_for("web | up");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0);
    assert!(ended.stdout.ends_with("web | int\nweb | term\n"), "{}", ended.stdout);
}

#[test]
fn a_stop_command_is_run_instead_of_the_signal() {
    let running = Scene::init()
        .service(
            "web",
            "command = [\"sh\", \"-c\", \"trap 'echo asked; exit 0' USR1; trap 'echo term' TERM; \
             echo up; while :; do sleep 1000 & wait; done\"]\n\
             after_exit = [[\"sh\", \"-c\", \"echo after $ONIT_SERVICE code=$ONIT_EXIT_CODE signal=$ONIT_EXIT_SIGNAL\"]]\n\
             [stop]\ncommand = [\"sh\", \"-c\", \"kill -USR1 $ONIT_MAIN_PID\"]",
        )
        .with_services()
        .start();
    running.wait_for("web | up");
    running.signal(libc::SIGINT);
    let ended = running.finish();
    assert_eq!(ended.code, 0);
    let expected = "web | asked\nweb | after web code=0 signal=\n";
    assert!(ended.stdout.ends_with(expected), "{}\n{}", ended.stdout, ended.stderr);
}

#[test]
fn hooks_run_before_and_after() {
    let ended = Scene::init()
        .service(
            "web",
            "before_start = [[\"echo\", \"one\"], [\"echo\", \"two\"]]\n\
             command = [\"sh\", \"-c\", \"echo three; kill -USR1 $$$$\"]\n\
             after_exit = [[\"sh\", \"-c\", \"echo four $ONIT_EXIT_SIGNAL\"]]\n\
             restart = \"never\"",
        )
        .with_services()
        .run();
    assert_eq!(ended.code, 138, "{}", ended.stderr);
    let expected = "web | one\nweb | two\nweb | three\nweb | four SIGUSR1\n";
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
}

#[test]
fn whoever_a_service_leaves_behind_hears_term_and_is_gone_before_its_restart() {
    // A daemon that called setsid, one that forked twice, one that wiped its environment and closed
    // everything, one that will not go.
    let script = r#"
echo run
[ -z "$(cat @FOLDER@/alive)" ] || echo STILL THERE
mark() { echo "echo x >> @FOLDER@/alive; trap 'echo x >> @FOLDER@/heard; : > @FOLDER@/alive; exit' TERM; while :; do sleep 0.01; done"; }
setsid sh -c "$(mark)" &
(setsid sh -c "$(mark)" &)
env -i /bin/sh -c "exec <&- >&- 2>&-; $(mark)" &
setsid sh -c "echo x >> @FOLDER@/alive; trap '' TERM; while :; do sleep 0.01; done" &
while [ "$(wc -l < @FOLDER@/alive)" -lt 4 ]; do sleep 0.01; done
exit 1
"#;
    let scene = Scene::init();
    let folder = scene.folder().to_owned();
    fs::write(folder.join("alive"), "").unwrap();
    fs::write(folder.join("heard"), "").unwrap();
    fs::write(folder.join("script"), script.replace("@FOLDER@", &folder.display().to_string()))
        .unwrap();
    let ended = scene
        .service("web", "command = [\"sh\", \"@FOLDER@/script\"]\n[backoff]\nlimit = 1\n")
        .with_services()
        .start();
    ended.wait_for_notice("processes it left behind did not end in time");
    wait_until("three of them heard TERM", || {
        fs::read_to_string(folder.join("heard")).unwrap().lines().count() == 3
    });
    let ended = ended.finish();
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(!ended.stdout.contains("STILL THERE"));
}

#[test]
fn leftovers_are_kept_where_that_is_asked_for() {
    let running = Scene::init()
        .service(
            "web",
            "command = [\"sh\", \"-c\", \"setsid sleep 1000 & echo run; exit 1\"]\n\
             [backoff]\ninitial = \"10ms\"\nlimit = 3\n[stop]\nleftovers = \"keep\"",
        )
        .service("other", WORKER)
        .service("watch", "command = [\"sh\", \"-c\", \"sleep 1000\"]")
        .with_services()
        .env("ONIT_LOG_LEVEL", "debug")
        .start();
    running.wait_for_times("web | run", 2);
    let kept = descendants(running.pid).into_iter().filter(|pid| comm(*pid) == "sleep").count();
    assert!(kept >= 2, "{kept}");
}

#[test]
fn signals_reach_whom_they_are_meant_for() {
    let listen = "command = [\"sh\", \"-c\", \"trap 'echo usr1' USR1; trap 'exit 0' TERM; echo up; \
                  while :; do sleep 1000 & wait; done\"]\n";
    let running = Scene::init()
        .args(&["--stop-signals", "WINCH"])
        .service("web", &format!("{listen}forward_signals = [\"SIGUSR1\"]"))
        .service("db", listen)
        .with_services()
        .start();
    running.wait_for("web | up").wait_for("db | up");
    running.signal(libc::SIGUSR1);
    running.wait_for("web | usr1");
    running.signal(libc::SIGHUP);
    running.wait_for_notice("reloaded; nothing has changed");
    running.signal(libc::SIGWINCH);
    let ended = running.finish();
    assert_eq!(ended.code, 0);
    assert!(!ended.stdout.contains("db | usr1"));
}

#[test]
fn every_signal_that_asks_for_a_stop_does() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGPWR, 37] {
        let running = Scene::init().service("web", WORKER).with_services().start();
        running.wait_for("web | up");
        running.signal(signal);
        // Once more changes nothing.
        running.signal(signal);
        let ended = running.finish();
        assert_eq!(ended.code, 0);
        assert!(ended.stdout.ends_with("web | bye\n"), "{}", ended.stdout);
    }
}

#[test]
fn the_main_command_starts_last_ends_first_and_has_the_last_word() {
    let scene = Scene::init();
    let prepared = scene.folder().join("prepared").display().to_string();
    let prepare = format!("before_start = [[\"sh\", \"-c\", \"sleep 0.2; touch {prepared}\"]]");
    // Files, since lines of a service take another way than those of the main command.
    let script = format!(
        "trap 'echo main bye; exit 7' TERM; [ -e {prepared} ] && echo main up; \
         while :; do sleep 1000 & wait; done"
    );
    let running = scene
        .service("db", &format!("{prepare}\n{WORKER}"))
        .with_services()
        .script(&script)
        .start();
    running.wait_for("main up").wait_for("db | up");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 7);
    assert!(ended.stdout.ends_with("main bye\ndb | bye\n"), "{}", ended.stdout);
}

#[test]
fn the_end_of_the_main_command_ends_everything() {
    // Only who has come so far can say goodbye.
    let db = format!("{WORKER}\n[ready]\nlog = \"up\"");
    let ended = Scene::init().service("db", &db).with_services().script("exit 3").run();
    assert_eq!(ended.code, 3);
    assert!(ended.stdout.contains("db | bye"), "{}", ended.stdout);
}

#[test]
fn at_rest_nothing_wakes_up() {
    let mut scene = Scene::init();
    for number in 0..10 {
        scene = scene.service(
            &format!("s{number}"),
            "command = [\"sh\", \"-c\", \"echo up; exec sleep 1000\"]",
        );
    }
    let running = scene.with_services().start();
    running.wait_for_times("| up", 10);
    for number in 0..10 {
        running.wait_for_notice(&format!("s{number}: started"));
    }
    let before = at_rest(running.pid);
    let other = Scene::process().script("sleep 2").run();
    assert_eq!(other.code, 0);
    assert_eq!(switches(running.pid), before);
}

#[test]
fn waits_are_told_and_grow() {
    let ended = Scene::init()
        .service(
            "web",
            "command = [\"sh\", \"-c\", \"exit 3\"]\n\
             [backoff]\ninitial = \"10ms\"\njitter = 0\nfactor = 2\nmax = \"20ms\"\nlimit = 4",
        )
        .with_services()
        .run();
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let waits: Vec<&str> =
        ended.stderr.lines().filter_map(|line| line.split("; next attempt in ").nth(1)).collect();
    let expected =
        ["10 ms (1 of 4 in a row)", "20 ms (2 of 4 in a row)", "20 ms (3 of 4 in a row)"];
    assert_eq!(waits, expected);
    assert!(ended.stderr.contains("web: started again (restart 3)"), "{}", ended.stderr);
    assert!(ended.stderr.contains("too often in a row, giving up"), "{}", ended.stderr);
}

#[test]
fn a_stop_ladder_ends_with_a_kill() {
    let running = Scene::init()
        .service(
            "web",
            "command = [\"sh\", \"-c\", \"trap 'echo usr1' USR1; trap 'echo int' INT; \
             trap '' TERM; echo up; while :; do sleep 0.01; done\"]\n\
             [stop]\nsignal = [[\"USR1\", \"200ms\"], [\"INT\", \"200ms\"], [\"TERM\", \"200ms\"]]",
        )
        .with_services()
        .start();
    running.wait_for("web | up");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "web | up\nweb | usr1\nweb | int\n"));
    assert!(ended.stderr.contains("web: did not stop in time, is killed"), "{}", ended.stderr);
    assert!(ended.took.as_secs() < 8, "{:?}", ended.took);
}

#[test]
fn a_stop_command_that_fails_is_followed_by_the_signal() {
    for command in ["[\"false\"]", "[\"/no/such/command\"]"] {
        let running = Scene::init()
            .service("web", &format!("{WORKER}\n[stop]\ncommand = {command}"))
            .with_services()
            .start();
        running.wait_for("web | up");
        running.signal(libc::SIGTERM);
        let ended = running.finish();
        assert_eq!((ended.code, ended.stdout.as_str()), (0, "web | up\nweb | bye\n"));
        assert!(ended.stderr.contains("web: its stop.command failed"), "{}", ended.stderr);
        assert!(ended.took.as_secs() < 5, "{:?}", ended.took);
    }
}

#[test]
fn a_service_whose_preparation_fails_is_not_started() {
    let ended = Scene::init()
        .service(
            "web",
            "before_start = [[\"sh\", \"-c\", \"echo tried; exit 5\"]]\n\
             command = [\"echo\", \"must not run\"]\n[backoff]\ninitial = \"1ms\"\nlimit = 2",
        )
        .with_services()
        .run();
    assert_eq!(ended.stdout, "web | tried\nweb | tried\n", "{}", ended.stderr);
    assert_eq!(ended.code, 5, "{}", ended.stderr);
}

#[test]
fn a_stop_does_not_wait_for_what_has_yet_to_begin() {
    let sleep = "[\"sh\", \"-c\", \"echo here; exec sleep 1000\"]";
    let oneshot = format!("type = \"oneshot\"\ncommand = {sleep}");
    let preparing = format!("before_start = [{sleep}]\ncommand = [\"echo\", \"must not run\"]");
    let backing_off = "type = \"oneshot\"\nrestart = \"on-failure\"\n\
                       command = [\"sh\", \"-c\", \"echo here; exit 1\"]\n\
                       [backoff]\ninitial = \"20s\"\nmax = \"20s\"";
    for text in [oneshot.as_str(), &preparing, backing_off] {
        let running = Scene::init()
            .service("first", text)
            .service("second", "depends_on = [\"first\"]\ncommand = [\"echo\", \"must not run\"]")
            .with_services()
            .start();
        running.wait_for("first | here");
        if text == backing_off {
            running.wait_for_notice("next attempt in");
        }
        running.signal(libc::SIGTERM);
        let ended = running.finish();
        assert_eq!((ended.code, ended.stdout.as_str()), (0, "first | here\n"), "{}", ended.stderr);
        assert!(ended.took.as_secs() < 5, "{:?}", ended.took);
    }
}

#[test]
fn an_early_stop_is_not_lost() {
    for _ in 0..50 {
        let running = Scene::init()
            .service("one", "command = [\"sleep\", \"1000\"]")
            .service("two", "depends_on = [\"one\"]\ncommand = [\"sleep\", \"1000\"]")
            .with_services()
            .start();
        let began = || {
            status(running.pid, "SigBlk").starts_with("fffffff")
                || status(running.pid, "SigCgt") != "0000000000000000"
        };
        wait_until("main has begun", began);
        running.signal(libc::SIGTERM);
        let ended = running.finish();
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
}

#[test]
fn whoever_left_its_group_is_gone_before_the_restart_too() {
    // `timeout` makes a group of its own; the others are in sessions of their own.
    let script = "cd @FOLDER@; for pid in $(cat pids); do \
                  kill -0 $pid 2> /dev/null && echo ALIVE; done; : > pids; \
                  timeout 1001 sleep 1000 & echo $! >> pids; \
                  setsid sleep 1000 & echo $! >> pids; \
                  env -i setsid /bin/sleep 1000 0<&- 1<&- 2<&- & echo $! >> pids; \
                  (setsid sleep 1000 & echo $! >> pids); echo up; exec sleep 1002";
    let scene = Scene::init();
    fs::write(scene.folder().join("pids"), "").unwrap();
    let keys = "[backoff]\nreset_after = \"1ms\"\nlimit = 0";
    let running = scene
        .service("web", &format!("command = [\"sh\", \"-c\", '''{script}''']\n{keys}"))
        .with_services()
        .start();
    for times in 1..=5 {
        running.wait_for_times("web | up", times);
        send(one_below(running.pid, "sleep 1002"), libc::SIGKILL);
    }
    running.wait_for_times("web | up", 6);
    one_below(running.pid, "sleep 1002");
    // Those of one run: itself, four, and the child of `timeout`.
    wait_until("no more than one run is there", || descendants(running.pid).len() == 6);
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stdout.contains("ALIVE"), "{}", ended.stdout);
}

#[test]
fn not_as_pid_1_nobody_elses_process_is_touched() {
    let scene = Scene::of_init("sh");
    let source = scene.folder().join("services").display().to_string();
    let socket = scene.socket().display().to_string();
    let script = "sleep 1000 & \"$@\"; echo code $?; kill -0 $! && echo alive; kill $!";
    let running = scene
        .service(
            "web",
            "command = [\"sh\", \"-c\", \"(setsid sleep 1002 &); echo up; exec sleep 1001\"]",
        )
        .args(&["-c", script, "sh", onit(), "run", "--socket", &socket, &source])
        .start();
    running.wait_for("web | up");
    let all = children(running.pid);
    let process = all.into_iter().find(|pid| words(*pid)[0] == onit()).unwrap();
    one_below(process, "sleep 1002");
    send(process, libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.stdout, "web | up\ncode 0\nalive\n", "{}", ended.stderr);
}

#[test]
fn a_thousand_services_start_and_stop() {
    let mut scene = Scene::init();
    for number in 0..1000 {
        scene = scene.service(&format!("s{number}"), "command = [\"sleep\", \"1000\"]");
    }
    let running = scene.with_services().start();
    wait_until("all are there", || {
        let all = children(running.pid);
        all.len() == 1000 && all.iter().all(|pid| comm(*pid) == "sleep")
    });
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0);
    assert!(!ended.stderr.contains("in time"), "{}", ended.stderr);
}

#[test]
fn with_services_and_a_command_signals_are_the_commands() {
    let says = "trap 'echo $0 usr2' USR2; trap 'exit 0' TERM; echo $0 up; \
                while :; do sleep 1000 & wait; done";
    let running = Scene::init()
        .service("web", &format!("command = [\"sh\", \"-c\", \"{says}\", \"service\"]"))
        .with_services()
        .args(&["--", "sh", "-c", says, "main"])
        .start();
    running.wait_for("web | service up").wait_for("main up");
    running.signal(libc::SIGUSR2);
    running.wait_for("main usr2");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0);
    assert!(!ended.stdout.contains("service usr2"), "{}", ended.stdout);
}

/// Waits until every thread sleeps, and goes on to, and says how often each gave up the processor.
pub fn at_rest(pid: i32) -> BTreeMap<String, u64> {
    let mut before = switches(pid);
    let mut looks = 0;
    wait_until("it has come to rest", || {
        let now = switches(pid);
        looks = if now == before { looks + 1 } else { 0 };
        before = now;
        looks >= 100
    });
    before
}

/// How often each thread of a process has given up the processor, by itself. A thread that ends
/// while we look (the one that shows output does, when nobody reads along any more) is none.
pub fn switches(pid: i32) -> BTreeMap<String, u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let count = |thread: fs::DirEntry| {
        let status = match fs::read_to_string(thread.path().join("status")) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
                return None;
            }
            status => status.unwrap(),
        };
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        Some((thread.file_name().into_string().unwrap(), line.unwrap().trim().parse().unwrap()))
    };
    threads.filter_map(|thread| count(thread.unwrap())).collect()
}

#[test]
fn a_finish_script_is_told_how_it_ended() {
    let service = |command: &str, arguments: &str| {
        format!(
            "command = [\"sh\", \"-c\", \"{command}\"]\nrestart = \"never\"\n\
             on_failure = \"continue\"\nafter_exit_arguments = \"{arguments}\"\n\
             after_exit = [[\"sh\", \"-c\", 'echo \"$0: $*\"', \"finish\"]]"
        )
    };
    let ended = Scene::init()
        .service("code", &service("exit 3", "runit"))
        .service("signal", &service("kill -9 $$$$", "runit"))
        .service("code6", &service("echo group $$$$; exit 3", "s6"))
        .service("signal6", &service("echo group $$$$; kill -9 $$$$", "s6"))
        .with_services()
        .run();
    for line in ["code | finish: 3 0", "signal | finish: -1 9"] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
    for (name, told) in [("code6", "3 0 code6"), ("signal6", "256 9 signal6")] {
        let said = |what: &str| {
            let start = format!("{name} | {what}");
            let line = ended.stdout.lines().find_map(|line| line.strip_prefix(&start));
            line.unwrap_or_else(|| panic!("no {start} in {}", ended.stdout)).to_owned()
        };
        assert_eq!(said("finish: "), format!("{told} {}", said("group ")));
    }
}
