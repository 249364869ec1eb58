//! How each peer is told what to run: the files it wants, and its command line.
//!
//! Paths and words of the tasks have neither spaces nor quotes, so nothing is quoted here.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::peer::{Log, ONIT_PROGRAM, Task, find};

type Words = Result<Vec<String>, &'static str>;

/// What has no logger cannot be asked to log.
const WRITES_ITSELF: &str = "its services write to their target themselves, so nothing is relayed";

pub(crate) fn onit_text(room: &Path, task: &Task) -> Words {
    onit(room, task, "text")
}

pub(crate) fn onit_json(room: &Path, task: &Task) -> Words {
    onit(room, task, "json")
}

pub(crate) fn onit_raw(room: &Path, task: &Task) -> Words {
    onit(room, task, "raw")
}

fn onit(room: &Path, task: &Task, format: &str) -> Words {
    for (service, command) in task.commands.iter().enumerate() {
        // Every run counts as a good one after half a second.
        let mut text = format!("command = {command:?}\nbackoff.reset_after = \"500ms\"\n");
        let _ = writeln!(text, "log.format = {format:?}");
        if task.log == Log::Files {
            let _ = writeln!(text, "log.stdout = {:?}", room.join(format!("s{service}.log")));
        }
        write(&room.join(format!("s{service}.toml")), &text);
    }
    words(&[ONIT_PROGRAM, "--socket", &show(&room.join("onit.sock")), &show(room)])
}

pub(crate) fn onit_command(_: &Path, task: &Task) -> Words {
    before(&[ONIT_PROGRAM, "--"], task)
}

pub(crate) fn tini(_: &Path, task: &Task) -> Words {
    before(&["tini", "--"], task)
}

pub(crate) fn tini_static(_: &Path, task: &Task) -> Words {
    before(&["tini-static", "--"], task)
}

pub(crate) fn dumb_init(_: &Path, task: &Task) -> Words {
    before(&["dumb-init", "-c", "--"], task)
}

pub(crate) fn catatonit(_: &Path, task: &Task) -> Words {
    before(&["catatonit", "--"], task)
}

pub(crate) fn s6(room: &Path, task: &Task) -> Words {
    run_scripts(room, task, None);
    words(&["s6-svscan", "-c", "4000", &show(room)])
}

pub(crate) fn s6_log(room: &Path, task: &Task) -> Words {
    let logger = |place: &Path| match task.log {
        Log::Silent | Log::Console => "s6-log 1".to_owned(),
        Log::Files => format!("s6-log n5 s10000000 {}", place.display()),
    };
    run_scripts(room, task, Some(&logger));
    words(&["s6-svscan", "-c", "4000", &show(room)])
}

pub(crate) fn runit(room: &Path, task: &Task) -> Words {
    let logger = |place: &Path| {
        fs::create_dir_all(place).expect("a temporary directory");
        write(&place.join("config"), "s10000000\nn5\n");
        format!("svlogd -l 8192 -b 65536 {}", place.display())
    };
    run_scripts_with_files(room, task, &logger, "svlogd writes into directories only")?;
    words(&["runsvdir", &show(room)])
}

pub(crate) fn daemontools(room: &Path, task: &Task) -> Words {
    let logger = |place: &Path| format!("multilog s10000000 n5 {}", place.display());
    run_scripts_with_files(room, task, &logger, "multilog writes into directories only")?;
    words(&["svscan", &show(room)])
}

pub(crate) fn dinit(room: &Path, task: &Task) -> Words {
    if task.log != Log::Silent {
        return Err(WRITES_ITSELF);
    }
    let mut boot = "type = internal\n".to_owned();
    for (service, command) in task.commands.iter().enumerate() {
        let command = command.join(" ");
        let text =
            format!("type = process\ncommand = {command}\nrestart = true\nrestart-delay = 0\n");
        write(&room.join(format!("s{service}")), &text);
        let _ = writeln!(boot, "waits-for = s{service}");
    }
    write(&room.join("boot"), &boot);
    words(&["dinit", "--container", "-d", &show(room), "-p", &show(&room.join("socket"))])
}

pub(crate) fn supervisord(room: &Path, task: &Task) -> Words {
    let mut text = "[supervisord]\nnodaemon = true\nuser = root\nlogfile = /dev/null\n".to_owned();
    let _ = writeln!(text, "logfile_maxbytes = 0\npidfile = {}/pid\nminfds = 8192", room.display());
    for (service, command) in task.commands.iter().enumerate() {
        let _ = writeln!(text, "[program:s{service}]\ncommand = {}", command.join(" "));
        text.push_str("autorestart = true\nstderr_logfile = NONE\n");
        let _ = match task.log {
            Log::Silent => writeln!(text, "stdout_logfile = NONE"),
            Log::Console => {
                writeln!(text, "stdout_logfile = /dev/fd/1\nstdout_logfile_maxbytes = 0")
            }
            Log::Files => {
                let file = room.join(format!("s{service}.log"));
                text.push_str("stdout_logfile_maxbytes = 10MB\nstdout_logfile_backups = 5\n");
                writeln!(text, "stdout_logfile = {}", file.display())
            }
        };
    }
    let file = room.join("supervisord.conf");
    write(&file, &text);
    words(&["supervisord", "-c", &show(&file)])
}

pub(crate) fn circus(room: &Path, task: &Task) -> Words {
    let at = room.display();
    let mut text = format!("[circus]\nendpoint = ipc://{at}/e\npubsub_endpoint = ipc://{at}/p\n");
    for (service, command) in task.commands.iter().enumerate() {
        let _ = writeln!(text, "[watcher:s{service}]\ncmd = {}", command.join(" "));
        match task.log {
            Log::Silent => {}
            Log::Console => text.push_str("stdout_stream.class = StdoutStream\n"),
            Log::Files => {
                text.push_str("stdout_stream.class = FileStream\n");
                let _ = writeln!(text, "stdout_stream.filename = {at}/s{service}.log");
                text.push_str("stdout_stream.max_bytes = 10000000\n");
                text.push_str("stdout_stream.backup_count = 5\n");
            }
        }
    }
    let file = room.join("circus.ini");
    write(&file, &text);
    words(&["circusd", "--log-output", "/dev/null", &show(&file)])
}

pub(crate) fn monit(room: &Path, task: &Task) -> Words {
    if task.log != Log::Silent {
        return Err(WRITES_ITSELF);
    }
    if find("tini").is_none() {
        return Err("monit reaps no orphans, and there is no tini to do it");
    }
    let at = room.display();
    let mut text = "set daemon 1\n".to_owned();
    for kind in ["pid", "id", "state"] {
        let _ = writeln!(text, "set {kind}file {at}/monit.{kind}");
    }
    for (service, command) in task.commands.iter().enumerate() {
        let script = room.join(format!("s{service}"));
        let pid = script.with_extension("pid");
        // It waits for the end of this, and looks after what it has left.
        let run = format!("#!/bin/sh\n{} &\necho $! >{}\n", command.join(" "), pid.display());
        write_executable(&script, &run);
        let _ = writeln!(text, "check process s{service} with pidfile {}", pid.display());
        let _ = writeln!(text, "  start program = {:?}", show(&script));
    }
    let file = room.join("monitrc");
    write(&file, &text);
    // It refuses one that others may read.
    set_mode(&file, 0o600);
    words(&["tini", "--", "monit", "-I", "-c", &show(&file)])
}

pub(crate) fn horust(room: &Path, task: &Task) -> Words {
    if task.log != Log::Silent {
        return Err(WRITES_ITSELF);
    }
    for (service, command) in task.commands.iter().enumerate() {
        let command = command.join(" ");
        let text =
            format!("command = {command:?}\n[restart]\nstrategy = \"always\"\nbackoff = \"0s\"\n");
        write(&room.join(format!("s{service}.toml")), &text);
    }
    words(&["horust", "--services-path", &show(room), "--uds-folder-path", &show(room)])
}

/// The same as [`run_scripts`], with a logger that writes files only; `why` it can do nothing else.
fn run_scripts_with_files(
    room: &Path,
    task: &Task,
    logger: &dyn Fn(&Path) -> String,
    why: &'static str,
) -> Result<(), &'static str> {
    match task.log {
        Log::Silent => run_scripts(room, task, None),
        Log::Console => return Err(why),
        Log::Files => run_scripts(room, task, Some(logger)),
    }
    Ok(())
}

/// A directory a service with its `run`, and perhaps one of its logger, as s6, runit and
/// daemontools have it. The logger is told where its files go.
fn run_scripts(room: &Path, task: &Task, logger: Option<&dyn Fn(&Path) -> String>) {
    for (service, command) in task.commands.iter().enumerate() {
        let folder = room.join(format!("s{service}"));
        write_script(&folder, &command.join(" "));
        if let Some(logger) = logger {
            let place = PathBuf::from(format!("{}.logs", room.display())).join(service.to_string());
            fs::create_dir_all(place.parent().unwrap_or(&place)).expect("a temporary directory");
            write_script(&folder.join("log"), &logger(&place));
        }
    }
}

fn write_script(folder: &Path, command: &str) {
    fs::create_dir_all(folder).expect("a temporary directory");
    write_executable(&folder.join("run"), &format!("#!/bin/sh\nexec {command}\n"));
}

fn write_executable(path: &Path, text: &str) {
    write(path, text);
    set_mode(path, 0o755);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("our own file");
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a temporary file");
}

/// For whoever runs one program.
fn before(program: &[&str], task: &Task) -> Words {
    let command = task.commands.first().ok_or("it runs one program")?;
    Ok(program.iter().map(|word| (*word).to_owned()).chain(command.iter().cloned()).collect())
}

fn words(words: &[&str]) -> Words {
    Ok(words.iter().map(|word| (*word).to_owned()).collect())
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
