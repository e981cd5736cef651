//! What the operator sees, and what every start needs before there is a server: the log, the metrics, the limit of
//! open files, the store opened as the configuration says, the signing keys, the ports to listen on.
//!
//! Both `serve` and the command line come through here, so that they can never disagree about the data. It must not
//! know what comes over a socket, sessions or rooms.

mod data;
mod files;
mod heir;
mod listen;
pub mod log;
mod metrics;
mod notify;
mod redis;
mod setup_link;
mod systemd;

pub use data::{OpenError, follow_signing_keys, new_signing_key, open_store, signing_keys};
pub use files::raise_file_limit;
pub use heir::{Elder, Handed, Heir, Said};
pub use listen::{cannot_listen, listen, listen_for_operator};
pub use metrics::Metrics;
pub use notify::{notify, notify_reloading, watchdog};
pub use redis::FileError;
pub use setup_link::tell_setup_link;
pub use systemd::sockets;
