//! What the operator decides: every key of the configuration as a typed, checked value.
//!
//! [`Config::load`] lays the layers over one another: defaults, the file, the environment, flags. Nothing outside
//! this folder knows how (figment stays in here), and this folder knows nothing of what the values are used for.
//! Invariant: a [`Config`] that exists is valid; every number in it is within the range that [`keys`] names, and
//! what is secret among them (the password of `redis.url`) is not shown, so that it may be printed.

mod error;
mod https;
mod keys;
mod layer;
mod load;
mod near;
mod redis;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use error::{ConfigError, Origin, Problem};
pub use load::{DEFAULT_FILE, Sources};

use crate::chat::{Limits, Locale};
use crate::store::redis::Address;

/// The directory of Let's Encrypt.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The names that the certificate is for, in lower case; the first is the one that links are made with.
    #[serde(deserialize_with = "values::domains")]
    pub domain: Vec<String>,
    /// Where the service is served: by HTTPS, or by plain HTTP where `tls.mode` is `off`.
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
    /// Whether connections from those networks begin with a PROXY protocol header, which says who the client is.
    pub proxy_protocol: bool,
    /// Seconds over which those who are connected are sent to the process that takes over; at a stop 5 of them at most.
    pub drain_seconds: u32,
    /// HTTPS by this process itself.
    pub tls: TlsConfig,
    /// Certificates from an authority.
    pub acme: AcmeConfig,
    /// The log.
    pub log: LogConfig,
    /// Accounts and tokens.
    pub auth: AuthConfig,
    /// What a room's log keeps.
    pub history: HistoryConfig,
    /// Who counts as being in a room.
    pub presence: PresenceConfig,
    /// The store that several nodes share.
    pub redis: RedisConfig,
    /// For browsers that cannot have a WebSocket.
    pub sockjs: SockjsConfig,
    /// What the operator sees.
    pub operator: OperatorConfig,
    /// Every limit, by its name.
    pub limits: Limits,
}

/// HTTPS by this process itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Where the certificate comes from.
    pub mode: TlsMode,
    /// The certificate chain, as PEM; empty where there is none.
    #[serde(deserialize_with = "values::file")]
    pub cert: PathBuf,
    /// Its private key, as PEM; empty where there is none.
    #[serde(deserialize_with = "values::file")]
    pub key: PathBuf,
    /// Where plain HTTP is answered with a redirect to HTTPS, and an authority's questions are; `None` is nowhere.
    #[serde(serialize_with = "values::show_optional_listen", deserialize_with = "values::optional_listen")]
    pub redirect_listen: Option<SocketAddr>,
    /// The port by which people come, where it is not that of `listen`: behind a router, or a container's; 0 is none.
    pub public_port: u16,
}

/// Where the certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// What the other keys make of it. A loaded configuration says one of the others.
    Auto,
    /// Plain HTTP.
    Off,
    /// From two files.
    Files,
    /// From an authority, by itself.
    Acme,
    /// Signed by nobody else, for trying things out.
    SelfSigned,
}

/// Certificates from an authority (RFC 8555).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcmeConfig {
    /// Where the authority writes to; may be empty.
    #[serde(deserialize_with = "values::email")]
    pub email: String,
    /// The authority's directory.
    #[serde(deserialize_with = "values::directory")]
    pub directory: String,
    /// The root certificates that the authority's own server is believed by, as PEM; empty for the public ones.
    #[serde(deserialize_with = "values::file")]
    pub ca_file: PathBuf,
    /// How it is shown that the names are ours.
    pub challenge: AcmeChallenge,
    /// Whether to look first at what would fail.
    pub preflight: bool,
}

/// How it is shown that a name is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcmeChallenge {
    /// One way, and the other when it fails.
    Auto,
    /// By a file over plain HTTP on port 80 (RFC 8555, section 8.3).
    #[serde(rename = "http-01")]
    Http01,
    /// By a certificate in a TLS handshake on port 443 (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
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
    /// Seconds after which the people of a node that was killed do not count any more; with Redis alone.
    pub lease_seconds: u32,
}

/// The store that several nodes share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// Where it is, and who we are there; `None` for the embedded store. What is printed of it holds no password.
    #[serde(serialize_with = "values::show_address", deserialize_with = "values::address")]
    pub url: Option<Address>,
    /// What all keys and channels begin with.
    #[serde(deserialize_with = "values::prefix")]
    pub prefix: String,
    /// The file that the password stands in, where it does not stand in the URL.
    #[serde(deserialize_with = "values::file")]
    pub password_file: PathBuf,
    /// The root certificates that the server is believed by, as PEM; empty for the public ones.
    #[serde(deserialize_with = "values::file")]
    pub ca_file: PathBuf,
    /// Seconds that a request waits while it is away, and that the start waits for it.
    pub wait_seconds: u32,
    /// Replicas that must have a message before it is acknowledged; 0 waits for none.
    pub replicas_min: u32,
}

/// For browsers that cannot have a WebSocket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SockjsConfig {
    /// Whether SockJS is spoken beside plain WebSockets.
    pub enabled: bool,
    /// Seconds of silence after which a heart-beat is sent, so that nobody on the way takes the connection for dead.
    pub heartbeat_seconds: u32,
    /// Seconds without a request that receives after which a session has ended.
    pub disconnect_seconds: u32,
}

/// What the operator sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorConfig {
    /// Where metrics and health are told, by plain HTTP and to everybody who comes; `None` is nowhere.
    #[serde(serialize_with = "values::show_optional_listen", deserialize_with = "values::optional_listen")]
    pub listen: Option<SocketAddr>,
    /// Whether somebody chose that address. One that nobody chose may be taken.
    #[serde(skip)]
    pub is_given: bool,
}

impl Config {
    /// Whether this process speaks TLS itself.
    pub fn is_https(&self) -> bool {
        !matches!(self.tls.mode, TlsMode::Auto | TlsMode::Off)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            domain: Vec::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data: PathBuf::from("./data"),
            locale: Locale::Ko,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            drain_seconds: 2,
            tls: TlsConfig {
                mode: TlsMode::Auto,
                cert: PathBuf::new(),
                key: PathBuf::new(),
                redirect_listen: None,
                public_port: 0,
            },
            acme: AcmeConfig {
                email: String::new(),
                directory: LETS_ENCRYPT.into(),
                ca_file: PathBuf::new(),
                challenge: AcmeChallenge::Auto,
                preflight: true,
            },
            log: LogConfig { format: LogFormat::Text, level: "info".into() },
            auth: AuthConfig { token_minutes: 60, sign_up: SignUp::Closed },
            history: HistoryConfig { keep_entries: 10_000, keep_days: 0, durable: true },
            presence: PresenceConfig { grace_seconds: 0, lease_seconds: 10 },
            redis: RedisConfig {
                url: None,
                prefix: "sarangbang:".into(),
                password_file: PathBuf::new(),
                ca_file: PathBuf::new(),
                wait_seconds: 5,
                replicas_min: 0,
            },
            sockjs: SockjsConfig { enabled: true, heartbeat_seconds: 25, disconnect_seconds: 5 },
            operator: OperatorConfig { listen: Some(SocketAddr::from(([127, 0, 0, 1], 9464))), is_given: false },
            limits: Limits::default(),
        }
    }
}

#[cfg(test)]
mod tests;
