//! A scene: services with their scripts, what happens from outside, and how unruly the world is.

use std::sync::Arc;
use std::time::Duration;

use onit::service::{
    Argv, Backoff, Condition, Consequence, Dependency, Kind, Leftovers, Name, Plan, Restart, Role,
    Scope, Signal, Spec, StopStep, SuccessCode, Time,
};
use onit::supervisor::{Rules, Sender, Supervisor};

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
    pub stop_timeout: Option<Duration>,
    pub stop_signals: Vec<Signal>,
    pub seed: u64,
    pub chaos: Chaos,
}

/// What came of a scene.
pub struct Play {
    pub code: u8,
    pub trace: Vec<String>,
    /// What the supervisor said.
    pub said: Vec<String>,
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

impl Actor {
    fn new(spec: Spec) -> Self {
        Self {
            spec,
            main: Vec::new(),
            before_start: Vec::new(),
            after_exit: Vec::new(),
            stop_command: None,
        }
    }

    /// What its command does; again: what it does the next time.
    pub fn plays(mut self, script: Script) -> Self {
        self.main.push(script);
        self
    }

    pub fn before_start(mut self, script: Script) -> Self {
        self.spec.before_start.push(Argv::new::<&str>("before", Vec::new()));
        self.before_start.push(script);
        self
    }

    pub fn after_exit(mut self, script: Script) -> Self {
        self.spec.after_exit.push(Argv::new::<&str>("after", Vec::new()));
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
        self.spec.success_codes = codes.to_vec();
        self
    }

    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.spec.backoff = backoff;
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
        };
        script.cloned().unwrap_or_else(runs)
    }
}

impl Play {
    /// Who took part, and everything that happened and was done and said.
    pub fn whole_trace(&self) -> Vec<String> {
        render_all(&self.history, &self.scene)
    }
}

impl Scene {
    /// A quiet world with Docker's budget.
    pub fn new() -> Self {
        Self {
            actors: Vec::new(),
            outside: Vec::new(),
            stop_timeout: Some(Duration::from_secs(9)),
            stop_signals: Vec::new(),
            seed: 0,
            chaos: Chaos::default(),
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

    fn happens(mut self, at: Duration, what: Outside) -> Self {
        self.outside.push((at, what));
        self
    }

    pub fn plan(&self) -> Plan {
        Plan::new(self.actors.iter().map(|actor| actor.spec.clone()).collect()).unwrap()
    }

    pub fn rules(&self) -> Rules {
        Rules {
            stop_timeout: self.stop_timeout,
            stop_signals: self.stop_signals.clone(),
            seed: self.seed,
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
            most_spawns_a_turn: world.most_spawns_a_turn,
            turns: world.turns,
            history,
            scene,
        }
    }
}
