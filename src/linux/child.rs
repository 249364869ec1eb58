//! What a child does between fork and exec, and the report it leaves when that fails.
//!
//! Nothing here allocates, locks, formats or panics: the child is the copy of one thread of a
//! process that may have others, and what they held at the fork stays held for ever; see fork(2)
//! and signal-safety(7). Nor is the heap there, or the parent's stack: everything is prepared by
//! `spawn` and lies on a `pad`. `spawn` also words the report.

use std::ffi::CStr;
use std::os::fd::RawFd;
use std::ptr;

use nix::errno::Errno;
use nix::libc::c_char;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Pid, Uid, chdir, chroot, setpgid, setsid};

use crate::limits::{DESCRIPTORS_MAX, EXECUTABLE_HEAD_BYTES};

/// What a child reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stdin {
    /// `/dev/null`.
    Nothing,
    /// What onit reads.
    Inherited,
    /// This; beyond 2.
    Given(RawFd),
}

/// Everything the child needs, prepared before the fork.
pub(super) struct Orders<'a> {
    pub(super) session: Session,
    /// What becomes 0.
    pub(super) stdin: Stdin,
    /// What becomes 1.
    pub(super) stdout: RawFd,
    /// What becomes 2.
    pub(super) stderr: RawFd,
    pub(super) descriptors: Descriptors,
    /// What else is handed over: each source becomes its target, all of them beyond 2.
    pub(super) handed: &'a mut [(RawFd, RawFd)],
    pub(super) umask: Option<Mode>,
    pub(super) nice: Option<i32>,
    /// What is written to /proc/self/oom_score_adj.
    pub(super) oom_score_adj: Option<&'a [u8]>,
    pub(super) root: Option<&'a CStr>,
    /// The capabilities that are kept, a bit each, and no other.
    pub(super) capabilities: Option<u64>,
    pub(super) no_new_privileges: bool,
    /// Those that must hold: resource, soft, hard.
    pub(super) limits: &'a [(Resource, u64, u64)],
    /// Those that are set as far as it goes.
    pub(super) attempted_limits: &'a [(Resource, u64, u64)],
    pub(super) groups: Option<&'a [Gid]>,
    pub(super) gid: Option<Gid>,
    pub(super) uid: Option<Uid>,
    pub(super) directory: Option<&'a CStr>,
    /// The signals that must not stay ignored.
    pub(super) signals: &'a [i32],
    /// Paths to execute, the first that can be.
    pub(super) candidates: &'a [&'a CStr],
    /// Ends with a null pointer.
    pub(super) argv: &'a [*const c_char],
    /// Ends with a null pointer.
    pub(super) envp: &'a mut [*const c_char],
    /// Where in `envp` `LISTEN_PID` stands, which has to name the child.
    pub(super) listen_pid: Option<usize>,
    /// Where the report goes; closed by the exec.
    pub(super) report: RawFd,
    /// The child has the parent's own descriptors, and is to leave these and all beyond them behind
    /// before it does anything else; see `berth`.
    pub(super) leaves_from: Option<u32>,
}

impl Orders<'_> {
    /// Every descriptor that is named here.
    pub(super) fn descriptors(&mut self) -> impl Iterator<Item = &mut RawFd> {
        let input = match &mut self.stdin {
            Stdin::Given(input) => Some(input),
            Stdin::Nothing | Stdin::Inherited => None,
        };
        let handed = self.handed.iter_mut().map(|(source, _)| source);
        let streams = [&mut self.stdout, &mut self.stderr, &mut self.report];
        streams.into_iter().chain(input).chain(handed)
    }
}

/// What a child says that has left the descriptors of its parent.
pub(super) const LEFT: [u8; 1] = *b"l";
/// What one says that could not.
const STUCK: [u8; 1] = *b"s";

/// In which session and group the child runs.
#[derive(Clone, Copy)]
pub(super) enum Session {
    /// Its own, without a terminal.
    Own,
    /// Its own, with the terminal that is on 0, 1 or 2.
    OwnWithTerminal,
    /// The parent's, in a group of its own, which gets this terminal into the foreground.
    Shared { terminal: Option<RawFd> },
}

/// What becomes of the descriptors beyond 0, 1 and 2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Descriptors {
    /// They end with the exec.
    Close,
    /// They are inherited.
    Keep,
    /// Closed as where the kernel has no `close_range`.
    #[cfg(test)]
    CloseByList,
    /// Closed as where there is no /proc either.
    #[cfg(test)]
    CloseByCount,
}

/// Where a child failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Step {
    Session,
    Stdin,
    Stream,
    Handed,
    Nice,
    OomScore,
    Limit,
    Root,
    Bounding,
    Groups,
    Group,
    User,
    Capabilities,
    Ambient,
    Privileges,
    Directory,
    Execute,
}

/// A step that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) step: Step,
    /// Which limit, stream or candidate; [`NONE`] for no particular one.
    pub(super) index: u32,
    pub(super) errno: i32,
}

/// What a child says of its failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) fault: Fault,
    /// How much of `head` there is; more than it holds if the file could not be read.
    head_bytes: u32,
    /// How the file begins that is there but could not be executed. The child looks, since PID 1
    /// must not touch a volume that may hang.
    head: [u8; EXECUTABLE_HEAD_BYTES],
}

/// [`Fault::index`] when there is none.
pub(super) const NONE: u32 = u32::MAX;

/// Size of a report as it is sent: four numbers and the head. A pipe takes up to 4096 bytes as a
/// whole or not at all; see pipe(7), `PIPE_BUF`.
pub(super) const REPORT_BYTES: usize = 16 + EXECUTABLE_HEAD_BYTES;

/// Becomes what `orders` say; never returns.
pub(super) fn run(orders: &mut Orders<'_>) -> ! {
    if let Some(first) = orders.leaves_from {
        let has_left = close_by_range(first, libc::CLOSE_RANGE_UNSHARE).is_ok();
        say(orders.report, if has_left { &LEFT } else { &STUCK });
        if !has_left {
            end();
        }
    }
    let report = match prepare(orders) {
        Ok(()) => execute(orders),
        Err(fault) => Report::new(fault),
    };
    say(orders.report, &report.to_bytes());
    end()
}

fn say(report: RawFd, bytes: &[u8]) {
    // SAFETY: `bytes` is as long as we say. Nobody is left to hear of a failure.
    unsafe { libc::write(report, bytes.as_ptr().cast(), bytes.len()) };
}

fn end() -> ! {
    // SAFETY: _exit(2) runs none of the parent's exit handlers.
    unsafe { libc::_exit(127) }
}

fn prepare(orders: &mut Orders<'_>) -> Result<(), Fault> {
    enter_session(orders.session).map_err(|errno| Fault::new(Step::Session, NONE, errno))?;
    connect_streams(orders)?;
    if let Session::OwnWithTerminal = orders.session {
        take_terminal();
    }
    clear_the_way(orders)?;
    close_others(orders.descriptors);
    for (source, target) in orders.handed.iter() {
        let failed = |errno| Fault::new(Step::Handed, target.unsigned_abs(), errno);
        duplicate(*source, *target).map_err(failed)?;
    }
    if let Some(mask) = orders.umask {
        umask(mask);
    }
    if let Some(nice) = orders.nice {
        // SAFETY: setpriority takes no pointers; 0 is the caller.
        let result = unsafe { libc::setpriority(libc::PRIO_PROCESS as _, 0, nice) };
        Errno::result(result).map_err(|errno| Fault::new(Step::Nice, NONE, errno))?;
    }
    if let Some(score) = orders.oom_score_adj {
        set_oom_score(score).map_err(|errno| Fault::new(Step::OomScore, NONE, errno))?;
    }
    for (resource, soft, hard) in orders.attempted_limits {
        let _ = setrlimit(*resource, *soft, *hard);
    }
    // What may need privileges comes before they are given up.
    for (index, (resource, soft, hard)) in (0u32..).zip(orders.limits) {
        setrlimit(*resource, *soft, *hard)
            .map_err(|errno| Fault::new(Step::Limit, index, errno))?;
    }
    if let Some(root) = orders.root {
        chroot(root).map_err(|errno| Fault::new(Step::Root, NONE, errno))?;
    }
    if let Some(kept) = orders.capabilities {
        drop_others(kept)?;
    }
    if let Some(groups) = orders.groups {
        join_groups(groups).map_err(|errno| Fault::new(Step::Groups, NONE, errno))?;
    }
    if let Some(gid) = orders.gid {
        become_all_three(libc::SYS_setresgid, gid.as_raw())
            .map_err(|errno| Fault::new(Step::Group, NONE, errno))?;
    }
    if let Some(uid) = orders.uid {
        become_all_three(libc::SYS_setresuid, uid.as_raw())
            .map_err(|errno| Fault::new(Step::User, NONE, errno))?;
    }
    if let Some(kept) = orders.capabilities {
        keep_only(kept)?;
    }
    if orders.no_new_privileges {
        prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
            .map_err(|errno| Fault::new(Step::Privileges, NONE, errno))?;
    }
    // As the user it has become: a directory that this one may not enter is refused.
    if let Some(directory) = orders.directory {
        chdir(directory).map_err(|errno| Fault::new(Step::Directory, NONE, errno))?;
    }
    Ok(())
}

/// The kernel's own call: a libc would have the other threads do the same, of which a child has
/// none; see nptl(7).
fn join_groups(groups: &[Gid]) -> Result<(), Errno> {
    // SAFETY: a `Gid` is the number of a group and nothing else, and there are so many of them.
    let result = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
    Errno::result(result).map(drop)
}

/// The real, effective and saved id, by setresuid(2) or setresgid(2). As above.
fn become_all_three(call: libc::c_long, id: u32) -> Result<(), Errno> {
    // SAFETY: three numbers.
    Errno::result(unsafe { libc::syscall(call, id, id, id) }).map(drop)
}

fn set_oom_score(score: &[u8]) -> Result<(), Errno> {
    let flags = libc::O_WRONLY | libc::O_CLOEXEC;
    // SAFETY: the path ends with a NUL.
    let file = unsafe { libc::open(c"/proc/self/oom_score_adj".as_ptr(), flags) };
    let file = Errno::result(file)?;
    // SAFETY: `score` is as long as we say.
    let written = unsafe { libc::write(file, score.as_ptr().cast(), score.len()) };
    // Closed by the exec.
    Errno::result(written).map(drop)
}

fn prctl(operation: i32, first: libc::c_ulong, second: libc::c_ulong) -> Result<i32, Errno> {
    // SAFETY: the operations used here take numbers, no pointers.
    Errno::result(unsafe {
        libc::prctl(operation, first, second, 0 as libc::c_ulong, 0 as libc::c_ulong)
    })
}

/// Takes everything that is not kept out of the bounding set, while that is still allowed, and has
/// what is kept survive the change of user; see capabilities(7).
fn drop_others(kept: u64) -> Result<(), Fault> {
    for number in 0..64u32 {
        // EINVAL: the kernel knows no further ones.
        match prctl(libc::PR_CAPBSET_READ, number.into(), 0) {
            Ok(1) if kept & (1 << number) == 0 => {
                prctl(libc::PR_CAPBSET_DROP, number.into(), 0)
                    .map_err(|errno| Fault::new(Step::Bounding, number, errno))?;
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    prctl(libc::PR_SET_KEEPCAPS, 1, 0)
        .map(drop)
        .map_err(|errno| Fault::new(Step::Capabilities, NONE, errno))
}

/// What is kept is permitted, effective, inheritable and ambient, so that the command has it
/// whoever it runs as; nothing else is.
fn keep_only(kept: u64) -> Result<(), Fault> {
    // `_LINUX_CAPABILITY_VERSION_3` of linux/capability.h: two times 32 bits of each set.
    let head = [0x2008_0522u32, 0];
    let half = |shift: u32| u32::try_from((kept >> shift) & 0xffff_ffff).unwrap_or(u32::MAX);
    let (low, high) = (half(0), half(32));
    let sets = [low, low, low, high, high, high];
    // SAFETY: both have the size and layout that capset(2) asks for.
    let result = unsafe { libc::syscall(libc::SYS_capset, head.as_ptr(), sets.as_ptr()) };
    Errno::result(result).map_err(|errno| Fault::new(Step::Capabilities, NONE, errno))?;
    let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong;
    prctl(libc::PR_CAP_AMBIENT, clear, 0)
        .map_err(|errno| Fault::new(Step::Ambient, NONE, errno))?;
    for number in (0..64u32).filter(|number| kept & (1 << number) != 0) {
        let raise = libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong;
        prctl(libc::PR_CAP_AMBIENT, raise, number.into())
            .map_err(|errno| Fault::new(Step::Ambient, number, errno))?;
    }
    Ok(())
}

/// Tries the candidates as execvp(3) does, but never with a shell; returns only to say why none
/// could be executed.
fn execute(orders: &mut Orders<'_>) -> Report {
    let mut listen_pid = [0u8; 32];
    if let Some(slot) = orders.listen_pid.and_then(|index| orders.envp.get_mut(index)) {
        write_listen_pid(&mut listen_pid, Pid::this());
        *slot = listen_pid.as_ptr().cast();
    }
    reset_signals(orders.signals);
    let mut denied = None;
    for (index, path) in (0u32..).zip(orders.candidates) {
        // SAFETY: the path ends with a NUL; both arrays end with a null pointer and hold pointers
        // to texts that end with a NUL, which `orders` keeps alive.
        unsafe { libc::execve(path.as_ptr(), orders.argv.as_ptr(), orders.envp.as_ptr()) };
        match Errno::last_raw() {
            libc::ENOENT | libc::ENOTDIR if orders.candidates.len() > 1 => {}
            libc::EACCES => denied = denied.or(Some(index)),
            libc::ENOENT => break,
            libc::ENOEXEC => return look(index, path, Errno::ENOEXEC),
            errno => {
                let fault = Fault { step: Step::Execute, index, errno };
                return Report::new(fault);
            }
        }
    }
    if let Some(index) = denied {
        return Report::new(Fault::new(Step::Execute, index, Errno::EACCES));
    }
    for (index, path) in (0u32..).zip(orders.candidates) {
        // SAFETY: the path ends with a NUL.
        if unsafe { libc::access(path.as_ptr(), libc::F_OK) } == 0 {
            return look(index, path, Errno::ENOENT);
        }
    }
    Report::new(Fault::new(Step::Execute, NONE, Errno::ENOENT))
}

fn enter_session(session: Session) -> Result<(), Errno> {
    match session {
        Session::Own | Session::OwnWithTerminal => setsid().map(|_| ()),
        Session::Shared { terminal } => {
            // The parent does the same, so that the group is there for whoever is first. Once it
            // has been executed the parent may not; see setpgid(2).
            setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
            if let Some(terminal) = terminal {
                // SAFETY: tcsetpgrp takes no pointers. SIGTTOU is blocked; without the terminal
                // the child runs in the background, which is no failure.
                unsafe { libc::tcsetpgrp(terminal, Pid::this().as_raw()) };
            }
            Ok(())
        }
    }
}

fn connect_streams(orders: &Orders<'_>) -> Result<(), Fault> {
    // What stands where another is about to go moves out of the way.
    let stdout = move_away(orders.stdout, 1)?;
    let stderr = move_away(orders.stderr, 2)?;
    let failed = |errno| Fault::new(Step::Stdin, NONE, errno);
    let stdin = match orders.stdin {
        Stdin::Inherited => 0,
        Stdin::Given(descriptor) => descriptor,
        Stdin::Nothing => {
            let flags = libc::O_RDONLY | libc::O_CLOEXEC;
            // SAFETY: the path ends with a NUL.
            let null = unsafe { libc::open(c"/dev/null".as_ptr(), flags) };
            if null == -1 { end_of_file().map_err(failed)? } else { null }
        }
    };
    if orders.stdin != Stdin::Inherited {
        duplicate(stdin, 0).map_err(failed)?;
    }
    for (source, target, index) in [(stdout, 1, 1), (stderr, 2, 2)] {
        duplicate(source, target).map_err(|errno| Fault::new(Step::Stream, index, errno))?;
    }
    Ok(())
}

/// What reads as empty where there is no /dev/null: a pipe that nobody writes to.
fn end_of_file() -> Result<RawFd, Errno> {
    let mut ends = [-1; 2];
    // SAFETY: pipe2 writes two numbers to where it is told.
    Errno::result(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    let [reader, writer] = ends;
    // SAFETY: close takes a number, which is this process's own.
    unsafe { libc::close(writer) };
    Ok(reader)
}

/// Moves what is handed over, and the report, beyond every place to which something is to go.
fn clear_the_way(orders: &mut Orders<'_>) -> Result<(), Fault> {
    let Some(last) = orders.handed.iter().map(|(_, target)| *target).max() else { return Ok(()) };
    let beyond = last.saturating_add(1);
    let moved = |descriptor: RawFd, target: RawFd| {
        // SAFETY: fcntl with this command takes a number, no pointer.
        let moved = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, beyond) };
        let failed = |errno| Fault::new(Step::Handed, target.unsigned_abs(), errno);
        Errno::result(moved).map_err(failed)
    };
    if orders.report < beyond {
        orders.report = moved(orders.report, last)?;
    }
    for (source, target) in orders.handed.iter_mut() {
        *source = moved(*source, *target)?;
    }
    Ok(())
}

fn move_away(source: RawFd, target: RawFd) -> Result<RawFd, Fault> {
    if source > 2 || source == target {
        return Ok(source);
    }
    // SAFETY: fcntl with this command takes a number, no pointer.
    let moved = unsafe { libc::fcntl(source, libc::F_DUPFD_CLOEXEC, 3) };
    let index = target.unsigned_abs();
    Errno::result(moved).map_err(|errno| Fault::new(Step::Stream, index, errno))
}

/// Makes `target` the same as `source`, open across the exec.
fn duplicate(source: RawFd, target: RawFd) -> Result<(), Errno> {
    let result = if source == target {
        // dup2(2) would leave FD_CLOEXEC as it is.
        // SAFETY: fcntl with this command takes a number, no pointer.
        unsafe { libc::fcntl(target, libc::F_SETFD, 0) }
    } else {
        // SAFETY: dup2 takes no pointers; what `target` was is the child's own copy.
        unsafe { libc::dup2(source, target) }
    };
    Errno::result(result).map(|_| ())
}

/// Makes the terminal on 0, 1 or 2 the session's. Without one the child has none; tty_ioctl(4).
fn take_terminal() {
    for fd in 0..=2 {
        // SAFETY: isatty takes no pointers.
        let is_terminal = unsafe { libc::isatty(fd) } == 1;
        // SAFETY: TIOCSCTTY takes a number, 0 for "not if it is somebody else's".
        if is_terminal && unsafe { libc::ioctl(fd, libc::TIOCSCTTY as _, 0) } == 0 {
            return;
        }
    }
}

/// Lets everything beyond 0, 1 and 2 end with the exec. Not before it, since the report needs its
/// pipe until then.
fn close_others(descriptors: Descriptors) {
    match descriptors {
        Descriptors::Keep => {}
        Descriptors::Close => {
            // Older kernels say ENOSYS or EINVAL, older seccomp profiles of engines EPERM.
            if close_by_range(3, libc::CLOSE_RANGE_CLOEXEC).or_else(|_| close_by_list()).is_err() {
                close_by_count();
            }
        }
        #[cfg(test)]
        Descriptors::CloseByList => {
            let _ = close_by_list();
        }
        #[cfg(test)]
        Descriptors::CloseByCount => close_by_count(),
    }
}

fn close_by_range(first: u32, flags: libc::c_uint) -> Result<(), Errno> {
    // SAFETY: close_range takes three numbers; as a raw call since not every libc has it.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) };
    Errno::result(result).map(|_| ())
}

/// By the list in /proc, read with getdents64(2), because readdir(3) allocates.
fn close_by_list() -> Result<(), Errno> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the path ends with a NUL.
    let directory = unsafe { libc::open(c"/proc/self/fd".as_ptr(), flags) };
    Errno::result(directory)?;
    let mut buffer = [0u8; 1024];
    loop {
        let room = buffer.len();
        // SAFETY: `buffer` is as long as we say.
        let read =
            unsafe { libc::syscall(libc::SYS_getdents64, directory, buffer.as_mut_ptr(), room) };
        let read = usize::try_from(Errno::result(read)?).unwrap_or_default();
        if read == 0 {
            return Ok(());
        }
        let mut entries = buffer.get(..read).unwrap_or_default();
        // An entry: inode and offset, 8 bytes each; its length, 2; its type, 1; its name, a NUL.
        while let Some(length) = entries.get(16..18).and_then(|bytes| bytes.try_into().ok()) {
            let length = usize::from(u16::from_ne_bytes(length));
            if let Some(fd) = entries.get(19..length).and_then(leading_number) {
                close_on_exec(fd);
            }
            entries = match entries.get(length..) {
                Some(rest) if length > 0 => rest,
                Some(_) | None => break,
            };
        }
    }
}

fn close_by_count() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is ours; getrlimit fills it in.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    let end = i32::try_from(limit.rlim_cur).unwrap_or(DESCRIPTORS_MAX).min(DESCRIPTORS_MAX);
    (3..end).for_each(close_on_exec);
}

fn close_on_exec(fd: RawFd) {
    if fd > 2 {
        // SAFETY: fcntl with this command takes a number. A descriptor that is none is no harm.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// The number that `text` begins with; none if it begins with none, like `.` and `..`.
fn leading_number(text: &[u8]) -> Option<i32> {
    let mut number = None;
    for digit in text.iter().take_while(|byte| byte.is_ascii_digit()) {
        let digit = i32::from(digit.wrapping_sub(b'0'));
        number = Some(number.unwrap_or(0i32).checked_mul(10)?.checked_add(digit)?);
    }
    number
}

/// Default dispositions, then the empty mask: the other way round a signal that is pending would be
/// discarded where it was ignored.
fn reset_signals(signals: &[i32]) {
    // The kernel's own calls: a libc refuses the signals it keeps for itself (32 and 33 in glibc),
    // which a parent may have left ignored. A structure of nothing but zeros is SIG_DFL without
    // flags on every architecture, and no longer than this.
    let default = [0usize; 8];
    let none = ptr::null_mut::<usize>();
    for signal in signals {
        // SAFETY: `default` is larger than the kernel's structure; no old value is asked for.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, *signal, default.as_ptr(), none, SIGSET_BYTES)
        };
    }
    let empty = 0u64;
    let how = libc::SIG_SETMASK;
    // SAFETY: `empty` has the size we say; no old value is asked for.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const empty, none, SIGSET_BYTES) };
}

/// Size of the kernel's set of 64 signals.
pub(super) const SIGSET_BYTES: usize = 8;

/// Reports that `path` could not be executed although it is there, with how it begins.
fn look(index: u32, path: &CStr, errno: Errno) -> Report {
    let mut report = Report::new(Fault::new(Step::Execute, index, errno));
    let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
    // SAFETY: the path ends with a NUL.
    let file = unsafe { libc::open(path.as_ptr(), flags) };
    let room = report.head.len();
    // SAFETY: `head` is as long as we say; a file that could not be opened is refused, EBADF.
    let read = unsafe { libc::read(file, report.head.as_mut_ptr().cast(), room) };
    report.head_bytes = u32::try_from(read).unwrap_or(u32::MAX);
    report
}

/// Writes `LISTEN_PID=` and `pid` into `buffer`, which is zeroed and long enough.
fn write_listen_pid(buffer: &mut [u8; 32], pid: Pid) {
    let mut digits = [0u8; 10];
    let mut rest = pid.as_raw().unsigned_abs();
    let mut count = 0usize;
    for slot in digits.iter_mut().rev() {
        *slot = b'0'.wrapping_add(u8::try_from(rest.wrapping_rem(10)).unwrap_or(0));
        rest = rest.wrapping_div(10);
        count = count.wrapping_add(1);
        if rest == 0 {
            break;
        }
    }
    let digits = digits.iter().rev().take(count).rev();
    for (slot, byte) in buffer.iter_mut().zip(b"LISTEN_PID=".iter().chain(digits)) {
        *slot = *byte;
    }
}

impl Fault {
    fn new(step: Step, index: u32, errno: Errno) -> Self {
        Self { step, index, errno: errno as i32 }
    }
}

impl Report {
    fn new(fault: Fault) -> Self {
        Self { fault, head_bytes: 0, head: [0; EXECUTABLE_HEAD_BYTES] }
    }

    fn to_bytes(&self) -> [u8; REPORT_BYTES] {
        let mut bytes = [0; REPORT_BYTES];
        let step = (self.fault.step as u32).to_ne_bytes();
        let index = self.fault.index.to_ne_bytes();
        let errno = self.fault.errno.to_ne_bytes();
        let head_bytes = self.head_bytes.to_ne_bytes();
        let fields = step.iter().chain(&index).chain(&errno).chain(&head_bytes).chain(&self.head);
        for (slot, byte) in bytes.iter_mut().zip(fields) {
            *slot = *byte;
        }
        bytes
    }

    /// Reads what `to_bytes` wrote.
    pub(super) fn from_bytes(bytes: &[u8; REPORT_BYTES]) -> Option<Self> {
        let (step, rest) = bytes.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (errno, rest) = rest.split_first_chunk()?;
        let (head_bytes, head) = rest.split_first_chunk()?;
        Some(Self {
            fault: Fault {
                step: Step::from_number(u32::from_ne_bytes(*step))?,
                index: u32::from_ne_bytes(*index),
                errno: i32::from_ne_bytes(*errno),
            },
            head_bytes: u32::from_ne_bytes(*head_bytes),
            head: head.try_into().ok()?,
        })
    }

    /// How the file begins that could not be executed; none if it could not be read.
    pub(super) fn head(&self) -> Option<&[u8]> {
        self.head.get(..usize::try_from(self.head_bytes).ok()?)
    }
}

impl Step {
    const ALL: [Self; 17] = [
        Self::Session,
        Self::Stdin,
        Self::Stream,
        Self::Handed,
        Self::Nice,
        Self::OomScore,
        Self::Limit,
        Self::Root,
        Self::Bounding,
        Self::Groups,
        Self::Group,
        Self::User,
        Self::Capabilities,
        Self::Ambient,
        Self::Privileges,
        Self::Directory,
        Self::Execute,
    ];

    fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step as u32 == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_the_pipe() {
        for step in Step::ALL {
            let mut report = Report::new(Fault::new(step, 7, Errno::ENOEXEC));
            report.head_bytes = 2;
            report.head[..2].copy_from_slice(b"#!");
            let back = Report::from_bytes(&report.to_bytes()).unwrap();
            assert_eq!(back, report);
            assert_eq!(back.head(), Some(&b"#!"[..]));
        }
        let mut bytes = Report::new(Fault::new(Step::Nice, NONE, Errno::EPERM)).to_bytes();
        bytes[0] = 99;
        assert_eq!(Report::from_bytes(&bytes), None);
    }

    #[test]
    fn listen_pid_is_written_without_formatting() {
        let check = |pid: i32, expected: &str| {
            let mut buffer = [0; 32];
            write_listen_pid(&mut buffer, Pid::from_raw(pid));
            let text = CStr::from_bytes_until_nul(&buffer).unwrap();
            assert_eq!(text.to_str().unwrap(), expected);
        };
        check(1, "LISTEN_PID=1");
        check(10, "LISTEN_PID=10");
        check(4_194_304, "LISTEN_PID=4194304");
        check(i32::MAX, "LISTEN_PID=2147483647");
    }

    #[test]
    fn numbers_are_read_up_to_the_nul() {
        assert_eq!(leading_number(b"12\0\0"), Some(12));
        assert_eq!(leading_number(b".\0"), None);
        assert_eq!(leading_number(b"..\0"), None);
        assert_eq!(leading_number(b"99999999999\0"), None);
    }
}
