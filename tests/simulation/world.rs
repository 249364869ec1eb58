//! The simulated host: a virtual clock, scripted processes, and what the kernel and the Linux host
//! make of signals, ends and leftovers.
//!
//! The world keeps a twin of the supervisor, gives it the same events at the same times, and holds
//! that it asks for the same actions: so the oracle can look inside after every event, and every
//! scene is its own replay.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use onit::limits::EVENTS_A_TURN_MAX;
use onit::run::Host;
use onit::service::notify::Message;
use onit::service::{
    Announcement, Exit, Kind, Leftovers, Name, Place, Plan, Problem, Purpose, Role, RunId, Scope,
    Signal, Spec, Time,
};
use onit::supervisor::{Above, Action, Answer, Event, Outcome, Report, Supervisor, Ticket, Wake};

use crate::clerk::Clerk;
use crate::oracle::Oracle;
use crate::rng::Rng;
use crate::scene::{Actor, Outside, Scene, plan};
use crate::script::{Exec, Relative, Reloads, Script, Word};

/// A scene that takes longer than this many turns will never end.
const TURNS_MAX: usize = 100_000;

/// Until something that has to wait for another is tried again.
const SOON: Duration = Duration::from_millis(1);

/// Something that happened, or was done.
#[derive(Clone, Debug)]
pub enum Entry {
    Event(Event),
    /// And whether there was anybody it could concern.
    Action(Action, bool),
    Over(u8),
}

/// What is true, whether or not the supervisor has been told.
#[derive(Debug, Default)]
pub struct Truth {
    pub processes: BTreeMap<RunId, Process>,
    pub strangers: BTreeMap<u64, Relative>,
    /// What has happened and has not been told yet.
    pub untold: VecDeque<Event>,
    /// How much later than due the world has woken up in all.
    pub lateness: Duration,
    /// Since when nobody has been alive.
    pub empty_since: Option<Time>,
}

/// A run as it is.
#[derive(Debug)]
pub struct Process {
    pub service: Name,
    pub role: Role,
    pub script: Script,
    pub keeps_leftovers: bool,
    /// Who reads what it writes.
    pub consumers: Vec<Name>,
    /// Whether it has a notify socket, and another way to say that it is ready.
    pub speaks: (bool, bool),
    pub leader: Leader,
    pub relatives: BTreeMap<u64, Relative>,
    /// Signals that came before the exec, and wait for its end.
    pub blocked: Vec<Signal>,
    pub gone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leader {
    Executing,
    Running,
    Ended,
}

#[derive(Debug)]
enum Happening {
    Executed(RunId),
    LeaderEnds(RunId, Exit),
    /// It comes to the end of its input.
    InputEnded(RunId),
    RelativeEnds(RunId, u64),
    StrangerEnds(u64),
    Says(RunId, Word),
    /// It is told to read its configuration again.
    Told(RunId),
    Outside(Outside),
    Read(Result<Plan, Vec<Problem>>),
}

pub struct World {
    scene: Arc<Scene>,
    now: Time,
    rng: Rng,
    truth: Truth,
    agenda: BTreeMap<(Time, u64), Happening>,
    counter: u64,
    played: BTreeMap<(usize, &'static str), usize>,
    /// Everybody who was ever in the sources, and may still play.
    cast: Vec<Actor>,
    /// What the sources say, unless something is wrong with them.
    sources: Option<Vec<Actor>>,
    last_ticket: u64,
    told_to_say_alone: bool,
    pub history: Vec<(Time, Entry)>,
    pub said: Vec<String>,
    pub answers: Vec<(Ticket, Answer)>,
    pub above: Vec<Above>,
    performed: Vec<Action>,
    twin: Supervisor,
    /// Works the policies out again, by place in start order: only where nobody asks.
    oracle: Option<Oracle>,
    clerk: Clerk,
    pub turns: usize,
    pub most_spawns_a_turn: usize,
}

impl World {
    pub fn new(scene: Arc<Scene>) -> Self {
        let plan = scene.plan();
        // What the oracle knows nothing of; the clerk does.
        let is_usual = |spec: &Spec| {
            let is_permanent = spec.hooks.after_exit_arguments.permanent_failure().is_some();
            let is_undone = spec.kind == Kind::Oneshot && spec.stop.command.is_some();
            let is_timed = spec.timeout.is_some();
            spec.autostart && !is_permanent && !spec.is_consumer && !is_undone && !is_timed
        };
        let is_plain = !scene.is_asked()
            && !scene.is_watched()
            && scene.actors.iter().all(|actor| is_usual(&actor.spec));
        let oracle = is_plain.then(|| Oracle::new(&plan, scene.rules()));
        let clerk = Clerk::new(&plan, scene.rules());
        let mut world = Self {
            twin: Supervisor::new(plan, scene.rules()),
            oracle,
            clerk,
            now: Time::ZERO,
            rng: Rng::new(scene.seed),
            truth: Truth { empty_since: Some(Time::ZERO), ..Truth::default() },
            agenda: BTreeMap::new(),
            counter: 0,
            played: BTreeMap::new(),
            cast: scene.actors.clone(),
            sources: Some(scene.actors.clone()),
            last_ticket: 0,
            told_to_say_alone: false,
            history: Vec::new(),
            said: Vec::new(),
            answers: Vec::new(),
            above: Vec::new(),
            performed: Vec::new(),
            turns: 0,
            most_spawns_a_turn: 0,
            scene: scene.clone(),
        };
        for (at, outside) in &scene.outside {
            world.plan_for(*at, Happening::Outside(outside.clone()));
        }
        world
    }

    /// The loop has ended with this code.
    pub fn over(&mut self, code: u8) {
        self.history.push((self.now, Entry::Over(code)));
        self.twin.work(self.now);
        self.compare_with_twin();
        assert_eq!(self.twin.verdict(), Some(code), "the twin has another verdict");
        if let Some(oracle) = &mut self.oracle {
            oracle.over(code, &self.truth, self.now);
        }
        self.clerk.over(code, &self.twin, &self.truth, self.now);
    }

    fn plan_for(&mut self, after: Duration, what: Happening) {
        self.counter += 1;
        self.agenda.insert((self.now.after(after), self.counter), what);
    }

    fn tell(&mut self, event: Event) {
        self.truth.untold.push_back(event);
    }

    // ---- what is done to it ----

    fn spawn(&mut self, run: RunId, spec: &Spec, role: Role) {
        let word = match role {
            Role::Main => "main",
            Role::BeforeStart { .. } => "before_start",
            Role::StopCommand { .. } => "stop",
            Role::AfterExit { .. } => "after_exit",
            Role::Probe { purpose: Purpose::Ready, .. } => "readiness probe",
            Role::Probe { purpose: Purpose::Health, .. } => "health probe",
            Role::Reload { .. } => "reload",
        };
        let place = self.cast.iter().position(|actor| actor.spec == *spec).unwrap();
        let played = self.played.entry((place, word)).or_default();
        let script = self.cast[place].script(role, *played);
        *played += 1;
        match script.exec {
            Exec::Takes(delay) | Exec::Fails(_, delay) => {
                self.plan_for(delay, Happening::Executed(run));
            }
            Exec::Hangs => {}
        }
        let process = Process {
            service: spec.name.clone(),
            role,
            script,
            consumers: spec.log.consumers().cloned().collect(),
            keeps_leftovers: spec.stop.leftovers == Leftovers::Keep,
            speaks: (
                spec.notifies() && role == Role::Main,
                matches!(
                    spec.ready.as_ref().and_then(|ready| ready.announcement.as_ref()),
                    Some(Announcement::Fd(_) | Announcement::Log(_))
                ),
            ),
            leader: Leader::Executing,
            relatives: BTreeMap::new(),
            blocked: Vec::new(),
            gone: false,
        };
        assert!(self.truth.processes.insert(run, process).is_none(), "{run} is used twice");
    }

    fn kill(&mut self, run: RunId, signal: Signal, scope: Scope) {
        self.signal_leader(run, signal);
        let Some(process) = self.truth.processes.get(&run) else { return };
        let hit: Vec<u64> = process
            .relatives
            .iter()
            .filter(|(_, relative)| match scope {
                Scope::Process => false,
                Scope::Group => relative.in_group,
                Scope::Run => true,
            })
            .map(|(id, _)| *id)
            .collect();
        for id in hit {
            self.signal_relative(run, id, signal);
        }
    }

    fn signal_leader(&mut self, run: RunId, signal: Signal) {
        let kill_delay = self.kill_delay();
        let waits = self.rng.chance(self.scene.chaos.blocked);
        let Some(process) = self.truth.processes.get_mut(&run) else { return };
        match process.leader {
            Leader::Ended => {}
            Leader::Executing => match process.script.exec {
                Exec::Hangs => {}
                // Its failure is on its way already.
                Exec::Fails(..) => {}
                Exec::Takes(_) if waits && signal != Signal::KILL => process.blocked.push(signal),
                // The default disposition; the exec's pipe closes all the same.
                Exec::Takes(_) => {
                    let end = Happening::LeaderEnds(run, Exit::Signal(signal));
                    self.plan_for(Duration::ZERO, end);
                }
            },
            Leader::Running if signal == Signal::KILL => {
                if !process.script.undying {
                    self.plan_for(kill_delay, Happening::LeaderEnds(run, Exit::Signal(signal)));
                }
            }
            Leader::Running if signal == Signal::USR2 => {
                self.plan_for(Duration::ZERO, Happening::Told(run));
            }
            Leader::Running => {
                let farewell = process.script.farewell.unwrap_or(Exit::Signal(signal));
                if let Some(delay) = process.script.heeds.delay(signal) {
                    self.plan_for(delay, Happening::LeaderEnds(run, farewell));
                }
            }
        }
    }

    fn signal_relative(&mut self, run: RunId, id: u64, signal: Signal) {
        let kill_delay = self.kill_delay();
        let Some(process) = self.truth.processes.get_mut(&run) else { return };
        let relative = &process.relatives[&id];
        if signal == Signal::KILL {
            if !relative.undying {
                if relative.reborn > 0 {
                    // It forked while it was being killed: the new one was not seen.
                    self.counter += 1;
                    let reborn = Relative { reborn: relative.reborn - 1, ..relative.clone() };
                    process.relatives.insert(self.counter, reborn);
                }
                self.plan_for(kill_delay, Happening::RelativeEnds(run, id));
            }
        } else if let Some(delay) = relative.heeds.delay(signal) {
            self.plan_for(delay, Happening::RelativeEnds(run, id));
        }
    }

    fn end_input(&mut self, service: &Name) {
        let readers = self.truth.processes.iter().filter(|(_, process)| {
            let runs = !process.gone && !matches!(process.script.exec, Exec::Hangs);
            process.service == *service && process.role == Role::Main && runs
        });
        let ends: Vec<_> = readers
            .filter_map(|(run, process)| Some((*run, process.script.ends_with_input?)))
            .collect();
        for (run, delay) in ends {
            self.plan_for(delay, Happening::InputEnded(run));
        }
    }

    fn sweep(&mut self, signal: Signal) {
        self.told_to_say_alone = true;
        for run in self.truth.processes.keys().copied().collect::<Vec<_>>() {
            if !self.truth.processes[&run].gone {
                self.kill(run, signal, Scope::Run);
            }
        }
        for (id, stranger) in self.truth.strangers.clone() {
            let delay = match signal {
                Signal::KILL => (!stranger.undying).then(|| self.kill_delay()),
                other => stranger.heeds.delay(other),
            };
            if let Some(delay) = delay {
                self.plan_for(delay, Happening::StrangerEnds(id));
            }
        }
        self.look_around();
    }

    fn kill_delay(&mut self) -> Duration {
        if self.scene.chaos.late > 0 {
            self.rng.up_to(Duration::from_millis(5))
        } else {
            Duration::ZERO
        }
    }

    // ---- what happens in it ----

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Executed(run) => self.executed(run),
            Happening::LeaderEnds(run, exit) => self.leader_ends(run, exit),
            Happening::InputEnded(run) => {
                match self.truth.processes.get(&run).map(|process| process.leader) {
                    // It will find that out when it runs.
                    Some(Leader::Executing) => self.plan_for(SOON, Happening::InputEnded(run)),
                    Some(Leader::Running) => self.leader_ends(run, Exit::Code(0)),
                    Some(Leader::Ended) | None => {}
                }
            }
            Happening::RelativeEnds(run, id) => self.relative_ends(run, id),
            Happening::Says(run, word) => self.says(run, word),
            Happening::Told(run) => self.told_to_reload(run),
            Happening::StrangerEnds(id) => {
                self.truth.strangers.remove(&id);
            }
            Happening::Outside(outside) => self.outside(outside),
            Happening::Read(result) => self.tell(Event::PlanRead { result }),
        }
        self.look_around();
    }

    fn executed(&mut self, run: RunId) {
        let Some(process) = self.truth.processes.get_mut(&run) else { return };
        if process.leader != Leader::Executing {
            return;
        }
        if let Exec::Fails(failure, _) = process.script.exec.clone() {
            process.leader = Leader::Ended;
            process.gone = true;
            self.tell(Event::SpawnFailed { run, failure });
            return;
        }
        process.leader = Leader::Running;
        let script = process.script.clone();
        let (blocked, role) = (std::mem::take(&mut process.blocked), process.role);
        self.tell(Event::Spawned { run });
        for relative in script.relatives {
            self.counter += 1;
            let id = self.counter;
            if let Some(lives) = relative.lives {
                self.plan_for(lives, Happening::RelativeEnds(run, id));
            }
            self.truth.processes.get_mut(&run).unwrap().relatives.insert(id, relative);
        }
        if let Some(after) = script.runs {
            self.plan_for(after, Happening::LeaderEnds(run, script.exit));
        }
        for (after, word) in script.says {
            self.plan_for(after, Happening::Says(run, word));
        }
        if let (Some(after), Role::StopCommand { main: Some(main) }) = (script.stops, role) {
            self.plan_for(after, Happening::LeaderEnds(main, Exit::Code(0)));
        }
        for signal in blocked {
            self.signal_leader(run, signal);
        }
    }

    /// It says something of itself, if it still runs.
    fn says(&mut self, run: RunId, word: Word) {
        let Some(process) = self.truth.processes.get(&run) else { return };
        if process.leader != Leader::Running {
            return;
        }
        let (notifies, announces) = process.speaks;
        match word {
            Word::Announces if announces => self.tell(Event::Announced { run }),
            Word::Mute if announces => self.tell(Event::Mute { run }),
            Word::Message(message) if notifies => self.tell(Event::Notified { run, message }),
            // Nobody hears it.
            Word::Announces | Word::Mute | Word::Message(_) => {}
        }
    }

    fn told_to_reload(&mut self, run: RunId) {
        let Some(process) = self.truth.processes.get(&run) else { return };
        let Some(Reloads { begins, ends, is_stale }) = process.script.reloads else { return };
        let since = if is_stale { Time::ZERO } else { self.now.after(begins) };
        let begun = Message { reloading: true, since: Some(since), ..Message::default() };
        let ready = Message { ready: true, ..Message::default() };
        self.plan_for(begins, Happening::Says(run, Word::Message(begun)));
        self.plan_for(ends, Happening::Says(run, Word::Message(ready)));
    }

    fn leader_ends(&mut self, run: RunId, exit: Exit) {
        let Some(process) = self.truth.processes.get_mut(&run) else { return };
        match process.leader {
            Leader::Ended => return,
            Leader::Executing => self.tell(Event::Spawned { run }),
            Leader::Running => {}
        }
        let process = self.truth.processes.get_mut(&run).unwrap();
        process.leader = Leader::Ended;
        let (role, finding) = (process.role, process.script.finding);
        match role {
            Role::Probe { .. } if !finding.is_empty() => {
                self.tell(Event::Found { run, finding: finding.to_owned() });
            }
            Role::Reload { main } => self.plan_for(Duration::ZERO, Happening::Told(main)),
            Role::Probe { .. }
            | Role::Main
            | Role::BeforeStart { .. }
            | Role::StopCommand { .. }
            | Role::AfterExit { .. } => {}
        }
        let process = self.truth.processes.get_mut(&run).unwrap();
        let left = if process.keeps_leftovers {
            let relatives = std::mem::take(&mut process.relatives);
            self.truth.strangers.extend(relatives);
            Vec::new()
        } else {
            process.relatives.keys().copied().collect()
        };
        self.tell(Event::Exited { run, exit });
        for id in left {
            self.signal_relative(run, id, Signal::TERM);
        }
        self.say_if_gone(run);
    }

    fn relative_ends(&mut self, run: RunId, id: u64) {
        let Some(process) = self.truth.processes.get_mut(&run) else { return };
        if process.relatives.remove(&id).is_some() {
            self.say_if_gone(run);
        }
        // It may have been left to nobody meanwhile.
        self.truth.strangers.remove(&id);
    }

    fn say_if_gone(&mut self, run: RunId) {
        let process = self.truth.processes.get_mut(&run).unwrap();
        if process.leader == Leader::Ended && process.relatives.is_empty() && !process.gone {
            process.gone = true;
            self.tell(Event::Gone { run });
        }
    }

    fn outside(&mut self, outside: Outside) {
        match outside {
            Outside::Signal(signal, sender) => self.tell(Event::Signalled { signal, sender }),
            Outside::Hit(name, signal) => {
                let hit = self.truth.processes.iter().find(|(_, process)| {
                    process.service.as_str() == name
                        && process.role == Role::Main
                        && process.leader == Leader::Running
                });
                match hit {
                    Some((run, _)) => self.signal_leader(*run, signal),
                    // It means to hit, and tries again.
                    None => {
                        let again = Outside::Hit(name, signal);
                        self.plan_for(Duration::from_secs(1), Happening::Outside(again));
                    }
                }
            }
            Outside::Stranger(stranger) => {
                self.counter += 1;
                let id = self.counter;
                if let Some(lives) = stranger.lives {
                    self.plan_for(lives, Happening::StrangerEnds(id));
                }
                self.truth.strangers.insert(id, stranger);
                // The host looks once more before it says so.
                let before = self.truth.untold.len();
                self.truth.untold.retain(|event| *event != Event::Alone);
                self.told_to_say_alone |= self.truth.untold.len() < before;
            }
            Outside::Ask(ask) => {
                self.last_ticket += 1;
                let ticket = Ticket(self.last_ticket);
                self.tell(Event::Asked { ticket, ask });
            }
            // Nobody hangs up before they have asked.
            Outside::HangUp(ticket) if ticket > self.last_ticket => {}
            Outside::HangUp(ticket) => self.tell(Event::HungUp { ticket: Ticket(ticket) }),
            Outside::Sources(actors) => {
                for actor in &actors {
                    // Whoever stays as they are go on where they are in their scripts.
                    if !self.cast.iter().any(|known| known.spec == actor.spec) {
                        self.cast.push(actor.clone());
                    }
                }
                self.sources = Some(actors);
            }
            Outside::Broken => self.sources = None,
            Outside::Changed => self.tell(Event::SourcesChanged),
        }
    }

    /// What the sources say now; changes while they are being read come too late.
    fn read_plan(&mut self) {
        let result = match &self.sources {
            Some(actors) => Ok(plan(actors)),
            None => Err(vec![Problem::new(Place::file("web.toml"), "unknown key")]),
        };
        self.plan_for(self.scene.reading, Happening::Read(result));
    }

    /// Whether anybody is alive; if that was asked for and nobody is, says so.
    fn look_around(&mut self) {
        if !self.truth.is_empty() {
            self.truth.empty_since = None;
            return;
        }
        self.truth.empty_since.get_or_insert(self.now);
        if std::mem::take(&mut self.told_to_say_alone) {
            self.tell(Event::Alone);
        }
    }

    // ---- time ----

    /// Lets time pass until something happens or `wake`.
    fn pass(&mut self, wake: Wake) {
        let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let until = match (wake, next) {
            (Wake::Now, _) => self.now,
            _ if !self.truth.untold.is_empty() => self.now,
            (Wake::At(at), Some(next)) => at.min(next),
            (Wake::At(at), None) => at,
            (Wake::Never, Some(next)) => next,
            (Wake::Never, None) => panic!("nothing will ever happen again, and it is not over"),
        };
        let until = until.max(self.now);
        let ahead = until.since(self.now);
        let chaos = &self.scene.chaos;
        if ahead > Duration::ZERO && self.rng.chance(chaos.spurious) {
            self.now = self.now.after(ahead.mul_f64(self.rng.below(100) as f64 / 100.0));
        } else {
            let late = if ahead > Duration::ZERO && self.rng.chance(chaos.leap) {
                self.rng.up_to(Duration::from_secs(20))
            } else if self.rng.chance(chaos.late) {
                self.rng.up_to(Duration::from_millis(20))
            } else {
                Duration::ZERO
            };
            self.truth.lateness += late;
            self.now = until.after(late);
        }
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let what = entry.remove();
            self.happen(what);
        }
    }

    /// What the supervisor is told in this turn.
    fn deliver(&mut self) -> Vec<Event> {
        let mut told: Vec<Event> = self.truth.untold.drain(..).collect();
        let mut kept = told.split_off(told.len().min(EVENTS_A_TURN_MAX));
        if self.rng.chance(self.scene.chaos.shuffle) {
            self.rng.shuffle(&mut told);
            in_order_of_each_run(&mut told);
            if told.len() > 1 && self.rng.chance(50) {
                let mut later = told.split_off(1 + self.rng.below(told.len() - 1));
                later.append(&mut kept);
                kept = later;
            }
        }
        self.truth.untold.extend(kept);
        told
    }

    fn tell_twin(&mut self, event: &Event) {
        self.clerk.about_to_tell(event, &self.twin, self.now);
        self.twin.handle(event.clone(), self.now);
        if let Some(oracle) = &mut self.oracle {
            oracle.told(event, &self.twin, self.now);
        }
        self.clerk.told(&self.twin, self.now);
    }

    fn compare_with_twin(&mut self) {
        let twins: Vec<Action> = std::iter::from_fn(|| self.twin.next_action()).collect();
        assert_eq!(self.performed, twins, "the same events led to other actions");
        self.performed.clear();
    }
}

impl Truth {
    pub fn is_empty(&self) -> bool {
        self.strangers.is_empty() && self.processes.values().all(|process| process.gone)
    }
}

impl Host for World {
    fn now(&self) -> Time {
        self.now
    }

    fn perform(&mut self, action: Action) {
        let matters = match &action {
            Action::Sweep { .. } => !self.truth.is_empty(),
            Action::Tell(_)
            | Action::ReadPlan
            | Action::Adopt { .. }
            | Action::TellAbove(_)
            | Action::Release { .. } => false,
            Action::Reply { answer, .. } => !matches!(**answer, Answer::Progress(_)),
            Action::Spawn { .. }
            | Action::Kill { .. }
            | Action::EndInput { .. }
            | Action::Report(_)
            | Action::Forget { .. } => true,
        };
        self.history.push((self.now, Entry::Action(action.clone(), matters)));
        if let Some(oracle) = &mut self.oracle {
            oracle.performed(&action, &self.truth, self.now);
        }
        self.clerk.performed(&action, &self.truth, self.now);
        self.performed.push(action.clone());
        match action {
            Action::Spawn { run, service, role } => self.spawn(run, &service, role),
            Action::Kill { run, signal, scope } => self.kill(run, signal, scope),
            Action::Sweep { signal } => self.sweep(signal),
            Action::EndInput { service } => self.end_input(&service),
            Action::Report(notice) => self.said.push(notice.to_string()),
            Action::Reply { ticket, answer } => self.answers.push((ticket, *answer)),
            Action::TellAbove(word) => self.above.push(word),
            Action::Tell(_)
            | Action::Adopt { .. }
            | Action::Release { .. }
            | Action::Forget { .. } => {}
            Action::ReadPlan => self.read_plan(),
        }
        if !self.truth.is_empty() {
            self.truth.empty_since = None;
        }
    }

    fn wait(&mut self, wake: Wake, events: &mut Vec<Event>) {
        self.turns += 1;
        assert!(self.turns < TURNS_MAX, "this never ends");
        self.twin.work(self.now);
        let is_spawn = |action: &&Action| matches!(action, Action::Spawn { .. });
        let spawns = self.performed.iter().filter(is_spawn).count();
        self.most_spawns_a_turn = self.most_spawns_a_turn.max(spawns);
        let actions = self.performed.len();
        self.compare_with_twin();
        assert_eq!(self.twin.wake(), wake, "the twin would wake at another time");
        if let Some(oracle) = &mut self.oracle {
            oracle.turn(&self.truth, &self.twin, wake, actions, spawns, self.now);
        }
        self.clerk.turn(&self.truth, &self.twin, wake, spawns, self.now);
        self.pass(wake);
        let told = self.deliver();
        for event in &told {
            if let Event::Gone { run } | Event::SpawnFailed { run, .. } = event {
                self.truth.processes.remove(run);
            }
            self.history.push((self.now, Entry::Event(event.clone())));
            self.tell_twin(event);
        }
        self.tell_twin(&Event::DeadlinePassed);
        events.extend(told);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", render_all(&self.history, &self.scene).join("\n"));
        }
    }
}

/// Of one run, and of one question, nothing overtakes anything.
fn in_order_of_each_run(events: &mut [Event]) {
    let rank = |event: &Event| match event {
        Event::Spawned { run } => Some(((0, run.0), 0)),
        Event::SpawnFailed { run, .. } => Some(((0, run.0), 1)),
        Event::Announced { run }
        | Event::Mute { run }
        | Event::Notified { run, .. }
        | Event::Found { run, .. } => Some(((0, run.0), 1)),
        Event::Exited { run, .. } => Some(((0, run.0), 2)),
        Event::Gone { run } => Some(((0, run.0), 3)),
        Event::Asked { ticket, .. } => Some(((1, ticket.0), 0)),
        Event::HungUp { ticket } => Some(((1, ticket.0), 1)),
        Event::Alone
        | Event::Signalled { .. }
        | Event::SourcesChanged
        | Event::PlanRead { .. }
        | Event::DeadlinePassed => None,
    };
    let whose: BTreeSet<(u8, u64)> = events.iter().filter_map(rank).map(|(of, _)| of).collect();
    for it in whose {
        let is_its = |event: &Event| rank(event).is_some_and(|(of, _)| of == it);
        let places: Vec<usize> = (0..events.len()).filter(|at| is_its(&events[*at])).collect();
        let mut sorted: Vec<Event> = places.iter().map(|at| events[*at].clone()).collect();
        sorted.sort_by_key(|event| rank(event).map(|(_, rank)| rank));
        for (place, event) in places.into_iter().zip(sorted) {
            events[place] = event;
        }
    }
    // Nobody is alone before everybody's end was told.
    if let Some(at) = events.iter().position(|event| *event == Event::Alone) {
        events[at..].rotate_left(1);
    }
}

// ---- words ----

/// What was done, for a story: `5s TERM db`.
pub fn render(history: &[(Time, Entry)]) -> Vec<String> {
    let mut names = BTreeMap::new();
    let mut lines = Vec::new();
    for (at, entry) in history {
        let what = match entry {
            Entry::Action(Action::Report(_), _) | Entry::Action(_, false) | Entry::Event(_) => {
                continue;
            }
            Entry::Action(action, true) => words(action, &mut names),
            Entry::Over(code) => format!("over {code}"),
        };
        lines.push(format!("{} {what}", clock(*at)));
    }
    lines
}

/// Everything, for whoever looks for a bug.
pub fn render_all(history: &[(Time, Entry)], scene: &Scene) -> Vec<String> {
    let mut lines = vec![format!(
        "budget {:?}, stop signals {:?}, seed {}",
        scene.stop_timeout, scene.stop_signals, scene.seed
    )];
    for actor in &scene.actors {
        let spec = &actor.spec;
        let mut line = format!("{} {:?} restart {:?}", spec.name, spec.kind, spec.restart);
        for dependency in &spec.depends_on {
            let _ = write!(line, " needs {} {:?}", dependency.name, dependency.condition);
        }
        for other in &spec.after {
            let _ = write!(line, " after {other}");
        }
        let _ = write!(line, " success {:?} failure {:?}", spec.on_success, spec.on_failure);
        let _ = write!(line, " {:?} stop {:?}", spec.backoff, spec.stop);
        let _ = write!(line, "\n    plays {:?}", actor.main);
        let _ = write!(line, "\n    hooks {:?} {:?}", actor.before_start, actor.after_exit);
        let _ = write!(line, "\n    stop {:?}", actor.stop_command);
        lines.push(line);
    }
    let mut names = BTreeMap::new();
    for (at, entry) in history {
        let what = match entry {
            Entry::Action(Action::Report(notice), _) => format!("      says: {notice}"),
            Entry::Action(action, _) => format!("  {}", words(action, &mut names)),
            Entry::Event(event) => {
                let run = match event {
                    Event::Spawned { run }
                    | Event::SpawnFailed { run, .. }
                    | Event::Announced { run }
                    | Event::Mute { run }
                    | Event::Notified { run, .. }
                    | Event::Found { run, .. }
                    | Event::Exited { run, .. }
                    | Event::Gone { run } => names.get(run).cloned().unwrap_or_default(),
                    Event::Alone
                    | Event::Signalled { .. }
                    | Event::SourcesChanged
                    | Event::Asked { .. }
                    | Event::HungUp { .. }
                    | Event::PlanRead { .. }
                    | Event::DeadlinePassed => String::new(),
                };
                format!("{event:?} {run}")
            }
            Entry::Over(code) => format!("over {code}"),
        };
        lines.push(format!("{:>10} {what}", clock(*at)));
    }
    lines
}

fn clock(at: Time) -> String {
    if at == Time::ZERO { "0s".to_owned() } else { format!("{:?}", at.since_start()) }
}

fn words(action: &Action, names: &mut BTreeMap<RunId, String>) -> String {
    match action {
        Action::Spawn { run, service, role } => {
            let (start, name) = match role {
                Role::Main => (format!("start {}", service.name), service.name.to_string()),
                Role::BeforeStart { .. }
                | Role::Probe { .. }
                | Role::Reload { .. }
                | Role::StopCommand { .. }
                | Role::AfterExit { .. } => {
                    let name = format!("{}'s {role}", service.name);
                    (format!("run {name}"), name)
                }
            };
            names.insert(*run, name);
            start
        }
        Action::Kill { run, signal, scope } => {
            let signal = signal.to_string();
            let signal = signal.trim_start_matches("SIG");
            let group = if *scope == Scope::Group { " and its group" } else { "" };
            format!("{signal} {}{group}", names.get(run).cloned().unwrap_or_default())
        }
        Action::Sweep { signal } => format!("{signal} everybody").replace("SIG", ""),
        Action::Report(notice) => notice.to_string(),
        Action::Tell(change) => {
            let report = &change.report;
            format!(
                "{} {}: {} → {}",
                change.number,
                report.spec.name,
                change.before,
                report.state.word()
            )
        }
        Action::Reply { ticket, answer } => format!("answer {}: {}", ticket.0, reply(answer)),
        Action::ReadPlan => "read the plan".to_owned(),
        Action::Adopt { specs } => format!("adopt {} services", specs.len()),
        Action::TellAbove(word) => format!("tell above: {word:?}"),
        Action::EndInput { service } => format!("end the input of {service}"),
        Action::Release { service } => format!("release {service}"),
        Action::Forget { service } => format!("forget {service}"),
    }
}

fn reply(answer: &Answer) -> String {
    let how = |report: &Report| format!("{} {}", report.spec.name, report.state.word());
    let all = |reports: &[Report]| reports.iter().map(how).collect::<Vec<_>>().join(", ");
    let came = |outcome: &Outcome| {
        let reached = if outcome.reached { "reached" } else { "not reached" };
        let changed = if outcome.changed { "" } else { ", unchanged" };
        format!("{} ({reached}{changed})", how(&outcome.report))
    };
    match answer {
        Answer::Status(reports) => all(reports),
        Answer::Health { well, reason } => {
            format!("{}: {reason}", if *well { "well" } else { "not well" })
        }
        Answer::Progress(reports) => format!("so far: {}", all(reports)),
        Answer::Difference(difference) => difference.to_string(),
        Answer::Done(outcomes) if outcomes.is_empty() => "done".to_owned(),
        Answer::Done(outcomes) => outcomes.iter().map(came).collect::<Vec<_>>().join(", "),
        Answer::ShuttingDown => "shutting down".to_owned(),
        Answer::Refused(refusal) => format!("refused: {refusal}"),
    }
}
