//! Reading a room's log.

use std::sync::Arc;

use redis::Value;

use super::Redis;
use super::link::Link;
use super::record;
use crate::chat::{Entry, History, RoomId};
use crate::store::{ENTRY_BYTES, PAGE_BYTES_MAX, Result, Slice, StoreError};

/// Entries that one command brings: an entry may be as long as `limits.message_chars_max` allows, and what is too much is
/// thrown away.
const ENTRIES_AT_ONCE: usize = 64;

/// No room ever gets so far; the scripts count exactly up to here.
const OFFSET_MAX: u64 = 1 << 53;

impl Redis {
    /// See [`crate::store::Store::read`].
    pub async fn read(&self, room: RoomId, after: u64, entries_max: usize, bytes_max: usize) -> Result<Slice> {
        let slice = behind(self.link(), room, after, entries_max, bytes_max).await?;
        self.told(room, &slice);
        Ok(slice)
    }

    /// People here may be shown this before the node has heard of it.
    fn told(&self, room: RoomId, slice: &Slice) {
        if let (Some(serving), Some(newest)) = (&self.shared.serving, slice.entries.last()) {
            serving.hall.saw(room, newest.offset);
        }
    }

    /// See [`crate::store::Store::oldest`].
    pub async fn oldest(&self, room: RoomId, after: u64, entries_max: usize) -> Result<Slice> {
        behind(self.link(), room, after, entries_max, PAGE_BYTES_MAX).await
    }

    /// See [`crate::store::Store::newest`].
    pub async fn newest(&self, room: RoomId, before: Option<u64>, entries_max: usize) -> Result<Slice> {
        let link = self.link();
        let mut end = match before {
            // Before the first one Redis takes no id.
            Some(..=1) => "0-0".to_owned(),
            Some(before) => format!("({}-0", before.min(OFFSET_MAX)),
            None => "+".to_owned(),
        };
        let (mut entries, mut bytes) = (Vec::<Arc<Entry>>::new(), 0);
        loop {
            let count = ENTRIES_AT_ONCE.min(entries_max - entries.len());
            let (some, log) = portion(link, room, ["XREVRANGE", &end, "-"], count).await?;
            let is_last = some.len() < count;
            for entry in some {
                if bytes < PAGE_BYTES_MAX || entries.is_empty() {
                    bytes += cost(&entry);
                    entries.push(entry);
                }
            }
            if is_last || bytes >= PAGE_BYTES_MAX || entries.len() >= entries_max {
                entries.retain(|entry| entry.offset >= log.first);
                entries.reverse();
                let slice = log.with(entries);
                self.told(room, &slice);
                return Ok(slice);
            }
            end = format!("({}-0", entries.last().map_or(0, |oldest| oldest.offset));
        }
    }
}

/// From where to where a room's log reaches.
struct Log {
    first: u64,
    last: u64,
    history: History,
}

impl Log {
    const fn with(&self, entries: Vec<Arc<Entry>>) -> Slice {
        Slice { entries, first: self.first, last: self.last, history: self.history }
    }
}

/// `first`, `last` and `history` of a room's hash.
type Head = (Option<u64>, Option<u64>, Option<String>);

/// See [`crate::store::Store::read`].
///
/// Offsets that Redis has lost leave a hole in the log. What is read ends before it, and what is read behind it begins
/// after it, so that whoever wants what is lost is told so.
pub(super) async fn behind(
    link: &Link,
    room: RoomId,
    after: u64,
    entries_max: usize,
    bytes_max: usize,
) -> Result<Slice> {
    let (mut entries, mut bytes) = (Vec::<Arc<Entry>>::new(), 0);
    // Beyond what an offset can be, Redis takes no id.
    let after = after.min(OFFSET_MAX);
    let mut from = after;
    loop {
        let count = ENTRIES_AT_ONCE.min(entries_max - entries.len());
        let start = format!("({from}-0");
        let (some, mut log) = portion(link, room, ["XRANGE", &start, "+"], count).await?;
        let mut is_last = some.len() < count;
        for entry in some {
            let follows = entries.last().is_none_or(|before| before.offset + 1 == entry.offset);
            if !follows || (bytes >= bytes_max && !entries.is_empty()) {
                is_last = true;
                break;
            }
            bytes += cost(&entry);
            from = entry.offset;
            entries.push(entry);
        }
        if is_last || bytes >= bytes_max || entries.len() >= entries_max {
            entries.retain(|entry| entry.offset >= log.first);
            log.first = match entries.first() {
                Some(oldest) if oldest.offset > after + 1 => oldest.offset,
                None if after < log.last && entries_max > 0 => log.last + 1,
                _ => log.first,
            };
            return Ok(log.with(entries));
        }
    }
}

fn cost(entry: &Entry) -> usize {
    entry.message.len() + entry.sender.len() + entry.id.len() + ENTRY_BYTES
}

/// What the room's hash says, and some entries.
async fn portion(
    link: &Link,
    room: RoomId,
    [command, from, to]: [&str; 3],
    count: usize,
) -> Result<(Vec<Arc<Entry>>, Log)> {
    let keys = link.keys().of_room(room);
    let mut pipe = redis::pipe();
    // What is appended in between makes the log longer than the hash said, never shorter.
    pipe.cmd("HMGET").arg(&keys.room).arg(&["first", "last", "history"]);
    pipe.cmd(command).arg(&keys.log).arg(from).arg(to).arg("COUNT").arg(count);
    let (head, found): (Head, Value) = link.read(&pipe).await?;
    let (Some(first), Some(last), history) = head else { return Err(StoreError::RoomUnknown) };
    let history = if history.as_deref() == Some("off") { History::Off } else { History::On };
    let mut entries = Vec::with_capacity(count.min(ENTRIES_AT_ONCE));
    if let Value::Array(found) = found {
        for entry in &found {
            entries.extend(record_of(entry).map_or_else(
                || {
                    tracing::error!(%room, "an entry of the log cannot be read; it is left out");
                    Vec::new()
                },
                |bytes| record::read_all(room, bytes).unwrap_or_default(),
            ));
        }
    }
    let newest = entries.iter().map(|entry| entry.offset).max().unwrap_or_default();
    Ok((entries, Log { first, last: last.max(newest), history }))
}

/// The record in an entry of a stream: `[id, [r, record]]`.
fn record_of(entry: &Value) -> Option<&[u8]> {
    let Value::Array(parts) = entry else { return None };
    let Some(Value::Array(fields)) = parts.get(1) else { return None };
    if let Some(Value::BulkString(bytes)) = fields.get(1) { Some(bytes) } else { None }
}

/// The offset of the first entry in an answer, if there is one.
pub(super) fn offset_of(answer: &Value) -> Option<u64> {
    let Value::Array(entries) = answer else { return None };
    let Some(Value::Array(parts)) = entries.first() else { return None };
    let Some(Value::BulkString(id)) = parts.first() else { return None };
    std::str::from_utf8(id).ok()?.split_once('-')?.0.parse().ok()
}
