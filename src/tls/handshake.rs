//! The TLS handshake of a connection that was let in.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum_server::accept::Accept;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::meter::Causes;

/// The protocol by which an authority asks (RFC 8737, section 6.2).
pub const ACME_TLS_ALPN: &[u8] = b"acme-tls/1";

/// Bytes that a connection's TLS may hold back for a reader that does not read: one record. More would be memory for
/// each slow reader beside its cursor.
const UNSENT_BYTES_MAX: usize = 16 * 1024;

/// Shakes hands with whoever the door let in, within a time.
#[derive(Clone)]
pub struct Handshakes<A> {
    door: A,
    acceptor: TlsAcceptor,
    time_max: Duration,
    outcomes: Causes,
}

impl<A> Handshakes<A> {
    pub(super) fn new(door: A, server: Arc<ServerConfig>, seconds_max: u64, outcomes: Causes) -> Self {
        let (acceptor, time_max) = (TlsAcceptor::from(server), Duration::from_secs(seconds_max));
        Self { door, acceptor, time_max, outcomes }
    }
}

impl<A, S> Accept<TcpStream, S> for Handshakes<A>
where
    A: Accept<TcpStream, S>,
    A::Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A::Service: Send + 'static,
    A::Future: Send + 'static,
{
    type Stream = TlsStream<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let (admitted, acceptor, time_max) = (self.door.accept(stream, service), self.acceptor.clone(), self.time_max);
        let outcomes = self.outcomes.clone();
        Box::pin(async move {
            let (stream, service) = admitted.await?;
            let shaking = acceptor.accept_with(stream, |tls| tls.set_buffer_limit(Some(UNSENT_BYTES_MAX)));
            let shaken = timeout(time_max, shaking).await;
            outcomes.add(if matches!(shaken, Ok(Ok(_))) { "ok" } else { "failed" });
            let mut stream = shaken.map_err(|_| io::ErrorKind::TimedOut)??;
            if stream.get_ref().1.alpn_protocol() == Some(ACME_TLS_ALPN) {
                // RFC 8737, section 3: the handshake was the answer, nothing is said on such a connection.
                stream.shutdown().await?;
                return Err(io::Error::other("an authority has looked"));
            }
            Ok((stream, service))
        })
    }
}
