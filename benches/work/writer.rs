//! Messages through the store's writer, from the draft to the answer and the news.

use sarangbang::chat::{Draft, Name, RoomId};
use sarangbang::store::{Store, Tail, settled};
use tokio::runtime::Runtime;

use super::ground::{TEXT, store};

/// A store, and somebody who speaks.
pub struct Writer {
    runtime: Runtime,
    store: Store,
    tail: Tail,
    room: RoomId,
    name: Name,
    _folder: tempfile::TempDir,
}

impl Writer {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let room = runtime.block_on(store.create_room("room".parse().unwrap())).unwrap().id;
        let tail = store.tail().unwrap();
        Self { runtime, store, tail, room, name: "minji".parse().unwrap(), _folder: folder }
    }

    /// Says so many messages at once, and waits until all are answered and told.
    pub fn say(&mut self, count: usize) {
        let draft = Draft { room: self.room, sender: self.name.clone(), text: TEXT.into(), id: None };
        let pending: Vec<_> = (0..count).map(|_| self.store.append(draft.clone())).collect();
        self.runtime.block_on(async {
            for pending in pending {
                settled(pending).await.unwrap();
            }
            let mut told = 0;
            while told < count {
                told += self.tail.next().await.unwrap().len();
            }
        });
    }
}
