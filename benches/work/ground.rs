//! What all of it stands on: words and a store.

use std::path::Path;

use sarangbang::chat::Locale;
use sarangbang::store::Mode;
use sarangbang::store::Store;
use sarangbang::store::sqlite::{Settings, Sqlite};

/// What is said: 200 bytes, as in the figures of docs/PERFORMANCE.md.
pub const TEXT: &str = "Nobody says anything that matters here, but it has about the length of what people say in a chat \
                        when they have a little more to tell than yes or no, and a few letters of another script: 사랑방 :-)";

const _: () = assert!(TEXT.len() == 200);

/// A store in a folder of its own that no power cut has to be survived in: a disk's pace is no part of what is measured.
pub fn store(folder: &Path) -> Store {
    let settings = Settings {
        locale: Locale::En,
        durable: false,
        keep_entries: None,
        keep_days: None,
        queue_max: 100_000,
        rooms_max: 10,
    };
    Store::Sqlite(Sqlite::open(folder, Mode::Serve, settings).unwrap())
}
