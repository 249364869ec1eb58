//! The benchmark executes itself: as the services of a workload, and as the floors that run them.
//! So they start from nothing, like everybody else.

use std::process::ExitCode;

use crate::peer::Task;
use crate::{answer, floor, floor_relay, orphan_maker, writer};

/// What this program does in a role, with the words that follow it.
type Role = fn(&[String]);

const ROLES: [(&str, Role); 14] = [
    (floor::NOTHING, |_| {}),
    (floor::FORK, |words| floor::start_by_fork(&decode(words))),
    (floor::VFORK, |words| floor::start_by_vfork(&decode(words))),
    (floor::STOP, |words| floor::start_and_stop(&decode(words))),
    (floor::KEEP, |words| floor::keep(&decode(words))),
    (floor::INIT, |words| floor::init(&decode(words))),
    (floor_relay::RELAY, |words| floor_relay::relay(&decode(words), floor_relay::prefixed)),
    (floor_relay::CAT, |words| floor_relay::relay(&decode(words), floor_relay::whole)),
    (writer::WRITE, writer::write_alike),
    (writer::NUMBER, writer::write_numbered),
    (orphan_maker::STREAM, orphan_maker::stream),
    (orphan_maker::BURST, orphan_maker::burst),
    (orphan_maker::ON_REQUEST, orphan_maker::on_request),
    (answer::ANSWER, answer::answer),
];

/// Plays the role that the first word names, if it names one.
pub(crate) fn play(words: &[String]) -> Option<ExitCode> {
    let (first, rest) = words.split_first()?;
    let (_, role) = ROLES.iter().find(|(name, _)| name == first)?;
    role(rest);
    Some(ExitCode::SUCCESS)
}

/// The commands of a task as words, those that are alike as one and a number.
pub(crate) fn encode(task: &Task) -> Vec<String> {
    let groups = task.commands.chunk_by(|a, b| a == b);
    let encoded = groups.filter_map(|group| {
        let count = group.len().to_string();
        Some([&[count], group.first()?.as_slice(), &[END.to_owned()]].concat())
    });
    encoded.flatten().collect()
}

/// The other way round.
fn decode(words: &[String]) -> Vec<Vec<String>> {
    let groups = words.split(|word| word == END).filter_map(|group| group.split_first());
    let commands = groups.map(|(count, command)| {
        let count = count.parse().expect("a number of services");
        std::iter::repeat_n(command.to_vec(), count)
    });
    commands.flatten().collect()
}

/// Ends a command.
const END: &str = ";";
