//! What the operator decides: every key of the configuration as a typed, checked value.
//!
//! [`Config::load`] lays the layers over one another: defaults, the file, the environment, flags. Nothing outside
//! this folder knows how (figment stays in here), and this folder knows nothing of what the values are used for.
//! Invariant: a [`Config`] that exists is valid; every number in it is within the range that [`keys`] names, and
//! there is no secret among them, so that it may be printed.

mod error;
mod keys;
mod layer;
mod load;
mod near;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use error::{ConfigError, Origin, Problem};
pub use load::{DEFAULT_FILE, Sources};

use crate::chat::{Limits, Locale};

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where plain HTTP is served.
    #[serde(deserialize_with = "values::listen")]
    pub listen: SocketAddr,
    /// The folder of everything that is kept; a relative one starts at the working directory.
    #[serde(deserialize_with = "values::folder")]
    pub data: PathBuf,
    /// The language of notices, and the page's where the browser asks for neither of the two.
    pub locale: Locale,
    /// Origins besides the server's own whose pages may open sockets, as browsers spell them.
    #[serde(deserialize_with = "values::origins")]
    pub allowed_origins: Vec<String>,
    /// Networks of reverse proxies, whose word on the client's address and scheme is taken.
    #[serde(deserialize_with = "values::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// The log.
    pub log: LogConfig,
    /// Accounts and tokens.
    pub auth: AuthConfig,
    /// What a room's log keeps.
    pub history: HistoryConfig,
    /// Who counts as being in a room.
    pub presence: PresenceConfig,
    /// Every limit, by its name.
    pub limits: Limits,
}

/// How the log on stderr looks, and how much it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// For people or for machines.
    pub format: LogFormat,
    /// A level, or levels by module: `info,sarangbang::stomp=debug`.
    #[serde(deserialize_with = "values::level")]
    pub level: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One short line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Accounts and tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// Minutes that a token lives.
    pub token_minutes: u32,
    /// Who may make an account.
    pub sign_up: SignUp,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignUp {
    /// An administrator, or whoever has an invitation.
    Closed,
    /// Everybody.
    Open,
}

/// What a room's log keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryConfig {
    /// The newest entries that a room keeps; 0 keeps all.
    pub keep_entries: u64,
    /// Days that an entry is kept; 0 keeps it for ever.
    pub keep_days: u32,
    /// Whether an acknowledged message survives a power cut, and not only a crash of this process.
    pub durable: bool,
}

/// Who counts as being in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresenceConfig {
    /// Seconds for which somebody whose connection was lost still counts as there, so that a reload is no QUIT.
    pub grace_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data: PathBuf::from("./data"),
            locale: Locale::Ko,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            log: LogConfig { format: LogFormat::Text, level: "info".into() },
            auth: AuthConfig { token_minutes: 60, sign_up: SignUp::Closed },
            history: HistoryConfig { keep_entries: 10_000, keep_days: 0, durable: true },
            presence: PresenceConfig { grace_seconds: 0 },
            limits: Limits::default(),
        }
    }
}

#[cfg(test)]
mod tests;
