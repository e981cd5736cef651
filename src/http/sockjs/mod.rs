//! SockJS (the protocol 0.3.x): a WebSocket for who cannot have one.
//!
//! Everything behind a connection is a stream of bytes that carries WebSocket frames. So a SockJS session is another
//! such stream, given to the same [`super::socket::run`] as a WebSocket's: [`pipe`] for sessions over HTTP requests,
//! [`framed`] for SockJS frames over a real WebSocket. There is one way through session and node, with the same limits, and
//! whoever hands messages round knows of none of this.
//!
//! | request under `/ws-stomp` | here |
//! |---|---|
//! | `/info`, `/iframe*.html` | [`info`], [`iframe`] |
//! | `/{server}/{session}/websocket` | [`framed`] |
//! | `/{server}/{session}/` `xhr`, `xhr_streaming`, `eventsource`, `htmlfile`, `jsonp` | [`receive`] |
//! | `/{server}/{session}/` `xhr_send`, `jsonp_send` | [`send`] |
//! | those of a session that another node owns | [`relayed`] |
//!
//! Invariants: what waits for a session's client is bounded in bytes, whether or not anybody fetches it; a session
//! without a receiver ends after the disconnect delay, and with it its place in every room; no page of another site opens
//! a session or reads an answer unless its origin is allowed.

mod address;
mod dress;
mod framed;
mod frames;
mod iframe;
mod info;
mod pipe;
mod receive;
mod relayed;
mod said;
mod send;
mod sessions;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    CACHE_CONTROL, EXPIRES,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub use relayed::answer_nodes;
pub use sessions::Sessions;

use super::Edge;

/// What no transport's answer may do without: a cache would hand out old frames, and whoever compresses or gathers
/// them on the way holds them back.
const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-store, no-cache, no-transform, must-revalidate, max-age=0");
/// nginx hands on what it gets instead of gathering it first.
const NOT_GATHERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
/// How long a browser may remember that it may ask: a year. It is asked again with each request whether it may.
const YEAR: &str = "31536000";

/// The routes; none where `sockjs.enabled` is `false`.
pub(super) fn routes(edge: &Arc<Edge>) -> Router<Arc<Edge>> {
    if !edge.config.sockjs.enabled {
        return Router::new();
    }
    let session = "/ws-stomp/{server}/{session}";
    let at = |transport: &str| format!("{session}/{transport}");
    Router::new()
        .route("/ws-stomp/info", get(info::info).options(preflight))
        .route(&at("websocket"), get(framed::open))
        .route(&at("xhr"), post(receive::xhr).options(preflight))
        .route(&at("xhr_streaming"), post(receive::xhr_streaming).options(preflight))
        .route(&at("eventsource"), get(receive::eventsource).options(preflight))
        .route(&at("htmlfile"), get(receive::htmlfile))
        .route(&at("jsonp"), get(receive::jsonp))
        .route(&at("xhr_send"), post(send::xhr_send).options(preflight))
        .route(&at("jsonp_send"), post(send::jsonp_send))
        .layer(from_fn_with_state(Arc::clone(edge), super::origin::admit))
        // Who may hold these in a frame, they say themselves.
        .route("/ws-stomp/iframe.js", get(iframe::script))
        .route("/ws-stomp/{page}", get(iframe::page))
}

/// Whether a path is one of SockJS's own, whose preflights are answered here.
pub(super) fn is_path(path: &str) -> bool {
    path.starts_with("/ws-stomp/")
}

/// The answer to a preflight; who is allowed, [`super::cors`] says.
async fn preflight(headers: HeaderMap) -> Response {
    let mut answer = HeaderMap::new();
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("OPTIONS, GET, POST"));
    if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|asked| !asked.is_empty()) {
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(YEAR));
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000"));
    // For caches that know HTTP 1.0 alone, as the protocol wants it: in a year.
    let then = std::time::SystemTime::now() + std::time::Duration::from_secs(31_536_000);
    if let Ok(then) = HeaderValue::try_from(httpdate::fmt_http_date(then)) {
        answer.insert(EXPIRES, then);
    }
    (StatusCode::NO_CONTENT, answer).into_response()
}
