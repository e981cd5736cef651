//! RFC 6455 from outside, by hand-made bytes where a client library would be too well-behaved; and that a peer who
//! breaks it, or STOMP, hurts nobody else.

use std::time::Duration;

use crate::support::raw::{BINARY, CLOSE, CONTINUE, FIN, HANDSHAKE, PING, PONG, Raw, Rest, TEXT, masked, unmasked};
use crate::support::{Client, Server};

/// The room list's subscription: the smallest request that is answered at once.
const ASK: &str = "SUBSCRIBE\nid:s\ndestination:/sub/chat/rooms\nreceipt:안녕\n\n\0";
const ANSWER: &str = "RECEIPT\nreceipt-id:안녕\n\n\0";

/// Section 4.2.2: the answer proves that the key was read, with the RFC's own example (section 1.3).
#[tokio::test]
async fn a_proper_handshake_is_answered_with_the_hash_of_its_key() {
    let server = Server::start().await;
    let answer = server.handshake(HANDSHAKE).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert!(answer.header("upgrade").unwrap().eq_ignore_ascii_case("websocket"));
    assert!(answer.header("connection").unwrap().eq_ignore_ascii_case("upgrade"));
    assert_eq!(answer.header("sec-websocket-protocol"), None, "none was asked for");
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    // Section 4.2.1: tokens in any letter case, among others, and over several lines; extensions may be declined.
    let strange = "connection: keep-alive, uPGRADE\r\nUPGRADE: WebSocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
    let answer = server.handshake(strange).await;
    assert_eq!((answer.status, answer.header("sec-websocket-extensions")), (101, None));
}

/// Section 4.2.1: what the server needs to find in a handshake; section 4.2.2 and 4.4: "If this version does not match
/// a version understood by the server, the server MUST abort the WebSocket handshake [...] and instead send an
/// appropriate HTTP error code (such as 426 Upgrade Required) and a |Sec-WebSocket-Version| header field".
#[tokio::test]
async fn a_handshake_that_is_none_is_refused() {
    let server = Server::start().await;
    for (from, to, status) in [
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZSE=", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "!!!!!!!!!!!!!!!!!!!!!!!!", 400),
        ("Connection: Upgrade\r\n", "", 400),
        ("Connection: Upgrade\r\n", "Connection: keep-alive\r\n", 400),
        ("Version: 13", "Version: 8", 426),
        ("Version: 13", "Version: 14", 426),
        ("Version: 13", "Version: x", 426),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
    ] {
        let headers = HANDSHAKE.replace(from, to);
        let answer = server.handshake(&headers).await;
        assert_eq!(answer.status, status, "{headers}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{headers}");
        if status == 426 {
            assert_eq!(answer.header("sec-websocket-version"), Some("13"), "{headers}");
        }
    }
    // No upgrade at all: what the tutorial's server answers.
    let plain = server.http("GET", "/ws-stomp", "", "").await;
    assert_eq!((plain.status, &*plain.body), (200, "Welcome to SockJS!\n"));
    let plain = server.http("GET", "/ws-stomp/websocket", "", "").await;
    assert_eq!((plain.status, &*plain.body), (400, "Can \"Upgrade\" only to \"WebSocket\"."));
    let mut post = Raw::open(&server).await;
    post.write(format!("POST /ws-stomp HTTP/1.1\r\nHost: x\r\n{HANDSHAKE}\r\n").as_bytes()).await;
    assert_eq!(post.answer().await.status, 405, "section 4.1: \"The method of the request MUST be GET\"");
}

/// Section 4.2.1: an HTTP/1.1 or higher GET request. An older one knows nothing of upgrades.
#[tokio::test]
async fn a_handshake_by_http_1_0_opens_nothing() {
    let server = Server::start().await;
    let mut raw = Raw::open(&server).await;
    raw.write(format!("GET /ws-stomp HTTP/1.0\r\nHost: x\r\n{HANDSHAKE}\r\n").as_bytes()).await;
    assert_ne!(raw.answer().await.status, 101);
}

/// Section 4.1: "Once the client's opening handshake has been sent, the client MUST wait for a response from the server before
/// sending any further data". One that does not wait, or a proxy that gathers, is heard all the same, to the last byte.
#[tokio::test]
async fn what_comes_in_one_piece_with_the_handshake_is_heard() {
    const TIMES: usize = 400;
    for (proxied, keys) in [
        ("", &[][..]),
        ("", &[("tls.mode", "self-signed")]),
        (
            "PROXY TCP4 198.51.100.1 192.0.2.1 56324 443\r\n",
            &[("trusted_proxies", "127.0.0.1"), ("proxy_protocol", "true")],
        ),
    ] {
        let server = keys.iter().fold(Server::builder(), |builder, (key, value)| builder.set(key, value)).start().await;
        server.known("a").await;
        let upgrade = format!("{proxied}GET /ws-stomp HTTP/1.1\r\nHost: x\r\n{HANDSHAKE}\r\n");
        let connect = format!("CONNECT\naccept-version:1.2\ntoken:{}\n\n\0", server.token("a"));
        let mut piece = [upgrade.into_bytes(), masked(FIN | TEXT, connect.as_bytes())].concat();
        // More than HTTP reads at a time.
        (0..TIMES).for_each(|_| piece.extend(masked(FIN | PING, b"and more")));
        piece.extend(masked(FIN | TEXT, ASK.as_bytes()));
        let mut raw = Raw::open(&server).await;
        raw.write(&piece).await;
        assert_eq!(raw.answer().await.status, 101, "{keys:?}");
        let (mut pongs, mut texts) = (0, Vec::new());
        while texts.len() < 2 {
            match raw.next().await.unwrap() {
                (first, payload) if first == FIN | PONG => pongs += usize::from(payload == b"and more"),
                (_, payload) => texts.push(String::from_utf8(payload).unwrap()),
            }
        }
        assert!(texts[0].starts_with("CONNECTED\n"), "{texts:?}");
        assert_eq!((pongs, texts[1].as_str()), (TIMES, ANSWER), "{keys:?}");
    }
}

/// Section 4.2.2, /subprotocol/: one of the offered, or none. The first one that is known is taken, as by the
/// tutorial's server.
#[tokio::test]
async fn the_first_known_subprotocol_is_taken() {
    let server = Server::start().await;
    server.known("a").await;
    for (offered, taken) in [
        ("v12.stomp", Some("v12.stomp")),
        ("v11.stomp", Some("v11.stomp")),
        ("v10.stomp, v11.stomp, v12.stomp", Some("v10.stomp")),
        ("mqtt, v12.stomp,v11.stomp", Some("v12.stomp")),
        ("mqtt", None),
        ("V12.STOMP", None),
        ("v12.stomp\r\nSec-WebSocket-Protocol: v11.stomp", Some("v12.stomp")),
        ("mqtt\r\nSec-WebSocket-Protocol: v11.stomp", Some("v11.stomp")),
        ("", None),
    ] {
        let answer = server.handshake(&format!("{HANDSHAKE}Sec-WebSocket-Protocol: {offered}\r\n")).await;
        assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, taken), "{offered:?}");
    }
    // Both endpoints speak STOMP behind it.
    for path in ["/ws-stomp", "/ws-stomp/websocket"] {
        let mut client = Client::open(server.authority(), path, Some("v12.stomp")).await;
        client.connect(&server.token("a")).await;
    }
}

/// Section 5.4: "a fragmented message consists of a single frame with the FIN bit clear and an opcode other than 0,
/// followed by zero or more frames with the FIN bit clear and the opcode set to 0, and terminated by a single frame with
/// the FIN bit set and an opcode of 0"; "Control frames MAY be injected in the middle of a fragmented message";
/// section 8.1: text is UTF-8 as a whole, its fragments need not be.
#[tokio::test]
async fn a_message_may_come_in_fragments_with_control_frames_between() {
    let server = Server::start().await;
    let mut raw = server.raw_connected("a").await;
    let ask = ASK.as_bytes();
    // One octet each, so that every letter of the receipt is cut.
    raw.frame(TEXT, &ask[..1]).await;
    for octet in &ask[1..] {
        raw.frame(CONTINUE, &[*octet]).await;
    }
    raw.frame(FIN | PING, b"alive?").await;
    raw.frame(CONTINUE, b"").await;
    raw.frame(FIN | PONG, b"nobody asked").await;
    raw.frame(FIN | CONTINUE, b"").await;
    assert_eq!(raw.next().await, Some((FIN | PONG, b"alive?".to_vec())), "before the message is whole");
    assert_eq!(raw.text().await, ANSWER);
}

/// Section 5.5.2 and 5.5.3: "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response"; "A Pong
/// frame sent in response to a Ping frame must have identical "Application data"".
#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let server = Server::start().await;
    let mut raw = server.raw().await;
    for payload in [&b""[..], b"x", &[0xFF; 125]] {
        raw.frame(FIN | PING, payload).await;
        assert_eq!(raw.next().await, Some((FIN | PONG, payload.to_vec())));
    }
    raw.frame(FIN | PONG, b"unsolicited, and ignored").await;
    raw.frame(FIN | PING, b"still").await;
    assert_eq!(raw.next().await, Some((FIN | PONG, b"still".to_vec())));
}

/// Section 5.5.1: "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST
/// send a Close frame in response. (When sending a Close frame in response, the endpoint typically echos the status
/// code it received.)"
#[tokio::test]
async fn a_close_is_answered_with_its_code() {
    let server = Server::start().await;
    for (payload, code) in [
        (&b""[..], None),
        (&[0x03, 0xE8], Some(1000)),
        (&[0x03, 0xE9, b'b', b'y', b'e'], Some(1001)),
        (&[0x0B, 0xB8], Some(3000)),
        (&[0x13, 0x87], Some(4999)),
    ] {
        let mut raw = server.raw_connected("a").await;
        raw.frame(FIN | CLOSE, payload).await;
        let rest = raw.rest().await;
        assert_eq!((rest.texts.len(), rest.close), (0, code), "{payload:?}: no ERROR, as nothing is wrong");
    }
}

/// Everything that section 5 and 7.4 say a client must not send: "the server MUST close the connection upon receiving a
/// frame that is not masked"; reserved bits without an extension, unknown opcodes and control frames that are long or
/// fragmented: "_Fail the WebSocket Connection_"; codes that are not to be used on the wire. All are 1002.
#[tokio::test]
async fn a_broken_frame_ends_the_connection_with_1002() {
    let server = Server::start().await;
    let mut witness = server.raw_connected("witness").await;
    let close = |code: u16| masked(FIN | CLOSE, &code.to_be_bytes());
    let cases = [
        ("unmasked", unmasked(FIN | TEXT, b"\n")),
        ("unmasked ping", unmasked(FIN | PING, b"")),
        ("RSV1", masked(FIN | 0x40 | TEXT, b"\n")),
        ("RSV2", masked(FIN | 0x20 | TEXT, b"\n")),
        ("RSV3", masked(FIN | 0x10 | TEXT, b"\n")),
        ("opcode 3", masked(FIN | 0x3, b"\n")),
        ("opcode 7", masked(FIN | 0x7, b"\n")),
        ("opcode 11", masked(FIN | 0xB, b"")),
        ("opcode 15", masked(FIN | 0xF, b"")),
        ("a ping of 126 octets", masked(FIN | PING, &[b'x'; 126])),
        ("a close of 126 octets", masked(FIN | CLOSE, &[0x03; 126])),
        ("a ping in fragments", masked(PING, b"x")),
        ("a continuation of nothing", masked(FIN | CONTINUE, b"\n")),
        ("a message within a message", [masked(TEXT, b"\n"), masked(FIN | TEXT, b"\n")].concat()),
        ("a close of one octet", masked(FIN | CLOSE, &[0x03])),
        ("code 0", close(0)),
        ("code 999", close(999)),
        ("code 1004", close(1004)),
        ("code 1005", close(1005)),
        ("code 1006", close(1006)),
        ("code 1015", close(1015)),
        ("code 2999", close(2999)),
        ("code 5000", close(5000)),
    ];
    for (what, bytes) in cases {
        let mut raw = server.raw_connected("a").await;
        raw.write(&bytes).await;
        let rest = raw.rest().await;
        assert_eq!(rest.close, Some(1002), "{what}: {rest:?}");
        // STOMP 1.2, ERROR: it may be sent when something goes wrong; it says here what.
        assert_eq!(rest.error_code(), Some("bad_frame"), "{what}: {rest:?}");
    }
    lives(&mut witness).await;
}

/// Section 8.1: "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is not, in fact,
/// a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_." The code is 1007 (section 7.4.1). That goes
/// for the reason of a close too.
#[tokio::test]
async fn text_that_is_no_utf_8_ends_the_connection_with_1007() {
    let server = Server::start().await;
    let letter = "가".as_bytes();
    for (what, bytes) in [
        ("a lone continuation octet", masked(FIN | TEXT, b"SEND\n\x80")),
        ("an overlong form", masked(FIN | TEXT, b"\xC0\xAF")),
        ("a surrogate", masked(FIN | TEXT, b"\xED\xA0\x80")),
        ("beyond Unicode", masked(FIN | TEXT, b"\xF4\x90\x80\x80")),
        ("half a letter at the end", masked(FIN | TEXT, &letter[..2])),
        ("half a letter, then another", [masked(TEXT, &letter[..2]), masked(FIN | CONTINUE, b"x")].concat()),
        (
            "half a letter in the last fragment",
            [masked(TEXT, b"SEND\n"), masked(FIN | CONTINUE, &letter[..1])].concat(),
        ),
        ("in the reason of a close", masked(FIN | CLOSE, &[0x03, 0xE8, 0xFF])),
    ] {
        let mut raw = server.raw_connected("a").await;
        raw.write(&bytes).await;
        assert_eq!(raw.rest().await.close, Some(1007), "{what}");
    }
}

/// Section 10.4: "Implementations that have implementation- and/or platform-specific limitations regarding the frame
/// size or total message size after reassembly from multiple frames MUST protect themselves against exceeding those
/// limits." STOMP says why, and the close code is 1009 (section 7.4.1).
#[tokio::test]
async fn a_message_that_is_too_large_gets_error_and_1009() {
    let server = Server::start().await;
    let mut witness = server.raw_connected("witness").await;
    let large = vec![b'x'; 200_000];
    // A length that nobody has sent yet is refused by its announcement alone.
    let announced = [&[FIN | TEXT, 0x80 | 127][..], &(1_u64 << 40).to_be_bytes(), &[0; 4]].concat();
    let fragments: Vec<u8> = [masked(TEXT, b"SEND\n")]
        .into_iter()
        .chain(large.chunks(10_000).map(|piece| masked(CONTINUE, piece)))
        .flatten()
        .collect();
    for (what, bytes) in
        [("one frame", masked(FIN | BINARY, &large)), ("announced", announced), ("fragments", fragments)]
    {
        let mut raw = server.raw_connected("a").await;
        raw.write(&bytes).await;
        let rest = raw.rest().await;
        assert_eq!((rest.error_code(), rest.close), (Some("frame_too_large"), Some(1009)), "{what}");
        assert!(rest.texts[0].contains("131072"), "it names the limit: {rest:?}");
    }
    lives(&mut witness).await;
}

/// Section 5.6 leaves it to the application what text and what binary data is; some STOMP clients send frames as binary
/// messages. Garbage is told, whatever its opcode.
#[tokio::test]
async fn binary_messages_are_frames_too() {
    let server = Server::start().await;
    let mut raw = server.raw_connected("a").await;
    raw.frame(FIN | BINARY, ASK.as_bytes()).await;
    assert_eq!(raw.text().await, ANSWER);
    raw.frame(FIN | BINARY, b"\x00\xFF\xFE garbage \x80\n\n\x00").await;
    let rest = raw.rest().await;
    assert_eq!((rest.error_code(), rest.close), (Some("unknown_command"), Some(1002)), "{rest:?}");
}

/// Whatever comes where a STOMP frame should be: the server says which limit was passed or what is wrong, closes, and
/// goes on serving others.
#[tokio::test]
async fn whatever_is_no_frame_gets_a_clear_error_and_hurts_nobody_else() {
    let server = Server::start().await;
    let mut witness = server.raw_connected("witness").await;
    let headers = |count: usize, length: usize| {
        let mut frame = b"SEND\n".to_vec();
        for n in 0..count {
            frame.extend(format!("h{n}:{}\n", "x".repeat(length)).bytes());
        }
        frame
    };
    let cases: [(&str, Vec<u8>, &str, &str); 9] = [
        ("a mebibyte of headers", headers(16, 1 << 16), "frame_too_large", "8192"),
        ("a mebibyte of short headers", headers(1 << 16, 8), "frame_too_large", "64 headers"),
        ("a line without end", vec![b'x'; 1 << 20], "", ""),
        ("a header line without end", [&b"SEND\nh:"[..], &[b'x'; 1 << 20]].concat(), "frame_too_large", "8192"),
        ("thousands of headers", headers(5_000, 1), "frame_too_large", "64 headers"),
        ("a body without end", [&b"SEND\n\n"[..], &[b'x'; 1 << 20]].concat(), "frame_too_large", "65536"),
        ("no UTF-8 in a value", b"SEND\nh:\xFF\n\n\0".to_vec(), "bad_frame", "h"),
        ("no UTF-8 in a name", b"SEND\n\xFF:h\n\n\0".to_vec(), "bad_frame", "1"),
        ("no colon", b"SEND\nh\n\n\0".to_vec(), "bad_frame", "':'"),
    ];
    for connected in [true, false] {
        for (what, bytes, code, word) in &cases {
            let mut raw = if connected { server.raw_connected("a").await } else { server.raw().await };
            // Pieces of a frame are gathered without a limit of their own; the frame's limits bound them.
            for piece in bytes.chunks(30_000) {
                raw.frame(FIN | BINARY, piece).await;
            }
            let rest = raw.rest().await;
            assert!(rest.close.is_some(), "{what}: {rest:?}");
            if !code.is_empty() {
                assert_eq!(rest.error_code(), Some(*code), "{what}: {rest:?}");
                assert!(rest.texts[0].contains(word), "{what}: {word:?} in {rest:?}");
            }
        }
    }
    lives(&mut witness).await;
}

/// Random bytes, as messages and as bytes beneath them: each connection ends or waits for more, and the server stays.
#[tokio::test]
async fn random_bytes_hurt_nobody_else() {
    let server = Server::start().await;
    let mut witness = server.raw_connected("witness").await;
    let mut seed = 0x5eed_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for round in 0..60_u64 {
        let bytes: Vec<u8> = (0..random() % 3_000).map(|_| random().to_le_bytes()[2]).collect();
        let mut raw = if round % 2 == 0 { server.raw_connected("a").await } else { server.raw().await };
        match round % 3 {
            0 => raw.write(&bytes).await,
            1 => raw.frame(FIN | BINARY, &bytes).await,
            _ => raw.frame(FIN | TEXT, String::from_utf8_lossy(&bytes).as_bytes()).await,
        }
        // What is no frame is told at the latest when the client hangs up; the server does not wait for more.
        raw.frame(FIN | CLOSE, &[0x03, 0xE8]).await;
        drop(raw);
    }
    lives(&mut witness).await;
}

/// Section 7.1.1: after both close frames the server closes the TCP connection first; a peer that says nothing any more,
/// or not even reads, does not keep it.
#[tokio::test]
async fn the_server_closes_whether_the_peer_answers_or_not() {
    let server = Server::start().await;
    let mut raw = server.raw_connected("a").await;
    raw.frame(FIN | TEXT, b"DISCONNECT\nreceipt:bye\n\n\0").await;
    assert_eq!(raw.text().await, "RECEIPT\nreceipt-id:bye\n\n\0");
    assert_eq!(raw.next().await, Some((FIN | CLOSE, vec![0x03, 0xE8])));
    // The close frame is not answered.
    let end =
        tokio::time::timeout(Duration::from_secs(15), raw.next()).await.expect("the server does not wait for ever");
    assert_eq!(end, None);
}

/// That the server still serves.
async fn lives(witness: &mut Raw) {
    witness.frame(FIN | TEXT, ASK.as_bytes()).await;
    assert_eq!(witness.text().await, ANSWER);
    witness.frame(FIN | CLOSE, &[0x03, 0xE8]).await;
    let Rest { texts, close } = witness.rest().await;
    assert_eq!((texts.len(), close), (0, Some(1000)));
}
