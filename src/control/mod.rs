//! The language of the control socket, pure: one JSON object a line, see docs/control-protocol.md.
//!
//! | file | what it holds |
//! |---|---|
//! | `request.rs` | what a client may say, and what it means |
//! | `line.rs` | what onit answers, line by line |
//! | `member.rs` | how a client takes those lines |
//! | `words.rs` | from what the supervisor says to those lines |
//! | `session.rs` | one client: bytes in, requests out; lines in, bytes out |
//!
//! Knows no descriptors, no clocks and no pids: those are handed in.
#![forbid(unsafe_code)]

mod line;
mod member;
mod request;
mod session;
mod words;

pub use line::{
    About, Brief, End, Event, Exit, Line, Link, Log, Lost, Outcome, Problem, Reload, Status,
};
pub use request::{Fault, Meaning, Request};
pub use session::Session;
pub use words::{Scene, Spoken, answer, event, status};

/// The version of the protocol, in every request. It changes when an old client would be
/// misunderstood; new members and new kinds of lines do not change it.
pub const VERSION: u32 = 1;
