//! linux
pub mod relay;
