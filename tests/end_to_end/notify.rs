//! `onit notify`: what arrives, and when it ends.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::sandbox::{Ended, PATIENCE, Scene, stat, wait_until};

fn notify(socket: &str, words: &[&str]) -> Scene {
    Scene::process().env("NOTIFY_SOCKET", socket).args(&["notify"]).args(words)
}

fn socket() -> (UnixDatagram, String, Scene) {
    let scene = Scene::process();
    let path = scene.folder().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    (socket, path.to_str().unwrap().to_owned(), scene)
}

fn receive(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 8192];
    let length = socket.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

fn said(ended: &Ended) -> (i32, &str, &str) {
    (ended.code, &ended.stdout, &ended.stderr)
}

#[test]
fn what_is_told_arrives_as_one_message() {
    let (socket, path, scene) = socket();
    let ended = notify(&path, &["--no-block", "READY=1", "STATUS=two words = ok"]).run();
    assert_eq!(said(&ended), (0, "", ""));
    assert_eq!(receive(&socket), "READY=1\nSTATUS=two words = ok");
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 64]).is_err(), "no barrier");
    std::fs::remove_dir_all(scene.folder()).unwrap();

    let name = format!("onit-notify-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    let ended = notify(&format!("@{name}"), &["--no-block", "--", "STATUS="]).run();
    assert_eq!(said(&ended), (0, "", ""));
    assert_eq!(receive(&socket), "STATUS=");
}

#[test]
fn it_ends_when_it_has_been_taken_notice_of() {
    let (socket, path, scene) = socket();
    let mut running = notify(&path, &["READY=1"]).start();
    assert_eq!(receive(&socket), "READY=1");
    // The barrier is in the queue, and so is the descriptor in it.
    wait_until("it waits", || stat(running.pid, 3) == "S");
    assert!(!running.is_over());
    // Whoever reads without room for a descriptor has closed it.
    assert_eq!(receive(&socket), "BARRIER=1");
    assert_eq!(said(&running.finish()), (0, "", ""));

    let ended = notify(&path, &["READY=1"]).run();
    let why =
        format!("onit: cannot be sure of NOTIFY_SOCKET ({path}): nobody has taken it for 5 s\n");
    assert_eq!(said(&ended), (1, "", &*why));
    assert!(ended.took >= Duration::from_secs(4) && ended.took < PATIENCE);
    std::fs::remove_dir_all(scene.folder()).unwrap();
}

#[test]
fn a_full_queue_is_waited_for() {
    let (socket, path, scene) = socket();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while filler.send_to(b"X=1", &path).is_ok() {
        sent += 1;
    }
    let mut running = notify(&path, &["--no-block", "READY=1"]).start();
    wait_until("it waits", || stat(running.pid, 3) == "S");
    assert!(!running.is_over());
    for _ in 0..sent {
        assert_eq!(receive(&socket), "X=1");
    }
    assert_eq!(receive(&socket), "READY=1");
    assert_eq!(said(&running.finish()), (0, "", ""));
    std::fs::remove_dir_all(scene.folder()).unwrap();
}

#[test]
fn a_reload_has_its_time() {
    let (socket, path, scene) = socket();
    let ended = notify(&path, &["--no-block", "RELOADING=1"]).run();
    assert_eq!(said(&ended), (0, "", ""));
    let message = receive(&socket);
    let time: u64 = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
    // Both count from the start of the machine, but only one while it sleeps.
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    assert!(time > 0 && Duration::from_micros(time).as_secs_f64() < uptime + 1.0, "{time}");
    notify(&path, &["--no-block", "MONOTONIC_USEC=7", "RELOADING=1"]).run();
    assert_eq!(receive(&socket), "MONOTONIC_USEC=7\nRELOADING=1");
    std::fs::remove_dir_all(scene.folder()).unwrap();
}

#[test]
fn who_cannot_be_told_is_named() {
    let hint = "onit: NOTIFY_SOCKET is not set; only a service whose file asks for it has it: \
                ready.notify, health.watchdog or reload.notify\n";
    let ended = notify("", &["READY=1"]).run();
    assert_eq!(said(&ended), (1, "", hint));
    let check = |socket: &str, why: &str| {
        let ended = notify(socket, &["READY=1"]).run();
        let expected = format!("onit: cannot reach NOTIFY_SOCKET ({socket}): {why}\n");
        assert_eq!(said(&ended), (1, "", &*expected));
    };
    check("/no/such", "no such file or directory");
    check("@onit-no-such", "connection refused");
    check("vsock:2:1", "only a path or @ and an abstract name are known");
    check(&format!("/{}", "x".repeat(200)), "file name too long");
    let (socket, path, scene) = socket();
    drop(socket);
    check(&path, "connection refused");
    std::fs::remove_dir_all(scene.folder()).unwrap();
    // What is wrong is said first.
    assert_eq!(notify("", &["READY"]).run().code, 2);
}
