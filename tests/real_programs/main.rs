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

mod site;

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
