//! A store that cannot be read or written for a while: who is connected stays, is told, and misses nothing.

use sarangbang::chat::RoomId;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::scrape::get;
use crate::support::{Client, Server, eventually};

/// Renames tables under the running server: what needs them fails until they have their names again.
fn rename(server: &Server, tables: &[&str], is_away: bool) {
    let file = rusqlite::Connection::open(server.data().join("sarangbang.db")).unwrap();
    file.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
    for table in tables {
        let (from, to) = if is_away { ("", "_away") } else { ("_away", "") };
        file.execute_batch(&format!("ALTER TABLE {table}{from} RENAME TO {table}{to}")).unwrap();
    }
}

/// Nothing can be written without it.
const CHANGES: &[&str] = &["change"];

/// The next frame on `/user/queue/errors`; MESSAGEs of rooms that come before are passed over.
async fn told(client: &mut Client) -> serde_json::Value {
    loop {
        let message = client.until("MESSAGE").await;
        if message.header("destination") == Some("/user/queue/errors") {
            return message.json();
        }
    }
}

/// The head of the answer to somebody who wants a new room.
async fn ask_for_a_room(server: &Server, name: &str) -> String {
    let mut stream = TcpStream::connect(server.authority()).await.unwrap();
    let (host, token) = (server.authority(), server.token(name));
    let asked = format!(
        "POST /chat/room?name=x HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().0.to_lowercase()
}

async fn listener(server: &Server, name: &str, room: RoomId) -> Client {
    let mut client = server.connect(name).await;
    client.listen_for_errors().await;
    client.subscribe("s", room, "").await;
    client.message().await;
    client
}

#[tokio::test]
async fn who_is_connected_while_nothing_can_be_written_is_told_and_talks_on_afterwards() {
    let server = Server::start().await;
    let (room, other) = (server.room("a").await, server.room("b").await);
    let mut speaker = listener(&server, "minsu", room).await;
    let mut quiet = listener(&server, "jiyeon", room).await;
    server.person("haneul", sarangbang::chat::Role::User).await;

    rename(&server, CHANGES, true);
    speaker.say(room, "lost?", "r1").await;
    let mut codes = Vec::new();
    while codes.len() < 2 {
        let said = told(&mut speaker).await;
        if said["code"] == "unavailable" {
            assert_eq!(said["receipt"], "r1");
        }
        codes.push(said["code"].as_str().unwrap().to_owned());
    }
    codes.sort_unstable();
    assert_eq!(codes, ["store_away", "unavailable"]);
    assert_eq!(told(&mut quiet).await["code"], "store_away");

    // A room cannot be entered, and the session lives on.
    speaker.send(&format!("SUBSCRIBE\nid:t\ndestination:/sub/chat/room/{other}\nreceipt:r2\n\n\0")).await;
    let refused = told(&mut speaker).await;
    assert_eq!((&refused["code"], &refused["receipt"]), (&json!("unavailable"), &json!("r2")));
    // Over HTTP it is said when to ask again.
    let head = ask_for_a_room(&server, "minsu").await;
    assert!(head.starts_with("http/1.1 503 ") && head.contains("\r\nretry-after: "), "{head}");
    assert!(get(server.authority(), "/readyz").await.0.starts_with("HTTP/1.1 503 "));
    // Who comes now is told before the receipt of the subscription.
    let mut late = server.connect("haneul").await;
    late.send("SUBSCRIBE\nid:e\ndestination:/user/queue/errors\nreceipt:listening\n\n\0").await;
    assert_eq!(late.message().await.json()["code"], "store_away");
    assert_eq!(late.until("RECEIPT").await.header("receipt-id"), Some("listening"));

    rename(&server, CHANGES, false);
    for client in [&mut speaker, &mut quiet, &mut late] {
        assert_eq!(told(client).await["code"], "store_back");
    }
    speaker.say(room, "here", "r3").await;
    assert_eq!(speaker.until("RECEIPT").await.header("receipt-id"), Some("r3"));
    assert_eq!(quiet.until("MESSAGE").await.json()["message"], "here");
}

#[tokio::test]
async fn who_does_not_listen_for_errors_is_told_nothing() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut deaf = server.connect("minsu").await;
    deaf.subscribe("s", room, "").await;
    deaf.message().await;
    let mut speaker = listener(&server, "jiyeon", room).await;
    rename(&server, CHANGES, true);
    speaker.say(room, "x", "r1").await;
    while told(&mut speaker).await["code"] != "store_away" {}
    rename(&server, CHANGES, false);
    while told(&mut speaker).await["code"] != "store_back" {}
    speaker.say(room, "here", "").await;
    assert_eq!(deaf.message().await.json()["type"], "ENTER");
    assert_eq!(deaf.message().await.json()["message"], "here");
}

#[tokio::test]
async fn a_log_that_cannot_be_read_for_a_while_is_read_on_by_itself_without_anybody_reconnecting() {
    // What is read comes from the store, not out of memory.
    let server = Server::builder().set("limits.ring_entries_max", 1).start().await;
    let room = server.room("a").await;
    let mut first = listener(&server, "minsu", room).await;
    for n in 0..20 {
        first.say(room, "x", &format!("r{n}")).await;
        first.until("RECEIPT").await;
    }
    let mut reader = server.connect("minsu").await;
    reader.listen_for_errors().await;
    rename(&server, &["entry"], true);
    reader.subscribe("s", room, "after:0\n").await;
    eventually("the read has failed", || async { server.log().contains("it is tried again") }).await;
    rename(&server, &["entry"], false);
    for offset in 1..=21 {
        assert_eq!(reader.message().await.offset(), offset);
    }
}
