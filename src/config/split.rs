//! One text to the words of a command, as a shell would split it, without a shell.

/// Why a text is no command without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SplitError {
    /// A quote that does not end.
    OpenQuote(char),
    /// A backslash at the very end.
    OpenBackslash,
    /// What only a shell would understand.
    Operator(String),
}

/// Splits `text` at blanks. Quotes and backslashes are those of sh(1); `$` is left alone.
pub(super) fn split(text: &str) -> Result<Vec<String>, SplitError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\\' => match letters.next() {
                // A line that goes on.
                Some('\n') => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => return Err(SplitError::OpenBackslash),
            },
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next() {
                        Some('\'') => break,
                        Some(letter) => word.push(letter),
                        None => return Err(SplitError::OpenQuote('\'')),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next() {
                        Some('"') => break,
                        Some('\\') => match letters.next() {
                            Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                            Some('\n') => {}
                            Some(other) => word.extend(['\\', other]),
                            None => return Err(SplitError::OpenQuote('"')),
                        },
                        Some('`') => return Err(SplitError::Operator("`".into())),
                        Some('$') if letters.peek() == Some(&'(') => {
                            return Err(SplitError::Operator("$(".into()));
                        }
                        Some(letter) => word.push(letter),
                        None => return Err(SplitError::OpenQuote('"')),
                    }
                }
            }
            '$' if letters.peek() == Some(&'(') => return Err(SplitError::Operator("$(".into())),
            '$' if letters.peek() == Some(&'{') => {
                // What belongs to a variable is not the shell's: `${PORT:-a b}` is one word.
                let word = word.get_or_insert_default();
                word.push('$');
                for letter in letters.by_ref() {
                    word.push(letter);
                    if letter == '}' {
                        break;
                    }
                }
            }
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '`' => {
                let mut operator = String::from(letter);
                if letters.peek() == Some(&letter) {
                    operator.push(letter);
                }
                return Err(SplitError::Operator(operator));
            }
            '#' if word.is_none() => return Err(SplitError::Operator("#".into())),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(split(text).unwrap(), expected, "{text:?}");
        };
        check("nginx -g 'daemon off;'", &["nginx", "-g", "daemon off;"]);
        check("  a\t b\n", &["a", "b"]);
        check("a\\ b", &["a b"]);
        check("\"a \\\"b\\\" \\n\" ''", &["a \"b\" \\n", ""]);
        check("--x='a b'c", &["--x=a bc"]);
        check("echo $HOME ${PORT:-a b}", &["echo", "$HOME", "${PORT:-a b}"]);
        check("a \\\n b", &["a", "b"]);
        check("a#b", &["a#b"]);
        check("", &[]);
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
        assert_eq!(split("'a"), Err(SplitError::OpenQuote('\'')));
        assert_eq!(split("\"a"), Err(SplitError::OpenQuote('"')));
        assert_eq!(split("a\\"), Err(SplitError::OpenBackslash));
    }
}
