//! Certificates that nobody else signed: to try things out with, and until a real one is there.

use std::future::pending;
use std::time::SystemTime;

use anyhow::Context as _;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256};
use time::{Duration, OffsetDateTime};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

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
/// Names of one certificate at most.
const NAMES_MAX: usize = 64;
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
/// Nodes of one store have one: whoever finds an own address missing makes another for all of their addresses.
pub(super) async fn kept(store: &Store, names: &[String]) -> anyhow::Result<Pair> {
    loop {
        let kept = store.kept(KEPT).await?;
        let mut wanted = names.to_vec();
        if let Some(kept) = &kept {
            // Chain and key stand in one text: a reader of PEM finds each.
            match Pair::parse(kept.expose(), kept.expose()) {
                Ok(pair) if pair.covers(names) && pair.not_after() - now_ms() > LEFT_MIN_MS => return Ok(pair),
                Ok(pair) if store.is_shared() => wanted = union(names, pair.names()),
                _ => {}
            }
            tracing::info!("the self-signed certificate is made anew");
        }
        let (chain, key) = pem(&wanted)?;
        let made = Secret::new(format!("{chain}{key}").into_bytes());
        // Who comes second takes the one that is there.
        if store.keep_over(KEPT, kept.as_ref(), made).await? {
            return Ok(Pair::parse(chain.as_bytes(), key.as_bytes())?);
        }
    }
}

/// These names and those, or these alone where that would be too many: addresses change, and old ones would pile up.
fn union(own: &[String], other: &[String]) -> Vec<String> {
    let others = other.iter().filter(|name| !own.contains(name));
    let all: Vec<String> = own.iter().chain(others).cloned().collect();
    if all.len() > NAMES_MAX { own.to_vec() } else { all }
}

/// Makes another one in time, in a process that lives for a year, and takes up what another node has made.
pub(super) async fn keep(names: &[String], store: &Store, certificates: &Certificates) {
    let mut news = store.kept_news();
    loop {
        match kept(store, names).await {
            Ok(pair) if pair.fingerprint() != certificates.pair().fingerprint() => certificates.put(pair),
            Ok(_) => {}
            Err(cause) => tracing::error!("the self-signed certificate cannot be looked at: {cause:#}"),
        }
        let told = async {
            loop {
                match news.recv().await {
                    Ok(name) if name != KEPT => {}
                    // Whoever tells nothing will not begin to.
                    Err(RecvError::Closed) => return pending().await,
                    Ok(_) | Err(RecvError::Lagged(_)) => return,
                }
            }
        };
        let _ = timeout(LOOK, told).await;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::tests::store;

    #[tokio::test]
    async fn of_several_that_are_made_at_once_one_is_everybodys() {
        let folder = tempfile::tempdir().unwrap();
        let (store, names) = (store(folder.path()), ["a.example".to_owned()]);
        let made = futures_util::future::join_all((0..8).map(|_| kept(&store, &names))).await;
        let prints: std::collections::BTreeSet<_> =
            made.iter().map(|pair| pair.as_ref().unwrap().fingerprint()).collect();
        assert_eq!(prints.len(), 1);
    }

    #[test]
    fn addresses_of_all_nodes_are_gathered_and_do_not_pile_up() {
        let own = ["a.example".to_owned(), "10.0.0.1".into()];
        assert_eq!(union(&own, &["a.example".into(), "10.0.0.2".into()]), ["a.example", "10.0.0.1", "10.0.0.2"]);
        let many: Vec<String> = (0..NAMES_MAX).map(|n| format!("10.0.1.{n}")).collect();
        assert_eq!(union(&own, &many), own);
    }
}
