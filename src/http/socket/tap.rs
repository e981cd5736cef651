//! What the WebSocket library reads from and believes to write to.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, ReadHalf};

use crate::node::Outbox;

/// Reads from the socket; what the library wants to write (pongs, its own close frames) goes through the outbox, so
/// that it never lands in the middle of a MESSAGE that the broadcaster is writing.
pub(super) struct Tap {
    read: ReadHalf<TokioIo<Upgraded>>,
    outbox: Arc<Outbox>,
    /// The library writes a frame in pieces and then flushes: only then it is whole.
    staged: Vec<u8>,
}

impl Tap {
    pub(super) const fn new(read: ReadHalf<TokioIo<Upgraded>>, outbox: Arc<Outbox>) -> Self {
        Self { read, outbox, staged: Vec::new() }
    }

    /// Reads and throws away until the peer closes or `bytes_max` is passed.
    pub(super) async fn discard(mut self, bytes_max: usize) {
        let mut scrap = [0; 1024];
        let mut seen = 0;
        while seen < bytes_max {
            match self.read.read(&mut scrap).await {
                Ok(0) | Err(_) => return,
                Ok(bytes) => seen += bytes,
            }
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.staged.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.staged.is_empty() {
            self.outbox.raw(&self.staged);
            self.staged = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
