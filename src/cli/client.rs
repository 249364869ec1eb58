//! The verbs that speak to a running onit: a request, and what its answer looks like to a person.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::args::{Ask, Dependents, Patience, What};
use super::connection::{Connection, Heard};
use super::table::age;
use super::{complain, say, status};
use crate::control::{Brief, End, Line, Outcome, Reload, Request, Status};
use crate::linux::{signals, terminal};
use crate::output::{Page, Shape, Stamp, Stream, Style};
use crate::service::{Errno, Format, Name, Why};

/// It was not reached, or is not well.
pub const NOT_REACHED: u8 = 1;
/// A service is not up.
pub const NOT_UP: u8 = 3;
/// No service is called so.
pub const UNKNOWN: u8 = 4;
/// No onit answers.
pub const NOBODY: u8 = 5;

/// How long something takes before a person is told that it does.
const A_MOMENT: Duration = Duration::from_millis(300);
/// How often that is said again on a terminal.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// How long something takes before a log is told that it does.
const A_WHILE: Duration = Duration::from_secs(10);
/// Last lines of output that are shown with what went wrong.
const LAST_LINES: usize = 10;

/// Does what was asked for, and says how it went.
pub fn run(ask: Ask) -> u8 {
    signals::release();
    let Ask { socket, what } = ask;
    let asker = Asker { socket: socket.or_else(socket_of_environment) };
    match what {
        What::Status { names, json, watch } => {
            status::run(&asker, &names, json, watch).unwrap_or_else(|code| code)
        }
        What::Start { names, patience } => asker.order(Request::new("start", names), patience),
        What::Restart { names, patience } => asker.order(Request::new("restart", names), patience),
        What::Stop { names, dependents, patience } => {
            let dependents = match dependents {
                Dependents::Refuse => None,
                Dependents::Force => Some("keep".to_owned()),
                Dependents::Stop => Some("stop".to_owned()),
            };
            asker.order(Request { dependents, ..Request::new("stop", names) }, patience)
        }
        What::Reload { names, dry_run, patience } => {
            let dry_run = names.is_empty().then_some(dry_run);
            asker.order(Request { dry_run, ..Request::new("reload", names) }, patience)
        }
        What::Signal { signal, names } => {
            let signal = Some(signal.to_string());
            let request = Request { signal, ..Request::new("signal", names) };
            asker.order(request, Patience { wait: true, timeout: None })
        }
        What::Wait { names, milestone, timeout } => {
            let milestone = Some(milestone.to_owned());
            let request = Request { milestone, ..Request::new("wait", names) };
            asker.order(request, Patience { wait: true, timeout })
        }
        What::Health { level } => asker.health(level),
        What::Shutdown { exit_code, patience } => asker.shutdown(exit_code, patience),
        What::Logs { names, follow, lines, json } => {
            asker.logs(names, follow, lines, json).unwrap_or_else(|code| code)
        }
        What::Events { names, follow, json } => {
            asker.events(names, follow, json).unwrap_or_else(|code| code)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a client is no PID 1 and takes nothing at boot")]
fn socket_of_environment() -> Option<PathBuf> {
    std::env::var_os("ONIT_SOCKET").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Who asks whom.
pub struct Asker {
    socket: Option<PathBuf>,
}

impl Asker {
    /// A connection, with the question asked; without one it is said why.
    pub fn ask(&self, request: &Request) -> Result<Connection, u8> {
        match Connection::open(self.socket.as_deref()) {
            Ok(mut connection) => {
                connection.ask(request);
                Ok(connection)
            }
            Err(failure) => {
                let hint = match (&failure.why, &self.socket) {
                    (Why::Errno(Errno::EACCES), _) => "; only root and the user it runs as may ask",
                    (Why::Known(_) | Why::Explained(..), _) => "",
                    (Why::Errno(_), None) => {
                        "; is onit running here? --socket or ONIT_SOCKET names another place"
                    }
                    (Why::Errno(_), Some(_)) => "; is onit running there?",
                };
                complain(&format!("onit: {failure}{hint}\n"));
                Err(NOBODY)
            }
        }
    }

    // ---- orders ----

    fn order(&self, request: Request, patience: Patience) -> u8 {
        let wait = (!patience.wait).then_some(false);
        // To a person these two are not the same.
        let verb = match (request.verb.as_str(), request.names.as_slice()) {
            ("reload", [_, ..]) => "reload of services".to_owned(),
            (verb, _) => verb.to_owned(),
        };
        let request = Request { wait, ..request };
        let mut connection = match self.ask(&request) {
            Ok(connection) => connection,
            Err(code) => return code,
        };
        let mut progress = Progress::new(patience.timeout);
        let mut outcomes = Vec::new();
        loop {
            match connection.hear(progress.patience()) {
                Heard::Line(Line::Progress(briefs)) => progress.pending = briefs,
                Heard::Line(Line::Outcome(outcome)) => outcomes.push(outcome),
                Heard::Line(Line::Reload(reload)) => {
                    progress.clear();
                    say(&difference(&reload, request.dry_run == Some(true)));
                }
                Heard::Line(Line::Problem(problem)) => {
                    let hint = problem.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                    complain(&format!("{}: {}{hint}\n", problem.place, problem.what));
                }
                Heard::Line(Line::End(end)) => {
                    progress.clear();
                    return self.ended(&end, &outcomes, &verb);
                }
                Heard::Line(
                    Line::About(_)
                    | Line::Status(_)
                    | Line::Event(_)
                    | Line::Log(_)
                    | Line::Lost(_),
                ) => {}
                Heard::Nothing if progress.is_over() => {
                    progress.clear();
                    return self.out_of_patience(&progress, &verb);
                }
                Heard::Nothing => {
                    progress.pending = self.as_they_are_now(&progress.pending);
                    progress.show();
                }
                Heard::Closed => {
                    progress.clear();
                    return gone(&outcomes);
                }
            }
        }
    }

    /// What was told when something changed says how much time was left then.
    fn as_they_are_now(&self, pending: &[Brief]) -> Vec<Brief> {
        let names: Vec<String> = pending.iter().map(|brief| brief.service.clone()).collect();
        if names.is_empty() {
            return Vec::new();
        }
        let lines = self.collect(&Request::new("status", names)).into_iter();
        let now: Vec<Brief> = lines
            .filter_map(|line| match line {
                Line::Status(status) => {
                    let Status { service, state, why, .. } = *status;
                    Some(Brief { service, state, why })
                }
                Line::About(_)
                | Line::Progress(_)
                | Line::Outcome(_)
                | Line::Reload(_)
                | Line::Problem(_)
                | Line::Event(_)
                | Line::Log(_)
                | Line::Lost(_)
                | Line::End(_) => None,
            })
            .collect();
        if now.is_empty() { pending.to_vec() } else { now }
    }

    fn ended(&self, end: &End, outcomes: &[Outcome], verb: &str) -> u8 {
        let mut missed = Vec::new();
        for outcome in outcomes {
            let line = described(outcome, verb);
            if outcome.reached {
                say(&line);
            } else {
                complain(&line);
                missed.push(outcome.service.clone());
            }
        }
        for name in missed {
            complain(&self.last_lines(&name));
        }
        if end.ok {
            return 0;
        }
        if !end.message.is_empty() {
            complain(&format!("onit: {}\n", end.message));
        }
        failure_code(end)
    }

    fn out_of_patience(&self, progress: &Progress, verb: &str) -> u8 {
        for Brief { service, state, why } in &progress.pending {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            complain(&format!("{service}: still {state}{why}\n"));
            complain(&self.last_lines(service));
        }
        let after = age(progress.timeout.unwrap_or_default());
        complain(&format!("onit: {verb} was not done within {after}; it goes on\n"));
        NOT_REACHED
    }

    /// What a service wrote last, as the console shows it.
    fn last_lines(&self, name: &str) -> String {
        let request =
            Request { lines: Some(LAST_LINES), ..Request::new("logs", vec![name.to_owned()]) };
        let mut lines = Vec::new();
        for line in self.collect(&request) {
            if let Line::Log(log) = line {
                lines.push(format!("  {} | {}\n", log.service, log.message));
            }
        }
        // So many come of each stream.
        lines.split_off(lines.len().saturating_sub(LAST_LINES)).concat()
    }

    /// Every line of an answer; none if there is none.
    pub fn collect(&self, request: &Request) -> Vec<Line> {
        let mut lines = Vec::new();
        let Ok(mut connection) = Connection::open(self.socket.as_deref()) else { return lines };
        connection.ask(request);
        while let Heard::Line(line) = connection.hear(None) {
            if let Line::End(_) = line {
                break;
            }
            lines.push(line);
        }
        lines
    }

    fn shutdown(&self, exit_code: Option<u8>, patience: Patience) -> u8 {
        let request = Request { exit_code, ..Request::new("shutdown", Vec::new()) };
        let mut connection = match self.ask(&request) {
            Ok(connection) => connection,
            Err(code) => return code,
        };
        let progress = Progress::new(patience.timeout);
        loop {
            match connection.hear(progress.patience()) {
                Heard::Line(Line::End(end)) if !end.ok => {
                    complain(&format!("onit: {}\n", end.message));
                    return failure_code(&end);
                }
                Heard::Line(Line::End(_)) => {
                    // In the container we are one of those that are told to end.
                    signals::end_well_on_term();
                    if !patience.wait {
                        return 0;
                    }
                }
                Heard::Line(_) => {}
                Heard::Nothing if progress.is_over() => {
                    return self.out_of_patience(&progress, "shutdown");
                }
                Heard::Nothing => {}
                // It is gone, and that is what was wanted.
                Heard::Closed => return 0,
            }
        }
    }

    // ---- looking ----

    fn health(&self, level: &str) -> u8 {
        let request =
            Request { level: Some(level.to_owned()), ..Request::new("health", Vec::new()) };
        // An engine knows two codes: well, and not.
        let Ok(mut connection) = self.ask(&request) else { return NOT_REACHED };
        match connection.hear(None) {
            Heard::Line(Line::End(end)) => {
                say(&format!("{}\n", end.message));
                if end.ok { 0 } else { NOT_REACHED }
            }
            Heard::Line(_) | Heard::Nothing | Heard::Closed => {
                complain("onit: it went away without an answer\n");
                NOT_REACHED
            }
        }
    }

    fn logs(
        &self,
        names: Vec<String>,
        follow: bool,
        lines: Option<usize>,
        json: bool,
    ) -> Result<u8, u8> {
        let follow = follow.then_some(true);
        let mut connection = self.ask(&Request { follow, lines, ..Request::new("logs", names) })?;
        let colours = colours(stdout().is_terminal());
        let mut out = Paper::default();
        loop {
            let line = match connection.hear(None) {
                Heard::Line(line) => line,
                Heard::Nothing => continue,
                Heard::Closed => return Ok(closed(&mut out)),
            };
            match line {
                Line::Log(log) if json => out.json(&Line::Log(log)),
                Line::Log(log) => out.log(&log.service, &log.stream, &log.message, colours),
                Line::Lost(lost) if json => out.json(&Line::Lost(lost)),
                Line::Lost(lost) => {
                    out.flush();
                    let service = lost.service.unwrap_or_default();
                    complain(&format!("{service}: {} lines were missed here\n", lost.count));
                }
                Line::End(end) => {
                    out.flush();
                    return Ok(finish(&end));
                }
                Line::About(_)
                | Line::Status(_)
                | Line::Progress(_)
                | Line::Outcome(_)
                | Line::Reload(_)
                | Line::Problem(_)
                | Line::Event(_) => {}
            }
            if !connection.is_ready() && !out.flush() {
                // Who read it has gone.
                return Ok(0);
            }
        }
    }

    fn events(&self, names: Vec<String>, follow: bool, json: bool) -> Result<u8, u8> {
        let follow = follow.then_some(true);
        let mut connection = self.ask(&Request { follow, ..Request::new("events", names) })?;
        let mut out = Paper::default();
        loop {
            let line = match connection.hear(None) {
                Heard::Line(line) => line,
                Heard::Nothing => continue,
                Heard::Closed => return Ok(closed(&mut out)),
            };
            match line {
                Line::Event(event) if json => out.json(&Line::Event(event)),
                Line::Event(event) => {
                    let pid = event.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
                    let why = match event.why.as_str() {
                        "" => String::new(),
                        why => format!(": {why}"),
                    };
                    let (time, service, to) = (event.time, event.service, event.to);
                    out.text(&format!("{time} {service} {} → {to}{pid}{why}\n", event.from));
                }
                Line::Lost(lost) if json => out.json(&Line::Lost(lost)),
                Line::Lost(lost) => {
                    out.flush();
                    complain(&format!("onit: {} events were missed here\n", lost.count));
                }
                Line::End(end) => {
                    out.flush();
                    return Ok(finish(&end));
                }
                Line::About(_)
                | Line::Status(_)
                | Line::Progress(_)
                | Line::Outcome(_)
                | Line::Reload(_)
                | Line::Problem(_)
                | Line::Log(_) => {}
            }
            if !connection.is_ready() && !out.flush() {
                return Ok(0);
            }
        }
    }
}

/// Says why an answer is none, if it is not, and what exit code that makes.
pub fn finish(end: &End) -> u8 {
    if end.ok {
        return 0;
    }
    complain(&format!("onit: {}\n", end.message));
    failure_code(end)
}

fn failure_code(end: &End) -> u8 {
    match end.error.as_deref() {
        Some("unknown") => UNKNOWN,
        Some("bad-request") => super::USAGE,
        Some(_) | None => NOT_REACHED,
    }
}

/// onit has gone before it could say how it ended.
fn gone(outcomes: &[Outcome]) -> u8 {
    for outcome in outcomes {
        say(&described(outcome, ""));
    }
    complain("onit: it has gone before the outcome was known\n");
    NOBODY
}

/// There is nothing more to follow.
fn closed(out: &mut Paper) -> u8 {
    if !out.flush() {
        return 0;
    }
    complain("onit: it has gone\n");
    NOBODY
}

/// One line about what came of an order for one service.
fn described(outcome: &Outcome, verb: &str) -> String {
    let Outcome { service, state, why, pid, reached, changed } = outcome;
    let mut text = format!("{service}: {state}");
    match verb {
        "signal" => text = format!("{service}: signalled"),
        "reload of services" if *reached => text = format!("{service}: reloaded"),
        _ => {}
    }
    // Whoever waits has changed nothing, and does not ask for it.
    if *reached && !*changed && verb != "wait" {
        text.push_str(" already");
    }
    if let Some(pid) = pid {
        let _ = write!(text, ", pid {pid}");
    }
    if !why.is_empty() {
        let _ = write!(text, ": {why}");
    }
    text.push('\n');
    text
}

fn difference(reload: &Reload, dry_run: bool) -> String {
    let mut text = String::new();
    let would = if dry_run { "would be " } else { "" };
    let Reload { added, changed, removed, .. } = reload;
    let [started, restarted] =
        [&reload.started, &reload.restarted].map(|names| names.iter().collect::<BTreeSet<_>>());
    for (names, what) in [(added, "new"), (changed, "changed")] {
        for name in names {
            let _ = match (started.contains(name), restarted.contains(name)) {
                (true, _) => writeln!(text, "{name}: {what}, {would}started"),
                (false, true) => writeln!(text, "{name}: {what}, {would}restarted"),
                (false, false) => writeln!(text, "{name}: {what}, not started: see onit start"),
            };
        }
    }
    let others: BTreeSet<&String> = added.iter().chain(changed).collect();
    for name in started.difference(&others) {
        let _ = writeln!(text, "{name}: needed now, {would}started");
    }
    for name in removed {
        let _ = writeln!(text, "{name}: removed, {would}stopped");
    }
    if text.is_empty() {
        text.push_str("nothing has changed\n");
    } else if reload.unchanged > 0 {
        let _ = writeln!(text, "unchanged: {}", reload.unchanged);
    }
    text
}

/// Whether to write in colours to a terminal; see <https://no-color.org>.
#[expect(clippy::disallowed_methods, reason = "a client is no PID 1 and takes nothing at boot")]
pub fn colours(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// What is shown while an outcome is waited for.
struct Progress {
    began: Instant,
    timeout: Option<Duration>,
    pending: Vec<Brief>,
    is_terminal: bool,
    is_shown: bool,
    is_logged: bool,
}

impl Progress {
    #[expect(clippy::disallowed_methods, reason = "a client reads the clock itself")]
    fn new(timeout: Option<Duration>) -> Self {
        Self {
            began: Instant::now(),
            timeout,
            pending: Vec::new(),
            is_terminal: stderr().is_terminal(),
            is_shown: false,
            is_logged: false,
        }
    }

    /// How long to wait for the next line before something is to be shown.
    fn patience(&self) -> Option<Duration> {
        let next = match (self.is_terminal, self.is_shown, self.is_logged) {
            (true, false, _) => Some(A_MOMENT),
            (true, true, _) => Some(PROGRESS_INTERVAL),
            (false, _, false) => Some(A_WHILE),
            (false, _, true) => None,
        };
        let left = self.timeout.map(|timeout| timeout.saturating_sub(self.began.elapsed()));
        match (next, left) {
            (Some(next), Some(left)) => Some(next.min(left)),
            (next, left) => next.or(left),
        }
    }

    fn is_over(&self) -> bool {
        self.timeout.is_some_and(|timeout| self.began.elapsed() >= timeout)
    }

    fn show(&mut self) {
        let Some(first) = self.pending.first() else { return };
        let why = if first.why.is_empty() { String::new() } else { format!(": {}", first.why) };
        let more = match self.pending.len().saturating_sub(1) {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let line = format!("{} {}{more}{why}", first.service, first.state);
        let took = match self.began.elapsed().as_secs() {
            0 => String::new(),
            seconds => format!("{} ", age(Duration::from_secs(seconds))),
        };
        if self.is_terminal {
            let columns = terminal::columns(stderr().as_fd()).unwrap_or(80);
            let line = format!("… {took}{line}");
            let line: String = line.chars().take(columns.saturating_sub(1)).collect();
            complain(&format!("\r{line}\x1b[K"));
            self.is_shown = true;
        } else {
            complain(&format!("onit: after {took}still: {line}\n"));
            self.is_logged = true;
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            complain("\r\x1b[K");
        }
    }
}

/// Lines on their way to standard output, written together.
#[derive(Default)]
struct Paper {
    bytes: Vec<u8>,
}

impl Paper {
    fn json(&mut self, line: &Line) {
        line.write(&mut self.bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn log(&mut self, service: &str, stream: &str, message: &str, colours: bool) {
        let stream = if stream == "stderr" { Stream::Stderr } else { Stream::Stdout };
        let style = Style {
            format: Format::Text,
            timestamps: false,
            colours,
            max_line: crate::limits::LINE_BYTES_MAX,
        };
        let Ok(name) = Name::new(service) else { return };
        let mut line = Page::default();
        let shape = Shape::of_service(style, &name, stream);
        shape.write(message.as_bytes(), &Stamp::at(0), &mut line);
        self.bytes.extend_from_slice(line.as_slice());
    }

    /// Writes it out. Says whether somebody takes it.
    fn flush(&mut self) -> bool {
        let mut out = stdout();
        let is_taken = out.write_all(&self.bytes).and_then(|()| out.flush()).is_ok();
        self.bytes.clear();
        is_taken
    }
}
