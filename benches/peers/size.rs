//! What a peer takes on the disk: its main binary, and all that is installed for it.

use std::fs;

use crate::peer::{PEERS, find};
use crate::report::{NOTHING, Table, size};
use crate::workshop::Workshop;

pub(crate) fn run(_: &Workshop) {
    let mut table = Table::new("Size", &["", "main program", "installed", "what was counted"]);
    let mut seen = Vec::new();
    for peer in PEERS.iter().filter(|peer| peer.is_installed()) {
        // Some programs take part in more than one way.
        if seen.contains(&peer.program) {
            continue;
        }
        seen.push(peer.program);
        let program = find(peer.program).and_then(|path| fs::metadata(path).ok());
        let program = program.map_or(NOTHING.to_owned(), |file| size(file.len() as f64));
        let (all, counted) = match peer.source.installed(peer.program) {
            Some(installed) => (size(installed.size as f64), installed.counted),
            None => {
                (NOTHING.to_owned(), "it was not installed as benches/README.md says".to_owned())
            }
        };
        table.row(peer.name, [program, all, counted]);
    }
    table.note("without the C library, which everybody but onit and tini-static needs as well");
    table.note("goal: onit 2 MiB");
    table.print();
}
