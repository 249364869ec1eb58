//! The terminal: who has it, who hears its keys, and who is stopped by it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::pty::openpty;

use super::sandbox::{is_root, onit, wait_until_or};

/// A terminal with a program on it.
struct Screen {
    child: Child,
    keyboard: File,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Screen {
    /// Starts a program as the leader of a session whose terminal this is.
    fn start(words: &[&str]) -> Self {
        let pty = openpty(None, None).unwrap();
        let (ours, theirs): (OwnedFd, OwnedFd) = (pty.master, pty.slave);
        for end in [&ours, &theirs] {
            // SAFETY: fcntl takes numbers. Other tests start programs at the same time.
            unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
        }
        let stdio = || Stdio::from(theirs.try_clone().unwrap());
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).args(words);
        command.env("PS1", "> ").env_remove("ONIT_STOP_TIMEOUT");
        let child = command.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut screen = File::from(ours.try_clone().unwrap());
        let sink = seen.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        Self { child, keyboard: File::from(ours), seen }
    }

    /// onit as PID 1, the leader of a session with a terminal, as an engine starts it with `-it`.
    fn init(arguments: &[&str]) -> Self {
        let mut words = vec!["unshare"];
        if !is_root() {
            words.extend(["--user", "--map-root-user"]);
        }
        // The outer `setsid` has given the terminal to a session; PID 1 takes it for its own.
        words.extend(["--pid", "--fork", "--mount-proc", "--kill-child", "--"]);
        words.push(onit());
        words.extend(arguments);
        Self::start(&words)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    fn wait_for(&self, text: &str) {
        let patience = Duration::from_secs(30);
        wait_until_or(
            &format!("{text:?} is on the screen"),
            patience,
            || self.text().contains(text),
            || self.text(),
        );
    }

    fn type_keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn finish(mut self) -> (i32, String) {
        let mut status = None;
        let seen = self.seen.clone();
        wait_until_or(
            "it ends",
            Duration::from_secs(30),
            || {
                status = self.child.try_wait().unwrap();
                status.is_some()
            },
            || String::from_utf8_lossy(&seen.lock().unwrap()).into_owned(),
        );
        (status.unwrap().code().unwrap_or(-1), self.text())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // SAFETY: killpg takes two numbers.
        unsafe { libc::killpg(i32::try_from(self.child.id()).unwrap(), libc::SIGKILL) };
        let _ = self.keyboard.as_raw_fd();
    }
}

#[test]
fn an_interrupt_reaches_the_main_command_of_pid_1() {
    let mut screen = Screen::init(&["--", "sh", "-c", "echo ready; exec sleep 1000"]);
    screen.wait_for("ready");
    screen.type_keys("\x03");
    assert_eq!(screen.finish().0, 130);
}

#[test]
fn the_main_command_has_the_terminal() {
    let screen = Screen::init(&[
        "--",
        "sh",
        "-c",
        "exec 3</dev/tty && echo opened; ps -o tpgid= -p $$ | tr -d ' '; echo $$",
    ]);
    let (code, text) = screen.finish();
    assert_eq!(code, 0);
    assert!(text.contains("opened"), "{text}");
    let numbers: Vec<&str> = text.lines().skip(1).map(str::trim).collect();
    assert_eq!(numbers[0], numbers[1], "the main command is not in the foreground: {text}");
}

#[test]
fn a_shell_as_main_command_has_job_control() {
    let mut screen = Screen::init(&["--", "bash", "--norc", "-i"]);
    screen.wait_for("> ");
    screen.type_keys("sleep 1000\n");
    screen.wait_for("sleep 1000");
    wait_until_or(
        "it runs",
        Duration::from_secs(30),
        || {
            screen.keyboard.write_all(b"\x1a").unwrap();
            screen.text().contains("Stopped")
        },
        String::new,
    );
    screen.type_keys("kill -9 %1; wait; echo exit$((40+2))ed; exit 9\nexit 9\n");
    screen.wait_for("exit42ed");
    let (code, text) = screen.finish();
    assert_eq!(code, 9);
    assert!(!text.contains("no job control"), "{text}");
}

#[test]
fn ctrl_z_in_a_shell_stops_onit_and_its_command_and_fg_goes_on() {
    let mut screen = Screen::start(&["bash", "--norc", "-i"]);
    screen.wait_for("> ");
    screen.type_keys(&format!("{} -- sh -c 'echo u''p; read a; echo got $a'\n", onit()));
    screen.wait_for("up\r\n");
    screen.type_keys("\x1a");
    screen.wait_for("Stopped");
    screen.type_keys("echo back $((1+1))\n");
    screen.wait_for("back 2");
    screen.type_keys("fg\n");
    screen.type_keys("answer\n");
    screen.wait_for("got answer");
    screen.type_keys("exit 4\n");
    assert_eq!(screen.finish().0, 4);
}

#[test]
fn in_the_background_it_leaves_the_terminal_alone() {
    let mut screen = Screen::start(&["bash", "--norc", "-i"]);
    screen.wait_for("> ");
    screen.type_keys(&format!("{} -- sleep 1000 &\n", onit()));
    screen.type_keys("echo still $((40+2)) mine\n");
    screen.wait_for("still 42 mine");
    screen.type_keys("kill %1; wait %1; echo code $?\n");
    screen.wait_for("code 143");
    screen.type_keys("exit\n");
    screen.finish();
}

#[test]
fn an_interrupt_stops_services_in_order_and_a_second_one_now() {
    let folder = std::env::temp_dir().join(format!("onit-e2e-tty-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let service = |script: &str| {
        format!("command = [\"sh\", \"-c\", '''{script}; echo up; while :; do sleep 0.01; done''']")
    };
    std::fs::write(folder.join("a.toml"), service("trap \"echo bye; exit 0\" TERM")).unwrap();
    let source = folder.display().to_string();
    let mut screen = Screen::start(&[onit(), &source]);
    screen.wait_for(" up");
    screen.type_keys("\x03");
    let (code, text) = screen.finish();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(" bye") && text.contains("SIGINT"), "{text}");
    std::fs::write(folder.join("a.toml"), service("trap \"echo deaf\" TERM")).unwrap();
    let mut screen = Screen::start(&[onit(), &source]);
    screen.wait_for(" up");
    screen.type_keys("\x03");
    screen.wait_for(" deaf");
    screen.type_keys("\x03");
    assert_eq!(screen.finish().0, 0);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_terminal_that_is_gone_is_a_hangup() {
    let mut screen = Screen::start(&[
        onit(),
        "--",
        "sh",
        "-c",
        "trap 'exit 5' HUP; echo ready; while :; do sleep 0.01; done",
    ]);
    screen.wait_for("ready");
    let seen = screen.seen.clone();
    // The last of our ends: the reader's copy goes when it finds the terminal gone.
    let mut child = std::mem::replace(&mut screen.child, Command::new("true").spawn().unwrap());
    // SAFETY: kill takes two numbers. The kernel does this when the terminal is gone.
    unsafe { libc::kill(onit_below(i32::try_from(child.id()).unwrap()), libc::SIGHUP) };
    let mut status = None;
    wait_until_or(
        "it ends",
        Duration::from_secs(30),
        || {
            status = child.try_wait().unwrap();
            status.is_some()
        },
        || String::from_utf8_lossy(&seen.lock().unwrap()).into_owned(),
    );
    assert_eq!(status.unwrap().code(), Some(5));
}

/// `setsid --wait` may fork, or be onit itself by now.
fn onit_below(pid: i32) -> i32 {
    super::sandbox::descendants(pid)
        .into_iter()
        .find(|pid| super::sandbox::comm(*pid) == "onit")
        .unwrap_or(pid)
}
