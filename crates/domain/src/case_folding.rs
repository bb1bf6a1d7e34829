//! Comparing text that people typed without regard to case.

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

/// The form in which two texts are equal if they differ only in case: Unicode case folding, in NFC.
pub(crate) fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    UniCase::unicode(text).to_folded_case().nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_make_no_difference() {
        for (one, other) in [
            ("ADA Lovelace", "ada lovelace"),
            ("Straße", "STRASSE"),
            ("JOSE\u{301}", "jos\u{e9}"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ] {
            assert_eq!(fold_case(one), fold_case(other), "{one}");
        }
        assert_ne!(fold_case("Ada"), fold_case("Àda"));
    }

    #[test]
    fn ascii_folds_as_the_rest_of_unicode_does() {
        let ascii: String = (0_u8..128).map(char::from).collect();
        let folded: String = UniCase::unicode(&*ascii).to_folded_case().nfc().collect();
        assert_eq!(fold_case(&ascii), folded);
    }
}
