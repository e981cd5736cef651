//! The page that a client of another site loads into a hidden frame, to speak from there with its own server.

use std::sync::{Arc, OnceLock};

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::address::unknown;
use crate::auth::sha256;
use crate::config::Config;
use crate::http::{Edge, assets};

/// Our own, which speaks what the clients 1.0 to 1.6 say to their frame. Theirs refuses to speak with a client of
/// another version than its own, and the page's address does not say which one asks.
const SCRIPT: &str = include_str!("iframe.js");

/// `GET /ws-stomp/iframe*.html`. Where the protocol wants the page kept for a year, the browser asks each time, and mostly
/// hears that nothing changed: the page carries who may load it, and that may be taken back.
pub(super) async fn page(State(edge): State<Arc<Edge>>, Path(name): Path<String>, asked: HeaderMap) -> Response {
    let version = name.strip_prefix("iframe").and_then(|rest| rest.strip_suffix(".html"));
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    if !version.is_some_and(|version| version.bytes().all(is_word)) {
        return unknown("there is nothing at this path").into_response();
    }
    let (ancestors, origins) = (ancestors(&edge.config), edge.config.allowed_origins.join(" "));
    let policy = format!(
        "default-src 'none'; script-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; \
         form-action 'none'; {ancestors}"
    );
    let page = format!(
        "<!DOCTYPE html>\n<html>\n<head>\n  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n  \
         <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n  \
         <script src=\"/ws-stomp/iframe.js?{}\" data-origins=\"{origins}\"></script>\n</head>\n<body>\n  \
         <h2>Don't panic!</h2>\n  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>\n\
         </body>\n</html>\n",
        script_version()
    );
    let etag = tag(&format!("{page}{policy}"));
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(assets::ASK_FIRST));
    for (name, value) in [(ETAG, &etag), (CONTENT_SECURITY_POLICY, &policy)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    if assets::knows(&asked, &etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html;charset=UTF-8"));
    (headers, page).into_response()
}

/// `GET /ws-stomp/iframe.js`: kept for ever, as the page names it with its hash.
pub(super) async fn script() -> Response {
    let media_type = HeaderValue::from_static("text/javascript; charset=utf-8");
    ([(CONTENT_TYPE, media_type), (CACHE_CONTROL, HeaderValue::from_static(assets::FOR_EVER))], SCRIPT).into_response()
}

/// Whose pages may hold one of ours in a frame (CSP 3, section 6.4.2.1).
pub(super) fn ancestors(config: &Config) -> String {
    config.allowed_origins.iter().fold("frame-ancestors 'self'".to_owned(), |all, origin| format!("{all} {origin}"))
}

fn script_version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| tag(SCRIPT).trim_matches('"').chars().take(16).collect())
}

fn tag(text: &str) -> String {
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(sha256(text)))
}
