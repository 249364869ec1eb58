//! Stories of services that are not started by themselves (`autostart = false`): who starts them,
//! who waits for them, and that onit stays for them.

use onit::service::{Name, Restart, Signal};
use onit::supervisor::{Above, Answer, Ask, HealthLevel};

use crate::scene::{
    Actor, Scene, check_until, dry_run, main_command, oneshot, scene, service, start, status, stop,
};
use crate::script::{Word, ends, millis, runs, secs, slow};

fn on_request(mut actor: Actor) -> Actor {
    actor.spec.autostart = false;
    actor
}

#[test]
fn nobody_starts_it_and_onit_stays_for_it() {
    let web = || on_request(service("web").plays(runs()));
    check_until(scene([web()]), secs(5), &["5s over 0"]);
    // Although everybody else is done.
    let setup = oneshot("setup").plays(ends(millis(10), 0));
    check_until(scene([setup, web()]), secs(5), &["0s start setup", "5s over 0"]);
}

#[test]
fn whoever_asks_starts_it() {
    let web = on_request(service("web").plays(runs()));
    let asked = scene([web]).ask(secs(1), start(&["web"])).ask(secs(2), stop(&["web"]));
    check_until(
        asked.ask(secs(3), start(&["web"])),
        secs(5),
        &["1s start web", "2s TERM web", "3s start web", "5s TERM web", "5s over 0"],
    );
}

#[test]
fn once_started_it_is_kept_running() {
    let web = on_request(service("web").plays(ends(secs(20), 1)).plays(runs()));
    check_until(
        scene([web]).ask(secs(1), start(&["web"])),
        secs(30),
        &["1s start web", "21s start web", "30s TERM web", "30s over 0"],
    );
}

#[test]
fn one_that_is_started_has_it_started() {
    let db = || on_request(service("db").plays(runs()));
    let web = || service("web").needs("db").plays(runs());
    let both = &["0s start db", "0s start web", "5s TERM web", "5s TERM db", "5s over 0"];
    check_until(scene([db(), web()]), secs(5), both);
    // Also over others, and for the main command.
    let cache = on_request(service("cache").needs("db").plays(runs()));
    check_until(
        scene([db(), cache, service("web").needs("cache").plays(runs())]),
        secs(5),
        &[
            "0s start db",
            "0s start cache",
            "0s start web",
            "5s TERM web",
            "5s TERM cache",
            "5s TERM db",
            "5s over 0",
        ],
    );
    // One that is not started either does not.
    check_until(
        scene([db(), on_request(web())]).ask(secs(1), start(&["web"])),
        secs(5),
        &["1s start db", "1s start web", "5s TERM web", "5s TERM db", "5s over 0"],
    );
}

#[test]
fn who_is_only_to_come_after_it_does_not_wait() {
    let db = on_request(service("db").plays(runs()));
    check_until(
        scene([db, service("web").after("db").plays(runs()), main_command().plays(runs())]),
        secs(5),
        &["0s start web", "0s start main", "5s TERM main", "5s TERM web", "5s over 143"],
    );
}

#[test]
fn it_is_neither_unwell_nor_missing() {
    let web = on_request(service("web").plays(runs()));
    let mut scene = scene([service("db").plays(runs()), web])
        .ask(secs(1), Ask::Health { level: HealthLevel::Ready })
        .ask(secs(1), status(&["web"]))
        .signal(secs(5), Signal::TERM);
    scene.tells_above = true;
    let play = scene.play();
    assert!(play.above.contains(&Above::Ready), "{:?}", play.above);
    assert!(play.above.contains(&Above::Status("1 of 1 up".to_owned())), "{:?}", play.above);
    let [(_, Answer::Health { well: true, reason }), (_, Answer::Status(reports))] =
        play.answers.as_slice()
    else {
        panic!("{:?}", play.answers)
    };
    assert_eq!(reason, "1 service, all up");
    assert_eq!(reports[0].why(onit::service::Time::ZERO), "is not started by itself");
    assert!(reports[0].is_up());
}

#[test]
fn a_reload_starts_it_only_where_it_is_needed_or_meant() {
    let web = || service("web").plays(runs());
    let db = || service("db").plays(runs());
    let end = &["0s start web", "5s TERM web", "5s over 0"];
    // New, and nobody needs it.
    check_until(scene([web()]).reload(secs(1), [web(), on_request(db())]), secs(5), end);
    // It runs, and is not meant to be started by itself any more: it goes on.
    check_until(scene([web()]).reload(secs(1), [on_request(web())]), secs(5), end);
    // It is meant to be, now.
    check_until(
        scene([on_request(web())]).reload(secs(1), [web()]),
        secs(5),
        &["1s start web", "5s TERM web", "5s over 0"],
    );
    // Somebody needs it, now.
    check_until(
        scene([web(), on_request(db())]).reload(secs(1), [web().needs("db"), on_request(db())]),
        secs(5),
        &[
            "0s start web",
            "1s TERM web",
            "1s start db",
            "1s start web",
            "5s TERM web",
            "5s TERM db",
            "5s over 0",
        ],
    );
    // What was stopped by hand stays so, whatever the sources say.
    check_until(
        scene([web()]).ask(secs(1), stop(&["web"])).reload(secs(2), [on_request(web())]),
        secs(5),
        &["0s start web", "1s TERM web", "5s over 0"],
    );
}

#[test]
fn a_reload_tells_whom_it_starts_and_whom_it_does_not() {
    let check = |scene: Scene, started: &[&str], restarted: &[&str]| {
        let play = scene.signal(secs(5), Signal::TERM).play();
        let difference = play.answers.iter().find_map(|(_, answer)| {
            if let Answer::Difference(difference) = answer { Some(difference) } else { None }
        });
        let words = |names: &[Name]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let found = difference.map(|found| (words(&found.started), words(&found.restarted)));
        assert_eq!(found, Some((words_of(started), words_of(restarted))));
    };
    let web = || service("web").plays(runs());
    let db = || service("db").plays(runs());
    let changed = |actor: Actor| actor.grace(secs(1));
    // New.
    check(scene([web()]).reload(secs(1), [web(), db()]), &["db"], &[]);
    check(scene([web()]).reload(secs(1), [web(), on_request(db())]), &[], &[]);
    check(scene([web()]).reload(secs(1), [web(), on_request(db()).needs("web")]), &[], &[]);
    // Changed: it runs, nobody has asked for it yet, and now it needs nobody to.
    check(scene([web()]).reload(secs(1), [changed(web())]), &[], &["web"]);
    check(scene([on_request(web())]).reload(secs(1), [changed(on_request(web()))]), &[], &[]);
    check(scene([on_request(web())]).reload(secs(1), [web()]), &["web"], &[]);
    // As before, and needed now; the other way round it goes on.
    let needs = || web().needs("db");
    check(
        scene([web(), on_request(db())]).reload(secs(1), [needs(), on_request(db())]),
        &["db"],
        &["web"],
    );
    check(
        scene([needs(), on_request(db())]).reload(secs(1), [web(), on_request(db())]),
        &[],
        &["web"],
    );
    // Stopped by hand, and asked for by hand.
    check(scene([web()]).ask(secs(1), stop(&["web"])).reload(secs(2), [changed(web())]), &[], &[]);
    let asked = scene([on_request(web())]).ask(secs(1), start(&["web"]));
    check(asked.reload(secs(2), [changed(on_request(web()))]), &[], &["web"]);
    // It is only looked at.
    check(
        scene([web()]).sources(secs(1), [changed(web()), on_request(db())]).ask(secs(2), dry_run()),
        &[],
        &["web"],
    );
}

fn words_of(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn a_oneshot_waits_to_be_asked() {
    let migrate = on_request(oneshot("migrate").plays(ends(secs(1), 0)).restart(Restart::Never));
    check_until(
        scene([migrate]).ask(secs(1), start(&["migrate"])),
        secs(5),
        &["1s start migrate", "5s over 0"],
    );
}

#[test]
fn a_oneshot_is_run_for_those_who_need_it() {
    let migrate = || on_request(oneshot("migrate").plays(ends(secs(1), 0)));
    let web = service("web").needs("migrate").plays(runs());
    check_until(
        scene([migrate(), web]),
        secs(5),
        &["0s start migrate", "1s start web", "5s TERM web", "5s over 0"],
    );
}

#[test]
fn a_reload_tells_that_it_starts_it_and_waits_for_that() {
    let web = || service("web").announces().plays(runs().says(secs(2), Word::Announces));
    let read = scene([on_request(web())]).reload(secs(1), [web()]);
    let trace = read.signal(secs(5), Signal::TERM).play().trace;
    assert_eq!(
        trace,
        [
            "1s answer 1: changed: web; unchanged: 0",
            "1s start web",
            "3s answer 1: web up (reached)",
            "5s TERM web",
            "5s over 0",
        ]
    );
}

#[test]
fn what_was_stopped_by_hand_before_it_ever_ran_stays_so() {
    let db = || service("db").announces().plays(runs().says(secs(4), Word::Announces));
    let web = || service("web").needs("db").plays(runs());
    // Nothing of it has been executed, and yet somebody wanted it.
    check_until(
        scene([db(), on_request(web())])
            .ask(secs(1), start(&["web"]))
            .ask(secs(2), stop(&["web"]))
            .reload(secs(3), [db(), web()]),
        secs(5),
        &["0s start db", "5s TERM db", "5s over 0"],
    );
    check_until(
        scene([db(), web()])
            .ask(secs(1), stop(&["web"]))
            .reload(secs(2), [db(), on_request(web())])
            .reload(secs(3), [db(), web()]),
        secs(5),
        &["0s start db", "5s TERM db", "5s over 0"],
    );
}

#[test]
fn one_that_has_left_and_is_back_is_started_for_those_who_need_it() {
    let db = || on_request(service("db").plays(runs()));
    let web = service("web").after("db").plays(slow(secs(3)));
    let api = || service("api").needs("db").plays(runs());
    check_until(
        scene([db(), web, service("other").plays(runs())])
            .reload(secs(1), [service("other").plays(runs())])
            .reload(secs(2), [db(), api(), service("other").plays(runs())]),
        secs(9),
        &[
            "0s start other",
            "0s start web",
            "1s TERM web",
            "2s start db",
            "2s start api",
            "4s forget web",
            "9s TERM api",
            "9s TERM other",
            "9s TERM db",
            "9s over 0",
        ],
    );
}
