//! Stories of oneshots that have a stop command: what they have done is undone when they are
//! stopped, in their turn.

use std::time::Duration;

use onit::service::Signal;
use onit::supervisor::Dependents;

use crate::scene::{Actor, check_until, oneshot, restart, scene, service, start, stop_with};
use crate::script::{deaf, ends, millis, runs, secs, slow};

/// Mounts, and unmounts.
fn mount() -> Actor {
    oneshot("mount").plays(ends(millis(10), 0)).stop_command(ends(millis(20), 0))
}

fn web() -> Actor {
    service("web").needs("mount").plays(slow(millis(100)))
}

#[test]
fn it_is_undone_when_all_who_needed_it_are_gone() {
    check_until(
        scene([mount(), web()]),
        secs(5),
        &[
            "0s start mount",
            "10ms start web",
            "5s TERM web",
            "5.1s run mount's stop.command",
            "5.12s over 0",
        ],
    );
}

#[test]
fn one_after_another_is_undone() {
    let setup = oneshot("setup").plays(ends(millis(10), 0)).stop_command(ends(millis(5), 0));
    let mount = mount().needs("setup");
    check_until(
        scene([setup, mount, web()]),
        secs(5),
        &[
            "0s start setup",
            "10ms start mount",
            "20ms start web",
            "5s TERM web",
            "5.1s run mount's stop.command",
            "5.12s run setup's stop.command",
            "5.125s over 0",
        ],
    );
}

#[test]
fn also_when_nothing_is_left_to_do() {
    check_until(
        scene([mount()]),
        secs(5),
        &["0s start mount", "10ms run mount's stop.command", "30ms over 0"],
    );
}

#[test]
fn what_has_failed_or_was_never_done_is_not_undone() {
    let mut failed = oneshot("mount").plays(ends(millis(10), 1)).stop_command(runs());
    failed.spec.on_failure = onit::service::Consequence::Continue;
    let other = service("other").plays(runs());
    check_until(
        scene([failed, web(), other]),
        secs(5),
        &["0s start mount", "0s start other", "5s TERM other", "5s over 0"],
    );
}

#[test]
fn while_it_runs_there_is_nothing_to_undo_and_it_hears_the_signal() {
    let mount = oneshot("mount").plays(slow(millis(30))).stop_command(ends(millis(5), 0));
    check_until(scene([mount]), secs(5), &["0s start mount", "5s TERM mount", "5.03s over 0"]);
}

#[test]
fn a_command_that_fails_or_hangs_holds_up_nothing() {
    let mut mount = mount();
    mount.spec.stop.timeout = secs(2);
    mount.stop_command = Some(deaf());
    check_until(
        scene([mount.clone(), web()]),
        secs(5),
        &[
            "0s start mount",
            "10ms start web",
            "5s TERM web",
            "5.1s run mount's stop.command",
            "7.1s KILL mount's stop.command",
            "7.1s over 0",
        ],
    );
    mount.stop_command = Some(ends(millis(1), 1));
    let play = scene([mount, web()]).signal(secs(5), Signal::TERM).play();
    assert_eq!(play.trace.last().unwrap(), "5.101s over 0");
    let said =
        play.said.iter().any(|line| line.contains("mount: its stop.command failed (exit code 1)"));
    assert!(said, "{:?}", play.said);
}

#[test]
fn it_is_undone_and_done_again_by_hand() {
    check_until(
        scene([mount(), web()])
            .ask(secs(1), stop_with(&["mount"], Dependents::Stop))
            .ask(secs(2), start(&["web"])),
        secs(5),
        &[
            "0s start mount",
            "10ms start web",
            "1s TERM web",
            "1.1s run mount's stop.command",
            "2s start mount",
            "2.01s start web",
            "5s TERM web",
            "5.1s run mount's stop.command",
            "5.12s over 0",
        ],
    );
    // To be done again it need not be undone.
    check_until(
        scene([mount(), service("other").plays(runs())]).ask(secs(1), restart(&["mount"])),
        secs(5),
        &[
            "0s start mount",
            "0s start other",
            "1s start mount",
            "5s run mount's stop.command",
            "5s TERM other",
            "5.02s over 0",
        ],
    );
}

#[test]
fn who_leaves_the_plan_is_undone() {
    let other = || service("other").plays(runs());
    check_until(
        scene([mount(), web(), other()])
            .sources(secs(1), vec![other()])
            .signal(secs(1), Signal::HUP),
        secs(5),
        &[
            "0s start mount",
            "0s start other",
            "10ms start web",
            "1s TERM web",
            "1.1s run mount's stop.command",
            "1.1s forget web",
            "1.12s forget mount",
            "5s TERM other",
            "5s over 0",
        ],
    );
}

#[test]
fn one_that_takes_too_long_is_stopped_and_has_failed() {
    let migrate = |script| {
        let mut migrate = oneshot("migrate").plays(script);
        migrate.spec.timeout = Some(secs(3));
        migrate.spec.stop.timeout = secs(2);
        migrate
    };
    // Also one that says 0 when it is asked to end.
    for script in [runs(), slow(Duration::ZERO)] {
        let play = scene([migrate(script)]).play();
        let done = ["0s start migrate", "3s TERM migrate"];
        assert_eq!(play.trace.get(..2), Some(&done.map(str::to_owned)[..]), "{:?}", play.trace);
        let said =
            |line: &String| line.contains("not done within 3.0 s") && line.contains("failed");
        assert!(play.said.iter().any(said), "{:?}", play.said);
        assert_ne!(play.trace.last().map(String::as_str), Some("3s over 0"));
    }
    check_until(
        scene([migrate(deaf()), service("other").plays(runs())]),
        secs(9),
        &[
            "0s start migrate",
            "0s start other",
            "3s TERM migrate",
            "5s KILL migrate",
            "5s TERM other",
            "5s over 137",
        ],
    );
    check_until(
        scene([migrate(ends(secs(2), 0)), service("other").plays(runs())]),
        secs(9),
        &["0s start migrate", "0s start other", "9s TERM other", "9s over 0"],
    );
}
