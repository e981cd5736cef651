//! Signing in and out, and being signed in.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::chat::Limits;

async fn house() -> House {
    // One more guess a minute: a machine that takes its time over passwords must not be given more of them meanwhile.
    let limits = Limits { failed_sign_ins_per_minute: 1, ..Limits::default() };
    let house = House::with(Config { limits, ..Config::default() }).await;
    house.account("happydaddy", Role::User).await;
    house
}

fn right() -> Call {
    post("/login").json(&json!({"username": "happydaddy", "password": PASSWORD}))
}

fn wrong() -> Call {
    wrong_of("happydaddy")
}

fn wrong_of(name: &str) -> Call {
    post("/login").json(&json!({"username": name, "password": "wrong"}))
}

#[tokio::test]
async fn json_is_answered_with_who_one_is_a_token_and_a_cookie() {
    let house = house().await;
    let answer = house.call(right()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let grant = answer.json();
    assert_eq!((&grant["name"], &grant["role"]), (&"happydaddy".into(), &"user".into()));
    let lasts = grant["expiresAt"].as_i64().unwrap() - now_ms();
    assert!((3_590_000..=3_601_000).contains(&lasts), "{lasts}");
    let set = answer.cookies()[0];
    assert!(set.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000"), "{set}");

    let token = format!("Bearer {}", grant["token"].as_str().unwrap());
    for signed_in in [get("/chat/user").cookie(&answer.session()), get("/chat/user").header("authorization", token)] {
        let user = house.call(signed_in).await;
        assert_eq!((user.status.as_u16(), &user.json()["name"]), (200, &"happydaddy".into()));
        assert!(house.edge.tokens.verify(user.json()["token"].as_str().unwrap()).is_ok());
    }
}

#[tokio::test]
async fn a_form_is_answered_with_redirects() {
    let house = house().await;
    let form = |password: &str| post("/login").form(&format!("username=happydaddy&password={password}"));
    let answer = house.call(form("correct+horse")).await;
    answer.leads_to("/chat/room");
    assert_eq!(house.call(get("/chat/user").cookie(&answer.session())).await.status, 200);
    let answer = house.call(form("wrong")).await;
    answer.leads_to("/login?error");
    assert!(answer.cookies().is_empty());
    house.call(post("/login").form("")).await.leads_to("/login?error");
}

#[tokio::test]
async fn the_name_in_the_answer_is_the_accounts_own() {
    let house = house().await;
    let answer = house.call(post("/login").json(&json!({"username": "HAPPYdaddy", "password": PASSWORD}))).await;
    assert_eq!(answer.json()["name"], "happydaddy");
}

#[tokio::test]
async fn a_wrong_name_is_answered_like_a_wrong_password_and_takes_as_long() {
    let house = house().await;
    let timed = async |username: &str| {
        let call = post("/login").json(&json!({"username": username, "password": "wrong"}));
        let start = Instant::now();
        let answer = house.call(call).await;
        answer.problem(401, "bad_credentials");
        (answer.text(), start.elapsed())
    };
    let (said, mut took) = timed("happydaddy").await;
    for _ in 0..3 {
        // The machine may have had other things to do.
        took = took.min(timed("happydaddy").await.1);
    }
    for nobody in ["nobody", "not a name at all!"] {
        let (also, as_long) = timed(nobody).await;
        assert_eq!(said, also);
        assert!(as_long > took / 4 && as_long > Duration::from_millis(1), "{took:?} against {as_long:?}");
    }
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once_by_cookie_and_by_token() {
    let house = house().await;
    let answer = house.call(right()).await;
    let token = format!("Bearer {}", answer.json()["token"].as_str().unwrap());
    house.edge.store.set_disabled(&"happydaddy".parse().unwrap(), true).await.unwrap();
    house.call(get("/chat/user").program().cookie(&answer.session())).await.problem(401, "not_signed_in");
    house.call(get("/chat/user").header("authorization", token)).await.problem(401, "user_disabled");
    house.call(right()).await.problem(401, "bad_credentials");
}

#[tokio::test]
async fn a_token_from_before_a_new_password_is_revoked() {
    let house = house().await;
    let token = format!("Bearer {}", house.call(right()).await.json()["token"].as_str().unwrap());
    house.edge.store.set_password(&"happydaddy".parse().unwrap(), Secret::new(*b"x")).await.unwrap();
    let answer = house.call(get("/chat/rooms").header("authorization", token)).await;
    answer.problem(401, "token_invalid");
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
    house.call(get("/chat/rooms").header("authorization", "Bearer x")).await.problem(401, "token_malformed");
}

#[tokio::test]
async fn a_bad_token_is_not_made_good_by_a_cookie() {
    let house = House::new().await;
    let cookie = house.cookie("happydaddy", Role::User).await;
    let answer = house.call(get("/chat/rooms").cookie(&cookie).header("authorization", "Bearer x")).await;
    answer.problem(401, "token_malformed");
}

#[tokio::test]
async fn signing_out_ends_the_session_on_the_server_too() {
    let house = House::new().await;
    let cookie = house.cookie("happydaddy", Role::User).await;
    for method in ["GET", "POST"] {
        let answer = house.call(call(method, "/logout").cookie(&cookie)).await;
        answer.leads_to("/login?logout");
        assert_eq!(answer.cookies(), ["sarangbang=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"]);
        house.call(get("/chat/user").program().cookie(&cookie)).await.problem(401, "not_signed_in");
    }
    house.call(get("/logout")).await.leads_to("/login?logout");
}

#[tokio::test]
async fn signing_in_again_ends_the_session_before() {
    let house = house().await;
    let first = house.call(right()).await.session();
    let second = house.call(right().cookie(&first)).await.session();
    assert_ne!(first, second);
    assert_eq!(house.call(get("/chat/user").program().cookie(&first)).await.status, 401);
    assert_eq!(house.call(get("/chat/user").program().cookie(&second)).await.status, 200);
}

#[tokio::test]
async fn a_burst_of_wrong_passwords_has_to_wait_and_a_right_one_among_few_does_not() {
    let house = house().await;
    let burst = house.edge.config.limits.failed_sign_ins_burst;
    for n in 1..=burst {
        house.call(wrong()).await.problem(401, "bad_credentials");
        if n == burst / 2 {
            assert_eq!(house.call(right()).await.status, 200);
        }
    }
    for tried in [wrong(), right()] {
        let answer = house.call(tried).await;
        let told = answer.problem(429, "too_many_sign_ins");
        assert!(told["detail"].as_str().unwrap().contains("limits.failed_sign_ins_per_minute"), "{told}");
        assert!((1..=60).contains(&answer.header("retry-after").parse::<u64>().unwrap()));
    }
    let form = post("/login").form("username=happydaddy&password=x").browser();
    let answer = house.call(form).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (429, "text/html; charset=utf-8"));
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn who_is_guessed_at_still_signs_in_from_elsewhere() {
    let house = house().await;
    for _ in 0..house.edge.config.limits.failed_sign_ins_burst + 5 {
        house.call(wrong()).await;
    }
    house.call(right()).await.problem(429, "too_many_sign_ins");
    assert_eq!(house.call(right().from("198.51.100.7")).await.status, 200);
}

#[tokio::test]
async fn guesses_from_many_addresses_have_to_wait_as_well() {
    let limits =
        Limits { account_failed_sign_ins_per_minute: 1, account_failed_sign_ins_burst: 3, ..Limits::default() };
    let house = House::with(Config { limits, ..Config::default() }).await;
    house.account("happydaddy", Role::User).await;
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        house.call(wrong().from(address)).await.problem(401, "bad_credentials");
    }
    let told = house.call(right().from("192.0.2.4")).await.problem(429, "too_many_sign_ins");
    assert!(told["detail"].as_str().unwrap().contains("limits.account_failed_sign_ins_per_minute"), "{told}");
}

#[tokio::test]
async fn right_passwords_have_a_limit_too_for_the_account_and_for_the_address() {
    let limits = Limits {
        account_sign_ins_per_minute: 1,
        account_sign_ins_burst: 2,
        address_sign_ins_per_minute: 1,
        address_sign_ins_burst: 4,
        ..Limits::default()
    };
    let house = House::with(Config { limits, ..Config::default() }).await;
    for name in ["happydaddy", "minsu"] {
        house.account(name, Role::User).await;
    }
    let other = || post("/login").json(&json!({"username": "minsu", "password": PASSWORD}));
    let refused = async |call: Call, limit: &str| {
        let answer = house.call(call).await;
        let told = answer.problem(429, "too_many_sign_ins");
        assert!(told["detail"].as_str().unwrap().contains(limit), "{told}");
        assert!(!answer.header("retry-after").is_empty());
    };
    for _ in 0..2 {
        assert_eq!(house.call(right()).await.status, 200);
    }
    refused(right().from("198.51.100.7"), "limits.account_sign_ins_per_minute").await;
    house.call(wrong_of("minsu")).await.problem(401, "bad_credentials");
    assert_eq!(house.call(other()).await.status, 200);
    refused(other(), "limits.address_sign_ins_per_minute").await;
    assert_eq!(house.call(other().from("198.51.100.7")).await.status, 200);
}

#[tokio::test]
async fn a_thousand_guesses_at_once_are_not_a_thousand_guesses() {
    let house = Arc::new(house().await);
    let burst = house.edge.config.limits.failed_sign_ins_burst as usize;
    let tries: Vec<_> = (0..4 * burst)
        .map(|_| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.call(wrong()).await.status.as_u16() })
        })
        .collect();
    let mut looked_at = 0;
    for tried in tries {
        looked_at += usize::from(tried.await.unwrap() == 401);
    }
    assert!((burst..=burst + 2).contains(&looked_at), "{looked_at}");
}

#[tokio::test]
async fn a_whole_office_may_sign_in_at_once() {
    let house = house().await;
    for _ in 0..house.edge.config.limits.failed_sign_ins_burst + 5 {
        assert_eq!(house.call(right()).await.status, 200);
    }
}

#[tokio::test]
async fn a_session_over_https_has_a_secure_cookie() {
    let config = Config { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Config::default() };
    let house = House::with(config).await;
    house.account("happydaddy", Role::User).await;
    let through_proxy = right().header("x-forwarded-proto", "https").header("x-forwarded-for", "192.0.2.9");
    let answer = house.call(through_proxy.from("10.0.0.1")).await;
    assert!(answer.cookies()[0].contains("; Secure;"), "{:?}", answer.cookies());
    let answer = house.call(right().header("x-forwarded-proto", "https")).await;
    assert!(!answer.cookies()[0].contains("Secure"), "a stranger says so: {:?}", answer.cookies());
}

#[tokio::test]
async fn a_body_that_is_not_understood_says_what_is_wrong() {
    let house = house().await;
    let login = |body: serde_json::Value| post("/login").json(&body);
    assert_eq!(house.call(login(json!({"username": "a"}))).await.problem(400, "field_missing")["field"], "password");
    let number = login(json!({"username": 7, "password": "x"}));
    assert_eq!(house.call(number).await.problem(400, "field_type")["field"], "username");
    house.call(login(json!(["a"]))).await.problem(400, "bad_body");
    let xml = post("/login").form("<a/>").header("content-type", "text/xml");
    let xml = Call { headers: vec![("content-type", "text/xml".into())], ..xml };
    house.call(xml).await.problem(415, "content_type_unsupported");
    let max = house.edge.config.limits.request_bytes_max;
    let big = login(json!({"username": "a", "password": "x".repeat(max)}));
    assert_eq!(house.call(big).await.problem(413, "request_too_large")["limit"], max);
    let more = login(json!({"username": "happydaddy", "password": PASSWORD, "remember": {"me": []}}));
    assert_eq!(house.call(more).await.status, 200, "unknown members are ignored");
}
