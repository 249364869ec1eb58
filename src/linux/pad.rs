//! The memory that a child takes along: what it needs between fork and exec lies here, apart from
//! the heap and the stack, which then need not go with it; see `heap`.

use std::cell::Cell;
use std::ffi::CStr;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::limits::{CHILD_STACK_WORDS, PAD_BYTES};

/// One mapping, from which memory is handed out until it is gone as a whole.
pub(super) struct Pad {
    start: NonNull<u8>,
    used: Cell<usize>,
}

/// What does not go onto a pad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// A text with a NUL byte in it.
    Nul,
    /// More than there is room for, which is more than any exec takes; see execve(2), "Limits".
    TooMuch,
}

impl Pad {
    /// An empty one. Only what is written to takes memory.
    pub(super) fn new() -> Result<Self, Errno> {
        let size = NonZeroUsize::new(PAD_BYTES).ok_or(Errno::EINVAL)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: a mapping at an address of the kernel's choice is in nobody's way.
        let start = unsafe { mmap_anonymous(None, size, access, flags) }?;
        // Some kernels would clear 2 MiB at the first touch.
        // SAFETY: it says nothing about what is in the mapping.
        let _ = unsafe { madvise(start, PAD_BYTES, MmapAdvise::MADV_NOHUGEPAGE) };
        Ok(Self { start: start.cast(), used: Cell::new(0) })
    }

    /// A copy of `items`.
    #[expect(clippy::mut_from_ref, reason = "no two calls hand out the same memory")]
    pub(super) fn place<T: Copy>(&self, items: &[T]) -> Result<&mut [T], Unfit> {
        let place = self.room::<T>(items.len())?;
        // SAFETY: there is room for so many, and nobody else has been given it.
        unsafe { place.copy_from_nonoverlapping(NonNull::from(items).cast(), items.len()) };
        // SAFETY: as above; it has just been filled, and stays until the pad is gone.
        Ok(unsafe { std::slice::from_raw_parts_mut(place.as_ptr(), items.len()) })
    }

    /// `value`, moved here. It is forgotten with the pad, not dropped.
    #[expect(clippy::mut_from_ref, reason = "no two calls hand out the same memory")]
    pub(super) fn keep<T>(&self, value: T) -> Result<&mut T, Unfit> {
        let mut place = self.room::<T>(1)?;
        // SAFETY: there is room for one, and nobody else has been given it.
        unsafe { place.write(value) };
        // SAFETY: as above; it has just been written, and stays until the pad is gone.
        Ok(unsafe { place.as_mut() })
    }

    /// A stack for a child: its upper end, where it begins.
    pub(super) fn stack(&self) -> Result<NonNull<u8>, Unfit> {
        let lowest = self.room::<u128>(CHILD_STACK_WORDS)?;
        // SAFETY: the end of what has just been set aside.
        Ok(unsafe { lowest.add(CHILD_STACK_WORDS) }.cast())
    }

    fn room<T>(&self, count: usize) -> Result<NonNull<T>, Unfit> {
        let from = self.used.get().next_multiple_of(align_of::<T>());
        let size = size_of::<T>().checked_mul(count);
        let end = size.and_then(|size| from.checked_add(size)).filter(|end| *end <= PAD_BYTES);
        self.used.set(end.ok_or(Unfit::TooMuch)?);
        // SAFETY: it lies within the mapping up to `end`, and aligned: that begins with a page.
        Ok(unsafe { self.start.add(from) }.cast())
    }

    /// The text made of `parts`, with a NUL behind it.
    pub(super) fn text(&self, parts: &[&[u8]]) -> Result<&CStr, Unfit> {
        let before = self.used.get();
        for part in parts {
            self.place(part)?;
        }
        self.place(&[0u8])?;
        let size = self.used.get().saturating_sub(before);
        // SAFETY: within the mapping, as what follows was placed there.
        let start = unsafe { self.start.add(before) };
        // SAFETY: bytes are placed without gaps, so these are the parts and the NUL.
        let bytes = unsafe { std::slice::from_raw_parts(start.as_ptr(), size) };
        CStr::from_bytes_with_nul(bytes).map_err(|_| Unfit::Nul)
    }
}

impl Drop for Pad {
    fn drop(&mut self) {
        // SAFETY: it is ours, and whoever borrowed from it is gone.
        let _ = unsafe { munmap(self.start.cast(), PAD_BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_placed_stays_as_it_is() {
        let pad = Pad::new().unwrap();
        let text = pad.text(&[b"NAME", b"=", b"value"]).unwrap();
        let byte = pad.place(&[7u8]).unwrap();
        let numbers = pad.place(&[1u64, 2, 3]).unwrap();
        let pair = pad.keep((1u8, 2u32)).unwrap();
        assert!(pad.stack().unwrap().cast::<u128>().is_aligned());
        assert_eq!(text, c"NAME=value");
        assert_eq!((byte, numbers, pair), (&mut [7u8][..], &mut [1, 2, 3][..], &mut (1, 2)));
        assert_eq!(pad.text(&[]).unwrap(), c"");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let pad = Pad::new().unwrap();
        assert_eq!(pad.text(&[b"a\0b"]), Err(Unfit::Nul));
        let much = vec![0u8; PAD_BYTES / 2];
        pad.place(&much).unwrap();
        assert_eq!(pad.place(&much), Err(Unfit::TooMuch));
        assert_eq!(pad.place(&[1]), Ok(&mut [1][..]), "there is still room for less");
    }
}
