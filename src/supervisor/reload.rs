//! Another plan: what is gone stops, what is new starts, what changed restarts, and the rest keeps
//! its process.
//!
//! Services are known by their place in start order; with another plan everybody gets a new place,
//! and whatever names a place is put right in [`Supervisor::rebuild`]. A service that has left the
//! plan and still runs stands behind the others, in the order those had.

use super::ask::{Awaited, Until};
use super::*;
use crate::service::{Node, Problem};

/// The sources are being read.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// For whom.
    askers: Vec<Asker>,
    /// Who asked while they were being read, and means what is there now.
    later: Vec<Asker>,
}

/// Who asked for a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Signal,
    /// Nobody: what is watched has changed.
    Change,
    Client {
        ticket: Ticket,
        dry_run: bool,
        wait: bool,
    },
}

/// A service on its way into the table: what it waits for is known by name.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    service: Service,
    needs: Vec<(Name, Condition)>,
    after: Vec<Name>,
}

impl Draft {
    fn name(&self) -> &Name {
        &self.service.spec.name
    }

    /// The services of a plan: wanted are those that are started without being asked for, and those
    /// that they need.
    pub(super) fn of_plan(nodes: Vec<Node>) -> Vec<Self> {
        let names: Vec<Name> = nodes.iter().map(|node| node.spec.name.clone()).collect();
        let name = |index: &Index| names.get(index.0).cloned();
        nodes
            .iter()
            .map(|node| Self {
                service: Service::new(node.spec.clone()),
                needs: node.needs.iter().filter_map(|(i, c)| Some((name(i)?, *c))).collect(),
                after: node.after.iter().filter_map(name).collect(),
            })
            .collect()
    }

    /// The services of a table.
    fn of_table(services: Vec<Service>) -> Vec<Self> {
        let names: Vec<Name> = services.iter().map(|s| s.spec.name.clone()).collect();
        let name = |index: &Index| names.get(index.0).cloned();
        services
            .into_iter()
            .map(|service| {
                let Links { needs, after, .. } = &*service.links;
                let needs = needs.iter().filter_map(|(i, c)| Some((name(i)?, *c))).collect();
                let after = after.iter().filter_map(name).collect();
                Self { service, needs, after }
            })
            .collect()
    }
}

/// Whoever nobody has wanted so far, and is needed by one that is wanted, is wanted, too.
pub(super) fn wake_the_needed(drafts: &mut [Draft]) {
    let is_wanted = |draft: &&Draft| draft.service.goal == Goal::Up;
    let needs =
        |draft: &Draft| draft.needs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let mut needed: Vec<Name> = drafts.iter().filter(is_wanted).flat_map(needs).collect();
    let places = Index::by_name(drafts.iter().map(Draft::name));
    while let Some(name) = needed.pop() {
        let draft = places.get(&name).and_then(|at| drafts.get_mut(at.0));
        if let Some(draft) = draft.filter(|draft| draft.service.is_dormant) {
            draft.service.goal = Goal::Up;
            draft.service.is_dormant = false;
            needed.extend(needs(draft));
        }
    }
}

/// The services there are under another plan, and behind them those that are to leave.
fn table_under(plan: Plan, services: Vec<Service>, now: Time) -> Vec<Draft> {
    let old = Draft::of_table(services);
    let places = Index::by_name(old.iter().map(Draft::name));
    let mut old: Vec<Option<Draft>> = old.into_iter().map(Some).collect();
    let mut drafts = Vec::new();
    for mut draft in Draft::of_plan(plan.into_nodes()) {
        let known = places.get(draft.name()).and_then(|at| old.get_mut(at.0));
        if let Some(known) = known.and_then(Option::take) {
            let spec = std::mem::replace(&mut draft.service, known.service).spec;
            let service = &mut draft.service;
            if service.goal == Goal::Gone {
                // It is as new, unless something of it still runs.
                service.is_dormant = !spec.autostart && service.state.is_at_rest();
                service.goal = if service.is_dormant { Goal::Down } else { Goal::Up };
            } else if service.is_dormant && spec.autostart {
                service.is_dormant = false;
                service.goal = Goal::Up;
            }
            if service.spec.is_same(&spec) {
                service.spec = spec;
                service.next = None;
            } else {
                service.next = Some(spec);
            }
        } else {
            draft.service.since = now;
        }
        drafts.push(draft);
    }
    for mut draft in old.into_iter().flatten() {
        draft.service.goal = Goal::Gone;
        drafts.push(draft);
    }
    wake_the_needed(&mut drafts);
    drafts
}

/// Puts services into a table, in the order they have. Nobody waits for one that is not there.
pub(super) fn table(drafts: Vec<Draft>) -> Vec<Service> {
    let places = Index::by_name(drafts.iter().map(Draft::name));
    let place = |name: &Name| places.get(name).copied();
    let mut waited_for_by = vec![Vec::new(); drafts.len()];
    let mut services = Vec::with_capacity(drafts.len());
    for (at, draft) in drafts.into_iter().enumerate() {
        let Draft { mut service, needs, after } = draft;
        let needs: Vec<_> = needs.iter().filter_map(|(name, c)| Some((place(name)?, *c))).collect();
        let after: Vec<_> = after.iter().filter_map(place).collect();
        let waits_for: BTreeSet<Index> =
            needs.iter().map(|(other, _)| *other).chain(after.iter().copied()).collect();
        for other in &waits_for {
            if let Some(waiting) = waited_for_by.get_mut(other.0) {
                Vec::push(waiting, Index(at));
            }
        }
        let waits_for = waits_for.into_iter().collect();
        service.links = Links { needs, after, waits_for, waited_for_by: Vec::new() }.into();
        services.push(service);
    }
    for (service, waiting) in services.iter_mut().zip(waited_for_by) {
        if !waiting.is_empty() {
            service.links.waited_for_by = waiting;
        }
    }
    services
}

impl Service {
    /// A service that nothing has been done for yet.
    fn new(spec: Arc<Spec>) -> Self {
        let (goal, state) = match spec.autostart {
            true => (Goal::Up, State::Waiting),
            false => (Goal::Down, State::Down),
        };
        Self {
            is_dormant: !spec.autostart,
            spec,
            goal,
            state,
            runs: 0,
            ends: 0,
            since: Time::ZERO,
            past: VecDeque::new(),
            status: String::new(),
            reloads: Reloads::default(),
            next: None,
            links: Rare::default(),
        }
    }

    /// Whether nothing about it is other under `spec`, neither its process nor that it has one.
    fn stays_under(&self, spec: &Spec) -> bool {
        self.latest().is_same(spec) && !(self.is_dormant && spec.autostart)
    }

    /// What it is, or is to be as soon as nothing of it runs.
    fn latest(&self) -> &Arc<Spec> {
        self.next.as_ref().unwrap_or(&self.spec)
    }
}

impl Supervisor {
    /// Has the sources read again.
    pub(super) fn read_plan(&mut self, asker: Asker) {
        match &mut self.reading {
            None => {
                self.reading = Some(Reading { askers: vec![asker], later: Vec::new() });
                self.actions.push_back(Action::ReadPlan);
            }
            Some(reading) => {
                let later = &mut reading.later;
                // One reading is enough for any number of signals, and for a change beside them.
                let is_known = match asker {
                    Asker::Client { .. } => false,
                    Asker::Signal => later.contains(&Asker::Signal),
                    Asker::Change => {
                        later.contains(&Asker::Signal) || later.contains(&Asker::Change)
                    }
                };
                if asker == Asker::Signal {
                    later.retain(|other| *other != Asker::Change);
                }
                if !is_known {
                    later.push(asker);
                }
            }
        }
    }

    /// The sources have been read.
    pub(super) fn plan_read(&mut self, result: Result<Plan, Vec<Problem>>, now: Time) {
        let Some(Reading { askers, later }) = self.reading.take() else { return };
        if self.is_stopping() {
            for asker in askers.into_iter().chain(later) {
                self.refuse(asker, Refusal::Stopping);
            }
            return;
        }
        match result {
            Ok(plan) => self.answer_with(plan, askers, now),
            Err(problems) => {
                for asker in askers {
                    self.refuse(asker, Refusal::Problems(problems.clone()));
                }
            }
        }
        if !later.is_empty() {
            self.reading = Some(Reading { askers: later, later: Vec::new() });
            self.actions.push_back(Action::ReadPlan);
        }
    }

    fn refuse(&mut self, asker: Asker, refusal: Refusal) {
        match (asker, refusal) {
            (Asker::Client { ticket, .. }, refusal) => {
                self.reply(ticket, Answer::Refused(refusal));
            }
            (Asker::Signal | Asker::Change, Refusal::Problems(problems)) => {
                let count = problems.len();
                for problem in problems {
                    self.report(Notice::ReloadProblem(problem));
                }
                self.report(Notice::ReloadRefused { problems: count });
            }
            // Who stops everything has been told.
            (
                Asker::Signal | Asker::Change,
                Refusal::Stopping
                | Refusal::Unknown { .. }
                | Refusal::MainCommand
                | Refusal::Needed { .. }
                | Refusal::NoReload { .. }
                | Refusal::NotReady { .. }
                | Refusal::NotRunning { .. },
            ) => {}
        }
    }

    fn answer_with(&mut self, plan: Plan, askers: Vec<Asker>, now: Time) {
        let difference = self.difference(&plan);
        let before = RunId(self.last_run);
        let is_meant = |asker: &Asker| match asker {
            Asker::Signal | Asker::Change => true,
            Asker::Client { dry_run, .. } => !dry_run,
        };
        if askers.iter().any(is_meant) {
            let is_asked = askers.iter().any(|asker| is_meant(asker) && *asker != Asker::Change);
            self.report(match is_asked || !difference.is_empty() {
                true => Notice::Reloaded(difference.clone()),
                // A directory that is not whole yet, or a file beside the services.
                false => Notice::RereadInVain,
            });
            self.apply(plan, now);
        }
        for asker in askers {
            let Asker::Client { ticket, dry_run, wait } = asker else { continue };
            self.reply(ticket, Answer::Difference(difference.clone()));
            let awaited = if dry_run { Vec::new() } else { self.await_all(&difference, before) };
            if let Some(answer) = self.answer_later(ticket, awaited, wait && !dry_run) {
                self.reply(ticket, answer);
            }
        }
    }

    fn await_all(&self, difference: &Difference, before: RunId) -> Vec<Awaited> {
        let is_wanted = |index: &Index| {
            self.services.get(index.0).is_some_and(|service| service.goal == Goal::Up)
        };
        let starting = difference.added.iter().chain(&difference.changed);
        let starting = starting.filter_map(|name| self.index_of(name)).filter(is_wanted);
        let starting = starting.filter_map(|index| self.await_start(index, before, true));
        let until = Until::Down;
        let removed = difference.removed.iter();
        let removed = removed.map(|name| Awaited { service: name.clone(), until, changed: true });
        starting.chain(removed).collect()
    }

    /// What another plan would change.
    fn difference(&self, plan: &Plan) -> Difference {
        let mut difference = Difference::default();
        let mut before: BTreeMap<&Name, &Service> = self
            .services
            .iter()
            .filter(|service| service.goal != Goal::Gone)
            .map(|service| (&service.spec.name, service))
            .collect();
        for node in plan.nodes() {
            let name = &node.spec.name;
            match before.remove(name) {
                None => difference.added.push(name.clone()),
                Some(service) if service.stays_under(&node.spec) => {
                    difference.unchanged = difference.unchanged.saturating_add(1);
                }
                Some(_) => difference.changed.push(name.clone()),
            }
        }
        difference.removed = before.into_keys().cloned().collect();
        self.starts(plan, &mut difference);
        difference
    }

    /// Whom it would start: that is seen by doing it to a table of its own.
    fn starts(&self, plan: &Plan, difference: &mut Difference) {
        let drafts = table_under(plan.clone(), self.services.clone(), Time::ZERO);
        let changed: BTreeSet<Name> = difference.changed.iter().cloned().collect();
        let is_wanted = |service: &&Service| service.goal == Goal::Up;
        let wanted = self.services.iter().filter(is_wanted);
        let wanted: BTreeSet<&Name> = wanted.map(|service| &service.spec.name).collect();
        for Draft { service, .. } in drafts.iter().filter(|it| it.service.goal == Goal::Up) {
            let name = &service.spec.name;
            let is_changed = changed.contains(name);
            if is_changed && service.runs > 0 {
                difference.restarted.push(name.clone());
            } else if is_changed || !wanted.contains(name) {
                difference.started.push(name.clone());
            }
        }
    }

    fn apply(&mut self, plan: Plan, now: Time) {
        self.disabled = plan.disabled().to_vec();
        let specs = plan.nodes().iter().map(|node| node.spec.clone()).collect();
        self.actions.push_back(Action::Adopt { specs });
        let before = self.names();
        let services = std::mem::take(&mut self.services);
        let drafts = table_under(plan, services, now);
        let is_leaving = |draft: &&Draft| draft.service.goal == Goal::Gone;
        self.leaving.extend(drafts.iter().filter(is_leaving).map(|draft| draft.name().clone()));
        self.rebuild(&before, drafts);
        for index in (0..self.services.len()).map(Index) {
            let Some(service) = self.services.get(index.0) else { continue };
            if service.next.is_some() {
                self.take_over(index, now);
            } else if service.goal == Goal::Up && service.state == State::Down {
                // It had left, and is back before it was forgotten; or nobody needed it so far.
                self.begin(index, now);
            }
        }
        self.stop_all_released(now);
    }

    /// A service has changed: it is restarted, unless it was stopped by hand.
    fn take_over(&mut self, index: Index, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        let timeout = service.spec.stop.timeout;
        match (&service.state, service.goal) {
            (State::Down | State::Completed { .. }, Goal::Up) => self.begin(index, now),
            (
                State::Down | State::Completed { .. } | State::Failed { .. },
                Goal::Down | Goal::Gone,
            ) => {
                self.renew(index);
            }
            (State::Failed { .. }, Goal::Up) => {
                self.begin(index, now);
                self.revive_dependents(index, now);
            }
            (
                State::Waiting
                | State::Starting { .. }
                | State::Unready(_)
                | State::Up(_)
                | State::Stopping(_)
                | State::Backoff { .. },
                Goal::Up,
            ) => {
                if !self.is_still_written_to(index) {
                    self.stop(index, timeout, None, now);
                }
            }
            // It is stopped when its turn comes, and is renewed then.
            (
                State::Waiting
                | State::Starting { .. }
                | State::Unready(_)
                | State::Up(_)
                | State::Stopping(_)
                | State::Backoff { .. },
                Goal::Down | Goal::Gone,
            ) => {}
        }
    }

    /// Whether this service is to read no longer what others write, and some of them have yet to
    /// stop or to become what they are now. It goes on until then: nobody else would read it.
    fn is_still_written_to(&self, index: Index) -> bool {
        let Some(service) = self.services.get(index.0) else { return false };
        let name = &service.spec.name;
        let is_to_go_on = service.spec.is_consumer && !service.latest().is_consumer;
        is_to_go_on
            && self.services.iter().any(|other| {
                let is_changing = other.next.is_some() || other.goal != Goal::Up;
                let writes = other.spec.log.consumers().any(|it| it == name);
                writes && is_changing && !other.state.is_at_rest()
            })
    }

    /// Whoever went on because it was still written to, and is no more, is restarted.
    pub(super) fn take_over_all_held(&mut self, now: Time) {
        for index in (0..self.services.len()).map(Index) {
            let Some(service) = self.services.get(index.0) else { continue };
            let runs = match &service.state {
                State::Starting { .. } | State::Unready(_) | State::Up(_) => true,
                State::Down
                | State::Waiting
                | State::Stopping(_)
                | State::Backoff { .. }
                | State::Completed { .. }
                | State::Failed { .. } => false,
            };
            // Of those that run and have changed all others are on their way down.
            if runs && service.next.is_some() && service.goal == Goal::Up {
                self.take_over(index, now);
            }
        }
    }

    /// Who has left the plan, and has come to rest, is forgotten; but not while it stands between
    /// others that are still to stop one after another.
    pub(super) fn forget_the_gone(&mut self, _now: Time) {
        if self.leaving.is_empty() || self.is_stopping() {
            return;
        }
        let lives = &self.lives;
        // A probe that was killed may still be on its way out.
        let has_life = |at: usize| lives.values().any(|life| life.service.0 == at);
        let is_over = |service: &Service| service.goal == Goal::Gone && service.state.is_at_rest();
        let used = self.used_up_to_now();
        let over: BTreeSet<Name> = self
            .services
            .iter()
            .enumerate()
            .filter(|(at, service)| {
                is_over(service) && !self.is_held(Index(*at), &used) && !has_life(*at)
            })
            .map(|(_, service)| service.spec.name.clone())
            .collect();
        if over.is_empty() {
            return;
        }
        let before = self.names();
        let mut drafts = Draft::of_table(std::mem::take(&mut self.services));
        drafts.retain(|draft| {
            let service = draft.service.spec.name.clone();
            let over = over.contains(&service);
            if over {
                self.leaving.remove(&service);
                self.actions.push_back(Action::Forget { service });
            }
            !over
        });
        self.leaving.retain(|name| drafts.iter().any(|draft| draft.service.spec.name == *name));
        self.rebuild(&before, drafts);
    }

    /// The names of the services, in their order.
    fn names(&self) -> Vec<Name> {
        self.services.iter().map(|service| service.spec.name.clone()).collect()
    }

    /// Takes these services for those there are, and puts everything right that names a place.
    /// `before` are the names of those there were.
    fn rebuild(&mut self, before: &[Name], drafts: Vec<Draft>) {
        self.services = table(drafts);
        let places = Index::by_name(self.services.iter().map(|service| &service.spec.name));
        for life in self.lives.values_mut() {
            // Who has a life is still there: it is forgotten only when nothing of it runs.
            let place = before.get(life.service.0).and_then(|name| places.get(name));
            life.service = place.copied().unwrap_or(life.service);
        }
        self.deadlines.forget_services();
        self.to_consider.clear();
        self.at_rest = 0;
        self.up = 0;
        for (at, service) in self.services.iter().enumerate() {
            let index = Index(at);
            self.deadlines.set(Who::Service(index), service.state.deadline());
            if is_up(service.spec.kind, &service.state) {
                self.up = self.up.saturating_add(1);
            }
            match service.state {
                State::Waiting => {
                    self.to_consider.insert(index);
                }
                State::Down | State::Completed { .. } | State::Failed { .. } => {
                    self.at_rest = self.at_rest.saturating_add(1);
                }
                State::Starting { .. }
                | State::Unready(_)
                | State::Up(_)
                | State::Stopping(_)
                | State::Backoff { .. } => {}
            }
        }
    }
}
