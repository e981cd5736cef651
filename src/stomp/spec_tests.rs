//! The sentences of the STOMP specifications that a codec alone can keep, each with its test.
//!
//! Every test quotes what it holds, with version and section.

use bytes::{Bytes, BytesMut};

use super::*;

const LATER: [Version; 2] = [Version::V1_1, Version::V1_2];

fn decode_all(version: Version, octets: impl AsRef<[u8]>) -> Result<Vec<Decoded>, DecodeError> {
    let mut decoder = Decoder::new(FrameLimits::default());
    decoder.set_version(version);
    decoder.feed(Bytes::copy_from_slice(octets.as_ref()));
    std::iter::from_fn(|| decoder.next().transpose()).collect()
}

fn decode_one(version: Version, octets: impl AsRef<[u8]>) -> Frame {
    match decode_all(version, octets).unwrap().as_slice() {
        [Decoded::Frame(frame)] => frame.clone(),
        other => panic!("not one frame: {other:?}"),
    }
}

fn fault(version: Version, octets: impl AsRef<[u8]>) -> String {
    decode_all(version, octets).unwrap_err().to_string()
}

fn written(builder: FrameBuilder) -> String {
    String::from_utf8(builder.finish().to_vec()).unwrap()
}

/// STOMP 1.2, STOMP Frames: "All commands and header names referenced in this document are case sensitive."
#[test]
fn commands_and_header_names_are_case_sensitive() {
    assert_eq!(fault(Version::V1_2, "send\n\n\0"), "unknown command \"send\"");
    let frame = decode_one(Version::V1_2, "SEND\nDestination:/a\nCONTENT-LENGTH:9\n\nhi\0");
    assert_eq!((frame.header("destination"), &frame.body[..]), (None, &b"hi"[..]));
}

/// STOMP 1.2, STOMP Frames: "The frame starts with a command string terminated by an end-of-line (EOL), which consists
/// of an OPTIONAL carriage return (octet 13) followed by a REQUIRED line feed (octet 10)."
#[test]
fn lines_end_with_or_without_a_carriage_return() {
    for version in Version::ALL {
        let plain = decode_one(version, "SEND\ndestination:/a\nx:y\n\nbody\0");
        for octets in ["SEND\r\ndestination:/a\r\nx:y\r\n\r\nbody\0", "SEND\ndestination:/a\r\nx:y\n\r\nbody\0"] {
            assert_eq!(decode_one(version, octets), plain, "{version:?}");
        }
    }
    assert_eq!(&decode_one(Version::V1_2, "SEND\r\n\r\n\r\nbody\r\n\0").body[..], b"\r\nbody\r\n");
}

/// STOMP 1.2, STOMP Frames: "The NULL octet can be optionally followed by multiple EOLs."
#[test]
fn line_ends_may_follow_a_frame() {
    let decoded = decode_all(Version::V1_2, "BEGIN\ntransaction:1\n\n\0\n\r\n\nCOMMIT\ntransaction:1\n\n\0").unwrap();
    let [Decoded::Frame(begin), Decoded::HeartBeat, Decoded::Frame(commit)] = &decoded[..] else {
        panic!("{decoded:?}");
    };
    assert_eq!((begin.command, commit.command), (Command::Begin, Command::Commit));
}

/// STOMP 1.2, STOMP Frames: "Following the command are zero or more header entries in `<key>:<value>` format."
#[test]
fn a_frame_may_have_no_headers() {
    assert!(decode_one(Version::V1_2, "DISCONNECT\n\n\0").headers.is_empty());
}

/// STOMP 1.2, Value Encoding: "The commands and headers are encoded in UTF-8."
#[test]
fn headers_are_utf_8() {
    for version in Version::ALL {
        assert_eq!(decode_one(version, "SEND\n방:사랑방 🏠\n\n\0").header("방"), Some("사랑방 🏠"));
        assert_eq!(fault(version, b"SEND\nroom:\xff\n\n\0"), "bad frame: the value of header \"room\" is not UTF-8");
        assert_eq!(fault(version, b"SEND\n\xff:room\n\n\0"), "bad frame: the name of header 1 is not UTF-8");
    }
}

/// STOMP 1.2, Value Encoding: "All frames except the CONNECT and CONNECTED frames will also escape any carriage return,
/// line feed or colon found in the resulting UTF-8 encoded headers."
#[test]
fn what_would_end_a_header_is_escaped() {
    let message = FrameBuilder::new(Command::Message, Version::V1_2).header("a:b", "c\r\nd\\");
    assert_eq!(written(message), "MESSAGE\na\\cb:c\\r\\nd\\\\\n\n\0");
    let message = FrameBuilder::new(Command::Message, Version::V1_1).header("a:b", "c\nd\\");
    assert_eq!(written(message), "MESSAGE\na\\cb:c\\nd\\\\\n\n\0");
}

/// STOMP 1.2, Value Encoding: "When decoding frame headers, the following transformations MUST be applied: \r (octet 92
/// and 114) translates to carriage return (octet 13), \n (octet 92 and 110) translates to line feed (octet 10), \c
/// (octet 92 and 99) translates to : (octet 58), \\ (octet 92 and 92) translates to \ (octet 92)".
#[test]
fn escapes_are_read_in_names_and_values() {
    let frame = decode_one(Version::V1_2, "SEND\n\\c\\r\\n\\\\:\\\\\\n\\r\\c\n\n\0");
    assert_eq!(frame.headers.iter().collect::<Vec<_>>(), [(":\r\n\\", "\\\n\r:")]);
    let frame = decode_one(Version::V1_1, "SEND\n\\c\\n\\\\:\\\\\\n\\c\n\n\0");
    assert_eq!(frame.headers.iter().collect::<Vec<_>>(), [(":\n\\", "\\\n:")]);
}

/// STOMP 1.2, Value Encoding: "Undefined escape sequences such as \t (octet 92 and 116) MUST be treated as a fatal
/// protocol error." STOMP 1.1 says the same of \r.
#[test]
fn an_undefined_escape_is_fatal() {
    for version in LATER {
        let mut decoder = Decoder::new(FrameLimits::default());
        decoder.set_version(version);
        decoder.feed(Bytes::from_static(b"SEND\nx:\\t\n\n\0SEND\n\n\0"));
        let error = decoder.next().unwrap_err();
        assert_eq!(error.code(), "bad_frame");
        assert_eq!(decoder.next(), Err(error));
    }
    assert!(decode_all(Version::V1_1, "SEND\nx:\\r\n\n\0").is_err());
    assert!(decode_all(Version::V1_2, "SEND\n\\t:x\n\n\0").is_err());
}

/// STOMP 1.0 knows no escapes.
#[test]
fn the_first_version_reads_and_writes_a_backslash_as_it_is() {
    assert_eq!(decode_one(Version::V1_0, "SEND\npath:C:\\temp\\new\n\n\0").header("path"), Some("C:\\temp\\new"));
    let message = FrameBuilder::new(Command::Message, Version::V1_0).header("path", "C:\\temp");
    assert_eq!(written(message), "MESSAGE\npath:C:\\temp\n\n\0");
}

/// STOMP 1.2, Value Encoding: "Conversely when encoding frame headers, the reverse transformation MUST be applied."
#[test]
fn what_is_escaped_is_read_back() {
    let text = "\\n is not a line end: \r\n\\\\ :";
    let octets = FrameBuilder::new(Command::Send, Version::V1_2).header(text, text).finish();
    assert_eq!(decode_one(Version::V1_2, octets).header(text), Some(text));
    let mut value = BytesMut::new();
    escape_into(Version::V1_2, text, &mut value);
    assert_eq!(&value[..], b"\\\\n is not a line end\\c \\r\\n\\\\\\\\ \\c");
}

/// STOMP 1.2, Value Encoding: "The CONNECT and CONNECTED frames do not escape the carriage return, line feed or colon
/// octets in order to remain backward compatible with STOMP 1.0." A STOMP frame is handled "in the same manner".
#[test]
fn connect_and_connected_are_not_escaped() {
    for command in ["CONNECT", "STOMP"] {
        let frame = decode_one(Version::V1_2, format!("{command}\naccept-version:1.2\npasscode:a\\tb:c\n\n\0"));
        assert_eq!(frame.header("passcode"), Some("a\\tb:c"));
    }
    let connected =
        FrameBuilder::new(Command::Connected, Version::V1_2).header("version", "1.2").header("user-name", "a\\b:c");
    let octets = written(connected);
    assert_eq!(octets, "CONNECTED\nversion:1.2\nuser-name:a\\b:c\n\n\0");
    assert_eq!(decode_one(Version::V1_2, octets).header("user-name"), Some("a\\b:c"));
}

/// STOMP 1.2, Value Encoding: "In STOMP 1.2, clients and servers MUST never trim or pad headers with spaces." 1.1 says
/// the same of itself.
#[test]
fn later_versions_neither_trim_nor_pad() {
    for version in LATER {
        let frame = decode_one(version, "SEND\n name : value \n\n\0");
        assert_eq!(frame.headers.iter().collect::<Vec<_>>(), [(" name ", " value ")]);
        assert_eq!(
            written(FrameBuilder::new(Command::Receipt, version).header("receipt-id", " 7 ")),
            "RECEIPT\nreceipt-id: 7 \n\n\0"
        );
    }
}

/// STOMP 1.0, SUBSCRIBE, pads its own example: "destination: /queue/foo", "ack: client".
#[test]
fn the_first_version_trims_what_its_examples_pad() {
    let frame = decode_one(Version::V1_0, "SUBSCRIBE\ndestination: /queue/foo\nack: client\n\n\0");
    assert_eq!((frame.header("destination"), frame.header("ack")), (Some("/queue/foo"), Some("client")));
    let connect = decode_one(Version::V1_0, "CONNECT\nlogin: happydaddy\npasscode:1234\n\n\0");
    assert_eq!((connect.header("login"), connect.header("passcode")), (Some("happydaddy"), Some("1234")));
}

/// STOMP 1.2, Body: "Only the SEND, MESSAGE, and ERROR frames MAY have a body. All other frames MUST NOT have a body."
#[test]
fn three_commands_have_a_body_and_no_others() {
    for version in LATER {
        for command in Command::ALL {
            let name = command.as_str();
            for octets in [
                format!("{name}\nversion:1.2\naccept-version:1.2\n\nx\0"),
                format!("{name}\nversion:1.2\naccept-version:1.2\ncontent-length:1\n\nx\0"),
            ] {
                if matches!(name, "SEND" | "MESSAGE" | "ERROR") {
                    assert_eq!(&decode_one(version, octets).body[..], b"x");
                } else {
                    assert_eq!(fault(version, octets), format!("bad frame: {name} must not have a body"));
                    assert!(!FrameBuilder::new(command, version).body("x").finish().contains(&b'x'));
                }
            }
        }
    }
}

/// STOMP 1.0, SUBSCRIBE: "The body of the SUBSCRIBE command is ignored."
#[test]
fn the_first_version_ignores_a_body_where_none_belongs() {
    for octets in ["SUBSCRIBE\ndestination:/a\n\nx\0", "SUBSCRIBE\ncontent-length:2\ndestination:/a\n\n\0x\0"] {
        let frame = decode_one(Version::V1_0, octets);
        assert_eq!((frame.header("destination"), frame.body.len()), (Some("/a"), 0));
    }
}

/// STOMP 1.2, Header content-length: "If a content-length header is included, this number of octets MUST be read,
/// regardless of whether or not there are NULL octets in the body." 1.0 and 1.1 say so too.
#[test]
fn a_length_is_read_through_any_nul() {
    for version in Version::ALL {
        let decoded = decode_all(version, b"SEND\ncontent-length:5\n\n\0a\0b\0\0SEND\n\nnext\0").unwrap();
        let [Decoded::Frame(first), Decoded::Frame(second)] = &decoded[..] else { panic!("{decoded:?}") };
        assert_eq!((&first.body[..], &second.body[..]), (&b"\0a\0b\0"[..], &b"next"[..]));
    }
}

/// STOMP 1.2, Header content-length: "The frame still needs to be terminated with a NULL octet."
#[test]
fn a_body_with_a_length_needs_its_nul_too() {
    for version in Version::ALL {
        let told = "bad frame: no NUL follows the body after the 2 octets of its content-length";
        assert_eq!(fault(version, "SEND\ncontent-length:2\n\nabc\0"), told);
    }
}

/// STOMP 1.0, SEND: "if a content-length is not specified, the first null byte encountered signals the end of the
/// frame."
#[test]
fn without_a_length_the_first_nul_ends_the_body() {
    for version in Version::ALL {
        let decoded = decode_all(version, "SEND\n\nhello queue a\n\0SEND\n\n\0").unwrap();
        let [Decoded::Frame(first), Decoded::Frame(second)] = &decoded[..] else { panic!("{decoded:?}") };
        assert_eq!((&first.body[..], second.body.len()), (&b"hello queue a\n"[..], 0));
    }
}

/// STOMP 1.2, Header content-length: "All frames MAY include a content-length header."
#[test]
fn any_frame_may_say_that_it_has_no_body() {
    for command in Command::ALL {
        let frame = decode_one(Version::V1_2, format!("{}\ncontent-length:0\n\n\0", command.as_str()));
        assert_eq!(frame.command, command);
    }
}

/// STOMP 1.2, Header content-length: "If a frame body is present, the SEND, MESSAGE and ERROR frames SHOULD include a
/// content-length header to ease frame parsing. If the frame body contains NULL octets, the frame MUST include a
/// content-length header."
#[test]
fn a_written_body_has_its_length_in_octets() {
    for version in Version::ALL {
        let message = FrameBuilder::new(Command::Message, version).body("방\0");
        assert_eq!(written(message), "MESSAGE\ncontent-length:4\n\n방\0\0");
    }
}

/// STOMP 1.2, Repeated Header Entries: "If a client or a server receives repeated frame header entries, only the first
/// header entry SHOULD be used as the value of header entry."
#[test]
fn the_first_of_repeated_headers_counts() {
    for version in Version::ALL {
        let frame = decode_one(version, "MESSAGE\nfoo:World\nfoo:Hello\n\n\0");
        assert_eq!(frame.header("foo"), Some("World"));
        assert_eq!(frame.headers.len(), 2);
    }
}

/// STOMP 1.2, Size Limits: "servers MAY place maximum limits on: the number of frame headers allowed in a single frame,
/// the maximum length of header lines, the maximum size of a frame body".
#[test]
fn each_limit_of_the_specification_is_kept_and_told() {
    let limits = FrameLimits::default();
    let told = |octets: String| decode_all(Version::V1_2, octets).unwrap_err().to_string();
    assert_eq!(
        told(format!("SEND\n{}", "a:b\n".repeat(limits.headers_max + 1))),
        "frame too large: a frame may have 64 headers"
    );
    assert_eq!(
        told(format!("SEND\na:{}", "x".repeat(8 * 1024))),
        "frame too large: a header line may have 8192 octets"
    );
    assert_eq!(told("SEND\ncontent-length:4294967296\n\n".into()), "frame too large: a body may have 65536 octets");
    assert_eq!(told(format!("SEND\n\n{}", "x".repeat(64 * 1024))), "frame too large: a frame may have 65536 octets");
    let long_lines = format!("a:{}\n", "x".repeat(8000)).repeat(3);
    assert_eq!(
        told(format!("SEND\n{long_lines}")),
        "frame too large: the headers of a frame may have 16384 octets together"
    );
}

/// STOMP 1.2, Augmented BNF: "header-name = 1*<any OCTET except CR or LF or ":">", "header-value = *<any OCTET except CR
/// or LF or ":">".
#[test]
fn a_header_has_a_name_and_perhaps_a_value() {
    assert_eq!(decode_one(Version::V1_2, "SEND\na:\n\n\0").header("a"), Some(""));
    assert_eq!(fault(Version::V1_2, "SEND\n:a\n\n\0"), "bad frame: header 1 has no name before its ':'");
    assert_eq!(fault(Version::V1_2, "SEND\na\n\n\0"), "bad frame: header 1 has no ':'");
    assert!(fault(Version::V1_2, "SEND\na:b\rc\n\n\0").contains("carriage return that is not escaped"));
    assert_eq!(decode_one(Version::V1_1, "SEND\na:b\rc\n\n\0").header("a"), Some("b\rc"));
}

/// STOMP 1.2, Augmented BNF: "header-value = *<any OCTET except CR or LF or ":">"; yet many clients write a colon in a
/// value as it is, and it can be meant in one way only.
#[test]
fn a_colon_in_a_value_is_taken_as_it_is() {
    for version in Version::ALL {
        assert_eq!(decode_one(version, "SEND\na:b:c\n\n\0").header("a"), Some("b:c"));
    }
}

/// STOMP 1.0, Augmented BNF: "frame-stream = 1*frame".
#[test]
fn frames_follow_each_other_in_one_piece() {
    let decoded =
        decode_all(Version::V1_0, "CONNECT\n\n\0SUBSCRIBE\ndestination:/a\n\n\0SEND\ndestination:/a\n\nhi\0").unwrap();
    assert_eq!(decoded.len(), 3);
}

/// STOMP 1.2, Protocol Negotiation: "If the accept-version header is missing, it means that the client only supports
/// version 1.0 of the protocol." And: "The protocol that will be used for the rest of the session will be the highest
/// protocol version that both the client and server have in common."
#[test]
fn the_version_is_the_highest_in_common() {
    let negotiated = |octets: &str| Version::negotiate(decode_one(Version::V1_0, octets).header("accept-version"));
    assert_eq!(negotiated("CONNECT\nhost:a\n\n\0"), Some(Version::V1_0));
    assert_eq!(negotiated("CONNECT\naccept-version:1.0,1.1,2.0\nhost:stomp.github.org\n\n\0"), Some(Version::V1_1));
    assert_eq!(negotiated("CONNECT\naccept-version:2.1\nhost:a\n\n\0"), None);
}

/// STOMP 1.2, Heart-beating: "When used, the heart-beat header MUST contain two positive integers separated by a comma."
#[test]
fn a_heart_beat_header_is_two_numbers() {
    let connect = decode_one(Version::V1_2, "CONNECT\naccept-version:1.2\nheart-beat:0,10000\n\n\0");
    assert_eq!(heartbeat::parse(connect.header("heart-beat").unwrap()), Ok((0, 10_000)));
    assert!(heartbeat::parse("10000").is_err());
}

/// STOMP 1.2, Heart-beating: "if <cx> is 0 [...] or <sy> is 0 [...] then there will be none; otherwise, there will be
/// heart-beats every MAX(<cx>,<sy>) milliseconds. In the other direction, <sx> and <cy> are used the same way." And: "A
/// missing heart-beat header MUST be treated the same way as a "heart-beat:0,0" header".
#[test]
fn heart_beats_are_agreed_on_in_each_direction() {
    let millis = std::time::Duration::from_millis;
    let (sx, sy, cx, cy) = (10_000, 20_000, 15_000, 5_000);
    let agreed = heartbeat::negotiate((sx, sy), (cx, cy));
    assert_eq!((agreed.wants_every, agreed.sends_every), (Some(millis(20_000)), Some(millis(10_000))));
    assert_eq!(heartbeat::negotiate((sx, sy), (0, 0)), HeartBeat::default());
}

/// STOMP 1.2, Heart-beating: "if the sender has no real STOMP frame to send, it MUST send an end-of-line (EOL)".
#[test]
fn an_end_of_line_between_frames_is_a_heart_beat() {
    for version in Version::ALL {
        assert_eq!(decode_all(version, "\n").unwrap(), [Decoded::HeartBeat]);
        assert_eq!(decode_all(version, "\r\n").unwrap(), [Decoded::HeartBeat]);
        assert_eq!(decode_all(version, "\r").unwrap(), []);
    }
}

/// STOMP 1.2, Client Frames: "A client MAY send a frame not in this list, but for such a frame a STOMP 1.2 server MAY
/// respond with an ERROR frame and then close the connection."
#[test]
fn a_command_of_no_version_is_refused() {
    assert_eq!(decode_all(Version::V1_2, "PUBLISH\n\n\0").unwrap_err().code(), "unknown_command");
    assert!(!decode_one(Version::V1_2, "MESSAGE\n\n\0").command.is_client());
}

/// STOMP 1.2, DISCONNECT, shows the frame without the blank line that its grammar asks for: "DISCONNECT / receipt:77 /
/// ^@".
#[test]
fn the_specifications_own_disconnect_is_understood() {
    for version in Version::ALL {
        assert_eq!(decode_one(version, "DISCONNECT\nreceipt:77\n\0").header("receipt"), Some("77"));
    }
}

/// STOMP 1.1, RECEIPT: "The receipt body will be empty."
#[test]
fn a_receipt_is_written_without_body() {
    let receipt = FrameBuilder::new(Command::Receipt, Version::V1_1).header("receipt-id", "message-12345").body("x");
    assert_eq!(written(receipt), "RECEIPT\nreceipt-id:message-12345\n\n\0");
}

/// STOMP 1.2, ERROR: "if the frame included a receipt header, the ERROR frame SHOULD set the receipt-id header to match
/// the value of the receipt header of the frame which the error is related to."
#[test]
fn a_refused_frame_tells_its_receipt() {
    let receipt = |octets: &str| decode_all(Version::V1_2, octets).unwrap_err().receipt().map(str::to_owned);
    assert_eq!(receipt("SEND\nreceipt:a\\cb\nx:\\t\n\n\0").as_deref(), Some("a:b"));
    assert_eq!(receipt("SEND\nreceipt:1\ncontent-length:99999999\n\n").as_deref(), Some("1"));
    assert_eq!(receipt("SEND\nreceipt:1\ncontent-length:1\n\nab\0").as_deref(), Some("1"));
    assert_eq!(receipt("SUBSCRIBE\nreceipt:1\n\nbody\0").as_deref(), Some("1"));
    assert_eq!(receipt("NOTHING\nreceipt:1\n\n\0"), None);
}
