//! A SockJS client by hand: one request after the other, nothing taken for granted.

use super::Server;
use super::raw::{Answer, Raw};

/// What a page of the server itself says with each request.
pub(crate) const OWN_PAGE: &str = "Sec-Fetch-Site: same-origin\r\n";

/// A session's name that nobody has.
pub(crate) fn name() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// A session over requests.
pub(crate) struct Session<'a> {
    pub(crate) server: &'a Server,
    /// `/ws-stomp/{server}/{session}`.
    pub(crate) path: String,
    token: String,
}

impl<'a> Session<'a> {
    /// One that no request has opened yet.
    pub(crate) fn new(server: &'a Server) -> Self {
        Self { server, path: format!("/ws-stomp/000/{}", name()), token: String::new() }
    }

    /// One of this path, whoever knows of it.
    pub(crate) fn named(server: &'a Server, path: &str) -> Self {
        Self { server, path: path.to_owned(), token: String::new() }
    }

    /// One that somebody has opened by polling, and is connected over with STOMP 1.2.
    pub(crate) async fn connected(server: &'a Server, who: &str) -> Self {
        let mut session = Self::new(server);
        assert_eq!(session.poll().await, "o\n");
        session.sign_in(who).await;
        let told = messages(&session.poll().await);
        assert!(told[0].starts_with("CONNECTED\n"), "{told:?}");
        session
    }

    /// Sends CONNECT.
    pub(crate) async fn sign_in(&mut self, who: &str) {
        self.server.known(who).await;
        self.token = self.server.token(who);
        self.say(&format!("CONNECT\naccept-version:1.2\ntoken:{}\n\n\0", self.token)).await;
    }

    /// One poll: what it is answered with.
    pub(crate) async fn poll(&self) -> String {
        let answer = self.server.http("POST", &format!("{}/xhr", self.path), "", "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// The messages of the next poll that has some; heart-beats are dropped.
    pub(crate) async fn messages(&self) -> Vec<String> {
        loop {
            let told = messages(&self.poll().await);
            if !told.is_empty() {
                return told;
            }
        }
    }

    /// Sends one message.
    pub(crate) async fn say(&self, text: &str) {
        let answer = self.send(&serde_json::to_string(&[text]).unwrap(), "").await;
        assert_eq!((answer.status, &*answer.body), (204, ""), "{answer:?}");
    }

    /// Sends a body as it is.
    pub(crate) async fn send(&self, body: &str, headers: &str) -> Answer {
        self.server.http("POST", &format!("{}/xhr_send", self.path), headers, body).await
    }

    /// What is answered with [`echoed`]: there is no service that repeats what is said, but receipts do.
    pub(crate) fn echo(&self, text: &str) -> String {
        format!("SEND\ndestination:/pub/chat/token\ntoken:{}\nreceipt:{text}\n\n\0", self.token)
    }

    /// The start of a request that receives by this transport.
    pub(crate) async fn receive(&self, method: &str, transport: &str) -> (Answer, Stream) {
        let (answer, raw) = self.server.streaming(method, &format!("{}/{transport}", self.path), OWN_PAGE).await;
        (answer, Stream { raw, read: String::new() })
    }

    /// Enters a room.
    pub(crate) async fn enter(&self, room: impl std::fmt::Display) {
        self.say(&format!("SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{room}\nreceipt:in\n\n\0")).await;
    }
}

/// An answer that goes on.
pub(crate) struct Stream {
    raw: Raw,
    read: String,
}

impl Stream {
    /// The next piece up to and with this ending; `None` at the end of the answer.
    pub(crate) async fn next(&mut self, ending: &str) -> Option<String> {
        loop {
            if let Some(at) = self.read.find(ending) {
                return Some(self.read.drain(..at + ending.len()).collect());
            }
            match self.raw.chunk().await {
                Some(more) => self.read.push_str(&more),
                None => {
                    assert_eq!(self.read, "", "an answer ends with a whole frame");
                    return None;
                }
            }
        }
    }
}

/// What the server says to [`Session::echo`].
pub(crate) fn echoed(text: &str) -> String {
    format!("RECEIPT\nreceipt-id:{text}\n\n\0")
}

/// The messages of a frame `a[...]`, on a line or not; heart-beats of STOMP and every other frame are none.
pub(crate) fn messages(frame: &str) -> Vec<String> {
    let array = frame.trim_end().strip_prefix('a').unwrap_or("[]");
    let all: Vec<String> = serde_json::from_str(array).unwrap_or_else(|e| panic!("{e}: {frame}"));
    all.into_iter().filter(|text| text != "\n").collect()
}
