//! Reading the sources again, on a thread of its own: a disk may take as long as it likes, and the
//! loop goes on meanwhile.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::relay::{errno, lock};
use super::thread;
use crate::service::{Place, Plan, Problem};

/// Reads the sources.
pub type Load = Arc<dyn Fn() -> Outcome + Send + Sync>;

/// The plan, or everything that is wrong with it.
pub type Outcome = Result<Plan, Vec<Problem>>;

/// The sources, and a reading of them that may be under way.
pub struct Sources {
    load: Load,
    reading: Option<Reading>,
}

struct Reading {
    outcome: Arc<Mutex<Option<Outcome>>>,
    /// Written to when there is an outcome.
    done: Arc<EventFd>,
}

impl Sources {
    /// Nothing is being read yet.
    #[must_use]
    pub fn new(load: Load) -> Self {
        Self { load, reading: None }
    }

    /// Begins to read them. What can be waited for becomes readable when that is done; without it
    /// this is the outcome.
    ///
    /// # Errors
    /// They cannot be read now, and why.
    pub fn read(&mut self) -> Result<BorrowedFd<'_>, Problem> {
        let failed = |what: String| Problem::new(Place::file("reload"), what);
        let done = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|error| failed(format!("cannot wait for the sources: {}", errno(error))))?;
        let done = Arc::new(done);
        let outcome = Arc::new(Mutex::new(None));
        let (load, result, wake) =
            (Arc::clone(&self.load), Arc::clone(&outcome), Arc::clone(&done));
        let work = move || {
            let plan = load();
            *lock(&result) = Some(plan);
            let _ = wake.write(1);
        };
        thread::start(c"onit-reload", "a thread to read the sources", work)
            .map_err(|failure| failed(failure.to_string()))?;
        Ok(self.reading.insert(Reading { outcome, done }).done.as_fd())
    }

    /// What has been read, if it has.
    pub fn take(&mut self) -> Option<Outcome> {
        let outcome = self.reading.as_ref().and_then(|reading| lock(&reading.outcome).take())?;
        self.reading = None;
        Some(outcome)
    }
}
