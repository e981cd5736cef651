//! Sarangbang (사랑방, the room of a Korean house where guests sit and talk): a whole chat service in one binary.
//!
//! The idea: a room is an append-only log, a subscription is a cursor into it. Live delivery, history on entering
//! and resuming after a lost connection are all the same act, *read from the cursor*.
//!
//! The layers, top to bottom; an import points downwards only, and modules on one line never import each other:
//!
//! ```text
//! main -> cli -> serve             serve is the composition root: the one file that sees everything
//!         http   ops               the edge: sockets, what the operator sees
//!         tls                      certificates and the handshake
//!         node   config            this process: hub, room rings, cursors, leases | what the operator decides
//!         session   auth   store   protocol state without I/O | who you are | what outlives the process
//!         stomp   chat   meter     pure: the wire format | the domain's words and rules | what counting is done with
//! ```

pub mod auth;
pub mod chat;
pub mod cli;
pub mod config;
pub mod http;
pub mod meter;
pub mod node;
pub mod ops;
pub mod serve;
pub mod session;
pub mod stomp;
pub mod store;
pub mod tls;
