//! Rooms: the list, one of them, their people; making, renaming and deleting them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Serialize;

use super::Edge;
use super::error::Problem;
use super::fields::{Fields, QueryFields};
use super::openapi::{NewRoomForm, Refusal, RoomForm, RoomShape};
use super::who::{Admin, Chatter};
use crate::chat::{History, Role, Room, RoomId};

/// The room id of a path. One that is no UUID is a room that does not exist.
pub(super) struct RoomPath(pub(super) RoomId);

impl FromRequestParts<Arc<Edge>> for RoomPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, edge).await;
        path.ok().and_then(|Path(id)| id.parse().ok()).map(Self).ok_or_else(Problem::room_unknown)
    }
}

/// The people in a room.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Members {
    /// The room.
    #[schema(value_type = uuid::Uuid)]
    room_id: RoomId,
    /// How many they are.
    user_count: usize,
    /// Their names, sorted.
    members: Vec<String>,
}

/// Every room, newest activity first.
#[utoipa::path(
    get, path = "/chat/rooms", tag = "rooms",
    responses((status = 200, description = "the rooms", body = Vec<RoomShape>), Refusal),
)]
pub(super) async fn list(State(edge): State<Arc<Edge>>, _: Chatter) -> Result<Json<Vec<Room>>, Problem> {
    Ok(Json(edge.store.rooms().await?))
}

/// Makes a room. The name comes in the query, in a form, or in JSON, and so does `history`.
#[utoipa::path(
    post, path = "/chat/room", tag = "rooms",
    params(
        ("name" = Option<String>, Query, description = "the name, where it is not in the body"),
        ("history" = Option<String>, Query, description = "`off` for a room whose messages are never written"),
    ),
    request_body(content((NewRoomForm = "application/json"), (NewRoomForm = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "the new room", body = RoomShape), Refusal),
)]
pub(super) async fn create(
    State(edge): State<Arc<Edge>>,
    Chatter(person): Chatter,
    QueryFields(query): QueryFields,
    fields: Fields,
) -> Result<Json<Room>, Problem> {
    let name = match query.maybe_text("name")? {
        Some(name) => name,
        // A name that is not there is refused as an empty one is.
        None => fields.maybe_text("name")?.unwrap_or_default(),
    };
    let name = name.parse()?;
    let history = match query.maybe_text("history")? {
        Some(history) => Some(history),
        None => fields.maybe_text("history")?,
    };
    let history = history.map_or(Ok(History::On), |history| history.parse())?;
    // Who can delete any room may also make any number.
    if person.role != Role::Admin {
        let too_many = |reached| Problem::too_often("too_many_new_rooms", "you made too many rooms", reached);
        edge.limiter.room(&person.name).map_err(too_many)?;
    }
    Ok(Json(edge.store.create_room_with(name, history).await?))
}

/// One room.
#[utoipa::path(
    get, path = "/chat/room/{roomId}", tag = "rooms", params(("roomId" = uuid::Uuid, Path)),
    responses((status = 200, description = "the room", body = RoomShape), Refusal),
)]
pub(super) async fn one(
    State(edge): State<Arc<Edge>>,
    _: Chatter,
    RoomPath(id): RoomPath,
) -> Result<Json<Room>, Problem> {
    edge.store.room(id).await?.map(Json).ok_or_else(Problem::room_unknown)
}

/// Gives a room another name. Administrators only.
#[utoipa::path(
    patch, path = "/chat/room/{roomId}", tag = "rooms", params(("roomId" = uuid::Uuid, Path)),
    request_body(content((RoomForm = "application/json"), (RoomForm = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "the room with its new name", body = RoomShape), Refusal),
)]
pub(super) async fn rename(
    State(edge): State<Arc<Edge>>,
    _: Admin,
    RoomPath(id): RoomPath,
    fields: Fields,
) -> Result<Json<Room>, Problem> {
    let name = fields.text("name")?.parse()?;
    Ok(Json(edge.store.rename_room(id, name).await?))
}

/// Deletes a room with all that was said in it. Administrators only.
#[utoipa::path(
    delete, path = "/chat/room/{roomId}", tag = "rooms", params(("roomId" = uuid::Uuid, Path)),
    responses((status = 204, description = "it is gone"), Refusal),
)]
pub(super) async fn delete(
    State(edge): State<Arc<Edge>>,
    _: Admin,
    RoomPath(id): RoomPath,
) -> Result<StatusCode, Problem> {
    edge.store.delete_room(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is in a room now.
#[utoipa::path(
    get, path = "/chat/room/{roomId}/members", tag = "rooms", params(("roomId" = uuid::Uuid, Path)),
    responses((status = 200, description = "the people in it", body = Members), Refusal),
)]
pub(super) async fn members(
    State(edge): State<Arc<Edge>>,
    _: Chatter,
    RoomPath(id): RoomPath,
) -> Result<Json<Members>, Problem> {
    let mut members: Vec<String> = edge.store.members(id).await?.iter().map(ToString::to_string).collect();
    members.sort();
    Ok(Json(Members { room_id: id, user_count: members.len(), members }))
}
