use super::*;
use crate::store::{Event, Store, StoreError};

/// Does to the file what only another version would have done.
async fn sql(house: &House, text: &'static str) {
    house.file().change(move |file, _| Ok(file.execute_batch(text)?)).await.unwrap();
}

#[tokio::test]
async fn a_change_that_cannot_be_read_is_passed_over_and_everybody_goes_on_writing() {
    let house = house().await;
    let room = house.room().await;
    let mut tail = house.store.tail().unwrap();
    house.store.add_account(account("b", Role::User)).await.unwrap();
    // By another process, so that the batch meets it before its own commands.
    let admin = house.admin().await;
    let poison = "INSERT INTO change (kind, subject, made_at) VALUES
        ('sessions-ended', '[refused]', 0), ('room', 'no id', 0), ('room-deleted', x'01', 0)";
    let Store::Sqlite(file) = &admin else { panic!("beside a file is a file") };
    file.change(move |file, _| Ok(file.execute_batch(poison)?)).await.unwrap();
    admin.set_disabled(&name("b"), true).await.unwrap();
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
    let house = house().await;
    let (room, bad) = (house.room().await, house.room().await);
    sql(
        &house,
        "UPDATE room SET name = char(7) WHERE key = 2; INSERT INTO change (kind, subject, made_at)
        SELECT 'room', id, 0 FROM room WHERE key = 2",
    )
    .await;
    let ids = |rooms: Vec<Room>| rooms.iter().map(|room| room.id).collect::<Vec<_>>();
    assert_eq!(ids(house.store.rooms().await.unwrap()), [room]);
    assert_eq!(ids(house.store.rooms_of(&[bad, room]).await.unwrap()), [room]);
    assert_eq!(house.store.room(bad).await, Ok(None));
    house.store.delete_room(bad).await.unwrap();
}

#[tokio::test]
async fn an_account_that_cannot_be_read_is_missing_from_the_list_and_its_name_stays_taken() {
    let house = house().await;
    house.store.add_account(account("a", Role::User)).await.unwrap();
    let b = house.store.add_account(account("b", Role::User)).await.unwrap();
    house.store.add_login([1; 32], &b, i64::MAX).await.unwrap();
    sql(&house, "UPDATE account SET name = '[b]' WHERE name_key = 'b'").await;
    let listed: Vec<Name> = house.store.accounts().await.unwrap().into_iter().map(|account| account.name).collect();
    assert_eq!(listed, [name("a")]);
    assert_eq!(house.store.account(&name("b")).await, Ok(None));
    assert_eq!(house.store.login([1; 32]).await, Ok(None));
    assert_eq!(house.store.add_account(account("B", Role::User)).await, Err(StoreError::NameTaken));
    house.store.set_disabled(&name("b"), true).await.unwrap();
    let room = house.room().await;
    assert_eq!(house.say(room, "a", "x").await, Ok(1));
}

#[tokio::test]
async fn a_server_starts_though_somebody_was_in_a_room_under_a_name_that_cannot_be_read() {
    let mut house = house().await;
    let room = house.room().await;
    house.enter(room, "a", 1).await.unwrap();
    house.enter(room, "b", 2).await.unwrap();
    sql(&house, "UPDATE presence SET name = '[b]' WHERE name = 'b'").await;
    assert_eq!(house.store.members(room).await.unwrap(), [name("a")]);
    house.restart().await;
    assert_eq!(house.store.room(room).await.unwrap().unwrap().user_count, 0);
    assert_eq!(house.all(room).await.entries.last().unwrap().user_count, 0);
}
