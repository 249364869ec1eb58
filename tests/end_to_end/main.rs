//! The real binary, as PID 1 of a PID namespace of its own and not, against the real kernel.
//!
//! Needs `unshare` of util-linux and /bin/sh. As root the namespace is only one of processes, else
//! one of users too. No test sleeps: each waits for a condition, and says what it saw when that
//! does not come about.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::multiple_unsafe_ops_per_block,
    clippy::string_slice,
    unreachable_pub,
    reason = "a test that stops at the first surprise is what is wanted"
)]

mod bad_input;
mod children;
mod control;
mod directories;
mod hostile;
mod notify;
mod output;
mod panic;
mod pipelines;
mod probe;
mod ready;
mod sandbox;
mod services;
mod skin;
mod step_down;
mod terminal;
mod tini;
