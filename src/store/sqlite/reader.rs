//! A few connections that only read, so that history never waits for the writer nor the writer for history.
//!
//! They stand in lanes, by who waits: whoever asks for long lists over HTTP, however often, waits for others who do,
//! and neither a delivery nor a sign-in waits with them.
//!
//! Invariant: whoever holds a permit has a connection, and each piece of work sees one state of the file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::connection;
use super::fault::{Attempt, Fault, stopped};
use crate::store::{Result, StoreError};

/// How long [`Readers::answer`] waits. Nobody stays at the door for more than a fraction of a millisecond, so if none
/// came through in this time, the disk stands still.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Who waits for a read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lane {
    /// This process itself: cursors that catch up, the list of rooms for its followers. Bounded portions.
    Node,
    /// Who somebody is, at sign-in, at CONNECT and with each request: one row by its key.
    Door,
    /// Everything else, which is whatever HTTP or the command line asks for: lists and pages.
    Page,
}

/// The reading side.
pub(super) struct Readers {
    node: Track,
    door: Track,
    page: Track,
}

impl Readers {
    /// Opens nothing yet: a connection is made when it is first needed.
    pub(super) fn new(database: PathBuf) -> Self {
        let database = Arc::new(database);
        // Reads are short, so a few are enough; each connection costs its pages. The rows of a door are few.
        let track = |connections, cache_kib| Track::new(Arc::clone(&database), connections, cache_kib);
        Self { node: track(2, 2 * 1024), door: track(1, 512), page: track(2, 2 * 1024) }
    }

    /// Does some reading where it may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&Connection) -> Attempt<T> + Send + 'static,
    ) -> Result<T> {
        let track = self.track(lane);
        track.read(track.permit().await?, work).await
    }

    /// Whether anything can be read, in a bounded time however many wait.
    pub(super) async fn answer(&self) -> Result<()> {
        let look = async {
            let mut tracks = [&self.node, &self.page, &self.door].into_iter();
            let (track, permit) = match tracks.find_map(|track| Some((track, track.free_permit()?))) {
                Some(free) => free,
                None => (&self.door, self.door.permit().await?),
            };
            track.read(permit, |file| Ok(file.query_row("SELECT count(*) FROM signing_key", [], |_| Ok(()))?)).await
        };
        let slow = |_| StoreError::Unavailable("nothing could be read for a second".into());
        timeout(ANSWER_MAX, look).await.map_err(slow)?
    }

    /// Waits for the reads that go on, and lets no other begin.
    pub(super) async fn close(&self) {
        for track in [&self.node, &self.door, &self.page] {
            track.close().await;
        }
    }

    const fn track(&self, lane: Lane) -> &Track {
        match lane {
            Lane::Node => &self.node,
            Lane::Door => &self.door,
            Lane::Page => &self.page,
        }
    }

    /// All of a lane, held until the permit is dropped.
    #[cfg(test)]
    pub(super) async fn hold(&self, lane: Lane) -> OwnedSemaphorePermit {
        let track = self.track(lane);
        Arc::clone(&track.permits).acquire_many_owned(track.connections).await.unwrap()
    }
}

/// The connections of one lane.
struct Track {
    database: Arc<PathBuf>,
    connections: u32,
    cache_kib: i64,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Track {
    fn new(database: Arc<PathBuf>, connections: u32, cache_kib: i64) -> Self {
        let permits = Arc::new(Semaphore::new(connections as usize));
        Self { database, connections, cache_kib, permits, idle: Arc::default() }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.map_err(|_| stopped())
    }

    fn free_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    async fn read<T: Send + 'static>(
        &self,
        permit: OwnedSemaphorePermit,
        work: impl FnOnce(&Connection) -> Attempt<T> + Send + 'static,
    ) -> Result<T> {
        let (idle, database, cache_kib) = (Arc::clone(&self.idle), Arc::clone(&self.database), self.cache_kib);
        let answer = tokio::task::spawn_blocking(move || {
            // Given back after the connection: declared first, dropped last.
            let _permit = permit;
            let kept = idle.lock().pop();
            let file = match kept {
                Some(file) => file,
                None => connection::reader(&database, cache_kib)?,
            };
            let answer = file.unchecked_transaction().map_err(Fault::from).and_then(|snapshot| work(&snapshot));
            idle.lock().push(file);
            answer
        });
        Ok(answer.await.map_err(|_| stopped())??)
    }

    async fn close(&self) {
        let all = self.permits.acquire_many(self.connections).await;
        self.permits.close();
        drop(all);
        self.idle.lock().clear();
    }
}
