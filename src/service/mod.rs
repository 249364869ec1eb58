//! What a service is: the vocabulary every other part speaks. Imports std only, does nothing.
#![forbid(unsafe_code)]

pub mod address;
mod capability;
mod exit;
mod failure;
pub mod http;
mod listen;
mod name;
pub mod notify;
mod pattern;
mod plan;
mod policy;
mod probe;
mod problem;
mod rare;
mod run;
mod signal;
mod spec;
mod time;

pub use capability::Capability;
pub use exit::{Exit, SuccessCode};
pub use failure::{Errno, Failure, Why};
pub use listen::{Address, Listen};
pub use name::{Name, NameError};
pub use pattern::Pattern;
pub use plan::{Index, Node, Plan, PlanError};
pub use policy::{
    Backoff, Condition, Consequence, Dependency, ExitArguments, Leftovers, Restart, Scope, Stop,
    StopStep,
};
pub use probe::{Announcement, Check, Health, Probe, Readiness, Reload, ReloadBy, Remedy};
pub use problem::{Place, Problem, nearest};
pub(crate) use rare::usual;
pub use rare::{Rare, Usual};
pub use run::{Purpose, Role, RunId};
pub use signal::Signal;
pub use spec::{
    Argv, Attributes, Environment, Format, Hooks, Inherit, Kind, Level, Limit, Limits, Log,
    LogTarget, Resource, Rotation, Settings, Spec, Who,
};
pub use time::Time;
