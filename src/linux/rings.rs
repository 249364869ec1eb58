//! The recent output of every service, shared by the relays that fill it and the thread that shows
//! it. The loop has nothing to do with it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use litemap::LiteMap;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::relay::lock;
use crate::limits::{RING_BYTES_MAX, RING_BYTES_MIN, RINGS_BYTES_MAX};
use crate::output::{Cursor, Line, Ring, Stream};
use crate::service::Name;

/// Whose output it is.
pub type Source = (Name, Stream);

/// The recent output of everybody. A ring is there as long as somebody fills it or reads it.
#[derive(Debug, Default)]
pub struct Rings {
    rings: Mutex<LiteMap<Source, Weak<SharedRing>>>,
    common: Arc<Common>,
}

/// The recent output of one stream.
#[derive(Debug)]
pub struct SharedRing {
    kept: Mutex<Kept>,
    common: Arc<Common>,
}

/// Fills the ring of a stream, which is there once there is something to keep: many streams stay
/// silent.
#[derive(Debug)]
pub enum Recorder {
    /// Nothing has come yet.
    Silent(Arc<Rings>, Source),
    /// This is its ring.
    Filling(Arc<SharedRing>),
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
        if let Some(ring) = rings.get(source).and_then(Weak::upgrade) {
            return ring;
        }
        let common = Arc::clone(&self.common);
        let ring = Arc::new(SharedRing { kept: Mutex::default(), common });
        rings.insert(source.clone(), Arc::downgrade(&ring));
        ring
    }

    /// What fills the ring of this stream, the one there is if there is one.
    #[must_use]
    pub fn recorder(self: &Arc<Self>, source: Source) -> Recorder {
        match lock(&self.rings).get(&source).and_then(Weak::upgrade) {
            Some(ring) => Recorder::Filling(ring),
            None => Recorder::Silent(Arc::clone(self), source),
        }
    }

    /// Forgets what this service wrote. Who reads along keeps what it has not read yet.
    pub fn forget(&self, name: &Name) {
        lock(&self.rings).retain(|(other, _), ring| other != name && ring.strong_count() > 0);
    }

    /// Every ring whose service is wanted.
    #[must_use]
    pub fn all(&self, wanted: impl Fn(&Name) -> bool) -> Vec<(Source, Arc<SharedRing>)> {
        let rings = lock(&self.rings);
        let wanted = rings.iter().filter(|((name, _), _)| wanted(name));
        wanted.filter_map(|(source, ring)| Some((source.clone(), ring.upgrade()?))).collect()
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
        self.change(1, |ring, limit, counting| ring.end_line(nanoseconds, limit, counting));
    }

    /// From here on everything is new.
    #[must_use]
    pub fn end(&self) -> Cursor {
        lock(&self.kept).ring.end()
    }

    /// Before the last `lines` lines, or before all that are kept.
    #[must_use]
    pub fn before_last(&self, lines: Option<usize>) -> Cursor {
        lock(&self.kept).ring.before_last(lines)
    }

    /// The next line at `cursor`, which moves behind it.
    pub fn next(&self, cursor: &mut Cursor) -> Option<Line> {
        lock(&self.kept).ring.next(cursor)
    }

    fn change(&self, more: usize, change: impl FnOnce(&mut Ring, usize, bool)) {
        let followed = self.common.followers.load(Ordering::SeqCst) > 0;
        let mut kept = lock(&self.kept);
        let Kept { ring, limit } = &mut *kept;
        *limit = self.common.grown(*limit, ring.len().saturating_add(more));
        change(ring, *limit, followed);
        drop(kept);
        if followed {
            self.common.wake_up();
        }
    }
}

impl Recorder {
    /// Takes what was written.
    pub fn push(&mut self, bytes: &[u8], nanoseconds: u64) {
        if bytes.is_empty() {
            return;
        }
        if let Self::Silent(rings, source) = self {
            *self = Self::Filling(rings.of(source));
        }
        if let Self::Filling(ring) = self {
            ring.push(bytes, nanoseconds);
        }
    }

    /// Ends the line that has been begun, if there is one: a run has ended.
    pub fn end_line(&self, nanoseconds: u64) {
        if let Self::Filling(ring) = self {
            ring.end_line(nanoseconds);
        }
    }
}

impl Drop for SharedRing {
    fn drop(&mut self) {
        let beyond = lock(&self.kept).limit.saturating_sub(RING_BYTES_MIN);
        self.common.used.fetch_sub(beyond, Ordering::Relaxed);
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
        assert_eq!(lock(&quiet.kept).limit, RING_BYTES_MIN);
        let many: Vec<_> = (1..=RINGS_BYTES_MAX / RING_BYTES_MAX * 2)
            .map(|number| {
                let ring = rings.of(&source(number));
                ring.push(&[b'x'; RING_BYTES_MAX], 1);
                ring
            })
            .collect();
        assert!(rings.common.used.load(Ordering::Relaxed) <= RINGS_BYTES_MAX);
        assert_eq!(lock(&many.last().unwrap().kept).ring.len(), RING_BYTES_MIN);
        drop(many);
        assert_eq!(rings.common.used.load(Ordering::Relaxed), 0);
        assert_eq!(rings.all(|_| true).len(), 1);
    }

    #[test]
    fn a_stream_that_is_silent_has_no_ring() {
        let rings = Arc::new(Rings::default());
        let web = (Name::new("web").unwrap(), Stream::Stdout);
        let mut first = rings.recorder(web.clone());
        first.push(b"", 1);
        first.end_line(1);
        assert!(rings.all(|_| true).is_empty());
        first.push(b"a word\n", 1);
        // Who comes after it goes on with the same, as long as it is there.
        let mut second = rings.recorder(web.clone());
        second.push(b"another\n", 2);
        let words = |ring: &SharedRing| {
            let mut cursor = ring.before_last(None);
            std::iter::from_fn(|| ring.next(&mut cursor)).count()
        };
        assert!(
            matches!(&*rings.all(|_| true), [(source, ring)] if *source == web && words(ring) == 2)
        );
        drop(first);
        rings.forget(&web.0);
        assert!(rings.all(|_| true).is_empty());
        // What comes now is of a service that is gone; nothing of it stays.
        let mut late = rings.recorder(web.clone());
        late.push(b"last words\n", 3);
        drop((second, late));
        assert!(rings.all(|_| true).is_empty());
        rings.forget(&Name::onit());
        assert!(lock(&rings.rings).is_empty());
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
