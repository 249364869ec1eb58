//! Other formats to the raw form of our own: takes apart what runs today, and judges no more of it
//! than that takes. One validator, `config/check.rs`, judges what comes out, whatever it was.
//!
//! | file | what it does |
//! |---|---|
//! | `circus/` | `circus.ini` |
//! | `directory.rs` | service directories of runit and s6 |
//! | `glob.rs` | patterns of file names |
//! | `include.rs` | further files that an ini file names |
//! | `ini.rs` | sections and options of ini files, by the rules of each dialect |
//! | `options.rs` | what becomes of an option: the shape of the tables of options |
//! | `overlay.rs` | the trees of s6-overlay |
//! | `procfile.rs` | `Procfile` with its `.env` |
//! | `s6rc.rs` | source definitions of s6-rc |
//! | `sheet.rs` | puts the raw form of a service together |
//! | `supervisord/` | `supervisord.conf` |
//! | `variables.rs` | texts with variables in them |
//! | `words.rs` | words of a command, as Python's shlex splits them |
#![forbid(unsafe_code)]

pub mod circus;
pub mod directory;
pub mod glob;
pub mod include;
pub mod ini;
pub mod options;
pub mod overlay;
pub mod procfile;
pub mod s6rc;
pub mod sheet;
pub mod supervisord;
pub mod variables;
pub mod words;

use std::path::{Path, PathBuf};

use crate::config::foreign::{Foreign, Reading};
use crate::config::{Files, unreadable};
use crate::service::Errno;
use litemap::LiteMap;

/// A format of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Our own: TOML.
    Native,
    /// `supervisord.conf`.
    Supervisord,
    /// `circus.ini`.
    Circus,
    /// `Procfile`, as foreman, honcho and overmind read it.
    Procfile,
    /// Service directories of runit.
    Runit,
    /// Service directories of s6.
    S6,
    /// Source definitions of s6-rc.
    S6Rc,
    /// The tree of an image with s6-overlay.
    S6Overlay,
}

impl Format {
    /// Every format, by the name `--format` takes.
    pub const ALL: [(&'static str, Self); 8] = [
        ("native", Self::Native),
        ("supervisord", Self::Supervisord),
        ("circus", Self::Circus),
        ("procfile", Self::Procfile),
        ("runit", Self::Runit),
        ("s6", Self::S6),
        ("s6-rc", Self::S6Rc),
        ("s6-overlay", Self::S6Overlay),
    ];

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// The format called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }
}

/// What a reader may know of its surroundings.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// onit's own variables, as far as they are text.
    pub environment: LiteMap<String, String>,
    /// The directory onit runs in; absolute.
    pub directory: PathBuf,
    /// Which processes of a Procfile are wanted, and how many of each; none: one of each.
    pub formation: Option<String>,
}

/// Reads sources of every format that is not our own.
#[derive(Clone, Debug, Default)]
pub struct Formats {
    /// The format all sources have; none: it is recognised.
    pub format: Option<Format>,
    /// What surrounds them.
    pub surroundings: Surroundings,
}

/// A source as its reader gets it.
pub struct Source<'a> {
    /// Its path, as the user named it.
    pub path: &'a Path,
    /// Where further files come from.
    pub files: &'a dyn Files,
    /// What surrounds it.
    pub surroundings: &'a Surroundings,
}

impl Source<'_> {
    /// The directory it is in; absolute.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        let path = self.surroundings.directory.join(self.path);
        path.parent().map_or_else(|| self.surroundings.directory.clone(), Path::to_owned)
    }
}

impl Foreign for Formats {
    fn read(&self, path: &Path, files: &dyn Files) -> Option<Reading> {
        let source = Source { path, files, surroundings: &self.surroundings };
        // What cannot be read is said by whoever reads our own format.
        let text = match files.list(path) {
            Ok(_) => None,
            Err(Errno::ENOTDIR) => match files.read(path) {
                Ok(text) => Some(text),
                Err(_) if path.extension().is_some_and(|extension| extension == "toml") => {
                    return None;
                }
                Err(errno) => return Some(sheet::refused(path, &unreadable(errno))),
            },
            Err(_) => return None,
        };
        let format = self.format.or_else(|| match &text {
            Some(text) => recognise(path, &String::from_utf8_lossy(text)),
            None => recognise_directory(path, files),
        })?;
        let reading = match (format, text) {
            (Format::Native, _) => return None,
            (Format::Supervisord, Some(text)) => supervisord::read(&source, &text),
            (Format::Circus, Some(text)) => circus::read(&source, &text),
            (Format::Procfile, Some(text)) => procfile::read(&source, &text),
            (Format::Runit, None) => directory::read(&source, directory::RUNIT),
            (Format::S6, None) => directory::read(&source, directory::S6),
            (Format::S6Rc, None) => s6rc::read(&source),
            (Format::S6Overlay, None) => overlay::read(&source),
            (Format::Supervisord | Format::Circus | Format::Procfile, None) => {
                sheet::refused(path, "is a directory, and no file of this format")
            }
            (Format::Runit | Format::S6 | Format::S6Rc | Format::S6Overlay, Some(_)) => {
                sheet::refused(path, "is a file, and no directory of this format")
            }
        };
        Some(Reading { format: format.name(), ..reading })
    }
}

/// The format of a directory, by what is in it.
fn recognise_directory(path: &Path, files: &dyn Files) -> Option<Format> {
    let names = files.list(path).ok()?;
    if names.iter().any(|name| name.as_encoded_bytes().ends_with(b".toml")) {
        return None;
    }
    if overlay::is_one(files, path) {
        return Some(Format::S6Overlay);
    }
    if s6rc::is_one(files, path) {
        return Some(Format::S6Rc);
    }
    let dialect = directory::recognise(files, path)?;
    Some(if dialect.is_s6() { Format::S6 } else { Format::Runit })
}

/// The format of a file, by what is in it. A name decides only where nothing else does.
fn recognise(path: &Path, text: &str) -> Option<Format> {
    if path.extension().is_some_and(|extension| extension == "toml") {
        return None;
    }
    if supervisord::is_one(text) {
        return Some(Format::Supervisord);
    }
    if circus::is_one(text) {
        return Some(Format::Circus);
    }
    procfile::is_one(path, text).then_some(Format::Procfile)
}
