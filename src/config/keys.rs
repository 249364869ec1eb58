//! The table of keys: the one place that knows which there are. It drives the parser, the hints
//! for misspelt ones, and docs/configuration.md.

/// A key of a service file or of `onit.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name, behind its section: `command`, `stop.signal`.
    pub name: &'static str,
    /// What it takes, in words.
    pub takes: &'static str,
    /// What holds when it is not set, in words.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Whether it does something already; one that does not is refused.
    pub built: bool,
}

const fn key(
    name: &'static str,
    takes: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key { name, takes, default, meaning, built: true }
}

/// A key that is known, and will do something one day.
const fn later(name: &'static str, meaning: &'static str) -> Key {
    Key { name, takes: "", default: "", meaning, built: false }
}

/// The keys of a service file.
pub const SERVICE: &[Key] = &[
    key(
        "command",
        "list of words, or one text",
        "required",
        "What is run. A text is split as a shell would split it, without a shell.",
    ),
    key("description", "text", "none", "What it is, in your words."),
    key("enabled", "boolean", "`true`", "Whether it is part of the plan at all."),
    key(
        "type",
        "`service`, `oneshot`",
        "`service`",
        "A service is kept running; a oneshot runs once, to its end.",
    ),
    key(
        "timeout",
        "duration",
        "none",
        "How long a oneshot may take. Then it is stopped, and has failed.",
    ),
    key(
        "autostart",
        "boolean",
        "`true`",
        "Whether it is started with onit. If not, `onit start` does it, or one that needs it.",
    ),
    key(
        "depends_on",
        "list of names, or table of name and `started`, `ready`, `completed`",
        "none",
        "Must have been reached before this one starts: ready, for a oneshot completed. If one of \
         them has failed for good, this one is not started.",
    ),
    key(
        "after",
        "list of names",
        "none",
        "Order only: this one starts when those are ready or known to have failed.",
    ),
    key(
        "restart_with",
        "list of names",
        "none",
        "It is restarted when one of those runs again, and starts after them as with `after`.",
    ),
    key(
        "restart",
        "`always`, `on-failure`, `never`",
        "`always`; for a oneshot `never`",
        "Whether it is started again when it has ended unasked.",
    ),
    key(
        "success_codes",
        "list of exit codes and signal names",
        "`[0]`",
        "Which ends count as success.",
    ),
    key(
        "on_success",
        "`continue`, `shutdown`",
        "`continue`",
        "What its successful end for good means for everything else.",
    ),
    key(
        "on_failure",
        "`shutdown`, `continue`",
        "`shutdown`",
        "What its failure for good means for everything else.",
    ),
    key(
        "instances",
        "number, 0 to 1000",
        "one",
        "So many of the same: `web@1`, `web@2` and so on, each with its number in `${INSTANCE}`. The \
         name of the file means all of them.",
    ),
    key("directory", "absolute path", "inherited", "Working directory."),
    key(
        "user",
        "name or number",
        "inherited",
        "As whom it runs. Sets HOME, USER, LOGNAME, SHELL and the supplementary groups.",
    ),
    key("group", "name or number", "the user's", "Its group; then it has no other."),
    key("groups", "list of names or numbers", "the user's", "Its supplementary groups."),
    key(
        "capabilities",
        "list of names",
        "inherited",
        "The capabilities it keeps, and no other: bounding, permitted and ambient. `[]`: none.",
    ),
    key(
        "no_new_privileges",
        "boolean",
        "`false`",
        "Whether nothing it executes may gain privileges, by setuid or otherwise.",
    ),
    key("root", "absolute path", "onit's own", "What it has for its root directory (chroot)."),
    key(
        "oom_score_adj",
        "number, -1000 to 1000",
        "inherited",
        "Whom the kernel kills first when memory is short: the highest.",
    ),
    key("umask", "text of octal digits", "inherited", "File mode mask."),
    key("nice", "number, -20 to 19", "inherited", "Nice value."),
    key(
        "limits",
        "table of resource and number, `unlimited`, or `soft:hard`",
        "inherited",
        "Resource limits: as core cpu data fsize memlock msgqueue nice nofile nproc rss rtprio \
         rttime sigpending stack. Sizes may end in K, M or G.",
    ),
    key("environment", "table of name and value", "none", "Variables, over all others."),
    key(
        "environment_files",
        "list of paths",
        "none",
        "Files of KEY=value lines, read at each start.",
    ),
    key(
        "secrets",
        "table of name and absolute path",
        "none",
        "Variables whose values are read from files at each start, over all others, and never shown.",
    ),
    key(
        "file_variables",
        "list of names",
        "none",
        "Each takes its value from the file that NAME_FILE names, if that is set.",
    ),
    key(
        "inherit_environment",
        "boolean, or list of patterns",
        "`true`",
        "Which of onit's own variables it gets.",
    ),
    key(
        "before_start",
        "list of commands",
        "none",
        "Run before the command, one after another, as onit's own user; 60 s each.",
    ),
    key(
        "after_exit",
        "list of commands",
        "none",
        "Run after the command has ended, with ONIT_EXIT_CODE and ONIT_EXIT_SIGNAL.",
    ),
    key(
        "after_exit_arguments",
        "`runit`, `s6`",
        "none",
        "What is added to each of those: as for `finish` of runit the exit code, or -1, and the \
         signal, or 0; as for that of s6 the exit code, or 256, the signal, or 0, the name, \
         and the process group that was. There exit code 125 says that the service has failed for good.",
    ),
    key("after_exit_timeout", "duration", "`5s`", "How long each of them may take."),
    key(
        "pid_namespace",
        "boolean",
        "`false`",
        "It is the first process of a PID namespace of its own: signals it has no handler for pass \
         it by, and nobody outlives it. Needs CAP_SYS_ADMIN.",
    ),
    key(
        "supervise",
        "absolute path",
        "none",
        "A directory that is kept as runit's `supervise/`, for `sv` and `svstat`.",
    ),
    key(
        "forward_signals",
        "list of signal names",
        "none",
        "Signals to onit that are passed on to it.",
    ),
    key("backoff.initial", "duration", "`100ms`", "The wait after the first end."),
    key("backoff.factor", "number, 1 or more", "`2`", "How much longer each further wait is."),
    key("backoff.max", "duration", "`30s`", "The longest wait."),
    key("backoff.jitter", "number, 0 to 1", "`0.1`", "The random part of a wait."),
    key(
        "backoff.reset_after",
        "duration",
        "`10s`",
        "A run this long is followed by a start at once, and the count begins again.",
    ),
    key(
        "backoff.limit",
        "number",
        "`10`",
        "This many ends in a row, each before reset_after, are a failure for good; 0 for never.",
    ),
    key(
        "stop.signal",
        "signal name, or list of pairs of signal and duration",
        "`SIGTERM`",
        "What asks it to stop; with a list each with the time until the next. KILL follows.",
    ),
    key(
        "stop.command",
        "command",
        "none",
        "Run instead of the signal, with ONIT_MAIN_PID; the signal follows if it fails. Of a \
         oneshot: run when it has completed and is stopped, to undo what it did.",
    ),
    key("stop.timeout", "duration", "`10s`", "From the first signal to the KILL."),
    key("stop.scope", "`process`, `group`", "`process`", "Who gets the signal."),
    key(
        "stop.leftovers",
        "`kill`, `keep`",
        "`kill`",
        "What becomes of the rest of its processes when its main one has ended.",
    ),
    key(
        "log.stdout",
        "`console`, `discard`, `inherit`, absolute path, or `service:NAME`",
        "`console`",
        "Where standard output goes; `service:NAME` is the standard input of that service.",
    ),
    key("log.stderr", "the same, or `stdout`", "`console`", "Where standard error goes."),
    key("log.format", "`text`, `json`, `raw`", "onit's", "The shape of its lines."),
    key(
        "log.max_line",
        "size, 256 to 1M",
        "`16KiB`",
        "Longest line written, prefix included; a longer one is cut into several.",
    ),
    key(
        "log.max_size",
        "size, or 0 for no limit",
        "`10MB`",
        "A file is full at this size; then it is renamed to `NAME.1`, and a new one is begun.",
    ),
    key(
        "log.keep",
        "number, 0 to 1000",
        "`5`",
        "So many full files are kept: `NAME.1` to `NAME.5`.",
    ),
    key("ready.notify", "boolean", "`false`", "It is ready when it says READY=1 (sd_notify)."),
    key(
        "ready.fd",
        "number, 3 or more",
        "none",
        "It is ready when it writes a newline to this descriptor, as under s6.",
    ),
    key("ready.log", "text", "none", "It is ready when it writes a line that contains this."),
    key("ready.tcp", "`host:port`", "none", "It is ready when it accepts a connection there."),
    key("ready.unix", "absolute path", "none", "The same, for the stream socket at this path."),
    key(
        "ready.http",
        "URL",
        "none",
        "It is ready when a GET is answered with a status from 200 to 399.",
    ),
    key("ready.exec", "command", "none", "It is ready when this ends with exit code 0."),
    key("ready.file", "absolute path", "none", "It is ready when this is there."),
    key(
        "ready.interval",
        "duration",
        "`500ms`",
        "From one such look to the next; the first few follow sooner.",
    ),
    key(
        "ready.timeout",
        "duration",
        "`60s`",
        "If it is not ready by then, that is a failed start.",
    ),
    key("health.tcp", "`host:port`", "none", "It is well if it accepts a connection there."),
    key("health.unix", "absolute path", "none", "The same, for the stream socket at this path."),
    key(
        "health.http",
        "URL",
        "none",
        "It is well if a GET is answered with a status from 200 to 399.",
    ),
    key("health.exec", "command", "none", "It is well if this ends with exit code 0."),
    key("health.file", "absolute path", "none", "It is well if this is there."),
    key(
        "health.watchdog",
        "duration",
        "none",
        "It is well as long as it says WATCHDOG=1 at least this often (sd_notify).",
    ),
    key("health.interval", "duration", "`10s`", "From one look to the next."),
    key("health.timeout", "duration", "`3s`", "How long one look may take."),
    key("health.retries", "number", "`3`", "So many failures in a row make it unhealthy."),
    key(
        "health.start_period",
        "duration",
        "`0s`",
        "Failures this soon after it became ready do not count, unless one look has succeeded.",
    ),
    key(
        "health.on_unhealthy",
        "`restart`, `shutdown`, `continue`",
        "`restart`",
        "What is done about it, once. A restart is a failed run: `restart` and `[backoff]` hold.",
    ),
    key("reload.signal", "signal name", "`SIGHUP`", "What `onit reload NAME` sends it."),
    key("reload.command", "command", "none", "Run instead of that, with ONIT_MAIN_PID."),
    key(
        "reload.notify",
        "boolean",
        "`false`",
        "Whether it answers with RELOADING=1 and, when it is done, READY=1 (sd_notify).",
    ),
    key("reload.timeout", "duration", "`60s`", "How long it may take."),
    key(
        "listen",
        "list of tables, `[[listen]]`",
        "none",
        "Sockets that are bound once, handed on as LISTEN_FDS, and kept through restarts.",
    ),
    later("schedule", "when a job runs"),
    later("timezone", "the time zone of a schedule"),
    later("overlap", "what a job does while it still runs"),
];

/// The keys of a table of `[[listen]]`.
pub const LISTEN: &[Key] = &[
    key("name", "text", "the service's name", "What it is called in LISTEN_FDNAMES."),
    key(
        "address",
        "`address:port`, or absolute path",
        "none",
        "Where it is bound. Without it, or if onit was handed a socket of this name, that one is used.",
    ),
    key("backlog", "number", "`4096`", "How many connections may wait to be accepted."),
    key("mode", "text of octal digits", "what the umask leaves", "The mode of a path."),
    key("user", "name or number", "the service's", "Who owns a path."),
    key("group", "name or number", "the service's", "Whose group a path has."),
];

/// The keys of `onit.toml`. `[service_defaults]` takes the keys of a service file.
pub const SETTINGS: &[Key] = &[
    key(
        "stop_timeout",
        "duration",
        "`9s`; `29s` in Kubernetes",
        "The whole time a shutdown may take.",
    ),
    key(
        "stop_signals",
        "list of signal names",
        "none",
        "Further signals that ask for an orderly stop.",
    ),
    key("log.format", "`text`, `json`, `raw`", "`text`", "The shape of the lines."),
    key("log.timestamps", "boolean", "`false`", "Whether text lines begin with the time."),
    key(
        "log.level",
        "`error`, `warn`, `info`, `debug`",
        "`info`; `warn` without services",
        "How much onit says about itself.",
    ),
    key(
        "control.socket",
        "absolute path",
        "`/run/onit.sock`",
        "Where the control socket is; without a place in /run a directory under /dev/shm.",
    ),
];

/// Keys of a service file that make no sense as a default for all.
pub const NO_DEFAULTS: [&str; 7] =
    ["command", "description", "depends_on", "after", "restart_with", "listen", "instances"];

/// The key called `name`, which may be the name of a section of keys that are all unbuilt.
#[must_use]
pub fn find(table: &[Key], name: &str) -> Option<Key> {
    table.iter().find(|key| key.name == name).copied()
}

/// Whether `name` is the name of a section: `stop` of `stop.signal`.
#[must_use]
pub fn is_section(table: &[Key], name: &str) -> bool {
    table.iter().any(|key| key.name.split_once('.').is_some_and(|(section, _)| section == name))
}

/// The names that may stand in `section`, or at the top with none.
pub fn names<'a>(table: &'a [Key], section: &'a str) -> impl Iterator<Item = &'a str> {
    table.iter().filter_map(move |key| match key.name.split_once('.') {
        Some((of, name)) if of == section => Some(name),
        Some((of, _)) if section.is_empty() => Some(of),
        Some(_) => None,
        None if section.is_empty() => Some(key.name),
        None => None,
    })
}

/// The whole name of the first key that is called `name` in some section, or at the top.
#[must_use]
pub fn elsewhere(table: &[Key], name: &str) -> Option<&'static str> {
    let last = |key: &Key| key.name.rsplit_once('.').map_or(key.name, |(_, last)| last);
    table.iter().find(|key| last(key) == name).map(|key| key.name)
}
