//! Who is due when: at most one deadline each, the earliest found at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::service::{Index, RunId, Time};

/// Who has a deadline. Of those due at the same time the first goes first: at the end of the budget
/// everybody is killed once, together, and not one by one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Shutdown,
    Life(RunId),
    Service(Index),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    by_time: BTreeSet<(Time, Who)>,
    by_who: BTreeMap<Who, Time>,
}

impl Deadlines {
    /// Gives `who` this deadline instead of the one it had.
    pub(super) fn set(&mut self, who: Who, at: Option<Time>) {
        let before = match at {
            Some(at) => self.by_who.insert(who, at),
            None => self.by_who.remove(&who),
        };
        if let Some(before) = before {
            self.by_time.remove(&(before, who));
        }
        if let Some(at) = at {
            self.by_time.insert((at, who));
        }
    }

    /// No service has a deadline any more.
    pub(super) fn forget_services(&mut self) {
        let services: Vec<Who> = self
            .by_who
            .keys()
            .filter(|who| match who {
                Who::Service(_) => true,
                Who::Shutdown | Who::Life(_) => false,
            })
            .copied()
            .collect();
        for who in services {
            self.set(who, None);
        }
    }

    /// The earliest.
    pub(super) fn first(&self) -> Option<Time> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out the first that is due.
    pub(super) fn take_due(&mut self, now: Time) -> Option<Who> {
        let (at, who) = self.by_time.first().copied()?;
        if at > now {
            return None;
        }
        self.set(who, None);
        Some(who)
    }
}
