//! One text to the words of a command, as a shell would split it, without a shell. What only a
//! shell can do is refused, and never becomes a word.

use super::expand::{is_variable_name, until_closed};

/// A word of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Without its quotes, and with its variables; `$$` for a `$` that was escaped.
    pub(super) text: String,
    /// Whether some of it was quoted: then it is a word even if variables leave nothing of it.
    pub(super) quoted: bool,
}

/// Why a text is no command without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SplitError {
    /// A quote that does not end.
    OpenQuote(char),
    /// A backslash at the very end.
    OpenBackslash,
    /// What only a shell would understand.
    Operator(String),
    /// A line break between words, at which a shell would begin another command.
    LineBreak,
    /// A variable that is set before the program.
    Assignment(String),
}

/// Splits `text` at blanks. Quotes and backslashes are those of sh(1); variables are put in later,
/// so that the value of one never becomes two words.
pub(super) fn split(text: &str) -> Result<Vec<Word>, SplitError> {
    let mut words: Vec<Word> = Vec::new();
    let mut word: Option<Word> = None;
    let mut rest = text.trim_start();
    while let Some((letter, after)) = first(rest) {
        rest = match letter {
            ' ' | '\t' | '\r' => {
                words.extend(word.take());
                after
            }
            // The end of the last line is none between words.
            '\n' if after.trim_start().is_empty() => "",
            '\n' => return Err(SplitError::LineBreak),
            '\\' => match first(after).ok_or(SplitError::OpenBackslash)? {
                // A line that goes on.
                ('\n', after) => after,
                (escaped, after) => {
                    let word = word.get_or_insert_default();
                    word.quoted = true;
                    push_escaped(escaped, &mut word.text);
                    after
                }
            },
            '\'' => {
                let word = word.get_or_insert_default();
                word.quoted = true;
                let (inside, after) = after.split_once('\'').ok_or(SplitError::OpenQuote('\''))?;
                word.text.push_str(inside);
                after
            }
            '"' => {
                let word = word.get_or_insert_default();
                word.quoted = true;
                in_double_quotes(after, &mut word.text)?
            }
            '$' => after_dollar(after, &mut word.get_or_insert_default().text)?,
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '`' => {
                let count = if after.starts_with(letter) { 2 } else { 1 };
                return Err(SplitError::Operator(letter.to_string().repeat(count)));
            }
            '#' if word.is_none() => return Err(SplitError::Operator("#".into())),
            other => {
                word.get_or_insert_default().text.push(other);
                after
            }
        };
    }
    words.extend(word);
    match words.first().and_then(|word| word.text.split_once('=')) {
        Some((name, _)) if is_variable_name(name) => Err(SplitError::Assignment(name.to_owned())),
        Some(_) | None => Ok(words),
    }
}

/// Puts what stands in double quotes into `word`; gives what follows them.
fn in_double_quotes<'t>(text: &'t str, word: &mut String) -> Result<&'t str, SplitError> {
    let mut rest = text;
    while let Some((letter, after)) = first(rest) {
        rest = match letter {
            '"' => return Ok(after),
            '\\' => match first(after) {
                Some((escaped @ ('"' | '\\' | '$' | '`'), after)) => {
                    push_escaped(escaped, word);
                    after
                }
                Some(('\n', after)) => after,
                Some(_) | None => {
                    word.push('\\');
                    after
                }
            },
            '`' => return Err(SplitError::Operator("`".into())),
            '$' => after_dollar(after, word)?,
            other => {
                word.push(other);
                after
            }
        };
    }
    Err(SplitError::OpenQuote('"'))
}

/// Puts a `$` and what belongs to it into `word`; gives what follows. `after` stands behind the
/// `$`. What belongs to a variable is not the shell's: `${PORT:-a b}` is one word.
fn after_dollar<'t>(after: &'t str, word: &mut String) -> Result<&'t str, SplitError> {
    if after.starts_with('(') {
        return Err(SplitError::Operator("$(".into()));
    }
    word.push('$');
    if let Some(after) = after.strip_prefix('$') {
        word.push('$');
        return Ok(after);
    }
    // One that is not closed is left for expansion to complain about.
    let Some((inside, after)) = after.strip_prefix('{').and_then(until_closed) else {
        return Ok(after);
    };
    word.extend(["{", inside, "}"]);
    Ok(after)
}

/// Puts a letter into `word` that means itself, also to expansion.
fn push_escaped(letter: char, word: &mut String) {
    word.push(letter);
    if letter == '$' {
        word.push('$');
    }
}

fn first(text: &str) -> Option<(char, &str)> {
    let mut letters = text.chars();
    letters.next().map(|letter| (letter, letters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        let check = |text: &str, expected: &[&str]| {
            let words: Vec<String> =
                split(text).unwrap().into_iter().map(|word| word.text).collect();
            assert_eq!(words, expected, "{text:?}");
        };
        check("nginx -g 'daemon off;'", &["nginx", "-g", "daemon off;"]);
        check("  a\t b\n", &["a", "b"]);
        check("a\\ b", &["a b"]);
        check("\"a \\\"b\\\" \\n\" ''", &["a \"b\" \\n", ""]);
        check("--x='a b'c", &["--x=a bc"]);
        check("echo $HOME ${PORT:-a b}", &["echo", "$HOME", "${PORT:-a b}"]);
        check("a \\\n b", &["a", "b"]);
        check("a#b", &["a#b"]);
        check("a \\ ", &["a", " "]);
        check("a \"${X:-\"}\" ${Y:-${Z} z} b", &["a", "${X:-\"}", "${Y:-${Z} z}", "b"]);
        check("a \\${X} \"\\${X}\" $$", &["a", "$${X}", "$${X}", "$$"]);
        check("a b=c", &["a", "b=c"]);
        check("", &[]);
    }

    #[test]
    fn a_word_that_was_quoted_is_one_even_if_nothing_is_left_of_it() {
        let quoted: Vec<bool> =
            split("a '' \"${X:-}\" ${X:-}").unwrap().iter().map(|word| word.quoted).collect();
        assert_eq!(quoted, [false, true, true, false]);
    }

    #[test]
    fn what_only_a_shell_would_understand_is_refused() {
        let check = |text: &str, operator: &str| {
            assert_eq!(split(text), Err(SplitError::Operator(operator.into())), "{text:?}");
        };
        check("a | b", "|");
        check("a && b", "&&");
        check("a; b", ";");
        check("a > b", ">");
        check("a 2>&1", ">");
        check("$(date)", "$(");
        check("\"$(date)\"", "$(");
        check("`date`", "`");
        check("a # b", "#");
        assert_eq!(split("a\nb"), Err(SplitError::LineBreak));
        assert_eq!(split("A=1 b"), Err(SplitError::Assignment("A".into())));
        assert_eq!(split("'a"), Err(SplitError::OpenQuote('\'')));
        assert_eq!(split("\"a"), Err(SplitError::OpenQuote('"')));
        assert_eq!(split("a\\"), Err(SplitError::OpenBackslash));
    }
}
