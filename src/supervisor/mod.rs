//! What to do about services: a pure state machine. Events go in, actions come out, time is passed
//! in; nothing here reads a clock, knows a pid, or says anything by itself.
//!
//! The door: [`Supervisor::handle`] takes what happened, [`Supervisor::work`] and
//! [`Supervisor::next_action`] give what is to be done, [`Supervisor::wake`] says when to come
//! back, [`Supervisor::verdict`] says that it is over. `crate::run` calls them in that order.
//!
//! Two machines work together. Each run has a [`Life`], which knows how to end it: stop signals,
//! KILL, what it left behind. Each service has a [`Goal`] and a [`State`], and hears of its runs
//! three times: executed, ended, gone.
//!
//! Whoever asks ([`Ask`]) is answered in `answer.rs`; what a reload changes is applied in
//! `reload.rs`.
#![forbid(unsafe_code)]

mod answer;
mod ask;
mod contract;
mod deadlines;
mod dice;
mod life;
mod notice;
mod reload;
mod report;
mod restart;
mod shutdown;
mod state;
mod watch;

pub use ask::{
    Answer, Ask, Dependents, Difference, HealthLevel, Milestone, Outcome, Refusal, Ticket,
};
pub use contract::{Above, Action, Event, Sender, Wake};
pub use life::{Life, Phase as LifePhase};
pub use notice::{By, Next, Notice, Patience};
pub use report::{Change, Link, Past, Report};
pub use state::{
    Cause, End, Goal, Probing, Reason, Reloading, State, Step, Stopping, Turn, Unfit, Unready, Up,
    Verdict, Watch,
};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::{
    BEFORE_START_TIME_MAX, KILL_TIME_MIN, LEFTOVERS_TIME_MAX, PAST_ENDS_MAX, SHUTDOWN_RESERVE,
    SPAWNS_A_TURN_MAX, SUMMARY_MAX,
};
use crate::service::{
    Argv, Condition, Consequence, Exit, Failure, Index, Kind, Name, Plan, Rare, Role, RunId, Scope,
    Signal, Spec, Time, usual,
};

use ask::Waiter;
use deadlines::{Deadlines, Who};
use dice::Dice;
use life::{Due, Overdue};
use notice::Rounded;
use reload::{Asker, Draft, Reading};
use restart::After;
use shutdown::Shutdown;

/// What a shutdown may take, and which signals ask for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The whole time a shutdown may take. None: a signal to stop is the main command's own
    /// affair, and there is no deadline but the engine's.
    pub stop_timeout: Option<Duration>,
    /// Signals that ask for an orderly stop, besides TERM, INT, QUIT, PWR and 37.
    pub stop_signals: Vec<Signal>,
    /// Where randomness begins.
    pub seed: u64,
    /// Whether whoever started onit wants to be told how it is.
    pub tells_above: bool,
}

/// Keeps the services of a plan as they are wanted, until it is over.
#[derive(Clone, Debug)]
pub struct Supervisor {
    services: Vec<Service>,
    lives: BTreeMap<RunId, Life>,
    phase: Phase,
    rules: Rules,
    dice: Dice,
    deadlines: Deadlines,
    /// Waiting services to look at: something they wait for may have been reached.
    to_consider: BTreeSet<Index>,
    actions: VecDeque<Action>,
    /// How many processes may still be started in this turn.
    spawns_left: usize,
    last_run: u64,
    at_rest: usize,
    /// How many services are up and well.
    up: usize,
    /// What whoever started onit has been told.
    told_above: ToldAbove,
    /// The exit code of the first service that failed for good without ending everything.
    first_failure: Option<u8>,
    /// The exit code of the main command, once it has ended.
    main_code: Option<u8>,
    /// Services that are described, but not enabled.
    disabled: Vec<Name>,
    /// Questions whose outcome is not known yet.
    waiters: BTreeMap<Ticket, Waiter>,
    /// The sources are being read again, for whoever asked for it.
    reading: Option<Reading>,
    /// Services that are no longer part of the plan, and are not forgotten yet.
    leaving: BTreeSet<Name>,
    /// How many changes have been told.
    changes: u64,
}

/// A service as the supervisor keeps it.
#[derive(Clone, Debug)]
pub struct Service {
    /// What it is.
    pub spec: Arc<Spec>,
    /// What we want of it.
    pub goal: Goal,
    /// What it is.
    pub state: State,
    /// How often its command was executed.
    pub runs: u32,
    /// Ends in a row, each before `reset_after`.
    pub ends: u32,
    /// When it became what it is.
    pub since: Time,
    /// Its last ends, the latest last.
    pub past: VecDeque<Past>,
    /// What it last said of itself; empty if nothing.
    pub status: String,
    /// It is only started on request, and nobody has wanted it so far.
    is_dormant: bool,
    /// How often it has read its configuration again.
    reloads: Reloads,
    /// What it is to be as soon as nothing of it runs: a reload has changed it.
    next: Option<Arc<Spec>>,
    /// Whom it waits for, and who for it.
    links: Rare<Links>,
}

/// Whom a service waits for, and who for it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Links {
    /// What must have been reached before it starts.
    needs: Vec<(Index, Condition)>,
    /// Whose fate must be known before it starts.
    after: Vec<Index>,
    /// Everyone in `needs` and `after`, once.
    waits_for: Vec<Index>,
    /// Everyone who waits for it.
    waited_for_by: Vec<Index>,
}

usual!(Links);

/// How often a service has read its configuration again.
#[derive(Clone, Copy, Debug, Default)]
struct Reloads {
    /// So many are over.
    over: u64,
    /// Whether the last of them worked.
    worked: bool,
}

/// What whoever started onit has been told.
#[derive(Clone, Debug, Default)]
struct ToldAbove {
    ready: bool,
    status: String,
}

/// Where the whole is.
#[derive(Clone, Debug)]
enum Phase {
    /// Services are kept as they are wanted.
    Serving,
    /// Services are being stopped.
    Stopping(Shutdown),
    /// No service is left. Whoever nobody claimed has been sent TERM.
    Sweeping { code: u8, end: Time },
    /// Everybody who is left has been sent KILL.
    Killing { code: u8, end: Time },
    /// Nothing is left to do.
    Over { code: u8, end: Time },
}

/// Whether what a service needs of another has been reached.
enum Reach {
    Reached,
    Open,
    Never,
}

/// What a waiting service has to expect.
enum Outlook {
    Wait,
    Go,
    Never(Name),
}

impl Supervisor {
    /// Wanted is what `plan` says is started without being asked for, and what that needs.
    #[must_use]
    pub fn new(plan: Plan, rules: Rules) -> Self {
        let disabled = plan.disabled().to_vec();
        let mut drafts = Draft::of_plan(plan.into_nodes());
        reload::wake_the_needed(&mut drafts);
        let mut services = reload::table(drafts);
        for service in services.iter_mut().filter(|service| service.goal == Goal::Up) {
            service.state = State::Waiting;
        }
        let waits = |index: &Index| services.get(index.0).is_some_and(|s| s.goal == Goal::Up);
        let to_consider: BTreeSet<Index> = (0..services.len()).map(Index).filter(waits).collect();
        let at_rest = services.len().saturating_sub(to_consider.len());
        Self {
            to_consider,
            services,
            lives: BTreeMap::new(),
            phase: Phase::Serving,
            dice: Dice::new(rules.seed),
            rules,
            deadlines: Deadlines::default(),
            actions: VecDeque::new(),
            spawns_left: 0,
            last_run: 0,
            at_rest,
            up: 0,
            told_above: ToldAbove::default(),
            first_failure: None,
            main_code: None,
            disabled,
            waiters: BTreeMap::new(),
            reading: None,
            leaving: BTreeSet::new(),
            changes: 0,
        }
    }

    /// Begins a turn: does what is left to do, but starts no more than [`SPAWNS_A_TURN_MAX`]
    /// services.
    pub fn work(&mut self, now: Time) {
        self.spawns_left = SPAWNS_A_TURN_MAX;
        let mut spawns = 0usize;
        while spawns < SPAWNS_A_TURN_MAX {
            let Some(index) = self.to_consider.pop_first() else { break };
            match self.outlook(index) {
                Outlook::Wait => {}
                Outlook::Go => {
                    self.launch(index, now);
                    spawns = spawns.saturating_add(1);
                }
                Outlook::Never(dependency) => {
                    let reason = Reason::Dependency(dependency);
                    if let Some(service) = self.services.get(index.0) {
                        let service = service.spec.name.clone();
                        self.report(Notice::NotStarted { service, reason: reason.clone() });
                    }
                    self.enter(index, State::Failed { reason }, now);
                }
            }
        }
        self.forget_the_gone(now);
        self.go_on(now);
        self.look_at_waiters(now);
        self.tell_above();
    }

    /// The next thing to be done, until there is none, or until [`SPAWNS_A_TURN_MAX`] processes
    /// have been started in this turn: what follows is left for the next.
    pub fn next_action(&mut self) -> Option<Action> {
        loop {
            match self.actions.front()? {
                Action::Spawn { .. } => {
                    self.spawns_left = self.spawns_left.checked_sub(1)?;
                }
                // It was gone before its signal could be sent.
                Action::Kill { run, .. } if !self.lives.contains_key(run) => {
                    self.actions.pop_front();
                    continue;
                }
                Action::Kill { .. }
                | Action::Sweep { .. }
                | Action::Report(_)
                | Action::Tell(_)
                | Action::Reply { .. }
                | Action::TellAbove(_)
                | Action::ReadPlan
                | Action::Adopt { .. }
                | Action::EndInput { .. }
                | Action::Release { .. }
                | Action::Forget { .. } => {}
            }
            return self.actions.pop_front();
        }
    }

    /// When there is something to do although nothing happened.
    #[must_use]
    pub fn wake(&self) -> Wake {
        if !self.to_consider.is_empty() || !self.actions.is_empty() {
            return Wake::Now;
        }
        self.deadlines.first().map_or(Wake::Never, Wake::At)
    }

    /// The exit code, once it is over.
    #[must_use]
    pub fn verdict(&self) -> Option<u8> {
        match &self.phase {
            Phase::Over { code, .. } => Some(self.main_code.unwrap_or(*code)),
            Phase::Serving
            | Phase::Stopping(_)
            | Phase::Sweeping { .. }
            | Phase::Killing { .. } => None,
        }
    }

    /// The end of the shutdown budget, once it is over: until then the logs may be drained.
    #[must_use]
    pub fn end_of_budget(&self) -> Option<Time> {
        match &self.phase {
            Phase::Over { end, .. } => Some(*end),
            Phase::Serving
            | Phase::Stopping(_)
            | Phase::Sweeping { .. }
            | Phase::Killing { .. } => None,
        }
    }

    /// The services, in start order.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The runs that are not gone.
    #[must_use]
    pub fn lives(&self) -> &BTreeMap<RunId, Life> {
        &self.lives
    }

    /// Whether a shutdown has begun.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        match self.phase {
            Phase::Serving => false,
            Phase::Stopping(_)
            | Phase::Sweeping { .. }
            | Phase::Killing { .. }
            | Phase::Over { .. } => true,
        }
    }

    /// Takes note of something that happened.
    pub fn handle(&mut self, event: Event, now: Time) {
        match event {
            Event::Spawned { run } => self.spawned(run, now),
            Event::SpawnFailed { run, failure } => self.spawn_failed(run, failure, now),
            Event::Exited { run, exit } => self.exited(run, exit, now),
            Event::Gone { run } => self.gone(run, now),
            Event::Announced { run } => self.run_announced(run, now),
            Event::Mute { run } => self.run_mute(run, now),
            Event::Notified { run, message } => self.notified(run, message, now),
            Event::Found { run, finding } => self.found(run, finding),
            Event::Alone => self.alone(now),
            Event::Signalled { signal, sender } => self.signalled(signal, sender, now),
            Event::SourcesChanged => self.read_plan(Asker::Change),
            Event::Asked { ticket, ask } => self.asked(ticket, ask, now),
            Event::HungUp { ticket } => self.hung_up(ticket),
            Event::PlanRead { result } => self.plan_read(result, now),
            Event::DeadlinePassed => self.deadlines_passed(now),
        }
    }

    // ---- what happened to a run ----

    fn spawned(&mut self, run: RunId, now: Time) {
        let Some(life) = self.lives.get_mut(&run) else { return };
        life.spawned();
        let (index, role) = (life.service, life.role);
        self.note_deadline(run);
        if role != Role::Main {
            return;
        }
        let Some(service) = self.services.get_mut(index.0) else { return };
        let restarts = service.runs;
        service.runs = service.runs.saturating_add(1);
        let name = service.spec.name.clone();
        match service.state {
            State::Starting { run: starting } if starting == run => {
                self.report(Notice::Started { service: name, restarts });
                self.executed(index, run, now);
                if restarts > 0 {
                    self.restart_those_with(index, now);
                }
            }
            // It was asked to stop before it was executed.
            State::Starting { .. }
            | State::Stopping(_)
            | State::Down
            | State::Waiting
            | State::Unready(_)
            | State::Up(_)
            | State::Backoff { .. }
            | State::Completed { .. }
            | State::Failed { .. } => {}
        }
    }

    fn exited(&mut self, run: RunId, exit: Exit, now: Time) {
        let Some(life) = self.lives.get(&run) else { return };
        let (index, role) = (life.service, life.role);
        let Some(service) = self.services.get(index.0) else { return };
        let time = self.time_for(index, service.spec.stop.timeout, now);
        let kind = service.spec.kind;
        if let Some(life) = self.lives.get_mut(&run) {
            life.exited(exit, time, now);
            if kind == Kind::Main {
                // Asked or not: the container ends when they do.
                life.hurry(LEFTOVERS_TIME_MAX, now);
            }
        }
        self.note_deadline(run);
        match role {
            Role::Main => self.main_ended(index, run, End::Exited(exit), now),
            Role::StopCommand { main } => {
                self.stop_command_ended(index, run, main, Ok(exit), now);
            }
            Role::Probe { .. } => self.probe_ended(index, run, Ok(exit), now),
            Role::Reload { .. } => self.reload_command_ended(index, run, Ok(exit), now),
            // What comes next waits for those it left behind.
            Role::BeforeStart { .. } | Role::AfterExit { .. } => {}
        }
    }

    /// The command of a service has ended: from here on the way is down.
    fn main_ended(&mut self, index: Index, run: RunId, end: End, now: Time) {
        let Some(service) = self.services.get_mut(index.0) else { return };
        if let (Kind::Main, End::Exited(exit)) = (service.spec.kind, &end) {
            self.main_code = Some(exit.code());
        }
        let stopping = |ran, was_ready, end| {
            let (command, cause, unfit) = (None, Cause::Own, None);
            let stopping = Stopping { run, command, end, ran, was_ready, cause, unfit };
            State::Stopping(Box::new(stopping))
        };
        match &mut service.state {
            State::Up(up) if up.run == run => {
                let (ran, was_ready) = (now.since(up.since), now.since(up.ready));
                self.enter(index, stopping(ran, was_ready, Some(end)), now);
            }
            State::Unready(unready) if unready.run == run => {
                let ran = now.since(unready.since);
                self.enter(index, stopping(ran, Duration::ZERO, Some(end)), now);
            }
            State::Stopping(stopping) if stopping.run == run => {
                stopping.end = match (stopping.unfit.take(), end) {
                    (Some(why), End::Exited(exit)) => Some(End::Unfit { why, exit }),
                    (_, end) => Some(end),
                };
            }
            State::Starting { run: starting } if *starting == run => {
                let none = Duration::ZERO;
                self.enter(index, stopping(none, none, Some(end)), now);
            }
            State::Up(_)
            | State::Unready(_)
            | State::Stopping(_)
            | State::Starting { .. }
            | State::Down
            | State::Waiting
            | State::Backoff { .. }
            | State::Completed { .. }
            | State::Failed { .. } => {}
        }
    }

    fn gone(&mut self, run: RunId, now: Time) {
        let Some(exit) = self.lives.get(&run).and_then(Life::exit) else { return };
        let Some(life) = self.lives.remove(&run) else { return };
        self.deadlines.set(Who::Life(run), None);
        match life.role {
            Role::Main => self.main_gone(life.service, run, now),
            Role::BeforeStart { index } => {
                self.before_start_over(life.service, run, index, Ok(exit), now);
            }
            Role::StopCommand { .. } => self.stop_command_over(life.service, run, now),
            // What it found out, or did, was known when its process ended.
            Role::Probe { .. } | Role::Reload { .. } => {}
            Role::AfterExit { index, .. } => {
                self.after_exit_over(life.service, run, index, Ok(exit), now);
            }
        }
    }

    fn spawn_failed(&mut self, run: RunId, failure: Failure, now: Time) {
        let Some(life) = self.lives.remove(&run) else { return };
        self.deadlines.set(Who::Life(run), None);
        match life.role {
            Role::Main => {
                self.main_ended(life.service, run, End::NotStarted(failure), now);
                self.main_gone(life.service, run, now);
            }
            Role::BeforeStart { index } => {
                self.before_start_over(life.service, run, index, Err(failure), now);
            }
            Role::StopCommand { main } => {
                self.stop_command_ended(life.service, run, main, Err(failure), now);
                self.stop_command_over(life.service, run, now);
            }
            Role::Probe { .. } => self.probe_ended(life.service, run, Err(failure), now),
            Role::Reload { .. } => self.reload_command_ended(life.service, run, Err(failure), now),
            Role::AfterExit { index, .. } => {
                self.after_exit_over(life.service, run, index, Err(failure), now);
            }
        }
    }

    // ---- what that means for its service ----

    fn before_start_over(
        &mut self,
        service: Index,
        run: RunId,
        at: usize,
        result: Result<Exit, Failure>,
        now: Time,
    ) {
        let end = match result {
            Ok(Exit::Code(0)) => None,
            Ok(exit) => Some(End::HookFailed { role: Role::BeforeStart { index: at }, exit }),
            Err(failure) => Some(End::NotStarted(failure)),
        };
        let Some(Service { state, goal, .. }) = self.services.get(service.0) else { return };
        match state {
            State::Starting { run: starting } if *starting == run => match (end, goal) {
                (None, Goal::Up) => self.launch_step(service, at.saturating_add(1), now),
                // Nothing is started any more, even if it is not yet its turn to be stopped.
                (end, Goal::Down | Goal::Gone) | (end @ Some(_), Goal::Up) => {
                    self.settle(service, end, now);
                }
            },
            // Asked to stop while it ran.
            State::Stopping(stopping) if stopping.run == run => {
                self.settle(service, None, now);
            }
            State::Starting { .. }
            | State::Stopping(_)
            | State::Down
            | State::Waiting
            | State::Unready(_)
            | State::Up(_)
            | State::Backoff { .. }
            | State::Completed { .. }
            | State::Failed { .. } => {}
        }
    }

    /// Nothing of the command is left.
    fn main_gone(&mut self, index: Index, run: RunId, now: Time) {
        let Some(service) = self.services.get_mut(index.0) else { return };
        let State::Stopping(stopping) = &mut service.state else { return };
        if stopping.run != run {
            return;
        }
        if let Some(command) = stopping.command {
            stopping.run = command;
            let spec = service.spec.clone();
            if self.recall(command).is_some() {
                self.stop_command_over(index, command, now);
                return;
            }
            // The stop command has nothing left to stop; the rest of its time is for its own end.
            if let Some(life) = self.lives.get_mut(&command) {
                let time = life.limit.map_or(Duration::ZERO, |limit| limit.since(now));
                let due = life.ask(&spec.stop, None, time, now);
                self.send(command, due);
            }
            return;
        }
        self.after_exit(index, 0, now);
    }

    /// The stop command has ended, and may have left others behind. If it failed, the signals
    /// follow at once.
    fn stop_command_ended(
        &mut self,
        index: Index,
        run: RunId,
        main: Option<RunId>,
        result: Result<Exit, Failure>,
        now: Time,
    ) {
        let Some(service) = self.services.get(index.0) else { return };
        let State::Stopping(stopping) = &service.state else { return };
        let is_too_late = main.is_some() && stopping.run == run;
        if stopping.command != Some(run) || is_too_late {
            return;
        }
        let role = Role::StopCommand { main };
        let end = match result {
            Ok(Exit::Code(0)) => return,
            Ok(exit) => End::HookFailed { role, exit },
            Err(failure) => End::NotStarted(failure),
        };
        let spec = service.spec.clone();
        self.report(Notice::HookFailed { service: spec.name.clone(), role, end });
        if let Some(main) = main
            && let Some(life) = self.lives.get_mut(&main)
        {
            let due = life.ask_after_all(&spec.stop, now);
            self.send(main, due);
        }
    }

    /// Nothing of the stop command is left.
    fn stop_command_over(&mut self, index: Index, run: RunId, now: Time) {
        let Some(service) = self.services.get_mut(index.0) else { return };
        let State::Stopping(stopping) = &mut service.state else { return };
        if stopping.command != Some(run) {
            return;
        }
        let main_is_gone = stopping.run == run;
        stopping.command = None;
        if main_is_gone {
            self.after_exit(index, 0, now);
        }
    }

    fn after_exit_over(
        &mut self,
        index: Index,
        run: RunId,
        at: usize,
        result: Result<Exit, Failure>,
        now: Time,
    ) {
        let Some(service) = self.services.get(index.0) else { return };
        let State::Stopping(stopping) = &service.state else { return };
        if stopping.run != run {
            return;
        }
        let exit = stopping.end.as_ref().and_then(End::exit).unwrap_or(Exit::Code(0));
        let role = Role::AfterExit { index: at, exit };
        let end = match result {
            Ok(Exit::Code(0)) => None,
            Ok(exit) => Some(End::HookFailed { role, exit }),
            Err(failure) => Some(End::NotStarted(failure)),
        };
        let permanent = service.spec.hooks.after_exit_arguments.permanent_failure();
        if let Some(End::HookFailed { exit: Exit::Code(code), .. }) = end
            && Some(code) == permanent
        {
            return self.settle(index, end, now);
        }
        if let Some(end) = end {
            let service = service.spec.name.clone();
            self.report(Notice::HookFailed { service, role, end });
        }
        self.after_exit(index, at.saturating_add(1), now);
    }

    /// Runs the `after_exit` commands from `at` on, if the command of the service ran; then it is
    /// decided what comes next.
    fn after_exit(&mut self, index: Index, at: usize, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        let State::Stopping(stopping) = &service.state else { return };
        let mut stopping = stopping.clone();
        let hook = service.spec.hooks.after_exit.get(at).is_some();
        let time = self.time_for(index, service.spec.hooks.after_exit_timeout, now);
        match stopping.end.as_ref().and_then(End::exit) {
            Some(exit) if hook && !time.is_zero() && !self.is_too_late() => {
                let role = Role::AfterExit { index: at, exit };
                stopping.run = self.spawn(index, role, Some(now.after(time)));
                self.enter(index, State::Stopping(stopping), now);
            }
            Some(_) | None => self.settle(index, stopping.end, now),
        }
    }

    /// Nothing of the service runs any more: what now?
    fn settle(&mut self, index: Index, end: Option<End>, now: Time) {
        let Some(service) = self.services.get_mut(index.0) else { return };
        let spec = service.spec.clone();
        let name = spec.name.clone();
        let (cause, ran, was_ready) = match &service.state {
            State::Stopping(stopping) => (stopping.cause, stopping.ran, stopping.was_ready),
            State::Starting { .. }
            | State::Down
            | State::Waiting
            | State::Unready(_)
            | State::Up(_)
            | State::Backoff { .. }
            | State::Completed { .. }
            | State::Failed { .. } => (Cause::Own, Duration::ZERO, Duration::ZERO),
        };
        service.remember(end.as_ref(), ran, cause, now);
        let end = match (service.goal, cause, end) {
            (Goal::Up, Cause::Own, Some(end)) => end,
            (goal, _, end) => {
                let exit = end.as_ref().and_then(End::exit);
                if !self.is_bare() {
                    self.report(Notice::Stopped { service: name, exit });
                }
                match goal {
                    Goal::Up => self.begin(index, now),
                    Goal::Down | Goal::Gone => self.enter(index, State::Down, now),
                }
                return;
            }
        };
        let dice = self.dice.throw();
        let after = restart::after(&spec, &end, was_ready, service.runs, service.ends, dice);
        let (next, state, ends) = match after {
            After::Restart => (Next::Restart, State::Waiting, 0),
            After::Retry { wait, ends } => (
                Next::Retry { wait, ends, limit: spec.backoff.limit },
                State::Backoff { until: now.after(wait) },
                ends,
            ),
            After::Complete => {
                let exit = end.exit().unwrap_or(Exit::Code(0));
                (Next::Completed, State::Completed { exit }, 0)
            }
            After::Fail { limit_reached } => (
                Next::Failed { limit_reached },
                State::Failed { reason: Reason::Ended(end.clone()) },
                0,
            ),
        };
        service.ends = ends;
        let consequence = match state {
            State::Completed { .. } => Some((spec.on_success, end.code())),
            // A failure is never told as success, also where the code it ended with was 0.
            State::Failed { .. } => Some((spec.on_failure, end.code().max(1))),
            State::Down
            | State::Waiting
            | State::Starting { .. }
            | State::Unready(_)
            | State::Up(_)
            | State::Stopping(_)
            | State::Backoff { .. } => None,
        };
        let failed = matches!(state, State::Failed { .. });
        match (spec.kind, &state, end.exit()) {
            // The end of the main command is its own affair.
            (Kind::Main, _, Some(_)) => {}
            (Kind::Main, State::Failed { .. }, None) => self.report(Notice::CannotRun { end }),
            (Kind::Main | Kind::Service | Kind::Oneshot, _, _) => {
                self.report(Notice::Ended { service: name.clone(), end, ran, next });
            }
        }
        self.enter(index, state, now);
        match consequence {
            Some((Consequence::Shutdown, code)) => {
                self.shut_down(code, By::Service { service: name, code }, None, now);
            }
            Some((Consequence::Continue, code)) if failed => {
                self.first_failure.get_or_insert(code);
            }
            Some((Consequence::Continue, _)) | None => {}
        }
    }

    // ---- starting ----

    fn outlook(&self, index: Index) -> Outlook {
        let Some(service) = self.services.get(index.0) else { return Outlook::Wait };
        if service.state != State::Waiting || self.is_stopping() {
            return Outlook::Wait;
        }
        let mut outlook = Outlook::Go;
        for (other, condition) in self.needs_of(service) {
            match other.reach(condition) {
                Reach::Reached => {}
                Reach::Open => outlook = Outlook::Wait,
                Reach::Never => return Outlook::Never(other.spec.name.clone()),
            }
        }
        if self.after_of(service).any(|other| !other.has_known_fate()) {
            outlook = Outlook::Wait;
        }
        outlook
    }

    fn needs_of<'a>(
        &'a self,
        service: &'a Service,
    ) -> impl Iterator<Item = (&'a Service, Condition)> {
        service
            .links
            .needs
            .iter()
            .filter_map(|(at, condition)| Some((self.services.get(at.0)?, *condition)))
    }

    fn after_of<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Service> {
        service.links.after.iter().filter_map(|at| self.services.get(at.0))
    }

    /// It is wanted, and nothing of it runs: on to the next attempt, as if it were the first.
    fn begin(&mut self, index: Index, now: Time) {
        if let Some(service) = self.services.get_mut(index.0) {
            service.ends = 0;
        }
        self.enter(index, State::Waiting, now);
    }

    /// Starts a service whose needs are met.
    fn launch(&mut self, index: Index, now: Time) {
        self.launch_step(index, 0, now);
    }

    /// Runs the `before_start` command at `at`, or, when there is none, the command itself.
    fn launch_step(&mut self, index: Index, at: usize, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        let (role, limit) = match service.spec.hooks.before_start.get(at) {
            Some(Argv { .. }) => {
                (Role::BeforeStart { index: at }, Some(now.after(BEFORE_START_TIME_MAX)))
            }
            None => (Role::Main, service.spec.timeout.map(|time| now.after(time))),
        };
        let run = self.spawn(index, role, limit);
        self.enter(index, State::Starting { run }, now);
    }

    fn spawn(&mut self, index: Index, role: Role, limit: Option<Time>) -> RunId {
        self.last_run = self.last_run.saturating_add(1);
        let run = RunId(self.last_run);
        self.lives.insert(run, Life::new(index, role, limit));
        self.note_deadline(run);
        if let Some(service) = self.services.get(index.0) {
            self.actions.push_back(Action::Spawn { run, service: service.spec.clone(), role });
        }
        run
    }

    // ---- stopping ----

    /// Stops what runs of a service, within `time`; what comes then is up to its goal.
    fn stop(&mut self, index: Index, time: Duration, first: Option<Signal>, now: Time) {
        self.end_run(index, time, first, Cause::Asked, None, now);
    }

    /// Ends what runs of a service, within `time`, because somebody asked for that or because it
    /// is `unfit`.
    fn end_run(
        &mut self,
        index: Index,
        time: Duration,
        first: Option<Signal>,
        cause: Cause,
        unfit: Option<Unfit>,
        now: Time,
    ) {
        let Some(service) = self.services.get(index.0) else { return };
        let (spec, state) = (service.spec.clone(), service.state.clone());
        let is_executed = !matches!(state, State::Starting { .. });
        let (run, since, ready) = match state {
            State::Completed { .. } if service.is_to_undo() => return self.undo(index, time, now),
            State::Down | State::Completed { .. } | State::Failed { .. } => return,
            State::Waiting | State::Backoff { .. } => return self.come_to_rest(index, now),
            // It has not even been started yet.
            State::Starting { run } if self.recall(run).is_some() => {
                return self.come_to_rest(index, now);
            }
            State::Starting { run } => (run, now, now),
            State::Unready(unready) => (unready.run, unready.since, now),
            State::Up(up) => (up.run, up.since, up.ready),
            State::Stopping(stopping) => {
                return self.hurry(index, stopping, time, now);
            }
        };
        // That of a oneshot undoes what it has done, and it has not done it yet.
        let has_command = spec.stop.command.is_some() && spec.kind != Kind::Oneshot;
        let ends = self.has_ended_input(index);
        if ends {
            let service = spec.name.clone();
            self.actions.push_back(Action::EndInput { service });
        }
        let command = if has_command && is_executed {
            if let Some(life) = self.lives.get_mut(&run) {
                life.wait(time, now);
            }
            self.note_deadline(run);
            let role = Role::StopCommand { main: Some(run) };
            Some(self.spawn(index, role, Some(now.after(time))))
        } else {
            if ends {
                if let Some(life) = self.lives.get_mut(&run) {
                    life.drain(time, now);
                }
                self.note_deadline(run);
            } else {
                self.ask(run, &spec, first, time, now);
            }
            None
        };
        let (ran, was_ready) = (now.since(since), now.since(ready));
        let stopping = Stopping { run, command, end: None, ran, was_ready, cause, unfit };
        self.enter(index, State::Stopping(Box::new(stopping)), now);
    }

    /// Whether its standard input comes from other services, none of which runs: then its end is
    /// what ends it, with nothing lost that is still on the way.
    fn has_ended_input(&self, index: Index) -> bool {
        let Some(service) = self.services.get(index.0) else { return false };
        let name = &service.spec.name;
        // Also one that a reload has given another reader, and that still runs as it was.
        let writes = |other: &&Service| other.spec.log.consumers().any(|it| it == name);
        let mut writers = self.services.iter().filter(writes);
        service.spec.is_consumer && writers.all(|writer| writer.state.is_at_rest())
    }

    /// Runs the stop command of a oneshot that has done its work.
    fn undo(&mut self, index: Index, time: Duration, now: Time) {
        let role = Role::StopCommand { main: None };
        let run = self.spawn(index, role, Some(now.after(time)));
        let (command, end, cause, unfit) = (Some(run), None, Cause::Asked, None);
        let (ran, was_ready) = (Duration::ZERO, Duration::ZERO);
        let stopping = Stopping { run, command, end, ran, was_ready, cause, unfit };
        self.enter(index, State::Stopping(Box::new(stopping)), now);
    }

    /// Leaves no more than `time` to what is on its way down already.
    fn hurry(&mut self, index: Index, mut stopping: Box<Stopping>, time: Duration, now: Time) {
        // It has said that it is about to end, and nobody has asked it to yet.
        let said_so = stopping.cause == Cause::Own && stopping.unfit.is_none();
        stopping.cause = Cause::Asked;
        let runs = std::iter::once(stopping.run).chain(stopping.command);
        let main = stopping.run;
        let Some(service) = self.services.get_mut(index.0) else { return };
        let spec = service.spec.clone();
        service.state = State::Stopping(stopping);
        for run in runs {
            if let Some(life) = self.lives.get_mut(&run) {
                life.hurry(time, now);
            }
            self.note_deadline(run);
        }
        if let (Some(life), true) = (self.lives.get_mut(&main), said_so) {
            let due = life.ask_after_all(&spec.stop, now);
            self.send(main, due);
        }
    }

    /// Nothing of it runs, and nothing had to be stopped for that.
    fn come_to_rest(&mut self, index: Index, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        match service.goal {
            Goal::Up => self.begin(index, now),
            Goal::Down | Goal::Gone => self.enter(index, State::Down, now),
        }
    }

    /// Asks a run to end within `time`.
    fn ask(&mut self, run: RunId, spec: &Spec, first: Option<Signal>, time: Duration, now: Time) {
        let first = first.filter(|_| spec.kind == Kind::Main);
        let due = self.lives.get_mut(&run).and_then(|l| l.ask(&spec.stop, first, time, now));
        self.send(run, due);
    }

    /// The time that a service which asks for `wish` has: all of it, or its part of the budget.
    fn time_for(&self, index: Index, wish: Duration, now: Time) -> Duration {
        let Some(service) = self.services.get(index.0) else { return wish };
        match &self.phase {
            Phase::Stopping(shutdown) => shutdown.share(index, service.spec.kind, wish, now),
            Phase::Serving
            | Phase::Sweeping { .. }
            | Phase::Killing { .. }
            | Phase::Over { .. } => wish,
        }
    }

    // ---- the end of everything ----

    /// Begins to stop everything. `first` is what the main command is told.
    fn shut_down(&mut self, code: u8, by: By, first: Option<Signal>, now: Time) {
        if self.is_stopping() {
            return;
        }
        // The end of a lone main command is no notice: it is what everybody waits for.
        if !self.is_bare() {
            self.report(Notice::ShuttingDown { by });
        }
        // With no budget, only what a main command left behind is still to be cleared away.
        let least = LEFTOVERS_TIME_MAX.saturating_add(SHUTDOWN_RESERVE);
        let end = now.after(self.rules.stop_timeout.unwrap_or(least));
        let count = self.services.len();
        let indices = || (0..count).map(Index);
        self.recall_starts(now);
        // First those of which nothing runs: while the others are still wanted, nobody's turn has
        // come.
        for index in indices() {
            let Some(service) = self.services.get_mut(index.0) else { continue };
            match service.state {
                State::Waiting | State::Backoff { .. } => {
                    service.goal = Goal::Down;
                    self.enter(index, State::Down, now);
                }
                State::Down
                | State::Starting { .. }
                | State::Unready(_)
                | State::Up(_)
                | State::Stopping(_)
                | State::Completed { .. }
                | State::Failed { .. } => {}
            }
        }
        for service in &mut self.services {
            service.goal = Goal::Down;
        }
        if self.rules.tells_above {
            self.actions.push_back(Action::TellAbove(Above::Stopping));
        }
        let shutdown = Shutdown::new(code, now, end, &self.services);
        let free: VecDeque<Index> = indices().filter(|index| shutdown.is_free(*index)).collect();
        self.deadlines.set(Who::Shutdown, Some(shutdown.kill_at));
        self.phase = Phase::Stopping(shutdown);
        self.stop_in_turn(free, first, now);
    }

    /// Takes back every start that is not yet on its way.
    fn recall_starts(&mut self, now: Time) {
        let is_start = |role: &Role| match role {
            Role::Main | Role::BeforeStart { .. } => true,
            Role::Probe { .. } | Role::Reload { .. } => true,
            Role::StopCommand { .. } | Role::AfterExit { .. } => false,
        };
        let start = |action: &Action| match action {
            Action::Spawn { role, run, .. } => is_start(role).then_some(*run),
            Action::Kill { .. }
            | Action::Sweep { .. }
            | Action::Report(_)
            | Action::Tell(_)
            | Action::Reply { .. }
            | Action::TellAbove(_)
            | Action::ReadPlan
            | Action::Adopt { .. }
            | Action::EndInput { .. }
            | Action::Release { .. }
            | Action::Forget { .. } => None,
        };
        for run in self.actions.iter().filter_map(start).collect::<Vec<_>>() {
            match self.recall(run) {
                Some(Life { role: Role::Probe { .. } | Role::Reload { .. }, service, .. }) => {
                    self.helper_recalled(service, run, now);
                }
                None => {}
                Some(life) => self.enter(life.service, State::Down, now),
            }
        }
    }

    /// Takes back a spawn, if it is not yet on its way.
    fn recall(&mut self, recalled: RunId) -> Option<Life> {
        let at = self.place_of_spawn(recalled)?;
        self.actions.remove(at);
        self.deadlines.set(Who::Life(recalled), None);
        self.lives.remove(&recalled)
    }

    /// Whether a spawn is not yet on its way.
    fn is_to_be_spawned(&self, run: RunId) -> bool {
        self.place_of_spawn(run).is_some()
    }

    fn place_of_spawn(&self, wanted: RunId) -> Option<usize> {
        self.actions.iter().position(|action| match action {
            Action::Spawn { run, .. } => *run == wanted,
            Action::Kill { .. }
            | Action::Sweep { .. }
            | Action::Report(_)
            | Action::Tell(_)
            | Action::Reply { .. }
            | Action::TellAbove(_)
            | Action::ReadPlan
            | Action::Adopt { .. }
            | Action::EndInput { .. }
            | Action::Release { .. }
            | Action::Forget { .. } => false,
        })
    }

    /// The turn of these services has come, since everyone who waits for them is done. Those that
    /// are at rest already pass it on.
    fn stop_in_turn(&mut self, mut free: VecDeque<Index>, first: Option<Signal>, now: Time) {
        while let Some(index) = free.pop_front() {
            let Some(service) = self.services.get(index.0) else { continue };
            let time = self.time_for(index, service.spec.stop.timeout, now);
            if !service.state.is_at_rest() || service.is_to_undo() {
                // Coming to rest, now or later, releases those it waits for.
                self.stop(index, time, first, now);
                continue;
            }
            let Phase::Stopping(shutdown) = &mut self.phase else { return };
            free.extend(service.links.waits_for.iter().filter(|other| shutdown.release(**other)));
        }
    }

    /// Takes the whole a step further when everything before that is done.
    fn go_on(&mut self, now: Time) {
        let everyone_at_rest = self.at_rest == self.services.len();
        match &self.phase {
            // What was stopped by hand will be started by hand; see
            // docs/decisions/0012-stopped-by-hand.md.
            Phase::Serving if everyone_at_rest && self.services.iter().any(Service::is_paused) => {}
            Phase::Serving if everyone_at_rest => {
                let code = self.first_failure.unwrap_or(0);
                self.shut_down(code, By::NothingLeft { code }, None, now);
                // Something may be to be undone.
                if self.at_rest == self.services.len() {
                    self.go_on_stopping(now);
                }
            }
            Phase::Stopping(_) if everyone_at_rest => self.go_on_stopping(now),
            Phase::Serving
            | Phase::Stopping(_)
            | Phase::Sweeping { .. }
            | Phase::Killing { .. }
            | Phase::Over { .. } => {}
        }
    }

    /// No service is left: what nobody claimed is told, and then killed.
    fn go_on_stopping(&mut self, now: Time) {
        let Phase::Stopping(shutdown) = &self.phase else { return };
        let (code, end) = (shutdown.code, shutdown.end);
        let kill_at = shutdown.kill_at.min(now.after(LEFTOVERS_TIME_MAX));
        self.deadlines.set(Who::Shutdown, Some(kill_at));
        self.phase = Phase::Sweeping { code, end };
        self.actions.push_back(Action::Sweep { signal: Signal::TERM });
    }

    fn alone(&mut self, _now: Time) {
        match self.phase {
            Phase::Sweeping { code, end } | Phase::Killing { code, end } => self.over(code, end),
            Phase::Serving | Phase::Stopping(_) | Phase::Over { .. } => {}
        }
    }

    fn over(&mut self, code: u8, end: Time) {
        self.deadlines.set(Who::Shutdown, None);
        self.phase = Phase::Over { code, end };
        if self.rules.tells_above {
            let code = self.main_code.unwrap_or(code);
            self.actions.push_back(Action::TellAbove(Above::Over(code)));
        }
    }

    /// Whether there is no time left for anything but KILL.
    fn is_too_late(&self) -> bool {
        match self.phase {
            Phase::Killing { .. } | Phase::Over { .. } => true,
            Phase::Serving | Phase::Stopping(_) | Phase::Sweeping { .. } => false,
        }
    }

    fn shutdown_due(&mut self, now: Time) {
        match &self.phase {
            Phase::Stopping(shutdown) => {
                let (code, end) = (shutdown.code, shutdown.end);
                let left = self.services.iter().filter(|s| !s.state.is_at_rest());
                let services: Vec<Name> = left.map(|s| s.spec.name.clone()).collect();
                // The last may have ended in this very turn.
                if !services.is_empty() {
                    self.report(Notice::OutOfTime { services });
                }
                self.kill_all(code, end, now);
            }
            Phase::Sweeping { code, end } => {
                let (code, end) = (*code, *end);
                self.report(Notice::KillingStrangers);
                self.kill_all(code, end, now);
            }
            // Whoever is still there cannot be killed.
            Phase::Killing { code, end } => self.over(*code, *end),
            Phase::Serving | Phase::Over { .. } => {}
        }
    }

    fn kill_all(&mut self, code: u8, end: Time, now: Time) {
        let end = end.min(now.after(SHUTDOWN_RESERVE)).max(now.after(KILL_TIME_MIN));
        self.deadlines.set(Who::Shutdown, Some(end));
        self.phase = Phase::Killing { code, end };
        for run in self.lives.keys().copied().collect::<Vec<_>>() {
            let Some(life) = self.lives.get_mut(&run) else { continue };
            let Some(service) = self.services.get(life.service.0) else { continue };
            let due = life.kill(&service.spec.stop, None, now);
            self.send(run, due);
        }
        self.actions.push_back(Action::Sweep { signal: Signal::KILL });
    }

    // ---- signals ----

    fn signalled(&mut self, signal: Signal, sender: Sender, now: Time) {
        let bare = self.is_bare();
        let hangup = signal == Signal::HUP && sender == Sender::Kernel;
        let stop = hangup || self.asks_to_stop(signal);
        // Its own affair, as long as it is there to hear it: it may wait for another attempt.
        let forwarded = bare && self.rules.stop_timeout.is_none() && self.main_run().is_some();
        if stop && !forwarded {
            if self.is_stopping() {
                // Only the main command is told again; for the others nothing changes.
                self.forward_to_main(signal);
            } else {
                self.shut_down(0, By::Signal(signal), Some(signal), now);
            }
            if signal == Signal::INT && sender == Sender::Kernel {
                self.interrupt_typed(now);
            }
            return;
        }
        if signal == Signal::HUP && !bare {
            self.read_plan(Asker::Signal);
            return;
        }
        self.forward_to_main(signal);
        let wanting = self.services.iter().filter(|s| s.spec.forward_signals.contains(&signal));
        let runs: Vec<RunId> = wanting.filter_map(|s| self.command_run(s)).collect();
        for run in runs {
            self.actions.push_back(Action::Kill { run, signal, scope: Scope::Process });
        }
    }

    fn asks_to_stop(&self, signal: Signal) -> bool {
        [Signal::TERM, Signal::INT, Signal::QUIT, Signal::PWR, Signal::HALT].contains(&signal)
            || self.rules.stop_signals.contains(&signal)
    }

    /// Whether the main command is all there is.
    fn is_bare(&self) -> bool {
        match self.services.as_slice() {
            [only] => only.spec.kind == Kind::Main,
            _ => false,
        }
    }

    /// Passes a signal on to the main command, if its process is there.
    fn forward_to_main(&mut self, signal: Signal) {
        if let Some(run) = self.main_run() {
            self.actions.push_back(Action::Kill { run, signal, scope: Scope::Process });
        }
    }

    /// The run of the main command, if its process is there.
    fn main_run(&self) -> Option<RunId> {
        // Nearly last: behind it stand only those that have left the plan.
        let main = self.services.iter().rev().find(|s| s.spec.kind == Kind::Main)?;
        self.command_run(main)
    }

    /// The run of a service's command, if its process is there.
    fn command_run(&self, service: &Service) -> Option<RunId> {
        let run = service.run()?;
        let life = self.lives.get(&run)?;
        (life.role == Role::Main && life.is_alive()).then_some(run)
    }

    /// An interrupt was typed on the terminal: the second one means now.
    fn interrupt_typed(&mut self, now: Time) {
        let Phase::Stopping(shutdown) = &mut self.phase else { return };
        shutdown.typed = shutdown.typed.saturating_add(1);
        if shutdown.typed >= 2 {
            let (code, end) = (shutdown.code, shutdown.end);
            self.kill_all(code, end, now);
        }
    }

    // ---- deadlines ----

    fn deadlines_passed(&mut self, now: Time) {
        while let Some(who) = self.deadlines.take_due(now) {
            match who {
                Who::Life(run) => self.life_due(run, now),
                Who::Service(index) => self.service_due(index, now),
                Who::Shutdown => self.shutdown_due(now),
            }
        }
    }

    fn life_due(&mut self, run: RunId, now: Time) {
        let Some(life) = self.lives.get_mut(&run) else { return };
        let Some(service) = self.services.get(life.service.0) else { return };
        let role = life.role;
        if let Some(time) = service.spec.timeout
            && life.is_too_long(now)
        {
            let index = life.service;
            life.limit = None;
            self.note_deadline(run);
            return self.end_unfit(index, Unfit::TooLong { time }, now);
        }
        let due = life.overdue(&service.spec.stop, now);
        let name = service.spec.name.clone();
        match due.and_then(|due| due.overdue) {
            Some(Overdue::Stop) => {
                let patience = Patience::Stop;
                self.report(Notice::Killing { service: name, role, patience });
            }
            // It is no news that a probe fails; what that comes to is told.
            Some(_) if matches!(role, Role::Probe { .. }) => {
                self.found(run, "no answer in time".to_owned());
            }
            Some(Overdue::Limit) => {
                let longest = match role {
                    Role::BeforeStart { .. } => BEFORE_START_TIME_MAX,
                    Role::AfterExit { .. } => service.spec.hooks.after_exit_timeout,
                    Role::Reload { .. } => {
                        service.spec.reload.as_ref().map_or(Duration::ZERO, |it| it.timeout)
                    }
                    Role::Main => service.spec.timeout.unwrap_or_default(),
                    Role::Probe { .. } | Role::StopCommand { .. } => service.spec.stop.timeout,
                };
                let patience = Patience::Limit(longest);
                self.report(Notice::Killing { service: name, role, patience });
            }
            Some(Overdue::Leftovers) => self.report(Notice::KillingLeftovers { service: name }),
            None => {}
        }
        self.send(run, due);
    }

    // ---- telling whoever started onit ----

    /// Says above what has changed since it was said last.
    fn tell_above(&mut self) {
        if !self.rules.tells_above || self.is_stopping() {
            return;
        }
        let settled = self.up.saturating_add(self.at_rest) == self.services.len();
        if settled && !self.told_above.ready {
            self.told_above.ready = true;
            self.actions.push_back(Action::TellAbove(Above::Ready));
        }
        let status = self.summary();
        if status != self.told_above.status {
            self.told_above.status.clone_from(&status);
            self.actions.push_back(Action::TellAbove(Above::Status(status)));
        }
    }

    /// How things are, in a line.
    fn summary(&self) -> String {
        // Who is only started on request is where it belongs.
        let counts = |service: &&Service| service.state != State::Down || service.spec.autostart;
        let all = self.services.iter().filter(counts).count();
        let is_fine = |service: &&Service| {
            is_up(service.spec.kind, &service.state)
                || matches!(service.state, State::Completed { .. })
        };
        let fine = self.services.iter().filter(is_fine).count();
        let mut text = format!("{fine} of {all} up");
        let others = self.services.iter().filter(counts).filter(|service| !is_fine(service));
        for service in others.take(SUMMARY_MAX) {
            let _ = write!(text, ", {} {}", service.spec.name, service.state.word());
        }
        text
    }

    // ---- the one place for each kind of change ----

    /// Puts a service into another state, and tells everyone whom that concerns.
    fn enter(&mut self, index: Index, state: State, now: Time) {
        let Some(service) = self.services.get_mut(index.0) else { return };
        let before = std::mem::replace(&mut service.state, state);
        let told = before.word() != service.state.word();
        if told {
            service.since = now;
        }
        let kept = service.state.helper();
        let helpers = before.helper().into_iter().flatten();
        let helpers: Vec<RunId> = helpers.filter(|run| !kept.contains(&Some(*run))).collect();
        self.deadlines.set(Who::Service(index), service.state.deadline());
        if service.state == State::Waiting {
            self.to_consider.insert(index);
        }
        let rests = service.state.is_at_rest();
        let rested = before.is_at_rest();
        let runs = matches!(service.state, State::Unready(_) | State::Up(_));
        let kind = service.spec.kind;
        let (was_up, is_up) = (is_up(kind, &before), is_up(kind, &service.state));
        let is_news = std::mem::discriminant(&before) != std::mem::discriminant(&service.state);
        if rests || (runs && (is_news || was_up != is_up)) {
            self.to_consider.extend(service.links.waited_for_by.iter().copied());
        }
        match (rested, rests) {
            (false, true) => self.at_rest = self.at_rest.saturating_add(1),
            (true, false) => self.at_rest = self.at_rest.saturating_sub(1),
            (true, true) | (false, false) => {}
        }
        match (was_up, is_up) {
            (false, true) => self.up = self.up.saturating_add(1),
            (true, false) => self.up = self.up.saturating_sub(1),
            (true, true) | (false, false) => {}
        }
        for run in helpers {
            self.dismiss(run, now);
        }
        let waits = matches!(self.services.get(index.0), Some(s) if s.state == State::Waiting);
        let renewed = if rests || waits { self.renew(index) } else { None };
        if told {
            self.tell(index, before.word(), now);
        }
        if rests
            && !rested
            && let Some(service) = self.services.get(index.0).filter(|s| !s.spec.listen.is_empty())
        {
            let service = service.spec.name.clone();
            self.actions.push_back(Action::Release { service });
        }
        if rests && !rested {
            self.release(index, now);
        }
        if let Some(before) = renewed.filter(|_| !self.is_stopping()) {
            self.stop_those_used_before(&before, now);
        }
    }

    /// A probe, or a reload command, is of no use any more: it is killed, with all it started.
    fn dismiss(&mut self, run: RunId, now: Time) {
        if self.recall(run).is_some() {
            return;
        }
        let Some(life) = self.lives.get_mut(&run) else { return };
        let Some(service) = self.services.get(life.service.0) else { return };
        if life.is_alive() {
            let due = life.kill(&service.spec.stop, None, now);
            self.send(run, due);
        }
    }

    /// Nothing of it runs: the moment for what a reload has changed. Says what it was, if one has.
    fn renew(&mut self, index: Index) -> Option<Arc<Spec>> {
        let service = self.services.get_mut(index.0)?;
        let next = service.next.take()?;
        Some(std::mem::replace(&mut service.spec, next))
    }

    /// Tells those who follow that a service has become something else.
    fn tell(&mut self, index: Index, before: &'static str, now: Time) {
        let Some(report) = self.look_at(index) else { return };
        self.changes = self.changes.saturating_add(1);
        let change = Change { number: self.changes, at: now, before, report };
        self.actions.push_back(Action::Tell(Box::new(change)));
    }

    /// A service has come to rest: if its turn had come, those it waits for are next.
    fn release(&mut self, index: Index, now: Time) {
        match &self.phase {
            Phase::Serving => self.stop_those_released_by(index, now),
            Phase::Stopping(shutdown) => {
                if shutdown.is_free(index) {
                    self.stop_in_turn(VecDeque::from([index]), None, now);
                }
            }
            Phase::Sweeping { .. } | Phase::Killing { .. } | Phase::Over { .. } => {}
        }
    }

    /// Sends what a life says is due.
    fn send(&mut self, run: RunId, due: Option<Due>) {
        if let Some(Due { signal, scope, overdue: _ }) = due {
            self.actions.push_back(Action::Kill { run, signal, scope });
        }
        self.note_deadline(run);
    }

    fn note_deadline(&mut self, run: RunId) {
        let deadline = self.lives.get(&run).and_then(Life::deadline);
        self.deadlines.set(Who::Life(run), deadline);
    }

    fn report(&mut self, notice: Notice) {
        self.actions.push_back(Action::Report(notice));
    }
}

/// Whether a service of this kind is up and well in this state. A oneshot is at work then, and has
/// not got there yet.
fn is_up(kind: Kind, state: &State) -> bool {
    kind != Kind::Oneshot && matches!(state, State::Up(up) if up.health != Verdict::Unhealthy)
}

impl Service {
    /// The run its state is about: of its command, or of a command around it.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        self.state.run()
    }

    /// Whether `condition` has been reached.
    fn reach(&self, condition: Condition) -> Reach {
        match (&self.state, condition) {
            (State::Completed { .. }, _)
            | (State::Up(_) | State::Unready(_), Condition::Started) => Reach::Reached,
            // A oneshot has no other way to be ready than to have done its work.
            (State::Up(up), Condition::Ready)
                if self.spec.kind != Kind::Oneshot && up.health != Verdict::Unhealthy =>
            {
                Reach::Reached
            }
            (State::Failed { .. }, _) => Reach::Never,
            (
                State::Up(_)
                | State::Unready(_)
                | State::Down
                | State::Waiting
                | State::Starting { .. }
                | State::Stopping(_)
                | State::Backoff { .. },
                _,
            ) => Reach::Open,
        }
    }

    /// Whether it is known what has become of it.
    fn has_known_fate(&self) -> bool {
        match self.state {
            State::Up(_) => self.spec.kind != Kind::Oneshot,
            State::Completed { .. } | State::Failed { .. } => true,
            State::Down => self.goal != Goal::Up,
            State::Waiting
            | State::Unready(_)
            | State::Starting { .. }
            | State::Stopping(_)
            | State::Backoff { .. } => false,
        }
    }

    /// Whether it may be started yet: it was stopped by hand, or is only started on request.
    fn is_paused(&self) -> bool {
        self.goal == Goal::Down || (self.goal == Goal::Up && !self.spec.autostart)
    }

    fn remember(&mut self, end: Option<&End>, ran: Duration, cause: Cause, now: Time) {
        let Some(end) = end else { return };
        if self.past.len() >= PAST_ENDS_MAX {
            self.past.pop_front();
        }
        self.past.push_back(Past { at: now, ran, end: end.clone(), cause });
    }
}
