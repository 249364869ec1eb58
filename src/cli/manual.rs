//! `onit manual`: the manual page, from the table of verbs.

use std::fmt::Write as _;

use super::help::WHAT;
use super::verbs::VERBS;

/// The page, in the language of man(7).
#[must_use]
pub fn page() -> String {
    let mut text = format!(
        ".TH ONIT 8 \"\" \"onit {}\" \"\"\n.SH NAME\nonit \\- {}\n.SH SYNOPSIS\n",
        env!("CARGO_PKG_VERSION"),
        escaped(WHAT)
    );
    for verb in VERBS {
        let name = if verb.name == "run" { "[run]" } else { verb.name };
        let operands = escaped(verb.operands);
        let _ = writeln!(text, ".B onit {name}\n[OPTIONS] {operands}\n.br");
    }
    text.push_str(
        ".SH DESCRIPTION\nonit is the first process of a container. It starts services, starts \
         them again, reaps every orphan, moves their output line by line to its own, and stops \
         everything in time with the right exit code. As a tool it speaks to the onit that runs.\n",
    );
    text.push_str(".SH VERBS\n");
    for verb in VERBS {
        let operands = escaped(verb.operands);
        let _ = writeln!(text, ".SS \"onit {} {operands}\"", verb.name);
        let _ = writeln!(text, "{}.", escaped(verb.summary));
        for option in verb.all_options() {
            let form = option.form();
            let meaning = option.meaning();
            let _ = writeln!(
                text,
                ".TP\n\\fB{}\\fR\n{}",
                escaped(form.trim_start()),
                escaped(&meaning)
            );
        }
        paragraphs(verb.details, &mut text);
    }
    text.push_str(
        ".SH FILES\n.TP\n/etc/onit/services\nThe services, where no other source is given.\n.TP\n\
         /run/onit.sock\nThe control socket.\n.SH SEE ALSO\n\
         docs/configuration.md and docs/control\\-protocol.md in the source of onit.\n",
    );
    text
}

/// Paragraphs as they are, and what is indented as an example.
fn paragraphs(details: &str, text: &mut String) {
    for paragraph in details.split("\n\n") {
        let is_example = paragraph.starts_with(' ');
        text.push_str(if is_example { ".PP\n.nf\n" } else { ".PP\n" });
        for line in paragraph.lines() {
            let _ = writeln!(text, "{}", escaped(line));
        }
        if is_example {
            text.push_str(".fi\n");
        }
    }
}

/// Nothing in it is taken for a request.
fn escaped(line: &str) -> String {
    let text = line.replace('\\', "\\e").replace('-', "\\-").replace('…', "...");
    match text.chars().next() {
        Some('.' | '\'') => format!("\\&{text}"),
        Some(_) | None => text,
    }
}
