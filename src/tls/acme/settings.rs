//! What the configuration says about getting a certificate.

use super::plan::Way;
use crate::config::{AcmeChallenge, Config};

/// The part of the configuration that the keeper works by.
pub(super) struct Settings {
    /// The names that the certificate is for.
    pub(super) names: Vec<String>,
    /// The address of the authority's directory.
    pub(super) directory: String,
    /// Where the authority may write to, or nothing.
    pub(super) email: String,
    /// The ways of proving a name that can be gone, the first one first.
    pub(super) ways: Vec<Way>,
    /// Whether to look before asking.
    pub(super) preflight: bool,
    /// Whether one way is missing only since nobody listens for it.
    lacks_http: bool,
}

impl Settings {
    /// Of this configuration; `has_http` is whether somebody answers an authority by plain HTTP.
    pub(super) fn of(config: &Config, has_http: bool) -> Self {
        let ways = match config.acme.challenge {
            // By port 80 first: a proxy or a balancer in front hands plain HTTP on more often than handshakes.
            AcmeChallenge::Auto if has_http => vec![Way::Http, Way::TlsAlpn],
            AcmeChallenge::Auto | AcmeChallenge::TlsAlpn01 => vec![Way::TlsAlpn],
            AcmeChallenge::Http01 => vec![Way::Http],
        };
        Self {
            names: config.domain.clone(),
            directory: config.acme.directory.clone(),
            email: config.acme.email.clone(),
            ways,
            preflight: config.acme.preflight,
            lacks_http: config.acme.challenge == AcmeChallenge::Auto && !has_http,
        }
    }

    /// Says at the start what one may wonder about later.
    pub(super) fn tell(&self) {
        if self.lacks_http {
            tracing::info!("tls.redirect_listen is off: names are proven by tls-alpn-01 on port 443 alone");
        }
    }
}
