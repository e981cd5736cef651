//! Plain HTTP beside HTTPS: an authority's questions are answered, people are sent on, and nobody else is.
//!
//! Invariant: no redirect leads anywhere but to one of this service's own names.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, LOCATION, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::tls::Certificates;

/// What the redirects are made of.
struct Way {
    certificates: Arc<Certificates>,
    /// Empty: the names of the certificate in force.
    names: Vec<String>,
    port: u16,
}

/// The routes of the redirect listener. `names` are those of the service; where there are none, the certificate's own
/// count. `port` is where HTTPS is served.
pub fn redirect(certificates: Arc<Certificates>, names: Vec<String>, port: u16) -> Router {
    let way = Arc::new(Way { certificates, names, port });
    Router::new()
        .route("/.well-known/acme-challenge/{token}", get(answer))
        .fallback(onward)
        .layer(map_response(dress))
        .with_state(way)
}

/// RFC 8555, section 8.3: whoever asks for a token that is being waited for gets its answer.
async fn answer(State(way): State<Arc<Way>>, Path(token): Path<String>) -> Response {
    match way.certificates.http_answer(&token) {
        Some(answer) => ([(CONTENT_TYPE, "application/octet-stream")], answer).into_response(),
        None => (StatusCode::NOT_FOUND, "no certificate authority is expected to ask for this\n").into_response(),
    }
}

async fn onward(State(way): State<Arc<Way>>, request: Request) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = bare(host).to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
    let is_ours = match way.names.as_slice() {
        [] => way.certificates.pair().serves(&name),
        names => names.contains(&name),
    };
    if !is_ours {
        return (StatusCode::MISDIRECTED_REQUEST, "this server does not go by that name\n").into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::NOT_FOUND, "there is nothing here; use https\n").into_response();
    }
    let authority = match (name.contains(':'), way.port) {
        (false, 443) => name,
        (false, port) => format!("{name}:{port}"),
        (true, 443) => format!("[{name}]"),
        (true, port) => format!("[{name}]:{port}"),
    };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    match HeaderValue::try_from(format!("https://{authority}{path}")) {
        Ok(location) => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)], Body::empty()).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Whoever came has nothing more to do here. A redirect may be kept no longer than the name stays.
async fn dress(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A host without its port and brackets.
fn bare(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt as _;

    use super::*;
    use crate::tls::Answers;

    fn way(port: u16) -> (Router, Arc<Certificates>) {
        let certificates = Arc::new(Certificates::of_nobody(&["chat.example".into(), "::1".into()]).unwrap());
        (redirect(Arc::clone(&certificates), vec!["chat.example".into(), "::1".into()], port), certificates)
    }

    async fn ask(router: &Router, method: Method, host: &str, path: &str) -> (StatusCode, Option<String>) {
        let request = Request::builder().method(method).uri(path).header(HOST, host).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let location = response.headers().get(LOCATION).map(|location| location.to_str().unwrap().to_owned());
        (response.status(), location)
    }

    #[tokio::test]
    async fn people_are_sent_to_the_same_page_by_https() {
        let (router, _) = way(443);
        let (status, location) = ask(&router, Method::GET, "Chat.Example:80", "/chat/room?x=%2F#y").await;
        assert_eq!(status, StatusCode::PERMANENT_REDIRECT);
        assert_eq!(location.as_deref(), Some("https://chat.example/chat/room?x=%2F"));
        let (router, _) = way(8443);
        let (_, location) = ask(&router, Method::HEAD, "[::1]", "/").await;
        assert_eq!(location.as_deref(), Some("https://[::1]:8443/"));
    }

    #[tokio::test]
    async fn nobody_is_sent_anywhere_else() {
        let (router, _) = way(443);
        for host in ["evil.example", "chat.example.evil", "", "evil@chat.example", "chat.example@evil.example", "[::2]"]
        {
            let (status, location) = ask(&router, Method::GET, host, "//evil.example/").await;
            assert_eq!((status, location), (StatusCode::MISDIRECTED_REQUEST, None), "{host}");
        }
        // A path of two slashes stays a path.
        let (_, location) = ask(&router, Method::GET, "chat.example", "//evil.example/").await;
        assert_eq!(location.as_deref(), Some("https://chat.example//evil.example/"));
        let (status, location) = ask(&router, Method::POST, "chat.example", "/login").await;
        assert_eq!((status, location), (StatusCode::NOT_FOUND, None));
    }

    #[tokio::test]
    async fn an_authority_gets_the_answer_that_it_waits_for_by_any_name() {
        let (router, certificates) = way(443);
        let path = "/.well-known/acme-challenge/token";
        assert_eq!(ask(&router, Method::GET, "chat.example", path).await.0, StatusCode::NOT_FOUND);
        let answer = ("token".to_owned(), "token.thumbprint".to_owned());
        certificates.answer(Answers { http: [answer].into(), ..Answers::default() });
        assert_eq!(ask(&router, Method::GET, "other.example", path).await.0, StatusCode::OK);
    }
}
