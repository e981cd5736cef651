//! The node without HTTP: real stores, sockets that take what the dice say.

mod bench;
mod order;
mod places;
mod reach;
mod socket;
