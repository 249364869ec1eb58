//! Threads beside the loop: each starts with all signals blocked, so that the kernel gives a signal
//! to nobody but the loop.

use nix::sys::signal::{SigSet, SigmaskHow};

use crate::limits::THREAD_STACK_BYTES;
use crate::service::{Errno, Failure};

use super::relay::errno;

/// Starts a thread called `name` that does `work` and then ends. Nobody waits for it. `what` says
/// what it is, as it follows "cannot start".
///
/// # Errors
/// No thread is to be had.
pub fn start(name: &str, what: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let failed = |error| Failure::errno("start", what, errno(error));
    // A new thread inherits the mask of the one that starts it; with a mask set by itself, it
    // would for a moment be the one that the kernel gives a signal to. See pthreads(7).
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK).map_err(failed)?;
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(THREAD_STACK_BYTES)
        .spawn(work);
    let unmasked = mask.thread_set_mask();
    match thread {
        Ok(_detached) => unmasked.map_err(failed),
        Err(error) => {
            let errno = error.raw_os_error().map_or(Errno::EAGAIN, Errno);
            Err(Failure::errno("start", what, errno))
        }
    }
}
