//! STOMP, ACK and NACK: the specification's sentences over a socket.
//!
//! A subscription is a cursor in a room's log: what was delivered is never taken back, and a client that has missed
//! something reads it again with `after`. So acknowledgements change nothing here. They are checked for what the
//! specification requires of them and answered with the RECEIPT they ask for. The server does not keep a list of what
//! waits to be acknowledged, hence does not tell an `id` that it once gave from one that it never did.

use crate::support::Server;
use crate::support::speaker::VERSIONS;

/// What ACK and NACK need besides the subscription, as this version writes it.
fn named(version: &str, message: &crate::support::Frame) -> String {
    let id = message.header("message-id").unwrap();
    match version {
        "1.0" => format!("message-id:{id}\n"),
        "1.1" => format!("message-id:{id}\nsubscription:{}\n", message.header("subscription").unwrap()),
        _ => format!("id:{}\n", message.header("ack").unwrap()),
    }
}

/// STOMP 1.2, MESSAGE: "If the message is received from a subscription that requires explicit acknowledgment (either
/// `client` or `client-individual` mode) then the `MESSAGE` frame MUST also contain an `ack` header with an arbitrary
/// value." That goes for every destination.
#[tokio::test]
async fn a_message_to_be_acknowledged_has_an_ack_header() {
    let server = Server::start().await;
    let room = server.room("a").await;
    for mode in ["client", "client-individual"] {
        let mut speaker = server.speaker(mode, "1.2").await;
        for (id, destination) in [
            ("errors", "/user/queue/errors"),
            ("rooms", "/sub/chat/rooms"),
            ("room", &format!("/sub/chat/room/{room}")),
        ] {
            speaker.send(&format!("SUBSCRIBE\nid:{id}\ndestination:{destination}\nack:{mode}\n\n\0")).await;
        }
        speaker.send(&speaker.talk_body("{", "")).await;
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 3 {
            let message = speaker.message().await;
            assert!(message.header("ack").is_some_and(|ack| !ack.is_empty()), "{message:?}");
            seen.insert(message.header("subscription").unwrap().to_owned());
        }
    }
    let mut auto = server.speaker("auto", "1.2").await;
    auto.listen_for_errors().await;
    auto.send(&auto.talk_body("{", "")).await;
    assert_eq!(auto.message().await.header("ack"), None);
    auto.subscribe("s", room, "").await;
    assert_eq!(auto.message().await.header("ack"), None);
}

/// STOMP 1.2, SUBSCRIBE ack Header (1.1 alike): "The `ACK` frames sent by the client will be treated as a cumulative
/// acknowledgment. This means the acknowledgment operates on the message specified in the `ACK` frame and all messages
/// sent to the subscription before the `ACK`'ed message." And on `client-individual`: "an `ACK` or `NACK` frame for a
/// subsequent message MUST NOT cause a previous message to get acknowledged."
///
/// So in both modes the third message may be acknowledged, and then the first; nothing is delivered again, whatever is
/// acknowledged or not, STOMP 1.2, NACK: "The exact behavior is server specific".
#[tokio::test]
async fn messages_are_acknowledged_in_any_order_and_nothing_comes_twice() {
    let server = Server::start().await;
    for version in VERSIONS {
        let modes: &[_] = if version == "1.0" { &["client"] } else { &["client", "client-individual"] };
        for mode in modes {
            let room = server.room("a").await;
            let mut speaker = server.speaker("a", version).await;
            speaker.subscribe("s", room, &format!("ack:{mode}\n")).await;
            let mut messages = vec![speaker.message().await];
            for text in ["two", "three"] {
                speaker.send(&speaker.talk(room, text, "")).await;
                messages.push(speaker.message().await);
            }
            for (n, command) in [(2, "ACK"), (0, "ACK"), (1, if version == "1.0" { "ACK" } else { "NACK" })] {
                speaker.send(&format!("{command}\n{}receipt:{n}\n\n\0", named(version, &messages[n]))).await;
                assert!(speaker.receipt(&n.to_string()).await.is_empty());
            }
            speaker.send(&speaker.talk(room, "four", "")).await;
            assert_eq!(speaker.message().await.json()["message"], "four");
        }
    }
}

/// STOMP 1.2, ACK: "The `ACK` frame MUST include an `id` header matching the `ack` header of the `MESSAGE` being
/// acknowledged." NACK: "`NACK` takes the same headers as `ACK`: `id` (REQUIRED) and `transaction` (OPTIONAL)."
#[tokio::test]
async fn in_1_2_ack_and_nack_need_an_id() {
    let server = Server::start().await;
    for command in ["ACK", "NACK"] {
        let mut speaker = server.speaker("a", "1.2").await;
        let error = speaker.refused(&format!("{command}\nmessage-id:1\nsubscription:s\nreceipt:7\n\n\0")).await;
        assert_eq!((error.header("code"), error.header("receipt-id")), (Some("missing_header"), Some("7")));
        assert!(error.header("message").unwrap().contains(command), "{error:?}");
    }
}

/// STOMP 1.1, ACK: "`ACK` has two REQUIRED headers: `message-id`, which MUST contain a value matching the `message-id`
/// for the `MESSAGE` being acknowledged and `subscription`, which MUST be set to match the value of the subscription's
/// `id` header." STOMP 1.0, ACK: "ACK has one required header, message-id".
#[tokio::test]
async fn in_1_1_ack_needs_message_and_subscription_and_in_1_0_the_message() {
    let server = Server::start().await;
    let room = server.room("a").await;
    for command in ["ACK", "NACK"] {
        for (headers, code) in [
            ("id:1\nsubscription:s\n", "missing_header"),
            ("message-id:1\n", "missing_header"),
            ("message-id:1\nsubscription:other\n", "subscription_unknown"),
        ] {
            let mut speaker = server.speaker("a", "1.1").await;
            speaker.subscribe("s", room, "ack:client\n").await;
            let error = speaker.refused(&format!("{command}\n{headers}\n\0")).await;
            assert_eq!(error.header("code"), Some(code), "{headers}");
        }
    }
    let mut speaker = server.speaker("a", "1.0").await;
    assert_eq!(speaker.refused("ACK\nid:1\n\n\0").await.header("code"), Some("missing_header"));
}

/// STOMP 1.0 has no NACK; a client that sends one anyway believes in something that is not so.
#[tokio::test]
async fn in_1_0_there_is_no_nack() {
    let server = Server::start().await;
    let mut speaker = server.speaker("a", "1.0").await;
    assert_eq!(speaker.refused("NACK\nmessage-id:1\n\n\0").await.header("code"), Some("unknown_command"));
}

/// STOMP 1.2, ACK (1.1 alike): "Optionally, a `transaction` header MAY be specified, indicating that the message
/// acknowledgment SHOULD be part of the named transaction."
#[tokio::test]
async fn ack_may_be_part_of_an_open_transaction() {
    let server = Server::start().await;
    let room = server.room("a").await;
    for version in VERSIONS {
        let commands: &[_] = if version == "1.0" { &["ACK"] } else { &["ACK", "NACK"] };
        for command in commands {
            let mut speaker = server.speaker(&format!("{version}-{command}"), version).await;
            speaker.subscribe("s", room, "ack:client\n").await;
            let named = named(version, &speaker.message().await);
            for end in ["COMMIT", "ABORT"] {
                let frames = format!(
                    "BEGIN\ntransaction:t\n\n\0{command}\n{named}transaction:t\nreceipt:1\n\n\0{end}\ntransaction:t\nreceipt:2\n\n\0"
                );
                speaker.send(&frames).await;
                speaker.receipt("1").await;
                speaker.receipt("2").await;
            }
            let error = speaker.refused(&format!("{command}\n{named}transaction:t\n\n\0")).await;
            assert_eq!(error.header("code"), Some("transaction_unknown"));
        }
    }
}
