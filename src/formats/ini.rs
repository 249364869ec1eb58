//! Sections and options of ini files. What counts as a comment, and which of two equal options
//! holds, differs between the programs that read them: a [`Dialect`] says it.

use super::sheet::Notes;
use crate::config::file::At;
use crate::service::Place;

/// How a program reads ini files.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Whether a line that begins with `#` or `;` is a comment although it is indented.
    pub indented_comments: bool,
    /// Where a comment begins within a line.
    pub inline: Inline,
    /// Whether the names of options are the same in capitals.
    pub folds_case: bool,
    /// Whether of two equal options the last holds, and not the first. If it is the first, lines
    /// that go on with the second are still added to it.
    pub last_wins: bool,
    /// Whether a line that begins with the word `rem`, in whatever letters, is a comment.
    pub rem: bool,
    /// Whether an option of which only `""` is written is empty.
    pub unquotes: bool,
}

/// Where a comment begins within a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inline {
    /// At any of these that follows a blank, in any line.
    After(&'static [char]),
    /// At the first `;` of a value, if that follows a blank; not in lines that go on, which are
    /// all that are indented. A section or an option begins with its line.
    FirstSemicolon,
}

/// The sections of one or more files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ini {
    /// In the order in which they were first met.
    pub sections: Vec<Section>,
}

/// A section: what stands below `[name]`, wherever that stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Where it begins first.
    pub place: Place,
    /// Its options.
    pub entries: Vec<Entry>,
}

/// An option.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub key: String,
    /// What was written; lines that went on are joined by line breaks.
    pub value: String,
    /// Where.
    pub place: Place,
}

/// Options for every section.
const DEFAULT: &str = "DEFAULT";

impl Ini {
    /// Adds what a file says.
    pub fn read(&mut self, text: &str, file: &Place, dialect: Dialect, notes: &mut Notes) {
        let read = self.sections.iter().map(|section| section.entries.len()).collect();
        let mut reader =
            Reader { ini: self, dialect, read, section: None, option: None, indent: 0 };
        for (number, line) in (1u32..).zip(text.lines()) {
            reader.line(line, &file.line(number), notes);
        }
        // What follows the last line of a value is none of it.
        for entry in self.sections.iter_mut().flat_map(|section| &mut section.entries) {
            entry.value.truncate(entry.value.trim_end().len());
        }
    }

    /// Takes the section of this name out.
    pub fn take(&mut self, name: &str) -> Option<Section> {
        let at = self.sections.iter().position(|section| section.name == name)?;
        Some(self.sections.remove(at))
    }

    /// Gives every section what `[DEFAULT]` says and it does not.
    pub fn apply_defaults(&mut self) {
        let Some(defaults) = self.take(DEFAULT) else { return };
        for section in &mut self.sections {
            for entry in &defaults.entries {
                if section.get(&entry.key).is_none() {
                    section.entries.push(entry.clone());
                }
            }
        }
    }
}

impl Section {
    /// The option called `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Takes the option called `key` out.
    pub fn take(&mut self, key: &str) -> Option<At<String>> {
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        let Entry { value, place, .. } = self.entries.remove(at);
        Some(At { value, place })
    }
}

struct Reader<'a> {
    ini: &'a mut Ini,
    dialect: Dialect,
    /// How many options each section has from the files before.
    read: Vec<usize>,
    /// The section we are in.
    section: Option<usize>,
    /// The option that a line may go on with.
    option: Option<Going>,
    /// How far the line was indented in which it began.
    indent: usize,
}

/// An option that may go on in the next line.
#[derive(Clone, Copy)]
enum Going {
    /// The one at this place of the section.
    On(usize),
    /// One of a file before, which holds and is at its end.
    Earlier,
}

impl Reader<'_> {
    fn line(&mut self, line: &str, place: &Place, notes: &mut Notes) {
        let without = self.without_comment(line);
        let text = without.trim();
        if text.is_empty() {
            self.empty(without.len() < line.len(), place, notes);
            return;
        }
        let indent = line.chars().take_while(|letter| letter.is_whitespace()).count();
        let goes_on = match self.dialect.inline {
            Inline::After(_) => indent > self.indent,
            Inline::FirstSemicolon => indent > 0,
        };
        if let (true, Some(going)) = (goes_on, self.option) {
            self.go_on(going, text, place, notes);
            return;
        }
        self.indent = indent;
        let text = match self.dialect.inline {
            Inline::After(_) => text,
            Inline::FirstSemicolon => without,
        };
        let header = text.strip_prefix('[').and_then(|rest| rest.rsplit_once(']'));
        if let Some((name, _)) = header.filter(|(name, _)| !name.is_empty()) {
            self.begin(name, place);
        } else if self.section.is_none() {
            notes.problem(place, "an option before the first [section]");
        } else {
            self.option(text, place, notes);
        }
    }

    /// The line up to its comment.
    fn without_comment<'l>(&self, line: &'l str) -> &'l str {
        let trimmed = line.trim_start();
        let word = line.split_whitespace().next().unwrap_or_default();
        let is_rem = self.dialect.rem && word.eq_ignore_ascii_case("rem");
        let is_comment = (is_rem || trimmed.starts_with(['#', ';']))
            && (self.dialect.indented_comments || trimmed.len() == line.len());
        match self.dialect.inline {
            _ if is_comment => "",
            Inline::After(marks) => before_mark(line, marks),
            Inline::FirstSemicolon => line,
        }
    }

    /// A line with nothing in it. Within a value that goes on it is a line of that, in a dialect
    /// of Python's.
    fn empty(&mut self, had_comment: bool, place: &Place, notes: &mut Notes) {
        if let (Inline::After(_), false) = (self.dialect.inline, had_comment)
            && let Some(going) = self.option
        {
            self.go_on(going, "", place, notes);
        }
    }

    fn go_on(&mut self, going: Going, text: &str, place: &Place, notes: &mut Notes) {
        let at = match going {
            Going::On(at) => at,
            Going::Earlier => {
                let what = "it goes on with an option of a file before, and circus fails at that";
                notes.problem(place, what);
                return;
            }
        };
        let section = self.section.and_then(|section| self.ini.sections.get_mut(section));
        if let Some(entry) = section.and_then(|section| section.entries.get_mut(at)) {
            entry.value.push('\n');
            entry.value.push_str(text);
        }
    }

    fn begin(&mut self, name: &str, place: &Place) {
        let known = self.ini.sections.iter().position(|section| section.name == name);
        self.section = Some(known.unwrap_or_else(|| {
            let (name, place) = (name.to_owned(), place.clone());
            self.ini.sections.push(Section { name, place, entries: Vec::new() });
            self.ini.sections.len().saturating_sub(1)
        }));
        self.option = None;
    }

    fn option(&mut self, text: &str, place: &Place, notes: &mut Notes) {
        let Some((key, value)) = text.split_once(['=', ':']) else {
            // What goes on does so with the option before, as if this line were not there.
            notes.problem(place, "neither a [section] nor `option = value`");
            return;
        };
        let key = key.trim_end();
        let key = if self.dialect.folds_case { key.to_lowercase() } else { key.to_owned() };
        let value = match self.dialect.inline {
            Inline::After(_) => value.trim(),
            Inline::FirstSemicolon => first_part(value.trim_start()).trim(),
        };
        let value = if self.dialect.unquotes && value == "\"\"" { "" } else { value };
        let Some(section) = self.section else { return };
        let read = self.read.get(section).copied().unwrap_or_default();
        let Some(Section { entries, .. }) = self.ini.sections.get_mut(section) else { return };
        let entry = Entry { key, value: value.to_owned(), place: place.clone() };
        let known = entries.iter().position(|known| known.key == entry.key);
        // One without a name is there, and nothing goes on with it.
        let has_name = !entry.key.is_empty();
        let going = match known {
            Some(at) if self.dialect.last_wins => {
                if let Some(known) = entries.get_mut(at) {
                    *known = entry;
                }
                Going::On(at)
            }
            Some(at) if at < read => Going::Earlier,
            Some(at) => Going::On(at),
            None => {
                entries.push(entry);
                Going::On(entries.len().saturating_sub(1))
            }
        };
        self.option = has_name.then_some(going);
    }
}

/// What stands before the first of `marks` that begins the line or follows a blank.
fn before_mark<'l>(line: &'l str, marks: &[char]) -> &'l str {
    let mut previous = ' ';
    for (at, letter) in line.char_indices() {
        if marks.contains(&letter) && previous.is_whitespace() {
            return line.get(..at).unwrap_or(line);
        }
        previous = letter;
    }
    line
}

/// What stands before the first `;`, if that follows a blank. To Python the letter before the
/// first one of a text is its last.
fn first_part(value: &str) -> &str {
    match value.split_once(';') {
        Some(("", _)) if value.ends_with(char::is_whitespace) => "",
        Some((before, _)) if before.ends_with(char::is_whitespace) => before,
        Some(_) | None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHON: Dialect = Dialect {
        indented_comments: true,
        inline: Inline::After(&[';', '#']),
        folds_case: true,
        last_wins: true,
        rem: false,
        unquotes: false,
    };
    const STRICT: Dialect = Dialect {
        indented_comments: false,
        inline: Inline::FirstSemicolon,
        folds_case: false,
        last_wins: false,
        rem: true,
        unquotes: true,
    };

    fn check(dialect: Dialect, text: &str, expected: &[(&str, &[(&str, &str)])]) {
        let mut ini = Ini::default();
        let mut notes = Notes::default();
        ini.read(text, &Place::file("f"), dialect, &mut notes);
        assert_eq!(notes, Notes::default(), "{text:?}");
        let found: Vec<(&str, Vec<(&str, &str)>)> = ini
            .sections
            .iter()
            .map(|section| {
                let entries =
                    section.entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_str()));
                (section.name.as_str(), entries.collect())
            })
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(name, entries)| (*name, entries.to_vec())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn options_are_those_python_reads() {
        check(PYTHON, "[a]\nKey = v ; c\n", &[("a", &[("key", "v")])]);
        check(PYTHON, "[a]\nk: v # c\n", &[("a", &[("key", "v")].map(|_| ("k", "v")))]);
        check(PYTHON, "[a]\nk = sh -c \"a ; b\"\n", &[("a", &[("k", "sh -c \"a")])]);
        check(PYTHON, "[a]\nk = a;b#c\n", &[("a", &[("k", "a;b#c")])]);
        check(PYTHON, "[a]\nk = 1\n ; c\n 2\n   3\nj=4", &[("a", &[("k", "1\n2\n3"), ("j", "4")])]);
        check(
            PYTHON,
            "[a]\nk=1\nk=2\n[b]\n[a]\nj=3",
            &[("a", &[("k", "2"), ("j", "3")]), ("b", &[])],
        );
        check(PYTHON, "[a:b] ; c\n  k = 1\n  j = 2\n", &[("a:b", &[("k", "1"), ("j", "2")])]);
    }

    #[test]
    fn options_are_those_circus_reads() {
        check(STRICT, "[a]\nKey = v ; c\n", &[("a", &[("Key", "v")])]);
        check(STRICT, "[a]\nk = v # d\n", &[("a", &[("k", "v # d")])]);
        check(STRICT, "[a]\nk = a;b ; c\n", &[("a", &[("k", "a;b ; c")])]);
        check(STRICT, "[a]\nk=1\nk=2\n [b\n[a]\nj=3\n# x", &[("a", &[("k", "1\n[b"), ("j", "3")])]);
        check(STRICT, "[a]\nk = ; c\nj = ; c \n", &[("a", &[("k", "; c"), ("j", "")])]);
        check(STRICT, "[a]\nREM x\nrem = 1\nrem:2\n rem 3\n", &[("a", &[("rem", "2\nrem 3")])]);
        check(STRICT, "[a]\n j = 1\nk = 2\n", &[("a", &[(" j", "1"), ("k", "2")])]);
        check(STRICT, "[a]\nk = \"\" ; c\nj = \n \"\"\n", &[("a", &[("k", ""), ("j", "\n\"\"")])]);
        check(STRICT, "[a]\n= 1\n k = 2\n", &[("a", &[("", "1"), (" k", "2")])]);
        check(STRICT, "[a]\nk=1\n 2 ; 3\n", &[("a", &[("k", "1\n2 ; 3")])]);
    }

    #[test]
    fn what_is_no_option_is_said() {
        let mut notes = Notes::default();
        Ini::default().read("a=1\n[b]\nnothing\n", &Place::file("f"), PYTHON, &mut notes);
        let said: Vec<String> = notes.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "f:1: an option before the first [section]",
                "f:3: neither a [section] nor `option = value`"
            ]
        );
    }

    #[test]
    fn options_of_a_file_before_are_at_their_end() {
        let mut notes = Notes::default();
        let mut ini = Ini::default();
        ini.read("[a]\nk=1\n", &Place::file("f"), STRICT, &mut notes);
        ini.read("[a]\nj=1\nj=2\n 3\nk=2\n 3\n", &Place::file("g"), STRICT, &mut notes);
        let said: Vec<String> = notes.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            ["g:6: it goes on with an option of a file before, and circus fails at that"]
        );
    }
}
