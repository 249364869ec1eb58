//! Twenty thousand orphans: how PID 1 reaps them, and whether it still answers.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::floor;
use crate::orphan_maker::{self, RELEASED};
use crate::peer::{Log, Part, Task};
use crate::processes::worked;
use crate::report::{Samples, Table, contest, seconds, shown};
use crate::running::{Output, Running};
use crate::workshop::{Contestant, Workshop};

const ORPHANS: usize = 20_000;
const ROUNDS: usize = 3;

/// What was seen of one PID 1.
struct Seen {
    /// From the first orphan, or the death of all, until the last has been reaped.
    took: f64,
    /// Processor time of PID 1 alone.
    worked: f64,
    /// Most children it had at a time; all but one of them orphans.
    most: usize,
    /// From a signal sent to it to the answer of its main command, the longest.
    answer: f64,
}

pub(crate) fn run(workshop: &Workshop) {
    show(workshop, "in a stream", orphan_maker::STREAM);
    show(workshop, "that die all at once", orphan_maker::BURST);
}

fn show(workshop: &Workshop, how: &str, role: &str) {
    let rounds = workshop.rounds(ROUNDS);
    let title = format!("{ORPHANS} orphans {how}, median of {rounds}");
    let head = [
        "",
        "until the last is reaped",
        "to the floor",
        "CPU of PID 1",
        "to the floor",
        "most children",
        "longest answer",
    ];
    let mut table = Table::new(title, &head);
    let maker = workshop.actor(role, &[ORPHANS.to_string()]).join(" ");
    // A shell's `wait` is interrupted by a trapped signal, so the loop waits on until it is true.
    let script = format!(
        "trap 'echo pong' USR1; {maker} & maker=$!; echo ready; \
         while kill -0 $maker 2>/dev/null; do wait $maker; done; echo done"
    );
    let command = ["sh", "-c", &script].map(str::to_owned).to_vec();
    let task = Task { commands: vec![command], log: Log::Silent };
    let floor = workshop.floor("sigwait, wait", floor::INIT);
    let contestants: Vec<Contestant> =
        std::iter::once(floor).chain(workshop.peers(Part::Command)).collect();
    let all = contest(rounds, contestants, |contestant| {
        measure(&workshop.prepare(contestant, &task).ok()?)
    });
    let took = |seen: &[Seen]| Samples::of(seen, |seen| seen.took);
    let work = |seen: &[Seen]| Samples::of(seen, |seen| seen.worked);
    let floor = all.first().map_or(&[][..], |(_, seen)| seen);
    for (contestant, seen) in &all {
        let most = seen.iter().map(|seen| seen.most).max().unwrap_or(0);
        let answers = Samples::of(seen, |seen| seen.answer);
        let cells = [
            took(seen).spread(seconds),
            took(seen).to_floor(&took(floor)),
            shown(work(seen).median(), seconds),
            work(seen).to_floor(&work(floor)),
            most.to_string(),
            shown(answers.median(), seconds),
        ];
        table.row(&contestant.name, cells);
    }
    table.note("the answer is that of the main command to a USR1 sent to PID 1, every 20 ms");
    table.note("goal: 1.1 × the floor's time, 1.6 × its CPU");
    table.print();
}

fn measure(words: &[String]) -> Option<Seen> {
    let mut running = Running::start(words, Output::Pipe);
    let mut lines = BufReader::new(running.stdout()).lines().map_while(Result::ok);
    let mut seen = Seen { took: 0.0, worked: 0.0, most: 0, answer: 0.0 };
    lines.find(|line| line == "ready")?;
    let work = || worked(running.pid).as_secs_f64();
    let (mut began, mut worked_before) = (Instant::now(), work());
    loop {
        let asked = Instant::now();
        running.send(Signal::SIGUSR1);
        let answer = lines.next();
        seen.answer = seen.answer.max(asked.elapsed().as_secs_f64());
        seen.most = seen.most.max(running.children());
        seen.worked = work() - worked_before;
        match answer.as_deref() {
            Some("pong") => std::thread::sleep(Duration::from_millis(20)),
            Some(RELEASED) => (began, worked_before) = (Instant::now(), work()),
            Some(_) => break,
            None => return None,
        }
    }
    seen.took = began.elapsed().as_secs_f64();
    Some(seen)
}
