//! What an address of a probe means: `HOST:PORT`, and which addresses a name of /etc/hosts has.
//! Decides what is an address; connects to nothing and reads no file.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a probe connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whose.
    pub host: Host,
    /// Never 0.
    pub port: u16,
}

/// A host, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// By its address.
    Address(IpAddr),
    /// By this machine's own name, `localhost`: known without any file.
    Local,
    /// By a name.
    Named(String),
}

impl Endpoint {
    /// Reads `HOST:PORT`, where an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((host, port)) = text.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'))
        else {
            return Err(format!("`{text}` has no port; an address is HOST:PORT"));
        };
        Ok(Self { host: Host::parse(host)?, port: self::port(port)? })
    }
}

impl Host {
    /// Reads an address or a name, an IPv6 address in brackets.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("there is no host; this one is called localhost".to_owned());
        }
        let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        if let Some(inside) = inside {
            return match inside.parse::<Ipv6Addr>() {
                Ok(address) => Ok(Self::Address(address.into())),
                Err(_) => Err(format!("`{inside}` is no IPv6 address")),
            };
        }
        if text.contains(':') {
            let hint = "an IPv6 address stands in brackets, such as [::1]:80";
            return Err(format!("`{text}` is no host; {hint}"));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(format!("`{text}` is no IPv4 address"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
            return Err(format!("`{text}` is no name of a host"));
        }
        if text.eq_ignore_ascii_case("localhost") {
            return Ok(Self::Local);
        }
        Ok(Self::Named(text.to_owned()))
    }
}

/// Reads a port that can be connected to.
///
/// # Errors
/// What is wrong with it, for a person.
pub(super) fn port(text: &str) -> Result<u16, String> {
    // `parse` would take a sign.
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok());
    match number.flatten() {
        Some(port) if port > 0 => Ok(port),
        Some(_) | None => Err(format!("`{text}` is no port; ports are numbers from 1 to 65535")),
    }
}

/// The addresses that `hosts`, the content of /etc/hosts, has for `name`, in their order; see
/// hosts(5).
#[must_use]
pub fn addresses_of(name: &str, hosts: &[u8]) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in hosts.split(|byte| *byte == b'\n') {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let Some(address) = words.next() else { continue };
        if !words.any(|word| word.eq_ignore_ascii_case(name.as_bytes())) {
            continue;
        }
        // One with a zone, such as fe80::1%eth0, is of no use to a probe.
        let Some(address) = std::str::from_utf8(address).ok().and_then(|text| text.parse().ok())
        else {
            continue;
        };
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Host {
        Host::Address(text.parse().unwrap())
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let check = |text: &str, host: Host, port: u16| {
            assert_eq!(Endpoint::parse(text), Ok(Endpoint { host, port }), "{text}");
        };
        check("127.0.0.1:80", address("127.0.0.1"), 80);
        check("[::1]:65535", address("::1"), 65535);
        check("[::ffff:10.0.0.1]:1", address("::ffff:10.0.0.1"), 1);
        check("localhost:080", Host::Local, 80);
        check("LocalHost:80", Host::Local, 80);
        check("my-db_1.example:5432", Host::Named("my-db_1.example".to_owned()), 5432);
    }

    #[test]
    fn what_is_no_address_is_told_why() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Endpoint::parse(text), Err(expected.to_owned()), "{text}");
        };
        let no_port = |text: &str| format!("`{text}` has no port; an address is HOST:PORT");
        check("", &no_port(""));
        check("web", &no_port("web"));
        check("[::1]", &no_port("[::1]"));
        check(":80", "there is no host; this one is called localhost");
        let port = |text: &str| format!("`{text}` is no port; ports are numbers from 1 to 65535");
        check("web:", &port(""));
        check("web:0", &port("0"));
        check("web:65536", &port("65536"));
        check("web:+80", &port("+80"));
        check("web:http", &port("http"));
        let brackets = "an IPv6 address stands in brackets, such as [::1]:80";
        check("::1:80", &format!("`::1` is no host; {brackets}"));
        check("http://web:80", &format!("`http://web` is no host; {brackets}"));
        check("[::g]:80", "`::g` is no IPv6 address");
        check("[web]:80", "`web` is no IPv6 address");
        check("256.0.0.1:80", "`256.0.0.1` is no IPv4 address");
        check("80:80", "`80` is no IPv4 address");
        check("we b:80", "`we b` is no name of a host");
        check("wéb:80", "`wéb` is no name of a host");
        check("[::1:80", &format!("`[::1` is no host; {brackets}"));
    }

    #[test]
    fn names_are_looked_up_as_hosts_has_it() {
        let hosts = b"127.0.0.1\tlocalhost\n\
            # 10.0.0.1 db\n\
            10.0.0.2   db.example  DB # and not: cache\n\
            ::2 db\r\n\
            10.0.0.2 db\n\
            fe80::1%eth0 db\n\
            nonsense db\n\
            10.0.0.3\n\
            \xff\xfe db";
        let check = |name: &str, expected: &[&str]| {
            let expected: Vec<IpAddr> = expected.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(addresses_of(name, hosts), expected, "{name}");
        };
        check("db", &["10.0.0.2", "::2"]);
        check("db.example", &["10.0.0.2"]);
        check("Localhost", &["127.0.0.1"]);
        check("cache", &[]);
        check("10.0.0.3", &[]);
        check("", &[]);
    }

    /// Whatever is typed: an answer, and no panic.
    #[test]
    fn no_text_makes_it_stumble() {
        let pieces = ["[", "]", ":", "::1", "127.0.0.1", "80", "a", "é", "#", " ", "\n", "%"];
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    for fourth in pieces {
                        let text = [first, second, third, fourth].concat();
                        if let Ok(endpoint) = Endpoint::parse(&text) {
                            assert!(endpoint.port > 0, "{text}");
                        }
                        let _ = addresses_of(first, text.as_bytes());
                    }
                }
            }
        }
    }
}
