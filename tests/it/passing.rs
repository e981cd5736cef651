//! Rooms without a history: everything as elsewhere, and nothing is left of it.

use serde_json::json;
use tokio::net::TcpSocket;

use sarangbang::chat::{History, Role, RoomId};

use crate::support::{Client, Frame, Server};

impl Server {
    /// A new room without a history.
    async fn passing_room(&self) -> RoomId {
        self.store().create_room_with("지나가는 방".parse().unwrap(), History::Off).await.unwrap().id
    }

    /// An HTTP call of somebody who has an account, with a JSON body where there is one.
    async fn call(&self, name: &str, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
        let headers = format!(
            "Authorization: Bearer {}\r\nAccept: application/json\r\nContent-Type: application/json\r\n",
            self.token(name)
        );
        let answer = self.http(method, path, &headers, body).await;
        (answer.status, serde_json::from_str(&answer.body).unwrap())
    }
}

/// The first and the last offset that a refusal says are gone.
fn gap(told: &Frame) -> (u64, u64) {
    assert_eq!(told.header("destination"), Some("/user/queue/errors"), "{told:?}");
    let gap = told.json();
    assert_eq!(gap["code"], "gap");
    let words: Vec<u64> = gap["message"].as_str().unwrap().split(' ').filter_map(|word| word.parse().ok()).collect();
    let [from, to] = words[..] else { panic!("{gap}") };
    (from, to)
}

/// Reads behind an offset and up to another; answers the offsets that came and the gaps that were told, which make one
/// unbroken row together.
async fn read_on(client: &mut Client, after: u64, to: u64) -> (Vec<u64>, Vec<(u64, u64)>) {
    let (mut at, mut seen, mut gaps) = (after, Vec::new(), Vec::new());
    while at < to {
        let frame = client.message().await;
        if frame.header("destination") == Some("/user/queue/errors") {
            let (from, to) = gap(&frame);
            assert_eq!(from, at + 1);
            gaps.push((from, to));
            at = to;
        } else {
            at += 1;
            assert_eq!(frame.offset(), at, "a hole is told before what is behind it");
            seen.push(at);
        }
    }
    (seen, gaps)
}

async fn say(client: &mut Client, room: RoomId, text: &str) {
    client.say(room, text, "r").await;
}

#[tokio::test]
async fn a_room_is_made_without_a_history_and_shows_it_and_has_no_pages() {
    let server = Server::start().await;
    server.person("a", Role::User).await;
    let (status, made) = server.call("a", "POST", "/chat/room", r#"{"name":"passing","history":"off"}"#).await;
    assert_eq!((status, &made["history"]), (200, &json!("off")));
    let path = format!("/chat/room/{}", made["roomId"].as_str().unwrap());
    let room = made["roomId"].as_str().unwrap().parse().unwrap();
    let mut client = server.connect("a").await;
    client.subscribe("s", room, "").await;
    for text in ["one", "two"] {
        say(&mut client, room, text).await;
        client.until("RECEIPT").await;
    }
    let (status, now) = server.call("a", "GET", &path, "").await;
    assert_eq!(
        (status, &now["history"], &now["lastOffset"], &now["userCount"]),
        (200, &json!("off"), &json!(3), &json!(1))
    );
    for page in ["", "?before=3", "?after=0", "?limit=1"] {
        let (status, entries) = server.call("a", "GET", &format!("{path}/messages{page}"), "").await;
        assert_eq!((status, entries), (200, json!([])), "{page}");
    }
    let (_, kept) = server.call("a", "POST", "/chat/room?history=on", r#"{"name":"kept"}"#).await;
    assert_eq!(kept.get("history"), None);
    let (status, problem) = server.call("a", "POST", "/chat/room?history=no", r#"{"name":"x"}"#).await;
    assert_eq!((status, &problem["field"], &problem["code"]), (400, &json!("history"), &json!("history_invalid")));
}

#[tokio::test]
async fn people_see_each_other_come_talk_and_go_in_one_order_with_receipts() {
    let server = Server::start().await;
    let room = server.passing_room().await;
    let mut a = server.connect("a").await;
    a.subscribe("s", room, "").await;
    let enter = a.message().await.json();
    assert_eq!((&enter["type"], &enter["offset"], &enter["userCount"]), (&json!("ENTER"), &json!(1), &json!(1)));
    let mut b = server.connect("b").await;
    b.subscribe("s", room, "history:50\n").await;
    assert_eq!(b.message().await.offset(), 2, "the own ENTER comes first, as nothing is kept");
    for n in 0..100 {
        let (speaker, text) = (if n % 2 == 0 { &mut a } else { &mut b }, n.to_string());
        speaker.say(room, &text, &format!("r{n}")).await;
    }
    let (mut receipts, mut seen, mut texts) = (0, 1, Vec::new());
    while receipts < 50 || texts.len() < 100 {
        let frame = a.frame().await;
        if let Some(id) = frame.header("receipt-id") {
            assert_eq!(id, format!("r{}", 2 * receipts));
            receipts += 1;
            continue;
        }
        seen += 1;
        assert_eq!(frame.offset(), seen);
        if frame.json()["type"] == "TALK" {
            texts.push(frame.json()["message"].as_str().unwrap().to_owned());
        }
    }
    for parity in 0..2 {
        let of_one: Vec<usize> = texts.iter().map(|text| text.parse().unwrap()).filter(|n| n % 2 == parity).collect();
        assert!(of_one.is_sorted() && of_one.len() == 50, "{of_one:?}");
    }
    drop(b);
    let quit = a.message().await.json();
    assert_eq!((&quit["type"], &quit["userCount"], &quit["offset"]), (&json!("QUIT"), &json!(1), &json!(seen + 1)));
}

#[tokio::test]
async fn who_comes_back_gets_what_memory_holds_and_is_told_of_the_rest() {
    let server = Server::builder().set("limits.ring_entries_max", 8).start().await;
    let room = server.passing_room().await;
    let mut stays = server.connect("stays").await;
    stays.subscribe("s", room, "").await;
    assert_eq!(stays.message().await.offset(), 1);
    for offset in 2..=5 {
        say(&mut stays, room, "x").await;
        assert_eq!(stays.message().await.offset(), offset);
    }
    let mut back = server.connect("back").await;
    back.listen_for_errors().await;
    back.subscribe("s", room, "after:2\n").await;
    for offset in 3..=6 {
        assert_eq!(back.message().await.offset(), offset);
    }
    drop(back);
    for offset in 6..=20 {
        if offset > 7 {
            say(&mut stays, room, "x").await;
        }
        assert_eq!(stays.message().await.offset(), offset);
    }
    let mut late = server.connect("late").await;
    late.listen_for_errors().await;
    late.subscribe("s", room, "after:7\n").await;
    // The ring holds 13 to 20, and 14 to 21 once the own ENTER is in it.
    let (seen, gaps) = read_on(&mut late, 7, 21).await;
    assert!(gaps.first().is_some_and(|(from, to)| *from == 8 && (*to == 12 || *to == 13)), "{gaps:?}");
    assert!(seen.len() >= 8 && seen.is_sorted(), "{seen:?}");
    late.send(&format!("SUBSCRIBE\nid:t\ndestination:/sub/chat/room/{room}\nafter:100\n\n\0")).await;
    assert_eq!(late.message().await.json()["code"], "after_past_end");
}

#[tokio::test]
async fn after_a_kill_no_offset_comes_again_and_the_gap_is_told() {
    let mut server = Server::start().await;
    let room = server.passing_room().await;
    let mut last = 0;
    for _ in 0..3 {
        let mut client = server.connect("a").await;
        client.listen_for_errors().await;
        client.subscribe("s", room, &format!("after:{last}\n")).await;
        let entered = loop {
            let message = client.message().await;
            if message.header("destination") == Some("/user/queue/errors") {
                let (from, to) = gap(&message);
                assert!(from == last + 1 && to > from, "{from} to {to} after {last}");
                last = to;
            } else {
                break message;
            }
        };
        assert_eq!((entered.offset(), &entered.json()["type"]), (last + 1, &json!("ENTER")));
        assert_eq!(entered.json()["userCount"], 1, "who died is not there any more");
        last += 1;
        for _ in 0..10 {
            say(&mut client, room, "x").await;
            last += 1;
            assert_eq!(client.message().await.offset(), last);
        }
        server.kill();
        server.restart().await;
    }
    assert!(last > 2 << 16, "each kill skips what was reserved: {last}");
}

#[tokio::test]
async fn after_a_stop_in_order_nothing_is_missing_but_what_was_said_before() {
    let mut server = Server::start().await;
    let room = server.passing_room().await;
    let mut client = server.connect("a").await;
    client.subscribe("s", room, "").await;
    for offset in 1..=3 {
        assert_eq!(client.message().await.offset(), offset);
        say(&mut client, room, "x").await;
    }
    client.message().await;
    server.signal("TERM");
    server.ended().await;
    server.restart().await;
    let mut client = server.connect("a").await;
    client.listen_for_errors().await;
    client.subscribe("s", room, "after:4\n").await;
    assert_eq!(client.message().await.offset(), 5, "nothing was missed");
    let mut other = server.connect("b").await;
    other.listen_for_errors().await;
    other.subscribe("s", room, "after:2\n").await;
    assert_eq!(gap(&other.message().await), (3, 4));
    assert_eq!(other.message().await.offset(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_told_what_has_left_the_memory_and_goes_on() {
    let server =
        Server::builder().set("limits.message_chars_max", 15_000).set("limits.ring_entries_max", 16).start().await;
    let room = server.passing_room().await;
    server.person("slow", Role::User).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let stream = socket.connect(server.authority().parse().unwrap()).await.unwrap();
    let mut slow = Client::over(stream, server.authority(), "/ws-stomp", None).await;
    slow.connect(&server.token("slow")).await;
    slow.listen_for_errors().await;
    slow.subscribe("s", room, "").await;
    let mut speaker = server.connect("speaker").await;
    speaker.subscribe("s", room, "").await;
    speaker.message().await;
    for n in 0..600 {
        speaker.say(room, &"x".repeat(14_000), "").await;
        assert_eq!(speaker.message().await.offset(), n + 3, "who reads misses nothing");
    }
    let (seen, gaps) = read_on(&mut slow, 0, 602).await;
    assert!(!gaps.is_empty(), "the reader was not slow enough for this test");
    assert!(seen.len() > 16, "{seen:?}");
    speaker.say(room, "now", "").await;
    assert_eq!(slow.message().await.json()["message"], "now");
}
