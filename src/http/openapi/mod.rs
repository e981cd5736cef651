//! The description of all HTTP routes (OpenAPI), made out of the handlers and their types.
//!
//! Invariant: every route of the router is described and the other way round; a test compares the two.

mod shapes;

use std::sync::OnceLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ObjectBuilder, Required, ResponseBuilder, Type};

pub(super) use shapes::{
    EntryShape, InviteForm, LoginForm, NewRoomForm, Refusal, RoomForm, RoomShape, SetupForm, SignUpForm,
};

use super::error::Document;
use super::{about, accounts, health, history, login, rooms};

const TEXT: &str = "\
A chat service in one binary. Sign in with POST /login; use the cookie that it sets, or the token that it answers as \
`Authorization: Bearer`. Times are milliseconds since the Unix epoch. What cannot be done is answered with \
`application/problem+json` (RFC 9457): `code` is stable, `detail` says what to do. People whose browser wants HTML \
get pages and redirects instead.\n\n\
Messages come and go over STOMP 1.0 to 1.2 on a WebSocket at `/ws-stomp` (also `/ws-stomp/websocket`; subprotocols \
`v10.stomp`, `v11.stomp`, `v12.stomp`). CONNECT with the header `token`; SUBSCRIBE to `/sub/chat/room/{roomId}` \
(optional headers `after`: an offset to resume from, `history`: so many of the newest entries first) or to \
`/sub/chat/rooms` for the live room list; SEND to `/pub/chat/message` the JSON \
`{\"type\":\"TALK\",\"roomId\":\"...\",\"message\":\"...\"}` with the header `token`.";

/// Pages, redirects and files: path, what it is, and the statuses that it answers.
const PAGES: [(&str, &str, &[u16]); 8] = [
    ("/", "To the room list", &[302]),
    ("/index", "To the room list", &[302]),
    ("/login", "The page for signing in; `?next=` is where to go afterwards", &[200]),
    ("/signup", "The page for making an account; `?invite=` is an invitation's key", &[200]),
    ("/setup", "The page where the first administrator is made", &[200]),
    ("/chat/room", "The page with the room list; who is not signed in goes to /login", &[200, 302, 403]),
    ("/chat/room/enter/{roomId}", "The page of a room; who is not signed in goes to /login", &[200, 302, 403, 404]),
    ("/assets/{path}", "The page's files, which never change under one name", &[200, 304, 404]),
];

/// Answers the description.
pub(super) async fn description() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_json().unwrap_or_default());
    ([(CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Sarangbang", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    tags(
        (name = "people", description = "signing in and out, making accounts"),
        (name = "rooms", description = "rooms and what was said in them"),
        (name = "server", description = "what runs here, and whether it does"),
        (name = "pages", description = "what a browser shows"),
    ),
    components(schemas(Document)),
    security((), ("cookie" = []), ("bearer" = [])),
    paths(
        login::login, login::logout, accounts::setup, accounts::signup, accounts::invite, accounts::user,
        rooms::list, rooms::create, rooms::one, rooms::rename, rooms::delete, rooms::members, history::messages,
        about::about, health::alive, health::ready,
    ),
)]
struct Handlers;

fn document() -> utoipa::openapi::OpenApi {
    let mut document = Handlers::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document.info.description = Some(TEXT.to_owned());
    for (path, what, statuses) in PAGES {
        let mut operation = OperationBuilder::new().tag("pages").summary(Some(what));
        for status in statuses {
            operation = operation.response(status.to_string(), ResponseBuilder::new().description(said(*status)));
        }
        if let Some(name) = path.split_once('{').and_then(|(_, rest)| rest.strip_suffix('}')) {
            let text = ObjectBuilder::new().schema_type(Type::String);
            operation = operation.parameter(
                ParameterBuilder::new()
                    .name(name)
                    .parameter_in(ParameterIn::Path)
                    .required(Required::True)
                    .schema(Some(text)),
            );
        }
        document.paths.add_path_operation(path, vec![HttpMethod::Get], operation);
    }
    let own = ResponseBuilder::new().description("this document");
    let operation = OperationBuilder::new().tag("server").summary(Some("This description")).response("200", own);
    document.paths.add_path_operation("/openapi.json", vec![HttpMethod::Get], operation);

    let components = document.components.get_or_insert_default();
    let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("sarangbang")));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme("cookie", cookie);
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    document
}

fn said(status: u16) -> &'static str {
    match status {
        200 => "it",
        302 => "elsewhere: see Location",
        304 => "unchanged",
        403 => "a guest may not chat",
        _ => "nothing here",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The routes as they stand on the router's one screen: `GET /path`.
    fn routed() -> BTreeSet<String> {
        let source = include_str!("../mod.rs");
        let mut routes = BTreeSet::new();
        for route in source.split(".route(\"").skip(1) {
            let (path, rest) = route.split_once('"').unwrap();
            let handlers = rest.split_once('\n').unwrap().0;
            for method in ["get", "post", "patch", "delete", "put"] {
                if [", ", "."].iter().any(|before| handlers.contains(&format!("{before}{method}("))) {
                    routes.insert(format!("{} {}", method.to_uppercase(), path.replace("{*", "{")));
                }
            }
        }
        // STOMP is described in the text: there is no HTTP beyond the upgrade.
        routes.retain(|route| !route.contains("/ws-stomp"));
        routes
    }

    fn described() -> BTreeSet<String> {
        let json = serde_json::to_value(document()).unwrap();
        let paths = json["paths"].as_object().unwrap();
        let methods = |(path, item): (&String, &serde_json::Value)| {
            let names: Vec<String> = item.as_object().unwrap().keys().map(|m| m.to_uppercase()).collect();
            names.into_iter().map(|m| format!("{m} {path}")).collect::<Vec<_>>()
        };
        paths.iter().flat_map(methods).collect()
    }

    #[test]
    fn every_route_is_described_and_the_other_way_round() {
        assert!(routed().len() > 20, "the router's source is not understood: {:?}", routed());
        assert_eq!(routed(), described());
    }

    #[test]
    fn the_description_names_the_stomp_endpoint_and_both_ways_of_signing_in() {
        let json = serde_json::to_value(document()).unwrap();
        assert!(json["info"]["description"].as_str().unwrap().contains("/ws-stomp"));
        assert_eq!(json["components"]["securitySchemes"]["cookie"]["name"], "sarangbang");
        assert_eq!(json["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        let json = serde_json::to_value(document()).unwrap();
        let text = json.to_string();
        for reference in text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(json["components"]["schemas"].get(reference).is_some(), "{reference}");
        }
        assert!(json["components"]["schemas"].get("Problem").is_some());
    }
}
