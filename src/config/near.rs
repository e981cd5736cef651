//! "Did you mean ...?": the known key that is nearest to a mistyped one.

use super::keys::KEYS;

/// The known key that was probably meant by `name`, if any comes close.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let last = name.rsplit('.').next().unwrap_or(name);
    // The right word in the wrong section: a key of the top that slipped below a [section], or the reverse.
    let misplaced = || KEYS.iter().map(|key| key.name).find(|known| known.rsplit('.').next() == Some(last));
    // The right section half written: `auth.sign` for `auth.sign_up`.
    let begun = || {
        let mut fitting = KEYS.iter().map(|key| key.name).filter(|known| known.starts_with(name));
        fitting.next().filter(|_| fitting.next().is_none())
    };
    let mistyped = || closest(name, KEYS.iter().map(|key| key.name));
    let mistyped_and_misplaced = || {
        let lasts = KEYS.iter().filter_map(|key| key.name.rsplit('.').next());
        let near = closest(last, lasts)?;
        KEYS.iter().map(|key| key.name).find(|known| known.rsplit('.').next() == Some(near))
    };
    misplaced().or_else(mistyped).or_else(begun).or_else(mistyped_and_misplaced)
}

/// The candidate with the fewest edits, if they are few for its length.
pub(super) fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let edits_max = word.chars().count().div_ceil(3).clamp(1, 4);
    candidates
        .map(|candidate| (edits(word, candidate), candidate))
        .filter(|(edits, _)| *edits <= edits_max)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements between two words (Levenshtein's distance).
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let above = *cell;
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_single_edits() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
        assert_eq!(edits("same", "same"), 0);
    }

    #[test]
    fn a_typo_leads_to_the_key_that_was_meant() {
        for (typed, meant) in [
            ("auth.token_minute", Some("auth.token_minutes")),
            ("lisen", Some("listen")),
            ("history.listen", Some("listen")),
            ("token_minutes", Some("auth.token_minutes")),
            ("messages_per_secnd", Some("limits.messages_per_second")),
            ("history.keep_entires", Some("history.keep_entries")),
            ("tls", None),
            ("kafka.brokers", None),
        ] {
            assert_eq!(nearest(typed), meant, "{typed}");
        }
    }
}
