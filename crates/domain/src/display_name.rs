//! The name under which a person is shown.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Longest name in code points.
const MAX_CHARACTERS: usize = 100;

/// A person's name as shown to others: 1 to 100 code points of printable text in NFC, without
/// white space at either end. Characters that hide text or turn its direction are refused, because
/// the name appears in mails and in other people's pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(String);

/// Why a text cannot be a display name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisplayNameError {
    #[error("must not be empty")]
    Empty,
    #[error("must be at most {MAX_CHARACTERS} characters")]
    TooLong,
    #[error("must not hold control, line-break, invisible or direction-changing characters")]
    Unprintable,
}

impl DisplayName {
    /// Reads a name; white space at the ends is dropped.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, DisplayNameError> {
        let text = text.trim();
        // One code point has at most 4 octets, and NFC at most triples the code points; a longer
        // text is refused before any work is done on it.
        if text.len() > MAX_CHARACTERS * 4 * 3 {
            return Err(DisplayNameError::TooLong);
        }
        let name: String = text.nfc().collect();
        if name.is_empty() {
            return Err(DisplayNameError::Empty);
        }
        if name.chars().count() > MAX_CHARACTERS {
            return Err(DisplayNameError::TooLong);
        }
        if name.chars().any(is_unprintable) {
            return Err(DisplayNameError::Unprintable);
        }
        Ok(Self(name))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character shows nothing of its own or changes how its neighbours are shown. The zero
/// width joiners are let through: emoji and several scripts are written with them.
pub(crate) fn is_unprintable(c: char) -> bool {
    match c {
        '\u{200c}' | '\u{200d}' => false,
        c => matches!(
            c.general_category(),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::Surrogate
                | GeneralCategory::PrivateUse
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_names_that_deceive_or_do_not_fit() {
        let cases = [
            ("", DisplayNameError::Empty),
            (" \t ", DisplayNameError::Empty),
            (&"x".repeat(101), DisplayNameError::TooLong),
            (&"e\u{301}".repeat(1_000_000), DisplayNameError::TooLong),
            ("Ada\0", DisplayNameError::Unprintable),
            ("Ada\nBcc: x", DisplayNameError::Unprintable),
            ("Ada\u{202e}nimda", DisplayNameError::Unprintable),
            ("A\u{200b}da", DisplayNameError::Unprintable),
            ("Ada\u{2028}", DisplayNameError::Unprintable),
            ("Ada\u{feff}x", DisplayNameError::Unprintable),
        ];
        for (text, error) in cases {
            // `trim` takes a trailing line separator away, so it is wrapped to stay in the middle.
            let text =
                if text.ends_with('\u{2028}') { format!("{text}x") } else { text.to_owned() };
            assert_eq!(DisplayName::parse(&text), Err(error), "{:.20}", text.escape_debug());
        }
    }

    #[test]
    fn accepts_names_of_all_kinds_in_nfc() {
        for (text, name) in [
            ("  Ada Lovelace ", "Ada Lovelace"),
            ("Jose\u{301}", "Jos\u{e9}"),
            ("山田 太郎", "山田 太郎"),
            ("👩\u{200d}🚀", "👩\u{200d}🚀"),
            ("O'Neil <b>", "O'Neil <b>"),
        ] {
            assert_eq!(DisplayName::parse(text).unwrap().as_str(), name);
        }
    }
}
