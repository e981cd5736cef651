//! What goes from node to node: a letter on the channel of the one it is for.
//!
//! | bytes | what they are |
//! |---|---|
//! | 1 | the version of this table, 1 |
//! | 1 | 1 for a question, 2 for an answer, 3 for a word that nobody answers |
//! | 8 | the number of the question, or of the one that is answered; big-endian |
//! | 1 | the length of the sender's name |
//! | as many | the sender's name: its own channel is called after it |
//! | the rest | what is asked, answered or said; this store does not look into it |

use bytes::{BufMut as _, Bytes, BytesMut};

const VERSION: u8 = 1;
/// Bytes before the sender's name.
const HEAD_BYTES: usize = 11;

/// What kind of letter it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Question,
    Answer,
    Word,
}

/// One letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) kind: Kind,
    pub(super) number: u64,
    pub(super) from: Box<str>,
    pub(super) body: Bytes,
}

/// Writes a letter.
pub(super) fn write(kind: Kind, number: u64, from: &str, body: &[u8]) -> Bytes {
    let mut letter = BytesMut::with_capacity(HEAD_BYTES + from.len() + body.len());
    letter.put_u8(VERSION);
    letter.put_u8(match kind {
        Kind::Question => 1,
        Kind::Answer => 2,
        Kind::Word => 3,
    });
    letter.put_u64(number);
    // Names of processes are 32 letters.
    letter.put_u8(u8::try_from(from.len()).unwrap_or(u8::MAX));
    letter.put_slice(from.as_bytes());
    letter.put_slice(body);
    letter.freeze()
}

/// Reads a letter; `None` for what another version writes, or nobody.
pub(super) fn read(letter: &Bytes) -> Option<Letter> {
    let (head, rest) = letter.split_at_checked(HEAD_BYTES)?;
    let kind = match (head[0], head[1]) {
        (VERSION, 1) => Kind::Question,
        (VERSION, 2) => Kind::Answer,
        (VERSION, 3) => Kind::Word,
        _ => return None,
    };
    let number = u64::from_be_bytes(*head.get(2..)?.first_chunk()?);
    let length = usize::from(head[HEAD_BYTES - 1]);
    let from = std::str::from_utf8(rest.get(..length)?).ok()?.into();
    Some(Letter { kind, number, from, body: letter.slice(HEAD_BYTES + length..) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_letter_comes_as_it_was_written() {
        for (kind, body) in [(Kind::Question, &b"who?"[..]), (Kind::Answer, b""), (Kind::Word, &[0xFF; 300])] {
            let letter = read(&write(kind, u64::MAX - 1, "a-node", body)).unwrap();
            assert_eq!(
                (letter.kind, letter.number, &*letter.from, &*letter.body),
                (kind, u64::MAX - 1, "a-node", body)
            );
        }
    }

    #[test]
    fn what_another_version_writes_is_not_read() {
        let mut letter = BytesMut::from(&write(Kind::Word, 1, "a", b"b")[..]);
        letter[0] = 2;
        assert_eq!(read(&letter.freeze()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_letter_or_none(bytes: Vec<u8>) {
            let _ = read(&bytes.into());
        }
    }
}
