//! A file that lines are appended to: opened when it is needed, kept below a size by giving older
//! parts numbers, and opened again when somebody else has moved it.
//!
//! For the threads of the relays only: a file may take as long as its volume likes.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use memchr::{memchr, memrchr};
use nix::errno::Errno as Error;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat, stat};
use nix::unistd::ftruncate;

use super::clock::monotonic_clock;
use super::relay::{Trouble, errno};
use crate::limits::FILE_RETRY_INTERVAL;
use crate::service::{Failure, Rotation};

/// The file, and how far it is.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    /// Once it is open.
    open: Option<Open>,
    /// Why it could not be opened, and before when no other attempt is made.
    closed: Option<(Error, Instant)>,
    /// It could not be rotated; before this no other attempt is made.
    stuck: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    file: OwnedFd,
    /// In bytes, as far as we know: others may write to it, too.
    size: u64,
    /// What is no regular file, a FIFO or a terminal, has no older parts.
    is_regular: bool,
}

impl LogFile {
    /// Not opened yet.
    #[must_use]
    pub fn new(path: PathBuf, rotation: Rotation) -> Self {
        Self { path, rotation, open: None, closed: None, stuck: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whoever writes next opens it again, under its name.
    pub(super) fn close(&mut self) {
        self.open = None;
        self.closed = None;
    }

    /// So many bytes have been written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        if let Some(open) = &mut self.open {
            open.size = open.size.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        }
    }

    /// Where to write, and how much of `bytes`, not nothing: whole lines as long as they fit, in a
    /// new file when none does. With `torn` the rest of a line comes first, and stays with it.
    pub(super) fn place_for<'b>(
        &mut self,
        bytes: &'b [u8],
        torn: bool,
    ) -> Result<(BorrowedFd<'_>, &'b [u8]), Trouble> {
        self.open()?;
        let mut part = self.fitting(bytes);
        if part.is_empty() {
            let is_new = self.open.as_ref().is_some_and(|open| open.size == 0);
            if !torn && !is_new {
                part = if self.rotate()? { self.fitting(bytes) } else { bytes };
            }
            // A line that is longer than a file may be has one of its own.
            if part.is_empty() {
                part = memchr(b'\n', bytes).and_then(|end| bytes.get(..=end)).unwrap_or(bytes);
            }
        }
        match &self.open {
            Some(open) => Ok((open.file.as_fd(), part)),
            None => Err(Trouble { operation: "write to", error: Error::EBADF }),
        }
    }

    /// The whole lines of `bytes` that still fit; all of them where there is no limit.
    fn fitting<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let (Some(open), most @ 1..) = (&self.open, self.rotation.max_size) else { return bytes };
        if !open.is_regular {
            return bytes;
        }
        let room = usize::try_from(most.saturating_sub(open.size)).unwrap_or(usize::MAX);
        if bytes.len() <= room {
            return bytes;
        }
        let fits = bytes.get(..room).unwrap_or_default();
        memrchr(b'\n', fits).and_then(|end| fits.get(..=end)).unwrap_or_default()
    }

    fn open(&mut self) -> Result<(), Trouble> {
        if self.open.is_some() {
            return Ok(());
        }
        let failed = |error| Trouble { operation: "open", error };
        let now = monotonic_clock();
        if let Some((error, until)) = self.closed
            && now < until
        {
            return Err(failed(error));
        }
        match open_at_end(&self.path) {
            Ok(open) => {
                self.open = Some(open);
                Ok(())
            }
            Err(error) => {
                self.closed = now.checked_add(FILE_RETRY_INTERVAL).map(|until| (error, until));
                Err(failed(error))
            }
        }
    }

    /// Makes room in a new file. Says whether there is one; if it cannot be made, that is told, and
    /// the old one grows.
    fn rotate(&mut self) -> Result<bool, Trouble> {
        let now = monotonic_clock();
        if self.stuck.is_some_and(|until| now < until) {
            return Ok(false);
        }
        if !self.is_ours() {
            // Somebody has moved it: that is a new file already.
            self.close();
            return self.open().map(|()| true);
        }
        match self.move_up() {
            Ok(()) => {
                self.stuck = None;
                Ok(true)
            }
            Err(error) => {
                self.stuck = now.checked_add(FILE_RETRY_INTERVAL);
                let failure =
                    Failure::errno("rotate", self.path.display().to_string(), errno(error));
                log::warn!("{failure}; it grows until it can be");
                Ok(false)
            }
        }
    }

    /// Whether what is open is what its name leads to.
    fn is_ours(&self) -> bool {
        let Some(open) = &self.open else { return false };
        match (fstat(&open.file), stat(&self.path)) {
            (Ok(ours), Ok(named)) => (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino),
            (_, _) => false,
        }
    }

    fn move_up(&mut self) -> Result<(), Error> {
        if self.rotation.keep == 0 {
            let Some(open) = &mut self.open else { return Err(Error::EBADF) };
            ftruncate(&open.file, 0)?;
            open.size = 0;
            return Ok(());
        }
        for number in (1..self.rotation.keep).rev() {
            match rename(&self.numbered(number), &self.numbered(number.saturating_add(1))) {
                Ok(()) | Err(Error::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
        let first = self.numbered(1);
        rename(&self.path, &first)?;
        match open_at_end(&self.path) {
            Ok(open) => {
                self.open = Some(open);
                Ok(())
            }
            Err(error) => {
                // Back, so that what comes next is not lost: it is still open.
                let _ = rename(&first, &self.path);
                Err(error)
            }
        }
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }
}

fn open_at_end(path: &Path) -> Result<Open, Error> {
    // Without O_NONBLOCK a FIFO that nobody reads would be waited for; see fifo(7). On a regular
    // file it means nothing.
    let flags = OFlag::O_WRONLY
        | OFlag::O_APPEND
        | OFlag::O_CREAT
        | OFlag::O_CLOEXEC
        | OFlag::O_NOCTTY
        | OFlag::O_NONBLOCK;
    let file = open(path, flags, Mode::from_bits_truncate(0o644))?;
    let found = fstat(&file)?;
    let is_regular = found.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits();
    Ok(Open { file, size: u64::try_from(found.st_size).unwrap_or(0), is_regular })
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::rename(from, to)
        .map_err(|error| error.raw_os_error().map_or(Error::EIO, Error::from_raw))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;

    use nix::unistd::write;

    use super::super::relay::tests::temporary_directory;
    use super::*;

    struct Scene {
        directory: PathBuf,
        log: LogFile,
        torn: bool,
    }

    impl Scene {
        fn new(name: &str, max_size: u64, keep: u32) -> Self {
            let directory = temporary_directory(name);
            let log = LogFile::new(directory.join("log"), Rotation { max_size, keep });
            Self { directory, log, torn: false }
        }

        /// Writes as a relay does.
        fn say(&mut self, text: &str) {
            let mut rest = text.as_bytes();
            while !rest.is_empty() {
                let (file, part) = self.log.place_for(rest, self.torn).ok().unwrap();
                let count = write(file, part).unwrap();
                self.torn = part.get(..count).unwrap().last() != Some(&b'\n');
                self.log.wrote(count);
                rest = rest.get(count..).unwrap();
            }
        }

        /// The files there are, with what is in them.
        #[expect(clippy::disallowed_methods, reason = "regular files of this test")]
        fn files(&self) -> BTreeMap<String, String> {
            let entries = std::fs::read_dir(&self.directory).unwrap().map(Result::unwrap);
            let file = |entry: std::fs::DirEntry| {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                (entry.file_name().into_string().unwrap(), text)
            };
            entries.map(file).collect()
        }

        #[track_caller]
        fn has(&self, expected: &[(&str, &str)]) {
            let expected: BTreeMap<String, String> =
                expected.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
            assert_eq!(self.files(), expected);
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }

    #[test]
    fn full_files_are_kept_under_numbers() {
        let mut scene = Scene::new("rotation", 10, 2);
        scene.say("one\ntwo\n");
        scene.has(&[("log", "one\ntwo\n")]);
        scene.say("three\n");
        scene.has(&[("log", "three\n"), ("log.1", "one\ntwo\n")]);
        // Several at once, each whole.
        scene.say("a\nbb\nccc\ndddd\neeeee\n");
        scene.has(&[("log", "eeeee\n"), ("log.1", "dddd\n"), ("log.2", "bb\nccc\n")]);
        // It fits exactly.
        scene.say("123\n");
        scene.has(&[("log", "eeeee\n123\n"), ("log.1", "dddd\n"), ("log.2", "bb\nccc\n")]);
    }

    #[test]
    fn no_line_is_cut_however_long_it_is() {
        let mut scene = Scene::new("long", 10, 3);
        scene.say("short\n");
        scene.say("longer than a file may be\n");
        scene.say("x\n");
        scene.has(&[
            ("log", "x\n"),
            ("log.1", "longer than a file may be\n"),
            ("log.2", "short\n"),
        ]);
        // The rest of one that was written in part stays with it.
        scene.say("begun, ");
        scene.say("and ended\nnext\n");
        scene.has(&[
            ("log", "next\n"),
            ("log.1", "x\nbegun, and ended\n"),
            ("log.2", "longer than a file may be\n"),
            ("log.3", "short\n"),
        ]);
    }

    #[test]
    fn without_a_limit_or_without_older_ones() {
        let mut scene = Scene::new("endless", 0, 5);
        scene.say(&"line\n".repeat(1000));
        scene.has(&[("log", &"line\n".repeat(1000))]);
        let mut scene = Scene::new("none-kept", 10, 0);
        scene.say("one\ntwo\n");
        scene.say("three\n");
        scene.has(&[("log", "three\n")]);
    }

    #[test]
    fn a_file_that_was_there_counts() {
        let mut scene = Scene::new("before", 10, 1);
        std::fs::write(scene.directory.join("log"), "earlier\n").unwrap();
        scene.say("later\n");
        scene.has(&[("log", "later\n"), ("log.1", "earlier\n")]);
    }

    #[test]
    fn what_somebody_else_has_moved_is_left_to_them() {
        let mut scene = Scene::new("moved", 10, 3);
        scene.say("one\n");
        std::fs::rename(scene.directory.join("log"), scene.directory.join("log-old")).unwrap();
        scene.say("two\n");
        scene.has(&[("log-old", "one\ntwo\n")]);
        // When it is full, or when somebody says so.
        scene.say("three\n");
        scene.has(&[("log", "three\n"), ("log-old", "one\ntwo\n")]);
        std::fs::remove_file(scene.directory.join("log")).unwrap();
        scene.log.close();
        scene.say("four\n");
        scene.has(&[("log", "four\n"), ("log-old", "one\ntwo\n")]);
    }

    #[test]
    fn what_cannot_be_rotated_grows() {
        let mut scene = Scene::new("stuck", 10, 1);
        scene.say("one\ntwo\n");
        // A directory of that name cannot be replaced by a file.
        std::fs::create_dir_all(scene.directory.join("log.1/in the way")).unwrap();
        scene.say("three\n");
        scene.say("four\n");
        std::fs::remove_dir_all(scene.directory.join("log.1")).unwrap();
        scene.has(&[("log", "one\ntwo\nthree\nfour\n")]);
        scene.log.stuck = None;
        scene.say("five\n");
        scene.has(&[("log", "five\n"), ("log.1", "one\ntwo\nthree\nfour\n")]);
    }

    #[test]
    fn what_is_no_regular_file_has_no_older_parts() {
        let mut scene = Scene::new("device", 10, 1);
        symlink("/dev/null", scene.directory.join("log")).unwrap();
        scene.say("one\ntwo\nthree\nfour\n");
        scene.has(&[("log", "")]);
    }
}
