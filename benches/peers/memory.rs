//! What a supervisor needs of memory, all its processes together.

use std::process::Stdio;

use crate::peer::{Running, SLEEPER, Workshop};
use crate::processes::{Census, pss, status};

const SERVICES: [usize; 4] = [1, 10, 100, 1000];

pub(crate) fn run(workshop: &Workshop) {
    println!("\n## Memory of the supervisor in KiB: anonymous (RssAnon), proportional (PSS)\n");
    println!("| | 1 service | 10 | 100 | 1,000 |\n|---|---|---|---|---|");
    for peer in workshop.peers() {
        let cells = SERVICES.map(|services| {
            let mut census = Census::from_now_on(SLEEPER);
            let words = workshop.prepare(peer, services);
            let running = Running::start(&words, Stdio::null());
            if !census.wait_for(services) {
                return "did not start".to_owned();
            }
            let supervisors = running.supervisors();
            let anonymous: u64 = supervisors.iter().map(|pid| status(*pid, "RssAnon")).sum();
            let proportional: u64 = supervisors.iter().map(|pid| pss(*pid)).sum();
            format!("{anonymous}, {proportional}")
        });
        println!("| {} | {} |", peer.name, cells.join(" | "));
    }
}
