//! A relay: a thread that moves lines from many pipes to one sink.
//!
//! It decides when bytes are read, and when they are written. It knows no services: it is given
//! pipes, each with the [`Lines`] its bytes become. It may block on its sink for as long as the
//! sink likes: then nobody reads the pipes, their writers feel it as they would on a pipe of their
//! own, and nothing grows. Whoever holds a [`Relay`] never waits for it but in [`Relay::wait`].

use std::num::NonZeroU64;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use litemap::LiteMap;
use memchr::memrchr;
use nix::errno::Errno as Error;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{pipe2, read, write};

use crate::limits::{
    COMPLAINT_INTERVAL, GATHER_BYTES_MAX, GATHER_TIME, OUT_BYTES, READ_BYTES, RELAY_EVENTS,
    RUN_ENDS_MAX, WRITE_BYTES,
};
use crate::output::{Lines, Page, Stamp};
use crate::service::{Errno, Failure};

use super::clock::{monotonic_clock, wall_clock};
use super::lines::Lookout;
use super::log_file::LogFile;
use super::rings::Recorder;
use super::thread;

/// Where a relay writes.
#[derive(Debug)]
pub enum Sink {
    /// To this descriptor. May be non-blocking or not: that is up to whoever shares it.
    Open {
        /// The descriptor.
        descriptor: OwnedFd,
        /// What it is called in a message.
        name: &'static str,
    },
    /// To the end of this file, which is created if it is not there. The relay opens it itself,
    /// since that may take as long as the file system likes.
    File(LogFile),
    /// Nowhere: what comes is read and forgotten.
    Nowhere,
}

/// A pipe of a service. onit keeps both ends, so that a service can be started again with the same
/// pipe; no end of file ever comes.
#[derive(Debug)]
pub struct Pipe {
    /// Non-blocking: no one else has this end.
    reader: OwnedFd,
    /// Blocking: the mode belongs to the open file description, which the service shares, and
    /// programs do not expect EAGAIN on their standard output.
    writer: OwnedFd,
    ledger: Mutex<Ledger>,
}

/// What has gone through a pipe. Locked while bytes are taken out, so that a place in the stream
/// can be named from outside: whatever stands before it was written before it was named.
#[derive(Debug, Default)]
struct Ledger {
    /// Bytes taken out so far.
    taken: u64,
    /// Where runs ended, if any has.
    ends: Option<Box<Ends>>,
    /// A run has ended since the end to write to was made blocking.
    has_ended: bool,
    /// No bytes are wanted after the last end.
    closing: bool,
    /// By which name the relay knows the pipe; none before it is attached.
    token: Option<NonZeroU64>,
    /// It is among those the relay is to serve.
    is_due: bool,
    /// What is looked for in the bytes.
    lookout: Option<Box<Lookout>>,
}

/// Where runs ended in a pipe, in bytes since the beginning.
#[derive(Debug, Default)]
struct Ends {
    /// Those to come; ascending.
    ahead: Vec<u64>,
    /// Where the last of all was.
    last: u64,
}

/// What came out of a pipe at once.
struct Taken {
    bytes: usize,
    /// Where in these bytes runs ended.
    ends: Vec<usize>,
    /// Nothing more is wanted.
    over: bool,
}

/// A running relay. Its thread ends when this is dropped and everything attached is closed.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
}

/// How much there is to read in the pipe that this is the end of, in bytes.
pub(super) fn unread(reader: &OwnedFd) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int to the address it is given, which is that of a local int;
    // the descriptor is open since it is owned. See ioctl_pipe(2), pipe(7).
    let result = unsafe { libc::ioctl(reader.as_raw_fd(), libc::FIONREAD, &mut bytes) };
    if result == 0 { usize::try_from(bytes).unwrap_or(0) } else { 0 }
}

/// What is done with what comes out of a pipe, beside moving it.
pub enum Aside {
    /// Nothing.
    Nothing,
    /// It is kept as it came.
    Keep(Recorder),
    /// Whoever writes is told that there is room in it again.
    Tell(Box<dyn Fn() + Send>),
}

/// What the thread needs of a pipe.
struct Inlet {
    pipe: Arc<Pipe>,
    lines: Lines,
    aside: Aside,
}

/// What the thread and the holder of a relay share. Every lock is held for a few instructions.
struct Shared {
    epoll: Epoll,
    wake: EventFd,
    /// Whether `wake` has been written to and not been read yet.
    woken: AtomicBool,
    next_token: AtomicU64,
    arrivals: Mutex<Vec<(u64, Inlet)>>,
    /// The pipes in which a run has ended, or that are to be let go of. Each is in here once.
    due: Mutex<Vec<u64>>,
    pipes: Mutex<LiteMap<u64, Arc<Pipe>>>,
    /// Bytes that have left the pipes and not reached the sink.
    held: AtomicUsize,
    stopping: AtomicBool,
    finishing: AtomicBool,
    /// A file is to be opened again under its name.
    reopening: AtomicBool,
    done: Mutex<bool>,
    done_changed: Condvar,
}

/// The token of the event that is no pipe.
const WAKE: u64 = 0;

impl Pipe {
    /// Opens a pipe.
    ///
    /// # Errors
    /// No descriptors are to be had.
    pub fn open() -> Result<Self, Failure> {
        let failed = |error| Failure::errno("open", "a pipe for the output", errno(error));
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(failed)?;
        // A service that runs as another user opens /dev/stdout, which leads here. What cannot be
        // changed can still be written to through the descriptor, so this may fail.
        let _ = fchmod(&writer, Mode::from_bits_truncate(0o622));
        Ok(Self { reader, writer, ledger: Mutex::default() })
    }

    /// The end to write to. Stays open as long as the pipe.
    #[must_use]
    pub fn writer(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }

    /// What has been written and not been taken out, in bytes.
    #[must_use]
    pub fn unread(&self) -> usize {
        unread(&self.reader)
    }

    /// From here on looks for something in what is written; what is in the pipe already is of
    /// earlier runs.
    pub fn look_for(&self, lookout: Option<Lookout>) {
        let mut ledger = lock(&self.ledger);
        let unread = u64::try_from(self.unread()).unwrap_or(0);
        ledger.lookout = lookout.map(|lookout| Box::new(lookout.skipping(unread)));
    }

    /// Makes the end to write to blocking again. A program that made it non-blocking did so for all
    /// who will ever have it, see fcntl(2), and the next run does not expect that.
    pub fn block_again(&self) {
        // Before the end of a run there is none that could have done so.
        if std::mem::take(&mut lock(&self.ledger).has_ended) {
            let _ = fcntl(&self.writer, FcntlArg::F_SETFL(OFlag::empty()));
        }
    }

    /// Says that a run ends here: a line that has been begun will not go on. Says whether that is
    /// news: where nothing has been written since, no line has been begun.
    ///
    /// However often this is said while nobody reads, it is remembered in bounded space.
    fn end_run(&self) -> bool {
        let mut ledger = lock(&self.ledger);
        let unread = u64::try_from(self.unread()).unwrap_or(0);
        let here = ledger.taken.saturating_add(unread);
        ledger.has_ended = true;
        if ledger.ends.as_ref().map_or(0, |ends| ends.last) == here {
            return false;
        }
        let ends = ledger.ends.get_or_insert_default();
        ends.last = here;
        if ends.ahead.len() >= RUN_ENDS_MAX {
            ends.ahead.pop();
        }
        ends.ahead.push(here);
        true
    }

    fn close(&self) {
        self.end_run();
        lock(&self.ledger).closing = true;
    }

    /// It is known to its relay by this name from now on. Says whether it was due before that.
    fn name(&self, token: u64) -> bool {
        let mut ledger = lock(&self.ledger);
        ledger.token = NonZeroU64::new(token);
        ledger.is_due = ledger.has_end();
        ledger.is_due
    }

    /// By which name its relay is to serve it; none if it is going to, or does not know it yet.
    fn becomes_due(&self) -> Option<u64> {
        let mut ledger = lock(&self.ledger);
        let token = ledger.token.filter(|_| !ledger.is_due)?;
        ledger.is_due = true;
        Some(token.get())
    }

    /// It is about to be served.
    fn clear_due(&self) {
        lock(&self.ledger).is_due = false;
    }

    /// Whether something is to be done once what is in the pipe now is through.
    fn is_due(&self) -> bool {
        lock(&self.ledger).has_end()
    }

    /// Takes out what is there, up to the size of `buffer`.
    fn take(&self, buffer: &mut [u8]) -> Taken {
        let mut ledger = lock(&self.ledger);
        let (bytes, broken) = match read(&self.reader, buffer) {
            Ok(bytes) => (bytes, bytes == 0),
            Err(Error::EAGAIN | Error::EINTR) => (0, false),
            Err(_) => (0, true),
        };
        let before = ledger.taken;
        ledger.taken = before.saturating_add(u64::try_from(bytes).unwrap_or(0));
        if let Some(lookout) = &mut ledger.lookout
            && lookout.look(buffer.get(..bytes).unwrap_or_default())
        {
            ledger.lookout = None;
        }
        let taken = ledger.taken;
        let ends = ledger.ends.as_deref_mut().map_or_else(Vec::new, |Ends { ahead, .. }| {
            let due = ahead.partition_point(|end| *end <= taken);
            let places = ahead.drain(..due);
            places.map(|end| usize::try_from(end.saturating_sub(before)).unwrap_or(bytes)).collect()
        });
        // Since we hold the other end, no end of file can come; but if it did, epoll would say so
        // without end.
        let over = broken || (ledger.closing && !ledger.is_ending());
        Taken { bytes, ends, over }
    }
}

impl Ledger {
    /// Whether something is to be done once what is in the pipe now is through.
    fn has_end(&self) -> bool {
        self.closing || self.is_ending()
    }

    /// Whether the end of a run is still to come.
    fn is_ending(&self) -> bool {
        self.ends.as_ref().is_some_and(|ends| !ends.ahead.is_empty())
    }
}

impl Relay {
    /// Starts a relay to `sink`.
    ///
    /// # Errors
    /// No descriptor or no thread is to be had.
    pub fn start(sink: Sink) -> Result<Self, Failure> {
        let failed = |error| Failure::errno("start", "a relay for the output", errno(error));
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        let wake = wake.map_err(failed)?;
        epoll.add(&wake, EpollEvent::new(EpollFlags::EPOLLIN, WAKE)).map_err(failed)?;
        let shared = Arc::new(Shared {
            epoll,
            wake,
            woken: AtomicBool::new(false),
            next_token: AtomicU64::new(WAKE.saturating_add(1)),
            arrivals: Mutex::default(),
            due: Mutex::default(),
            pipes: Mutex::default(),
            held: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            finishing: AtomicBool::new(false),
            reopening: AtomicBool::new(false),
            done: Mutex::new(false),
            done_changed: Condvar::new(),
        });
        let worker = Worker {
            outlet: Outlet {
                shared: Arc::clone(&shared),
                sink: Tap::new(sink),
                out: Page::default(),
                front: Page::default(),
                stamp: Stamp::at(wall_clock()),
                nanoseconds: 0,
                tails: 0,
                unfed: 0,
            },
            shared: Arc::clone(&shared),
            inlets: LiteMap::new(),
            buffer: vec![0; READ_BYTES],
            taken: 0,
            more: false,
        };
        thread::start(c"onit-relay", "a thread for the output", move || worker.run())?;
        Ok(Self { shared })
    }

    /// Moves what comes out of `pipe` from now on, as `lines`.
    ///
    /// # Errors
    /// The kernel has no room to watch one more pipe.
    pub fn attach(&self, pipe: &Arc<Pipe>, lines: Lines, aside: Aside) -> Result<(), Failure> {
        let shared = &self.shared;
        let token = shared.next_token.fetch_add(1, Ordering::Relaxed);
        let inlet = Inlet { pipe: Arc::clone(pipe), lines, aside };
        lock(&shared.arrivals).push((token, inlet));
        lock(&shared.pipes).insert(token, Arc::clone(pipe));
        if pipe.name(token) {
            lock(&shared.due).push(token);
            shared.wake();
        }
        // From here on the thread may be told of the pipe, and finds it among the arrivals.
        let event = EpollEvent::new(EpollFlags::EPOLLIN, token);
        shared.epoll.add(&pipe.reader, event).map_err(|error| {
            self.close(pipe);
            Failure::errno("watch", "a pipe for the output", errno(error))
        })
    }

    /// Says that a run that wrote to `pipe` has ended: once everything it wrote is through, a line
    /// it has not ended is ended for it. Neither blocks nor piles up.
    pub fn end_run(&self, pipe: &Pipe) {
        if pipe.end_run() {
            self.shared.serve_soon(pipe);
        }
    }

    /// Lets go of `pipe` as soon as what is in it now is through.
    pub fn close(&self, pipe: &Pipe) {
        pipe.close();
        self.shared.serve_soon(pipe);
    }

    /// Has a file opened again, under its name, for what comes from now on.
    pub fn reopen(&self) {
        self.shared.reopening.store(true, Ordering::Release);
        self.shared.wake();
    }

    /// Asks for everything that is in the pipes now to be written out.
    pub fn finish(&self) {
        for pipe in lock(&self.shared.pipes).values() {
            if pipe.end_run() {
                self.shared.note_due(pipe);
            }
        }
        *lock(&self.shared.done) = false;
        self.shared.finishing.store(true, Ordering::Release);
        self.shared.wake();
    }

    /// Waits until what [`Relay::finish`] asked for is done, but not longer than `patience`, and
    /// returns how many bytes have not been written out.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> u64 {
        let done = lock(&self.shared.done);
        let waited = self.shared.done_changed.wait_timeout_while(done, patience, |done| !*done);
        let (done, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *done {
            return 0;
        }
        drop(done);
        let in_pipes: usize = lock(&self.shared.pipes).values().map(|pipe| pipe.unread()).sum();
        let lost = in_pipes.saturating_add(self.shared.held.load(Ordering::Relaxed));
        u64::try_from(lost).unwrap_or(u64::MAX)
    }

    /// Whether nothing is attached, not even what is being let go of.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        lock(&self.shared.pipes).is_empty()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.wake();
    }
}

impl Shared {
    /// Makes the thread look around. Once is enough until it has.
    fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            let _ = self.wake.write(1);
        }
    }
}

impl Shared {
    /// Has the thread serve `pipe`, whether or not there is anything to read.
    fn serve_soon(&self, pipe: &Pipe) {
        self.note_due(pipe);
        self.wake();
    }

    fn note_due(&self, pipe: &Pipe) {
        let token = pipe.becomes_due();
        lock(&self.due).extend(token);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("held", &self.held).finish_non_exhaustive()
    }
}

/// The thread's own side.
struct Worker {
    shared: Arc<Shared>,
    inlets: LiteMap<u64, Inlet>,
    buffer: Vec<u8>,
    /// Bytes read in this round.
    taken: usize,
    /// As much was read from a pipe as can be read at once: there is more.
    more: bool,
    outlet: Outlet,
}

impl Worker {
    fn run(mut self) {
        let mut events = [EpollEvent::empty(); RELAY_EVENTS];
        // When it began, and how much it read.
        let mut last_round = (0, 0);
        loop {
            // No timeout: at rest nothing wakes this thread. What is left of the last round goes
            // out with this one, or alone if there is nothing.
            let is_empty = self.outlet.out.is_empty();
            let timeout = if is_empty { EpollTimeout::NONE } else { EpollTimeout::ZERO };
            let count = match self.shared.epoll.wait(&mut events, timeout) {
                Ok(count) => count,
                Err(Error::EINTR) => 0,
                Err(error) => {
                    self.outlet.write_out();
                    log::error!("a relay cannot wait for output: {}", errno(error));
                    return;
                }
            };
            self.outlet.nanoseconds = wall_clock();
            self.outlet.stamp.advance(self.outlet.nanoseconds);
            for event in events.iter().take(count) {
                match event.data() {
                    WAKE => self.look_around(),
                    token => self.serve(token),
                }
            }
            let is_finishing = self.shared.finishing.load(Ordering::Acquire);
            match std::mem::take(&mut self.more) && !is_finishing {
                true => self.outlet.write_pieces(),
                false => self.outlet.write_out(),
            }
            if is_finishing && !self.is_due() {
                self.shared.finishing.store(false, Ordering::Release);
                *lock(&self.shared.done) = true;
                self.shared.done_changed.notify_all();
            }
            let is_stopping = self.shared.stopping.load(Ordering::Acquire);
            if is_stopping && self.outlet.out.is_empty() && lock(&self.shared.pipes).is_empty() {
                return;
            }
            let (began, taken) = (self.outlet.nanoseconds, std::mem::take(&mut self.taken));
            let (before, taken_before) = std::mem::replace(&mut last_round, (began, taken));
            let since = Duration::from_nanos(began.saturating_sub(before));
            if is_trickle(taken.saturating_add(taken_before), since) {
                self.let_gather();
            }
        }
    }

    /// Lets what is written come together for a while, unless we are wanted; see
    /// docs/decisions/0029-lines-gather.md.
    fn let_gather(&self) {
        let mut wake = [PollFd::new(self.shared.wake.as_fd(), PollFlags::POLLIN)];
        // Whatever comes of it, epoll says what there is to do.
        let _ = ppoll(&mut wake, Some(GATHER_TIME.into()), None);
    }

    /// Serves every pipe in which a run has ended.
    fn look_around(&mut self) {
        let _ = self.shared.wake.read();
        // First this, then the looking: who comes after it wakes us again.
        self.shared.woken.store(false, Ordering::SeqCst);
        // What was to be written before this has been written: there is no half line.
        if self.shared.reopening.swap(false, Ordering::AcqRel) {
            self.outlet.sink.reopen();
        }
        self.admit();
        let due = std::mem::take(&mut *lock(&self.shared.due));
        for token in due {
            if let Some(inlet) = self.inlets.get(&token) {
                inlet.pipe.clear_due();
            }
            // Where there is more than is read at once, epoll says so.
            self.serve(token);
        }
    }

    fn is_due(&self) -> bool {
        lock(&self.shared.pipes).values().any(|pipe| pipe.is_due())
    }

    fn admit(&mut self) {
        // Taken as it is: a thousand that come at once are not to be room for a thousand for ever.
        let arrivals = std::mem::take(&mut *lock(&self.shared.arrivals));
        for (token, inlet) in arrivals {
            self.inlets.insert(token, inlet);
        }
    }

    /// Reads once from one pipe. Once, so that all get their turn.
    fn serve(&mut self, token: u64) {
        if !self.inlets.contains_key(&token) {
            self.admit();
        }
        let Some(inlet) = self.inlets.get_mut(&token) else { return };
        let taken = inlet.pipe.take(&mut self.buffer);
        let mut from = 0;
        let nanoseconds = self.outlet.nanoseconds;
        self.outlet.unfed = taken.bytes;
        self.taken = self.taken.saturating_add(taken.bytes);
        self.more |= taken.bytes == self.buffer.len();
        for end in taken.ends {
            let bytes = self.buffer.get(from..end).unwrap_or_default();
            if let Aside::Keep(recorder) = &mut inlet.aside {
                recorder.push(bytes, nanoseconds);
                recorder.end_line(nanoseconds);
            }
            self.outlet.feed(&mut inlet.lines, bytes);
            self.outlet.flush(&mut inlet.lines);
            from = end;
        }
        let bytes = self.buffer.get(from..taken.bytes).unwrap_or_default();
        // Before it is written out: a sink that is stuck is the moment when somebody wants to see
        // what there is.
        if let Aside::Keep(recorder) = &mut inlet.aside {
            recorder.push(bytes, nanoseconds);
        }
        self.outlet.feed(&mut inlet.lines, bytes);
        if let (Aside::Tell(has_room), true) = (&inlet.aside, taken.bytes > 0) {
            has_room();
        }
        if taken.over {
            self.outlet.flush(&mut inlet.lines);
            // A child between fork and exec has a copy of the descriptor, so closing ours does not
            // end the events; see epoll(7).
            let _ = self.shared.epoll.delete(&inlet.pipe.reader);
            self.inlets.remove(&token);
            lock(&self.shared.pipes).remove(&token);
        }
    }
}

/// Whether lines are written one by one and fast, so that it is worth while to let them gather: two
/// rounds took so many bytes, and one began so long after the other.
fn is_trickle(taken: usize, since: Duration) -> bool {
    (1..GATHER_BYTES_MAX).contains(&taken) && since < GATHER_TIME.saturating_mul(2)
}

/// Lines on their way to the sink.
struct Outlet {
    shared: Arc<Shared>,
    sink: Tap,
    /// Whole lines.
    out: Page,
    /// What stands before the lines that are being moved.
    front: Page,
    stamp: Stamp,
    /// The same moment, since 1970.
    nanoseconds: u64,
    /// Bytes that wait in some [`Lines`] for the end of their line.
    tails: usize,
    /// Bytes that have been read and have not become lines.
    unfed: usize,
}

impl Outlet {
    fn feed(&mut self, lines: &mut Lines, bytes: &[u8]) {
        if self.sink.is_nowhere() {
            self.unfed = 0;
            return;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let before = lines.waiting();
            let taken = lines.push(rest, &self.stamp, &mut self.front, &mut self.out);
            self.tails = self.tails.saturating_sub(before).saturating_add(lines.waiting());
            self.unfed = self.unfed.saturating_sub(taken);
            rest = rest.get(taken..).unwrap_or_default();
            self.write_if_full();
        }
    }

    fn flush(&mut self, lines: &mut Lines) {
        self.tails = self.tails.saturating_sub(lines.waiting());
        lines.flush(&self.stamp, &mut self.out);
        self.write_if_full();
    }

    fn write_if_full(&mut self) {
        if self.out.len() >= OUT_BYTES {
            self.write_pieces();
        }
    }

    /// Writes out everything.
    fn write_out(&mut self) {
        self.write_down_to(0);
    }

    /// Writes out what is worth a call, and the wake-up of whoever reads: more comes.
    fn write_pieces(&mut self) {
        self.write_down_to(WRITE_BYTES);
    }

    /// Writes out whole lines until no more than `kept` bytes are left; what the sink refuses is
    /// dropped.
    fn write_down_to(&mut self, kept: usize) {
        let mut rest = self.out.as_slice();
        while rest.len() > kept || (self.sink.torn && !rest.is_empty()) {
            let held = rest.len().saturating_add(self.unfed).saturating_add(self.tails);
            self.shared.held.store(held, Ordering::Relaxed);
            let piece = rest.get(..WRITE_BYTES).unwrap_or(rest);
            let lines = memrchr(b'\n', piece).map_or(piece.len(), |last| last.saturating_add(1));
            match self.sink.write(piece.get(..lines).unwrap_or(piece)) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(trouble) => {
                    self.sink.drop_bytes(trouble, rest.len());
                    rest = &[];
                }
            }
        }
        let left = rest.len();
        self.out.drop_front(self.out.len().saturating_sub(left));
        let held = left.saturating_add(self.unfed).saturating_add(self.tails);
        self.shared.held.store(held, Ordering::Relaxed);
    }
}

/// A sink in use, and what is wrong with it.
///
/// A sink that refuses a write is tried again with the next lines, whatever the reason was: that
/// costs one call, and a disk may have room again, a FIFO a reader.
struct Tap {
    sink: Sink,
    /// What was written last does not end with the end of a line.
    torn: bool,
    /// Nothing has been written since the last refusal.
    refused: bool,
    /// The refusal has been told.
    told: bool,
    told_at: Option<Instant>,
    dropped: u64,
}

/// Why a write failed.
pub(super) struct Trouble {
    /// What was tried, as it follows "cannot".
    pub(super) operation: &'static str,
    pub(super) error: Error,
}

impl Tap {
    fn new(sink: Sink) -> Self {
        Self { sink, torn: false, refused: false, told: false, told_at: None, dropped: 0 }
    }

    fn is_nowhere(&self) -> bool {
        match self.sink {
            Sink::Nowhere => true,
            Sink::Open { .. } | Sink::File(_) => false,
        }
    }

    /// A file is opened again under its name.
    fn reopen(&mut self) {
        if let Sink::File(file) = &mut self.sink {
            file.close();
        }
    }

    /// Writes some of `bytes`, not none, and waits as long as that takes.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Trouble> {
        let failed = |error| Trouble { operation: "write to", error };
        let (descriptor, bytes) = match &mut self.sink {
            Sink::Open { descriptor, .. } => (OwnedFd::as_fd(descriptor), bytes),
            Sink::File(file) => file.place_for(bytes, self.torn)?,
            Sink::Nowhere => return Ok(bytes.len()),
        };
        if self.refused && self.torn {
            // Half a line went out before the refusal; what follows is not its rest.
            write_some(descriptor, b"\n").map_err(failed)?;
        }
        let written = write_some(descriptor, bytes).map_err(failed)?;
        if let Sink::File(file) = &mut self.sink {
            file.wrote(written);
        }
        let last = written.checked_sub(1).and_then(|last| bytes.get(last));
        self.torn = last != Some(&b'\n');
        self.refused = false;
        if self.told {
            self.told = false;
            log::warn!("{} takes output again; {} bytes were dropped", self.name(), self.dropped);
            self.dropped = 0;
        }
        Ok(written)
    }

    /// Counts `bytes` that could not be written, and says so once in a while.
    fn drop_bytes(&mut self, trouble: Trouble, bytes: usize) {
        self.refused = true;
        self.dropped = self.dropped.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let now = monotonic_clock();
        let told_lately =
            self.told_at.is_some_and(|at| now.saturating_duration_since(at) < COMPLAINT_INTERVAL);
        if !self.told && !told_lately {
            self.told = true;
            self.told_at = Some(now);
            let Trouble { operation, error } = trouble;
            let (name, error) = (self.name(), errno(error));
            log::warn!("cannot {operation} {name}: {error} (output is dropped until it can be)");
        }
    }

    fn name(&self) -> String {
        match &self.sink {
            Sink::Open { name, .. } => (*name).to_owned(),
            Sink::File(file) => file.path().display().to_string(),
            Sink::Nowhere => "/dev/null".to_owned(),
        }
    }
}

/// Writes some of `bytes`, not none, and waits as long as that takes.
fn write_some(descriptor: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Error> {
    loop {
        match write(descriptor, bytes) {
            // Nothing written is nothing to wait for either: trying again would never end.
            Ok(0) => return Err(Error::EIO),
            Ok(written) => return Ok(written),
            Err(Error::EINTR) => {}
            // Somebody who shares the open file description has made it non-blocking.
            Err(Error::EAGAIN) => {
                let mut ready = [PollFd::new(descriptor, PollFlags::POLLOUT)];
                match poll(&mut ready, PollTimeout::NONE) {
                    Ok(_) | Err(Error::EINTR) => {}
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// An error of nix as one of ours.
pub(super) fn errno(error: Error) -> Errno {
    // nix numbers its errors as the kernel does; see its `Errno`.
    Errno(error as i32)
}

/// Locks `mutex`, also when a thread has panicked with it: what our locks guard is whole between
/// any two statements.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::PathBuf;

    use nix::fcntl::open;
    use nix::sys::signal::SigSet;

    use super::*;
    use crate::output::{Shape, Stream, Style};
    use crate::service::{Format, Name, Rotation};

    /// Far longer than anything here takes.
    pub(in crate::linux) const PATIENCE: Duration = Duration::from_secs(20);

    pub(in crate::linux) fn until(what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = monotonic_clock().checked_add(PATIENCE).unwrap();
        while !condition() {
            assert!(monotonic_clock() < deadline, "waited in vain: {what}");
            std::thread::yield_now();
        }
    }

    /// A pipe to stand for onit's own output: reader, writer.
    pub(in crate::linux) fn console() -> (OwnedFd, OwnedFd) {
        pipe2(OFlag::O_CLOEXEC).unwrap()
    }

    /// Reads until `wanted` have come and returns them; fails when they do not come in time.
    pub(in crate::linux) fn read_bytes(reader: &OwnedFd, wanted: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < wanted {
            let mut ready = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(PATIENCE).unwrap();
            let text = String::from_utf8_lossy(&all);
            assert_eq!(poll(&mut ready, timeout).unwrap(), 1, "only {text:?}");
            let mut buffer = [0; 4096];
            let size = buffer.len().min(wanted.saturating_sub(all.len()));
            let count = read(reader, &mut buffer[..size]).unwrap();
            all.extend(&buffer[..count]);
        }
        all
    }

    pub(in crate::linux) fn expect(reader: &OwnedFd, expected: &str) {
        let all = read_bytes(reader, expected.len());
        assert_eq!(String::from_utf8_lossy(&all), expected);
    }

    /// Writes until nothing goes into the pipe any more, and returns how much went.
    pub(in crate::linux) fn write_until_stuck(writer: &OwnedFd, line: &[u8]) -> usize {
        fcntl(writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let mut written: usize = 0;
        loop {
            match write(writer, line) {
                Ok(count) => written = written.saturating_add(count),
                Err(Error::EAGAIN) => {
                    let mut ready = [PollFd::new(writer.as_fd(), PollFlags::POLLOUT)];
                    // Nothing can be waited for here but that nothing happens.
                    if poll(&mut ready, 200_u8).unwrap() == 0 {
                        return written;
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn shape(name: &str, format: Format) -> Shape {
        let style = Style { format, timestamps: false, colours: false, max_line: 16 << 10 };
        Shape::of_service(style, &Name::new(name).unwrap(), Stream::Stdout)
    }

    fn start(writer: OwnedFd) -> Relay {
        Relay::start(Sink::Open { descriptor: writer, name: "stdout" }).unwrap()
    }

    fn attach(relay: &Relay, name: &str) -> Arc<Pipe> {
        let pipe = Arc::new(Pipe::open().unwrap());
        relay.attach(&pipe, Lines::new(shape(name, Format::Text)), Aside::Nothing).unwrap();
        pipe
    }

    #[test]
    fn lines_of_fifty_writers_are_never_mixed_and_keep_their_order() {
        const WRITERS: usize = 50;
        const LINES: usize = 200;
        let (reader, writer) = console();
        let relay = start(writer);
        let pipes: Vec<_> =
            (0..WRITERS).map(|index| attach(&relay, &format!("w{index:02}"))).collect();
        // `w00 | ` and 99 bytes and the end of the line.
        let size = WRITERS * LINES * (6 + 100);
        let all = std::thread::scope(|scope| {
            for (index, pipe) in pipes.iter().enumerate() {
                scope.spawn(move || {
                    let text: String =
                        (0..LINES).map(|line| format!("{index:02} {line:>096}\n")).collect();
                    for chunk in text.as_bytes().chunks(37 + 13 * index) {
                        assert_eq!(write(pipe.writer(), chunk), Ok(chunk.len()));
                    }
                });
            }
            read_bytes(&reader, size)
        });
        let mut next = [0; WRITERS];
        for line in String::from_utf8(all).unwrap().lines() {
            let index: usize = line.get(1..3).unwrap().parse().unwrap();
            assert_eq!(line, format!("w{index:02} | {index:02} {:>096}", next[index]));
            next[index] += 1;
        }
        assert_eq!(next, [LINES; WRITERS]);
    }

    #[test]
    fn what_was_kept_for_more_to_come_goes_out_when_nothing_does() {
        let (reader, writer) = console();
        let relay = start(writer);
        let pipe = Arc::new(Pipe::open().unwrap());
        // As much as is read at once, and with the names more than is written at once.
        let line = [&[b'x'; 63][..], b"\n"].concat();
        for _ in 0..READ_BYTES / line.len() {
            write(pipe.writer(), &line).unwrap();
        }
        relay.attach(&pipe, Lines::new(shape("web", Format::Text)), Aside::Nothing).unwrap();
        let expected = [b"web | ", &line[..]].concat().repeat(READ_BYTES / line.len());
        assert!(read_bytes(&reader, expected.len()) == expected);
        write(pipe.writer(), b"the end\n").unwrap();
        expect(&reader, "web | the end\n");
    }

    #[test]
    fn only_what_comes_in_drops_and_fast_is_waited_for() {
        assert!(is_trickle(1, Duration::ZERO));
        // After a pause, and the time it takes to wake up.
        assert!(is_trickle(GATHER_BYTES_MAX - 1, GATHER_TIME.saturating_mul(3) / 2));
        assert!(!is_trickle(0, Duration::ZERO));
        assert!(!is_trickle(1, GATHER_TIME.saturating_mul(2)));
        assert!(!is_trickle(GATHER_BYTES_MAX, Duration::ZERO));
    }

    #[test]
    fn a_line_without_end_is_ended_with_its_run() {
        let (reader, writer) = console();
        let relay = start(writer);
        let pipe = attach(&relay, "web");
        write(pipe.writer(), b"whole\nlast words").unwrap();
        expect(&reader, "web | whole\n");
        relay.end_run(&pipe);
        expect(&reader, "web | last words\n");
        // An end after which nothing was begun says nothing.
        relay.end_run(&pipe);
        write(pipe.writer(), b"again\n").unwrap();
        expect(&reader, "web | again\n");
    }

    #[test]
    fn a_run_ends_where_it_ended_even_if_the_next_one_has_written_already() {
        let (reader, writer) = console();
        let relay = start(writer);
        let pipe = Arc::new(Pipe::open().unwrap());
        for word in ["one", "two", "three"] {
            write(pipe.writer(), word.as_bytes()).unwrap();
            pipe.end_run();
        }
        write(pipe.writer(), b"four\n").unwrap();
        relay.attach(&pipe, Lines::new(shape("web", Format::Text)), Aside::Nothing).unwrap();
        expect(&reader, "web | one\nweb | two\nweb | three\nweb | four\n");
    }

    #[test]
    fn a_stalled_reader_blocks_its_writers_and_nothing_grows() {
        let (stalled, writer) = console();
        let stuck = start(writer);
        let pipe = attach(&stuck, "web");
        let (reader, writer) = console();
        let free = start(writer);
        let other = attach(&free, "other");
        let line = [&[b'x'; 99][..], b"\n"].concat();
        let writer = pipe.writer().try_clone_to_owned().unwrap();
        let written = write_until_stuck(&writer, &line);
        // Two pipes, what is read at once, and what is collected.
        assert!(written <= 2 * (64 << 10) + READ_BYTES + OUT_BYTES, "{written} bytes went in");

        for _ in 0..1_000_000 {
            stuck.end_run(&pipe);
        }
        assert!(lock(&pipe.ledger).ends.as_ref().unwrap().ahead.len() <= RUN_ENDS_MAX);

        write(other.writer(), b"I feel nothing\n").unwrap();
        expect(&reader, "other | I feel nothing\n");
        // And once the reader reads, all of it is there.
        let lines = written / line.len();
        let rest = written % line.len();
        let frames = (lines + usize::from(rest > 0)) * "web | ".len() + usize::from(rest > 0);
        let all = read_bytes(&stalled, written + frames);
        assert_eq!(all.iter().filter(|byte| **byte == b'x').count(), written - lines);
    }

    #[test]
    fn everything_is_drained_although_somebody_holds_the_pipe() {
        let (reader, writer) = console();
        let relay = start(writer);
        let pipe = attach(&relay, "web");
        let _grandchild = pipe.writer().try_clone_to_owned().unwrap();
        write(pipe.writer(), b"one\ntwo").unwrap();
        relay.finish();
        assert_eq!(relay.wait(PATIENCE), 0);
        expect(&reader, "web | one\nweb | two\n");
    }

    #[test]
    fn a_sink_that_is_gone_keeps_nobody_waiting() {
        let (reader, writer) = console();
        let relay = start(writer);
        let pipe = attach(&relay, "web");
        drop(reader);
        let line = [b'x'; 1000];
        for _ in 0..1000 {
            assert_eq!(write(pipe.writer(), &line), Ok(1000));
        }
        until("the pipe to be drained", || pipe.unread() == 0);
        relay.finish();
        assert_eq!(relay.wait(PATIENCE), 0);
    }

    #[test]
    fn a_sink_somebody_made_non_blocking_loses_nothing() {
        let (reader, writer) = console();
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let relay = start(writer);
        let pipe = attach(&relay, "web");
        let expected: String = (0..20_000).map(|number| format!("web | {number}\n")).collect();
        let all = std::thread::scope(|scope| {
            scope.spawn(|| {
                let input: String = (0..20_000).map(|number| format!("{number}\n")).collect();
                for chunk in input.as_bytes().chunks(5000) {
                    assert_eq!(write(pipe.writer(), chunk), Ok(chunk.len()));
                }
            });
            read_bytes(&reader, expected.len())
        });
        assert!(all == expected.as_bytes());
    }

    #[test]
    fn what_a_stalled_reader_has_not_taken_is_counted() {
        let (reader, writer) = console();
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        let relay = start(writer);
        let pipe = attach(&relay, "web");
        // 28 200 bytes, which become 30 000 with their names, of which 4096 find room. Those that
        // are still in the pipe have no name yet: how many these are is up to who comes first.
        for _ in 0..300 {
            write(pipe.writer(), &[&[b'x'; 93][..], b"\n"].concat()).unwrap();
        }
        relay.finish();
        let lost = relay.wait(Duration::from_millis(100));
        // And a write that is stuck may have got nowhere.
        assert!((24_104..=30_000).contains(&lost), "{lost} bytes");
        // It is not over: with the reader back, nothing is lost.
        read_bytes(&reader, 30_000);
        relay.finish();
        assert_eq!(relay.wait(PATIENCE), 0);
    }

    #[test]
    fn a_sink_that_comes_back_is_written_to_again() {
        let directory = temporary_directory("fifo");
        let path = directory.join("sink");
        nix::unistd::mkfifo(&path, Mode::from_bits_truncate(0o600)).unwrap();
        let relay =
            Relay::start(Sink::File(LogFile::new(path.clone(), Rotation::default()))).unwrap();
        let pipe = attach(&relay, "web");
        // Nobody reads the FIFO, so it cannot be opened for writing.
        write(pipe.writer(), b"lost\n").unwrap();
        until("the first line to be dropped", || pipe.unread() == 0);
        relay.finish();
        assert_eq!(relay.wait(PATIENCE), 0);
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let reader = open(&path, flags, Mode::empty()).unwrap();
        until("a line to come through", || {
            write(pipe.writer(), b"found\n").unwrap();
            let mut ready = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
            poll(&mut ready, 50_u8).unwrap() == 1
        });
        expect(&reader, "web | found\n");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn half_a_line_before_a_refusal_is_not_joined_with_the_next() {
        let (reader, writer) = console();
        let mut tap = Tap::new(Sink::Open { descriptor: writer, name: "stdout" });
        assert!(tap.write(b"web | ha").is_ok());
        tap.drop_bytes(Trouble { operation: "write to", error: Error::ENOSPC }, 3);
        tap.drop_bytes(Trouble { operation: "write to", error: Error::ENOSPC }, 4);
        assert_eq!((tap.dropped, tap.told), (7, true));
        assert!(tap.write(b"web | next\n").is_ok());
        assert_eq!((tap.dropped, tap.told), (0, false));
        expect(&reader, "web | ha\nweb | next\n");
    }

    #[test]
    fn a_pipe_that_is_let_go_of_is_emptied_first() {
        let (reader, writer) = console();
        let relay = start(writer);
        let pipe = attach(&relay, "web");
        write(pipe.writer(), b"one\ntwo").unwrap();
        relay.close(&pipe);
        expect(&reader, "web | one\nweb | two\n");
        until("the pipe to be let go of", || relay.is_idle() && Arc::strong_count(&pipe) == 1);
    }

    #[test]
    fn a_relay_nobody_holds_ends() {
        let (reader, writer) = console();
        let relay = start(writer);
        let pipe = attach(&relay, "web");
        relay.close(&pipe);
        drop(relay);
        // Its end of the pipe is closed with it.
        let mut ready = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(PATIENCE).unwrap();
        assert_eq!(poll(&mut ready, timeout).unwrap(), 1);
        assert_eq!(read(&reader, &mut [0]), Ok(0));
    }

    #[test]
    fn a_relay_takes_no_signal() {
        let (_reader, writer) = console();
        let mask = SigSet::thread_get_mask().unwrap();
        let relay = start(writer);
        assert_eq!(SigSet::thread_get_mask().unwrap(), mask);
        let pipe = Arc::new(Pipe::open().unwrap());
        let (sender, receiver) = std::sync::mpsc::channel();
        let aside = Aside::Tell(Box::new(move || {
            let _ = sender.send(SigSet::thread_get_mask().unwrap());
        }));
        let lines = Lines::new(shape("web", Format::Raw));
        relay.attach(&pipe, lines, aside).unwrap();
        write(pipe.writer(), b"?\n").unwrap();
        let mask = receiver.recv_timeout(PATIENCE).unwrap();
        for signal in [nix::libc::SIGTERM, nix::libc::SIGCHLD, nix::libc::SIGPIPE] {
            assert!(mask.contains(signal.try_into().unwrap()));
        }
    }

    pub(in crate::linux) fn temporary_directory(name: &str) -> PathBuf {
        let name = format!("onit-test-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        directory
    }
}
