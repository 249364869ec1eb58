//! Twenty thousand orphans in a stream: how PID 1 reaps them, and whether it still answers.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::peer::{ONIT_PROGRAM, Running, Workshop, find, median};
use crate::processes::{children, processor_time};

const ORPHANS: usize = 20_000;
const ROUNDS: usize = 3;

/// What was seen of one PID 1.
struct Seen {
    /// From its exec to its end, which follows the last orphan.
    took: Duration,
    /// Processor time of PID 1 alone.
    worked: Duration,
    /// Most children it had at a time; all but one of them orphans.
    most: usize,
    /// From a signal sent to it to the answer of its main command, the longest.
    answer: Duration,
}

pub(crate) fn run(workshop: &Workshop) {
    println!("\n## {ORPHANS} orphans in a stream, median of {ROUNDS} interleaved rounds\n");
    // A shell's `wait` is interrupted by a trapped signal, so the loop waits on until it is true.
    let script = format!(
        "trap 'echo pong' USR1; {} & maker=$!; echo ready; \
         while kill -0 $maker 2>/dev/null; do wait $maker; done; echo done",
        workshop.orphan_maker(ORPHANS)
    );
    // By default dumb-init signals a whole group, the maker of the orphans included.
    let known: [&[&str]; 4] = [&[ONIT_PROGRAM], &["tini"], &["dumb-init", "-c"], &["catatonit"]];
    let mut contestants = Vec::new();
    for init in known {
        if init.first().is_some_and(|program| find(program).is_some()) {
            let words = [init, &["--", "sh", "-c", &script]].concat();
            contestants
                .push((words.into_iter().map(str::to_owned).collect::<Vec<_>>(), Vec::new()));
        }
    }
    for _ in 0..ROUNDS {
        for (words, seen) in &mut contestants {
            seen.push(measure(words));
        }
    }
    println!("| | until its end | processor time | most children | longest answer |");
    println!("|---|---|---|---|---|");
    for (words, seen) in contestants {
        let name = words.first().and_then(|program| program.rsplit('/').next()).unwrap_or_default();
        let middle = |of: fn(&Seen) -> Duration| {
            let all: Vec<Duration> = seen.iter().map(of).collect();
            median(&all).unwrap_or_default().as_secs_f64() * 1e3
        };
        let most = seen.iter().map(|seen| seen.most).max().unwrap_or(0);
        println!(
            "| {name} | {:.0} ms | {:.0} ms | {most} | {:.1} ms |",
            middle(|seen| seen.took),
            middle(|seen| seen.worked),
            middle(|seen| seen.answer),
        );
    }
}

fn measure(words: &[String]) -> Seen {
    let start = Instant::now();
    let mut running = Running::start(words, Stdio::piped());
    let mut lines = BufReader::new(running.stdout()).lines().map_while(Result::ok);
    let mut seen =
        Seen { took: Duration::ZERO, worked: Duration::ZERO, most: 0, answer: Duration::ZERO };
    let pid = Pid::from_raw(i32::try_from(running.pid).expect("a pid is positive"));
    let _ = lines.find(|line| line == "ready");
    loop {
        let asked = Instant::now();
        let _ = kill(pid, Signal::SIGUSR1);
        let answer = lines.next();
        seen.answer = seen.answer.max(asked.elapsed());
        seen.most = seen.most.max(children(running.pid).len());
        seen.worked = seen.worked.max(processor_time(running.pid));
        match answer.as_deref() {
            Some("pong") => std::thread::sleep(Duration::from_millis(20)),
            Some(_) | None => break,
        }
    }
    running.wait();
    seen.took = start.elapsed();
    seen
}
