//! Sources of other formats: what they become, that what `onit convert` prints of them means the
//! same, and that every option of every format stands in `docs/migrating/`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use litemap::LiteMap;
use onit::cli::check::{problems, render};
use onit::config::{Files, Loaded, Request, Written, judge, load, read, write};
use onit::formats::options::OptionInfo;
use onit::formats::{
    Format, Formats, Surroundings, circus, directory, overlay, procfile, s6rc, supervisord,
};
use onit::service::{Name, Problem, Spec};

use super::{Disk, Memory, Random, compare};

/// Each folder of a folder of `tests/golden/formats/` is a case: one file in it, or the folder
/// itself, is the source, and `environment` and `formation` say what surrounds it. Beside the
/// folder stands the plan that comes of it and what `onit convert` prints.
#[test]
fn sources_become_what_they_became() {
    let mut count = 0;
    for case in cases() {
        let source = source(&case);
        compare(&case.with_extension("expected"), &story(&case, &source));
        count += 1;
    }
    assert!(count >= 3, "{count} cases");
}

/// One validator judges both: source → plan, and source → TOML → plan.
#[test]
fn what_is_converted_means_the_same() {
    for case in cases() {
        // A source that is refused is not converted either.
        let _ = Around::of(&case).converts(&source(&case), &Disk);
    }
}

/// Between two marks stands the table of a format's options, as the code has it.
#[test]
fn every_option_stands_in_the_documents() {
    for (format, options) in TABLES {
        let path = format!("docs/migrating/{}.md", format.name());
        let document = fs::read_to_string(&path).unwrap_or_default();
        let (before, rest) = document.split_once("<!-- options -->").unwrap_or((&document, ""));
        let (_, after) = rest.split_once("<!-- /options -->").unwrap_or(("", "\n"));
        let table = table(options);
        let expected = format!("{before}<!-- options -->\n{table}<!-- /options -->{after}");
        compare(Path::new(&path), &expected);
    }
}

/// Whatever is in a source of whatever format: it is read or refused, and nothing panics.
#[test]
fn no_bytes_make_a_reader_stumble() {
    let seed = std::env::var("SEED").map_or(0x5EED, |seed| seed.parse().unwrap());
    let mut random = Random(seed);
    let texts: Vec<Vec<u8>> = cases()
        .iter()
        .map(|case| source(case))
        .filter(|source| source.is_file())
        .map(|source| fs::read(source).unwrap())
        .collect();
    let mut read = 0;
    for _ in 0..20_000 {
        let mut text = texts[random.below(texts.len())].clone();
        for _ in 0..random.below(6) {
            random.change(&mut text, &texts);
        }
        let (_, format) = Format::ALL[random.below(Format::ALL.len())];
        let files = Memory(vec![("s".into(), "source".into(), text)]);
        let sources = [PathBuf::from("s/source")];
        let surroundings = Surroundings { directory: "/app".into(), ..Surroundings::default() };
        let foreign = Formats { format: Some(format), surroundings };
        let request = Request { sources: &sources, foreign: &foreign, ..Request::default() };
        read += usize::from(load(&request, &files).is_ok());
    }
    assert!(read > 100, "only {read} were any good");
}

/// The tables of options, each with the format whose page it stands in.
const TABLES: &[(Format, &[OptionInfo])] = &[
    (Format::Supervisord, supervisord::options::OPTIONS),
    (Format::Circus, circus::options::OPTIONS),
    (Format::Procfile, procfile::OPTIONS),
    (Format::Runit, directory::RUNIT_OPTIONS),
    (Format::S6, directory::S6_OPTIONS),
    (Format::S6Rc, s6rc::OPTIONS),
    (Format::S6Overlay, overlay::OPTIONS),
];

fn cases() -> Vec<PathBuf> {
    let folders = |path: &Path| {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.is_dir());
        paths.sort();
        paths
    };
    let formats = folders(Path::new("tests/golden/formats"));
    formats.iter().flat_map(|format| folders(format)).collect()
}

/// The file of a case that is its source, or the folder itself.
fn source(case: &Path) -> PathBuf {
    let files = ["supervisord.conf", "circus.ini", "Procfile"].map(|name| case.join(name));
    files.into_iter().find(|file| file.exists()).unwrap_or_else(|| case.to_owned())
}

#[derive(Default)]
pub(crate) struct Around {
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) foreign: Formats,
}

impl Around {
    fn of(case: &Path) -> Self {
        let lines = |name: &str| fs::read_to_string(case.join(name)).unwrap_or_default();
        let environment: LiteMap<String, String> = lines("environment")
            .lines()
            .map(|line| line.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let formation = Some(lines("formation").trim().to_owned()).filter(|text| !text.is_empty());
        let format = lines("format");
        let surroundings =
            Surroundings { environment: environment.clone(), directory: "/app".into(), formation };
        Self {
            environment: environment.into_iter().map(|(n, v)| (n.into(), v.into())).collect(),
            foreign: Formats { format: Format::named(format.trim()), surroundings },
        }
    }

    fn request<'a>(&'a self, sources: &'a [PathBuf], is_elsewhere: bool) -> Request<'a> {
        Request {
            sources,
            foreign: &self.foreign,
            environment: &self.environment,
            is_elsewhere,
            ..Request::default()
        }
    }

    fn load(&self, source: &Path, files: &dyn Files) -> Result<Loaded, Vec<Problem>> {
        load(&self.request(&[source.to_owned()], false), files)
    }

    /// Whether there is a plan. If so, it is the same one after `onit convert`.
    pub(crate) fn converts(&self, source: &Path, files: &dyn Files) -> Result<(), Vec<Problem>> {
        let loaded = self.load(source, files)?;
        let native = self.native(source, files);
        assert_eq!(meant(&loaded), meant(&native), "{:#?}", self.files(source, files));
        assert_eq!(loaded.settings, native.settings, "{}", source.display());
        assert_eq!(loaded.plan.disabled(), native.plan.disabled(), "{}", source.display());
        Ok(())
    }

    /// What `onit convert` makes of it.
    fn files(&self, source: &Path, files: &dyn Files) -> Vec<(String, String)> {
        let sources = [source.to_owned()];
        let Written { services, settings, remarks, .. } =
            read(&self.request(&sources, true), files);
        let text = |(name, service)| -> (String, String) {
            (format!("{name}.toml"), write::service(&write::minimal(service), &remarks))
        };
        let settings = write::settings(&settings).map(|text| ("onit.toml".to_owned(), text));
        settings.into_iter().chain(services.into_iter().map(text)).collect()
    }

    /// What comes of that.
    fn native(&self, source: &Path, files: &dyn Files) -> Loaded {
        let files = self.files(source, files);
        let files = files
            .into_iter()
            .map(|(name, text)| ("native".into(), name.into(), text.into_bytes()))
            .collect();
        let request = Request { environment: &self.environment, ..Request::default() };
        let sources = ["native".into()];
        load(&Request { sources: &sources, ..request }, &Memory(files))
            .map_err(|found| problems(&found))
            .unwrap()
    }
}

/// Every spec, without the place it was described at.
fn meant(loaded: &Loaded) -> BTreeMap<Name, Spec> {
    let specs = loaded.plan.nodes().iter().map(|node| Spec::clone(&node.spec));
    specs.map(|spec| (spec.name.clone(), Spec { place: None, ..spec })).collect()
}

fn story(case: &Path, source: &Path) -> String {
    let around = Around::of(case);
    let sources = [source.to_owned()];
    let mut text = render(&around.load(source, &Disk));
    let request = around.request(&sources, true);
    let written = read(&request, &Disk);
    if let Err(found) = judge(written, &request, &Disk) {
        let _ = write!(text, "\n### refused by onit convert\n{}", problems(&found));
        return text;
    }
    for (name, file) in around.files(source, &Disk) {
        let _ = write!(text, "\n### {name}\n{file}");
    }
    text
}

fn table(options: &[OptionInfo]) -> String {
    let mut text =
        String::from("\n| where | option | fate | what becomes of it |\n|---|---|---|---|\n");
    for OptionInfo { section, name, fate, becomes } in options {
        let _ = writeln!(text, "| {section} | `{name}` | {} | {becomes} |", fate.word());
    }
    text.push('\n');
    text
}

/// What is no text, too much, or leads nowhere is said, and costs no time.
#[test]
fn sources_that_lead_nowhere_are_refused() {
    let check = |text: &[u8], format: Option<Format>, expected: &str| {
        let files = Memory(vec![("s".into(), "source".into(), text.to_vec())]);
        let sources = [PathBuf::from("s/source")];
        let surroundings = Surroundings { directory: "/app".into(), ..Surroundings::default() };
        let foreign = Formats { format, surroundings };
        let request = Request { sources: &sources, foreign: &foreign, ..Request::default() };
        let found = load(&request, &files).map(|_| ()).unwrap_err();
        assert!(problems(&found).contains(expected), "{expected}: {}", problems(&found));
    };
    check(b"[program:a]\ncommand=a\0b\n", None, "s/source:2: a NUL byte");
    check(b"[program:a]\ncommand=\xff\n", None, "s/source:2: not UTF-8");
    check(b"web: a\nxx: \0\n", Some(Format::Procfile), "s/source:2: a NUL byte");
    check(b"something else", None, "no other format is seen in it");
    check(b"", Some(Format::Supervisord), "describes no service");
    check(b"x=1\n[program:a]\ncommand=a\n", None, "an option before the first [section]");
    let many = "[program:p]\ncommand=x\nnumprocs=100000\nprocess_name=%(process_num)d";
    check(many.as_bytes(), None, "100000 is out of range: 0 to 1000");
}
