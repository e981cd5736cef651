//! The routes, driven through the router with a real store in a folder of its own for each test.

mod accounts;
mod files;
mod guards;
mod pages;
mod rooms;
mod sign_in;
mod slow;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::edge::now_ms;
use super::peer::Arrival;
use super::{Edge, SetupKey, router};
use crate::auth::{Passwords, Tokens, random_key, sha256};
use crate::chat::{Role, Room};
use crate::config::Config;
use crate::store::Mode;
use crate::store::sqlite::{Settings, Sqlite};
use crate::store::{NewAccount, Secret, Store};

/// The password of every account that [`House::account`] makes.
const PASSWORD: &str = "correct horse";
/// The setup key of every house.
const SETUP_KEY: &str = "the-key-of-the-first-link";
/// What a browser accepts.
const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// A server without sockets.
struct House {
    edge: Arc<Edge>,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            locale: config.locale,
            durable: false,
            keep_entries: None,
            keep_days: None,
            queue_max: 1_000,
            rooms_max: config.limits.rooms_max,
        };
        let store = Store::Sqlite(Sqlite::open(folder.path(), Mode::Serve, settings).unwrap());
        let mut tail = store.tail().unwrap();
        tokio::spawn(async move { while tail.next().await.is_some() {} });
        let tokens = Tokens::new([("k1", &b"thirty-two bytes of a signing key"[..])], config.auth.token_minutes);
        let passwords = Passwords::new(2);
        let node = crate::node::Node::new(store.clone(), &config.limits, std::time::Duration::ZERO);
        let edge = Edge::new(Arc::new(config), store, tokens, passwords, SetupKey::new(SETUP_KEY), node, None);
        Self { edge: Arc::new(edge), _folder: folder }
    }

    async fn call(&self, call: Call) -> Answer {
        let mut request = Request::builder().method(call.method).uri(&call.path).header("host", "chat.example");
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let mut request = request.body(Body::from(call.body)).unwrap();
        request.extensions_mut().insert(Arrival { address: call.address.parse().unwrap(), https: false });
        let response = router(Arc::clone(&self.edge)).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Makes an account whose password is [`PASSWORD`].
    async fn account(&self, name: &str, role: Role) {
        static HASH: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
        let hash = HASH.get_or_init(async || self.edge.passwords.hash(PASSWORD.into()).await.unwrap()).await;
        let password_hash = Secret::new(hash.clone().into_bytes());
        let account = NewAccount { name: name.parse().unwrap(), role, password_hash, invitation: None };
        self.edge.store.add_account(account).await.unwrap();
    }

    /// Makes an account and a session of it: the value of a `Cookie` header.
    async fn cookie(&self, name: &str, role: Role) -> String {
        self.account(name, role).await;
        let key = random_key();
        let account = self.edge.store.account(&name.parse().unwrap()).await.unwrap().unwrap();
        self.edge.store.add_login(sha256(&key), &account, now_ms() + 60_000).await.unwrap();
        format!("sarangbang={key}")
    }

    async fn room(&self, name: &str) -> Room {
        self.edge.store.create_room(name.parse().unwrap()).await.unwrap()
    }
}

/// A request.
struct Call {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    address: &'static str,
}

fn call(method: &'static str, path: impl Into<String>) -> Call {
    Call { method, path: path.into(), headers: Vec::new(), body: Vec::new(), address: "192.0.2.1" }
}

fn get(path: impl Into<String>) -> Call {
    call("GET", path)
}

fn post(path: impl Into<String>) -> Call {
    call("POST", path)
}

impl Call {
    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As a program would, which reads JSON.
    fn program(self) -> Self {
        self.header("accept", "application/json")
    }

    /// As a browser would that shows a page.
    fn browser(self) -> Self {
        self.header("accept", BROWSER)
    }

    /// With a session, from the own page.
    fn cookie(self, cookie: &str) -> Self {
        self.header("cookie", cookie).header("sec-fetch-site", "same-origin")
    }

    fn json(mut self, value: &Value) -> Self {
        self.body = value.to_string().into_bytes();
        self.header("content-type", "application/json")
    }

    fn form(mut self, form: &str) -> Self {
        self.body = form.as_bytes().to_vec();
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    fn from(self, address: &'static str) -> Self {
        Self { address, ..self }
    }
}

/// A response.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    fn cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// The value of the session cookie that was set, as a `Cookie` header sends it back.
    fn session(&self) -> String {
        let set = self.cookies().into_iter().find(|cookie| cookie.starts_with("sarangbang=")).unwrap();
        set.split(';').next().unwrap().to_owned()
    }

    /// That this is a redirect to `location`.
    #[track_caller]
    fn leads_to(&self, location: &str) {
        assert_eq!((self.status.as_u16(), self.header("location")), (302, location), "{}", self.text());
    }

    /// That this is a problem document with this status and code; answers it.
    #[track_caller]
    fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{} {}", self.status, self.text());
        let problem = self.json();
        assert_eq!((self.status.as_u16(), problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!((&problem["type"], &problem["status"]), (&"about:blank".into(), &status.into()));
        assert!(problem["detail"].as_str().unwrap().len() > 20, "it says what to do: {problem}");
        problem
    }
}
