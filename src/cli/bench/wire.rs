//! The client's side of the wire, without I/O and without an allocation for what is read: a server's WebSocket frames
//! cut out of a buffer (RFC 6455), the parts of a STOMP frame, and the few frames that a client sends.

use memchr::memmem;

/// The subscription id of every subscriber, so that all copies of a message are equal to the last byte.
pub(super) const SUBSCRIPTION: &str = "bench";
/// Opcodes (RFC 6455, section 5.2).
pub(super) const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;

/// One whole WebSocket frame of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) opcode: u8,
    /// With its head.
    pub(super) whole: &'a [u8],
    pub(super) payload: &'a [u8],
}

/// The next frame at the beginning of `buffer`; `None` while it is not all there.
///
/// # Errors
/// What a server must not send: a masked frame, a reserved bit, a part of a message.
pub(super) fn cut(buffer: &[u8]) -> Result<Option<Piece<'_>>, &'static str> {
    let [first, second, rest @ ..] = buffer else { return Ok(None) };
    if first & 0xf0 != 0x80 {
        return Err("a frame in parts, or with a reserved bit");
    }
    if second & 0x80 != 0 {
        return Err("a masked frame from the server");
    }
    let opcode = first & 0x0f;
    if !matches!(opcode, TEXT | BINARY | CLOSE | PING | PONG) {
        return Err("a frame of an unknown kind");
    }
    let (len, head) = match (second, rest) {
        (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 4),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            (usize::try_from(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])).unwrap_or(usize::MAX), 10)
        }
        (126 | 127, _) => return Ok(None),
        (len, _) => (usize::from(*len), 2_usize),
    };
    let whole = buffer.get(..head.saturating_add(len));
    Ok(whole.map(|whole| Piece { opcode, whole, payload: &whole[head..] }))
}

/// The command of a STOMP frame.
pub(super) fn command(frame: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'\n', frame).unwrap_or(frame.len());
    frame[..end].strip_suffix(b"\r").unwrap_or(&frame[..end])
}

/// A header of a STOMP frame, as it is on the wire; `name` with its colon.
pub(super) fn header<'a>(frame: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let head = &frame[..memmem::find(frame, b"\n\n")?];
    head.split(|byte| *byte == b'\n').skip(1).find_map(|line| line.strip_prefix(name.as_bytes()))
}

/// The body of a STOMP frame.
pub(super) fn body(frame: &[u8]) -> Option<&[u8]> {
    let start = memmem::find(frame, b"\n\n")? + 2;
    frame[start..].strip_suffix(b"\0")
}

/// Where an HTTP response's head ends, and its status.
pub(super) fn http_head(buffer: &[u8]) -> Option<(usize, &[u8])> {
    let end = memmem::find(buffer, b"\r\n\r\n")? + 4;
    Some((end, buffer[..end].split(|byte| *byte == b' ').nth(1).unwrap_or_default()))
}

/// Appends a client's WebSocket frame, masked by `key`.
pub(super) fn masked(opcode: u8, payload: &[u8], key: [u8; 4], to: &mut Vec<u8>) {
    to.push(0x80 | opcode);
    match u16::try_from(payload.len()) {
        Ok(len @ 0..=125) => to.push(0x80 | len as u8),
        Ok(len) => {
            to.push(0x80 | 126);
            to.extend_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            to.push(0x80 | 127);
            to.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    to.extend_from_slice(&key);
    to.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// The request that asks for a WebSocket.
pub(super) fn upgrade(host: &str, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

pub(super) fn connect(token: &str) -> String {
    format!("CONNECT\naccept-version:1.2\nhost:bench\nheart-beat:0,0\ntoken:{token}\n\n\0")
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Now,
    After(u64),
    Newest(u64),
}

pub(super) fn subscribe(room: &str, from: Start) -> String {
    let from = match from {
        Start::Now => String::new(),
        Start::After(offset) => format!("after:{offset}\n"),
        Start::Newest(entries) => format!("history:{entries}\n"),
    };
    format!("SUBSCRIBE\nid:{SUBSCRIPTION}\ndestination:/sub/chat/room/{room}\n{from}receipt:in\n\n\0")
}

pub(super) fn unsubscribe() -> String {
    format!("UNSUBSCRIBE\nid:{SUBSCRIPTION}\nreceipt:out\n\n\0")
}

/// `text` is plain ASCII, which JSON writes as it is.
pub(super) fn send(token: &str, room: &str, text: &str) -> String {
    format!(
        "SEND\ndestination:/pub/chat/message\ncontent-type:application/json\ntoken:{token}\n\n\
         {{\"type\":\"TALK\",\"roomId\":\"{room}\",\"message\":\"{text}\"}}\0"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        masked(opcode, payload, [0; 4], &mut frame);
        // As a server writes it: no mask, no key.
        frame[1] &= 0x7f;
        let key = frame.len() - payload.len() - 4;
        frame.drain(key..key + 4);
        frame
    }

    #[test]
    fn frames_are_cut_the_same_wherever_the_network_split_them() {
        let sizes = [0, 1, 125, 126, 300, 65_535, 65_536];
        for size in sizes {
            let payload = vec![b'x'; size];
            let mut stream = framed(TEXT, &payload);
            let whole = stream.len();
            stream.extend(framed(PING, b"ping"));
            for split in (0..whole).step_by(if size > 1_000 { 997 } else { 1 }) {
                assert_eq!(cut(&stream[..split]), Ok(None), "{size} at {split}");
            }
            for end in whole..=stream.len() {
                let piece = cut(&stream[..end]).unwrap().unwrap();
                assert_eq!((piece.opcode, piece.payload, piece.whole.len()), (TEXT, &*payload, whole));
                assert_eq!(cut(&stream[whole..end]).unwrap().is_some(), end == stream.len());
            }
        }
    }

    #[test]
    fn what_no_server_may_send_is_refused() {
        for bad in [[0x01, 0], [0xc1, 0], [0x81, 0x80], [0x83, 0], [0x80, 0]] {
            assert!(cut(&bad).is_err(), "{bad:x?}");
        }
    }

    #[test]
    fn a_frame_shows_its_parts() {
        let frame = b"MESSAGE\nsubscription:bench\nmessage-id:r-1\n\n{\"offset\":1}\n\n\0";
        assert_eq!(command(frame), b"MESSAGE");
        assert_eq!(header(frame, "subscription:"), Some(&b"bench"[..]));
        assert_eq!(header(frame, "offset:"), None);
        assert_eq!(body(frame), Some(&b"{\"offset\":1}\n\n"[..]));
    }

    #[test]
    fn a_mask_undoes_itself() {
        let mut frame = Vec::new();
        masked(TEXT, b"secret", [1, 2, 3, 4], &mut frame);
        let read: Vec<u8> = frame[6..].iter().zip([1, 2, 3, 4].iter().cycle()).map(|(b, k)| b ^ k).collect();
        assert_eq!((&frame[..6], &*read), (&[0x81, 0x86, 1, 2, 3, 4][..], &b"secret"[..]));
    }
}
