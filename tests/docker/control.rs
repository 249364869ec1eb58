//! `docker exec CONTAINER /onit VERB`: who reaches the onit of a container, and from where.

use super::engine::{Container, Ended, Image, Volume};
use super::{Services, check_stop, is_there};

const DATABASE: (&str, &str) =
    ("database.toml", r#"command = ["sh", "-c", "echo database is up; exec sleep 1001"]"#);

const WEB: (&str, &str) = (
    "web.toml",
    "command = [\"sh\", \"-c\", \"echo web is up; exec sleep 1002\"]\n\
     depends_on = [\"database\"]\n",
);

/// Where the socket is for whom /run is there and can be written to.
const IN_RUN: &str = "/run/onit.sock";

/// Prints where the socket is that only its owner can see.
const FIND_IN_MEMORY: [&str; 3] = ["sh", "-c", "echo /dev/shm/onit-*/onit.sock"];

#[test]
#[ignore = "needs a Docker engine"]
fn a_person_looks_and_lends_a_hand() {
    let (container, _rest) = two_services("hand", &[]);
    let status = onit(&container, &["status"], 0);
    assert_eq!(states(&status), ["database up", "web up"]);
    assert_eq!(onit(&container, &["health"], 0).stdout, "2 services, all up\n");

    // Nothing is pulled from under those who need it unless that is said.
    let refused = onit(&container, &["stop", "database"], 1);
    assert!(refused.stderr.contains("needed by web"), "{refused:?}");
    onit(&container, &["stop", "web"], 0);
    assert!(!is_there(&container.processes(), "sleep 1002"), "it was answered too early");
    assert_eq!(states(&onit(&container, &["status"], 3)), ["database up", "web down"]);
    let ill = onit(&container, &["health"], 1);
    assert!(ill.stdout.contains("web is down"), "{ill:?}");
    onit(&container, &["health", "--level", "alive"], 0);

    // Up is when its program runs, which may be before it has said so.
    let says_so = || {
        container.wait_for_processes("sleep", |all| is_there(all, "sleep 1002"));
    };
    onit(&container, &["start", "web"], 0);
    says_so();
    let before = pid_of_web(&container);
    onit(&container, &["restart", "web"], 0);
    says_so();
    assert_ne!(pid_of_web(&container), before);
    assert_eq!(onit(&container, &["logs", "web"], 0).stdout, "web | web is up\n".repeat(3));
    assert_eq!(onit(&container, &["logs", "web", "-n", "1"], 0).stdout, "web | web is up\n");

    for verb in ["status", "start", "stop", "restart", "logs", "wait"] {
        let unknown = onit(&container, &[verb, "wep"], 4);
        assert!(unknown.stderr.contains("wep"), "{unknown:?}");
        assert!(unknown.stderr.contains("did you mean web?"), "{unknown:?}");
    }
    onit(&container, &["stop", "--with-dependents", "database"], 0);
    assert_eq!(states(&onit(&container, &["status"], 3)), ["database down", "web down"]);
    check_stop(&container, 0);
}

#[test]
#[ignore = "needs a Docker engine"]
fn the_user_of_the_container_may_ask() {
    // A user that no passwd file knows, and no /run in the image: there is only /dev/shm.
    let (container, _rest) = two_services("user", &["-u", "1000"]);
    let status = onit(&container, &["status"], 0);
    assert_eq!(states(&status), ["database up", "web up"]);
    onit(&container, &["restart", "web"], 0);
    let socket = container.exec(&FIND_IN_MEMORY).stdout;
    assert!(socket.starts_with("/dev/shm/onit-1000-"), "{socket}");

    // Root may ask too, and finds the place that is another's.
    let root = container.exec_as("0", &["/onit", "status"]);
    assert_eq!(root.code, 0, "{root:?}");
    // Whoever may not is told that, and not that there is nothing.
    let stranger = container.exec_as("1001", &["/onit", "status"]);
    assert_eq!((stranger.code, stranger.stdout.as_str()), (5, ""), "{stranger:?}");
    assert!(stranger.stderr.contains("permission denied"), "{stranger:?}");

    // So it is for those who say where it is.
    let named = ["/onit", "status", "--socket", socket.trim()];
    let root = container.exec_as("0", &named);
    assert_eq!(root.code, 0, "{root:?}");
    let stranger = container.exec_as("1001", &named);
    assert_eq!(stranger.code, 5, "{stranger:?}");
    assert!(stranger.stderr.contains("permission denied"), "{stranger:?}");
    check_stop(&container, 0);
}

#[test]
#[ignore = "needs a Docker engine"]
fn others_may_not_ask_the_onit_of_root() {
    let (container, _rest) = two_services("others", &[]);
    for words in [&["status"][..], &["stop", "web"], &["shutdown"]] {
        let refused = container.exec_as("1001", &[&["/onit"], words].concat());
        assert_eq!((refused.code, refused.stdout.as_str()), (5, ""), "{words:?}: {refused:?}");
        assert!(refused.stderr.contains("/run/onit.sock: permission denied"), "{refused:?}");
    }
    assert_eq!(container.exec_as("1001", &["/onit", "health"]).code, 1);
    assert_eq!(states(&onit(&container, &["status"], 0)), ["database up", "web up"]);
}

#[test]
#[ignore = "needs a Docker engine"]
fn a_read_only_container_has_its_socket_in_memory() {
    const RIGHTLESS: [&str; 4] = ["--read-only", "--cap-drop", "ALL", "--security-opt"];
    let nothing = [&RIGHTLESS[..], &["no-new-privileges"]].concat();
    let tmpfs = "--tmpfs=/run";
    // The mode that distributions give it, under which it is root's alone.
    let tmpfs_of_root = "--tmpfs=/run:mode=755";
    let cases: [(&[&str], &str); 6] = [
        (&[tmpfs], IN_RUN),
        (&[tmpfs, "-u", "1000"], IN_RUN),
        (&[tmpfs_of_root], IN_RUN),
        (&[tmpfs_of_root, "-u", "1000"], "/dev/shm/onit-1000-"),
        (&[], "/dev/shm/onit-0-"),
        (&["-u", "1000"], "/dev/shm/onit-1000-"),
    ];
    for (options, place) in cases {
        let (container, _rest) = two_services("read-only", &[&nothing[..], options].concat());
        let status = onit(&container, &["status"], 0);
        assert_eq!(states(&status), ["database up", "web up"], "{options:?}");
        onit(&container, &["restart", "web"], 0);
        let is_in_run = container.exec(&["sh", "-c", "[ -S /run/onit.sock ]"]).code == 0;
        let in_memory = container.exec(&FIND_IN_MEMORY).stdout;
        let found = if is_in_run { IN_RUN } else { in_memory.as_str() };
        assert!(found.starts_with(place), "{options:?}: {found}");
        assert!(!container.logs().contains("control socket"), "{}", container.logs());
        check_stop(&container, 0);
    }
}

#[test]
#[ignore = "needs a Docker engine"]
fn without_any_place_for_a_socket_services_run() {
    for user in ["0", "1000"] {
        let options = ["-u", user, "--read-only", "--ipc=none"];
        let (container, _rest) = two_services("nowhere", &options);
        let (stdout, stderr) = container.streams();
        assert!(!stdout.contains("control socket"), "{stdout}");
        let warnings: Vec<_> =
            stderr.lines().filter(|line| line.contains("control socket")).collect();
        assert_eq!(warnings.len(), 1, "user {user}: {stderr}");
        for part in [IN_RUN, "onit status", "--socket"] {
            assert!(warnings.concat().contains(part), "user {user}: {warnings:?}");
        }
        let status = onit(&container, &["status"], 5);
        assert!(status.stderr.contains(IN_RUN), "user {user}: {status:?}");
        onit(&container, &["health"], 1);
        check_stop(&container, 0);
    }
}

#[test]
#[ignore = "needs a Docker engine"]
fn the_engine_knows_how_the_example_is() {
    // The check is the one of Dockerfile.example; only its patience is too long for a test.
    let options = ["--health-interval=1s", "--health-retries=1"];
    for user in ["0", "1000"] {
        let (container, _rest) =
            two_services("health", &[&options[..], &["--read-only", "-u", user]].concat());
        container.wait_for_health("healthy");
        assert_eq!(container.last_health_output(), "2 services, all up");
        onit(&container, &["stop", "web"], 0);
        container.wait_for_health("unhealthy");
        let output = container.last_health_output();
        assert!(output.starts_with("web is down: stopped on request"), "{output}");
        onit(&container, &["start", "web"], 0);
        container.wait_for_health("healthy");
        check_stop(&container, 0);
    }
}

#[test]
#[ignore = "needs a Docker engine"]
fn a_shutdown_ends_the_container_with_the_code_it_names() {
    for (test, user) in [("shutdown-of-root", "0"), ("shutdown-of-a-user", "1000")] {
        let (container, _rest) = two_services(test, &["-u", user]);
        // It is one of the processes that are ended, and says all the same that it went well.
        onit(&container, &["shutdown", "--exit-code", "7"], 0);
        assert_eq!(container.wait(), 7, "{}", container.logs());
    }
}

#[test]
#[ignore = "needs a Docker engine"]
fn one_run_directory_is_for_one_onit() {
    let volume = Volume::new();
    let (first, services) = two_services("volume", &[&volume.mount("/run")]);
    let image = Image::example();
    let options = [services.mount(), volume.mount("/run")];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let second = image.run(&options, &[]);
    assert_eq!(second.code, 2, "{second:?}");
    assert_eq!(second.stdout, "", "something was started");
    for part in ["another onit", IN_RUN, "--socket"] {
        assert!(second.stderr.contains(part), "{second:?}");
    }
    assert_eq!(states(&onit(&first, &["status"], 0)), ["database up", "web up"]);

    // What a killed one leaves behind is in nobody's way: not in another container's ...
    first.signal("KILL");
    first.wait();
    let third = image.start(&options, &[]);
    wait_until_up(&third);
    third.signal("KILL");
    third.wait();
    // ... and not in its own.
    third.start_again();
    third.wait_for_processes("sleep", |all| is_there(all, "sleep 1002"));
    assert_eq!(states(&onit(&third, &["status"], 0)), ["database up", "web up"]);
    check_stop(&third, 0);
}

/// A container of the example image in which two services are up, and what it needs to exist.
fn two_services(test: &str, options: &[&str]) -> (Container, Services) {
    let services = Services::new(test, &[DATABASE, WEB]);
    let container = Image::example().start(&[options, &[&services.mount()]].concat(), &[]);
    wait_until_up(&container);
    (container, services)
}

/// Waits until both run and have said so; that does not need the socket.
fn wait_until_up(container: &Container) {
    container.wait_for_log("web is up");
    container.wait_for_processes("both", |all| {
        is_there(all, "sleep 1001") && is_there(all, "sleep 1002")
    });
}

/// `docker exec CONTAINER /onit WORDS`, as the user of the container.
fn onit(container: &Container, words: &[&str], expected: i32) -> Ended {
    let ended = container.exec(&[&["/onit"], words].concat());
    assert_eq!(ended.code, expected, "onit {words:?}: {ended:?}");
    ended
}

/// `name state` of every row that `onit status` printed.
fn states(status: &Ended) -> Vec<String> {
    let row = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    status.stdout.lines().skip(1).map(row).collect()
}

fn pid_of_web(container: &Container) -> String {
    let status = onit(container, &["status", "web", "--json"], 0).stdout;
    let (_, rest) = status.split_once("\"pid\":").expect("what is up has a pid");
    rest.split(|byte: char| !byte.is_ascii_digit()).next().unwrap_or_default().to_owned()
}
