//! Who can have no WebSocket: SockJS sessions over requests live in one process, so a handover ends them. What `sockjs-client`
//! makes of what it sees here: a close frame is the event `close` with that code; a second `o` within a session, and a 404 to
//! what it sends, are one with 1006. Each has the page open a new session.

use std::time::Duration;

use futures_util::future::join_all;
use sarangbang::chat::{Kind, RoomId};

use super::house::House;
use super::{inside, say};
use crate::support::raw::Raw;
use crate::support::sockjs::{Session, Stream, messages};
use crate::support::{Server, eventually};

/// The goodbye of a server that goes, as a poll gets it.
const GOODBYE: &str = "c[1012,\"\"]\n";

/// Enters a room, and gives what comes until that is done.
async fn enter(session: &Session<'_>, room: RoomId, more: &str) -> Vec<String> {
    session.say(&format!("SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{room}\nreceipt:in\n{more}\n\0")).await;
    let mut told = Vec::new();
    while !told.iter().any(|text: &String| text.starts_with("RECEIPT\n")) {
        told.extend(session.messages().await);
    }
    told
}

/// What was said, of all that came.
fn talk(told: &[String]) -> Vec<String> {
    let bodies = told.iter().filter(|text| text.starts_with("MESSAGE\n")).map(|text| {
        let (_, body) = text.split_once("\n\n").unwrap();
        serde_json::from_str::<serde_json::Value>(body.trim_end_matches('\0')).unwrap()
    });
    let talk = bodies.filter(|entry| entry["type"] == "TALK");
    talk.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
}

/// A request that receives, on a connection that stays.
async fn ask(raw: &mut Raw, session: &Session<'_>) {
    raw.write(format!("POST {}/xhr HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", session.path).as_bytes()).await;
}

async fn to_the_end(mut stream: Stream) -> String {
    let mut all = String::new();
    while let Some(line) = stream.next("\n").await {
        all.push_str(&line);
    }
    all
}

#[tokio::test]
async fn who_receives_is_told_to_come_back_and_misses_nothing_by_a_new_session() {
    let mut house = House::start(Server::builder().set("drain_seconds", 0)).await;
    let room = house.server.room("a").await;
    let mut speaker = inside(&house, "speaker", room).await;
    let (path, goodbyes) = {
        let polling = Session::connected(&house.server, "polling").await;
        enter(&polling, room, "").await;
        say(&mut speaker, room, "before").await;
        while talk(&polling.messages().await).is_empty() {}
        // One waits in a poll, the other has a stream open.
        let mut poll = Raw::open(&house.server).await;
        ask(&mut poll, &polling).await;
        let mut streaming = Session::new(&house.server);
        let (_, mut stream) = streaming.receive("POST", "xhr_streaming").await;
        while stream.next("\n").await.unwrap() != "o\n" {}
        streaming.sign_in("streaming").await;
        while messages(&stream.next("\n").await.unwrap()).is_empty() {}
        (polling.path.clone(), (poll, stream))
    };
    house.hand_over().await;
    let (mut poll, stream) = goodbyes;
    assert_eq!(poll.answer().await.body, GOODBYE);
    assert!(to_the_end(stream).await.ends_with(GOODBYE));

    let mut speaker = inside(&house, "speaker", room).await;
    say(&mut speaker, room, "meanwhile").await;
    // The successor knows nothing of the old session: nothing can be sent there, and who asks gets a new one.
    let stale = Session::named(&house.server, &path);
    assert_eq!(stale.send("[\"\\n\"]", "").await.status, 404);
    assert_eq!(stale.poll().await, "o\n");

    let back = Session::connected(&house.server, "polling").await;
    let log = house.log_of(room).await;
    let before = log.iter().find(|entry| &*entry.message == "before").unwrap();
    let mut told = enter(&back, room, &format!("after:{}\n", before.offset)).await;
    say(&mut speaker, room, "afterwards").await;
    while !talk(&told).contains(&"afterwards".to_owned()) {
        told.extend(back.messages().await);
    }
    assert_eq!(talk(&told), ["meanwhile", "afterwards"]);
    eventually("two people are here", || async { house.server.room_state(room).await.user_count == 2 }).await;
    let left = house.log_of(room).await.iter().filter(|entry| entry.kind == Kind::Quit).count();
    assert_eq!(left, 0, "nobody was seen to leave who came back");
}

/// A browser keeps its connections, and so goes on with the old process until that says goodbye.
#[tokio::test]
async fn who_polls_by_a_connection_that_stays_reads_on_until_the_goodbye() {
    let mut house = House::start(Server::builder().set("drain_seconds", 8)).await;
    let room = house.server.room("a").await;
    let mut polling = Vec::new();
    for n in 0..5 {
        let session = Session::connected(&house.server, &format!("polling{n}")).await;
        enter(&session, room, "").await;
        let mut raw = Raw::open(&house.server).await;
        ask(&mut raw, &session).await;
        polling.push((raw, session.path));
    }
    house.hand_over().await;
    let mut speaker = inside(&house, "speaker", room).await;
    say(&mut speaker, room, "from the other side").await;
    let house = &house;
    let read_on = polling.into_iter().map(|(mut raw, path)| async move {
        let mut told = Vec::new();
        loop {
            let body = raw.answer().await.body;
            if body == GOODBYE {
                return talk(&told);
            }
            told.extend(messages(&body));
            ask(&mut raw, &Session::named(&house.server, &path)).await;
        }
    });
    let heard = join_all(read_on).await;
    // They go one after the other, the last some seconds after the first.
    assert!(heard.iter().any(|heard| heard == &["from the other side"]), "{heard:?}");
    assert!(heard.iter().all(|heard| heard.len() <= 1), "{heard:?}");
}

#[tokio::test]
async fn who_comes_by_a_new_connection_before_the_goodbye_begins_anew() {
    let server = Server::builder().set("drain_seconds", 60).set("sockjs.disconnect_seconds", 5);
    let mut house = House::start(server).await;
    let room = house.server.room("a").await;
    let mut others = Vec::new();
    for n in 0..9 {
        others.push(house.server.connect(&format!("other{n}")).await);
    }
    let path = {
        let session = Session::connected(&house.server, "polling").await;
        enter(&session, room, "").await;
        session.path.clone()
    };
    house.hand_over().await;
    let stale = Session::named(&house.server, &path);
    assert_eq!(stale.send("[\"\\n\"]", "").await.status, 404);
    assert_eq!(stale.poll().await, "o\n");
    let back = Session::connected(&house.server, "polling").await;
    enter(&back, room, "").await;
    // The old session has nobody any more; what becomes of it takes the new one no place.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(house.server.room_state(room).await.user_count, 1);
    let kinds: Vec<_> = house.log_of(room).await.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [Kind::Enter]);
}
