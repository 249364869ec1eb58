//! Where a peer comes from: its version, how it is installed, and what that takes on the disk.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::peer::{find, python_path};

/// Where a peer comes from.
pub(crate) enum Source {
    /// From this very source.
    Here,
    /// The package that has it.
    Debian(&'static str),
    /// A Python package, and what it needs and does not say.
    Python { distribution: &'static str, needs: &'static str },
    /// A crate with a program.
    Cargo(&'static str),
    /// A page that tells how.
    Elsewhere(&'static str),
}

/// What is on the disk, in bytes, and what that is.
pub(crate) struct Installed {
    pub(crate) size: u64,
    pub(crate) counted: String,
}

/// Prints the version of a distribution; the size of its files and of those it requires; what
/// these are called; the size of the interpreter: its program, its library and its own modules.
const ASK_PYTHON: &str = r#"
import importlib.metadata as m, os, re, sys, sysconfig
def tree(top):
    found = 0
    for at, folders, files in os.walk(top):
        folders[:] = [f for f in folders if not re.match("(site|dist)-packages|test$|config-", f)]
        found += sum(os.lstat(os.path.join(at, f)).st_size for f in files)
    return found
wanted, seen, size = [sys.argv[1]], set(), 0
while wanted:
    name = wanted.pop()
    try:
        one = m.distribution(name)
    except m.PackageNotFoundError:
        continue
    if one.metadata["Name"].lower() in seen:
        continue
    seen.add(one.metadata["Name"].lower())
    files = [str(one.locate_file(f)) for f in one.files or []]
    size += sum(os.lstat(f).st_size for f in files if os.path.exists(f))
    requires = [r for r in one.requires or [] if "extra ==" not in r]
    wanted += [re.split(r"[^A-Za-z0-9._-]", r)[0] for r in requires]
    wanted += ["setuptools"] if name == "supervisor" else []
program = os.path.realpath(sys.executable)
library = os.path.join(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LDLIBRARY"))
interpreter = tree(sysconfig.get_path("stdlib")) + os.stat(program).st_size
interpreter += os.stat(library).st_size if library.endswith(".so") and os.path.exists(library) else 0
print(m.version(sys.argv[1]), size, ",".join(sorted(seen)), interpreter)
"#;

impl Source {
    /// What is to be done to have it.
    pub(crate) fn install(&self) -> String {
        match self {
            Self::Here => "cargo build --release".to_owned(),
            Self::Debian(package) => format!("apt-get install {package}"),
            Self::Python { distribution, needs } => {
                let more = if needs.is_empty() { String::new() } else { format!(" '{needs}'") };
                format!("pip install --target \"$ONIT_PEERS\" {distribution}{more}")
            }
            Self::Cargo(name) => format!("cargo install {name}"),
            Self::Elsewhere(page) => format!("see {page}"),
        }
    }

    /// The version of what is installed.
    pub(crate) fn version(&self, program: &str) -> Option<String> {
        match self {
            Self::Here => Some(env!("CARGO_PKG_VERSION").to_owned()),
            Self::Debian(package) => {
                said("dpkg-query", &["-W", "-f", "${Version}", package]).map(|it| it.to_owned())
            }
            Self::Python { distribution, .. } => {
                Some(ask_python(distribution)?.split_whitespace().next()?.to_owned())
            }
            Self::Cargo(name) => {
                // What `cargo install` notes beside the directory of programs.
                let folder = find(program)?.parent()?.parent()?.to_path_buf();
                let notes = fs::read_to_string(folder.join(".crates.toml")).ok()?;
                let line = notes.lines().find(|line| line.starts_with(&format!("\"{name} ")))?;
                line.split_whitespace().nth(1).map(str::to_owned)
            }
            Self::Elsewhere(_) => said(program, &["--version"])?.lines().next().map(str::to_owned),
        }
    }

    /// What it takes on the disk, with the libraries it needs but the C library.
    pub(crate) fn installed(&self, program: &str) -> Option<Installed> {
        match self {
            Self::Here | Self::Cargo(_) | Self::Elsewhere(_) => {
                let size = fs::metadata(find(program)?).ok()?.len();
                Some(Installed { size, counted: "the binary".to_owned() })
            }
            Self::Debian(package) => {
                let packages = with_what_it_needs(package);
                let size = packages.iter().map(|package| size_of(package)).sum();
                let names: Vec<String> = packages.into_iter().collect();
                Some(Installed { size, counted: format!("packages: {}", names.join(", ")) })
            }
            Self::Python { distribution, .. } => {
                let said = ask_python(distribution)?;
                let words: Vec<&str> = said.split_whitespace().collect();
                let [_, size, names, interpreter] = words.as_slice() else { return None };
                let interpreter: u64 = interpreter.parse().ok()?;
                Some(Installed {
                    size: size.parse::<u64>().ok()? + interpreter,
                    counted: format!(
                        "{}; and {} MiB of interpreter and standard library, without tests",
                        names.replace(',', ", "),
                        interpreter >> 20,
                    ),
                })
            }
        }
    }
}

/// A package and the libraries it needs, without the C library. What its installation needs is left
/// out: a base image has that, or does without.
fn with_what_it_needs(package: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut wanted = vec![package.to_owned()];
    while let Some(package) = wanted.pop() {
        if package.starts_with("libc6") || !seen.insert(package.clone()) {
            continue;
        }
        let format = "${Depends}, ${Pre-Depends}";
        let needs = said("dpkg-query", &["-W", "-f", format, &package]).unwrap_or_default();
        let alternatives = needs.split([',', '|']);
        let names = alternatives.filter_map(|one| one.split_whitespace().next());
        let names = names.map(|name| name.split(':').next().unwrap_or(name).to_owned());
        wanted.extend(names.filter(|name| name.starts_with("lib") && is_installed(name)));
    }
    seen
}

fn is_installed(package: &str) -> bool {
    said("dpkg-query", &["-W", "-f", "${Status}", package])
        .is_some_and(|status| status.ends_with(" installed"))
}

/// The sum of the package's files.
fn size_of(package: &str) -> u64 {
    let list = said("dpkg-query", &["-L", package]).unwrap_or_default();
    let files = list.lines().filter_map(|path| fs::symlink_metadata(Path::new(path)).ok());
    files.filter(|file| file.is_file()).map(|file| file.size()).sum()
}

fn ask_python(distribution: &str) -> Option<String> {
    said("python3", &["-c", ASK_PYTHON, distribution])
}

/// What a program says, if it ends well.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(find(program)?);
    command.args(arguments).env("PYTHONPATH", python_path()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
