//! The plan as it is remembered: in the store, for the next process or node that goes on with it.
//!
//! Invariant: nobody writes over a plan that they have not read. A node that was stopped in the middle of an attempt
//! finds, at the next thing it has to write down, that others went on; it has lost its turn and begins anew.

use super::Setback;
use super::plan::Plan;
use super::settings::Settings;
use crate::store::{Secret, Store, StoreError};

/// The name that the plan is kept under.
pub(super) const PLAN: &str = "acme/plan";

/// What is remembered, and what of it is written down.
pub(super) struct Notes {
    store: Store,
    /// What stands in the store as far as is known here.
    written: Option<Secret>,
    /// Only on one host: what counts even where it could not be written.
    plan: Option<Plan>,
}

impl Notes {
    pub(super) fn new(store: &Store) -> Self {
        Self { store: store.clone(), written: None, plan: None }
    }

    /// The plan about what the configuration says. One that cannot be understood is begun anew.
    pub(super) async fn read(&mut self, settings: &Settings) -> Result<Plan, StoreError> {
        let plan = match self.plan.take().filter(|_| !self.store.is_shared()) {
            Some(plan) => plan,
            None => {
                self.written = self.store.kept(PLAN).await?;
                self.written.as_ref().and_then(|kept| serde_json::from_slice(kept.expose()).ok()).unwrap_or_default()
            }
        };
        let plan = plan.about(&settings.directory, &settings.names);
        self.plan = Some(plan.clone());
        Ok(plan)
    }

    /// Remembers a plan here, without writing it down.
    pub(super) fn hold(&mut self, plan: &Plan) {
        self.plan = Some(plan.clone());
    }

    /// Remembers a plan, here whatever happens and in the store.
    ///
    /// # Errors
    /// As [`Notes::write`].
    pub(super) async fn remember(&mut self, plan: &mut Plan) -> Result<(), Setback> {
        self.hold(plan);
        self.write(plan).await
    }

    /// Writes a plan down in the place of the one that was read.
    ///
    /// # Errors
    /// [`Setback::Lost`] where others have written since.
    pub(super) async fn write(&mut self, plan: &mut Plan) -> Result<(), Setback> {
        plan.turn();
        let json = serde_json::to_vec(plan).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let json = Secret::new(json);
        if !self.store.keep_over(PLAN, self.written.as_ref(), json.clone()).await? {
            self.plan = None;
            return Err(Setback::Lost);
        }
        self.written = Some(json);
        self.hold(plan);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::failure::Fate;
    use super::super::plan::Way;
    use super::*;
    use crate::config::Config;
    use crate::tls::tests::store;

    #[tokio::test]
    async fn who_was_stopped_overwrites_no_newer_plan() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let config = Config { domain: vec!["chat.example".into()], ..Config::default() };
        let settings = Settings::of(&config, true);
        let (mut stopped, mut other) = (Notes::new(&store), Notes::new(&store));
        let mut old = stopped.read(&settings).await.unwrap();
        old.begin(0);
        stopped.write(&mut old).await.unwrap();
        // Stopped here. The other one finds the attempt, and brings it to an end.
        let mut newer = other.read(&settings).await.unwrap();
        newer.succeed();
        other.write(&mut newer).await.unwrap();
        old.fail(1, "no", Fate::Dead, None, &[Way::Http]);
        assert!(matches!(stopped.remember(&mut old).await, Err(Setback::Lost)));
        assert!(stopped.read(&settings).await.unwrap().is_clear());
        // It goes on from what it has read now.
        let mut read = stopped.read(&settings).await.unwrap();
        read.begin(2);
        stopped.write(&mut read).await.unwrap();
        assert!(matches!(other.write(&mut newer).await, Err(Setback::Lost)), "and the other one has to read it");
    }

    #[tokio::test]
    async fn a_plan_that_comes_back_to_where_it_was_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let settings = Settings::of(&Config::default(), true);
        let (mut stopped, mut other) = (Notes::new(&store), Notes::new(&store));
        let mut clear = other.read(&settings).await.unwrap();
        clear.succeed();
        other.write(&mut clear).await.unwrap();
        let mut before = stopped.read(&settings).await.unwrap();
        clear.begin(0);
        other.write(&mut clear).await.unwrap();
        clear.succeed();
        other.write(&mut clear).await.unwrap();
        before.begin(1);
        assert!(matches!(stopped.write(&mut before).await, Err(Setback::Lost)), "a certificate has come meanwhile");
    }
}
