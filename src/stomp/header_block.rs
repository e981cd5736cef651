//! The headers of the frame that is being read.
//!
//! Holds where each header line stands in the frame's octets, and applies the version's rules once the block is whole.
//! It must not know where the octets come from. Invariant: once closed, every span is UTF-8 and free of escapes.

use std::fmt;

use bytes::Bytes;
use memchr::memchr;

use super::escape::{EscapeFault, is_plain, unescape_into};
use super::headers::{Span, find_all};
use super::{Command, Fault, Headers, Version};

/// Characters of a header name that an error quotes: enough to find it.
const SHOWN_NAME_CHARS: usize = 64;

/// The headers read so far.
#[derive(Default)]
pub(super) struct HeaderBlock {
    spans: Vec<Span>,
    /// The headers without escapes, if there were any: then the spans point into this rather than into the frame.
    unescaped: Option<Bytes>,
}

impl HeaderBlock {
    /// How many headers were read.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Takes the header line that `frame` holds from `start` to `end`, without its end of line.
    pub(super) fn push_line(&mut self, frame: &[u8], start: usize, end: usize) -> Result<(), Fault> {
        let header_number = self.spans.len() + 1;
        let line = frame.get(start..end).unwrap_or_default();
        let colon = memchr(b':', line).ok_or(Fault::NoColon { header_number })?;
        if colon == 0 {
            return Err(Fault::NoName { header_number });
        }
        let (name, value) = line.split_at(colon);
        let name = std::str::from_utf8(name).map_err(|_| Fault::NameNotUtf8 { header_number })?;
        // The colon is ASCII, so it takes nothing away from a character.
        std::str::from_utf8(value).map_err(|_| Fault::ValueNotUtf8 { header: shown(name) })?;
        let name_end = start + colon;
        self.spans.push(Span { name_start: start, name_end, value_start: name_end + 1, value_end: end });
        Ok(())
    }

    /// Applies the rules of `version`: padding of 1.0, escapes of 1.1 and 1.2.
    ///
    /// STOMP 1.2, Value Encoding: "The STOMP 1.0 specification included many example frames with padding in the headers
    /// and many servers and clients were implemented to trim or pad header values." So spaces around a value go in 1.0,
    /// and never in 1.1 and 1.2, where peers "MUST never trim or pad headers with spaces".
    pub(super) fn close(&mut self, frame: &[u8], command: Command, version: Version) -> Result<(), Fault> {
        if version == Version::V1_0 {
            self.spans.iter_mut().for_each(|span| trim(span, frame));
            return Ok(());
        }
        let is_plain = |span: &Span| is_plain(span.name(frame)) && is_plain(span.value(frame));
        if !command.escapes_headers() || self.spans.iter().all(is_plain) {
            return Ok(());
        }
        let mut text = String::new();
        let mut spans = Vec::with_capacity(self.spans.len());
        for span in &self.spans {
            let fault = |fault| fault_of(fault, span.name(frame));
            let name_start = text.len();
            unescape_into(version, span.name(frame), &mut text).map_err(fault)?;
            let name_end = text.len();
            unescape_into(version, span.value(frame), &mut text).map_err(fault)?;
            spans.push(Span { name_start, name_end, value_start: name_end, value_end: text.len() });
        }
        self.spans = spans;
        self.unescaped = Some(Bytes::from(text));
        Ok(())
    }

    /// The first header of that name; before `close` as it stands on the wire.
    pub(super) fn get<'a>(&'a self, frame: &'a [u8], name: &str) -> Option<&'a str> {
        find_all(self.text(frame), &self.spans, name).next()
    }

    /// The value of `content-length` in octets, `usize::MAX` for a number that is greater still.
    ///
    /// Repeated headers are legal and the first wins, but two lengths would let two readers see two different frames.
    pub(super) fn content_length(&self, frame: &[u8]) -> Result<Option<usize>, Fault> {
        let mut lengths = find_all(self.text(frame), &self.spans, "content-length").map(parse_length);
        let Some(first) = lengths.next().transpose()? else {
            return Ok(None);
        };
        for other in lengths {
            if other? != first {
                return Err(Fault::TwoContentLengths);
            }
        }
        Ok(Some(first))
    }

    /// The `receipt` header of a frame that is refused, as far as it can be read, closed or not.
    pub(super) fn receipt(&self, frame: &[u8], version: Version) -> Option<String> {
        let value = self.get(frame, "receipt")?;
        if self.unescaped.is_some() {
            return Some(value.to_owned());
        }
        let value = if version == Version::V1_0 { value.trim_matches(' ') } else { value };
        let mut receipt = String::new();
        unescape_into(version, value, &mut receipt).ok().map(|()| receipt)
    }

    /// The headers of a closed block, given the octets of its frame.
    pub(super) fn into_headers(self, frame: Bytes) -> Headers {
        Headers::new(self.unescaped.unwrap_or(frame), self.spans)
    }

    fn text<'a>(&'a self, frame: &'a [u8]) -> &'a [u8] {
        self.unescaped.as_deref().unwrap_or(frame)
    }
}

/// Shows how many headers there are and none of them: some are tokens and passwords.
impl fmt::Debug for HeaderBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderBlock").field("headers", &self.spans.len()).finish_non_exhaustive()
    }
}

fn trim(span: &mut Span, frame: &[u8]) {
    let value = span.value(frame);
    let without_front = value.trim_start_matches(' ');
    span.value_start += value.len() - without_front.len();
    span.value_end = span.value_start + without_front.trim_end_matches(' ').len();
}

fn parse_length(value: &str) -> Result<usize, Fault> {
    if value.is_empty() || !value.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(Fault::BadContentLength);
    }
    // All digits: it can only be too great, and is refused as such.
    Ok(value.parse().unwrap_or(usize::MAX))
}

fn fault_of(fault: EscapeFault, name: &str) -> Fault {
    match fault {
        EscapeFault::Undefined(follows) => Fault::BadEscape { header: shown(name), follows },
        EscapeFault::BareCarriageReturn => Fault::BareCarriageReturn { header: shown(name) },
    }
}

fn shown(name: &str) -> String {
    name.chars().take(SHOWN_NAME_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(lines: &[&[u8]]) -> (HeaderBlock, Vec<u8>, Result<(), Fault>) {
        let (mut block, mut frame, mut result) = (HeaderBlock::default(), b"SEND\n".to_vec(), Ok(()));
        for line in lines {
            let start = frame.len();
            frame.extend_from_slice(line);
            result = result.and_then(|()| block.push_line(&frame, start, frame.len()));
        }
        (block, frame, result)
    }

    #[test]
    fn a_line_that_is_no_header_names_its_place() {
        assert_eq!(block(&[b"a:b", b"nothing"]).2, Err(Fault::NoColon { header_number: 2 }));
        assert_eq!(block(&[b":b"]).2, Err(Fault::NoName { header_number: 1 }));
        assert_eq!(block(&[b"a:b", b"\xff:b"]).2, Err(Fault::NameNotUtf8 { header_number: 2 }));
        assert_eq!(block(&[b"na:\xff"]).2, Err(Fault::ValueNotUtf8 { header: "na".into() }));
    }

    #[test]
    fn only_the_first_version_trims_spaces() {
        for (version, expected) in [(Version::V1_0, "x  y"), (Version::V1_1, "  x  y "), (Version::V1_2, "  x  y ")] {
            let (mut block, frame, _) = block(&[b"a:  x  y ", b"b:   ", b"c:"]);
            block.close(&frame, Command::Send, version).unwrap();
            assert_eq!(block.get(&frame, "a"), Some(expected));
            assert_eq!(block.get(&frame, "c"), Some(""));
        }
    }

    #[test]
    fn a_length_is_digits_and_two_must_agree() {
        let length = |lines: &[&[u8]]| {
            let (block, frame, _) = block(lines);
            block.content_length(&frame)
        };
        assert_eq!(length(&[b"a:1"]), Ok(None));
        assert_eq!(length(&[b"content-length:12"]), Ok(Some(12)));
        assert_eq!(length(&[b"content-length:99999999999999999999999"]), Ok(Some(usize::MAX)));
        assert_eq!(length(&[b"content-length:12", b"content-length:012"]), Ok(Some(12)));
        assert_eq!(length(&[b"content-length:12", b"content-length:13"]), Err(Fault::TwoContentLengths));
        for bad in [
            &b"content-length:"[..],
            b"content-length:+1",
            b"content-length:-1",
            b"content-length: 1",
            b"content-length:1a",
        ] {
            assert_eq!(length(&[bad]), Err(Fault::BadContentLength));
        }
    }

    #[test]
    fn a_receipt_is_read_even_from_a_block_with_a_fault() {
        let (mut block, frame, _) = block(&[br"receipt:a\cb", br"x:\t"]);
        let fault = block.close(&frame, Command::Send, Version::V1_2);
        assert_eq!(fault, Err(Fault::BadEscape { header: "x".into(), follows: Some('t') }));
        assert_eq!(block.receipt(&frame, Version::V1_2).as_deref(), Some("a:b"));
    }
}
