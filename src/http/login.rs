//! Signing in and out.
//!
//! Invariant: neither the answer nor the time it takes tells whether a name exists; a password is counted even when
//! the caller hangs up before the answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::edge::now_ms;
use super::error::Problem;
use super::fields::{Fields, QueryFields};
use super::limit::Reached;
use super::openapi::{LoginForm, Refusal};
use super::peer::Peer;
use super::{Edge, cookies, wanted, who};
use crate::auth::{random_key, sha256};
use crate::chat::{Name, Role};
use crate::store::{Account, StoreError};

/// Who is signed in, and a token for STOMP and for `Authorization: Bearer`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Grant {
    /// The account's name.
    name: String,
    /// A fresh token (JWT, HS256).
    token: String,
    /// What the person may do.
    role: Role,
    /// When the token ends, in milliseconds since the Unix epoch.
    expires_at: i64,
}

impl Grant {
    /// A fresh token for this account.
    pub(super) fn new(edge: &Edge, account: &Account) -> Result<Self, Problem> {
        let issued = edge
            .tokens
            .issue(&account.name, account.role, account.token_epoch)
            .map_err(|e| Problem::internal(&format!("no token could be issued: {e}")))?;
        let (token, expires_at) = (issued.token, issued.expires_at);
        Ok(Self { name: account.name.to_string(), token, role: account.role, expires_at })
    }
}

/// Signs in with a name and a password.
///
/// A form is answered with a redirect: to `next`, to the page that was wanted, or to the room list; to
/// `/login?error` when name or password are wrong. JSON is answered with JSON. Both set the session cookie.
#[utoipa::path(
    post, path = "/login", tag = "people",
    params(("next" = Option<String>, Query, description = "where to go afterwards: a path of the chat")),
    request_body(content((LoginForm = "application/json"), (LoginForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "signed in (JSON)", body = Grant),
        (status = 302, description = "signed in, or not (form)"),
        Refusal,
    ),
)]
pub(super) async fn login(
    State(edge): State<Arc<Edge>>,
    peer: Peer,
    headers: HeaderMap,
    QueryFields(query): QueryFields,
    fields: Fields,
) -> Result<Response, Problem> {
    let (username, password) = (fields.text("username")?, fields.text("password")?);
    let asked = [fields.maybe_text("next")?, query.maybe_text("next")?].into_iter().flatten();
    let next = asked.filter_map(|path| wanted::local(&path).map(str::to_owned)).next();
    // A task of its own: hanging up does not stop the count.
    let checking = tokio::spawn(checked(Arc::clone(&edge), peer.clone(), username, password));
    let account = checking.await.map_err(|e| Problem::internal(&e))??;
    match account {
        Some(account) => signed_in(&edge, &peer, &headers, account, next, fields.is_json()).await,
        None if fields.is_json() => Err(Problem::new(StatusCode::UNAUTHORIZED, "bad_credentials")
            .detail("name or password are wrong; check both, or ask an administrator for a new password")),
        None => {
            let mut response = wanted::found("/login?error");
            if let Some(path) = next {
                response.headers_mut().append(SET_COOKIE, cookies::set_next(&path, peer.https));
            }
            Ok(response)
        }
    }
}

/// Signs out: the session ends here, not only in the browser.
#[utoipa::path(
    method(get, post), path = "/logout", tag = "people",
    responses((status = 302, description = "to /login?logout; the cookie is gone"), Refusal),
)]
pub(super) async fn logout(State(edge): State<Arc<Edge>>, peer: Peer, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(key) = cookies::session_key(&headers) {
        who::count(&peer, &edge)?;
        edge.store.delete_login(sha256(&key)).await?;
    }
    let mut response = wanted::found("/login?logout");
    response.headers_mut().append(SET_COOKIE, cookies::clear_session(peer.https));
    Ok(response)
}

/// The answer to somebody who has just proved who they are: a new session, and the end of the one before.
pub(super) async fn signed_in(
    edge: &Edge,
    peer: &Peer,
    headers: &HeaderMap,
    account: Account,
    next: Option<String>,
    as_json: bool,
) -> Result<Response, Problem> {
    if let Some(old) = cookies::session_key(headers) {
        edge.store.delete_login(sha256(&old)).await?;
    }
    let key = random_key();
    // The account may have changed since its password was checked.
    let added = edge.store.add_login(sha256(&key), &account, now_ms() + cookies::SESSION_MS).await;
    added.map_err(|error| match error {
        StoreError::AccountUnknown => Problem::new(StatusCode::UNAUTHORIZED, "bad_credentials")
            .detail("the account has changed this very moment; sign in again"),
        other => Problem::from(other),
    })?;
    let mut response = if as_json {
        Json(Grant::new(edge, &account)?).into_response()
    } else {
        let remembered = || cookies::next(headers).filter(|path| wanted::local(path).is_some());
        wanted::found(next.or_else(remembered).as_deref().unwrap_or(wanted::HOME))
    };
    let set = response.headers_mut();
    set.append(SET_COOKIE, cookies::set_session(key, peer.https));
    if cookies::next(headers).is_some() {
        set.append(SET_COOKIE, cookies::clear_next(peer.https));
    }
    Ok(response)
}

/// The problem of somebody who tried too often.
pub(super) fn too_many(reached: Reached) -> Problem {
    Problem::too_often("too_many_sign_ins", "too many tries to sign in", reached)
}

/// The account, if the password is its own and it may sign in.
async fn checked(edge: Arc<Edge>, peer: Peer, username: String, password: String) -> Result<Option<Account>, Problem> {
    let name = username.parse::<Name>().ok();
    edge.limiter.sign_in(peer.address, name.as_ref()).map_err(too_many)?;
    edge.limiter.sign_in_from(peer.address).map_err(too_many)?;
    let _turn = edge.turns.take().await?;
    // Again, now that those who came before have been counted.
    edge.limiter.sign_in(peer.address, name.as_ref()).map_err(too_many)?;
    let account = match &name {
        Some(name) => edge.store.account(name).await?,
        None => None,
    };
    let hash = account.as_ref().map(|account| String::from_utf8_lossy(account.password_hash.expose()).into_owned());
    let right = edge.passwords.verify(password, hash).await?;
    let account = account.filter(|account| right && !account.disabled);
    match &account {
        Some(account) => edge.limiter.signed_in(&account.name),
        None => edge.limiter.sign_in_failed(peer.address, name.as_ref()),
    }
    Ok(account)
}
