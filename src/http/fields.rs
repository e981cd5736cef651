//! The named values of a request: a JSON object, a form, or a query.
//!
//! Invariant: a body is read up to `limits.request_bytes_max` and no longer than `limits.request_seconds_max`;
//! unknown members are ignored, and a wrong one is named.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};

use super::error::Problem;
use super::{Edge, accept};

/// The values of a body, by name. No `Debug`: passwords are among them.
pub(super) struct Fields {
    values: Map<String, Value>,
    /// Whether they came as JSON, where a number is a number; in forms and queries everything is text.
    is_json: bool,
}

/// The values of the query.
pub(super) struct QueryFields(pub(super) Fields);

impl Fields {
    /// Whether the body was JSON, so that the answer should be.
    pub(super) const fn is_json(&self) -> bool {
        self.is_json
    }

    /// A text that has to be there. A form's missing field counts as empty, as browsers send it.
    pub(super) fn text(&self, name: &'static str) -> Result<String, Problem> {
        match self.maybe_text(name)? {
            Some(text) => Ok(text),
            None if self.is_json => {
                Err(Problem::bad_field(name, "field_missing", format!("the member {name} is missing: add it as text")))
            }
            None => Ok(String::new()),
        }
    }

    /// A text that may be left out.
    pub(super) fn maybe_text(&self, name: &'static str) -> Result<Option<String>, Problem> {
        match self.values.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(wrong_type(name, "text")),
        }
    }

    /// A whole number that may be left out.
    pub(super) fn maybe_number(&self, name: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let number = match self.values.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) if !self.is_json => text.parse().ok(),
            Some(_) => None,
        };
        let (low, high) = (*range.start(), *range.end());
        match number {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            Some(number) => {
                let detail = format!("{name} is {number}; it has to be between {low} and {high}");
                Err(Problem::bad_field(name, "out_of_range", detail).limit(if number < low { low } else { high }))
            }
            None => Err(wrong_type(name, "a whole number, 0 or more")),
        }
    }

    fn of_json(bytes: &[u8]) -> Result<Self, Problem> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(values)) => Ok(Self { values, is_json: true }),
            Ok(_) => Err(bad_body("the body has to be a JSON object, such as {\"name\": \"...\"}")),
            Err(e) => Err(bad_body(format!("the body is no JSON ({e}); send a JSON object"))),
        }
    }

    fn of_form(bytes: &[u8]) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(bytes)
            .map_err(|e| bad_body(format!("the form could not be read ({e}); send name=value pairs joined by &")))?;
        let mut values = Map::new();
        for (name, value) in pairs {
            // The first of several counts.
            values.entry(name).or_insert(Value::String(value));
        }
        Ok(Self { values, is_json: false })
    }
}

impl FromRequestParts<Arc<Edge>> for QueryFields {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Edge>) -> Result<Self, Problem> {
        Fields::of_form(parts.uri.query().unwrap_or_default().as_bytes()).map(Self)
    }
}

impl FromRequest<Arc<Edge>> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, edge: &Arc<Edge>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let limits = &edge.config.limits;
        let bytes = self::body(&parts.headers, body, limits.request_bytes_max, limits.request_seconds_max).await?;
        match accept::media_type(&parts.headers).as_deref() {
            _ if accept::sends_json(&parts.headers) && !bytes.is_empty() => Self::of_json(&bytes),
            _ if bytes.is_empty() => Ok(Self { values: Map::new(), is_json: accept::sends_json(&parts.headers) }),
            Some("application/x-www-form-urlencoded") => Self::of_form(&bytes),
            _ => Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type_unsupported")
                .detail("say what the body is: Content-Type application/json or application/x-www-form-urlencoded")),
        }
    }
}

/// A body of at most so many bytes, that comes within so many seconds.
pub(super) async fn body(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    seconds: u64,
) -> Result<bytes::Bytes, Problem> {
    let read = read(headers, body, bytes_max);
    tokio::time::timeout(Duration::from_secs(seconds), read).await.map_err(|_| too_slow(seconds))?
}

async fn read(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<bytes::Bytes, Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(too_large(bytes_max));
    }
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => Err(too_large(bytes_max)),
        Err(e) => Err(bad_body(format!("the body ended early ({e}); send it again"))),
    }
}

fn wrong_type(name: &'static str, wanted: &str) -> Problem {
    Problem::bad_field(name, "field_type", format!("{name} is of the wrong type; send it as {wanted}"))
}

fn bad_body(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_body").detail(detail)
}

fn too_slow(seconds: u64) -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout")
        .detail(format!("the body did not come within {seconds} seconds; send it again"))
        .limit(seconds)
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large")
        .detail(format!("a request has at most {bytes_max} bytes of body; send less"))
        .limit(u64::try_from(bytes_max).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_members_are_ignored_and_wrong_ones_named() {
        let fields = Fields::of_json(br#"{"name":"a","hours":3,"role":7,"more":[{}],"none":null}"#).ok().unwrap();
        assert_eq!(fields.text("name").unwrap(), "a");
        assert_eq!(fields.maybe_number("hours", 1..=720).unwrap(), Some(3));
        assert_eq!(fields.maybe_text("none").unwrap(), None);
        let told = |problem: Problem| serde_json::to_value(problem.document()).unwrap();
        assert_eq!(told(fields.maybe_text("role").unwrap_err())["field"], "role");
        assert_eq!(told(fields.text("key").unwrap_err())["code"], "field_missing");
        let over = told(fields.maybe_number("hours", 1..=2).unwrap_err());
        assert_eq!((&over["code"], &over["limit"]), (&"out_of_range".into(), &2.into()));
        assert!(fields.maybe_number("name", 1..=2).is_err());
    }

    #[test]
    fn forms_are_text_and_their_missing_fields_empty() {
        let fields = Fields::of_form("name=%EC%82%AC+b&hours=3&name=later".as_bytes()).ok().unwrap();
        assert_eq!(fields.text("name").unwrap(), "사 b");
        assert_eq!(fields.text("password").unwrap(), "");
        assert_eq!(fields.maybe_number("hours", 1..=720).unwrap(), Some(3));
    }

    #[test]
    fn only_an_object_is_a_body() {
        for bad in ["[]", "\"x\"", "{", "{\"a\":1}x"] {
            assert!(Fields::of_json(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
