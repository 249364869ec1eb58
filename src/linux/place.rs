//! Where the control socket is: the server makes it in the first place it can, the client looks in
//! the same places.

use std::fs::DirBuilder;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::errno::Errno as Error;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::poll::poll;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::geteuid;

use super::client::peer;
use super::relay::errno;
use crate::service::Failure;

/// Where the control socket is when nothing else is said.
pub const USUAL: &str = "/run/onit.sock";

/// The socket that was made.
#[derive(Debug)]
pub struct Place {
    /// What clients connect to; does not block.
    pub listener: UnixListener,
    /// Where it is.
    pub path: PathBuf,
    /// What it is in the file system, to know it again.
    identity: (u64, u64),
}

/// Why there is no socket.
#[derive(Debug)]
pub enum Unplaced {
    /// Another onit answers there.
    Taken {
        /// Where.
        path: PathBuf,
        /// Which process.
        pid: Option<i32>,
    },
    /// It could not be made anywhere.
    Nowhere(Failure),
}

/// Makes the socket: at `path`, or where it is usually.
///
/// # Errors
/// Another onit is there already, or there is no place.
pub fn make(path: Option<&Path>) -> Result<Place, Unplaced> {
    if let Some(path) = path {
        return make_at(path);
    }
    let mut failure = None;
    for path in [first_place(), second_place()] {
        if let Some(directory) = path.parent() {
            prepare(directory);
        }
        match is_ours(&path).and_then(|()| make_at(&path)) {
            Err(Unplaced::Nowhere(why)) => failure = failure.or(Some(why)),
            result => return result,
        }
    }
    let none = || Failure::errno("make", USUAL, errno(Error::ENOENT));
    Err(Unplaced::Nowhere(failure.unwrap_or_else(none)))
}

/// Connects to a running onit: at `path`, or where it is usually. Only root, our own user, and
/// whoever owns the place that was named may be the one that answers.
///
/// # Errors
/// The place that was tried last, and why nobody was reached.
pub fn connect(path: Option<&Path>) -> Result<UnixStream, Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::errno("reach onit at", path.display().to_string(), error.into())
    };
    if let Some(path) = path {
        return UnixStream::connect(path).map_err(|error| failed(path, error));
    }
    let mut first = None;
    // The second is only looked for when the first is not there.
    for place in [first_place, second_place] {
        let path = place();
        match UnixStream::connect(&path) {
            Ok(stream) => {
                let uid = peer(stream.as_fd()).map(|(uid, _)| uid);
                if uid.is_ok_and(|uid| uid == 0 || uid == geteuid().as_raw()) {
                    return Ok(stream);
                }
                let why = "it is answered by another user";
                let place = path.display().to_string();
                first.get_or_insert(Failure::known("trust the socket", place, why));
            }
            // The first place is the one a person knows, unless another says more than that there
            // is nothing.
            Err(error) => {
                let is_there = error.kind() != std::io::ErrorKind::NotFound;
                if is_there || first.is_none() {
                    first = Some(failed(&path, error));
                }
            }
        }
    }
    let nowhere = || Failure::errno("reach onit at", USUAL, errno(Error::ENOENT));
    connect_to_others().unwrap_or_else(|| Err(first.unwrap_or_else(nowhere)))
}

/// The onit of another user, who had no place in /run: root may ask it, others are told why not.
/// Only the user who PID 1 runs as is believed to run it: anybody can make such a directory.
fn connect_to_others() -> Option<Result<UnixStream, Failure>> {
    let namespace = namespace();
    let owner_of_init = Path::new("/proc/1").symlink_metadata().ok()?.uid();
    let path = in_memory(owner_of_init, &namespace);
    let found = path.parent()?.symlink_metadata().ok()?;
    if !found.is_dir() || found.uid() != owner_of_init {
        return None;
    }
    let place = path.display().to_string();
    if !geteuid().is_root() {
        let why = format!(
            "permission denied: it runs as user {owner_of_init}, and only that user and root may ask"
        );
        return Some(Err(Failure::known("ask the onit at", place, why)));
    }
    let stream = UnixStream::connect(&path)
        .map_err(|error| Failure::errno("reach onit at", place.clone(), error.into()))
        .and_then(|stream| match peer(stream.as_fd()) {
            Ok((uid, _)) if uid == owner_of_init => Ok(stream),
            _ => Err(Failure::known("trust the socket", place, "it is answered by another user")),
        });
    Some(stream)
}

impl Place {
    /// Removes the socket from the file system, if it is still the one that was made.
    pub fn remove(&self) {
        if identity(&self.path) == Some(self.identity) {
            let _ = std::fs::remove_file(&self.path);
            // The directory in memory was made for this; one with something else in it stays.
            if self.path == second_place()
                && let Some(directory) = self.path.parent()
            {
                let _ = std::fs::remove_dir(directory);
            }
        }
    }
}

fn first_place() -> PathBuf {
    PathBuf::from(USUAL)
}

/// A directory of ours in memory. Pods share /dev/shm between containers, so its name tells users
/// and process namespaces apart.
fn second_place() -> PathBuf {
    in_memory(geteuid().as_raw(), &namespace())
}

fn in_memory(uid: u32, namespace: &str) -> PathBuf {
    PathBuf::from(format!("/dev/shm/onit-{uid}-{namespace}/onit.sock"))
}

/// The number of our process namespace.
fn namespace() -> String {
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
}

/// Makes the directory if it is missing. What fails is found out when the socket is made.
fn prepare(directory: &Path) {
    let mode = if directory == Path::new("/run") { 0o755 } else { 0o700 };
    let _ = DirBuilder::new().mode(mode).create(directory);
}

/// In a directory that others may write to, what is ours must be: somebody may have been there
/// first.
fn is_ours(path: &Path) -> Result<(), Unplaced> {
    if path == Path::new(USUAL) {
        return Ok(());
    }
    let Some(directory) = path.parent() else { return Ok(()) };
    let refuse = |failure| Err(Unplaced::Nowhere(failure));
    let object = directory.display().to_string();
    match directory.symlink_metadata() {
        Ok(found) if !found.is_dir() => refuse(Failure::known("use", object, "it is no directory")),
        Ok(found) if found.uid() != geteuid().as_raw() || found.mode() & 0o077 != 0 => {
            refuse(Failure::known("use", object, "it is not ours alone"))
        }
        Ok(_) => Ok(()),
        Err(error) => refuse(Failure::errno("use", object, error.into())),
    }
}

fn make_at(path: &Path) -> Result<Place, Unplaced> {
    let failed = |error: Error| {
        let object = path.display().to_string();
        Unplaced::Nowhere(Failure::errno("make the control socket", object, errno(error)))
    };
    // Two that start at the same time would both find nobody, or a socket that is not listened to
    // yet: one after the other.
    let _lock = path.parent().and_then(lock);
    match bind_to(path) {
        Err(Error::EADDRINUSE) => {
            match UnixStream::connect(path) {
                Ok(stream) => {
                    let pid = peer(stream.as_fd()).map(|(_, pid)| pid).ok();
                    return Err(Unplaced::Taken { path: path.to_owned(), pid });
                }
                // Nobody listens: it was left behind.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
                Err(error) => {
                    return Err(failed(Error::from_raw(
                        error.raw_os_error().unwrap_or(libc::EADDRINUSE),
                    )));
                }
            }
            let left = path.symlink_metadata().map(|found| found.mode() & libc::S_IFMT);
            if left.is_ok_and(|kind| kind != libc::S_IFSOCK) {
                return Err(failed(Error::EADDRINUSE));
            }
            let _ = std::fs::remove_file(path);
            bind_to(path).map_err(failed)
        }
        result => result.map_err(failed),
    }
    .map(|listener| {
        let identity = identity(path).unwrap_or_default();
        Place { listener: UnixListener::from(listener), path: path.to_owned(), identity }
    })
}

/// A lock on the directory, until it is dropped. Whoever else holds it is not waited for for long:
/// then it was not for making a socket.
fn lock(directory: &Path) -> Option<Flock<OwnedFd>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut directory = open(directory, flags, Mode::empty()).ok()?;
    for _ in 0..LOCK_ATTEMPTS {
        directory = match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Some(lock),
            Err((directory, Error::EWOULDBLOCK)) => directory,
            Err(_) => return None,
        };
        let _ = poll(&mut [], LOCK_PAUSE_MS);
    }
    None
}

/// How often another one that starts is waited for, and how long each time: a second in all, for
/// what takes a millisecond.
const LOCK_ATTEMPTS: usize = 100;
const LOCK_PAUSE_MS: u8 = 10;

fn bind_to(path: &Path) -> Result<OwnedFd, Error> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let listener = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // Before it has a name: the name is made with the mode of the socket, less the umask, so there
    // is no moment at which others could connect.
    fchmod(&listener, Mode::from_bits_truncate(0o600))?;
    bind(listener.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&listener, Backlog::MAXALLOWABLE)?;
    Ok(listener)
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    path.symlink_metadata().ok().map(|found| (found.dev(), found.ino()))
}
