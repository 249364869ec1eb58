//! Services that read what others write.

use std::fs;

use super::sandbox::{Scene, wait_until};

/// Runs until it is asked to stop; its last word comes after that.
const WRITER: &str = r#"command = ["sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 1000 & wait; done"]
log = { stdout = "service:logger", stderr = "stdout" }
"#;

fn logger(script: &str) -> String {
    format!("command = [\"sh\", \"-c\", '''{script}''']\n[stop]\ntimeout = \"20s\"\n")
}

#[test]
fn the_reader_has_everything_and_is_ended_by_that() {
    let scene = Scene::init();
    let file = scene.folder().join("log");
    let script = "trap \"echo heard TERM >&2\" TERM; cat >>FILE; cat FILE >&2; echo the end >&2";
    let script = script.replace("FILE", file.to_str().unwrap());
    let running = scene
        .service("logger", &logger(&script))
        .service("web", WRITER)
        .service("api", &WRITER.replace("up", "here"))
        .with_services()
        .start();
    let content = || fs::read_to_string(&file).unwrap_or_default();
    wait_until("both have been heard", || content().contains("up") && content().contains("here"));
    let logs = running.ask(&["logs", "web"]);
    assert!(logs.stderr.contains("logger reads what web writes"), "{}", logs.stderr);
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let read: String =
        ended.stderr.lines().filter_map(|line| line.strip_prefix("logger | ")).collect();
    assert!(read.ends_with("byebyethe end"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("heard TERM"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert!(ended.took.as_secs() < 8, "{:?}", ended.took);
}

#[test]
fn nothing_is_lost_while_either_end_is_started_again() {
    let scene = Scene::init();
    let file = scene.folder().join("log");
    // It takes ten lines and no byte more: the `read` of a shell reads a pipe byte by byte.
    let reader = "i=0; while [ $i -lt 10 ] && read -r line; do \
                  echo \"$line\" >>FILE; i=$((i+1)); done";
    let reader = reader.replace("FILE", file.to_str().unwrap());
    let writer = "i=0; while [ $i -lt 50 ]; do echo \"$$$$ $i\"; i=$((i+1)); done; exit 1";
    let writer = format!(
        "command = [\"sh\", \"-c\", '''{writer}''']\nlog.stdout = \"service:logger\"\n\
         on_failure = \"continue\"\nbackoff = {{ initial = \"10ms\", max = \"10ms\", limit = 6 }}\n"
    );
    let running = scene
        .service("logger", &format!("{}[backoff]\nreset_after = \"1us\"\n", logger(&reader)))
        .service("web", &writer)
        .with_services()
        .start();
    running.wait_for_notice("too often in a row, giving up");
    let lines = || fs::read_to_string(&file).unwrap_or_default();
    wait_until("all has been read", || lines().lines().count() >= 300);
    let lines = lines();
    let mut runs: Vec<(&str, usize)> = Vec::new();
    for line in lines.lines() {
        let (run, number) = line.split_once(' ').unwrap();
        match runs.last_mut() {
            Some((last, count)) if *last == run => {
                assert_eq!(number, count.to_string(), "{lines}");
                *count += 1;
            }
            _ => {
                assert_eq!(number, "0", "{lines}");
                runs.push((run, 1));
            }
        }
    }
    let counts: Vec<usize> = runs.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [50; 6], "{lines}");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert!(!ended.stderr.contains("has not read all"), "{}", ended.stderr);
}

#[test]
fn what_nobody_has_read_is_shown() {
    let running = Scene::init()
        .service("logger", &logger("trap \"\" TERM; echo ready >&2; exec sleep 1000"))
        .service(
            "web",
            "command = [\"sh\", \"-c\", \"echo written; echo done >&2; exec sleep 1000\"]\n\
             log.stdout = \"service:logger\"\n",
        )
        .with_services()
        .env("ONIT_STOP_TIMEOUT", "1s")
        .start();
    running.wait_for_notice("logger | ready");
    running.wait_for_notice("web | done");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    let said = ended.stderr.contains("onit | logger | written\n");
    assert!(said, "{}", ended.stderr);
}

#[test]
fn it_is_the_standard_input_of_the_command_and_of_nothing_else() {
    let reader = "command = [\"sh\", \"-c\", \"readlink /proc/self/fd/0 >&2; exec cat >&2\"]\n\
                  before_start = [[\"sh\", \"-c\", \"readlink /proc/self/fd/0 >&2\"]]\n";
    let running =
        Scene::init().service("logger", reader).service("web", WRITER).with_services().start();
    running.wait_for_notice("logger | up");
    let said = running.stderr();
    let mut inputs = said.lines().filter_map(|line| line.strip_prefix("logger | "));
    assert_eq!(inputs.next(), Some("/dev/null"), "{said}");
    assert!(inputs.next().is_some_and(|line| line.starts_with("pipe:")), "{said}");
}
