//! Reading a room's log.

use std::sync::Arc;

use rusqlite::Connection;

use super::fault::Attempt;
use super::log::{Log, log};
use super::place::place;
use super::reader::Lane;
use super::{Sqlite, row};
use crate::chat::{Entry, RoomId};
use crate::store::{ENTRY_BYTES, PAGE_BYTES_MAX, Result, Slice, StoreError};

impl Sqlite {
    /// See [`crate::store::Store::read`].
    pub async fn read(&self, room: RoomId, after: u64, entries_max: usize, bytes_max: usize) -> Result<Slice> {
        if let Some(nothing) = self.shared.passing.slice(room) {
            return Ok(nothing);
        }
        self.read_with(Lane::Node, move |file| behind(file, room, after, entries_max, bytes_max)).await
    }

    /// See [`crate::store::Store::oldest`].
    pub async fn oldest(&self, room: RoomId, after: u64, entries_max: usize) -> Result<Slice> {
        if let Some(nothing) = self.shared.passing.slice(room) {
            return Ok(nothing);
        }
        self.read_with(Lane::Page, move |file| behind(file, room, after, entries_max, PAGE_BYTES_MAX)).await
    }

    /// See [`crate::store::Store::newest`].
    pub async fn newest(&self, room: RoomId, before: Option<u64>, entries_max: usize) -> Result<Slice> {
        if let Some(nothing) = self.shared.passing.slice(room) {
            return Ok(nothing);
        }
        self.read_with(Lane::Page, move |file| {
            let span = span(file, room)?;
            let end = before.map_or(span.last + 1, |before| before.min(span.last + 1));
            let sql = "WHERE place < ?1 AND place >= ?2 ORDER BY place DESC LIMIT ?3";
            let range = [place(span.key, end), place(span.key, span.first)];
            let mut entries = entries(file, room, sql, range, entries_max, PAGE_BYTES_MAX)?;
            entries.reverse();
            Ok(span.with(entries))
        })
        .await
    }
}

fn span(file: &Connection, room: RoomId) -> Attempt<Log> {
    Ok(log(file, room)?.ok_or(StoreError::RoomUnknown)?)
}

/// The oldest entries behind an offset.
pub(super) fn behind(
    file: &Connection,
    room: RoomId,
    after: u64,
    entries_max: usize,
    bytes_max: usize,
) -> Attempt<Slice> {
    let span = span(file, room)?;
    let from = place(span.key, after.min(span.last));
    let sql = "WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT ?3";
    let mut entries = entries(file, room, sql, [from, place(span.key, span.last)], entries_max, bytes_max)?;
    // A log that was copied from a Redis may lack what that had lost. What is read ends before a hole, and what is
    // read behind it begins after it, so that whoever wants what is lost is told so.
    let hole = entries.windows(2).position(|two| matches!(two, [one, next] if one.offset + 1 != next.offset));
    if let Some(at) = hole {
        entries.truncate(at + 1);
    }
    let first = match entries.first() {
        Some(oldest) if oldest.offset > after + 1 => oldest.offset,
        None if after < span.last && entries_max > 0 => span.last + 1,
        _ => span.first,
    };
    Ok(Log { first, ..span }.with(entries))
}

impl Log {
    const fn with(&self, entries: Vec<Arc<Entry>>) -> Slice {
        Slice { entries, first: self.first, last: self.last, history: self.history }
    }
}

fn entries(
    file: &Connection,
    room: RoomId,
    order: &str,
    range: [i64; 2],
    entries_max: usize,
    bytes_max: usize,
) -> rusqlite::Result<Vec<Arc<Entry>>> {
    let limit = i64::try_from(entries_max).unwrap_or(i64::MAX);
    let mut statement = file.prepare_cached(&format!("SELECT {} FROM entry {order}", row::ENTRY_COLUMNS))?;
    let mut rows = statement.query([range[0], range[1], limit])?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while bytes < bytes_max || entries.is_empty() {
        let Some(found) = rows.next()? else { break };
        let entry = row::entry(found, room)?;
        bytes += entry.message.len() + entry.sender.len() + entry.id.len() + ENTRY_BYTES;
        entries.push(Arc::new(entry));
    }
    Ok(entries)
}
