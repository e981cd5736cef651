//! From octets to frames.
//!
//! Holds the state of one connection's incoming side: the unfinished frame, and how far it was read. It must not know
//! where octets come from, what a frame means, or the time. Invariant: the result depends on the octets alone, not on
//! how they were cut into pieces; each octet is looked at once; limits are checked before memory is taken.

use bytes::Bytes;

use super::header_block::HeaderBlock;
use super::intake::{Intake, Reach};
use super::{Command, DecodeError, Fault, Frame, FrameLimits, Limit, Version};

const NUL: u8 = 0;
const LF: u8 = b'\n';

/// Reads frames from a stream of octets, piece by piece.
///
/// Feed a piece, then call [`next`](Decoder::next) until it says `None`. Frames within one piece share its octets;
/// frames over several are joined once.
#[derive(Debug)]
pub struct Decoder {
    limits: FrameLimits,
    version: Version,
    intake: Intake,
    headers: HeaderBlock,
    step: Step,
    failed: Option<DecodeError>,
}

/// What a [`Decoder`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A whole frame.
    Frame(Frame),
    /// One or more ends of lines between frames: the peer is alive (STOMP 1.2, Heart-beating).
    HeartBeat,
}

/// What is read next. Positions are octets from the beginning of the frame.
#[derive(Clone, Copy, Debug)]
enum Step {
    Command,
    Headers { command: Command, start: usize, line: usize },
    Body { command: Command, rules: Version, start: usize, length: Option<usize> },
}

enum Progress {
    Found(Decoded),
    Next(Step),
    Starved,
}

impl Decoder {
    /// A decoder at the beginning of a connection.
    pub fn new(limits: FrameLimits) -> Self {
        Decoder {
            limits,
            version: Version::V1_0,
            intake: Intake::new(limits.frame_bytes_max),
            headers: HeaderBlock::default(),
            step: Step::Command,
            failed: None,
        }
    }

    /// Sets the version that was agreed on. It holds for the next frame on, also for frames that were fed together with
    /// the `CONNECT`: nothing is read further than `next` was asked for.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Takes a piece of the stream. Call [`next`](Decoder::next) until `None` before the next one: pieces on top of
    /// unread ones are copied together, and their number is limited by nothing.
    pub fn feed(&mut self, piece: Bytes) {
        if self.failed.is_none() {
            self.intake.feed(piece);
        }
    }

    /// Octets held: a part of a frame, at most [`FrameLimits::frame_bytes_max`] once `next` has said `None`, and what
    /// was fed and not read.
    pub fn buffered(&self) -> usize {
        self.intake.held()
    }

    /// The next frame or heart-beat, `None` when more octets are needed.
    ///
    /// # Errors
    /// The octets are no frame, or go over a limit. Nothing can be read after that: every further call gives the same
    /// error, and whatever is fed is dropped.
    #[allow(clippy::should_implement_trait, reason = "an iterator's None is final, this one means: feed more")]
    pub fn next(&mut self) -> Result<Option<Decoded>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        loop {
            let progress = match self.step {
                Step::Command => self.read_command(),
                Step::Headers { command, start, line } => self.read_header(command, start, line),
                Step::Body { command, rules, start, length } => self.read_body(command, rules, start, length),
            };
            match progress {
                Ok(Progress::Next(step)) => self.step = step,
                Ok(Progress::Starved) => return Ok(None),
                Ok(Progress::Found(found)) => {
                    self.step = Step::Command;
                    return Ok(Some(found));
                }
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    fn read_command(&mut self) -> Result<Progress, DecodeError> {
        if self.intake.skip_line_ends() > 0 {
            return Ok(Progress::Found(Decoded::HeartBeat));
        }
        let line_bytes_max = Command::LONGEST_BYTES + b"\r\n".len();
        let room = line_bytes_max.saturating_sub(self.intake.seen());
        let is_line = match self.intake.until([LF, NUL], room) {
            Reach::Short => return Ok(Progress::Starved),
            Reach::Stop(stop) => stop == LF,
            Reach::Over => false,
        };
        let line = without_line_end(self.intake.frame());
        if is_line && line.is_empty() {
            // An end of line that came in two pieces, so that skip_line_ends saw no whole one.
            self.intake.finish();
            return Ok(Progress::Found(Decoded::HeartBeat));
        }
        match Command::parse(line).filter(|_| is_line) {
            Some(command) => {
                let start = self.intake.seen();
                Ok(Progress::Next(Step::Headers { command, start, line: start }))
            }
            None => Err(DecodeError::UnknownCommand { command: String::from_utf8_lossy(line).into_owned() }),
        }
    }

    fn read_header(&mut self, command: Command, start: usize, line: usize) -> Result<Progress, DecodeError> {
        let (room, limit) = self.limits.header_room(start, line, self.intake.seen());
        let stop = match self.intake.until([LF, NUL], room) {
            Reach::Short => return Ok(Progress::Starved),
            Reach::Over => return Err(limit.into()),
            Reach::Stop(stop) => stop,
        };
        let (frame, end) = (self.intake.frame(), self.intake.seen());
        if stop == NUL {
            if end - line > 1 {
                return Err(Fault::NulInHeader { header_number: self.headers.len() + 1 }.into());
            }
            return self.close_headers(command, line);
        }
        let text = without_line_end(frame.get(line..end).unwrap_or_default());
        if text.is_empty() {
            return self.close_headers(command, end);
        }
        if self.headers.len() == self.limits.headers_max {
            return Err(Limit::Headers(self.limits.headers_max).into());
        }
        self.headers.push_line(frame, line, line + text.len())?;
        Ok(Progress::Next(Step::Headers { command, start, line: end }))
    }

    /// The headers are whole, and the body begins at `start` (where its NUL may have been read already).
    fn close_headers(&mut self, command: Command, start: usize) -> Result<Progress, DecodeError> {
        let rules = self.rules(command);
        let frame = self.intake.frame();
        self.headers.close(frame, command, rules)?;
        let length = self.headers.content_length(frame)?;
        if let Some(length) = length {
            if length > 0 && !command.takes_body(rules) {
                return Err(Fault::BodyNotAllowed { command: command.as_str() }.into());
            }
            if length > self.limits.body_bytes_max {
                return Err(Limit::BodyBytes(self.limits.body_bytes_max).into());
            }
            if start.saturating_add(length) >= self.limits.frame_bytes_max {
                return Err(Limit::FrameBytes(self.limits.frame_bytes_max).into());
            }
        }
        if start == self.intake.seen() {
            return Ok(Progress::Next(Step::Body { command, rules, start, length }));
        }
        match length {
            None | Some(0) => Ok(self.finish(command, start)),
            Some(content_length) => Err(Fault::NoNulAfterBody { content_length }.into()),
        }
    }

    fn read_body(
        &mut self,
        command: Command,
        rules: Version,
        start: usize,
        length: Option<usize>,
    ) -> Result<Progress, DecodeError> {
        if let Some(content_length) = length {
            if !self.intake.through(start + content_length + 1) {
                return Ok(Progress::Starved);
            }
            if self.intake.frame().last() != Some(&NUL) {
                return Err(Fault::NoNulAfterBody { content_length }.into());
            }
            return Ok(self.finish(command, start));
        }
        let (room, limit) = self.limits.body_room(start, self.intake.seen());
        let (room, error) = if command.takes_body(rules) {
            (room, limit.into())
        } else {
            (1, Fault::BodyNotAllowed { command: command.as_str() }.into())
        };
        match self.intake.until([NUL, NUL], room) {
            Reach::Short => Ok(Progress::Starved),
            Reach::Over => Err(error),
            Reach::Stop(_) => Ok(self.finish(command, start)),
        }
    }

    /// The frame so far is a whole one, its last octet the NUL. A body that 1.0 ignores is dropped here.
    fn finish(&mut self, command: Command, start: usize) -> Progress {
        let end = self.intake.seen() - 1;
        let frame = self.intake.finish();
        let body = if command.may_have_body() { frame.slice(start..end) } else { Bytes::new() };
        let headers = std::mem::take(&mut self.headers).into_headers(frame);
        Progress::Found(Decoded::Frame(Frame { command, headers, body }))
    }

    fn fail(&mut self, error: DecodeError) -> DecodeError {
        let receipt = match self.step {
            Step::Command => None,
            Step::Headers { command, .. } | Step::Body { command, .. } => {
                let rules = if command.escapes_headers() { self.rules(command) } else { Version::V1_0 };
                self.headers.receipt(self.intake.frame(), rules)
            }
        };
        let error = error.with_receipt(receipt);
        self.failed = Some(error.clone());
        self.headers = HeaderBlock::default();
        self.intake.clear();
        error
    }

    /// The version whose rules a frame follows.
    fn rules(&self, command: Command) -> Version {
        let own = match command {
            Command::Connect | Command::Stomp => "accept-version",
            Command::Connected => "version",
            _ => return self.version,
        };
        // With no version in common the frame will be refused anyway, so nothing in it is changed.
        Version::negotiate(self.headers.get(self.intake.frame(), own)).unwrap_or(Version::V1_2)
    }
}

/// STOMP 1.2, Augmented BNF: `EOL = [CR] LF`. The octet that stopped the line goes too if it is not a part of it.
fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(&[LF]).or_else(|| line.strip_suffix(&[NUL])).unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: FrameLimits = FrameLimits {
        frame_bytes_max: 200,
        header_bytes_max: 100,
        header_line_bytes_max: 50,
        headers_max: 4,
        body_bytes_max: 64,
    };

    fn decoder(version: Version, piece: impl AsRef<[u8]>) -> Decoder {
        let mut decoder = Decoder::new(SMALL);
        decoder.set_version(version);
        decoder.feed(Bytes::copy_from_slice(piece.as_ref()));
        decoder
    }

    fn frame(version: Version, piece: impl AsRef<[u8]>) -> Frame {
        match decoder(version, piece).next() {
            Ok(Some(Decoded::Frame(frame))) => frame,
            other => panic!("no frame: {other:?}"),
        }
    }

    fn error(version: Version, piece: impl AsRef<[u8]>) -> DecodeError {
        decoder(version, piece).next().unwrap_err()
    }

    fn fault(version: Version, piece: impl AsRef<[u8]>) -> Fault {
        match error(version, piece) {
            DecodeError::BadFrame { fault, .. } => fault,
            other => panic!("another error: {other}"),
        }
    }

    fn limit(piece: impl AsRef<[u8]>) -> Limit {
        match error(Version::V1_2, piece) {
            DecodeError::FrameTooLarge { limit, .. } => limit,
            other => panic!("another error: {other}"),
        }
    }

    #[test]
    fn a_frame_in_one_piece_shares_its_octets() {
        let piece = Bytes::from_static(b"SEND\ndestination:/a\n\nhello\0\n");
        let mut decoder = Decoder::new(SMALL);
        decoder.feed(piece.clone());
        let Ok(Some(Decoded::Frame(frame))) = decoder.next() else { panic!("no frame") };
        assert_eq!(frame.body.as_ptr(), piece[21..].as_ptr());
        assert_eq!(frame.header("destination").unwrap().as_ptr(), piece[17..].as_ptr());
        assert_eq!(decoder.next(), Ok(Some(Decoded::HeartBeat)));
        assert_eq!(decoder.next(), Ok(None));
        assert_eq!(decoder.buffered(), 0);
    }

    #[test]
    fn a_frame_fed_octet_by_octet_is_whole() {
        let mut decoder = decoder(Version::V1_2, "");
        let octets = b"SEND\r\ncontent-length:3\r\na:\\c\r\n\r\n\0\n\0\0";
        for (at, octet) in octets.iter().enumerate() {
            assert_eq!(decoder.next(), Ok(None), "before octet {at}");
            decoder.feed(Bytes::copy_from_slice(&[*octet]));
        }
        let Ok(Some(Decoded::Frame(frame))) = decoder.next() else { panic!("no frame") };
        assert_eq!((frame.header("a"), &frame.body[..]), (Some(":"), &b"\0\n\0"[..]));
        assert_eq!(decoder.buffered(), 0);
    }

    #[test]
    fn a_version_set_after_connect_holds_for_frames_fed_with_it() {
        let mut decoder = Decoder::new(SMALL);
        decoder.feed(Bytes::from_static(b"CONNECT\naccept-version:1.2\ntoken:a\\tb\n\n\0SEND\na:\\c\n\n\0"));
        let Ok(Some(Decoded::Frame(connect))) = decoder.next() else { panic!("no frame") };
        assert_eq!(connect.header("token"), Some("a\\tb"));
        decoder.set_version(Version::V1_2);
        let Ok(Some(Decoded::Frame(send))) = decoder.next() else { panic!("no frame") };
        assert_eq!(send.header("a"), Some(":"));
    }

    #[test]
    fn a_connect_is_trimmed_only_if_it_speaks_the_first_version() {
        let login = |rest: &str| {
            let frame = frame(Version::V1_2, format!("CONNECT\nlogin: me \n{rest}\n\0"));
            frame.header("login").unwrap().to_owned()
        };
        assert_eq!(login(""), "me");
        assert_eq!(login("accept-version: 1.0\n"), "me");
        assert_eq!(login("accept-version:1.0,1.1\n"), " me ");
        assert_eq!(login("accept-version:9.9\n"), " me ");
        assert_eq!(frame(Version::V1_2, "CONNECTED\nsession: 1\n\n\0").header("session"), Some("1"));
        assert_eq!(frame(Version::V1_2, "CONNECTED\nversion:1.1\nsession: 1\n\n\0").header("session"), Some(" 1"));
    }

    #[test]
    fn a_line_that_is_no_command_is_refused_as_soon_as_it_must_be() {
        for (piece, shown) in [
            ("GET / HTTP/1.1\r\n", "GET / HTTP/1."),
            ("send\n", "send"),
            ("SEND \n", "SEND "),
            ("SEND\0", "SEND"),
            ("\0", ""),
            ("\rSEND\n", "\rSEND"),
            ("UNSUBSCRIBE\r\r", "UNSUBSCRIBE\r"),
        ] {
            let command = shown.to_owned();
            assert_eq!(error(Version::V1_2, piece), DecodeError::UnknownCommand { command }, "{piece:?}");
        }
        assert_eq!(decoder(Version::V1_2, "GET / HTTP/1").next(), Ok(None));
    }

    #[test]
    fn a_frame_with_its_blank_line_forgotten_ends_at_a_nul_that_begins_a_line_only() {
        let frame = frame(Version::V1_2, "DISCONNECT\nreceipt:77\n\0");
        assert_eq!((frame.header("receipt"), frame.body.len()), (Some("77"), 0));
        assert_eq!(fault(Version::V1_2, "DISCONNECT\nreceipt:77\0"), Fault::NulInHeader { header_number: 1 });
        let missing = Fault::NoNulAfterBody { content_length: 2 };
        assert_eq!(fault(Version::V1_2, "SEND\ncontent-length:2\n\0"), missing);
    }

    #[test]
    fn a_body_must_end_where_its_length_says() {
        assert_eq!(
            fault(Version::V1_2, "SEND\ncontent-length:2\n\nabc\0"),
            Fault::NoNulAfterBody { content_length: 2 }
        );
        assert_eq!(decoder(Version::V1_2, "SEND\ncontent-length:4\n\nabc\0").next(), Ok(None));
        assert_eq!(fault(Version::V1_2, "SEND\ncontent-length:x\n\n"), Fault::BadContentLength);
        assert_eq!(fault(Version::V1_2, "SEND\ncontent-length: 2\n\n"), Fault::BadContentLength);
        assert_eq!(&frame(Version::V1_0, "SEND\ncontent-length: 2\n\nab\0").body[..], b"ab");
        assert_eq!(fault(Version::V1_2, "SEND\ncontent-length:2\ncontent-length:3\n\n"), Fault::TwoContentLengths);
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_a_single_octet_of_the_body() {
        for length in ["65", "4294967296", "99999999999999999999999999"] {
            let mut decoder = decoder(Version::V1_2, format!("SEND\nreceipt:r\ncontent-length:{length}\n\n"));
            let error = decoder.next().unwrap_err();
            assert_eq!((error.code(), error.receipt()), ("frame_too_large", Some("r")));
            assert_eq!(error.to_string(), "frame too large: a body may have 64 octets");
            assert_eq!(decoder.buffered(), 0);
        }
    }

    #[test]
    fn each_limit_is_exact() {
        let x = |count: usize| "x".repeat(count);
        assert_eq!(frame(Version::V1_2, format!("SEND\na:{}\n\n\0", x(47))).headers.len(), 1);
        assert_eq!(limit(format!("SEND\na:{}", x(48))), Limit::HeaderLineBytes(50));
        assert_eq!(frame(Version::V1_2, format!("SEND\na:{}\nb:{}\n\n\0", x(46), x(47))).headers.len(), 2);
        assert_eq!(limit(format!("SEND\na:{}\nb:{}\n\n\0", x(47), x(47))), Limit::HeaderBytes(100));
        assert_eq!(frame(Version::V1_2, "SEND\na:\na:\na:\na:\n\n\0").headers.len(), 4);
        assert_eq!(limit("SEND\na:\na:\na:\na:\na:\n"), Limit::Headers(4));
        assert_eq!(frame(Version::V1_2, format!("SEND\n\n{}\0", x(64))).body.len(), 64);
        assert_eq!(limit(format!("SEND\n\n{}", x(65))), Limit::BodyBytes(64));
        let long = FrameLimits { body_bytes_max: 1000, ..SMALL };
        for (body, fits) in [(193, true), (194, false)] {
            for length in ["".to_owned(), format!("content-length:{body}\n")] {
                let mut decoder = Decoder::new(FrameLimits { frame_bytes_max: 200 + length.len(), ..long });
                decoder.feed(Bytes::from(format!("SEND\n{length}\n{}\0", x(body))));
                assert_eq!(decoder.next().is_ok(), fits, "{body} {length:?}");
            }
        }
    }

    #[test]
    fn a_failed_decoder_says_the_same_for_ever_and_holds_nothing() {
        let mut decoder = decoder(Version::V1_2, "SEND\nreceipt:a\\cb\nx:\\t\n\n\0SEND\n\n\0");
        let error = decoder.next().unwrap_err();
        assert_eq!((error.code(), error.receipt()), ("bad_frame", Some("a:b")));
        decoder.feed(Bytes::from_static(b"SEND\n\n\0"));
        assert_eq!(decoder.next(), Err(error.clone()));
        assert_eq!(decoder.next(), Err(error));
        assert_eq!(decoder.buffered(), 0);
    }

    #[test]
    fn a_receipt_that_comes_after_the_fault_is_not_known() {
        assert_eq!(error(Version::V1_2, "SEND\nnothing\nreceipt:1\n\n\0").receipt(), None);
        assert_eq!(error(Version::V1_2, "SEND\nreceipt:1\nnothing\n\n\0").receipt(), Some("1"));
        assert_eq!(error(Version::V1_0, "SEND\nreceipt: 1\nnothing\n\n\0").receipt(), Some("1"));
    }

    #[test]
    fn a_decoder_printed_for_a_log_tells_no_secret() {
        for piece in ["CONNECT\ntoken:s3cret\n", "SEND\ntoken:s3cret\na:\\c\n\nbody", "CONNECT\ntoken:s3cret\n\n\0rest"]
        {
            let mut decoder = decoder(Version::V1_2, piece);
            assert!(!format!("{decoder:?}").contains("s3cret"));
            let _ = decoder.next();
            assert!(!format!("{decoder:?}").contains("s3cret"));
        }
        let connect = super::super::FrameBuilder::new(Command::Connect, Version::V1_2).header("token", "s3cret");
        assert!(!format!("{connect:?}").contains("s3cret"));
    }

    #[test]
    fn a_body_that_lacks_its_nul_still_is_joined_with_it() {
        let mut decoder = decoder(Version::V1_2, "SEND\ncontent-length:2\n\nab");
        assert_eq!(decoder.next(), Ok(None));
        decoder.feed(Bytes::from_static(b"\0"));
        assert!(matches!(decoder.next(), Ok(Some(Decoded::Frame(frame))) if &frame.body[..] == b"ab"));
    }

    #[test]
    fn an_error_tells_no_header_value() {
        for piece in [
            "SEND\ntoken:s3cret\\t\n\n\0",
            "SEND\ntoken s3cret\n\n\0",
            "SEND\ntoken:s3cret\n\0x",
            "SEND\ntoken:s3cret\r\r\n\n\0",
        ] {
            if let Err(error) = decoder(Version::V1_2, piece).next() {
                assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
            }
        }
    }
}
