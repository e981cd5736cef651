//! STOMP, BEGIN, COMMIT and ABORT: the specification's sentences over a socket.

use crate::support::speaker::VERSIONS;
use crate::support::{Event, Server};

/// STOMP 1.2, BEGIN (1.0 and 1.1 alike): "The `transaction` header is REQUIRED"; COMMIT and ABORT (1.1 alike): "The
/// `transaction` header is REQUIRED and MUST specify the identifier of the transaction to commit."
#[tokio::test]
async fn begin_commit_and_abort_need_a_transaction() {
    let server = Server::start().await;
    for version in VERSIONS {
        for command in ["BEGIN", "COMMIT", "ABORT"] {
            let mut speaker = server.speaker("a", version).await;
            let error = speaker.refused(&format!("{command}\nreceipt:7\n\n\0")).await;
            assert_eq!((error.header("code"), error.header("receipt-id")), (Some("missing_header"), Some("7")));
        }
        for frame in ["COMMIT\ntransaction:t\n\n\0", "ABORT\ntransaction:t\n\n\0"] {
            let mut speaker = server.speaker("a", version).await;
            speaker.send("BEGIN\ntransaction:other\n\n\0").await;
            assert_eq!(speaker.refused(frame).await.header("code"), Some("transaction_unknown"));
        }
    }
}

/// A SEND that names a transaction which is not open belongs to nothing.
#[tokio::test]
async fn send_in_an_unknown_transaction_is_refused() {
    let server = Server::start().await;
    let room = server.room("a").await;
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        let error = speaker.refused(&speaker.talk(room, "lost", "transaction:t\nreceipt:7\n")).await;
        assert_eq!((error.header("code"), error.header("receipt-id")), (Some("transaction_unknown"), Some("7")));
    }
    assert_eq!(server.room_state(room).await.last_offset, 0);
}

/// STOMP 1.2, BEGIN: "Within the same connection, different transactions MUST use different transaction identifiers."
#[tokio::test]
async fn an_id_is_free_again_once_its_transaction_has_ended() {
    let server = Server::start().await;
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        for end in ["COMMIT", "ABORT"] {
            speaker.send(&format!("BEGIN\ntransaction:t\n\n\0{end}\ntransaction:t\nreceipt:{end}\n\n\0")).await;
            speaker.receipt(end).await;
        }
        speaker.send("BEGIN\ntransaction:t\n\n\0").await;
        assert_eq!(speaker.refused("BEGIN\ntransaction:t\n\n\0").await.header("code"), Some("transaction_exists"));
    }
}

/// STOMP 1.2, BEGIN (1.0 and 1.1: "handled"): "any messages sent or acknowledged during a transaction will be processed
/// atomically based on the transaction."
#[tokio::test]
async fn what_is_sent_in_a_transaction_is_seen_after_commit_and_never_after_abort() {
    let server = Server::start().await;
    let room = server.room("a").await;
    let mut witness = server.speaker("witness", "1.2").await;
    witness.enter("w", room).await;
    for version in VERSIONS {
        let mut speaker = server.speaker("a", version).await;
        let send = |text: &str| speaker.talk(room, text, &format!("transaction:t\nreceipt:{text}\n"));
        let both = format!("BEGIN\ntransaction:t\n\n\0{}{}", send("one"), send("two"));
        speaker.send(&both).await;
        assert!(speaker.sync().await.is_empty(), "no RECEIPT for what is not processed yet");
        // Whoever speaks meanwhile is heard first.
        witness.say(room, "before").await;
        speaker.send("COMMIT\ntransaction:t\nreceipt:done\n\n\0").await;
        let receipts = speaker.receipt("done").await;
        let ids: Vec<_> = receipts.iter().map(|receipt| receipt.header("receipt-id").unwrap()).collect();
        assert_eq!(ids, ["one", "two"], "each SEND has its RECEIPT, and COMMIT comes last");
        speaker.send(&both).await;
        speaker.send("ABORT\ntransaction:t\nreceipt:undone\n\n\0").await;
        assert!(speaker.receipt("undone").await.is_empty());
        speaker.say(room, "after").await;
        let log = server.store().newest(room, None, 4).await.unwrap().entries;
        let texts: Vec<&str> = log.iter().map(|entry| &*entry.message).collect();
        assert_eq!(texts, ["before", "one", "two", "after"]);
    }
}

/// STOMP 1.2, BEGIN, the same sentence: all of it or nothing, whatever is wrong with one of its SENDs.
#[tokio::test]
async fn a_transaction_with_one_send_that_cannot_be_done_does_nothing() {
    let server = Server::start().await;
    let (room, gone) = (server.room("a").await, server.room("gone").await);
    server.store().delete_room(gone).await.unwrap();
    for version in VERSIONS {
        for (wrong, code) in [
            (("x".repeat(2_001), room), "message_too_long"),
            ((" ".to_owned(), room), "message_empty"),
            (("nobody there".to_owned(), gone), "room_unknown"),
        ] {
            let mut speaker = server.speaker("a", version).await;
            speaker.send("SUBSCRIBE\nid:e\ndestination:/user/queue/errors\n\n\0").await;
            let one = speaker.talk(room, "one", "transaction:t\nreceipt:one\n");
            let two = speaker.talk(wrong.1, &wrong.0, "transaction:t\nreceipt:two\n");
            speaker.send(&format!("BEGIN\ntransaction:t\n\n\0{one}{two}COMMIT\ntransaction:t\nreceipt:c\n\n\0")).await;
            let told = speaker.frame().await;
            assert_eq!((told.json()["code"].as_str(), told.header("receipt-id")), (Some(code), Some("c")), "{told:?}");
            speaker.say(room, "after").await;
            let log = server.store().newest(room, None, 1_000).await.unwrap().entries;
            assert!(log.iter().all(|entry| &*entry.message == "after"), "{log:?}");
        }
    }
}

/// STOMP 1.2, BEGIN (1.1 alike): "Any started transactions which have not been committed will be implicitly aborted if
/// the client sends a `DISCONNECT` frame or if the TCP connection fails for any reason."
#[tokio::test]
async fn an_open_transaction_ends_with_its_connection() {
    let server = Server::start().await;
    let room = server.room("a").await;
    for version in VERSIONS {
        let mut leaves = server.speaker("a", version).await;
        let begun = format!("BEGIN\ntransaction:t\n\n\0{}", leaves.talk(room, "lost", "transaction:t\n"));
        leaves.send(&format!("{begun}DISCONNECT\nreceipt:bye\n\n\0")).await;
        leaves.receipt("bye").await;
        assert_eq!(leaves.event().await, Event::Closed(Some(1000)));
        let mut drops = server.speaker("a", version).await;
        drops.send(&begun).await;
        drops.sync().await;
        drop(drops);
        let mut breaks = server.speaker("a", version).await;
        breaks.refused(&format!("{begun}COMMIT\ntransaction:other\n\n\0")).await;
        // Another connection knows nothing of it.
        let mut other = server.speaker("a", version).await;
        let error = other.refused("COMMIT\ntransaction:t\n\n\0").await;
        assert_eq!(error.header("code"), Some("transaction_unknown"));
    }
    server.speaker("a", "1.2").await.say(room, "marker").await;
    assert_eq!(server.room_state(room).await.last_offset, 1, "nothing but the marker");
}

/// STOMP 1.2, Conformance (1.1 alike): "Implementations may impose implementation-specific limits on unconstrained
/// inputs, e.g. [...] to guard against running out of memory".
#[tokio::test]
async fn transactions_are_limited_in_number_and_size() {
    let server =
        Server::builder().set("limits.transactions_max", 2).set("limits.transaction_sends_max", 3).start().await;
    let room = server.room("a").await;
    for version in VERSIONS {
        let mut many = server.speaker("a", version).await;
        many.send("BEGIN\ntransaction:1\n\n\0BEGIN\ntransaction:2\n\n\0").await;
        let error = many.refused("BEGIN\ntransaction:3\n\n\0").await;
        assert_eq!(error.header("code"), Some("too_many_transactions"));
        assert!(error.header("message").unwrap().contains("limits.transactions_max"), "{error:?}");
        let mut large = server.speaker("a", version).await;
        let send = large.talk(room, "x", "transaction:t\n");
        let error = large.refused(&format!("BEGIN\ntransaction:t\n\n\0{}", send.repeat(4))).await;
        assert_eq!(error.header("code"), Some("transaction_too_large"));
        assert!(error.header("message").unwrap().contains("limits.transaction_sends_max"), "{error:?}");
    }
    assert_eq!(server.room_state(room).await.last_offset, 0);
}
