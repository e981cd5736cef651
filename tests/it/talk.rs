//! People in a room: what each of them sees, and in which order.

use serde_json::json;

use crate::support::{Client, Server};

/// Takes the own ENTER away.
async fn entered(server: &Server, name: &str, room: impl std::fmt::Display + Copy) -> Client {
    let mut client = server.connect(name).await;
    client.subscribe("sub-0", room, "").await;
    assert_eq!(client.message().await.json()["type"], "ENTER");
    client
}

#[tokio::test]
async fn two_people_in_a_room_see_each_other_come_talk_and_go() {
    let server = Server::start().await;
    let room = server.room("사랑방").await;
    let mut a = entered(&server, "happydaddy", room).await;
    let mut b = entered(&server, "angrydaddy", room).await;

    let enter = a.message().await.json();
    assert_eq!(enter["message"], "angrydaddy님이 방에 입장했습니다.");
    assert_eq!((&enter["sender"], &enter["userCount"]), (&json!("[알림]"), &json!(2)));

    b.say(room, "안녕", "r1").await;
    let talk = a.message().await.json();
    assert_eq!(talk["sender"], "angrydaddy");
    assert_eq!(talk["message"], "안녕");
    assert_eq!(b.until("RECEIPT").await.header("receipt-id"), Some("r1"));

    drop(b);
    let quit = a.message().await.json();
    assert_eq!(quit["message"], "angrydaddy님이 방에서 나갔습니다.");
    assert_eq!(quit["userCount"], 1);
}

#[tokio::test]
async fn a_message_has_the_headers_and_members_of_the_tutorials_server_in_its_order() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut client = entered(&server, "happydaddy", room).await;
    client.say(room, "안녕", "").await;
    let message = client.message().await;
    let names: Vec<&str> = message.headers.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["destination", "content-type", "subscription", "message-id", "content-length"]);
    assert_eq!(message.header("destination"), Some(&*format!("/sub/chat/room/{room}")));
    assert_eq!(message.header("content-type"), Some("application/json;charset=UTF-8"));
    assert_eq!(message.header("content-length"), Some(&*message.body.len().to_string()));
    let start = format!(r#"{{"type":"TALK","roomId":"{room}","sender":"happydaddy","message":"안녕","userCount":1,"#);
    assert!(message.body.starts_with(&start), "{}", message.body);
}

#[tokio::test]
async fn after_resumes_behind_an_offset_and_history_goes_back_so_many() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut first = entered(&server, "a", room).await;
    for n in 2..=9 {
        first.say(room, &format!("{n}"), "r").await;
        first.until("RECEIPT").await;
    }
    let mut second = server.connect("b").await;
    second.subscribe("s", room, "after:5\n").await;
    for offset in 6..=10 {
        assert_eq!(second.message().await.offset(), offset);
    }
    let mut third = server.connect("c").await;
    third.subscribe("s", room, "history:3\n").await;
    for offset in 8..=11 {
        assert_eq!(third.message().await.offset(), offset);
    }
    let mut fourth = server.connect("d").await;
    fourth.subscribe("s", room, "history:0\n").await;
    assert_eq!(fourth.message().await.offset(), 12, "the own ENTER");
}

#[tokio::test]
async fn entering_many_rooms_at_once_with_much_to_read_in_each_closes_nobody() {
    const ROOMS: usize = 8;
    const MESSAGES: u64 = 50;
    // What waits for one connection is bounded closely; what it reads back is more than that in each room, and in all
    // more than the sockets' buffers hold.
    let server = Server::builder()
        .set("limits.outbox_bytes_max", 16_384)
        .set("limits.catch_up_bytes_max", 16_384)
        .set("limits.message_chars_max", 15_000)
        .set("limits.messages_burst", 10_000)
        .start()
        .await;
    let mut rooms = Vec::new();
    for number in 0..ROOMS {
        let room = server.room(&format!("room {number}")).await;
        let mut speaker = entered(&server, "a", room).await;
        for n in 1..=MESSAGES {
            speaker.say(room, &"x".repeat(14_000), &format!("r{n}")).await;
            speaker.until("RECEIPT").await;
        }
        rooms.push(room);
    }
    server.person("b", sarangbang::chat::Role::User).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let stream = socket.connect(server.authority().parse().unwrap()).await.unwrap();
    let mut reader = Client::over(stream, server.authority(), "/ws-stomp", None).await;
    reader.connect(&server.token("b")).await;
    for (number, room) in rooms.iter().enumerate() {
        let asked = format!("id:s{number}\ndestination:/sub/chat/room/{room}\nreceipt:in-{number}\nafter:0\n");
        reader.send(&format!("SUBSCRIBE\n{asked}\n\0")).await;
    }
    let (mut receipts, mut next) = (0, [1; ROOMS]);
    while receipts < ROOMS || next.iter().any(|next| *next <= MESSAGES) {
        let frame = reader.frame().await;
        match frame.command.as_str() {
            "RECEIPT" => receipts += 1,
            _ => {
                let room: usize = frame.header("subscription").unwrap()[1..].parse().unwrap();
                assert_eq!(frame.offset(), next[room], "{frame:?}");
                next[room] += 1;
            }
        }
    }
}

#[tokio::test]
async fn the_same_message_id_is_answered_again_and_not_delivered_again() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut client = entered(&server, "a", room).await;
    let body = json!({"type": "TALK", "roomId": room.to_string(), "message": "once"}).to_string();
    for receipt in ["r1", "r2"] {
        client.say_body(&body, receipt, "id:m-1\n").await;
    }
    client.say(room, "behind", "r3").await;
    let (mut receipts, mut texts) = (Vec::new(), Vec::new());
    while receipts.len() < 3 || texts.len() < 2 {
        let frame = client.frame().await;
        match frame.header("receipt-id") {
            Some(id) => receipts.push(id.to_owned()),
            None => texts.push(frame.json()["message"].as_str().unwrap().to_owned()),
        }
    }
    assert_eq!(receipts, ["r1", "r2", "r3"]);
    assert_eq!(texts, ["once", "behind"]);
}

#[tokio::test]
async fn a_room_that_is_deleted_is_told_and_the_session_goes_on() {
    let server = Server::start().await;
    let (gone, stays) = (server.room("gone").await, server.room("stays").await);
    let mut client = server.connect("a").await;
    client.listen_for_errors().await;
    client.subscribe("s1", gone, "").await;
    client.message().await;
    client.subscribe("s2", stays, "").await;
    client.message().await;
    server.store().delete_room(gone).await.unwrap();
    let told = client.message().await;
    assert_eq!(told.header("destination"), Some("/user/queue/errors"));
    assert_eq!(told.json()["code"], "room_unknown");
    client.say(gone, "anybody?", "r1").await;
    let told = client.message().await;
    assert_eq!((told.json()["code"].as_str(), told.header("receipt-id")), (Some("room_unknown"), Some("r1")));
    client.say(stays, "here", "").await;
    assert_eq!(client.message().await.json()["message"], "here");
}

#[tokio::test]
async fn the_list_of_rooms_tells_what_changes_and_how_many_are_there() {
    let server = Server::start().await;
    let mut watcher = server.connect("watcher").await;
    watcher.send("SUBSCRIBE\nid:rooms\ndestination:/sub/chat/rooms\nreceipt:r\n\n\0").await;
    watcher.until("RECEIPT").await;
    let room = server.room("새 방").await;
    let told = watcher.message().await.json();
    assert_eq!(told["type"], "ROOMS");
    assert_eq!(told["rooms"][0]["name"], "새 방");
    let _inside = entered(&server, "a", room).await;
    loop {
        let told = watcher.message().await.json();
        if told["rooms"][0]["userCount"] == 1 {
            break;
        }
    }
    server.store().delete_room(room).await.unwrap();
    loop {
        let told = watcher.message().await.json();
        if told["gone"] == json!([room.to_string()]) {
            break;
        }
    }
}

#[tokio::test]
async fn sigterm_tells_everybody_to_come_back_and_ends_well() {
    let mut server = Server::start().await;
    let room = server.room("a").await;
    let mut client = entered(&server, "a", room).await;
    server.signal("TERM");
    assert_eq!(client.close_code().await, Some(1012));
    assert!(server.ended().await.success());
    server.restart().await;
    assert_eq!(server.room_state(room).await.user_count, 0);
}

#[tokio::test]
async fn who_only_listens_may_prolong_the_session_with_a_newer_token() {
    let server = Server::builder().set("auth.token_minutes", 1).start().await;
    let room = server.room("a").await;
    server.person("a", sarangbang::chat::Role::User).await;
    let mut client = server.socket().await;
    client.connect(&server.token_for("a", 10).await).await;
    client.subscribe("s", room, "").await;
    client.message().await;
    let newer = server.token("a");
    client.send(&format!("SEND\ndestination:/pub/chat/token\ntoken:{newer}\nreceipt:t\n\n\0")).await;
    assert_eq!(client.frame().await.header("receipt-id"), Some("t"));
    assert_eq!(client.event_within(std::time::Duration::from_secs(13)).await, None, "the first token has ended by now");
    server.person("b", sarangbang::chat::Role::User).await;
    client.send(&format!("SEND\ndestination:/pub/chat/token\ntoken:{}\n\n\0", server.token("b"))).await;
    assert_eq!(client.error().await.0.header("code"), Some("token_of_another"));
}

#[tokio::test]
async fn over_tls_a_message_comes_as_over_plain_tcp() {
    let server = Server::builder().set("tls.mode", "self-signed").start().await;
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let room = server.room("a").await;
    let mut somebody = server.connect("a").await;
    somebody.subscribe("s", room, "").await;
    somebody.say(room, "hello", "").await;
    assert_eq!(somebody.message().await.json()["type"], "ENTER");
    assert_eq!(somebody.message().await.json()["message"], "hello");
}
