//! SockJS on several nodes without sticky sessions: the requests of one session go to a different node each.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::chaos::ask::ask;
use crate::support::raw::{Answer, Raw};
use crate::support::redis::RedisServer;
use crate::support::sockjs::{OWN_PAGE, echoed, messages, name};
use crate::support::{Client, Server, ServerBuilder, eventually};

/// The ways to receive: method, transport, what a frame ends with.
const WAYS: [(&str, &str, &str); 5] = [
    ("POST", "xhr", "\n"),
    ("POST", "xhr_streaming", "\n"),
    ("GET", "eventsource", "\r\n\r\n"),
    ("GET", "htmlfile?c=c", "</script>\r\n"),
    ("GET", "jsonp?c=c", "\r\n"),
];
const STILL_OPEN: &str = "c[2010,\"Another connection still open\"]";
const INTERRUPTED: &str = "c[1002,\"Connection interrupted\"]";

/// Three nodes on a Redis of their own.
struct House {
    nodes: Vec<Server>,
    redis: RedisServer,
    token: String,
    room: String,
}

impl House {
    async fn new() -> Self {
        Self::with(|node| node).await
    }

    async fn with(set: impl Fn(ServerBuilder) -> ServerBuilder) -> Self {
        let redis = RedisServer::start();
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let node = Server::builder().set("auth.sign_up", "open").set("redis.url", redis.url());
            let node = node.set("limits.requests_per_second", 1_000).set("limits.requests_burst", 1_000);
            nodes.push(set(node.set("operator.listen", "127.0.0.1:0")).start().await);
        }
        let account = json!({"username": "minsu", "password": "correct horse"});
        let grant = ask(nodes[0].address(), "POST /signup", None, Some(&account)).await.unwrap();
        let token = grant["token"].as_str().unwrap().to_owned();
        let room = ask(nodes[0].address(), "POST /chat/room?name=a", Some(&token), None).await.unwrap();
        let room = room["roomId"].as_str().unwrap().to_owned();
        Self { nodes, redis, token, room }
    }

    /// A session that no request has opened yet. The first of its requests goes to this node.
    fn session(&self, first: usize) -> Session<'_> {
        Session { house: self, path: format!("/ws-stomp/000/{}", name()), next: Cell::new(first) }
    }

    /// One that this node owns, and over which somebody is connected and has entered the room.
    async fn entered(&self, owner: usize) -> Session<'_> {
        let session = self.session(owner);
        assert_eq!(session.poll().await, "o");
        session.say(&session.connect()).await;
        session.until(|all| all.iter().any(|text| text.starts_with("CONNECTED\n"))).await;
        session.say(&session.enter()).await;
        // Nothing is left to be fetched.
        let there = |all: &[String], what: &str| all.iter().any(|text| text.starts_with(what));
        session.until(|all| there(all, "RECEIPT") && there(all, "MESSAGE")).await;
        session
    }

    /// How many people are in the room, as a node says.
    async fn people(&self, node: usize) -> u64 {
        let path = format!("GET /chat/room/{}", self.room);
        ask(self.nodes[node].address(), &path, Some(&self.token), None).await.unwrap()["userCount"].as_u64().unwrap()
    }

    /// Names that some node holds in Redis.
    fn held(&self) -> usize {
        self.redis.ask(&["--scan", "--pattern", "*:holder"]).lines().filter(|line| !line.is_empty()).count()
    }
}

/// A session whose requests go to one node after the other.
struct Session<'a> {
    house: &'a House,
    path: String,
    next: Cell<usize>,
}

impl<'a> Session<'a> {
    fn node(&self) -> &'a Server {
        let at = self.next.get();
        self.next.set(at + 1);
        &self.house.nodes[at % self.house.nodes.len()]
    }

    /// From here on the requests begin at this node.
    fn at(&self, node: usize) -> &Self {
        self.next.set(node);
        self
    }

    async fn asked(&self) -> Answer {
        self.node().http("POST", &format!("{}/xhr", self.path), "", "").await
    }

    /// One poll.
    async fn poll(&self) -> String {
        let answer = self.asked().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body.trim_end().to_owned()
    }

    async fn send(&self, texts: &[&str]) -> Answer {
        let body = serde_json::to_string(texts).unwrap();
        self.node().http("POST", &format!("{}/xhr_send", self.path), "", &body).await
    }

    async fn say(&self, text: &str) {
        let answer = self.send(&[text]).await;
        assert_eq!((answer.status, &*answer.body), (204, ""), "{answer:?}");
    }

    /// Polls until enough messages are there.
    async fn until(&self, is_enough: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut all = Vec::new();
        while !is_enough(&all) {
            let told = self.poll().await;
            assert!(!told.starts_with('c'), "{told}");
            all.extend(messages(&told));
        }
        all
    }

    fn connect(&self) -> String {
        format!("CONNECT\naccept-version:1.2\ntoken:{}\n\n\0", self.house.token)
    }

    fn enter(&self) -> String {
        format!("SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{}\nhistory:1\nreceipt:in\n\n\0", self.house.room)
    }

    fn talk(&self, text: &str) -> String {
        let body = json!({"type": "TALK", "roomId": self.house.room, "message": text});
        format!("SEND\ndestination:/pub/chat/message\ntoken:{}\n\n{body}\0", self.house.token)
    }

    /// Something that is answered with [`echoed`].
    fn echo(&self, text: &str) -> String {
        format!("SEND\ndestination:/pub/chat/token\ntoken:{}\nreceipt:{text}\n\n\0", self.house.token)
    }

    /// A request that receives, at the next node.
    async fn stream(&self, way: (&str, &str, &'static str)) -> Stream {
        let (answer, raw) = self.node().streaming(way.0, &format!("{}/{}", self.path, way.1), OWN_PAGE).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        // What has a length was read already, and is all.
        let is_whole = answer.header("content-length").is_some();
        Stream { raw, read: answer.body, ending: way.2, is_whole }
    }
}

/// An answer that may go on.
struct Stream {
    raw: Raw,
    read: String,
    ending: &'static str,
    is_whole: bool,
}

impl Stream {
    /// The next frame without its dress; `None` at the end of the answer.
    async fn next(&mut self) -> Option<String> {
        loop {
            while let Some(at) = self.read.find(self.ending) {
                let dressed: String = self.read.drain(..at + self.ending.len()).collect();
                let frame = undressed(dressed.trim());
                if !frame.is_empty() && !frame.starts_with("hh") {
                    return Some(frame);
                }
            }
            if self.is_whole {
                return None;
            }
            match self.raw.chunk().await {
                Some(more) => self.read.push_str(&more),
                None => {
                    assert_eq!(self.read.trim(), "", "an answer ends with a whole frame");
                    return None;
                }
            }
        }
    }

    /// The next frame that is no heart-beat.
    async fn frame(&mut self) -> Option<String> {
        loop {
            match self.next().await {
                Some(frame) if frame == "h" => {}
                frame => return frame,
            }
        }
    }
}

fn undressed(dressed: &str) -> String {
    let script = |text: &str| serde_json::from_str::<String>(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    if let Some(event) = dressed.strip_prefix("data: ") {
        return event.replace("%25", "%");
    }
    if let Some(call) = dressed.strip_prefix("/**/c(") {
        return script(call.strip_suffix(");").unwrap());
    }
    if let Some((_, call)) = dressed.rsplit_once("\np(") {
        return script(call.split(");\n</script>").next().unwrap());
    }
    dressed.to_owned()
}

/// What was said in the room, with its offset.
fn entry(message: &str) -> Option<(u64, String)> {
    let body = message.strip_prefix("MESSAGE\n")?.split_once("\n\n").unwrap().1;
    let entry: Value = serde_json::from_str(body.trim_end_matches('\0')).unwrap();
    Some((entry["offset"].as_u64().unwrap(), entry["message"].as_str().unwrap().to_owned()))
}

/// Somebody is connected, enters and talks by one way to receive, with each request at another node, while others talk.
async fn wander(house: &House, way: (&str, &str, &'static str), first: usize, said: usize) {
    let session = house.session(first);
    let mut stream = session.stream(way).await;
    assert_eq!(stream.frame().await.as_deref(), Some("o"), "{way:?}");
    let own: Vec<String> = (0..said).map(|number| format!("{} {number} 100%</script>", way.1)).collect();
    let talk = async {
        session.say(&session.connect()).await;
        session.say(&session.enter()).await;
        for text in &own {
            session.say(&session.talk(text)).await;
        }
    };
    let hear = async {
        let (mut last, mut heard) = (0, 0);
        while heard < own.len() {
            let Some(frame) = stream.frame().await else {
                stream = session.stream(way).await;
                continue;
            };
            for (offset, text) in messages(&frame).iter().filter_map(|message| entry(message)) {
                assert!(last == 0 || offset == last + 1, "{way:?}: {offset} behind {last}");
                last = offset;
                if text.starts_with(&format!("{} ", way.1)) {
                    assert_eq!(Some(&text), own.get(heard), "once, and in order");
                    heard += 1;
                }
            }
            assert!(!frame.starts_with('c'), "{way:?}: {frame}");
        }
    };
    tokio::join!(talk, hear);
}

#[tokio::test]
async fn every_message_comes_once_and_in_order_on_every_way_with_each_request_at_another_node() {
    // Streams end soon, so that they wander as well.
    let house = House::with(|node| node.set("limits.sockjs_stream_bytes_max", 4_096)).await;
    let wandering = WAYS.iter().enumerate().map(|(at, way)| wander(&house, *way, at, 40));
    join_all(wandering).await;
    let mut answered = 0.0;
    for node in &house.nodes {
        let scrape = node.scrape().await;
        answered += scrape.value("sarangbang_sockjs_relayed_total{result=\"answered\"}");
        for result in ["gone", "failed", "interrupted"] {
            assert_eq!(scrape.value(&format!("sarangbang_sockjs_relayed_total{{result=\"{result}\"}}")), 0.0);
        }
    }
    // Two thirds of two hundred requests that send, and of those that receive.
    assert!(answered > 130.0, "{answered}");
}

#[tokio::test]
async fn of_two_that_receive_at_two_nodes_the_second_is_refused_and_the_first_goes_on() {
    let house = House::new().await;
    let session = house.entered(0).await;
    for (first, others) in [(0, [1, 2]), (1, [2, 0]), (2, [1, 1])] {
        let mut stream = session.at(first).stream(WAYS[1]).await;
        for other in others {
            assert_eq!(session.at(other).poll().await, STILL_OPEN);
            let mut second = session.at(other).stream(WAYS[2]).await;
            assert_eq!((second.frame().await.as_deref(), second.frame().await), (Some(STILL_OPEN), None));
        }
        session.at(1).say(&session.echo("x")).await;
        while !messages(&stream.frame().await.unwrap()).contains(&echoed("x")) {}
        if first < 2 {
            // Ends it in order: who comes then is the next.
            session.at(2).say(&session.talk(&"long ".repeat(300))).await;
            drop_in_order(&session, &mut stream).await;
        }
    }
}

/// Talks until an answer has had enough.
async fn drop_in_order(session: &Session<'_>, stream: &mut Stream) {
    let text = session.talk(&"long ".repeat(390));
    let mut frames = 0;
    while stream.frame().await.is_some() {
        frames += 1;
        assert!(frames < 1_000, "it never ends");
        session.at(frames).say(&text).await;
    }
}

/// A request that receives, written to a node.
async fn asking(session: &Session<'_>, (method, way, _): (&str, &str, &str), node: usize) -> Raw {
    let node = &session.house.nodes[node];
    let mut raw = Raw::open(node).await;
    let (path, host) = (&session.path, node.authority());
    raw.write(
        format!("{method} {path}/{way} HTTP/1.1\r\nHost: {host}\r\n{OWN_PAGE}Content-Length: 0\r\n\r\n").as_bytes(),
    )
    .await;
    raw
}

#[tokio::test]
async fn a_receiver_that_breaks_off_at_another_node_ends_the_session_at_once() {
    let house = House::with(|node| node.set("sockjs.disconnect_seconds", 600)).await;
    for (way, node) in [(WAYS[1], 1), (WAYS[2], 2), (WAYS[0], 1)] {
        let session = house.entered(0).await;
        assert_eq!(house.people(0).await, 1);
        let mut raw = asking(&session, way, node).await;
        if way == WAYS[0] {
            // Of two that poll one has its turn once the other is refused.
            let mut other = asking(&session, way, 2).await;
            let refused = tokio::select! {
                refused = raw.answer() => {
                    std::mem::swap(&mut raw, &mut other);
                    refused
                }
                refused = other.answer() => refused,
            };
            assert_eq!(refused.body.trim_end(), STILL_OPEN);
        } else {
            assert_eq!(raw.answer().await.status, 200);
        }
        drop(raw);
        eventually("the break is noticed", || async { session.poll().await == INTERRUPTED }).await;
        eventually("nobody is in the room", || async { house.people(2).await == 0 }).await;
        assert_eq!(session.at(1).send(&["x"]).await.status, 404);
    }
}

#[tokio::test]
async fn a_session_is_closed_by_way_of_any_node_and_forgotten_by_all() {
    let house = House::with(|node| node.set("sockjs.disconnect_seconds", 8)).await;
    let session = house.entered(0).await;
    assert_eq!((house.held(), house.people(1).await), (1, 1));
    let mut stream = session.at(2).stream(WAYS[1]).await;
    session.at(1).say("NONSENSE\n\n\0").await;
    let mut told = Vec::new();
    while let Some(frame) = stream.frame().await {
        told.push(frame);
    }
    let close = told.pop().unwrap();
    assert!(told.iter().any(|frame| frame.starts_with("a[\"ERROR\\n")), "{told:?}");
    for node in 0..3 {
        assert_eq!(session.at(node).poll().await, close, "it is told to all who come");
        assert_eq!(session.at(node).send(&["x"]).await.status, 404);
    }
    eventually("the name is held by nobody", || async { house.held() == 0 }).await;
    assert_eq!(house.people(2).await, 0);
    assert_eq!(session.at(1).poll().await, "o", "it is free again");
}

#[tokio::test]
async fn who_stops_polling_has_left_after_the_disconnect_delay_whichever_node_was_polled_last() {
    let house = House::with(|node| node.set("sockjs.disconnect_seconds", 8)).await;
    let session = house.entered(0).await;
    session.say(&session.echo("x")).await;
    let began = Instant::now();
    session.at(1).until(|all| all.contains(&echoed("x"))).await;
    eventually("nobody is in the room", || async { house.people(2).await == 0 }).await;
    eventually("the name is held by nobody", || async { house.held() == 0 }).await;
    let took = began.elapsed();
    assert!(took > Duration::from_millis(7_900) && took < Duration::from_secs(14), "{took:?}");
    assert_eq!(session.at(2).send(&["x"]).await.status, 404);
}

#[tokio::test]
async fn a_name_that_is_opened_at_all_nodes_at_once_is_one_session() {
    let house = House::new().await;
    for _ in 0..10 {
        let session = house.session(0);
        let mut streams = join_all((0..3).map(|_| session.stream(WAYS[1]))).await;
        let mut told = join_all(streams.iter_mut().map(Stream::frame)).await;
        told.sort();
        assert_eq!(told, [Some(STILL_OPEN.to_owned()), Some(STILL_OPEN.to_owned()), Some("o".to_owned())]);
        assert_eq!(house.nodes.len(), 3);
    }
}

#[tokio::test]
async fn the_sessions_of_a_node_that_was_killed_are_gone_within_seconds() {
    let mut house = House::with(|node| node.set("presence.lease_seconds", 3)).await;
    let (path, streamed, sending) = {
        let (polled, streamed, sending) = (house.entered(0).await, house.entered(0).await, house.session(0));
        assert_eq!(sending.poll().await, "o");
        (polled.path, streamed.path, sending.path)
    };
    let open = |house: &House| {
        let host = house.nodes[1].authority().to_owned();
        format!("POST {streamed}/xhr_streaming HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n")
    };
    let mut raw = Raw::open(&house.nodes[1]).await;
    raw.write(open(&house).as_bytes()).await;
    assert_eq!(raw.answer().await.status, 200);
    // A node that has just connected judges nobody.
    tokio::time::sleep(Duration::from_secs(5)).await;
    house.nodes[0].kill();
    let began = Instant::now();
    let sent = house.nodes[1].http("POST", &format!("{sending}/xhr_send"), "", "[\"x\"]").await;
    assert_eq!(sent.status, 404, "{sent:?}");
    let polled = house.nodes[2].http("POST", &format!("{path}/xhr"), "", "").await;
    assert_eq!(
        (polled.status, &*polled.body),
        (200, "o\n"),
        "a new session: the client knows that the old one is lost"
    );
    let mut told = String::new();
    while let Some(more) = raw.chunk().await {
        told.push_str(&more);
    }
    assert!(told.ends_with(&format!("{INTERRUPTED}\n")), "{told:?}");
    let taken = began.elapsed();
    println!("known as gone after {taken:?}");
    assert!(taken < Duration::from_secs(15), "{taken:?}");
    eventually("nobody is in the room", || async { house.people(1).await == 0 }).await;
}

#[tokio::test]
async fn the_sessions_of_a_client_whose_node_was_killed_end_at_their_owner() {
    let mut house = House::new().await;
    let path = house.entered(0).await.path;
    let mut raw = Raw::open(&house.nodes[1]).await;
    let host = house.nodes[1].authority();
    raw.write(format!("POST {path}/xhr_streaming HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n").as_bytes())
        .await;
    assert_eq!(raw.answer().await.status, 200);
    house.nodes[1].kill();
    let began = Instant::now();
    eventually("nobody is in the room", || async { house.people(2).await == 0 }).await;
    println!("left {:?} after the node was killed", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn while_redis_is_away_other_nodes_say_so_and_own_sessions_go_on() {
    let mut house = House::with(|node| node.set("redis.wait_seconds", 1).set("sockjs.heartbeat_seconds", 1)).await;
    let (polled, streamed) = (house.entered(0).await.path, house.entered(1).await.path);
    let mut raw = Raw::open(&house.nodes[2]).await;
    let host = house.nodes[2].authority().to_owned();
    raw.write(
        format!("POST {streamed}/xhr_streaming HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n").as_bytes(),
    )
    .await;
    assert_eq!(raw.answer().await.status, 200);

    house.redis.stop();
    let own = house.nodes[0].http("POST", &format!("{polled}/xhr"), "", "").await;
    assert_eq!((own.status, &*own.body), (200, "h\n"));
    house.redis.go_on();
    // It was away for a second: who received goes on, and misses nothing.
    let token = &house.token;
    let echo = format!("SEND\ndestination:/pub/chat/token\ntoken:{token}\nreceipt:later\n\n\0");
    let body = serde_json::to_string(&[echo]).unwrap();
    let path = format!("{streamed}/xhr_send");
    let say = || house.nodes[0].http("POST", &path, "", &body);
    eventually("what is said arrives", || async { say().await.status == 204 }).await;
    let mut told = String::new();
    while !told.contains("receipt-id:later") {
        told.push_str(&raw.chunk().await.expect("it goes on"));
    }
    assert!(!told.contains("c["), "{told}");
    drop(raw);

    house.redis.stop();
    let paths = [format!("{polled}/xhr"), format!("{polled}/xhr_send"), format!("/ws-stomp/000/{}/xhr", name())];
    let asked = join_all([
        house.nodes[1].http("POST", &paths[0], "", ""),
        house.nodes[2].http("POST", &paths[1], "", "[\"x\"]"),
        house.nodes[2].http("POST", &paths[2], "", ""),
    ]);
    for refused in asked.await {
        assert_eq!(
            (refused.status, refused.header("content-type")),
            (503, Some("application/problem+json")),
            "{refused:?}"
        );
        assert!(refused.header("retry-after").is_some() && refused.body.contains("\"unavailable\""), "{refused:?}");
    }
    house.redis.go_on();
    let works = || async {
        let session = house.session(1);
        let first = session.asked().await;
        if first.status != 200 {
            return false;
        }
        session.say(&session.connect()).await;
        messages(&session.poll().await).first().is_some_and(|text| text.starts_with("CONNECTED"))
    };
    eventually("everything works again", works).await;
}

/// Streams at a node that does not own them, whose clients never read, while 10 MB are said.
#[tokio::test]
async fn clients_that_never_read_at_another_node_cost_both_nodes_no_more_than_the_limit() {
    const CLIENTS: usize = 20;
    let house = House::with(|node| node.set("sockjs.disconnect_seconds", 600)).await;
    let mut silent = Vec::new();
    let before: Vec<usize> = house.nodes.iter().map(Server::resident_bytes).collect();
    for number in 0..CLIENTS {
        let (session, way) = (house.entered(0).await, WAYS[1 + number % 3]);
        let mut raw = Raw::narrow(&house.nodes[1]).await;
        let (path, host) = (&session.path, house.nodes[1].authority());
        raw.write(
            format!("{} {path}/{} HTTP/1.1\r\nHost: {host}\r\n{OWN_PAGE}Content-Length: 0\r\n\r\n", way.0, way.1)
                .as_bytes(),
        )
        .await;
        assert_eq!(raw.answer().await.status, 200);
        silent.push(raw);
    }
    let mut talker = Client::over(house.nodes[2].stream().await, house.nodes[2].authority(), "/ws-stomp", None).await;
    talker.connect(&house.token).await;
    let text = "<".repeat(2_000);
    for number in 0..5_000 {
        let receipt = if number % 100 == 99 { "r" } else { "" };
        talker.say(&house.room, &text, receipt).await;
        if !receipt.is_empty() {
            talker.until("RECEIPT").await;
        }
    }
    for (at, (node, before)) in house.nodes.iter().zip(before).enumerate().take(2) {
        let each = node.resident_bytes().saturating_sub(before) / CLIENTS;
        println!("{each} bytes at node {at} for each client that never reads");
        // A tenth of what was said, with what else a node takes for a room that is talked in.
        assert!(each < 1024 * 1024, "{each} bytes at node {at}");
    }
}
