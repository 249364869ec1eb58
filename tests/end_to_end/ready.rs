//! Ready, healthy, connected: what services say and what is found out about them, in a real PID
//! namespace with real sockets, real client libraries and real probes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::time::Duration;

use super::sandbox::{PATIENCE, Running, Scene, descendants, is_root, onit, wait_until};

/// A service that does nothing.
const IDLE: &str = "command = [\"sleep\", \"1000\"]\n";

/// This very program as a service: the test below of that name, which is ignored otherwise.
fn as_service(name: &str) -> String {
    let program = std::env::current_exe().unwrap();
    let name = format!("ready::{name}");
    let words = [program.to_str().unwrap(), &name, "--exact", "--ignored", "--nocapture"];
    format!("command = {words:?}\n")
}

fn shell(script: &str) -> String {
    format!("command = [\"sh\", \"-c\", {script:?}]\n")
}

/// Waits until what the client says of a service contains `text`.
fn until_status(running: &Running, name: &str, text: &str) {
    let mut last = String::new();
    wait_until(text, || {
        let ended = running.ask(&["status", name]);
        last = format!("{}{}", ended.stdout, ended.stderr);
        last.contains(text)
    });
}

fn ends_well(running: Running) {
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("did not stop in time"), "{}", ended.stderr);
}

// ---- what services say ----

/// With the `sd-notify` crate as it is. Waits for a line before each word.
#[test]
#[ignore = "a service of the tests below"]
fn a_service_that_notifies() {
    use sd_notify::NotifyState as Word;
    let go = |flag: &str| {
        let path = std::env::var_os("FLAGS").unwrap();
        let path = Path::new(&path).join(flag);
        wait_until(flag, || path.exists());
    };
    sd_notify::notify(&[Word::Status("warming up")]).unwrap();
    go("ready");
    sd_notify::notify(&[Word::Status("at work"), Word::Ready]).unwrap();
    go("stop");
    sd_notify::notify(&[Word::Stopping]).unwrap();
}

#[test]
fn a_dependent_waits_for_the_word_of_a_client_library() {
    let scene = Scene::init();
    let flags = scene.folder().to_str().unwrap().to_owned();
    let running = scene
        .env("FLAGS", &flags)
        .service(
            "db",
            &format!("{}\n[ready]\nnotify = true", as_service("a_service_that_notifies")),
        )
        .service("web", &format!("depends_on = [\"db\"]\n{}", shell("env; exec sleep 1000")))
        .with_services()
        .start();
    until_status(&running, "db", "warming up");
    until_status(&running, "db", "waits for READY=1");
    until_status(&running, "web", "waits for db (starting)");
    assert_eq!(running.ask(&["health"]).code, 1);
    std::fs::write(running.folder().join("ready"), "").unwrap();
    until_status(&running, "db", "at work");
    until_status(&running, "web", "web: up");
    assert_eq!(running.ask(&["health"]).code, 0);
    assert!(!running.stdout().contains("NOTIFY_SOCKET"), "of another service");
    running.wait_for_notice("db: ready after");
    std::fs::write(running.folder().join("stop"), "").unwrap();
    // It said that it would; what comes then is up to its policy.
    running.wait_for_notice("db: exit code 0 after");
    running.wait_for_notice("db: started again");
    ends_well(running);
}

/// As people write it who have no library.
const PYTHON: &str = "
import os, socket, time
address = os.environ['NOTIFY_SOCKET']
if address[0] == '@': address = '\\0' + address[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(address)
s.sendall(b'STATUS=\\xff odd\\nREADY=1\\n')
time.sleep(1000)
";

#[test]
fn a_client_in_python_and_the_verb_are_understood() {
    let python = format!("command = [\"python3\", \"-c\", '''{PYTHON}''']\n[ready]\nnotify = true");
    let script = format!("{} notify READY=1 STATUS=fine; exec sleep 1000", onit());
    let running = Scene::init()
        .service("python", &python)
        .service("script", &format!("{}[ready]\nnotify = true", shell(&script)))
        .with_services()
        .start();
    until_status(&running, "python", "odd");
    until_status(&running, "script", "fine");
    let ended = running.ask(&["wait", "python", "script"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    ends_well(running);
}

/// Its notify socket is its own user's, and so are its sockets and what its probe may do.
#[test]
fn a_service_of_another_user_can_say_that_it_is_ready() {
    if !is_root() {
        return;
    }
    let scene = Scene::init();
    let program = scene.folder().join("onit");
    std::fs::copy(onit(), &program).unwrap();
    let path = scene.folder().join("api.sock");
    let script = format!("{} notify READY=1 STATUS=$(id -u); exec sleep 1000", program.display());
    let probe = "id -u > /dev/stderr; exit 1";
    let text = format!(
        "user = 65534\n{}[ready]\nnotify = true\n[health]\nexec = [\"sh\", \"-c\", {probe:?}]\n\
         interval = \"20ms\"\non_unhealthy = \"continue\"\n[[listen]]\naddress = {path:?}\n",
        shell(&script)
    );
    let running = scene.service("web", &text).with_services().start();
    until_status(&running, "web", "says");
    until_status(&running, "web", "65534");
    running.wait_for_notice("web: unhealthy: 65534; going on");
    use std::os::unix::fs::MetadataExt;
    assert_eq!(path.metadata().unwrap().uid(), 65534);
    ends_well(running);
}

#[test]
fn whatever_is_sent_to_it_onit_goes_on() {
    let script = "
import os, socket, array
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ['NOTIFY_SOCKET'])
r, w = os.pipe()
def send(text, fds):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))]
    s.sendmsg([text], rights if fds else [])
odd = [b'', b'=', b'READY', b'\\0', b'READY=1\\0X=1', b'A' * 5000, b'\\n' * 4000]
odd += [b'STATUS=' + b'\\x1b[2J' * 700, b'BARRIER=1', b'WATCHDOG_USEC=1', b'MAINPID=1']
odd += [b'EXTEND_TIMEOUT_USEC=99999999999999999999']
for text in odd:
    for fds in ([], [w], [w] * 253):
        send(text, fds)
os.close(w)
print('closed', os.read(r, 1), flush=True)
s.sendall(b'READY=1')
import time
time.sleep(1000)
";
    let text = format!("command = [\"python3\", \"-c\", '''{script}''']\n[ready]\nnotify = true");
    let running = Scene::init().service("odd", &text).with_services().start();
    // Nobody holds the other end any more: every descriptor that came along is closed.
    running.wait_for("closed b''");
    until_status(&running, "odd", "odd: up");
    running.wait_for_notice("odd: a message to its notify socket is not understood");
    assert_eq!(running.stderr().matches("not understood").count(), 1, "{}", running.stderr());
    assert!(!running.ask(&["status", "odd"]).stdout.contains('\x1b'));
    ends_well(running);
}

#[test]
fn a_line_and_then_a_probe() {
    let scene = Scene::init();
    let flag = scene.folder().join("flag").to_str().unwrap().to_owned();
    let ready = format!("[ready]\nlog = \"is listening\"\nfile = {flag:?}\ninterval = \"20ms\"");
    let script = "printf 'web is list'; while ! [ -e go ]; do sleep 0.02; done; \
                  echo 'ening now'; exec sleep 1000";
    let folder = scene.folder().to_str().unwrap().to_owned();
    let text = format!("directory = {folder:?}\n{}{ready}", shell(script));
    let running = scene
        .service("web", &text)
        .service("after", &format!("after = [\"web\"]\n{IDLE}"))
        .with_services()
        .start();
    until_status(&running, "web", "waits for a line with `is listening`");
    std::fs::write(running.folder().join("go"), "").unwrap();
    until_status(&running, "web", "no such file");
    until_status(&running, "after", "waiting");
    std::fs::write(&flag, "").unwrap();
    until_status(&running, "after", "after: up");
    ends_well(running);
}

// ---- what is found out about them ----

#[test]
fn every_kind_of_probe_finds_out() {
    let scene = Scene::init();
    let folder = scene.folder().to_str().unwrap().to_owned();
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let kinds = [
        ("tcp", format!("tcp = \"localhost:{port}\"")),
        ("http", format!("http = \"http://127.0.0.1:{port}/ready\"")),
        ("unix", format!("unix = \"{folder}/socket\"")),
        ("file", format!("file = \"{folder}/file\"")),
        ("exec", format!("exec = [\"test\", \"-e\", \"{folder}/file\"]")),
    ];
    let mut scene = scene;
    for (name, kind) in &kinds {
        scene = scene.service(name, &format!("{IDLE}[ready]\n{kind}\ninterval = \"50ms\""));
    }
    let running = scene.with_services().start();
    until_status(&running, "tcp", "connection refused");
    until_status(&running, "http", "connection refused");
    until_status(&running, "unix", "no such file");
    until_status(&running, "exec", "exit code 1");
    until_status(&running, "file", "starting");
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let server = std::thread::spawn(move || {
        let mut statuses = ["503 Not Yet", "204 Fine"].into_iter();
        // Each probe of tcp comes and goes without a word.
        while let Some(status) = statuses.next().map(str::to_owned) {
            loop {
                let (mut stream, _) = listener.accept().unwrap();
                let mut bytes = [0; 1024];
                if stream.read(&mut bytes).unwrap_or(0) > 0 {
                    let _ = stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes());
                    break;
                }
            }
        }
    });
    let _unix = UnixListener::bind(format!("{folder}/socket")).unwrap();
    std::fs::write(format!("{folder}/file"), "").unwrap();
    let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
    let ended = running.ask(&[&["wait", "--timeout", "20s"], &names[..]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    server.join().unwrap();
    ends_well(running);
}

#[test]
fn a_start_that_takes_too_long_has_failed_and_shows_its_last_lines() {
    let text =
        "[ready]\nnotify = true\ntimeout = \"300ms\"\n[backoff]\nlimit = 2\ninitial = \"10ms\"";
    let ended = Scene::init()
        .service("slow", &format!("{}{text}", shell("echo loading; exec sleep 1000")))
        .service("web", &format!("depends_on = [\"slow\"]\n{IDLE}"))
        .with_services()
        .run();
    assert_eq!(ended.code, 143, "{}", ended.stderr);
    let words = "slow: not ready within 300 ms (killed by SIGTERM); next attempt in";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    assert!(ended.stderr.contains("slow: its last lines: loading"), "{}", ended.stderr);
    assert!(ended.stderr.contains("too often in a row, giving up"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("web: started"), "{}", ended.stderr);
}

#[test]
fn what_is_unhealthy_is_told_and_restarted() {
    let scene = Scene::init();
    let flag = scene.folder().join("sick").to_str().unwrap().to_owned();
    let script = format!("! [ -e {flag} ] || {{ echo it is sick; rm {flag}; exit 1; }}");
    let health = format!(
        "[health]\nexec = [\"sh\", \"-c\", {script:?}]\ninterval = \"50ms\"\nretries = 1\n"
    );
    let stays = format!(
        "[health]\nfile = \"{}/well\"\ninterval = \"50ms\"\non_unhealthy = \"continue\"\n",
        scene.folder().display()
    );
    let running = scene
        .service("web", &format!("{IDLE}{health}"))
        .service("stays", &format!("{IDLE}{stays}"))
        .with_services()
        .start();
    running.wait_for_notice("stays: unhealthy: ");
    let ended = running.ask(&["health"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("stays is unhealthy"), "{}", ended.stdout);
    assert_eq!(running.ask(&["health", "--level", "alive"]).code, 0);
    assert_eq!(running.ask(&["status"]).code, 3);
    std::fs::write(running.folder().join("well"), "").unwrap();
    running.wait_for_notice("stays: healthy again");
    wait_until("all is well", || running.ask(&["health"]).code == 0);
    std::fs::write(&flag, "").unwrap();
    running.wait_for_notice("web: unhealthy: it is sick; restarting it");
    running.wait_for_notice("web: started again");
    wait_until("all is well again", || running.ask(&["health"]).code == 0);
    let events = running.ask(&["events", "web", "--json"]).stdout;
    assert!(events.contains("\"to\":\"unhealthy\""), "{events}");
    ends_well(running);
}

#[test]
fn a_probe_that_runs_over_is_killed_with_all_it_started() {
    let script = "setsid sleep 12345 & sleep 12345";
    let health = format!(
        "[health]\nexec = [\"sh\", \"-c\", {script:?}]\ninterval = \"100ms\"\n\
         timeout = \"200ms\"\nretries = 2\non_unhealthy = \"continue\""
    );
    let running = Scene::init().service("web", &format!("{IDLE}{health}")).with_services().start();
    running.wait_for_notice("web: unhealthy: no answer in time; going on");
    // Each probe starts three processes, and none of an earlier one is left.
    wait_until("a fourth probe", || {
        let status = running.ask(&["status", "web"]).stdout;
        let times = status.split(" times)").next().and_then(|text| text.rsplit('(').next());
        times.and_then(|times| times.parse::<u32>().ok()).is_some_and(|times| times >= 4)
    });
    // One that is being killed may still be seen beside the next; those left would stay.
    wait_until("no more than one of them", || descendants(running.pid).len() <= 5);
    ends_well(running);
}

#[test]
fn a_watchdog_that_is_not_fed_bites() {
    let script = "import os, socket, time\n\
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
        s.connect(os.environ['NOTIFY_SOCKET'])\n\
        for n in range(10):\n    s.sendall(b'WATCHDOG=1')\n    time.sleep(0.05)\n\
        print('fed until now', os.environ['WATCHDOG_USEC'], flush=True)\n\
        time.sleep(1000)\n";
    let text =
        format!("command = [\"python3\", \"-c\", '''{script}''']\n[health]\nwatchdog = \"300ms\"");
    let running = Scene::init().service("dog", &text).with_services().start();
    running.wait_for("fed until now 300000");
    running.wait_for_notice("dog: unhealthy: no WATCHDOG=1 within 300 ms; restarting it");
    assert!(running.stdout().contains("fed until now"), "{}", running.stdout());
    running.wait_for_notice("dog: started again");
    ends_well(running);
}

// ---- reading the configuration again ----

#[test]
fn services_reload_by_name() {
    let script = format!(
        "trap '{onit} notify RELOADING=1; echo reading; {onit} notify READY=1' HUP; \
         {onit} notify READY=1; while :; do sleep 0.05; done",
        onit = onit()
    );
    let running = Scene::init()
        .service(
            "says",
            &format!("{}[ready]\nnotify = true\n[reload]\nnotify = true", shell(&script)),
        )
        .service(
            "runs",
            &format!("{IDLE}[reload]\ncommand = [\"sh\", \"-c\", \"echo told $ONIT_MAIN_PID\"]"),
        )
        .service("fails", &format!("{IDLE}[reload]\ncommand = [\"false\"]"))
        .service("cannot", IDLE)
        .with_services()
        .start();
    // Its socket is there before anything is started.
    running.wait_for_notice("cannot: started");
    assert_eq!(running.ask(&["wait", "*"]).code, 0);
    let ended = running.ask(&["reload", "says", "runs"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    assert!(ended.stdout.contains("says: reloaded, pid"), "{}", ended.stdout);
    running.wait_for("says | reading").wait_for("runs | told ");
    let ended = running.ask(&["reload", "fails"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("its reload.command failed (exit code 1)"), "{}", ended.stderr);
    let ended = running.ask(&["reload", "cannot"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("cannot has no [reload]"), "{}", ended.stderr);
    assert_eq!(running.ask(&["reload", "nobody"]).code, 4);
    assert_eq!(running.ask(&["reload", "*"]).code, 1, "one of them fails");
    running.signal(libc::SIGTERM);
    assert_eq!(running.finish().code, 0);
}

#[test]
fn others_are_restarted_with_it() {
    let running = Scene::init()
        .service("db", &format!("{IDLE}[backoff]\ninitial = \"10ms\""))
        .service("web", &format!("restart_with = [\"db\"]\n{}", shell("echo up; exec sleep 1000")))
        .with_services()
        .start();
    running.wait_for("web | up");
    assert_eq!(running.ask(&["signal", "KILL", "db"]).code, 0);
    running.wait_for_notice("web: restarting with db").wait_for_times("web | up", 2);
    ends_well(running);
}

// ---- telling above ----

#[test]
fn whoever_started_onit_is_told() {
    let scene = Scene::init();
    let path = scene.folder().join("above");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut bytes = [0; 4096];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let hear_until = |wanted: &str| {
        let mut all = Vec::new();
        while all.last().is_none_or(|last: &String| !last.contains(wanted)) {
            all.push(hear());
        }
        all
    };
    let flag = scene.folder().join("flag").to_str().unwrap().to_owned();
    let running = scene
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "40000")
        .service("web", &format!("{IDLE}[ready]\nfile = {flag:?}\ninterval = \"50ms\""))
        .service("sees", &shell("env; echo that was all; exec sleep 1000"))
        .with_services()
        .start();
    let before = hear_until("STATUS=1 of 2 up, web starting");
    assert!(!before.contains(&"READY=1".to_owned()), "{before:?}");
    assert_eq!(hear_until("WATCHDOG=1").last().unwrap(), "WATCHDOG=1");
    std::fs::write(&flag, "").unwrap();
    let all = [hear_until("READY=1"), hear_until("STATUS=2 of 2 up")].concat();
    assert_eq!(all.iter().filter(|word| *word == "READY=1").count(), 1, "{all:?}");
    running.wait_for("sees | that was all");
    assert!(!running.stdout().contains("NOTIFY_SOCKET"), "{}", running.stdout());
    assert!(!running.stdout().contains("WATCHDOG"), "{}", running.stdout());
    running.ask(&["shutdown", "--exit-code", "7", "--no-wait"]);
    hear_until("STOPPING=1");
    hear_until("EXIT_STATUS=7");
    assert_eq!(running.finish().code, 7);
    socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    while socket.recv(&mut [0; 64]).is_ok() {}
}

#[test]
fn a_lone_main_command_speaks_above_for_itself() {
    let scene = Scene::init();
    let path = scene.folder().join("above");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let script = format!("{} notify --no-block STATUS=mine", onit());
    let ended = scene.env("NOTIFY_SOCKET", &path).script(&script).run();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let mut bytes = [0; 4096];
    let length = socket.recv(&mut bytes).unwrap();
    assert_eq!(&bytes[..length], b"STATUS=mine");
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut bytes).is_err(), "onit itself said something");
}

// ---- connected ----

#[test]
fn a_newline_on_a_descriptor_says_that_it_is_ready() {
    let running = Scene::init()
        .service(
            "s6",
            &format!("{}[ready]\nfd = 7\n", shell("sleep 0.1; echo >&7; exec sleep 1000")),
        )
        .service(
            "web",
            &format!("depends_on = [\"s6\"]\n{}", shell("ls /proc/self/fd; exec sleep 9")),
        )
        .service(
            "never",
            &format!(
                "{}[ready]\nfd = 3\n[backoff]\nlimit = 1\n",
                shell("exec 3>&-; exec sleep 1000")
            )
            .replacen("command", "on_failure = \"continue\"\ncommand", 1),
        )
        .with_services()
        .start();
    running.wait_for_notice("s6: ready after").wait_for_notice("web: started");
    running.wait_for_notice("never: closed its readiness descriptor without a newline");
    ends_well(running);
}

/// Serves what it was handed: a line for each connection, with the number of its life. Holds what
/// the library says of it, too.
#[test]
#[ignore = "a service of the tests below"]
fn a_service_that_listens() {
    use std::os::fd::FromRawFd;
    let listening: Vec<(i32, String)> = sd_notify::listen_fds_with_names().unwrap().collect();
    let names: Vec<&str> = listening.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["web", "admin"]);
    // SAFETY: it is ours, as the library has checked.
    let tcp = unsafe { TcpListener::from_raw_fd(listening[0].0) };
    println!("serving");
    for connection in tcp.incoming() {
        // Whoever came and went again while nobody was there.
        let _ = connection.and_then(|mut stream| stream.write_all(b"hello\n"));
    }
}

#[test]
fn no_connection_is_refused_through_a_hundred_restarts() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let scene = Scene::init();
    let path = scene.folder().join("admin.sock");
    let sockets = format!(
        "[[listen]]\nname = \"web\"\naddress = \"127.0.0.1:{port}\"\n\
         [[listen]]\nname = \"admin\"\naddress = {path:?}\nmode = \"0600\"\n"
    );
    let policy = "[backoff]\ninitial = \"1ms\"\nmax = \"1ms\"\nlimit = 0\n";
    let running = scene
        .service("web", &format!("{}{policy}{sockets}", as_service("a_service_that_listens")))
        .with_services()
        .start();
    running.wait_for("serving");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&stop);
    let client = std::thread::spawn(move || {
        let mut answered = 0u32;
        while !seen.load(std::sync::atomic::Ordering::Relaxed) {
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut text = String::new();
            // One that is served by a process that is killed in this very moment is cut off. That
            // is the process's doing; what onit promises is that it is not refused.
            if stream.read_to_string(&mut text).is_ok() && text == "hello\n" {
                answered += 1;
            }
        }
        answered
    });
    for _ in 0..100 {
        let ended = running.ask(&["restart", "web"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let answered = client.join().unwrap();
    assert!(answered > 100, "{answered}");
    std::os::unix::net::UnixStream::connect(&path).unwrap();
    // What is stopped by hand refuses instead of keeping people waiting.
    assert_eq!(running.ask(&["stop", "web"]).code, 0);
    wait_until("it is refused", || std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!path.exists());
    assert_eq!(running.ask(&["start", "web"]).code, 0);
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    ends_well(running);
    assert!(!path.exists());
}

#[test]
fn instances_share_their_sockets_and_have_names_of_their_own() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let text = format!(
        "instances = 3\n{}[[listen]]\naddress = \"127.0.0.1:{port}\"\n",
        shell("echo worker ${INSTANCE} with $LISTEN_FDS $LISTEN_FDNAMES; exec sleep 1000")
    );
    let running = Scene::init()
        .service("worker", &text)
        .service("after", &format!("depends_on = [\"worker\"]\n{IDLE}"))
        .with_services()
        .start();
    running.wait_for("worker@1 | worker 1 with 1 worker");
    running.wait_for("worker@3 | worker 3 with 1 worker").wait_for_notice("after: started");
    let connect = || std::net::TcpStream::connect(("127.0.0.1", port));
    connect().unwrap();
    assert_eq!(running.ask(&["stop", "--force", "worker@2", "worker@3"]).code, 0);
    connect().unwrap();
    assert_eq!(running.ask(&["stop", "--force", "worker"]).code, 0);
    wait_until("it is refused", || connect().is_err());
    let ended = running.ask(&["start", "worker"]);
    assert!(ended.stdout.contains("worker@2: up"), "{}", ended.stdout);
    connect().unwrap();
    ends_well(running);
}

#[test]
fn a_port_that_is_taken_is_named_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let running = Scene::init()
        .service("web", &format!("{IDLE}[[listen]]\naddress = \"127.0.0.1:{port}\"\n"))
        .with_services()
        .start();
    let words =
        format!("web: cannot listen on 127.0.0.1:{port}: address already in use; next attempt");
    running.wait_for_notice(&words);
    drop(listener);
    running.wait_for_notice("web: started");
    ends_well(running);
}

#[test]
fn a_socket_that_onit_was_handed_goes_on_to_the_service_that_names_it() {
    use std::os::fd::AsRawFd;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (theirs, number) = (listener.as_raw_fd(), 3);
    let running = Scene::init()
        // The shell becomes onit, so its number is the one that is meant.
        .prepared("export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web", "")
        .before_exec(move || {
            // SAFETY: dup2 takes two numbers, and is safe after a fork.
            if unsafe { libc::dup2(theirs, number) } < 0 {
                return Err(std::io::Error::last_os_error());
            }
            // SAFETY: as above; where both are the same it would be closed on exec.
            unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
            Ok(())
        })
        .service(
            "web",
            &format!(
                "{}[[listen]]\nname = \"web\"\n",
                shell("echo $LISTEN_FDS $LISTEN_FDNAMES; exec sleep 1000")
            ),
        )
        .service("other", &shell("echo other $${LISTEN_FDS-none}; exec sleep 1000"))
        .with_services()
        .start();
    running.wait_for("web | 1 web").wait_for("other | other none");
    drop(listener);
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    // It stays, also when the service is stopped.
    assert_eq!(running.ask(&["restart", "web"]).code, 0);
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    ends_well(running);
}
