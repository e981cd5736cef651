//! Opens a port, or says in one line what keeps it from that and what to do.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tokio::net::TcpSocket;

use crate::config::Config;

/// From which port on no right is needed, as Linux has it where nobody changed it.
const FIRST_FREE_PORT: u16 = 1_024;
/// Connections that the kernel queues for us: everybody comes back at once after a restart.
const BACKLOG: u32 = 4_096;

/// Listens on the address that the key says. Where that is every address of a host without IPv6, every IPv4 address
/// is meant. Needs a tokio runtime around it.
///
/// # Errors
/// When it cannot be had; the message says what to do.
pub fn listen(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    opened(address, open).map_err(|(address, error)| {
        let choose = if key == "listen" { "--listen or the key listen".into() } else { format!("the key {key}") };
        let (problem, fix) = cannot_listen(&error, address, &choose);
        anyhow::anyhow!("cannot listen: {problem}; {fix}")
    })
}

/// Listens where the operator reads metrics, if anywhere; on what the process before listened on there, if that is the
/// address still. Where nobody chose the port, somebody else may have it: that
/// is told, and no reason not to serve.
///
/// # Errors
/// When an address that was chosen cannot be had.
pub fn listen_for_operator(config: &Config, handed: Option<TcpListener>) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = config.operator.listen else { return Ok(None) };
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "operator.listen is open to other computers, and whoever comes may read the metrics");
    }
    let is_it = |local: SocketAddr| local == address || (address.port() == 0 && local.ip() == address.ip());
    let handed = handed.filter(|listener| listener.local_addr().is_ok_and(is_it));
    match handed.map_or_else(|| listen(address, "operator.listen"), Ok) {
        Ok(listener) => {
            tracing::info!(url = %format!("http://{}/metrics", listener.local_addr()?), "metrics");
            Ok(Some(listener))
        }
        Err(refusal) if !config.operator.is_given => {
            tracing::warn!("there are no metrics: {refusal:#}");
            Ok(None)
        }
        Err(refusal) => Err(refusal),
    }
}

/// Opens an address or what stands for it. An error comes with the address that it was about.
fn opened<T>(address: SocketAddr, open: impl Fn(SocketAddr) -> io::Result<T>) -> Result<T, (SocketAddr, io::Error)> {
    match open(address) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && is_without_ipv6(&error) => {
            let instead = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            tracing::info!(%address, %instead, %error, "this host has no IPv6: listening on IPv4 alone");
            open(instead).map_err(|error| (instead, error))
        }
        outcome => outcome.map_err(|error| (address, error)),
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // Every address of this host, whatever the system's default for new sockets is.
        socket2::SockRef::from(&socket).set_only_v6(false)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Whether the kernel knows no IPv6, or was told to do without.
fn is_without_ipv6(error: &io::Error) -> bool {
    /// `EAFNOSUPPORT`, for which the standard library has no name.
    const NO_SUCH_FAMILY: i32 = if cfg!(target_os = "linux") { 97 } else { 47 };
    error.raw_os_error() == Some(NO_SUCH_FAMILY) || error.kind() == ErrorKind::AddrNotAvailable
}

/// Why an address cannot be listened on, and what to do, where `choose` is how another one is chosen.
pub fn cannot_listen(e: &io::Error, address: SocketAddr, choose: &str) -> (String, String) {
    match e.kind() {
        ErrorKind::AddrInUse => (
            format!("{address} is taken by another program"),
            format!(
                "stop that one (`ss -ltnp` shows it; systemd holds the port of a socket unit), or choose another port with {choose}"
            ),
        ),
        ErrorKind::PermissionDenied => {
            let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
            let first = first.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(FIRST_FREE_PORT);
            (
                format!("{address} may not be used by this user: ports below {first} need a right"),
                format!(
                    "give it under systemd (AmbientCapabilities=CAP_NET_BIND_SERVICE, or a socket unit), by `setcap \
                     cap_net_bind_service=+ep` on the program, or to everybody by `sysctl \
                     net.ipv4.ip_unprivileged_port_start={}`; or choose a higher port with {choose}",
                    address.port()
                ),
            )
        }
        ErrorKind::AddrNotAvailable => (
            format!("{} is no address of this computer", address.ip()),
            format!("choose one that is with {choose}; 0.0.0.0 stands for all of them"),
        ),
        _ => (format!("{address} cannot be used: {e}"), format!("choose another address with {choose}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_ipv6(address: SocketAddr) -> io::Result<SocketAddr> {
        if address.is_ipv6() { Err(io::Error::from_raw_os_error(97)) } else { Ok(address) }
    }

    #[test]
    fn on_a_host_without_ipv6_every_address_is_every_ipv4_address() {
        let everywhere = opened("[::]:443".parse().unwrap(), without_ipv6).unwrap();
        assert_eq!(everywhere, "0.0.0.0:443".parse().unwrap());
        // One that was asked for by name is not silently another.
        assert!(opened("[::1]:443".parse().unwrap(), without_ipv6).is_err());
    }

    #[test]
    fn what_fails_on_ipv4_too_is_told_about_that() {
        let (address, _) = opened("[::]:443".parse().unwrap(), |address| {
            without_ipv6(address).and(Err::<(), _>(ErrorKind::PermissionDenied.into()))
        })
        .unwrap_err();
        assert!(address.is_ipv4());
    }

    #[tokio::test]
    async fn every_address_is_ipv4_too() {
        let Ok(listener) = listen("[::]:0".parse().unwrap(), "listen") else { return };
        let port = listener.local_addr().unwrap().port();
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_with_what_to_do() {
        let first = listen("127.0.0.1:0".parse().unwrap(), "listen").unwrap();
        let error = listen(first.local_addr().unwrap(), "tls.redirect_listen").unwrap_err();
        let line = format!("{error:#}");
        assert!(line.contains("taken by another program") && line.contains("the key tls.redirect_listen"), "{line}");
        assert!(!line.contains('\n') && !line.contains("--listen"), "{line}");
    }

    #[test]
    fn each_reason_has_its_own_fix() {
        let address = SocketAddr::from(([127, 0, 0, 1], 443));
        for (kind, part) in [
            (ErrorKind::AddrInUse, "ss -ltnp"),
            (ErrorKind::PermissionDenied, "CAP_NET_BIND_SERVICE"),
            (ErrorKind::PermissionDenied, "setcap"),
            (ErrorKind::PermissionDenied, "ip_unprivileged_port_start=443"),
            (ErrorKind::AddrNotAvailable, "0.0.0.0"),
            (ErrorKind::Unsupported, "another address"),
        ] {
            let (_, fix) = cannot_listen(&kind.into(), address, "--listen");
            assert!(fix.contains(part) && fix.contains("--listen"), "{fix}");
        }
    }
}
