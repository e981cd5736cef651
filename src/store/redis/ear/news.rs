//! What was administered, and in which rooms something happens: what concerns nodes that have nobody there, too.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Ear;
use crate::chat::RoomId;
use crate::store::redis::changes::{self, Change};
use crate::store::redis::hall::Hall;
use crate::store::redis::{accounts, upkeep};
use crate::store::{Event, Result};

/// How often other nodes' lists are told which rooms something happened in.
const STIR: Duration = Duration::from_millis(250);
/// Rooms that one such message names.
const STIRRED_AT_ONCE: usize = 200;

impl Ear {
    pub(super) async fn read_changes(&mut self) {
        let link = self.hall.link.clone();
        let read = match &self.changes_read {
            Some(after) => changes::read(&link, after).await,
            None => changes::from_now(&link).await,
        };
        let Ok(read) = read else {
            self.changes_hinted = true;
            return;
        };
        let mut events = Vec::new();
        if read.missed {
            match self.whatever_may_have_changed().await {
                Ok(any) => events.extend(any),
                Err(_) => {
                    self.changes_hinted = true;
                    return;
                }
            }
        }
        self.changes_read = Some(read.newest);
        self.changes_hinted = read.may_go_on;
        for change in read.changes {
            events.push(match change {
                Change::Room(room) => Event::Room(room),
                Change::RoomDeleted(room) => Event::RoomDeleted(room),
                Change::SessionsEnded(name) => Event::SessionsEnded(name),
                Change::Kept(name) => {
                    let _ = self.kept_news.send(name);
                    continue;
                }
            });
        }
        self.tell(events).await;
    }

    /// This node was away for so long that it missed changes: rooms that are gone have ended, whoever is connected shows
    /// again who they are, and what others keep is read anew.
    async fn whatever_may_have_changed(&mut self) -> Result<Vec<Event>> {
        tracing::warn!("this node was away for so long that it missed what was administered; everybody signs in again");
        let there = upkeep::rooms(&self.hall.link).await?;
        let gone = self.rooms.keys().filter(|room| !there.contains(room)).map(|room| Event::RoomDeleted(*room));
        let names = accounts::names(&self.hall.link).await?;
        let _ = self.kept_news.send(String::new());
        Ok(gone.chain(names.into_iter().map(Event::SessionsEnded)).collect())
    }
}

/// Tells other nodes' lists in which rooms something happened, for as long as it is polled.
pub(in crate::store::redis) async fn stir(hall: Arc<Hall>) {
    let channel = hall.link.keys().of_all("activity");
    loop {
        sleep(STIR).await;
        let rooms: Vec<RoomId> = hall.take_stirred().into_iter().collect();
        for some in rooms.chunks(STIRRED_AT_ONCE) {
            let ids: Vec<u8> = some.iter().flat_map(|room| *room.as_bytes()).collect();
            let told: Result<()> =
                hall.link.read(redis::pipe().cmd(hall.link.publish_command()).arg(&channel).arg(ids).ignore()).await;
            if let Err(cause) = told {
                tracing::debug!(%cause, "other nodes' lists of rooms are not told what changed");
            }
        }
    }
}
