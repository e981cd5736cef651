//! The credentials that a request carries, and the two cookies that the server sets.
//!
//! `sarangbang` is the session: a random key whose SHA-256 the store knows. `sarangbang_next` is the page that
//! somebody wanted before signing in. Invariant: neither can be read by a script, or leaves with a request that
//! another site makes in the background.

use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use cookie::{Cookie, SameSite, time::Duration};

/// How long somebody stays signed in, in milliseconds.
pub(super) const SESSION_MS: i64 = 30 * 24 * 60 * 60 * 1000;

const SESSION: &str = "sarangbang";
const NEXT: &str = "sarangbang_next";
const NEXT_MINUTES: i64 = 30;

/// The token of an `Authorization: Bearer` header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The session's key.
pub(super) fn session_key(headers: &HeaderMap) -> Option<String> {
    read(headers, SESSION)
}

/// The page that was wanted before signing in. It is the browser's word: check it as any other.
pub(super) fn next(headers: &HeaderMap) -> Option<String> {
    read(headers, NEXT)
}

/// Sets the session.
pub(super) fn set_session(key: String, https: bool) -> HeaderValue {
    write(SESSION, key, Duration::milliseconds(SESSION_MS), https)
}

/// Takes the session away.
pub(super) fn clear_session(https: bool) -> HeaderValue {
    write(SESSION, String::new(), Duration::ZERO, https)
}

/// Remembers the page that was wanted.
pub(super) fn set_next(path: &str, https: bool) -> HeaderValue {
    write(NEXT, path.to_owned(), Duration::minutes(NEXT_MINUTES), https)
}

/// Forgets it.
pub(super) fn clear_next(https: bool) -> HeaderValue {
    write(NEXT, String::new(), Duration::ZERO, https)
}

fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
        .filter(|value| !value.is_empty())
}

fn write(name: &'static str, value: String, lifetime: Duration, https: bool) -> HeaderValue {
    let cookie = Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(https)
        .max_age(lifetime)
        .build();
    // The values are keys of ours and paths that were checked: visible ASCII without a semicolon.
    HeaderValue::try_from(cookie.to_string()).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        [(name.parse().unwrap(), value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn the_session_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let set = set_session("key".into(), true);
        assert_eq!(set, "sarangbang=key; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=2592000");
        assert_eq!(set_session("key".into(), false), "sarangbang=key; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000");
        assert_eq!(clear_session(false), "sarangbang=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        assert_eq!(session_key(&with("cookie", "a=b; sarangbang=key; c=d")).as_deref(), Some("key"));
        assert_eq!(session_key(&with("cookie", "xsarangbang=key; sarangbang=")), None);
    }

    #[test]
    fn only_bearer_is_a_token() {
        assert_eq!(bearer(&with("authorization", "bearer abc")), Some("abc"));
        assert_eq!(bearer(&with("authorization", "Basic abc")), None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
