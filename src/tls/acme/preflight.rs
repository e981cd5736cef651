//! What would fail at the authority, looked at before it is asked: that costs none of its limits.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use uuid::Uuid;

use super::Settings;
use super::answers::Given;
use super::plan::Way;
use crate::store::Store;
use crate::tls::Certificates;
use crate::tls::clock::{now_ms, readable};

/// How long anything of this may take.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Only so much of an answer is read.
const ANSWER_BYTES_MAX: u64 = 4_096;
/// The authority's clock may differ by this much; beyond it certificates look expired or not yet valid.
pub(super) const CLOCK_OFF_MAX_MS: i64 = 3_600_000;
/// 2026-01-01.
const WRITTEN_MS: i64 = 1_767_225_600_000;

/// Looks whether every name resolves, and whether this server answers there, be it by another node.
///
/// # Errors
/// When a name does not resolve, or the clock cannot be right: in words. That nobody answers is only a warning, since a host behind an address
/// translation often cannot reach itself.
pub(super) async fn look(settings: &Settings, store: &Store, certificates: &Certificates) -> Result<(), String> {
    sane(now_ms())?;
    let mut found = Vec::new();
    for name in &settings.names {
        let addresses = match timeout(TIME_MAX, lookup_host((&**name, 80))).await {
            Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
            Ok(Err(error)) => return Err(unresolved(name, &error.to_string())),
            Err(_) => return Err(unresolved(name, "no DNS server answers")),
        };
        match addresses.first() {
            Some(address) => found.push((name, *address)),
            None => return Err(unresolved(name, "it has no address")),
        }
    }
    let by_http = settings.ways.contains(&Way::Http);
    let (token, text) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    let mut given = Given::new(Way::Http);
    if by_http {
        given.add("", &token, &text);
        given.give(store, certificates).await.map_err(|error| format!("{error:#}"))?;
    }
    for (name, address) in found {
        let reached = match by_http {
            true => asks_itself(name, address, &token, &text).await,
            false => connects(SocketAddr::new(address.ip(), 443)).await,
        };
        if let Err(cause) = reached {
            tracing::warn!(
                name,
                address = %address.ip(),
                cause,
                "this server does not reach itself by its name; if others cannot either, the authority will refuse: \
                 look at the name's DNS record, at the firewall, and at the forwarding of ports 80 and 443"
            );
        }
    }
    if by_http {
        given.take_back(store, certificates).await;
    }
    Ok(())
}

/// Looks at how far the authority's clock is ahead of this one.
pub(super) fn look_at_clock(ahead_ms: Option<i64>) {
    let Some(ahead) = ahead_ms.filter(|ahead| ahead.abs() > CLOCK_OFF_MAX_MS) else { return };
    let way = if ahead > 0 { "behind" } else { "ahead of" };
    tracing::warn!(
        minutes = ahead.abs() / 60_000,
        "this host's clock is {way} the authority's; certificates will look expired or not yet valid: set it right"
    );
}

/// A computer without a battery begins in 1970 until it is told the time. No such date is after this was written.
fn sane(now: i64) -> Result<(), String> {
    if now >= WRITTEN_MS {
        return Ok(());
    }
    Err(format!("this host's clock says {}; set it right. The authority is not asked before", readable(now)))
}

fn unresolved(name: &str, cause: &str) -> String {
    format!(
        "{name} does not resolve ({cause}); give it an A or AAAA record that points to this host. \
         The authority is not asked before"
    )
}

/// Asks for an answer that only this service knows, as the authority will.
async fn asks_itself(name: &str, address: SocketAddr, token: &str, text: &str) -> Result<(), String> {
    let asked = timeout(TIME_MAX, async {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    })
    .await;
    match asked {
        Ok(Ok(answer)) if String::from_utf8_lossy(&answer).contains(text) => Ok(()),
        Ok(Ok(_)) => Err("somebody else answers there on port 80".into()),
        Ok(Err(error)) => Err(format!("port 80: {error}")),
        Err(_) => Err("port 80: no answer".into()),
    }
}

async fn connects(address: SocketAddr) -> Result<(), String> {
    match timeout(TIME_MAX, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("port 443: {error}")),
        Err(_) => Err("port 443: no answer".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_told_before_anybody_is_asked() {
        assert!(sane(1_000).unwrap_err().contains("1970-01-01 00:00:01 UTC"));
        assert_eq!(sane(now_ms()), Ok(()));
    }
}
