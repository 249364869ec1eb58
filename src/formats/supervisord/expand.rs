//! `%(name)s` as supervisord puts it in: Python's `%` on every value. What comes from the
//! environment stays a variable, `${NAME}`, in the raw form of our own.

use crate::formats::variables::{Variables, is_name, push_literal, push_variable};
use crate::service::nearest;
use litemap::LiteMap;

/// What may stand for `%(name)s`.
#[derive(Clone, Debug, Default)]
pub(super) struct Expansions {
    /// By name; each value in the raw form, where `${NAME}` is a variable.
    pub values: LiteMap<String, String>,
    /// `process_num`, which may be formatted; none: whoever asks for it is told apart by it.
    pub number: Option<i64>,
    /// The variables of onit's environment.
    pub environment: LiteMap<String, String>,
}

/// A value with everything put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expanded {
    /// In the raw form.
    pub text: String,
    /// Whether `process_num` was asked for.
    pub has_number: bool,
}

/// Puts in what stands for `%(…)s` in `text`.
///
/// # Errors
/// Why it cannot be done, in words.
pub(super) fn expand(
    text: &str,
    expansions: &Expansions,
    variables: Variables,
) -> Result<Expanded, String> {
    if let Some(mark) = ["{{", "{%"].into_iter().find(|mark| text.contains(mark)) {
        return Err(format!("`{mark}` is of a template: this wants the file that comes of it"));
    }
    let mut expanded = Expanded::default();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        push_literal(&mut expanded.text, before);
        if let Some(after) = after.strip_prefix('%') {
            push_literal(&mut expanded.text, "%");
            rest = after;
            continue;
        }
        let Some((name, after)) = after.strip_prefix('(').and_then(|after| after.split_once(')'))
        else {
            let shown: String =
                after.chars().take_while(|letter| !letter.is_whitespace()).collect();
            return Err(match shown.split_once('%') {
                Some((name, _)) if !name.is_empty() => {
                    format!("`%{name}%` is of a template: this wants the file that comes of it")
                }
                Some(_) | None => format!("`%{shown}` means nothing; a `%` is written `%%`"),
            });
        };
        let is_flag = |letter: char| letter.is_ascii_digit() || "-+ #.".contains(letter);
        let letters = after.trim_start_matches(is_flag);
        let width = after.strip_suffix(letters).unwrap_or_default();
        let mut letters = letters.chars();
        let kind = letters.next();
        rest = letters.as_str();
        match kind {
            Some('s' | 'd' | 'i' | 'r') => put(name, width, expansions, variables, &mut expanded)?,
            Some(_) | None => return Err(format!("`%({name})` without its `s` or `d`")),
        }
    }
    push_literal(&mut expanded.text, rest);
    Ok(expanded)
}

fn put(
    name: &str,
    width: &str,
    expansions: &Expansions,
    variables: Variables,
    expanded: &mut Expanded,
) -> Result<(), String> {
    if name == "process_num" {
        expanded.has_number = true;
        let number = expansions.number.unwrap_or_default();
        let digits = width.trim_start_matches('0').parse().unwrap_or(0).min(99);
        let padded = match width.starts_with('0') {
            true => format!("{number:0digits$}"),
            false => format!("{number:digits$}"),
        };
        expanded.text.push_str(&padded);
        return Ok(());
    }
    if let Some(value) = expansions.values.get(name) {
        expanded.text.push_str(value);
        return Ok(());
    }
    let Some(variable) = name.strip_prefix("ENV_").filter(|variable| is_name(variable)) else {
        let known = expansions.values.keys().map(String::as_str).chain(["process_num", "ENV_NAME"]);
        return Err(match nearest(name, known) {
            Some(best) => format!("`%({name})s` stands for nothing; did you mean `%({best})s`?"),
            None => format!("`%({name})s` stands for nothing"),
        });
    };
    let value = expansions.environment.get(variable);
    if !push_variable(&mut expanded.text, variable, value, variables) {
        return Err(format!("the variable {variable} is not set"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, variables: Variables) -> Result<String, String> {
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let expansions = Expansions {
            values: [("here", "/etc"), ("program_name", "web")].map(pair).into_iter().collect(),
            number: Some(7),
            environment: [("ONE", "1"), ("TWO", "a b")].map(pair).into_iter().collect(),
        };
        expand(text, &expansions, variables).map(|expanded| expanded.text)
    }

    #[test]
    fn values_are_those_python_puts_in() {
        let check = |text: &str, expected: &str| {
            assert_eq!(with(text, Variables::Words), Ok(expected.to_owned()), "{text:?}");
        };
        check("%(here)s/%(program_name)s_%(process_num)02d", "/etc/web_07");
        check("%(process_num)d %(process_num)3d", "7   7");
        check("100%% of %(ENV_ONE)s and %(ENV_TWO)s", "100% of ${ONE} and a b");
        check("$HOME ${X} $$ %(ENV_NONE)s", "$HOME $${X} $$$ ${NONE}");
        check("$%(ENV_ONE)s", "$$${ONE}");
        assert_eq!(with("%(ENV_ONE)s", Variables::Values), Ok("1".to_owned()));
    }

    #[test]
    fn what_stands_for_nothing_is_said() {
        let check = |text: &str, expected: &str| {
            assert_eq!(with(text, Variables::Values), Err(expected.to_owned()), "{text:?}");
        };
        check("%(hree)s", "`%(hree)s` stands for nothing; did you mean `%(here)s`?");
        check("%HOME%/x", "`%HOME%` is of a template: this wants the file that comes of it");
        check("{{ x }}", "`{{` is of a template: this wants the file that comes of it");
        check("5% more", "`%` means nothing; a `%` is written `%%`");
        check("%(here)", "`%(here)` without its `s` or `d`");
        check("%(ENV_NONE)s", "the variable NONE is not set");
    }
}
