//! Certificates that nobody else signed: to try things out with, and until a real one is there.

use std::time::SystemTime;

use anyhow::Context as _;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256};
use time::{Duration, OffsetDateTime};
use tokio::time::sleep;

use super::clock::now_ms;
use super::{Certificates, Pair};
use crate::config::Config;
use crate::store::{Secret, Store};

/// Browsers refuse what is valid for longer (825 days is the most for certificates of one's own).
const LIFETIME: Duration = Duration::days(365);
/// Clocks of clients are behind at times.
const BACKDATED: Duration = Duration::hours(1);
/// A kept one with less than this left is made anew.
const LEFT_MIN_MS: i64 = 30 * 24 * 3_600 * 1_000;
/// How often it is looked at.
const LOOK: std::time::Duration = std::time::Duration::from_secs(24 * 3_600);
/// The name that it is kept under.
const KEPT: &str = "tls/self-signed";

/// The names that such a certificate is for.
pub(super) fn names(config: &Config) -> Vec<String> {
    let mut names = config.domain.clone();
    for own in ["localhost", "127.0.0.1", "::1"] {
        if !names.iter().any(|name| name == own) {
            names.push(own.into());
        }
    }
    let ip = config.listen.ip();
    if !ip.is_unspecified() && !ip.is_loopback() {
        names.push(ip.to_string());
    }
    names
}

/// A fresh one, for as long as the process lives.
pub(super) fn made(names: &[String]) -> anyhow::Result<Pair> {
    let (chain, key) = pem(names)?;
    Ok(Pair::parse(chain.as_bytes(), key.as_bytes())?)
}

/// The one that is kept, so that who has trusted it once is not asked again; made where there is none that serves.
pub(super) async fn kept(store: &Store, names: &[String]) -> anyhow::Result<Pair> {
    if let Some(kept) = store.kept(KEPT).await? {
        // Chain and key stand in one text: a reader of PEM finds each.
        match Pair::parse(kept.expose(), kept.expose()) {
            Ok(pair) if pair.covers(names) && pair.not_after() - now_ms() > LEFT_MIN_MS => return Ok(pair),
            _ => tracing::info!("the self-signed certificate is made anew"),
        }
    }
    let (chain, key) = pem(names)?;
    store.keep(KEPT, Secret::new(format!("{chain}{key}").into_bytes())).await?;
    Ok(Pair::parse(chain.as_bytes(), key.as_bytes())?)
}

/// Makes another one in time, in a process that lives for a year.
pub(super) async fn keep(names: &[String], store: &Store, certificates: &Certificates) {
    loop {
        sleep(LOOK).await;
        match kept(store, names).await {
            Ok(pair) if pair.fingerprint() != certificates.pair().fingerprint() => certificates.put(pair),
            Ok(_) => {}
            Err(cause) => tracing::error!("the self-signed certificate cannot be made anew: {cause:#}"),
        }
    }
}

/// A fresh certificate and its key, as PEM.
pub(super) fn pem(names: &[String]) -> anyhow::Result<(String, String)> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("no key can be made")?;
    let mut certificate =
        CertificateParams::new(names.to_vec()).context("no certificate is possible for these names")?;
    certificate.distinguished_name = DistinguishedName::new();
    certificate.distinguished_name.push(DnType::CommonName, "Sarangbang self-signed");
    certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = OffsetDateTime::from(SystemTime::now());
    certificate.not_before = now - BACKDATED;
    certificate.not_after = now + LIFETIME;
    let certificate = certificate.self_signed(&key).context("no certificate can be made")?;
    Ok((certificate.pem(), key.serialize_pem()))
}
