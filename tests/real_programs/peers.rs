//! The same file under the program it was written for and under onit: the same processes, with the
//! same arguments, variables, directories and users, as often started.
//!
//! The originals are Python packages; `ONIT_PEERS` names the folder they were installed into, if
//! that is not where Python looks. Where they are missing the test says so and passes; with
//! `CI=true` it fails instead.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Supervisord starts nothing for a second, and looks once a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// What every process does: it says what it found, then what its first argument asks for. `once`
/// ends well, `fails` fails, `recovers` fails the first time and ends well the second, `again`
/// fails the first time, and runs then as everything else until it is told to stop.
const GUEST: &str = r#"#!/bin/sh
what=$1
[ "$what" = many ] && what=$1-$2
number=1
while ! mkdir "$TRACE/$what.$number" 2>/dev/null; do number=$((number + 1)); done
{
    echo "arguments: $*"
    echo "directory: $(pwd)"
    echo "user: $(id -u) $(id -g) $(id -G)"
    echo "umask: $(umask)"
    # What a shell sets itself, what each supervisor says of itself, and what `user` does.
    env | sort | grep -vE '^(PWD|OLDPWD|SHLVL|_|HOME|USER|LOGNAME|SHELL|TRACE|PYTHON[A-Z]*)=' |
        grep -vE '^((SUPERVISOR|ONIT|CIRCUS)_|__name__=)'
} > "$TRACE/$what.$number/new"
mv "$TRACE/$what.$number/new" "$TRACE/$what.$number/found"
case $what in
    once) exit 0 ;;
    fails) exit 3 ;;
    recovers) [ "$number" = 1 ] && exit 3; exit 0 ;;
    again) [ "$number" = 1 ] && exit 3; exec sleep 1000 ;;
    *) exec sleep 1000 ;;
esac
"#;

/// A running supervisor; killed with us, or when it is forgotten.
pub(crate) struct Supervisor(Child);

impl Supervisor {
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let output = fs::File::create(log).expect("a file for the output");
        command.stdin(Stdio::null());
        command.stdout(output.try_clone().expect("a second descriptor")).stderr(output);
        Self(command.spawn().expect("it can be started"))
    }

    /// Ends it with this signal, and waits until it has ended.
    pub(crate) fn end(mut self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).expect("a pid"));
        kill(pid, signal).expect("it is our child, and not yet waited for");
        self.0.wait().expect("our own child");
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // It has mostly ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What each process found, by its name and the number of its start.
type Trace = BTreeMap<String, String>;

fn trace(folder: &Path) -> Trace {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let found = fs::read_to_string(entry.path().join("found")).ok()?;
            Some((entry.file_name().into_string().ok()?, found))
        })
        .collect()
}

/// Starts it, waits until so many processes have said what they found, and ends it.
fn trace_of(mut command: Command, folder: &Path, starts: usize, end: Signal) -> Trace {
    let log = folder.with_extension("log");
    fs::create_dir_all(folder).expect("a folder");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(folder, mode).expect("our own folder");
    let running = Supervisor::start(command.env("TRACE", folder), &log);
    let deadline = Instant::now() + PATIENCE;
    while trace(folder).len() < starts {
        let said = || fs::read_to_string(&log).unwrap_or_default();
        assert!(Instant::now() < deadline, "{:#?}\n{}", trace(folder), said());
        std::thread::sleep(Duration::from_millis(10));
    }
    let found = trace(folder);
    running.end(end);
    found
}

/// A program that finds nothing in its environment but what both are given.
fn bare(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("GREETING", "hello");
    // Without a locale Python gives its children one.
    command.env("LC_ALL", "C.UTF-8");
    command
}

/// The program that a module of Python is.
fn python(module: &str) -> Result<Command, String> {
    let peers = std::env::var_os("ONIT_PEERS").unwrap_or_default();
    let package = module.split('.').next().unwrap_or(module);
    // What is called python3 may be a script that changes the environment.
    let mut look = Command::new("python3");
    look.args(["-c", &format!("import sys, {package}; print(sys.executable, end='')")]);
    let found = look.env("PYTHONPATH", &peers).stderr(Stdio::null()).output();
    let missing = || format!("the Python package {package} is not installed");
    let found = found.ok().filter(|found| found.status.success()).ok_or_else(missing)?;
    let mut command = bare(String::from_utf8_lossy(&found.stdout).as_ref());
    command.env("PYTHONPATH", peers).args(["-W", "ignore", "-m", module]);
    Ok(command)
}

/// A folder of this test, with the guest in it, that everybody may read.
fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("onit-{name}-{}", std::process::id()));
    fs::create_dir_all(folder.join("work")).expect("a temporary folder");
    let guest = folder.join("guest");
    fs::write(&guest, GUEST).expect("our own folder");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&guest, mode).expect("our own file");
    folder
}

/// The same file under both: what is found is the same. Says why it could not be compared.
///
/// # Errors
/// The original is not there, or we are not root.
fn compare(
    name: &str,
    module: &str,
    options: &[&str],
    file: &str,
    text: &str,
    starts: usize,
) -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("services of other users need root".to_owned());
    }
    let mut original = match python(module) {
        Ok(command) => command,
        Err(missing) => {
            let ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!ci, "cannot run: {missing}");
            return Err(missing);
        }
    };
    let folder = scratch(name);
    let path = folder.join(file);
    let text = text.replace("GUEST", &folder.join("guest").display().to_string());
    fs::write(&path, text).expect("our own folder");
    original.current_dir(&folder).args(options).arg(&path);
    let expected = trace_of(original, &folder.join("original"), starts, Signal::SIGTERM);

    let mut onit = bare("setpriv");
    onit.args(["--pdeathsig", "KILL"]).arg(env!("CARGO_BIN_EXE_onit")).arg(&path);
    onit.current_dir(&folder).env("ONIT_SOCKET", folder.join("onit.sock"));
    let found = trace_of(onit, &folder.join("onit"), starts, Signal::SIGTERM);
    assert_eq!(found, expected);
    assert_eq!(found.len(), starts, "{:?}", found.keys());
    fs::remove_dir_all(folder).expect("our own folder");
    Ok(())
}

#[test]
fn supervisord_runs_the_same() {
    let text = r#"
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile=%(here)s/pid
environment=SHARED="for all",COLOUR=green

[program:plain]
command=GUEST %(program_name)s "two words" 'a;b' $HOME %(ENV_GREETING)s 100%%
directory=%(here)s/work
umask=027
environment=COLOUR="light blue",PATH="/opt/x:%(ENV_PATH)s"
priority=1

[program:other]
command=GUEST other
user=nobody
priority=2

[program:many]
command=GUEST many %(process_num)02d
process_name=%(program_name)s_%(process_num)02d
numprocs=2
environment=NUMBER="%(process_num)d"

[program:once]
command=GUEST once
startsecs=0
autorestart=unexpected

[program:fails]
command=GUEST fails
startsecs=0
autorestart=false

[program:recovers]
command=GUEST recovers
startsecs=0
autorestart=unexpected
exitcodes=0

[program:never]
command=GUEST never
autostart=false
"#;
    let options = ["-n", "-c"];
    // plain, other, many twice, once, fails, recovers twice.
    let module = "supervisor.supervisord";
    if let Err(why) = compare("supervisord", module, &options, "supervisord.conf", text, 8) {
        eprintln!("skipped: {why}");
    }
}

#[test]
fn circus_runs_the_same() {
    let text = r#"
[circus]
check_delay = 0.5
endpoint = ipc://endpoint
pubsub_endpoint = ipc://pubsub

[watcher:plain]
cmd = GUEST
args = plain "two words" 'a;b' $(circus.env.greeting) # no comment
copy_env = True
working_dir = work
priority = 10

[watcher:other]
cmd = GUEST other
copy_env = True
uid = nobody

[watcher:many]
cmd = GUEST many $(circus.wid)
numprocesses = 2
copy_env = True
stop_signal = SIGINT

[watcher:once]
cmd = GUEST once
copy_env = True
respawn = False

[watcher:again]
cmd = GUEST again
copy_env = True

[watcher:never]
cmd = GUEST never
autostart = False

[env]
SHARED = for all
COLOUR = green

[env:pl*,other]
COLOUR = light blue
"#;
    // plain, other, many twice, once, again twice.
    let compared = compare("circus", "circus.circusd", &[], "circus.ini", text, 7);
    if let Err(why) = compared {
        eprintln!("skipped: {why}");
    }
}

/// What every script of a service directory does: it says what it found, then what its service
/// asks for. `fails` fails the first time, `dies` of a signal, and both run the second time, as
/// everybody else does.
const SCRIPT: &str = r#"#!/bin/sh
what=${PWD##*/}.${0##*/}
number=1
line=
if [ "$what" = log.run ]; then read -r line; fi
while ! mkdir "$TRACE/$what.$number" 2>/dev/null; do number=$((number + 1)); done
{
    # What the process group was is told by newer versions of s6 only.
    echo "arguments: $0 $1 $2 $3"
    echo "user: $(id -u) $(id -g) $(id -G)"
    echo "umask: $(umask)"
    echo "directory: ${PWD#*/services/}"
    echo "input: $(readlink /proc/self/fd/0 | sed 's/:.*//') $line"
    echo "before it:" $(ls "$TRACE" | grep "^${PWD##*/}[.]" | grep -v "^$what.$number$")
    env | sort | grep -vE '^(PWD|OLDPWD|SHLVL|_|TRACE)=' | grep -vE '^ONIT_'
} > "$TRACE/$what.$number/new"
mv "$TRACE/$what.$number/new" "$TRACE/$what.$number/found"
echo "written by $what.$number"
case $what.$number in
    *.finish.*) exit 0 ;;
    fails.run.1) exit 3 ;;
    dies.run.1) kill -9 $$ ;;
    *) exec sleep 1000 ;;
esac
"#;

/// Three services with their `finish`, one of them with a logger, one that is down, and one that is
/// hidden.
fn service_directories(folder: &Path) {
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    for name in ["steady", "fails", "dies", "asleep", ".hidden"] {
        let service = folder.join(name);
        fs::create_dir_all(&service).expect("our own folder");
        for script in ["run", "finish"] {
            fs::write(service.join(script), SCRIPT).expect("our own folder");
            fs::set_permissions(service.join(script), mode(0o755)).expect("our own file");
        }
    }
    fs::write(folder.join("asleep/down"), "").expect("our own folder");
    let log = folder.join("fails/log");
    fs::create_dir_all(&log).expect("our own folder");
    fs::write(log.join("run"), SCRIPT).expect("our own folder");
    fs::set_permissions(log.join("run"), mode(0o755)).expect("our own file");
}

/// The same directories under both: the same scripts run, as often and with the same arguments.
///
/// # Errors
/// The original is not there, or we are not root.
fn compare_directories(program: &str, format: &str) -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("a PID namespace needs root".to_owned());
    }
    let missing = || format!("{program} is not installed");
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let found = ["/usr/bin", "/usr/local/bin", "/bin"].iter().find_map(|folder| {
        let path = Path::new(folder).join(program);
        path.exists().then_some(path)
    });
    assert!(found.is_some() || !ci, "cannot run: {}", missing());
    let path = found.ok_or_else(missing)?;
    let folder = scratch(format);
    // steady, fails twice, its finish and its logger, dies twice and its finish.
    let starts = 8;
    let mut traces = Vec::new();
    for name in ["original", "onit"] {
        let services = folder.join(name).join("services");
        service_directories(&services);
        // unshare(1) is deaf to TERM; with it all of them are gone.
        let mut command = bare("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child", "--"]);
        match name {
            "original" => command.arg(&path).arg(&services),
            _ => command.arg(env!("CARGO_BIN_EXE_onit")).args(["--format", format]).arg(&services),
        };
        command.env("ONIT_SOCKET", folder.join("onit.sock"));
        let folder = folder.join(name).join("trace");
        traces.push(trace_of(command, &folder, starts, Signal::SIGKILL));
    }
    assert_eq!(traces.pop(), traces.pop());
    fs::remove_dir_all(folder).expect("our own folder");
    Ok(())
}

#[test]
fn runit_runs_the_same_scripts() {
    if let Err(why) = compare_directories("runsvdir", "runit") {
        eprintln!("skipped: {why}");
    }
}

#[test]
fn s6_runs_the_same_scripts() {
    if let Err(why) = compare_directories("s6-svscan", "s6") {
        eprintln!("skipped: {why}");
    }
}
