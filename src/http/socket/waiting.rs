//! What a connection has asked of the store, in the order in which it is answered.

use std::collections::VecDeque;

use crate::chat::RoomId;
use crate::session::{Close, Receipt, Start, SubscriptionKey};
use crate::store::{Appended, Entered, Pending, Result, StoreError};

/// Something that is due once everything before it is done.
pub(super) enum Wait {
    /// A RECEIPT that waits for nothing but its turn.
    Receipt(Receipt),
    /// The end, after everything before.
    Close(Close),
    /// A message on its way to the disk.
    Said { pending: Pending<Appended>, room: RoomId, id: Option<String>, receipt: Option<Receipt> },
    /// A person on the way into a room.
    Entering { pending: Pending<Entered>, key: SubscriptionKey, room: RoomId, start: Start, receipt: Option<Receipt> },
}

/// What has become of the first one.
pub(super) enum Settled {
    Receipt(Receipt),
    Close(Close),
    Said { answer: Result<Appended>, room: RoomId, id: Option<String>, receipt: Option<Receipt> },
    Entered { answer: Result<Entered>, key: SubscriptionKey, room: RoomId, start: Start, receipt: Option<Receipt> },
}

/// First in, first out. Its length is bounded by whoever reads requests: none are read while it is long.
#[derive(Default)]
pub(super) struct Waiting {
    queue: VecDeque<Wait>,
    settled: Option<Settled>,
}

impl Waiting {
    pub(super) fn push(&mut self, wait: Wait) {
        self.queue.push_back(wait);
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.settled.is_none()
    }

    /// Waits until the first is settled; may be dropped and called again.
    pub(super) async fn settle_first(&mut self) {
        if self.settled.is_some() {
            return;
        }
        let gone = || StoreError::Unavailable("the store has stopped".into());
        let (mut appended, mut entered) = (None, None);
        match self.queue.front_mut() {
            Some(Wait::Said { pending, .. }) => appended = Some(pending.await.unwrap_or_else(|_| Err(gone()))),
            Some(Wait::Entering { pending, .. }) => entered = Some(pending.await.unwrap_or_else(|_| Err(gone()))),
            _ => {}
        }
        self.settled = match (self.queue.pop_front(), appended, entered) {
            (Some(Wait::Receipt(receipt)), ..) => Some(Settled::Receipt(receipt)),
            (Some(Wait::Close(close)), ..) => Some(Settled::Close(close)),
            (Some(Wait::Said { room, id, receipt, .. }), Some(answer), _) => {
                Some(Settled::Said { answer, room, id, receipt })
            }
            (Some(Wait::Entering { key, room, start, receipt, .. }), _, Some(answer)) => {
                Some(Settled::Entered { answer, key, room, start, receipt })
            }
            _ => None,
        };
    }

    /// What [`Waiting::settle_first`] has waited for.
    pub(super) const fn take(&mut self) -> Option<Settled> {
        self.settled.take()
    }
}
