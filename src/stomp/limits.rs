//! How much of a frame is taken.
//!
//! Holds the limits of one frame on the wire. It must not know the limits of what a frame means (names, message
//! lengths). Invariant: a limit is checked before memory is taken for what it limits.

use super::Limit;

/// The largest frame that a [`Decoder`](super::Decoder) reads. What goes over any of them is
/// [`DecodeError::FrameTooLarge`](super::DecodeError::FrameTooLarge).
///
/// STOMP 1.2, Size Limits: "To prevent malicious clients from exploiting memory allocation in a server, servers MAY
/// place maximum limits on" the number of headers, the length of header lines and the size of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// Octets of a whole frame: command, headers, body and the final NUL. It bounds what one connection holds while a
    /// frame is unfinished. Default 64 KiB: what the tutorial's server takes.
    pub frame_bytes_max: usize,
    /// Octets of all header lines of a frame, the blank line and the ends of lines included. Default 16 KiB: a token
    /// and room for what proxies and libraries add.
    pub header_bytes_max: usize,
    /// Octets of one header line, its end included. Default 8 KiB: the longest token that web servers let through.
    pub header_line_bytes_max: usize,
    /// Header lines of a frame, repeated ones counted each. Default 64: the specification knows sixteen names.
    pub headers_max: usize,
    /// Octets of a body. Default 64 KiB, so that the whole frame's limit decides.
    pub body_bytes_max: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        FrameLimits {
            frame_bytes_max: 64 * 1024,
            header_bytes_max: 16 * 1024,
            header_line_bytes_max: 8 * 1024,
            headers_max: 64,
            body_bytes_max: 64 * 1024,
        }
    }
}

/// Positions are octets from the beginning of the frame; `seen` is how far it was read.
impl FrameLimits {
    /// How many octets may follow in the header line that begins at `line`, in headers that begin at `start`; and the
    /// limit that says so, the narrowest.
    pub(super) fn header_room(&self, start: usize, line: usize, seen: usize) -> (usize, Limit) {
        let by_line = room(self.header_line_bytes_max, seen - line, Limit::HeaderLineBytes);
        let by_block = room(self.header_bytes_max, seen - start, Limit::HeaderBytes);
        let by_frame = room(self.frame_bytes_max, seen, Limit::FrameBytes);
        narrowest(narrowest(by_line, by_block), by_frame)
    }

    /// How many octets may follow in a body that begins at `start`, its NUL included; and the limit that says so.
    pub(super) fn body_room(&self, start: usize, seen: usize) -> (usize, Limit) {
        let (by_body, limit) = room(self.body_bytes_max, 0, Limit::BodyBytes);
        let by_body = (by_body.saturating_add(1).saturating_sub(seen - start), limit);
        narrowest(by_body, room(self.frame_bytes_max, seen, Limit::FrameBytes))
    }
}

fn room(max: usize, taken: usize, limit: fn(usize) -> Limit) -> (usize, Limit) {
    (max.saturating_sub(taken), limit(max))
}

fn narrowest(one: (usize, Limit), other: (usize, Limit)) -> (usize, Limit) {
    if other.0 < one.0 { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_limit_decides() {
        let limits = FrameLimits {
            frame_bytes_max: 100,
            header_bytes_max: 50,
            header_line_bytes_max: 20,
            headers_max: 5,
            body_bytes_max: 60,
        };
        assert_eq!(limits.header_room(5, 5, 5), (20, Limit::HeaderLineBytes(20)));
        assert_eq!(limits.header_room(5, 40, 45), (10, Limit::HeaderBytes(50)));
        assert_eq!(limits.header_room(60, 90, 95), (5, Limit::FrameBytes(100)));
        assert_eq!(limits.body_room(20, 30), (51, Limit::BodyBytes(60)));
        assert_eq!(limits.body_room(50, 60), (40, Limit::FrameBytes(100)));
    }
}
