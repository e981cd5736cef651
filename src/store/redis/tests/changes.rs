use super::*;
use crate::chat::Role;
use crate::store::redis::changes::{Change, Read, newest, read};
use crate::store::{NewAccount, Secret};

#[tokio::test]
async fn changes_are_told_once_and_in_their_order_whoever_made_them() {
    let server = RedisServer::start().await;
    let (one, two) = (server.node().await, server.node().await);
    let start = newest(&one.link).await.unwrap();
    let room = one.create_room("one".parse().unwrap()).await.unwrap().id;
    let new = NewAccount { name: name("Kim"), role: Role::User, password_hash: Secret::new(*b"x"), invitation: None };
    two.add_account(new).await.unwrap();
    two.rename_room(room, "two".parse().unwrap()).await.unwrap();
    one.set_role(name("kim"), Role::Guest).await.unwrap();
    two.set_disabled(name("KIM"), true).await.unwrap();
    two.set_disabled(name("KIM"), false).await.unwrap();
    one.keep("a".into(), Secret::new(*b"x")).await.unwrap();
    two.keep_for("b".into(), Secret::new(*b"x"), 5).await.unwrap();
    one.forget("a".into()).await.unwrap();
    one.forget("a".into()).await.unwrap();
    two.delete_room(room).await.unwrap();
    let _: String = server.ask("XADD test:{all}:changes * k of-another-version s x").await;
    let told = read(&two.link, &start).await.unwrap();
    let kept = |name: &str| Change::Kept(name.into());
    let ended = Change::SessionsEnded(name("Kim"));
    let made = Change::Room(room);
    let expected =
        [made.clone(), made, ended.clone(), ended, kept("a"), kept("b"), kept("a"), Change::RoomDeleted(room)];
    assert_eq!((told.changes, told.missed), (expected.to_vec(), false));
    assert_eq!(newest(&one.link).await.unwrap(), told.newest, "also what another version tells has been read");
    let nothing = Read { changes: Vec::new(), newest: told.newest.clone(), may_go_on: false, missed: false };
    assert_eq!(read(&one.link, &told.newest).await, Ok(nothing));
}

#[tokio::test]
async fn many_changes_are_read_in_portions_and_who_was_away_too_long_learns_it() {
    let server = RedisServer::start().await;
    let node = server.node().await;
    let start = newest(&node.link).await.unwrap();
    for _ in 0..1_001 {
        node.keep("a".into(), Secret::new(*b"x")).await.unwrap();
    }
    let first = read(&node.link, &start).await.unwrap();
    assert_eq!((first.changes.len(), first.may_go_on, first.missed), (1_000, true, false));
    let rest = read(&node.link, &first.newest).await.unwrap();
    assert_eq!((rest.changes.len(), rest.may_go_on, rest.missed), (1, false, false));
    let _: usize = server.ask("XTRIM test:{all}:changes MAXLEN 1").await;
    let unread = read(&node.link, &first.newest).await.unwrap();
    assert_eq!((unread.changes.len(), unread.missed), (1, true));
    assert!(!read(&node.link, &unread.newest).await.unwrap().missed);
    let _: usize = server.ask("DEL test:{all}:changes").await;
    let emptied = read(&node.link, &unread.newest).await.unwrap();
    assert_eq!((emptied.changes, emptied.newest.as_str(), emptied.missed), (Vec::new(), "0-0", true));
}

#[tokio::test]
async fn the_stream_of_changes_does_not_grow_for_ever_and_a_node_that_saw_none_learns_that_it_missed_some() {
    let server = RedisServer::start().await;
    let node = server.node().await;
    let many = "for i = 1, 10100 do redis.call('XADD', KEYS[1], '*', 'k', 'kept', 's', i) end";
    let mut wire = server.connect().await.unwrap();
    redis::cmd("EVAL").arg(many).arg(1).arg("test:{all}:changes").query_async::<()>(&mut wire).await.unwrap();
    node.keep("a".into(), Secret::new(*b"x")).await.unwrap();
    let length: usize = server.ask("XLEN test:{all}:changes").await;
    assert!((10_000..10_101).contains(&length), "{length}");
    assert!(read(&node.link, "0-0").await.unwrap().missed);
}
