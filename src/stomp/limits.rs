//! How much of a frame is taken.
//!
//! Holds the limits of one frame on the wire. It must not know the limits of what a frame means (names, message
//! lengths). Invariant: a limit is checked before memory is taken for what it limits.

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
