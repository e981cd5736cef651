//! A certificate chain with its private key, checked before anybody relies on it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A chain and a key that belong together. `Debug` shows neither.
#[derive(Clone)]
pub struct Pair {
    certified: Arc<CertifiedKey>,
    names: Vec<String>,
    not_before: i64,
    not_after: i64,
    is_self_signed: bool,
    fingerprint: [u8; 32],
}

/// Why a chain and a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// The chain is no PEM, or holds no certificate.
    #[error("there is no certificate in it; tls.cert has to be PEM (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// The key is no PEM, or holds no key.
    #[error("there is no private key in it; tls.key has to be PEM (-----BEGIN PRIVATE KEY-----) without a password")]
    NoKey,
    /// The first certificate cannot be read.
    #[error("the first certificate cannot be read ({0}); the server's own has to stand first")]
    BadCertificate(String),
    /// The key is of a kind that TLS does not use here.
    #[error("the private key is of a kind that cannot be used; ECDSA (P-256, P-384), Ed25519 and RSA keys can")]
    BadKey,
    /// The key is another certificate's.
    #[error(
        "the private key is not that of the first certificate in the chain; name the two that were made together, and the server's own certificate first"
    )]
    Mismatch,
}

impl Pair {
    /// Reads a chain (the server's certificate first) and its key, both as PEM.
    ///
    /// # Errors
    /// [`PairError`]; a date is none, since an expired certificate is still better than none.
    pub fn parse(chain: &[u8], key: &[u8]) -> Result<Self, PairError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let certificates = certificates.map_err(|_| PairError::NoCertificate)?;
        let first = certificates.first().ok_or(PairError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| PairError::NoKey)?;
        let signing = any_supported_type(&key).map_err(|_| PairError::BadKey)?;
        let (_, read) =
            X509Certificate::from_der(first).map_err(|error| PairError::BadCertificate(error.to_string()))?;
        let names = match read.subject_alternative_name() {
            Ok(Some(names)) => names.value.general_names.iter().filter_map(name).collect(),
            _ => Vec::new(),
        };
        let milliseconds = |seconds: i64| seconds.saturating_mul(1_000);
        let (not_before, not_after) = (read.validity().not_before.timestamp(), read.validity().not_after.timestamp());
        let is_self_signed = read.issuer() == read.subject() && certificates.len() == 1;
        let mut digest = digest::Context::new(&digest::SHA256);
        certificates.iter().for_each(|certificate| digest.update(certificate));
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest.finish().as_ref());
        let certified = CertifiedKey::new(certificates, signing);
        // Keys that cannot tell their public half do not exist among those that are supported.
        certified.keys_match().map_err(|_| PairError::Mismatch)?;
        Ok(Self {
            certified: Arc::new(certified),
            names,
            not_before: milliseconds(not_before),
            not_after: milliseconds(not_after),
            is_self_signed,
            fingerprint,
        })
    }

    /// For the handshake.
    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// The names and addresses that it is for, in lower case.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it is for this name, be it by a wildcard (RFC 9525, section 6.3: for one label, the first).
    pub fn serves(&self, name: &str) -> bool {
        let wild = name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        self.names.iter().any(|own| own == name || Some(own) == wild.as_ref())
    }

    /// Whether it is for all of these names.
    pub fn covers(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.names.contains(name))
    }

    /// From when it is valid, in milliseconds since the Unix epoch.
    pub fn not_before(&self) -> i64 {
        self.not_before
    }

    /// Until when it is valid, in milliseconds since the Unix epoch.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Whether nobody else signed it.
    pub fn is_self_signed(&self) -> bool {
        self.is_self_signed
    }

    /// The SHA-256 of the whole chain.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("names", &self.names).finish_non_exhaustive()
    }
}

/// A name or an address as it is written; `None` for what no server is called by.
pub(super) fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_lowercase()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| std::net::IpAddr::from(bytes).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| std::net::IpAddr::from(bytes).to_string()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::self_signed;

    fn pem(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self_signed::pem(&names).unwrap()
    }

    #[test]
    fn a_pair_tells_its_names_and_dates() {
        let (chain, key) = pem(&["Chat.example", "127.0.0.1"]);
        let pair = Pair::parse(chain.as_bytes(), key.as_bytes()).unwrap();
        assert_eq!(pair.names(), ["chat.example", "127.0.0.1"]);
        assert!(pair.covers(&["chat.example".into()]) && !pair.covers(&["other.example".into()]));
        assert!(pair.is_self_signed() && pair.not_before() < pair.not_after());
    }

    #[test]
    fn what_is_no_pair_is_refused_with_its_reason() {
        let ((chain, key), (_, other)) = (pem(&["a.example"]), pem(&["a.example"]));
        let refusal = |chain: &str, key: &str| Pair::parse(chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(matches!(refusal("", &key), PairError::NoCertificate));
        assert!(matches!(refusal(&chain, "nonsense"), PairError::NoKey));
        assert!(matches!(refusal(&chain, &chain), PairError::NoKey));
        assert!(matches!(refusal(&chain, &other), PairError::Mismatch));
    }

    #[test]
    fn the_key_is_not_shown() {
        let (chain, key) = pem(&["a.example"]);
        let shown = format!("{:?}", Pair::parse(chain.as_bytes(), key.as_bytes()).unwrap());
        assert_eq!(shown, "Pair { names: [\"a.example\"], .. }");
    }
}
