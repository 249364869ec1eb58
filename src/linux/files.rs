//! Files and directories, read so that nothing in them can stop PID 1: never a FIFO that waits for
//! a writer, never more than a bound. Knows nothing of what is in them.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::limits::DIRECTORY_ENTRIES_MAX;
use crate::service::Errno;

/// The content of the regular file `path`, at most `max` bytes of it.
///
/// # Errors
/// What the system says; `EISDIR` or `EINVAL` for what is no regular file; `EFBIG` for what is
/// larger than `max`.
pub fn read(path: &Path, max: usize) -> Result<Vec<u8>, Errno> {
    // O_NONBLOCK: the open of a FIFO without a writer returns at once (fifo(7)). O_NOCTTY: a
    // terminal does not become ours. std adds O_CLOEXEC.
    let file =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(Errno(libc::EISDIR));
    }
    if !metadata.is_file() {
        return Err(Errno(libc::EINVAL));
    }
    let max = u64::try_from(max).unwrap_or(u64::MAX);
    if metadata.len() > max {
        return Err(Errno(libc::EFBIG));
    }
    // The size is what it was, and files in /proc have none: the bound holds for the reading too.
    let mut content = Vec::new();
    let read = file.take(max.saturating_add(1)).read_to_end(&mut content)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > max {
        return Err(Errno(libc::EFBIG));
    }
    Ok(content)
}

/// The names in the directory `path`, sorted, without `.` and `..`.
///
/// # Errors
/// What the system says; `EFBIG` for more than [`DIRECTORY_ENTRIES_MAX`] names.
#[expect(clippy::disallowed_methods, reason = "this is where directories are read")]
pub fn list(path: &Path) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    // std opens with O_DIRECTORY, which refuses a FIFO before it could wait for it.
    for entry in std::fs::read_dir(path)? {
        if names.len() >= DIRECTORY_ENTRIES_MAX {
            return Err(Errno(libc::EFBIG));
        }
        names.push(entry?.file_name());
    }
    names.sort();
    Ok(names)
}

/// Whether somebody may execute the file `path`; not, if nothing can be said of it.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

/// Makes the directory `path`, unless it is there.
///
/// # Errors
/// What the system says.
pub fn make_directory(path: &Path) -> Result<(), Errno> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => Ok(result?),
    }
}

/// Writes the file `path`, which must not be there yet.
///
/// # Errors
/// What the system says; `EEXIST` if it is there.
pub fn write_new(path: &Path, text: &str) -> Result<(), Errno> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// Replaces the file `path`, or makes it: who reads it finds the old text or the new one.
///
/// # Errors
/// What the system says; the old one is there then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Errno> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut options = OpenOptions::new();
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut file =
        options.write(true).create(true).truncate(true).custom_flags(flags).open(&new)?;
    file.write_all(bytes)?;
    Ok(std::fs::rename(new, path)?)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn only_regular_files_within_the_bound_are_read() {
        let directory = scratch("files");
        std::fs::write(directory.join("ten"), "0123456789").unwrap();
        std::fs::write(directory.join("empty"), "").unwrap();
        nix::unistd::mkfifo(&directory.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("ten", directory.join("link")).unwrap();
        let check = |name: &str, max: usize, expected: Result<&str, i32>| {
            let expected = expected.map(|text| text.as_bytes().to_vec()).map_err(Errno);
            assert_eq!(read(&directory.join(name), max), expected, "{name} {max}");
        };
        check("ten", 10, Ok("0123456789"));
        check("ten", 9, Err(libc::EFBIG));
        check("link", 10, Ok("0123456789"));
        check("empty", 0, Ok(""));
        check("fifo", 10, Err(libc::EINVAL));
        check("missing", 10, Err(libc::ENOENT));
        check("ten/x", 10, Err(libc::ENOTDIR));
        check(".", 10, Err(libc::EISDIR));
        check("/dev/zero", 10, Err(libc::EINVAL));
        // Its size is 0 by fstat.
        check("/proc/self/status", 10, Err(libc::EFBIG));

        assert_eq!(list(&directory).unwrap(), ["empty", "fifo", "link", "ten"]);
        assert_eq!(list(&directory.join("fifo")), Err(Errno(libc::ENOTDIR)));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("onit-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }
}
