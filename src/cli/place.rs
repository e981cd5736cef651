//! Where a verb works: the configuration it loads, the data folder it opens.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::config::{Config, ConfigError, Sources};
use crate::ops;
use crate::store::Mode;
use crate::store::Store;

/// The flags that every verb takes.
#[derive(Args)]
pub(super) struct Place {
    /// Read this configuration file [default: sarangbang.toml in the working directory, if it is there]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Where")]
    config: Option<PathBuf>,
    /// Work on the data in this folder [default: the key `data`, which is ./data]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Where")]
    data: Option<String>,
}

/// The flags of `serve` that the verbs take which look at what it would do.
#[derive(Args)]
pub(super) struct Plan {
    /// Look at this address instead of the configured one, as `serve --listen` would use it
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Look at this name, as `serve --domain` would serve it; may be given several times
    #[arg(long, value_name = "NAME")]
    domain: Vec<String>,
    /// The mail address that `serve --acme-email` would be given
    #[arg(long, value_name = "MAIL")]
    acme_email: Option<String>,
}

impl Plan {
    /// Everything that the configuration of that server would be made of.
    pub(super) fn sources(self, place: &Place) -> Sources {
        Sources { listen: self.listen, domain: self.domain, acme_email: self.acme_email, ..place.sources() }
    }
}

/// A command that cannot be done as it was given: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

impl Place {
    /// Everything that the configuration is made of.
    pub(super) fn sources(&self) -> Sources {
        Sources { file: self.config.clone(), data: self.data.clone(), ..Sources::process() }
    }

    /// The configuration.
    pub(super) fn config(&self) -> Result<Config, ConfigError> {
        Config::load(&self.sources())
    }

    /// Works on the store, beside a running server or without one, and makes it where it is not there yet.
    pub(super) async fn with_store<T>(
        &self,
        work: impl AsyncFnOnce(&Config, &Store) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let config = self.config()?;
        let store = ops::open_store(&config, Mode::Admin).await?;
        let outcome = work(&config, &store).await;
        store.close().await;
        outcome
    }

    /// Works on a store that has to be there: a mistyped folder must not become an empty one. A Redis is there or not.
    pub(super) async fn with_existing_store<T>(
        &self,
        work: impl AsyncFnOnce(&Config, &Store) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let config = self.config()?;
        if config.redis.url.is_none() {
            std::fs::read_dir(&config.data).with_context(|| {
                let data = config.data.display();
                format!(
                    "there is no data in {data}; name the folder with --data, or make an account with `sarangbang setup`"
                )
            })?;
        }
        self.with_store(work).await
    }
}
