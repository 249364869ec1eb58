//! The raw form of a configuration file: known keys with their values, each with its place. Takes
//! apart, but does not judge: what a value means is for `check.rs`.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Key};
use crate::service::{Place, Problem};
use litemap::LiteMap;

/// Something with the place where it stood.
#[derive(Clone, Debug, PartialEq)]
pub struct At<T> {
    /// What stood there.
    pub value: T,
    /// Where.
    pub place: Place,
}

/// A value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction, as it was written: a variable of 1.10 is not to become 1.1.
    Float(String),
    /// True or false.
    Boolean(bool),
    /// Several values.
    List(Vec<At<Value>>),
    /// Several values with names, in the order of the names.
    Table(Vec<(At<String>, At<Value>)>),
    /// Something no key takes: a date, a number out of range.
    Other(String),
}

/// The raw form of a file: what was written to which key of the table of keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Raw {
    /// By the name of the key: `command`, `stop.signal`.
    pub values: LiteMap<&'static str, At<Value>>,
}

/// The raw form of `onit.toml`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawSettings {
    /// Its own keys.
    pub settings: Raw,
    /// What holds for every service that does not say otherwise.
    pub service_defaults: Raw,
}

impl Value {
    /// Whether it is a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self, Self::List(_))
    }

    /// What kind of thing it is, as it follows "not".
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Boolean(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(_) => "a value of this kind",
        }
    }
}

/// Takes a service file apart.
#[must_use]
pub fn service(text: &str, place: &Place) -> (Raw, Vec<Problem>) {
    let mut reader = Reader::new(text, place);
    let mut raw = Raw::default();
    if let Some(table) = reader.document(text) {
        reader.keys(table, keys::SERVICE, "", &mut raw);
    }
    (raw, reader.problems)
}

/// Takes `onit.toml` apart.
#[must_use]
pub fn settings(text: &str, place: &Place) -> (RawSettings, Vec<Problem>) {
    const DEFAULTS: &str = "service_defaults";
    let mut reader = Reader::new(text, place);
    let mut raw = RawSettings::default();
    let Some(mut table) = reader.document(text) else { return (raw, reader.problems) };
    let defaults = table.keys().find(|key| key.get_ref() == DEFAULTS).cloned();
    if let Some((key, value)) = defaults.and_then(|key| table.remove_entry(&key)) {
        match value.into_inner() {
            DeValue::Table(mut defaults) => {
                for own in keys::NO_DEFAULTS {
                    let key = defaults.keys().find(|key| key.get_ref() == own).cloned();
                    if let Some((key, _)) = key.and_then(|key| defaults.remove_entry(&key)) {
                        let what = format!("`{own}` cannot be a default: each service has its own");
                        reader.complain(key.span().start, what);
                    }
                }
                reader.keys(defaults, keys::SERVICE, "", &mut raw.service_defaults);
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => {
                reader.complain(key.span().start, format!("`{DEFAULTS}` is a table"));
            }
        }
    }
    reader.keys(table, keys::SETTINGS, "", &mut raw.settings);
    (raw, reader.problems)
}

/// Sections whose being there means something, but not without a key.
const SPEAKING: [&str; 3] = ["ready", "health", "reload"];

/// Turns spans into places, and collects problems.
struct Reader<'a> {
    place: &'a Place,
    /// Where each line begins.
    lines: Vec<usize>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn new(text: &str, place: &'a Place) -> Self {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|end| end.saturating_add(1));
        Self { place, lines: std::iter::once(0).chain(ends).collect(), problems: Vec::new() }
    }

    fn at(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= offset);
        self.place.line(u32::try_from(line).unwrap_or(u32::MAX))
    }

    fn complain(&mut self, offset: usize, what: impl Into<String>) {
        self.problems.push(Problem::new(self.at(offset), what));
    }

    /// The table of a text that is TOML. Of one that is none the first error is told: what follows
    /// it would be guesswork.
    fn document<'t>(&mut self, text: &'t str) -> Option<DeTable<'t>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let Some(error) = errors.first() else { return Some(table.into_inner()) };
        let offset = error.span().map_or(0, |span| span.start);
        let what = error.message().lines().next().unwrap_or("no TOML").to_owned();
        self.complain(offset, format!("this is no TOML: {what}"));
        None
    }

    /// Takes the known keys of `section` out of `table`; what remains is unknown.
    fn keys(&mut self, table: DeTable<'_>, known: &'static [Key], section: &str, raw: &mut Raw) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let offset = key.span().start;
            let full = if section.is_empty() { name.into() } else { format!("{section}.{name}") };
            match keys::find(known, &full) {
                Some(key) if key.built => {
                    let value = self.value(value);
                    raw.values.insert(key.name, value);
                }
                Some(_) => self.complain(offset, format!("`{full}` is not supported yet")),
                None if section.is_empty() && keys::is_section(known, name) => {
                    match value.into_inner() {
                        DeValue::Table(inner) if inner.is_empty() && SPEAKING.contains(&name) => {
                            let names: Vec<&str> = keys::names(known, name).collect();
                            let problem =
                                Problem::new(self.at(offset), format!("[{name}] is empty"));
                            let hint = format!("it has the keys {}", names.join(", "));
                            self.problems.push(problem.hint(hint));
                        }
                        DeValue::Table(inner) => self.keys(inner, known, name, raw),
                        DeValue::String(_)
                        | DeValue::Integer(_)
                        | DeValue::Float(_)
                        | DeValue::Boolean(_)
                        | DeValue::Datetime(_)
                        | DeValue::Array(_) => {
                            self.complain(offset, format!("`{name}` is a table: [{name}]"));
                        }
                    }
                }
                None => {
                    let problem = Problem::new(self.at(offset), format!("unknown key `{full}`"));
                    let problem = problem.did_you_mean(name, keys::names(known, section));
                    self.problems.push(match (&problem.hint, keys::elsewhere(known, name)) {
                        // Whatever stands below the first [section] belongs to a section.
                        (None, Some(elsewhere)) if elsewhere == name => {
                            problem.hint(format!("`{name}` belongs above the first [section]"))
                        }
                        (None, Some(elsewhere)) => {
                            problem.hint(format!("did you mean `{elsewhere}`?"))
                        }
                        (Some(_), _) | (None, None) => problem,
                    });
                }
            }
        }
    }

    fn value(&mut self, value: Spanned<DeValue<'_>>) -> At<Value> {
        let place = self.at(value.span().start);
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Value::Integer(number),
                    Err(_) => Value::Other(number.to_string()),
                }
            }
            DeValue::Float(number) => Value::Float(number.as_str().to_owned()),
            DeValue::Boolean(value) => Value::Boolean(value),
            DeValue::Datetime(date) => Value::Other(date.to_string()),
            DeValue::Array(values) => {
                Value::List(values.into_iter().map(|value| self.value(value)).collect())
            }
            DeValue::Table(table) => {
                let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'_>>)| {
                    let place = self.at(key.span().start);
                    let key: std::borrow::Cow<'_, str> = key.into_inner();
                    (At { value: key.into_owned(), place }, self.value(value))
                };
                Value::Table(table.into_iter().map(entry).collect())
            }
        };
        At { value, place }
    }
}
