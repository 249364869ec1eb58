//! The verbs that are programs of their own: they speak to no running onit, and need none.

use std::ffi::OsString;
use std::time::Duration;

use super::client::NOT_REACHED;
use super::complain;
use crate::linux::notify_client::{self, Barrier};
use crate::linux::probe::{self, Found};
use crate::linux::{signals, step_down};
use crate::service::{Argv, Exit, Failure, Probe, Who};

/// `onit probe`: says nothing unless it fails, and then why in one line.
pub fn probe(probe: &Probe, limit: Duration) -> u8 {
    // Only a command has an environment.
    let environment = match probe {
        Probe::Exec(_) => std::env::vars_os().collect(),
        Probe::Tcp(_) | Probe::Unix(_) | Probe::Http(_) | Probe::File(_) => Vec::new(),
    };
    match probe::run(probe, limit, &environment) {
        Found::Success => 0,
        Found::Failure(why) => {
            // It repeats what was given to us, and stays one line all the same.
            complain(&why.replace(char::is_control, "?"));
            complain("\n");
            NOT_REACHED
        }
        Found::Interrupted(signal) => Exit::Signal(signal).code(),
    }
}

/// `onit notify`: says nothing unless it fails.
#[expect(clippy::disallowed_methods, reason = "an applet is no PID 1 and takes nothing at boot")]
pub fn notify(assignments: &[OsString], barrier: Barrier) -> u8 {
    signals::release();
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        complain(
            "onit: NOTIFY_SOCKET is not set; only a service whose file asks for it has it: \
             ready.notify, health.watchdog or reload.notify\n",
        );
        return NOT_REACHED;
    };
    match notify_client::notify(&name, assignments, barrier) {
        Ok(()) => 0,
        Err(failure) => {
            complain(&format!("onit: {failure}\n"));
            NOT_REACHED
        }
    }
}

/// `onit as`: becomes the command, or says why not.
pub fn step_down(user: Option<Who>, group: Option<Who>, command: &Argv) -> u8 {
    let environment = std::env::vars_os().collect();
    let failure = step_down::execute(user.as_ref(), group.as_ref(), command, environment);
    complain(&format!("onit: {failure}\n"));
    if failure.operation == Failure::EXECUTE { failure.code() } else { NOT_REACHED }
}
