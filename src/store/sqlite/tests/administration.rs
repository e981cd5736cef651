use super::*;
use crate::chat::Role;
use crate::store::{Event, NewAccount, Secret, StoreError, Tail};

/// Everything told until the room called `end` is.
async fn told_until_the_end(house: &House, tail: &mut Tail) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        for event in tail.next().await.unwrap() {
            told.push(match event {
                Event::Room(id) => match house.store.room(id).await.unwrap() {
                    Some(room) if room.name.as_str() == "end" => return told,
                    Some(room) => format!("room {} {}", room.name, room.user_count),
                    None => "room".to_owned(),
                },
                Event::RoomDeleted(id) => format!("deleted {id}"),
                Event::SessionsEnded(name) => format!("ended {name}"),
                Event::Entry(entry) => format!("entry {}", entry.offset),
                Event::Away | Event::Back | Event::Anew => format!("{event:?}"),
            });
        }
    }
}

#[tokio::test]
async fn what_the_command_line_changes_reaches_the_running_server_once_and_in_order() {
    let house = House::new();
    let mut tail = house.store.tail().unwrap();
    let admin = house.admin();
    let room = admin.create_room("one".parse().unwrap()).await.unwrap();
    let new = NewAccount { name: name("Kim"), role: Role::User, password_hash: Secret::new(*b"x"), invitation: None };
    admin.add_account(new).await.unwrap();
    let mut told = tail.next().await.unwrap();
    assert!(matches!(&told.pop(), Some(Event::Room(made)) if *made == room.id) && told.is_empty());
    house.enter(room.id, "Kim", 1).await.unwrap();
    assert_eq!(admin.rename_room(room.id, "two".parse().unwrap()).await.unwrap().user_count, 1);
    admin.set_role(name("kim"), Role::Guest).await.unwrap();
    house.store.set_disabled(name("KIM"), true).await.unwrap();
    admin.delete_room(room.id).await.unwrap();
    house.store.set_disabled(name("Kim"), false).await.unwrap();
    house.store.create_room("end".parse().unwrap()).await.unwrap();
    let expected = ["entry 1", "room", "ended Kim", "ended Kim", &format!("deleted {}", room.id)];
    assert_eq!(told_until_the_end(&house, &mut tail).await, expected);
    admin.create_room("end".parse().unwrap()).await.unwrap();
    assert_eq!(told_until_the_end(&house, &mut tail).await, [""; 0], "an idle server looks by itself");
}

#[tokio::test]
async fn what_was_changed_before_the_start_is_no_news() {
    let mut house = House::new();
    house.room().await;
    house.restart().await;
    let mut tail = house.store.tail().unwrap();
    house.store.create_room("end".parse().unwrap()).await.unwrap();
    assert_eq!(told_until_the_end(&house, &mut tail).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_deleted_beside_the_server_is_unknown_and_hurts_nobody_else_in_the_batch() {
    let house = House::new();
    let (room, gone) = (house.room().await, house.room().await);
    house.enter(gone, "a", 1).await.unwrap();
    house.admin().delete_room(gone).await.unwrap();
    let busy = house.hold();
    let before = house.store.append(draft(room, "a", "before", None));
    let lost = house.store.append(draft(gone, "a", "lost", Some("id")));
    let entering = house.entering(gone, "b", 2);
    house.leave(gone, "a", 1);
    let after = house.store.append(draft(room, "a", "after", None));
    drop(busy);
    assert_eq!((settled(before).await, settled(after).await), (new(1), new(2)));
    assert_eq!(settled(lost).await, Err(StoreError::RoomUnknown));
    assert_eq!(settled(entering).await, Err(StoreError::RoomUnknown));
    assert_eq!(house.store.rooms().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_log_of_a_deleted_room_is_removed_from_the_file_as_well() {
    let house = House::new();
    let (room, stays) = (house.room().await, house.room().await);
    house.say(stays, "a", "x").await.unwrap();
    for n in 0..700 {
        drop(house.store.append(draft(room, "a", "secret", Some(&n.to_string()))));
    }
    house.store.delete_room(room).await.unwrap();
    let left = "SELECT (SELECT count(*) FROM entry) + (SELECT count(*) FROM deleted_room)";
    while house.store.read_with(Lane::Page, |file| Ok(file.query_row(left, [], |r| r.get::<_, i64>(0))?)).await != Ok(1)
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(house.all(stays).await.last, 1);
}

#[tokio::test]
async fn rooms_are_listed_by_their_newest_activity() {
    let house = House::new();
    let (first, second) = (house.room().await, house.room().await);
    house.pass(1);
    house.say(first, "a", "x").await.unwrap();
    let listed: Vec<RoomId> = house.store.rooms().await.unwrap().iter().map(|room| room.id).collect();
    assert_eq!(listed, [first, second]);
}

#[tokio::test]
async fn there_are_no_more_rooms_than_allowed() {
    let house = House::with(Settings { rooms_max: 2, ..settings() });
    let room = house.room().await;
    house.room().await;
    let refused = house.store.create_room("x".parse().unwrap()).await;
    assert_eq!(refused, Err(StoreError::TooManyRooms { limit: 2 }));
    house.store.delete_room(room).await.unwrap();
    assert!(house.store.create_room("x".parse().unwrap()).await.is_ok());
}

#[tokio::test]
async fn several_rooms_are_answered_at_once_as_they_are_now_without_those_that_are_gone() {
    let house = House::new();
    let rooms = [house.room().await, house.room().await, house.room().await];
    house.enter(rooms[0], "a", 1).await.unwrap();
    house.store.delete_room(rooms[1]).await.unwrap();
    let mut found = house.store.rooms_of(vec![rooms[1], rooms[0], RoomId::from_bytes([9; 16])]).await.unwrap();
    let now = found.pop().unwrap();
    assert!(found.is_empty());
    assert_eq!((now.id, now.user_count, now.last_offset), (rooms[0], 1, 1));
    assert_eq!(house.store.rooms_of(Vec::new()).await, Ok(Vec::new()));
    assert_eq!(house.store.rooms_of(rooms.to_vec()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_kept_under_a_name_outlives_the_process_until_it_is_forgotten() {
    let house = House::new();
    assert_eq!(house.store.kept("a".into()).await.unwrap(), None);
    house.store.keep("a".into(), Secret::new(*b"one")).await.unwrap();
    house.store.keep("a".into(), Secret::new(*b"two")).await.unwrap();
    assert_eq!(house.admin().kept("a".into()).await.unwrap(), Some(Secret::new(*b"two")));
    house.admin().forget("a".into()).await.unwrap();
    house.admin().forget("a".into()).await.unwrap();
    assert_eq!(house.store.kept("a".into()).await.unwrap(), None);
}
