//! A scene: services with their scripts, what happens from outside, and how unruly the world is.

use std::sync::Arc;
use std::time::Duration;

use onit::service::{
    Announcement, Argv, Backoff, Check, Condition, Consequence, Dependency, Health, Kind,
    Leftovers, LogTarget, Name, Pattern, Plan, Probe, Purpose, Readiness, Reload, ReloadBy, Remedy,
    Restart, Role, Scope, Signal, Spec, StopStep, SuccessCode, Time,
};
use onit::supervisor::{
    Above, Answer, Ask, Dependents, Milestone, Rules, Sender, Supervisor, Ticket,
};

use crate::script::{Relative, Script, runs};
use crate::world::{Entry, World, render, render_all};

/// A service and what its processes do, run after run; the last script is played for ever.
#[derive(Clone, Debug)]
pub struct Actor {
    pub spec: Spec,
    pub main: Vec<Script>,
    pub before_start: Vec<Script>,
    pub after_exit: Vec<Script>,
    pub stop_command: Option<Script>,
    pub ready_probes: Vec<Script>,
    pub health_probes: Vec<Script>,
    pub reload_command: Option<Script>,
}

/// Something that happens from outside.
#[derive(Clone, Debug)]
pub enum Outside {
    /// onit is sent a signal.
    Signal(Signal, Sender),
    /// Somebody else sends a signal to the command of this service.
    Hit(String, Signal),
    /// A process of nobody becomes ours.
    Stranger(Relative),
    /// Somebody asks. Their tickets count from 1, in the order in which they ask.
    Ask(Ask),
    /// Whoever asked this hangs up.
    HangUp(u64),
    /// From now on the sources say this.
    Sources(Vec<Actor>),
    /// From now on something is wrong with the sources.
    Broken,
    /// Something has changed where the sources are.
    Changed,
}

/// How unruly the world is, each in percent.
#[derive(Clone, Debug, Default)]
pub struct Chaos {
    /// A wake-up comes late, so that things come together.
    pub late: usize,
    /// A wake-up comes for nothing.
    pub spurious: usize,
    /// The clock leaps.
    pub leap: usize,
    /// Events come in another order, or some of them in the next turn.
    pub shuffle: usize,
    /// A process that is signalled before its exec gets the signal after it.
    pub blocked: usize,
}

#[derive(Clone, Debug)]
pub struct Scene {
    pub actors: Vec<Actor>,
    pub outside: Vec<(Duration, Outside)>,
    /// How long it takes to read the sources.
    pub reading: Duration,
    pub stop_timeout: Option<Duration>,
    pub stop_signals: Vec<Signal>,
    pub seed: u64,
    pub chaos: Chaos,
    pub tells_above: bool,
}

/// What came of a scene.
pub struct Play {
    pub code: u8,
    pub trace: Vec<String>,
    /// What the supervisor said.
    pub said: Vec<String>,
    /// What it answered.
    pub answers: Vec<(Ticket, Answer)>,
    /// What whoever started onit was told.
    pub above: Vec<Above>,
    pub most_spawns_a_turn: usize,
    pub turns: usize,
    history: Vec<(Time, Entry)>,
    scene: Arc<Scene>,
}

pub fn service(name: &str) -> Actor {
    let argv = Argv::new::<&str>(name, Vec::new());
    let mut spec = Spec::new(Name::new(name).unwrap(), argv);
    spec.backoff.jitter = 0.0;
    Actor::new(spec)
}

pub fn oneshot(name: &str) -> Actor {
    let mut actor = service(name);
    actor.spec.kind = Kind::Oneshot;
    actor.restart(Restart::Never)
}

pub fn main_command() -> Actor {
    Actor::new(Spec::main(Argv::new::<&str>("main", Vec::new())))
}

/// What these make together.
pub fn plan(actors: &[Actor]) -> Plan {
    Plan::new(actors.iter().map(|actor| actor.spec.clone()).collect()).unwrap()
}

// ---- what can be asked; whoever asks waits for the outcome ----

fn patterns(names: &[&str]) -> Vec<Pattern> {
    names.iter().map(|name| Pattern::new(*name)).collect()
}

pub fn start(names: &[&str]) -> Ask {
    Ask::Start { names: patterns(names), wait: true }
}

/// Stops these, unless others need them.
pub fn stop(names: &[&str]) -> Ask {
    stop_with(names, Dependents::Refuse)
}

pub fn stop_with(names: &[&str], dependents: Dependents) -> Ask {
    Ask::Stop { names: patterns(names), dependents, wait: true }
}

pub fn restart(names: &[&str]) -> Ask {
    Ask::Restart { names: patterns(names), wait: true }
}

pub fn send(names: &[&str], signal: Signal) -> Ask {
    Ask::Signal { names: patterns(names), signal }
}

pub fn wait_for(names: &[&str], milestone: Milestone) -> Ask {
    Ask::Wait { names: patterns(names), milestone }
}

pub fn status(names: &[&str]) -> Ask {
    Ask::Status { names: patterns(names) }
}

pub fn reload() -> Ask {
    Ask::Reload { dry_run: false, wait: true }
}

pub fn dry_run() -> Ask {
    Ask::Reload { dry_run: true, wait: true }
}

pub fn reload_service(names: &[&str]) -> Ask {
    Ask::ReloadServices { names: patterns(names), wait: true }
}

pub fn shutdown(code: u8) -> Ask {
    Ask::Shutdown { code }
}

impl Actor {
    fn new(spec: Spec) -> Self {
        Self {
            spec,
            main: Vec::new(),
            before_start: Vec::new(),
            after_exit: Vec::new(),
            stop_command: None,
            ready_probes: Vec::new(),
            health_probes: Vec::new(),
            reload_command: None,
        }
    }

    /// What its command does; again: what it does the next time.
    pub fn plays(mut self, script: Script) -> Self {
        self.main.push(script);
        self
    }

    pub fn before_start(mut self, script: Script) -> Self {
        self.spec.hooks.before_start.push(Argv::new::<&str>("before", Vec::new()));
        self.before_start.push(script);
        self
    }

    pub fn after_exit(mut self, script: Script) -> Self {
        self.spec.hooks.after_exit.push(Argv::new::<&str>("after", Vec::new()));
        self.after_exit.push(script);
        self
    }

    pub fn stop_command(mut self, script: Script) -> Self {
        self.spec.stop.command = Some(Argv::new::<&str>("stop", Vec::new()));
        self.stop_command = Some(script);
        self
    }

    pub fn needs(self, name: &str) -> Self {
        self.needs_to_be(name, Condition::Ready)
    }

    pub fn needs_to_be(mut self, name: &str, condition: Condition) -> Self {
        let name = Name::new(name).unwrap();
        self.spec.depends_on.push(Dependency { name, condition });
        self
    }

    pub fn after(mut self, name: &str) -> Self {
        self.spec.after.push(Name::new(name).unwrap());
        self
    }

    /// What it writes is read by `name`.
    pub fn writes_to(self, name: &str) -> Self {
        let mut actor = self.after(name);
        actor.spec.log.stdout = LogTarget::Service(Name::new(name).unwrap());
        actor
    }

    /// It reads what others write.
    pub fn consumer(mut self) -> Self {
        self.spec.is_consumer = true;
        self
    }

    pub fn restart_with(mut self, name: &str) -> Self {
        self.spec.restart_with.push(Name::new(name).unwrap());
        self
    }

    fn readiness(&mut self) -> &mut Readiness {
        self.spec.ready.get_or_insert_with(|| {
            Box::new(Readiness {
                announcement: None,
                probe: None,
                interval: Readiness::INTERVAL,
                timeout: Readiness::TIMEOUT,
            })
        })
    }

    /// It is ready when it says `READY=1`.
    pub fn notifies(mut self) -> Self {
        self.readiness().announcement = Some(Announcement::Notify);
        self
    }

    /// It is ready when it says so on a descriptor.
    pub fn announces(mut self) -> Self {
        self.readiness().announcement = Some(Announcement::Fd(3));
        self
    }

    /// It is ready when a probe succeeds; again: what the next one does.
    pub fn probed(mut self, script: Script) -> Self {
        self.readiness().probe = Some(Probe::Tcp("it:80".to_owned()));
        self.ready_probes.push(script);
        self
    }

    pub fn ready_within(mut self, timeout: Duration) -> Self {
        self.readiness().timeout = timeout;
        self
    }

    /// It is looked at every second, and two failures in a row are too many; again: what the next
    /// probe does.
    pub fn checked(mut self, remedy: Remedy, script: Script) -> Self {
        let check = Check::Probe {
            probe: Probe::Tcp("it:80".to_owned()),
            interval: Duration::from_secs(1),
            timeout: Duration::from_millis(300),
            retries: 2,
            start_period: Duration::ZERO,
        };
        self.spec.health.get_or_insert_with(|| Box::new(Health { check, on_unhealthy: remedy }));
        self.health_probes.push(script);
        self
    }

    pub fn start_period(mut self, period: Duration) -> Self {
        if let Some(Health { check: Check::Probe { start_period, .. }, .. }) =
            self.spec.health.as_deref_mut()
        {
            *start_period = period;
        }
        self
    }

    /// It is to say `WATCHDOG=1` every second.
    pub fn watched(mut self, remedy: Remedy) -> Self {
        let check = Check::Watchdog(Duration::from_secs(1));
        self.spec.health = Some(Box::new(Health { check, on_unhealthy: remedy }));
        self
    }

    /// It reads its configuration again at USR2, or when this command has ended.
    pub fn reload(mut self, command: Option<Script>, notify: bool) -> Self {
        let by = match &command {
            Some(_) => ReloadBy::Command(Argv::new::<&str>("reload", Vec::new())),
            None => ReloadBy::Signal(Signal::USR2),
        };
        self.spec.reload = Some(Box::new(Reload { by, notify, timeout: Duration::from_secs(5) }));
        self.reload_command = command;
        self
    }

    pub fn restart(mut self, restart: Restart) -> Self {
        self.spec.restart = restart;
        self
    }

    pub fn on_success(mut self, consequence: Consequence) -> Self {
        self.spec.on_success = consequence;
        self
    }

    pub fn on_failure(mut self, consequence: Consequence) -> Self {
        self.spec.on_failure = consequence;
        self
    }

    pub fn success(mut self, codes: &[SuccessCode]) -> Self {
        self.spec.success_codes = codes.to_vec().into();
        self
    }

    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.spec.backoff = backoff.into();
        self
    }

    pub fn limit(mut self, limit: u32) -> Self {
        self.spec.backoff.limit = limit;
        self
    }

    /// The time from the stop signal to the KILL.
    pub fn grace(mut self, timeout: Duration) -> Self {
        self.spec.stop.timeout = timeout;
        self.spec.stop.steps = vec![StopStep { signal: Signal::TERM, wait: timeout }];
        self
    }

    pub fn ladder(mut self, steps: &[(Signal, Duration)]) -> Self {
        let step = |(signal, wait): &(Signal, Duration)| StopStep { signal: *signal, wait: *wait };
        self.spec.stop.steps = steps.iter().map(step).collect();
        self.spec.stop.timeout = steps.iter().map(|(_, wait)| *wait).sum();
        self
    }

    pub fn scope(mut self, scope: Scope) -> Self {
        self.spec.stop.scope = scope;
        self
    }

    pub fn keeping_leftovers(mut self) -> Self {
        self.spec.stop.leftovers = Leftovers::Keep;
        self
    }

    pub fn forwarding(mut self, signal: Signal) -> Self {
        self.spec.forward_signals.push(signal);
        self
    }

    /// What the `played`th run of this role does.
    pub fn script(&self, role: Role, played: usize) -> Script {
        let script = match role {
            Role::Main => self.main.get(played).or(self.main.last()),
            Role::BeforeStart { index } => self.before_start.get(index),
            Role::AfterExit { index, .. } => self.after_exit.get(index),
            Role::StopCommand { .. } => self.stop_command.as_ref(),
            Role::Reload { .. } => self.reload_command.as_ref(),
            Role::Probe { purpose, .. } => {
                let probes = match purpose {
                    Purpose::Ready => &self.ready_probes,
                    Purpose::Health => &self.health_probes,
                };
                probes.get(played).or(probes.last())
            }
        };
        script.cloned().unwrap_or_else(runs)
    }
}

impl Play {
    /// When anything happened.
    pub fn moments(&self) -> Vec<Duration> {
        self.history.iter().map(|(at, _)| at.since_start()).collect()
    }

    /// Who took part, and everything that happened and was done and said.
    pub fn whole_trace(&self) -> Vec<String> {
        render_all(&self.history, &self.scene)
    }
}

/// A scene with these, and nothing else.
pub fn scene(actors: impl IntoIterator<Item = Actor>) -> Scene {
    actors.into_iter().fold(Scene::new(), Scene::with)
}

/// Plays the scene until somebody stops it at `end`, and compares what was done, without what was
/// answered.
#[track_caller]
pub fn check_until(scene: Scene, end: Duration, expected: &[&str]) {
    let trace = scene.signal(end, Signal::TERM).play().trace;
    let done: Vec<&String> = trace.iter().filter(|line| !line.contains(" answer ")).collect();
    assert_eq!(done, expected);
}

impl Scene {
    /// A quiet world with Docker's budget.
    pub fn new() -> Self {
        Self {
            actors: Vec::new(),
            outside: Vec::new(),
            reading: Duration::ZERO,
            stop_timeout: Some(Duration::from_secs(9)),
            stop_signals: Vec::new(),
            seed: 0,
            chaos: Chaos::default(),
            tells_above: false,
        }
    }

    pub fn with(mut self, actor: Actor) -> Self {
        self.actors.push(actor);
        self
    }

    pub fn budget(self, stop_timeout: Duration) -> Self {
        Self { stop_timeout: Some(stop_timeout), ..self }
    }

    pub fn without_budget(self) -> Self {
        Self { stop_timeout: None, ..self }
    }

    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signals.push(signal);
        self
    }

    pub fn signal(self, at: Duration, signal: Signal) -> Self {
        self.happens(at, Outside::Signal(signal, Sender::Process))
    }

    /// A key is pressed on the terminal, or it hangs up.
    pub fn typed(self, at: Duration, signal: Signal) -> Self {
        self.happens(at, Outside::Signal(signal, Sender::Kernel))
    }

    pub fn stranger(self, at: Duration, stranger: Relative) -> Self {
        self.happens(at, Outside::Stranger(stranger))
    }

    pub fn hit(self, at: Duration, service: &str, signal: Signal) -> Self {
        self.happens(at, Outside::Hit(service.to_owned(), signal))
    }

    pub fn ask(self, at: Duration, ask: Ask) -> Self {
        self.happens(at, Outside::Ask(ask))
    }

    pub fn hang_up(self, at: Duration, ticket: u64) -> Self {
        self.happens(at, Outside::HangUp(ticket))
    }

    /// The sources change; nobody reads them for that.
    pub fn sources(self, at: Duration, actors: impl IntoIterator<Item = Actor>) -> Self {
        self.happens(at, Outside::Sources(actors.into_iter().collect()))
    }

    pub fn broken_sources(self, at: Duration) -> Self {
        self.happens(at, Outside::Broken)
    }

    /// The sources are watched, and something happens to them.
    pub fn sources_change(self, at: Duration) -> Self {
        self.happens(at, Outside::Changed)
    }

    /// The sources change, and are read at once.
    pub fn reload(self, at: Duration, actors: impl IntoIterator<Item = Actor>) -> Self {
        self.sources(at, actors).ask(at, reload())
    }

    pub fn reading_takes(self, reading: Duration) -> Self {
        Self { reading, ..self }
    }

    fn happens(mut self, at: Duration, what: Outside) -> Self {
        self.outside.push((at, what));
        self
    }

    pub fn plan(&self) -> Plan {
        plan(&self.actors)
    }

    /// Whether anybody asks for anything in it.
    pub fn is_asked(&self) -> bool {
        let asks = |what: &Outside| match what {
            Outside::Ask(_) | Outside::Sources(_) | Outside::Broken | Outside::Changed => true,
            Outside::Signal(..) | Outside::Hit(..) | Outside::Stranger(_) => false,
            // Nobody has asked who hangs up.
            Outside::HangUp(_) => false,
        };
        self.outside.iter().any(|(_, what)| asks(what))
    }

    /// Whether anything in it is looked after while it runs.
    pub fn is_watched(&self) -> bool {
        self.actors.iter().map(|actor| &actor.spec).any(|spec| {
            spec.ready.is_some()
                || spec.health.is_some()
                || spec.reload.is_some()
                || !spec.restart_with.is_empty()
        })
    }

    pub fn telling_above(self) -> Self {
        Self { tells_above: true, ..self }
    }

    pub fn rules(&self) -> Rules {
        Rules {
            stop_timeout: self.stop_timeout,
            stop_signals: self.stop_signals.clone(),
            seed: self.seed,
            tells_above: self.tells_above,
        }
    }

    /// Plays it on the loop that ships.
    pub fn play(self) -> Play {
        let scene = Arc::new(self);
        let mut supervisor = Supervisor::new(scene.plan(), scene.rules());
        let mut world = World::new(scene.clone());
        let code = onit::run::run(&mut supervisor, &mut world);
        world.over(code);
        let history = std::mem::take(&mut world.history);
        Play {
            code,
            trace: render(&history),
            said: std::mem::take(&mut world.said),
            answers: std::mem::take(&mut world.answers),
            above: std::mem::take(&mut world.above),
            most_spawns_a_turn: world.most_spawns_a_turn,
            turns: world.turns,
            history,
            scene,
        }
    }
}
