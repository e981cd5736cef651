//! A bare connection to the server: requests and WebSocket frames made by hand, as wrong as a test wants them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::secure::AnyStream;
use super::{PATIENCE, Server};

/// A whole opening handshake (RFC 6455, section 1.3) but for its first line, `Host` and the blank line.
pub(crate) const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// The FIN bit of a frame's first octet.
pub(crate) const FIN: u8 = 0x80;
/// Opcodes (RFC 6455, section 5.2).
pub(crate) const CONTINUE: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

/// One connection.
pub(crate) struct Raw {
    stream: AnyStream,
    inbox: Vec<u8>,
}

/// The answer to an HTTP request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// All that came until the end of a connection.
#[derive(Debug)]
pub(crate) struct Rest {
    /// The text messages.
    pub(crate) texts: Vec<String>,
    /// The code of the close frame, if there was a close frame with a code.
    pub(crate) close: Option<u16>,
}

impl Rest {
    /// The code of the ERROR among the messages.
    pub(crate) fn error_code(&self) -> Option<&str> {
        let error = self.texts.iter().find(|text| text.starts_with("ERROR\n"))?;
        error.lines().find_map(|line| line.strip_prefix("code:"))
    }
}

impl Server {
    /// One HTTP request with these headers (each line ending in CR LF), over a connection of its own.
    pub(crate) async fn http(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut raw = Raw::open(self).await;
        let (host, length) = (self.authority(), body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        raw.write(request.as_bytes()).await;
        raw.answer().await
    }

    /// A request whose answer goes on: its head, and the connection to read the rest from.
    pub(crate) async fn streaming(&self, method: &str, path: &str, headers: &str) -> (Answer, Raw) {
        let mut raw = Raw::open(self).await;
        let host = self.authority();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n{headers}\r\n");
        raw.write(request.as_bytes()).await;
        (raw.answer().await, raw)
    }

    /// An opening handshake with exactly these headers.
    pub(crate) async fn handshake(&self, headers: &str) -> Answer {
        let mut raw = Raw::open(self).await;
        raw.write(format!("GET /ws-stomp HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.authority()).as_bytes()).await;
        raw.answer().await
    }

    /// A WebSocket on which nothing was said yet.
    pub(crate) async fn raw(&self) -> Raw {
        let mut raw = Raw::open(self).await;
        raw.upgrade(self).await;
        raw
    }

    /// A WebSocket on which somebody is connected with STOMP 1.2.
    pub(crate) async fn raw_connected(&self, name: &str) -> Raw {
        self.known(name).await;
        let mut raw = self.raw().await;
        let token = self.token(name);
        raw.frame(FIN | TEXT, format!("CONNECT\naccept-version:1.2\ntoken:{token}\n\n\0").as_bytes()).await;
        assert!(raw.text().await.starts_with("CONNECTED\n"));
        raw
    }
}

impl Raw {
    /// A connection, with TLS where the server speaks that.
    pub(crate) async fn open(server: &Server) -> Self {
        Self::over(server.stream().await)
    }

    /// The same over a stream that is there already.
    pub(crate) fn over(stream: AnyStream) -> Self {
        Self { stream, inbox: Vec::new() }
    }

    /// One that takes little before it is read.
    pub(crate) async fn narrow(server: &Server) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 * 1024).unwrap();
        Self::over(server.secured(socket.connect(server.authority().parse().unwrap()).await.unwrap()).await)
    }

    /// Makes it a WebSocket.
    pub(crate) async fn upgrade(&mut self, server: &Server) {
        let answer = self.try_upgrade(server).await;
        assert_eq!(answer.status, 101, "{answer:?}");
    }

    /// What the wish to become a WebSocket is answered with.
    pub(crate) async fn try_upgrade(&mut self, server: &Server) -> Answer {
        let host = server.authority();
        self.write(format!("GET /ws-stomp HTTP/1.1\r\nHost: {host}\r\n{HANDSHAKE}\r\n").as_bytes()).await;
        self.answer().await
    }

    /// Writes bytes. A server that has closed meanwhile is no failure: what it said is read later.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = tokio::time::timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("the server reads");
    }

    /// Writes a WebSocket frame, masked as a client has to.
    pub(crate) async fn frame(&mut self, first: u8, payload: &[u8]) {
        self.write(&masked(first, payload)).await;
    }

    /// The answer to a request.
    pub(crate) async fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.inbox.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            assert!(self.read().await, "no whole answer: {}", String::from_utf8_lossy(&self.inbox));
        };
        let head = String::from_utf8(self.inbox.drain(..end + 4).take(end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.inbox.len() < length && self.read().await {}
        answer.body = String::from_utf8(self.inbox.drain(..length).collect()).unwrap();
        answer
    }

    /// The next piece of an answer in chunks (RFC 9112, section 7.1), however large. `None` at its end, and at that of the
    /// connection.
    pub(crate) async fn chunk(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.inbox.windows(2).position(|two| two == b"\r\n") {
                let size = usize::from_str_radix(std::str::from_utf8(&self.inbox[..at]).unwrap(), 16).unwrap();
                if self.inbox.len() >= at + 2 + size + 2 {
                    let chunk = self.inbox.drain(..at + 2 + size + 2).skip(at + 2).take(size).collect();
                    return Some(String::from_utf8(chunk).unwrap()).filter(|chunk| !chunk.is_empty());
                }
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// Everything until the end of the connection, as it comes.
    pub(crate) async fn bytes(&mut self) -> Vec<u8> {
        while self.read().await {}
        std::mem::take(&mut self.inbox)
    }

    /// The next WebSocket frame: its first octet and its payload. `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((frame, length)) = parsed(&self.inbox) {
                self.inbox.drain(..length);
                return Some(frame);
            }
            if !self.read().await {
                assert!(self.inbox.is_empty(), "the connection ended within a frame");
                return None;
            }
        }
    }

    /// The same if it comes within `time`.
    pub(crate) async fn next_within(&mut self, time: std::time::Duration) -> Option<Option<(u8, Vec<u8>)>> {
        tokio::time::timeout(time, self.next()).await.ok()
    }

    /// The next text message; pings and heart-beats before it are dropped.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match self.next().await {
                Some((first, payload)) if first == FIN | TEXT && payload != b"\n" => {
                    return String::from_utf8(payload).unwrap();
                }
                Some((first, _)) if first == FIN | PING || first == FIN | TEXT => {}
                other => panic!("a text message was expected, {other:?} came"),
            }
        }
    }

    /// Everything until the end of the connection, which the server has to bring about.
    pub(crate) async fn rest(&mut self) -> Rest {
        let mut rest = Rest { texts: Vec::new(), close: None };
        while let Some((first, payload)) = self.next().await {
            if first == FIN | TEXT {
                assert_eq!(rest.close, None, "nothing comes after a close frame");
                rest.texts.push(String::from_utf8(payload).unwrap());
            } else if first == FIN | CLOSE {
                rest.close = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            }
        }
        rest
    }

    /// Reads more; answers whether there was more.
    async fn read(&mut self) -> bool {
        let mut piece = [0; 4096];
        let read =
            tokio::time::timeout(PATIENCE, self.stream.read(&mut piece)).await.expect("the server says something");
        let length = read.unwrap_or(0);
        self.inbox.extend_from_slice(&piece[..length]);
        length > 0
    }
}

/// A WebSocket frame as a client writes it.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let mut frame = head(first, 0x80, payload.len());
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(octet, mask)| octet ^ mask));
    frame
}

/// A WebSocket frame as a server writes it, and a client must not.
pub(crate) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, 0, payload.len());
    frame.extend(payload);
    frame
}

fn head(first: u8, mask: u8, length: usize) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..=125 => head.push(mask | u8::try_from(length).unwrap()),
        126..=0xFFFF => {
            head.push(mask | 126);
            head.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            head.push(mask | 127);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head
}

/// The frame at the beginning of these bytes with its length, if it is whole.
fn parsed(bytes: &[u8]) -> Option<((u8, Vec<u8>), usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert_eq!(second & 0x80, 0, "a server does not mask");
    let (start, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).unwrap()),
        length => (2, usize::from(length)),
    };
    Some(((first, bytes.get(start..start + length)?.to_vec()), start + length))
}
