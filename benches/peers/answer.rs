//! A program with a handler for USR1, as most programs have it: it says when it was called.

use std::io::Read;
use std::time::Duration;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{pause, write};

use crate::clock;

/// Writes the time to its standard output: of its start, and of each USR1.
pub(crate) const ANSWER: &str = "answer";

pub(crate) fn answer(_: &[String]) {
    let action = SigAction::new(SigHandler::Handler(say_when), SaFlags::empty(), SigSet::empty());
    // SAFETY: what the handler calls is async-signal-safe: see signal-safety(7).
    unsafe { sigaction(Signal::SIGUSR1, &action) }.expect("a signal that can be handled");
    say_when(0);
    loop {
        pause();
    }
}

extern "C" fn say_when(_: nix::libc::c_int) {
    let now = u64::try_from(clock::now().as_nanos()).unwrap_or(0);
    let _ = write(std::io::stdout(), &now.to_ne_bytes());
}

/// The next time it said.
pub(crate) fn heard(from: &mut impl Read) -> Option<Duration> {
    let mut time = [0; 8];
    from.read_exact(&mut time).ok()?;
    Some(Duration::from_nanos(u64::from_ne_bytes(time)))
}
