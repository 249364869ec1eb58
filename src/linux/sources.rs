//! Reading the sources again, on a thread of its own: a disk may take as long as it likes, and the
//! loop goes on meanwhile.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::relay::lock;
use super::thread;
use crate::service::{Place, Plan, Problem};

/// Reads the sources.
pub type Load = Arc<dyn Fn() -> Outcome + Send + Sync>;

/// The plan, or everything that is wrong with it.
pub type Outcome = Result<Plan, Vec<Problem>>;

/// The sources, and a reading of them that may be under way.
pub struct Sources {
    load: Load,
    outcome: Arc<Mutex<Option<Outcome>>>,
    done: Arc<EventFd>,
}

impl Sources {
    /// Nothing is being read yet.
    ///
    /// # Errors
    /// No descriptor to be had.
    pub fn new(load: Load) -> Result<Self, Errno> {
        let done = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { load, outcome: Arc::default(), done: Arc::new(done) })
    }

    /// What becomes readable when they have been read.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }

    /// Begins to read them.
    pub fn read(&self) {
        let (load, outcome) = (Arc::clone(&self.load), Arc::clone(&self.outcome));
        let done = Arc::clone(&self.done);
        let work = move || {
            let result = load();
            *lock(&outcome) = Some(result);
            let _ = done.write(1);
        };
        if let Err(failure) = thread::start("onit-reload", "a thread to read the sources", work) {
            let problem = Problem::new(Place::file("reload"), failure.to_string());
            *lock(&self.outcome) = Some(Err(vec![problem]));
            let _ = self.done.write(1);
        }
    }

    /// What has been read, if it has.
    #[must_use]
    pub fn take(&self) -> Option<Outcome> {
        let _ = self.done.read();
        lock(&self.outcome).take()
    }
}
