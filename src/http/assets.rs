//! The web page's files, embedded in the binary (debug builds read them from the folder).
//!
//! It knows files and headers, nobody who asks. Invariant: what is answered is a file of the build, in the best
//! encoding that the caller takes, under an ETag that changes with its bytes; the compressed neighbours that the
//! build made (`x.br`, `x.gz`) are no files of their own.

use std::borrow::Cow;

use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::accept::{self, Encoding};
use super::error::Problem;

/// For files whose name has a hash of their content: a browser need never ask again.
pub(super) const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// For files that keep their name: a browser asks each time, and mostly hears that nothing changed.
pub(super) const ASK_FIRST: &str = "no-cache";

/// One file.
pub(super) struct File {
    bytes: Cow<'static, [u8]>,
    sha256: [u8; 32],
    media_type: String,
}

impl File {
    /// Its bytes, without a copy where they are part of the binary.
    pub(super) fn into_bytes(self) -> Bytes {
        match self.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        }
    }
}

/// Where files come from, by their path in the build's output.
pub(super) type Folder = fn(&str) -> Option<File>;

/// The files that this binary was built with. Building without Node leaves them out.
pub(super) fn embedded(path: &str) -> Option<File> {
    let file = <Dist as rust_embed::RustEmbed>::get(path)?;
    let (sha256, media_type) = (file.metadata.sha256_hash(), file.metadata.mimetype().to_owned());
    Some(File { bytes: file.data, sha256, media_type })
}

/// A file under `/assets/`.
pub(super) async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    answer(embedded, &format!("assets/{path}"), &headers, FOR_EVER).unwrap_or_else(|| unknown().into_response())
}

/// The answer with this file, or with the news that the caller has it already; `None` when there is no such file.
pub(super) fn answer(folder: Folder, path: &str, asked: &HeaderMap, keep: &'static str) -> Option<Response> {
    let is_neighbour = path.ends_with(".br") || path.ends_with(".gz");
    if is_neighbour || path.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        return None;
    }
    let plain = folder(path)?;
    let media_type = with_charset(&plain.media_type);
    let neighbour = |encoding| match encoding {
        Encoding::Br => folder(&format!("{path}.br")).map(|file| (file, Some("br"))),
        Encoding::Gzip => folder(&format!("{path}.gz")).map(|file| (file, Some("gzip"))),
        Encoding::Identity => None,
    };
    let ranked = accept::encodings(asked);
    let better = ranked.into_iter().take_while(|encoding| *encoding != Encoding::Identity).find_map(neighbour);
    let (file, encoding) = better.unwrap_or((plain, None));

    let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(file.sha256));
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    let has_it = knows(asked, &etag);
    headers.insert(ETAG, HeaderValue::try_from(etag).ok()?);
    if has_it {
        return Some((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(CONTENT_TYPE, HeaderValue::try_from(media_type).ok()?);
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Some((headers, Body::from(file.into_bytes())).into_response())
}

#[derive(rust_embed::RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Dist;

/// Whether the caller has this very file (RFC 9110, section 13.1.2: the weak comparison).
pub(super) fn knows(asked: &HeaderMap, etag: &str) -> bool {
    let lines = asked.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

fn with_charset(media_type: &str) -> String {
    if media_type.starts_with("text/") { format!("{media_type}; charset=utf-8") } else { media_type.to_owned() }
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found").detail("there is no such file; load the page again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &str) -> Option<File> {
        let (bytes, media_type): (&'static [u8], _) = match path {
            "assets/a-1.js" => (b"plain", "text/javascript"),
            "assets/a-1.js.br" => (b"br", "application/octet-stream"),
            "assets/a-1.js.gz" => (b"gz", "application/gzip"),
            "assets/b-2.svg" => (b"<svg/>", "image/svg+xml"),
            _ => return None,
        };
        let sha256 = crate::auth::sha256(std::str::from_utf8(bytes).unwrap());
        Some(File { bytes: bytes.into(), sha256, media_type: media_type.into() })
    }

    fn get(path: &str, asked: &[(&'static str, &str)]) -> Option<Response> {
        let asked = asked.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        answer(folder, path, &asked, FOR_EVER)
    }

    fn shown(asked: &[(&'static str, &str)]) -> (Option<String>, String) {
        let response = get("assets/a-1.js", asked).unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(response.headers()[VARY], "Accept-Encoding");
        assert_eq!(response.headers()[CACHE_CONTROL], FOR_EVER);
        let text = |name| response.headers().get(name).map(|v: &HeaderValue| v.to_str().unwrap().to_owned());
        (text(CONTENT_ENCODING), text(ETAG).unwrap())
    }

    #[test]
    fn the_best_encoding_is_served_each_under_its_own_etag() {
        let (br, br_tag) = shown(&[("accept-encoding", "gzip, deflate, br")]);
        let (gzip, gzip_tag) = shown(&[("accept-encoding", "gzip")]);
        let (plain, plain_tag) = shown(&[]);
        assert_eq!((br.as_deref(), gzip.as_deref(), plain), (Some("br"), Some("gzip"), None));
        assert!(br_tag != gzip_tag && gzip_tag != plain_tag);
        assert_eq!(shown(&[("accept-encoding", "br;q=0.1, gzip;q=0.9")]).0.as_deref(), Some("gzip"));
        assert_eq!(shown(&[("accept-encoding", "br;q=0, gzip;q=0")]).0, None);
    }

    #[test]
    fn a_file_without_neighbours_is_served_as_it_is() {
        let response = get("assets/b-2.svg", &[("accept-encoding", "br, gzip")]).unwrap();
        assert!(!response.headers().contains_key(CONTENT_ENCODING));
        assert_eq!(response.headers()[CONTENT_TYPE], "image/svg+xml");
    }

    #[test]
    fn who_has_the_file_is_not_sent_it_again() {
        let (_, tag) = shown(&[]);
        for sent in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".into()] {
            let response = get("assets/a-1.js", &[("if-none-match", &sent)]).unwrap();
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{sent}");
            assert!(response.headers().contains_key(ETAG) && response.headers().contains_key(CACHE_CONTROL));
            assert!(!response.headers().contains_key(CONTENT_TYPE));
        }
        assert_eq!(get("assets/a-1.js", &[("if-none-match", "\"other\"")]).unwrap().status(), StatusCode::OK);
    }

    #[test]
    fn neighbours_and_ways_out_of_the_folder_are_no_files() {
        for path in ["assets/a-1.js.br", "assets/a-1.js.gz", "assets/../assets/b-2.svg", "assets//a-1.js", "", "x"] {
            assert!(get(path, &[]).is_none(), "{path}");
        }
    }
}
