//! The certificate in force, and the answers to an authority's questions.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Pair;
use super::handshake::ACME_TLS_ALPN;

/// Which certificate a handshake gets. Shared by every listener; replaced as a whole.
pub struct Certificates {
    pair: RwLock<Pair>,
    /// Why this is not yet the certificate that was asked for.
    waiting: RwLock<Option<String>>,
    answers: RwLock<Answers>,
}

/// What an authority is answered with while it looks whether the names are ours.
#[derive(Default)]
pub(crate) struct Answers {
    /// For `acme-tls/1`, by name (RFC 8737).
    pub(crate) tls: HashMap<String, Arc<CertifiedKey>>,
    /// For `/.well-known/acme-challenge/`, by token (RFC 8555, section 8.3).
    pub(crate) http: HashMap<String, String>,
}

/// How it stands with the certificate in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether browsers can be told to come by HTTPS alone: somebody else signed it, and it is valid now.
    pub is_real: bool,
    /// What stands against serving people with it, in plain words.
    pub obstacle: Option<String>,
}

impl Certificates {
    /// With the first one.
    pub(super) fn new(pair: Pair) -> Self {
        Self { pair: RwLock::new(pair), waiting: RwLock::default(), answers: RwLock::default() }
    }

    /// With one that nobody else signed, for tests of other layers.
    #[cfg(test)]
    pub(crate) fn of_nobody(names: &[String]) -> anyhow::Result<Self> {
        super::self_signed::made(names).map(Self::new)
    }

    /// The pair in force.
    pub fn pair(&self) -> Pair {
        self.pair.read().clone()
    }

    /// Puts another one in force, for the next handshake on. Open connections stay.
    pub(super) fn put(&self, pair: Pair) {
        *self.pair.write() = pair;
        *self.waiting.write() = None;
    }

    /// Remembers why the certificate that was asked for is not in force yet.
    pub(super) fn wait_for(&self, why: impl Into<String>) {
        *self.waiting.write() = Some(why.into());
    }

    /// How it stands at `now` (milliseconds since the Unix epoch).
    pub fn standing(&self, now: i64) -> Standing {
        let pair = self.pair.read();
        let is_valid = (pair.not_before()..pair.not_after()).contains(&now);
        let expired = (now >= pair.not_after()).then(|| "the certificate has expired".to_owned());
        Standing { is_real: is_valid && !pair.is_self_signed(), obstacle: self.waiting.read().clone().or(expired) }
    }

    /// Whether the one in force has ended at `now`.
    pub(super) fn is_expired(&self, now: i64) -> bool {
        self.pair.read().not_after() <= now
    }

    /// Answers an authority's questions with these from now on, and with no others.
    pub(crate) fn answer(&self, answers: Answers) {
        *self.answers.write() = answers;
    }

    /// What `/.well-known/acme-challenge/{token}` is answered with, if an authority is to ask for it.
    pub fn http_answer(&self, token: &str) -> Option<String> {
        self.answers.read().http.get(token).cloned()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut alpn = hello.alpn().into_iter().flatten();
        // RFC 8737, section 3: an authority offers this protocol and no other.
        if alpn.next() == Some(ACME_TLS_ALPN) && alpn.next().is_none() {
            return self.answers.read().tls.get(&hello.server_name()?.to_lowercase()).cloned();
        }
        // Whatever name it asks for: who comes by the address gets an answer, too.
        Some(self.pair.read().certified())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("pair", &self.pair).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::self_signed;

    #[test]
    fn a_standing_says_what_is_in_the_way() {
        let pair = self_signed::made(&["a.example".into()]).unwrap();
        let (begin, end) = (pair.not_before(), pair.not_after());
        let certificates = Certificates::new(pair.clone());
        assert_eq!(certificates.standing(begin), Standing { is_real: false, obstacle: None });
        assert_eq!(certificates.standing(end).obstacle.as_deref(), Some("the certificate has expired"));
        certificates.wait_for("the name does not resolve");
        assert_eq!(certificates.standing(begin).obstacle.as_deref(), Some("the name does not resolve"));
        certificates.put(pair);
        assert_eq!(certificates.standing(begin).obstacle, None);
    }
}
