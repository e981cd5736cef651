//! One attempt to get a certificate: an order, by one way or the other, and what comes of it.

use instant_acme::{Account, Order};

use super::failure::{Failure, Fate};
use super::kept::Kept;
use super::plan::{OrderRecord, Plan};
use super::{AGAIN_MS, Keeper, Setback, account, order, preflight};
use crate::tls::Certificates;
use crate::tls::clock::{now_ms, readable};

impl Keeper {
    /// Takes up the order that was broken off, or begins an attempt when it is time. Only with the claim.
    pub(super) async fn go_on(
        &mut self,
        mut plan: Plan,
        reason: &str,
        certificates: &Certificates,
    ) -> Result<i64, Setback> {
        let now = now_ms();
        let resumes = plan.resume();
        if resumes {
            // Counted before it is done: a process that dies of it must not do it for ever.
            self.notes.remember(&mut plan).await?;
        } else {
            let due = plan.due(now);
            if due > now {
                self.notes.hold(&plan);
                self.tell(certificates, plan.last_failure(), due);
                return Ok(due);
            }
            if plan.order().is_none()
                && self.settings.preflight
                && let Err(words) = preflight::look(&self.settings, &self.store, certificates).await
            {
                self.tell(certificates, &words, now + AGAIN_MS);
                return Ok(now + AGAIN_MS);
            }
            plan.begin(now);
            self.notes.write(&mut plan).await?;
        }
        tracing::info!(names = ?self.settings.names, reason, resumes, "asking the authority for a certificate");
        self.attempt(plan, certificates).await
    }

    /// One attempt, and another by the other way if the names could not be proven.
    async fn attempt(&mut self, mut plan: Plan, certificates: &Certificates) -> Result<i64, Setback> {
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
            self.notes.remember(&mut plan).await?;
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
        let (chain, pair) = order::complete(&mut order, &record, names, &self.store, certificates).await?;
        Ok(Kept::new(chain, record.key_pem, pair, &self.settings))
    }

    /// Makes a new order, and writes it down before anything is done about it.
    async fn place(&mut self, account: Account, plan: &mut Plan) -> Result<(Order, OrderRecord), Failure> {
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
        let unwritten = |words: &str| Failure::new(format!("the order cannot be remembered: {words}"), Fate::Open);
        match self.notes.write(plan).await {
            Ok(()) => {}
            Err(Setback::Store(error)) => return Err(unwritten(&error.to_string())),
            Err(Setback::Lost) => return Err(unwritten("another node has gone on")),
        }
        Ok((order, record))
    }

    /// Puts a new certificate in force, unless another node was faster.
    async fn take(&mut self, kept: Kept, mut plan: Plan, certificates: &Certificates) -> Result<i64, Setback> {
        self.take_up(certificates).await?;
        if self.held.kept().is_some_and(|held| !kept.is_preferred_to(held, &self.settings)) {
            return Err(Setback::Lost);
        }
        certificates.put(kept.pair.clone());
        let until = readable(kept.pair.not_after());
        self.held.replace(kept);
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
        self.notes.hold(&plan);
        self.held.keep().await?;
        self.notes.remember(&mut plan).await?;
        Ok(renewal.max(plan.due(now)))
    }
}
