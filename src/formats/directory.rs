//! Service directories: `NAME/run` and what stands beside it, as runit's runsvdir and s6's
//! s6-svscan keep them running. What differs between the two is data, a [`Dialect`].

use std::path::{Path, PathBuf};

use super::Source;
use super::options::Fate::{Dropped, Mapped, Remarked};
use super::options::{Fate, OptionInfo};
use super::sheet::{self, Notes, Sheet, literal};
use crate::config::file::{At, Value};
use crate::config::foreign::{Described, Reading};
use crate::config::{Files, unreadable};
use crate::limits::{FINISH_TIME, SERVICES_MAX};
use crate::service::{Errno, Place};

/// How a supervisor keeps the services of its directories.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// What `after_exit_arguments` calls the arguments of its `finish`.
    arguments: &'static str,
    /// Whether `run` is told the name of its service.
    run_is_told_its_name: bool,
    /// How long `finish` may take where nothing else is said, in milliseconds.
    finish_time: u64,
    /// Whether it looks at the files that only s6 knows.
    has_s6_files: bool,
    /// Whether `down` and `log/` mean something.
    has_down_and_log: bool,
    /// Whether it keeps `supervise/` as sv(8) knows it.
    has_sv: bool,
    /// Whether the scripts in `control/` mean something.
    has_control: bool,
    /// Whether `finish` means something.
    has_finish: bool,
    /// Whether the logger in `log/` has a `finish` like any service.
    has_whole_loggers: bool,
}

/// runit: <http://smarden.org/runit/runsv.8>.
pub const RUNIT: Dialect = Dialect {
    arguments: "runit",
    run_is_told_its_name: false,
    // As long as it takes; but one that hangs is not to keep its service down for ever.
    finish_time: FINISH_TIME,
    has_s6_files: false,
    has_down_and_log: true,
    has_finish: true,
    has_whole_loggers: false,
    has_sv: true,
    has_control: true,
};

/// s6: <https://skarnet.org/software/s6/servicedir.html>.
pub const S6: Dialect = Dialect {
    arguments: "s6",
    run_is_told_its_name: true,
    finish_time: 5000,
    has_s6_files: true,
    has_down_and_log: true,
    has_finish: true,
    has_whole_loggers: true,
    has_sv: false,
    has_control: false,
};

/// A longrun of s6-rc, which s6-supervise keeps running:
/// <https://skarnet.org/software/s6-rc/s6-rc-compile.html>.
pub(super) const S6_RC: Dialect = Dialect { has_down_and_log: false, ..S6 };

impl Dialect {
    /// Whether it is that of s6.
    #[must_use]
    pub fn is_s6(self) -> bool {
        self.has_s6_files
    }

    fn of_logger(self) -> Self {
        Self { has_finish: self.has_whole_loggers, has_control: false, ..self }
    }
}

/// The row of what stands in the directory of a service.
pub(super) const fn option(name: &'static str, fate: Fate, becomes: &'static str) -> OptionInfo {
    OptionInfo { section: "NAME/", name, fate, becomes }
}

/// What is said of a script in `control/` that has no counterpart.
const OTHER_CONTROL: &str = "is not run: what it stands for is done as it is";

/// What stands in a directory of runit's, and what becomes of it.
pub const RUNIT_OPTIONS: &[OptionInfo] = &[
    option(
        "run",
        Mapped,
        "`command`, in the directory of the service; without x bit by its `#!` line",
    ),
    option(
        "finish",
        Mapped,
        "`after_exit` with `after_exit_arguments = \"runit\"`; 60 s and not for ever",
    ),
    option("down", Mapped, "`autostart = false`"),
    option(
        "log/",
        Mapped,
        "a service `NAME-log`, and `log.stdout = \"service:NAME-log\"`; its own `finish` is not run",
    ),
    option("control/t", Mapped, "`stop.command`; TERM follows if it fails"),
    option("control/u", Mapped, "`before_start`, whatever its exit code"),
    option("control/h", Mapped, "`reload.command`"),
    option("control/…", Remarked, OTHER_CONTROL),
    option("check", Dropped, "`sv start` and `sv check` run it themselves"),
    option(
        "supervise/",
        Mapped,
        "`supervise`: kept for `sv` and `svstat`, where it can be written",
    ),
    option("env/", Dropped, "for scripts, which find it where it is"),
];

/// What stands in a directory of s6's, and what becomes of it.
pub const S6_OPTIONS: &[OptionInfo] = &[
    option("run", Mapped, "`command`, with the name of the service, in its directory"),
    option("finish", Mapped, "`after_exit` with `after_exit_arguments = \"s6\"`"),
    option("down", Mapped, "`autostart = false`"),
    option("notification-fd", Mapped, "`ready.fd`"),
    option("timeout-finish", Mapped, "`after_exit_timeout`"),
    option("timeout-kill", Mapped, "`stop.timeout`"),
    option("down-signal", Mapped, "`stop.signal`"),
    option("reload-signal", Mapped, "`reload.signal`"),
    option("log/", Mapped, "a service `NAME-log`, and `log.stdout = \"service:NAME-log\"`"),
    option(
        "lock-fd",
        Dropped,
        "nobody of a service is left when it is started again, and there is one onit",
    ),
    option("flag-newpidns", Mapped, "`pid_namespace = true`"),
    option("max-death-tally", Dropped, "for s6-permafailon, which asks s6-supervise"),
    option("flag-timeout-killpg", Dropped, "nobody of a service is left, in whatever group"),
    option("nosetsid", Dropped, "a service has a session of its own"),
    option("supervise/ and event/", Dropped, "`onit status` and `onit events` know"),
    option("data/ and env/", Dropped, "for scripts, which find them where they are"),
    scanner_option(
        "finish",
        Mapped,
        "run at the end, after all services: the oneshot `s6-svscan-finish`",
    ),
    scanner_option(
        "SIGUSR1, SIGUSR2, SIGWINCH",
        Mapped,
        "run by a service `s6-svscan` that waits for them",
    ),
    scanner_option("SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGPWR", Remarked, SIGNALS_ARE_OURS),
    scanner_option("crash", Dropped, "onit has no state in which it would be run"),
];

/// What is said of a script for a signal that means the same to onit as it does to s6-svscan.
const SIGNALS_ARE_OURS: &str =
    "it is not run: the signal stops everything, or has the sources read again, in any case";

/// The signals that mean nothing to onit itself.
const FREE_SIGNALS: [&str; 3] = ["SIGUSR1", "SIGUSR2", "SIGWINCH"];

const fn scanner_option(name: &'static str, fate: Fate, becomes: &'static str) -> OptionInfo {
    OptionInfo { section: ".s6-svscan/", name, fate, becomes }
}

/// Whether something is there that is no directory.
pub(super) fn is_file(files: &dyn Files, path: &Path) -> bool {
    files.list(path) == Err(Errno::ENOTDIR)
}

/// What is in a directory, in order, without what begins with a `.`.
pub(super) fn visible(files: &dyn Files, folder: &Path) -> Vec<PathBuf> {
    let mut names = files.list(folder).unwrap_or_default();
    names.sort();
    let is_hidden = |name: &std::ffi::OsString| name.as_encoded_bytes().starts_with(b".");
    names.iter().filter(|name| !is_hidden(name)).map(|name| folder.join(name)).collect()
}

/// The service directories in a directory, or the one that it is itself.
pub(super) fn directories(files: &dyn Files, source: &Path) -> Vec<PathBuf> {
    if is_file(files, &source.join("run")) {
        return vec![source.to_owned()];
    }
    let paths = visible(files, source).into_iter();
    // In a file nothing is found either, and the system says the same of it.
    let is_service = |path: &PathBuf| files.list(path).is_ok() && is_file(files, &path.join("run"));
    paths.filter(is_service).collect()
}

/// Which dialect the service directories in a directory are written in; none: there are none.
#[must_use]
pub fn recognise(files: &dyn Files, source: &Path) -> Option<Dialect> {
    let found = directories(files, source);
    if found.is_empty() {
        return None;
    }
    let only_s6 = [
        "notification-fd",
        "timeout-finish",
        "timeout-kill",
        "down-signal",
        "lock-fd",
        "max-death-tally",
        "flag-newpidns",
    ];
    let has_s6_file = |path: &PathBuf| only_s6.iter().any(|name| is_file(files, &path.join(name)));
    let is_scanned = files.list(&source.join(".s6-svscan")).is_ok();
    let by_name = source.components().any(|component| {
        let name = component.as_os_str().to_string_lossy();
        name == "services.d" || name == "s6" || name.starts_with("s6-")
    });
    let is_s6 = is_scanned || by_name || found.iter().any(has_s6_file);
    Some(if is_s6 { S6 } else { RUNIT })
}

/// Reads the service directories in a directory, or the one that it is itself.
#[must_use]
pub fn read(source: &Source<'_>, dialect: Dialect) -> Reading {
    let mut reader = Reader { source, dialect, notes: Notes::default() };
    let mut services = Vec::new();
    let found = directories(source.files, source.path);
    if found.len() > SERVICES_MAX {
        return sheet::refused(source.path, &format!("more than {SERVICES_MAX} services"));
    }
    for path in found {
        services.extend(reader.with_logger(&path).map(Sheet::described));
    }
    if dialect.has_s6_files {
        reader.scanner(&mut services);
    }
    let Notes { problems, remarks } = reader.notes;
    Reading { services, problems, remarks, ..Reading::default() }
}

/// Reads service directories, one by one.
pub(super) struct Reader<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) dialect: Dialect,
    pub(super) notes: Notes,
}

impl Reader<'_> {
    /// The service of a directory, and the one that reads what it writes.
    pub(super) fn with_logger(&mut self, path: &Path) -> impl Iterator<Item = Sheet> + use<> {
        let mut service = self.service(path);
        let log = path.join("log");
        // In a file nothing is found either, as in `directories`.
        let has_logger = self.dialect.has_down_and_log
            && self.source.files.list(&log).is_ok()
            && is_file(self.source.files, &log.join("run"));
        let mut logger = None;
        if let Some(service) = service.as_mut().filter(|_| has_logger) {
            logger = self.name(path).and_then(|name| {
                self.named(&log, &format!("{name}/log"), self.dialect.of_logger())
            });
            if let Some(logger) = &logger {
                let consumer = format!("service:{}", logger.name);
                service.text("log.stdout", consumer, &self::place(&log));
            }
        }
        service.into_iter().chain(logger)
    }

    /// The service of a directory; said and none, if it is none.
    pub(super) fn service(&mut self, path: &Path) -> Option<Sheet> {
        let name = self.name(path)?;
        self.named(path, &name, self.dialect)
    }

    /// What a directory is called.
    fn name(&mut self, path: &Path) -> Option<String> {
        let absolute = self.absolute(path)?;
        let name = Path::new(&absolute).file_name().map(|name| name.to_string_lossy().into_owned());
        Some(name.unwrap_or_default())
    }

    fn named(&mut self, path: &Path, text: &str, dialect: Dialect) -> Option<Sheet> {
        let place = place(path);
        let absolute = self.absolute(path)?;
        let Some(name) = sheet::name(text) else {
            self.notes.problem(&place, format!("`{text}` is no name of a service"));
            return None;
        };
        if name.as_str() != text.replace("/log", "-log") {
            let what = format!("{text} is called {name}: names have letters, digits and `_.@-`");
            self.notes.remark(&place, Some(&name), None, what);
        }
        let mut sheet = Sheet::new(name, place.clone());
        sheet.text("directory", literal(&absolute), &place);
        let mut command = self.script(path, "run")?;
        if dialect.run_is_told_its_name {
            command.push(literal(text));
        }
        let script = self::place(&path.join("run"));
        sheet.list("command", command, &script);
        if dialect.has_down_and_log && is_file(self.source.files, &path.join("down")) {
            sheet.boolean("autostart", false, &self::place(&path.join("down")));
        }
        sheet.text("on_failure", "continue", &place);
        // Once a second at most, for ever; longer waits come to no more than five.
        sheet.text("backoff.initial", "1s", &place);
        sheet.text("backoff.max", "5s", &place);
        sheet.text("backoff.reset_after", "1s", &place);
        sheet.number("backoff.limit", 0, &place);
        if dialect.has_sv {
            let kept = format!("{absolute}/supervise");
            sheet.text("supervise", literal(&kept), &place);
        }
        if dialect.has_control {
            self.control(path, &mut sheet);
        }
        if dialect.has_finish {
            self.finish(path, &mut sheet);
        }
        if dialect.has_s6_files {
            self.s6_files(path, &mut sheet);
        }
        Some(sheet)
    }

    /// The scripts that runsv runs instead of a signal, or before a start.
    fn control(&mut self, path: &Path, sheet: &mut Sheet) {
        let folder = path.join("control");
        let mut names = self.source.files.list(&folder).unwrap_or_default();
        names.sort();
        for name in names {
            let found = folder.join(&name);
            // Others are passed over by runsv as well.
            if !self.source.files.is_executable(&found) {
                continue;
            }
            let place = place(&found);
            match name.to_str() {
                Some("t") => sheet.list("stop.command", ["./control/t"], &place),
                Some("h") => sheet.list("reload.command", ["./control/h"], &place),
                Some("u") => {
                    let words = ["sh", "-c", "./control/u || :"];
                    let command = At { value: sheet::list(words, &place), place: place.clone() };
                    sheet.set("before_start", Value::List(vec![command]), &place);
                }
                Some(_) | None => {
                    let what = format!("control/{} {OTHER_CONTROL}", name.to_string_lossy());
                    self.notes.remark(&place, Some(&sheet.name), None, what);
                }
            }
        }
    }

    /// A path as it is from everywhere; said and none, if a text cannot hold it.
    pub(super) fn absolute(&mut self, path: &Path) -> Option<String> {
        let absolute = self.source.surroundings.directory.join(path);
        let text = absolute.to_str().map(str::to_owned);
        if text.is_none() {
            self.notes.problem(&place(path), "its name is not UTF-8");
        }
        text
    }

    /// How a script is run: as it is, or, where nobody may execute it, as its first line says.
    fn script(&mut self, path: &Path, file: &str) -> Option<Vec<String>> {
        let words = self.words(&path.join(file), format!("./{file}"))?;
        Some(words.iter().map(|word| literal(word)).collect())
    }

    /// The words by which a script is run that is called `own` there.
    pub(super) fn words(&mut self, found: &Path, own: String) -> Option<Vec<String>> {
        if self.source.files.is_executable(found) {
            return Some(vec![own]);
        }
        let bytes = self.source.files.read(found).unwrap_or_default();
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(first).into_owned();
        let Some(line) = line.strip_prefix("#!").map(str::trim).filter(|line| !line.is_empty())
        else {
            self.notes.problem_with_hint(
                &place(found),
                "nobody may execute it, and its first line names no interpreter",
                "chmod +x, and `#!/bin/sh` as its first line",
            );
            return None;
        };
        // As the kernel does it: one word, and the rest as another; see execve(2).
        let (interpreter, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let rest = Some(rest.trim()).filter(|rest| !rest.is_empty());
        let words = std::iter::once(interpreter).chain(rest).map(str::to_owned);
        Some(words.chain(std::iter::once(own)).collect())
    }

    fn finish(&mut self, path: &Path, sheet: &mut Sheet) {
        let found = path.join("finish");
        if !is_file(self.source.files, &found) {
            return;
        }
        let place = place(&found);
        let Some(command) = self.script(path, "finish") else { return };
        let command = At { value: sheet::list(command, &place), place: place.clone() };
        sheet.set("after_exit", Value::List(vec![command]), &place);
        sheet.text("after_exit_arguments", self.dialect.arguments, &place);
        let time = match self.milliseconds(path, "timeout-finish") {
            Some(At { value: 0, .. }) => FINISH_TIME,
            Some(At { value, .. }) => value,
            None => self.dialect.finish_time,
        };
        sheet.text("after_exit_timeout", duration(time), &place);
    }

    fn s6_files(&mut self, path: &Path, sheet: &mut Sheet) {
        let own_namespace = path.join("flag-newpidns");
        if is_file(self.source.files, &own_namespace) {
            sheet.boolean("pid_namespace", true, &place(&own_namespace));
        }
        if let Some(At { value, place }) = self.milliseconds(path, "notification-fd") {
            match i64::try_from(value) {
                Ok(number @ 3..) => {
                    sheet.number("ready.fd", number, &place);
                    // s6 waits as long as it takes.
                    sheet.text("ready.timeout", "24h", &place);
                }
                Ok(_) | Err(_) => {
                    let what = format!("readiness on descriptor {value} is not looked for");
                    self.notes.remark(&place, Some(&sheet.name), None, what);
                }
            }
        }
        if let Some(At { value: value @ 1.., place }) = self.milliseconds(path, "timeout-kill") {
            sheet.text("stop.timeout", duration(value), &place);
        }
        for (file, key) in [("down-signal", "stop.signal"), ("reload-signal", "reload.signal")] {
            if let Some(At { value, place }) = self.word(path, file) {
                sheet.text(key, literal(&value), &place);
            }
        }
    }

    /// The scripts of s6-svscan itself.
    fn scanner(&mut self, services: &mut Vec<Described>) {
        let folder = self.source.path.join(".s6-svscan");
        let mut names = self.source.files.list(&folder).unwrap_or_default();
        names.sort();
        let mut signals = Vec::new();
        for name in names {
            let found = folder.join(&name);
            let is_run = self.source.files.is_executable(&found);
            match name.to_str() {
                Some("finish") if is_file(self.source.files, &found) => {
                    let last = self.last_script(&found, services);
                    services.extend(last.map(Sheet::described));
                }
                Some(name) if is_run && FREE_SIGNALS.contains(&name) => {
                    signals.push(name.to_owned());
                }
                Some(name) if is_run && name.starts_with("SIG") => {
                    self.notes.remark(&place(&found), None, None, SIGNALS_ARE_OURS);
                }
                Some(_) | None => {}
            }
        }
        services.extend(self.signal_scripts(&folder, &signals).map(Sheet::described));
    }

    /// Everybody starts after it, so it stops last; and to stop it is to run the script.
    fn last_script(&mut self, found: &Path, services: &mut [Described]) -> Option<Sheet> {
        let place = place(found);
        let directory = self.absolute(self.source.path)?;
        let command = self.script(self.source.path, ".s6-svscan/finish")?;
        let name = sheet::name("s6-svscan-finish")?;
        let mut sheet = Sheet::farewell(name, place.clone(), command);
        sheet.text("directory", literal(&directory), &place);
        for service in services {
            sheet::add(&mut service.raw, "after", sheet.name.as_str(), &place);
        }
        Some(sheet)
    }

    /// A shell that waits for signals, and runs a script for each.
    fn signal_scripts(&mut self, folder: &Path, signals: &[String]) -> Option<Sheet> {
        let first = signals.first()?;
        let place = place(&folder.join(first));
        let mut sheet = Sheet::new(sheet::name("s6-svscan")?, place.clone());
        let directory = self.absolute(self.source.path)?;
        let trap = |signal: &String| {
            format!("trap ./.s6-svscan/{signal} {}; ", signal.trim_start_matches("SIG"))
        };
        let traps: String = signals.iter().map(trap).collect();
        // A signal ends the wait and not the sleep, of which there is to be one at a time.
        let script = format!("{traps}while :; do sleep 1000 & wait $! || kill $!; done");
        sheet.list("command", ["sh", "-c", &literal(&script)], &place);
        sheet.text("on_failure", "continue", &place);
        sheet.text("directory", literal(&directory), &place);
        sheet.list("forward_signals", signals, &place);
        Some(sheet)
    }

    /// The one word of a file that is there; said and none, if it cannot be read.
    pub(super) fn word(&mut self, path: &Path, file: &str) -> Option<At<String>> {
        let found = path.join(file);
        let place = place(&found);
        let bytes = match self.source.files.read(&found) {
            Ok(bytes) => bytes,
            Err(errno) => {
                if errno != Errno::ENOENT {
                    self.notes.problem(&place, unreadable(errno));
                }
                return None;
            }
        };
        match sheet::text(&bytes, &place) {
            Ok(text) => Some(At { value: text.trim().to_owned(), place }),
            Err(problem) => {
                self.notes.problems.push(problem);
                None
            }
        }
    }

    pub(super) fn milliseconds(&mut self, path: &Path, file: &str) -> Option<At<u64>> {
        let At { value, place } = self.word(path, file)?;
        match value.parse() {
            Ok(value) => Some(At { value, place }),
            Err(_) => {
                self.notes.problem(&place, format!("`{value}` is no number"));
                None
            }
        }
    }
}

/// So many milliseconds, as a person writes them.
pub(super) fn duration(milliseconds: u64) -> String {
    match milliseconds.checked_rem(1000) {
        Some(0) => format!("{}s", milliseconds / 1000),
        Some(_) | None => format!("{milliseconds}ms"),
    }
}

pub(super) fn place(path: &Path) -> Place {
    Place::file(path.display().to_string())
}
