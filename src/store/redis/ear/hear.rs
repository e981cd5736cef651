//! Working off what was published: the next entry goes on, a double is dropped, behind a gap the log is read.

use std::sync::Arc;

use futures_util::StreamExt as _;
use redis::{PushInfo, PushKind, Value};
use tokio::time::sleep;

use super::{Ear, TICK};
use crate::chat::{Entry, History, RoomId};
use crate::store::redis::hall::Hall;
use crate::store::redis::{entries, record};
use crate::store::{Event, Result, StoreError};

/// Messages that may wait for a node that is slower than what it hears. Above it they are dropped, and their rooms read
/// from the log when there is time: that is bounded by what is asked for, and this is not.
const PUSHES_MAX: usize = 65_536;
/// Rooms that are read from the log at the same time.
const ROOMS_AT_ONCE: usize = 16;
/// What a read from the log brings at most, in bytes.
const READ_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a room's id in a message on the channel of activity.
const ID_BYTES: usize = 16;

impl Ear {
    /// Works off what was published.
    pub(super) async fn hear(&mut self, pushes: &mut Vec<PushInfo>) {
        let mut events = Vec::new();
        if self.line.as_ref().is_some_and(|line| line.pushes.len() > PUSHES_MAX) {
            self.drop_what_waits(pushes);
        }
        for push in pushes.drain(..) {
            match push.kind {
                PushKind::Disconnection => self.hang_up(),
                PushKind::Message | PushKind::SMessage => {
                    let [Value::BulkString(channel), Value::BulkString(payload)] = &push.data[..] else { continue };
                    self.heard(channel, payload, &mut events);
                }
                _ => {}
            }
        }
        self.tell(events).await;
        if std::mem::take(&mut self.changes_hinted) && self.hall.link.is_up() {
            self.read_changes().await;
        }
    }

    fn heard(&mut self, channel: &[u8], payload: &[u8], events: &mut Vec<Event>) {
        let keys = self.hall.link.keys();
        let Some(room) = keys.room_of_news(channel) else {
            if channel == keys.of_all("changed").as_bytes() {
                self.changes_hinted = true;
            } else {
                let ids = payload.chunks_exact(ID_BYTES).filter_map(|id| Some(RoomId::from_bytes(id.try_into().ok()?)));
                events.extend(ids.filter(|room| !self.rooms.contains_key(room)).map(Event::Room));
            }
            return;
        };
        match record::read_all(room, payload) {
            Ok(entries) => entries.into_iter().for_each(|entry| self.hand_on(entry, events)),
            Err(cause) => tracing::error!(%room, %cause, "something else than an entry was published"),
        }
    }

    /// Hands an entry on, if it is the room's next.
    fn hand_on(&mut self, entry: Arc<Entry>, events: &mut Vec<Event>) {
        let Some(heard) = self.rooms.get_mut(&entry.room_id) else { return };
        let next = heard.next.unwrap_or(entry.offset);
        // Of a room without a history there is nothing to read: what is missing is told as a gap.
        if entry.offset > next && heard.history == History::On {
            self.behind.insert(entry.room_id);
        }
        if entry.offset < next {
            self.hall.heard.doubles.inc();
        }
        if entry.offset < next || self.behind.contains(&entry.room_id) {
            return;
        }
        if self.hall.saw_in(Some(self.era), entry.room_id, entry.offset) {
            heard.next = Some(entry.offset + 1);
            events.push(Event::Entry(entry));
        }
    }

    /// This node does not keep up: nothing is read from what waits but where it belongs.
    fn drop_what_waits(&mut self, pushes: &mut Vec<PushInfo>) {
        if let Some(line) = &mut self.line {
            while let Ok(push) = line.pushes.try_recv() {
                pushes.push(push);
            }
        }
        for push in pushes.drain(..) {
            let Some(Value::BulkString(channel)) = push.data.first() else { continue };
            match self.hall.link.keys().room_of_news(channel) {
                Some(room) => {
                    if self.rooms.get(&room).is_some_and(|heard| heard.history == History::On && heard.next.is_some()) {
                        self.behind.insert(room);
                    }
                }
                None => self.changes_hinted = true,
            }
        }
    }

    /// Reads from the log what was missed.
    pub(super) async fn catch_up(&mut self) {
        let (mut rooms, era) = (std::mem::take(&mut self.behind), self.hall.era());
        let reads = rooms.iter().copied().filter_map(|room| {
            let next = self.rooms.get(&room)?.next?;
            let hall = Arc::clone(&self.hall);
            Some(async move { (room, next, missed(&hall, room, next).await) })
        });
        let mut reads = futures_util::stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(ROOMS_AT_ONCE);
        while let Some((room, next, read)) = reads.next().await {
            rooms.remove(&room);
            match read {
                Ok((entries, is_all)) => {
                    let events: Vec<Event> = entries.iter().map(|entry| Event::Entry(Arc::clone(entry))).collect();
                    if let (Some(heard), Some(newest)) = (self.rooms.get_mut(&room), entries.last()) {
                        if !self.hall.saw_in(Some(era), room, newest.offset) {
                            self.behind.insert(room);
                            continue;
                        }
                        heard.next = Some(newest.offset + 1);
                    }
                    if !is_all {
                        self.behind.insert(room);
                    }
                    self.tell(events).await;
                }
                // It was deleted: that comes with the changes.
                Err(StoreError::RoomUnknown) => {}
                Err(cause) => {
                    tracing::debug!(%room, next, %cause, "what was missed cannot be read now");
                    // Nor can the others, each of which would wait for it.
                    self.behind.insert(room);
                    self.behind.extend(rooms);
                    return sleep(TICK).await;
                }
            }
        }
    }
}

/// Entries from an offset on, and whether these are all. A log that ends before what somebody here has seen was set
/// back: its offsets go on behind what was seen.
async fn missed(hall: &Hall, room: RoomId, next: u64) -> Result<(Vec<Arc<Entry>>, bool)> {
    hall.heard.read_again.inc();
    let slice = entries::behind(&hall.link, room, next - 1, usize::MAX, READ_BYTES_MAX).await?;
    if slice.last < next - 1 {
        hall.raise(room, next - 1).await?;
    }
    let is_all = slice.entries.last().is_none_or(|newest| newest.offset >= slice.last);
    Ok((slice.entries, is_all))
}
