//! MESSAGE frames of a run of posts, encoded once for all subscribers of an equal flavour.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::cursor::Flavour;
use super::post::Post;

/// Different flavours whose frames are kept while an entry is handed round. Clients use the same few subscription
/// ids; one who makes a new id for every subscription costs an encoding each and no memory.
const FLAVOURS_MAX: usize = 16;

/// Posts that are being handed round, with their frames by flavour.
pub(super) struct Round<'a> {
    posts: &'a [Arc<Post>],
    encoded: Vec<(Arc<Flavour>, Frames)>,
}

/// The frames of a run of posts for one flavour, in one buffer.
pub(super) struct Frames {
    /// The offset of the first post.
    first: u64,
    /// All of them, one behind the other.
    pub(super) bytes: Bytes,
    /// Where each one ends in `bytes`.
    ends: SmallVec<[usize; 4]>,
}

impl Frames {
    /// Writes the posts' frames.
    pub(super) fn encode(posts: &[Arc<Post>], flavour: &Flavour) -> Option<Self> {
        let first = posts.first()?.offset;
        let mut bytes = BytesMut::new();
        let ends = posts.iter().map(|post| {
            post.write(flavour, &mut bytes);
            bytes.len()
        });
        let ends = ends.collect();
        Some(Self { first, bytes: bytes.freeze(), ends })
    }

    /// The offset behind the last post.
    pub(super) fn end(&self) -> u64 {
        self.first + self.ends.len() as u64
    }

    /// Where the frames from an offset on begin in `bytes`; `None` when there are none or the offset lies before the
    /// first.
    pub(super) fn start_of(&self, offset: u64) -> Option<usize> {
        let skip = usize::try_from(offset.checked_sub(self.first)?).ok()?;
        if skip == 0 {
            return Some(0);
        }
        self.ends.get(skip - 1).copied().filter(|start| *start < self.bytes.len())
    }
}

impl<'a> Round<'a> {
    pub(super) const fn new(posts: &'a [Arc<Post>]) -> Self {
        Self { posts, encoded: Vec::new() }
    }

    /// The frames for one flavour, encoded once.
    pub(super) fn frames(&mut self, flavour: &Arc<Flavour>) -> Option<&Frames> {
        // Equal ones are mostly the same one; a flavour that is not kept is compared in vain and still right.
        let is_it = |(held, _): &(Arc<Flavour>, Frames)| Arc::ptr_eq(held, flavour);
        let at =
            self.encoded.iter().position(is_it).or_else(|| self.encoded.iter().position(|(held, _)| held == flavour));
        let at = match at {
            Some(at) => at,
            None => {
                let frames = Frames::encode(self.posts, flavour)?;
                // The last place is for those that are too many.
                self.encoded.truncate(FLAVOURS_MAX - 1);
                self.encoded.push((Arc::clone(flavour), frames));
                self.encoded.len() - 1
            }
        };
        self.encoded.get(at).map(|(_, frames)| frames)
    }
}
