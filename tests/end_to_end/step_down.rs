//! `onit as`: who the command is then, and what it is told when it cannot be.

use std::os::unix::fs::PermissionsExt;

use super::sandbox::{Ended, Scene, is_root, onit};

fn step_down(whom: &str, words: &[&str]) -> Ended {
    Scene::process().env("HOME", "/mine").args(&["as", whom]).args(words).run()
}

const WHO: [&str; 3] = ["sh", "-c", "echo $(id -u) $(id -g) $(id -G) home $HOME ${USER-nobody}"];

/// The entry of a user in /etc/passwd: number, group, home.
fn entry(name: &str) -> (String, String, String) {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name)).unwrap();
    let fields: Vec<&str> = line.split(':').collect();
    (fields[2].to_owned(), fields[3].to_owned(), fields[5].to_owned())
}

#[test]
fn the_command_is_whom_was_asked_for() {
    if !is_root() {
        return;
    }
    let check = |whom: &str, expected: &str| {
        for words in [&WHO[..], &[&["--"], &WHO[..]].concat()] {
            let ended = step_down(whom, words);
            assert_eq!(ended.stdout, format!("{expected}\n"), "{whom}: {}", ended.stderr);
            assert_eq!(ended.code, 0, "{whom}");
        }
    };
    let (uid, gid, home) = entry("daemon");
    let (other, ..) = entry("nobody");
    check("root", "0 0 0 home /root root");
    check("0", "0 0 0 home /root root");
    check("root:root", "0 0 0 home /root root");
    check("0:0", "0 0 0 home /root root");
    check("daemon", &format!("{uid} {gid} {gid} home {home} daemon"));
    check("daemon:", &format!("{uid} {gid} {gid} home {home} daemon"));
    check(&uid, &format!("{uid} {gid} {gid} home {home} daemon"));
    check("daemon:root", &format!("{uid} 0 0 home {home} daemon"));
    check(&format!("daemon:{other}"), &format!("{uid} {other} {other} home {home} daemon"));
    // A number needs no entry; it has no name then, and no home but /.
    check("54321", "54321 0 0 home / nobody");
    check("54321:54322", "54321 54322 54322 home / nobody");
    check("54321:daemon", &format!("54321 {gid} {gid} home / nobody"));
    check("0:54322", "0 54322 54322 home /root root");
    // What is left out stays as it is.
    check(":54322", "0 54322 54322 home /mine nobody");
}

#[test]
fn what_cannot_be_is_said() {
    let check = |whom: &str, words: &[&str], code: i32, expected: &str| {
        let ended = step_down(whom, words);
        assert_eq!(ended.code, code, "{whom}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{whom}: {}", ended.stderr);
        assert_eq!(ended.stdout, "");
    };
    let hello = ["echo", "hello"];
    check("nosuchuser", &hello, 1, "no user named `nosuchuser` in /etc/passwd");
    check("root:nosuchgroup", &hello, 1, "no group named `nosuchgroup` in /etc/group");
    check("4294967295", &hello, 2, "is no user or group number");
    check("-1", &hello, 2, "has no option -1");
    check("99999999999", &hello, 2, "is no user or group number");
    check("root", &[], 2, "whom, and what? onit as USER[:GROUP] COMMAND");
    check("root", &["/no/such/program"], 127, "cannot execute /no/such/program");
    check("root", &["/etc/passwd"], 126, "cannot execute /etc/passwd: permission denied");
    if !is_root() {
        check("0", &hello, 1, "operation not permitted");
    }
}

#[test]
fn the_exit_code_is_the_commands_own_and_there_is_nobody_in_between() {
    let own = Scene::process().args(&["as", "", "sh", "-c", "echo $PPID; exit 7"]).run();
    assert_eq!(own.code, 7, "{}", own.stderr);
    assert_eq!(own.stdout.trim(), std::process::id().to_string());
    let signals = "grep -E 'SigBlk|SigIgn' /proc/self/status";
    let ended = Scene::process().args(&["as", "", "--", "sh", "-c", signals]).run();
    assert!(ended.stdout.contains("SigBlk:\t0000000000000000"), "{}", ended.stdout);
    // What onit ignores for itself; what it found ignored is its parent's affair.
    let ignored = ended.stdout.split("SigIgn:").nth(1).unwrap().trim();
    let pipe = 1 << (libc::SIGPIPE - 1);
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & pipe, 0, "{}", ended.stdout);
}

#[test]
fn with_a_setuid_bit_it_refuses() {
    let scene = Scene::process();
    let program = scene.folder().join("onit");
    std::fs::copy(onit(), &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o4755)).unwrap();
    let output = std::process::Command::new(&program).args(["as", "", "echo", "hi"]).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("setuid or setgid bit"), "{said}");
    std::fs::remove_dir_all(scene.folder()).unwrap();
}
