//! How a child leaves onit's descriptors behind without looking at each of them.
//!
//! A fork copies the table of descriptors, and the exec closes in the copy whatever is not handed
//! on: with a thousand services that are four thousand files, which took longer than all the rest
//! of a start. So a child may share the table at first, and leave it by one call that copies only
//! its lowest numbers (`CLOSE_RANGE_UNSHARE`, see close_range(2)). What it needs lies there, in the
//! berth, and stays there until the child says that it has left.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::read;

use super::child::{LEFT, Orders};
use crate::limits::{BERTH_DESCRIPTORS, BERTH_PATIENCE};

/// Low numbers that are kept for children, and are `/dev/null` in the meantime.
#[derive(Debug)]
pub struct Berth {
    places: Vec<OwnedFd>,
    /// How many of them are in use.
    filled: Cell<usize>,
    /// The kernel, or what watches over its calls, does not let children leave like this.
    is_refused: Cell<bool>,
}

/// What a child has said of its leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It has a table of its own.
    Yes,
    /// It may not, and ends.
    Refused,
    /// Nothing in time.
    Silent,
}

impl Berth {
    /// Takes the lowest numbers there are; to be called before many descriptors are open.
    ///
    /// # Errors
    /// There are none to be had.
    pub fn open() -> Result<Self, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        // Where there is no /dev/null: anything that can be neither read nor written.
        let first = open("/dev/null", flags, Mode::empty());
        let first = first.or_else(|_| open("/", flags, Mode::empty()))?;
        let mut places = vec![first];
        while let (true, Some(place)) = (places.len() < BERTH_DESCRIPTORS, places.first()) {
            let another = place.try_clone().map_err(|_| Errno::EMFILE)?;
            places.push(another);
        }
        Ok(Self { places, filled: Cell::new(0), is_refused: Cell::new(false) })
    }

    /// Whether children can leave like this, as far as is known.
    pub(super) fn is_usable(&self) -> bool {
        !self.is_refused.get()
    }

    /// Puts what the child of `orders` needs into the berth and has `orders` say so; `false` if it
    /// does not fit. [`Berth::clear`] is to follow.
    pub(super) fn fill(&self, orders: &mut Orders<'_>) -> bool {
        // The last place stays as it is, so that there is something to empty the others with.
        let Some((last, places)) = self.places.split_last() else { return false };
        let mut free = places.iter().map(AsRawFd::as_raw_fd);
        for (filled, descriptor) in (1..).zip(orders.descriptors()) {
            let Some(place) = free.next().filter(|place| duplicate(*descriptor, *place)) else {
                self.clear();
                return false;
            };
            *descriptor = place;
            self.filled.set(filled);
        }
        let highest = places.iter().map(AsRawFd::as_raw_fd).fold(last.as_raw_fd(), i32::max);
        orders.leaves_from = Some(highest.unsigned_abs().saturating_add(1));
        true
    }

    /// Empties the berth again.
    pub(super) fn clear(&self) {
        let Some((last, places)) = self.places.split_last() else { return };
        for place in places.iter().take(self.filled.take()) {
            duplicate(last.as_raw_fd(), place.as_raw_fd());
        }
    }

    /// Waits for what the child says of its leaving, where it is to say so.
    pub(super) fn wait(&self, report: &OwnedFd) -> Left {
        let patience = PollTimeout::try_from(BERTH_PATIENCE).unwrap_or(PollTimeout::ZERO);
        let mut ready = [PollFd::new(report.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut ready, patience);
        let mut word = [0];
        match read(report, &mut word) {
            Ok(1) if word == LEFT => Left::Yes,
            Ok(1) => {
                self.is_refused.set(true);
                Left::Refused
            }
            Ok(_) | Err(_) => Left::Silent,
        }
    }
}

fn duplicate(source: RawFd, target: RawFd) -> bool {
    // SAFETY: dup3(2) takes numbers; what `target` was is ours and only a placeholder.
    unsafe { libc::dup3(source, target, libc::O_CLOEXEC) == target }
}

#[cfg(test)]
mod tests {
    use nix::unistd::{pipe2, write};

    use super::*;

    fn link(number: RawFd) -> std::path::PathBuf {
        std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap()
    }

    #[test]
    fn what_a_child_says_of_its_leaving_is_heard() {
        let berth = Berth::open().unwrap();
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
        assert_eq!(berth.wait(&reader), Left::Silent);
        write(&writer, &LEFT).unwrap();
        assert_eq!(berth.wait(&reader), Left::Yes);
        assert!(berth.is_usable());
        write(&writer, b"?").unwrap();
        assert_eq!(berth.wait(&reader), Left::Refused);
        assert!(!berth.is_usable(), "it would be refused again");
    }

    #[test]
    fn places_are_empty_again_afterwards() {
        let berth = Berth::open().unwrap();
        let numbers: Vec<RawFd> = berth.places.iter().map(AsRawFd::as_raw_fd).collect();
        assert_eq!(numbers.len(), BERTH_DESCRIPTORS);
        let (reader, _writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        assert!(duplicate(reader.as_raw_fd(), numbers[0]));
        berth.filled.set(1);
        assert_eq!(link(numbers[0]), link(reader.as_raw_fd()));
        berth.clear();
        assert!(numbers.iter().all(|number| link(*number) == link(numbers[7])));
    }
}
