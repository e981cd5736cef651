//! A look for damage in the file.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rusqlite::ErrorCode;

use super::Sqlite;
use super::reader::Lane;
use crate::store::{Examined, Result};

/// How long it may take. A file of a gigabyte is read in less from a disk that is not busy.
const TIME_MAX: Duration = Duration::from_secs(5);
/// What is told of what was found: the rest would say the same.
const FOUND_MAX: u32 = 5;

impl Sqlite {
    /// See [`crate::store::Store::examine`].
    pub async fn examine(&self) -> Result<Examined> {
        self.examine_for(TIME_MAX).await
    }

    async fn examine_for(&self, time_max: Duration) -> Result<Examined> {
        self.read_with(Lane::Page, move |file| {
            let (interrupt, (done, wait)) = (file.get_interrupt_handle(), channel::<()>());
            let clock = std::thread::spawn(move || {
                if wait.recv_timeout(time_max) == Err(RecvTimeoutError::Timeout) {
                    interrupt.interrupt();
                }
            });
            let found: rusqlite::Result<Vec<String>> = file
                .prepare(&format!("PRAGMA quick_check({FOUND_MAX})"))
                .and_then(|mut look| look.query_map([], |row| row.get(0))?.collect());
            drop(done);
            // Joined, so that the next who reads on this connection is not interrupted.
            let _ = clock.join();
            match found {
                Ok(lines) if lines == ["ok"] => Ok(Examined::Sound),
                Ok(lines) => Ok(Examined::Damaged(lines)),
                Err(e) if e.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(Examined::Unfinished),
                Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                    Ok(Examined::Damaged(vec![e.to_string()]))
                }
                Err(e) => Err(e.into()),
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Locale;
    use crate::store::Mode;
    use crate::store::Secret;
    use crate::store::sqlite::Settings;

    #[tokio::test]
    async fn a_file_is_sound_until_it_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let open = |mode| {
            let settings = Settings {
                locale: Locale::Ko,
                durable: false,
                keep_entries: None,
                keep_days: None,
                queue_max: 10,
                rooms_max: 1_000,
            };
            Sqlite::open(folder.path(), mode, settings).unwrap()
        };
        let store = open(Mode::Admin);
        for number in 0..20 {
            store.keep(number.to_string(), Secret::new(vec![0x77; 1_000])).await.unwrap();
        }
        assert_eq!(store.examine().await.unwrap(), Examined::Sound);
        store.close().await;
        let path = folder.path().join("sarangbang.db");
        let mut bytes = std::fs::read(&path).unwrap();
        // The pages of one table alone, so that it opens.
        for page in bytes.chunks_mut(4096).filter(|page| page.windows(100).any(|part| part == [0x77; 100])) {
            page[..64].fill(0x5a);
        }
        std::fs::write(&path, bytes).unwrap();
        let store = open(Mode::Look);
        assert!(matches!(store.examine().await.unwrap(), Examined::Damaged(_)));
        store.close().await;
    }
}
