//! `room`: the rooms.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::ask;
use super::later::Later;
use super::output::{self, Output};
use super::place::Place;
use crate::chat::{self, History, RoomId, RoomName};
use crate::store::Store;

/// Rooms: list, create, rename, delete
///
/// Everybody who is signed in sees a change at once. Rooms have an id, which is part of every address, and a name,
/// which two rooms may share.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang room list
  sarangbang room create 사랑방
  sarangbang room delete 123e4567-e89b-42d3-a456-426614174000")]
pub(super) struct Room {
    #[command(subcommand)]
    verb: Later<Verb>,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Verb {
    /// List all rooms, newest activity first
    #[command(after_help = "Example:\n  sarangbang room list --json")]
    List,
    /// Create a room
    ///
    /// The name has 1 to 60 characters.
    #[command(after_help = "\
Examples:
  sarangbang room create \"Tea and talk\"
  sarangbang room create Announcements --history off")]
    Create {
        /// Its name
        name: RoomName,
        /// Whether what is said in it is kept: on, or off, which stays so
        ///
        /// Without a history messages go to whoever is there and are never written: gone with the server's memory.
        #[arg(long, value_name = "ON|OFF", default_value_t)]
        history: History,
    },
    /// Give a room another name
    #[command(after_help = "Example:\n  sarangbang room rename 123e4567-e89b-42d3-a456-426614174000 \"Tea and talk\"")]
    Rename {
        /// Its id, as `room list` shows it
        id: RoomId,
        /// Its new name
        name: RoomName,
    },
    /// Delete a room with everything that was said in it
    ///
    /// Whoever is in the room is sent out. This cannot be undone, so it asks first.
    #[command(after_help = "\
Examples:
  sarangbang room delete 123e4567-e89b-42d3-a456-426614174000
  sarangbang room delete 123e4567-e89b-42d3-a456-426614174000 --yes")]
    Delete {
        /// Its id, as `room list` shows it
        id: RoomId,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl Room {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<()> {
        let output = self.output;
        match self.verb.0 {
            Verb::List => place.with_existing_store(async |_, store| list(store, &output).await).await,
            Verb::Create { name, history } => {
                let create = async |store: &Store| Ok(store.create_room_with(name, history).await?);
                let room = place.with_store(async |_, store| create(store).await).await?;
                output.show(&room, || format!("{} {}", room.id, room.name))
            }
            Verb::Rename { id, name } => {
                let rename = async |store: &Store| {
                    existing(store, id).await?;
                    Ok(store.rename_room(id, name).await?)
                };
                let room = place.with_existing_store(async |_, store| rename(store).await).await?;
                output.show(&room, || format!("{} {}", room.id, room.name))
            }
            Verb::Delete { id, yes } => {
                place.with_existing_store(async |_, store| delete(store, id, yes).await).await?;
                output.show(&json!({ "roomId": id, "deleted": true }), || format!("{id} is deleted"))
            }
        }
    }
}

async fn list(store: &Store, output: &Output) -> anyhow::Result<()> {
    let rooms = store.rooms().await?;
    output.show(&rooms, || {
        let row = |room: &chat::Room| {
            let active = output::time(room.last_at);
            [
                room.id.to_string(),
                room.user_count.to_string(),
                match room.history {
                    History::On => room.last_offset.to_string(),
                    History::Off => "not kept".to_owned(),
                },
                active,
                room.name.to_string(),
            ]
        };
        let rows: Vec<_> = rooms.iter().map(row).collect();
        output::table(["ID", "PEOPLE", "OFFSET", "ACTIVE", "NAME"], &rows)
    })
}

async fn delete(store: &Store, id: RoomId, yes: bool) -> anyhow::Result<()> {
    let room = existing(store, id).await?;
    let question = match room.history {
        History::On => format!(
            "Delete {:?} with everything that was said in it, up to offset {}, for ever?",
            room.name.as_str(),
            room.last_offset
        ),
        History::Off => format!("Delete {:?} for ever?", room.name.as_str()),
    };
    if !yes && !ask::agreed(&question, "--yes")? {
        bail!("nothing was deleted");
    }
    Ok(store.delete_room(id).await?)
}

/// The room, or a refusal that names it.
async fn existing(store: &Store, id: RoomId) -> anyhow::Result<chat::Room> {
    let room = store.room(id).await?;
    room.with_context(|| format!("there is no room with the id {id}; `sarangbang room list` shows all"))
}
