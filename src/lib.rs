//! onit: PID 1 and process supervisor for containers. The map:
//!
//! | module | what it holds |
//! |---|---|
//! | [`limits`] | every bound in the program, with the reason for its number |
//! | [`service`] | what a service is: spec, name, policies, exit, signal, time, problem |
//! | [`supervisor`] | what to do about it: events in, actions out, time passed in |
//! | [`config`] | native TOML to a plan |
//! | [`formats`] | the files of other supervisors to the raw form of our own |
//! | [`output`] | the log path, pure part: lines and formats |
//! | [`control`] | the language of the control socket |
//! | [`run`](mod@run) | the one loop, and the `Host` it runs on |
//! | `linux` | the only effects, and the only `unsafe` |
//! | `cli` | the front door: arguments, boot, verbs |
//!
//! Arrows only run leftwards:
//! `service ← {supervisor, config, output} ← {formats, control, run} ← linux ← cli ← main`;
//! everybody may name `limits`. `tests/tidy.rs` holds the code to it, and
//! `cargo check --lib --no-default-features`
//! proves that nothing left of `linux` touches the kernel.

#[cfg(feature = "linux")]
pub mod cli;
pub mod config;
pub mod control;
pub mod formats;
pub mod limits;
#[cfg(feature = "linux")]
pub mod linux;
pub mod output;
pub mod run;
pub mod service;
pub mod supervisor;
