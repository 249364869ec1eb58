//! One `[program:x]` to the raw form of a service.

use std::path::Path;

use super::expand::{Expansions, expand};
use super::options::OPTIONS;
use super::wrappers::{self, Wrapped};
use super::{PRIORITY, Reader, is_switch};
use crate::config::file::{At, Value};
use crate::formats::ini::Section;
use crate::formats::options::leftovers;
use crate::formats::sheet::{self, Notes, Sheet};
use crate::formats::variables::Variables;
use crate::formats::words;
use crate::limits::INSTANCES_MAX;
use crate::service::Place;

/// A service as it comes to be.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) sheet: Sheet,
    /// Where its priority is set.
    pub(super) priority: Option<Place>,
}

/// Where output goes.
enum Log {
    /// Onit's own, or what stands for it.
    Console { is_other: bool },
    /// Nowhere.
    Discard,
    /// A temporary file, which nobody sees.
    Hidden,
    /// The log of the system.
    Syslog,
    /// A file.
    File(String),
}

impl Reader<'_> {
    /// The services of a program, each with its priority: one for each of its processes, if they
    /// differ in more than their names.
    pub(super) fn program(
        &mut self,
        section: &Section,
        name: &str,
        group: &str,
    ) -> Vec<(Program, i64)> {
        let mut expansions = self.expansions(&section.place);
        let own = [("program_name", name), ("group_name", group)];
        let own = own.map(|(name, value)| (name.to_owned(), sheet::literal(value)));
        expansions.values.extend(own);
        let mut options = section.clone();
        let count = self.whole(options.take("numprocs"), &expansions);
        let first = self.whole(options.take("numprocs_start"), &expansions);
        let first = first.map_or(0, |first| first.value);
        let process_name = options.take("process_name");
        let Some(count) = count.filter(|count| count.value != 1) else {
            expansions.number = Some(first);
            return self.process(options, name, &expansions).0.into_iter().collect();
        };
        expansions.values.insert("numprocs".to_owned(), count.value.to_string());
        if !(0..=INSTANCES_MAX).contains(&count.value) {
            let what = format!("{} is out of range: 0 to {INSTANCES_MAX}", count.value);
            self.notes.problem(&count.place, what);
            return Vec::new();
        }
        let has_number = |name: &At<String>| name.value.contains("%(process_num)");
        if count.value > 1 && !process_name.as_ref().is_some_and(has_number) {
            let place = process_name.map_or(count.place, |process_name| process_name.place);
            self.notes.problem_with_hint(
                &place,
                "with several processes their `process_name` has %(process_num)s in it",
                "write process_name=%(program_name)s_%(process_num)02d",
            );
            return Vec::new();
        }
        expansions.number = Some(first);
        let before = self.notes.clone();
        let (mut all, is_numbered) = self.process(options.clone(), name, &expansions);
        if !is_numbered || count.value == 0 {
            if let Some((program, _)) = &mut all {
                program.sheet.number("instances", count.value, &count.place);
            }
            return all.into_iter().collect();
        }
        // They differ: each is a service of its own, by the name it has there.
        self.notes = before;
        let mut services = Vec::new();
        for number in (first..).take(usize::try_from(count.value).unwrap_or(0)) {
            expansions.number = Some(number);
            let template = process_name.as_ref().map_or("", |process_name| &process_name.value);
            let own = expand(template, &expansions, Variables::Values);
            let own = own.map_or_else(|_| format!("{name}_{number}"), |expanded| expanded.text);
            services.extend(self.process(options.clone(), &own, &expansions).0);
        }
        services
    }

    /// One process of a program, and whether anything of it depends on its number.
    fn process(
        &mut self,
        mut options: Section,
        name: &str,
        expansions: &Expansions,
    ) -> (Option<(Program, i64)>, bool) {
        let place = options.place.clone();
        let Some(own) = sheet::name(name) else {
            self.notes.problem(&place, format!("`{name}` is no name of a service"));
            return (None, false);
        };
        if own.as_str() != name {
            let what = format!("{name} is called {own}: names have letters, digits and `_.@-`");
            self.notes.remark(&place, Some(&own), None, what);
        }
        let mut sheet = Sheet::new(own, place.clone());
        let mut expansions = expansions.clone();
        let shown =
            [&options.get("command"), &options.get("environment"), &options.get("directory")]
                .into_iter()
                .chain([&options.get("stdout_logfile"), &options.get("stderr_logfile")])
                .filter_map(|entry| entry.map(|entry| entry.value.contains("%(process_num)")))
                .any(|has_number| has_number);

        // Its own variables may stand in its other values.
        let environment = options.take("environment");
        let environment_place = environment.as_ref().map_or(&place, |at| &at.place).clone();
        let pairs = self.pairs(environment, &expansions);
        for (name, value) in &pairs {
            expansions.values.insert(format!("ENV_{name}"), value.clone());
        }
        let all = self.environment.clone().into_iter().chain(pairs);
        sheet.table("environment", all, &environment_place);

        self.command(&mut options, &expansions, &mut sheet);
        self.surroundings(&mut options, &expansions, &mut sheet);
        self.restarts(&mut options, &expansions, &mut sheet);
        self.stop(&mut options, &expansions, &mut sheet);
        self.logs(&mut options, &expansions, &mut sheet);
        let priority = self.whole(options.take("priority"), &expansions);
        leftovers(OPTIONS, "program", &options, Some(&sheet.name), &mut self.notes);
        let rank = priority.as_ref().map_or(PRIORITY, |priority| priority.value);
        let priority = priority.map(|priority| priority.place);
        (Some((Program { sheet, priority }, rank)), shown)
    }

    fn command(&mut self, options: &mut Section, expansions: &Expansions, sheet: &mut Sheet) {
        let Some(command) = options.take("command") else {
            self.notes.problem(&options.place, format!("[{}] has no `command`", options.name));
            sheet.list("command", ["unknown"], &options.place);
            return;
        };
        // What is wrong with it is said once.
        sheet.list("command", ["unknown"], &command.place);
        let command = self.expanded(Some(command), expansions, Variables::Words);
        let Some(At { value, place }) = command else { return };
        let Some(words) = words::split(&value) else {
            self.notes.problem_with_hint(
                &place,
                "the command has a quote that does not end",
                "` ;` and ` #` begin a comment, in quotes, too",
            );
            return;
        };
        let name = sheet.name.clone();
        let words = match wrappers::look(&words) {
            Wrapped::Plain => words,
            Wrapped::Killer(program) => {
                sheet.text("restart", "never", &place);
                sheet.text("on_success", "shutdown", &place);
                let what = "a shell killed supervisord when this had ended; `on_success` and \
                            `on_failure` say so now";
                self.notes.remark(&place, Some(&name), Some("on_success"), what);
                program
            }
            Wrapped::Proxy(program) => {
                let what = "pidproxy is left out: have the program stay in the foreground";
                self.notes.remark(&place, Some(&name), Some("command"), what);
                program
            }
            Wrapped::Sleeper(time) => {
                let what = format!(
                    "it sleeps for {time} to wait for somebody: `depends_on`, with [ready] in the \
                     file of that one, waits no longer than needed"
                );
                self.notes.remark(&place, Some(&name), Some("command"), what);
                words
            }
        };
        if words.is_empty() {
            self.notes.problem(&place, "the command is empty");
        }
        sheet.list("command", words, &place);
    }

    fn surroundings(&mut self, options: &mut Section, expansions: &Expansions, sheet: &mut Sheet) {
        if let Some(At { value, place }) =
            self.expanded(options.take("directory"), expansions, Variables::Kept)
        {
            sheet.text("directory", self.absolute(&value), &place);
        }
        let user = self.expanded(options.take("user"), expansions, Variables::Kept);
        if let Some(At { value, place }) = user.or_else(|| self.user.clone()) {
            sheet.text("user", value, &place);
        }
        if let Some(At { value, place }) =
            self.expanded(options.take("umask"), expansions, Variables::Values)
        {
            sheet.text("umask", value, &place);
        }
        if let Some(At { value, place }) = &self.files {
            let name = At { value: "nofile".to_owned(), place: place.clone() };
            let limit = At { value: Value::Integer(*value), place: place.clone() };
            sheet.set("limits", Value::Table(vec![(name, limit)]), place);
        }
    }

    fn restarts(&mut self, options: &mut Section, expansions: &Expansions, sheet: &mut Sheet) {
        let name = sheet.name.clone();
        self.autostart(options, expansions, sheet);
        let autorestart = self.expanded(options.take("autorestart"), expansions, Variables::Values);
        let seconds = self.whole(options.take("startsecs"), expansions);
        let retries = self.whole(options.take("startretries"), expansions);
        self.exit_codes(options, expansions, sheet);

        let place = autorestart.as_ref().map_or(&sheet.place, |at| &at.place).clone();
        let policy = autorestart.map(|at| at.value.to_ascii_lowercase());
        let policy = match policy.as_deref() {
            None | Some("unexpected") => "on-failure",
            Some("yes" | "true" | "on" | "1") => "always",
            Some("no" | "false" | "off" | "0") => "never",
            Some(other) => {
                let what = format!("`{other}` is neither true, false nor unexpected");
                self.notes.problem(&place, what);
                "always"
            }
        };
        let is_essential = sheet.has("on_success") || self.ending.any_end;
        if self.ending.any_end {
            sheet.text("on_success", "shutdown", &place);
        }
        let policy = if is_essential { "never" } else { policy };
        sheet.text("restart", policy, &place);
        let number = |at: &Option<At<i64>>, usual: i64| at.as_ref().map_or(usual, |at| at.value);
        let tries = number(&retries, 3).saturating_add(1).max(1);
        let whole_place =
            |at: &Option<At<i64>>| at.as_ref().map_or(&sheet.place, |at| &at.place).clone();
        let (seconds_place, retries_place) = (whole_place(&seconds), whole_place(&retries));
        if policy == "never" {
            if tries > 1 && number(&seconds, 1) > 0 && !is_essential && retries.is_some() {
                let what = "an end within `startsecs` is not tried again: `restart = \"never\"`";
                self.notes.remark(&retries_place, Some(&name), Some("restart"), what);
            }
        } else if number(&seconds, 1) > 0 {
            sheet.text("backoff.initial", "1s", &seconds_place);
            let time = format!("{}s", number(&seconds, 1));
            sheet.text("backoff.reset_after", time, &seconds_place);
            sheet.number("backoff.limit", tries, &retries_place);
        } else {
            // Every start counts as one there, however short it was.
            sheet.number("backoff.limit", 0, &seconds_place);
        }
        if !self.ending.failure && !sheet.has("on_success") {
            sheet.text("on_failure", "continue", &sheet.place.clone());
        }
    }

    fn autostart(&mut self, options: &mut Section, expansions: &Expansions, sheet: &mut Sheet) {
        let autostart = options.take("autostart");
        // A switch in the environment stays one.
        if autostart.as_ref().is_some_and(is_switch) {
            let text = self.expanded(autostart, expansions, Variables::Kept);
            if let Some(At { value, place }) = text {
                sheet.text("autostart", value, &place);
            }
        } else if let Some(At { value: false, place }) = self.boolean(autostart, expansions) {
            sheet.boolean("autostart", false, &place);
        }
    }

    fn exit_codes(&mut self, options: &mut Section, expansions: &Expansions, sheet: &mut Sheet) {
        let Some(At { value, place }) =
            self.expanded(options.take("exitcodes"), expansions, Variables::Values)
        else {
            return;
        };
        let mut codes = Vec::new();
        for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word.parse::<u8>() {
                Ok(code) => {
                    codes.push(At { value: Value::Integer(code.into()), place: place.clone() });
                }
                Err(_) => self.notes.problem(&place, format!("`{word}` is no exit code")),
            }
        }
        sheet.set("success_codes", Value::List(codes), &place);
    }

    fn stop(&mut self, options: &mut Section, expansions: &Expansions, sheet: &mut Sheet) {
        if let Some(At { value, place }) =
            self.expanded(options.take("stopsignal"), expansions, Variables::Values)
        {
            sheet.text("stop.signal", value.to_ascii_uppercase(), &place);
        }
        if let Some(At { value, place }) = self.whole(options.take("stopwaitsecs"), expansions) {
            sheet.text("stop.timeout", format!("{}s", value.max(0)), &place);
        }
        if let Some(At { value: true, place }) =
            self.boolean(options.take("stopasgroup"), expansions)
        {
            sheet.text("stop.scope", "group", &place);
        }
    }

    fn logs(&mut self, options: &mut Section, expansions: &Expansions, sheet: &mut Sheet) {
        let is_merged = self.boolean(options.take("redirect_stderr"), expansions);
        let stdout = self.expanded(options.take("stdout_logfile"), expansions, Variables::Values);
        let stderr = self.expanded(options.take("stderr_logfile"), expansions, Variables::Values);
        let place_of = |at: &Option<At<String>>| at.as_ref().map(|at| at.place.clone());
        let (stdout_place, stderr_place) = (place_of(&stdout), place_of(&stderr));
        let rotations = [1, 2].map(|stream| self.rotation(options, stream, expansions));
        let stdout = target(stdout.map(|at| at.value), 1);
        self.log(&stdout, "log.stdout", stdout_place.as_ref(), sheet);
        let stdout_is_file = matches!(stdout, Log::File(_));
        let mut stderr_is_file = false;
        match is_merged {
            Some(At { value: true, place }) => sheet.text("log.stderr", "stdout", &place),
            Some(_) | None => {
                let stderr = target(stderr.map(|at| at.value), 2);
                let is_there = matches!(stderr, Log::Console { is_other: true });
                if is_there && matches!(stdout, Log::Console { .. } | Log::Hidden) {
                    let place = stderr_place.as_ref().unwrap_or(&sheet.place).clone();
                    sheet.text("log.stderr", "stdout", &place);
                } else {
                    stderr_is_file = matches!(stderr, Log::File(_));
                    self.log(&stderr, "log.stderr", stderr_place.as_ref(), sheet);
                }
            }
        }
        let [of_stdout, of_stderr] = rotations;
        let rotation = match (stdout_is_file, stderr_is_file) {
            (false, false) => return,
            (false, true) => of_stderr,
            (true, false) => of_stdout,
            (true, true) => {
                if of_stdout.clone().map(|it| it.value) != of_stderr.map(|it| it.value) {
                    let what = "the file of its standard error is rotated in the same way";
                    let name = sheet.name.clone();
                    self.notes.remark(&sheet.place, Some(&name), Some("log.max_size"), what);
                }
                of_stdout
            }
        };
        let [size, keep] = rotation;
        sheet.rotation(size, keep);
    }

    /// The size of a file of `stream`, 1 or 2, and how many full ones are kept.
    fn rotation(
        &mut self,
        options: &mut Section,
        stream: u8,
        expansions: &Expansions,
    ) -> [At<String>; 2] {
        let stream = if stream == 1 { "stdout" } else { "stderr" };
        let place = options.place.clone();
        [("maxbytes", "50MB"), ("backups", "10")].map(|(name, usual)| {
            let option = options.take(&format!("{stream}_logfile_{name}"));
            let found = self.expanded(option, expansions, Variables::Values);
            let found = found.filter(|at| !at.value.trim().is_empty());
            found.unwrap_or_else(|| At { value: usual.to_owned(), place: place.clone() })
        })
    }

    fn log(&mut self, log: &Log, key: &'static str, place: Option<&Place>, sheet: &mut Sheet) {
        let name = sheet.name.clone();
        let place = place.unwrap_or(&sheet.place).clone();
        let notes: &mut Notes = &mut self.notes;
        match log {
            Log::Console { is_other: false } => {}
            Log::Console { is_other: true } => {
                let what = "it goes to the stream of onit that it comes from";
                notes.remark(&place, Some(&name), Some(key), what);
            }
            Log::Hidden => {
                // Of the two streams once is enough.
                if key == "log.stdout" {
                    let what = "its output goes to the console; it was in a temporary file before";
                    notes.remark(&place, Some(&name), Some(key), what);
                }
            }
            Log::Discard => sheet.text(key, "discard", &place),
            Log::Syslog => {
                let what = "there is no syslog: it goes to the console";
                notes.remark(&place, Some(&name), Some(key), what);
            }
            Log::File(path) => {
                let path = self.absolute(path);
                sheet.text(key, path, &place);
            }
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

/// Where the output of `stream`, 1 or 2, goes that is said to go to `path`.
fn target(path: Option<String>, stream: u8) -> Log {
    let Some(path) = path else { return Log::Hidden };
    let own = |number: u8| number != stream;
    match path.as_str() {
        "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" | "/proc/1/fd/1" => {
            Log::Console { is_other: own(1) }
        }
        "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" | "/proc/1/fd/2" => {
            Log::Console { is_other: own(2) }
        }
        "/dev/null" => Log::Discard,
        other => match other.to_ascii_lowercase().as_str() {
            "none" | "off" => Log::Discard,
            "auto" => Log::Hidden,
            "syslog" => Log::Syslog,
            _ => Log::File(path),
        },
    }
}
