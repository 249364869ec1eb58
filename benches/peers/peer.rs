//! Who is measured: how each program is told to run N services, and where it runs.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::floor;
use crate::processes::{PATIENCE, children, comm, family};

/// A place for files, and what is installed.
pub(crate) struct Workshop {
    directory: PathBuf,
    /// A copy of sleep(1) under a name of its own, by which it is found.
    pub(crate) sleeper: PathBuf,
    rooms: Cell<u32>,
}

/// A program that keeps services running.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Its main program, by which we see whether it is installed.
    program: &'static str,
    /// Writes the files for so many services into the directory; the command line to run them.
    prepare: fn(&Path, usize, &Path) -> Vec<String>,
}

/// A program as PID 1 of a namespace, which is gone with this.
pub(crate) struct Running {
    namespace: Child,
    pub(crate) pid: u32,
}

/// How the copy of sleep(1) is called.
pub(crate) const SLEEPER: &str = "bench-sleep";

/// The binary of this source.
pub(crate) const ONIT_PROGRAM: &str = env!("CARGO_BIN_EXE_onit");

const ONIT: Peer = Peer { name: "onit", program: ONIT_PROGRAM, prepare: prepare_onit };

const OTHERS: [Peer; 4] = [
    Peer { name: "dinit", program: "dinit", prepare: prepare_dinit },
    Peer { name: "s6", program: "s6-svscan", prepare: prepare_s6 },
    Peer { name: "runit", program: "runsvdir", prepare: prepare_runit },
    Peer { name: "supervisord", program: "supervisord", prepare: prepare_supervisord },
];

impl Workshop {
    pub(crate) fn open() -> Self {
        let directory = std::env::temp_dir().join(format!("onit-bench-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a temporary directory");
        let sleeper = directory.join(SLEEPER);
        fs::copy(find("sleep").expect("sleep is installed"), &sleeper).expect("room for a copy");
        Self { directory, sleeper, rooms: Cell::new(0) }
    }

    /// Says on what this was measured, and who is missing.
    pub(crate) fn introduce(&self) {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        println!("Linux {}, {cores} cores", release.trim());
        let all = OTHERS.iter().map(|peer| peer.program).chain(["tini"]);
        let missing: Vec<&str> = all.filter(|program| find(program).is_none()).collect();
        if !missing.is_empty() {
            println!("Not installed here, and so not measured: {}", missing.join(", "));
        }
    }

    /// onit, and whoever of the others is installed.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let installed = |peer: &Peer| find(peer.program).is_some();
        std::iter::once(ONIT).chain(OTHERS.into_iter().filter(installed)).collect()
    }

    /// onit alone.
    pub(crate) fn onit(&self) -> Peer {
        ONIT
    }

    /// A folder for whatever is needed.
    pub(crate) fn room(&self) -> &Path {
        &self.directory
    }

    /// Writes the files for `services` services; the command line to run them.
    pub(crate) fn prepare(&self, peer: Peer, services: usize) -> Vec<String> {
        let room = self.directory.join(format!("{}-{}", peer.name, self.rooms.get()));
        self.rooms.set(self.rooms.get() + 1);
        fs::create_dir_all(&room).expect("a temporary directory");
        (peer.prepare)(&room, services, &self.sleeper)
    }

    /// The command line of a floor that starts `services` programs.
    pub(crate) fn floor(&self, role: &str, services: usize) -> Vec<String> {
        let ourselves = std::env::current_exe().expect("/proc is there");
        vec![show(&ourselves), role.to_owned(), services.to_string(), show(&self.sleeper)]
    }

    /// The command line that makes so many orphans.
    pub(crate) fn orphan_maker(&self, count: usize) -> String {
        let ourselves = std::env::current_exe().expect("/proc is there");
        format!("{} {} {count}", ourselves.display(), floor::ORPHANS)
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Running {
    /// Executes `words` as PID 1 of a new namespace. All peers and floors start this way, so what
    /// it costs is in every number alike.
    pub(crate) fn start(words: &[String], stdout: Stdio) -> Self {
        // The one dies with us, the other takes PID 1 along.
        let namespace = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare"])
            .args(["--pid", "--fork", "--mount-proc", "--kill-child", "--"])
            .args(words)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::null())
            .spawn()
            .expect("setpriv is installed (Debian: util-linux)");
        let deadline = Instant::now() + PATIENCE;
        let mut running = Self { pid: 0, namespace };
        while running.pid == 0 && Instant::now() < deadline {
            let outside = running.namespace.id();
            running.pid = children(outside).first().copied().unwrap_or(0);
        }
        running
    }

    pub(crate) fn stdout(&mut self) -> std::process::ChildStdout {
        self.namespace.stdout.take().expect("a pipe was asked for")
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) {
        self.namespace.wait().expect("our own child");
    }

    /// Every process of it that is no service.
    pub(crate) fn supervisors(&self) -> Vec<u32> {
        let is_service = |pid: &u32| comm(*pid).is_some_and(|name| name == SLEEPER);
        family(self.pid).into_iter().filter(|pid| !is_service(pid)).collect()
    }

    /// The one service, and the process that started it.
    pub(crate) fn service(&self) -> Option<(u32, u32)> {
        family(self.pid).into_iter().find_map(|parent| {
            let is_service = |pid: &u32| comm(*pid).is_some_and(|name| name == SLEEPER);
            children(parent).into_iter().find(is_service).map(|pid| (pid, parent))
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // --kill-child takes PID 1 along, and the kernel everybody else of the namespace.
        let _ = self.namespace.kill();
        let _ = self.namespace.wait();
        let deadline = Instant::now() + PATIENCE;
        while comm(self.pid).is_some() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The one in the middle.
pub(crate) fn median<T: Copy + PartialOrd>(values: &[T]) -> Option<T> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    sorted.get(sorted.len() / 2).copied()
}

/// Where a program is, if it is installed.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    // An absolute path stays what it is when it is joined.
    std::env::split_paths(&path).chain(usual).map(|at| at.join(program)).find(|at| at.exists())
}

fn prepare_onit(room: &Path, services: usize, sleeper: &Path) -> Vec<String> {
    // Every run counts as a good one after half a second, so that a KILL is an end out of the blue.
    let text = format!(
        "command = [\"{}\", \"1000\"]\nbackoff.reset_after = \"500ms\"\n",
        sleeper.display()
    );
    for service in 0..services {
        write(&room.join(format!("s{service}.toml")), &text);
    }
    let socket = show(&room.join("onit.sock"));
    vec![ONIT_PROGRAM.to_owned(), "--socket".to_owned(), socket, show(room)]
}

fn prepare_dinit(room: &Path, services: usize, sleeper: &Path) -> Vec<String> {
    let text = format!(
        "type = process\ncommand = {} 1000\nrestart = true\nrestart-delay = 0\n",
        sleeper.display()
    );
    let mut boot = "type = internal\n".to_owned();
    for service in 0..services {
        write(&room.join(format!("s{service}")), &text);
        let _ = writeln!(boot, "waits-for = s{service}");
    }
    write(&room.join("boot"), &boot);
    let socket = room.join("socket");
    ["dinit", "--container", "-d", &show(room), "-p", &show(&socket)].map(str::to_owned).to_vec()
}

fn prepare_s6(room: &Path, services: usize, sleeper: &Path) -> Vec<String> {
    write_run_scripts(room, services, sleeper);
    ["s6-svscan", "-c", "4000", &show(room)].map(str::to_owned).to_vec()
}

fn prepare_runit(room: &Path, services: usize, sleeper: &Path) -> Vec<String> {
    write_run_scripts(room, services, sleeper);
    ["runsvdir", &show(room)].map(str::to_owned).to_vec()
}

fn prepare_supervisord(room: &Path, services: usize, sleeper: &Path) -> Vec<String> {
    let mut text = "[supervisord]\nnodaemon = true\nuser = root\nlogfile = /dev/null\n".to_owned();
    let _ = writeln!(text, "logfile_maxbytes = 0\npidfile = {}/pid\nminfds = 8192", room.display());
    for service in 0..services {
        let _ = writeln!(text, "[program:s{service}]\ncommand = {} 1000", sleeper.display());
        text.push_str("autorestart = true\nstdout_logfile = NONE\nstderr_logfile = NONE\n");
    }
    let file = room.join("supervisord.conf");
    write(&file, &text);
    ["supervisord", "-c", &show(&file)].map(str::to_owned).to_vec()
}

fn write_run_scripts(room: &Path, services: usize, sleeper: &Path) {
    for service in 0..services {
        let folder = room.join(format!("s{service}"));
        fs::create_dir_all(&folder).expect("a temporary directory");
        let script = folder.join("run");
        write(&script, &format!("#!/bin/sh\nexec {} 1000\n", sleeper.display()));
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&script, executable).expect("our own file");
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a temporary file");
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
