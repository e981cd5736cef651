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
///
/// What the specifications leave open, or say and do not show, is decided thus:
/// - LF and CR LF end a line in every version, as a CR is never meant as a part of a value by a peer that sends one.
/// - `CONNECT`, `STOMP` and `CONNECTED` are read by the version that they name themselves (their spaces are trimmed if
///   that is 1.0). Every other frame is read by [`set_version`](Decoder::set_version), by 1.0 before it was called.
/// - In 1.0 spaces around a value are trimmed, since that specification's own examples pad values, and a body where
///   none is expected is dropped ("The body of the SUBSCRIBE command is ignored").
/// - A NUL at the beginning of a header line ends the frame: the specification's own example of `DISCONNECT` forgets the
///   blank line. A NUL within a header line is a fault, though 1.2 allows it: no known peer means it, and a forgotten
///   blank line is told at once this way.
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
    Headers {
        command: Command,
        start: usize,
        line: usize,
    },
    Body {
        command: Command,
        rules: Version,
        start: usize,
        length: Option<usize>,
    },
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
    #[allow(
        clippy::should_implement_trait,
        reason = "an iterator's None is final, this one means: feed more"
    )]
    pub fn next(&mut self) -> Result<Option<Decoded>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        loop {
            let progress = match self.step {
                Step::Command => self.read_command(),
                Step::Headers {
                    command,
                    start,
                    line,
                } => self.read_header(command, start, line),
                Step::Body {
                    command,
                    rules,
                    start,
                    length,
                } => self.read_body(command, rules, start, length),
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
        let is_line = match self.intake.until([LF, NUL], line_bytes_max) {
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
                Ok(Progress::Next(Step::Headers {
                    command,
                    start,
                    line: start,
                }))
            }
            None => Err(DecodeError::UnknownCommand {
                command: String::from_utf8_lossy(line).into_owned(),
            }),
        }
    }

    fn read_header(
        &mut self,
        command: Command,
        start: usize,
        line: usize,
    ) -> Result<Progress, DecodeError> {
        let (room, limit) = self.header_room(start, line);
        let stop = match self.intake.until([LF, NUL], room) {
            Reach::Short => return Ok(Progress::Starved),
            Reach::Over => return Err(limit.into()),
            Reach::Stop(stop) => stop,
        };
        let (frame, end) = (self.intake.frame(), self.intake.seen());
        if stop == NUL {
            if end - line > 1 {
                return Err(Fault::NulInHeader {
                    header_number: self.headers.len() + 1,
                }
                .into());
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
        Ok(Progress::Next(Step::Headers {
            command,
            start,
            line: end,
        }))
    }

    /// The headers are whole, and the body begins at `start` (where its NUL may have been read already).
    fn close_headers(&mut self, command: Command, start: usize) -> Result<Progress, DecodeError> {
        let rules = self.rules(command);
        let frame = self.intake.frame();
        self.headers.close(frame, command, rules)?;
        let length = self.headers.content_length(frame)?;
        if let Some(length) = length {
            if length > 0 && !takes_body(command, rules) {
                return Err(Fault::BodyNotAllowed {
                    command: command.as_str(),
                }
                .into());
            }
            if length > self.limits.body_bytes_max {
                return Err(Limit::BodyBytes(self.limits.body_bytes_max).into());
            }
            if start.saturating_add(length) >= self.limits.frame_bytes_max {
                return Err(Limit::FrameBytes(self.limits.frame_bytes_max).into());
            }
        }
        if start == self.intake.seen() {
            return Ok(Progress::Next(Step::Body {
                command,
                rules,
                start,
                length,
            }));
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
            if !self.intake.through(start + content_length) {
                return Ok(Progress::Starved);
            }
            match self.intake.peek() {
                None => return Ok(Progress::Starved),
                Some(NUL) => {}
                Some(_) => return Err(Fault::NoNulAfterBody { content_length }.into()),
            }
            self.intake.through(start + content_length + 1);
            return Ok(self.finish(command, start));
        }
        let (room, error) = self.body_room(command, rules, start);
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
        let body = if command.may_have_body() {
            frame.slice(start..end)
        } else {
            Bytes::new()
        };
        let headers = std::mem::take(&mut self.headers).into_headers(frame);
        Progress::Found(Decoded::Frame(Frame {
            command,
            headers,
            body,
        }))
    }

    fn fail(&mut self, error: DecodeError) -> DecodeError {
        let receipt = match self.step {
            Step::Command => None,
            Step::Headers { command, .. } | Step::Body { command, .. } => {
                let rules = if command.escapes_headers() {
                    self.rules(command)
                } else {
                    Version::V1_0
                };
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

    /// How many octets may follow in this header line, and the limit that says so.
    fn header_room(&self, start: usize, line: usize) -> (usize, Limit) {
        let FrameLimits {
            frame_bytes_max,
            header_bytes_max,
            header_line_bytes_max,
            ..
        } = self.limits;
        let seen = self.intake.seen();
        let by_line = (
            header_line_bytes_max.saturating_sub(seen - line),
            Limit::HeaderLineBytes(header_line_bytes_max),
        );
        let by_block = (
            header_bytes_max.saturating_sub(seen - start),
            Limit::HeaderBytes(header_bytes_max),
        );
        let by_frame = (
            frame_bytes_max.saturating_sub(seen),
            Limit::FrameBytes(frame_bytes_max),
        );
        [by_block, by_frame]
            .into_iter()
            .fold(
                by_line,
                |least, other| if other.0 < least.0 { other } else { least },
            )
    }

    /// How many octets may follow in a body of unknown length, its NUL included, and the error beyond that.
    fn body_room(&self, command: Command, rules: Version, start: usize) -> (usize, DecodeError) {
        let FrameLimits {
            frame_bytes_max,
            body_bytes_max,
            ..
        } = self.limits;
        let seen = self.intake.seen();
        if !takes_body(command, rules) {
            return (
                1,
                Fault::BodyNotAllowed {
                    command: command.as_str(),
                }
                .into(),
            );
        }
        let by_body = body_bytes_max
            .saturating_add(1)
            .saturating_sub(seen - start);
        let by_frame = frame_bytes_max.saturating_sub(seen);
        if by_frame < by_body {
            (by_frame, Limit::FrameBytes(frame_bytes_max).into())
        } else {
            (by_body, Limit::BodyBytes(body_bytes_max).into())
        }
    }
}

/// Whether a frame with a body is no fault. STOMP 1.2, Body: "Only the SEND, MESSAGE, and ERROR frames MAY have a body.
/// All other frames MUST NOT have a body." 1.0 ignores it instead.
fn takes_body(command: Command, rules: Version) -> bool {
    command.may_have_body() || rules == Version::V1_0
}

/// STOMP 1.2, Augmented BNF: `EOL = [CR] LF`. The octet that stopped the line goes too if it is not a part of it.
fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line
        .strip_suffix(&[LF])
        .or_else(|| line.strip_suffix(&[NUL]))
        .unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
