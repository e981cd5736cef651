//! Rooms without a history.

use super::*;

on_each_store![
    coming_speaking_and_going_have_one_order_with_counts,
    there_is_nothing_to_read,
    a_message_sent_twice_is_answered_with_its_first_offset,
    no_offset_is_given_twice_though_the_server_ends,
    rooms_are_renamed_and_deleted_as_ever_and_by_another_process_too,
    retention_has_nothing_to_do_there,
];

async fn coming_speaking_and_going_have_one_order_with_counts(on: On) {
    let house = House::new(on).await;
    let mut tail = house.store.tail().unwrap();
    let room = house.passing_room().await;
    let a = house.entering(room, "a", 1);
    let first = house.store.append(draft(room, "a", "one", None));
    let b = house.entering(room, "b", 2);
    let second_tab = house.entering(room, "b", 3);
    let second = house.store.append(draft(room, "b", "two", Some("my-id")));
    house.leave(room, "a", 1);
    let third = house.store.append(draft(room, "b", "three", None));
    let entered = |last, announced, user_count| {
        Ok(Entered { last, first: last + 1, missing: 0, announced, user_count, history: History::Off })
    };
    assert_eq!((settled(a).await, settled(first).await), (entered(1, true, 1), new(2)));
    assert_eq!((settled(b).await, settled(second_tab).await), (entered(3, true, 2), entered(3, false, 2)));
    assert_eq!((settled(second).await, settled(third).await), (new(4), new(6)));
    let told = told(&mut tail, room, 6).await;
    assert_eq!(offsets(&told), [1, 2, 3, 4, 5, 6]);
    assert_eq!(counts(&told), [1, 1, 2, 2, 1, 1]);
    let kinds: Vec<_> = told.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [Kind::Enter, Kind::Talk, Kind::Enter, Kind::Talk, Kind::Quit, Kind::Talk]);
    assert_eq!((&*told[3].id, &*told[3].message, &*told[3].sender), ("my-id", "two", "b"));
    assert_eq!((&*told[5].id, &*told[4].sender), (&*format!("{room}-6"), "[알림]"));
    assert!(told.is_sorted_by_key(|entry| entry.sent_at));
    let now = house.store.room(room).await.unwrap().unwrap();
    assert_eq!((now.last_offset, now.last_at, now.user_count, now.history), (6, told[5].sent_at, 1, History::Off));
}

async fn there_is_nothing_to_read(on: On) {
    let house = House::new(on).await;
    let room = house.passing_room().await;
    house.enter(room, "a", 1).await.unwrap();
    for n in 2..=20 {
        assert_eq!(house.say(room, "a", "one secret").await, Ok(n));
    }
    for slice in [
        house.all(room).await,
        house.store.oldest(room, 3, 10).await.unwrap(),
        house.store.newest(room, None, 10).await.unwrap(),
    ] {
        assert_eq!((slice.entries.len(), slice.first, slice.last, slice.history), (0, 21, 20, History::Off));
    }
}

async fn a_message_sent_twice_is_answered_with_its_first_offset(on: On) {
    let house = House::new(on).await;
    let (room, other) = (house.passing_room().await, house.passing_room().await);
    assert_eq!((house.say_as(room, "a", "1").await, house.say_as(room, "a", "1").await), (new(1), again(1)));
    assert_eq!(house.say_as(room, "b", "1").await, new(2), "the id belongs to its sender");
    assert_eq!(house.say_as(other, "a", "1").await, new(1), "and to its room");
}

async fn no_offset_is_given_twice_though_the_server_ends(on: On) {
    let mut house = House::new(on).await;
    let room = house.passing_room().await;
    for n in 1..=3 {
        assert_eq!(house.say(room, "a", "x").await, Ok(n));
    }
    house.restart().await;
    assert_eq!(house.say(room, "a", "x").await, Ok(4));
}

async fn rooms_are_renamed_and_deleted_as_ever_and_by_another_process_too(on: On) {
    let house = House::alone(on, Settings::default()).await;
    let mut tail = house.store.tail().unwrap();
    let (room, admin) = (house.passing_room().await, house.admin().await);
    house.enter(room, "a", 1).await.unwrap();
    house.say(room, "a", "x").await.unwrap();
    let renamed = house.store.rename_room(room, "other".parse().unwrap()).await.unwrap();
    assert_eq!((renamed.last_offset, renamed.history), (2, History::Off));
    house.set_clock(1);
    let beside = admin.create_room_with("beside".parse().unwrap(), History::Off).await.unwrap();
    assert_eq!(house.say(beside.id, "a", "x").await, Ok(1));
    assert_eq!(house.all(beside.id).await.history, History::Off);
    let newest_first: Vec<_> = house.store.rooms().await.unwrap().into_iter().map(|room| room.id).collect();
    assert_eq!(newest_first, [beside.id, room]);

    house.store.delete_room(room).await.unwrap();
    assert_eq!(house.say(room, "a", "x").await, Err(StoreError::RoomUnknown));
    assert_eq!(house.store.read(room, 0, 1, 1).await.unwrap_err(), StoreError::RoomUnknown);
    admin.delete_room(beside.id).await.unwrap();
    while !next(&mut tail).await.iter().any(|event| matches!(event, Event::RoomDeleted(id) if *id == beside.id)) {}
    assert_eq!(house.say(beside.id, "a", "x").await, Err(StoreError::RoomUnknown));
    assert_eq!(house.enter(beside.id, "a", 2).await, Err(StoreError::RoomUnknown));
}

async fn retention_has_nothing_to_do_there(on: On) {
    let settings = Settings { keep_entries: Some(1), keep_days: Some(1), ..Settings::default() };
    let mut house = House::alone(on, settings).await;
    let (room, kept) = (house.passing_room().await, house.room().await);
    for _ in 0..100 {
        house.say(kept, "a", "x").await.unwrap();
        house.say(room, "a", "x").await.unwrap();
    }
    house.pass(20);
    house.pass(20);
    house.sweep().await;
    until("a sweep has been through", async || house.all(kept).await.first > 90).await;
    assert_eq!(house.say(room, "a", "x").await, Ok(101));
}
