//! What nodes say to each other about a session. Numbers are big-endian.
//!
//! | question | bytes behind version (1), its letter and the session's name (its length in one byte before it) |
//! |---|---|
//! | `t` take | receiver (8), number of the take (4), milliseconds to wait (4), bits (1): 1 one frame is all, 2 no more after this wait |
//! | `k` keep, `d` done, `b` broke off | receiver (8) |
//! | `s` say | WebSocket frames, as a client writes them |
//!
//! | answer | bytes behind version (1), its letter, and 1 where the turn is over, else 0 |
//! |---|---|
//! | `o` open, `a` messages, `c` close | none; JSON strings joined by commas; code (2) and reason |
//! | `n` nothing, `r` come again, `y` yes | none |
//! | `u` no such session here, `l` no such receiver, `g` gone, `w` the session does not read on | none |

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use crate::http::sockjs::frames::{Close, Frame};

const VERSION: u8 = 1;
const IS_ONE: u8 = 1;
const IS_LAST: u8 = 2;

/// What is asked of a session's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// The next frame for this receiver.
    Take(Take),
    /// The receiver is there, and busy with the last frame.
    Keep { receiver: u64 },
    /// The receiver has enough.
    Done { receiver: u64 },
    /// The client of the receiver is gone: what was on its way may be lost.
    Broke { receiver: u64 },
    /// A client says this.
    Say { frames: Bytes },
}

/// What a receiver wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Take {
    /// Which receiver of the node that asks.
    pub(super) receiver: u64,
    /// Counted from 0. Asked again, it is answered again.
    pub(super) number: u32,
    /// How long nothing may come.
    pub(super) wait_ms: u32,
    /// The turn is over with the first frame.
    pub(super) is_one: bool,
    /// The turn is over, too, where nothing comes.
    pub(super) is_last: bool,
}

/// What the owner answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) what: What,
    /// The turn is over.
    pub(super) is_over: bool,
}

/// See [`Answer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Frame(Frame),
    /// Nothing came in the time to wait.
    Nothing,
    /// The client has to come again.
    ComeAgain,
    /// It is done as it was asked.
    Yes,
    /// There is no such session at this node.
    Unknown,
    /// The turn of this receiver is over already.
    Lost,
    /// The session has ended, and hears nothing.
    Gone,
    /// The session does not read on.
    Busy,
}

impl What {
    pub(super) const fn over(self) -> Answer {
        Answer { what: self, is_over: true }
    }
}

impl Question {
    pub(super) fn write(&self, session: &str) -> Bytes {
        let mut to = BytesMut::with_capacity(session.len() + 32);
        let letter = match self {
            Self::Take(_) => b't',
            Self::Keep { .. } => b'k',
            Self::Done { .. } => b'd',
            Self::Broke { .. } => b'b',
            Self::Say { .. } => b's',
        };
        to.put_slice(&[VERSION, letter, u8::try_from(session.len()).unwrap_or(u8::MAX)]);
        to.put_slice(session.as_bytes());
        match self {
            Self::Take(take) => {
                to.put_u64(take.receiver);
                to.put_u32(take.number);
                to.put_u32(take.wait_ms);
                to.put_u8(if take.is_one { IS_ONE } else { 0 } | if take.is_last { IS_LAST } else { 0 });
            }
            Self::Keep { receiver } | Self::Done { receiver } | Self::Broke { receiver } => to.put_u64(*receiver),
            Self::Say { frames } => to.put_slice(frames),
        }
        to.freeze()
    }

    /// The session, and what is asked of it; `None` where another version asks, or nobody.
    pub(super) fn read(mut from: Bytes) -> Option<(Box<str>, Self)> {
        let (version, letter, length) = (from.try_get_u8().ok()?, from.try_get_u8().ok()?, from.try_get_u8().ok()?);
        if version != VERSION || from.len() < usize::from(length) {
            return None;
        }
        let session = std::str::from_utf8(&from.split_to(length.into())).ok()?.into();
        let question = match letter {
            b't' => Self::Take(Take {
                receiver: from.try_get_u64().ok()?,
                number: from.try_get_u32().ok()?,
                wait_ms: from.try_get_u32().ok()?,
                is_one: from.first()? & IS_ONE != 0,
                is_last: from.first()? & IS_LAST != 0,
            }),
            b'k' => Self::Keep { receiver: from.try_get_u64().ok()? },
            b'd' => Self::Done { receiver: from.try_get_u64().ok()? },
            b'b' => Self::Broke { receiver: from.try_get_u64().ok()? },
            b's' => Self::Say { frames: from },
            _ => return None,
        };
        Some((session, question))
    }
}

impl Answer {
    pub(super) fn write(&self) -> Bytes {
        let mut to = BytesMut::new();
        let letter = match &self.what {
            What::Frame(Frame::Open) => b'o',
            What::Frame(Frame::Messages(_)) => b'a',
            What::Frame(Frame::Close(_)) => b'c',
            What::Frame(Frame::Beat) | What::Nothing => b'n',
            What::ComeAgain => b'r',
            What::Yes => b'y',
            What::Unknown => b'u',
            What::Lost => b'l',
            What::Gone => b'g',
            What::Busy => b'w',
        };
        to.put_slice(&[VERSION, letter, self.is_over.into()]);
        match &self.what {
            What::Frame(Frame::Messages(messages)) => to.put_slice(messages),
            What::Frame(Frame::Close(close)) => {
                to.put_u16(close.code);
                to.put_slice(close.reason.as_bytes());
            }
            _ => {}
        }
        to.freeze()
    }

    /// `None` where another version answers, or nobody.
    pub(super) fn read(mut from: Bytes) -> Option<Self> {
        let (version, letter, is_over) = (from.try_get_u8().ok()?, from.try_get_u8().ok()?, from.try_get_u8().ok()?);
        let what = match (version, letter) {
            (VERSION, b'o') => What::Frame(Frame::Open),
            (VERSION, b'a') => What::Frame(Frame::Messages(from)),
            (VERSION, b'c') => {
                let code = from.try_get_u16().ok()?;
                What::Frame(Frame::Close(Close::new(code, std::str::from_utf8(&from).ok()?)))
            }
            (VERSION, b'n') => What::Nothing,
            (VERSION, b'r') => What::ComeAgain,
            (VERSION, b'y') => What::Yes,
            (VERSION, b'u') => What::Unknown,
            (VERSION, b'l') => What::Lost,
            (VERSION, b'g') => What::Gone,
            (VERSION, b'w') => What::Busy,
            _ => return None,
        };
        Some(Self { what, is_over: is_over != 0 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_question_and_answer_is_read_as_it_was_written() {
        let take = Take { receiver: u64::MAX, number: 7, wait_ms: 5_000, is_one: true, is_last: false };
        for question in [
            Question::Take(take),
            Question::Take(Take { is_one: false, is_last: true, ..take }),
            Question::Keep { receiver: 1 },
            Question::Done { receiver: 2 },
            Question::Broke { receiver: 3 },
            Question::Say { frames: Bytes::from_static(b"\x81\x80") },
        ] {
            let (session, read) = Question::read(question.write("사랑")).unwrap();
            assert_eq!((&*session, read), ("사랑", question));
        }
        for what in [
            What::Frame(Frame::Open),
            What::Frame(Frame::Messages(Bytes::from_static(b"\"a\",\"b\""))),
            What::Frame(Frame::Close(Close::new(1012, "later"))),
            What::Nothing,
            What::ComeAgain,
            What::Yes,
            What::Unknown,
            What::Lost,
            What::Gone,
            What::Busy,
        ] {
            let told = Answer { what: what.clone(), is_over: false };
            assert_eq!(Answer::read(told.write()), Some(told));
            assert_eq!(Answer::read(what.clone().over().write()), Some(what.over()));
        }
    }

    #[test]
    fn what_another_version_says_is_not_read() {
        let mut question = BytesMut::from(&Question::Keep { receiver: 1 }.write("a")[..]);
        question[0] = 2;
        assert_eq!(Question::read(question.freeze()), None);
        assert_eq!(Answer::read(Bytes::from_static(b"\x02y\x01")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_question_or_none(bytes: Vec<u8>) {
            let _ = (Question::read(bytes.clone().into()), Answer::read(bytes.into()));
        }
    }
}
