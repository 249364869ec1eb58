//! What the supervisor does when it is asked.
//!
//! Whatever changes something is done at once; only the answer may wait, for the outcome. Who
//! waits is looked at once a turn.

use std::collections::{BTreeSet, VecDeque};

use super::ask::{Awaited, Until, Waiter};
use super::reload::Asker;
use super::*;
use crate::limits::CHAIN_MAX;
use crate::service::{Pattern, nearest};

impl Supervisor {
    /// Takes a question, and answers it now or later.
    pub(super) fn asked(&mut self, ticket: Ticket, ask: Ask, now: Time) {
        let result = match ask {
            Ask::Status { names } => self.status(&names).map(Some),
            Ask::Health { level } => Ok(Some(self.health(level, now))),
            Ask::Start { names, wait } => self.start_asked(ticket, &names, wait, now),
            Ask::Stop { names, dependents, wait } => {
                self.stop_asked(ticket, &names, dependents, wait, now)
            }
            Ask::Restart { names, wait } => self.restart_asked(ticket, &names, wait, now),
            Ask::Signal { names, signal } => self.signal_asked(&names, signal).map(Some),
            Ask::Wait { names, milestone } => self.wait_asked(ticket, &names, milestone),
            Ask::ReloadServices { names, wait } => {
                self.reload_services_asked(ticket, &names, wait, now)
            }
            Ask::Reload { .. } if self.is_stopping() => Err(Refusal::Stopping),
            Ask::Reload { dry_run, wait } => {
                self.read_plan(Asker::Client { ticket, dry_run, wait });
                Ok(None)
            }
            Ask::Shutdown { code } => {
                self.shut_down(code, By::Request, None, now);
                Ok(Some(Answer::ShuttingDown))
            }
        };
        match result {
            Ok(Some(answer)) => self.reply(ticket, answer),
            Ok(None) => {}
            Err(refusal) => self.reply(ticket, Answer::Refused(refusal)),
        }
    }

    /// Nobody waits for the answer any more.
    pub(super) fn hung_up(&mut self, ticket: Ticket) {
        self.waiters.remove(&ticket);
    }

    pub(super) fn reply(&mut self, ticket: Ticket, answer: Answer) {
        self.actions.push_back(Action::Reply { ticket, answer: Box::new(answer) });
    }

    // ---- looking ----

    fn status(&self, names: &[Pattern]) -> Result<Answer, Refusal> {
        let found = self.find(names)?;
        Ok(Answer::Status(found.into_iter().filter_map(|index| self.look_at(index)).collect()))
    }

    fn health(&self, level: HealthLevel, now: Time) -> Answer {
        let mut wrong = 0usize;
        let mut first = None;
        let mut all = 0usize;
        for (at, service) in self.services.iter().enumerate() {
            if service.goal == Goal::Gone {
                continue;
            }
            // Whoever is only started on request is where it belongs.
            if service.state == State::Down && !service.spec.autostart {
                continue;
            }
            all = all.saturating_add(1);
            let failed = matches!(service.state, State::Failed { .. });
            let is_wrong = match level {
                HealthLevel::Alive => failed,
                HealthLevel::Ready => {
                    failed || !matches!(service.reach(Condition::Ready), Reach::Reached)
                }
            };
            if is_wrong {
                wrong = wrong.saturating_add(1);
                first.get_or_insert(Index(at));
            }
        }
        if level == HealthLevel::Ready && self.is_stopping() {
            return Answer::Health { well: false, reason: Refusal::Stopping.to_string() };
        }
        let Some(report) = first.and_then(|index| self.look_at(index)) else {
            let services = if all == 1 { "service" } else { "services" };
            let reason = match level {
                HealthLevel::Alive => format!("{all} {services}, none has failed for good"),
                HealthLevel::Ready => format!("{all} {services}, all up"),
            };
            return Answer::Health { well: true, reason };
        };
        let word = match report.state.word() {
            "backoff" => "in back-off",
            word => word,
        };
        let mut reason = format!("{} is {word}", report.spec.name);
        let why = report.why(now);
        if !why.is_empty() {
            reason = format!("{reason}: {why}");
        }
        if wrong > 1 {
            reason = format!("{reason}; {} more", wrong.saturating_sub(1));
        }
        Answer::Health { well: false, reason }
    }

    /// The services that these patterns name, each once, in start order; all without a pattern.
    fn find(&self, names: &[Pattern]) -> Result<Vec<Index>, Refusal> {
        let known = || self.services.iter().enumerate().filter(|(_, s)| s.goal != Goal::Gone);
        let fits = |pattern: &Pattern, service: &Service| {
            let spec = &service.spec;
            let fits = |name: &Name| pattern.fits(name.as_str().as_bytes());
            fits(&spec.name) || spec.family.as_ref().is_some_and(fits)
        };
        for pattern in names {
            if !known().any(|(_, service)| fits(pattern, service)) {
                let word = pattern.as_str();
                let disabled = self.disabled.iter().any(|name| name.as_str() == word);
                let all = known().map(|(_, service)| service.spec.name.as_str());
                let nearest = nearest(word, all).and_then(|name| Name::new(&name).ok());
                return Err(Refusal::Unknown { pattern: pattern.clone(), nearest, disabled });
            }
        }
        let wanted = |service: &Service| {
            names.is_empty() || names.iter().any(|pattern| fits(pattern, service))
        };
        Ok(known().filter(|(_, service)| wanted(service)).map(|(at, _)| Index(at)).collect())
    }

    /// How a service is.
    pub(super) fn look_at(&self, index: Index) -> Option<Report> {
        let service = self.services.get(index.0)?;
        let life = service.run().and_then(|run| self.lives.get(&run)).cloned();
        let mut chain = Vec::new();
        if service.state == State::Waiting {
            self.chain(service, 0, &mut chain);
        }
        Some(Report {
            spec: service.spec.clone(),
            goal: service.goal,
            state: service.state.clone(),
            since: service.since,
            runs: service.runs,
            ends: service.ends,
            past: service.past.iter().cloned().collect(),
            status: service.status.clone(),
            life,
            chain,
        })
    }

    /// Whom a service waits for, and whom they wait for.
    fn chain(&self, service: &Service, depth: usize, chain: &mut Vec<Link>) {
        let needs = self.needs_of(service).filter_map(|(other, condition)| {
            let open = !matches!(other.reach(condition), Reach::Reached);
            open.then_some((other, Some(condition)))
        });
        let after = self.after_of(service).filter(|o| !o.has_known_fate()).map(|o| (o, None));
        for (other, condition) in needs.chain(after) {
            // A service that stands in it already has told whom it waits for.
            let seen = chain.iter().any(|link| link.service == other.spec.name);
            if seen || chain.len() >= CHAIN_MAX {
                continue;
            }
            let (name, state) = (other.spec.name.clone(), other.state.clone());
            chain.push(Link { depth, service: name, condition, state });
            if other.state == State::Waiting {
                self.chain(other, depth.saturating_add(1), chain);
            }
        }
    }

    // ---- doing ----

    fn start_asked(
        &mut self,
        ticket: Ticket,
        names: &[Pattern],
        wait: bool,
        now: Time,
    ) -> Result<Option<Answer>, Refusal> {
        let targets = self.find_to_change(names)?;
        let before = RunId(self.last_run);
        let mut awaited = Vec::new();
        for index in targets {
            let changed = self.want(index, now);
            self.want_needs_of(index, now);
            awaited.extend(self.await_start(index, before, changed));
        }
        // They may have been the last that others, which are still to stop, had to wait for.
        self.stop_all_released(now);
        Ok(self.answer_later(ticket, awaited, wait))
    }

    fn restart_asked(
        &mut self,
        ticket: Ticket,
        names: &[Pattern],
        wait: bool,
        now: Time,
    ) -> Result<Option<Answer>, Refusal> {
        let targets = self.find_to_change(names)?;
        self.spare_the_main_command(&targets)?;
        let before = RunId(self.last_run);
        let mut awaited = Vec::new();
        for index in targets {
            let Some(service) = self.services.get(index.0) else { continue };
            let timeout = service.spec.stop.timeout;
            match service.state {
                State::Starting { .. } | State::Unready(_) | State::Up(_) | State::Stopping(_) => {
                    self.want(index, now);
                    self.stop(index, timeout, None, now);
                }
                State::Down
                | State::Waiting
                | State::Backoff { .. }
                | State::Completed { .. }
                | State::Failed { .. } => {
                    self.want(index, now);
                }
            }
            self.want_needs_of(index, now);
            awaited.extend(self.await_start(index, before, true));
        }
        self.stop_all_released(now);
        Ok(self.answer_later(ticket, awaited, wait))
    }

    fn stop_asked(
        &mut self,
        ticket: Ticket,
        names: &[Pattern],
        dependents: Dependents,
        wait: bool,
        now: Time,
    ) -> Result<Option<Answer>, Refusal> {
        let mut targets: BTreeSet<Index> = self.find_to_change(names)?.into_iter().collect();
        self.spare_the_main_command(&targets.iter().copied().collect::<Vec<_>>())?;
        match dependents {
            Dependents::Keep => {}
            Dependents::Stop => {
                for index in targets.clone() {
                    targets.extend(self.dependents(index));
                }
            }
            Dependents::Refuse => {
                let mut by = Vec::new();
                for index in &targets {
                    let others: Vec<Name> = self
                        .dependents(*index)
                        .into_iter()
                        .filter(|other| !targets.contains(other))
                        .filter_map(|other| self.services.get(other.0))
                        .map(|service| service.spec.name.clone())
                        .collect();
                    if let (Some(service), false) = (self.services.get(index.0), others.is_empty())
                    {
                        by.push((service.spec.name.clone(), others));
                    }
                }
                if !by.is_empty() {
                    return Err(Refusal::Needed { by });
                }
            }
        }
        let mut awaited = Vec::new();
        for index in &targets {
            let Some(service) = self.services.get_mut(index.0) else { continue };
            let changed = match service.state {
                // What has done its work stays done, unless it is said how to undo it.
                State::Completed { .. } if !service.is_to_undo() => false,
                State::Down => std::mem::replace(&mut service.goal, Goal::Down) != Goal::Down,
                State::Failed { .. } => {
                    service.goal = Goal::Down;
                    self.enter(*index, State::Down, now);
                    true
                }
                State::Waiting
                | State::Starting { .. }
                | State::Unready(_)
                | State::Up(_)
                | State::Stopping(_)
                | State::Backoff { .. }
                | State::Completed { .. } => {
                    std::mem::replace(&mut service.goal, Goal::Down) != Goal::Down
                }
            };
            let Some(service) = self.services.get(index.0) else { continue };
            let until = Until::Down;
            awaited.push(Awaited { service: service.spec.name.clone(), until, changed });
        }
        self.stop_all_released(now);
        Ok(self.answer_later(ticket, awaited, wait))
    }

    fn signal_asked(&mut self, names: &[Pattern], signal: Signal) -> Result<Answer, Refusal> {
        let found = self.find(names)?;
        let services = || found.iter().filter_map(|index| self.services.get(index.0));
        let idle = services().filter(|service| self.command_run(service).is_none());
        // An open pattern means those that run.
        let named = |service: &&Service| {
            let name = service.spec.name.as_str();
            names.iter().any(|pattern| !pattern.is_open() && pattern.as_str() == name)
        };
        let missed: Vec<Name> = idle.clone().filter(named).map(|s| s.spec.name.clone()).collect();
        let runs: Vec<(Index, RunId)> = found
            .iter()
            .filter_map(|index| Some((*index, self.command_run(self.services.get(index.0)?)?)))
            .collect();
        if !missed.is_empty() {
            return Err(Refusal::NotRunning { names: missed });
        }
        if runs.is_empty() {
            return Err(Refusal::NotRunning { names: idle.map(|s| s.spec.name.clone()).collect() });
        }
        let mut outcomes = Vec::new();
        for (index, run) in runs {
            self.actions.push_back(Action::Kill { run, signal, scope: Scope::Process });
            outcomes.extend(self.look_at(index).map(Outcome::reached));
        }
        Ok(Answer::Done(outcomes))
    }

    fn wait_asked(
        &mut self,
        ticket: Ticket,
        names: &[Pattern],
        milestone: Milestone,
    ) -> Result<Option<Answer>, Refusal> {
        let found = self.find(names)?;
        let names = found.into_iter().filter_map(|index| self.services.get(index.0));
        let awaited = names
            .map(|service| Awaited {
                service: service.spec.name.clone(),
                until: Until::Milestone(milestone),
                changed: false,
            })
            .collect();
        Ok(self.answer_later(ticket, awaited, true))
    }

    /// Those that may be told to start or to stop.
    pub(super) fn find_to_change(&self, names: &[Pattern]) -> Result<Vec<Index>, Refusal> {
        if self.is_stopping() {
            return Err(Refusal::Stopping);
        }
        self.find(names)
    }

    fn spare_the_main_command(&self, targets: &[Index]) -> Result<(), Refusal> {
        let services = targets.iter().filter_map(|index| self.services.get(index.0));
        match services.into_iter().any(|service| service.spec.kind == Kind::Main) {
            true => Err(Refusal::MainCommand),
            false => Ok(()),
        }
    }

    /// A service is wanted: if nothing of it runs, it is started now, also before its next attempt
    /// is due. Says whether that changes anything.
    fn want(&mut self, index: Index, now: Time) -> bool {
        let Some(service) = self.services.get_mut(index.0) else { return false };
        let before = std::mem::replace(&mut service.goal, Goal::Up);
        service.is_dormant = false;
        let (timeout, has_changed) = (service.spec.stop.timeout, service.next.is_some());
        match service.state {
            // It was to become what it is now when its turn to stop came.
            State::Starting { .. } | State::Unready(_) | State::Up(_) if has_changed => {
                self.stop(index, timeout, None, now);
                before != Goal::Up
            }
            State::Waiting
            | State::Starting { .. }
            | State::Unready(_)
            | State::Up(_)
            | State::Stopping(_) => before != Goal::Up,
            State::Down | State::Backoff { .. } | State::Completed { .. } => {
                self.begin(index, now);
                true
            }
            State::Failed { .. } => {
                self.begin(index, now);
                self.revive_dependents(index, now);
                true
            }
        }
    }

    /// What a service needs is wanted, unless it is up, has done its work, or is retried anyway.
    fn want_needs_of(&mut self, index: Index, now: Time) {
        for need in self.below(index) {
            let open = self.services.get(need.0).is_some_and(|service| match service.state {
                State::Failed { .. } => true,
                State::Completed { .. } => false,
                State::Down
                | State::Waiting
                | State::Starting { .. }
                | State::Unready(_)
                | State::Up(_)
                | State::Stopping(_)
                | State::Backoff { .. } => service.goal == Goal::Down,
            });
            if open {
                self.want(need, now);
            }
        }
    }

    /// Those that have failed for good because this one had are tried again too.
    pub(super) fn revive_dependents(&mut self, index: Index, now: Time) {
        let mut to_look_at = VecDeque::from([index]);
        while let Some(at) = to_look_at.pop_front() {
            let Some(service) = self.services.get(at.0) else { continue };
            for other in service.links.waited_for_by.clone() {
                let doomed = |other: &Service| other.goal == Goal::Up && other.is_doomed();
                if self.services.get(other.0).is_some_and(doomed) {
                    self.begin(other, now);
                    to_look_at.push_back(other);
                }
            }
        }
    }

    /// Everyone a service needs, and whom they need.
    fn below(&self, index: Index) -> BTreeSet<Index> {
        let mut found = BTreeSet::new();
        let mut to_look_at = VecDeque::from([index]);
        while let Some(at) = to_look_at.pop_front() {
            let Some(service) = self.services.get(at.0) else { continue };
            for (other, _) in &service.links.needs {
                if found.insert(*other) {
                    to_look_at.push_back(*other);
                }
            }
        }
        found
    }

    /// Everyone who runs, or is about to, and needs a service, or one that needs it.
    fn dependents(&self, index: Index) -> BTreeSet<Index> {
        let mut seen = BTreeSet::new();
        let mut to_look_at = VecDeque::from([index]);
        while let Some(at) = to_look_at.pop_front() {
            let Some(service) = self.services.get(at.0) else { continue };
            for other in &service.links.waited_for_by {
                let Some(waiting) = self.services.get(other.0) else { continue };
                if waiting.links.needs.iter().any(|(need, _)| *need == at) && seen.insert(*other) {
                    to_look_at.push_back(*other);
                }
            }
        }
        let is_active = |index: &Index| {
            self.services.get(index.0).is_some_and(|s| s.goal == Goal::Up && !s.state.is_at_rest())
        };
        seen.into_iter().filter(is_active).collect()
    }

    // ---- stopping by hand, one after another ----

    /// Those that are to stop, and are held by nobody any more, are stopped.
    pub(super) fn stop_all_released(&mut self, now: Time) {
        let used = self.used_up_to_now();
        // From behind, so that whoever waits for another goes first.
        for at in (0..self.services.len()).rev() {
            self.stop_if_released(Index(at), &used, now);
        }
        self.take_over_all_held(now);
    }

    /// Those that are to stop, and were held only by `index`, are stopped.
    pub(super) fn stop_those_released_by(&mut self, index: Index, now: Time) {
        let used = self.used_up_to_now();
        for other in self.above_or_below(index, |service| &service.links.waits_for) {
            self.stop_if_released(other, &used, now);
        }
        self.take_over_all_held(now);
    }

    /// A service was so `before` it became what it is now: those that are to stop, and were held
    /// only by that, are stopped.
    pub(super) fn stop_those_used_before(&mut self, before: &Spec, now: Time) {
        let used = self.used_up_to_now();
        for name in before.waits_for() {
            if let Some(index) = self.index_of(name) {
                self.stop_if_released(index, &used, now);
            }
        }
        self.take_over_all_held(now);
    }

    /// Stops a service that is no longer wanted, as soon as nobody is left that waits for it and is
    /// to stop as well.
    fn stop_if_released(&mut self, index: Index, used: &BTreeSet<Name>, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        let timeout = service.spec.stop.timeout;
        let stops_already = match &service.state {
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
        if stops_already || !service.is_leaving() {
            return;
        }
        // Of what nothing runs yet nothing is to start while others keep it waiting.
        let is_idle = match service.state {
            State::Waiting | State::Backoff { .. } => true,
            State::Starting { run } => self.is_to_be_spawned(run),
            State::Down
            | State::Unready(_)
            | State::Up(_)
            | State::Stopping(_)
            | State::Completed { .. }
            | State::Failed { .. } => false,
        };
        if is_idle || !self.is_held(index, used) {
            self.stop(index, timeout, None, now);
        }
    }

    /// Whether somebody waits for a service who is still to stop as well. `used` are
    /// [`Self::used_up_to_now`].
    pub(super) fn is_held(&self, index: Index, used: &BTreeSet<Name>) -> bool {
        let above = self.above_or_below(index, |service| &service.links.waited_for_by);
        let held = above.iter().filter_map(|at| self.services.get(at.0)).any(Service::is_leaving);
        let is_used =
            |service: &Service| service.goal == Goal::Gone && used.contains(&service.spec.name);
        held || self.services.get(index.0).is_some_and(is_used)
    }

    /// Whom services waited for that are on their way down to become something else: as they were
    /// they still use them, also those that have left the plan. It is asked for once for all who
    /// are looked at: thousands may leave at the same time.
    pub(super) fn used_up_to_now(&self) -> BTreeSet<Name> {
        let changing = self.services.iter().filter(|service| service.is_being_renewed());
        changing.flat_map(|service| service.spec.waits_for()).cloned().collect()
    }

    /// Everyone who can be reached from a service, without itself.
    fn above_or_below(
        &self,
        index: Index,
        next: impl Fn(&Service) -> &Vec<Index>,
    ) -> BTreeSet<Index> {
        let mut found = BTreeSet::new();
        let mut to_look_at = VecDeque::from([index]);
        while let Some(at) = to_look_at.pop_front() {
            let Some(service) = self.services.get(at.0) else { continue };
            to_look_at.extend(next(service).iter().filter(|other| found.insert(**other)));
        }
        found
    }

    // ---- waiting for the outcome ----

    pub(super) fn await_start(
        &self,
        index: Index,
        before: RunId,
        changed: bool,
    ) -> Option<Awaited> {
        let service = self.services.get(index.0)?;
        let after = match service.state {
            // What is there, or on its way, is what was asked for.
            State::Unready(_) | State::Up(_) | State::Starting { .. } | State::Waiting => None,
            State::Down
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Completed { .. }
            | State::Failed { .. } => Some(before),
        };
        let (service, until) = (service.spec.name.clone(), Until::Started { after });
        Some(Awaited { service, until, changed })
    }

    /// Answers as soon as the outcome is known, or at once if nobody waits for it.
    pub(super) fn answer_later(
        &mut self,
        ticket: Ticket,
        awaited: Vec<Awaited>,
        wait: bool,
    ) -> Option<Answer> {
        if wait {
            let waiter = Waiter { awaited, done: Vec::new(), told: Vec::new() };
            self.waiters.insert(ticket, waiter);
            return None;
        }
        let outcomes = awaited.iter().filter_map(|awaited| {
            let index = self.index_of(&awaited.service)?;
            let reached = self.outcome(awaited).unwrap_or(true);
            Some(Outcome { report: self.look_at(index)?, reached, changed: awaited.changed })
        });
        Some(Answer::Done(outcomes.collect()))
    }

    /// Answers those whose outcome is known by now, and tells the others how far things are.
    pub(super) fn look_at_waiters(&mut self, _now: Time) {
        if self.waiters.is_empty() {
            return;
        }
        for (ticket, mut waiter) in std::mem::take(&mut self.waiters) {
            let mut open = Vec::new();
            let mut lost = None;
            for awaited in std::mem::take(&mut waiter.awaited) {
                let Some(reached) = self.outcome(&awaited) else {
                    open.push(awaited);
                    continue;
                };
                let changed = awaited.changed;
                match self.index_of(&awaited.service).and_then(|index| self.look_at(index)) {
                    Some(report) => waiter.done.push(Outcome { report, reached, changed }),
                    // It is no longer part of the plan: that is what was waited for, or the end of
                    // all hope for it.
                    None if reached => {}
                    None => lost = Some(awaited.service),
                }
            }
            if let Some(name) = lost {
                let disabled = self.disabled.contains(&name);
                let pattern = Pattern::new(name.as_str());
                let refusal = Refusal::Unknown { pattern, nearest: None, disabled };
                self.reply(ticket, Answer::Refused(refusal));
                continue;
            }
            if open.is_empty() {
                self.reply(ticket, Answer::Done(waiter.done));
                continue;
            }
            waiter.awaited = open;
            let reports: Vec<Report> = waiter
                .awaited
                .iter()
                .filter_map(|awaited| self.look_at(self.index_of(&awaited.service)?))
                .collect();
            let states: Vec<(Name, &'static str)> =
                reports.iter().map(|r| (r.spec.name.clone(), r.state.word())).collect();
            if states != waiter.told {
                waiter.told = states;
                self.reply(ticket, Answer::Progress(reports));
            }
            self.waiters.insert(ticket, waiter);
        }
    }

    pub(super) fn index_of(&self, name: &Name) -> Option<Index> {
        self.services.iter().position(|service| service.spec.name == *name).map(Index)
    }

    /// Whether a service has come as far as is waited for; none: that is open.
    fn outcome(&self, awaited: &Awaited) -> Option<bool> {
        let Some(service) = self.index_of(&awaited.service).and_then(|i| self.services.get(i.0))
        else {
            return match awaited.until {
                Until::Down | Until::Milestone(Milestone::Stopped) => Some(true),
                Until::Started { .. }
                | Until::Reloaded { .. }
                | Until::Milestone(Milestone::Ready | Milestone::Done) => Some(false),
            };
        };
        let unwanted = service.goal != Goal::Up && service.state.is_at_rest();
        let reached = matches!(service.reach(Condition::Ready), Reach::Reached);
        let failed = matches!(service.state, State::Failed { .. });
        match awaited.until {
            Until::Started { after } => {
                let is_new = match service.state {
                    State::Up(Up { run, .. }) => after.is_none_or(|after| run > after),
                    State::Completed { .. } => true,
                    State::Down
                    | State::Waiting
                    | State::Starting { .. }
                    | State::Unready(_)
                    | State::Stopping(_)
                    | State::Backoff { .. }
                    | State::Failed { .. } => false,
                };
                let missed = failed
                    || service.goal != Goal::Up
                    || matches!(service.state, State::Backoff { .. });
                if missed { Some(false) } else { (reached && is_new).then_some(true) }
            }
            Until::Down if service.state.is_at_rest() => Some(true),
            // Somebody else has started it again.
            Until::Down => (service.goal == Goal::Up).then_some(false),
            Until::Reloaded { run, number } => {
                if service.reloads.over >= number {
                    Some(service.reloads.worked)
                } else {
                    let runs = matches!(&service.state, State::Up(up) if up.run == run);
                    (!runs).then_some(false)
                }
            }
            Until::Milestone(Milestone::Ready) => {
                if failed || unwanted {
                    Some(false)
                } else {
                    reached.then_some(true)
                }
            }
            Until::Milestone(Milestone::Stopped) => service.state.is_at_rest().then_some(true),
            Until::Milestone(Milestone::Done) => match service.state {
                State::Completed { .. } => Some(true),
                State::Failed { .. } => Some(false),
                State::Down
                | State::Waiting
                | State::Starting { .. }
                | State::Unready(_)
                | State::Up(_)
                | State::Stopping(_)
                | State::Backoff { .. } => unwanted.then_some(false),
            },
        }
    }
}

impl Outcome {
    fn reached(report: Report) -> Self {
        Self { report, reached: true, changed: true }
    }
}

impl Service {
    /// Whether it is no longer wanted, and not yet at rest.
    fn is_leaving(&self) -> bool {
        self.goal != Goal::Up && (!self.state.is_at_rest() || self.is_to_undo())
    }

    /// Whether it has done its work, and has a command to undo that.
    pub(super) fn is_to_undo(&self) -> bool {
        let is_done = matches!(self.state, State::Completed { .. });
        is_done && self.spec.kind == Kind::Oneshot && self.spec.stop.command.is_some()
    }

    /// Whether it is on its way down to become something else, or is about to be.
    fn is_being_renewed(&self) -> bool {
        // Also one that was stopped by hand and waits for its turn.
        self.next.is_some() && (self.is_leaving() || self.goal == Goal::Up)
    }

    /// Whether it has failed for good because of another.
    fn is_doomed(&self) -> bool {
        match &self.state {
            State::Failed { reason: Reason::Dependency(_) } => true,
            State::Failed { reason: Reason::Ended(_) }
            | State::Down
            | State::Waiting
            | State::Starting { .. }
            | State::Unready(_)
            | State::Up(_)
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Completed { .. } => false,
        }
    }
}
