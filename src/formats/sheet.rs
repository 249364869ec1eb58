//! Puts the raw form of a service together, and collects what is to be said about it.

use std::path::Path;

use crate::config::file::{At, Raw, Value};
use crate::config::foreign::{Described, Reading, Remark};
use crate::config::keys;
use crate::limits::NAME_BYTES_MAX;
use crate::service::{Name, Place, Problem};
use litemap::LiteMap;

/// The raw form of a service as it comes to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// What it is called.
    pub name: Name,
    /// Where it is described.
    pub place: Place,
    /// What is said of it so far.
    pub raw: Raw,
}

impl Sheet {
    /// Of a service of which nothing is said yet.
    #[must_use]
    pub fn new(name: Name, place: Place) -> Self {
        Self { name, place, raw: Raw::default() }
    }

    /// Sets a key. One that is none would be lost without a word, so a test would fail first.
    pub fn set(&mut self, key: &'static str, value: Value, place: &Place) {
        debug_assert!(keys::find(keys::SERVICE, key).is_some_and(|key| key.built), "{key}");
        self.raw.values.insert(key, At { value, place: place.clone() });
    }

    /// Sets a key to a text in which `${NAME}` is a variable and `$$` a `$`.
    pub fn text(&mut self, key: &'static str, text: impl Into<String>, place: &Place) {
        self.set(key, Value::Text(text.into()), place);
    }

    /// Sets a key to a list of texts.
    pub fn list<T: Into<String>>(
        &mut self,
        key: &'static str,
        texts: impl IntoIterator<Item = T>,
        place: &Place,
    ) {
        self.set(key, list(texts, place), place);
    }

    /// Sets a key to a whole number.
    pub fn number(&mut self, key: &'static str, number: i64, place: &Place) {
        self.set(key, Value::Integer(number), place);
    }

    /// How large its log files become, and how many full ones are kept; judged with the rest.
    pub fn rotation(&mut self, size: At<String>, keep: At<String>) {
        self.text("log.max_size", size.value, &size.place);
        match keep.value.parse() {
            Ok(number) => self.number("log.keep", number, &keep.place),
            Err(_) => self.text("log.keep", keep.value, &keep.place),
        }
    }

    /// Sets a key to true or false.
    pub fn boolean(&mut self, key: &'static str, value: bool, place: &Place) {
        self.set(key, Value::Boolean(value), place);
    }

    /// Adds names with their texts to the table of a key; a name that is there already gets the
    /// new text.
    pub fn table(
        &mut self,
        key: &'static str,
        entries: impl IntoIterator<Item = (String, String)>,
        place: &Place,
    ) {
        let mut table = match self.raw.values.remove(key).map(|value| value.value) {
            Some(Value::Table(table)) => table,
            Some(_) | None => Vec::new(),
        };
        for (name, text) in entries {
            table.retain(|(known, _)| known.value != name);
            let name = At { value: name, place: place.clone() };
            table.push((name, At { value: Value::Text(text), place: place.clone() }));
        }
        table.sort_by(|(one, _), (other, _)| one.value.cmp(&other.value));
        if !table.is_empty() {
            self.set(key, Value::Table(table), place);
        }
    }

    /// What is in the list of a key so far.
    #[must_use]
    pub fn items(&self, key: &str) -> Vec<At<Value>> {
        match self.raw.values.get(key).map(|value| &value.value) {
            Some(Value::List(items)) => items.clone(),
            Some(_) | None => Vec::new(),
        }
    }

    /// Whether something is said about a key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.raw.values.contains_key(key)
    }

    /// A oneshot that does nothing but run a command when it is stopped: last of all, where
    /// everybody starts after it.
    #[must_use]
    pub fn farewell<T: Into<String>>(
        name: Name,
        place: Place,
        command: impl IntoIterator<Item = T>,
    ) -> Self {
        let mut sheet = Self::new(name, place.clone());
        sheet.text("type", "oneshot", &place);
        sheet.list("command", ["sh", "-c", ":"], &place);
        sheet.text("on_failure", "continue", &place);
        sheet.list("stop.command", command, &place);
        sheet
    }

    /// As it is handed on.
    #[must_use]
    pub fn described(self) -> Described {
        Described { name: self.name, place: self.place, raw: self.raw }
    }
}

/// What is to be said about a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes {
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// What is to be known of it.
    pub remarks: Vec<Remark>,
}

impl Notes {
    /// Something is wrong.
    pub fn problem(&mut self, place: &Place, what: impl Into<String>) {
        self.problems.push(Problem::new(place.clone(), what));
    }

    /// Something is wrong, and there is something to do about it.
    pub fn problem_with_hint(
        &mut self,
        place: &Place,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems.push(Problem::new(place.clone(), what).hint(hint));
    }

    /// Something is to be known, of one service and one key of it, or of all.
    pub fn remark(
        &mut self,
        place: &Place,
        service: Option<&Name>,
        key: Option<&'static str>,
        what: impl Into<String>,
    ) {
        let (place, service) = (place.clone(), service.cloned());
        self.remarks.push(Remark { place, service, key, what: what.into() });
    }
}

/// Adds a text to the list of a key.
pub fn add(raw: &mut Raw, key: &'static str, text: &str, place: &Place) {
    let item = At { value: Value::Text(text.to_owned()), place: place.clone() };
    match raw.values.get_mut(key).map(|value| &mut value.value) {
        Some(Value::List(items)) => items.push(item),
        Some(_) | None => {
            let value = Value::List(vec![item]);
            raw.values.insert(key, At { value, place: place.clone() });
        }
    }
}

/// A list of texts.
#[must_use]
pub fn list<T: Into<String>>(texts: impl IntoIterator<Item = T>, place: &Place) -> Value {
    let item = |text: T| At { value: Value::Text(text.into()), place: place.clone() };
    Value::List(texts.into_iter().map(item).collect())
}

/// A text that means itself, also to expansion, which leaves `$NAME` alone.
#[must_use]
pub fn literal(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        safe.push(letter);
        if letter == '$' && matches!(letters.peek(), Some('$' | '{')) {
            safe.push('$');
        }
    }
    safe
}

/// The name of a service that is called `text` elsewhere: letters that have no place in a name
/// become `-`.
#[must_use]
pub fn name(text: &str) -> Option<Name> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "_.@-".contains(letter);
    let text: String = text.chars().map(|letter| if fits(letter) { letter } else { '-' }).collect();
    let text = text.trim_start_matches(['.', '-']);
    Name::new(text.get(..NAME_BYTES_MAX).unwrap_or(text)).ok()
}

/// Services with their ranks, and where those are set: everybody starts after those whose rank is
/// the next smaller one.
#[must_use]
pub fn in_order(services: Vec<(Sheet, Option<Place>, (i64, i64))>) -> Vec<Described> {
    let mut names: LiteMap<(i64, i64), Vec<Name>> = LiteMap::new();
    for (sheet, _, rank) in &services {
        names.entry(*rank).or_default().push(sheet.name.clone());
    }
    let ordered = services.into_iter().map(|(mut sheet, place, rank)| {
        if let Some((_, before)) = before(&names, rank) {
            let place = place.unwrap_or_else(|| sheet.place.clone());
            sheet.list("after", before.iter().map(Name::as_str), &place);
        }
        sheet.described()
    });
    ordered.collect()
}

/// What stands at the next smaller rank.
fn before<V>(ranks: &LiteMap<(i64, i64), V>, rank: (i64, i64)) -> Option<(&(i64, i64), &V)> {
    let at = ranks.find_index(&rank).unwrap_or_else(|at| at);
    ranks.get_indexed(at.checked_sub(1)?)
}

/// A source that cannot be read as what it is said to be.
#[must_use]
pub fn refused(path: &Path, why: &str) -> Reading {
    let mut notes = Notes::default();
    notes.problem(&Place::file(path.display().to_string()), why);
    Reading { problems: notes.problems, ..Reading::default() }
}

/// The text of a source, or where it is none.
///
/// # Errors
/// The first byte that is not UTF-8, or is NUL: a problem with its line.
pub fn text<'b>(bytes: &'b [u8], place: &Place) -> Result<&'b str, Problem> {
    let (valid, what) = match std::str::from_utf8(bytes) {
        Ok(text) => match text.split_once('\0') {
            None => return Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Some((before, _)) => (before.len(), "a NUL byte"),
        },
        Err(error) => (error.valid_up_to(), "not UTF-8"),
    };
    let before = bytes.get(..valid).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
    Err(Problem::new(place.line(u32::try_from(line).unwrap_or(u32::MAX)), what))
}
