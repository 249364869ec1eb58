//! What becomes of the options of a format. Each format has one table of them: it says which there
//! are, drives what is said about those that mean nothing here, and is printed in
//! `docs/migrating/`, so that no option is ignored in silence.

use super::ini::Section;
use super::sheet::Notes;
use crate::service::{Name, nearest};

/// An option of another format.
#[derive(Clone, Copy, Debug)]
pub struct OptionInfo {
    /// The kind of section it stands in, or what it is a part of: `program`.
    pub section: &'static str,
    /// What it is called; `*` for any number of letters.
    pub name: &'static str,
    /// What becomes of it.
    pub fate: Fate,
    /// In words: the keys it becomes, or why it becomes nothing.
    pub becomes: &'static str,
}

/// The row of an option in a table.
#[must_use]
pub const fn option(
    section: &'static str,
    name: &'static str,
    fate: Fate,
    becomes: &'static str,
) -> OptionInfo {
    OptionInfo { section, name, fate, becomes }
}

/// What becomes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is understood.
    Mapped,
    /// It means something that is not done here; that is said.
    Remarked,
    /// It means nothing in a container, or nothing here; there is nothing to say.
    Dropped,
    /// Without it the service would be another one; it is a problem.
    Refused,
}

impl Fate {
    /// As the tables in `docs/migrating/` say it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::Remarked => "remark",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
        }
    }
}

/// The option of this name in a table.
#[must_use]
pub fn find(table: &[OptionInfo], section: &str, name: &str) -> Option<OptionInfo> {
    let fits = |pattern: &str| match pattern.split_once('*') {
        Some((before, after)) => {
            name.len() >= before.len().saturating_add(after.len())
                && name.starts_with(before)
                && name.ends_with(after)
        }
        None => pattern == name,
    };
    table.iter().find(|option| option.section == section && fits(option.name)).copied()
}

/// Says what becomes of the options of `section` that its reader has not taken, which has the kind
/// `kind` in `table`.
pub fn leftovers(
    table: &[OptionInfo],
    kind: &str,
    section: &Section,
    service: Option<&Name>,
    notes: &mut Notes,
) {
    for entry in &section.entries {
        let key = &entry.key;
        match find(table, kind, key) {
            Some(OptionInfo { fate: Fate::Mapped | Fate::Dropped, .. }) => {}
            Some(OptionInfo { fate: Fate::Remarked, becomes, .. }) => {
                notes.remark(&entry.place, service, None, format!("`{key}`: {becomes}"));
            }
            Some(OptionInfo { fate: Fate::Refused, becomes, .. }) => {
                notes.problem(&entry.place, format!("`{key}`: {becomes}"));
            }
            None => {
                let known = table.iter().filter(|o| o.section == kind).map(|o| o.name);
                let hint = match nearest(key, known) {
                    Some(best) => format!("; did you mean `{best}`?"),
                    None => String::new(),
                };
                let what = format!("there is no option `{key}` in [{}]{hint}", section.name);
                notes.remark(&entry.place, service, None, what);
            }
        }
    }
}
