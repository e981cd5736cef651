//! Certificates from real authorities: got, renewed, kept, and waited for when something is in the way.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use sarangbang::store::Secret;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::support::authority::{Caddy, HTTP_PORT, Impostor, Pebble, TLS_PORT, own_address, shown};
use crate::support::secure::secure;
use crate::support::{PATIENCE, Server, eventually};

const NAME: &str = "chat.test";

/// Waits until the server shows a certificate of this authority for a name; answers its chain.
async fn certified(pebble: &Pebble, name: &str) -> Vec<CertificateDer<'static>> {
    let (root, at) = (pebble.root(), (pebble.address, TLS_PORT));
    eventually("there is a certificate", || async { shown(at, name, &root).await.is_some() }).await;
    shown(at, name, &root).await.unwrap()
}

/// What stands against serving people.
async fn obstacle(server: &Server) -> Option<String> {
    let answer = server.http("GET", "/readyz", "", "").await;
    let json: Value = serde_json::from_str(&answer.body).unwrap();
    let part = json["notReady"].as_array().unwrap().iter().find(|part| part["part"] == "certificate")?.clone();
    assert_eq!(answer.status, 503);
    Some(part["detail"].as_str().unwrap().to_owned())
}

/// Waits until `/readyz` says this about the certificate; answers all of it.
async fn told(server: &Server, words: &str) -> String {
    eventually(words, || async { obstacle(server).await.is_some_and(|told| told.contains(words)) }).await;
    obstacle(server).await.unwrap()
}

async fn plan(server: &Server) -> Value {
    let kept = server.store().kept("acme/plan").await.unwrap();
    kept.map(|kept| serde_json::from_slice(kept.expose()).unwrap()).unwrap_or_default()
}

#[tokio::test]
async fn a_certificate_is_got_by_http_01() {
    let pebble = Pebble::new().start().await;
    let server = pebble.server(NAME).set("acme.challenge", "http-01").start().await;
    let chain = certified(&pebble, NAME).await;
    assert_eq!(chain.len(), 2, "the intermediate comes with it");
    eventually("it is ready", || async { obstacle(&server).await.is_none() }).await;
    assert!(pebble.log().contains("validate w/ HTTP"), "{}", pebble.log());
    // Browsers may be told to come by HTTPS alone from now on.
    let page = server.http("GET", "/login", "", "").await;
    assert!(page.header("strict-transport-security").is_some());
}

#[tokio::test]
async fn a_certificate_is_got_by_tls_alpn_01() {
    let pebble = Pebble::new().start().await;
    let server =
        pebble.server(NAME).set("acme.challenge", "tls-alpn-01").set("tls.redirect_listen", "off").start().await;
    certified(&pebble, NAME).await;
    eventually("it is ready", || async { obstacle(&server).await.is_none() }).await;
    assert_eq!(pebble.orders(), 1);
}

#[tokio::test]
async fn the_other_way_is_gone_when_one_fails() {
    let pebble = Pebble::new().start().await;
    // Nobody answers where the authority asks by HTTP.
    let elsewhere = format!("{}:{}", pebble.address, HTTP_PORT + 1);
    let server = pebble.server(NAME).set("tls.redirect_listen", elsewhere).start().await;
    certified(&pebble, NAME).await;
    assert_eq!(pebble.orders(), 2);
    let log = server.log();
    assert!(log.contains("trying the other way") && log.contains("about chat.test"), "{log}");
    eventually("it is written down", || async { plan(&server).await["worked"] == "tls-alpn-01" }).await;
    assert_eq!(plan(&server).await["failures"], 0);
}

#[tokio::test]
async fn several_names_share_one_certificate() {
    let pebble = Pebble::new().start().await;
    let _server = pebble.server("chat.test,www.chat.test,other.test").start().await;
    let first = certified(&pebble, NAME).await;
    assert_eq!(certified(&pebble, "www.chat.test").await, first);
    assert_eq!(certified(&pebble, "other.test").await, first);
    assert_eq!(pebble.orders(), 1);
}

#[tokio::test]
async fn a_certificate_is_renewed_at_two_thirds_of_its_life_without_a_restart() {
    let pebble = Pebble::new().lasting(15).start().await;
    let mut server = pebble.server(NAME).start().await;
    let first = certified(&pebble, NAME).await;
    let (_, read) = X509Certificate::from_der(&first[0]).unwrap();
    let begin = read.validity().not_before.timestamp();
    let (root, at) = (pebble.root(), (pebble.address, TLS_PORT));
    let mut open = server.connect("minji").await;
    eventually("it is renewed", || async { shown(at, NAME, &root).await.is_some_and(|chain| chain != first) }).await;
    let renewed = shown(at, NAME, &root).await.unwrap();
    let (_, read) = X509Certificate::from_der(&renewed[0]).unwrap();
    let after = read.validity().not_before.timestamp() - begin;
    assert!((9..=11).contains(&after), "renewed after {after} of 15 seconds");
    assert_ne!(X509Certificate::from_der(&first[0]).unwrap().1.public_key(), read.public_key(), "with a fresh key");
    // A socket that was open before is none the wiser.
    let room = server.room("사랑방").await;
    open.subscribe("0", room, "").await;
    assert_eq!(open.message().await.json()["type"], "ENTER");
    server.kill();
}

#[tokio::test]
async fn a_restart_serves_the_kept_certificate_at_once_and_asks_for_none() {
    let pebble = Pebble::new().start().await;
    let mut server = pebble.server(NAME).start().await;
    let first = certified(&pebble, NAME).await;
    eventually("it is kept", || async { plan(&server).await["order"].is_null() }).await;
    let (root, asked) = (pebble.root(), pebble.log().len());
    for _ in 0..3 {
        server.kill();
        server.restart().await;
        assert_eq!(shown((pebble.address, TLS_PORT), NAME, &root).await, Some(first.clone()));
        assert_eq!(obstacle(&server).await, None);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!pebble.log()[asked..].contains("POST"), "the authority was asked: {}", &pebble.log()[asked..]);
}

#[tokio::test]
async fn an_authority_that_is_down_is_told_and_asked_again_later() {
    let mut pebble = Pebble::new();
    let mut server = pebble.server(NAME).start().await;
    let words = told(&server, "cannot be reached").await;
    assert!(words.contains(&pebble.directory()) && words.contains("acme.directory"), "{words}");
    assert!(words.contains("next try at 20"), "{words}");
    // Somebody is at home meanwhile, with a certificate of their own making.
    assert_eq!(server.http("GET", "/healthz", "", "").await.status, 200);
    pebble.run().await;
    // It does not help to start again: the minute has to pass.
    server.kill();
    server.restart().await;
    told(&server, "cannot be reached").await;
    assert_eq!(pebble.orders(), 0);
    server.kill();
    let mut passed = plan(&server).await;
    passed["not_before_ms"] = 0.into();
    server.store().keep("acme/plan", Secret::new(passed.to_string().into_bytes())).await.unwrap();
    server.restart().await;
    certified(&pebble, NAME).await;
    eventually("it is ready", || async { obstacle(&server).await.is_none() }).await;
}

#[tokio::test]
async fn an_authority_that_cannot_prove_the_name_is_quoted_in_plain_words() {
    let pebble = Pebble::new().misled().start().await;
    let server = pebble.server(NAME).start().await;
    let words = told(&server, "the authority says about chat.test").await;
    assert!(words.contains("and by tls-alpn-01: the authority says about chat.test"), "{words}");
    assert!(words.contains("DNS record has to point to this host") && !words.contains('\n'), "{words}");
    assert!(server.log().contains("there is no certificate yet"), "{}", server.log());
    let plan = plan(&server).await;
    assert_eq!((&plan["failures"], &plan["fell_over"], &plan["order"]), (&1.into(), &true.into(), &Value::Null));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(pebble.orders(), 2, "one for each way, and then it waits");
}

#[tokio::test]
async fn who_has_mended_the_cause_gets_the_certificate_by_sighup() {
    let pebble = Pebble::new().misled().start().await;
    let server = pebble.server(NAME).start().await;
    told(&server, "the authority says about chat.test").await;
    pebble.names.as_ref().unwrap().lead(pebble.address, NAME, pebble.address);
    server.signal("HUP");
    certified(&pebble, NAME).await;
    assert!(server.log().contains("asked now instead of later"), "{}", server.log());
}

#[tokio::test]
async fn the_one_name_that_fails_is_told_from_the_others() {
    let pebble = Pebble::new().start().await;
    pebble.names.as_ref().unwrap().lead(pebble.address, "astray.test", own_address());
    let server = pebble.server("chat.test,astray.test").start().await;
    let words = told(&server, "the authority says").await;
    assert!(words.contains("about astray.test") && !words.contains("about chat.test"), "{words}");
}

#[tokio::test]
async fn a_name_that_is_added_is_certified_while_the_old_certificate_serves() {
    let mut pebble = Pebble::new().start().await;
    let mut server = pebble.server(NAME).start().await;
    let first = certified(&pebble, NAME).await;
    eventually("it is kept", || async { plan(&server).await["order"].is_null() }).await;
    server.kill();
    // The authority forgets whom it knew, too.
    let old_root = pebble.root();
    pebble.stop();
    pebble.run().await;
    pebble.names.as_ref().unwrap().pause();
    server.change("domain", "www.chat.test,chat.test");
    server.restart().await;
    assert_eq!(shown((pebble.address, TLS_PORT), NAME, &old_root).await, Some(first));
    assert_eq!(obstacle(&server).await, None);
    pebble.names.as_ref().unwrap().go_on();
    certified(&pebble, "www.chat.test").await;
    assert!(server.log().contains("does not know the kept account any more"), "{}", server.log());
}

#[tokio::test]
async fn a_changed_mail_address_is_told_to_the_authority() {
    let pebble = Pebble::new().start().await;
    let mut server = pebble.server(NAME).set("acme.email", "minji@example.com").start().await;
    certified(&pebble, NAME).await;
    eventually("it is kept", || async { plan(&server).await["order"].is_null() }).await;
    server.kill();
    server.change("acme.email", "jisoo@example.com");
    server.change("domain", "www.chat.test");
    server.restart().await;
    certified(&pebble, "www.chat.test").await;
    assert!(server.log().contains("was told the new acme.email"), "{}", server.log());
}

#[tokio::test]
async fn an_expired_certificate_goes_on_being_served_loudly() {
    let mut pebble = Pebble::new().lasting(6).start().await;
    let mut server = pebble.server(NAME).start().await;
    let first = certified(&pebble, NAME).await;
    pebble.stop();
    // What was still good is no obstacle, and the failure is only a warning.
    eventually("a renewal has failed", || async { server.log().contains("the certificate was not renewed") }).await;
    assert!(!server.log().contains("ERROR"), "{}", server.log());
    told(&server, "the certificate has expired").await;
    let stream = TcpStream::connect((pebble.address, TLS_PORT)).await.unwrap();
    let stream = secure(stream, NAME).await.unwrap();
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap(), first);
    server.kill();
    server.restart().await;
    told(&server, "the certificate ended at 20").await;
    assert!(server.log().contains("and is still served"), "{}", server.log());
}

#[tokio::test]
async fn half_of_all_nonces_may_be_rejected() {
    let pebble = Pebble::new().with("PEBBLE_WFE_NONCEREJECT", 50).start().await;
    // Many names are many requests: the three tries of the protocol's client would not be enough for all of them.
    let names: Vec<String> = (0..20).map(|n| format!("{n}.chat.test")).collect();
    let server = pebble.server(&names.join(",")).start().await;
    certified(&pebble, &names[19]).await;
    assert_eq!(pebble.orders(), 1);
    assert!(!server.log().contains("WARN") && !server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test]
async fn a_server_killed_in_the_middle_of_an_order_takes_it_up_again() {
    let pebble = Pebble::new().start().await;
    // The authority cannot look for the answer as long as nobody tells it where.
    pebble.names.as_ref().unwrap().pause();
    let mut server = pebble.server(NAME).start().await;
    eventually("it is validating", || async { pebble.log().contains("POST /chalZ/") }).await;
    server.kill();
    let resumed = pebble.log().len();
    server.restart().await;
    eventually("it is taken up", || async { pebble.log()[resumed..].contains("POST /my-order/") }).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    pebble.names.as_ref().unwrap().go_on();
    certified(&pebble, NAME).await;
    assert_eq!(pebble.orders(), 1);
    eventually("the plan is clear", || async { plan(&server).await["failures"] == 0 }).await;
}

#[tokio::test]
async fn an_attempt_counts_as_failed_before_it_is_made() {
    // Somebody who lets connections in and says nothing.
    let silent = TcpListener::bind((own_address(), 0)).await.unwrap();
    let at = silent.local_addr().unwrap();
    let mut server = Server::builder()
        .listen(format!("{}:{TLS_PORT}", at.ip()))
        .set("domain", NAME)
        .set("acme.directory", format!("https://{at}/dir"))
        .set("acme.preflight", false)
        .start()
        .await;
    let (_asked, _) = timeout(PATIENCE, silent.accept()).await.unwrap().unwrap();
    let noted = plan(&server).await;
    assert_eq!((&noted["failures"], &noted["wait_ms"]), (&1.into(), &60_000.into()));
    for _ in 0..3 {
        server.kill();
        server.restart().await;
        told(&server, "the last attempt was broken off; next try at 20").await;
    }
    assert!(timeout(Duration::from_millis(300), silent.accept()).await.is_err(), "it was asked again");
}

#[tokio::test]
async fn two_hundred_restarts_do_not_spend_the_limits() {
    // Killed in the first attempt before there is an order, and with one; at every stage in both cases.
    for has_order in [false, true] {
        let pebble = Pebble::new().misled().start().await;
        let started = Instant::now();
        let mut server = pebble.server(NAME).start().await;
        if has_order {
            eventually("there is an order", || async { pebble.orders() > 0 }).await;
        }
        for turn in 0..100 {
            tokio::time::sleep(Duration::from_millis(turn % 50)).await;
            server.kill();
            server.restart().await;
        }
        let waits = [60, 360, 2_160].into_iter().filter(|wait| started.elapsed().as_secs() >= *wait).count();
        let orders = pebble.orders();
        println!("{orders} orders in {:?}", started.elapsed());
        assert!(orders >= usize::from(has_order) && orders <= 2 + waits, "{orders} orders, {waits} waits");
    }
}

#[tokio::test]
async fn caddy_issues_too() {
    let caddy = Caddy::start().await;
    // It looks at ports 80 and 443 and nowhere else: whoever may not listen there cannot run this test.
    let _server = Server::builder()
        .listen(format!("{}:443", caddy.address))
        .set("tls.redirect_listen", format!("{}:80", caddy.address))
        .set("domain", NAME)
        .set("acme.directory", caddy.directory())
        .set("acme.ca_file", caddy.root().display())
        .set("acme.preflight", false)
        .start()
        .await;
    let root = std::fs::read_to_string(caddy.root()).unwrap();
    let at = (caddy.address, 443);
    eventually("there is a certificate", || async { shown(at, NAME, &root).await.is_some() }).await;
}

#[tokio::test]
async fn a_key_is_in_no_log_and_its_file_is_nobody_elses() {
    let pebble = Pebble::new().start().await;
    let server = pebble.server(NAME).set("log.level", "trace").start().await;
    certified(&pebble, NAME).await;
    eventually("it is kept", || async { plan(&server).await["order"].is_null() }).await;
    let store = server.store();
    let kept = |name: String| async move { store.kept(&name).await.unwrap().unwrap() };
    let certificate: Value = serde_json::from_slice(kept("acme/certificate".into()).await.expose()).unwrap();
    let account = kept(format!("acme/account/{}", pebble.directory())).await;
    let account: Value = serde_json::from_slice(account.expose()).unwrap();
    let pem = certificate["key_pem"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    let log = server.log();
    assert!(log.contains("TRACE"));
    let mut secrets: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
    secrets.push(account["credentials"]["key_pkcs8"].as_str().unwrap());
    secrets.push("PRIVATE KEY");
    for secret in secrets {
        assert!(!log.contains(&secret[..secret.len().min(40)]), "the log holds {secret}");
    }
    for file in std::fs::read_dir(server.data()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", file.path());
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told_and_nobody_is_asked() {
    let pebble = Pebble::new().start().await;
    let server = pebble.server("nobody.invalid").set("acme.preflight", true).start().await;
    let words = told(&server, "nobody.invalid does not resolve").await;
    assert!(words.contains("A or AAAA record"), "{words}");
    assert!(!pebble.log().contains("GET /dir"), "{}", pebble.log());
    assert_eq!(plan(&server).await["failures"].as_u64().unwrap_or(0), 0);
}

#[tokio::test]
async fn a_server_that_does_not_reach_itself_is_warned_and_goes_on() {
    let pebble = Pebble::new().start().await;
    // It listens at an address of its own, and `localhost` is another one.
    let server = pebble.server("localhost").set("acme.preflight", true).start().await;
    certified(&pebble, "localhost").await;
    let log = server.log();
    assert!(log.contains("does not reach itself by its name") && log.contains("WARN"), "{log}");
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_told_with_the_key_that_helps() {
    let pebble = Pebble::new().start().await;
    let server = pebble.server(NAME).set("acme.ca_file", "").start().await;
    let words = told(&server, "acme.ca_file").await;
    assert!(words.contains("invalid peer certificate"), "{words}");
}

#[tokio::test]
async fn an_address_that_is_no_directory_is_told_with_its_key() {
    let pebble = Pebble::new().start().await;
    let server = pebble.server(NAME).set("acme.directory", format!("{}/nothing", pebble.directory())).start().await;
    told(&server, "acme.directory").await;
}

#[tokio::test]
async fn an_authority_that_asks_for_time_gets_it() {
    let busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7200\r\nContent-Length: 0\r\n\r\n";
    let authority = Impostor::start(busy).await;
    let server = authority.server().start().await;
    told(&server, "answered 503 Service Unavailable").await;
    let wait = plan(&server).await["wait_ms"].as_i64().unwrap();
    assert!((7_190_000..=7_200_000).contains(&wait), "{wait}");
}

#[tokio::test]
async fn nonsense_from_an_authority_is_told_and_waited_for() {
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>";
    // An address that the protocol's client cannot even send a request to.
    let bad = concat!(
        "HTTP/1.1 200 OK\r\nContent-Length: 68\r\n\r\n",
        r#"{"newNonce":"no address at all","newAccount":"alas","newOrder":"no"}"#,
    );
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{";
    let large = "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n{";
    for (answer, words) in [
        (page, "is not what RFC 8555 says"),
        (bad, "the last attempt was broken off"),
        (half, "broke off in the middle of its answer"),
        (large, "more than 1 MiB"),
    ] {
        let authority = Impostor::start(answer).await;
        let server = authority.server().start().await;
        let told = told(&server, words).await;
        assert!(told.contains("next try at 20"), "{told}");
        assert_eq!(plan(&server).await["failures"], 1);
    }
}
