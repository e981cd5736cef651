//! The writing side of a connection: control frames on their way, and the cursors of its subscriptions.
//!
//! Invariants: bytes leave in whole WebSocket frames, never interleaved; nothing queues room messages (a cursor that
//! cannot be written lags); control frames are bounded in bytes. One lock, held for a write that never waits.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::io::ReadBuf;

use super::cursor::{Cursor, Flavour, Slot, State, Topic};
use super::frames::{Frames, Round};
use super::meters::Handed;
use super::post::{Post, web_socket_frame, web_socket_text};
use super::wire::{Socket, Wire};

/// Why a connection is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The account was disabled, or its password or role changed.
    Account,
    /// The store lost everything, this account too.
    Anew,
    /// The node goes away.
    Draining,
}

/// What the connection's task has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Want {
    /// Serve this cursor.
    CatchUp(Slot),
    /// Tell that the room of this cursor is gone.
    Gone(Slot),
    /// Look whether the store is away, and tell.
    Look,
    /// End, and say why.
    End(Closing),
    /// The socket is gone, or its outbox is over its limit.
    Dead,
}

/// The outbox of one connection.
pub struct Outbox {
    wire: Mutex<Wire>,
    bytes_max: usize,
}

impl Outbox {
    /// Over a socket, which `holds_back` what it took until it is flushed, or does not; at most `bytes_max` bytes of
    /// control frames wait.
    pub fn new(socket: Socket, holds_back: bool, bytes_max: usize, now: Instant) -> Arc<Self> {
        let wire = Wire::new(socket, holds_back, now);
        Arc::new(Self { wire: Mutex::new(wire), bytes_max })
    }

    /// Queues one STOMP frame (or a heart-beat) as a WebSocket text frame.
    pub fn send(&self, frame: &[u8]) {
        self.push(|control| web_socket_text(frame, control));
    }

    /// Queues a WebSocket ping.
    pub fn ping(&self) {
        self.push(|control| web_socket_frame(0x9, b"", control));
    }

    /// Queues a WebSocket close frame (RFC 6455, section 5.5.1).
    pub fn close(&self, code: u16, reason: &str) {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend(reason.bytes().take(123));
        self.push(|control| web_socket_frame(0x8, &payload, control));
    }

    /// Queues the answer to a ping (RFC 6455, section 5.5.3).
    pub fn pong(&self, payload: &[u8]) {
        self.push(|control| web_socket_frame(0xA, payload, control));
    }

    /// Queues the answer to a close frame: the same code, if it had one (RFC 6455, section 5.5.1).
    pub fn answer_close(&self, code: Option<u16>) {
        match code {
            Some(code) => self.close(code, ""),
            None => self.push(|control| web_socket_frame(0x8, b"", control)),
        }
    }

    /// Whether so much waits that no more requests should be read.
    pub fn is_full(&self) -> bool {
        self.wire.lock().control.len() > self.bytes_max / 2
    }

    /// Whether nothing waits to be written.
    pub fn is_idle(&self) -> bool {
        self.wire.lock().is_idle()
    }

    /// Writes what the socket takes now. False when the socket is gone.
    pub fn flush(&self) -> bool {
        let mut wire = self.wire.lock();
        let _ = wire.flush();
        !wire.dead
    }

    /// When bytes left last.
    pub fn sent_at(&self) -> Instant {
        self.wire.lock().sent_at
    }

    /// Asks the connection to end.
    pub fn end(&self, closing: Closing) {
        let mut wire = self.wire.lock();
        wire.closing.get_or_insert(closing);
        wire.task.wake_by_ref();
    }

    /// Has the connection look whether the store is away.
    pub fn look(&self) {
        let mut wire = self.wire.lock();
        wire.look = true;
        wire.task.wake_by_ref();
    }

    /// The log of a room could not be read: cursors that lag stay where they are until [`Outbox::revive`]. Not that of the
    /// list of rooms, which is in no store.
    pub fn stall(&self) {
        let mut wire = self.wire.lock();
        let of_rooms = |cursor: &&mut Cursor| matches!(cursor.topic, Topic::Room(_));
        for cursor in wire.cursors.iter_mut().flatten().filter(of_rooms) {
            if cursor.state == State::Lagging {
                cursor.state = State::Stalled;
            }
        }
    }

    /// Logs may be read again: cursors that were stalled lag.
    pub fn revive(&self) {
        let mut wire = self.wire.lock();
        for cursor in wire.cursors.iter_mut().flatten() {
            if cursor.state == State::Stalled {
                cursor.state = State::Lagging;
            }
        }
        wire.task.wake_by_ref();
    }

    /// Writes what can be written, and says what the connection has to do next.
    pub fn poll_want(&self, cx: &mut Context<'_>) -> Poll<Want> {
        let mut wire = self.wire.lock();
        wire.attend(cx);
        if let Some(closing) = wire.closing.take() {
            return Poll::Ready(Want::End(closing));
        }
        if wire.flush().is_pending() {
            return Poll::Pending;
        }
        if wire.dead {
            return Poll::Ready(Want::Dead);
        }
        // Only now: who does not read is told of no more than what holds once it does.
        if std::mem::take(&mut wire.look) {
            return Poll::Ready(Want::Look);
        }
        wire.next_turn().map_or(Poll::Pending, Poll::Ready)
    }

    /// Writes everything that waits; ready when nothing does, or when the socket is gone.
    pub fn poll_drained(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut wire = self.wire.lock();
        wire.attend(cx);
        wire.flush()
    }

    /// Reads from the socket, whose lock is the outbox's.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.wire.lock().poll_read(cx, buffer)
    }

    /// Closes the writing half.
    pub fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.lock().poll_shutdown(cx)
    }

    /// A new cursor, which stands still until [`Outbox::start`].
    pub(super) fn hold(&self, topic: Topic, flavour: Arc<Flavour>) -> Slot {
        let mut wire = self.wire.lock();
        let at = wire.cursors.iter().position(Option::is_none).unwrap_or(wire.cursors.len());
        let slot = Slot { at, generation: wire.generation };
        wire.generation = wire.generation.wrapping_add(1);
        let cursor = Some(Cursor::held(slot, topic, flavour));
        match wire.cursors.get_mut(at) {
            Some(place) => *place = cursor,
            None => wire.cursors.push(cursor),
        }
        slot
    }

    /// A held cursor starts at an offset. It lags until it has looked what is there.
    pub(super) fn start(&self, slot: Slot, next: u64) {
        let mut wire = self.wire.lock();
        // Its room may be gone by now, which is still to be told.
        if let Some(cursor) = wire.cursor(slot).filter(|cursor| cursor.state == State::Held) {
            cursor.next = next;
            cursor.state = State::Lagging;
        }
        wire.task.wake_by_ref();
    }

    /// A cursor goes.
    pub(super) fn release(&self, slot: Slot) {
        let mut wire = self.wire.lock();
        if wire.cursor(slot).is_some()
            && let Some(place) = wire.cursors.get_mut(slot.at)
        {
            *place = None;
        }
    }

    /// Where a lagging cursor stands. What passes by from here on is noted as missed.
    pub(super) fn lagging(&self, slot: Slot) -> Option<(Topic, u64, Arc<Flavour>)> {
        let mut wire = self.wire.lock();
        let cursor = wire.cursor(slot).filter(|cursor| cursor.state == State::Lagging)?;
        cursor.missed = false;
        Some((cursor.topic, cursor.next, Arc::clone(&cursor.flavour)))
    }

    /// A lagging cursor gives up what it missed.
    pub(super) fn skip(&self, slot: Slot, next: u64) {
        if let Some(cursor) = self.wire.lock().cursor(slot) {
            cursor.next = next;
        }
    }

    /// Hands posts to a lagging cursor. None means that it has reached the tail, and is live if nothing passed by
    /// meanwhile.
    pub(super) fn serve(&self, slot: Slot, flavour: &Flavour, posts: &[Arc<Post>]) -> Handed {
        let frames = Frames::encode(posts, flavour);
        let mut wire = self.wire.lock();
        let Some(cursor) = wire.cursor(slot).filter(|cursor| cursor.state == State::Lagging) else {
            return Handed::default();
        };
        let mut handed = Handed::default();
        match frames {
            Some(frames) => {
                handed = Handed { entries: posts.len(), bytes: frames.bytes.len(), lagged: false };
                cursor.next = cursor.next.max(frames.end());
                wire.write(&frames.bytes, 0, Instant::now());
            }
            None if !cursor.missed => cursor.state = State::Live,
            None => {}
        }
        handed
    }

    /// A broadcaster comes by with posts. A live cursor at their beginning takes them, at once where the socket does;
    /// any other is noted and served by its own connection.
    pub(super) fn deliver(&self, slot: Slot, flavour: &Arc<Flavour>, round: &mut Round<'_>, now: Instant) -> Handed {
        let mut wire = self.wire.lock();
        let is_idle = wire.is_idle();
        let nothing = Handed::default();
        let Some(cursor) = wire.cursor(slot) else { return nothing };
        cursor.missed = true;
        if cursor.state != State::Live {
            return nothing;
        }
        let Some(frames) = round.frames(flavour) else { return nothing };
        if cursor.next >= frames.end() {
            return nothing;
        }
        match frames.start_of(cursor.next) {
            Some(start) if is_idle => {
                let entries = usize::try_from(frames.end() - cursor.next).unwrap_or(usize::MAX);
                let handed = Handed { entries, bytes: frames.bytes.len() - start, lagged: false };
                cursor.next = frames.end();
                wire.write(&frames.bytes, start, now);
                handed
            }
            _ => {
                cursor.state = State::Lagging;
                wire.task.wake_by_ref();
                Handed { lagged: true, ..nothing }
            }
        }
    }

    /// A cursor's room is gone.
    pub(super) fn gone(&self, slot: Slot) {
        let mut wire = self.wire.lock();
        if let Some(cursor) = wire.cursor(slot) {
            cursor.state = State::Gone;
        }
        wire.task.wake_by_ref();
    }

    fn push(&self, write: impl FnOnce(&mut BytesMut)) {
        let mut wire = self.wire.lock();
        write(&mut wire.control);
        if wire.control.len() > self.bytes_max {
            wire.dead = true;
            wire.control.clear();
        }
        wire.task.wake_by_ref();
    }
}
