//! The octets of the frame that is being read, wherever they lie.
//!
//! Holds received octets: as they were fed while a frame lies within one piece, joined in one buffer when it spans
//! several. It must not know what a frame is. Invariant: each octet is looked at once, copied at most once, and the
//! joined buffer never has room for more than `bytes_max`.

use std::fmt;

use bytes::Bytes;
use memchr::memchr2;

/// Received octets with a mark: before it lies the frame so far, after it what is unread.
pub(super) struct Intake {
    /// The latest piece, from the frame's first octet on; if `joined` is not empty, from the first unread octet on.
    fed: Bytes,
    /// The frame so far, once it had to be joined.
    joined: Vec<u8>,
    /// Length of the frame so far in octets.
    seen: usize,
    bytes_max: usize,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// This octet was found; the frame so far ends with it.
    Stop(u8),
    /// All that was fed is read; more must come.
    Short,
    /// There is none within the room, and the room is full.
    Over,
}

impl Intake {
    /// `bytes_max` bounds the joined buffer; the caller never reads a frame further than that.
    pub(super) fn new(bytes_max: usize) -> Self {
        Intake { fed: Bytes::new(), joined: Vec::new(), seen: 0, bytes_max }
    }

    /// Takes the next piece. It is shared if all before it was read, as it is after a [`Reach::Short`]; else copied.
    pub(super) fn feed(&mut self, piece: Bytes) {
        if self.fed.is_empty() {
            self.fed = piece;
        } else if !piece.is_empty() {
            let mut both = std::mem::take(&mut self.fed).try_into_mut().unwrap_or_else(|shared| shared[..].into());
            both.extend_from_slice(&piece);
            self.fed = both.freeze();
        }
    }

    /// The frame so far.
    pub(super) fn frame(&self) -> &[u8] {
        if self.joined.is_empty() { self.fed.get(..self.seen).unwrap_or_default() } else { &self.joined }
    }

    /// Length of the frame so far in octets.
    pub(super) fn seen(&self) -> usize {
        self.seen
    }

    /// Octets held, read or not.
    pub(super) fn held(&self) -> usize {
        self.fed.len() + self.joined.len()
    }

    /// Reads on until one of two octets, through at most `room` octets.
    pub(super) fn until(&mut self, stops: [u8; 2], room: usize) -> Reach {
        let unread = self.unread();
        let window = unread.get(..room).unwrap_or(unread);
        let found = memchr2(stops[0], stops[1], window).and_then(|at| Some((at, *window.get(at)?)));
        let window_bytes = window.len();
        match found {
            Some((at, stop)) => {
                self.advance(at + 1);
                Reach::Stop(stop)
            }
            None if window_bytes == room => {
                self.advance(room);
                Reach::Over
            }
            None => {
                self.join(window_bytes);
                Reach::Short
            }
        }
    }

    /// Reads on until the frame is `end` octets long; whether it is.
    pub(super) fn through(&mut self, end: usize) -> bool {
        let missing = end.saturating_sub(self.seen);
        let unread_bytes = self.unread().len();
        if unread_bytes < missing {
            self.join(unread_bytes);
            return false;
        }
        self.advance(missing);
        true
    }

    /// Drops the ends of lines that stand before a frame; how many octets they were. None are found within a frame.
    pub(super) fn skip_line_ends(&mut self) -> usize {
        if self.seen > 0 {
            return 0;
        }
        let mut skipped = 0;
        loop {
            match self.fed.get(skipped..) {
                Some([b'\n', ..]) => skipped += 1,
                Some([b'\r', b'\n', ..]) => skipped += 2,
                _ => break,
            }
        }
        drop(self.fed.split_to(skipped));
        skipped
    }

    /// Hands out the frame so far, shared with the piece it was fed in or as the buffer it was joined in. What comes
    /// after it begins a new frame.
    pub(super) fn finish(&mut self) -> Bytes {
        let seen = std::mem::take(&mut self.seen);
        if self.joined.is_empty() { self.fed.split_to(seen) } else { Bytes::from(std::mem::take(&mut self.joined)) }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Intake::new(self.bytes_max);
    }

    fn unread(&self) -> &[u8] {
        let read = if self.joined.is_empty() { self.seen } else { 0 };
        self.fed.get(read..).unwrap_or_default()
    }

    fn advance(&mut self, count: usize) {
        if self.joined.is_empty() { self.seen += count } else { self.join(count) }
    }

    /// Moves the frame so far and `count` unread octets into the joined buffer.
    fn join(&mut self, count: usize) {
        let read = if self.joined.is_empty() { self.seen } else { 0 };
        let piece = self.fed.split_to(read + count);
        let needed = self.joined.len() + piece.len();
        if needed > self.joined.capacity() {
            // Doubling, but never past the limit: that is what a connection may cost.
            let capacity = (self.joined.capacity() * 2).min(self.bytes_max).max(needed);
            self.joined.reserve_exact(capacity - self.joined.len());
        }
        self.joined.extend_from_slice(&piece);
        self.seen = self.joined.len();
    }
}

/// Shows counts alone: among the octets are tokens and passwords.
impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("held_bytes", &self.held())
            .field("seen_bytes", &self.seen)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(bytes_max: usize, piece: &'static [u8]) -> Intake {
        let mut intake = Intake::new(bytes_max);
        intake.feed(Bytes::from_static(piece));
        intake
    }

    #[test]
    fn a_frame_within_one_piece_is_shared_with_it() {
        let piece = Bytes::from_static(b"ab\ncd\nrest");
        let mut intake = Intake::new(100);
        intake.feed(piece.clone());
        assert_eq!(intake.until([b'\n', 0], 100), Reach::Stop(b'\n'));
        assert_eq!(intake.until([b'\n', 0], 100), Reach::Stop(b'\n'));
        assert_eq!(intake.frame(), b"ab\ncd\n");
        assert_eq!(intake.finish().as_ptr(), piece.as_ptr());
        assert_eq!(intake.unread(), b"rest");
    }

    #[test]
    fn a_frame_over_several_pieces_is_joined_and_takes_nothing_of_the_next() {
        let mut intake = fed(100, b"ab");
        assert_eq!(intake.until([b'\n', 0], 100), Reach::Short);
        let next = Bytes::from_static(b"c\nde\n");
        intake.feed(next.clone());
        assert_eq!(intake.until([b'\n', 0], 98), Reach::Stop(b'\n'));
        assert_eq!(&intake.finish()[..], b"abc\n");
        assert_eq!(intake.until([b'\n', 0], 100), Reach::Stop(b'\n'));
        assert_eq!(intake.finish().as_ptr(), next[2..].as_ptr());
        assert_eq!(intake.held(), 0);
    }

    #[test]
    fn the_room_is_exact() {
        assert_eq!(fed(100, b"abc\n").until([b'\n', 0], 4), Reach::Stop(b'\n'));
        assert_eq!(fed(100, b"abc\n").until([b'\n', 0], 3), Reach::Over);
        assert_eq!(fed(100, b"abc").until([b'\n', 0], 3), Reach::Over);
        assert_eq!(fed(100, b"abc").until([b'\n', 0], 4), Reach::Short);
        assert_eq!(fed(100, b"").until([b'\n', 0], 0), Reach::Over);
    }

    #[test]
    fn the_joined_buffer_does_not_grow_past_the_limit() {
        let mut intake = Intake::new(100);
        for _ in 0..100 {
            intake.feed(Bytes::from_static(b"x"));
            intake.through(200);
            assert!(intake.joined.capacity() <= 100);
        }
        assert_eq!(intake.held(), 100);
    }

    #[test]
    fn line_ends_are_skipped_only_before_a_frame_and_a_half_one_stays() {
        let mut intake = fed(100, b"\n\r\n\n\r");
        assert_eq!(intake.skip_line_ends(), 4);
        assert_eq!(intake.unread(), b"\r");
        let mut intake = fed(100, b"a\n\n");
        assert_eq!(intake.until([b'\n', 0], 100), Reach::Stop(b'\n'));
        assert_eq!(intake.skip_line_ends(), 0);
    }

    #[test]
    fn pieces_fed_without_reading_are_kept_in_order() {
        let mut intake = fed(100, b"ab");
        intake.feed(Bytes::new());
        intake.feed(Bytes::from_static(b"cd"));
        intake.feed(Bytes::from_static(b"ef"));
        assert!(intake.through(6));
        assert_eq!(intake.frame(), b"abcdef");
    }
}
