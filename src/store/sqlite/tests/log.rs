use super::*;
use crate::chat::Kind;
use crate::store::{ENTRY_BYTES, Event, PAGE_BYTES_MAX, StoreError};

#[tokio::test]
async fn offsets_rise_by_one_in_each_of_two_interleaved_rooms() {
    let house = House::new();
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

#[tokio::test]
async fn an_entry_comes_back_as_it_was_told() {
    let house = House::new();
    let mut tail = house.store.tail().unwrap();
    let room = house.room().await;
    assert!(matches!(&tail.next().await.unwrap()[..], [Event::Room(made)] if *made == room));
    house.enter(room, "행복아빠", 1).await.unwrap();
    settled(house.store.append(draft(room, "행복아빠", "안녕\u{0}\"", Some("my-id")))).await.unwrap();
    let mut told = Vec::new();
    while told.len() < 2 {
        for event in tail.next().await.unwrap() {
            let Event::Entry(entry) = event else { panic!("{event:?}") };
            told.push(entry);
        }
    }
    assert_eq!(told, house.all(room).await.entries);
    assert_eq!((told[0].kind, &*told[0].sender, told[0].user_count), (Kind::Enter, "[알림]", 1));
    assert_eq!(*told[0].message, *"행복아빠님이 방에 입장했습니다.");
    assert_eq!(*told[0].id, *format!("{room}-1"));
    assert_eq!((told[1].kind, &*told[1].id, &*told[1].message), (Kind::Talk, "my-id", "안녕\u{0}\""));
}

#[tokio::test]
async fn a_second_reader_of_the_tail_is_refused() {
    let house = House::new();
    assert!(house.store.tail().is_some());
    assert!(house.store.clone().tail().is_none());
}

#[tokio::test]
async fn a_message_sent_twice_is_answered_with_its_first_offset_and_stands_there_once() {
    let mut house = House::new();
    let (room, other) = (house.room().await, house.room().await);
    let send = |house: &House, room, who: &str| settled(house.store.append(draft(room, who, "x", Some("1"))));
    let (first, second) = (send(&house, room, "a"), send(&house, room, "a"));
    assert_eq!((first.await, second.await), (new(1), Ok(Appended { offset: 1, duplicate: true })));
    assert_eq!(send(&house, room, "b").await, new(2), "the id belongs to its sender");
    assert_eq!(send(&house, other, "a").await, new(1), "and to its room");
    house.restart().await;
    assert_eq!(send(&house, room, "a").await, Ok(Appended { offset: 1, duplicate: true }));
    assert_eq!(house.all(room).await.last, 2);
}

#[tokio::test]
async fn a_message_id_is_forgotten_after_a_day() {
    let house = House::new();
    let room = house.room().await;
    assert_eq!(settled(house.store.append(draft(room, "a", "x", Some("1")))).await, new(1));
    house.pass(25);
    while house
        .store
        .read_with(Lane::Page, |file| Ok(file.query_row("SELECT count(*) FROM dedup", [], |r| r.get(0))?))
        .await
        != Ok(0)
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(settled(house.store.append(draft(room, "a", "x", Some("1")))).await, new(2));
}

#[tokio::test]
async fn reading_is_bounded_by_entries_and_by_bytes_but_gives_one_at_least() {
    let house = House::new();
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

#[tokio::test]
async fn a_portion_of_one_character_messages_is_as_bounded_as_one_of_long_ones() {
    let house = House::with(Settings { queue_max: 10_000, ..settings() });
    let room = room_of(&house, "a", 10_000).await;
    let portion = house.store.read(room, 0, usize::MAX, 64 * 1024).await.unwrap().entries.len();
    assert!((64..=64 * 1024 / ENTRY_BYTES).contains(&portion), "{portion}");
}

#[tokio::test]
async fn a_page_is_bounded_by_its_cost_from_either_end() {
    let house = House::new();
    let room = room_of(&house, &"x".repeat(60_000), 60).await;
    let newest = house.store.newest(room, None, 200).await.unwrap().entries;
    let oldest = house.store.oldest(room, 0, 200).await.unwrap().entries;
    let fit = PAGE_BYTES_MAX as u64 / 60_000 + 1;
    assert_eq!(offsets(&newest), (61 - fit..=60).collect::<Vec<_>>());
    assert_eq!(offsets(&oldest), (1..=fit).collect::<Vec<_>>());
    assert_eq!(offsets(&house.store.oldest(room, 58, 1).await.unwrap().entries), [59]);
}

#[tokio::test]
async fn a_room_that_never_had_an_entry_begins_behind_its_end() {
    let house = House::new();
    let room = house.room().await;
    let slice = house.all(room).await;
    assert_eq!((slice.entries.len(), slice.first, slice.last), (0, 1, 0));
}

#[tokio::test]
async fn a_clock_that_goes_back_does_not_take_the_log_with_it() {
    let house = House::new();
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

#[tokio::test]
async fn a_room_that_is_not_there_is_unknown_to_every_call() {
    let house = House::new();
    let room = RoomId::from_bytes([9; 16]);
    assert_eq!(house.say(room, "a", "x").await, Err(StoreError::RoomUnknown));
    assert_eq!(house.enter(room, "a", 1).await, Err(StoreError::RoomUnknown));
    house.leave(room, "a", 1);
    assert_eq!(house.store.read(room, 0, 1, 1).await.unwrap_err(), StoreError::RoomUnknown);
    assert_eq!(house.store.newest(room, None, 1).await.unwrap_err(), StoreError::RoomUnknown);
    assert_eq!(house.store.members(room).await, Err(StoreError::RoomUnknown));
    assert_eq!(house.store.room(room).await, Ok(None));
    assert_eq!(house.store.delete_room(room).await, Err(StoreError::RoomUnknown));
}

#[tokio::test]
async fn a_group_is_appended_whole_or_not_at_all_and_hurts_nobody_beside_it() {
    let house = House::new();
    let (room, gone) = (house.room().await, house.room().await);
    house.store.delete_room(gone).await.unwrap();
    let mut tail = house.store.tail().unwrap();
    // All in one commit, most likely: the one that fails stands between two that do not.
    let before = house.store.append(draft(room, "a", "before", None));
    let fails = house.store.append_all(vec![draft(room, "a", "lost", Some("1")), draft(gone, "a", "lost", None)]);
    let works = house.store.append_all(vec![draft(room, "a", "one", Some("1")), draft(room, "a", "two", Some("1"))]);
    let empty = house.store.append_all(Vec::new());
    assert_eq!(settled(before).await, new(1));
    assert_eq!(settled(fails).await, Err(StoreError::RoomUnknown));
    let expected = [Appended { offset: 2, duplicate: false }, Appended { offset: 2, duplicate: true }];
    assert_eq!(settled(works).await.unwrap(), expected);
    assert_eq!(settled(empty).await.unwrap(), []);
    let texts: Vec<_> = house.all(room).await.entries.iter().map(|entry| entry.message.to_string()).collect();
    assert_eq!(texts, ["before", "one"]);
    let mut told = Vec::new();
    while told.len() < 2 {
        told.extend(tail.next().await.unwrap().into_iter().filter_map(|event| match event {
            Event::Entry(entry) => Some(entry.message.to_string()),
            _ => None,
        }));
    }
    assert_eq!(told, texts, "what was taken back is not told");
}
