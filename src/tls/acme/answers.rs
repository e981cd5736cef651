//! The answers to an authority's questions, given by every node that it may reach.
//!
//! The node that asks for the certificate keeps them in the store; the others follow, and answer with the same. One
//! order is on its way at a time, so all of them are one thing that is kept. On one host nothing is kept of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::digest::{SHA256, digest};
use instant_acme::ChallengeType;
use rcgen::{CertificateParams, CustomExtension, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::plan::Way;
use crate::store::{Secret, Store};
use crate::tls::{Answers, Certificates};

/// The name that they are kept under.
pub(super) const PLACE: &str = "acme/answers";
/// An authority has looked by then, or never will: longer than anybody waits for it (`order::PATIENCE`).
const SECONDS: u32 = 600;
/// So long the other nodes may take to hear of them. They look each second, and mostly hear at once.
const TAKE_UP: Duration = Duration::from_secs(2);

/// What one order is answered with.
#[derive(Serialize, Deserialize, PartialEq)]
pub(super) struct Given {
    way: Way,
    /// The key authorizations (RFC 8555, section 8.1): by token where they are asked for by HTTP, else by name.
    texts: BTreeMap<String, String>,
}

impl Given {
    pub(super) fn new(way: Way) -> Self {
        Self { way, texts: BTreeMap::new() }
    }

    /// One more.
    pub(super) fn add(&mut self, name: &str, token: &str, text: &str) {
        let key = match self.way {
            Way::Http => token,
            Way::TlsAlpn => name,
        };
        self.texts.insert(key.to_owned(), text.to_owned());
    }

    /// As listeners give them.
    fn made(&self) -> anyhow::Result<Answers> {
        Ok(match self.way {
            Way::Http => Answers { http: self.texts.clone().into_iter().collect(), ..Answers::default() },
            Way::TlsAlpn => {
                let made = |(name, text): (&String, &String)| {
                    Ok((name.to_lowercase(), Arc::new(certificate(name, digest(&SHA256, text.as_bytes()).as_ref())?)))
                };
                let tls = self.texts.iter().map(made).collect::<anyhow::Result<HashMap<_, _>>>()?;
                Answers { tls, ..Answers::default() }
            }
        })
    }

    /// Puts them where the authority will look; when this returns, every node that is awake has them.
    pub(super) async fn give(&self, store: &Store, certificates: &Certificates) -> anyhow::Result<()> {
        if store.is_shared() && !self.texts.is_empty() {
            let json = Secret::new(serde_json::to_vec(self)?);
            store.keep_for(PLACE, json, SECONDS).await.context("the other nodes cannot be told")?;
            sleep(TAKE_UP).await;
        }
        // Last: who follows in this process may have looked just before they were kept.
        certificates.answer(self.made()?);
        Ok(())
    }

    /// Takes them back. What another node has put in their place since stays.
    pub(super) async fn take_back(&self, store: &Store, certificates: &Certificates) {
        certificates.answer(Answers::default());
        if !store.is_shared() {
            return;
        }
        let taken = async {
            match read(store).await? {
                Some(kept) if kept == *self => store.forget(PLACE).await,
                _ => Ok(()),
            }
        };
        if let Err(cause) = taken.await {
            tracing::debug!(%cause, "answers to the authority's questions stay until they expire");
        }
    }
}

/// What the authority calls the way.
pub(super) fn challenge_type(way: Way) -> ChallengeType {
    match way {
        Way::Http => ChallengeType::Http01,
        Way::TlsAlpn => ChallengeType::TlsAlpn01,
    }
}

/// Answers with what is kept now, whichever node it is from.
pub(super) async fn follow(store: &Store, certificates: &Certificates) -> anyhow::Result<()> {
    let kept = if store.is_shared() { read(store).await? } else { None };
    certificates.answer(kept.map(|kept| kept.made()).transpose()?.unwrap_or_default());
    Ok(())
}

async fn read(store: &Store) -> crate::store::Result<Option<Given>> {
    Ok(store.kept(PLACE).await?.and_then(|kept| serde_json::from_slice(kept.expose()).ok()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_answers_with_the_same() {
        for way in [Way::Http, Way::TlsAlpn] {
            let mut given = Given::new(way);
            given.add("Chat.example", "token", "token.thumbprint");
            let heard: Given = serde_json::from_slice(&serde_json::to_vec(&given).unwrap()).unwrap();
            let (ours, theirs) = (given.made().unwrap(), heard.made().unwrap());
            assert_eq!((&ours.http, ours.tls.len()), (&theirs.http, theirs.tls.len()));
            match way {
                Way::Http => assert_eq!(theirs.http["token"], "token.thumbprint"),
                // The certificates differ, and say the same: the digest is what the authority looks at.
                Way::TlsAlpn => {
                    let said = digest(&SHA256, b"token.thumbprint");
                    for answers in [ours, theirs] {
                        let shown = &answers.tls["chat.example"].cert[0];
                        assert!(shown.windows(32).any(|part| part == said.as_ref()));
                    }
                }
            }
        }
    }
}
