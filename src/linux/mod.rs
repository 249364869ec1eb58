//! linux
pub mod console;
pub mod notices;
pub mod relay;

pub mod environment;
mod errno;
pub mod files;
pub mod terminal;
pub mod users;
