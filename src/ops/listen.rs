//! What to do about an address that cannot be listened on.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// From which port on no right is needed, as Linux has it where nobody changed it.
const FIRST_FREE_PORT: u16 = 1_024;

/// Why an address cannot be listened on, and what to do, where `choose` is how another one is chosen.
pub fn cannot_listen(e: &io::Error, address: SocketAddr, choose: &str) -> (String, String) {
    match e.kind() {
        ErrorKind::AddrInUse => (
            format!("{address} is taken by another program"),
            format!("stop that one (`ss -ltnp` shows it), or choose another port with {choose}"),
        ),
        ErrorKind::PermissionDenied => {
            let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
            let first = first.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(FIRST_FREE_PORT);
            (
                format!("{address} may not be used by this user: ports below {first} need a right"),
                format!(
                    "give it (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE), or choose a higher port with {choose}"
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

    #[test]
    fn each_reason_has_its_own_fix() {
        let address = SocketAddr::from(([127, 0, 0, 1], 443));
        for (kind, part) in [
            (ErrorKind::AddrInUse, "ss -ltnp"),
            (ErrorKind::PermissionDenied, "CAP_NET_BIND_SERVICE"),
            (ErrorKind::AddrNotAvailable, "0.0.0.0"),
            (ErrorKind::Unsupported, "another address"),
        ] {
            let (_, fix) = cannot_listen(&kind.into(), address, "--listen");
            assert!(fix.contains(part) && fix.contains("--listen"), "{fix}");
        }
    }
}
