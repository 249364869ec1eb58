//! What Rust's own start-up would have done and onit needs: the words of the command line, three
//! open descriptors, no SIGPIPE. See docs/decisions/0015-without-the-runtime.md.

use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};

/// The words of the command line.
///
/// # Safety
/// `argv` points to `argc` texts, as main(3p) has it.
#[must_use]
pub unsafe fn words(argc: i32, argv: *const *const libc::c_char) -> Vec<OsString> {
    let count = usize::try_from(argc).unwrap_or(0);
    (0..count)
        .map(|at| {
            // SAFETY: `at` is below `argc`.
            let text = unsafe { argv.add(at) };
            // SAFETY: as above; it is one of the texts.
            let text = unsafe { *text };
            // SAFETY: a text that ends with a NUL, and stays as it is.
            let text = unsafe { CStr::from_ptr(text) };
            OsStr::from_bytes(text.to_bytes()).to_owned()
        })
        .collect()
}

/// Opens what is closed of 0, 1 and 2, so that nothing else gets these numbers, and ignores
/// SIGPIPE: a write says EPIPE all the same.
pub fn prepare() {
    for descriptor in 0..3 {
        // SAFETY: fcntl(2) with F_GETFD takes a number.
        let result = Errno::result(unsafe { libc::fcntl(descriptor, libc::F_GETFD) });
        if result == Err(Errno::EBADF) {
            // It gets the lowest free number, which is this one. Where there is no /dev/null
            // something has to be there all the same; O_PATH refuses to be read and written.
            // SAFETY: open(2) takes a path that ends with a NUL.
            if unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } == -1 {
                // SAFETY: as above.
                let _ = unsafe { libc::open(c"/".as_ptr(), libc::O_PATH) };
            }
        }
    }
    // SAFETY: ignoring a signal installs no handler, so there is no code to be unsafe.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) };
}
