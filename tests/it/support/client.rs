//! A STOMP client that is written anew, so that it shares no mistake with the server.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use super::PATIENCE;
use super::secure::{AnyStream, Duplex};

/// A STOMP frame as it came: nothing unescaped, nothing left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) command: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Frame {
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.strip_suffix('\0').unwrap_or_else(|| panic!("a frame ends with NUL: {text:?}"));
        let (head, body) = text.split_once("\n\n").unwrap_or_else(|| panic!("a frame has a blank line: {text:?}"));
        let mut lines = head.split('\n');
        let command = lines.next().unwrap().to_owned();
        let headers = lines.map(|line| line.split_once(':').unwrap()).map(|(k, v)| (k.to_owned(), v.to_owned()));
        Self { command, headers: headers.collect(), body: body.to_owned() }
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The offset of an entry.
    pub(crate) fn offset(&self) -> u64 {
        self.json()["offset"].as_u64().unwrap_or_else(|| panic!("no offset in {self:?}"))
    }
}

/// One socket.
pub(crate) struct Client {
    socket: WebSocketStream<AnyStream>,
    token: String,
}

impl Client {
    /// Opens a WebSocket.
    pub(crate) async fn open(authority: &str, path: &str, protocol: Option<&str>) -> Self {
        let stream = TcpStream::connect(authority).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream, authority, path, protocol).await
    }

    /// Opens a WebSocket over a stream, be it TCP or TLS.
    pub(crate) async fn over(
        stream: impl Duplex + 'static,
        authority: &str,
        path: &str,
        protocol: Option<&str>,
    ) -> Self {
        let url = format!("ws://{authority}{path}");
        let mut builder = ClientBuilder::new().uri(&url).unwrap();
        if let Some(protocol) = protocol {
            let name = "sec-websocket-protocol".parse().unwrap();
            builder = builder.add_header(name, protocol.parse().unwrap()).unwrap();
        }
        let (socket, _) = builder.connect_on(Box::new(stream) as AnyStream).await.unwrap();
        Self { socket, token: String::new() }
    }

    /// The same over a stream that may break at any moment.
    pub(crate) async fn try_over(stream: impl Duplex + 'static, authority: &str) -> Option<Self> {
        let url = format!("ws://{authority}/ws-stomp");
        let opened = ClientBuilder::new().uri(&url).unwrap().connect_on(Box::new(stream) as AnyStream).await;
        opened.ok().map(|(socket, _)| Self { socket, token: String::new() })
    }

    /// The same as [`Client::connect`] on a socket that may break at any moment.
    pub(crate) async fn try_connect(&mut self, token: &str) -> bool {
        self.token = token.to_owned();
        self.send(&format!("CONNECT\naccept-version:1.2\nhost:x\ntoken:{token}\n\n\0")).await;
        matches!(self.event().await, Event::Frame(frame) if frame.command == "CONNECTED")
    }

    /// CONNECT with STOMP 1.2 and no heart-beats; waits for CONNECTED.
    pub(crate) async fn connect(&mut self, token: &str) -> Frame {
        self.token = token.to_owned();
        self.send(&format!("CONNECT\naccept-version:1.2\nhost:x\ntoken:{token}\n\n\0")).await;
        let connected = self.frame().await;
        assert_eq!(connected.command, "CONNECTED", "{connected:?}");
        connected
    }

    /// Sends text as one WebSocket message.
    pub(crate) async fn send(&mut self, text: &str) {
        self.send_message(Message::text(text.to_owned())).await;
    }

    /// Sends a WebSocket message. A server that has closed meanwhile is no failure here: what it said is read later.
    pub(crate) async fn send_message(&mut self, message: Message) {
        let _ = tokio::time::timeout(PATIENCE, self.socket.send(message)).await.expect("the server reads");
    }

    /// SUBSCRIBE to a room with further headers (each line ending in LF), and waits for its RECEIPT.
    pub(crate) async fn subscribe(&mut self, id: &str, room: impl std::fmt::Display, more: &str) {
        let frame = format!("SUBSCRIBE\nid:{id}\ndestination:/sub/chat/room/{room}\nreceipt:sub-{id}\n{more}\n\0");
        self.send(&frame).await;
        let receipt = self.frame().await;
        assert_eq!(receipt.header("receipt-id"), Some(&*format!("sub-{id}")), "{receipt:?}");
    }

    /// SUBSCRIBE to `/user/queue/errors`.
    pub(crate) async fn listen_for_errors(&mut self) {
        self.send("SUBSCRIBE\nid:errors\ndestination:/user/queue/errors\nreceipt:errors\n\n\0").await;
        assert_eq!(self.frame().await.command, "RECEIPT");
    }

    /// The same where MESSAGEs may come in between, which are dropped.
    pub(crate) async fn listen_for_errors_amid(&mut self) {
        self.send("SUBSCRIBE\nid:errors\ndestination:/user/queue/errors\nreceipt:errors\n\n\0").await;
        self.until("RECEIPT").await;
    }

    /// The next MESSAGE, with heart-beats before it dropped.
    pub(crate) async fn message_or_beat(&mut self) -> Frame {
        loop {
            match self.event().await {
                Event::Frame(frame) if frame.command == "MESSAGE" => return frame,
                Event::Frame(_) | Event::HeartBeat => {}
                Event::Closed(code) => panic!("closed with {code:?}"),
            }
        }
    }

    /// SENDs a message; asks for a receipt where `receipt` is not empty, and does not wait for it.
    pub(crate) async fn say(&mut self, room: impl std::fmt::Display, text: &str, receipt: &str) {
        let body = serde_json::json!({"type": "TALK", "roomId": room.to_string(), "message": text});
        self.say_body(&body.to_string(), receipt, "").await;
    }

    /// SENDs a body with further headers (each line ending in LF).
    pub(crate) async fn say_body(&mut self, body: &str, receipt: &str, more: &str) {
        let receipt = if receipt.is_empty() { String::new() } else { format!("receipt:{receipt}\n") };
        let token = &self.token;
        let frame = format!("SEND\ndestination:/pub/chat/message\ntoken:{token}\n{receipt}{more}\n{body}\0");
        self.send(&frame).await;
    }

    /// The next STOMP frame.
    pub(crate) async fn frame(&mut self) -> Frame {
        match self.event().await {
            Event::Frame(frame) => frame,
            other => panic!("a frame was expected, {other:?} came"),
        }
    }

    /// The next entry of a room: the next frame that is a MESSAGE.
    pub(crate) async fn message(&mut self) -> Frame {
        loop {
            let frame = self.frame().await;
            if frame.command == "MESSAGE" {
                return frame;
            }
        }
    }

    /// The next frame of that command; others before it are dropped.
    pub(crate) async fn until(&mut self, command: &str) -> Frame {
        loop {
            let frame = self.frame().await;
            if frame.command == command {
                return frame;
            }
        }
    }

    /// The code with which the server closes; frames before it are dropped.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.event().await {
                Event::Closed(code) => return code,
                Event::Frame(_) | Event::HeartBeat => {}
            }
        }
    }

    /// ERROR, with everything before it dropped, and the code of the close that follows it.
    pub(crate) async fn error(&mut self) -> (Frame, Option<u16>) {
        let error = self.until("ERROR").await;
        (error, self.close_code().await)
    }

    /// The next thing that happens.
    pub(crate) async fn event(&mut self) -> Event {
        tokio::time::timeout(PATIENCE, self.next()).await.expect("the server says something")
    }

    /// What happens within `time`, if anything.
    pub(crate) async fn event_within(&mut self, time: Duration) -> Option<Event> {
        tokio::time::timeout(time, self.next()).await.ok()
    }

    async fn next(&mut self) -> Event {
        loop {
            match self.socket.next().await {
                None | Some(Err(_)) => return Event::Closed(None),
                Some(Ok(message)) if message.is_close() => {
                    let code = message.as_close().map(|(code, _)| code.into());
                    // The library answers by itself at the next poll.
                    let _ = tokio::time::timeout(Duration::from_millis(100), self.socket.next()).await;
                    return Event::Closed(code);
                }
                Some(Ok(message)) => match message.as_text() {
                    Some("\n") => return Event::HeartBeat,
                    Some(text) => return Event::Frame(Frame::parse(text)),
                    None => {}
                },
            }
        }
    }
}

/// Something that the server did.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    Frame(Frame),
    HeartBeat,
    Closed(Option<u16>),
}
