//! Becoming another user and then another program, in this very process: what gosu, su-exec,
//! setuidgid and setuser do. Whom a name means is decided where it is for services, in `users.rs`.

use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{Gid, Uid, execvpe, setgroups, setresgid, setresuid};

use super::environment::DEFAULT_PATH;
use super::relay::errno;
use super::signals;
use super::users::{Account, Database, Identity, Own, Request};
use crate::service::{Argv, Failure, Who};

/// Becomes `user` and `group`, as far as they are given, and executes `argv`. Comes back only to
/// say why that did not work.
#[must_use]
pub fn execute(
    user: Option<&Who>,
    group: Option<&Who>,
    argv: &Argv,
    environment: Vec<(OsString, OsString)>,
) -> Failure {
    match become_it(user, group) {
        Err(failure) => failure,
        Ok(account) => executed(argv, with_account(environment, account)),
    }
}

fn become_it(user: Option<&Who>, group: Option<&Who>) -> Result<Option<Account>, Failure> {
    refuse_to_be_setuid()?;
    let database = Database::read();
    let account = user.map(|who| database.account(who)).transpose()?;
    let Some(identity) = database.resolve(Request { user, group, groups: None }, &Own::now())?
    else {
        return Ok(account);
    };
    let Identity { uid, gid, groups, .. } = identity;
    // What is named is what was asked for.
    let name = |what: &'static str, who: Option<&Who>, id: u32| {
        let word = match who {
            Some(Who::Named(name)) => name.clone(),
            Some(Who::Number(_)) | None => id.to_string(),
        };
        move |error| Failure::errno(what, word, errno(error))
    };
    if let Some(groups) = groups {
        let groups: Vec<Gid> = groups.into_iter().map(Gid::from_raw).collect();
        setgroups(&groups).map_err(name("join the groups of", user.or(group), gid))?;
    }
    let own = Gid::from_raw(gid);
    setresgid(own, own, own).map_err(name("join group", group, gid))?;
    if let Some(uid) = uid {
        let own = Uid::from_raw(uid);
        setresuid(own, own, own).map_err(name("become user", user, uid))?;
    }
    Ok(account)
}

/// With a setuid or setgid bit anybody could become anybody.
fn refuse_to_be_setuid() -> Result<(), Failure> {
    let refuse = || {
        let why =
            "this program has a setuid or setgid bit, and anybody could become anybody with it";
        Err(Failure::known("step", "down", why))
    };
    // SAFETY: getauxval takes a number. Not 0: the kernel has given us more than who started us.
    if unsafe { libc::getauxval(libc::AT_SECURE) } != 0 {
        return refuse();
    }
    match fs::metadata("/proc/self/exe") {
        Ok(found) if found.mode() & (libc::S_ISUID | libc::S_ISGID) != 0 => refuse(),
        // Without /proc what the kernel says is all there is.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn with_account(
    mut environment: Vec<(OsString, OsString)>,
    account: Option<Account>,
) -> Vec<(OsString, OsString)> {
    let Some(Account { name, home, shell }) = account else { return environment };
    let all = [("HOME", Some(home)), ("USER", name.clone()), ("LOGNAME", name), ("SHELL", shell)];
    // What is inherited speaks of somebody else.
    environment.retain(|(known, _)| all.iter().all(|(name, _)| known != name));
    environment.extend(all.into_iter().filter_map(|(name, value)| Some((name.into(), value?))));
    environment
}

fn executed(argv: &Argv, mut environment: Vec<(OsString, OsString)>) -> Failure {
    let program = argv.program.to_string_lossy().into_owned();
    if environment.iter().all(|(name, _)| name != "PATH") {
        environment.push(("PATH".into(), DEFAULT_PATH.into()));
    }
    let text = |words: Vec<u8>| CString::new(words).map_err(|_| ());
    let joined =
        |(name, value): &(OsString, OsString)| [name.as_bytes(), b"=", value.as_bytes()].concat();
    let words: Result<Vec<CString>, ()> =
        argv.words().map(|word: &OsString| text(OsStr::as_bytes(word).to_vec())).collect();
    let variables: Result<Vec<CString>, ()> =
        environment.iter().map(|it| text(joined(it))).collect();
    let (Ok(words), Ok(variables), Ok(name)) =
        (words, variables, text(argv.program.as_bytes().to_vec()))
    else {
        return Failure::known(Failure::EXECUTE, program, "there is a NUL byte in its words");
    };
    // execvpe(3) looks in our PATH, which is the one it gets.
    // SAFETY: the default disposition installs no handler.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    signals::release();
    match execvpe(&name, &words, &variables) {
        Ok(never) => match never {},
        Err(error) => Failure::errno(Failure::EXECUTE, program, errno(error)),
    }
}
