use super::*;
use crate::chat::Role;
use crate::store::{Invitation, LOGINS_MAX, NewAccount, Secret, SigningKey, StoreError};

fn account(who: &str, role: Role, invitation: Option<[u8; 32]>) -> NewAccount {
    NewAccount { name: name(who), role, password_hash: Secret::new(*b"$argon2id$/\""), invitation }
}

fn signing_key(id: &str) -> SigningKey {
    SigningKey { id: id.into(), secret: Secret::new([200; 32]), created_at: 1_763_869_915_123 }
}

#[tokio::test]
async fn of_nodes_that_start_at_once_one_makes_the_signing_key_and_a_later_one_comes_before_it() {
    let server = RedisServer::start().await;
    let (one, two) = (server.node().await, server.node().await);
    assert_eq!(one.signing_keys().await, Ok(Vec::new()));
    let (a, b) = tokio::join!(one.first_signing_key(signing_key("a")), two.first_signing_key(signing_key("b")));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!((a.len(), &a), (1, &b));
    assert!(a[0] == signing_key("a") || a[0] == signing_key("b"));
    two.add_signing_key(signing_key("c")).await.unwrap();
    assert_eq!(one.signing_keys().await.unwrap(), [signing_key("c"), a[0].clone()]);
    let _: () = server.ask("LSET test:{all}:keys 0 {}").await;
    assert!(matches!(one.signing_keys().await, Err(StoreError::Unavailable(_))), "a damaged one is not passed over");
}

#[tokio::test]
async fn an_invitation_used_twice_at_once_makes_one_account() {
    let server = RedisServer::start().await;
    let (one, two) = (server.node().await, server.node().await);
    let expires_at = server.now().await + 60_000;
    one.add_invitation(Invitation { key: [1; 32], role: Role::Admin, expires_at }).await.unwrap();
    one.add_account(account("Kim", Role::User, None)).await.unwrap();
    let taken = one.add_account(account("KIM", Role::User, Some([1; 32]))).await;
    assert_eq!(taken, Err(StoreError::NameTaken), "which does not use it up");
    assert_eq!(one.has_admin().await, Ok(false));
    let (a, b) = tokio::join!(
        one.add_account(account("a", Role::User, Some([1; 32]))),
        two.add_account(account("b", Role::User, Some([1; 32])))
    );
    let (made, refused) = if a.is_ok() { (a, b) } else { (b, a) };
    assert_eq!((made.unwrap().role, refused), (Role::Admin, Err(StoreError::InvitationInvalid)));
    assert_eq!(two.accounts().await.unwrap().len(), 2);
    assert_eq!(two.has_admin().await, Ok(true));
}

#[tokio::test]
async fn a_name_is_taken_in_any_letter_case_at_once_and_kept_in_its_own() {
    let server = RedisServer::start().await;
    let (one, two) = (server.node().await, server.node().await);
    let (a, b) = tokio::join!(
        one.add_account(account("Ägäis", Role::User, None)),
        two.add_account(account("äGÄIS", Role::User, None))
    );
    let (made, refused) = if a.is_ok() { (a, b) } else { (b, a) };
    assert_eq!(refused, Err(StoreError::NameTaken));
    let made = made.unwrap();
    assert_eq!((made.token_epoch, made.disabled, made.password_hash.expose()), (0, false, &b"$argon2id$/\""[..]));
    assert!((server.now().await - made.created_at).abs() < 60_000);
    assert_eq!(one.account(name("ägäis")).await, Ok(Some(made)));
    assert_eq!(one.account(name("other")).await, Ok(None));
}

#[tokio::test]
async fn whatever_takes_a_right_away_ends_the_sessions_and_raises_the_epoch() {
    let server = RedisServer::start().await;
    let (one, two) = (server.node().await, server.node().await);
    one.add_account(account("a", Role::Admin, None)).await.unwrap();
    for step in 1..=3 {
        one.add_login([7; 32], name("a"), step - 1, i64::MAX).await.unwrap();
        assert!(two.login([7; 32]).await.unwrap().is_some());
        match step {
            1 => two.set_password(name("A"), Secret::new(*b"new")).await.unwrap(),
            2 => two.set_disabled(name("A"), true).await.unwrap(),
            _ => two.set_role(name("A"), Role::User).await.unwrap(),
        }
        assert_eq!(one.login([7; 32]).await, Ok(None));
        assert_eq!(one.has_admin().await, Ok(step == 1));
        let late = one.add_login([7; 32], name("a"), step - 1, i64::MAX).await;
        assert_eq!(late, Err(StoreError::AccountUnknown), "who proved who they are before");
        if step == 2 {
            assert_eq!(one.add_login([7; 32], name("a"), 2, i64::MAX).await, Err(StoreError::AccountUnknown));
            two.set_disabled(name("a"), false).await.unwrap();
            assert_eq!(one.has_admin().await, Ok(true));
        }
    }
    let now = one.account(name("a")).await.unwrap().unwrap();
    assert_eq!((now.token_epoch, now.role, now.disabled), (3, Role::User, false));
    assert_eq!(now.password_hash.expose(), b"new");
    assert_eq!(one.set_role(name("b"), Role::User).await, Err(StoreError::AccountUnknown));
    assert_eq!(server.keys().await, ["test:{all}:accounts", "test:{all}:changes"]);
}

#[tokio::test]
async fn a_further_sign_in_session_ends_the_oldest_of_its_account_and_nobody_elses() {
    let server = RedisServer::start().await;
    let (one, two) = (server.node().await, server.node().await);
    for who in ["a", "b"] {
        one.add_account(account(who, Role::User, None)).await.unwrap();
    }
    let now = server.now().await;
    let key = |n: usize| [u8::try_from(n).unwrap(); 32];
    let end = |n: usize| now + 60_000 + i64::try_from(n).unwrap();
    one.add_login(key(200), name("b"), 0, end(0)).await.unwrap();
    // The keys fall, so that it is not their order which decides.
    for n in 0..LOGINS_MAX + 3 {
        let node = if n % 2 == 0 { &one } else { &two };
        node.add_login(key(100 - n), name("A"), 0, end(n)).await.unwrap();
    }
    for n in 0..LOGINS_MAX + 3 {
        assert_eq!(one.login(key(100 - n)).await.unwrap().is_some(), n >= 3, "{n}");
    }
    assert!(one.login(key(200)).await.unwrap().is_some());
    one.add_login(key(1), name("a"), 0, end(0)).await.unwrap();
    assert!(two.login(key(1)).await.unwrap().is_some(), "the newest stays though another lasts longer");
    assert_eq!(server.ask::<usize>("ZCARD test:{all}:logins:a").await, LOGINS_MAX);
    two.delete_login(key(1)).await.unwrap();
    two.delete_login(key(1)).await.unwrap();
    assert_eq!(one.login(key(1)).await, Ok(None));
    assert_eq!(server.ask::<usize>("ZCARD test:{all}:logins:a").await, LOGINS_MAX - 1);
}

#[tokio::test]
async fn an_invitation_and_a_sign_in_session_end_at_their_time_and_leave_nothing() {
    let server = RedisServer::start().await;
    let node = server.node().await;
    node.add_account(account("a", Role::User, None)).await.unwrap();
    let expires_at = server.now().await + 300;
    node.add_login([2; 32], name("a"), 0, expires_at).await.unwrap();
    node.add_login([3; 32], name("a"), 0, expires_at - 10_000).await.unwrap();
    node.add_invitation(Invitation { key: [1; 32], role: Role::User, expires_at }).await.unwrap();
    node.add_invitation(Invitation { key: [4; 32], role: Role::User, expires_at: 0 }).await.unwrap();
    assert_eq!(node.login([3; 32]).await, Ok(None));
    until("they ended", async || server.now().await > expires_at).await;
    assert_eq!(node.login([2; 32]).await, Ok(None));
    for key in [[1; 32], [4; 32]] {
        let late = node.add_account(account("b", Role::User, Some(key))).await;
        assert_eq!(late, Err(StoreError::InvitationInvalid));
    }
    assert_eq!(server.keys().await, ["test:{all}:accounts"]);
}

#[tokio::test]
async fn an_account_that_cannot_be_read_takes_nothing_from_others_and_keeps_its_name() {
    let server = RedisServer::start().await;
    let node = server.node().await;
    for who in ["c", "a"] {
        node.add_account(account(who, Role::User, None)).await.unwrap();
    }
    let _: () = server.ask("HSET test:{all}:accounts b {\"name\": d {").await;
    let listed: Vec<Name> = node.accounts().await.unwrap().into_iter().map(|account| account.name).collect();
    assert_eq!(listed, [name("a"), name("c")]);
    assert_eq!(node.account(name("b")).await, Ok(None));
    assert_eq!(node.add_account(account("B", Role::User, None)).await, Err(StoreError::NameTaken));
    assert_eq!(node.set_role(name("b"), Role::User).await, Err(StoreError::AccountUnknown));
    assert_eq!(node.add_login([1; 32], name("b"), 0, i64::MAX).await, Err(StoreError::AccountUnknown));
}
