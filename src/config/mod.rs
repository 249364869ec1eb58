//! Native TOML to a plan: read, take apart, judge. Every problem at once, each with its place.
//!
//! `file.rs` takes a text apart into its raw form, in which each value remembers where it stood;
//! `check.rs` judges the raw form, whichever format it came from, and makes a spec of it. Where
//! texts come from is not known here: see [`Files`].
#![forbid(unsafe_code)]

mod check;
mod expand;
pub mod file;
pub mod foreign;
pub mod keys;
mod load;
mod split;
mod watch;
pub mod write;

pub use load::{Loaded, Options, Request, Written, judge, load, read, unreadable};

use std::ffi::OsString;
use std::path::Path;

use crate::service::Errno;

/// Where texts come from. The map of the tests is one, the disk another.
pub trait Files {
    /// The content of a regular file, of a bounded size.
    ///
    /// # Errors
    /// What the system says; `EFBIG` for what is over the bound.
    fn read(&self, path: &Path) -> Result<Vec<u8>, Errno>;

    /// The names in a directory, in any order.
    ///
    /// # Errors
    /// What the system says; `ENOTDIR` for what is no directory.
    fn list(&self, directory: &Path) -> Result<Vec<OsString>, Errno>;

    /// Whether somebody may execute a file.
    fn is_executable(&self, path: &Path) -> bool;
}
