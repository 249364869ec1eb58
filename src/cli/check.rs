//! `onit check`: the plan in start order, or every problem, as text.

use std::fmt::Write;

use super::table::{Cell, lined_up};
use crate::config::Loaded;
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
    let head = ["NAME", "TYPE", "RESTART", "WAITS FOR", "COMMAND"].map(Cell::from).to_vec();
    let nodes = loaded.plan.nodes();
    let rows: Vec<Vec<Cell>> =
        std::iter::once(head).chain(nodes.iter().map(|node| row(&loaded.plan, node))).collect();
    let mut text = lined_up(&rows, None);
    if !loaded.plan.disabled().is_empty() {
        let names: Vec<&str> = loaded.plan.disabled().iter().map(|name| name.as_str()).collect();
        let _ = writeln!(text, "not enabled: {}", names.join(", "));
    }
    text
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
    vec![spec.name.as_str().into(), kind.into(), restart.into(), waits.into(), command.into()]
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
