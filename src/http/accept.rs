//! What a caller would like to get: HTML or JSON, and which compression (RFC 9110, section 12.5).

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Brotli.
    Br,
    /// Gzip.
    Gzip,
    /// Not at all.
    Identity,
}

/// Whether the caller reads HTML: a browser that shows what it gets.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    weighed(headers, &ACCEPT).any(|(range, q)| q > 0.0 && matches!(&*range, "text/html" | "application/xhtml+xml"))
}

/// Whether the caller is a program that reads JSON: it says so, or sends JSON itself, and does not show HTML.
pub(super) fn wants_json(headers: &HeaderMap) -> bool {
    let is_json = |kind: &str| kind.starts_with("application/") && (kind.ends_with("json") || kind.ends_with("/*"));
    !wants_html(headers)
        && (weighed(headers, &ACCEPT).any(|(range, q)| q > 0.0 && is_json(&range)) || sends_json(headers))
}

/// Whether the request's body is JSON.
pub(super) fn sends_json(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|kind| kind == "application/json" || kind.ends_with("+json"))
}

/// The media type of the request's body, without its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(|kind| kind.trim().to_ascii_lowercase()).filter(|kind| !kind.is_empty())
}

/// The encodings that the caller takes, best first; of equal ones the smallest file first. `Identity` is always
/// among them: a file that cannot be had otherwise is better than none.
pub(super) fn encodings(headers: &HeaderMap) -> Vec<Encoding> {
    let asked: Vec<(String, f32)> = weighed(headers, &ACCEPT_ENCODING).collect();
    let quality = |name: &str, default: f32| {
        let find = |wanted: &str| asked.iter().find(|(token, _)| token == wanted).map(|(_, q)| *q);
        find(name).or_else(|| find("*").filter(|_| name != "identity")).unwrap_or(default)
    };
    let mut ranked = vec![
        (Encoding::Br, quality("br", 0.0)),
        (Encoding::Gzip, quality("gzip", 0.0)),
        // Acceptable unless refused, but anything that was asked for by name comes before.
        (Encoding::Identity, quality("identity", f32::MIN_POSITIVE)),
    ];
    ranked.retain(|(encoding, q)| *q > 0.0 || *encoding == Encoding::Identity);
    ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    ranked.into_iter().map(|(encoding, _)| encoding).collect()
}

/// The members of a list header with their weights, in lower case.
fn weighed(headers: &HeaderMap, name: &axum::http::HeaderName) -> impl Iterator<Item = (String, f32)> {
    headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).filter_map(
        |member| {
            let mut parts = member.split(';').map(str::trim);
            let token = parts.next().filter(|token| !token.is_empty())?.to_ascii_lowercase();
            let weight = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
            Some((token, weight.map_or(1.0, |q| q.parse().unwrap_or(0.0))))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use Encoding::{Br, Gzip, Identity};

    fn with(name: &'static str, value: &str) -> HeaderMap {
        [(name.parse().unwrap(), value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn browsers_want_html_and_programs_json() {
        let browser = with("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
        assert!(wants_html(&browser) && !wants_json(&browser));
        let axios = with("accept", "application/json, text/plain, */*");
        assert!(!wants_html(&axios) && wants_json(&axios));
        let curl = with("accept", "*/*");
        assert!(!wants_html(&curl) && !wants_json(&curl));
        assert!(wants_json(&with("content-type", "application/json; charset=utf-8")));
        assert!(!wants_json(&with("accept", "application/json;q=0")));
        assert!(!wants_json(&HeaderMap::new()) && !wants_html(&HeaderMap::new()));
    }

    #[test]
    fn the_best_encoding_comes_first_by_weight_then_by_size() {
        let ranked = |value| encodings(&with("accept-encoding", value));
        assert_eq!(ranked("gzip, deflate, br, zstd"), [Br, Gzip, Identity]);
        assert_eq!(ranked("gzip;q=1.0, br;q=0.5"), [Gzip, Br, Identity]);
        assert_eq!(ranked("br;q=0, gzip"), [Gzip, Identity]);
        assert_eq!(ranked("*"), [Br, Gzip, Identity]);
        assert_eq!(ranked("*;q=0"), [Identity]);
        assert_eq!(ranked("identity;q=1, gzip;q=0.5"), [Identity, Gzip]);
        assert_eq!(ranked("GZIP;Q=0.1"), [Gzip, Identity]);
        assert_eq!(ranked("br;q=nonsense"), [Identity]);
        assert_eq!(encodings(&HeaderMap::new()), [Identity]);
    }
}
