//! The sessions over HTTP requests, by their names.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::sleep;

use super::pipe::{Pipe, Side};
use crate::http::Edge;
use crate::http::error::Problem;
use crate::http::socket::{self, Place};
use crate::meter::Held;

/// The register. A session stands in it for as long as somebody may ask for it, and holds a place of a socket as long.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<Box<str>, Arc<Pipe>>>);

impl Sessions {
    /// The session of that name.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Pipe>> {
        self.0.lock().get(name).cloned()
    }

    /// A new session, for which everything holds that holds for a new WebSocket. If somebody opens one of that name
    /// at the same moment, there is one.
    pub(super) fn open(
        edge: &Arc<Edge>,
        name: &str,
        transport: &'static str,
        from: IpAddr,
    ) -> Result<Arc<Pipe>, Problem> {
        let place = socket::admit(edge, from)?;
        let limits = &edge.config.limits;
        let pipe = match edge.sessions.0.lock().entry(name.into()) {
            Entry::Occupied(theirs) => return Ok(Arc::clone(theirs.get())),
            Entry::Vacant(free) => {
                let pipe = Pipe::new(limits.sockjs_queue_bytes_max, limits.sockjs_request_bytes_max);
                Arc::clone(free.insert(pipe))
            }
        };
        let entry = Listed { edge: Arc::clone(edge), name: name.into(), _place: place };
        let counted = edge.meters.sockjs(transport);
        tokio::spawn(live(entry, Arc::clone(&pipe), counted));
        Ok(pipe)
    }
}

/// A session's place in the register, given up when dropped, however the session ended.
struct Listed {
    edge: Arc<Edge>,
    name: Box<str>,
    _place: Place,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.edge.sessions.0.lock().remove(&self.name);
    }
}

/// A session from its first request on. What became of it is told for a moment to who asks.
async fn live(entry: Listed, pipe: Arc<Pipe>, counted: Held) {
    let delay = Duration::from_secs(entry.edge.config.sockjs.disconnect_seconds.into());
    let side = Box::new(Side(Arc::clone(&pipe)));
    tokio::select! {
        () = socket::run(Arc::clone(&entry.edge), side, false) => {}
        never = pipe.watch(delay) => match never {},
    }
    drop(counted);
    if pipe.finish() {
        sleep(delay).await;
    }
    drop(entry);
}
