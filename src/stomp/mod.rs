//! The STOMP wire format: octets in, frames out, and back again.
//!
//! Holds what the specifications of STOMP 1.0, 1.1 and 1.2 say about the form of a frame: commands, headers and their
//! escapes, bodies, limits, version and heart-beat negotiation. It must not know what a frame means: no rooms, no
//! sessions, no clock, no I/O. Invariant: whatever octets arrive, in whatever pieces, the result is the same frames or
//! the same error, and no more than [`FrameLimits::frame_bytes_max`] octets of an unfinished frame are held.
//!
//! What the specifications leave open, or show otherwise than they say, is decided thus:
//! - LF and CR LF end a line in every version: no peer that sends CR LF means the CR as a part of a value.
//! - `CONNECT`, `STOMP` and `CONNECTED` are read by the version that they name themselves. Every other frame is read by
//!   [`Decoder::set_version`], and by 1.0 before that was called: what comes before `CONNECTED` is only refused anyway.
//! - In 1.0, spaces around a value are trimmed, since that specification's own examples pad values; in 1.1 and 1.2 never.
//! - In 1.0, the body of a frame that has no use for one is dropped, as it says for SUBSCRIBE; in 1.1 and 1.2 it is a fault.
//! - A NUL at the beginning of a header line ends the frame: the specification's own example of DISCONNECT forgets the
//!   blank line. A NUL within a header line is a fault, though the grammars of 1.1 and 1.2 allow it: it means that the
//!   blank line was forgotten, and is told at once this way rather than after the next frame was swallowed.
//! - A colon in a value need not be escaped, as many clients do not; a CR within a header must be, in 1.2.
//! - Two `content-length` headers that differ are a fault, although of other repeated headers the first wins: two readers
//!   would see two different frames.

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

#[cfg(test)]
mod properties;
#[cfg(test)]
mod spec_tests;

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
