//! The sockets of services: bound once, before anybody gives up a privilege, and kept through
//! restarts. Used by the loop only, and never makes it wait.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::Permissions;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use litemap::LiteMap;
use nix::errno::Errno as Error;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
};
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::{Gid, Uid, chown};

use super::relay::errno;
use super::users::{Database, Identity, Own, Request};
use crate::limits::LISTEN_MAX;
use crate::service::{Address, Failure, Listen, Name, Spec, Who};

/// The sockets of all services, and those that onit itself was handed.
#[derive(Debug, Default)]
pub struct Listeners {
    /// By family: the instances of a service share them.
    services: LiteMap<Name, Shared>,
    handed: Vec<(String, OwnedFd)>,
}

/// The sockets of a service, and its instances that are not at rest.
#[derive(Debug, Default)]
struct Shared {
    bound: Vec<Bound>,
    users: BTreeSet<Name>,
}

/// A socket of a service.
#[derive(Debug)]
struct Bound {
    listen: Listen,
    /// None: the one that was handed to onit under its name.
    socket: Option<OwnedFd>,
    /// What it is in the file system, to know it again.
    file: Option<(PathBuf, (u64, u64))>,
}

/// A descriptor that onit was handed, with its name.
pub type Handed = (RawFd, String);

/// The sockets that whoever started onit has handed to it; see sd_listen_fds(3). To be asked before
/// anything is opened: what is not a socket by then is none of theirs.
#[must_use]
pub fn handed(environment: &[(OsString, OsString)], pid: u32) -> Vec<Handed> {
    let value = |name: &str| {
        let found = environment.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.to_str())
    };
    let count = value("LISTEN_FDS").and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
    if value("LISTEN_PID") != Some(&pid.to_string()) || count > LISTEN_MAX {
        return Vec::new();
    }
    let names: Vec<&str> = value("LISTEN_FDNAMES").unwrap_or_default().split(':').collect();
    (3..)
        .take(count)
        .enumerate()
        .filter(|(_, descriptor)| is_socket(*descriptor))
        .map(|(at, descriptor)| {
            // What the page says they are called when nobody says.
            let name = names.get(at).filter(|name| !name.is_empty()).unwrap_or(&"unknown");
            (descriptor, (*name).to_owned())
        })
        .collect()
}

fn is_socket(descriptor: RawFd) -> bool {
    // SAFETY: fstat refuses what is not open; the borrow ends with this call.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    fstat(descriptor).is_ok_and(|found| found.st_mode & libc::S_IFMT == libc::S_IFSOCK)
}

impl Listeners {
    /// Nothing is bound yet. What onit was handed is its own from here on.
    #[must_use]
    pub fn new(handed: Vec<Handed>) -> Self {
        let own = |(descriptor, name): Handed| {
            // SAFETY: it was open before onit opened anything, and nobody else here knows of it.
            let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
            // A child gets what it is given, and not this.
            let _ = fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
            (name, socket)
        };
        Self { services: LiteMap::new(), handed: handed.into_iter().map(own).collect() }
    }

    /// Binds what a service wants and does not have yet, and closes what it wants no more.
    ///
    /// # Errors
    /// Which socket could not be bound, and why. The others are kept, and it can be tried again.
    pub fn open(&mut self, spec: &Spec) -> Result<(), Failure> {
        let Shared { bound: mut before, mut users } =
            self.services.remove(spec.family()).unwrap_or_default();
        users.insert(spec.name.clone());
        let mut bound = Vec::new();
        let mut failure = None;
        // First those that stay: of what goes the address may be wanted by what comes.
        let kept: Vec<Option<Bound>> = spec
            .listen
            .iter()
            .map(|listen| {
                let at = before.iter().position(|bound| bound.listen == *listen)?;
                Some(before.swap_remove(at))
            })
            .collect();
        before.iter().for_each(Bound::remove);
        drop(before);
        for (listen, kept) in spec.listen.iter().zip(kept) {
            match kept.map_or_else(|| self.bind(spec, listen), Ok) {
                Ok(socket) => bound.push(socket),
                Err(why) => failure = failure.or(Some(why)),
            }
        }
        self.services.insert(spec.family().clone(), Shared { bound, users });
        failure.map_or(Ok(()), Err)
    }

    /// The sockets of a service with their names, in the order of its file.
    #[must_use]
    pub fn of(&self, spec: &Spec) -> Vec<(RawFd, &str)> {
        let Some(Shared { bound, .. }) = self.services.get(spec.family()) else {
            return Vec::new();
        };
        let descriptor = |bound: &Bound| match &bound.socket {
            Some(socket) => Some(socket.as_raw_fd()),
            None => self.handed(&bound.listen.name).map(|socket| socket.as_raw_fd()),
        };
        bound.iter().filter_map(|it| Some((descriptor(it)?, it.listen.name.as_str()))).collect()
    }

    /// A service is at rest: if no other instance needs its sockets, they are closed, so that
    /// whoever connects is refused instead of waiting.
    /// What onit was handed stays.
    pub fn close(&mut self, name: &Name) {
        let mut left = None;
        for (family, shared) in self.services.iter_mut() {
            if shared.users.remove(name) && shared.users.is_empty() {
                shared.bound.iter().for_each(Bound::remove);
                left = Some(family.clone());
            }
        }
        if let Some(family) = left {
            self.services.remove(&family);
        }
    }

    /// Closes all.
    pub fn close_all(&mut self) {
        let services = std::mem::take(&mut self.services);
        services.values().flat_map(|shared| &shared.bound).for_each(Bound::remove);
    }

    fn handed(&self, name: &str) -> Option<BorrowedFd<'_>> {
        self.handed.iter().find(|(known, _)| known == name).map(|(_, socket)| socket.as_fd())
    }

    fn bind(&self, spec: &Spec, listen: &Listen) -> Result<Bound, Failure> {
        let bound = |socket, file| Bound { listen: listen.clone(), socket, file };
        if self.handed(&listen.name).is_some() {
            return Ok(bound(None, None));
        }
        match &listen.address {
            None => {
                let why = "onit was not handed one of this name, and it has no `address`";
                Err(Failure::known("find the socket", listen.name.as_str(), why))
            }
            Some(address @ Address::Tcp(tcp)) => {
                let socket = bind_tcp(*tcp, listen.backlog);
                let socket = socket.map_err(|error| refused(address, error))?;
                Ok(bound(Some(socket), None))
            }
            Some(address @ Address::Unix(path)) => {
                let socket = bind_unix(path, listen).map_err(|error| refused(address, error))?;
                let file = identity(path).map(|file| (path.clone(), file));
                let bound = bound(Some(socket), file);
                give(path, spec, listen).inspect_err(|_| bound.remove())?;
                Ok(bound)
            }
        }
    }
}

impl Bound {
    /// Removes it from the file system, if it is still the one that was made.
    fn remove(&self) {
        if let Some((path, file)) = &self.file
            && identity(path) == Some(*file)
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn refused(address: &Address, error: Error) -> Failure {
    Failure::errno("listen on", address.to_string(), errno(error))
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    path.symlink_metadata().ok().map(|found| (found.dev(), found.ino()))
}

/// It blocks, as sd_listen_fds(3) has it: that is up to the service. std sets `SO_REUSEADDR`, so
/// that connections of an earlier life which are not quite over are no reason to refuse; tcp(7).
fn bind_tcp(address: SocketAddr, backlog: u32) -> Result<OwnedFd, Error> {
    let socket = TcpListener::bind(address)
        .map_err(|error| Error::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
    let socket = OwnedFd::from(socket);
    // Said again with another number it is the number that changes; listen(2).
    listen(&socket, queue(backlog))?;
    Ok(socket)
}

fn bind_unix(path: &Path, wanted: &Listen) -> Result<OwnedFd, Error> {
    let address = UnixAddr::new(path)?;
    let make = || -> Result<OwnedFd, Error> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        // Before it has a name: there is no moment at which more may connect than are meant to.
        if let Some(mode) = wanted.mode {
            fchmod(&socket, Mode::from_bits_truncate(mode))?;
        }
        bind(socket.as_raw_fd(), &address)?;
        Ok(socket)
    };
    let socket = match make() {
        Err(Error::EADDRINUSE) if is_left_behind(path, &address) => {
            let _ = std::fs::remove_file(path);
            make()?
        }
        result => result?,
    };
    if let Some(mode) = wanted.mode {
        // The umask took from it what it takes.
        let made = std::fs::set_permissions(path, Permissions::from_mode(mode));
        made.map_err(|error| Error::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
    }
    listen(&socket, queue(wanted.backlog))?;
    Ok(socket)
}

/// Whether nobody listens at a socket. One whose queue is full is not left behind.
fn is_left_behind(path: &Path, address: &UnixAddr) -> bool {
    let is_socket = path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket());
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    is_socket
        && socket(AddressFamily::Unix, SockType::Stream, flags, None)
            .is_ok_and(|socket| connect(socket.as_raw_fd(), address) == Err(Error::ECONNREFUSED))
}

fn queue(backlog: u32) -> Backlog {
    i32::try_from(backlog)
        .ok()
        .and_then(|backlog| Backlog::new(backlog).ok())
        .unwrap_or(Backlog::MAXALLOWABLE)
}

/// Gives a path to whom the file says, else to the user and group of the service.
fn give(path: &Path, spec: &Spec, listen: &Listen) -> Result<(), Failure> {
    let user = listen.user.as_ref().or(spec.attributes.user.as_ref());
    let group = listen.group.as_ref().or(spec.attributes.group.as_ref());
    if user.is_none() && group.is_none() {
        return Ok(());
    }
    let Some(Identity { uid, gid, .. }) = resolve(user, group)? else { return Ok(()) };
    let made = chown(path, uid.map(Uid::from_raw), Some(Gid::from_raw(gid)));
    made.map_err(|error| Failure::errno("give away", path.display().to_string(), errno(error)))
}

fn resolve(user: Option<&Who>, group: Option<&Who>) -> Result<Option<Identity>, Failure> {
    Database::read().resolve(Request { user, group, groups: Some(&[]) }, &Own::now())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;
    use crate::service::Argv;

    fn spec(listen: Vec<Listen>) -> Spec {
        let argv = Argv::new::<&str>("true", Vec::new());
        Spec { listen: listen.into(), ..Spec::new(Name::new("web").unwrap(), argv) }
    }

    fn socket_at(name: &str, address: Address) -> Listen {
        let name = name.to_owned();
        Listen { name, address: Some(address), backlog: 16, mode: None, user: None, group: None }
    }

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("onit-listen-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    fn refusal(listeners: &mut Listeners, listen: Listen) -> String {
        listeners.open(&spec(vec![listen])).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wanted_is_bound_and_what_stays_is_kept() {
        let folder = folder("kept");
        let path = folder.join("sock");
        // A port that is free now; nobody else binds one by number.
        let tcp: SocketAddr = {
            let probe = TcpListener::bind("127.0.0.1:0").unwrap();
            probe.local_addr().unwrap()
        };
        let mut unix = socket_at("unix", Address::Unix(path.clone()));
        unix.mode = Some(0o660);
        let web = spec(vec![socket_at("tcp", Address::Tcp(tcp)), unix.clone()]);
        let mut listeners = Listeners::default();
        listeners.open(&web).unwrap();
        let first: Vec<RawFd> = listeners.of(&web).iter().map(|(fd, _)| *fd).collect();
        let names: Vec<&str> = listeners.of(&web).iter().map(|(_, name)| *name).collect();
        assert_eq!(names, ["tcp", "unix"]);
        TcpStream::connect(tcp).unwrap();
        UnixStream::connect(&path).unwrap().write_all(b"x").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
        listeners.open(&web).unwrap();
        let again: Vec<RawFd> = listeners.of(&web).iter().map(|(fd, _)| *fd).collect();
        assert_eq!(first, again);
        // Only the other one is left.
        listeners.open(&spec(vec![unix])).unwrap();
        assert!(TcpStream::connect(tcp).is_err());
        UnixStream::connect(&path).unwrap();
        listeners.close(&web.name);
        assert!(!path.exists());
        assert!(listeners.of(&web).is_empty());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_socket_that_was_left_behind_is_replaced_and_no_other() {
        let folder = folder("left");
        let path = folder.join("sock");
        let wanted = socket_at("x", Address::Unix(path.clone()));
        drop(UnixListener::bind(&path).unwrap());
        let mut listeners = Listeners::default();
        listeners.open(&spec(vec![wanted.clone()])).unwrap();
        UnixStream::connect(&path).unwrap();
        let mut others = Listeners::default();
        let why = refusal(&mut others, wanted.clone());
        assert!(why.ends_with("address already in use"), "{why}");
        UnixStream::connect(&path).unwrap();
        // Somebody else's by now: it stays.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "a file").unwrap();
        listeners.close_all();
        assert!(path.exists());
        let why = refusal(&mut listeners, wanted);
        assert!(why.ends_with("address already in use"), "{why}");
        let long = folder.join("x".repeat(120));
        let why = refusal(&mut listeners, socket_at("x", Address::Unix(long)));
        assert!(why.contains("cannot listen on"), "{why}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_was_handed_is_handed_on() {
        let mut handed = socket_at("http", Address::Tcp("127.0.0.1:1".parse().unwrap()));
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = socket.as_raw_fd();
        let owned = vec![("http".to_owned(), OwnedFd::from(socket))];
        let mut listeners = Listeners { handed: owned, ..Listeners::default() };
        let web = spec(vec![handed.clone()]);
        listeners.open(&web).unwrap();
        assert_eq!(listeners.of(&web), [(number, "http")]);
        listeners.close(&web.name);
        listeners.open(&web).unwrap();
        assert_eq!(listeners.of(&web), [(number, "http")]);
        handed.name = "other".to_owned();
        handed.address = None;
        let why = refusal(&mut listeners, handed);
        assert!(why.contains("onit was not handed one of this name"), "{why}");
    }

    #[test]
    fn only_what_is_meant_for_onit_was_handed_to_it() {
        let check = |pairs: &[(&str, &str)], expected: usize| {
            let environment: Vec<(OsString, OsString)> =
                pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
            assert_eq!(handed(&environment, 7).len(), expected, "{pairs:?}");
        };
        check(&[], 0);
        check(&[("LISTEN_FDS", "1"), ("LISTEN_PID", "8")], 0);
        check(&[("LISTEN_FDS", "-1"), ("LISTEN_PID", "7")], 0);
        check(&[("LISTEN_FDS", "1000000"), ("LISTEN_PID", "7")], 0);
    }
}
