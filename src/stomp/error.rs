//! What was wrong with received octets.
//!
//! Holds the reasons for which a frame is refused, in words for the peer that sent it. It must not hold header values:
//! they may be secrets. Invariant: every error is the peer's fault, and ends the connection after it was told.

use std::fmt;

/// Why a [`Decoder`](super::Decoder) stopped. There is no next frame after it: what follows a frame whose end is
/// unknown cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The octets are not a frame.
    BadFrame {
        /// What is wrong with them.
        fault: Fault,
        /// The `receipt` header, when it came before the fault.
        receipt: Option<String>,
    },
    /// The first line is no command of STOMP.
    UnknownCommand {
        /// The beginning of that line, as text that can be shown.
        command: String,
    },
    /// The frame goes over a limit.
    FrameTooLarge {
        /// The limit and its value.
        limit: Limit,
        /// The `receipt` header, when it came before the limit was passed.
        receipt: Option<String>,
    },
}

impl DecodeError {
    /// A word for programs: `bad_frame`, `unknown_command` or `frame_too_large`.
    pub const fn code(&self) -> &'static str {
        match self {
            DecodeError::BadFrame { .. } => "bad_frame",
            DecodeError::UnknownCommand { .. } => "unknown_command",
            DecodeError::FrameTooLarge { .. } => "frame_too_large",
        }
    }

    /// The refused frame's `receipt` header, if it could be read: the `receipt-id` of the `ERROR` that answers it
    /// (STOMP 1.2, ERROR).
    pub fn receipt(&self) -> Option<&str> {
        match self {
            DecodeError::BadFrame { receipt, .. } | DecodeError::FrameTooLarge { receipt, .. } => receipt.as_deref(),
            DecodeError::UnknownCommand { .. } => None,
        }
    }

    pub(super) fn with_receipt(mut self, found: Option<String>) -> Self {
        match &mut self {
            DecodeError::BadFrame { receipt, .. } | DecodeError::FrameTooLarge { receipt, .. } => *receipt = found,
            DecodeError::UnknownCommand { .. } => {}
        }
        self
    }
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        DecodeError::BadFrame { fault, receipt: None }
    }
}

impl From<Limit> for DecodeError {
    fn from(limit: Limit) -> Self {
        DecodeError::FrameTooLarge { limit, receipt: None }
    }
}

impl std::error::Error for DecodeError {}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::BadFrame { fault, .. } => write!(f, "bad frame: {fault}"),
            DecodeError::UnknownCommand { command } => write!(f, "unknown command {command:?}"),
            DecodeError::FrameTooLarge { limit, .. } => write!(f, "frame too large: {limit}"),
        }
    }
}

/// What is wrong with a frame. Headers are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A header line has no colon.
    NoColon {
        /// Which header.
        header_number: usize,
    },
    /// A header line begins with its colon.
    NoName {
        /// Which header.
        header_number: usize,
    },
    /// A NUL stands within a header line: the blank line after the headers was forgotten.
    NulInHeader {
        /// Which header.
        header_number: usize,
    },
    /// A header name is not UTF-8.
    NameNotUtf8 {
        /// Which header.
        header_number: usize,
    },
    /// A header value is not UTF-8.
    ValueNotUtf8 {
        /// Its name, shortened.
        header: String,
    },
    /// A backslash is not followed by an escape of the version.
    BadEscape {
        /// The header's name, shortened.
        header: String,
        /// What follows the backslash; `None` at the end.
        follows: Option<char>,
    },
    /// A carriage return stands alone in a header of STOMP 1.2, where it must be written as `\r`.
    BareCarriageReturn {
        /// The header's name, shortened.
        header: String,
    },
    /// `content-length` is not a number.
    BadContentLength,
    /// `content-length` is there twice, with two values.
    TwoContentLengths,
    /// No NUL follows the body that `content-length` announced.
    NoNulAfterBody {
        /// The announced length in octets.
        content_length: usize,
    },
    /// A frame other than SEND, MESSAGE and ERROR has a body.
    BodyNotAllowed {
        /// The frame's command.
        command: &'static str,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NoColon { header_number } => write!(f, "header {header_number} has no ':'"),
            Fault::NoName { header_number } => {
                write!(f, "header {header_number} has no name before its ':'")
            }
            Fault::NulInHeader { header_number } => {
                write!(f, "NUL in header {header_number}; a blank line must end the headers")
            }
            Fault::NameNotUtf8 { header_number } => {
                write!(f, "the name of header {header_number} is not UTF-8")
            }
            Fault::ValueNotUtf8 { header } => {
                write!(f, "the value of header {header:?} is not UTF-8")
            }
            Fault::BadEscape { header, follows: Some(c) } => {
                write!(f, "header {header:?} holds a backslash before {c:?}, which is no escape of this version")
            }
            Fault::BadEscape { header, follows: None } => write!(f, "header {header:?} ends within an escape"),
            Fault::BareCarriageReturn { header } => {
                write!(f, "header {header:?} holds a carriage return that is not escaped")
            }
            Fault::BadContentLength => f.write_str("content-length is not a number"),
            Fault::TwoContentLengths => f.write_str("content-length is given twice with different values"),
            Fault::NoNulAfterBody { content_length } => {
                write!(f, "no NUL follows the body after the {content_length} octets of its content-length")
            }
            Fault::BodyNotAllowed { command } => write!(f, "{command} must not have a body"),
        }
    }
}

/// A limit that a frame went over, with its value from [`FrameLimits`](super::FrameLimits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Octets of the whole frame.
    FrameBytes(usize),
    /// Octets of all headers.
    HeaderBytes(usize),
    /// Octets of one header line.
    HeaderLineBytes(usize),
    /// Number of headers.
    Headers(usize),
    /// Octets of the body.
    BodyBytes(usize),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::FrameBytes(max) => write!(f, "a frame may have {max} octets"),
            Limit::HeaderBytes(max) => {
                write!(f, "the headers of a frame may have {max} octets together")
            }
            Limit::HeaderLineBytes(max) => write!(f, "a header line may have {max} octets"),
            Limit::Headers(max) => write!(f, "a frame may have {max} headers"),
            Limit::BodyBytes(max) => write!(f, "a body may have {max} octets"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_is_wrong_and_names_the_limit() {
        let large = DecodeError::from(Limit::BodyBytes(65536)).with_receipt(Some("r1".into()));
        assert_eq!(large.to_string(), "frame too large: a body may have 65536 octets");
        assert_eq!((large.code(), large.receipt()), ("frame_too_large", Some("r1")));
        let bad = DecodeError::from(Fault::NoColon { header_number: 2 });
        assert_eq!(bad.to_string(), "bad frame: header 2 has no ':'");
        assert_eq!((bad.code(), bad.receipt()), ("bad_frame", None));
        let unknown = DecodeError::UnknownCommand { command: "GET / HTTP/1".into() };
        assert_eq!(unknown.to_string(), "unknown command \"GET / HTTP/1\"");
        assert_eq!((unknown.code(), unknown.receipt()), ("unknown_command", None));
    }
}
