use super::*;
use crate::chat::{History, RoomId};
use crate::store::StoreError;
use crate::store::redis::changes::{Change, read};

async fn room(node: &Redis) -> RoomId {
    node.create_room("사랑방".parse().unwrap()).await.unwrap().id
}

async fn listed(node: &Redis) -> Vec<RoomId> {
    node.rooms().await.unwrap().iter().map(|room| room.id).collect()
}

#[tokio::test]
async fn a_room_is_made_renamed_and_deleted_for_every_node_and_leaves_nothing() {
    let server = RedisServer::start().await;
    let (one, two) = (server.node().await, server.node().await);
    let made = one.create_room_with("하나".parse().unwrap(), History::Off).await.unwrap();
    assert_eq!((made.user_count, made.last_offset, made.last_at), (0, 0, made.created_at));
    assert_eq!(two.room(made.id).await, Ok(Some(made.clone())));
    let renamed = two.rename_room(made.id, "둘".parse().unwrap()).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.history), ("둘", History::Off));
    assert_eq!(one.rooms().await, Ok(vec![renamed]));
    for kind in ["log", "people", "ids", "ids:before"] {
        let _: usize = server.ask(&format!("HSET test:{{{}}}:{kind} field value", made.id)).await;
    }
    one.delete_room(made.id).await.unwrap();
    assert_eq!((two.room(made.id).await, two.rooms().await), (Ok(None), Ok(Vec::new())));
    assert_eq!(two.delete_room(made.id).await, Err(StoreError::RoomUnknown));
    assert_eq!(two.rename_room(made.id, "셋".parse().unwrap()).await, Err(StoreError::RoomUnknown));
    assert_eq!(two.members(made.id).await, Err(StoreError::RoomUnknown));
    assert_eq!(server.keys().await, ["test:{all}:changes"]);
}

#[tokio::test]
async fn rooms_are_listed_by_their_newest_activity_with_the_people_in_them() {
    let server = RedisServer::start().await;
    let node = server.node().await;
    let mut rooms = Vec::new();
    for _ in 0..3 {
        rooms.push(room(&node).await);
        let made = server.now().await;
        // Of rooms that were made in the same millisecond none is the newer one.
        until("it is later", async || server.now().await > made).await;
    }
    let later = server.now().await + 1_000;
    let _: usize = server.ask(&format!("HSET test:{{{}}}:room last 7 last_at {later}", rooms[1])).await;
    let _: usize = server.ask(&format!("HSET test:{{{}}}:people b o:1 a o:2 !damaged! o:3", rooms[1])).await;
    assert_eq!(listed(&node).await, [rooms[1], rooms[2], rooms[0]]);
    let found = node.rooms_of(vec![RoomId::from_bytes([9; 16]), rooms[1]]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id, found[0].user_count, found[0].last_offset, found[0].last_at), (rooms[1], 3, 7, later));
    assert_eq!(node.members(rooms[1]).await, Ok(vec![name("a"), name("b")]));
    assert_eq!(node.rooms_of(Vec::new()).await, Ok(Vec::new()));
    let _: usize = server.ask(&format!("HSET test:{{{}}}:room history maybe", rooms[2])).await;
    assert_eq!(listed(&node).await, [rooms[1], rooms[0]], "one that cannot be read hurts no other");
}

#[tokio::test]
async fn there_are_no_more_rooms_than_allowed_however_many_nodes_make_them_at_once() {
    let server = RedisServer::start().await;
    let (one, two) = (server.node().await, server.node().await);
    let make = |node: &Redis| {
        let node = node.clone();
        async move { node.create_room("x".parse().unwrap()).await }
    };
    let made = tokio::join!(make(&one), make(&two), make(&one), make(&two));
    let made = [made.0, made.1, made.2, made.3];
    assert_eq!(made.iter().filter(|made| **made == Err(StoreError::TooManyRooms { limit: 3 })).count(), 1);
    let some = made.iter().flatten().next().unwrap().id;
    one.delete_room(some).await.unwrap();
    assert!(make(&two).await.is_ok());
}

#[tokio::test]
async fn a_room_that_was_half_made_or_half_deleted_is_shown_to_nobody_and_taken_off_the_list_in_time() {
    let server = RedisServer::start().await;
    let node = server.node().await;
    let (young, old) = (RoomId::from_bytes([1; 16]), RoomId::from_bytes([2; 16]));
    let (now, keys) = (server.now().await, ["test:{all}:changes", "test:{all}:rooms"]);
    let _: usize = server.ask(&format!("ZADD test:{{all}}:rooms {now} {young} {} {old}", now - 61_000)).await;
    assert_eq!(listed(&node).await, []);
    assert_eq!(server.ask::<Vec<String>>("ZRANGE test:{all}:rooms 0 -1").await, [young.to_string()]);
    assert_eq!(read(&node.link, "0-0").await.unwrap().changes, [Change::RoomDeleted(old)]);
    assert_eq!(server.keys().await, keys);

    let half = room(&node).await;
    let _: usize = server.ask(&format!("DEL test:{{{half}}}:room")).await;
    node.delete_room(half).await.unwrap();
    assert_eq!(read(&node.link, "0-0").await.unwrap().changes.last(), Some(&Change::RoomDeleted(half)));
    assert_eq!(server.keys().await, keys);
}

#[tokio::test]
async fn more_rooms_than_fit_into_one_piece_are_answered_in_their_order() {
    let server = RedisServer::start().await;
    let node = server.node().await;
    let ids: Vec<RoomId> = (0..700_u128).map(|n| RoomId::from_bytes(n.to_be_bytes())).collect();
    let make = "for i, id in ipairs(ARGV) do redis.call('HSET', 'test:{' .. id .. '}:room', 'name', 'r' .. i,
        'history', 'on', 'created_at', 1, 'last', 0, 'last_at', 1) end";
    let texts: Vec<String> = ids.iter().map(RoomId::to_string).collect();
    let mut wire = server.connect().await.unwrap();
    redis::cmd("EVAL").arg(make).arg(0).arg(texts).query_async::<()>(&mut wire).await.unwrap();
    let found = node.rooms_of(ids.clone()).await.unwrap();
    assert_eq!(found.iter().map(|room| room.id).collect::<Vec<_>>(), ids);
    assert!(found.iter().enumerate().all(|(i, room)| room.name.as_str() == format!("r{}", i + 1)));
}

#[tokio::test]
async fn a_room_that_comes_too_late_to_the_list_it_stood_on_is_not_made() {
    let server = RedisServer::start().await;
    let make = super::super::changes::script(include_str!("../scripts/room_make.lua"));
    let mut wire = server.connect().await.unwrap();
    let now = server.now().await;
    for (made_at, is_made) in [(now - 31_000, false), (now, true)] {
        let mut call = make.key("room");
        call.arg("name").arg("on").arg(made_at).arg(30_000);
        assert_eq!(call.invoke_async::<bool>(&mut wire).await, Ok(is_made));
        assert_eq!(server.keys().await.len(), usize::from(is_made));
    }
}
