//! The composition root: the one file that sees everything. Opens the store, starts the node and the edge, and ends
//! them in the opposite order.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::http::Request;
use axum_server::Handle;
use axum_server::accept::Accept;
use axum_server::service::SendService;
use hyper::body::Incoming;
use hyper_util::rt::TokioTimer;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};

use crate::auth::{Passwords, Tokens, random_key};
use crate::config::Config;
use crate::http::{self, Door, Edge, SetupKey, Ticketed, Tickets};
use crate::node::{Closing, Node, pump, tell_reach, tell_rooms};
use crate::ops::{self, Metrics};
use crate::store::Mode;
use crate::store::Store;
use crate::tls::Tls;

/// Bytes of an answer that goes on which wait for the client to read them, and most bytes of a request's head.
const HTTP_BUFFER_BYTES: usize = 64 * 1024;
/// How often rate limits forget who was quiet.
const SWEEP: Duration = Duration::from_secs(30);
/// How often it is told that no connection can be accepted.
const COMPLAINT: Duration = Duration::from_secs(10);
/// How long a drain spreads the goodbyes: clients come back one after the other.
const DRAIN_SPREAD: Duration = Duration::from_secs(2);
/// How long it then waits for the last of them.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT, then drains: no new sockets, everybody is told to come back, everything that was
/// acknowledged is on disk.
///
/// # Errors
/// When the data folder (or Redis) or the address cannot be used; the message says what to do.
pub async fn run(config: Config) -> anyhow::Result<()> {
    // Before anything else: a SIGHUP that nobody waits for would end the process.
    let mut signals = Signals::new().context("cannot wait for signals")?;
    let handed = ops::sockets()?;
    let files = ops::raise_file_limit();
    let store = ops::open_store(&config, Mode::Serve).await?;
    let setup_key = if store.has_admin().await? { None } else { Some(random_key()) };
    let config = Arc::new(config);
    if handed.redirect.is_some() && !config.is_https() {
        anyhow::bail!("a socket for the redirect to HTTPS was handed over, and there is no HTTPS: see tls.mode");
    }
    let has_redirect = handed.redirect.is_some() || config.tls.redirect_listen.is_some();
    let tls = Tls::open(&config, &store, has_redirect).await?.map(Arc::new);
    let edge = edge(Arc::clone(&config), store.clone(), setup_key.as_deref(), tls.as_deref()).await?;
    let tail = store.tail().context("the store's news have a reader already")?;
    let mut pump = tokio::spawn(pump(Arc::clone(&edge.node), tail));
    let telling = tokio::spawn(tell_rooms(Arc::clone(&edge.node)));
    let reaching = tokio::spawn(tell_reach(Arc::clone(&edge.node)));

    // Both ports are had before anybody is served at one of them.
    let socket = listener(handed.main, config.listen, "listen")?;
    let redirect_socket = if tls.is_some() { redirect_listener(handed.redirect, &config)? } else { None };
    let operator_socket = ops::listen_for_operator(&config)?;
    let address = socket.local_addr()?;
    let handle = Handle::new();
    let door = Door::new(&config, files, tls.is_some());
    let app = door.tickets(http::router(Arc::clone(&edge)));
    let plain_door = door.beside();
    let mut operating = match operator_socket {
        Some(socket) => operate(socket, &edge, &door, tls.as_deref(), files)?,
        None => tokio::spawn(std::future::pending()),
    };
    let mut serving = match &tls {
        Some(tls) => serve_on(socket, tls.handshakes(door, &config), handle.clone(), app, &config)?,
        None => serve_on(socket, door, handle.clone(), app, &config)?,
    };
    let mut redirecting = match (&tls, redirect_socket) {
        (Some(tls), Some(socket)) => {
            let app =
                http::redirect(Arc::clone(&tls.certificates), config.domain.clone(), public_port(&config, address));
            let app = plain_door.tickets(app);
            serve_on(socket, plain_door, handle.clone(), app, &config)?
        }
        _ => tokio::spawn(std::future::pending()),
    };
    let keeping = tls.clone().map(|tls| tokio::spawn(tls.keep(Arc::clone(&config), store.clone())));
    let sweeping = tokio::spawn(sweep(Arc::clone(&edge)));
    announce(&edge.config, address, setup_key.as_deref())?;

    // Whatever ends by itself ends the process: half a server would take messages and deliver them to nobody, and a
    // supervisor can only start again what has ended.
    let outcome = tokio::select! {
        () = signals.stop(tls.as_deref()) => Ok(()),
        ended = &mut serving => Err(anyhow::anyhow!("the listener has ended by itself: {ended:?}")),
        ended = &mut redirecting => Err(anyhow::anyhow!("the listener for redirects has ended by itself: {ended:?}")),
        ended = &mut operating => Err(anyhow::anyhow!("the operator's listener has ended by itself: {ended:?}")),
        ended = &mut pump => Err(anyhow::anyhow!("the store's news have ended by themselves: {ended:?}")),
    };
    tracing::info!("draining: no new connections, clients are told to come back");
    drain(&edge, &handle).await;
    sweeping.abort();
    // Requests that were on their way are answered; their connections end with them.
    if outcome.is_ok() && timeout(DRAIN_MAX, &mut serving).await.is_err() {
        tracing::warn!("some requests were not answered in time");
    }
    serving.abort();
    redirecting.abort();
    operating.abort();
    keeping.inspect(JoinHandle::abort);
    store.close().await;
    telling.abort();
    reaching.abort();
    if !pump.is_finished() {
        let _ = timeout(DRAIN_MAX, pump).await;
    }
    tracing::info!("stopped");
    outcome
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

/// Serves what the operator sees: everything that is counted, by whom it is counted. It goes on through a drain.
fn operate(
    socket: TcpListener,
    edge: &Arc<Edge>,
    door: &Door,
    tls: Option<&Tls>,
    files: usize,
) -> std::io::Result<JoinHandle<std::io::Result<()>>> {
    let mut metrics = Metrics::new();
    let registry = metrics.registry();
    edge.node.register(registry);
    edge.store.register(registry);
    edge.meters.register(registry);
    door.register(registry);
    if let Some(tls) = tls {
        tls.register(registry);
    }
    let (metrics, own_door) = (Arc::new(metrics), Door::of_operator(files));
    let app = own_door.tickets(http::operator(Arc::clone(edge), move || metrics.render()));
    serve_on(socket, own_door, Handle::new(), app, &edge.config)
}

/// Serves on a listener, behind whatever lets its connections in.
fn serve_on<A>(
    listener: TcpListener,
    acceptor: A,
    handle: Handle<SocketAddr>,
    app: Tickets<Router>,
    config: &Config,
) -> std::io::Result<JoinHandle<std::io::Result<()>>>
where
    A: Accept<TcpStream, Ticketed<Router>> + Clone + Send + Sync + 'static,
    A::Stream: AsyncRead + AsyncWrite + Unpin + Send,
    A::Service: SendService<Request<Incoming>> + Send,
    A::Future: Send,
{
    let head_time_max = Duration::from_secs(config.limits.request_seconds_max);
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(acceptor)
        .handle(handle)
        .first_request_timeout(head_time_max)
        .accept_error_handler(|address, error| {
            match address {
                // Whoever came in is not let in, or has gone: theirs to know.
                Some(address) => tracing::debug!(%address, %error, "a connection ended on its way in"),
                None => complain(error),
            }
        });
    let mut http = server.http_builder().http1();
    http.timer(TokioTimer::new()).header_read_timeout(head_time_max).max_buf_size(HTTP_BUFFER_BYTES);
    Ok(tokio::spawn(server.serve(app)))
}

/// Says that connections cannot be accepted. It is tried twenty times a second, and told every ten seconds.
fn complain(error: &std::io::Error) {
    static TOLD: Mutex<Option<Instant>> = Mutex::new(None);
    let mut told = TOLD.lock();
    if told.is_none_or(|told| told.elapsed() > COMPLAINT) {
        *told = Some(Instant::now());
        tracing::error!(%error, "no connection can be accepted; see the limit of open files (LimitNOFILE=, ulimit -n)");
    }
}

/// The same for the redirect, if there is to be one.
fn redirect_listener(handed: Option<TcpListener>, config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let key = "tls.redirect_listen";
    match (handed, config.tls.redirect_listen) {
        (None, None) => Ok(None),
        (None, Some(address)) => ops::listen(address, key).map(Some),
        (Some(handed), address) => listener(Some(handed), address.unwrap_or(config.listen), key).map(Some),
    }
}

/// The socket that was handed over, or a new one where the key says.
fn listener(handed: Option<TcpListener>, address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let Some(listener) = handed else { return ops::listen(address, key) };
    let local = listener.local_addr()?;
    tracing::info!(address = %local, "listening on a socket that was handed over (LISTEN_FDS), in place of the key {key}");
    Ok(listener)
}

/// Says on stdout that it is ready, and on the first start how to make the administrator's account. The line on
/// stdout is for scripts; it stays the first.
fn announce(config: &Config, address: SocketAddr, setup_key: Option<&str>) -> anyhow::Result<()> {
    let url = base_url(config, address);
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "ready {url}").and_then(|()| stdout.flush()).context("cannot write to stdout")?;
    drop(stdout);
    match &config.redis.url {
        Some(redis) => tracing::info!(%url, %redis, "serving"),
        None => tracing::info!(%url, data = %config.data.display(), "serving"),
    }
    if let Some(key) = setup_key {
        // Not by the log: its level could hide it, and a journal would keep the key.
        let text = format!(
            "There is no administrator yet. Open this link once, or run `sarangbang setup`:\n  {}/setup?key={key}\n",
            reachable_url(config, address)
        );
        std::io::stderr().write_all(text.as_bytes()).context("cannot write to stderr")?;
    }
    Ok(())
}

/// Where the service is: by its name where it has one.
fn base_url(config: &Config, address: SocketAddr) -> String {
    let scheme = if config.is_https() { "https" } else { "http" };
    match (config.domain.first(), public_port(config, address)) {
        (Some(name), 443) if config.is_https() => format!("{scheme}://{name}"),
        (Some(name), port) if config.is_https() => format!("{scheme}://{name}:{port}"),
        _ => format!("{scheme}://{address}"),
    }
}

/// Where people come by HTTPS: behind a router or a container's port it is not where this process listens.
fn public_port(config: &Config, address: SocketAddr) -> u16 {
    if config.tls.public_port == 0 { address.port() } else { config.tls.public_port }
}

/// The same as a link that opens on this computer.
fn reachable_url(config: &Config, address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        base_url(config, address).replace(&address.ip().to_string(), "localhost").replace("[localhost]", "localhost")
    } else {
        base_url(config, address)
    }
}

async fn sweep(edge: Arc<Edge>) {
    let mut ticks = interval(SWEEP);
    loop {
        ticks.tick().await;
        edge.limiter.sweep();
    }
}

/// The signals that are listened to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one to stop. On SIGHUP the certificate is looked at again.
    async fn stop(&mut self, tls: Option<&Tls>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => match tls {
                    Some(tls) => tls.reload(),
                    None => tracing::info!("SIGHUP: without HTTPS there is nothing to read again"),
                },
            }
        }
    }
}

/// Ends every connection with 1012, spread over a moment, and waits until they are gone.
async fn drain(edge: &Edge, handle: &Handle<SocketAddr>) {
    edge.draining.store(true, Ordering::Release);
    handle.graceful_shutdown(Some(DRAIN_SPREAD + DRAIN_MAX));
    let open = edge.node.connections.all();
    let (pause, mut left) = (DRAIN_SPREAD / u32::try_from(open.len().max(1)).unwrap_or(u32::MAX), open.len());
    let mut owed = Duration::ZERO;
    for connection in open {
        connection.end(Closing::Draining);
        left -= 1;
        // A timer has a millisecond's grain: many connections share one pause. Nobody waits behind the last.
        owed += pause;
        if owed >= Duration::from_millis(10) && left > 0 {
            sleep(owed).await;
            owed = Duration::ZERO;
        }
    }
    let empty = async {
        while !edge.node.connections.is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    if timeout(DRAIN_MAX, empty).await.is_err() {
        tracing::warn!(left = edge.node.connections.len(), "some connections did not end in time");
    }
}
