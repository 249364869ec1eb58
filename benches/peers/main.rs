//! `cargo bench`: onit beside its peers, side by side in one run, as Markdown tables.
//!
//! No number here is a limit a test holds; machines differ. What counts are the ratios within one
//! run: to the other programs, and to a floor, which is the same work done by the barest loop there
//! is. benches/README.md says what is measured and how.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark may start programs, wait for them, and stop at the first surprise"
)]

mod ask;
mod flood;
mod floor;
mod idle;
mod memory;
mod orphans;
mod peer;
mod processes;
mod ready;
mod restart;
mod start;
mod stop;

use std::process::ExitCode;

use peer::Workshop;

/// Prints one table.
type Workload = fn(&Workshop);

/// Every workload, and what it is called on the command line.
const WORKLOADS: [(&str, Workload); 9] = [
    ("start", start::run),
    ("stop", stop::run),
    ("idle", idle::run),
    ("restart", restart::run),
    ("orphans", orphans::run),
    ("memory", memory::run),
    ("ask", ask::run),
    ("ready", ready::run),
    ("flood", flood::run),
];

fn main() -> ExitCode {
    // Cargo adds this word.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let Some((role, rest)) = words.split_first().filter(|(first, _)| floor::is_role(first)) {
        return floor::play(role, rest);
    }
    let known: Vec<&str> = WORKLOADS.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = words.iter().find(|word| !known.contains(&word.as_str())) {
        eprintln!("no workload {unknown}; there are: {}", known.join(" "));
        return ExitCode::from(2);
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("the peers run as PID 1 of namespaces of their own, which takes root");
        return ExitCode::from(2);
    }
    let workshop = Workshop::open();
    workshop.introduce();
    for (name, run) in WORKLOADS {
        if words.is_empty() || words.iter().any(|word| word == name) {
            run(&workshop);
        }
    }
    ExitCode::SUCCESS
}
