//! One budget over the whole shutdown: who waits for whom, and who gets how much of the time.
//!
//! A service is stopped as soon as everyone who waits for it is done, that is at rest after its own
//! turn; independent ones are stopped side by side. One that is at rest already still holds those
//! it waits for until its own turn: a migration that has completed stands between two others.
//! When its turn comes it gets what it asks for, or, if what remains is less
//! than the longest chain below it asks for, its part of what remains.

use std::time::Duration;

use crate::limits::SHUTDOWN_RESERVE;
use crate::service::{Index, Kind, Time};

use super::Service;

/// A shutdown that is under way.
#[derive(Clone, Debug)]
pub(super) struct Shutdown {
    /// The exit code it makes, unless there is a main command.
    pub(super) code: u8,
    /// When whatever is left is killed.
    pub(super) kill_at: Time,
    /// The end of the budget.
    pub(super) end: Time,
    /// Interrupts typed on the terminal since it began, that which began it included.
    pub(super) typed: u32,
    /// How many who wait for a service are not done, by index.
    holders: Vec<usize>,
    /// What the longest chain below a service asks for, by index.
    below: Vec<Duration>,
}

impl Shutdown {
    pub(super) fn new(code: u8, now: Time, end: Time, services: &[Service]) -> Self {
        let mut holders = vec![0; services.len()];
        let mut below = vec![Duration::ZERO; services.len()];
        let mut wishes = vec![Duration::ZERO; services.len()];
        // In start order what a service waits for comes before it, so its wish is known.
        for (at, service) in services.iter().enumerate() {
            let alive = !service.state.is_at_rest() || service.is_to_undo();
            let mut longest = Duration::ZERO;
            for other in &service.links.waits_for {
                longest = longest.max(wishes.get(other.0).copied().unwrap_or_default());
                if let Some(holders) = holders.get_mut(other.0) {
                    *holders = usize::saturating_add(*holders, 1);
                }
            }
            let own = if alive { service.spec.stop.timeout } else { Duration::ZERO };
            if let (Some(below), Some(wish)) = (below.get_mut(at), wishes.get_mut(at)) {
                *below = longest;
                *wish = longest.saturating_add(own);
            }
        }
        // A budget too small for the usual reserve is not all reserve.
        let reserve = SHUTDOWN_RESERVE.min(end.since(now).mul_f64(0.25));
        Self { code, kill_at: end.before(reserve), end, typed: 0, holders, below }
    }

    /// The time for a service that asks for `wish`.
    pub(super) fn share(&self, index: Index, kind: Kind, wish: Duration, now: Time) -> Duration {
        let below = self.below.get(index.0).copied().unwrap_or_default();
        let remaining = self.kill_at.since(now);
        let spare = remaining.saturating_sub(below);
        let part = if wish <= spare {
            wish
        } else {
            let all = wish.saturating_add(below).as_secs_f64();
            remaining.mul_f64(if all > 0.0 { wish.as_secs_f64() / all } else { 0.0 })
        };
        match kind {
            // The main command gets whatever the others do not need.
            Kind::Main => part.max(spare),
            Kind::Service | Kind::Oneshot => part,
        }
    }

    /// Whether the turn of the service has come.
    pub(super) fn is_free(&self, index: Index) -> bool {
        self.holders.get(index.0).is_none_or(|holders| *holders == 0)
    }

    /// Somebody who waits for this service is done. Says whether that was the last.
    pub(super) fn release(&mut self, index: Index) -> bool {
        match self.holders.get_mut(index.0) {
            Some(holders) if *holders > 0 => {
                *holders = holders.saturating_sub(1);
                *holders == 0
            }
            Some(_) | None => false,
        }
    }
}
