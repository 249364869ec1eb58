//! The client: how long `onit health` and `onit status` take, beside a program that does nothing.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::floor::NOTHING;
use crate::peer::{ONIT_PROGRAM, SLEEPER, Workshop, find, median};
use crate::processes::Census;

const ROUNDS: usize = 300;

pub(crate) fn run(workshop: &Workshop) {
    println!("\n## Asking, median of {ROUNDS}, from the start of the client to its end\n");
    println!("| | services | time | to the floor |\n|---|---|---|---|");
    let nothing = nothing(workshop);
    for services in [10, 1000] {
        let onit = workshop.onit();
        let mut census = Census::from_now_on(SLEEPER);
        let words = workshop.prepare(onit, services);
        let _running = Beside::start(&words);
        if !census.wait_for(services) {
            println!("onit did not start them all");
            return;
        }
        let socket = words.get(2).expect("--socket and its value").clone();
        let asks = [&["health"][..], &["status"]];
        let mut floors = Vec::new();
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            floors.push(time(&nothing, &socket));
            for (ask, times) in asks.iter().zip(&mut times) {
                let words: Vec<String> =
                    [ONIT_PROGRAM].iter().chain(*ask).map(ToString::to_string).collect();
                times.push(time(&words, &socket));
            }
        }
        let floor = median(&floors).unwrap_or_default();
        println!("| floor: a static program that does nothing | | {} | 1 |", show(floor));
        for (ask, times) in asks.iter().zip(times) {
            let time = median(&times).unwrap_or_default();
            let ratio = time.as_secs_f64() / floor.as_secs_f64();
            println!("| onit {} | {services} | {} | {ratio:.2} |", ask.join(" "), show(time));
        }
    }
}

/// An onit that is not PID 1: its clients are to see the same numbers of processes as it does.
struct Beside(Child);

impl Beside {
    fn start(words: &[String]) -> Self {
        let (program, arguments) = words.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("it can be executed"))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap_or(i32::MAX));
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// One made by the C compiler, or, without one, this very program.
fn nothing(workshop: &Workshop) -> Vec<String> {
    if find("cc").is_some() {
        let source = workshop.room().join("nothing.c");
        let program: PathBuf = source.with_extension("");
        std::fs::write(&source, "int main(void) { return 0; }\n").expect("a temporary directory");
        let mut compile = Command::new("cc");
        compile.args(["-static", "-O2", "-o"]).arg(&program).arg(&source);
        if compile.status().is_ok_and(|status| status.success()) {
            return vec![program.display().to_string()];
        }
    }
    println!("no C compiler: the floor is this program, which is slower to start");
    let ourselves = std::env::current_exe().expect("/proc is there");
    vec![ourselves.display().to_string(), NOTHING.to_owned()]
}

fn time(words: &[String], socket: &str) -> Duration {
    let (program, arguments) = words.split_first().expect("a program");
    let mut command = Command::new(program);
    command.args(arguments).env("ONIT_SOCKET", socket).stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    command.status().expect("it can be executed");
    start.elapsed()
}

fn show(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
