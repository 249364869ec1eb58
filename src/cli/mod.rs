//! The front door: words in, exit code out.
//!
//! | file | what it does |
//! |---|---|
//! | `args.rs` | what the words on the command line mean |
//! | `boot.rs` | `onit run`: from the words to the loop |
//! | `check.rs` | `onit check`: the plan, or its problems, as text |
#![forbid(unsafe_code)]

pub mod args;
pub mod boot;
pub mod check;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use args::Verb;

use crate::linux::signals;

/// Bad usage or configuration; nothing was started.
pub const USAGE: u8 = 2;

/// Does what `words`, the whole command line, ask for.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Before anything else: see linux/signals.rs.
    signals::hold();
    match Verb::parse(words) {
        Ok(Verb::Run(run)) => boot::run(run),
        Ok(Verb::Check(check)) => boot::check(&check),
        Err(refusal) => {
            if refusal.code == 0 {
                say(&refusal.text);
            } else {
                complain(&refusal.text);
            }
            ExitCode::from(refusal.code)
        }
    }
}

/// To standard output. A reader that is gone is no reason to fail.
fn say(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// To standard error. If that is closed, there is nobody left to tell.
fn complain(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
