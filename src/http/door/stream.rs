//! A connection that was let in: its stream, and the service that its first request enters.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::{Request, Version};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower::Service;

use super::arrivals::{Arrivals, Gate, Seat};
use crate::http::ahead::Ahead;
use crate::http::peer::Arrival;
use crate::meter::Held;

/// A stream with its seat, which lives as long as it. It fails from the moment on at which it has to make room.
pub struct Admitted {
    stream: Ahead<TcpStream>,
    pub(super) seat: Seat,
    /// Whether the gate was seen open: it is never looked at again.
    is_in: bool,
    _counted: Held,
}

impl Admitted {
    pub(super) const fn new(stream: TcpStream, seat: Seat, counted: Held) -> Self {
        Self { stream: Ahead::new(Bytes::new(), stream), seat, is_in: false, _counted: counted }
    }

    /// Puts back what was read beyond a PROXY header, or beyond the request that asked for an upgrade.
    pub fn put_back(&mut self, bytes: Bytes) {
        self.stream.put_back(bytes);
    }

    /// Fails when the connection has to make room; one that is in costs a glance.
    fn check(&mut self, cx: &Context<'_>) -> io::Result<()> {
        if self.is_in {
            return Ok(());
        }
        let gate = self.seat.gate();
        self.is_in = gate.is_in();
        if !self.is_in && gate.is_closed(cx) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "made room for others on the way in"));
        }
        Ok(())
    }
}

impl AsyncRead for Admitted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Admitted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        // A TLS record, or the head of an answer: a send of one buffer costs the kernel a tenth less than a writev.
        if let [only] = bufs {
            return Pin::new(&mut self.stream).poll_write(cx, only);
        }
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

/// The service behind the door: with its first request the connection is in. Each request is told how it came.
#[derive(Clone)]
pub struct Entering<S> {
    inner: S,
    arrival: Arrival,
    arrivals: Arc<Arrivals>,
    gate: Arc<Gate>,
}

impl<S> Entering<S> {
    pub(super) const fn new(inner: S, arrival: Arrival, arrivals: Arc<Arrivals>, gate: Arc<Gate>) -> Self {
        Self { inner, arrival, arrivals, gate }
    }
}

impl<S, B> Service<Request<B>> for Entering<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if request.version() > Version::HTTP_11 {
            // Nothing here needs HTTP/2, and it has no limit on the time that a connection may be idle. No client comes
            // to it by itself: TLS offers HTTP/1.1 alone.
            self.arrivals.turn_away(&self.gate);
        } else {
            self.arrivals.enter(&self.gate);
        }
        request.extensions_mut().insert(self.arrival);
        self.inner.call(request)
    }
}
