//! `Procfile` with its `.env`: what foreman, honcho and overmind start. One line a process, which a
//! shell runs; the end of one of them is the end of all.

use std::collections::BTreeSet;
use std::path::Path;

use super::Source;
use super::options::{Fate, OptionInfo};
use super::sheet::{self, Notes, Sheet, literal};
use crate::config::foreign::Reading;
use crate::config::unreadable;
use crate::limits::INSTANCES_MAX;
use crate::service::{Errno, Place};

/// What stands in a Procfile and beside it, and what becomes of it.
pub const OPTIONS: &[OptionInfo] = &[
    mapped("Procfile", "NAME: COMMAND", "a service `NAME` with `command = [\"sh\", \"-c\", …]`"),
    mapped(".env", "KEY=value", "`environment`, for each of them"),
    mapped(
        ".env",
        "PORT",
        "the first port: each line of the Procfile gets 100 more, each instance of it 1 more; \
         without it that of onit's environment, or 5000",
    ),
    mapped("--formation", "NAME=N", "so many services `NAME@1` … `NAME@N`; 0: not enabled"),
    mapped("--formation", "all=N", "so many of each that is not named"),
    mapped(
        "foreman",
        "the end of one ends all",
        "`restart = \"never\"`, `on_success = \"shutdown\"`",
    ),
    mapped("foreman", "TERM to all, KILL after 5 s", "`[stop]` with `timeout` and `scope`"),
    mapped("foreman", "PS", "`environment`: `web.1`"),
    OptionInfo {
        section: "Procfile",
        name: "any other line",
        fate: Fate::Remarked,
        becomes: "foreman passes over it, and so does onit",
    },
];

const fn mapped(section: &'static str, name: &'static str, becomes: &'static str) -> OptionInfo {
    OptionInfo { section, name, fate: Fate::Mapped, becomes }
}

/// The first port where nothing else is said.
const PORT: u32 = 5000;

/// How many ports each line of a Procfile has for its instances.
const PORTS_A_LINE: u32 = 100;

/// Whether a file is a Procfile: called so, or with nothing in it but its lines.
#[must_use]
pub fn is_one(path: &Path, text: &str) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
    if name.is_some_and(|name| name.starts_with("procfile")) {
        return true;
    }
    // YAML looks the same, and without the blank so does /etc/passwd.
    if path.extension().is_some() {
        return false;
    }
    let is_process = |line: &str| process(line).is_some() && line.contains(": ");
    let mut lines = text.lines().filter(|line| !is_silent(line)).peekable();
    lines.peek().is_some() && lines.all(is_process)
}

/// Reads a Procfile, and the `.env` beside it.
#[must_use]
pub fn read(source: &Source<'_>, bytes: &[u8]) -> Reading {
    let file = Place::file(source.path.display().to_string());
    let mut notes = Notes::default();
    let text = match sheet::text(bytes, &file) {
        Ok(text) => text,
        Err(problem) => return Reading { problems: vec![problem], ..Reading::default() },
    };
    let variables = environment(source, &mut notes);
    let formation = Formation::new(source, &mut notes);
    let base = variables.iter().find(|variable| variable.name == "PORT").map(|v| v.value.clone());
    let base = base.or_else(|| source.surroundings.environment.get("PORT").cloned());
    let mut port = base.and_then(|port| port.trim().parse().ok()).unwrap_or(PORT);
    let mut seen = BTreeSet::new();
    let mut services = Vec::new();
    for (number, line) in (1u32..).zip(text.lines()) {
        let place = file.line(number);
        let Some((name, command)) = process(line) else {
            if !is_silent(line) {
                let what = "no `name: command`; foreman passes over it, and so does onit";
                notes.remark(&place, None, None, what);
            }
            continue;
        };
        if !seen.insert(name.to_owned()) {
            notes.problem(&place, format!("there is another `{name}` above"));
            continue;
        }
        let count = formation.count(name);
        for instance in 1..=count.max(1) {
            let own = if count > 1 { format!("{name}@{instance}") } else { name.to_owned() };
            let Some(own) = sheet::name(&own) else {
                notes.problem(&place, format!("`{own}` is no name of a service"));
                break;
            };
            let mut sheet = Sheet::new(own, place.clone());
            sheet.list("command", ["sh", "-c", &literal(command)], &place);
            if count == 0 {
                sheet.boolean("enabled", false, &place);
            }
            let directory = source.directory();
            sheet.text("directory", literal(&directory.display().to_string()), &place);
            for variable in &variables {
                let value = (variable.name.clone(), literal(&variable.value));
                sheet.table("environment", [value], &place);
            }
            let own_port = port.saturating_add(instance.saturating_sub(1));
            let about_it = [
                ("PORT".to_owned(), own_port.to_string()),
                ("PS".to_owned(), format!("{name}.{instance}")),
            ];
            sheet.table("environment", about_it, &place);
            sheet.text("restart", "never", &place);
            sheet.text("on_success", "shutdown", &place);
            sheet.text("stop.timeout", "5s", &place);
            sheet.text("stop.scope", "group", &place);
            services.push(sheet.described());
        }
        port = port.saturating_add(PORTS_A_LINE);
    }
    for (name, place) in formation.unknown(&seen) {
        notes.problem(&place, format!("there is no `{name}` in {}", source.path.display()));
    }
    let Notes { problems, remarks } = notes;
    Reading { services, problems, remarks, ..Reading::default() }
}

/// The name and the command of a line: `/^([A-Za-z0-9_-]+):\s*(.+)$/` in foreman's words.
fn process(line: &str) -> Option<(&str, &str)> {
    let (name, command) = line.trim_end_matches('\r').split_once(':')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let command = command.trim();
    (!name.is_empty() && name.chars().all(is_name) && !command.is_empty())
        .then_some((name, command))
}

fn is_silent(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// A variable of `.env`.
struct Variable {
    name: String,
    value: String,
}

/// What `.env` sets, by foreman's rules: `KEY=value` with nothing before the `KEY`; quotes around
/// the whole value are taken off, and in double quotes `\n` is a line break.
fn environment(source: &Source<'_>, notes: &mut Notes) -> Vec<Variable> {
    let path = source.path.with_file_name(".env");
    let place = Place::file(path.display().to_string());
    let bytes = match source.files.read(&path) {
        Ok(bytes) => bytes,
        Err(Errno::ENOENT) => return Vec::new(),
        Err(errno) => {
            notes.problem(&place, unreadable(errno));
            return Vec::new();
        }
    };
    let text = match sheet::text(&bytes, &place) {
        Ok(text) => text,
        Err(problem) => {
            notes.problems.push(problem);
            return Vec::new();
        }
    };
    let mut variables = Vec::new();
    for (number, line) in (1u32..).zip(text.lines()) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match line.split_once('=') {
            Some((name, value)) if !name.is_empty() && name.chars().all(is_name) => {
                variables.push(Variable { name: name.to_owned(), value: unquoted(value) });
            }
            Some(_) | None if is_silent(line) => {}
            Some(_) | None => {
                let what = "no `KEY=value`; foreman passes over it, and so does onit";
                notes.remark(&place.line(number), None, None, what);
            }
        }
    }
    variables
}

fn unquoted(value: &str) -> String {
    let inside = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(inside) = inside('\'') {
        return inside.to_owned();
    }
    let Some(inside) = inside('"') else { return value.to_owned() };
    let mut text = String::new();
    let mut letters = inside.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            other => text.push(other),
        }
    }
    text
}

/// How many of each are wanted.
struct Formation {
    place: Place,
    all: u32,
    named: Vec<(String, u32)>,
}

impl Formation {
    fn new(source: &Source<'_>, notes: &mut Notes) -> Self {
        let place = Place::file("--formation");
        let mut formation = Self { place: place.clone(), all: 1, named: Vec::new() };
        let text = source.surroundings.formation.as_deref().unwrap_or_default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let pair = part.split_once('=');
            let count = pair.and_then(|(_, count)| count.trim().parse::<u32>().ok());
            let most = u32::try_from(INSTANCES_MAX).unwrap_or(u32::MAX).min(PORTS_A_LINE);
            match (pair, count) {
                (Some((name, _)), Some(count)) if count <= most => match name.trim() {
                    "all" => formation.all = count,
                    name => formation.named.push((name.to_owned(), count)),
                },
                (Some(_), Some(_)) => {
                    notes.problem(&place, format!("`{part}`: at most {most} of one process"));
                }
                (_, None) | (None, _) => notes.problem_with_hint(
                    &place,
                    format!("`{part}` says nothing"),
                    "write it as web=2,worker=1",
                ),
            }
        }
        formation
    }

    fn count(&self, name: &str) -> u32 {
        let named = self.named.iter().rev().find(|(known, _)| known == name);
        named.map_or(self.all, |(_, count)| *count)
    }

    fn unknown(self, known: &BTreeSet<String>) -> impl Iterator<Item = (String, Place)> {
        let Self { place, named, .. } = self;
        let names = named.into_iter().map(|(name, _)| name);
        names.filter(|name| !known.contains(name)).map(move |name| (name, place.clone()))
    }
}
