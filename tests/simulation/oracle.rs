//! What must hold in every world, whatever happens: one `invariant_*` function each.
//!
//! The oracle keeps its own books from what was done and told, works the policies of the design out
//! again by itself, and compares. It looks after every event, action and turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use onit::limits::{
    BEFORE_START_TIME_MAX, KILL_TIME_MIN, LEFTOVERS_TIME_MAX, SHUTDOWN_RESERVE, SPAWNS_A_TURN_MAX,
};
use onit::service::{
    Condition, Consequence, Exit, Failure, Hooks, Kind, Node, Plan, Restart, Role, RunId, Signal,
    Spec, Time,
};
use onit::supervisor::{
    Action, End, Event, Goal, LifePhase, Reason, Rules, Sender, State, Supervisor, Unready, Up,
    Wake,
};

use crate::world::{Leader, Truth};

/// Rounding of times that are computed in another order.
const ROUNDING: Duration = Duration::from_micros(10);

pub struct Oracle {
    rules: Rules,
    services: Vec<Record>,
    /// Those that are not gone, as far as was told.
    runs: BTreeMap<RunId, Run>,
    shutdown: Option<Shutdown>,
    first_failure: Option<u8>,
    main_code: Option<u8>,
    /// Signals the main command is still to be sent.
    to_forward: Vec<(RunId, Signal)>,
    instant: Time,
    turns_at_instant: usize,
    was_due: bool,
    events_this_turn: usize,
}

/// What the oracle knows of a service.
struct Record {
    spec: Arc<Spec>,
    needs: Vec<(usize, Condition)>,
    after: Vec<usize>,
    /// Everyone it waits for, and whom they wait for, and so on.
    below: BTreeSet<usize>,
    executed: u32,
    row: u32,
    /// Its command has been executed and has not ended, as far as was told.
    up: bool,
    /// The latest attempt and how long the command ran, until it is judged.
    attempt: Option<(End, Duration)>,
    not_before: Time,
    fate: Fate,
}

/// How the oracle judges a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Completed,
    Failed,
}

/// What the oracle knows of a run.
struct Run {
    service: usize,
    role: Role,
    /// When it is killed if nobody asks it to end before: the limit of a hook.
    limit: Time,
    executed: Option<Time>,
    exited: Option<Time>,
    /// When its patience ends, once it was asked to end.
    patience: Option<Time>,
    stop_signals: usize,
    kills: usize,
}

/// What the oracle knows of a shutdown.
struct Shutdown {
    code: u8,
    began: Time,
    kill_at: Time,
    end: Time,
    lateness_before: Option<Duration>,
    /// What the services below one, that were alive at the beginning, ask for at most in a chain.
    chains: Vec<Duration>,
    typed: u32,
    hasty: bool,
}

/// What policy makes of an end.
#[derive(Debug)]
enum Judgement {
    Again { earliest: Duration, latest: Duration, row: u32 },
    Completed,
    Failed,
}

impl Oracle {
    pub fn new(plan: &Plan, rules: Rules) -> Self {
        let nodes = plan.nodes();
        let mut services: Vec<Record> = Vec::new();
        for Node { spec, needs, after } in nodes {
            let needs: Vec<(usize, Condition)> = needs.iter().map(|(i, c)| (i.0, *c)).collect();
            let after: Vec<usize> = after.iter().map(|i| i.0).collect();
            let mut below: BTreeSet<usize> =
                needs.iter().map(|(i, _)| *i).chain(after.clone()).collect();
            for other in below.clone() {
                below.extend(services[other].below.clone());
            }
            services.push(Record {
                spec: spec.clone(),
                needs,
                after,
                below,
                executed: 0,
                row: 0,
                up: false,
                attempt: None,
                not_before: Time::ZERO,
                fate: Fate::Open,
            });
        }
        Self {
            rules,
            services,
            runs: BTreeMap::new(),
            shutdown: None,
            first_failure: None,
            main_code: None,
            to_forward: Vec::new(),
            instant: Time::ZERO,
            turns_at_instant: 0,
            was_due: false,
            events_this_turn: 0,
        }
    }

    // ---- the doors ----

    /// Something is about to be done.
    pub fn performed(&mut self, action: &Action, truth: &Truth, now: Time) {
        match action {
            Action::Spawn { run, service, role } => {
                let index = self.services.iter().position(|r| r.spec.name == service.name).unwrap();
                self.spawning(index, *run, *role, truth, now);
            }
            Action::Kill { run, signal, .. } => self.killing(*run, *signal, truth, now),
            Action::Sweep { signal } => self.sweeping(*signal, now),
            Action::Report(_)
            | Action::Tell(_)
            | Action::Reply { .. }
            | Action::TellAbove(_)
            | Action::EndInput { .. }
            | Action::Release { .. }
            | Action::ReadPlan
            | Action::Adopt { .. }
            | Action::Forget { .. } => {}
        }
    }

    /// The supervisor has been told something.
    pub fn told(&mut self, event: &Event, view: &Supervisor, now: Time) {
        self.events_this_turn += 1;
        self.invariant_each_end_is_consumed_once(event);
        self.note(event, now);
        self.judge(view, now);
        self.note_signal(event, view, now);
        self.invariant_a_shutdown_has_a_reason(view);
        self.invariant_lives_are_the_runs_that_are_not_gone(view);
        invariant_goal_and_state_fit(view);
        self.invariant_a_dependency_failure_names_one_that_failed(view);
    }

    /// A turn is over: all actions are done, and nothing new has happened.
    pub fn turn(
        &mut self,
        truth: &Truth,
        view: &Supervisor,
        wake: Wake,
        actions: usize,
        spawns: usize,
        now: Time,
    ) {
        self.note_nothing_left(now);
        self.invariant_a_shutdown_has_a_reason(view);
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.lateness_before.get_or_insert(truth.lateness);
        }
        self.invariant_no_spin(wake, now);
        self.invariant_actions_a_turn_are_bounded(actions, spawns);
        if wake != Wake::Now {
            assert!(self.to_forward.is_empty(), "not forwarded: {:?}", self.to_forward);
            self.invariant_nothing_is_stuck(view, wake, now);
            self.invariant_shares_are_kept(view);
        }
        if truth.untold.is_empty() {
            self.invariant_views_agree_with_the_world(truth, view);
        }
        self.invariant_over_within_the_budget(truth, now);
        self.events_this_turn = 0;
    }

    /// It is over.
    pub fn over(&mut self, code: u8, truth: &Truth, now: Time) {
        self.note_nothing_left(now);
        self.invariant_the_verdict_follows_policy(code);
        self.invariant_over_within_the_budget(truth, now);
        self.invariant_nobody_is_left(truth, now);
        self.invariant_no_time_is_slept_out(truth, now);
    }

    // ---- what is done ----

    fn spawning(&mut self, index: usize, run: RunId, role: Role, truth: &Truth, now: Time) {
        self.invariant_one_live_run_a_service(index, role, truth);
        self.invariant_no_start_in_a_shutdown(index, role, now);
        let first = match role {
            Role::BeforeStart { index } => index == 0,
            Role::Main => self.services[index].spec.hooks.before_start.is_empty(),
            Role::Probe { .. }
            | Role::Reload { .. }
            | Role::StopCommand { .. }
            | Role::AfterExit { .. } => false,
        };
        if first {
            self.note_the_doomed(now);
            self.invariant_starts_wait_for_needs(index);
            self.invariant_the_back_off_is_kept(index, now);
        }
        let limit = match role {
            Role::BeforeStart { .. } => now.after(BEFORE_START_TIME_MAX),
            // Its share of the budget, which may be nothing.
            Role::AfterExit { .. } if self.shutdown.is_some() => now,
            Role::AfterExit { .. } => now.after(Hooks::AFTER_EXIT_TIMEOUT),
            // Where anything is looked after, the clerk is.
            Role::StopCommand { .. } | Role::Main | Role::Probe { .. } | Role::Reload { .. } => {
                Time::at(Duration::MAX)
            }
        };
        self.runs.insert(
            run,
            Run {
                service: index,
                role,
                limit,
                executed: None,
                exited: None,
                patience: None,
                stop_signals: 0,
                kills: 0,
            },
        );
        // One that undoes a oneshot is the clerk's affair: see `World::new`.
        if let Role::StopCommand { main: Some(main) } = role {
            let patience = now.after(self.share(index, now));
            self.asked(main, now, patience);
            self.runs.get_mut(&run).unwrap().limit = patience;
        }
    }

    fn killing(&mut self, run: RunId, signal: Signal, truth: &Truth, now: Time) {
        self.invariant_a_signal_names_a_run_that_is_not_gone(run, truth);
        if signal == Signal::KILL {
            self.invariant_kill_comes_after_patience(run, truth, now);
            self.runs.get_mut(&run).unwrap().kills += 1;
            return;
        }
        if let Some(at) = self.to_forward.iter().position(|wanted| *wanted == (run, signal)) {
            self.to_forward.remove(at);
            // The signal that began the shutdown is forwarded, and is the stop signal.
            let asked = self.runs[&run].patience.is_some() || self.shutdown.is_none();
            if asked {
                return;
            }
        }
        let service = self.runs[&run].service;
        let spec = self.services[service].spec.clone();
        let passed_on = spec.forward_signals.contains(&signal);
        if passed_on && spec.stop.steps.iter().all(|step| step.signal != signal) {
            return;
        }
        let share = self.share(service, now);
        if self.runs[&run].patience.is_none() {
            let patience = match self.runs[&run].role {
                // Its share began when it was started.
                Role::StopCommand { .. } => self.runs[&run].limit,
                Role::Main
                | Role::BeforeStart { .. }
                | Role::Probe { .. }
                | Role::Reload { .. }
                | Role::AfterExit { .. } => now.after(share),
            };
            self.asked(run, now, patience);
        }
        self.runs.get_mut(&run).unwrap().stop_signals += 1;
    }

    /// A run is asked to end for the first time.
    fn asked(&mut self, run: RunId, now: Time, patience: Time) {
        let service = self.runs[&run].service;
        assert!(self.shutdown.is_some(), "{run} is asked to end at {now:?}, and nobody asked us");
        self.invariant_stops_go_in_reverse(service);
        let asked = self.runs.get_mut(&run).unwrap();
        asked.patience.get_or_insert(patience);
    }

    fn sweeping(&mut self, signal: Signal, now: Time) {
        self.note_nothing_left(now);
        let shutdown = self.shutdown.as_ref().expect("a sweep, and nothing is being stopped");
        if !self.runs.is_empty() {
            assert_eq!(signal, Signal::KILL, "a sweep while services run");
            assert!(shutdown.hasty || now >= shutdown.kill_at, "a sweep before its time");
        }
    }

    // ---- what is told ----

    fn note(&mut self, event: &Event, now: Time) {
        match event {
            Event::Spawned { run } => {
                let told = self.runs.get_mut(run).unwrap();
                told.executed = Some(now);
                let record = &mut self.services[told.service];
                if told.role == Role::Main {
                    record.executed += 1;
                    record.up = true;
                }
            }
            Event::SpawnFailed { run, failure } => {
                let told = self.runs.remove(run).unwrap();
                self.to_forward.retain(|(to, _)| to != run);
                let record = &mut self.services[told.service];
                match told.role {
                    Role::Main | Role::BeforeStart { .. } => {
                        record.attempt = Some((End::NotStarted(failure.clone()), Duration::ZERO));
                    }
                    Role::Probe { .. }
                    | Role::Reload { .. }
                    | Role::StopCommand { .. }
                    | Role::AfterExit { .. } => {}
                }
            }
            Event::Exited { run, exit } => {
                let told = self.runs.get_mut(run).unwrap();
                told.exited = Some(now);
                let role = told.role;
                let ran = told.executed.map_or(Duration::ZERO, |since| now.since(since));
                let record = &mut self.services[told.service];
                match role {
                    Role::Main => {
                        record.up = false;
                        record.attempt = Some((End::Exited(*exit), ran));
                        if record.spec.kind == Kind::Main {
                            self.main_code = Some(exit.code());
                        }
                    }
                    Role::BeforeStart { .. } if *exit != Exit::Code(0) => {
                        let end = End::HookFailed { role, exit: *exit };
                        record.attempt = Some((end, Duration::ZERO));
                    }
                    Role::BeforeStart { .. }
                    | Role::Probe { .. }
                    | Role::Reload { .. }
                    | Role::StopCommand { .. }
                    | Role::AfterExit { .. } => {}
                }
            }
            Event::Gone { run } => {
                self.runs.remove(run);
                self.to_forward.retain(|(to, _)| to != run);
            }
            Event::Alone => {
                assert!(self.runs.is_empty(), "alone, and not everyone is gone");
            }
            Event::Announced { .. }
            | Event::Mute { .. }
            | Event::Notified { .. }
            | Event::Found { .. }
            | Event::Signalled { .. }
            | Event::SourcesChanged
            | Event::Asked { .. }
            | Event::HungUp { .. }
            | Event::PlanRead { .. }
            | Event::DeadlinePassed => {}
        }
    }

    /// Judges the services whose attempt is over, and compares with what the supervisor made of it.
    fn judge(&mut self, view: &Supervisor, now: Time) {
        for index in 0..self.services.len() {
            if self.services[index].attempt.is_none() {
                continue;
            }
            let at_work = view.lives().values().any(|life| life.service.0 == index);
            if at_work {
                continue;
            }
            let (end, ran) = self.services[index].attempt.take().unwrap();
            let seen = &view.services()[index];
            if self.shutdown.is_some() {
                assert_eq!(seen.state, State::Down, "an end in a shutdown");
                continue;
            }
            self.invariant_ends_are_judged_by_policy(index, &end, ran, view, now);
        }
    }

    fn note_signal(&mut self, event: &Event, view: &Supervisor, now: Time) {
        let Event::Signalled { signal, sender } = event else { return };
        let (signal, sender) = (*signal, *sender);
        let has_main = self.services.last().is_some_and(|r| r.spec.kind == Kind::Main);
        let bare = has_main && self.services.len() == 1;
        let hangup = signal == Signal::HUP && sender == Sender::Kernel;
        let stops = [Signal::TERM, Signal::INT, Signal::QUIT, Signal::PWR, Signal::HALT]
            .contains(&signal)
            || self.rules.stop_signals.contains(&signal)
            || hangup;
        let main = self.runs.iter().find(|(_, run)| {
            has_main
                && run.service == self.services.len() - 1
                && run.role == Role::Main
                && run.exited.is_none()
        });
        let main = main.map(|(run, _)| *run);
        let reload = signal == Signal::HUP && !stops && !bare;
        if let (Some(run), false) = (main, reload) {
            self.to_forward.push((run, signal));
        }
        let own_affair = bare && self.rules.stop_timeout.is_none() && main.is_some();
        if stops && !own_affair && self.shutdown.is_none() {
            self.begin_shutdown(0, alive(view), now);
        }
        let typed = signal == Signal::INT && sender == Sender::Kernel;
        if let (Some(shutdown), true) = (&mut self.shutdown, typed) {
            shutdown.typed += 1;
            shutdown.hasty |= shutdown.typed >= 2;
        }
    }

    /// If no service is wanted or running any more, everything ends.
    fn note_nothing_left(&mut self, now: Time) {
        self.note_the_doomed(now);
        let is_over = |record: &Record| record.fate != Fate::Open;
        if self.shutdown.is_none() && self.services.iter().all(is_over) {
            self.begin_shutdown(self.first_failure.unwrap_or(0), BTreeSet::new(), now);
        }
    }

    fn begin_shutdown(&mut self, code: u8, alive: BTreeSet<usize>, now: Time) {
        let least = LEFTOVERS_TIME_MAX + SHUTDOWN_RESERVE;
        let whole = self.rules.stop_timeout.unwrap_or(least);
        let reserve = SHUTDOWN_RESERVE.min(whole.mul_f64(0.25));
        let mut wishes = vec![Duration::ZERO; self.services.len()];
        let mut chains = wishes.clone();
        for (index, record) in self.services.iter().enumerate() {
            chains[index] = record.below.iter().map(|i| wishes[*i]).max().unwrap_or_default();
            let own =
                if alive.contains(&index) { record.spec.stop.timeout } else { Duration::ZERO };
            wishes[index] = chains[index] + own;
        }
        self.shutdown = Some(Shutdown {
            code,
            began: now,
            kill_at: now.after(whole - reserve),
            end: now.after(whole),
            lateness_before: None,
            chains,
            typed: 0,
            hasty: false,
        });
    }

    // ---- policy, worked out again ----

    fn judgement(&self, index: usize, end: &End, ran: Duration) -> Judgement {
        let record = &self.services[index];
        let spec = &record.spec;
        let success = match end {
            End::Exited(exit) => exit.is_success(&spec.success_codes),
            End::Unfit { .. } | End::NotStarted(_) | End::HookFailed { .. } => false,
        };
        let again = match end {
            End::NotStarted(failure) => {
                record.executed > 0 || !Failure::is_about_the_command(failure)
            }
            End::Exited(_) | End::Unfit { .. } | End::HookFailed { .. } => match spec.restart {
                Restart::Always => true,
                Restart::OnFailure => !success,
                Restart::Never => false,
            },
        };
        if !again {
            return if success { Judgement::Completed } else { Judgement::Failed };
        }
        if ran >= spec.backoff.reset_after {
            return Judgement::Again { earliest: Duration::ZERO, latest: Duration::ZERO, row: 0 };
        }
        let row = record.row + 1;
        if spec.backoff.limit > 0 && row >= spec.backoff.limit {
            return Judgement::Failed;
        }
        let mut wait = spec.backoff.initial.as_secs_f64();
        for _ in 1..row {
            wait = (wait * spec.backoff.factor).min(spec.backoff.max.as_secs_f64());
        }
        let wait = Duration::from_secs_f64(wait.min(spec.backoff.max.as_secs_f64()));
        let spread = wait.mul_f64(spec.backoff.jitter);
        Judgement::Again {
            earliest: wait.saturating_sub(spread + ROUNDING),
            latest: wait + spread + ROUNDING,
            row,
        }
    }

    /// What a service that is asked to stop now is given.
    fn share(&self, index: usize, now: Time) -> Duration {
        let wish = self.services[index].spec.stop.timeout;
        let Some(shutdown) = &self.shutdown else { return wish };
        let remaining = shutdown.kill_at.since(now);
        let below = shutdown.chains[index];
        let spare = remaining.saturating_sub(below);
        let part = if wish + below <= remaining {
            wish
        } else {
            remaining.mul_f64(wish.as_secs_f64() / (wish + below).as_secs_f64())
        };
        match self.services[index].spec.kind {
            Kind::Main => part.max(spare),
            Kind::Service | Kind::Oneshot => part,
        }
    }

    /// Whether what a service waits for is so.
    fn is_ready_to_start(&self, index: usize) -> bool {
        let record = &self.services[index];
        let needs = record.needs.iter().all(|(other, condition)| {
            let other = &self.services[*other];
            let up = match condition {
                Condition::Started => other.up,
                Condition::Ready => other.up && other.spec.kind != Kind::Oneshot,
                Condition::Completed => false,
            };
            up || other.fate == Fate::Completed
        });
        let after = record.after.iter().all(|other| {
            let other = &self.services[*other];
            (other.up && other.spec.kind != Kind::Oneshot) || other.fate != Fate::Open
        });
        needs && after
    }

    /// What waits for its start and needs somebody who has failed, has failed.
    fn note_the_doomed(&mut self, now: Time) {
        for index in 0..self.services.len() {
            let record = &self.services[index];
            let failed = |(need, _): &(usize, Condition)| self.services[*need].fate == Fate::Failed;
            let doomed = record.needs.iter().any(failed) && self.shutdown.is_none();
            if doomed && record.fate == Fate::Open && now >= record.not_before {
                let at_work = self.runs.values().any(|run| run.service == index);
                if !at_work {
                    self.services[index].fate = Fate::Failed;
                }
            }
        }
    }

    // ---- the invariants ----

    fn invariant_one_live_run_a_service(&self, index: usize, role: Role, truth: &Truth) {
        let name = &self.services[index].spec.name;
        let others: Vec<&RunId> = truth
            .processes
            .iter()
            .filter(|(_, process)| process.service == *name && !process.gone)
            .map(|(run, _)| run)
            .collect();
        match role {
            Role::StopCommand { main } => {
                assert!(
                    others.iter().all(|other| Some(**other) == main),
                    "{name}: besides a stop command"
                );
            }
            Role::Main
            | Role::BeforeStart { .. }
            | Role::Probe { .. }
            | Role::Reload { .. }
            | Role::AfterExit { .. } => {
                assert!(others.is_empty(), "{name}: starts {role:?} while {others:?} live");
            }
        }
    }

    fn invariant_no_start_in_a_shutdown(&self, index: usize, role: Role, now: Time) {
        match role {
            Role::Main | Role::BeforeStart { .. } | Role::Probe { .. } | Role::Reload { .. } => {
                assert!(
                    self.shutdown.is_none(),
                    "{} starts while everything stops",
                    self.services[index].spec.name
                )
            }
            Role::StopCommand { .. } => assert!(self.shutdown.is_some(), "a stop nobody asked for"),
            Role::AfterExit { .. } => {
                // What was decided before a stop that came in the same turn still starts.
                let late = |s: &Shutdown| now >= s.kill_at && now > s.began;
                let late = self.shutdown.as_ref().is_some_and(late);
                assert!(!late, "an after_exit command, and no time for it");
            }
        }
    }

    fn invariant_starts_wait_for_needs(&self, index: usize) {
        let name = &self.services[index].spec.name;
        assert!(self.is_ready_to_start(index), "{name} starts before what it waits for is there");
    }

    fn invariant_the_back_off_is_kept(&self, index: usize, now: Time) {
        let record = &self.services[index];
        assert!(now >= record.not_before, "{}: starts before its time", record.spec.name);
        assert_eq!(record.fate, Fate::Open, "{}: starts after its end for good", record.spec.name);
    }

    fn invariant_a_signal_names_a_run_that_is_not_gone(&self, run: RunId, truth: &Truth) {
        assert!(truth.processes.contains_key(&run), "a signal for {run}, which never was");
        assert!(self.runs.contains_key(&run), "a signal for {run}, which is gone");
    }

    fn invariant_kill_comes_after_patience(&self, run: RunId, truth: &Truth, now: Time) {
        let killed = &self.runs[&run];
        let spec = &self.services[killed.service].spec;
        let budget_over = self.shutdown.as_ref().is_some_and(|s| s.hasty || now >= s.kill_at);
        if budget_over || killed.kills > 0 {
            return;
        }
        let late = |at: Time| now.after(ROUNDING) >= at;
        if let Some(exited) = killed.exited {
            let patience = match killed.patience {
                Some(patience) if spec.kind == Kind::Main => {
                    patience.min(exited.after(LEFTOVERS_TIME_MAX))
                }
                Some(patience) => patience,
                None => exited.after(LEFTOVERS_TIME_MAX.min(spec.stop.timeout)),
            };
            let hurried = killed.patience.is_none() && self.shutdown.is_some();
            assert!(late(patience) || hurried, "what {run} left is killed too early");
            return;
        }
        if let Some(patience) = killed.patience {
            assert!(late(patience), "{run} is killed before its time, which is {patience:?}");
            let is_command = killed.role == Role::Main && killed.stop_signals > 0;
            // A last signal with no time before the KILL is the KILL.
            let steps = spec.stop.steps.iter().rposition(|step| !step.wait.is_zero());
            let steps = if is_command { steps.map_or(1, |last| last + 1) } else { 0 };
            // Steps that fall into one turn because the world was late are left out.
            let on_time = truth.lateness.is_zero();
            assert!(!on_time || killed.stop_signals >= steps, "{run} was not sent every signal");
            return;
        }
        // A hook that was at work when a shutdown began has been hurried.
        let hurried = match killed.role {
            Role::AfterExit { .. } => self.shutdown.is_some(),
            Role::Main
            | Role::StopCommand { .. }
            | Role::Probe { .. }
            | Role::Reload { .. }
            | Role::BeforeStart { .. } => false,
        };
        let limit = killed.limit;
        assert!(late(limit) || hurried, "{run} is killed before {limit:?}");
    }

    fn invariant_stops_go_in_reverse(&self, index: usize) {
        for (at, other) in self.services.iter().enumerate() {
            if other.below.contains(&index) {
                let at_work = self.runs.values().any(|run| run.service == at);
                let (first, second) = (&other.spec.name, &self.services[index].spec.name);
                assert!(!at_work, "{second} is stopped while {first} still needs it");
            }
        }
    }

    fn invariant_each_end_is_consumed_once(&self, event: &Event) {
        let known = |run: &RunId| self.runs.get(run).expect("an event of a run that is gone");
        match event {
            Event::Spawned { run } => assert!(known(run).executed.is_none(), "executed twice"),
            Event::SpawnFailed { run, .. } => {
                assert!(known(run).executed.is_none(), "failed and executed");
            }
            Event::Exited { run, .. } => {
                assert!(known(run).executed.is_some(), "{run} ended and was never executed");
                assert!(known(run).exited.is_none(), "{run} ended twice");
            }
            Event::Gone { run } => assert!(known(run).exited.is_some(), "{run} is gone alive"),
            Event::Alone
            | Event::Announced { .. }
            | Event::Mute { .. }
            | Event::Notified { .. }
            | Event::Found { .. }
            | Event::Signalled { .. }
            | Event::SourcesChanged
            | Event::Asked { .. }
            | Event::HungUp { .. }
            | Event::PlanRead { .. }
            | Event::DeadlinePassed => {}
        }
    }

    /// So an end takes its run out once, and nothing else does.
    fn invariant_lives_are_the_runs_that_are_not_gone(&self, view: &Supervisor) {
        for (run, life) in view.lives() {
            match self.runs.get(run) {
                Some(known) => {
                    assert_eq!(life.is_alive(), known.exited.is_none(), "{run}: its end");
                }
                // Its spawn is on its way to the world.
                None => assert!(life.is_alive(), "{run} lives, and is gone"),
            }
        }
        for run in self.runs.keys() {
            assert!(view.lives().contains_key(run), "{run} is not gone, and is forgotten");
        }
    }

    fn invariant_ends_are_judged_by_policy(
        &mut self,
        index: usize,
        end: &End,
        ran: Duration,
        view: &Supervisor,
        now: Time,
    ) {
        let seen = &view.services()[index];
        let judgement = self.judgement(index, end, ran);
        let name = self.services[index].spec.name.clone();
        let spec = self.services[index].spec.clone();
        let (fate, row) = match (&judgement, &seen.state) {
            (Judgement::Again { latest: Duration::ZERO, row, .. }, State::Waiting) => {
                (Fate::Open, *row)
            }
            (Judgement::Again { earliest, latest, row }, State::Backoff { until })
                if (*earliest..=*latest).contains(&until.since(now)) =>
            {
                self.services[index].not_before = *until;
                (Fate::Open, *row)
            }
            (Judgement::Completed, State::Completed { .. }) => (Fate::Completed, 0),
            (Judgement::Failed, State::Failed { reason: Reason::Ended(told) }) if told == end => {
                (Fate::Failed, 0)
            }
            (_, state) => panic!("{name}: {end:?} after {ran:?} is {judgement:?}, not {state:?}"),
        };
        let record = &mut self.services[index];
        record.fate = fate;
        record.row = row;
        assert_eq!(seen.ends, row, "{name}: ends in a row");
        let code = end.code();
        match fate {
            Fate::Open => {}
            Fate::Completed => {
                if spec.on_success == Consequence::Shutdown {
                    self.begin_shutdown(code, alive(view), now);
                }
            }
            Fate::Failed => match spec.on_failure {
                Consequence::Shutdown => self.begin_shutdown(code.max(1), alive(view), now),
                Consequence::Continue => {
                    self.first_failure.get_or_insert(code.max(1));
                }
            },
        }
    }

    fn invariant_a_shutdown_has_a_reason(&self, view: &Supervisor) {
        assert_eq!(view.is_stopping(), self.shutdown.is_some(), "stopping, or not, against policy");
    }

    fn invariant_a_dependency_failure_names_one_that_failed(&mut self, view: &Supervisor) {
        for (index, service) in view.services().iter().enumerate() {
            let State::Failed { reason: Reason::Dependency(name) } = &service.state else {
                continue;
            };
            let of = self.services.iter().position(|record| record.spec.name == *name).unwrap();
            assert!(self.services[index].needs.iter().any(|(need, _)| *need == of));
            assert_eq!(self.services[of].fate, Fate::Failed, "{name} has not failed for good");
            self.services[index].fate = Fate::Failed;
        }
    }

    fn invariant_no_spin(&mut self, wake: Wake, now: Time) {
        if self.instant != now {
            (self.instant, self.turns_at_instant) = (now, 0);
        }
        self.turns_at_instant += 1;
        let bound = 20 + 20 * self.services.len();
        assert!(self.turns_at_instant < bound, "{bound} turns at {now:?}");
        let due = match wake {
            Wake::At(at) => at <= now,
            Wake::Now | Wake::Never => false,
        };
        // A budget of nothing is over when it begins; what is due is dealt with in the next turn.
        assert!(!(due && self.was_due), "a deadline in the past, again: {wake:?} at {now:?}");
        self.was_due = due;
    }

    fn invariant_actions_a_turn_are_bounded(&self, actions: usize, spawns: usize) {
        assert!(spawns <= SPAWNS_A_TURN_MAX, "{spawns} spawns in a turn");
        // A KILL and a report for each, what events led to, and a few for all.
        let bound = 10 + 4 * self.services.len() + 4 * self.events_this_turn + 2 * spawns;
        assert!(actions <= bound, "{actions} actions in a turn");
    }

    fn invariant_nothing_is_stuck(&self, view: &Supervisor, wake: Wake, now: Time) {
        let wakes_by = |at: Time| match wake {
            Wake::Now => true,
            Wake::At(wake) => wake <= at,
            Wake::Never => false,
        };
        for (index, service) in view.services().iter().enumerate() {
            let name = &service.spec.name;
            match &service.state {
                State::Down | State::Completed { .. } | State::Failed { .. } => {}
                State::Waiting => {
                    let ready = self.is_ready_to_start(index);
                    assert!(!ready, "{name} waits, and nothing keeps it from starting");
                }
                State::Backoff { until } => assert!(wakes_by(*until), "{name} is never retried"),
                State::Starting { run }
                | State::Unready(Unready { run, .. })
                | State::Up(Up { run, .. }) => {
                    assert!(view.lives().contains_key(run), "{name}: no such run");
                }
                State::Stopping(stopping) => {
                    let runs = [Some(stopping.run), stopping.command];
                    for run in runs.into_iter().flatten() {
                        let life = view.lives().get(&run).expect("it waits for a run that is gone");
                        let due = life.deadline().expect("on its way down without a deadline");
                        assert!(wakes_by(due), "{name}: nobody looks after {run}");
                    }
                }
            }
        }
        for (run, life) in view.lives() {
            if life.role != Role::Main {
                let due = life.deadline().expect("a hook without a limit");
                assert!(wakes_by(due), "nobody looks after {run}");
            }
        }
        if let Some(shutdown) = &self.shutdown {
            let end = shutdown.end.max(now).after(KILL_TIME_MIN);
            assert!(wakes_by(end), "a shutdown nobody ends");
        }
    }

    /// Nobody is given more than its share, so that everybody gets one.
    fn invariant_shares_are_kept(&self, view: &Supervisor) {
        for (run, life) in view.lives() {
            let Some(patience) = self.runs.get(run).and_then(|run| run.patience) else { continue };
            match life.phase {
                LifePhase::Awaited { kill_at }
                | LifePhase::Drained { kill_at, .. }
                | LifePhase::Asked { kill_at, .. }
                | LifePhase::Left { kill_at, .. } => {
                    assert!(kill_at <= patience.after(ROUNDING), "{run} is given too much time");
                }
                LifePhase::Spawning
                | LifePhase::Running
                | LifePhase::Killed { .. }
                | LifePhase::LeftKilled { .. } => {}
            }
        }
    }

    fn invariant_views_agree_with_the_world(&self, truth: &Truth, view: &Supervisor) {
        for (index, service) in view.services().iter().enumerate() {
            let name = &service.spec.name;
            let record = &self.services[index];
            assert_eq!(service.runs, record.executed, "{name}: how often it was executed");
            match &service.state {
                State::Unready(Unready { run, .. }) | State::Up(Up { run, .. }) => {
                    assert_eq!(truth.processes[run].leader, Leader::Running, "{name} is not up");
                    assert_eq!(truth.processes[run].role, Role::Main);
                }
                State::Starting { run } => {
                    // It may be on its way to the host.
                    let process = truth.processes.get(run);
                    assert!(process.is_none_or(|process| !process.gone), "{name} does not start");
                }
                State::Stopping(stopping) => {
                    let process = truth.processes.get(&stopping.run);
                    assert!(process.is_none_or(|process| !process.gone), "{name} has stopped");
                }
                State::Down
                | State::Waiting
                | State::Backoff { .. }
                | State::Completed { .. }
                | State::Failed { .. } => {
                    let alive = truth.processes.values().any(|p| p.service == *name && !p.gone);
                    assert!(!alive, "{name} is {} and lives", service.state.word());
                }
            }
        }
    }

    fn invariant_the_verdict_follows_policy(&self, code: u8) {
        let shutdown = self.shutdown.as_ref().expect("over, and nobody knows why");
        let expected = self.main_code.unwrap_or(shutdown.code);
        assert_eq!(code, expected, "the exit code");
    }

    fn invariant_over_within_the_budget(&self, truth: &Truth, now: Time) {
        let Some(shutdown) = &self.shutdown else { return };
        let lateness = truth.lateness - shutdown.lateness_before.unwrap_or(truth.lateness);
        let end = shutdown.end.after(KILL_TIME_MIN + lateness);
        assert!(now <= end, "the budget was over at {end:?}");
    }

    fn invariant_nobody_is_left(&self, truth: &Truth, now: Time) {
        let shutdown = self.shutdown.as_ref().unwrap();
        let killed = shutdown.hasty
            || now.after(ROUNDING) >= shutdown.end
            || now >= shutdown.began.after(LEFTOVERS_TIME_MAX);
        assert!(truth.is_empty() || killed, "over, and somebody is left who was not killed");
    }

    fn invariant_no_time_is_slept_out(&self, truth: &Truth, now: Time) {
        let began = self.shutdown.as_ref().map_or(now, |shutdown| shutdown.began);
        let Some(empty) = truth.empty_since else { return };
        let idle = now.since(empty.max(began));
        let lateness = truth.lateness;
        assert!(idle <= lateness, "{idle:?} were slept out with nobody there");
    }
}

/// The services of which something lives.
fn alive(view: &Supervisor) -> BTreeSet<usize> {
    view.lives().values().map(|life| life.service.0).collect()
}

fn invariant_goal_and_state_fit(view: &Supervisor) {
    for service in view.services() {
        let name = &service.spec.name;
        match (service.goal, &service.state) {
            (Goal::Up, State::Down) => panic!("{name} is wanted, and nothing is done for it"),
            (Goal::Down | Goal::Gone, State::Waiting | State::Backoff { .. }) => {
                panic!("{name} is to be started, and nobody wants it")
            }
            (Goal::Up | Goal::Down | Goal::Gone, _) => {}
        }
    }
}
