//! Sessions over HTTP requests on several nodes: a request that reaches a node which does not own the session is answered
//! by way of the owner.
//!
//! The node that gets a session's first request holds the session's name in the store, and owns it until it is forgotten.
//! What another node gets of it, it relays, as questions that the owner answers ([`words`]):
//!
//! | request | at the node that got it | at the owner |
//! |---|---|---|
//! | one that receives | [`far`]: takes one frame after the other, as the client takes them | [`owner`]: holds the turn meanwhile |
//! | one that sends | [`far::say`] | gives the frames to the session, and answers when it took them |
//!
//! So all that a session knows stays at one node, and there is no second way through it: two that receive at once, the
//! disconnect delay, the bounds of queues are the owner's, as ever. Heart-beats, the length of a streaming answer and the
//! dress of frames are of the node that speaks with the client.
//!
//! Whatever may get lost between the nodes is asked for again: each take has a number, and the owner keeps the last answer
//! until the next one is asked for. Invariants: no frame is told twice or left out without the session ending; a turn is
//! given up when the client is gone, or the node that speaks with it.

pub(super) mod far;
mod owner;
mod words;

pub(super) use owner::Receivers;
pub use owner::answer_nodes;
