//! What a client says: arrays of strings in JSON, which become WebSocket frames as a client writes them.

use std::fmt;

use bytes::{BufMut, BytesMut};
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::frames::TEXT;

/// It is no array of strings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Reads an array of strings; each is appended as a frame. An empty string says nothing, and is none. A surrogate
/// without its other half becomes U+FFFD, as where a browser sends it over a WebSocket.
pub(super) fn read(json: &[u8]) -> Result<BytesMut, Broken> {
    let mut frames = BytesMut::new();
    std::str::from_utf8(json).map_err(|_| Broken)?;
    let mut reader = serde_json::Deserializer::from_slice(json);
    reader.deserialize_seq(Array(&mut frames)).map_err(|_| Broken)?;
    reader.end().map_err(|_| Broken)?;
    Ok(frames)
}

/// Appends a WebSocket frame as a client writes it. Its mask is zero, which hides nothing and costs nothing: nobody
/// between the one who writes and the one who reads it could be confused by it (RFC 6455, section 10.3).
pub(super) fn frame(opcode: u8, payload: &[u8], to: &mut BytesMut) {
    to.reserve(payload.len() + 14);
    to.put_u8(0x80 | opcode);
    match u16::try_from(payload.len()) {
        Ok(length @ 0..=125) => to.put_u8(0x80 | length as u8),
        Ok(length) => {
            to.put_u8(0x80 | 126);
            to.put_u16(length);
        }
        Err(_) => {
            to.put_u8(0x80 | 127);
            to.put_u64(payload.len() as u64);
        }
    }
    to.put_u32(0);
    to.put_slice(payload);
}

struct Array<'a>(&'a mut BytesMut);

impl<'de> Visitor<'de> for Array<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while array.next_element_seed(Text(self.0))?.is_some() {}
        Ok(())
    }
}

/// One string. Read as bytes, because a surrogate alone is no text.
struct Text<'a>(&'a mut BytesMut);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, text: &[u8]) -> Result<(), E> {
        if text.is_empty() {
            return Ok(());
        }
        let Err(_) = std::str::from_utf8(text) else {
            frame(TEXT, text, self.0);
            return Ok(());
        };
        // A surrogate takes three bytes, ED A0 80 to ED BF BF, as U+FFFD does.
        let mut text = text.to_vec();
        for at in 0..text.len() {
            if let Some([0xED, 0xA0..=0xBF, _]) = text.get(at..at + 3) {
                text[at..at + 3].copy_from_slice("\u{FFFD}".as_bytes());
            }
        }
        frame(TEXT, &text, self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::socket::{Incoming, Intake};

    fn read_all(json: &str) -> Result<Vec<String>, Broken> {
        let mut intake = Intake::new(1 << 20);
        intake.feed(&read(json.as_bytes())?);
        let mut all = Vec::new();
        while let Some(Incoming::Message(text)) = intake.next().unwrap() {
            all.push(String::from_utf8(text.to_vec()).unwrap());
        }
        Ok(all)
    }

    #[test]
    fn an_array_of_strings_is_read_and_what_is_empty_says_nothing() {
        assert_eq!(read_all(r#"["a","사랑\n\u0000","👋"]"#).unwrap(), ["a", "사랑\n\0", "👋"]);
        assert_eq!(read_all(r#" [ "\ud83d\udc4b" , "" ] "#).unwrap(), ["👋"]);
        assert!(read_all("[]").unwrap().is_empty());
        let long = "x".repeat(70_000);
        assert_eq!(read_all(&serde_json::to_string(&[&long]).unwrap()).unwrap(), [long]);
    }

    #[test]
    fn half_a_surrogate_pair_becomes_the_sign_for_what_is_no_letter() {
        assert_eq!(read_all(r#"["a\ud83db","\udc4b"]"#).unwrap(), ["a\u{FFFD}b", "\u{FFFD}"]);
    }

    #[test]
    fn everything_else_is_broken() {
        for json in ["", "\"a\"", "[\"a", "{}", "[1]", "[null]", "[[\"a\"]]", "[\"a\"]x", "[\"a\",]", "null"] {
            assert_eq!(read_all(json), Err(Broken), "{json}");
        }
        assert_eq!(read(b"[\"\xFF\"]").unwrap_err(), Broken);
    }
}
