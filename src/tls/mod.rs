//! HTTPS by this process itself: which certificate is in force, where it comes from, and the handshake.
//!
//! It knows the store (certificates outlive the process) and nothing of HTTP: whoever serves HTTP asks it. Invariants:
//! there is always a certificate to answer with; a new one is taken up for the next handshake and touches no open
//! connection; a bad one never takes the place of a good one; a private key is never logged and never readable by
//! others.

mod acme;
mod certificates;
mod clock;
mod files;
mod handshake;
mod leaf;
mod pair;
mod self_signed;

use std::sync::Arc;

use anyhow::Context as _;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use tokio::sync::Notify;

pub(crate) use certificates::Answers;
pub use certificates::{Certificates, Standing};
pub use files::{Files, FilesError};
pub use handshake::{ACME_TLS_ALPN, Handshakes};
pub use leaf::Leaf;
pub use pair::{Pair, PairError};

use crate::config::{Config, TlsMode};
use crate::meter::{self, Causes, Registry};
use crate::store::Store;

/// HTTPS, ready to shake hands.
pub struct Tls {
    /// The certificate in force, and an authority's questions.
    pub certificates: Arc<Certificates>,
    server: Arc<ServerConfig>,
    source: Source,
    has_redirect: bool,
    /// How handshakes ended.
    outcomes: Causes,
    /// Somebody wants the authority to be asked now.
    hurry: Notify,
}

/// Where the certificate comes from.
enum Source {
    Files(files::Files),
    /// Taken by who keeps it fresh.
    Acme(Box<Mutex<Option<acme::Keeper>>>),
    SelfSigned,
}

impl Tls {
    /// As the configuration says; `None` where it says plain HTTP. `has_redirect` is whether somebody answers an
    /// authority by plain HTTP.
    ///
    /// # Errors
    /// When `tls.cert` and `tls.key` are no pair that can be used, or the store does not answer.
    pub async fn open(config: &Config, store: &Store, has_redirect: bool) -> anyhow::Result<Option<Self>> {
        let names = self_signed::names(config);
        let (first, source) = match config.tls.mode {
            TlsMode::Auto | TlsMode::Off => return Ok(None),
            TlsMode::Files => {
                let files = files::Files::new(&config.tls.cert, &config.tls.key);
                (files.read().context("the certificate cannot be used")?, Source::Files(files))
            }
            TlsMode::SelfSigned => (self_signed::kept(store, &names).await?, Source::SelfSigned),
            TlsMode::Acme => {
                let keeper = acme::Keeper::open(config, store, has_redirect).await?;
                // Until the first one is there, one of our own tells that somebody is at home.
                let first = keeper.kept().map_or_else(|| self_signed::made(&names), Ok)?;
                (first, Source::Acme(Box::new(Mutex::new(Some(keeper)))))
            }
        };
        let certificates = Arc::new(Certificates::new(first));
        if matches!(source, Source::Acme(_)) && certificates.pair().is_self_signed() {
            certificates.wait_for("there is no certificate yet: the authority is still to be asked");
        }
        let server = Arc::new(server_config(&certificates)?);
        let outcomes = Causes::new("result", ["ok", "failed"]);
        Ok(Some(Self { certificates, server, source, has_redirect, outcomes, hurry: Notify::new() }))
    }

    /// The acceptor for a listener, over whatever lets TCP connections in.
    pub fn handshakes<A>(&self, door: A, config: &Config) -> Handshakes<A> {
        let (server, seconds_max) = (Arc::clone(&self.server), config.limits.handshake_seconds_max);
        Handshakes::new(door, server, seconds_max, self.outcomes.clone())
    }

    /// Names what is counted here.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("sarangbang_tls_handshakes", "TLS handshakes that came to an end", self.outcomes.clone());
        let certificates = Arc::clone(&self.certificates);
        meter::gauge(
            registry,
            "sarangbang_certificate_not_after_timestamp_seconds",
            "When the certificate in force ends, in seconds since the Unix epoch",
            move || certificates.pair().not_after() as f64 / 1_000.0,
        );
    }

    /// Keeps the certificate fresh, for as long as the process lives.
    pub async fn keep(self: Arc<Self>, config: Arc<Config>, store: Store) {
        match &self.source {
            Source::Files(files) => files.watch(&self.certificates).await,
            Source::Acme(keeper) => {
                let keeper = keeper.lock().take();
                acme::keep(keeper, &config, &store, self.has_redirect, &self.certificates, &self.hurry).await;
            }
            Source::SelfSigned => self_signed::keep(&self_signed::names(&config), &store, &self.certificates).await,
        }
    }

    /// Looks again now, on SIGHUP: at the files, or at whether the authority will have us by now.
    pub fn reload(&self) {
        match &self.source {
            Source::Files(files) => files.reload(&self.certificates),
            Source::Acme(_) => self.hurry.notify_one(),
            Source::SelfSigned => {}
        }
    }
}

fn server_config(certificates: &Arc<Certificates>) -> anyhow::Result<ServerConfig> {
    let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(certificates) as _);
    server.alpn_protocols = vec![b"http/1.1".to_vec(), ACME_TLS_ALPN.to_vec()];
    // All that are left are strong; the server's order puts AES-256 first, which has hardware on most hosts.
    server.ignore_client_order = true;
    // Resumption by tickets needs no memory for each client.
    server.ticketer = Ticketer::new().context("no random numbers for session tickets")?;
    Ok(server)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::chat::{Limits, Locale};
    use crate::store::sqlite::{Settings, Sqlite};
    use crate::store::{Mode, Store};

    /// A store of a test's own.
    pub(super) fn store(folder: &Path) -> Store {
        let rooms_max = Limits::default().rooms_max;
        let (locale, durable, keep_entries, keep_days, queue_max) = (Locale::Ko, false, None, None, 1_000);
        let settings = Settings { locale, durable, keep_entries, keep_days, queue_max, rooms_max };
        Store::Sqlite(Sqlite::open(folder, Mode::Admin, settings).unwrap())
    }
}
