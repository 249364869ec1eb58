//! Judges what a service file says of a command that runs: `[ready]`, `[health]`, `[reload]`,
//! `[[listen]]`.

use std::net::SocketAddr;
use std::time::Duration;

use super::check::{Check, or};
use super::file::{At, Value};
use super::keys;
use crate::limits::{BACKLOG_MAX, LISTEN_MAX, READY_FD_MAX, READY_TEXT_BYTES_MAX};
use crate::service::{
    self, Address, Announcement, Health, Kind, Listen, Log, LogTarget, Name, Place, Probe, Problem,
    Readiness, Reload, ReloadBy, Remedy, Signal,
};

/// The keys of `[ready]` that name something a service says itself.
const ANNOUNCEMENTS: [&str; 3] = ["notify", "fd", "log"];
/// The keys of `[ready]` and `[health]` that name a look from outside.
const PROBES: [&str; 5] = ["tcp", "unix", "http", "exec", "file"];

impl Check<'_> {
    /// When a service is ready. `sockets` it is handed from descriptor 3 on.
    pub(super) fn ready(
        &mut self,
        kind: Kind,
        log: &Log,
        sockets: usize,
        file: &Place,
    ) -> Option<Readiness> {
        if !self.has_section("ready", kind, file) {
            return None;
        }
        self.one_of("ready", &ANNOUNCEMENTS);
        let notify = self.boolean("ready.notify") == Some(true);
        let fd = self.ready_fd(sockets);
        let text = self.word("ready.log");
        let announcement = match (notify, fd, &text) {
            (true, _, _) => Some(Announcement::Notify),
            (false, Some(fd), _) => Some(Announcement::Fd(fd)),
            (false, None, Some(text)) => Some(Announcement::Log(text.value.clone())),
            (false, None, None) => None,
        };
        if let Some(text) = &text
            && (text.value.contains('\n') || text.value.len() > READY_TEXT_BYTES_MAX)
        {
            let what =
                format!("`ready.log` is a part of a line, at most {READY_TEXT_BYTES_MAX} bytes");
            self.complain(&text.place, what);
        }
        if let Some(text) = text
            && !log.stdout.is_relayed()
            && !log.stderr.as_ref().is_some_and(LogTarget::is_relayed)
        {
            let problem = Problem::new(text.place, "`ready.log`: onit does not see its output");
            self.problems.push(problem.hint("send log.stdout or log.stderr to console or a file"));
        }
        let probe = self.probe("ready");
        let interval = self.wait("ready.interval").unwrap_or(Readiness::INTERVAL);
        let timeout = self.wait("ready.timeout").unwrap_or(Readiness::TIMEOUT);
        if announcement.is_none() && probe.is_none() {
            let kinds: Vec<&str> = ANNOUNCEMENTS.iter().chain(&PROBES).copied().collect();
            self.says_not_how("ready", &kinds, file);
            return None;
        }
        Some(Readiness { announcement, probe, interval, timeout })
    }

    fn ready_fd(&mut self, sockets: usize) -> Option<i32> {
        let fd = self.integer("ready.fd", 3, READY_FD_MAX)?;
        let taken = i64::try_from(sockets).unwrap_or(i64::MAX).saturating_add(3);
        if fd < taken
            && let Some(place) = self.place_of("ready.fd")
        {
            let what = format!("descriptor {fd} is one of the sockets of [[listen]]");
            let problem = Problem::new(place, what);
            self.problems.push(problem.hint(format!("the first that is free is {taken}")));
            return None;
        }
        i32::try_from(fd).ok()
    }

    /// How a service is kept well.
    pub(super) fn health(&mut self, kind: Kind, file: &Place) -> Option<Health> {
        if !self.has_section("health", kind, file) {
            return None;
        }
        let remedies = [
            ("restart", Remedy::Restart),
            ("shutdown", Remedy::Shutdown),
            ("continue", Remedy::Continue),
        ];
        let on_unhealthy = self.choice("health.on_unhealthy", "a remedy", &remedies);
        let on_unhealthy = on_unhealthy.unwrap_or(Remedy::Restart);
        let watchdog = self.wait("health.watchdog");
        let probe = self.probe("health");
        let interval = self.wait("health.interval");
        let timeout = self.wait("health.timeout");
        let retries = self.integer("health.retries", 1, i64::from(u32::MAX));
        let start_period = self.duration("health.start_period");
        let check = match (watchdog, probe) {
            (Some(every), None) => {
                for key in
                    ["health.interval", "health.timeout", "health.retries", "health.start_period"]
                {
                    if let Some(place) = self.own_place_of(key, file) {
                        let what = format!("`{key}` means nothing with `health.watchdog`");
                        self.complain(&place, what);
                    }
                }
                service::Check::Watchdog(every)
            }
            (None, Some(probe)) => service::Check::Probe {
                probe,
                interval: interval.unwrap_or(service::Check::INTERVAL),
                timeout: timeout.unwrap_or(service::Check::TIMEOUT),
                retries: retries
                    .and_then(|retries| u32::try_from(retries).ok())
                    .unwrap_or(service::Check::RETRIES),
                start_period: start_period.unwrap_or(Duration::ZERO),
            },
            (Some(_), Some(_)) => {
                if let Some(place) = self.place_of("health.watchdog") {
                    self.complain(&place, "`health.watchdog` and a probe exclude each other");
                }
                return None;
            }
            (None, None) => {
                let kinds: Vec<&str> = PROBES.iter().copied().chain(["watchdog"]).collect();
                self.says_not_how("health", &kinds, file);
                return None;
            }
        };
        Some(Health { check, on_unhealthy })
    }

    /// The probe of a section, if it names one.
    fn probe(&mut self, section: &str) -> Option<Probe> {
        self.one_of(section, &PROBES);
        let key = |name: &str| format!("{section}.{name}");
        let tcp = self.word(&key("tcp"));
        let http = self.word(&key("http"));
        let path = |check: &mut Self, name: &str| check.path(&key(name));
        let (unix, file) = (path(self, "unix"), path(self, "file"));
        let exec = self.optional_command(&key("exec"));
        let place = tcp.as_ref().or(http.as_ref()).map(|word| word.place.clone());
        let probe = None
            .or(tcp.map(|word| Probe::Tcp(word.value)))
            .or(http.map(|word| Probe::Http(word.value)))
            .or(unix.map(Probe::Unix))
            .or(file.map(Probe::File))
            .or(exec.map(Probe::Exec))?;
        if let (Err(what), Some(place)) = (probe.check(), place) {
            self.complain(&place, what);
        }
        Some(probe)
    }

    /// How a service is told to read its configuration again.
    pub(super) fn reload(&mut self, kind: Kind, file: &Place) -> Option<Reload> {
        if !self.has_section("reload", kind, file) {
            return None;
        }
        self.one_of("reload", &["signal", "command"]);
        let signal = self.word("reload.signal").and_then(|word| self.signal(&word));
        let command = self.optional_command("reload.command");
        let notify = self.boolean("reload.notify").unwrap_or(false);
        let timeout = self.wait("reload.timeout").unwrap_or(Reload::TIMEOUT);
        let by = match command {
            Some(command) => ReloadBy::Command(command),
            None => ReloadBy::Signal(signal.unwrap_or(Signal::HUP)),
        };
        Some(Reload { by, notify, timeout })
    }

    /// The sockets of a service.
    pub(super) fn listen(&mut self, name: &Name, kind: Kind, file: &Place) -> Vec<Listen> {
        let mut sockets: Vec<Listen> = Vec::new();
        let entries = self.list("listen").unwrap_or_default();
        if let (Some(first), Kind::Oneshot) = (entries.first(), kind) {
            if first.place.file == file.file {
                self.complain(&first.place, "a oneshot has no sockets");
            }
            return sockets;
        }
        for entry in entries {
            let Value::Table(values) = &entry.value else {
                let problem = Problem::new(entry.place.clone(), "not a socket");
                self.problems.push(problem.hint("write [[listen]] above its keys"));
                continue;
            };
            let Some(socket) = self.socket(name, values, &entry.place) else { continue };
            if sockets.iter().any(|other| other.name == socket.name) {
                let what = format!("there are two sockets named `{}`", socket.name);
                self.complain(&entry.place, what);
            }
            sockets.push(socket);
        }
        if sockets.len() > LISTEN_MAX
            && let Some(place) = self.place_of("listen")
        {
            self.complain(&place, format!("more than {LISTEN_MAX} sockets"));
        }
        sockets
    }

    fn socket(
        &mut self,
        service: &Name,
        values: &[(At<String>, At<Value>)],
        place: &Place,
    ) -> Option<Listen> {
        for (key, _) in values {
            if keys::find(keys::LISTEN, &key.value).is_none() {
                let what = format!("unknown key `{}` in [[listen]]", key.value);
                let known = keys::LISTEN.iter().map(|key| key.name);
                let problem = Problem::new(key.place.clone(), what);
                self.problems.push(problem.did_you_mean(&key.value, known));
            }
        }
        let get = |name: &str| values.iter().find(|(key, _)| key.value == name).map(|(_, v)| v);
        let name = match get("name").and_then(|value| self.word_of(value)) {
            Some(word) if word.value.contains(':') || word.value.contains(char::is_control) => {
                let what = format!("`{}` is no name of a socket", word.value.escape_debug());
                let problem = Problem::new(word.place, what);
                self.problems.push(problem.hint("it has no `:` and no control characters"));
                return None;
            }
            Some(word) => word.value,
            None => service.to_string(),
        };
        let address = get("address").and_then(|value| self.word_of(value));
        let address = match address {
            Some(word) => Some(self.address(&word)?),
            None if get("name").is_none() => {
                let problem = Problem::new(place.clone(), "a socket without `address`");
                self.problems.push(
                    problem.hint("without one it needs the `name` of a socket that onit is handed"),
                );
                return None;
            }
            None => None,
        };
        let backlog = get("backlog").and_then(|value| {
            let number = self.integer_of(value, None)?;
            match u32::try_from(number) {
                Ok(number) if (1..=BACKLOG_MAX).contains(&number) => Some(number),
                Ok(_) | Err(_) => {
                    let what = format!("{number} is out of range: `backlog` is 1 to {BACKLOG_MAX}");
                    self.complain(&value.place, what);
                    None
                }
            }
        });
        let mode = get("mode").and_then(|value| self.mode_of(value, "mode"));
        let user = get("user").and_then(|value| self.who(value));
        let group = get("group").and_then(|value| self.who(value));
        for key in ["mode", "user", "group"] {
            if let (Some(value), Some(Address::Tcp(_))) = (get(key), &address) {
                self.complain(&value.place, format!("`{key}` is for a path, not for an address"));
            }
        }
        Some(Listen {
            name,
            address,
            backlog: backlog.unwrap_or(Listen::BACKLOG),
            mode,
            user,
            group,
        })
    }

    fn address(&mut self, word: &At<String>) -> Option<Address> {
        if word.value.starts_with('/') {
            return Some(Address::Unix(word.value.clone().into()));
        }
        if let Ok(address) = word.value.parse::<SocketAddr>() {
            return Some(Address::Tcp(address));
        }
        let what = format!("`{}` is no address to listen on", word.value);
        let port = word.value.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        let hint = match port {
            Some(port) => format!("write \"0.0.0.0:{port}\" or \"[::]:{port}\""),
            None => "write \"0.0.0.0:8080\", \"[::]:8080\" or an absolute path".to_owned(),
        };
        self.problems.push(Problem::new(word.place.clone(), what).hint(hint));
        None
    }

    // ---- sections ----

    /// Whether a section says something for this kind of service. What `[service_defaults]` say is
    /// meant for those it makes sense for.
    fn has_section(&mut self, section: &str, kind: Kind, file: &Place) -> bool {
        let prefix = format!("{section}.");
        let mut values = self.raw.values.iter().filter(|(key, _)| key.starts_with(&prefix));
        let Some((_, first)) = values.next() else { return false };
        if kind != Kind::Oneshot {
            return true;
        }
        if first.place.file == file.file {
            let place = first.place.clone();
            let what =
                format!("[{section}] is not for a oneshot: it is ready when it has completed");
            self.complain(&place, what);
        }
        false
    }

    /// Complains if more than one of these keys of a section is set.
    fn one_of(&mut self, section: &str, names: &[&str]) {
        let is_set = |name: &&&str| {
            let value = self.raw.values.get(format!("{section}.{name}").as_str());
            value.is_some_and(|value| match &value.value {
                Value::Text(text) => !text.is_empty(),
                Value::List(list) => !list.is_empty(),
                Value::Boolean(value) => *value,
                Value::Integer(_) | Value::Float(_) | Value::Table(_) | Value::Other(_) => true,
            })
        };
        let set: Vec<&str> = names.iter().filter(is_set).copied().collect();
        if let [first, second, ..] = set.as_slice()
            && let Some(place) = self.place_of(&format!("{section}.{second}"))
        {
            let what = format!("`{section}.{first}` and `{section}.{second}` exclude each other");
            self.complain(&place, what);
        }
    }

    /// Complains about a section of the service's own that says when, but not how.
    fn says_not_how(&mut self, section: &str, kinds: &[&str], file: &Place) {
        let is_tried =
            |name: &&str| self.raw.values.contains_key(format!("{section}.{name}").as_str());
        // What is wrong with it has been said.
        if kinds.iter().any(is_tried) {
            return;
        }
        let prefix = format!("{section}.");
        let own = self
            .raw
            .values
            .iter()
            .find(|(key, value)| key.starts_with(&prefix) && value.place.file == file.file);
        if let Some(place) = own.map(|(_, value)| value.place.clone()) {
            let problem = Problem::new(place, format!("[{section}] does not say how"));
            self.problems.push(problem.hint(format!("set {}", or(kinds))));
        }
    }

    /// Where a key stands, if that is in the service's own file.
    pub(super) fn own_place_of(&self, key: &str, file: &Place) -> Option<Place> {
        self.place_of(key).filter(|place| place.file == file.file)
    }
}
