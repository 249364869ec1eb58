//! Showing recent output: a thread of its own that reads along in the rings for whoever asked with
//! `onit logs`. It is there only while somebody does.
//!
//! The loop hands a client over and is done with it, so that no byte of a log passes through the
//! loop, and a client that is slow, or that takes everything there is, slows nobody else down: who
//! falls behind is told how many lines it missed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use litemap::LiteMap;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::client;
use super::relay::{errno, lock};
use super::rings::{Rings, SharedRing, Source};
use super::thread;
use crate::control::{End, Line, Log, Lost, Session};
use crate::limits::RELAY_EVENTS;
use crate::output::{self, Cursor, Stamp};
use crate::service::{Failure, Name, Pattern};

/// Who asked to see output.
#[derive(Debug)]
pub struct Viewer {
    /// Where it is to be written.
    pub socket: OwnedFd,
    /// Whose output; everybody's without a pattern.
    pub names: Vec<Pattern>,
    /// How many lines of each stream to begin with; none: all that are kept.
    pub lines: Option<usize>,
    /// Whether to go on with what is yet to come.
    pub follow: bool,
}

/// The thread, if it is there, and those who wait for it.
#[derive(Debug)]
pub struct Tail {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rings: Arc<Rings>,
    state: Mutex<State>,
    /// How many clients it has, those that are yet to come included.
    clients: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    arrivals: Vec<Viewer>,
    is_running: bool,
}

impl Tail {
    /// Nobody reads along yet.
    #[must_use]
    pub fn new(rings: Arc<Rings>) -> Self {
        let state = Mutex::default();
        Self { shared: Arc::new(Shared { rings, state, clients: AtomicUsize::new(0) }) }
    }

    /// How many clients it has.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.shared.clients.load(Ordering::SeqCst)
    }

    /// Shows `viewer` what it asked for, and closes its socket when that is done.
    ///
    /// # Errors
    /// No thread or descriptor is to be had; the viewer is let go.
    pub fn serve(&self, viewer: Viewer) -> Result<(), Failure> {
        let shared = &self.shared;
        let failed = |error| Failure::errno("start", "showing output", errno(error));
        shared.rings.wake().map_err(failed)?;
        let mut state = lock(&shared.state);
        if !state.is_running {
            let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, WAKE);
            epoll.add(shared.rings.wake().map_err(failed)?, event).map_err(failed)?;
            let worker =
                Worker { shared: Arc::clone(shared), epoll, viewers: LiteMap::new(), last: WAKE };
            thread::start(c"onit-tail", "a thread to show output", move || worker.run())?;
            state.is_running = true;
        }
        shared.clients.fetch_add(1, Ordering::SeqCst);
        state.arrivals.push(viewer);
        drop(state);
        shared.rings.wake_up();
        Ok(())
    }
}

const WAKE: u64 = 0;

/// The thread's own side.
struct Worker {
    shared: Arc<Shared>,
    epoll: Epoll,
    viewers: LiteMap<u64, Showing>,
    last: u64,
}

/// A viewer and how far it is.
struct Showing {
    viewer: Viewer,
    session: Session,
    streams: Vec<Followed>,
    /// The latest ring of each stream it has seen: who has gone and come back has another.
    known: LiteMap<Source, Arc<SharedRing>>,
    /// It has seen what was there when it came.
    has_begun: bool,
    /// The next line of each stream that has one, by its time.
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    interest: EpollFlags,
}

/// A stream that is read along.
struct Followed {
    source: Source,
    ring: Arc<SharedRing>,
    cursor: Cursor,
    /// Where to stop; none: never.
    stop: Option<Cursor>,
    head: Option<output::Line>,
}

impl Worker {
    fn run(mut self) {
        let mut events = [EpollEvent::empty(); RELAY_EVENTS];
        loop {
            // First this, then the looking: what comes after it wakes us again.
            self.shared.rings.awake();
            self.admit();
            let gone: Vec<u64> = self
                .viewers
                .iter_mut()
                .filter_map(|(token, showing)| {
                    let goes_on = showing.pump(&self.shared.rings)
                        && showing.watch(&self.epoll, *token).is_ok();
                    (!goes_on).then_some(*token)
                })
                .collect();
            for token in gone {
                self.let_go(token);
            }
            if self.ends() {
                return;
            }
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                // No epoll at all: that cannot be. Whoever is there is let go, and who comes next
                // may have more luck.
                Err(_) => {
                    for token in self.viewers.keys().copied().collect::<Vec<_>>() {
                        self.let_go(token);
                    }
                    lock(&self.shared.state).is_running = false;
                    return;
                }
            };
            let hung_up = EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
            for event in events.iter().take(count) {
                if event.data() != WAKE && event.events().intersects(hung_up) {
                    self.let_go(event.data());
                }
            }
        }
    }

    fn admit(&mut self) {
        for viewer in std::mem::take(&mut lock(&self.shared.state).arrivals) {
            self.last = self.last.saturating_add(1);
            let token = self.last;
            self.shared.rings.follow();
            let interest = EpollFlags::empty();
            if self.epoll.add(&viewer.socket, EpollEvent::new(interest, token)).is_err() {
                // No memory for it: who asked sees the connection close.
                self.forget();
                continue;
            }
            self.viewers.insert(
                token,
                Showing {
                    viewer,
                    session: Session::default(),
                    streams: Vec::new(),
                    known: LiteMap::new(),
                    has_begun: false,
                    heap: BinaryHeap::new(),
                    interest,
                },
            );
        }
    }

    fn let_go(&mut self, token: u64) {
        if let Some(showing) = self.viewers.remove(&token) {
            let _ = self.epoll.delete(&showing.viewer.socket);
            self.forget();
        }
    }

    fn forget(&self) {
        self.shared.rings.unfollow();
        self.shared.clients.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether nobody is left to be served. Who comes from now on starts another thread.
    fn ends(&self) -> bool {
        let mut state = lock(&self.shared.state);
        let ends = self.viewers.is_empty() && state.arrivals.is_empty();
        state.is_running = !ends;
        ends
    }
}

impl Showing {
    /// Shows as much as the client takes now. Says whether it is to be kept.
    fn pump(&mut self, rings: &Rings) -> bool {
        self.meet(rings);
        loop {
            let is_done = self.fill();
            if is_done {
                self.session.end(End::ok(""));
                self.session.close();
            }
            match client::send(self.viewer.socket.as_fd(), &mut self.session) {
                Ok(()) if self.session.is_over() => return false,
                // All is sent, and there may be more.
                Ok(()) if self.session.unsent().is_empty() && !self.heap.is_empty() => {}
                Ok(()) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Takes in the streams it has not seen yet.
    fn meet(&mut self, rings: &Rings) {
        let Viewer { follow, lines, .. } = self.viewer;
        let had_begun = std::mem::replace(&mut self.has_begun, true);
        if had_begun && !follow {
            return;
        }
        let names = &self.viewer.names;
        let wanted = |name: &Name| {
            let name = name.as_str().as_bytes();
            names.is_empty() || names.iter().any(|pattern| pattern.fits(name))
        };
        for (source, ring) in rings.all(wanted) {
            let before = self.known.insert(source.clone(), Arc::clone(&ring));
            if before.is_some_and(|before| Arc::ptr_eq(&before, &ring)) {
                continue;
            }
            // All of what came after it is new.
            let cursor = if had_begun { Cursor::default() } else { ring.before_last(lines) };
            let stop = (!follow).then(|| ring.end());
            self.streams.push(Followed { source, ring, cursor, stop, head: None });
        }
    }

    /// Puts lines into words, the oldest first, as many as there is room for. Says whether there
    /// will be no more.
    fn fill(&mut self) -> bool {
        for (at, stream) in self.streams.iter_mut().enumerate() {
            if stream.head.is_none()
                && let Some(time) = stream.read()
            {
                self.heap.push(Reverse((time, at)));
            }
        }
        while self.session.has_room() {
            let Some(Reverse((_, at))) = self.heap.pop() else {
                return !self.viewer.follow;
            };
            let Some(stream) = self.streams.get_mut(at) else { continue };
            if let Some(line) = stream.head.take() {
                stream.say(line, &mut self.session);
            }
            if let Some(time) = stream.read() {
                self.heap.push(Reverse((time, at)));
            }
        }
        false
    }

    /// Waits for room if there is something to send, and for the client to go in any case.
    fn watch(&mut self, epoll: &Epoll, token: u64) -> Result<(), Errno> {
        let wanted = match self.session.unsent().is_empty() {
            true => EpollFlags::empty(),
            false => EpollFlags::EPOLLOUT,
        };
        if wanted != self.interest {
            self.interest = wanted;
            epoll.modify(&self.viewer.socket, &mut EpollEvent::new(wanted, token))?;
        }
        Ok(())
    }
}

impl Followed {
    /// Reads the next line, and says when it came.
    fn read(&mut self) -> Option<u64> {
        if self.stop.is_some_and(|stop| !self.cursor.is_before(&stop)) {
            return None;
        }
        self.head = self.ring.next(&mut self.cursor);
        self.head.as_ref().map(|line| line.nanoseconds)
    }

    fn say(&self, line: output::Line, session: &mut Session) {
        let (name, stream) = &self.source;
        if line.lost > 0 {
            session.say(&Line::Lost(Lost { service: Some(name.to_string()), count: line.lost }));
        }
        session.say(&Line::Log(Log {
            time: String::from_utf8_lossy(Stamp::at(line.nanoseconds).as_bytes()).into_owned(),
            service: name.to_string(),
            stream: stream.as_str().to_owned(),
            message: String::from_utf8_lossy(&line.content).into_owned(),
        }));
    }
}
