//! Stories: one situation each, and everything that is done about it.

use std::time::Duration;

use onit::limits::SPAWNS_A_TURN_MAX;
use onit::service::{
    Backoff, Condition, Consequence, Errno, Exit, ExitArguments, Failure, Restart, Scope, Signal,
    SuccessCode,
};

use crate::scene::{Actor, Scene, main_command, oneshot, service};
use crate::script::{
    Exec, Relative, Script, deaf, deaf_relative, dies, ends, fails, millis, relative, runs, secs,
    slow, stops,
};

/// Plays the scene and compares all that was done.
#[track_caller]
fn check(scene: Scene, expected: &[&str]) {
    assert_eq!(scene.play().trace, expected);
}

/// Plays the scene and compares its exit code.
#[track_caller]
fn check_code(scene: Scene, expected: u8) {
    let play = scene.play();
    assert_eq!(play.code, expected, "{:#?}", play.trace);
}

/// Plays the scene and looks for what is said in it.
#[track_caller]
fn check_said(scene: Scene, expected: &str) {
    let play = scene.play();
    assert!(play.said.iter().any(|said| said == expected), "{:#?}", play.said);
}

fn scene(actors: impl IntoIterator<Item = Actor>) -> Scene {
    actors.into_iter().fold(Scene::new(), Scene::with)
}

fn term(at: Duration, actors: impl IntoIterator<Item = Actor>) -> Scene {
    scene(actors).signal(at, Signal::TERM)
}

fn hangs() -> Script {
    Script { exec: Exec::Hangs, ..runs() }
}

/// Fails for something that passes.
fn busy() -> Script {
    fails(Errno::EAGAIN)
}

// ---- boot ----

#[test]
fn services_start_in_the_order_of_their_needs() {
    let db = service("db").plays(runs().executed_after(secs(1)));
    check(
        term(secs(5), [service("web").needs("db"), db]),
        &["0s start db", "1s start web", "5s TERM web", "5s TERM db", "5s over 0"],
    );
}

#[test]
fn services_that_do_not_know_each_other_start_together() {
    check(
        term(secs(1), [service("a"), service("b")]),
        &["0s start a", "0s start b", "1s TERM a", "1s TERM b", "1s over 0"],
    );
}

#[test]
fn what_needs_a_oneshot_waits_for_its_end() {
    let migrate = oneshot("migrate").plays(ends(secs(2), 0));
    check(
        term(secs(5), [migrate, service("web").needs("migrate")]),
        &["0s start migrate", "2s start web", "5s TERM web", "5s over 0"],
    );
}

#[test]
fn what_needs_a_oneshot_to_have_started_does_not_wait_for_its_end() {
    let migrate = oneshot("migrate").plays(ends(secs(2), 0));
    let web = service("web").needs_to_be("migrate", Condition::Started);
    check(
        term(secs(5), [migrate, web]),
        &["0s start migrate", "0s start web", "5s TERM web", "5s over 0"],
    );
}

#[test]
fn a_service_can_need_the_end_of_another_service() {
    let warm_up = service("warm-up").plays(ends(secs(1), 0)).restart(Restart::OnFailure);
    let web = service("web").needs_to_be("warm-up", Condition::Completed);
    check(
        term(secs(5), [warm_up, web]),
        &["0s start warm-up", "1s start web", "5s TERM web", "5s over 0"],
    );
}

#[test]
fn a_dependent_waits_through_the_restarts_of_what_it_needs() {
    let migrate = oneshot("migrate")
        .restart(Restart::OnFailure)
        .plays(ends(secs(1), 1))
        .plays(ends(secs(1), 0));
    check(
        term(secs(5), [migrate, service("web").needs("migrate")]),
        &["0s start migrate", "1.1s start migrate", "2.1s start web", "5s TERM web", "5s over 0"],
    );
}

#[test]
fn a_dependent_that_runs_is_not_touched_when_what_it_needs_restarts() {
    let db = service("db").plays(ends(secs(20), 1)).plays(runs());
    check(
        term(secs(30), [db, service("web").needs("db")]),
        &[
            "0s start db",
            "0s start web",
            "20s start db",
            "30s TERM web",
            "30s TERM db",
            "30s over 0",
        ],
    );
}

#[test]
fn a_dependent_that_restarts_waits_for_what_it_needs() {
    let db = service("db").plays(ends(secs(20), 1)).plays(runs().executed_after(secs(5)));
    let web = service("web").needs("db").plays(ends(secs(21), 1)).plays(runs());
    check(
        term(secs(30), [db, web]),
        &[
            "0s start db",
            "0s start web",
            "20s start db",
            "25s start web",
            "30s TERM web",
            "30s TERM db",
            "30s over 0",
        ],
    );
}

#[test]
fn a_service_whose_dependency_failed_for_good_has_failed() {
    let migrate = oneshot("migrate").plays(ends(secs(1), 3)).on_failure(Consequence::Continue);
    let web = || service("web").needs("migrate").on_failure(Consequence::Shutdown);
    let top = || service("top").needs("web");
    check_said(
        scene([migrate.clone(), web(), top()]),
        "web: not started: it needs migrate, which has failed",
    );
    check_said(
        scene([migrate.clone(), web(), top()]),
        "top: not started: it needs web, which has failed",
    );
    // Its own on_failure is not asked: `other` goes on.
    check(
        term(secs(5), [migrate, web(), service("other")]),
        &["0s start migrate", "0s start other", "5s TERM other", "5s over 0"],
    );
}

#[test]
fn after_waits_until_the_other_is_ready() {
    let cache = service("cache").plays(runs().executed_after(secs(2)));
    check(
        term(secs(5), [cache, service("web").after("cache")]),
        &["0s start cache", "2s start web", "5s TERM web", "5s TERM cache", "5s over 0"],
    );
}

#[test]
fn after_waits_until_the_other_is_known_to_have_failed() {
    let cache = service("cache")
        .plays(ends(secs(2), 1))
        .restart(Restart::Never)
        .on_failure(Consequence::Continue);
    check(
        term(secs(5), [cache, oneshot("job").after("cache").plays(runs())]),
        &["0s start cache", "0s start job", "5s TERM job", "5s over 0"],
    );
    let cache = oneshot("cache").plays(ends(secs(2), 1)).on_failure(Consequence::Continue);
    check(
        term(secs(5), [cache, service("web").after("cache")]),
        &["0s start cache", "2s start web", "5s TERM web", "5s over 0"],
    );
}

#[test]
fn after_hears_of_one_that_failed_because_of_its_dependency() {
    let missing = service("a").plays(fails(Errno::ENOENT)).on_failure(Consequence::Continue);
    let scene = term(secs(5), [missing, service("b").needs("a"), service("c").after("b")]);
    check(scene, &["0s start a", "0s start c", "5s TERM c", "5s over 0"]);
}

// ---- restarts ----

#[test]
fn always_restarts_after_success_and_failure() {
    let web = service("web").plays(ends(secs(1), 0)).plays(ends(secs(1), 1)).plays(runs());
    check(
        term(secs(5), [web]),
        &["0s start web", "1.1s start web", "2.3s start web", "5s TERM web", "5s over 0"],
    );
}

#[test]
fn on_failure_restarts_after_failure_only() {
    let web = service("web")
        .restart(Restart::OnFailure)
        .plays(dies(secs(1), Exit::Signal(Signal::ABRT)))
        .plays(ends(secs(1), 0));
    check(scene([web]), &["0s start web", "1.1s start web", "2.1s over 0"]);
}

#[test]
fn never_does_not_restart() {
    let web = |code| service("web").restart(Restart::Never).plays(ends(secs(1), code));
    check(scene([web(0)]), &["0s start web", "1s over 0"]);
    check(scene([web(3)]), &["0s start web", "1s over 3"]);
}

#[test]
fn success_codes_say_what_success_is() {
    let codes = [SuccessCode::Code(3), SuccessCode::Signal(Signal::TERM)];
    let web = |exit| {
        service("web").restart(Restart::OnFailure).success(&codes).plays(dies(secs(1), exit))
    };
    check(scene([web(Exit::Code(3))]), &["0s start web", "1s over 0"]);
    check(scene([web(Exit::Signal(Signal::TERM))]), &["0s start web", "1s over 0"]);
    check(scene([web(Exit::Code(0)).limit(2)]), &["0s start web", "1.1s start web", "2.1s over 1"]);
}

#[test]
fn waits_between_restarts_grow_until_the_limit() {
    let backoff = Backoff { limit: 5, jitter: 0.0, max: millis(500), ..Backoff::default() };
    let web = service("web").plays(ends(Duration::ZERO, 7)).backoff(backoff);
    check(
        scene([web]),
        &[
            "0s start web",
            "100ms start web",
            "300ms start web",
            "700ms start web",
            "1.2s start web",
            "1.2s over 7",
        ],
    );
}

#[test]
fn a_limit_of_nothing_is_none() {
    let backoff =
        Backoff { limit: 0, jitter: 0.0, initial: secs(1), factor: 1.0, ..Backoff::default() };
    let web = service("web").plays(ends(Duration::ZERO, 7)).backoff(backoff);
    let play = term(millis(100_500), [web]).play();
    assert_eq!((play.trace.len(), play.code), (102, 0));
}

#[test]
fn a_long_run_is_restarted_at_once_and_the_count_begins_again() {
    let web = service("web")
        .plays(ends(Duration::ZERO, 1))
        .plays(ends(Duration::ZERO, 1))
        .plays(ends(secs(10), 1))
        .plays(ends(Duration::ZERO, 1))
        .plays(runs());
    check(
        term(secs(20), [web]),
        &[
            "0s start web",
            "100ms start web",
            "300ms start web",
            "10.3s start web",
            "10.4s start web",
            "20s TERM web",
            "20s over 0",
        ],
    );
}

#[test]
fn jitter_spreads_restarts_within_its_part() {
    let backoff = Backoff { jitter: 0.5, initial: secs(2), ..Backoff::default() };
    let mut starts: Vec<String> = (0..20)
        .map(|seed| {
            let web = service("web").plays(ends(Duration::ZERO, 1)).plays(runs());
            let scene = term(secs(9), [web.backoff(backoff)]);
            Scene { seed, ..scene }.play().trace[1].clone()
        })
        .collect();
    starts.dedup();
    assert!(starts.len() > 15, "{starts:?}");
}

#[test]
fn a_command_that_cannot_be_executed_before_it_ever_ran_has_failed_for_good() {
    let errnos = [Errno::ENOENT, Errno::EACCES, Errno::ENOEXEC, Errno::ENOTDIR, Errno::ELOOP];
    for errno in errnos {
        let code = if errno == Errno::ENOENT { 127 } else { 126 };
        let web = service("web").plays(fails(errno));
        check(scene([web]), &["0s start web", &format!("0s over {code}")]);
    }
}

#[test]
fn a_command_that_cannot_be_executed_any_more_is_tried_again() {
    let web = service("web").plays(ends(secs(1), 1)).plays(fails(Errno::ENOENT)).plays(runs());
    check(
        term(secs(5), [web]),
        &["0s start web", "1.1s start web", "1.3s start web", "5s TERM web", "5s over 0"],
    );
}

#[test]
fn what_may_pass_is_tried_again_whatever_the_policy() {
    for errno in [Errno::EAGAIN, Errno::ENOMEM, Errno::EMFILE, Errno::ETXTBSY] {
        let job = oneshot("job").plays(fails(errno)).plays(ends(secs(1), 0));
        check(scene([job]), &["0s start job", "100ms start job", "1.1s over 0"]);
    }
    let missing = Failure::errno("change directory to", "/srv", Errno::ENOENT);
    let lost = Script { exec: Exec::Fails(missing, Duration::ZERO), ..runs() };
    let job = oneshot("job").plays(lost).plays(ends(secs(1), 0));
    check(scene([job]), &["0s start job", "100ms start job", "1.1s over 0"]);
}

#[test]
fn what_may_pass_is_not_tried_for_ever() {
    let play = scene([service("web").plays(busy())]).play();
    assert_eq!((play.trace.len(), play.code), (11, 126), "{:#?}", play.trace);
}

#[test]
fn an_exec_that_takes_long_keeps_nobody_else_waiting() {
    let slow = service("slow").plays(runs().executed_after(secs(3)));
    check(
        term(secs(5), [slow, service("web")]),
        &["0s start slow", "0s start web", "5s TERM slow", "5s TERM web", "5s over 0"],
    );
}

// ---- what a run leaves behind ----

#[test]
fn a_restart_waits_until_what_was_left_behind_has_heeded_term() {
    let first = ends(secs(1), 1).leaving(relative(millis(700)));
    check(
        term(secs(5), [service("web").plays(first).plays(runs())]),
        &["0s start web", "1.8s start web", "5s TERM web", "5s over 0"],
    );
}

#[test]
fn what_was_left_behind_and_is_deaf_is_killed_after_two_seconds() {
    let first = ends(secs(1), 1).leaving(deaf_relative());
    check(
        term(secs(5), [service("web").plays(first).plays(runs())]),
        &["0s start web", "3s KILL web", "3.1s start web", "5s TERM web", "5s over 0"],
    );
}

#[test]
fn what_forks_while_it_is_killed_is_killed_again() {
    let first = ends(secs(1), 1).leaving(Relative { reborn: 2, ..deaf_relative() });
    check(
        term(secs(5), [service("web").plays(first).plays(runs())]),
        &[
            "0s start web",
            "3s KILL web",
            "3.2s KILL web",
            "3.6s KILL web",
            "3.7s start web",
            "5s TERM web",
            "5s over 0",
        ],
    );
}

#[test]
fn what_is_to_be_kept_delays_nothing_until_the_end() {
    let first = ends(secs(1), 1).leaving(relative(millis(100)));
    check(
        term(secs(5), [service("web").keeping_leftovers().plays(first).plays(runs())]),
        &["0s start web", "1.1s start web", "5s TERM web", "5s TERM everybody", "5.1s over 0"],
    );
}

#[test]
fn what_a_stopped_process_leaves_behind_has_the_rest_of_its_time() {
    let web = service("web").grace(secs(4)).plays(slow(secs(1)).leaving(deaf_relative()));
    check(term(secs(5), [web]), &["0s start web", "5s TERM web", "9s KILL web", "9s over 0"]);
}

// ---- commands around the command ----

#[test]
fn before_start_commands_run_one_after_another() {
    let web = service("web").before_start(ends(secs(1), 0)).before_start(ends(secs(2), 0));
    check(
        term(secs(5), [web, service("late").needs("web")]),
        &[
            "0s run web's before_start",
            "1s run web's before_start",
            "3s start web",
            "3s start late",
            "5s TERM late",
            "5s TERM web",
            "5s over 0",
        ],
    );
}

#[test]
fn a_before_start_command_that_fails_is_a_failed_start() {
    let web = |restart| service("web").before_start(ends(secs(1), 4)).restart(restart).limit(2);
    check(scene([web(Restart::Never)]), &["0s run web's before_start", "1s over 4"]);
    check(
        scene([web(Restart::OnFailure)]),
        &["0s run web's before_start", "1.1s run web's before_start", "2.1s over 4"],
    );
    let web = service("web").before_start(fails(Errno::ENOENT));
    check(scene([web]), &["0s run web's before_start", "0s over 127"]);
}

#[test]
fn a_before_start_command_that_hangs_is_killed_after_a_minute() {
    let web = service("web").before_start(deaf()).restart(Restart::Never);
    let scene = scene([web]);
    check(
        scene.clone(),
        &["0s run web's before_start", "60s KILL web's before_start", "60s over 137"],
    );
    check_said(scene, "web: its before_start took longer than 60 s, is killed");
}

#[test]
fn the_command_starts_when_nothing_of_before_start_is_left() {
    let web = service("web").before_start(ends(secs(1), 0).leaving(relative(secs(1))));
    check(
        term(secs(5), [web]),
        &["0s run web's before_start", "2s start web", "5s TERM web", "5s over 0"],
    );
}

#[test]
fn after_exit_commands_run_before_a_restart() {
    let web = service("web")
        .plays(ends(secs(1), 1))
        .plays(runs())
        .after_exit(ends(secs(1), 0))
        .after_exit(ends(secs(1), 9));
    check(
        term(secs(5), [web]),
        &[
            "0s start web",
            "1s run web's after_exit",
            "2s run web's after_exit",
            "3.1s start web",
            "5s TERM web",
            "5s run web's after_exit",
            "6s run web's after_exit",
            "7s over 0",
        ],
    );
}

#[test]
fn an_after_exit_command_that_hangs_is_killed_after_five_seconds() {
    let web = service("web").plays(ends(secs(1), 1)).restart(Restart::Never).after_exit(deaf());
    check(
        scene([web]),
        &["0s start web", "1s run web's after_exit", "6s KILL web's after_exit", "6s over 1"],
    );
}

#[test]
fn there_is_no_after_exit_where_nothing_ran() {
    let web = service("web").plays(fails(Errno::ENOENT)).after_exit(runs());
    check(scene([web]), &["0s start web", "0s over 127"]);
}

// ---- stops ----

#[test]
fn a_deaf_service_is_killed_after_its_grace() {
    let db = service("db").plays(deaf()).grace(secs(3));
    check(term(secs(5), [db]), &["0s start db", "5s TERM db", "8s KILL db", "8s over 0"]);
}

#[test]
fn those_who_are_killed_with_their_process_are_not_told_of_twice() {
    let db = service("db")
        .grace(secs(3))
        .plays(deaf().leaving(Relative { reborn: 1, ..deaf_relative() }));
    let play = term(secs(5), [db]).play();
    assert_eq!(
        play.trace,
        ["0s start db", "5s TERM db", "8s KILL db", "8.2s KILL db", "8.2s over 0"]
    );
    assert!(!play.said.iter().any(|said| said.contains("left behind")), "{:#?}", play.said);
}

#[test]
fn a_killed_service_makes_no_failure_of_a_requested_stop() {
    let db = service("db").plays(deaf()).grace(secs(3)).restart(Restart::Never);
    check_said(term(secs(5), [db.clone()]), "db: did not stop in time, is killed");
    check_code(term(secs(5), [db]), 0);
}

#[test]
fn a_list_of_signals_is_sent_one_after_another() {
    let ladder = [(Signal::INT, secs(1)), (Signal::TERM, secs(2)), (Signal::QUIT, secs(3))];
    let web = service("web").plays(deaf()).ladder(&ladder);
    check(
        term(secs(5), [web]),
        &["0s start web", "5s INT web", "6s TERM web", "8s QUIT web", "11s KILL web", "11s over 0"],
    );
}

#[test]
fn a_list_of_signals_is_scaled_to_the_budget() {
    let ladder = [(Signal::INT, secs(10)), (Signal::TERM, secs(20)), (Signal::QUIT, secs(10))];
    let web = service("web").plays(deaf()).ladder(&ladder);
    check(
        term(secs(5), [web]).budget(millis(4500)),
        &[
            "0s start web",
            "5s INT web",
            "6s TERM web",
            "8s QUIT web",
            "9s KILL web",
            "9s KILL everybody",
            "9s over 0",
        ],
    );
}

#[test]
fn the_group_hears_the_stop_signal_where_that_is_asked_for() {
    let web = service("web").scope(Scope::Group).plays(runs().leaving(relative(secs(1))));
    check(term(secs(5), [web]), &["0s start web", "5s TERM web and its group", "6s over 0"]);
}

#[test]
fn a_stop_command_takes_the_place_of_the_signals() {
    let web = service("web").plays(deaf()).stop_command(stops(secs(2)));
    check(term(secs(5), [web]), &["0s start web", "5s run web's stop.command", "7s over 0"]);
}

#[test]
fn when_a_stop_command_fails_the_signals_follow_at_once() {
    let web = service("web").stop_command(ends(secs(2), 1));
    check(
        term(secs(5), [web]),
        &["0s start web", "5s run web's stop.command", "7s TERM web", "7s over 0"],
    );
    let web = service("web").stop_command(fails(Errno::ENOENT));
    check(
        term(secs(5), [web]),
        &["0s start web", "5s run web's stop.command", "5s TERM web", "5s over 0"],
    );
    // Whatever it left behind.
    let web = service("web").stop_command(ends(secs(1), 1).leaving(deaf_relative()));
    check(
        term(secs(5), [web]),
        &[
            "0s start web",
            "5s run web's stop.command",
            "6s TERM web",
            "8s KILL web's stop.command",
            "8s over 0",
        ],
    );
}

#[test]
fn a_stop_command_that_stops_nothing_ends_in_a_kill() {
    let web = service("web").grace(secs(3)).stop_command(ends(secs(1), 0));
    check(
        term(secs(5), [web]),
        &["0s start web", "5s run web's stop.command", "8s KILL web", "8s over 0"],
    );
}

#[test]
fn a_stop_command_that_hangs_is_killed_with_what_it_should_stop() {
    let web = service("web").grace(secs(3)).stop_command(deaf());
    check(
        term(secs(5), [web]),
        &[
            "0s start web",
            "5s run web's stop.command",
            "8s KILL web",
            "8s KILL web's stop.command",
            "8s over 0",
        ],
    );
}

#[test]
fn a_stop_command_is_not_started_for_what_has_just_ended() {
    let web = service("web").plays(ends(secs(5), 0)).stop_command(deaf());
    check(term(secs(5), [web]), &["0s start web", "5s over 0"]);
}

// ---- the verdict ----

#[test]
fn a_requested_stop_is_no_failure() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT, Signal::PWR, Signal::HALT] {
        let web = service("web").plays(runs().with_farewell(Exit::Code(9)));
        check_code(scene([web]).signal(secs(1), signal), 0);
    }
}

#[test]
fn what_the_image_calls_a_stop_signal_is_one() {
    let scene = scene([service("web")]).stop_signal(Signal::WINCH).signal(secs(1), Signal::WINCH);
    check(scene, &["0s start web", "1s TERM web", "1s over 0"]);
}

#[test]
fn a_failure_for_good_ends_everything_with_its_code() {
    let bad = |exit| service("bad").restart(Restart::Never).plays(dies(secs(1), exit));
    let code = |exit| scene([bad(exit), service("web")]).play().code;
    assert_eq!(code(Exit::Code(3)), 3);
    assert_eq!(code(Exit::Signal(Signal::ABRT)), 134);
    assert_eq!(code(Exit::OutOfMemory), 137);
    check(
        scene([bad(Exit::Code(3)), service("web")]),
        &["0s start bad", "0s start web", "1s TERM web", "1s over 3"],
    );
}

#[test]
fn a_failure_is_never_told_as_success() {
    let web = service("web").restart(Restart::Never).success(&[]).plays(ends(secs(1), 0));
    check_code(scene([web]), 1);
    let web = service("web").limit(1).plays(ends(secs(1), 0));
    check_code(scene([web]), 1);
}

#[test]
fn the_first_failure_decides() {
    let bad = |name, after, code| service(name).limit(1).plays(ends(after, code));
    check_code(scene([bad("a", secs(2), 4), bad("b", secs(1), 3)]), 3);
}

#[test]
fn a_failure_that_ends_nothing_is_told_when_nothing_is_left() {
    let bad = service("bad").limit(1).plays(ends(secs(1), 3)).on_failure(Consequence::Continue);
    let worse = service("worse").limit(1).plays(ends(secs(2), 4)).on_failure(Consequence::Continue);
    let job = oneshot("job").plays(ends(secs(3), 0));
    check(
        scene([bad.clone(), worse.clone(), job]),
        &["0s start bad", "0s start job", "0s start worse", "3s over 3"],
    );
    check_code(term(secs(5), [bad, worse, service("web")]), 0);
}

#[test]
fn nothing_wanted_any_more_ends_with_0() {
    let job = |name, after| oneshot(name).plays(ends(after, 0));
    check(
        scene([job("a", secs(1)), job("b", secs(2))]),
        &["0s start a", "0s start b", "2s over 0"],
    );
}

#[test]
fn a_success_can_end_everything() {
    let job = oneshot("job").plays(ends(secs(1), 0)).on_success(Consequence::Shutdown);
    check(
        scene([job.clone(), service("web")]),
        &["0s start job", "0s start web", "1s TERM web", "1s over 0"],
    );
    let job = job.plays(ends(secs(1), 0)).success(&[SuccessCode::Code(0)]);
    check_code(scene([job, service("web")]), 0);
}

#[test]
fn an_empty_plan_is_over_at_once() {
    check(scene([]), &["0s over 0"]);
}

// ---- the budget ----

#[test]
fn services_stop_in_reverse_order_one_layer_after_another() {
    let slow = |name| service(name).plays(slow(secs(1)));
    let actors = [slow("db"), slow("app").needs("db"), slow("web").needs("app")];
    check(
        term(secs(5), actors),
        &[
            "0s start db",
            "0s start app",
            "0s start web",
            "5s TERM web",
            "6s TERM app",
            "7s TERM db",
            "8s over 0",
        ],
    );
}

#[test]
fn layers_share_the_budget_by_what_they_ask_for() {
    let deaf = |name, grace| service(name).plays(deaf()).grace(grace);
    let actors = [deaf("db", secs(20)), deaf("web", secs(10)).needs("db")];
    // 8.5 s and the reserve: a third of it for the first layer, the rest for the second.
    check(
        term(secs(5), actors).budget(millis(9500)),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "8s KILL web",
            "8s TERM db",
            "14s KILL db",
            "14s KILL everybody",
            "14s over 0",
        ],
    );
}

#[test]
fn what_a_layer_does_not_use_is_for_those_below() {
    let db = service("db").plays(deaf()).grace(secs(20));
    let web = service("web").needs("db").grace(secs(20));
    check(
        term(secs(5), [db, web]).budget(millis(9500)),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "5s TERM db",
            "14s KILL db",
            "14s KILL everybody",
            "14s over 0",
        ],
    );
}

#[test]
fn where_the_budget_is_enough_everybody_has_what_he_asks_for() {
    let deaf = |name, grace| service(name).plays(deaf()).grace(grace);
    let actors = [deaf("db", secs(2)), deaf("web", secs(3)).needs("db")];
    check(
        term(secs(5), actors),
        &[
            "0s start db",
            "0s start web",
            "5s TERM web",
            "8s KILL web",
            "8s TERM db",
            "10s KILL db",
            "10s over 0",
        ],
    );
}

#[test]
fn independent_services_stop_side_by_side() {
    let deaf = |name| service(name).plays(deaf()).grace(secs(5));
    check(
        term(secs(5), [deaf("a"), deaf("b")]),
        &[
            "0s start a",
            "0s start b",
            "5s TERM a",
            "5s TERM b",
            "10s KILL a",
            "10s KILL b",
            "10s over 0",
        ],
    );
}

#[test]
fn a_oneshot_that_is_done_still_keeps_the_order() {
    let migrate = oneshot("migrate").needs("db").plays(ends(secs(1), 0));
    let web = service("web").needs("migrate").plays(slow(secs(1)));
    check(
        term(secs(5), [service("db"), migrate, web]),
        &[
            "0s start db",
            "0s start migrate",
            "1s start web",
            "5s TERM web",
            "6s TERM db",
            "6s over 0",
        ],
    );
}

#[test]
fn a_tiny_budget_is_kept() {
    let web = service("web").plays(deaf());
    check(
        term(secs(5), [web]).budget(millis(100)),
        &[
            "0s start web",
            "5s TERM web",
            "5.075s KILL web",
            "5.075s KILL everybody",
            "5.075s over 0",
        ],
    );
}

#[test]
fn no_time_at_all_still_reaps_what_is_killed() {
    // So that the exit code of the main command is the true one.
    let main = main_command().plays(deaf());
    check(
        term(secs(5), [main]).budget(Duration::ZERO),
        &["0s start main", "5s TERM main", "5s KILL main", "5s KILL everybody", "5s over 137"],
    );
}

#[test]
fn what_cannot_be_killed_does_not_keep_us() {
    let web = service("web").plays(deaf().undying());
    let play = term(secs(5), [web, service("db")]).play();
    assert_eq!(play.trace.last().unwrap(), "14s over 0");
    let play = term(secs(5), [service("web").plays(hangs())]).play();
    assert_eq!(play.trace.last().unwrap(), "14s over 0");
}

#[test]
fn the_end_of_the_budget_names_who_is_still_there() {
    let web = service("web").plays(deaf().undying()).needs("db");
    check_said(term(secs(5), [web, service("db")]), "the time to stop is over, killing db, web");
}

#[test]
fn nobody_is_named_when_the_last_ends_with_the_budget() {
    // The wake-up at 13.5 s brings its end as well.
    let web = service("web").plays(slow(millis(8500)));
    let play = term(secs(5), [web]).play();
    assert!(!play.said.iter().any(|said| said.starts_with("the time")), "{:#?}", play.said);
}

// ---- a stop at every moment ----

#[test]
fn a_stop_while_others_wait_for_their_turn() {
    let db = service("db").plays(runs().executed_after(secs(3)));
    check(
        term(secs(1), [db, service("web").needs("db")]),
        &["0s start db", "1s TERM db", "1s over 0"],
    );
}

#[test]
fn a_stop_during_before_start() {
    let web = service("web").before_start(runs()).before_start(runs());
    check(
        term(secs(1), [web]),
        &["0s run web's before_start", "1s TERM web's before_start", "1s over 0"],
    );
    let web = service("web").before_start(deaf()).grace(secs(2));
    check(
        term(secs(1), [web]),
        &[
            "0s run web's before_start",
            "1s TERM web's before_start",
            "3s KILL web's before_start",
            "3s over 0",
        ],
    );
}

#[test]
fn nothing_starts_in_a_shutdown_while_its_turn_has_not_come() {
    // db restarts, and web, which needs it, takes its time to stop.
    let db = service("db").plays(ends(secs(10), 1)).plays(runs()).before_start(ends(secs(1), 0));
    let web = service("web").needs("db").plays(slow(secs(3)));
    check(
        term(millis(11_500), [db, web]),
        &[
            "0s run db's before_start",
            "1s start db",
            "1s start web",
            "11s run db's before_start",
            "11.5s TERM web",
            "14.5s over 0",
        ],
    );
}

#[test]
fn what_was_about_to_start_when_the_stop_came_is_not_started() {
    let web = service("a").before_start(ends(secs(1), 0));
    let bad = service("b").plays(ends(secs(1), 3)).restart(Restart::Never);
    check(scene([web, bad]), &["0s run a's before_start", "0s start b", "1s over 3"]);
}

#[test]
fn a_signal_is_not_sent_to_what_has_just_gone() {
    let web = service("web").before_start(ends(secs(1), 0));
    check(term(secs(1), [web]), &["0s run web's before_start", "1s over 0"]);
}

#[test]
fn a_stop_while_the_exec_takes_its_time() {
    let web = service("web").plays(deaf().executed_after(secs(3)));
    check(term(secs(1), [web]), &["0s start web", "1s TERM web", "1s over 0"]);
}

#[test]
fn a_stop_during_the_back_off() {
    let web = service("web").plays(ends(secs(1), 1));
    check(term(millis(1050), [web]), &["0s start web", "1.05s over 0"]);
}

#[test]
fn a_stop_while_leftovers_are_cleared_away() {
    let web = || service("web").plays(ends(secs(1), 1).leaving(deaf_relative()));
    check(term(secs(2), [web()]), &["0s start web", "3s KILL web", "3s over 0"]);
    check(
        term(secs(2), [web()]).budget(millis(1000)),
        &["0s start web", "2.75s KILL web", "2.75s KILL everybody", "2.75s over 0"],
    );
}

#[test]
fn a_stop_during_after_exit() {
    let web = service("web").plays(ends(secs(1), 1)).after_exit(deaf());
    check(
        term(secs(2), [web.clone()]),
        &["0s start web", "1s run web's after_exit", "6s KILL web's after_exit", "6s over 0"],
    );
    check(
        term(secs(2), [web]).budget(secs(2)),
        &[
            "0s start web",
            "1s run web's after_exit",
            "3.5s KILL web's after_exit",
            "3.5s KILL everybody",
            "3.5s over 0",
        ],
    );
}

#[test]
fn a_failure_during_a_stop_changes_nothing() {
    let web = service("web").needs("db").plays(slow(secs(3)));
    let db = service("db").plays(ends(secs(6), 5)).limit(1);
    check(term(secs(5), [db, web]), &["0s start db", "0s start web", "5s TERM web", "8s over 0"]);
}

#[test]
fn a_repeated_stop_signal_changes_nothing() {
    let db = service("db").plays(deaf()).grace(secs(3));
    let scene = term(secs(5), [db]).signal(secs(6), Signal::TERM).signal(secs(7), Signal::QUIT);
    check(scene, &["0s start db", "5s TERM db", "8s KILL db", "8s over 0"]);
}

#[test]
fn the_second_interrupt_from_the_terminal_means_now() {
    let db = || service("db").plays(deaf());
    let scene_typed = scene([db()]).typed(secs(5), Signal::INT).typed(secs(6), Signal::INT);
    check(
        scene_typed,
        &["0s start db", "5s TERM db", "6s KILL db", "6s KILL everybody", "6s over 0"],
    );
    let sent = scene([db()]).signal(secs(5), Signal::INT).signal(secs(6), Signal::INT);
    check(
        sent,
        &["0s start db", "5s TERM db", "13.5s KILL db", "13.5s KILL everybody", "13.5s over 0"],
    );
}

#[test]
fn a_terminal_that_is_gone_asks_for_a_stop() {
    check(
        scene([service("web")]).typed(secs(1), Signal::HUP),
        &["0s start web", "1s TERM web", "1s over 0"],
    );
    check_said(
        scene([service("web")]).signal(secs(1), Signal::HUP).signal(secs(2), Signal::TERM),
        "reloaded; nothing has changed",
    );
}

#[test]
fn a_service_gets_the_signals_it_asks_for() {
    let web = service("web").forwarding(Signal::USR1);
    check(
        term(secs(2), [web, service("db")]).signal(secs(1), Signal::USR1),
        &["0s start db", "0s start web", "1s USR1 web", "2s TERM db", "2s TERM web", "2s over 0"],
    );
}

// ---- the main command ----

#[test]
fn the_code_of_the_main_command_is_ours() {
    let main = |script| scene([main_command().plays(script)]);
    check(main(ends(secs(1), 0)), &["0s start main", "1s over 0"]);
    check_code(main(ends(secs(1), 42)), 42);
    check_code(main(dies(secs(1), Exit::Signal(Signal::ABRT))), 134);
    check_code(main(dies(secs(1), Exit::OutOfMemory)), 137);
    check_code(main(fails(Errno::ENOENT)), 127);
    check_code(main(fails(Errno::EACCES)), 126);
}

#[test]
fn a_lone_main_command_gets_every_signal_and_no_deadline() {
    let main = main_command().plays(slow(secs(100)));
    let scene = term(secs(1), [main])
        .without_budget()
        .signal(secs(2), Signal::USR1)
        .signal(secs(3), Signal::TERM)
        .typed(secs(4), Signal::INT)
        .typed(secs(5), Signal::INT)
        .typed(secs(6), Signal::HUP);
    check(
        scene,
        &[
            "0s start main",
            "1s TERM main",
            "2s USR1 main",
            "3s TERM main",
            "4s INT main",
            "5s INT main",
            "6s HUP main",
            "101s over 0",
        ],
    );
}

#[test]
fn a_lone_main_command_with_a_budget_is_killed_at_its_end() {
    let main = main_command().plays(deaf());
    check(
        term(secs(1), [main]).budget(secs(3)).signal(secs(2), Signal::TERM),
        &[
            "0s start main",
            "1s TERM main",
            "2s TERM main",
            "3.5s KILL main",
            "3.5s KILL everybody",
            "3.5s over 137",
        ],
    );
}

#[test]
fn a_main_command_that_heeds_term_makes_143() {
    check_code(term(secs(1), [main_command()]).without_budget(), 143);
    check_code(term(secs(1), [main_command(), service("db")]), 143);
}

#[test]
fn a_signal_before_the_exec_of_the_main_command_is_not_lost() {
    let main = main_command().plays(runs().executed_after(secs(5)));
    check(
        term(secs(1), [main]).without_budget(),
        &["0s start main", "1s TERM main", "1s over 143"],
    );
}

#[test]
fn a_stop_while_the_main_command_waits_for_another_attempt() {
    let main = main_command().plays(busy());
    check(term(millis(50), [main]).without_budget(), &["0s start main", "50ms over 0"]);
}

#[test]
fn the_main_command_gets_the_very_signal_that_asks_for_a_stop() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT, Signal::PWR, Signal::WINCH] {
        let main = main_command().plays(runs().heeding(signal));
        let scene = scene([main, service("db")]).stop_signal(Signal::WINCH);
        let play = scene.signal(secs(1), signal).play();
        let name = signal.to_string().replace("SIG", "");
        assert_eq!(play.trace[2], format!("1s {name} main"));
        assert_eq!(i32::from(play.code), 128 + signal.number());
    }
}

#[test]
fn the_main_command_starts_when_the_services_are_up() {
    let db = service("db").plays(runs().executed_after(secs(1)));
    let bad = oneshot("bad").plays(ends(secs(2), 1)).on_failure(Consequence::Continue);
    check(
        scene([main_command().plays(ends(secs(3), 5)), db, bad]),
        &["0s start bad", "0s start db", "2s start main", "5s TERM db", "5s over 5"],
    );
}

#[test]
fn the_main_command_ends_first_and_gets_what_the_others_do_not_need() {
    let main = main_command().plays(deaf());
    check(
        term(secs(5), [main, service("db").plays(deaf()).grace(secs(2))]).budget(secs(29)),
        &[
            "0s start db",
            "0s start main",
            "5s TERM main",
            "31.5s KILL main",
            "31.5s TERM db",
            "33.5s KILL db",
            "33.5s KILL everybody",
            "33.5s over 137",
        ],
    );
}

#[test]
fn a_failure_for_good_ends_the_main_command_too() {
    let bad = service("bad").limit(1).plays(ends(secs(1), 3));
    check(
        scene([main_command(), bad]),
        &["0s start bad", "0s start main", "1s TERM main", "1s over 143"],
    );
}

#[test]
fn what_lives_on_after_the_main_command_has_two_seconds() {
    let left = || relative(secs(1));
    let main = main_command().plays(ends(secs(1), 4).leaving(left()));
    check(scene([main]).without_budget(), &["0s start main", "2s over 4"]);
    let main = main_command().plays(ends(secs(1), 4).leaving(deaf_relative()));
    check(scene([main]).without_budget(), &["0s start main", "3s KILL main", "3s over 4"]);
    // Also when it was asked to end, however large the budget is.
    let main = main_command().plays(runs().leaving(deaf_relative()));
    check(
        term(secs(1), [main]).budget(secs(29)),
        &["0s start main", "1s TERM main", "3s KILL main", "3s over 143"],
    );
}

// ---- strangers ----

#[test]
fn strangers_hear_term_at_the_end() {
    let scene = term(secs(5), [service("web")]).stranger(secs(1), relative(millis(500)));
    check(scene, &["0s start web", "5s TERM web", "5s TERM everybody", "5.5s over 0"]);
}

#[test]
fn deaf_strangers_are_killed_after_two_seconds() {
    let scene = term(secs(5), [service("web")]).stranger(secs(1), deaf_relative());
    check(
        scene,
        &["0s start web", "5s TERM web", "5s TERM everybody", "7s KILL everybody", "7s over 0"],
    );
}

#[test]
fn strangers_do_not_outlive_the_budget() {
    let scene = term(secs(5), [service("web")])
        .budget(secs(1))
        .stranger(secs(1), Relative { undying: true, ..deaf_relative() });
    check(
        scene,
        &["0s start web", "5s TERM web", "5s TERM everybody", "5.75s KILL everybody", "6s over 0"],
    );
}

// ---- many ----

#[test]
fn a_thousand_services_start_some_a_turn() {
    let names: Vec<String> = (0..1000).map(|at| format!("s{at:03}")).collect();
    let play = term(secs(5), names.iter().map(|name| service(name))).play();
    assert_eq!(play.code, 0);
    assert_eq!(play.trace.len(), 2001);
    assert_eq!(play.most_spawns_a_turn, SPAWNS_A_TURN_MAX);
    assert!(play.turns < 100, "{} turns", play.turns);
}

#[test]
fn a_thousand_stop_commands_start_some_a_turn() {
    let names: Vec<String> = (0..1000).map(|at| format!("s{at:03}")).collect();
    let actor =
        |name: &String| service(name).before_start(ends(secs(1), 0)).stop_command(stops(secs(1)));
    let play = term(secs(5), names.iter().map(actor)).play();
    assert_eq!((play.code, play.trace.last().unwrap().as_str()), (0, "6s over 0"));
    assert_eq!(play.most_spawns_a_turn, SPAWNS_A_TURN_MAX);
}

#[test]
fn at_rest_nothing_wakes_the_loop() {
    let names: Vec<String> = (0..10).map(|at| format!("s{at}")).collect();
    let play = term(secs(1_000_000), names.iter().map(|name| service(name))).play();
    assert!(play.turns < 6, "{} turns", play.turns);
}

#[test]
fn a_finish_script_can_say_that_it_has_failed_for_good() {
    let web = |code: u8, arguments: ExitArguments| {
        let mut web = service("web").plays(ends(secs(20), 1)).after_exit(ends(millis(1), code));
        web.spec.hooks.after_exit_arguments = arguments;
        web
    };
    let play = Scene::new().with(web(125, ExitArguments::S6)).play();
    assert_eq!(play.trace, ["0s start web", "20s run web's after_exit", "20.001s over 1"]);
    // Under runit this means nothing, nor does another code.
    for (code, arguments) in [(125, ExitArguments::Runit), (111, ExitArguments::S6)] {
        let scene = Scene::new().with(web(code, arguments)).signal(secs(21), Signal::TERM);
        let play = scene.play();
        assert_eq!(
            play.trace[..3],
            ["0s start web", "20s run web's after_exit", "20.001s start web"],
            "{:?}",
            play.said
        );
    }
    // It was to stop anyway.
    let asked = Scene::new().with(web(125, ExitArguments::S6)).signal(secs(1), Signal::TERM);
    assert_eq!(asked.play().code, 0);
}
