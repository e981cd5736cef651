//! The account at the authority: made once, and kept for each directory.

use instant_acme::{Account, AccountCredentials, NewAccount};
use serde::{Deserialize, Serialize};

use super::failure::{Failure, Fate, insist};
use super::{Authority, Settings};
use crate::store::{Secret, Store};

/// An account as it is kept; the credentials hold its private key.
#[derive(Serialize, Deserialize)]
struct Kept {
    email: String,
    credentials: AccountCredentials,
}

/// The kept account, or a new one.
pub(super) async fn open(authority: &Authority, store: &Store, settings: &Settings) -> Result<Account, Failure> {
    let kept = store.kept(&place(settings)).await.map_err(|error| unkept(&error))?;
    let Some(kept) = kept.and_then(|kept| serde_json::from_slice::<Kept>(kept.expose()).ok()) else {
        return make(authority, store, settings).await;
    };
    let has_moved = kept.email != settings.email;
    let builder = Account::builder_with_http(Box::new(authority.clone()));
    // The credentials are needed once more where the address changed, and can be read but not copied.
    let again = if has_moved { serde_json::to_value(&kept.credentials).ok() } else { None };
    let account = builder.from_credentials(kept.credentials).await.map_err(|error| Failure::of(&error))?;
    if let Some(credentials) = again.and_then(|again| serde_json::from_value(again).ok()) {
        move_to(&account, credentials, store, settings).await;
    }
    Ok(account)
}

/// Forgets the kept account: the authority does not know it.
pub(super) async fn forget(store: &Store, settings: &Settings) -> Result<(), Failure> {
    store.forget(&place(settings)).await.map_err(|error| unkept(&error))
}

async fn make(authority: &Authority, store: &Store, settings: &Settings) -> Result<Account, Failure> {
    let contact = contact(settings);
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let builder = || Account::builder_with_http(Box::new(authority.clone()));
    let made = insist!(builder().create(&wanted, settings.directory.clone(), None));
    let (account, credentials) = made.map_err(|error| Failure::of(&error))?;
    keep(credentials, store, settings).await?;
    tracing::info!(directory = %settings.directory, "an account was made at the authority");
    Ok(account)
}

/// Tells the authority the new mail address. That it could not be told is no reason to go without a certificate.
async fn move_to(account: &Account, credentials: AccountCredentials, store: &Store, settings: &Settings) {
    let contact = contact(settings);
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let told = match insist!(account.update_contacts(&contact)) {
        Ok(()) => keep(credentials, store, settings).await,
        Err(error) => Err(Failure::of(&error)),
    };
    match told {
        Ok(()) => tracing::info!("the authority was told the new acme.email"),
        Err(failure) => tracing::warn!(cause = failure.words, "the authority could not be told the new acme.email"),
    }
}

async fn keep(credentials: AccountCredentials, store: &Store, settings: &Settings) -> Result<(), Failure> {
    let kept = Kept { email: settings.email.clone(), credentials };
    let json = serde_json::to_vec(&kept).map_err(|error| unkept(&error))?;
    store.keep(&place(settings), Secret::new(json)).await.map_err(|error| unkept(&error))
}

fn contact(settings: &Settings) -> Option<String> {
    (!settings.email.is_empty()).then(|| format!("mailto:{}", settings.email))
}

fn place(settings: &Settings) -> String {
    format!("acme/account/{}", settings.directory)
}

fn unkept(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("the account at the authority cannot be kept: {error}"), Fate::Open)
}
