//! STOMP, RECEIPT and DISCONNECT: the specification's sentences over a socket.

use crate::support::raw::{FIN, TEXT};
use crate::support::speaker::VERSIONS;
use crate::support::{Event, Server, eventually};

/// STOMP 1.2, Header receipt (1.0 and 1.1 alike): "Any client frame other than `CONNECT` MAY specify a `receipt` header
/// with an arbitrary value. This will cause the server to acknowledge the processing of the client frame with a
/// `RECEIPT` frame". RECEIPT: "the receipt is also a cumulative acknowledgment that all the previous frames have been
/// _received_ by the server": they come in the order of the frames. STOMP 1.1, RECEIPT (1.0 alike): "The receipt body
/// will be empty."
#[tokio::test]
async fn every_frame_gets_the_receipt_it_asks_for_in_order() {
    let server = Server::start().await;
    let room = server.room("a").await;
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        let ack = match version {
            "1.0" => "ACK\nmessage-id:1\n",
            "1.1" => "ACK\nmessage-id:1\nsubscription:s\n",
            _ => "ACK\nid:1\n",
        };
        let nack = if version == "1.0" { ack.to_owned() } else { ack.replace("ACK", "NACK") };
        let talk = speaker.talk(room, "hello", "transaction:t\nreceipt:6\n");
        let mut frames = format!("SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{room}\nack:client\nreceipt:1\n\n\0");
        frames += &format!("{ack}receipt:2\n\n\0{nack}receipt:3\n\n\0");
        frames += &speaker.talk(room, "hello", "receipt:4\n");
        frames += &format!("BEGIN\ntransaction:t\nreceipt:5\n\n\0{talk}COMMIT\ntransaction:t\nreceipt:7\n\n\0");
        frames += "BEGIN\ntransaction:t\nreceipt:8\n\n\0ABORT\ntransaction:t\nreceipt:9\n\n\0";
        frames += "SUBSCRIBE\nid:r\ndestination:/sub/chat/rooms\nreceipt:10\n\n\0";
        frames += "SUBSCRIBE\nid:e\ndestination:/user/queue/errors\nreceipt:11\n\n\0";
        frames +=
            "UNSUBSCRIBE\nid:s\nreceipt:12\n\n\0UNSUBSCRIBE\nid:r\nreceipt:13\n\n\0UNSUBSCRIBE\nid:e\nreceipt:14\n\n\0";
        frames += "DISCONNECT\nreceipt:15\n\n\0";
        speaker.send(&frames).await;
        for n in 1..=15 {
            let receipt = speaker.until("RECEIPT").await;
            assert_eq!(receipt.header("receipt-id"), Some(&*n.to_string()), "{version}");
            assert_eq!(receipt.body, "");
        }
        assert_eq!(speaker.event().await, Event::Closed(Some(1000)));
    }
}

/// STOMP 1.2, RECEIPT (1.0 and 1.1: "will include"): "A `RECEIPT` frame MUST include the header `receipt-id`, where the
/// value is the value of the `receipt` header in the frame which this is a receipt for."
#[tokio::test]
async fn a_receipt_id_is_the_value_that_was_sent() {
    let server = Server::start().await;
    for (version, values) in [
        ("1.0", ["7", "영수증", "a:b", "a\\b"]),
        ("1.1", ["7", "영수증 ", "a\\cb", "a\\\\b\\n"]),
        ("1.2", [" 7", "영수증", "a\\cb\\r", "a\\\\b\\n"]),
    ] {
        let mut speaker = server.speaker("a", version).await;
        for value in values {
            let frame = format!("BEGIN\ntransaction:t\nreceipt:{value}\n\n\0ABORT\ntransaction:t\n\n\0");
            speaker.send(&frame).await;
            assert!(speaker.receipt(value).await.is_empty(), "{version} {value}");
        }
    }
}

/// STOMP 1.2, RECEIPT (1.1 alike): "A `RECEIPT` frame is sent from the server to the client once a server has
/// successfully processed a client frame that requests a receipt." For SEND that means: it outlives the server.
#[tokio::test]
async fn a_message_with_a_receipt_survives_the_server_being_killed() {
    let mut server = Server::start().await;
    let room = server.room("a").await;
    let mut speaker = server.speaker("a", "1.2").await;
    speaker.say(room, "kept").await;
    server.kill();
    server.restart().await;
    let log = server.store().newest(room, None, 10).await.unwrap().entries;
    assert_eq!(log.iter().map(|entry| &*entry.message).collect::<Vec<_>>(), ["kept"]);
}

/// STOMP 1.2, RECEIPT: "If the client disconnects, previously received frames SHOULD continue to get processed by the
/// server."
#[tokio::test]
async fn what_was_sent_before_hanging_up_is_processed() {
    const SENDS: u64 = 50;
    let server = Server::start().await;
    for politely in [true, false] {
        let room = server.room("a").await;
        let mut raw = server.raw_connected("a").await;
        let token = server.token("a");
        for n in 0..SENDS {
            let body = format!("{{\"roomId\":\"{room}\",\"message\":\"{n}\"}}");
            raw.frame(FIN | TEXT, format!("SEND\ndestination:/pub/chat/message\ntoken:{token}\n\n{body}\0").as_bytes())
                .await;
        }
        if politely {
            raw.frame(FIN | TEXT, b"DISCONNECT\n\n\0").await;
        }
        drop(raw);
        eventually("all of them are there", || async { server.room_state(room).await.last_offset == SENDS }).await;
    }
}

/// STOMP 1.2, DISCONNECT (1.1 alike): "send a `DISCONNECT` frame with a `receipt` header set [...] wait for the `RECEIPT`
/// frame response to the `DISCONNECT`". Over a WebSocket, too, it comes before the close; and it comes after the
/// receipts of everything before it.
#[tokio::test]
async fn the_receipt_of_disconnect_comes_last_and_then_the_close() {
    let server = Server::start().await;
    let room = server.room("a").await;
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        let sends: String = (0..10).map(|n| speaker.talk(room, "x", &format!("receipt:{n}\n"))).collect();
        speaker.send(&(sends + "DISCONNECT\nreceipt:bye\n\n\0")).await;
        let before = speaker.receipt("bye").await;
        let ids: Vec<String> = before.iter().map(|frame| frame.header("receipt-id").unwrap().to_owned()).collect();
        assert_eq!(ids, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(speaker.event().await, Event::Closed(Some(1000)));
    }
    // As the specification's own example prints it, without the blank line; and without asking for a receipt.
    for frame in ["DISCONNECT\nreceipt:77\n\0", "DISCONNECT\n\n\0"] {
        let mut speaker = server.speaker("a", "1.2").await;
        speaker.send(frame).await;
        if frame.contains("77") {
            speaker.receipt("77").await;
        }
        assert_eq!(speaker.event().await, Event::Closed(Some(1000)), "{frame:?}");
    }
}

/// STOMP 1.2, DISCONNECT (1.1 alike): "Clients MUST NOT send any more frames after the `DISCONNECT` frame is sent."
/// What comes anyway is not processed, and nobody leaves twice.
#[tokio::test]
async fn nothing_is_processed_after_disconnect() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut witness = server.speaker("witness", "1.2").await;
    witness.enter("w", room).await;
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        speaker.enter("s", room).await;
        assert_eq!(witness.message().await.json()["type"], "ENTER");
        let late = speaker.talk(room, "too late", "receipt:late\n");
        let said = speaker.talk(room, "in time", "");
        speaker.send(&format!("{said}DISCONNECT\nreceipt:bye\n\n\0{late}DISCONNECT\nreceipt:again\n\n\0")).await;
        speaker.send(&late).await;
        let before = speaker.receipt("bye").await;
        assert!(before.iter().all(|frame| frame.command == "MESSAGE"), "{before:?}");
        // The broadcaster may still come by between the receipt and the close; nothing else may.
        loop {
            match speaker.event().await {
                Event::Frame(frame) if frame.command == "MESSAGE" => {}
                end => break assert_eq!(end, Event::Closed(Some(1000))),
            }
        }
        assert_eq!(witness.message().await.json()["message"], "in time");
        assert_eq!(witness.message().await.json()["type"], "QUIT");
    }
    witness.send(&witness.talk(room, "marker", "")).await;
    let marker = witness.message().await.json();
    assert_eq!((marker["message"].as_str(), marker["userCount"].as_u64()), (Some("marker"), Some(1)));
}
