//! As much of the server's side of the wire as a subscriber can tell: the upgrade answered, a client's frames taken
//! apart, a MESSAGE with the bytes that the server writes. The ceiling and the tests' faulty server stand on it.

/// The answer to a request for a WebSocket.
pub(crate) const SWITCHING: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Appends a server's text frame.
pub(crate) fn text(payload: &[u8], to: &mut Vec<u8>) {
    to.push(0x81);
    match u16::try_from(payload.len()) {
        Ok(len @ 0..=125) => to.push(len as u8),
        Ok(len) => {
            to.push(126);
            to.extend_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            to.push(127);
            to.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    to.extend_from_slice(payload);
}

/// Takes the next client's frame off the front of `buffer`: its opcode and its payload.
pub(crate) fn take(buffer: &mut Vec<u8>) -> Option<(u8, String)> {
    let [first, second, ..] = buffer[..] else { return None };
    let (len, head) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(buffer.get(2..4)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(buffer.get(2..10)?.try_into().ok()?)).ok()?, 10),
        len => (usize::from(len), 2),
    };
    let key: [u8; 4] = buffer.get(head..head + 4)?.try_into().ok()?;
    let masked = buffer.get(head + 4..head + 4 + len)?;
    let payload: Vec<u8> = masked.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    buffer.drain(..head + 4 + len);
    Some((first & 0x0f, String::from_utf8_lossy(&payload).into_owned()))
}

/// A header of a frame.
pub(crate) fn header<'a>(frame: &'a str, name: &str) -> Option<&'a str> {
    let head = frame.split("\n\n").next()?;
    head.lines().skip(1).find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// What is between these two in a frame's body: the bench's messages have nothing that JSON escapes.
pub(crate) fn member<'a>(frame: &'a str, name: &str) -> Option<&'a str> {
    frame.split(&format!("\"{name}\":\"")).nth(1)?.split('"').next()
}

/// CONNECTED, as a whole WebSocket frame.
pub(crate) fn connected(to: &mut Vec<u8>) {
    text(b"CONNECTED\nversion:1.2\nheart-beat:0,0\nuser-name:nobody\nsession:1\nserver:Ceiling\n\n\0", to);
}

/// RECEIPT, as a whole WebSocket frame.
pub(crate) fn receipt(id: &str, to: &mut Vec<u8>) {
    text(format!("RECEIPT\nreceipt-id:{id}\n\n\0").as_bytes(), to);
}

/// A MESSAGE, as a whole WebSocket frame: header for header and member for member what the server writes.
pub(crate) fn message(room: &str, subscription: &str, offset: u64, said: &str, to: &mut Vec<u8>) {
    let body = format!(
        "{{\"type\":\"TALK\",\"roomId\":\"{room}\",\"sender\":\"bench-0\",\"message\":\"{said}\",\"userCount\":16,\
         \"offset\":{offset},\"id\":\"{room}-{offset}\",\"sentAt\":1735689600000}}"
    );
    let frame = format!(
        "MESSAGE\ndestination:/sub/chat/room/{room}\ncontent-type:application/json;charset=UTF-8\n\
         subscription:{subscription}\nmessage-id:{room}-{offset}\ncontent-length:{}\n\n{body}\0",
        body.len()
    );
    text(frame.as_bytes(), to);
}
