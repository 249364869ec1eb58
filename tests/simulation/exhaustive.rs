//! Every state × goal × event at least once, in situations made for it; docs/state-machine.md is
//! the outcome. `UPDATE=1` rewrites it.
//!
//! Events that the contract rules out in a state are told all the same: nothing may fall over
//! them.

use std::collections::BTreeSet;
use std::time::Duration;

use onit::service::notify::{Datagram, parse};
use onit::service::{
    Announcement, Argv, Check, Consequence, Dependency, Errno, Exit, Failure, Health, Name,
    Pattern, Plan, Readiness, Remedy, Restart, Role, RunId, Signal, Spec, Time,
};
use onit::supervisor::{
    Action, Ask, Dependents, Event, Goal, LifePhase, Rules, Sender, Service, State, Supervisor,
    Ticket, Unready, Up, Wake, Watch,
};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/state-machine.md");

const PREFACE: &str = "\
# What an event does to a service

Written by the test `every_state_meets_every_event_under_every_goal` (`UPDATE=1` rewrites it), from
what the supervisor did in each situation: the state that follows, then what is done for the
service. `·` means that nothing changes, `–` that the contract rules the event out. A situation that
is not listed cannot come about: what is wanted is never down, what is not wanted neither waits nor
is retried, and what has left the plan and is down is forgotten.

The service has `restart = \"on-failure\"`, one `before_start`, one `after_exit` and a stop command,
except where the situation says otherwise. *Waits its turn*: somebody who needs the service, and is
to stop as well, is still there.
";

const COLUMNS: [&str; 15] = [
    "Spawned",
    "SpawnFailed",
    "Exited, 0",
    "Exited, 1",
    "Gone",
    "READY=1",
    "STOPPING=1",
    "WATCHDOG=trigger",
    "Alone",
    "TERM to onit",
    "USR1 to onit",
    "start",
    "stop",
    "restart",
    "its deadline",
];

/// What is wanted of `it`, and whether everything is being stopped.
const SECTIONS: [(Goal, bool, &str); 4] = [
    (Goal::Up, false, "It is wanted"),
    (Goal::Down, false, "It was stopped by hand"),
    (Goal::Gone, false, "It has left the plan"),
    (Goal::Down, true, "Everything is being stopped"),
];

/// A supervisor in which the service `it` is in some state.
struct Situation {
    name: &'static str,
    supervisor: Supervisor,
    now: Time,
    executed: BTreeSet<RunId>,
}

#[test]
fn every_state_meets_every_event_under_every_goal() {
    let mut document = PREFACE.to_owned();
    let mut visited = BTreeSet::new();
    for (goal, is_end, title) in SECTIONS {
        let is_here =
            |it: &Situation| it.service().goal == goal && it.supervisor.is_stopping() == is_end;
        document += &format!("\n## {title}\n\n| state |");
        COLUMNS.iter().for_each(|column| document += &format!(" {column} |"));
        document += &format!("\n|{}\n", "---|".repeat(COLUMNS.len() + 1));
        for situation in situations().into_iter().filter(is_here) {
            document += &format!("| {} |", situation.name);
            for column in COLUMNS {
                visited.insert((situation.service().state.word(), title, column));
                document += &format!(" {} |", situation.outcome(column));
            }
            document.push('\n');
        }
    }
    // All but down; what is wanted, and down; what runs; all but those that are to start.
    assert_eq!(visited.len(), (8 + 4 + 3 + 7) * COLUMNS.len());
    if std::env::var("UPDATE").is_ok() {
        std::fs::write(DOCUMENT, &document).unwrap();
    }
    let written = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
    assert_eq!(written, document, "docs/state-machine.md is out of date: UPDATE=1 rewrites it");
}

const READY: &str = "READY=1";
const STOPPING: &str = "STOPPING=1";
const TRIGGER: &str = "WATCHDOG=trigger";

fn said(run: RunId, text: &str) -> Event {
    match parse(text.as_bytes(), 0, Duration::ZERO) {
        Ok(Datagram::Message(message)) => Event::Notified { run, message },
        other => panic!("{text} is {other:?}"),
    }
}

/// What `it` is like in a situation.
#[derive(Clone, Copy, Default)]
struct Shape {
    before_start: bool,
    after_exit: bool,
    stop_command: bool,
    /// It says when it is ready, and that it is alive.
    notifies: bool,
}

fn situations() -> Vec<Situation> {
    let begin = Situation::begin;
    let whole = Shape { before_start: true, after_exit: true, stop_command: true, notifies: false };
    let speaking = Shape { notifies: true, ..Shape::default() };
    let unready = || begin("not ready", speaking).executed();
    let unwell = || unready().says(READY).says(TRIGGER).named("unhealthy");
    let hookless = Shape { after_exit: true, ..Shape::default() };
    let up = |shape| begin("up", shape).executed();
    let failed = |name| begin(name, hookless).fails(Errno::ENOENT);
    let starting = |name| begin(name, whole).db_is_up();
    let restarting = |name| begin(name, whole).restarting().executed_late();
    vec![
        begin("waiting for another", whole),
        starting("starting: before_start, not executed yet"),
        starting("starting: before_start").executed_late(),
        starting("starting: before_start has ended, others live").executed_late().ended(0),
        starting("starting: the command").past_before_start(),
        unready(),
        up(whole),
        unready().says(READY).named("up, with a watchdog"),
        unwell(),
        unready().says(STOPPING).named("stopping: it says so itself"),
        up(whole).ended(1).named("stopping: it has ended, others live"),
        up(whole).ended(1).gone().executed_late().named("stopping: after_exit"),
        up(whole)
            .ended(1)
            .gone()
            .executed_late()
            .ended(0)
            .named("stopping: after_exit has ended, others live"),
        up(Shape::default()).ended(1).gone().named("backoff"),
        up(Shape::default()).ended(0).gone().named("completed"),
        failed("failed"),
        up(hookless).stop().ended(143).gone().executed_late().ended(0).gone().named("down"),
        restarting("starting: before_start, waits its turn").held(),
        restarting("starting: before_start has ended, others live; waits its turn").ended(0).held(),
        restarting("starting: the command, waits its turn").ended(0).gone().held(),
        restarting("up, waits its turn").ended(0).gone().executed_late().held(),
        unready().needed().held().named("not ready, waits its turn"),
        unready().needed().says(READY).says(TRIGGER).held().named("unhealthy, waits its turn"),
        up(hookless).stop().named("stopping: it was sent the stop signal"),
        up(whole).stop().named("stopping: the stop command was started"),
        starting("stopping: asked during before_start").executed_late().stop(),
        begin("stopping: asked before its exec", hookless).db_is_up().stop(),
        up(hookless).stop().ended(143).named("stopping: it has ended, others live"),
        up(hookless).stop().ended(143).gone().executed_late().named("stopping: after_exit"),
        up(hookless)
            .stop()
            .ended(143)
            .gone()
            .executed_late()
            .ended(0)
            .named("stopping: after_exit has ended, others live"),
        up(Shape::default()).ended(0).gone().stop().named("completed"),
        failed("failed").stop(),
        restarting("starting: before_start, waits its turn").paused(),
        restarting("starting: the command, waits its turn").ended(0).gone().paused(),
        restarting("up, waits its turn").ended(0).gone().executed_late().paused(),
        unready().paused().named("not ready, is being stopped"),
        starting("stopping: asked during before_start").executed_late().paused(),
        begin("stopping: asked before its exec", hookless).db_is_up().paused(),
        up(hookless).paused().above_is_over().named("stopping: it was sent the stop signal"),
        up(whole).paused().above_is_over().named("stopping: the stop command was started"),
        up(hookless)
            .paused()
            .above_is_over()
            .ended(143)
            .named("stopping: it has ended, others live"),
        up(hookless)
            .paused()
            .above_is_over()
            .ended(143)
            .gone()
            .executed_late()
            .named("stopping: after_exit"),
        up(Shape::default()).ended(1).gone().paused().named("down"),
        restarting("starting: before_start, waits its turn").removed(),
        restarting("starting: the command, waits its turn").ended(0).gone().removed(),
        restarting("up, waits its turn").ended(0).gone().executed_late().removed(),
        starting("stopping: asked during before_start").executed_late().removed(),
        begin("stopping: asked before its exec", hookless).db_is_up().removed(),
        up(hookless).removed().above_is_over().named("stopping: it was sent the stop signal"),
        up(whole).removed().above_is_over().named("stopping: the stop command was started"),
        up(Shape::default())
            .removed()
            .above_is_over()
            .ended(143)
            .named("stopping: it has ended, others live"),
        up(hookless)
            .removed()
            .above_is_over()
            .ended(143)
            .gone()
            .executed_late()
            .named("stopping: after_exit"),
    ]
}

impl Situation {
    /// `it` waits for `db`; `above`, where it is started, needs `it`; `other` keeps all alive.
    fn begin(name: &'static str, shape: Shape) -> Self {
        let argv = || Argv::new::<&str>("x", Vec::new());
        let service = |name: &str| Spec::new(Name::new(name).unwrap(), argv());
        let needing = |spec: Spec, name: &str| {
            let name = Name::new(name).unwrap();
            let condition = onit::service::Condition::Ready;
            Spec { depends_on: vec![Dependency { name, condition }], ..spec }
        };
        let mut it = needing(service("it"), "db");
        it.restart = Restart::OnFailure;
        it.on_failure = Consequence::Continue;
        it.forward_signals = vec![Signal::USR1].into();
        it.hooks.before_start = shape.before_start.then(argv).into_iter().collect();
        it.hooks.after_exit = shape.after_exit.then(argv).into_iter().collect();
        it.stop.command = shape.stop_command.then(argv);
        if shape.notifies {
            it.ready = Some(Box::new(Readiness {
                announcement: Some(Announcement::Notify),
                probe: None,
                interval: Readiness::INTERVAL,
                timeout: Readiness::TIMEOUT,
            }));
            let check = Check::Watchdog(Duration::from_secs(30));
            it.health = Some(Box::new(Health { check, on_unhealthy: Remedy::Continue }));
        }
        let above = needing(service("above"), "it");
        let plan = Plan::new(vec![it, service("db"), service("other"), above]).unwrap();
        let rules = Rules {
            stop_timeout: Some(Duration::from_secs(9)),
            stop_signals: Vec::new(),
            seed: 0,
            tells_above: false,
        };
        let supervisor = Supervisor::new(plan, rules);
        let now = Time::at(Duration::from_secs(1));
        let mut situation = Self { name, supervisor, now, executed: BTreeSet::new() };
        situation.turn();
        situation
    }

    fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    fn service(&self) -> &Service {
        self.of("it")
    }

    fn is_forgotten(&self) -> bool {
        self.supervisor.services().iter().all(|service| service.spec.name.as_str() != "it")
    }

    fn of(&self, name: &str) -> &Service {
        let services = self.supervisor.services();
        services.iter().find(|service| service.spec.name.as_str() == name).unwrap()
    }

    /// The run its state is about, or, where there is none, one that is gone.
    fn run(&self) -> RunId {
        self.service().run().unwrap_or(RunId(u64::MAX))
    }

    /// Ends a turn. Says what was done for `it`.
    fn turn(&mut self) -> Vec<String> {
        let its: BTreeSet<RunId> = self.its_runs();
        self.supervisor.work(self.now);
        let its: BTreeSet<RunId> = its.into_iter().chain(self.its_runs()).collect();
        let actions = std::iter::from_fn(|| self.supervisor.next_action());
        let words = |action| match action {
            Action::Spawn { run, role, .. } if its.contains(&run) => match role {
                Role::Main => Some("start".to_owned()),
                Role::BeforeStart { .. }
                | Role::Probe { .. }
                | Role::Reload { .. }
                | Role::StopCommand { .. }
                | Role::AfterExit { .. } => Some(format!("run {role}")),
            },
            Action::Kill { run, signal, .. } if its.contains(&run) => {
                Some(signal.to_string().replace("SIG", ""))
            }
            Action::Spawn { .. }
            | Action::Kill { .. }
            | Action::Sweep { .. }
            | Action::Report(_)
            | Action::Tell(_)
            | Action::Reply { .. }
            | Action::TellAbove(_)
            | Action::EndInput { .. }
            | Action::Release { .. }
            | Action::ReadPlan
            | Action::Adopt { .. }
            | Action::Forget { .. } => None,
        };
        actions.filter_map(words).collect()
    }

    fn its_runs(&self) -> BTreeSet<RunId> {
        let services = self.supervisor.services();
        let lives = self.supervisor.lives().iter();
        let its = lives.filter(|(_, life)| services[life.service.0].spec.name.as_str() == "it");
        its.map(|(run, _)| *run).collect()
    }

    fn told(mut self, event: Event) -> Self {
        if let Event::Spawned { run } = event {
            self.executed.insert(run);
        }
        self.supervisor.handle(event, self.now);
        self.turn();
        self
    }

    fn db_is_up(self) -> Self {
        let run = self.of("db").run().unwrap();
        self.told(Event::Spawned { run })
    }

    /// From waiting to up, through what comes before.
    fn executed(self) -> Self {
        self.db_is_up().past_before_start().executed_late()
    }

    fn executed_late(self) -> Self {
        let run = self.run();
        self.told(Event::Spawned { run })
    }

    /// Past the `before_start` command, if there is one.
    fn past_before_start(self) -> Self {
        if self.service().spec.hooks.before_start.is_empty() {
            return self;
        }
        self.executed_late().ended(0).gone()
    }

    fn ended(self, code: u8) -> Self {
        let run = self.run();
        self.told(Event::Exited { run, exit: Exit::Code(code) })
    }

    fn says(self, text: &str) -> Self {
        let run = self.run();
        self.told(said(run, text))
    }

    /// It was ready before, and `above`, which needs it, runs.
    fn needed(self) -> Self {
        let ready = self.says(READY);
        let above = ready.of("above").run().unwrap();
        let mut again = ready.told(Event::Spawned { run: above });
        again.now = again.now.after(Duration::from_secs(100));
        again.ended(1).gone().executed_late()
    }

    fn gone(self) -> Self {
        let run = self.run();
        self.told(Event::Gone { run })
    }

    fn fails(self, errno: Errno) -> Self {
        let failed = self.db_is_up();
        let (run, failure) = (failed.run(), Failure::errno(Failure::EXECUTE, "/it", errno));
        failed.told(Event::SpawnFailed { run, failure })
    }

    /// It has been up, `above` too, and it is about to start again.
    fn restarting(self) -> Self {
        let mut again = self.executed();
        let above = again.of("above").run().unwrap();
        again = again.told(Event::Spawned { run: above });
        again.now = again.now.after(Duration::from_secs(100));
        again = again.ended(1).gone();
        again.executed_late().ended(0).gone()
    }

    /// Everything is being stopped, and it is its turn.
    fn stop(self) -> Self {
        let signal = Signal::TERM;
        self.told(Event::Signalled { signal, sender: Sender::Process }).above_is_over()
    }

    /// Nobody who needs it is left.
    fn above_is_over(self) -> Self {
        match self.of("above").run() {
            Some(run) => self
                .told(Event::Spawned { run })
                .told(Event::Exited { run, exit: Exit::Code(0) })
                .told(Event::Gone { run }),
            None => self,
        }
    }

    fn asked(self, ask: Ask) -> Self {
        self.told(Event::Asked { ticket: Ticket(1), ask })
    }

    /// It is stopped by hand, and those that need it first.
    fn paused(self) -> Self {
        let names = vec![Pattern::new("it")];
        self.asked(Ask::Stop { names, dependents: Dependents::Stop, wait: false })
    }

    /// It is not in the sources any more, and those that need it neither.
    fn removed(self) -> Self {
        let stays = |service: &&Service| ["db", "other"].contains(&service.spec.name.as_str());
        let services = self.supervisor.services().iter().filter(stays);
        let plan = Plan::new(services.map(|service| Spec::clone(&service.spec)).collect());
        let read = self.asked(Ask::Reload { dry_run: false, wait: false });
        read.told(Event::PlanRead { result: Ok(plan.unwrap()) })
    }

    /// Everything is being stopped, and it is not its turn.
    fn held(self) -> Self {
        self.told(Event::Signalled { signal: Signal::TERM, sender: Sender::Process })
    }

    /// What the event of this column does.
    fn outcome(&self, column: &str) -> String {
        let mut after = Self {
            name: self.name,
            supervisor: self.supervisor.clone(),
            now: self.now,
            executed: BTreeSet::new(),
        };
        let run = self.run();
        let life = self.supervisor.lives().get(&run);
        let executed = self.executed.contains(&run);
        let can_come = match column {
            "Spawned" | "SpawnFailed" => life.is_some() && !executed,
            "READY=1" | "STOPPING=1" | "WATCHDOG=trigger" => {
                let is_command = |life: &onit::supervisor::Life| {
                    life.role == Role::Main && life.is_alive() && executed
                };
                self.service().spec.notifies() && life.is_some_and(is_command)
            }
            "Exited, 0" | "Exited, 1" => executed && life.is_some_and(|life| life.is_alive()),
            "Gone" => life.is_some_and(|life| !life.is_alive()),
            "Alone" => self.supervisor.lives().is_empty(),
            _ => true,
        };
        let signalled = |signal| Event::Signalled { signal, sender: Sender::Process };
        let asked = |ask| Event::Asked { ticket: Ticket(2), ask };
        let it = || vec![Pattern::new("it")];
        let event = match column {
            "Spawned" => Event::Spawned { run },
            "SpawnFailed" => {
                let failure = Failure::errno(Failure::EXECUTE, "/it", Errno::EAGAIN);
                Event::SpawnFailed { run, failure }
            }
            "Exited, 0" => Event::Exited { run, exit: Exit::Code(0) },
            "Exited, 1" => Event::Exited { run, exit: Exit::Code(1) },
            "Gone" => Event::Gone { run },
            "READY=1" => said(run, READY),
            "STOPPING=1" => said(run, STOPPING),
            "WATCHDOG=trigger" => said(run, TRIGGER),
            "Alone" => Event::Alone,
            "TERM to onit" => signalled(Signal::TERM),
            "USR1 to onit" => signalled(Signal::USR1),
            "start" => asked(Ask::Start { names: it(), wait: false }),
            "stop" => {
                let dependents = Dependents::Keep;
                asked(Ask::Stop { names: it(), dependents, wait: false })
            }
            "restart" => asked(Ask::Restart { names: it(), wait: false }),
            _ => {
                after.now = self.deadline().unwrap_or(self.now);
                Event::DeadlinePassed
            }
        };
        after.supervisor.handle(event, after.now);
        let done = after.turn();
        let (before, now) = (self.label(), after.label());
        let state = if before == now { Vec::new() } else { vec![format!("**{now}**")] };
        let outcome: Vec<String> = state.into_iter().chain(done).collect();
        if !can_come {
            // A run that has not ended is not gone, whoever says so.
            assert!(column != "Gone" || before == now, "{}: {now}", self.name);
            "–".to_owned()
        } else if outcome.is_empty() {
            "·".to_owned()
        } else {
            outcome.join(", ")
        }
    }

    /// When something is due for it, before anything else is.
    fn deadline(&self) -> Option<Time> {
        let its = self.its_runs();
        let lives = self.supervisor.lives();
        let own = match self.service().state.clone() {
            State::Backoff { until } | State::Unready(Unready { until, .. }) => Some(until),
            State::Up(Up { watch: Watch::Watchdog { until, .. }, .. }) => until,
            State::Down
            | State::Waiting
            | State::Starting { .. }
            | State::Up(_)
            | State::Stopping(_)
            | State::Completed { .. }
            | State::Failed { .. } => its.iter().filter_map(|run| lives[run].deadline()).min(),
        }?;
        assert_ne!(self.supervisor.wake(), Wake::Never);
        Some(own)
    }

    fn label(&self) -> String {
        if self.is_forgotten() {
            return "forgotten".to_owned();
        }
        let state = &self.service().state;
        let word = state.word();
        let Some(life) = self.service().run().and_then(|run| self.supervisor.lives().get(&run))
        else {
            return word.to_owned();
        };
        let phase = match life.phase {
            LifePhase::Left { .. } => " (others live)",
            LifePhase::LeftKilled { .. } => " (others are killed)",
            LifePhase::Killed { .. } => " (killed)",
            LifePhase::Spawning
            | LifePhase::Running
            | LifePhase::Awaited { .. }
            | LifePhase::Drained { .. }
            | LifePhase::Asked { .. } => "",
        };
        match life.role {
            Role::Main if matches!(state, State::Unready(_)) => "not ready".to_owned(),
            Role::Main => format!("{word}{phase}"),
            Role::BeforeStart { .. }
            | Role::Probe { .. }
            | Role::Reload { .. }
            | Role::StopCommand { .. }
            | Role::AfterExit { .. } => format!("{word}: {}{phase}", life.role),
        }
    }
}
