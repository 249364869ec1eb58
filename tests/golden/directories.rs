//! Directories of runit, s6 and s6-rc: whatever is in them, and however much of it, they are read
//! or refused, in time, and what is read means the same after `onit convert`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use onit::cli::check::problems;
use onit::config::{Files, Request, load};
use onit::formats::{Format, Formats, Surroundings};
use onit::service::Errno;

use super::Random;
use super::formats::Around;

/// What is refused, and what is not, by every format; nothing panics.
#[test]
fn no_directory_makes_a_reader_stumble() {
    let seed = std::env::var("SEED").map_or(0x5EED, |seed| seed.parse().unwrap());
    let mut random = Random(seed);
    let mut read = [0; FORMATS.len()];
    for _ in 0..6_000 {
        let at = random.below(FORMATS.len());
        let tree = Tree::random(&mut random, FORMATS[at]);
        // The seed is told by whoever reads the panic: `SEED=24301` is the usual one.
        read[at] += usize::from(around(FORMATS[at]).converts(Path::new("s"), &tree).is_ok());
    }
    assert!(read.iter().all(|read| *read > 300), "only {read:?} were any good");
}

#[test]
fn a_directory_with_more_services_than_the_limit_is_one_problem() {
    for (format, kind, unit) in [
        (Some(Format::Runit), None, "services"),
        (Some(Format::S6), None, "services"),
        (Some(Format::S6Rc), Some("longrun"), "definitions"),
        (Some(Format::S6Rc), Some("bundle"), "definitions"),
    ] {
        let mut tree = Tree::default();
        for number in 0..20_000 {
            tree.service(&format!("s{number}"), kind, "");
        }
        let expected = format!("s: more than 10000 {unit}\n1 problem; nothing was started\n");
        assert_eq!(refusal(format, &tree), expected);
    }
}

/// Few files, each of which means all the others.
#[test]
fn bundles_of_everything_cost_no_time() {
    let mut tree = Tree::default();
    let names: Vec<String> = (0..4000).map(|number| format!("s{number}")).collect();
    for name in &names {
        tree.service(name, Some("longrun"), "all");
    }
    tree.file("s/all/type", "bundle");
    tree.file("s/all/contents", &names.join("\n"));
    let expected = "dependencies and bundles come to more than 100000 names";
    assert!(refusal(Some(Format::S6Rc), &tree).contains(expected));

    let mut tree = Tree::default();
    for number in 0..4000 {
        tree.file(&format!("s/b{number}/type"), "bundle");
        tree.file(&format!("s/b{number}/contents"), &format!("b{}\nall", number + 1));
        tree.service(&format!("s{number}"), Some("longrun"), &format!("b{number}"));
    }
    assert!(refusal(Some(Format::S6Rc), &tree).contains(expected));
}

/// Each is compared with all that are known, to say which of them was meant.
#[test]
fn names_nobody_has_cost_no_time() {
    let mut tree = Tree::default();
    for number in 0..5000 {
        tree.service(&format!("service-{number}"), Some("longrun"), "");
    }
    let unknown: Vec<String> = (0..50_000).map(|number| format!("sorvice-{number}")).collect();
    tree.file("s/service-0/dependencies", &unknown.join("\n"));
    tree.file("s/service-1/dependencies", &"x".repeat(1 << 20));
    let text = refusal(Some(Format::S6Rc), &tree);
    assert!(text.contains("`sorvice-0`; did you mean `service-0`?"));
    assert!(text.ends_with("50001 problems; nothing was started\n"));
}

/// What is in the way of reading a file is no reason to do without it.
#[test]
fn what_cannot_be_read_is_said() {
    let check = |format, path: &str, expected: &str| {
        let mut tree = Tree::default();
        tree.service("a", (format == Format::S6Rc).then_some("longrun"), "");
        tree.put(&Path::new("s").join(path), Node::Unreadable);
        assert_eq!(
            refusal(Some(format), &tree),
            format!("{expected}\n1 problem; nothing was started\n")
        );
    };
    let denied = "cannot be read: permission denied";
    check(Format::S6, "a/notification-fd", &format!("s/a/notification-fd: {denied}"));
    check(Format::S6Rc, "a/down-signal", &format!("s/a/down-signal: {denied}"));
    check(Format::S6Rc, "a/dependencies", &format!("s/a/dependencies: {denied}"));
    check(Format::S6Rc, "a/dependencies.d", &format!("s/a/dependencies.d: {denied}"));
}

#[test]
fn a_name_that_is_no_text_is_refused() {
    for (format, kind) in [(Format::Runit, None), (Format::S6Rc, Some("longrun"))] {
        let mut tree = Tree::default();
        tree.service("a", kind, "");
        let folder = Path::new("s").join(OsString::from_vec(vec![b'b', 0xFF]));
        tree.put(&folder.join("run"), text("#!/bin/sh\n"));
        tree.put(&folder.join("type"), text("longrun"));
        let expected = "s/b\u{fffd}: its name is not UTF-8\n1 problem; nothing was started\n";
        assert_eq!(refusal(Some(format), &tree), expected);
    }
}

#[test]
fn a_log_that_is_a_file_is_no_logger() {
    let mut tree = Tree::default();
    tree.service("a", None, "");
    tree.file("s/a/log", "run");
    let (around, sources) = (around(Some(Format::Runit)), [PathBuf::from("s")]);
    let request = Request { sources: &sources, foreign: &around.foreign, ..Request::default() };
    assert_eq!(load(&request, &tree).unwrap().remarks, []);
}

const FORMATS: [Option<Format>; 4] =
    [None, Some(Format::Runit), Some(Format::S6), Some(Format::S6Rc)];

fn around(format: Option<Format>) -> Around {
    let surroundings = Surroundings { directory: "/app".into(), ..Surroundings::default() };
    Around { foreign: Formats { format, surroundings }, ..Around::default() }
}

/// What is said of a tree; it is said soon, in a debug build on a busy machine, too.
fn refusal(format: Option<Format>, tree: &Tree) -> String {
    let begin = Instant::now();
    let found = around(format).converts(Path::new("s"), tree).unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    problems(&found)
}

enum Node {
    Directory,
    File { text: Vec<u8>, is_executable: bool },
    Unreadable,
}

/// Files and directories, with the errors that the system has for them.
struct Tree(BTreeMap<PathBuf, Node>);

impl Default for Tree {
    fn default() -> Self {
        Self([("s".into(), Node::Directory)].into())
    }
}

impl Tree {
    /// Puts something in a place, unless something on the way is no directory.
    fn put(&mut self, path: &Path, node: Node) {
        let above: Vec<&Path> = path.ancestors().skip(1).filter(|path| *path != "").collect();
        let is_in_the_way =
            |path: &&Path| !matches!(self.0.get(*path), None | Some(Node::Directory));
        if above.iter().any(is_in_the_way) || matches!(self.0.get(path), Some(Node::Directory)) {
            return;
        }
        for path in above {
            self.0.entry(path.to_owned()).or_insert(Node::Directory);
        }
        self.0.insert(path.to_owned(), node);
    }

    fn file(&mut self, path: &str, text: &str) {
        let text = text.as_bytes().to_vec();
        self.put(Path::new(path), Node::File { text, is_executable: true });
    }

    /// A service that runs something; with a type it is a definition of s6-rc.
    fn service(&mut self, name: &str, kind: Option<&str>, dependencies: &str) {
        self.file(&format!("s/{name}/run"), "#!/bin/sh\n");
        if let Some(kind) = kind {
            self.file(&format!("s/{name}/type"), kind);
            self.file(&format!("s/{name}/dependencies"), dependencies);
        }
    }

    /// Mostly what somebody would have written, with something wrong now and then.
    fn random(random: &mut Random, format: Option<Format>) -> Self {
        let mut tree = Self::default();
        let is_rc = match format {
            Some(Format::S6Rc) => true,
            None => random.below(2) == 0,
            Some(_) => false,
        };
        // So that most trees are of use.
        let oddity = [0, 3, 40][random.below(3)];
        let names: Vec<OsString> = (0..=random.below(6)).map(|_| name(random, oddity)).collect();
        for name in &names {
            let folder = Path::new("s").join(name);
            let service = |tree: &mut Self, random: &mut Random, file: &str| {
                let text = script(random, oddity);
                let is_executable = random.below(3) > 0;
                tree.put(&folder.join(file), Node::File { text, is_executable });
            };
            let kind = ["longrun", "oneshot", "bundle"][random.below(3)];
            if is_rc {
                tree.put(&folder.join("type"), text(kind));
            }
            match (is_rc, kind) {
                (true, "oneshot") => service(&mut tree, random, "up"),
                (true, "bundle") => tree.put(&folder.join("contents.d"), Node::Directory),
                (_, _) => service(&mut tree, random, "run"),
            }
            if random.below(3) == 0 {
                service(&mut tree, random, "finish");
            }
            for _ in 0..random.below(4) {
                let (file, content) = known(random, oddity, &names);
                tree.put(&folder.join(file), content);
            }
            if random.below(100) < oddity {
                let deep: PathBuf = std::iter::repeat_n("log", 1 + random.below(50)).collect();
                service(&mut tree, random, deep.join("run").to_str().unwrap());
            }
        }
        if is_rc && random.below(3) == 0 {
            tree.put(Path::new("s/user/type"), text("bundle"));
            for name in names.iter().filter(|name| !name.is_empty()) {
                tree.put(&Path::new("s/user/contents.d").join(name), text(""));
            }
        }
        if random.below(4) == 0 {
            let files = [".s6-svscan/SIGTERM", ".s6-svscan/finish", ".s6-svscan", "run", "x.conf"];
            tree.put(&Path::new("s").join(files[random.below(files.len())]), text("#!/bin/sh\n"));
        }
        tree
    }
}

impl Files for Tree {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Errno> {
        match self.0.get(path) {
            Some(Node::File { text, .. }) => Ok(text.clone()),
            Some(Node::Directory) => Err(Errno::EISDIR),
            Some(Node::Unreadable) => Err(EACCES),
            None => Err(self.missing(path)),
        }
    }

    fn list(&self, directory: &Path) -> Result<Vec<OsString>, Errno> {
        match self.0.get(directory) {
            Some(Node::File { .. }) => return Err(Errno::ENOTDIR),
            Some(Node::Unreadable) => return Err(EACCES),
            Some(Node::Directory) => {}
            None => return Err(self.missing(directory)),
        }
        let below = self.0.range(directory.to_owned()..).map(|(path, _)| path);
        let below = below.take_while(|path| path.starts_with(directory));
        let inside = below.filter(|path| path.parent() == Some(directory));
        Ok(inside.map(|path| path.file_name().unwrap().to_owned()).collect())
    }

    fn is_executable(&self, path: &Path) -> bool {
        matches!(self.0.get(path), Some(Node::File { is_executable: true, .. }))
    }
}

impl Tree {
    fn missing(&self, path: &Path) -> Errno {
        let is_file = |path: &Path| matches!(self.0.get(path), Some(Node::File { .. }));
        if path.ancestors().any(is_file) { Errno::ENOTDIR } else { Errno::ENOENT }
    }
}

const EACCES: Errno = Errno(libc::EACCES);

fn text(text: &str) -> Node {
    Node::File { text: text.as_bytes().to_vec(), is_executable: false }
}

fn name(random: &mut Random, oddity: usize) -> OsString {
    if random.below(100) >= oddity {
        return ["web", "worker", "db", "log", "a", "b", "base"][random.below(7)].into();
    }
    match random.below(12) {
        0 => OsString::from_vec(vec![b'a', 0xFF, b'b']),
        1 => OsString::from_vec(vec![0xFF]),
        2 => "with space".into(),
        3 => "with-space".into(),
        4 => "new\nline".into(),
        5 => "-".into(),
        6 => ".hidden".into(),
        7 => "x".repeat(200).into(),
        8 => "\u{e9}\u{202e}\u{1b}[0m".into(),
        9 => "${PATH} $$ %".into(),
        10 => "onit".into(),
        _ => "quote\"'\\".into(),
    }
}

fn script(random: &mut Random, oddity: usize) -> Vec<u8> {
    if random.below(100) >= oddity {
        let usual =
            ["#!/bin/sh\nexec web\n", "#!/bin/execlineb -P\nweb\n", "#!/usr/bin/env  sh -e\n"];
        return usual[random.below(usual.len())].into();
    }
    match random.below(8) {
        0 => Vec::new(),
        1 => b"#!".to_vec(),
        2 => b"#!/bin/sh\0 x\n".to_vec(),
        3 => b"#!/bin/\xff\xfe\n".to_vec(),
        4 => b"#! ${X} $$ \x1b[0m\r\n".to_vec(),
        5 => b"# nothing\n\n".to_vec(),
        6 => b"exec\n".to_vec(),
        _ => (0..random.below(60)).map(|_| u8::try_from(random.below(256)).unwrap()).collect(),
    }
}

/// A file that a reader looks for, with something in it.
fn known(random: &mut Random, oddity: usize, names: &[OsString]) -> (PathBuf, Node) {
    const FILES: &[(&str, &[&str])] = &[
        ("notification-fd", &["3\n", "1", "2", "1023"]),
        ("timeout-kill", &["0", "5000\n", "1", "1500"]),
        ("timeout-finish", &["0", "5000\n", "1"]),
        ("down-signal", &["SIGINT\n", "9", "HUP"]),
        ("reload-signal", &["HUP\n", "USR1"]),
        ("down", &["", "#!/bin/sh"]),
        ("up", &["", "\n", "exec true", "# x\nfoo { bar }", "true ${X} $$"]),
        ("log/run", &["#!/bin/sh\n"]),
        ("log", &[""]),
        ("log/finish", &["#!/bin/sh\n"]),
        ("log/notification-fd", &["3"]),
        ("log/down", &[""]),
        ("control/t", &["#!/bin/sh\n"]),
        ("control/u", &["#!/bin/sh\n"]),
        ("control/k", &["#!/bin/sh\n"]),
        ("check", &["#!/bin/sh\n"]),
        ("lock-fd", &["5"]),
        ("producer-for", &["log", "web"]),
        ("consumer-for", &["web"]),
        ("pipeline-name", &["all", "web"]),
        ("timeout-up", &["0", "300"]),
        ("timeout-down", &["0", "300"]),
        ("type", &["longrun\n", "oneshot", "bundle", " bundle \n"]),
        ("run", &["#!/bin/sh\n"]),
    ];
    let folders = ["contents.d", "dependencies.d", "contents", "dependencies"];
    if random.below(3) == 0 {
        let folder = folders[random.below(folders.len())];
        let name = names[random.below(names.len())].clone();
        return match folder.ends_with(".d") {
            true => (Path::new(folder).join(name), text("")),
            false => (folder.into(), text(&name.to_string_lossy())),
        };
    }
    let (file, usual) = FILES[random.below(FILES.len())];
    if random.below(100) >= oddity {
        return (file.into(), text(usual[random.below(usual.len())]));
    }
    let odd = match random.below(9) {
        0 => return (file.into(), Node::Directory),
        1 => return (file.into(), Node::Unreadable),
        2 => b"\xff".to_vec(),
        3 => b"3\x00".to_vec(),
        4 => b"99999999999999999999999".to_vec(),
        5 => b"18446744073709551615".to_vec(),
        6 => b"-1".to_vec(),
        7 => Vec::new(),
        _ => (0..random.below(20)).map(|_| u8::try_from(random.below(256)).unwrap()).collect(),
    };
    (file.into(), Node::File { text: odd, is_executable: random.below(2) == 0 })
}
