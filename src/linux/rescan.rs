//! Directories of services that are watched: runsvdir finds what is new in its own, and so do we,
//! but without looking again and again. See inotify(7).

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use litemap::LiteMap;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::files;
use super::relay::{errno, lock};
use crate::limits::{RESCAN_TIME, WATCHED_DIRECTORIES_MAX};
use crate::service::Failure;

/// Directories that are watched.
#[derive(Debug)]
pub struct Rescan {
    inotify: Inotify,
    /// Runs out when nothing has changed for a moment: whoever makes a directory puts something
    /// into it next.
    timer: TimerFd,
    watched: Mutex<LiteMap<PathBuf, WatchDescriptor>>,
}

impl Rescan {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// No descriptor, or no inotify, to be had.
    pub fn new() -> Result<Self, Failure> {
        let failed = |error| Failure::errno("watch", "the directories of services", errno(error));
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        let inotify = Inotify::init(flags).map_err(failed)?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).map_err(failed)?;
        Ok(Self { inotify, timer, watched: Mutex::default() })
    }

    /// Watches these directories, and what is in them and is no service yet; nothing else any more.
    /// Nothing new is found in one that is itself a service, and what is written there is its own
    /// affair. Reads them, so not for the loop.
    pub fn watch(&self, directories: &[PathBuf]) {
        let is_service =
            |path: &PathBuf| path.join("run").metadata().is_ok_and(|found| !found.is_dir());
        let many = || directories.iter().filter(|path| !is_service(path));
        let mut wanted: Vec<PathBuf> = many().cloned().collect();
        for directory in many() {
            let names = files::list(directory).unwrap_or_default();
            let visible = names.iter().filter(|name| !name.as_encoded_bytes().starts_with(b"."));
            let inside = visible.map(|name| directory.join(name));
            let unborn = |path: &PathBuf| path.is_dir() && !is_service(path);
            wanted.extend(inside.filter(unborn));
        }
        wanted.truncate(WATCHED_DIRECTORIES_MAX);
        let mut watched = lock(&self.watched);
        watched.retain(|path, descriptor| {
            let stays = wanted.contains(path);
            if !stays {
                // It may be gone, and its watch with it.
                let _ = self.inotify.rm_watch(*descriptor);
            }
            stays
        });
        let flags = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_ONLYDIR;
        for path in wanted {
            match self.inotify.add_watch(&path, flags) {
                Ok(descriptor) => {
                    watched.insert(path, descriptor);
                }
                Err(error) => Self::complain(&path, error),
            }
        }
    }

    fn complain(path: &Path, error: nix::Error) {
        // What went away meanwhile is no loss.
        if error != nix::Error::ENOENT {
            let failure = Failure::errno("watch", path.display().to_string(), errno(error));
            log::warn!("{failure}; what is new there is found by onit reload");
        }
    }

    /// Becomes readable when something has changed.
    #[must_use]
    pub fn changes(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Becomes readable when nothing more has changed for a moment.
    #[must_use]
    pub fn settled(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }

    /// Something has changed: more may follow.
    pub fn has_changed(&self) {
        // What it was does not matter. Each read takes a page of it.
        while self.inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
        let time = Expiration::OneShot(TimeSpec::from_duration(RESCAN_TIME));
        // A timer of our own with a time above 0 cannot fail.
        let _ = self.timer.set(time, TimerSetTimeFlags::empty());
    }

    /// It has settled.
    pub fn has_settled(&self) {
        let _ = self.timer.unset();
    }
}

const _: () = assert!(Duration::as_millis(&RESCAN_TIME) > 0, "0 would stop the timer");
