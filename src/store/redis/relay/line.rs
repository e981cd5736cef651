//! Listening on this node's own channel. It has a connection of its own: what nodes ask of each other waits for no room's
//! news, and no news for it.

use std::time::Duration;

use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::letter::{self, Kind, Letter};
use super::{Errand, Peer, Relay, Reply};
use crate::store::redis::wire::{Ends, Wire};

/// Letters that are looked at together.
const PUSHES_AT_ONCE: usize = 512;
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(200);
/// How often it is looked whether the connection lives.
const LOOK: Duration = Duration::from_secs(1);

/// Listens for as long as it is polled.
pub(super) async fn listen(relay: Relay) {
    loop {
        if let Some(line) = connect(&relay).await {
            relay.desk.heard_by.send_modify(|(count, is_up)| (*count, *is_up) = (*count + 1, true));
            hear(&relay, line).await;
            relay.desk.hang_up();
        }
        sleep(PAUSE).await;
    }
}

struct Line {
    wire: Wire,
    pushes: mpsc::UnboundedReceiver<PushInfo>,
    ends: Ends,
}

async fn connect(relay: &Relay) -> Option<Line> {
    let link = &relay.desk.link;
    let (sender, pushes) = mpsc::unbounded_channel();
    let mut wire = link.connect(Some(sender)).await.ok()?;
    let before = wire.ends().await.ok()?;
    wire.subscribe(&[link.keys().of_process(&relay.desk.here)]).await.ok()?;
    let ends = wire.ends().await.ok()?;
    (ends.are_those_of(&before) && ends.hear(1)).then_some(Line { wire, pushes, ends })
}

/// Works off what comes until the connection ends, or is another one than it was.
async fn hear(relay: &Relay, mut line: Line) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pushes = Vec::new();
    // A look that takes its time holds up no letter.
    let (mut wire, known) = (line.wire.clone(), line.ends.clone());
    let lives = async move {
        loop {
            ticks.tick().await;
            if !wire.ends().await.is_ok_and(|ends| ends.are_those_of(&known) && ends.hear(1)) {
                return;
            }
        }
    };
    tokio::pin!(lives);
    loop {
        tokio::select! {
            count = line.pushes.recv_many(&mut pushes, PUSHES_AT_ONCE) => if count == 0 {
                return;
            },
            () = &mut lives => return,
        }
        for push in pushes.drain(..) {
            match push.kind {
                PushKind::Disconnection => return,
                PushKind::Message | PushKind::SMessage => {
                    if let Some(Value::BulkString(letter)) = push.data.into_iter().nth(1) {
                        take_in(relay, &letter.into());
                    }
                }
                _ => {}
            }
        }
    }
}

fn take_in(relay: &Relay, letter: &bytes::Bytes) {
    let Some(Letter { kind, number, from, body }) = letter::read(letter) else {
        return tracing::warn!(bytes = letter.len(), "another node says something that this version does not read");
    };
    let from = Peer(from.into());
    let reply = match kind {
        Kind::Answer => {
            // Nobody waits any more, mostly, where there is none.
            if let Some(told) = relay.desk.waiting.lock().remove(&number) {
                let _ = told.send(body);
            }
            return;
        }
        Kind::Question => Some(Reply { relay: relay.clone(), to: from.clone(), number }),
        Kind::Word => None,
    };
    if relay.desk.letters.try_send(Errand { from, body, reply }).is_err() {
        tracing::warn!("this node does not keep up with what other nodes ask of it");
    }
}
