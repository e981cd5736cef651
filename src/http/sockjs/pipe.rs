//! A session over HTTP requests, as the stream of bytes that a connection stands on.
//!
//! The connection writes the frames of a WebSocket's server into it, which wait as messages until a request fetches
//! them; it reads the frames of a WebSocket's client out of it, which were made of what requests have brought. Invariants:
//! no more is taken than `limits.sockjs_queue_bytes_max` and one frame, so whoever fetches nothing lags behind the room's
//! log like every slow reader; one request receives at a time; what was taken by a request that broke off is not told
//! again, so the session ends there.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::frames::{CLOSE, Close, Frame, PING, PONG, TEXT, close_of, first, join};
use super::said;

/// What a session and its requests share.
pub(super) struct Pipe {
    state: Mutex<State>,
    /// A receiver came or went.
    moved: Notify,
    /// There is room again for what clients say, or no use for it.
    room: Notify,
    queue_bytes_max: usize,
    incoming_bytes_max: usize,
}

struct State {
    is_opened: bool,
    /// What waits for the client: JSON strings, joined by commas.
    queue: BytesMut,
    close: Option<Close>,
    /// Nothing is read and nothing is taken any more.
    has_ended: bool,
    /// Nobody came for the disconnect delay.
    is_abandoned: bool,
    /// Since when nobody receives; `None` while somebody does.
    absent_since: Option<Instant>,
    /// The server wants a sign of life that nobody has given yet.
    is_pinged: bool,
    /// Whoever receives has to come again, as that sign.
    is_called: bool,
    incoming: BytesMut,
    reader: Waker,
    writer: Waker,
    receiver: Waker,
}

/// Nobody hears what is said: the session has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// What a receiver gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    Frame(Frame),
    /// Nothing now; but the request has to end, and the client to come again, to show that it is there.
    ComeAgain,
}

impl Pipe {
    pub(super) fn new(queue_bytes_max: usize, incoming_bytes_max: usize) -> Arc<Self> {
        let state = State {
            is_opened: false,
            queue: BytesMut::new(),
            close: None,
            has_ended: false,
            is_abandoned: false,
            absent_since: Some(Instant::now()),
            is_pinged: false,
            is_called: false,
            incoming: BytesMut::new(),
            reader: Waker::noop().clone(),
            writer: Waker::noop().clone(),
            receiver: Waker::noop().clone(),
        };
        let (moved, room) = (Notify::new(), Notify::new());
        Arc::new(Self { state: Mutex::new(state), moved, room, queue_bytes_max, incoming_bytes_max })
    }

    /// A request wants to receive. The only one may; another, and one that comes behind the end, is told why not.
    pub(super) fn receive(self: &Arc<Self>) -> Result<Turn, Frame> {
        let mut state = self.state.lock();
        if let Some(close) = state.close.as_ref().filter(|_| state.is_opened && state.queue.is_empty()) {
            return Err(Frame::Close(close.clone()));
        }
        if state.absent_since.is_none() {
            return Err(Frame::Close(Close::still_open()));
        }
        state.absent_since = None;
        state.is_called = false;
        if std::mem::take(&mut state.is_pinged) {
            said::frame(PONG, b"", &mut state.incoming);
            state.reader.wake_by_ref();
        }
        drop(state);
        self.moved.notify_one();
        Ok(Turn { pipe: Arc::clone(self), is_done: false })
    }

    /// A request has brought these frames. Waits while more is there than fits and the session does not read.
    pub(super) async fn say(&self, frames: BytesMut) -> Result<(), Gone> {
        loop {
            let room = self.room.notified();
            {
                let mut state = self.state.lock();
                if state.has_ended || state.close.is_some() {
                    return Err(Gone);
                }
                let length = state.incoming.len();
                if length == 0 || length.saturating_add(frames.len()) <= self.incoming_bytes_max {
                    state.incoming.unsplit(frames);
                    state.reader.wake_by_ref();
                    return Ok(());
                }
            }
            room.await;
        }
    }

    /// Ends the session once nobody has received for `delay`; never comes back.
    pub(super) async fn watch(&self, delay: Duration) -> std::convert::Infallible {
        loop {
            let absent_since = self.state.lock().absent_since;
            match absent_since {
                None => self.moved.notified().await,
                Some(since) => {
                    if timeout_at(since + delay, self.moved.notified()).await.is_err() {
                        self.abandon(delay);
                    }
                }
            }
            if self.state.lock().has_ended {
                return std::future::pending().await;
            }
        }
    }

    /// The session is over. True when somebody may still come to hear why.
    pub(super) fn finish(&self) -> bool {
        let mut state = self.state.lock();
        state.end(Close::gone());
        let is_abandoned = state.is_abandoned;
        drop(state);
        self.room.notify_waiters();
        !is_abandoned
    }

    /// What was on its way to the client may be lost: the session ends.
    pub(super) fn break_off(&self) {
        let mut state = self.state.lock();
        if state.close.is_none() {
            state.queue = BytesMut::new();
            state.end(Close::interrupted());
        }
        drop(state);
        self.moved.notify_one();
        self.room.notify_waiters();
    }

    fn abandon(&self, delay: Duration) {
        let mut state = self.state.lock();
        if state.absent_since.is_some_and(|since| since + delay <= Instant::now()) {
            (state.has_ended, state.is_abandoned) = (true, true);
            state.queue = BytesMut::new();
            state.wake();
        }
    }
}

impl State {
    /// What was not said before is the last word.
    fn end(&mut self, close: Close) {
        self.close.get_or_insert(close);
        self.has_ended = true;
        self.incoming = BytesMut::new();
        self.wake();
    }

    fn wake(&self) {
        self.reader.wake_by_ref();
        self.writer.wake_by_ref();
        self.receiver.wake_by_ref();
    }
}

/// The right to receive.
pub(super) struct Turn {
    pipe: Arc<Pipe>,
    is_done: bool,
}

impl Turn {
    /// The next frame; all messages that wait are one.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Told> {
        let mut state = self.pipe.state.lock();
        if !state.is_opened {
            state.is_opened = true;
            return Poll::Ready(Told::Frame(Frame::Open));
        }
        if !state.queue.is_empty() {
            let messages = std::mem::take(&mut state.queue).freeze();
            state.writer.wake_by_ref();
            return Poll::Ready(Told::Frame(Frame::Messages(messages)));
        }
        if let Some(close) = &state.close {
            return Poll::Ready(Told::Frame(Frame::Close(close.clone())));
        }
        if state.is_called {
            return Poll::Ready(Told::ComeAgain);
        }
        if !state.receiver.will_wake(cx.waker()) {
            state.receiver = cx.waker().clone();
        }
        Poll::Pending
    }

    /// The request has its answer: from now on the client may be away for a moment.
    pub(super) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.pipe.state.lock().absent_since = Some(Instant::now());
        if self.is_done {
            self.pipe.moved.notify_one();
        } else {
            self.pipe.break_off();
        }
    }
}

/// The connection's side.
pub(super) struct Side(pub(super) Arc<Pipe>);

impl AsyncRead for Side {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state.lock();
        if state.incoming.is_empty() {
            if state.has_ended {
                return Poll::Ready(Ok(()));
            }
            if !state.reader.will_wake(cx.waker()) {
                state.reader = cx.waker().clone();
            }
            return Poll::Pending;
        }
        let length = state.incoming.len().min(buf.remaining());
        buf.put_slice(&state.incoming[..length]);
        state.incoming.advance(length);
        if state.incoming.is_empty() {
            // An empty rest would hold the memory of all that went before.
            state.incoming = BytesMut::new();
        }
        drop(state);
        self.0.room.notify_one();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Side {
    /// Takes whole frames. An outbox writes nothing else: what it has left over begins where this ended.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.state.lock();
        if state.has_ended || state.close.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut taken = 0;
        while state.queue.len() < self.0.queue_bytes_max
            && state.close.is_none()
            && let Some((opcode, payload, length)) = first(&bytes[taken..])
        {
            match opcode {
                TEXT => join(payload, &mut state.queue),
                CLOSE => state.close = Some(close_of(payload)),
                PING => (state.is_pinged, state.is_called) = (true, true),
                // An answer to what a client of SockJS cannot ask.
                _ => {}
            }
            taken += length;
        }
        if taken > 0 {
            state.receiver.wake_by_ref();
            return Poll::Ready(Ok(taken));
        }
        if state.queue.len() < self.0.queue_bytes_max {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if !state.writer.will_wake(cx.waker()) {
            state.writer = cx.waker().clone();
        }
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The client has nothing to answer: there is nothing to be waited for behind the last word.
        let mut state = self.0.state.lock();
        state.has_ended = true;
        state.incoming = BytesMut::new();
        state.receiver.wake_by_ref();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
