//! The console: one line in, one line out, whatever happens to the reader.

use std::fs::{self, File};
use std::io::Read;

use super::sandbox::{Scene, children, comm, stat, wait_until};

fn oneshot(script: &str) -> String {
    format!("type = \"oneshot\"\ncommand = [\"sh\", \"-c\", '''{script}''']\n")
}

#[test]
fn lines_have_the_shape_that_was_asked_for() {
    let check = |format: &str, expected: &[&str]| {
        let ended = Scene::init()
            .env("ONIT_LOG_FORMAT", format)
            .service("web", &oneshot("echo hello; printf \"no end\""))
            .with_services()
            .run();
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{}", ended.stdout);
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.ends_with(expected), "{line}");
        }
    };
    check("text", &["web | hello", "web | no end"]);
    check("raw", &["hello", "no end"]);
    let json = r#""service":"web","stream":"stdout","message":"#;
    check("json", &[&format!("{json}\"hello\"}}"), &format!("{json}\"no end\"}}")]);
}

#[test]
fn standard_error_stays_apart_and_may_be_joined() {
    let script = "echo out; echo err >&2";
    let ended = Scene::init().service("web", &oneshot(script)).with_services().run();
    assert_eq!(ended.stdout, "web | out\n");
    assert!(ended.stderr.contains("web | err\n"), "{}", ended.stderr);
    let joined = format!("{}[log]\nstderr = \"stdout\"", oneshot(script));
    let ended = Scene::init().service("web", &joined).with_services().run();
    assert_eq!(ended.stdout, "web | out\nweb | err\n");
}

#[test]
fn no_line_of_fifty_writers_is_torn_or_lost() {
    let mut scene = Scene::init();
    // Each writes in pieces that are no lines.
    let script = "i=0; while [ $i -lt 100 ]; do printf \"%s\" \"aaaaaaaaaaaaaaaaaaaaaaaaa $i \"; \
                  printf \"bbbbbbbbbbbbbbbb\\n\"; i=$((i+1)); done";
    for number in 0..50 {
        scene = scene.service(&format!("w{number}"), &oneshot(script));
    }
    let ended = scene.with_services().run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().count(), 5000);
    for number in 0..50 {
        let mine = format!("w{number} | ");
        let lines = ended.stdout.lines().filter_map(|line| line.strip_prefix(&mine));
        let expected = (0..100).map(|i| format!("aaaaaaaaaaaaaaaaaaaaaaaaa {i} bbbbbbbbbbbbbbbb"));
        assert!(lines.eq(expected), "w{number} is not whole, or not in order");
    }
}

#[test]
fn a_grandchild_that_holds_the_pipe_delays_nothing() {
    let text = format!(
        "{}on_success = \"shutdown\"\n[stop]\nleftovers = \"keep\"",
        oneshot("(setsid sleep 1000 &); echo done")
    );
    let ended = Scene::init().service("web", &text).with_services().run();
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "web | done\n"));
    assert!(ended.took.as_secs() < 8, "{:?}", ended.took);
}

#[test]
fn a_stalled_reader_stops_nobody_but_the_writers() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let running = Scene::init()
        .env("ONIT_STOP_TIMEOUT", "2")
        .stdout(writer)
        .service("flood", "command = [\"sh\", \"-c\", \"while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxx; done\"]")
        .service(
            "other",
            "command = [\"sh\", \"-c\", \"echo x >> @FOLDER@/runs; exit 1\"]\non_failure = \"continue\"\n\
             [backoff]\ninitial = \"5ms\"\nmax = \"5ms\"\nlimit = 0",
        )
        .with_services()
        .start();
    let runs = running.folder().join("runs");
    let count = || fs::read_to_string(&runs).unwrap_or_default().lines().count();
    wait_until("the other is restarted, time and again", || count() > 20);
    let before = resident(running.pid);
    let then = count();
    wait_until("and goes on", || count() > then + 50);
    assert!(resident(running.pid) < before + 512, "{before} KiB, then {}", resident(running.pid));
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.took.as_millis() < 3500, "{:?}", ended.took);
    assert!(ended.stderr.contains("bytes of output were not taken in time"), "{}", ended.stderr);
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert!(rest.lines().count() > 100);
}

/// Anonymous memory, in KiB.
fn resident(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_reader_that_is_gone_is_told_once_and_stops_nobody() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = Scene::init()
        .stdout(writer)
        .service("web", &oneshot("for i in 1 2 3 4 5; do echo $i; done; sleep 0.2; echo 6; exit 4"))
        .with_services()
        .run();
    assert_eq!(ended.code, 4);
    assert_eq!(
        ended.stderr.matches("cannot write to stdout: broken pipe").count(),
        1,
        "{}",
        ended.stderr
    );
}

#[test]
fn a_full_disk_is_told_once_and_stops_nobody() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ended = Scene::init()
        .stdout(full)
        .service("web", &oneshot("for i in 1 2 3; do echo $i; done; exit 4"))
        .with_services()
        .run();
    assert_eq!(ended.code, 4);
    assert_eq!(ended.stderr.matches("no space left on device").count(), 1, "{}", ended.stderr);
}

#[test]
fn lines_go_where_the_service_file_says() {
    let scene = Scene::init()
        .service(
            "file",
            &format!(
                "{}[log]\nstdout = \"@FOLDER@/out.log\"\nstderr = \"stdout\"",
                oneshot("echo to the file; echo this too >&2")
            ),
        )
        .service("nowhere", &format!("{}[log]\nstdout = \"discard\"", oneshot("echo lost")))
        .service("own", &format!("{}[log]\nstdout = \"inherit\"", oneshot("echo as it is")))
        .with_services();
    let log = scene.folder().join("out.log");
    let running = scene.start();
    running.wait_for("as it is\n");
    wait_until("the file has it", || {
        fs::read_to_string(&log).unwrap_or_default() == "file | to the file\nfile | this too\n"
    });
    assert_eq!(running.finish().stdout, "as it is\n");
}

#[test]
fn a_long_line_is_cut_and_nothing_of_it_is_lost() {
    let script = "head -c 100000 /dev/zero | tr \"\\0\" x; echo";
    let ended = Scene::init()
        .service("web", &format!("{}[log]\nmax_line = 1024", oneshot(script)))
        .with_services()
        .run();
    assert_eq!(ended.stdout.matches('x').count(), 100_000);
    assert!(ended.stdout.lines().all(|line| line.len() < 1024));
}

#[test]
fn bytes_that_are_no_text_pass() {
    let ended =
        Scene::init().service("web", &oneshot("printf \"a\\377b\\n\"")).with_services().run();
    assert_eq!(ended.stdout, "web | a\u{FFFD}b\n");
}

#[test]
fn the_last_words_before_a_crash_are_there() {
    for _ in 0..20 {
        let ended = Scene::init()
            .service(
                "web",
                "restart = \"never\"\ncommand = [\"sh\", \"-c\", \"printf last; kill -9 $$$$\"]",
            )
            .with_services()
            .run();
        assert_eq!((ended.code, ended.stdout.as_str()), (137, "web | last\n"));
    }
}

#[test]
fn relays_are_threads_not_processes() {
    let running = Scene::init()
        .service("web", "command = [\"sh\", \"-c\", \"echo up; exec sleep 1000\"]")
        .with_services()
        .start();
    running.wait_for("web | up");
    assert_eq!(children(running.pid).len(), 1);
}

#[test]
fn one_stalled_reader_of_both_streams_delays_no_stop() {
    let (reader, writer) = std::io::pipe().unwrap();
    let flood = "trap 'exit 0' TERM; while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxx; done";
    let running = Scene::init()
        .env("ONIT_STOP_TIMEOUT", "2")
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .service("flood", &format!("command = [\"sh\", \"-c\", \"{flood}\"]"))
        .service("noisy", &format!("command = [\"sh\", \"-c\", \"exec >&2; {flood}\"]"))
        .service("other", "command = [\"sh\", \"-c\", \"echo x > @FOLDER@/up; exec sleep 1000\"]")
        .with_services()
        .start();
    let up = running.folder().join("up");
    wait_until("the quiet one is up", || up.exists());
    let floods = || children(running.pid).into_iter().filter(|pid| comm(*pid) == "sh");
    let mut looks = 0;
    wait_until("both wait for somebody to read", || {
        let wait = floods().count() == 2 && floods().all(|pid| stat(pid, 3) == "S");
        looks = if wait { looks + 1 } else { 0 };
        looks >= 20
    });
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0);
    assert!(ended.took.as_secs() < 6, "{:?}", ended.took);
    drop(reader);
}

#[test]
fn a_reader_that_comes_late_finds_every_line() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut scene = Scene::init().stdout(writer);
    let script = "for n in $(seq 5000); do echo $n of a service that has much to say; done";
    for number in 0..10 {
        scene = scene.service(&format!("w{number}"), &oneshot(script));
    }
    let mut running = scene.with_services().start();
    let mut looks = 0;
    wait_until("all wait for the reader", || {
        let all = children(running.pid);
        let wait = all.len() == 10 && all.iter().all(|pid| stat(*pid, 3) == "S");
        looks = if wait { looks + 1 } else { 0 };
        looks >= 20
    });
    assert!(!running.is_over());
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    let ended = running.finish();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("lost"), "{}", ended.stderr);
    for number in 0..10 {
        let mine = format!("w{number} | ");
        let lines = all.lines().filter_map(|line| line.strip_prefix(&mine));
        let expected = (1..=5000).map(|n| format!("{n} of a service that has much to say"));
        assert!(lines.eq(expected), "w{number} is not whole, or not in order");
    }
}

#[test]
fn what_is_said_when_asked_to_stop_is_there() {
    for _ in 0..10 {
        let script =
            "trap 'printf done; exit 0' TERM; echo up; while :; do sleep 1000 & wait; done";
        let running = Scene::init()
            .service("web", &format!("command = [\"sh\", \"-c\", \"{script}\"]"))
            .with_services()
            .start();
        running.wait_for("web | up");
        running.signal(libc::SIGTERM);
        let ended = running.finish();
        assert_eq!((ended.code, ended.stdout.as_str()), (0, "web | up\nweb | done\n"));
    }
}

#[test]
fn json_is_json_whatever_the_bytes() {
    let script = r#"printf "a\377\001\"\\\\\t\033[2Jz\n""#;
    let ended = Scene::init()
        .service("web", &format!("{}[log]\nformat = \"json\"", oneshot(script)))
        .with_services()
        .run();
    let message = "\"message\":\"a\u{FFFD}".to_owned() + r#"\u0001\"\\\t\u001b[2Jz"}"#;
    assert!(ended.stdout.trim_end().ends_with(&message), "{}", ended.stdout);
    assert_eq!(ended.stdout.lines().count(), 1);
}

#[test]
fn every_piece_of_a_cut_line_but_the_last_is_marked() {
    let script = "head -c 3000 /dev/zero | tr \"\\0\" x; echo; echo short";
    let ended = Scene::init()
        .service("web", &format!("{}[log]\nmax_line = 1024", oneshot(script)))
        .with_services()
        .run();
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let marked: Vec<bool> = lines.iter().map(|line| line.ends_with(" …")).collect();
    assert_eq!(marked, [true, true, false, false], "{}", ended.stdout);
    assert!(lines.iter().all(|line| line.starts_with("web | ")));
    assert_eq!(lines[3], "web | short");
}

#[test]
fn a_grandchild_that_holds_the_pipe_delays_no_restart() {
    let running = Scene::init()
        .service(
            "web",
            "command = [\"sh\", \"-c\", \"setsid sleep 1000 & printf run; exit 1\"]\n\
             [backoff]\ninitial = \"1ms\"\nmax = \"1ms\"\nlimit = 0\n[stop]\nleftovers = \"keep\"",
        )
        .with_services()
        .start();
    // Each line is ended with its run, although the pipe is still held.
    running.wait_for_times("web | run\n", 10);
}

#[test]
fn a_file_is_rotated_and_no_line_is_lost_or_doubled() {
    let scene = Scene::init();
    let file = scene.folder().join("log/web");
    fs::create_dir(file.parent().unwrap()).unwrap();
    // In pieces that are no lines, as fast as it can.
    let script = "i=0; while [ $i -lt 5000 ]; do printf 'line '; echo \"$i\"; i=$((i+1)); done; \
                  echo done >&2; exec sleep 1000";
    let service = format!(
        "command = [\"sh\", \"-c\", \"\"\"{}\"\"\"]\n[log]\nformat = \"raw\"\nstdout = \"{}\"\n\
         max_size = 1000\nkeep = 1000\n",
        script.replace('"', "\\\""),
        file.display()
    );
    let running = scene.service("web", &service).with_services().start();
    running.wait_for_notice("done");
    let lines = || {
        let number = |path: &std::path::Path| {
            path.extension().map_or(0, |number| number.to_str().unwrap().parse::<u32>().unwrap())
        };
        let folder = file.parent().unwrap();
        let mut files: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort_by_key(|path| std::cmp::Reverse(number(path)));
        let sizes = files.iter().map(|path| fs::metadata(path).unwrap().len());
        assert!(sizes.clone().all(|size| size <= 1000), "{:?}", sizes.collect::<Vec<_>>());
        files.iter().map(|path| fs::read_to_string(path).unwrap()).collect::<String>()
    };
    wait_until("all has been written", || {
        fs::read_to_string(&file).is_ok_and(|text| text.ends_with("line 4999\n"))
    });
    let expected: String = (0..5000).map(|number| format!("line {number}\n")).collect();
    assert!(lines() == expected, "{}", lines());
    running.signal(libc::SIGTERM);
    running.finish();
}

#[test]
fn a_file_that_was_moved_away_is_begun_anew_when_somebody_says_so() {
    let scene = Scene::init();
    let file = scene.folder().join("log");
    let old = scene.folder().join("log.old");
    let service = format!(
        "command = [\"sh\", \"-c\", \"while :; do echo line; sleep 0.01; done\"]\n\
         log.stdout = \"{}\"\n",
        file.display()
    );
    let running = scene.service("web", &service).with_services().start();
    wait_until("it has written", || file.exists());
    fs::rename(&file, &old).unwrap();
    running.signal(libc::SIGHUP);
    wait_until("there is a new file", || fs::metadata(&file).is_ok_and(|file| file.len() > 0));
    let whole = |path| fs::read_to_string(path).unwrap().lines().all(|line| line == "web | line");
    assert!(whole(&file) && whole(&old));
    running.signal(libc::SIGTERM);
    running.finish();
}
