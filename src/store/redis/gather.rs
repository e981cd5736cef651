//! The same question about many rooms.
//!
//! A Cluster takes only what concerns one slot as one piece, and each room has a slot of its own; one server takes many
//! rooms together. Some pieces are on their way at the same time, so that many rooms do not cost as many round trips.

use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::{FromRedisValue, Pipeline, Value, from_redis_value};

use super::keys::RoomKeys;
use super::link::{Link, Wire};
use crate::chat::RoomId;
use crate::store::{Result, StoreError};

/// Rooms that one server is asked about in one piece: what others ask meanwhile waits for no more than these.
const ROOMS_MAX: usize = 256;
/// Pieces that are on their way at the same time.
const PIECES_MAX: usize = 16;

/// What two commands answer about each of these rooms, in their order. `ask` adds just the two, both about keys of the
/// room.
pub(super) async fn of_each<A: FromRedisValue, B: FromRedisValue>(
    link: &Link,
    rooms: &[RoomId],
    ask: impl Fn(&mut Pipeline, &RoomKeys),
) -> Result<Vec<(A, B)>> {
    let (_, wire) = link.wire(Instant::now() + link.wait_max()).await?;
    let rooms_max = if matches!(wire, Wire::Cluster(_)) { 1 } else { ROOMS_MAX };
    drop(wire);
    let pieces: Vec<Pipeline> = rooms
        .chunks(rooms_max)
        .map(|rooms| {
            let mut piece = redis::pipe();
            rooms.iter().for_each(|room| ask(&mut piece, &link.keys().of_room(*room)));
            piece
        })
        .collect();
    let answers: Vec<Vec<(A, B)>> = stream::iter(pieces)
        .map(|piece| async move { pairs(link.read::<Vec<Value>>(&piece).await?) })
        .buffered(PIECES_MAX)
        .try_collect()
        .await?;
    Ok(answers.into_iter().flatten().collect())
}

/// Answers two by two.
pub(super) fn pairs<A: FromRedisValue, B: FromRedisValue>(answers: Vec<Value>) -> Result<Vec<(A, B)>> {
    let strange = |cause| StoreError::Unavailable(format!("Redis answers what was not asked: {cause}"));
    let mut answers = answers.into_iter();
    let mut pairs = Vec::with_capacity(answers.len() / 2);
    while let (Some(first), Some(second)) = (answers.next(), answers.next()) {
        pairs.push((from_redis_value(first).map_err(strange)?, from_redis_value(second).map_err(strange)?));
    }
    Ok(pairs)
}
