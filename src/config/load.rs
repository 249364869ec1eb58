//! From sources to a plan: finds the files, and judges them together.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Files;
use super::check::{self, Check, Draft, FORMATS, Judged};
use super::expand::Variables;
use super::file::{self, At, Raw, RawSettings, Value};
use super::foreign::{Described, Foreign, OnlyNative, Reading, Remark};
use crate::limits::{SERVICE_FILE_BYTES_MAX, SERVICES_MAX};
use crate::service::{
    Argv, Condition, Dependency, Errno, Kind, Level, LogTarget, Name, Place, Plan, PlanError,
    Problem, Restart, Settings, Signal, Spec, nearest,
};
use litemap::LiteMap;

/// What is to be loaded.
pub struct Request<'a> {
    /// Directories of service files, single ones, or whatever `foreign` can read.
    pub sources: &'a [PathBuf],
    /// Who reads sources of other formats.
    pub foreign: &'a dyn Foreign,
    /// The main command, if there is one.
    pub main: Option<Argv>,
    /// onit's own variables.
    pub environment: &'a [(OsString, OsString)],
    /// Whether a variable that is not set is no problem: what it stands for is not judged then.
    pub is_elsewhere: bool,
    /// What the command line says.
    pub options: Options,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self {
            sources: &[],
            foreign: &OnlyNative,
            main: None,
            environment: &[],
            is_elsewhere: false,
            options: Options::default(),
        }
    }
}

/// What the command line says about onit itself, unread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `--stop-timeout`
    pub stop_timeout: Option<OsString>,
    /// `--stop-signals`
    pub stop_signals: Option<OsString>,
    /// `--log-format`
    pub log_format: Option<OsString>,
    /// `--log-level`
    pub log_level: Option<OsString>,
    /// `--log-timestamps`
    pub log_timestamps: Option<OsString>,
    /// `--socket`
    pub socket: Option<OsString>,
}

/// A plan, and what else was found.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The services that are wanted.
    pub plan: Plan,
    /// What is set for onit itself.
    pub settings: Settings,
    /// What is to be known of sources of other formats.
    pub remarks: Vec<Remark>,
    /// Which those are, each with the name of its format.
    pub foreign: Vec<(PathBuf, &'static str)>,
}

/// What all sources say, before it is judged.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Every service, with what is said of it and not what holds for all.
    pub services: LiteMap<Name, Described>,
    /// `onit.toml`, or what stands for it elsewhere.
    pub settings: RawSettings,
    /// What is to be known of sources of other formats.
    pub remarks: Vec<Remark>,
    /// Which those are, each with the name of its format.
    pub foreign: Vec<(PathBuf, &'static str)>,
    /// What could not be taken apart.
    pub problems: Vec<Problem>,
}

/// Takes all sources apart, and judges nothing.
#[must_use]
pub fn read(request: &Request<'_>, files: &dyn Files) -> Written {
    let mut loader = Loader::new(request, files);
    let mut found = loader.find(request);
    let mut settings = loader.settings_file(&found);
    for (key, value) in found.elsewhere.values {
        settings.settings.values.entry(key).or_insert(value);
    }
    let mut services = LiteMap::new();
    for (name, (path, content)) in found.services {
        let (place, raw) = match content {
            Content::Text(text) => (place(&path), loader.raw(&path, &text)),
            Content::Raw(place, raw) => (place, Some(raw)),
        };
        if let Some(raw) = raw {
            services.insert(name.clone(), Described { name, place, raw });
        }
    }
    found.remarks.sort();
    Written {
        services,
        settings,
        remarks: found.remarks,
        foreign: found.foreign,
        problems: loader.problems,
    }
}

/// Reads all sources, and makes one plan of them.
///
/// # Errors
/// Everything that is wrong, in the order of the places.
pub fn load(request: &Request<'_>, files: &dyn Files) -> Result<Loaded, Vec<Problem>> {
    judge(read(request, files), request, files)
}

/// Makes one plan of what all sources say.
///
/// # Errors
/// Everything that is wrong, in the order of the places.
pub fn judge(
    written: Written,
    request: &Request<'_>,
    files: &dyn Files,
) -> Result<Loaded, Vec<Problem>> {
    let Written { services, settings: raw, remarks, foreign, problems } = written;
    let mut loader = Loader { problems, ..Loader::new(request, files) };
    let settings = loader.settings(&raw.settings, &request.options);
    let mut judged: LiteMap<Name, Judged> = LiteMap::new();
    let mut families = Families::new();
    let found: Vec<Name> = services.keys().cloned().collect();
    for (name, service) in services {
        let place = service.place.clone();
        let services = loader.service(service, &raw.service_defaults);
        if services.iter().any(|(instance, _)| *instance != name) {
            let instances = services.iter().map(|(instance, _)| instance.clone()).collect();
            families.insert(name, instances);
        }
        if judged.len().saturating_add(services.len()) > SERVICES_MAX {
            let what = format!("more than {SERVICES_MAX} services with the instances of this one");
            loader.problems.push(Problem::new(place, what));
            break;
        }
        for (instance, service) in services {
            if judged.insert(instance.clone(), service).is_some() {
                let what = format!("there are two services named `{instance}`");
                loader.problems.push(Problem::new(place.clone(), what));
            }
        }
    }
    let disabled: Vec<Name> = judged
        .iter()
        .filter(|(_, judged)| matches!(judged, Judged::Disabled))
        .map(|(name, _)| name.clone())
        .collect();
    let names: BTreeSet<Name> = found.iter().chain(judged.keys()).cloned().collect();
    let drafts: Vec<(Name, Draft)> = judged
        .into_iter()
        .filter_map(|(name, judged)| match judged {
            Judged::Enabled(draft) => Some((name, *draft)),
            Judged::Disabled => None,
        })
        .collect();
    let mut specs = loader.connect(drafts, &names, &families, &disabled);
    specs.extend(request.main.clone().map(Spec::main));
    let places: LiteMap<Name, Place> =
        specs.iter().filter_map(|spec| Some((spec.name.clone(), spec.place.clone()?))).collect();
    let plan = match Plan::new(specs) {
        Ok(plan) => plan,
        Err(errors) => {
            loader.plan_errors(errors, &places);
            Plan::default()
        }
    };
    let mut problems = loader.problems;
    if problems.is_empty() {
        return Ok(Loaded { plan: plan.with_disabled(disabled), settings, remarks, foreign });
    }
    problems.sort();
    problems.dedup();
    Err(problems)
}

/// The instances of the services of which there are several, by the name of their file.
type Families = LiteMap<Name, Vec<Name>>;

/// The files of all sources.
#[derive(Debug, Default)]
struct Found {
    /// The file of each service, with what is in it.
    services: LiteMap<Name, (PathBuf, Content)>,
    /// Every `onit.toml` that is in force, with its text.
    settings: Vec<(PathBuf, Vec<u8>)>,
    /// What sources of other formats say about the supervisor itself.
    elsewhere: Raw,
    /// What is to be known of them.
    remarks: Vec<Remark>,
    /// Which those are, each with the name of its format.
    foreign: Vec<(PathBuf, &'static str)>,
}

/// What is known of a service when it is found.
#[derive(Debug)]
enum Content {
    /// The text of a file of our own format.
    Text(Result<Vec<u8>, Errno>),
    /// What a reader of another format made of it, and from where.
    Raw(Place, Raw),
}

struct Loader<'a> {
    files: &'a dyn Files,
    variables: Variables,
    problems: Vec<Problem>,
}

/// The name of the file that is about onit itself.
const SETTINGS_FILE: &str = "onit.toml";

impl<'a> Loader<'a> {
    fn new(request: &Request<'_>, files: &'a dyn Files) -> Self {
        let known = request.environment.iter().cloned().collect();
        let variables = Variables { known, is_elsewhere: request.is_elsewhere };
        Self { files, variables, problems: Vec::new() }
    }

    fn find(&mut self, request: &Request<'_>) -> Found {
        let mut found = Found::default();
        for source in request.sources {
            if let Some(reading) = request.foreign.read(source, self.files) {
                self.foreign(source, reading, request, &mut found);
                continue;
            }
            match self.files.list(source) {
                Ok(mut names) => {
                    names.sort();
                    let before = found.services.len();
                    for name in &names {
                        self.entry(source, name, request, &mut found);
                    }
                    let is_empty = found.services.len() == before;
                    if is_empty && request.main.is_none() && !self.has_problem_in(source) {
                        let problem = Problem::new(place(source), "no service in this directory");
                        let hint = "a service is a file such as web.toml with a `command`";
                        self.problems.push(problem.hint(hint));
                    }
                    self.settings_of(source, &mut found);
                }
                Err(errno) if errno == Errno::ENOTDIR => {
                    // A shell that was given *.toml names it too; it is found without that.
                    if source.file_name() != Some(OsStr::new(SETTINGS_FILE)) {
                        let text = self.files.read(source);
                        self.service_file(source, text, request, &mut found);
                    }
                    self.settings_of(above(source), &mut found);
                }
                Err(errno) => {
                    let problem = Problem::new(place(source), unreadable(errno));
                    let hint = "a source is a directory of service files, or one of them";
                    self.problems.push(problem.hint(hint));
                }
            }
        }
        if found.services.len() > SERVICES_MAX {
            let what = format!("more than {SERVICES_MAX} services");
            let place =
                request.sources.first().map_or_else(|| Place::file("sources"), |s| place(s));
            self.problems.push(Problem::new(place, what));
        }
        found
    }

    /// A source of another format.
    fn foreign(
        &mut self,
        source: &Path,
        reading: Reading,
        request: &Request<'_>,
        found: &mut Found,
    ) {
        let Reading { format, services, settings, problems, remarks } = reading;
        let is_wrong = !problems.is_empty();
        self.problems.extend(problems);
        if services.is_empty() && request.main.is_none() && !is_wrong {
            self.problems.push(Problem::new(place(source), "describes no service"));
        }
        for Described { name, place, raw } in services {
            let content = Content::Raw(place.clone(), raw);
            self.insert(name, source, place, content, request, found);
        }
        for (key, value) in settings.values {
            found.elsewhere.values.entry(key).or_insert(value);
        }
        found.remarks.extend(remarks);
        found.foreign.push((source.to_owned(), format));
        let is_directory = self.files.list(source).is_ok();
        self.settings_of(if is_directory { source } else { above(source) }, found);
    }

    fn has_problem_in(&self, source: &Path) -> bool {
        let prefix = source.display().to_string();
        self.problems.iter().any(|problem| problem.place.file.starts_with(&prefix))
    }

    /// A name in a source directory. What begins with `.`, or does not end in `.toml`, is not ours.
    fn entry(&mut self, source: &Path, name: &OsStr, request: &Request<'_>, found: &mut Found) {
        let bytes = name.as_encoded_bytes();
        if bytes.starts_with(b".") || !bytes.ends_with(b".toml") || name == SETTINGS_FILE {
            return;
        }
        let path = source.join(name);
        let text = self.files.read(&path);
        if text == Err(Errno::EISDIR) {
            return;
        }
        self.service_file(&path, text, request, found);
    }

    fn service_file(
        &mut self,
        path: &Path,
        text: Result<Vec<u8>, Errno>,
        request: &Request<'_>,
        found: &mut Found,
    ) {
        let place = place(path);
        let stem = path.file_stem().unwrap_or_default();
        if path.extension() != Some(OsStr::new("toml")) {
            let problem = Problem::new(place, "not a service file");
            let hint = "its name would end in .toml, and no other format is seen in it (--format)";
            self.problems.push(problem.hint(hint));
            return;
        }
        let name = match stem.to_str().map(Name::new) {
            Some(Ok(name)) => name,
            Some(Err(error)) => {
                self.problems
                    .push(Problem::new(place, format!("not a name of a service: {error}")));
                return;
            }
            None => {
                self.problems.push(Problem::new(place, "not a name of a service: not UTF-8"));
                return;
            }
        };
        self.insert(name, path, place, Content::Text(text), request, found);
    }

    /// Takes a service in, unless its name is taken.
    fn insert(
        &mut self,
        name: Name,
        path: &Path,
        place: Place,
        content: Content,
        request: &Request<'_>,
        found: &mut Found,
    ) {
        if name.as_str() == Name::ONIT || (name.as_str() == Name::MAIN && request.main.is_some()) {
            let hint = match content {
                Content::Text(_) => "give the file another name",
                Content::Raw(..) => "give it another name",
            };
            let what = format!("the name `{name}` is taken");
            self.problems.push(Problem::new(place, what).hint(hint));
            return;
        }
        if let Some((other, _)) = found.services.get(&name) {
            let what = format!("there is another `{name}` in {}", other.display());
            self.problems.push(Problem::new(place, what));
            return;
        }
        found.services.insert(name, (path.to_owned(), content));
    }

    /// The `onit.toml` of a source directory, else of its parent.
    fn settings_of(&mut self, directory: &Path, found: &mut Found) {
        let above = parent(directory).map(|parent| parent.join(SETTINGS_FILE));
        for path in std::iter::once(directory.join(SETTINGS_FILE)).chain(above) {
            match self.files.read(&path) {
                Ok(text) => {
                    if !found.settings.iter().any(|(known, _)| *known == path) {
                        found.settings.push((path, text));
                    }
                    return;
                }
                Err(errno) if [Errno::ENOENT, Errno::ENOTDIR].contains(&errno) => {}
                Err(errno) => {
                    self.problems.push(Problem::new(place(&path), unreadable(errno)));
                    return;
                }
            }
        }
    }

    fn settings_file(&mut self, found: &Found) -> RawSettings {
        let mut settings = found.settings.iter();
        let Some((path, bytes)) = settings.next() else { return RawSettings::default() };
        for (other, text) in settings {
            // The same file by two ways is no contradiction.
            if text != bytes {
                let what = format!("there is another one in force, {}", path.display());
                let hint = "onit has one configuration, whatever its sources";
                self.problems.push(Problem::new(place(other), what).hint(hint));
            }
        }
        let place = place(path);
        let Some(text) = self.text(bytes, &place) else { return RawSettings::default() };
        let (raw, problems) = file::settings(text, &place);
        self.problems.extend(problems);
        raw
    }

    fn text<'t>(&mut self, bytes: &'t [u8], place: &Place) -> Option<&'t str> {
        let text = std::str::from_utf8(bytes);
        if let Err(error) = &text {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
            let place = place.line(u32::try_from(line).unwrap_or(u32::MAX));
            self.problems.push(Problem::new(place, "not UTF-8"));
        }
        text.ok()
    }

    /// Judges a service, with what holds for all: each of its instances, if there are several.
    fn service(&mut self, described: Described, defaults: &Raw) -> Vec<(Name, Judged)> {
        let Described { name, place, mut raw } = described;
        with_defaults(&mut raw, defaults);
        let (names, problems) = check::instances(&name, &raw, &self.variables);
        self.problems.extend(problems);
        let Some(names) = names else {
            let (judged, problems) =
                check::service(name.clone(), None, &raw, &place, &self.variables);
            self.problems.extend(problems);
            return vec![(name, judged)];
        };
        if names.is_empty() {
            return vec![(name, Judged::Disabled)];
        }
        let mut variables = self.variables.clone();
        let mut all = Vec::new();
        for (number, instance) in (1u32..).zip(names) {
            variables.known.insert("INSTANCE".into(), number.to_string().into());
            let (judged, problems) =
                check::service(instance.clone(), Some(&name), &raw, &place, &variables);
            self.problems.extend(problems);
            all.push((instance, judged));
        }
        all
    }

    /// What a file says.
    fn raw(&mut self, path: &Path, text: &Result<Vec<u8>, Errno>) -> Option<Raw> {
        let place = place(path);
        let bytes = match text {
            Ok(bytes) => bytes,
            Err(errno) => {
                self.problems.push(Problem::new(place, unreadable(*errno)));
                return None;
            }
        };
        let (raw, problems) = file::service(self.text(bytes, &place)?, &place);
        let unreadable = raw.values.is_empty() && !problems.is_empty();
        self.problems.extend(problems);
        (!unreadable).then_some(raw)
    }

    /// Resolves whom services wait for.
    fn connect(
        &mut self,
        drafts: Vec<(Name, Draft)>,
        names: &BTreeSet<Name>,
        families: &Families,
        disabled: &[Name],
    ) -> Vec<Spec> {
        let kinds: LiteMap<Name, (Kind, Restart)> = drafts
            .iter()
            .map(|(name, draft)| (name.clone(), (draft.spec.kind, draft.spec.restart)))
            .collect();
        let mut specs = Vec::with_capacity(drafts.len());
        for (name, draft) in drafts {
            let Draft { mut spec, depends_on, consumers, after, restart_with } = draft;
            for (other, condition) in depends_on {
                for other_name in self.others(&spec, &other, names, families) {
                    if disabled.contains(&other_name) {
                        let what =
                            format!("`{name}` depends on `{other_name}`, which is not enabled");
                        let hint = "enable it, or write `after` instead of `depends_on`";
                        self.problems.push(Problem::new(other.place.clone(), what).hint(hint));
                        continue;
                    }
                    let Some((kind, restart)) = kinds.get(&other_name) else { continue };
                    if (condition, restart) == (Some(Condition::Completed), &Restart::Always) {
                        let what =
                            format!("`{other_name}` never completes: it is always restarted");
                        let hint = "make it a oneshot, or wait for `ready`";
                        self.problems.push(Problem::new(other.place.clone(), what).hint(hint));
                        continue;
                    }
                    let condition = condition.unwrap_or(match kind {
                        Kind::Oneshot => Condition::Completed,
                        Kind::Service | Kind::Main => Condition::Ready,
                    });
                    spec.depends_on.push(Dependency { name: other_name, condition });
                }
            }
            // Whoever is not enabled is not waited for.
            let is_there = |other: &Name| kinds.contains_key(other);
            for other in after {
                let others = self.others(&spec, &other, names, families);
                spec.after.extend(others.into_iter().filter(is_there));
            }
            for other in consumers {
                self.consumer(&mut spec, &other, names, families, &kinds);
            }
            for other in restart_with {
                let others = self.others(&spec, &other, names, families);
                spec.restart_with.extend(others.into_iter().filter(is_there));
            }
            if let Some(before) = specs.last() {
                spec.share(before);
            }
            specs.push(spec);
        }
        self.no_place_twice(&specs);
        let consumers: BTreeSet<Name> =
            specs.iter().flat_map(|spec| spec.log.consumers()).cloned().collect();
        for spec in &mut specs {
            spec.is_consumer = consumers.contains(&spec.name);
        }
        specs
    }

    /// One directory can be kept for one service only.
    fn no_place_twice(&mut self, specs: &[Spec]) {
        let mut kept: LiteMap<&Path, &Name> = LiteMap::new();
        for spec in specs {
            if let Some(directory) = &spec.supervise
                && let Some(other) = kept.insert(directory, &spec.name)
                && let Some(place) = &spec.place
            {
                let what = format!("`supervise` is that of `{other}`: {}", directory.display());
                let hint = "with instances, put ${INSTANCE} in it";
                self.problems.push(Problem::new(place.clone(), what).hint(hint));
            }
        }
    }

    /// Whoever reads what `spec` writes is started before it, and so stopped after it.
    fn consumer(
        &mut self,
        spec: &mut Spec,
        word: &At<String>,
        names: &BTreeSet<Name>,
        families: &Families,
        kinds: &LiteMap<Name, (Kind, Restart)>,
    ) {
        let is_own = word.value == spec.name.as_str();
        let is_for_all = spec.place.as_ref().is_some_and(|place| place.file != word.place.file);
        if is_own && is_for_all {
            // All write to it, says a file that holds for all: all but itself.
            let own = LogTarget::Service(spec.name.clone());
            let log = &mut *spec.log;
            for target in std::iter::once(&mut log.stdout).chain(&mut log.stderr) {
                if *target == own {
                    *target = LogTarget::Console;
                }
            }
            return;
        }
        if is_own {
            let what = format!("`{}` cannot read what it writes itself", spec.name);
            self.problems.push(Problem::new(word.place.clone(), what));
            return;
        }
        let others = self.others(spec, word, names, families);
        let what = match others.as_slice() {
            [] => return,
            [other] => match kinds.get(other) {
                Some((Kind::Service, _)) => {
                    if !spec.waits_for().any(|known| known == other) {
                        spec.after.push(other.clone());
                    }
                    return;
                }
                Some((Kind::Oneshot | Kind::Main, _)) => {
                    format!("`{other}` is no service that is kept running: nobody would read on")
                }
                None => format!("`{other}`, which is to read what it writes, is not enabled"),
            },
            [one, ..] => format!(
                "there are {} of `{}`: name the one that is to read, as `service:{one}`",
                others.len(),
                word.value
            ),
        };
        self.problems.push(Problem::new(word.place.clone(), what));
    }

    /// The services called `word`, which `spec` waits for: all its instances, if there are several.
    fn others(
        &mut self,
        spec: &Spec,
        word: &At<String>,
        names: &BTreeSet<Name>,
        families: &Families,
    ) -> Vec<Name> {
        let name = &spec.name;
        let is_own = |other: &Name| other.as_str() == word.value;
        if is_own(name) || spec.family.as_ref().is_some_and(is_own) {
            let what = format!("`{name}` waits for itself");
            self.problems.push(Problem::new(word.place.clone(), what));
            return Vec::new();
        }
        let known = Name::new(&word.value).ok().filter(|other| names.contains(other));
        let Some(known) = known else {
            let what = format!("there is no service `{}`", word.value);
            let problem = Problem::new(word.place.clone(), what);
            let problem = match nearest(&word.value, names.iter().map(Name::as_str)) {
                Some(best) => problem.hint(format!("did you mean `{best}`?")),
                None => problem,
            };
            self.problems.push(problem);
            return Vec::new();
        };
        families.get(&known).cloned().unwrap_or_else(|| vec![known])
    }

    fn plan_errors(&mut self, errors: Vec<PlanError>, places: &LiteMap<Name, Place>) {
        for error in errors {
            let first = match &error {
                PlanError::Duplicate(name) => Some(name),
                PlanError::Missing { service, .. } => Some(service),
                PlanError::Cycle(names) => names.first(),
            };
            let place = first.and_then(|name| places.get(name)).cloned();
            let place = place.unwrap_or_else(|| Place::file("sources"));
            self.problems.push(Problem::new(place, error.to_string()));
        }
    }

    // ---- what is set for onit itself: option, else variable, else onit.toml ----

    fn settings(&mut self, raw: &Raw, options: &Options) -> Settings {
        let default = Settings::default();
        let mut check = Check::new(raw, &self.variables);
        let from_file = Settings {
            stop_timeout: check.duration("stop_timeout"),
            stop_signals: check.signals("stop_signals"),
            format: check.choice("log.format", "a format", &FORMATS).unwrap_or(default.format),
            timestamps: check.boolean("log.timestamps").unwrap_or(default.timestamps),
            level: check.choice("log.level", "a level", &LEVELS),
            socket: check.path("control.socket"),
        };
        let mut overrides = Raw::default();
        let given = |option: &Option<OsString>, name: &str, variable: &str| {
            let own = option.clone().map(|value| (format!("--{name}"), value));
            let ours = || self.variables.known.get(OsStr::new(variable)).cloned();
            own.or_else(|| Some((variable.to_owned(), ours()?)))
        };
        let all = [
            ("stop_timeout", given(&options.stop_timeout, "stop-timeout", "ONIT_STOP_TIMEOUT")),
            ("stop_signals", given(&options.stop_signals, "stop-signals", "ONIT_STOP_SIGNALS")),
            ("log.format", given(&options.log_format, "log-format", "ONIT_LOG_FORMAT")),
            ("log.level", given(&options.log_level, "log-level", "ONIT_LOG_LEVEL")),
            (
                "log.timestamps",
                given(&options.log_timestamps, "log-timestamps", "ONIT_LOG_TIMESTAMPS"),
            ),
            ("control.socket", given(&options.socket, "socket", "ONIT_SOCKET")),
        ];
        for (key, value) in all {
            let Some((place, text)) = value else { continue };
            let place = Place::file(place);
            match text.to_str() {
                Some("") => {}
                // The text is meant as it is: a variable in a variable is none.
                Some(text) => {
                    let value = Value::Text(text.replace('$', "$$"));
                    overrides.values.insert(key, At { value, place });
                }
                None => check.problems.push(Problem::new(place, "not UTF-8")),
            }
        }
        let problems = std::mem::take(&mut check.problems);
        let mut check = Check::new(&overrides, &self.variables);
        check.problems = problems;
        let settings = Settings {
            stop_timeout: check.seconds("stop_timeout").or(from_file.stop_timeout),
            stop_signals: check.separated_signals("stop_signals").unwrap_or(from_file.stop_signals),
            format: check.choice("log.format", "a format", &FORMATS).unwrap_or(from_file.format),
            timestamps: check.yes_or_no("log.timestamps").unwrap_or(from_file.timestamps),
            level: check.choice("log.level", "a level", &LEVELS).or(from_file.level),
            socket: check.path("control.socket").or(from_file.socket),
        };
        self.problems.extend(check.problems);
        settings
    }
}

/// The levels by name.
const LEVELS: [(&str, Level); 4] = [
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
];

impl Check<'_> {
    fn signals(&mut self, key: &str) -> Vec<Signal> {
        let words = self.list(key).unwrap_or_default();
        let words: Vec<_> = words.iter().filter_map(|item| self.word_of(item)).collect();
        words.iter().filter_map(|word| self.stop_signal(word)).collect()
    }

    fn separated_signals(&mut self, key: &str) -> Option<Vec<Signal>> {
        let list = self.word(key)?;
        let words = list.value.split([',', ' ']).filter(|word| !word.is_empty());
        let words = words.map(|word| At { value: word.to_owned(), place: list.place.clone() });
        Some(words.filter_map(|word| self.stop_signal(&word)).collect())
    }

    fn stop_signal(&mut self, word: &At<String>) -> Option<Signal> {
        let signal = self.signal(word)?;
        // HUP asks for a reload; the others cannot be caught, or say that onit itself is broken.
        let unfit = [1, 4, 5, 6, 7, 8, 9, 11, 17, 19, 31, 32, 33];
        if unfit.contains(&signal.number()) {
            let what = format!("{signal} cannot ask for a stop");
            self.problems.push(Problem::new(word.place.clone(), what));
            return None;
        }
        Some(signal)
    }

    /// A duration in which a bare number means seconds, as people write it outside of files.
    fn seconds(&mut self, key: &str) -> Option<Duration> {
        let word = self.word(key)?;
        match word.value.parse::<u32>() {
            Ok(seconds) => Some(Duration::from_secs(seconds.into())),
            Err(_) => self.duration(key),
        }
    }
}

/// Adds what holds for every service that does not say otherwise.
fn with_defaults(raw: &mut Raw, defaults: &Raw) {
    // A list of signals brings its own times: of the two, what the service itself says holds.
    let is_list = |raw: &Raw| raw.values.get("stop.signal").is_some_and(|v| v.value.is_list());
    let has_times = is_list(raw);
    let needs_no_list = raw.values.contains_key("stop.timeout") && is_list(defaults);
    for (key, value) in &defaults.values {
        let gives_way = match *key {
            "stop.timeout" => has_times,
            "stop.signal" => needs_no_list,
            _ => false,
        };
        if !gives_way {
            raw.values.entry(key).or_insert_with(|| value.clone());
        }
    }
}

/// The directory a file is in.
fn above(file: &Path) -> &Path {
    file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

fn place(path: &Path) -> Place {
    Place::file(path.display().to_string())
}

/// The directory above; none above the root.
fn parent(directory: &Path) -> Option<PathBuf> {
    match directory.file_name() {
        Some(_) => directory.parent().map(Path::to_owned),
        None if directory.has_root() && directory.parent().is_none() => None,
        // Of `.` and `..` the text does not say what is above.
        None => Some(directory.join("..")),
    }
}

/// Why a file cannot be read, in words.
#[must_use]
pub fn unreadable(errno: Errno) -> String {
    match errno {
        Errno::EINVAL => "cannot be read: not a regular file".to_owned(),
        Errno::EFBIG => {
            format!("cannot be read: larger than {} KiB", SERVICE_FILE_BYTES_MAX / 1024)
        }
        other => format!("cannot be read: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_above_is_the_one_the_kernel_would_find() {
        let check = |directory: &str, expected: Option<&str>| {
            assert_eq!(parent(Path::new(directory)), expected.map(PathBuf::from), "{directory}");
        };
        check("/etc/onit/services", Some("/etc/onit"));
        check("services/", Some(""));
        check(".", Some("./.."));
        check("a/..", Some("a/../.."));
        check("/", None);
    }
}
