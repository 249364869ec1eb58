//! `[socket:x]` to the sockets of a service, for whoever uses it.

use super::watcher::Watcher;
use super::{Reader, take_all};
use crate::config::file::{At, Value};
use crate::formats::ini::Ini;
use crate::formats::variables::Variables;
use crate::service::Place;

/// A socket, as a table of `[[listen]]`.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    /// In small letters, as it is named.
    pub name: String,
    place: Place,
    keys: Vec<(&'static str, At<Value>)>,
    /// Where its mode is said to be another than the one circus gives it.
    has_mode: Option<Place>,
}

impl Reader<'_> {
    pub(super) fn sockets(&mut self, ini: &mut Ini) {
        let own = self.environment.clone();
        for mut section in take_all(ini, "socket:") {
            let place = section.place.clone();
            let name = section.name.strip_prefix("socket:").unwrap_or_default().to_lowercase();
            let mut socket =
                Socket { name, place: place.clone(), keys: Vec::new(), has_mode: None };
            let mut option = |key: &str| self.text(&mut section, key, &own, Variables::Kept);
            let (host, port, path) = (option("host"), option("port"), option("path"));
            let (kind, family, umask) = (option("type"), option("family"), option("umask"));
            let at = path.clone().or(port.clone()).or(host.clone()).map_or(place, |at| at.place);
            let is_path = path.is_some();
            let address = match path {
                Some(path) => self.absolute(&path.value),
                None => {
                    let is_six = family.is_some_and(|at| at.value.eq_ignore_ascii_case("AF_INET6"));
                    let host = host.map_or_else(|| "localhost".to_owned(), |host| host.value);
                    let host = match (host.as_str(), is_six) {
                        ("localhost", false) => "127.0.0.1".to_owned(),
                        ("localhost", true) => "[::1]".to_owned(),
                        (host, _) if host.contains(':') => format!("[{host}]"),
                        (host, _) => host.to_owned(),
                    };
                    let port = port.map_or_else(|| "8080".to_owned(), |port| port.value);
                    format!("{host}:{port}")
                }
            };
            socket.keys.push(("address", At { value: Value::Text(address), place: at }));
            if let Some(At { value, place }) = kind.filter(|kind| !is_stream(&kind.value)) {
                let what = format!("`{value}`: onit listens for streams, SOCK_STREAM, only");
                self.notes.problem(&place, what);
            }
            if let Some(At { value, place }) = self.whole(&mut section, "backlog", &own) {
                socket.keys.push(("backlog", At { value: Value::Integer(value), place }));
            }
            if let Some(At { value, place }) = umask.filter(|_| is_path) {
                match u32::from_str_radix(value.trim_start_matches("0o"), 8) {
                    Ok(umask) if umask <= 0o777 => {
                        let mode = Value::Text(format!("{:04o}", 0o777 & !umask));
                        let is_other = value.trim().parse() != Ok(umask);
                        socket.has_mode = is_other.then(|| place.clone());
                        socket.keys.push(("mode", At { value: mode, place }));
                    }
                    Ok(_) | Err(_) => {
                        self.notes.problem(&place, format!("`{value}` is no umask"));
                    }
                }
            }
            self.leftovers("socket", section, None);
            self.sockets.push(socket);
        }
    }

    /// Gives each watcher its sockets: those its command names, in this order, or, if it wants
    /// some and names none, those that nobody names.
    pub(super) fn listen(&mut self, watchers: &mut [Watcher]) {
        let named: Vec<String> =
            watchers.iter().flat_map(|watcher| watcher.sockets.iter().cloned()).collect();
        let sockets = std::mem::take(&mut self.sockets);
        let mut users: Vec<(&Socket, String)> = Vec::new();
        for watcher in watchers {
            let sheet = &mut watcher.sheet;
            let used: Vec<&Socket> = match &watcher.uses_sockets {
                Some(place) if watcher.sockets.is_empty() => {
                    let is_free = |socket: &&Socket| !named.contains(&socket.name);
                    let free: Vec<&Socket> = sockets.iter().filter(is_free).collect();
                    let what = "the command names none of its sockets: they are there from \
                                descriptor 3 on";
                    self.notes.remark(place, Some(&sheet.name), Some("listen"), what);
                    free
                }
                Some(_) | None => {
                    let find = |name: &String| sockets.iter().find(|socket| socket.name == *name);
                    watcher.sockets.iter().filter_map(find).collect()
                }
            };
            let mut tables = Vec::new();
            for socket in used {
                if let Some((_, other)) = users.iter().find(|(known, _)| known.name == socket.name)
                {
                    let what = format!(
                        "[socket:{}] is used by {other} and by {}: here a socket belongs to one \
                         service",
                        socket.name, sheet.name
                    );
                    self.notes.problem_with_hint(
                        &socket.place,
                        what,
                        "give each of them its own, with another port",
                    );
                }
                users.push((socket, sheet.name.to_string()));
                if let Some(place) = &socket.has_mode {
                    let what = "the `umask` of a socket is octal here; circus takes it for a \
                                decimal number";
                    self.notes.remark(place, Some(&sheet.name), Some("listen"), what);
                }
                let named = |name: &str| At { value: name.to_owned(), place: socket.place.clone() };
                let mut table = Vec::new();
                if socket.name != sheet.name.as_str() {
                    let name = named(&socket.name);
                    let value = At { value: Value::Text(name.value), place: name.place };
                    table.push((named("name"), value));
                }
                let keys = socket.keys.iter();
                table.extend(keys.map(|(key, value)| (named(key), value.clone())));
                tables.push(At { value: Value::Table(table), place: socket.place.clone() });
            }
            if let Some(first) = tables.first() {
                let place = first.place.clone();
                sheet.set("listen", Value::List(tables), &place);
            }
        }
        for socket in sockets.iter().filter(|s| users.iter().all(|(used, _)| used.name != s.name)) {
            let what = format!("[socket:{}]: no watcher uses it, and it is not bound", socket.name);
            self.notes.remark(&socket.place, None, None, what);
        }
    }
}

fn is_stream(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("SOCK_STREAM")
}
