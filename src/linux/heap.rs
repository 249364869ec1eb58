//! The heap and the stack of this process are kept out of its children.
//!
//! A fork copies the tables of all pages, and from then on whoever writes to one first has it
//! copied: with a thousand services that was half of what their start cost. So what a child has no
//! use for is kept out; see docs/decisions/0024-what-a-child-takes-along.md. What it has a use for
//! lies on a `pad`.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::mman::{MmapAdvise, madvise};

/// How far below the first frame the kernel may have mapped a stack when `main` begins: 128 KiB,
/// see `setup_arg_pages` in fs/exec.c of Linux.
const STACK_BYTES: usize = 256 << 10;

/// Far more than there is on a stack when a thread begins.
const STACK_TOP_BYTES: usize = 128 << 10;

/// Up to where the heap is kept out of forks: at first, where what is allocated in `main` begins.
/// Of the process, as the heap is. 0: nothing is kept out.
static KEPT_OUT: AtomicUsize = AtomicUsize::new(0);

/// To be called first in `main`: from here on neither what is put on the heap nor what is on the
/// stack of this thread goes along with a child. What the C library itself put there before goes:
/// in a static program the variables of the thread are part of it.
pub fn main_begins() {
    // The first that is allocated lies behind what was there.
    let first = Box::into_raw(Box::new(0u8));
    let end = end_of_heap();
    // Elsewhere if the C library has its heap elsewhere.
    let begin = if first.addr() < end { first.addr() } else { end };
    KEPT_OUT.store(begin, Ordering::Relaxed);
    // SAFETY: it came from a box, one line above.
    drop(unsafe { Box::from_raw(first) });
    keep_frames_out(STACK_BYTES);
}

/// Keeps what is called from here on out of the children to come. To be called at the beginning of
/// a thread whose stack has `size` bytes: the C library has the variables of the thread above.
pub(super) fn keep_stack_out(size: usize) {
    keep_frames_out(size.saturating_sub(STACK_TOP_BYTES));
}

/// The frames of everything that is called from here lie below this one, up to `size` bytes. Of
/// what lies there the kernel takes what is mapped, which then grows as it is; see madvise(2),
/// ENOMEM.
fn keep_frames_out(size: usize) {
    let frame = 0u8;
    let end = (&raw const frame).addr() & !page_bytes().wrapping_sub(1);
    keep_out(end.saturating_sub(size), end);
}

/// Keeps what is on the heap now out of the children to come.
pub(super) fn keep_heap_out() {
    let kept = KEPT_OUT.load(Ordering::Relaxed);
    let end = end_of_heap();
    if kept == 0 || end == kept {
        return;
    }
    // If it has become smaller, what comes to it again is new to the kernel.
    if end > kept {
        keep_out(kept.next_multiple_of(page_bytes()), end);
    }
    KEPT_OUT.store(end, Ordering::Relaxed);
}

/// See madvise(2), `MADV_DONTFORK`. A refusal costs time, nothing else.
fn keep_out(from: usize, end: usize) {
    let Some(start) = NonNull::new(std::ptr::with_exposed_provenance_mut(from)) else { return };
    // SAFETY: nothing in this process changes by it, and a child touches none of it; see `child`.
    let _ = unsafe { madvise(start, end.saturating_sub(from), MmapAdvise::MADV_DONTFORK) };
}

fn page_bytes() -> usize {
    // SAFETY: sysconf(3) takes a number.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(1)
}

/// Where the heap ends; see sbrk(2).
fn end_of_heap() -> usize {
    // SAFETY: an increment of zero changes nothing.
    unsafe { libc::sbrk(0) }.addr()
}
