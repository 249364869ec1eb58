//! Signals by name and number, as Linux counts them.

use std::fmt;

/// A signal of Linux, 1 to 64; see signal(7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// The numbers of x86, arm, riscv and most others: signal(7), "Signal numbering for standard
/// signals". Alpha, MIPS, PA-RISC and SPARC differ and are not supported.
const NAMES: [(&str, u8); 33] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
    // Other names of the same, found after the usual ones.
    ("IOT", 6),
    ("POLL", 29),
];

/// The kernel's first realtime signal. Libcs keep two or three of them for themselves and count
/// `SIGRTMIN` from there: 34 in glibc, 35 in musl.
const RTMIN: u8 = 34;

impl Signal {
    /// The terminal is gone, or: read the configuration again.
    pub const HUP: Self = Self(1);
    /// Ctrl-C.
    pub const INT: Self = Self(2);
    /// Ctrl-\.
    pub const QUIT: Self = Self(3);
    /// What `abort` raises.
    pub const ABRT: Self = Self(6);
    /// Cannot be caught.
    pub const KILL: Self = Self(9);
    /// For the program's own use.
    pub const USR1: Self = Self(10);
    /// For the program's own use.
    pub const USR2: Self = Self(12);
    /// A write nobody will read.
    pub const PIPE: Self = Self(13);
    /// A timer has run out.
    pub const ALRM: Self = Self(14);
    /// Please end.
    pub const TERM: Self = Self(15);
    /// A child ended, stopped or went on.
    pub const CHLD: Self = Self(17);
    /// Go on after a stop.
    pub const CONT: Self = Self(18);
    /// Cannot be caught: stop.
    pub const STOP: Self = Self(19);
    /// Ctrl-Z.
    pub const TSTP: Self = Self(20);
    /// A read from the terminal in the background.
    pub const TTIN: Self = Self(21);
    /// A write to the terminal in the background.
    pub const TTOU: Self = Self(22);
    /// The terminal has another size.
    pub const WINCH: Self = Self(28);
    /// Power is failing; LXC asks for a stop with it.
    pub const PWR: Self = Self(30);
    /// The kernel's number of `SIGRTMIN+3`, by which systemd's container interface asks for a halt.
    pub const HALT: Self = Self(37);

    /// The signal with this number, if Linux has it.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        match u8::try_from(number) {
            Ok(number @ 1..=64) => Some(Self(number)),
            _ => None,
        }
    }

    /// The signal called `SIGTERM`, `TERM`, `term`, `SIGRTMIN+3` or `15`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let upper = name.trim().to_ascii_uppercase();
        if let Ok(number) = upper.parse::<i32>() {
            return Self::from_number(number);
        }
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == bare) {
            return Some(Self(*number));
        }
        let number = if bare == "RTMIN" {
            RTMIN
        } else if bare == "RTMAX" {
            64
        } else if let Some(more) = bare.strip_prefix("RTMIN+") {
            RTMIN.checked_add(more.parse().ok()?)?
        } else if let Some(less) = bare.strip_prefix("RTMAX-") {
            64u8.checked_sub(less.parse().ok()?)?
        } else {
            return None;
        };
        (RTMIN..=64).contains(&number).then_some(Self(number))
    }

    /// Every name that [`Signal::from_name`] knows but the realtime ones, with `SIG`: what a
    /// misspelt one is compared with.
    pub fn names() -> impl Iterator<Item = String> {
        NAMES.iter().map(|(name, _)| format!("SIG{name}"))
    }

    /// The number, 1 to 64.
    #[must_use]
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }

    /// Whether a program can neither catch nor ignore it.
    #[must_use]
    pub fn is_uncatchable(self) -> bool {
        self == Self::KILL || self == Self::STOP
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = NAMES.iter().find(|(_, number)| *number == self.0) {
            return write!(f, "SIG{name}");
        }
        match self.0.checked_sub(RTMIN) {
            Some(0) => f.write_str("SIGRTMIN"),
            Some(more) => write!(f, "SIGRTMIN+{more}"),
            // 32 and 33 are the libc's own.
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        let check = |text: &str, expected: Option<i32>| {
            assert_eq!(Signal::from_name(text).map(Signal::number), expected, "{text:?}");
        };
        check("SIGTERM", Some(15));
        check("term", Some(15));
        check("15", Some(15));
        check("SIGIOT", Some(6));
        check("SIGRTMIN", Some(34));
        check("SIGRTMIN+3", Some(37));
        check("RTMAX-1", Some(63));
        check("SIGRTMIN+31", None);
        check("RTMAX-31", None);
        check("SIGTREM", None);
        check("0", None);
        check("65", None);
        check("-9", None);
        check("", None);
    }

    #[test]
    fn every_number_survives_its_own_name() {
        for number in 1..=64 {
            let signal = Signal::from_number(number).unwrap();
            let name = signal.to_string();
            let back = name.strip_prefix("signal ").unwrap_or(&name);
            assert_eq!(Signal::from_name(back), Some(signal), "{name}");
        }
    }
}
