//! A topic's newest posts in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use super::post::Post;

/// What a ring can say about an offset.
pub(super) enum Read {
    /// The posts from there on, as many as fit; none when the offset is the next one to come.
    Posts(Vec<Arc<Post>>),
    /// The ring does not reach back so far (or holds nothing yet): the store knows.
    Behind,
}

/// Bounded in entries and bytes; the newest one always stays. Offsets in it rise by one.
#[derive(Default)]
pub(super) struct Ring {
    posts: VecDeque<Arc<Post>>,
    /// The offset that comes next; `None` while nobody knows.
    next: Option<u64>,
    bytes: usize,
    entries_max: usize,
    bytes_max: usize,
}

impl Ring {
    pub(super) fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self { entries_max: entries_max.max(1), bytes_max, ..Self::default() }
    }

    /// Takes the newest post in. One that does not follow the last begins the ring anew: a hole is no place to
    /// read from, and the store has what is missing.
    pub(super) fn push(&mut self, post: Arc<Post>) {
        if self.next != Some(post.offset) {
            self.posts.clear();
            self.bytes = 0;
        }
        self.next = Some(post.offset + 1);
        self.bytes += post.weight();
        self.posts.push_back(post);
        while self.posts.len() > self.entries_max || (self.bytes > self.bytes_max && self.posts.len() > 1) {
            if let Some(oldest) = self.posts.pop_front() {
                self.bytes -= oldest.weight();
            }
        }
    }

    /// The offset that comes next; `None` where nothing was pushed or expected yet.
    pub(super) const fn next(&self) -> Option<u64> {
        self.next
    }

    /// Everything from this offset on is going to be pushed. A ring that holds something knows better.
    pub(super) fn expect(&mut self, offset: u64) {
        self.next.get_or_insert(offset);
    }

    /// The oldest offset in it; `None` while it holds nothing.
    pub(super) fn first(&self) -> Option<u64> {
        self.posts.front().map(|oldest| oldest.offset)
    }

    /// The posts from `offset` on, until `bytes_max` is passed (one at least).
    pub(super) fn read(&self, offset: u64, bytes_max: usize) -> Read {
        let Some(next) = self.next else { return Read::Behind };
        let first = self.first().unwrap_or(next);
        if offset < first {
            return Read::Behind;
        }
        let skip = usize::try_from(offset.min(next) - first).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let fits = |post: &&Arc<Post>| {
            let first = bytes == 0;
            bytes += post.weight();
            first || bytes <= bytes_max
        };
        Read::Posts(self.posts.iter().skip(skip).take_while(fits).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(offset: u64) -> Arc<Post> {
        Arc::new(Post::of_rooms(offset, bytes::Bytes::from(vec![b'x'; 100])))
    }

    fn offsets(read: Read) -> Option<Vec<u64>> {
        match read {
            Read::Posts(posts) => Some(posts.iter().map(|post| post.offset).collect()),
            Read::Behind => None,
        }
    }

    #[test]
    fn a_ring_keeps_the_newest_and_says_when_it_does_not_reach_back() {
        let mut ring = Ring::new(3, usize::MAX);
        assert_eq!(offsets(ring.read(1, 1)), None);
        (1..=5).for_each(|offset| ring.push(post(offset)));
        assert_eq!(offsets(ring.read(2, usize::MAX)), None);
        assert_eq!(offsets(ring.read(3, usize::MAX)), Some(vec![3, 4, 5]));
        assert_eq!(offsets(ring.read(6, usize::MAX)), Some(vec![]));
        assert_eq!(offsets(ring.read(9, usize::MAX)), Some(vec![]));
    }

    #[test]
    fn a_ring_is_bounded_in_bytes_and_serves_one_post_at_least() {
        let mut ring = Ring::new(100, 2 * post(1).weight());
        (1..=5).for_each(|offset| ring.push(post(offset)));
        assert_eq!(offsets(ring.read(3, usize::MAX)), None);
        assert_eq!(offsets(ring.read(4, 1)), Some(vec![4]));
    }

    #[test]
    fn an_empty_ring_that_knows_what_comes_next_needs_no_store() {
        let mut ring = Ring::new(100, usize::MAX);
        ring.expect(7);
        assert_eq!(offsets(ring.read(6, usize::MAX)), None);
        assert_eq!(offsets(ring.read(7, usize::MAX)), Some(vec![]));
        // Committed together with what was expected, and told after it.
        ring.push(post(6));
        ring.push(post(7));
        ring.expect(3);
        assert_eq!(offsets(ring.read(6, usize::MAX)), Some(vec![6, 7]));
    }

    #[test]
    fn a_hole_begins_the_ring_anew() {
        let mut ring = Ring::new(100, usize::MAX);
        ring.push(post(1));
        ring.push(post(3));
        assert_eq!(offsets(ring.read(1, usize::MAX)), None);
        assert_eq!(offsets(ring.read(3, usize::MAX)), Some(vec![3]));
    }
}
