//! Who is at the other end: the client's address, and whether it came by https.
//!
//! Behind a reverse proxy the socket's address is the proxy's; the forwarding headers then say more, and are
//! believed only when the socket belongs to one of `trusted_proxies`. Invariant: a client cannot choose the address
//! that it is counted under.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use ipnet::IpNet;

use super::Edge;

/// How a connection came in, as the door that it came through knows; among the extensions of each of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The client's address: the socket's own, or what a trusted proxy's PROXY header says.
    pub address: IpAddr,
    /// Whether this process itself speaks TLS with the other end of the socket.
    pub https: bool,
}

/// The client, as far as the transport tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address; IPv4 in its own form also on a dual-stack socket.
    pub address: IpAddr,
    /// Whether it came by https, to this process or to a trusted proxy.
    pub https: bool,
    /// The host and port that it asked for, where that is a well-formed one.
    pub host: Option<String>,
}

impl Peer {
    /// Finds the peer of a request out of its [`Arrival`] among the extensions and its headers.
    pub fn of(extensions: &Extensions, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let unknown = Arrival { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), https: false };
        let Arrival { address, https } = extensions.get().copied().unwrap_or(unknown);
        let own_host = last(headers, HOST.as_str());
        if !is_trusted(address, trusted) {
            return Self { address, https, host: own_host.filter(|h| is_host(h)) };
        }
        let host = last(headers, "x-forwarded-host").or(own_host);
        let says_https = last(headers, "x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
        Self {
            address: forwarded_for(headers, trusted).unwrap_or(address),
            https: https || says_https,
            host: host.filter(|h| is_host(h)),
        }
    }

    /// The start of an absolute address of this server, for links to hand on: no slash at the end.
    pub(super) fn base_url(&self, listen: SocketAddr) -> String {
        let scheme = if self.https { "https" } else { "http" };
        match &self.host {
            Some(host) => format!("{scheme}://{host}"),
            None => format!("{scheme}://{listen}"),
        }
    }
}

impl FromRequestParts<Arc<Edge>> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions, &parts.headers, &edge.config.trusted_proxies))
    }
}

/// Whether this is a host with or without a port as a `Host` header may have it, and nothing that could break out
/// of a header or a link: a name, an IPv4 address, or an IPv6 address in brackets.
pub(super) fn is_host(text: &str) -> bool {
    let (host, port) = match text.rfind(':') {
        Some(colon) if !text.ends_with(']') => (&text[..colon], Some(&text[colon + 1..])),
        _ => (text, None),
    };
    let host_fits = match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')),
    };
    text.len() <= 260 && host_fits && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// The right-most address that no trusted proxy has: everything left of it is the client's own claim.
fn forwarded_for(headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).collect();
    let mut nearest = None;
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Some(address) = hop_address(hop.trim()) else { break };
        nearest = Some(address);
        if !is_trusted(address, trusted) {
            break;
        }
    }
    nearest
}

/// An address as proxies write it, some with a port.
fn hop_address(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    address.or_else(bare).map(|address| address.to_canonical())
}

pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// The last value of a header, the nearest hop's.
fn last(headers: &HeaderMap, name: &str) -> Option<String> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    line.rsplit(',').next().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(socket: &str, headers: &[(&'static str, &str)]) -> Peer {
        let mut extensions = Extensions::new();
        let address = socket.parse::<IpAddr>().unwrap().to_canonical();
        extensions.insert(Arrival { address, https: false });
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Peer::of(&extensions, &map, &["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()])
    }

    fn seen(socket: &str, forwarded: &str) -> String {
        peer(socket, &[("x-forwarded-for", forwarded)]).address.to_string()
    }

    #[test]
    fn a_stranger_cannot_claim_another_address_or_https() {
        let stranger = peer("192.0.2.7", &[("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https")]);
        assert_eq!((stranger.address.to_string().as_str(), stranger.https), ("192.0.2.7", false));
    }

    #[test]
    fn behind_trusted_proxies_the_rightmost_untrusted_address_counts() {
        assert_eq!(seen("10.0.0.1", "198.51.100.1"), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2"), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", "1.1.1.1, [2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(seen("10.0.0.1", "198.51.100.1:4711"), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3");
        assert_eq!(seen("10.0.0.1", "1.1.1.1, nonsense"), "10.0.0.1");
        assert_eq!(seen("::ffff:10.0.0.1", "198.51.100.1"), "198.51.100.1");
    }

    #[test]
    fn whoever_shook_hands_with_this_process_came_by_https() {
        let arrival = Arrival { address: "192.0.2.7".parse().unwrap(), https: true };
        let mut extensions = Extensions::new();
        extensions.insert(arrival);
        assert!(Peer::of(&extensions, &HeaderMap::new(), &[]).https);
    }

    #[test]
    fn several_forwarding_lines_are_one_list() {
        let peer = peer("10.0.0.1", &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "198.51.100.1, 10.0.0.2")]);
        assert_eq!(peer.address.to_string(), "198.51.100.1");
    }

    #[test]
    fn a_trusted_proxy_says_https_and_the_host() {
        let headers =
            [("host", "127.0.0.1:8080"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "chat.example")];
        let peer = peer("10.0.0.1", &headers);
        assert_eq!(peer.base_url("127.0.0.1:1".parse().unwrap()), "https://chat.example");
    }

    #[test]
    fn hosts_that_could_break_out_of_a_header_are_none() {
        for good in ["chat.example", "chat.example:8443", "127.0.0.1:8080", "[::1]:8080", "[::1]", "a_b"] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["", "a b", "a;script-src", "a/b", "a:b", "a:99999", "[::1", "::1", "a,b", "a\"b", "user@host"] {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
