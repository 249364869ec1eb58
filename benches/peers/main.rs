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
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark may start programs, wait for them, and stop at the first surprise"
)]

mod answer;
mod ask;
mod by_services;
mod clock;
mod fan_in;
mod flood;
mod floor;
mod floor_relay;
mod idle;
mod line_writes;
mod memory;
mod moving;
mod once;
mod orphan_maker;
mod orphans;
mod peer;
mod plot;
mod prepare;
mod processes;
mod ready;
mod report;
mod restart;
mod roles;
mod running;
mod signal;
mod size;
mod source;
mod stalled;
mod start;
mod stop;
mod workshop;
mod writer;

use std::path::Path;
use std::process::ExitCode;

use plot::Plots;
use workshop::Workshop;

/// Prints its tables.
type Workload = fn(&Workshop);

/// Every workload, and what it is called on the command line.
const WORKLOADS: [(&str, Workload); 15] = [
    ("start", start::run),
    ("stop", stop::run),
    ("memory", memory::run),
    ("idle", idle::run),
    ("orphans", orphans::run),
    ("restart", restart::run),
    ("flood", flood::run),
    ("lines", line_writes::run),
    ("fan-in", fan_in::run),
    ("stalled", stalled::run),
    ("signal", signal::run),
    ("once", once::run),
    ("size", size::run),
    ("ask", ask::run),
    ("ready", ready::run),
];

/// What the command line asks for.
#[derive(Default)]
struct Request {
    workloads: Vec<String>,
    rounds: Option<usize>,
    plots: Option<String>,
    /// Without the peers.
    alone: bool,
}

fn main() -> ExitCode {
    // Cargo adds this word.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let Some(played) = roles::play(&words) {
        return played;
    }
    let request = match Request::read(words) {
        Ok(request) => request,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    if !nix::unistd::geteuid().is_root() {
        eprintln!("the peers run as PID 1 of namespaces of their own, which takes root");
        return ExitCode::from(2);
    }
    let plots = request.plots.as_ref().map(|folder| Plots::into(Path::new(folder)));
    let workshop = Workshop::open(request.rounds, request.alone, plots);
    workshop.introduce();
    for (name, run) in WORKLOADS {
        if request.workloads.is_empty() || request.workloads.iter().any(|word| word == name) {
            run(&workshop);
        }
    }
    ExitCode::SUCCESS
}

impl Request {
    fn read(words: Vec<String>) -> Result<Self, String> {
        let mut request = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} wants a value"));
            match word.as_str() {
                "--alone" => request.alone = true,
                "--plots" => request.plots = Some(value()?),
                "--rounds" => {
                    let rounds = value()?.parse().ok().filter(|rounds| *rounds > 0);
                    request.rounds = Some(rounds.ok_or("--rounds wants a number above 0")?);
                }
                name if WORKLOADS.iter().any(|(known, _)| *known == name) => {
                    request.workloads.push(word);
                }
                unknown => {
                    let known: Vec<&str> = WORKLOADS.iter().map(|(name, _)| *name).collect();
                    let known = known.join(" ");
                    return Err(format!(
                        "no workload {unknown}; there are: {known}; \
                         and --rounds N, --alone, --plots FOLDER"
                    ));
                }
            }
        }
        Ok(request)
    }
}
