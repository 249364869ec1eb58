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
        options: &[],
        takes: Operands::Files,
        asks: false,
        details: "Exit codes: 0, or 2 with problems.",
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
        summary: "Read the sources again and apply the difference",
        operands: "",
        options: &[flag("dry-run", Some('n'), "Only print the difference"), NO_WAIT, TIMEOUT],
        takes: Operands::Nothing,
        asks: true,
        details: "\
What is new starts, what changed restarts, what is gone stops, and the rest keeps its processes.
With a problem anywhere nothing changes. SIGHUP to onit does the same. What onit.toml says about
onit itself holds from the next start on.

Exit codes: 0 done; 1 problems, or a service that is not up; 5 no onit answers.",
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
ready: every service is up, every oneshot has completed. alive: onit answers, and no service has
failed for good.

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
pub const LATER: [&str; 6] = ["convert", "notify", "probe", "as", "serve", "syslog"];

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
