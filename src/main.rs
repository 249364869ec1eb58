//! Arguments in, exit code out.
//!
//! Without Rust's own start-up: see docs/decisions/0015-without-the-runtime.md.
#![cfg_attr(not(test), no_main)]

#[cfg(all(no_unwinder, panic = "abort", not(test)))]
mod unwinder;

/// What the C library starts.
///
/// # Safety
/// `argv` points to `argc` texts, as main(3p) has it.
#[cfg(not(test))]
#[unsafe(no_mangle)]
unsafe extern "C" fn main(argc: libc::c_int, argv: *const *const libc::c_char) -> libc::c_int {
    // Before anything is allocated.
    onit::linux::heap::main_begins();
    // Before anything that might panic.
    onit::linux::last_words::prepare();
    onit::linux::entry::prepare();
    // SAFETY: what the C library promises is what is asked for.
    let words = unsafe { onit::linux::entry::words(argc, argv) };
    onit::cli::run(words).into()
}
