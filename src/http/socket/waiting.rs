//! What a connection has asked of the store, in the order in which it is answered.

use std::collections::VecDeque;

use crate::chat::RoomId;
use crate::session::{Close, Receipt, Start, SubscriptionKey};
use crate::store::{Appended, Entered, Pending, Result, settled};

/// Something that is due once everything before it is done.
pub(super) enum Wait {
    /// A RECEIPT that waits for nothing but its turn.
    Receipt(Receipt),
    /// The end, after everything before.
    Close(Close),
    /// A message on its way to the disk.
    Said { pending: Pending<Appended>, room: RoomId, id: Option<String>, receipt: Option<Receipt> },
    /// A transaction on its way to the disk, with the receipts that it owes, COMMIT's last.
    SaidAll { pending: Pending<Vec<Appended>>, receipts: Vec<Receipt>, commit: Option<Receipt> },
    /// A person on the way into a room.
    Entering { pending: Pending<Entered>, key: SubscriptionKey, room: RoomId, start: Start, receipt: Option<Receipt> },
}

/// What has become of the first one.
pub(super) enum Settled {
    Receipt(Receipt),
    Close(Close),
    Said { answer: Result<Appended>, room: RoomId, id: Option<String>, receipt: Option<Receipt> },
    SaidAll { answer: Result<Vec<Appended>>, receipts: Vec<Receipt>, commit: Option<Receipt> },
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
        // Each answer comes before its request leaves the queue: dropped in between, nothing is lost.
        let (mut appended, mut entered, mut group) = (None, None, None);
        match self.queue.front_mut() {
            Some(Wait::Said { pending, .. }) => appended = Some(settled(pending).await),
            Some(Wait::SaidAll { pending, .. }) => group = Some(settled(pending).await),
            Some(Wait::Entering { pending, .. }) => entered = Some(settled(pending).await),
            _ => {}
        }
        self.settled = match (self.queue.pop_front(), appended, entered, group) {
            (Some(Wait::Receipt(receipt)), ..) => Some(Settled::Receipt(receipt)),
            (Some(Wait::Close(close)), ..) => Some(Settled::Close(close)),
            (Some(Wait::Said { room, id, receipt, .. }), Some(answer), ..) => {
                Some(Settled::Said { answer, room, id, receipt })
            }
            (Some(Wait::Entering { key, room, start, receipt, .. }), _, Some(answer), _) => {
                Some(Settled::Entered { answer, key, room, start, receipt })
            }
            (Some(Wait::SaidAll { receipts, commit, .. }), .., Some(answer)) => {
                Some(Settled::SaidAll { answer, receipts, commit })
            }
            _ => None,
        };
    }

    /// What [`Waiting::settle_first`] has waited for.
    pub(super) const fn take(&mut self) -> Option<Settled> {
        self.settled.take()
    }
}
