//! How a name is written: one spelling for what looks the same, and no letters that pass for others.
//!
//! Two names that nobody can tell apart on a screen must not be two people. It knows characters, not what they mean;
//! the tables are blocks of Unicode, coarse on purpose.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::decompose_compatible;

/// Unicode's form NFKC, except that the single letters of Hangul stay what they are: composed and decomposed
/// syllables, full-width and plain letters become the same.
///
/// NFKC alone would take `ㅋㅋ` apart into the beginnings of syllables, which fonts draw otherwise, and would make
/// `하` out of somebody who is called `ㅎㅏ`.
pub(super) fn normalised(text: &str) -> impl Iterator<Item = char> {
    let mut parts = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // All but the one in between, the filler, which is seen by nobody.
            '\u{3131}'..='\u{3163}' | '\u{3165}'..='\u{318E}' => parts.push(c),
            _ => decompose_compatible(c, |part| parts.push(part)),
        }
    }
    // Composing what was taken apart is NFKC.
    parts.nfc().collect::<Vec<_>>().into_iter()
}

/// Whether this is a piece of a Hangul syllable that stands alone, fillers among them: it is drawn like a letter of
/// Hangul, or not at all.
pub(super) const fn is_loose_jamo(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11FF}' | '\u{A960}'..='\u{A97F}' | '\u{D7B0}'..='\u{D7FF}')
}

/// Whether letters of two of the alphabets stand here that have letters in common for the eye: `аdmin` with a
/// Cyrillic а. Any other script mixes with each of them.
pub(super) fn mixes_look_alikes(text: &str) -> bool {
    let mut alphabets = text.chars().filter_map(alphabet);
    alphabets.next().is_some_and(|first| alphabets.any(|other| other != first))
}

#[derive(PartialEq, Eq)]
enum Alphabet {
    Latin,
    Greek,
    Cyrillic,
}

/// Which of the three a character of a normalised name is in.
fn alphabet(c: char) -> Option<Alphabet> {
    match c {
        'a'..='z'
        | 'A'..='Z'
        | '\u{C0}'..='\u{2AF}'
        | '\u{1D00}'..='\u{1D25}'
        | '\u{1D6B}'..='\u{1D77}'
        | '\u{1D79}'..='\u{1DBF}'
        | '\u{1E00}'..='\u{1EFF}'
        | '\u{2C60}'..='\u{2C7F}'
        | '\u{A720}'..='\u{A7FF}'
        | '\u{AB30}'..='\u{AB64}' => Some(Alphabet::Latin),
        '\u{370}'..='\u{3FF}' | '\u{1D26}'..='\u{1D2A}' | '\u{1F00}'..='\u{1FFF}' => Some(Alphabet::Greek),
        '\u{400}'..='\u{52F}'
        | '\u{1C80}'..='\u{1C8F}'
        | '\u{1D2B}'
        | '\u{1D78}'
        | '\u{2DE0}'..='\u{2DFF}'
        | '\u{A640}'..='\u{A69F}' => Some(Alphabet::Cyrillic),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        normalised(text).collect()
    }

    #[test]
    fn composed_and_decomposed_hangul_and_full_width_letters_are_one_spelling() {
        assert_eq!(written("\u{1106}\u{1175}\u{11AB}\u{110C}\u{1175}"), "민지");
        assert_eq!(written("ａｄｍｉｎ１"), "admin1");
        assert_eq!(written("e\u{301}"), "é");
        assert_eq!(written("ｶﾞ"), "ガ");
        for same in ["민지", "é", "happy.daddy-2_x", "日本", "Ελένη"] {
            assert_eq!(written(same), same);
        }
    }

    #[test]
    fn it_is_nfkc_wherever_no_single_letter_of_hangul_stands() {
        for text in ["ﬁx", "①", "Ⅳ", "㈜", "\u{1E9B}\u{323}", "a\u{315}\u{300}\u{5AE}b", "\u{FDFA}", "ﾊﾟ", "\u{212A}"]
        {
            assert_eq!(written(text), text.nfkc().collect::<String>(), "{text}");
        }
    }

    #[test]
    fn single_letters_of_hangul_stay_and_what_cannot_be_seen_is_loose() {
        assert_eq!(written("ㅋㅋㅎㅏ"), "ㅋㅋㅎㅏ");
        for unseen in ["\u{3164}", "\u{FFA0}", "\u{1160}", "\u{115F}"] {
            assert!(normalised(unseen).all(is_loose_jamo), "{unseen:?}");
        }
        assert!(!normalised("민지ㅋㅋ").any(is_loose_jamo));
    }

    #[test]
    fn latin_greek_and_cyrillic_do_not_mix_and_everything_else_does() {
        for mixed in ["\u{430}dmin", "admi\u{3BD}", "\u{430}\u{3BF}", "행복\u{430}dmin", "Jos\u{E9}\u{43E}"] {
            assert!(mixes_look_alikes(mixed), "{mixed}");
        }
        for plain in ["admin", "행복daddy2", "カナ日本abc", "Иван", "Ελένη", "Иван민지", "", "123", "José"]
        {
            assert!(!mixes_look_alikes(plain), "{plain}");
        }
    }
}
