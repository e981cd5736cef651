//! The page's files, as far as this build has them.

use super::*;
use crate::http::assets;

#[tokio::test]
async fn a_file_that_is_not_there_is_a_problem() {
    let house = House::new().await;
    for path in
        ["/assets/none.js", "/assets/", "/assets/..%2findex.html", "/assets/%2e%2e/index.html", "/index.html.br"]
    {
        house.call(get(path)).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn the_page_is_asked_for_each_time_and_not_sent_twice() {
    let house = House::new().await;
    let first = house.call(get("/login").browser()).await;
    let Some(etag) = first.headers.get("etag") else {
        assert!(first.text().contains("make build"), "this build has no page, and says so");
        return;
    };
    assert_eq!((first.header("cache-control"), first.header("vary")), ("no-cache", "Accept-Encoding"));
    let again = house.call(get("/login").browser().header("if-none-match", etag.to_str().unwrap())).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    let small = house.call(get("/login").browser().header("accept-encoding", "br")).await;
    assert_eq!(small.header("content-encoding"), "br");
    assert!(small.body.len() < first.body.len());
}

#[tokio::test]
async fn the_files_that_the_page_names_are_kept_for_ever() {
    let house = House::new().await;
    let page = house.call(get("/login").browser()).await.text();
    // A build without the page names none.
    for path in page.split('"').filter(|part| part.starts_with("/assets/")) {
        let file = house.call(get(path)).await;
        assert_eq!((file.status.as_u16(), file.header("cache-control")), (200, assets::FOR_EVER), "{path}");
        let head = house.call(call("HEAD", path)).await;
        assert_eq!((head.body.len(), head.header("content-length")), (0, file.body.len().to_string().as_str()));
        assert_eq!(house.call(get(format!("{path}.br"))).await.status, 404);
    }
}
