//! Sockets that take what they like, and what they took.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stomp::{Decoded, Decoder, FrameLimits, Version};

/// A small generator of numbers, so that a run is told by its seed.
#[derive(Clone)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What a socket took.
pub(super) type Took = Arc<Mutex<Vec<u8>>>;

/// A socket that takes what the dice say; what it took is kept.
pub(super) struct Whimsical {
    pub(super) took: Took,
    /// Taken and held back until it is flushed, as TLS does.
    pub(super) held: Vec<u8>,
    pub(super) dice: Dice,
}

impl AsyncRead for Whimsical {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Whimsical {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let some = match self.dice.roll(4) {
            0 => {
                // Full for now; writable again soon.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            1 => usize::try_from(self.dice.roll(40)).unwrap() + 1,
            _ => bytes.len(),
        };
        let some = some.min(bytes.len());
        self.held.extend_from_slice(&bytes[..some]);
        Poll::Ready(Ok(some))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.dice.roll(3) == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let held = std::mem::take(&mut self.held);
        self.took.lock().extend_from_slice(&held);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The offsets in what a socket took, by subscription id, in the order they came.
pub(super) fn offsets(took: &[u8]) -> Vec<(String, u64)> {
    let (mut rest, mut found) = (Bytes::copy_from_slice(took), Vec::new());
    while rest.len() >= 10 {
        assert_eq!(rest.get_u8() & 0x8f, 0x81, "frames are whole and never interleaved");
        let len = match rest.get_u8() {
            126 => usize::from(rest.get_u16()),
            127 => usize::try_from(rest.get_u64()).unwrap(),
            short => usize::from(short),
        };
        if rest.len() < len {
            // Still on its way when the subscriber had seen enough.
            break;
        }
        let mut decoder = Decoder::new(FrameLimits::default());
        decoder.set_version(Version::V1_2);
        decoder.feed(rest.split_to(len));
        let Some(Decoded::Frame(frame)) = decoder.next().unwrap() else { panic!("a MESSAGE was expected") };
        let body: serde_json::Value = serde_json::from_slice(&frame.body).unwrap();
        let id = frame.header("subscription").unwrap().to_owned();
        assert!(frame.header("message-id").unwrap().ends_with(&format!("-{}", body["offset"])));
        found.push((id, body["offset"].as_u64().unwrap()));
    }
    found
}

/// Whether whole frames up to this offset were taken.
pub(super) fn offsets_until(took: &[u8], end: u64) -> bool {
    let mark = format!("\"offset\":{end},");
    // Behind the mark stand the id and the time: the frame is whole when NUL follows.
    memchr::memmem::rfind(took, mark.as_bytes()).is_some_and(|at| memchr::memchr(0, &took[at..]).is_some())
}
