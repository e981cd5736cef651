use redis::Value;

use super::*;
use crate::chat::{Draft, RoomId};
use crate::store::redis::keys::Keys;
use crate::store::redis::request::{Act, Answer, Circumstances, Request, TURN};

/// One copy of a turn in which somebody says something, as a process of this name sends it.
async fn copy(server: &RedisServer, room: RoomId, number: &str, process: &str, text: &str) -> Answer {
    let draft = Draft::new(room, name("a"), text, None, 100).unwrap();
    let acts = |_: RoomId, _: &str| vec![Act::say(&draft)];
    let request =
        Request { rooms: &[room], acts: &acts, enters: false, is_kept: false, is_joint: false, is_aside: false };
    let now = Circumstances { number, process, owner: "o", owned_until: 0, keep_entries: 0, publish: "PUBLISH" };
    let (keys, args) = request.write(&Keys::new("test:"), &now, |_| 0);
    let mut invocation = TURN.prepare_invoke();
    keys.iter().for_each(|key| {
        invocation.key(key);
    });
    args.iter().for_each(|arg| {
        invocation.arg(arg);
    });
    let value: Value = invocation.invoke_async(&mut server.connect().await.unwrap()).await.unwrap();
    Answer::of(&value).unwrap()
}

fn offset(answer: Answer) -> Option<i64> {
    match answer {
        Answer::Done(rooms) => Some(rooms[0].as_ref().unwrap()[0][0]),
        Answer::Lapsed | Answer::Late => None,
    }
}

#[tokio::test]
async fn a_turn_happens_once_however_often_and_late_its_copies_come() {
    let server = RedisServer::start().await;
    let node = server.node().await;
    let room = node.create_room("사랑방".parse().unwrap()).await.unwrap().id;
    assert_eq!(offset(copy(&server, room, "9", "p", "one").await), Some(1));
    assert_eq!(offset(copy(&server, room, "9", "p", "one").await), Some(1), "its answer was lost");
    assert_eq!(offset(copy(&server, room, "10", "p", "two").await), Some(2));
    assert!(matches!(copy(&server, room, "9", "p", "one").await, Answer::Late), "it waited in a broken connection");
    assert_eq!(offset(copy(&server, room, "9", "q", "three").await), Some(3), "another process has its own numbers");
    assert_eq!(node.room(room).await.unwrap().unwrap().last_offset, 3);
}
