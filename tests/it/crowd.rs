//! Many who come in and say nothing, or next to nothing: who has something to say gets in beside them, and stays.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustls::pki_types::ServerName;
use sarangbang::chat::RoomId;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{interval, sleep, timeout};

use crate::support::secure::{AnyStream, client_config, secure};
use crate::support::{Client, Server, ServerBuilder, eventually};

const CROWD: usize = 5_000;
const PASSWORD: &str = "correct horse battery";
/// What a client begins with that has all the time in the world.
const SLOW_REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: sloooooooooooooooooooooooooooooooooooooooow";

/// A request whose body is announced and never sent.
const BODILESS: &[u8] =
    b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";

/// What an HTTP/2 client begins with (RFC 9113, section 3.4), which it needs no leave for.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The first message of a TLS client.
fn client_hello() -> Vec<u8> {
    let config = Arc::new(client_config(&[b"http/1.1"]));
    let mut client = rustls::ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// How one of the crowd behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Silent,
    HalfHello,
    Trickle,
}

const EVERY_MANNER: &[Manner] = &[Manner::Silent, Manner::HalfHello, Manner::Trickle];

/// Connections from 127.0.0.1 in the order in which they were opened, their manners by turns.
async fn crowd(server: &Server, count: usize, manners: &[Manner]) -> Vec<(Manner, TcpStream)> {
    // Each is one file here and one there.
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let hello = client_hello();
    let mut crowd = Vec::with_capacity(count);
    for n in 0..count {
        let (manner, mut stream) = (manners[n % manners.len()], TcpStream::connect(server.authority()).await.unwrap());
        if manner == Manner::HalfHello {
            let _ = stream.write_all(&hello[..hello.len() / 2]).await;
        }
        crowd.push((manner, stream));
    }
    crowd
}

/// Says a byte a second for each that trickles, for ever: of a ClientHello or of a request, as the server expects.
async fn trickle(crowd: &[(Manner, TcpStream)], bytes: &[u8]) {
    let mut seconds = interval(Duration::from_secs(1));
    for byte in bytes.iter().cycle() {
        seconds.tick().await;
        for (_, stream) in crowd.iter().filter(|(manner, _)| *manner == Manner::Trickle) {
            let _ = stream.try_write(&[*byte]);
        }
    }
}

/// Whether the server has closed a connection on which it has nothing to say.
fn is_closed(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0; 512]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// Signs in with a password, enters the room, says something and hears it; answers how long that took.
async fn visit(server: &Server, room: RoomId, name: &str) -> (Duration, Client) {
    let started = Instant::now();
    let body = serde_json::json!({"username": name, "password": PASSWORD}).to_string();
    let answer = server.http("POST", "/login", "Content-Type: application/json\r\n", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let grant: Value = serde_json::from_str(&answer.body).unwrap();
    let mut client = server.socket().await;
    client.connect(grant["token"].as_str().unwrap()).await;
    client.subscribe("s", room, "").await;
    say_and_hear(&mut client, room, "here I am").await;
    (started.elapsed(), client)
}

async fn say_and_hear(client: &mut Client, room: RoomId, text: &str) {
    client.say(room, text, "").await;
    while client.message().await.json()["message"] != text {}
}

/// The median of some visits.
async fn visits(server: &Server, room: RoomId) -> Duration {
    let mut times = Vec::new();
    for _ in 0..9 {
        times.push(visit(server, room, "guest").await.0);
    }
    times.sort_unstable();
    times[times.len() / 2]
}

/// A real client beside a crowd, and without it: said, and not judged but for a bound that only who is kept out
/// would reach.
async fn beside_a_crowd(server: Server, kind: &str) {
    let room = server.room("a").await;
    server.person_with_password("guest", PASSWORD).await;
    let without = visits(&server, room).await;
    let (_, mut early) = visit(&server, room, "guest").await;
    let opening = Instant::now();
    let crowd = crowd(&server, CROWD, EVERY_MANNER).await;
    println!("{kind}: {CROWD} connections were opened in {:?}", opening.elapsed());
    let slow = if server.url.starts_with("https") { client_hello() } else { SLOW_REQUEST.to_vec() };
    let with = tokio::select! {
        () = trickle(&crowd, &slow) => unreachable!(),
        with = visits(&server, room) => with,
    };
    let held = crowd.iter().filter(|(_, stream)| !is_closed(stream)).count();
    println!("{kind}: a visit took {without:?} alone, {with:?} beside {CROWD} ({held} of them still open)");
    say_and_hear(&mut early, room, "I was here before them").await;
    assert!(with < Duration::from_secs(10), "{with:?} beside a crowd, {without:?} without");
}

fn patient() -> ServerBuilder {
    Server::builder().set("limits.request_seconds_max", 120).set("limits.handshake_seconds_max", 120)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_silent_connections_of_the_same_address_keep_nobody_out() {
    beside_a_crowd(patient().start().await, "http, as configured").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_silent_connections_that_may_all_stay_keep_nobody_out() {
    beside_a_crowd(patient().set("limits.connections_per_address_max", 50_000).start().await, "http, all stay").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_connections_in_the_tls_handshake_keep_nobody_out() {
    let server = patient().set("tls.mode", "self-signed").set("limits.connections_per_address_max", 50_000);
    beside_a_crowd(server.start().await, "https, all stay").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_connections_in_few_places_for_handshakes_keep_nobody_out() {
    let server = patient().set("tls.mode", "self-signed").set("limits.handshakes_max", 500);
    beside_a_crowd(server.start().await, "https, 500 handshakes at most").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_silent_connections_make_room_for_one_another_the_oldest_first() {
    const PLACES: usize = 500;
    /// Those who come together are looked at by several threads: which of them is older is not certain.
    const TOGETHER: usize = 100;
    for mode in ["off", "self-signed"] {
        let server = patient().set("tls.mode", mode).set("limits.handshakes_max", PLACES).start().await;
        let room = server.room("a").await;
        server.person_with_password("guest", PASSWORD).await;
        let manners = if mode == "off" { &[Manner::Silent][..] } else { &[Manner::Silent, Manner::HalfHello] };
        let mut all = Vec::new();
        let mut guest = None;
        while all.len() < CROWD {
            // An answer says that those before have been looked at. And in the middle of them somebody comes in.
            assert_eq!(server.http("GET", "/healthz", "", "").await.status, 200);
            if all.len() == CROWD / 2 {
                guest = Some(visit(&server, room, "guest").await.1);
            }
            all.extend(crowd(&server, TOGETHER, manners).await);
        }
        let closed = || all.iter().map(|(_, stream)| is_closed(stream)).collect::<Vec<bool>>();
        let count = || closed().into_iter().filter(|closed| *closed).count();
        eventually("all but the places are free", async || count() >= all.len() - PLACES).await;
        let closed = closed();
        let end = all.len() - PLACES;
        assert_eq!(closed.iter().filter(|closed| !**closed).count(), PLACES);
        assert!(closed[..end - TOGETHER].iter().all(|closed| *closed), "an old one is still there");
        assert!(!closed[end + TOGETHER..].iter().any(|closed| *closed), "a young one had to make room");
        // Who is in stays, and others come in beside the silent.
        let mut guest = guest.unwrap();
        say_and_hear(&mut guest, room, "still here").await;
        let (_, mut late) = visit(&server, room, "guest").await;
        say_and_hear(&mut late, room, "me too").await;
    }
}

/// A connection on which no TLS is spoken.
async fn tcp(server: &Server) -> AnyStream {
    Box::new(server.tcp_from("127.0.0.1").await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_silent_connections_than_there_are_files_keep_nobody_out() {
    for mode in ["off", "self-signed"] {
        let server = patient().set("tls.mode", mode).open_files(400).start().await;
        let room = server.room("a").await;
        server.person_with_password("guest", PASSWORD).await;
        let (_, mut early) = visit(&server, room, "guest").await;
        let crowd = crowd(&server, 2_000, &[Manner::Silent]).await;
        let (_, mut late) = visit(&server, room, "guest").await;
        say_and_hear(&mut early, room, "I was here before them").await;
        say_and_hear(&mut late, room, "me too").await;
        let held = crowd.iter().filter(|(_, stream)| !is_closed(stream)).count();
        assert!((200..400).contains(&held), "{held} silent ones are there");
    }
}

/// Longer than any limit on time here, on a machine that has other things to do, and not as long as any that is not set.
const ENDS_MAX: Duration = Duration::from_secs(8);

/// Reads until the end; answers whether it came in time.
async fn ends(stream: &mut AnyStream) -> bool {
    let mut rest = Vec::new();
    timeout(ENDS_MAX, stream.read_to_end(&mut rest)).await.is_ok()
}

/// The same while a byte of this goes out every tenth of a second.
async fn ends_amid(stream: AnyStream, bytes: &[u8]) -> bool {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let slow = async {
        for byte in bytes.iter().cycle() {
            let _ = writing.write_all(&[*byte]).await;
            let _ = writing.flush().await;
            sleep(Duration::from_millis(100)).await;
        }
    };
    let mut rest = Vec::new();
    tokio::select! {
        () = slow => unreachable!(),
        ended = timeout(ENDS_MAX, reading.read_to_end(&mut rest)) => ended.is_ok(),
    }
}

#[tokio::test]
async fn who_says_nothing_or_too_little_is_closed_in_time_in_every_phase() {
    let brief = || Server::builder().set("limits.request_seconds_max", 3).set("limits.handshake_seconds_max", 3);
    let (plain, tls) = (brief().start().await, brief().set("tls.mode", "self-signed").start().await);
    let hello = client_hello();
    let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let in_http: [(&str, &[u8]); 7] = [
        ("nothing", b""),
        ("half a request line", b"GET /heal"),
        ("half a head", &request[..request.len() - 2]),
        ("half of what begins HTTP/2", b"PRI * HTTP"),
        ("HTTP/2 and no request", HTTP_2),
        ("one request and nothing more", request),
        ("a body that does not come", BODILESS),
    ];
    let before_tls: [(&str, &[u8]); 3] =
        [("nothing", b""), ("half a ClientHello", &hello[..hello.len() / 2]), ("a ClientHello and no more", &hello)];
    let (mut phases, mut streams) = (Vec::new(), Vec::new());
    for (phase, bytes) in in_http {
        phases.push((format!("{phase} over plain TCP"), bytes));
        streams.push(tcp(&plain).await);
        phases.push((format!("{phase} within TLS"), bytes));
        streams.push(tls.stream().await);
    }
    for (phase, bytes) in before_tls {
        phases.push((format!("{phase} before TLS"), bytes));
        streams.push(tcp(&tls).await);
    }
    let ended = join_all(phases.iter().zip(&mut streams).map(async |((phase, bytes), stream)| {
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        (phase, ends(stream).await)
    }));
    let trickling = [(tcp(&plain).await, SLOW_REQUEST), (tcp(&tls).await, &hello), (tls.stream().await, SLOW_REQUEST)];
    let trickled = join_all(trickling.map(|(stream, bytes)| ends_amid(stream, bytes)));
    let (ended, trickled) = tokio::join!(ended, trickled);
    for (phase, ended) in ended {
        assert!(ended, "not closed: {phase}");
    }
    assert_eq!(trickled, [true; 3], "a request, a ClientHello, and a request within TLS that trickle");
    // And who is in is not touched by any of these times.
    let mut guest = tls.connect("guest").await;
    sleep(Duration::from_secs(5)).await;
    guest.subscribe("s", tls.room("a").await, "").await;
}

#[tokio::test]
async fn http_2_has_no_limits_here_and_is_turned_away() {
    // HEADERS of GET http://.../, END_STREAM and END_HEADERS.
    let request = [HTTP_2, b"\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84"].concat();
    for mode in ["off", "self-signed"] {
        let server = Server::builder().set("tls.mode", mode).start().await;
        let mut stream = server.stream().await;
        stream.write_all(&request).await.unwrap();
        stream.flush().await.unwrap();
        assert!(ends(&mut stream).await, "{mode}");
    }
}

/// Asks on a connection that stays open; `None` where it is closed instead.
async fn asked(stream: &mut AnyStream) -> Option<String> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.ok()?;
    stream.flush().await.ok()?;
    let mut answer = vec![0; 4_096];
    match timeout(crate::support::PATIENCE, stream.read(&mut answer)).await.unwrap() {
        Ok(length) if length > 0 => Some(String::from_utf8_lossy(&answer[..length]).lines().next().unwrap().to_owned()),
        _ => None,
    }
}

/// Whether one more request from 127.0.0.1 is answered.
async fn gets_in(server: &Server) -> bool {
    let stream = server.tcp_from("127.0.0.1").await;
    let mut stream: AnyStream = if server.url.starts_with("https") {
        let Ok(stream) = secure(stream, "127.0.0.1").await else { return false };
        Box::new(stream)
    } else {
        Box::new(stream)
    };
    asked(&mut stream).await.is_some()
}

#[tokio::test]
async fn one_address_cannot_take_all_places() {
    /// What the door lets in of one address: two sockets, and 64 that load pages.
    const DOOR: usize = 2 + 64;
    const FINE: Option<&str> = Some("HTTP/1.1 200 OK");
    for mode in ["off", "self-signed"] {
        let server = Server::builder().set("tls.mode", mode).set("limits.connections_per_address_max", 2).start().await;
        // These say nothing, and make room.
        let silent = crowd(&server, DOOR, &[Manner::Silent]).await;
        let mut inside = Vec::new();
        for _ in 0..DOOR {
            let mut stream = server.secured(server.tcp_from("127.0.0.1").await).await;
            assert_eq!(asked(&mut stream).await.as_deref(), FINE);
            inside.push(stream);
        }
        eventually("the silent ones have made room", async || silent.iter().all(|(_, stream)| is_closed(stream))).await;
        assert!(!gets_in(&server).await, "{mode}: 127.0.0.1 has all its places");
        let mut neighbour = server.secured(server.tcp_from("127.0.0.2").await).await;
        assert_eq!(asked(&mut neighbour).await.as_deref(), FINE);
        for answer in join_all(inside.iter_mut().map(asked)).await {
            assert_eq!(answer.as_deref(), FINE, "who is in stays");
        }
        inside.pop();
        eventually("a place is given back", async || gets_in(&server).await).await;
    }
}
