//! STOMP, frames and headers: the specification's sentences over a socket.

use std::fmt::Write as _;

use crate::support::raw::{BINARY, FIN, TEXT};
use crate::support::speaker::VERSIONS;
use crate::support::{Event, Server};

/// STOMP 1.2, STOMP Frames (1.1 alike): "All commands and header names referenced in this document are case
/// sensitive."
#[tokio::test]
async fn commands_and_header_names_are_case_sensitive() {
    let server = Server::start().await;
    for version in VERSIONS {
        let mut lower = server.speaker("a", version).await;
        assert_eq!(lower.refused("send\n\n\0").await.header("code"), Some("unknown_command"));
        let mut upper = server.speaker("a", version).await;
        let error = upper.refused("SUBSCRIBE\nid:s\nDestination:/sub/chat/rooms\n\n\0").await;
        assert_eq!(error.header("code"), Some("missing_header"));
        assert!(error.header("message").unwrap().contains("destination"), "{error:?}");
    }
}

/// STOMP 1.2, STOMP Frames: "The frame starts with a command string terminated by an end-of-line (EOL), which consists
/// of an OPTIONAL carriage return (octet 13) followed by a REQUIRED line feed (octet 10)."
#[tokio::test]
async fn lines_end_in_lf_or_in_cr_lf() {
    let server = Server::start().await;
    server.known("a").await;
    let mut client = server.socket().await;
    client.send(&format!("CONNECT\r\naccept-version:1.2\nhost:x\r\ntoken:{}\r\n\r\n\0", server.token("a"))).await;
    assert_eq!(client.frame().await.header("version"), Some("1.2"));
    client.send("SUBSCRIBE\r\nid:s\r\ndestination:/sub/chat/rooms\r\nreceipt:7\r\n\r\n\0").await;
    assert_eq!(client.frame().await.header("receipt-id"), Some("7"));
}

/// STOMP 1.2, STOMP Frames (1.1: "newlines"): "The NULL octet can be optionally followed by multiple EOLs."
#[tokio::test]
async fn line_ends_between_frames_do_no_harm() {
    let server = Server::start().await;
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        let eols = if version == "1.2" { "\n\r\n\n" } else { "\n\n\n" };
        speaker.send(&format!("{eols}SUBSCRIBE\nid:s\ndestination:/sub/chat/rooms\nreceipt:7\n\n\0{eols}")).await;
        speaker.send(eols).await;
        speaker.receipt("7").await;
        assert!(speaker.sync().await.is_empty());
    }
}

/// STOMP 1.2, Value Encoding (1.1: "colon or newline octets"): "All frames except the `CONNECT` and `CONNECTED` frames
/// will also escape any carriage return, line feed or colon found in the resulting UTF-8 encoded headers."
/// And (1.1 alike): "Conversely when encoding frame headers, the reverse transformation MUST be applied."
#[tokio::test]
async fn what_came_escaped_goes_out_escaped() {
    let server = Server::start().await;
    let room = server.room("a").await;
    for (version, id) in [("1.0", "a\\cb\\n\\\\"), ("1.1", "a\\cb\\n\\\\방"), ("1.2", "a\\cb\\n\\r\\\\방")] {
        let mut speaker = server.speaker(version, version).await;
        speaker.subscribe(id, room, "").await;
        assert_eq!(speaker.message().await.header("subscription"), Some(id), "{version}");
        speaker.send(&format!("UNSUBSCRIBE\nid:{id}\nreceipt:{id}\n\n\0")).await;
        speaker.receipt(id).await;
    }
}

/// STOMP 1.2, Value Encoding: "Undefined escape sequences such as `\t` (octet 92 and 116) MUST be treated as a fatal
/// protocol error." STOMP 1.1: "Undefined escape sequences such as `\r` (octet 92 and 114) MUST be treated as a fatal
/// protocol error."
#[tokio::test]
async fn an_undefined_escape_is_fatal() {
    let server = Server::start().await;
    for (version, escape) in
        [("1.1", "\\t"), ("1.1", "\\r"), ("1.1", "\\"), ("1.2", "\\t"), ("1.2", "\\N"), ("1.2", "\\")]
    {
        let mut speaker = server.speaker("a", version).await;
        let error = speaker.refused(&format!("SEND\ndestination:/pub/chat/message\nx:{escape}\n\n{{}}\0")).await;
        assert_eq!(error.header("code"), Some("bad_frame"), "{version} {escape}");
        assert!(error.header("message").unwrap().contains('x'), "it names the header: {error:?}");
    }
}

/// STOMP 1.2, Value Encoding (1.1 alike): "In STOMP 1.2, clients and servers MUST never trim or pad headers with
/// spaces."
#[tokio::test]
async fn spaces_around_a_value_are_part_of_it() {
    let server = Server::start().await;
    for version in ["1.1", "1.2"] {
        let mut speaker = server.speaker("a", version).await;
        speaker.send("SUBSCRIBE\nid:s\ndestination:/sub/chat/rooms\nreceipt: 7 \n\n\0").await;
        speaker.receipt(" 7 ").await;
        let error = speaker.refused("SUBSCRIBE\nid:t\ndestination: /sub/chat/rooms\n\n\0").await;
        assert_eq!(error.header("code"), Some("unknown_destination"));
    }
}

/// STOMP 1.0, SUBSCRIBE, as its own example pads it: "SUBSCRIBE / destination: /queue/foo / ack: client".
#[tokio::test]
async fn in_1_0_a_value_may_be_padded() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut speaker = server.speaker("a", "1.0").await;
    speaker.send(&format!("SUBSCRIBE\ndestination: /sub/chat/room/{room}\nack: client\nreceipt: 7\n\n\0")).await;
    speaker.receipt("7").await;
    assert_eq!(speaker.message().await.json()["type"], "ENTER");
}

/// STOMP 1.2, Body (1.1: "can have a body"): "Only the `SEND`, `MESSAGE`, and `ERROR` frames MAY have a body. All other
/// frames MUST NOT have a body."
#[tokio::test]
async fn only_send_has_a_body() {
    let server = Server::start().await;
    for version in ["1.1", "1.2"] {
        for frame in [
            "SUBSCRIBE\nid:s\ndestination:/sub/chat/rooms\n\nbody\0",
            "SUBSCRIBE\nid:s\ndestination:/sub/chat/rooms\ncontent-length:4\n\nbody\0",
            "BEGIN\ntransaction:t\n\n \0",
            "DISCONNECT\n\nbye\0",
        ] {
            let mut speaker = server.speaker("a", version).await;
            assert_eq!(speaker.refused(frame).await.header("code"), Some("bad_frame"), "{frame:?}");
        }
    }
}

/// STOMP 1.0, SUBSCRIBE: "The body of the SUBSCRIBE command is ignored."
#[tokio::test]
async fn in_1_0_the_body_of_subscribe_is_ignored() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut speaker = server.speaker("a", "1.0").await;
    speaker.send(&format!("SUBSCRIBE\ndestination:/sub/chat/room/{room}\nreceipt:7\n\nwhat for?\0")).await;
    speaker.receipt("7").await;
    assert_eq!(speaker.message().await.json()["type"], "ENTER");
}

/// STOMP 1.2, Header content-length (1.1 alike): "If a `content-length` header is included, this number of octets MUST
/// be read, regardless of whether or not there are NULL octets in the body."
#[tokio::test]
async fn content_length_counts_over_nul_octets() {
    let server = Server::start().await;
    for version in VERSIONS {
        let room = server.room("a").await;
        let mut speaker = server.speaker("a", version).await;
        speaker.listen_for_errors().await;
        speaker.enter("s", room).await;
        // A bare NUL in a string is no JSON; that it is told so, and the next frame is read, shows where it ended.
        let body = format!("{{\"roomId\":\"{room}\",\"message\":\"\0SEND\n\n\0\"}}");
        speaker.send(&speaker.talk_body(&body, &format!("content-length:{}\n", body.len()))).await;
        assert_eq!(speaker.message().await.json()["code"], "bad_payload");
        speaker.send(&speaker.talk(room, "next", "")).await;
        assert_eq!(speaker.message().await.json()["message"], "next");
    }
}

/// STOMP 1.2, Header content-length (1.0 and 1.1 alike): "The frame still needs to be terminated with a NULL octet."
#[tokio::test]
async fn behind_the_counted_body_stands_nul() {
    let server = Server::start().await;
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        let error = speaker.refused("SEND\ndestination:/pub/chat/message\nreceipt:7\ncontent-length:1\n\n{}\0").await;
        assert_eq!(error.header("code"), Some("bad_frame"));
        assert_eq!(error.header("receipt-id"), Some("7"), "also a broken frame is named by its receipt");
    }
}

/// STOMP 1.2, Header content-length: "All frames MAY include a `content-length` header."
#[tokio::test]
async fn every_frame_may_have_a_content_length() {
    let server = Server::start().await;
    for version in VERSIONS {
        let mut speaker = server.speaker_with("a", version, "content-length:0\n").await;
        speaker.send("SUBSCRIBE\nid:s\ndestination:/sub/chat/rooms\ncontent-length:0\nreceipt:1\n\n\0").await;
        speaker.receipt("1").await;
        speaker.send("UNSUBSCRIBE\nid:s\ncontent-length:0\nreceipt:2\n\n\0").await;
        speaker.receipt("2").await;
    }
}

/// STOMP 1.2, Header content-type (1.1 alike): "If a frame body is present, the `SEND`, `MESSAGE` and `ERROR` frames
/// SHOULD include a `content-type` header to help the receiver of the frame interpret its body." And 1.2: "If the
/// `content-type` header is set, its value MUST be a MIME type which describes the format of the body." Header
/// content-length (1.1 alike): "If a frame body is present, the `SEND`, `MESSAGE` and `ERROR` frames SHOULD include a
/// `content-length` header to ease frame parsing." (That of ERROR is looked at wherever a test waits for one.)
#[tokio::test]
async fn every_message_names_its_type_and_length() {
    let server = Server::start().await;
    let room = server.room("a").await;
    for version in VERSIONS {
        let mut speaker = server.speaker(version, version).await;
        speaker.listen_for_errors().await;
        speaker.send("SUBSCRIBE\nid:rooms\ndestination:/sub/chat/rooms\n\n\0").await;
        speaker.subscribe("s", room, "").await;
        speaker.send(&speaker.talk_body("{}", "")).await;
        let mut kinds = std::collections::BTreeSet::new();
        while kinds.len() < 3 {
            let message = speaker.message().await;
            assert_eq!(message.header("content-type"), Some("application/json;charset=UTF-8"), "{message:?}");
            assert_eq!(message.header("content-length"), Some(&*message.body.len().to_string()), "{message:?}");
            assert!(message.json().is_object());
            kinds.insert(message.header("destination").unwrap().to_owned());
        }
    }
}

/// STOMP 1.2, Header content-type (1.1 alike): "All STOMP clients and servers MUST support UTF-8 encoding and decoding."
#[tokio::test]
async fn text_of_every_script_goes_round_unchanged() {
    const SAID: &str = "안녕하세요 — 👩\u{200D}👧 \u{1100}\u{1161} \u{202E}rtl\u{202C} \u{10FFFF}";
    let server = Server::start().await;
    for version in VERSIONS {
        let room = server.room("사랑방").await;
        let mut speaker = server.speaker("홍길동", version).await;
        assert_eq!(speaker.connected.header("user-name"), Some("홍길동"));
        speaker.enter("구독", room).await;
        speaker.send(&speaker.talk(room, SAID, "")).await;
        let message = speaker.message().await;
        assert_eq!(message.json()["message"], SAID);
        assert_eq!(message.header("subscription"), Some("구독"));
        let binary = speaker.talk(room, SAID, "").into_bytes();
        speaker.send_message(tokio_websockets::Message::binary(binary)).await;
        assert_eq!(speaker.message().await.json()["message"], SAID);
    }
}

/// STOMP 1.2, Repeated Header Entries (1.1: "the client"): "If a client or a server receives repeated frame header
/// entries, only the first header entry SHOULD be used as the value of header entry."
#[tokio::test]
async fn of_repeated_headers_the_first_counts() {
    let server = Server::start().await;
    let (first, second) = (server.room("first").await, server.room("second").await);
    for version in VERSIONS {
        let mut speaker = server.speaker(version, version).await;
        speaker.subscribe("s", first, &format!("id:t\ndestination:/sub/chat/room/{second}\nreceipt:later\n")).await;
        let enter = speaker.message().await;
        assert_eq!(
            (enter.header("subscription"), enter.json()["roomId"].as_str()),
            (Some("s"), Some(&*first.to_string()))
        );
        speaker.send("DISCONNECT\nreceipt:1\nreceipt:2\n\n\0").await;
        speaker.receipt("1").await;
        assert_eq!(speaker.event().await, Event::Closed(Some(1000)));
    }
    assert_eq!(server.room_state(second).await.last_offset, 0, "nobody ever came");
}

/// STOMP 1.2, Size Limits (1.1: "and disconnect the client"): "If these limits are exceeded the server SHOULD send the
/// client an `ERROR` frame and then close the connection." Each names its limit.
#[tokio::test]
async fn a_frame_over_a_limit_is_told_which() {
    let server = Server::start().await;
    let many = (0..65).fold(String::new(), |mut all, n| {
        let _ = writeln!(all, "h{n}:x");
        all
    });
    let line = format!("h:{}\n", "x".repeat(8 * 1024));
    let lines = format!("h:{}\n", "x".repeat(6 * 1024)).repeat(3);
    for version in VERSIONS {
        for (frame, limit) in [
            (format!("SEND\n{many}\n\0"), "64 headers"),
            (format!("SEND\n{line}\n\0"), "8192"),
            (format!("SEND\n{lines}\n\0"), "16384"),
            ("SEND\ncontent-length:4294967296\n\nx".to_owned(), "65536"),
            ("SEND\ncontent-length:99999999999999999999999\n\nx".to_owned(), "65536"),
            (format!("SEND\n\n{}\0", "x".repeat(64 * 1024)), "65536"),
        ] {
            let mut speaker = server.speaker("a", version).await;
            let error = speaker.refused(&frame).await;
            assert!(error.header("message").unwrap().contains(limit), "{limit}: {error:?}");
        }
    }
}

/// STOMP 1.0, Augmented BNF (1.1 and 1.2 alike): "frame-stream = 1*frame". WebSocket messages are pieces of that
/// stream: they may hold several frames, or a part of one.
#[tokio::test]
async fn frames_are_a_stream_however_it_is_cut() {
    let server = Server::start().await;
    let room = server.room("a").await;
    // One message, then a message for each octet (also within a letter, hence binary), then something between.
    for (name, size) in [("whole", usize::MAX), ("octets", 1), ("pieces", 97)] {
        server.known(name).await;
        let token = server.token(name);
        let send = |text: &str| {
            let body = format!("{{\"roomId\":\"{room}\",\"message\":\"{text}\"}}");
            format!("SEND\ndestination:/pub/chat/message\ntoken:{token}\n\n{body}\0")
        };
        let connect = format!("CONNECT\naccept-version:1.2\ntoken:{token}\n\n\0");
        let subscribe = format!("SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{room}\n\n\0\n");
        let all = connect + &subscribe + &send("하나") + &send("둘");
        let mut raw = server.raw().await;
        for piece in all.as_bytes().chunks(size) {
            raw.frame(FIN | if size == usize::MAX { TEXT } else { BINARY }, piece).await;
        }
        assert!(raw.text().await.starts_with("CONNECTED\n"));
        for expected in ["입장", "하나", "둘"] {
            let message = raw.text().await;
            assert!(message.contains(expected), "{name}, {expected}: {message}");
        }
    }
}
