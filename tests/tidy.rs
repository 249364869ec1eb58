//! Rules of the house that the compiler does not know: the import rule, the place of `unsafe`, a
//! header on every file, and that files named in comments and documents exist.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a test that stops at the first surprise is what is wanted"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may name, besides itself.
const MAY_NAME: [(&str, &[&str]); 11] = [
    ("limits", &[]),
    ("service", &["limits"]),
    ("supervisor", &["limits", "service"]),
    ("config", &["limits", "service"]),
    ("output", &["limits", "service"]),
    ("formats", &["limits", "service", "config"]),
    ("control", &["limits", "service", "supervisor", "output"]),
    ("run", &["limits", "service", "supervisor"]),
    ("linux", &["limits", "service", "supervisor", "config", "output", "control", "run"]),
    (
        "cli",
        &[
            "limits",
            "service",
            "supervisor",
            "config",
            "formats",
            "output",
            "control",
            "run",
            "linux",
        ],
    ),
    ("main", &["cli", "linux"]),
];

/// Modules whose every file stays free of `unsafe`.
const SAFE: [&str; 7] = ["service", "supervisor", "config", "formats", "output", "control", "cli"];

#[test]
fn arrows_only_run_leftwards() {
    assert_eq!(complaints(source_files(), wrong_imports), [""; 0]);
}

#[test]
fn only_linux_is_unsafe() {
    assert_eq!(complaints(source_files(), misplaced_unsafe), [""; 0]);
    for module in SAFE {
        let head = fs::read_to_string(root().join("src").join(module).join("mod.rs")).unwrap();
        assert!(head.contains("#![forbid(unsafe_code)]"), "src/{module}/mod.rs forbids no unsafe");
    }
}

#[test]
fn every_file_says_what_it_is() {
    assert_eq!(complaints(rust_files(), missing_header), [""; 0]);
}

#[test]
fn lines_are_no_longer_than_they_can_be_read() {
    assert_eq!(complaints(rust_files(), long_lines), [""; 0]);
}

#[test]
fn files_that_are_named_exist() {
    assert_eq!(complaints(rust_files(), dangling_names), [""; 0]);
    assert_eq!(complaints(documents(), dangling_names), [""; 0]);
}

#[test]
fn every_module_stands_in_the_map() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for line in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = line.trim_end_matches(';');
        assert!(MAY_NAME.iter().any(|(name, _)| *name == module), "{module} has no rule here");
        assert!(lib.contains(&format!("`{module}`")), "{module} is missing in the map of lib.rs");
    }
}

/// A rule that cannot fail is no rule.
#[test]
fn the_rules_bite() {
    let check = |rule: Rule, path: &str, text: &str| {
        assert!(!rule(Path::new(path), text).is_empty(), "{path}: {text}");
    };
    check(wrong_imports, "src/service/name.rs", "use crate::supervisor::Event;");
    check(wrong_imports, "src/output/lines.rs", "    let x = crate::linux::clock::Clock::start();");
    check(wrong_imports, "src/config/mod.rs", "use nix::unistd;");
    check(wrong_imports, "src/service/spec.rs", "use serde::Deserialize;");
    check(misplaced_unsafe, "src/cli/boot.rs", "    unsafe { work() }");
    check(missing_header, "src/run.rs", "use std::fmt;");
    check(long_lines, "src/run.rs", &"x".repeat(101));
    check(dangling_names, "src/run.rs", "// See linux/nowhere.rs for why.");
    check(dangling_names, "README.md", "the page docs/nowhere.md has it");
}

type Rule = fn(&Path, &str) -> Vec<String>;

fn wrong_imports(path: &Path, text: &str) -> Vec<String> {
    let module = module_of(path);
    let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| *name == module) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (number, line) in code_lines(text) {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let named: String =
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let known = MAY_NAME.iter().any(|(name, _)| *name == named);
            if known && named != module && !allowed.contains(&named.as_str()) {
                found.push(format!("{}:{number}: `{module}` names `{named}`", path.display()));
            }
        }
        let effects = ["nix", "libc", "signal_hook", "lexopt", "log"];
        let pure = !["linux", "cli", "main"].contains(&module.as_str());
        if pure && effects.iter().any(|name| names_crate(line, name)) {
            found.push(format!("{}:{number}: `{module}` names the system", path.display()));
        }
        let toml = names_crate(line, "toml") && module != "config";
        let json = names_crate(line, "serde_json") && module != "control";
        let serde = names_crate(line, "serde") && !["config", "control"].contains(&module.as_str());
        if toml || json || serde {
            let rule = "TOML is read in `config`, JSON in `control`";
            found.push(format!("{}:{number}: {rule}", path.display()));
        }
    }
    found
}

/// `nix::unistd`, but not `std::os::unix::ffi`, nor `crate::log::…`.
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

fn misplaced_unsafe(path: &Path, text: &str) -> Vec<String> {
    // `main` is what the C library calls: nothing but that.
    if ["linux", "main"].contains(&module_of(path).as_str()) {
        return Vec::new();
    }
    let is_unsafe = |line: &str| line.contains("unsafe {") || line.contains("unsafe fn");
    code_lines(text)
        .filter(|(_, line)| is_unsafe(line))
        .map(|(number, _)| format!("{}:{number}: `unsafe` outside of linux/", path.display()))
        .collect()
}

fn missing_header(path: &Path, text: &str) -> Vec<String> {
    if text.starts_with("//! ") || text.starts_with("/*! ") {
        Vec::new()
    } else {
        vec![format!("{}: no `//!` header", path.display())]
    }
}

fn long_lines(path: &Path, text: &str) -> Vec<String> {
    text.lines()
        .enumerate()
        // A text that cannot be broken is better long than broken.
        .filter(|(_, line)| line.chars().count() > 100 && !line.contains('"'))
        .map(|(number, _)| format!("{}:{}: over 100 columns", path.display(), number + 1))
        .collect()
}

/// Names of files in comments and documents: `linux/relay.rs`, `docs/configuration.md`.
fn dangling_names(path: &Path, text: &str) -> Vec<String> {
    let is_rust = path.extension().is_some_and(|extension| extension == "rs");
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if is_rust && !line.trim_start().starts_with("//") {
            continue;
        }
        let not_of_a_name = |c: char| !(c.is_alphanumeric() || "_-./".contains(c));
        for word in line.split(not_of_a_name).map(|word| word.trim_matches(['.', '/'])) {
            let ours = word.ends_with(".rs") || (word.ends_with(".md") && word.contains('/'));
            if ours && !exists(path, word) {
                found.push(format!("{}:{}: no file {word}", path.display(), number + 1));
            }
        }
    }
    found
}

fn exists(named_in: &Path, name: &str) -> bool {
    let folder = named_in.parent().unwrap_or(Path::new(""));
    [Path::new(""), Path::new("src"), folder]
        .iter()
        .any(|base| root().join(base).join(name).exists())
}

/// The lines of code: no comments, and nothing from the unit tests at the end of a file on.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .enumerate()
        .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
}

/// `src/linux/relay.rs` is of `linux`, `src/run.rs` of `run`.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix("src").unwrap_or(path);
    let first = inside.components().next().map(|c| c.as_os_str().to_string_lossy().into_owned());
    first.unwrap_or_default().trim_end_matches(".rs").to_owned()
}

fn complaints(files: BTreeMap<PathBuf, String>, rule: Rule) -> Vec<String> {
    assert!(!files.is_empty());
    files.iter().flat_map(|(path, text)| rule(path, text)).collect()
}

fn source_files() -> BTreeMap<PathBuf, String> {
    files_below("src", "rs")
}

fn rust_files() -> BTreeMap<PathBuf, String> {
    ["src", "tests", "benches"].iter().flat_map(|folder| files_below(folder, "rs")).collect()
}

fn documents() -> BTreeMap<PathBuf, String> {
    let mut all = files_below("docs", "md");
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        all.insert(name.into(), fs::read_to_string(root().join(name)).unwrap());
    }
    all
}

fn files_below(folder: &str, extension: &str) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root().join(&folder)) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                let text = fs::read_to_string(root().join(&path)).unwrap();
                found.insert(path, text);
            }
        }
    }
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
