//! STOMP, ERROR: the specification's sentences over a socket. That an ERROR is whole, has its headers and is followed
//! by the close and nothing else is looked at by `Client::end`, which every test of a refusal goes through.

use crate::support::Server;
use crate::support::speaker::VERSIONS;

/// STOMP 1.2, Client Frames (1.1 without "and then close"): "A client MAY send a frame not in this list, but for such a
/// frame a STOMP 1.2 server MAY respond with an `ERROR` frame and then close the connection."
#[tokio::test]
async fn a_command_that_no_client_sends_is_refused() {
    let server = Server::start().await;
    for version in VERSIONS {
        for command in ["PUBLISH", "MESSAGE", "RECEIPT", "ERROR", "CONNECTED", "GET / HTTP/1.1", "전송", "SEND "] {
            let mut speaker = server.speaker("a", version).await;
            let error = speaker.refused(&format!("{command}\ndestination:/pub/chat/message\n\n\0")).await;
            assert_eq!(error.header("code"), Some("unknown_command"), "{command}");
        }
    }
}

/// STOMP 1.2, ERROR (1.1 silent on closing): "The server MAY send `ERROR` frames if something goes wrong. In this case,
/// it MUST then close the connection just after sending the `ERROR` frame." Not all brokers do; and what follows the
/// faulty frame, here in the same WebSocket message, is not processed.
#[tokio::test]
async fn nothing_is_processed_after_error() {
    let server = Server::start().await;
    let room = server.room("a").await;
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        let late = speaker.talk(room, "too late", "receipt:late\n");
        speaker.send(&format!("SUBSCRIBE\nid:s\ndestination:/nowhere\n\n\0{late}")).await;
        speaker.send(&late).await;
        assert_eq!(speaker.end().await.header("code"), Some("unknown_destination"));
        // The socket is closed in both directions soon, whatever the client does.
        assert_eq!(speaker.close_code().await, None);
    }
    server.speaker("a", "1.2").await.say(room, "marker").await;
    assert_eq!(server.room_state(room).await.last_offset, 1);
}

/// STOMP 1.2, ERROR (1.0: "should", 1.1 alike): "The `ERROR` frame SHOULD contain a `message` header with a short
/// description of the error, and the body MAY contain more detailed information (or MAY be empty)."
#[tokio::test]
async fn an_error_has_one_line_for_people_and_the_details_in_its_body() {
    let server = Server::start().await;
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        let error = speaker.refused("SUBSCRIBE\nid:s\ndestination:/topic/a\n\n\0").await;
        let message = error.header("message").unwrap();
        assert!(message.len() < 100, "{message}");
        assert!(error.body.starts_with(message) && error.body.contains("/sub/chat/room/{roomId}"), "{error:?}");
    }
}

/// STOMP 1.2, ERROR (1.1 alike): "If the error is related to a specific frame sent from the client, the server SHOULD add
/// additional headers to help identify the original frame that caused the error. For example, if the frame included a
/// receipt header, the `ERROR` frame SHOULD set the `receipt-id` header to match the value of the `receipt` header of
/// the frame which the error is related to."
///
/// Not so for an unknown command: what its other lines mean is as unknown as the command.
#[tokio::test]
async fn an_error_quotes_the_receipt_of_the_frame_that_caused_it() {
    let server = Server::start().await;
    for version in VERSIONS {
        for frame in [
            "SUBSCRIBE\nid:s\ndestination:/sub/chat/room/123e4567-e89b-42d3-a456-426614174000\nreceipt:번호\\\\7\n\n\0",
            "SEND\nreceipt:번호\\\\7\ndestination:/pub/chat/message\n\n{}\0",
            "SEND\nreceipt:번호\\\\7\nno colon\n\n\0",
            "ABORT\ntransaction:never\nreceipt:번호\\\\7\n\n\0",
        ] {
            let mut speaker = server.speaker("a", version).await;
            assert_eq!(speaker.refused(frame).await.header("receipt-id"), Some("번호\\\\7"), "{version} {frame:?}");
        }
        let mut speaker = server.speaker("a", version).await;
        speaker.send("BEGIN\ntransaction:t\nreceipt:done\n\n\0").await;
        speaker.receipt("done").await;
        let error = speaker.refused("BEGIN\ntransaction:t\n\n\0").await;
        assert_eq!(error.header("receipt-id"), None, "nothing of an earlier frame");
    }
}

/// An ERROR before CONNECTED is an ERROR as any other: told, then closed.
#[tokio::test]
async fn before_connect_every_frame_is_an_error() {
    let server = Server::start().await;
    for frame in [
        "SUBSCRIBE\nid:s\ndestination:/sub/chat/rooms\nreceipt:7\n\n\0",
        "SEND\ndestination:/pub/chat/message\nreceipt:7\n\n{}\0",
        "DISCONNECT\nreceipt:7\n\n\0",
        "BEGIN\ntransaction:t\nreceipt:7\n\n\0",
    ] {
        let mut client = server.socket().await;
        client.send(frame).await;
        let error = client.end().await;
        assert_eq!((error.header("code"), error.header("receipt-id")), (Some("not_connected"), Some("7")), "{frame:?}");
    }
}
