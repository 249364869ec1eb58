//! What a service is: the vocabulary every other part speaks. Imports std only, does nothing.
#![forbid(unsafe_code)]

mod exit;
mod failure;
mod name;
mod pattern;
mod plan;
mod policy;
mod problem;
mod run;
mod signal;
mod spec;
mod time;

pub use exit::{Exit, SuccessCode};
pub use failure::{Errno, Failure, Why};
pub use name::{Name, NameError};
pub use pattern::Pattern;
pub use plan::{Index, Node, Plan, PlanError};
pub use policy::{
    Backoff, Condition, Consequence, Dependency, Leftovers, Restart, Scope, Stop, StopStep,
};
pub use problem::{Place, Problem, nearest};
pub use run::{Role, RunId};
pub use signal::Signal;
pub use spec::{
    Argv, Environment, Format, Inherit, Kind, Level, Limit, Limits, Log, LogTarget, Resource,
    Settings, Spec, Who,
};
pub use time::Time;
