//! Something wrong in the user's text: place, what, hint. Problems are collected.

use std::fmt::{self, Write};
use std::sync::Arc;

/// A place in a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as the user named it, or what stands for it: `ONIT_STOP_TIMEOUT`.
    pub file: Arc<str>,
    /// The line, counted from 1; none for the file as a whole.
    pub line: Option<u32>,
}

/// Something wrong in the user's text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong, lower case, no full stop.
    pub what: String,
    /// What to do about it, if we know.
    pub hint: Option<String>,
}

impl Place {
    /// The file as a whole.
    #[must_use]
    pub fn file(file: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), line: None }
    }

    /// A line of it, counted from 1.
    #[must_use]
    pub fn line(&self, line: u32) -> Self {
        Self { file: self.file.clone(), line: Some(line) }
    }
}

impl Problem {
    /// Something wrong at `place`.
    #[must_use]
    pub fn new(place: Place, what: impl Into<String>) -> Self {
        Self { place, what: what.into(), hint: None }
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// With `did you mean …?`, if `word` is close to one of `known`.
    #[must_use]
    pub fn did_you_mean<T: AsRef<str>>(
        self,
        word: &str,
        known: impl IntoIterator<Item = T>,
    ) -> Self {
        match nearest(word, known) {
            Some(best) => self.hint(format!("did you mean `{best}`?")),
            None => self,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match &self.hint {
            Some(hint) => format!("{}: {}; {hint}", self.place, self.what),
            None => format!("{}: {}", self.place, self.what),
        };
        // It repeats what the user wrote, line breaks and escape sequences included, and is to
        // stay one line all the same.
        for letter in line.chars() {
            if letter.is_control() {
                write!(f, "{}", letter.escape_default())?;
            } else {
                f.write_char(letter)?;
            }
        }
        Ok(())
    }
}

/// From how many bytes on the beginning of a word says which word was meant.
const BEGINNING_MIN: usize = 4;

/// The one of `known` that `word` was probably meant to be: the fewest insertions, deletions,
/// changes and swaps of neighbours away, and no more than a third of its length.
pub fn nearest<T: AsRef<str>>(word: &str, known: impl IntoIterator<Item = T>) -> Option<String> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    known
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.as_ref().to_lowercase();
            let other = lower.chars().count();
            let allowed = (length.max(other) / 3).max(1);
            // `net_bind` is what one knows of `net_bind_service`.
            let is_beginning = word.len() >= BEGINNING_MIN && lower.starts_with(&word);
            // It takes at least so many insertions: no need to count them, however long it is.
            if length.abs_diff(other) > allowed && !is_beginning {
                return None;
            }
            let distance = distance(&word, &lower);
            (distance <= allowed || is_beginning).then(|| (distance, candidate.as_ref().to_owned()))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// The optimal string alignment distance.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_in_a: Option<char> = None;
    for (row, in_a) in a.iter().enumerate() {
        let mut current = vec![row.saturating_add(1)];
        let mut previous_in_b: Option<char> = None;
        for (column, in_b) in b.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX);
            let change = at(&last, column).saturating_add(usize::from(in_a != in_b));
            let insert = at(&current, column).saturating_add(1);
            let delete = at(&last, column.saturating_add(1)).saturating_add(1);
            let mut best = change.min(insert).min(delete);
            if previous_in_a == Some(*in_b) && previous_in_b == Some(*in_a) {
                let swap = column.checked_sub(1).map_or(usize::MAX, |c| at(&before_last, c));
                best = best.min(swap.saturating_add(1));
            }
            current.push(best);
            previous_in_b = Some(*in_b);
        }
        before_last = std::mem::replace(&mut last, current);
        previous_in_a = Some(*in_a);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let known = ["restart", "restart_with", "command", "user", "umask"];
        let check = |word: &str, expected: Option<&str>| {
            assert_eq!(nearest(word, known).as_deref(), expected, "{word:?}");
        };
        check("restrat", Some("restart"));
        check("comand", Some("command"));
        check("Command", Some("command"));
        check("users", Some("user"));
        check("umsak", Some("umask"));
        check("colour", None);
        check("", None);
    }

    #[test]
    fn a_problem_stays_one_line_whatever_it_repeats() {
        let problem = Problem::new(Place::file("a\nb"), "`\u{1b}[2J` is käse").hint("c\td");
        assert_eq!(problem.to_string(), "a\\nb: `\\u{1b}[2J` is käse; c\\td");
    }

    #[test]
    fn a_problem_reads_as_a_line() {
        let place = Place::file("web.toml").line(7);
        let problem =
            Problem::new(place, "unknown key `restrat`").did_you_mean("restrat", ["restart"]);
        assert_eq!(
            problem.to_string(),
            "web.toml:7: unknown key `restrat`; did you mean `restart`?"
        );
    }
}
