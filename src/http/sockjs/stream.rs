//! The answer to a request that receives: frames, one or many.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep};

use super::dress::Dress;
use super::frames::Frame;
use super::pipe::{Told, Turn};

/// Frames as they come, until enough were sent (browsers keep all of an answer in memory), the session ends, or the client
/// is to show that it is there.
pub(super) struct Frames {
    turn: Option<Turn>,
    dress: Dress,
    prelude: Bytes,
    beat: Pin<Box<Sleep>>,
    beat_every: Duration,
    bytes_left: usize,
}

impl Frames {
    /// The frames of this turn; about `bytes_max` of them, the prelude not counted.
    pub(super) fn new(turn: Turn, dress: Dress, beat_every: Duration, bytes_max: usize) -> Self {
        let prelude = dress.prelude();
        Self { turn: Some(turn), dress, prelude, beat: Box::pin(sleep(beat_every)), beat_every, bytes_left: bytes_max }
    }

    /// The one frame that a poll is answered with.
    pub(super) async fn one(mut self) -> Bytes {
        self.bytes_left = 0;
        std::future::poll_fn(|cx| self.poll_frame(cx)).await.unwrap_or_else(|| self.dress.frame(&Frame::Beat))
    }

    /// The next frame in its dress; `None` when there are no more.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(turn) = &mut self.turn else { return Poll::Ready(None) };
        let frame = match turn.poll_next(cx) {
            Poll::Ready(Told::Frame(frame)) => frame,
            Poll::Ready(Told::ComeAgain) => {
                self.end();
                return Poll::Ready(None);
            }
            Poll::Pending if self.beat.as_mut().poll(cx).is_ready() => Frame::Beat,
            Poll::Pending => return Poll::Pending,
        };
        let told = self.dress.frame(&frame);
        self.bytes_left = self.bytes_left.saturating_sub(told.len());
        if self.bytes_left == 0 || matches!(frame, Frame::Close(_)) {
            self.end();
        } else {
            self.beat.as_mut().reset(Instant::now() + self.beat_every);
        }
        Poll::Ready(Some(told))
    }

    fn end(&mut self) {
        if let Some(turn) = self.turn.take() {
            turn.done();
        }
    }
}

impl Stream for Frames {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.prelude.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.prelude))));
        }
        self.poll_frame(cx).map(|frame| frame.map(Ok))
    }
}
