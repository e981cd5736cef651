//! What was said: pages of a room's log.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::Edge;
use super::error::Problem;
use super::fields::QueryFields;
use super::openapi::{EntryShape, Refusal};
use super::rooms::RoomPath;
use super::who::Chatter;
use crate::chat::Entry;
use crate::chat::limits::HISTORY_PAGE_ENTRIES_MAX;

const PAGE_ENTRIES: u64 = 50;

/// A page of a room's log, in offset order.
///
/// `before`: the newest entries with a smaller offset. `after`: the oldest with a greater one. Neither: the newest.
#[utoipa::path(
    get, path = "/chat/room/{roomId}/messages", tag = "rooms",
    params(
        ("roomId" = uuid::Uuid, Path),
        ("before" = Option<u64>, Query, description = "an offset"),
        ("after" = Option<u64>, Query, description = "an offset; not together with before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "entries, 50 if left out"),
    ),
    responses((status = 200, description = "the entries", body = Vec<EntryShape>), Refusal),
)]
pub(super) async fn messages(
    State(edge): State<Arc<Edge>>,
    _: Chatter,
    RoomPath(room): RoomPath,
    QueryFields(query): QueryFields,
) -> Result<Response, Problem> {
    // Offsets of the store are signed 64-bit numbers.
    let offsets = 0..=i64::MAX.unsigned_abs();
    let before = query.maybe_number("before", offsets.clone())?;
    let after = query.maybe_number("after", offsets)?;
    let limit = query.maybe_number("limit", 1..=u64::from(HISTORY_PAGE_ENTRIES_MAX))?.unwrap_or(PAGE_ENTRIES);
    let limit = usize::try_from(limit).unwrap_or(1);
    let slice = match (before, after) {
        (Some(_), Some(_)) => {
            let detail = "ask for before or after, not for both: a page grows from one end";
            return Err(Problem::bad_field("after", "bad_request", detail));
        }
        (before, None) => edge.store.newest(room, before, limit).await?,
        (None, Some(after)) => edge.store.oldest(room, after, limit).await?,
    };
    let entries: Vec<&Entry> = slice.entries.iter().map(Arc::as_ref).collect();
    Ok(Json(entries).into_response())
}
