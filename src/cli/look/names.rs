//! The names of this service: where DNS leads, and whether that is here.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::super::finding::Finding;
use super::super::peek::{Peek, PeekError, Speech, brief};
use super::metadata::Public;
use super::units::SERVICE;
use super::{ANSWER_WAIT, LOOKUP_WAIT, is_acme};
use crate::config::Config;

/// Addresses that stand for the internet: the routing table is asked about them, and nothing is sent.
const FAR_V4: Ipv4Addr = Ipv4Addr::new(1, 1, 1, 1);
const FAR_V6: Ipv6Addr = Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111);

/// A name that leads away from an instance whose public address is known.
const NOT_OURS: &str = "dns.not-this-instance";
/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Looks at every name, all at the same time; given whether a server runs here, whether systemd would start it for
/// whoever comes, and the addresses that this computer has without knowing them.
pub(super) async fn look(config: &Config, is_served: bool, is_held: bool, public: &Public) -> Vec<Finding> {
    let here = Here { v4: way_out(FAR_V4.into()), v6: way_out(FAR_V6.into()), public };
    join_all(config.domain.iter().map(|name| one(name, config, is_served, is_held, &here)))
        .await
        .into_iter()
        .flatten()
        .collect()
}

/// How this computer is connected.
struct Here<'a> {
    /// Those that somebody else leads on to here.
    public: &'a Public,
    /// The address by which it reaches the internet.
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
}

async fn one(name: &str, config: &Config, is_served: bool, is_held: bool, here: &Here<'_>) -> Vec<Finding> {
    let addresses = match resolve(name, 0, LOOKUP_WAIT).await {
        Ok(addresses) => addresses,
        Err(why) if why.contains("temporary failure") || why.contains("no name server") => {
            let fix = "look at the network and the name servers of this host (/etc/resolv.conf)";
            return vec![Finding::error("dns.name-servers", format!("{name} {why}"), fix)];
        }
        Err(why) => {
            let fix = format!(
                "make an A record for it that holds this host's public IPv4 address; `dig +short {name}` shows when it is there"
            );
            return vec![Finding::error("dns.unresolved", format!("{name} {why}"), fix)];
        }
    };
    let ips: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
    let is_in_reach = |ip: &&IpAddr| ip.is_ipv4() || here.v6.is_some() || is_ours(ip) || here.public.ips.contains(ip);
    let within_reach: Vec<IpAddr> = ips.iter().filter(is_in_reach).copied().collect();
    let mut findings: Vec<Finding> = without_ipv6(name, &ips, here.v6.is_some(), config).into_iter().collect();
    if !within_reach.is_empty() {
        findings.push(whose(name, &within_reach, is_ours, here, config));
    }
    // What answers at an address that is somebody else's says nothing of this host.
    if findings.iter().any(|finding| finding.id == Some(NOT_OURS)) {
        return findings;
    }
    if is_held {
        let message = format!("{name} is not asked: whoever comes to its ports makes systemd start {SERVICE}");
        findings.push(Finding::ok("ports", message));
        return findings;
    }
    // Behind a proxy the names lead to it, by HTTPS.
    let https = if is_acme(config) || !config.is_https() { 443 } else { config.listen.port() };
    let mut doors = vec![(https, true)];
    // An authority asks there, and people who type no https://; a port without a listener is said where the keys are
    // looked at.
    let http = config.tls.redirect_listen.filter(|_| config.is_https());
    doors.extend(http.map(|address| (if is_acme(config) { 80 } else { address.port() }, false)));
    // Each address for itself: that one of two leads elsewhere is what nobody sees who tries only once.
    let tried = within_reach.iter().take(ADDRESSES_MAX);
    let asked = tried.flat_map(|ip| doors.iter().map(move |(port, is_tls)| (*ip, *port, *is_tls)));
    let asked = asked.map(|(ip, port, is_tls)| {
        let place = if ips.len() == 1 { format!("{name}:{port}") } else { format!("{name}:{port} ({ip})") };
        door(name, place, SocketAddr::new(ip, port), is_tls, config, is_served)
    });
    findings.extend(join_all(asked).await);
    findings
}

/// The addresses of a name, or what is the matter.
pub(super) async fn resolve(name: &str, port: u16, within: Duration) -> Result<Vec<SocketAddr>, String> {
    match timeout(within, tokio::net::lookup_host((name, port))).await {
        Ok(Ok(found)) => {
            let mut addresses = Vec::new();
            for address in found {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            if addresses.is_empty() { Err("has no address".into()) } else { Ok(addresses) }
        }
        Ok(Err(e)) => Err(format!("does not resolve ({})", reason(&brief(&e)))),
        Err(_) => Err(format!("does not resolve: no name server answered within {} seconds", within.as_secs())),
    }
}

/// The resolver's words without those of whoever asked it.
fn reason(text: &str) -> &str {
    text.rsplit(": ").next().unwrap_or(text)
}

/// Whether the addresses are this computer's.
fn whose(name: &str, ips: &[IpAddr], is_ours: impl Fn(&IpAddr) -> bool, here: &Here<'_>, config: &Config) -> Finding {
    let shown = |ips: &[IpAddr]| ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let is_here = |ip: &IpAddr| is_ours(ip) || here.public.ips.contains(ip);
    let others: Vec<IpAddr> = ips.iter().filter(|ip| !is_here(ip)).copied().collect();
    if let (true, Some(local)) = (others.is_empty(), ips.iter().find(|ip| !is_public(ip))) {
        let message =
            format!("{name} leads to {local} as this computer sees it, where nobody outside its network comes");
        let fix = format!(
            "fine for trying out; for others let DNS hold the public address, and look from outside: dig +short {name}"
        );
        return Finding::note("dns.local", message, fix);
    }
    if others.is_empty() {
        return Finding::ok("dns", format!("{name} leads to {}, which is this computer", shown(ips)));
    }
    // Behind a proxy or a load balancer the names lead there.
    let is_in_front = config.is_https() && config.trusted_proxies.is_empty();
    if let (true, Some(public)) = (here.public.is_known && is_in_front, here.public.ips.first()) {
        let kind = if public.is_ipv4() { "A" } else { "AAAA" };
        return Finding::error(
            NOT_OURS,
            format!(
                "{name} leads to {}, and this instance's public address is {}",
                shown(&others),
                shown(&here.public.ips)
            ),
            format!(
                "make its {kind} record hold {public}, and none hold {}; `dig +short {name}` shows when it is so",
                shown(&others)
            ),
        );
    }
    let own = [here.v4, here.v6].into_iter().flatten().collect::<Vec<_>>();
    let own = if own.is_empty() { "none that leads out".into() } else { shown(&own) };
    Finding::note(
        "dns.elsewhere",
        format!("{name} leads to {}, which is not an address of this computer ({own})", shown(&others)),
        "right behind NAT, as on EC2, or a load balancer, if ports 443 and 80 lead on to here; else correct the record",
    )
}

/// An AAAA record that leads nowhere is what most often keeps a certificate away: authorities and browsers try it first.
fn without_ipv6(name: &str, ips: &[IpAddr], has_ipv6: bool, config: &Config) -> Option<Finding> {
    let ip = ips.iter().find(|ip| ip.is_ipv6() && !ip.is_loopback())?;
    if has_ipv6 {
        return None;
    }
    let message = format!("{name} has the IPv6 address {ip}, and this computer has no way to IPv6; it is tried first");
    let fix = "take the AAAA record away, or give this computer IPv6";
    // A proxy in front may well speak IPv6.
    let is_in_front = config.is_https() && config.trusted_proxies.is_empty();
    Some(if is_in_front {
        Finding::error("dns.no-ipv6", message, fix)
    } else {
        Finding::note("dns.no-ipv6", message, fix)
    })
}

/// Whether we answer by that name at that port.
async fn door(
    name: &str,
    place: String,
    address: SocketAddr,
    is_tls: bool,
    config: &Config,
    is_served: bool,
) -> Finding {
    let peek = Peek {
        addresses: vec![address],
        host: name.to_owned(),
        speech: if is_tls { Speech::Tls } else { Speech::Plain },
        as_proxy: false,
    };
    match peek.get("/about", ANSWER_WAIT).await {
        Ok(answer) if is_tls && answer.is_sarangbang() => {
            Finding::ok("ports", format!("{place} leads to Sarangbang, as seen from here"))
        }
        // The redirect listener says nothing of itself but where to go.
        Ok(answer) if !is_tls && is_served && matches!(answer.status, 308 | 404 | 421) => {
            Finding::ok("ports", format!("{place} answers, and redirects to HTTPS, as seen from here"))
        }
        Ok(_) | Err(PeekError::Foreign(_) | PeekError::Distrusted(_)) => {
            let fix = match config.is_https() {
                true => "stop it, or correct the record or the forwarding that leads there",
                false => "let the proxy pass this name on to here",
            };
            Finding::error("ports.other-program", format!("{place} leads to another program, as seen from here"), fix)
        }
        Err(e) => {
            let is_refused = matches!(&e, PeekError::Unreachable(e) if e.kind() == ErrorKind::ConnectionRefused);
            if is_refused && !is_served {
                return Finding::ok("ports", format!("at {place} nobody answers yet, as is right before the start"));
            }
            let message = format!("at {place} {e}, as seen from here");
            // Our own address is not reached through anything that could be in the way.
            if is_refused || is_ours(&address.ip()) {
                let ours = config.tls.redirect_listen.filter(|_| !is_tls).unwrap_or(config.listen);
                return Finding::error(
                    "ports.closed",
                    message,
                    format!("let that port lead to {ours}, where this server listens"),
                );
            }
            let fix = format!(
                "let TCP port {} in (firewall, security group, router); not every router leads back, so look from outside too",
                address.port()
            );
            Finding::note("ports.silent", message, fix)
        }
    }
}

/// Whether an address is this computer's: only such a one can be bound.
fn is_ours(ip: &IpAddr) -> bool {
    UdpSocket::bind((*ip, 0)).is_ok()
}

/// The address by which packets to that one would leave; none where there is no way.
fn way_out(far: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if far.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((far, 53)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

fn is_public(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified()),
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::finding::Level;
    use crate::config::TlsMode;

    const UNKNOWN: Public = Public { is_known: false, ips: Vec::new() };
    const HERE: Here<'_> = Here { v4: Some(IpAddr::V4(Ipv4Addr::new(172, 31, 0, 5))), v6: None, public: &UNKNOWN };

    fn whose(name: &str, ips: &[IpAddr], is_ours: impl Fn(&IpAddr) -> bool, here: &Here<'_>) -> Finding {
        let mut config = Config { domain: vec![name.into()], ..Config::default() };
        config.tls.mode = TlsMode::Acme;
        super::whose(name, ips, is_ours, here, &config)
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn it_is_told_whose_the_addresses_are() {
        let found = ips(&["203.0.113.7"]);
        assert_eq!(whose("a.example", &found, |_| true, &HERE).level, Level::Ok);
        let elsewhere = whose("a.example", &found, |_| false, &HERE);
        assert!(elsewhere.level == Level::Note && elsewhere.message.contains("(172.31.0.5)"), "{elsewhere:?}");
        assert!(elsewhere.fix.unwrap().contains("EC2"));
        let local = whose("a.example", &ips(&["127.0.1.1"]), |_| true, &HERE);
        assert!(local.level == Level::Note && local.message.contains("nobody outside"), "{local:?}");
    }

    #[test]
    fn a_public_address_that_the_instance_does_not_have_itself_is_still_its_own() {
        let public = Public { is_known: true, ips: ips(&["203.0.113.7"]) };
        let here = Here { public: &public, ..HERE };
        let found = |texts: &[&str]| whose("a.example", &ips(texts), |_| false, &here);
        assert_eq!(found(&["203.0.113.7"]).level, Level::Ok);
        let elsewhere = found(&["198.51.100.9"]);
        assert_eq!((elsewhere.level, elsewhere.id), (Level::Error, Some("dns.not-this-instance")));
        assert!(elsewhere.fix.unwrap().starts_with("make its A record hold 203.0.113.7"));
        // One that is the load balancer's own has nothing to compare with.
        let none = Public { is_known: true, ips: Vec::new() };
        let behind = whose("a.example", &ips(&["198.51.100.9"]), |_| false, &Here { public: &none, ..HERE });
        assert_eq!(behind.id, Some("dns.elsewhere"));
    }

    #[test]
    fn an_ipv6_address_without_a_way_to_ipv6_is_an_error_unless_a_proxy_stands_before() {
        let found = ips(&["203.0.113.7", "2001:db8::7"]);
        let mut config = Config::default();
        config.tls.mode = TlsMode::Acme;
        assert_eq!(without_ipv6("a.example", &found, false, &config).unwrap().level, Level::Error);
        assert!(without_ipv6("a.example", &found, true, &config).is_none());
        assert!(without_ipv6("a.example", &found[..1], false, &config).is_none());
        config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        assert_eq!(without_ipv6("a.example", &found, false, &config).unwrap().level, Level::Note);
    }

    #[test]
    fn an_address_of_this_computer_can_be_told() {
        assert!(is_ours(&ips(&["127.0.0.1"])[0]) && !is_ours(&ips(&["203.0.113.7"])[0]));
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_an_error_with_the_record_to_make() {
        let config = Config { domain: vec!["nowhere.invalid".into()], ..Config::default() };
        let findings = look(&config, false, false, &UNKNOWN).await;
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert!(finding.level == Level::Error && finding.fix.as_ref().unwrap().contains("A record"), "{finding:?}");
    }
}
