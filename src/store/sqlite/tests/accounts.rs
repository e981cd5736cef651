use super::*;
use crate::chat::Role;
use crate::store::{Invitation, LOGINS_MAX, NewAccount, Secret, SigningKey, StoreError};

fn account(who: &str, role: Role, invitation: Option<[u8; 32]>) -> NewAccount {
    NewAccount { name: name(who), role, password_hash: Secret::new(*b"hash"), invitation }
}

#[tokio::test]
async fn a_name_is_taken_in_any_letter_case_and_kept_in_its_own() {
    let house = House::new();
    let made = house.store.add_account(account("Ägäis", Role::User, None)).await.unwrap();
    assert_eq!(house.store.add_account(account("äGÄIS", Role::User, None)).await, Err(StoreError::NameTaken));
    assert_eq!(house.store.account(name("ÄGÄIS")).await.unwrap().unwrap(), made);
    assert_eq!((made.name.as_str(), made.token_epoch, made.disabled), ("Ägäis", 0, false));
    assert_eq!(house.store.account(name("other")).await, Ok(None));
}

#[tokio::test]
async fn an_invitation_makes_one_account_with_its_own_role() {
    let house = House::new();
    let expires_at = wall_clock() + 60_000;
    house.store.add_invitation(Invitation { key: [1; 32], role: Role::Admin, expires_at }).await.unwrap();
    house.store.add_account(account("a", Role::User, None)).await.unwrap();
    let taken = house.store.add_account(account("A", Role::User, Some([1; 32]))).await;
    assert_eq!(taken, Err(StoreError::NameTaken), "which does not use it up");
    assert!(!house.store.has_admin().await.unwrap());
    let made = house.store.add_account(account("b", Role::User, Some([1; 32]))).await.unwrap();
    assert_eq!(made.role, Role::Admin);
    assert!(house.store.has_admin().await.unwrap());
    let again = house.store.add_account(account("c", Role::User, Some([1; 32]))).await;
    assert_eq!(again, Err(StoreError::InvitationInvalid));
}

#[tokio::test]
async fn an_invitation_and_a_sign_in_session_end_at_their_time() {
    let house = House::new();
    let expires_at = wall_clock() + 60_000;
    house.store.add_account(account("a", Role::User, None)).await.unwrap();
    house.store.add_login([2; 32], name("A"), 0, expires_at).await.unwrap();
    house.store.add_invitation(Invitation { key: [1; 32], role: Role::User, expires_at }).await.unwrap();
    assert_eq!(house.store.login([2; 32]).await.unwrap().unwrap().name, name("a"));
    house.pass(1);
    assert_eq!(house.store.login([2; 32]).await, Ok(None));
    let late = house.store.add_account(account("b", Role::User, Some([1; 32]))).await;
    assert_eq!(late, Err(StoreError::InvitationInvalid));
    let rows = "SELECT (SELECT count(*) FROM login) + (SELECT count(*) FROM invitation)";
    while house.store.read_with(Lane::Page, |file| Ok(file.query_row(rows, [], |r| r.get(0))?)).await != Ok(0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn whatever_takes_a_right_away_ends_the_sessions_and_raises_the_epoch() {
    let house = House::new();
    let store = &house.store;
    store.add_account(account("a", Role::Admin, None)).await.unwrap();
    for step in 1..=3 {
        store.add_login([7; 32], name("a"), step - 1, i64::MAX).await.unwrap();
        match step {
            1 => store.set_password(name("A"), Secret::new(*b"new")).await.unwrap(),
            2 => store.set_role(name("A"), Role::User).await.unwrap(),
            _ => store.set_disabled(name("A"), true).await.unwrap(),
        }
        assert_eq!(store.login([7; 32]).await, Ok(None));
        assert_eq!(store.account(name("a")).await.unwrap().unwrap().token_epoch, step);
    }
    store.set_disabled(name("a"), false).await.unwrap();
    let now = store.account(name("a")).await.unwrap().unwrap();
    assert_eq!((now.token_epoch, now.role, now.disabled), (3, Role::User, false));
    assert_eq!(now.password_hash.expose(), b"new");
    assert_eq!(store.set_role(name("b"), Role::User).await, Err(StoreError::AccountUnknown));
    assert_eq!(store.add_login([8; 32], name("b"), 0, i64::MAX).await, Err(StoreError::AccountUnknown));
}

#[tokio::test]
async fn a_disabled_administrator_does_not_count() {
    let house = House::new();
    house.store.add_account(account("a", Role::Admin, None)).await.unwrap();
    house.store.set_disabled(name("a"), true).await.unwrap();
    assert_eq!(house.store.has_admin().await, Ok(false));
}

#[tokio::test]
async fn signing_out_ends_one_session_and_an_unknown_one_is_no_error() {
    let house = House::new();
    house.store.add_account(account("a", Role::User, None)).await.unwrap();
    house.store.add_login([1; 32], name("a"), 0, i64::MAX).await.unwrap();
    house.store.add_login([2; 32], name("a"), 0, i64::MAX).await.unwrap();
    house.store.delete_login([1; 32]).await.unwrap();
    house.store.delete_login([1; 32]).await.unwrap();
    assert_eq!(house.store.login([1; 32]).await, Ok(None));
    assert!(house.store.login([2; 32]).await.unwrap().is_some());
}

#[tokio::test]
async fn a_further_sign_in_session_ends_the_oldest_of_its_account_and_nobody_elses() {
    let house = House::new();
    let key = |n: usize| [u8::try_from(n).unwrap(); 32];
    for who in ["a", "b"] {
        house.store.add_account(account(who, Role::User, None)).await.unwrap();
    }
    let end = |n: usize| wall_clock() + 60_000 + i64::try_from(n).unwrap();
    house.store.add_login(key(200), name("b"), 0, end(0)).await.unwrap();
    // The keys fall, so that it is not their order which decides.
    for n in 0..LOGINS_MAX + 3 {
        house.store.add_login(key(100 - n), name("A"), 0, end(n)).await.unwrap();
    }
    for n in 0..LOGINS_MAX + 3 {
        assert_eq!(house.store.login(key(100 - n)).await.unwrap().is_some(), n >= 3, "{n}");
    }
    assert!(house.store.login(key(200)).await.unwrap().is_some());
    house.store.add_login(key(1), name("a"), 0, end(0)).await.unwrap();
    assert!(house.store.login(key(1)).await.unwrap().is_some(), "the newest stays though another lasts longer");
}

#[tokio::test]
async fn the_newest_signing_key_comes_first() {
    let mut house = House::new();
    for id in ["a", "b"] {
        let key = SigningKey { id: id.into(), secret: Secret::new([3; 32]), created_at: 5 };
        house.store.add_signing_key(key).await.unwrap();
    }
    house.restart().await;
    let keys = house.store.signing_keys().await.unwrap();
    assert_eq!(keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(keys[0].secret.expose(), [3; 32]);
}

#[tokio::test]
async fn who_proved_who_they_are_before_their_sessions_were_ended_gets_no_new_one() {
    let house = House::new();
    house.store.add_account(account("a", Role::User, None)).await.unwrap();
    house.store.set_password(name("a"), Secret::new(*b"another")).await.unwrap();
    assert_eq!(house.store.add_login([1; 32], name("a"), 0, i64::MAX).await, Err(StoreError::AccountUnknown));
    house.store.add_login([1; 32], name("a"), 1, i64::MAX).await.unwrap();
    house.store.set_disabled(name("a"), true).await.unwrap();
    assert_eq!(house.store.add_login([2; 32], name("a"), 2, i64::MAX).await, Err(StoreError::AccountUnknown));
}

#[tokio::test]
async fn an_account_that_is_known_is_read_again_once_it_has_changed() {
    let house = House::new();
    house.store.add_account(account("a", Role::User, None)).await.unwrap();
    let epoch = async || house.store.account(name("a")).await.unwrap().unwrap().token_epoch;
    assert_eq!((epoch().await, epoch().await), (0, 0));
    house.store.set_password(name("a"), Secret::new(*b"another")).await.unwrap();
    assert_eq!(epoch().await, 1, "by this process: at once");
    house.admin().set_role(name("a"), Role::Guest).await.unwrap();
    let began = std::time::Instant::now();
    while epoch().await != 2 {
        assert!(began.elapsed() < Duration::from_secs(4), "by another process: within the look for its news");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
