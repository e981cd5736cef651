use super::*;
use crate::chat::Kind;
use crate::store::tests::told;
use crate::store::{Store, StoreError};

/// A second server on the folder, which waits so long for those who were in by the first.
fn successor(house: &House, held: Duration) -> std::result::Result<Store, OpenError> {
    let mode = Mode::Succeed(held);
    open(house.folder(), mode, &file_settings(&house.settings), &house.clocks).map(Store::Sqlite)
}

async fn say(store: &Store, room: RoomId, text: &str) -> Result<Appended> {
    settled(store.append(draft(room, "a", text, Some(text)))).await
}

const LONG: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn who_let_go_stores_nothing_more_in_rooms_and_tells_what_the_other_stores() {
    let house = house().await;
    let (room, mut tail) = (house.room().await, house.store.tail().unwrap());
    house.enter(room, "a", 1).await.unwrap();
    assert!(successor(&house, LONG).is_err(), "the folder is held");
    let before = house.store.append(draft(room, "a", "before", Some("before")));
    house.store.let_go().await.unwrap();
    assert_eq!(settled(before).await, new(2), "what was asked before is stored");
    let second = successor(&house, LONG).unwrap();
    assert_eq!(say(&house.store, room, "meanwhile").await, Err(StoreError::Elsewhere));
    assert_eq!(house.enter(room, "b", 2).await.err(), Some(StoreError::Elsewhere));
    assert_eq!(say(&second, room, "before").await.map(|appended| appended.duplicate), Ok(true));
    assert_eq!(say(&second, room, "meanwhile").await, new(3));
    let heard = told(&mut tail, room, 3).await;
    assert_eq!(offsets(&heard), [1, 2, 3]);
    assert_eq!(counts(&heard), [1, 1, 1], "she is there by her lease of before");
    house.store.create_room("administered".parse().unwrap()).await.unwrap();
    assert_eq!(second.rooms().await.unwrap().len(), 2);
    assert!(house.store.take_back().await.is_err(), "the other one holds the folder");
    second.close().await;
}

#[tokio::test]
async fn who_comes_back_in_time_was_never_away_and_who_does_not_leaves_once() {
    let house = house().await;
    let room = house.room().await;
    house.enter(room, "back", 1).await.unwrap();
    house.enter(room, "gone", 2).await.unwrap();
    house.store.let_go().await.unwrap();
    let second = successor(&house, Duration::from_secs(3)).unwrap();
    let lease = second.first_lease();
    assert_eq!(lease, LeaseId(3), "nobody holds it");
    let entered = settled(second.enter(room, name("back"), lease, Some(2))).await.unwrap();
    assert!(!entered.announced && entered.user_count == 2, "{entered:?}");
    until("the other one is not waited for", async || second.room(room).await.unwrap().unwrap().user_count == 1).await;
    let log = second.read(room, 0, 100, 1 << 20).await.unwrap().entries;
    let kinds: Vec<_> = log.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [Kind::Enter, Kind::Enter, Kind::Quit]);
    assert_eq!(second.members(room).await.unwrap(), [name("back")]);
    second.close().await;
}

#[tokio::test]
async fn who_takes_it_back_goes_on_where_the_other_one_ended() {
    let house = house().await;
    let (room, passing) = (house.room().await, house.passing_room().await);
    house.enter(room, "a", 1).await.unwrap();
    house.enter(passing, "a", 2).await.unwrap();
    let told_before = house.say(passing, "a", "x").await.unwrap();
    house.store.let_go().await.unwrap();
    let second = successor(&house, LONG).unwrap();
    let lease = second.first_lease();
    settled(second.enter(room, name("stranger"), lease, None)).await.unwrap();
    assert_eq!(say(&second, passing, "y").await, new(told_before + 1), "no offset is left out or given twice");
    // It leaves here while nobody can note it, and the process there dies without another word.
    house.leave(room, "a", 1);
    second.close().await;
    house.store.take_back().await.unwrap();
    assert_eq!(say(&house.store, passing, "z").await, new(told_before + 2));
    until("both have left", async || house.store.room(room).await.unwrap().unwrap().user_count == 0).await;
    let log = house.all(room).await.entries;
    let kinds: Vec<_> = log.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [Kind::Enter, Kind::Enter, Kind::Quit, Kind::Quit]);
    assert_eq!(counts(&log), [1, 2, 1, 0]);
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_not_taken_back() {
    let house = house().await;
    let room = house.room().await;
    house.store.let_go().await.unwrap();
    let file = rusqlite::Connection::open(house.folder().join("sarangbang.db")).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    let refusal = house.store.take_back().await.unwrap_err().to_string();
    assert!(refusal.contains("newer version"), "{refusal}");
    assert_eq!(say(&house.store, room, "x").await, Err(StoreError::Elsewhere));
    assert_eq!(house.store.create_room("x".parse().unwrap()).await.err(), Some(StoreError::Elsewhere));
}

#[tokio::test]
async fn the_store_s_thread_answers_as_long_as_it_lives() {
    let house = house().await;
    house.store.pulse().await;
    house.store.close().await;
    assert!(tokio::time::timeout(Duration::from_millis(50), house.store.pulse()).await.is_err());
}
