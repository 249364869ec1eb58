//! What the system refused: operation, object, cause. Data for policy, worded for a person.

use std::fmt;

/// An error number of Linux; see errno(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// Not permitted.
    pub const EPERM: Self = Self(1);
    /// No such file or directory.
    pub const ENOENT: Self = Self(2);
    /// Not in a format that can be executed.
    pub const ENOEXEC: Self = Self(8);
    /// No process or memory to be had right now.
    pub const EAGAIN: Self = Self(11);
    /// Out of memory.
    pub const ENOMEM: Self = Self(12);
    /// Permission denied.
    pub const EACCES: Self = Self(13);
    /// A part of the path is no directory.
    pub const ENOTDIR: Self = Self(20);
    /// A directory.
    pub const EISDIR: Self = Self(21);
    /// Of no use here: what was to be read is no regular file.
    pub const EINVAL: Self = Self(22);
    /// No descriptor to be had.
    pub const EMFILE: Self = Self(24);
    /// The file is being written.
    pub const ETXTBSY: Self = Self(26);
    /// Larger than we read.
    pub const EFBIG: Self = Self(27);
    /// Too many symbolic links.
    pub const ELOOP: Self = Self(40);

    /// Whether it says that a file cannot be executed as it is, so that trying again without a
    /// change is of no use.
    #[must_use]
    pub fn is_about_the_file(self) -> bool {
        [Self::ENOENT, Self::EACCES, Self::ENOEXEC, Self::ENOTDIR, Self::ELOOP].contains(&self)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // std ends its text with " (os error 2)".
        let text = std::io::Error::from_raw_os_error(self.0).to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        let mut letters = text.chars();
        match letters.next() {
            Some(first) => write!(f, "{}{}", first.to_lowercase(), letters.as_str()),
            None => write!(f, "error {}", self.0),
        }
    }
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The system said so.
    Errno(Errno),
    /// The system said so, and we know what it means by it: a script "does not exist" when its
    /// interpreter is missing. Policy sees the number, a person the text.
    Explained(Errno, String),
    /// We know without asking the system: "no user of that name in /etc/passwd".
    Known(String),
}

/// Something the system refused to do for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was tried, as it follows "cannot": `execute`, `change directory to`.
    pub operation: &'static str,
    /// On what.
    pub object: String,
    /// Why it failed.
    pub why: Why,
}

impl Failure {
    /// What [`Failure::operation`] says when the command itself could not be executed.
    pub const EXECUTE: &'static str = "execute";

    /// The system refused `operation` on `object`.
    #[must_use]
    pub fn errno(operation: &'static str, object: impl Into<String>, errno: Errno) -> Self {
        Self { operation, object: object.into(), why: Why::Errno(errno) }
    }

    /// The system refused `operation` on `object`, and `text` says what it means by it.
    #[must_use]
    pub fn explained(
        operation: &'static str,
        object: impl Into<String>,
        errno: Errno,
        text: impl Into<String>,
    ) -> Self {
        Self { operation, object: object.into(), why: Why::Explained(errno, text.into()) }
    }

    /// `operation` on `object` cannot work, for a reason known without asking the system.
    #[must_use]
    pub fn known(
        operation: &'static str,
        object: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self { operation, object: object.into(), why: Why::Known(why.into()) }
    }

    /// Whether the command is not there or cannot be executed, rather than something passing.
    #[must_use]
    pub fn is_about_the_command(&self) -> bool {
        match self.why {
            Why::Errno(errno) | Why::Explained(errno, _) => {
                self.operation == Self::EXECUTE && errno.is_about_the_file()
            }
            Why::Known(_) => false,
        }
    }

    /// The exit code by convention: 127 for a command that is not found, 126 for one that cannot
    /// be executed.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self.why {
            Why::Errno(Errno::ENOENT) | Why::Explained(Errno::ENOENT, _)
                if self.operation == Self::EXECUTE =>
            {
                127
            }
            Why::Errno(_) | Why::Explained(..) | Why::Known(_) => 126,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: ", self.operation, self.object)?;
        match &self.why {
            Why::Errno(errno) => errno.fmt(f),
            Why::Explained(_, text) | Why::Known(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_as_a_sentence() {
        let failure = Failure::errno(Failure::EXECUTE, "/app/server", Errno::ENOENT);
        assert_eq!(failure.to_string(), "cannot execute /app/server: no such file or directory");
        assert_eq!(failure.code(), 127);
        assert!(failure.is_about_the_command());
        let text = "its interpreter /bin/bash is missing";
        let failure = Failure::explained(Failure::EXECUTE, "/app/run", Errno::ENOENT, text);
        assert_eq!(failure.to_string(), format!("cannot execute /app/run: {text}"));
        assert_eq!(failure.code(), 127);
        assert!(failure.is_about_the_command());
        let failure = Failure::errno("change directory to", "/srv", Errno::ENOENT);
        assert_eq!(failure.code(), 126);
        assert!(!failure.is_about_the_command());
    }
}
