//! STOMP, SEND and MESSAGE: the specification's sentences over a socket.

use std::collections::BTreeSet;

use crate::support::Server;
use crate::support::speaker::VERSIONS;

/// STOMP 1.2, SEND (1.0 and 1.1 alike): "It has one REQUIRED header, `destination`, which indicates where to send the
/// message."
#[tokio::test]
async fn send_needs_a_destination() {
    let server = Server::start().await;
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        let error = speaker.refused("SEND\nreceipt:7\n\n{}\0").await;
        assert_eq!((error.header("code"), error.header("receipt-id")), (Some("missing_header"), Some("7")));
        assert!(error.header("message").unwrap().contains("destination"), "{error:?}");
    }
}

/// STOMP 1.2, SEND (1.1 alike): "The user defined headers MUST be passed through in the `MESSAGE` frame."
///
/// On purpose they are not: what is delivered is the room's entry, made from the body and kept in the log, the same
/// for everybody and at any later time; a header that one client made up has no place in it. As the tutorial's server
/// does. STOMP 1.2, Frames and Headers: "the `SEND` and `MESSAGE` frames MAY include arbitrary user defined headers":
/// they do no harm.
#[tokio::test]
async fn user_defined_headers_of_send_do_no_harm_and_are_not_passed_on() {
    let server = Server::start().await;
    for version in VERSIONS {
        let room = server.room("a").await;
        let mut speaker = server.speaker("a", version).await;
        speaker.enter("s", room).await;
        let more = "x-colour:blue\nsubscription:forged\nmessage-id:forged\nsender:forged\n";
        speaker.send(&speaker.talk(room, "hello", more)).await;
        let message = speaker.message().await;
        let names: Vec<&str> = message.headers.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["destination", "content-type", "subscription", "message-id", "content-length"]);
        assert!(!message.headers.iter().any(|(_, value)| value == "forged" || value == "blue"), "{message:?}");
    }
}

/// STOMP 1.2, SEND (1.1: "and disconnect the client"): "If the sever cannot successfully process the `SEND` frame for
/// any reason, the server MUST send the client an `ERROR` frame and then close the connection."
///
/// On purpose: whoever listens on `/user/queue/errors` is told there, where the session can go on.
#[tokio::test]
async fn a_send_that_cannot_be_processed_is_refused_and_delivered_to_nobody() {
    let server = Server::start().await;
    let room = server.room("a").await;
    server.known("b").await;
    let mut witness = server.speaker("witness", "1.2").await;
    witness.enter("w", room).await;
    let (theirs, over) = (server.token("b"), server.token_for("a", -60).await);
    let talk = |token: &str, body: &str| format!("SEND\ndestination:/pub/chat/message\n{token}receipt:7\n\n{body}\0");
    let own = format!("token:{}\n", server.token("a"));
    let hello = format!("{{\"type\":\"TALK\",\"roomId\":\"{room}\",\"message\":\"hello\"}}");
    let nowhere = "{\"roomId\":\"123e4567-e89b-42d3-a456-426614174000\",\"message\":\"hello\"}";
    let long = format!("{{\"roomId\":\"{room}\",\"message\":\"{}\"}}", "가".repeat(2_001));
    let cases = [
        (talk(&own, ""), "bad_payload"),
        (talk(&own, "{"), "bad_payload"),
        (talk(&own, "[]"), "bad_payload"),
        (talk(&own, "{\"message\":\"hello\"}"), "bad_payload"),
        (talk(&own, &format!("{{\"roomId\":\"{room}\"}}")), "bad_payload"),
        (talk(&own, &format!("{{\"roomId\":\"{room}\",\"message\":7}}")), "bad_payload"),
        (talk(&own, &hello.replace("TALK", "SHOUT")), "bad_payload"),
        (talk(&own, &hello.replace("hello", "  ")), "message_empty"),
        (talk(&own, &long), "message_too_long"),
        (talk(&own, nowhere), "room_unknown"),
        (talk("", &hello), "token_missing"),
        (talk("token:x\n", &hello), "token_malformed"),
        (talk(&format!("token:{over}\n"), &hello), "token_expired"),
        (talk(&format!("token:{theirs}\n"), &hello), "token_of_another"),
        (talk(&format!("{own}id:two words\n"), &hello), "bad_payload"),
    ];
    for version in VERSIONS {
        let mut listens = server.speaker("a", version).await;
        listens.listen_for_errors().await;
        for (frame, code) in &cases {
            let mut speaker = server.speaker("a", version).await;
            let error = speaker.refused(frame).await;
            assert_eq!((error.header("code"), error.header("receipt-id")), (Some(*code), Some("7")), "{frame}");
            listens.send(frame).await;
            let told = listens.message().await;
            assert_eq!((told.json()["code"].as_str(), told.header("receipt-id")), (Some(*code), Some("7")), "{frame}");
        }
        assert!(listens.sync().await.is_empty(), "what is refused has no RECEIPT");
        for destination in ["/sub/chat/room/x", &format!("/sub/chat/room/{room}"), "/pub/chat", "/topic/a", ""] {
            let mut speaker = server.speaker("a", version).await;
            let error = speaker.refused(&format!("SEND\ndestination:{destination}\n{own}\n{hello}\0")).await;
            assert_eq!(error.header("code"), Some("unknown_destination"), "{destination}");
        }
    }
    witness.say(room, "marker").await;
    assert_eq!(server.room_state(room).await.last_offset, 2, "the own ENTER and the marker");
}

/// STOMP 1.2, MESSAGE (1.1: "will include"): "The `MESSAGE` frame MUST include a `destination` header indicating the
/// destination the message was sent to." And: "If the message has been sent using STOMP, this `destination` header
/// SHOULD be identical to the one used in the corresponding `SEND` frame."
///
/// On purpose it is the room's destination and not `/pub/chat/message`: that is where the tutorial's front-ends send
/// to and where they listen. In 1.2, Header ack and MESSAGE alike: "a `message-id` header with a unique identifier for
/// that message and a `subscription` header matching the identifier of the subscription that is receiving the message."
#[tokio::test]
async fn every_message_names_its_destination_its_subscription_and_itself() {
    let server = Server::start().await;
    for version in VERSIONS {
        let rooms = [server.room("a").await, server.room("b").await];
        let mut speaker = server.speaker("a", version).await;
        for (n, room) in rooms.iter().enumerate() {
            speaker.enter(&format!("one-{n}"), room).await;
            speaker.subscribe(&format!("two-{n}"), room, "").await;
        }
        let mut seen = BTreeSet::new();
        for text in ["x", "y"] {
            for (n, room) in rooms.iter().enumerate() {
                speaker.send(&speaker.talk(room, text, "")).await;
                let copies = [speaker.message().await, speaker.message().await];
                let mut subscriptions: Vec<&str> = copies.iter().map(|m| m.header("subscription").unwrap()).collect();
                subscriptions.sort_unstable();
                assert_eq!(subscriptions, [format!("one-{n}"), format!("two-{n}")]);
                for copy in &copies {
                    assert_eq!(copy.header("destination"), Some(&*format!("/sub/chat/room/{room}")));
                    assert_eq!(copy.json()["message"], text);
                }
                assert_eq!(copies[0].header("message-id"), copies[1].header("message-id"), "one message, one id");
                assert!(
                    seen.insert(copies[0].header("message-id").unwrap().to_owned()),
                    "ids differ over all messages"
                );
            }
        }
    }
}

/// STOMP 1.2, MESSAGE (1.0 and 1.1 alike): "The `MESSAGE` frame MUST also contain a `message-id` header with a unique
/// identifier for that message": also on the list of rooms, and also when the same fault is told twice.
#[tokio::test]
async fn messages_on_the_other_destinations_have_unique_ids_too() {
    let server = Server::start().await;
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        speaker.listen_for_errors().await;
        speaker.send("SUBSCRIBE\nid:rooms\ndestination:/sub/chat/rooms\nreceipt:1\n\n\0").await;
        speaker.receipt("1").await;
        let mut ids = BTreeSet::new();
        for _ in 0..2 {
            speaker.send(&speaker.talk_body("{", "")).await;
            let told = speaker.message().await;
            assert_eq!(told.header("subscription"), Some("errors"));
            ids.insert(told.header("message-id").unwrap().to_owned());
            server.room("new").await;
            let told = speaker.message().await;
            assert_eq!(told.header("subscription"), Some("rooms"));
            ids.insert(told.header("message-id").unwrap().to_owned());
        }
        assert_eq!(ids.len(), 4, "{ids:?}");
    }
}

/// STOMP 1.0, SEND: "if a content-length is not specified, the first null byte encountered signals the end of the
/// frame." (1.2 says the same by its grammar.)
#[tokio::test]
async fn without_content_length_the_first_nul_ends_the_frame() {
    let server = Server::start().await;
    for version in VERSIONS {
        let room = server.room("a").await;
        let mut speaker = server.speaker("a", version).await;
        speaker.enter("s", room).await;
        let two = speaker.talk(room, "one", "") + &speaker.talk(room, "two", "");
        speaker.send(&two).await;
        for text in ["one", "two"] {
            assert_eq!(speaker.message().await.json()["message"], text);
        }
    }
}

/// STOMP orders nothing between a sender's frames and what others receive; this service does: a room has one order, and
/// in it each sender's messages stand in the order in which they were sent, also when none of them is waited for.
#[tokio::test]
async fn one_senders_messages_are_never_swapped() {
    const COUNT: usize = 200;
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut speaker = server.speaker("a", "1.2").await;
    speaker.enter("s", room).await;
    let mut other = server.speaker("b", "1.1").await;
    other.enter("s", room).await;
    assert_eq!(speaker.message().await.json()["type"], "ENTER");
    let all: String = (0..COUNT).map(|n| speaker.talk(room, &n.to_string(), "")).collect();
    for piece in all.as_bytes().chunks(7_000) {
        speaker.send(std::str::from_utf8(piece).unwrap()).await;
    }
    for client in [&mut speaker, &mut other] {
        for n in 0..COUNT {
            assert_eq!(client.message().await.json()["message"], n.to_string());
        }
    }
}
