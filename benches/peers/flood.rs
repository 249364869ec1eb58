//! Output as fast as it can be written: how fast it comes through, and what that costs PID 1.

use std::fs;
use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::floor;
use crate::peer::{ONIT_PROGRAM, Running, Workshop, median};

const BYTES: usize = 512 << 20;
const ROUNDS: usize = 3;

/// The last line of the writer; it is looked for in what comes out.
pub(crate) const LAST: &[u8] = b"that was all\n";

/// Who moves the lines, and how.
struct Contestant {
    name: &'static str,
    words: Vec<String>,
    rates: Vec<f64>,
    costs: Vec<f64>,
}

pub(crate) fn run(workshop: &Workshop) {
    println!("\n## {} MiB of lines into a pipe, median of {ROUNDS} rounds\n", BYTES >> 20);
    println!(
        "Written in blocks of 64 KiB by one service. CPU is that of PID 1, with all its threads.\n"
    );
    println!("| | line | MB/s | CPU s/GB | of the floor's CPU |\n|---|---|---|---|---|");
    for length in [100, 2048] {
        let mut contestants = contestants(workshop, length);
        for _ in 0..ROUNDS {
            for contestant in &mut contestants {
                let (rate, cost) = measure(&contestant.words);
                contestant.rates.push(rate);
                contestant.costs.push(cost);
            }
        }
        let floor = contestants.first().and_then(|floor| median(&floor.costs)).unwrap_or(1.0);
        for Contestant { name, rates, costs, .. } in contestants {
            let (rate, cost) = (median(&rates), median(&costs));
            let (rate, cost) = (rate.unwrap_or_default(), cost.unwrap_or_default());
            let ratio = cost / floor;
            println!("| {name} | {length} | {rate:.0} | {cost:.2} | {ratio:.2} × |");
        }
    }
}

fn contestants(workshop: &Workshop, length: usize) -> Vec<Contestant> {
    let writer = |role| {
        let mut words = workshop.floor(role, BYTES);
        words.truncate(3);
        words.push(length.to_string());
        words
    };
    let one = |name, words| Contestant { name, words, rates: Vec::new(), costs: Vec::new() };
    let mut all = vec![
        one("floor: read, memchr, prefix, writev", writer(floor::RELAY)),
        one("floor: cat", writer(floor::CAT)),
    ];
    for format in ["text", "json", "raw", "inherit"] {
        let room = workshop.room().join(format!("flood-{format}-{length}"));
        fs::create_dir_all(&room).expect("a temporary directory");
        let log = match format {
            "inherit" => "stdout = \"inherit\"".to_owned(),
            format => format!("format = \"{format}\""),
        };
        let words = writer(floor::FLOOD);
        fs::write(room.join("web.toml"), format!("command = {words:?}\n[log]\n{log}\n"))
            .expect("a temporary file");
        let socket = room.join("onit.sock").display().to_string();
        let words = [ONIT_PROGRAM, "--socket", &socket, &room.display().to_string()];
        let name = match format {
            "text" => "onit, text",
            "json" => "onit, json",
            "raw" => "onit, raw",
            _ => "onit, inherit",
        };
        all.push(one(name, words.map(str::to_owned).to_vec()));
    }
    all
}

/// MB a second, and seconds of processor time a GB, both of what was written.
fn measure(words: &[String]) -> (f64, f64) {
    let mut running = Running::start(words, Stdio::piped());
    let mut output = running.stdout();
    let mut buffer = vec![0; 1 << 20];
    let mut start = None;
    let mut tail: Vec<u8> = Vec::new();
    loop {
        let count = output.read(&mut buffer).unwrap_or(0);
        let start = *start.get_or_insert_with(Instant::now);
        let read = buffer.get(..count).unwrap_or_default();
        tail.extend_from_slice(read.get(count.saturating_sub(64)..).unwrap_or_default());
        let last = LAST.strip_suffix(b"\n").unwrap_or(LAST);
        if count == 0 || tail.windows(last.len()).any(|part| part == last) {
            let size = BYTES as f64;
            let took = start.elapsed().as_secs_f64();
            return (size / took / 1e6, worked(running.pid).as_secs_f64() / size * 1e9);
        }
        tail.drain(..tail.len().saturating_sub(64));
    }
}

/// The processor time of all threads there are, to the nanosecond; see proc(5), schedstat.
fn worked(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let times = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum())
}
