//! The terminal: who has it, who hears its keys, and who is stopped by it.

use std::fs::{self, File, OpenOptions};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use super::sandbox::{
    PATIENCE, UNSHARE, children, comm, descendants, one_below, onit, send, stat, unshare,
    wait_until_or, words,
};

/// A terminal, and a PID 1 that leads the session whose terminal it is, as an engine makes it with
/// `-it`.
struct Screen {
    child: Child,
    person: Option<Person>,
    seen: Arc<Mutex<Vec<u8>>>,
    reader: std::thread::JoinHandle<()>,
}

/// The side of the terminal where somebody sits.
struct Person {
    keyboard: File,
    /// Whoever reads the screen stops when this is closed.
    stop: PipeWriter,
}

impl Screen {
    /// onit as PID 1.
    fn init(arguments: &[&str]) -> Self {
        let mut words = vec![onit()];
        words.extend(arguments);
        Self::start(&words)
    }

    /// A shell as PID 1, for a person to start onit from.
    fn shell() -> Self {
        let mut screen = Self::start(&["bash", "--norc", "--noediting", "-i"]);
        screen.wait_for("> ");
        screen.type_keys(&format!("onit={}\n", onit()));
        screen
    }

    fn start(words: &[&str]) -> Self {
        let (ours, theirs) = pair();
        let stdio = || Stdio::from(theirs.try_clone().unwrap());
        let mut command = Command::new(UNSHARE[0]);
        command.args(unshare()).args(["setsid", "--ctty"]).args(words);
        command.env("PS1", "> ").env("ONIT_SOURCES", "").env("TERM", "dumb");
        command.env_remove("ONIT_STOP_TIMEOUT");
        // All tests share /run.
        if let Some(source) = words.iter().find(|word| std::path::Path::new(word).is_dir()) {
            command.env("ONIT_SOCKET", format!("{source}/onit.sock"));
        }
        let child = command.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (stopped, stop) = std::io::pipe().unwrap();
        let (screen, sink) = (ours.try_clone().unwrap(), seen.clone());
        let reader = std::thread::spawn(move || watch(screen, &stopped, &sink));
        Self { child, person: Some(Person { keyboard: ours, stop }), seen, reader }
    }

    /// PID 1, as soon as it is what was asked for.
    fn pid(&self) -> i32 {
        let outer = i32::try_from(self.child.id()).unwrap();
        let helpers = ["unshare", "setsid"];
        let is_it = |pid: &i32| !helpers.contains(&comm(*pid).as_str());
        let mut found = None;
        self.wait("PID 1 is there", || {
            found = children(outer).into_iter().find(is_it);
            found.is_some()
        });
        found.unwrap()
    }

    /// onit, below a shell.
    fn onit(&self) -> i32 {
        let shell = self.pid();
        let is_onit = |pid: &i32| words(*pid).first().is_some_and(|word| word == onit());
        let mut found = None;
        self.wait("onit is there", || {
            found = descendants(shell).into_iter().find(is_onit);
            found.is_some()
        });
        found.unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    fn wait(&self, what: &str, condition: impl FnMut() -> bool) {
        wait_until_or(what, PATIENCE, condition, || self.text());
    }

    /// What is typed is on the screen too: what is waited for must not be part of it.
    fn wait_for(&self, text: &str) {
        self.wait(&format!("{text:?} is on the screen"), || self.text().contains(text));
    }

    fn type_keys(&mut self, keys: &str) {
        self.person.as_mut().unwrap().keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// The person closes the window.
    fn hang_up(&mut self) {
        let Some(Person { keyboard, stop }) = self.person.take() else { return };
        drop(stop);
        self.wait("nobody reads the screen", || self.reader.is_finished());
        drop(keyboard);
    }

    fn finish(mut self) -> (i32, String) {
        let mut status = None;
        let seen = self.seen.clone();
        wait_until_or(
            "it ends",
            PATIENCE,
            || {
                status = self.child.try_wait().unwrap();
                status.is_some()
            },
            || String::from_utf8_lossy(&seen.lock().unwrap()).into_owned(),
        );
        if self.person.is_some() {
            // Everybody who had the terminal has ended, so there is an end to what it shows.
            self.wait("the rest is on the screen", || self.reader.is_finished());
        }
        (status.unwrap().code().unwrap_or(-1), self.text())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // `unshare --kill-child` takes the namespace with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both sides of a new terminal. They are closed by an exec, or a test beside this one would keep
/// the terminal alive.
fn pair() -> (File, File) {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NOCTTY);
    let ours = options.open("/dev/ptmx").unwrap();
    let unlock: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads a number; see ioctl_tty(2).
    assert_eq!(unsafe { libc::ioctl(ours.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlock) }, 0);
    let mut number: libc::c_int = 0;
    // SAFETY: TIOCGPTN writes a number.
    assert_eq!(unsafe { libc::ioctl(ours.as_raw_fd(), libc::TIOCGPTN, &raw mut number) }, 0);
    let theirs = options.open(PathBuf::from(format!("/dev/pts/{number}"))).unwrap();
    (ours, theirs)
}

/// Reads the screen until nobody shows anything on it, or nobody looks.
fn watch(mut screen: File, stopped: &PipeReader, sink: &Mutex<Vec<u8>>) {
    let look = |fd: RawFd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut buffer = [0; 4096];
    loop {
        let mut ready = [look(screen.as_raw_fd()), look(stopped.as_raw_fd())];
        // SAFETY: both are ours, and there are two.
        unsafe { libc::poll(ready.as_mut_ptr(), 2, -1) };
        if ready[0].revents == 0 {
            return;
        }
        // EIO: the last of the other side is closed; see pty(7).
        let Ok(read @ 1..) = screen.read(&mut buffer) else { return };
        sink.lock().unwrap().extend_from_slice(&buffer[..read]);
    }
}

/// Fields of proc_pid_stat(5).
const STATE: usize = 3;
const GROUP: usize = 5;
const SESSION: usize = 6;
const TERMINAL: usize = 7;
const FOREGROUND: usize = 8;

#[test]
fn pid_1_gives_the_terminal_to_its_main_command() {
    let mut screen = Screen::init(&["--", "sleep", "1000"]);
    let init = screen.pid();
    let main = one_below(init, "sleep 1000");
    let own = main.to_string();
    for field in [GROUP, SESSION, FOREGROUND] {
        assert_eq!(stat(main, field), own);
    }
    assert_ne!(stat(main, TERMINAL), "0");
    assert_eq!(stat(init, TERMINAL), "0");
    screen.type_keys("\x03");
    let (code, text) = screen.finish();
    assert_eq!(code, 130);
    assert!(!text.contains("onit |"), "{text}");
}

#[test]
fn keys_reach_the_main_command_of_pid_1() {
    for (key, code) in [("\x03", 130), ("\x1c", 131)] {
        let script = "ulimit -c 0; echo ready; exec sleep 99";
        let mut screen = Screen::init(&["--", "sh", "-c", script]);
        screen.wait_for("ready");
        screen.type_keys(key);
        assert_eq!(screen.finish().0, code);
    }
    let script = "read line; echo got $line; exec 3< /dev/tty";
    let mut screen = Screen::init(&["--", "sh", "-c", script]);
    screen.type_keys("a word\n");
    let (code, text) = screen.finish();
    assert_eq!(code, 0);
    assert!(text.contains("got a word"), "{text}");
}

#[test]
fn a_stop_key_freezes_nothing_where_nobody_could_continue() {
    // Nobody else is in its session, and then the kernel does not stop it; see setpgid(2). Under
    // tini the container hangs here.
    let script = "echo ready; read line; echo got $line; exit 7";
    let mut screen = Screen::init(&["--", "sh", "-c", script]);
    screen.wait_for("ready");
    screen.type_keys("\x1a");
    screen.type_keys("line\n");
    let (code, text) = screen.finish();
    assert_eq!(code, 7, "{text}");
    assert!(text.contains("got line"), "{text}");
}

#[test]
fn a_shell_as_main_command_has_job_control() {
    for shell in [&["bash", "--norc", "--noediting", "-i"][..], &["sh", "-i"]] {
        let mut words = vec!["--"];
        words.extend(shell);
        let mut screen = Screen::init(&words);
        screen.wait_for("> ");
        screen.type_keys("sleep 1000\n");
        let sleep = one_below(screen.pid(), "sleep 1000");
        let is_in_front = || stat(sleep, FOREGROUND) == stat(sleep, GROUP);
        screen.wait("it is in the foreground", is_in_front);
        screen.type_keys("\x1a");
        screen.wait_for("Stopped");
        screen.type_keys("echo b''ack\n");
        screen.wait_for("back");
        screen.type_keys("fg\n");
        screen.wait("it goes on", || stat(sleep, STATE) == "S" && is_in_front());
        screen.type_keys("\x03");
        screen.wait("it is interrupted", || stat(sleep, STATE).is_empty());
        screen.type_keys("exit 9\n");
        let (code, text) = screen.finish();
        assert_eq!(code, 9, "{text}");
        assert!(!text.contains("job control"), "{text}");
    }
}

#[test]
fn ctrl_z_in_a_shell_stops_onit_and_its_command_and_fg_goes_on() {
    let mut screen = Screen::shell();
    screen.type_keys("$onit -- sh -c 'echo u''p; read a; echo got $a; exit 6'\n");
    screen.wait_for("up\r\n");
    let onit = screen.onit();
    let is_stopped = || {
        let main = children(onit);
        stat(onit, STATE) == "T" && main.iter().all(|main| stat(*main, STATE) == "T")
    };
    let goes_on = || {
        let main = children(onit);
        let is_in_front = |main: &i32| stat(*main, FOREGROUND) == main.to_string();
        stat(onit, STATE) == "S"
            && main.iter().all(|main| stat(*main, STATE) == "S" && is_in_front(main))
    };
    for round in 1..=3 {
        screen.type_keys("\x1a");
        screen.wait("both are stopped", is_stopped);
        screen.type_keys(&format!("echo back $(({round}+40))\n"));
        screen.wait_for(&format!("back {}", round + 40));
        if round == 2 {
            // In the background it wants to read the terminal, and is stopped again.
            screen.type_keys("bg\n");
            screen.type_keys("echo still $((40+8))\n");
            screen.wait_for("still 48");
            screen.wait("both are stopped again", is_stopped);
        }
        screen.type_keys("fg\n");
        screen.wait("both go on", goes_on);
    }
    screen.type_keys("answer\n");
    screen.wait_for("got answer");
    screen.type_keys("echo code $?\n");
    screen.wait_for("code 6");
    screen.type_keys("exit 4\n");
    assert_eq!(screen.finish().0, 4);
}

#[test]
fn in_the_background_it_leaves_the_terminal_alone_until_it_is_called() {
    let mut screen = Screen::shell();
    screen.type_keys("$onit -- sh -c 'sleep 1000; read a; echo got $a; exec sleep 1001' &\n");
    let onit = screen.onit();
    let sleep = one_below(onit, "sleep 1000");
    let main = children(onit)[0];
    let shell = screen.pid();
    screen.type_keys("echo still $((40+2)) mine\n");
    screen.wait_for("still 42 mine");
    screen.wait("the shell has it", || stat(main, FOREGROUND) == shell.to_string());
    // It was never stopped, so the shell does not continue it when it calls it.
    screen.type_keys("fg\n");
    screen.wait("onit has it", || stat(main, FOREGROUND) == onit.to_string());
    send(sleep, libc::SIGTERM);
    screen.wait("the main command has it", || stat(main, FOREGROUND) == main.to_string());
    screen.type_keys("answer\n");
    screen.wait_for("got answer");
    one_below(onit, "sleep 1001");
    screen.type_keys("\x03");
    screen.wait("it is interrupted", || stat(main, STATE).is_empty());
    screen.type_keys("echo code $?\n");
    screen.wait_for("code 130");
    screen.type_keys("exit 4\n");
    assert_eq!(screen.finish().0, 4);
}

#[test]
fn keys_reach_it_where_it_was_called_from_the_background() {
    let mut screen = Screen::shell();
    screen.type_keys("$onit -- sleep 1000 &\n");
    let onit = screen.onit();
    let main = one_below(onit, "sleep 1000");
    screen.type_keys("fg\n");
    screen.wait("onit has it", || stat(main, FOREGROUND) == onit.to_string());
    // What it does not read it need not have: onit passes the keys on.
    screen.type_keys("\x1a");
    screen.wait("both are stopped", || stat(onit, STATE) == "T" && stat(main, STATE) == "T");
    screen.type_keys("fg\n");
    screen.wait("it has the terminal", || stat(main, FOREGROUND) == main.to_string());
    screen.type_keys("\x03");
    screen.wait("it is interrupted", || stat(main, STATE).is_empty());
    screen.type_keys("echo code $?\n");
    screen.wait_for("code 130");
    screen.type_keys("exit 4\n");
    assert_eq!(screen.finish().0, 4);
}

#[test]
fn a_script_that_ran_it_has_the_terminal_again() {
    // No shell with job control is there that would take it back by itself.
    let script = "\"$0\" -- true; echo o''ver; read a; echo got $a";
    let mut screen = Screen::start(&["sh", "-c", script, onit()]);
    screen.wait_for("over");
    screen.type_keys("answer\n");
    screen.wait_for("got answer");
    assert_eq!(screen.finish().0, 0);
}

#[test]
fn services_have_no_terminal() {
    let folder = folder("no-terminal");
    fs::write(folder.join("web.toml"), "command = ['sleep', '1001']").unwrap();
    let source = folder.display().to_string();
    for arguments in [&[source.as_str()][..], &[&source, "--", "sleep", "1000"]] {
        let screen = Screen::init(arguments);
        let service = one_below(screen.pid(), "sleep 1001");
        assert_eq!(stat(service, TERMINAL), "0");
        assert_eq!(stat(service, SESSION), service.to_string());
        if arguments.len() > 1 {
            let main = one_below(screen.pid(), "sleep 1000");
            assert_eq!(stat(main, FOREGROUND), main.to_string());
        }
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_interrupt_stops_services_in_order_and_a_second_one_now() {
    let folder = folder("keys");
    let service = |script: &str| {
        format!(
            "command = [\"sh\", \"-c\", '''{script}; echo up; while :; do sleep 1000 & wait; done''']"
        )
    };
    fs::write(folder.join("a.toml"), service("trap \"echo bye; exit 0\" TERM")).unwrap();
    let source = folder.display().to_string();
    let mut screen = Screen::init(&[&source]);
    screen.wait_for(" up");
    screen.type_keys("\x03");
    let (code, text) = screen.finish();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(" bye") && text.contains("SIGINT"), "{text}");
    fs::write(folder.join("a.toml"), service("trap \"echo deaf\" TERM")).unwrap();
    let mut screen = Screen::init(&[&source]);
    screen.wait_for(" up");
    screen.type_keys("\x03");
    screen.wait_for(" deaf");
    screen.type_keys("\x03");
    assert_eq!(screen.finish().0, 0);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_terminal_that_is_gone_is_a_hangup_for_the_main_command() {
    let mut screen = Screen::init(&["--", "sleep", "1000"]);
    one_below(screen.pid(), "sleep 1000");
    screen.hang_up();
    assert_eq!(screen.finish().0, 129);
    let script = "trap 'kill $!; exit 5' HUP; sleep 1000 & wait";
    let mut screen = Screen::init(&["--", "sh", "-c", script]);
    one_below(screen.pid(), "sleep 1000");
    screen.hang_up();
    assert_eq!(screen.finish().0, 5);
}

#[test]
fn a_terminal_that_is_gone_stops_services_in_order() {
    let folder = folder("hangup");
    let bye = folder.join("bye");
    let script = format!("trap 'echo bye > {}; exit' TERM; sleep 1000 & wait", bye.display());
    fs::write(folder.join("web.toml"), format!("command = ['sh', '-c', '''{script}''']")).unwrap();
    let source = folder.display().to_string();
    // A main command is told by the kernel itself, and with its end everything ends.
    for (arguments, code) in [(&[source.as_str()][..], 0), (&[&source, "--", "sleep", "99"], 129)] {
        let mut screen = Screen::init(arguments);
        one_below(screen.pid(), "sleep 1000");
        if arguments.len() > 1 {
            one_below(screen.pid(), "sleep 99");
        }
        screen.hang_up();
        assert_eq!(screen.finish().0, code);
        assert_eq!(fs::read_to_string(&bye).unwrap(), "bye\n");
        fs::remove_file(&bye).unwrap();
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_hangup_that_somebody_sends_is_passed_on() {
    let screen = Screen::init(&["--", "sleep", "1000"]);
    one_below(screen.pid(), "sleep 1000");
    send(screen.pid(), libc::SIGHUP);
    assert_eq!(screen.finish().0, 129);
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("onit-e2e-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}
