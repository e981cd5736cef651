//! What people see: the web page under its addresses, and refusals as pages.
//!
//! The page is one document for all addresses; its script finds out what to show. Invariant: a refusal keeps its
//! status and headers in whatever dress.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::Problem;
use super::rooms::RoomPath;
use super::who::Chatter;
use super::{Edge, accept, assets, wanted};

const INDEX: &str = "index.html";
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
/// Shown where the page should be and was not built. No script, no style: the policy allows none inline.
const NOT_BUILT: &str = "<!doctype html>\n<html lang=\"ko\">\n<meta charset=\"utf-8\">\n<title>Sarangbang</title>\n\
    <h1>Sarangbang</h1>\n\
    <p>서버는 잘 돌아가고 있지만, 이 실행 파일에는 웹 화면이 들어 있지 않아요. <code>make build</code>로 다시 빌드해 주세요.</p>\n\
    <p lang=\"en\">The server runs, but this binary was built without its web page. \
    Build it again with <code>make build</code>.</p>\n</html>\n";

/// `/` and `/index`: to the room list.
pub(super) async fn home() -> Response {
    wanted::found(wanted::HOME)
}

/// The pages for signing in, signing up and setting up: for everybody.
pub(super) async fn open(headers: HeaderMap) -> Response {
    page(&headers)
}

/// The room list: for who may chat.
pub(super) async fn lobby(_: Chatter, headers: HeaderMap) -> Response {
    page(&headers)
}

/// A room: for who may chat, and only if there is one.
pub(super) async fn room(
    State(edge): State<Arc<Edge>>,
    _: Chatter,
    RoomPath(id): RoomPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    edge.store.room(id).await?.ok_or_else(Problem::room_unknown)?;
    Ok(page(&headers))
}

/// Every other path: a file at the root of the build (an icon, `robots.txt`), or nothing.
pub(super) async fn elsewhere(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let name = uri.path().trim_start_matches('/');
    let reads = matches!(method, Method::GET | Method::HEAD);
    let is_file = reads && !name.contains('/') && name != INDEX;
    let file = is_file.then(|| assets::answer(assets::embedded, name, &headers, assets::ASK_FIRST)).flatten();
    file.unwrap_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "not_found")
            .detail("there is nothing at this path; /openapi.json lists what there is")
            .into_response()
    })
}

/// A path that is there, called with a method that it does not know; the router adds `Allow`.
pub(super) async fn other_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed")
        .detail("this path does not know this method; the header Allow lists those it knows")
}

/// The middleware that shows refusals as pages to those who read HTML.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    if !accept::wants_html(request.headers()) {
        return next.run(request).await;
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let in_chat = request.uri().path().starts_with("/chat/");
    let response = next.run(request).await;
    let Some(problem) = response.extensions().get::<Problem>() else { return response };
    // The page has its own words for what is not there, and for guests.
    let own_words = match problem.status() {
        StatusCode::NOT_FOUND => reads,
        StatusCode::FORBIDDEN => reads && in_chat,
        _ => false,
    };
    let index = if own_words { assets::embedded(INDEX) } else { None };
    let body = index.map_or_else(|| Body::from(refusal(problem)), |index| Body::from(index.into_bytes()));
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HTML);
    Response::from_parts(parts, body)
}

fn page(headers: &HeaderMap) -> Response {
    assets::answer(assets::embedded, INDEX, headers, assets::ASK_FIRST)
        .unwrap_or_else(|| ([(CONTENT_TYPE, HTML)], NOT_BUILT).into_response())
}

/// A refusal as a page of its own.
fn refusal(problem: &Problem) -> String {
    let (title, detail) = problem.words();
    let (title, detail) = (escaped(title), escaped(detail));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<h1>{title}</h1>\n\
         <p>{detail}</p>\n<p><a href=\"/\">Sarangbang</a></p>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_cannot_carry_markup() {
        let page = refusal(&Problem::new(StatusCode::BAD_REQUEST, "x").detail("<script>alert(\"&\")</script>"));
        assert!(page.contains("&lt;script&gt;alert(&quot;&amp;&quot;)"), "{page}");
        assert!(!page.contains("<script"));
    }

    #[test]
    fn the_page_that_was_not_built_says_so_in_both_languages_and_without_script() {
        assert!(NOT_BUILT.contains("make build") && NOT_BUILT.contains("빌드") && NOT_BUILT.contains("built without"));
        assert!(!NOT_BUILT.contains("<script") && !NOT_BUILT.contains("style"));
    }
}
