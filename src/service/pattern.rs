//! Patterns of names: `worker-*`, `LC_*`.

use std::fmt;

/// A text in which `*` stands for anything, also for nothing; everything else for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// Takes `text` as a pattern. Every text is one.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it may stand for more than one name.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.contains('*')
    }

    /// Whether it stands for `name`.
    #[must_use]
    pub fn fits(&self, name: &[u8]) -> bool {
        let mut pieces = self.0.as_bytes().split(|byte| *byte == b'*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        // The first place where a piece is found leaves the most for those behind it.
        for piece in pieces {
            let Some(found) = after(rest, piece) else { return false };
            rest = found;
        }
        rest.ends_with(last)
    }
}

/// What follows the first `piece` in `text`.
fn after<'a>(text: &'a [u8], piece: &[u8]) -> Option<&'a [u8]> {
    (0..=text.len()).find_map(|at| text.get(at..)?.strip_prefix(piece))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_choose_names() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(Pattern::new(pattern).fits(name.as_bytes()), expected, "{pattern} {name}");
        };
        check("PATH", "PATH", true);
        check("PATH", "PATHS", false);
        check("LC_*", "LC_ALL", true);
        check("LC_*", "LC_", true);
        check("LC_*", "XLC_ALL", false);
        check("*_PORT", "DB_PORT", true);
        check("*_PORT", "DB_PORTS", false);
        check("*", "", true);
        check("A*B*C", "AxBBxC", true);
        check("A*B*C", "AxC", false);
        check("*aba*", "ab", false);
        check("AB*BA", "ABA", false);
        check("**", "anything", true);
        check("", "A", false);
    }
}
