//! `serve`: the server itself.

use clap::Args;

use super::place::Place;
use crate::config::{Config, Sources};
use crate::ops;

/// Serve chat until it is told to stop
///
/// Serves the web page, the HTTP calls and STOMP at /ws-stomp, as plain HTTP. Everything is kept in one folder, which
/// is made where it is not there yet. The first line on standard output is `ready http://ADDR:PORT` once it serves;
/// all else goes to the log on stderr. While there is no administrator, a one-time
/// link to make one is printed there too.
///
/// SIGTERM or Ctrl-C ends it: everything acknowledged is on disk then.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang serve                          this computer alone, data in ./data
  sarangbang serve --listen 0.0.0.0:8080    other computers too: put HTTPS in front
  sarangbang serve --config /etc/sarangbang.toml --data /var/lib/sarangbang
  SARANGBANG_LOG__FORMAT=json sarangbang serve")]
pub(super) struct Serve {
    /// Serve on this address and port [default: the key `listen`, which is 127.0.0.1:8080; port 0 takes a free one]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
}

impl Serve {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<()> {
        let config = Config::load(&Sources { listen: self.listen, ..place.sources() })?;
        ops::log::start(&config.log)?;
        crate::serve::run(config).await
    }
}
