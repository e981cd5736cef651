//! Behind a load balancer for TCP: the PROXY protocol says who the client is, and it is believed of the right ones.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::raw::HANDSHAKE;
use crate::support::secure::{AnyStream, secure};
use crate::support::{PATIENCE, Server, ServerBuilder};

/// A server whose load balancer is 127.0.0.1, and that gives each client one socket.
fn behind_a_proxy() -> ServerBuilder {
    Server::builder()
        .set("trusted_proxies", "127.0.0.1")
        .set("proxy_protocol", true)
        .set("limits.connections_per_address_max", 1)
}

fn v1(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 192.0.2.1 56324 443\r\n").into_bytes()
}

fn v2(client: &str) -> Vec<u8> {
    let address: std::net::Ipv4Addr = client.parse().unwrap();
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
    // The addresses, and an extension that is of no interest here (PP2_TYPE_NOOP).
    let payload = [&address.octets()[..], &[192, 0, 2, 1, 0xDC, 4, 1, 0xBB], &[4, 0, 3, 0, 0, 0]].concat();
    header.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    header.extend(payload);
    header
}

/// The status of an answer; `None` where the connection is closed instead.
async fn status(stream: &mut AnyStream) -> Option<u16> {
    let mut answer = vec![0; 4_096];
    let length = timeout(PATIENCE, stream.read(&mut answer)).await.expect("an answer or the end").unwrap_or(0);
    let text = String::from_utf8_lossy(&answer[..length]);
    text.split(' ').nth(1).map(|status| status.parse().unwrap())
}

fn request(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").into_bytes()
}

/// Says all of it in one piece.
async fn said(server: &Server, from: &str, bytes: &[u8]) -> AnyStream {
    let mut stream = server.tcp_from(from).await;
    // A server that has closed meanwhile is no failure here.
    let _ = stream.write_all(bytes).await;
    Box::new(stream)
}

/// What a WebSocket's handshake is answered with after this header, and the connection, which has to be kept.
async fn upgraded(server: &Server, header: &[u8], headers: &str) -> (Option<u16>, AnyStream) {
    let request = request("/ws-stomp", &format!("{HANDSHAKE}{headers}"));
    let mut stream = said(server, "127.0.0.1", &[header, &request].concat()).await;
    (status(&mut stream).await, stream)
}

async fn asked(server: &Server, from: &str, header: &[u8]) -> Option<u16> {
    status(&mut said(server, from, &[header, &request("/healthz", "")].concat()).await).await
}

#[tokio::test]
async fn clients_behind_a_load_balancer_are_told_apart_by_its_header() {
    let server = behind_a_proxy().start().await;
    let (first, _open) = upgraded(&server, &v1("198.51.100.1"), "").await;
    assert_eq!(first, Some(101));
    for header in [v1("198.51.100.1"), v2("198.51.100.1")] {
        assert_eq!(upgraded(&server, &header, "").await.0, Some(503), "it has a socket already");
        let claim = "X-Forwarded-For: 203.0.113.9\r\n";
        assert_eq!(upgraded(&server, &header, claim).await.0, Some(503), "a client's own word is not taken");
    }
    let (second, _open) = upgraded(&server, &v2("198.51.100.2"), "").await;
    assert_eq!(second, Some(101));
    assert_eq!(upgraded(&server, &v1("198.51.100.2"), "").await.0, Some(503));
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte_and_holds_up_nobody() {
    let server = behind_a_proxy().start().await;
    for header in [v1("198.51.100.1"), v2("198.51.100.2")] {
        let mut slow = server.tcp_from("127.0.0.1").await;
        for byte in &header {
            slow.write_all(&[*byte]).await.unwrap();
            sleep(Duration::from_millis(2)).await;
            assert_eq!(asked(&server, "127.0.0.1", &v1("203.0.113.1")).await, Some(200));
        }
        slow.write_all(&request("/ws-stomp", HANDSHAKE)).await.unwrap();
        let mut slow: AnyStream = Box::new(slow);
        assert_eq!(status(&mut slow).await, Some(101));
        assert_eq!(upgraded(&server, &header, "").await.0, Some(503));
    }
}

#[tokio::test]
async fn a_load_balancers_connection_without_a_whole_header_is_closed() {
    let server = behind_a_proxy().set("limits.handshake_seconds_max", 1).start().await;
    for bad in [
        &b""[..],
        b"PROXY TCP4 nonsense\r\n",
        b"PROXY TCP4 198.51.100.1\r\n",
        &[&v2("198.51.100.1")[..12], b"\xFF"].concat(),
    ] {
        assert_eq!(asked(&server, "127.0.0.1", bad).await, None, "{bad:?}");
    }
    for begun in [&b""[..], b"PROXY TCP4 198.", &v2("198.51.100.1")[..20]] {
        let mut stream = said(&server, "127.0.0.1", begun).await;
        assert_eq!(timeout(Duration::from_secs(6), status(&mut stream)).await, Ok(None), "{begun:?} is not waited for");
    }
}

#[tokio::test]
async fn a_load_balancer_may_ask_for_itself() {
    let server = behind_a_proxy().start().await;
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0";
    for _ in 0..100 {
        assert_eq!(asked(&server, "127.0.0.1", b"PROXY UNKNOWN\r\n").await, Some(200));
        assert_eq!(asked(&server, "127.0.0.1", local).await, Some(200));
    }
}

#[tokio::test]
async fn of_anybody_else_no_header_is_believed() {
    let server = behind_a_proxy().start().await;
    assert_eq!(asked(&server, "127.0.0.2", b"").await, Some(200), "and none is needed");
    for header in [v1("198.51.100.1"), v2("198.51.100.1")] {
        let answer = asked(&server, "127.0.0.2", &header).await;
        assert!(matches!(answer, None | Some(400)), "{answer:?}");
    }
    // Nor of a proxy where it was not asked for.
    let server = Server::builder().set("trusted_proxies", "127.0.0.1").start().await;
    assert_eq!(asked(&server, "127.0.0.1", b"").await, Some(200));
    assert!(matches!(asked(&server, "127.0.0.1", &v1("198.51.100.1")).await, None | Some(400)));
}

#[tokio::test]
async fn a_header_comes_before_tls() {
    let server = behind_a_proxy().set("tls.mode", "self-signed").start().await;
    let upgrade = async |header: Vec<u8>| -> Option<(Option<u16>, AnyStream)> {
        let mut stream = server.tcp_from("127.0.0.1").await;
        stream.write_all(&header).await.unwrap();
        let mut stream: AnyStream = Box::new(secure(stream, "127.0.0.1").await.ok()?);
        stream.write_all(&request("/ws-stomp", HANDSHAKE)).await.unwrap();
        Some((status(&mut stream).await, stream))
    };
    let (first, _open) = upgrade(v1("198.51.100.1")).await.unwrap();
    assert_eq!(first, Some(101));
    assert_eq!(upgrade(v2("198.51.100.1")).await.unwrap().0, Some(503));
    assert_eq!(upgrade(v2("198.51.100.2")).await.unwrap().0, Some(101));
    assert!(upgrade(Vec::new()).await.is_none(), "without a header there is no handshake");
}

#[tokio::test]
async fn one_client_behind_a_load_balancer_cannot_take_all_places() {
    /// What the door lets in of one address: one socket, and 64 that load pages.
    const DOOR: usize = 1 + 64;
    let server = behind_a_proxy().start().await;
    let mut inside = Vec::new();
    let come = async |client: &str| {
        let mut stream = said(&server, "127.0.0.1", &[v2(client), request("/healthz", "")].concat()).await;
        (status(&mut stream).await, stream)
    };
    for _ in 0..DOOR {
        let (status, stream) = come("198.51.100.1").await;
        assert_eq!(status, Some(200));
        inside.push(stream);
    }
    assert_eq!(come("198.51.100.1").await.0, None);
    assert_eq!(come("198.51.100.2").await.0, Some(200));
}

#[tokio::test]
async fn a_proxy_that_speaks_http_has_as_many_connections_as_it_needs() {
    let server = Server::builder()
        .set("trusted_proxies", "127.0.0.1")
        .set("limits.connections_per_address_max", 1)
        .start()
        .await;
    let mut inside: Vec<TcpStream> = Vec::new();
    for _ in 0..100 {
        let mut stream = server.tcp_from("127.0.0.1").await;
        stream.write_all(&request("/healthz", "")).await.unwrap();
        let length = timeout(PATIENCE, stream.read(&mut [0; 4_096])).await.unwrap().unwrap();
        assert!(length > 0);
        inside.push(stream);
    }
}
