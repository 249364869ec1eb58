//! `${VAR}`, `${VAR:-default}`, `${VAR:?message}` and `$$`. `$NAME` is left alone: it is a shell's.
//! A default may hold variables in turn.

use std::ffi::{OsStr, OsString};

use crate::limits::VALUE_BYTES_MAX;
use litemap::LiteMap;

/// onit's own variables, as they are expanded.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables {
    /// Those that are set.
    pub(super) known: LiteMap<OsString, OsString>,
    /// Whether others may be set where this will run: what they stand for is not judged.
    pub(super) is_elsewhere: bool,
}

/// A text after its variables were put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) text: OsString,
    /// Whether there were any: only then it may stand for a number.
    pub(super) had_variables: bool,
}

/// Why variables cannot be put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExpandError {
    /// A variable that is not set.
    Unset(String),
    /// One that is not set, and what the user says about that.
    Required(String, String),
    /// `${` without `}`.
    Open,
    /// Between the braces stands no name.
    NoName(String),
    /// More than [`VALUE_BYTES_MAX`] bytes.
    TooLong,
}

/// What stands for a variable: its value, or a text that is yet to be expanded.
enum Found<'v, 't> {
    Value(&'v OsStr),
    Default(&'t str),
}

/// Puts variables in.
pub(super) fn expand(text: &str, variables: &Variables) -> Result<Expanded, ExpandError> {
    let mut expanded = Expanded { text: OsString::new(), had_variables: false };
    // What is yet to be read, the next at the end: a default comes before what follows it.
    let mut pending = vec![text];
    while let Some(rest) = pending.pop() {
        let dollar = rest.split_once('$');
        expanded.text.push(dollar.map_or(rest, |(before, _)| before));
        if let Some((_, after)) = dollar {
            if let Some(after) = after.strip_prefix('$') {
                expanded.text.push("$");
                pending.push(after);
            } else if let Some(after) = after.strip_prefix('{') {
                expanded.had_variables = true;
                let (inside, after) = until_closed(after).ok_or(ExpandError::Open)?;
                pending.push(after);
                match find(inside, variables)? {
                    Found::Value(value) => expanded.text.push(value),
                    Found::Default(default) => pending.push(default),
                }
            } else {
                expanded.text.push("$");
                pending.push(after);
            }
        }
        if expanded.text.len() > VALUE_BYTES_MAX {
            return Err(ExpandError::TooLong);
        }
    }
    Ok(expanded)
}

/// What stands before the `}` that belongs to a `${`, and what follows it. A `$${` within, which
/// is to become a plain `${`, has its `}` like any other.
pub(super) fn until_closed(text: &str) -> Option<(&str, &str)> {
    let mut open: usize = 1;
    let mut previous = ' ';
    for (at, letter) in text.char_indices() {
        if (previous, letter) == ('$', '{') {
            open = open.saturating_add(1);
        } else if letter == '}' {
            open = open.saturating_sub(1);
            if open == 0 {
                return Some((text.get(..at)?, text.get(at..)?.strip_prefix('}')?));
            }
        }
        previous = letter;
    }
    None
}

/// Whether a shell would take `text` for the name of a variable.
pub(super) fn is_variable_name(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(first) && text.chars().all(|c| first(c) || c.is_ascii_digit())
}

fn find<'v, 't>(inside: &'t str, variables: &'v Variables) -> Result<Found<'v, 't>, ExpandError> {
    let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let (name, operator) = inside.split_at(end.unwrap_or(inside.len()));
    if !is_variable_name(name) {
        return Err(ExpandError::NoName(inside.to_owned()));
    }
    // As in a shell, `:` makes an empty variable count as unset.
    let set = variables.known.get(OsStr::new(name)).map(OsString::as_os_str);
    let full = set.filter(|value| !value.is_empty());
    if let Some(default) = operator.strip_prefix(":-") {
        Ok(full.map_or(Found::Default(default), Found::Value))
    } else if let Some(message) = operator.strip_prefix(":?") {
        let required = || ExpandError::Required(name.to_owned(), message.to_owned());
        full.map(Found::Value).ok_or_else(required)
    } else if operator.is_empty() {
        set.map(Found::Value).ok_or_else(|| ExpandError::Unset(name.to_owned()))
    } else {
        Err(ExpandError::NoName(inside.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in() {
        let known = [("PORT", "80"), ("EMPTY", "")]
            .map(|(k, v)| (k.into(), v.into()))
            .into_iter()
            .collect();
        let variables = Variables { known, is_elsewhere: false };
        let check = |text: &str, expected: Result<&str, ExpandError>| {
            let result = expand(text, &variables).map(|e| e.text.into_string().unwrap());
            assert_eq!(result, expected.map(str::to_owned), "{text:?}");
        };
        check("a ${PORT} b", Ok("a 80 b"));
        check("${PORT:-1}${NONE:-2}${EMPTY:-3}${EMPTY}", Ok("8023"));
        check("$$ $$$${PORT} $PORT $", Ok("$ $${PORT} $PORT $"));
        check("${NONE:-}", Ok(""));
        check("<${NONE:-${PORT}}>", Ok("<80>"));
        check("<${NONE:-a${ALSO:-$${x}}b}>", Ok("<a${x}b>"));
        check("${NONE:-${PORT}", Err(ExpandError::Open));
        check("${NONE}", Err(ExpandError::Unset("NONE".into())));
        check("${EMPTY:?say it}", Err(ExpandError::Required("EMPTY".into(), "say it".into())));
        check("${PORT", Err(ExpandError::Open));
        check("${}", Err(ExpandError::NoName("".into())));
        check("${1}", Err(ExpandError::NoName("1".into())));
        check("${A-b}", Err(ExpandError::NoName("A-b".into())));
    }

    #[test]
    fn only_what_had_variables_may_be_a_number() {
        assert!(!expand("$$5", &Variables::default()).unwrap().had_variables);
        assert!(expand("${A:-5}", &Variables::default()).unwrap().had_variables);
    }

    #[test]
    fn a_text_does_not_grow_without_end() {
        let known = LiteMap::from_iter([("X".into(), "x".repeat(1000).into())]);
        let variables = Variables { known, is_elsewhere: false };
        assert_eq!(expand(&"${X}".repeat(1000), &variables), Err(ExpandError::TooLong));
        assert_eq!(
            expand(&"x".repeat(VALUE_BYTES_MAX), &variables).unwrap().text.len(),
            VALUE_BYTES_MAX
        );
    }
}
