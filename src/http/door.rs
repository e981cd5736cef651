//! The way in for TCP: how many connections are let in, and how their sockets are set.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Layer as _;

use super::peer::Arrival;

/// Connections beyond `limits.connections_max` sockets: for the page, health checks, and the answer that says no.
const SPARE: usize = 1_024;

/// Lets in so many connections and no more; whoever comes then is closed at once, before any byte is read.
#[derive(Clone)]
pub struct Door {
    permits: Arc<Semaphore>,
    https: bool,
}

impl Door {
    /// For so many sockets, and some plain requests beside them; `https` says whether a TLS handshake comes next.
    pub fn new(connections_max: usize, https: bool) -> Self {
        let permits = connections_max.saturating_add(SPARE).min(Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(permits)), https }
    }
}

impl<S> Accept<TcpStream, S> for Door {
    type Stream = Admitted;
    type Service = AddExtension<S, Arrival>;
    type Future = std::future::Ready<io::Result<(Admitted, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        std::future::ready(self.admit(stream, service))
    }
}

impl Door {
    fn admit<S>(&self, stream: TcpStream, service: S) -> io::Result<(Admitted, AddExtension<S, Arrival>)> {
        let permit = Arc::clone(&self.permits)
            .try_acquire_owned()
            .map_err(|_| io::Error::other("as many connections as limits.connections_max allows are open"))?;
        // Frames are small and somebody waits for them: Nagle's algorithm would hold them back.
        stream.set_nodelay(true)?;
        let arrival = Arrival { address: stream.peer_addr()?.ip().to_canonical(), https: self.https };
        Ok((Admitted { stream, _permit: permit }, Extension(arrival).layer(service)))
    }
}

/// A stream with its permit, which lives as long as it.
pub struct Admitted {
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
}

impl AsyncRead for Admitted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Admitted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
