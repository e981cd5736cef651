//! STOMP, Connecting: the specification's sentences over a socket.

use serde_json::json;

use sarangbang::chat::Role;

use crate::support::raw::{FIN, Raw, TEXT};
use crate::support::speaker::{VERSIONS, claims, signed};
use crate::support::{Server, eventually};

/// STOMP 1.2, Protocol Negotiation (1.1 alike): "The protocol that will be used for the rest of the session will be
/// the highest protocol version that both the client and server have in common." And: "If the `accept-version` header
/// is missing, it means that the client only supports version 1.0 of the protocol." STOMP 1.2, CONNECTED Frame:
/// "STOMP 1.2 servers MUST set the following headers: version".
#[tokio::test]
async fn connected_names_the_highest_common_version_and_its_escapes_are_read_from_then_on() {
    let server = Server::start().await;
    server.known("a").await;
    let token = server.token("a");
    for (accepts, version) in [
        ("", "1.0"),
        ("accept-version:1.0\n", "1.0"),
        ("accept-version:1.1\n", "1.1"),
        ("accept-version:1.2\n", "1.2"),
        ("accept-version:1.0,1.1,2.0\n", "1.1"),
        ("accept-version:1.2,1.0\n", "1.2"),
        ("accept-version:1.2,1.1,1.0\n", "1.2"),
    ] {
        let mut client = server.socket().await;
        client.send(&format!("CONNECT\n{accepts}token:{token}\n\n\0")).await;
        let connected = client.frame().await;
        assert_eq!((&*connected.command, connected.header("version")), ("CONNECTED", Some(version)), "{accepts}");
        // `\r` is two octets in 1.0, no escape in 1.1, and a carriage return in 1.2; all but 1.1 write it the same.
        client.send("SUBSCRIBE\nid:e\ndestination:/user/queue/errors\nreceipt:a\\rb\n\n\0").await;
        if version == "1.1" {
            assert_eq!(client.end().await.header("code"), Some("bad_frame"), "{accepts}");
        } else {
            assert_eq!(client.frame().await.header("receipt-id"), Some("a\\rb"), "{accepts}");
            // `\t` is two octets in 1.0 and no escape in 1.2.
            client.send("UNSUBSCRIBE\nid:e\nreceipt:a\\tb\n\n\0").await;
            if version == "1.0" {
                assert_eq!(client.frame().await.header("receipt-id"), Some("a\\tb"), "{accepts}");
            } else {
                assert_eq!(client.end().await.header("code"), Some("bad_frame"), "{accepts}");
            }
        }
    }
}

/// STOMP 1.2, Protocol Negotiation (1.1: SHOULD): "If the client and server do not share any common protocol
/// versions, then the sever MUST respond with an `ERROR` frame similar to the following and then close the
/// connection: ERROR / version:1.2,2.1 / content-type:text/plain / Supported protocol versions are 1.2 2.1^@".
#[tokio::test]
async fn without_a_common_version_error_lists_the_supported_ones() {
    let server = Server::start().await;
    server.known("a").await;
    for accepts in ["9.9", "1.3,2.0", "", "1", "1.20"] {
        let mut client = server.socket().await;
        client.send(&format!("CONNECT\naccept-version:{accepts}\ntoken:{}\n\n\0", server.token("a"))).await;
        let error = client.end().await;
        assert_eq!(error.header("code"), Some("unsupported_version"), "{accepts:?}");
        assert_eq!(error.header("version"), Some("1.0,1.1,1.2"));
        assert!(error.body.starts_with("Supported protocol versions are "), "{}", error.body);
    }
}

/// STOMP 1.2, CONNECT or STOMP Frame (1.1: SHOULD): "STOMP servers MUST handle a `STOMP` frame in the same manner as a
/// `CONNECT` frame."
#[tokio::test]
async fn a_stomp_frame_connects_as_connect_does() {
    let server = Server::start().await;
    server.known("a").await;
    for version in VERSIONS {
        let mut client = server.socket().await;
        client.send(&format!("STOMP\naccept-version:{version}\nhost:x\ntoken:{}\n\n\0", server.token("a"))).await;
        let connected = client.frame().await;
        assert_eq!((&*connected.command, connected.header("version")), ("CONNECTED", Some(version)));
        let mut refused = server.socket().await;
        refused.send(&format!("STOMP\naccept-version:{version}\nhost:x\ntoken:x\n\n\0")).await;
        assert_eq!(refused.end().await.header("code"), Some("token_malformed"));
    }
}

/// STOMP 1.0: "After the client sends the CONNECT frame, the server will always acknowledge the connection, by sending
/// a frame which looks like: CONNECTED / session: <session-id>". STOMP 1.2, CONNECTED Frame (1.1 alike): "session : A
/// session identifier that uniquely identifies the session."
#[tokio::test]
async fn each_connection_has_a_session_of_its_own() {
    let server = Server::start().await;
    let mut sessions = Vec::new();
    for version in VERSIONS {
        for _ in 0..2 {
            let speaker = server.speaker("a", version).await;
            assert_eq!(speaker.connected.header("user-name"), Some("a"));
            assert_eq!(speaker.connected.body, "", "CONNECTED has no body");
            sessions.push(speaker.connected.header("session").unwrap().to_owned());
        }
    }
    assert!(sessions.iter().all(|session| !session.is_empty()));
    sessions.sort();
    sessions.dedup();
    assert_eq!(sessions.len(), 6);
}

/// STOMP 1.2, CONNECTED Frame (1.1 alike): "The field MUST contain a server-name field and MAY be followed by optional
/// comment fields delimited by a space character." The name field is `name ["/" version]`.
#[tokio::test]
async fn the_server_header_is_a_name_and_a_version() {
    let server = Server::start().await;
    for version in VERSIONS {
        let speaker = server.speaker("a", version).await;
        let field = speaker.connected.header("server").unwrap().to_owned();
        let (name, number) = field.split(' ').next().unwrap().split_once('/').unwrap();
        assert_eq!(name, "Sarangbang");
        assert!(!number.is_empty() && !number.contains('/'), "{field}");
    }
}

/// STOMP 1.2, CONNECT or STOMP Frame (1.1 alike): "STOMP 1.2 clients MUST set the following headers: accept-version
/// [...] host"; and: "If this header does not match a known virtual host, servers supporting virtual hosting MAY
/// select a default virtual host or reject the connection."
///
/// On purpose: a CONNECT without `host` is let in, because the old front-ends send none; and there is one virtual
/// host, which answers to every name.
#[tokio::test]
async fn connect_without_host_is_let_in_and_so_is_any_host() {
    let server = Server::start().await;
    server.known("a").await;
    for version in VERSIONS {
        for host in ["", "host:\n", "host:/\n", "host:elsewhere.example\n"] {
            let mut client = server.socket().await;
            client.send(&format!("CONNECT\naccept-version:{version}\n{host}token:{}\n\n\0", server.token("a"))).await;
            assert_eq!(client.frame().await.header("version"), Some(version), "{host:?}");
        }
    }
}

/// STOMP 1.2, Connecting (1.1: "listing why"): "The server can reject any connection attempt. The server SHOULD
/// respond back with an `ERROR` frame explaining why the connection was rejected and then close the connection."
#[tokio::test]
async fn a_rejected_connection_is_told_why() {
    let server = Server::start().await;
    server.person("a", Role::User).await;
    server.person("visitor", Role::Guest).await;
    server.person("banned", Role::User).await;
    server.store().set_disabled(&"banned".parse().unwrap(), true).await.unwrap();
    let keys = server.store().signing_keys().await.unwrap();
    let good = server.token("a");
    // An algorithm that signs nothing is none that a token here could have.
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIiwiZXhwIjo5OTk5OTk5OTk5fQ.";
    let cases = [
        (String::new(), "token_missing"),
        ("token:\n".into(), "token_missing"),
        ("token:no.token\n".into(), "token_malformed"),
        (format!("token:{}\n", &good[..good.len() / 2]), "token_malformed"),
        (format!("token:{}\n", server.token_for("a", -60).await), "token_expired"),
        (format!("token:{}\n", signed(&claims("a", 60), b"somebody else's key, as long as ours")), "token_invalid"),
        (format!("token:{unsigned}\n"), "token_malformed"),
        (format!("token:{}\n", server.token("nobody")), "token_invalid"),
        (format!("token:{}\n", signed(&json!({"sub": "a"}), keys[0].secret.expose())), "token_malformed"),
        (format!("token:{}\n", server.token("visitor")), "role_may_not_chat"),
        (format!("token:{}\n", server.token("banned")), "user_disabled"),
    ];
    let mut reasons = std::collections::BTreeMap::new();
    for (header, code) in cases {
        for version in VERSIONS {
            let mut client = server.socket().await;
            client.send(&format!("CONNECT\naccept-version:{version}\nhost:x\n{header}\n\0")).await;
            let error = client.end().await;
            assert_eq!(error.header("code"), Some(code), "{header} {error:?}");
            reasons.insert(error.header("message").unwrap().replace("\\c", ":"), code);
        }
    }
    let codes: std::collections::BTreeSet<_> = reasons.values().collect();
    assert_eq!(reasons.len(), codes.len(), "one sentence for each reason: {reasons:?}");
    for (header, wanted) in [("Authorization:Bearer ", "CONNECTED"), ("passcode:", "CONNECTED"), ("login:", "ERROR")] {
        let mut client = server.socket().await;
        client.send(&format!("CONNECT\naccept-version:1.2\nhost:x\n{header}{good}\n\n\0")).await;
        assert_eq!(client.frame().await.command, wanted, "{header}");
    }
}

/// STOMP 1.2, Value Encoding (1.1 alike): "The `CONNECT` and `CONNECTED` frames do not escape the carriage return, line
/// feed or colon octets in order to remain backward compatible with STOMP 1.0." A backslash in CONNECT is an octet like
/// any other: such a token is a wrong token, and no wrong frame.
#[tokio::test]
async fn a_backslash_in_connect_is_no_escape() {
    let server = Server::start().await;
    for version in VERSIONS {
        let mut client = server.socket().await;
        client.send(&format!("CONNECT\naccept-version:{version}\nhost:a:b\\t\ntoken:a\\tb\n\n\0")).await;
        assert_eq!(client.end().await.header("code"), Some("token_malformed"));
    }
}

/// STOMP 1.2, Connecting: "A STOMP client initiates the stream or TCP connection to the server by sending the
/// `CONNECT` frame". It does so once: a second one would be a second person on the socket.
#[tokio::test]
async fn connect_comes_once() {
    let server = Server::start().await;
    for (version, command) in VERSIONS.into_iter().zip(["CONNECT", "STOMP", "CONNECT"]) {
        let mut speaker = server.speaker("a", version).await;
        let again = format!("{command}\naccept-version:{version}\nhost:x\ntoken:{}\n\n\0", server.token("a"));
        assert_eq!(speaker.refused(&again).await.header("code"), Some("bad_frame"));
    }
}

/// STOMP 1.2, Connecting: until the client has connected there is no session in which another frame could mean
/// anything; a socket that says nothing does not hold its place for ever.
#[tokio::test]
async fn a_socket_that_does_not_connect_in_time_is_told_and_closed() {
    let server = Server::builder().set("limits.connect_seconds_max", 1).start().await;
    let mut silent = server.socket().await;
    let mut beating = server.socket().await;
    beating.send("\n").await;
    beating.send("CONNECT\naccept-version:1.2\n").await;
    for client in [&mut silent, &mut beating] {
        assert_eq!(client.end().await.header("code"), Some("connect_timeout"));
    }
}

/// STOMP 1.2, Connection Lingering (1.1: "MUST support"): "STOMP servers must be able to support clients which rapidly
/// connect and disconnect."
#[tokio::test]
async fn three_hundred_quick_connections_leave_nothing_behind() {
    const QUICK: usize = 300;
    let server = Server::start().await;
    let room = server.room("a").await;
    server.known("a").await;
    let frames = format!(
        "CONNECT\naccept-version:1.2\ntoken:{}\n\n\0SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{room}\n\n\0",
        server.token("a")
    );
    let files = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    let before = files();
    for n in 0..QUICK {
        let mut raw = Raw::open(&server).await;
        raw.upgrade(&server).await;
        raw.frame(FIN | TEXT, frames.as_bytes()).await;
        // Some wait for an answer, most are gone before it.
        if n % 10 == 0 {
            assert!(raw.text().await.starts_with("CONNECTED\n"));
        }
    }
    // The store opens a few of its files late; a leak would be as many as there were connections.
    eventually("every socket is closed", || async { files() <= before + 8 }).await;
    eventually("everybody has left", || async { server.room_state(room).await.user_count == 0 }).await;
    let log = server.store().read(room, 0, 10_000, usize::MAX).await.unwrap().entries;
    let quits = log.iter().filter(|entry| entry.kind == sarangbang::chat::Kind::Quit).count();
    assert_eq!(log.len(), quits * 2, "everybody who came has gone");
}
