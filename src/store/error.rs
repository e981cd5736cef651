//! Why a store says no.

/// A refusal of the store. The message is fit for the person who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such room, or not any more.
    #[error("there is no such room")]
    RoomUnknown,
    /// A cursor was to start behind the end of the log.
    #[error("after: the room's log ends at {last}; subscribe with history instead")]
    AfterPastEnd {
        /// The newest offset.
        last: u64,
    },
    /// `limits.rooms_max` is reached.
    #[error("there are {limit} rooms already, which is limits.rooms_max")]
    TooManyRooms {
        /// The limit.
        limit: u64,
    },
    /// Somebody has this name.
    #[error("this name is taken")]
    NameTaken,
    /// There is no such account.
    #[error("there is no account of this name")]
    AccountUnknown,
    /// The invitation is unknown, used or expired.
    #[error("this invitation is unknown, used or expired")]
    InvitationInvalid,
    /// Too much is waiting to be written.
    #[error("the server is overloaded; try again in a moment")]
    Busy,
    /// Another process serves from the store now: nothing was stored, and there it can be asked for again.
    #[error("another process serves here now; come again")]
    Elsewhere,
    /// The store cannot do it now: the disk is full, the file is gone, the process ends.
    #[error("the store is not available: {0}")]
    Unavailable(String),
}
