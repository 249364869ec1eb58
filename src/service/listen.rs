//! Sockets that are bound once for a service, and handed to each of its runs.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::Who;

/// A listening socket of a service; see sd_listen_fds(3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// What it is called in `LISTEN_FDNAMES`; has no `:` and no control characters.
    pub name: String,
    /// Where it is bound; none: only one that was handed to onit under this name will do.
    pub address: Option<Address>,
    /// How many connections may wait; see listen(2).
    pub backlog: u32,
    /// The mode of a path; none: what the umask leaves.
    pub mode: Option<u32>,
    /// Who owns a path; none: the user of the service.
    pub user: Option<Who>,
    /// Whose group a path has; none: the group of the service.
    pub group: Option<Who>,
}

/// Where a socket is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A stream socket in the file system.
    Unix(PathBuf),
}

impl Listen {
    /// The usual number of connections that may wait: what the kernel allows at most by default,
    /// `net.core.somaxconn`.
    pub const BACKLOG: u32 = 4096;
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}
