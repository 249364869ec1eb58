//! Judges the raw form of a service and makes a spec of it: parse, don't validate. Says everything
//! that is wrong, not only the first.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::expand::{ExpandError, Variables, expand};
use super::file::{At, Raw, Value};
use super::split::{SplitError, Word, split};
use crate::limits::{
    DURATION_MAX, INSTANCES_MAX, LINE_BYTES_MAX, LINE_BYTES_MIN, LOG_FILES_KEPT_MAX,
    VALUE_BYTES_MAX, VALUES_BYTES_MAX,
};
use crate::service::{
    Argv, Attributes, Backoff, Capability, Condition, Consequence, Environment, ExitArguments,
    Format, Hooks, Inherit, Kind, Leftovers, Limit, Limits, Log, LogTarget, Name, Pattern, Place,
    Problem, Rare, Resource, Restart, Rotation, Scope, Signal, Spec, Stop, StopStep, SuccessCode,
    Who,
};

/// A service that is right by itself. Whether it fits the others is yet to be seen.
#[derive(Debug, PartialEq)]
pub(super) struct Draft {
    pub(super) spec: Spec,
    pub(super) depends_on: Vec<(At<String>, Option<Condition>)>,
    /// Who reads what it writes, as its `log` names them.
    pub(super) consumers: Vec<At<String>>,
    pub(super) after: Vec<At<String>>,
    pub(super) restart_with: Vec<At<String>>,
}

/// What a service file says of its service.
#[derive(Debug, PartialEq)]
pub(super) enum Judged {
    /// It is to be part of the plan.
    Enabled(Box<Draft>),
    /// It is not.
    Disabled,
}

/// Judges the raw form of a service. With problems in it what comes out is only good for finding
/// more of them.
pub(super) fn service(
    name: Name,
    family: Option<&Name>,
    raw: &Raw,
    place: &Place,
    variables: &Variables,
) -> (Judged, Vec<Problem>) {
    let mut check = Check::new(raw, variables);
    let enabled = check.boolean("enabled").unwrap_or(true);
    if !enabled && check.problems.is_empty() {
        return (Judged::Disabled, Vec::new());
    }
    let draft = check.draft(name, family, place);
    (Judged::Enabled(Box::new(draft)), check.problems)
}

/// The names of the instances of a service; none: it is one, and called as its file is.
pub(super) fn instances(
    name: &Name,
    raw: &Raw,
    variables: &Variables,
) -> (Option<Vec<Name>>, Vec<Problem>) {
    let mut check = Check::new(raw, variables);
    let Some(count) = check.integer("instances", 0, INSTANCES_MAX) else {
        return (None, check.problems);
    };
    let names: Result<Vec<Name>, _> =
        (1..=count).map(|number| Name::new(&format!("{name}@{number}"))).collect();
    match (names, check.place_of("instances")) {
        (Ok(names), _) => (Some(names), check.problems),
        (Err(error), place) => {
            let what = format!("the names of its instances are none: {error}");
            check.problems.extend(place.map(|place| Problem::new(place, what)));
            (None, check.problems)
        }
    }
}

/// Reads the keys of a raw form, and collects what is wrong with their values.
pub(super) struct Check<'a> {
    pub(super) raw: &'a Raw,
    pub(super) variables: &'a Variables,
    pub(super) problems: Vec<Problem>,
    /// The length of all texts so far, variables put in.
    bytes: usize,
}

/// A text with its variables put in.
struct Text {
    text: OsString,
    had_variables: bool,
    place: Place,
}

impl<'a> Check<'a> {
    pub(super) fn new(raw: &'a Raw, variables: &'a Variables) -> Self {
        Self { raw, variables, problems: Vec::new(), bytes: 0 }
    }

    fn draft(&mut self, name: Name, family: Option<&Name>, place: &Place) -> Draft {
        let kinds = [("service", Kind::Service), ("oneshot", Kind::Oneshot)];
        let kind = match self.word("type") {
            Some(word) if word.value == "job" => {
                self.complain(&word.place, "`type = \"job\"` is not supported yet");
                Kind::Oneshot
            }
            Some(word) => self.among(&word, "a type", &kinds).unwrap_or(Kind::Service),
            None => Kind::Service,
        };
        let command = match self.raw.values.get("command") {
            Some(value) => self.command(value),
            None => {
                let problem = Problem::new(place.clone(), "no `command`");
                self.problems.push(problem.hint("write `command = [\"program\", \"argument\"]`"));
                None
            }
        };
        let command = command.unwrap_or_else(|| Argv::new::<OsString>("", Vec::new()));
        let default = Spec::new(name, command);
        let restart = self.restart(kind, place);
        let consequences =
            [("continue", Consequence::Continue), ("shutdown", Consequence::Shutdown)];
        let mut consumers = Vec::new();
        let log = self.log(&mut consumers);
        let listen = self.listen(family.unwrap_or(&default.name), kind, place);
        let spec = Spec {
            ready: self.ready(kind, &log, listen.len(), place).map(Box::new),
            health: self.health(kind, place).map(Box::new),
            reload: self.reload(kind, place).map(Box::new),
            listen: listen.into(),
            log: log.into(),
            family: family.cloned(),
            place: Some(place.clone()),
            description: self.word("description").map(|word| word.value).unwrap_or_default(),
            kind,
            autostart: self.boolean("autostart").unwrap_or(true),
            restart,
            success_codes: self.success_codes().map(Rare::from).unwrap_or_default(),
            on_success: self
                .choice("on_success", "a consequence", &consequences)
                .unwrap_or(default.on_success),
            on_failure: self
                .choice("on_failure", "a consequence", &consequences)
                .unwrap_or(default.on_failure),
            backoff: self.backoff().into(),
            stop: self.stop().into(),
            hooks: Hooks {
                before_start: self.commands("before_start"),
                after_exit: self.commands("after_exit"),
                after_exit_arguments: self
                    .choice("after_exit_arguments", "a kind of arguments", &EXIT_ARGUMENTS)
                    .unwrap_or_default(),
                after_exit_timeout: self
                    .duration("after_exit_timeout")
                    .unwrap_or(Hooks::AFTER_EXIT_TIMEOUT),
            }
            .into(),
            attributes: Attributes {
                directory: self.path("directory"),
                user: self.raw.values.get("user").and_then(|value| self.who(value)),
                group: self.raw.values.get("group").and_then(|value| self.who(value)),
                groups: self.groups(),
                umask: self.umask(),
                nice: self.nice(),
                oom_score_adj: self.oom_score_adj(),
                capabilities: self.capabilities(),
                no_new_privileges: self.boolean("no_new_privileges").unwrap_or(false),
                root: self.root(),
                limits: self.limits(),
                pid_namespace: self.boolean("pid_namespace").unwrap_or(false),
            }
            .into(),
            environment: self.environment().into(),
            timeout: self.timeout(kind, place),
            supervise: self.path("supervise").map(PathBuf::into_boxed_path),
            forward_signals: self.forward_signals().into(),
            ..default
        };
        let (after, restart_with) = (self.names("after"), self.names("restart_with"));
        Draft { spec, depends_on: self.depends_on(), consumers, after, restart_with }
    }

    fn timeout(&mut self, kind: Kind, file: &Place) -> Option<Duration> {
        let timeout = self.duration("timeout")?;
        match (kind, self.own_place_of("timeout", file)) {
            (Kind::Oneshot, _) => Some(timeout),
            // What holds for all is for those whom it can concern.
            (Kind::Service | Kind::Main, None) => None,
            (Kind::Service | Kind::Main, Some(place)) => {
                let problem = Problem::new(place, "only a oneshot has a `timeout`");
                let hint = "for its start there is `ready.timeout`, for its stop `stop.timeout`";
                self.problems.push(problem.hint(hint));
                None
            }
        }
    }

    fn restart(&mut self, kind: Kind, place: &Place) -> Restart {
        let policies = [
            ("always", Restart::Always),
            ("on-failure", Restart::OnFailure),
            ("never", Restart::Never),
        ];
        let chosen = self.choice("restart", "a restart policy", &policies);
        if let (Some(Restart::Always), Kind::Oneshot) = (chosen, kind)
            && let Some(at) = self.place_of("restart")
        {
            // What `[service_defaults]` say is meant for services.
            if at.file != place.file {
                return Restart::Never;
            }
            let problem = Problem::new(at, "a oneshot that always restarts never completes");
            self.problems.push(problem.hint("use `on-failure`, or `type = \"service\"`"));
        }
        chosen.unwrap_or(match kind {
            Kind::Service => Restart::Always,
            Kind::Oneshot | Kind::Main => Restart::Never,
        })
    }

    fn success_codes(&mut self) -> Option<Vec<SuccessCode>> {
        let list = self.list("success_codes")?;
        if list.is_empty()
            && let Some(place) = self.place_of("success_codes")
        {
            self.complain(&place, "`success_codes` is empty: no end would be a success");
        }
        let mut codes = Vec::new();
        for item in list {
            if let Some(number) = self.integer_of(item, Some("a signal name")) {
                match u8::try_from(number) {
                    Ok(code) => codes.push(SuccessCode::Code(code)),
                    Err(_) => {
                        self.complain(&item.place, format!("{number} is no exit code: 0 to 255"));
                    }
                }
            } else if let Value::Text(_) = item.value
                && let Some(word) = self.word_of(item)
                && word.value.parse::<i64>().is_err()
                && let Some(signal) = self.signal(&word)
            {
                codes.push(SuccessCode::Signal(signal));
            }
        }
        Some(codes)
    }

    fn backoff(&mut self) -> Backoff {
        let default = Backoff::default();
        let backoff = Backoff {
            initial: self.wait("backoff.initial").unwrap_or(default.initial),
            factor: self.number("backoff.factor", 1.0, 1000.0).unwrap_or(default.factor),
            max: self.wait("backoff.max").unwrap_or(default.max),
            jitter: self.number("backoff.jitter", 0.0, 1.0).unwrap_or(default.jitter),
            reset_after: self.wait("backoff.reset_after").unwrap_or(default.reset_after),
            limit: self
                .integer("backoff.limit", 0, i64::from(u32::MAX))
                .and_then(|limit| u32::try_from(limit).ok())
                .unwrap_or(default.limit),
        };
        if backoff.initial > backoff.max
            && let Some(place) =
                self.place_of("backoff.initial").or_else(|| self.place_of("backoff.max"))
        {
            self.complain(&place, "`backoff.initial` is longer than `backoff.max`");
        }
        backoff
    }

    /// A duration that is not zero: with none between two starts they would follow each other
    /// without end.
    pub(super) fn wait(&mut self, key: &str) -> Option<Duration> {
        let wait = self.duration(key)?;
        if wait.is_zero()
            && let Some(place) = self.place_of(key)
        {
            self.complain(&place, format!("`{key}` cannot be zero"));
            return None;
        }
        Some(wait)
    }

    fn stop(&mut self) -> Stop {
        let default = Stop::default();
        let timeout = self.duration("stop.timeout");
        if timeout == Some(Duration::ZERO)
            && let Some(place) = self.place_of("stop.timeout")
        {
            let problem = Problem::new(place, "`stop.timeout` cannot be zero");
            self.problems.push(problem.hint("to kill at once write `stop.signal = \"SIGKILL\"`"));
        }
        let given = timeout;
        let timeout = timeout.unwrap_or(default.timeout);
        let (steps, timeout) = match self.raw.values.get("stop.signal") {
            Some(At { value: Value::List(pairs), place }) => {
                let steps = self.stop_steps(pairs, place);
                if given.is_some() {
                    let problem = Problem::new(
                        self.place_of("stop.timeout").unwrap_or_else(|| place.clone()),
                        "`stop.timeout` and a list of signals with times exclude each other",
                    );
                    let hint = "the times of the list add up to the timeout: remove `timeout`";
                    self.problems.push(problem.hint(hint));
                }
                let sum =
                    steps.iter().fold(Duration::ZERO, |sum, step| sum.saturating_add(step.wait));
                (steps, sum)
            }
            Some(value) => {
                let signal = self.word_of(value).and_then(|word| self.ending_signal(&word));
                let signal = signal.unwrap_or(Signal::TERM);
                (vec![StopStep { signal, wait: timeout }], timeout)
            }
            None => (vec![StopStep { signal: Signal::TERM, wait: timeout }], timeout),
        };
        let scopes = [("process", Scope::Process), ("group", Scope::Group)];
        let leftovers = [("kill", Leftovers::Kill), ("keep", Leftovers::Keep)];
        Stop {
            steps,
            command: self.optional_command("stop.command"),
            timeout,
            scope: self.choice("stop.scope", "a scope", &scopes).unwrap_or(default.scope),
            leftovers: self
                .choice("stop.leftovers", "a choice", &leftovers)
                .unwrap_or(default.leftovers),
        }
    }

    fn stop_steps(&mut self, pairs: &[At<Value>], place: &Place) -> Vec<StopStep> {
        let mut steps = Vec::new();
        for pair in pairs {
            let Value::List(items) = &pair.value else {
                let problem = Problem::new(pair.place.clone(), "not a pair of signal and duration");
                self.problems.push(problem.hint("write `[[\"SIGINT\", \"5s\"], …]`"));
                continue;
            };
            let [signal, wait] = items.as_slice() else {
                let problem = Problem::new(pair.place.clone(), "not a pair of signal and duration");
                self.problems.push(problem.hint("write `[[\"SIGINT\", \"5s\"], …]`"));
                continue;
            };
            let signal = self.word_of(signal).and_then(|word| self.ending_signal(&word));
            let wait = self.duration_of(wait);
            if let (Some(signal), Some(wait)) = (signal, wait) {
                if wait.is_zero() {
                    self.complain(&pair.place, "the time until the next signal cannot be zero");
                }
                steps.push(StopStep { signal, wait });
            }
        }
        if pairs.is_empty() {
            self.complain(place, "the list of stop signals is empty");
        }
        if steps.is_empty() { Stop::default().steps } else { steps }
    }

    /// A signal that can ask a process to end.
    fn ending_signal(&mut self, word: &At<String>) -> Option<Signal> {
        let signal = self.signal(word)?;
        let halting = [Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU, Signal::CONT];
        if halting.contains(&signal) {
            self.complain(&word.place, format!("{signal} does not ask a process to end"));
            return None;
        }
        Some(signal)
    }

    fn groups(&mut self) -> Option<Vec<Who>> {
        let list = self.list("groups")?;
        Some(list.iter().filter_map(|item| self.who(item)).collect())
    }

    /// A user or group: a name, or a number.
    pub(super) fn who(&mut self, value: &At<Value>) -> Option<Who> {
        if let Value::Integer(number) = value.value {
            return match u32::try_from(number) {
                // The last one means "no change" to the kernel; see setresuid(2).
                Ok(number) if number < u32::MAX => Some(Who::Number(number)),
                Ok(_) | Err(_) => {
                    self.complain(&value.place, format!("{number} is no user or group number"));
                    None
                }
            };
        }
        let word = self.word_of(value)?;
        match word.value.parse::<u32>() {
            Ok(number) if number < u32::MAX => Some(Who::Number(number)),
            _ if word.value.parse::<i128>().is_ok() => {
                let what = format!("{} is no user or group number", word.value);
                self.complain(&word.place, what);
                None
            }
            _ if word.value.contains([':', '\n', ' ', ',']) => {
                let what = format!("`{}` is no user or group name", word.value);
                let problem = Problem::new(word.place, what);
                self.problems.push(match word.value.split_once(':') {
                    Some((_, group)) => problem.hint(format!("write group = \"{group}\"")),
                    None => problem,
                });
                None
            }
            _ => Some(Who::Named(word.value)),
        }
    }

    fn umask(&mut self) -> Option<u32> {
        let value = self.raw.values.get("umask")?;
        self.mode_of(value, "umask")
    }

    /// A file mode, or a mask of one: octal digits.
    pub(super) fn mode_of(&mut self, value: &At<Value>, key: &str) -> Option<u32> {
        if let Value::Integer(_) = value.value {
            let what = format!("`{key}` is a text of octal digits");
            let problem = Problem::new(value.place.clone(), what);
            // 22 may have been meant as its digits, 0o22 as its value: no guess is safe.
            self.problems.push(problem.hint("write octal digits such as \"0022\""));
            return None;
        }
        let word = self.word_of(value)?;
        let is_octal = word.value.chars().all(|digit| digit.is_digit(8));
        match u32::from_str_radix(&word.value, 8) {
            Ok(mask) if is_octal && mask <= 0o777 => Some(mask),
            Ok(_) | Err(_) => {
                let what = match key {
                    "umask" => format!("`{}` is no file mode mask", word.value),
                    _ => format!("`{}` is no file mode", word.value),
                };
                let problem = Problem::new(word.place, what);
                self.problems.push(problem.hint("write octal digits such as \"0022\""));
                None
            }
        }
    }

    fn nice(&mut self) -> Option<i32> {
        self.integer("nice", -20, 19).and_then(|nice| i32::try_from(nice).ok())
    }

    fn oom_score_adj(&mut self) -> Option<i32> {
        let number = self.integer("oom_score_adj", -1000, 1000)?;
        i32::try_from(number).ok()
    }

    fn capabilities(&mut self) -> Option<Vec<Capability>> {
        let mut capabilities = Vec::new();
        for item in self.list("capabilities")? {
            let Some(word) = self.word_of(item) else { continue };
            match Capability::from_name(&word.value) {
                Some(capability) => capabilities.push(capability),
                None => {
                    let what = format!("`{}` is no capability", word.value);
                    let problem = Problem::new(word.place, what);
                    let plain = word.value.to_ascii_lowercase();
                    let plain = plain.strip_prefix("cap_").unwrap_or(&plain);
                    self.problems.push(problem.did_you_mean(plain, Capability::names()));
                }
            }
        }
        capabilities.sort_unstable();
        capabilities.dedup();
        Some(capabilities)
    }

    /// Another root directory hides the notify socket, which lies beside it.
    fn root(&mut self) -> Option<PathBuf> {
        let root = self.path("root")?;
        for key in ["ready.notify", "health.watchdog", "reload.notify"] {
            let is_set =
                self.raw.values.get(key).is_some_and(|at| at.value != Value::Boolean(false));
            if let (true, Some(place)) = (is_set, self.place_of(key)) {
                let what = format!("`{key}` does not work with `root`, which hides the socket");
                self.complain(&place, what);
            }
        }
        Some(root)
    }

    fn limits(&mut self) -> Limits {
        let mut limits = Vec::new();
        for (name, value) in self.table("limits") {
            if name.value == "locks" {
                let what = "`limits.locks` is taken: onit marks the processes of a service with it";
                self.complain(&name.place, what);
                continue;
            }
            let known = Resource::ALL.iter().find(|(known, _)| *known == name.value);
            let Some((_, resource)) = known else {
                let what = format!("`{}` is no resource that can be limited", name.value);
                let known = Resource::ALL.iter().map(|(known, _)| known);
                let problem = Problem::new(name.place.clone(), what);
                self.problems.push(problem.did_you_mean(&name.value, known));
                continue;
            };
            let resource = *resource;
            if let Some((soft, hard)) = self.limit(resource, value) {
                limits.push(Limit { resource, soft, hard });
            }
        }
        limits
    }

    fn limit(&mut self, resource: Resource, value: &At<Value>) -> Option<(u64, u64)> {
        if let Value::Integer(number) = value.value {
            let Ok(number) = u64::try_from(number) else {
                self.complain(&value.place, format!("{number} is no limit: it is negative"));
                return None;
            };
            return Some((number, number));
        }
        let word = self.word_of(value)?;
        let one = |text: &str| match text.trim() {
            "unlimited" => Some(u64::MAX),
            text if resource.is_size() => size(text),
            text => text.parse().ok(),
        };
        let (soft, hard) = word.value.split_once(':').unwrap_or((&word.value, &word.value));
        match (one(soft), one(hard)) {
            (Some(soft), Some(hard)) if soft <= hard => Some((soft, hard)),
            (Some(_), Some(_)) => {
                let what = format!("`{}`: the soft limit is above the hard one", word.value);
                self.complain(&word.place, what);
                None
            }
            _ => {
                let problem = Problem::new(word.place, format!("`{}` is no limit", word.value));
                let hint = "write a number, \"unlimited\", or \"soft:hard\"";
                self.problems.push(problem.hint(hint));
                None
            }
        }
    }

    fn environment(&mut self) -> Environment {
        let default = Environment::default();
        let mut variables = Vec::new();
        for (name, value) in self.table("environment") {
            if name.value.is_empty() || name.value.contains(['=', '\0']) {
                let what = format!("`{}` is no name of a variable", name.value.escape_debug());
                self.complain(&name.place, what);
                continue;
            }
            let text = match &value.value {
                Value::Text(_) => match self.text_of(value) {
                    Some(text) => text.text,
                    None => continue,
                },
                Value::Integer(number) => number.to_string().into(),
                Value::Float(number) => number.as_str().into(),
                Value::Boolean(value) => value.to_string().into(),
                Value::List(_) | Value::Table(_) | Value::Other(_) => {
                    self.wrong_kind(value, "a text");
                    continue;
                }
            };
            variables.push((name.value.clone().into(), text));
        }
        let inherit = match self.raw.values.get("inherit_environment") {
            Some(At { value: Value::List(patterns), .. }) => {
                let patterns = patterns.iter().filter_map(|item| self.word_of(item));
                Inherit::Patterns(patterns.map(|word| Pattern::new(word.value)).collect())
            }
            Some(_) => match self.boolean("inherit_environment") {
                Some(false) => Inherit::Nothing,
                Some(true) | None => Inherit::All,
            },
            None => default.inherit,
        };
        let files = self.list("environment_files").unwrap_or_default();
        let files = files.iter().filter_map(|item| self.path_of(item, false)).collect();
        let secrets = self.secrets();
        let file_variables = self.list("file_variables").unwrap_or_default();
        let file_variables = file_variables.iter().filter_map(|item| self.variable_name(item));
        let file_variables = file_variables.collect();
        Environment { inherit, files, variables, secrets, file_variables }
    }

    fn secrets(&mut self) -> Vec<(OsString, PathBuf)> {
        let mut secrets = Vec::new();
        for (name, value) in self.table("secrets") {
            if name.value.is_empty() || name.value.contains(['=', '\0']) {
                let what = format!("`{}` is no name of a variable", name.value.escape_debug());
                self.complain(&name.place, what);
                continue;
            }
            let text = match &value.value {
                Value::Text(_) => match self.text_of(value) {
                    Some(text) => Some(PathBuf::from(text.text)),
                    None => continue,
                },
                Value::Integer(_)
                | Value::Float(_)
                | Value::Boolean(_)
                | Value::List(_)
                | Value::Table(_)
                | Value::Other(_) => None,
            };
            match text.filter(|path| path.is_absolute()) {
                Some(path) => secrets.push((name.value.clone().into(), path)),
                // What was written there may be the secret itself: it is not repeated.
                None => {
                    let what = format!("`secrets.{}` is no absolute path of a file", name.value);
                    let problem = Problem::new(value.place.clone(), what);
                    self.problems.push(problem.hint("the value itself stands in that file"));
                }
            }
        }
        secrets
    }

    fn variable_name(&mut self, item: &At<Value>) -> Option<OsString> {
        let word = self.word_of(item)?;
        if word.value.contains(['=', '\0']) {
            let what = format!("`{}` is no name of a variable", word.value.escape_debug());
            self.complain(&word.place, what);
            return None;
        }
        Some(word.value.into())
    }

    fn log(&mut self, consumers: &mut Vec<At<String>>) -> Log {
        let default = Log::default();
        let words = ["console", "discard", "inherit", "service:NAME"];
        let stdout = self.word("log.stdout").and_then(|word| self.target(&word, &words, consumers));
        let stderr = match self.word("log.stderr") {
            Some(word) if word.value == "stdout" => None,
            Some(word) => {
                let words = ["console", "discard", "inherit", "stdout", "service:NAME"];
                Some(self.target(&word, &words, consumers).unwrap_or(LogTarget::Console))
            }
            None => default.stderr,
        };
        Log {
            stdout: stdout.unwrap_or(default.stdout),
            stderr,
            format: self.choice("log.format", "a format", &FORMATS),
            max_line: self.max_line().unwrap_or(default.max_line),
            rotation: self.rotation(),
        }
    }

    fn target(
        &mut self,
        word: &At<String>,
        words: &[&str],
        consumers: &mut Vec<At<String>>,
    ) -> Option<LogTarget> {
        match word.value.as_str() {
            "console" => Some(LogTarget::Console),
            "discard" => Some(LogTarget::Discard),
            "inherit" => Some(LogTarget::Inherit),
            path if path.starts_with('/') => Some(LogTarget::File(path.into())),
            other => {
                if let Some(name) = other.strip_prefix("service:") {
                    consumers.push(At { value: name.to_owned(), place: word.place.clone() });
                    return Name::new(name).ok().map(LogTarget::Service);
                }
                let problem = Problem::new(
                    word.place.clone(),
                    format!("`{other}` is no place for a log: {}, or an absolute path", or(words)),
                );
                self.problems.push(problem.did_you_mean(other, words));
                None
            }
        }
    }

    fn rotation(&mut self) -> Rotation {
        let default = Rotation::default();
        let max_size = match self.raw.values.get("log.max_size") {
            None => default.max_size,
            Some(value) => self.bytes(value).unwrap_or_else(|| {
                let problem = Problem::new(value.place.clone(), "not a size");
                self.problems.push(problem.hint("write \"10MB\", or 0 for no limit"));
                default.max_size
            }),
        };
        let keep = self.integer("log.keep", 0, LOG_FILES_KEPT_MAX);
        let keep = keep.and_then(|keep| u32::try_from(keep).ok()).unwrap_or(default.keep);
        Rotation { max_size, keep }
    }

    /// A size in bytes, as a number or a text with a unit.
    fn bytes(&mut self, value: &At<Value>) -> Option<u64> {
        match value.value {
            Value::Integer(number) => u64::try_from(number).ok(),
            Value::Text(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::List(_)
            | Value::Table(_)
            | Value::Other(_) => size(&self.word_of(value)?.value),
        }
    }

    fn max_line(&mut self) -> Option<usize> {
        let value = self.raw.values.get("log.max_line")?;
        let bytes = self.bytes(value);
        match bytes.and_then(|bytes| usize::try_from(bytes).ok()) {
            Some(bytes) if (LINE_BYTES_MIN..=LINE_BYTES_MAX).contains(&bytes) => Some(bytes),
            Some(_) | None => {
                let what = format!("not a length of a line: {LINE_BYTES_MIN} to {LINE_BYTES_MAX}");
                let problem = Problem::new(value.place.clone(), what);
                self.problems.push(problem.hint("write \"16KiB\""));
                None
            }
        }
    }

    fn forward_signals(&mut self) -> Vec<Signal> {
        let mut signals = Vec::new();
        for item in self.list("forward_signals").unwrap_or_default() {
            let Some(word) = self.word_of(item) else { continue };
            let Some(signal) = self.signal(&word) else { continue };
            if OWN_SIGNALS.contains(&signal.number()) {
                self.complain(
                    &word.place,
                    format!("{signal} cannot be passed on: it is onit's own"),
                );
            } else {
                signals.push(signal);
            }
        }
        signals
    }

    fn depends_on(&mut self) -> Vec<(At<String>, Option<Condition>)> {
        let conditions = [
            ("started", Condition::Started),
            ("ready", Condition::Ready),
            ("completed", Condition::Completed),
        ];
        match self.raw.values.get("depends_on") {
            None => Vec::new(),
            Some(At { value: Value::Table(entries), .. }) => {
                let mut all = Vec::new();
                for (name, value) in entries {
                    let word = self.word_of(value);
                    let condition =
                        word.and_then(|word| self.among(&word, "a condition", &conditions));
                    all.push((name.clone(), condition));
                }
                all
            }
            Some(_) => {
                let list = self.list("depends_on").unwrap_or_default();
                list.iter().filter_map(|item| Some((self.word_of(item)?, None))).collect()
            }
        }
    }

    fn names(&mut self, key: &str) -> Vec<At<String>> {
        let list = self.list(key).unwrap_or_default();
        list.iter().filter_map(|item| self.word_of(item)).collect()
    }

    // ---- values of a kind ----

    /// One of several words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        what: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let word = self.word(key)?;
        self.among(&word, what, words)
    }

    /// The one of `words` that `word` is.
    pub(super) fn among<T: Copy>(
        &mut self,
        word: &At<String>,
        what: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        if let Some((_, meaning)) = words.iter().find(|(known, _)| *known == word.value) {
            return Some(*meaning);
        }
        let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
        let problem = Problem::new(word.place.clone(), format!("`{}` is not {what}", word.value));
        let guess = problem.clone().did_you_mean(&word.value, &known);
        let problem = match guess.hint {
            Some(_) => guess,
            None => problem.hint(format!("it is {}", or(&known))),
        };
        self.problems.push(problem);
        None
    }

    /// A signal by name.
    pub(super) fn signal(&mut self, word: &At<String>) -> Option<Signal> {
        let signal = Signal::from_name(&word.value);
        if signal.is_none() {
            let what = format!("`{}` is no signal", word.value);
            let problem = Problem::new(word.place.clone(), what);
            let names: Vec<String> =
                Signal::names().flat_map(|name| [name.replacen("SIG", "", 1), name]).collect();
            self.problems.push(problem.did_you_mean(&word.value, names));
        }
        signal
    }

    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        let value = self.raw.values.get(key)?;
        if let Value::Boolean(value) = value.value {
            return Some(value);
        }
        let text = match &value.value {
            Value::Text(_) => self.text_of(value)?,
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::List(_)
            | Value::Table(_)
            | Value::Other(_) => {
                self.wrong_kind(value, "a boolean");
                return None;
            }
        };
        if text.text.is_empty() {
            return None;
        }
        if !text.had_variables {
            let problem = Problem::new(value.place.clone(), format!("`{key}` is not a text"));
            self.problems.push(problem.hint("write true or false without quotes"));
            return None;
        }
        let word = text.text.to_string_lossy().to_ascii_lowercase();
        self.among(&At { value: word, place: text.place }, "true or false", &BOOLEANS)
    }

    /// A boolean from outside of the files, where there are only texts.
    pub(super) fn yes_or_no(&mut self, key: &str) -> Option<bool> {
        let At { value, place } = self.word(key)?;
        let word = At { value: value.to_ascii_lowercase(), place };
        self.among(&word, "true or false", &BOOLEANS)
    }

    pub(super) fn integer(&mut self, key: &str, least: i64, most: i64) -> Option<i64> {
        let value = self.raw.values.get(key)?;
        let number = self.integer_of(value, None)?;
        if (least..=most).contains(&number) {
            return Some(number);
        }
        let what = format!("{number} is out of range: `{key}` is {least} to {most}");
        self.complain(&value.place, what);
        None
    }

    /// A whole number, or a text that stands for one. A text that does not is fine if it may be
    /// `otherwise`.
    pub(super) fn integer_of(&mut self, value: &At<Value>, otherwise: Option<&str>) -> Option<i64> {
        match &value.value {
            Value::Integer(number) => Some(*number),
            Value::Text(_) => {
                let text = self.text_of(value)?;
                if text.text.is_empty() {
                    return None;
                }
                let number = text.text.to_str().and_then(|text| text.trim().parse().ok());
                match number {
                    Some(number) if text.had_variables => Some(number),
                    Some(number) => {
                        let what = format!("\"{number}\" is a text, not a number");
                        let problem = Problem::new(value.place.clone(), what);
                        self.problems.push(problem.hint("write it without quotes"));
                        None
                    }
                    None if otherwise.is_some() => None,
                    None => {
                        let text = text.text.to_string_lossy();
                        self.complain(&value.place, format!("`{text}` is no number"));
                        None
                    }
                }
            }
            Value::Float(_)
            | Value::Boolean(_)
            | Value::List(_)
            | Value::Table(_)
            | Value::Other(_) => {
                self.wrong_kind(value, "a whole number");
                None
            }
        }
    }

    /// A number with a fraction that a variable brought, or else a whole one.
    fn number_of_text(&mut self, value: &At<Value>) -> Option<f64> {
        let text = self.text_of(value)?;
        match text.text.to_str().and_then(|text| text.trim().parse().ok()) {
            Some(number) if text.had_variables => Some(number),
            Some(_) | None => self.integer_of(value, None).map(|number| number as f64),
        }
    }

    fn number(&mut self, key: &str, least: f64, most: f64) -> Option<f64> {
        let value = self.raw.values.get(key)?;
        let number = match &value.value {
            Value::Float(number) => number.parse().ok()?,
            Value::Integer(number) => *number as f64,
            Value::Text(_) => self.number_of_text(value)?,
            Value::Boolean(_) | Value::List(_) | Value::Table(_) | Value::Other(_) => {
                self.wrong_kind(value, "a number");
                return None;
            }
        };
        if (least..=most).contains(&number) {
            return Some(number);
        }
        let what = format!("{number} is out of range: `{key}` is {least} to {most}");
        self.complain(&value.place, what);
        None
    }

    pub(super) fn duration(&mut self, key: &str) -> Option<Duration> {
        let value = self.raw.values.get(key)?;
        self.duration_of(value)
    }

    fn duration_of(&mut self, value: &At<Value>) -> Option<Duration> {
        if let Value::Integer(number) = value.value {
            let problem =
                Problem::new(value.place.clone(), format!("{number} has no unit of time"));
            self.problems.push(problem.hint(format!("write \"{number}s\" or \"{number}ms\"")));
            return None;
        }
        let word = self.word_of(value)?;
        match duration(&word.value) {
            Ok(duration) => Some(duration),
            Err(what) => {
                let problem = Problem::new(word.place, what);
                self.problems.push(problem.hint("write \"500ms\", \"10s\" or \"2m\""));
                None
            }
        }
    }

    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        let value = self.raw.values.get(key)?;
        self.path_of(value, true)
    }

    fn path_of(&mut self, value: &At<Value>, absolute: bool) -> Option<PathBuf> {
        let text = self.text_of(value)?;
        if text.text.is_empty() {
            return None;
        }
        let path = PathBuf::from(text.text);
        if absolute && !path.is_absolute() {
            let what = format!("`{}` is not an absolute path", path.display());
            self.complain(&value.place, what);
            return None;
        }
        Some(path)
    }

    /// A command: words, or a text that is split into words.
    fn command(&mut self, value: &At<Value>) -> Option<Argv> {
        let words = match &value.value {
            Value::List(words) => words.iter().map(|word| (word.clone(), true)).collect(),
            Value::Text(text) => self.split(text, &value.place)?,
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Table(_)
            | Value::Other(_) => {
                self.wrong_kind(value, "a list of words, or a text");
                return None;
            }
        };
        let words: Vec<Option<OsString>> = words
            .iter()
            .map(|(word, stays)| (self.text_of(word).map(|word| word.text), *stays))
            // As in a shell: `app ${OPTIONS:-}` has no argument if there are no options.
            .filter(|(word, stays)| *stays || word.as_ref().is_none_or(|word| !word.is_empty()))
            .map(|(word, _)| word)
            .collect();
        let words: Vec<OsString> = words.into_iter().collect::<Option<_>>()?;
        let mut words = words.into_iter();
        match words.next() {
            Some(program) if !program.is_empty() => {
                Some(Argv { program, arguments: words.collect() })
            }
            Some(_) | None => {
                self.complain(&value.place, "the command is empty");
                None
            }
        }
    }

    /// A command that may be empty, which counts as not set.
    pub(super) fn optional_command(&mut self, key: &str) -> Option<Argv> {
        match self.raw.values.get(key) {
            Some(At { value: Value::List(words), .. }) if words.is_empty() => None,
            Some(At { value: Value::Text(text), .. }) if text.is_empty() => None,
            Some(value) => self.command(value),
            None => None,
        }
    }

    /// The words of a text, each with whether it stays one when it is empty.
    fn split(&mut self, text: &str, place: &Place) -> Option<Vec<(At<Value>, bool)>> {
        let at =
            |word: Word| (At { value: Value::Text(word.text), place: place.clone() }, word.quoted);
        let error = match split(text) {
            Ok(words) => return Some(words.into_iter().map(at).collect()),
            Err(error) => error,
        };
        let problem = match error {
            SplitError::OpenQuote(quote) => {
                Problem::new(place.clone(), format!("a quote {quote} without its end"))
            }
            SplitError::OpenBackslash => {
                Problem::new(place.clone(), "a backslash with nothing behind it")
            }
            SplitError::Operator(operator) => {
                let what = format!("`{operator}` needs a shell, and a command is run without one");
                let text = text.escape_debug();
                Problem::new(place.clone(), what)
                    .hint(format!("write [\"sh\", \"-c\", \"{text}\"]"))
            }
            SplitError::LineBreak => {
                let what =
                    "a line break between words needs a shell, and a command is run without one";
                Problem::new(place.clone(), what)
                    .hint("end the line with a backslash, or write [\"sh\", \"-c\", …]")
            }
            SplitError::Assignment(name) => {
                let what = format!(
                    "`{name}=` before a program needs a shell, and a command is run without one"
                );
                Problem::new(place.clone(), what)
                    .hint(format!("write environment = {{ {name} = \"…\" }}"))
            }
        };
        self.problems.push(problem);
        None
    }

    /// A list of commands, or one command as a text.
    fn commands(&mut self, key: &str) -> Vec<Argv> {
        let Some(value) = self.raw.values.get(key) else { return Vec::new() };
        match &value.value {
            Value::Text(text) if text.is_empty() => Vec::new(),
            Value::Text(_) => self.command(value).into_iter().collect(),
            Value::List(commands) => {
                let mut all = Vec::new();
                for command in commands {
                    match command.value {
                        Value::List(_) => all.extend(self.command(command)),
                        Value::Text(_)
                        | Value::Integer(_)
                        | Value::Float(_)
                        | Value::Boolean(_)
                        | Value::Table(_)
                        | Value::Other(_) => {
                            let what =
                                format!("`{key}` is a list of commands, each a list of words");
                            let problem = Problem::new(command.place.clone(), what);
                            let hint = "write [[\"mkdir\", \"-p\", \"/run/web\"], …]";
                            self.problems.push(problem.hint(hint));
                            return all;
                        }
                    }
                }
                all
            }
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Table(_)
            | Value::Other(_) => {
                self.wrong_kind(value, "a list of commands");
                Vec::new()
            }
        }
    }

    pub(super) fn list(&mut self, key: &str) -> Option<&'a [At<Value>]> {
        let raw = self.raw;
        let value = raw.values.get(key)?;
        match &value.value {
            Value::List(items) => Some(items),
            Value::Text(text) if text.is_empty() => None,
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Table(_)
            | Value::Other(_) => {
                let what = format!("`{key}` is a list, not {}", value.value.kind());
                let problem = Problem::new(value.place.clone(), what);
                self.problems.push(problem.hint(match key {
                    "listen" => "write [[listen]] above the keys of each",
                    _ => "write it in [ and ]",
                }));
                None
            }
        }
    }

    fn table(&mut self, key: &str) -> &'a [(At<String>, At<Value>)] {
        let raw = self.raw;
        let Some(value) = raw.values.get(key) else { return &[] };
        match &value.value {
            Value::Table(entries) => entries,
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::List(_)
            | Value::Other(_) => {
                let what = format!("`{key}` is a table, not {}", value.value.kind());
                let problem = Problem::new(value.place.clone(), what);
                self.problems.push(problem.hint(format!("write [{key}] above its entries")));
                &[]
            }
        }
    }

    /// A text that is not empty; an empty one counts as not set.
    pub(super) fn word(&mut self, key: &str) -> Option<At<String>> {
        let value = self.raw.values.get(key)?;
        self.word_of(value)
    }

    pub(super) fn word_of(&mut self, value: &At<Value>) -> Option<At<String>> {
        let text = self.text_of(value)?;
        if text.text.is_empty() {
            return None;
        }
        match text.text.into_string() {
            Ok(word) => Some(At { value: word, place: text.place }),
            Err(other) => {
                let what = format!("`{}` is not UTF-8", other.to_string_lossy());
                self.complain(&text.place, what);
                None
            }
        }
    }

    /// A text with its variables put in; free of NUL bytes, which end a text for the kernel.
    fn text_of(&mut self, value: &At<Value>) -> Option<Text> {
        let Value::Text(text) = &value.value else {
            self.wrong_kind(value, "a text");
            return None;
        };
        let place = value.place.clone();
        let expanded = expand(text, self.variables);
        let length = expanded.as_ref().map_or(0, |expanded| expanded.text.len());
        self.bytes = self.bytes.saturating_add(length);
        match expanded {
            Ok(_) if self.bytes > VALUES_BYTES_MAX => {
                let what = format!("with its variables longer than {VALUES_BYTES_MAX} bytes");
                self.complain(&Place { line: None, ..place }, what);
                None
            }
            Ok(expanded) if expanded.text.as_encoded_bytes().contains(&0) => {
                self.complain(&place, "a text with a NUL in it");
                None
            }
            Ok(expanded) => {
                Some(Text { text: expanded.text, had_variables: expanded.had_variables, place })
            }
            Err(ExpandError::Unset(_) | ExpandError::Required(..))
                if self.variables.is_elsewhere =>
            {
                None
            }
            Err(error) => {
                let problem = match error {
                    ExpandError::Unset(name) => {
                        Problem::new(place, format!("the variable {name} is not set")).hint(
                            format!("write ${{{name}:-default}}, or $${{{name}}} for the text"),
                        )
                    }
                    ExpandError::Required(name, message) => {
                        Problem::new(place, format!("{name}: {message}"))
                    }
                    ExpandError::Open => {
                        Problem::new(place, "`${` without its `}`").hint("write $${ for the text")
                    }
                    ExpandError::NoName(inside) => {
                        Problem::new(place, format!("`${{{inside}}}` names no variable"))
                            .hint("write ${NAME}, ${NAME:-default} or ${NAME:?message}")
                    }
                    ExpandError::TooLong => {
                        Problem::new(place, format!("a text longer than {VALUE_BYTES_MAX} bytes"))
                    }
                };
                self.problems.push(problem);
                None
            }
        }
    }

    fn wrong_kind(&mut self, value: &At<Value>, wanted: &str) {
        let what = format!("{wanted} is needed here, not {}", value.value.kind());
        self.complain(&value.place, what);
    }

    pub(super) fn place_of(&self, key: &str) -> Option<Place> {
        self.raw.values.get(key).map(|value| value.place.clone())
    }

    pub(super) fn complain(&mut self, place: &Place, what: impl Into<String>) {
        self.problems.push(Problem::new(place.clone(), what));
    }
}

/// The formats by name.
pub(super) const FORMATS: [(&str, Format); 3] =
    [("text", Format::Text), ("json", Format::Json), ("raw", Format::Raw)];

/// The arguments of `after_exit` commands by name.
const EXIT_ARGUMENTS: [(&str, ExitArguments); 2] =
    [("runit", ExitArguments::Runit), ("s6", ExitArguments::S6)];

/// What stands for true and false where a variable is put in.
const BOOLEANS: [(&str, bool); 8] = [
    ("true", true),
    ("false", false),
    ("1", true),
    ("0", false),
    ("yes", true),
    ("no", false),
    ("on", true),
    ("off", false),
];

/// Signals that are onit's own, that cannot be caught, or that say that onit itself is broken:
/// HUP INT QUIT ILL TRAP ABRT BUS FPE KILL SEGV TERM CHLD STOP TSTP TTIN TTOU PWR SYS, 37.
const OWN_SIGNALS: [i32; 19] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 15, 17, 19, 20, 21, 22, 30, 31, 37];

/// A duration with its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if text.trim().parse::<f64>().is_ok() {
        return Err(format!("`{text}` has no unit of time"));
    }
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= DURATION_MAX => Ok(duration),
        Ok(_) => Err(format!("`{text}` is longer than a year")),
        Err(_) => Err(format!("`{text}` is no duration")),
    }
}

/// A size: a number, and K, M or G with or without `B` or `iB`; 1024 to the next.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// `a`, `b` or `c`.
pub(super) fn or(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let check = |text: &str, expected| assert_eq!(size(text), expected, "{text:?}");
        check("512", Some(512));
        check("16KiB", Some(16 << 10));
        check("16 kb", Some(16 << 10));
        check("2M", Some(2 << 20));
        check("1G", Some(1 << 30));
        check("x", None);
        check("1T", None);
        check("99999999999G", None);
    }

    #[test]
    fn durations_have_units_and_an_end() {
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("10").unwrap_err(), "`10` has no unit of time");
        assert_eq!(duration("10 parsecs").unwrap_err(), "`10 parsecs` is no duration");
        assert_eq!(duration("2years").unwrap_err(), "`2years` is longer than a year");
    }
}
