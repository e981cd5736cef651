//! The listeners: their sockets, the gate in front of them, and what is served behind.
//!
//! A handover closes the gate: nobody is accepted then, and whoever comes waits in the socket's queue, which the next
//! process has as well, or this one when the gate is opened again. So nobody is refused.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::Request;
use axum_server::accept::Accept;
use axum_server::service::SendService;
use axum_server::{AddrListener, Address, Handle, Server};
use hyper::body::Incoming;
use hyper_util::rt::TokioTimer;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::http::{self, Door, Edge, Ticketed, Tickets};
use crate::ops::{self, Handed, Metrics};
use crate::store::backup;
use crate::tls::Tls;

/// Bytes of an answer that goes on which wait for the client to read them, and most bytes of a request's head.
const HTTP_BUFFER_BYTES: usize = 64 * 1024;
/// How often it is told that no connection can be accepted.
const COMPLAINT: Duration = Duration::from_secs(10);

/// The sockets that are listened on, and their gate.
pub(super) struct Sockets {
    main: TcpListener,
    redirect: Option<TcpListener>,
    operator: Option<TcpListener>,
    is_open: watch::Sender<bool>,
}

impl Sockets {
    /// Those that were handed over, and new ones where the configuration wants more. Needs a tokio runtime.
    ///
    /// # Errors
    /// When an address cannot be had; the message says what to do.
    pub(super) fn open(handed: Handed, config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            main: listener(handed.main, config.listen, "listen")?,
            redirect: if config.is_https() { redirect_listener(handed.redirect, config)? } else { None },
            operator: ops::listen_for_operator(config, handed.operator)?,
            is_open: watch::Sender::new(true),
        })
    }

    /// Where the service is served.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.main.local_addr()
    }

    /// All of them by what they are for, to be handed over.
    pub(super) fn by_name(&self) -> Vec<(&'static str, &TcpListener)> {
        let named =
            [("main", Some(&self.main)), ("redirect", self.redirect.as_ref()), ("operator", self.operator.as_ref())];
        named.into_iter().filter_map(|(name, socket)| Some((name, socket?))).collect()
    }

    /// Lets nobody in, or everybody again.
    pub(super) fn let_in(&self, is_open: bool) {
        self.is_open.send_replace(is_open);
    }

    /// The service's socket, to be served on.
    pub(super) fn main(&self) -> io::Result<Gated> {
        self.gated(&self.main)
    }

    /// The redirect's, if there is one.
    pub(super) fn redirect(&self) -> io::Result<Option<Gated>> {
        self.redirect.as_ref().map(|socket| self.gated(socket)).transpose()
    }

    /// The operator's, if there is one.
    pub(super) fn operator(&self) -> io::Result<Option<Gated>> {
        self.operator.as_ref().map(|socket| self.gated(socket)).transpose()
    }

    fn gated(&self, socket: &TcpListener) -> io::Result<Gated> {
        let socket = socket.try_clone()?;
        socket.set_nonblocking(true)?;
        Ok(Gated { listener: tokio::net::TcpListener::from_std(socket)?, is_open: self.is_open.subscribe() })
    }
}

/// The socket that was handed over, or a new one where the key says.
fn listener(handed: Option<TcpListener>, address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let Some(listener) = handed else { return ops::listen(address, key) };
    let local = listener.local_addr()?;
    tracing::info!(address = %local, "listening on a socket that was handed over, in place of the key {key}");
    Ok(listener)
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

/// A listener behind the gate.
pub(super) struct Gated {
    listener: tokio::net::TcpListener,
    is_open: watch::Receiver<bool>,
}

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub(super) struct Caller(SocketAddr);

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Address for Caller {
    type Stream = TcpStream;
    type Listener = Gated;
}

impl AddrListener<TcpStream, Caller> for Gated {
    async fn bind_to(address: Caller) -> io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(address.0).await?;
        Ok(Self { listener, is_open: watch::Sender::new(true).subscribe() })
    }

    async fn accept_stream(&self) -> io::Result<(TcpStream, Caller)> {
        let mut is_open = self.is_open.clone();
        loop {
            if is_open.wait_for(|is_open| *is_open).await.is_err() {
                // The process ends.
                return std::future::pending().await;
            }
            tokio::select! {
                biased;
                _ = is_open.wait_for(|is_open| !is_open) => {}
                accepted = self.listener.accept() => {
                    return accepted.map(|(stream, address)| (stream, Caller(address)));
                }
            }
        }
    }

    fn get_local_addr(&self) -> io::Result<Caller> {
        self.listener.local_addr().map(Caller)
    }
}

/// Serves what the operator sees: everything that is counted, by whom it is counted. It goes on through a drain.
pub(super) fn operate(
    socket: Gated,
    edge: &Arc<Edge>,
    door: &Door,
    tls: Option<&Tls>,
    files: usize,
) -> JoinHandle<io::Result<()>> {
    let mut metrics = Metrics::new();
    let registry = metrics.registry();
    edge.node.register(registry);
    edge.store.register(registry);
    backup::register(registry, &edge.config.data);
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
pub(super) fn serve_on<A>(
    listener: Gated,
    acceptor: A,
    handle: Handle<Caller>,
    app: Tickets<Router>,
    config: &Config,
) -> JoinHandle<io::Result<()>>
where
    A: Accept<TcpStream, Ticketed<Router>> + Clone + Send + Sync + 'static,
    A::Stream: AsyncRead + AsyncWrite + Unpin + Send,
    A::Service: SendService<Request<Incoming>> + Send,
    A::Future: Send,
{
    let head_time_max = Duration::from_secs(config.limits.request_seconds_max);
    let mut server = Server::from_listener(listener)
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
    tokio::spawn(server.serve(app))
}

/// Says that connections cannot be accepted. It is tried twenty times a second, and told every ten seconds.
fn complain(error: &io::Error) {
    static TOLD: Mutex<Option<Instant>> = Mutex::new(None);
    let mut told = TOLD.lock();
    if told.is_none_or(|told| told.elapsed() > COMPLAINT) {
        *told = Some(Instant::now());
        tracing::error!(%error, "no connection can be accepted; see the limit of open files (LimitNOFILE=, ulimit -n)");
    }
}
