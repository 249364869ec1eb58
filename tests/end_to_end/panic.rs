//! Should onit panic as PID 1: its children hear TERM, and the exit code is 70.

use std::path::PathBuf;

use super::sandbox::{Scene, onit};

#[test]
fn a_panic_sees_the_children_off() {
    // `cargo test` builds it beside the binary; `cargo test --test end_to_end` does not.
    let mut cargo = std::process::Command::new(env!("CARGO"));
    assert!(cargo.args(["build", "--quiet", "--example", "panic"]).status().unwrap().success());
    let mut program = PathBuf::from(onit());
    program.pop();
    let program = program.join("examples/panic");
    assert!(program.exists(), "{} is built by `cargo test`", program.display());
    let ended = Scene::of_init(program.to_str().unwrap()).run();
    assert_eq!(ended.code, 70, "{}", ended.stderr);
    assert!(ended.stdout.contains("heard TERM"), "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("internal fault"), "{}", ended.stderr);
}
