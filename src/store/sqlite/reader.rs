//! A few connections that only read, so that history never waits for the writer nor the writer for history.
//!
//! Invariant: whoever holds a permit has a connection, and each piece of work sees one state of the file.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connection;
use super::fault::{Attempt, Fault, stopped};
use crate::store::Result;

/// Connections, and so reads at the same time. Reads are short; more would only fight for the disk.
const READERS: u32 = 3;

/// The reading side.
pub(super) struct Readers {
    database: PathBuf,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    /// Opens nothing yet: a connection is made when it is first needed.
    pub(super) fn new(database: PathBuf) -> Self {
        Self { database, permits: Arc::new(Semaphore::new(READERS as usize)), idle: Arc::default() }
    }

    /// Does some reading where it may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Attempt<T> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| stopped())?;
        let (idle, database) = (Arc::clone(&self.idle), self.database.clone());
        let answer = tokio::task::spawn_blocking(move || {
            // Given back after the connection: declared first, dropped last.
            let _permit = permit;
            let kept = idle.lock().pop();
            let file = match kept {
                Some(file) => file,
                None => connection::reader(&database)?,
            };
            let answer = file.unchecked_transaction().map_err(Fault::from).and_then(|snapshot| work(&snapshot));
            idle.lock().push(file);
            answer
        });
        Ok(answer.await.map_err(|_| stopped())??)
    }

    /// Waits for the reads that go on, and lets no other begin.
    pub(super) async fn close(&self) {
        let all = self.permits.acquire_many(READERS).await;
        self.permits.close();
        drop(all);
        self.idle.lock().clear();
    }
}
