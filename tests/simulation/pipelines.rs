//! Stories of services that read what others write (`log.stdout = "service:NAME"`): who is started
//! first, and how the reader is stopped with nothing lost.

use crate::scene::{Actor, check_until, restart, scene, service, start, stop};
use crate::script::{deaf, dies, ends, millis, reads, runs, secs, slow};

fn logger() -> Actor {
    service("logger").consumer().plays(reads(millis(30)))
}

fn web() -> Actor {
    service("web").writes_to("logger").plays(slow(millis(100)))
}

#[test]
fn the_reader_is_there_first_and_goes_last_by_the_end_of_its_input() {
    check_until(
        scene([logger(), web()]),
        secs(5),
        &[
            "0s start logger",
            "0s start web",
            "5s TERM web",
            "5.1s end the input of logger",
            "5.13s over 0",
        ],
    );
}

#[test]
fn all_writers_are_waited_for() {
    let quick = service("api").writes_to("logger").plays(slow(millis(10)));
    check_until(
        scene([logger(), quick, web()]),
        secs(5),
        &[
            "0s start logger",
            "0s start api",
            "0s start web",
            "5s TERM api",
            "5s TERM web",
            "5.1s end the input of logger",
            "5.13s over 0",
        ],
    );
}

#[test]
fn one_that_does_not_care_for_the_end_hears_the_signals_in_half_of_the_time() {
    let mut logger = service("logger").consumer();
    logger.spec.stop.timeout = secs(4);
    check_until(
        scene([logger.clone().plays(runs()), web()]),
        secs(5),
        &[
            "0s start logger",
            "0s start web",
            "5s TERM web",
            "5.1s end the input of logger",
            "7.1s TERM logger",
            "7.1s over 0",
        ],
    );
    check_until(
        scene([logger.plays(deaf()), web()]),
        secs(5),
        &[
            "0s start logger",
            "0s start web",
            "5s TERM web",
            "5.1s end the input of logger",
            "7.1s TERM logger",
            "9.1s KILL logger",
            "9.1s over 0",
        ],
    );
}

#[test]
fn while_somebody_writes_there_is_no_end_and_it_hears_the_signal() {
    check_until(
        scene([logger(), web()]).ask(secs(1), restart(&["logger"])),
        secs(5),
        &[
            "0s start logger",
            "0s start web",
            "1s TERM logger",
            "1s start logger",
            "5s TERM web",
            "5.1s end the input of logger",
            "5.13s over 0",
        ],
    );
    check_until(
        scene([logger(), web()])
            .ask(secs(1), stop(&["web"]))
            .ask(secs(2), stop(&["logger"]))
            .ask(secs(3), start(&["logger", "web"])),
        secs(5),
        &[
            "0s start logger",
            "0s start web",
            "1s TERM web",
            "2s end the input of logger",
            "3s start logger",
            "3s start web",
            "5s TERM web",
            "5.1s end the input of logger",
            "5.13s over 0",
        ],
    );
}

#[test]
fn neither_end_takes_the_other_with_it() {
    let logger = service("logger").consumer().plays(ends(secs(20), 1)).plays(reads(millis(0)));
    let web = service("web").writes_to("logger").plays(ends(secs(40), 1)).plays(runs());
    check_until(
        scene([logger, web]),
        secs(60),
        &[
            "0s start logger",
            "0s start web",
            "20s start logger",
            "40s start web",
            "60s TERM web",
            "60s end the input of logger",
            "60s over 0",
        ],
    );
}

#[test]
fn what_a_writer_leaves_behind_writes_as_well() {
    let left = crate::script::Relative {
        heeds: crate::script::Heeds::All(millis(200)),
        in_group: false,
        reborn: 0,
        undying: false,
        lives: None,
    };
    let mut script = runs();
    script.relatives.push(left);
    let web = service("web").writes_to("logger").plays(script);
    check_until(
        scene([logger(), web]),
        secs(5),
        &[
            "0s start logger",
            "0s start web",
            "5s TERM web",
            "5.2s end the input of logger",
            "5.23s over 0",
        ],
    );
}

#[test]
fn a_second_request_leaves_less_time_for_both_steps() {
    let mut logger = service("logger").consumer().plays(deaf());
    logger.spec.stop.timeout = secs(60);
    let ended = dies(secs(1), onit::service::Exit::Code(0));
    let mut web = service("web").writes_to("logger").plays(ended);
    web.spec.restart = onit::service::Restart::Never;
    let asked = scene([logger, web]).ask(secs(2), stop(&["logger"]));
    let mut scene = asked;
    scene.stop_timeout = Some(millis(8500));
    check_until(
        scene,
        secs(3),
        &[
            "0s start logger",
            "0s start web",
            "2s end the input of logger",
            "7s TERM logger",
            "11s KILL logger",
            "11s KILL everybody",
            "11s over 0",
        ],
    );
}

#[test]
fn who_is_to_read_no_longer_reads_until_the_writer_has_changed() {
    let reader = |name: &str| service(name).plays(reads(millis(30)));
    let (before, after) = (reader("before"), reader("after"));
    check_until(
        scene([
            before.clone().consumer(),
            after.clone(),
            service("web").writes_to("before").plays(slow(millis(100))),
        ])
        .reload(
            secs(2),
            [
                before.clone(),
                after.clone().consumer(),
                service("web").writes_to("after").plays(slow(millis(100))),
            ],
        ),
        secs(5),
        &[
            "0s start after",
            "0s start before",
            "0s start web",
            "2s TERM after",
            "2s TERM web",
            "2s start after",
            "2.1s end the input of before",
            "2.1s start web",
            "2.13s start before",
            "5s TERM before",
            "5s TERM web",
            "5.1s end the input of after",
            "5.13s over 0",
        ],
    );
    // Nobody is to write to it any more.
    check_until(
        scene([
            before.clone().consumer(),
            service("web").writes_to("before").plays(slow(millis(100))),
        ])
        .reload(secs(2), [before]),
        secs(5),
        &[
            "0s start before",
            "0s start web",
            "2s TERM web",
            "2.1s end the input of before",
            "2.1s forget web",
            "2.13s start before",
            "5s TERM before",
            "5s over 0",
        ],
    );
}

#[test]
fn one_with_a_stop_command_sees_the_end_as_well() {
    let logger = service("logger").consumer().plays(reads(millis(30))).stop_command(runs());
    check_until(
        scene([logger, web()]),
        secs(5),
        &[
            "0s start logger",
            "0s start web",
            "5s TERM web",
            "5.1s end the input of logger",
            "5.1s run logger's stop.command",
            "5.13s TERM logger's stop.command",
            "5.13s over 0",
        ],
    );
}
