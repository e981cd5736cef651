//! The link against real servers: every form of the address, what is refused, and how it comes back.

mod groups;
mod starter;

use std::time::{Duration, Instant};

use redis::{Value, cmd, pipe};

use self::starter::{Server, free_port, until};
use super::super::address::Address;
use super::*;
use crate::chat::Locale;

fn settings(url: &str) -> Settings {
    Settings {
        url: url.parse().unwrap(),
        prefix: "chat:".into(),
        locale: Locale::En,
        keep_entries: None,
        keep_days: None,
        queue_max: 16,
        rooms_max: 16,
        wait: Duration::from_secs(5),
        replicas_min: 0,
        lease: Duration::from_secs(10),
    }
}

async fn open(url: &str) -> std::result::Result<Link, OpenError> {
    Link::open(&settings(url)).await
}

/// Why this address is refused, without waiting for anything.
async fn refusal(address: Address) -> String {
    let settings = Settings { url: address, wait: Duration::ZERO, ..settings("redis://h") };
    Link::open(&settings).await.err().expect("it was accepted").to_string()
}

/// What should be told about the server there.
async fn concerns(server: &Server) -> Vec<Concern> {
    let link = open(&server.url()).await.unwrap();
    let (_, mut wire) = link.wire(Instant::now()).await.unwrap();
    check::look(&mut wire, &server.url().parse().unwrap(), link.keys()).await.unwrap().1
}

async fn is_there(link: &Link) -> bool {
    link.read::<Value>(pipe().cmd("EXISTS").arg(link.keys().of_all("epoch"))).await.is_ok()
}

#[tokio::test]
async fn a_password_is_asked_for_and_a_wrong_one_is_refused_with_the_fix() {
    let server = Server::start(&["--requirepass", "right p@ss"]).await;
    let address = |text: String| text.parse::<Address>().unwrap();
    let url = server.url();
    let none = refusal(address(url.clone())).await;
    assert!(none.contains("wants a password") && none.contains("redis.password_file"), "{none}");
    let wrong = refusal(address(url.replace("://", "://:wrong@"))).await;
    assert!(wrong.contains("does not accept this user and password") && !wrong.contains("wrong@"), "{wrong}");
    let nobody = refusal(address(url.replace("://", "://nobody:right%20p%40ss@"))).await;
    assert!(nobody.contains("does not accept"), "{nobody}");
    assert!(is_there(&open(&url.replace("://", "://:right%20p%40ss@")).await.unwrap()).await);
}

#[tokio::test]
async fn a_user_with_the_documented_rights_is_enough_and_one_with_less_is_told_which() {
    let server = Server::start(&[]).await;
    let url = server.url().replace("://", "://chat:pw@");
    let rights = super::super::refusal::needed_rights("chat:");
    let set = |change: &[&str]| {
        let mut words: Vec<&str> = vec!["ACL", "SETUSER", "chat", "reset", "on", ">pw"];
        words.extend(rights.split(' '));
        words.extend(change);
        assert_eq!(server.ask(&words), "OK");
    };
    set(&[]);
    assert!(is_there(&open(&url).await.unwrap()).await);
    // A provider that forbids CONFIG: what it would say is left open.
    set(&["-config"]);
    let link = open(&url).await.unwrap();
    assert!(is_there(&link).await);
    for (change, part) in [
        (&["-publish"][..], "run PUBLISH"),
        (&["-xadd"], "run XADD"),
        (&["-info"], "'info'"),
        (&["-@scripting"], "'evalsha'"),
        (&["resetkeys", "~other:*"], "access"),
        (&["resetchannels", "&other:*"], "run SUBSCRIBE"),
    ] {
        set(change);
        let refusal = refusal(url.parse().unwrap()).await;
        assert!(refusal.contains(part) && refusal.contains("ACL SETUSER"), "{change:?}: {refusal}");
    }
}

#[tokio::test]
async fn what_would_lose_rooms_is_refused_and_what_a_crash_would_lose_is_told() {
    let server = Server::start(&["--maxmemory", "100mb", "--save", "", "--appendonly", "no"]).await;
    let address: Address = server.url().parse().unwrap();
    for (policy, is_accepted) in
        [("allkeys-lru", false), ("allkeys-random", false), ("volatile-lru", true), ("noeviction", true)]
    {
        assert_eq!(server.ask(&["CONFIG", "SET", "maxmemory-policy", policy]), "OK");
        if is_accepted {
            let told = concerns(&server).await;
            assert_eq!(told.iter().any(|told| told.problem.contains(policy)), policy != "noeviction", "{told:?}");
            assert!(told.iter().any(|told| told.problem.contains("loses every room")), "{told:?}");
        } else {
            let refusal = refusal(address.clone()).await;
            assert!(refusal.contains(policy) && refusal.contains("noeviction"), "{refusal}");
        }
    }
    assert_eq!(server.ask(&["CONFIG", "SET", "save", "3600 1"]), "OK");
    assert!(concerns(&server).await[0].problem.contains("since the last one"));
    assert_eq!(server.ask(&["CONFIG", "SET", "appendonly", "yes"]), "OK");
    assert_eq!(concerns(&server).await, []);
    assert_eq!(server.ask(&["CONFIG", "SET", "appendfsync", "no"]), "OK");
    assert!(concerns(&server).await[0].problem.contains("appendfsync no"));
}

#[tokio::test]
async fn a_replica_is_refused() {
    let master = Server::start(&[]).await;
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port)]).await;
    let refusal = refusal(replica.url().parse().unwrap()).await;
    assert!(refusal.contains("a replica") && refusal.contains("redis+sentinel://"), "{refusal}");
}

#[tokio::test]
async fn tls_is_believed_by_the_authority_that_is_named_and_by_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (root, pair) = certificates();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, pair.0).unwrap();
    std::fs::write(&key, pair.1).unwrap();
    let (cert, key, port) = (cert.display().to_string(), key.display().to_string(), free_port().to_string());
    let flags = ["--port", "0", "--tls-port", &port, "--tls-cert-file", &cert, "--tls-key-file", &key];
    let flags = [&flags[..], &["--tls-ca-cert-file", &cert, "--tls-auth-clients", "no"]].concat();
    let _server = Server::start(&flags).await;
    let address: Address = format!("rediss://localhost:{port}").parse().unwrap();
    let believed = Settings { url: address.clone().with_roots(root.as_bytes()), ..settings("redis://h") };
    assert!(is_there(&Link::open(&believed).await.unwrap()).await);
    let unknown = refusal(address.clone()).await;
    assert!(unknown.contains("is not believed") && unknown.contains("redis.ca_file"), "{unknown}");
    let by_address: Address = format!("rediss://127.0.0.1:{port}").parse().unwrap();
    let other_name = refusal(by_address.with_roots(root.as_bytes())).await;
    assert!(other_name.contains("is not believed") && other_name.contains("the host that it is for"), "{other_name}");
    let plain = Server::start(&[]).await;
    let no_tls = refusal(plain.url().replace("redis", "rediss").parse().unwrap()).await;
    assert!(no_tls.contains("without TLS keeps silent") && no_tls.contains("write redis://"), "{no_tls}");
}

/// The root of an authority, and a certificate for `localhost` with its key.
fn certificates() -> (String, (String, String)) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    (authority.pem(), (certificate.pem(), key.serialize_pem()))
}

#[tokio::test]
async fn a_unix_socket_and_the_number_of_a_database_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.sock").display().to_string();
    let server = Server::start(&["--unixsocket", &path]).await;
    for (url, database) in [(format!("unix://{path}?db=3"), "3"), (format!("{}/4", server.url()), "4")] {
        let link = open(&url).await.unwrap();
        let (_, mut wire) = link.wire(Instant::now()).await.unwrap();
        cmd("SET").arg("here").arg(database).exec_async(&mut wire).await.unwrap();
        assert_eq!(server.ask(&["-n", database, "GET", "here"]), database);
    }
    let refusal = refusal(format!("{}/99", server.url()).parse().unwrap()).await;
    assert!(refusal.contains("no database of this number"), "{refusal}");
}

#[tokio::test]
async fn a_redis_that_starts_at_the_same_time_is_waited_for() {
    let port = free_port();
    let url = format!("redis://127.0.0.1:{port}");
    let refusal = refusal(url.parse().unwrap()).await;
    assert!(refusal.contains("Connection refused") && refusal.contains("start the Redis"), "{refusal}");
    let opening = tokio::spawn(async move { open(&url).await });
    sleep(Duration::from_millis(300)).await;
    let _server = Server::start_at(port, tempfile::tempdir().unwrap(), &[]).await;
    assert!(is_there(&opening.await.unwrap().unwrap()).await);
}

#[tokio::test]
async fn after_a_restart_it_comes_back_and_says_that_it_is_another_run() {
    let mut server = Server::start(&[]).await;
    let settings = Settings { wait: Duration::from_millis(200), ..settings(&server.url()) };
    let link = Link::open(&settings).await.unwrap();
    let mut standing = link.standing();
    let first = standing.borrow_and_update().clone();
    assert!(first.is_up && first.run.is_some());
    server.kill();
    let refusal = link.read::<Value>(pipe().cmd("PING")).await.unwrap_err().to_string();
    assert!(refusal.contains("not available"), "{refusal}");
    until("it is known to be away", async || !standing.borrow_and_update().is_up).await;
    // Who asks while it is away hears why.
    until("the cause is told", async || {
        let refusal = link.read::<Value>(pipe().cmd("PING")).await.unwrap_err().to_string();
        refusal.contains("Connection refused")
    })
    .await;
    server.again().await;
    until("it is back", async || standing.borrow_and_update().is_up).await;
    let second = standing.borrow().clone();
    assert!(second.generation > first.generation && second.run.is_some() && second.run != first.run);
    assert!(is_there(&link).await);
}

#[tokio::test]
async fn a_redis_that_came_back_as_a_replica_is_not_used() {
    let (server, other) = (Server::start(&[]).await, Server::start(&[]).await);
    let settings = Settings { wait: Duration::from_millis(200), ..settings(&server.url()) };
    let link = Link::open(&settings).await.unwrap();
    let port = other.port.to_string();
    assert_eq!(server.ask(&["REPLICAOF", "127.0.0.1", &port]), "OK");
    link.broken(1);
    until("the cause is told", async || {
        let answer = link.read::<Value>(pipe().cmd("PING")).await;
        answer.is_err_and(|refusal| refusal.to_string().contains("a replica"))
    })
    .await;
    assert_eq!(server.ask(&["REPLICAOF", "NO", "ONE"]), "OK");
    until("it is used again", async || is_there(&link).await).await;
}

#[tokio::test]
async fn the_keeper_ends_with_the_last_link() {
    let server = Server::start(&[]).await;
    let link = open(&server.url()).await.unwrap();
    let (shared, clone) = (Arc::downgrade(&link.shared), link.clone());
    drop(link);
    assert!(is_there(&clone).await);
    drop(clone);
    until("nothing is held any more", async || shared.strong_count() == 0).await;
    until("no connection is left", async || server.ask(&["CLIENT", "LIST"]).lines().count() == 1).await;
}

#[test]
fn pauses_grow_and_differ() {
    let mut pauses = Pauses::default();
    let all: Vec<Duration> = std::iter::repeat_with(|| pauses.next()).take(12).collect();
    assert!(all[0] >= PAUSE_MIN * 3 / 4 && all[0] <= PAUSE_MIN * 5 / 4, "{all:?}");
    assert!(all.iter().all(|pause| *pause <= PAUSE_MAX * 5 / 4));
    assert!(all[6..].iter().all(|pause| *pause >= PAUSE_MAX * 3 / 4));
    assert!(all[6..].windows(2).any(|two| two[0] != two[1]), "{all:?}");
}
