//! The one `match` over what a session wants done.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::connection::{Connection, Speaker};
use super::waiting::{Settled, Wait};
use crate::auth::{Claims, TokenError};
use crate::chat::{Draft, Name, RoomId};
use crate::node::{Gap, Leaving, Membership, Wish};
use crate::session::{Close, Effect, Effects, Error, Receipt, Refusal, Say, Token};
use crate::store::StoreError;

/// Nothing follows.
fn nothing() -> Effects {
    Effects::new()
}

impl Connection {
    /// Performs one effect; answers what follows from it.
    pub(super) async fn perform_one(&mut self, effect: Effect) -> Effects {
        match effect {
            Effect::Send(frame) => self.outbox.send(&frame),
            Effect::Refused(cause) => self.edge.meters.told(cause),
            // Bytes that wait are a beat already, once the peer reads them.
            Effect::HeartBeat if self.outbox.is_idle() => self.outbox.send(b"\n"),
            Effect::HeartBeat => {}
            Effect::Ping => self.outbox.ping(),
            Effect::Version(version) => self.decoder.set_version(version),
            Effect::Authenticate { token } => return self.authenticate(token).await,
            Effect::Say(say) => return self.say(say),
            Effect::SayAll { says, receipt } => return self.say_all(says, receipt),
            Effect::Renew { token, receipt } => match self.may_say(token) {
                Ok(_) => return receipt.into_iter().map(Effect::Receipt).collect(),
                Err(refusal) => return self.session.refuse(&refusal.receipt(receipt)),
            },
            Effect::Enter { key, id, ack, room, start, receipt } => {
                if let Err(refusal) = self.may_subscribe(room) {
                    let mut refusal = refusal.receipt(receipt);
                    refusal.undoes = Some(key);
                    return self.session.refuse(&refusal);
                }
                let Some(speaker) = &self.speaker else { return nothing() };
                let wish = Wish { id, ack, version: self.session.version() };
                let (membership, pending) = self.edge.node.enter(room, &speaker.name, &self.outbox, &wish, start);
                self.members.add(key, membership);
                self.waiting.push(Wait::Entering { pending, key, room, start, receipt });
            }
            Effect::Watch { key, id, ack, receipt } => {
                let wish = Wish { id, ack, version: self.session.version() };
                self.members.add(key, self.edge.node.watch(&self.outbox, &wish));
                return receipt.into_iter().map(Effect::Receipt).collect();
            }
            Effect::Leave(key) => self.members.leave(key),
            Effect::Receipt(receipt) if self.waiting.is_empty() => {
                self.outbox.send(&receipt.frame(self.session.version()));
            }
            Effect::Receipt(receipt) => self.waiting.push(Wait::Receipt(receipt)),
            // DISCONNECT waits for what was asked before it; every other end is now.
            Effect::Close(Close::Normal) if !self.waiting.is_empty() => self.waiting.push(Wait::Close(Close::Normal)),
            Effect::Close(close) => self.close(close),
        }
        nothing()
    }

    /// The first thing waited for has been answered.
    pub(super) async fn settled(&mut self) {
        let Some(settled) = self.waiting.take() else { return };
        let effects = match settled {
            Settled::Receipt(receipt) => Effects::from_iter([Effect::Send(receipt.frame(self.session.version()))]),
            Settled::Close(close) => Effects::from_iter([Effect::Close(close)]),
            Settled::Said { answer: Ok(_), receipt, .. } => self.receipt_now(receipt),
            // Neither stored nor acknowledged: where the client comes back to, it says or asks it again.
            Settled::Said { answer: Err(StoreError::Elsewhere), .. }
            | Settled::SaidAll { answer: Err(StoreError::Elsewhere), .. }
            | Settled::Entered { answer: Err(StoreError::Elsewhere), .. } => {
                self.members.at_end = Leaving::Draining;
                Effects::from_iter([Effect::Close(Close::Restart)])
            }
            Settled::Said { answer: Err(error), room, id, receipt } => {
                let refusal = Refusal { room: Some(room), id, ..refusal_of(&error) };
                self.session.refuse(&refusal.receipt(receipt))
            }
            Settled::SaidAll { answer: Ok(_), receipts, commit } => {
                receipts.into_iter().chain(commit).flat_map(|receipt| self.receipt_now(Some(receipt))).collect()
            }
            Settled::SaidAll { answer: Err(error), commit, .. } => {
                self.session.refuse(&refusal_of(&error).receipt(commit))
            }
            Settled::Entered { answer: Ok(entered), key, room, start, receipt } => {
                let start = self.edge.node.beginning(room, start, &entered).await;
                let membership = self.members.get(key);
                let gap = membership.and_then(|held| self.edge.node.entered(held, &self.outbox, &entered, start));
                let slot = membership.map(Membership::slot).filter(|_| self.outbox.is_idle());
                let effects = self.receipt_now(receipt);
                self.perform(effects).await;
                if let Some(gap) = gap {
                    self.tell_gap(gap).await;
                }
                // At once where nothing else waits, so that the RECEIPT and the first entries leave in one write; what the
                // socket does not take then is no control frame any more, but the rest of a portion.
                if let Some(slot) = slot {
                    self.catch_up(slot).await;
                    self.outbox.flush();
                }
                return;
            }
            Settled::Entered { answer: Err(error), key, room, receipt, .. } => {
                self.members.leave(key);
                let refusal = Refusal { room: Some(room), undoes: Some(key), ..refusal_of(&error) };
                self.session.refuse(&refusal.receipt(receipt))
            }
        };
        self.perform(effects).await;
    }

    /// A RECEIPT for what has been waited for: it is at the head of the queue already.
    fn receipt_now(&self, receipt: Option<Receipt>) -> Effects {
        receipt.into_iter().map(|receipt| Effect::Send(receipt.frame(self.session.version()))).collect()
    }

    /// Sends the close frame; the loop ends.
    fn close(&mut self, close: Close) {
        if close == Close::Normal {
            self.members.at_end = Leaving::Said;
        }
        self.closing = true;
        self.outbox.close(close.code(), "");
    }

    /// Who is this? The register of connections learns the name before the account is read, so that an account
    /// disabled at this very moment is found either here or there.
    async fn authenticate(&mut self, token: Option<Token>) -> Effects {
        let Some(token) = token else { return self.refuse_token(TokenError::Missing) };
        let claims = match self.edge.tokens.verify(&token.0) {
            Ok(claims) => claims,
            Err(error) => return self.refuse_token(error),
        };
        self.ticket.identify(&claims.name);
        let account = match self.edge.store.account(&claims.name).await {
            // Disabling an account ends its tokens too; why they ended says more than that they did.
            Ok(Some(account)) if account.disabled => {
                let text = "this account is disabled; ask an administrator";
                return self.session.end(Error::new("user_disabled", text));
            }
            Ok(Some(account)) if account.token_epoch == claims.epoch => account,
            Ok(_) => return self.refuse_token(TokenError::Invalid),
            Err(error) => return self.session.refuse(&refusal_of(&error).fatal()),
        };
        let now = Instant::now();
        let effects = self.session.accept(&account.name, account.role, expiry(&claims, now), now);
        self.speaker = Some(Speaker { name: account.name, token, claims });
        if self.session.is_connected() {
            self.ticket.connected();
        }
        effects
    }

    fn refuse_token(&mut self, error: TokenError) -> Effects {
        self.session.refuse(&Refusal::new(error.code(), error.to_string()).fatal())
    }

    /// Somebody says something.
    fn say(&mut self, say: Say) -> Effects {
        let (room, id) = (say.room, say.id.as_ref().map(ToString::to_string));
        let receipt = say.receipt.clone();
        match self.draft(say) {
            Ok(draft) => {
                let pending = self.edge.node.say(draft);
                self.waiting.push(Wait::Said { pending, room, id, receipt });
                nothing()
            }
            Err(refusal) => self.session.refuse(&refusal.receipt(receipt)),
        }
    }

    /// A transaction is said whole, or not at all: whatever is wrong with one of its SENDs is what COMMIT is told.
    fn say_all(&mut self, says: Vec<Say>, commit: Option<Receipt>) -> Effects {
        let receipts = says.iter().filter_map(|say| say.receipt.clone()).collect();
        let drafts: Result<Vec<Draft>, Refusal> = says.into_iter().map(|say| self.draft(say)).collect();
        match drafts {
            Ok(drafts) => {
                let pending = self.edge.node.say_all(drafts);
                self.waiting.push(Wait::SaidAll { pending, receipts, commit });
                nothing()
            }
            Err(refusal) => self.session.refuse(&refusal.receipt(commit)),
        }
    }

    /// What a SEND says, checked: who speaks says its token, each time.
    fn draft(&mut self, say: Say) -> Result<Draft, Refusal> {
        let Say { room, text, id, token, .. } = say;
        let refused =
            |refusal: Refusal| Refusal { room: Some(room), id: id.as_ref().map(ToString::to_string), ..refusal };
        let name = self.may_say(token).map_err(refused)?;
        let chars_max = self.edge.config.limits.message_chars_max;
        Draft::new(room, name, &text, id.clone(), chars_max).map_err(|invalid| {
            let code = if invalid.limit.is_some() { "message_too_long" } else { "message_empty" };
            refused(Refusal::invalid(code, &invalid))
        })
    }

    /// Whose SEND this is: the session's own person's, and not one too many. A newer token prolongs the session.
    fn may_say(&mut self, token: Option<Token>) -> Result<Name, Refusal> {
        let refusal = |error: TokenError| Refusal::new(error.code(), error.to_string());
        let token = token.ok_or_else(|| refusal(TokenError::Missing))?;
        let speaker = self.speaker.as_mut().ok_or_else(|| refusal(TokenError::Invalid))?;
        if token != speaker.token {
            let claims = self.edge.tokens.verify(&token.0).map_err(refusal)?;
            if claims.name != speaker.claims.name {
                return Err(Refusal::new("token_of_another", "the token is somebody else's, not this session's"));
            }
            if claims.epoch != speaker.claims.epoch {
                return Err(refusal(TokenError::Invalid));
            }
            if claims.expires_at > speaker.claims.expires_at {
                self.session.prolong(expiry(&claims, Instant::now()));
                (speaker.token, speaker.claims) = (token, claims);
            }
        } else if unix_now() > Duration::from_secs(speaker.claims.expires_at) {
            return Err(refusal(TokenError::Expired));
        }
        self.edge.limiter.message(&speaker.name).map_err(|wait| {
            let seconds = wait.seconds();
            Refusal::new("too_many_messages", format!("too many messages: try again in {seconds} s"))
        })?;
        Ok(speaker.name.clone())
    }

    fn may_subscribe(&self, room: RoomId) -> Result<(), Refusal> {
        let Some(speaker) = &self.speaker else { return Ok(()) };
        self.edge.limiter.subscribe(&speaker.name).map_err(|wait| {
            let text = format!("too many subscriptions: try again in {} s", wait.seconds());
            Refusal { room: Some(room), ..Refusal::new("too_many_subscriptions", text) }
        })
    }

    /// The log no longer has what a subscription wants. Said on `/user/queue/errors`; who does not listen there sees
    /// it by the offsets.
    pub(super) async fn tell_gap(&mut self, gap: Gap) {
        let text = format!("offsets {} to {} are no longer kept", gap.from, gap.to);
        let effects = self.session.tell(&Refusal { room: Some(gap.room), ..Refusal::new("gap", text) });
        self.perform(effects).await;
    }
}

/// What a store's no means for the one who asked.
fn refusal_of(error: &StoreError) -> Refusal {
    let code = match error {
        StoreError::RoomUnknown => "room_unknown",
        StoreError::AfterPastEnd { .. } => "after_past_end",
        _ => "unavailable",
    };
    match error {
        StoreError::Unavailable(cause) => {
            // The writer says it once, and loudly; a full disk needs no line for every message.
            tracing::debug!(%cause, "the store is not available");
            Refusal::new(
                "unavailable",
                "the server cannot write now; nothing was lost that was acknowledged; try again",
            )
        }
        _ => Refusal::new(code, error.to_string()),
    }
}

/// When a token ends, on the monotonic clock: a wall clock that jumps later moves nothing.
fn expiry(claims: &Claims, now: Instant) -> Instant {
    now + Duration::from_secs(claims.expires_at).saturating_sub(unix_now())
}

fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
