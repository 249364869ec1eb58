//! `KEY="value",OTHER='value'`: what `environment` takes, as Python's `shlex.shlex` with a few more
//! letters for words sees it.

/// The pairs of a text in the raw form, in which `${NAME}` counts as a word.
///
/// # Errors
/// Why it is none, in words.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let tokens = tokens(text)?;
    let mut pairs: Vec<(String, String)> = Vec::new();
    // As supervisord does it: a name, `=`, a value, and whatever stands between.
    for chunk in tokens.chunks(4) {
        let [name, equals, value, rest @ ..] = chunk else {
            return Err(format!("`{}` is no KEY=\"value\"", chunk.concat()));
        };
        if equals != "=" {
            return Err(format!("`{}` is no KEY=\"value\"", chunk.concat()));
        }
        if let [comma] = rest
            && comma != ","
        {
            return Err(format!("`{name}={value}` is followed by `{comma}` and not by a comma"));
        }
        let value = value.trim_matches(['"', '\'']).to_owned();
        pairs.retain(|(known, _)| known != name);
        pairs.push((name.clone(), value));
    }
    Ok(pairs)
}

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_/.+-():".contains(letter);
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let after = rest.get(letter.len_utf8()..).unwrap_or_default();
        let token = match letter {
            _ if letter.is_whitespace() => {
                rest = after;
                continue;
            }
            // Up to the end of the line.
            '#' => {
                rest = after.find('\n').and_then(|end| after.get(end..)).unwrap_or_default();
                continue;
            }
            '"' | '\'' => match after.find(letter) {
                Some(end) => rest.get(..end.saturating_add(2)),
                None => return Err(format!("a {letter} that does not end")),
            },
            '$' if variable(rest) > 0 => rest.get(..word(rest, is_word)),
            _ if is_word(letter) => rest.get(..word(rest, is_word)),
            _ => rest.get(..letter.len_utf8()),
        };
        let token = token.unwrap_or(rest);
        rest = rest.strip_prefix(token).unwrap_or_default();
        tokens.push(token.to_owned());
    }
    Ok(tokens)
}

/// How long the word is that `text` begins with. Quotes within it are letters of it.
fn word(text: &str, is_word: impl Fn(char) -> bool) -> usize {
    let mut length: usize = 0;
    while let Some(rest) = text.get(length..).filter(|rest| !rest.is_empty()) {
        let step = match rest.chars().next() {
            Some('$') => variable(rest),
            Some(letter) if is_word(letter) || letter == '"' || letter == '\'' => letter.len_utf8(),
            Some(_) | None => 0,
        };
        if step == 0 {
            break;
        }
        length = length.saturating_add(step);
    }
    length
}

/// How long the `${NAME}` is that `text` begins with; 0 if it begins with none.
fn variable(text: &str) -> usize {
    match text.strip_prefix("${").and_then(|rest| rest.find('}')) {
        Some(end) => end.saturating_add(3),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_those_supervisord_reads() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let expected: Vec<(String, String)> =
                expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(parse(text), Ok(expected), "{text:?}");
        };
        check("A=\"1\",B='2'", &[("A", "1"), ("B", "2")]);
        check("A=/usr/bin:/bin , B=x-y.z,", &[("A", "/usr/bin:/bin"), ("B", "x-y.z")]);
        check("A=\"a,b=c # d\"", &[("A", "a,b=c # d")]);
        check("A=${X}/bin,\nB=\"${Y}\"", &[("A", "${X}/bin"), ("B", "${Y}")]);
        check("A=1,A=2", &[("A", "2")]);
        check("", &[]);
    }

    #[test]
    fn what_is_no_pair_is_said() {
        let check = |text: &str, expected: &str| {
            assert_eq!(parse(text), Err(expected.to_owned()), "{text:?}");
        };
        check("A=#fff", "`A=` is no KEY=\"value\"");
        check("A", "`A` is no KEY=\"value\"");
        check("A=1 B=2", "`A=1` is followed by `B` and not by a comma");
        check("A=\"x", "a \" that does not end");
        check("A=a b", "`A=a` is followed by `b` and not by a comma");
    }
}
