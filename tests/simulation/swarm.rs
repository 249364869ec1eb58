//! Random scenes, one a seed. What is expected of them is the oracle's affair.
//!
//! `SEED=n` replays one and prints its trace; `SEEDS=n` plays that many instead of [`SEEDS`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use onit::service::notify::{Message, Watchdog};
use onit::service::{
    Announcement, Argv, Backoff, Check, Condition, Consequence, Errno, Exit, Failure, Health, Kind,
    LogTarget, Pattern, Probe, Readiness, Reload, ReloadBy, Remedy, Restart, Scope, Signal,
    SuccessCode,
};
use onit::supervisor::{Ask, Dependents, HealthLevel, Milestone, Sender};

use crate::rng::Rng;
use crate::scene::{Actor, Chaos, Outside, Scene, main_command, oneshot, service};
use crate::script::{
    Exec, Heeds, Relative, Reloads, Script, Word, dies, millis, runs, secs, stops,
};

/// What the ordinary test run plays: some seconds on two cores.
const SEEDS: u64 = 20_000;

/// And of scenes in which somebody asks.
const ASKED_SEEDS: u64 = 10_000;

/// And of scenes in which services are looked after while they run.
const WATCHED_SEEDS: u64 = 20_000;

#[test]
fn a_swarm_of_seeds_upholds_every_invariant() {
    check(SEEDS, scene);
}

#[test]
fn a_swarm_of_requests_upholds_every_invariant() {
    check(ASKED_SEEDS, asked_scene);
}

#[test]
fn a_swarm_of_watched_services_upholds_every_invariant() {
    check(WATCHED_SEEDS, watched_scene);
}

/// Plays the scenes of this many seeds; the oracle and the clerk look on.
fn check(seeds: u64, scene: fn(u64) -> Scene) {
    if let Ok(seed) = std::env::var("SEED") {
        let play = scene(seed.parse().unwrap()).play();
        println!("{}", play.whole_trace().join("\n"));
        return;
    }
    let seeds = std::env::var("SEEDS").map_or(seeds, |seeds| seeds.parse().unwrap());
    let next = AtomicU64::new(0);
    let failed = AtomicU64::new(u64::MAX);
    let play_on = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds || failed.load(Ordering::Relaxed) != u64::MAX {
            return;
        }
        if catch_unwind(AssertUnwindSafe(|| scene(seed).play())).is_err() {
            failed.fetch_min(seed, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(play_on);
        scope.spawn(play_on);
    });
    let failed = failed.into_inner();
    assert_eq!(failed, u64::MAX, "SEED={failed} replays it");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..200 {
        for scene in [scene, asked_scene, watched_scene] {
            let (once, again) = (scene(seed).play(), scene(seed).play());
            assert_eq!((once.trace, once.said), (again.trace, again.said), "SEED={seed}");
        }
    }
}

/// The scene of this seed.
pub fn scene(seed: u64) -> Scene {
    let mut rng = Rng::new(seed ^ 0x6f6e_6974);
    let rng = &mut rng;
    let wild = rng.chance(70);
    let mut scene = Scene { seed, ..Scene::new() };
    if wild {
        scene.chaos = Chaos {
            late: rng.pick(&[0, 5, 40]),
            spurious: rng.pick(&[0, 5, 30]),
            leap: rng.pick(&[0, 0, 0, 5]),
            shuffle: rng.pick(&[0, 50, 100]),
            blocked: rng.pick(&[0, 50]),
        };
    }
    scene.stop_timeout = Some(rng.pick(&[
        secs(9),
        secs(9),
        secs(29),
        secs(1),
        millis(300),
        millis(1),
        Duration::ZERO,
    ]));
    let bare = rng.chance(8);
    let count = if bare { 0 } else { 1 + rng.below(12) };
    for at in 0..count {
        scene.actors.push(actor(rng, at));
    }
    if bare || rng.chance(25) {
        let mut main = main_command();
        main.main = scripts(rng);
        scene.actors.push(main);
    }
    if bare && rng.chance(70) {
        scene.stop_timeout = None;
        for script in scene.actors.iter_mut().flat_map(|main| &mut main.main) {
            // Nobody else has a deadline for one that hangs in the kernel.
            script.undying = false;
            script.relatives.iter_mut().for_each(|relative| relative.undying = false);
            if matches!(script.exec, Exec::Hangs) {
                script.exec = Exec::Takes(secs(1));
            }
        }
        // The engine's own deadline.
        scene = scene.hit(secs(60), "main", Signal::KILL);
    }
    if rng.chance(20) {
        scene = scene.stop_signal(rng.pick(&[Signal::WINCH, Signal::USR1]));
    }
    for _ in 0..rng.pick(&[0, 0, 1, 2]) {
        let at = rng.up_to(secs(40));
        scene = scene.stranger(at, some_relative(rng));
    }
    for _ in 0..rng.pick(&[0, 0, 1, 4]) {
        let at = rng.up_to(secs(30));
        let signal = rng.pick(&[Signal::USR1, Signal::WINCH, Signal::HUP, Signal::CONT]);
        scene = match signal == Signal::CONT {
            true => scene.signal(at, signal).sources_change(at),
            false => scene.signal(at, signal),
        };
    }
    let stop_at = match rng.below(4) {
        0 => rng.up_to(millis(50)),
        1 => rng.up_to(secs(1)),
        2 => rng.up_to(secs(10)),
        _ => rng.up_to(secs(120)),
    };
    let stop = rng.pick(&[Signal::TERM, Signal::TERM, Signal::INT, Signal::QUIT, Signal::PWR]);
    scene = if rng.chance(20) {
        let typed = rng.pick(&[Signal::INT, Signal::HUP]);
        scene.typed(stop_at, typed)
    } else {
        scene.signal(stop_at, stop)
    };
    for _ in 0..rng.pick(&[0, 0, 1, 3]) {
        let at = stop_at + rng.up_to(secs(8));
        let signal = rng.pick(&[Signal::INT, Signal::TERM]);
        let sender = rng.pick(&[Sender::Kernel, Sender::Process]);
        scene.outside.push((at, Outside::Signal(signal, sender)));
    }
    scene
}

/// The scene of this seed, with somebody who asks for this and that.
fn asked_scene(seed: u64) -> Scene {
    let mut scene = scene(seed);
    let mut rng = Rng::new(seed ^ 0x6173_6b73);
    let rng = &mut rng;
    scene.reading = rng.pick(&[Duration::ZERO, millis(20), secs(2)]);
    let bare = scene.actors.len() == 1 && scene.actors[0].spec.kind == Kind::Main;
    let mut moments = moments(&scene);
    if rng.chance(40) {
        let services = scene.actors.iter_mut().filter(|actor| actor.spec.kind != Kind::Main);
        for actor in services {
            actor.spec.autostart = !rng.chance(30);
        }
    }
    if scene.actors.len() > 1 && rng.chance(30) {
        let reader = rng.below(scene.actors.len() - 1);
        let (before, after) = scene.actors.split_at_mut(reader + 1);
        if let Some(reader) = before.last_mut() {
            reader.spec.is_consumer = true;
            for script in &mut reader.main {
                script.ends_with_input = rng.chance(70).then(|| rng.up_to(secs(2)));
            }
            let name = reader.spec.name.to_string();
            for writer in after.iter_mut().filter(|_| rng.chance(60)) {
                if writer.spec.kind != Kind::Main {
                    *writer = writer.clone().writes_to(&name);
                }
            }
        }
    }
    let mut sources = scene.actors.clone();
    let most = rng.pick(&[2, 8, 30]);
    let count = 1 + rng.below(most);
    for _ in 0..count {
        // Also just when something else happens.
        let at = match rng.below(4) {
            0 => rng.up_to(secs(40)),
            1 => rng.up_to(millis(200)),
            _ => rng.pick(&moments),
        };
        moments.push(at);
        let reload = rng.chance(25);
        if reload && !bare {
            sources = other_sources(rng, sources, &scene.actors);
            scene = scene.sources(at, sources.clone());
        }
        if reload && rng.chance(10) {
            scene = scene.broken_sources(at);
        }
        let ask = if reload { reload_ask(rng) } else { some_ask(rng, &sources) };
        scene = scene.ask(at, ask);
        if rng.chance(10) {
            scene = scene.hang_up(at + rng.up_to(secs(2)), 1 + rng.below(count) as u64);
        }
    }
    scene
}

/// The scene of this seed, with services that say when they are ready, are probed, read their
/// configuration again, and are restarted with others; in half of them somebody asks, too.
fn watched_scene(seed: u64) -> Scene {
    let mut rng = Rng::new(seed ^ 0x0077_6174_6368);
    let rng = &mut rng;
    let mut scene = if rng.chance(50) { asked_scene(seed) } else { scene(seed) };
    scene.tells_above = rng.chance(50);
    let mut looked_after: Vec<Actor> = Vec::new();
    for actor in &mut scene.actors {
        if actor.spec.kind == Kind::Service && rng.chance(70) {
            look_after(rng, actor);
        }
        if actor.spec.kind == Kind::Oneshot && rng.chance(20) {
            actor.spec.timeout = Some(rng.pick(&[millis(10), secs(1), secs(10)]));
        }
        let others: Vec<Actor> =
            looked_after.iter().filter(|other| other.spec.kind != Kind::Main).cloned().collect();
        if actor.spec.kind == Kind::Service && !others.is_empty() && rng.chance(20) {
            let with = others[rng.below(others.len())].spec.name.clone();
            actor.spec.restart_with.push(with);
        }
        looked_after.push(actor.clone());
    }
    // Whoever stays in the sources stays as they are now.
    for (_, outside) in &mut scene.outside {
        if let Outside::Sources(actors) = outside {
            for actor in actors.iter_mut() {
                let now = looked_after.iter().find(|it| it.spec.name == actor.spec.name);
                if let Some(now) = now.filter(|_| rng.chance(80)) {
                    actor.spec.ready = now.spec.ready.clone();
                    actor.spec.health = now.spec.health.clone();
                    actor.spec.reload = now.spec.reload.clone();
                    actor.ready_probes = now.ready_probes.clone();
                    actor.health_probes = now.health_probes.clone();
                    actor.reload_command = now.reload_command.clone();
                }
            }
        }
    }
    for _ in 0..rng.pick(&[0, 0, 1, 3]) {
        let at = rng.up_to(secs(20));
        let name = scene.actors[rng.below(scene.actors.len())].spec.name.clone();
        let names = vec![Pattern::new(if rng.chance(20) { "*" } else { name.as_str() })];
        scene = scene.ask(at, Ask::ReloadServices { names, wait: rng.chance(80) });
    }
    scene
}

fn look_after(rng: &mut Rng, actor: &mut Actor) {
    let short = |rng: &mut Rng| rng.pick(&[millis(50), millis(700), secs(3), secs(20)]);
    if rng.chance(70) {
        let announcements = [None, Some(Announcement::Notify), Some(Announcement::Fd(3))];
        let announcement = rng.pick(&announcements);
        let probed = announcement.is_none() || rng.chance(30);
        actor.spec.ready = Some(Box::new(Readiness {
            announcement,
            probe: probed.then(|| Probe::Tcp("it:80".to_owned())),
            interval: rng.pick(&[millis(50), millis(500), secs(2)]),
            timeout: short(rng),
        }));
    }
    if rng.chance(50) {
        let check = if rng.chance(30) {
            Check::Watchdog(rng.pick(&[millis(200), secs(2)]))
        } else {
            Check::Probe {
                probe: Probe::Tcp("it:80".to_owned()),
                interval: rng.pick(&[millis(200), secs(1), secs(5)]),
                timeout: rng.pick(&[millis(20), millis(500), secs(3)]),
                retries: rng.pick(&[1, 2, 3]),
                start_period: rng.pick(&[Duration::ZERO, Duration::ZERO, secs(3)]),
            }
        };
        let remedies = [Remedy::Restart, Remedy::Restart, Remedy::Shutdown, Remedy::Continue];
        actor.spec.health = Some(Box::new(Health { check, on_unhealthy: rng.pick(&remedies) }));
    }
    if rng.chance(40) {
        let by = match rng.chance(50) {
            true => ReloadBy::Signal(Signal::USR2),
            false => ReloadBy::Command(Argv::new::<&str>("reload", Vec::new())),
        };
        let (notify, timeout) = (rng.chance(50), rng.pick(&[millis(100), secs(5)]));
        actor.spec.reload = Some(Box::new(Reload { by, notify, timeout }));
        actor.reload_command = Some(hook(rng));
    }
    actor.ready_probes = (0..1 + rng.below(5)).map(|_| probe(rng)).collect();
    actor.health_probes = (0..1 + rng.below(8)).map(|_| probe(rng)).collect();
    for script in &mut actor.main {
        words(rng, script);
    }
}

/// What a process may say, most of it in time, some of it senseless.
fn words(rng: &mut Rng, script: &mut Script) {
    let when = |rng: &mut Rng| match rng.below(3) {
        0 => rng.up_to(millis(60)),
        1 => rng.up_to(secs(1)),
        _ => rng.up_to(secs(15)),
    };
    let mut new = script.clone();
    if rng.chance(80) {
        let (at, also) = (when(rng), when(rng));
        new = new.ready(at).says(also, Word::Announces);
    }
    if rng.chance(10) {
        let at = when(rng);
        new = new.says(at, Word::Mute);
    }
    if rng.chance(60) {
        let times = rng.pick(&[1, 5, 30]);
        new = new.pings(rng.pick(&[millis(100), secs(1)]), times);
    }
    for _ in 0..rng.pick(&[0, 0, 1, 2]) {
        let at = when(rng);
        let message = match rng.below(5) {
            0 => Message { stopping: true, ..Message::default() },
            1 => Message { watchdog: Some(Watchdog::Trigger), ..Message::default() },
            2 => Message { extend_timeout: Some(rng.up_to(secs(4))), ..Message::default() },
            3 => Message { watchdog_interval: Some(secs(1)), ..Message::default() },
            _ => Message { status: Some("so so".to_owned()), ..Message::default() },
        };
        new = new.message(at, message);
    }
    if rng.chance(70) {
        let begins = rng.up_to(millis(200));
        let ends = begins + rng.up_to(secs(1));
        new.reloads = Some(Reloads { begins, ends, is_stale: rng.chance(10) });
    }
    *script = new;
}

/// Most find out something at once; some hang, or leave somebody behind.
fn probe(rng: &mut Rng) -> Script {
    let code = rng.pick(&[0, 0, 0, 1, 1]);
    let script = match rng.below(10) {
        0 => Script { heeds: heeds(rng), ..runs() },
        1 => dies(rng.up_to(secs(2)), Exit::Code(code)),
        _ => dies(rng.up_to(millis(10)), Exit::Code(code)),
    };
    let script = if rng.chance(50) { script.finding("it is not there") } else { script };
    if rng.chance(10) { faults(rng, script) } else { script }
}

/// When something happens in a scene, or would if nothing else did.
fn moments(scene: &Scene) -> Vec<Duration> {
    let scripts = scene.actors.iter().flat_map(|actor| actor.main.first());
    let ends = scripts.filter_map(|script| match script.exec {
        Exec::Takes(delay) => Some(delay + script.runs.unwrap_or_default()),
        Exec::Fails(..) | Exec::Hangs => None,
    });
    scene.outside.iter().map(|(at, _)| *at).chain(ends).chain([Duration::ZERO]).collect()
}

fn some_ask(rng: &mut Rng, actors: &[Actor]) -> Ask {
    let mut names: Vec<Pattern> = (0..rng.pick(&[1, 1, 1, 2, 3]))
        .map(|_| Pattern::new(actors[rng.below(actors.len())].spec.name.as_str()))
        .collect();
    match rng.below(20) {
        0 => names.clear(),
        1 => names = vec![Pattern::new("s1*")],
        2 => names = vec![Pattern::new("nobody")],
        _ => {}
    }
    let wait = rng.chance(70);
    match rng.below(20) {
        0..=4 => Ask::Start { names, wait },
        5..=10 => {
            let dependents = rng.pick(&[
                Dependents::Refuse,
                Dependents::Keep,
                Dependents::Stop,
                Dependents::Stop,
            ]);
            Ask::Stop { names, dependents, wait }
        }
        11..=13 => Ask::Restart { names, wait },
        14 => Ask::Signal { names, signal: rng.pick(&[Signal::USR1, Signal::TERM, Signal::KILL]) },
        15 => Ask::Status { names },
        16 => Ask::Health { level: rng.pick(&[HealthLevel::Alive, HealthLevel::Ready]) },
        17 if rng.chance(30) => Ask::Shutdown { code: rng.pick(&[0, 7]) },
        _ => {
            let milestones = [Milestone::Ready, Milestone::Stopped, Milestone::Done];
            Ask::Wait { names, milestone: rng.pick(&milestones) }
        }
    }
}

fn reload_ask(rng: &mut Rng) -> Ask {
    Ask::Reload { dry_run: rng.chance(15), wait: rng.chance(70) }
}

/// Some of them left, some changed, some came or came back.
fn other_sources(rng: &mut Rng, mut sources: Vec<Actor>, first: &[Actor]) -> Vec<Actor> {
    sources.retain(|actor| actor.spec.kind == Kind::Main || !rng.chance(20));
    for actor in sources.iter_mut().filter(|actor| actor.spec.kind != Kind::Main) {
        match rng.below(12) {
            0 | 1 => actor.spec.stop.timeout += millis(10),
            2 => actor.main = scripts(rng),
            3 => {
                actor.spec.depends_on.pop();
            }
            4 => {
                actor.spec.after.pop();
            }
            5 => actor.spec.autostart = rng.chance(60),
            _ => {}
        }
    }
    for back in first {
        let is_there = sources.iter().any(|actor| actor.spec.name == back.spec.name);
        if !is_there && rng.chance(40) {
            sources.push(back.clone());
        }
    }
    // A new one must not need somebody who still waits for one that had its name.
    without_danglers(&mut sources);
    if rng.chance(20) {
        let at = 20 + rng.below(3);
        if !sources.iter().any(|actor| actor.spec.name.as_str() == format!("s{at}")) {
            let mut new = service(&format!("s{at}"));
            new.main = scripts(rng);
            if !sources.is_empty() {
                let other = sources[rng.below(sources.len())].spec.name.to_string();
                new = if rng.chance(50) { new.needs(&other) } else { new.after(&other) };
            }
            sources.push(new);
        }
    }
    if sources.is_empty() {
        sources.push(first[0].clone());
    }
    without_danglers(&mut sources);
    sources
}

/// Nobody waits for one that is not there, and nobody for the main command.
fn without_danglers(sources: &mut [Actor]) {
    let names: Vec<_> = sources
        .iter()
        .filter(|actor| actor.spec.kind != Kind::Main)
        .map(|actor| actor.spec.name.clone())
        .collect();
    for actor in sources {
        actor.spec.depends_on.retain(|dependency| names.contains(&dependency.name));
        actor.spec.after.retain(|other| names.contains(other));
        let after = &actor.spec.after;
        if actor.spec.log.consumers().any(|consumer| !after.contains(consumer)) {
            actor.spec.log.stdout = LogTarget::Console;
        }
    }
}

fn actor(rng: &mut Rng, at: usize) -> Actor {
    let name = format!("s{at}");
    let mut actor = if rng.chance(30) { oneshot(&name) } else { service(&name) };
    for other in 0..at {
        let other = format!("s{other}");
        match rng.below(10) {
            0 | 1 => actor = actor.needs(&other),
            2 => {
                let condition = rng.pick(&[Condition::Started, Condition::Completed]);
                actor = actor.needs_to_be(&other, condition);
            }
            3 => actor = actor.after(&other),
            _ => {}
        }
    }
    if rng.chance(50) || actor.spec.kind == Kind::Oneshot && rng.chance(30) {
        actor.spec.restart = rng.pick(&[Restart::Always, Restart::OnFailure, Restart::Never]);
    }
    let consequences = [Consequence::Continue, Consequence::Shutdown];
    actor.spec.on_failure = rng.pick(&consequences);
    actor.spec.on_success =
        if rng.chance(10) { Consequence::Shutdown } else { Consequence::Continue };
    if rng.chance(20) {
        actor.spec.success_codes =
            vec![SuccessCode::Code(3), SuccessCode::Signal(Signal::TERM)].into();
    }
    if rng.chance(50) {
        actor.spec.backoff = Backoff {
            initial: rng.pick(&[millis(1), millis(100), secs(1)]),
            factor: rng.pick(&[1.0, 1.5, 2.0, 10.0]),
            max: rng.pick(&[secs(1), secs(5), secs(30)]),
            jitter: rng.pick(&[0.0, 0.1, 1.0]),
            reset_after: rng.pick(&[millis(10), secs(1), secs(10)]),
            limit: rng.pick(&[0, 1, 2, 5, 10]),
        }
        .into();
        if actor.spec.backoff.limit == 0 {
            // Or all the time goes into restarts.
            actor.spec.backoff.initial = secs(1);
        }
    }
    if rng.chance(50) {
        let grace = rng.pick(&[Duration::ZERO, millis(10), secs(1), secs(3), secs(30)]);
        actor = actor.grace(grace);
    } else if rng.chance(30) {
        let wait = rng.pick(&[Duration::ZERO, millis(500), secs(4)]);
        actor = actor.ladder(&[(Signal::INT, wait), (Signal::TERM, secs(1)), (Signal::QUIT, wait)]);
    }
    actor.spec.stop.scope = rng.pick(&[Scope::Process, Scope::Group]);
    if rng.chance(15) {
        actor = actor.keeping_leftovers();
    }
    if rng.chance(15) {
        actor = actor.forwarding(rng.pick(&[Signal::USR1, Signal::HUP]));
    }
    actor.main = scripts(rng);
    for _ in 0..rng.pick(&[0, 0, 0, 1, 2]) {
        let hook = hook(rng);
        actor = actor.before_start(hook);
    }
    for _ in 0..rng.pick(&[0, 0, 0, 1, 2]) {
        let hook = hook(rng);
        actor = actor.after_exit(hook);
    }
    // Of a oneshot with one the oracle knows nothing.
    if rng.chance(if actor.spec.kind == Kind::Oneshot { 3 } else { 15 }) {
        actor.spec.stop.command = Some(Argv::new::<&str>("stop", Vec::new()));
        let delay = rng.up_to(secs(2));
        let script = if rng.chance(60) { stops(delay) } else { hook(rng) };
        actor.stop_command = Some(script);
    }
    actor
}

fn scripts(rng: &mut Rng) -> Vec<Script> {
    (0..1 + rng.below(4)).map(|_| script(rng)).collect()
}

fn script(rng: &mut Rng) -> Script {
    let mut script = if rng.chance(50) { runs() } else { ending(rng) };
    script.heeds = heeds(rng);
    if rng.chance(30) {
        script.farewell = Some(rng.pick(&[Exit::Code(0), Exit::Code(1)]));
    }
    faults(rng, script)
}

fn hook(rng: &mut Rng) -> Script {
    if rng.chance(60) {
        let after = rng.up_to(millis(200));
        return dies(after, Exit::Code(0));
    }
    script(rng)
}

fn ending(rng: &mut Rng) -> Script {
    let after = match rng.below(3) {
        0 => rng.up_to(millis(20)),
        1 => rng.up_to(secs(2)),
        _ => rng.up_to(secs(40)),
    };
    let exit = rng.pick(&[
        Exit::Code(0),
        Exit::Code(0),
        Exit::Code(1),
        Exit::Code(3),
        Exit::Signal(Signal::ABRT),
        Exit::Signal(Signal::TERM),
        Exit::OutOfMemory,
    ]);
    dies(after, exit)
}

fn heeds(rng: &mut Rng) -> Heeds {
    match rng.below(10) {
        0 => Heeds::Nothing,
        1 => Heeds::Only(rng.pick(&[Signal::TERM, Signal::INT, Signal::QUIT]), millis(100)),
        2..=4 => Heeds::All(rng.up_to(secs(6))),
        _ => Heeds::All(rng.up_to(millis(20))),
    }
}

fn faults(rng: &mut Rng, mut script: Script) -> Script {
    let delay = if rng.chance(20) { rng.up_to(secs(3)) } else { Duration::ZERO };
    script.exec = match rng.below(60) {
        0..=5 => {
            let errno = rng.pick(&[Errno::ENOENT, Errno::EACCES, Errno::EAGAIN, Errno::ENOMEM]);
            let operation = rng.pick(&[Failure::EXECUTE, Failure::EXECUTE, "change directory to"]);
            Exec::Fails(Failure::errno(operation, "/it", errno), delay)
        }
        6 => Exec::Hangs,
        _ => Exec::Takes(delay),
    };
    script.undying = rng.chance(2);
    for _ in 0..rng.pick(&[0, 0, 0, 0, 1, 3]) {
        script.relatives.push(some_relative(rng));
    }
    script
}

fn some_relative(rng: &mut Rng) -> Relative {
    let lives = if rng.chance(40) { Some(rng.up_to(secs(10))) } else { None };
    Relative {
        heeds: heeds(rng),
        in_group: rng.chance(70),
        reborn: rng.pick(&[0, 0, 0, 1, 5]),
        undying: rng.chance(2),
        lives,
    }
}
