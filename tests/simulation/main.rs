//! The shipped loop on a simulated world: virtual clock, scripted processes, an oracle that looks
//! on after every event.
//!
//! `stories`, `readiness`, `requests`, `on_request`, `pipelines` and `undo` tell what onit does,
//! one situation each; `swarm` throws seeds at it (`SEED=n` replays one with its trace, `SEEDS=n`
//! runs that many); `exhaustive` visits every state × goal × event and compares with
//! docs/state-machine.md (`UPDATE=1` rewrites it).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test that fails is to say so, and this one reads its seeds and its golden file"
)]
#![allow(missing_docs, unreachable_pub, reason = "nobody links to a test")]

mod clerk;
mod exhaustive;
mod on_request;
mod oracle;
mod pipelines;
mod readiness;
mod requests;
mod rng;
mod scene;
mod script;
mod stories;
mod swarm;
mod undo;
mod world;
