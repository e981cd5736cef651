//! What `check` and `doctor` look at, one matter a file. Nothing is changed by looking, and nothing is waited for long.

mod address;
mod authority;
mod backups;
mod certificate;
mod clock;
mod disk;
mod folder;
mod holders;
mod host;
mod journal;
mod kept;
mod limits;
mod metadata;
mod names;
mod operator;
mod redis;
mod running;
mod sandbox;
mod units;
mod volume;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

pub(super) use self::address::reachable;
pub(super) use self::folder::server_of as holder_of;
pub(super) use self::host::Host;
use self::units::Units;
use super::finding::{Finding, Level};
use super::peek::Answer;
use crate::config::{Config, TlsMode};

/// How long a server may take to answer, the handshake included.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// How long a name may take to be looked up.
const LOOKUP_WAIT: Duration = Duration::from_secs(4);

/// Looks at what a start needs, on this computer alone.
pub(super) async fn before_start(config: &Config) -> Vec<Finding> {
    let host = Host::new("/");
    let units = Units::read(&host, &config.data).await;
    let server = server_of(config, &units).await;
    let (mut findings, _) = data(config, folder::Depth::Surface).await;
    findings.extend(address::look(config, server.as_deref(), &units).await);
    findings.extend(operator::look(config, server.as_deref()).await);
    findings.extend(certificate::configured(config));
    findings.extend(authority::configured(config));
    findings.extend(limits::open_files(config, server.as_deref()).into_iter().filter(Finding::is_news));
    findings
}

/// Looks at everything, the network included.
pub(super) async fn everything(config: &Config, host: &Host) -> Vec<Finding> {
    let (units, (metadata, public)) = tokio::join!(Units::read(host, &config.data), metadata::look(host));
    let server = server_of(config, &units).await;
    let is_held = server.is_none() && listeners(config).any(|address| units.hold(address.port()));
    let (data, addresses, operator, running, names, authority, synchronised) = tokio::join!(
        data(config, folder::Depth::Ground),
        address::look(config, server.as_deref(), &units),
        operator::look(config, server.as_deref()),
        running::look(config, server.as_deref()),
        names::look(config, server.is_some(), is_held, &public),
        authority::look(config),
        clock::synchronised(host),
    );
    let ((mut findings, kept), (served, chain), (authority, there)) = (data, running, authority);
    if config.redis.url.is_none() {
        findings.extend(disk::modes(&config.data));
        findings.extend(volume::look(&config.data, host, &units));
        findings.extend(disk::look(&config.data));
    }
    findings.extend(backups::look(config, host, &units, SystemTime::now()));
    findings.extend(limits::open_files(config, server.as_deref()));
    findings.extend(limits::of_the_kernel(config, host));
    findings.extend(units::look(config, host, &units, server.as_deref()));
    // Where it was not found as configured, the address says so, and why.
    let is_found = server.is_none() || !addresses.first().is_some_and(Finding::is_news);
    // A running server's own standing says more than its files.
    let from_files = certificate::configured(config);
    let in_force = certificate::in_force(config, chain.as_deref(), &kept);
    let is_bad = in_force.iter().any(|finding| finding.level == Level::Error);
    let is_explained = |finding: &Finding| is_bad && finding.id == Some(running::NO_CERTIFICATE);
    let (hangs, explained) =
        (addresses.iter().any(|finding| finding.id == Some(address::HANGS)), address::explains_ports(&addresses));
    findings.extend(addresses);
    findings.extend(operator.into_iter().filter(|finding| !hangs || !finding.is_news()));
    findings.extend(served.into_iter().filter(|finding| is_found && !is_explained(finding)));
    let is_told = |finding: &Finding| in_force.iter().any(|told| told.id == finding.id);
    findings.extend(from_files.into_iter().filter(|file| chain.is_none() || file.is_news() && !is_told(file)));
    findings.extend(in_force);
    findings.extend(metadata);
    findings.extend(names.into_iter().filter(|finding| !explained || !finding.is_news() || finding.about != "ports"));
    findings.extend(authority::configured(config));
    findings.extend(authority);
    findings.extend(authority::last_try(config, &kept));
    findings.push(clock::look(there, SystemTime::now()));
    findings.push(synchronised);
    findings.push(journal::look(host));
    findings
}

/// Where the server listens, as configured.
fn listeners(config: &Config) -> impl Iterator<Item = SocketAddr> {
    [Some(config.listen), config.tls.redirect_listen].into_iter().flatten()
}

/// The store, wherever it is.
async fn data(config: &Config, depth: folder::Depth) -> (Vec<Finding>, kept::Kept) {
    match config.redis.url {
        Some(_) => redis::look(config, depth).await,
        None => folder::look(config, depth).await,
    }
}

/// The process id of the server that runs here, if one does. With Redis there is no folder whose lock would tell: who
/// answers at the configured address is taken for it. Where systemd holds the ports nobody is asked there: it would
/// start the server.
async fn server_of(config: &Config, units: &Units) -> Option<String> {
    if config.redis.url.is_none() {
        return folder::server_of(&config.data);
    }
    if units.hold(config.listen.port()) {
        return units.pid();
    }
    let answer = address::own_door(config).get("/about", ANSWER_WAIT).await;
    answer.ok().filter(Answer::is_sarangbang).map(|_| "unknown".to_owned())
}

/// A span of time in a word or two.
fn span(ms: i64) -> String {
    let (seconds, unit) = (ms.abs() / 1_000, |count: i64, unit: &str| match count {
        1 => format!("1 {unit}"),
        _ => format!("{count} {unit}s"),
    });
    match seconds {
        0..120 => unit(seconds, "second"),
        120..7_200 => unit(seconds / 60, "minute"),
        7_200..172_800 => unit(seconds / 3_600, "hour"),
        _ => unit(seconds / 86_400, "day"),
    }
}

/// Milliseconds since the Unix epoch.
fn now_ms() -> i64 {
    whole_ms(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn whole_ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Whether this server gets its certificates from an authority.
fn is_acme(config: &Config) -> bool {
    config.tls.mode == TlsMode::Acme
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_the_unit_that_people_would_use() {
        let day = 86_400_000;
        for (ms, text) in [
            (1_000, "1 second"),
            (-90_000, "90 seconds"),
            (180_000, "3 minutes"),
            (day, "24 hours"),
            (-60 * day, "60 days"),
        ] {
            assert_eq!(span(ms), text);
        }
    }
}
