//! MESSAGE frames of a run of posts, encoded once for all subscribers of an equal flavour.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

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
#[derive(Clone)]
pub(super) struct Frames {
    /// The offset of the first post.
    pub(super) first: u64,
    /// All of them, one behind the other.
    pub(super) bytes: Bytes,
    /// Where each one ends in `bytes`.
    ends: Arc<[usize]>,
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

    /// The frames from an offset on; `None` when there are none or the offset lies before the first.
    pub(super) fn from(&self, offset: u64) -> Option<Bytes> {
        let skip = usize::try_from(offset.checked_sub(self.first)?).ok()?;
        if skip == 0 {
            return Some(self.bytes.clone());
        }
        let start = *self.ends.get(skip - 1)?;
        (start < self.bytes.len()).then(|| self.bytes.slice(start..))
    }
}

impl<'a> Round<'a> {
    pub(super) const fn new(posts: &'a [Arc<Post>]) -> Self {
        Self { posts, encoded: Vec::new() }
    }

    /// The frames for one flavour, encoded once. A closure's worth of laziness: a lagging cursor needs none.
    pub(super) fn for_flavour(&mut self, flavour: &Arc<Flavour>) -> impl FnMut() -> Option<Frames> {
        move || {
            if let Some((_, frames)) = self.encoded.iter().find(|(held, _)| held == flavour) {
                return Some(frames.clone());
            }
            let frames = Frames::encode(self.posts, flavour)?;
            if self.encoded.len() < FLAVOURS_MAX {
                self.encoded.push((Arc::clone(flavour), frames.clone()));
            }
            Some(frames)
        }
    }
}
