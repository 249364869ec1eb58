//! The console: which stream of which service goes through which relay.
//!
//! Used by the loop only, and never makes it wait. It moves no bytes itself.

use std::io::{IsTerminal, stderr, stdout};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use litemap::LiteMap;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat, major, minor};

use super::clock::monotonic_clock;
use super::inputs::Inputs;
use super::lines::{Lookout, Sightings};
use super::log_file::LogFile;
use super::notices::Notices;
use super::relay::{Aside, Pipe, Relay, Sink, errno, lock};
use super::rings::Rings;
use crate::output::{Lines, Shape, Stream, Style};
use crate::service::notify::printable;
use crate::service::{Errno, Failure, Format, Level, Log, LogTarget, Name, Rare, RunId, Spec};

/// What is set for everything that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsoleSettings {
    /// The shape of lines, where a service does not say otherwise.
    pub format: Format,
    /// Whether `text` lines begin with the time.
    pub timestamps: bool,
    /// How much onit says about itself.
    pub level: Level,
    /// Whether a terminal may be written to in colours; see <https://no-color.org>.
    pub colours: bool,
}

/// What a child of a service gets as its standard output and error. Both stay open as long as the
/// service is, and close on exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    /// For descriptor 1.
    pub stdout: RawFd,
    /// For descriptor 2; may be the same.
    pub stderr: RawFd,
}

/// What was not written out at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// How many bytes, at most: of a write that is stuck nobody knows how far it came.
    pub bytes: u64,
}

/// The pipes of all services, and the relays that empty them.
#[derive(Debug)]
pub struct Console {
    settings: ConsoleSettings,
    relays: Arc<Relays>,
    notices: Arc<Notices>,
    rings: Arc<Rings>,
    services: LiteMap<Name, Outputs>,
    inputs: Inputs,
    /// `/dev/null`, once somebody asked for it.
    nowhere: Option<OwnedFd>,
    /// Relays to files that no service writes to any more. They end by themselves; until then
    /// they count when everything has to be written out.
    retired: Vec<Arc<Route>>,
}

#[derive(Debug)]
struct Outputs {
    /// What was asked for.
    log: Rare<Log>,
    stdout: Output,
    /// None: the same as `stdout`.
    stderr: Option<Output>,
}

#[derive(Debug)]
enum Output {
    Own(Stream),
    Nowhere,
    Piped { pipe: Arc<Pipe>, route: Arc<Route> },
    Service(Name),
}

/// What makes two sinks the same: two relays into one pipe would tear each other's lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The same file, pipe, socket or terminal, whatever it is called; see inode(7).
    Inode { device: u64, number: u64 },
    /// A file by its path, since opening it may take long. If two paths lead to one file, nothing
    /// is torn: its relays append, each whole lines with one write.
    File(PathBuf),
    /// `/dev/null`, or a stream that cannot be used at all.
    Nowhere,
}

/// A relay, and where to.
#[derive(Debug)]
pub(super) struct Route {
    key: Key,
    pub(super) relay: Relay,
}

/// The relays there are, each started when it is needed first.
#[derive(Debug)]
pub(super) struct Relays {
    running: Mutex<LiteMap<Key, Arc<Route>>>,
    own: Own,
    stdout: Identity,
    stderr: Identity,
}

/// What one of onit's own streams is. Looked at once, at the start: to look at a file on a server
/// that has gone may take for ever.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// What makes it the same as another.
    pub(super) key: Key,
    /// Whether it understands colours.
    pub(super) is_terminal: bool,
}

/// onit's own streams.
#[derive(Debug)]
enum Own {
    Process,
    #[cfg(test)]
    Given {
        stdout: OwnedFd,
        stderr: OwnedFd,
    },
}

impl Console {
    /// A console that has opened nothing yet and started no thread.
    #[must_use]
    pub fn new(settings: ConsoleSettings) -> Self {
        Self::over(Own::Process, settings)
    }

    fn over(own: Own, settings: ConsoleSettings) -> Self {
        let (stdout, stderr) = (own.identity(Stream::Stdout), own.identity(Stream::Stderr));
        let relays = Arc::new(Relays { running: Mutex::default(), own, stdout, stderr });
        let rings = Arc::new(Rings::default());
        let ring = rings.of(&(Name::onit(), Stream::Stderr));
        Self {
            settings,
            notices: Arc::new(Notices::new(settings, Arc::clone(&relays), ring)),
            rings,
            relays,
            services: LiteMap::new(),
            inputs: Inputs::default(),
            nowhere: None,
            retired: Vec::new(),
        }
    }

    /// What onit says about itself; to be installed as the logger of the process.
    #[must_use]
    pub fn notices(&self) -> Arc<Notices> {
        Arc::clone(&self.notices)
    }

    /// What services have written lately.
    #[must_use]
    pub fn rings(&self) -> Arc<Rings> {
        Arc::clone(&self.rings)
    }

    /// Opens the pipes of a service, if it has none yet, or if its output is to go elsewhere now.
    /// They are kept through its restarts.
    ///
    /// # Errors
    /// What the system did not give us; nothing is left open then, and it can be tried again.
    pub fn open(&mut self, spec: &Spec) -> Result<(), Failure> {
        // Whoever reads may have come to an end of it since.
        spec.log.consumers().try_for_each(|consumer| self.inputs.open_for_writer(consumer))?;
        // What it has written is not to be forgotten because it goes elsewhere now.
        let _kept = match self.services.get(&spec.name) {
            Some(outputs) if outputs.log == spec.log => return Ok(()),
            Some(_) => {
                let kept = self.rings.all(|other| *other == spec.name);
                self.release_all(&spec.name);
                kept
            }
            None => Vec::new(),
        };
        let stdout = self.output(spec, &spec.log.stdout, Stream::Stdout)?;
        let stderr = match &spec.log.stderr {
            None => None,
            Some(target) => match self.output(spec, target, Stream::Stderr) {
                Ok(stderr) => Some(stderr),
                Err(failure) => {
                    self.release(stdout);
                    return Err(failure);
                }
            },
        };
        let log = spec.log.clone();
        self.services.insert(spec.name.clone(), Outputs { log, stdout, stderr });
        Ok(())
    }

    /// What a child of this service gets as 1 and 2. Of a service that has not been opened: onit's
    /// own.
    #[must_use]
    pub fn streams(&self, name: &Name) -> Streams {
        match self.services.get(name) {
            Some(Outputs { stdout, stderr, .. }) => {
                let stderr = stderr.as_ref().unwrap_or(stdout);
                Streams { stdout: self.descriptor(stdout), stderr: self.descriptor(stderr) }
            }
            None => Streams {
                stdout: self.relays.own.number(Stream::Stdout),
                stderr: self.relays.own.number(Stream::Stderr),
            },
        }
    }

    /// What the command of a service gets as 0, if that comes from other services. It stays open
    /// until that service is closed.
    ///
    /// # Errors
    /// No descriptors are to be had.
    pub fn input(&mut self, spec: &Spec) -> Result<Option<RawFd>, Failure> {
        if !spec.is_consumer {
            return Ok(None);
        }
        self.inputs.open_for_reader(&spec.name).map(Some)
    }

    /// Nobody writes to this service any more, and it is to see that.
    pub fn end_input(&mut self, name: &Name) {
        self.inputs.end(name);
    }

    /// From here on looks for a line that contains `text` in what the service writes.
    pub fn look_for(&self, name: &Name, run: RunId, text: &str, sightings: &Arc<Sightings>) {
        for (pipe, _) in self.piped_of(name) {
            pipe.look_for(Some(Lookout::new(run, text, sightings)));
        }
    }

    /// What a service wrote last, at most so many lines, as a person may be shown them.
    #[must_use]
    pub fn last_lines(&self, name: &Name, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for (_, ring) in self.rings.all(|other| other == name) {
            let mut cursor = ring.before_last(Some(count));
            lines.extend(std::iter::from_fn(|| ring.next(&mut cursor)).take(count));
        }
        lines.sort_by_key(|line| line.nanoseconds);
        let from = lines.len().saturating_sub(count);
        lines.iter().skip(from).map(|line| printable(&line.content)).collect()
    }

    /// Nothing of this service runs, and the next run is to find its pipes as the first did.
    pub fn block_again(&self, name: &Name) {
        self.piped_of(name).for_each(|(pipe, _)| pipe.block_again());
    }

    /// The process of a run has ended, or all others of it have: what they wrote is passed on, and
    /// a line they have not ended is ended for them.
    pub fn run_ended(&self, name: &Name) {
        self.piped_of(name).for_each(|(pipe, route)| route.relay.end_run(pipe));
    }

    /// The pipes of this service, with where they lead.
    fn piped_of(&self, name: &Name) -> impl Iterator<Item = (&Pipe, &Route)> {
        let outputs = self.services.get(name).into_iter();
        let outputs = outputs.flat_map(|it| std::iter::once(&it.stdout).chain(&it.stderr));
        outputs.filter_map(|output| match output {
            Output::Piped { pipe, route } => Some((&**pipe, &**route)),
            Output::Own(_) | Output::Nowhere | Output::Service(_) => None,
        })
    }

    /// The service is gone for good: its pipes are closed as soon as what is in them is through.
    pub fn close(&mut self, name: &Name) {
        self.release_all(name);
        self.rings.forget(name);
        self.inputs.forget(name);
    }

    fn release_all(&mut self, name: &Name) {
        if let Some(Outputs { stdout, stderr, .. }) = self.services.remove(name) {
            self.release(stdout);
            if let Some(stderr) = stderr {
                self.release(stderr);
            }
        }
    }

    /// Files may have been moved away: they are opened again, under their names.
    pub fn reopen_files(&self) {
        for (key, route) in lock(&self.relays.running).iter() {
            match key {
                Key::File(_) => route.relay.reopen(),
                Key::Inode { .. } | Key::Nowhere => {}
            }
        }
    }

    /// No service runs any more: says what those who were to read others left unread.
    pub fn forget_inputs(&mut self) {
        self.inputs.forget_all();
    }

    /// Writes out everything that is in the pipes now, as far as the readers take it within
    /// `patience`. Returns at once when it is done.
    pub fn finish(&mut self, patience: Duration) -> Lost {
        let deadline = monotonic_clock().checked_add(patience);
        let said = self.notices.said();
        let lost = self.finish_once(patience);
        if self.notices.said() == said {
            return lost;
        }
        // What the relays had to say meanwhile may have come to another one that was done already.
        let left = deadline
            .map_or(patience, |deadline| deadline.saturating_duration_since(monotonic_clock()));
        self.finish_once(left)
    }

    fn finish_once(&self, patience: Duration) -> Lost {
        let deadline = monotonic_clock().checked_add(patience);
        // Not under the lock: a relay that has something to say for the first time needs it.
        let mut routes: Vec<Arc<Route>> = lock(&self.relays.running).values().cloned().collect();
        routes.extend(self.retired.iter().cloned());
        for route in &routes {
            route.relay.finish();
        }
        let mut bytes: u64 = 0;
        for Route { relay, .. } in routes.iter().map(Arc::as_ref) {
            let left = deadline
                .map_or(patience, |deadline| deadline.saturating_duration_since(monotonic_clock()));
            bytes = bytes.saturating_add(relay.wait(left));
        }
        Lost { bytes }
    }

    fn output(
        &mut self,
        spec: &Spec,
        target: &LogTarget,
        stream: Stream,
    ) -> Result<Output, Failure> {
        match resolve(target, stream) {
            Target::Own(stream) => Ok(Output::Own(stream)),
            Target::Nowhere => {
                if self.nowhere.is_none() {
                    self.nowhere = Some(open_null()?);
                }
                Ok(Output::Nowhere)
            }
            Target::Console(sink) => {
                let Identity { key, is_terminal } = self.relays.identity(sink).clone();
                let open = || self.relays.sink(sink);
                self.piped(spec, stream, key, open, is_terminal)
            }
            Target::Service(consumer) => Ok(Output::Service(consumer.clone())),
            Target::File(path) => {
                let key = Key::File(path.to_owned());
                let rotation = spec.log.rotation;
                self.piped(
                    spec,
                    stream,
                    key,
                    || Ok(Sink::File(LogFile::new(path.to_owned(), rotation))),
                    false,
                )
            }
        }
    }

    fn piped(
        &self,
        spec: &Spec,
        stream: Stream,
        key: Key,
        sink: impl FnOnce() -> Result<Sink, Failure>,
        is_terminal: bool,
    ) -> Result<Output, Failure> {
        let style = Style {
            format: spec.log.format.unwrap_or(self.settings.format),
            timestamps: self.settings.timestamps,
            colours: self.settings.colours && is_terminal,
            max_line: spec.log.max_line,
        };
        let lines = Lines::new(Shape::of_service(style, &spec.name, stream));
        let pipe = Arc::new(Pipe::open()?);
        let aside = Aside::Keep(self.rings.recorder((spec.name.clone(), stream)));
        let route = self.relays.route(key, sink)?;
        route.relay.attach(&pipe, lines, aside)?;
        Ok(Output::Piped { pipe, route })
    }

    fn descriptor(&self, output: &Output) -> RawFd {
        match output {
            Output::Own(stream) => self.relays.own.number(*stream),
            Output::Nowhere => match &self.nowhere {
                Some(nowhere) => nowhere.as_raw_fd(),
                None => self.relays.own.number(Stream::Stdout),
            },
            Output::Piped { pipe, .. } => pipe.writer().as_raw_fd(),
            Output::Service(consumer) => match self.inputs.writer(consumer) {
                Some(writer) => writer,
                // It was opened with the service.
                None => self.relays.own.number(Stream::Stdout),
            },
        }
    }

    fn release(&mut self, output: Output) {
        self.retired.retain(|route| !route.relay.is_idle());
        let Output::Piped { pipe, route } = output else { return };
        route.relay.close(&pipe);
        // Besides this one only that of the relays: no other stream goes there.
        let is_last = Arc::strong_count(&route) <= 2;
        match route.key {
            Key::File(_) if is_last => {
                self.retired.extend(lock(&self.relays.running).remove(&route.key));
            }
            // The next one to need the console must find this very relay, even when it is stuck.
            Key::File(_) | Key::Inode { .. } | Key::Nowhere => {}
        }
    }
}

impl Relays {
    /// The relay for `key`; if there is none, it is started to `sink`.
    pub(super) fn route(
        &self,
        key: Key,
        sink: impl FnOnce() -> Result<Sink, Failure>,
    ) -> Result<Arc<Route>, Failure> {
        let mut running = lock(&self.running);
        if let Some(route) = running.get(&key) {
            return Ok(Arc::clone(route));
        }
        let route = Arc::new(Route { key: key.clone(), relay: Relay::start(sink()?)? });
        running.insert(key, Arc::clone(&route));
        Ok(route)
    }

    pub(super) fn identity(&self, stream: Stream) -> &Identity {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }

    /// One of onit's own streams as a sink.
    pub(super) fn sink(&self, stream: Stream) -> Result<Sink, Failure> {
        match self.identity(stream).key {
            Key::Nowhere => Ok(Sink::Nowhere),
            Key::Inode { .. } | Key::File(_) => self.own.sink(stream),
        }
    }

    /// onit's own standard error, to write to without a relay.
    pub(super) fn duplicate_stderr(&self) -> Option<OwnedFd> {
        self.own.duplicate(Stream::Stderr).ok()
    }
}

impl Own {
    fn number(&self, stream: Stream) -> RawFd {
        match self {
            Self::Process => match stream {
                Stream::Stdout => libc::STDOUT_FILENO,
                Stream::Stderr => libc::STDERR_FILENO,
            },
            #[cfg(test)]
            Self::Given { stdout, stderr } => match stream {
                Stream::Stdout => stdout.as_raw_fd(),
                Stream::Stderr => stderr.as_raw_fd(),
            },
        }
    }

    fn duplicate(&self, stream: Stream) -> std::io::Result<OwnedFd> {
        match self {
            Self::Process => match stream {
                Stream::Stdout => stdout().as_fd().try_clone_to_owned(),
                Stream::Stderr => stderr().as_fd().try_clone_to_owned(),
            },
            #[cfg(test)]
            Self::Given { stdout, stderr } => match stream {
                Stream::Stdout => stdout.try_clone(),
                Stream::Stderr => stderr.try_clone(),
            },
        }
    }

    fn identity(&self, stream: Stream) -> Identity {
        match self {
            Self::Process => match stream {
                Stream::Stdout => identity(stdout().as_fd()),
                Stream::Stderr => identity(stderr().as_fd()),
            },
            #[cfg(test)]
            Self::Given { stdout, stderr } => match stream {
                Stream::Stdout => identity(stdout.as_fd()),
                Stream::Stderr => identity(stderr.as_fd()),
            },
        }
    }

    fn sink(&self, stream: Stream) -> Result<Sink, Failure> {
        let name = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        match self.duplicate(stream) {
            Ok(descriptor) => Ok(Sink::Open { descriptor, name }),
            Err(error) => {
                let error = error.raw_os_error().map_or(Errno::EMFILE, Errno);
                Err(Failure::errno("duplicate", name, error))
            }
        }
    }
}

fn identity(descriptor: BorrowedFd<'_>) -> Identity {
    // A stream that is closed is one that nobody wants to hear.
    let Ok(file) = fstat(descriptor) else {
        return Identity { key: Key::Nowhere, is_terminal: false };
    };
    let is_device = file.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFCHR.bits();
    // The numbers of /dev/null; see null(4).
    if is_device && (major(file.st_rdev), minor(file.st_rdev)) == (1, 3) {
        return Identity { key: Key::Nowhere, is_terminal: false };
    }
    let key = Key::Inode { device: file.st_dev, number: file.st_ino };
    Identity { key, is_terminal: descriptor.is_terminal() }
}

/// Where a stream goes, once the names that only look like files are seen for what they are.
enum Target<'a> {
    Console(Stream),
    Own(Stream),
    Nowhere,
    File(&'a Path),
    Service(&'a Name),
}

fn resolve(target: &LogTarget, stream: Stream) -> Target<'_> {
    match target {
        LogTarget::Console => Target::Console(stream),
        LogTarget::Discard => Target::Nowhere,
        LogTarget::Inherit => Target::Own(stream),
        LogTarget::Service(consumer) => Target::Service(consumer),
        LogTarget::File(path) => match path.to_str() {
            Some("/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1") => {
                Target::Console(Stream::Stdout)
            }
            Some("/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2") => {
                Target::Console(Stream::Stderr)
            }
            Some("/dev/null") => Target::Nowhere,
            Some(_) | None => Target::File(path),
        },
    }
}

fn open_null() -> Result<OwnedFd, Failure> {
    open("/dev/null", OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|error| Failure::errno("open", "/dev/null", errno(error)))
}

#[cfg(test)]
pub(super) mod tests {
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::unistd::write;

    use super::super::relay::tests::{
        PATIENCE, console, expect, read_bytes, temporary_directory, until, write_until_stuck,
    };
    use super::*;
    use crate::service::Argv;

    pub(in crate::linux) const SETTINGS: ConsoleSettings = ConsoleSettings {
        format: Format::Text,
        timestamps: false,
        level: Level::Info,
        colours: true,
    };

    /// A console on these streams, and how many relays it runs.
    pub(in crate::linux) fn over(stdout: OwnedFd, stderr: OwnedFd) -> Console {
        Console::over(Own::Given { stdout, stderr }, SETTINGS)
    }

    pub(in crate::linux) fn relays(console: &Console) -> usize {
        lock(&console.relays.running).len()
    }

    fn spec(name: &str) -> Spec {
        Spec::new(Name::new(name).unwrap(), Argv::new("true", Vec::<String>::new()))
    }

    /// Writes as a child of the service would.
    fn say(descriptor: RawFd, text: &str) {
        // SAFETY: The console keeps the descriptor open while the service is open.
        let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
        assert_eq!(write(descriptor, text.as_bytes()), Ok(text.len()));
    }

    #[test]
    fn two_streams_into_one_sink_share_a_relay() {
        let (reader, writer) = console();
        let mut console = over(writer.try_clone().unwrap(), writer);
        assert_eq!(relays(&console), 0);
        let web = spec("web");
        console.open(&web).unwrap();
        assert_eq!(relays(&console), 1);
        let streams = console.streams(&web.name);
        assert_ne!(streams.stdout, streams.stderr);
        say(streams.stdout, "out\n");
        expect(&reader, "web | out\n");
        say(streams.stderr, "err\n");
        expect(&reader, "web | err\n");
        // Opening it again, as each start does, changes nothing.
        console.open(&web).unwrap();
        assert_eq!(console.streams(&web.name), streams);
    }

    #[test]
    fn streams_into_two_sinks_have_a_relay_each() {
        let (out, stdout) = console();
        let (err, stderr) = console();
        let mut console = over(stdout, stderr);
        let mut web = spec("web");
        web.log.format = Some(Format::Raw);
        console.open(&web).unwrap();
        assert_eq!(relays(&console), 2);
        let streams = console.streams(&web.name);
        say(streams.stdout, "out\n");
        say(streams.stderr, "err\n");
        expect(&out, "out\n");
        expect(&err, "err\n");
    }

    #[test]
    fn a_stream_goes_where_the_service_file_says() {
        let directory = temporary_directory("console");
        let path = directory.join("web.log");
        let (_out, stdout) = console();
        let (_err, stderr) = console();
        let (own_out, own_err) = (stdout.as_raw_fd(), stderr.as_raw_fd());
        let mut console = over(stdout, stderr);

        let mut joined = spec("joined");
        joined.log.stderr = None;
        console.open(&joined).unwrap();
        let streams = console.streams(&joined.name);
        assert_eq!(streams.stdout, streams.stderr);

        let mut inherits = spec("inherits");
        inherits.log.stdout = LogTarget::Inherit;
        inherits.log.stderr = Some(LogTarget::Discard);
        console.open(&inherits).unwrap();
        let streams = console.streams(&inherits.name);
        assert_eq!(streams.stdout, own_out);
        // SAFETY: The console keeps it open.
        let null = unsafe { BorrowedFd::borrow_raw(streams.stderr) };
        assert_eq!(identity(null).key, Key::Nowhere);

        let unknown = console.streams(&Name::main());
        assert_eq!(unknown, Streams { stdout: own_out, stderr: own_err });

        let before = relays(&console);
        let mut files = spec("files");
        files.log.stdout = LogTarget::File(path.clone());
        files.log.stderr = Some(LogTarget::File("/dev/stderr".into()));
        console.open(&files).unwrap();
        assert_eq!(relays(&console), before + 2);
        say(console.streams(&files.name).stdout, "to the file\nwithout end");
        assert_eq!(console.finish(PATIENCE), Lost { bytes: 0 });
        assert_eq!(contents(&path), "files | to the file\nfiles | without end\n");

        console.close(&files.name);
        // The relay to stderr stays.
        assert_eq!(relays(&console), before + 1);
        until("the relay to the file to end", || {
            console.retired.iter().all(|route| route.relay.is_idle())
        });
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "a regular file of this test")]
    fn contents(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "the kernel says there how large we are")]
    fn resident_kilobytes() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// In a process of its own: what is measured is the memory of all of it, and the neighbours of
    /// this test fill rings.
    #[test]
    #[expect(clippy::disallowed_types, reason = "to be alone")]
    fn a_million_runs_under_a_stalled_reader_pile_up_nothing() {
        let inside = "linux::console::tests::a_million_runs_alone";
        let mut alone = std::process::Command::new("/proc/self/exe");
        let ended = alone.args([inside, "--exact", "--ignored"]).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    #[ignore = "run by the test above, alone"]
    fn a_million_runs_alone() {
        let (reader, writer) = console();
        let mut console = over(writer.try_clone().unwrap(), writer);
        let web = spec("web");
        console.open(&web).unwrap();
        let stdout = console.streams(&web.name).stdout;
        // SAFETY: The console keeps it open.
        let stdout = unsafe { BorrowedFd::borrow_raw(stdout) }.try_clone_to_owned().unwrap();
        let written = write_until_stuck(&stdout, b"0123456789\n");
        let before = resident_kilobytes();
        for _ in 0..1_000_000 {
            console.run_ended(&web.name);
        }
        let grown = resident_kilobytes().saturating_sub(before);
        assert!(grown < 16 << 10, "grew by {grown} KiB");
        let lost = console.finish(Duration::ZERO);
        assert!(lost.bytes > 64 << 10, "{lost:?}");
        // Nothing is lost if the reader comes back: each whole line is there.
        let lines = written / 11;
        let all = read_bytes(&reader, lines * "web | 0123456789\n".len());
        assert!(all.chunks(17).all(|line| line == b"web | 0123456789\n"));
    }

    #[test]
    fn what_a_run_did_to_its_pipe_does_not_meet_the_next() {
        let (_reader, writer) = console();
        let mut console = over(writer.try_clone().unwrap(), writer);
        let web = spec("web");
        console.open(&web).unwrap();
        let stdout = console.streams(&web.name).stdout;
        // SAFETY: The console keeps it open.
        let stdout = unsafe { BorrowedFd::borrow_raw(stdout) };
        fcntl(stdout, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        console.run_ended(&web.name);
        console.block_again(&web.name);
        let flags = OFlag::from_bits_retain(fcntl(stdout, FcntlArg::F_GETFL).unwrap());
        assert!(!flags.contains(OFlag::O_NONBLOCK));
        assert_eq!(fstat(stdout).unwrap().st_mode & 0o777, 0o622);
    }
}
