//! STOMP, Heart-beating: the specification's sentences over a socket.
//!
//! The server's own interval is ten seconds, so the one test that sees beats come and go takes half a minute; it does
//! everything at once.

use std::time::{Duration, Instant};

use crate::support::speaker::VERSIONS;
use crate::support::{Event, Server};

/// What the server offers and asks for.
const INTERVAL: Duration = Duration::from_secs(10);
/// How late this machine may be.
const LATE: Duration = Duration::from_secs(4);

/// STOMP 1.2, Heart-beating (1.1 alike): "When used, the `heart-beat` header MUST contain two positive integers
/// separated by a comma."
#[tokio::test]
async fn a_heart_beat_header_is_two_whole_numbers() {
    let server = Server::start().await;
    server.known("a").await;
    for version in VERSIONS {
        for wrong in ["a,b", "", ",", "1", "1,", "-1,0", "1.5,0", "0,0,0", "0, 0", "99999999999,0"] {
            let mut client = server.socket().await;
            let token = server.token("a");
            client.send(&format!("CONNECT\naccept-version:{version}\nheart-beat:{wrong}\ntoken:{token}\n\n\0")).await;
            let error = client.end().await;
            assert_eq!(error.header("code"), Some("bad_frame"), "{wrong:?}");
            assert!(error.header("message").unwrap().contains("heart-beat"), "{error:?}");
        }
        for right in ["0,0", "10000,10000", "1,4294967295"] {
            let speaker = server.speaker_with("a", version, &format!("heart-beat:{right}\n")).await;
            let own = speaker.connected.header("heart-beat").unwrap().to_owned();
            let numbers: Vec<u32> = own.split(',').map(|number| number.parse().unwrap()).collect();
            assert_eq!(numbers, [10_000, 10_000], "what the server can and wants is its own affair");
        }
    }
}

/// STOMP 1.2, Heart-beating (1.1 alike): "The `heart-beat` header is OPTIONAL. A missing `heart-beat` header MUST be
/// treated the same way as a "heart-beat:0,0" header, that is: the party cannot send and does not want to receive
/// heart-beats." It is pinged by WebSocket instead, and lives for as long as that is answered (the test's client
/// answers by itself while it waits).
#[tokio::test]
async fn who_wants_no_heart_beats_gets_none_and_owes_none() {
    let server = Server::builder().set("limits.ping_seconds", 2).start().await;
    let (missing, zero, half) = tokio::join!(
        server.speaker_with("a", "1.2", ""),
        server.speaker_with("b", "1.1", "heart-beat:0,0\n"),
        // It could send, but the server's wish decides together with it, and nothing is wanted in the other direction.
        server.speaker_with("c", "1.2", "heart-beat:60000,0\n"),
    );
    // Silence of three intervals would be the end of a connection that answers no pings.
    let quiet = Duration::from_secs(8);
    let waits = [missing, zero, half].map(|mut speaker| async move {
        assert_eq!(speaker.event_within(quiet).await, None, "{:?}", speaker.connected);
        assert!(speaker.sync().await.is_empty());
    });
    futures_util::future::join_all(waits).await;
}

/// STOMP 1.2, Heart-beating (1.1 alike), one sentence for each of the five who are watched here:
///
/// 1. "otherwise, there will be heart-beats every MAX(<cx>,<sy>) milliseconds. In the other direction, <sx> and <cy>
///    are used the same way"; "the sender MUST send new data over the network connection at least every <n>
///    milliseconds"; "if the sender has no real STOMP frame to send, it MUST send an end-of-line (EOL)" (1.1: "a single
///    newline byte (0x0A)").
/// 2. "if, inside a time window of at least <n> milliseconds, the receiver did not receive any new data, it MAY
///    consider the connection as dead": the server does, and the person leaves.
/// 3. "because of timing inaccuracies, the receiver SHOULD be tolerant and take into account an error margin": whoever
///    beats a fifth too late stays.
/// 4. "any new data received over the network connection is an indication that the remote end is alive": so is a frame
///    that comes in pieces.
/// 5. who promised to beat every fourteen seconds is held to that and not to ten.
#[tokio::test]
async fn beats_come_in_time_and_only_silence_is_death() {
    // Pings by WebSocket must not be what keeps anybody alive here, or what kills.
    let server = Server::builder().set("limits.ping_seconds", 3_600).start().await;
    let room = server.room("a").await;
    let started = Instant::now();

    let listens = async {
        for version in ["1.1", "1.2"] {
            let mut listener = server.speaker_with("listener", version, "heart-beat:0,1\n").await;
            let since = Instant::now();
            // Exactly one newline: anything else is no heart-beat to the test's client.
            assert_eq!(listener.event().await, Event::HeartBeat);
            let took = since.elapsed();
            assert!(took < INTERVAL + LATE, "the beat came after {took:?}");
            assert!(took > INTERVAL / 2, "more often than agreed is waste: {took:?}");
        }
    };
    let dies = async {
        let mut silent = server.speaker_with("silent", "1.2", "heart-beat:1,0\n").await;
        silent.enter("s", room).await;
        let since = Instant::now();
        assert_eq!(silent.end().await.header("code"), Some("heartbeat_lost"));
        let took = since.elapsed();
        assert!(took > INTERVAL && took < INTERVAL * 2 + LATE, "{took:?}");
    };
    let beats = async {
        let mut late = server.speaker_with("late", "1.1", "heart-beat:10000,0\n").await;
        for _ in 0..2 {
            assert_eq!(late.event_within(INTERVAL * 12 / 10).await, None);
            late.send("\n").await;
        }
        assert!(late.sync().await.is_empty());
    };
    let dribbles = async {
        let mut slow = server.speaker_with("slow", "1.2", "heart-beat:10000,0\n").await;
        for piece in ["SUBSCRIBE\n", "id:s\ndesti", "nation:/sub/chat/rooms\n", "receipt:whole\n\n\0"] {
            slow.send(piece).await;
            if !piece.ends_with('\0') {
                assert_eq!(slow.event_within(INTERVAL * 8 / 10).await, None);
            }
        }
        slow.receipt("whole").await;
    };
    let rare = async {
        let mut rare = server.speaker_with("rare", "1.2", "heart-beat:14000,0\n").await;
        assert_eq!(rare.event_within(INTERVAL * 24 / 10).await, None);
        assert!(rare.sync().await.is_empty());
    };
    tokio::join!(listens, dies, beats, dribbles, rare);

    let mut witness = server.connect("witness").await;
    witness.subscribe("s", room, "history:3\n").await;
    let mut texts = Vec::new();
    for _ in 0..3 {
        texts.push(witness.message().await.json()["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(texts, ["ENTER", "QUIT", "ENTER"], "who was silent has left, and nobody else was there");
    println!("took {:?}", started.elapsed());
}
