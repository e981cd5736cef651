//! One certificate for several nodes: asked for by one, answered for by all, and by another where one dies or stops.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

use crate::support::authority::{HTTP_PORT, Pebble, TLS_PORT, own_address, shown};
use crate::support::secure::secure;
use crate::support::{Server, eventually};

const NAME: &str = "chat.test";
const CLAIM: &str = "claim:acme";

/// A Redis of a test's own, at a socket in its folder; it ends with the test, however that ends.
struct Redis {
    folder: TempDir,
    process: Child,
}

impl Redis {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "redis-server", "--port", "0", "--save", "", "--appendonly", "no"]);
        command.arg("--unixsocket").arg(folder.path().join("redis")).arg("--dir").arg(folder.path());
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let redis = Self { folder, process };
        eventually("redis answers", || async { redis.ask(&["PING"]).starts_with("PONG") }).await;
        redis
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis")
    }

    fn ask(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli").arg("-s").arg(self.socket()).args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn key(name: &str) -> String {
        format!("sarangbang:{{all}}:{name}")
    }

    /// Nobody of the service may ask the authority.
    fn hold_claim(&self) {
        assert!(self.ask(&["SET", &Self::key(CLAIM), "the test", "PX", "600000"]).starts_with("OK"));
    }

    fn let_go(&self) {
        assert!(self.ask(&["DEL", &Self::key(CLAIM)]).starts_with('1'));
    }

    fn kept(&self, name: &str) -> Value {
        serde_json::from_str(&self.ask(&["GET", &Self::key(&format!("kept:{name}"))])).unwrap_or_default()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a balancer does: each connection to one of its ports goes to the next node.
struct Front {
    /// Connections that each node got.
    reached: Arc<[AtomicUsize; 2]>,
}

impl Front {
    async fn start(at: Ipv4Addr, nodes: [Ipv4Addr; 2]) -> Self {
        let reached: Arc<[AtomicUsize; 2]> = Arc::default();
        for port in [HTTP_PORT, TLS_PORT] {
            let listener = TcpListener::bind((at, port)).await.unwrap();
            let reached = Arc::clone(&reached);
            tokio::spawn(async move {
                let mut turn = 0;
                while let Ok((mut outside, _)) = listener.accept().await {
                    // A node that is gone is passed over, as every balancer does.
                    for _ in 0..nodes.len() {
                        turn = (turn + 1) % nodes.len();
                        let Ok(mut inside) = TcpStream::connect((nodes[turn], port)).await else { continue };
                        reached[turn].fetch_add(1, Ordering::Relaxed);
                        tokio::spawn(async move {
                            tokio::io::copy_bidirectional(&mut outside, &mut inside).await.map(drop)
                        });
                        break;
                    }
                }
            });
        }
        Self { reached }
    }

    fn reached(&self) -> [usize; 2] {
        [0, 1].map(|node| self.reached[node].load(Ordering::Relaxed))
    }
}

/// Two nodes on one Redis behind a front, at which an authority looks for their name.
struct House {
    pebble: Pebble,
    redis: Redis,
    front: Front,
    at: [Ipv4Addr; 2],
    nodes: [Server; 2],
}

impl House {
    /// Both are up, and neither has asked the authority yet.
    async fn start(pebble: Pebble, challenge: &str) -> Self {
        let (redis, pebble) = (Redis::start().await, pebble.start().await);
        redis.hold_claim();
        let at = [own_address(), own_address()];
        let front = Front::start(pebble.address, at).await;
        let node = async |at: Ipv4Addr| {
            pebble
                .server(NAME)
                .listen(format!("{at}:{TLS_PORT}"))
                .set("tls.redirect_listen", format!("{at}:{HTTP_PORT}"))
                .set("acme.challenge", challenge)
                .set("redis.url", format!("unix://{}", redis.socket().display()))
                .start()
                .await
        };
        let nodes = [node(at[0]).await, node(at[1]).await];
        Self { pebble, redis, front, at, nodes }
    }

    /// What each node shows.
    async fn shown(&self, root: &str) -> [Option<Vec<CertificateDer<'static>>>; 2] {
        [shown((self.at[0], TLS_PORT), NAME, root).await, shown((self.at[1], TLS_PORT), NAME, root).await]
    }

    /// Waits until both show the same one of the authority.
    async fn certified(&self) -> Vec<CertificateDer<'static>> {
        let root = self.pebble.root();
        eventually("both have the certificate", || async {
            let [one, other] = self.shown(&root).await;
            one.is_some() && one == other
        })
        .await;
        self.shown(&root).await[0].clone().unwrap()
    }

    /// Waits until there is an order that nobody has answered for yet; which node made it.
    async fn ordering(&self) -> usize {
        eventually("there is an order", || async { self.redis.kept("acme/plan")["order"].is_object() }).await;
        let asks = |node: &Server| node.log().contains("asking the authority for a certificate");
        assert!(!self.pebble.log().contains("POST /chalZ/"), "it waits until all can answer");
        usize::from(asks(&self.nodes[1]))
    }
}

#[tokio::test]
async fn one_node_asks_and_whichever_is_reached_answers() {
    for challenge in ["http-01", "tls-alpn-01"] {
        let house = House::start(Pebble::new(), challenge).await;
        for node in &house.nodes {
            eventually("it waits for the other", || async {
                node.http("GET", "/readyz", "", "").await.body.contains("another node is asking the authority")
            })
            .await;
        }
        assert_eq!(house.pebble.orders(), 0);
        house.redis.let_go();
        house.certified().await;
        assert_eq!(house.pebble.orders(), 1, "{challenge}");
        let reached = house.front.reached();
        assert!(reached.iter().all(|times| *times > 0), "{challenge}: {reached:?}");
        eventually("nothing is left of it", || async {
            house.redis.kept("acme/answers").is_null() && house.redis.kept("acme/plan")["order"].is_null()
        })
        .await;
        for node in &house.nodes {
            assert_eq!(node.http("GET", "/readyz", "", "").await.status, 200);
            assert!(!node.log().contains("ERROR"), "{}", node.log());
        }
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_in_force_on_both_within_two_seconds() {
    let house = House::start(Pebble::new().lasting(20), "auto").await;
    house.redis.let_go();
    let first = house.certified().await;
    let root = house.pebble.root();
    eventually("both have the renewed one", || async {
        let shown = house.shown(&root).await;
        shown.iter().flatten().any(|chain| *chain != first)
    })
    .await;
    let began = Instant::now();
    eventually("the other has it, too", || async {
        let [one, other] = house.shown(&root).await;
        one == other
    })
    .await;
    let took = began.elapsed();
    assert_ne!(house.shown(&root).await[0], Some(first));
    println!("taken up by the other node within {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(house.pebble.orders(), 2);
}

#[tokio::test]
async fn where_the_asking_node_is_killed_the_other_finishes_its_order() {
    let mut house = House::start(Pebble::new(), "auto").await;
    house.redis.let_go();
    let asking = house.ordering().await;
    house.nodes[asking].kill();
    let (root, other) = (house.pebble.root(), (house.at[1 - asking], TLS_PORT));
    eventually("the other has got it", || async { shown(other, NAME, &root).await.is_some() }).await;
    assert_eq!(house.pebble.orders(), 1, "it is the same order");
    house.nodes[asking].restart().await;
    house.certified().await;
    assert_eq!(house.pebble.orders(), 1);
}

#[tokio::test]
async fn a_node_that_was_stopped_in_the_middle_undoes_nothing() {
    let house = House::start(Pebble::new(), "auto").await;
    house.redis.let_go();
    let asking = house.ordering().await;
    house.nodes[asking].signal("STOP");
    let (root, other) = (house.pebble.root(), (house.at[1 - asking], TLS_PORT));
    // The authority would wait for the one that is stopped: only the other may be reached.
    eventually("the other has asked again", || async {
        house.nodes[1 - asking].log().contains("asking the authority for a certificate")
    })
    .await;
    house.nodes[asking].signal("CONT");
    eventually("the other has got it", || async { shown(other, NAME, &root).await.is_some() }).await;
    let chain = house.certified().await;
    eventually("it has noticed", || async { house.nodes[asking].log().contains("another node has gone on") }).await;
    eventually("the plan is clear", || async {
        let plan = house.redis.kept("acme/plan");
        plan["failures"] == 0 && plan["order"].is_null()
    })
    .await;
    assert_eq!(house.certified().await, chain);
    assert_eq!(house.pebble.orders(), 1);
}

#[tokio::test]
async fn a_self_signed_certificate_is_one_for_all_nodes() {
    let redis = Redis::start().await;
    let node = async || {
        let url = format!("unix://{}", redis.socket().display());
        Server::builder().set("tls.mode", "self-signed").set("redis.url", url).start().await
    };
    let (one, other) = (node().await, node().await);
    let served = async |node: &Server| {
        let stream = secure(TcpStream::connect(node.authority()).await.unwrap(), "localhost").await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };
    assert_eq!(served(&one).await, served(&other).await);
}
