//! Stories of services that are looked after while they run: A becomes ready, dies, comes back, B …
//! Each of them is also told with a stop that arrives at every step.

use std::time::Duration;

use onit::service::notify::{Message, Watchdog};
use onit::service::{Backoff, Condition, Consequence, Errno, Remedy, Restart, Signal};
use onit::supervisor::{Above, Answer, Dependents, Milestone};

use crate::scene::{
    Actor, Outside, Play, Scene, main_command, oneshot, reload_service, restart, scene, send,
    service, start, stop, stop_with, wait_for,
};
use crate::script::{Word, deaf, deaf_relative, ends, fails, finds, millis, runs, secs, slow};

fn term(at: Duration, actors: impl IntoIterator<Item = Actor>) -> Scene {
    scene(actors).signal(at, Signal::TERM)
}

/// What was done, without the probes.
fn done(play: &Play) -> Vec<&str> {
    play.trace.iter().map(String::as_str).filter(|line| !line.contains("probe")).collect()
}

/// Plays the scene and compares what was done; then plays it with a stop at every step.
#[track_caller]
fn check(scene: Scene, expected: &[&str]) {
    let play = scene.clone().play();
    assert_eq!(done(&play), expected, "{:#?}", play.said);
    stopped_at_every_step(&scene, &play);
}

#[track_caller]
fn check_said(scene: Scene, expected: &[&str]) {
    let play = scene.clone().play();
    for wanted in expected {
        assert!(play.said.iter().any(|said| said == wanted), "{wanted:?}: {:#?}", play.said);
    }
    stopped_at_every_step(&scene, &play);
}

/// Whenever anything happens in a scene, and just after that, everything is stopped, or one of the
/// services by hand, or by hand and is started again. The oracle and the clerk look on.
fn stopped_at_every_step(scene: &Scene, play: &Play) {
    let mut moments = play.moments();
    moments.sort();
    moments.dedup();
    // A story of hundreds of steps repeats itself.
    let few = moments.len().div_ceil(60);
    let moments: Vec<Duration> = moments.into_iter().step_by(few).collect();
    let names: Vec<String> = scene.actors.iter().map(|actor| actor.spec.name.to_string()).collect();
    for moment in moments {
        for at in [moment, moment + Duration::from_nanos(1)] {
            let ended = scene.clone().signal(at, Signal::TERM).play();
            assert!(ended.code == 0 || ended.code == play.code, "TERM at {at:?}: {}", ended.code);
            for name in names.iter().filter(|name| *name != "main") {
                let stopped = stop_with(&[name], Dependents::Stop);
                let scene = scene.clone().signal(moment + secs(300), Signal::TERM);
                scene.clone().ask(at, stopped.clone()).play();
                scene.ask(at, stopped).ask(at + millis(5), start(&[name])).play();
            }
        }
    }
}

fn ready() -> Actor {
    service("db").notifies()
}

// ---- becoming ready ----

#[test]
fn a_dependent_waits_until_it_is_ready() {
    let db = || ready().plays(runs().ready(secs(2)));
    check(
        term(secs(5), [db(), service("web").needs("db")]),
        &["0s start db", "2s start web", "5s TERM web", "5s TERM db", "5s over 0"],
    );
    // To have started is less.
    check(
        term(secs(5), [db(), service("web").needs_to_be("db", Condition::Started)]),
        &["0s start db", "0s start web", "5s TERM web", "5s TERM db", "5s over 0"],
    );
    check(
        term(secs(5), [db(), service("web").after("db")]),
        &["0s start db", "2s start web", "5s TERM web", "5s TERM db", "5s over 0"],
    );
    check(
        term(secs(5), [db(), main_command()]),
        &["0s start db", "2s start main", "5s TERM main", "5s TERM db", "5s over 143"],
    );
}

#[test]
fn it_says_so_on_its_descriptor_or_in_a_line() {
    let db = service("db").announces().plays(runs().says(secs(1), Word::Announces));
    check(
        term(secs(3), [db, service("web").needs("db")]),
        &["0s start db", "1s start web", "3s TERM web", "3s TERM db", "3s over 0"],
    );
    // A message is not what it was to say.
    let db = service("db").announces().ready_within(secs(2)).plays(runs().ready(secs(1))).limit(1);
    check(scene([db]), &["0s start db", "2s TERM db", "2s over 143"]);
    let mute = service("db").announces().plays(runs().says(secs(1), Word::Mute)).limit(1);
    check(scene([mute]), &["0s start db", "1s TERM db", "1s over 143"]);
}

#[test]
fn a_probe_finds_out_that_it_is_ready() {
    let fails = || finds(millis(1), 1).finding("connection refused");
    let fail = |db: Actor| (0..6).fold(db, |db, _| db.probed(fails()));
    let db = fail(service("db").plays(runs())).probed(finds(millis(1), 0));
    let play = term(secs(3), [db.clone(), service("web").needs("db")]).play();
    assert_eq!(
        play.trace,
        [
            "0s start db",
            // At first soon, and then less and less often.
            "0s run db's readiness probe",
            "20ms run db's readiness probe",
            "60ms run db's readiness probe",
            "140ms run db's readiness probe",
            "300ms run db's readiness probe",
            "620ms run db's readiness probe",
            "1.12s run db's readiness probe",
            "1.121s start web",
            "3s TERM web",
            "3s TERM db",
            "3s over 0",
        ]
    );
    // First the word, then the look.
    let both = db.notifies().plays(runs());
    let both = Actor { main: vec![runs().ready(secs(2))], ..both };
    check(
        term(secs(5), [both, service("web").needs("db")]),
        &["0s start db", "3.121s start web", "5s TERM web", "5s TERM db", "5s over 0"],
    );
}

#[test]
fn a_start_that_takes_too_long_has_failed() {
    let db = ready().ready_within(secs(2)).plays(runs()).plays(runs().ready(secs(1)));
    check(
        term(secs(6), [db, service("web").needs("db")]),
        &[
            "0s start db",
            "2s TERM db",
            "2.1s start db",
            "3.1s start web",
            "6s TERM web",
            "6s TERM db",
            "6s over 0",
        ],
    );
    let fails = finds(millis(1), 1).finding("connection refused");
    let db = service("db").probed(fails).ready_within(secs(2)).limit(1);
    check_said(
        scene([db]),
        &["db: not ready within 2.0 s: connection refused (killed by SIGTERM); \
           too often in a row, giving up"],
    );
}

#[test]
fn what_was_never_ready_has_failed_however_long_it_took() {
    let backoff = Backoff { jitter: 0.0, limit: 2, reset_after: secs(1), ..Backoff::default() };
    let db = ready().ready_within(secs(60)).plays(ends(secs(30), 0)).backoff(backoff);
    check(
        scene([db]),
        // Exit code 0 is a success, but not an end to be proud of: it always restarts.
        &["0s start db", "30.1s start db", "60.1s over 1"],
    );
    // What was ready for long enough is back at once.
    let db = ready().plays(ends(secs(30), 1).ready(secs(1))).backoff(backoff);
    check(term(secs(31), [db]), &["0s start db", "30s start db", "31s TERM db", "31s over 0"]);
}

#[test]
fn it_can_ask_for_more_time() {
    let db = ready()
        .ready_within(secs(2))
        .plays(runs().extends(secs(1), secs(3)).extends(secs(3), secs(3)).ready(secs(5)));
    check(
        term(secs(6), [db, service("web").needs("db")]),
        &["0s start db", "5s start web", "6s TERM web", "6s TERM db", "6s over 0"],
    );
    // Also to stop; but when everything is stopped, it has its share of the budget and no more.
    let deaf = ready().plays(deaf().ready(secs(1)).extends(secs(4), secs(100))).grace(secs(2));
    let stopped = term(secs(20), [deaf.clone(), service("other")]).ask(secs(3), stop(&["db"]));
    check(
        stopped,
        &[
            "0s start db",
            "0s start other",
            "3s TERM db",
            "20s TERM other",
            "22s KILL db",
            "22s answer 1: db down (reached)",
            "22s over 0",
        ],
    );
}

// ---- dying and coming back ----

#[test]
fn dependents_wait_through_the_restart_of_what_they_need() {
    let db = ready().plays(ends(secs(1), 1).ready(secs(2))).plays(runs().ready(secs(1)));
    check(
        term(secs(5), [db, service("web").needs("db")]),
        &[
            "0s start db",
            "1.1s start db",
            "2.1s start web",
            "5s TERM web",
            "5s TERM db",
            "5s over 0",
        ],
    );
    // One that runs is not touched; when it restarts itself, it waits.
    let db = ready().plays(ends(secs(2), 1).ready(Duration::ZERO)).plays(runs().ready(secs(3)));
    let web = service("web").needs("db").plays(ends(secs(3), 1)).plays(runs());
    check(
        term(secs(8), [db, web]),
        &[
            "0s start db",
            "0s start web",
            "2.1s start db",
            "5.1s start web",
            "8s TERM web",
            "8s TERM db",
            "8s over 0",
        ],
    );
}

#[test]
fn dependents_of_one_that_failed_for_good_fail_and_come_back_with_it() {
    let db = ready()
        .ready_within(secs(1))
        .limit(1)
        .on_failure(Consequence::Continue)
        .plays(runs())
        .plays(runs().ready(secs(1)));
    let all = [db, service("web").needs("db"), service("other")];
    check(
        term(secs(9), all).ask(secs(5), start(&["db"])),
        &[
            "0s start db",
            "0s start other",
            "1s TERM db",
            "5s start db",
            "6s start web",
            "6s answer 1: db up (reached)",
            "9s TERM other",
            "9s TERM web",
            "9s TERM db",
            "9s over 0",
        ],
    );
}

#[test]
fn others_are_restarted_with_it() {
    let crash = || ends(secs(11), 1);
    let chain = || {
        [
            service("a").plays(crash()).plays(runs()),
            service("b").restart_with("a"),
            service("c").restart_with("b").plays(slow(secs(1))),
            service("d"),
        ]
    };
    check(
        term(secs(20), chain()),
        &[
            "0s start a",
            "0s start d",
            "0s start b",
            "0s start c",
            "11s start a",
            "11s TERM b",
            "11s start b",
            "11s TERM c",
            "12s start c",
            "20s TERM c",
            "20s TERM d",
            "21s TERM b",
            "21s TERM a",
            "21s over 0",
        ],
    );
    // What was stopped by hand stays down, and what is asked to restart takes others along.
    check(
        term(secs(20), chain().into_iter().map(|a| Actor { main: vec![runs()], ..a }))
            .ask(secs(1), stop(&["c"]))
            .ask(secs(2), restart(&["a"])),
        &[
            "0s start a",
            "0s start d",
            "0s start b",
            "0s start c",
            "1s TERM c",
            "1s answer 1: c down (reached)",
            "2s TERM a",
            "2s start a",
            "2s TERM b",
            "2s answer 2: a up (reached)",
            "2s start b",
            "20s TERM d",
            "20s TERM b",
            "20s TERM a",
            "20s over 0",
        ],
    );
}

#[test]
fn one_that_is_restarted_with_another_waits_until_that_is_ready() {
    let db = ready().plays(ends(secs(12), 1).ready(secs(1))).plays(runs().ready(secs(3)));
    check(
        term(secs(20), [db, service("web").restart_with("db")]),
        &[
            "0s start db",
            "1s start web",
            "12s start db",
            "12s TERM web",
            "15s start web",
            "20s TERM web",
            "20s TERM db",
            "20s over 0",
        ],
    );
}

// ---- health ----

/// Healthy `times` times, then not.
fn sick(remedy: Remedy, times: usize) -> Actor {
    let well = (0..times).map(|_| finds(millis(1), 0));
    let actor = well.fold(service("web"), |actor, script| actor.checked(remedy, script));
    actor.checked(remedy, finds(millis(1), 1).finding("it is sick"))
}

#[test]
fn what_is_unhealthy_is_restarted_once() {
    // Two failures in a row, a second apart; then it is a failed run like any other.
    let web = sick(Remedy::Restart, 2).checked(Remedy::Restart, finds(millis(1), 1));
    let web = web.checked(Remedy::Restart, finds(millis(1), 0));
    check(
        term(secs(9), [web]),
        &["0s start web", "4.001s TERM web", "4.101s start web", "9s TERM web", "9s over 0"],
    );
    let web = sick(Remedy::Restart, 0).limit(2).restart(Restart::OnFailure);
    check_said(
        scene([web]),
        &[
            "web: unhealthy: it is sick; restarting it",
            "web: unhealthy: it is sick (killed by SIGTERM); next attempt in 100 ms \
             (1 of 2 in a row)",
        ],
    );
    // It may end with 0 when it is told to: that is no success.
    let polite = Actor { main: vec![slow(millis(10))], ..sick(Remedy::Restart, 0).limit(1) };
    check(
        scene([polite.restart(Restart::OnFailure)]),
        &["0s start web", "2.001s TERM web", "2.011s over 1"],
    );
}

#[test]
fn an_hour_of_good_work_between_two_bad_ones_is_no_failure_for_good() {
    let web = sick(Remedy::Restart, 20).limit(1).checked(Remedy::Restart, finds(millis(1), 1));
    let web = (0..20).fold(web, |web, _| web.checked(Remedy::Restart, finds(millis(1), 0)));
    let web = web.checked(Remedy::Restart, finds(millis(1), 1));
    let play = term(millis(44_500), [web]).play();
    assert_eq!(play.code, 0, "{:#?}", play.said);
}

#[test]
fn to_be_unhealthy_can_end_everything_or_nothing() {
    check(
        scene([sick(Remedy::Shutdown, 0), service("other")]),
        &[
            "0s start other",
            "0s start web",
            "2.001s TERM other",
            "2.001s TERM web",
            "2.001s over 1",
        ],
    );
    let again = sick(Remedy::Continue, 0)
        .checked(Remedy::Continue, finds(millis(1), 1))
        .checked(Remedy::Continue, finds(millis(1), 1))
        .checked(Remedy::Continue, finds(millis(1), 0));
    let dependent = service("page").needs("web").plays(ends(millis(2500), 1)).plays(runs());
    let play = term(secs(8), [again.clone(), dependent]).play();
    // Once a crossing; and nobody starts who needs it while it is unhealthy.
    let said = |text: &str| play.said.iter().filter(|said| said.contains(text)).count();
    assert_eq!((said("unhealthy: exit code 1; going on"), said("healthy again")), (1, 1));
    assert_eq!(
        done(&play),
        [
            "0s start web",
            "0s start page",
            "4.001s start page",
            "8s TERM page",
            "8s TERM web",
            "8s over 0",
        ]
    );
    stopped_at_every_step(&term(secs(8), [again]), &play);
}

#[test]
fn failures_right_after_the_start_do_not_count_until_one_look_has_succeeded() {
    let web = sick(Remedy::Restart, 0).start_period(secs(5));
    let web = web.limit(1);
    check(scene([web]), &["0s start web", "6.001s TERM web", "6.001s over 143"]);
    let web = sick(Remedy::Restart, 1).start_period(secs(50)).limit(1);
    check(scene([web]), &["0s start web", "3.001s TERM web", "3.001s over 143"]);
}

#[test]
fn a_probe_that_runs_over_is_killed_and_the_next_waits_for_its_end() {
    let hangs = deaf().leaving(deaf_relative());
    let web = service("web").checked(Remedy::Restart, hangs).limit(1);
    let play = scene([web.clone()]).play();
    assert_eq!(
        play.trace,
        [
            "0s start web",
            "1s run web's health probe",
            "1.3s KILL web's health probe",
            "2s run web's health probe",
            "2.3s KILL web's health probe",
            "2.3s TERM web",
            "2.3s over 143",
        ]
    );
    let said = "web: unhealthy: no answer in time; restarting it";
    assert!(play.said.iter().any(|it| it == said), "{:#?}", play.said);
    stopped_at_every_step(&scene([web]), &play);
}

#[test]
fn what_is_found_of_an_older_run_is_of_no_interest() {
    // It dies while it is being looked at, and the look fails.
    let web = service("web")
        .plays(ends(millis(1100), 1))
        .plays(runs())
        .checked(Remedy::Restart, finds(millis(250), 1))
        .checked(Remedy::Restart, finds(millis(1), 1))
        .checked(Remedy::Restart, finds(millis(1), 0));
    let play = term(secs(6), [web]).play();
    assert_eq!(
        play.trace,
        [
            "0s start web",
            "1s run web's health probe",
            "1.1s KILL web's health probe",
            "1.2s start web",
            "2.2s run web's health probe",
            "3.2s run web's health probe",
            "4.2s run web's health probe",
            "5.2s run web's health probe",
            "6s TERM web",
            "6s over 0",
        ]
    );
}

#[test]
fn a_look_that_could_not_be_made_says_nothing() {
    // There is no memory for a process; and then there is no such command.
    let busy = (0..10)
        .fold(service("web").limit(1), |web, _| web.checked(Remedy::Restart, fails(Errno::EAGAIN)));
    let web = busy.checked(Remedy::Restart, fails(Errno::ENOENT));
    check(
        scene([web]),
        &["0s start web", "12s TERM web", "12s start web", "14s TERM web", "14s over 143"],
    );
}

#[test]
fn a_watchdog_bites_when_it_is_not_fed() {
    let web = service("web").watched(Remedy::Restart).limit(1);
    check(
        scene([web.clone().plays(runs().pings(millis(500), 6))]),
        &["0s start web", "4s TERM web", "4s over 143"],
    );
    let trigger = Message { watchdog: Some(Watchdog::Trigger), ..Message::default() };
    check(
        scene([web.clone().plays(runs().message(millis(200), trigger))]),
        &["0s start web", "200ms TERM web", "200ms over 143"],
    );
    let slower = Message { watchdog_interval: Some(secs(10)), ..Message::default() };
    check(
        term(secs(11), [web.plays(runs().message(millis(500), slower))]),
        &["0s start web", "10.5s TERM web", "10.5s start web", "11s TERM web", "11s over 0"],
    );
    // It is told once, also when it goes on being silent.
    let silent = service("web").watched(Remedy::Continue).plays(runs().pings(secs(5), 1));
    let play = term(secs(20), [silent]).play();
    let said = |text: &str| play.said.iter().filter(|said| said.contains(text)).count();
    assert_eq!((said("no WATCHDOG=1 within 1.0 s; going on"), said("healthy again")), (2, 1));
}

// ---- saying that it is about to end ----

#[test]
fn one_that_says_that_it_stops_has_its_time_for_it() {
    let web = || service("web").notifies().grace(secs(3));
    let says = runs().ready(Duration::ZERO).stopping(secs(20));
    check(
        term(secs(30), [web().plays(says.clone()).plays(runs().ready(secs(1)))]),
        &["0s start web", "23s KILL web", "23s start web", "30s TERM web", "30s over 0"],
    );
    // It ends by itself, and its policy says what comes next.
    let ends_then = ends(secs(21), 0).ready(Duration::ZERO).stopping(secs(20));
    check(
        term(secs(30), [web().restart(Restart::OnFailure).plays(ends_then), service("other")]),
        &["0s start other", "0s start web", "30s TERM other", "30s over 0"],
    );
    // Whoever asks it to stop meanwhile is heard.
    check(term(secs(21), [web().plays(says)]), &["0s start web", "21s TERM web", "21s over 0"]);
}

// ---- reading the configuration again ----

fn reloaded(answers: &[(onit::supervisor::Ticket, Answer)]) -> Vec<bool> {
    let done = |answer: &Answer| match answer {
        Answer::Done(outcomes) => Some(outcomes.iter().all(|outcome| outcome.reached)),
        Answer::Status(_)
        | Answer::Health { .. }
        | Answer::Progress(_)
        | Answer::Difference(_)
        | Answer::ShuttingDown
        | Answer::Refused(_) => None,
    };
    answers.iter().filter_map(|(_, answer)| done(answer)).collect()
}

#[test]
fn a_reload_is_done_when_it_says_so() {
    let web = |script| service("web").notifies().reload(None, true).plays(script);
    let script = || runs().ready(Duration::ZERO);
    let check = |script, expected: &[bool]| {
        let scene = term(secs(20), [web(script)]).ask(secs(1), reload_service(&["web"]));
        let play = scene.clone().play();
        assert_eq!(reloaded(&play.answers), expected, "{:#?}", play.said);
        assert!(play.trace.contains(&"1s USR2 web".to_owned()), "{:#?}", play.trace);
        stopped_at_every_step(&scene, &play);
    };
    check(script().reloads(millis(10), secs(2)), &[true]);
    // It never answers; or only with READY=1; or with what began before it was told.
    check(script(), &[false]);
    check(script().message(secs(2), Message { ready: true, ..Message::default() }), &[false]);
    let mut stale = script().reloads(millis(10), secs(2));
    stale.reloads.as_mut().unwrap().is_stale = true;
    check(stale, &[false]);
    // More time, if it asks for it.
    check(script().extends(secs(4), secs(6)).reloads(millis(10), secs(8)), &[true]);
    // It dies meanwhile.
    check(ends(secs(2), 1).ready(Duration::ZERO).reloads(millis(10), secs(2)), &[false]);
}

#[test]
fn a_command_can_have_it_reload() {
    let web = |command, notify| {
        let script = runs().ready(Duration::ZERO).reloads(millis(10), millis(500));
        service("web").notifies().reload(Some(command), notify).plays(script)
    };
    let check = |actor, expected: &[bool]| {
        let scene = term(secs(20), [actor]).ask(secs(1), reload_service(&["web"]));
        let play = scene.clone().play();
        assert_eq!(reloaded(&play.answers), expected, "{:#?}", play.said);
        stopped_at_every_step(&scene, &play);
    };
    check(web(ends(secs(1), 0), false), &[true]);
    check(web(ends(secs(1), 3), false), &[false]);
    check(web(ends(secs(1), 0), true), &[true]);
    check(web(deaf(), false), &[false]);
}

#[test]
fn whoever_asks_again_meanwhile_gets_another_reading() {
    let script = runs().ready(Duration::ZERO).reloads(millis(10), secs(2));
    let web = service("web").notifies().reload(None, true).plays(script);
    let scene = term(secs(20), [web])
        .ask(secs(1), reload_service(&["web"]))
        .ask(secs(2), reload_service(&["web"]))
        .ask(millis(2500), reload_service(&["web"]));
    let play = scene.clone().play();
    let told = play.trace.iter().filter(|line| line.contains("USR2")).collect::<Vec<_>>();
    assert_eq!(told, ["1s USR2 web", "3s USR2 web"]);
    assert_eq!(reloaded(&play.answers), [true, true, true]);
    stopped_at_every_step(&scene, &play);
}

#[test]
fn only_what_can_is_told_to_reload() {
    let actors = || {
        [
            service("can").reload(None, false),
            service("cannot"),
            service("late").notifies().reload(None, false).plays(runs().ready(secs(9))),
        ]
    };
    let check = |names: &[&str], expected: &str| {
        let play = term(secs(2), actors()).ask(secs(1), reload_service(names)).play();
        assert!(play.trace.iter().any(|line| line.contains(expected)), "{:#?}", play.trace);
    };
    check(&["can"], "answer 1: can up (reached)");
    check(&["cannot"], "answer 1: refused: cannot has no [reload]");
    check(&["late"], "answer 1: refused: late is not up");
    check(&["*"], "answer 1: can up (reached)");
}

// ---- telling above ----

#[test]
fn whoever_started_onit_is_told_when_all_is_ready_and_how_it_goes() {
    let db = ready().plays(ends(secs(20), 1).ready(secs(2))).plays(runs().ready(secs(1)));
    let all = [db, oneshot("migrate").needs("db").plays(ends(secs(1), 0)), service("web")];
    let scene = term(secs(30), all).telling_above();
    let play = scene.clone().play();
    let expected = [
        Above::Status("0 of 3 up, db starting, migrate waiting, web starting".to_owned()),
        Above::Status("1 of 3 up, db starting, migrate waiting".to_owned()),
        Above::Status("2 of 3 up, migrate starting".to_owned()),
        Above::Status("2 of 3 up, migrate up".to_owned()),
        Above::Ready,
        Above::Status("3 of 3 up".to_owned()),
        Above::Status("2 of 3 up, db starting".to_owned()),
        Above::Status("3 of 3 up".to_owned()),
        Above::Stopping,
        Above::Over(0),
    ];
    assert_eq!(play.above, expected);
    stopped_at_every_step(&scene, &play);
}

// ---- waiting for it ----

#[test]
fn whoever_waits_waits_for_what_is_ready() {
    let db = ready().plays(runs().ready(secs(3)));
    let scene = term(secs(9), [db]).ask(secs(1), wait_for(&["db"], Milestone::Ready));
    let play = scene.clone().play();
    assert!(play.trace.contains(&"3s answer 1: db up (reached, unchanged)".to_owned()));
    stopped_at_every_step(&scene, &play);
    // A start that fails says so.
    let db = ready().ready_within(secs(1)).plays(runs()).limit(0);
    let play =
        term(secs(9), [db]).ask(millis(10), stop(&["db"])).ask(millis(20), start(&["db"])).play();
    let answer = "1.02s answer 2: db backoff (not reached)";
    assert!(play.trace.contains(&answer.to_owned()), "{:#?}", play.trace);
}

#[test]
fn a_signal_to_one_that_is_not_ready_reaches_it() {
    let scene = term(secs(2), [ready()]).ask(secs(1), send(&["db"], Signal::USR1));
    let scene = Scene { outside: scene.outside.clone(), ..scene };
    assert!(scene.outside.iter().any(|(_, what)| matches!(what, Outside::Ask(_))));
    let play = scene.play();
    assert!(play.trace.contains(&"1s USR1 db".to_owned()), "{:#?}", play.trace);
}
