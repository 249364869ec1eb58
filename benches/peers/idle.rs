//! Ten services that do nothing: how often a supervisor wakes up in ten seconds.

use std::process::Stdio;
use std::time::Duration;

use crate::peer::{ONIT_PROGRAM, Running, SLEEPER, Workshop, find};
use crate::processes::{Census, context_switches};

const SERVICES: usize = 10;
const WATCHED: Duration = Duration::from_secs(10);

/// Whatever a start leaves to be done is done by then: runit looks at its directory after 5 s.
const SETTLED: Duration = Duration::from_secs(6);

pub(crate) fn run(workshop: &Workshop) {
    println!("\n## Idle with {SERVICES} services, over {} s\n", WATCHED.as_secs());
    let mut running = Vec::new();
    for peer in workshop.peers() {
        let mut census = Census::from_now_on(SLEEPER);
        let words = workshop.prepare(peer, SERVICES);
        running.push((peer.name, Running::start(&words, Stdio::null())));
        if !census.wait_for(SERVICES) {
            println!("{} did not start them all", peer.name);
        }
    }
    let sleep = || [workshop.sleeper.display().to_string(), "1000".to_owned()];
    if find("tini").is_some() {
        let words = [&["tini".to_owned(), "--".to_owned()][..], &sleep()].concat();
        running.push(("tini (one program)", Running::start(&words, Stdio::null())));
    }
    let onit = [&[ONIT_PROGRAM.to_owned(), "--".to_owned()][..], &sleep()].concat();
    running.push(("onit -- (one program)", Running::start(&onit, Stdio::null())));

    std::thread::sleep(SETTLED);
    let count = |running: &Running| -> (usize, u64) {
        let supervisors = running.supervisors();
        (supervisors.len(), supervisors.iter().map(|pid| context_switches(*pid)).sum())
    };
    let before: Vec<(usize, u64)> = running.iter().map(|(_, running)| count(running)).collect();
    std::thread::sleep(WATCHED);
    println!("| | processes of its own | context switches |\n|---|---|---|");
    for ((name, running), (processes, before)) in running.iter().zip(before) {
        let (_, after) = count(running);
        println!("| {name} | {processes} | {} |", after.saturating_sub(before));
    }
}
