//! What is not kept for ever.

use super::*;

on_each_store![
    a_room_keeps_so_many_entries_and_some_more_and_a_reader_of_older_ones_sees_the_gap,
    a_smaller_limit_after_a_restart_trims_what_is_there,
    entries_go_when_they_are_too_old_even_all_of_them,
];

/// Entries above the limit that may stay until it is worth removing them.
const SPARE: u64 = 64;

async fn a_room_keeps_so_many_entries_and_some_more_and_a_reader_of_older_ones_sees_the_gap(on: On) {
    let house = House::with(on, Settings { keep_entries: Some(10), ..Settings::default() }).await;
    let (room, quiet) = (house.room().await, house.room().await);
    house.say(quiet, "a", "x").await.unwrap();
    for n in 1..=200 {
        house.say(room, "a", "x").await.unwrap();
        let slice = house.all(room).await;
        assert_eq!(offsets(&slice.entries), (slice.first..=slice.last).collect::<Vec<_>>());
        assert!(slice.last == n && slice.entries.len() as u64 >= n.min(10));
    }
    until("what is too many is gone", async || house.all(room).await.entries.len() as u64 <= 10 + SPARE).await;
    let entered = house.enter(room, "a", 1).await.unwrap();
    assert!(entered.first > 200 - 10 - SPARE && entered.last == 201, "{entered:?}");
    assert_eq!(offsets(&house.store.newest(room, Some(entered.first), 5).await.unwrap().entries), [0; 0]);
    let from_the_start = house.store.read(room, 0, 1, 1).await.unwrap();
    assert_eq!(offsets(&from_the_start.entries), [from_the_start.first]);
    assert_eq!(house.all(quiet).await.first, 1);
}

async fn a_smaller_limit_after_a_restart_trims_what_is_there(on: On) {
    let mut house = House::new(on).await;
    let room = house.room().await;
    let all: Vec<_> = (0..900).map(|_| house.store.append(draft(room, "a", "x", None))).collect();
    for answer in all {
        settled(answer).await.unwrap();
    }
    house.settings.keep_entries = Some(3);
    house.restart().await;
    // Where nothing looks by itself, the next entry does.
    assert_eq!(house.say(room, "a", "x").await, Ok(901));
    until("what is too many is gone", async || house.all(room).await.first == 899).await;
    assert_eq!(offsets(&house.all(room).await.entries), [899, 900, 901]);
}

async fn entries_go_when_they_are_too_old_even_all_of_them(on: On) {
    let mut house = House::alone(on, Settings { keep_days: Some(2), ..Settings::default() }).await;
    let room = house.room().await;
    for hours in [0, 25, 0, 0] {
        house.pass(hours);
        house.say(room, "a", "x").await.unwrap();
    }
    house.pass(24);
    house.sweep().await;
    until("the oldest is gone", async || house.all(room).await.first == 2).await;
    assert_eq!(offsets(&house.all(room).await.entries), [2, 3, 4]);
    house.pass(48);
    house.sweep().await;
    until("all are gone", async || house.all(room).await.first == 5).await;
    let empty = house.all(room).await;
    assert_eq!((empty.entries.len(), empty.last), (0, 4));
    assert_eq!(house.say(room, "a", "x").await, Ok(5));
    assert_eq!(offsets(&house.all(room).await.entries), [5]);
}
