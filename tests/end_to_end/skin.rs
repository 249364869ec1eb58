//! Each service in its own skin: what it has, what it does not, and what nobody else sees of it.

use super::sandbox::{Running, Scene, is_root};

const LOOK: &str = "ls /proc/self/fd | tr '\\n' ' '; grep -E '^(SigBlk|SigIgn|NoNewPrivs|CapEff)' \
                    /proc/self/status | tr '\\n\\t' '  '; awk '{print \\\"session\\\", $6 == $1, \
                    \\\"terminal\\\", $7}' /proc/self/stat";

fn ends_well(running: Running) -> String {
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    format!("{}{}", ended.stdout, ended.stderr)
}

#[test]
fn a_secret_reaches_its_service_and_nobody_else() {
    let scene = Scene::init();
    let secret = scene.folder().join("secret");
    std::fs::write(&secret, "hunter2\n").unwrap();
    let secret = secret.to_str().unwrap().to_owned();
    let script = "[ ${#PASSWORD} = 7 ] && [ \"$TOKEN\" = \"$PASSWORD\" ] && echo it is right; \
                  echo ${TOKEN_FILE-gone}; exec sleep 1000";
    let web = format!(
        "command = [\"sh\", \"-c\", {:?}]\nsecrets = {{ PASSWORD = {secret:?} }}\n\
         environment = {{ TOKEN_FILE = {secret:?} }}\nfile_variables = [\"TOKEN\"]\n",
        script.replace("${", "$${")
    );
    let none = "command = [\"sh\", \"-c\", \"env | grep -c hunter; exec sleep 1000\"]\n";
    let missing = "command = [\"true\"]\nsecrets = { X = \"/no/such/secret\" }\n\
                   on_failure = \"continue\"\n[backoff]\nlimit = 1\n";
    let running = scene
        .service("web", &web)
        .service("other", none)
        .service("missing", missing)
        .with_services()
        .start();
    running.wait_for("web | it is right").wait_for("web | gone").wait_for("other | 0");
    running.wait_for_notice("missing: cannot read the secret in /no/such/secret: no such file");
    let mut all = String::new();
    for words in [&["status", "web"][..], &["status", "--json"], &["events", "--json"], &["logs"]] {
        let ended = running.ask(words);
        all += &format!("{}{}", ended.stdout, ended.stderr);
    }
    let own = std::fs::read(format!("/proc/{}/environ", running.pid)).unwrap();
    all += &String::from_utf8_lossy(&own);
    all += &ends_well(running);
    assert!(!all.contains("hunter2"), "{all}");
}

#[test]
fn every_command_of_a_service_begins_with_nothing() {
    let look = format!("[\"sh\", \"-c\", \"{LOOK}\"]");
    let scene = Scene::init();
    let flag = scene.folder().join("probed").to_str().unwrap().to_owned();
    let probe = format!("[\"sh\", \"-c\", \"[ -e {flag} ] || {{ {{ {LOOK}; }} > {flag}; }}\"]");
    let text = format!(
        "command = [\"sh\", \"-c\", \"{LOOK}; exec sleep 1000\"]\nbefore_start = [{look}]\n\
         after_exit = [{look}]\n[ready]\nexec = {probe}\n[stop]\ncommand = [\"sh\", \"-c\", \"{LOOK}; kill $ONIT_MAIN_PID\"]\n"
    );
    let running = scene
        .before_exec(|| {
            // What a careless parent leaves behind: ignored signals.
            for signal in [libc::SIGHUP, libc::SIGUSR1, 40] {
                // SAFETY: an ignored signal has no handler that could be unsafe.
                unsafe { libc::signal(signal, libc::SIG_IGN) };
            }
            Ok(())
        })
        .service("web", &text)
        .service("once", &format!("type = \"oneshot\"\ncommand = {look}\n"))
        .with_services()
        .start();
    running.wait_for_notice("web: ready after");
    running.wait_for("once | ");
    let probed = std::fs::read_to_string(running.folder().join("probed")).unwrap();
    let all = ends_well(running);
    let looks: Vec<&str> =
        all.lines().filter(|line| line.contains("SigBlk")).chain(probed.lines()).collect();
    assert!(looks.len() >= 6, "{all}{probed}");
    for look in looks {
        // 3 is the directory that ls looks at.
        assert!(look.contains("0 1 2 3 "), "{look}");
        assert!(!look.contains(" 4 "), "{look}");
        assert!(look.contains("SigBlk: 0000000000000000 SigIgn: 0000000000000000"), "{look}");
        assert!(look.ends_with("terminal 0"), "{look}");
    }
}

#[test]
fn a_service_has_what_its_file_grants_and_no_more() {
    if !is_root() {
        return;
    }
    let script = "grep -E '^(CapEff|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status | tr '\\n\\t' '  '; \
                  cat /proc/self/oom_score_adj; exec sleep 1000";
    let text = format!(
        "command = [\"sh\", \"-c\", {script:?}]\nuser = 65534\ncapabilities = [\"net_bind_service\"]\n\
         no_new_privileges = true\noom_score_adj = 77\n"
    );
    let failing = "command = [\"true\"]\non_failure = \"continue\"\nroot = \"/no/such\"\n\
                   [backoff]\nlimit = 1\n";
    let running =
        Scene::init().service("web", &text).service("odd", failing).with_services().start();
    running.wait_for("CapEff: 0000000000000400 ").wait_for("CapBnd: 0000000000000400 ");
    running.wait_for("CapAmb: 0000000000000400 ").wait_for("NoNewPrivs: 1 77");
    running.wait_for_notice("odd: cannot change the root directory to /no/such: no such file");
    ends_well(running);
}

#[test]
fn what_others_may_write_is_named_once() {
    use std::os::unix::fs::PermissionsExt;
    if !is_root() {
        return;
    }
    let scene = Scene::init();
    let script = scene.folder().join("run.sh");
    std::fs::write(&script, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o777)).unwrap();
    let text = format!("command = [\"/bin/sh\", {script:?}]\n");
    let mine = "command = [\"sleep\", \"1000\"]\n";
    let scene = scene.service("open", &text).service("mine", mine);
    let file = scene.folder().join("services/mine.toml");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
    std::os::unix::fs::chown(scene.folder().join("services/open.toml"), Some(65534), None).unwrap();
    let running = scene.with_services().start();
    running.wait_for_notice("open: started").wait_for_notice("mine: started");
    assert_eq!(running.ask(&["reload"]).code, 0);
    let said = running.stderr();
    let times = |text: &str| said.matches(text).count();
    assert_eq!(times("mine.toml may be changed by anybody"), 1, "{said}");
    assert_eq!(times("open.toml may be changed by user 65534"), 1, "{said}");
    assert_eq!(times("run.sh may be changed by anybody"), 1, "{said}");
    assert_eq!(times("may be changed"), 3, "{said}");
    running.signal(libc::SIGTERM);
    running.finish();

    // The scripts of a service directory, which are named from there.
    let scene = Scene::init();
    let service = scene.folder().join("runit/web");
    std::fs::create_dir_all(&service).unwrap();
    std::fs::write(service.join("run"), "#!/bin/sh\nexec sleep 1000\n").unwrap();
    std::fs::set_permissions(service.join("run"), PermissionsExt::from_mode(0o777)).unwrap();
    let source = scene.folder().join("runit");
    let running = scene.with_source(&source).start();
    running.wait_for_notice("web: started");
    let said = running.stderr();
    assert!(said.contains("runit/web/./run may be changed by anybody"), "{said}");
    assert!(said.contains("runit is read as runit"), "{said}");
    running.signal(libc::SIGTERM);
    assert_eq!(running.finish().code, 0);
}
