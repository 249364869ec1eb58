//! Surroundings that lack what others take for granted: onit does its work, or says what it cannot.

use super::sandbox::{Running, Scene, children, is_root, one_below, send, wait_until};
use super::services::start_many;

/// Says that it is there, with somebody beside it in a session of its own.
const WEB: &str = "command = [\"sh\", \"-c\", \"setsid sleep 1001 & echo up; exec sleep 1000\"]\n";

/// A service is started, started again after it was killed, and ended in time; then so is onit.
fn works(scene: Scene) -> String {
    let running = scene.service("web", &format!("{WEB}{FAST}")).with_services().start();
    restarts_and_ends(running)
}

const FAST: &str = "[backoff]\ninitial = \"1ms\"\nmax = \"1ms\"\nlimit = 0\n";

fn restarts_and_ends(running: Running) -> String {
    running.wait_for("web | up");
    send(one_below(running.pid, "sleep 1000"), libc::SIGKILL);
    running.wait_for_times("web | up", 2);
    one_below(running.pid, "sleep 1000");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.took.as_secs() < 8, "{:?}: {}", ended.took, ended.stderr);
    ended.stderr
}

fn as_nobody_in_particular(scene: Scene) -> Scene {
    // Without an entry in passwd, without a capability, without a home.
    scene.wrapped(&[
        "setpriv",
        "--reuid=54325",
        "--regid=54325",
        "--clear-groups",
        "--no-new-privs",
    ])
}

#[test]
fn a_user_nobody_has_heard_of_is_enough() {
    if !is_root() {
        return;
    }
    works(as_nobody_in_particular(Scene::init()));
}

#[test]
fn without_proc_services_run_and_end() {
    if !is_root() {
        return;
    }
    works(Scene::init().prepared("umount -l /proc", ""));
    works(as_nobody_in_particular(Scene::init()).prepared("umount -l /proc", ""));
}

#[test]
fn with_a_proc_that_hides_others_services_run_and_end() {
    if !is_root() {
        return;
    }
    works(Scene::init().prepared("mount -o remount,hidepid=2 /proc", ""));
    works(as_nobody_in_particular(Scene::init()).prepared("mount -o remount,hidepid=2 /proc", ""));
}

#[test]
fn without_devices_services_run_and_end() {
    if !is_root() {
        return;
    }
    // Neither null, nor tty, nor shm.
    let said = works(Scene::init().prepared("mount -t tmpfs none /dev", ""));
    assert!(!said.contains("onit | cannot"), "{said}");
    let reads = "command = [\"sh\", \"-c\", \"cat; echo end of file\"]\ntype = \"oneshot\"\n";
    let running = Scene::init()
        .service("reads", reads)
        .service(
            "quiet",
            "command = [\"true\"]\non_failure = \"continue\"\nlog = { stdout = \"discard\" }\n",
        )
        .prepared("mount -t tmpfs none /dev", "0<&- 1<&1 2<&2")
        .with_services()
        .start();
    running.wait_for("reads | end of file");
    running.wait_for_notice("quiet: cannot open /dev/null: no such file or directory");
    running.signal(libc::SIGTERM);
    running.finish();
}

#[test]
fn on_a_file_system_that_cannot_be_written_to_services_run_and_end() {
    if !is_root() {
        return;
    }
    // What is there stays to be seen, onit and the folder of the test among it.
    let prepare = "for place in /run /dev; do mount -t tmpfs -o ro none $place; done; \
                   mount --bind /tmp /tmp; \
                   for place in / /tmp; do mount -o remount,ro,bind $place; done; \
                   for place in / /tmp; do if touch $place/written; then exit 77; fi; done";
    works(Scene::init().prepared(prepare, ""));
}

#[test]
fn in_a_user_namespace_of_one_user_services_run_and_another_user_is_refused() {
    if !is_root() {
        return;
    }
    for map in ["--map-root-user", "--map-user=1000"] {
        let running = Scene::init()
            .service("web", &format!("{WEB}{FAST}"))
            .service(
                "other",
                "command = [\"true\"]\nuser = 65534\non_failure = \"continue\"\n[backoff]\nlimit = 1",
            )
            .with_services()
            .wrapped(&["unshare", "--user", map])
            .start();
        running.wait_for_notice("other: cannot become user 65534: ");
        restarts_and_ends(running);
    }
}

fn with_sixteen_descriptors(scene: Scene, hard: u64) -> Scene {
    scene.before_exec(move || {
        let limit = libc::rlimit { rlim_cur: 16, rlim_max: hard };
        // SAFETY: setrlimit reads the limit it is given.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
        Ok(())
    })
}

#[test]
fn sixteen_descriptors_are_enough_for_a_command() {
    let scene = with_sixteen_descriptors(Scene::init(), 16);
    let ended = scene.script("ulimit -n; exit 3").run();
    assert_eq!((ended.code, ended.stdout.as_str()), (3, "16\n"), "{}", ended.stderr);
}

#[test]
fn sixteen_descriptors_are_too_few_for_services_unless_they_may_become_more() {
    works(with_sixteen_descriptors(Scene::init(), 64));
    let scene = with_sixteen_descriptors(Scene::init(), 16);
    let web = format!("{WEB}on_failure = \"continue\"\n");
    let running = scene.service("web", &web).with_services().start();
    running.wait_for_notice("too many open files; next attempt in");
    running.signal(libc::SIGTERM);
    assert_eq!(running.finish().code, 0);
}

/// Has the kernel refuse these system calls with EPERM, to this process and all below it.
fn refuse(numbers: [i64; 2]) -> std::io::Result<()> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let number = |at: usize| u32::try_from(numbers[at]).unwrap_or(u32::MAX);
    let mut steps = [
        // The number of the call is the first word of struct seccomp_data (seccomp(2)).
        step(LOAD, 0, 0, 0),
        step(JUMP, 1, 0, number(0)),
        step(JUMP, 0, 1, number(1)),
        step(RETURN, 0, 0, EPERM),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 5, filter: steps.as_mut_ptr() };
    // SAFETY: both take numbers and a program that lives until they return.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[test]
fn calls_that_are_refused_are_done_without() {
    // `unshare --kill-child` needs prctl itself, so that onit is not PID 1 where it is refused.
    let refused = || refuse([libc::SYS_prctl, libc::SYS_close_range]);
    let mut running = Scene::process()
        .before_exec(refused)
        .service("web", "command = [\"sh\", \"-c\", \"ls /proc/self/fd | wc -l; exec sleep 1000\"]")
        .service(
            "odd",
            "command = [\"true\"]\nno_new_privileges = true\non_failure = \"continue\"\n\
             [backoff]\nlimit = 1",
        )
        .with_services()
        .start();
    running.wait_for("web | 4");
    running.wait_for_notice("odd: cannot set no_new_privileges: operation not permitted");
    assert!(!running.is_over());
    running.signal(libc::SIGTERM);
    assert_eq!(running.finish().code, 0);
}

#[test]
fn where_descriptors_cannot_be_left_they_are_copied() {
    start_many(Scene::init().before_exec(|| refuse([libc::SYS_close_range; 2])));
}

#[test]
fn who_was_adopted_from_elsewhere_is_reaped_and_otherwise_left_alone() {
    if !is_root() {
        return;
    }
    let running = Scene::init().service("web", &format!("{WEB}{FAST}")).with_services().start();
    running.wait_for("web | up");
    // As `docker exec` does it: somebody enters, and leaves two behind.
    let enter = |script: &str| {
        let target = running.pid.to_string();
        let words = ["--target", &target, "--pid", "--mount", "--", "sh", "-c", script];
        assert!(std::process::Command::new("nsenter").args(words).status().unwrap().success());
    };
    enter("setsid sleep 2000 > /dev/null 2>&1 & setsid sleep 2001 > /dev/null 2>&1 & exit 0");
    let (stays, ends) =
        (one_below(running.pid, "sleep 2000"), one_below(running.pid, "sleep 2001"));
    assert!(children(running.pid).contains(&ends));
    send(ends, libc::SIGKILL);
    wait_until("it is reaped", || !children(running.pid).contains(&ends));
    assert_eq!(running.ask(&["restart", "web"]).code, 0);
    assert_eq!(running.ask(&["stop", "web"]).code, 0);
    assert_eq!(children(running.pid), [stays], "of the service nobody, of the others all");
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}
