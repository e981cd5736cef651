//! The checker sees what was planted, each kind of it; and sees nothing where nothing is.

use std::collections::BTreeSet;
use std::time::Instant;

use super::checker::{Flaw, check};
use super::history::{Entry, Evidence, Heard, Kind, People, Presence, Said, Start, Story, Told, print, truth};

const ROOM: &str = "room";

fn entry(kind: Kind, person: &str, text: &str, count: u64, offset: u64) -> Entry {
    let id = format!("{text}-id");
    Entry { kind, person: person.to_owned(), text: text.to_owned(), count, offset, id, sent_at: 7 }
}

/// Two people in a room: `a` says three things and stays, `b` comes, says one and goes; all is well.
fn sound() -> Evidence {
    let log = vec![
        entry(Kind::Enter, "a", "a came", 1, 1),
        entry(Kind::Talk, "a", "one", 1, 2),
        entry(Kind::Enter, "b", "b came", 2, 3),
        entry(Kind::Talk, "a", "two", 2, 4),
        entry(Kind::Talk, "b", "hello", 2, 5),
        entry(Kind::Quit, "b", "b left", 1, 6),
        entry(Kind::Talk, "a", "three", 1, 7),
    ];
    let said = |text: &str| Said { id: format!("{text}-id"), text: print(text), acknowledged: Some(Instant::now()) };
    let heard = |from: usize, to: usize| -> Vec<Heard> {
        log[from - 1..to].iter().map(|entry| Heard { offset: entry.offset, print: entry.print() }).collect()
    };
    let mut a = Story::new(0, "a", ROOM, Start::Beginning);
    a.said = vec![said("one"), said("two"), said("three")];
    a.heard = heard(1, 7);
    a.until = Some(7);
    a.presence = Presence::In;
    let mut b = Story::new(1, "b", ROOM, Start::Now);
    b.said = vec![said("hello")];
    b.heard = heard(3, 5);
    let stories = vec![a, b];
    let truth = truth(&[ROOM.to_owned()], &stories).unwrap();
    let members = BTreeSet::from(["a".to_owned()]);
    let told = |node| Told { node, room: ROOM.to_owned(), count: 1, newest: 1, members: members.clone() };
    let keys = [("{room}:log", false), ("{room}:done:x", true), ("{all}:owners", false), ("{all}:owned:x", true)];
    Evidence {
        logs: [(ROOM.to_owned(), vec![log.clone(), log.clone()])].into(),
        stories,
        truth,
        told: vec![told(0), told(1)],
        keys: keys.map(|(key, expires)| (key.to_owned(), expires)).into(),
        may_lose: false,
    }
}

/// All that is wrong once `plant` has been at work.
fn found(plant: impl FnOnce(&mut Evidence)) -> Vec<Flaw> {
    let mut evidence = sound();
    plant(&mut evidence);
    check(&evidence)
}

/// Changes the log as every node tells it.
fn logs(evidence: &mut Evidence, change: impl Fn(&mut Vec<Entry>)) {
    evidence.logs.get_mut(ROOM).unwrap().iter_mut().for_each(change);
}

fn room() -> String {
    ROOM.to_owned()
}

#[test]
fn where_all_is_well_nothing_is_found() {
    assert_eq!(found(|_| {}), []);
}

#[test]
fn an_acknowledged_message_that_is_not_in_the_log_is_found() {
    let flaws = found(|evidence| {
        evidence.stories[1].said.push(Said { id: "gone".to_owned(), text: 1, acknowledged: Some(Instant::now()) });
    });
    assert_eq!(flaws, [Flaw::Lost { room: room(), id: "gone".to_owned() }]);
}

#[test]
fn a_message_that_was_never_acknowledged_may_be_missing() {
    let unheard = Said { id: "unheard".to_owned(), text: 1, acknowledged: None };
    assert_eq!(found(|evidence| evidence.stories[1].said.push(unheard)), []);
}

#[test]
fn a_message_that_stands_in_the_log_twice_is_found() {
    let flaws = found(|evidence| logs(evidence, |log| log.push(Entry { offset: 8, ..log[6].clone() })));
    assert_eq!(flaws, [Flaw::Doubled { room: room(), id: "three-id".to_owned(), offsets: vec![7, 8] }]);
}

#[test]
fn a_message_that_nobody_said_is_found() {
    let flaws = found(|evidence| logs(evidence, |log| log.push(entry(Kind::Talk, "a", "four", 1, 8))));
    assert_eq!(flaws, [Flaw::NeverSaid { room: room(), offset: 8 }]);
}

#[test]
fn a_message_that_was_altered_in_the_log_is_found() {
    let flaws = found(|evidence| logs(evidence, |log| log[6].text = "thrie".to_owned()));
    assert_eq!(flaws, [Flaw::NeverSaid { room: room(), offset: 7 }, Flaw::Differs { client: 0, offset: 7 }]);
}

#[test]
fn a_message_that_was_altered_on_its_way_is_found() {
    let flaws = found(|evidence| evidence.stories[1].heard[1].print += 1);
    assert_eq!(flaws, [Flaw::Differs { client: 1, offset: 4 }]);
}

#[test]
fn an_entry_that_a_client_did_not_hear_is_found() {
    let flaws = found(|evidence| evidence.stories[0].heard.retain(|heard| heard.offset != 4));
    assert_eq!(flaws, [Flaw::Hole { client: 0, after: 3, next: 5 }]);
}

#[test]
fn the_first_entry_is_missing_to_who_wanted_the_beginning() {
    let flaws = found(|evidence| evidence.stories[0].heard.retain(|heard| heard.offset != 1));
    assert_eq!(flaws, [Flaw::Hole { client: 0, after: 0, next: 2 }]);
}

#[test]
fn a_gap_that_was_told_is_none_and_one_that_is_larger_is_found() {
    let without = |evidence: &mut Evidence, gap| {
        evidence.stories[0].heard.drain(2..4);
        evidence.stories[0].gaps.push(gap);
    };
    assert_eq!(found(|evidence| without(evidence, (3, 4))), []);
    assert_eq!(found(|evidence| without(evidence, (3, 3))), [Flaw::Hole { client: 0, after: 2, next: 5 }]);
}

#[test]
fn an_entry_that_a_client_heard_twice_is_found() {
    let flaws = found(|evidence| {
        let heard = evidence.stories[0].heard[4];
        evidence.stories[0].heard.insert(4, heard);
    });
    assert_eq!(flaws, [Flaw::HeardAgain { client: 0, after: 5, next: 5 }]);
}

#[test]
fn entries_that_swapped_places_on_their_way_are_found() {
    let flaws = found(|evidence| evidence.stories[0].heard.swap(3, 4));
    let expected = [
        Flaw::Hole { client: 0, after: 3, next: 5 },
        Flaw::HeardAgain { client: 0, after: 5, next: 4 },
        Flaw::Hole { client: 0, after: 4, next: 6 },
    ];
    assert_eq!(flaws, expected);
}

#[test]
fn two_texts_that_swapped_their_offsets_for_one_client_are_found() {
    let flaws = found(|evidence| {
        let (one, other) = (evidence.stories[0].heard[3].print, evidence.stories[0].heard[4].print);
        evidence.stories[0].heard[3].print = other;
        evidence.stories[0].heard[4].print = one;
    });
    assert_eq!(flaws, [Flaw::Differs { client: 0, offset: 4 }, Flaw::Differs { client: 0, offset: 5 }]);
}

#[test]
fn something_that_was_heard_and_is_not_in_the_log_is_found() {
    let flaws = found(|evidence| evidence.stories[0].heard.push(Heard { offset: 8, print: 1 }));
    assert_eq!(flaws, [Flaw::Differs { client: 0, offset: 8 }]);
}

#[test]
fn who_was_there_at_the_end_and_has_not_heard_everything_is_found() {
    let flaws = found(|evidence| evidence.stories[0].heard.truncate(5));
    assert_eq!(flaws, [Flaw::Behind { client: 0, last: 5, end: 7 }]);
}

#[test]
fn a_hole_in_the_log_is_found() {
    let flaws = found(|evidence| {
        logs(evidence, |log| log[6].offset = 8);
        evidence.stories[0].heard.pop();
        evidence.stories[0].until = Some(6);
    });
    assert_eq!(flaws, [Flaw::LogHole { room: room(), expected: 7, found: 8 }]);
}

#[test]
fn two_nodes_that_tell_different_logs_are_found() {
    let flaws = found(|evidence| evidence.logs.get_mut(ROOM).unwrap()[1].truncate(6));
    assert_eq!(flaws, [Flaw::NodesDiffer { room: room(), offset: 7 }]);
}

#[test]
fn a_person_who_enters_twice_is_found() {
    let flaws = found(|evidence| logs(evidence, |log| log.push(entry(Kind::Enter, "a", "a came", 1, 8))));
    assert_eq!(flaws, [Flaw::EnteredTwice { room: room(), person: "a".to_owned(), offset: 8 }]);
}

#[test]
fn a_person_who_leaves_twice_is_found() {
    let flaws = found(|evidence| logs(evidence, |log| log.push(entry(Kind::Quit, "b", "b left", 1, 8))));
    assert_eq!(flaws, [Flaw::LeftTwice { room: room(), person: "b".to_owned(), offset: 8 }]);
}

#[test]
fn a_wrong_count_in_an_entry_is_found() {
    let flaws =
        found(|evidence| logs(evidence, |log| log.push(Entry { count: 2, ..entry(Kind::Enter, "c", "c", 2, 8) })));
    assert_eq!(flaws, []);
    let flaws = found(|evidence| logs(evidence, |log| log.push(entry(Kind::Enter, "c", "c", 3, 8))));
    assert_eq!(flaws, [Flaw::WrongCount { room: room(), offset: 8, told: 3, people: 2 }]);
}

/// The nodes that say something wrong about who is there.
fn liars(plant: impl FnOnce(&mut Evidence)) -> Vec<usize> {
    let node = |flaw| match flaw {
        Flaw::WrongPeople { node, .. } => node,
        other => panic!("{other:?}"),
    };
    found(plant).into_iter().map(node).collect()
}

#[test]
fn a_node_that_tells_a_wrong_count_or_wrong_people_is_found() {
    assert_eq!(liars(|evidence| evidence.told[1].count = 2), [1]);
    assert_eq!(liars(|evidence| evidence.told[0].newest = 0), [0]);
    assert_eq!(liars(|evidence| evidence.told[1].members = ["b".to_owned()].into()), [1]);
    assert_eq!(liars(|evidence| evidence.truth.get_mut(ROOM).unwrap().clear()), [0, 1]);
}

#[test]
fn a_key_that_is_left_over_is_found_unless_it_expires() {
    for key in ["{room}:people", "{all}:owned:x", "{all}:lapsed"] {
        let flaws = found(|evidence| evidence.keys.push((key.to_owned(), false)));
        assert_eq!(flaws, [Flaw::Leftover { key: key.to_owned() }]);
        assert_eq!(found(|evidence| evidence.keys.push((key.to_owned(), true))), []);
    }
}

#[test]
fn what_nobody_should_be_told_is_found() {
    let flaws = found(|evidence| evidence.stories[1].odd.push("after_past_end".to_owned()));
    assert_eq!(flaws, [Flaw::Odd { client: 1, what: "after_past_end".to_owned() }]);
}

#[test]
fn the_truth_is_who_is_in_by_one_client_at_least_and_unknown_while_one_has_not_been_answered() {
    let mut stories = sound().stories;
    stories.push(Story { presence: Presence::In, ..Story::new(2, "a", ROOM, Start::Now) });
    let rooms = [ROOM.to_owned(), "empty".to_owned()];
    let expected: People = [(room(), ["a".to_owned()].into()), ("empty".to_owned(), BTreeSet::new())].into();
    assert_eq!(truth(&rooms, &stories), Some(expected));
    stories[1].presence = Presence::Unsure;
    assert_eq!(truth(&rooms, &stories), None);
}

/// Offset 5 was heard and lost; what came after it is behind it.
fn lost(evidence: &mut Evidence) {
    evidence.may_lose = true;
    logs(evidence, |log| drop(log.remove(4)));
}

#[test]
fn where_something_may_be_lost_it_is_counted_and_a_hole_is_none() {
    assert_eq!(found(lost), [Flaw::Lost { room: ROOM.to_owned(), id: "hello-id".to_owned() }]);
}

#[test]
fn an_offset_that_means_two_things_is_found_even_where_something_may_be_lost() {
    let flaws = found(|evidence| {
        lost(evidence);
        evidence.stories[1].heard[2].print = 1;
    });
    assert!(flaws.contains(&Flaw::Contradicted { client: 1, other: 0, offset: 5 }), "{flaws:?}");
}
