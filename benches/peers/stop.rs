//! An orderly stop: from TERM to the end of PID 1, with services that end at once.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::floor;
use crate::peer::{Running, SLEEPER, Workshop, median};
use crate::processes::Census;

const ROUNDS: usize = 3;

pub(crate) fn run(workshop: &Workshop) {
    for services in [10, 1000] {
        measure_all(workshop, services);
    }
}

fn measure_all(workshop: &Workshop, services: usize) {
    println!("\n## Stop of {services} services, median of {ROUNDS} interleaved rounds\n");
    let mut contestants: Vec<(String, Vec<String>, Vec<Duration>)> = vec![(
        "floor: kill and wait".to_owned(),
        workshop.floor(floor::STOP, services),
        Vec::new(),
    )];
    for peer in workshop.peers() {
        contestants.push((peer.name.to_owned(), workshop.prepare(peer, services), Vec::new()));
    }
    for _ in 0..ROUNDS {
        for (_, words, times) in &mut contestants {
            times.extend(measure(words, services));
        }
    }
    let floor = contestants.first().and_then(|(_, _, times)| median(times)).unwrap_or_default();
    println!("| | median | of the floor |\n|---|---|---|");
    for (name, _, times) in contestants {
        match median(&times) {
            Some(time) => {
                let ratio = time.as_secs_f64() / floor.as_secs_f64();
                println!("| {name} | {:.1} ms | {ratio:.2} × |", time.as_secs_f64() * 1e3);
            }
            None => println!("| {name} | never | |"),
        }
    }
}

fn measure(words: &[String], services: usize) -> Option<Duration> {
    let mut census = Census::from_now_on(SLEEPER);
    let mut running = Running::start(words, Stdio::null());
    if !census.wait_for(services) {
        return None;
    }
    // The last has been executed; whoever starts them may still have to hear of it.
    std::thread::sleep(Duration::from_millis(300));
    let pid = Pid::from_raw(i32::try_from(running.pid).ok()?);
    let start = Instant::now();
    kill(pid, Signal::SIGTERM).ok()?;
    running.wait();
    Some(start.elapsed())
}
