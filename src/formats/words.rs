//! Words of a command, as Python's `shlex.split` takes them apart: what supervisord and circus do.
//! No shell: `&&`, `|`, `>` and `$` are letters like any other.

/// Splits `text` at blanks; none: a quote that does not end, or a backslash at the very end.
#[must_use]
pub fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(letters.next()?),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => match letters.next()? {
                            escaped @ ('"' | '\\') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_shlex() {
        let check = |text: &str, expected: Option<&[&str]>| {
            let expected = expected.map(|words| words.iter().map(|w| (*w).to_owned()).collect());
            assert_eq!(split(text), expected, "{text:?}");
        };
        check("nginx -g 'daemon off;'", Some(&["nginx", "-g", "daemon off;"]));
        check("a&&b | c > $D \"e\\\"f\\n\"", Some(&["a&&b", "|", "c", ">", "$D", "e\"f\\n"]));
        check("a\\ b ''\n c", Some(&["a b", "", "c"]));
        check("", Some(&[]));
        check("a 'b", None);
        check("a \"b", None);
        check("a\\", None);
    }
}
