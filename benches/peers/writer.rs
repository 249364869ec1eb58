//! Services that write lines: they wait for one another, write, and say how long it took.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::{mkfifo, pause};

use crate::clock;
use crate::processes::wait_until;
use crate::running::waiting_in;
use crate::workshop::Workshop;

/// Writes the same line again and again.
pub(crate) const WRITE: &str = "write-alike";
/// Writes numbered lines, which can be checked.
pub(crate) const NUMBER: &str = "write-numbered";

/// Begins and ends what is in a numbered line; nothing else in it looks like that.
pub(crate) const FIRST: u8 = b'#';
pub(crate) const LAST: u8 = b'$';

/// What is to be written.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    pub(crate) role: &'static str,
    pub(crate) writers: usize,
    /// Of each writer.
    pub(crate) lines: usize,
    /// Of each line, its newline included.
    pub(crate) length: usize,
    /// Bytes that are written at once.
    pub(crate) block: usize,
}

/// What one writer says.
pub(crate) struct Written {
    pub(crate) began: Duration,
    /// When the last byte had been taken out of the pipe.
    pub(crate) ended: Duration,
    /// Its own processor time meanwhile.
    pub(crate) worked: Duration,
}

/// Where the writers of one job wait for one another.
pub(crate) struct Gate {
    folder: PathBuf,
    job: Job,
    /// They are held back as long as this is open for writing.
    held: Option<File>,
}

impl Job {
    pub(crate) fn bytes(&self) -> usize {
        self.writers * self.lines * self.length
    }

    pub(crate) fn commands(&self, workshop: &Workshop, gate: &Gate) -> Vec<Vec<String>> {
        let command = |writer: usize| {
            let numbers = [writer, self.lines, self.length, self.block];
            let numbers = numbers.iter().map(ToString::to_string);
            let folder = gate.folder.display().to_string();
            workshop.actor(self.role, &[folder].into_iter().chain(numbers).collect::<Vec<_>>())
        };
        (0..self.writers).map(command).collect()
    }
}

impl Gate {
    pub(crate) fn closed(folder: PathBuf, job: Job) -> Self {
        let fifo = folder.join("gate");
        mkfifo(&fifo, Mode::S_IRWXU).expect("a temporary directory");
        // Open for both, so that nobody waits for anybody: see fifo(7).
        let held = File::options().read(true).write(true).open(fifo).expect("our own file");
        Self { folder, job, held: Some(held) }
    }

    /// Waits until all writers are there.
    pub(crate) fn all_wait(&self, patience: Duration) -> bool {
        wait_until(patience, || self.count("ready") == self.job.writers)
    }

    pub(crate) fn open(&mut self) {
        self.held = None;
    }

    /// Waits until all have written everything and it has been taken, and tells what they say.
    pub(crate) fn results(&self, patience: Duration) -> Option<Vec<Written>> {
        wait_until(patience, || self.has_ended())
            .then(|| (0..self.job.writers).filter_map(|writer| self.result(writer)).collect())
    }

    /// Whether all have written everything.
    pub(crate) fn has_ended(&self) -> bool {
        self.count("result") == self.job.writers
    }

    fn count(&self, kind: &str) -> usize {
        (0..self.job.writers).filter(|writer| of(&self.folder, kind, *writer).exists()).count()
    }

    fn result(&self, writer: usize) -> Option<Written> {
        let text = fs::read_to_string(of(&self.folder, "result", writer)).ok()?;
        let mut times = text.split_whitespace().filter_map(clock::read);
        Some(Written { began: times.next()?, ended: times.next()?, worked: times.next()? })
    }
}

pub(crate) fn write_alike(words: &[String]) {
    let mut line = vec![b'x'; number(words, LENGTH) - 1];
    line.push(b'\n');
    let lines = number(words, LINES);
    let at_once = (number(words, BLOCK) / line.len()).max(1);
    let block = line.repeat(at_once);
    in_turn(words, |out| {
        for _ in 0..lines / at_once {
            out.write_all(&block).expect("somebody reads");
        }
        out.write_all(&line.repeat(lines % at_once)).expect("somebody reads");
    });
}

pub(crate) fn write_numbered(words: &[String]) {
    let (writer, length) = (number(words, WRITER), number(words, LENGTH));
    let lines = (0..number(words, LINES)).map(|line| numbered(writer, line, length));
    let text: Vec<u8> = lines.flatten().collect();
    in_turn(words, |out| {
        for block in text.chunks(number(words, BLOCK)) {
            out.write_all(block).expect("somebody reads");
        }
    });
}

/// A line that says whose it is, and the how manyeth.
fn numbered(writer: usize, line: usize, length: usize) -> Vec<u8> {
    let mut text = format!("{}{writer:02} {line:07} ", char::from(FIRST)).into_bytes();
    text.resize(length - 2, b'x');
    text.extend([LAST, b'\n']);
    text
}

/// The words of a writer, by their places.
const WRITER: usize = 1;
const LINES: usize = 2;
const LENGTH: usize = 3;
const BLOCK: usize = 4;

fn number(words: &[String], place: usize) -> usize {
    words.get(place).and_then(|word| word.parse().ok()).expect("a number")
}

/// Waits at the gate, writes, says how that was, and stays.
fn in_turn(words: &[String], write: impl FnOnce(&mut File)) {
    let folder = Path::new(words.first().expect("a folder"));
    let writer = number(words, WRITER);
    let mut out = File::options().write(true).open("/dev/stdout").expect("it is there");
    let mut gate = File::open(folder.join("gate")).expect("it is there");
    fs::write(of(folder, "ready", writer), "").expect("a temporary directory");
    gate.read_to_end(&mut Vec::new()).expect("somebody holds it");

    let (began, before) = (clock::now(), clock::used());
    write(&mut out);
    let worked = clock::used().saturating_sub(before);
    while waiting_in(&out) > 0 {
        std::thread::sleep(Duration::from_micros(100));
    }
    let times = [began, clock::now(), worked].map(|time| time.as_nanos().to_string());
    let part = of(folder, "part", writer);
    fs::write(&part, times.join(" ")).expect("a temporary directory");
    fs::rename(part, of(folder, "result", writer)).expect("our own file");
    loop {
        pause();
    }
}

fn of(folder: &Path, kind: &str, writer: usize) -> PathBuf {
    folder.join(format!("{kind}-{writer}"))
}
