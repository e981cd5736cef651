//! One look at a server from outside: a GET over HTTP or HTTPS within a time, and the certificates that it showed.
//!
//! Invariant: it never waits for longer than it was told to, and reads no more than a little.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper::header::{CONNECTION, DATE, HOST};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::anybody::Anybody;

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// A header of the PROXY protocol for a connection that nobody is behind.
const PROXY_OF_NOBODY: &[u8] = b"PROXY UNKNOWN\r\n";

/// Where to look.
#[derive(Clone)]
pub(super) struct Peek {
    /// Tried one after the other.
    pub(super) addresses: Vec<SocketAddr>,
    /// The name that is asked for.
    pub(super) host: String,
    pub(super) speech: Speech,
    /// Whether the connection begins as one from a proxy does.
    pub(super) as_proxy: bool,
}

/// How to speak there.
#[derive(Clone)]
pub(super) enum Speech {
    Plain,
    /// TLS, whoever answers: for looking at what is shown, and nothing secret is ever said.
    Tls,
    /// TLS with somebody whom these vouch for.
    Trusted(Arc<RootCertStore>),
}

/// What was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    /// What time it is there.
    pub(super) date: Option<SystemTime>,
    pub(super) body: Bytes,
    /// The certificates that were shown, the server's own first.
    pub(super) chain: Vec<CertificateDer<'static>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PeekError {
    #[error("nobody answers: {}", brief(.0))]
    Unreachable(io::Error),
    #[error("nobody answers within {} seconds", .0.as_secs())]
    Slow(Duration),
    #[error("{0}")]
    Distrusted(String),
    #[error("somebody answers who does not speak {0}")]
    Foreign(&'static str),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Peek {
    /// Asks for a path.
    pub(super) async fn get(&self, path: &str, within: Duration) -> Result<Answer, PeekError> {
        timeout(within, self.ask(path, within)).await.map_err(|_| PeekError::Slow(within))?
    }

    async fn ask(&self, path: &str, within: Duration) -> Result<Answer, PeekError> {
        let mut tcp = self.connect(within).await?;
        if self.as_proxy {
            tcp.write_all(PROXY_OF_NOBODY).await.map_err(PeekError::Unreachable)?;
        }
        let (stream, chain): (Box<dyn Stream>, _) = match tls(&self.speech) {
            None => (Box::new(tcp), Vec::new()),
            Some(config) => {
                let name = ServerName::try_from(self.host.clone()).map_err(|_| PeekError::Foreign("TLS"))?;
                let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(|e| distrust(&e))?;
                let chain = tls.get_ref().1.peer_certificates().unwrap_or_default();
                let chain = chain.iter().cloned().map(CertificateDer::into_owned).collect();
                (Box::new(tls), chain)
            }
        };
        let foreign = |_| PeekError::Foreign("HTTP");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(foreign)?;
        let driving = tokio::spawn(connection);
        let request = Request::get(path).header(HOST, &self.host).header(CONNECTION, "close");
        let request = request.body(Empty::<Bytes>::new()).map_err(|_| PeekError::Foreign("HTTP"))?;
        let response = sender.send_request(request).await.map_err(foreign)?;
        let date = response.headers().get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        let status = response.status().as_u16();
        // Too long an answer says as little as none.
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        driving.abort();
        Ok(Answer { status, date, body: body.map(|body| body.to_bytes()).unwrap_or_default(), chain })
    }

    /// A silent address leaves time for the next one.
    async fn connect(&self, within: Duration) -> Result<TcpStream, PeekError> {
        let mut failure = PeekError::Slow(within);
        let share = within / u32::try_from(self.addresses.len()).unwrap_or(u32::MAX).max(1);
        for address in &self.addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(e)) => failure = PeekError::Unreachable(e),
                Err(_) => failure = PeekError::Slow(within),
            }
        }
        Err(failure)
    }
}

impl Answer {
    /// Whether it is the one that every Sarangbang gives to `/about`.
    pub(super) fn is_sarangbang(&self) -> bool {
        self.json()["name"] == "Sarangbang"
    }

    /// The body; `null` where it is no JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What the operating system says, without its number.
pub(super) fn brief(e: &io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

fn tls(speech: &Speech) -> Option<Arc<ClientConfig>> {
    let provider = Arc::new(default_provider());
    // The provider knows both versions: this cannot fail.
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().ok();
    let mut config = match speech {
        Speech::Plain => return None,
        Speech::Tls => config?.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
        Speech::Trusted(roots) => config?.with_root_certificates(Arc::clone(roots)),
    }
    .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(Arc::new(config))
}

fn distrust(e: &io::Error) -> PeekError {
    let tls = e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(problem)) => PeekError::Distrusted(match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired, or the clock here is ahead".into()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet, or the clock here is behind".into()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name".into()
            }
            _ => "its certificate is signed by nobody who is believed here".into(),
        }),
        Some(_) => PeekError::Foreign("TLS"),
        None if e.kind() == io::ErrorKind::InvalidData => PeekError::Foreign("TLS"),
        None => PeekError::Unreachable(io::Error::new(e.kind(), e.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_millis(300);

    fn at(address: SocketAddr, speech: Speech) -> Peek {
        Peek { addresses: vec![address], host: "localhost".into(), speech, as_proxy: false }
    }

    #[tokio::test]
    async fn who_says_nothing_is_not_waited_for() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        for speech in [Speech::Plain, Speech::Tls] {
            assert!(matches!(at(address, speech).get("/", SOON).await, Err(PeekError::Slow(_))));
        }
        drop(silent);
        let refused = at(address, Speech::Plain).get("/", SOON).await.err().unwrap();
        assert_eq!(refused.to_string(), "nobody answers: connection refused");
    }

    #[tokio::test]
    async fn who_speaks_something_else_is_told_apart() {
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = other.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = other.accept().await {
                let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
                tokio::time::sleep(SOON).await;
            }
        });
        for (speech, name) in [(Speech::Plain, "HTTP"), (Speech::Tls, "TLS")] {
            let refusal = at(address, speech).get("/", SOON * 5).await.err().unwrap();
            assert_eq!(refusal.to_string(), format!("somebody answers who does not speak {name}"));
        }
    }
}
