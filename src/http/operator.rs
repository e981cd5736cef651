//! What the operator's own listener answers: metrics and health, and nothing else. Nobody signs in there.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{Edge, health};

/// The form of the metrics: <https://prometheus.io/docs/specs/om/open_metrics_spec/>. Readers of Prometheus' older text
/// form understand it, too.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The routes of the operator's listener; `metrics` renders the text that is read.
pub fn operator<M>(edge: Arc<Edge>, metrics: M) -> Router
where
    M: Fn() -> String + Clone + Send + Sync + 'static,
{
    let read = async move || {
        // Open files are counted in /proc, one by one: nobody's messages wait for that.
        match tokio::task::spawn_blocking(metrics).await {
            Ok(text) if !text.is_empty() => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be told\n").into_response(),
        }
    };
    Router::new()
        .route("/metrics", get(read))
        .route("/healthz", get(health::alive_as))
        .route("/readyz", get(health::ready))
        .fallback(async |_: Request| (StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n"))
        .layer(map_response(dress))
        .with_state(edge)
}

async fn dress(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
