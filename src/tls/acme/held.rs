//! The certificate that this node has, beside the one that is kept in the store.
//!
//! Invariants: an older certificate never takes the place of a newer one, neither here nor in the store; what is kept
//! is replaced only by who has read it.

use super::Setback;
use super::kept::{Kept, PLACE};
use super::settings::Settings;
use crate::store::{Secret, Store, StoreError};
use crate::tls::Pair;

/// What is held here, and what is known of the store's.
pub(super) struct Held {
    store: Store,
    kept: Option<Kept>,
    /// What stands in the store as far as is known here.
    written: Option<Secret>,
    /// Whether ours is still to be kept.
    is_owed: bool,
}

impl Held {
    /// Nothing yet.
    pub(super) fn new(store: &Store) -> Self {
        Self { store: store.clone(), kept: None, written: None, is_owed: false }
    }

    /// The certificate, as it is kept.
    pub(super) fn kept(&self) -> Option<&Kept> {
        self.kept.as_ref()
    }

    /// What it was read as.
    pub(super) fn pair(&self) -> Option<&Pair> {
        self.kept.as_ref().map(|kept| &kept.pair)
    }

    /// Looks into the store. True where what is kept there has taken the place of what was held. A store that has lost
    /// it is owed ours.
    pub(super) async fn refresh(&mut self, settings: &Settings) -> Result<bool, StoreError> {
        let written = self.store.kept(PLACE).await?;
        if written.is_none() {
            self.is_owed = self.kept.is_some();
        } else if written == self.written {
            return Ok(false);
        }
        self.written = written;
        let Some(stored) = self.written.as_ref().and_then(|kept| Kept::read(kept, settings)) else { return Ok(false) };
        if self.kept.as_ref().is_some_and(|held| !stored.is_preferred_to(held, settings)) {
            return Ok(false);
        }
        (self.kept, self.is_owed) = (Some(stored), false);
        Ok(true)
    }

    /// Holds a new one, which is to be kept.
    pub(super) fn replace(&mut self, kept: Kept) {
        (self.kept, self.is_owed) = (Some(kept), true);
    }

    /// Keeps what is held, where that is owed.
    ///
    /// # Errors
    /// [`Setback::Lost`] where another one was kept since the last look; it stays.
    pub(super) async fn keep(&mut self) -> Result<(), Setback> {
        let Some(kept) = self.kept.as_ref().filter(|_| self.is_owed) else { return Ok(()) };
        let written = kept.written()?;
        if !self.store.keep_over(PLACE, self.written.as_ref(), written.clone()).await? {
            return Err(Setback::Lost);
        }
        (self.written, self.is_owed) = (Some(written), false);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use time::{Duration, OffsetDateTime};

    use super::*;
    use crate::config::Config;
    use crate::tls::tests::store;

    fn settings(directory: &str) -> Settings {
        let mut config = Config { domain: vec!["a.example".into()], ..Config::default() };
        config.acme.directory = directory.into();
        Settings::of(&config, true)
    }

    /// A certificate that is valid from this day of the epoch on.
    fn of_day(day: i64, settings: &Settings) -> Kept {
        let key = KeyPair::generate().unwrap();
        let mut wanted = CertificateParams::new(settings.names.clone()).unwrap();
        wanted.not_before = OffsetDateTime::UNIX_EPOCH + Duration::days(day);
        wanted.not_after = wanted.not_before + Duration::days(90);
        let (chain, key) = (wanted.self_signed(&key).unwrap().pem(), key.serialize_pem());
        let pair = Pair::parse(chain.as_bytes(), key.as_bytes()).unwrap();
        Kept::new(chain, key, pair, settings)
    }

    fn print(held: &Held) -> [u8; 32] {
        held.pair().unwrap().fingerprint()
    }

    #[tokio::test]
    async fn who_was_stopped_puts_no_older_certificate_in_the_place_of_a_newer() {
        let folder = tempfile::tempdir().unwrap();
        let (store, settings) = (store(folder.path()), settings("https://ca.example/dir"));
        let (mut stopped, mut other) = (Held::new(&store), Held::new(&store));
        assert!(!stopped.refresh(&settings).await.unwrap() && !other.refresh(&settings).await.unwrap());
        stopped.replace(of_day(1, &settings));
        other.replace(of_day(2, &settings));
        other.keep().await.unwrap();
        // It wakes up with the certificate that it got before.
        assert!(matches!(stopped.keep().await, Err(Setback::Lost)));
        assert!(stopped.refresh(&settings).await.unwrap(), "it takes up the newer one");
        stopped.keep().await.unwrap();
        assert!(!other.refresh(&settings).await.unwrap());
        assert_eq!(print(&stopped), print(&other));
    }

    #[tokio::test]
    async fn a_store_that_has_lost_the_certificate_gets_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let (store, settings) = (store(folder.path()), settings("https://ca.example/dir"));
        let mut held = Held::new(&store);
        held.replace(of_day(1, &settings));
        held.keep().await.unwrap();
        store.forget(PLACE).await.unwrap();
        assert!(!held.refresh(&settings).await.unwrap());
        held.keep().await.unwrap();
        assert!(store.kept(PLACE).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn nodes_that_ask_different_authorities_do_not_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let (here, there) = (settings("https://ca.example/dir"), settings("https://other.example/dir"));
        let (mut one, mut other) = (Held::new(&store), Held::new(&store));
        one.replace(of_day(1, &here));
        one.keep().await.unwrap();
        other.refresh(&there).await.unwrap();
        assert!(other.kept().unwrap().unfit(&there).is_some(), "better than none, and another one is wanted");
        other.replace(of_day(2, &there));
        other.keep().await.unwrap();
        assert!(!one.refresh(&here).await.unwrap() && one.kept().unwrap().unfit(&here).is_none());
        one.keep().await.unwrap();
        assert!(!other.refresh(&there).await.unwrap(), "nor is it written over");
    }
}
