//! The little of HTTP that a probe speaks: a URL, one request, and the first line of the answer.
//! Decides what an answer means; sends and reads nothing.

use super::address::{Endpoint, Host, port};

/// A URL that can be asked with GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Where.
    pub endpoint: Endpoint,
    /// Host and port as they are written.
    authority: String,
    /// The path and the query.
    target: String,
}

/// What has come of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not enough to know.
    Incomplete,
    /// A status, and the words behind it.
    Status(u16, String),
    /// Something else than HTTP, and what it looks like.
    Garbage(String),
}

/// Bytes of a strange answer that are shown.
const SHOWN_BYTES: usize = 40;
/// Bytes of the words behind a status that are shown.
const REASON_BYTES: usize = 100;

impl Url {
    /// Reads `http://host[:port]/path?query`.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("`{text}` is no URL; one begins with http://"));
        };
        let curl = "exec with a program such as curl can";
        if scheme.eq_ignore_ascii_case("https") {
            return Err(format!("`{text}`: a probe speaks no TLS; {curl}"));
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(format!("`{text}`: a probe does not speak {scheme}; {curl}"));
        }
        // It would end the line of the request, or split it.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let what = "spaces, control characters and what is not ASCII are written as %20";
            return Err(format!("`{text}`: in a URL {what}"));
        }
        // What is behind a `#` is never sent.
        let rest = rest.split('#').next().unwrap_or_default();
        let ends = |c: char| c == '/' || c == '?';
        let authority = rest.split(ends).next().unwrap_or_default();
        let target = rest.strip_prefix(authority).unwrap_or_default();
        if authority.contains('@') {
            return Err(format!("`{text}`: a probe gives no user and password; {curl}"));
        }
        let has_port = |(_, port): &(&str, &str)| !port.ends_with(']');
        let endpoint = match authority.rsplit_once(':').filter(has_port) {
            // RFC 3986 has it that nothing behind the colon is the usual port.
            Some((host, "")) => Host::parse(host).map(|host| Endpoint { host, port: 80 }),
            Some((host, number)) => {
                Host::parse(host).and_then(|host| Ok(Endpoint { host, port: port(number)? }))
            }
            None => Host::parse(authority).map(|host| Endpoint { host, port: 80 }),
        };
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self {
            endpoint: endpoint.map_err(|why| format!("`{text}`: {why}"))?,
            authority: authority.to_owned(),
            target: [slash, target].concat(),
        })
    }

    /// What is sent to ask for it.
    #[must_use]
    pub fn request(&self) -> String {
        [
            "GET ",
            &self.target,
            " HTTP/1.1\r\nHost: ",
            &self.authority,
            concat!("\r\nUser-Agent: onit/", env!("CARGO_PKG_VERSION")),
            "\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        ]
        .concat()
    }
}

impl Answer {
    /// What `bytes`, the beginning of an answer, say. An interim answer, 100 to 199, is passed
    /// over; see RFC 9110, 15.2.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        loop {
            let (status, reason) = match status_line(rest) {
                Ok(line) => line,
                Err(answer) => return answer,
            };
            // After 101 it is not HTTP that follows.
            if !(100..200).contains(&status) || status == 101 {
                return Self::Status(status, shown(reason, REASON_BYTES));
            }
            match behind_the_head(rest) {
                Some(next) => rest = next,
                None => return Self::Incomplete,
            }
        }
    }
}

/// Whether a status counts as a success: those of Kubernetes.
#[must_use]
pub fn is_success(status: u16) -> bool {
    (200..400).contains(&status)
}

/// The status and the reason of `HTTP/1.1 200 OK`; see RFC 9112, 4.
fn status_line(bytes: &[u8]) -> Result<(u16, &[u8]), Answer> {
    let start = b"HTTP/1.";
    let is_http = bytes.iter().zip(start).all(|(byte, wanted)| byte == wanted);
    let garbage = || Answer::Garbage(looks(bytes));
    if !is_http {
        return Err(garbage());
    }
    let Some((line, _)) = split_at_newline(bytes) else { return Err(Answer::Incomplete) };
    let parts = || {
        let (minor, rest) = line.strip_prefix(start)?.split_first()?;
        let (status, rest) = rest.strip_prefix(b" ")?.split_first_chunk::<3>()?;
        let is_number = minor.is_ascii_digit() && status.iter().all(u8::is_ascii_digit);
        let reason = if rest.is_empty() { rest } else { rest.strip_prefix(b" ")? };
        let status = std::str::from_utf8(status).ok()?.parse().ok()?;
        (is_number && status >= 100).then_some((status, reason))
    };
    parts().ok_or_else(garbage)
}

/// The line up to the first newline, without its end, and what follows it.
fn split_at_newline(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..)?))
}

/// What follows the empty line behind a head.
fn behind_the_head(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    loop {
        let (line, next) = split_at_newline(rest)?;
        if line.is_empty() {
            return Some(next);
        }
        rest = next;
    }
}

fn looks(bytes: &[u8]) -> String {
    match bytes {
        // An alert; see RFC 8446, 5.1.
        [0x15, 3, ..] => "TLS".to_owned(),
        _ => format!("\"{}\"", shown(bytes, SHOWN_BYTES)),
    }
}

/// At most `max` bytes of `text`, what cannot be printed escaped, up to the end of its line.
fn shown(text: &[u8], max: usize) -> String {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.get(..max).unwrap_or(line).escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_url_says_where_and_what() {
        let check = |text: &str, endpoint: &str, authority: &str, target: &str| {
            let url = Url::parse(text).unwrap();
            assert_eq!(url.endpoint, Endpoint::parse(endpoint).unwrap(), "{text}");
            assert_eq!((&*url.authority, &*url.target), (authority, target), "{text}");
        };
        check("http://127.0.0.1", "127.0.0.1:80", "127.0.0.1", "/");
        check("HTTP://web:8080/a/b?c=d", "web:8080", "web:8080", "/a/b?c=d");
        check("http://[::1]:8080/", "[::1]:8080", "[::1]:8080", "/");
        check("http://[::1]/x", "[::1]:80", "[::1]", "/x");
        check("http://web:?x=/a:9", "web:80", "web:", "/?x=/a:9");
        check("http://web/a#b/c", "web:80", "web", "/a");
        check("http://web?u=http://@", "web:80", "web", "/?u=http://@");
    }

    #[test]
    fn what_is_no_url_is_told_why() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Url::parse(text), Err(expected.to_owned()), "{text}");
        };
        check("web:80/x", "`web:80/x` is no URL; one begins with http://");
        let curl = "exec with a program such as curl can";
        check("https://web/", &format!("`https://web/`: a probe speaks no TLS; {curl}"));
        check("ftp://web/", &format!("`ftp://web/`: a probe does not speak ftp; {curl}"));
        let user = format!("`http://u:p@web/`: a probe gives no user and password; {curl}");
        check("http://u:p@web/", &user);
        check("http:///x", "`http:///x`: there is no host; this one is called localhost");
        let port = "`x` is no port; ports are numbers from 1 to 65535";
        check("http://web:x/", &format!("`http://web:x/`: {port}"));
        let what = "in a URL spaces, control characters and what is not ASCII are written as %20";
        check("http://web/a b", &format!("`http://web/a b`: {what}"));
        check("http://web/\r\nX: y", &format!("`http://web/\r\nX: y`: {what}"));
        check("http://web/ä", &format!("`http://web/ä`: {what}"));
    }

    #[test]
    fn a_request_asks_for_the_url() {
        let url = Url {
            endpoint: Endpoint { host: Host::Address(Ipv4Addr::LOCALHOST.into()), port: 80 },
            authority: "web".to_owned(),
            target: "/a?b".to_owned(),
        };
        let expected = format!(
            "GET /a?b HTTP/1.1\r\nHost: web\r\nUser-Agent: onit/{}\r\nAccept: */*\r\n\
             Connection: close\r\n\r\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(url.request(), expected);
    }

    #[test]
    fn an_answer_is_known_by_its_first_line() {
        let check = |bytes: &[u8], expected: Answer| {
            assert_eq!(Answer::read(bytes), expected, "{}", bytes.escape_ascii());
        };
        let status = |status, reason: &str| Answer::Status(status, reason.to_owned());
        check(b"HTTP/1.1 200 OK\r\nServer: x", status(200, "OK"));
        check(b"HTTP/1.0 404 Not Found\n", status(404, "Not Found"));
        check(b"HTTP/1.1 204\r\n", status(204, ""));
        check(b"HTTP/1.1 204 \r\n", status(204, ""));
        check(b"HTTP/1.1 500 \x1b[2J\r\n", status(500, "\\x1b[2J"));
        check(b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n", status(200, "OK"));
        check(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.", Answer::Incomplete);
        check(b"HTTP/1.1 103 Early Hints\r\nLink: <", Answer::Incomplete);
        check(b"HTTP/1.1 101 Switching\r\n", status(101, "Switching"));
        for end in 0.."HTTP/1.1 200 OK\r".len() {
            check(&b"HTTP/1.1 200 OK\r"[..end], Answer::Incomplete);
        }
        let garbage = |text: &str| Answer::Garbage(text.to_owned());
        check(b"SSH-2.0-OpenSSH_9\r\nmore", garbage("\"SSH-2.0-OpenSSH_9\""));
        check(b"\x15\x03\x01\x00\x02\x02\x46", garbage("TLS"));
        check(b"HTTP/2 200\r\n", garbage("\"HTTP/2 200\""));
        check(b"HTTP/1.1 2000 OK\r\n", garbage("\"HTTP/1.1 2000 OK\""));
        check(b"HTTP/1.1 99 \r\n", garbage("\"HTTP/1.1 99 \""));
        check(b"HTTP/1.1 099 \r\n", garbage("\"HTTP/1.1 099 \""));
        check(b"HTTP/1.1  200\r\n", garbage("\"HTTP/1.1  200\""));
        check(&[0; 99], garbage(&format!("\"{}\"", "\\x00".repeat(40))));
    }

    #[test]
    fn success_is_what_it_is_in_kubernetes() {
        for (status, expected) in [(199, false), (200, true), (399, true), (400, false)] {
            assert_eq!(is_success(status), expected, "{status}");
        }
    }

    /// Whatever comes, in whatever pieces: more bytes never take back what was known.
    #[test]
    fn no_bytes_make_it_stumble() {
        let pieces: [&[u8]; 9] =
            [b"HTTP/1.", b"1 ", b"200", b"100", b" OK", b"\r\n", b"\n", b"\xff", b""];
        let mut state = 0x5EEDu32;
        for _ in 0..20_000 {
            let mut bytes = Vec::new();
            for _ in 0..12 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                bytes.extend_from_slice(pieces[usize::try_from(state >> 16).unwrap() % 9]);
            }
            let mut known: Option<Answer> = None;
            for end in 0..=bytes.len() {
                let answer = Answer::read(&bytes[..end]);
                if let Some(Answer::Status(..)) = known {
                    assert_eq!(Some(&answer), known.as_ref(), "{}", bytes.escape_ascii());
                }
                if answer != Answer::Incomplete && known.is_none() {
                    known = Some(answer);
                }
            }
        }
    }
}
