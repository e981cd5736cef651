//! Requests that send.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::address::{Named, unknown};
use super::relayed::far;
use super::sessions::{self, Whose};
use super::{NOT_KEPT, iframe, said};
use crate::http::{Edge, accept, fields};

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain;charset=UTF-8");

/// `POST .../xhr_send`: an array of messages, whatever the content type says.
pub(super) async fn xhr_send(State(edge): State<Arc<Edge>>, name: Named, request: Request) -> Response {
    match take(&edge, &name, request, false).await {
        // The type although there is nothing: an old Firefox takes it for XML, and complains.
        Ok(()) => (StatusCode::NO_CONTENT, [(CONTENT_TYPE, PLAIN), (CACHE_CONTROL, NOT_KEPT)]).into_response(),
        Err(refused) => refused,
    }
}

/// `POST .../jsonp_send`: the same, or as the field `d` of a form. The form's answer is shown in a frame of the page.
pub(super) async fn jsonp_send(State(edge): State<Arc<Edge>>, name: Named, request: Request) -> Response {
    let form = accept::media_type(request.headers()).as_deref() == Some("application/x-www-form-urlencoded");
    let mut response = match take(&edge, &name, request, form).await {
        Ok(()) => ([(CONTENT_TYPE, PLAIN), (CACHE_CONTROL, NOT_KEPT)], "ok").into_response(),
        Err(refused) => refused,
    };
    if let Ok(policy) = HeaderValue::try_from(format!("default-src 'none'; {}", iframe::ancestors(&edge.config))) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

async fn take(edge: &Arc<Edge>, Named(name): &Named, request: Request, is_form: bool) -> Result<(), Response> {
    let gone = || unknown("there is no such SockJS session, or not any more; open one by receiving").into_response();
    let whose = sessions::find(edge, name).await.map_err(IntoResponse::into_response)?.ok_or_else(gone)?;
    let limits = &edge.config.limits;
    let (parts, body) = request.into_parts();
    let body = fields::body(&parts.headers, body, limits.sockjs_request_bytes_max, limits.request_seconds_max)
        .await
        .map_err(IntoResponse::into_response)?;
    let field = if is_form { Some(field(&body)) } else { None };
    let payload = field.as_deref().map_or(&body[..], str::as_bytes);
    if payload.is_empty() {
        return Err(broken("Payload expected."));
    }
    let frames = said::read(payload).map_err(|said::Broken| broken("Broken JSON encoding."))?;
    let is_heard = match whose {
        Whose::Here(pipe) => match timeout(Duration::from_secs(limits.request_seconds_max), pipe.say(frames)).await {
            Ok(said) => Ok(said.is_ok()),
            Err(_) => Err(far::busy()),
        },
        Whose::There(relay, owner) => far::say(edge, &relay, &owner, name, frames).await,
    };
    if is_heard.map_err(IntoResponse::into_response)? { Ok(()) } else { Err(gone()) }
}

fn field(form: &[u8]) -> String {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(form).unwrap_or_default();
    pairs.into_iter().find(|(name, _)| name == "d").map(|(_, value)| value).unwrap_or_default()
}

/// As the protocol says it: a 500, although it is the client's mistake.
fn broken(text: &'static str) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, [(CONTENT_TYPE, PLAIN), (CACHE_CONTROL, NOT_KEPT)], text).into_response()
}
