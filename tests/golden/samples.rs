//! Real files of public images, where they are at hand: what onit makes of each agrees with what
//! the program it was written for makes of it. `ONIT_SAMPLES` names the folder, else it is looked
//! for beside the checkout; without it there is nothing to compare, and that is said.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use onit::config::{Loaded, Request, load};
use onit::formats::{Formats, Surroundings};
use onit::service::{Address, Inherit, LogTarget, Problem, Restart, Spec, SuccessCode, Who};
use serde_json::Value as Json;

use super::Disk;

/// Differences that are meant: file, what of it, why.
const MEANT: &[(&str, &str, &str)] = &[
    (
        "01b-selenium-node.conf",
        "selenium-node command",
        "a shell that kills supervisord: `on_success` does it",
    ),
    (
        "02b-dms-services.conf",
        "postfix command",
        "pidproxy is left out: the program stays in the foreground",
    ),
    (
        "07-ganymede.conf",
        "exit_on_failure",
        "a listener that ends supervisord: `on_failure` does it",
    ),
    (
        "10a-icinga2-fatal-listener.conf",
        "fatalservice",
        "a listener that ends supervisord: `on_failure` does it",
    ),
];

fn folder(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("ONIT_SAMPLES").map(PathBuf::from);
    let beside = || Some(Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.join("shared/samples"));
    let folder = named.or_else(beside)?.join(name);
    folder.join("parsed.json").is_file().then_some(folder)
}

fn parsed(folder: &Path) -> BTreeMap<String, Json> {
    serde_json::from_slice(&fs::read(folder.join("parsed.json")).unwrap()).unwrap()
}

/// The variables a file asks for, each with the value that the original was given for it.
fn environment(text: &str) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for piece in text.split("%(ENV_").skip(1) {
        let name = piece.split(')').next().unwrap();
        let value = match name.ends_with("LOG_LEVEL") {
            true => "info".to_owned(),
            false => format!("ENV_{name}_VALUE"),
        };
        environment.insert(name.to_owned(), value);
    }
    environment
}

fn loaded(path: &Path, environment: BTreeMap<String, String>) -> Result<Loaded, Vec<Problem>> {
    let pairs: Vec<(OsString, OsString)> =
        environment.iter().map(|(n, v)| (n.into(), v.into())).collect();
    let surroundings = Surroundings {
        environment: environment.into_iter().collect(),
        directory: "/app".into(),
        ..Surroundings::default()
    };
    let foreign = Formats { format: None, surroundings };
    let sources = [path.to_owned()];
    let request =
        Request { sources: &sources, foreign: &foreign, environment: &pairs, ..Request::default() };
    load(&request, &Disk)
}

#[test]
fn supervisords_own_parser_agrees() {
    let Some(folder) = folder("supervisord") else {
        eprintln!("skipped: no samples at hand; see ONIT_SAMPLES");
        return;
    };
    let mut compared = 0;
    let mut differences = Vec::new();
    for (file, expected) in parsed(&folder) {
        let path = folder.join(&file);
        let environment = environment(&fs::read_to_string(&path).unwrap());
        let loaded = loaded(&path, environment);
        if expected.get("error").is_some() {
            assert!(loaded.is_err(), "{file} is refused by supervisord");
            continue;
        }
        let specs: BTreeMap<String, Spec> = match &loaded {
            Ok(loaded) => loaded
                .plan
                .nodes()
                .iter()
                .map(|node| (node.spec.name.to_string(), Spec::clone(&node.spec)))
                .collect(),
            // A file of settings, or of nothing but a listener.
            Err(problems) => {
                let only = problems.iter().all(|problem| problem.what == "describes no service");
                assert!(only, "{file}: {problems:#?}");
                BTreeMap::new()
            }
        };
        let groups = expected["groups"].as_object().unwrap();
        for (name, process) in
            groups.values().flat_map(|group| group["processes"].as_object().unwrap())
        {
            match specs.get(name) {
                None => differences.push((file.clone(), name.clone())),
                Some(spec) => {
                    compared += 1;
                    let found = program_differences(spec, process);
                    differences.extend(found.map(|what| (file.clone(), format!("{name} {what}"))));
                }
            }
        }
    }
    let unmeant: Vec<_> = differences
        .iter()
        .filter(|(file, what)| !MEANT.iter().any(|(f, w, _)| f == file && w == what))
        .collect();
    assert!(unmeant.is_empty(), "{unmeant:#?}");
    assert_eq!(differences.len(), MEANT.len(), "a difference that is listed is gone");
    assert!(compared >= 30, "{compared}");
}

/// The words of a command as Python's shlex has them, by a reader of its own.
fn words(command: &str) -> Vec<String> {
    onit::formats::words::split(command).unwrap()
}

fn program_differences<'a>(
    spec: &'a Spec,
    process: &'a Json,
) -> impl Iterator<Item = &'static str> {
    let text = |key: &str| process[key].as_str();
    let number = |key: &str| process[key].as_u64().unwrap();
    let command: Vec<String> =
        spec.command.words().map(|word| word.to_string_lossy().into_owned()).collect();
    let environment: BTreeMap<String, String> = spec
        .environment
        .variables
        .iter()
        .map(|(name, value)| (name.to_str().unwrap().into(), value.to_str().unwrap().into()))
        .collect();
    let expected_environment: BTreeMap<String, String> = process["environment"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    let autorestart = match (process["autorestart"].as_bool(), text("autorestart")) {
        (Some(false), _) => Restart::Never,
        (Some(true), _) | (None, Some("true")) => Restart::Always,
        (None, _) => Restart::OnFailure,
    };
    let codes: Vec<SuccessCode> = process["exitcodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| SuccessCode::Code(u8::try_from(code.as_u64().unwrap()).unwrap()))
        .collect();
    let tries = if number("startsecs") == 0 { 0 } else { number("startretries") + 1 };
    let is_backed_off = spec.restart != Restart::Never;
    let directory = spec.attributes.directory.as_ref().map(|path| path.to_str().unwrap());
    let signal = spec.stop.steps[0].signal.to_string();
    [
        ("command", command == words(text("command").unwrap())),
        ("environment", environment == expected_environment),
        ("directory", directory == text("directory")),
        ("autostart", spec.autostart == process["autostart"].as_bool().unwrap()),
        ("restart", spec.restart == autorestart),
        ("exit codes", *spec.success_codes == codes),
        ("tries", !is_backed_off || u64::from(spec.backoff.limit) == tries),
        (
            "startsecs",
            !is_backed_off
                || tries == 0
                || spec.backoff.reset_after == Duration::from_secs(number("startsecs")),
        ),
        ("stop signal", Some(signal.as_str()) == text("stopsignal")),
        ("stop time", spec.stop.timeout == Duration::from_secs(number("stopwaitsecs"))),
    ]
    .into_iter()
    .filter(|(_, agrees)| !agrees)
    .map(|(what, _)| what)
}

/// A reference that circus has left, because it was not given the variable, with its value.
fn with_values(text: &str) -> String {
    text.split("$(circus.env.")
        .enumerate()
        .map(|(number, piece)| match piece.split_once(')') {
            Some((name, after)) if number > 0 => format!("/value/of/{name}{after}"),
            Some(_) | None => piece.to_owned(),
        })
        .collect()
}

/// What circus knows of its own environment when it reads a file: the variables it was given for
/// `parsed.json`, and a value for each that it was not given.
fn circus_environment(text: &str) -> BTreeMap<String, String> {
    let given = [("HOME", "/root"), ("PATH", "/usr/bin:/bin"), ("PORT", "8080")];
    let mut environment: BTreeMap<String, String> =
        given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    for piece in text.split("$(circus.env.").skip(1) {
        let name = piece.split(')').next().unwrap().to_owned();
        let value = format!("/value/of/{name}");
        environment.entry(name).or_insert(value);
    }
    environment
}

#[test]
fn circus_own_parser_agrees() {
    let Some(folder) = folder("circus") else {
        eprintln!("skipped: no samples at hand; see ONIT_SAMPLES");
        return;
    };
    let mut compared = 0;
    for (file, expected) in parsed(&folder) {
        let path = folder.join(&file);
        let environment = circus_environment(&fs::read_to_string(&path).unwrap());
        let watchers = expected["watchers"].as_array().unwrap();
        let loaded = match loaded(&path, environment) {
            Ok(loaded) => loaded,
            // It only includes what is not here.
            Err(_) if watchers.is_empty() => continue,
            Err(problems) => panic!("{file}: {problems:#?}"),
        };
        for watcher in watchers {
            let name = watcher["name"].as_str().unwrap();
            let is_its = |spec: &Spec| spec.family.as_ref().unwrap_or(&spec.name).as_str() == name;
            let specs = loaded.plan.nodes().iter().map(|node| Spec::clone(&node.spec));
            let specs: Vec<Spec> = specs.filter(is_its).collect();
            assert_eq!(Some(specs.len() as u64), watcher["numprocesses"].as_u64(), "{file} {name}");
            let found: Vec<_> =
                watcher_differences(&specs[0], watcher, &expected["sockets"]).collect();
            assert!(found.is_empty(), "{file} {name}: {found:?}");
            compared += 1;
        }
    }
    assert!(compared >= 10, "{compared}");
}

fn watcher_differences<'a>(
    spec: &'a Spec,
    watcher: &'a Json,
    sockets: &'a Json,
) -> impl Iterator<Item = &'static str> {
    let text = |key: &str| watcher[key].as_str().map(with_values);
    let is = |key: &str| watcher[key].as_bool().unwrap();
    let mut command = words(&text("cmd").unwrap());
    command.extend(words(&text("args").unwrap()));
    let mut listen = Vec::new();
    for socket in sockets.as_array().unwrap() {
        let name = socket["name"].as_str().unwrap();
        // The number of a descriptor is known when circus starts the program, which is later.
        let reference = format!("$(circus.sockets.{name})");
        for word in command.iter_mut().filter(|word| word.contains(&reference)) {
            *word = word.replace(&reference, &(3 + listen.len()).to_string());
        }
        if is("use_sockets") {
            let part = |key: &str| socket[key].as_str().unwrap();
            let address = format!("{}:{}", part("host"), part("port")).parse().unwrap();
            listen.push(Some(Address::Tcp(address)));
        }
    }
    let found: Vec<_> =
        spec.command.words().map(|word| word.to_string_lossy().into_owned()).collect();
    // `__name__` is of the parser; that circus hands it on is none of the file's doing.
    let expected: BTreeMap<String, String> = watcher["env"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| *name != "__name__")
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    let mut environment = match spec.environment.inherit {
        Inherit::All => circus_environment(""),
        Inherit::Nothing | Inherit::Patterns(_) => BTreeMap::new(),
    };
    let own = spec.environment.variables.iter();
    environment
        .extend(own.map(|(n, v)| (n.to_str().unwrap().into(), v.to_str().unwrap().to_owned())));
    let who = |who: &Option<Who>| match who {
        Some(Who::Named(name)) => Some(name.clone()),
        Some(Who::Number(number)) => Some(number.to_string()),
        None => None,
    };
    let file = |target: &LogTarget| match target {
        LogTarget::File(path) => Some(path.to_str().unwrap().to_owned()),
        LogTarget::Console | LogTarget::Discard | LogTarget::Inherit | LogTarget::Service(_) => {
            None
        }
    };
    let stream = |key: &str| watcher[key]["filename"].as_str().map(str::to_owned);
    let directory = text("working_dir").map(PathBuf::from);
    [
        ("command", found == command),
        ("environment", environment == expected),
        ("directory", spec.attributes.directory == directory),
        ("user", who(&spec.attributes.user) == text("uid")),
        ("group", who(&spec.attributes.group) == text("gid")),
        ("sockets", spec.listen.iter().map(|socket| socket.address.clone()).eq(listen)),
        ("autostart", spec.autostart == is("autostart")),
        ("respawn", (spec.restart == Restart::Always) == is("respawn")),
        (
            "stop time",
            Some(spec.stop.timeout.as_secs_f64()) == watcher["graceful_timeout"].as_f64(),
        ),
        (
            "stop signal",
            Some(i64::from(spec.stop.steps[0].signal.number())) == watcher["stop_signal"].as_i64(),
        ),
        ("standard output", file(&spec.log.stdout) == stream("stdout_stream")),
        ("standard error", spec.log.stderr.as_ref().and_then(file) == stream("stderr_stream")),
    ]
    .into_iter()
    .filter(|(_, agrees)| !agrees)
    .map(|(what, _)| what)
}
