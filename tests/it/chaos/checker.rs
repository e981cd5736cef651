//! Judges a run by its evidence. It knows no server, no clock and no network: `planted.rs` shows that it sees each kind
//! of fault.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::history::{Entry, Evidence, Kind, People, Start, Story, Told, print};

/// What must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The offsets of a log do not rise by one from 1.
    LogHole { room: String, expected: u64, found: u64 },
    /// Two nodes tell different logs.
    NodesDiffer { room: String, offset: u64 },
    /// It was acknowledged and is not in the log.
    Lost { room: String, id: String },
    /// It stands in the log more than once.
    Doubled { room: String, id: String, offsets: Vec<u64> },
    /// It stands in the log and nobody said it, or said something else.
    NeverSaid { room: String, offset: u64 },
    /// Somebody entered who was there.
    EnteredTwice { room: String, person: String, offset: u64 },
    /// Somebody left who was not there.
    LeftTwice { room: String, person: String, offset: u64 },
    /// An entry carries another count than there were people after it.
    WrongCount { room: String, offset: u64, told: u64, people: u64 },
    /// A client heard an offset later than the next, and was told no gap.
    Hole { client: usize, after: u64, next: u64 },
    /// A client heard what it had heard before.
    HeardAgain { client: usize, after: u64, next: u64 },
    /// A client heard something else at this offset than stands in the log.
    Differs { client: usize, offset: u64 },
    /// Two clients heard different things at the same offset; looked for where a log may have lost what stood there.
    Contradicted { client: usize, other: usize, offset: u64 },
    /// A client that was there at the end has not heard everything.
    Behind { client: usize, last: u64, end: u64 },
    /// A client was told what nobody should ever be told.
    Odd { client: usize, what: String },
    /// A node says that others are there than there are.
    WrongPeople { node: usize, room: String, told: String, truth: String },
    /// A key that has no reason to be there any more.
    Leftover { key: String },
}

/// All that is wrong.
pub(crate) fn check(evidence: &Evidence) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for (room, logs) in &evidence.logs {
        let Some(log) = logs.first() else { continue };
        flaws.extend(order(room, log, evidence.may_lose));
        flaws.extend(logs.iter().skip(1).filter_map(|other| difference(room, log, other)));
        flaws.extend(comings_and_goings(room, log));
        let said = evidence.stories.iter().filter(|story| story.room == *room);
        flaws.extend(messages(room, log, said));
    }
    for story in &evidence.stories {
        let log = evidence.logs.get(&story.room).and_then(|logs| logs.first());
        flaws.extend(hearing(story, log.map_or(&[][..], |log| log), evidence.may_lose));
        flaws.extend(story.odd.iter().map(|what| Flaw::Odd { client: story.number, what: what.clone() }));
    }
    if evidence.may_lose {
        flaws.extend(contradictions(&evidence.stories));
    }
    flaws.extend(presence(&evidence.truth, &evidence.told));
    flaws.extend(leftovers(&evidence.keys));
    flaws
}

/// The offsets of a whole log are 1, 2, 3 and so on; where something may be lost they rise at least.
fn order(room: &str, log: &[Entry], may_lose: bool) -> Option<Flaw> {
    if may_lose {
        let pair = log.windows(2).find(|pair| pair[0].offset >= pair[1].offset)?;
        let expected = pair[0].offset + 1;
        return Some(Flaw::LogHole { room: room.to_owned(), expected, found: pair[1].offset });
    }
    let mut expected = 1..;
    let (entry, expected) = log.iter().zip(&mut expected).find(|(entry, expected)| entry.offset != *expected)?;
    Some(Flaw::LogHole { room: room.to_owned(), expected, found: entry.offset })
}

/// Two nodes tell the same log.
fn difference(room: &str, log: &[Entry], other: &[Entry]) -> Option<Flaw> {
    let at = (0..log.len().max(other.len())).find(|at| log.get(*at) != other.get(*at))?;
    Some(Flaw::NodesDiffer { room: room.to_owned(), offset: at as u64 + 1 })
}

/// ENTER and QUIT of a person alternate, and every entry carries the number of those who are in.
fn comings_and_goings(room: &str, log: &[Entry]) -> Vec<Flaw> {
    let mut inside = BTreeSet::new();
    let mut flaws = Vec::new();
    for entry in log {
        let (room, person, offset) = (room.to_owned(), entry.person.clone(), entry.offset);
        match entry.kind {
            Kind::Enter if !inside.insert(&*entry.person) => {
                flaws.push(Flaw::EnteredTwice { room: room.clone(), person, offset });
            }
            Kind::Quit if !inside.remove(&*entry.person) => {
                flaws.push(Flaw::LeftTwice { room: room.clone(), person, offset });
            }
            _ => {}
        }
        let people = inside.len() as u64;
        if entry.count != people {
            flaws.push(Flaw::WrongCount { room, offset, told: entry.count, people });
        }
    }
    flaws
}

/// What was acknowledged is there, nothing is there twice, and what is there was said.
fn messages<'a>(room: &str, log: &[Entry], stories: impl Iterator<Item = &'a Story>) -> Vec<Flaw> {
    let mut places: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
    for entry in log.iter().filter(|entry| entry.kind == Kind::Talk) {
        places.entry((&entry.person, &entry.id)).or_default().push(entry.offset);
    }
    let (mut flaws, mut texts) = (Vec::new(), HashMap::new());
    for story in stories {
        for said in &story.said {
            texts.insert((&*story.person, &*said.id), said.text);
            if said.acknowledged.is_some() && !places.contains_key(&(&*story.person, &*said.id)) {
                flaws.push(Flaw::Lost { room: room.to_owned(), id: said.id.clone() });
            }
        }
    }
    for ((_, id), offsets) in places.iter().filter(|(_, offsets)| offsets.len() > 1) {
        flaws.push(Flaw::Doubled { room: room.to_owned(), id: (*id).to_owned(), offsets: offsets.clone() });
    }
    for entry in log.iter().filter(|entry| entry.kind == Kind::Talk) {
        if texts.get(&(&*entry.person, &*entry.id)) != Some(&print(&entry.text)) {
            flaws.push(Flaw::NeverSaid { room: room.to_owned(), offset: entry.offset });
        }
    }
    flaws
}

/// A client hears each offset once, in order, without a hole that it was not told, and what stands in the log there.
fn hearing(story: &Story, log: &[Entry], may_lose: bool) -> Vec<Flaw> {
    let client = story.number;
    let mut flaws = Vec::new();
    let mut last = (story.start == Start::Beginning).then_some(0);
    for heard in &story.heard {
        if let Some(after) = last {
            let next = heard.offset;
            if next <= after {
                flaws.push(Flaw::HeardAgain { client, after, next });
            } else if !(after + 1..next).all(|offset| told(story, offset)) {
                flaws.push(Flaw::Hole { client, after, next });
            }
        }
        last = Some(heard.offset);
        let there = log.binary_search_by_key(&heard.offset, |entry| entry.offset).ok().map(|at| log[at].print());
        if there != Some(heard.print) && !(may_lose && there.is_none()) {
            flaws.push(Flaw::Differs { client, offset: heard.offset });
        }
    }
    if let Some(end) = story.until
        && last.unwrap_or(0) < end
    {
        flaws.push(Flaw::Behind { client, last: last.unwrap_or(0), end });
    }
    flaws
}

/// Whoever hears an offset hears the same there.
fn contradictions(stories: &[Story]) -> Vec<Flaw> {
    let (mut first, mut flaws) = (HashMap::new(), Vec::new());
    for story in stories {
        for heard in &story.heard {
            let (other, print) = *first.entry((&*story.room, heard.offset)).or_insert((story.number, heard.print));
            if print != heard.print {
                flaws.push(Flaw::Contradicted { client: story.number, other, offset: heard.offset });
            }
        }
    }
    flaws
}

fn told(story: &Story, offset: u64) -> bool {
    story.gaps.iter().any(|(first, end)| (*first..=*end).contains(&offset))
}

/// Every node knows who is there: by the room's count, its newest entry's count, and the names.
pub(crate) fn presence(truth: &People, told: &[Told]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for told in told {
        let Some(people) = truth.get(&told.room) else { continue };
        let count = people.len() as u64;
        if (told.count, told.newest, &told.members) != (count, count, people) {
            let more: Vec<_> = told.members.difference(people).collect();
            let fewer: Vec<_> = people.difference(&told.members).collect();
            flaws.push(Flaw::WrongPeople {
                node: told.node,
                room: told.room.clone(),
                told: format!("{}, newest entry {}, too many {more:?}, missing {fewer:?}", told.count, told.newest),
                truth: count.to_string(),
            });
        }
    }
    flaws
}

/// Once everybody has left there are no people, no owner's rooms and nobody whose leases are still to be ended. What
/// expires does not count.
pub(crate) fn leftovers(keys: &[(String, bool)]) -> Vec<Flaw> {
    let stale = |key: &str| key.ends_with(":people") || key.starts_with("{all}:owned:") || key == "{all}:lapsed";
    let kept = keys.iter().filter(|(key, expires)| !expires && stale(key));
    kept.map(|(key, _)| Flaw::Leftover { key: key.clone() }).collect()
}
