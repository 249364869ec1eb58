//! nginx, redis-server and postgres from the distribution's packages, as services of one onit that
//! is PID 1 of its own PID namespace.
//!
//! Where the programs are missing, or we are not root, the test says so and passes; with `CI=true`
//! it fails instead.
#![expect(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test may start programs, wait for them, and stop at the first surprise"
)]

mod peers;
mod site;
mod sv;

use std::time::{Duration, Instant};

use site::Site;

/// The budget for a shutdown, when nothing else is set.
const STOP_TIMEOUT: Duration = Duration::from_secs(9);

#[test]
fn a_web_server_a_cache_and_a_database_live_and_die_in_one_container() {
    let programs = match site::programs() {
        Ok(programs) => programs,
        Err(missing) => {
            let ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!ci, "cannot run: {missing}");
            eprintln!("skipped: {missing}");
            return;
        }
    };
    let mut site = Site::start(&programs);

    site.wait_until("nginx answers", Site::page_is_served);
    site.wait_until("redis takes a key", |site| site.redis("SET colour green", "+OK"));
    site.wait_until("postgres takes a row", |site| {
        site.sql(
            "create table if not exists fruit(name text); insert into fruit values('pear')",
            "",
        )
    });

    // Each was started when the one before it was ready, as that one shows it: a command, a port, a
    // word of systemd's own program, a page.
    site.wait_until("the last", |site| site.ask(&["wait", "last", "--for", "done"]).map(drop));
    let log = site.log();
    let steps = [
        "initdb: exit code 0",
        "postgres: started",
        "postgres: ready after",
        "redis: started",
        "redis: ready after",
        "worker: started",
        "worker: ready after",
        "nginx: started",
        "nginx: ready after",
        "last: started",
    ];
    let places: Vec<Option<usize>> = steps.iter().map(|step| log.find(step)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}:\n{log}");
    site.wait_until("its status", |site| {
        let said = site.ask(&["status", "worker"])?;
        if said.contains("at work") { Ok(()) } else { Err(said) }
    });
    site.wait_until("all is well", |site| site.ask(&["health"]).map(drop));
    site.wait_until("nginx has reloaded", |site| site.ask(&["reload", "nginx"]).map(drop));
    site.wait_until("nginx answers still", Site::page_is_served);

    // nginx leaves its workers behind, which hold the port; postgres its helpers, which hold the
    // shared memory. Neither can start again before these are gone.
    site.kill_and_wait_for_return("nginx: master", "nginx answers again", Site::page_is_served);
    site.kill_and_wait_for_return("redis-server", "redis has kept the key", |site| {
        site.redis("GET colour", "green")
    });
    site.kill_and_wait_for_return("postgres -D", "postgres has kept the row", |site| {
        site.sql("select name from fruit", "pear")
    });

    let asked = Instant::now();
    let code = site.terminate();
    let took = asked.elapsed();
    let log = site.log();
    assert_eq!(code, Some(0), "{log}");
    assert!(took < STOP_TIMEOUT, "took {took:?}:\n{log}");
    assert!(log.contains("database system is shut down"), "postgres was not shut down:\n{log}");
    assert!(log.contains("ready to exit, bye bye"), "redis was not shut down:\n{log}");
    for complaint in ["is killed", "are killed", "killing", "not properly shut down"] {
        let since = log.rfind("SIGTERM").unwrap_or_default();
        let end = log.get(since..).unwrap_or_default();
        assert!(!end.contains(complaint), "{complaint:?} in the end of:\n{log}");
    }
}
