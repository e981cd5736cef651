//! The session without sockets: frames and times go in, effects come out.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::stomp::{Decoded, Decoder, FrameLimits};

const ROOM: &str = "123e4567-e89b-42d3-a456-426614174000";
const HOUR: Duration = Duration::from_secs(3_600);

/// A session and a clock that is set by hand.
struct Bench {
    session: Session,
    now: Instant,
}

impl Bench {
    fn fresh() -> Self {
        let now = Instant::now();
        Self { session: Session::new("s".into(), &Limits::default(), now), now }
    }

    fn connected(version: &str) -> Self {
        let mut bench = Self::fresh();
        let effects = bench.frame(&format!("CONNECT\naccept-version:{version}\nheart-beat:0,0\ntoken:t\n\n\0"));
        assert!(matches!(&effects[..], [Effect::Authenticate { token: Some(_) }]), "{effects:?}");
        bench.accept();
        bench
    }

    fn accept(&mut self) -> Effects {
        let name = "happydaddy".parse().unwrap();
        self.session.accept(&name, Role::User, self.now + HOUR, self.now)
    }

    fn frame(&mut self, text: &str) -> Effects {
        let mut decoder = Decoder::new(FrameLimits::default());
        decoder.set_version(self.session.version());
        decoder.feed(Bytes::copy_from_slice(text.as_bytes()));
        match decoder.next().unwrap().unwrap() {
            Decoded::Frame(frame) => self.session.on_frame(frame, self.now),
            Decoded::HeartBeat => panic!("no frame"),
        }
    }

    fn after(&mut self, time: Duration) -> Effects {
        self.now += time;
        self.session.on_tick(self.now, self.now)
    }
}

fn sent(effect: &Effect) -> String {
    match effect {
        Effect::Send(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The `code` of an ERROR, and the close behind it.
fn error(effects: &Effects) -> (String, Close) {
    let [Effect::Refused(cause), first, Effect::Close(close)] = &effects[..] else { panic!("{effects:?}") };
    let text = sent(first);
    assert!(text.starts_with("ERROR\n"), "{text}");
    let code = text.lines().find_map(|line| line.strip_prefix("code:")).unwrap();
    assert_eq!(code, *cause);
    (code.to_owned(), *close)
}

fn send(body: &str) -> String {
    format!("SEND\ndestination:/pub/chat/message\ntoken:t\nreceipt:r\n\n{body}\0")
}

#[test]
fn connected_says_who_one_is_and_what_was_agreed() {
    let mut bench = Bench::fresh();
    bench.frame("CONNECT\naccept-version:1.0,1.1,1.2\ntoken:t\n\n\0");
    let effects = bench.accept();
    assert!(matches!(effects[0], Effect::Version(Version::V1_2)));
    let text = sent(&effects[1]);
    for line in ["CONNECTED", "version:1.2", "heart-beat:10000,10000", "user-name:happydaddy", "session:s"] {
        assert!(text.lines().any(|held| held == line), "{line} in {text}");
    }
    assert!(text.contains("\nserver:Sarangbang/"));
}

#[test]
fn nothing_but_connect_opens_a_session() {
    assert_eq!(error(&Bench::fresh().frame(&send("{}"))), ("not_connected".into(), Close::Protocol));
    let subscribe = format!("SUBSCRIBE\nid:0\ndestination:/sub/chat/room/{ROOM}\n\n\0");
    assert_eq!(error(&Bench::fresh().frame(&subscribe)).0, "not_connected");
    assert_eq!(error(&Bench::fresh().frame("CONNECT\naccept-version:3.0\n\n\0")).0, "unsupported_version");
    assert_eq!(error(&Bench::connected("1.2").frame("CONNECT\naccept-version:1.2\n\n\0")).0, "bad_frame");
}

#[test]
fn a_guest_is_not_let_in() {
    let mut bench = Bench::fresh();
    bench.frame("CONNECT\naccept-version:1.2\ntoken:t\n\n\0");
    let now = bench.now;
    let effects = bench.session.accept(&"g".parse().unwrap(), Role::Guest, now + HOUR, now);
    assert_eq!(error(&effects), ("role_may_not_chat".into(), Close::Policy));
}

#[test]
fn a_payload_that_is_wrong_is_told_with_its_field_and_the_session_goes_on_for_who_listens() {
    let mut bench = Bench::connected("1.2");
    bench.frame("SUBSCRIBE\nid:e\ndestination:/user/queue/errors\n\n\0");
    for (body, field) in [
        ("nonsense", "body"),
        ("[]", "body"),
        (r#"{"type":"ENTER","roomId":"x","message":"x"}"#, "type"),
        (r#"{"type":"TALK","message":"x"}"#, "roomId"),
        (r#"{"type":"TALK","roomId":7,"message":"x"}"#, "roomId"),
        (r#"{"type":"TALK","roomId":"x","message":"x"}"#, "roomId"),
        (&format!(r#"{{"type":"TALK","roomId":"{ROOM}"}}"#), "message"),
        (&format!(r#"{{"type":"TALK","roomId":"{ROOM}","message":"x","id":"a b"}}"#), "id"),
    ] {
        let effects = bench.frame(&send(body));
        let [Effect::Refused("bad_payload"), told] = &effects[..] else { panic!("{effects:?}") };
        let text = sent(told);
        assert!(text.contains(&format!("\"field\":\"{field}\"")), "{body}: {text}");
        assert!(text.contains("\nreceipt-id:r\n"), "{text}");
    }
    assert!(bench.session.is_connected());
    assert_eq!(error(&Bench::connected("1.2").frame(&send("nonsense"))).0, "bad_payload");
}

#[test]
fn a_transaction_holds_sends_until_commit_and_abort_forgets_them() {
    let mut bench = Bench::connected("1.1");
    let say = |text: &str| {
        let body = format!(r#"{{"type":"TALK","roomId":"{ROOM}","message":"{text}"}}"#);
        format!("SEND\ndestination:/pub/chat/message\ntransaction:t\n\n{body}\0")
    };
    bench.frame("BEGIN\ntransaction:t\n\n\0");
    assert!(bench.frame(&say("one")).is_empty() && bench.frame(&say("two")).is_empty());
    let effects = bench.frame("COMMIT\ntransaction:t\nreceipt:c\n\n\0");
    let [Effect::SayAll { says, receipt: Some(_) }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(says.iter().map(|say| &*say.text).collect::<Vec<_>>(), ["one", "two"]);
    bench.frame("BEGIN\ntransaction:t\n\n\0");
    bench.frame(&say("three"));
    assert!(bench.frame("ABORT\ntransaction:t\n\n\0").is_empty());
    assert_eq!(error(&bench.frame("COMMIT\ntransaction:t\n\n\0")).0, "transaction_unknown");
}

#[test]
fn what_open_transactions_hold_is_bounded_in_bytes() {
    let mut bench = Bench::connected("1.2");
    let text = "x".repeat(60_000);
    let body = format!(r#"{{"type":"TALK","roomId":"{ROOM}","message":"{text}"}}"#);
    for (at, transaction) in ["a", "b", "a", "b", "a"].into_iter().enumerate() {
        if at < 2 {
            bench.frame(&format!("BEGIN\ntransaction:{transaction}\n\n\0"));
        }
        let effects =
            bench.frame(&format!("SEND\ndestination:/pub/chat/message\ntransaction:{transaction}\n\n{body}\0"));
        match at {
            4 => assert_eq!(error(&effects).0, "transaction_too_large"),
            _ => assert!(effects.is_empty(), "{effects:?}"),
        }
    }
}

#[test]
fn a_heart_beat_is_sent_before_it_is_due_and_its_loss_ends_the_session() {
    let mut bench = Bench::fresh();
    bench.frame("CONNECT\naccept-version:1.2\nheart-beat:20000,5000\ntoken:t\n\n\0");
    bench.accept();
    assert!(bench.session.deadline(bench.now) <= bench.now + Duration::from_secs(10));
    // The client wants one every max(10 s, 5 s); nothing was sent for nine of them.
    let sent_at = bench.now;
    bench.now += Duration::from_secs(9);
    assert!(matches!(bench.session.on_tick(bench.now, sent_at)[..], [Effect::HeartBeat]));
    assert!(bench.session.on_tick(bench.now, sent_at).is_empty(), "once, whether or not the socket took it");
    // It promised one every max(20 s, 10 s) and has twice that time; it is asked in between.
    assert!(matches!(bench.after(Duration::from_secs(30))[..], [Effect::Ping]));
    bench.session.on_sign_of_life(bench.now);
    assert!(matches!(bench.after(Duration::from_secs(39))[..], [Effect::Ping]));
    assert_eq!(error(&bench.after(Duration::from_secs(1))).0, "heartbeat_lost");
}

#[test]
fn who_promises_a_heart_beat_in_a_month_is_pinged_and_dropped_like_everybody() {
    let mut bench = Bench::fresh();
    bench.frame("CONNECT\naccept-version:1.2\nheart-beat:4294967295,0\ntoken:t\n\n\0");
    bench.accept();
    for _ in 0..2 {
        assert!(matches!(bench.after(Duration::from_secs(25))[..], [Effect::Ping]));
    }
    assert_eq!(error(&bench.after(Duration::from_secs(25))).0, "heartbeat_lost");
}

#[test]
fn a_client_without_heart_beats_is_pinged_and_dropped_when_it_says_nothing() {
    let mut bench = Bench::connected("1.2");
    assert!(matches!(bench.after(Duration::from_secs(25))[..], [Effect::Ping]));
    assert!(bench.after(Duration::from_secs(1)).is_empty(), "one ping an interval");
    assert!(matches!(bench.after(Duration::from_secs(24))[..], [Effect::Ping]));
    assert_eq!(error(&bench.after(Duration::from_secs(25))).0, "heartbeat_lost");
}

#[test]
fn a_session_ends_with_its_token_unless_a_newer_one_came() {
    let mut bench = Bench::connected("1.2");
    bench.session.prolong(bench.now + 2 * HOUR);
    bench.session.prolong(bench.now + HOUR / 2);
    for _ in 0..7_199 {
        bench.session.on_sign_of_life(bench.now);
        bench.after(Duration::from_secs(1));
    }
    assert!(bench.session.is_connected());
    assert_eq!(error(&bench.after(Duration::from_secs(1))), ("token_expired".into(), Close::Policy));
}

#[test]
fn a_socket_that_never_connects_is_closed() {
    let mut bench = Bench::fresh();
    assert!(bench.after(Duration::from_secs(29)).is_empty());
    assert_eq!(error(&bench.after(Duration::from_secs(1))).0, "connect_timeout");
}

#[test]
fn a_refused_subscription_leaves_nothing_behind() {
    let mut bench = Bench::connected("1.2");
    bench.frame("SUBSCRIBE\nid:e\ndestination:/user/queue/errors\n\n\0");
    let effects = bench.frame(&format!("SUBSCRIBE\nid:0\ndestination:/sub/chat/room/{ROOM}\n\n\0"));
    let [Effect::Enter { key, .. }] = effects[..] else { panic!("{effects:?}") };
    let refusal = Refusal { undoes: Some(key), ..Refusal::new("room_unknown", "no such room") };
    assert!(matches!(bench.session.refuse(&refusal)[..], [Effect::Refused("room_unknown"), Effect::Send(_)]));
    assert_eq!(bench.session.subscriptions().len(), 1);
    let again = bench.frame(&format!("SUBSCRIBE\nid:0\ndestination:/sub/chat/room/{ROOM}\n\n\0"));
    assert!(matches!(again[..], [Effect::Enter { .. }]), "the id is free again");
}

/// Frames that a client may send, sensible and not.
fn any_frame() -> impl Strategy<Value = String> {
    let id = || "[0-3]";
    prop_oneof![
        4 => id().prop_map(|id| format!("SUBSCRIBE\nid:{id}\ndestination:/sub/chat/room/{ROOM}\n\n\0")),
        1 => id().prop_map(|id| format!("SUBSCRIBE\nid:{id}\ndestination:/user/queue/errors\n\n\0")),
        1 => id().prop_map(|id| format!("SUBSCRIBE\nid:{id}\ndestination:/sub/chat/rooms\n\n\0")),
        4 => id().prop_map(|id| format!("UNSUBSCRIBE\nid:{id}\n\n\0")),
        2 => Just(send("{}")),
        1 => id().prop_map(|id| format!("BEGIN\ntransaction:{id}\n\n\0")),
        1 => id().prop_map(|id| format!("COMMIT\ntransaction:{id}\n\n\0")),
        1 => Just("DISCONNECT\nreceipt:d\n\n\0".to_owned()),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_a_subscription_enters_once_leaves_once_and_nothing_follows_the_end(
        frames in proptest::collection::vec(any_frame(), 0..60)
    ) {
        let mut bench = Bench::connected("1.2");
        let (mut ever, mut inside) = (HashSet::new(), HashSet::new());
        let mut ended = false;
        for frame in frames {
            let effects = bench.frame(&frame);
            prop_assert!(!ended || effects.is_empty(), "{effects:?} after the end");
            for effect in effects {
                match effect {
                    Effect::Enter { key, .. } | Effect::Watch { key, .. } => {
                        prop_assert!(ever.insert(key), "a key is used once");
                        inside.insert(key);
                    }
                    Effect::Leave(key) => prop_assert!(inside.remove(&key), "left without being in"),
                    Effect::Close(_) => ended = true,
                    _ => {}
                }
            }
            let held: HashSet<_> = bench.session.subscriptions().into_iter().collect();
            prop_assert!(inside.is_subset(&held));
        }
    }
}

/// The codes of the MESSAGEs on `/user/queue/errors` among the effects, each with its subscription.
fn told(effects: &Effects) -> Vec<(String, String)> {
    let frames = effects.iter().filter(|effect| matches!(effect, Effect::Send(_))).map(sent);
    let word = |frame: &str, from: &str, to: char| {
        let rest = frame.split_once(from).unwrap().1;
        rest.split(to).next().unwrap().to_owned()
    };
    frames.map(|frame| (word(&frame, "subscription:", '\n'), word(&frame, "\"code\":\"", '"'))).collect()
}

fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(id, code)| ((*id).to_owned(), (*code).to_owned())).collect()
}

fn listen(id: &str) -> String {
    format!("SUBSCRIBE\nid:{id}\ndestination:/user/queue/errors\nreceipt:r-{id}\n\n\0")
}

#[test]
fn who_listens_is_told_once_that_the_store_is_away_and_once_that_it_is_back() {
    let mut bench = Bench::connected("1.2");
    assert!(bench.session.on_store(true).is_empty() && bench.session.on_store(false).is_empty(), "nobody listens");
    bench.frame(&listen("a"));
    bench.frame(&listen("b"));
    assert!(bench.session.on_store(false).is_empty(), "nobody was told that it went");
    assert_eq!(told(&bench.session.on_store(true)), named(&[("a", "store_away"), ("b", "store_away")]));
    assert!(bench.session.on_store(true).is_empty());
    assert_eq!(told(&bench.session.on_store(false)), named(&[("a", "store_back"), ("b", "store_back")]));
    assert!(bench.session.on_store(false).is_empty());
}

#[test]
fn who_begins_to_listen_while_the_store_is_away_is_told_before_the_receipt() {
    let mut bench = Bench::connected("1.2");
    bench.session.on_store(true);
    let effects = bench.frame(&listen("a"));
    assert!(
        matches!(&effects[..], [Effect::Refused("store_away"), Effect::Send(_), Effect::Receipt(_)]),
        "{effects:?}"
    );
    assert_eq!(told(&effects), named(&[("a", "store_away")]));
    assert_eq!(told(&bench.frame(&listen("b"))), named(&[("b", "store_away")]), "a knows already");
    assert_eq!(told(&bench.session.on_store(false)), named(&[("a", "store_back"), ("b", "store_back")]));
    assert!(told(&bench.frame(&listen("c"))).is_empty());
}
