//! `onit convert`: any source as service files of our own format, with what has no counterpart.

use std::ffi::OsString;
use std::path::Path;

use super::args::Convert;
use super::boot::{self, Disk};
use super::{USAGE, check as listing, complain, say};
use crate::config::{self, Options, Request, Written, write};
use crate::linux::{files, signals};
use crate::service::{Failure, Problem};

/// It is done, and something is to be known about it.
const REMARKS: u8 = 1;

/// A file as it is to be written.
struct File {
    name: String,
    text: String,
}

/// Prints or writes the sources as service files.
pub fn run(convert: &Convert) -> u8 {
    signals::release();
    let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let foreign = match boot::formats(&convert.reading, &environment) {
        Ok(foreign) => foreign,
        Err(text) => {
            complain(&text);
            return USAGE;
        }
    };
    let request = Request {
        sources: &convert.sources,
        foreign: &foreign,
        main: None,
        environment: &environment,
        // What is converted runs elsewhere, where other variables are set.
        is_elsewhere: true,
        options: Options::default(),
    };
    let written = config::read(&request, &Disk);
    if let Err(problems) = config::judge(written.clone(), &request, &Disk) {
        complain(&refused(&problems));
        return USAGE;
    }
    let remarks = listing::remarks(&written.remarks);
    let files = files(written);
    match &convert.output {
        None => say(&printed(&files)),
        Some(directory) => match write_all(&files, directory) {
            Ok(said) => say(&said),
            Err(failure) => {
                complain(&format!("onit: {failure}; nothing was written\n"));
                return USAGE;
            }
        },
    }
    complain(&remarks);
    if remarks.is_empty() { 0 } else { REMARKS }
}

fn refused(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        text.push_str(&format!("{problem}\n"));
    }
    let plural = if problems.len() == 1 { "" } else { "s" };
    format!("{text}{} problem{plural}; nothing was converted\n", problems.len())
}

/// Every file that comes of it, by its name.
fn files(written: Written) -> Vec<File> {
    let Written { services, settings, remarks, .. } = written;
    let mut files = Vec::new();
    if let Some(text) = write::settings(&settings) {
        files.push(File { name: "onit.toml".to_owned(), text });
    }
    for (name, service) in services {
        let text = write::service(&write::minimal(service), &remarks);
        files.push(File { name: format!("{name}.toml"), text });
    }
    files
}

/// All of them as one text, each below its name.
fn printed(files: &[File]) -> String {
    if let [file] = files {
        return file.text.clone();
    }
    let below = |file: &File| format!("### {}\n{}", file.name, file.text);
    files.iter().map(below).collect::<Vec<_>>().join("\n")
}

/// Writes all of them or, if one is there already, none.
fn write_all(files: &[File], directory: &Path) -> Result<String, Failure> {
    let failed = |path: &Path| {
        let place = path.display().to_string();
        move |errno| Failure::errno("write", place, errno)
    };
    files::make_directory(directory).map_err(failed(directory))?;
    if let Some(path) = files
        .iter()
        .map(|file| directory.join(&file.name))
        .find(|path| path.symlink_metadata().is_ok())
    {
        let place = path.display().to_string();
        return Err(Failure::known("write", place, "it is there already"));
    }
    let mut said = String::new();
    for file in files {
        let path = directory.join(&file.name);
        files::write_new(&path, &file.text).map_err(failed(&path))?;
        said.push_str(&format!("{}\n", path.display()));
    }
    Ok(said)
}
