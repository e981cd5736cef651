//! Where a browser's request comes from: the guard against other sites that use a person's cookie.
//!
//! It knows headers and the configuration, no people. Invariant: no state-changing request that a browser makes for
//! another site reaches a handler with a cookie in hand, and no WebSocket opens for one.
//!
//! | request | let through |
//! |---|---|
//! | GET, HEAD, OPTIONS | always; `GET /logout` not when `Sec-Fetch-Site` is `cross-site` |
//! | with a Bearer token | always: no site can add that header to another's request, and the cookie is not read then |
//! | with `Sec-Fetch-Site` | `same-origin`, `none`, or an `Origin` among `allowed_origins` |
//! | with `Origin` | its host and port are the request's own, or it is among `allowed_origins` |
//! | with neither: a script, not a browser | no session cookie; or `/login`, `/signup`, `/setup`, SockJS, which do not use it |
//!
//! `GET /logout` is part of the old front-end's contract and stays. Another site can still send a person there with
//! an old browser that says nothing; all it does is end that session.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN, REFERER};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::Problem;
use super::{Edge, cookies, peer};
use crate::config::Config;

/// Whether a WebSocket may open: the page of this server, one of `allowed_origins`, or no browser at all (those
/// always say their `Origin`; RFC 6455, section 10.2).
pub fn allowed(headers: &HeaderMap, config: &Config) -> bool {
    match headers.get(ORIGIN) {
        None => true,
        Some(_) => is_own(headers, config) || is_listed(headers, config),
    }
}

/// The middleware in front of every route.
pub(super) async fn guard(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    if may_pass(request.method(), request.uri().path(), request.headers(), &edge.config) {
        return next.run(request).await;
    }
    Problem::new(StatusCode::FORBIDDEN, "cross_site")
        .detail(
            "this call has to come from this server's own page, and its Origin or Sec-Fetch-Site has to say so. From \
             another site: have the operator add it to allowed_origins. In a script: send Authorization: Bearer \
             instead of the cookie",
        )
        .into_response()
}

/// The middleware in front of SockJS, where a page may open a session with a plain GET.
pub(super) async fn admit(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    if may_speak(request.uri().path(), request.headers(), &edge.config) {
        return next.run(request).await;
    }
    Problem::new(StatusCode::FORBIDDEN, "cross_site")
        .detail(
            "a page of another site may not speak SockJS here: have the operator add its origin to allowed_origins, and let \
             the page send Origin or Referer. Who asks for jsonp or htmlfile without a browser: send Referer",
        )
        .into_response()
}

/// Whether a page may open a session, or read what it says. Scripts (`jsonp`) and frames (`htmlfile`) are loaded by any
/// page without an `Origin`; then the `Referer` says whose page it is, which a page can leave out and not forge. Where an
/// old browser says nothing at all, those two are refused: there is no program but a browser that has a use for them.
fn may_speak(path: &str, headers: &HeaderMap, config: &Config) -> bool {
    let is_known = |origin: &str| is_own_origin(origin, headers, config) || is_listed_origin(origin, config);
    let referer = text(headers, REFERER.as_str()).map(origin_of);
    match (text(headers, "sec-fetch-site"), headers.get(ORIGIN)) {
        (Some("same-origin" | "none"), _) => true,
        (_, Some(origin)) => origin.to_str().is_ok_and(is_known),
        (Some(_), None) => referer.is_some_and(is_known),
        (None, None) => referer.map_or(!path.ends_with("/jsonp") && !path.ends_with("/htmlfile"), is_known),
    }
}

/// The origin that an address begins with.
fn origin_of(address: &str) -> &str {
    let host = address.find("://").map_or(0, |at| at + 3);
    let end = address[host..].find('/').map_or(address.len(), |at| host + at);
    &address[..end]
}

/// Whether the `Origin` stands in `allowed_origins`.
pub(super) fn is_listed(headers: &HeaderMap, config: &Config) -> bool {
    text(headers, ORIGIN.as_str()).is_some_and(|origin| is_listed_origin(origin, config))
}

fn is_listed_origin(origin: &str, config: &Config) -> bool {
    config.allowed_origins.iter().any(|listed| listed.trim_end_matches('/').eq_ignore_ascii_case(origin))
}

fn may_pass(method: &Method, path: &str, headers: &HeaderMap, config: &Config) -> bool {
    let site = text(headers, "sec-fetch-site");
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return path != "/logout" || site != Some("cross-site");
    }
    if cookies::bearer(headers).is_some() {
        return true;
    }
    match (site, headers.contains_key(ORIGIN)) {
        (Some("same-origin" | "none"), _) => true,
        (Some(_), _) => is_listed(headers, config),
        (None, true) => is_own(headers, config) || is_listed(headers, config),
        (None, false) => {
            // These do not use the cookie; SockJS is signed in to by CONNECT.
            let is_free = matches!(path, "/login" | "/signup" | "/setup") || path.starts_with("/ws-stomp/");
            is_free || cookies::session_key(headers).is_none()
        }
    }
}

/// Whether the `Origin`'s host and port are those that the request itself was sent to. The scheme is left out: a
/// proxy may end TLS. A page cannot set `X-Forwarded-Host` on another site's request, so it may be believed here.
fn is_own(headers: &HeaderMap, config: &Config) -> bool {
    text(headers, ORIGIN.as_str()).is_some_and(|origin| is_own_origin(origin, headers, config))
}

fn is_own_origin(origin: &str, headers: &HeaderMap, config: &Config) -> bool {
    let Some((scheme, origin)) = origin.split_once("://") else { return false };
    let forwarded = if config.trusted_proxies.is_empty() { None } else { text(headers, "x-forwarded-host") };
    let default_port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let bare = |host: &str| host.strip_suffix(default_port).unwrap_or(host).to_ascii_lowercase();
    peer::is_host(origin)
        && [text(headers, HOST.as_str()), forwarded].into_iter().flatten().any(|host| bare(host) == bare(origin))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config { allowed_origins: vec!["https://friend.example".into()], ..Config::default() }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn passes(method: Method, path: &str, pairs: &[(&'static str, &str)]) -> bool {
        let mut headers = headers(pairs);
        headers.insert(HOST, "chat.example".parse().unwrap());
        may_pass(&method, path, &headers, &config())
    }

    fn posts(pairs: &[(&'static str, &str)]) -> bool {
        passes(Method::POST, "/chat/room", pairs)
    }

    const COOKIE: (&str, &str) = ("cookie", "sarangbang=x");

    #[test]
    fn a_browser_on_the_own_page_may_change_things() {
        assert!(posts(&[COOKIE, ("sec-fetch-site", "same-origin"), ("origin", "https://chat.example")]));
        assert!(posts(&[COOKIE, ("sec-fetch-site", "none")]));
        assert!(posts(&[COOKIE, ("origin", "https://chat.example")]));
        assert!(posts(&[COOKIE, ("origin", "http://CHAT.example:80")]));
        assert!(posts(&[COOKIE, ("sec-fetch-site", "cross-site"), ("origin", "https://friend.example")]));
    }

    #[test]
    fn another_site_may_not() {
        assert!(!posts(&[COOKIE, ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")]));
        assert!(!posts(&[COOKIE, ("sec-fetch-site", "same-site"), ("origin", "https://evil.chat.example")]));
        assert!(!posts(&[COOKIE, ("origin", "https://evil.example")]));
        assert!(!posts(&[COOKIE, ("origin", "https://chat.example:8443")]));
        assert!(!posts(&[COOKIE, ("origin", "https://chat.example.evil.example")]));
        assert!(!posts(&[COOKIE, ("origin", "null")]));
        assert!(!posts(&[COOKIE]));
        assert!(!posts(&[("origin", "https://evil.example")]), "signing somebody in from elsewhere");
        assert!(!posts(&[COOKIE, ("authorization", "Basic x")]), "the cookie would count");
    }

    #[test]
    fn scripts_without_a_cookie_or_with_a_token_may() {
        assert!(posts(&[]));
        assert!(passes(Method::POST, "/login", &[COOKIE]), "signing in again");
        assert!(posts(&[COOKIE, ("authorization", "Bearer x"), ("origin", "https://evil.example")]));
    }

    fn speaks(path: &str, pairs: &[(&'static str, &str)]) -> bool {
        let mut headers = headers(pairs);
        headers.insert(HOST, "chat.example".parse().unwrap());
        may_speak(path, &headers, &config())
    }

    #[test]
    fn sockjs_is_spoken_by_the_own_page_by_listed_ones_and_by_programs() {
        let (own, friend) = ("https://chat.example", "https://friend.example");
        for path in ["/ws-stomp/info", "/ws-stomp/0/a/xhr", "/ws-stomp/0/a/jsonp", "/ws-stomp/0/a/htmlfile"] {
            assert!(speaks(path, &[("sec-fetch-site", "same-origin")]));
            assert!(speaks(path, &[("origin", own)]) && speaks(path, &[("origin", friend)]));
            assert!(speaks(path, &[("sec-fetch-site", "cross-site"), ("origin", friend)]));
            for page in ["https://friend.example/", "https://friend.example", "https://friend.example/a?b#c"] {
                assert!(speaks(path, &[("sec-fetch-site", "cross-site"), ("referer", page)]), "{path} {page}");
                assert!(speaks(path, &[("referer", page)]), "an old browser");
            }
        }
        assert!(speaks("/ws-stomp/0/a/xhr", &[]), "no browser");
    }

    #[test]
    fn other_sites_speak_no_sockjs_however_they_hide() {
        for path in ["/ws-stomp/info", "/ws-stomp/0/a/eventsource", "/ws-stomp/0/a/jsonp", "/ws-stomp/0/a/htmlfile"] {
            for pairs in [
                &[("origin", "https://evil.example")][..],
                &[("origin", "null")],
                &[("sec-fetch-site", "cross-site")],
                &[("sec-fetch-site", "same-site")],
                &[("sec-fetch-site", "cross-site"), ("referer", "https://evil.example/https://friend.example/")],
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "https://evil.example"),
                    ("referer", "https://friend.example/"),
                ],
                &[("referer", "https://friend.example.evil.example/")],
                &[("referer", "https://evil.example?https://friend.example/")],
                &[("referer", "")],
            ] {
                assert!(!speaks(path, pairs), "{path} {pairs:?}");
            }
        }
        assert!(!speaks("/ws-stomp/0/a/jsonp", &[]) && !speaks("/ws-stomp/0/a/htmlfile", &[]));
    }

    #[test]
    fn reading_is_free_but_no_site_signs_people_out() {
        let evil = [COOKIE, ("sec-fetch-site", "cross-site")];
        assert!(passes(Method::GET, "/chat/rooms", &evil));
        assert!(!passes(Method::GET, "/logout", &evil));
        assert!(passes(Method::GET, "/logout", &[COOKIE, ("sec-fetch-site", "same-origin")]));
        assert!(passes(Method::GET, "/logout", &[COOKIE]));
    }

    #[test]
    fn a_websocket_opens_for_the_own_page_for_listed_ones_and_for_programs() {
        let opens = |pairs: &[(&'static str, &str)]| allowed(&headers(pairs), &config());
        let host = ("host", "127.0.0.1:8080");
        assert!(opens(&[host]));
        assert!(opens(&[host, ("origin", "http://127.0.0.1:8080")]));
        assert!(opens(&[host, ("origin", "https://friend.example")]));
        assert!(!opens(&[host, ("origin", "http://127.0.0.1:9090")]));
        assert!(!opens(&[host, ("origin", "null")]));
        assert!(!opens(&[host, ("origin", "")]));
    }
}
