//! The headers that every answer carries: what a browser may do with it, and that nothing dynamic is kept.
//!
//! Invariant: a header that a handler has set stays as it is.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::{Edge, peer};

/// What everything dynamic says, word for word as the tutorial's server does.
pub(super) const DYNAMIC: &str = "no-cache, no-store, max-age=0, must-revalidate";

/// The fixed ones.
const FIXED: [(HeaderName, &str); 6] = [
    (CACHE_CONTROL, DYNAMIC),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// A year of HTTPS alone (RFC 6797, section 6.1). Names below this one are not ours to speak for.
const HTTPS_ALONE: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The middleware around everything.
pub(super) async fn secure(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let policy = policy(request.headers());
    // Only by a name that the operator gave, with a certificate that somebody else signed: it holds for every port of
    // that name, and `localhost` belongs to others, too.
    let is_real = edge.standing().is_some_and(|standing| standing.is_real) && is_own_name(request.headers(), &edge);
    let mut response = next.run(request).await;
    // A socket that has been upgraded is no document.
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let headers = response.headers_mut();
        for (name, value) in FIXED {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
        if is_real {
            headers.entry(STRICT_TRANSPORT_SECURITY).or_insert(HTTPS_ALONE);
        }
    }
    response
}

fn is_own_name(headers: &HeaderMap, edge: &Edge) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    name != "localhost" && edge.config.domain.contains(&name)
}

/// The content security policy: this server alone, nothing inline. `'self'` covers WebSockets of the same origin in
/// CSP 3; Safari before 15.4 wants them by name, so they are named where the `Host` is a well-formed one.
fn policy(headers: &HeaderMap) -> HeaderValue {
    const PLAIN: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                         img-src 'self' data:; font-src 'self'; form-action 'self'; base-uri 'none'; \
                         frame-ancestors 'none'; manifest-src 'self'";
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).filter(|host| peer::is_host(host));
    host.and_then(|host| {
        let sockets = format!("connect-src 'self' ws://{host} wss://{host};");
        HeaderValue::try_from(PLAIN.replace("connect-src 'self';", &sockets)).ok()
    })
    .unwrap_or(HeaderValue::from_static(PLAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy_for(host: &'static str) -> String {
        let headers = [(HOST, HeaderValue::from_static(host))].into_iter().collect();
        policy(&headers).to_str().unwrap().to_owned()
    }

    #[test]
    fn the_policy_names_the_own_sockets_and_nothing_a_host_header_smuggles_in() {
        assert!(
            policy_for("chat.example").contains("connect-src 'self' ws://chat.example wss://chat.example; img-src")
        );
        let plain = policy_for("x; script-src *");
        assert!(plain.contains("connect-src 'self'; img-src"), "{plain}");
        assert!(!plain.contains('*') && !plain.contains("unsafe"));
    }
}
