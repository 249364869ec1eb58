//! `circus.ini`: sections and options by the rules of circus 0.19, with `$(circus.…)`, included
//! files, environments by patterns, sockets, priorities and the plug-in Flapping.
//!
//! | file | what it does |
//! |---|---|
//! | `expand.rs` | `$(circus.env.X)` and the like |
//! | `options.rs` | every option, and what becomes of it |
//! | `socket.rs` | `[socket:x]` to the sockets of a service |
//! | `watcher.rs` | one `[watcher:x]` to the raw form of a service |

mod expand;
pub mod options;
mod socket;
mod watcher;

use std::path::Path;
use std::time::Duration;

use super::ini::{Dialect, Ini, Inline, Section};
use super::options::{Fate, find, leftovers};
use super::sheet::{self, Notes};
use super::variables::Variables;
use super::{Source, include};
use crate::config::file::{At, Raw, Value};
use crate::config::foreign::Reading;
use crate::service::{Place, nearest};
use expand::{Expansions, Variable, expand};
use options::{OPTIONS, SECTIONS};
use watcher::Watcher;

/// StrictConfigParser of circus.
const DIALECT: Dialect = Dialect {
    indented_comments: false,
    inline: Inline::FirstSemicolon,
    folds_case: false,
    last_wins: false,
    rem: true,
    unquotes: true,
};

/// Whether a text has a section that only circus has.
#[must_use]
pub fn is_one(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("[circus]") || line.starts_with("[watcher:"))
}

/// Reads a `circus.ini` and what it includes.
#[must_use]
pub fn read(source: &Source<'_>, bytes: &[u8]) -> Reading {
    let file = Place::file(source.path.display().to_string());
    let text = match sheet::text(bytes, &file) {
        Ok(text) => text,
        Err(problem) => return Reading { problems: vec![problem], ..Reading::default() },
    };
    let mut reader = Reader {
        source,
        notes: Notes::default(),
        settings: Raw::default(),
        environment: Vec::new(),
        environments: Vec::new(),
        umask: None,
        flapping: None,
        sockets: Vec::new(),
    };
    let mut ini = Ini::default();
    ini.read(text, &file, DIALECT, &mut reader.notes);
    let mut circus = reader.include(&mut ini);
    ini.apply_defaults();
    reader.environments(&mut ini);
    reader.circus(&mut circus);
    reader.plugins(&mut ini);
    reader.sockets(&mut ini);
    let mut watchers = Vec::new();
    for section in take_all(&mut ini, "watcher:") {
        watchers.extend(reader.watcher(section));
    }
    reader.others(&ini);
    reader.listen(&mut watchers);
    // From big to small.
    let ranked = |Watcher { sheet, priority, .. }: Watcher| match priority {
        Some(At { value, place }) => (sheet, Some(place), (value.saturating_neg(), 0)),
        None => (sheet, None, (0, 0)),
    };
    let services = sheet::in_order(watchers.into_iter().map(ranked).collect());
    let Notes { problems, remarks } = reader.notes;
    Reading { services, settings: reader.settings, problems, remarks, ..Reading::default() }
}

struct Reader<'a> {
    source: &'a Source<'a>,
    notes: Notes,
    settings: Raw,
    /// What `[env]` says for all watchers.
    environment: Vec<Variable>,
    /// What `[env:…]` says for some: patterns, and variables.
    environments: Vec<(String, Vec<Variable>)>,
    umask: Option<At<String>>,
    /// The options of Flapping.
    flapping: Option<Section>,
    sockets: Vec<socket::Socket>,
}

impl Reader<'_> {
    /// What may be put into any value.
    fn expansions<'e>(&'e self, own: &'e [Variable]) -> Expansions<'e> {
        let environment = &self.source.surroundings.environment;
        Expansions { own, environment, values: &[] }
    }

    /// The value of an option, with everything put in; none, too, if it is empty.
    fn text(
        &self,
        section: &mut Section,
        key: &str,
        own: &[Variable],
        variables: Variables,
    ) -> Option<At<String>> {
        let At { value, place } = section.take(key)?;
        let value = expand(&value, self.expansions(own), variables);
        Some(At { value, place }).filter(|text| !text.value.is_empty())
    }

    fn whole(&mut self, section: &mut Section, key: &str, own: &[Variable]) -> Option<At<i64>> {
        let At { value, place } = self.text(section, key, own, Variables::Values)?;
        match value.trim().parse() {
            Ok(value) => Some(At { value, place }),
            Err(_) => {
                self.notes.problem(&place, format!("`{key}`: `{value}` is no number"));
                None
            }
        }
    }

    /// A time in seconds, as our own form has it.
    fn seconds(
        &mut self,
        section: &mut Section,
        key: &str,
        own: &[Variable],
    ) -> Option<At<String>> {
        let At { value, place } = self.text(section, key, own, Variables::Values)?;
        let time = value.trim().parse().ok().map(Duration::try_from_secs_f64);
        let Some(Ok(time)) = time else {
            self.notes.problem(&place, format!("`{key}`: `{value}` is no number of seconds"));
            return None;
        };
        let value = match time.subsec_millis() {
            0 => format!("{}s", time.as_secs()),
            _ => format!("{}ms", time.as_millis()),
        };
        Some(At { value, place })
    }

    fn boolean(&mut self, section: &mut Section, key: &str, own: &[Variable]) -> Option<At<bool>> {
        let At { value, place } = self.text(section, key, own, Variables::Values)?;
        match value.trim().to_ascii_lowercase().as_str() {
            "yes" | "true" | "on" | "1" => Some(At { value: true, place }),
            "no" | "false" | "off" | "0" => Some(At { value: false, place }),
            _ => {
                let what = format!("`{key}`: `{value}` is neither true nor false");
                self.notes.problem(&place, what);
                None
            }
        }
    }

    /// Where an option says yes.
    fn yes(&mut self, section: &mut Section, key: &str, own: &[Variable]) -> Option<Place> {
        self.boolean(section, key, own).filter(|at| at.value).map(|at| at.place)
    }

    /// Where an option says no.
    fn no(&mut self, section: &mut Section, key: &str, own: &[Variable]) -> Option<Place> {
        self.boolean(section, key, own).filter(|at| !at.value).map(|at| at.place)
    }

    /// Says what becomes of the options that nobody has taken, except of those that are remarked
    /// and switched off.
    fn leftovers(&mut self, kind: &str, mut section: Section, service: Option<&sheet::Sheet>) {
        section.entries.retain(|entry| {
            let fate = find(OPTIONS, kind, &entry.key).map(|option| option.fate);
            fate != Some(Fate::Remarked) || !is_off(&entry.value)
        });
        leftovers(OPTIONS, kind, &section, service.map(|sheet| &sheet.name), &mut self.notes);
    }

    /// Reads what `include` and `include_dir` name into `ini`; gives back what `[circus]` says
    /// in all of them. What an included file includes is not read, as in circus.
    fn include(&mut self, ini: &mut Ini) -> Section {
        let mut files = Vec::new();
        for (key, within) in [("include", ""), ("include_dir", "*.ini")] {
            let circus = ini.sections.iter_mut().find(|section| section.name == "circus");
            let option = circus.and_then(|circus| circus.take(key));
            let Some(At { value, place }) = option else { continue };
            let value = expand(&value, self.expansions(&[]), Variables::Values);
            files.extend(value.split_whitespace().map(|file| {
                let path = match within {
                    "" => file.to_owned(),
                    within => Path::new(file).join(within).display().to_string(),
                };
                At { value: path, place: place.clone() }
            }));
        }
        include::read(self.source, "`include`", &files, DIALECT, ini, &mut self.notes);
        let file = Place::file(self.source.path.display().to_string());
        let none =
            || Section { name: "circus".to_owned(), place: file.clone(), entries: Vec::new() };
        let mut circus = ini.take("circus").unwrap_or_else(none);
        for key in ["include", "include_dir"] {
            // A file may include itself, and says nothing new then.
            let is_other = |inner: &At<String>| inner.place.file != file.file;
            if let Some(inner) = circus.take(key).filter(is_other) {
                let what = "it stands in a file that is included: circus does not look at it";
                self.notes.remark(&inner.place, None, None, format!("`{key}`: {what}"));
            }
        }
        circus
    }

    fn environments(&mut self, ini: &mut Ini) {
        if let Some(section) = ini.take("env") {
            let of = |entry: &super::ini::Entry| {
                Variable::global(&entry.key, &entry.value, self.expansions(&[]))
            };
            self.environment = section.entries.iter().map(of).collect();
        }
        for section in take_all(ini, "env:") {
            let patterns = section.name.strip_prefix("env:").unwrap_or_default().to_owned();
            let variables = section.entries.iter().map(|e| Variable::plain(&e.key, &e.value));
            self.environments.push((patterns, variables.collect()));
        }
    }

    fn circus(&mut self, section: &mut Section) {
        let own = self.environment.clone();
        self.umask = self.text(section, "umask", &own, Variables::Values);
        if let Some(At { value, place }) = self.text(section, "loglevel", &own, Variables::Values) {
            let level = match value.to_ascii_lowercase().as_str() {
                "critical" | "error" => Some("error"),
                "warning" => Some("warn"),
                "debug" => Some("debug"),
                "info" => None,
                _ => {
                    let what = format!("there is no level `{value}`: it is info, as in circus");
                    self.notes.remark(&place, None, None, what);
                    None
                }
            };
            let level = level.map(|level| At { value: Value::Text(level.to_owned()), place });
            self.settings.values.extend(level.map(|level| ("log.level", level)));
        }
        self.leftovers("circus", section.clone(), None);
    }

    fn plugins(&mut self, ini: &mut Ini) {
        let own = self.environment.clone();
        for mut section in take_all(ini, "plugin:") {
            let of = self.text(&mut section, "use", &own, Variables::Values);
            let of = of.map(|of| of.value).unwrap_or_default();
            if self.no(&mut section, "active", &own).is_some() {
                continue;
            }
            if of.to_ascii_lowercase().contains("flapping") {
                let what = format!(
                    "[{}]: `[backoff]` waits after every end that comes early, and counts each",
                    section.name
                );
                self.notes.remark(&section.place, None, None, what);
                self.leftovers("plugin", section.clone(), None);
                self.flapping = Some(section);
            } else {
                let what = format!(
                    "[{}] is not run: plug-ins are Python within circus; `[health]` looks after a \
                     service, and `onit events -f` tells one of its own what happens",
                    section.name
                );
                self.notes.remark(&section.place, None, None, what);
            }
        }
    }

    /// What no reader has taken.
    fn others(&mut self, ini: &Ini) {
        for section in &ini.sections {
            let (kind, rest) = section.name.split_once(':').unwrap_or((&section.name, ""));
            let Some(best) = nearest(kind.trim(), SECTIONS) else {
                let what = format!("[{}] is no section of circus's", section.name);
                self.notes.remark(&section.place, None, None, what);
                continue;
            };
            let rest = if rest.is_empty() { "NAME" } else { rest };
            let hint = match best.as_str() {
                "circus" => "[circus]".to_owned(),
                "env" if !section.name.contains(':') => "[env]".to_owned(),
                best => format!("[{best}:{rest}]"),
            };
            let what = format!("there is no section [{}]", section.name);
            let hint = format!("did you mean {hint}?");
            self.notes.problem_with_hint(&section.place, what, hint);
        }
    }

    /// A path as seen from the directory onit runs in.
    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') || path.starts_with("${") {
            return path.to_owned();
        }
        let directory = self.source.surroundings.directory.display().to_string();
        Path::new(&sheet::literal(&directory)).join(path).display().to_string()
    }
}

/// Whether a value says that something is not done.
fn is_off(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    value.parse() == Ok(0.0) || ["", "no", "false", "off", "none"].contains(&value.as_str())
}

/// The sections whose name begins so, taken out.
fn take_all(ini: &mut Ini, beginning: &str) -> Vec<Section> {
    let is_one = |section: &Section| section.name.starts_with(beginning);
    let (taken, left) = std::mem::take(&mut ini.sections).into_iter().partition(is_one);
    ini.sections = left;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_sections() {
        assert!(is_one("; of ours\n[watcher:web]\ncmd = web\n"));
        assert!(is_one("[circus]\n"));
        assert!(!is_one("[program:web]\ncommand = [circus]\n"));
        assert!(!is_one("[socket:web]\n"));
    }

    #[test]
    fn what_is_off_needs_no_remark() {
        assert!(["", "0", "0.0", "False", "no", " off "].into_iter().all(is_off));
        assert!(!["1", "true", "5.5", "path"].into_iter().any(is_off));
    }
}
