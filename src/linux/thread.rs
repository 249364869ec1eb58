//! Threads: each starts with all signals blocked, so that the kernel gives a signal to nobody but
//! the loop, which lets them in.
//!
//! By pthread_create(3) and not by std, whose threads look for their stack's guard page in
//! /proc/self/maps: see docs/decisions/0015-without-the-runtime.md.

use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow};

use crate::limits::{LOOP_STACK_BYTES, THREAD_STACK_BYTES};
use crate::service::Failure;

use super::heap;
use super::relay::{errno, lock};

/// What a thread does, and what it is called.
struct Work {
    name: &'static CStr,
    work: Box<dyn FnOnce() + Send>,
}

/// Starts a thread called `name` that does `work` and then ends. Nobody waits for it. `what` says
/// what it is, as it follows "cannot start".
///
/// # Errors
/// No thread is to be had.
pub fn start(
    name: &'static CStr,
    what: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<(), Failure> {
    let failed = |error| Failure::errno("start", what, errno(error));
    begin_with(name, THREAD_STACK_BYTES, Box::new(work)).map_err(failed)
}

/// Does `work`, the loop, in a thread of its own while this one waits; in this one if no other is
/// to be had.
///
/// A child is one of the thread that forked it, an orphan one of the first thread
/// (`find_new_reaper` in kernel/exit.c of Linux). So /proc lists orphans apart from the thousands
/// that were started, and whoever is left of a run is found without looking at those.
pub fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let work = Arc::new(Mutex::new(Some(work)));
    let result = Arc::new((Mutex::new(None), Condvar::new()));
    let (theirs, place) = (Arc::clone(&work), Arc::clone(&result));
    let begun = begin_with(
        c"onit-loop",
        LOOP_STACK_BYTES,
        Box::new(move || {
            heap::keep_stack_out(LOOP_STACK_BYTES);
            let work = lock(&theirs).take();
            let (result, changed) = &*place;
            let found = work.map(|work| work());
            *lock(result) = found;
            changed.notify_all();
        }),
    );
    if begun.is_err() {
        let work = lock(&work).take();
        return work.map(|work| work());
    }
    let (result, changed) = &*result;
    let waited = changed.wait_while(lock(result), |result| result.is_none());
    waited.unwrap_or_else(PoisonError::into_inner).take()
}

fn begin_with(
    name: &'static CStr,
    stack: usize,
    work: Box<dyn FnOnce() + Send>,
) -> Result<(), Errno> {
    // A new thread inherits the mask of the one that starts it; with a mask set by itself, it
    // would for a moment be the one that the kernel gives a signal to. See pthreads(7).
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let result = create(stack, Box::new(Work { name, work }));
    let unmasked = mask.thread_set_mask();
    result.and(unmasked)
}

fn create(stack: usize, work: Box<Work>) -> Result<(), Errno> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let attributes = attributes.as_mut_ptr();
    // SAFETY: a place for attributes, which the call fills in.
    check(unsafe { libc::pthread_attr_init(attributes) })?;
    // SAFETY: initialised above, and so below. A size that is refused leaves the usual one.
    let _ = unsafe { libc::pthread_attr_setstacksize(attributes, stack) };
    // SAFETY: as above. Without it, an ended thread would be kept for somebody to ask about it.
    let _ = unsafe { libc::pthread_attr_setdetachstate(attributes, libc::PTHREAD_CREATE_DETACHED) };
    let work = Box::into_raw(work).cast::<c_void>();
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: `begin` takes what it is handed here, once; the attributes are initialised.
    let result = unsafe { libc::pthread_create(thread.as_mut_ptr(), attributes, begin, work) };
    // SAFETY: initialised above, and not used any more.
    let _ = unsafe { libc::pthread_attr_destroy(attributes) };
    check(result).inspect_err(|_| {
        // SAFETY: no thread has taken it, so it is still ours, made by `Box::into_raw` above.
        drop(unsafe { Box::from_raw(work.cast::<Work>()) });
    })
}

extern "C" fn begin(work: *mut c_void) -> *mut c_void {
    // SAFETY: `create` hands it to this thread alone, made by `Box::into_raw`.
    let work = unsafe { Box::from_raw(work.cast::<Work>()) };
    let _ = prctl::set_name(work.name);
    (work.work)();
    null_mut()
}

/// The pthread functions return their error.
fn check(error: i32) -> Result<(), Errno> {
    if error == 0 { Ok(()) } else { Err(Errno::from_raw(error)) }
}
