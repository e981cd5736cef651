//! SockJS under hands that mean no good, or none at all: what it costs, how it ends, and who may.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::support::raw::{FIN, HANDSHAKE, Raw, TEXT};
use crate::support::sockjs::{OWN_PAGE, Session, echoed, messages, name};
use crate::support::{Server, eventually};

/// The ways to receive, with their methods.
const WAYS: [(&str, &str); 5] =
    [("POST", "xhr"), ("POST", "xhr_streaming"), ("GET", "eventsource"), ("GET", "htmlfile?c=c"), ("GET", "jsonp?c=c")];

async fn count(server: &Server, room: sarangbang::chat::RoomId) -> u64 {
    server.room_state(room).await.user_count.into()
}

/// Heart-beats: "the server must send a heartbeat frame every 25 seconds", here every second.
#[tokio::test]
async fn a_heart_beat_comes_on_every_way_after_silence() {
    let server = Server::builder().set("sockjs.heartbeat_seconds", 1).start().await;
    let session = Session::connected(&server, "a").await;
    let began = Instant::now();
    assert_eq!(session.poll().await, "h\n");
    assert!(began.elapsed() > Duration::from_millis(900));
    for (method, way, ending, beat) in [
        ("POST", "xhr_streaming", "\n", "h\n"),
        ("GET", "eventsource", "\r\n\r\n", "data: h\r\n\r\n"),
        ("GET", "htmlfile?c=c", "</script>\r\n", "p(\"h\");\n</script>\r\n"),
    ] {
        let session = Session::new(&server);
        let (_, mut stream) = session.receive(method, way).await;
        let mut beats = 0;
        while beats < 2 {
            beats += usize::from(stream.next(ending).await.unwrap().ends_with(beat));
        }
    }
    let mut raw = Raw::open(&server).await;
    let path = format!("/ws-stomp/0/{}/websocket", name());
    raw.write(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{HANDSHAKE}\r\n").as_bytes()).await;
    assert_eq!(raw.answer().await.status, 101);
    for expected in ["o", "h", "h"] {
        assert_eq!(raw.next().await, Some((FIN | TEXT, expected.as_bytes().to_vec())));
    }
}

/// "The session must time out after 5 seconds of not having a receiving connection", here indeed.
#[tokio::test]
async fn who_stops_polling_has_left_the_room_after_the_disconnect_delay() {
    let server = Server::builder().set("sockjs.disconnect_seconds", 5).start().await;
    let room = server.room("a").await;
    let session = Session::connected(&server, "a").await;
    session.enter(room).await;
    session.messages().await;
    let mut polled = Instant::now();
    // Who polls stays, also between two polls.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(count(&server, room).await, 1);
        session.say(&session.echo("here")).await;
        polled = Instant::now();
        session.messages().await;
    }
    eventually("nobody is there", || async { count(&server, room).await == 0 }).await;
    assert!(polled.elapsed() > Duration::from_millis(4_900), "{:?}", polled.elapsed());
    eventually("the session is forgotten", || async { session.send("[]", "").await.status == 404 }).await;
    assert_eq!(session.poll().await, "o\n");
}

#[tokio::test]
async fn who_breaks_off_while_receiving_has_left_the_room_at_once() {
    let server = Server::builder().set("sockjs.disconnect_seconds", 600).start().await;
    let room = server.room("a").await;
    for way in [("POST", "xhr_streaming"), ("GET", "eventsource")] {
        let mut session = Session::new(&server);
        let (_, stream) = session.receive(way.0, way.1).await;
        session.sign_in("a").await;
        session.enter(room).await;
        eventually("somebody is there", || async { count(&server, room).await == 1 }).await;
        drop(stream);
        eventually("nobody is there", || async { count(&server, room).await == 0 }).await;
    }
}

/// A client that is gone without a word (its packets go nowhere) is found: it is asked to come again, and does not.
#[tokio::test]
async fn a_silent_receiver_has_to_come_again_to_be_believed() {
    let server = Server::builder().set("limits.ping_seconds", 1).set("sockjs.disconnect_seconds", 5).start().await;
    let room = server.room("a").await;
    let mut session = Session::new(&server);
    let (_, mut stream) = session.receive("POST", "xhr_streaming").await;
    session.sign_in("a").await;
    session.enter(room).await;
    eventually("somebody is there", || async { count(&server, room).await == 1 }).await;
    // Each time the answer ends; whoever comes again stays for longer than three pings would allow.
    for _ in 0..5 {
        while stream.next("\n").await.is_some() {}
        (_, stream) = session.receive("POST", "xhr_streaming").await;
        assert_eq!(count(&server, room).await, 1);
    }
    eventually("nobody is there", || async { count(&server, room).await == 0 }).await;
}

/// Every way at once, half of them connected in a room in which 40 MB are said, and none of them ever reads.
#[tokio::test]
async fn clients_that_never_fetch_cost_no_more_than_the_limit_and_hinder_nobody() {
    const EACH: usize = 10;
    let server = Server::builder().set("sockjs.disconnect_seconds", 600).set("limits.ping_seconds", 600).start().await;
    let room = server.room("a").await;
    let mut talker = server.connect("talker").await;
    let before = server.resident_bytes();
    let mut silent = Vec::new();
    for (method, way) in WAYS {
        for number in 0..EACH {
            let mut session = Session::new(&server);
            let mut raw = Raw::narrow(&server).await;
            let (path, host) = (&session.path, server.authority());
            let request =
                format!("{method} {path}/{way} HTTP/1.1\r\nHost: {host}\r\n{OWN_PAGE}Content-Length: 0\r\n\r\n");
            raw.write(request.as_bytes()).await;
            // The head alone, so that the session is there.
            raw.answer().await;
            session.sign_in(&format!("{}{number}", way.split('?').next().unwrap().replace('_', ""))).await;
            session.enter(room).await;
            silent.push((session, raw));
        }
    }
    eventually("all are in", || async { count(&server, room).await == (WAYS.len() * EACH) as u64 }).await;
    let text = "<".repeat(2_000);
    for number in 0..20_000 {
        let receipt = if number % 100 == 99 { "r" } else { "" };
        talker.say(room, &text, receipt).await;
        if !receipt.is_empty() {
            talker.until("RECEIPT").await;
        }
    }
    let each = server.resident_bytes().saturating_sub(before) / silent.len();
    println!("{each} bytes for each of {} that never fetch", silent.len());
    // Two queues (one waits, one is on its way), the buffer of HTTP, the portion that lags, and what else a connection
    // and the room cost.
    assert!(each < 600 * 1024, "{each} bytes for each");
    // Whoever comes back is told all of it that fits, and the rest behind it.
    let (session, _) = &silent[0];
    let mut offset = 1;
    while offset < 200 {
        for message in session.messages().await.iter().filter(|message| message.starts_with("MESSAGE")) {
            let body: serde_json::Value =
                serde_json::from_str(message.split("\n\n").nth(1).unwrap().trim_end_matches('\0')).unwrap();
            assert!(body["offset"].as_u64().unwrap() > offset || offset == 1, "in order");
            offset = body["offset"].as_u64().unwrap();
        }
    }
}

#[tokio::test]
async fn a_session_takes_the_place_of_a_socket_and_gives_it_back() {
    let server = Server::builder()
        .set("limits.connections_per_address_max", 2)
        .set("sockjs.disconnect_seconds", 5)
        .start()
        .await;
    let sessions = [Session::new(&server), Session::new(&server), Session::new(&server)];
    for session in &sessions[..2] {
        assert_eq!(session.poll().await, "o\n");
    }
    let full = server.http("POST", &format!("{}/xhr", sessions[2].path), "", "").await;
    assert_eq!(full.status, 503);
    assert!(full.body.contains("limits.connections_per_address_max"), "{full:?}");
    eventually("there is room again", || async {
        server.http("POST", &format!("{}/xhr", sessions[2].path), "", "").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn new_sessions_count_for_the_limit_of_new_connections_and_polls_do_not() {
    let server = Server::builder().set("limits.connects_per_second", 1).set("limits.connects_burst", 2).start().await;
    let session = Session::connected(&server, "a").await;
    for number in 0..20 {
        session.say(&session.echo(&number.to_string())).await;
        session.messages().await;
    }
    // As fast as they can be asked for: a machine that pauses lets one more in.
    let refused = loop {
        let answer = server.http("POST", &format!("/ws-stomp/0/{}/xhr", name()), "", "").await;
        match answer.status {
            200 => {}
            429 => break answer,
            _ => panic!("{answer:?}"),
        }
    };
    assert!(refused.header("retry-after").is_some());
}

#[tokio::test]
async fn too_much_at_once_is_refused_and_ends_nothing_else() {
    let server = Server::builder().set("limits.sockjs_request_bytes_max", 200_000).start().await;
    let session = Session::connected(&server, "a").await;
    let large = session.send(&format!("[\"{}\"]", "x".repeat(200_000)), "").await;
    assert_eq!(large.status, 413);
    assert!(large.body.contains("request_too_large"));
    session.say(&session.echo("still here")).await;
    assert_eq!(session.messages().await, [echoed("still here")]);
    // A frame that no WebSocket may send ends the session the same way.
    session.say(&"x".repeat(140_000)).await;
    assert!(messages(&session.poll().await)[0].contains("code:frame_too_large"));
    assert_eq!(session.poll().await, "c[1009,\"\"]\n");
}

#[tokio::test]
async fn a_page_of_another_site_neither_opens_a_session_nor_reads_an_answer() {
    let server = Server::builder().set("allowed_origins", "https://friend.example").start().await;
    let foreign = [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: cross-site\r\nReferer: https://evil.example/\r\n",
        "Referer: https://evil.example/\r\n",
    ];
    let friendly = [
        "Origin: https://friend.example\r\nSec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: cross-site\r\nReferer: https://friend.example/page\r\n",
        OWN_PAGE,
    ];
    for (method, way) in WAYS {
        for headers in foreign {
            let path = format!("/ws-stomp/0/{}", name());
            let answer = server.http(method, &format!("{path}/{way}"), headers, "").await;
            assert_eq!(answer.status, 403, "{way} {headers}");
            assert!(answer.body.contains("cross_site") && answer.header("access-control-allow-origin").is_none());
            assert_eq!(server.http("POST", &format!("{path}/xhr_send"), "", "[]").await.status, 404, "no session");
        }
        // With a POST every browser says its Origin.
        for headers in friendly.into_iter().filter(|headers| method == "GET" || !headers.contains("Referer")) {
            let path = format!("/ws-stomp/0/{}", name());
            let (answer, _raw) = server.streaming(method, &format!("{path}/{way}"), headers).await;
            assert_eq!(answer.status, 200, "{way} {headers}");
            assert_eq!(server.http("POST", &format!("{path}/xhr_send"), "", "[]").await.status, 204);
            for headers in &foreign[..2] {
                for send in ["xhr_send", "jsonp_send"] {
                    let sent = server.http("POST", &format!("{path}/{send}"), headers, "[\"x\"]").await;
                    assert_eq!(sent.status, 403, "{send} {headers}");
                }
            }
        }
    }
    for headers in &foreign[..2] {
        assert_eq!(server.http("GET", "/ws-stomp/info", headers, "").await.status, 403);
        let path = format!("/ws-stomp/0/{}/websocket", name());
        let mut raw = Raw::open(&server).await;
        raw.write(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{HANDSHAKE}{headers}\r\n").as_bytes()).await;
        assert_eq!(raw.answer().await.status, 403);
        let asked = format!("{headers}Access-Control-Request-Method: POST\r\n");
        let preflight = server.http("OPTIONS", "/ws-stomp/a/b/xhr", &asked, "").await;
        assert_eq!(preflight.header("access-control-allow-origin"), None);
    }
    // What a browser that says nothing can load from anywhere; no program has a use for it.
    for way in ["htmlfile?c=c", "jsonp?c=c"] {
        assert_eq!(server.http("GET", &format!("/ws-stomp/0/{}/{way}", name()), "", "").await.status, 403);
    }
}

#[tokio::test]
async fn turned_off_there_is_nothing_but_websockets() {
    let server = Server::builder().set("sockjs.enabled", false).start().await;
    for (method, path) in [("GET", "/info"), ("GET", "/iframe.html"), ("POST", "/0/a/xhr"), ("GET", "/0/a/websocket")] {
        assert_eq!(server.http(method, &format!("/ws-stomp{path}"), "", "").await.status, 404, "{path}");
    }
    server.connect("a").await;
}

#[tokio::test]
async fn a_server_that_drains_tells_those_who_receive_to_come_back() {
    let mut server = Server::start().await;
    let mut streams = Vec::new();
    for (method, way) in [("POST", "xhr_streaming"), ("GET", "eventsource")] {
        let session = Session::new(&server);
        streams.push(session.receive(method, way).await.1);
    }
    server.signal("TERM");
    let rest = join_all(streams.iter_mut().map(|stream| async {
        let mut all = Vec::new();
        while let Some(frame) = stream.next("\n").await {
            all.push(frame);
        }
        all.concat()
    }))
    .await;
    assert!(rest[0].ends_with("c[1012,\"\"]\n") && rest[1].contains("data: c[1012,\"\"]\r\n"), "{rest:?}");
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn sessions_are_counted_by_the_way_that_opened_them() {
    let server =
        Server::builder().set("operator.listen", "127.0.0.1:0").set("sockjs.disconnect_seconds", 1).start().await;
    let series = |way: &str| format!("sarangbang_sockjs_sessions_open{{transport=\"{way}\"}}");
    let mut open = Vec::new();
    for (method, way) in WAYS {
        let session = Session::new(&server);
        open.push(server.streaming(method, &format!("{}/{way}", session.path), OWN_PAGE).await);
    }
    for way in ["xhr_streaming", "eventsource", "htmlfile"] {
        assert_eq!(server.scrape().await.value(&series(way)), 1.0, "{way}");
    }
    drop(open);
    for (_, way) in WAYS {
        let series = series(way.split('?').next().unwrap());
        eventually(&series, || async { server.scrape().await.value(&series) == 0.0 }).await;
    }
}
