//! `onit probe`: each kind, what it says when it fails, and that it keeps to its time.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::sandbox::{Ended, PATIENCE, Scene, onit, send};

fn probe(words: &[&str]) -> Ended {
    Scene::process().args(&["probe"]).args(words).run()
}

fn succeeds(words: &[&str]) {
    let ended = probe(words);
    assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (0, "", ""), "{words:?}");
}

fn fails(words: &[&str], why: &str) -> Ended {
    let ended = probe(words);
    let said = format!("{why}\n");
    assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (1, "", &*said), "{words:?}");
    ended
}

/// A listener on a port of its own.
fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn tcp_is_whether_a_connection_is_accepted() {
    let (listener, address) = listen();
    let port = address.port();
    succeeds(&["tcp", &format!("127.0.0.1:{port}")]);
    succeeds(&["--timeout", "3000ms", "tcp", &format!("localhost:{port}")]);
    succeeds(&["--timeout", "3000ms", "--", "tcp", &format!("localhost:{port}")]);
    succeeds(&["tcp", &format!("[::ffff:127.0.0.1]:{port}"), "--timeout=3"]);
    drop(listener);
    for host in ["127.0.0.1", "localhost"] {
        let why = format!("cannot connect to {host}:{port}: connection refused");
        fails(&["tcp", &format!("{host}:{port}")], &why);
    }
    let why = "cannot connect to no-such.example:80: no-such.example is not in /etc/hosts; \
               only addresses and names of /etc/hosts are known";
    fails(&["tcp", "no-such.example:80"], why);
}

#[test]
fn localhost_is_tried_over_both() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        eprintln!("skipped: no IPv6 here");
        return;
    };
    succeeds(&["tcp", &format!("localhost:{}", listener.local_addr().unwrap().port())]);
}

#[test]
fn names_are_those_of_etc_hosts() {
    let (_listener, address) = listen();
    let with_hosts = |hosts: &str, host: &str| {
        let scene = Scene::init();
        let path = scene.folder().join("hosts");
        fs::write(&path, hosts).unwrap();
        let commands = format!("mount --bind {} /etc/hosts", path.display());
        let address = format!("{host}:{}", address.port());
        scene.prepared(&commands, "").args(&["probe", "tcp", &address]).run()
    };
    // Nobody listens on the first.
    let ended = with_hosts("127.0.0.2 web\n127.0.0.1 other Web # web\n", "web");
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    let ended = with_hosts("127.0.0.2 web\n", "web");
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.ends_with(": connection refused\n"), "{}", ended.stderr);
    let localhost = format!("localhost:{}", address.port());
    let ended = Scene::init()
        .prepared("mount -t tmpfs none /etc", "")
        .args(&["probe", "tcp", &localhost])
        .run();
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
}

#[test]
fn who_does_not_answer_is_not_waited_for() {
    let (listener, address) = listen();
    // The queue takes one more than this, and then nothing is answered.
    // SAFETY: listen takes two numbers.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(stream);
    }
    let why = format!("cannot connect to {address}: no answer within 300 ms");
    let ended = fails(&["tcp", &address.to_string(), "--timeout", "300ms"], &why);
    assert!(ended.took >= Duration::from_millis(250) && ended.took < PATIENCE / 2);
    let url = format!("http://{address}/");
    let why = format!("{url}: cannot connect: no answer within 1 s");
    fails(&["http", &url, "--timeout", "1"], &why);
}

#[test]
fn unix_is_whether_a_connection_is_accepted() {
    let scene = Scene::process();
    let path = scene.folder().join("socket");
    let text = path.to_str().unwrap();
    let why = |why: &str| format!("cannot connect to {text}: {why}");
    fails(&["unix", text], &why("no such file or directory"));
    let listener = UnixListener::bind(&path).unwrap();
    succeeds(&["unix", text]);
    // SAFETY: listen takes two numbers.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    // What was tried above is still in the queue, which takes no more.
    fails(&["--timeout", "300ms", "unix", text], &why("no answer within 300 ms"));
    drop(listener);
    fails(&["unix", text], &why("connection refused"));
    fails(&["unix", "/proc/version"], "cannot connect to /proc/version: connection refused");
    fs::remove_dir_all(scene.folder()).unwrap();
}

#[test]
fn file_is_whether_something_is_there() {
    let scene = Scene::process();
    let path = scene.folder().join("link\n");
    let text = path.to_str().unwrap();
    std::os::unix::fs::symlink("target", &path).unwrap();
    // It stays one line.
    let shown = text.replace('\n', "?");
    fails(&["file", text], &format!("{shown}: no such file or directory"));
    fs::write(scene.folder().join("target"), "").unwrap();
    succeeds(&["file", text]);
    succeeds(&["file", scene.folder().to_str().unwrap()]);
    fails(&["file", &format!("{text}/x")], &format!("{shown}/x: not a directory"));
    fs::remove_dir_all(scene.folder()).unwrap();
}

/// Answers one request with `answer`, byte by byte, and closes. Gives the URL and the request.
fn serve(answer: impl Into<Vec<u8>>) -> (String, Receiver<String>) {
    let answer = answer.into();
    serve_with(move |mut stream| {
        stream.set_nodelay(true).unwrap();
        // It may be gone before the last one.
        let _ = answer.iter().try_for_each(|byte| stream.write_all(&[*byte]));
    })
}

fn serve_with(answer: impl FnOnce(TcpStream) + Send + 'static) -> (String, Receiver<String>) {
    let (listener, address) = listen();
    let (tell, asked) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut byte) = (Vec::new(), [0]);
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        let _ = tell.send(String::from_utf8(request).unwrap());
        answer(stream);
    });
    (format!("http://{address}/a?b=c"), asked)
}

#[test]
fn http_is_whether_a_get_is_answered_well() {
    let (url, asked) = serve("HTTP/1.1 204 No Content\r\n\r\n");
    succeeds(&["http", &url]);
    let host = url.strip_prefix("http://").unwrap().strip_suffix("/a?b=c").unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        asked.recv().unwrap(),
        format!(
            "GET /a?b=c HTTP/1.1\r\nHost: {host}\r\nUser-Agent: onit/{version}\r\n\
             Accept: */*\r\nConnection: close\r\n\r\n"
        )
    );
    let succeeds = |answer: &str| succeeds(&["http", &serve(answer).0]);
    succeeds("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    succeeds("HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n");
    succeeds("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    let fails = |answer: &[u8], why: &str| {
        let (url, _) = serve(answer);
        fails(&["http", &url], &format!("{url}: {why}"));
    };
    fails(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "503 Service Unavailable");
    fails(b"HTTP/1.1 404\r\n\r\n", "404");
    fails(b"HTTP/1.1 500 \x1b[2J\r\n\r\n", "500 \\x1b[2J");
    fails(b"", "closed without an answer");
    fails(b"HTTP/1.1 20", "closed in the middle of the answer");
    let long = format!("HTTP/1.1 100 Continue\r\nX: {}", "x".repeat(5000));
    fails(long.as_bytes(), "no status in the first 4096 bytes");
    for (answer, looks) in [("SSH-2.0-OpenSSH\r\n", "\"SSH-2.0-OpenSSH\""), ("\x15\x03\x01", "TLS")]
    {
        let (url, _) = serve_with(move |mut stream| stream.write_all(answer.as_bytes()).unwrap());
        self::fails(&["http", &url], &format!("{url}: the answer is no HTTP, but {looks}"));
    }
    let (listener, address) = listen();
    drop(listener);
    let url = format!("http://{address}");
    self::fails(&["http", &url], &format!("{url}: cannot connect: connection refused"));
}

#[test]
fn the_time_is_that_of_the_whole_answer() {
    let (url, _) = serve_with(|mut stream| {
        stream.write_all(b"HTTP/1.1 100 Continue\r\nX: ").unwrap();
        // A byte every now and then, until nobody listens any more.
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let is_there = |stream: &mut TcpStream| match stream.read(&mut [0]) {
            Ok(_) => false,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        while is_there(&mut stream) && stream.write_all(b"x").is_ok() {}
    });
    let why = format!("{url}: no answer within 500 ms");
    let ended = fails(&["http", &url, "--timeout", "500ms"], &why);
    assert!(ended.took >= Duration::from_millis(450) && ended.took < PATIENCE / 2);
    // It has asked, and hears nothing.
    let (url, _) = serve_with(|mut stream| {
        let _ = stream.read(&mut [0]);
    });
    fails(&["http", &url, "--timeout", "300ms"], &format!("{url}: no answer within 300 ms"));
}

#[test]
fn exec_is_whether_the_command_succeeds() {
    succeeds(&["exec", "true"]);
    succeeds(&["exec", "--", "sh", "-c", "test \"$*\" = '-h --'", "sh", "-h", "--"]);
    succeeds(&["exec", "--timeout", "20s", "sh", "-c", "test $0 = --timeout", "--timeout"]);
    succeeds(&["exec", "sh", "-c", "read line; test -z \"$line\""]);
    fails(&["exec", "sh", "-c", "exit 3"], "sh: exit code 3");
    fails(&["exec", "sh", "-c", "kill -SEGV $$"], "sh: killed by SIGSEGV");
    fails(&["exec", "/no/such"], "cannot execute /no/such: no such file or directory");
    fails(&["exec", "/etc/passwd"], "cannot execute /etc/passwd: permission denied");
    let ended = Scene::process()
        .env("COLOUR", "red")
        .args(&["probe", "exec", "--", "sh", "-c", "echo $COLOUR; echo why >&2; exit 1"])
        .run();
    let said = "why\nsh: exit code 1\n";
    assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (1, "red\n", said));
}

/// It runs in its own session, has a child there, one in a session of its own, and one that has
/// lost its parent. All hold the output, whose end every test waits for.
const TREE: &str = "sleep 1000 &
    setsid sh -c 'trap \"\" TERM HUP; sleep 1000 & echo up; wait' &
    setsid sh -c 'setsid sh -c \"echo up; sleep 1000; :\" &'";

#[test]
fn nobody_stays_behind_when_the_time_is_over() {
    let script = format!("{TREE}\nwait");
    let ended = probe(&["--timeout", "3s", "exec", "sh", "-c", &script]);
    let said = "sh: not done within 3 s; killed\n";
    assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (1, "up\nup\n", said));
}

#[test]
fn nobody_stays_behind_when_the_command_ends() {
    let ended = probe(&["--timeout", "30s", "exec", "sh", "-c", TREE]);
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    let script = format!("{TREE}\nexit 9");
    let ended = probe(&["--timeout", "30s", "exec", "sh", "-c", &script]);
    assert_eq!((ended.code, &*ended.stderr), (1, "sh: exit code 9\n"));
}

#[test]
fn nobody_stays_behind_when_it_is_told_to_end() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let script = format!("{TREE}\nwait");
        let running = Scene::process()
            .args(&["probe", "--timeout", "60", "exec", "sh", "-c", &script])
            .start();
        running.wait_for_times("up", 2).signal(signal);
        let ended = running.finish();
        assert_eq!((ended.code, &*ended.stderr), (128 + signal, ""));
    }
    // As under nohup: it is ignored, and the probe goes on.
    let words = "trap '' HUP; exec \"$0\" probe --timeout 60 exec sh -c 'echo up; sleep 1000'";
    let mut command = Command::new("sh");
    command.args(["-c", words, onit()]);
    let running = Scene::of(command).start();
    running.wait_for("up").signal(libc::SIGHUP);
    running.signal(libc::SIGTERM);
    assert_eq!(running.finish().code, 143);
}

#[test]
fn as_the_first_process_it_is_no_different() {
    let script = format!("{TREE}\nexit 0");
    let ended = Scene::init().args(&["probe", "exec", "sh", "-c", &script]).run();
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
}

#[test]
fn those_who_were_there_before_stay() {
    let words = "sleep 1000 >/dev/null 2>&1 & echo $!; exec \"$0\" probe exec true";
    let mut command = Command::new("sh");
    command.args(["-c", words, onit()]);
    let ended = Scene::of(command).run();
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    let pid: i32 = ended.stdout.trim().parse().unwrap();
    let is_there = super::sandbox::comm(pid) == "sleep";
    send(pid, libc::SIGKILL);
    assert!(is_there);
}
