//! Rooms as they are made, named, listed and deleted, and what is told of it.

use super::*;

on_each_store![
    what_another_process_changes_is_told_once_and_in_order,
    what_was_changed_before_the_start_is_no_news,
    a_room_deleted_by_another_process_is_unknown_and_hurts_nobody_else,
    a_room_that_is_not_there_is_unknown_to_every_call,
    rooms_are_listed_by_their_newest_activity,
    there_are_no_more_rooms_than_allowed,
    several_rooms_are_answered_at_once_as_they_are_now_without_those_that_are_gone,
    a_room_is_answered_as_it_was_made_and_renamed,
];

/// What was administered, as it is told, until the room called `end` is: of a room that was told twice in a row once,
/// as activity in it is told in the same words.
async fn told_until_the_end(house: &House, tail: &mut Tail) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        for event in next(tail).await {
            match event {
                Event::Room(id) => match house.store.room(id).await.unwrap() {
                    Some(room) if room.name.as_str() == "end" => {
                        told.dedup();
                        return told;
                    }
                    _ => told.push(format!("room {id}")),
                },
                Event::RoomDeleted(id) => told.push(format!("deleted {id}")),
                Event::SessionsEnded(name) => told.push(format!("ended {name}")),
                Event::Entry(_) => {}
                Event::Away | Event::Back | Event::Anew => panic!("{event:?}"),
            }
        }
    }
}

async fn what_another_process_changes_is_told_once_and_in_order(on: On) {
    let house = House::new(on).await;
    let mut tail = house.store.tail().unwrap();
    let admin = house.admin().await;
    let room = admin.create_room("one".parse().unwrap()).await.unwrap();
    for who in ["Kim", "Lee"] {
        admin.add_account(account(who, Role::User)).await.unwrap();
    }
    house.enter(room.id, "Kim", 1).await.unwrap();
    assert_eq!(admin.rename_room(room.id, "two".parse().unwrap()).await.unwrap().user_count, 1);
    admin.set_role(&name("kim"), Role::Guest).await.unwrap();
    admin.set_password(&name("LEE"), Secret::new(*b"y")).await.unwrap();
    admin.set_disabled(&name("Kim"), true).await.unwrap();
    admin.delete_room(room.id).await.unwrap();
    admin.set_disabled(&name("Kim"), false).await.unwrap();
    admin.create_room("end".parse().unwrap()).await.unwrap();
    let (made, deleted) = (format!("room {}", room.id), format!("deleted {}", room.id));
    let expected = [&made, "ended Kim", "ended Lee", "ended Kim", &deleted];
    assert_eq!(told_until_the_end(&house, &mut tail).await, expected);
}

async fn what_was_changed_before_the_start_is_no_news(on: On) {
    let mut house = House::new(on).await;
    house.room().await;
    house.restart().await;
    let mut tail = house.store.tail().unwrap();
    house.store.create_room("end".parse().unwrap()).await.unwrap();
    assert_eq!(told_until_the_end(&house, &mut tail).await, [""; 0]);
}

async fn a_room_deleted_by_another_process_is_unknown_and_hurts_nobody_else(on: On) {
    let house = House::alone(on, Settings::default()).await;
    let (room, gone) = (house.room().await, house.room().await);
    house.enter(gone, "a", 1).await.unwrap();
    house.admin().await.delete_room(gone).await.unwrap();
    let busy = house.hold().await;
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

async fn a_room_that_is_not_there_is_unknown_to_every_call(on: On) {
    let house = House::new(on).await;
    let room = RoomId::from_bytes([9; 16]);
    assert_eq!(house.say(room, "a", "x").await, Err(StoreError::RoomUnknown));
    assert_eq!(house.enter(room, "a", 1).await, Err(StoreError::RoomUnknown));
    house.leave(room, "a", 1);
    assert_eq!(house.store.read(room, 0, 1, 1).await.unwrap_err(), StoreError::RoomUnknown);
    assert_eq!(house.store.oldest(room, 0, 1).await.unwrap_err(), StoreError::RoomUnknown);
    assert_eq!(house.store.newest(room, None, 1).await.unwrap_err(), StoreError::RoomUnknown);
    assert_eq!(house.store.members(room).await, Err(StoreError::RoomUnknown));
    assert_eq!(house.store.room(room).await, Ok(None));
    assert_eq!(house.store.rename_room(room, "x".parse().unwrap()).await, Err(StoreError::RoomUnknown));
    assert_eq!(house.store.delete_room(room).await, Err(StoreError::RoomUnknown));
    assert_eq!(house.store.rooms().await, Ok(Vec::new()), "and no call has made it");
}

async fn rooms_are_listed_by_their_newest_activity(on: On) {
    let house = House::alone(on, Settings::default()).await;
    let (first, second) = (house.room().await, house.room().await);
    house.pass(1);
    house.say(first, "a", "x").await.unwrap();
    let listed: Vec<RoomId> = house.store.rooms().await.unwrap().iter().map(|room| room.id).collect();
    assert_eq!(listed, [first, second]);
}

async fn there_are_no_more_rooms_than_allowed(on: On) {
    let house = House::with(on, Settings { rooms_max: 2, ..Settings::default() }).await;
    let room = house.room().await;
    house.room().await;
    let refused = house.store.create_room("x".parse().unwrap()).await;
    assert_eq!(refused, Err(StoreError::TooManyRooms { limit: 2 }));
    house.store.delete_room(room).await.unwrap();
    assert!(house.store.create_room("x".parse().unwrap()).await.is_ok());
}

async fn several_rooms_are_answered_at_once_as_they_are_now_without_those_that_are_gone(on: On) {
    let house = House::new(on).await;
    let rooms = [house.room().await, house.room().await, house.room().await];
    house.enter(rooms[0], "a", 1).await.unwrap();
    house.store.delete_room(rooms[1]).await.unwrap();
    let mut found = house.store.rooms_of(&[rooms[1], rooms[0], RoomId::from_bytes([9; 16])]).await.unwrap();
    let now = found.pop().unwrap();
    assert!(found.is_empty());
    assert_eq!((now.id, now.user_count, now.last_offset), (rooms[0], 1, 1));
    assert_eq!(house.store.rooms_of(&[]).await, Ok(Vec::new()));
    assert_eq!(house.store.rooms_of(&rooms).await.unwrap().len(), 2);
}

async fn a_room_is_answered_as_it_was_made_and_renamed(on: On) {
    let house = House::new(on).await;
    for history in [History::On, History::Off] {
        let made = house.store.create_room_with("하나".parse().unwrap(), history).await.unwrap();
        assert_eq!((made.history, made.user_count, made.last_offset), (history, 0, 0));
        assert_eq!(house.store.room(made.id).await.unwrap().unwrap(), made);
        let renamed = house.store.rename_room(made.id, "둘".parse().unwrap()).await.unwrap();
        assert_eq!(renamed, Room { name: "둘".parse().unwrap(), ..made });
        assert_eq!(house.store.room(renamed.id).await.unwrap().unwrap(), renamed);
    }
}
