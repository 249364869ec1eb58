//! THE loop, and the [`Host`] it runs on. Read this file first.
//!
//! `linux::Linux` is one host, the simulated world of the tests is the other: the loop that ships
//! is the loop that is simulated.
#![forbid(unsafe_code)]

use crate::service::Time;
use crate::supervisor::{Action, Event, Supervisor, Wake};

/// What the loop needs of the world outside.
pub trait Host {
    /// The time since onit started.
    fn now(&self) -> Time;

    /// Does `action`. Cannot fail: what the system refuses comes back as an event, or is reported.
    fn perform(&mut self, action: Action);

    /// Waits until something happened or `wake` says so, and adds what happened to `events`.
    /// Never blocks longer than `wake` allows.
    fn wait(&mut self, wake: Wake, events: &mut Vec<Event>);
}

/// Runs `supervisor` on `host` until its verdict, the exit code.
pub fn run(supervisor: &mut Supervisor, host: &mut impl Host) -> u8 {
    let mut events = Vec::new();
    loop {
        supervisor.work(host.now());
        while let Some(action) = supervisor.next_action() {
            host.perform(action);
        }
        if let Some(code) = supervisor.verdict() {
            return code;
        }
        host.wait(supervisor.wake(), &mut events);
        let now = host.now();
        for event in events.drain(..) {
            supervisor.handle(event, now);
        }
        supervisor.handle(Event::DeadlinePassed, now);
    }
}
