//! The HTTP edge.

mod accept;
mod cookies;
mod cors;
mod edge;
mod error;
mod headers;
pub mod limit;
pub mod origin;
pub mod peer;

pub use edge::{Edge, SetupKey};
