//! Somebody who speaks one version of STOMP to the letter, for tests that quote its specification.

use std::fmt::Display;
use std::ops::{Deref, DerefMut};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use sarangbang::chat::Role;
use serde_json::{Value, json};

use super::{Client, Event, Frame, Server};

/// Every version of the protocol.
pub(crate) const VERSIONS: [&str; 3] = ["1.0", "1.1", "1.2"];

/// A connected client of one version.
pub(crate) struct Speaker {
    client: Client,
    token: String,
    /// What the server said to its CONNECT.
    pub(crate) connected: Frame,
}

impl Server {
    /// Somebody (an account is made where there is none) who has connected with this version.
    pub(crate) async fn speaker(&self, name: &str, version: &str) -> Speaker {
        self.speaker_with(name, version, "").await
    }

    /// The same with further headers in CONNECT, each line ending in LF.
    pub(crate) async fn speaker_with(&self, name: &str, version: &str, more: &str) -> Speaker {
        self.known(name).await;
        let (mut client, token) = (self.socket().await, self.token(name));
        client.send(&format!("CONNECT\naccept-version:{version}\nhost:x\ntoken:{token}\n{more}\n\0")).await;
        let connected = client.frame().await;
        assert_eq!(connected.command, "CONNECTED", "{connected:?}");
        Speaker { client, token, connected }
    }

    /// Makes an account where there is none.
    pub(crate) async fn known(&self, name: &str) {
        if self.store().account(&name.parse().unwrap()).await.unwrap().is_none() {
            self.person(name, Role::User).await;
        }
    }

    /// A token of somebody that ends in so many seconds; signed here, as no configuration makes one so short.
    pub(crate) async fn token_for(&self, name: &str, seconds: i64) -> String {
        let keys = self.store().signing_keys().await.unwrap();
        signed(&claims(name, seconds), keys[0].secret.expose())
    }
}

/// The claims of a token of somebody that ends in so many seconds.
pub(crate) fn claims(name: &str, seconds: i64) -> Value {
    let now = i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap();
    json!({"sub": name, "iat": now, "exp": now + seconds, "epoch": 0})
}

/// A token signed with this secret.
pub(crate) fn signed(claims: &Value, secret: &[u8]) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret)).unwrap()
}

impl Speaker {
    /// SUBSCRIBE to a room, with further headers; answers what came before its RECEIPT.
    pub(crate) async fn subscribe(&mut self, id: &str, room: impl Display, more: &str) -> Vec<Frame> {
        let frame = format!("SUBSCRIBE\nid:{id}\ndestination:/sub/chat/room/{room}\nreceipt:sub-{id}\n{more}\n\0");
        self.send(&frame).await;
        self.receipt(&format!("sub-{id}")).await
    }

    /// SUBSCRIBE to a room, and take the own ENTER. There is none for who is inside already, be it on a socket that was
    /// dropped a moment ago: who comes anew in a test needs a new name or a new room.
    pub(crate) async fn enter(&mut self, id: &str, room: impl Display) {
        self.subscribe(id, room, "").await;
        assert_eq!(self.message().await.json()["type"], "ENTER");
    }

    /// A SEND frame.
    pub(crate) fn talk(&self, room: impl Display, text: &str, more: &str) -> String {
        let body = json!({"type": "TALK", "roomId": room.to_string(), "message": text});
        self.talk_body(&body.to_string(), more)
    }

    /// A SEND frame with this body.
    pub(crate) fn talk_body(&self, body: &str, more: &str) -> String {
        format!("SEND\ndestination:/pub/chat/message\ntoken:{}\n{more}\n{body}\0", self.token)
    }

    /// Sends text as one WebSocket message.
    pub(crate) async fn send(&mut self, text: &str) {
        self.client.send(text).await;
    }

    /// SENDs a message, and waits until it is durable; answers what came before its RECEIPT.
    pub(crate) async fn say(&mut self, room: impl Display, text: &str) -> Vec<Frame> {
        self.send(&self.talk(room, text, "receipt:said\n")).await;
        self.receipt("said").await
    }

    /// Waits for this RECEIPT; answers what came before it.
    pub(crate) async fn receipt(&mut self, id: &str) -> Vec<Frame> {
        let mut before = Vec::new();
        loop {
            let frame = self.frame().await;
            assert_ne!(frame.command, "ERROR", "instead of RECEIPT {id}: {frame:?}");
            if frame.command == "RECEIPT" && frame.header("receipt-id") == Some(id) {
                return before;
            }
            before.push(frame);
        }
    }

    /// What a transaction without content brings about: nothing, after everything before it. Answers what came
    /// before its RECEIPT, so that a test can say what did not come.
    pub(crate) async fn sync(&mut self) -> Vec<Frame> {
        self.send("BEGIN\ntransaction:sync\n\n\0ABORT\ntransaction:sync\nreceipt:sync\n\n\0").await;
        self.receipt("sync").await
    }

    /// Sends what has to be refused; answers the ERROR, with which the connection has to end.
    pub(crate) async fn refused(&mut self, frame: &str) -> Frame {
        self.send(frame).await;
        self.end().await
    }
}

impl Deref for Speaker {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Speaker {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl Client {
    /// The ERROR that comes next (what was on its way before it is dropped), and the close right behind it. It is
    /// whole and well-formed, and the close code is the one that belongs to its `code`.
    pub(crate) async fn end(&mut self) -> Frame {
        let error = self.until("ERROR").await;
        let line = error.header("message").unwrap_or_else(|| panic!("ERROR has a message: {error:?}"));
        assert!(!line.is_empty() && !line.contains("\\n"), "{error:?}");
        assert_eq!(error.header("content-type"), Some("text/plain;charset=UTF-8"), "{error:?}");
        assert_eq!(error.header("content-length"), Some(&*error.body.len().to_string()), "{error:?}");
        let expected = close_code(error.header("code").unwrap());
        assert_eq!(self.event().await, Event::Closed(Some(expected)), "after {error:?}");
        error
    }
}

/// The WebSocket close code that follows an ERROR of this code.
fn close_code(code: &str) -> u16 {
    match code {
        "not_connected"
        | "bad_frame"
        | "unknown_command"
        | "unknown_destination"
        | "missing_header"
        | "unsupported_version"
        | "subscription_exists"
        | "subscription_unknown"
        | "transaction_unknown"
        | "transaction_exists" => 1002,
        "frame_too_large" => 1009,
        "unavailable" => 1011,
        _ => 1008,
    }
}
