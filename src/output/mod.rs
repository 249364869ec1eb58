//! The log path, its pure part: bytes of a service in, whole lines of onit's out. Knows no
//! descriptors, no clock and no thread; `linux` moves the bytes.
#![forbid(unsafe_code)]

mod lines;
mod page;
mod ring;
mod shape;
mod stamp;

pub use lines::Lines;
pub use page::Page;
pub use ring::{Cursor, Line, Ring};
pub use shape::{Shape, Stream, Style};
pub use stamp::Stamp;
