//! Other sites, cross-origin calls, and the headers that every answer carries.

use super::*;
use crate::chat::Limits;

const DYNAMIC: &str = "no-cache, no-store, max-age=0, must-revalidate";

async fn house() -> House {
    House::with(Config { allowed_origins: vec!["https://friend.example".into()], ..Config::default() }).await
}

#[tokio::test]
async fn another_site_cannot_use_a_persons_cookie() {
    let house = house().await;
    let cookie = house.cookie("a", Role::Admin).await;
    let room = house.room("a").await.id;
    let one = format!("/chat/room/{room}");
    let routes = [("POST", "/chat/room?name=x"), ("POST", "/chat/invite"), ("PATCH", &one), ("DELETE", &one)];
    let open = [("POST", "/login"), ("POST", "/logout"), ("POST", "/signup"), ("POST", "/setup")];
    for (method, path) in routes.into_iter().chain(open) {
        let sent = || call(method, path).header("cookie", cookie.clone());
        let refused = [
            sent().header("sec-fetch-site", "cross-site").header("origin", "https://evil.example"),
            sent().header("sec-fetch-site", "same-site"),
            sent().header("origin", "https://evil.example"),
            sent().header("origin", "null"),
        ];
        for evil in refused {
            house.call(evil).await.problem(403, "cross_site");
        }
    }
    for (method, path) in routes.into_iter().chain([("POST", "/logout")]) {
        let silent = call(method, path).header("cookie", cookie.clone());
        house.call(silent).await.problem(403, "cross_site");
    }
    assert!(house.edge.store.room(room).await.unwrap().is_some());
    assert_eq!(house.call(get("/chat/user").cookie(&cookie)).await.status, 200, "still signed in");
}

#[tokio::test]
async fn the_own_page_listed_sites_and_scripts_can() {
    let house = house().await;
    house.account("happydaddy", Role::User).await;
    let login = || post("/login").form("username=happydaddy&password=correct+horse");
    let session = house.call(login()).await.session();
    let make = || post("/chat/room?name=x").header("cookie", session.clone());
    for passes in [
        make().header("sec-fetch-site", "same-origin"),
        make().header("sec-fetch-site", "none"),
        make().header("origin", "https://chat.example"),
        make().header("origin", "https://friend.example"),
        login().header("origin", "http://chat.example"),
    ] {
        let answer = house.call(passes).await;
        assert!(answer.status == 200 || answer.status == 302, "{}", answer.text());
    }
    login_csrf_is_refused(&house).await;
}

async fn login_csrf_is_refused(house: &House) {
    let evil =
        post("/login").form("username=happydaddy&password=correct+horse").header("origin", "https://evil.example");
    house.call(evil).await.problem(403, "cross_site");
}

#[tokio::test]
async fn another_site_cannot_sign_a_person_out_by_a_link() {
    let house = house().await;
    let cookie = house.cookie("a", Role::User).await;
    let link = || get("/logout").header("cookie", cookie.clone()).header("sec-fetch-site", "cross-site");
    house.call(link()).await.problem(403, "cross_site");
    let page = house.call(link().browser()).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (403, "text/html; charset=utf-8"));
    assert_eq!(house.call(get("/chat/user").cookie(&cookie)).await.status, 200);
}

#[tokio::test]
async fn a_listed_site_may_read_across_origins_and_no_other() {
    let house = house().await;
    let cookie = house.cookie("a", Role::User).await;
    let asked = |origin: &str| get("/chat/rooms").cookie(&cookie).header("origin", origin);
    let friend = house.call(asked("https://friend.example")).await;
    assert_eq!(friend.header("access-control-allow-origin"), "https://friend.example");
    assert_eq!(friend.header("access-control-allow-credentials"), "true");
    assert_eq!(friend.header("vary"), "Origin");
    for other in ["https://evil.example", "null", "https://friend.example.evil.example", "http://friend.example"] {
        let answer = house.call(asked(other)).await;
        assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), ("", "Origin"), "{other}");
    }
}

#[tokio::test]
async fn a_preflight_is_answered_for_listed_sites_alone() {
    let house = house().await;
    let preflight = |origin: &str| {
        call("OPTIONS", "/chat/room").header("origin", origin).header("access-control-request-method", "POST")
    };
    let friend = house.call(preflight("https://friend.example")).await;
    assert_eq!(friend.status, 204);
    assert!(friend.header("access-control-allow-methods").contains("PATCH"));
    assert!(friend.header("access-control-allow-headers").contains("authorization"));
    let other = house.call(preflight("https://evil.example")).await;
    assert_eq!((other.status.as_u16(), other.header("access-control-allow-methods")), (405, ""));
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let house = house().await;
    let user = house.cookie("a", Role::User).await;
    for asked in [
        get("/chat/rooms").cookie(&user),
        get("/login").browser(),
        get("/"),
        get("/nothing"),
        get("/chat/room").program(),
        call("DELETE", "/login"),
        post("/login").form("username=a&password=b"),
    ] {
        let path = asked.path.clone();
        let answer = house.call(asked).await;
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; \
             connect-src 'self' ws://chat.example wss://chat.example; img-src 'self' data:; font-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'",
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
        assert!(answer.header("permissions-policy").contains("camera=()"));
        assert!(!answer.headers.contains_key("server"));
        let kept = if path == "/login" && answer.status == 200 { "no-cache" } else { DYNAMIC };
        assert!(answer.header("cache-control").starts_with(kept), "{path}: {}", answer.header("cache-control"));
    }
}

/// Every call that looks something up for a person.
const READS: [&str; 7] = [
    "/chat/user",
    "/chat/rooms",
    "/chat/room",
    "/chat/room/enter/x",
    "/chat/room/x",
    "/chat/room/x/members",
    "/chat/room/x/messages",
];

#[tokio::test]
async fn who_reads_without_end_has_to_wait_and_nobody_else_does() {
    let limits = Limits { requests_per_second: 1, requests_burst: 3, ..Limits::default() };
    let house = House::with(Config { limits, ..Config::default() }).await;
    let (busy, other) = (house.cookie("a", Role::User).await, house.cookie("b", Role::User).await);
    let token = house.call(get("/chat/user").cookie(&busy)).await.json()["token"].as_str().unwrap().to_owned();
    let bearer = || get("/chat/rooms").header("authorization", format!("Bearer {token}"));
    for _ in 0..2 {
        assert_eq!(house.call(bearer()).await.status, 200);
    }
    let name = "a".parse().unwrap();
    // However slowly this runs, nothing is left at the moment of the call.
    let use_up = || while house.edge.limiter.request(&name).is_ok() {};
    for path in READS {
        use_up();
        let answer = house.call(get(path).program().cookie(&busy).from("198.51.100.7")).await;
        let told = answer.problem(429, "too_many_requests");
        assert!(told["detail"].as_str().unwrap().contains("limits.requests_per_second"), "{path}: {told}");
        assert_eq!(answer.header("retry-after"), "1");
    }
    use_up();
    house.call(bearer()).await.problem(429, "too_many_requests");
    assert_eq!(house.call(get("/chat/rooms").cookie(&other)).await.status, 200);
    for open in ["/login", "/about", "/healthz"] {
        assert_eq!(house.call(get(open).cookie(&busy)).await.status, 200, "{open} asks for nobody");
    }
}

#[tokio::test]
async fn an_address_with_sessions_that_are_none_has_to_wait_before_they_are_looked_up() {
    let limits = Limits { address_requests_per_second: 1, address_requests_burst: 2, ..Limits::default() };
    let house = House::with(Config { limits, ..Config::default() }).await;
    let good = house.cookie("a", Role::User).await;
    let guess = |n: usize| get("/chat/rooms").program().cookie(&format!("sarangbang=guess{n}"));
    for n in 0..2 {
        house.call(guess(n)).await.problem(401, "not_signed_in");
    }
    let use_up = || while house.edge.limiter.request_from("192.0.2.1".parse().unwrap()).is_ok() {};
    use_up();
    house.call(post("/logout").cookie("sarangbang=guess")).await.problem(429, "too_many_requests");
    use_up();
    let told = house.call(guess(2)).await.problem(429, "too_many_requests");
    assert!(told["detail"].as_str().unwrap().contains("limits.address_requests_per_second"), "{told}");
    house.call(get("/chat/rooms").program()).await.problem(401, "not_signed_in");
    assert_eq!(house.call(get("/chat/rooms").cookie(&good).from("198.51.100.7")).await.status, 200);
}

#[tokio::test]
async fn a_page_that_finds_its_rooms_again_and_again_need_not_wait() {
    let house = house().await;
    let cookie = house.cookie("a", Role::User).await;
    for n in 0..150 {
        assert_eq!(house.call(get("/chat/rooms").cookie(&cookie)).await.status, 200, "{n}");
    }
}
