//! From frames to octets.
//!
//! Holds the writing of one frame. It must not know who reads it. Invariant: whatever names, values and bodies are
//! given, the result is exactly one frame: no text can begin another header or another frame, in any version.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::escape::{escape_into, plain_name_into};
use super::{Command, Version};

const CONTENT_LENGTH: &str = "content-length";

/// Writes one frame.
///
/// ```text
/// FrameBuilder::new(Command::Receipt, Version::V1_2).header("receipt-id", "77").finish()
/// ```
///
/// Text that a frame cannot carry is changed rather than refused, as its source may be a peer: see [`escape_into`] for
/// what each version escapes and what becomes a space. Where there are no escapes (1.0; `CONNECT`, `STOMP` and
/// `CONNECTED` in all versions), what would end a name becomes `_`.
#[derive(Clone)]
pub struct FrameBuilder {
    command: Command,
    /// The version whose escapes are used; 1.0 for frames that have none.
    escapes: Version,
    octets: BytesMut,
    /// Where the blank line before the body begins, if there is a body.
    body_start: Option<usize>,
}

impl FrameBuilder {
    /// Begins a frame for a peer that speaks `version`.
    pub fn new(command: Command, version: Version) -> Self {
        let mut octets = BytesMut::with_capacity(256);
        octets.put_slice(command.as_str().as_bytes());
        octets.put_u8(b'\n');
        let escapes = if command.escapes_headers() { version } else { Version::V1_0 };
        FrameBuilder { command, escapes, octets, body_start: None }
    }

    /// Adds a header after those before it. Of a repeated name the first counts.
    ///
    /// Left out are an empty name, which no version can write, and `content-length`, which [`body`](Self::body) writes.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if name.is_empty() || name == CONTENT_LENGTH {
            return self;
        }
        // Headers mostly come before the body; one that comes later is put before it.
        let body = self.body_start.map(|start| self.octets.split_off(start));
        match self.escapes {
            Version::V1_0 => plain_name_into(name, &mut self.octets),
            version => escape_into(version, name, &mut self.octets),
        }
        self.octets.put_u8(b':');
        escape_into(self.escapes, value, &mut self.octets);
        self.octets.put_u8(b'\n');
        if let Some(body) = body {
            self.body_start = Some(self.octets.len());
            self.octets.unsplit(body);
        }
        self
    }

    /// Sets the body, and with it `content-length`, so that it may hold NUL. It is the last header unless more follow.
    ///
    /// Only SEND, MESSAGE and ERROR may have a body (STOMP 1.2, Body): on others nothing is set. A second body
    /// is not taken.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        if !self.command.may_have_body() || self.body_start.is_some() {
            return self;
        }
        self.octets.reserve(CONTENT_LENGTH.len() + body.len() + 24);
        self.octets.put_slice(format!("{CONTENT_LENGTH}:{}\n", body.len()).as_bytes());
        self.body_start = Some(self.octets.len());
        self.octets.put_u8(b'\n');
        self.octets.put_slice(body);
        self
    }

    /// The octets of the frame, from the command to the NUL.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.end().freeze()
    }

    /// Appends the octets of the frame to `out`.
    pub fn finish_into(self, out: &mut BytesMut) {
        out.unsplit(self.end());
    }

    fn end(mut self) -> BytesMut {
        if self.body_start.is_none() {
            self.octets.put_u8(b'\n');
        }
        self.octets.put_u8(0);
        self.octets
    }
}

/// Shows a frame's length alone: a client's CONNECT holds a token.
impl fmt::Debug for FrameBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameBuilder")
            .field("command", &self.command)
            .field("bytes", &self.octets.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_brings_its_length_and_may_hold_nul() {
        let octets = FrameBuilder::new(Command::Message, Version::V1_2)
            .header("destination", "/sub/chat/room/1")
            .body(b"a\0b")
            .finish();
        assert_eq!(&octets[..], b"MESSAGE\ndestination:/sub/chat/room/1\ncontent-length:3\n\na\0b\0");
    }

    #[test]
    fn a_frame_without_body_has_no_length() {
        let octets = FrameBuilder::new(Command::Receipt, Version::V1_2).header("receipt-id", "77").finish();
        assert_eq!(&octets[..], b"RECEIPT\nreceipt-id:77\n\n\0");
        assert_eq!(&FrameBuilder::new(Command::Receipt, Version::V1_2).body("x").finish()[..], b"RECEIPT\n\n\0");
    }

    #[test]
    fn an_empty_body_has_a_length_too() {
        let octets = FrameBuilder::new(Command::Error, Version::V1_0).body("").finish();
        assert_eq!(&octets[..], b"ERROR\ncontent-length:0\n\n\0");
    }

    #[test]
    fn a_header_after_the_body_is_written_before_it() {
        let octets =
            FrameBuilder::new(Command::Send, Version::V1_1).body("hi").header("a", "b").header("c", "d").finish();
        assert_eq!(&octets[..], b"SEND\ncontent-length:2\na:b\nc:d\n\nhi\0");
    }

    #[test]
    fn the_length_is_the_builders_alone_and_a_nameless_header_is_left_out() {
        let octets = FrameBuilder::new(Command::Send, Version::V1_2)
            .header("content-length", "99")
            .header("", "x")
            .body("hi")
            .body("again")
            .finish();
        assert_eq!(&octets[..], b"SEND\ncontent-length:2\n\nhi\0");
    }

    #[test]
    fn no_text_begins_another_header_or_frame() {
        let evil = "x\r\nfake:1\n\n\0MESSAGE\n\n\0";
        for version in Version::ALL {
            for command in Command::ALL {
                let octets = FrameBuilder::new(command, version).header(evil, evil).finish();
                let lines = octets.iter().filter(|&&octet| octet == b'\n').count();
                let nuls = octets.iter().filter(|&&octet| octet == 0).count();
                assert_eq!((lines, nuls, octets.contains(&b'\r')), (3, 1, false), "{version:?} {command:?}");
            }
        }
    }

    #[test]
    fn frames_are_appended_to_a_buffer() {
        let mut out = BytesMut::from(&b"\n"[..]);
        FrameBuilder::new(Command::Begin, Version::V1_2).finish_into(&mut out);
        FrameBuilder::new(Command::Commit, Version::V1_2).finish_into(&mut out);
        assert_eq!(&out[..], b"\nBEGIN\n\n\0COMMIT\n\n\0");
    }
}
