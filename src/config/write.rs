//! The raw form back to text: the TOML a person would have written, with no key that equals its
//! default, and with what is to be known beside the key it is about.

use std::fmt::Write;

use litemap::LiteMap;

use super::check;
use super::expand::Variables;
use super::file::{At, Raw, RawSettings, Value};
use super::foreign::{Described, Remark};
use super::keys::{self, Key};

/// A list that is longer than this stands on several lines.
const COLUMNS: usize = 100;

/// The text of a service file.
#[must_use]
pub fn service(service: &Described, remarks: &[Remark]) -> String {
    let own = |remark: &&Remark| remark.service.as_ref() == Some(&service.name);
    let own: Vec<&Remark> = remarks.iter().filter(own).collect();
    let mut writer = Writer { text: String::new(), remarks: &own, prefix: "" };
    comment(&mut writer.text, &format!("From {}.", service.place));
    for remark in &own {
        if !remark.key.is_some_and(|key| service.raw.values.contains_key(key)) {
            comment(&mut writer.text, &remark.what);
        }
    }
    writer.text.push('\n');
    writer.keys(&service.raw, keys::SERVICE);
    writer.text
}

/// The text of `onit.toml`; none if there is nothing to say in it.
#[must_use]
pub fn settings(settings: &RawSettings) -> Option<String> {
    if settings.settings.values.is_empty() && settings.service_defaults.values.is_empty() {
        return None;
    }
    let mut writer = Writer { text: String::new(), remarks: &[], prefix: "" };
    writer.keys(&settings.settings, keys::SETTINGS);
    if !settings.service_defaults.values.is_empty() {
        writer.begin_section("service_defaults");
        writer.prefix = "service_defaults.";
        writer.keys(&settings.service_defaults, keys::SERVICE);
    }
    Some(writer.text)
}

/// The same service without the keys that say what holds anyway.
#[must_use]
pub fn minimal(service: Described) -> Described {
    let Described { name, place, mut raw } = service;
    let known = LiteMap::from_iter([("INSTANCE".into(), "1".into())]);
    let variables = Variables { known, is_elsewhere: true };
    let judged = |raw: &Raw| check::service(name.clone(), None, raw, &place, &variables);
    // Of one that is not enabled nothing would be judged.
    let enabled = raw.values.remove("enabled");
    let keys: Vec<&'static str> = raw.values.keys().copied().collect();
    let (before, _) = judged(&raw);
    for key in keys {
        let Some(value) = raw.values.remove(key) else { continue };
        // What a variable stands for is known where it runs, and how many there are is no part of
        // the description of one.
        let is_needed =
            key == "instances" || has_variable(&value.value) || judged(&raw).0 != before;
        if is_needed {
            raw.values.insert(key, value);
        }
    }
    let says_yes = |value: &At<Value>| value.value == Value::Boolean(true);
    if let Some(enabled) = enabled.filter(|value| !says_yes(value)) {
        raw.values.insert("enabled", enabled);
    }
    Described { name, place, raw }
}

fn has_variable(value: &Value) -> bool {
    match value {
        Value::Text(text) => text.contains("${"),
        Value::List(items) => items.iter().any(|item| has_variable(&item.value)),
        Value::Table(items) => items.iter().any(|(_, item)| has_variable(&item.value)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Other(_) => false,
    }
}

struct Writer<'a> {
    text: String,
    remarks: &'a [&'a Remark],
    /// What stands before the name of each section.
    prefix: &'static str,
}

impl Writer<'_> {
    /// First what stands at the top, then each section, then the lists of tables.
    fn keys(&mut self, raw: &Raw, table: &'static [Key]) {
        let present = || table.iter().filter_map(|key| Some((key.name, raw.values.get(key.name)?)));
        let is_top = |name: &str| !name.contains('.');
        for (name, value) in present().filter(|(name, _)| is_top(name)) {
            if !is_block(name, &value.value) {
                self.entry(name, name, &value.value);
            }
        }
        for (name, value) in present() {
            if let (true, true, Value::Table(entries)) =
                (is_top(name), is_block(name, &value.value), &value.value)
            {
                self.begin_section(name);
                self.comments(name);
                self.entries(entries);
            }
        }
        let mut section = "";
        for (name, value) in present() {
            let Some((of, last)) = name.split_once('.') else { continue };
            if section != of {
                section = of;
                self.begin_section(of);
            }
            self.entry(name, last, &value.value);
        }
        for (name, value) in present() {
            let Value::List(items) = &value.value else { continue };
            if is_top(name) && is_block(name, &value.value) {
                for item in items {
                    let Value::Table(entries) = &item.value else { continue };
                    let _ = writeln!(self.text, "\n[[{}{name}]]", self.prefix);
                    self.comments(name);
                    self.entries(entries);
                }
            }
        }
    }

    fn begin_section(&mut self, name: &str) {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        let _ = writeln!(self.text, "{gap}[{}{name}]", self.prefix);
    }

    fn entry(&mut self, key: &str, name: &str, value: &Value) {
        self.comments(key);
        let _ = write!(self.text, "{} = ", bare(name));
        let start = self.text.len();
        one_line(&mut self.text, value);
        if let Value::List(items) = value
            && self.text.len().saturating_sub(start) > COLUMNS
        {
            self.text.truncate(start);
            self.text.push_str("[\n");
            for item in items {
                self.text.push_str("    ");
                one_line(&mut self.text, &item.value);
                self.text.push_str(",\n");
            }
            self.text.push(']');
        }
        self.text.push('\n');
    }

    fn entries(&mut self, entries: &[(At<String>, At<Value>)]) {
        for (name, value) in entries {
            let _ = write!(self.text, "{} = ", bare(&name.value));
            one_line(&mut self.text, &value.value);
            self.text.push('\n');
        }
    }

    fn comments(&mut self, key: &str) {
        for remark in self.remarks.iter().filter(|remark| remark.key == Some(key)) {
            comment(&mut self.text, &remark.what);
        }
    }
}

/// Whether a value has a section of its own, or one for each of its tables.
fn is_block(key: &str, value: &Value) -> bool {
    match value {
        Value::Table(_) => key != "depends_on",
        Value::List(items) => {
            !items.is_empty() && items.iter().all(|item| matches!(item.value, Value::Table(_)))
        }
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Other(_) => false,
    }
}

fn comment(text: &mut String, what: &str) {
    text.push_str("# ");
    text.extend(what.chars().map(|letter| if letter.is_control() { ' ' } else { letter }));
    text.push('\n');
}

/// The name of a key, in quotes if it needs them; see "Keys" in the specification of TOML.
fn bare(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) {
        return name.to_owned();
    }
    let mut text = String::new();
    quoted(&mut text, name);
    text
}

fn one_line(text: &mut String, value: &Value) {
    match value {
        Value::Text(words) => quoted(text, words),
        Value::Integer(number) => {
            let _ = write!(text, "{number}");
        }
        Value::Boolean(value) => {
            let _ = write!(text, "{value}");
        }
        Value::Float(words) | Value::Other(words) => text.push_str(words),
        Value::List(items) => {
            text.push('[');
            for (number, item) in items.iter().enumerate() {
                text.push_str(if number > 0 { ", " } else { "" });
                one_line(text, &item.value);
            }
            text.push(']');
        }
        Value::Table(entries) => {
            text.push_str("{ ");
            for (number, (name, value)) in entries.iter().enumerate() {
                text.push_str(if number > 0 { ", " } else { "" });
                let _ = write!(text, "{} = ", bare(&name.value));
                one_line(text, &value.value);
            }
            text.push_str(" }");
        }
    }
}

/// As a basic string, or, where that is easier to read, as a literal one; see "String" in the
/// specification of TOML.
fn quoted(text: &mut String, words: &str) {
    let is_awkward = words.contains(['"', '\\']);
    if is_awkward && !words.chars().any(|letter| letter == '\'' || letter.is_control()) {
        text.extend(["'", words, "'"]);
        return;
    }
    text.push('"');
    for letter in words.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            control if control.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}
