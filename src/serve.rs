//! The composition root: the one file that sees everything. Opens the store, starts the node and the edge, and ends
//! them in the opposite order; or hands all of it over to another process.

mod address;
mod drain;
mod handover;
mod listeners;
mod signals;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use self::address::{base_url, public_port, reachable_url};
use self::drain::{DRAIN_MAX, drain};
use self::handover::{Outcome, hand_over};
use self::listeners::{Sockets, operate, serve_on};
use self::signals::{Asked, Signals};
use crate::auth::{Passwords, Tokens, random_key};
use crate::config::Config;
use crate::http::{self, Door, Edge, SetupKey};
use crate::node::{Node, pump, tell_reach, tell_rooms};
use crate::ops::{self, Elder, Handed, notify};
use crate::store::{SigningKey, Store};
use crate::tls::Tls;

/// How often rate limits forget who was quiet.
const SWEEP: Duration = Duration::from_secs(30);
/// How long the end of a handover waits for the process before; it says one word.
const ELDER_MAX: Duration = Duration::from_secs(10);

/// What a handover stops, and starts again if it does not come about.
struct Running {
    config: Arc<Config>,
    edge: Arc<Edge>,
    sockets: Sockets,
    tls: Option<Arc<Tls>>,
    /// Keeps the certificate fresh.
    keeping: Option<JoinHandle<()>>,
}

/// Serves until SIGTERM or SIGINT, then drains: no new sockets, everybody is told to come back, everything that was
/// acknowledged is on disk. On SIGUSR2 it hands over to the program that stands at its own path, if that one can serve.
/// `prepare` reads the configuration and starts the log.
///
/// # Errors
/// When the data folder (or Redis) or the address cannot be used; the message says what to do.
pub async fn run(prepare: impl FnOnce() -> anyhow::Result<Config>) -> anyhow::Result<()> {
    // Before anything else: a SIGHUP that nobody waits for would end the process.
    let signals = Signals::new().context("cannot wait for signals")?;
    let Some((mut elder, handed)) = Elder::find()? else {
        let config = prepare()?;
        return serve(config, ops::sockets()?, None, signals).await;
    };
    let outcome = async { serve(prepare()?, handed, Some(&mut elder), signals).await }.await;
    if let Err(cause) = &outcome {
        elder.failed(&format!("{cause:#}")).await;
    }
    outcome
}

async fn serve(config: Config, handed: Handed, elder: Option<&mut Elder>, mut signals: Signals) -> anyhow::Result<()> {
    let files = ops::raise_file_limit();
    if handed.redirect.is_some() && !config.is_https() {
        anyhow::bail!("a socket for the redirect to HTTPS was handed over, and there is no HTTPS: see tls.mode");
    }
    let has_redirect = handed.redirect.is_some() || config.tls.redirect_listen.is_some();
    let mut elder = elder;
    let (sockets, store) = match &mut elder {
        Some(elder) => handover::take_over(&config, handed, elder).await?,
        None => {
            notify("STATUS=opening the store");
            let store = ops::open_store(&config, crate::store::Mode::Serve).await?;
            // Both ports are had before anybody is served at one of them.
            (Sockets::open(handed, &config)?, store)
        }
    };
    let setup_key = if store.has_admin().await? { None } else { Some(random_key()) };
    let config = Arc::new(config);
    let tls = Tls::open(&config, &store, has_redirect).await?.map(Arc::new);
    let edge = edge(Arc::clone(&config), store.clone(), setup_key.as_deref(), tls.as_deref()).await?;
    let tail = store.tail().context("the store's news have a reader already")?;
    let mut pump = tokio::spawn(pump(Arc::clone(&edge.node), tail));
    let telling = tokio::spawn(tell_rooms(Arc::clone(&edge.node)));
    let reaching = tokio::spawn(tell_reach(Arc::clone(&edge.node)));
    let relaying = tokio::spawn(http::answer_nodes(Arc::clone(&edge)));

    let address = sockets.address()?;
    let handle = axum_server::Handle::new();
    let door = Door::new(&config, files, tls.is_some());
    let app = door.tickets(http::router(Arc::clone(&edge)));
    let plain_door = door.beside();
    let mut operating = match sockets.operator()? {
        Some(socket) => operate(socket, &edge, &door, tls.as_deref(), files),
        None => tokio::spawn(std::future::pending()),
    };
    let main = sockets.main()?;
    let mut serving = match &tls {
        Some(tls) => serve_on(main, tls.handshakes(door, &config), handle.clone(), app, &config),
        None => serve_on(main, door, handle.clone(), app, &config),
    };
    let mut redirecting = match (&tls, sockets.redirect()?) {
        (Some(tls), Some(socket)) => {
            let app =
                http::redirect(Arc::clone(&tls.certificates), config.domain.clone(), public_port(&config, address));
            let app = plain_door.tickets(app);
            serve_on(socket, plain_door, handle.clone(), app, &config)
        }
        _ => tokio::spawn(std::future::pending()),
    };
    let mut running = Running { config: Arc::clone(&config), edge: Arc::clone(&edge), sockets, tls, keeping: None };
    running.keep_certificate();
    let sweeping = tokio::spawn(sweep(Arc::clone(&edge)));
    let signing = tokio::spawn(follow_keys(Arc::clone(&edge)));
    let has_taken_over = elder.is_some();
    if let Some(elder) = elder
        && timeout(ELDER_MAX, elder.serving()).await.is_err()
    {
        tracing::warn!("the process before does not say that it has gone");
    }
    announce(&config, address, setup_key.as_deref(), has_taken_over)?;
    notify(&format!("READY=1\nSTATUS=serving {}", base_url(&config, address)));
    let watching = tokio::spawn(watch(store.clone(), has_taken_over));

    // Whatever ends by itself ends the process: half a server would take messages and deliver them to nobody, and a
    // supervisor can only start again what has ended.
    let (outcome, has_heir) = loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            ended = &mut serving => break (Err(by_itself("the listener has", &ended)), false),
            ended = &mut redirecting => break (Err(by_itself("the listener for redirects has", &ended)), false),
            ended = &mut operating => break (Err(by_itself("the operator's listener has", &ended)), false),
            ended = &mut pump => break (Err(by_itself("the store's news have", &ended)), false),
        };
        match asked {
            Asked::Stop => break (Ok(()), false),
            Asked::Reload => running.reload(),
            Asked::HandOver => match hand_over(&mut running, &mut signals).await {
                Outcome::Done => break (Ok(()), true),
                Outcome::Kept => notify(&format!("READY=1\nSTATUS=serving {}", base_url(&config, address))),
                Outcome::Stop => break (Ok(()), false),
                Outcome::Lost(cause) => break (Err(cause), false),
            },
        }
    };
    if has_heir {
        // The signs of life are the other one's from here on.
        watching.abort();
    } else {
        notify("STOPPING=1\nSTATUS=draining");
    }
    drain(&edge, &handle, has_heir, signals.stop()).await;
    sweeping.abort();
    signing.abort();
    // Requests that were on their way are answered; their connections end with them.
    if outcome.is_ok() && timeout(DRAIN_MAX, &mut serving).await.is_err() {
        tracing::warn!("some requests were not answered in time");
    }
    serving.abort();
    redirecting.abort();
    operating.abort();
    running.keeping.inspect(JoinHandle::abort);
    watching.abort();
    store.close().await;
    telling.abort();
    reaching.abort();
    relaying.abort();
    if !pump.is_finished() {
        let _ = timeout(DRAIN_MAX, pump).await;
    }
    tracing::info!("stopped");
    outcome
}

fn by_itself(who: &str, ended: &impl std::fmt::Debug) -> anyhow::Error {
    anyhow::anyhow!("{who} ended by itself: {ended:?}")
}

impl Running {
    /// Starts to keep the certificate fresh.
    fn keep_certificate(&mut self) {
        let (config, store) = (Arc::clone(&self.config), self.edge.store.clone());
        self.keeping = self.tls.clone().map(|tls| tokio::spawn(tls.keep(config, store)));
    }

    /// Looks at the certificate again.
    fn reload(&self) {
        ops::notify_reloading();
        match &self.tls {
            Some(tls) => tls.reload(),
            None => tracing::info!("SIGHUP: without HTTPS there is nothing to read again"),
        }
        notify("READY=1");
    }
}

/// The edge with all that it stands on.
async fn edge(
    config: Arc<Config>,
    store: Store,
    setup_key: Option<&str>,
    tls: Option<&Tls>,
) -> anyhow::Result<Arc<Edge>> {
    let keys = ops::signing_keys(&store).await?;
    let tokens = Tokens::new(keys.iter().map(|key| (&*key.id, key.secret.expose())), config.auth.token_minutes);
    let passwords = Passwords::new(config.limits.password_hashes_max);
    let grace = Duration::from_secs(config.presence.grace_seconds.into());
    let node = Node::new(store.clone(), &config.limits, grace);
    let setup = setup_key.map_or_else(SetupKey::none, SetupKey::new);
    let certificates = tls.map(|tls| Arc::clone(&tls.certificates));
    Ok(Arc::new(Edge::new(config, store, tokens, passwords, setup, node, certificates)))
}

/// Takes signing keys up that another node, or the command line, has added.
async fn follow_keys(edge: Arc<Edge>) {
    let took = |keys: &[SigningKey]| edge.tokens.replace(keys.iter().map(|key| (&*key.id, key.secret.expose())));
    ops::follow_signing_keys(&edge.store, took).await;
}

/// Says on stdout that it is ready, and on the first start how to make the administrator's account. The line on
/// stdout is for scripts; it stays the first. Who has taken over says nothing there: nobody waits for it.
fn announce(config: &Config, address: SocketAddr, setup_key: Option<&str>, has_taken_over: bool) -> anyhow::Result<()> {
    let url = base_url(config, address);
    if !has_taken_over {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "ready {url}").and_then(|()| stdout.flush()).context("cannot write to stdout")?;
    }
    match &config.redis.url {
        Some(redis) => tracing::info!(%url, %redis, "serving"),
        None => tracing::info!(%url, data = %config.data.display(), "serving"),
    }
    if let Some(key) = setup_key {
        let link = format!("{}/setup?key={key}", reachable_url(config, address));
        ops::tell_setup_link(&link).context("cannot write the link for the first administrator")?;
    }
    Ok(())
}

async fn sweep(edge: Arc<Edge>) {
    let mut ticks = interval(SWEEP);
    loop {
        ticks.tick().await;
        edge.limiter.sweep();
    }
}

/// Tells the supervisor that the service lives, where that is waited for: this runtime comes round, and so does the store's
/// own thread. Whether the disk takes anything is another matter, which a restart would not mend.
async fn watch(store: Store, has_taken_over: bool) {
    let Some(time_max) = ops::watchdog(has_taken_over) else { return };
    let mut ticks = interval(time_max / 3);
    loop {
        ticks.tick().await;
        store.pulse().await;
        notify("WATCHDOG=1");
    }
}
