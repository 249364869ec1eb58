//! A thousand services: from the exec of the supervisor to the exec of the last of them.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::floor;
use crate::peer::{Running, SLEEPER, Workshop, median};
use crate::processes::Census;

const SERVICES: usize = 1000;

/// Odd, so that the median is a measurement.
const ROUNDS: usize = 5;

pub(crate) fn run(workshop: &Workshop) {
    println!("\n## Start of {SERVICES} services, median of {ROUNDS} interleaved rounds\n");
    let mut contestants = vec![
        ("bare fork + exec loop", workshop.floor(floor::FORK, SERVICES)),
        ("bare vfork + exec loop", workshop.floor(floor::VFORK, SERVICES)),
    ];
    for peer in workshop.peers() {
        contestants.push((peer.name, workshop.prepare(peer, SERVICES)));
    }
    let mut times: Vec<Vec<Duration>> = contestants.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for ((_, words), times) in contestants.iter().zip(&mut times) {
            times.extend(measure(words));
        }
    }
    let medians: Vec<Option<Duration>> = times.iter().map(|times| median(times)).collect();
    let floor = medians.iter().take(2).flatten().min().copied().unwrap_or_default();
    println!("| | all exec'd after | × the faster floor |\n|---|---|---|");
    for ((name, _), median) in contestants.iter().zip(medians) {
        match median {
            Some(time) => {
                let ratio = time.as_secs_f64() / floor.as_secs_f64();
                println!("| {name} | {:.0} ms | {ratio:.2} |", time.as_secs_f64() * 1e3);
            }
            None => println!("| {name} | did not start them all | |"),
        }
    }
}

fn measure(words: &[String]) -> Option<Duration> {
    let mut census = Census::from_now_on(SLEEPER);
    let start = Instant::now();
    let running = Running::start(words, Stdio::null());
    let complete = census.wait_for(SERVICES);
    let took = start.elapsed();
    drop(running);
    complete.then_some(took)
}
