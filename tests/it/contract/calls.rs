//! Calls over HTTP, and what comes behind an upgrade.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sarangbang::chat::Role;
use serde::Deserialize;

use super::{Difference, Members, NOWHERE, general, same};
use crate::support::raw::{Answer, FIN, HANDSHAKE, Raw, TEXT};
use crate::support::{Server, sockjs};

const PASSWORD: &str = "correct horse battery";
/// What an answer that goes on is read up to.
const OPENED: &str = "o";

#[derive(Deserialize)]
pub(super) struct Calls {
    pub(super) call: Vec<Call>,
}

/// One call, and what the tutorial's server answered. `recorded/calls.toml` says what each means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    pub(super) name: String,
    ask: String,
    #[serde(rename = "as", default)]
    who: String,
    #[serde(default)]
    headers: Vec<String>,
    form: Option<String>,
    json: Option<String>,
    text: Option<String>,
    says: Option<Vec<String>>,
    answer: BTreeMap<String, String>,
}

/// What came.
struct Came {
    answer: Answer,
    /// The text messages behind an upgrade.
    frames: Vec<String>,
}

/// Makes all the calls, one after the other, and answers with what differs.
pub(super) async fn compared(calls: &Calls) -> BTreeSet<Difference> {
    let server = Server::builder().set("allowed_origins", "http://friend.example").start().await;
    let mut cookies = BTreeMap::new();
    for name in ["happydaddy", "leaver", "guest"] {
        server.person_with_password(name, PASSWORD).await;
        if name == "guest" {
            server.store().set_role(&name.parse().unwrap(), Role::Guest).await.unwrap();
        }
        let form = format!("username={name}&password=correct+horse+battery");
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        let answer = server.http("POST", "/login", kind, &form).await;
        cookies.insert(name, answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned());
    }
    let room = server.room("first").await.to_string();
    let mut sessions = BTreeMap::new();
    let mut found = BTreeSet::new();
    for call in &calls.call {
        let ask = with_session(&call.ask, &mut sessions).replace("{room}", &room).replace("{nowhere}", NOWHERE);
        let came = made(&server, call, &ask, &cookies, &room).await;
        for (field, there) in &call.answer {
            let here = field_of(&came, field, &room);
            let is_same = match field.as_str() {
                "begins" => here.starts_with(there),
                _ => same(there, &here),
            };
            if !is_same {
                let (exchange, field) = (call.name.clone(), field.clone());
                found.insert(Difference { exchange, field, there: there.clone(), here });
            }
        }
    }
    found
}

/// The path with the name of a SockJS session for `{session NAME}`.
fn with_session(ask: &str, sessions: &mut BTreeMap<String, String>) -> String {
    let Some((before, rest)) = ask.split_once("{session ") else { return ask.to_owned() };
    let (name, after) = rest.split_once('}').unwrap();
    let session = sessions.entry(name.to_owned()).or_insert_with(sockjs::name);
    format!("{before}{session}{after}")
}

async fn made(server: &Server, call: &Call, ask: &str, cookies: &BTreeMap<&str, String>, room: &str) -> Came {
    let (method, path) = ask.split_once(' ').unwrap();
    let mut headers: String = call.headers.iter().map(|line| format!("{}\r\n", line.replace("{room}", room))).collect();
    if let Some(cookie) = cookies.get(&*call.who) {
        headers.push_str(&format!("Cookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n"));
    }
    let token = server.token("happydaddy");
    let (kind, body) = match (&call.form, &call.json, &call.text) {
        (Some(form), _, _) => ("application/x-www-form-urlencoded", form.clone()),
        (_, Some(json), _) => ("application/json", json.clone()),
        (_, _, Some(text)) => ("text/plain", text.replace("{token}", &token)),
        _ => ("", String::new()),
    };
    if !kind.is_empty() {
        headers.push_str(&format!("Content-Type: {kind}\r\n"));
    }
    if let Some(says) = &call.says {
        return upgraded(server, path, &headers, says).await;
    }
    if path.ends_with("/xhr_streaming") || path.ends_with("/eventsource") {
        let (mut answer, mut raw) = server.streaming(method, path, &headers).await;
        while !answer.body.contains(OPENED) {
            answer.body.push_str(&raw.chunk().await.unwrap());
        }
        return Came { answer, frames: Vec::new() };
    }
    Came { answer: server.http(method, path, &headers, &body).await, frames: Vec::new() }
}

/// Opens a WebSocket, says this, and reads to its end; where there is nothing to say, the answer is all.
async fn upgraded(server: &Server, path: &str, headers: &str, says: &[String]) -> Came {
    let mut raw = Raw::open(server).await;
    let host = server.authority();
    raw.write(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{HANDSHAKE}{headers}\r\n").as_bytes()).await;
    let answer = raw.answer().await;
    for text in says {
        raw.frame(FIN | TEXT, text.as_bytes()).await;
    }
    let frames = if says.is_empty() { Vec::new() } else { raw.rest().await.texts };
    Came { answer, frames }
}

fn field_of(came: &Came, field: &str, room: &str) -> String {
    let answer = &came.answer;
    let header = |name: &str| answer.header(name).map(str::to_owned);
    let members = || Members::of(&answer.body);
    let found = match field {
        "status" => Some(answer.status.to_string()),
        "body" => Some(answer.body.clone()),
        "begins" => Some(answer.body.replace(&"h".repeat(2_048), "h 2048 times").chars().take(60).collect()),
        "kind" => header("content-type").map(|kind| kind.split(';').next().unwrap().to_owned()),
        "cookie" => header("set-cookie").map(|cookie| cookie.split('=').next().unwrap().to_owned()),
        "members" => members().map(|members| members.names()),
        "claims" => Some(claims(&answer.body).names()),
        "lifetime" => {
            let claims = claims(&answer.body);
            let at = |name| claims.member(name).unwrap().parse::<i64>().unwrap();
            Some((at("exp") - at("iat")).to_string())
        }
        "script" => answer.body.split("src=\"").nth(1).map(|script| {
            let is_elsewhere = script.starts_with("http") || script.starts_with("//");
            if is_elsewhere { "another site".to_owned() } else { "this server".to_owned() }
        }),
        "frames" => Some(came.frames.join(" ")),
        field => match field.strip_prefix('.') {
            Some(name) => members().and_then(|members| members.member(name)),
            None => header(field),
        },
    };
    found.map_or_else(|| "-".to_owned(), |text| general(&text, room))
}

/// The claims of the token that an answer has.
fn claims(body: &str) -> Members {
    let token = Members::of(body).unwrap().member("token").unwrap();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    Members::of(std::str::from_utf8(&claims).unwrap()).unwrap()
}
