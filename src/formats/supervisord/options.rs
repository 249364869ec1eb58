//! Every option of a `supervisord.conf`, and what becomes of it.

use crate::formats::options::Fate::{Dropped, Mapped, Refused, Remarked};
use crate::formats::options::{OptionInfo, option};

/// Of a file; the console needs no rotation.
const ROTATION: &str = "`log.max_size` and `log.keep`; 50 MB and 10 where nothing is said";

/// What other supervisors run as Python inside of themselves.
const PLUGIN: &str = "a plug-in of supervisord is not run";

/// The table.
pub const OPTIONS: &[OptionInfo] = &[
    option("supervisord", "environment", Mapped, "`environment` of every program"),
    option("supervisord", "user", Mapped, "`user` of every program that names none"),
    option("supervisord", "loglevel", Mapped, "`log.level` of onit.toml"),
    option("supervisord", "minfds", Mapped, "`limits.nofile` of every program, if over 1024"),
    option("supervisord", "logfile*", Dropped, "onit speaks on its standard error"),
    option("supervisord", "pidfile", Dropped, "onit is PID 1, or asked by its control socket"),
    option("supervisord", "umask", Dropped, "only meant when supervisord goes to the background"),
    option(
        "supervisord",
        "directory",
        Dropped,
        "only meant when supervisord goes to the background",
    ),
    option("supervisord", "nodaemon", Dropped, "onit stays in the foreground"),
    option("supervisord", "silent", Dropped, "onit says what matters; see `--log-level`"),
    option("supervisord", "minprocs", Dropped, "a container has a limit of its own"),
    option("supervisord", "nocleanup", Dropped, "onit keeps no log files of its own"),
    option("supervisord", "childlogdir", Dropped, "onit keeps no log files of its own"),
    option("supervisord", "identifier", Dropped, "a name for XML-RPC"),
    option("supervisord", "strip_ansi", Remarked, "escape sequences are not taken out"),
    option("include", "files", Mapped, "these files are read as well"),
    option("program", "command", Mapped, "`command`"),
    option("program", "process_name", Mapped, "the name, where `numprocs` is more than 1"),
    option("program", "numprocs", Mapped, "`instances`, or a service each"),
    option("program", "numprocs_start", Mapped, "the first `process_num`"),
    option(
        "program",
        "priority",
        Mapped,
        "`after` those of the priority before; nobody waits long",
    ),
    option("program", "autostart", Mapped, "`autostart`"),
    option("program", "startsecs", Mapped, "`backoff.reset_after`; 0: `backoff.limit = 0`"),
    option("program", "startretries", Mapped, "`backoff.limit`, one more than that"),
    option("program", "autorestart", Mapped, "`restart`: `always`, `never`, or `on-failure`"),
    option("program", "exitcodes", Mapped, "`success_codes`"),
    option("program", "stopsignal", Mapped, "`stop.signal`"),
    option("program", "stopwaitsecs", Mapped, "`stop.timeout`"),
    option("program", "stopasgroup", Mapped, "`stop.scope = \"group\"`"),
    option("program", "killasgroup", Dropped, "onit leaves nobody behind, in whatever group"),
    option("program", "user", Mapped, "`user`; HOME, USER, LOGNAME and SHELL are set, too"),
    option("program", "redirect_stderr", Mapped, "`log.stderr = \"stdout\"`"),
    option(
        "program",
        "stdout_logfile",
        Mapped,
        "`log.stdout`: the console for /dev/stdout and the like, for AUTO and where it is not set",
    ),
    option("program", "stderr_logfile", Mapped, "`log.stderr`, in the same way"),
    option("program", "stdout_logfile_*", Mapped, ROTATION),
    option("program", "stderr_logfile_*", Mapped, ROTATION),
    option("program", "stdout_capture_maxbytes", Dropped, "for listeners"),
    option("program", "stderr_capture_maxbytes", Dropped, "for listeners"),
    option("program", "stdout_events_enabled", Dropped, "for listeners"),
    option("program", "stderr_events_enabled", Dropped, "for listeners"),
    option("program", "stdout_syslog", Remarked, "there is no syslog; see `log.stdout`"),
    option("program", "stderr_syslog", Remarked, "there is no syslog; see `log.stderr`"),
    option("program", "environment", Mapped, "`environment`"),
    option("program", "directory", Mapped, "`directory`"),
    option("program", "umask", Mapped, "`umask`"),
    option("program", "serverurl", Dropped, "for programs that speak XML-RPC to supervisord"),
    option("group", "programs", Mapped, "only their `priority` is shared"),
    option("group", "priority", Mapped, "as of a program, and before theirs"),
    option(
        "eventlistener",
        "events",
        Mapped,
        "one that ends supervisord when a program is FATAL or EXITED becomes `on_failure` and \
         `on_success`; one that prefixes lines is not needed; others are not run, with a remark",
    ),
    option("eventlistener", "command", Mapped, "tells which of those it is"),
    option("eventlistener", "*", Dropped, "the listener is not run"),
    option(
        "fcgi-program",
        "*",
        Refused,
        "onit hands sockets on as LISTEN_FDS, not as descriptor 0",
    ),
    option("unix_http_server", "*", Dropped, "onit has a control socket of its own"),
    option(
        "inet_http_server",
        "*",
        Remarked,
        "onit has no HTTP server; it is asked by its control socket: see onit status",
    ),
    option("supervisorctl", "*", Dropped, "onit is its own client"),
    option("rpcinterface", "supervisor.rpcinterface_factory", Mapped, PLUGIN),
    option("rpcinterface", "*", Remarked, PLUGIN),
    option("ctlplugin", "*", Remarked, PLUGIN),
];

/// The kinds of sections there are.
pub const SECTIONS: [&str; 11] = [
    "supervisord",
    "include",
    "program",
    "group",
    "eventlistener",
    "fcgi-program",
    "unix_http_server",
    "inet_http_server",
    "supervisorctl",
    "rpcinterface",
    "ctlplugin",
];
