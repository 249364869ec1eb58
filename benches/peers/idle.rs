//! Services that do nothing: how often a supervisor wakes up, and how long it works meanwhile.

use std::time::Duration;

use crate::floor;
use crate::peer::{Log, Part, Task, sleeper};
use crate::processes::{Census, context_switches};
use crate::report::{Table, seconds};
use crate::running::{Output, Running};
use crate::workshop::{Contestant, Workshop};

const SERVICES: usize = 10;
const WATCHED: Duration = Duration::from_secs(10);

/// Whatever a start leaves to be done is done by then: runit looks at its directory after 5 s.
const SETTLED: Duration = Duration::from_secs(6);

/// What the processes of a supervisor have done so far.
struct Done {
    processes: usize,
    switches: u64,
    worked: Duration,
}

pub(crate) fn run(workshop: &Workshop) {
    let title = format!("Idle with {SERVICES} services, or one command, over {WATCHED:?}");
    let mut table = Table::new(title, &["", "processes of its own", "context switches", "CPU"]);
    let several = workshop.sleepers(SERVICES);
    let command = Task { commands: vec![workshop.sleeper()], log: Log::Silent };
    let floor = workshop.floor("fork, exec", floor::FORK);
    let services = std::iter::once(floor).chain(workshop.peers(Part::Services));
    let all = services.map(|one| (one, &several));
    let all = all.chain(workshop.peers(Part::Command).into_iter().map(|one| (one, &command)));
    let mut running = Vec::new();
    for (contestant, task) in all {
        match start(workshop, &contestant, task) {
            Some(one) => running.push((contestant, one)),
            None => table.note(format!("{} did not start them all", contestant.name)),
        }
    }
    std::thread::sleep(SETTLED);
    let before: Vec<Done> = running.iter().map(|(_, running)| so_far(running)).collect();
    std::thread::sleep(WATCHED);
    for ((contestant, running), before) in running.iter().zip(before) {
        let after = so_far(running);
        let worked = after.worked.saturating_sub(before.worked).as_secs_f64();
        let cells = [
            before.processes.to_string(),
            after.switches.saturating_sub(before.switches).to_string(),
            seconds(worked),
        ];
        table.row(&contestant.name, cells);
    }
    table.note("all of them at the same time; goal: 0");
    table.print();
}

fn start(workshop: &Workshop, contestant: &Contestant, task: &Task) -> Option<Running> {
    let mut census = Census::from_now_on(sleeper());
    let running = Running::start(&workshop.prepare(contestant, task).ok()?, Output::Null);
    census.wait_for(task.commands.len()).then_some(running)
}

fn so_far(running: &Running) -> Done {
    let supervisors = running.supervisors();
    Done {
        processes: supervisors.len(),
        switches: supervisors.iter().map(|pid| context_switches(*pid)).sum(),
        worked: running.supervisors_worked(),
    }
}
