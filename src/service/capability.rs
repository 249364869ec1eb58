//! The capabilities of Linux by name; see capabilities(7).

use std::fmt;

/// One of the powers into which root's is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability(u8);

/// In the order of their numbers, from 0 on; see linux/capability.h.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

impl Capability {
    /// The capability of this name, with or without `CAP_`, in letters of any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("cap_").unwrap_or(&name);
        let number = NAMES.iter().position(|known| *known == name)?;
        u8::try_from(number).ok().map(Self)
    }

    /// All names, for whoever misspells one.
    #[must_use]
    pub fn names() -> &'static [&'static str] {
        &NAMES
    }

    /// Its number to the kernel.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.get(usize::from(self.0)).unwrap_or(&"unknown"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_people_write_them() {
        let check = |name: &str, expected: Option<u8>| {
            assert_eq!(Capability::from_name(name).map(Capability::number), expected, "{name}");
        };
        check("chown", Some(0));
        check("net_bind_service", Some(10));
        check("CAP_NET_BIND_SERVICE", Some(10));
        check("Cap_Sys_Admin", Some(21));
        check("checkpoint_restore", Some(40));
        check("net_bind", None);
        check("", None);
    }
}
