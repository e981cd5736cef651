//! The way in: an HTTP request becomes a WebSocket (RFC 6455, section 4.2).

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aws_lc_rs::digest;
use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::{Parts, downcast};
use tokio_rustls::server::TlsStream;

use super::{Place, run};
use crate::http::ahead::Ahead;
use crate::http::door::Admitted;
use crate::http::error::Problem;
use crate::http::peer::Peer;
use crate::http::{Edge, origin};
use crate::node::Socket;
use crate::stomp::Version;

/// RFC 6455, section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// What the old endpoint says to who comes without an upgrade.
const GREETING: &str = "Welcome to SockJS!\n";

/// `GET /ws-stomp` and `GET /ws-stomp/websocket`.
pub(in crate::http) async fn upgrade(State(edge): State<Arc<Edge>>, request: Request) -> Response {
    accept(edge, request, |edge, io| {
        let holds_back = edge.config.is_https();
        run(edge, io, holds_back)
    })
}

/// Makes a WebSocket of a request, and runs `then` over it, which has a place for as long as it runs.
pub(in crate::http) fn accept<F>(
    edge: Arc<Edge>,
    mut request: Request,
    then: impl FnOnce(Arc<Edge>, Socket) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = ()> + Send,
{
    let headers = request.headers();
    if !lists(headers, UPGRADE, "websocket") {
        return without_upgrade(request.uri().path());
    }
    let key = match handshake(headers) {
        Ok(key) => key,
        Err(refused) => return refused,
    };
    if !origin::allowed(headers, &edge.config) {
        return Problem::new(StatusCode::FORBIDDEN, "cross_site")
            .detail("a page of this origin may not open a socket here; add it to allowed_origins")
            .into_response();
    }
    let protocol = subprotocol(headers);
    let peer = Peer::of(request.extensions(), headers, &edge.config.trusted_proxies);
    let place = match admit(&edge, peer.address) {
        Ok(place) => place,
        Err(problem) => return problem.into_response(),
    };
    let Some(on_upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return Problem::new(StatusCode::UPGRADE_REQUIRED, "no_upgrade").detail("use HTTP/1.1").into_response();
    };
    tokio::spawn(async move {
        // A peer that vanishes between the answer and the upgrade has lost nothing.
        if let Ok(io) = on_upgrade.await {
            then(edge, taken(io)).await;
        }
        drop(place);
    });
    switching(&key, protocol)
}

/// What the door let in, over TLS or not, without the layers that HTTP had put around it: each of them would cost every
/// read and write a call through a pointer, and every connection some memory. Any other stream stays in its layers.
///
/// What HTTP has read beyond the request is copied: even where it is nothing, it would hold all of HTTP's buffer.
fn taken(upgraded: Upgraded) -> Socket {
    let upgraded = match downcast::<TokioIo<Admitted>>(upgraded) {
        Ok(Parts { io, read_buf, .. }) => {
            let mut admitted = io.into_inner();
            admitted.put_back(Bytes::copy_from_slice(&read_buf));
            return Box::new(admitted);
        }
        Err(upgraded) => upgraded,
    };
    match downcast::<TokioIo<TlsStream<Admitted>>>(upgraded) {
        Ok(Parts { io, read_buf, .. }) => Box::new(Ahead::new(Bytes::copy_from_slice(&read_buf), io.into_inner())),
        Err(upgraded) => Box::new(TokioIo::new(upgraded)),
    }
}

/// Lets one more connection of this address in, if the limits do.
pub(in crate::http) fn admit(edge: &Edge, address: IpAddr) -> Result<Place, Problem> {
    // Who came in before another process took over gets a socket, and by that one close 1012: come again, at once.
    if edge.is_draining() && !edge.succeeded.load(Ordering::Relaxed) {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "draining").detail("the server is restarting"));
    }
    edge.limiter.connect(address).map_err(|wait| {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_connects")
            .detail("this address opened too many sockets lately")
            .retry_after(wait)
    })?;
    edge.places.take(address).map_err(|limit| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_connections")
            .detail(format!("as many sockets are open as {limit} allows"))
    })
}

/// The client's key, if this is a proper opening handshake (RFC 6455, section 4.2.1).
fn handshake(headers: &HeaderMap) -> Result<String, Response> {
    let refused =
        |detail: &'static str| Problem::new(StatusCode::BAD_REQUEST, "bad_handshake").detail(detail).into_response();
    if !lists(headers, CONNECTION, "upgrade") {
        return Err(refused("the header Connection has to name upgrade"));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut response = Problem::new(StatusCode::UPGRADE_REQUIRED, "bad_handshake")
            .detail("Sec-WebSocket-Version has to be 13")
            .into_response();
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(response);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok()).unwrap_or_default();
    match STANDARD.decode(key) {
        Ok(bytes) if bytes.len() == 16 => Ok(key.to_owned()),
        _ => Err(refused("Sec-WebSocket-Key has to be sixteen bytes in base64")),
    }
}

fn switching(key: &str, protocol: Option<Version>) -> Response {
    let mut accept = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    accept.update(key.as_bytes());
    accept.update(GUID.as_bytes());
    let accept = STANDARD.encode(accept.finish());
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(version) = protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(version.subprotocol()));
    }
    response
}

/// The first of the offered subprotocols that is known; an unknown one is ignored, as the old endpoint does.
fn subprotocol(headers: &HeaderMap) -> Option<Version> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).find_map(|offered| Version::from_subprotocol(offered.trim()))
}

fn without_upgrade(path: &str) -> Response {
    if path.ends_with("/websocket") {
        return (StatusCode::BAD_REQUEST, "Can \"Upgrade\" only to \"WebSocket\".").into_response();
    }
    GREETING.into_response()
}

/// Whether a list header names a token, in any letter case.
fn lists(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|member| member.trim().eq_ignore_ascii_case(token))
}
