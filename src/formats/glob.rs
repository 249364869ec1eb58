//! Patterns of file names, as glob(7) and Python's fnmatch know them: `*`, `?` and `[…]`.

use std::path::{Component, Path, PathBuf};

use crate::config::Files;
use crate::service::Errno;

/// Whether a text holds anything that makes it a pattern.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether `name` as a whole is one of those `pattern` stands for.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    let mut pattern = pattern;
    let mut name = name;
    // Where to go on if it does not fit: the last `*`, with one letter more.
    let mut retry: Option<(&str, &str)> = None;
    loop {
        let mut letters = pattern.chars();
        let mut named = name.chars();
        let step = match (letters.next(), named.next()) {
            (Some('*'), _) => {
                pattern = letters.as_str();
                retry = Some((pattern, name));
                continue;
            }
            (None, None) => return true,
            (Some('?'), Some(_)) => Some(letters.as_str()),
            (Some('['), Some(letter)) => in_class(letters.as_str(), letter),
            (Some(wanted), Some(letter)) if wanted == letter => Some(letters.as_str()),
            (Some(_), _) | (None, Some(_)) => None,
        };
        if let Some(rest) = step {
            pattern = rest;
            name = named.as_str();
            continue;
        }
        let Some((after, from)) = retry else { return false };
        let mut more = from.chars();
        if more.next().is_none() {
            return false;
        }
        pattern = after;
        name = more.as_str();
        retry = Some((after, name));
    }
}

/// What follows the `]` of a class that `letter` is in; the class begins behind its `[`.
fn in_class(class: &str, letter: char) -> Option<&str> {
    let (class, wanted) = match class.strip_prefix(['!', '^']) {
        Some(class) => (class, false),
        None => (class, true),
    };
    // A `]` at the very beginning is one of the letters.
    let end = class.char_indices().skip(1).find(|(_, letter)| *letter == ']')?.0;
    let (inside, rest) = class.split_at(end);
    let letters: Vec<char> = inside.chars().collect();
    let mut is_in = false;
    let mut at = letters.iter().peekable();
    while let Some(first) = at.next() {
        let mut range = at.clone();
        match (range.next(), range.next()) {
            (Some('-'), Some(last)) => {
                is_in |= (*first..=*last).contains(&letter);
                at = range;
            }
            _ => is_in |= *first == letter,
        }
    }
    (is_in == wanted).then(|| rest.strip_prefix(']')).flatten()
}

/// The files that `pattern` stands for, seen from `base`, sorted; what begins with `.` only if the
/// pattern does. Directories are none.
#[must_use]
pub fn matching(files: &dyn Files, base: &Path, pattern: &str) -> Vec<PathBuf> {
    let pattern = Path::new(pattern);
    let root = if pattern.is_absolute() { PathBuf::from("/") } else { base.to_owned() };
    let mut found = vec![root];
    for component in pattern.components() {
        let name = match component {
            Component::Normal(name) => name.to_string_lossy(),
            Component::ParentDir => "..".into(),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => continue,
        };
        if !is_pattern(&name) {
            found.iter_mut().for_each(|path| path.push(&*name));
            continue;
        }
        let is_wanted =
            |entry: &str| fits(&name, entry) && entry.starts_with('.') == name.starts_with('.');
        let mut next = Vec::new();
        for directory in &found {
            // A directory with no name is the one we are in.
            let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            let mut names = files.list(listed).unwrap_or_default();
            names.sort();
            let names = names.iter().filter(|entry| entry.to_str().is_some_and(is_wanted));
            next.extend(names.map(|entry| directory.join(entry)));
        }
        found = next;
    }
    found.retain(|path| files.list(path) == Err(Errno::ENOTDIR));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_names() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        };
        check("*.conf", "web.conf", true);
        check("*.conf", "web.conf.bak", false);
        check("*a*b", "xaabyb", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("[0-9][!a].ini", "5b.ini", true);
        check("[0-9][!a].ini", "5a.ini", false);
        check("[]x]", "]", true);
        check("[ab", "a", false);
        check("", "", true);
        check("*", "", true);
    }
}
