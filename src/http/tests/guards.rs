//! Other sites, cross-origin calls, and the headers that every answer carries.

use super::*;

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
