//! A server's own metrics, read over HTTP: for one whose process is not on this host.

use std::net::ToSocketAddrs as _;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use hyper::Uri;
use tokio::runtime::Handle;

use crate::cli::peek::{Peek, Speech};
use crate::cli::place::Usage;

/// How long an answer is waited for.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Where they are.
#[derive(Clone)]
pub(super) struct Metrics {
    url: String,
    path: String,
    peek: Peek,
}

impl Metrics {
    /// At an address such as `http://127.0.0.1:9464/metrics`.
    pub(super) fn at(url: &str) -> anyhow::Result<Self> {
        let wrong = || Usage(format!("--metrics has to be like http://127.0.0.1:9464/metrics, not {url:?}"));
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else { return Err(wrong().into()) };
        let bare = host.trim_matches(['[', ']']);
        let found = (bare, uri.port_u16().unwrap_or(80)).to_socket_addrs();
        let addresses = found.with_context(|| format!("cannot look up {host}"))?.collect();
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let peek = Peek { addresses, host: host.to_owned(), speech: Speech::Plain, as_proxy: false };
        Ok(Self { url: url.to_owned(), path, peek })
    }

    /// One metric without labels, now. Blocks; within the runtime, and on a thread that may.
    pub(super) fn read(&self, name: &str) -> anyhow::Result<f64> {
        let url = &self.url;
        let asked = self.peek.get(&self.path, ANSWER_WAIT);
        let answer =
            Handle::current().block_on(asked).with_context(|| format!("the metrics cannot be read at {url}"))?;
        ensure!(answer.status == 200, "{url} answers with status {}, and not with metrics", answer.status);
        let text = String::from_utf8_lossy(&answer.body);
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let Some(value) = value else {
            bail!("{url} has no metric {name}: is it the /metrics of a Sarangbang server (the key operator.listen)?");
        };
        value.parse().with_context(|| format!("{url}: {name} is no number: {value:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let metrics = Metrics::at("http://127.0.0.1:9464/metrics").unwrap();
        assert_eq!((&*metrics.path, metrics.peek.addresses[0].port()), ("/metrics", 9464));
        assert_eq!(Metrics::at("http://[::1]/m").unwrap().peek.addresses[0].to_string(), "[::1]:80");
        for wrong in ["127.0.0.1:9464", "https://127.0.0.1/metrics", "/metrics", ""] {
            assert!(Metrics::at(wrong).is_err(), "{wrong}");
        }
    }
}
