//! Whom a name means: users and groups from /etc/passwd and /etc/group, read by onit itself,
//! because a static glibc has no NSS; and which ids a request comes to. Changes no id.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use nix::unistd::{getegid, geteuid, getgroups};

use super::files;
use crate::limits::TEXT_FILE_BYTES_MAX;
use crate::service::{Errno, Failure, Who};

/// The two files, as they were when they were read. One that is missing is empty: an image made
/// from scratch has neither, and numbers need none.
#[derive(Debug)]
pub struct Database {
    passwd: Result<Vec<u8>, Errno>,
    group: Result<Vec<u8>, Errno>,
}

/// The ids of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its supplementary groups.
    pub groups: Vec<u32>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// As whom.
    pub user: Option<&'a Who>,
    /// In which group; none: the user's.
    pub group: Option<&'a Who>,
    /// In which further groups; none: those /etc/group gives the user, with an explicit group none.
    pub groups: Option<&'a [Who]>,
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user; none: unchanged.
    pub uid: Option<u32>,
    /// The group.
    pub gid: u32,
    /// The supplementary groups; none: there is nothing to change, so that nobody need be allowed
    /// to, as in a user namespace that denies setgroups(2).
    pub groups: Option<Vec<u32>>,
    /// What the environment says about the user; none if no user was asked for.
    pub account: Option<Account>,
}

/// What the environment says about a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `USER` and `LOGNAME`; none for a number without an entry.
    pub name: Option<OsString>,
    /// `HOME`.
    pub home: OsString,
    /// `SHELL`; none for a number without an entry.
    pub shell: Option<OsString>,
}

/// A line of /etc/passwd; see passwd(5).
struct User<'a> {
    name: &'a [u8],
    uid: u32,
    gid: u32,
    home: &'a [u8],
    shell: &'a [u8],
}

/// A line of /etc/group; see group(5).
struct Group<'a> {
    name: &'a [u8],
    gid: u32,
    members: &'a [u8],
}

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

impl Database {
    /// Reads both files. What cannot be read is a failure only for who needs it.
    #[must_use]
    pub fn read() -> Self {
        let read = |path: &str| match files::read(Path::new(path), TEXT_FILE_BYTES_MAX) {
            Err(Errno::ENOENT) => Ok(Vec::new()),
            result => result,
        };
        Self { passwd: read(PASSWD), group: read(GROUP) }
    }

    /// The texts of the two files.
    #[must_use]
    pub fn new(passwd: impl Into<Vec<u8>>, group: impl Into<Vec<u8>>) -> Self {
        Self { passwd: Ok(passwd.into()), group: Ok(group.into()) }
    }

    /// What `request` comes to for a process with the ids `own`; none if it asks for nothing, or
    /// for the user it already is.
    ///
    /// # Errors
    /// A name that is in neither file, or a file that cannot be read and is needed.
    pub fn resolve(&self, request: Request<'_>, own: &Own) -> Result<Option<Identity>, Failure> {
        let user = request.user.map(|who| self.user(who)).transpose()?;
        if request.group.is_none() && request.groups.is_none() {
            match &user {
                None => return Ok(None),
                Some((uid, _)) if *uid == own.uid => return Ok(None),
                Some(_) => {}
            }
        }
        // A number without an entry has no group of its own and keeps ours, as with an engine's
        // `--user 1234`; images for arbitrary users rely on it.
        let entry = user.as_ref().and_then(|(_, entry)| entry.as_ref());
        let gid = match request.group {
            Some(who) => self.gid(who)?,
            None => entry.map_or(own.gid, |entry| entry.gid),
        };
        let mut groups = vec![gid];
        match (request.groups, request.group, entry) {
            (Some(asked), _, _) => {
                for who in asked {
                    groups.push(self.gid(who)?);
                }
            }
            (None, None, Some(entry)) => groups.extend(self.memberships(entry.name)),
            // "Only that group", or a user no file knows.
            (None, Some(_), _) | (None, None, None) => {}
        }
        Ok(Some(Identity {
            uid: user.as_ref().map(|(uid, _)| *uid),
            gid,
            groups: change(groups, gid, own),
            account: user.as_ref().map(|(_, entry)| Account::new(entry.as_ref())),
        }))
    }

    /// What the environment is to say about a user.
    ///
    /// # Errors
    /// A name that is not in /etc/passwd, or a file that cannot be read and is needed.
    pub fn account(&self, who: &Who) -> Result<Account, Failure> {
        let (_, entry) = self.user(who)?;
        Ok(Account::new(entry.as_ref()))
    }

    fn user(&self, who: &Who) -> Result<(u32, Option<User<'_>>), Failure> {
        match who {
            Who::Number(uid) => {
                let text = self.passwd.as_deref().unwrap_or_default();
                Ok((*uid, users(text).find(|user| user.uid == *uid)))
            }
            Who::Named(name) => {
                let text = self.passwd.as_deref();
                let text = text.map_err(|errno| Failure::errno("read", PASSWD, *errno))?;
                match users(text).find(|user| user.name == name.as_bytes()) {
                    Some(user) => Ok((user.uid, Some(user))),
                    None => Err(unknown("user", name, PASSWD)),
                }
            }
        }
    }

    fn gid(&self, who: &Who) -> Result<u32, Failure> {
        match who {
            Who::Number(gid) => Ok(*gid),
            Who::Named(name) => {
                let text = self.group.as_deref();
                let text = text.map_err(|errno| Failure::errno("read", GROUP, *errno))?;
                groups(text)
                    .find(|group| group.name == name.as_bytes())
                    .map(|group| group.gid)
                    .ok_or_else(|| unknown("group", name, GROUP))
            }
        }
    }

    /// The groups that name `user` as a member, as getgrouplist(3) finds them.
    fn memberships<'a>(&'a self, user: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
        groups(self.group.as_deref().unwrap_or_default())
            .filter(move |group| group.members.split(|byte| *byte == b',').any(|m| m == user))
            .map(|group| group.gid)
    }
}

impl Own {
    /// The ids of this process, now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            uid: geteuid().as_raw(),
            gid: getegid().as_raw(),
            groups: getgroups().unwrap_or_default().into_iter().map(|gid| gid.as_raw()).collect(),
        }
    }
}

impl Account {
    fn new(entry: Option<&User<'_>>) -> Self {
        let or = |field: &[u8], default: &str| {
            let field = if field.is_empty() { default.as_bytes() } else { field };
            OsString::from_vec(field.to_vec())
        };
        match entry {
            Some(user) => Self {
                name: Some(or(user.name, "")),
                home: or(user.home, "/"),
                shell: Some(or(user.shell, "/bin/sh")),
            },
            None => Self { name: None, home: "/".into(), shell: None },
        }
    }
}

/// `wanted` without repetitions; none if a process with the ids `own` in the group `gid` is in
/// exactly these already. The group itself counts either way: access is checked against it too.
fn change(wanted: Vec<u32>, gid: u32, own: &Own) -> Option<Vec<u32>> {
    let mut groups = Vec::new();
    for group in wanted {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let held = |group: &u32| *group == gid || own.groups.contains(group);
    let kept = |group: &u32| groups.contains(group);
    (!(groups.iter().all(held) && own.groups.iter().all(kept))).then_some(groups)
}

fn unknown(kind: &'static str, name: &str, file: &str) -> Failure {
    let operation = if kind == "user" { "become user" } else { "join group" };
    Failure::known(operation, name, format!("no {kind} named `{name}` in {file}"))
}

fn users(text: &[u8]) -> impl Iterator<Item = User<'_>> {
    lines(text).filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let uid = number(fields.nth(1)?)?;
        let gid = number(fields.next()?)?;
        let home = fields.nth(1).unwrap_or_default();
        let shell = fields.next().unwrap_or_default();
        Some(User { name, uid, gid, home, shell })
    })
}

fn groups(text: &[u8]) -> impl Iterator<Item = Group<'_>> {
    lines(text).filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let gid = number(fields.nth(1)?)?;
        Some(Group { name, gid, members: fields.next().unwrap_or_default() })
    })
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD_TEXT: &str = "\
root:x:0:0:root:/root:/bin/bash
# a comment
broken line
+nis
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
bare:x:50:51
app:x:1000:1000:App,,,::
twice:x:33:99::/twice:/bin/twice
";
    const GROUP_TEXT: &str = "\
root:x:0:
www-data:x:33:
adm:x:4:syslog,www-data
tty:x:5:www
ssl:x:120:www-data,app
again:x:33:www-data
";

    fn named(name: &str) -> Who {
        Who::Named(name.into())
    }

    fn root() -> Own {
        Own { uid: 0, gid: 0, groups: vec![0] }
    }

    fn account(name: &str, home: &str, shell: &str) -> Option<Account> {
        Some(Account { name: Some(name.into()), home: home.into(), shell: Some(shell.into()) })
    }

    #[test]
    fn requests_come_to_ids() {
        let check = |user: Option<Who>,
                     group: Option<Who>,
                     groups: Option<&[Who]>,
                     own: &Own,
                     expected: Result<Option<Identity>, &str>| {
            let database = Database::new(PASSWD_TEXT, GROUP_TEXT);
            let request = Request { user: user.as_ref(), group: group.as_ref(), groups };
            let found = database.resolve(request, own).map_err(|failure| failure.to_string());
            assert_eq!(found, expected.map_err(String::from), "{user:?} {group:?} {groups:?}");
        };
        let www = || account("www-data", "/var/www", "/usr/sbin/nologin");
        let identity = |uid, gid, groups: &[u32], account| {
            Ok(Some(Identity { uid, gid, groups: Some(groups.to_vec()), account }))
        };
        let nameless = || Some(Account { name: None, home: "/".into(), shell: None });

        check(None, None, None, &root(), Ok(None));
        check(
            Some(named("www-data")),
            None,
            None,
            &root(),
            identity(Some(33), 33, &[33, 4, 120], www()),
        );
        check(
            Some(Who::Number(33)),
            None,
            None,
            &root(),
            identity(Some(33), 33, &[33, 4, 120], www()),
        );
        // An explicit group is the only one, unless others are asked for too.
        check(
            Some(named("www-data")),
            Some(named("adm")),
            None,
            &root(),
            identity(Some(33), 4, &[4], www()),
        );
        check(
            Some(named("www-data")),
            Some(named("adm")),
            Some(&[named("tty"), Who::Number(7), named("adm")]),
            &root(),
            identity(Some(33), 4, &[4, 5, 7], www()),
        );
        check(
            Some(named("www-data")),
            None,
            Some(&[]),
            &root(),
            identity(Some(33), 33, &[33], www()),
        );
        check(None, Some(Who::Number(77)), None, &root(), identity(None, 77, &[77], None));
        check(None, None, Some(&[named("tty")]), &root(), identity(None, 0, &[0, 5], None));
        // What a file leaves out.
        check(
            Some(named("bare")),
            None,
            None,
            &root(),
            identity(Some(50), 51, &[51], account("bare", "/", "/bin/sh")),
        );
        check(
            Some(named("app")),
            None,
            None,
            &root(),
            identity(Some(1000), 1000, &[1000, 120], account("app", "/", "/bin/sh")),
        );
        check(
            Some(Who::Number(4242)),
            None,
            None,
            &Own { uid: 0, gid: 0, groups: vec![0, 1, 2] },
            identity(Some(4242), 0, &[0], nameless()),
        );
        // What we already are is no request.
        let ours = Own { uid: 33, gid: 1234, groups: vec![1, 2] };
        check(Some(named("www-data")), None, None, &ours, Ok(None));
        check(Some(Who::Number(0)), None, None, &root(), Ok(None));
        // Nothing changes for the groups: nobody is asked to set them.
        let ours = Own { uid: 33, gid: 33, groups: vec![] };
        check(
            Some(named("www-data")),
            Some(named("www-data")),
            None,
            &ours,
            Ok(Some(Identity { uid: Some(33), gid: 33, groups: None, account: www() })),
        );
        check(
            Some(named("nobody")),
            None,
            None,
            &root(),
            Err("cannot become user nobody: no user named `nobody` in /etc/passwd"),
        );
        check(
            None,
            Some(named("wheel")),
            None,
            &root(),
            Err("cannot join group wheel: no group named `wheel` in /etc/group"),
        );
    }

    #[test]
    fn numbers_need_no_file() {
        let eacces = || Err(Errno::EACCES);
        let database = Database { passwd: eacces(), group: eacces() };
        let resolve = |user: &Who| {
            let request = Request { user: Some(user), group: Some(&Who::Number(8)), groups: None };
            database.resolve(request, &root())
        };
        assert_eq!(resolve(&Who::Number(7)).unwrap().unwrap().uid, Some(7));
        let failure = resolve(&named("www-data")).unwrap_err();
        assert_eq!(failure.to_string(), "cannot read /etc/passwd: permission denied");
    }
}
