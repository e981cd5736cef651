//! The first administrator, invitations, open sign-up.

use serde_json::json;

use super::*;
use crate::chat::Limits;
use crate::config::{AuthConfig, SignUp};

fn setup(key: &str, username: &str, password: &str) -> Call {
    post("/setup").json(&json!({"key": key, "username": username, "password": password}))
}

fn signup(username: &str, invite: Option<&str>) -> Call {
    post("/signup").json(&json!({"username": username, "password": PASSWORD, "invite": invite}))
}

async fn open_house() -> House {
    let auth = AuthConfig { token_minutes: 60, sign_up: SignUp::Open };
    House::with(Config { auth, ..Config::default() }).await
}

async fn setup_open(house: &House) -> bool {
    house.call(get("/about")).await.json()["setup"] == true
}

#[tokio::test]
async fn the_first_administrator_is_made_once_with_the_key() {
    let house = House::new().await;
    assert!(setup_open(&house).await);
    house.call(setup("wrong", "boss", PASSWORD)).await.problem(403, "setup_key_wrong");
    assert_eq!(house.call(setup(SETUP_KEY, "a b", PASSWORD)).await.problem(400, "name_invalid")["field"], "username");
    let short = house.call(setup(SETUP_KEY, "boss", "short")).await;
    assert_eq!(short.problem(400, "password_too_short")["limit"], 8);

    let answer = house.call(setup(SETUP_KEY, "boss", PASSWORD)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["role"]), (200, &"admin".into()));
    assert_eq!(house.call(get("/chat/user").cookie(&answer.session())).await.json()["name"], "boss");
    assert!(!setup_open(&house).await);
    house.call(setup(SETUP_KEY, "boss2", PASSWORD)).await.problem(404, "setup_done");
    house.call(setup("wrong", "boss2", PASSWORD)).await.problem(404, "setup_done");
}

#[tokio::test]
async fn of_two_setups_at_once_exactly_one_wins() {
    let house = Arc::new(House::new().await);
    let tries: Vec<_> = (0..4)
        .map(|n| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.call(setup(SETUP_KEY, &format!("boss{n}"), PASSWORD)).await })
        })
        .collect();
    let mut statuses = Vec::new();
    for tried in tries {
        statuses.push(tried.await.unwrap().status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404, 404, 404]);
    assert_eq!(house.edge.store.accounts().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_administrator_made_on_the_command_line_ends_the_setup() {
    let house = House::new().await;
    house.account("boss", Role::Admin).await;
    house.call(setup(SETUP_KEY, "boss2", PASSWORD)).await.problem(404, "setup_done");
}

#[tokio::test]
async fn a_form_makes_an_account_and_leads_into_the_chat() {
    let house = open_house().await;
    let answer =
        house.call(post("/setup").form(&format!("key={SETUP_KEY}&username=boss&password=correct+horse"))).await;
    answer.leads_to("/chat/room");
    let answer = house.call(post("/signup").form("username=guest1&password=correct+horse&invite=")).await;
    answer.leads_to("/chat/room");
    assert_eq!(house.call(get("/chat/room").cookie(&answer.session())).await.status, 200);
}

#[tokio::test]
async fn sign_up_is_closed_unless_the_operator_opens_it() {
    house_says_closed().await;
    let house = open_house().await;
    assert_eq!(house.call(get("/about")).await.json()["signUp"], "open");
    let answer = house.call(signup("행복아빠", None)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["role"]), (200, &"user".into()));
    let taken = house.call(signup("행복아빠", None)).await;
    assert_eq!(taken.problem(409, "name_taken")["field"], "username");
    house.call(signup("x".repeat(33).as_str(), None)).await.problem(400, "name_invalid");
}

#[tokio::test]
async fn nobody_signs_up_under_a_name_that_looks_like_somebodys() {
    let house = open_house().await;
    for name in ["민지", "admin"] {
        assert_eq!(house.call(signup(name, None)).await.status, 200);
    }
    for same in ["\u{1106}\u{1175}\u{11AB}\u{110C}\u{1175}", "ＡＤＭＩＮ"] {
        house.call(signup(same, None)).await.problem(409, "name_taken");
        let login = json!({"username": same, "password": PASSWORD});
        assert_eq!(house.call(post("/login").json(&login)).await.status, 200, "{same} signs in");
    }
    let refused = house.call(signup("\u{430}dmin", None)).await.problem(400, "name_invalid");
    assert!(refused["detail"].as_str().unwrap().contains("Cyrillic"), "{refused}");
}

#[tokio::test]
async fn an_address_makes_only_so_many_accounts_unless_they_are_invited() {
    let auth = AuthConfig { token_minutes: 60, sign_up: SignUp::Open };
    let limits = Limits { accounts_burst: 2, ..Limits::default() };
    let house = House::with(Config { auth, limits, ..Config::default() }).await;
    let admin = house.cookie("boss", Role::Admin).await;
    let short = post("/signup").json(&json!({"username": "a", "password": "short"}));
    house.call(short).await.problem(400, "password_too_short");
    house.call(signup("boss", None)).await.problem(409, "name_taken");
    for name in ["a", "b"] {
        assert_eq!(house.call(signup(name, None)).await.status, 200, "what made no account did not count");
    }
    let answer = house.call(signup("c", None)).await;
    let told = answer.problem(429, "too_many_accounts");
    assert!(told["detail"].as_str().unwrap().contains("limits.accounts_per_hour"), "{told}");
    assert!((170..=180).contains(&answer.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(house.call(signup("c", None).from("198.51.100.7")).await.status, 200);
    let invited = house.call(post("/chat/invite").cookie(&admin)).await.json();
    assert_eq!(house.call(signup("d", invited["key"].as_str())).await.status, 200);
}

async fn house_says_closed() {
    let house = House::new().await;
    assert_eq!(house.call(get("/about")).await.json()["signUp"], "closed");
    house.call(signup("a", None)).await.problem(403, "sign_up_closed");
    house.call(signup("a", Some(""))).await.problem(403, "sign_up_closed");
}

#[tokio::test]
async fn an_invitation_makes_one_account_of_its_role() {
    let house = House::new().await;
    let admin = house.cookie("boss", Role::Admin).await;
    let answer = house.call(post("/chat/invite").cookie(&admin).json(&json!({"role": "guest", "hours": 1}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let invited = answer.json();
    let key = invited["key"].as_str().unwrap();
    assert_eq!(invited["link"], format!("http://chat.example/signup?invite={key}"));
    let lasts = invited["expiresAt"].as_i64().unwrap() - now_ms();
    assert!((3_590_000..=3_600_000).contains(&lasts), "{lasts}");

    house.call(signup("a", Some("wrong"))).await.problem(403, "invite_invalid");
    let answer = house.call(signup("a", Some(key))).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["role"]), (200, &"guest".into()));
    house.call(signup("b", Some(key))).await.problem(403, "invite_invalid");
}

#[tokio::test]
async fn an_invitation_has_defaults_and_bounds_and_makes_no_administrators() {
    let house = House::new().await;
    let admin = house.cookie("boss", Role::Admin).await;
    let invite = |body: serde_json::Value| post("/chat/invite").cookie(&admin).json(&body);
    for body in [json!({}), json!({"role": null, "hours": null})] {
        let invited = house.call(invite(body)).await.json();
        assert_eq!(invited["role"], "user");
        assert!((invited["expiresAt"].as_i64().unwrap() - now_ms()) / 3_600_000 >= 71);
    }
    assert_eq!(house.call(post("/chat/invite").cookie(&admin)).await.status, 200, "no body at all");
    assert_eq!(house.call(invite(json!({"hours": 721}))).await.problem(400, "out_of_range")["limit"], 720);
    assert_eq!(house.call(invite(json!({"hours": 0}))).await.problem(400, "out_of_range")["field"], "hours");
    house.call(invite(json!({"hours": "1"}))).await.problem(400, "field_type");
    house.call(invite(json!({"role": "admin"}))).await.problem(400, "role_invalid");
    house.call(invite(json!({"role": "king"}))).await.problem(400, "role_invalid");
}

#[tokio::test]
async fn only_administrators_invite() {
    let house = House::new().await;
    let user = house.cookie("a", Role::User).await;
    house.call(post("/chat/invite").cookie(&user)).await.problem(403, "admin_only");
    house.call(post("/chat/invite").program()).await.problem(401, "not_signed_in");
}

#[tokio::test]
async fn guessing_invitations_has_to_wait() {
    let limits =
        Limits { address_failed_sign_ins_per_minute: 1, address_failed_sign_ins_burst: 3, ..Limits::default() };
    let house = House::with(Config { limits, ..Config::default() }).await;
    for _ in 0..3 {
        house.call(signup("a", Some("guess"))).await.problem(403, "invite_invalid");
    }
    house.call(signup("a", Some("guess"))).await.problem(429, "too_many_sign_ins");
}
