//! The connection to hear by: how it is made, and when it is given up.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use redis::PushInfo;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{Ear, PUSHES_AT_ONCE, TICK};
use crate::chat::History;
use crate::store::redis::wire::{Ends, Wire};

/// Channels that one command subscribes to.
const CHANNELS_AT_ONCE: usize = 500;

/// A connection to hear by.
pub(super) struct Line {
    pub(super) wire: Wire,
    pub(super) pushes: mpsc::UnboundedReceiver<PushInfo>,
    /// What it consists of, once everything is listened to by it.
    pub(super) ends: Ends,
    /// The era in which it was begun.
    pub(super) era: u64,
}

pub(super) type Connecting = BoxFuture<'static, redis::RedisResult<Line>>;

impl Ear {
    pub(super) fn hang_up(&mut self) {
        if self.line.take().is_some() {
            self.connect(Duration::ZERO);
            // Where this broke, the other connection did as well, mostly: who is asked finds out.
            let hall = Arc::clone(&self.hall);
            tokio::spawn(async move { hall.link.read::<()>(redis::pipe().cmd("PING").ignore()).await });
        }
    }

    pub(super) fn connect(&mut self, pause: Duration) {
        let hall = Arc::clone(&self.hall);
        self.connecting = Some(Box::pin(async move {
            sleep(pause).await;
            let era = hall.era();
            let (sender, pushes) = mpsc::unbounded_channel();
            let wire = hall.link.connect(Some(sender)).await?;
            Ok(Line { wire, pushes, ends: Ends::default(), era })
        }));
    }

    /// There is a connection again: everything is listened to by it, and what was missed is read.
    pub(super) async fn connected(&mut self, line: redis::RedisResult<Line>) {
        self.connecting = None;
        let Ok(mut line) = line else { return self.connect(TICK) };
        let keys = self.hall.link.keys();
        let mut channels = vec![keys.of_all("changed")];
        channels.extend(self.follows.then(|| keys.of_all("activity")));
        channels.extend(self.rooms.keys().map(|room| keys.of_room(*room).news));
        let Ok(before) = line.wire.ends().await else { return self.connect(TICK) };
        for some in channels.chunks(CHANNELS_AT_ONCE) {
            if line.wire.subscribe(some).await.is_err() {
                return self.connect(TICK);
            }
        }
        match line.wire.ends().await {
            Ok(ends) if ends.are_those_of(&before) && ends.hear(channels.len()) => line.ends = ends,
            _ => return self.connect(TICK),
        }
        self.connections += 1;
        self.era = line.era;
        self.hall.heard.connections.inc();
        if line.wire.is_cluster() && self.connections > 1 {
            // A server of it has begun anew, perhaps, and lost leases: no other connection tells.
            self.hall.owner.doubt();
        }
        for (room, heard) in &mut self.rooms {
            heard.is_heard(self.connections);
            if heard.next.is_some() && heard.history == History::On {
                self.behind.insert(*room);
            }
        }
        self.changes_hinted = true;
        self.line = Some(line);
    }
}

/// The next messages; none ever where there is no connection. 0 is the connection's end.
pub(super) async fn heard(line: &mut Option<Line>, pushes: &mut Vec<PushInfo>) -> usize {
    match line {
        Some(line) => line.pushes.recv_many(pushes, PUSHES_AT_ONCE).await,
        None => std::future::pending().await,
    }
}

pub(super) async fn made(connecting: &mut Option<Connecting>) -> redis::RedisResult<Line> {
    match connecting {
        Some(connecting) => connecting.await,
        None => std::future::pending().await,
    }
}
