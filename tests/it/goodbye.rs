//! How a connection ends that the server ends: a close frame, a moment for the peer's answer, and only then the end of the
//! stream (RFC 6455, section 7.1.1). Over TLS many clients write nothing more once they have read that end.

use std::time::{Duration, Instant};

use crate::support::raw::{CLOSE, FIN, PING, Raw, TEXT};
use crate::support::{Server, eventually};

/// The payload of a close frame with 1012.
const RESTART: [u8; 2] = 1012_u16.to_be_bytes();
/// How long an answer is waited for.
const ANSWERING: Duration = Duration::from_secs(1);
/// Clearly less than that.
const SOON: Duration = Duration::from_millis(600);
/// Longer than an answer is waited for, and all that comes with it, on a machine that has other things to do.
const LATE: Duration = Duration::from_secs(5);
/// How often something quick may look slow because the machine had other things to do just then.
const TRIES: usize = 4;

/// What happens takes less than [`SOON`], at least once of several times.
async fn soon(mut happens: impl AsyncFnMut() -> Duration) {
    let mut times = Vec::new();
    while times.len() < TRIES {
        times.push(happens().await);
        if times.last() < Some(&SOON) {
            return;
        }
    }
    panic!("it took {times:?}");
}

async fn said_goodbye(raw: &mut Raw) {
    assert_eq!(raw.next().await, Some((FIN | CLOSE, RESTART.to_vec())));
}

#[tokio::test]
async fn who_is_sent_away_can_answer_before_the_stream_ends_and_ends_it_by_that() {
    for tls in ["off", "self-signed"] {
        soon(async || {
            let mut server = Server::builder().set("tls.mode", tls).start().await;
            let mut raw = server.raw_connected("a").await;
            server.signal("TERM");
            said_goodbye(&mut raw).await;
            if raw.next_within(SOON / 2).await.is_some() {
                // The stream ended before there was an answer, or this looked too late.
                return LATE;
            }
            // What was under way is no answer.
            raw.frame(FIN | TEXT, b"\n").await;
            raw.frame(FIN | PING, b"?").await;
            raw.frame(FIN | CLOSE, &RESTART).await;
            let answered = Instant::now();
            assert_eq!(raw.next().await, None);
            let took = answered.elapsed();
            assert!(server.ended().await.success());
            assert!(answered.elapsed() < LATE, "tls.mode = {tls}: the server ended {:?} later", answered.elapsed());
            took
        })
        .await;
    }
}

#[tokio::test]
async fn who_never_answers_is_waited_for_for_about_a_second() {
    for tls in ["off", "self-signed"] {
        let mut server = Server::builder().set("tls.mode", tls).start().await;
        let mut raw = server.raw_connected("a").await;
        let told = Instant::now();
        server.signal("TERM");
        said_goodbye(&mut raw).await;
        assert_eq!(raw.next().await, None);
        assert!((SOON..LATE).contains(&told.elapsed()), "tls.mode = {tls}: {:?}", told.elapsed());
        assert!(server.ended().await.success());
        assert!(told.elapsed() < LATE, "tls.mode = {tls}: the server ended {:?} later", told.elapsed());
    }
}

#[tokio::test]
async fn a_second_stop_waits_for_no_answers() {
    soon(async || {
        let mut server = Server::start().await;
        let mut raw = server.raw_connected("a").await;
        server.signal("TERM");
        said_goodbye(&mut raw).await;
        let told = Instant::now();
        server.signal("TERM");
        assert!(server.ended().await.success());
        told.elapsed()
    })
    .await;
}

#[tokio::test]
async fn who_is_refused_and_answers_is_let_go_at_once_and_who_broke_the_protocol_is_not_listened_to() {
    let server = Server::start().await;
    soon(async || {
        let mut raw = server.raw().await;
        raw.frame(FIN | TEXT, b"CONNECT\naccept-version:1.2\ntoken:nonsense\n\n\0").await;
        assert!(raw.text().await.starts_with("ERROR\n"));
        let close = raw.next().await;
        assert_eq!(close, Some((FIN | CLOSE, 1008_u16.to_be_bytes().to_vec())));
        let told = Instant::now();
        raw.frame(FIN | CLOSE, &1008_u16.to_be_bytes()).await;
        assert_eq!(raw.next().await, None);
        told.elapsed()
    })
    .await;
    soon(async || {
        let mut raw = server.raw().await;
        // A reserved bit.
        raw.frame(FIN | TEXT | 0x40, b"").await;
        assert!(raw.text().await.starts_with("ERROR\n"));
        assert_eq!(raw.next().await, Some((FIN | CLOSE, 1002_u16.to_be_bytes().to_vec())));
        let told = Instant::now();
        assert_eq!(raw.next().await, None);
        told.elapsed()
    })
    .await;
}

/// Nor does one who goes on talking instead, or says half a message.
#[tokio::test]
async fn who_does_not_answer_holds_neither_a_room_nor_for_long_a_place() {
    let server = Server::builder()
        .set("limits.connections_max", 3)
        .set("limits.connections_per_address_max", 3)
        .set("presence.grace_seconds", 0)
        .start()
        .await;
    let room = server.room("a").await;
    let mut raws = Vec::new();
    for name in ["silent", "loud", "halting"] {
        let mut raw = server.raw_connected(name).await;
        raw.frame(
            FIN | TEXT,
            format!("SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{room}\nreceipt:in\n\n\0").as_bytes(),
        )
        .await;
        while !raw.text().await.starts_with("RECEIPT\n") {}
        raws.push(raw);
    }
    let full = Raw::open(&server).await.try_upgrade(&server).await;
    assert_eq!(full.status, 503, "{full:?}");
    for raw in &mut raws {
        raw.frame(FIN | TEXT, b"NONSENSE\n\n\0").await;
        while raw.next().await.is_some_and(|(first, _)| first != FIN | CLOSE) {}
    }
    let told = Instant::now();
    raws[2].write(&[FIN | TEXT, 0xFE, 0x10, 0x00, 1, 2, 3, 4, b'x']).await;
    eventually("nobody is in the room", || async { server.room_state(room).await.user_count == 0 }).await;
    assert!(told.elapsed() < ANSWERING, "{:?}", told.elapsed());
    let mut places = 0;
    while places < 3 {
        raws[1].frame(FIN | TEXT, &[b'\n'; 4096]).await;
        let mut next = Raw::open(&server).await;
        if next.try_upgrade(&server).await.status == 101 {
            places += 1;
            raws.push(next);
        } else {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(told.elapsed() < LATE, "{places} places are free after {:?}", told.elapsed());
    }
}
