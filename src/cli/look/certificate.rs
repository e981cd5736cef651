//! The certificate: the one in the configured files, the one that people are shown, the one that is kept.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::super::finding::Finding;
use super::kept::Kept;
use super::{authority, now_ms, span};
use crate::config::{Config, TlsMode};
use crate::tls::{Files, Leaf};

/// The pair in `tls.cert` and `tls.key`, read as `serve` does.
pub(super) fn configured(config: &Config) -> Vec<Finding> {
    if config.tls.mode != TlsMode::Files {
        return Vec::new();
    }
    let (cert, key) = (&config.tls.cert, &config.tls.key);
    if let Err(e) = Files::new(cert, key).read() {
        return vec![Finding::refusal("certificate.files", e)];
    }
    let chain = chain_of(&std::fs::read(cert).unwrap_or_default());
    let mut findings = judge(&cert.display().to_string(), &chain, config, now_ms());
    findings.push(Finding::ok("certificate", format!("{} is its key, and not open to everybody", key.display())));
    findings
}

/// The one that a running server shows, or else the one that the next start will have.
pub(super) fn in_force(config: &Config, served: Option<&[CertificateDer<'_>]>, kept: &Kept) -> Vec<Finding> {
    let kept = match config.tls.mode {
        TlsMode::Acme => kept.issued.as_ref(),
        TlsMode::SelfSigned => kept.own.as_ref(),
        TlsMode::Auto | TlsMode::Off | TlsMode::Files => None,
    };
    match (served, kept) {
        (Some(chain), _) => judge("the one that is shown", chain, config, now_ms()),
        (None, Some(pem)) => judge("the one that is kept", &chain_of(pem.as_bytes()), config, now_ms()),
        (None, None) => match config.tls.mode {
            TlsMode::Acme => vec![Finding::ok("certificate", "there is none yet; the first start asks for one")],
            TlsMode::SelfSigned => vec![Finding::ok("certificate", "there is none yet; the first start makes one")],
            TlsMode::Auto | TlsMode::Off | TlsMode::Files => Vec::new(),
        },
    }
}

fn chain_of(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
}

/// What is to be said of a chain at `now` (milliseconds since the Unix epoch).
fn judge(which: &str, chain: &[CertificateDer<'_>], config: &Config, now: i64) -> Vec<Finding> {
    let leaf = match Leaf::read(chain) {
        Ok(leaf) => leaf,
        Err(e) => return vec![Finding::refusal("certificate.unreadable", format!("{which}: {e}"))],
    };
    let mut findings = vec![dates(which, &leaf, config.tls.mode, now)];
    let missing: Vec<_> = config.domain.iter().filter(|name| !covers(&leaf, name)).map(String::as_str).collect();
    if !missing.is_empty() {
        let fix = match config.tls.mode {
            TlsMode::Acme => "one for all names is asked for at the next start; what is in its way stands below",
            TlsMode::SelfSigned => "it is made anew at the next start",
            _ => "get one for all names of the key domain, or take the name away there",
        };
        let names = if leaf.names.is_empty() { "no name at all".into() } else { leaf.names.join(", ") };
        let message = format!("{which} is for {names}, and not for {}: browsers refuse it there", missing.join(", "));
        findings.push(Finding::error("certificate.names", message, fix));
    }
    if leaf.is_self_signed {
        let fix = match config.tls.mode {
            TlsMode::Acme => "what is in the way of a real one stands below, and in the server's log",
            _ => "for other people use --domain, or a certificate of an authority in tls.cert",
        };
        findings.push(Finding::note(
            "certificate.self-signed",
            format!("{which} is self-signed: browsers warn of it"),
            fix,
        ));
    } else if let Some(name) = config.domain.first().filter(|_| missing.is_empty() && is_valid(&leaf, now)) {
        findings.extend(trust(which, chain, &leaf, name, config));
    }
    findings
}

fn is_valid(leaf: &Leaf, now: i64) -> bool {
    (leaf.not_before..leaf.not_after).contains(&now)
}

/// By the name itself, or by the wildcard of its domain (RFC 6125, section 6.4.3).
fn covers(leaf: &Leaf, name: &str) -> bool {
    let wildcard = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
    leaf.names.iter().any(|own| own == name || Some(own) == wildcard.as_ref())
}

fn dates(which: &str, leaf: &Leaf, mode: TlsMode, now: i64) -> Finding {
    let (left, lifetime) = (leaf.not_after - now, leaf.not_after - leaf.not_before);
    let renew = match mode {
        TlsMode::Acme => "the server renews it by itself; what is in its way stands below, and in its log",
        TlsMode::SelfSigned => "start the server again, which makes a new one",
        _ => "put a renewed pair into tls.cert and tls.key; a running server takes it up by itself",
    };
    if left <= 0 {
        return Finding::error("certificate.expired", format!("{which} expired {} ago", span(left)), renew);
    }
    if now < leaf.not_before {
        let message = format!("{which} is not valid before {} from now", span(leaf.not_before - now));
        return Finding::error("certificate.not-yet", message, "look at the clock of this computer");
    }
    let issuer = if leaf.is_self_signed { "itself" } else { leaf.issuer.as_str() };
    let message = format!("{which} is for {}, signed by {issuer}, good for {}", shortened(&leaf.names), span(left));
    if left < lifetime / 3 {
        return Finding::note("certificate.due", format!("{message}, less than a third of its life"), renew);
    }
    Finding::ok("certificate", message)
}

/// A few names; a certificate may have a hundred.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// Whether browsers believe it, or those who believe `acme.ca_file`.
fn trust(which: &str, chain: &[CertificateDer<'_>], leaf: &Leaf, name: &str, config: &Config) -> Option<Finding> {
    let roots = authority::roots(config).ok().unwrap_or_else(authority::public_roots);
    if is_believed(chain, name, roots)? {
        return None;
    }
    let (issuer, fix) =
        (&leaf.issuer, "put the authority's intermediate certificates into tls.cert, behind the server's own");
    Some(match (config.tls.mode, chain.len()) {
        (TlsMode::Files, 1) => Finding::note(
            "certificate.chain",
            format!("{which} stands alone, and browsers do not know who signed it ({issuer})"),
            fix,
        ),
        (TlsMode::Acme, _) => Finding::note(
            "certificate.unknown-authority",
            format!("{which} is signed by {issuer}, whom browsers do not know"),
            "after trying out, set acme.directory to the real authority's; take the key away for Let's Encrypt",
        ),
        _ => Finding::note(
            "certificate.unknown-authority",
            format!("{which} is signed by {issuer}, whom browsers do not know"),
            "fine where everybody who comes trusts that authority; else get one from a public authority",
        ),
    })
}

fn is_believed(chain: &[CertificateDer<'_>], name: &str, roots: RootCertStore) -> Option<bool> {
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider())).build().ok()?;
    let (first, between) = chain.split_first()?;
    let name = ServerName::try_from(name.to_owned()).ok()?;
    Some(verifier.verify_server_cert(first, between, &name, &[], UnixTime::now()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::finding::Level;

    const DAY: i64 = 86_400_000;

    fn leaf(names: &[&str]) -> Leaf {
        Leaf {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            issuer: "Let's Encrypt R11".into(),
            not_before: 0,
            not_after: 90 * DAY,
            is_self_signed: false,
        }
    }

    #[test]
    fn the_time_that_is_left_decides_whatever_the_lifetime() {
        let level = |lifetime: i64, at: i64| {
            dates("it", &Leaf { not_after: lifetime, ..leaf(&["a.example"]) }, TlsMode::Acme, at).level
        };
        for lifetime in [90 * DAY, 45 * DAY, 6 * DAY] {
            assert_eq!(level(lifetime, 0), Level::Ok);
            assert_eq!(level(lifetime, lifetime * 2 / 3 - 1), Level::Ok);
            assert_eq!(level(lifetime, lifetime * 2 / 3 + 1), Level::Note);
            assert_eq!(level(lifetime, lifetime), Level::Error);
            assert_eq!(level(lifetime, -1), Level::Error);
        }
        let said = dates("it", &leaf(&["a.example"]), TlsMode::Files, 100 * DAY);
        assert_eq!(said.message, "it expired 10 days ago");
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        let wild = leaf(&["*.example.com"]);
        assert!(covers(&wild, "chat.example.com"));
        assert!(!covers(&wild, "example.com") && !covers(&wild, "a.chat.example.com"));
    }

    #[test]
    fn names_that_are_not_covered_are_an_error() {
        let key = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        let mut config = Config { domain: vec!["a.example".into(), "b.example".into()], ..Config::default() };
        config.tls.mode = TlsMode::Files;
        let findings = judge("it", &[made.der().clone()], &config, now_ms());
        let missing = findings.iter().find(|finding| finding.level == Level::Error).unwrap();
        assert!(missing.message.contains("and not for b.example"), "{findings:?}");
    }
}
