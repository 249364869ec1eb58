//! The sockets through which runs say how they are; see sd_notify(3). One for each run that asks
//! for one, bound before its process is forked: so whoever writes to it needs no looking up, and
//! what was said by a process that has ended is still there.

use std::fs::Permissions;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno as Error;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket};
use nix::unistd::{Gid, Uid, chown, mkdtemp};

use super::relay::errno;
use crate::limits::{DATAGRAM_BYTES_MAX, DATAGRAMS_A_TURN_MAX};
use crate::service::notify::{Datagram, Message, parse};
use crate::service::{Failure, RunId};

/// Where directories for the sockets are tried, in this order. The last is for images without the
/// others, where nobody else runs anyway.
const PLACES: [&str; 3] = ["/run", "/dev/shm", "/tmp"];

/// The directory of the sockets, once there is one.
#[derive(Debug, Default)]
pub struct Hall {
    directory: Option<PathBuf>,
}

/// The socket of one run.
#[derive(Debug)]
pub struct Ear {
    socket: OwnedFd,
    path: PathBuf,
}

impl Hall {
    /// A socket for `run` that only root, our own user and `owner` can write to.
    ///
    /// # Errors
    /// There is no place for it, or the system has no more.
    pub fn open(&mut self, run: RunId, owner: Option<u32>) -> Result<Ear, Failure> {
        if self.directory.as_ref().is_some_and(|directory| !directory.is_dir()) {
            // Somebody has swept the place.
            self.directory = None;
        }
        let directory = self.directory()?;
        let path = directory.join(run.0.to_string());
        let failed = |error: Error| {
            Failure::errno("make the notify socket", path.display().to_string(), errno(error))
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket =
            socket(AddressFamily::Unix, SockType::Datagram, flags, None).map_err(failed)?;
        let address = UnixAddr::new(&path).map_err(failed)?;
        bind(socket.as_raw_fd(), &address).map_err(failed)?;
        // Its name is known to nobody yet.
        let ear = Ear { socket, path: path.clone() };
        let restricted = std::fs::set_permissions(&path, Permissions::from_mode(0o600));
        restricted.map_err(|error| failed(Error::from_raw(error.raw_os_error().unwrap_or(0))))?;
        if let Some(owner) = owner {
            chown(&path, Some(Uid::from_raw(owner)), None::<Gid>).map_err(failed)?;
        }
        Ok(ear)
    }

    /// The directory, made when it is needed first: others may pass through, and not look around.
    fn directory(&mut self) -> Result<&Path, Failure> {
        if self.directory.is_none() {
            let mut first = None;
            for place in PLACES {
                match mkdtemp(&Path::new(place).join("onit-XXXXXX")) {
                    Ok(made) => {
                        let passable = Permissions::from_mode(0o711);
                        // If that fails, only services of our own user are heard.
                        let _ = std::fs::set_permissions(&made, passable);
                        self.directory = Some(made);
                        break;
                    }
                    Err(error) => {
                        let what = "make a directory for notify sockets in";
                        first.get_or_insert(Failure::errno(what, place, errno(error)));
                    }
                }
            }
            if let (None, Some(failure)) = (&self.directory, first) {
                return Err(failure);
            }
        }
        let none = || Failure::errno("make a directory in", "/run", errno(Error::ENOENT));
        self.directory.as_deref().ok_or_else(none)
    }
}

impl Drop for Hall {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory {
            let _ = std::fs::remove_dir(directory);
        }
    }
}

impl Ear {
    /// What the run finds in `NOTIFY_SOCKET`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What becomes readable when something has been said.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What has been said since, in order; of what is left for the next turn the socket stays
    /// readable. Never waits. `origin` is what `CLOCK_MONOTONIC` showed when onit's time began.
    /// Says what is wrong with what is malformed.
    pub fn hear(
        &self,
        origin: Duration,
        mut said: impl FnMut(Message),
        mut malformed: impl FnMut(&'static str),
    ) {
        // Closed when everything that came before has been dealt with.
        let mut barriers = Vec::new();
        for _ in 0..DATAGRAMS_A_TURN_MAX {
            let mut buffer = [0; DATAGRAM_BYTES_MAX];
            let received = match receive(self.socket.as_fd(), &mut buffer) {
                Ok(received) => received,
                Err(Error::EINTR) => continue,
                // EAGAIN: that was all. Nothing else can be.
                Err(_) => break,
            };
            let bytes = buffer.get(..received.bytes).unwrap_or_default();
            if received.truncated {
                malformed("longer than 4 KiB, or more descriptors than the kernel has room for");
                continue;
            }
            match parse(bytes, received.descriptors.len(), origin) {
                Ok(Datagram::Message(message)) => said(message),
                Ok(Datagram::Barrier) => barriers.extend(received.descriptors),
                Err(what) => malformed(what),
            }
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A datagram. Whatever came along is closed when this goes.
struct Received {
    bytes: usize,
    descriptors: Vec<OwnedFd>,
    truncated: bool,
}

/// Room for what a sender can attach: 253 descriptors, `SCM_MAX_FD` of unix(7), and its head; in
/// words, since it has to be aligned.
const CONTROL_WORDS: usize = 160;

fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Received, Error> {
    let mut control = [MaybeUninit::<u64>::uninit(); CONTROL_WORDS];
    let mut piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeroes are a valid msghdr: nothing anywhere.
    let mut head: libc::msghdr = unsafe { zeroed() };
    head.msg_iov = &raw mut piece;
    head.msg_iovlen = 1;
    head.msg_control = control.as_mut_ptr().cast();
    head.msg_controllen = size_of::<u64>().saturating_mul(CONTROL_WORDS) as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC | libc::MSG_TRUNC;
    // SAFETY: `head` names a buffer and a control buffer that live, each as long as it says.
    let result = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut head, flags) };
    let length = Error::result(result)?;
    let mut descriptors = Vec::new();
    // SAFETY: recvmsg has filled in `head`, whose control buffer is aligned and lives.
    let mut part = unsafe { libc::CMSG_FIRSTHDR(&raw const head) };
    // SAFETY: the macros hand out pointers into the control buffer, or null.
    while let Some(found) = unsafe { part.as_ref() } {
        if found.cmsg_level == libc::SOL_SOCKET && found.cmsg_type == libc::SCM_RIGHTS {
            // SAFETY: CMSG_LEN computes.
            let before = unsafe { libc::CMSG_LEN(0) } as usize;
            let whole: usize = found.cmsg_len as _;
            let count = whole.saturating_sub(before).div_euclid(size_of::<RawFd>());
            // SAFETY: `part` is a whole control message.
            let data = unsafe { libc::CMSG_DATA(part) }.cast::<RawFd>();
            for at in 0..count {
                // SAFETY: there are `count` numbers, maybe not aligned.
                let number = unsafe { data.wrapping_add(at).read_unaligned() };
                // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
                descriptors.push(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
        // SAFETY: as above.
        part = unsafe { libc::CMSG_NXTHDR(&raw const head, part) };
    }
    let length = usize::try_from(length).unwrap_or_default();
    let lost = head.msg_flags & (libc::MSG_CTRUNC | libc::MSG_TRUNC) != 0;
    let truncated = lost || length > buffer.len();
    Ok(Received { bytes: length.min(buffer.len()), descriptors, truncated })
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn open_descriptors() -> usize {
        super::super::files::list(Path::new("/proc/self/fd")).unwrap().len()
    }

    fn hear(ear: &Ear) -> (Vec<Message>, usize) {
        let (mut heard, mut malformed) = (Vec::new(), Vec::new());
        ear.hear(Duration::ZERO, |message| heard.push(message), |what| malformed.push(what));
        (heard, malformed.len())
    }

    /// Sends a text with descriptors, as C programs do.
    fn send(ear: &Ear, text: &[u8], descriptors: &[RawFd]) {
        let pieces = [IoSlice::new(text)];
        let piece = pieces.as_ptr().cast::<libc::iovec>().cast_mut();
        let mut control = [0u64; CONTROL_WORDS];
        let socket = UnixDatagram::unbound().unwrap();
        socket.connect(ear.path()).unwrap();
        // SAFETY: all zeroes are a valid msghdr.
        let mut head: libc::msghdr = unsafe { zeroed() };
        head.msg_iov = piece;
        head.msg_iovlen = 1;
        if !descriptors.is_empty() {
            let bytes = u32::try_from(size_of_val(descriptors)).unwrap();
            head.msg_control = control.as_mut_ptr().cast();
            // SAFETY: computes.
            head.msg_controllen = unsafe { libc::CMSG_SPACE(bytes) } as _;
            // SAFETY: `head` names the control buffer.
            let part = unsafe { libc::CMSG_FIRSTHDR(&raw const head) };
            // SAFETY: the control buffer is long enough and aligned.
            let part = unsafe { &mut *part };
            part.cmsg_level = libc::SOL_SOCKET;
            part.cmsg_type = libc::SCM_RIGHTS;
            // SAFETY: computes.
            part.cmsg_len = unsafe { libc::CMSG_LEN(bytes) } as _;
            // SAFETY: as above.
            let data = unsafe { libc::CMSG_DATA(part) }.cast::<RawFd>();
            // SAFETY: there is room for all of them.
            unsafe { data.copy_from_nonoverlapping(descriptors.as_ptr(), descriptors.len()) };
        }
        // SAFETY: `head` names what lives.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const head, 0) };
        assert_eq!(usize::try_from(sent).unwrap(), text.len(), "{}", Error::last());
    }

    /// One test, since it counts the descriptors of the process: the others of this file would
    /// change that while it runs.
    #[test]
    fn what_is_said_is_heard_and_nothing_stays_open() {
        let mut hall = Hall::default();
        let ear = hall.open(RunId(7), None).unwrap();
        assert_eq!(ear.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        send(&ear, b"READY=1\nSTATUS=fine", &[]);
        send(&ear, b"", &[]);
        send(&ear, b"READY", &[]);
        send(&ear, &[b'x'; DATAGRAM_BYTES_MAX + 1], &[]);
        let (heard, malformed) = hear(&ear);
        assert_eq!(heard.len(), 2);
        assert_eq!(heard.first().unwrap().status.as_deref(), Some("fine"));
        assert_eq!(malformed, 2);

        let (reader, writer) = std::io::pipe().unwrap();
        let all = vec![writer.as_raw_fd(); 253];
        for descriptors in [&all[..], &all[..3], &all[..1]] {
            send(&ear, b"FDSTORE=1\nFDNAME=x", descriptors);
        }
        let before = open_descriptors();
        let _ = hear(&ear);
        // Others of this process open and close theirs meanwhile, but not by the hundred.
        assert!(open_descriptors() < before + 200, "what came along is closed");

        send(&ear, b"BARRIER=1", &[writer.as_raw_fd()]);
        drop(writer);
        send(&ear, b"WATCHDOG=1", &[]);
        let (heard, malformed) = hear(&ear);
        assert_eq!((heard.len(), malformed), (1, 0));
        let end = std::io::Read::read(&mut &reader, &mut [0]).unwrap();
        assert_eq!(end, 0, "the barrier's descriptor is closed");

        // A place that is swept is made again.
        std::fs::remove_dir_all(ear.path().parent().unwrap()).unwrap();
        let ear = hall.open(RunId(8), None).unwrap();
        send(&ear, b"READY=1", &[]);
        assert_eq!(hear(&ear).0.len(), 1);
        let path = ear.path().to_owned();
        drop(ear);
        assert!(!path.exists());
        drop(hall);
        assert!(!path.parent().unwrap().exists());
    }
}
