//! Everything that is tested from outside: the real binary, real sockets, a data folder of its own for each test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

mod acme;
mod acme_nodes;
mod away;
mod backup;
mod bench;
mod chaos;
mod cli;
mod config;
mod contract;
mod copy;
mod crowd;
mod defects;
mod doctor;
mod doctor_findings;
mod doctor_host;
mod doctor_redis;
mod faults;
mod handover;
mod metrics;
mod passing;
mod ports;
mod protocol_document;
mod proxies;
mod rules;
mod signing_keys;
mod sockjs;
mod sockjs_limits;
mod sockjs_nodes;
mod spec_ack;
mod spec_connect;
mod spec_errors;
mod spec_frames;
mod spec_heartbeat;
mod spec_receipts;
mod spec_send;
mod spec_subscribe;
mod spec_transactions;
mod talk;
mod tls;
mod websocket;
