//! A socket that takes half a frame at a time.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower::ServiceExt;

use super::House;
use crate::chat::{Draft, Limits, Role};
use crate::config::Config;
use crate::http::peer::Arrival;
use crate::http::router;
use crate::stomp::{Command, Decoded, Decoder, Frame, FrameLimits, Version};
use crate::store::settled;

const ROOMS: usize = 8;
const MESSAGES: usize = 20;
/// Less than half of a MESSAGE.
const SOCKET_BYTES: usize = 300;

/// The peer's end of a connection to the house that holds so many bytes each way.
fn dial(house: &House) -> DuplexStream {
    let (near, far) = tokio::io::duplex(SOCKET_BYTES);
    let app = router(Arc::clone(&house.edge));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arrival { address: "192.0.2.1".parse().unwrap(), https: false });
        let app = app.clone();
        async move { Ok::<_, Infallible>(app.oneshot(request.map(Body::new)).await.unwrap()) }
    });
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(far), service).with_upgrades());
    near
}

/// A STOMP frame as a browser sends it; masked with zeroes, so that it can be read here.
fn masked(frame: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match u8::try_from(frame.len()) {
        Ok(short) if short < 126 => bytes.push(0x80 | short),
        _ => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(frame.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(frame.as_bytes());
    bytes
}

/// The next whole frame of the server.
async fn next(socket: &mut (impl AsyncRead + Unpin)) -> Frame {
    assert_eq!(socket.read_u8().await.unwrap(), 0x81, "frames are whole, and never one inside another");
    let bytes = match socket.read_u8().await.unwrap() {
        126 => usize::from(socket.read_u16().await.unwrap()),
        127 => usize::try_from(socket.read_u64().await.unwrap()).unwrap(),
        short => usize::from(short),
    };
    let mut frame = vec![0; bytes];
    socket.read_exact(&mut frame).await.unwrap();
    let mut decoder = Decoder::new(FrameLimits::default());
    decoder.set_version(Version::V1_2);
    decoder.feed(Bytes::from(frame));
    let Some(Decoded::Frame(frame)) = decoder.next().unwrap() else { panic!("one frame a message") };
    frame
}

#[tokio::test]
async fn who_takes_half_a_frame_right_after_entering_many_rooms_gets_each_receipt_and_entry_whole() {
    let limits = Limits { outbox_bytes_max: 4_096, catch_up_bytes_max: 4_096, ..Limits::default() };
    let house = House::with(Config { limits, ..Config::default() }).await;
    house.account("minsu", Role::User).await;
    let mut rooms = Vec::new();
    for number in 0..ROOMS {
        let room = house.room(&format!("room {number}")).await.id;
        for _ in 0..MESSAGES {
            let draft = Draft::new(room, "jiyeon".parse().unwrap(), &"x".repeat(900), None, 2_000).unwrap();
            settled(house.edge.store.append(draft)).await.unwrap();
        }
        rooms.push(room);
    }
    let token = house.edge.tokens.issue(&"minsu".parse().unwrap(), Role::User, 0).unwrap().token;
    let mut asked = vec![masked(&format!("CONNECT\naccept-version:1.2\ntoken:{token}\n\n\0"))];
    let mut socket = dial(&house);
    let upgrade = "GET /ws-stomp HTTP/1.1\r\nhost: chat.example\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(upgrade.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    socket.write_all(&asked.remove(0)).await.unwrap();
    assert_eq!(next(&mut socket).await.command, Command::Connected);

    // All is asked for before anything is read: the socket is stuck in the middle of the first room's entries.
    for (number, room) in rooms.iter().enumerate() {
        let headers = format!("id:{number}\ndestination:/sub/chat/room/{room}\nreceipt:in-{number}\nafter:0\n");
        asked.push(masked(&format!("SUBSCRIBE\n{headers}\n\0")));
    }
    let (mut reading, mut writing) = tokio::io::split(socket);
    let ask = tokio::spawn(async move { writing.write_all(&asked.concat()).await.map(|()| writing) });
    let (mut receipts, mut last) = (Vec::new(), [0; ROOMS]);
    while receipts.len() < ROOMS || last.iter().any(|last| *last <= MESSAGES as u64) {
        let frame = next(&mut reading).await;
        match frame.command {
            Command::Receipt => receipts.push(frame.header("receipt-id").unwrap().to_owned()),
            Command::Message => {
                let number: usize = frame.header("subscription").unwrap().parse().unwrap();
                let body: serde_json::Value = serde_json::from_slice(&frame.body).unwrap();
                last[number] += 1;
                assert_eq!(body["offset"], last[number]);
            }
            other => panic!("{other:?}: {}", String::from_utf8_lossy(&frame.body)),
        }
    }
    assert!(receipts.iter().enumerate().all(|(n, receipt)| *receipt == format!("in-{n}")), "{receipts:?}");
    assert_eq!(last, [MESSAGES as u64 + 1; ROOMS], "each room to its own ENTER");
    ask.await.unwrap().unwrap();
}
