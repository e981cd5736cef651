//! An entry as the log and the channels carry it: a line of numbers, then its words.
//!
//! `offset sentAt userCount kind bytes-of-sender bytes-of-id bytes-of-text`, a line feed, and the three texts without
//! anything in between. The script that appends writes it (`scripts/turn.lua`); several may follow each other.

use std::sync::Arc;

use crate::chat::{Entry, Kind, NOTICE_SENDER, RoomId};

/// Something that is no record.
#[derive(Debug, thiserror::Error)]
#[error("this is no entry of a room's log")]
pub(super) struct Malformed;

/// All records, one behind the other.
pub(super) fn read_all(room: RoomId, mut bytes: &[u8]) -> Result<Vec<Arc<Entry>>, Malformed> {
    let mut entries = Vec::with_capacity(1);
    while !bytes.is_empty() {
        let (entry, rest) = read(room, bytes).ok_or(Malformed)?;
        entries.push(Arc::new(entry));
        bytes = rest;
    }
    Ok(entries)
}

/// An entry as a record.
pub(super) fn write(entry: &Entry) -> String {
    let Entry { kind, room_id, sender, message, user_count, offset, id, sent_at } = entry;
    let (kind, sender) = match kind {
        Kind::Talk => ('T', &**sender),
        Kind::Enter => ('E', ""),
        Kind::Quit => ('Q', ""),
    };
    let id = if **id == *Entry::default_id(*room_id, *offset) { "" } else { id };
    let sizes = format!("{} {} {}", sender.len(), id.len(), message.len());
    format!("{offset} {sent_at} {user_count} {kind} {sizes}\n{sender}{id}{message}")
}

/// The first record, and what follows it.
fn read(room_id: RoomId, bytes: &[u8]) -> Option<(Entry, &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    let (head, rest) = (std::str::from_utf8(bytes.get(..end)?).ok()?, bytes.get(end + 1..)?);
    let mut words = head.split(' ');
    let offset: u64 = words.next()?.parse().ok()?;
    let sent_at: i64 = words.next()?.parse().ok()?;
    let user_count: u32 = words.next()?.parse().ok()?;
    let kind = match words.next()? {
        "T" => Kind::Talk,
        "E" => Kind::Enter,
        "Q" => Kind::Quit,
        _ => return None,
    };
    let mut texts = [""; 3];
    let mut rest = rest;
    for text in &mut texts {
        let size: usize = words.next()?.parse().ok()?;
        let (this, behind) = rest.split_at_checked(size)?;
        (*text, rest) = (std::str::from_utf8(this).ok()?, behind);
    }
    let [sender, id, message] = texts;
    let sender = if kind == Kind::Talk { sender } else { NOTICE_SENDER };
    let id = if id.is_empty() { Entry::default_id(room_id, offset) } else { id.to_owned() };
    let entry = Entry {
        kind,
        room_id,
        sender: sender.into(),
        message: message.into(),
        user_count,
        offset,
        id: id.into(),
        sent_at,
    };
    words.next().is_none().then_some((entry, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);

    #[test]
    fn records_follow_each_other_and_come_back_as_they_were_said() {
        let bytes = "7 1700000000000 2 T 3 2 6\n김id안\n녕".as_bytes().to_vec();
        let bytes = [&bytes[..], "8 1700000000001 1 Q 0 0 3\nbye".as_bytes()].concat();
        // `안\n녕` has seven bytes, so a wrong length is noticed.
        assert!(read_all(ROOM, &bytes).is_err());
        let right = "7 1700000000000 2 T 3 2 7\n김id안\n녕8 1700000000001 1 Q 0 0 3\nbye";
        let entries = read_all(ROOM, right.as_bytes()).unwrap();
        assert_eq!((&*entries[0].sender, &*entries[0].id, &*entries[0].message), ("김", "id", "안\n녕"));
        assert_eq!((&*entries[1].sender, entries[1].kind, entries[1].offset), (NOTICE_SENDER, Kind::Quit, 8));
        assert_eq!(&*entries[1].id, Entry::default_id(ROOM, 8));
        assert_eq!(entries.iter().map(|entry| write(entry)).collect::<String>(), right);
    }

    #[test]
    fn what_is_cut_short_or_has_more_words_is_refused() {
        for wrong in ["7 1 2 T 1 0 1\na", "7 1 2 T 1 0 1 9\nab", "7 1 2 X 1 0 1\nab", "-1 1 2 T 1 0 1\nab", "7"] {
            assert!(read_all(ROOM, wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
