//! What a page has to know before anybody signed in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Edge;
use super::error::Problem;
use super::openapi::Refusal;
use crate::chat::limits::{NAME_CHARS_MAX, PASSWORD_CHARS_MIN, ROOM_NAME_CHARS_MAX};
use crate::config::SignUp;

/// This server, as everybody may know it.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct About {
    /// Always `Sarangbang`.
    name: &'static str,
    /// The version of the binary.
    version: &'static str,
    /// `ko` or `en`: the language of notices.
    locale: &'static str,
    /// `closed` or `open`: whether everybody may make an account.
    sign_up: &'static str,
    /// Whether the first administrator is still to be made.
    setup: bool,
    /// The limits that a form should know.
    limits: FormLimits,
}

/// Limits that a form should know before it is sent.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FormLimits {
    /// Longest message, in characters.
    message_chars: usize,
    /// Longest name of a room, in characters.
    room_name_chars: usize,
    /// Longest name of a person, in characters.
    name_chars: usize,
    /// Shortest password, in characters.
    password_chars: usize,
}

/// What this server is, and how one gets in.
#[utoipa::path(
    get, path = "/about", tag = "server",
    responses((status = 200, description = "the server", body = About), Refusal),
)]
pub(super) async fn about(State(edge): State<Arc<Edge>>) -> Result<Json<About>, Problem> {
    let config = &edge.config;
    Ok(Json(About {
        name: "Sarangbang",
        version: env!("CARGO_PKG_VERSION"),
        locale: config.locale.as_str(),
        sign_up: match config.auth.sign_up {
            SignUp::Closed => "closed",
            SignUp::Open => "open",
        },
        setup: !edge.store.has_admin().await?,
        limits: FormLimits {
            message_chars: config.limits.message_chars_max,
            room_name_chars: ROOM_NAME_CHARS_MAX,
            name_chars: NAME_CHARS_MAX,
            password_chars: PASSWORD_CHARS_MIN,
        },
    }))
}
