//! SockJS frames as they go out, and the WebSocket frames that they are made of.

use bytes::{BufMut, Bytes, BytesMut};

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// `o`: the session is there.
    Open,
    /// `h`: nothing, so that nobody on the way takes the connection for dead.
    Beat,
    /// `a[...]`: messages, as JSON strings joined by commas.
    Messages(Bytes),
    /// `c[code,"reason"]`: the end, or the reason why there is no beginning.
    Close(Close),
}

/// Why a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) code: u16,
    pub(super) reason: Box<str>,
}

impl Close {
    pub(super) fn new(code: u16, reason: &str) -> Self {
        Self { code, reason: reason.into() }
    }

    /// Somebody else receives already.
    pub(super) fn still_open() -> Self {
        Self::new(2010, "Another connection still open")
    }

    /// Whoever received broke off in the middle: what was on its way may be lost.
    pub(super) fn interrupted() -> Self {
        Self::new(1002, "Connection interrupted")
    }

    /// The session has ended without a word.
    pub(super) fn gone() -> Self {
        Self::new(3000, "Go away!")
    }
}

impl Frame {
    /// Appends the frame.
    pub(super) fn write(&self, to: &mut BytesMut) {
        match self {
            Self::Open => to.put_u8(b'o'),
            Self::Beat => to.put_u8(b'h'),
            Self::Messages(messages) => {
                to.reserve(messages.len() + 3);
                to.put_slice(b"a[");
                to.put_slice(messages);
                to.put_u8(b']');
            }
            Self::Close(Close { code, reason }) => {
                to.put_slice(format!("c[{code},").as_bytes());
                quote(reason.as_bytes(), to);
                to.put_u8(b']');
            }
        }
    }

    /// The frame alone.
    pub(super) fn bytes(&self) -> BytesMut {
        let mut bytes = BytesMut::new();
        self.write(&mut bytes);
        bytes
    }
}

/// Appends a message behind those that wait already.
pub(super) fn join(message: &[u8], to: &mut BytesMut) {
    if !to.is_empty() {
        to.put_u8(b',');
    }
    quote(message, to);
}

/// Appends text as a JSON string. Escaped is, besides what JSON wants, what browsers were seen to change on its way
/// (the protocol, "JSON Unicode Encoding"); a lone surrogate cannot be in UTF-8.
pub(super) fn quote(text: &[u8], to: &mut BytesMut) {
    to.reserve(text.len() + 2);
    to.put_u8(b'"');
    let (mut at, mut plain) = (0, 0);
    while at < text.len() {
        let Some((code, length)) = mangled(&text[at..]) else {
            at += 1;
            continue;
        };
        to.put_slice(&text[plain..at]);
        match code {
            0x08 => to.put_slice(b"\\b"),
            0x09 => to.put_slice(b"\\t"),
            0x0A => to.put_slice(b"\\n"),
            0x0C => to.put_slice(b"\\f"),
            0x0D => to.put_slice(b"\\r"),
            0x22 => to.put_slice(b"\\\""),
            0x5C => to.put_slice(b"\\\\"),
            code => to.put_slice(format!("\\u{code:04x}").as_bytes()),
        }
        at += length;
        plain = at;
    }
    to.put_slice(&text[plain..]);
    to.put_u8(b'"');
}

/// The letter that the text begins with, and its bytes, if it must not go as it is.
fn mangled(text: &[u8]) -> Option<(u16, usize)> {
    match text {
        [byte @ (0..0x20 | b'"' | b'\\'), ..] => Some((u16::from(*byte), 1)),
        [0xE2 | 0xEF, ..] => {
            let code = letter(text.first_chunk()?);
            matches!(code, 0x200C..=0x200F | 0x2028..=0x202F | 0x2060..=0x206F | 0xFFF0..).then_some((code, 3))
        }
        _ => None,
    }
}

/// The letter of three bytes of UTF-8: four bits of the first, six of each other.
fn letter(bytes: &[u8; 3]) -> u16 {
    let [first, second, third] = bytes.map(u16::from);
    (first & 0x0F) << 12 | (second & 0x3F) << 6 | third & 0x3F
}

/// The opcodes that a server sends (RFC 6455, section 5.2).
pub(super) const TEXT: u8 = 0x1;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xA;

/// The first of the server's own WebSocket frames, if these bytes begin with a whole one: its opcode, its payload, and
/// the bytes of all of it.
pub(super) fn first(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (opcode, announced) = (*bytes.first()? & 0x0F, *bytes.get(1)?);
    let (head, length): (usize, usize) = match announced {
        126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?),
        short => (2, usize::from(short)),
    };
    let end = head.checked_add(length)?;
    Some((opcode, bytes.get(head..end)?, end))
}

/// What the server's close frame says (RFC 6455, section 5.5.1); without a code it says that all is well.
pub(super) fn close_of(payload: &[u8]) -> Close {
    let (code, reason) = payload.split_first_chunk::<2>().unwrap_or((&[0x03, 0xE8], b""));
    Close::new(u16::from_be_bytes(*code), &String::from_utf8_lossy(reason))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quoted(text: &str) -> String {
        let mut to = BytesMut::new();
        quote(text.as_bytes(), &mut to);
        String::from_utf8(to.to_vec()).unwrap()
    }

    #[test]
    fn what_browsers_would_change_is_escaped_and_nothing_else_beyond_json() {
        let must = |code: u32| {
            code < 0x20 || matches!(code, 0x200C..=0x200F | 0x2028..=0x202F | 0x2060..=0x206F | 0xFFF0..=0xFFFF)
        };
        for letter in (0..=0x1_0FFF).filter_map(char::from_u32) {
            let told = quoted(&letter.to_string());
            let is_escaped = told.contains('\\');
            assert_eq!(is_escaped, must(u32::from(letter)) || matches!(letter, '"' | '\\'), "{letter:?} {told}");
            assert_eq!(serde_json::from_str::<String>(&told).unwrap(), letter.to_string());
        }
        assert_eq!(quoted("CONNECTED\nversion:1.1\n\n\0"), r#""CONNECTED\nversion:1.1\n\n\u0000""#);
        assert_eq!(quoted("\u{2028}\u{ffff}안녕 👋"), r#""\u2028\uffff안녕 👋""#);
    }

    #[test]
    fn frames_are_written_as_the_protocol_says() {
        let mut messages = BytesMut::new();
        join(b"a", &mut messages);
        join("사랑".as_bytes(), &mut messages);
        for (frame, written) in [
            (Frame::Open, "o"),
            (Frame::Beat, "h"),
            (Frame::Messages(messages.freeze()), "a[\"a\",\"사랑\"]"),
            (Frame::Close(Close::gone()), "c[3000,\"Go away!\"]"),
            (Frame::Close(close_of(b"")), "c[1000,\"\"]"),
            (Frame::Close(close_of(&[0x03, 0xF4])), "c[1012,\"\"]"),
        ] {
            assert_eq!(frame.bytes(), written.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(text: String) {
            prop_assert_eq!(serde_json::from_str::<String>(&quoted(&text)).unwrap(), text);
        }

        #[test]
        fn any_bytes_are_a_frame_or_none(bytes: Vec<u8>) {
            if let Some((_, payload, length)) = first(&bytes) {
                prop_assert!(payload.len() < length && length <= bytes.len());
            }
        }
    }
}
