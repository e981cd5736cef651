//! One frame, decoded.
//!
//! Holds the three parts of a frame. It must not know how they looked on the wire. Invariant: none of its own, the
//! parts keep theirs.

use std::fmt;

use bytes::Bytes;

use super::{Command, Headers};

/// A STOMP frame: command, headers, body.
///
/// Headers and body share the received octets, so a kept frame keeps the buffer it arrived in; copy what must live long.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// What the frame asks for or tells.
    pub command: Command,
    /// The headers without their escapes.
    pub headers: Headers,
    /// The body: raw octets, empty where there is none.
    pub body: Bytes,
}

impl Frame {
    /// The value of a header; of repeated ones the first (STOMP 1.2, Repeated Header Entries).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}

/// Shows a body by its length alone: it is somebody's message, and logs are read by others.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("command", &self.command)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_printed_for_a_log_tells_no_secret_and_no_message() {
        let frame = Frame {
            command: Command::Send,
            headers: [("destination", "/pub/chat/message"), ("token", "s3cret")].into_iter().collect(),
            body: Bytes::from_static(b"between us"),
        };
        let printed = format!("{frame:?}");
        assert!(printed.contains("/pub/chat/message") && printed.contains("body_bytes: 10"), "{printed}");
        assert!(!printed.contains("s3cret") && !printed.contains("between us"), "{printed}");
    }
}
