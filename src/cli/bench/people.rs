//! How many people a room counts, asked over HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustls::{ClientConnection, StreamOwned};

use super::target::Target;
use super::wire;

const ANSWER_MAX: Duration = Duration::from_secs(10);

/// `userCount` of a room.
pub(super) fn count(target: &Target, room: &str) -> anyhow::Result<u64> {
    let door = target.doors.first().context("there is no door")?;
    let stream = TcpStream::connect(door.address).context("cannot ask who is in a room")?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    let request = format!(
        "GET /chat/room/{room} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        door.host, target.tokens[0]
    );
    let answer = match &door.tls {
        None => ask(stream, &request)?,
        Some(tls) => {
            let state = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone())?;
            ask(StreamOwned::new(state, stream), &request)?
        }
    };
    let told = || format!("the server answers {:?}", String::from_utf8_lossy(&answer));
    let (end, status) = wire::http_head(&answer).with_context(told)?;
    ensure!(status == b"200", told());
    let room: serde_json::Value = serde_json::from_slice(&answer[end..]).with_context(told)?;
    room["userCount"].as_u64().with_context(told)
}

fn ask(mut stream: impl Read + Write, request: &str) -> std::io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // Closed without a close_notify: the answer's own form says whether it is whole.
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {}
        read => {
            read?;
        }
    }
    Ok(answer)
}
