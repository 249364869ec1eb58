//! The system's error numbers in the vocabulary of `service`. Decides nothing.

use crate::service::Errno;

impl From<nix::errno::Errno> for Errno {
    fn from(errno: nix::errno::Errno) -> Self {
        Self(errno as i32)
    }
}

impl From<std::io::Error> for Errno {
    /// The number the system gave. What std made up itself has none; nothing we ask of it does,
    /// so that "input/output error" is only the safe answer.
    fn from(error: std::io::Error) -> Self {
        Self(error.raw_os_error().unwrap_or(libc::EIO))
    }
}
