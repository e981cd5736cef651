//! What the benchmarks do: pieces of the server's work, set up once and done as often as is asked. They go through the
//! doors that the server itself goes through, and stand still where it would wait for a disk or a socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Each program uses some of it.
#![allow(dead_code, unused_imports, unreachable_pub)]

mod crowd;
mod ground;
mod wire;
mod writer;

pub use crowd::{Crowd, Flavours};
pub use wire::{connect, decode, encode, send, subscribe, web_socket};
pub use writer::Writer;
