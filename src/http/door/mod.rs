//! The way in for TCP: who is let in, who makes room for others, and how sockets are set.
//!
//! A connection that has come in, one whole request, is a promise, and is kept whatever happens at the door. One that
//! has only been opened is none: where there are too many of them, the oldest goes.

mod arrivals;
mod proxy;
mod stream;
mod tickets;

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum_server::accept::Accept;
use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::time::timeout;

use self::arrivals::{Arrivals, Full};
pub(in crate::http) use self::stream::Admitted;
use self::stream::Entering;
pub use self::tickets::{Ticketed, Tickets};
use super::meters::{DoorMeters, Doors};
use super::peer::{Arrival, is_trusted};
use crate::chat::Limits;
use crate::config::Config;
use crate::meter::{Held, Registry};

/// Lets connections in, as many as the limits allow. Clones count together.
#[derive(Clone)]
pub struct Door {
    arrivals: Arc<Arrivals>,
    config: Arc<Config>,
    https: bool,
    doors: Doors,
    meters: DoorMeters,
}

impl Door {
    /// With the limits of the configuration, and so many files that may be open; `https` says whether a TLS handshake
    /// comes next.
    pub fn new(config: &Arc<Config>, files: usize, https: bool) -> Self {
        let (arrivals, doors) = (Arc::new(Arrivals::new(&config.limits, files)), Doors::new());
        Self { arrivals, config: Arc::clone(config), https, meters: doors.by(https), doors }
    }

    /// One for the few who read what the operator sees. It counts for itself: they come in when nobody else does, and
    /// believes no proxy.
    pub fn of_operator(files: usize) -> Self {
        let limits = Limits { connections_max: 0, connections_per_address_max: 0, ..Limits::default() };
        Self::new(&Arc::new(Config { limits, ..Config::default() }), files, false)
    }

    /// Names what is counted here.
    pub fn register(&self, registry: &mut Registry) {
        self.doors.register(registry);
    }

    /// What is served behind this door: each connection gets its number when it is accepted.
    pub fn tickets<S>(&self, app: S) -> Tickets<S> {
        Tickets::new(app, Arc::clone(&self.arrivals))
    }

    /// A door for plain HTTP beside this one, with which it counts together.
    pub fn beside(&self) -> Self {
        Self { https: false, meters: self.doors.by(false), ..self.clone() }
    }
}

impl<S: Send + 'static> Accept<TcpStream, Ticketed<S>> for Door {
    type Stream = Admitted;
    type Service = Entering<S>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Admitted, Entering<S>)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: Ticketed<S>) -> Self::Future {
        let door = self.clone();
        Box::pin(async move { door.admit(stream, service).await })
    }
}

impl Door {
    async fn admit<S>(&self, stream: TcpStream, service: Ticketed<S>) -> io::Result<(Admitted, Entering<S>)> {
        // Frames are small and somebody waits for them: Nagle's algorithm would hold them back.
        stream.set_nodelay(true)?;
        let mut address = stream.peer_addr()?.ip().to_canonical();
        let is_proxy = self.is_proxy(address);
        let (seat, made_room) = self
            .arrivals
            .arrive(service.number, (!is_proxy).then_some(address))
            .map_err(|full| self.refused(address, full))?;
        tell(address, made_room);
        self.meters.accepted.inc();
        let mut admitted = Admitted::new(stream, seat, Held::of(&self.meters.open));
        if is_proxy
            && self.config.proxy_protocol
            && let Some(client) = self.client_of(address, &mut admitted).await?
        {
            address = client.to_canonical();
            // A proxy behind a proxy speaks for many, too.
            if !self.is_proxy(address) {
                let made_room = admitted.seat.belong_to(address).map_err(|full| self.refused(address, full))?;
                tell(address, made_room);
            }
        }
        let arrival = Arrival { address, https: self.https };
        let entering =
            Entering::new(service.inner, arrival, Arc::clone(&self.arrivals), Arc::clone(admitted.seat.gate()));
        Ok((admitted, entering))
    }

    /// Whom a proxy speaks for; what comes after its header stays ahead of the stream.
    async fn client_of(&self, proxy: IpAddr, admitted: &mut Admitted) -> io::Result<Option<IpAddr>> {
        let time_max = Duration::from_secs(self.config.limits.handshake_seconds_max);
        let mut ahead = BytesMut::new();
        let read = match timeout(time_max, proxy::client(admitted, &mut ahead)).await {
            Ok(read) => read,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no whole PROXY header in time")),
        };
        if !ahead.is_empty() {
            admitted.put_back(ahead.freeze());
        }
        read.inspect_err(|error| tracing::debug!(%proxy, %error, "closed a proxy's connection"))
    }

    fn refused(&self, address: IpAddr, limit: Full) -> io::Error {
        self.meters.refused.inc();
        tracing::debug!(%address, limit, "refused a connection: everybody who could make room has come in");
        io::Error::other(limit)
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        is_trusted(address, &self.config.trusted_proxies)
    }
}

fn tell(address: IpAddr, made_room: bool) {
    if made_room {
        tracing::debug!(%address, "closed the oldest connection on its way in, to make room for this one");
    }
}
