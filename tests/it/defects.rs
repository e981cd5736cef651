//! The eighteen things that the tutorial's server gets wrong (PRODUCT.md, section 1), each as a sentence about what is
//! right here. Where another file looks closer, the comment says so.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sarangbang::chat::{Kind, Name, RoomId};
use serde_json::json;

use crate::support::raw::{FIN, HANDSHAKE, Raw, TEXT};
use crate::support::{Event, Server, eventually};

const NOWHERE: &str = "123e4567-e89b-42d3-a456-426614174000";

/// How many people the room's newest entry counts.
async fn count(server: &Server, room: RoomId) -> u32 {
    server.store().newest(room, None, 1).await.unwrap().entries.first().map_or(0, |entry| entry.user_count)
}

/// The kinds of a room's entries, oldest first.
async fn kinds(server: &Server, room: RoomId) -> Vec<Kind> {
    server.store().read(room, 0, 10_000, usize::MAX).await.unwrap().entries.iter().map(|entry| entry.kind).collect()
}

/// Defect 1: counts rise on every SUBSCRIBE (any destination, twice the same) and never fall on UNSUBSCRIBE.
#[tokio::test]
async fn a_count_rises_once_per_person_and_falls_on_unsubscribe() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut first = server.speaker("a", "1.2").await;
    first.enter("one", room).await;
    first.subscribe("two", room, "").await;
    first.listen_for_errors().await;
    first.send("SUBSCRIBE\nid:rooms\ndestination:/sub/chat/rooms\nreceipt:rooms\n\n\0").await;
    first.receipt("rooms").await;
    let mut second_tab = server.speaker("a", "1.1").await;
    second_tab.subscribe("three", room, "").await;
    assert_eq!(server.room_state(room).await.user_count, 1, "three subscriptions on two sockets are one person");
    for id in ["one", "two"] {
        first.send(&format!("UNSUBSCRIBE\nid:{id}\nreceipt:{id}\n\n\0")).await;
        first.receipt(id).await;
    }
    // Whatever the store was asked before is done when this is.
    second_tab.say(room, "alone").await;
    assert_eq!(count(&server, room).await, 1);
    second_tab.send("UNSUBSCRIBE\nid:three\n\n\0").await;
    eventually("nobody is there", || async { server.room_state(room).await.user_count == 0 }).await;
    assert_eq!(kinds(&server, room).await, [Kind::Enter, Kind::Talk, Kind::Quit]);
}

/// Defect 2: a double DISCONNECT takes two away, counts go negative.
#[tokio::test]
async fn a_double_disconnect_takes_one_away() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut stays = server.speaker("stays", "1.2").await;
    stays.enter("s", room).await;
    let mut goes = server.speaker("goes", "1.2").await;
    goes.enter("s", room).await;
    goes.send("DISCONNECT\n\n\0DISCONNECT\n\n\0").await;
    goes.send("UNSUBSCRIBE\nid:s\n\n\0").await;
    assert_eq!(goes.event().await, Event::Closed(Some(1000)));
    drop(goes);
    eventually("one is gone", || async { server.room_state(room).await.user_count == 1 }).await;
    stays.say(room, "marker").await;
    assert_eq!(count(&server, room).await, 1);
    assert_eq!(kinds(&server, room).await, [Kind::Enter, Kind::Enter, Kind::Quit, Kind::Talk]);
}

/// Defect 3: a killed server leaves its counts behind for ever. (Fifty kills under load: faults.rs.)
#[tokio::test]
async fn a_killed_server_leaves_no_counts_behind() {
    let mut server = Server::start().await;
    let room = server.room("a").await;
    let mut people = Vec::new();
    for name in ["a", "b", "c"] {
        people.push(server.speaker(name, "1.2").await);
        people.last_mut().unwrap().enter("s", room).await;
    }
    assert_eq!(server.room_state(room).await.user_count, 3);
    server.kill();
    server.restart().await;
    assert_eq!(server.room_state(room).await.user_count, 0);
    let mut again = server.speaker("a", "1.2").await;
    again.subscribe("s", room, "").await;
    assert_eq!(again.message().await.json()["userCount"], 1);
}

/// Defect 4: one session remembers one room only.
#[tokio::test]
async fn a_session_leaves_every_room_it_was_in() {
    let server = Server::start().await;
    let mut rooms = Vec::new();
    for name in ["a", "b", "c"] {
        rooms.push(server.room(name).await);
    }
    let mut speaker = server.speaker("a", "1.2").await;
    for (n, room) in rooms.iter().enumerate() {
        speaker.enter(&n.to_string(), room).await;
    }
    drop(speaker);
    for room in rooms {
        eventually("the room is empty", || async { server.room_state(room).await.user_count == 0 }).await;
        assert_eq!(kinds(&server, room).await, [Kind::Enter, Kind::Quit]);
    }
}

/// Defect 5: a client can forge a system notice.
#[tokio::test]
async fn nobody_can_forge_a_notice() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut witness = server.speaker("witness", "1.2").await;
    witness.enter("s", room).await;
    let mut forger = server.speaker("forger", "1.2").await;
    forger.listen_for_errors().await;
    for kind in ["ENTER", "QUIT", "enter", "NOTICE"] {
        let body = json!({"type": kind, "roomId": room.to_string(), "sender": "[알림]", "message": "king님이 방에 입장했습니다."});
        forger.send(&forger.talk_body(&body.to_string(), "")).await;
        assert_eq!(forger.message().await.json()["code"], "bad_payload", "{kind}");
    }
    let body = json!({
        "type": "TALK", "roomId": room.to_string(), "sender": "[알림]", "message": "king님이 방에 입장했습니다.",
        "userCount": 99, "offset": 99, "sentAt": 0
    });
    forger.send(&forger.talk_body(&body.to_string(), "sender:[알림]\n")).await;
    let seen = witness.message().await.json();
    assert_eq!((&seen["type"], &seen["sender"]), (&json!("TALK"), &json!("forger")));
    assert_eq!((&seen["userCount"], &seen["offset"]), (&json!(1), &json!(2)));
    assert!(seen["sentAt"].as_i64().unwrap() > 0);
    assert!("[알림]".parse::<Name>().is_err(), "and nobody is called so");
}

/// Defect 6: rooms that do not exist can be subscribed and sent to.
#[tokio::test]
async fn what_is_no_room_can_be_neither_entered_nor_sent_to() {
    let server = Server::start().await;
    let gone = server.room("gone").await;
    server.store().delete_room(gone).await.unwrap();
    for room in [gone.to_string(), NOWHERE.to_owned()] {
        let mut enters = server.speaker("a", "1.2").await;
        let error = enters.refused(&format!("SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{room}\n\n\0")).await;
        assert_eq!(error.header("code"), Some("room_unknown"));
        let mut sends = server.speaker("a", "1.2").await;
        let error = sends.refused(&sends.talk(&room, "hello", "receipt:7\n")).await;
        assert_eq!((error.header("code"), error.header("receipt-id")), (Some("room_unknown"), Some("7")));
    }
    assert!(server.store().rooms().await.unwrap().is_empty(), "and none is made by trying");
}

/// Defect 7: a token is looked at on CONNECT and SEND only, so delivery goes on long after expiry.
#[tokio::test]
async fn delivery_ends_with_the_token_unless_a_newer_one_prolongs_it() {
    let server = Server::start().await;
    let room = server.room("a").await;
    for name in ["listens", "idle", "renews"] {
        server.known(name).await;
    }
    // As short as a busy machine permits: three handshakes have to fit in.
    const SECONDS: i64 = 8;
    let started = Instant::now();
    let mut clients = Vec::new();
    for name in ["listens", "idle", "renews"] {
        let mut client = server.socket().await;
        client.connect(&server.token_for(name, SECONDS).await).await;
        if name != "idle" {
            client.subscribe("s", room, "").await;
        }
        clients.push(client);
    }
    let [mut listens, mut idle, mut renews] = <[_; 3]>::try_from(clients).unwrap_or_else(|_| panic!());
    let newer = server.token("renews");
    let body = json!({"roomId": room.to_string(), "message": "still here"});
    renews.send(&format!("SEND\ndestination:/pub/chat/message\ntoken:{newer}\nreceipt:7\n\n{body}\0")).await;
    renews.until("RECEIPT").await;
    for client in [&mut listens, &mut idle] {
        let error = client.end().await;
        assert_eq!(error.header("code"), Some("token_expired"));
        assert!(started.elapsed() > Duration::from_secs(3), "not before its time");
    }
    let mut talker = server.speaker("talker", "1.2").await;
    talker.say(room, "after the end").await;
    assert_eq!(listens.event_within(Duration::from_millis(200)).await, Some(Event::Closed(None)), "nothing more");
    while renews.message().await.json()["message"] != "after the end" {}
    eventually("who lost the token has left", || async { server.room_state(room).await.user_count == 1 }).await;
}

/// Defect 8: a fixed secret, clear passwords, any origin allowed, CSRF off.
#[tokio::test]
async fn secrets_are_a_servers_own_and_other_sites_stay_out() {
    const PASSWORD: &str = "correct horse battery";
    let (server, other) = (Server::start().await, Server::start().await);
    let mut process = Command::new(env!("CARGO_BIN_EXE_sarangbang"))
        .args(["user", "add", "a", "--password-stdin", "--data"])
        .arg(server.data())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    assert!(process.wait().unwrap().success());

    // The secret: each server has its own, so a token of one is none of the other.
    other.known("a").await;
    let mut stranger = server.socket().await;
    stranger.send(&format!("CONNECT\naccept-version:1.2\ntoken:{}\n\n\0", other.token("a"))).await;
    assert_eq!(stranger.end().await.header("code"), Some("token_invalid"));

    // The password: not in any file, only its argon2id hash.
    let login = json!({"username": "a", "password": PASSWORD}).to_string();
    let json = "Content-Type: application/json\r\nAccept: application/json\r\n";
    let signed_in = server.http("POST", "/login", json, &login).await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    let account = server.store().account(&"a".parse().unwrap()).await.unwrap().unwrap();
    assert!(account.password_hash.expose().starts_with(b"$argon2id$"));
    for file in std::fs::read_dir(server.data()).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file())
    {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()), "{}", file.display());
    }

    // The origin: this server's own pages, and programs, which have none.
    let own = format!("Origin: {}\r\n", server.url);
    for (origin, status) in [
        ("", 101),
        (&*own, 101),
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: http://127.0.0.1:1\r\n", 403),
        ("Origin: null\r\n", 403),
    ] {
        assert_eq!(server.handshake(&format!("{HANDSHAKE}{origin}")).await.status, status, "{origin}");
    }

    // Requests that another site makes with this person's cookie.
    let set = signed_in.header("set-cookie").unwrap();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
    let cookie = format!("Cookie: {}\r\n{json}", set.split(';').next().unwrap());
    for (headers, status) in [
        ("Origin: https://evil.example\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Origin: null\r\n", 403),
        (&*own, 200),
        ("Sec-Fetch-Site: same-origin\r\n", 200),
    ] {
        let answer = server.http("POST", "/chat/room?name=a", &format!("{cookie}{headers}"), "").await;
        assert_eq!(answer.status, status, "{headers} {answer:?}");
    }
    assert_eq!(server.store().rooms().await.unwrap().len(), 2, "the refused ones made none");
}

/// Defect 9: one Redis channel, so every node gets every message. Within a node it is the same question: what is said in
/// a room goes to those who are in it, and costs nobody else anything.
#[tokio::test]
async fn what_is_said_in_a_room_goes_to_those_in_it_alone() {
    let server = Server::start().await;
    let (here, there) = (server.room("here").await, server.room("there").await);
    let mut elsewhere = server.speaker("elsewhere", "1.2").await;
    elsewhere.enter("s", there).await;
    let mut nowhere = server.speaker("nowhere", "1.2").await;
    let mut talker = server.speaker("talker", "1.2").await;
    talker.enter("s", here).await;
    for n in 0..20 {
        talker.say(here, &n.to_string()).await;
    }
    assert!(nowhere.sync().await.is_empty());
    assert!(elsewhere.sync().await.is_empty());
}

/// Defect 10: no id, time, history: a reconnect loses what was said.
#[tokio::test]
async fn a_reconnect_loses_nothing_and_every_entry_has_offset_id_and_time() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut away = server.speaker("away", "1.2").await;
    away.enter("s", room).await;
    drop(away);
    let mut talker = server.speaker("talker", "1.2").await;
    eventually("the other has left", || async { server.room_state(room).await.user_count == 0 }).await;
    for text in ["하나", "둘", "셋"] {
        talker.say(room, text).await;
    }
    let mut back = server.speaker("away", "1.2").await;
    back.subscribe("s", room, "after:1\n").await;
    let mut seen = Vec::new();
    for offset in 2..=6_u64 {
        let entry = back.message().await.json();
        assert_eq!(entry["offset"], offset);
        assert!(entry["id"].as_str().is_some_and(|id| !id.is_empty()), "{entry}");
        assert!(entry["sentAt"].as_u64().is_some_and(|time| time > 1_700_000_000_000), "{entry}");
        seen.push(entry);
    }
    let texts: Vec<_> = seen[1..4].iter().map(|entry| entry["message"].as_str().unwrap()).collect();
    assert_eq!((&seen[0]["type"], &seen[4]["type"]), (&json!("QUIT"), &json!("ENTER")));
    assert_eq!(texts, ["하나", "둘", "셋"]);
    // The history over HTTP is the same log.
    let bearer = format!("Authorization: Bearer {}\r\n", server.token("away"));
    let answer = server.http("GET", &format!("/chat/room/{room}/messages?after=1"), &bearer, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&answer.body).unwrap(), json!(seen));
}

/// Defect 11: thread pools swap messages.
#[tokio::test]
async fn messages_are_never_swapped() {
    const EACH: usize = 100;
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut listeners = Vec::new();
    for version in ["1.0", "1.1", "1.2"] {
        let mut listener = server.speaker(version, version).await;
        listener.subscribe("s", room, "").await;
        listeners.push(listener);
    }
    let names = ["x", "y", "z"];
    let mut talkers = Vec::new();
    for name in names {
        talkers.push(server.speaker(name, "1.2").await);
    }
    join_all(talkers.iter_mut().map(|talker| async move {
        for n in 0..EACH {
            talker.send(&talker.talk(room, &n.to_string(), "")).await;
        }
    }))
    .await;
    let mut orders = Vec::new();
    for listener in &mut listeners {
        let mut next = std::collections::HashMap::new();
        let mut order = Vec::new();
        let mut last = None;
        while order.len() < EACH * names.len() {
            let entry = listener.message().await.json();
            let offset = entry["offset"].as_u64().unwrap();
            assert!(last.is_none_or(|last: u64| last + 1 == offset), "{offset} after {last:?}");
            last = Some(offset);
            if entry["type"] == "TALK" {
                let sender = entry["sender"].as_str().unwrap().to_owned();
                let expected = next.entry(sender.clone()).or_insert(0);
                assert_eq!(entry["message"], expected.to_string(), "of {sender}");
                *expected += 1;
                order.push((offset, sender));
            }
        }
        orders.push(order);
    }
    assert!(orders.iter().all(|order| *order == orders[0]), "everybody sees the same order");
}

/// Defect 12: no heart-beats, so dead clients linger. (What STOMP says of heart-beats: spec_heartbeat.rs.)
#[tokio::test]
async fn a_dead_client_leaves_by_itself() {
    let server = Server::builder().set("limits.ping_seconds", 2).start().await;
    let room = server.room("a").await;
    let mut witness = server.speaker("witness", "1.2").await;
    witness.enter("s", room).await;
    let mut dead = server.raw_connected("dead").await;
    dead.frame(FIN | TEXT, format!("SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{room}\n\n\0").as_bytes()).await;
    // From here on it answers nothing; the witness's pings are answered while it waits.
    assert_eq!(witness.message().await.json()["type"], "ENTER");
    let quit = witness.message().await.json();
    assert_eq!((&quit["type"], &quit["userCount"]), (&json!("QUIT"), &json!(1)));
    let rest = dead.rest().await;
    assert_eq!((rest.error_code(), rest.close), (Some("heartbeat_lost"), Some(1008)));
}

/// Defect 13: no receipts. (Every frame's: spec_receipts.rs.)
#[tokio::test]
async fn what_asks_for_a_receipt_gets_one() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut speaker = server.speaker("a", "1.1").await;
    speaker.subscribe("s", room, "").await;
    speaker.say(room, "hello").await;
    speaker.send("UNSUBSCRIBE\nid:s\nreceipt:un\n\n\0DISCONNECT\nreceipt:bye\n\n\0").await;
    speaker.receipt("un").await;
    speaker.receipt("bye").await;
}

/// Defect 14: Enter during Hangul composition sends a stray syllable. The page sees to it that one Enter is one message
/// (its own tests press the keys); here the second line: the same id twice is one message, letter for letter.
#[tokio::test]
async fn a_composed_syllable_sent_twice_with_one_id_is_one_message() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut speaker = server.speaker("a", "1.2").await;
    speaker.enter("s", room).await;
    for text in ["한", "한"] {
        speaker.send(&speaker.talk(room, text, "id:c-1\nreceipt:said\n")).await;
        while speaker.frame().await.command != "RECEIPT" {}
    }
    // Composed and decomposed are different texts; neither is rewritten.
    speaker.say(room, "\u{1112}\u{1161}\u{11AB}").await;
    let log = server.store().read(room, 1, 10, usize::MAX).await.unwrap().entries;
    let texts: Vec<&str> = log.iter().map(|entry| &*entry.message).collect();
    assert_eq!(texts, ["한", "\u{1112}\u{1161}\u{11AB}"]);
}

/// Defect 15: two people entering can both see the same count.
#[tokio::test]
async fn no_two_who_enter_see_the_same_count() {
    const PEOPLE: u32 = 20;
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        people.push(server.speaker(&format!("p{n}"), "1.2").await);
    }
    let entering = people.iter_mut().map(|person| async move {
        person.subscribe("s", room, "").await;
        let enter = person.message().await.json();
        assert_eq!(enter["type"], "ENTER");
        enter["userCount"].as_u64().unwrap()
    });
    let mut counts = join_all(entering).await;
    counts.sort_unstable();
    assert_eq!(counts, (1..=u64::from(PEOPLE)).collect::<Vec<_>>());
    drop(people);
    eventually("all have left", || async { count(&server, room).await == 0 }).await;
    let log = server.store().read(room, u64::from(PEOPLE), 100, usize::MAX).await.unwrap().entries;
    let counts: Vec<u32> = log.iter().map(|entry| entry.user_count).collect();
    assert_eq!(counts, (0..PEOPLE).rev().collect::<Vec<_>>());
}

/// Defect 16: a socket that never sent CONNECT can subscribe and send, even raw bodies straight to `/sub/...`.
#[tokio::test]
async fn who_never_connected_can_do_nothing_and_nobody_sends_to_sub() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut witness = server.speaker("witness", "1.2").await;
    witness.enter("s", room).await;
    server.known("a").await;
    let body = json!({"type": "TALK", "roomId": room.to_string(), "message": "from nobody"});
    let token = server.token("a");
    for frame in [
        format!("SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{room}\n\n\0"),
        format!("SEND\ndestination:/pub/chat/message\ntoken:{token}\n\n{body}\0"),
        format!("SEND\ndestination:/sub/chat/room/{room}\n\nraw\0"),
    ] {
        let mut nobody = server.socket().await;
        nobody.send(&frame).await;
        assert_eq!(nobody.end().await.header("code"), Some("not_connected"), "{frame}");
    }
    for destination in [format!("/sub/chat/room/{room}"), "/sub/chat/rooms".into(), "/user/queue/errors".into()] {
        let mut somebody = server.speaker("a", "1.2").await;
        let error = somebody.refused(&format!("SEND\ndestination:{destination}\ntoken:{token}\n\n{body}\0")).await;
        assert_eq!(error.header("code"), Some("unknown_destination"), "{destination}");
    }
    witness.send(&witness.talk(room, "marker", "")).await;
    assert_eq!(witness.message().await.json()["message"], "marker", "the first thing after the own ENTER");
}

/// Defect 17: eight clients that stop reading slow everybody down to a fifth. (Fifty among a thousand, measured:
/// faults.rs.) Here: whoever reads gets everything while eight do not, and those get everything once they do.
#[tokio::test]
async fn clients_that_stop_reading_hold_up_nobody_and_miss_nothing() {
    const MESSAGES: u64 = 150;
    let server = Server::builder().set("limits.ping_seconds", 300).start().await;
    let room = server.room("a").await;
    let mut silent = Vec::new();
    for n in 0..8 {
        let name = format!("silent{n}");
        server.known(&name).await;
        let mut raw = Raw::narrow(&server).await;
        raw.upgrade(&server).await;
        let token = server.token(&name);
        let frames = format!(
            "CONNECT\naccept-version:1.2\ntoken:{token}\n\n\0\
             SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{room}\nreceipt:in\n\n\0"
        );
        raw.frame(FIN | TEXT, frames.as_bytes()).await;
        assert!(raw.text().await.starts_with("CONNECTED\n"));
        assert_eq!(raw.text().await, "RECEIPT\nreceipt-id:in\n\n\0");
        silent.push(raw);
    }
    let mut reader = server.speaker("reader", "1.2").await;
    reader.enter("s", room).await;
    let first = server.room_state(room).await.last_offset + 1;
    let long = "가".repeat(2_000);
    let mut talker = server.speaker("talker", "1.2").await;
    for _ in 0..MESSAGES {
        talker.say(room, &long).await;
        reader.message().await;
    }
    let last = first + MESSAGES - 1;
    for mut raw in silent {
        let mut next = None;
        loop {
            let text = raw.text().await;
            let body = text.trim_end_matches('\0').split_once("\n\n").unwrap().1;
            let offset = serde_json::from_str::<serde_json::Value>(body).unwrap()["offset"].as_u64().unwrap();
            assert!(next.is_none_or(|next| next == offset), "{offset} instead of {next:?}");
            next = Some(offset + 1);
            if offset == last {
                break;
            }
        }
    }
}

/// Defect 18: who enters often misses the own ENTER.
#[tokio::test]
async fn who_enters_always_sees_the_own_enter_first() {
    let server = Server::start().await;
    let room = server.room("a").await;
    for turn in 0..40 {
        let name = format!("p{turn}");
        let mut speaker = server.speaker(&name, ["1.0", "1.1", "1.2"][turn % 3]).await;
        speaker.send(&format!("SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{room}\n\n\0")).await;
        let enter = speaker.message().await.json();
        assert_eq!(enter["type"], "ENTER", "in turn {turn}");
        assert_eq!(enter["message"], format!("{name}님이 방에 입장했습니다."));
    }
}
