//! Where an entry stands in the file: the room's key and the offset in one integer, the row id.
//!
//! So a room's log is one run of rows in a table that SQLite orders by integers alone: an append touches one page, a
//! range read walks neighbours, and no second index has to be kept.

/// Bits for the offset: 68 thousand million entries in a room, and 134 million rooms in the life of a file.
const OFFSET_BITS: u32 = 36;

/// The row id of an entry. Both are positive and inside their bits.
pub(super) const fn place(key: i64, offset: u64) -> i64 {
    (key << OFFSET_BITS) | (offset as i64 & OFFSET_MAX as i64)
}

/// The offset in a row id.
pub(super) const fn offset(place: i64) -> u64 {
    place as u64 & OFFSET_MAX
}

/// The largest offset; no room gets there.
pub(super) const OFFSET_MAX: u64 = (1 << OFFSET_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_a_room_lie_side_by_side_and_before_those_of_the_next_room() {
        assert!(place(1, OFFSET_MAX) < place(2, 0));
        assert_eq!(place(7, 8) + 1, place(7, 9));
        assert_eq!(offset(place((1 << 27) - 1, OFFSET_MAX)), OFFSET_MAX);
        assert!(place((1 << 27) - 1, OFFSET_MAX) > 0);
    }
}
