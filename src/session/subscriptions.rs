//! The subscriptions of a session.

use super::destination::Destination;
use super::effect::Error;
use crate::chat::limits::SUBSCRIPTION_ID_BYTES_MAX;

/// A subscription's number within its session, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionKey(pub u32);

/// How MESSAGEs are acknowledged (STOMP 1.2, SUBSCRIBE ack Header).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AckMode {
    /// Not at all.
    #[default]
    Auto,
    /// By ACK frames: MESSAGEs carry an `ack` header.
    Client,
}

/// What a client calls its subscription: an id, or the destination where STOMP 1.0 gave none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Called {
    Id(Box<str>),
    Destination(Destination),
}

struct Subscription {
    key: SubscriptionKey,
    called: Called,
    destination: Destination,
    ack: AckMode,
}

/// A subscription to `/user/queue/errors`: its id, and how its MESSAGEs are acknowledged.
pub(super) struct Listener {
    pub(super) id: Option<Box<str>>,
    pub(super) ack: AckMode,
}

/// At most so many, each called differently.
pub(super) struct Subscriptions {
    all: Vec<Subscription>,
    next: u32,
    max: usize,
}

impl Subscriptions {
    pub(super) const fn new(max: usize) -> Self {
        Self { all: Vec::new(), next: 0, max }
    }

    /// Takes a subscription in.
    pub(super) fn add(
        &mut self,
        called: Called,
        destination: Destination,
        ack: AckMode,
    ) -> Result<SubscriptionKey, Error> {
        if let Called::Id(id) = &called
            && id.len() > SUBSCRIPTION_ID_BYTES_MAX
        {
            return Err(Error::new(
                "bad_frame",
                format!("id: a subscription id has at most {SUBSCRIPTION_ID_BYTES_MAX} bytes"),
            ));
        }
        if self.all.iter().any(|held| held.called == called) {
            return Err(Error::new("subscription_exists", "there is a subscription of this id already"));
        }
        if self.all.len() >= self.max {
            return Err(Error::new(
                "too_many_subscriptions",
                format!("a session has at most {} subscriptions (limits.subscriptions_max)", self.max),
            ));
        }
        let key = SubscriptionKey(self.next);
        self.next += 1;
        self.all.push(Subscription { key, called, destination, ack });
        Ok(key)
    }

    /// Lets a subscription go, by what the client calls it.
    pub(super) fn remove(&mut self, called: &Called) -> Result<(SubscriptionKey, Destination), Error> {
        let at = self.all.iter().position(|held| held.called == *called);
        let at = at.ok_or_else(|| Error::new("subscription_unknown", "there is no subscription of this id"))?;
        let gone = self.all.remove(at);
        Ok((gone.key, gone.destination))
    }

    /// Lets a subscription go that did not come about.
    pub(super) fn remove_key(&mut self, key: SubscriptionKey) {
        self.all.retain(|held| held.key != key);
    }

    /// Whether there is one of this id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.all.iter().any(|held| matches!(&held.called, Called::Id(held) if **held == *id))
    }

    /// Those that listen on `/user/queue/errors`.
    pub(super) fn errors(&self) -> Vec<Listener> {
        let listening = self.all.iter().filter(|held| held.destination == Destination::Errors);
        listening
            .map(|held| {
                let id = match &held.called {
                    Called::Id(id) => Some(id.clone()),
                    Called::Destination(_) => None,
                };
                Listener { id, ack: held.ack }
            })
            .collect()
    }

    /// All of them.
    #[cfg(test)]
    pub(super) fn keys(&self) -> Vec<SubscriptionKey> {
        self.all.iter().map(|held| held.key).collect()
    }
}
