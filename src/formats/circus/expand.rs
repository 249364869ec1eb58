//! `$(circus.env.NAME)`, `$(circus.wid)` and the like, and `$NAME` in `[env]`. What comes from
//! the environment stays a variable, `${NAME}`, in the raw form of our own.

use crate::formats::variables::{Variables, is_name, push_literal, push_variable};
use litemap::LiteMap;

/// What may stand for a reference.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expansions<'a> {
    /// What the file itself sets.
    pub own: &'a [Variable],
    /// The variables of onit's environment.
    pub environment: &'a LiteMap<String, String>,
    /// Anything else, by its name in small letters: `wid`; in the raw form.
    pub values: &'a [(String, String)],
}

/// A variable that the file sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub name: String,
    /// What a reference to it puts in, in the raw form: circus has not looked at `$NAME` by then.
    pub text: String,
    /// What the program gets, in the raw form.
    pub value: String,
}

impl Variable {
    /// One of a section `[env:…]`, in whose values only `$NAME` means something.
    pub(super) fn plain(name: &str, written: &str) -> Self {
        let (mut text, mut value) = (String::new(), String::new());
        push_literal(&mut text, written);
        push_dollars(&mut value, written);
        Self { name: name.to_owned(), text, value }
    }

    /// One of `[env]`, where references to onit's environment do, too.
    pub(super) fn global(name: &str, written: &str, expansions: Expansions<'_>) -> Self {
        let of = |push| put(written, expansions, Variables::Kept, push);
        Self { name: name.to_owned(), text: of(push_literal), value: of(push_dollars) }
    }
}

/// Puts in what the references in `text` stand for. Those that stand for nothing stay, as in
/// circus.
pub(super) fn expand(text: &str, expansions: Expansions<'_>, variables: Variables) -> String {
    put(text, expansions, variables, push_literal)
}

fn put(
    text: &str,
    expansions: Expansions<'_>,
    variables: Variables,
    push: fn(&mut String, &str),
) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(Reference { before, whole, name, after }) = next(rest) {
        push(&mut expanded, before);
        if !push_reference(&mut expanded, name, expansions, variables) {
            push(&mut expanded, whole);
        }
        rest = after;
    }
    push(&mut expanded, rest);
    expanded
}

/// The names of all references in a text, in small letters, without `circus.`.
pub(super) fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(reference) = next(rest) {
        names.push(reference.name.to_lowercase());
        rest = reference.after;
    }
    names
}

/// `$(circus.NAME)` or `((circus.NAME))`, and what surrounds it.
struct Reference<'t> {
    before: &'t str,
    whole: &'t str,
    name: &'t str,
    after: &'t str,
}

fn next(text: &str) -> Option<Reference<'_>> {
    const OURS: &str = "circus.";
    for (at, _) in text.match_indices('(') {
        let (before, rest) = text.split_at(at);
        let Some(inside) = rest.strip_prefix('(') else { continue };
        let (before, end) = match (before.strip_suffix('$'), before.strip_suffix('(')) {
            (Some(before), _) => (before, ")"),
            (None, Some(before)) => (before, "))"),
            (None, None) => continue,
        };
        let is_part = |letter: char| letter.is_alphanumeric() || "_.-".contains(letter);
        let after = inside.trim_start_matches(is_part);
        let name = inside.strip_suffix(after).unwrap_or_default();
        let Some(after) = after.strip_prefix(end) else { continue };
        let Some((beginning, name)) = name.split_at_checked(OURS.len()) else { continue };
        if beginning.eq_ignore_ascii_case(OURS) && !name.is_empty() {
            let whole = text.strip_prefix(before).and_then(|whole| whole.strip_suffix(after));
            return Some(Reference { before, whole: whole.unwrap_or_default(), name, after });
        }
    }
    None
}

fn push_reference(
    text: &mut String,
    name: &str,
    expansions: Expansions<'_>,
    variables: Variables,
) -> bool {
    let lower = name.to_lowercase();
    if let Some((_, value)) = expansions.values.iter().find(|(known, _)| *known == lower) {
        text.push_str(value);
        return true;
    }
    let Some((kind, variable)) = name.split_once('.') else { return false };
    if !kind.eq_ignore_ascii_case("env") {
        return false;
    }
    // To circus capitals are all the same.
    let is_it = |known: &str| known.to_lowercase() == variable.to_lowercase();
    if let Some(own) = expansions.own.iter().rev().find(|own| is_it(&own.name)) {
        text.push_str(&own.text);
        return true;
    }
    match expansions.environment.iter().rev().find(|(known, _)| is_it(known)) {
        Some((known, value)) => push_variable(text, known, Some(value), variables),
        None if is_name(variable) => push_variable(text, variable, None, variables),
        None => false,
    }
}

/// Adds text in which `$NAME`, in capitals, is a variable of onit's environment.
fn push_dollars(text: &mut String, written: &str) {
    let mut rest = written;
    while let Some((at, _)) = rest.match_indices('$').find(|(at, _)| {
        let after = rest.get(at.saturating_add(1)..).unwrap_or_default();
        after.starts_with(|letter: char| letter.is_ascii_uppercase())
    }) {
        let (before, after) = rest.split_at(at);
        let after = after.strip_prefix('$').unwrap_or_default();
        let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        rest = after.trim_start_matches(is_part);
        push_literal(text, before);
        text.extend(["${", after.strip_suffix(rest).unwrap_or_default(), ":-}"]);
    }
    push_literal(text, rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, variables: Variables) -> String {
        let environment = [("PORT", "80"), ("ARGS", "-a -b")]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .into_iter()
            .collect();
        let own = [Variable::plain("Dir", "/srv/$HOME")];
        let values = [("wid".to_owned(), "${INSTANCE}".to_owned())];
        expand(
            text,
            Expansions { own: &own, environment: &environment, values: &values },
            variables,
        )
    }

    #[test]
    fn references_are_those_circus_puts_in() {
        let check = |text: &str, expected: &str| {
            assert_eq!(with(text, Variables::Words), expected, "{text:?}");
        };
        check("-p $(circus.env.PORT)", "-p ${PORT}");
        check("-p $(CIRCUS.ENV.port)((circus.wid))", "-p ${PORT}${INSTANCE}");
        check("$(circus.env.args) $(circus.env.none)", "-a -b ${none}");
        check("$(circus.env.dir)/x", "/srv/$HOME/x");
        check(
            "$(circus.sockets.web) $(circus.) $(date) ((x)) (",
            "$(circus.sockets.web) $(circus.) $(date) ((x)) (",
        );
        check("${X} $$(circus.wid) $HOME", "$${X} $$${INSTANCE} $HOME");
        assert_eq!(with("$(circus.env.PORT)", Variables::Values), "80");
        assert_eq!(with("$(circus.env.NONE)", Variables::Values), "$(circus.env.NONE)");
        assert_eq!(names("a $(circus.Sockets.Web)((circus.wid))"), ["sockets.web", "wid"]);
    }

    #[test]
    fn variables_are_onits_own() {
        let check = |written: &str, expected: &str| {
            assert_eq!(Variable::plain("X", written).value, expected, "{written:?}");
        };
        check("/opt/bin:$PATH", "/opt/bin:${PATH:-}");
        check("$path ${PATH} $A_1-$", "$path $${PATH} ${A_1:-}-$$");
        check("$(circus.env.PORT)", "$(circus.env.PORT)");
    }
}
