//! linux
pub mod console;
pub mod notices;
pub mod relay;

mod errno;
pub mod files;
