//! Every option of a `circus.ini`, and what becomes of it.

use crate::formats::options::Fate::{Dropped, Mapped, Refused, Remarked};
use crate::formats::options::{OptionInfo, option};

/// circusd is asked over ZeroMQ.
const ENDPOINT: &str = "onit has a control socket of its own: onit status, onit restart";

/// Processes of circus beside those of the file.
const STATISTICS: &str = "onit status tells it";

/// circusd looks at its processes now and then.
const NO_DELAY: &str = "services start as soon as those they wait for let them";

/// onit speaks on its standard error.
const OWN_LOG: &str = "onit speaks on its standard error";

/// Where a stream goes.
const STREAM: &str = "the console for StdoutStream and FancyStdoutStream; a class of one's own is \
                      not run, and the stream goes to the console";

/// What other options a stream has.
const STREAM_OPTION: &str = "`log.max_size` and `log.keep` for max_bytes and backup_count; nothing is rotated by time, and \
                             lines are not coloured; see `log.format`";

/// The table. Of what is remarked nothing is said where it is switched off.
pub const OPTIONS: &[OptionInfo] = &[
    option("circus", "include", Mapped, "these files are read as well"),
    option("circus", "include_dir", Mapped, "the `*.ini` in these directories, too"),
    option("circus", "umask", Mapped, "`umask` of every watcher"),
    option("circus", "loglevel", Mapped, "`log.level` of onit.toml"),
    option("circus", "warmup_delay", Remarked, NO_DELAY),
    option("circus", "check_delay", Dropped, "an end is seen at once"),
    option("circus", "endpoint*", Dropped, ENDPOINT),
    option("circus", "pubsub_endpoint", Dropped, "see onit events"),
    option("circus", "stats_endpoint", Dropped, STATISTICS),
    option("circus", "multicast_endpoint", Dropped, ENDPOINT),
    option("circus", "fqdn_prefix", Dropped, ENDPOINT),
    option("circus", "statsd*", Dropped, STATISTICS),
    option("circus", "httpd", Remarked, "onit has no web page; see onit status"),
    option("circus", "httpd_*", Dropped, "onit has no web page"),
    option("circus", "stream_backend", Dropped, "circus does not look at it either"),
    option("circus", "pidfile", Dropped, "onit is PID 1, or asked by its control socket"),
    option("circus", "logoutput", Dropped, OWN_LOG),
    option("circus", "loggerconfig", Dropped, OWN_LOG),
    option("circus", "debug*", Dropped, "for circus itself; see `log.level`"),
    option("watcher", "cmd", Mapped, "`command`"),
    option("watcher", "args", Mapped, "`command`"),
    option(
        "watcher",
        "shell",
        Mapped,
        "`command = [\"sh\", \"-c\", …]`, with each word in quotes, as there",
    ),
    option("watcher", "shell_args", Mapped, "the words behind that"),
    option("watcher", "working_dir", Mapped, "`directory`"),
    option("watcher", "uid", Mapped, "`user`; HOME, USER, LOGNAME and SHELL are set, too"),
    option("watcher", "gid", Mapped, "`group`; then there are no supplementary groups"),
    option("watcher", "copy_env", Mapped, "not set: `inherit_environment = false`"),
    option("watcher", "numprocesses", Mapped, "`instances`"),
    option("watcher", "autostart", Mapped, "`autostart`"),
    option("watcher", "respawn", Mapped, "`restart`: `always`, or `never`"),
    option(
        "watcher",
        "max_retry",
        Mapped,
        "`backoff.limit`; circus counts only what cannot be executed, onit every early end. Not \
         set: no limit",
    ),
    option("watcher", "graceful_timeout", Mapped, "`stop.timeout`, which is 30s if not set"),
    option("watcher", "stop_signal", Mapped, "`stop.signal`"),
    option("watcher", "stop_children", Mapped, "`stop.scope = \"group\"`"),
    option("watcher", "send_hup", Mapped, "`onit reload` sends SIGHUP, unless told otherwise"),
    option("watcher", "priority", Mapped, "`after` those of the next higher one"),
    option("watcher", "rlimit_*", Mapped, "`limits`; with no value: unlimited"),
    option("watcher", "use_sockets", Mapped, "`listen`, with the sockets its command names"),
    option("watcher", "stdout_stream.class", Mapped, STREAM),
    option("watcher", "stderr_stream.class", Mapped, STREAM),
    option("watcher", "stdout_stream.filename", Mapped, "`log.stdout`"),
    option("watcher", "stderr_stream.filename", Mapped, "`log.stderr`"),
    option("watcher", "stdout_stream.*", Mapped, STREAM_OPTION),
    option("watcher", "stderr_stream.*", Mapped, STREAM_OPTION),
    option("watcher", "close_child_stdout", Mapped, "`log.stdout = \"discard\"`"),
    option("watcher", "close_child_stderr", Mapped, "`log.stderr = \"discard\"`"),
    option("watcher", "close_child_stdin", Dropped, "standard input is /dev/null"),
    option("watcher", "flapping.*", Mapped, "as of [plugin:flapping], for this one"),
    option("watcher", "singleton", Dropped, "there are as many as the file says"),
    option("watcher", "executable", Dropped, "circus does not look at it either"),
    option("watcher", "check_flapping", Dropped, "circus does not look at it either"),
    option("watcher", "warmup_delay", Remarked, "instances are started at the same time"),
    option("watcher", "max_age", Remarked, "it is not restarted because of its age"),
    option("watcher", "max_age_variance", Dropped, "goes with `max_age`"),
    option(
        "watcher",
        "on_demand",
        Remarked,
        "it is started at once, not with the first connection",
    ),
    option(
        "watcher",
        "stdin_socket",
        Refused,
        "onit hands sockets on as LISTEN_FDS, from descriptor 3 on, not as standard input",
    ),
    option("watcher", "copy_path", Remarked, "PYTHONPATH is not set from circus's own"),
    option(
        "watcher",
        "virtualenv*",
        Remarked,
        "no virtualenv is entered: have `cmd` name the python of it",
    ),
    option(
        "watcher",
        "hooks.*",
        Remarked,
        "hooks are Python within circus, and not run; `before_start`, `after_exit` and `[ready]` \
         run commands",
    ),
    option("socket", "host", Mapped, "`listen.address`"),
    option("socket", "port", Mapped, "`listen.address`"),
    option("socket", "path", Mapped, "`listen.address`"),
    option("socket", "backlog", Mapped, "`listen.backlog`"),
    option(
        "socket",
        "umask",
        Mapped,
        "`listen.mode`: what 0777 leaves; circus takes it for a decimal number",
    ),
    option("socket", "family", Mapped, "which address `localhost` is; else seen by the address"),
    option("socket", "type", Mapped, "SOCK_STREAM; another one is refused"),
    option("socket", "replace", Dropped, "a path nobody answers at is replaced"),
    option("socket", "blocking", Dropped, "a socket blocks until its service says otherwise"),
    option("socket", "proto", Dropped, "there is one for each type"),
    option("socket", "so_reuseport", Remarked, "all instances share one socket"),
    option("socket", "interface", Remarked, "sockets are not bound to an interface"),
    option("env", "NAME", Mapped, "`environment`; `$NAME` in a value is onit's own variable"),
    option("env:a,b*", "NAME", Mapped, "the same, for those watchers; the last one holds"),
    option(
        "plugin",
        "use",
        Mapped,
        "Flapping becomes `[backoff]`; another one is not run, with a remark",
    ),
    option("plugin", "attempts", Mapped, "every early end counts, not each so many of them"),
    option("plugin", "window", Mapped, "`backoff.reset_after`"),
    option("plugin", "retry_in", Mapped, "`backoff.initial` and `backoff.max`"),
    option("plugin", "max_retry", Mapped, "`backoff.limit`, one more than that"),
    option("plugin", "active", Mapped, "whether there is Flapping at all"),
    option("plugin", "*", Dropped, "the plug-in is not run"),
];

/// The kinds of sections there are.
pub const SECTIONS: [&str; 5] = ["circus", "watcher", "socket", "env", "plugin"];
