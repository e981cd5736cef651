//! Which session a request is about.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::http::error::Problem;

/// Longest name of a session, in bytes: clients take eight letters, and may be told to take others.
const NAME_BYTES_MAX: usize = 128;

/// The name of a session. It alone says which: the server's, which stands before it, is for load balancers (the
/// protocol, "Session URLs").
pub(super) struct Named(pub(super) Box<str>);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parameters = RawPathParams::from_request_parts(parts, state).await.ok();
        let parameter = |name| {
            let found = parameters.iter().flatten().find(|(key, _)| *key == name);
            found.map(|(_, value)| value).filter(|value| is_name(value))
        };
        match (parameter("server"), parameter("session")) {
            (Some(_), Some(session)) => Ok(Self(session.into())),
            _ => Err(unknown("the path of a session is /ws-stomp/{server}/{session}/{transport}, without dots")),
        }
    }
}

/// The callback of `htmlfile` and `jsonp`: the parameter `c` (or `callback`), which is written into a script.
pub(super) struct Callback(pub(super) Option<Result<Box<str>, BadCallback>>);

/// It holds more than letters, digits, `-`, `_` and `.`.
pub(super) struct BadCallback;

impl<S: Send + Sync> FromRequestParts<S> for Callback {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        let named = pairs.into_iter().find(|(name, value)| matches!(&**name, "c" | "callback") && !value.is_empty());
        let is_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        Ok(Self(named.map(|(_, name)| match name.bytes().all(is_word) && name.len() <= NAME_BYTES_MAX {
            true => Ok(name.into()),
            false => Err(BadCallback),
        })))
    }
}

/// There is no such session, or nothing at such a path.
pub(super) fn unknown(detail: &'static str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found").detail(detail)
}

fn is_name(part: &str) -> bool {
    !part.is_empty() && !part.contains('.') && part.len() <= NAME_BYTES_MAX
}
