//! What the operator reads: every line well-formed, every number right, nothing that grows, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use futures_util::future::join_all;

use crate::support::raw::{self, HANDSHAKE};
use crate::support::redis::RedisServer;
use crate::support::scrape::{Scrape, get};
use crate::support::{Server, ServerBuilder, eventually};

const DOCUMENT: &str = include_str!("../../docs/METRICS.md");

/// A server whose operator reads at a free port.
fn open() -> ServerBuilder {
    Server::builder().set("operator.listen", "127.0.0.1:0")
}

/// Waits until a series has risen by this since an earlier look, and not by more.
async fn rises(server: &Server, before: &Scrape, series: &str, by: f64) {
    eventually(&format!("{series} rises by {by}"), || async {
        server.scrape().await.value(series) - before.value(series) >= by
    })
    .await;
    assert_eq!(server.scrape().await.value(series) - before.value(series), by, "{series}");
}

#[tokio::test]
async fn every_line_is_well_formed_and_the_document_names_what_there_is() {
    let server = open().set("tls.mode", "self-signed").start().await;
    let scrape = server.scrape().await;
    let prefix = format!("metrics-{}:", std::process::id());
    let node = open().set("redis.url", RedisServer::shared().url()).set("redis.prefix", &prefix).start().await;
    let of_redis = node.scrape().await;
    assert_eq!(of_redis.value("sarangbang_redis_up"), 1.0);
    let mut told = BTreeMap::new();
    for row in DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (name, rest) = row.split_once("` | ").unwrap();
        let (name, labels) = name.split_once('{').unwrap_or((name, ""));
        let labels: BTreeSet<String> = labels.strip_suffix('}').into_iter().map(str::to_owned).collect();
        let kind = rest.split(" | ").next().unwrap().to_owned();
        assert!(told.insert(name.to_owned(), (kind, labels)).is_none(), "{name} has two rows");
    }
    let row = |of: &Scrape, name: &String, kind: &String| (name.clone(), (kind.clone(), of.labels[name].clone()));
    let rows = |of: &Scrape| of.kinds.iter().map(|(name, kind)| row(of, name, kind)).collect::<Vec<_>>();
    let there: BTreeMap<_, _> = rows(&of_redis).into_iter().chain(rows(&scrape)).collect();
    assert_eq!(told, there);
    assert!(there.keys().all(|name| name.starts_with("sarangbang_") || name.starts_with("process_")));
    let days = (scrape.value("sarangbang_certificate_not_after_timestamp_seconds")
        - scrape.value("process_start_time_seconds"))
        / 86_400.0;
    assert!((1.0..1_000.0).contains(&days), "the certificate lasts for {days} days");
    assert!(scrape.value("process_resident_memory_bytes") > 1e6 && scrape.value("process_cpu_seconds_total") > 0.0);
    assert_eq!(scrape.value(concat!("sarangbang_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}")), 1.0);
}

#[tokio::test]
async fn connections_messages_and_deliveries_are_counted_one_by_one() {
    let server = open().start().await;
    let room = server.room("a").await;
    let empty = server.scrape().await;
    let mut people = Vec::new();
    for name in ["a", "b", "c"] {
        let mut person = server.connect(name).await;
        person.subscribe("s", room, "").await;
        people.push(person);
    }
    // ENTER: to one, to two, to three.
    rises(&server, &empty, "sarangbang_deliveries_total", 6.0).await;
    for (series, by) in [
        ("sarangbang_connections_open{transport=\"plain\"}", 3.0),
        ("sarangbang_connections_open{transport=\"tls\"}", 0.0),
        ("sarangbang_connections_accepted_total{transport=\"plain\"}", 3.0),
        ("sarangbang_websocket_handshakes_total{result=\"accepted\"}", 3.0),
        ("sarangbang_websocket_handshakes_total{result=\"refused\"}", 0.0),
        ("sarangbang_http_requests_total{status=\"1xx\"}", 3.0),
        ("sarangbang_websockets_open", 3.0),
        ("sarangbang_sessions_connected", 3.0),
        ("sarangbang_sessions_accepted_total", 3.0),
        ("sarangbang_rooms_active", 1.0),
        ("sarangbang_subscriptions", 3.0),
        ("sarangbang_messages_received_total", 0.0),
    ] {
        rises(&server, &empty, series, by).await;
    }

    let before = server.scrape().await;
    let mut bytes = 0;
    for number in 0..5 {
        people[0].say(room, &format!("message {number}"), "r").await;
        people[0].until("RECEIPT").await;
    }
    rises(&server, &before, "sarangbang_deliveries_total", 15.0).await;
    for person in &mut people[1..] {
        for number in 0..5 {
            let message = loop {
                let message = person.message().await;
                if message.json()["type"] == "TALK" {
                    break message;
                }
            };
            assert_eq!(message.json()["message"], format!("message {number}"));
            bytes = message.body.len();
        }
    }
    for (series, by) in [
        ("sarangbang_messages_received_total", 5.0),
        ("sarangbang_store_append_seconds_count", 5.0),
        ("sarangbang_cursors_lagged_total", 0.0),
        ("sarangbang_store_failures_total", 0.0),
        ("sarangbang_flush_messages_sum", 15.0),
    ] {
        rises(&server, &before, series, by).await;
    }
    let after = server.scrape().await;
    let rise = |series: &str| after.value(series) - before.value(series);
    assert!(rise("sarangbang_delivered_bytes_total") > (15 * bytes) as f64, "heads and bodies");
    assert!(rise("sarangbang_store_commit_seconds_count") >= 5.0, "each waited for its receipt");
    assert!(rise("sarangbang_store_append_seconds_sum") > 0.0 && rise("sarangbang_store_commit_seconds_sum") > 0.0);
    assert!(rise("sarangbang_store_commit_commands_sum") >= 5.0);
    assert_eq!(after.value("sarangbang_store_appends_waiting"), 0.0);

    // Who comes with history reads it, and everything goes when they go.
    let mut late = server.connect("d").await;
    late.subscribe("s", room, "history:5\n").await;
    for _ in 0..6 {
        late.message().await;
    }
    rises(&server, &after, "sarangbang_deliveries_total", 6.0 + 3.0).await;
    let reads = |scrape: &Scrape| {
        ["ring", "store"].map(|source| scrape.value(&format!("sarangbang_catch_up_reads_total{{source=\"{source}\"}}")))
    };
    assert!(reads(&server.scrape().await).iter().sum::<f64>() > reads(&after).iter().sum::<f64>());
    drop((people, late));
    for series in [
        "sarangbang_connections_open{transport=\"plain\"}",
        "sarangbang_websockets_open",
        "sarangbang_sessions_connected",
        "sarangbang_subscriptions",
        "sarangbang_rooms_active",
    ] {
        eventually(series, || async { server.scrape().await.value(series) == 0.0 }).await;
    }
}

#[tokio::test]
async fn refusals_are_counted_by_their_cause() {
    let server = open().start().await;
    let room = server.room("a").await;
    let before = server.scrape().await;
    let stomp = |code: &str| format!("sarangbang_stomp_errors_total{{code=\"{code}\"}}");
    let http = |code: &str| format!("sarangbang_http_refusals_total{{code=\"{code}\"}}");

    let mut listening = server.connect("a").await;
    listening.listen_for_errors().await;
    listening.subscribe("s", room, "").await;
    for _ in 0..2 {
        listening.say(room, " ", "").await;
    }
    let mut nobody = server.socket().await;
    nobody.send("CONNECT\naccept-version:1.2\ntoken:nonsense\n\n\0").await;
    nobody.error().await;
    let mut wrong = server.connect("b").await;
    wrong.send("NONSENSE\n\n\0").await;
    wrong.error().await;
    // The WebSocket itself is broken: a frame without a mask.
    let mut broken = server.raw().await;
    broken.write(&raw::unmasked(raw::FIN | raw::TEXT, b"x")).await;
    for (code, by) in
        [("message_empty", 2.0), ("token_malformed", 1.0), ("unknown_command", 1.0), ("bad_frame", 1.0), ("other", 0.0)]
    {
        rises(&server, &before, &stomp(code), by).await;
    }

    for path in ["/nothing/here", "/chat/rooms"] {
        server.http("GET", path, "Accept: application/json\r\n", "").await;
    }
    server.handshake(&HANDSHAKE.replace("Version: 13", "Version: 7")).await;
    for (code, by) in [("not_found", 1.0), ("not_signed_in", 1.0), ("bad_handshake", 1.0), ("other", 0.0)] {
        rises(&server, &before, &http(code), by).await;
    }
    rises(&server, &before, "sarangbang_http_requests_total{status=\"4xx\"}", 3.0).await;
    rises(&server, &before, "sarangbang_websocket_handshakes_total{result=\"refused\"}", 1.0).await;
}

#[tokio::test]
async fn who_does_not_read_is_counted_as_lagging_and_catches_up_out_of_ring_and_store() {
    let server = open().set("limits.ring_entries_max", 4).start().await;
    let room = server.room("a").await;
    let mut slow = server.connect("slow").await;
    let empty = server.scrape().await;
    slow.subscribe("s", room, "").await;
    let mut talker = server.connect("talker").await;
    rises(&server, &empty, "sarangbang_deliveries_total", 1.0).await;
    let before = server.scrape().await;
    let text = "x".repeat(2_000);
    let mut said = 0_u64;
    while server.scrape().await.value("sarangbang_cursors_lagged_total") == 0.0 {
        for _ in 0..500 {
            talker.say(room, &text, "r").await;
            talker.until("RECEIPT").await;
            said += 1;
        }
        assert!(said < 20_000, "whoever reads nothing lags at some time");
    }
    let mut last = 0;
    while last < said + 1 {
        last = slow.message().await.offset();
    }
    rises(&server, &before, "sarangbang_deliveries_total", said as f64).await;
    let reads = server.scrape().await.value("sarangbang_catch_up_reads_total{source=\"store\"}");
    assert!(reads > before.value("sarangbang_catch_up_reads_total{source=\"store\"}"), "four entries are soon behind");
}

#[tokio::test]
async fn the_number_of_series_does_not_grow_with_people_and_rooms() {
    let server = open().start().await;
    let before = server.scrape().await;
    let rooms = join_all((0..20).map(|number| server.room(["a", "b", "c"][number % 3]))).await;
    let mut people = Vec::new();
    for number in 0..30 {
        let mut person = server.connect(&format!("person{number}")).await;
        for (at, room) in rooms.iter().enumerate().filter(|(at, _)| at % 5 == number % 5) {
            let id = format!("s{number}-{at}");
            person.send(&format!("SUBSCRIBE\nid:{id}\ndestination:/sub/chat/room/{room}\nreceipt:{id}\n\n\0")).await;
            person.until("RECEIPT").await;
            person.say(room, &format!("from {number} to {at}"), "r").await;
            person.until("RECEIPT").await;
        }
        server.http("GET", &format!("/room/{number}"), "", "").await;
        people.push(person);
    }
    let after = server.scrape().await;
    assert!(after.value("sarangbang_messages_received_total") >= 120.0);
    assert_eq!((after.value("sarangbang_rooms_active"), after.value("sarangbang_subscriptions")), (20.0, 120.0));
    assert_eq!(after.series.keys().collect::<Vec<_>>(), before.series.keys().collect::<Vec<_>>());
}

#[tokio::test]
async fn tls_handshakes_are_counted_by_their_end() {
    let server = open().set("tls.mode", "self-signed").start().await;
    let before = server.scrape().await;
    let _person = server.connect("a").await;
    // Who speaks HTTP there has failed.
    let (_, _) = get_anything(server.address()).await;
    rises(&server, &before, "sarangbang_tls_handshakes_total{result=\"ok\"}", 1.0).await;
    rises(&server, &before, "sarangbang_tls_handshakes_total{result=\"failed\"}", 1.0).await;
    rises(&server, &before, "sarangbang_connections_open{transport=\"tls\"}", 1.0).await;
}

#[tokio::test]
async fn the_operator_s_listener_answers_three_paths_and_the_public_one_tells_no_metrics() {
    let server = open().start().await;
    let operator = server.operator();
    assert!(operator.starts_with("127.0.0.1:"));
    for (path, status) in [
        ("/metrics", "200"),
        ("/healthz", "200"),
        ("/readyz", "200"),
        ("/", "404"),
        ("/chat/rooms", "404"),
        ("/ws-stomp", "404"),
        ("/metrics/", "404"),
    ] {
        let (head, _) = get(&operator, path).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {head}");
    }
    let (head, body) = get(server.authority(), "/metrics").await;
    assert!(head.starts_with("HTTP/1.1 404 ") && !body.contains("sarangbang_"), "{head}{body}");
}

#[tokio::test]
async fn the_operator_reads_on_while_the_server_drains() {
    let mut server = open().set("drain_seconds", 5).start().await;
    // Whoever does not answer the close is waited for, and the second is told half of the time later.
    let _silent = (server.raw_connected("a").await, server.raw_connected("b").await);
    let operator = server.operator();
    server.signal("TERM");
    eventually("/readyz says that it drains", || async {
        let (head, body) = get(&operator, "/readyz").await;
        head.starts_with("HTTP/1.1 503 ") && body.contains("draining")
    })
    .await;
    assert_eq!(server.scrape().await.value("sarangbang_websocket_handshakes_total{result=\"accepted\"}"), 2.0);
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn off_is_off_and_the_default_is_this_computer_alone() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut server = Server::builder().set("operator.listen", &free).start().await;
    get(&free, "/healthz").await;
    server.kill();
    server.change("operator.listen", "off");
    server.restart().await;
    assert!(tokio::net::TcpStream::connect(&free).await.is_err());

    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sarangbang"))
        .args(["check", "--json", "--listen", "127.0.0.1:0"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["config"]["operator"]["listen"], "127.0.0.1:9464");
}

#[tokio::test]
async fn a_default_port_that_is_taken_is_told_and_an_address_for_others_too() {
    // Where somebody else on this host has it, it is taken just as well.
    let held = TcpListener::bind("127.0.0.1:9464");
    let server = Server::builder().unset("operator.listen").start().await;
    assert!(server.log().contains("there are no metrics: cannot listen: 127.0.0.1:9464 is taken"), "{}", server.log());
    drop(held);
    let server = Server::builder().set("operator.listen", "0.0.0.0:0").start().await;
    assert!(server.log().contains("operator.listen is open to other computers"), "{}", server.log());
}

#[test]
fn the_codes_of_stomp_that_are_counted_are_those_of_the_document() {
    let text = include_str!("../../docs/PROTOCOL.md");
    let table = text.split("\n## Errors\n").nth(1).unwrap().split("\n### ").next().unwrap();
    let explained: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(explained, sarangbang::session::CAUSES);
}

#[test]
fn the_codes_of_http_that_are_counted_are_those_of_the_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let mut made = BTreeSet::new();
    let mut folders = vec![root.join("src/http")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                for call in ["Problem::new(", "Self::new(", "too_often(", "bad_field("] {
                    made.extend(code.split(call).skip(1).filter_map(|rest| code_given(rest, call == "bad_field(")));
                }
            }
        }
    }
    let error = read("src/http/error.rs");
    let invalid = error.split("impl From<Invalid> for Problem").nth(1).unwrap().split("\n}\n").next().unwrap();
    made.extend(invalid.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
    made.extend(sarangbang::session::CAUSES[..4].iter().map(|code| (*code).to_owned()));
    let meters = read("src/http/meters.rs");
    let list = meters.split("const CODES: &[&str] = &[").nth(1).unwrap().split("];").next().unwrap();
    let counted: BTreeSet<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert_eq!(counted, made);
}

/// The code among the arguments of a constructor: the first text of words, or the second where a field goes before it.
fn code_given(arguments: &str, has_field: bool) -> Option<String> {
    let arguments = arguments.split([')', ';']).next()?;
    let skip = usize::from(has_field && arguments.trim_start().starts_with('"'));
    let word = arguments.split('"').skip(1).step_by(2).nth(skip)?;
    word.chars().all(|c| c.is_ascii_lowercase() || c == '_').then(|| word.to_owned())
}

/// What comes from an address that is asked in plain HTTP, whatever it speaks.
async fn get_anything(address: std::net::SocketAddr) -> (std::io::Result<usize>, Vec<u8>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut came = Vec::new();
    (stream.read_to_end(&mut came).await, came)
}
