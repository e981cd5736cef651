//! Everything that is tested from outside: the real binary, real sockets, a data folder of its own for each test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

mod cli;
mod config;
mod faults;
mod protocol_document;
mod rules;
mod talk;
