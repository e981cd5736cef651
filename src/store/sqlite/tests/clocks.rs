use super::*;

const YEAR: i64 = 365 * 24 * 60;

/// Long enough for the writer to have swept many times.
async fn some_sweeps() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// A house that keeps a day, and a room in it in which something was said.
async fn day() -> (House, RoomId) {
    let house = House::alone(On::Sqlite, Settings { keep_days: Some(1), ..Settings::default() }).await;
    let room = house.room().await;
    settled(house.store.append(draft(room, "a", "x", Some("1")))).await.unwrap();
    (house, room)
}

#[tokio::test]
async fn a_clock_that_jumps_years_ahead_takes_nothing_away_unless_it_stays_so() {
    let (house, room) = day().await;
    house.set_clock(14 * YEAR);
    some_sweeps().await;
    assert_eq!(offsets(&house.all(room).await.entries), [1]);
    let again = settled(house.store.append(draft(room, "a", "x", Some("1")))).await.unwrap();
    assert!(again.duplicate, "nor is a message id forgotten");
    house.pass(1);
    while house.all(room).await.first == 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn while_the_clock_is_in_doubt_what_is_too_many_goes_all_the_same() {
    let mut house = house().await;
    let room = house.room().await;
    for _ in 0..9 {
        house.say(room, "a", "x").await.unwrap();
    }
    house.settings = Settings { keep_entries: Some(3), keep_days: Some(1), ..Settings::default() };
    house.restart().await;
    house.set_clock(14 * YEAR);
    while house.all(room).await.first < 7 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    some_sweeps().await;
    assert_eq!(offsets(&house.all(room).await.entries), [7, 8, 9]);
}

#[tokio::test]
async fn what_a_wrong_clock_has_dated_grows_as_old_as_what_was_said_next() {
    let house = House::alone(On::Sqlite, Settings { keep_days: Some(1), ..Settings::default() }).await;
    let room = house.room().await;
    house.set_clock(14 * YEAR);
    house.say(room, "a", "then").await.unwrap();
    some_sweeps().await;
    house.set_clock(0);
    house.say(room, "a", "now").await.unwrap();
    some_sweeps().await;
    assert_eq!(offsets(&house.all(room).await.entries), [1, 2]);
    house.pass(20);
    house.say(room, "a", "in the evening").await.unwrap();
    house.pass(10);
    while house.all(room).await.first < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    some_sweeps().await;
    assert_eq!(offsets(&house.all(room).await.entries), [3]);
}
