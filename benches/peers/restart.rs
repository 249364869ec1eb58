//! A service that is killed: from the KILL to the exec of the next.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::peer::{Running, SLEEPER, Workshop, median};
use crate::processes::{Census, PATIENCE, children, comm};

const KILLS: usize = 20;

/// Longer than the second before which s6, runit and supervisord take an end for a failed start.
const UP: Duration = Duration::from_millis(1300);

pub(crate) fn run(workshop: &Workshop) {
    println!("\n## Restart after a KILL, {KILLS} times, after {UP:?} of being up\n");
    let mut running = Vec::new();
    for peer in workshop.peers() {
        let mut census = Census::from_now_on(SLEEPER);
        let words = workshop.prepare(peer, 1);
        let one = Running::start(&words, Stdio::null());
        if census.wait_for(1) {
            running.push((peer.name, one, Vec::new()));
        } else {
            println!("{} did not start it", peer.name);
        }
    }
    for _ in 0..KILLS {
        std::thread::sleep(UP);
        for (_, running, times) in &mut running {
            times.extend(measure(running));
        }
    }
    println!("| | median | longest | returned |\n|---|---|---|---|");
    for (name, _, times) in running {
        let show = |time: Option<Duration>| {
            time.map_or("never".to_owned(), |time| format!("{:.2} ms", time.as_secs_f64() * 1e3))
        };
        let longest = times.iter().max().copied();
        println!("| {name} | {} | {} | {} |", show(median(&times)), show(longest), times.len());
    }
}

fn measure(running: &Running) -> Option<Duration> {
    let (victim, parent) = running.service()?;
    let pid = Pid::from_raw(i32::try_from(victim).ok()?);
    let start = Instant::now();
    kill(pid, Signal::SIGKILL).ok()?;
    loop {
        let is_new = |pid: &u32| *pid != victim && comm(*pid).is_some_and(|name| name == SLEEPER);
        if children(parent).iter().any(is_new) {
            return Some(start.elapsed());
        }
        if start.elapsed() > PATIENCE {
            return None;
        }
    }
}
