//! How another process takes the place of this one, while both live, and nobody is refused.
//!
//! What can fail is tried before anything is given up; what is given up is given up for milliseconds; and whatever fails in
//! between, this process takes it back. Invariant: never do two processes write rooms ([`Store::let_go`]).

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Running;
use super::listeners::Sockets;
use super::signals::Signals;
use crate::config::{Config, TlsMode};
use crate::ops::{self, Elder, Handed, Heir, OpenError, Said, notify};
use crate::store::{Mode, Store, sqlite};
use crate::tls::Files;

/// How long the new process may take until it could take over.
const READY_MAX: Duration = Duration::from_secs(10);
/// How long it may take to open the store then: it may have to bring it to a newer version. Nobody is served meanwhile.
const SERVING_MAX: Duration = Duration::from_secs(120);
/// How long those may take to come back who were connected to the process before, once it has sent them away.
const RETURN: Duration = Duration::from_secs(10);

/// How a handover ended.
pub(super) enum Outcome {
    /// Another process serves.
    Done,
    /// This one goes on, as if nothing had been; the cause is told.
    Kept,
    /// Somebody wanted a stop meanwhile.
    Stop,
    /// Neither the other process serves nor can this one.
    Lost(anyhow::Error),
}

/// Hands over to the program that stands at this process's path.
pub(super) async fn hand_over(running: &mut Running, signals: &mut Signals) -> Outcome {
    ops::notify_reloading();
    running.edge.handovers_failed.lock().1 = None;
    let (mut heir, version) = match prepared(running, signals).await {
        Ok(Some(prepared)) => prepared,
        Ok(None) => return Outcome::Stop,
        Err(cause) => return kept(running, &cause),
    };
    let pid = heir.pid();
    tracing::info!(pid, %version, "handing over to pid {pid}, version {version}");
    notify(&format!("STATUS=handing over to process {pid}, version {version}"));
    let began = Instant::now();
    running.sockets.let_in(false);
    running.keeping.take().inspect(JoinHandle::abort);
    let taken = signals.while_busy(timeout(SERVING_MAX, give(running, &mut heir))).await;
    let cause = match taken {
        Some(Ok(Ok(()))) => {
            let took = began.elapsed();
            tracing::info!(pid, ?took, "process {pid} serves");
            notify(&format!("MAINPID={pid}"));
            heir.is_main().await;
            return Outcome::Done;
        }
        None => {
            heir.stop();
            return Outcome::Stop;
        }
        Some(Ok(Err(cause))) => cause,
        Some(Err(_)) => anyhow!("process {pid} did not serve within {} s", SERVING_MAX.as_secs()),
    };
    // It has ended when this returns, and with it its hold on the store.
    drop(heir);
    if let Err(refusal) = running.edge.store.take_back().await {
        let what = format!("the handover failed, and the store cannot be taken back ({refusal})");
        return Outcome::Lost(cause.context(what));
    }
    running.keep_certificate();
    running.sockets.let_in(true);
    kept(running, &cause)
}

fn kept(running: &Running, cause: &anyhow::Error) -> Outcome {
    tracing::error!("the handover did not come about, and this process goes on: {cause:#}");
    let mut failed = running.edge.handovers_failed.lock();
    *failed = (failed.0 + 1, Some(format!("{cause:#}").replace('\n', " ")));
    Outcome::Kept
}

/// A process that could take over, and its version; `None` where somebody wants a stop.
async fn prepared(running: &Running, signals: &mut Signals) -> anyhow::Result<Option<(Heir, String)>> {
    if std::process::id() == 1 {
        bail!("this is process 1, and with it its container would end; replace the container instead");
    }
    let mut heir = Heir::start(&running.sockets.by_name())?;
    tracing::info!(pid = heir.pid(), "started the program that is to take over");
    match signals.while_busy(timeout(READY_MAX, heir.said())).await {
        None => Ok(None),
        Some(Err(_)) => bail!("the new process was not ready within {} s", READY_MAX.as_secs()),
        Some(Ok(Ok(Said::Ready(version)))) => Ok(Some((heir, version))),
        Some(Ok(Ok(Said::Serving))) => bail!("the new process says that it serves, before it may"),
        Some(Ok(Err(cause))) => Err(cause),
    }
}

/// Gives up the store, and waits until the other process serves from it.
async fn give(running: &Running, heir: &mut Heir) -> anyhow::Result<()> {
    running.edge.store.let_go().await?;
    let held = Duration::from_secs(running.config.drain_seconds.into());
    heir.yours(held).await.context("the new process has ended")?;
    match heir.said().await? {
        Said::Serving => Ok(()),
        Said::Ready(_) => bail!("the new process says twice that it is ready"),
    }
}

/// The other side: tries what can fail, says so, and opens the store when it may.
pub(super) async fn take_over(config: &Config, handed: Handed, elder: &mut Elder) -> anyhow::Result<(Sockets, Store)> {
    let sockets = Sockets::open(handed, config)?;
    if config.tls.mode == TlsMode::Files {
        Files::new(&config.tls.cert, &config.tls.key).read().context("the certificate cannot be used")?;
    }
    let shared = if config.redis.url.is_some() {
        Some(ops::open_store(config, Mode::Serve).await?)
    } else {
        look_at_file(config).await?;
        None
    };
    let held = elder.ready(env!("CARGO_PKG_VERSION")).await?;
    let store = match shared {
        Some(store) => store,
        None => {
            let grace = Duration::from_secs(config.presence.grace_seconds.into());
            ops::open_store(config, Mode::Succeed(held + RETURN.max(grace))).await?
        }
    };
    Ok((sockets, store))
}

/// Looks whether the store can be opened, while another process serves from it. One that is to be brought to a newer version
/// first will be, when it is given up.
async fn look_at_file(config: &Config) -> anyhow::Result<()> {
    match ops::open_store(config, Mode::Look).await {
        Ok(store) => {
            store.ready().await?;
            store.close().await;
            Ok(())
        }
        Err(OpenError::Folder(sqlite::OpenError::Older { .. })) => Ok(()),
        Err(refusal) => Err(refusal.into()),
    }
}
