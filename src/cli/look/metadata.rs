//! The public addresses of an EC2 instance, which the instance itself does not have: its metadata service tells them
//! (IMDSv2: a token first, by PUT). Nobody else is asked, and only where the firmware says that this is EC2.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::finding::Finding;
use super::host::Host;

/// The service's address, link-local on every instance.
const SERVICE: ([u8; 4], u16) = ([169, 254, 169, 254], 80);
/// It is one hop away and answers within milliseconds, or not at all.
const WAIT: Duration = Duration::from_secs(1);
/// Bytes of an answer that are read: a token has 56.
const ANSWER_BYTES_MAX: usize = 4_096;
/// What the firmware of an instance calls its maker.
const MAKER: &str = "Amazon EC2";

/// What is known of the addresses by which others come.
#[derive(Debug, Default)]
pub(super) struct Public {
    /// Whether this is an instance that told of them.
    pub(super) is_known: bool,
    pub(super) ips: Vec<IpAddr>,
}

/// Asks where this is EC2; with what is to be said of it.
pub(super) async fn look(host: &Host) -> (Option<Finding>, Public) {
    let is_ec2 = ["sys_vendor", "board_vendor", "bios_vendor"]
        .iter()
        .any(|name| host.text(format!("/sys/class/dmi/id/{name}")).is_some_and(|maker| maker == MAKER));
    if !is_ec2 {
        return (None, Public::default());
    }
    match timeout(WAIT, ask()).await.ok().flatten() {
        Some(ips) if ips.is_empty() => {
            let message = "this instance has no public address of its own, as is right behind a load balancer";
            (Some(Finding::ok("dns", message)), Public { is_known: true, ips })
        }
        Some(ips) => {
            let shown = ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let message = format!("the public address of this instance is {shown}");
            (Some(Finding::ok("dns", message)), Public { is_known: true, ips })
        }
        None => {
            let message =
                "the public address is not seen: this is EC2, and its metadata service does not answer this user";
            (Some(Finding::ok("dns", message)), Public::default())
        }
    }
}

async fn ask() -> Option<Vec<IpAddr>> {
    let tcp = TcpStream::connect(SocketAddr::from(SERVICE)).await.ok()?;
    let (mut service, connection) = handshake(TokioIo::new(tcp)).await.ok()?;
    let driving = tokio::spawn(connection);
    let asked = addresses(&mut service).await;
    driving.abort();
    asked
}

async fn addresses(service: &mut SendRequest<Empty<Bytes>>) -> Option<Vec<IpAddr>> {
    let of_token = Request::put("/latest/api/token").header("X-aws-ec2-metadata-token-ttl-seconds", "60");
    let token = answer(service, of_token).await??;
    let mut ips = Vec::new();
    // An instance without such an address has no such page.
    for name in ["public-ipv4", "ipv6"] {
        let path = format!("/latest/meta-data/{name}");
        let told = answer(service, Request::get(path).header("X-aws-ec2-metadata-token", &token)).await?;
        ips.extend(told.as_deref().unwrap_or_default().split_whitespace().filter_map(|ip| ip.parse::<IpAddr>().ok()));
    }
    Some(ips)
}

/// The text of a page; `Some(None)` where there is none.
async fn answer(
    service: &mut SendRequest<Empty<Bytes>>,
    request: hyper::http::request::Builder,
) -> Option<Option<String>> {
    let request = request.header(hyper::header::HOST, "169.254.169.254").body(Empty::new()).ok()?;
    service.ready().await.ok()?;
    let response = service.send_request(request).await.ok()?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.ok()?.to_bytes();
    match status {
        200 => Some(Some(String::from_utf8_lossy(&body).trim().to_owned())),
        404 => Some(None),
        _ => None,
    }
}
