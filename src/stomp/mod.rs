//! The STOMP wire format: octets in, frames out, and back again.
//!
//! Holds what the specifications of STOMP 1.0, 1.1 and 1.2 say about the form of a frame: commands, headers and their
//! escapes, bodies, limits, version and heart-beat negotiation. It must not know what a frame means: no rooms, no
//! sessions, no clock, no I/O. Invariant: whatever octets arrive, in whatever pieces, the result is the same frames or
//! the same error, and no more than [`FrameLimits::frame_bytes_max`] octets of an unfinished frame are held.

mod command;
mod decode;
mod encode;
mod error;
mod escape;
mod frame;
mod header_block;
mod headers;
pub mod heartbeat;
mod intake;
mod limits;
mod version;

pub use command::Command;
pub use decode::{Decoded, Decoder};
pub use encode::FrameBuilder;
pub use error::{DecodeError, Fault, Limit};
pub use escape::escape_into;
pub use frame::Frame;
pub use headers::Headers;
pub use heartbeat::{HeartBeat, HeartBeatError};
pub use limits::FrameLimits;
pub use version::Version;
