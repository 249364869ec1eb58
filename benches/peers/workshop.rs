//! Where it all happens: a place for files, who takes part, and how often.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use crate::peer::{ACTOR, Log, PEERS, Part, Peer, Task, find, sleeper};
use crate::plot::{Picture, Plots};
use crate::report::Table;
use crate::roles;

/// How this program is called when it is PID 1, to compare with.
const FLOOR: &str = "bench-floor";

/// A place for files, and what was asked for on the command line.
pub(crate) struct Workshop {
    directory: PathBuf,
    rounds: Option<usize>,
    /// Nobody takes part but onit and the floors.
    alone: bool,
    /// Where pictures go, if they are wanted.
    pub(crate) plots: Option<Plots>,
    rooms: Cell<u32>,
}

/// One line of a table: a floor, or a peer.
#[derive(Clone)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    by: By,
}

#[derive(Clone, Copy)]
enum By {
    /// This program in a role.
    Floor(&'static str),
    Peer(&'static Peer),
}

impl Workshop {
    pub(crate) fn open(rounds: Option<usize>, alone: bool, plots: Option<Plots>) -> Self {
        let directory = std::env::temp_dir().join(format!("onit-bench-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a temporary directory");
        let sleep = find("sleep").expect("sleep is installed");
        let ourselves = std::env::current_exe().expect("/proc is there");
        for (program, name) in [(sleep, sleeper()), (ourselves.clone(), ACTOR), (ourselves, FLOOR)]
        {
            fs::copy(program, directory.join(name)).expect("room for a copy");
        }
        Self { directory, rounds, alone, plots, rooms: Cell::new(0) }
    }

    /// Says on what this is measured, who takes part, and who is missing.
    pub(crate) fn introduce(&self) {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let title = format!("onit and its peers, Linux {}, {cores} cores", release.trim());
        let mut table = Table::new(title, &["", "version", "asked"]);
        for peer in &PEERS {
            if peer.is_installed() {
                let version = peer.source.version(peer.program).unwrap_or("unknown".to_owned());
                table.row(peer.name, [version, peer.asked.to_owned()]);
            } else {
                let how = format!("is not installed here: {}", peer.source.install());
                table.row(peer.name, ["missing".to_owned(), how]);
            }
        }
        table.print();
    }

    /// How often a workload is repeated: so often as was asked for, or else as is usual for it.
    pub(crate) fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(usual)
    }

    /// Whoever is installed, wanted and takes part.
    pub(crate) fn peers(&self, part: Part) -> Vec<Contestant> {
        let taking_part = PEERS.iter().filter(|peer| peer.takes_part_in(part));
        let is_wanted = |peer: &&Peer| !self.alone || peer.is_onit();
        let installed = taking_part.filter(is_wanted).filter(|peer| peer.is_installed());
        installed
            .map(|peer| Contestant { name: peer.name.to_owned(), by: By::Peer(peer) })
            .collect()
    }

    /// This program in a role, to compare with.
    pub(crate) fn floor(&self, name: &str, role: &'static str) -> Contestant {
        Contestant { name: format!("floor: {name}"), by: By::Floor(role) }
    }

    /// onit itself.
    pub(crate) fn onit(&self) -> Contestant {
        let peer = &PEERS[0];
        Contestant { name: peer.name.to_owned(), by: By::Peer(peer) }
    }

    /// This program in a role, as the command of a service.
    pub(crate) fn actor(&self, role: &str, words: &[String]) -> Vec<String> {
        let program = self.directory.join(ACTOR).display().to_string();
        [program, role.to_owned()].into_iter().chain(words.iter().cloned()).collect()
    }

    /// So many services that do nothing.
    pub(crate) fn sleepers(&self, count: usize) -> Task {
        Task { commands: vec![self.sleeper(); count], log: Log::Silent }
    }

    /// A command that does nothing.
    pub(crate) fn sleeper(&self) -> Vec<String> {
        vec![self.directory.join(sleeper()).display().to_string(), "1000".to_owned()]
    }

    /// As a picture, if pictures are wanted.
    pub(crate) fn draw(&self, file: &str, picture: &Picture) {
        if let Some(plots) = &self.plots {
            plots.draw(file, picture);
        }
    }

    /// A new folder.
    pub(crate) fn room(&self) -> PathBuf {
        let room = self.directory.join(self.rooms.get().to_string());
        self.rooms.set(self.rooms.get() + 1);
        fs::create_dir_all(&room).expect("a temporary directory");
        room
    }

    /// The command line that has a contestant do it, or why it cannot. What it finds is new every
    /// time: nobody is to stumble over what an earlier round has left.
    pub(crate) fn prepare(
        &self,
        contestant: &Contestant,
        task: &Task,
    ) -> Result<Vec<String>, &'static str> {
        match &contestant.by {
            By::Floor(role) => {
                let program = self.directory.join(FLOOR).display().to_string();
                Ok([program, (*role).to_owned()].into_iter().chain(roles::encode(task)).collect())
            }
            By::Peer(peer) => (peer.prepare)(&self.room(), task),
        }
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(Path::new(&self.directory));
    }
}

impl Contestant {
    pub(crate) fn is_floor(&self) -> bool {
        matches!(self.by, By::Floor(_))
    }

    /// Why a TERM is no orderly stop to it, if it is none.
    pub(crate) fn not_orderly(&self) -> Option<&'static str> {
        match self.by {
            By::Floor(_) => None,
            By::Peer(peer) => peer.not_orderly,
        }
    }
}
