//! What is done about a command that runs: is it ready, is it well, has it read its configuration.
//!
//! A probe or a reload command belongs to the run it is about: when that is on its way down it is
//! killed, and what it still has to say is of no interest to anybody.

use std::collections::BTreeSet;

use super::ask::{Awaited, Until};
use super::state::{Reloading, Step, Turn, Watch};
use super::*;
use crate::limits::{READY_PROBE_FIRST_INTERVAL, READY_PROBE_TIME_MAX};
use crate::service::notify::{Message, Watchdog};
use crate::service::{Announcement, Check, Pattern, Purpose, ReloadBy, Remedy};

impl Supervisor {
    // ---- ready ----

    /// The command of a service has been executed.
    pub(super) fn executed(&mut self, index: Index, run: RunId, now: Time) {
        let Some(service) = self.services.get_mut(index.0) else { return };
        service.status.clear();
        match &service.spec.ready {
            None => self.become_ready(index, run, now, now),
            Some(ready) => {
                let step = match ready.announcement {
                    Some(_) => Step::Announcement,
                    None => Step::Probe(Probing::from(now)),
                };
                let until = now.after(ready.timeout);
                let unready = Unready { run, since: now, until, step };
                self.enter(index, State::Unready(unready), now);
            }
        }
    }

    /// A service has said that it is ready: with a probe behind that, it is to be looked at.
    fn announced(&mut self, index: Index, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        let State::Unready(unready) = &service.state else { return };
        if unready.step != Step::Announcement {
            return;
        }
        let mut unready = unready.clone();
        let has_probe = service.spec.ready.as_ref().is_some_and(|ready| ready.probe.is_some());
        if has_probe {
            unready.step = Step::Probe(Probing::from(now));
            self.enter(index, State::Unready(unready), now);
        } else {
            self.become_ready(index, unready.run, unready.since, now);
        }
    }

    fn become_ready(&mut self, index: Index, run: RunId, since: Time, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        if service.spec.ready.is_some() {
            let service = service.spec.name.clone();
            self.report(Notice::Ready { service, after: now.since(since) });
        }
        let Some(service) = self.services.get(index.0) else { return };
        let watch = match service.spec.health.as_ref().map(|health| &health.check) {
            None => Watch::Nobody,
            // As with Docker: what has just become ready is not looked at right away.
            Some(Check::Probe { interval, .. }) => {
                Watch::Probe(Probing::from(now.after(*interval)))
            }
            Some(Check::Watchdog(every)) => {
                Watch::Watchdog { every: *every, until: Some(now.after(*every)) }
            }
        };
        let (health, reload) = (Verdict::Unknown, Reloading::Idle);
        self.enter(index, State::Up(Up { run, since, ready: now, health, watch, reload }), now);
    }

    /// What a run has said by itself, on its descriptor or in its output.
    pub(super) fn run_announced(&mut self, run: RunId, now: Time) {
        let Some(index) = self.service_of(run) else { return };
        self.announced(index, now);
    }

    /// It has closed the descriptor on which it was to say that it is ready.
    pub(super) fn run_mute(&mut self, run: RunId, now: Time) {
        let Some(index) = self.service_of(run) else { return };
        let Some(service) = self.services.get(index.0) else { return };
        if let State::Unready(Unready { step: Step::Announcement, .. }) = &service.state {
            self.end_unfit(index, Unfit::NeverReady, now);
        }
    }

    /// The service whose command this run is, if the service is about it.
    fn service_of(&self, run: RunId) -> Option<Index> {
        let life = self.lives.get(&run)?;
        let service = self.services.get(life.service.0)?;
        (life.role == Role::Main && service.run() == Some(run)).then_some(life.service)
    }

    // ---- what it says ----

    pub(super) fn notified(&mut self, run: RunId, message: Message, now: Time) {
        let Some(index) = self.service_of(run) else { return };
        let Some(service) = self.services.get_mut(index.0) else { return };
        if let Some(status) = message.status {
            service.status = status;
        }
        let by_message =
            |ready: &crate::service::Readiness| ready.announcement == Some(Announcement::Notify);
        let announces = service.spec.ready.as_deref().is_some_and(by_message);
        if message.ready && announces {
            self.announced(index, now);
        }
        if message.reloading {
            self.reload_begun(index, message.since, now);
        }
        if message.ready {
            self.reload_answered(index, now);
        }
        self.hear_watchdog(index, message.watchdog, message.watchdog_interval, now);
        if let Some(time) = message.extend_timeout {
            self.extend(index, run, time, now);
        }
        if message.stopping {
            self.announces_end(index, now);
        }
    }

    /// It needs more time for what it is doing.
    fn extend(&mut self, index: Index, run: RunId, time: Duration, now: Time) {
        let end = now.after(time);
        if let Some(life) = self.lives.get_mut(&run) {
            life.extend(time, now);
        }
        self.note_deadline(run);
        self.amend(index, |state| match state {
            State::Unready(Unready { until, .. })
            | State::Up(Up { reload: Reloading::Answer { until, .. }, .. }) => {
                *until = end.max(*until);
            }
            State::Up(_)
            | State::Down
            | State::Waiting
            | State::Starting { .. }
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Completed { .. }
            | State::Failed { .. } => {}
        });
    }

    /// It says that it is about to end: from here on the way is down, and the time for it limited.
    fn announces_end(&mut self, index: Index, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        let (run, since, ready) = match &service.state {
            State::Unready(unready) => (unready.run, unready.since, now),
            State::Up(up) => (up.run, up.since, up.ready),
            State::Down
            | State::Waiting
            | State::Starting { .. }
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Completed { .. }
            | State::Failed { .. } => return,
        };
        let time = self.time_for(index, service.spec.stop.timeout, now);
        if let Some(life) = self.lives.get_mut(&run) {
            life.wait(time, now);
        }
        self.note_deadline(run);
        let stopping = Stopping {
            run,
            command: None,
            end: None,
            ran: now.since(since),
            was_ready: now.since(ready),
            cause: Cause::Own,
            unfit: None,
        };
        self.enter(index, State::Stopping(Box::new(stopping)), now);
    }

    // ---- well ----

    fn hear_watchdog(
        &mut self,
        index: Index,
        word: Option<Watchdog>,
        interval: Option<Duration>,
        now: Time,
    ) {
        let Some(service) = self.services.get(index.0) else { return };
        let State::Up(up) = &service.state else { return };
        let Watch::Watchdog { every, .. } = up.watch else { return };
        let every = interval.unwrap_or(every);
        let mut up = up.clone();
        match word {
            Some(Watchdog::Trigger) => {
                up.watch = Watch::Watchdog { every, until: None };
                self.enter(index, State::Up(up), now);
                self.unhealthy(index, "WATCHDOG=trigger".to_owned(), now);
            }
            Some(Watchdog::Alive) => {
                up.watch = Watch::Watchdog { every, until: Some(now.after(every)) };
                self.healthy(index, up, now);
            }
            None if interval.is_some() => {
                up.watch = Watch::Watchdog { every, until: Some(now.after(every)) };
                self.enter(index, State::Up(up), now);
            }
            None => {}
        }
    }

    /// A look, or a word of its own, says that it is well.
    fn healthy(&mut self, index: Index, mut up: Up, now: Time) {
        let before = std::mem::replace(&mut up.health, Verdict::Healthy);
        if before == Verdict::Unhealthy
            && let Some(service) = self.services.get(index.0)
        {
            let service = service.spec.name.clone();
            self.report(Notice::Healthy { service });
        }
        self.enter(index, State::Up(up), now);
    }

    /// It is not well. What is done about it is done once, until it is well again.
    fn unhealthy(&mut self, index: Index, finding: String, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        let State::Up(up) = &service.state else { return };
        if up.health == Verdict::Unhealthy {
            return;
        }
        let remedy = service.spec.health.as_ref().map(|health| health.on_unhealthy);
        let remedy = remedy.unwrap_or(Remedy::Continue);
        let (up, name) =
            (Up { health: Verdict::Unhealthy, ..up.clone() }, service.spec.name.clone());
        let what = Notice::Unhealthy { service: name.clone(), finding: finding.clone(), remedy };
        self.report(what);
        self.enter(index, State::Up(up), now);
        match remedy {
            Remedy::Continue => {}
            Remedy::Restart => self.end_unfit(index, Unfit::Unhealthy { finding }, now),
            Remedy::Shutdown => {
                let by = By::Unhealthy { service: name };
                self.shut_down(UNHEALTHY_CODE, by, None, now);
            }
        }
    }

    /// Ends what runs of a service because it is not as it is to be.
    pub(super) fn end_unfit(&mut self, index: Index, unfit: Unfit, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        let time = self.time_for(index, service.spec.stop.timeout, now);
        self.end_run(index, time, None, Cause::Own, Some(unfit), now);
    }

    // ---- looking ----

    /// The time of a service has come that is not at rest.
    pub(super) fn service_due(&mut self, index: Index, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        let is_stopping = self.is_stopping();
        match &service.state {
            State::Backoff { .. } => self.enter(index, State::Waiting, now),
            // Nobody is looked at any more, and nobody has to be ready in time.
            State::Unready(_) | State::Up(_) if is_stopping => {}
            State::Unready(unready) if unready.until <= now => {
                let finding = match &unready.step {
                    Step::Announcement => String::new(),
                    Step::Probe(probing) => probing.finding.clone(),
                };
                let time = unready.until.since(unready.since);
                self.end_unfit(index, Unfit::NotReady { time, finding }, now);
            }
            State::Unready(_) => self.probe(index, now),
            State::Up(up) => {
                let late = matches!(up.watch, Watch::Watchdog { until: Some(at), .. } if at <= now);
                let unanswered =
                    matches!(up.reload, Reloading::Answer { until, .. } if until <= now);
                if unanswered {
                    self.reload_over(index, Err("no READY=1 in time".to_owned()), now);
                }
                if late {
                    self.watchdog_expired(index, now);
                } else {
                    self.probe(index, now);
                }
            }
            State::Down
            | State::Waiting
            | State::Starting { .. }
            | State::Stopping(_)
            | State::Completed { .. }
            | State::Failed { .. } => {}
        }
    }

    fn watchdog_expired(&mut self, index: Index, now: Time) {
        let mut finding = String::new();
        self.amend(index, |state| {
            if let State::Up(Up { watch: Watch::Watchdog { every, until }, .. }) = state {
                *until = None;
                finding = format!("no WATCHDOG=1 within {}", Rounded(*every));
            }
        });
        self.unhealthy(index, finding, now);
    }

    /// Starts the probe that is due, if one is.
    fn probe(&mut self, index: Index, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        let is_due = |probing: &Probing| matches!(probing.turn, Turn::Due(at) if at <= now);
        let (main, purpose, interval, time) = match (&service.state, &service.spec.ready) {
            (State::Unready(unready), Some(ready)) => {
                let Step::Probe(probing) = &unready.step else { return self.amend(index, |_| {}) };
                if !is_due(probing) {
                    return self.amend(index, |_| {});
                }
                let time = unready.until.since(now).min(READY_PROBE_TIME_MAX);
                let interval = impatient(ready.interval, probing.failures);
                (unready.run, Purpose::Ready, interval, time)
            }
            (State::Up(up), _) => {
                let check = service.spec.health.as_ref().map(|health| &health.check);
                let (Watch::Probe(probing), Some(Check::Probe { interval, timeout, .. })) =
                    (&up.watch, check)
                else {
                    return self.amend(index, |_| {});
                };
                if !is_due(probing) {
                    return self.amend(index, |_| {});
                }
                (up.run, Purpose::Health, *interval, *timeout)
            }
            _ => return,
        };
        let role = Role::Probe { main, purpose };
        let run = self.spawn(index, role, Some(now.after(time)));
        let next = now.after(interval);
        self.amend(index, |state| {
            if let Some(probing) = probing(state) {
                probing.turn = Turn::Running { run, said: String::new(), next };
            }
        });
    }

    /// A probe says something.
    pub(super) fn found(&mut self, run: RunId, finding: String) {
        let Some(life) = self.lives.get(&run) else { return };
        let Some(service) = self.services.get_mut(life.service.0) else { return };
        if let Some(Probing { turn: Turn::Running { run: running, said, .. }, .. }) =
            probing(&mut service.state)
            && *running == run
            && said.is_empty()
        {
            *said = finding;
        }
    }

    /// A probe or a reload command is not started after all: everything is being stopped.
    pub(super) fn helper_recalled(&mut self, index: Index, recalled: RunId, now: Time) {
        self.amend(index, |state| {
            if let Some(probing) = probing(state)
                && matches!(probing.turn, Turn::Running { run, .. } if run == recalled)
            {
                probing.turn = Turn::Due(now);
            }
        });
        let Some(service) = self.services.get(index.0) else { return };
        if let State::Up(Up { reload: Reloading::Command { run, .. }, .. }) = service.state
            && run == recalled
        {
            self.end_reload(index, Err(Refusal::Stopping.to_string()), false, now);
        }
    }

    /// A probe has ended, or could not be started.
    pub(super) fn probe_ended(
        &mut self,
        index: Index,
        run: RunId,
        result: Result<Exit, Failure>,
        now: Time,
    ) {
        let Some(service) = self.services.get_mut(index.0) else { return };
        let Some(probing) = probing(&mut service.state) else { return };
        let Turn::Running { run: running, said, next } = &probing.turn else { return };
        if *running != run {
            return;
        }
        let (said, next) = (said.clone(), *next);
        // Not before the time for it, and not while the one before is still at work.
        probing.turn = Turn::Due(next.max(now));
        match result {
            Ok(Exit::Code(0)) => {
                probing.failures = 0;
                probing.finding.clear();
                self.probe_succeeded(index, now);
            }
            // That there is no process or memory to be had for a look says nothing of the service.
            Err(failure) if !failure.is_about_the_command() => {
                probing.finding = failure.to_string();
                self.amend(index, |_| {});
            }
            result => {
                probing.failures = probing.failures.saturating_add(1);
                probing.finding = match (said, result) {
                    (said, Ok(_)) if !said.is_empty() => said,
                    (_, Ok(exit)) => exit.to_string(),
                    (_, Err(failure)) => failure.to_string(),
                };
                self.probe_failed(index, now);
            }
        }
    }

    fn probe_succeeded(&mut self, index: Index, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        match service.state.clone() {
            State::Unready(unready) => {
                self.become_ready(index, unready.run, unready.since, now);
            }
            State::Up(up) => self.healthy(index, up, now),
            State::Down
            | State::Waiting
            | State::Starting { .. }
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Completed { .. }
            | State::Failed { .. } => {}
        }
    }

    fn probe_failed(&mut self, index: Index, now: Time) {
        self.amend(index, |_| {});
        let Some(service) = self.services.get_mut(index.0) else { return };
        let State::Up(up) = &mut service.state else { return };
        let Watch::Probe(probing) = &mut up.watch else { return };
        let check = service.spec.health.as_ref().map(|health| &health.check);
        let Some(Check::Probe { retries, start_period, .. }) = check else { return };
        if up.health == Verdict::Unknown && now < up.ready.after(*start_period) {
            probing.failures = 0;
        } else if probing.failures >= *retries {
            let finding = probing.finding.clone();
            self.unhealthy(index, finding, now);
        }
    }

    // ---- restarted with others ----

    /// A service runs again: those that are to be restarted with it are.
    pub(super) fn restart_those_with(&mut self, index: Index, now: Time) {
        if self.is_stopping() {
            return;
        }
        let Some(service) = self.services.get(index.0) else { return };
        let name = service.spec.name.clone();
        for other in service.links.waited_for_by.clone() {
            let Some(service) = self.services.get(other.0) else { continue };
            if !service.spec.restart_with.contains(&name) || service.goal != Goal::Up {
                continue;
            }
            let (timeout, with) = (service.spec.stop.timeout, name.clone());
            match service.state {
                State::Starting { .. } | State::Unready(_) | State::Up(_) => {
                    let service = service.spec.name.clone();
                    self.report(Notice::RestartedWith { service, with });
                    self.stop(other, timeout, None, now);
                }
                State::Stopping(_)
                | State::Down
                | State::Waiting
                | State::Backoff { .. }
                | State::Completed { .. }
                | State::Failed { .. } => {}
            }
        }
    }

    // ---- reading the configuration again ----

    /// Has these services read their configuration again.
    pub(super) fn reload_services_asked(
        &mut self,
        ticket: Ticket,
        names: &[Pattern],
        wait: bool,
        now: Time,
    ) -> Result<Option<Answer>, Refusal> {
        let found = self.find_to_change(names)?;
        // An open pattern means those that can.
        let is_named = |service: &Service| {
            let name = service.spec.name.as_str();
            names.iter().any(|pattern| !pattern.is_open() && pattern.as_str() == name)
        };
        let (mut targets, mut idle, mut unable) = (BTreeSet::new(), Vec::new(), Vec::new());
        for index in found {
            let Some(service) = self.services.get(index.0) else { continue };
            match (&service.spec.reload, &service.state) {
                (Some(_), State::Up(_)) => {
                    targets.insert(index);
                }
                (None, _) if is_named(service) => unable.push(service.spec.name.clone()),
                (Some(_), _) if is_named(service) => idle.push(service.spec.name.clone()),
                (None | Some(_), _) => {}
            }
        }
        if !unable.is_empty() {
            return Err(Refusal::NoReload { names: unable });
        }
        if !idle.is_empty() {
            return Err(Refusal::NotReady { names: idle });
        }
        let mut awaited = Vec::new();
        for index in targets {
            let number = self.reload_service(index, now);
            let Some(service) = self.services.get(index.0) else { continue };
            let Some(run) = service.run() else { continue };
            let (service, until) = (service.spec.name.clone(), Until::Reloaded { run, number });
            awaited.push(Awaited { service, until, changed: true });
        }
        Ok(self.answer_later(ticket, awaited, wait))
    }

    /// Begins to have a service read its configuration again, or, while it is at it, lets it begin
    /// once more after that: what it has read may be out of date by now. Returns the number of that
    /// reading.
    fn reload_service(&mut self, index: Index, now: Time) -> u64 {
        let Some(service) = self.services.get_mut(index.0) else { return 0 };
        let next = service.reloads.over.saturating_add(1);
        let State::Up(up) = &mut service.state else { return next };
        match &mut up.reload {
            Reloading::Command { again, .. } | Reloading::Answer { again, .. } => {
                *again = true;
                next.saturating_add(1)
            }
            Reloading::Idle | Reloading::Failed(_) => {
                self.begin_reload(index, now);
                next
            }
        }
    }

    fn begin_reload(&mut self, index: Index, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        let (State::Up(up), Some(reload)) = (&service.state, &service.spec.reload) else { return };
        let (main, name, timeout) = (up.run, service.spec.name.clone(), reload.timeout);
        match &reload.by {
            ReloadBy::Signal(signal) => {
                let (run, signal, scope) = (main, *signal, Scope::Process);
                self.actions.push_back(Action::Kill { run, signal, scope });
                self.report(Notice::Reloading { service: name });
                self.reload_told(index, now);
            }
            ReloadBy::Command(_) => {
                self.report(Notice::Reloading { service: name });
                let role = Role::Reload { main };
                let run = self.spawn(index, role, Some(now.after(timeout)));
                self.set_reload(index, Reloading::Command { run, again: false });
            }
        }
    }

    /// The service has been told.
    fn reload_told(&mut self, index: Index, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        let (State::Up(up), Some(reload)) = (&service.state, &service.spec.reload) else { return };
        if reload.notify {
            let again = matches!(up.reload, Reloading::Command { again: true, .. });
            let until = now.after(reload.timeout);
            self.set_reload(index, Reloading::Answer { told: now, until, begun: false, again });
        } else {
            self.reload_over(index, Ok(()), now);
        }
    }

    /// It says that it is at it; what it began before it was told does not count.
    fn reload_begun(&mut self, index: Index, since: Option<Time>, now: Time) {
        self.amend(index, |state| {
            if let State::Up(Up { reload: Reloading::Answer { told, begun, .. }, .. }) = state {
                // Its clock has microseconds, ours nanoseconds.
                let told = Duration::from_micros(
                    u64::try_from(told.since_start().as_micros()).unwrap_or(u64::MAX),
                );
                *begun |= since.unwrap_or(now).since_start() >= told;
            }
        });
    }

    /// It says that it is ready, which ends what it has begun.
    fn reload_answered(&mut self, index: Index, now: Time) {
        let Some(service) = self.services.get(index.0) else { return };
        if let State::Up(Up { reload: Reloading::Answer { begun: true, .. }, .. }) = service.state {
            self.reload_over(index, Ok(()), now);
        }
    }

    /// The reload command has ended, or could not be started.
    pub(super) fn reload_command_ended(
        &mut self,
        index: Index,
        run: RunId,
        result: Result<Exit, Failure>,
        now: Time,
    ) {
        let Some(service) = self.services.get(index.0) else { return };
        let State::Up(Up { reload: Reloading::Command { run: running, .. }, .. }) = &service.state
        else {
            return;
        };
        if *running != run {
            return;
        }
        match result {
            Ok(Exit::Code(0)) => self.reload_told(index, now),
            Ok(exit) => {
                self.reload_over(index, Err(format!("its reload.command failed ({exit})")), now);
            }
            Err(failure) => self.reload_over(index, Err(failure.to_string()), now),
        }
    }

    /// A reading is over; if somebody asked again meanwhile, the next begins.
    fn reload_over(&mut self, index: Index, result: Result<(), String>, now: Time) {
        let may_follow = !self.is_stopping();
        self.end_reload(index, result, may_follow, now);
    }

    /// Nobody who asked for one that does not follow is left waiting for it.
    fn end_reload(
        &mut self,
        index: Index,
        result: Result<(), String>,
        may_follow: bool,
        now: Time,
    ) {
        let Some(service) = self.services.get(index.0) else { return };
        let State::Up(up) = &service.state else { return };
        let again = match up.reload {
            Reloading::Command { again, .. } | Reloading::Answer { again, .. } => again,
            Reloading::Idle | Reloading::Failed(_) => false,
        };
        let none_follows = again && !may_follow;
        let Some(service) = self.services.get_mut(index.0) else { return };
        service.reloads.over =
            service.reloads.over.saturating_add(if none_follows { 2 } else { 1 });
        service.reloads.worked = result.is_ok() && !none_follows;
        let name = service.spec.name.clone();
        let reload = match result {
            Ok(()) => Reloading::Idle,
            Err(why) => {
                self.report(Notice::ReloadFailed { service: name, why: why.clone() });
                Reloading::Failed(why)
            }
        };
        self.set_reload(index, reload);
        if again && !none_follows {
            self.begin_reload(index, now);
        }
    }

    fn set_reload(&mut self, index: Index, new: Reloading) {
        self.amend(index, |state| {
            if let State::Up(Up { reload, .. }) = state {
                *reload = new;
            }
        });
    }

    // ---- one place ----

    /// Changes what belongs to a state without changing what the service is, and sees to its
    /// deadline.
    fn amend(&mut self, index: Index, change: impl FnOnce(&mut State)) {
        let is_stopping = self.is_stopping();
        let Some(service) = self.services.get_mut(index.0) else { return };
        change(&mut service.state);
        let deadline = service.state.deadline().filter(|_| !is_stopping);
        self.deadlines.set(Who::Service(index), deadline);
    }
}

/// From one look at whether a service is ready to the next: at first soon, since whoever waits for
/// it waits for the look as well, and then less and less often, up to `interval`.
fn impatient(interval: Duration, failures: u32) -> Duration {
    READY_PROBE_FIRST_INTERVAL.saturating_mul(1 << failures.min(16)).min(interval)
}

/// What looks at a service, if anything does.
fn probing(state: &mut State) -> Option<&mut Probing> {
    match state {
        State::Unready(Unready { step: Step::Probe(probing), .. })
        | State::Up(Up { watch: Watch::Probe(probing), .. }) => Some(&mut **probing),
        State::Unready(_)
        | State::Up(_)
        | State::Down
        | State::Waiting
        | State::Starting { .. }
        | State::Stopping(_)
        | State::Backoff { .. }
        | State::Completed { .. }
        | State::Failed { .. } => None,
    }
}

/// The exit code of a container that ends because a service is not well: of the service there is
/// none.
const UNHEALTHY_CODE: u8 = 1;
