//! STOMP, SUBSCRIBE and UNSUBSCRIBE: the specification's sentences over a socket.

use crate::support::Server;
use crate::support::speaker::VERSIONS;

/// STOMP 1.2, SUBSCRIBE (1.0 and 1.1 alike): "the `SUBSCRIBE` frame requires a `destination` header indicating the
/// destination to which the client wants to subscribe."
#[tokio::test]
async fn subscribe_needs_a_destination() {
    let server = Server::start().await;
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        let error = speaker.refused("SUBSCRIBE\nid:s\nreceipt:7\n\n\0").await;
        assert_eq!((error.header("code"), error.header("receipt-id")), (Some("missing_header"), Some("7")));
        assert!(error.header("message").unwrap().contains("destination"), "{error:?}");
    }
}

/// STOMP 1.2, SUBSCRIBE (1.1 alike): "Any messages received on the subscribed destination will henceforth be delivered
/// as `MESSAGE` frames from the server to the client." Henceforth begins at the latest with the RECEIPT.
#[tokio::test]
async fn what_is_said_after_the_receipt_of_subscribe_always_arrives() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut talker = server.speaker("talker", "1.2").await;
    // Nobody leaves meanwhile: a QUIT would come between.
    let mut listeners = Vec::new();
    for turn in 0..20 {
        let mut listener = server.speaker(&format!("listener{turn}"), VERSIONS[turn % 3]).await;
        assert!(listener.subscribe("s", room, "").await.is_empty());
        talker.say(room, &turn.to_string()).await;
        assert_eq!(listener.message().await.json()["type"], "ENTER");
        assert_eq!(listener.message().await.json()["message"], turn.to_string());
        listeners.push(listener);
    }
}

/// STOMP 1.2, SUBSCRIBE (1.1 alike): "If the sever cannot successfully create the subscription, the server MUST send
/// the client an `ERROR` frame and then close the connection."
///
/// On purpose: whoever listens on `/user/queue/errors` is told there that a room is gone, and the session goes on.
#[tokio::test]
async fn what_cannot_be_subscribed_to_is_refused() {
    let server = Server::start().await;
    let unknown = "/sub/chat/room/123e4567-e89b-42d3-a456-426614174000";
    for version in VERSIONS {
        for (destination, code) in [
            (unknown, "room_unknown"),
            ("/sub/chat/room/x", "room_unknown"),
            ("/sub/chat/room/", "room_unknown"),
            ("/topic/a", "unknown_destination"),
            ("/pub/chat/message", "unknown_destination"),
            ("", "unknown_destination"),
        ] {
            let mut speaker = server.speaker("a", version).await;
            let error = speaker.refused(&format!("SUBSCRIBE\nid:s\ndestination:{destination}\nreceipt:7\n\n\0")).await;
            assert_eq!(error.header("code"), Some(code), "{destination}");
            assert_eq!(error.header("receipt-id"), Some("7"), "{destination}");
        }
        let mut listens = server.speaker("a", version).await;
        listens.listen_for_errors().await;
        listens.send(&format!("SUBSCRIBE\nid:s\ndestination:{unknown}\nreceipt:7\n\n\0")).await;
        let told = listens.message().await;
        assert_eq!((told.json()["code"].as_str(), told.header("receipt-id")), (Some("room_unknown"), Some("7")));
        assert!(listens.sync().await.is_empty(), "no RECEIPT for what was refused");
        // The id is free again: there was never a subscription of that name.
        listens.send("SUBSCRIBE\nid:s\ndestination:/sub/chat/rooms\nreceipt:8\n\n\0").await;
        listens.receipt("8").await;
    }
}

/// STOMP 1.2, SUBSCRIBE id Header (1.1 alike): "Since a single connection can have multiple open subscriptions with a
/// server, an `id` header MUST be included in the frame to uniquely identify the subscription."
#[tokio::test]
async fn since_1_1_subscribe_needs_an_id() {
    let server = Server::start().await;
    let room = server.room("a").await;
    for version in ["1.1", "1.2"] {
        for id in ["", "id:\n"] {
            let mut speaker = server.speaker("a", version).await;
            let error = speaker.refused(&format!("SUBSCRIBE\n{id}destination:/sub/chat/room/{room}\n\n\0")).await;
            assert_eq!(error.header("code"), Some("missing_header"));
            assert!(error.header("message").unwrap().contains("id"), "{error:?}");
        }
    }
    assert_eq!(server.room_state(room).await.last_offset, 0, "nobody ever came");
}

/// STOMP 1.0, SUBSCRIBE: "If an id header is supplied then Stomp brokers should append a subscription header to any
/// MESSAGE commands which are sent to the client so that the client knows which subscription the message relates to."
#[tokio::test]
async fn in_1_0_the_id_is_optional_and_comes_back_where_it_was_given() {
    let server = Server::start().await;
    let (with, without) = (server.room("with").await, server.room("without").await);
    let mut speaker = server.speaker("a", "1.0").await;
    speaker.send(&format!("SUBSCRIBE\ndestination:/sub/chat/room/{without}\nreceipt:1\n\n\0")).await;
    speaker.receipt("1").await;
    let message = speaker.message().await;
    assert_eq!((message.header("subscription"), message.json()["type"].as_str()), (None, Some("ENTER")));
    speaker.subscribe("s", with, "").await;
    assert_eq!(speaker.message().await.header("subscription"), Some("s"));
}

/// STOMP 1.2, SUBSCRIBE id Header: "Within the same connection, different subscriptions MUST use different subscription
/// identifiers." (In 1.0, where no id was given, the destination is what a subscription is called by.)
#[tokio::test]
async fn the_same_id_twice_is_refused_and_counts_nobody_twice() {
    let server = Server::start().await;
    let (room, other) = (server.room("a").await, server.room("b").await);
    let mut witness = server.speaker("witness", "1.2").await;
    witness.enter("w", room).await;
    for version in VERSIONS {
        for again in [room, other] {
            let mut speaker = server.speaker("a", version).await;
            speaker.enter("s", room).await;
            assert_eq!(witness.message().await.json()["userCount"], 2);
            let error = speaker.refused(&format!("SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{again}\n\n\0")).await;
            assert_eq!(error.header("code"), Some("subscription_exists"));
            let quit = witness.message().await.json();
            assert_eq!((quit["type"].as_str(), quit["userCount"].as_u64()), (Some("QUIT"), Some(1)));
        }
    }
    let mut unnamed = server.speaker("a", "1.0").await;
    let subscribe = "SUBSCRIBE\ndestination:/sub/chat/rooms\n\n\0";
    unnamed.send(subscribe).await;
    assert_eq!(unnamed.refused(subscribe).await.header("code"), Some("subscription_exists"));
    assert_eq!(server.room_state(other).await.last_offset, 0, "nobody ever came to the other room");
}

/// STOMP 1.2, SUBSCRIBE ack Header (1.1 alike; 1.0: auto and client): "The valid values for the `ack` header are `auto`,
/// `client`, or `client-individual`. If the header is not set, it defaults to `auto`."
#[tokio::test]
async fn ack_is_one_of_three_modes() {
    let server = Server::start().await;
    let room = server.room("a").await;
    for version in VERSIONS {
        for wrong in ["maybe", "", "Client", "client-individual "] {
            // STOMP 1.0 trims, so the last one is the mode that 1.0 does not know.
            let mut speaker = server.speaker("a", version).await;
            let error = speaker
                .refused(&format!("SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{room}\nack:{wrong}\n\n\0"))
                .await;
            assert_eq!(error.header("code"), Some("bad_frame"), "{version} {wrong:?}");
            assert!(error.header("message").unwrap().contains("client-individual"), "{error:?}");
        }
        let modes: &[_] = if version == "1.0" { &["auto", "client"] } else { &["auto", "client", "client-individual"] };
        for mode in modes {
            let mut speaker = server.speaker(&format!("{version}-{mode}"), version).await;
            speaker.subscribe("s", room, &format!("ack:{mode}\n")).await;
            let message = speaker.message().await;
            // The header `ack` is 1.2's; before, a message is acknowledged by its `message-id`.
            assert_eq!(message.header("ack").is_some(), version == "1.2" && *mode != "auto", "{message:?}");
        }
    }
}

/// STOMP 1.2, UNSUBSCRIBE: "Once the subscription is removed the STOMP connections will no longer receive messages from
/// that subscription." (1.1: "from that destination".)
#[tokio::test]
async fn after_unsubscribe_nothing_comes_from_that_subscription() {
    let server = Server::start().await;
    let mut talker = server.speaker("talker", "1.2").await;
    for version in VERSIONS {
        let room = server.room("a").await;
        let mut speaker = server.speaker("a", version).await;
        speaker.enter("one", room).await;
        speaker.subscribe("two", room, "").await;
        talker.say(room, "both").await;
        let mut both =
            [speaker.message().await, speaker.message().await].map(|m| m.header("subscription").unwrap().to_owned());
        both.sort();
        assert_eq!(both, ["one", "two"]);
        speaker.send("UNSUBSCRIBE\nid:one\nreceipt:7\n\n\0").await;
        speaker.receipt("7").await;
        for text in ["rest", "end"] {
            talker.say(room, text).await;
            let message = speaker.message().await;
            assert_eq!((message.header("subscription"), message.json()["message"].as_str()), (Some("two"), Some(text)));
        }
        speaker.send("UNSUBSCRIBE\nid:two\nreceipt:8\n\n\0").await;
        speaker.receipt("8").await;
        talker.say(room, "nobody").await;
        assert!(speaker.sync().await.is_empty());
        // The id is free again.
        speaker.enter("one", room).await;
    }
}

/// STOMP 1.2, UNSUBSCRIBE (1.1 alike): "an `id` header MUST be included in the frame to uniquely identify the
/// subscription to remove. This header MUST match the subscription identifier of an existing subscription."
#[tokio::test]
async fn unsubscribe_needs_the_id_of_a_subscription() {
    let server = Server::start().await;
    for version in ["1.1", "1.2"] {
        let mut speaker = server.speaker("a", version).await;
        let error = speaker.refused("UNSUBSCRIBE\ndestination:/sub/chat/rooms\n\n\0").await;
        assert_eq!(error.header("code"), Some("missing_header"));
    }
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        let error = speaker.refused("UNSUBSCRIBE\nid:never\nreceipt:7\n\n\0").await;
        assert_eq!((error.header("code"), error.header("receipt-id")), (Some("subscription_unknown"), Some("7")));
        let mut speaker = server.speaker("a", version).await;
        speaker.send("SUBSCRIBE\nid:s\ndestination:/sub/chat/rooms\n\n\0UNSUBSCRIBE\nid:s\nreceipt:1\n\n\0").await;
        speaker.receipt("1").await;
        assert_eq!(speaker.refused("UNSUBSCRIBE\nid:s\n\n\0").await.header("code"), Some("subscription_unknown"));
    }
}

/// STOMP 1.0, UNSUBSCRIBE: "It requires either a destination header or an id header (if the previous SUBSCRIBE operation
/// passed an id value)."
#[tokio::test]
async fn in_1_0_unsubscribe_goes_by_destination_too() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut witness = server.speaker("witness", "1.2").await;
    witness.enter("w", room).await;
    let mut speaker = server.speaker("a", "1.0").await;
    speaker.send(&format!("SUBSCRIBE\ndestination:/sub/chat/room/{room}\n\n\0")).await;
    assert_eq!(speaker.message().await.json()["type"], "ENTER");
    assert_eq!(witness.message().await.json()["type"], "ENTER");
    speaker.send(&format!("UNSUBSCRIBE\ndestination:/sub/chat/room/{room}\nreceipt:7\n\n\0")).await;
    speaker.receipt("7").await;
    let quit = witness.message().await.json();
    assert_eq!((quit["type"].as_str(), quit["userCount"].as_u64()), (Some("QUIT"), Some(1)));
    assert_eq!(speaker.refused("UNSUBSCRIBE\n\n\0").await.header("code"), Some("missing_header"));
}

/// STOMP 1.2, Conformance (1.1 alike): "Implementations may impose implementation-specific limits on unconstrained
/// inputs, e.g. to prevent denial of service attacks".
#[tokio::test]
async fn subscriptions_are_limited_in_number_and_ids_in_length() {
    let server = Server::builder().set("limits.subscriptions_max", 3).start().await;
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        for n in 0..3 {
            speaker.send(&format!("SUBSCRIBE\nid:{n}\ndestination:/sub/chat/rooms\nreceipt:{n}\n\n\0")).await;
            speaker.receipt(&n.to_string()).await;
        }
        let error = speaker.refused("SUBSCRIBE\nid:3\ndestination:/sub/chat/rooms\n\n\0").await;
        assert_eq!(error.header("code"), Some("too_many_subscriptions"));
        assert!(error.header("message").unwrap().contains("limits.subscriptions_max"), "{error:?}");
        let mut speaker = server.speaker("a", version).await;
        let long = "x".repeat(65);
        let error = speaker.refused(&format!("SUBSCRIBE\nid:{long}\ndestination:/sub/chat/rooms\n\n\0")).await;
        assert_eq!(error.header("code"), Some("bad_frame"));
        assert!(error.header("message").unwrap().contains("64"), "{error:?}");
    }
}
