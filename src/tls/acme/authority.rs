//! The way to the authority: HTTPS, with a time limit, a size limit, and an ear for how long it asks to wait.

use std::error::Error as _;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Body as _;
use hyper::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use parking_lot::Mutex;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use crate::tls::clock::now_ms;

/// How long a TCP connection may take to open.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a request may take with its answer: an authority under load still answers within that.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// An answer is a few KiB; the longest is a chain of certificates.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How this server names itself (RFC 8555, section 6.1).
const NAME: HeaderValue =
    HeaderValue::from_static(concat!("sarangbang/", env!("CARGO_PKG_VERSION"), " instant-acme/0.8"));

/// A client that trusts the public authorities, or those in `acme.ca_file` alone. Cheap to clone.
#[derive(Clone)]
pub(super) struct Authority {
    client: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    heard: Arc<Mutex<Heard>>,
}

/// What its answers said beside what was asked.
#[derive(Clone, Copy, Default)]
pub(super) struct Heard {
    /// Until when the last refusal asked to wait, in milliseconds since the Unix epoch.
    pub(super) retry_after: Option<i64>,
    /// How far its clock is ahead of ours, in milliseconds.
    pub(super) ahead: Option<i64>,
}

/// Why a request came to nothing. Each is a whole line.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{url} cannot be reached: {cause}; {advice}")]
    Unreachable { url: String, cause: String, advice: &'static str },
    #[error("{url} did not answer within {} seconds", REQUEST_TIME_MAX.as_secs())]
    Slow { url: String },
    #[error("{url} broke off in the middle of its answer")]
    BrokenOff { url: String },
    #[error("{url} answered with more than 1 MiB, so that it is no ACME authority; look at acme.directory")]
    Large { url: String },
    #[error("{url} answered {status} and did not say why; look at acme.directory if that goes on")]
    Answered { url: String, status: StatusCode },
}

impl Authority {
    /// A client for the authority of this file, or for public ones where the path is empty.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate; the message names the key.
    pub(super) fn new(ca_file: &Path) -> anyhow::Result<Self> {
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_root_certificates(roots(ca_file)?)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_TIME_MAX));
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().wrap_connector(tcp);
        // An idle connection may have been closed at the other end by the time of the next question, an hour later.
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(5)).build(https);
        Ok(Self { client, heard: Arc::default() })
    }

    /// What was heard since the last time.
    pub(super) fn heard(&self) -> Heard {
        std::mem::take(&mut *self.heard.lock())
    }

    async fn ask(self, mut request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Trouble> {
        request.headers_mut().insert(USER_AGENT, NAME);
        let url = request.uri().to_string();
        let whole = async {
            let answer = self.client.request(request).await.map_err(|error| unreachable(url.clone(), &error))?;
            let (parts, body) = answer.into_parts();
            if body.size_hint().lower() > ANSWER_BYTES_MAX as u64 {
                return Err(Trouble::Large { url: url.clone() });
            }
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| {
                let url = url.clone();
                if error.is::<http_body_util::LengthLimitError>() {
                    Trouble::Large { url }
                } else {
                    Trouble::BrokenOff { url }
                }
            })?;
            Ok((parts, body.to_bytes()))
        };
        let (parts, body) =
            timeout(REQUEST_TIME_MAX, whole).await.unwrap_or_else(|_| Err(Trouble::Slow { url: url.clone() }))?;
        self.hear(parts.status, &parts.headers);
        let refused = parts.status.is_client_error() || parts.status.is_server_error();
        if refused && !serde_json::from_slice::<serde_json::Value>(&body).is_ok_and(|problem| problem.is_object()) {
            return Err(Trouble::Answered { url, status: parts.status });
        }
        Ok(BytesResponse { parts, body: Box::new(body) })
    }

    fn hear(&self, status: StatusCode, headers: &HeaderMap) {
        let now = now_ms();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let mut heard = self.heard.lock();
        if status.is_client_error() || status.is_server_error() {
            heard.retry_after = text(RETRY_AFTER).and_then(|text| moment(text, now));
        }
        heard.ahead = text(DATE).and_then(|text| moment(text, now)).map(|date| date - now);
    }
}

impl HttpClient for Authority {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let asked = self.clone().ask(request);
        Box::pin(async move { asked.await.map_err(|trouble| Error::Other(Box::new(trouble))) })
    }
}

/// Seconds from now, or an HTTP date (RFC 9110, sections 5.6.7 and 10.2.3), in milliseconds since the Unix epoch.
fn moment(text: &str, now: i64) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(now + i64::from(seconds) * 1_000);
    }
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

fn roots(ca_file: &Path) -> anyhow::Result<RootCertStore> {
    if ca_file.as_os_str().is_empty() {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    }
    let shown = ca_file.display();
    let bytes = std::fs::read(ca_file).with_context(|| format!("acme.ca_file: {shown} cannot be read"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.with_context(|| format!("acme.ca_file: {shown} is no PEM file"))?;
        roots.add(certificate).with_context(|| format!("acme.ca_file: {shown} holds what is no certificate"))?;
    }
    if roots.is_empty() {
        bail!("acme.ca_file: there is no certificate in {shown} (PEM, -----BEGIN CERTIFICATE-----)");
    }
    Ok(roots)
}

/// The innermost cause is the one that says something.
fn unreachable(url: String, error: &hyper_util::client::legacy::Error) -> Trouble {
    let mut chain = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        chain.push(cause.to_string());
        next = cause.source();
    }
    let says = |part: &str| chain.iter().any(|text| text.contains(part));
    let advice = if says("certificate expired") || says("certificate not valid yet") {
        "look at this host's clock"
    } else if says("invalid peer certificate") {
        "if it is a private authority, give its root certificate as acme.ca_file"
    } else if says("dns error") {
        "look at acme.directory, and whether this host can resolve names"
    } else {
        "look at acme.directory, and whether this host may connect to it"
    };
    Trouble::Unreachable { url, cause: chain.pop().unwrap_or_default(), advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_to_wait_is_understood_in_both_spellings() {
        assert_eq!(moment("120", 5_000), Some(125_000));
        assert_eq!(moment("Thu, 01 Jan 1970 00:01:00 GMT", 0), Some(60_000));
        assert_eq!(moment("soon", 0), None);
        assert_eq!(moment("-5", 0), None);
    }

    #[test]
    fn a_missing_or_empty_file_of_roots_is_told_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roots.pem");
        let refusal = |file: &Path| format!("{:#}", Authority::new(file).err().unwrap());
        assert!(refusal(&file).starts_with("acme.ca_file: "), "{}", refusal(&file));
        std::fs::write(&file, "nothing").unwrap();
        assert!(refusal(&file).contains("there is no certificate in"), "{}", refusal(&file));
        assert!(Authority::new(Path::new("")).is_ok());
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_told_in_one_line() {
        let authority = Authority::new(Path::new("")).unwrap();
        let request = Request::get("https://127.0.0.1:1/dir").body(BodyWrapper::default()).unwrap();
        let words = authority.request(request).await.err().unwrap().to_string();
        assert!(words.contains("https://127.0.0.1:1/dir cannot be reached: Connection refused"), "{words}");
        assert!(words.contains("acme.directory") && !words.contains('\n'), "{words}");
    }
}
