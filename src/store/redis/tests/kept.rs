use super::*;
use crate::store::Secret;

#[tokio::test]
async fn what_is_kept_under_a_name_is_there_for_every_node_until_it_is_forgotten() {
    let server = RedisServer::start().await;
    let (one, two) = (server.node().await, server.node().await);
    let value = Secret::new([0, 255, b'\n']);
    assert_eq!(one.kept("a b:인증서".into()).await, Ok(None));
    one.keep_for("a b:인증서".into(), Secret::new(*b"one"), 1).await.unwrap();
    one.keep("a b:인증서".into(), value.clone()).await.unwrap();
    one.keep_for("short".into(), value.clone(), 5).await.unwrap();
    assert_eq!(two.kept("short".into()).await, Ok(Some(value.clone())));
    until("it was forgotten by itself", async || two.kept("short".into()).await == Ok(None)).await;
    assert_eq!(two.kept("a b:인증서".into()).await, Ok(Some(value.clone())), "the later one has no end");
    two.keep_for("a b:인증서".into(), value, 0).await.unwrap();
    assert_eq!(one.kept("a b:인증서".into()).await, Ok(None));
    assert_eq!(server.keys().await, ["test:{all}:changes"]);
}

#[tokio::test]
async fn of_two_that_claim_at_once_one_has_it_until_its_time_is_over() {
    let server = RedisServer::start().await;
    let (one, two) = (server.node().await, server.node().await);
    let claim = async |node: &Redis, seconds| node.claim("renewal".into(), seconds).await.unwrap();
    let (a, b) = tokio::join!(claim(&one, 60), claim(&two, 60));
    assert_ne!(a, b);
    let (has, waits) = if a { (&one, &two) } else { (&two, &one) };
    assert!(waits.claim("another".into(), 60).await.unwrap());
    assert!(claim(has, 120).await);
    assert!(server.ask::<i64>("TTL test:{all}:claim:renewal").await > 60, "claimed again it lasts longer");
    assert!(claim(has, 5).await);
    assert!(!claim(waits, 60).await);
    until("it is free", async || claim(waits, 60).await).await;
    assert!(!claim(has, 60).await);
    assert!(!claim(has, 0).await, "nobody gives back what somebody else has");
    assert!(claim(waits, 0).await);
    assert!(claim(has, 60).await);
}
