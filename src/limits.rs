//! Every bound in the program, with the reason for its number.
//!
//! What exceeds a bound is refused with a problem, or dropped and counted; it never grows.

use std::time::Duration;

/// Longest name of a service, in bytes: what fits in a process name list, a DNS label and a
/// file name with any suffix.
pub const NAME_BYTES_MAX: usize = 63;

/// Most services in one plan. A thousand is a large image; the rest is room.
pub const SERVICES_MAX: usize = 10_000;

/// Most names that the dependencies of a source of s6-rc come to, with all that the bundles among
/// them hold: bundles of bundles can mean everybody again and again. A large image has hundreds.
pub const MEANT_MAX: usize = 100_000;

/// Most problems of one source for which what was meant is looked for: it takes a look at every
/// name there is, and nobody reads more.
pub const HINTS_MAX: usize = 100;

/// Time a `finish` script may take that had no limit where it comes from, in milliseconds: what it
/// cleans up is done by then, and one that hangs keeps its service down no longer.
pub const FINISH_TIME: u64 = 60_000;

/// From the last change of a directory of services until it is read again: long enough for whoever
/// makes one to put its script into it, and well below the second within which one is to start.
pub const RESCAN_TIME: Duration = Duration::from_millis(200);

/// How many commands of `sv` may wait for the loop; what is written beyond that is not heard. The
/// loop takes all of them in a turn, so it is a bound for who writes without end.
pub const SUPERVISE_ORDERS_MAX: usize = 1024;

/// How many directories are watched at most; the kernel has a limit for each user, and others of
/// the same user have a share in it.
pub const WATCHED_DIRECTORIES_MAX: usize = 1024;

/// How many files a configuration of another format may include: more than anybody has, and few
/// enough to be read at a start.
pub const INCLUDES_MAX: usize = 1000;

/// Largest service file, in bytes. The longest seen in public images is below 20 KiB.
pub const SERVICE_FILE_BYTES_MAX: usize = 1 << 20;

/// Largest environment file or `/etc/passwd`, in bytes: room for some thousand variables or users.
pub const TEXT_FILE_BYTES_MAX: usize = 4 << 20;

/// Longest duration the configuration accepts: anything longer is meant as "never".
pub const DURATION_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// Spawns in one turn of the loop. A fork costs about 0.1 ms, so signals and exits are looked at
/// again every few milliseconds even while a thousand services start.
pub const SPAWNS_A_TURN_MAX: usize = 32;

/// Events taken in one turn of the loop: bounds how long a storm of exits can keep the actions
/// they lead to waiting.
pub const EVENTS_A_TURN_MAX: usize = 256;

/// Signals read in one turn of the loop: few, since the kernel merges those below 32.
pub const SIGNALS_A_TURN_MAX: usize = 8;

/// Orphans reaped in one turn of the loop, so that a storm of them cannot keep signals waiting.
pub const REAPS_A_TURN_MAX: usize = 1024;

/// Time a `before_start` command may take; a migration belongs in a oneshot.
pub const BEFORE_START_TIME_MAX: Duration = Duration::from_secs(60);

/// What is left of a run after an end nobody asked for has this long between TERM and KILL:
/// a restart waits for it.
pub const LEFTOVERS_TIME_MAX: Duration = Duration::from_secs(2);

/// A service that reads what others write is stopped by the end of its input; the first signal
/// follows when this part of its time to stop is over. Half: enough for what a pipe holds, and as
/// much again for one that does not read, or does not care.
pub const DRAIN_SHARE: f64 = 0.5;

/// Of what a service left unread in a pipe from others so much is shown: what the pipe holds,
/// unless somebody made it larger; see pipe(7).
pub const UNREAD_SHOWN_MAX: usize = 64 << 10;

/// A log file is full at this size where nothing else is said, and
pub const LOG_FILE_BYTES: u64 = 10 << 20;

/// so many full ones are kept: 60 MiB a service is what a small volume bears.
pub const LOG_FILES_KEPT: u32 = 5;

/// More full log files than this are nobody's intention: each is renamed at each rotation.
pub const LOG_FILES_KEPT_MAX: i64 = 1000;

/// The end of the shutdown budget that is kept for the last KILL and for draining the logs.
pub const SHUTDOWN_RESERVE: Duration = Duration::from_millis(500);

/// The shortest time between the last KILL and the end of everything, also when no budget is left
/// for it: a process that was killed is reaped well within it, so that its exit code is told.
pub const KILL_TIME_MIN: Duration = Duration::from_millis(100);

/// A KILL is sent again this long after it had no effect: what forks while it is being killed
/// is found the next time.
pub const KILL_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Longest line that onit writes by default, in bytes, prefix and newline included: container
/// engines split their records there.
pub const LINE_BYTES: usize = 16 << 10;

/// Range of `max_line`: below, a prefix and a mark would not fit; above, a line would not fit a
/// relay's buffer.
pub const LINE_BYTES_MIN: usize = 256;
/// See [`LINE_BYTES_MIN`].
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Bytes read from one service in one round of a relay: what a pipe holds by default, see pipe(7).
/// So a service that writes without end cannot keep the others waiting.
pub const READ_BYTES: usize = 64 << 10;

/// Rendered bytes a relay collects before it writes them: two full reads with their prefixes.
pub const OUT_BYTES: usize = 128 << 10;

/// Bytes given to one write(2) on a sink: what a pipe holds by default. At the end of the budget
/// the bytes of a write that is stuck count as lost, so this is how far that count can be off.
pub const WRITE_BYTES: usize = 64 << 10;

/// A relay that is woken again within twice this time, and by little, lets as much time pass before
/// it looks again: each line that is written by itself would wake it, which takes longer than all
/// that is done with the line.
pub const GATHER_TIME: Duration = Duration::from_micros(200);
/// Unless the two rounds brought this much, what the smallest pipe holds (pipe(7)): whoever writes
/// that fast is not to wait for it.
pub const GATHER_BYTES_MAX: usize = 4 << 10;

/// Events a relay takes from its epoll at once. Ready sources beyond that come with the next
/// call; the kernel hands them out in turn.
pub const RELAY_EVENTS: usize = 64;

/// Stack of a thread beside the loop: it calls nothing deep, and its buffers are on the heap; most
/// of this is for the C library and for a panic that has to be told.
pub const THREAD_STACK_BYTES: usize = 128 << 10;
/// Stack of the loop, of which only what is used takes memory.
pub const LOOP_STACK_BYTES: usize = 1 << 20;

/// How much longer than a look for ended children onit does other things before it looks for them
/// again: a look costs up to 1 ms with ten thousand children. Until then those are
/// reaped whose end was told with CHLD, which is nearly all.
pub const SWEEP_SHARE: u32 = 20;
/// Not longer than this, however busy the machine is.
pub const SWEEP_PAUSE_MAX: Duration = Duration::from_millis(20);
/// Nor after a look that found nobody and took less, as with a few hundred children,
pub const SWEEP_TIME: Duration = Duration::from_micros(10);
/// or one that found somebody and took less, as with a few thousand.
pub const SWEEP_TIME_FOUND: Duration = Duration::from_micros(100);

/// Ends of runs that are remembered a pipe while the relay is stuck: more than the last words of
/// a crash loop that fit a pipe. Beyond that the last two count as one.
pub const RUN_ENDS_MAX: usize = 16;

/// A sink that does not take output is complained about at most this often.
pub const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// How long after a log file could not be opened the next attempt is made, if there is output.
pub const FILE_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// What the loop says is passed on at most this often: where a thousand services end at once, each
/// message on its own takes longer than all that is to be done about them.
pub const NOTICE_PAUSE: Duration = Duration::from_millis(2);

/// Longest message of onit itself, in bytes, everything included: a write of up to `PIPE_BUF`
/// is never mixed with another one; see pipe(7).
pub const NOTICE_BYTES_MAX: usize = 4096;

/// Names read of one directory: twice the services of a plan, and room for what is none.
pub const DIRECTORY_ENTRIES_MAX: usize = 100_000;

/// Directories in a `PATH`: each is one execve of a missing command. The longest seen have some
/// forty.
pub const PATH_DIRECTORIES_MAX: usize = 1024;

/// Bytes of memory that are set aside for what a child is told, of which only what is written to is
/// ever taken: the kernel takes no more than 6 MiB of words and variables; see execve(2), "Limits".
pub const PAD_BYTES: usize = 8 << 20;
/// The stack of a child until its exec, in words of 16 bytes, as which it has to be aligned: it
/// keeps less than a KiB there.
pub const CHILD_STACK_WORDS: usize = 1 << 10;

/// Descriptors that are kept for what a child takes along: two streams, the report, what it reads,
/// the pipe it says that it is ready by, two sockets, and one to empty the others with. Whoever has
/// more is forked with a copy of all.
pub const BERTH_DESCRIPTORS: usize = 8;
/// From so many services on a child leaves from a berth: copying and closing some two hundred
/// descriptors costs as much as the waiting.
pub const BERTH_SERVICES: usize = 50;
/// How long PID 1 waits for a child to leave its descriptors, which is the first thing it does: as
/// long as it takes until it gets a processor. Then it is killed and forked with a copy.
pub const BERTH_PATIENCE: Duration = Duration::from_millis(100);

/// Descriptors that are looked at one by one where the kernel has no `close_range` and /proc is
/// not there: the usual `fs.nr_open`, at 50 ns each.
pub const DESCRIPTORS_MAX: i32 = 1 << 20;

/// Bytes of a file that cannot be executed which are looked at to say why: what the kernel itself
/// looks at, see `BINPRM_BUF_SIZE` in execve(2), "Interpreter scripts".
pub const EXECUTABLE_HEAD_BYTES: usize = 256;

/// How long the line that says what was lost may take, when everything else has had its time.
pub const LAST_LINE_PATIENCE: Duration = Duration::from_millis(50);

/// Processes looked at in one search for what is left of a run: a fork bomb grows faster than it
/// can be read, and what is missed is found the next time.
pub const KIN_MAX: usize = 16_384;

/// Searches in one KILL of a run: each finds what forked during the one before.
pub const KILL_ROUNDS_MAX: usize = 8;

/// Longest text of the configuration with its variables put in, in bytes: execve(2) takes no
/// longer argument or variable (`MAX_ARG_STRLEN`).
pub const VALUE_BYTES_MAX: usize = (128 << 10) - 1;

/// All texts of one file of the configuration together, with their variables put in, in bytes: a
/// file full of `${X}` must not eat the memory. execve(2) takes a quarter of the stack's limit in
/// all, at most 6 MiB.
pub const VALUES_BYTES_MAX: usize = 8 << 20;

/// Ends of a service that are remembered for `onit status`: enough to see a pattern.
pub const PAST_ENDS_MAX: usize = 5;

/// Longest path of a socket, in bytes: what the kernel takes, with the NUL behind it; see unix(7).
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Bytes of an answer over HTTP in which a probe looks for the status: a status line has some
/// twenty, and the rest is room for interim answers before it.
pub const HTTP_HEAD_BYTES_MAX: usize = 4 << 10;

/// How long those a probe has killed may take to end: one that hangs in the kernel is left to it.
pub const PROBE_KILL_TIME_MAX: Duration = Duration::from_secs(2);

/// Longest message of `onit notify`, in bytes: systemd takes 4096, and a time may be added.
pub const NOTIFY_BYTES_MAX: usize = 4000;

/// How long `onit notify` waits for room in the queue of whoever is told, and once more until it is
/// taken from there: as long as systemd-notify(1).
pub const NOTIFY_TIME_MAX: Duration = Duration::from_secs(5);

/// Services named in the chain of what a service waits for.
pub const CHAIN_MAX: usize = 32;

/// Longest request on the control socket, in bytes: room for a thousand names.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;

/// Bytes of an answer that are put into words ahead of what the client takes.
pub const ANSWER_BYTES_AHEAD: usize = 128 << 10;

/// Clients of the control socket at the same time, but no more than a quarter of the descriptors
/// there may be; the next one is told to come again. Health checks and people take a handful; the
/// rest is room for scripts that run wild.
pub const CLIENTS_MAX: usize = 256;

/// How long clients have at the end to hang up by themselves: a process needs a millisecond for it.
pub const GOODBYE_TIME_MAX: Duration = Duration::from_millis(100);

/// More clients than this at the same time leave memory behind that is worth giving back.
pub const FEW_CLIENTS: usize = 8;

/// Clients taken in one turn of the loop.
pub const ACCEPTS_A_TURN_MAX: usize = 16;

/// Bytes read from one client in one turn of the loop.
pub const CLIENT_READ_BYTES: usize = 16 << 10;

/// Services put into words for one client in one turn of the loop: about a millisecond.
pub const REPORTS_A_TURN_MAX: usize = 128;

/// Services that wait to be put into words, over all clients: each is some hundred bytes.
pub const REPORTS_WAITING_MAX: usize = 20_000;

/// Changes of state that are kept for `onit events`.
pub const EVENTS_KEPT: usize = 256;

/// Recent output kept of one stream of a service, in bytes: 64 KiB for both.
pub const RING_BYTES_MAX: usize = 32 << 10;

/// What every stream may keep whatever the others do.
pub const RING_BYTES_MIN: usize = 2 << 10;

/// Recent output kept of all services together, in bytes, beyond [`RING_BYTES_MIN`] of each.
pub const RINGS_BYTES_MAX: usize = 16 << 20;

/// Times kept in one ring: of more reads than that the latest share one.
pub const RING_MARKS_MAX: usize = 256;

/// Longest text a service or a probe says of itself that is kept, in bytes: a line on a wide
/// screen.
pub const STATUS_BYTES_MAX: usize = 256;

/// How long one look at whether a service is ready may take, and at most what is left of the time
/// for it: one that hangs does not keep the next from being made.
pub const READY_PROBE_TIME_MAX: Duration = Duration::from_secs(5);

/// Services named in the line that tells whoever started onit what is not up.
pub const SUMMARY_MAX: usize = 5;

/// Sockets of one service: what a program can still tell apart by name.
pub const LISTEN_MAX: usize = 64;

/// Range of a socket's backlog: what the kernel keeps in an `int`, far above `net.core.somaxconn`.
pub const BACKLOG_MAX: u32 = 65_535;

/// Highest descriptor a service may be given to say that it is ready: below the usual limit.
pub const READY_FD_MAX: i64 = 1023;

/// Longest datagram of a service that is heard, in bytes; systemd takes as much.
pub const DATAGRAM_BYTES_MAX: usize = 4096;

/// Datagrams of one run heard in one turn of the loop.
pub const DATAGRAMS_A_TURN_MAX: usize = 32;

/// Bytes of what a probe writes that are read in one turn of the loop.
pub const PROBE_READ_BYTES: usize = 16 << 10;

/// Longest text of `ready.log`, in bytes: nobody's line says more to know it by.
pub const READY_TEXT_BYTES_MAX: usize = 1024;

/// Messages for whoever started onit that wait until there is room for them.
pub const ABOVE_WAITING_MAX: usize = 8;

/// After this it is looked again whether there is.
pub const ABOVE_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// onit says no more often than this that it is alive, whatever was asked for.
pub const ABOVE_WATCHDOG_MIN: Duration = Duration::from_millis(10);

/// Reads of what a probe has written when it has ended: what a pipe holds by default, 64 KiB.
pub const FINDING_READS_MAX: usize = 4;

/// Lines that are shown again of what failed.
pub const LAST_LINES: usize = 5;

/// Instances of one service: more is a cluster's affair.
pub const INSTANCES_MAX: i64 = 1000;

/// From the first look at whether a service is ready to the second; then twice as long each time,
/// up to what its file says. A program that starts fast is not kept waiting for half a second, and
/// one that starts slowly has been looked at five times more than needed.
pub const READY_PROBE_FIRST_INTERVAL: Duration = Duration::from_millis(20);
