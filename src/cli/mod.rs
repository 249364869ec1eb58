//! The front door: words in, exit code out.
//!
//! | file | what it does |
//! |---|---|
//! | `applets.rs` | the verbs that are programs of their own: `onit probe`, `onit notify` |
//! | `args.rs` | what the words on the command line mean |
//! | `boot.rs` | `onit run`: from the words to the loop |
//! | `check.rs` | `onit check`: the plan, or its problems, as text |
//! | `client.rs` | the verbs that speak to a running onit |
//! | `completions.rs` | `onit completions` |
//! | `connection.rs` | how they do |
//! | `convert.rs` | `onit convert`: any source as service files |
//! | `help.rs` | `onit --help` |
//! | `manual.rs` | `onit manual` |
//! | `status.rs` | `onit status`: a line a service, or the story of one |
//! | `table.rs` | columns that line up |
//! | `verbs.rs` | the table of verbs, from which help, completions and the manual are made |
//! | `words.rs` | options and operands, by that table |
#![forbid(unsafe_code)]

pub mod applets;
pub mod args;
pub mod boot;
pub mod check;
pub mod client;
pub mod completions;
pub mod connection;
pub mod convert;
pub mod help;
pub mod manual;
pub mod status;
pub mod table;
pub mod verbs;
pub mod words;

use std::ffi::OsString;
use std::io::Write;

use args::Verb;

use crate::linux::signals;

/// Bad usage or configuration; nothing was started.
pub const USAGE: u8 = 2;

/// Does what `words`, the whole command line, ask for.
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    // Before anything else: see linux/signals.rs.
    signals::hold();
    match Verb::parse(words) {
        Ok(Verb::Run(run)) => boot::run(run),
        Ok(Verb::Check(check)) => boot::check(&check),
        Ok(Verb::Convert(convert)) => convert::run(&convert),
        Ok(Verb::Ask(ask)) => client::run(ask),
        Ok(Verb::Probe { probe, limit }) => applets::probe(&probe, limit),
        Ok(Verb::Notify { assignments, barrier }) => applets::notify(&assignments, barrier),
        Ok(Verb::As { user, group, command }) => applets::step_down(user, group, &command),
        Ok(Verb::Completions(shell)) => print(&completions::script(shell)),
        Ok(Verb::Manual) => print(&manual::page()),
        Err(refusal) => {
            if refusal.code == 0 {
                say(&refusal.text);
            } else {
                complain(&refusal.text);
            }
            refusal.code
        }
    }
}

/// Says what was asked for, and nothing else.
fn print(text: &str) -> u8 {
    say(text);
    0
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
