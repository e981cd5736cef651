//! What `check` and `doctor` look at, one matter a file. Nothing is changed by looking, and nothing is waited for long.

mod address;
mod authority;
mod certificate;
mod clock;
mod disk;
mod folder;
mod kept;
mod limits;
mod names;
mod operator;
mod redis;
mod running;

use std::time::{Duration, SystemTime};

pub(super) use self::address::reachable;
pub(super) use self::folder::server_of as holder_of;
use super::finding::Finding;
use super::peek::Answer;
use crate::config::{Config, TlsMode};

/// How long a server may take to answer, the handshake included.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// How long a name may take to be looked up.
const LOOKUP_WAIT: Duration = Duration::from_secs(4);

/// Looks at what a start needs, on this computer alone.
pub(super) async fn before_start(config: &Config) -> Vec<Finding> {
    let server = server_of(config).await;
    let (mut findings, _) = data(config, folder::Depth::Surface).await;
    findings.extend(address::look(config, server.as_deref()).await);
    findings.extend(operator::look(config, server.as_deref()).await);
    findings.extend(certificate::configured(config));
    findings.extend(authority::configured(config));
    findings.extend(limits::open_files(config, server.as_deref()).into_iter().filter(Finding::is_news));
    findings
}

/// Looks at everything, the network included.
pub(super) async fn everything(config: &Config) -> Vec<Finding> {
    let server = server_of(config).await;
    let (data, addresses, operator, running, names, authority) = tokio::join!(
        data(config, folder::Depth::Ground),
        address::look(config, server.as_deref()),
        operator::look(config, server.as_deref()),
        running::look(config, server.as_deref()),
        names::look(config, server.is_some()),
        authority::look(config),
    );
    let ((mut findings, kept), (served, chain), (authority, there)) = (data, running, authority);
    if config.redis.url.is_none() {
        findings.extend(disk::modes(&config.data));
        findings.extend(disk::look(&config.data));
    }
    findings.extend(limits::open_files(config, server.as_deref()));
    findings.extend(limits::backlog());
    // Where it was not found as configured, the address says so, and why.
    let is_found = server.is_none() || !addresses.first().is_some_and(Finding::is_news);
    findings.extend(addresses);
    findings.extend(operator);
    findings.extend(served.into_iter().filter(|_| is_found));
    // A running server's own standing says more than its files.
    let from_files = certificate::configured(config);
    findings.extend(from_files.into_iter().filter(|finding| chain.is_none() || finding.is_news()));
    findings.extend(certificate::in_force(config, chain.as_deref(), &kept));
    findings.extend(names);
    findings.extend(authority::configured(config));
    findings.extend(authority);
    findings.extend(authority::last_try(config, &kept));
    findings.push(clock::look(there, SystemTime::now()));
    findings
}

/// The store, wherever it is.
async fn data(config: &Config, depth: folder::Depth) -> (Vec<Finding>, kept::Kept) {
    match config.redis.url {
        Some(_) => redis::look(config, depth).await,
        None => folder::look(config, depth).await,
    }
}

/// The process id of the server that runs here, if one does. With Redis there is no folder whose lock would tell: who
/// answers at the configured address is taken for it.
async fn server_of(config: &Config) -> Option<String> {
    if config.redis.url.is_none() {
        return folder::server_of(&config.data);
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
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
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
