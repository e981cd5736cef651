//! A connection's state, and what happens to it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout;

use super::members::Members;
use super::reading::Reading;
use super::waiting::{Wait, Waiting};
use super::{Edge, ending};
use crate::auth::Claims;
use crate::chat::Name;
use crate::node::{Closing, Leaving, Outbox, Slot, Ticket};
use crate::session::{Effects, Error, Refusal, Session, Token};
use crate::stomp::{Decoded, Decoder, FrameLimits};
use crate::store::StoreError;

/// Frames of one WebSocket message that are worked off before others get their turn.
const FRAMES_A_TURN: u32 = 32;
/// How long a portion may take to come from the store. Nothing else is done for the connection meanwhile: its heart-beats
/// would be late.
const READ_MAX: Duration = Duration::from_secs(5);

/// One connection.
pub(super) struct Connection {
    pub(super) edge: Arc<Edge>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) session: Session,
    pub(super) decoder: Decoder,
    pub(super) members: Members,
    pub(super) waiting: Waiting,
    pub(super) ticket: Ticket,
    /// Who speaks, with the token that was found good last: the same one needs no second signature check.
    pub(super) speaker: Option<Speaker>,
    pub(super) closing: bool,
    /// Whether the end waits for what was asked before it; nothing more is read then.
    is_ending: bool,
    reading: Reading,
}

/// The person of a connected session.
pub(super) struct Speaker {
    pub(super) name: Name,
    pub(super) token: Token,
    pub(super) claims: Claims,
}

impl Connection {
    pub(super) fn new(edge: Arc<Edge>, outbox: Arc<Outbox>, now: Instant) -> Self {
        let limits = &edge.config.limits;
        let ticket = edge.node.connections.open(&outbox);
        let frame_limits = FrameLimits {
            frame_bytes_max: limits.frame_bytes_max,
            header_bytes_max: limits.header_bytes_max,
            header_line_bytes_max: limits.header_line_bytes_max,
            headers_max: limits.headers_max,
            body_bytes_max: limits.frame_bytes_max,
        };
        Self {
            session: Session::new(uuid::Uuid::new_v4().simple().to_string().into(), limits, now),
            decoder: Decoder::new(frame_limits),
            members: Members::new(Arc::clone(&edge.node), Arc::clone(&outbox)),
            waiting: Waiting::default(),
            ticket,
            speaker: None,
            closing: false,
            is_ending: false,
            reading: Reading::default(),
            edge,
            outbox,
        }
    }

    /// Whether the loop has to end.
    pub(super) const fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether more requests are read now: not while many wait for the disk or for the peer to read its answers.
    pub(super) fn takes_requests(&self) -> bool {
        !self.is_ending && self.waiting.len() < self.edge.config.limits.in_flight_max && !self.outbox.is_full()
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Instant {
        let session = self.session.deadline(self.outbox.sent_at());
        self.reading.again_at().map_or(session, |again| session.min(again))
    }

    /// The WebSocket answered or asked.
    pub(super) fn sign_of_life(&mut self) {
        self.session.on_sign_of_life(Instant::now());
    }

    /// Bytes of one WebSocket message: frames, parts of frames, heart-beats.
    pub(super) async fn on_bytes(&mut self, bytes: Bytes) {
        // Half a frame is a sign of life too (STOMP 1.2, Heart-beating: "any new data").
        self.sign_of_life();
        self.decoder.feed(bytes);
        let mut frames = 0_u32;
        while !self.closing {
            // One message may hold hundreds of frames: others get their turn, and the answers leave, in between.
            frames += 1;
            if frames.is_multiple_of(FRAMES_A_TURN) {
                tokio::task::yield_now().await;
                if !self.outbox.flush() {
                    return;
                }
            }
            let effects = match self.decoder.next() {
                Ok(None) => return,
                Ok(Some(Decoded::HeartBeat)) => continue,
                Ok(Some(Decoded::Frame(frame))) => self.session.on_frame(frame, Instant::now()),
                Err(error) => {
                    let receipt = error.receipt().map(|id| crate::session::Receipt(id.into()));
                    self.session.refuse(&Refusal::new(error.code(), error.to_string()).receipt(receipt).fatal())
                }
            };
            self.perform(effects).await;
        }
    }

    /// Time has passed. While the disk is behind, nothing is read from the peer: that silence is not the peer's.
    pub(super) async fn tick(&mut self, now: Instant) {
        if self.waiting.len() >= self.edge.config.limits.in_flight_max {
            self.session.on_sign_of_life(now);
        }
        if self.reading.is_due(now) {
            self.outbox.revive();
        }
        let effects = self.session.on_tick(now, self.outbox.sent_at());
        self.perform(effects).await;
    }

    /// A cursor lags: it gets its next portion. A store that cannot be read now ends nothing: the cursors wait where they
    /// stand, and go on when it is back.
    pub(super) async fn catch_up(&mut self, slot: Slot) {
        let read = timeout(READ_MAX, self.edge.node.catch_up(&self.outbox, slot));
        match read.await {
            Ok(Ok(gap)) => {
                self.reading.succeeded();
                if let Some(gap) = gap {
                    self.tell_gap(gap).await;
                }
            }
            Ok(Err(StoreError::RoomUnknown)) => self.room_gone(slot).await,
            Ok(Err(error)) => self.stall(&error.to_string()),
            Err(_) => self.stall("the store does not answer"),
        }
    }

    fn stall(&mut self, cause: &str) {
        let is_first = self.reading.failed(Instant::now());
        // A store that is away has said so itself, and loudly.
        if is_first && !self.edge.node.is_store_away() {
            tracing::warn!(%cause, "a lagging cursor could not be served; it is tried again");
        } else {
            tracing::debug!(%cause, "a lagging cursor could not be served; it is tried again");
        }
        self.outbox.stall();
    }

    /// What has become of the store is told to who listens; once it is back, nothing stands still.
    pub(super) async fn look(&mut self) {
        let is_away = self.edge.node.is_store_away();
        if !is_away {
            self.reading.succeeded();
            self.outbox.revive();
        }
        let effects = self.session.on_store(is_away);
        self.perform(effects).await;
    }

    /// The room of a cursor was deleted.
    pub(super) async fn room_gone(&mut self, slot: Slot) {
        let Some((key, membership)) = self.members.at(slot) else { return };
        let mut refusal = Refusal::new("room_unknown", "this room was deleted");
        refusal.room = membership.room();
        refusal.undoes = Some(key);
        self.members.leave(key);
        self.refuse(refusal).await;
    }

    /// The account or the node ends.
    pub(super) async fn end(&mut self, closing: Closing) {
        self.members.at_end = match closing {
            Closing::Draining => Leaving::Draining,
            // Who is thrown out does not come back within the grace.
            Closing::Account | Closing::Anew => Leaving::Said,
        };
        let effects = match ending(closing) {
            Ok(error) => self.session.end(error),
            // What was asked is answered first: who gets no RECEIPT says it again.
            Err(close) if !self.waiting.is_empty() => {
                self.is_ending = true;
                return self.waiting.push(Wait::Close(close));
            }
            Err(close) => Effects::from_iter([crate::session::Effect::Close(close)]),
        };
        self.perform(effects).await;
    }

    /// A request could not be done.
    pub(super) async fn refuse(&mut self, refusal: Refusal) {
        let effects = self.session.refuse(&refusal);
        self.perform(effects).await;
    }

    /// Says why the connection ends, where the WebSocket library closes it.
    pub(super) fn say_last(&mut self, error: Error) {
        for effect in self.session.end(error) {
            match effect {
                crate::session::Effect::Send(frame) => self.outbox.send(&frame),
                crate::session::Effect::Refused(cause) => self.edge.meters.told(cause),
                _ => {}
            }
        }
    }

    /// Performs effects in their order, and those that follow from them behind. After an ERROR nothing more is done,
    /// such as the SENDs of a transaction behind one that was refused.
    pub(super) async fn perform(&mut self, effects: Effects) {
        let mut todo: VecDeque<_> = effects.into_iter().collect();
        while let Some(effect) = todo.pop_front()
            && !self.closing
        {
            let more = self.perform_one(effect).await;
            for (at, effect) in more.into_iter().enumerate() {
                todo.insert(at, effect);
            }
        }
    }
}
