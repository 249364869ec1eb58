//! The recent output of every service, shared by the relays that fill it and the thread that shows
//! it. The loop has nothing to do with it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use litemap::LiteMap;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::relay::lock;
use crate::limits::{RING_BYTES_MAX, RING_BYTES_MIN, RINGS_BYTES_MAX};
use crate::output::{Cursor, Line, Ring, Stream};
use crate::service::Name;

/// Whose output it is.
pub type Source = (Name, Stream);

/// The recent output of everybody.
#[derive(Debug, Default)]
pub struct Rings {
    rings: Mutex<LiteMap<Source, Arc<SharedRing>>>,
    common: Arc<Common>,
}

/// The recent output of one stream.
#[derive(Debug)]
pub struct SharedRing {
    /// None before anything was written: many streams stay silent.
    kept: Mutex<Option<Box<Kept>>>,
    common: Arc<Common>,
}

/// What is kept of a stream.
#[derive(Debug)]
struct Kept {
    ring: Ring,
    /// How many bytes it may have; grows with use, up to [`RING_BYTES_MAX`].
    limit: usize,
}

/// What all rings share.
#[derive(Debug, Default)]
struct Common {
    /// Bytes that rings may keep beyond [`RING_BYTES_MIN`] each.
    used: AtomicUsize,
    /// How many read along.
    followers: AtomicUsize,
    /// Whether `wake` has been written to and not been read yet.
    woken: AtomicBool,
    wake: OnceLock<EventFd>,
}

impl Rings {
    /// The ring of this stream, an empty one if there was none.
    #[must_use]
    pub fn of(&self, source: &Source) -> Arc<SharedRing> {
        let mut rings = lock(&self.rings);
        let new =
            || Arc::new(SharedRing { kept: Mutex::default(), common: Arc::clone(&self.common) });
        Arc::clone(rings.entry(source.clone()).or_insert_with(new))
    }

    /// Forgets what this service wrote. Who reads along keeps what it has not read yet.
    pub fn forget(&self, name: &Name) {
        lock(&self.rings).retain(|(other, _), _| other != name);
    }

    /// Every ring whose service is wanted.
    #[must_use]
    pub fn all(&self, wanted: impl Fn(&Name) -> bool) -> Vec<(Source, Arc<SharedRing>)> {
        let rings = lock(&self.rings);
        let wanted = rings.iter().filter(|((name, _), _)| wanted(name));
        wanted.map(|(source, ring)| (source.clone(), Arc::clone(ring))).collect()
    }

    /// What becomes readable when somebody reads along and there is something new.
    ///
    /// # Errors
    /// No descriptor to be had.
    pub fn wake(&self) -> Result<BorrowedFd<'_>, Errno> {
        if let Some(wake) = self.common.wake.get() {
            return Ok(wake.as_fd());
        }
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(self.common.wake.get_or_init(|| wake).as_fd())
    }

    /// Makes [`Rings::wake`] readable.
    pub fn wake_up(&self) {
        self.common.wake_up();
    }

    /// Makes it unreadable, until there is something new.
    pub fn awake(&self) {
        if let Some(wake) = self.common.wake.get() {
            let _ = wake.read();
        }
        self.common.woken.store(false, Ordering::SeqCst);
    }

    /// One more reads along.
    pub fn follow(&self) {
        self.common.followers.fetch_add(1, Ordering::SeqCst);
    }

    /// One less reads along.
    pub fn unfollow(&self) {
        self.common.followers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl SharedRing {
    /// Takes what was written.
    pub fn push(&self, bytes: &[u8], nanoseconds: u64) {
        if bytes.is_empty() {
            return;
        }
        self.change(bytes.len(), |ring, limit, counting| {
            ring.push(bytes, nanoseconds, limit, counting);
        });
    }

    /// Ends the line that has been begun, if there is one: a run has ended.
    pub fn end_line(&self, nanoseconds: u64) {
        if lock(&self.kept).is_some() {
            self.change(1, |ring, limit, counting| ring.end_line(nanoseconds, limit, counting));
        }
    }

    /// From here on everything is new.
    #[must_use]
    pub fn end(&self) -> Cursor {
        lock(&self.kept).as_deref().map(|kept| kept.ring.end()).unwrap_or_default()
    }

    /// Before the last `lines` lines, or before all that are kept.
    #[must_use]
    pub fn before_last(&self, lines: Option<usize>) -> Cursor {
        lock(&self.kept).as_deref().map(|kept| kept.ring.before_last(lines)).unwrap_or_default()
    }

    /// The next line at `cursor`, which moves behind it.
    pub fn next(&self, cursor: &mut Cursor) -> Option<Line> {
        lock(&self.kept).as_deref()?.ring.next(cursor)
    }

    fn change(&self, more: usize, change: impl FnOnce(&mut Ring, usize, bool)) {
        let followed = self.common.followers.load(Ordering::SeqCst) > 0;
        let mut place = lock(&self.kept);
        let Kept { ring, limit } = &mut **place.get_or_insert_default();
        *limit = self.common.grown(*limit, ring.len().saturating_add(more));
        change(ring, *limit, followed);
        drop(place);
        if followed {
            self.common.wake_up();
        }
    }
}

impl Drop for SharedRing {
    fn drop(&mut self) {
        if let Some(kept) = &*lock(&self.kept) {
            let beyond = kept.limit.saturating_sub(RING_BYTES_MIN);
            self.common.used.fetch_sub(beyond, Ordering::Relaxed);
        }
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self { ring: Ring::default(), limit: RING_BYTES_MIN }
    }
}

impl Common {
    /// The limit, doubled until `wanted` fits or there is no more room for all.
    fn grown(&self, mut limit: usize, wanted: usize) -> usize {
        while limit < wanted && limit < RING_BYTES_MAX {
            let granted = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(limit).filter(|used| *used <= RINGS_BYTES_MAX)
            });
            if granted.is_err() {
                break;
            }
            limit = limit.saturating_mul(2);
        }
        limit
    }

    fn wake_up(&self) {
        if let Some(wake) = self.wake.get()
            && !self.woken.swap(true, Ordering::SeqCst)
        {
            let _ = wake.write(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_grow_with_use_and_share_one_bound() {
        let rings = Rings::default();
        let source = |number: usize| (Name::new(&format!("s{number}")).unwrap(), Stream::Stdout);
        let quiet = rings.of(&source(0));
        quiet.push(b"a word\n", 1);
        assert_eq!(lock(&quiet.kept).as_ref().unwrap().limit, RING_BYTES_MIN);
        let many = RINGS_BYTES_MAX / RING_BYTES_MAX * 2;
        for number in 1..=many {
            rings.of(&source(number)).push(&[b'x'; RING_BYTES_MAX], 1);
        }
        assert!(rings.common.used.load(Ordering::Relaxed) <= RINGS_BYTES_MAX);
        let last = rings.of(&source(many));
        assert_eq!(lock(&last.kept).as_ref().unwrap().ring.len(), RING_BYTES_MIN);
        drop(last);
        for number in 1..=many {
            rings.forget(&source(number).0);
        }
        assert_eq!(rings.common.used.load(Ordering::Relaxed), 0);
        assert_eq!(rings.all(|_| true).len(), 1);
    }

    #[test]
    fn only_followers_are_woken() {
        let rings = Rings::default();
        rings.wake().unwrap();
        let web = rings.of(&(Name::new("web").unwrap(), Stream::Stdout));
        let is_woken = || rings.common.woken.load(Ordering::SeqCst);
        web.push(b"a\n", 1);
        assert!(!is_woken());
        rings.follow();
        web.push(b"b\n", 1);
        assert!(is_woken());
        rings.awake();
        assert!(!is_woken());
        rings.unfollow();
        web.push(b"c\n", 1);
        assert!(!is_woken());
    }
}
