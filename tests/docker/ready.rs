//! Readiness, health and probes in an image without a base: no shell but the example's, no curl.

use super::engine::Image;
use super::{BARE, Services, check_stop};

/// Says that it is ready with onit's own verb, and holds a socket that it was handed.
const API: (&str, &str) = (
    "api.toml",
    r#"command = ["sh", "-c", "/onit notify STATUS='loaded 3 models' READY=1; exec sleep 1001"]
ready.notify = true
health.tcp = "127.0.0.1:8080"
health.interval = "200ms"
[[listen]]
address = "127.0.0.1:8080"
"#,
);

/// Waits for a port that the one before it holds.
const WEB: (&str, &str) = (
    "web.toml",
    r#"command = ["sh", "-c", "echo web is up; exec sleep 1002"]
depends_on = ["api"]
ready.tcp = "localhost:8080"
ready.interval = "100ms"
"#,
);

/// As anybody, on a file system that cannot be written to, without a capability.
const CONFINED: [&str; 3] = ["--user=1000:1000", "--read-only", "--cap-drop=ALL"];

#[test]
#[ignore = "needs a Docker engine"]
fn services_become_ready_in_an_image_without_a_base() {
    let services = Services::new("ready", &[API, WEB]);
    for options in [&[][..], &CONFINED] {
        let image = Image::example();
        let often = ["--health-interval=1s", "--health-start-period=0s"];
        let mount = services.mount();
        let container = image.start(&[options, &often, &[&mount]].concat(), &[]);
        container.wait_for_log("web is up");
        container.wait_for_log("web: ready after");
        let status = container.exec(&["/onit", "status", "api"]);
        assert!(status.stdout.contains("loaded 3 models"), "{status:?}");
        container.wait_for_health("healthy");
        assert!(container.last_health_output().contains("2 services, all up"));
        let healthy = container.exec(&["/onit", "probe", "tcp", "127.0.0.1:8080"]);
        assert_eq!(healthy.code, 0, "{healthy:?}");
        let ill = container.exec(&["/onit", "probe", "tcp", "localhost:9"]);
        assert_eq!(ill.code, 1, "{ill:?}");
        assert!(ill.stderr.contains("connection refused"), "{ill:?}");
        check_stop(&container, 0);
    }
}

#[test]
#[ignore = "needs a Docker engine"]
fn a_probe_is_a_health_check_by_itself() {
    let example = Image::example();
    let image = example.extended(
        "HEALTHCHECK --interval=1s --timeout=5s --retries=1 \
         CMD [\"/onit\", \"probe\", \"file\", \"/dev/shm/well\"]",
    );
    let container = image.start(&BARE, &["--", "sh", "-c", "exec sleep 1000"]);
    container.wait_for_health("unhealthy");
    assert!(container.last_health_output().contains("/dev/shm/well"));
    let made = container.exec(&["sh", "-c", ": > /dev/shm/well"]);
    assert_eq!(made.code, 0, "{made:?}");
    container.wait_for_health("healthy");
    container.stop();
}
