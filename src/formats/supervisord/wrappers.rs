//! What people wrap around programs because supervisord does not do it: an end that is to end the
//! container, a sleep that is to wait for somebody else, a proxy for a pid file.

use crate::formats::words;

/// What a command turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrapped {
    /// Itself.
    Plain,
    /// A program, and a shell that kills the supervisor when it has ended.
    Killer(Vec<String>),
    /// A shell that sleeps before it does something.
    Sleeper(String),
    /// A program that supervisord's `pidproxy` passes signals on to.
    Proxy(Vec<String>),
}

/// Looks behind the wrapper of a command.
#[must_use]
pub(super) fn look(command: &[String]) -> Wrapped {
    let Some(program) = command.first() else { return Wrapped::Plain };
    let program = program.rsplit('/').next().unwrap_or_default();
    if program == "pidproxy" {
        let rest: Vec<String> = command.iter().skip(2).cloned().collect();
        return if rest.is_empty() { Wrapped::Plain } else { Wrapped::Proxy(rest) };
    }
    let [shell, flag, script] = command else { return Wrapped::Plain };
    if !["sh", "bash", "dash", "ash"].contains(&program)
        || !flag.starts_with('-')
        || !flag.ends_with('c')
    {
        return Wrapped::Plain;
    }
    if let Some(program) = killer(script) {
        return Wrapped::Killer(without_shell(shell, flag, &program));
    }
    match script.trim_start().strip_prefix("sleep ") {
        Some(rest) => {
            let time: String =
                rest.chars().take_while(|letter| !" ;&\n".contains(*letter)).collect();
            Wrapped::Sleeper(time)
        }
        None => Wrapped::Plain,
    }
}

/// The script without its end, if that end kills the supervisor whatever became of the program.
fn killer(script: &str) -> Option<String> {
    let parts: Vec<&str> = script.split([';', '\n']).map(str::trim).collect();
    let at = parts.iter().position(|part| kills(part))?;
    let is_rest = |part: &&str| part.is_empty() || part.starts_with("exit") || kills(part);
    if !parts.iter().skip(at).all(is_rest) {
        return None;
    }
    let keeps_code = |part: &&str| part.ends_with("=$?");
    let program: Vec<&str> = parts
        .iter()
        .take(at)
        .copied()
        .filter(|part| !keeps_code(part) && !part.is_empty())
        .collect();
    if program.is_empty() { None } else { Some(program.join("; ")) }
}

/// Whether a part of a script ends the supervisor.
#[must_use]
pub(super) fn kills(part: &str) -> bool {
    let mut words = part.split_whitespace();
    match words.next().map(|word| word.rsplit('/').next().unwrap_or_default()) {
        Some("kill") => {
            let whom = part.trim_end();
            ["pid", "PID"].iter().any(|word| whom.contains(word))
                || whom.ends_with(" 1")
                || whom.ends_with("$PPID")
        }
        Some("supervisorctl") => words.any(|word| word == "shutdown"),
        Some("pkill" | "killall") => part.contains("supervisord"),
        _ => false,
    }
}

/// The words of a script that needs no shell, else the script in its shell.
fn without_shell(shell: &str, flag: &str, script: &str) -> Vec<String> {
    let needs_one = |letter: char| "$|&;<>()*?`~#!{}[]".contains(letter);
    let words = words::split(script).filter(|words| {
        !script.contains(needs_one) && !words.first().is_some_and(|word| word.contains('='))
    });
    words.unwrap_or_else(|| vec![shell.to_owned(), flag.to_owned(), script.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_seen_through() {
        let check = |script: &str, expected: Wrapped| {
            let command = ["/bin/bash", "-c", script].map(str::to_owned);
            assert_eq!(look(&command), expected, "{script}");
        };
        let killer = |words: &[&str]| Wrapped::Killer(words.iter().map(|w| (*w).into()).collect());
        check("app -x; kill 1", killer(&["app", "-x"]));
        check("app; C=$?; kill -s SIGINT `cat ${PID_FILE}`; exit $C", killer(&["app"]));
        check("app $X; kill -15 $PPID", killer(&["/bin/bash", "-c", "app $X"]));
        check("app; supervisorctl -c x shutdown", killer(&["app"]));
        check("sleep 10; exec app", Wrapped::Sleeper("10".into()));
        check("sleep 5 && app", Wrapped::Sleeper("5".into()));
        check("kill -HUP $(cat app.pid); app", Wrapped::Plain);
        check("kill 1", Wrapped::Plain);
        check("app; kill 17", Wrapped::Plain);
        let proxy = ["/usr/bin/pidproxy", "/run/x.pid", "app", "-d"].map(str::to_owned);
        assert_eq!(look(&proxy), Wrapped::Proxy(vec!["app".into(), "-d".into()]));
    }
}
