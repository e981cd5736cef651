//! What a store holds, counted and summed, room by room, without a second store to hold it against.

use std::collections::HashMap;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::tally::{Tally, hex};
use super::{Item, Progress, walk};
use crate::chat::{History, RoomId};
use crate::store::{Result, Store};

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Survey {
    /// Each kind of thing.
    pub kinds: Vec<KindHeld>,
    /// Each room, by the time of its making.
    pub rooms: Vec<RoomHeld>,
    /// Entries that cannot be read. They are in the file, and nobody sees them.
    pub unread_entries: u64,
}

/// How many things of a kind there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KindHeld {
    /// The kind.
    pub what: String,
    /// How many.
    pub count: u64,
    /// SHA-256 over all of them, in hexadecimal digits.
    pub sha256: String,
}

/// A room's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomHeld {
    /// The room.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it keeps a history.
    pub history: bool,
    /// The oldest offset.
    pub first: u64,
    /// The newest.
    pub last: u64,
    /// Entries that can be read.
    pub entries: u64,
    /// SHA-256 over them, in hexadecimal digits.
    pub sha256: String,
    /// When the newest was said, in milliseconds since the Unix epoch; `None` where there is none.
    pub newest_at: Option<i64>,
}

impl Survey {
    /// How many there are of a kind.
    pub fn count(&self, what: super::What) -> u64 {
        let what = what.to_string();
        self.kinds.iter().find(|kind| kind.what == what).map_or(0, |kind| kind.count)
    }

    /// When the newest message was said, in milliseconds since the Unix epoch.
    pub fn newest_at(&self) -> Option<i64> {
        self.rooms.iter().filter_map(|room| room.newest_at).max()
    }

    /// What `found` has that is not what is stated here, each in words.
    pub fn differences(&self, found: &Self) -> Vec<String> {
        let mut told = Vec::new();
        let there: HashMap<&str, &RoomHeld> = found.rooms.iter().map(|room| (&*room.id, room)).collect();
        for room in &self.rooms {
            let named = format!("room {:?} ({})", room.name, room.id);
            match there.get(&*room.id) {
                None => told.push(format!("{named} is not there")),
                Some(held) if *held == room => {}
                Some(held) if held.entries != room.entries => {
                    told.push(format!(
                        "{named} holds {} entries, and the manifest says {}",
                        held.entries, room.entries
                    ));
                }
                Some(held) if held.sha256 != room.sha256 => {
                    told.push(format!("{named} holds {} entries, but not those that the manifest says", held.entries));
                }
                Some(_) => told.push(format!("{named} has another name, time or offset than the manifest says")),
            }
        }
        let stated: Vec<&str> = self.rooms.iter().map(|room| &*room.id).collect();
        for room in found.rooms.iter().filter(|room| !stated.contains(&&*room.id)) {
            told.push(format!("room {:?} ({}) is not in the manifest", room.name, room.id));
        }
        for kind in &self.kinds {
            let held = found.kinds.iter().find(|held| held.what == kind.what);
            if held != Some(kind) {
                let count = held.map_or(0, |held| held.count);
                let same = if count == kind.count { ", but not those" } else { ", and the manifest says" };
                told.push(format!("{}: {count}{same} {}", kind.what, kind.count));
            }
        }
        if self.unread_entries != found.unread_entries {
            let (found, stated) = (found.unread_entries, self.unread_entries);
            told.push(format!("entries that cannot be read: {found}, and the manifest says {stated}"));
        }
        told
    }
}

/// Counts everything that a store holds, also what has ended meanwhile. For a store that nobody changes.
pub(in crate::store) async fn survey(store: &Store, mut told: impl FnMut(Progress)) -> Result<Survey> {
    let mut adding = Adding::default();
    let each = async |items: Vec<Item>| {
        items.iter().for_each(|item| adding.add(item));
        Ok(())
    };
    let unread_entries = walk(store, i64::MIN, i64::MIN, each, &mut told).await?;
    Ok(adding.end(unread_entries))
}

#[derive(Default)]
struct Adding {
    tally: Tally,
    rooms: Vec<RoomHeld>,
    /// Where a room stands in the list, and the sum over its log.
    at: HashMap<RoomId, (usize, Context)>,
}

impl Adding {
    fn add(&mut self, item: &Item) {
        self.tally.add(item);
        match item {
            Item::Room(room) => {
                self.at.insert(room.id, (self.rooms.len(), Context::new(&SHA256)));
                self.rooms.push(RoomHeld {
                    id: room.id.to_string(),
                    name: room.name.clone(),
                    history: room.history == History::On,
                    first: room.first,
                    last: room.last,
                    entries: 0,
                    sha256: String::new(),
                    newest_at: None,
                });
            }
            Item::Entry(entry) => {
                if let Some((at, sum)) = self.at.get_mut(&entry.room_id)
                    && let Some(room) = self.rooms.get_mut(*at)
                {
                    item.feed(sum);
                    (room.entries, room.newest_at) = (room.entries + 1, Some(entry.sent_at));
                }
            }
            _ => {}
        }
    }

    fn end(self, unread_entries: u64) -> Survey {
        let mut rooms = self.rooms;
        for (at, sum) in self.at.into_values() {
            if let Some(room) = rooms.get_mut(at) {
                room.sha256 = hex(sum.finish().as_ref());
            }
        }
        let kind = |(what, (count, sha256)): (super::What, _)| KindHeld { what: what.to_string(), count, sha256 };
        Survey { kinds: self.tally.ended().into_iter().map(kind).collect(), rooms, unread_entries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> Survey {
        let room = |id: &str, entries| RoomHeld {
            id: id.into(),
            name: "사랑방".into(),
            history: true,
            first: 1,
            last: entries,
            entries,
            sha256: format!("of {entries}"),
            newest_at: Some(9),
        };
        let kind = |what: &str, count| KindHeld { what: what.into(), count, sha256: format!("of {count}") };
        Survey { kinds: vec![kind("accounts", 2)], rooms: vec![room("a", 3), room("b", 4)], unread_entries: 0 }
    }

    #[test]
    fn what_is_not_as_stated_is_named() {
        let stated = held();
        assert_eq!(stated.differences(&held()), Vec::<String>::new());
        let changed = |change: fn(&mut Survey)| {
            let mut found = held();
            change(&mut found);
            stated.differences(&found).join("; ")
        };
        let less = changed(|found| found.rooms[0].entries = 2);
        assert!(less.contains("(a) holds 2 entries, and the manifest says 3"), "{less}");
        let other = changed(|found| found.rooms[1].sha256 = "x".into());
        assert!(other.contains("(b) holds 4 entries, but not those"), "{other}");
        assert!(changed(|found| found.rooms[1].name = "x".into()).contains("another name"));
        assert!(changed(|found| drop(found.rooms.remove(0))).contains("(a) is not there"));
        assert!(changed(|found| found.rooms[0].id = "c".into()).contains("(c) is not in the manifest"));
        assert!(changed(|found| found.kinds[0].count = 1).contains("accounts: 1, and the manifest says 2"));
        assert!(changed(|found| found.kinds[0].sha256 = "x".into()).contains("accounts: 2, but not those 2"));
        assert!(changed(|found| found.unread_entries = 1).contains("cannot be read: 1"));
    }
}
