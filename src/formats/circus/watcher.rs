//! One `[watcher:x]` to the raw form of a service.

use super::expand::{Expansions, Variable, expand, names};
use super::options::OPTIONS;
use super::{Reader, is_off};
use crate::config::file::{At, Value};
use crate::formats::ini::{Entry, Section};
use crate::formats::options::find;
use crate::formats::sheet::{self, Sheet};
use crate::formats::variables::{Variables, is_name};
use crate::formats::{glob, words};
use crate::service::{Place, Problem};

/// The first descriptor of a service's sockets; see sd_listen_fds(3).
const FIRST_SOCKET: usize = 3;

/// A service as it comes to be.
#[derive(Clone, Debug)]
pub(super) struct Watcher {
    pub(super) sheet: Sheet,
    /// The bigger, the earlier it starts.
    pub(super) priority: Option<At<i64>>,
    /// The sockets its command names, in this order.
    pub(super) sockets: Vec<String>,
    /// Where it is said that it wants sockets.
    pub(super) uses_sockets: Option<Place>,
}

impl Reader<'_> {
    pub(super) fn watcher(&mut self, mut section: Section) -> Option<Watcher> {
        let place = section.place.clone();
        let name = section.name.strip_prefix("watcher:").unwrap_or_default().to_owned();
        if section.entries.is_empty() {
            let what = format!("[{}] is empty: circus passes over it", section.name);
            self.notes.remark(&place, None, None, what);
            return None;
        }
        let Some(own) = sheet::name(&name) else {
            self.notes.problem(&place, format!("`{name}` is no name of a service"));
            return None;
        };
        if own.as_str() != name {
            let what = format!("{name} is called {own}: names have letters, digits and `_.@-`");
            self.notes.remark(&place, Some(&own), None, what);
        }
        let mut sheet = Sheet::new(own, place);
        let variables = self.variables(&name);
        let pairs = variables.iter().map(|own| (own.name.clone(), own.value.clone()));
        sheet.table("environment", pairs, &sheet.place.clone());

        // A reference may be to another option, but not to one circus does not know.
        let is_known = |entry: &&Entry| find(OPTIONS, "watcher", &entry.key).is_some();
        let value = |entry: &Entry| (entry.key.to_lowercase(), sheet::literal(&entry.value));
        let options = section.entries.iter().filter(is_known).map(value).collect();
        let instances = self.whole(&mut section, "numprocesses", &variables);
        let instances = instances.filter(|instances| instances.value != 1);
        if let Some(At { value, place }) = &instances {
            sheet.number("instances", *value, place);
        }
        let number = if instances.is_some() { "${INSTANCE}" } else { "1" };
        let sockets = self.command(&mut section, &variables, (number, options), &mut sheet);
        let uses_sockets = self.yes(&mut section, "use_sockets", &variables);
        self.surroundings(&mut section, &variables, &mut sheet);
        self.restarts(&mut section, &variables, &mut sheet);
        self.stop(&mut section, &variables, &mut sheet);
        self.logs(&mut section, &variables, &mut sheet);
        let priority = self.whole(&mut section, "priority", &variables);
        self.leftovers("watcher", section, Some(&sheet));
        Some(Watcher { sheet, priority, sockets, uses_sockets })
    }

    /// What the sections `[env]` and `[env:…]` set for a watcher: the later over the earlier.
    fn variables(&self, watcher: &str) -> Vec<Variable> {
        let mut variables = self.environment.clone();
        for (patterns, own) in &self.environments {
            if patterns.split(',').any(|pattern| glob::fits(pattern.trim(), watcher)) {
                for variable in own {
                    variables.retain(|known| known.name != variable.name);
                    variables.push(variable.clone());
                }
            }
        }
        variables
    }

    /// The command; gives back the sockets it names.
    fn command(
        &mut self,
        section: &mut Section,
        own: &[Variable],
        (number, mut values): (&str, Vec<(String, String)>),
        sheet: &mut Sheet,
    ) -> Vec<String> {
        // What is wrong with it is said once.
        sheet.list("command", ["unknown"], &section.place);
        let (cmd, args) = (section.take("cmd"), section.take("args"));
        let Some(At { place, .. }) = cmd.clone().filter(|cmd| !cmd.value.is_empty()) else {
            self.notes.problem(&section.place, format!("[{}] has no `cmd`", section.name));
            return Vec::new();
        };
        values.insert(0, ("wid".to_owned(), number.to_owned()));
        let mut sockets = Vec::new();
        for At { value, place } in cmd.iter().chain(&args) {
            if let Some(mark) = template(value) {
                let what = format!("`{mark}` is of a template: this wants the file made from it");
                self.notes.problem(place, what);
                return sockets;
            }
            self.references(value, place, &values, &mut sockets, sheet);
        }
        values.extend(
            (FIRST_SOCKET..)
                .zip(&sockets)
                .map(|(descriptor, name)| (format!("sockets.{name}"), descriptor.to_string())),
        );
        let environment = &self.source.surroundings.environment;
        let expansions = Expansions { own, environment, values: &values };
        let mut all = Vec::new();
        for At { value, place } in cmd.iter().chain(&args) {
            let Some(split) = words::split(&expand(value, expansions, Variables::Words)) else {
                self.notes.problem(place, "the command has a quote that does not end");
                return sockets;
            };
            all.extend(split);
        }
        let shell = self.yes(section, "shell", own);
        let shell_args = self.text(section, "shell_args", own, Variables::Words);
        if let Some(shell) = shell {
            let is_meant = |word: &String| {
                let bare = word.replace("${", "");
                bare.contains(['$', '|', '&', ';', '<', '>', '*', '`'])
            };
            if all.get(1).is_none_or(|word| word != "-c") && all.iter().any(is_meant) {
                let what = "the shell gets every word in quotes, as in circus: `&&`, `|` and `$X` \
                            mean nothing to it; `cmd = sh -c \"…\"` is what works";
                self.notes.remark(&shell, Some(&sheet.name), Some("command"), what);
            }
            let quoted: Vec<String> = all.iter().map(|word| quoted(word)).collect();
            let more = shell_args.and_then(|args| words::split(&args.value)).unwrap_or_default();
            all = ["sh".to_owned(), "-c".to_owned(), quoted.join(" ")].into();
            all.extend(more);
        }
        sheet.list("command", all, &place);
        sockets
    }

    /// Notes the sockets that are referred to, and says what stands for nothing.
    fn references(
        &mut self,
        text: &str,
        place: &Place,
        values: &[(String, String)],
        sockets: &mut Vec<String>,
        sheet: &Sheet,
    ) {
        for name in names(text) {
            if let Some(socket) = name.strip_prefix("sockets.") {
                let known: Vec<&String> = self.sockets.iter().map(|socket| &socket.name).collect();
                if !known.iter().any(|known| *known == socket) {
                    let what = format!("there is no [socket:{socket}]");
                    let problem = Problem::new(place.clone(), what);
                    self.notes.problems.push(problem.did_you_mean(socket, known));
                } else if !sockets.iter().any(|known| known == socket) {
                    sockets.push(socket.to_owned());
                }
                continue;
            }
            let is_variable = name.strip_prefix("env.").is_some_and(is_name);
            if !is_variable && !values.iter().any(|(known, _)| *known == name) {
                let what = format!("`$(circus.{name})` stands for nothing, and is left as it is");
                self.notes.remark(place, Some(&sheet.name), Some("command"), what);
            }
        }
        if text.contains("$WID") {
            let what = "`$WID` is left as it is, as in circus 0.19: `$(circus.wid)` is the number";
            self.notes.remark(place, Some(&sheet.name), Some("command"), what);
        }
    }

    fn surroundings(&mut self, section: &mut Section, own: &[Variable], sheet: &mut Sheet) {
        if let Some(At { value, place }) = self.text(section, "working_dir", own, Variables::Kept) {
            sheet.text("directory", self.absolute(&value), &place);
        }
        for (option, key) in [("uid", "user"), ("gid", "group")] {
            if let Some(At { value, place }) = self.text(section, option, own, Variables::Kept) {
                sheet.text(key, value, &place);
            }
        }
        if let Some(At { value, place }) = self.umask.clone() {
            sheet.text("umask", value, &place);
        }
        let place = section.get("copy_env").map_or(&section.place, |entry| &entry.place).clone();
        if self.yes(section, "copy_env", own).is_none() {
            sheet.boolean("inherit_environment", false, &place);
            let what = match own.iter().any(|variable| variable.name == "PATH") {
                true => "without `copy_env` it has none of onit's variables",
                false => {
                    "without `copy_env` it has none of onit's variables; circus leaves PATH out, \
                     too, and looks in /bin and /usr/bin, here it is the usual one"
                }
            };
            let name = sheet.name.clone();
            self.notes.remark(&place, Some(&name), Some("inherit_environment"), what);
        }
        let mut limits = Vec::new();
        section.entries.retain(|Entry { key, value, place }| {
            let Some(resource) = key.strip_prefix("rlimit_") else { return true };
            let value = match value.trim().parse() {
                Ok(number) if number >= 0 => Value::Integer(number),
                Ok(_) => Value::Text("unlimited".to_owned()),
                Err(_) if value.is_empty() => Value::Text("unlimited".to_owned()),
                Err(_) => Value::Text(sheet::literal(value)),
            };
            let name = At { value: resource.to_lowercase(), place: place.clone() };
            limits.push((name, At { value, place: place.clone() }));
            false
        });
        if let Some((first, _)) = limits.first() {
            let place = first.place.clone();
            limits.sort_by(|(one, _), (other, _)| one.value.cmp(&other.value));
            sheet.set("limits", Value::Table(limits), &place);
        }
    }

    fn restarts(&mut self, section: &mut Section, own: &[Variable], sheet: &mut Sheet) {
        if let Some(place) = self.no(section, "autostart", own) {
            sheet.boolean("autostart", false, &place);
        }
        // A watcher that gives up never ends circusd.
        sheet.text("on_failure", "continue", &sheet.place.clone());
        let respawn = self.no(section, "respawn", own);
        let retries = self.whole(section, "max_retry", own);
        if let Some(place) = respawn {
            sheet.text("restart", "never", &place);
            return;
        }
        if let Some(mut flapping) = self.flapping.clone() {
            // Its own options hold before those of the plug-in.
            let mut is_on = true;
            for entry in &section.entries {
                let Some(key) = entry.key.strip_prefix("flapping.") else { continue };
                is_on &= key != "active" || !is_off(&entry.value);
                flapping.entries.insert(0, Entry { key: key.to_owned(), ..entry.clone() });
            }
            if is_on {
                self.flapping(&mut flapping, own, sheet);
                return;
            }
        }
        match retries {
            Some(At { value, place }) => {
                sheet.number("backoff.limit", value.max(0), &place);
                if value > 0 {
                    let what = "circus counts only commands that cannot be executed, onit every \
                                early end; 0: no limit";
                    let name = sheet.name.clone();
                    self.notes.remark(&place, Some(&name), Some("backoff.limit"), what);
                }
            }
            // One that ends is started again as often as it takes.
            None => sheet.number("backoff.limit", 0, &section.place),
        }
    }

    /// `[backoff]`, by the options of Flapping: after `attempts` ends within `window` it waits
    /// for `retry_in`, and after `max_retry` such waits it gives up.
    fn flapping(&mut self, section: &mut Section, own: &[Variable], sheet: &mut Sheet) {
        let place = section.place.clone();
        let usual = |value: &str| At { value: value.to_owned(), place: place.clone() };
        let window = self.seconds(section, "window", own).unwrap_or_else(|| usual("1s"));
        let wait = self.seconds(section, "retry_in", own).unwrap_or_else(|| usual("7s"));
        sheet.text("backoff.initial", wait.value.clone(), &wait.place);
        sheet.text("backoff.max", wait.value, &wait.place);
        sheet.text("backoff.reset_after", window.value, &window.place);
        let retries = self.whole(section, "max_retry", own);
        let retries = retries.unwrap_or(At { value: 5, place });
        // -1 is without end, and so is a limit of 0.
        sheet.number("backoff.limit", retries.value.saturating_add(1).max(0), &retries.place);
    }

    fn stop(&mut self, section: &mut Section, own: &[Variable], sheet: &mut Sheet) {
        if let Some(At { value, place }) = self.text(section, "stop_signal", own, Variables::Values)
        {
            sheet.text("stop.signal", value.to_ascii_uppercase(), &place);
        }
        let usual = || At { value: "30s".to_owned(), place: sheet.place.clone() };
        let timeout = self.seconds(section, "graceful_timeout", own).unwrap_or_else(usual);
        sheet.text("stop.timeout", timeout.value, &timeout.place);
        if let Some(place) = self.yes(section, "stop_children", own) {
            sheet.text("stop.scope", "group", &place);
        }
    }

    fn logs(&mut self, section: &mut Section, own: &[Variable], sheet: &mut Sheet) {
        let streams = [
            ("stdout_stream.", "close_child_stdout", "log.stdout"),
            ("stderr_stream.", "close_child_stderr", "log.stderr"),
        ];
        let mut before: Option<String> = None;
        for (stream, close, key) in streams {
            let closed = self.yes(section, close, own);
            let mut option =
                |name: &str| self.text(section, &format!("{stream}{name}"), own, Variables::Kept);
            let (class, file) = (option("class"), option("filename"));
            let (size, keep) = (option("max_bytes"), option("backup_count"));
            if let Some(place) = closed {
                sheet.text(key, "discard", &place);
                continue;
            }
            let Some(At { value: class, place }) = class.or_else(|| {
                let class = file.as_ref().map(|file| file.place.clone());
                class.map(|place| At { value: "FileStream".to_owned(), place })
            }) else {
                continue;
            };
            let kind = class.strip_prefix("circus.stream.").unwrap_or(&class);
            // Without older ones circus goes on with the same file.
            let size = size.filter(|size| !is_off(&size.value));
            let size = size.filter(|_| keep.as_ref().is_some_and(|keep| !is_off(&keep.value)));
            let rotation = match kind {
                "StdoutStream" | "FancyStdoutStream" => continue,
                "FileStream" => Some(size.zip(keep)),
                "WatchedFileStream" => Some(None),
                "TimedRotatingFileStream" => None,
                _ => {
                    let what = format!("`{class}` is not run: it goes to the console");
                    self.notes.remark(&place, Some(&sheet.name), Some(key), what);
                    continue;
                }
            };
            let Some(At { value: file, place }) = file else {
                let what = format!("`{class}` has no `{stream}filename`");
                self.notes.problem(&place, what);
                continue;
            };
            let file = self.absolute(&file);
            let is_same = before.as_ref() == Some(&file);
            match rotation {
                // One file is rotated in one way.
                _ if is_same => {}
                Some(Some((size, keep))) => {
                    sheet.rotation(size, keep);
                }
                Some(None) => sheet.number("log.max_size", 0, &place),
                None => {
                    let what = "the file is rotated when it is full, and not by time";
                    self.notes.remark(&place, Some(&sheet.name), Some(key), what);
                }
            }
            sheet.text(key, if is_same { "stdout" } else { &file }, &place);
            before = Some(file);
        }
    }
}

/// What of a text is still to be put in by whoever makes the file.
fn template(text: &str) -> Option<String> {
    if let Some(mark) = ["{{", "{%"].into_iter().find(|mark| text.contains(mark)) {
        return Some(mark.to_owned());
    }
    let is_part = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    let is_mark = |part: &&str| part.len() >= 3 && part.chars().all(is_part);
    // What stands before the first `%`, and behind the last, is between no two of them.
    let between = text.split('%').skip(1);
    let count = text.matches('%').count().saturating_sub(1);
    between.take(count).find(is_mark).map(|name| format!("%{name}%"))
}

/// A word as a shell takes it for itself: `shlex.quote`.
fn quoted(word: &str) -> String {
    let is_safe = |letter: char| letter.is_ascii_alphanumeric() || "_@%+=:,./-".contains(letter);
    if !word.is_empty() && word.chars().all(is_safe) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\"'\"'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_known_by_their_marks() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(template(text).as_deref(), expected, "{text:?}");
        };
        check("run %USER%", Some("%USER%"));
        check("run {{ user }}", Some("{{"));
        check("log '%(h)s %(l)s %(u)s' %H%M%S 100%", None);
        check("USER%", None);
        check("%USER", None);
    }

    #[test]
    fn words_are_quoted_as_shlex_does() {
        let check = |word: &str, expected: &str| assert_eq!(quoted(word), expected, "{word:?}");
        check("--fd=3", "--fd=3");
        check("a b", "'a b'");
        check("it's", "'it'\"'\"'s'");
        check("", "''");
    }
}
