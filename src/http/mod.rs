//! The HTTP edge: every route on one screen, and what all of them have in common.
//!
//! It knows the store, who somebody is, and what the operator decided; nothing of how a room works. Invariant:
//! whatever comes in is answered, within limits, and what cannot be done is told as a problem that says what to do.

mod about;
mod accept;
mod accounts;
mod ahead;
mod assets;
mod cookies;
mod cors;
mod door;
mod edge;
mod error;
mod fields;
mod headers;
mod health;
mod history;
pub mod limit;
mod login;
mod meters;
mod openapi;
mod operator;
pub mod origin;
mod pages;
pub mod peer;
mod quota;
mod redirect;
mod rooms;
mod socket;
mod sockjs;
mod turns;
mod wanted;
mod who;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

pub use door::{Door, Ticketed, Tickets};
pub use edge::{Edge, SetupKey};
pub use meters::Meters;
pub use operator::operator;
pub use redirect::redirect;
pub use socket::Places;
pub use sockjs::{Sessions, answer_nodes};

/// Every route. The layers below them run from the last to the first.
pub fn router(edge: Arc<Edge>) -> Router {
    Router::new()
        .route("/", get(pages::home))
        .route("/index", get(pages::home))
        .route("/login", get(pages::open).post(login::login))
        .route("/logout", get(login::logout).post(login::logout))
        .route("/signup", get(pages::open).post(accounts::signup))
        .route("/setup", get(pages::open).post(accounts::setup))
        .route("/chat/user", get(accounts::user))
        .route("/chat/invite", post(accounts::invite))
        .route("/chat/rooms", get(rooms::list))
        .route("/chat/room", get(pages::lobby).post(rooms::create))
        .route("/chat/room/enter/{roomId}", get(pages::room))
        .route("/chat/room/{roomId}", get(rooms::one).patch(rooms::rename).delete(rooms::delete))
        .route("/chat/room/{roomId}/members", get(rooms::members))
        .route("/chat/room/{roomId}/messages", get(history::messages))
        .route("/about", get(about::about))
        .route("/assets/{*path}", get(assets::asset))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/openapi.json", get(openapi::description))
        .route("/ws-stomp", get(socket::upgrade))
        .route("/ws-stomp/", get(socket::upgrade))
        .route("/ws-stomp/websocket", get(socket::upgrade))
        .merge(sockjs::routes(&edge))
        .fallback(pages::elsewhere)
        .method_not_allowed_fallback(pages::other_method)
        .layer(from_fn_with_state(Arc::clone(&edge), origin::guard))
        .layer(from_fn_with_state(Arc::clone(&edge), meters::count))
        .layer(from_fn(pages::dress))
        .layer(from_fn_with_state(Arc::clone(&edge), cors::share))
        .layer(from_fn_with_state(Arc::clone(&edge), headers::secure))
        .with_state(edge)
}

#[cfg(test)]
mod tests;
