//! How header text is written so that it cannot end its header.
//!
//! Holds the escapes of each version, both ways. It must not know which frames are escaped. Invariant: what is written
//! holds no CR, LF or NUL, so no value can begin another header or another frame, in any version.

use bytes::{BufMut, BytesMut};
use memchr::memchr2;

use super::Version;

/// Writes a header value as `version` escapes it.
///
/// - 1.0 has no escapes: CR and LF become a space.
/// - 1.1 escapes LF, colon and backslash; CR, for which it has no escape, becomes a space, since many readers take a CR
///   at the end of a line for a part of that end.
/// - 1.2 escapes CR too.
///
/// NUL becomes a space in every version: none has an escape for it, and many readers end the frame there.
/// Source: STOMP 1.1 and 1.2, Value Encoding.
pub fn escape_into(version: Version, text: &str, out: &mut BytesMut) {
    put_replacing(text, out, |octet| match (octet, version) {
        (0, _) | (b'\r', Version::V1_0 | Version::V1_1) | (b'\n', Version::V1_0) => Some(b" ".as_slice()),
        (b'\r', _) => Some(b"\\r"),
        (b'\n', _) => Some(b"\\n"),
        (b':', Version::V1_1 | Version::V1_2) => Some(b"\\c"),
        (b'\\', Version::V1_1 | Version::V1_2) => Some(b"\\\\"),
        _ => None,
    });
}

/// Writes a header name where there are no escapes: what would end a name or a line becomes `_`.
pub(super) fn plain_name_into(name: &str, out: &mut BytesMut) {
    put_replacing(name, out, |octet| matches!(octet, 0 | b'\r' | b'\n' | b':').then_some(b"_".as_slice()));
}

/// Why escaped text could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EscapeFault {
    /// A backslash before this character, or at the end.
    Undefined(Option<char>),
    /// A carriage return that should have been escaped.
    BareCarriageReturn,
}

/// Whether reading `text` in 1.1 or 1.2 would change nothing and find no fault.
pub(super) fn is_plain(text: &str) -> bool {
    memchr2(b'\\', b'\r', text.as_bytes()).is_none()
}

/// Appends `text` to `out` without the escapes of `version`. 1.0 has none; a colon that should have been escaped is
/// taken as it is, as many clients write it so.
///
/// STOMP 1.2, Value Encoding: "Undefined escape sequences such as \t (octet 92 and 116) MUST be treated as a fatal
/// protocol error."
pub(super) fn unescape_into(version: Version, text: &str, out: &mut String) -> Result<(), EscapeFault> {
    if version == Version::V1_0 {
        out.push_str(text);
        return Ok(());
    }
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(match (chars.next(), version) {
                (Some('n'), _) => '\n',
                (Some('c'), _) => ':',
                (Some('\\'), _) => '\\',
                (Some('r'), Version::V1_2) => '\r',
                (other, _) => return Err(EscapeFault::Undefined(other)),
            }),
            '\r' if version == Version::V1_2 => return Err(EscapeFault::BareCarriageReturn),
            c => out.push(c),
        }
    }
    Ok(())
}

/// Copies `text` in runs, putting what `replace` has for an octet in its place. Only ASCII is ever replaced, so the
/// result is UTF-8 again.
fn put_replacing(text: &str, out: &mut BytesMut, replace: impl Fn(u8) -> Option<&'static [u8]>) {
    let mut rest = text.as_bytes();
    while let Some((at, instead)) = rest.iter().enumerate().find_map(|(at, &octet)| Some((at, replace(octet)?))) {
        let (run, found) = rest.split_at(at);
        out.put_slice(run);
        out.put_slice(instead);
        rest = found.split_first().map_or(&[], |(_, after)| after);
    }
    out.put_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(version: Version, text: &str) -> String {
        let mut out = BytesMut::new();
        escape_into(version, text, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    fn unescaped(version: Version, text: &str) -> Result<String, EscapeFault> {
        let mut out = String::new();
        unescape_into(version, text, &mut out).map(|()| out)
    }

    #[test]
    fn each_version_writes_its_own_escapes() {
        let text = "a:b\\c\r\nd\0é";
        assert_eq!(escaped(Version::V1_0, text), "a:b\\c  d é");
        assert_eq!(escaped(Version::V1_1, text), "a\\cb\\\\c \\nd é");
        assert_eq!(escaped(Version::V1_2, text), "a\\cb\\\\c\\r\\nd é");
        assert_eq!(escaped(Version::V1_2, ""), "");
    }

    #[test]
    fn each_version_reads_its_own_escapes() {
        assert_eq!(unescaped(Version::V1_2, r"a\cb\\c\r\nd").unwrap(), "a:b\\c\r\nd");
        assert_eq!(unescaped(Version::V1_1, r"a\cb\\c\nd").unwrap(), "a:b\\c\nd");
        assert_eq!(unescaped(Version::V1_0, r"a\cb\\c\nd\t").unwrap(), r"a\cb\\c\nd\t");
        assert_eq!(unescaped(Version::V1_2, r"\\n").unwrap(), "\\n");
        assert_eq!(unescaped(Version::V1_2, "a:b").unwrap(), "a:b");
    }

    #[test]
    fn an_undefined_escape_is_a_fault() {
        for version in [Version::V1_1, Version::V1_2] {
            assert_eq!(unescaped(version, r"a\tb"), Err(EscapeFault::Undefined(Some('t'))));
            assert_eq!(unescaped(version, "a\\"), Err(EscapeFault::Undefined(None)));
            assert_eq!(unescaped(version, r"\사"), Err(EscapeFault::Undefined(Some('사'))));
            assert_eq!(unescaped(version, r"\N"), Err(EscapeFault::Undefined(Some('N'))));
        }
        assert_eq!(unescaped(Version::V1_1, r"\r"), Err(EscapeFault::Undefined(Some('r'))));
    }

    #[test]
    fn a_carriage_return_must_be_escaped_where_there_is_an_escape_for_it() {
        assert_eq!(unescaped(Version::V1_2, "a\rb"), Err(EscapeFault::BareCarriageReturn));
        assert_eq!(unescaped(Version::V1_1, "a\rb").unwrap(), "a\rb");
    }

    #[test]
    fn a_name_without_escapes_cannot_end_its_line() {
        let mut out = BytesMut::new();
        plain_name_into("a:b\r\nc\0", &mut out);
        assert_eq!(&out[..], b"a_b__c_");
    }
}
