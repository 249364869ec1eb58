//! Words taken apart by the table of verbs: which options there are, and what is left.

use std::ffi::{OsStr, OsString};

use lexopt::{Arg, Parser};

use super::args::{Refusal, refuse};
use super::verbs::{OptionInfo, Value, VerbInfo};
use crate::service::nearest;

/// The words behind a verb.
#[derive(Debug, Default)]
pub struct Words {
    /// Options by their long form, each with its value; the last of several counts.
    options: Vec<(&'static str, OsString)>,
    /// What is no option.
    pub operands: Vec<OsString>,
}

impl Words {
    /// Takes `words` apart as `verb` wants them.
    ///
    /// # Errors
    /// An option it does not know, or without the value it needs.
    pub fn parse(verb: &'static VerbInfo, words: Vec<OsString>) -> Result<Self, Refusal> {
        Self::parse_until(verb, words, |_| false)
    }

    /// The same, but as soon as the operands are so far, all that follows are operands too.
    ///
    /// # Errors
    /// As above.
    pub fn parse_until(
        verb: &'static VerbInfo,
        words: Vec<OsString>,
        is_the_end: fn(&[OsString]) -> bool,
    ) -> Result<Self, Refusal> {
        let mut found = Self::default();
        let mut parser = Parser::from_args(words);
        while let Some(arg) = parser.next().map_err(|error| refuse(error.to_string()))? {
            let typed = match arg {
                Arg::Value(operand) => {
                    found.operands.push(operand);
                    if is_the_end(&found.operands) {
                        found.operands.extend(parser.raw_args().into_iter().flatten());
                    }
                    continue;
                }
                Arg::Long(long) => (format!("--{long}"), long.to_owned(), None),
                Arg::Short(short) => (format!("-{short}"), String::new(), Some(short)),
            };
            let (typed, long, short) = typed;
            let known = verb.all_options().find(|option| match short {
                Some(short) => option.short == Some(short),
                None => option.long == long,
            });
            let Some(option) = known else { return Err(unknown(verb, &typed, &long)) };
            let value = match option.value {
                Value::None => OsString::new(),
                Value::Needed(name) => parser.value().map_err(|_| {
                    refuse(format!("`{typed}` needs a value: {}", option.form_with(name)))
                })?,
                Value::Possible(_) => parser.optional_value().unwrap_or_else(|| "true".into()),
            };
            // Behind a short flag stand others.
            if short.is_none()
                && let Some(value) = parser.optional_value()
            {
                let value = value.to_string_lossy();
                return Err(refuse(format!("`{typed}` takes no value, and got `{value}`")));
            }
            found.options.push((option.long, value));
        }
        Ok(found)
    }

    /// Whether this option is there.
    #[must_use]
    pub fn has(&self, long: &str) -> bool {
        self.value(long).is_some()
    }

    /// The value of this option.
    #[must_use]
    pub fn value(&self, long: &str) -> Option<&OsStr> {
        self.options.iter().rfind(|(known, _)| *known == long).map(|(_, value)| value.as_os_str())
    }

    /// The value of this option as text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self, long: &str) -> Result<Option<&str>, Refusal> {
        let Some(value) = self.value(long) else { return Ok(None) };
        match value.to_str() {
            Some(text) => Ok(Some(text)),
            None => Err(refuse(format!("the value of `--{long}` is not UTF-8"))),
        }
    }

    /// What is no option, as texts.
    ///
    /// # Errors
    /// One of them is not UTF-8.
    pub fn names(&self) -> Result<Vec<String>, Refusal> {
        let text = |word: &OsString| match word.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(refuse(format!("not UTF-8: {}", word.to_string_lossy()))),
        };
        self.operands.iter().map(text).collect()
    }
}

impl OptionInfo {
    fn form_with(&self, value: &str) -> String {
        format!("--{} {value}", self.long)
    }
}

fn unknown(verb: &'static VerbInfo, typed: &str, long: &str) -> Refusal {
    let known = verb.all_options().map(|option| option.long);
    let name = verb.name;
    refuse(match nearest(long, known) {
        Some(best) => format!("`onit {name}` has no option `{typed}`; did you mean `--{best}`?"),
        None => format!("`onit {name}` has no option `{typed}`; see onit {name} --help"),
    })
}
