//! The answers to an authority's questions.

use std::sync::Arc;

use anyhow::Context as _;
use instant_acme::{ChallengeType, KeyAuthorization};
use rcgen::{CertificateParams, CustomExtension, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::plan::Way;
use crate::tls::Certificates;

/// What the authority calls the way.
pub(super) fn challenge_type(way: Way) -> ChallengeType {
    match way {
        Way::Http => ChallengeType::Http01,
        Way::TlsAlpn => ChallengeType::TlsAlpn01,
    }
}

/// Puts the answer for a name where the authority will look for it.
pub(super) fn give(
    certificates: &Certificates,
    way: Way,
    name: &str,
    token: &str,
    answer: &KeyAuthorization,
) -> anyhow::Result<()> {
    match way {
        Way::Http => certificates.answer_http(token, answer.as_str()),
        Way::TlsAlpn => certificates.answer_tls(name, Arc::new(certificate(name, answer.digest().as_ref())?)),
    }
    Ok(())
}

/// The certificate of RFC 8737, section 3: for this name alone, with the digest of the answer in it.
fn certificate(name: &str, digest: &[u8]) -> anyhow::Result<CertifiedKey> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("no key can be made")?;
    let mut certificate = CertificateParams::new([name.to_owned()])?;
    certificate.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = certificate.self_signed(&key).context("no certificate can be made")?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok(CertifiedKey::new(vec![certificate.der().clone()], any_supported_type(&key)?))
}
