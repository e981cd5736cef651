//! What a client asks first.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::NOT_KEPT;
use crate::auth::random_number;

/// `GET /ws-stomp/info`.
///
/// `cookie_needed` is false: a session is found by its name on whichever node, no load balancer has to keep a client at one node by a cookie,
/// and people sign in by CONNECT. `origins` says the same for every server and is looked at by no client; who is really
/// allowed, `allowed_origins` says. `entropy` is for browsers without a source of their own.
pub(super) async fn info() -> Response {
    let entropy = random_number();
    let text = format!("{{\"entropy\":{entropy},\"origins\":[\"*:*\"],\"cookie_needed\":false,\"websocket\":true}}");
    let media_type = HeaderValue::from_static("application/json;charset=UTF-8");
    ([(CONTENT_TYPE, media_type), (CACHE_CONTROL, NOT_KEPT)], text).into_response()
}
