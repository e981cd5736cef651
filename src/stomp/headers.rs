//! The headers of one frame.
//!
//! Holds the text of the headers once, and where each stands in it: a received block is shared, not copied. It must not
//! know escapes or the wire. Invariant: every span lies within the text and is UTF-8, and secrets have no Debug output.

use std::fmt;

use bytes::Bytes;

/// The headers of a frame in their order, repeated ones included.
#[derive(Clone, Default)]
pub struct Headers {
    text: Bytes,
    spans: Vec<Span>,
}

impl Headers {
    /// `spans` must lie within `text`, and be UTF-8 there.
    pub(super) fn new(text: Bytes, spans: Vec<Span>) -> Self {
        if spans.is_empty() { Headers::default() } else { Headers { text, spans } }
    }

    /// The value of a header; of repeated ones the first.
    ///
    /// STOMP 1.2, Repeated Header Entries: "only the first header entry SHOULD be used as the value of header entry".
    /// Names are case sensitive (STOMP 1.2, STOMP Frames).
    pub fn get(&self, name: &str) -> Option<&str> {
        find_all(&self.text, &self.spans, name).next()
    }

    /// Every header as name and value, in the order received, repeated ones too.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.spans.iter().map(|span| (span.name(&self.text), span.value(&self.text)))
    }

    /// How many headers there are, each repetition counted.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no header.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

/// For tests and for frames that are not decoded but made.
impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut text = String::new();
        let spans =
            pairs.into_iter().map(|(name, value)| Span::push(&mut text, name.as_ref(), value.as_ref())).collect();
        Headers::new(Bytes::from(text), spans)
    }
}

/// Equal when the same names have the same values in the same order, wherever they are stored.
impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value)| (name, if is_secret(name) { "<redacted>" } else { value });
        f.debug_map().entries(self.iter().map(shown)).finish()
    }
}

/// Whether a header's value must never be printed. Case is ignored here: who misspells a name has told the secret still.
fn is_secret(name: &str) -> bool {
    ["token", "passcode", "authorization"].iter().any(|secret| name.trim().eq_ignore_ascii_case(secret))
}

/// Where one header stands in its text, in octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) name_start: usize,
    pub(super) name_end: usize,
    pub(super) value_start: usize,
    pub(super) value_end: usize,
}

impl Span {
    /// Appends a header to `text` and says where it stands there.
    pub(super) fn push(text: &mut String, name: &str, value: &str) -> Span {
        let name_start = text.len();
        text.push_str(name);
        let name_end = text.len();
        text.push_str(value);
        Span { name_start, name_end, value_start: name_end, value_end: text.len() }
    }

    /// The name; empty if the span does not fit the text.
    pub(super) fn name(self, text: &[u8]) -> &str {
        str_at(text, self.name_start, self.name_end)
    }

    /// The value; empty if the span does not fit the text.
    pub(super) fn value(self, text: &[u8]) -> &str {
        str_at(text, self.value_start, self.value_end)
    }
}

/// The values of every header of that name.
pub(super) fn find_all<'a>(text: &'a [u8], spans: &'a [Span], name: &str) -> impl Iterator<Item = &'a str> {
    spans
        .iter()
        .filter(move |span| text.get(span.name_start..span.name_end) == Some(name.as_bytes()))
        .map(|span| span.value(text))
}

fn str_at(text: &[u8], start: usize, end: usize) -> &str {
    text.get(start..end).and_then(|octets| std::str::from_utf8(octets).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_repeated_headers_wins_and_all_are_listed() {
        let headers: Headers = [("foo", "World"), ("bar", ""), ("foo", "Hello")].into_iter().collect();
        assert_eq!(headers.get("foo"), Some("World"));
        assert_eq!(headers.get("bar"), Some(""));
        assert_eq!(headers.get("Foo"), None);
        assert_eq!(headers.len(), 3);
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("foo", "World"), ("bar", ""), ("foo", "Hello")]);
    }

    #[test]
    fn secrets_are_not_printed_however_they_are_spelled() {
        let names = ["token", "passcode", "authorization", "Authorization", "TOKEN", "token "];
        let headers: Headers = names.iter().map(|name| (name, "s3cret")).chain([(&"login", "me")]).collect();
        let printed = format!("{headers:?}");
        assert!(!printed.contains("s3cret"), "{printed}");
        assert!(printed.contains("<redacted>") && printed.contains("\"login\": \"me\""), "{printed}");
    }

    #[test]
    fn no_headers_hold_no_memory() {
        let headers = Headers::new(Bytes::from_static(b"SEND\n\n"), Vec::new());
        assert!(headers.is_empty() && headers.text.is_empty());
    }
}
