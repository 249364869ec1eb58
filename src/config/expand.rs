//! `${VAR}`, `${VAR:-default}`, `${VAR:?message}` and `$$`. `$NAME` is left alone: it is a shell's.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// onit's own variables, as they are expanded.
pub(super) type Variables = BTreeMap<OsString, OsString>;

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
}

/// Puts variables in.
pub(super) fn expand(text: &str, variables: &Variables) -> Result<Expanded, ExpandError> {
    let mut expanded = Expanded { text: OsString::new(), had_variables: false };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.text.push(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.text.push("$");
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (inside, after) = after.split_once('}').ok_or(ExpandError::Open)?;
            expanded.text.push(value(inside, variables)?);
            expanded.had_variables = true;
            rest = after;
        } else {
            expanded.text.push("$");
            rest = after;
        }
    }
    expanded.text.push(rest);
    Ok(expanded)
}

fn value(inside: &str, variables: &Variables) -> Result<OsString, ExpandError> {
    let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let (name, operator) = inside.split_at(end.unwrap_or(inside.len()));
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(ExpandError::NoName(inside.to_owned()));
    }
    // As in a shell, `:` makes an empty variable count as unset.
    let set = variables.get(OsStr::new(name));
    let full = set.filter(|value| !value.as_bytes().is_empty());
    if let Some(default) = operator.strip_prefix(":-") {
        Ok(full.cloned().unwrap_or_else(|| default.into()))
    } else if let Some(message) = operator.strip_prefix(":?") {
        full.cloned().ok_or_else(|| ExpandError::Required(name.to_owned(), message.to_owned()))
    } else if operator.is_empty() {
        set.cloned().ok_or_else(|| ExpandError::Unset(name.to_owned()))
    } else {
        Err(ExpandError::NoName(inside.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in() {
        let variables: Variables =
            [("PORT", "80"), ("EMPTY", "")].map(|(k, v)| (k.into(), v.into())).into();
        let check = |text: &str, expected: Result<&str, ExpandError>| {
            let result = expand(text, &variables).map(|e| e.text.into_string().unwrap());
            assert_eq!(result, expected.map(str::to_owned), "{text:?}");
        };
        check("a ${PORT} b", Ok("a 80 b"));
        check("${PORT:-1}${NONE:-2}${EMPTY:-3}${EMPTY}", Ok("8023"));
        check("$$ $$$${PORT} $PORT $", Ok("$ $${PORT} $PORT $"));
        check("${NONE:-}", Ok(""));
        check("${NONE}", Err(ExpandError::Unset("NONE".into())));
        check("${EMPTY:?say it}", Err(ExpandError::Required("EMPTY".into(), "say it".into())));
        check("${PORT", Err(ExpandError::Open));
        check("${}", Err(ExpandError::NoName("".into())));
        check("${1}", Err(ExpandError::NoName("1".into())));
        check("${A-b}", Err(ExpandError::NoName("A-b".into())));
    }

    #[test]
    fn only_what_had_variables_may_be_a_number() {
        assert!(!expand("$$5", &Variables::new()).unwrap().had_variables);
        assert!(expand("${A:-5}", &Variables::new()).unwrap().had_variables);
    }
}
