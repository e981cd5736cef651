//! Whether the process lives, and whether it should be sent people.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::Edge;

/// What `/readyz` answers.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Readiness {
    /// Whether people should be sent here.
    ready: bool,
    /// What stands against it.
    not_ready: Vec<Obstacle>,
}

/// Something that is not ready.
#[derive(Serialize, utoipa::ToSchema)]
struct Obstacle {
    /// `store`, `certificate` or `draining`.
    part: &'static str,
    /// What it means, in English.
    detail: Cow<'static, str>,
}

/// The process lives.
#[utoipa::path(
    get, path = "/healthz", tag = "server",
    responses((status = 200, description = "it does", body = str, content_type = "text/plain")),
)]
pub(super) async fn alive() -> &'static str {
    "ok"
}

/// The same for the operator: which version lives, as which process, and how its last handover went if it is still here
/// to tell.
pub(super) async fn alive_as(State(edge): State<Arc<Edge>>) -> String {
    let (version, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
    let failed = match edge.handovers_failed.lock().clone() {
        (number, Some(cause)) => format!("handover {number} failed: {cause}\n"),
        (_, None) => String::new(),
    };
    format!("ok\nversion {version}\npid {pid}\n{failed}")
}

/// The process can serve people.
#[utoipa::path(
    get, path = "/readyz", tag = "server",
    responses(
        (status = 200, description = "it can", body = Readiness),
        (status = 503, description = "not now, and why", body = Readiness),
    ),
)]
pub(super) async fn ready(State(edge): State<Arc<Edge>>) -> (StatusCode, Json<Readiness>) {
    let mut not_ready = Vec::new();
    if let Err(cause) = edge.store.ready().await {
        tracing::warn!(%cause, "the store is not ready");
        not_ready.push(Obstacle { part: "store", detail: "the data cannot be read or written; see the log".into() });
    }
    if let Some(detail) = edge.standing().and_then(|standing| standing.obstacle) {
        not_ready.push(Obstacle { part: "certificate", detail: detail.into() });
    }
    if edge.draining.load(Ordering::Relaxed) {
        not_ready.push(Obstacle { part: "draining", detail: "the process is on its way out".into() });
    }
    let status = if not_ready.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready: not_ready.is_empty(), not_ready }))
}
