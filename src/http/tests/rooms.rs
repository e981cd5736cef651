//! Rooms and their history.

use serde_json::json;

use super::*;
use crate::chat::{Draft, LeaseId, RoomId};
use crate::store::settled;

struct Lobby {
    house: House,
    user: String,
    admin: String,
}

async fn lobby() -> Lobby {
    let house = House::new().await;
    let user = house.cookie("happydaddy", Role::User).await;
    let admin = house.cookie("boss", Role::Admin).await;
    Lobby { house, user, admin }
}

async fn say(house: &House, room: RoomId, count: usize) {
    for n in 1..=count {
        let draft = Draft::new(room, "happydaddy".parse().unwrap(), &format!("m{n}"), None, 100).unwrap();
        settled(house.edge.store.append(draft)).await.unwrap();
    }
}

fn nowhere() -> &'static str {
    "/chat/room/123e4567-e89b-42d3-a456-426614174000"
}

#[tokio::test]
async fn a_room_is_made_from_a_query_a_form_or_json() {
    let Lobby { house, user, .. } = lobby().await;
    let named = json!({"name": "사랑방", "colour": 1});
    for made in [
        post("/chat/room?name=%EC%82%AC%EB%9E%91%EB%B0%A9"),
        post("/chat/room").form("name=%EC%82%AC%EB%9E%91%EB%B0%A9"),
        post("/chat/room").json(&named),
    ] {
        let answer = house.call(made.cookie(&user)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let room = answer.json();
        assert_eq!((&room["name"], &room["userCount"], &room["lastOffset"]), (&"사랑방".into(), &0.into(), &0.into()));
        let id = room["roomId"].as_str().unwrap();
        assert!(id.parse::<RoomId>().is_ok());
        assert!(answer.text().starts_with("{\"roomId\":"), "the members keep their order");
        assert_eq!(house.call(get(format!("/chat/room/{id}")).cookie(&user)).await.json(), room);
    }
    let rooms = house.call(get("/chat/rooms").cookie(&user)).await.json();
    assert_eq!(rooms.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_room_without_a_good_name_is_not_made() {
    let Lobby { house, user, .. } = lobby().await;
    let bad = |call: Call| house.call(call.cookie(&user));
    for nameless in [post("/chat/room"), post("/chat/room?name="), post("/chat/room").json(&json!({}))] {
        assert_eq!(bad(nameless).await.problem(400, "room_name_invalid")["field"], "name");
    }
    let long = json!({"name": "가".repeat(61)});
    assert_eq!(bad(post("/chat/room").json(&long)).await.problem(400, "room_name_invalid")["limit"], 60);
    bad(post("/chat/room").json(&json!({"name": 7}))).await.problem(400, "field_type");
    assert!(house.edge.store.rooms().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_newest_activity_comes_first() {
    let Lobby { house, user, .. } = lobby().await;
    let (first, second) = (house.room("first").await, house.room("second").await);
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    say(&house, first.id, 1).await;
    let rooms = house.call(get("/chat/rooms").cookie(&user)).await.json();
    assert_eq!((&rooms[0]["name"], &rooms[1]["name"]), (&"first".into(), &"second".into()));
    assert_eq!((&rooms[0]["lastOffset"], &rooms[1]["roomId"]), (&1.into(), &second.id.to_string().into()));
}

#[tokio::test]
async fn a_room_that_is_not_there_is_told_so_everywhere() {
    let Lobby { house, user, admin } = lobby().await;
    for path in [nowhere(), "/chat/room/bad", "/chat/room/123E4567e89b42d3a456426614174000", "/chat/room/%FF"] {
        for below in ["", "/members", "/messages"] {
            house.call(get(format!("{path}{below}")).cookie(&user)).await.problem(404, "room_unknown");
        }
    }
    house.call(call("DELETE", nowhere()).cookie(&admin)).await.problem(404, "room_unknown");
    let rename = call("PATCH", nowhere()).json(&json!({"name": "x"}));
    house.call(rename.cookie(&admin)).await.problem(404, "room_unknown");
}

#[tokio::test]
async fn only_administrators_rename_and_delete() {
    let Lobby { house, user, admin } = lobby().await;
    let path = format!("/chat/room/{}", house.room("old").await.id);
    let rename = |cookie| call("PATCH", path.clone()).json(&json!({"name": "new"})).cookie(cookie);
    let delete = |cookie| call("DELETE", path.clone()).cookie(cookie);
    house.call(rename(&user)).await.problem(403, "admin_only");
    house.call(delete(&user)).await.problem(403, "admin_only");
    assert_eq!(house.call(rename(&admin)).await.json()["name"], "new");
    let empty = call("PATCH", path.clone()).json(&json!({"name": " "})).cookie(&admin);
    house.call(empty).await.problem(400, "room_name_invalid");
    let nameless = call("PATCH", path.clone()).json(&json!({})).cookie(&admin);
    house.call(nameless).await.problem(400, "field_missing");
    let deleted = house.call(delete(&admin)).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    house.call(get(path.clone()).cookie(&user)).await.problem(404, "room_unknown");
}

#[tokio::test]
async fn members_are_named_in_order_each_once() {
    let Lobby { house, user, .. } = lobby().await;
    let room = house.room("a").await.id;
    for (lease, name) in ["nina", "adam", "nina"].into_iter().enumerate() {
        let lease = LeaseId(u64::try_from(lease).unwrap());
        settled(house.edge.store.enter(room, name.parse().unwrap(), lease, None)).await.unwrap();
    }
    let answer = house.call(get(format!("/chat/room/{room}/members")).cookie(&user)).await;
    assert_eq!(answer.json(), json!({"roomId": room.to_string(), "userCount": 2, "members": ["adam", "nina"]}));
}

#[tokio::test]
async fn history_comes_in_pages_and_always_in_offset_order() {
    let Lobby { house, user, .. } = lobby().await;
    let room = house.room("a").await.id;
    say(&house, room, 60).await;
    let page = async |query: &str| {
        let answer = house.call(get(format!("/chat/room/{room}/messages{query}")).cookie(&user)).await;
        let entries = answer.json();
        let offsets = entries.as_array().unwrap().iter().map(|entry| entry["offset"].as_u64().unwrap());
        offsets.collect::<Vec<_>>()
    };
    assert_eq!(page("").await, (11..=60).collect::<Vec<_>>());
    assert_eq!(page("?limit=2").await, [59, 60]);
    assert_eq!(page("?before=11&limit=3").await, [8, 9, 10]);
    assert_eq!(page("?before=2").await, [1]);
    assert_eq!(page("?before=0").await, [] as [u64; 0]);
    assert_eq!(page("?after=0&limit=3").await, [1, 2, 3]);
    assert_eq!(page("?after=58").await, [59, 60]);
    assert_eq!(page("?after=60").await, [] as [u64; 0]);
    assert_eq!(page("?after=9223372036854775807").await, [] as [u64; 0]);
    assert_eq!(page("?limit=200&before=9223372036854775807").await.len(), 60);

    let answer = house.call(get(format!("/chat/room/{room}/messages?limit=1")).cookie(&user)).await;
    let entry = &answer.json()[0];
    assert!(answer.text().starts_with("[{\"type\":\"TALK\",\"roomId\":"), "{}", answer.text());
    assert_eq!((&entry["sender"], &entry["message"]), (&"happydaddy".into(), &"m60".into()));
    assert_eq!(entry["id"], format!("{room}-60"));
}

#[tokio::test]
async fn a_page_that_cannot_be_is_refused_by_name() {
    let Lobby { house, user, .. } = lobby().await;
    let room = house.room("a").await.id;
    for (query, field, code) in [
        ("limit=0", "limit", "out_of_range"),
        ("limit=201", "limit", "out_of_range"),
        ("limit=x", "limit", "field_type"),
        ("before=-1", "before", "field_type"),
        ("after=1.5", "after", "field_type"),
        ("after=99999999999999999999", "after", "field_type"),
        ("after=1&before=2", "after", "bad_request"),
    ] {
        let answer = house.call(get(format!("/chat/room/{room}/messages?{query}")).cookie(&user)).await;
        assert_eq!(answer.problem(400, code)["field"], field, "{query}");
    }
}

#[tokio::test]
async fn as_many_rooms_as_the_limit_says() {
    let limits = crate::chat::Limits { rooms_max: 1, ..Default::default() };
    let house = House::with(Config { limits, ..Config::default() }).await;
    let user = house.cookie("a", Role::User).await;
    assert_eq!(house.call(post("/chat/room?name=a").cookie(&user)).await.status, 200);
    let refused = house.call(post("/chat/room?name=b").cookie(&user)).await;
    assert_eq!(refused.problem(409, "too_many_rooms")["limit"], 1);
}

#[tokio::test]
async fn a_person_makes_only_so_many_rooms_and_an_administrator_any_number() {
    let limits = crate::chat::Limits { rooms_burst: 2, ..Default::default() };
    let house = House::with(Config { limits, ..Config::default() }).await;
    let (user, other) = (house.cookie("a", Role::User).await, house.cookie("b", Role::User).await);
    let admin = house.cookie("boss", Role::Admin).await;
    let make = |cookie: &str| house.call(post("/chat/room?name=x").cookie(cookie));
    house.call(post("/chat/room?name=").cookie(&user)).await.problem(400, "room_name_invalid");
    for _ in 0..2 {
        assert_eq!(make(&user).await.status, 200, "what made no room did not count");
    }
    let answer = make(&user).await;
    let told = answer.problem(429, "too_many_new_rooms");
    assert!(told["detail"].as_str().unwrap().contains("limits.rooms_per_hour"), "{told}");
    assert!((350..=360).contains(&answer.header("retry-after").parse::<u64>().unwrap()));
    for cookie in [&other, &admin, &admin, &admin] {
        assert_eq!(make(cookie).await.status, 200);
    }
    assert_eq!(house.edge.store.rooms().await.unwrap().len(), 6);
}
