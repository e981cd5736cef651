//! Making accounts: the first administrator, open sign-up, invitations; and who one is.
//!
//! Invariant: no account comes into being without the setup key, an invitation, or `auth.sign_up = "open"`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::Edge;
use super::edge::now_ms;
use super::error::Problem;
use super::fields::Fields;
use super::limit::Reached;
use super::login::{Grant, signed_in, too_many};
use super::openapi::{InviteForm, Refusal, SetupForm, SignUpForm};
use super::peer::Peer;
use super::who::{Admin, Chatter};
use crate::auth::{random_key, sha256};
use crate::chat::{Invalid, Role};
use crate::config::SignUp;
use crate::store::{Account, Invitation, NewAccount, Secret, StoreError};

const INVITATION_HOURS: u64 = 72;
const INVITATION_HOURS_MAX: u64 = 720;
const HOUR_MS: i64 = 60 * 60 * 1000;

/// A permission to make one account.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invited {
    /// The page where the account is made: send this to the person.
    link: String,
    /// The key in that link. It is not kept: this is the only time it is shown.
    key: String,
    /// The role of the account to be.
    role: Role,
    /// When it ends, in milliseconds since the Unix epoch.
    expires_at: i64,
}

/// Who is signed in, with a fresh token for STOMP.
#[utoipa::path(
    get, path = "/chat/user", tag = "people",
    responses((status = 200, description = "the person and a token", body = Grant), Refusal),
)]
pub(super) async fn user(State(edge): State<Arc<Edge>>, Chatter(account): Chatter) -> Result<Json<Grant>, Problem> {
    Grant::new(&edge, &account).map(Json)
}

/// Makes the first administrator, with the one-time key that the server printed when it started.
#[utoipa::path(
    post, path = "/setup", tag = "people",
    request_body(content((SetupForm = "application/json"), (SetupForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "made and signed in (JSON)", body = Grant),
        (status = 302, description = "made and signed in (form)"),
        Refusal,
    ),
)]
pub(super) async fn setup(
    State(edge): State<Arc<Edge>>,
    peer: Peer,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    // The command line may have made an administrator meanwhile.
    if edge.store.has_admin().await? {
        return Err(setup_done());
    }
    if !edge.setup.is(&fields.text("key")?) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "setup_key_wrong").field("key").detail(
            "this is not the key of the link that the server printed when it started last; use that link, \
             or run `sarangbang setup` on the server",
        ));
    }
    let account = NewAccount {
        name: fields.text("username")?.parse()?,
        role: Role::Admin,
        password_hash: hashed(&edge, fields.text("password")?).await?,
        invitation: None,
    };
    let claim = edge.setup.claim().ok_or_else(setup_done)?;
    if edge.store.has_admin().await? {
        return Err(setup_done());
    }
    let account = edge.store.add_account(account).await?;
    claim.spend();
    signed_in(&edge, &peer, &headers, account, None, fields.is_json()).await
}

/// Makes an account: with an invitation, or for everybody where the operator has opened that.
#[utoipa::path(
    post, path = "/signup", tag = "people",
    request_body(content((SignUpForm = "application/json"), (SignUpForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "made and signed in (JSON)", body = Grant),
        (status = 302, description = "made and signed in (form)"),
        Refusal,
    ),
)]
pub(super) async fn signup(
    State(edge): State<Arc<Edge>>,
    peer: Peer,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    let invite = fields.maybe_text("invite")?.filter(|key| !key.is_empty());
    if invite.is_none() && edge.config.auth.sign_up == SignUp::Closed {
        return Err(Problem::new(StatusCode::FORBIDDEN, "sign_up_closed")
            .detail("this server has no open sign-up; ask an administrator for an invitation link"));
    }
    let new = NewAccount {
        name: fields.text("username")?.parse()?,
        role: Role::User,
        password_hash: Secret::new(Vec::new()),
        invitation: invite.as_deref().map(sha256),
    };
    // A task of its own: hanging up does not stop the count.
    let making = tokio::spawn(made(Arc::clone(&edge), peer.clone(), new, fields.text("password")?));
    let account = making.await.map_err(|e| Problem::internal(&e))??;
    signed_in(&edge, &peer, &headers, account, None, fields.is_json()).await
}

/// Makes an invitation link.
#[utoipa::path(
    post, path = "/chat/invite", tag = "people",
    request_body(content((InviteForm = "application/json"), (InviteForm = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "the link, shown this once", body = Invited), Refusal),
)]
pub(super) async fn invite(
    State(edge): State<Arc<Edge>>,
    _: Admin,
    peer: Peer,
    fields: Fields,
) -> Result<Json<Invited>, Problem> {
    let role = match fields.maybe_text("role")? {
        Some(role) => role.parse()?,
        None => Role::User,
    };
    if role == Role::Admin {
        let reason = "an invitation is for user or guest; `sarangbang user role` makes administrators";
        return Err(Invalid::rule("role", reason).into());
    }
    let hours = fields.maybe_number("hours", 1..=INVITATION_HOURS_MAX)?.unwrap_or(INVITATION_HOURS);
    let expires_at = now_ms() + i64::try_from(hours).unwrap_or(1) * HOUR_MS;
    let key = random_key();
    edge.store.add_invitation(Invitation { key: sha256(&key), role, expires_at }).await?;
    let link = format!("{}/signup?invite={key}", peer.base_url(edge.config.listen));
    Ok(Json(Invited { link, key, role, expires_at }))
}

/// Makes the account. Guessing invitations, and hashing for nothing, costs as much as guessing passwords.
async fn made(edge: Arc<Edge>, peer: Peer, new: NewAccount, password: String) -> Result<Account, Problem> {
    let is_open = new.invitation.is_none();
    let may = || {
        edge.limiter.sign_in(peer.address, None).map_err(too_many)?;
        if is_open { edge.limiter.sign_up(peer.address).map_err(too_many_accounts) } else { Ok(()) }
    };
    may()?;
    edge.limiter.sign_in_from(peer.address).map_err(too_many)?;
    let _turn = edge.turns.take().await?;
    may()?;
    let password_hash = hashed(&edge, password).await?;
    let made = edge.store.add_account(NewAccount { password_hash, ..new }).await;
    match made {
        Ok(_) if is_open => edge.limiter.signed_up(peer.address),
        Err(StoreError::InvitationInvalid | StoreError::NameTaken) => edge.limiter.sign_in_failed(peer.address, None),
        _ => {}
    }
    Ok(made?)
}

fn too_many_accounts(reached: Reached) -> Problem {
    let what = "too many accounts were made from this address (an invitation of an administrator is not counted)";
    Problem::too_often("too_many_accounts", what, reached)
}

fn setup_done() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "setup_done")
        .detail("this server has its administrator already; sign in at /login, or ask for an invitation")
}

async fn hashed(edge: &Edge, password: String) -> Result<Secret, Problem> {
    Ok(Secret::new(edge.passwords.hash(password).await?.into_bytes()))
}
