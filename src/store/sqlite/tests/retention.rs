use super::*;

/// The room's log once it begins at `first`.
async fn log_from(house: &House, room: RoomId, first: u64) -> Slice {
    for _ in 0..1_000 {
        let slice = house.all(room).await;
        if slice.first == first {
            return slice;
        }
        assert!(slice.first < first, "never more than asked for: {} > {first}", slice.first);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the log never began at {first}");
}

#[tokio::test]
async fn a_room_keeps_so_many_entries_and_a_reader_of_older_ones_sees_the_gap() {
    let house = House::with(Settings { keep_entries: Some(10), ..settings() });
    let (room, quiet) = (house.room().await, house.room().await);
    house.say(quiet, "a", "x").await.unwrap();
    for _ in 0..100 {
        house.say(room, "a", "x").await.unwrap();
        let slice = house.all(room).await;
        assert_eq!(offsets(&slice.entries), (slice.first..=slice.last).collect::<Vec<_>>());
        assert!(slice.last < 10 || slice.entries.len() >= 10);
    }
    let slice = log_from(&house, room, 91).await;
    assert_eq!(offsets(&slice.entries), (91..=100).collect::<Vec<_>>());
    let entered = house.enter(room, "a", 1).await.unwrap();
    assert_eq!((entered.first, entered.last), (91, 101));
    assert_eq!(offsets(&house.store.newest(room, Some(50), 5).await.unwrap().entries), [0; 0]);
    assert_eq!(house.all(quiet).await.first, 1);
}

#[tokio::test]
async fn a_smaller_limit_after_a_restart_trims_step_by_step_what_is_there() {
    let mut house = House::new();
    let room = house.room().await;
    let all: Vec<_> = (0..900).map(|_| house.store.append(draft(room, "a", "x", None))).collect();
    for answer in all {
        settled(answer).await.unwrap();
    }
    house.settings.keep_entries = Some(3);
    house.restart().await;
    assert_eq!(offsets(&log_from(&house, room, 898).await.entries), [898, 899, 900]);
}

#[tokio::test]
async fn entries_go_when_they_are_too_old_even_all_of_them() {
    let house = House::with(Settings { keep_days: Some(2), ..settings() });
    let room = house.room().await;
    for hours in [0, 25, 0, 0] {
        house.pass(hours);
        house.say(room, "a", "x").await.unwrap();
    }
    house.pass(24);
    assert_eq!(offsets(&log_from(&house, room, 2).await.entries), [2, 3, 4]);
    house.pass(48);
    let empty = log_from(&house, room, 5).await;
    assert_eq!((empty.entries.len(), empty.last), (0, 4));
    assert_eq!(house.say(room, "a", "x").await, Ok(5));
    assert_eq!(offsets(&house.all(room).await.entries), [5]);
}
