//! A directory with the three services in it, and the onit that runs them.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a condition may take to come true; initdb alone takes seconds on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at something that cannot tell us by itself.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// How long an answer on a connection may take.
const ANSWER: Duration = Duration::from_secs(5);

/// Where the programs are.
pub(crate) struct Programs {
    nginx: PathBuf,
    redis: PathBuf,
    initdb: PathBuf,
    postgres: PathBuf,
    psql: PathBuf,
    pg_isready: PathBuf,
    systemd_notify: PathBuf,
}

/// The running services.
pub(crate) struct Site {
    directory: PathBuf,
    port: u16,
    psql: PathBuf,
    /// unshare(1), whose death is onit's.
    namespace: Child,
}

/// Finds the programs, or says what is missing.
pub(crate) fn programs() -> Result<Programs, String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("postgres as its own user needs root".to_owned());
    }
    let postgresql = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = postgresql.map(|version| version.path().join("bin")).collect();
    folders.extend(["/usr/sbin", "/usr/bin", "/usr/local/bin"].map(PathBuf::from));
    let find = |name: &str, package: &str| {
        let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.exists());
        found.ok_or_else(|| format!("{name} is not installed (Debian: {package})"))
    };
    Ok(Programs {
        nginx: find("nginx", "nginx-light")?,
        redis: find("redis-server", "redis-server")?,
        initdb: find("initdb", "postgresql")?,
        postgres: find("postgres", "postgresql")?,
        psql: find("psql", "postgresql-client")?,
        pg_isready: find("pg_isready", "postgresql-client")?,
        systemd_notify: find("systemd-notify", "systemd")?,
    })
}

impl Site {
    /// Writes the services and starts onit as PID 1 of a new PID namespace.
    pub(crate) fn start(programs: &Programs) -> Self {
        let directory = std::env::temp_dir().join(format!("onit-site-{}", std::process::id()));
        let port = free_port();
        for folder in ["services", "nginx", "redis", "postgres"] {
            fs::create_dir_all(directory.join(folder)).expect("a temporary directory");
        }
        write_services(&directory, programs, port, free_port());
        let output = fs::File::create(directory.join("log")).expect("a file for the output");
        // The one dies with us, the other takes PID 1 along.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "unshare"])
            .args(["--pid", "--fork", "--mount-proc", "--kill-child", "--"])
            .arg(env!("CARGO_BIN_EXE_onit"))
            .arg(directory.join("services"))
            .env("ONIT_SOCKET", directory.join("onit.sock"))
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second descriptor"))
            .stderr(output);
        let namespace = command.spawn().expect("setpriv is installed (Debian: util-linux)");
        Self { directory, port, psql: programs.psql.clone(), namespace }
    }

    /// What the client says to these words.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<String, String> {
        let mut client = Command::new(env!("CARGO_BIN_EXE_onit"));
        client.args(words).env("ONIT_SOCKET", self.directory.join("onit.sock"));
        let output = client.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    /// Waits until `look` finds what is wanted, while onit lives.
    pub(crate) fn wait_until(&mut self, what: &str, look: impl Fn(&Self) -> Result<(), String>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Err(found) = look(self) else { return };
            let ended = self.namespace.try_wait().expect("our own child");
            let log = self.log();
            assert!(ended.is_none(), "waited for {what}, but onit is over, {ended:?}:\n{log}");
            assert!(Instant::now() < deadline, "waited in vain for {what} ({found}):\n{log}");
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Kills the main process of a service, waits for another, and then for `what`.
    pub(crate) fn kill_and_wait_for_return(
        &mut self,
        title: &str,
        what: &str,
        look: impl Fn(&Self) -> Result<(), String>,
    ) {
        let killed = self.main_process(title).expect("it answered a moment ago");
        send(killed, nix::sys::signal::Signal::SIGKILL);
        self.wait_until(&format!("another {title}"), |site| match site.main_process(title) {
            Some(other) if other != killed => Ok(()),
            Some(_) => Err("it is still there".to_owned()),
            None => Err("there is none".to_owned()),
        });
        self.wait_until(what, look);
    }

    /// Asks nginx for its page.
    pub(crate) fn page_is_served(&self) -> Result<(), String> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let mut stream = stream.map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(ANSWER)).map_err(|error| error.to_string())?;
        let request = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
        let answer = ask(&mut stream, request, |answer| answer.contains("\r\n\r\nhello"))?;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer) }
    }

    /// Says `command` to redis and looks for `expected` in the answer.
    pub(crate) fn redis(&self, command: &str, expected: &str) -> Result<(), String> {
        let stream = UnixStream::connect(self.directory.join("redis/socket"));
        let mut stream = stream.map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(ANSWER)).map_err(|error| error.to_string())?;
        ask(&mut stream, &format!("{command}\r\n"), |answer| answer.contains(expected)).map(drop)
    }

    /// Runs `statement` in postgres and compares what it prints.
    pub(crate) fn sql(&self, statement: &str, expected: &str) -> Result<(), String> {
        let mut psql = Command::new(&self.psql);
        psql.args(["-X", "-q", "-A", "-t", "-U", "postgres", "-d", "postgres", "-c", statement])
            .arg("-h")
            .arg(self.directory.join("postgres"))
            .current_dir("/")
            .stdin(Stdio::null());
        let output = psql.output().map_err(|error| error.to_string())?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        if output.status.success() && printed.trim() == expected {
            Ok(())
        } else {
            Err(format!("{printed}{complaint}"))
        }
    }

    /// Sends onit a TERM and returns its exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        send(self.onit().expect("onit runs"), nix::sys::signal::Signal::SIGTERM);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.namespace.try_wait().expect("our own child") {
                return status.code().or(status.signal().map(|signal| 128 + signal));
            }
            assert!(Instant::now() < deadline, "onit does not end:\n{}", self.log());
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// All that was written so far.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.directory.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn onit(&self) -> Option<i32> {
        children(i32::try_from(self.namespace.id()).ok()?).first().copied()
    }

    /// The process that onit itself has started. Orphans of an earlier one are its children too,
    /// but do not go by this title.
    fn main_process(&self, title: &str) -> Option<i32> {
        children(self.onit()?).into_iter().find(|pid| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).replace('\0', " ").contains(title)
        })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.namespace.kill();
        let _ = self.namespace.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The service files, and what they need.
fn write_services(directory: &Path, programs: &Programs, port: u16, cache_port: u16) {
    let show = |path: &Path| path.display().to_string();
    let folder = show(directory);
    let write = |name: &str, text: &str| {
        fs::write(directory.join(name), text).expect("a temporary file");
    };

    let nginx = show(&programs.nginx);
    write(
        "nginx/nginx.conf",
        &format!(
            "pid {folder}/nginx/pid;
worker_processes 2;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx/body;
    proxy_temp_path {folder}/nginx/proxy;
    fastcgi_temp_path {folder}/nginx/fastcgi;
    uwsgi_temp_path {folder}/nginx/uwsgi;
    scgi_temp_path {folder}/nginx/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 hello; }}
    }}
}}
"
        ),
    );
    write(
        "services/nginx.toml",
        &format!(
            r#"description = "Web server"
command = ["{nginx}", "-e", "stderr", "-c", "{folder}/nginx/nginx.conf", "-g", "daemon off;"]
depends_on = ["worker"]
stop.signal = "SIGQUIT"
ready.http = "http://localhost:{port}/"
health.http = "http://127.0.0.1:{port}/"
health.interval = "200ms"
reload.signal = "HUP"
"#
        ),
    );
    write(
        "services/last.toml",
        "description = \"Wants all of them\"\ntype = \"oneshot\"\ncommand = [\"true\"]\n\
         depends_on = [\"nginx\"]\n",
    );

    // As its own package has it: a shell that says when it is ready.
    let script = format!(
        "{notify} --status='looking for work'; {notify} --ready --status='at work'; exec sleep 9999",
        notify = show(&programs.systemd_notify)
    );
    write(
        "services/worker.toml",
        &format!(
            r#"description = "Says when it is ready"
command = ["sh", "-c", {script:?}]
depends_on = ["redis"]
ready.notify = true
"#
        ),
    );

    // Every write goes to the file before it is answered, so a key outlives a KILL.
    write(
        "services/redis.toml",
        &format!(
            r#"description = "Cache"
command = ["{redis}", "--port", "{cache_port}", "--bind", "127.0.0.1",
           "--unixsocket", "{folder}/redis/socket", "--appendonly", "yes", "--appendfsync", "always"]
directory = "{folder}/redis"
depends_on = ["postgres"]
ready.tcp = "localhost:{cache_port}"
"#,
            redis = show(&programs.redis),
        ),
    );

    // Not by libc: a static glibc cannot look users up.
    let chown = Command::new("chown").arg("postgres").arg(directory.join("postgres")).status();
    assert!(chown.is_ok_and(|status| status.success()), "the user postgres came with its package");
    write(
        "services/initdb.toml",
        &format!(
            r#"description = "Creates the database"
type = "oneshot"
command = ["{initdb}", "--pgdata", "{folder}/postgres/data", "--username", "postgres",
           "--auth", "trust", "--no-sync", "--locale", "C"]
user = "postgres"
directory = "/"
"#,
            initdb = show(&programs.initdb),
        ),
    );
    write(
        "services/postgres.toml",
        &format!(
            r#"description = "Database"
command = ["{postgres}", "-D", "{folder}/postgres/data", "-k", "{folder}/postgres",
           "-c", "listen_addresses="]
depends_on = {{ initdb = "completed" }}
user = "postgres"
directory = "/"
stop.signal = "SIGINT"    # fast: does not wait for clients
ready.exec = ["{pg_isready}", "--host", "{folder}/postgres"]
"#,
            postgres = show(&programs.postgres),
            pg_isready = show(&programs.pg_isready),
        ),
    );
}

/// A port nobody listens on. Somebody could take it before nginx does; then nginx is tried again,
/// says so, and the test fails with that.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Says `request` and reads until the answer is `complete`.
fn ask(
    stream: &mut (impl Read + Write),
    request: &str,
    complete: impl Fn(&str) -> bool,
) -> Result<String, String> {
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if complete(&text) {
            return Ok(text);
        }
        match stream.read(&mut piece) {
            Ok(0) => return Err(format!("closed after {text:?}")),
            Ok(size) => answer.extend(piece.iter().take(size)),
            Err(error) => return Err(format!("{error} after {text:?}")),
        }
    }
}

/// The children of all threads of a process, as this namespace counts them; see
/// proc_pid_children(5).
fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|it| fs::read_to_string(it.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

fn send(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("root may do so");
}
