//! Source definitions of s6-rc, as s6-overlay 3 has them in `s6-rc.d`: longruns, oneshots and
//! bundles, with what they depend on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Source;
use super::directory::{self, Reader, is_file, option, place};
use super::options::Fate::{Dropped, Mapped};
use super::options::OptionInfo;
use super::sheet::{self, Notes, Sheet, literal};
use crate::config::file::{At, Value};
use crate::config::foreign::Reading;
use crate::config::{Files, unreadable};
use crate::limits::{HINTS_MAX, MEANT_MAX, SERVICES_MAX};
use crate::service::{Errno, Name, Place, Problem};
use litemap::LiteMap;

/// What stands in a source definition, and what becomes of it.
pub const OPTIONS: &[OptionInfo] = &[
    option("type", Mapped, "`longrun`: a service as s6 has it; `oneshot`: `type = \"oneshot\"`"),
    option("run, finish, notification-fd, timeout-kill, …", Mapped, "as those of s6"),
    option(
        "up",
        Mapped,
        "`command`, split at blanks; with `{` in it by execlineb; an empty one is a bundle of what it \
         depends on",
    ),
    option("down", Mapped, "`stop.command`: it undoes the oneshot when that is stopped"),
    option("dependencies.d/, dependencies", Mapped, "`depends_on`: ready, or completed"),
    option("contents.d/, contents", Mapped, "whom a dependency on a bundle means"),
    option(
        "user, user2",
        Mapped,
        "the bundles that are started; who is in neither has `autostart = false`",
    ),
    option("producer-for", Mapped, "`log.stdout = \"service:NAME\"`, and `depends_on`"),
    option("consumer-for", Mapped, "its producers say it themselves; whom `pipeline-name` means"),
    option("pipeline-name", Mapped, "a bundle of all that is in the pipeline"),
    option(
        "timeout-up",
        Mapped,
        "`timeout` of a oneshot, `ready.timeout` of a longrun that says so",
    ),
    option("timeout-down", Mapped, "`stop.timeout`, unless there is a `timeout-kill`"),
    option("flag-essential, flag-recommended", Dropped, "for s6-rc itself"),
    option("data/, env/", Dropped, "for scripts, which find them where they are"),
];

/// The bundles whose members are started; s6-overlay has both.
const STARTED: [&str; 2] = ["user", "user2"];

/// What s6-overlay brings itself, and is done before anything else here, or not at all.
const BUILT_IN: [&str; 6] = [
    "base",
    "fix-attrs",
    "legacy-cont-init",
    "legacy-services",
    "s6rc-fdholder",
    "s6rc-oneshot-runner",
];

/// Whether a directory holds source definitions.
#[must_use]
pub fn is_one(files: &dyn Files, source: &Path) -> bool {
    !definitions(files, source).is_empty()
}

fn definitions(files: &dyn Files, source: &Path) -> Vec<PathBuf> {
    let is_definition =
        |path: &PathBuf| files.list(path).is_ok() && is_file(files, &path.join("type"));
    directory::visible(files, source).into_iter().filter(is_definition).collect()
}

/// What a definition describes.
enum Definition {
    Service(Sheet),
    /// Whom it means.
    Bundle(Vec<At<String>>),
}

/// Reads the source definitions in a directory.
#[must_use]
pub fn read(source: &Source<'_>) -> Reading {
    let mut notes = Notes::default();
    let services = compile(source, None, &mut notes);
    let services = services.into_iter().map(|compiled| compiled.sheet.described()).collect();
    let Notes { problems, remarks } = notes;
    Reading { services, problems, remarks, ..Reading::default() }
}

/// A service that source definitions came to.
pub(super) struct Compiled {
    pub(super) sheet: Sheet,
    /// What of s6-overlay's own it depends on.
    pub(super) built_in: BTreeSet<String>,
}

/// Reads the source definitions in a directory; what the bundles in `started` hold is started, too.
pub(super) fn compile(
    source: &Source<'_>,
    started: Option<&Path>,
    notes: &mut Notes,
) -> Vec<Compiled> {
    let reader = Reader { source, dialect: directory::S6_RC, notes: Notes::default() };
    let (definitions, built_in) = (LiteMap::new(), LiteMap::new());
    let mut compiler = Compiler { reader, definitions, built_in };
    let found = self::definitions(source.files, source.path);
    if found.len() > SERVICES_MAX {
        let what = format!("more than {SERVICES_MAX} definitions");
        notes.problem(&Place::file(source.path.display().to_string()), what);
        return Vec::new();
    }
    for path in found {
        compiler.definition(&path);
    }
    if let Some(folder) = started {
        compiler.further_bundles(folder);
    }
    compiler.pipelines(source.path);
    compiler.depend(source.path);
    compiler.start();
    let Compiler { reader, definitions, mut built_in } = compiler;
    notes.problems.extend(reader.notes.problems);
    notes.remarks.extend(reader.notes.remarks);
    let services = definitions.into_iter().filter_map(|(name, definition)| match definition {
        Definition::Service(sheet) => {
            Some(Compiled { sheet, built_in: built_in.remove(&name).unwrap_or_default() })
        }
        Definition::Bundle(_) => None,
    });
    services.collect()
}

struct Compiler<'a> {
    reader: Reader<'a>,
    /// By name.
    definitions: LiteMap<String, Definition>,
    /// What of s6-overlay's own each depends on.
    built_in: LiteMap<String, BTreeSet<String>>,
}

impl Compiler<'_> {
    fn definition(&mut self, path: &Path) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        if self.reader.absolute(path).is_none() {
            return;
        }
        let Some(At { value, place }) = self.reader.word(path, "type") else { return };
        let definition = match value.as_str() {
            "longrun" => self.reader.service(path).map(|sheet| self.longrun(path, sheet)),
            "oneshot" => self.oneshot(path, &name),
            "bundle" => Some(Definition::Bundle(self.names(path, "contents"))),
            other => {
                let problem = Problem::new(place, format!("`{other}` is no type"));
                let known = ["longrun", "oneshot", "bundle"];
                self.reader.notes.problems.push(problem.did_you_mean(other, known));
                None
            }
        };
        self.definitions.extend(definition.map(|definition| (name, definition)));
    }

    fn longrun(&mut self, path: &Path, mut sheet: Sheet) -> Definition {
        if let Some(At { value, place }) = self.reader.word(path, "producer-for") {
            let consumer = sheet::name(&value);
            let consumer = consumer.as_ref().map_or(value.as_str(), Name::as_str);
            sheet.text("log.stdout", format!("service:{consumer}"), &place);
            sheet.list("depends_on", [consumer], &place);
        }
        if sheet.has("ready.fd") {
            self.time(path, "timeout-up", "ready.timeout", &mut sheet);
        }
        if !sheet.has("stop.timeout") {
            self.time(path, "timeout-down", "stop.timeout", &mut sheet);
        }
        Definition::Service(sheet)
    }

    /// Since 3.2.3 s6-overlay has the bundles that are started in a place of their own.
    fn further_bundles(&mut self, folder: &Path) {
        for name in STARTED {
            let members = self.names(&folder.join(name), "contents");
            if members.is_empty() {
                continue;
            }
            match self.definitions.get_mut(name) {
                Some(Definition::Bundle(known)) => known.extend(members),
                Some(Definition::Service(_)) => {}
                None => {
                    self.definitions.insert(name.to_owned(), Definition::Bundle(members));
                }
            }
        }
    }

    /// The bundles that the ends of pipelines name: all that a pipeline consists of.
    fn pipelines(&mut self, source: &Path) {
        let names: Vec<String> = self.definitions.keys().cloned().collect();
        let mut left = MEANT_MAX;
        for name in &names {
            let path = source.join(name);
            let Some(At { value: pipeline, place }) = self.reader.word(&path, "pipeline-name")
            else {
                continue;
            };
            let mut seen = BTreeSet::new();
            let mut members = Vec::new();
            let mut producers = vec![At { value: name.clone(), place: place.clone() }];
            while let Some(producer) = producers.pop() {
                let Some(rest) = left.checked_sub(1) else {
                    let what = format!("pipelines come to more than {MEANT_MAX} names");
                    return self.reader.notes.problem(&place, what);
                };
                left = rest;
                let is_known = self.definitions.contains_key(&producer.value);
                if is_known && seen.insert(producer.value.clone()) {
                    producers.extend(self.names(&source.join(&producer.value), "consumer-for"));
                    members.push(producer);
                }
            }
            if self.definitions.contains_key(&pipeline) {
                let what = format!("there is a definition of `{pipeline}` already");
                self.reader.notes.problem(&place, what);
                continue;
            }
            self.definitions.insert(pipeline, Definition::Bundle(members));
        }
    }

    fn oneshot(&mut self, path: &Path, text: &str) -> Option<Definition> {
        let place = place(path);
        let Some(name) = sheet::name(text) else {
            self.reader.notes.problem(&place, format!("`{text}` is no name of a service"));
            return None;
        };
        let mut sheet = Sheet::new(name, place);
        let up = path.join("up");
        let Some(At { value, place }) = self.reader.word(path, "up") else {
            if !is_file(self.reader.source.files, &up) {
                self.reader.notes.problem(&sheet.place, "a oneshot without an `up`");
            }
            return None;
        };
        sheet.text("type", "oneshot", &place);
        // A failure keeps those from starting that depend on it, and ends nothing.
        sheet.text("on_failure", "continue", &place);
        let Some(command) = self.command(&value, &up, &place, (&sheet, "command")) else {
            // A milestone: whoever depends on it depends on what it depends on.
            return Some(Definition::Bundle(self.names(path, "dependencies")));
        };
        sheet.list("command", command, &place);
        if let Some(At { value, place }) = self.reader.word(path, "down") {
            let key = (&sheet, "stop.command");
            let command = self.command(&value, &path.join("down"), &place, key);
            if let Some(command) = command {
                sheet.list("stop.command", command, &place);
            }
        }
        self.time(path, "timeout-up", "timeout", &mut sheet);
        self.time(path, "timeout-down", "stop.timeout", &mut sheet);
        Some(Definition::Service(sheet))
    }

    /// A file of milliseconds as the value of a key; 0 is for ever.
    fn time(&mut self, path: &Path, file: &str, key: &'static str, sheet: &mut Sheet) {
        if let Some(At { value: value @ 1.., place }) = self.reader.milliseconds(path, file) {
            sheet.text(key, directory::duration(value), &place);
        }
    }

    /// The words of an `up`, which execlineb would read: mostly there is no more to it than that.
    /// None: it does nothing.
    fn command(
        &mut self,
        text: &str,
        up: &Path,
        place: &Place,
        (sheet, key): (&Sheet, &'static str),
    ) -> Option<Vec<String>> {
        let is_comment = |line: &&str| line.trim_start().starts_with('#');
        let lines: Vec<&str> = text.lines().filter(|line| !is_comment(line)).collect();
        let text = lines.join(" ");
        if text.contains(['{', '}', '"', '\\', '$', '#']) {
            let up = self.reader.source.surroundings.directory.join(up);
            let what = "it is execline: the image needs execlineb for it";
            self.reader.notes.remark(place, Some(&sheet.name), Some(key), what);
            let words = ["execlineb", "-P"].map(str::to_owned);
            return Some(words.into_iter().chain([literal(&up.display().to_string())]).collect());
        }
        let words: Vec<String> = text.split_whitespace().map(literal).collect();
        let (first, rest) = words.split_first()?;
        let is_exec = first == "exec" && !rest.is_empty();
        Some(if is_exec { rest.to_vec() } else { words.clone() })
    }

    /// The names in `kind.d/`, else the lines of `kind`.
    fn names(&mut self, path: &Path, kind: &str) -> Vec<At<String>> {
        let folder = path.join(format!("{kind}.d"));
        match self.reader.source.files.list(&folder) {
            Ok(mut names) => {
                names.sort();
                let name = |name: &std::ffi::OsString| At {
                    value: name.to_string_lossy().into_owned(),
                    place: place(&folder.join(name)),
                };
                return names.iter().map(name).collect();
            }
            Err(Errno::ENOENT) => {}
            Err(errno) => self.reader.notes.problem(&place(&folder), unreadable(errno)),
        }
        let Some(At { value, place }) = self.reader.word(path, kind) else { return Vec::new() };
        let lines = value.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| At { value: line.to_owned(), place: place.clone() }).collect()
    }

    /// The services that a name means: itself, or all that a bundle holds. A bundle that holds
    /// itself means nobody more by that. None: there are more than `left` names to look at.
    fn meant(&self, name: &str, left: &mut usize) -> Option<BTreeSet<String>> {
        let mut services = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut names = vec![name];
        while let Some(name) = names.pop() {
            *left = left.checked_sub(1)?;
            if !seen.insert(name) {
                continue;
            }
            match self.definitions.get(name) {
                Some(Definition::Service(_)) => {
                    services.insert(name.to_owned());
                }
                Some(Definition::Bundle(members)) => {
                    names.extend(members.iter().map(|member| member.value.as_str()));
                }
                None => {}
            }
        }
        Some(services)
    }

    fn depend(&mut self, source: &Path) {
        let names: Vec<String> = self.definitions.keys().cloned().collect();
        let mut left = MEANT_MAX;
        for name in &names {
            let is_service = matches!(self.definitions.get(name), Some(Definition::Service(_)));
            let kind = if is_service { "dependencies" } else { "contents" };
            let mut known = BTreeSet::new();
            let mut items = match self.definitions.get(name) {
                // The consumer of a producer.
                Some(Definition::Service(sheet)) => sheet.items("depends_on"),
                Some(Definition::Bundle(_)) | None => Vec::new(),
            };
            for other in self.names(&source.join(name), kind) {
                if BUILT_IN.contains(&other.value.as_str()) {
                    self.built_in.entry(name.clone()).or_default().insert(other.value);
                    continue;
                }
                if !self.definitions.contains_key(&other.value) {
                    self.unknown(other, &names);
                    continue;
                }
                if !is_service {
                    continue;
                }
                let Some(meant) = self.meant(&other.value, &mut left) else {
                    let what =
                        format!("dependencies and bundles come to more than {MEANT_MAX} names");
                    self.reader.notes.problem(&other.place, what);
                    return;
                };
                for meant in meant.iter().filter_map(|name| sheet::name(name)) {
                    if known.insert(meant.clone()) {
                        let value = Value::Text(meant.to_string());
                        items.push(At { value, place: other.place.clone() });
                    }
                }
            }
            if let (Some(Definition::Service(sheet)), Some(first)) =
                (self.definitions.get_mut(name), items.first())
            {
                let place = first.place.clone();
                sheet.set("depends_on", Value::List(items), &place);
            }
        }
    }

    /// A name without a definition: something is wrong.
    fn unknown(&mut self, other: At<String>, names: &[String]) {
        let At { value, place } = other;
        let problems = &mut self.reader.notes.problems;
        let problem = Problem::new(place, format!("there is no definition of `{value}`"));
        problems.push(match problems.len() {
            ..HINTS_MAX => problem.did_you_mean(&value, names),
            HINTS_MAX.. => problem,
        });
    }

    /// Only what the bundles for that hold is started, and what that needs.
    fn start(&mut self) {
        let has_bundle = STARTED.iter().any(|name| self.definitions.contains_key(*name));
        if !has_bundle {
            return;
        }
        // However many those are: it is done once.
        let meant = |name: &&str| self.meant(name, &mut { usize::MAX });
        let started: BTreeSet<String> = STARTED.iter().filter_map(meant).flatten().collect();
        for (name, definition) in &mut self.definitions {
            if let Definition::Service(sheet) = definition
                && !started.contains(name)
                && !sheet.has("autostart")
            {
                sheet.boolean("autostart", false, &sheet.place.clone());
            }
        }
    }
}
