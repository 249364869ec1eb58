//! Texts with variables in them, in the raw form of our own: `${NAME}` is one, `$$` a `$`.

/// How a variable of the environment is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variables {
    /// As a variable.
    Kept,
    /// As a variable, unless its value is more than one word: what comes out is split.
    Words,
    /// By its value: what comes out is a number or the like.
    Values,
}

/// Adds what stands for the variable `name`, whose value is `value` as far as that is known; says
/// whether there is anything.
#[must_use]
pub fn push_variable(
    text: &mut String,
    name: &str,
    value: Option<&String>,
    variables: Variables,
) -> bool {
    let is_plain = |value: &String| !value.contains([' ', '\t', '\n', '\'', '"', '\\']);
    match (variables, value) {
        (Variables::Values, None) => return false,
        (Variables::Values, Some(value)) => push_literal(text, value),
        (Variables::Words, Some(value)) if !is_plain(value) => push_literal(text, value),
        (Variables::Kept | Variables::Words, _) => text.extend(["${", name, "}"]),
    }
    true
}

/// Adds text that means itself, whatever comes behind it.
pub fn push_literal(text: &mut String, literal: &str) {
    let mut letters = literal.chars().peekable();
    while let Some(letter) = letters.next() {
        text.push(letter);
        if letter == '$' && matches!(letters.peek(), Some('$' | '{') | None) {
            text.push('$');
        }
    }
}

/// Whether a shell would take `text` for the name of a variable.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(first) && text.chars().all(|c| first(c) || c.is_ascii_digit())
}
