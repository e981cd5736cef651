//! The ceiling: what a loop of `send` on prebuilt bytes does with a CPU second, and nothing else. No store, no
//! session, no locks, one thread; what a chat server does beside it is what the server's figure lacks to this one.
//!
//! It speaks just enough for `sarangbang bench fanout` to measure it as it measures a server: same client, same
//! checker, same bytes a message.
//!
//! ```text
//! cargo build --release --example ceiling
//! target/release/examples/ceiling plain           one `send` a message and socket
//! target/release/examples/ceiling coalesce 16     up to 16 messages in one `send`
//! ```
//! It prints `ready ws://127.0.0.1:PORT`; `sarangbang bench standard --ceiling target/release/examples/ceiling` starts
//! it by itself.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod speak;

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// One socket.
struct Peer {
    stream: TcpStream,
    upgraded: bool,
    read: Vec<u8>,
}

/// Subscribers of a room, and its log's end.
#[derive(Default)]
struct Room {
    peers: Vec<usize>,
    subscription: String,
    offset: u64,
    /// Frames that go out at the end of the turn, and where each ends.
    frames: Vec<u8>,
    ends: Vec<usize>,
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let at_once = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["plain"] => 1,
        ["coalesce", count] => count.parse().expect("a number of messages"),
        _ => panic!("usage: ceiling plain | ceiling coalesce N"),
    };
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
    poll.registry().register(&mut listener, Token(usize::MAX), Interest::READABLE)?;
    println!("ready ws://{}", listener.local_addr()?);
    let mut events = Events::with_capacity(1_024);
    let mut peers: Vec<Option<Peer>> = Vec::new();
    let mut rooms: HashMap<String, Room> = HashMap::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match poll.poll(&mut events, None) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            if event.token() == Token(usize::MAX) {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    poll.registry().register(&mut stream, Token(peers.len()), Interest::READABLE)?;
                    peers.push(Some(Peer { stream, upgraded: false, read: Vec::new() }));
                }
            } else {
                hear(event.token().0, &mut peers, &mut rooms, &mut buffer);
            }
        }
        for room in rooms.values_mut().filter(|room| !room.ends.is_empty()) {
            hand_round(room, &mut peers, at_once);
        }
    }
}

/// Writes a room's frames to all of its sockets, so many in one `send`.
fn hand_round(room: &mut Room, peers: &mut [Option<Peer>], at_once: usize) {
    let mut start = 0;
    for ends in room.ends.chunks(at_once) {
        let end = *ends.last().unwrap();
        for who in &room.peers {
            if let Some(peer) = &mut peers[*who] {
                write(peer, &room.frames[start..end]);
            }
        }
        start = end;
    }
    room.frames.clear();
    room.ends.clear();
}

fn write(peer: &mut Peer, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match peer.stream.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            // The bench keeps so little under way that buffers never fill; if they do, it shows in the figure.
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => return,
        }
    }
}

fn hear(who: usize, peers: &mut [Option<Peer>], rooms: &mut HashMap<String, Room>, buffer: &mut [u8]) {
    loop {
        let Some(peer) = &mut peers[who] else { return };
        match peer.stream.read(buffer) {
            Ok(0) => peers[who] = None,
            Ok(count) => {
                peer.read.extend_from_slice(&buffer[..count]);
                if peer.upgraded || upgrade(peer) {
                    while let Some((opcode, frame)) = speak::take(&mut peer.read) {
                        if opcode == 1 {
                            obey(who, peer, &frame, rooms);
                        }
                    }
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => return,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => peers[who] = None,
        }
    }
}

fn upgrade(peer: &mut Peer) -> bool {
    if let Some(end) = peer.read.windows(4).position(|window| window == b"\r\n\r\n") {
        peer.read.drain(..end + 4);
        peer.upgraded = true;
        write(peer, speak::SWITCHING);
    }
    peer.upgraded
}

fn obey(who: usize, peer: &mut Peer, frame: &str, rooms: &mut HashMap<String, Room>) {
    let mut answer = Vec::new();
    match frame.lines().next() {
        Some("CONNECT") => speak::connected(&mut answer),
        Some("SUBSCRIBE") => {
            let id = speak::header(frame, "destination").and_then(|to| to.rsplit('/').next()).unwrap();
            let room = rooms.entry(id.to_owned()).or_default();
            room.peers.push(who);
            room.subscription = speak::header(frame, "id").unwrap().to_owned();
            speak::receipt(speak::header(frame, "receipt").unwrap(), &mut answer);
        }
        Some("SEND") => {
            let (id, said) = (speak::member(frame, "roomId").unwrap(), speak::member(frame, "message").unwrap());
            let room = rooms.entry(id.to_owned()).or_default();
            room.offset += 1;
            speak::message(id, &room.subscription, room.offset, said, &mut room.frames);
            room.ends.push(room.frames.len());
        }
        _ => {}
    }
    write(peer, &answer);
}
