//! A stream of which more was read already than its reader has had.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Gives what was read ahead before it reads any further.
pub(super) struct Ahead<S> {
    bytes: Bytes,
    stream: S,
}

impl<S> Ahead<S> {
    /// With these bytes, which may be none.
    pub(super) const fn new(bytes: Bytes, stream: S) -> Self {
        Self { bytes, stream }
    }

    /// Puts back what was read last: it comes next, and before what is still ahead.
    pub(super) fn put_back(&mut self, bytes: Bytes) {
        self.bytes = if self.bytes.is_empty() { bytes } else { [bytes, self.bytes.split_off(0)].concat().into() };
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.bytes.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = self.bytes.len().min(buf.remaining());
        buf.put_slice(&self.bytes[..length]);
        self.bytes.advance(length);
        if self.bytes.is_empty() {
            // An empty rest would still hold the memory of all of it.
            self.bytes = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ahead<S> {
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_was_read_ahead_comes_first_and_once() {
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(b" and what comes").await.unwrap();
        far.shutdown().await.unwrap();
        let mut stream = Ahead::new(Bytes::from_static(b"what was there"), near);
        let (mut few, mut rest) = ([0; 4], String::new());
        stream.read_exact(&mut few).await.unwrap();
        assert_eq!(&few, b"what");
        stream.put_back(Bytes::from_static(b"that"));
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "that was there and what comes");
    }
}
