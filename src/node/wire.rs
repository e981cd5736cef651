//! What a connection writes to: the socket, what waits for it, and the cursors. Always behind the outbox's lock.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::cursor::{Cursor, Slot, State};
use super::outbox::{Closing, Want};

/// What bytes come from and go to.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A socket. It is not split into halves: their lock would be a second one beside the outbox's.
pub type Socket = Box<dyn Duplex>;

pub(super) struct Wire {
    pub(super) socket: Socket,
    /// What a write left over: goes first.
    rest: Bytes,
    /// Control frames, whole ones: go next.
    pub(super) control: BytesMut,
    /// Most connections have one.
    pub(super) cursors: SmallVec<[Option<Cursor>; 1]>,
    /// The generation of the next slot.
    pub(super) generation: u32,
    /// Where to look for a lagging cursor next, so that each gets its turn.
    turn: usize,
    /// The connection's task.
    pub(super) task: Waker,
    pub(super) closing: Option<Closing>,
    pub(super) dead: bool,
    /// Whether the connection is to look what has become of the store.
    pub(super) look: bool,
    /// Whether the socket may hold back what it took: TLS keeps what the kernel does not take.
    holds_back: bool,
    /// Whether it may hold something back now.
    unflushed: bool,
    pub(super) sent_at: Instant,
}

impl Wire {
    pub(super) fn new(socket: Socket, holds_back: bool, now: Instant) -> Self {
        Self {
            socket,
            rest: Bytes::new(),
            control: BytesMut::new(),
            cursors: SmallVec::new(),
            generation: 0,
            turn: 0,
            task: Waker::noop().clone(),
            closing: None,
            dead: false,
            look: false,
            holds_back,
            unflushed: false,
            sent_at: now,
        }
    }

    pub(super) fn cursor(&mut self, slot: Slot) -> Option<&mut Cursor> {
        self.cursors.get_mut(slot.at).and_then(Option::as_mut).filter(|cursor| cursor.slot == slot)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.rest.is_empty() && self.control.is_empty() && !self.unflushed && !self.dead
    }

    /// The next cursor that the connection has to do something about; each gets its turn.
    pub(super) fn next_turn(&mut self) -> Option<Want> {
        let count = self.cursors.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let Some(cursor) = self.cursors.get(at)? else { continue };
            let want = match cursor.state {
                State::Lagging => Want::CatchUp(cursor.slot),
                State::Gone => Want::Gone(cursor.slot),
                State::Held | State::Stalled | State::Live => continue,
            };
            self.turn = at + 1;
            return Some(want);
        }
        None
    }

    /// Remembers whom to wake.
    pub(super) fn attend(&mut self, cx: &Context<'_>) {
        if !self.task.will_wake(cx.waker()) {
            self.task = cx.waker().clone();
        }
    }

    /// Writes frames now, from `start` on; what the socket does not take becomes the rest. Only called while nothing
    /// else waits, or by the connection itself behind what waits.
    pub(super) fn write(&mut self, frames: &Bytes, start: usize, now: Instant) {
        let bytes = frames.get(start..).unwrap_or_default();
        if !self.is_idle() {
            self.control.extend_from_slice(bytes);
            return;
        }
        // The socket is to wake the connection's task, whoever writes.
        let written = match Pin::new(&mut self.socket).poll_write(&mut Context::from_waker(&self.task), bytes) {
            Poll::Ready(Ok(written)) if written > 0 => written,
            Poll::Ready(_) => {
                self.dead = true;
                return self.task.wake_by_ref();
            }
            Poll::Pending => 0,
        };
        if written > 0 {
            self.sent_at = now;
            self.unflushed = self.holds_back;
        }
        if written < bytes.len() {
            self.rest = frames.slice(start + written..);
        }
        if (written > 0 && written < bytes.len()) || self.unflushed {
            // Pending has told the socket to wake the connection's task.
            let _ = self.flush();
        }
    }

    /// Ready when nothing waits any more, or when the socket is gone.
    pub(super) fn flush(&mut self) -> Poll<()> {
        // The socket is to wake the connection's task, whoever writes.
        let task = std::mem::replace(&mut self.task, Waker::noop().clone());
        let flushed = self.flush_with(&mut Context::from_waker(&task));
        self.task = task;
        flushed
    }

    fn flush_with(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.dead {
                self.rest = Bytes::new();
                self.control = BytesMut::new();
                return Poll::Ready(());
            }
            if self.rest.is_empty() {
                if self.control.is_empty() {
                    if !self.unflushed {
                        return Poll::Ready(());
                    }
                    match Pin::new(&mut self.socket).poll_flush(cx) {
                        Poll::Ready(Ok(())) => self.unflushed = false,
                        Poll::Ready(Err(_)) => self.dead = true,
                        Poll::Pending => return Poll::Pending,
                    }
                    continue;
                }
                self.rest = std::mem::take(&mut self.control).freeze();
            }
            match Pin::new(&mut self.socket).poll_write(cx, &self.rest) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.rest.advance(written);
                    if self.rest.is_empty() {
                        // An empty rest would hold the memory of the frames that everybody got.
                        self.rest = Bytes::new();
                    }
                    self.unflushed = self.holds_back;
                    self.sent_at = Instant::now();
                }
                Poll::Ready(_) => self.dead = true,
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Reads what has come.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }

    /// Closes the writing half.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
