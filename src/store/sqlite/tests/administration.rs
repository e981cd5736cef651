use super::*;
use crate::chat::Role;
use crate::store::{Event, NewAccount, Secret, Tail};

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
    let house = house().await;
    let mut tail = house.store.tail().unwrap();
    let admin = house.admin().await;
    let room = admin.create_room("one".parse().unwrap()).await.unwrap();
    let new = NewAccount { name: name("Kim"), role: Role::User, password_hash: Secret::new(*b"x"), invitation: None };
    admin.add_account(new).await.unwrap();
    let mut told = tail.next().await.unwrap();
    assert!(matches!(&told.pop(), Some(Event::Room(made)) if *made == room.id) && told.is_empty());
    house.enter(room.id, "Kim", 1).await.unwrap();
    assert_eq!(admin.rename_room(room.id, "two".parse().unwrap()).await.unwrap().user_count, 1);
    admin.set_role(&name("kim"), Role::Guest).await.unwrap();
    house.store.set_disabled(&name("KIM"), true).await.unwrap();
    admin.delete_room(room.id).await.unwrap();
    house.store.set_disabled(&name("Kim"), false).await.unwrap();
    house.store.create_room("end".parse().unwrap()).await.unwrap();
    let expected = ["entry 1", "room", "ended Kim", "ended Kim", &format!("deleted {}", room.id)];
    assert_eq!(told_until_the_end(&house, &mut tail).await, expected);
    admin.create_room("end".parse().unwrap()).await.unwrap();
    assert_eq!(told_until_the_end(&house, &mut tail).await, [""; 0], "an idle server looks by itself");
}

#[tokio::test]
async fn the_log_of_a_deleted_room_is_removed_from_the_file_as_well() {
    let house = house().await;
    let (room, stays) = (house.room().await, house.room().await);
    house.say(stays, "a", "x").await.unwrap();
    for n in 0..700 {
        drop(house.store.append(draft(room, "a", "secret", Some(&n.to_string()))));
    }
    house.store.delete_room(room).await.unwrap();
    let left = "SELECT (SELECT count(*) FROM entry) + (SELECT count(*) FROM deleted_room)";
    while house.file().read_with(Lane::Page, |file| Ok(file.query_row(left, [], |r| r.get::<_, i64>(0))?)).await
        != Ok(1)
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(house.all(stays).await.last, 1);
}
