//! The name of a service, valid by construction.

use std::fmt;
use std::sync::Arc;

use crate::limits::NAME_BYTES_MAX;

/// The name of a service: 1 to [`NAME_BYTES_MAX`] letters, digits, `_ . @ -`, the first of them
/// neither `.` nor `-`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing at all.
    Empty,
    /// More than [`NAME_BYTES_MAX`] bytes.
    TooLong,
    /// It begins with this character, which is allowed elsewhere in a name only.
    BeginsWith(char),
    /// This character has no place in a name.
    Contains(char),
}

impl Name {
    /// The name of the program given after `--`.
    pub const MAIN: &'static str = "main";
    /// The name under which onit itself speaks.
    pub const ONIT: &'static str = "onit";

    /// Takes `text` as a name.
    ///
    /// # Errors
    /// The first thing that keeps `text` from being a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '@' | '-');
        if let Some(other) = text.chars().find(|c| !allowed(*c)) {
            return Err(NameError::Contains(other));
        }
        match text.chars().next() {
            Some(first @ ('.' | '-')) => Err(NameError::BeginsWith(first)),
            _ => Ok(Self(text.into())),
        }
    }

    /// The name of the main command.
    #[must_use]
    pub fn main() -> Self {
        Self(Self::MAIN.into())
    }

    /// The name under which onit itself speaks.
    #[must_use]
    pub fn onit() -> Self {
        Self(Self::ONIT.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a name cannot be empty"),
            Self::TooLong => write!(f, "a name has at most {NAME_BYTES_MAX} bytes"),
            Self::BeginsWith(c) => write!(f, "a name cannot begin with {c:?}"),
            Self::Contains(c) => {
                write!(f, "a name has letters, digits, `_`, `.`, `@` and `-`, but no {c:?}")
            }
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_design_says() {
        let check = |text: &str, expected: Result<(), NameError>| {
            assert_eq!(Name::new(text).map(|_| ()), expected, "{text:?}");
        };
        check("web", Ok(()));
        check("web@1", Ok(()));
        check("a_b.c-d", Ok(()));
        check(&"x".repeat(63), Ok(()));
        check(&"x".repeat(64), Err(NameError::TooLong));
        check("", Err(NameError::Empty));
        check(".hidden", Err(NameError::BeginsWith('.')));
        check("-v", Err(NameError::BeginsWith('-')));
        check("a b", Err(NameError::Contains(' ')));
        check("a/b", Err(NameError::Contains('/')));
        check("käse", Err(NameError::Contains('ä')));
    }
}
