//! The environment of a child: what it has of onit's own, what its files and its service file say.
//! Decides who wins and what never reaches a service; knows nothing of how it is handed over.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::files;
use super::users::Account;
use crate::limits::{TEXT_FILE_BYTES_MAX, VALUE_BYTES_MAX};
use crate::service::{Environment, Failure, Inherit};
use litemap::LiteMap;

/// Where commands are looked for when nobody set a `PATH`: what container engines set.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Spoken between onit and whoever started it: sd_notify(3), sd_listen_fds(3),
/// sd_watchdog_enabled(3). A service that took them for its own would answer in onit's place. They
/// are named one by one, since `LISTEN_ADDR` and its like are the services' own.
const ONITS_OWN: [&str; 7] = [
    "NOTIFY_SOCKET",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// Variables, by name.
pub type Variables = LiteMap<OsString, OsString>;

/// Where the environment of a child comes from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// onit's own variables.
    pub own: &'a [(OsString, OsString)],
    /// What the service file says.
    pub environment: &'a Environment,
    /// The user it becomes; none: it stays who we are.
    pub account: Option<&'a Account>,
    /// What onit tells a command of its own making: `ONIT_…`.
    pub told: &'a [(&'static str, OsString)],
}

/// Builds the environment of a child. Later sources win: onit's own variables, the user's, the
/// files in their order, the variables of the service file, the secrets, what onit tells.
///
/// # Errors
/// A file that cannot be read or says what cannot be in an environment.
pub fn build(sources: Sources<'_>) -> Result<Variables, Failure> {
    let mut variables = Variables::new();
    for (name, value) in sources.own {
        if !is_onits_own(name) && is_inherited(name, &sources.environment.inherit) {
            variables.insert(name.clone(), value.clone());
        }
    }
    if let Some(account) = sources.account {
        variables.insert("HOME".into(), account.home.clone());
        set_or_remove(&mut variables, "USER", account.name.as_ref());
        set_or_remove(&mut variables, "LOGNAME", account.name.as_ref());
        set_or_remove(&mut variables, "SHELL", account.shell.as_ref());
    }
    for path in &sources.environment.files {
        let text = files::read(path, TEXT_FILE_BYTES_MAX)
            .map_err(|errno| Failure::errno("read", path.display().to_string(), errno))?;
        variables.extend(parse(&text, path, sources.own)?);
    }
    for (name, value) in &sources.environment.variables {
        let broken = name.is_empty()
            || name.as_bytes().iter().any(|byte| matches!(byte, 0 | b'='))
            || value.as_bytes().contains(&0);
        if broken {
            let why = "a name is not empty and has no `=`, and neither has a NUL byte";
            return Err(Failure::known("set variable", name.display().to_string(), why));
        }
        variables.insert(name.clone(), value.clone());
    }
    for name in &sources.environment.file_variables {
        take_from_file(&mut variables, name)?;
    }
    for (name, path) in &sources.environment.secrets {
        variables.insert(name.clone(), secret(path)?);
    }
    variables.extend(sources.told.iter().map(|(name, value)| ((*name).into(), value.clone())));
    variables.entry("PATH".into()).or_insert_with(|| DEFAULT_PATH.into());
    Ok(variables)
}

/// `NAME` from the file that `NAME_FILE` names, which then says nothing more to anybody.
fn take_from_file(variables: &mut Variables, name: &OsStr) -> Result<(), Failure> {
    let mut pointer = name.to_owned();
    pointer.push("_FILE");
    let Some(path) = variables.remove(&pointer).filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    if variables.contains_key(name) {
        let why = format!("{} is set as well", pointer.display());
        return Err(Failure::known("set variable", name.display().to_string(), why));
    }
    variables.insert(name.to_owned(), secret(Path::new(&path))?);
    Ok(())
}

/// What a file holds, without the newline that editors and `echo` leave at the end. No failure
/// repeats any of it.
fn secret(path: &Path) -> Result<OsString, Failure> {
    let object = || path.display().to_string();
    let mut text = files::read(path, VALUE_BYTES_MAX)
        .map_err(|errno| Failure::errno("read the secret in", object(), errno))?;
    if text.contains(&0) {
        return Err(Failure::known("read the secret in", object(), "there is a NUL byte in it"));
    }
    if text.last() == Some(&b'\n') {
        text.pop();
        if text.last() == Some(&b'\r') {
            text.pop();
        }
    }
    Ok(OsString::from_vec(text))
}

/// For a number without an entry: what is inherited speaks of somebody else.
fn set_or_remove(variables: &mut Variables, name: &str, value: Option<&OsString>) {
    match value {
        Some(value) => variables.insert(name.into(), value.clone()),
        None => variables.remove(OsStr::new(name)),
    };
}

fn is_onits_own(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"ONIT_") || ONITS_OWN.iter().any(|own| name == *own)
}

fn is_inherited(name: &OsStr, inherit: &Inherit) -> bool {
    match inherit {
        Inherit::All => true,
        Inherit::Nothing => false,
        Inherit::Patterns(patterns) => patterns.iter().any(|pattern| pattern.fits(name.as_bytes())),
    }
}

/// Reads the format of `docker run --env-file`: `KEY=value` with nothing quoted, `KEY` alone for
/// onit's own variable if it is set, `#` before a comment, blank lines.
fn parse(
    text: &[u8],
    path: &Path,
    own: &[(OsString, OsString)],
) -> Result<Vec<(OsString, OsString)>, Failure> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut variables = Vec::new();
    for (number, line) in (1u64..).zip(text.split(|byte| *byte == b'\n')) {
        let broken =
            |why: &str| Err(Failure::known("read", format!("{}:{number}", path.display()), why));
        let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if line.contains(&0) {
            return broken("a NUL byte");
        }
        let mut parts = line.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default();
        let value = parts.next();
        // Blanks behind a name that stands alone are only seen by an editor.
        let name = if value.is_some() { name } else { name.trim_ascii_end() };
        if name.is_empty() {
            return broken("no name before `=`");
        }
        if name.iter().any(u8::is_ascii_whitespace) {
            return broken("a name with a blank in it");
        }
        let name = OsString::from_vec(name.to_vec());
        let value = match value {
            Some(value) => Some(OsString::from_vec(value.to_vec())),
            None if is_onits_own(&name) => None,
            None => own.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()),
        };
        variables.extend(value.map(|value| (name, value)));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::service::Pattern;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    /// A file with this content, which is gone with what is returned first.
    fn file(name: &str, content: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("onit-{name}-{}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        path
    }

    fn built(environment: &Environment) -> Result<Variables, String> {
        let own = pairs(&[("API_KEY_FILE", "/no/such/file"), ("HOME", "/root")]);
        let sources = Sources { own: &own, environment, account: None, told: &[] };
        build(sources).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_secret_is_what_its_file_holds() {
        let check = |content: &[u8], expected: Option<&[u8]>| {
            let path = file("secret", content);
            let secrets = vec![("KEY".into(), path.clone())];
            let found = built(&Environment { secrets, ..Environment::default() });
            match (found, expected) {
                (Ok(variables), Some(expected)) => {
                    assert_eq!(variables[&OsString::from("KEY")].as_bytes(), expected);
                }
                (Err(text), None) => {
                    assert!(text.contains("read the secret in"), "{text}");
                    assert!(!text.contains("hunter"), "{text}");
                }
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
            let _ = std::fs::remove_file(path);
        };
        check(b"hunter2", Some(b"hunter2"));
        check(b"hunter2\n", Some(b"hunter2"));
        check(b"hunter2\r\n", Some(b"hunter2"));
        check(b"two\nlines\n\n", Some(b"two\nlines\n"));
        check(b"", Some(b""));
        check(b"\xff not UTF-8\n", Some(b"\xff not UTF-8"));
        check(b"hunter\0two", None);
        check(&[b'x'; VALUE_BYTES_MAX + 1], None);
        for path in ["/no/such/file", "/", "/dev/null"] {
            let secrets = vec![("KEY".into(), path.into())];
            let found = built(&Environment { secrets, ..Environment::default() });
            let text = found.unwrap_err();
            assert!(text.starts_with(&format!("cannot read the secret in {path}: ")), "{text}");
        }
    }

    #[test]
    fn a_variable_takes_its_value_from_the_file_that_is_named() {
        let path = file("named", b"s3cret\n");
        let pointing = |extra: &[(&str, &str)]| {
            let mut variables = pairs(&[("TOKEN_FILE", path.to_str().unwrap())]);
            variables.extend(pairs(extra));
            let file_variables = vec!["TOKEN".into(), "UNSET".into()];
            built(&Environment { variables, file_variables, ..Environment::default() })
        };
        let variables = pointing(&[]).unwrap();
        assert_eq!(variables[&OsString::from("TOKEN")], "s3cret");
        assert!(!variables.contains_key(OsStr::new("TOKEN_FILE")));
        // Of one that was not asked for nothing is known.
        assert!(variables.contains_key(OsStr::new("API_KEY_FILE")));
        let text = pointing(&[("TOKEN", "plain")]).unwrap_err();
        assert_eq!(text, "cannot set variable TOKEN: TOKEN_FILE is set as well");
        let _ = std::fs::remove_file(path);
    }

    #[test]
    fn an_environment_file_is_dockers() {
        let check = |text: &str, expected: Result<&[(&str, &str)], &str>| {
            let own = pairs(&[("LANG", "C"), ("ONIT_SOCKET", "/x"), ("NOTIFY_SOCKET", "/n")]);
            let found = parse(text.as_bytes(), Path::new("/e"), &own);
            let expected = expected.map(pairs).map_err(String::from);
            assert_eq!(found.map_err(|failure| failure.to_string()), expected, "{text:?}");
        };
        check("", Ok(&[]));
        check("A=1\nB=2", Ok(&[("A", "1"), ("B", "2")]));
        check("\u{feff}A=1\r\n\r\nB=2\r\n", Ok(&[("A", "1"), ("B", "2")]));
        check("# no\n  # no\n\n  A=1", Ok(&[("A", "1")]));
        check("A=", Ok(&[("A", "")]));
        check("A=\"b c\" # d ", Ok(&[("A", "\"b c\" # d ")]));
        check("A=b=c", Ok(&[("A", "b=c")]));
        check("A= b", Ok(&[("A", " b")]));
        check("LANG\nMISSING\nLANG ", Ok(&[("LANG", "C"), ("LANG", "C")]));
        check("ONIT_SOCKET\nNOTIFY_SOCKET", Ok(&[]));
        check("a.b-c=1", Ok(&[("a.b-c", "1")]));
        check("A=1\n=x", Err("cannot read /e:2: no name before `=`"));
        check("export A=1", Err("cannot read /e:1: a name with a blank in it"));
        check("A =1", Err("cannot read /e:1: a name with a blank in it"));
        check("#\n\nA=1\0", Err("cannot read /e:3: a NUL byte"));
    }

    #[test]
    fn later_sources_win_and_what_is_onits_stays_with_onit() {
        let check = |environment: Environment,
                     account: Option<&Account>,
                     expected: &[(&str, &str)]| {
            let own = pairs(&[
                ("HOME", "/root"),
                ("USER", "root"),
                ("LANG", "C"),
                ("LANG", "en"),
                ("LISTEN_ADDR", ":80"),
                ("LISTEN_FDS", "1"),
                ("LISTEN_PID", "1"),
                ("NOTIFY_SOCKET", "/n"),
                ("ONIT_SOCKET", "/s"),
                ("WATCHDOG_USEC", "1"),
            ]);
            let told = [("ONIT_SERVICE", "web".into())];
            let sources = Sources { own: &own, environment: &environment, account, told: &told };
            let found: Vec<_> = build(sources).unwrap().into_iter().collect();
            assert_eq!(found, pairs(expected), "{environment:?}");
        };
        let set = |inherit, variables| Environment { inherit, variables, ..Environment::default() };
        check(
            set(Inherit::All, Vec::new()),
            None,
            &[
                ("HOME", "/root"),
                ("LANG", "en"),
                ("LISTEN_ADDR", ":80"),
                ("ONIT_SERVICE", "web"),
                ("PATH", DEFAULT_PATH),
                ("USER", "root"),
            ],
        );
        check(
            set(Inherit::Nothing, pairs(&[("PATH", "/bin"), ("ONIT_X", "asked for")])),
            None,
            &[("ONIT_SERVICE", "web"), ("ONIT_X", "asked for"), ("PATH", "/bin")],
        );
        let shell = Some("/bin/sh".into());
        let app = Account { name: Some("app".into()), home: "/app".into(), shell };
        check(
            set(
                Inherit::Patterns(vec![Pattern::new("LA*"), Pattern::new("ONIT_*")]),
                pairs(&[("HOME", "/h")]),
            ),
            Some(&app),
            &[
                ("HOME", "/h"),
                ("LANG", "en"),
                ("LOGNAME", "app"),
                ("ONIT_SERVICE", "web"),
                ("PATH", DEFAULT_PATH),
                ("SHELL", "/bin/sh"),
                ("USER", "app"),
            ],
        );
        let nameless = Account { name: None, home: "/".into(), shell: None };
        check(
            set(Inherit::Patterns(vec![Pattern::new("*E*")]), Vec::new()),
            Some(&nameless),
            &[
                ("HOME", "/"),
                ("LISTEN_ADDR", ":80"),
                ("ONIT_SERVICE", "web"),
                ("PATH", DEFAULT_PATH),
            ],
        );
    }

    #[test]
    fn files_are_read_at_each_start_and_refused_with_their_place() {
        let check = |file: &str, expected: Result<&str, &str>| {
            let environment = Environment {
                inherit: Inherit::Nothing,
                files: vec![PathBuf::from(file)],
                variables: Vec::new(),
                ..Environment::default()
            };
            let sources = Sources { own: &[], environment: &environment, account: None, told: &[] };
            let found = build(sources).map(|variables| variables[&OsString::from("A")].clone());
            let expected = expected.map(OsString::from).map_err(String::from);
            assert_eq!(found.map_err(|failure| failure.to_string()), expected, "{file}");
        };
        let path = std::env::temp_dir().join(format!("onit-environment-{}", std::process::id()));
        let name = path.to_str().unwrap();
        std::fs::write(&path, "A=1").unwrap();
        check(name, Ok("1"));
        std::fs::write(&path, "A=2\nA=3").unwrap();
        check(name, Ok("3"));
        std::fs::remove_file(&path).unwrap();
        check(name, Err(&format!("cannot read {name}: no such file or directory")));
        check("/dev", Err("cannot read /dev: is a directory"));
    }
}
