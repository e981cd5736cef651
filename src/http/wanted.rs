//! Where somebody wanted to go before signing in, and redirects as such.
//!
//! Invariant: no redirect leaves this server, whatever a link, a form or a cookie says: only paths of the chat
//! itself are ever wanted.

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// Where everybody goes who did not want anything else.
pub(super) const HOME: &str = "/chat/room";
const BYTES_MAX: usize = 512;

/// The path if it may be gone to: one of the chat, of harmless characters, without a way back up.
pub(super) fn local(path: &str) -> Option<&str> {
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%?=&".contains(&b);
    let fits = path == HOME || path.starts_with("/chat/");
    (fits && path.len() <= BYTES_MAX && path.bytes().all(harmless) && !path.contains("..") && !path.contains("//"))
        .then_some(path)
}

/// The page for signing in, with what is wanted as a parameter for the page's script.
pub(super) fn login_path(wanted: Option<&str>) -> String {
    match wanted {
        Some(path) if path != HOME => {
            format!("/login?{}", serde_urlencoded::to_string([("next", path)]).unwrap_or_default())
        }
        _ => "/login".to_owned(),
    }
}

/// A redirect with the status that browsers and the tutorial's front-end know: 302 (the next request is a GET).
pub(super) fn found(location: &str) -> Response {
    // Every location is a constant or was checked to be visible ASCII.
    let location = HeaderValue::try_from(location).unwrap_or(HeaderValue::from_static(HOME));
    (StatusCode::FOUND, [(LOCATION, location)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_redirect_leaves_this_server() {
        for good in ["/chat/room", "/chat/room/enter/123e4567-e89b-42d3-a456-426614174000", "/chat/room?x=1"] {
            assert_eq!(local(good), Some(good));
        }
        for bad in [
            "",
            "/",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            "/chat/../logout",
            "/chat//evil.example",
            "/chat/\\evil.example",
            "/chat/room\r\nSet-Cookie: x",
            "/chat/room;x",
            "/chat/방",
            "/chat",
            "/chatter",
            "/logout",
            "/chat/@evil.example",
        ] {
            assert_eq!(local(bad), None, "{bad}");
        }
        assert_eq!(local(&format!("/chat/{}", "a".repeat(BYTES_MAX))), None);
    }

    #[test]
    fn the_usual_place_needs_no_parameter() {
        assert_eq!(login_path(Some(HOME)), "/login");
        assert_eq!(login_path(None), "/login");
        assert_eq!(login_path(Some("/chat/room/enter/1?a=b")), "/login?next=%2Fchat%2Froom%2Fenter%2F1%3Fa%3Db");
    }
}
