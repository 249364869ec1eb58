//! Further files that an ini file names: patterns, relative to the file itself.

use std::path::Path;

use super::ini::{Dialect, Ini};
use super::sheet::Notes;
use super::{Source, glob, sheet};
use crate::config::file::At;
use crate::config::unreadable;
use crate::limits::INCLUDES_MAX;
use crate::service::Place;

/// Reads every file that one of `patterns` stands for into `ini`; `option` is who names them.
pub fn read(
    source: &Source<'_>,
    option: &str,
    patterns: &[At<String>],
    dialect: Dialect,
    ini: &mut Ini,
    notes: &mut Notes,
) {
    // Places read as the user knows them: relative to what he named.
    let base = source.path.parent().unwrap_or(Path::new(""));
    let mut count: usize = 0;
    for At { value: pattern, place } in patterns {
        let found = glob::matching(source.files, base, pattern);
        if found.is_empty() {
            let what = format!("{option} names {pattern}, and there is no such file");
            notes.remark(place, None, None, what);
        }
        for path in found {
            count = count.saturating_add(1);
            if count > INCLUDES_MAX {
                notes.problem(place, format!("more than {INCLUDES_MAX} files are included"));
                return;
            }
            let file = Place::file(path.display().to_string());
            match source.files.read(&path) {
                Ok(bytes) => match sheet::text(&bytes, &file) {
                    Ok(text) => ini.read(text, &file, dialect, notes),
                    Err(problem) => notes.problems.push(problem),
                },
                Err(errno) => notes.problem(&file, unreadable(errno)),
            }
        }
    }
}
