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
use super::relayed::far::Far;

/// Frames as they come, until enough were sent (browsers keep all of an answer in memory), the session ends, or the client
/// is to show that it is there.
pub(super) struct Frames {
    source: Option<Source>,
    dress: Dress,
    prelude: Bytes,
    beat: Pin<Box<Sleep>>,
    beat_every: Duration,
    bytes_left: usize,
}

/// Where frames come from.
pub(super) enum Source {
    /// A session of this node.
    Here(Turn),
    /// One of another.
    There(Far),
    /// The same, which is told that this is all.
    Ending(Far),
}

impl Source {
    /// The next frame; `None` where there are no more.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Told>> {
        match self {
            Self::Here(turn) => turn.poll_next(cx).map(Some),
            Self::There(far) => far.poll_next(cx),
            Self::Ending(far) => far.poll_end(cx).map(|()| None),
        }
    }
}

impl Frames {
    /// The frames of this source; about `bytes_max` of them, the prelude not counted.
    pub(super) fn new(source: Source, dress: Dress, beat_every: Duration, bytes_max: usize) -> Self {
        let prelude = dress.prelude();
        let beat = Box::pin(sleep(beat_every));
        Self { source: Some(source), dress, prelude, beat, beat_every, bytes_left: bytes_max }
    }

    /// The one frame that a poll is answered with.
    pub(super) async fn one(mut self) -> Bytes {
        self.bytes_left = 0;
        if let Some(Source::There(far)) = &mut self.source {
            // The owner knows when it has waited for long enough.
            let told = std::future::poll_fn(|cx| far.poll_next(cx)).await;
            return match told {
                Some(Told::Frame(frame)) => self.dress.frame(&frame),
                Some(Told::ComeAgain) | None => self.dress.frame(&Frame::Beat),
            };
        }
        std::future::poll_fn(|cx| self.poll_frame(cx)).await.unwrap_or_else(|| self.dress.frame(&Frame::Beat))
    }

    /// The next frame in its dress; `None` when there are no more.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(source) = &mut self.source else { return Poll::Ready(None) };
        let frame = match source.poll_next(cx) {
            Poll::Ready(Some(Told::Frame(frame))) => frame,
            Poll::Ready(Some(Told::ComeAgain)) => {
                self.end();
                return self.poll_frame(cx);
            }
            Poll::Ready(None) => {
                self.source = None;
                return Poll::Ready(None);
            }
            Poll::Pending if matches!(source, Source::Ending(_)) => return Poll::Pending,
            Poll::Pending if self.beat.as_mut().poll(cx).is_ready() => Frame::Beat,
            Poll::Pending => return Poll::Pending,
        };
        let told = self.dress.frame(&frame);
        self.bytes_left = self.bytes_left.saturating_sub(told.len());
        // Another node may be about to tell something: what ends there ends behind that.
        let may_end = !matches!((&frame, &self.source), (Frame::Beat, Some(Source::There(_))));
        if self.bytes_left == 0 && may_end || matches!(frame, Frame::Close(_)) {
            self.end();
        } else {
            self.beat.as_mut().reset(Instant::now() + self.beat_every);
        }
        Poll::Ready(Some(told))
    }

    fn end(&mut self) {
        self.source = match self.source.take() {
            Some(Source::Here(turn)) => {
                turn.done();
                None
            }
            // The client's next request must not find this one there still.
            Some(Source::There(far)) => {
                far.done();
                Some(Source::Ending(far))
            }
            other => other,
        };
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
