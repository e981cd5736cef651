//! A certificate from an authority, got and renewed without anybody's doing (RFC 8555).
//!
//! The keeper goes round and round: it looks whether the certificate in force will do, waits if it will, and else
//! makes one attempt as the plan allows. Of several nodes on one store the one that has the [`claim`] makes it; the
//! others give the authority the same [`answers`], and take up what comes of it. Invariants: the plan is written
//! before the authority is asked, so that a crash loop cannot spend its limits; the certificate is kept before the plan
//! is cleared, so that none is lost; nobody writes over what they have not read, so that a node that was stopped for
//! a while undoes nothing; the keeper ends only with the process.

mod account;
mod answers;
mod attempt;
mod authority;
mod claim;
mod failure;
mod held;
mod kept;
mod notes;
mod order;
mod plan;
mod preflight;
mod settings;
mod telling;

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use super::clock::now_ms;
use anyhow::{Context as _, bail};
use authority::Authority;
use claim::Claim;
use futures_util::FutureExt as _;
use held::Held;
use hyper::Uri;
use notes::Notes;
use plan::renewal;
use settings::Settings;
use telling::Told;
use tokio::select;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{sleep, timeout};

use super::{Answers, Certificates, Pair};
use crate::config::{AcmeChallenge, Config};
use crate::store::{Store, StoreError};

/// Sleeps no longer at a stretch: clocks are set and machines sleep, and a timer notices neither.
const SLEEP_MAX_MS: i64 = 3_600_000;
/// The same where there are other nodes: news of what they did may have been missed.
const SLEEP_SHARED_MAX_MS: i64 = 30_000;
/// When to look again while another node asks the authority: it may die of it.
const WATCH_MS: i64 = 2_000;
/// When to try again what has nothing to do with the authority: the store, a name that does not resolve.
const AGAIN_MS: i64 = 60_000;
/// A moment, so that what always goes wrong does not fill the log.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// Gets the certificate, and keeps it fresh.
pub(super) struct Keeper {
    settings: Settings,
    store: Store,
    authority: Authority,
    held: Held,
    notes: Notes,
    told: Told,
}

/// Why the keeper has to look again.
#[derive(Debug)]
enum Setback {
    /// The store says no.
    Store(StoreError),
    /// Other nodes went on meanwhile.
    Lost,
}

impl From<StoreError> for Setback {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Keeps the certificate fresh, and answers for other nodes that ask for one.
pub(super) async fn keep(
    first: Option<Keeper>,
    config: &Config,
    store: &Store,
    has_redirect: bool,
    certificates: &Certificates,
    hurry: &Notify,
) {
    let news = Notify::new();
    select! {
        () = keep_always(first, config, store, has_redirect, certificates, [hurry, &news]) => {}
        () = listen(store, certificates, &news) => {}
    }
}

/// Keeps the certificate fresh, whatever happens to a keeper: the protocol's client panics over an address that an
/// authority should not have given. What was written down before the attempt stands, so that another keeper waits.
async fn keep_always(
    first: Option<Keeper>,
    config: &Config,
    store: &Store,
    has_redirect: bool,
    certificates: &Certificates,
    [hurry, news]: [&Notify; 2],
) {
    let mut next = first;
    loop {
        let opened = match next.take() {
            Some(keeper) => Ok(keeper),
            None => Keeper::open(config, store, has_redirect).await,
        };
        match opened {
            Ok(keeper) => {
                let _ = AssertUnwindSafe(keeper.keep(certificates, hurry, news)).catch_unwind().await;
                certificates.answer(Answers::default());
                tracing::error!("an attempt to get a certificate has broken down; see the line before");
            }
            Err(cause) => tracing::error!("nobody can look after the certificate: {cause:#}"),
        }
        sleep(AFTER_PANIC).await;
    }
}

/// Hears what other nodes keep: answers are given here as well, and the keeper looks at the rest.
async fn listen(store: &Store, certificates: &Certificates, news: &Notify) {
    if !store.is_shared() {
        return pending().await;
    }
    let look = Duration::from_millis(SLEEP_SHARED_MAX_MS.unsigned_abs());
    let mut heard = store.kept_news();
    loop {
        let pause = match answers::follow(store, certificates).await {
            Ok(()) => look,
            Err(cause) => {
                tracing::debug!("what other nodes answer an authority with cannot be read: {cause:#}");
                AFTER_PANIC
            }
        };
        loop {
            match timeout(pause, heard.recv()).await {
                Ok(Ok(name)) if name == answers::PLACE => break,
                Ok(Ok(name)) if name == kept::PLACE || name == notes::PLAN => news.notify_one(),
                Ok(Ok(_)) => {}
                // What was missed is read anew.
                Ok(Err(RecvError::Lagged(_))) => {
                    news.notify_one();
                    break;
                }
                Ok(Err(RecvError::Closed)) => return pending().await,
                Err(_) => break,
            }
        }
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
        let mut held = Held::new(store);
        held.refresh(&settings).await?;
        let (store, notes) = (store.clone(), Notes::new(store));
        Ok(Self { settings, store, authority, held, notes, told: Told::default() })
    }

    /// The certificate that was kept.
    pub(super) fn kept(&self) -> Option<Pair> {
        self.held.pair().cloned()
    }

    /// Keeps the certificate fresh, for as long as the process lives.
    async fn keep(mut self, certificates: &Certificates, hurry: &Notify, news: &Notify) {
        self.settings.tell();
        let sleep_max = if self.store.is_shared() { SLEEP_SHARED_MAX_MS } else { SLEEP_MAX_MS };
        loop {
            let next = match self.look(certificates).await {
                Ok(next) => next,
                Err(setback) => self.after(setback, certificates).await,
            };
            let pause = (next - now_ms()).clamp(0, sleep_max);
            select! {
                () = sleep(Duration::from_millis(pause.unsigned_abs())) => {}
                () = news.notified() => {}
                () = hurry.notified() => self.hurry().await,
            }
        }
    }

    /// What to do about a setback: when to look again.
    async fn after(&mut self, setback: Setback, certificates: &Certificates) -> i64 {
        let now = now_ms();
        match setback {
            Setback::Lost => {
                tracing::info!("another node has gone on with getting the certificate");
                if let Err(cause) = answers::follow(&self.store, certificates).await {
                    tracing::debug!("what other nodes answer an authority with cannot be read: {cause:#}");
                }
                now + WATCH_MS
            }
            // The store's own words are elsewhere, and nothing is to be done about the certificate.
            Setback::Store(cause) if self.reason(now).is_none() => {
                tracing::debug!(%cause, "what is remembered about certificates was not looked at");
                now + AGAIN_MS
            }
            Setback::Store(cause) => {
                tracing::error!(%cause, "what is remembered about certificates cannot be read or written");
                now + AGAIN_MS
            }
        }
    }

    /// Somebody has mended what was wrong, and does not want to wait.
    async fn hurry(&mut self) {
        let now = now_ms();
        if self.reason(now).is_none() {
            tracing::info!("the certificate is good, and is renewed when it is time");
            return;
        }
        let hurried = async {
            if Claim::take(&self.store).await?.is_none() {
                return Ok(None);
            }
            let mut plan = self.notes.read(&self.settings).await?;
            let may = plan.hurry(now);
            if may {
                self.notes.remember(&mut plan).await?;
            }
            Ok::<_, Setback>(Some(may))
        };
        match hurried.await {
            Ok(Some(true)) => tracing::info!("the authority is asked now instead of later"),
            Ok(Some(false)) => {
                tracing::warn!(
                    "the authority is not asked earlier: it wants the wait, or that was done within the hour"
                );
            }
            Ok(None) | Err(Setback::Lost) => {
                tracing::info!(
                    "another node is asking the authority, or has done so within the last {} s",
                    claim::SECONDS
                );
            }
            Err(Setback::Store(cause)) => {
                tracing::error!(%cause, "what is remembered about certificates cannot be read or written");
            }
        }
    }

    /// Does what is to be done now; answers when to look again.
    async fn look(&mut self, certificates: &Certificates) -> Result<i64, Setback> {
        let mut plan = self.notes.read(&self.settings).await?;
        self.take_up(certificates).await?;
        self.held.keep().await?;
        let now = now_ms();
        let Some(reason) = self.reason(now) else {
            // A process ended between keeping the certificate and clearing the plan; or is just there.
            if !plan.is_clear() && Claim::take(&self.store).await?.is_some() {
                plan.succeed();
                self.notes.remember(&mut plan).await?;
            }
            return Ok(self.renewal().unwrap_or(now + AGAIN_MS));
        };
        let due = plan.due(now);
        if due > now && !plan.is_underway() {
            self.notes.hold(&plan);
            self.tell(certificates, plan.last_failure(), due);
            return Ok(due);
        }
        let Some(claim) = Claim::take(&self.store).await? else {
            self.wait(certificates, "another node is asking the authority");
            return Ok(now + WATCH_MS);
        };
        select! {
            biased;
            () = claim.lost() => Err(Setback::Lost),
            next = self.go_on(plan, reason, certificates) => next,
        }
    }

    /// Puts a certificate in force that another node has kept.
    async fn take_up(&mut self, certificates: &Certificates) -> Result<(), Setback> {
        if !self.held.refresh(&self.settings).await? {
            return Ok(());
        }
        if let Some(pair) = self.held.pair().filter(|pair| pair.fingerprint() != certificates.pair().fingerprint()) {
            certificates.put(pair.clone());
            tracing::info!(names = ?pair.names(), "another node has got a certificate, and it is in force");
        }
        Ok(())
    }

    /// Why a certificate is to be got now, if one is.
    fn reason(&self, now: i64) -> Option<&'static str> {
        match (self.held.kept(), self.renewal()) {
            (Some(kept), Some(renewal)) => {
                kept.unfit(&self.settings).or((now >= renewal).then_some("two thirds of its lifetime have passed"))
            }
            _ => Some("there is none yet"),
        }
    }

    fn renewal(&self) -> Option<i64> {
        let pair = self.held.pair()?;
        Some(renewal(pair.not_before(), pair.not_after(), pair.fingerprint()))
    }
}
