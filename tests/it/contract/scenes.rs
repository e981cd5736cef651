//! Scenes of STOMP: what happens in a room of their own, to whom, in which order.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Difference, Members, NOWHERE, general, same};
use crate::support::raw::{BINARY, CLOSE, CONTINUE, FIN, HANDSHAKE, PING, PONG, Raw, TEXT};
use crate::support::speaker::{claims, signed};
use crate::support::{Frame, Server, eventually};

const PEOPLE: [(&str, &str); 2] = [("a", "happydaddy"), ("b", "angrydaddy")];
/// The receipt that says that everything before it was done.
const MARK: &str = "everything-before";

#[derive(Deserialize)]
pub(super) struct Scenes {
    pub(super) scene: Vec<Scene>,
}

/// One scene, and what the tutorial's server did. `recorded/scenes.toml` says what each means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scene {
    pub(super) name: String,
    begin: BTreeMap<String, String>,
    does: Vec<String>,
    people: u32,
    sees: BTreeMap<String, String>,
}

/// One socket of a scene, and what came on it.
struct Socket {
    raw: Raw,
    token: String,
    frames: Vec<Frame>,
    /// How it was closed, if it was.
    end: Option<String>,
    is_connected: bool,
    hears_the_room: bool,
    /// The greatest offset that has come.
    heard: u64,
}

/// Plays all the scenes, and answers with what differs.
pub(super) async fn compared(scenes: &Scenes) -> BTreeSet<Difference> {
    let server = Server::start().await;
    for (_, name) in PEOPLE {
        server.known(name).await;
    }
    let mut found = BTreeSet::new();
    for scene in &scenes.scene {
        let (seen, room) = played(&server, scene).await;
        for (field, there) in &scene.sees {
            let here = general(&seen.field(field), &room);
            if !same(there, &here) {
                let (exchange, field) = (scene.name.clone(), field.clone());
                found.insert(Difference { exchange, field, there: there.clone(), here });
            }
        }
    }
    found
}

async fn played(server: &Server, scene: &Scene) -> (Seen, String) {
    let room = server.room("scene").await;
    let name = room.to_string();
    let mut words: Vec<(String, String)> = vec![
        ("{room}".to_owned(), name.clone()),
        ("{nowhere}".to_owned(), NOWHERE.to_owned()),
        ("{expired}".to_owned(), server.token_for(PEOPLE[0].1, -60).await),
        ("{forged}".to_owned(), signed(&claims(PEOPLE[0].1, 60), &[7; 64])),
        ("{70000 bytes}".to_owned(), "x".repeat(70_000)),
        ("^@".to_owned(), "\0".to_owned()),
    ];
    words.extend(PEOPLE.map(|(socket, person)| (format!("{{token {socket}}}"), server.token(person))));

    let mut sockets = BTreeMap::new();
    for (socket, state) in &scene.begin {
        let person = PEOPLE.iter().find(|(name, _)| name == socket).unwrap().1;
        sockets.insert(&**socket, Socket::open(server, person, state, &name).await);
    }
    for socket in sockets.values_mut() {
        socket.hears_all(server.room_state(room).await.last_offset).await;
        socket.frames.clear();
    }
    for step in &scene.does {
        let (how, text) = step.split_once(':').unwrap();
        let (who, how) = how.split_once(' ').unwrap_or((how, ""));
        let socket = sockets.get_mut(who).unwrap();
        let text = text.strip_prefix(' ').unwrap_or(text).replace("{token}", &socket.token);
        let text = words.iter().fold(text, |text, (word, value)| text.replace(word, value));
        socket.does(how, &text).await;
    }
    for socket in sockets.values_mut() {
        socket.settles().await;
    }
    let people = scene.people;
    let what = format!("{people} are there: {}", scene.name);
    eventually(&what, || async { server.room_state(room).await.user_count == people }).await;
    for socket in sockets.values_mut().filter(|socket| socket.end.is_none()) {
        socket.hears_all(server.room_state(room).await.last_offset).await;
    }
    let sockets = sockets.into_iter().map(|(name, socket)| (name.to_owned(), (socket.frames, socket.end))).collect();
    (Seen { sockets, people }, name)
}

impl Socket {
    async fn open(server: &Server, person: &str, state: &str, room: &str) -> Self {
        let mut raw = Raw::open(server).await;
        let host = server.authority();
        raw.write(format!("GET /ws-stomp/websocket HTTP/1.1\r\nHost: {host}\r\n{HANDSHAKE}\r\n").as_bytes()).await;
        assert_eq!(raw.answer().await.status, 101);
        let token = server.token(person);
        let connect = format!("CONNECT\naccept-version:1.1\ntoken:{token}\n\n\0");
        let frames = Vec::new();
        let mut socket = Self { raw, token, frames, end: None, is_connected: false, hears_the_room: false, heard: 0 };
        if state != "socket" {
            socket.does("", &connect).await;
            assert_eq!(socket.next().await.as_deref(), Some("CONNECTED"));
        }
        if state == "inside" {
            socket.does("", &format!("SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{room}\n\n\0")).await;
            socket.settles().await;
        }
        socket
    }

    /// Does one thing.
    async fn does(&mut self, how: &str, text: &str) {
        let bytes = text.as_bytes();
        match how {
            "" => self.raw.frame(FIN | TEXT, bytes).await,
            "binary" => self.raw.frame(FIN | BINARY, bytes).await,
            "in two" => {
                // A message each; and the second of them in two fragments.
                let (first, rest) = bytes.split_at(bytes.len() / 2);
                let (second, third) = rest.split_at(rest.len() / 2);
                self.raw.frame(FIN | BINARY, first).await;
                self.raw.frame(BINARY, second).await;
                self.raw.frame(FIN | CONTINUE, third).await;
            }
            "garbles" => self.raw.frame(FIN | TEXT, &[b'S', 0xC3, 0x28]).await,
            "closes" => {
                self.raw.frame(FIN | CLOSE, &1_000_u16.to_be_bytes()).await;
                while self.next().await.is_some() {}
            }
            other => panic!("{other} is not among what a socket does"),
        }
        match text.trim_start().split(['\n', '\r']).next() {
            Some("SUBSCRIBE") => self.hears_the_room = text.contains("/sub/chat/room/"),
            Some("UNSUBSCRIBE" | "DISCONNECT") => self.hears_the_room = false,
            _ => {}
        }
    }

    /// Waits until everything that was asked is done, or the socket is closed.
    async fn settles(&mut self) {
        while !self.is_connected && self.next().await.is_some() {}
        if self.end.is_some() {
            return;
        }
        let token = &self.token;
        let mark = format!("SEND\ndestination:/pub/chat/token\ntoken:{token}\nreceipt:{MARK}\n\n\0");
        self.raw.frame(FIN | TEXT, mark.as_bytes()).await;
        while self.end.is_none() {
            self.next().await;
            if self.frames.last().is_some_and(|frame| frame.header("receipt-id") == Some(MARK)) {
                self.frames.pop();
                return;
            }
        }
    }

    /// Waits until the room's entry of this offset has come, where it will.
    async fn hears_all(&mut self, offset: u64) {
        while self.hears_the_room && self.end.is_none() && self.heard < offset {
            self.next().await;
        }
    }

    /// Takes what comes next: the command of a frame, or `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            match self.raw.next().await {
                None => {
                    self.end.get_or_insert_with(|| "closed".to_owned());
                    return None;
                }
                Some((first, payload)) if first == FIN | CLOSE => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    self.end = Some(code.map_or("closed".to_owned(), |code| format!("closed {code}")));
                    return None;
                }
                Some((first, _)) if first == FIN | PING || first == FIN | PONG => {}
                Some((_, payload)) if payload == b"\n" => {}
                Some((_, payload)) => {
                    let frame = Frame::parse(std::str::from_utf8(&payload).unwrap());
                    let command = frame.command.clone();
                    self.is_connected |= command == "CONNECTED";
                    if command == "MESSAGE" {
                        self.heard = frame.offset();
                    }
                    self.frames.push(frame);
                    return Some(command);
                }
            }
        }
    }
}

/// What a scene has led to.
struct Seen {
    sockets: BTreeMap<String, (Vec<Frame>, Option<String>)>,
    people: u32,
}

impl Seen {
    fn field(&self, field: &str) -> String {
        let (who, what) = field.split_once(' ').unwrap();
        if who == "room" {
            assert_eq!(what, "counts");
            return self.people.to_string();
        }
        let (frames, end) = &self.sockets[who];
        match what {
            "frames" if frames.is_empty() => "nothing".to_owned(),
            "frames" => frames.iter().map(|frame| &*frame.command).collect::<Vec<_>>().join(", "),
            "ends" => end.clone().unwrap_or_else(|| "open".to_owned()),
            what => of_frame(frames, what).unwrap_or_else(|| "-".to_owned()),
        }
    }
}

/// A field of a frame: `COMMAND headers`, `COMMAND:header`, `COMMAND members`, `COMMAND.member`; `COMMAND#2` is the second.
fn of_frame(frames: &[Frame], what: &str) -> Option<String> {
    let end = what.find([' ', ':', '.'])?;
    let (command, field) = what.split_at(end);
    let (command, number) = command.split_once('#').unwrap_or((command, "1"));
    let at = number.parse::<usize>().unwrap() - 1;
    let frame = frames.iter().filter(|frame| frame.command == command).nth(at)?;
    match (&field[..1], &field[1..]) {
        (" ", "headers") => Some(frame.headers.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(", ")),
        (" ", "members") => Members::of(&frame.body).map(|members| members.names()),
        (":", name) => frame.header(name).map(|value| of_header(frame, name, value)),
        (".", name) => Members::of(&frame.body)?.member(name),
        _ => panic!("{what} is not among what a frame has"),
    }
}

fn of_header(frame: &Frame, name: &str, value: &str) -> String {
    match (name, value.rsplit_once('-')) {
        ("content-length", _) if value == frame.body.len().to_string() => "<bytes of the body>".to_owned(),
        ("message-id", Some((session, number))) if number.parse::<u64>().is_ok() => {
            let is_room = frame.header("destination").is_some_and(|destination| destination.ends_with(session));
            format!("{}-<n>", if is_room { session } else { "<session>" })
        }
        _ => value.to_owned(),
    }
}
