//! What must hold however much is asked and changed: a second set of invariants, by name.
//!
//! The oracle works policies out by place in start order, for a plan that stays. The clerk knows
//! less of policy, and is there in every scene: it keeps the questions and their answers, what was
//! told, who was stopped by hand, and what the sources said.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use onit::limits::{
    BEFORE_START_TIME_MAX, KILL_TIME_MIN, LEFTOVERS_TIME_MAX, READY_PROBE_FIRST_INTERVAL,
    SHUTDOWN_RESERVE, SPAWNS_A_TURN_MAX,
};
use onit::service::{
    Check, Condition, Hooks, Kind, Name, Pattern, Plan, Purpose, Role, RunId, Signal, Spec, Time,
};
use onit::supervisor::{
    Above, Action, Answer, Ask, By, Cause, Change, Dependents, Event, Goal, Milestone, Notice,
    Outcome, Probing, Refusal, Reloading, Rules, Sender, Service, State, Step, Supervisor, Ticket,
    Turn, Unready, Up, Verdict, Wake, Watch,
};

use crate::world::{Leader, Process, Truth};

/// Rounding of times that are computed in another order.
const ROUNDING: Duration = Duration::from_micros(10);

pub struct Clerk {
    rules: Rules,
    /// Whom each service waits for, by the latest plan; those that left it as they were.
    graph: BTreeMap<Name, Place>,
    /// Those that have left the plan and are not forgotten.
    leaving: BTreeSet<Name>,
    /// Those that were stopped by hand, or that nobody has wanted so far.
    paused: BTreeSet<Name>,
    /// The latter of those: they are only started on request.
    asleep: BTreeSet<Name>,
    /// Those that may be asked to end, and since when.
    permitted: BTreeMap<Name, Time>,
    /// Those that were on their way down because they were asked to, when last looked at.
    stopping: BTreeSet<Name>,
    /// The runs that are not gone, as far as was told.
    runs: BTreeMap<RunId, Run>,
    /// Signals somebody wanted passed on.
    passed_on: BTreeSet<(Name, Signal)>,
    questions: BTreeMap<Ticket, Question>,
    hung_up: BTreeSet<Ticket>,
    /// Who asked for the sources: those they are read for, and those who came later.
    reading: Option<(Vec<Asker>, Vec<Asker>)>,
    /// Who is wanted since the latest reload.
    wanted_by_reload: BTreeSet<Name>,
    changes: u64,
    /// What was told of each; who was never told of waits.
    told: BTreeMap<Name, &'static str>,
    ending: Option<Ending>,
    /// The exit code that the first who asked for the end asked for.
    code_asked_for: Option<u8>,
    /// When a service was probed last, and what for.
    probed: BTreeMap<Name, (RunId, Purpose, Time)>,
    /// Whoever started onit has been told that all is ready; and so in this turn.
    told_ready: bool,
    ready_now: bool,
    main_code: Option<u8>,
    instant: Time,
    turns_at_instant: usize,
    events_at_instant: usize,
}

/// What a service is by the plan, and whom it waits for.
#[derive(Clone)]
struct Place {
    spec: Arc<Spec>,
    needs: Vec<(Name, Condition)>,
    after: Vec<Name>,
}

struct Run {
    service: Name,
    role: Role,
    spec: Arc<Spec>,
    began: Time,
    exited: Option<Time>,
    /// When it was asked to end.
    asked: Option<Time>,
}

/// A question that is open.
struct Question {
    ask: Ask,
    /// Whom it is about.
    names: BTreeSet<Name>,
    refusal: Option<&'static str>,
    saw_difference: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Asker {
    Signal,
    Client { dry_run: bool },
}

/// Everything is being stopped.
struct Ending {
    end: Time,
    lateness_before: Option<Duration>,
    code: Option<u8>,
}

impl Clerk {
    pub fn new(plan: &Plan, rules: Rules) -> Self {
        let by_request = plan.nodes().iter().filter(|node| !node.spec.autostart);
        let asleep: BTreeSet<Name> = by_request.map(|node| node.spec.name.clone()).collect();
        let mut clerk = Self {
            rules,
            graph: graph(plan),
            leaving: BTreeSet::new(),
            paused: asleep.clone(),
            asleep,
            permitted: BTreeMap::new(),
            stopping: BTreeSet::new(),
            runs: BTreeMap::new(),
            passed_on: BTreeSet::new(),
            questions: BTreeMap::new(),
            hung_up: BTreeSet::new(),
            reading: None,
            wanted_by_reload: BTreeSet::new(),
            changes: 0,
            told: BTreeMap::new(),
            ending: None,
            code_asked_for: None,
            probed: BTreeMap::new(),
            told_ready: false,
            ready_now: false,
            main_code: None,
            instant: Time::ZERO,
            turns_at_instant: 0,
            events_at_instant: 0,
        };
        clerk.wake_the_needed();
        clerk.told = clerk.paused.iter().map(|name| (name.clone(), "down")).collect();
        clerk
    }

    // ---- the doors ----

    /// The supervisor is about to be told something, and is still as it was.
    pub fn about_to_tell(&mut self, event: &Event, view: &Supervisor, now: Time) {
        self.events_at_instant += 1;
        match event {
            Event::Asked { ticket, ask } => self.asked(*ticket, ask, view, now),
            Event::HungUp { ticket } => {
                self.questions.remove(ticket);
                self.hung_up.insert(*ticket);
            }
            Event::PlanRead { result } => {
                let (askers, later) = self.reading.take().expect("a plan nobody asked for");
                let meant = askers.iter().any(|a| *a != Asker::Client { dry_run: true });
                if let (Ok(plan), true, false) = (result, meant, view.is_stopping()) {
                    self.reloaded(plan, view, now);
                }
                if !later.is_empty() && !view.is_stopping() {
                    self.reading = Some((later, Vec::new()));
                }
            }
            Event::Signalled { signal, sender } => self.signalled(*signal, *sender, view),
            // As meant as a signal.
            Event::SourcesChanged => self.read_for(Asker::Signal),
            Event::Exited { run, exit } => {
                let run = self.runs.get_mut(run).unwrap();
                run.exited = Some(now);
                if run.spec.kind == Kind::Main && run.role == Role::Main {
                    self.main_code = Some(exit.code());
                }
            }
            Event::Gone { run } | Event::SpawnFailed { run, .. } => {
                self.runs.remove(run);
            }
            Event::Spawned { run } => self.executed(*run, view, now),
            Event::Announced { .. }
            | Event::Mute { .. }
            | Event::Notified { .. }
            | Event::Found { .. }
            | Event::Alone
            | Event::DeadlinePassed => {}
        }
    }

    /// A command runs again: those that are restarted with it may be asked to end.
    fn executed(&mut self, run: RunId, view: &Supervisor, now: Time) {
        let Some(Run { service, role: Role::Main, .. }) = self.runs.get(&run) else { return };
        let service = service.clone();
        if find(view, &service).is_none_or(|service| service.runs == 0) {
            return;
        }
        for other in view.services().iter().filter(|o| o.spec.restart_with.contains(&service)) {
            let runs = matches!(
                other.state,
                State::Starting { .. } | State::Unready(_) | State::Up(_) | State::Stopping(_)
            );
            if runs && other.goal == Goal::Up {
                self.permit(&other.spec.name, now);
            }
        }
    }

    /// It has been told.
    pub fn told(&mut self, view: &Supervisor, now: Time) {
        if view.is_stopping() {
            self.begin_ending(now);
        }
        self.invariant_goals_are_what_was_asked_for(view);
        self.invariant_who_is_asked_to_end_has_nobody_above(view, now);
        self.invariant_lives_are_the_runs_that_are_not_gone(view);
    }

    /// Something is about to be done.
    pub fn performed(&mut self, action: &Action, truth: &Truth, now: Time) {
        match action {
            Action::Spawn { run, service, role } => self.spawning(*run, service, *role, truth, now),
            Action::Kill { run, signal, .. } => self.killing(*run, *signal, now),
            Action::Report(Notice::ShuttingDown { by }) => self.shutting_down(by, now),
            Action::Tell(change) => self.invariant_changes_are_told_in_order(change),
            Action::Reply { ticket, answer } => self.answered(*ticket, answer),
            Action::Forget { service } => {
                assert!(self.leaving.remove(service), "{service} is forgotten, and has not left");
                let lives = self.runs.values().any(|run| run.service == *service);
                assert!(!lives, "{service} is forgotten, and lives");
                self.told.remove(service);
                self.graph.remove(service);
                // Of one that is no longer there nothing can be said.
                for question in self.questions.values_mut() {
                    question.names.remove(service);
                }
            }
            Action::EndInput { service } => {
                for process in truth.processes.values().filter(|process| !process.gone) {
                    let writes = process.consumers.contains(service);
                    assert!(!writes, "{} writes to {service} and lives", process.service);
                }
            }
            Action::TellAbove(Above::Ready) => {
                assert!(!std::mem::replace(&mut self.told_ready, true), "READY=1 is told twice");
                self.ready_now = true;
            }
            Action::TellAbove(_)
            | Action::Release { .. }
            | Action::Sweep { .. }
            | Action::Report(_)
            | Action::ReadPlan
            | Action::Adopt { .. } => {}
        }
    }

    /// A turn is over: all actions are done, and nothing new has happened.
    pub fn turn(&mut self, truth: &Truth, view: &Supervisor, wake: Wake, spawns: usize, now: Time) {
        self.told(view, now);
        if std::mem::take(&mut self.ready_now) {
            let is_settled = |s: &Service| {
                let is_up = matches!(s.state, State::Up(_)) && s.spec.kind != Kind::Oneshot;
                is_up || s.state.is_at_rest()
            };
            assert!(view.services().iter().all(is_settled), "READY=1, and not all is ready");
        }
        assert!(spawns <= SPAWNS_A_TURN_MAX, "{spawns} spawns in a turn");
        if let Some(ending) = &mut self.ending {
            ending.lateness_before.get_or_insert(truth.lateness);
        }
        self.invariant_no_spin(now);
        if wake != Wake::Now {
            self.invariant_the_last_told_state_is_true(view);
            self.invariant_nothing_is_stuck(view);
            self.invariant_open_questions_have_something_to_wait_for(view);
        }
        if truth.untold.is_empty() {
            invariant_views_agree_with_the_world(truth, view);
        }
        self.invariant_over_within_the_budget(truth, now);
    }

    /// It is over.
    pub fn over(&mut self, code: u8, view: &Supervisor, truth: &Truth, now: Time) {
        self.invariant_over_within_the_budget(truth, now);
        let expected = self.main_code.or(self.ending.as_ref().and_then(|ending| ending.code));
        assert!(expected.is_none_or(|expected| expected == code), "{code}, not {expected:?}");
        if view.services().iter().all(|service| service.state.is_at_rest()) {
            for (ticket, question) in &self.questions {
                let reads = matches!(question.ask, Ask::Reload { .. }) && self.reading.is_some();
                assert!(reads, "{ticket:?} is never answered: {:?}", question.ask);
            }
        }
    }

    // ---- what is asked ----

    fn asked(&mut self, ticket: Ticket, ask: &Ask, view: &Supervisor, now: Time) {
        let known = || view.services().iter().filter(|service| service.goal != Goal::Gone);
        let fits = |pattern: &Pattern, s: &Service| pattern.fits(s.spec.name.as_str().as_bytes());
        let (patterns, changes) = match ask {
            Ask::Start { names, .. } | Ask::Restart { names, .. } | Ask::Stop { names, .. } => {
                (names.as_slice(), true)
            }
            Ask::ReloadServices { names, .. } => (names.as_slice(), true),
            Ask::Reload { .. } => (&[] as &[Pattern], true),
            Ask::Status { names } | Ask::Signal { names, .. } | Ask::Wait { names, .. } => {
                (names.as_slice(), false)
            }
            Ask::Health { .. } | Ask::Shutdown { .. } => (&[] as &[Pattern], false),
        };
        let targets: Vec<&Service> = known()
            .filter(|service| patterns.is_empty() || patterns.iter().any(|p| fits(p, service)))
            .collect();
        let names: BTreeSet<Name> = targets.iter().map(|s| s.spec.name.clone()).collect();
        let unknown = patterns.iter().any(|pattern| !known().any(|s| fits(pattern, s)));
        let has_main = targets.iter().any(|service| service.spec.kind == Kind::Main);
        let refusal = match ask {
            _ if changes && view.is_stopping() => Some("stopping"),
            _ if unknown => Some("unknown"),
            Ask::Stop { .. } | Ask::Restart { .. } if has_main => Some("main"),
            Ask::Stop { dependents: Dependents::Refuse, .. } => {
                let needed = self.dependents(&names, view).is_subset(&names);
                (!needed).then_some("needed")
            }
            Ask::Signal { names, .. } => {
                let is_named = |service: &Service| {
                    names.iter().any(|name| name.as_str() == service.spec.name.as_str())
                };
                let running = |service: &&Service| self.command_of(service, view).is_some();
                let missed = targets.iter().any(|s| is_named(s) && !running(s));
                (missed || !targets.iter().any(running)).then_some("not running")
            }
            Ask::ReloadServices { names, .. } => {
                let named = |service: &&&Service| {
                    let name = service.spec.name.as_str();
                    names.iter().any(|pattern| pattern.as_str() == name)
                };
                let unable = targets.iter().filter(named).any(|s| s.spec.reload.is_none());
                let is_up = |service: &&Service| matches!(service.state, State::Up(_));
                let idle = targets.iter().filter(named).any(|service| !is_up(service));
                if unable { Some("no reload") } else { idle.then_some("not ready") }
            }
            Ask::Status { .. }
            | Ask::Health { .. }
            | Ask::Start { .. }
            | Ask::Stop { .. }
            | Ask::Restart { .. }
            | Ask::Wait { .. }
            | Ask::Reload { .. }
            | Ask::Shutdown { .. } => None,
        };
        if refusal.is_none() {
            self.accepted(ask, &names, view, now);
        }
        let question = Question { ask: ask.clone(), names, refusal, saw_difference: false };
        assert!(self.questions.insert(ticket, question).is_none(), "a ticket is used twice");
    }

    fn accepted(&mut self, ask: &Ask, names: &BTreeSet<Name>, view: &Supervisor, now: Time) {
        match ask {
            Ask::Start { .. } => {
                let wanted = self.with_needs(names, view);
                self.is_wanted_now(&wanted);
            }
            Ask::Restart { .. } => {
                let wanted = self.with_needs(names, view);
                self.is_wanted_now(&wanted);
                names.iter().for_each(|name| self.permit(name, now));
            }
            Ask::Stop { dependents, .. } => {
                let mut names = names.clone();
                if *dependents == Dependents::Stop {
                    names.extend(self.dependents(&names, view));
                }
                for name in names {
                    let service = find(view, &name).unwrap();
                    let spec = &service.spec;
                    let is_undone = spec.kind == Kind::Oneshot && spec.stop.command.is_some();
                    if is_undone || !matches!(service.state, State::Completed { .. }) {
                        self.permit(&name, now);
                        self.paused.insert(name);
                    }
                }
            }
            Ask::ReloadServices { .. } => {
                self.passed_on.extend(names.iter().map(|name| (name.clone(), Signal::USR2)));
            }
            Ask::Reload { dry_run, .. } => self.read_for(Asker::Client { dry_run: *dry_run }),
            Ask::Signal { signal, .. } => {
                self.passed_on.extend(names.iter().map(|name| (name.clone(), *signal)));
            }
            Ask::Shutdown { code } => {
                self.code_asked_for.get_or_insert(*code);
            }
            Ask::Status { .. } | Ask::Health { .. } | Ask::Wait { .. } => {}
        }
    }

    fn signalled(&mut self, signal: Signal, sender: Sender, view: &Supervisor) {
        let bare = view.services().len() == 1 && view.services()[0].spec.kind == Kind::Main;
        let stops = self.rules.stop_signals.contains(&signal) || sender == Sender::Kernel;
        if signal == Signal::HUP && !stops && !bare {
            self.read_for(Asker::Signal);
        }
        let main = view.services().iter().find(|service| service.spec.kind == Kind::Main);
        self.passed_on.extend(main.map(|main| (main.spec.name.clone(), signal)));
    }

    /// Whoever is needed by one that is wanted, and was never wanted itself, is wanted now.
    fn wake_the_needed(&mut self) {
        loop {
            let is_wanted =
                |name: &&Name| !self.paused.contains(*name) && !self.leaving.contains(*name);
            let wanted = self.graph.iter().filter(|(name, _)| is_wanted(name));
            let needed = wanted.flat_map(|(_, place)| place.needs.iter().map(|(name, _)| name));
            let next = needed.into_iter().find(|it| self.asleep.contains(*it));
            let Some(next) = next.cloned() else { return };
            self.is_wanted_now(&BTreeSet::from([next]));
        }
    }

    fn is_wanted_now(&mut self, names: &BTreeSet<Name>) {
        self.paused.retain(|name| !names.contains(name));
        self.asleep.retain(|name| !names.contains(name));
    }

    fn is_wanted_by_nobody(&mut self, name: &Name) {
        self.paused.insert(name.clone());
        self.asleep.insert(name.clone());
    }

    fn read_for(&mut self, asker: Asker) {
        match &mut self.reading {
            None => self.reading = Some((vec![asker], Vec::new())),
            Some((_, later)) => later.push(asker),
        }
    }

    /// The sources say this now.
    fn reloaded(&mut self, plan: &Plan, view: &Supervisor, now: Time) {
        let new: BTreeMap<&Name, &Arc<Spec>> =
            plan.nodes().iter().map(|node| (&node.spec.name, &node.spec)).collect();
        for (name, _) in new.iter().filter(|(_, spec)| !spec.autostart) {
            if find(view, name).is_none() {
                self.told.insert((*name).clone(), "down");
                self.is_wanted_by_nobody(name);
            }
        }
        for service in view.services() {
            let name = &service.spec.name;
            match new.get(name) {
                Some(spec) if spec.autostart && self.asleep.contains(name) => {
                    self.is_wanted_now(&BTreeSet::from([name.clone()]));
                }
                // It has left, and is back: nobody has wanted that one.
                Some(spec) if !spec.autostart && service.goal == Goal::Gone => {
                    if service.state.is_at_rest() {
                        self.is_wanted_by_nobody(name);
                    }
                }
                Some(_) | None => {}
            }
            match new.get(name) {
                None => {
                    self.leaving.insert(name.clone());
                    self.is_wanted_now(&BTreeSet::from([name.clone()]));
                    self.permit(name, now);
                }
                Some(spec) => {
                    self.leaving.remove(name);
                    // It may be on its way from a third to what it is now: that is one, too.
                    if !service.spec.is_same(spec) || service.goal != Goal::Up {
                        self.permit(name, now);
                    }
                }
            }
        }
        let mut graph = graph(plan);
        for (name, place) in std::mem::take(&mut self.graph) {
            graph.entry(name).or_insert(place);
        }
        self.graph = graph;
        self.wake_the_needed();
        let wanted = self.graph.keys().filter(|name| !self.paused.contains(*name));
        self.wanted_by_reload = wanted.cloned().collect();
    }

    /// Everyone who runs, or is about to, and needs one of these, or one that needs it.
    fn dependents(&self, names: &BTreeSet<Name>, view: &Supervisor) -> BTreeSet<Name> {
        let mut found = names.clone();
        loop {
            let more: Vec<Name> = view
                .services()
                .iter()
                .filter(|service| !found.contains(&service.spec.name))
                .filter(|s| self.place(s).needs.iter().any(|(need, _)| found.contains(need)))
                .map(|service| service.spec.name.clone())
                .collect();
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        let is_active = |name: &Name| {
            let service = find(view, name).unwrap();
            service.goal == Goal::Up && !service.state.is_at_rest()
        };
        found.into_iter().filter(|name| !names.contains(name) && is_active(name)).collect()
    }

    /// These and everyone they need.
    fn with_needs(&self, names: &BTreeSet<Name>, view: &Supervisor) -> BTreeSet<Name> {
        let mut found = names.clone();
        let mut to_look_at: Vec<Name> = names.iter().cloned().collect();
        while let Some(name) = to_look_at.pop() {
            let Some(service) = find(view, &name) else { continue };
            for (need, _) in &self.place(service).needs {
                if find(view, need).is_some() && found.insert(need.clone()) {
                    to_look_at.push(need.clone());
                }
            }
        }
        found
    }

    /// It may be asked to end. Whoever asks again does not give it more time.
    fn permit(&mut self, name: &Name, now: Time) {
        self.permitted.entry(name.clone()).or_insert(now);
    }

    fn place(&self, service: &Service) -> &Place {
        &self.graph[&service.spec.name]
    }

    /// Everyone whom a service waits for, and whom they wait for, and so on.
    fn below(&self, name: &Name) -> BTreeSet<Name> {
        let mut found = BTreeSet::new();
        let mut to_look_at = vec![name.clone()];
        while let Some(name) = to_look_at.pop() {
            let Some(place) = self.graph.get(&name) else { continue };
            let needs = place.needs.iter().map(|(need, _)| need);
            for other in needs.chain(&place.after) {
                if self.graph.contains_key(other) && found.insert(other.clone()) {
                    to_look_at.push(other.clone());
                }
            }
        }
        found
    }

    /// The run of a service's command, if its process is there.
    fn command_of(&self, service: &Service, view: &Supervisor) -> Option<RunId> {
        let is_it = |run: &Run| {
            run.service == service.spec.name && run.role == Role::Main && run.exited.is_none()
        };
        let run = service.run()?;
        match self.runs.get(&run) {
            Some(known) => is_it(known).then_some(run),
            // Its spawn is on its way to the world.
            None => view.lives().get(&run).filter(|life| life.role == Role::Main).map(|_| run),
        }
    }

    // ---- what is done ----

    fn spawning(&mut self, run: RunId, spec: &Arc<Spec>, role: Role, truth: &Truth, now: Time) {
        let name = &spec.name;
        // A probe that was killed may be on its way out still; nobody waits for it.
        let is_helper = |p: &Process| matches!(p.role, Role::Probe { .. } | Role::Reload { .. });
        let alive = truth.processes.iter().filter(|(_, p)| p.service == *name && !p.gone);
        let mut others = alive.filter(|(_, p)| !is_helper(p)).map(|(run, _)| *run);
        match role {
            Role::StopCommand { main } => assert!(others.all(|other| Some(other) == main)),
            Role::Probe { main, purpose } => {
                self.invariant_probes_are_of_what_runs(name, main, purpose, truth, now);
            }
            Role::Reload { main } => {
                assert!(self.ending.is_none(), "{name} is reloaded in a shutdown");
                assert!(others.all(|other| other == main), "{name}: reloaded besides another run");
            }
            Role::Main | Role::BeforeStart { .. } | Role::AfterExit { .. } => {
                assert_eq!(others.next(), None, "{name} runs twice");
            }
        }
        let first = match role {
            Role::BeforeStart { index } => index == 0,
            Role::Main => spec.hooks.before_start.is_empty(),
            Role::Probe { .. }
            | Role::Reload { .. }
            | Role::StopCommand { .. }
            | Role::AfterExit { .. } => false,
        };
        if first {
            assert!(self.ending.is_none(), "{name} is started in a shutdown");
            assert!(!self.paused.contains(name), "{name} is not wanted, and is started");
            assert!(!self.leaving.contains(name), "{name} has left the plan, and is started");
            self.invariant_starts_wait_for_needs(name, spec);
        }
        let (service, spec) = (name.clone(), spec.clone());
        let run_of_it = Run { service, role, spec, began: now, exited: None, asked: None };
        self.runs.insert(run, run_of_it);
    }

    fn killing(&mut self, run: RunId, signal: Signal, now: Time) {
        let killed = self.runs.get(&run).expect("a signal to a run that is gone");
        if self.ending.is_some() {
            return;
        }
        let (name, spec) = (&killed.service, &killed.spec);
        if signal != Signal::KILL {
            let hook = matches!(killed.role, Role::StopCommand { .. });
            let passed_on = self.passed_on.contains(&(name.clone(), signal));
            let wanted = killed.asked.is_some() || spec.forward_signals.contains(&signal);
            assert!(wanted || hook || passed_on, "{name} is sent {signal}, and nobody asked us");
            return;
        }
        if self.passed_on.contains(&(name.clone(), signal)) {
            return;
        }
        let timeout = spec.stop.timeout;
        let limit = match killed.role {
            // When what they are about is on its way down, they are killed with it.
            Role::Probe { .. } | Role::Reload { .. } => return,
            Role::Main => Time::at(Duration::MAX),
            Role::BeforeStart { .. } => killed.began.after(BEFORE_START_TIME_MAX),
            Role::AfterExit { .. } => killed.began.after(Hooks::AFTER_EXIT_TIMEOUT),
            Role::StopCommand { .. } => killed.began.after(timeout),
        };
        let permitted = self.permitted.get(name).map(|since| since.after(timeout));
        let left = killed.exited.map(|at| at.after(LEFTOVERS_TIME_MAX.min(timeout)));
        let patience = match (killed.role, killed.asked) {
            (_, Some(asked)) => Some(asked.after(timeout)),
            (Role::Main, None) => None,
            (_, None) => permitted,
        };
        let patience = patience.map_or(limit, |patience| patience.min(limit));
        let patience = left.map_or(patience, |left| left.min(patience));
        let late = now.after(ROUNDING) >= patience;
        assert!(late, "{name} is killed before its time, which is {patience:?}");
    }

    fn begin_ending(&mut self, now: Time) -> &mut Ending {
        let whole = LEFTOVERS_TIME_MAX + SHUTDOWN_RESERVE;
        let end = now.after(self.rules.stop_timeout.unwrap_or(whole));
        self.ending.get_or_insert(Ending { end, lateness_before: None, code: None })
    }

    fn shutting_down(&mut self, by: &By, now: Time) {
        let code = match by {
            By::Signal(_) => Some(0),
            By::Request => self.code_asked_for,
            By::Unhealthy { .. } => Some(1),
            By::Service { code, .. } => Some(*code),
            By::NothingLeft { code } => {
                assert!(self.paused.is_empty(), "over, and {:?} can be started", self.paused);
                let by_request = |(name, place): &(&Name, &Place)| {
                    !place.spec.autostart && !self.leaving.contains(*name)
                };
                let one = self.graph.iter().find(by_request).map(|(name, _)| name);
                assert_eq!(one, None, "over, and it can be started");
                Some(*code)
            }
        };
        self.begin_ending(now).code = code;
    }

    fn answered(&mut self, ticket: Ticket, answer: &Answer) {
        if self.hung_up.contains(&ticket) {
            return;
        }
        let question = self.questions.get_mut(&ticket);
        let question = question.unwrap_or_else(|| panic!("{ticket:?} is answered twice"));
        let told = &self.told;
        let word = |name: &Name| *told.get(name).unwrap_or(&"waiting");
        match answer {
            Answer::Progress(reports) | Answer::Status(reports) => {
                for report in reports {
                    assert_eq!(report.state.word(), word(&report.spec.name));
                }
            }
            Answer::Difference(difference) => {
                assert!(!std::mem::replace(&mut question.saw_difference, true));
                if matches!(question.ask, Ask::Reload { dry_run: false, .. }) {
                    let starts: BTreeSet<&Name> =
                        difference.started.iter().chain(&difference.restarted).collect();
                    for name in difference.added.iter().chain(&difference.changed) {
                        let is_wanted = self.wanted_by_reload.contains(name);
                        assert_eq!(starts.contains(name), is_wanted, "{name}: {difference:?}");
                    }
                }
            }
            Answer::Done(outcomes) => {
                // It tells how each was when it came so far, which may be some time ago.
                for outcome in outcomes {
                    invariant_an_outcome_is_true(&question.ask, outcome);
                }
            }
            Answer::Health { .. } | Answer::ShuttingDown | Answer::Refused(_) => {}
        }
        let is_last = match answer {
            Answer::Progress(_) | Answer::Difference(_) => false,
            Answer::Refused(_)
            | Answer::Status(_)
            | Answer::Health { .. }
            | Answer::Done(_)
            | Answer::ShuttingDown => true,
        };
        if !is_last {
            return;
        }
        let question = self.questions.remove(&ticket).unwrap();
        let ask = &question.ask;
        match (ask, answer) {
            (_, Answer::Refused(refusal)) => {
                let why = match refusal {
                    Refusal::Unknown { .. } => "unknown",
                    Refusal::Stopping => "stopping",
                    Refusal::MainCommand => "main",
                    Refusal::Needed { .. } => "needed",
                    Refusal::NotRunning { .. } => "not running",
                    Refusal::NoReload { .. } => "no reload",
                    Refusal::NotReady { .. } => "not ready",
                    Refusal::Problems(_) => "problems",
                };
                let is_reload = matches!(ask, Ask::Reload { .. });
                let late = is_reload && (why == "problems" || why == "stopping");
                // It was there when it was asked for, and has left the plan.
                let has_left = match refusal {
                    Refusal::Unknown { pattern, .. } => {
                        self.graph.keys().all(|name| name.as_str() != pattern.as_str())
                    }
                    Refusal::Stopping
                    | Refusal::MainCommand
                    | Refusal::Needed { .. }
                    | Refusal::NotRunning { .. }
                    | Refusal::NoReload { .. }
                    | Refusal::NotReady { .. }
                    | Refusal::Problems(_) => false,
                };
                let late = late || (has_left && question.refusal.is_none());
                assert!(late || question.refusal == Some(why), "{ask:?} is refused: {why}");
                return;
            }
            (Ask::Status { .. }, Answer::Status(_))
            | (Ask::Health { .. }, Answer::Health { .. })
            | (Ask::Shutdown { .. }, Answer::ShuttingDown) => {}
            (Ask::Reload { .. }, Answer::Done(_)) => assert!(question.saw_difference),
            (
                Ask::Start { .. } | Ask::Stop { .. } | Ask::Restart { .. } | Ask::Wait { .. },
                Answer::Done(outcomes),
            ) => {
                for name in question.names.iter().filter(|name| self.graph.contains_key(name)) {
                    let is_told = outcomes.iter().any(|o| o.report.spec.name == *name);
                    assert!(is_told, "nothing is said of {name}");
                }
            }
            (Ask::Signal { .. } | Ask::ReloadServices { .. }, Answer::Done(_)) => {}
            (ask, answer) => panic!("{ask:?} is answered {answer:?}"),
        }
        assert_eq!(question.refusal, None, "{ask:?} is to be refused");
    }

    // ---- the invariants ----

    /// Not wanted is what was stopped by hand, or has left the plan; everything else is.
    fn invariant_goals_are_what_was_asked_for(&self, view: &Supervisor) {
        let names: BTreeSet<&Name> = view.services().iter().map(|s| &s.spec.name).collect();
        assert_eq!(names.len(), view.services().len(), "a service stands there twice");
        for service in view.services() {
            let name = &service.spec.name;
            let goal = if view.is_stopping() {
                Goal::Down
            } else if self.leaving.contains(name) {
                Goal::Gone
            } else if self.paused.contains(name) {
                Goal::Down
            } else {
                Goal::Up
            };
            assert_eq!(service.goal, goal, "{name}");
            match (goal, &service.state) {
                (Goal::Up, State::Down) => panic!("{name} is wanted, and nothing is done for it"),
                (Goal::Down | Goal::Gone, State::Waiting | State::Backoff { .. }) => {
                    panic!("{name} is to be started, and nobody wants it")
                }
                (Goal::Up | Goal::Down | Goal::Gone, _) => {}
            }
        }
        for name in self.graph.keys().filter(|name| !self.leaving.contains(name)) {
            assert!(names.contains(name), "{name} is lost");
        }
    }

    fn invariant_who_is_asked_to_end_has_nobody_above(&mut self, view: &Supervisor, now: Time) {
        // What is unfit, or says that it is about to end, has its time, too.
        for service in view.services() {
            if let State::Stopping(stopping) = &service.state
                && stopping.end.is_none()
                && let Some(run) = self.runs.get_mut(&stopping.run)
            {
                run.asked.get_or_insert(now);
            }
        }
        let is_asked = |service: &&Service| match &service.state {
            State::Stopping(stopping) => stopping.cause == Cause::Asked,
            State::Down
            | State::Waiting
            | State::Starting { .. }
            | State::Unready(_)
            | State::Up(_)
            | State::Backoff { .. }
            | State::Completed { .. }
            | State::Failed { .. } => false,
        };
        let stopping: BTreeSet<Name> =
            view.services().iter().filter(is_asked).map(|s| s.spec.name.clone()).collect();
        for name in stopping.difference(&self.stopping) {
            let permitted = self.permitted.contains_key(name) || self.ending.is_some();
            assert!(permitted, "{name} is asked to end, and nobody asked us");
            for run in self.runs.values_mut().filter(|run| run.service == *name) {
                run.asked.get_or_insert(now);
            }
            let unwanted = |s: &Service| s.goal != Goal::Up && !s.state.is_at_rest();
            if !unwanted(find(view, name).unwrap()) {
                continue;
            }
            // Also of those that need it no more, but did, and are not yet what they are now.
            let uses = |run: &Run| run.spec.depends_on.iter().any(|it| it.name == *name);
            let gone = self.leaving.contains(name) && self.ending.is_none();
            for run in self.runs.values().filter(|run| uses(run) && gone) {
                let user = &run.service;
                assert!(!stopping.contains(user), "{name} is stopped while {user} still uses it");
            }
            for other in view.services().iter().filter(|other| unwanted(other)) {
                let other = &other.spec.name;
                let above = self.below(other).contains(name);
                assert!(!above, "{name} is stopped while {other} still waits for it");
            }
        }
        self.stopping = stopping;
    }

    fn invariant_lives_are_the_runs_that_are_not_gone(&self, view: &Supervisor) {
        for (run, life) in view.lives() {
            let name = &view.services()[life.service.0].spec.name;
            match self.runs.get(run) {
                Some(known) => {
                    assert_eq!(known.service, *name, "{run} belongs to somebody else");
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

    fn invariant_changes_are_told_in_order(&mut self, change: &Change) {
        assert_eq!(change.number, self.changes + 1, "a change was left out");
        self.changes = change.number;
        let (name, word) = (&change.report.spec.name, change.report.state.word());
        let before = self.told.insert(name.clone(), word).unwrap_or("waiting");
        assert_eq!(change.before, before, "{name}: what it was before");
        assert_ne!(word, before, "{name} is told to be what it was");
        match change.report.state {
            State::Waiting
            | State::Down
            | State::Completed { .. }
            | State::Failed { .. }
            | State::Backoff { .. } => {
                self.permitted.remove(name);
            }
            State::Starting { .. } | State::Unready(_) | State::Up(_) | State::Stopping(_) => {}
        }
    }

    fn invariant_the_last_told_state_is_true(&self, view: &Supervisor) {
        for service in view.services() {
            let told = self.told.get(&service.spec.name).unwrap_or(&"waiting");
            assert_eq!(service.state.word(), *told, "{}", service.spec.name);
        }
    }

    /// What was told when the start was decided is what it was decided on.
    fn invariant_starts_wait_for_needs(&self, name: &Name, spec: &Spec) {
        let word = |name: &Name| *self.told.get(name).unwrap_or(&"waiting");
        for dependency in &spec.depends_on {
            let (other, condition) = (&dependency.name, dependency.condition);
            let reached = match word(other) {
                "completed" => true,
                "up" => condition != Condition::Completed,
                "unhealthy" => condition == Condition::Started,
                "starting" => condition == Condition::Started && self.is_executed(other),
                _ => false,
            };
            assert!(reached, "{name} starts while {other} is {}", word(other));
        }
        for other in spec
            .after
            .iter()
            .chain(&*spec.restart_with)
            .filter(|other| self.graph.contains_key(other))
        {
            let known = matches!(word(other), "up" | "unhealthy" | "completed" | "failed" | "down");
            assert!(known, "{name} starts while {other} is {}", word(other));
        }
    }

    fn is_executed(&self, name: &Name) -> bool {
        self.runs.values().any(|run| run.service == *name && run.role == Role::Main)
    }

    /// One at a time, of what runs, and never sooner after the one before than is said.
    fn invariant_probes_are_of_what_runs(
        &mut self,
        name: &Name,
        main: RunId,
        purpose: Purpose,
        truth: &Truth,
        now: Time,
    ) {
        assert!(self.ending.is_none(), "{name} is probed in a shutdown");
        let probed = self.runs.get(&main).expect("a probe of a run that is gone");
        assert!(probed.asked.is_none(), "{name} is probed on its way down");
        let spec = &probed.spec;
        let interval = match purpose {
            Purpose::Ready => spec.ready.as_ref().unwrap().interval.min(READY_PROBE_FIRST_INTERVAL),
            Purpose::Health => match spec.health.as_ref().unwrap().check {
                Check::Probe { interval, .. } => interval,
                Check::Watchdog(_) => panic!("{name} has a watchdog, and is probed"),
            },
        };
        for (run, process) in &truth.processes {
            if let Role::Probe { main: of, .. } = process.role {
                let over = of != main || process.leader == Leader::Ended;
                assert!(over, "{name} is probed twice at the same time: {run}");
            }
        }
        if let Some((of, last, before)) = self.probed.insert(name.clone(), (main, purpose, now))
            && (of, last) == (main, purpose)
        {
            assert!(now.since(before) >= interval, "{name} is probed too soon again");
        }
    }

    fn invariant_nothing_is_stuck(&self, view: &Supervisor) {
        for service in view.services() {
            let name = &service.spec.name;
            match &service.state {
                State::Down | State::Completed { .. } | State::Failed { .. } => {
                    let gone = service.goal == Goal::Gone && !view.is_stopping();
                    let is_its = |run: &Run| run.service == *name;
                    // A probe that was killed is still on its way out.
                    let held = self.is_held(name, view) || self.runs.values().any(is_its);
                    assert!(!gone || held, "{name} has left, and is not forgotten");
                }
                State::Waiting => {
                    let ready = self.is_ready_to_start(service, view);
                    assert!(!ready, "{name} waits, and nothing keeps it from starting");
                }
                State::Backoff { until } => match view.wake() {
                    Wake::Now => {}
                    Wake::At(at) => assert!(at <= *until, "{name} is never retried"),
                    Wake::Never => panic!("{name} is never retried"),
                },
                State::Starting { run }
                | State::Unready(Unready { run, .. })
                | State::Up(Up { run, .. }) => {
                    self.invariant_somebody_comes_back(service, view);
                    assert!(view.lives().contains_key(run), "{name}: no such run");
                    let is_late = !service.spec.is_same(&self.place(service).spec);
                    let wanted = service.goal == Goal::Up;
                    let as_it_was = is_late && wanted && !self.reads_on(service, view);
                    assert!(!as_it_was, "{name} has changed, and runs as it was");
                    if service.goal != Goal::Up && !view.is_stopping() {
                        let held = self.is_held(name, view);
                        assert!(held, "{name} is not wanted, and nobody stops it");
                    }
                }
                State::Stopping(stopping) => {
                    for run in [Some(stopping.run), stopping.command].into_iter().flatten() {
                        let life = view.lives().get(&run).expect("it waits for one that is gone");
                        assert!(life.deadline().is_some(), "{name}: nobody looks after {run}");
                    }
                }
            }
        }
    }

    /// Whether it is to read no longer what others write, and one of those is on its way down.
    fn reads_on(&self, service: &Service, view: &Supervisor) -> bool {
        let name = &service.spec.name;
        let writes = |other: &&Service| other.spec.log.consumers().any(|it| it == name);
        let changes = |other: &Service| {
            let is_there = other.goal == Goal::Up;
            !is_there || !other.spec.is_same(&self.place(other).spec)
        };
        let is_to = service.spec.is_consumer && !self.place(service).spec.is_consumer;
        let mut writers = view.services().iter().filter(writes);
        is_to && writers.any(|other| !other.state.is_at_rest() && changes(other))
    }

    /// What is to be ready in time is given up, what is to be looked at is.
    fn invariant_somebody_comes_back(&self, service: &Service, view: &Supervisor) {
        let name = &service.spec.name;
        let probing = |probing: &Probing| match &probing.turn {
            Turn::Due(at) => Some(*at),
            Turn::Running { run, .. } => {
                assert!(view.lives().contains_key(run), "{name}: a probe that is gone");
                None
            }
        };
        let due = match &service.state {
            State::Unready(Unready { until, step: Step::Announcement, .. }) => Some(*until),
            State::Unready(Unready { until, step: Step::Probe(step), .. }) => {
                Some(probing(step).map_or(*until, |at| at.min(*until)))
            }
            State::Up(Up { watch, reload, .. }) => {
                let check = match watch {
                    Watch::Nobody => None,
                    Watch::Probe(step) => probing(step),
                    Watch::Watchdog { until, .. } => *until,
                };
                let answer = match reload {
                    Reloading::Answer { until, .. } => Some(*until),
                    Reloading::Command { run, .. } => {
                        assert!(view.lives().contains_key(run), "{name}: a reload that is gone");
                        None
                    }
                    Reloading::Idle | Reloading::Failed(_) => None,
                };
                check.into_iter().chain(answer).min()
            }
            State::Down
            | State::Waiting
            | State::Starting { .. }
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Completed { .. }
            | State::Failed { .. } => None,
        };
        let (Some(due), false) = (due, view.is_stopping()) else { return };
        match view.wake() {
            Wake::Now => {}
            Wake::At(at) => assert!(at <= due, "{name}: nobody comes back at {due:?}"),
            Wake::Never => panic!("{name}: nobody comes back at {due:?}"),
        }
    }

    /// Whether somebody waits for it who is still to stop as well.
    fn is_held(&self, name: &Name, view: &Supervisor) -> bool {
        let unwanted = |s: &&Service| s.goal != Goal::Up && !s.state.is_at_rest();
        let mut others = view.services().iter().filter(unwanted);
        let mut changing = view.services().iter().filter(|other| {
            let uses = |other: &Service| other.spec.depends_on.iter().any(|it| it.name == *name);
            let used = uses(other)
                || other.spec.after.contains(name)
                || other.spec.restart_with.contains(name);
            let goes_down = matches!(other.state, State::Stopping(_)) || unwanted(other);
            used && goes_down && self.leaving.contains(name)
        });
        changing.next().is_some() || others.any(|other| self.below(&other.spec.name).contains(name))
    }

    fn is_ready_to_start(&self, service: &Service, view: &Supervisor) -> bool {
        let place = self.place(service);
        let needs = place.needs.iter().all(|(other, condition)| {
            let other = find(view, other).expect("it needs one that is not there");
            match (&other.state, condition) {
                // To be told that it never will be is something, too.
                (State::Completed { .. } | State::Failed { .. }, _) => true,
                (State::Up(_) | State::Unready(_), Condition::Started) => true,
                (State::Up(up), Condition::Ready) => {
                    other.spec.kind != Kind::Oneshot && up.health != Verdict::Unhealthy
                }
                _ => false,
            }
        });
        let after = place.after.iter().all(|other| {
            let Some(other) = find(view, other) else { return true };
            match other.state {
                State::Up(_) => other.spec.kind != Kind::Oneshot,
                State::Completed { .. } | State::Failed { .. } | State::Down => true,
                State::Unready(_)
                | State::Waiting
                | State::Starting { .. }
                | State::Stopping(_)
                | State::Backoff { .. } => false,
            }
        });
        needs && after
    }

    fn invariant_open_questions_have_something_to_wait_for(&self, view: &Supervisor) {
        for (ticket, question) in &self.questions {
            let state = |name: &Name| find(view, name).map(|service| &service.state);
            let word = |name: &Name| state(name).map_or("down", State::word);
            let mut names = question.names.iter().map(word);
            let open = match &question.ask {
                Ask::Start { wait: true, .. } | Ask::Restart { wait: true, .. } => {
                    names.zip(&question.names).any(|(word, name)| match word {
                        "waiting" | "starting" | "stopping" | "unhealthy" => true,
                        "up" => find(view, name).unwrap().spec.kind == Kind::Oneshot,
                        _ => false,
                    })
                }
                Ask::Stop { wait: true, dependents, .. } => {
                    let resting = ["down", "completed", "failed"];
                    *dependents == Dependents::Stop || names.any(|word| !resting.contains(&word))
                }
                Ask::Wait { milestone, .. } => names.any(|word| match word {
                    "down" | "failed" | "completed" => false,
                    "up" => *milestone != Milestone::Ready || question.has_oneshot(view),
                    _ => true,
                }),
                Ask::ReloadServices { .. } => question.names.iter().any(|name| {
                    let Some(State::Up(up)) = state(name) else { return false };
                    match up.reload {
                        Reloading::Command { .. } | Reloading::Answer { .. } => true,
                        Reloading::Idle | Reloading::Failed(_) => false,
                    }
                }),
                Ask::Reload { wait, .. } => {
                    let rests = |service: &Service| service.state.is_at_rest();
                    self.reading.is_some() || *wait && !view.services().iter().all(rests)
                }
                Ask::Start { .. }
                | Ask::Restart { .. }
                | Ask::Stop { .. }
                | Ask::Status { .. }
                | Ask::Health { .. }
                | Ask::Signal { .. }
                | Ask::Shutdown { .. } => false,
            };
            assert!(open, "{ticket:?} is not answered: {:?}", question.ask);
        }
    }

    fn invariant_no_spin(&mut self, now: Time) {
        if self.instant != now {
            (self.instant, self.turns_at_instant, self.events_at_instant) = (now, 0, 0);
        }
        self.turns_at_instant += 1;
        let bound = 20 + 20 * self.graph.len() + self.events_at_instant;
        assert!(self.turns_at_instant < bound, "{bound} turns at {now:?}");
    }

    fn invariant_over_within_the_budget(&self, truth: &Truth, now: Time) {
        let Some(ending) = &self.ending else { return };
        let lateness = truth.lateness - ending.lateness_before.unwrap_or(truth.lateness);
        let end = ending.end.after(KILL_TIME_MIN + lateness);
        assert!(now <= end, "the budget was over at {end:?}");
    }
}

impl Question {
    fn has_oneshot(&self, view: &Supervisor) -> bool {
        let mut found = self.names.iter().filter_map(|name| find(view, name));
        found.any(|service| service.spec.kind == Kind::Oneshot)
    }
}

fn graph(plan: &Plan) -> BTreeMap<Name, Place> {
    let nodes = plan.nodes();
    let name = |at: usize| nodes[at].spec.name.clone();
    let place = |at: usize| Place {
        spec: nodes[at].spec.clone(),
        needs: nodes[at].needs.iter().map(|(need, c)| (name(need.0), *c)).collect(),
        after: nodes[at].after.iter().map(|other| name(other.0)).collect(),
    };
    (0..nodes.len()).map(|at| (name(at), place(at))).collect()
}

fn find<'a>(view: &'a Supervisor, name: &Name) -> Option<&'a Service> {
    view.services().iter().find(|service| service.spec.name == *name)
}

fn invariant_an_outcome_is_true(ask: &Ask, outcome: &Outcome) {
    let state = outcome.report.state.word();
    let may = match ask {
        _ if !outcome.reached => true,
        Ask::Start { wait: true, .. } | Ask::Restart { wait: true, .. } => {
            matches!(state, "up" | "completed")
        }
        Ask::Start { wait: false, .. } | Ask::Restart { wait: false, .. } => {
            !matches!(state, "down" | "backoff" | "failed")
        }
        Ask::Stop { wait: true, .. } | Ask::Wait { milestone: Milestone::Stopped, .. } => {
            matches!(state, "down" | "completed" | "failed")
        }
        Ask::Wait { milestone: Milestone::Ready, .. } => matches!(state, "up" | "completed"),
        Ask::Wait { milestone: Milestone::Done, .. } => state == "completed",
        Ask::Stop { wait: false, .. }
        | Ask::Reload { .. }
        | Ask::ReloadServices { .. }
        | Ask::Signal { .. }
        | Ask::Status { .. }
        | Ask::Health { .. }
        | Ask::Shutdown { .. } => true,
    };
    assert!(may, "{ask:?}: {} is {state}", outcome.report.spec.name);
}

fn invariant_views_agree_with_the_world(truth: &Truth, view: &Supervisor) {
    for service in view.services() {
        let name = &service.spec.name;
        match &service.state {
            State::Unready(Unready { run, .. }) | State::Up(Up { run, .. }) => {
                assert_eq!(truth.processes[run].leader, Leader::Running, "{name} is not up");
            }
            State::Starting { run } => {
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
                let is_helper =
                    |p: &Process| matches!(p.role, Role::Probe { .. } | Role::Reload { .. });
                let alive = truth
                    .processes
                    .values()
                    .any(|p| p.service == *name && !p.gone && !is_helper(p));
                assert!(!alive, "{name} is {} and lives", service.state.word());
            }
        }
    }
    for process in truth.processes.values().filter(|process| !process.gone) {
        let known = find(view, &process.service).is_some();
        assert!(known, "{} lives, and is forgotten", process.service);
    }
}
