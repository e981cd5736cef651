//! What cannot be done, told to the caller: problem documents (RFC 9457).
//!
//! Invariant: a problem says what to do, and nothing about the inside: what went wrong there stands in the log.

use std::borrow::Cow;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::limit::{Reached, RetryAfter};
use crate::auth::{PasswordError, TokenError};
use crate::chat::Invalid;
use crate::chat::limits::PASSWORD_CHARS_MIN;
use crate::store::StoreError;

/// A refusal. It is written as [`Document`]; what that derives from the status is not carried along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    field: Option<&'static str>,
    limit: Option<u64>,
    retry_after_seconds: Option<u64>,
}

/// A refusal, as `application/problem+json`.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document<'a> {
    /// Always `about:blank`: the status says the kind, `code` the case.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// A stable word for programs, for example `room_unknown`.
    code: &'static str,
    /// What is wrong and what to do, in English.
    detail: &'a str,
    /// The field of the request that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    /// The limit that was passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
}

impl Problem {
    /// A problem of this status and code; say more with [`Self::detail`].
    pub(super) fn new(status: StatusCode, code: &'static str) -> Self {
        Self { status, code, detail: Cow::Borrowed(""), field: None, limit: None, retry_after_seconds: None }
    }

    /// What is wrong and what to do about it.
    pub(super) fn detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// The field it is about.
    pub(super) fn field(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    /// The limit that was passed.
    pub(super) fn limit(self, limit: u64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// When to come back.
    pub(super) fn retry_after(self, after: RetryAfter) -> Self {
        Self { retry_after_seconds: Some(after.seconds()), ..self }
    }

    /// Somebody did something too often: what they did, and the limit that says so.
    pub(super) fn too_often(code: &'static str, what: &str, reached: Reached) -> Self {
        let Reached { limit, after } = reached;
        let detail = format!("{what}: {limit} is reached; wait {} seconds and try again", after.seconds());
        Self::new(StatusCode::TOO_MANY_REQUESTS, code).detail(detail).retry_after(after)
    }

    /// A request that is not understood, with the field that is to blame.
    pub(super) fn bad_field(field: &'static str, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code).field(field).detail(detail)
    }

    /// No such room. Ids that are no UUIDs are rooms that do not exist, too.
    pub(super) fn room_unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, "room_unknown")
            .detail("there is no such room, or not any more; GET /chat/rooms lists the rooms there are")
    }

    /// Something went wrong inside; the cause goes to the log alone.
    pub(super) fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request could not be answered");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal")
            .detail("the server made a mistake; try again, and tell its operator if it stays (the log has the cause)")
    }

    /// Its status.
    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    /// Its stable word.
    pub(super) const fn code(&self) -> &'static str {
        self.code
    }

    /// The status in words, and the detail: what a person reads.
    pub(super) fn words(&self) -> (&'static str, &str) {
        (self.status.canonical_reason().unwrap_or("Error"), &self.detail)
    }

    /// As it goes over the wire.
    pub(super) fn document(&self) -> Document<'_> {
        let (title, detail) = self.words();
        let (status, code, field, limit) = (self.status.as_u16(), self.code, self.field, self.limit);
        Document { kind: "about:blank", title, status, code, detail, field, limit }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.document())).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sarangbang\""));
        }
        // For the outer layer, which shows it as a page to people.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let code = match (invalid.field, invalid.limit) {
            ("username", _) => "name_invalid",
            ("password", Some(PASSWORD_CHARS_MIN)) => "password_too_short",
            ("password", _) => "password_too_long",
            ("name", _) => "room_name_invalid",
            ("role", _) => "role_invalid",
            ("history", _) => "history_invalid",
            _ => "bad_request",
        };
        let limit = invalid.limit.and_then(|limit| u64::try_from(limit).ok());
        Self { limit, ..Self::bad_field(invalid.field, code, invalid.reason) }
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Invalid(invalid) => invalid.into(),
            PasswordError::Failed(cause) => Self::internal(&cause),
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, error.code()).detail(error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let told = error.to_string();
        match error {
            StoreError::RoomUnknown => Self::room_unknown(),
            StoreError::AfterPastEnd { last } => Self::bad_field("after", "after_past_end", told).limit(last),
            StoreError::TooManyRooms { limit } => Self::new(StatusCode::CONFLICT, "too_many_rooms")
                .detail(format!("{told}; an administrator can delete rooms or raise it"))
                .limit(limit),
            StoreError::NameTaken => Self::new(StatusCode::CONFLICT, "name_taken")
                .field("username")
                .detail("somebody has this name already (letter case does not count); choose another"),
            StoreError::AccountUnknown => Self::new(StatusCode::NOT_FOUND, "account_unknown").detail(told),
            StoreError::InvitationInvalid => Self::new(StatusCode::FORBIDDEN, "invite_invalid")
                .field("invite")
                .detail("this invitation is unknown, used or expired; ask an administrator for a new one"),
            StoreError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy")
                .detail(told)
                .retry_after(RetryAfter(std::time::Duration::from_secs(1))),
            StoreError::Elsewhere => Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining")
                .detail(told)
                .retry_after(RetryAfter(std::time::Duration::from_secs(1))),
            StoreError::Unavailable(cause) => {
                // The store says it once, and loudly; an outage needs no line for every request.
                tracing::debug!(%cause, "the store is not available");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
                    .detail("the server cannot reach its data now; try again in a moment (its log has the cause)")
                    .retry_after(RetryAfter(std::time::Duration::from_secs(5)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_of_the_standard_and_ours() {
        let problem: Problem = Invalid::limit("username", 32, "a name has at most 32 characters").into();
        assert_eq!(
            serde_json::to_value(problem.document()).unwrap(),
            serde_json::json!({
                "type": "about:blank", "title": "Bad Request", "status": 400, "code": "name_invalid",
                "detail": "a name has at most 32 characters", "field": "username", "limit": 32
            })
        );
        let problem = serde_json::to_value(Problem::room_unknown().document()).unwrap();
        assert!(problem.get("field").is_none() && problem.get("limit").is_none());
    }

    #[test]
    fn the_cause_of_a_broken_store_is_not_told() {
        let problem: Problem = StoreError::Unavailable("/var/lib/secret: disk full".into()).into();
        assert!(!serde_json::to_string(&problem.document()).unwrap().contains("secret"));
        let response = problem.into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "5");
    }

    #[test]
    fn a_password_that_is_too_long_is_not_called_too_short() {
        let code = |limit| Problem::from(Invalid::limit("password", limit, "x")).code;
        assert_eq!((code(8), code(256)), ("password_too_short", "password_too_long"));
    }
}
