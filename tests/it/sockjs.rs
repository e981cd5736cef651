//! SockJS as its protocol says it: each case of the suite that is published with it (sockjs-protocol 0.3.x), by its name
//! there, where a browser of today can meet it. What is different here on purpose stands in docs/PROTOCOL.md.

use std::time::Duration;

use crate::support::raw::{CLOSE, FIN, HANDSHAKE, Raw, TEXT};
use crate::support::sockjs::{OWN_PAGE, Session, echoed, messages, name};
use crate::support::{Client, Server, eventually};

const JAVASCRIPT: &str = "application/javascript;charset=UTF-8";
const PLAIN: &str = "text/plain;charset=UTF-8";
const NOT_KEPT: Option<&str> = Some("no-store, no-cache, no-transform, must-revalidate, max-age=0");
const INTERRUPTED: &str = "c[1002,\"Connection interrupted\"]\n";
const FRIEND: &str = "Origin: https://friend.example\r\n";

/// With a page elsewhere that may use it.
async fn with_friend() -> Server {
    Server::builder().set("allowed_origins", "https://friend.example").start().await
}

/// BaseUrlGreeting.
#[tokio::test]
async fn the_greeting_stands_at_the_base_and_nothing_beside_it() {
    let server = Server::start().await;
    for path in ["/ws-stomp", "/ws-stomp/"] {
        let answer = server.http("GET", path, "", "").await;
        assert_eq!((answer.status, &*answer.body), (200, "Welcome to SockJS!\n"), "{path}");
        assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
        assert_eq!(answer.header("set-cookie"), None);
    }
    for path in ["/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/", "/a/a/a/a", "/0/0/nothing"] {
        assert_eq!(server.http("GET", &format!("/ws-stomp{path}"), "", "").await.status, 404, "{path}");
    }
}

/// IframePage.
#[tokio::test]
async fn the_iframe_page_is_there_under_every_version_with_a_script_of_this_server() {
    let server = with_friend().await;
    let mut tags = Vec::new();
    for path in [
        "/iframe.html",
        "/iframe-a.html",
        "/iframe-.html",
        "/iframe-0.1.2.html",
        "/iframe-0.1.2abc-dirty.2144.html",
        "/iframe-a.html?t=1234",
    ] {
        let answer = server.http("GET", &format!("/ws-stomp{path}"), "", "").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html;charset=UTF-8")), "{path}");
        assert!(answer.body.starts_with("<!DOCTYPE html>\n<html>\n<head>\n") && answer.body.contains("Don't panic!"));
        assert_eq!((answer.header("last-modified"), answer.header("set-cookie")), (None, None));
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "asked for each time: who may hold it can change");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'self' https://friend.example"), "{policy}");
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        let source = answer.body.split("<script src=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(answer.body.matches("<script").count(), 1, "nothing inline");
        let script = server.http("GET", source, "", "").await;
        assert_eq!((script.status, script.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
        assert!(script.header("cache-control").unwrap().contains("max-age=31536000"));
        assert!(script.body.contains("postMessage"));
        tags.push(answer.header("etag").unwrap().to_owned());
    }
    tags.dedup();
    assert_eq!(tags.len(), 1, "{tags:?}");
    let again = server.http("GET", "/ws-stomp/iframe.html", &format!("If-None-Match: {}\r\n", tags[0]), "").await;
    assert_eq!((again.status, &*again.body, again.header("content-type")), (304, "", None));
    for path in ["/iframe.htm", "/iframe", "/IFRAME.HTML", "/IFRAME", "/iframe.HTML", "/iframe.xml", "/iframe-/.html"] {
        assert_eq!(server.http("GET", &format!("/ws-stomp{path}"), "", "").await.status, 404, "{path}");
    }
}

/// InfoTest: test_basic, test_entropy. `cookie_needed` is false: see JsessionidCookie below.
#[tokio::test]
async fn info_says_what_there_is_and_a_number_that_nobody_foresees() {
    let server = with_friend().await;
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let answer = server.http("GET", "/ws-stomp/info", FRIEND, "").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json;charset=UTF-8")));
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://friend.example"));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!((answer.header("cache-control"), answer.header("set-cookie")), (NOT_KEPT, None));
        assert_eq!((answer.header("expires"), answer.header("last-modified")), (None, None));
        let info: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((&info["websocket"], &info["cookie_needed"]), (&true.into(), &false.into()));
        assert_eq!(info["origins"], serde_json::json!(["*:*"]));
        numbers.push(u32::try_from(info["entropy"].as_u64().unwrap()).unwrap());
    }
    assert_ne!(numbers[0], numbers[1]);
}

/// InfoTest, XhrPolling and XhrStreaming: test_options; XhrPolling: test_request_headers_cors.
#[tokio::test]
async fn a_preflight_of_an_allowed_page_is_answered_for_a_year() {
    let server = with_friend().await;
    for path in ["/info", "/a/b/xhr", "/a/b/xhr_send", "/a/b/xhr_streaming"] {
        let path = format!("/ws-stomp{path}");
        let asked = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: a, b, c\r\n";
        let answer = server.http("OPTIONS", &path, &format!("{FRIEND}{asked}"), "").await;
        assert_eq!((answer.status, &*answer.body), (204, ""), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://friend.example"));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("access-control-allow-headers"), Some("a, b, c"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000"));
        assert!(answer.header("access-control-max-age").unwrap().parse::<u32>().unwrap() > 1_000_000);
        assert!(answer.header("expires").unwrap().ends_with(" GMT"));
        let methods = answer.header("access-control-allow-methods").unwrap();
        assert!(methods.contains("OPTIONS") && methods.contains("GET") && methods.contains("POST"), "{methods}");
        for asked in ["", "Access-Control-Request-Headers: \r\n"] {
            let asked = format!("{FRIEND}Access-Control-Request-Method: POST\r\n{asked}");
            let answer = server.http("OPTIONS", &path, &asked, "").await;
            assert_eq!((answer.status, answer.header("access-control-allow-headers")), (204, None), "{path}");
        }
    }
}

/// SessionURLs: test_anyValue, test_invalidPaths, test_ignoringServerId.
#[tokio::test]
async fn a_session_has_any_name_without_dots_whatever_stands_before_it() {
    let server = Server::start().await;
    let number = name();
    for part in ["a/a", "_/_", "1/", "abcdefgh_i-j%20/abcdefg_i-j%20"] {
        let answer = server.http("POST", &format!("/ws-stomp/{part}{number}/xhr"), "", "").await;
        assert_eq!((answer.status, &*answer.body), (200, "o\n"), "{part}");
    }
    for part in ["//", "/a./a", "/a/a.", "/./.", "/", "///"] {
        for method in ["GET", "POST"] {
            let answer = server.http(method, &format!("/ws-stomp{part}/xhr"), "", "").await;
            assert!(
                [404, 405].contains(&answer.status) && (method == "GET" || answer.status == 404),
                "{part} {answer:?}"
            );
        }
    }
    let mut session = Session::connected(&server, "a").await;
    session.say(&session.echo("here")).await;
    session.path = session.path.replace("/000/", "/999/");
    assert_eq!(session.messages().await, [echoed("here")]);
}

/// Protocol: test_simpleSession; XhrPolling: test_transport.
#[tokio::test]
async fn a_session_opens_takes_messages_and_gives_them_to_one_who_polls() {
    let server = with_friend().await;
    let session = Session::connected(&server, "a").await;
    let sent = session.send(&serde_json::to_string(&[session.echo("x")]).unwrap(), FRIEND).await;
    assert_eq!((sent.status, &*sent.body), (204, ""));
    assert_eq!((sent.header("content-type"), sent.header("cache-control")), (Some(PLAIN), NOT_KEPT));
    assert_eq!(sent.header("access-control-allow-origin"), Some("https://friend.example"));
    let polled = server.http("POST", &format!("{}/xhr", session.path), FRIEND, "").await;
    assert_eq!((polled.status, &*polled.body), (200, "a[\"RECEIPT\\nreceipt-id:x\\n\\n\\u0000\"]\n"));
    assert_eq!((polled.header("content-type"), polled.header("cache-control")), (Some(JAVASCRIPT), NOT_KEPT));
    assert_eq!(polled.header("access-control-allow-origin"), Some("https://friend.example"));
    assert_eq!(server.http("POST", "/ws-stomp/000/bad_session/xhr_send", "", "[\"a\"]").await.status, 404);

    let mut waiting = one_of_two(&session).await;
    session.say(&session.echo("y")).await;
    assert_eq!(messages(&waiting.answer().await.body), [echoed("y")], "it was not disturbed");
}

/// Two poll at once: the one that may, while the other has been refused.
async fn one_of_two(session: &Session<'_>) -> Raw {
    let request = format!("POST {}/xhr HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", session.path);
    let (mut one, mut other) = (Raw::open(session.server).await, Raw::open(session.server).await);
    one.write(request.as_bytes()).await;
    other.write(request.as_bytes()).await;
    let (answer, left) = tokio::select! {
        answer = one.answer() => (answer, other),
        answer = other.answer() => (answer, one),
    };
    assert_eq!((answer.status, &*answer.body), (200, "c[2010,\"Another connection still open\"]\n"));
    left
}

/// Protocol: test_closeSession; HandlingClose: test_close_frame.
#[tokio::test]
async fn the_end_is_told_again_and_again_until_the_session_is_forgotten() {
    let server = Server::builder().set("sockjs.disconnect_seconds", 8).start().await;
    let session = Session::new(&server);
    let (_, mut stream) = session.receive("POST", "xhr_streaming").await;
    assert_eq!(stream.next("\n").await.unwrap().len(), 2_049);
    assert_eq!(stream.next("\n").await.unwrap(), "o\n");
    session.say("CONNECT\naccept-version:1.2\ntoken:nonsense\n\n\0").await;
    assert!(messages(&stream.next("\n").await.unwrap())[0].starts_with("ERROR\n"));
    assert_eq!(stream.next("\n").await.unwrap(), "c[1008,\"\"]\n");
    assert_eq!(stream.next("\n").await, None);
    for _ in 0..2 {
        assert_eq!(session.poll().await, "c[1008,\"\"]\n");
        let (answer, _) = session.receive("POST", "xhr_streaming").await;
        assert!(answer.body.ends_with("h\nc[1008,\"\"]\n"), "{}", answer.body);
    }
    assert_eq!(session.send("[\"a\"]", "").await.status, 404, "nobody hears it");
    eventually("the name is free again", || async { session.poll().await == "o\n" }).await;
}

/// HandlingClose: test_close_request, test_abort_xhr_streaming, test_abort_xhr_polling.
#[tokio::test]
async fn a_receiver_that_breaks_off_ends_the_session_and_a_second_one_does_not() {
    let server = Server::start().await;
    let session = Session::new(&server);
    let (_, stream) = session.receive("POST", "xhr_streaming").await;
    let (second, _) = session.receive("POST", "xhr_streaming").await;
    assert_eq!(second.body, "h".repeat(2_048) + "\nc[2010,\"Another connection still open\"]\n");
    drop(stream);
    eventually("the break is noticed", || async { session.poll().await == INTERRUPTED }).await;

    let session = Session::new(&server);
    assert_eq!(session.poll().await, "o\n");
    drop(one_of_two(&session).await);
    eventually("the break is noticed", || async { session.poll().await == INTERRUPTED }).await;
}

/// WebsocketHttpErrors; Websocket: test_headersSanity.
#[tokio::test]
async fn what_is_no_upgrade_is_refused_at_the_framed_websocket_too() {
    let server = Server::start().await;
    let path = format!("/ws-stomp/000/{}/websocket", name());
    let plain = server.http("GET", &path, "", "").await;
    assert_eq!((plain.status, &*plain.body), (400, "Can \"Upgrade\" only to \"WebSocket\"."));
    let mut raw = Raw::open(&server).await;
    raw.write(format!("GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: close\r\n\r\n").as_bytes())
        .await;
    assert_eq!(raw.answer().await.status, 400);
    for headers in [HANDSHAKE, ""] {
        let mut raw = Raw::open(&server).await;
        raw.write(format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes()).await;
        let answer = raw.answer().await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")));
    }
    let mut raw = Raw::open(&server).await;
    let headers = HANDSHAKE.replace("dGhlIHNhbXBsZSBub25jZQ==", "x3JJHMbDL1EzLkh9GBhXDw==");
    raw.write(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes()).await;
    let answer = raw.answer().await;
    assert_eq!((answer.status, answer.header("sec-websocket-accept")), (101, Some("HSmrc0sMlYUkAGmm5OPpG2HaGWk=")));
    assert_eq!(answer.header("content-length"), None);
}

/// A framed WebSocket that has said `o`.
async fn framed(server: &Server, name: &str) -> Raw {
    let mut raw = Raw::open(server).await;
    let path = format!("/ws-stomp/000/{name}/websocket");
    raw.write(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{HANDSHAKE}\r\n", server.authority()).as_bytes()).await;
    assert_eq!(raw.answer().await.status, 101);
    assert_eq!(raw.text().await, "o");
    raw
}

async fn frame(raw: &mut Raw, said: &[&str]) {
    raw.frame(FIN | TEXT, serde_json::to_string(said).unwrap().as_bytes()).await;
}

/// Websocket: test_transport, test_empty_frame, test_reuseSessionId.
#[tokio::test]
async fn a_framed_websocket_carries_messages_in_arrays_and_two_may_have_one_name() {
    let server = Server::start().await;
    server.known("a").await;
    let name = name();
    let mut sockets = [framed(&server, &name).await, framed(&server, &name).await];
    for (number, raw) in sockets.iter_mut().enumerate() {
        raw.frame(FIN | TEXT, b"").await;
        frame(raw, &[]).await;
        // A frame in two messages of one array, and two frames in one message.
        let token = server.token("a");
        frame(raw, &["CONNECT\naccept-version:1.2\n", &format!("token:{token}\n\n\0")]).await;
        assert!(messages(&raw.text().await)[0].starts_with("CONNECTED\n"));
        let receipt = |text: String| format!("BEGIN\ntransaction:{text}\nreceipt:{text}\n\n\0");
        frame(raw, &[&(receipt(format!("a{number}")) + &receipt(format!("b{number}")))]).await;
        let mut told = messages(&raw.text().await);
        while told.len() < 2 {
            told.extend(messages(&raw.text().await));
        }
        assert_eq!(told, [echoed(&format!("a{number}")), echoed(&format!("b{number}"))]);
    }
}

/// Websocket: test_close, test_broken_json. What the tutorial's server answers: `c[1007,""]`.
#[tokio::test]
async fn the_end_of_a_framed_websocket_is_told_twice_and_broken_json_is_one() {
    let server = Server::start().await;
    for (said, expected) in [
        ("[\"a", "c[1007,\"\"]"),
        ("\"bare\"", "c[1007,\"\"]"),
        ("{}", "c[1007,\"\"]"),
        ("[\"SEND\\n\\n\\u0000\"]", "c[1002,\"\"]"),
    ] {
        let mut raw = framed(&server, &name()).await;
        raw.frame(FIN | TEXT, said.as_bytes()).await;
        let rest = raw.rest().await;
        assert_eq!(rest.texts.last().unwrap(), expected, "{said}");
        let code = expected[2..6].parse().ok();
        assert_eq!(rest.close, code, "{said}");
    }
    // A close of the client is answered with its code.
    let mut raw = framed(&server, &name()).await;
    raw.frame(FIN | CLOSE, &[0x03, 0xE8]).await;
    let rest = raw.rest().await;
    assert_eq!((rest.close, rest.texts), (Some(1000), vec!["c[1000,\"\"]".to_owned()]));
    // The WebSocket itself is broken: a frame without a mask, and one that is too large.
    for (bytes, close) in [(&[0x81, 0x01, b'x'][..], 1002), (&[0x81, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], 1009)] {
        let mut raw = framed(&server, &name()).await;
        raw.write(bytes).await;
        let rest = raw.rest().await;
        assert_eq!(rest.close, Some(close));
        assert!(messages(&rest.texts[0])[0].starts_with("ERROR\n"), "{rest:?}");
    }
}

/// XhrPolling: test_invalid_session, test_invalid_json, test_content_types, test_sending_empty_frame.
#[tokio::test]
async fn what_is_sent_is_an_array_of_strings_of_whatever_type_it_says_it_is() {
    let server = Server::start().await;
    let session = Session::new(&server);
    assert_eq!(session.send("[\"x\"]", "").await.status, 404);
    let session = Session::connected(&server, "a").await;
    for (body, told) in [
        ("[\"x", "Broken JSON encoding."),
        ("\"bare\"", "Broken JSON encoding."),
        ("[1]", "Broken JSON encoding."),
        ("", "Payload expected."),
    ] {
        let answer = session.send(body, "").await;
        assert_eq!((answer.status, &*answer.body), (500, told), "{body}");
    }
    assert_eq!(session.send("[]", "").await.status, 204);
    let kinds =
        ["text/plain", "T", "application/json", "application/xml", "", "application/json; charset=utf-8", "text/xml"];
    for kind in kinds {
        let body = serde_json::to_string(&[session.echo("a")]).unwrap();
        assert_eq!(session.send(&body, &format!("Content-Type: {kind}\r\n")).await.status, 204, "{kind}");
    }
    let mut told = Vec::new();
    while told.len() < kinds.len() {
        told.extend(session.messages().await);
    }
    assert_eq!(told, vec![echoed("a"); kinds.len()]);
}

/// XhrStreaming: test_transport, test_response_limit.
#[tokio::test]
async fn a_stream_has_a_prelude_goes_on_and_ends_at_its_limit() {
    let server = Server::builder().set("limits.sockjs_stream_bytes_max", 4_096).start().await;
    let mut session = Session::new(&server);
    let (answer, mut stream) = session.receive("POST", "xhr_streaming").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(JAVASCRIPT)));
    assert_eq!((answer.header("cache-control"), answer.header("content-length")), (NOT_KEPT, None));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    assert_eq!(stream.next("\n").await.unwrap(), "h".repeat(2_048) + "\n");
    assert_eq!(stream.next("\n").await.unwrap(), "o\n");
    session.sign_in("a").await;
    let mut sent = 2 + stream.next("\n").await.unwrap().len();
    let mut count = 0;
    while sent < 4_096 {
        count += 1;
        session.say(&session.echo(&format!("{count}{}", "x".repeat(128)))).await;
        let told = stream.next("\n").await.unwrap();
        assert_eq!(messages(&told), [echoed(&format!("{count}{}", "x".repeat(128)))]);
        sent += told.len();
    }
    assert_eq!(stream.next("\n").await, None);
    // The session goes on with the next.
    session.say(&session.echo("on")).await;
    let (_, mut stream) = session.receive("POST", "xhr_streaming").await;
    stream.next("\n").await.unwrap();
    assert_eq!(messages(&stream.next("\n").await.unwrap()), [echoed("on")]);
}

/// EventSource: test_transport, test_response_limit.
#[tokio::test]
async fn events_come_on_lines_with_percent_signs_encoded() {
    let server = Server::builder().set("limits.sockjs_stream_bytes_max", 4_096).start().await;
    let mut session = Session::new(&server);
    let (answer, mut stream) = session.receive("GET", "eventsource").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(answer.header("cache-control"), NOT_KEPT);
    assert_eq!(stream.next("\r\n").await.unwrap(), "\r\n");
    assert_eq!(stream.next("\r\n\r\n").await.unwrap(), "data: o\r\n\r\n");
    session.sign_in("a").await;
    stream.next("\r\n\r\n").await.unwrap();
    session.say(&session.echo("  100%\\n\\r ")).await;
    assert_eq!(
        stream.next("\r\n\r\n").await.unwrap(),
        "data: a[\"RECEIPT\\nreceipt-id:  100%25\\\\n\\\\r \\n\\n\\u0000\"]\r\n\r\n"
    );
    session.say(&session.echo(&"x".repeat(4_096))).await;
    assert!(stream.next("\r\n\r\n").await.unwrap().len() > 4_096);
    assert_eq!(stream.next("\r\n\r\n").await, None);
}

/// HtmlFile: test_transport, test_no_callback, test_invalid_callback, test_response_limit.
#[tokio::test]
async fn a_page_without_end_runs_its_own_scripts_and_no_others() {
    let server = Server::builder().set("limits.sockjs_stream_bytes_max", 4_096).start().await;
    let mut session = Session::new(&server);
    let (answer, mut stream) = session.receive("GET", "htmlfile?c=%63allback").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html;charset=UTF-8")));
    assert_eq!(answer.header("cache-control"), NOT_KEPT);
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    let head = stream.next("\r\n\r\n").await.unwrap();
    assert!(head.starts_with("<!doctype html>\n<html><head>\n") && head.len() > 1_024);
    assert!(head.contains("var c = parent.callback;\n    c.start();\n"), "{head}");
    let script = |frame: &str| format!("<script nonce=\"{nonce}\">\np({frame});\n</script>\r\n");
    assert_eq!(stream.next("</script>\r\n").await.unwrap(), script("\"o\""));
    session.sign_in("a").await;
    stream.next("</script>\r\n").await.unwrap();
    session.say(&session.echo("</script>")).await;
    let told = r#""a[\"RECEIPT\\nreceipt-id:\u003c/script>\\n\\n\\u0000\"]""#;
    assert_eq!(stream.next("</script>\r\n").await.unwrap(), script(told));
    session.say(&session.echo(&"x".repeat(4_096))).await;
    stream.next("</script>\r\n").await.unwrap();
    assert_eq!(stream.next("</script>\r\n").await, None);
}

/// HtmlFile and JsonPolling: test_no_callback, test_invalid_callback.
#[tokio::test]
async fn a_callback_is_a_name_and_nothing_else() {
    let server = Server::start().await;
    for transport in ["htmlfile", "jsonp"] {
        let ask =
            async |query: &str| server.http("GET", &format!("/ws-stomp/a/a/{transport}{query}"), OWN_PAGE, "").await;
        for query in ["", "?", "?c=", "?x=y"] {
            let answer = ask(query).await;
            assert_eq!((answer.status, &*answer.body), (500, "\"callback\" parameter required"), "{query}");
        }
        for callback in ["%20", "*", "abc(", "abc%28", "a%0A", "%EA%B0%80"] {
            let answer = ask(&format!("?c={callback}")).await;
            assert_eq!((answer.status, &*answer.body), (500, "invalid \"callback\" parameter"), "{callback}");
        }
    }
}

/// JsonPolling: test_transport, test_invalid_json, test_content_types, test_close, test_sending_empty_frame.
#[tokio::test]
async fn scripts_are_polled_and_forms_or_texts_are_sent() {
    const FORM: &str = "Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let server = Server::start().await;
    let session = Session::new(&server);
    let poll = async || {
        let answer = server.http("GET", &format!("{}/jsonp?c=%63allback", session.path), OWN_PAGE, "").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(JAVASCRIPT)));
        assert_eq!(answer.header("cache-control"), NOT_KEPT);
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"), "pages that may, load it");
        answer.body
    };
    let send = async |headers: &str, body: &str| {
        server.http("POST", &format!("{}/jsonp_send", session.path), headers, body).await
    };
    assert_eq!(poll().await, "/**/callback(\"o\");\r\n");
    for body in ["", "d=", "p=p"] {
        let answer = send(FORM, body).await;
        assert_eq!((answer.status, &*answer.body), (500, "Payload expected."), "{body}");
    }
    assert_eq!(send(FORM, "d=%5B%22x").await.body, "Broken JSON encoding.");
    assert_eq!(send(FORM, "d=%5B%5D").await.body, "ok");
    server.known("a").await;
    let connect = format!("CONNECT\naccept-version:1.2\ntoken:{}\n\n\0", server.token("a"));
    let json = serde_json::to_string(&[connect]).unwrap();
    let answer = send(FORM, &serde_urlencoded::to_string([("d", &json)]).unwrap()).await;
    assert_eq!((answer.status, &*answer.body, answer.header("content-type")), (200, "ok", Some(PLAIN)));
    assert_eq!(answer.header("cache-control"), NOT_KEPT);
    assert!(poll().await.starts_with("/**/callback(\"a[\\\"CONNECTED\\\\nversion:1.2"));
    let text = "Sec-Fetch-Site: same-origin\r\nContent-Type: text/plain\r\n";
    assert_eq!(send(text, "[\"BEGIN\\ntransaction:%61bc\\nreceipt:%61bc\\n\\n\\u0000\"]").await.body, "ok");
    assert_eq!(poll().await, "/**/callback(\"a[\\\"RECEIPT\\\\nreceipt-id:%61bc\\\\n\\\\n\\\\u0000\\\"]\");\r\n");
    assert_eq!(send(text, "[\"nonsense\\n\\n\\u0000\"]").await.body, "ok");
    assert!(poll().await.contains("ERROR"));
    for _ in 0..2 {
        assert_eq!(poll().await, "/**/callback(\"c[1002,\\\"\\\"]\");\r\n");
    }
}

/// JsessionidCookie: a cookie is needed by nobody here, and set for nobody.
#[tokio::test]
async fn no_transport_sets_a_cookie() {
    let server = Server::start().await;
    for (method, transport) in [
        ("POST", "xhr"),
        ("POST", "xhr_streaming"),
        ("GET", "eventsource"),
        ("GET", "htmlfile?c=c"),
        ("GET", "jsonp?c=c"),
    ] {
        let session = Session::new(&server);
        let (_, raw) = server.streaming(method, &format!("{}/{transport}", session.path), OWN_PAGE).await;
        drop(raw);
        let (answer, _) = server.streaming(method, &format!("{}/{transport}", session.path), OWN_PAGE).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (200, None), "{transport}");
    }
}

/// RawWebsocket: the same STOMP, without frames of SockJS and without its heart-beats.
#[tokio::test]
async fn the_raw_websocket_stands_beside_it() {
    let server = Server::builder().set("sockjs.heartbeat_seconds", 1).start().await;
    server.known("a").await;
    let mut client = Client::open(server.authority(), "/ws-stomp/websocket", None).await;
    client.connect(&server.token("a")).await;
    assert_eq!(client.event_within(Duration::from_millis(1_500)).await, None);
    client.send("BEGIN\ntransaction:t\nreceipt:raw \u{ffff}\n\n\0").await;
    assert_eq!(client.frame().await.header("receipt-id"), Some("raw \u{ffff}"));
}

/// JSONEncoding: test_xhr_server_encodes, test_xhr_server_decodes.
#[tokio::test]
async fn what_browsers_would_change_is_escaped_on_its_way_and_everything_arrives() {
    let server = Server::start().await;
    let session = Session::connected(&server, "a").await;
    let fragile: String = [0x200C..=0x200F, 0x2028..=0x202F, 0x2060..=0x206F, 0xFFF0..=0xFFFF]
        .into_iter()
        .flatten()
        .filter_map(char::from_u32)
        .collect();
    session.say(&session.echo(&fragile)).await;
    let told = session.poll().await;
    let escaped: String = fragile.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect();
    assert!(told.contains(&format!("receipt-id:{escaped}\\n")), "{told}");
    assert_eq!(messages(&told), [echoed(&fragile)]);

    // Everything escaped, as clients may: with both halves of what takes two.
    let text = "\u{00AD}\u{0604}\u{17B5}\u{FEFF}\u{0958}\u{1F71}가👋𝄞";
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let body = serde_json::to_string(&[session.echo("@")]).unwrap().replace('@', &units);
    assert_eq!(session.send(&body, "").await.status, 204);
    assert_eq!(session.messages().await, [echoed(text)]);
}

/// Http10 and Http11: test_streaming.
#[tokio::test]
async fn a_stream_has_no_chunks_for_http_1_0() {
    let server = Server::start().await;
    let session = Session::new(&server);
    let mut raw = Raw::open(&server).await;
    let request = format!("POST {}/xhr_streaming HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n", session.path);
    raw.write(request.as_bytes()).await;
    let answer = raw.answer().await;
    assert_eq!((answer.status, answer.header("transfer-encoding"), answer.header("content-length")), (200, None, None));
    session.say("nonsense\n\n\0").await;
    let all = String::from_utf8(raw.bytes().await).unwrap();
    assert!(all.starts_with(&("h".repeat(2_048) + "\no\na[\"ERROR")) && all.ends_with("c[1002,\"\"]\n"), "{all}");
}
