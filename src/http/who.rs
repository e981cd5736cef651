//! Who is behind a request, as extractors: a handler that names one of these is reached by nobody else.
//!
//! | extractor | lets in |
//! |---|---|
//! | [`SignedIn`] | everybody with an account that is not disabled |
//! | [`Chatter`] | of those, who may chat: users and administrators |
//! | [`Admin`] | administrators |
//!
//! Invariant: the account is looked up for every request, so that what was revoked is over at once, and no more often
//! than the limits say. Where there is
//! a Bearer token it alone counts; the cookie is not looked at then.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::error::Problem;
use super::limit::Reached;
use super::peer::Peer;
use super::{Edge, accept, cookies, wanted};
use crate::auth::{TokenError, sha256};
use crate::chat::Role;
use crate::store::Account;

/// Somebody with an account.
pub(super) struct SignedIn(pub(super) Account);

/// Somebody who may chat.
pub(super) struct Chatter(pub(super) Account);

/// An administrator.
pub(super) struct Admin;

impl FromRequestParts<Arc<Edge>> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Response> {
        match account(parts, edge).await {
            Ok(Some(account)) => Ok(Self(account)),
            Ok(None) => Err(turned_away(parts, edge)),
            Err(problem) => Err(problem.into_response()),
        }
    }
}

impl FromRequestParts<Arc<Edge>> for Chatter {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Response> {
        let SignedIn(account) = SignedIn::from_request_parts(parts, edge).await?;
        if account.role.may_chat() {
            return Ok(Self(account));
        }
        let detail = "a guest may sign in but not chat; ask an administrator for the role user";
        Err(Problem::new(StatusCode::FORBIDDEN, "role_may_not_chat").detail(detail).into_response())
    }
}

impl FromRequestParts<Arc<Edge>> for Admin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Response> {
        let Chatter(account) = Chatter::from_request_parts(parts, edge).await?;
        if account.role == Role::Admin {
            return Ok(Self);
        }
        let detail = "only an administrator may do this; ask one, or sign in as one";
        Err(Problem::new(StatusCode::FORBIDDEN, "admin_only").detail(detail).into_response())
    }
}

/// Whose request this is; `None` when it carries nothing, or a session that is over. Counts it, for the address
/// before anything is looked up.
async fn account(parts: &Parts, edge: &Edge) -> Result<Option<Account>, Problem> {
    let (token, key) = (cookies::bearer(&parts.headers), cookies::session_key(&parts.headers));
    if token.is_none() && key.is_none() {
        return Ok(None);
    }
    count(&peer(parts, edge), edge)?;
    let account = match token {
        Some(token) => Some(bearer(token, edge).await?),
        None => by_session(&key.unwrap_or_default(), edge).await?,
    };
    match account.as_ref().map(|account| edge.limiter.request(&account.name)) {
        Some(Err(reached)) => Err(too_many(reached)),
        _ => Ok(account),
    }
}

/// One more request of this address that has the store look for a session or an account.
pub(super) fn count(peer: &Peer, edge: &Edge) -> Result<(), Problem> {
    edge.limiter.request_from(peer.address).map_err(too_many)
}

fn too_many(reached: Reached) -> Problem {
    Problem::too_often("too_many_requests", "too many requests", reached)
}

async fn by_session(key: &str, edge: &Edge) -> Result<Option<Account>, Problem> {
    Ok(edge.store.login(sha256(key)).await?.filter(|account| !account.disabled))
}

fn peer(parts: &Parts, edge: &Edge) -> Peer {
    Peer::of(&parts.extensions, &parts.headers, &edge.config.trusted_proxies)
}

async fn bearer(token: &str, edge: &Edge) -> Result<Account, Problem> {
    let claims = edge.tokens.verify(token)?;
    match edge.store.account(&claims.name).await? {
        Some(account) if account.disabled => Err(Problem::new(StatusCode::UNAUTHORIZED, "user_disabled")
            .detail("this account is disabled; ask an administrator")),
        Some(account) if account.token_epoch == claims.epoch => Ok(account),
        _ => Err(TokenError::Invalid.into()),
    }
}

/// People are shown the way to the sign-in page, which remembers the page that they wanted; programs are told.
fn turned_away(parts: &Parts, edge: &Edge) -> Response {
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    if accept::wants_json(&parts.headers) || !(reads || accept::wants_html(&parts.headers)) {
        return Problem::new(StatusCode::UNAUTHORIZED, "not_signed_in")
            .detail("sign in first: POST /login sets a cookie and answers a token for Authorization: Bearer")
            .into_response();
    }
    let path = parts.uri.path_and_query().map(|path| path.as_str());
    let is_page = parts.uri.path() == wanted::HOME || parts.uri.path().starts_with("/chat/room/enter/");
    let Some(path) = path.filter(|_| reads && is_page).and_then(wanted::local) else {
        return wanted::found("/login");
    };
    let https = peer(parts, edge).https;
    let mut response = wanted::found(&wanted::login_path(Some(path)));
    response.headers_mut().append(SET_COOKIE, cookies::set_next(path, https));
    response
}
