//! `onit --help` and `onit VERB --help`, from the table of verbs.

use std::fmt::Write as _;

use super::table::{Cell, lined_up};
use super::verbs::{self, VERBS, VerbInfo};

/// What onit is.
pub const WHAT: &str = "PID 1 and process supervisor for containers";

/// What `onit --help` says.
#[must_use]
pub fn all() -> String {
    let mut text = format!(
        "{WHAT}\n\n\
         Usage: onit [run] [OPTIONS] [SOURCE…] [-- COMMAND [ARG…]]\n       \
         onit VERB …\n\nVerbs:\n"
    );
    let row = |verb: &VerbInfo| vec![Cell::from(format!("  {}", verb.name)), verb.summary.into()];
    text.push_str(&lined_up(&VERBS.iter().map(row).collect::<Vec<_>>(), None));
    if let Some(run) = verbs::find("run") {
        let _ = write!(text, "\nOptions of run:\n{}\n{}\n", options(run), run.details);
    }
    text.push_str("\nonit VERB --help says more about a verb.\n");
    text
}

/// What `onit VERB --help` says.
#[must_use]
pub fn of(verb: &VerbInfo) -> String {
    if verb.name == "run" {
        return all();
    }
    let operands =
        if verb.operands.is_empty() { String::new() } else { format!(" {}", verb.operands) };
    format!(
        "{}\n\nUsage: onit {} [OPTIONS]{operands}\n\nOptions:\n{}\n{}\n",
        verb.summary,
        verb.name,
        options(verb),
        verb.details
    )
}

fn options(verb: &VerbInfo) -> String {
    let row = |option: &verbs::OptionInfo| {
        vec![Cell::from(format!("  {}", option.form())), option.meaning().into()]
    };
    lined_up(&verb.all_options().map(row).collect::<Vec<_>>(), None)
}
