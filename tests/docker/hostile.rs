//! Who is left when a service is gone, and what others on a host can do to us: with a real engine.

use super::engine::{Container, Image, wait_until};
use super::{Services, check_stop, is_there};

/// Somebody who says that they are there, and when they are told to go. Where nothing else can be
/// written to, /dev/shm can.
const GUEST: &str = "umask 0\n\
    trap 'echo \"$1 heard TERM\" >> /dev/shm/heard; exit 0' TERM\n\
    echo \"$1 is there\" >> /dev/shm/heard\n\
    while :; do sleep 4000 & wait $!; done\n";

/// A service that leaves all kinds of guests behind.
const HOST: &str = "guest=\"/bin/sh /etc/onit/services/guest.sh\"\n\
    $guest group &\n\
    setsid $guest session &\n\
    (setsid /bin/sh -c \"$guest double-fork &\" &)\n\
    (setsid $guest closed-everything 0<&- 1<&- 2<&- &)\n\
    env -i setsid /bin/sh /etc/onit/services/guest.sh no-environment &\n\
    if [ \"$(id -u)\" = 0 ]; then\n\
        setsid /onit as 1234:1234 $guest other-user &\n\
        setsid /onit as 1234:1234 /hidden/sh /etc/onit/services/guest.sh undumpable &\n\
    else\n\
        setsid /hidden/sh /etc/onit/services/guest.sh undumpable &\n\
    fi\n\
    exec sleep 4001\n";

/// What can be executed but not read makes a process that even its own user cannot look into
/// (`would_dump` in execve(2)).
const HIDDEN: &str = "RUN [\"/bin/sh\", \"-c\", \"mkdir /hidden && cp /bin/sh /hidden/sh && chmod 0711 /hidden/sh\"]";

fn heard(container: &Container, guest: &str, what: &str) -> Result<(), String> {
    let all = container.exec(&["sh", "-c", "cat /dev/shm/heard"]).stdout;
    if all.lines().any(|line| line == format!("{guest} {what}")) { Ok(()) } else { Err(all) }
}

fn nobody_is_left(options: &[&str], guests: &[&str]) {
    let image = Image::example().extended(HIDDEN);
    let host = "command = [\"sh\", \"/etc/onit/services/host.sh\"]\n";
    let kept = "command = [\"sh\", \"-c\", \"setsid sleep 4002 & exec sleep 4003\"]\n\
                [stop]\nleftovers = \"keep\"\n";
    let services = Services::new(
        &format!("left-{}", guests.len()),
        &[("host.toml", host), ("kept.toml", kept), ("guest.sh", GUEST), ("host.sh", HOST)],
    );
    let mount = services.mount();
    let container = image.start(&[&[mount.as_str()], options].concat(), &[]);
    for guest in guests {
        wait_until(&format!("{guest} is there"), || heard(&container, guest, "is there"));
    }
    // Those of somebody else: one that runs, and one that an exec has left to PID 1.
    container.exec_in_background(&["sleep", "5000"]);
    let left = "setsid sleep 5001 > /dev/null 2>&1 < /dev/null & exit 0";
    assert_eq!(container.exec(&["sh", "-c", left]).code, 0);
    container.wait_for_processes("those of others", |all| {
        ["sleep 5000", "sleep 5001", "sleep 4002"].iter().all(|one| is_there(all, one))
    });
    for stopped in ["host", "kept"] {
        let ended = container.exec(&["/onit", "stop", stopped]);
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    for guest in guests {
        assert_eq!(heard(&container, guest, "heard TERM"), Ok(()), "{guest}");
    }
    let all = container.processes();
    for gone in ["guest.sh", "sleep 4000", "sleep 4001", "sleep 4003"] {
        assert!(!all.iter().any(|row| row.contains(gone)), "{gone} in {all:?}");
    }
    for alive in ["sleep 5000", "sleep 5001", "sleep 4002"] {
        assert!(is_there(&all, alive), "{alive} in {all:?}");
    }
    check_stop(&container, 0);
}

#[test]
#[ignore = "needs a Docker engine"]
fn of_a_service_of_root_nobody_is_left() {
    let guests = ["group", "session", "double-fork", "closed-everything", "no-environment"];
    nobody_is_left(&[], &[&guests[..], &["other-user", "undumpable"]].concat());
}

#[test]
#[ignore = "needs a Docker engine"]
fn of_a_service_without_any_rights_nobody_is_left() {
    let guests = ["group", "session", "double-fork", "closed-everything", "no-environment"];
    nobody_is_left(
        &["-u", "1000", "--cap-drop", "ALL", "--read-only"],
        &[&guests[..], &["undumpable"]].concat(),
    );
}

#[test]
#[ignore = "needs a Docker engine"]
fn a_limit_of_processes_is_recovered_from() {
    let image = Image::example();
    let sleeper = "command = [\"sleep\", \"4000\"]\non_failure = \"continue\"\n\
                   [backoff]\ninitial = \"50ms\"\nmax = \"50ms\"\nlimit = 0\n";
    let names: Vec<String> = (0..16).map(|number| format!("s{number}.toml")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), sleeper)).collect();
    let services = Services::new("pids", &files);
    // Threads count too: onit and its relays are three.
    let container = image.start(&[&services.mount(), "--pids-limit", "12"], &[]);
    container.wait_for_log("resource temporarily unavailable; next attempt in");
    container.signal("HUP");
    container.wait_for_log("reload");
    // Room is made where the engine can make it.
    container.update(&["--pids-limit", "200"]);
    container.wait_for_processes("all of them", |all| {
        all.iter().filter(|row| row.ends_with("sleep 4000")).count() == 16
    });
    check_stop(&container, 0);
}

#[test]
#[ignore = "needs a Docker engine"]
fn a_fork_bomb_ends_with_its_service() {
    let image = Image::example();
    let bomb = "command = [\"sh\", \"-c\", \"echo lit; b() { b | b & }; b; exec sleep 4000\"]\n\
                on_failure = \"continue\"\n";
    let calm = "command = [\"sh\", \"-c\", \"echo calm; exec sleep 4001\"]\n";
    let services = Services::new("bomb", &[("bomb.toml", bomb), ("calm.toml", calm)]);
    let container = image.start(&[&services.mount(), "--pids-limit", "64"], &[]);
    container.wait_for_log("calm | calm");
    container.wait_for_log("bomb | lit");
    container.wait_for_log("fork");
    check_stop(&container, 0);
}

#[test]
#[ignore = "needs a Docker engine"]
fn in_the_namespace_of_others_nobody_of_theirs_is_touched() {
    let image = Image::example();
    let web = "command = [\"sh\", \"-c\", \"setsid sleep 4000 & echo up; exec sleep 4001\"]\n";
    let services = Services::new("shared", &[("web.toml", web)]);
    let mount = services.mount();
    let other = image.start(&super::BARE, &["--", "sh", "-c", "sleep 6000 & exec sleep 6001"]);
    other.wait_for_processes("the other", |all| is_there(all, "sleep 6000"));
    let theirs = format!("--pid=container:{}", other.name);
    for namespace in [theirs.as_str(), "--pid=host"] {
        let container = image.start(&[&mount, namespace], &[]);
        container.wait_for_log("web | up");
        let ended = container.exec(&["/onit", "restart", "web"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        let ours =
            |name: &str| container.processes().iter().filter(|row| row.ends_with(name)).count();
        assert_eq!((ours("sleep 4000"), ours("sleep 4001")), (1, 1));
        check_stop(&container, 0);
        let all = other.processes();
        assert!(is_there(&all, "sleep 6000") && is_there(&all, "sleep 6001"), "{all:?}");
    }
    check_stop(&other, 143);
}
