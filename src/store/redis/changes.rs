//! What was administered, told by one node to all.
//!
//! Whoever administers adds an entry to the stream `changes`, in the same script where all that is changed lies in that
//! slot, else by a script of its own right behind. Every node reads the entries it has not seen: so each change is told
//! once, in one order, whoever made it. The channel `changed` says only that there is something to read.

use std::collections::HashMap;
use std::sync::LazyLock;

use redis::{FromRedisValue, Script};

use super::link::Link;
use super::skipped::readable;
use crate::chat::{Name, RoomId};
use crate::store::Result;

/// Entries that are read together.
const READ_MAX: usize = 1_000;
/// Entries that the stream keeps; what `common.lua` says, and some more stay until trimming them is worth it.
const KEPT_MIN: usize = 10_000;
/// What stands before the first entry.
const BEFORE_ALL: &str = "0-0";

static TELL: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/tell.lua")));

/// Entries of the stream: each has its id and its fields.
type Entries = Vec<(String, HashMap<String, Vec<u8>>)>;

/// A change to be told: its `kind` and `subject` are the fields `k` and `s` of an entry of the stream `changes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A room was made, or has another name: `room`, the room's id.
    Room(RoomId),
    /// `room-deleted`, the room's id.
    RoomDeleted(RoomId),
    /// `sessions-ended`, the name as it stands in its account.
    SessionsEnded(Name),
    /// `kept`, the name under which something is kept or forgotten.
    Kept(String),
}

/// What [`read`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// The changes, in their order; kinds that another version tells are left out.
    pub(super) changes: Vec<Change>,
    /// Where to read on.
    pub(super) newest: String,
    /// It was as many as are read together, so there may be more.
    pub(super) may_go_on: bool,
    /// Changes in between are gone unread, so anything may have changed: this node was away for long, or the store is
    /// another one.
    pub(super) missed: bool,
}

/// A script of this store, with what all of them have in common before it.
pub(super) fn script(text: &str) -> Script {
    Script::new(&[include_str!("scripts/common.lua"), text].concat())
}

/// Runs a script that changes and tells in one step. `KEYS[1]`, `ARGV[1]` and `ARGV[2]` are the telling's own: these keys
/// and arguments come behind them.
pub(super) async fn run_telling<T: FromRedisValue>(
    link: &Link,
    script: &Script,
    keys: impl IntoIterator<Item = String>,
    args: &[&[u8]],
) -> Result<T> {
    let channel = link.keys().of_all("changed");
    let keys: Vec<String> = std::iter::once(link.keys().of_all("changes")).chain(keys).collect();
    let args = [&[link.publish_command().as_bytes(), channel.as_bytes()], args].concat();
    link.run(script, &keys, &args).await
}

/// Tells a change that was made in another slot.
pub(super) async fn tell(link: &Link, kind: &str, subject: &str) -> Result<()> {
    run_telling(link, &TELL, [], &[kind.as_bytes(), subject.as_bytes()]).await
}

/// Where to read on from, for who wants what comes from now on.
pub(super) async fn newest(link: &Link) -> Result<String> {
    let mut ask = redis::pipe();
    ask.cmd("XREVRANGE").arg(link.keys().of_all("changes")).arg("+").arg("-").arg("COUNT").arg(1);
    let (entries,): (Entries,) = link.read(&ask).await?;
    Ok(entries.into_iter().next().map_or_else(|| BEFORE_ALL.to_owned(), |(id, _)| id))
}

/// No changes, and where to read on from.
pub(super) async fn from_now(link: &Link) -> Result<Read> {
    Ok(Read { changes: Vec::new(), newest: newest(link).await?, may_go_on: false, missed: false })
}

/// The changes after this one, a thousand at most.
pub(super) async fn read(link: &Link, after: &str) -> Result<Read> {
    let changes = link.keys().of_all("changes");
    let mut ask = redis::pipe();
    // Together with the one that was read last: while that is still there, nothing behind it is gone.
    ask.cmd("XRANGE").arg(&changes).arg(after).arg("+").arg("COUNT").arg(READ_MAX + 1);
    ask.cmd("XLEN").arg(&changes);
    let (mut entries, length): (Entries, usize) = link.read(&ask).await?;
    let missed = if after == BEFORE_ALL {
        length >= KEPT_MIN
    } else if entries.first().is_some_and(|(id, _)| id == after) {
        entries.remove(0);
        false
    } else {
        true
    };
    let may_go_on = entries.len() >= READ_MAX;
    entries.truncate(READ_MAX);
    let newest = match entries.last() {
        Some((id, _)) => id.clone(),
        None if missed => newest(link).await?,
        None => after.to_owned(),
    };
    let changes = entries.iter().filter_map(|(id, fields)| readable(change(fields), "change", id).flatten());
    Ok(Read { changes: changes.collect(), newest, may_go_on, missed })
}

fn change(fields: &HashMap<String, Vec<u8>>) -> std::result::Result<Option<Change>, String> {
    let field = |name| fields.get(name).map(|text| String::from_utf8_lossy(text));
    let (Some(kind), Some(subject)) = (field("k"), field("s")) else {
        return Err("it has no kind or no subject".into());
    };
    let room = || subject.parse::<RoomId>().map_err(|cause| cause.to_string());
    Ok(match kind.as_ref() {
        "room" => Some(Change::Room(room()?)),
        "room-deleted" => Some(Change::RoomDeleted(room()?)),
        "sessions-ended" => Some(Change::SessionsEnded(subject.parse().map_err(|cause| format!("{cause}"))?)),
        "kept" => Some(Change::Kept(subject.into_owned())),
        _ => None,
    })
}
