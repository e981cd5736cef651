//! By which address people come.

use std::net::SocketAddr;

use crate::config::Config;

/// Where the service is: by its name where it has one.
pub(super) fn base_url(config: &Config, address: SocketAddr) -> String {
    let scheme = if config.is_https() { "https" } else { "http" };
    match (config.domain.first(), public_port(config, address)) {
        (Some(name), 443) if config.is_https() => format!("{scheme}://{name}"),
        (Some(name), port) if config.is_https() => format!("{scheme}://{name}:{port}"),
        _ => format!("{scheme}://{address}"),
    }
}

/// Where people come by HTTPS: behind a router or a container's port it is not where this process listens.
pub(super) fn public_port(config: &Config, address: SocketAddr) -> u16 {
    if config.tls.public_port == 0 { address.port() } else { config.tls.public_port }
}

/// The same as a link that opens on this computer.
pub(super) fn reachable_url(config: &Config, address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        base_url(config, address).replace(&address.ip().to_string(), "localhost").replace("[localhost]", "localhost")
    } else {
        base_url(config, address)
    }
}
