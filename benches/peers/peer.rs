//! Who is measured: one table, with what each was asked to do.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::prepare;
use crate::source::Source;

/// A program that is compared.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Its main program, by which we see whether it is installed.
    pub(crate) program: &'static str,
    pub(crate) source: Source,
    /// How it was told, as far as that matters to the numbers.
    pub(crate) asked: &'static str,
    /// What it takes part in.
    parts: &'static [Part],
    /// Writes the files for a task into the directory; the command line, or why it cannot do that.
    pub(crate) prepare: fn(&Path, &Task) -> Result<Vec<String>, &'static str>,
    /// Why a TERM is no orderly stop to it, if it is none.
    pub(crate) not_orderly: Option<&'static str>,
}

/// What a peer can take part in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Keeps services running.
    Services,
    /// Moves what services write.
    Logs,
    /// Is PID 1 for one program.
    Command,
}

/// What is to be run.
pub(crate) struct Task {
    /// The command of each service.
    pub(crate) commands: Vec<Vec<String>>,
    pub(crate) log: Log,
}

/// What is to be done with what the services write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    /// They write nothing.
    Silent,
    /// Moved to the standard output of PID 1, line by line.
    Console,
    /// Kept in files, a new one after 10 MB, 5 of the old ones.
    Files,
}

/// How this program is called when it is a service: see roles.rs.
pub(crate) const ACTOR: &str = "bench-actor";

/// How it calls itself when it makes orphans on request.
pub(crate) const MAKER: &str = "bench-maker";

/// How the copy of sleep(1) is called. It is looked for by its name on the whole machine, so no
/// other run has one that is called so.
pub(crate) fn sleeper() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| format!("sleep-{}", std::process::id()))
}

/// Services are told from their supervisors by their names.
pub(crate) fn is_service(name: &str) -> bool {
    [sleeper(), ACTOR, MAKER].contains(&name)
}

/// The binary of this source.
pub(crate) const ONIT_PROGRAM: &str = env!("CARGO_BIN_EXE_onit");

/// A peer is added here; benches/README.md says how.
pub(crate) const PEERS: [Peer; 17] = [
    Peer {
        name: "onit",
        program: ONIT_PROGRAM,
        source: Source::Here,
        asked: "a file a service; an end after 500 ms counts as one out of the blue; lines as text",
        parts: &[Part::Services, Part::Logs],
        prepare: prepare::onit_text,
        not_orderly: None,
    },
    Peer {
        name: "onit, json",
        program: ONIT_PROGRAM,
        source: Source::Here,
        asked: "the same; a JSON object a line",
        parts: &[Part::Logs],
        prepare: prepare::onit_json,
        not_orderly: None,
    },
    Peer {
        name: "onit, raw",
        program: ONIT_PROGRAM,
        source: Source::Here,
        asked: "the same; lines as they are",
        parts: &[Part::Logs],
        prepare: prepare::onit_raw,
        not_orderly: None,
    },
    Peer {
        name: "onit --",
        program: ONIT_PROGRAM,
        source: Source::Here,
        asked: "`onit -- COMMAND`",
        parts: &[Part::Command],
        prepare: prepare::onit_command,
        not_orderly: None,
    },
    Peer {
        name: "tini",
        program: "tini",
        source: Source::Debian("tini"),
        asked: "`tini -- COMMAND`",
        parts: &[Part::Command],
        prepare: prepare::tini,
        not_orderly: None,
    },
    Peer {
        name: "tini-static",
        program: "tini-static",
        source: Source::Debian("tini"),
        asked: "`tini-static -- COMMAND`",
        parts: &[Part::Command],
        prepare: prepare::tini_static,
        not_orderly: None,
    },
    Peer {
        name: "dumb-init",
        program: "dumb-init",
        source: Source::Debian("dumb-init"),
        asked: "`dumb-init -c -- COMMAND`: with -c signals go to the command alone, as with the rest",
        parts: &[Part::Command],
        prepare: prepare::dumb_init,
        not_orderly: None,
    },
    Peer {
        name: "catatonit",
        program: "catatonit",
        source: Source::Debian("catatonit"),
        asked: "`catatonit -- COMMAND`",
        parts: &[Part::Command],
        prepare: prepare::catatonit,
        not_orderly: None,
    },
    Peer {
        name: "s6",
        program: "s6-svscan",
        source: Source::Debian("s6"),
        asked: "`s6-svscan -c 4000`; the run scripts are shells that exec",
        parts: &[Part::Services],
        prepare: prepare::s6,
        not_orderly: None,
    },
    Peer {
        name: "s6, s6-log",
        program: "s6-log",
        source: Source::Debian("s6"),
        asked: "the same with a logger each: `s6-log 1`, for files `s6-log n5 s10000000 DIR`",
        parts: &[Part::Services, Part::Logs],
        prepare: prepare::s6_log,
        not_orderly: None,
    },
    Peer {
        name: "runit",
        program: "runsvdir",
        source: Source::Debian("runit"),
        asked: "`runsvdir`, shells that exec; with logs `svlogd -l 8192 -b 65536`, size 10 MB",
        parts: &[Part::Services, Part::Logs],
        prepare: prepare::runit,
        not_orderly: Some("runsvdir ends at a TERM at once, and the kernel kills the services"),
    },
    Peer {
        name: "daemontools",
        program: "svscan",
        source: Source::Debian("daemontools"),
        asked: "`svscan`, shells that exec; with logs `multilog s10000000 n5`",
        parts: &[Part::Services, Part::Logs],
        prepare: prepare::daemontools,
        not_orderly: Some("svscan has no handler for TERM, so as PID 1 it never hears of it"),
    },
    Peer {
        name: "dinit",
        program: "dinit",
        source: Source::Elsewhere("https://davmac.org/projects/dinit"),
        asked: "`dinit --container`, `restart-delay = 0`",
        parts: &[Part::Services, Part::Logs],
        prepare: prepare::dinit,
        not_orderly: None,
    },
    Peer {
        name: "supervisord",
        program: "supervisord",
        source: Source::Python { distribution: "supervisor", needs: "setuptools<81" },
        asked: "its defaults; logs to /dev/fd/1, or files of 10 MB",
        parts: &[Part::Services, Part::Logs],
        prepare: prepare::supervisord,
        not_orderly: None,
    },
    Peer {
        name: "circus",
        program: "circusd",
        source: Source::Python { distribution: "circus", needs: "" },
        asked: "its defaults; logs through `StdoutStream`, or `FileStream` of 10 MB",
        parts: &[Part::Services, Part::Logs],
        prepare: prepare::circus,
        not_orderly: None,
    },
    Peer {
        name: "monit",
        program: "monit",
        source: Source::Debian("monit"),
        asked: "`tini -- monit -I`, as it reaps no orphans; cycles of 1 s; shells leave a process and its pid",
        parts: &[Part::Services],
        prepare: prepare::monit,
        not_orderly: Some("monit ends at a TERM and leaves the services alone"),
    },
    Peer {
        name: "horust",
        program: "horust",
        source: Source::Cargo("horust"),
        asked: "`strategy = \"always\"`, `backoff = \"0s\"`",
        parts: &[Part::Services],
        prepare: prepare::horust,
        not_orderly: None,
    },
];

impl Peer {
    pub(crate) fn takes_part_in(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    pub(crate) fn is_onit(&self) -> bool {
        self.program == ONIT_PROGRAM
    }

    pub(crate) fn is_installed(&self) -> bool {
        find(self.program).is_some()
    }
}

/// Where a program is, if it is installed.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let python = Path::new(&python_path()).join("bin");
    // An absolute path stays what it is when it is joined.
    let places = std::env::split_paths(&path).chain(usual).chain([python]);
    places.map(|at| at.join(program)).find(|at| at.is_file())
}

/// Where the peers that are Python packages are, if not where Python looks itself.
pub(crate) fn python_path() -> OsString {
    std::env::var_os("ONIT_PEERS").or_else(|| std::env::var_os("PYTHONPATH")).unwrap_or_default()
}
