//! Requests that receive: the first of a session opens it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::address::{Callback, Named};
use super::dress::Dress;
use super::stream::Frames;
use super::{NOT_GATHERED, NOT_KEPT, iframe, sessions};
use crate::auth::random_key;
use crate::http::Edge;
use crate::http::peer::Peer;

/// `POST .../xhr`: one frame.
pub(super) async fn xhr(State(edge): State<Arc<Edge>>, name: Named, peer: Peer) -> Response {
    receive(&edge, &name, &peer, Dress::Xhr).await
}

/// `POST .../xhr_streaming`: frames, a line each.
pub(super) async fn xhr_streaming(State(edge): State<Arc<Edge>>, name: Named, peer: Peer) -> Response {
    receive(&edge, &name, &peer, Dress::XhrStreaming).await
}

/// `GET .../eventsource`: frames as server-sent events (HTML, section 9.2).
pub(super) async fn eventsource(State(edge): State<Arc<Edge>>, name: Named, peer: Peer) -> Response {
    receive(&edge, &name, &peer, Dress::EventSource).await
}

/// `GET .../htmlfile?c=callback`: frames as scripts of a page without end.
pub(super) async fn htmlfile(State(edge): State<Arc<Edge>>, name: Named, callback: Callback, peer: Peer) -> Response {
    let callback = match checked(callback) {
        Ok(callback) => callback,
        Err(refused) => return refused,
    };
    let nonce: Box<str> = random_key().into();
    let policy = format!("default-src 'none'; script-src 'nonce-{nonce}'; {}", iframe::ancestors(&edge.config));
    let mut response = receive(&edge, &name, &peer, Dress::HtmlFile { callback, nonce }).await;
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// `GET .../jsonp?c=callback`: one frame, as a script.
pub(super) async fn jsonp(State(edge): State<Arc<Edge>>, name: Named, callback: Callback, peer: Peer) -> Response {
    let callback = match checked(callback) {
        Ok(callback) => callback,
        Err(refused) => return refused,
    };
    let mut response = receive(&edge, &name, &peer, Dress::Jsonp { callback }).await;
    // Whoever may not have it did not get here: the page's origin is allowed.
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    response.headers_mut().insert(policy, HeaderValue::from_static("cross-origin"));
    response
}

async fn receive(edge: &Arc<Edge>, Named(name): &Named, peer: &Peer, dress: Dress) -> Response {
    let beat_every = Duration::from_secs(edge.config.sockjs.heartbeat_seconds.into());
    let is_stream = dress.is_stream();
    let one_within = if is_stream { None } else { Some(beat_every) };
    let received = sessions::receive(edge, name, dress.name(), peer.address, one_within).await;
    let headers = [(CONTENT_TYPE, dress.media_type()), (CACHE_CONTROL, NOT_KEPT), NOT_GATHERED];
    let source = match received {
        Ok(Ok(source)) => source,
        Ok(Err(told)) => {
            let all = [dress.prelude(), dress.frame(&told)].concat();
            return (headers, all).into_response();
        }
        Err(problem) => return problem.into_response(),
    };
    let frames = Frames::new(source, dress, beat_every, edge.config.limits.sockjs_stream_bytes_max);
    if is_stream {
        return (headers, Body::from_stream(frames)).into_response();
    }
    (headers, frames.one().await).into_response()
}

/// The callback, or what the protocol says where there is none that could be one.
fn checked(Callback(callback): Callback) -> Result<Box<str>, Response> {
    let refused = |text: &'static str| {
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8")), (CACHE_CONTROL, NOT_KEPT)];
        Err((StatusCode::INTERNAL_SERVER_ERROR, headers, text).into_response())
    };
    match callback {
        Some(Ok(callback)) => Ok(callback),
        Some(Err(_)) => refused("invalid \"callback\" parameter"),
        None => refused("\"callback\" parameter required"),
    }
}
