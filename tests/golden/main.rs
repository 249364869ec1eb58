//! Input and expected output side by side: configuration, its documents, and help.
//!
//! `UPDATE=1 cargo test --test golden` writes what comes out as what is expected; look at the
//! difference before you commit it.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test that stops at the first surprise is what is wanted"
)]

mod directories;
mod formats;
mod samples;

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use onit::cli::args::{Shell, Verb};
use onit::cli::check::render;
use onit::cli::{completions, manual};
use onit::config::keys::{self, Key};
use onit::config::{Files, Loaded, Request, load};
use onit::control::{End, Line, Session};
use onit::service::address::{Endpoint, addresses_of};
use onit::service::http::{Answer, Url};
use onit::service::notify::{Datagram, parse};
use onit::service::{Argv, Errno, Problem};

/// Every folder in `tests/golden/config/` is a source; beside it stands what `onit check` says. A
/// file `command` in it makes it a source beside a main command, `environment` sets variables.
#[test]
fn configuration_is_judged_as_it_was() {
    let mut cases: Vec<PathBuf> =
        fs::read_dir("tests/golden/config").unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    assert!(cases.len() >= 10);
    for case in cases {
        compare(&case.with_extension("expected"), &judged(&case));
    }
}

/// Every key that is right, and every one that counts as not set, down to what is made of it.
#[test]
fn every_key_means_what_it_meant() {
    for case in ["right", "unset"] {
        let source = Path::new("tests/golden/config").join(case);
        let loaded = loaded(&source).unwrap();
        let mut text = format!("{:#?}\n", loaded.settings);
        for node in loaded.plan.nodes() {
            let _ = writeln!(text, "{:#?}", node.spec);
        }
        compare(&Path::new("tests/golden").join(case).with_extension("specs.expected"), &text);
    }
}

#[test]
fn a_settings_file_that_is_named_is_no_service() {
    let file = |name: &str, text: &str| ("s".into(), name.into(), text.as_bytes().to_vec());
    let files = Memory(vec![
        file("onit.toml", "stop_timeout = \"3s\""),
        file("web.toml", "command = [\"web\"]"),
    ]);
    let sources = ["s/onit.toml".into(), "s/web.toml".into()];
    let request = Request { sources: &sources, ..Request::default() };
    let loaded = load(&request, &files).unwrap();
    assert_eq!(loaded.settings.stop_timeout, Some(std::time::Duration::from_secs(3)));
    assert_eq!(loaded.plan.nodes().len(), 1);
}

#[test]
fn the_examples_have_no_problem() {
    compare(
        Path::new("tests/golden/services.example.expected"),
        &judged(Path::new("services.example")),
    );
}

#[test]
fn the_help_is_what_it_was() {
    let help = |words: &[&str]| Verb::parse(words.iter().map(OsString::from)).unwrap_err();
    compare(Path::new("tests/golden/help.expected"), &help(&["onit", "--help"]).text);
    compare(
        Path::new("tests/golden/help-check.expected"),
        &help(&["onit", "check", "--help"]).text,
    );
    compare(
        Path::new("tests/golden/help-status.expected"),
        &help(&["onit", "help", "status"]).text,
    );
    compare(Path::new("tests/golden/manual.expected"), &manual::page());
    for (name, shell) in [("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)] {
        let path = format!("tests/golden/completions.{name}.expected");
        compare(Path::new(&path), &completions::script(shell));
    }
}

/// Whatever a client sends, in whatever pieces: it is taken as requests or refused, each line is
/// answered at most once, nothing grows, and what is answered is what a client can read.
#[test]
fn no_bytes_make_the_protocol_stumble() {
    let seed = std::env::var("SEED").map_or(0x5EED, |seed| seed.parse().unwrap());
    let mut random = Random(seed);
    let requests = [
        r#"{"onit":1,"do":"status","names":["web","worker-*"]}"#,
        r#"{"onit":1,"do":"stop","names":["*"],"wait":false,"dependents":"stop"}"#,
        r#"{"onit":1,"do":"signal","names":["w\u00e9b"],"signal":"SIGRTMIN+3"}"#,
        r#"{"onit":1,"do":"wait","names":["web"],"for":"done"}"#,
        r#"{"onit":1,"do":"logs","lines":18446744073709551615,"follow":true}"#,
        r#"{"onit":1,"do":"shutdown","exit_code":255}"#,
        r#"{"onit":1e0,"do":["status"],"names":{"a":[[[[[[]]]]]]}}"#,
        r#"{"end":{"ok":true,"error":null,"message":""}}"#,
        r#"{"event":{"number":1,"time":"","service":"a","from":"up","to":"down","pid":1,"why":""}}"#,
    ];
    let texts: Vec<Vec<u8>> = requests.iter().map(|text| text.as_bytes().to_vec()).collect();
    let mut understood = 0;
    for _ in 0..50_000 {
        let mut bytes = Vec::new();
        for _ in 0..=random.below(3) {
            let mut text = texts[random.below(texts.len())].clone();
            for _ in 0..random.below(4) {
                random.change(&mut text, &texts);
            }
            let _ = Line::parse(&text);
            bytes.extend(text);
            bytes.push(b'\n');
        }
        let mut session = Session::default();
        let mut answers = 0;
        let piece = 1 + random.below(100);
        for chunk in bytes.chunks(piece) {
            assert!(session.wants_bytes());
            session.receive(chunk);
            while let Some(request) = session.next_request() {
                match request.meaning() {
                    Ok(_) => {
                        understood += 1;
                        session.end(End::ok(""));
                    }
                    Err(fault) => session.refuse(&fault),
                }
            }
            for line in session.unsent().split(|byte| *byte == b'\n').filter(|l| !l.is_empty()) {
                assert!(matches!(Line::parse(line), Ok(Line::End(_))));
                answers += 1;
            }
            session.sent(session.unsent().len());
        }
        assert!(answers <= bytes.iter().filter(|byte| **byte == b'\n').count());
        session.received_all();
        assert!(session.is_over());
    }
    assert!(understood > 5_000, "{understood}");
}

/// docs/configuration.md holds the tables of keys between two marks each.
#[test]
fn the_document_has_every_key() {
    let path = Path::new("docs/configuration.md");
    let mut text = fs::read_to_string(path).unwrap();
    for (name, table) in
        [("service", keys::SERVICE), ("listen", keys::LISTEN), ("settings", keys::SETTINGS)]
    {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let from = text.find(&begin).unwrap() + begin.len();
        let to = text.find(&end).unwrap();
        text.replace_range(from..to, &markdown(table));
    }
    compare(path, &text);
}

/// Whatever the bytes: problems or a plan, never a panic, and always in time.
#[test]
fn no_bytes_make_the_reader_stumble() {
    let seed = std::env::var("SEED").map_or(0x5EED, |seed| seed.parse().unwrap());
    let mut random = Random(seed);
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for folder in ["services.example", "tests/golden/config/right"] {
        for entry in fs::read_dir(folder).unwrap() {
            texts.push(fs::read(entry.unwrap().path()).unwrap());
        }
    }
    for round in 0..20_000 {
        let mut text = texts[random.below(texts.len())].clone();
        for _ in 0..=random.below(4) {
            random.change(&mut text, &texts);
        }
        let name = if round % 4 == 0 { "onit.toml" } else { "web.toml" };
        let files = Memory(vec![("s".into(), name.into(), text)]);
        let sources = ["s".into()];
        let main = Some(Argv::new::<&str>("true", vec![]));
        let request = Request { sources: &sources, main, ..Request::default() };
        // The seed is told by whoever reads the panic: `SEED=24301` is the usual one.
        let _ = render(&load(&request, &files));
    }
}

/// What services send, and what answers a probe: anything, and never a panic.
#[test]
fn no_bytes_of_others_make_the_readers_stumble() {
    let seed = std::env::var("SEED").map_or(0x5EED, |seed| seed.parse().unwrap());
    let mut random = Random(seed);
    let texts = [
        "READY=1\nSTATUS=up and running\nMAINPID=42\n\0",
        "RELOADING=1\nMONOTONIC_USEC=8446744073709551615",
        "WATCHDOG=trigger\nWATCHDOG_USEC=20000000\nEXTEND_TIMEOUT_USEC=5000000",
        "STOPPING=1\nERRNO=2\nFDSTORE=1\nFDNAME=stored\nBARRIER=1",
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "http://[::1]:8080/ready?x=1",
        "127.0.0.1 localhost\n::1 localhost ip6 # comment\nfe80::1%eth0 router",
    ];
    let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    let mut understood = 0;
    for round in 0..50_000 {
        let mut bytes = texts[random.below(texts.len())].clone();
        for _ in 0..=random.below(4) {
            random.change(&mut bytes, &texts);
        }
        let descriptors = if round % 3 == 0 { 1 } else { 0 };
        let origin = std::time::Duration::from_secs(random.below(1000) as u64);
        if let Ok(Datagram::Message(message)) = parse(&bytes, descriptors, origin) {
            let status = message.status.unwrap_or_default();
            assert!(status.len() < 300 && !status.contains(char::is_control), "{status:?}");
            understood += 1;
        }
        let _ = Answer::read(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = Url::parse(&text).map(|url| assert!(url.request().ends_with("\r\n\r\n")));
        let _ = Endpoint::parse(&text);
        assert!(addresses_of("localhost", &bytes).len() <= bytes.len());
    }
    assert!(understood > 5_000, "{understood}");
}

#[test]
fn a_file_full_of_variables_does_not_grow_without_end() {
    let text = format!("command = [\"app\"{}]", ", \"${X}\"".repeat(100_000));
    let files = Memory(vec![("s".into(), "web.toml".into(), text.into_bytes())]);
    let environment = [("X".into(), "x".repeat(1000).into())];
    let sources = ["s".into()];
    let request = Request { sources: &sources, environment: &environment, ..Request::default() };
    assert_eq!(
        render(&load(&request, &files)),
        "s/web.toml: with its variables longer than 8388608 bytes\n1 problem; nothing was started\n"
    );
}

#[test]
fn a_thousand_services_are_one_plan() {
    let text = |after: &str| format!("command = [\"true\"]\nafter = [{after}]\n").into_bytes();
    let files = (0..1000).map(|n| {
        let after = if n == 0 { String::new() } else { format!("\"s{}\"", n - 1) };
        ("s".into(), format!("s{n}.toml").into(), text(&after))
    });
    let files = Memory(files.collect());
    let sources = ["s".into()];
    let request = Request { sources: &sources, ..Request::default() };
    let plan = load(&request, &files).unwrap().plan;
    let names: Vec<String> = plan.nodes().iter().map(|n| n.spec.name.to_string()).collect();
    assert_eq!(names.len(), 1000);
    assert_eq!((names[0].as_str(), names[999].as_str()), ("s0", "s999"));
}

fn judged(source: &Path) -> String {
    render(&loaded(source))
}

fn loaded(source: &Path) -> Result<Loaded, Vec<Problem>> {
    let lines = |name: &str| fs::read_to_string(source.join(name)).unwrap_or_default();
    let environment: Vec<(OsString, OsString)> = lines("environment")
        .lines()
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let command = lines("command");
    let mut words = command.split_whitespace();
    let main = words.next().map(|program| Argv::new(program, words.collect()));
    let sources = [source.to_owned()];
    let request =
        Request { sources: &sources, main, environment: &environment, ..Request::default() };
    load(&request, &Disk)
}

fn markdown(table: &[Key]) -> String {
    let mut text = String::from("\n| key | takes | default | meaning |\n|---|---|---|---|\n");
    for key in table.iter().filter(|key| key.built) {
        let Key { name, takes, default, meaning, .. } = key;
        let _ = writeln!(text, "| `{name}` | {takes} | {default} | {meaning} |");
    }
    text.push('\n');
    let later: Vec<String> =
        table.iter().filter(|key| !key.built).map(|key| format!("`{}`", key.name)).collect();
    if !later.is_empty() {
        let later = later.join(", ");
        let _ = writeln!(text, "Known, and refused as \"not supported yet\": {later}.\n");
    }
    text
}

fn compare(path: &Path, actual: &str) {
    if std::env::var("UPDATE").is_ok() {
        fs::write(path, actual).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(actual, expected, "{}: see UPDATE in tests/golden/main.rs", path.display());
}

struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Errno> {
        fs::read(path).map_err(|error| Errno(error.raw_os_error().unwrap()))
    }

    fn list(&self, directory: &Path) -> Result<Vec<OsString>, Errno> {
        let entries =
            fs::read_dir(directory).map_err(|error| Errno(error.raw_os_error().unwrap()))?;
        Ok(entries.map(|entry| entry.unwrap().file_name()).collect())
    }

    fn is_executable(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
    }
}

/// Folder, name and content.
struct Memory(Vec<(PathBuf, OsString, Vec<u8>)>);

impl Files for Memory {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Errno> {
        let found = self.0.iter().find(|(folder, name, _)| folder.join(name) == path);
        found.map(|(_, _, text)| text.clone()).ok_or(Errno::ENOENT)
    }

    fn list(&self, directory: &Path) -> Result<Vec<OsString>, Errno> {
        if self.0.iter().any(|(folder, name, _)| folder.join(name) == directory) {
            return Err(Errno::ENOTDIR);
        }
        let inside = self.0.iter().filter(|(folder, _, _)| folder == directory);
        Ok(inside.map(|(_, name, _)| name.clone()).collect())
    }

    fn is_executable(&self, _path: &Path) -> bool {
        true
    }
}

/// A xorshift generator.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// Changes, removes, doubles or crosses some of the bytes.
    fn change(&mut self, text: &mut Vec<u8>, others: &[Vec<u8>]) {
        let from = self.below(text.len() + 1);
        let to = (from + self.below(20)).min(text.len());
        match self.below(6) {
            0 => text.splice(from..to, []).for_each(drop),
            1 => {
                let special = b"\"'[]{}=.#$\n\0\\\xff,-:09a";
                let byte = special[self.below(special.len())];
                text.splice(from..to.min(from + 1), [byte]).for_each(drop);
            }
            2 => {
                let part = text[from..to].to_vec();
                text.splice(from..from, part).for_each(drop);
            }
            3 => {
                let other = &others[self.below(others.len())];
                let start = self.below(other.len());
                let end = (start + self.below(60)).min(other.len());
                text.splice(from..from, other[start..end].iter().copied()).for_each(drop);
            }
            4 => text.truncate(from),
            _ => {
                let byte = u8::try_from(self.below(256)).unwrap();
                text.splice(from..from, [byte]).for_each(drop);
            }
        }
    }
}
