//! Directories that are kept as runsv(8) keeps its `supervise/`, for sv(8) and svstat(8): `status`,
//! `stat` and `pid` say how a service is, into `control` commands are written, and that somebody
//! reads `ok` says that the service is supervised.
//!
//! By a thread of its own: a file may take as long as its volume likes. What it is told is the
//! latest of each service, and what it has heard is bounded, so neither can pile up.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use litemap::LiteMap;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::clock::wall_clock;
use super::files;
use super::process;
use super::relay::{errno, lock};
use super::thread;
use crate::limits::SUPERVISE_ORDERS_MAX;
use crate::service::{Errno, Failure, Name, ReloadBy, Role, Signal, Spec};
use crate::supervisor::{Goal, Report, State};

/// The services that are kept so.
#[derive(Debug, Default)]
pub(super) struct Supervise {
    /// None: there has been none yet.
    shared: Option<Arc<Shared>>,
    known: LiteMap<Name, Known>,
    /// How many there was no room for, as last said.
    left_out: usize,
}

#[derive(Debug)]
struct Known {
    directory: PathBuf,
    /// Whether a command of its own stops it.
    has_stop_command: bool,
    /// Whether a command of its own has it read its configuration again.
    has_reload_command: bool,
}

/// What the loop and the thread share.
#[derive(Debug)]
struct Shared {
    news: Mutex<LiteMap<PathBuf, News>>,
    /// Whether directories may have been removed, and made anew.
    is_to_look: AtomicBool,
    /// Written to when there are.
    told: EventFd,
    orders: Mutex<VecDeque<(Name, Order)>>,
    /// Written to when there are.
    heard: EventFd,
}

/// What the thread is told of a directory.
#[derive(Debug)]
enum News {
    /// The service is so.
    Is(Name, Status),
    /// It is kept no longer.
    Over,
}

/// How a service is, as `status` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Status {
    phase: Phase,
    /// Its process; 0: none.
    pid: i32,
    /// Since when, in nanoseconds since 1970.
    since: u64,
    is_wanted: bool,
    got_term: bool,
    is_paused: bool,
}

/// The states of runsv.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Down,
    Run,
    Finish,
}

/// What is written to `control`; see runsv(8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// It is to run.
    Up,
    /// It is to be stopped.
    Down,
    /// It is to be ended by its own stop command, and started again.
    Again,
    /// Its own reload command is to be run.
    Reload,
    /// It is sent this.
    Signal(Signal),
}

impl Supervise {
    /// Keeps a directory for every service of the plan that names one, and looks whether those it
    /// has are still there. Whoever is new and down is not heard of otherwise. Says what becomes
    /// readable when there are orders, if it has just come to be.
    ///
    /// # Errors
    /// No descriptor, or no thread, to be had.
    pub(super) fn expect<'a>(
        &mut self,
        specs: impl Iterator<Item = &'a Arc<Spec>>,
    ) -> Result<Option<BorrowedFd<'_>>, Failure> {
        let is_first = self.shared.is_none();
        let specs: Vec<&Arc<Spec>> = specs.collect();
        let (room, limit) = room(&specs);
        let (mut kept, mut left_out) = (0usize, 0usize);
        for spec in specs {
            let Some(directory) = &spec.supervise else {
                self.forget(&spec.name);
                continue;
            };
            if kept >= room {
                left_out = left_out.saturating_add(1);
                self.forget(&spec.name);
                continue;
            }
            kept = kept.saturating_add(1);
            if self.known.get(&spec.name).is_some_and(|known| known.directory == **directory) {
                continue;
            }
            if self.shared.is_none() {
                self.shared = Some(start()?);
            }
            self.forget(&spec.name);
            self.known(spec, directory);
            let since = wall_clock();
            let (pid, is_wanted) = (0, spec.autostart);
            let status = Status { phase: Phase::Down, pid, since, is_wanted, ..Status::DOWN };
            self.tell(directory, News::Is(spec.name.clone(), status));
        }
        if left_out > 0 && self.left_out != left_out {
            log::warn!(
                "sv and svstat do not find {left_out} of the services: no more than {limit} files \
                 may be open"
            );
        }
        self.left_out = left_out;
        if let Some(shared) = self.shared.as_ref().filter(|_| !is_first) {
            shared.is_to_look.store(true, Ordering::Release);
            let _ = shared.told.write(1);
        }
        let heard = self.shared.as_ref().map(|shared| shared.heard.as_fd());
        Ok(heard.filter(|_| is_first))
    }

    /// A service has become something else. `pid` is its process.
    pub(super) fn note(&mut self, report: &Report, pid: Option<i32>) {
        // What runs as it was before a reload may have a directory that is kept no longer.
        if let Some(directory) = &report.spec.supervise
            && self.known.get(&report.spec.name).is_some_and(|known| known.directory == **directory)
        {
            self.known(&report.spec, directory);
            let status = Status::of(report, pid);
            self.tell(directory, News::Is(report.spec.name.clone(), status));
        }
    }

    /// It has left the plan.
    pub(super) fn forget(&mut self, name: &Name) {
        if let Some(Known { directory, .. }) = self.known.remove(name) {
            self.tell(&directory, News::Over);
        }
    }

    /// What has been written to `control` since, and of whom.
    pub(super) fn take(&self) -> VecDeque<(Name, Order)> {
        let Some(shared) = &self.shared else { return VecDeque::new() };
        let _ = shared.heard.read();
        let mut orders = std::mem::take(&mut *lock(&shared.orders));
        for (name, order) in &mut orders {
            let Some(known) = self.known.get(name) else { continue };
            if *order == Order::Signal(Signal::TERM) && known.has_stop_command {
                *order = Order::Again;
            }
            if *order == Order::Signal(Signal::HUP) && known.has_reload_command {
                *order = Order::Reload;
            }
        }
        orders
    }

    fn known(&mut self, spec: &Spec, directory: &Path) {
        let has_stop_command = spec.stop.command.is_some();
        let reload = spec.reload.as_ref().map(|reload| &reload.by);
        let has_reload_command = matches!(reload, Some(ReloadBy::Command(_)));
        let known = Known { directory: directory.to_owned(), has_stop_command, has_reload_command };
        self.known.insert(spec.name.clone(), known);
    }

    fn tell(&self, directory: &Path, news: News) {
        if let Some(shared) = &self.shared {
            lock(&shared.news).insert(directory.to_owned(), news);
            // It fails only if it would count beyond 2^64, and then it is readable anyway.
            let _ = shared.told.write(1);
        }
    }
}

/// How many directories there is room for, and the limit which says that: services come first, so
/// it is what they leave of the descriptors.
fn room(specs: &[&Arc<Spec>]) -> (usize, u64) {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((u64::MAX, u64::MAX));
    let needed: usize = specs.iter().map(|spec| process::descriptors(spec)).sum();
    let all = usize::try_from(limit).unwrap_or(usize::MAX);
    let left = all.saturating_sub(needed).saturating_sub(process::SPARE);
    (left / DESCRIPTORS_A_STATION, limit)
}

fn start() -> Result<Arc<Shared>, Failure> {
    let failed = |error| Failure::errno("keep", "files for sv", errno(error));
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let shared = Arc::new(Shared {
        news: Mutex::default(),
        is_to_look: AtomicBool::new(false),
        told: EventFd::from_flags(flags).map_err(failed)?,
        orders: Mutex::default(),
        heard: EventFd::from_flags(flags).map_err(failed)?,
    });
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
    epoll.add(shared.told.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, TOLD)).map_err(failed)?;
    let keeper = Keeper {
        shared: Arc::clone(&shared),
        epoll,
        stations: LiteMap::new(),
        refused: LiteMap::new(),
        last: TOLD,
    };
    thread::start(c"onit-supervise", "a thread for the files of sv", move || keeper.run())?;
    Ok(shared)
}

/// The token of the event that is no directory.
const TOLD: u64 = 0;

/// The thread.
struct Keeper {
    shared: Arc<Shared>,
    epoll: Epoll,
    stations: LiteMap<PathBuf, Station>,
    /// Directories that cannot be kept, and what has been said of them.
    refused: LiteMap<PathBuf, Errno>,
    last: u64,
}

/// `control`, `ok` and `lock`.
const DESCRIPTORS_A_STATION: usize = 3;

/// A directory that is kept.
struct Station {
    name: Name,
    status: Status,
    token: u64,
    control: File,
    /// That it is open for reading is what it is for.
    ok: File,
    /// Held as long as it is open.
    lock: File,
}

impl Keeper {
    fn run(mut self) {
        let mut ready = [EpollEvent::empty(); 16];
        loop {
            // EINTR cannot be, all signals are blocked; nothing else can either.
            let count = self.epoll.wait(&mut ready, EpollTimeout::NONE).unwrap_or(0);
            for event in ready.iter().take(count) {
                match event.data() {
                    TOLD => self.be_told(),
                    token => self.hear(token),
                }
            }
        }
    }

    fn be_told(&mut self) {
        let _ = self.shared.told.read();
        let news = std::mem::take(&mut *lock(&self.shared.news));
        for (directory, news) in news {
            match news {
                News::Over => {
                    self.stations.remove(&directory);
                    self.refused.remove(&directory);
                }
                News::Is(name, status) => self.show(directory, name, status),
            }
        }
        if self.shared.is_to_look.swap(false, Ordering::Acquire) {
            self.look();
        }
    }

    /// Makes anew what has been removed: a directory that was replaced by another of its name is
    /// that of the same service.
    fn look(&mut self) {
        let stations = self.stations.iter();
        let gone = stations.filter(|(directory, station)| !station.is_there(directory));
        for directory in gone.map(|(directory, _)| directory.clone()).collect::<Vec<_>>() {
            if let Some(Station { name, status, .. }) = self.stations.remove(&directory) {
                self.show(directory, name, status);
            }
        }
    }

    fn show(&mut self, directory: PathBuf, name: Name, mut status: Status) {
        if let Some(station) = self.stations.get_mut(&directory) {
            // It is still the same process: it runs, and is paused, since it was.
            if station.status.pid == status.pid && status.pid != 0 {
                status.since = station.status.since;
                status.is_paused = station.status.is_paused;
            }
            station.name = name;
            if station.status != status {
                station.status = status;
                station.write(&directory);
            }
            return;
        }
        self.last = self.last.saturating_add(1);
        match Station::open(&directory, name, status, self.last) {
            Ok(station) => {
                let event = EpollEvent::new(EpollFlags::EPOLLIN, station.token);
                // Without it orders are not heard, and `sv` says that they take too long.
                let _ = self.epoll.add(station.control.as_fd(), event);
                station.write(&directory);
                self.refused.remove(&directory);
                self.stations.insert(directory, station);
            }
            // A read-only image, or one that is not ours: everything else works.
            Err(Errno(libc::EROFS | libc::EACCES | libc::EPERM | libc::ENOENT)) => {
                log::debug!("{name_of}: nothing for sv", name_of = directory.display());
            }
            // It is tried again whenever there is something to show, and said once.
            Err(errno) if self.refused.get(&directory) == Some(&errno) => {}
            Err(errno) => {
                let failure = Failure::errno("keep", directory.display().to_string(), errno);
                log::warn!("{failure}; sv and svstat do not find this service");
                self.refused.insert(directory, errno);
            }
        }
    }

    fn hear(&mut self, token: u64) {
        let found = self.stations.iter_mut().find(|(_, station)| station.token == token);
        let Some((directory, station)) = found else { return };
        let mut bytes = [0; 64];
        let count = (&station.control).read(&mut bytes).unwrap_or(0);
        let mut orders = lock(&self.shared.orders);
        for byte in bytes.iter().take(count) {
            let Some(order) = order(*byte) else { continue };
            if orders.len() < SUPERVISE_ORDERS_MAX {
                orders.push_back((station.name.clone(), order));
            }
            station.status.foresee(order);
        }
        drop(orders);
        let _ = self.shared.heard.write(1);
        station.write(directory);
    }
}

impl Station {
    fn open(directory: &Path, name: Name, status: Status, token: u64) -> Result<Self, Errno> {
        make(directory)?;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
        let lock = options.clone().create(true).open(directory.join("lock"))?;
        // SAFETY: flock(2) takes two numbers; the descriptor is open.
        if unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == -1 {
            return Err(std::io::Error::last_os_error().into());
        }
        let fifo = |name: &str| -> Result<File, Errno> {
            let path = directory.join(name);
            match mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR) {
                Ok(()) | Err(nix::Error::EEXIST) => {}
                Err(error) => return Err(errno(error)),
            }
            // Open for both: so no open waits, and no end comes when a writer closes; fifo(7).
            let file = options.open(&path)?;
            if file.metadata()?.file_type().is_fifo() { Ok(file) } else { Err(Errno(libc::EEXIST)) }
        };
        let (control, ok) = (fifo("control")?, fifo("ok")?);
        Ok(Self { name, status, token, control, ok, lock })
    }

    /// Whether its files are still those that `sv` finds, and could be written.
    fn is_there(&self, directory: &Path) -> bool {
        let has_status = directory.join("status").exists();
        has_status
            && [("lock", &self.lock), ("control", &self.control), ("ok", &self.ok)].iter().all(
                |(name, file)| match (directory.join(name).symlink_metadata(), file.metadata()) {
                    (Ok(there), Ok(ours)) => (there.dev(), there.ino()) == (ours.dev(), ours.ino()),
                    (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
                },
            )
    }

    /// As far as it can be written: a full disk keeps nobody from running.
    fn write(&self, directory: &Path) {
        let pid = match self.status.pid {
            0 => String::new(),
            pid => format!("{pid}\n"),
        };
        let texts = [
            ("pid", pid.into_bytes()),
            ("stat", self.status.text().into_bytes()),
            ("status", self.status.bytes().to_vec()),
        ];
        for (name, bytes) in texts {
            if let Err(errno) = files::replace(&directory.join(name), &bytes) {
                log::debug!("{}/{name}: {errno}", directory.display());
            }
        }
    }
}

/// Makes the directory, or, as runsv does, the one to which a link of its name leads.
fn make(directory: &Path) -> Result<(), Errno> {
    let target = match directory.read_link() {
        Ok(target) => directory.parent().unwrap_or(directory).join(target),
        Err(_) => directory.to_owned(),
    };
    match DirBuilder::new().mode(0o700).create(&target) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What a byte in `control` asks for. To run once is to run: it is started again.
fn order(byte: u8) -> Option<Order> {
    Some(match byte {
        b'u' | b'o' => Order::Up,
        b'd' | b'x' => Order::Down,
        b't' => Order::Signal(Signal::TERM),
        b'k' => Order::Signal(Signal::KILL),
        b'p' => Order::Signal(Signal::STOP),
        b'c' => Order::Signal(Signal::CONT),
        b'h' => Order::Signal(Signal::HUP),
        b'a' => Order::Signal(Signal::ALRM),
        b'i' => Order::Signal(Signal::INT),
        b'q' => Order::Signal(Signal::QUIT),
        b'1' => Order::Signal(Signal::USR1),
        b'2' => Order::Signal(Signal::USR2),
        _ => return None,
    })
}

/// What TAI64 counts from, and what TAI was ahead of UTC in 1970; runit knows no leap seconds
/// since: <https://cr.yp.to/libtai/tai64.html>.
const TAI_1970: u64 = (1 << 62) + 10;

impl Status {
    const DOWN: Self = Self {
        phase: Phase::Down,
        pid: 0,
        since: 0,
        is_wanted: false,
        got_term: false,
        is_paused: false,
    };

    fn of(report: &Report, pid: Option<i32>) -> Self {
        let (phase, got_term) = match &report.state {
            State::Unready(_) | State::Up(_) => (Phase::Run, false),
            State::Stopping(stopping) if stopping.end.is_none() => (Phase::Run, true),
            State::Stopping(_) => match report.life.as_ref().map(|life| life.role) {
                Some(Role::AfterExit { .. }) => (Phase::Finish, false),
                Some(_) | None => (Phase::Down, false),
            },
            State::Down
            | State::Waiting
            | State::Starting { .. }
            | State::Backoff { .. }
            | State::Completed { .. }
            | State::Failed { .. } => (Phase::Down, false),
        };
        let pid = pid.filter(|_| phase != Phase::Down).unwrap_or(0);
        let (since, is_wanted) = (wall_clock(), report.goal == Goal::Up);
        Self { phase, pid, since, is_wanted, got_term, is_paused: false }
    }

    /// What an order makes of it before anything else is known: who has written it looks next.
    fn foresee(&mut self, order: Order) {
        match order {
            Order::Up => self.is_wanted = true,
            Order::Down => self.is_wanted = false,
            Order::Signal(Signal::TERM) => self.got_term = self.phase == Phase::Run,
            Order::Signal(Signal::STOP) => self.is_paused = self.phase == Phase::Run,
            Order::Signal(Signal::CONT) => self.is_paused = false,
            Order::Again | Order::Reload | Order::Signal(_) => {}
        }
    }

    /// The file `status`: TAI64N, pid, paused, wanted, TERM, state.
    fn bytes(&self) -> [u8; 20] {
        let seconds = TAI_1970.saturating_add(self.since / 1_000_000_000).to_be_bytes();
        let nanoseconds = u32::try_from(self.since % 1_000_000_000).unwrap_or(0).to_be_bytes();
        let flags = [
            u8::from(self.is_paused),
            if self.is_wanted { b'u' } else { b'd' },
            u8::from(self.got_term),
            match self.phase {
                Phase::Down => 0,
                Phase::Run => 1,
                Phase::Finish => 2,
            },
        ];
        let pid = self.pid.to_le_bytes();
        let fields = seconds.iter().chain(&nanoseconds).chain(&pid).chain(&flags);
        let mut bytes = [0; 20];
        bytes.iter_mut().zip(fields).for_each(|(slot, byte)| *slot = *byte);
        bytes
    }

    /// The file `stat`.
    fn text(&self) -> String {
        let phase = match self.phase {
            Phase::Down => "down",
            Phase::Run => "run",
            Phase::Finish => "finish",
        };
        let paused = if self.is_paused { ", paused" } else { "" };
        let term = if self.got_term { ", got TERM" } else { "" };
        let wanted = if self.phase != Phase::Down && !self.is_wanted { ", want down" } else { "" };
        format!("{phase}{paused}{term}{wanted}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_what_runsv_writes() {
        let second = 1_000_000_000;
        let running = Status {
            phase: Phase::Run,
            pid: 0x0102,
            since: 3 * second + 5,
            is_wanted: true,
            ..Status::DOWN
        };
        let start = [0x40, 0, 0, 0, 0, 0, 0, 13, 0, 0, 0, 5];
        let check = |status: Status, rest: [u8; 8], text: &str| {
            assert_eq!(status.bytes(), *[&start[..], &rest[..]].concat());
            assert_eq!(status.text(), format!("{text}\n"));
        };
        check(running, [2, 1, 0, 0, 0, b'u', 0, 1], "run");
        let mut paused = running;
        paused.foresee(Order::Signal(Signal::STOP));
        check(paused, [2, 1, 0, 0, 1, b'u', 0, 1], "run, paused");
        let mut stopping = paused;
        stopping.foresee(Order::Signal(Signal::CONT));
        stopping.foresee(Order::Signal(Signal::TERM));
        stopping.foresee(Order::Down);
        check(stopping, [2, 1, 0, 0, 0, b'd', 1, 1], "run, got TERM, want down");
        let finish = Status { phase: Phase::Finish, ..running };
        check(finish, [2, 1, 0, 0, 0, b'u', 0, 2], "finish");
        let down = Status { phase: Phase::Down, pid: 0, is_wanted: false, ..running };
        check(down, [0, 0, 0, 0, 0, b'd', 0, 0], "down");
    }
}
