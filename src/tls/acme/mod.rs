//! A certificate from an authority, got and renewed without anybody's doing (RFC 8555).
//!
//! The keeper goes round and round: it looks whether the certificate in force will do, waits if it will, and else
//! makes one attempt as the plan allows. Invariants: the plan is written before the authority is asked, so that a
//! crash loop cannot spend its limits; the certificate is kept before the plan is cleared, so that none is lost; the
//! keeper ends only with the process.

mod account;
mod answer;
mod authority;
mod failure;
mod kept;
mod order;
mod plan;
mod preflight;
mod settings;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use super::clock::{now_ms, readable};
use anyhow::{Context as _, bail};
use authority::Authority;
use failure::{Failure, Fate};
use futures_util::FutureExt as _;
use hyper::Uri;
use instant_acme::{Account, Order};
use kept::Kept;
use plan::{OrderRecord, Plan, renewal};
use settings::Settings;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::{Certificates, Pair};
use crate::config::{AcmeChallenge, Config};
use crate::store::{Secret, Store, StoreError};

const PLAN: &str = "acme/plan";
/// Sleeps no longer at a stretch: clocks are set and machines sleep, and a timer notices neither.
const SLEEP_MAX_MS: i64 = 3_600_000;
/// When to try again what has nothing to do with the authority: the store, a name that does not resolve.
const AGAIN_MS: i64 = 60_000;
/// A moment, so that what always goes wrong does not fill the log.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// Gets the certificate, and keeps it fresh.
pub(super) struct Keeper {
    settings: Settings,
    store: Store,
    authority: Authority,
    kept: Option<Kept>,
    /// Whether the certificate is on disk as well.
    is_kept: bool,
    /// `None` until the store has told it.
    plan: Option<Plan>,
}

/// Keeps the certificate fresh, whatever happens to a keeper: the protocol's client panics over an address that an
/// authority should not have given. What was written down before the attempt stands, so that another keeper waits.
pub(super) async fn keep(
    first: Option<Keeper>,
    config: &Config,
    store: &Store,
    has_redirect: bool,
    certificates: &Certificates,
    hurry: &Notify,
) {
    let mut next = first;
    loop {
        let opened = match next.take() {
            Some(keeper) => Ok(keeper),
            None => Keeper::open(config, store, has_redirect).await,
        };
        match opened {
            Ok(keeper) => {
                let _ = AssertUnwindSafe(keeper.keep(certificates, hurry)).catch_unwind().await;
                certificates.forget_answers();
                tracing::error!("an attempt to get a certificate has broken down; see the line before");
            }
            Err(cause) => tracing::error!("nobody can look after the certificate: {cause:#}"),
        }
        sleep(AFTER_PANIC).await;
    }
}

impl Keeper {
    /// With what was kept.
    ///
    /// # Errors
    /// When `acme.ca_file` or `acme.directory` cannot be used, or the store does not answer.
    pub(super) async fn open(config: &Config, store: &Store, has_redirect: bool) -> anyhow::Result<Self> {
        let settings = Settings::of(config, has_redirect);
        if config.acme.challenge == AcmeChallenge::Http01 && !has_redirect {
            bail!(
                "acme.challenge is http-01, and nobody answers plain HTTP; set tls.redirect_listen to \"0.0.0.0:80\""
            );
        }
        settings.directory.parse::<Uri>().context("acme.directory: this is no https:// address")?;
        let authority = Authority::new(&config.acme.ca_file)?;
        let kept = Kept::load(store, &settings).await?;
        Ok(Self { settings, store: store.clone(), authority, kept, is_kept: true, plan: None })
    }

    /// The certificate that was kept.
    pub(super) fn kept(&self) -> Option<Pair> {
        self.kept.as_ref().map(|kept| kept.pair.clone())
    }

    /// Keeps the certificate fresh, for as long as the process lives.
    async fn keep(mut self, certificates: &Certificates, hurry: &Notify) {
        self.settings.tell();
        loop {
            let next = match self.look(certificates).await {
                Ok(next) => next,
                Err(cause) => {
                    tracing::error!(%cause, "what is remembered about certificates cannot be read or written");
                    now_ms() + AGAIN_MS
                }
            };
            let pause = (next - now_ms()).clamp(0, SLEEP_MAX_MS);
            tokio::select! {
                () = sleep(Duration::from_millis(u64::try_from(pause).unwrap_or_default())) => {}
                () = hurry.notified() => self.hurry(),
            }
        }
    }

    /// Somebody has mended what was wrong, and does not want to wait.
    fn hurry(&mut self) {
        let now = now_ms();
        if self.reason(now).is_none() {
            tracing::info!("the certificate is good, and is renewed when it is time");
        } else if self.plan.as_mut().is_some_and(|plan| plan.hurry(now)) {
            tracing::info!("the authority is asked now instead of later");
        } else {
            tracing::warn!("the authority is not asked earlier: it wants the wait, or that was done within the hour");
        }
    }

    /// Does what is to be done now; answers when to look again.
    async fn look(&mut self, certificates: &Certificates) -> Result<i64, StoreError> {
        let mut plan = self.remembered().await?;
        if let Some(kept) = self.kept.as_ref().filter(|_| !self.is_kept) {
            kept.keep(&self.store).await?;
            self.is_kept = true;
        }
        let now = now_ms();
        let Some(reason) = self.reason(now) else {
            if !plan.is_clear() {
                // The process ended between keeping the certificate and clearing the plan.
                plan.succeed();
                self.remember(&plan).await?;
            }
            return Ok(self.renewal().unwrap_or(now + AGAIN_MS));
        };
        let resumes = plan.resume();
        if resumes {
            // Counted before it is done: a process that dies of it must not do it for ever.
            self.remember(&plan).await?;
        } else {
            let due = plan.due(now);
            if due > now {
                self.plan = Some(plan.clone());
                self.tell(certificates, plan.last_failure(), due);
                return Ok(due);
            }
            if plan.order().is_none()
                && self.settings.preflight
                && let Err(words) = preflight::look(&self.settings, certificates).await
            {
                self.tell(certificates, &words, now + AGAIN_MS);
                return Ok(now + AGAIN_MS);
            }
            plan.begin(now);
            self.write(&plan).await?;
            self.plan = Some(plan.clone());
        }
        tracing::info!(names = ?self.settings.names, reason, resumes, "asking the authority for a certificate");
        self.attempt(plan, certificates).await
    }

    /// One attempt, and another by the other way if the names could not be proven.
    async fn attempt(&mut self, mut plan: Plan, certificates: &Certificates) -> Result<i64, StoreError> {
        let mut before = String::new();
        loop {
            self.authority.heard();
            let mut failure = match self.order(&mut plan, certificates).await {
                Ok(kept) => return self.take(kept, plan, certificates).await,
                Err(failure) => failure,
            };
            failure.words.insert_str(0, &before);
            let (now, asked) = (now_ms(), self.authority.heard().retry_after);
            plan.fail(now, &failure.words, failure.fate, asked, &self.settings.ways);
            let falls_over = plan.fall_over(now, failure.fate, &self.settings.ways);
            self.remember(&plan).await?;
            if !falls_over {
                let due = plan.due(now);
                self.tell(certificates, &failure.words, due);
                return Ok(due);
            }
            let way = plan.way(&self.settings.ways);
            before = format!("{}; and by {way}: ", failure.words);
            tracing::warn!(cause = failure.words, %way, "the names were not proven; trying the other way");
        }
    }

    /// Brings the order of the plan to its end, or a new one.
    async fn order(&mut self, plan: &mut Plan, certificates: &Certificates) -> Result<Kept, Failure> {
        let account = account::open(&self.authority, &self.store, &self.settings).await?;
        preflight::look_at_clock(self.authority.heard().ahead);
        let (mut order, record) = match plan.order().cloned() {
            Some(record) => (order::resume(&account, &record.url).await?, record),
            None => self.place(account, plan).await?,
        };
        let names = &self.settings.names;
        let (chain, pair) = order::complete(&mut order, &record, names, certificates).await?;
        Ok(Kept::new(chain, record.key_pem, pair, &self.settings))
    }

    /// Makes a new order, and writes it down before anything is done about it.
    async fn place(&self, account: Account, plan: &mut Plan) -> Result<(Order, OrderRecord), Failure> {
        let (key_pem, way) = (order::key()?, plan.way(&self.settings.ways));
        let names = &self.settings.names;
        let order = match order::place(&account, names).await {
            Err(failure) if failure.fate == Fate::Unknown => {
                tracing::warn!("the authority does not know the kept account any more; making another one");
                account::forget(&self.store, &self.settings).await?;
                let account = account::open(&self.authority, &self.store, &self.settings).await?;
                order::place(&account, names).await?
            }
            placed => placed?,
        };
        let record = OrderRecord { url: order.url().to_owned(), key_pem, way, taken_up: 0 };
        plan.ordered(record.clone());
        let written = self.write(plan).await;
        written.map_err(|error| Failure::new(format!("the order cannot be remembered: {error}"), Fate::Open))?;
        Ok((order, record))
    }

    /// Puts a new certificate in force.
    async fn take(&mut self, kept: Kept, mut plan: Plan, certificates: &Certificates) -> Result<i64, StoreError> {
        certificates.put(kept.pair.clone());
        let until = readable(kept.pair.not_after());
        self.kept = Some(kept);
        self.is_kept = false;
        let (now, renewal) = (now_ms(), self.renewal().unwrap_or_default());
        if renewal > now {
            plan.succeed();
        } else {
            // To ask for the next one at once would spend a week's certificates in a minute.
            let words = "the certificate is to be renewed as soon as it has come; look at this host's clock";
            plan.fail(now, words, Fate::Dead, None, &self.settings.ways);
            tracing::warn!("{words}");
        }
        let names = &self.settings.names;
        tracing::info!(?names, until, renewal = readable(renewal), "there is a new certificate, and it is in force");
        // What cannot be kept now is kept later: the certificate first, then the plan.
        self.plan = Some(plan.clone());
        if let Some(kept) = &self.kept {
            kept.keep(&self.store).await?;
            self.is_kept = true;
        }
        self.remember(&plan).await?;
        Ok(renewal.max(plan.due(now)))
    }

    /// Why a certificate is to be got now, if one is.
    fn reason(&self, now: i64) -> Option<&'static str> {
        match (&self.kept, self.renewal()) {
            (Some(kept), Some(renewal)) => {
                kept.unfit(&self.settings).or((now >= renewal).then_some("two thirds of its lifetime have passed"))
            }
            _ => Some("there is none yet"),
        }
    }

    fn renewal(&self) -> Option<i64> {
        let pair = &self.kept.as_ref()?.pair;
        Some(renewal(pair.not_before(), pair.not_after(), pair.fingerprint()))
    }

    /// Says what failed and when the next try is.
    fn tell(&self, certificates: &Certificates, words: &str, next: i64) {
        let next_try = readable(next);
        match self.kept.as_ref().map(|kept| kept.pair.not_after()) {
            Some(end) if end > now_ms() => {
                tracing::warn!(cause = words, next_try, until = readable(end), "the certificate was not renewed");
            }
            Some(end) => {
                tracing::error!(
                    cause = words,
                    next_try,
                    "the certificate ended at {} and is still served",
                    readable(end)
                );
            }
            None => tracing::error!(cause = words, next_try, "there is no certificate yet"),
        }
        self.wait(certificates, words, next);
    }

    /// Lets `/readyz` say what stands in the way, if something does.
    fn wait(&self, certificates: &Certificates, words: &str, next: i64) {
        let next_try = readable(next);
        match self.kept.as_ref().map(|kept| kept.pair.not_after()) {
            Some(end) if end > now_ms() => {}
            Some(end) => certificates
                .wait_for(format!("the certificate ended at {}: {words}; next try at {next_try}", readable(end))),
            None => certificates.wait_for(format!("there is no certificate yet: {words}; next try at {next_try}")),
        }
    }

    /// The plan, from the store the first time. One that cannot be understood is begun anew.
    async fn remembered(&mut self) -> Result<Plan, StoreError> {
        let plan = match self.plan.take() {
            Some(plan) => plan,
            None => {
                let kept = self.store.kept(PLAN).await?;
                kept.and_then(|kept| serde_json::from_slice(kept.expose()).ok()).unwrap_or_default()
            }
        };
        let plan = plan.about(&self.settings.directory, &self.settings.names);
        self.plan = Some(plan.clone());
        Ok(plan)
    }

    /// Remembers the plan, here whatever happens and on disk.
    async fn remember(&mut self, plan: &Plan) -> Result<(), StoreError> {
        self.plan = Some(plan.clone());
        self.write(plan).await
    }

    async fn write(&self, plan: &Plan) -> Result<(), StoreError> {
        let json = serde_json::to_vec(plan).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.store.keep(PLAN, Secret::new(json)).await
    }
}
