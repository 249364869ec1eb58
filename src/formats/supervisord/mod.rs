//! `supervisord.conf`: sections and options by the rules of supervisord 4, with `%(…)s`, included
//! files, groups and priorities; and what people hang onto supervisord to end a container.
//!
//! | file | what it does |
//! |---|---|
//! | `expand.rs` | `%(here)s`, `%(ENV_X)s` and the like |
//! | `include.rs` | the files of `[include]` |
//! | `options.rs` | every option, and what becomes of it |
//! | `pairs.rs` | `KEY="value",…` of `environment` |
//! | `program.rs` | one `[program:x]` to the raw form of a service |
//! | `wrappers.rs` | shells that kill supervisord, sleep, or stand between |

mod expand;
mod include;
pub mod options;
mod pairs;
mod program;
mod wrappers;

use std::path::Path;

use super::Source;
use super::ini::{Dialect, Ini, Inline, Section};
use super::options::leftovers;
use super::sheet::{self, Notes};
use super::variables::Variables;
use super::words;
use crate::config::file::{At, Raw, Value};
use crate::config::foreign::Reading;
use crate::service::{Place, nearest};
use expand::{Expansions, expand};
use litemap::LiteMap;
use options::{OPTIONS, SECTIONS};
use program::Program;

/// RawConfigParser of Python 3, as supervisord sets it up.
const DIALECT: Dialect = Dialect {
    indented_comments: true,
    inline: Inline::After(&[';', '#']),
    folds_case: true,
    last_wins: true,
    rem: false,
    unquotes: false,
};

/// Where a group or program stands that says nothing about it.
const PRIORITY: i64 = 999;

/// Whether a text has a section that only supervisord has.
#[must_use]
pub fn is_one(text: &str) -> bool {
    let kinds = SECTIONS.iter().filter(|kind| !["include", "group"].contains(kind));
    let kinds: Vec<&str> = kinds.copied().collect();
    text.lines().any(|line| {
        let Some(header) = line.strip_prefix('[') else { return false };
        let kind = header.split([':', ']']).next().unwrap_or_default();
        kinds.contains(&kind) || header.starts_with("group:")
    })
}

/// Reads a `supervisord.conf` and what it includes.
#[must_use]
pub fn read(source: &Source<'_>, bytes: &[u8]) -> Reading {
    let file = Place::file(source.path.display().to_string());
    let text = match sheet::text(bytes, &file) {
        Ok(text) => text,
        Err(problem) => return Reading { problems: vec![problem], ..Reading::default() },
    };
    let mut reader = Reader::new(source);
    let mut ini = Ini::default();
    ini.read(text, &file, DIALECT, &mut reader.notes);
    reader.include(&mut ini);
    ini.apply_defaults();
    reader.supervisord(&mut ini);
    reader.listeners(&mut ini);
    let ranks = reader.groups(&mut ini);
    let programs = reader.programs(&mut ini, &ranks);
    reader.others(&ini);
    let ranked = |(Program { sheet, priority }, rank)| (sheet, priority, rank);
    let services = sheet::in_order(programs.into_iter().map(ranked).collect());
    let Notes { problems, remarks } = reader.notes;
    Reading { services, settings: reader.settings, problems, remarks, ..Reading::default() }
}

/// How a listener has supervisord end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ending {
    /// When a program is given up.
    failure: bool,
    /// When a program ends.
    any_end: bool,
}

struct Reader<'a> {
    source: &'a Source<'a>,
    notes: Notes,
    settings: Raw,
    /// What `[supervisord]` says for all programs.
    environment: Vec<(String, String)>,
    user: Option<At<String>>,
    files: Option<At<i64>>,
    ending: Ending,
}

/// In which group a program is, and where that stands in the order.
type Ranks = LiteMap<String, (String, i64)>;

impl<'a> Reader<'a> {
    fn new(source: &'a Source<'a>) -> Self {
        Self {
            source,
            notes: Notes::default(),
            settings: Raw::default(),
            environment: Vec::new(),
            user: None,
            files: None,
            ending: Ending::default(),
        }
    }

    /// What may be put into any value that stands at `place`.
    fn expansions(&self, place: &Place) -> Expansions {
        let here = self.source.surroundings.directory.join(place.file.as_ref());
        let here = here.parent().map(|here| here.display().to_string()).unwrap_or_default();
        let environment = &self.source.surroundings.environment;
        let host = match environment.contains_key("HOSTNAME") {
            true => "${HOSTNAME}",
            false => "localhost",
        };
        let own = self.environment.iter();
        let values = own
            .map(|(name, value)| (format!("ENV_{name}"), value.clone()))
            .chain([
                ("here".to_owned(), sheet::literal(&here)),
                ("host_node_name".to_owned(), host.to_owned()),
            ])
            .collect();
        Expansions { values, number: None, environment: environment.clone() }
    }

    /// The value of an option, with everything put in; said and none if that cannot be done.
    fn expanded(
        &mut self,
        option: Option<At<String>>,
        expansions: &Expansions,
        variables: Variables,
    ) -> Option<At<String>> {
        let At { value, place } = option?;
        match expand(&value, expansions, variables) {
            Ok(expanded) => Some(At { value: expanded.text, place }),
            Err(why) => {
                self.notes.problem(&place, why);
                None
            }
        }
    }

    fn whole(&mut self, option: Option<At<String>>, expansions: &Expansions) -> Option<At<i64>> {
        let At { value, place } = self.expanded(option, expansions, Variables::Values)?;
        match value.trim().parse() {
            Ok(value) => Some(At { value, place }),
            Err(_) => {
                self.notes.problem(&place, format!("`{value}` is no number"));
                None
            }
        }
    }

    fn boolean(&mut self, option: Option<At<String>>, expansions: &Expansions) -> Option<At<bool>> {
        let At { value, place } = self.expanded(option, expansions, Variables::Values)?;
        match value.to_ascii_lowercase().as_str() {
            "yes" | "true" | "on" | "1" => Some(At { value: true, place }),
            "no" | "false" | "off" | "0" => Some(At { value: false, place }),
            _ => {
                self.notes.problem(&place, format!("`{value}` is neither true nor false"));
                None
            }
        }
    }

    fn pairs(
        &mut self,
        option: Option<At<String>>,
        expansions: &Expansions,
    ) -> Vec<(String, String)> {
        let Some(At { value, place }) = self.expanded(option, expansions, Variables::Words) else {
            return Vec::new();
        };
        pairs::parse(&value).unwrap_or_else(|why| {
            self.notes.problem_with_hint(
                &place,
                why,
                "write KEY=\"value\",OTHER=\"value\", with quotes around what is no plain word",
            );
            Vec::new()
        })
    }

    fn supervisord(&mut self, ini: &mut Ini) {
        let Some(mut section) = ini.take("supervisord") else { return };
        let expansions = self.expansions(&section.place);
        let environment = section.take("environment");
        self.environment = self.pairs(environment, &expansions);
        self.user = self.expanded(section.take("user"), &expansions, Variables::Kept);
        self.files = self.whole(section.take("minfds"), &expansions).filter(|at| at.value > 1024);
        let level = section.take("loglevel");
        if let Some(level) = level.as_ref().filter(|level| is_switch(level)) {
            // A switch in the environment stays one.
            let level = self.expanded(Some(level.clone()), &expansions, Variables::Kept);
            let text = |At { value, place }| At { value: Value::Text(value), place };
            self.settings.values.extend(level.map(|level| ("log.level", text(level))));
        } else if let Some(At { value, place }) =
            self.expanded(level, &expansions, Variables::Values)
        {
            let level = match value.to_ascii_lowercase().as_str() {
                "critical" | "crit" | "error" | "erro" => Some("error"),
                "warn" | "warning" => Some("warn"),
                "debug" | "debg" | "trace" | "trac" | "blather" | "blat" => Some("debug"),
                "info" => None,
                _ => {
                    self.notes.problem(&place, format!("there is no level `{value}`"));
                    None
                }
            };
            let level = level.map(|level| At { value: Value::Text(level.to_owned()), place });
            self.settings.values.extend(level.map(|level| ("log.level", level)));
        }
        leftovers(OPTIONS, "supervisord", &section, None, &mut self.notes);
    }

    /// Listeners are not run: what they are for is either built in, or said to be missing.
    fn listeners(&mut self, ini: &mut Ini) {
        for mut section in take_all(ini, "eventlistener:") {
            let expansions = self.expansions(&section.place);
            let place = section.place.clone();
            let events = section.take("events").map(|events| events.value.to_ascii_uppercase());
            let events = events.unwrap_or_default();
            let events: Vec<&str> = events.split(',').map(str::trim).collect();
            let command = self.expanded(section.take("command"), &expansions, Variables::Words);
            let command = command.map(|command| command.value).unwrap_or_default();
            let any = |names: &[&str]| names.iter().any(|name| events.contains(name));
            let of_state = any(&["EVENT", "PROCESS_STATE"]);
            let failure = of_state || any(&["PROCESS_STATE_FATAL", "PROCESS_STATE_BACKOFF"]);
            let any_end = of_state || any(&["PROCESS_STATE_EXITED", "PROCESS_STATE_STOPPED"]);
            let script = self.script(&command);
            let name = section.name.clone();
            if command.contains("supervisor_stdout") || command.contains("supervisor-stdout") {
                let what = format!("[{name}] is not needed: each line begins with its service");
                self.notes.remark(&place, None, None, what);
            } else if (failure || any_end) && script.as_deref().is_none_or(ends_supervisord) {
                self.ending.failure = true;
                self.ending.any_end |= any_end;
                let how = match any_end {
                    true => "the end of a service ends everything: `on_success`, `on_failure`",
                    false => "a service that is given up ends everything: `on_failure`",
                };
                let unread = match script {
                    Some(_) => "",
                    None => " (its script could not be read; that is what such listeners do)",
                };
                let what = format!("[{name}] is not needed{unread}: {how}");
                self.notes.remark(&place, None, None, what);
            } else {
                let what = format!(
                    "[{name}] is not run: onit has no event listeners; \
                     `onit events -f` tells a service of its own what happens"
                );
                self.notes.remark(&place, None, None, what);
            }
            leftovers(OPTIONS, "eventlistener", &section, None, &mut self.notes);
        }
    }

    /// The script a command runs, if it can be read, together with the command.
    fn script(&self, command: &str) -> Option<String> {
        let words = words::split(command)?;
        if words.iter().any(|word| word == "-c") {
            return Some(command.to_owned());
        }
        words.iter().find_map(|word| {
            let path = Path::new(word).is_absolute().then_some(word)?;
            let bytes = self.source.files.read(Path::new(path)).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            Some(text)
        })
    }

    fn groups(&mut self, ini: &mut Ini) -> Ranks {
        let mut ranks = Ranks::new();
        for mut section in take_all(ini, "group:") {
            let expansions = self.expansions(&section.place);
            let group = section.name.strip_prefix("group:").unwrap_or_default().trim().to_owned();
            let priority = self.whole(section.take("priority"), &expansions);
            let priority = priority.map_or(PRIORITY, |priority| priority.value);
            let place = section.place.clone();
            let Some(programs) =
                self.expanded(section.take("programs"), &expansions, Variables::Values)
            else {
                self.notes.problem(&place, format!("[{}] has no `programs`", section.name));
                continue;
            };
            let known: Vec<String> = programs_of(ini).map(str::to_owned).collect();
            for program in programs.value.split(',').map(str::trim).filter(|name| !name.is_empty())
            {
                if !known.iter().any(|name| name == program) {
                    let what = format!("there is no [program:{program}]");
                    let problem = crate::service::Problem::new(programs.place.clone(), what);
                    self.notes.problems.push(problem.did_you_mean(program, &known));
                }
                ranks.insert(program.to_owned(), (group.clone(), priority));
            }
            leftovers(OPTIONS, "group", &section, None, &mut self.notes);
        }
        ranks
    }

    fn programs(&mut self, ini: &mut Ini, ranks: &Ranks) -> Vec<(Program, (i64, i64))> {
        let mut programs = Vec::new();
        for section in take_all(ini, "program:") {
            let place = section.place.clone();
            let name = section.name.strip_prefix("program:").unwrap_or_default().trim().to_owned();
            if name.is_empty() || name.contains([' ', ':', '/']) {
                self.notes.problem(&place, format!("`{name}` is no name of a program"));
                continue;
            }
            let (group, rank) = match ranks.get(&name) {
                Some((group, rank)) => (group.clone(), Some(*rank)),
                None => (name.clone(), None),
            };
            for (program, priority) in self.program(&section, &name, &group) {
                programs.push((program, (rank.unwrap_or(priority), priority)));
            }
        }
        programs
    }

    /// What no reader has taken.
    fn others(&mut self, ini: &Ini) {
        for section in &ini.sections {
            let (kind, _) = section.name.split_once(':').unwrap_or((&section.name, ""));
            if kind == "fcgi-program" {
                let what = format!(
                    "[{}]: onit hands sockets on as LISTEN_FDS, not as descriptor 0",
                    section.name
                );
                self.notes.problem_with_hint(
                    &section.place,
                    what,
                    "let the program open its socket itself, as a [program:x]",
                );
            } else if kind == "rpcinterface" {
                let factory = section.get("supervisor.rpcinterface_factory");
                let is_usual = factory.is_some_and(|factory| {
                    factory.value == "supervisor.rpcinterface:make_main_rpcinterface"
                });
                if !is_usual {
                    let what = format!("[{}]: a plug-in of supervisord is not run", section.name);
                    self.notes.remark(&section.place, None, None, what);
                }
            } else if kind == "inet_http_server" || kind == "ctlplugin" {
                let becomes = super::options::find(OPTIONS, kind, "*").map(|option| option.becomes);
                let what = format!("[{}]: {}", section.name, becomes.unwrap_or_default());
                self.notes.remark(&section.place, None, None, what);
            } else if SECTIONS.contains(&kind) {
                leftovers(OPTIONS, kind, section, None, &mut self.notes);
            } else if let Some(best) = nearest(kind, SECTIONS) {
                let what = format!("there is no section [{}]", section.name);
                let hint = format!("did you mean [{}]?", section.name.replacen(kind, &best, 1));
                self.notes.problem_with_hint(&section.place, what, hint);
            } else {
                let what = format!("[{}] is no section of supervisord's", section.name);
                self.notes.remark(&section.place, None, None, what);
            }
        }
    }
}

/// Whether a value is a variable of the environment, and nothing else.
fn is_switch(option: &At<String>) -> bool {
    let inside = option.value.strip_prefix("%(ENV_").and_then(|rest| rest.strip_suffix(")s"));
    inside.is_some_and(|inside| !inside.contains('%'))
}

/// The sections whose name begins so, taken out.
fn take_all(ini: &mut Ini, beginning: &str) -> Vec<Section> {
    let is_one = |section: &Section| section.name.starts_with(beginning);
    let (taken, left) = std::mem::take(&mut ini.sections).into_iter().partition(is_one);
    ini.sections = left;
    taken
}

fn programs_of(ini: &Ini) -> impl Iterator<Item = &str> {
    ini.sections.iter().filter_map(section_name)
}

fn section_name(section: &Section) -> Option<&str> {
    let name = section.name.strip_prefix("program:");
    name.or_else(|| section.name.strip_prefix("fcgi-program:")).map(str::trim)
}

/// Whether a script that is told of an end looks like one that ends supervisord for it.
fn ends_supervisord(script: &str) -> bool {
    ["kill", "shutdown", "SIGTERM", "SIGQUIT", "SIGINT"].iter().any(|word| script.contains(word))
}
