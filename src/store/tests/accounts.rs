//! Accounts, sign-in sessions, invitations and signing keys.

use super::*;
use crate::store::{Account, Invitation, LOGINS_MAX, SigningKey};

on_each_store![
    a_name_is_taken_in_any_letter_case_and_kept_in_its_own,
    an_invitation_makes_one_account_with_its_own_role,
    an_invitation_and_a_sign_in_session_end_at_their_time,
    whatever_takes_a_right_away_ends_the_sessions_and_raises_the_epoch,
    a_disabled_administrator_does_not_count,
    accounts_are_listed_by_name,
    signing_out_ends_one_session_and_an_unknown_one_is_no_error,
    a_further_sign_in_session_ends_the_oldest_of_its_account_and_nobody_elses,
    the_newest_signing_key_comes_first,
    the_first_signing_key_is_made_once,
    who_proved_who_they_are_before_their_sessions_were_ended_gets_no_new_one,
    an_account_that_is_known_is_read_again_once_it_has_changed,
];

fn invited(who: &str, by: u8) -> NewAccount {
    NewAccount { invitation: Some([by; 32]), ..account(who, Role::User) }
}

fn by(key: u8) -> [u8; 32] {
    [key; 32]
}

/// The account as it was when its epoch was this.
async fn proved(house: &House, who: &str, token_epoch: u32) -> Account {
    Account { token_epoch, ..house.store.account(&name(who)).await.unwrap().unwrap() }
}

async fn a_name_is_taken_in_any_letter_case_and_kept_in_its_own(on: On) {
    let house = House::new(on).await;
    let made = house.store.add_account(account("Ägäis", Role::User)).await.unwrap();
    assert_eq!(house.store.add_account(account("äGÄIS", Role::User)).await, Err(StoreError::NameTaken));
    assert_eq!(house.store.account(&name("ÄGÄIS")).await.unwrap().unwrap(), made);
    assert_eq!((made.name.as_str(), made.token_epoch, made.disabled), ("Ägäis", 0, false));
    assert_eq!(house.store.account(&name("other")).await, Ok(None));
}

async fn an_invitation_makes_one_account_with_its_own_role(on: On) {
    let house = House::new(on).await;
    let expires_at = house.now() + MINUTE_MS;
    house.store.add_invitation(Invitation { key: by(1), role: Role::Admin, expires_at }).await.unwrap();
    house.store.add_account(account("a", Role::User)).await.unwrap();
    assert_eq!(house.store.add_account(invited("A", 1)).await, Err(StoreError::NameTaken), "which does not use it up");
    assert!(!house.store.has_admin().await.unwrap());
    let made = house.store.add_account(invited("b", 1)).await.unwrap();
    assert_eq!(made.role, Role::Admin);
    assert!(house.store.has_admin().await.unwrap());
    assert_eq!(house.store.add_account(invited("c", 1)).await, Err(StoreError::InvitationInvalid));
}

async fn an_invitation_and_a_sign_in_session_end_at_their_time(on: On) {
    let house = House::alone(on, Settings::default()).await;
    let expires_at = house.now() + MINUTE_MS;
    let made = house.store.add_account(account("a", Role::User)).await.unwrap();
    house.store.add_login(by(2), &made, expires_at).await.unwrap();
    house.store.add_invitation(Invitation { key: by(1), role: Role::User, expires_at }).await.unwrap();
    assert_eq!(house.store.login(by(2)).await.unwrap().unwrap().name, name("a"));
    house.pass(1);
    assert_eq!(house.store.login(by(2)).await, Ok(None));
    assert_eq!(house.store.add_account(invited("b", 1)).await, Err(StoreError::InvitationInvalid));
}

async fn whatever_takes_a_right_away_ends_the_sessions_and_raises_the_epoch(on: On) {
    let house = House::new(on).await;
    let store = &house.store;
    store.add_account(account("a", Role::Admin)).await.unwrap();
    for step in 1..=3 {
        store.add_login(by(7), &proved(&house, "a", step - 1).await, i64::MAX).await.unwrap();
        assert!(store.login(by(7)).await.unwrap().is_some());
        match step {
            1 => store.set_password(&name("A"), Secret::new(*b"new")).await.unwrap(),
            2 => store.set_role(&name("A"), Role::User).await.unwrap(),
            _ => store.set_disabled(&name("A"), true).await.unwrap(),
        }
        assert_eq!(store.login(by(7)).await, Ok(None));
        assert_eq!(store.account(&name("a")).await.unwrap().unwrap().token_epoch, step);
    }
    store.set_disabled(&name("a"), false).await.unwrap();
    let now = store.account(&name("a")).await.unwrap().unwrap();
    assert_eq!((now.token_epoch, now.role, now.disabled), (3, Role::User, false));
    assert_eq!(now.password_hash.expose(), b"new");
    assert_eq!(store.set_role(&name("b"), Role::User).await, Err(StoreError::AccountUnknown));
    assert_eq!(store.set_disabled(&name("b"), true).await, Err(StoreError::AccountUnknown));
    assert_eq!(store.set_password(&name("b"), Secret::new(*b"x")).await, Err(StoreError::AccountUnknown));
    let nobody = Account { name: name("b"), ..now };
    assert_eq!(store.add_login(by(8), &nobody, i64::MAX).await, Err(StoreError::AccountUnknown));
}

async fn a_disabled_administrator_does_not_count(on: On) {
    let house = House::new(on).await;
    house.store.add_account(account("a", Role::Admin)).await.unwrap();
    house.store.set_disabled(&name("a"), true).await.unwrap();
    assert_eq!(house.store.has_admin().await, Ok(false));
}

async fn accounts_are_listed_by_name(on: On) {
    let house = House::new(on).await;
    for who in ["나", "c", "A", "가", "b"] {
        house.store.add_account(account(who, Role::User)).await.unwrap();
    }
    let listed: Vec<_> = house.store.accounts().await.unwrap().into_iter().map(|account| account.name).collect();
    assert_eq!(listed, ["A", "b", "c", "가", "나"].map(name));
}

async fn signing_out_ends_one_session_and_an_unknown_one_is_no_error(on: On) {
    let house = House::new(on).await;
    let made = house.store.add_account(account("a", Role::User)).await.unwrap();
    house.store.add_login(by(1), &made, i64::MAX).await.unwrap();
    house.store.add_login(by(2), &made, i64::MAX).await.unwrap();
    house.store.delete_login(by(1)).await.unwrap();
    house.store.delete_login(by(1)).await.unwrap();
    assert_eq!(house.store.login(by(1)).await, Ok(None));
    assert!(house.store.login(by(2)).await.unwrap().is_some());
}

async fn a_further_sign_in_session_ends_the_oldest_of_its_account_and_nobody_elses(on: On) {
    let house = House::new(on).await;
    let key = |n: usize| by(u8::try_from(n).unwrap());
    let a = house.store.add_account(account("a", Role::User)).await.unwrap();
    let b = house.store.add_account(account("b", Role::User)).await.unwrap();
    let now = house.now();
    let end = |n: usize| now + MINUTE_MS + i64::try_from(n).unwrap();
    house.store.add_login(key(200), &b, end(0)).await.unwrap();
    // The keys fall, so that it is not their order which decides.
    for n in 0..LOGINS_MAX + 3 {
        house.store.add_login(key(100 - n), &a, end(n)).await.unwrap();
    }
    for n in 0..LOGINS_MAX + 3 {
        assert_eq!(house.store.login(key(100 - n)).await.unwrap().is_some(), n >= 3, "{n}");
    }
    assert!(house.store.login(key(200)).await.unwrap().is_some());
    house.store.add_login(key(1), &a, end(0)).await.unwrap();
    assert!(house.store.login(key(1)).await.unwrap().is_some(), "the newest stays though another lasts longer");
}

fn signing_key(id: &str) -> SigningKey {
    SigningKey { id: id.into(), secret: Secret::new([3; 32]), created_at: 5 }
}

fn ids(keys: &[SigningKey]) -> Vec<&str> {
    keys.iter().map(|key| key.id.as_str()).collect()
}

async fn the_newest_signing_key_comes_first(on: On) {
    let mut house = House::new(on).await;
    for id in ["a", "b"] {
        house.store.add_signing_key(signing_key(id)).await.unwrap();
    }
    house.restart().await;
    let keys = house.store.signing_keys().await.unwrap();
    assert_eq!(ids(&keys), ["b", "a"]);
    assert_eq!(keys[0].secret.expose(), [3; 32]);
}

async fn the_first_signing_key_is_made_once(on: On) {
    let house = House::new(on).await;
    let first = |id| house.store.first_signing_key(signing_key(id));
    let (a, b) = tokio::join!(first("a"), first("b"));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.len(), 1);
    assert_eq!(ids(&a), ids(&b));
    house.store.add_signing_key(signing_key("c")).await.unwrap();
    assert_eq!(ids(&first("d").await.unwrap()), ["c", &a[0].id]);
}

async fn who_proved_who_they_are_before_their_sessions_were_ended_gets_no_new_one(on: On) {
    let house = House::new(on).await;
    let made = house.store.add_account(account("a", Role::User)).await.unwrap();
    house.store.set_password(&name("a"), Secret::new(*b"another")).await.unwrap();
    assert_eq!(house.store.add_login(by(1), &made, i64::MAX).await, Err(StoreError::AccountUnknown));
    house.store.add_login(by(1), &proved(&house, "a", 1).await, i64::MAX).await.unwrap();
    house.store.set_disabled(&name("a"), true).await.unwrap();
    let late = house.store.add_login(by(2), &proved(&house, "a", 2).await, i64::MAX).await;
    assert_eq!(late, Err(StoreError::AccountUnknown));
}

async fn an_account_that_is_known_is_read_again_once_it_has_changed(on: On) {
    let house = House::new(on).await;
    house.store.add_account(account("a", Role::User)).await.unwrap();
    let epoch = async || house.store.account(&name("a")).await.unwrap().unwrap().token_epoch;
    assert_eq!((epoch().await, epoch().await), (0, 0));
    house.store.set_password(&name("a"), Secret::new(*b"another")).await.unwrap();
    assert_eq!(epoch().await, 1, "by this process: at once");
    house.admin().await.set_role(&name("a"), Role::Guest).await.unwrap();
    until("another process's change is seen", async || epoch().await == 2).await;
}
