//! Stories of somebody who asks, mostly at the worst moment, and of sources that change.

use std::time::Duration;

use onit::limits::SPAWNS_A_TURN_MAX;
use onit::service::{Backoff, Consequence, Errno, Pattern, Restart, Signal};
use onit::supervisor::{Answer, Ask, Dependents, HealthLevel, Milestone};

use crate::scene::{
    Actor, Scene, dry_run, main_command, oneshot, reload, restart, scene, send, service, shutdown,
    start, status, stop, stop_with, wait_for,
};
use crate::script::{deaf, ends, fails, millis, runs, secs, slow};

/// Plays the scene and compares all that was done.
#[track_caller]
fn check(scene: Scene, expected: &[&str]) {
    assert_eq!(scene.play().trace, expected);
}

/// TERM comes at last, or a story would have no end.
fn term(at: Duration, actors: impl IntoIterator<Item = Actor>) -> Scene {
    scene(actors).signal(at, Signal::TERM)
}

/// Ends after a second with 1, again and again, and is tried again ten seconds later.
fn failing(name: &str) -> Actor {
    service(name).plays(ends(secs(1), 1)).backoff(Backoff {
        initial: secs(10),
        jitter: 0.0,
        ..Backoff::default()
    })
}

/// Fails for good after a second.
fn broken(name: &str) -> Actor {
    let actor = service(name).restart(Restart::Never).on_failure(Consequence::Continue);
    actor.plays(ends(secs(1), 1))
}

// ---- stop ----

#[test]
fn a_stop_ends_a_service_and_nothing_starts_it_again() {
    check(
        term(secs(60), [service("db"), service("web")]).ask(secs(5), stop(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "5s answer 1: web down (reached)",
            "60s TERM db",
            "60s over 0",
        ],
    );
}

#[test]
fn a_stop_in_back_off_ends_the_waiting() {
    check(
        term(secs(60), [service("db"), failing("web")]).ask(secs(5), stop(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s answer 1: web down (reached)",
            "60s TERM db",
            "60s over 0",
        ],
    );
}

#[test]
fn a_stop_while_it_waits_for_another_ends_the_waiting() {
    let db = service("db").plays(runs().executed_after(secs(10)));
    let web = service("web").needs("db");
    check(
        term(secs(20), [db, web]).ask(secs(5), stop(&["web"])),
        &["0s start db", "5s answer 1: web down (reached)", "20s TERM db", "20s over 0"],
    );
}

#[test]
fn a_stop_during_before_start_ends_the_command_and_starts_nothing() {
    let web = service("web").before_start(ends(secs(10), 0)).before_start(ends(secs(1), 0));
    check(
        term(secs(20), [service("db"), web]).ask(secs(5), stop(&["web"])),
        &[
            "0s start db",
            "0s run web's before_start",
            "5s TERM web's before_start",
            "5s answer 1: web down (reached)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_stop_between_fork_and_exec_reaches_the_process_all_the_same() {
    let web = service("web").plays(runs().executed_after(secs(10)));
    check(
        term(secs(20), [service("db"), web]).ask(secs(5), stop(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "5s answer 1: web down (reached)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_stop_in_the_turn_of_the_start_leaves_the_process_unstarted() {
    // The last of them has not had its turn yet.
    let count = SPAWNS_A_TURN_MAX + 1;
    let actors = (0..count).map(|at| service(&format!("s{at:02}")));
    let last = format!("s{SPAWNS_A_TURN_MAX:02}");
    let play = term(secs(5), actors).ask(Duration::ZERO, stop(&[&last])).play();
    assert!(!play.trace.contains(&format!("0s start {last}")), "{:#?}", play.trace);
    assert!(play.trace.contains(&format!("0s answer 1: {last} down (reached)")));
}

#[test]
fn a_stop_during_a_oneshot_ends_it_unfinished() {
    let migrate = oneshot("migrate").plays(ends(secs(10), 0));
    let web = service("web").needs("migrate");
    check(
        term(secs(20), [migrate, web]).ask(secs(5), stop_with(&["migrate"], Dependents::Keep)),
        &[
            "0s start migrate",
            "5s TERM migrate",
            "5s answer 1: migrate down (reached)",
            "20s over 0",
        ],
    );
}

#[test]
fn a_stop_of_a_oneshot_that_has_completed_undoes_nothing() {
    let web = service("web").needs("migrate");
    check(
        term(secs(20), [oneshot("migrate").plays(ends(secs(1), 0)), web])
            .ask(secs(5), stop_with(&["migrate"], Dependents::Keep)),
        &[
            "0s start migrate",
            "1s start web",
            "5s answer 1: migrate completed (reached, unchanged)",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn a_stop_while_it_ends_by_itself_keeps_it_from_being_started_again() {
    let web = service("web").plays(ends(secs(4), 1)).after_exit(ends(secs(3), 0));
    check(
        term(secs(20), [service("db"), web]).ask(secs(5), stop(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "4s run web's after_exit",
            "7s answer 1: web down (reached)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_stop_of_what_has_failed_makes_it_down() {
    check(
        term(secs(20), [service("db"), broken("web")]).ask(secs(5), stop(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s answer 1: web down (reached)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_stop_during_a_restart_wins() {
    let web = service("web").plays(slow(secs(3)));
    check(
        term(secs(20), [service("db"), web])
            .ask(secs(5), restart(&["web"]))
            .ask(secs(6), stop(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "6s answer 1: web stopping (not reached)",
            "8s answer 2: web down (reached)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_stop_just_after_the_restart_has_started_it_anew_wins() {
    let web = service("web").plays(runs()).plays(runs().executed_after(secs(3)));
    check(
        term(secs(20), [service("db"), web])
            .ask(secs(5), restart(&["web"]))
            .ask(secs(6), stop(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "5s start web",
            "6s TERM web",
            "6s answer 1: web stopping (not reached)",
            "6s answer 2: web down (reached)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn stopping_twice_is_a_success_that_changes_nothing() {
    let web = service("web").plays(slow(secs(3)));
    check(
        term(secs(20), [service("db"), web])
            .ask(secs(5), stop(&["web"]))
            .ask(secs(6), stop(&["web"]))
            .ask(secs(10), stop(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "8s answer 1: web down (reached)",
            "8s answer 2: web down (reached, unchanged)",
            "10s answer 3: web down (reached, unchanged)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_stop_takes_its_own_time_and_then_kills() {
    let web = service("web").grace(secs(4)).plays(deaf());
    check(
        term(secs(20), [service("db"), web]).ask(secs(5), stop(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "9s KILL web",
            "9s answer 1: web down (reached)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_stop_that_nobody_waits_for_is_answered_at_once() {
    let web = service("web").plays(slow(secs(3)));
    let ask =
        Ask::Stop { names: vec![Pattern::new("web")], dependents: Dependents::Refuse, wait: false };
    check(
        term(secs(20), [service("db"), web]).ask(secs(5), ask),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "5s answer 1: web stopping (reached)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_stop_in_the_moment_of_the_end_is_a_stop() {
    let web = service("web").plays(ends(secs(5), 1));
    check(
        term(secs(20), [service("db"), web]).ask(secs(5), stop(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s answer 1: web down (reached)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

// ---- what others need ----

fn chain() -> [Actor; 3] {
    [service("db"), service("api").needs("db"), service("web").needs("api").plays(slow(secs(2)))]
}

#[test]
fn a_stop_of_what_others_need_is_refused_and_names_them() {
    check(
        term(secs(20), chain()).ask(secs(5), stop(&["db"])),
        &[
            "0s start db",
            "0s start api",
            "0s start web",
            "5s answer 1: refused: db is needed by api, web; --with-dependents stops them first, \
             --force lets them go on",
            "20s TERM web",
            "22s TERM api",
            "22s TERM db",
            "22s over 0",
        ],
    );
}

#[test]
fn a_stop_of_what_others_need_is_no_affair_of_those_that_do_not_run() {
    check(
        term(secs(20), chain()).ask(secs(5), stop(&["api", "web"])).ask(secs(10), stop(&["db"])),
        &[
            "0s start db",
            "0s start api",
            "0s start web",
            "5s TERM web",
            "7s TERM api",
            "7s answer 1: web down (reached), api down (reached)",
            "10s TERM db",
            "10s answer 2: db down (reached)",
            "20s over 0",
        ],
    );
}

#[test]
fn with_dependents_those_are_stopped_first() {
    check(
        term(secs(20), chain()).ask(secs(5), stop_with(&["db"], Dependents::Stop)),
        &[
            "0s start db",
            "0s start api",
            "0s start web",
            "5s TERM web",
            "7s TERM api",
            "7s TERM db",
            "7s answer 1: web down (reached), api down (reached), db down (reached)",
            "20s over 0",
        ],
    );
}

#[test]
fn without_dependents_those_go_on() {
    check(
        term(secs(20), chain()).ask(secs(5), stop_with(&["db"], Dependents::Keep)),
        &[
            "0s start db",
            "0s start api",
            "0s start web",
            "5s TERM db",
            "5s answer 1: db down (reached)",
            "20s TERM web",
            "22s TERM api",
            "22s over 0",
        ],
    );
}

#[test]
fn a_dependent_that_restarts_waits_for_what_was_stopped_by_hand() {
    let web = service("web").needs("db").plays(ends(secs(10), 1)).plays(runs());
    check(
        term(secs(60), [service("db"), web])
            .ask(secs(5), stop_with(&["db"], Dependents::Keep))
            .ask(secs(40), status(&["web"]))
            .ask(secs(50), start(&["db"])),
        &[
            "0s start db",
            "0s start web",
            "5s TERM db",
            "5s answer 1: db down (reached)",
            "40s answer 2: web waiting",
            "50s start db",
            "50s start web",
            "50s answer 3: db up (reached)",
            "60s TERM web",
            "60s TERM db",
            "60s over 0",
        ],
    );
}

#[test]
fn a_start_of_a_dependent_during_such_a_stop_keeps_what_it_needs() {
    check(
        term(secs(20), chain())
            .ask(secs(5), stop_with(&["db"], Dependents::Stop))
            .ask(secs(6), start(&["web"])),
        &[
            "0s start db",
            "0s start api",
            "0s start web",
            "5s TERM web",
            "6s answer 1: db up (not reached), api up (not reached), web stopping (not reached)",
            "7s start web",
            "7s answer 2: web up (reached)",
            "20s TERM web",
            "22s TERM api",
            "22s TERM db",
            "22s over 0",
        ],
    );
}

#[test]
fn a_start_of_what_is_needed_during_such_a_stop_leaves_the_dependents_stopped() {
    check(
        term(secs(20), chain())
            .ask(secs(5), stop_with(&["db"], Dependents::Stop))
            .ask(secs(6), start(&["db"])),
        &[
            "0s start db",
            "0s start api",
            "0s start web",
            "5s TERM web",
            "6s answer 2: db up (reached)",
            "7s TERM api",
            "7s answer 1: db up (not reached), web down (reached), api down (reached)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_restart_of_a_dependent_during_such_a_stop_keeps_what_it_needs() {
    check(
        term(secs(20), chain())
            .ask(secs(5), stop_with(&["db"], Dependents::Stop))
            .ask(secs(6), restart(&["web"])),
        &[
            "0s start db",
            "0s start api",
            "0s start web",
            "5s TERM web",
            "6s answer 1: db up (not reached), api up (not reached), web stopping (not reached)",
            "7s start web",
            "7s answer 2: web up (reached)",
            "20s TERM web",
            "22s TERM api",
            "22s TERM db",
            "22s over 0",
        ],
    );
}

#[test]
fn whoever_was_held_by_one_that_is_started_again_is_still_stopped() {
    let web = service("web").after("db").plays(slow(secs(2)));
    check(
        term(secs(20), [service("db"), web])
            .ask(secs(5), stop(&["db", "web"]))
            .ask(secs(6), start(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "6s TERM db",
            "6s answer 1: web stopping (not reached), db down (reached)",
            "7s start web",
            "7s answer 2: web up (reached)",
            "20s TERM web",
            "22s over 0",
        ],
    );
}

#[test]
fn what_is_in_back_off_does_not_start_while_its_dependents_are_stopped() {
    let db = service("db").plays(ends(secs(3), 1)).plays(runs()).backoff(Backoff {
        initial: secs(3),
        jitter: 0.0,
        ..Backoff::default()
    });
    let web = service("web").needs("db").plays(slow(secs(4)));
    check(
        term(secs(20), [db, web]).ask(secs(5), stop_with(&["db"], Dependents::Stop)),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "9s answer 1: db down (reached), web down (reached)",
            "20s over 0",
        ],
    );
}

#[test]
fn what_waits_is_stopped_at_once_with_those_that_wait_for_it() {
    let db = service("db").plays(runs().executed_after(secs(10)));
    let actors = [db, service("api").needs("db"), service("web").needs("api")];
    check(
        term(secs(20), actors).ask(secs(5), stop_with(&["api"], Dependents::Stop)),
        &[
            "0s start db",
            "5s answer 1: api down (reached), web down (reached)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

// ---- start ----

#[test]
fn starting_twice_is_a_success_that_changes_nothing() {
    let web = service("web").plays(runs().executed_after(secs(2)));
    check(
        term(secs(20), [service("db"), web])
            .ask(secs(1), start(&["web"]))
            .ask(secs(5), start(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "2s answer 1: web up (reached, unchanged)",
            "5s answer 2: web up (reached, unchanged)",
            "20s TERM db",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn a_start_after_a_stop_starts_it() {
    check(
        term(secs(20), [service("db"), service("web")])
            .ask(secs(5), stop(&["web"]))
            .ask(secs(10), start(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "5s answer 1: web down (reached)",
            "10s start web",
            "10s answer 2: web up (reached)",
            "20s TERM db",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn a_start_during_the_stop_starts_it_as_soon_as_it_is_down() {
    let web = service("web").plays(slow(secs(3)));
    check(
        term(secs(20), [service("db"), web])
            .ask(secs(5), stop(&["web"]))
            .ask(secs(6), start(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "6s answer 1: web stopping (not reached)",
            "8s start web",
            "8s answer 2: web up (reached)",
            "20s TERM db",
            "20s TERM web",
            "23s over 0",
        ],
    );
}

#[test]
fn a_start_in_back_off_does_not_wait_for_its_end() {
    check(
        term(secs(20), [service("db"), failing("web")]).ask(secs(5), start(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s start web",
            "5s answer 1: web up (reached)",
            "16s start web",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_start_that_fails_says_so() {
    let web = broken("web").plays(fails(Errno::ENOENT));
    check(
        term(secs(20), [service("db"), web]).ask(secs(5), start(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s start web",
            "5s answer 1: web backoff (not reached)",
            "5.1s start web",
            "5.3s start web",
            "5.7s start web",
            "6.5s start web",
            "8.1s start web",
            "11.3s start web",
            "17.7s start web",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_start_does_a_oneshot_again() {
    let migrate = oneshot("migrate").plays(ends(secs(1), 0));
    check(
        term(secs(20), [service("db"), migrate]).ask(secs(5), start(&["migrate"])),
        &[
            "0s start db",
            "0s start migrate",
            "5s start migrate",
            "6s answer 1: migrate completed (reached)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_start_pulls_in_what_it_needs() {
    check(
        term(secs(20), chain())
            .ask(secs(5), stop(&["db", "api", "web"]))
            .ask(secs(10), start(&["web"])),
        &[
            "0s start db",
            "0s start api",
            "0s start web",
            "5s TERM web",
            "7s TERM api",
            "7s TERM db",
            "7s answer 1: web down (reached), api down (reached), db down (reached)",
            "10s start db",
            "10s start api",
            "10s start web",
            "10s answer 2: web up (reached)",
            "20s TERM web",
            "22s TERM api",
            "22s TERM db",
            "22s over 0",
        ],
    );
}

#[test]
fn a_start_tries_again_what_had_failed_and_those_that_failed_because_of_it() {
    let goes_on = |actor: Actor| actor.on_failure(Consequence::Continue);
    let db = goes_on(service("db")).plays(fails(Errno::ENOENT)).plays(runs());
    let (api, web) = (goes_on(service("api").needs("db")), goes_on(service("web").needs("api")));
    check(
        term(secs(20), [db, api, web, service("other")]).ask(secs(5), start(&["web"])),
        &[
            "0s start db",
            "0s start other",
            "5s start db",
            "5s start api",
            "5s start web",
            "5s answer 1: web up (reached)",
            "20s TERM other",
            "20s TERM web",
            "20s TERM api",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_start_of_something_unknown_says_what_may_have_been_meant() {
    check(
        term(secs(20), [service("web")]).ask(secs(5), start(&["wbe"])),
        &[
            "0s start web",
            "5s answer 1: refused: no service is called wbe; did you mean web?",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

// ---- restart ----

#[test]
fn a_restart_counts_no_back_off_and_starts_at_once() {
    check(
        term(secs(20), [service("web")]).ask(secs(5), restart(&["web"])),
        &[
            "0s start web",
            "5s TERM web",
            "5s start web",
            "5s answer 1: web up (reached)",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn a_restart_runs_the_commands_around_it() {
    let web = service("web").before_start(ends(secs(1), 0)).after_exit(ends(secs(1), 0));
    check(
        term(secs(20), [web]).ask(secs(5), restart(&["web"])),
        &[
            "0s run web's before_start",
            "1s start web",
            "5s TERM web",
            "5s run web's after_exit",
            "6s run web's before_start",
            "7s start web",
            "7s answer 1: web up (reached)",
            "20s TERM web",
            "20s run web's after_exit",
            "21s over 0",
        ],
    );
}

#[test]
fn a_restart_in_back_off_starts_at_once() {
    check(
        term(secs(20), [service("db"), failing("web")]).ask(secs(5), restart(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s start web",
            "5s answer 1: web up (reached)",
            "16s start web",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_restart_while_it_ends_by_itself_waits_for_no_back_off() {
    let web = failing("web").after_exit(ends(secs(2), 0)).plays(runs());
    check(
        term(secs(20), [web]).ask(secs(2), restart(&["web"])),
        &[
            "0s start web",
            "1s run web's after_exit",
            "3s start web",
            "3s answer 1: web up (reached)",
            "20s TERM web",
            "20s run web's after_exit",
            "22s over 0",
        ],
    );
}

#[test]
fn a_restart_of_what_has_failed_completed_or_is_down_starts_it() {
    let job = service("job").restart(Restart::OnFailure).plays(ends(secs(1), 0)).plays(runs());
    check(
        term(secs(20), [service("db"), job, broken("web").plays(runs())])
            .ask(secs(2), stop(&["db"]))
            .ask(secs(5), restart(&["job", "web", "db"])),
        &[
            "0s start db",
            "0s start job",
            "0s start web",
            "2s TERM db",
            "2s answer 1: db down (reached)",
            "5s start db",
            "5s start job",
            "5s start web",
            "5s answer 2: db up (reached), job up (reached), web up (reached)",
            "20s TERM db",
            "20s TERM job",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn a_restart_of_what_starts_starts_it_again() {
    let web = service("web").before_start(ends(secs(3), 0));
    check(
        term(secs(20), [web]).ask(secs(1), restart(&["web"])),
        &[
            "0s run web's before_start",
            "1s TERM web's before_start",
            "1s run web's before_start",
            "4s start web",
            "4s answer 1: web up (reached)",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn a_restart_of_what_others_need_leaves_them_running() {
    check(
        term(secs(20), chain()).ask(secs(5), restart(&["db"])),
        &[
            "0s start db",
            "0s start api",
            "0s start web",
            "5s TERM db",
            "5s start db",
            "5s answer 1: db up (reached)",
            "20s TERM web",
            "22s TERM api",
            "22s TERM db",
            "22s over 0",
        ],
    );
}

#[test]
fn a_restart_pulls_in_what_it_needs() {
    check(
        term(secs(20), chain())
            .ask(secs(5), stop(&["db", "api", "web"]))
            .ask(secs(10), restart(&["web"])),
        &[
            "0s start db",
            "0s start api",
            "0s start web",
            "5s TERM web",
            "7s TERM api",
            "7s TERM db",
            "7s answer 1: web down (reached), api down (reached), db down (reached)",
            "10s start db",
            "10s start api",
            "10s start web",
            "10s answer 2: web up (reached)",
            "20s TERM web",
            "22s TERM api",
            "22s TERM db",
            "22s over 0",
        ],
    );
}

#[test]
fn a_restart_that_ends_in_back_off_was_not_reached() {
    let web = service("web").plays(runs()).plays(fails(Errno::EAGAIN)).plays(runs());
    check(
        term(secs(20), [web]).ask(secs(5), restart(&["web"])),
        &[
            "0s start web",
            "5s TERM web",
            "5s start web",
            "5s answer 1: web backoff (not reached)",
            "5.1s start web",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

// ---- the last one, and the main command ----

#[test]
fn when_the_only_service_is_stopped_by_hand_onit_stays() {
    check(
        term(secs(60), [service("web")]).ask(secs(5), stop(&["web"])),
        &["0s start web", "5s TERM web", "5s answer 1: web down (reached)", "60s over 0"],
    );
}

#[test]
fn what_is_left_when_all_others_have_completed_is_what_was_stopped_by_hand() {
    let job = service("job").restart(Restart::OnFailure).plays(ends(secs(10), 0));
    check(
        scene([job, service("web")])
            .ask(secs(5), stop(&["web"]))
            .ask(secs(20), start(&["web"]))
            .ask(secs(25), shutdown(0)),
        &[
            "0s start job",
            "0s start web",
            "5s TERM web",
            "5s answer 1: web down (reached)",
            "20s start web",
            "20s answer 2: web up (reached)",
            "25s TERM web",
            "25s answer 3: shutting down",
            "25s over 0",
        ],
    );
}

#[test]
fn nothing_stops_or_restarts_the_main_command() {
    check(
        term(secs(20), [service("db"), main_command()])
            .ask(secs(5), stop(&["main"]))
            .ask(secs(6), restart(&["main"]))
            .ask(secs(7), stop(&[]))
            .ask(secs(8), start(&["main"])),
        &[
            "0s start db",
            "0s start main",
            "5s answer 1: refused: the end of the main command is the end of everything; that is \
             onit shutdown",
            "6s answer 2: refused: the end of the main command is the end of everything; that is \
             onit shutdown",
            "7s answer 3: refused: the end of the main command is the end of everything; that is \
             onit shutdown",
            "8s answer 4: main up (reached, unchanged)",
            "20s TERM main",
            "20s TERM db",
            "20s over 143",
        ],
    );
}

#[test]
fn what_the_main_command_waited_for_can_be_stopped_beside_it() {
    check(
        term(secs(20), [service("db"), main_command()]).ask(secs(5), stop(&["db"])),
        &[
            "0s start db",
            "0s start main",
            "5s TERM db",
            "5s answer 1: db down (reached)",
            "20s TERM main",
            "20s over 143",
        ],
    );
}

// ---- signal ----

#[test]
fn a_signal_goes_to_the_process_of_a_service() {
    check(
        term(secs(20), [service("db"), service("web")])
            .ask(secs(5), send(&["web"], Signal::HUP))
            .ask(secs(6), send(&["*"], Signal::USR1)),
        &[
            "0s start db",
            "0s start web",
            "5s HUP web",
            "5s answer 1: web up (reached)",
            "5.1s start web",
            "6s USR1 db",
            "6s USR1 web",
            "6s answer 2: db up (reached), web up (reached)",
            "20s TERM db",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn a_signal_to_what_does_not_run_is_refused() {
    let web = service("web").before_start(ends(secs(3), 0));
    check(
        term(secs(20), [failing("db"), web])
            .ask(secs(2), send(&["db", "web"], Signal::USR1))
            .ask(secs(2), send(&["w*"], Signal::USR1)),
        &[
            "0s start db",
            "0s run web's before_start",
            "2s answer 1: refused: db, web do not run",
            "2s answer 2: refused: web does not run",
            "3s start web",
            "11s start db",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

// ---- wait, status, health ----

#[test]
fn whoever_waits_is_told_when_it_is_so() {
    let db = service("db").plays(runs().executed_after(secs(2)));
    let migrate = oneshot("migrate").needs("db").plays(ends(secs(2), 0));
    check(
        term(secs(20), [db, migrate])
            .ask(secs(1), wait_for(&[], Milestone::Ready))
            .ask(secs(1), wait_for(&["migrate"], Milestone::Done))
            .ask(secs(1), wait_for(&["migrate"], Milestone::Stopped))
            .ask(secs(5), wait_for(&["db"], Milestone::Ready)),
        &[
            "0s start db",
            "2s start migrate",
            "4s answer 1: db up (reached, unchanged), migrate completed (reached, unchanged)",
            "4s answer 2: migrate completed (reached, unchanged)",
            "4s answer 3: migrate completed (reached, unchanged)",
            "5s answer 4: db up (reached, unchanged)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn whoever_waits_is_told_when_it_never_will_be_so() {
    let slow_one = service("slow").plays(runs().executed_after(secs(9)));
    check(
        term(secs(20), [broken("web"), slow_one, service("db")])
            .ask(Duration::ZERO, wait_for(&["web"], Milestone::Done))
            .ask(secs(2), wait_for(&["web"], Milestone::Ready))
            .ask(secs(2), wait_for(&["slow"], Milestone::Ready))
            .ask(secs(3), stop(&["slow"]))
            .ask(secs(4), wait_for(&["slow"], Milestone::Done)),
        &[
            "0s start db",
            "0s start slow",
            "0s start web",
            "1s answer 1: web failed (not reached, unchanged)",
            "2s answer 2: web failed (not reached, unchanged)",
            "3s TERM slow",
            "3s answer 3: slow down (not reached, unchanged)",
            "3s answer 4: slow down (reached)",
            "4s answer 5: slow down (not reached, unchanged)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn whoever_waits_through_a_back_off_goes_on_waiting() {
    let web = failing("web").plays(runs());
    check(
        term(secs(20), [web]).ask(secs(5), wait_for(&["web"], Milestone::Ready)),
        &[
            "0s start web",
            "11s start web",
            "11s answer 1: web up (reached, unchanged)",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn whoever_waits_hears_how_far_things_are() {
    let db = service("db").plays(runs().executed_after(secs(2)));
    let play = term(secs(20), [db, service("web").needs("db")])
        .ask(secs(1), wait_for(&["web"], Milestone::Ready))
        .play();
    let state = |answer: &Answer| match answer {
        Answer::Progress(reports) => Some(reports[0].state.word()),
        Answer::Done(_) => Some("done"),
        Answer::Status(_)
        | Answer::Health { .. }
        | Answer::Difference(_)
        | Answer::ShuttingDown
        | Answer::Refused(_) => None,
    };
    let states = play.answers.iter().filter_map(|(_, answer)| state(answer));
    assert_eq!(states.collect::<Vec<_>>(), ["waiting", "starting", "done"]);
}

#[test]
fn nobody_is_answered_who_has_hung_up() {
    let web = service("web").plays(slow(secs(3)));
    check(
        term(secs(20), [web])
            .ask(secs(5), stop(&["web"]))
            .ask(secs(5), wait_for(&["web"], Milestone::Stopped))
            .hang_up(secs(6), 1),
        &[
            "0s start web",
            "5s TERM web",
            "8s answer 2: web down (reached, unchanged)",
            "20s over 0",
        ],
    );
}

#[test]
fn health_is_what_the_least_well_makes_it() {
    let health = |level| Ask::Health { level };
    check(
        term(secs(20), [broken("db"), service("web")])
            .ask(millis(500), health(HealthLevel::Ready))
            .ask(secs(5), health(HealthLevel::Alive))
            .ask(secs(5), health(HealthLevel::Ready))
            .ask(secs(6), stop(&["db", "web"]))
            .ask(secs(7), health(HealthLevel::Alive))
            .ask(secs(7), health(HealthLevel::Ready)),
        &[
            "0s start db",
            "0s start web",
            "500ms answer 1: well: 2 services, all up",
            "5s answer 2: not well: db is failed: exit code 1",
            "5s answer 3: not well: db is failed: exit code 1",
            "6s TERM web",
            "6s answer 4: db down (reached), web down (reached)",
            "7s answer 5: well: 2 services, none has failed for good",
            "7s answer 6: not well: db is down: stopped on request; 1 more",
            "20s over 0",
        ],
    );
}

// ---- shutdown ----

#[test]
fn a_shutdown_ends_with_the_code_it_was_given() {
    check(
        scene([service("web")]).ask(secs(5), shutdown(7)),
        &["0s start web", "5s TERM web", "5s answer 1: shutting down", "5s over 7"],
    );
}

#[test]
fn the_main_command_has_the_last_word_in_a_shutdown_too() {
    let main = main_command().plays(ends(secs(60), 0));
    check(
        scene([service("web"), main]).ask(secs(5), shutdown(7)),
        &[
            "0s start web",
            "0s start main",
            "5s TERM main",
            "5s answer 1: shutting down",
            "5s TERM web",
            "5s over 143",
        ],
    );
}

#[test]
fn the_first_shutdown_is_the_one() {
    let web = service("web").plays(slow(secs(2)));
    check(
        scene([web])
            .ask(secs(5), shutdown(7))
            .ask(secs(6), shutdown(8))
            .ask(secs(6), start(&["web"]))
            .ask(secs(6), restart(&["web"]))
            .ask(secs(6), stop(&["web"]))
            .ask(secs(6), reload())
            .ask(secs(6), status(&["web"])),
        &[
            "0s start web",
            "5s TERM web",
            "5s answer 1: shutting down",
            "6s answer 2: shutting down",
            "6s answer 3: refused: everything is being stopped",
            "6s answer 4: refused: everything is being stopped",
            "6s answer 5: refused: everything is being stopped",
            "6s answer 6: refused: everything is being stopped",
            "6s answer 7: web stopping",
            "7s over 7",
        ],
    );
}

#[test]
fn a_shutdown_during_start_back_off_and_restart_starts_nothing_more() {
    let api = service("api").before_start(ends(secs(10), 0));
    let web = service("web").plays(slow(secs(2)));
    check(
        scene([failing("db"), api, web]).ask(secs(4), restart(&["web"])).ask(secs(5), shutdown(0)),
        &[
            "0s run api's before_start",
            "0s start db",
            "0s start web",
            "4s TERM web",
            "5s TERM api's before_start",
            "5s answer 2: shutting down",
            "5s answer 1: web stopping (not reached)",
            "6s over 0",
        ],
    );
}

#[test]
fn a_shutdown_answers_everybody_who_waits() {
    let db = service("db").plays(runs().executed_after(secs(20)));
    let web = service("web").needs("db");
    check(
        scene([db, web, service("api").plays(slow(secs(2)))])
            .ask(secs(1), wait_for(&["web"], Milestone::Ready))
            .ask(secs(2), restart(&["api"]))
            .ask(secs(2), stop_with(&["db"], Dependents::Stop))
            .ask(secs(3), wait_for(&["api"], Milestone::Stopped))
            .ask(secs(3), wait_for(&["api"], Milestone::Done))
            .ask(secs(3), shutdown(0)),
        &[
            "0s start api",
            "0s start db",
            "2s TERM api",
            "2s TERM db",
            "2s answer 1: web down (not reached, unchanged)",
            "2s answer 3: web down (reached), db down (reached)",
            "3s answer 6: shutting down",
            "3s answer 2: api stopping (not reached)",
            "4s answer 4: api down (reached, unchanged)",
            "4s answer 5: api down (not reached, unchanged)",
            "4s over 0",
        ],
    );
}

#[test]
fn a_shutdown_in_the_middle_of_a_stop_keeps_the_order() {
    let chain = chain().map(|actor| actor.plays(slow(secs(1))));
    check(
        scene(chain).ask(secs(5), stop_with(&["api"], Dependents::Stop)).ask(secs(6), shutdown(0)),
        &[
            "0s start db",
            "0s start api",
            "0s start web",
            "5s TERM web",
            "6s answer 2: shutting down",
            "7s TERM api",
            "8s TERM db",
            "8s answer 1: web down (reached), api down (reached)",
            "9s over 0",
        ],
    );
}

// ---- reload ----

#[test]
fn a_reload_starts_what_is_new_and_leaves_the_rest_alone() {
    let old = || service("db");
    check(
        term(secs(20), [old()]).reload(secs(5), [old(), service("web").needs("db")]),
        &[
            "0s start db",
            "5s answer 1: new: web; unchanged: 1",
            "5s start web",
            "5s answer 1: web up (reached)",
            "20s TERM web",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_reload_stops_what_is_gone_and_forgets_it() {
    check(
        term(secs(20), chain()).reload(secs(5), [service("db")]),
        &[
            "0s start db",
            "0s start api",
            "0s start web",
            "5s TERM web",
            "5s answer 1: removed: api, web; unchanged: 1",
            "7s TERM api",
            "7s forget web",
            "7s forget api",
            "7s answer 1: done",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_reload_restarts_what_has_changed_and_stops_it_as_it_was() {
    let old = service("web").ladder(&[(Signal::INT, secs(2))]).plays(deaf());
    let new = service("web").ladder(&[(Signal::QUIT, secs(1))]);
    check(
        term(secs(20), [service("db"), old]).reload(secs(5), [service("db"), new]),
        &[
            "0s start db",
            "0s start web",
            "5s INT web",
            "5s answer 1: changed: web; unchanged: 1",
            "7s KILL web",
            "7s start web",
            "7s answer 1: web up (reached)",
            "20s TERM db",
            "20s QUIT web",
            "20s over 0",
        ],
    );
}

#[test]
fn a_reload_leaves_those_running_that_need_what_has_changed() {
    let db = service("db").grace(secs(1));
    check(
        term(secs(20), chain()).reload(secs(5), {
            let [_, api, web] = chain();
            [db, api, web]
        }),
        &[
            "0s start db",
            "0s start api",
            "0s start web",
            "5s TERM db",
            "5s answer 1: changed: db; unchanged: 2",
            "5s start db",
            "5s answer 1: db up (reached)",
            "20s TERM web",
            "22s TERM api",
            "22s TERM db",
            "22s over 0",
        ],
    );
}

#[test]
fn a_reload_of_the_same_changes_nothing() {
    check(
        term(secs(20), chain()).ask(secs(5), reload()),
        &[
            "0s start db",
            "0s start api",
            "0s start web",
            "5s answer 1: nothing has changed",
            "5s answer 1: done",
            "20s TERM web",
            "22s TERM api",
            "22s TERM db",
            "22s over 0",
        ],
    );
}

#[test]
fn a_hangup_of_the_sources_is_a_reload_nobody_waits_for() {
    check(
        term(secs(20), [service("db")])
            .sources(secs(4), [service("db"), service("web")])
            .signal(secs(5), Signal::HUP),
        &["0s start db", "5s start web", "20s TERM db", "20s TERM web", "20s over 0"],
    );
}

#[test]
fn what_is_watched_is_read_again_and_only_spoken_of_if_it_has_changed() {
    let db = || service("db");
    let said = |scene: Scene| {
        let reread = |said: &String| said.contains("nothing has changed") || said.contains("new:");
        let said = scene.reading_takes(secs(1)).play().said;
        said.into_iter().filter(reread).collect::<Vec<_>>()
    };
    let in_vain = "read the sources again; nothing has changed";
    let reloaded = "reloaded; nothing has changed";
    assert_eq!(said(term(secs(20), [db()]).sources_change(secs(5))), [in_vain]);
    // Whoever asks is told.
    let changed = || term(secs(20), [db()]).sources_change(secs(5));
    assert_eq!(said(changed().signal(millis(5500), Signal::HUP)), [in_vain, reloaded]);
    assert_eq!(said(changed().ask(millis(5500), reload())), [in_vain, reloaded]);
    let both = changed().sources_change(millis(5300)).signal(millis(5500), Signal::HUP);
    assert_eq!(said(both), [in_vain, reloaded]);
    // One reading for both, and one complaint about it.
    let broken = "web.toml: unknown key";
    let complaints = |scene: Scene| {
        let said = scene.broken_sources(secs(5)).reading_takes(secs(1)).play().said;
        said.iter().filter(|said| said.contains(broken)).count()
    };
    assert_eq!(complaints(changed()), 1);
    let both = || changed().sources_change(millis(5300)).signal(millis(5500), Signal::HUP);
    assert_eq!(complaints(both()), 2);
    assert_eq!(complaints(both().sources_change(millis(5700))), 2);
    // A look is none that was asked for, as far as the log goes.
    let looked = changed().sources_change(millis(5300)).ask(millis(5500), dry_run());
    assert_eq!(said(looked), [in_vain, in_vain]);
    let new = changed().sources(secs(4), [db(), service("web")]);
    assert_eq!(said(new), ["reloaded; new: web; unchanged: 1"]);
}

#[test]
fn a_change_of_what_is_watched_is_no_signal() {
    // It stops nobody, and is no affair of the main command's, even where that is all there is.
    check(
        term(secs(20), [service("db").forwarding(Signal::HUP)])
            .stop_signal(Signal::HUP)
            .sources_change(secs(5)),
        &["0s start db", "20s TERM db", "20s over 0"],
    );
    check(
        term(secs(20), [main_command()])
            .sources(secs(4), [main_command(), service("db")])
            .sources_change(secs(5)),
        &["0s start main", "5s start db", "20s TERM main", "20s TERM db", "20s over 143"],
    );
}

#[test]
fn what_was_stopped_by_hand_stays_so_when_it_changes() {
    check(
        term(secs(20), [service("db"), service("web")])
            .ask(secs(5), stop(&["web"]))
            .reload(secs(6), [service("db"), service("web").grace(secs(1))])
            .ask(secs(10), start(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "5s answer 1: web down (reached)",
            "6s answer 2: changed: web; unchanged: 1",
            "6s answer 2: done",
            "10s start web",
            "10s answer 3: web up (reached)",
            "20s TERM db",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn what_changes_while_it_is_stopped_by_hand_stays_stopped() {
    let old = service("web").plays(slow(secs(3)));
    check(
        term(secs(20), [service("db"), old])
            .ask(secs(5), stop(&["web"]))
            .reload(secs(6), [service("db"), service("web").grace(secs(1))]),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "6s answer 2: changed: web; unchanged: 1",
            "6s answer 2: done",
            "8s answer 1: web down (reached)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn what_changes_while_its_dependents_are_stopped_waits_its_turn() {
    let web = || service("web").needs("db").plays(slow(secs(3)));
    check(
        term(secs(20), [service("db"), web()])
            .ask(secs(5), stop_with(&["db"], Dependents::Stop))
            .reload(secs(6), [service("db").grace(secs(1)), web()]),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "6s answer 2: changed: db; unchanged: 1",
            "6s answer 2: done",
            "8s TERM db",
            "8s answer 1: web down (reached), db down (reached)",
            "20s over 0",
        ],
    );
}

#[test]
fn what_has_changed_and_is_wanted_again_before_its_turn_is_restarted() {
    let web = || service("web").needs("db").plays(slow(secs(3)));
    check(
        term(secs(20), [service("db"), web()])
            .ask(secs(5), stop_with(&["db"], Dependents::Stop))
            .reload(secs(6), [service("db").grace(secs(1)), web()])
            .ask(secs(7), start(&["db"])),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "6s answer 2: changed: db; unchanged: 1",
            "6s answer 2: done",
            "7s TERM db",
            "7s start db",
            "7s answer 3: db up (reached)",
            "8s answer 1: db stopping (not reached), web down (reached)",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn what_changes_twice_quickly_is_started_as_it_is_at_last() {
    let old = service("web").plays(slow(secs(3)));
    let second = service("web").before_start(ends(secs(1), 0));
    let third = service("web").after_exit(ends(secs(1), 0));
    check(
        term(secs(20), [old]).reload(secs(5), [second]).reload(secs(6), [third]),
        &[
            "0s start web",
            "5s TERM web",
            "5s answer 1: changed: web; unchanged: 0",
            "6s answer 2: changed: web; unchanged: 0",
            "8s start web",
            "8s answer 1: web up (reached)",
            "8s answer 2: web up (reached)",
            "20s TERM web",
            "20s run web's after_exit",
            "21s over 0",
        ],
    );
}

#[test]
fn what_changes_in_back_off_is_tried_at_once() {
    let new = service("web").grace(secs(1));
    check(
        term(secs(20), [service("db"), failing("web")]).reload(secs(5), [service("db"), new]),
        &[
            "0s start db",
            "0s start web",
            "5s answer 1: changed: web; unchanged: 1",
            "5s start web",
            "5s answer 1: web up (reached)",
            "20s TERM db",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn what_had_failed_and_has_changed_is_tried_with_those_that_failed_because_of_it() {
    let web = || service("web").needs("db").on_failure(Consequence::Continue);
    let db = service("db").on_failure(Consequence::Continue).plays(fails(Errno::ENOENT));
    check(
        term(secs(20), [db, web(), service("other")])
            .reload(secs(5), [service("db"), web(), service("other")]),
        &[
            "0s start db",
            "0s start other",
            "5s answer 1: changed: db; unchanged: 2",
            "5s start db",
            "5s start web",
            "5s answer 1: db up (reached)",
            "20s TERM other",
            "20s TERM web",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn a_oneshot_that_has_changed_is_done_again() {
    let old = oneshot("migrate").plays(ends(secs(1), 0));
    let new = oneshot("migrate").grace(secs(1)).plays(ends(secs(2), 0));
    check(
        term(secs(20), [old, service("web")]).reload(secs(5), [new, service("web")]),
        &[
            "0s start migrate",
            "0s start web",
            "5s answer 1: changed: migrate; unchanged: 1",
            "5s start migrate",
            "7s answer 1: migrate completed (reached)",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn what_is_removed_and_back_before_it_is_gone_starts_again() {
    let web = || service("web").plays(slow(secs(3))).plays(runs());
    check(
        term(secs(20), [service("db"), web()])
            .reload(secs(5), [service("db")])
            .reload(secs(6), [service("db"), web()]),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "5s answer 1: removed: web; unchanged: 1",
            "6s answer 2: new: web; unchanged: 1",
            "6s answer 1: web stopping (not reached)",
            "8s start web",
            "8s answer 2: web up (reached)",
            "20s TERM db",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn what_is_removed_and_back_in_the_moment_it_is_gone_starts_again() {
    let web = || service("web").plays(slow(secs(3))).plays(runs());
    check(
        term(secs(20), [service("db"), web()])
            .reading_takes(secs(2))
            .reload(secs(5), [service("db")])
            .reload(secs(8), [service("db"), web()]),
        &[
            "0s start db",
            "0s start web",
            "7s TERM web",
            "7s answer 1: removed: web; unchanged: 1",
            "10s answer 2: new: web; unchanged: 1",
            "10s start web",
            "10s answer 1: web starting (not reached)",
            "10s answer 2: web up (reached)",
            "20s TERM db",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn what_is_removed_and_back_after_that_is_new() {
    let web = || service("web");
    check(
        term(secs(20), [service("db"), web()])
            .reload(secs(5), [service("db")])
            .reload(secs(8), [service("db"), web()]),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "5s answer 1: removed: web; unchanged: 1",
            "5s forget web",
            "5s answer 1: done",
            "8s answer 2: new: web; unchanged: 1",
            "8s start web",
            "8s answer 2: web up (reached)",
            "20s TERM db",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn what_was_stopped_by_hand_and_removed_is_forgotten_at_once() {
    check(
        term(secs(20), [service("db"), service("web")])
            .ask(secs(5), stop(&["web"]))
            .reload(secs(6), [service("db")])
            .ask(secs(7), start(&["web"])),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "5s answer 1: web down (reached)",
            "6s answer 2: removed: web; unchanged: 1",
            "6s forget web",
            "6s answer 2: done",
            "7s answer 3: refused: no service is called web",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

#[test]
fn what_stands_between_two_that_are_removed_still_keeps_them_in_order() {
    let [db, api, web] = chain();
    let api =
        api.plays(ends(secs(1), 1)).backoff(Backoff { initial: secs(60), ..Backoff::default() });
    check(
        term(secs(20), [db, api, web, service("other")]).reload(secs(5), [service("other")]),
        &[
            "0s start db",
            "0s start other",
            "0s start api",
            "0s start web",
            "5s TERM web",
            "5s answer 1: removed: api, db, web; unchanged: 1",
            "7s TERM db",
            "7s forget api",
            "7s forget web",
            "7s forget db",
            "7s answer 1: api down (reached)",
            "20s TERM other",
            "20s over 0",
        ],
    );
}

#[test]
fn a_dependency_that_is_removed_waits_for_one_that_waits_to_be_stopped() {
    let ui = || service("ui").needs("web").plays(slow(secs(3)));
    let web = service("web").needs("db").plays(runs());
    check(
        term(secs(20), [service("db"), web, ui(), service("other")])
            .ask(secs(5), stop_with(&["web"], Dependents::Stop))
            .reload(secs(6), [service("web").plays(runs()), ui(), service("other")]),
        &[
            "0s start db",
            "0s start other",
            "0s start web",
            "0s start ui",
            "5s TERM ui",
            "6s answer 2: changed: web; removed: db; unchanged: 2",
            "8s TERM web",
            "8s TERM db",
            "8s answer 1: ui down (reached), web down (reached)",
            "8s forget db",
            "8s answer 2: done",
            "20s TERM other",
            "20s over 0",
        ],
    );
}

#[test]
fn a_dependency_that_is_removed_goes_with_the_change_of_its_dependent() {
    let web = service("web").needs("db").plays(slow(secs(2))).plays(runs());
    let new = service("web").plays(runs());
    check(
        term(secs(20), [service("db"), web, service("other")])
            .reload(secs(5), [new, service("other")]),
        &[
            "0s start db",
            "0s start other",
            "0s start web",
            "5s TERM web",
            "5s answer 1: changed: web; removed: db; unchanged: 1",
            "7s TERM db",
            "7s start web",
            "7s forget db",
            "7s answer 1: web up (reached)",
            "20s TERM other",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn sources_with_a_problem_change_nothing() {
    check(
        term(secs(20), [service("web")]).broken_sources(secs(4)).ask(secs(5), reload()),
        &[
            "0s start web",
            "5s answer 1: refused: 1 problem; nothing was changed",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn a_dry_run_only_says_what_would_change() {
    check(
        term(secs(20), [service("db"), service("web")])
            .sources(secs(4), [service("db").grace(secs(1)), service("api")])
            .ask(secs(5), dry_run()),
        &[
            "0s start db",
            "0s start web",
            "5s answer 1: new: api; changed: db; removed: web; unchanged: 0",
            "5s answer 1: done",
            "20s TERM db",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn who_asks_while_the_sources_are_read_means_what_is_there_now() {
    check(
        term(secs(20), [service("db")])
            .reading_takes(secs(2))
            .reload(secs(5), [service("db"), service("api")])
            .reload(secs(6), [service("db"), service("web")]),
        &[
            "0s start db",
            "7s answer 1: new: api; unchanged: 1",
            "7s start api",
            "7s answer 1: api up (reached)",
            "9s TERM api",
            "9s answer 2: new: web; removed: api; unchanged: 1",
            "9s start web",
            "9s forget api",
            "9s answer 2: web up (reached)",
            "20s TERM db",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn a_shutdown_while_the_sources_are_read_refuses_the_reload() {
    check(
        scene([service("db").plays(slow(secs(3)))])
            .reading_takes(secs(2))
            .reload(secs(5), [service("db"), service("web")])
            .ask(secs(6), shutdown(0)),
        &[
            "0s start db",
            "6s TERM db",
            "6s answer 2: shutting down",
            "7s answer 1: refused: everything is being stopped",
            "9s over 0",
        ],
    );
}

#[test]
fn a_signal_reaches_the_main_command_while_one_that_was_removed_is_stopped() {
    check(
        scene([service("web").plays(slow(secs(3))), main_command()])
            .reload(secs(5), [main_command()])
            .signal(secs(6), Signal::USR1)
            .signal(secs(7), Signal::TERM),
        &[
            "0s start web",
            "0s start main",
            "5s TERM web",
            "5s answer 1: removed: web; unchanged: 1",
            "6s USR1 main",
            "7s TERM main",
            "8s answer 1: web down (reached)",
            "8s over 143",
        ],
    );
}

#[test]
fn a_shutdown_stops_one_that_was_removed_in_its_turn() {
    let web = service("web").needs("db").plays(slow(secs(3)));
    check(
        scene([service("db"), web]).reload(secs(5), [service("db")]).ask(secs(6), shutdown(0)),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "5s answer 1: removed: web; unchanged: 1",
            "6s answer 2: shutting down",
            "8s TERM db",
            "8s answer 1: web down (reached)",
            "8s over 0",
        ],
    );
}

#[test]
fn a_wait_for_one_that_is_removed_ends() {
    let web = service("web").needs("db");
    let db = || service("db").plays(runs().executed_after(secs(20)));
    check(
        term(secs(40), [db(), web])
            .ask(secs(1), wait_for(&["web"], Milestone::Ready))
            .reload(secs(5), [db()]),
        &[
            "0s start db",
            "5s answer 2: removed: web; unchanged: 1",
            "5s forget web",
            "5s answer 1: refused: no service is called web",
            "5s answer 2: done",
            "40s TERM db",
            "40s over 0",
        ],
    );
}

#[test]
fn when_everything_is_removed_nothing_is_left() {
    check(
        scene([service("web")]).reload(secs(5), []),
        &[
            "0s start web",
            "5s TERM web",
            "5s answer 1: removed: web; unchanged: 0",
            "5s forget web",
            "5s answer 1: done",
            "5s over 0",
        ],
    );
}
