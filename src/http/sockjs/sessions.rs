//! The sessions over HTTP requests, by their names, and whose they are where there are several nodes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::frames::Frame;
use super::pipe::{Pipe, Side};
use super::relayed::Receivers;
use super::relayed::far::{Far, Relayed, Trouble};
use super::stream::Source;
use crate::auth::sha256;
use crate::http::Edge;
use crate::http::error::Problem;
use crate::http::socket::{self, Place};
use crate::meter::Held;
use crate::store::{Hold, Holder, Peer, Relay};

/// Between two looks at a name whose session is about to begin or to be forgotten at another node.
const AGAIN: Duration = Duration::from_millis(50);
/// For how long that may be so.
const BETWEEN_MAX: Duration = Duration::from_secs(5);

/// The register. A session stands in it for as long as somebody may ask for it, and holds a place of a socket as long.
#[derive(Default)]
pub struct Sessions {
    all: Mutex<HashMap<Box<str>, Arc<Pipe>>>,
    /// Receivers at other nodes.
    pub(super) receivers: Receivers,
    /// What is asked of other nodes.
    pub(super) relayed: Relayed,
}

/// Where a session is.
pub(super) enum Whose {
    /// At this node.
    Here(Arc<Pipe>),
    /// At another one.
    There(Relay, Peer),
}

impl Sessions {
    /// The session of that name, if it is this node's.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Pipe>> {
        self.all.lock().get(name).cloned()
    }
}

/// The session of that name, wherever it is.
///
/// # Errors
/// A problem while other nodes' sessions cannot be known.
pub(super) async fn find(edge: &Edge, name: &str) -> Result<Option<Whose>, Problem> {
    if let Some(pipe) = edge.sessions.find(name) {
        return Ok(Some(Whose::Here(pipe)));
    }
    let Some(relay) = &edge.relay else { return Ok(None) };
    let holder = relay.holder(&sha256(name)).await?.filter(|holder| *holder != relay.here());
    Ok(holder.map(|holder| Whose::There(relay.clone(), holder)))
}

/// The right to receive from the session of that name, which begins if there is none; or why not. Where one frame is all,
/// it comes within this time.
///
/// # Errors
/// A problem where nothing can begin, or the owner cannot be asked.
pub(super) async fn receive(
    edge: &Arc<Edge>,
    name: &str,
    transport: &'static str,
    from: IpAddr,
    one_within: Option<Duration>,
) -> Result<Result<Source, Frame>, Problem> {
    let began = Instant::now();
    let mut gone = None;
    loop {
        let (relay, owner) = match open(edge, name, transport, from, gone.take()).await? {
            Whose::Here(pipe) => return Ok(pipe.receive().map(Source::Here)),
            Whose::There(relay, owner) => (relay, owner),
        };
        match Far::begin(edge, &relay, &owner, name, one_within).await {
            Ok(far) => return Ok(Ok(Source::There(far))),
            Err(Trouble::Unknown) if began.elapsed() < BETWEEN_MAX => sleep(AGAIN).await,
            Err(Trouble::Gone) => gone = Some(owner),
            Err(trouble) => return Err(trouble.problem()),
        }
    }
}

/// The session of that name, or a new one, for which everything holds that holds for a new WebSocket. If somebody opens one
/// of that name at the same moment, here or at another node, there is one.
async fn open(
    edge: &Arc<Edge>,
    name: &str,
    transport: &'static str,
    from: IpAddr,
    gone: Option<Peer>,
) -> Result<Whose, Problem> {
    if let Some(whose) = find(edge, name).await? {
        match &whose {
            Whose::There(_, owner) if Some(owner) == gone.as_ref() => {}
            _ => return Ok(whose),
        }
    }
    let place = socket::admit(edge, from)?;
    let held = match &edge.relay {
        None => None,
        Some(relay) => match relay.hold(&sha256(name), gone.as_ref()).await? {
            Holder::Here(hold) => Some(hold),
            Holder::There(owner) => return Ok(Whose::There(relay.clone(), owner)),
        },
    };
    let limits = &edge.config.limits;
    let pipe = match edge.sessions.all.lock().entry(name.into()) {
        Entry::Occupied(theirs) => return Ok(Whose::Here(Arc::clone(theirs.get()))),
        Entry::Vacant(free) => {
            let pipe = Pipe::new(limits.sockjs_queue_bytes_max, limits.sockjs_request_bytes_max);
            Arc::clone(free.insert(pipe))
        }
    };
    let entry = Listed { edge: Arc::clone(edge), name: name.into(), held, _place: place };
    let counted = edge.meters.sockjs(transport);
    tokio::spawn(live(entry, Arc::clone(&pipe), counted));
    Ok(Whose::Here(pipe))
}

/// A session's place in the register, given up when dropped, however the session ended.
struct Listed {
    edge: Arc<Edge>,
    name: Box<str>,
    /// Its name, held among all nodes.
    held: Option<Hold>,
    _place: Place,
}

impl Listed {
    /// Waits until another node has the name, as this one was away for too long.
    async fn lost(&self) {
        match &self.held {
            Some(held) => held.lost().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.edge.sessions.all.lock().remove(&self.name);
        self.edge.sessions.receivers.forget(&self.name);
    }
}

/// A session from its first request on. What became of it is told for a moment to who asks.
async fn live(entry: Listed, pipe: Arc<Pipe>, counted: Held) {
    let delay = Duration::from_secs(entry.edge.config.sockjs.disconnect_seconds.into());
    let side = Box::new(Side(Arc::clone(&pipe)));
    tokio::select! {
        () = socket::run(Arc::clone(&entry.edge), side, false) => {}
        () = entry.lost() => tracing::debug!("another node has the name of a SockJS session that was here"),
        never = pipe.watch(delay) => match never {},
    }
    drop(counted);
    if pipe.finish() {
        sleep(delay).await;
    }
    drop(entry);
}
