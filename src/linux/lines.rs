//! Lines that services are waited for to write: found by the relays, heard of by the loop.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

use memchr::memmem;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::relay::lock;
use crate::service::RunId;

/// The runs whose line was found, on their way from the relays to the loop.
#[derive(Debug)]
pub struct Sightings {
    runs: Mutex<Vec<RunId>>,
    /// Written to when there is one.
    wake: EventFd,
}

/// Looks for a text in what comes out of a pipe.
#[derive(Debug)]
pub struct Lookout {
    run: RunId,
    /// Free of newlines, so that whatever contains it is a line that does.
    text: Vec<u8>,
    /// The end of what came before: the text may begin there.
    tail: Vec<u8>,
    /// Bytes that an earlier run wrote, and are still to come.
    skip: u64,
    sightings: Arc<Sightings>,
}

impl Sightings {
    /// None yet.
    ///
    /// # Errors
    /// No descriptor to be had.
    pub fn new() -> Result<Self, Errno> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self { runs: Mutex::default(), wake: EventFd::from_flags(flags)? })
    }

    /// What becomes readable when there is one.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Takes those there are. A run may be among them twice: a service has two streams.
    #[must_use]
    pub fn take(&self) -> Vec<RunId> {
        let _ = self.wake.read();
        std::mem::take(&mut *lock(&self.runs))
    }

    fn add(&self, run: RunId) {
        lock(&self.runs).push(run);
        // It fails only if it would count beyond 2^64, and then it is readable anyway.
        let _ = self.wake.write(1);
    }
}

impl Lookout {
    /// Looks for a line of `run` that contains `text`.
    #[must_use]
    pub fn new(run: RunId, text: &str, sightings: &Arc<Sightings>) -> Self {
        let (text, sightings) = (text.as_bytes().to_vec(), Arc::clone(sightings));
        Self { run, text, tail: Vec::new(), skip: 0, sightings }
    }

    /// The next so many bytes are not of this run.
    #[must_use]
    pub fn skipping(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    /// Looks at what has come out of the pipe. Says whether the text has been found, and then has
    /// told so.
    pub fn look(&mut self, bytes: &[u8]) -> bool {
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip = self.skip.saturating_sub(u64::try_from(skip).unwrap_or(u64::MAX));
        let bytes = bytes.get(skip..).unwrap_or_default();
        let reach = self.text.len().saturating_sub(1);
        // Across the border between two reads, and then within this one.
        self.tail.extend_from_slice(bytes.get(..reach).unwrap_or(bytes));
        let found = memmem::find(&self.tail, &self.text).is_some()
            || memmem::find(bytes, &self.text).is_some();
        if found {
            self.sightings.add(self.run);
            return true;
        }
        if bytes.len() >= reach {
            self.tail.clear();
            let from = bytes.len().saturating_sub(reach);
            self.tail.extend_from_slice(bytes.get(from..).unwrap_or_default());
        } else {
            let from = self.tail.len().saturating_sub(reach);
            self.tail.drain(..from);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_wherever_reads_cut_it() {
        let check = |text: &str, reads: &[&str], expected: bool| {
            let sightings = Arc::new(Sightings::new().unwrap());
            let mut lookout = Lookout::new(RunId(3), text, &sightings);
            let found = reads.iter().any(|bytes| lookout.look(bytes.as_bytes()));
            assert_eq!(found, expected, "{text:?} in {reads:?}");
            assert_eq!(sightings.take(), if expected { vec![RunId(3)] } else { Vec::new() });
        };
        check("ready", &["server is ready\n"], true);
        check("ready", &["server is re", "ady"], true);
        check("ready", &["r", "e", "a", "d", "y"], true);
        check("ready", &["rea", "rea", "dy"], true);
        check("ready", &["re\n", "ady\n"], false);
        check("ready", &["rea dy", "read", "eady"], false);
        check("x", &["", "abc", "x"], true);
        check("aab", &["aa", "a", "b"], true);
    }

    #[test]
    fn what_an_earlier_run_wrote_does_not_count() {
        let sightings = Arc::new(Sightings::new().unwrap());
        let mut lookout = Lookout::new(RunId(1), "ready", &sightings).skipping(9);
        assert!(!lookout.look(b"re"));
        assert!(!lookout.look(b"adyready"), "it began before the border");
        assert!(lookout.look(b"ready"));
    }
}
