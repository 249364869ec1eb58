//! Readiness and health: how soon a dependent is executed, and what it costs to look.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::ask::compile;
use crate::clock;
use crate::peer::{ONIT_PROGRAM, sleeper};
use crate::processes::{Census, PATIENCE, wait_until, worked};
use crate::report::{Samples, Table, seconds, shown};
use crate::running::{Output, Running};
use crate::workshop::Workshop;

/// Links of the chain.
const LINKS: usize = 100;
/// Services that are looked at every second.
const LOOKED_AT: usize = 100;
const WATCHED: Duration = Duration::from_secs(10);

/// Writes down when its main began, says that it is ready, and when it said so.
const LINK: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}
int main(int argc, char **argv) {
    long long began = now(), said;
    char *path = getenv("NOTIFY_SOCKET");
    FILE *out = fopen(argv[1], "w");
    if (path) {
        struct sockaddr_un to = { .sun_family = AF_UNIX };
        int s = socket(AF_UNIX, SOCK_DGRAM, 0);
        strncpy(to.sun_path, path, sizeof to.sun_path - 1);
        said = now();
        sendto(s, "READY=1", 7, 0, (struct sockaddr *)&to, sizeof to);
    } else {
        said = now();
        write(3, "\n", 1);
    }
    fprintf(out, "%lld %lld\n", began, said);
    fclose(out);
    for (;;) pause();
}
"#;

pub(crate) fn run(workshop: &Workshop) {
    let title = format!("From the word of one to the main of the next, a chain of {LINKS}");
    let mut table = Table::new(title, &["says so by", "median", "longest"]);
    match compile(&workshop.room().join("link.c"), LINK) {
        None => table.note("no C compiler: left out"),
        Some(program) => {
            for (name, key) in [("READY=1", "notify = true"), ("a newline", "fd = 3")] {
                let gaps = Samples::of(&chain(workshop, &program, key), Duration::as_secs_f64);
                table.row(name, [gaps.median(), gaps.longest()].map(|gap| shown(gap, seconds)));
            }
        }
    }
    table.note("goal: 5 ms");
    table.print();
    looking(workshop);
}

fn chain(workshop: &Workshop, program: &Path, key: &str) -> Vec<Duration> {
    let room = workshop.room();
    fs::create_dir_all(room.join("services")).expect("a temporary directory");
    for link in 0..LINKS {
        let out = room.join(format!("{link}.times"));
        let mut text = format!("command = [{program:?}, {out:?}]\n");
        if let Some(before) = link.checked_sub(1) {
            let _ = writeln!(text, "depends_on = [\"link{before}\"]");
        }
        let _ = writeln!(text, "[ready]\n{key}");
        let file = room.join(format!("services/link{link}.toml"));
        fs::write(file, text).expect("a temporary directory");
    }
    let socket = room.join("onit.sock").display().to_string();
    let services = room.join("services").display().to_string();
    let words = [ONIT_PROGRAM, "--socket", &socket, &services].map(str::to_owned);
    let _running = Running::start(&words, Output::Null);
    let last = room.join(format!("{}.times", LINKS - 1));
    wait_until(PATIENCE, || fs::read_to_string(&last).is_ok_and(|text| text.ends_with('\n')));
    let times = |link: usize| {
        let text = fs::read_to_string(room.join(format!("{link}.times"))).unwrap_or_default();
        let mut numbers = text.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    };
    let gap = |link: usize| Duration::from_nanos(times(link).0.saturating_sub(times(link - 1).1));
    (1..LINKS).map(gap).collect()
}

/// What it costs onit itself to have services looked at, beside a loop that only starts the same
/// probes as cheaply as it can.
fn looking(workshop: &Workshop) {
    let title = format!("{LOOKED_AT} services, each looked at every second, over {WATCHED:?}");
    let mut table = Table::new(title, &["", "CPU time of the one that starts them, of a core"]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    for (name, check) in [
        ("onit, health.tcp", format!("tcp = {address:?}")),
        ("onit, health.exec", "exec = [\"/bin/true\"]".to_owned()),
    ] {
        match looked_at(workshop, &check) {
            Some(used) => table.row(name, [share(used)]),
            None => table.note(format!("{name}: it did not start them all")),
        }
    }
    let before = clock::used();
    let begin = Instant::now();
    for number in 1..=LOOKED_AT * 10 {
        let mut probe = Command::new(ONIT_PROGRAM);
        probe.args(["probe", "tcp", &address]).stdin(Stdio::null());
        let _ = probe.status();
        let due = Duration::from_millis(10 * u64::try_from(number).unwrap_or(0));
        std::thread::sleep(due.saturating_sub(begin.elapsed()));
    }
    let used = clock::used().saturating_sub(before);
    table.row("floor: posix_spawn of `onit probe tcp` and wait", [share(used)]);
    table.note("goal: 1 %");
    table.print();
}

/// The processor time of onit while it looks at its services.
fn looked_at(workshop: &Workshop, check: &str) -> Option<Duration> {
    let mut census = Census::from_now_on(sleeper());
    let words = workshop.prepare(&workshop.onit(), &workshop.sleepers(LOOKED_AT)).ok()?;
    for entry in fs::read_dir(words.last()?).expect("a directory").flatten() {
        let text = fs::read_to_string(entry.path()).expect("a service file");
        let text = format!("{text}\n[health]\n{check}\ninterval = \"1s\"\n");
        fs::write(entry.path(), text).expect("a temporary directory");
    }
    let running = Running::start(&words, Output::Null);
    census.wait_for(LOOKED_AT).then_some(())?;
    // They are looked at from a second after their start on.
    std::thread::sleep(Duration::from_secs(2));
    let before = worked(running.pid);
    std::thread::sleep(WATCHED);
    Some(worked(running.pid).saturating_sub(before))
}

fn share(used: Duration) -> String {
    format!("{:.2} %", used.as_secs_f64() / WATCHED.as_secs_f64() * 100.0)
}
