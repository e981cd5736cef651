//! A turn as the script takes it, and its answer.

use redis::{Script, Value};
use std::sync::LazyLock;

use super::keys::Keys;
use crate::chat::{Draft, Kind, Locale, Name, RoomId};

/// See `scripts/turn.lua`.
pub(super) static TURN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/turn.lua")));

/// What is asked for. It can be written down anew for each try: the owner may have another name by then.
pub(super) struct Request<'a> {
    pub(super) rooms: &'a [RoomId],
    /// What happens in a room, with the leases of this owner.
    pub(super) acts: &'a (dyn Fn(RoomId, &str) -> Vec<Act> + Sync),
    /// Whether somebody enters, which only an owner may do whose time is not over.
    pub(super) enters: bool,
    /// Whether it is answered only when enough replicas have it.
    pub(super) is_kept: bool,
    /// Whether nothing may happen where one of the rooms is not there.
    pub(super) is_joint: bool,
    /// Whether it is no lane's turn, and may happen twice.
    pub(super) is_aside: bool,
}

/// One thing that somebody does: its words as the script takes them.
pub(super) struct Act(Vec<String>);

impl Act {
    pub(super) fn say(draft: &Draft) -> Self {
        let id = draft.id.as_ref().map_or("", |id| id.as_str());
        Self(["say", draft.sender.as_str(), id, &draft.text].map(str::to_owned).into())
    }

    pub(super) fn enter(name: &Name, lease: &str, after: Option<u64>, locale: Locale) -> Self {
        let after = after.map_or("-1".to_owned(), |after| after.to_string());
        let notice = Kind::Enter.notice(name, locale).unwrap_or_default();
        Self(vec!["enter".into(), name.as_str().into(), lease.into(), after, notice])
    }

    pub(super) fn leave(name: &Name, lease: &str, locale: Locale) -> Self {
        let notice = Kind::Quit.notice(name, locale).unwrap_or_default();
        Self(vec!["leave".into(), name.as_str().into(), lease.into(), notice])
    }
}

/// What is the same in every try of a turn, and in those of all owners.
pub(super) struct Circumstances<'a> {
    pub(super) number: &'a str,
    /// This process, by any owner's name.
    pub(super) process: &'a str,
    pub(super) owner: &'a str,
    pub(super) owned_until: i64,
    pub(super) keep_entries: u64,
    pub(super) publish: &'a str,
}

impl Request<'_> {
    /// The keys and arguments of the script.
    pub(super) fn write(
        &self,
        keys: &Keys,
        now: &Circumstances<'_>,
        seen: impl Fn(RoomId) -> u64,
    ) -> (Vec<String>, Vec<String>) {
        let owned_until = if self.enters { now.owned_until } else { 0 };
        let mut names = Vec::with_capacity(self.rooms.len() * 6);
        let mut args = vec![
            now.number.to_owned(),
            owned_until.to_string(),
            now.keep_entries.to_string(),
            now.publish.to_owned(),
            u8::from(self.is_joint).to_string(),
        ];
        for room in self.rooms {
            let of = keys.of_room(*room);
            let acts = (self.acts)(*room, now.owner);
            names.extend([of.room, of.log, of.people, of.ids, of.ids_before, keys.done(*room, now.process)]);
            args.extend([of.news, seen(*room).to_string(), acts.len().to_string()]);
            args.extend(acts.into_iter().flat_map(|act| act.0));
        }
        (names, args)
    }
}

/// What the script answers.
pub(super) enum Answer {
    /// For each room what became of each act; `None` where there is no such room.
    Done(Vec<Option<Vec<Vec<i64>>>>),
    /// The owner's time is over: nothing happened.
    Lapsed,
    /// A later turn was taken already: nothing happened.
    Late,
}

impl Answer {
    pub(super) fn of(value: &Value) -> Option<Self> {
        let [state, rooms @ ..] = array(value)? else { return None };
        match integer(state)? {
            0 => Some(Self::Lapsed),
            2 => Some(Self::Late),
            _ => rooms.iter().map(room).collect::<Option<Vec<_>>>().map(Self::Done),
        }
    }
}

fn room(value: &Value) -> Option<Option<Vec<Vec<i64>>>> {
    let [state, acts @ ..] = array(value)? else { return None };
    if integer(state)? == 0 {
        return Some(None);
    }
    let numbers = |act: &Value| array(act)?.iter().map(integer).collect::<Option<Vec<i64>>>();
    acts.iter().map(numbers).collect::<Option<Vec<_>>>().map(Some)
}

fn array(value: &Value) -> Option<&[Value]> {
    if let Value::Array(values) = value { Some(values) } else { None }
}

fn integer(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value { Some(*number) } else { None }
}
