//! `serve`: the server itself.

use clap::Args;

use super::place::Place;
use crate::config::{Config, Sources};
use crate::ops;

/// Serve chat until it is told to stop
///
/// Serves the web page, the HTTP calls and STOMP at /ws-stomp. Everything is kept in one folder, which is made where
/// it is not there yet. With --domain it gets a certificate from Let's Encrypt, renews it by itself, serves HTTPS on
/// port 443 and redirects port 80 there; without, it serves plain HTTP on this computer alone.
///
/// The first line on standard output is `ready URL` once it serves; all else goes to the log on stderr. While there is
/// no administrator, a one-time link to make one is printed there too.
///
/// What it does can be read at http://127.0.0.1:9464/metrics, for Prometheus (the key `operator.listen`).
///
/// SIGTERM or Ctrl-C ends it: everything acknowledged is on disk then. SIGHUP reads the certificate's files again,
/// or asks the authority now instead of later, once an hour. SIGUSR2 hands over to the program that stands at the
/// same path now, without refusing anybody (see `sarangbang handover --help`).
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang serve                          this computer alone, data in ./data
  sarangbang serve --domain chat.example.com --acme-email me@example.com
  sarangbang serve --listen 0.0.0.0:8080    other computers too: put HTTPS in front
  sarangbang serve --config /etc/sarangbang.toml --data /var/lib/sarangbang
  SARANGBANG_LOG__FORMAT=json sarangbang serve")]
pub(super) struct Serve {
    /// Serve on this address and port [default: the key `listen`, which is 127.0.0.1:8080, or [::]:443 with --domain; port 0 takes a free one]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Serve HTTPS by this name, with a certificate that is got and renewed by itself; may be given several times
    #[arg(long, value_name = "NAME")]
    domain: Vec<String>,
    /// Where the certificate authority writes to when something is wrong with the certificate
    #[arg(long, value_name = "MAIL")]
    acme_email: Option<String>,
}

impl Serve {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<()> {
        crate::serve::run(|| {
            let config = Config::load(&Sources {
                listen: self.listen,
                domain: self.domain,
                acme_email: self.acme_email,
                ..place.sources()
            })?;
            ops::log::start(&config.log)?;
            Ok(config)
        })
        .await
    }
}
