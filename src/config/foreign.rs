//! What sources of other formats say: the same raw form, with what has no counterpart in it.

use std::path::Path;

use super::Files;
use super::file::Raw;
use crate::service::{Name, Place, Problem};

/// A service in its raw form, whichever format it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// What it is called.
    pub name: Name,
    /// The file, or the place in it, that describes it.
    pub place: Place,
    /// What is said of it.
    pub raw: Raw,
}

/// Something of another format that means something else here, or nothing: no problem, but worth
/// knowing before one relies on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// Where it stands.
    pub place: Place,
    /// The service it is about; none: all of them.
    pub service: Option<Name>,
    /// The native key it is about.
    pub key: Option<&'static str>,
    /// What is to be known, lower case, no full stop.
    pub what: String,
}

/// A source of another format, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// What the format is called.
    pub format: &'static str,
    /// Its services.
    pub services: Vec<Described>,
    /// What it says about the supervisor itself, by the keys of `onit.toml`.
    pub settings: Raw,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// What is to be known of it.
    pub remarks: Vec<Remark>,
}

/// Whoever can read sources of other formats.
pub trait Foreign {
    /// Takes a source apart; none: it is of our own format, or of none that is known.
    fn read(&self, source: &Path, files: &dyn Files) -> Option<Reading>;
}

/// Nobody: every source is taken for our own format.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnlyNative;

impl Foreign for OnlyNative {
    fn read(&self, _source: &Path, _files: &dyn Files) -> Option<Reading> {
        None
    }
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // One line, whatever it repeats: as problems are.
        Problem::new(self.place.clone(), self.what.clone()).fmt(f)
    }
}
