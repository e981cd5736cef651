//! WebSocket frames out of bytes, for the side of a server (RFC 6455, section 5).
//!
//! Sans-I/O: bytes are fed, messages come out. A library would do, but for one thing: each connection of one keeps a
//! buffer of several KiB for as long as it lives, and most connections are silent most of the time. This one holds
//! what has come of a message that is not whole yet, and nothing else. Invariant: a frame is judged by its head, before
//! memory is taken for its payload.

use bytes::{Buf, Bytes, BytesMut};

/// Something that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A whole message, be it text or binary.
    Message(Bytes),
    /// To be answered with the same payload.
    Ping(Bytes),
    /// An answer, or a heart-beat of somebody who likes those.
    Pong,
    /// The peer closes; its code, if it gave one.
    Close(Option<u16>),
}

/// How the peer broke the protocol. Nothing that comes behind it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A frame that must not be: close code 1002.
    Protocol(&'static str),
    /// Text that is no UTF-8: close code 1007.
    NotText,
    /// A message of more than the limit: close code 1009.
    TooLarge,
}

/// What has come and is not whole yet.
pub(crate) struct Intake {
    buffer: BytesMut,
    /// The fragments of a message so far.
    message: Option<Fragments>,
    message_bytes_max: usize,
}

struct Fragments {
    is_text: bool,
    payload: BytesMut,
    /// How much of it is known to be UTF-8.
    valid: usize,
}

/// A frame's head.
struct Head {
    is_last: bool,
    opcode: u8,
    mask: [u8; 4],
    bytes: usize,
    payload_bytes: usize,
}

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// Longest payload of a control frame (section 5.5).
const CONTROL_BYTES_MAX: usize = 125;

impl Intake {
    /// For messages of at most so many bytes.
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), message: None, message_bytes_max }
    }

    /// Takes bytes as they came.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next thing that is whole. After an error it must not be asked again.
    pub(crate) fn next(&mut self) -> Result<Option<Incoming>, Broken> {
        loop {
            let Some(head) = self.head()? else { return Ok(None) };
            let length = head.bytes + head.payload_bytes;
            if self.buffer.len() < length {
                // All of it in one allocation; the length is within the limit.
                self.buffer.reserve(length - self.buffer.len());
                return Ok(None);
            }
            self.buffer.advance(head.bytes);
            let mut payload = self.buffer.split_to(head.payload_bytes);
            if self.buffer.is_empty() {
                // An empty rest would hold the memory of all that went before.
                self.buffer = BytesMut::new();
            }
            unmask(&mut payload, head.mask);
            match head.opcode {
                PING => return Ok(Some(Incoming::Ping(payload.freeze()))),
                PONG => return Ok(Some(Incoming::Pong)),
                CLOSE => return close_code(&payload).map(|code| Some(Incoming::Close(code))),
                _ => {
                    if let Some(message) = self.collect(&head, payload)? {
                        return Ok(Some(Incoming::Message(message)));
                    }
                }
            }
        }
    }

    /// The head of the next frame, once it is whole.
    fn head(&self) -> Result<Option<Head>, Broken> {
        let [first, second, rest @ ..] = &self.buffer[..] else { return Ok(None) };
        let (is_last, opcode, announced) = (first & 0x80 != 0, first & 0x0F, second & 0x7F);
        if first & 0x70 != 0 {
            return Err(Broken::Protocol("a reserved bit is set, and no extension was agreed on"));
        }
        if second & 0x80 == 0 {
            return Err(Broken::Protocol("a client's frame has to be masked"));
        }
        let is_control = opcode >= CLOSE;
        match (opcode, self.message.is_some()) {
            (CLOSE | PING | PONG, _) if !is_last => return Err(Broken::Protocol("a control frame is in fragments")),
            (CLOSE | PING | PONG, _) | (CONTINUATION, true) | (TEXT | BINARY, false) => {}
            (CONTINUATION, false) => return Err(Broken::Protocol("a continuation of nothing")),
            (TEXT | BINARY, true) => return Err(Broken::Protocol("a message begins within another")),
            _ => return Err(Broken::Protocol("an opcode that nobody knows")),
        }
        let (length, extended) = match announced {
            126 => match rest.first_chunk::<2>() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(length) => (u64::from_be_bytes(*length), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        // Section 5.2: "the minimal number of bytes MUST be used to encode the length".
        if extended == 2 && length < 126 || extended == 8 && length <= u64::from(u16::MAX) {
            return Err(Broken::Protocol("a length in more bytes than it needs"));
        }
        let payload_bytes = usize::try_from(length).map_err(|_| Broken::TooLarge)?;
        if is_control && payload_bytes > CONTROL_BYTES_MAX {
            return Err(Broken::Protocol("a control frame of more than 125 bytes"));
        }
        let so_far = self.message.as_ref().filter(|_| !is_control).map_or(0, |message| message.payload.len());
        if payload_bytes > self.message_bytes_max.saturating_sub(so_far) {
            return Err(Broken::TooLarge);
        }
        let Some(mask) = rest.get(extended..).and_then(|rest| rest.first_chunk::<4>()) else { return Ok(None) };
        Ok(Some(Head { is_last, opcode, mask: *mask, bytes: 2 + extended + 4, payload_bytes }))
    }

    /// Takes a frame of a message; the message, when it was the last one.
    fn collect(&mut self, head: &Head, payload: BytesMut) -> Result<Option<Bytes>, Broken> {
        let mut message = match self.message.take() {
            Some(mut message) => {
                message.payload.extend_from_slice(&payload);
                message
            }
            None => Fragments { is_text: head.opcode == TEXT, payload, valid: 0 },
        };
        if message.is_text {
            message.check(head.is_last)?;
        }
        if head.is_last {
            return Ok(Some(message.payload.freeze()));
        }
        self.message = Some(message);
        Ok(None)
    }
}

impl Fragments {
    /// Looks at what is new. A letter may be cut by a fragment's end, and not by the message's.
    fn check(&mut self, is_whole: bool) -> Result<(), Broken> {
        match std::str::from_utf8(&self.payload[self.valid..]) {
            Ok(_) => self.valid = self.payload.len(),
            Err(error) if error.error_len().is_none() && !is_whole => self.valid += error.valid_up_to(),
            Err(_) => return Err(Broken::NotText),
        }
        Ok(())
    }
}

/// Section 5.3: each byte by the mask's byte of its place.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    rest.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}

/// Sections 5.5.1 and 7.4: a code that may be sent, and a reason in UTF-8, or nothing at all.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Broken> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(Broken::Protocol("a close with half a code")) };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Broken::Protocol("a close code that is not to be sent"));
    }
    std::str::from_utf8(reason).map(|_| Some(code)).map_err(|_| Broken::NotText)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x12, 0xAB, 0x00, 0xFF];
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..=125 => bytes.push(0x80 | length as u8),
            length @ 126..=65_535 => {
                bytes.push(0x80 | 126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// Everything that comes out of bytes that come in pieces of this size.
    fn all(bytes: &[u8], piece: usize) -> Result<Vec<Incoming>, Broken> {
        let (mut intake, mut came) = (Intake::new(1_000), Vec::new());
        for piece in bytes.chunks(piece) {
            intake.feed(piece);
            while let Some(incoming) = intake.next()? {
                came.push(incoming);
            }
        }
        assert!(intake.buffer.is_empty() && intake.buffer.capacity() == 0, "nothing is held for a silent connection");
        Ok(came)
    }

    #[test]
    fn a_length_in_more_bytes_than_it_needs_is_refused() {
        for bytes in [&[0x81, 0xFE, 0, 125, 0, 0, 0, 0][..], &[0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0]] {
            assert!(matches!(all(bytes, 64), Err(Broken::Protocol(_))), "{bytes:?}");
        }
    }

    #[test]
    fn fragments_together_are_within_the_limit() {
        let halves = [frame(0x01, &[b'x'; 600]), frame(0x80, &[b'x'; 401])].concat();
        assert_eq!(all(&halves, 64), Err(Broken::TooLarge));
        let halves = [frame(0x01, &[b'x'; 600]), frame(0x80, &[b'x'; 400])].concat();
        assert_eq!(all(&halves, 64).unwrap().len(), 1);
    }

    proptest! {
        /// However a stream is cut, and whatever fragments and control frames it has, the same messages come out.
        #[test]
        fn any_cut_gives_the_same_messages(
            messages in prop::collection::vec((any::<bool>(), prop::collection::vec("[a-z가-힣]{0,90}", 1..4)), 0..6),
            piece in 1..200_usize,
        ) {
            let (mut bytes, mut expected) = (Vec::new(), Vec::new());
            for (is_text, parts) in &messages {
                for (at, part) in parts.iter().enumerate() {
                    let opcode = if at > 0 { CONTINUATION } else if *is_text { TEXT } else { BINARY };
                    let last = if at + 1 == parts.len() { 0x80 } else { 0 };
                    bytes.extend(frame(last | opcode, part.as_bytes()));
                    if last == 0 {
                        bytes.extend(frame(0x80 | PING, b"?"));
                        expected.push(Incoming::Ping(Bytes::from_static(b"?")));
                    }
                }
                expected.push(Incoming::Message(parts.concat().into_bytes().into()));
            }
            prop_assert_eq!(all(&bytes, piece).unwrap(), expected);
        }

        /// No bytes make it fall over.
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes: Vec<u8>, piece in 1..50_usize) {
            let mut intake = Intake::new(100);
            for piece in bytes.chunks(piece) {
                intake.feed(piece);
                while let Ok(Some(_)) = intake.next() {}
            }
        }
    }
}
