//! Directories of services in the formats of others, as a whole: what runs when.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::sandbox::{Scene, wait_until};

/// Says that it runs, and that it is asked to end.
const SERVICE: &str = "#!/bin/sh\ntrap 'echo bye; exit 0' TERM\necho up\n\
                       while :; do sleep 1000 & wait; done\n";

fn script(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn says(word: &str) -> String {
    format!("#!/bin/sh\necho {word}\n")
}

#[test]
fn the_tree_of_an_overlay_runs_in_its_order() {
    let scene = Scene::init();
    let etc = scene.folder().join("etc");
    let log = scene.folder().join("log");
    // Into a file: lines of several pipes have no order among each other.
    let notes = |word: &str| format!("#!/bin/sh\necho {word} >>$LOG\n");
    let service = |name: &str| {
        format!(
            "#!/bin/sh\ntrap 'echo {name} bye >>$LOG; exit 0' TERM\necho {name} up >>$LOG\n\
             echo ready\nwhile :; do sleep 1000 & wait; done\n"
        )
    };
    script(&etc, "cont-init.d/10-first", &notes("first"));
    script(&etc, "cont-init.d/20-second", &format!("{}exit 3\n", notes("second of $WHOSE")));
    script(&etc, "cont-finish.d/10-save", &notes("save"));
    script(&etc, "cont-finish.d/20-sync", &format!("{}cat $LOG\n", notes("sync")));
    script(&etc, "services.d/old/run", &service("old"));
    let s6rc = etc.join("s6-overlay/s6-rc.d");
    script(&s6rc, "setup/type", "oneshot\n");
    script(&s6rc, "setup/up", &format!("{}/up", s6rc.display()));
    script(&s6rc, "setup/down", &format!("{}/down", s6rc.display()));
    script(&s6rc, "setup/dependencies.d/base", "");
    script(&s6rc, "up", &notes("set up"));
    script(&s6rc, "down", &notes("taken down"));
    script(&s6rc, "web/type", "longrun\n");
    script(&s6rc, "web/run", &service("web").replace("echo ready\n", "echo >&3\n"));
    script(&s6rc, "web/notification-fd", "3\n");
    script(&s6rc, "web/dependencies.d/setup", "");
    script(&s6rc, "user/type", "bundle\n");
    script(&s6rc, "user/contents.d/web", "");
    let scene = scene.with_source(&etc).env("WHOSE", "the container").env("LOG", log);
    let running = scene.start();
    running.wait_for("old | ready");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let lines = ended.stdout.lines().filter_map(|line| line.strip_prefix("cont-finish | "));
    let expected = [
        "first",
        "second of the container",
        "set up",
        "web up",
        "old up",
        "old bye",
        "web bye",
        "taken down",
        "save",
        "sync",
    ];
    assert_eq!(lines.collect::<Vec<_>>(), expected, "{}", ended.stderr);
    assert!(ended.took.as_secs() < 8, "{:?}", ended.took);
}

#[test]
fn the_scripts_of_s6_svscan_are_run_for_signals_and_at_the_end() {
    let scene = Scene::init();
    let services = scene.folder().join("s6");
    script(&services, "web/run", SERVICE);
    script(&services, ".s6-svscan/finish", &says("finished"));
    let count = "#!/bin/sh\nset -- $(grep -lx sleep /proc/[0-9]*/comm)\necho rotated, $# sleep\n";
    script(&services, ".s6-svscan/SIGUSR1", count);
    let running = scene.with_source(&services).start();
    running.wait_for("web | up");
    // Until the trap of its shell is set, it would end of the signal, and come back.
    wait_until("the script to be run", || {
        running.signal(libc::SIGUSR1);
        running.stdout().matches("s6-svscan | rotated").count() >= 20
    });
    // Those of the service and of the shell that waits, and their successors.
    let said = running.stdout();
    let most = said.lines().filter_map(|line| line.strip_prefix("s6-svscan | rotated, "));
    let most = most.filter_map(|line| line.strip_suffix(" sleep")?.parse::<usize>().ok()).max();
    assert!(most.is_some_and(|most| most <= 4), "{said}");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    // A script that the last signal began may speak even later.
    let (_, after) = ended.stdout.split_once("web | bye\n").expect(&ended.stdout);
    assert!(after.contains("s6-svscan-finish | finished\n"), "{}", ended.stdout);
}

#[test]
fn a_logger_of_runit_has_the_last_word() {
    let scene = Scene::init();
    let services = scene.folder().join("runit");
    script(&services, "web/run", SERVICE);
    script(&services, "web/finish", &says("finish $*"));
    script(&services, "web/log/run", "#!/bin/sh\nsed 's/^/logged: /'\necho the end\n");
    let running = scene.with_source(&services).start();
    running.wait_for_notice("web: started");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert!(ended.stdout.contains("web-log | logged: finish "), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("web-log | the end\n"), "{}", ended.stdout);
}

#[test]
fn a_service_may_be_the_first_process_of_a_namespace() {
    let scene = Scene::init();
    let services = scene.folder().join("s6");
    let run = "#!/bin/sh\ntrap 'echo bye; exit 0' TERM\necho \"I am $$\"\n\
               setsid sleep 1000 &\nwhile :; do sleep 1000 & wait; done\n";
    script(&services, "web/run", run);
    script(&services, "web/flag-newpidns", "");
    script(&services, "web/notification-fd", "5");
    let running = scene.with_source(&services).start();
    running.wait_for("web | I am 1");
    let status = running.ask(&["status", "web"]).stdout;
    assert!(!status.contains("pid 1\n"), "{status}");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert!(ended.stdout.contains("web | bye"), "{}", ended.stdout);
    assert!(ended.took.as_secs() < 8, "{:?}", ended.took);
}
