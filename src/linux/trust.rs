//! What root executes on somebody's word: files and directories that others may write.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::geteuid;

use super::relay::lock;
use crate::service::{Argv, Plan, Spec};

/// Says once of each path that others may write it.
#[derive(Debug, Default)]
pub struct Trust {
    told: Mutex<BTreeSet<PathBuf>>,
}

impl Trust {
    /// Looks at the files that describe the services of a plan, at the directories these are in,
    /// and at the programs they name by a path. Only root has something to lose by it.
    pub fn look(&self, plan: &Plan) {
        if !geteuid().is_root() {
            return;
        }
        for node in plan.nodes() {
            for path in paths(&node.spec) {
                if let Some(who) = others(&path) {
                    self.tell(&node.spec, &path, &who);
                }
            }
        }
    }

    fn tell(&self, spec: &Spec, path: &Path, who: &str) {
        if lock(&self.told).insert(path.to_owned()) {
            let path = path.display();
            log::warn!("{}: {path} may be changed by {who}, who can be root that way", spec.name);
        }
    }
}

/// What a service is described by and made of.
fn paths(spec: &Spec) -> Vec<PathBuf> {
    let file = spec.place.as_ref().map(|place| PathBuf::from(&*place.file));
    let directory = file.as_ref().and_then(|file| file.parent()).map(Path::to_owned);
    let directory = directory.filter(|directory| !directory.as_os_str().is_empty());
    let hooks =
        spec.hooks.before_start.iter().chain(&spec.hooks.after_exit).chain(&spec.stop.command);
    let programs = std::iter::once(&spec.command).chain(hooks);
    // In another root directory the same path is another file.
    let programs = programs.filter(|_| spec.attributes.root.is_none()).flat_map(Argv::words);
    // The `./run` of a service directory is looked for from there.
    let from = spec.attributes.directory.as_deref().unwrap_or(Path::new(""));
    let is_path = |word: &&OsString| word.as_bytes().contains(&b'/');
    let programs = programs.filter(is_path).map(|word| from.join(word));
    let programs = programs.filter(|path| path.is_absolute() && path.is_file());
    file.into_iter().chain(directory).chain(programs).collect()
}

/// Who else may write there; none: nobody, or on a read-only mount nobody any more. A ConfigMap of
/// Kubernetes is a directory with mode 0777 on one.
fn others(path: &Path) -> Option<String> {
    let found: Metadata = path.metadata().ok()?;
    // A device is there for everybody.
    if !found.is_file() && !found.is_dir() {
        return None;
    }
    let who = if found.mode() & libc::S_IWOTH != 0 {
        "anybody".to_owned()
    } else if found.mode() & libc::S_IWGRP != 0 && found.gid() != 0 {
        format!("group {}", found.gid())
    } else if found.uid() != 0 {
        format!("user {}", found.uid())
    } else {
        return None;
    };
    let is_read_only = statvfs(path).is_ok_and(|found| found.flags().contains(FsFlags::ST_RDONLY));
    (!is_read_only).then_some(who)
}
