//! The tree that an image of s6-overlay has in /etc: `fix-attrs.d`, `cont-init.d`, `services.d` and
//! `cont-finish.d` of version 2, which version 3 reads as well, and `s6-overlay/s6-rc.d`.
//!
//! <https://github.com/just-containers/s6-overlay>

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Source;
use super::directory::{self, Reader, directories, is_file, place};
use super::options::Fate::{Dropped, Mapped, Remarked};
use super::options::{OptionInfo, option};
use super::s6rc::{self, Compiled};
use super::sheet::{self, Notes, Sheet, literal};
use crate::config::Files;
use crate::config::file::Value;
use crate::config::foreign::Reading;
use crate::limits::SERVICES_MAX;
use crate::service::Place;
use litemap::LiteMap;

/// What stands in such a tree, and what becomes of it.
pub const OPTIONS: &[OptionInfo] = &[
    option(
        "/etc",
        "fix-attrs.d/*",
        Mapped,
        "a oneshot `fix-attrs`, which needs sh, find, chown and chmod",
    ),
    option(
        "/etc",
        "cont-init.d/*",
        Mapped,
        "oneshots `init-NAME`, one after another, before everything else",
    ),
    option(
        "/etc",
        "services.d/*/",
        Mapped,
        "as s6 has them (docs/migrating/s6.md), after `cont-init.d`",
    ),
    option(
        "/etc",
        "cont-finish.d/*",
        Mapped,
        "`stop.command` of a oneshot `cont-finish`, which stops last",
    ),
    option(
        "/etc",
        "s6-overlay/s6-rc.d/*/",
        Mapped,
        "as s6-rc has them, after `cont-init.d`, before `services.d`",
    ),
    option(
        "/etc",
        "s6-overlay/user-bundles.d/",
        Mapped,
        "further bundles whose members are started",
    ),
    option(
        "environment",
        "S6_BEHAVIOUR_IF_STAGE2_FAILS",
        Mapped,
        "2: `on_failure = \"shutdown\"` of what runs once",
    ),
    option(
        "environment",
        "S6_KILL_FINISH_MAXTIME",
        Mapped,
        "`stop.timeout` of `cont-finish`; 5 s if it is not set",
    ),
    option("environment", "S6_STAGE2_HOOK", Remarked, HOOK),
    option("environment", "S6_KEEP_ENV", Dropped, "services have the environment of the container"),
    option(
        "environment",
        "S6_CMD_WAIT_FOR_SERVICES, …_MAXTIME",
        Dropped,
        "the main command starts when they are ready",
    ),
    option(
        "environment",
        "S6_SERVICES_GRACETIME, S6_KILL_GRACETIME",
        Dropped,
        "no time is slept out; `--stop-timeout`",
    ),
    option("environment", "S6_LOGGING, S6_VERBOSITY, …", Dropped, "`onit logs`, `--log-level`"),
];

const HOOK: &str = "it is not run: `enabled = \"${VARIABLE}\"` turns services on and off";

/// The folders by which such a tree is known.
const FOLDERS: [&str; 5] = ["cont-init.d", "services.d", "cont-finish.d", "fix-attrs.d", "s6-rc.d"];

/// How long all of `cont-finish.d` may take where nothing is said, in milliseconds; s6-overlay
/// documents it for each script.
const FINISH_TIME: u64 = 5000;

/// Whether a directory is such a tree, or the `s6-overlay` in it.
#[must_use]
pub fn is_one(files: &dyn Files, source: &Path) -> bool {
    let is_there = |name: &&str| files.list(&source.join(name)).is_ok();
    let overlay = source.join("s6-overlay").join("s6-rc.d");
    FOLDERS.iter().any(is_there) || files.list(&overlay).is_ok()
}

/// Reads such a tree.
#[must_use]
pub fn read(source: &Source<'_>) -> Reading {
    let files = source.files;
    let inside = source.path.join("s6-overlay");
    // Of the folder of version 3 the others are neighbours.
    let is_inside = files.list(&source.path.join("s6-rc.d")).is_ok();
    let (etc, overlay) = match source.path.parent() {
        Some(parent) if is_inside => (parent.to_owned(), source.path.to_owned()),
        Some(_) | None => (source.path.to_owned(), inside),
    };
    let reader = Reader { source, dialect: directory::S6, notes: Notes::default() };
    let mut tree = Tree { reader, etc, once: Vec::new(), last: None };
    let ending = tree.ending();
    tree.fix_attrs();
    tree.init();

    let definitions = overlay.join("s6-rc.d");
    let bundles = overlay.join("user-bundles.d");
    let mut compiled = match files.list(&definitions) {
        Ok(_) => {
            let source = Source { path: &definitions, ..*source };
            s6rc::compile(&source, Some(&bundles), &mut tree.reader.notes)
        }
        Err(_) => Vec::new(),
    };
    let mut services = tree.services();
    tree.order(&mut compiled, &mut services);
    tree.judge_failures(&mut compiled);

    let Tree { reader, once, .. } = tree;
    let compiled = compiled.into_iter().map(|compiled| compiled.sheet);
    let mut all: Vec<Sheet> = once.into_iter().chain(compiled).chain(services).collect();
    if let Some(ending) = ending {
        // Who waits for others waits for it through them.
        for sheet in all.iter_mut().filter(|sheet| !sheet.has("after") && !sheet.has("depends_on"))
        {
            sheet::add(&mut sheet.raw, "after", ending.name.as_str(), &ending.place);
        }
        all.insert(0, ending);
    }
    let Notes { problems, remarks } = reader.notes;
    let services = all.into_iter().map(Sheet::described).collect();
    Reading { services, problems, remarks, ..Reading::default() }
}

struct Tree<'a> {
    reader: Reader<'a>,
    etc: PathBuf,
    /// What runs once, in its order.
    once: Vec<Sheet>,
    /// The last of these: its fate is known when that of all of them is.
    last: Option<String>,
}

impl Tree<'_> {
    /// The files in a folder, in order.
    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let folder = self.etc.join(folder);
        let files = self.reader.source.files;
        directory::visible(files, &folder).into_iter().filter(|path| is_file(files, path)).collect()
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.reader.source.surroundings.environment.get(name).map(String::as_str)
    }

    /// A oneshot, after those there are. Its failure is nobody's, unless the image says so.
    fn push(&mut self, name: &str, command: Vec<String>, place: &Place) {
        let Some(name) = sheet::name(name) else {
            self.reader.notes.problem(place, format!("`{name}` is no name of a service"));
            return;
        };
        let mut sheet = Sheet::new(name, place.clone());
        sheet.text("type", "oneshot", place);
        sheet.list("command", command, place);
        if !self.failures_matter() {
            sheet.text("on_failure", "continue", place);
        }
        if let Some(last) = self.last.replace(sheet.name.to_string()) {
            sheet.list("after", [last], place);
        }
        self.once.push(sheet);
    }

    fn failures_matter(&self) -> bool {
        self.variable("S6_BEHAVIOUR_IF_STAGE2_FAILS") == Some("2")
    }

    fn init(&mut self) {
        if let Some(hook) = self.variable("S6_STAGE2_HOOK").map(str::to_owned) {
            self.reader.notes.remark(
                &Place::file("S6_STAGE2_HOOK"),
                None,
                None,
                format!("{hook}: {HOOK}"),
            );
        }
        for path in self.files("cont-init.d") {
            let Some(own) = self.reader.absolute(&path) else { continue };
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = format!("init-{}", name.unwrap_or_default());
            if let Some(words) = self.reader.words(&path, own) {
                self.push(&name, words.iter().map(|word| literal(word)).collect(), &place(&path));
            }
        }
    }

    /// What is run when nothing else is left. Everybody starts after it, so it stops last.
    fn ending(&mut self) -> Option<Sheet> {
        let mut commands = Vec::new();
        for path in self.files("cont-finish.d") {
            let own = self.reader.absolute(&path)?;
            let words = self.reader.words(&path, own)?;
            commands.push(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "));
        }
        if commands.is_empty() {
            return None;
        }
        let place = place(&self.etc.join("cont-finish.d"));
        let script = literal(&commands.join("; "));
        let name = sheet::name("cont-finish")?;
        let mut sheet = Sheet::farewell(name, place.clone(), ["sh", "-c", &script]);
        let time = self.variable("S6_KILL_FINISH_MAXTIME").and_then(|time| time.parse().ok());
        let time = time.filter(|time| *time > 0).unwrap_or(FINISH_TIME);
        sheet.text("stop.timeout", directory::duration(time), &place);
        Some(sheet)
    }

    /// Lines of: path, whether what is in it is meant as well, owner, mode of files, mode of
    /// directories.
    fn fix_attrs(&mut self) {
        let mut commands = Vec::new();
        for path in self.files("fix-attrs.d") {
            let at = place(&path);
            let bytes = self.reader.source.files.read(&path).unwrap_or_default();
            let text = match sheet::text(&bytes, &at) {
                Ok(text) => text.to_owned(),
                Err(problem) => {
                    self.reader.notes.problems.push(problem);
                    continue;
                }
            };
            for (number, line) in (1u32..).zip(text.lines()) {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                match attributes(line) {
                    Some(command) => commands.push(command),
                    None => {
                        let what = format!("`{line}` is not PATH true|false OWNER MODE MODE");
                        self.reader.notes.problem(&at.line(number), what);
                    }
                }
            }
        }
        if !commands.is_empty() {
            let script = literal(&commands.join("\n"));
            let place = place(&self.etc.join("fix-attrs.d"));
            let command = ["sh", "-c", &script].map(str::to_owned).to_vec();
            self.push("fix-attrs", command, &place);
        }
    }

    fn services(&mut self) -> Vec<Sheet> {
        let folder = self.etc.join("services.d");
        let mut services = Vec::new();
        let found = directories(self.reader.source.files, &folder);
        if found.len() > SERVICES_MAX {
            self.reader
                .notes
                .problem(&place(&folder), format!("more than {SERVICES_MAX} services"));
            return services;
        }
        for path in found {
            services.extend(self.reader.with_logger(&path));
        }
        services
    }

    /// What runs once comes first, then what s6-rc describes, then `services.d`, and then what of
    /// s6-rc has asked for that.
    fn order(&self, compiled: &mut [Compiled], services: &mut [Sheet]) {
        let late = depending(compiled, "legacy-services");
        let names: Vec<String> = services.iter().map(|sheet| sheet.name.to_string()).collect();
        let early = compiled.iter().filter(|it| !late.contains(it.sheet.name.as_str()));
        let early = early.filter(|it| !it.sheet.has("autostart"));
        let early: Vec<String> = early.map(|it| it.sheet.name.to_string()).collect();
        for Compiled { sheet, .. } in compiled {
            let is_late = late.contains(sheet.name.as_str());
            let before = self.last.iter().chain(names.iter().filter(|_| is_late));
            let place = sheet.place.clone();
            before.for_each(|other| sheet::add(&mut sheet.raw, "after", other, &place));
        }
        for sheet in services {
            let place = sheet.place.clone();
            let before = self.last.iter().chain(&early);
            before.for_each(|other| sheet::add(&mut sheet.raw, "after", other, &place));
        }
    }

    fn judge_failures(&self, compiled: &mut [Compiled]) {
        for Compiled { sheet, .. } in compiled.iter_mut().filter(|_| self.failures_matter()) {
            if sheet.has("type") {
                let place = sheet.place.clone();
                sheet.text("on_failure", "shutdown", &place);
            }
        }
    }
}

/// Those who depend on this, themselves or through others.
fn depending(compiled: &[Compiled], name: &str) -> BTreeSet<String> {
    let mut dependents: LiteMap<String, Vec<String>> = LiteMap::new();
    let mut found = Vec::new();
    for Compiled { sheet, built_in } in compiled {
        for item in sheet.items("depends_on") {
            if let Value::Text(other) = item.value {
                dependents.entry(other).or_default().push(sheet.name.to_string());
            }
        }
        if built_in.contains(name) {
            found.push(sheet.name.to_string());
        }
    }
    let mut all = BTreeSet::new();
    while let Some(one) = found.pop() {
        found.extend(dependents.remove(&one).unwrap_or_default());
        all.insert(one);
    }
    all
}

/// The commands that a line of `fix-attrs.d` stands for.
fn attributes(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [path, recurse, owner, file_mode, folder_mode] = words.as_slice() else { return None };
    let path = quoted(path);
    // With a user alone the group is that user's own; after a comma stands who else it is to be.
    let (owner, otherwise) = owner.split_once(',').unwrap_or((owner, ""));
    let group = if owner.contains(':') { "" } else { ":" };
    let owner = quoted(&format!("{owner}{group}"));
    let otherwise = match otherwise {
        "" => String::new(),
        numbers => format!(" 2>/dev/null || chown -h OPTION{} {path}", quoted(numbers)),
    };
    let (file_mode, folder_mode) = (quoted(file_mode), quoted(folder_mode));
    let (option, modes) = match *recurse {
        "true" => (
            "-R ",
            format!(
                "find {path} -type d -exec chmod {folder_mode} {{}} + -o -type f -exec chmod {file_mode} {{}} +"
            ),
        ),
        "false" => (
            "",
            format!(
                "if [ -d {path} ]; then chmod {folder_mode} {path}; else chmod {file_mode} {path}; fi"
            ),
        ),
        _ => return None,
    };
    let owners = format!("chown -h OPTION{owner} {path}{otherwise}").replace("OPTION", option);
    Some(format!("if [ -e {path} ]; then {owners}; {modes}; fi"))
}

/// A word as a shell reads it: plain ones as they are.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:,=@%".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
