//! `onit check`: the plan in start order, or every problem, as text.

use std::fmt::Write;
use std::path::PathBuf;

use super::table::{Cell, lined_up};
use crate::config::Loaded;
use crate::config::foreign::Remark;
use crate::service::{Condition, Kind, Node, Plan, Problem, Restart};

/// The plan, or the problems.
#[must_use]
pub fn render(result: &Result<Loaded, Vec<Problem>>) -> String {
    match result {
        Ok(loaded) => plan(loaded),
        Err(found) => problems(found),
    }
}

/// Every problem, one a line, and how many there are.
#[must_use]
pub fn problems(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let _ = writeln!(text, "{problem}");
    }
    let plural = if problems.len() == 1 { "" } else { "s" };
    let _ = writeln!(text, "{} problem{plural}; nothing was started", problems.len());
    text
}

fn plan(loaded: &Loaded) -> String {
    let head =
        ["NAME", "TYPE", "RESTART", "WAITS FOR", "IS READY BY", "COMMAND"].map(Cell::from).to_vec();
    let nodes = loaded.plan.nodes();
    let rows: Vec<Vec<Cell>> =
        std::iter::once(head).chain(nodes.iter().map(|node| row(&loaded.plan, node))).collect();
    let mut text = lined_up(&rows, None);
    if !loaded.plan.disabled().is_empty() {
        let names: Vec<&str> = loaded.plan.disabled().iter().map(|name| name.as_str()).collect();
        let _ = writeln!(text, "not enabled: {}", names.join(", "));
    }
    let on_request = nodes.iter().filter(|node| !node.spec.autostart);
    let on_request: Vec<&str> = on_request.map(|node| node.spec.name.as_str()).collect();
    if !on_request.is_empty() {
        let _ =
            writeln!(text, "started on request, or for who needs them: {}", on_request.join(", "));
    }
    if !loaded.remarks.is_empty() {
        text.push('\n');
    }
    text.push_str(&remarks(&loaded.remarks));
    text
}

/// What is to be known of sources of other formats, one a line.
#[must_use]
pub fn remarks(remarks: &[Remark]) -> String {
    let mut text = String::new();
    for remark in remarks {
        let _ = writeln!(text, "{remark}");
    }
    text
}

/// A line for each source of another format: what it was taken for, and where to read more.
#[must_use]
pub fn formats(foreign: &[(PathBuf, &'static str)], remarks: &[Remark]) -> Vec<String> {
    let line = |(source, format): &(PathBuf, &'static str)| {
        let own = format!("{}", source.display());
        let count =
            remarks.iter().filter(|remark| remark.place.file.starts_with(own.as_str())).count();
        let more = match count {
            0 => String::new(),
            1 => format!("; there is something to be known: onit check {own}"),
            more => format!("; there are {more} things to be known: onit check {own}"),
        };
        format!("{own} is read as {format}{more}")
    };
    foreign.iter().map(line).collect()
}

fn row(plan: &Plan, node: &Node) -> Vec<Cell> {
    let spec = &node.spec;
    let kind = match spec.kind {
        Kind::Service => "service",
        Kind::Oneshot => "oneshot",
        Kind::Main => "main",
    };
    let restart = match spec.restart {
        Restart::Always => "always",
        Restart::OnFailure => "on-failure",
        Restart::Never => "never",
    };
    let name_of = |index: usize| plan.nodes().get(index).map(|node| node.spec.name.to_string());
    let needs = node.needs.iter().filter_map(|(index, condition)| {
        let condition = match condition {
            Condition::Started => "started",
            Condition::Ready => "ready",
            Condition::Completed => "completed",
        };
        Some(format!("{} {condition}", name_of(index.0)?))
    });
    let after = node.after.iter().filter_map(|index| Some(format!("after {}", name_of(index.0)?)));
    let waits: Vec<String> = match spec.kind {
        Kind::Main => vec!["everything".to_owned()],
        Kind::Service | Kind::Oneshot => needs.chain(after).collect(),
    };
    let waits = if waits.is_empty() { "-".to_owned() } else { waits.join(", ") };
    let command: Vec<String> =
        spec.command.words().map(|word| quoted(&word.to_string_lossy())).collect();
    let command = shortened(&command.join(" "));
    let name = spec.name.as_str();
    let ready = readiness(node);
    vec![name.into(), kind.into(), restart.into(), waits.into(), ready.into(), command.into()]
}

/// What makes a service ready, if that is more than that it has been executed.
fn readiness(node: &Node) -> String {
    let Some(ready) = &node.spec.ready else { return "-".to_owned() };
    let announcement = ready.announcement.as_ref().map(ToString::to_string);
    let probe = ready.probe.as_ref().map(ToString::to_string);
    announcement.into_iter().chain(probe).collect::<Vec<_>>().join(", then ")
}

/// What fits beside the rest: a script is told by how it begins.
fn shortened(command: &str) -> String {
    const COLUMNS: usize = 60;
    match command.char_indices().nth(COLUMNS) {
        Some((end, _)) => format!("{}…", command.get(..end).unwrap_or(command)),
        None => command.to_owned(),
    }
}

/// As one would type it; long scripts on one line.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''").replace('\n', "\\n"))
}
