//! The client: how long `onit health` and `onit status` take, beside a program that does nothing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::floor::NOTHING;
use crate::peer::{ONIT_PROGRAM, find, sleeper};
use crate::processes::Census;
use crate::report::{Samples, Table, contest, floor_of, seconds, shown};
use crate::workshop::Workshop;

const ROUNDS: usize = 300;

pub(crate) fn run(workshop: &Workshop) {
    let rounds = workshop.rounds(ROUNDS);
    let title = format!("Asking, from the start of the client to its end, median of {rounds}");
    let mut table = Table::new(title, &["", "services", "time", "to the floor"]);
    let (nothing, why) = nothing(workshop);
    table.note(why);
    table.note("goal: health 1.5 × with 10 services");
    for services in [10, 1000] {
        let mut census = Census::from_now_on(sleeper());
        let words = workshop.prepare(&workshop.onit(), &workshop.sleepers(services));
        let words = words.expect("onit runs services");
        let _running = Beside::start(&words);
        if !census.wait_for(services) {
            table.note(format!("onit did not start {services}"));
            continue;
        }
        let socket = words.get(2).expect("--socket and its value");
        let ask =
            |verb: &str| (format!("onit {verb}"), [ONIT_PROGRAM, verb].map(str::to_owned).to_vec());
        let floor = ("floor: a program that does nothing".to_owned(), nothing.clone());
        let contestants = vec![floor, ask("health"), ask("status")];
        let all = contest(rounds, contestants, |(_, words)| Some(time(words, socket)));
        let floor = floor_of(&all, |time| *time);
        for ((name, _), times) in &all {
            let times = Samples::of(times, |time| *time);
            let time = shown(times.median(), seconds);
            table.row(name, [services.to_string(), time, times.to_floor(&floor)]);
        }
    }
    table.print();
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

/// One made by the C compiler, or, without one, this very program; which of them.
fn nothing(workshop: &Workshop) -> (Vec<String>, &'static str) {
    match compile(&workshop.room().join("nothing.c"), "int main(void) { return 0; }\n") {
        Some(program) => (vec![program.display().to_string()], "the floor is a static C program"),
        None => {
            let ourselves = std::env::current_exe().expect("/proc is there");
            let words = vec![ourselves.display().to_string(), NOTHING.to_owned()];
            (words, "no C compiler: the floor is this program, which is slower to start")
        }
    }
}

/// The static program that a source in C becomes, if there is a compiler.
pub(crate) fn compile(source: &Path, text: &str) -> Option<PathBuf> {
    let compiler = find("cc")?;
    let program = source.with_extension("");
    std::fs::write(source, text).expect("a temporary directory");
    let mut compile = Command::new(compiler);
    compile.args(["-static", "-O2", "-w", "-o"]).arg(&program).arg(source);
    compile.status().is_ok_and(|status| status.success()).then_some(program)
}

fn time(words: &[String], socket: &str) -> f64 {
    let (program, arguments) = words.split_first().expect("a program");
    let mut command = Command::new(program);
    command.args(arguments).env("ONIT_SOCKET", socket).stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    command.status().expect("it can be executed");
    start.elapsed().as_secs_f64()
}
