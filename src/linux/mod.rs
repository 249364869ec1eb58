//! The only effects, and the only `unsafe`: [`Linux`] is the host that ships.
//!
//! One thread waits, starts, signals and reaps, and never blocks; the relays move log lines on
//! threads of their own (`relay.rs`). Every failed system call ends here: as an event, as a notice,
//! or as a comment that says why it cannot matter.

pub mod above;
pub mod berth;
pub mod channels;
mod child;
pub mod client;
pub mod clock;
pub mod console;
pub mod control;
pub mod entry;
pub mod environment;
mod errno;
pub mod files;
pub mod heap;
mod inputs;
pub mod kin;
pub mod last_words;
pub mod lines;
pub mod listen;
pub mod log_file;
pub mod memory;
pub mod notices;
pub mod notify;
pub mod notify_client;
mod pad;
pub mod place;
pub mod probe;
mod probe_command;
pub mod process;
pub mod reactor;
pub mod relay;
pub mod rescan;
pub mod rings;
pub mod runs;
pub mod signals;
pub mod sources;
pub mod spawn;
pub mod step_down;
mod supervise;
pub mod tail;
pub mod terminal;
pub mod thread;
pub mod trust;
pub mod usage;
pub mod users;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;
use nix::errno::Errno;
use nix::unistd::Pid;

use crate::control::Scene;
use crate::limits::{
    FINDING_READS_MAX, KILL_ROUNDS_MAX, LAST_LINE_PATIENCE, LAST_LINES, NOTICE_PAUSE,
    REAPS_A_TURN_MAX, SWEEP_PAUSE_MAX, SWEEP_SHARE, SWEEP_TIME, SWEEP_TIME_FOUND,
};
use crate::run::Host;
use crate::service::{
    Announcement, Exit, ExitArguments, Failure, Kind, Leftovers, Level, Name, Pattern, Place,
    Problem, Role, RunId, Scope, Signal, Spec, Time,
};
use crate::supervisor::{Action, Ask, Dependents, Event, Wake};

use above::Above;
use berth::Berth;
use channels::{Channels, Finding, Newline};
use clock::Clock;
use console::{Console, Streams};
use control::Control;
use kin::Kin;
use lines::Sightings;
use listen::{Handed, Listeners};
use notify::{Ear, Hall};
use place::Place as SocketPlace;
use reactor::{Reactor, Ready, Token};
use rescan::Rescan;
use runs::{Remains, Run, Runs, Start};
use signals::{Arrival, Signals};
use sources::{Load, Sources};
use spawn::{ExecResult, Handover, Order, Original, Started};
use supervise::{Order as Asked, Supervise};
use tail::Tail;
use terminal::Terminal;

/// The kernel as the loop sees it.
pub struct Linux {
    clock: Clock,
    reactor: Reactor,
    signals: Signals,
    console: Console,
    control: Control,
    sources: Sources,
    rescan: Option<Arc<Rescan>>,
    supervise: Supervise,
    /// What process group the last command of a service had whose `after_exit` is to be told.
    groups: LiteMap<Name, i32>,
    above: Option<Above>,
    hall: Hall,
    sightings: Arc<Sightings>,
    listeners: Listeners,
    runs: Runs,
    environment: Vec<(OsString, OsString)>,
    original: Original,
    berth: Option<Berth>,
    terminal: Terminal,
    handover: Handover,
    /// 1 if we are the first of our namespace: only then everybody in it is ours to end.
    own_pid: u32,
    /// Whether /proc can say who belongs to whom.
    has_proc: OnceCell<bool>,
    /// The container's count of processes killed for want of memory, as last seen.
    oom_kills: OnceCell<Option<u64>>,
    /// Whether [`Event::Alone`] is wanted.
    sweeping: bool,
    /// Children are not looked for before this: the last look took long.
    pause_until: Time,
    /// They are to be looked for then, although no CHLD comes.
    next_look: Option<Time>,
    /// What is said is not passed on before this.
    silent_until: Time,
    /// What [`Host::perform`] found out.
    found: Vec<Event>,
    ready: Vec<Ready>,
}

/// What the host is made of.
pub struct Parts {
    /// Where time comes from.
    pub clock: Clock,
    /// The signals, already blocked.
    pub signals: Signals,
    /// The log path.
    pub console: Console,
    /// The control socket, if there is one.
    pub place: Option<SocketPlace>,
    /// What reads the sources again.
    pub load: Load,
    /// What watches directories of services, if any is watched.
    pub rescan: Option<Arc<Rescan>>,
    /// The sockets that onit was handed.
    pub handed: Vec<Handed>,
    /// onit's own environment.
    pub environment: Vec<(OsString, OsString)>,
    /// What was before onit changed it, and children get.
    pub original: Original,
    /// Where children leave onit's descriptors from, if these may be many.
    pub berth: Option<Berth>,
    /// How the main command gets the terminal.
    pub terminal: Terminal,
    /// What the main command has of onit's own descriptors and variables.
    pub handover: Handover,
}

impl Linux {
    /// The host made of `parts`.
    ///
    /// # Errors
    /// No descriptor to be had.
    pub fn new(parts: Parts) -> Result<Self, Errno> {
        let own_pid = std::process::id();
        let reactor = Reactor::new()?;
        parts.console.notices().hold_what_is_said(true);
        reactor.watch(parts.signals.descriptor(), Token::Signals)?;
        let sources = Sources::new(parts.load);
        if let Some(rescan) = &parts.rescan {
            reactor.watch(rescan.changes(), Token::Changes)?;
            reactor.watch(rescan.settled(), Token::Settled)?;
        }
        let sightings = Arc::new(Sightings::new()?);
        reactor.watch(sightings.descriptor(), Token::Lines)?;
        // A lone main command is handed on what onit was handed, as it is.
        let (above, handed) = match parts.handover {
            Handover::Everything => (None, Vec::new()),
            Handover::Declared => {
                (Above::of(&parts.environment, own_pid, parts.clock.now()), parts.handed)
            }
        };
        let control = Control::new(parts.place, Tail::new(parts.console.rings()), &reactor);
        Ok(Self {
            clock: parts.clock,
            reactor,
            signals: parts.signals,
            console: parts.console,
            control,
            sources,
            rescan: parts.rescan,
            supervise: Supervise::default(),
            groups: LiteMap::new(),
            above,
            hall: Hall::default(),
            sightings,
            listeners: Listeners::new(handed),
            runs: Runs::default(),
            environment: parts.environment,
            original: parts.original,
            berth: parts.berth,
            terminal: parts.terminal,
            handover: parts.handover,
            own_pid,
            has_proc: OnceCell::new(),
            oom_kills: OnceCell::new(),
            sweeping: false,
            pause_until: Time::ZERO,
            next_look: None,
            found: Vec::new(),
            ready: Vec::new(),
            silent_until: Time::ZERO,
        })
    }

    /// Writes out what is still in the pipes, as far as the readers take it within `patience`, and
    /// says what was lost.
    pub fn finish(&mut self, patience: Duration) {
        self.control.finish();
        self.listeners.close_all();
        self.console.forget_inputs();
        self.console.notices().hold_what_is_said(false);
        let lost = self.console.finish(patience);
        if lost.bytes > 0 {
            log::warn!("{} bytes of output were not taken in time and are lost", lost.bytes);
            // Where the reader of this very line is stuck it is lost too.
            let _ = self.console.finish(LAST_LINE_PATIENCE);
        }
    }

    // ---- starting ----

    fn spawn(&mut self, id: RunId, service: Arc<Spec>, role: Role) {
        match self.try_spawn(id, &service, role) {
            Ok((pid, start, channels)) => {
                let run = Run { spec: service, role, pid, start, channels, killed: false };
                self.runs.add(id, run);
            }
            Err(failure) => self.found.push(Event::SpawnFailed { run: id, failure }),
        }
    }

    fn try_spawn(
        &mut self,
        id: RunId,
        service: &Spec,
        role: Role,
    ) -> Result<(i32, Start, Channels), Failure> {
        if writes_to_console(role) {
            self.console.open(service)?;
        }
        let (mut channels, mut streams) =
            (Channels::default(), self.console.streams(&service.name));
        let mut theirs = None;
        let mut newline = None;
        let mut input = None;
        if let Role::Main | Role::BeforeStart { .. } | Role::AfterExit { .. } = role {
            self.console.block_again(&service.name);
        }
        match role {
            Role::Main => {
                self.open_channels(id, service, &mut channels)?;
                if let Some(Announcement::Fd(target)) = announcement(service) {
                    let (ours, services) = channels::pipe()?;
                    newline = Some((services.as_raw_fd(), *target));
                    channels.newline = Some(ours);
                    theirs = Some(services);
                }
                input = self.console.input(service)?;
                if !service.listen.is_empty() {
                    self.listeners.open(service)?;
                }
            }
            Role::Probe { .. } => {
                let (ours, probes) = channels::pipe()?;
                streams = Streams { stdout: probes.as_raw_fd(), stderr: probes.as_raw_fd() };
                channels.finding = Some(Box::new(Finding::new(ours)));
                theirs = Some(probes);
            }
            Role::BeforeStart { .. }
            | Role::Reload { .. }
            | Role::StopCommand { .. }
            | Role::AfterExit { .. } => {}
        }
        let is_main_command = service.kind == Kind::Main && role == Role::Main;
        let order = Order {
            spec: service,
            run: id,
            role,
            streams,
            notify: channels.ear.as_deref().map(Ear::path),
            sockets: &self.listeners.of(service),
            newline,
            input,
            environment: &self.environment,
            main_pid: match role {
                Role::StopCommand { main: Some(main) } | Role::Reload { main } => {
                    self.runs.alive(main).map(|run| run.pid)
                }
                Role::AfterExit { .. } => self.groups.get(&service.name).copied(),
                Role::StopCommand { main: None }
                | Role::Main
                | Role::BeforeStart { .. }
                | Role::Probe { .. } => None,
            },
            terminal: if is_main_command { self.terminal } else { Terminal::None },
            handover: if is_main_command { self.handover } else { Handover::Declared },
            original: &self.original,
            berth: self.berth.as_ref(),
        };
        let started = spawn::spawn(&order)?;
        drop(theirs);
        if spawn::is_ours(service, role) {
            return Ok((started.pid.as_raw(), self.started_ours(id, &started), channels));
        }
        self.watch_channels(id, &channels);
        if let Err(errno) = self.reactor.watch(started.exec.as_fd(), Token::Exec(id)) {
            // Whether it was executed is then only known when it ends. That is late, but true.
            log::warn!("{}: cannot watch its start: {errno}", service.name);
        }
        let start = Start::Pending { pipe: started.exec, attempt: Box::new(started.attempt) };
        Ok((started.pid.as_raw(), start, channels))
    }

    /// Opens the ways in which the command of a service is to say how it is.
    fn open_channels(
        &mut self,
        id: RunId,
        service: &Spec,
        channels: &mut Channels,
    ) -> Result<(), Failure> {
        if service.notifies() {
            channels.ear = Some(Box::new(self.hall.open(id, spawn::owner(service)?)?));
        }
        if let Some(Announcement::Log(text)) = announcement(service) {
            self.console.look_for(&service.name, id, text, &self.sightings);
        }
        Ok(())
    }

    /// onit itself has been executed when its spawn returns, and what it finds fits into a pipe:
    /// there is nothing to watch.
    fn started_ours(&mut self, id: RunId, started: &Started) -> Start {
        match spawn::read_exec(started.exec.as_fd(), &started.attempt) {
            ExecResult::Failed(failure) => Start::Failed(Box::new(failure)),
            ExecResult::Pending | ExecResult::Executed => {
                self.found.push(Event::Spawned { run: id });
                Start::Executed
            }
        }
    }

    fn watch_channels(&self, id: RunId, channels: &Channels) {
        let ear = channels.ear.as_ref().map(|ear| (ear.descriptor(), Token::Notify(id)));
        let newline = channels.newline.as_ref().map(|pipe| (pipe.as_fd(), Token::Newline(id)));
        let finding = channels.finding.as_deref();
        let finding = finding.map(|finding| (finding.descriptor(), Token::Finding(id)));
        for (descriptor, token) in ear.into_iter().chain(newline).chain(finding) {
            if let Err(errno) = self.reactor.watch(descriptor, token) {
                // What is said is then only heard when it ends.
                log::warn!("cannot watch what {id} says: {errno}");
            }
        }
    }

    /// Takes what a run has said of itself, in the order in which that can have happened.
    fn hear(&mut self, id: RunId, events: &mut Vec<Event>) {
        self.look_at_start(id, events);
        let origin = self.clock.origin();
        let Some(run) = self.runs.alive_mut(id) else { return };
        let Channels { ear, newline, finding, complained } = &mut run.channels;
        if let Some(ear) = ear {
            let name = &run.spec.name;
            let said = |message| events.push(Event::Notified { run: id, message });
            ear.hear(origin, said, |what| {
                // Once a run: who does it once does it again.
                if !std::mem::replace(complained, true) {
                    log::warn!("{name}: a message to its notify socket is not understood: {what}");
                }
            });
        }
        if let Some(pipe) = newline {
            let said = match channels::read_newline(pipe.as_fd()) {
                Newline::Pending => None,
                Newline::Came => Some(Event::Announced { run: id }),
                Newline::Never => Some(Event::Mute { run: id }),
            };
            if let Some(event) = said {
                events.push(event);
                self.reactor.forget(pipe.as_fd());
                *newline = None;
            }
        }
        // Told when the probe has ended. A child that is being started may have a copy of ours, so
        // closing them does not end the events; see epoll(7).
        if let Some(finding) = finding
            && finding.read() == Some(0)
        {
            self.reactor.forget(finding.descriptor());
        }
    }

    /// Reads the exec pipe of a run, if it can be read.
    fn look_at_start(&mut self, id: RunId, events: &mut Vec<Event>) {
        let Some(run) = self.runs.alive_mut(id) else { return };
        let Start::Pending { pipe, attempt } = &run.start else { return };
        match spawn::read_exec(pipe.as_fd(), attempt) {
            ExecResult::Pending => {}
            ExecResult::Executed => {
                self.reactor.forget(pipe.as_fd());
                run.start = Start::Executed;
                // Not before there is somebody it could be about, who need not wait for it.
                self.oom_kills.get_or_init(memory::oom_kills);
                events.push(Event::Spawned { run: id });
            }
            // Told when its process is reaped, so that nothing of the run is left.
            ExecResult::Failed(failure) => {
                self.reactor.forget(pipe.as_fd());
                run.start = Start::Failed(Box::new(failure));
            }
        }
    }

    // ---- signalling ----

    fn kill(&mut self, id: RunId, signal: Signal, scope: Scope) {
        if let Some(run) = self.runs.alive_mut(id) {
            let pid = run.pid;
            run.killed |= signal == Signal::KILL;
            match scope {
                Scope::Process => self.send(pid, signal),
                Scope::Group | Scope::Run => {
                    // The group is made by the child; before that there is only the process.
                    if send_to_group(pid, signal) == Err(Errno::ESRCH) {
                        self.send(pid, signal);
                    }
                }
            }
        }
        if scope == Scope::Run {
            self.kill_kin(id, signal);
        }
    }

    /// Signals everybody of a run but its process and group, which have been.
    fn kill_kin(&mut self, id: RunId, signal: Signal) {
        let Some(leader) = self.runs.leader(id) else { return };
        let mut done = BTreeSet::new();
        for _ in 0..KILL_ROUNDS_MAX {
            let kin = self.kin(self.runs.alive(id).map(|run| run.pid));
            let found: Vec<i32> =
                kin.iter().filter(|kin| kin.is_of(id, leader)).map(|kin| kin.pid).collect();
            let before = done.len();
            for pid in found {
                if pid != leader && done.insert(pid) {
                    self.send(pid, signal);
                }
            }
            if done.len() == before {
                break;
            }
        }
    }

    /// Everybody below our unknown children, and below `root`.
    fn kin(&self, root: Option<i32>) -> Vec<Kin> {
        if !self.has_proc() {
            return Vec::new();
        }
        let unknown = kin::orphans().into_iter().filter(|pid| self.runs.by_pid(*pid).is_none());
        kin::downwards(unknown.chain(root))
    }

    /// Whether /proc can say who there is.
    fn has_proc(&self) -> bool {
        *self.has_proc.get_or_init(kin::proc_is_ours)
    }

    fn sweep(&mut self, signal: Signal) {
        self.sweeping = true;
        self.pause_until = Time::ZERO;
        self.next_look = Some(Time::ZERO);
        if self.own_pid == 1 {
            send_to_everybody(signal);
        } else if self.has_proc() {
            for kin in kin::downwards(kin::own_children()) {
                self.send(kin.pid, signal);
            }
        }
    }

    /// Sends a signal to a process that is a child of ours, or below one.
    fn send(&self, pid: i32, signal: Signal) {
        match send_to(pid, signal) {
            // It ended on its own.
            Ok(()) | Err(Errno::ESRCH) => {}
            // It has another uid and we lack CAP_KILL. It cannot be helped, only said.
            Err(errno) => log::warn!("cannot send {signal} to process {pid}: {errno}"),
        }
    }

    // ---- the terminal ----

    /// Not as PID 1 the main command shares our terminal: when it is stopped, by a key or by
    /// itself, so are we, for the shell that started us to notice; when we go on, so does it.
    fn follow_stops(&mut self) {
        let Terminal::Share { .. } = self.terminal else { return };
        let Some(main) = self.main_pid() else { return };
        let stopped = wait_for(libc::P_PID, main, libc::WSTOPPED | libc::WNOHANG);
        let Ok(Some(Ended { exit: Exit::Signal(signal), .. })) = stopped else { return };
        // It wants the terminal, and a shell has given that to us without a word: it sends no CONT
        // to a job that runs in the background when it calls it to the foreground.
        let only_wants_it = [Signal::TTIN, Signal::TTOU].contains(&signal);
        if !(only_wants_it && terminal::is_foreground()) {
            // What fails here fails for want of a terminal, and then there is none to hand over.
            let _ = terminal::take_back_from(Pid::from_raw(main));
            // SAFETY: raise(3) takes a number. We are stopped here until somebody sends CONT.
            unsafe { libc::raise(libc::SIGSTOP) };
        }
        self.lend_terminal();
        let _ = send_to_group(main, Signal::CONT);
    }

    /// A shell that calls a job to the foreground gives us the terminal and sends CONT, whether we
    /// were stopped or ran in the background.
    fn lend_terminal(&self) {
        let Terminal::Share { .. } = self.terminal else { return };
        let Some(main) = self.main_pid() else { return };
        if terminal::is_foreground() {
            let _ = terminal::give_to(Pid::from_raw(main));
        }
    }

    fn main_pid(&self) -> Option<i32> {
        self.runs.main_command().map(|run| run.pid)
    }

    // ---- reaping ----

    /// Reaps whoever has ended. What belongs to a run and ended leaves its group told before its
    /// number can be anybody else's.
    ///
    /// A look for anybody who has ended goes through all children, so that with thousands of them
    /// there are pauses between two looks. Meanwhile only those are reaped who are known to have
    /// ended: of several that end at once CHLD tells of one at least.
    fn reap(&mut self, ended: &[i32], events: &mut Vec<Event>) {
        for pid in ended {
            if self.runs.by_pid(*pid).is_none() {
                // Of somebody who is no run nothing is to be known.
                let _ = wait_for(libc::P_PID, *pid, REAP);
            } else if let Ok(Some(ended)) = wait_for(libc::P_PID, *pid, PEEK) {
                self.reap_one(ended, events);
            }
        }
        let is_pausing = self.now() < self.pause_until;
        self.next_look = is_pausing.then_some(self.pause_until);
        let alone = !is_pausing && self.reap_all(events);
        self.clear_remains(alone, events);
        if alone && self.sweeping {
            self.sweeping = false;
            events.push(Event::Alone);
        }
    }

    /// Reaps whoever can be found to have ended. Says whether nobody is left at all.
    fn reap_all(&mut self, events: &mut Vec<Event>) -> bool {
        for _ in 0..REAPS_A_TURN_MAX {
            let before = self.now();
            let ended = match wait_for(libc::P_ALL, 0, PEEK) {
                Ok(ended) => ended,
                Err(Errno::EINTR) => continue,
                // ECHILD: there is nobody. Nothing else can be.
                Err(_) => return true,
            };
            let now = self.now();
            let took = now.since(before);
            // Where some are found there are more at once, unless it takes that long to find them.
            let least = if ended.is_some() { SWEEP_TIME_FOUND } else { SWEEP_TIME };
            let pauses = took >= least;
            if pauses {
                let pause = took.saturating_mul(SWEEP_SHARE).min(SWEEP_PAUSE_MAX);
                self.pause_until = now.after(pause);
            }
            let Some(ended) = ended else { return false };
            self.reap_one(ended, events);
            if pauses {
                self.next_look = Some(self.pause_until);
                return false;
            }
        }
        self.next_look = Some(Time::ZERO);
        false
    }

    fn reap_one(&mut self, ended: Ended, events: &mut Vec<Event>) {
        let known = self.runs.by_pid(ended.pid);
        if let Some(id) = known {
            self.hear(id, events);
            self.tell_group(id);
            if let Terminal::Share { .. } = self.terminal
                && self.main_pid() == Some(ended.pid)
            {
                // Nobody else would: whoever comes after us finds the terminal as we did.
                let _ = terminal::take_back_from(Pid::from_raw(ended.pid));
            }
        }
        // ECHILD cannot be, and if it were, it would be reaped.
        let _ = wait_for(libc::P_PID, ended.pid, REAP);
        let Some((id, run)) = known.and_then(|id| Some((id, self.runs.reaped(id)?))) else {
            return;
        };
        if run.role == Role::Main && run.spec.hooks.after_exit_arguments == ExitArguments::S6 {
            self.groups.insert(run.spec.name.clone(), ended.pid);
        }
        let is_ours = spawn::is_ours(&run.spec, run.role);
        if !is_ours {
            run.channels.descriptors().for_each(|descriptor| self.reactor.forget(descriptor));
        }
        // Of what leaves remains that is said when it is known whether there are any.
        let leaves = !is_ours && run.spec.stop.leftovers == Leftovers::Kill;
        if writes_to_console(run.role) && (!leaves || matches!(run.start, Start::Failed(_))) {
            self.console.run_ended(&run.spec.name);
        }
        match run.start {
            Start::Failed(failure) => {
                events.push(Event::SpawnFailed { run: id, failure: *failure });
                return;
            }
            Start::Pending { .. } => events.push(Event::Spawned { run: id }),
            Start::Executed => {}
        }
        let exit = self.name_exit(ended.exit, run.killed);
        if let Some(mut finding) = run.channels.finding {
            // What a pipe holds, and no more: somebody it left behind may go on writing.
            for _ in 0..FINDING_READS_MAX {
                if matches!(finding.read(), None | Some(0)) {
                    break;
                }
            }
            let finding = finding.last_line();
            events.extend(finding.map(|finding| Event::Found { run: id, finding }));
        }
        events.push(Event::Exited { run: id, exit });
        if leaves {
            let (spec, role, leader) = (run.spec, run.role, run.pid);
            let (told, is_flushed) = (BTreeSet::new(), !writes_to_console(role));
            self.runs.leave(id, Remains { spec, role, leader, told, is_flushed });
        } else {
            events.push(Event::Gone { run: id });
        }
    }

    /// The process of a run has ended but is not reaped, so its group is still its own: whoever is
    /// left there is told.
    fn tell_group(&self, id: RunId) {
        let Some(run) = self.runs.alive(id) else { return };
        if spawn::is_ours(&run.spec, run.role) {
            return;
        }
        match (&run.start, run.spec.stop.leftovers) {
            (Start::Failed(_), _) | (_, Leftovers::Keep) => {}
            (Start::Pending { .. } | Start::Executed, Leftovers::Kill) => {
                // ESRCH: it had no group of its own. EPERM: nobody we may signal is in it.
                let _ = send_to_group(run.pid, Signal::TERM);
                let _ = send_to_group(run.pid, Signal::CONT);
            }
        }
    }

    /// A KILL that was not ours while the container's `oom_kill` count rose was the kernel's.
    fn name_exit(&mut self, exit: Exit, killed_by_us: bool) -> Exit {
        if exit != Exit::Signal(Signal::KILL) || killed_by_us {
            return exit;
        }
        let now = memory::oom_kills();
        let before = std::mem::replace(&mut self.oom_kills, OnceCell::from(now));
        // Where it had not been read yet nothing is known to have risen.
        let has_risen = before.into_inner().is_some_and(|before| now > before);
        if has_risen { Exit::OutOfMemory } else { exit }
    }

    /// Finds out which runs nobody is left of, and tells the others of it, each of them once.
    fn clear_remains(&mut self, alone: bool, events: &mut Vec<Event>) {
        if !self.runs.has_remains() {
            return;
        }
        let kin = if alone { Vec::new() } else { self.kin(None) };
        // Without /proc the group is all that can be asked for.
        let asks_group = !alone && !self.has_proc();
        let mut gone = Vec::new();
        let mut to_tell = Vec::new();
        for (id, remains) in self.runs.all_remains() {
            let mut left = asks_group && group_exists(remains.leader);
            for kin in kin.iter().filter(|kin| kin.is_of(id, remains.leader)) {
                left = true;
                // The group has been told when the process ended.
                if remains.told.insert(kin.pid) && kin.group != remains.leader {
                    to_tell.push(kin.pid);
                }
            }
            if !left {
                gone.push(id);
            } else if !std::mem::replace(&mut remains.is_flushed, true) {
                self.console.run_ended(&remains.spec.name);
            }
        }
        for pid in to_tell {
            self.send(pid, Signal::TERM);
            self.send(pid, Signal::CONT);
        }
        for id in gone {
            if let Some(remains) = self.runs.gone(id)
                && writes_to_console(remains.role)
            {
                self.console.run_ended(&remains.spec.name);
            }
            events.push(Event::Gone { run: id });
        }
    }
}

impl Linux {
    /// Passes on what is held of what was said, or says in what time that is to be done.
    fn speak(&mut self) -> Option<Duration> {
        let notices = self.console.notices();
        if !notices.holds() {
            return None;
        }
        let now = self.now();
        if now < self.silent_until {
            return Some(self.silent_until.since(now));
        }
        self.silent_until = now.after(NOTICE_PAUSE);
        notices.pass_on();
        None
    }

    /// `timeout`, or the time until whoever started onit is to be told something, if that is less.
    fn until_above(&self, timeout: Option<Duration>) -> Option<Duration> {
        let deadline = self.above.as_ref().and_then(Above::deadline);
        let wait = deadline.map(|deadline| deadline.since(self.now()));
        timeout.into_iter().chain(wait).min()
    }

    /// Keeps what `sv` looks for, for these services: all that are in the plan.
    pub fn expect<'a>(&mut self, specs: impl Iterator<Item = &'a Arc<Spec>>) {
        let watched = self.supervise.expect(specs).map(|heard| {
            // Without it orders are not heard, and `sv` says that they take too long.
            heard.map(|heard| self.reactor.watch(heard, Token::Orders))
        });
        if let Err(failure) = watched {
            log::warn!("{failure}; sv and svstat do not find the services");
        }
    }

    /// What `sv` has written is asked as if a client had.
    fn take_orders(&mut self, events: &mut Vec<Event>) {
        for (name, order) in self.supervise.take() {
            let names = vec![Pattern::new(name.as_str())];
            let wait = false;
            let ask = match order {
                Asked::Up => Ask::Start { names, wait },
                Asked::Down => Ask::Stop { names, dependents: Dependents::Keep, wait },
                Asked::Again => Ask::Restart { names, wait },
                Asked::Reload => Ask::ReloadServices { names, wait },
                Asked::Signal(signal) => Ask::Signal { names, signal },
            };
            events.push(Event::Asked { ticket: self.control.ticket(), ask });
        }
    }

    /// Whether whoever started onit wants to be told how it is.
    #[must_use]
    pub fn tells_above(&self) -> bool {
        self.above.is_some()
    }
}

impl Host for Linux {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Spawn { run, service, role } => self.spawn(run, service, role),
            Action::Kill { run, signal, scope } => self.kill(run, signal, scope),
            Action::Sweep { signal } => self.sweep(signal),
            Action::Report(notice) => {
                log::log!(log_level(notice.level()), "{notice}");
                if let Some(name) = notice.ended_unready() {
                    for line in self.console.last_lines(name, LAST_LINES) {
                        log::warn!("{name}: its last lines: {line}");
                    }
                }
            }
            Action::Tell(change) => {
                let runs = &self.runs;
                let pid = |run| runs.alive(run).map(|run| run.pid);
                let scene = scene(&self.clock, self.own_pid, &pid);
                self.supervise.note(&change.report, change.report.state.run().and_then(pid));
                self.control.tell(*change, &self.reactor, &scene, &mut self.found);
            }
            Action::Reply { ticket, answer } => {
                let runs = &self.runs;
                let pid = |run| runs.alive(run).map(|run| run.pid);
                let scene = scene(&self.clock, self.own_pid, &pid);
                self.control.reply(ticket, *answer, &self.reactor, &scene, &mut self.found);
            }
            Action::TellAbove(word) => {
                let now = self.clock.now();
                if let Some(above) = &mut self.above {
                    above.tell(&word, now);
                }
            }
            Action::ReadPlan => {
                // Whoever moves log files away says so like this.
                self.console.reopen_files();
                let watched = match self.sources.read() {
                    Ok(done) => self.reactor.watch(done, Token::Sources).map_err(|errno| {
                        let what = format!("cannot wait for the sources: {errno}");
                        Problem::new(Place::file("reload"), what)
                    }),
                    Err(problem) => Err(problem),
                };
                if let Err(problem) = watched {
                    self.found.push(Event::PlanRead { result: Err(vec![problem]) });
                }
            }
            Action::Adopt { specs } => self.expect(specs.iter()),
            Action::EndInput { service } => self.console.end_input(&service),
            Action::Release { service } => self.listeners.close(&service),
            Action::Forget { service } => {
                self.listeners.close(&service);
                self.supervise.forget(&service);
                self.groups.remove(&service);
                self.console.close(&service);
            }
        }
    }

    fn wait(&mut self, wake: Wake, events: &mut Vec<Event>) {
        events.append(&mut self.found);
        let timeout = if !events.is_empty() {
            Some(Duration::ZERO)
        } else {
            match wake {
                Wake::Now => Some(Duration::ZERO),
                Wake::At(at) => Some(at.since(self.now())),
                Wake::Never => None,
            }
        };
        let mut ready = std::mem::take(&mut self.ready);
        let look = self.next_look.map(|at| at.since(self.now()));
        let timeout = timeout.into_iter().chain(look).chain(self.speak()).min();
        self.reactor.wait(self.until_above(timeout), &mut ready);
        if let Some(above) = &mut self.above {
            above.due(self.clock.now());
        }
        let mut children = self.next_look.is_some_and(|at| at <= self.now());
        let mut ended = Vec::new();
        let mut continued = false;
        // A door that was closed for want of descriptors is opened again when something else has
        // happened: in the same turn it would only be closed again, and so on without end.
        let has_news = ready.iter().any(|(token, _)| *token != Token::Door);
        // A service that has been executed before a signal came is to be up when the signal is
        // heard, whichever the kernel tells first.
        let is_signalled = ready.iter().any(|(token, _)| *token == Token::Signals);
        for (token, flags) in ready.drain(..) {
            match token {
                Token::Door => {
                    let runs = &self.runs;
                    let pid = |run| runs.alive(run).map(|run| run.pid);
                    let scene = scene(&self.clock, self.own_pid, &pid);
                    self.control.accept(&self.reactor, &scene, events);
                }
                Token::Client(id) => {
                    let runs = &self.runs;
                    let pid = |run| runs.alive(run).map(|run| run.pid);
                    let scene = scene(&self.clock, self.own_pid, &pid);
                    self.control.serve(id, flags, &self.reactor, &scene, events);
                }
                Token::Sources => {
                    let read = self.sources.take();
                    events.extend(read.map(|result| Event::PlanRead { result }));
                }
                Token::Changes => self.rescan.iter().for_each(|rescan| rescan.has_changed()),
                Token::Settled => {
                    self.rescan.iter().for_each(|rescan| rescan.has_settled());
                    events.push(Event::SourcesChanged);
                }
                Token::Orders => self.take_orders(events),
                Token::Exec(run) => self.look_at_start(run, events),
                Token::Notify(run) | Token::Newline(run) | Token::Finding(run) => {
                    self.hear(run, events);
                }
                Token::Lines => {
                    for run in self.sightings.take() {
                        self.look_at_start(run, events);
                        events.push(Event::Announced { run });
                    }
                }
                Token::Signals => {}
            }
        }
        if is_signalled {
            self.signals.take(|Arrival { signal, sender, pid }| {
                if signal == Signal::CHLD {
                    children = true;
                    ended.extend(pid);
                } else {
                    continued |= signal == Signal::CONT;
                    events.push(Event::Signalled { signal, sender });
                }
            });
        }
        self.ready = ready;
        if has_news {
            self.control.reopen(&self.reactor);
        }
        if continued {
            self.lend_terminal();
        }
        if children {
            self.reap(&ended, events);
            self.follow_stops();
        }
    }
}

/// What the supervisor does not know, as it is now.
fn scene<'a>(clock: &Clock, own_pid: u32, pid: &'a dyn Fn(RunId) -> Option<i32>) -> Scene<'a> {
    Scene { now: clock.now(), wall_clock: clock::wall_clock(), own_pid, pid }
}

/// What a service says itself when it is ready.
fn announcement(service: &Spec) -> Option<&Announcement> {
    service.ready.as_ref()?.announcement.as_ref()
}

/// Whether what a role writes goes where the output of its service goes.
fn writes_to_console(role: Role) -> bool {
    match role {
        Role::Probe { .. } => false,
        Role::Main
        | Role::BeforeStart { .. }
        | Role::Reload { .. }
        | Role::StopCommand { .. }
        | Role::AfterExit { .. } => true,
    }
}

/// How much a message matters, in the words of the `log` crate.
#[must_use]
pub fn log_level(level: Level) -> log::Level {
    match level {
        Level::Error => log::Level::Error,
        Level::Warn => log::Level::Warn,
        Level::Info => log::Level::Info,
        Level::Debug => log::Level::Debug,
    }
}

/// A process that has ended.
struct Ended {
    pid: i32,
    exit: Exit,
}

/// To see who has ended and leave it there.
const PEEK: i32 = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;

/// To take away whoever has ended.
const REAP: i32 = libc::WEXITED | libc::WNOHANG;

/// waitid(2), which unlike nix's names every signal, the realtime ones too.
fn wait_for(kind: libc::idtype_t, pid: i32, flags: i32) -> Result<Option<Ended>, Errno> {
    // SAFETY: all zeroes are a valid siginfo_t; waitid(2) says to zero it, to tell "nobody" apart.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is a valid place for the answer and outlives the call.
    Errno::result(unsafe { libc::waitid(kind, pid.unsigned_abs(), &raw mut info, flags) })?;
    // SAFETY: waitid fills in the fields of SIGCHLD, or leaves the zeroes.
    let pid = unsafe { info.si_pid() };
    if pid == 0 {
        return Ok(None);
    }
    // SAFETY: as above.
    let status = unsafe { info.si_status() };
    let exit = if info.si_code == libc::CLD_EXITED {
        Exit::Code(u8::try_from(status & 0xff).unwrap_or(u8::MAX))
    } else {
        Signal::from_number(status).map_or(Exit::Code(u8::MAX), Exit::Signal)
    };
    Ok(Some(Ended { pid, exit }))
}

fn send_to(pid: i32, signal: Signal) -> Result<(), Errno> {
    // SAFETY: kill(2) takes two numbers. `pid` is positive: a child of ours, or below one.
    Errno::result(unsafe { libc::kill(pid.max(1), signal.number()) }).map(drop)
}

fn send_to_group(leader: i32, signal: Signal) -> Result<(), Errno> {
    // SAFETY: killpg(3) takes two numbers.
    Errno::result(unsafe { libc::killpg(leader, signal.number()) }).map(drop)
}

fn group_exists(leader: i32) -> bool {
    // SAFETY: killpg(3) takes two numbers; 0 sends nothing and only looks.
    unsafe { libc::killpg(leader, 0) == 0 }
}

/// Only as PID 1: elsewhere it would be everybody of the user.
fn send_to_everybody(signal: Signal) {
    // SAFETY: kill(2) takes two numbers. ESRCH: nobody is left, which is found out by reaping.
    let _ = unsafe { libc::kill(-1, signal.number()) };
}
