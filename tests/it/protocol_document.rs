//! `docs/PROTOCOL.md` says what is: its example session is replayed, its tables are compared with the source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sarangbang::chat::{Limits, Role, limits};

use crate::support::{Client, Event, Frame, Server, eventually};

const DOCUMENT: &str = include_str!("../../docs/PROTOCOL.md");

#[tokio::test]
async fn the_example_session_happens_as_it_stands_there() {
    let server = Server::start().await;
    server.person("minsu", Role::User).await;
    let room = server.room("사랑방").await;
    let mut words = Words::default();
    words.bind("token", &server.token("minsu"));
    words.bind("roomId", &room.to_string());
    words.bind("version", env!("CARGO_PKG_VERSION"));

    let mut sockets: BTreeMap<&str, Client> = BTreeMap::new();
    let mut steps = blocks().into_iter().peekable();
    let mut replayed = 0;
    while let Some(Block { side, socket, text }) = steps.next() {
        if side == Side::Client && text == "(the connection breaks)" {
            drop(sockets.remove(socket));
            eventually("nobody is there", || async { server.room_state(room).await.user_count == 0 }).await;
            continue;
        }
        if !sockets.contains_key(socket) {
            sockets.insert(socket, server.socket().await);
        }
        let client = sockets.get_mut(socket).unwrap();
        if side == Side::Client {
            client.send(&words.filled_in(&frame_text(text))).await;
        } else if let Some(code) = text.strip_prefix("(close ") {
            let code = code.strip_suffix(')').unwrap().parse().unwrap();
            assert_eq!(client.event().await, Event::Closed(Some(code)), "{text}");
        } else {
            // Frames that follow each other may come in another order.
            let mut expected = vec![text];
            while let Some(more) = steps.next_if(|next| next.side == side && !next.text.starts_with('(')) {
                assert_eq!(more.socket, socket, "one socket at a time");
                expected.push(more.text);
            }
            while !expected.is_empty() {
                let came = client.frame().await;
                let found = expected.iter().position(|template| words.fit(template, &came));
                let at = found.unwrap_or_else(|| panic!("{came:#?}\nis none of\n{}", expected.join("\nor\n")));
                expected.remove(at);
            }
        }
        replayed += 1;
    }
    assert!(replayed > 15, "the document holds a session, of which {replayed} steps were found");
}

#[tokio::test]
async fn a_transaction_that_is_refused_leaves_nothing_whether_it_is_told_or_ends_the_session() {
    let server = Server::start().await;
    for listens in [false, true] {
        let room = server.room("a").await;
        let mut client = server.connect("minsu").await;
        if listens {
            client.listen_for_errors().await;
        }
        client.send("BEGIN\ntransaction:t\n\n\0").await;
        for text in ["first", " ", "third"] {
            let body = serde_json::json!({"roomId": room.to_string(), "message": text}).to_string();
            client.say_body(&body, "", "transaction:t\n").await;
        }
        client.send("COMMIT\ntransaction:t\nreceipt:done\n\n\0").await;
        let refused = client.until(if listens { "MESSAGE" } else { "ERROR" }).await;
        assert_eq!(refused.header("receipt-id"), Some("done"));
        // What is said next comes behind everything that the transaction has left.
        let mut other = server.connect("jiyeon").await;
        other.say(room, "behind", "r").await;
        other.until("RECEIPT").await;
        assert_eq!(server.room_state(room).await.last_offset, 1);
    }
}

#[test]
fn every_error_code_is_explained_and_every_explained_one_exists() {
    let mut made = BTreeSet::new();
    for folder in ["src/session", "src/http/socket", "src/stomp", "src/auth"] {
        for (name, source) in sources(folder) {
            let refuses = match folder {
                "src/stomp" => name == "error.rs",
                "src/auth" => name == "token.rs",
                // The way in answers by HTTP.
                _ => name != "upgrade.rs" && name != "tests.rs",
            };
            if refuses {
                made.extend(code_words(&source));
            }
        }
    }
    let explained: BTreeSet<String> =
        table("## Errors").into_iter().map(|row| row[0].trim_matches('`').into()).collect();
    assert!(made.len() > 25, "{made:?}");
    assert_eq!(explained, made);
}

#[test]
fn every_error_code_closes_the_socket_with_the_code_that_stands_beside_it() {
    let effect = std::fs::read_to_string(root().join("src/session/effect.rs")).unwrap();
    let close = effect.split("pub fn close(").nth(1).unwrap().split("/// The frame").next().unwrap();
    for row in table("## Errors").into_iter().filter(|row| !row[4].is_empty()) {
        let code = row[0].replace('`', "\"");
        let named = close.find(&code).map(|at| close[at..].split("Close::").nth(1).unwrap());
        let kind: String = named.unwrap_or("Policy").chars().take_while(char::is_ascii_alphabetic).collect();
        assert_eq!(close_codes()[&kind], row[4], "{code}");
    }
}

#[test]
fn every_close_code_is_explained() {
    let explained: BTreeSet<String> = table("### Close codes").into_iter().map(|row| row[0].clone()).collect();
    let made: BTreeSet<String> = close_codes().into_values().collect();
    assert_eq!(made.len(), 6);
    // 1007 is the WebSocket library's own answer.
    assert_eq!(explained, &made | &BTreeSet::from(["1007".into()]));
}

#[test]
fn every_limit_that_is_named_exists_and_has_that_default() {
    let defaults = serde_json::to_value(Limits::default()).unwrap();
    let rows = table("## Limits");
    assert!(rows.len() > 20);
    for row in &rows {
        let name = row[0].trim_matches('`').strip_prefix("limits.").unwrap();
        assert_eq!(defaults[name].to_string(), row[1], "{name}");
    }
    for word in DOCUMENT.split('`').filter_map(|word| word.strip_prefix("limits.")) {
        assert!(defaults.get(word).is_some(), "limits.{word}");
    }
    // What a client cannot meet: how the server lays out its own work.
    let inside = ["catch_up_bytes_max", "ring_entries_max", "ring_bytes_max", "password_hashes_max"];
    let told: BTreeSet<&str> =
        rows.iter().map(|row| row[0].trim_matches('`').strip_prefix("limits.").unwrap()).collect();
    for name in defaults.as_object().unwrap().keys() {
        assert!(told.contains(&**name) != inside.contains(&&**name), "limits.{name}");
    }
}

#[test]
fn every_fixed_limit_has_the_value_of_its_constant() {
    let constants: BTreeMap<&str, u64> = BTreeMap::from([
        ("characters of a person's name", limits::NAME_CHARS_MAX as u64),
        ("characters of a room's name", limits::ROOM_NAME_CHARS_MAX as u64),
        ("characters of a password, at least", limits::PASSWORD_CHARS_MIN as u64),
        ("bytes of a password", limits::PASSWORD_BYTES_MAX as u64),
        ("bytes of a message's `id`", limits::MESSAGE_ID_BYTES_MAX as u64),
        ("bytes of a subscription's `id`", limits::SUBSCRIPTION_ID_BYTES_MAX as u64),
        ("bytes of the SENDs in the open transactions of a connection", limits::TRANSACTION_BYTES_MAX as u64),
        ("entries of `history`", limits::HISTORY_ENTRIES_MAX),
        ("entries of a page of history over HTTP", u64::from(limits::HISTORY_PAGE_ENTRIES_MAX)),
    ]);
    let rows = table("These are fixed:");
    let told: BTreeMap<&str, u64> = rows.iter().map(|row| (&*row[0], row[1].parse().unwrap())).collect();
    assert_eq!(told, constants);
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Client,
    Server,
}

/// One fenced block of the example session.
struct Block {
    side: Side,
    socket: &'static str,
    text: &'static str,
}

/// The blocks that begin with "```stomp" and a side with the number of its socket.
fn blocks() -> Vec<Block> {
    let block = |text: &'static str| {
        let (mark, rest) = text.split_once('\n').unwrap();
        let side = if mark.starts_with('C') { Side::Client } else { Side::Server };
        Block { side, socket: &mark[1..], text: rest.split_once("\n```").unwrap().0 }
    };
    DOCUMENT.split("\n```stomp ").skip(1).map(block).collect()
}

/// A frame as it goes over the wire.
fn frame_text(text: &str) -> String {
    format!("{}\0", text.strip_suffix("^@").unwrap_or_else(|| panic!("a frame ends with ^@: {text}")))
}

/// A frame of the document, taken apart.
fn frame(text: &str) -> Frame {
    let (head, body) = text.strip_suffix("^@").unwrap().split_once("\n\n").unwrap();
    let (command, headers) = head.split_once('\n').unwrap();
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    Frame { command: command.to_owned(), headers: headers.lines().map(header).collect(), body: body.to_owned() }
}

/// What the words in angle brackets stand for: bound where they are seen first.
#[derive(Clone, Default)]
struct Words(BTreeMap<String, String>);

impl Words {
    fn bind(&mut self, word: &str, value: &str) {
        self.0.insert(word.to_owned(), value.to_owned());
    }

    fn filled_in(&self, template: &str) -> String {
        self.0.iter().fold(template.to_owned(), |text, (word, value)| text.replace(&format!("<{word}>"), value))
    }

    /// Whether a frame is as the template says, header by header; binds new words if so.
    fn fit(&mut self, template: &str, came: &Frame) -> bool {
        let expected = frame(template);
        let mut words = self.clone();
        let same =
            expected.command == came.command
                && expected.headers.len() == came.headers.len()
                && expected.headers.iter().zip(&came.headers).all(|((name, value), (came_name, came_value))| {
                    name == came_name && words.fit_text(value, came_value)
                })
                && words.fit_text(&expected.body, &came.body);
        if same {
            *self = words;
        }
        same
    }

    fn fit_text(&mut self, template: &str, mut came: &str) -> bool {
        let template = self.filled_in(template);
        let mut pieces = template.split('<');
        let Some(rest) = came.strip_prefix(pieces.next().unwrap()) else { return false };
        came = rest;
        for piece in pieces {
            let (word, literal) = piece.split_once('>').unwrap();
            let end = if literal.is_empty() { Some(came.len()) } else { came.find(literal) };
            let Some(end) = end.filter(|end| *end > 0) else { return false };
            self.bind(word, &came[..end]);
            came = &came[end + literal.len()..];
        }
        came.is_empty()
    }
}

/// The rows of the first table after a line, without its head.
fn table(after: &str) -> Vec<Vec<String>> {
    let (_, text) = DOCUMENT.split_once(&format!("\n{after}\n")).unwrap_or_else(|| panic!("no {after}"));
    let lines = text.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.skip(2).map(cells).collect()
}

/// The words that stand in the source where a refusal gets its code: what a constructor is given, and every text of
/// words joined by underscores that is no attribute.
fn code_words(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]").next().unwrap();
    let mut found = BTreeSet::new();
    let mut before = "";
    for (at, piece) in code.split('"').enumerate() {
        let is_word = !piece.is_empty() && piece.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let leads = before.trim_end();
        let constructed =
            ["Error::new(", "Refusal::new(", "Refusal::invalid("].iter().any(|call| leads.ends_with(call));
        if at % 2 == 1 && is_word && (constructed || (piece.contains('_') && !leads.ends_with('='))) {
            found.insert(piece.to_owned());
        }
        before = piece;
    }
    found
}

/// The close codes of the source by the names of their variants.
fn close_codes() -> BTreeMap<String, String> {
    let effect = std::fs::read_to_string(root().join("src/session/effect.rs")).unwrap();
    let arm = |line: &str| {
        let (name, code) = line.trim().strip_prefix("Self::")?.split_once(" => ")?;
        let code = code.trim_end_matches(',');
        code.parse::<u16>().ok().map(|_| (name.to_owned(), code.to_owned()))
    };
    effect.lines().filter_map(arm).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder, with their names.
fn sources(folder: &str) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "rs"));
    files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read_to_string(file.path()).unwrap())).collect()
}
