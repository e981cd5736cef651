//! The certificate authority: what the configuration says of it, whether it can be reached, what it said last.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::Uri;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

use super::super::finding::Finding;
use super::super::peek::{Answer, Peek, PeekError, Speech, brief};
use super::kept::Kept;
use super::names::resolve;
use super::{ANSWER_WAIT, LOOKUP_WAIT, is_acme, now_ms, span};
use crate::config::{AcmeChallenge, Config};

/// How long an authority may take: it may be on another continent.
const DIRECTORY_WAIT: Duration = Duration::from_secs(5);
/// Longest text of a failure that is shown.
const CAUSE_CHARS_MAX: usize = 300;

/// What the keys say.
pub(super) fn configured(config: &Config) -> Vec<Finding> {
    if !is_acme(config) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if config.acme.email.is_empty() {
        findings.push(Finding::note(
            "authority.no-mail",
            "it knows no mail address, so that it can warn nobody",
            "give one with --acme-email or acme.email",
        ));
    }
    if let Err(finding) = roots(config) {
        findings.push(finding);
    }
    let is_http_possible = config.tls.redirect_listen.is_some();
    match config.acme.challenge {
        AcmeChallenge::Http01 if !is_http_possible => findings.push(Finding::note(
            "authority.no-http",
            "acme.challenge is http-01, and nobody answers plain HTTP here: no certificate can be got",
            "set tls.redirect_listen = \"[::]:80\", or acme.challenge = \"auto\"",
        )),
        AcmeChallenge::Auto if !is_http_possible => findings.push(Finding::note(
            "authority.no-http",
            "without plain HTTP on port 80 it can ask by tls-alpn-01 on port 443 alone",
            "set tls.redirect_listen = \"[::]:80\" to have both ways, and a redirect for people",
        )),
        _ => {}
    }
    findings
}

/// Whom the authority's own server is believed by.
pub(super) fn roots(config: &Config) -> Result<RootCertStore, Finding> {
    let path = &config.acme.ca_file;
    if path.as_os_str().is_empty() {
        return Ok(public_roots());
    }
    let fix = "name a PEM file with the authority's root certificate in acme.ca_file, or leave the key away";
    let refusal = |why: String| Finding::error("authority.roots", format!("{} {why}", path.display()), fix);
    let pem = std::fs::read(path).map_err(|e| refusal(format!("cannot be read: {}", brief(&e))))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    if added == 0 { Err(refusal("holds no certificate".into())) } else { Ok(roots) }
}

/// The authorities that browsers know.
pub(super) fn public_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

/// Asks for the directory; with what time it is there.
pub(super) async fn look(config: &Config) -> (Vec<Finding>, Option<SystemTime>) {
    let (true, Ok(roots)) = (is_acme(config), roots(config)) else {
        return (Vec::new(), None);
    };
    let url = &config.acme.directory;
    let parsed = url.parse::<Uri>().ok();
    let Some((host, uri)) = parsed.as_ref().and_then(|uri| Some((uri.host()?.trim_matches(['[', ']']), uri))) else {
        let finding = Finding::error("authority.address", format!("{url} is no address"), "correct acme.directory");
        return (vec![finding], None);
    };
    let addresses = match resolve(host, uri.port_u16().unwrap_or(443), LOOKUP_WAIT).await {
        Ok(addresses) => addresses,
        Err(why) => {
            let message = format!("{host} {why}");
            let fix = "look at the network and the name servers of this host (/etc/resolv.conf), and at acme.directory";
            return (vec![Finding::error("authority.unresolved", message, fix)], None);
        }
    };
    let peek = Peek { addresses, host: host.to_owned(), speech: Speech::Trusted(Arc::new(roots)), as_proxy: false };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    match peek.get(path, DIRECTORY_WAIT).await {
        Ok(answer) => (vec![directory(url, &answer)], answer.date),
        Err(e) => {
            let there = match &e {
                // A wrong clock is a reason not to be believed: what time it is there can still be looked at.
                PeekError::Distrusted(_) => {
                    let anybody = Peek { speech: Speech::Tls, ..peek };
                    anybody.get(path, ANSWER_WAIT).await.ok().and_then(|answer| answer.date)
                }
                _ => None,
            };
            (vec![unreachable(url, &e)], there)
        }
    }
}

fn unreachable(url: &str, e: &PeekError) -> Finding {
    let fix = match e {
        PeekError::Unreachable(_) | PeekError::Slow(_) => {
            "let this host open HTTPS connections to it (firewall), or correct acme.directory"
        }
        PeekError::Distrusted(_) => {
            "for a private authority name its root certificate in acme.ca_file; else look at the clock, and at who answers in its place"
        }
        PeekError::Foreign(_) => "correct acme.directory, or look at who answers in its place",
    };
    Finding::error("authority.unreachable", format!("{url}: {e}"), fix)
}

fn directory(url: &str, answer: &Answer) -> Finding {
    if answer.status == 200 && answer.json()["newOrder"].is_string() {
        return Finding::ok("authority", format!("{url} answers"));
    }
    let (message, fix) = match answer.status {
        200 => (format!("{url} is no directory of ACME"), "correct acme.directory"),
        503 | 429 => (format!("{url} is busy (HTTP {})", answer.status), "wait; the server tries again by itself"),
        status => (format!("{url} answers with HTTP {status}"), "correct acme.directory"),
    };
    Finding::error("authority.no-directory", message, fix)
}

/// What the server remembers of its last try.
pub(super) fn last_try(config: &Config, kept: &Kept) -> Option<Finding> {
    if !is_acme(config) {
        return None;
    }
    failure(kept.plan.as_ref()?, now_ms())
}

fn failure(plan: &Value, now: i64) -> Option<Finding> {
    let failures = plan["failures"].as_u64().filter(|failures| *failures > 0)?;
    let cause = match &plan["last_failure"] {
        // Each try counts as failed from its beginning, so that one that ends the process counts too.
        Value::String(cause) if cause.is_empty() && failures == 1 => {
            return Some(Finding::ok(
                "authority",
                "a certificate is being asked for now, or was when the server ended",
            ));
        }
        Value::String(cause) if cause.is_empty() => "it was broken off, or is under way".into(),
        Value::String(cause) => cause.clone(),
        Value::Null => "no cause is kept".into(),
        other => other.to_string(),
    };
    let cause: String = cause.lines().next().unwrap_or_default().chars().take(CAUSE_CHARS_MAX).collect();
    let next = match plan["not_before_ms"].as_i64() {
        Some(at) if at > now => format!("the next is in {}", span(at - now)),
        _ => "the next is due".into(),
    };
    let times = if failures == 1 { String::new() } else { format!(", {failures} in a row") };
    Some(Finding::error(
        "authority.last-try",
        format!("the last try failed{times}: {cause}"),
        format!("mend that; {next}"),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::finding::Level;
    use crate::config::TlsMode;

    fn acme() -> Config {
        let mut config = Config { domain: vec!["a.example".into()], ..Config::default() };
        config.tls.mode = TlsMode::Acme;
        config
    }

    #[test]
    fn what_the_keys_leave_out_is_a_note() {
        let findings = configured(&acme());
        assert!(findings.len() == 2 && findings.iter().all(|finding| finding.level == Level::Note), "{findings:?}");
        let mut config = acme();
        config.acme.email = "me@example.com".into();
        config.tls.redirect_listen = Some("127.0.0.1:80".parse().unwrap());
        assert!(configured(&config).is_empty() && configured(&Config::default()).is_empty());
    }

    #[test]
    fn a_root_file_without_a_certificate_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = acme();
        config.acme.ca_file = folder.path().join("ca.pem");
        assert!(roots(&config).unwrap_err().message.contains("cannot be read: no such file"));
        std::fs::write(&config.acme.ca_file, "hello").unwrap();
        assert!(roots(&config).unwrap_err().message.contains("holds no certificate"));
    }

    #[test]
    fn the_last_failure_is_told_with_the_time_of_the_next_try() {
        let plan = json!({ "failures": 3, "not_before_ms": 1_800_000, "last_failure": "no valid A record\nmore" });
        let finding = failure(&plan, 0).unwrap();
        assert_eq!(finding.message, "the last try failed, 3 in a row: no valid A record");
        assert_eq!(finding.fix.unwrap(), "mend that; the next is in 30 minutes");
        for plan in [json!({}), json!({ "failures": 0 }), json!("x"), json!({ "failures": "many" })] {
            assert!(failure(&plan, 0).is_none());
        }
    }

    #[test]
    fn a_first_try_that_is_under_way_is_no_failure() {
        let begun = |failures: u64| json!({ "failures": failures, "not_before_ms": 60_000, "last_failure": "" });
        assert_eq!(failure(&begun(1), 0).unwrap().level, Level::Ok);
        let again = failure(&begun(2), 0).unwrap();
        assert_eq!(again.message, "the last try failed, 2 in a row: it was broken off, or is under way");
    }

    #[test]
    fn what_is_no_directory_is_told() {
        let answer = |status, body: &'static str| Answer { status, date: None, body: body.into(), chain: Vec::new() };
        assert_eq!(directory("u", &answer(200, r#"{"newOrder":"https://ca/o"}"#)).level, Level::Ok);
        assert_eq!(directory("u", &answer(200, "<html>")).message, "u is no directory of ACME");
        assert_eq!(directory("u", &answer(404, "")).message, "u answers with HTTP 404");
    }

    #[tokio::test]
    async fn an_authority_that_nobody_reaches_is_an_error_that_names_the_key() {
        let mut config = acme();
        config.acme.directory = "https://127.0.0.1:1/dir".into();
        let (findings, there) = look(&config).await;
        assert!(findings[0].level == Level::Error && findings[0].fix.as_ref().unwrap().contains("acme.directory"));
        assert!(findings[0].message.contains("connection refused") && there.is_none(), "{findings:?}");
    }
}
