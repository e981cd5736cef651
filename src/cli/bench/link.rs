//! One socket that never blocks, with TLS or without.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::cli::anybody::Anybody;

/// The client's side of TLS: whom it believes, and the name that it asks for. Sessions are not resumed: every
/// handshake is a full one.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

impl Tls {
    /// With the public authorities, or, where `insecure`, believing every certificate.
    pub(super) fn new(host: &str, insecure: bool) -> anyhow::Result<Self> {
        let provider = Arc::new(default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let mut config = if insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))).with_no_client_auth()
        } else {
            let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            builder.with_root_certificates(roots).with_no_client_auth()
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
        Ok(Self { config: Arc::new(config), name })
    }
}

pub(super) enum Link {
    Plain(TcpStream),
    Tls(TcpStream, Box<ClientConnection>),
}

impl Link {
    pub(super) fn new(stream: TcpStream, tls: Option<&Tls>) -> anyhow::Result<Self> {
        Ok(match tls {
            None => Self::Plain(stream),
            Some(tls) => {
                let state = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone())?;
                Self::Tls(stream, Box::new(state))
            }
        })
    }

    pub(super) fn stream(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) | Self::Tls(stream, _) => stream,
        }
    }

    /// Bytes of the peer: 0 at its end, `WouldBlock` when nothing has come.
    pub(super) fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let (stream, tls) = match self {
            Self::Plain(stream) => return stream.read(to),
            Self::Tls(stream, tls) => (stream, tls),
        };
        loop {
            match tls.reader().read(to) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                // Who closes without a close_notify has closed.
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            tls.read_tls(stream)?;
            tls.process_new_packets().map_err(io::Error::other)?;
            while tls.wants_write() {
                match tls.write_tls(stream) {
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    written => written?,
                };
            }
        }
    }

    /// Writes what the socket takes; true when it took all of it.
    pub(super) fn write(&mut self, from: &mut Vec<u8>) -> io::Result<bool> {
        match self {
            Self::Plain(stream) => {
                let mut written = 0;
                let outcome = loop {
                    if written == from.len() {
                        break Ok(true);
                    }
                    match stream.write(&from[written..]) {
                        Ok(count) => written += count,
                        Err(e) if e.kind() == ErrorKind::Interrupted => {}
                        Err(e) if e.kind() == ErrorKind::WouldBlock => break Ok(false),
                        Err(e) => break Err(e),
                    }
                };
                from.drain(..written);
                outcome
            }
            Self::Tls(stream, tls) => {
                if !tls.is_handshaking() && !from.is_empty() {
                    tls.writer().write_all(from)?;
                    from.clear();
                }
                while tls.wants_write() {
                    match tls.write_tls(stream) {
                        Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                        written => written?,
                    };
                }
                Ok(from.is_empty())
            }
        }
    }
}
