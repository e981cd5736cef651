//! What holds for every frame and for any octets.
//!
//! Holds the properties of decoder and encoder together, tried on many made-up inputs.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const LIMITS: FrameLimits = FrameLimits {
    frame_bytes_max: 1024,
    header_bytes_max: 512,
    header_line_bytes_max: 256,
    headers_max: 8,
    body_bytes_max: 400,
};

/// What a stream decodes to: runs of heart-beats are one, as a cut within a run may show.
#[derive(Debug, PartialEq)]
struct Outcome {
    decoded: Vec<Decoded>,
    error: Option<DecodeError>,
}

fn decode<'a>(version: Version, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = Decoder::new(LIMITS);
    decoder.set_version(version);
    let mut decoded = Vec::new();
    for piece in pieces {
        decoder.feed(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next() {
                Ok(None) => break,
                Ok(Some(found)) => decoded.push(found),
                Err(error) => {
                    decoded.dedup_by(|a, b| *a == Decoded::HeartBeat && *b == Decoded::HeartBeat);
                    return Outcome { decoded, error: Some(error) };
                }
            }
        }
        assert!(decoder.buffered() <= LIMITS.frame_bytes_max);
    }
    decoded.dedup_by(|a, b| *a == Decoded::HeartBeat && *b == Decoded::HeartBeat);
    Outcome { decoded, error: None }
}

fn encode(frame: &Frame, version: Version) -> Bytes {
    let mut builder = FrameBuilder::new(frame.command, version);
    for (name, value) in frame.headers.iter() {
        builder = builder.header(name, value);
    }
    if frame.command.may_have_body() { builder.body(&frame.body).finish() } else { builder.finish() }
}

fn any_version() -> impl Strategy<Value = Version> {
    prop::sample::select(Version::ALL.as_slice())
}

fn any_command() -> impl Strategy<Value = Command> {
    prop::sample::select(Command::ALL.as_slice())
}

/// A frame that `version` can write: any text in 1.2; in 1.1 none with CR; without escapes none that would end a line or
/// a name, and no spaces around a value.
fn any_frame(version: Version) -> impl Strategy<Value = Frame> {
    let text = "([ -~]|[:\\\\\r\n]|\\PC){0,12}";
    (any_command(), vec((text, text), 0..6), vec(any::<u8>(), 0..40)).prop_map(move |(command, pairs, body)| {
        let escapes = if command.escapes_headers() { version } else { Version::V1_0 };
        let writable = |text: &str, never: &str| text.chars().filter(|c| !never.contains(*c)).collect::<String>();
        let pairs = pairs.into_iter().map(|(name, value)| match escapes {
            Version::V1_0 => {
                (format!("h{}", writable(&name, ":\r\n")), writable(&value, "\r\n").trim_matches(' ').to_owned())
            }
            Version::V1_1 => (format!("h{}", writable(&name, "\r")), writable(&value, "\r")),
            Version::V1_2 => (format!("h{name}"), value),
        });
        let body = if command.may_have_body() { Bytes::from(body) } else { Bytes::new() };
        Frame { command, headers: pairs.collect(), body }
    })
}

/// Octets that resemble frames: pieces of real ones in any order, with octets of any value between.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    const PARTS: [&str; 22] = [
        "SEND\n",
        "MESSAGE\r\n",
        "CONNECT\n",
        "SUBSCRIBE\n",
        "ERROR\n",
        "UNSUBSCRIBE\n",
        "a:b\n",
        "a:\\c\\n\r\n",
        "a:\\t\n",
        "accept-version:1.1\n",
        "content-length:3\n",
        "content-length:0\n",
        "content-length:999999\n",
        "receipt:r\n",
        "\n",
        "\r\n",
        "\r",
        "\0",
        "abc\0",
        "SEND\n\nhello\0",
        "nothing\n",
        " padded : x \n",
    ];
    let part = prop_oneof![
        12 => prop::sample::select(PARTS.as_slice()).prop_map(|part| part.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..6),
        1 => Just(vec![b'x'; 300]),
    ];
    vec(part, 0..24).prop_map(|parts| parts.concat())
}

fn cut<'a>(stream: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(stream.len() + 1)).collect();
    places.sort_unstable();
    let ends = places.iter().copied().chain([stream.len()]);
    let starts = [0].into_iter().chain(places.iter().copied());
    starts.zip(ends).map(|(start, end)| &stream[start..end]).collect()
}

proptest! {
    // A failure is kept as a unit test by hand, not as a file beside the source.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_frame_that_is_written_is_read_back_the_same(
        (version, frame) in any_version().prop_flat_map(|version| (Just(version), any_frame(version))),
    ) {
        let octets = encode(&frame, version);
        let outcome = decode(version, [&octets[..]]);
        prop_assert_eq!(outcome.error, None);
        let [Decoded::Frame(read)] = &outcome.decoded[..] else {
            return Err(TestCaseError::fail(format!("not one frame: {:?}", outcome.decoded)));
        };
        let without_length = read.headers.iter().filter(|(name, _)| *name != "content-length");
        prop_assert_eq!(without_length.collect::<Vec<_>>(), frame.headers.iter().collect::<Vec<_>>());
        prop_assert_eq!((read.command, &read.body), (frame.command, &frame.body));
    }

    #[test]
    fn frames_with_heart_beats_between_are_the_same_however_they_are_cut(
        (version, frames) in any_version().prop_flat_map(|version| (Just(version), vec(any_frame(version), 1..4))),
        beats in vec(prop::sample::select(["", "\n", "\r\n", "\n\r\n\n"].as_slice()), 4),
        places in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut stream = BytesMut::new();
        for (frame, beat) in frames.iter().zip(beats.iter()) {
            stream.extend_from_slice(beat.as_bytes());
            stream.extend_from_slice(&encode(frame, version));
        }
        let whole = decode(version, [&stream[..]]);
        prop_assert_eq!(&whole.error, &None);
        let read = whole.decoded.iter().filter(|found| matches!(found, Decoded::Frame(_))).count();
        prop_assert_eq!(read, frames.len());
        prop_assert_eq!(&decode(version, cut(&stream, &places)), &whole);
        prop_assert_eq!(&decode(version, stream.chunks(1)), &whole);
    }

    #[test]
    fn any_octets_end_the_same_however_they_are_cut_and_are_never_held_beyond_the_limit(
        version in any_version(),
        stream in any_stream(),
        places in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let whole = decode(version, [&stream[..]]);
        prop_assert_eq!(&decode(version, cut(&stream, &places)), &whole);
        prop_assert_eq!(&decode(version, stream.chunks(1)), &whole);
    }

    #[test]
    fn pure_noise_does_no_harm(version in any_version(), stream in vec(any::<u8>(), 0..600)) {
        let whole = decode(version, [&stream[..]]);
        prop_assert_eq!(&decode(version, stream.chunks(7)), &whole);
    }

    #[test]
    fn any_text_in_a_header_stays_in_that_header(
        version in any_version(),
        command in any_command(),
        name in ".{0,20}",
        value in "(.|[\r\n\0:\\\\]){0,40}",
    ) {
        let octets = FrameBuilder::new(command, version).header(&name, &value).header("end", "1").finish();
        let outcome = decode(version, [&octets[..]]);
        prop_assert_eq!(outcome.error, None);
        let [Decoded::Frame(read)] = &outcome.decoded[..] else {
            return Err(TestCaseError::fail(format!("not one frame: {:?}", outcome.decoded)));
        };
        prop_assert_eq!(read.headers.len(), if name.is_empty() { 1 } else { 2 });
        prop_assert_eq!(read.headers.iter().last(), Some(("end", "1")));
    }
}

/// Octet by octet must not mean reading everything again for each: a frame of the largest size in single octets takes
/// milliseconds, and would take minutes otherwise.
#[test]
fn a_large_frame_in_single_octets_is_read_once() {
    let mut decoder = Decoder::new(FrameLimits::default());
    let frame =
        FrameBuilder::new(Command::Send, Version::V1_2).header("destination", "/a").body(vec![b'x'; 65_000]).finish();
    let (octets, last) = (frame.slice(..frame.len() - 1), frame.slice(frame.len() - 1..));
    for octet in octets.chunks(1) {
        decoder.feed(octets.slice_ref(octet));
        assert_eq!(decoder.next(), Ok(None));
    }
    decoder.feed(last);
    assert!(matches!(decoder.next(), Ok(Some(Decoded::Frame(frame))) if frame.body.len() == 65_000));
}
