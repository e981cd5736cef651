//! Everything in this Redis, told piece by piece and taken piece by piece.
//!
//! What is written is not asked for again where a connection breaks: the copy has failed then, and begins anew elsewhere.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;
use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::{Pipeline, Script, Value};

use super::accounts::Record;
use super::gather::{of_each, pairs};
use super::logins::{hex, json_of, signing_key_of, unhex};
use super::{Redis, record, upkeep};
use crate::chat::{History, RoomId};
use crate::store::copy::{IDS_MS, Item, RoomRow};
use crate::store::{Result, Secret, StoreError};

static SCAN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/scan.lua")));

/// Keys or fields that one command or pipeline is about.
const AT_ONCE: usize = 1_000;
/// Pipelines that are on their way at the same time, each of a slot of its own.
const SLOTS_AT_ONCE: usize = 16;

/// Fields of a hash, and the offsets in them.
type Fields = Vec<(Vec<u8>, u64)>;

impl Redis {
    /// Whether a node holds leases in it, or may: its time is not over.
    pub(in crate::store) async fn is_served(&self) -> Result<bool> {
        let now = upkeep::time(&self.link).await?;
        let mut ask = redis::pipe();
        ask.cmd("ZCOUNT").arg(self.link.keys().of_all("owners")).arg(now).arg("+inf");
        let (owners,): (u64,) = self.link.read(&ask).await?;
        Ok(owners > 0)
    }

    /// Every room, in any order.
    pub(in crate::store) async fn rooms_to_copy(&self) -> Result<Vec<RoomRow>> {
        const FIELDS: [&str; 6] = ["name", "history", "created_at", "first", "last", "last_at"];
        let ids = upkeep::rooms(&self.link).await?;
        let found: Vec<(Vec<Option<String>>, u64)> = of_each(&self.link, &ids, |piece, keys| {
            piece.cmd("HMGET").arg(&keys.room).arg(&FIELDS).cmd("XLEN").arg(&keys.log);
        })
        .await?;
        let there = ids.into_iter().zip(found).filter(|(_, (fields, _))| fields.iter().any(Option::is_some));
        there.map(|(id, (fields, entries))| room_of(id, &fields, entries)).collect()
    }

    /// The message ids of a room that may be as young as that, by sender and id.
    pub(in crate::store) async fn ids_to_copy(&self, room: RoomId, since: i64) -> Result<Vec<Item>> {
        let (keys, now) = (self.link.keys().of_room(room), upkeep::time(&self.link).await?);
        let mut ask = redis::pipe();
        ask.cmd("HGET").arg(&keys.room).arg("ids_since");
        let (began,): (Option<i64>,) = self.link.read(&ask).await?;
        let mut found = BTreeMap::new();
        // When each was said is not known: those of before were when the younger ones began to be remembered, at the latest.
        for (key, latest) in [(keys.ids_before, began.unwrap_or_default()), (keys.ids, now)] {
            if latest >= since {
                let ids = self.fields(&key).await?;
                found.extend(ids.into_iter().map(|(mine, offset)| (mine, (offset, latest))));
            }
        }
        let mut ids: Vec<(String, String, u64, i64)> = found
            .into_iter()
            .map(|(mine, (offset, latest))| {
                let (sender, id) = parted(&mine).ok_or_else(|| unreadable("message id in room", &room.to_string()))?;
                Ok((sender.to_owned(), id.to_owned(), offset, latest))
            })
            .collect::<Result<_>>()?;
        ids.sort_unstable();
        let item = |(sender, id, offset, said_at)| Item::MessageId { room, sender, id, offset, said_at };
        Ok(ids.into_iter().map(item).collect())
    }

    /// Everything that belongs to no room.
    pub(in crate::store) async fn house_to_copy(&self) -> Result<Vec<Item>> {
        let accounts = self.accounts_to_copy().await?;
        let names: Vec<&String> = accounts.keys().collect();
        let logins = self.logins_to_copy(&names).await?;
        let mut house: Vec<Item> = accounts.into_values().chain(logins).collect();
        for (digest, value, end) in self.values("invitation:").await? {
            let strange = || unreadable("invitation", &digest);
            let role = String::from_utf8(value).map_err(|_| strange())?;
            let (key, expires_at) = (unhex(&digest).ok_or_else(strange)?, end.unwrap_or(i64::MAX));
            house.push(Item::Invitation { key, role, expires_at });
        }
        let mut ask = redis::pipe();
        ask.cmd("LRANGE").arg(self.link.keys().of_all("keys")).arg(0).arg(-1);
        let (keys,): (Vec<Vec<u8>>,) = self.link.read(&ask).await?;
        for json in keys.iter().rev() {
            house.push(Item::SigningKey(signing_key_of(json)?));
        }
        for (name, value, expires_at) in self.values("kept:").await? {
            house.push(Item::Kept { name, value: Secret::new(value), expires_at });
        }
        Ok(house)
    }

    /// Writes it, what is of one room after the other.
    pub(in crate::store) async fn put_copied(&self, items: Vec<Item>) -> Result<()> {
        let (mut of_rooms, mut of_all) = (HashMap::<RoomId, Pipeline>::new(), redis::pipe());
        let mut oldest = HashMap::<RoomId, i64>::new();
        for item in &items {
            match item {
                Item::Room(room) => put_room(of_rooms.entry(room.id).or_default(), &mut of_all, self, room),
                Item::Entry(entry) => {
                    let keys = self.link.keys().of_room(entry.room_id);
                    let add = of_rooms.entry(entry.room_id).or_default().cmd("XADD").arg(keys.log);
                    add.arg(format!("{}-0", entry.offset)).arg("r").arg(record::write(entry)).ignore();
                }
                Item::MessageId { room, sender, id, offset, said_at } => {
                    let (ids, mine) = (self.link.keys().of_room(*room).ids, format!("{}:{sender}{id}", sender.len()));
                    of_rooms.entry(*room).or_default().cmd("HSET").arg(ids).arg(mine).arg(*offset).ignore();
                    oldest.entry(*room).and_modify(|oldest| *oldest = (*oldest).min(*said_at)).or_insert(*said_at);
                }
                _ => self.put_in_house(&mut of_all, item)?,
            }
        }
        // As if the first of them had been said just then: all are remembered for a day at least.
        for (room, began) in oldest {
            let (keys, pipe) = (self.link.keys().of_room(room), of_rooms.entry(room).or_default());
            pipe.cmd("HSET").arg(keys.room).arg("ids_since").arg(began).ignore();
            pipe.cmd("PEXPIREAT").arg(keys.ids).arg(began.saturating_add(2 * IDS_MS)).ignore();
        }
        let pipes = of_rooms.into_values().map(|pipe| self.once(pipe));
        let () = stream::iter(pipes).buffer_unordered(SLOTS_AT_ONCE).try_collect().await?;
        // A room is put on the list once it is there: whoever lists rooms takes off what is not.
        self.once(of_all).await
    }

    fn put_in_house(&self, pipe: &mut Pipeline, item: &Item) -> Result<()> {
        let keys = self.link.keys();
        match item {
            Item::Account { folded, name, role, password_hash, disabled, token_epoch, created_at } => {
                let hash = std::str::from_utf8(password_hash.expose());
                let account = Record {
                    name: name.clone(),
                    role: role.clone(),
                    password_hash: hash.map_err(|_| unreadable("password's hash of", name))?.to_owned(),
                    disabled: *disabled,
                    token_epoch: *token_epoch,
                    created_at: *created_at,
                };
                let json = serde_json::to_vec(&account).map_err(|cause| StoreError::Unavailable(cause.to_string()))?;
                pipe.cmd("HSET").arg(keys.of_all("accounts")).arg(folded).arg(json).ignore();
                if role == "admin" && !disabled {
                    pipe.cmd("SADD").arg(keys.of_all("admins")).arg(folded).ignore();
                }
            }
            Item::Login { key, folded, expires_at } => {
                let (digest, logins) = (hex(key), keys.of_all(&format!("logins:{folded}")));
                let login = keys.of_all(&format!("login:{digest}"));
                pipe.cmd("SET").arg(login).arg(folded).arg("PXAT").arg(*expires_at).ignore();
                pipe.cmd("ZADD").arg(&logins).arg(*expires_at).arg(digest).ignore();
                // They go with the one that lasts longest.
                for unless in ["NX", "GT"] {
                    pipe.cmd("PEXPIREAT").arg(&logins).arg(*expires_at).arg(unless).ignore();
                }
            }
            Item::Invitation { key, role, expires_at } => {
                pipe.cmd("SET").arg(self.invitation_key(key)).arg(role).arg("PXAT").arg(*expires_at).ignore();
            }
            Item::SigningKey(key) => {
                pipe.cmd("LPUSH").arg(keys.of_all("keys")).arg(json_of(key)?).ignore();
            }
            Item::Kept { name, value, expires_at } => {
                let set = pipe.cmd("SET").arg(keys.of_all(&format!("kept:{name}"))).arg(value.expose());
                if let Some(end) = expires_at {
                    set.arg("PXAT").arg(*end);
                }
                set.ignore();
            }
            Item::Room(_) | Item::Entry(_) | Item::MessageId { .. } => {}
        }
        Ok(())
    }

    /// Every account by its folded name.
    async fn accounts_to_copy(&self) -> Result<BTreeMap<String, Item>> {
        let mut ask = redis::pipe();
        ask.cmd("HGETALL").arg(self.link.keys().of_all("accounts"));
        let (found,): (Vec<(String, Vec<u8>)>,) = self.link.read(&ask).await?;
        let account = |(folded, json): (String, Vec<u8>)| {
            let Record { name, role, password_hash, disabled, token_epoch, created_at } =
                serde_json::from_slice(&json).map_err(|_| unreadable("account", &folded))?;
            let password_hash = Secret::new(password_hash.into_bytes());
            let key = folded.clone();
            Ok((key, Item::Account { folded, name, role, password_hash, disabled, token_epoch, created_at }))
        };
        found.into_iter().map(account).collect()
    }

    /// The sign-in sessions of these people, by their digests.
    async fn logins_to_copy(&self, names: &[&String]) -> Result<Vec<Item>> {
        let mut logins = BTreeMap::new();
        for names in names.chunks(AT_ONCE) {
            let mut ask = redis::pipe();
            for folded in names {
                ask.cmd("ZRANGE").arg(self.link.keys().of_all(&format!("logins:{folded}"))).arg(0).arg(-1);
            }
            let found: Vec<Vec<String>> = self.link.read(&ask).await?;
            logins.extend(names.iter().zip(found).flat_map(|(folded, digests)| {
                digests.into_iter().map(|digest| (digest, (*folded).clone())).collect::<Vec<_>>()
            }));
        }
        let keys: Vec<String> =
            logins.keys().map(|digest| self.link.keys().of_all(&format!("login:{digest}"))).collect();
        let found = self.values_of(&keys).await?;
        let mut items = Vec::with_capacity(logins.len());
        for ((digest, folded), (value, end)) in logins.into_iter().zip(found) {
            // One that has ended is still in its person's set.
            let Some(expires_at) = end.filter(|_| value.as_deref() == Some(folded.as_bytes())) else { continue };
            let key = unhex(&digest).ok_or_else(|| unreadable("sign-in session of", &folded))?;
            items.push(Item::Login { key, folded, expires_at });
        }
        Ok(items)
    }

    /// What stands under keys that begin so: what follows that, by which they are ordered, the value, and its end.
    async fn values(&self, kind: &str) -> Result<Vec<(String, Vec<u8>, Option<i64>)>> {
        let (begin, any) = (self.link.keys().of_all(kind), [self.link.keys().of_all("rooms")]);
        let (pattern, mut cursor) = (format!("{begin}*"), "0".to_owned());
        // The same key may come twice.
        let mut keys = BTreeSet::new();
        loop {
            let found: (String, Vec<String>) =
                self.link.run(&SCAN, &any, &[cursor.as_bytes(), pattern.as_bytes()]).await?;
            keys.extend(found.1);
            cursor = found.0;
            if cursor == "0" {
                break;
            }
        }
        let keys: Vec<String> = keys.into_iter().collect();
        let found = keys.iter().zip(self.values_of(&keys).await?);
        let value = |(key, (value, end)): (&String, (Option<Vec<u8>>, Option<i64>))| {
            Some((key.strip_prefix(&begin)?.to_owned(), value?, end))
        };
        Ok(found.filter_map(value).collect())
    }

    /// The value and the end of each of these keys of one slot.
    async fn values_of(&self, keys: &[String]) -> Result<Vec<(Option<Vec<u8>>, Option<i64>)>> {
        let mut values = Vec::with_capacity(keys.len());
        for keys in keys.chunks(AT_ONCE) {
            let mut ask = redis::pipe();
            for key in keys {
                ask.cmd("GET").arg(key).cmd("PEXPIRETIME").arg(key);
            }
            let found: Vec<(Option<Vec<u8>>, i64)> = pairs(self.link.read::<Vec<Value>>(&ask).await?)?;
            values.extend(found.into_iter().map(|(value, end)| (value, Some(end).filter(|end| *end >= 0))));
        }
        Ok(values)
    }

    /// The fields of a hash, which may be many.
    async fn fields(&self, key: &str) -> Result<Fields> {
        let (mut fields, mut cursor) = (Vec::new(), "0".to_owned());
        loop {
            let mut ask = redis::pipe();
            ask.cmd("HSCAN").arg(key).arg(&cursor).arg("COUNT").arg(AT_ONCE);
            let ((next, some),): ((String, Fields),) = self.link.read(&ask).await?;
            fields.extend(some);
            cursor = next;
            if cursor == "0" {
                return Ok(fields);
            }
        }
    }

    /// Writes something, once.
    async fn once(&self, pipe: Pipeline) -> Result<()> {
        if pipe.is_empty() {
            return Ok(());
        }
        let (generation, mut wire) = self.link.wire(Instant::now() + self.link.wait_max()).await?;
        let answer: redis::RedisResult<Value> = pipe.query_async(&mut wire).await;
        self.link.judge(generation, answer).map(drop).map_err(super::link::Fault::unavailable)
    }
}

fn put_room(of_room: &mut Pipeline, of_all: &mut Pipeline, redis: &Redis, room: &RoomRow) {
    let keys = redis.link.keys();
    let set = of_room.cmd("HSET").arg(keys.of_room(room.id).room);
    set.arg("name").arg(&room.name).arg("history").arg(room.history.as_str());
    set.arg("created_at").arg(room.created_at).arg("first").arg(room.first);
    set.arg("last").arg(room.last).arg("last_at").arg(room.last_at).ignore();
    of_all.cmd("ZADD").arg(keys.of_all("rooms")).arg(room.created_at).arg(room.id.to_string()).ignore();
}

fn room_of(id: RoomId, fields: &[Option<String>], entries: u64) -> Result<RoomRow> {
    let read = || {
        let [name, history, created_at, first, last, last_at] = fields else { return None };
        let number = |field: &Option<String>| field.as_ref()?.parse::<i64>().ok();
        let offset = |field: &Option<String>| field.as_ref()?.parse::<u64>().ok();
        Some(RoomRow {
            id,
            name: name.clone()?,
            history: history.as_ref()?.parse::<History>().ok()?,
            created_at: number(created_at)?,
            first: offset(first)?,
            last: offset(last)?,
            last_at: number(last_at)?,
            entries,
        })
    };
    read().ok_or_else(|| unreadable("room", &id.to_string()))
}

/// Sender and id out of what `turn.lua` writes: the sender's length in bytes, a colon, and both.
fn parted(mine: &[u8]) -> Option<(&str, &str)> {
    let (length, both) = std::str::from_utf8(mine).ok()?.split_once(':')?;
    both.split_at_checked(length.parse().ok()?)
}

fn unreadable(what: &str, which: &str) -> StoreError {
    StoreError::Unavailable(format!("the {what} {which} in Redis cannot be read, so that it cannot be copied"))
}
