//! A room's log: its order, what is read of it and what is told.

use super::*;
use crate::store::{ENTRY_BYTES, PAGE_BYTES_MAX};

on_each_store![
    offsets_rise_by_one_in_each_of_two_interleaved_rooms,
    an_entry_comes_back_as_it_was_told,
    a_second_reader_of_the_tail_is_refused,
    a_reader_of_the_tail_who_has_gone_stops_nobody,
    a_slow_reader_of_the_tail_misses_nothing,
    a_message_sent_twice_is_answered_with_its_first_offset_and_stands_there_once,
    a_message_id_is_forgotten_after_a_day_or_two,
    reading_is_bounded_by_entries_and_by_bytes_but_gives_one_at_least,
    a_portion_of_one_character_messages_is_as_bounded_as_one_of_long_ones,
    a_page_is_bounded_by_its_cost_from_either_end,
    a_room_that_never_had_an_entry_begins_behind_its_end,
    a_clock_that_goes_back_does_not_take_the_log_with_it,
    a_clock_that_was_years_ahead_does_not_date_what_is_said_once_it_is_right,
    a_group_is_appended_whole_or_not_at_all_and_hurts_nobody_beside_it,
    closing_settles_everything_that_was_asked_before_and_refuses_the_rest,
];

const YEAR_MINUTES: i64 = 365 * 24 * 60;

async fn offsets_rise_by_one_in_each_of_two_interleaved_rooms(on: On) {
    let house = House::new(on).await;
    let rooms = [house.room().await, house.room().await];
    let pending: Vec<_> =
        (0..200).map(|n| house.store.append(draft(rooms[n % 2], "a", &n.to_string(), None))).collect();
    for (n, answer) in pending.into_iter().enumerate() {
        assert_eq!(settled(answer).await, new(n as u64 / 2 + 1));
    }
    for (n, room) in rooms.into_iter().enumerate() {
        let slice = house.all(room).await;
        assert_eq!((slice.first, slice.last), (1, 100));
        assert_eq!(offsets(&slice.entries), (1..=100).collect::<Vec<_>>());
        assert!(slice.entries.iter().enumerate().all(|(at, entry)| *entry.message == *(at * 2 + n).to_string()));
    }
}

async fn an_entry_comes_back_as_it_was_told(on: On) {
    let house = House::new(on).await;
    let mut tail = house.store.tail().unwrap();
    let room = house.room().await;
    assert!(matches!(&next(&mut tail).await[..], [Event::Room(made)] if *made == room));
    house.enter(room, "행복아빠", 1).await.unwrap();
    let text = "안녕\u{0}\"\r\n 1 2";
    settled(house.store.append(draft(room, "행복아빠", text, Some("my-id")))).await.unwrap();
    let told = told(&mut tail, room, 2).await;
    assert_eq!(told, house.all(room).await.entries);
    assert_eq!((told[0].kind, &*told[0].sender, told[0].user_count), (Kind::Enter, "[알림]", 1));
    assert_eq!(*told[0].message, *"행복아빠님이 방에 입장했습니다.");
    assert_eq!(*told[0].id, *format!("{room}-1"));
    assert_eq!((told[1].kind, &*told[1].id, &*told[1].message), (Kind::Talk, "my-id", text));
    assert_eq!((&*told[1].sender, told[1].user_count), ("행복아빠", 1));
    assert!((house.now() - told[1].sent_at).abs() < MINUTE_MS);
}

async fn a_second_reader_of_the_tail_is_refused(on: On) {
    let house = House::new(on).await;
    assert!(house.store.tail().is_some());
    assert!(house.store.clone().tail().is_none());
}

async fn a_reader_of_the_tail_who_has_gone_stops_nobody(on: On) {
    let house = House::new(on).await;
    drop(house.store.tail().unwrap());
    let room = house.room().await;
    assert_eq!(house.enter(room, "a", 1).await.unwrap().last, 1);
    for n in 2..=40 {
        assert_eq!(house.say(room, "a", "x").await, Ok(n));
    }
}

async fn a_slow_reader_of_the_tail_misses_nothing(on: On) {
    let house = House::new(on).await;
    let room = house.room().await;
    let mut tail = house.store.tail().unwrap();
    house.enter(room, "a", 1).await.unwrap();
    let mut asked = Vec::new();
    for n in 0..300 {
        let appended = house.store.append(draft(room, "a", "x", None));
        // The last ones need not be answered before somebody reads.
        if n < 10 { drop(settled(appended).await) } else { asked.push(appended) }
    }
    assert_eq!(offsets(&told(&mut tail, room, 301).await), (1..=301).collect::<Vec<_>>());
    for answer in asked {
        assert!(settled(answer).await.is_ok());
    }
}

async fn a_message_sent_twice_is_answered_with_its_first_offset_and_stands_there_once(on: On) {
    let mut house = House::new(on).await;
    let (room, other) = (house.room().await, house.room().await);
    let (first, second) = (house.say_as(room, "a", "1"), house.say_as(room, "a", "1"));
    assert_eq!(tokio::join!(first, second), (new(1), again(1)));
    assert_eq!(house.say_as(room, "b", "1").await, new(2), "the id belongs to its sender");
    assert_eq!(house.say_as(other, "a", "1").await, new(1), "and to its room");
    house.restart().await;
    assert_eq!(house.say_as(room, "a", "1").await, again(1));
    assert_eq!(house.all(room).await.last, 2);
}

async fn a_message_id_is_forgotten_after_a_day_or_two(on: On) {
    let house = House::alone(on, Settings::default()).await;
    let room = house.room().await;
    assert_eq!(house.say_as(room, "a", "1").await, new(1));
    house.pass(20);
    assert_eq!(house.say_as(room, "a", "1").await, again(1));
    house.pass(29);
    let mut said = again(1);
    until("it is forgotten", async || {
        said = house.say_as(room, "a", "1").await;
        said != again(1)
    })
    .await;
    assert_eq!(said, new(2));
}

async fn reading_is_bounded_by_entries_and_by_bytes_but_gives_one_at_least(on: On) {
    let house = House::new(on).await;
    let room = house.room().await;
    for _ in 0..10 {
        house.say(room, "a", "12345").await.unwrap();
    }
    let read =
        async |after, entries, bytes| offsets(&house.store.read(room, after, entries, bytes).await.unwrap().entries);
    assert_eq!(read(3, 4, 100_000).await, [4, 5, 6, 7]);
    // The text, the sender, the id that it is given, and what any entry costs.
    let cost = 5 + 1 + format!("{room}-1").len() + ENTRY_BYTES;
    assert_eq!(read(0, 100, 2 * cost + 1).await, [1, 2, 3]);
    assert_eq!(read(0, 100, 2 * cost).await, [1, 2]);
    assert_eq!(read(0, 100, 0).await, [1]);
    assert_eq!(read(0, 0, 100).await, [0; 0]);
    assert_eq!(read(10, 100, 100).await, [0; 0]);
    assert_eq!(read(u64::MAX, 100, 100).await, [0; 0]);
    let newest = async |before, entries| offsets(&house.store.newest(room, before, entries).await.unwrap().entries);
    assert_eq!(newest(None, 3).await, [8, 9, 10]);
    assert_eq!(newest(Some(4), 2).await, [2, 3]);
    assert_eq!(newest(Some(1), 2).await, [0; 0]);
    assert_eq!(newest(Some(0), 2).await, [0; 0]);
    assert_eq!(newest(Some(u64::MAX), 100).await.len(), 10);
}

/// A room in which that was said so often.
async fn room_of(house: &House, text: &str, times: usize) -> RoomId {
    let room = house.room().await;
    let asked: Vec<_> = (0..times).map(|_| house.store.append(draft(room, "a", text, None))).collect();
    for answer in asked {
        settled(answer).await.unwrap();
    }
    room
}

async fn a_portion_of_one_character_messages_is_as_bounded_as_one_of_long_ones(on: On) {
    let house = House::with(on, Settings { queue_max: 10_000, ..Settings::default() }).await;
    let room = room_of(&house, "a", 10_000).await;
    let portion = house.store.read(room, 0, usize::MAX, 64 * 1024).await.unwrap().entries.len();
    assert!((64..=64 * 1024 / ENTRY_BYTES).contains(&portion), "{portion}");
}

async fn a_page_is_bounded_by_its_cost_from_either_end(on: On) {
    let house = House::new(on).await;
    let room = room_of(&house, &"x".repeat(60_000), 60).await;
    let newest = house.store.newest(room, None, 200).await.unwrap().entries;
    let oldest = house.store.oldest(room, 0, 200).await.unwrap().entries;
    let fit = PAGE_BYTES_MAX as u64 / 60_000 + 1;
    assert_eq!(offsets(&newest), (61 - fit..=60).collect::<Vec<_>>());
    assert_eq!(offsets(&oldest), (1..=fit).collect::<Vec<_>>());
    assert_eq!(offsets(&house.store.oldest(room, 58, 1).await.unwrap().entries), [59]);
}

async fn a_room_that_never_had_an_entry_begins_behind_its_end(on: On) {
    let house = House::new(on).await;
    let room = house.room().await;
    let slice = house.all(room).await;
    assert_eq!((slice.entries.len(), slice.first, slice.last), (0, 1, 0));
}

async fn a_clock_that_goes_back_does_not_take_the_log_with_it(on: On) {
    let house = House::alone(on, Settings::default()).await;
    let room = house.room().await;
    house.say(room, "a", "now").await.unwrap();
    house.set_clock(-4);
    house.say(room, "a", "then").await.unwrap();
    house.set_clock(60);
    house.say(room, "a", "later").await.unwrap();
    let times: Vec<i64> = house.all(room).await.entries.iter().map(|entry| entry.sent_at).collect();
    assert_eq!(times[0], times[1]);
    assert!(times[1] < times[2]);
    assert_eq!(house.store.room(room).await.unwrap().unwrap().last_at, times[2]);
}

async fn a_clock_that_was_years_ahead_does_not_date_what_is_said_once_it_is_right(on: On) {
    let house = House::alone(on, Settings::default()).await;
    let (room, other) = (house.room().await, house.room().await);
    house.set_clock(14 * YEAR_MINUTES);
    house.say(room, "a", "then").await.unwrap();
    house.set_clock(0);
    house.say(room, "a", "now").await.unwrap();
    let times: Vec<i64> = house.all(room).await.entries.iter().map(|entry| entry.sent_at).collect();
    assert!(times[0] - times[1] > 13 * YEAR_MINUTES * MINUTE_MS, "{times:?}");
    assert!((house.now() - times[1]).abs() < 5 * MINUTE_MS);
    house.set_clock(1);
    house.say(other, "a", "later").await.unwrap();
    assert_eq!(house.store.rooms().await.unwrap()[0].id, other, "nor is its room the first for ever");
}

async fn a_group_is_appended_whole_or_not_at_all_and_hurts_nobody_beside_it(on: On) {
    let house = House::new(on).await;
    let (room, gone) = (house.room().await, house.room().await);
    house.store.delete_room(gone).await.unwrap();
    let mut tail = house.store.tail().unwrap();
    house.enter(room, "a", 1).await.unwrap();
    // All in one commit, most likely: the one that fails stands between two that do not.
    let before = house.store.append(draft(room, "a", "before", None));
    let fails = house.store.append_all(vec![draft(room, "a", "lost", Some("1")), draft(gone, "a", "lost", None)]);
    let works = house.store.append_all(vec![draft(room, "a", "one", Some("1")), draft(room, "a", "two", Some("1"))]);
    let empty = house.store.append_all(Vec::new());
    assert_eq!(settled(before).await, new(2));
    assert_eq!(settled(fails).await, Err(StoreError::RoomUnknown));
    let expected = [Appended { offset: 3, duplicate: false }, Appended { offset: 3, duplicate: true }];
    assert_eq!(settled(works).await.unwrap(), expected);
    assert_eq!(settled(empty).await.unwrap(), []);
    assert_eq!(house.say(room, "a", "behind").await, Ok(4));
    let entries = house.all(room).await.entries;
    let texts: Vec<_> = entries[1..].iter().map(|entry| entry.message.to_string()).collect();
    assert_eq!(texts, ["before", "one", "behind"]);
    assert_eq!(told(&mut tail, room, 4).await, entries, "what was taken back is not told");
}

async fn closing_settles_everything_that_was_asked_before_and_refuses_the_rest(on: On) {
    let mut house = House::new(on).await;
    let room = house.room().await;
    house.enter(room, "a", 1).await.unwrap();
    let asked: Vec<_> = (0..600).map(|_| house.store.append(draft(room, "a", "x", None))).collect();
    house.leave(room, "a", 1);
    let other = house.store.clone();
    tokio::join!(house.store.close(), other.close());
    for (n, answer) in asked.into_iter().enumerate() {
        assert_eq!(answer.await.unwrap(), new(n as u64 + 2));
    }
    assert!(matches!(house.say(room, "a", "late").await, Err(StoreError::Unavailable(_))));
    assert!(matches!(house.store.ready().await, Err(StoreError::Unavailable(_))));
    house.restart().await;
    let slice = house.all(room).await;
    assert_eq!((slice.last, slice.entries.last().unwrap().user_count), (602, 0));
}
