//! The domain's words and rules: names, rooms, entries, the roster, and every limit by its name.
//!
//! Pure: no I/O, no clock, no randomness, no async. A value of a type made here is valid by its
//! existence ("parse, don't validate twice"); whoever holds a [`RoomId`] needs no second look at it.

pub mod limits;
mod message;
mod names;
mod room;
mod roster;
mod script;

pub use limits::Limits;
pub use message::{Draft, Entry, Kind, Locale, NOTICE_SENDER};
pub use names::{Invalid, MessageId, Name, Role, RoomId, RoomName};
pub use room::{History, Room};
pub use roster::{LeaseId, Roster};
