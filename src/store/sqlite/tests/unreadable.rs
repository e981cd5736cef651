use super::*;
use crate::chat::Role;
use crate::store::{Event, NewAccount, Secret, StoreError};

/// Does to the file what only another version would have done.
async fn sql(house: &House, text: &'static str) {
    house.store.change(move |file, _| Ok(file.execute_batch(text)?)).await.unwrap();
}

async fn account(house: &House, who: &str) {
    let new = NewAccount { name: name(who), role: Role::User, password_hash: Secret::new(*b"x"), invitation: None };
    house.store.add_account(new).await.unwrap();
}

#[tokio::test]
async fn a_change_that_cannot_be_read_is_passed_over_and_everybody_goes_on_writing() {
    let house = House::new();
    let room = house.room().await;
    let mut tail = house.store.tail().unwrap();
    account(&house, "b").await;
    // By another process, so that the batch meets it before its own commands.
    let admin = house.admin();
    let poison = "INSERT INTO change (kind, subject, made_at) VALUES
        ('sessions-ended', '[refused]', 0), ('room', 'no id', 0), ('room-deleted', x'01', 0)";
    admin.change(move |file, _| Ok(file.execute_batch(poison)?)).await.unwrap();
    admin.set_disabled(name("b"), true).await.unwrap();
    assert_eq!(house.say(room, "a", "x").await, Ok(1));
    let mut told = Vec::new();
    while told.len() < 2 {
        told.extend(tail.next().await.unwrap());
    }
    assert!(matches!(&told[0], Event::SessionsEnded(who) if *who == name("b")), "{told:?}");
    assert!(matches!(&told[1], Event::Entry(entry) if entry.offset == 1), "{told:?}");
}

#[tokio::test]
async fn a_room_that_cannot_be_read_is_missing_from_the_list_and_takes_no_other_with_it() {
    let house = House::new();
    let (room, bad) = (house.room().await, house.room().await);
    sql(
        &house,
        "UPDATE room SET name = char(7) WHERE key = 2; INSERT INTO change (kind, subject, made_at)
        SELECT 'room', id, 0 FROM room WHERE key = 2",
    )
    .await;
    let ids = |rooms: Vec<Room>| rooms.iter().map(|room| room.id).collect::<Vec<_>>();
    assert_eq!(ids(house.store.rooms().await.unwrap()), [room]);
    assert_eq!(ids(house.store.rooms_of(vec![bad, room]).await.unwrap()), [room]);
    assert_eq!(house.store.room(bad).await, Ok(None));
    house.store.delete_room(bad).await.unwrap();
}

#[tokio::test]
async fn an_account_that_cannot_be_read_is_missing_from_the_list_and_its_name_stays_taken() {
    let house = House::new();
    for who in ["a", "b"] {
        account(&house, who).await;
    }
    house.store.add_login([1; 32], name("b"), 0, i64::MAX).await.unwrap();
    sql(&house, "UPDATE account SET name = '[b]' WHERE name_key = 'b'").await;
    let listed: Vec<Name> = house.store.accounts().await.unwrap().into_iter().map(|account| account.name).collect();
    assert_eq!(listed, [name("a")]);
    assert_eq!(house.store.account(name("b")).await, Ok(None));
    assert_eq!(house.store.login([1; 32]).await, Ok(None));
    let new = NewAccount { name: name("B"), role: Role::User, password_hash: Secret::new(*b"x"), invitation: None };
    assert_eq!(house.store.add_account(new).await, Err(StoreError::NameTaken));
    house.store.set_disabled(name("b"), true).await.unwrap();
    let room = house.room().await;
    assert_eq!(house.say(room, "a", "x").await, Ok(1));
}

#[tokio::test]
async fn a_server_starts_though_somebody_was_in_a_room_under_a_name_that_cannot_be_read() {
    let mut house = House::new();
    let room = house.room().await;
    house.enter(room, "a", 1).await.unwrap();
    house.enter(room, "b", 2).await.unwrap();
    sql(&house, "UPDATE presence SET name = '[b]' WHERE name = 'b'").await;
    assert_eq!(house.store.members(room).await.unwrap(), [name("a")]);
    house.restart().await;
    assert_eq!(house.store.room(room).await.unwrap().unwrap().user_count, 0);
    assert_eq!(house.all(room).await.entries.last().unwrap().user_count, 0);
}
