//! A copy out of a store that nodes serve from: each room's log up to where it stood when the rooms were listed.
//!
//! It is not one moment of everything, as the copy of a file is: a room that is read later may lack what retention took
//! meanwhile, and what belongs to no room is as it was at the beginning. Each log is a run that really was, and ends where
//! the room's own line says.

use std::collections::{HashMap, HashSet};

use super::{Item, Progress, now, put, walk};
use crate::chat::RoomId;
use crate::store::{Result, Store};

/// Copies what a store holds into an empty file, beside whoever serves from it.
pub(in crate::store) async fn copy_live(from: &Store, to: &Store, mut told: impl FnMut(Progress)) -> Result<()> {
    let (mut ends, mut people) = (HashMap::<RoomId, u64>::new(), HashSet::<String>::new());
    let each = async |items: Vec<Item>| {
        let mut taken = Vec::with_capacity(items.len());
        for item in items {
            let wanted = match &item {
                Item::Room(room) => {
                    ends.insert(room.id, room.last);
                    true
                }
                Item::Account { folded, .. } => {
                    people.insert(folded.clone());
                    true
                }
                Item::Entry(entry) => ends.get(&entry.room_id).is_some_and(|last| entry.offset <= *last),
                Item::MessageId { room, offset, .. } => ends.get(room).is_some_and(|last| offset <= last),
                // Of somebody whose account was made in between.
                Item::Login { folded, .. } => people.contains(folded),
                _ => true,
            };
            if wanted {
                taken.push(item);
            }
        }
        if taken.is_empty() { Ok(()) } else { put(to, taken).await }
    };
    walk(from, now(), i64::MIN, each, &mut told).await.map(drop)
}
