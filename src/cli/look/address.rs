//! The addresses to listen on: free, ours, or somebody else's.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use super::super::finding::Finding;
use super::super::peek::{Peek, PeekError, Speech};
use super::holders::Holder;
use super::units::{SERVICE, Units};
use super::{ANSWER_WAIT, is_acme};
use crate::config::Config;
use crate::ops;

/// Where an authority asks (RFC 8555, section 8.3; RFC 8737, section 3).
const HTTPS_PORT: u16 = 443;
/// Answers of the redirect listener: to the names of this service, and to all others.
const REDIRECTS: [u16; 3] = [308, 404, 421];

/// The server itself does not answer: whatever else asks it will say so too.
pub(super) const HANGS: &str = "server.hangs";
/// What is in the way at the addresses themselves, and so to everybody who comes from outside.
const IN_THE_WAY: [&str; 6] =
    [HANGS, "address.elsewhere", "address.no-redirect", "address.other-program", "address.speech", "address.taken"];

/// Whether what is found at the addresses explains what is seen from outside.
pub(super) fn explains_ports(addresses: &[Finding]) -> bool {
    addresses.iter().any(|finding| finding.id.is_some_and(|id| IN_THE_WAY.contains(&id)))
}

/// One of the listeners.
struct Listener {
    address: SocketAddr,
    /// How to choose another address.
    choose: &'static str,
    peek: Peek,
    is_redirect: bool,
}

/// Both addresses, given the process id of the server that runs on the data folder, and the units of systemd.
pub(super) async fn look(config: &Config, server: Option<&str>, units: &Units) -> Vec<Finding> {
    let main = Listener { address: config.listen, choose: "--listen", peek: own_door(config), is_redirect: false };
    let mut findings = vec![main.look(server, units).await];
    let hangs = findings.iter().any(|finding| finding.id == Some(HANGS));
    if let Some(address) = config.tls.redirect_listen.filter(|_| !hangs) {
        let peek = Peek { addresses: vec![reachable(address)], speech: Speech::Plain, ..own_door(config) };
        let redirect = Listener { address, choose: "tls.redirect_listen", peek, is_redirect: true };
        findings.push(redirect.look(server, units).await);
    }
    if !config.is_https() && !config.listen.ip().is_loopback() {
        findings.push(Finding::note(
            "address.plain",
            format!(
                "{} is open to other computers, and plain HTTP lets everybody on the way read along",
                config.listen
            ),
            "serve HTTPS with --domain, or put a proxy with HTTPS in front and name it in trusted_proxies",
        ));
    }
    if is_acme(config) && config.listen.port() != HTTPS_PORT {
        findings.push(Finding::note(
            "address.not-443",
            format!("{} is not port 443, where browsers come and an authority asks", config.listen),
            format!("make sure that port 443 of the names leads to port {}", config.listen.port()),
        ));
    }
    findings
}

/// How this computer gets to its own server.
pub(super) fn own_door(config: &Config) -> Peek {
    let address = reachable(config.listen);
    let trusted = config.trusted_proxies.iter().any(|network| network.contains(&address.ip()));
    Peek {
        addresses: vec![address],
        host: config.domain.first().cloned().unwrap_or_else(|| "localhost".into()),
        speech: if config.is_https() { Speech::Tls } else { Speech::Plain },
        as_proxy: config.proxy_protocol && trusted,
    }
}

/// "Every address" is none to connect to: the loopback one stands in.
pub(in crate::cli) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        // Port 443 of every IPv6 address is port 443 of every IPv4 address too, where there is no IPv6 at all.
        IpAddr::V6(ip) if ip.is_unspecified() && TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() => {
            Ipv4Addr::LOCALHOST.into()
        }
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

impl Listener {
    async fn look(&self, server: Option<&str>, units: &Units) -> Finding {
        let (address, choose) = (self.address, self.choose);
        match (TcpListener::bind(address).map(drop), server) {
            (Ok(()), None) => Finding::ok("address", format!("{address} is free")),
            (Ok(()), Some(pid)) if self.is_redirect => Finding::note(
                "address.no-redirect",
                format!("{address} is free, although the server (process {pid}) runs"),
                "start it again, so that it takes up tls.redirect_listen",
            ),
            (Ok(()), Some(pid)) => Finding::error(
                "address.elsewhere",
                format!("{address} is free, but a server (process {pid}) runs on this data folder at another address"),
                "stop it, or name another folder with --data",
            ),
            // Not asked: whoever comes there makes systemd start the server.
            (Err(e), None) if self.is_had(&e) && units.hold(address.port()) => Finding::ok(
                "address",
                format!("{address} is held by systemd, which starts {SERVICE} when somebody comes"),
            ),
            (Err(e), _) if e.kind() == ErrorKind::AddrInUse || self.is_had(&e) && server.is_some() => {
                match (self.who().await, server) {
                    (Who::Ours, Some(pid)) => Finding::ok(
                        "address",
                        format!("{address} is served by this data folder's server (process {pid})"),
                    ),
                    (Who::Otherwise(speech), Some(pid)) => Finding::error(
                        "address.speech",
                        format!("at {address} a Sarangbang server speaks {speech}, unlike this configuration"),
                        format!("name the configuration of process {pid}, or start it again to take up this one"),
                    ),
                    (Who::Ours | Who::Otherwise(_), None) => Finding::error(
                        "address.other-folder",
                        format!("{address} is taken by a Sarangbang server of another data folder"),
                        format!("stop it, name its folder with --data, or choose another port with {choose}"),
                    ),
                    (Who::Silent, Some(pid)) => Finding::error(
                        "server.hangs",
                        format!(
                            "the server (process {pid}) has {address}, and answers nobody within {} seconds",
                            ANSWER_WAIT.as_secs()
                        ),
                        "look at its log (journalctl -u sarangbang -n 50), then run: systemctl restart sarangbang",
                    ),
                    (Who::Another, Some(pid)) if !self.is_redirect && e.kind() == ErrorKind::AddrInUse => {
                        Finding::error(
                            "address.other-program",
                            format!(
                                "{address} is another program's, and this data folder's server (process {pid}) is elsewhere"
                            ),
                            "name the configuration that it was started with; if this is it, look at its log",
                        )
                    }
                    (Who::Another | Who::Silent, _) => refusal(&e, address, choose),
                }
            }
            (Err(e), _) => refusal(&e, address, choose),
        }
    }

    /// Whether the address may be somebody's already: a user who may not have it himself is not told.
    fn is_had(&self, refusal: &std::io::Error) -> bool {
        matches!(refusal.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
    }

    /// Who serves there, as far as can be told.
    async fn who(&self) -> Who {
        let (other, speech) = match self.peek.speech {
            Speech::Plain => (Speech::Tls, "HTTPS"),
            Speech::Tls | Speech::Trusted(_) => (Speech::Plain, "plain HTTP"),
        };
        match self.peek.get("/about", ANSWER_WAIT).await {
            Ok(answer) if self.is_redirect && REDIRECTS.contains(&answer.status) => Who::Ours,
            Ok(answer) if !self.is_redirect && answer.is_sarangbang() => Who::Ours,
            Err(PeekError::Slow(_)) => Who::Silent,
            Err(PeekError::Foreign(_)) if !self.is_redirect => {
                let otherwise = Peek { speech: other, ..self.peek.clone() };
                match otherwise.get("/about", ANSWER_WAIT).await {
                    Ok(answer) if answer.is_sarangbang() => Who::Otherwise(speech),
                    _ => Who::Another,
                }
            }
            _ => Who::Another,
        }
    }
}

/// Who serves at an address.
enum Who {
    /// Sarangbang, as configured.
    Ours,
    /// Sarangbang, speaking this instead.
    Otherwise(&'static str),
    /// Somebody who takes the connection and says nothing.
    Silent,
    Another,
}

fn refusal(e: &std::io::Error, address: SocketAddr, choose: &str) -> Finding {
    let (problem, fix) = ops::cannot_listen(e, address, choose);
    match Holder::of(address.port()).filter(|_| e.kind() == ErrorKind::AddrInUse) {
        Some(holder) => {
            let (who, stop) = holder.told();
            let problem = format!("{problem}: {who}");
            Finding::error("address.taken", problem, format!("{stop}, or choose another port with {choose}"))
        }
        None if e.kind() == ErrorKind::AddrInUse => Finding::error("address.taken", problem, fix),
        None => Finding::error("address.unusable", problem, fix),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::cli::finding::Level;
    use crate::cli::look::host::Host;
    use crate::config::TlsMode;

    #[tokio::test]
    async fn an_address_in_use_by_another_program_is_an_error_with_its_fix() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = taken.local_addr().unwrap();
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = taken.accept() {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
            }
        });
        let units = Units::read(&Host::new("/nowhere"), &Config::default().data).await;
        for mode in [TlsMode::Off, TlsMode::SelfSigned] {
            let mut config = Config { listen, ..Config::default() };
            config.tls.mode = mode;
            let findings = look(&config, None, &units).await;
            let [finding] = findings.as_slice() else { panic!("{findings:?}") };
            assert_eq!(finding.level, Level::Error);
            assert!(finding.message.contains("another program"), "{finding:?}");
        }
    }

    #[tokio::test]
    async fn plain_http_for_others_is_told_and_https_is_not() {
        let mut config = Config { listen: "0.0.0.0:0".parse().unwrap(), ..Config::default() };
        config.tls.mode = TlsMode::Off;
        let units = Units::read(&Host::new("/nowhere"), &config.data).await;
        assert!(look(&config, None, &units).await.iter().any(|finding| finding.message.contains("read along")));
        config.tls.mode = TlsMode::SelfSigned;
        assert!(look(&config, None, &units).await.iter().all(|finding| finding.level == Level::Ok));
    }
}
