//! Pages and redirects: what a browser gets.

use super::*;

fn somewhere(room: &Room) -> String {
    format!("/chat/room/enter/{}", room.id)
}

fn is_html(answer: &Answer) -> bool {
    answer.header("content-type") == "text/html; charset=utf-8" && answer.text().starts_with("<!doctype html>")
}

#[tokio::test]
async fn the_front_door_leads_to_the_room_list() {
    let house = House::new().await;
    for path in ["/", "/index"] {
        house.call(get(path)).await.leads_to("/chat/room");
    }
}

#[tokio::test]
async fn the_pages_before_signing_in_are_open() {
    let house = House::new().await;
    for path in ["/login", "/login?error", "/signup?invite=x", "/setup?key=x"] {
        let answer = house.call(get(path).browser()).await;
        assert!(answer.status == 200 && is_html(&answer), "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn who_is_not_signed_in_is_led_to_the_login_and_programs_are_told() {
    let house = House::new().await;
    let room = house.room("a").await;
    house.call(get("/chat/room").browser()).await.leads_to("/login");
    house.call(get("/chat/room")).await.leads_to("/login");
    house.call(get("/chat/rooms").header("accept", "*/*")).await.leads_to("/login");
    let wanted = house.call(get(somewhere(&room)).browser()).await;
    wanted.leads_to(&format!("/login?next=%2Fchat%2Froom%2Fenter%2F{}", room.id));
    for path in ["/chat/room", "/chat/rooms", "/chat/user", &somewhere(&room), "/chat/room/x/messages"] {
        let answer = house.call(get(path).program()).await;
        answer.problem(401, "not_signed_in");
    }
    house.call(post("/chat/room?name=a")).await.problem(401, "not_signed_in");
    house.call(post("/chat/room?name=a").browser()).await.leads_to("/login");
}

#[tokio::test]
async fn after_signing_in_one_is_where_one_wanted_to_go() {
    let house = House::new().await;
    house.account("happydaddy", Role::User).await;
    let room = house.room("a").await;
    let turned_away = house.call(get(somewhere(&room)).browser()).await;
    let set = turned_away.cookies()[0].to_owned();
    assert_eq!(set, format!("sarangbang_next={}; HttpOnly; SameSite=Lax; Path=/; Max-Age=1800", somewhere(&room)));
    let remembered = set.split(';').next().unwrap();
    let login = |path: &str| post(path.to_owned()).form("username=happydaddy&password=correct+horse");
    let answer = house.call(login("/login").header("cookie", remembered)).await;
    answer.leads_to(&somewhere(&room));
    assert!(answer.cookies()[1].starts_with("sarangbang_next=; "), "it is forgotten: {:?}", answer.cookies());

    house.call(login(&format!("/login?next={}", somewhere(&room)))).await.leads_to(&somewhere(&room));
    let field = format!("username=happydaddy&password=correct+horse&next={}", somewhere(&room));
    house.call(post("/login").form(&field)).await.leads_to(&somewhere(&room));
    let wrong = house.call(post("/login").form(&field.replace("correct", "wrong"))).await;
    wrong.leads_to("/login?error");
    assert!(wrong.cookies()[0].starts_with("sarangbang_next=/chat/room/enter/"), "kept for the next try");
}

#[tokio::test]
async fn no_link_makes_the_login_lead_to_another_site() {
    let house = House::new().await;
    house.account("happydaddy", Role::User).await;
    for evil in ["//evil.example", "https://evil.example/", "/%5Cevil.example", "%2F%2Fevil.example", "/chat/..//evil"]
    {
        let field = format!("username=happydaddy&password=correct+horse&next={evil}");
        house.call(post("/login").form(&field)).await.leads_to("/chat/room");
        let query = format!("/login?next={evil}");
        house.call(post(query).form("username=happydaddy&password=correct+horse")).await.leads_to("/chat/room");
        let cookie = format!("sarangbang_next={evil}");
        let login = post("/login").form("username=happydaddy&password=correct+horse").header("cookie", cookie);
        house.call(login).await.leads_to("/chat/room");
    }
    let wanted = house.call(get("/chat/room/enter/x%0d%0aset-cookie:a=b").browser()).await;
    assert_eq!(wanted.status, 302);
    assert!(wanted.headers.get("set-cookie").is_none_or(|set| set.to_str().unwrap().starts_with("sarangbang_next=/")));
}

#[tokio::test]
async fn a_guest_is_refused_in_the_chat_as_a_page_or_as_a_problem() {
    let house = House::new().await;
    let room = house.room("a").await;
    let guest = house.cookie("guest", Role::Guest).await;
    let page = somewhere(&room);
    for path in ["/chat/room", &page, "/chat/rooms", "/chat/user", &format!("/chat/room/{}/messages", room.id)] {
        let answer = house.call(get(path).browser().cookie(&guest)).await;
        assert!(answer.status == 403 && is_html(&answer), "{path}: {} {}", answer.status, answer.text());
        house.call(get(path).program().cookie(&guest)).await.problem(403, "role_may_not_chat");
    }
    house.call(post("/chat/room?name=x").cookie(&guest)).await.problem(403, "role_may_not_chat");
}

#[tokio::test]
async fn a_room_has_a_page_and_no_room_has_the_page_with_404() {
    let house = House::new().await;
    let room = house.room("a").await;
    let user = house.cookie("a", Role::User).await;
    for path in ["/chat/room".to_owned(), somewhere(&room)] {
        let answer = house.call(get(path).browser().cookie(&user)).await;
        assert!(answer.status == 200 && is_html(&answer));
        assert!(answer.header("cache-control").starts_with("no-cache"));
    }
    for path in ["/chat/room/enter/123e4567-e89b-42d3-a456-426614174000", "/chat/room/enter/bad", "/nothing/here"] {
        let answer = house.call(get(path).browser().cookie(&user)).await;
        assert!(answer.status == 404 && is_html(&answer), "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told() {
    let house = House::new().await;
    house.call(get("/nothing")).await.problem(404, "not_found");
    house.call(get("/nothing/at/all").program()).await.problem(404, "not_found");
    let answer = house.call(call("PUT", "/chat/room")).await;
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD,POST");
    let answer = house.call(call("DELETE", "/login").browser()).await;
    assert!(answer.status == 405 && is_html(&answer) && answer.header("allow") == "GET,HEAD,POST");
    let answer = house.call(call("OPTIONS", "/chat/rooms")).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET,HEAD"));
}

#[tokio::test]
async fn head_answers_as_get_without_the_body() {
    let house = House::new().await;
    let user = house.cookie("a", Role::User).await;
    for (path, status) in [("/chat/rooms", 200), ("/login", 200), ("/healthz", 200), ("/nothing", 404)] {
        let answer = house.call(call("HEAD", path).cookie(&user)).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0), "{path}");
    }
}

#[tokio::test]
async fn whether_the_server_lives_and_is_ready_is_told() {
    let house = House::new().await;
    let alive = house.call(get("/healthz")).await;
    assert_eq!((alive.status.as_u16(), alive.text().as_str()), (200, "ok"));
    let ready = house.call(get("/readyz")).await;
    assert_eq!((ready.status.as_u16(), ready.json()), (200, serde_json::json!({"ready": true, "notReady": []})));
    house.edge.draining.store(true, std::sync::atomic::Ordering::Relaxed);
    let draining = house.call(get("/readyz")).await;
    assert_eq!((draining.status.as_u16(), &draining.json()["notReady"][0]["part"]), (503, &"draining".into()));
    house.edge.store.close().await;
    let closed = house.call(get("/readyz")).await;
    assert_eq!((closed.status.as_u16(), &closed.json()["notReady"][0]["part"]), (503, &"store".into()));
}

#[tokio::test]
async fn about_tells_what_a_form_should_know() {
    let house = House::new().await;
    assert_eq!(
        house.call(get("/about")).await.json(),
        serde_json::json!({
            "name": "Sarangbang", "version": env!("CARGO_PKG_VERSION"), "locale": "ko", "signUp": "closed",
            "setup": true,
            "limits": {"messageChars": 2000, "roomNameChars": 60, "nameChars": 32, "passwordChars": 8}
        })
    );
    let description = house.call(get("/openapi.json")).await;
    assert_eq!(description.header("content-type"), "application/json");
    assert!(description.json()["paths"]["/login"]["post"].is_object());
}
