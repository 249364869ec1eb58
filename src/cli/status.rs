//! `onit status`: one line a service, or the whole story of one.

use std::fmt::Write as _;
use std::io::{IsTerminal, stdout};
use std::os::fd::AsFd;
use std::time::Duration;

use super::client::{Asker, NOBODY, NOT_UP, colours, finish};
use super::connection::{Connection, Heard};
use super::table::{Cell, age, cpu, lined_up, size};
use super::{check, say};
use crate::control::{Line, Request, Status};
use crate::linux::{terminal, usage};
use crate::service::Pattern;

/// How often `--watch` looks.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Last lines of output in a story.
const LAST_LINES: usize = 5;

/// Shows how services are. The code says whether all of them are up.
///
/// # Errors
/// The exit code, when there is nothing to show.
pub fn run(asker: &Asker, names: &[String], json: bool, watch: bool) -> Result<u8, u8> {
    let request = Request::new("status", names.to_vec());
    let mut connection = asker.ask(&request)?;
    let mut before: Vec<Status> = Vec::new();
    loop {
        let found = hear_all(&mut connection)?;
        let text = match names {
            _ if json => Status::list(&found),
            [name] if !Pattern::new(name.as_str()).is_open() => {
                found.iter().map(|status| story(asker, status)).collect()
            }
            _ => table(&found, &before),
        };
        if !watch {
            say(&text);
            return Ok(if found.iter().all(|status| status.is_up) { 0 } else { NOT_UP });
        }
        if stdout().is_terminal() && !json {
            // Over what stands there, so that nothing flickers.
            say(&format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n")));
        } else {
            say(&text);
        }
        before = found;
        match connection.hear(Some(WATCH_INTERVAL)) {
            Heard::Closed => return Err(NOBODY),
            Heard::Nothing | Heard::Line(_) => connection.ask(&request),
        }
    }
}

/// Every service of one answer, with what its processes use.
fn hear_all(connection: &mut Connection) -> Result<Vec<Status>, u8> {
    let mut found = Vec::new();
    loop {
        match connection.hear(None) {
            Heard::Line(Line::Status(status)) => found.push(with_usage(*status)),
            Heard::Line(Line::End(end)) if end.ok => return Ok(found),
            Heard::Line(Line::End(end)) => return Err(finish(&end)),
            Heard::Line(_) | Heard::Nothing => {}
            Heard::Closed => {
                super::complain("onit: it went away without an answer\n");
                return Err(NOBODY);
            }
        }
    }
}

fn with_usage(status: Status) -> Status {
    let used = status.pid.and_then(usage::of);
    Status {
        cpu_ms: used.map(|used| u64::try_from(used.cpu.as_millis()).unwrap_or(u64::MAX)),
        memory_bytes: used.map(|used| used.memory),
        ..status
    }
}

/// One line a service. With what was `before`, the CPU is what was used since then.
fn table(found: &[Status], before: &[Status]) -> String {
    let is_terminal = stdout().is_terminal();
    let coloured = colours(is_terminal);
    let columns = is_terminal.then(|| terminal::columns(stdout().as_fd())).flatten();
    let head = ["NAME", "STATE", "PID", "UP", "RESTARTS", "CPU", "MEMORY", "WHY"];
    let mut rows = vec![head.map(Cell::from).to_vec()];
    for status in found {
        let dash = || "-".to_owned();
        let colour = if coloured { colour(&status.state) } else { "" };
        let is_running = ["up", "unhealthy"].contains(&status.state.as_str());
        let up = if is_running { age(milliseconds(status.since_ms)) } else { dash() };
        rows.push(vec![
            Cell::from(status.service.as_str()),
            Cell { text: status.state.clone(), colour },
            Cell::from(status.pid.map_or_else(dash, |pid| pid.to_string())),
            Cell::from(up),
            Cell::from(status.restarts.to_string()),
            Cell::from(used_cpu(status, before)),
            Cell::from(status.memory_bytes.map_or_else(dash, size)),
            Cell::from(status.why.as_str()),
        ]);
    }
    lined_up(&rows, columns)
}

fn used_cpu(status: &Status, before: &[Status]) -> String {
    let Some(now) = status.cpu_ms else { return "-".to_owned() };
    let then = before
        .iter()
        .find(|other| other.service == status.service && other.pid == status.pid)
        .and_then(|other| other.cpu_ms);
    match then {
        Some(then) => {
            let interval = u64::try_from(WATCH_INTERVAL.as_millis()).unwrap_or(1).max(1);
            let used = now.saturating_sub(then).saturating_mul(100);
            format!("{}%", used.checked_div(interval).unwrap_or(0))
        }
        None => cpu(milliseconds(now)),
    }
}

fn colour(state: &str) -> &'static str {
    match state {
        "up" | "completed" => "\x1b[32m",
        "waiting" | "starting" | "stopping" => "\x1b[33m",
        "unhealthy" | "backoff" | "failed" => "\x1b[31m",
        _ => "",
    }
}

/// Everything about one service.
fn story(asker: &Asker, status: &Status) -> String {
    let colour = if colours(stdout().is_terminal()) { colour(&status.state) } else { "" };
    let reset = if colour.is_empty() { "" } else { "\x1b[0m" };
    let mut text = format!("{}: {colour}{}{reset}", status.service, status.state);
    let _ = write!(text, " for {}", age(milliseconds(status.since_ms)));
    let _ = write!(text, ", since {}", status.since);
    if let Some(pid) = status.pid {
        let _ = write!(text, ", pid {pid}");
    }
    text.push('\n');
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut row = |what: &str, value: String| {
        rows.push(vec![Cell::from(format!("  {what}")), Cell::from(value)]);
    };
    if !status.why.is_empty() {
        row("why", status.why.clone());
    }
    for link in &status.waits_for {
        let what = if link.depth == 0 { "waits for" } else { "" };
        let indent = "  ".repeat(link.depth);
        let wanted = link.condition.as_ref().map(|wanted| format!(" to be {wanted}"));
        let wanted = wanted.unwrap_or_default();
        row(what, format!("{indent}{}{wanted}: it is {}", link.service, link.state));
    }
    if let Some(health) = &status.health {
        row("health", health.clone());
    }
    if !status.status_text.is_empty() {
        row("says", status.status_text.clone());
    }
    row("next", status.next.clone());
    let command: Vec<String> = status.command.iter().map(|word| check::quoted(word)).collect();
    row("command", command.join(" "));
    if !status.description.is_empty() {
        row("description", status.description.clone());
    }
    if let Some(place) = &status.place {
        row("described in", place.clone());
    }
    if !status.depends_on.is_empty() {
        row("depends on", status.depends_on.join(", "));
    }
    row("restarts", status.restarts.to_string());
    if let (Some(used), Some(memory)) = (status.cpu_ms, status.memory_bytes) {
        row("uses", format!("{} of CPU time, {} of memory", cpu(milliseconds(used)), size(memory)));
    }
    for (at, exit) in status.exits.iter().rev().enumerate() {
        let what = if at == 0 { "last ends" } else { "" };
        let ago = age(milliseconds(exit.ago_ms));
        let ran = age(milliseconds(exit.ran_ms));
        let asked = if exit.asked { ", as asked" } else { "" };
        row(what, format!("{} ({ago} ago): {} after {ran}{asked}", exit.time, exit.what));
    }
    text.push_str(&lined_up(&rows, None));
    let request =
        Request { lines: Some(LAST_LINES), ..Request::new("logs", vec![status.service.clone()]) };
    let lines = asker.collect(&request);
    let logs: Vec<_> = lines
        .into_iter()
        .filter_map(|line| match line {
            Line::Log(log) => Some(log),
            Line::About(_)
            | Line::Status(_)
            | Line::Progress(_)
            | Line::Outcome(_)
            | Line::Reload(_)
            | Line::Problem(_)
            | Line::Event(_)
            | Line::Lost(_)
            | Line::End(_) => None,
        })
        .collect();
    if !logs.is_empty() {
        text.push_str("  last lines\n");
    }
    for log in logs.iter().skip(logs.len().saturating_sub(LAST_LINES)) {
        let _ = writeln!(text, "    {} {} | {}", log.time, log.service, log.message);
    }
    text
}

fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
