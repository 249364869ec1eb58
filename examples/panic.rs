//! Panics as PID 1 with a child, to show what `onit::linux::last_words` makes of it.

#![expect(
    clippy::panic,
    clippy::disallowed_types,
    clippy::unwrap_used,
    clippy::zombie_processes,
    reason = "this is its purpose"
)]

use std::io::Read;
use std::process::{Command, Stdio};

// As in the program itself, which panics without one.
#[cfg(all(no_unwinder, panic = "abort"))]
#[path = "../src/unwinder.rs"]
mod unwinder;

fn main() {
    onit::linux::last_words::prepare();
    let script = "trap 'echo heard TERM >&2; echo heard TERM; exit' TERM; echo x >&3; \
                  while :; do sleep 0.01; done";
    let (mut ready, child_end) = std::io::pipe().unwrap();
    let _child = Command::new("sh")
        .args(["-c", &format!("exec 3>&0; {script}")])
        .stdin(Stdio::from(child_end))
        .spawn()
        .unwrap();
    let mut byte = [0];
    ready.read_exact(&mut byte).unwrap();
    panic!("on purpose");
}
