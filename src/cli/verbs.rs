//! The table of verbs: what each takes, in one place. It drives parsing, hints, help, completions
//! and the manual.

/// A verb of the command line.
#[derive(Debug)]
pub struct VerbInfo {
    /// What is typed.
    pub name: &'static str,
    /// In a few words, for a list of verbs.
    pub summary: &'static str,
    /// What follows the verb besides options, as in a synopsis.
    pub operands: &'static str,
    /// Its options, besides `--help` and, where it speaks to a running onit, `--socket`.
    pub options: &'static [OptionInfo],
    /// What the operands are, for completions.
    pub takes: Operands,
    /// Whether it speaks to a running onit.
    pub asks: bool,
    /// Paragraphs, examples and exit codes.
    pub details: &'static str,
}

/// An option of a verb.
#[derive(Debug)]
pub struct OptionInfo {
    /// The long form, without its dashes.
    pub long: &'static str,
    /// The short form, without its dash.
    pub short: Option<char>,
    /// What its value is called.
    pub value: Value,
    /// What it does.
    pub help: &'static str,
    /// The variable that does the same.
    pub variable: &'static str,
}

/// Whether an option takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// It does not.
    None,
    /// It must have one, called so.
    Needed(&'static str),
    /// It may have one, after a `=`.
    Possible(&'static str),
}

/// What follows a verb, for completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    /// Nothing.
    Nothing,
    /// Files.
    Files,
    /// Names of services.
    Names,
    /// One of these words.
    Words(&'static [&'static str]),
}

const fn flag(long: &'static str, short: Option<char>, help: &'static str) -> OptionInfo {
    OptionInfo { long, short, value: Value::None, help, variable: "" }
}

const fn valued(
    long: &'static str,
    short: Option<char>,
    value: &'static str,
    help: &'static str,
    variable: &'static str,
) -> OptionInfo {
    OptionInfo { long, short, value: Value::Needed(value), help, variable }
}

/// What every verb takes.
pub const HELP: OptionInfo = flag("help", Some('h'), "Print this");

/// What onit itself takes.
pub const VERSION: OptionInfo = flag("version", Some('V'), "Print the version");

/// What every verb takes that speaks to a running onit.
pub const SOCKET: OptionInfo =
    valued("socket", None, "PATH", "Where the control socket is", "ONIT_SOCKET");

const FORMAT: OptionInfo = valued(
    "format",
    None,
    "FORMAT",
    "What the sources are, if not seen: native, supervisord, circus, procfile, runit, s6, s6-rc, s6-overlay",
    "ONIT_FORMAT",
);
const FORMATION: OptionInfo = valued(
    "formation",
    Some('m'),
    "NAME=N,…",
    "How many of each process of a Procfile",
    "ONIT_FORMATION",
);
const NO_WAIT: OptionInfo = flag("no-wait", None, "Do not wait for the outcome");
const TIMEOUT: OptionInfo =
    valued("timeout", None, "TIME", "Wait no longer than this, such as 10s", "");
const JSON: OptionInfo = flag("json", None, "Print JSON, for programs");

/// Every verb.
pub const VERBS: &[VerbInfo] = &[
    VerbInfo {
        name: "run",
        summary: "Supervise services, a main command, or both",
        operands: "[SOURCE…] [-- COMMAND [ARG…]]",
        options: &[
            valued(
                "stop-timeout",
                None,
                "TIME",
                "The whole time a shutdown may take, such as 9s",
                "ONIT_STOP_TIMEOUT",
            ),
            valued(
                "stop-signals",
                None,
                "SIGNALS",
                "Further signals that ask for an orderly stop, separated by commas",
                "ONIT_STOP_SIGNALS",
            ),
            valued(
                "log-format",
                None,
                "FORMAT",
                "The shape of the lines: text, json or raw",
                "ONIT_LOG_FORMAT",
            ),
            valued(
                "log-level",
                None,
                "LEVEL",
                "How much onit says about itself: error, warn, info or debug",
                "ONIT_LOG_LEVEL",
            ),
            OptionInfo {
                long: "log-timestamps",
                short: None,
                value: Value::Possible("BOOL"),
                help: "Whether text lines begin with the time: true or false",
                variable: "ONIT_LOG_TIMESTAMPS",
            },
            FORMAT,
            FORMATION,
            SOCKET,
        ],
        takes: Operands::Files,
        asks: false,
        details: "\
This is what onit does without a verb. Without SOURCE, ONIT_SOURCES (separated by colons) or
/etc/onit/services is read. The main command after `--` is started when all services are up; its
end ends everything.

  onit -- nginx -g 'daemon off;'     one program, as under tini
  onit /etc/onit/services            a directory of services
  onit services -- app serve         services, and then the program they are for

Exit codes: that of the main command; without one, that of the service whose failure ended
everything, or 0; 2 bad usage or configuration; 126 and 127 the main command cannot be
executed or is not found; 70 an internal fault.",
    },
    VerbInfo {
        name: "check",
        summary: "Print the plan in start order, or every problem at once",
        operands: "[SOURCE…]",
        options: &[FORMAT, FORMATION],
        takes: Operands::Files,
        asks: false,
        details: "\
What is to be known of sources of other formats is printed below the plan.

Exit codes: 0, or 2 with problems.",
    },
    VerbInfo {
        name: "convert",
        summary: "Print any source as service files of our own format",
        operands: "SOURCE…",
        options: &[
            valued("output", Some('o'), "DIR", "Write the files into this directory", ""),
            FORMAT,
            FORMATION,
        ],
        takes: Operands::Files,
        asks: false,
        details: "\
What has no counterpart is a comment beside the key it is about, and is told on standard error.
Files that are there already are not written over.

  onit convert Procfile
  onit convert Procfile -o services

Exit codes: 0 done; 1 done, and there is something to be known; 2 refused, nothing written.",
    },
    VerbInfo {
        name: "status",
        summary: "Show how services are: a line each, or the whole story of one",
        operands: "[NAME…]",
        options: &[JSON, flag("watch", Some('w'), "Refresh every second")],
        takes: Operands::Names,
        asks: true,
        details: "\
With one NAME: why it is not up, when the next attempt is, what it waits for, its last ends, and
its last lines. CPU and MEMORY are those of all its processes; with --watch CPU is a percentage.

  onit status
  onit status web
  onit status 'worker-*' --json

Exit codes: 0 all of them are up or have completed; 3 one is not; 4 no service is called so;
5 no onit answers.",
    },
    VerbInfo {
        name: "start",
        summary: "Start services, and what they need",
        operands: "NAME…",
        options: &[NO_WAIT, TIMEOUT],
        takes: Operands::Names,
        asks: true,
        details: "\
A service in back-off is tried at once, a failed one again. A oneshot is waited for until it has
completed.

Exit codes: 0 they are up; 1 one is not, and why; 4 no service is called so; 5 no onit answers.",
    },
    VerbInfo {
        name: "stop",
        summary: "Stop services",
        operands: "NAME…",
        options: &[
            NO_WAIT,
            TIMEOUT,
            flag("force", None, "Also if others need them, which go on without"),
            flag("with-dependents", None, "Stop those that need them before"),
        ],
        takes: Operands::Names,
        asks: true,
        details: "\
What is stopped stays down until it is started, and onit stays as long as something is stopped
by hand. `'*'` means all.

Exit codes: 0 they are down; 1 they are not, or others need them; 4 no service is called so;
5 no onit answers.",
    },
    VerbInfo {
        name: "restart",
        summary: "Stop services, if they run, and start them",
        operands: "NAME…",
        options: &[NO_WAIT, TIMEOUT],
        takes: Operands::Names,
        asks: true,
        details: "\
Exit codes: 0 they are up again; 1 one is not, and why; 4 no service is called so; 5 no onit
answers.",
    },
    VerbInfo {
        name: "reload",
        summary: "Apply what the sources say now, or have services read theirs again",
        operands: "[NAME…]",
        options: &[flag("dry-run", Some('n'), "Only print the difference"), NO_WAIT, TIMEOUT],
        takes: Operands::Names,
        asks: true,
        details: "\
With NAMEs: these services read their own configuration again, as `[reload]` of their files says.
Without: the sources are read again. What is new starts, what changed restarts, what is gone stops,
and the rest keeps its processes. With a problem anywhere nothing changes. SIGHUP to onit does the
same. What onit.toml says about onit itself holds from the next start on.

Exit codes: 0 done; 1 problems, a service that is not up, or one that did not reload; 4 no service
is called so; 5 no onit answers.",
    },
    VerbInfo {
        name: "signal",
        summary: "Send a signal to the commands of services",
        operands: "SIGNAL NAME…",
        options: &[],
        takes: Operands::Names,
        asks: true,
        details: "\
  onit signal HUP nginx

Exit codes: 0 sent; 1 it does not run; 4 no service is called so; 5 no onit answers.",
    },
    VerbInfo {
        name: "logs",
        summary: "Show what services wrote lately",
        operands: "[NAME…]",
        options: &[
            flag("follow", Some('f'), "Go on with what is yet to come"),
            valued("lines", Some('n'), "N", "At most so many lines of each stream", ""),
            JSON,
        ],
        takes: Operands::Names,
        asks: true,
        details: "\
Up to 32 KiB of each stream are kept in memory. What onit itself says is there under the name
onit. A reader that is too slow is told how many lines it missed.

Exit codes: 0; 1 nothing is kept of it; 4 no service is called so; 5 no onit answers.",
    },
    VerbInfo {
        name: "events",
        summary: "Show changes of state",
        operands: "[NAME…]",
        options: &[flag("follow", Some('f'), "Go on with what is yet to come"), JSON],
        takes: Operands::Names,
        asks: true,
        details: "\
  onit events -f --json | while read -r event; do …; done

Exit codes: 0; 4 no service is called so; 5 no onit answers, or it has ended.",
    },
    VerbInfo {
        name: "wait",
        summary: "Wait until services have come so far",
        operands: "NAME…",
        options: &[
            valued("for", None, "WHAT", "ready (the default), stopped or done", ""),
            TIMEOUT,
        ],
        takes: Operands::Names,
        asks: true,
        details: "\
  onit wait migrate --for done --timeout 5m

Exit codes: 0 they have; 1 they never will, or the time is over; 4 no service is called so;
5 no onit answers.",
    },
    VerbInfo {
        name: "health",
        summary: "Say whether all is well, for health checks",
        operands: "",
        options: &[valued("level", None, "LEVEL", "ready (the default) or alive", "")],
        takes: Operands::Nothing,
        asks: true,
        details: "\
ready: every service is ready and healthy, every oneshot has completed. alive: onit answers, and no
service has failed for good.

  HEALTHCHECK CMD [\"/onit\", \"health\"]

Exit codes: 0 well; 1 not, or no onit answers.",
    },
    VerbInfo {
        name: "shutdown",
        summary: "Stop everything",
        operands: "",
        options: &[
            valued("exit-code", None, "N", "What onit exits with, without a main command", ""),
            NO_WAIT,
            TIMEOUT,
        ],
        takes: Operands::Nothing,
        asks: true,
        details: "Exit codes: 0 onit has ended; 1 not in time; 5 no onit answers.",
    },
    VerbInfo {
        name: "probe",
        summary: "Try once whether something answers",
        operands: "tcp HOST:PORT | unix PATH | http URL | file PATH | exec COMMAND [ARG…]",
        options: &[valued(
            "timeout",
            None,
            "TIME",
            "Wait no longer than this, such as 500ms; 3s without it",
            "",
        )],
        takes: Operands::Words(&["tcp", "unix", "http", "file", "exec"]),
        asks: false,
        details: "\
tcp and unix: a connection is accepted. http: a GET is answered with a status from 200 to 399.
file: something is there. exec: the command ends with exit code 0; what it leaves running is
killed, and so is all of it when the time is over.

  onit probe tcp localhost:5432
  onit probe http 'http://127.0.0.1:8080/ready?deep=1'
  onit probe --timeout 10s exec -- pg_isready -q
  HEALTHCHECK CMD [\"/onit\", \"probe\", \"http\", \"http://localhost:8080/\"]

It asks no running onit and needs no other program. HOST is an address, localhost, or a name of
/etc/hosts; an IPv6 address stands in brackets. Who starts it should give it more time than
--timeout does.

Exit codes: 0 yes; 1 no, with the reason on standard error; 2 bad usage; 128 + n when signal n
ended an exec before its time.",
    },
    VerbInfo {
        name: "notify",
        summary: "Tell onit, from a script, how its service is",
        operands: "KEY=VALUE…",
        options: &[flag("no-block", None, "Do not wait until it has been taken notice of")],
        takes: Operands::Words(&["READY=1", "RELOADING=1", "STOPPING=1", "WATCHDOG=1", "STATUS="]),
        asks: false,
        details: "\
This is sd_notify(3): it speaks to the socket in NOTIFY_SOCKET, whoever made it. Only a service
whose file asks for it has one: with ready.notify, health.watchdog or reload.notify.

  onit notify READY=1 'STATUS=the index is built'
  onit notify RELOADING=1

RELOADING=1 gets its MONOTONIC_USEC. Each of sending and waiting takes 5 s at most.

Exit codes: 0 told; 1 there is nobody to tell, or nobody took notice; 2 bad usage.",
    },
    VerbInfo {
        name: "as",
        summary: "Step down to a user, and execute a command",
        operands: "USER[:GROUP] COMMAND [ARG…]",
        options: &[],
        takes: Operands::Files,
        asks: false,
        details: "\
This process becomes the command: there is no other in between. USER and GROUP are names of
/etc/passwd and /etc/group, or numbers, which need no entry there. With a GROUP that is the only
one; without it they are the user's. An empty part is left as it is. HOME, USER, LOGNAME and SHELL
are the user's; everything else stays.

  onit as www-data nginx -g 'daemon off;'
  onit as 1000:1000 app serve
  exec onit as \"$APP_USER\" \"$@\"

On a terminal the command shares it with whoever started this: kernels before 6.2 let it type there.

Exit codes: those of the command; 1 it cannot become that; 2 bad usage; 126 and 127 the command
cannot be executed or is not found.",
    },
    VerbInfo {
        name: "completions",
        summary: "Print completions for a shell",
        operands: "bash|zsh|fish",
        options: &[],
        takes: Operands::Words(&["bash", "zsh", "fish"]),
        asks: false,
        details: "\
  onit completions bash > /usr/share/bash-completion/completions/onit
  onit completions zsh > \"${fpath[1]}/_onit\"
  onit completions fish > ~/.config/fish/completions/onit.fish",
    },
    VerbInfo {
        name: "manual",
        summary: "Print the manual page",
        operands: "",
        options: &[],
        takes: Operands::Nothing,
        asks: false,
        details: "  onit manual | man -l -",
    },
];

/// Verbs that are not there yet.
pub const LATER: [&str; 2] = ["serve", "syslog"];

/// The verb called so.
#[must_use]
pub fn find(name: &str) -> Option<&'static VerbInfo> {
    VERBS.iter().find(|verb| verb.name == name)
}

impl VerbInfo {
    /// All its options.
    pub fn all_options(&self) -> impl Iterator<Item = &OptionInfo> {
        let socket = self.asks.then_some(&SOCKET);
        let version = (self.name == "run").then_some(&VERSION);
        self.options.iter().chain(socket).chain([&HELP]).chain(version)
    }
}

impl OptionInfo {
    /// How it is written: `-n, --lines N`.
    #[must_use]
    pub fn form(&self) -> String {
        let short = self.short.map_or("    ".to_owned(), |short| format!("-{short}, "));
        let long = self.long;
        match self.value {
            Value::None => format!("{short}--{long}"),
            Value::Needed(value) => format!("{short}--{long} {value}"),
            Value::Possible(value) => format!("{short}--{long}[={value}]"),
        }
    }

    /// What it does, with the variable that does the same.
    #[must_use]
    pub fn meaning(&self) -> String {
        match self.variable {
            "" => self.help.to_owned(),
            variable => format!("{} [env: {variable}]", self.help),
        }
    }
}
