//! linux
pub mod console;
pub mod notices;
pub mod relay;

mod child;
pub mod environment;
mod errno;
pub mod files;
pub mod spawn;
pub mod terminal;
pub mod users;
