//! The name under which a person is shown.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};
use unicode_normalization::UnicodeNormalization;

use crate::case_folding::fold_case;

/// Longest name in code points.
const MAX_CHARACTERS: usize = 100;

/// A person's name as shown to others: 1 to 100 code points of printable text in NFC, at least one of
/// them visible, without white space at either end. Characters that hide text or turn its direction
/// are refused, because the name appears in mails and in other people's pages.
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
        let name = composed(text);
        if name.is_empty() {
            return Err(DisplayNameError::Empty);
        }
        if name.chars().count() > MAX_CHARACTERS {
            return Err(DisplayNameError::TooLong);
        }
        if name.chars().any(is_unprintable) || !name.chars().any(is_visible) {
            return Err(DisplayNameError::Unprintable);
        }
        Ok(Self(name))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which people are looked up by name, without regard to case.
    #[must_use]
    pub fn folded(&self) -> String {
        fold_case(&self.0)
    }
}

/// The text in NFC, which ASCII always is.
pub(crate) fn composed(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { text.nfc().collect() }
}

fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

/// The zero width joiners, with which emoji and several scripts are written, and the selectors between
/// the plain and the coloured form of an emoji. They show nothing alone.
const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}')
}

/// Whether a character shows nothing of its own or changes how its neighbours are shown.
pub(crate) fn is_unprintable(c: char) -> bool {
    // Read with every row, and hardly ever anything else than this.
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c);
    let invisible = matches!(
        category(c),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::Surrogate
            | GeneralCategory::PrivateUse
    );
    // Code points that will never be characters (Unicode §23.7).
    let never = u32::from(c) & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c);
    (ignorable || invisible || never) && !is_joiner(c)
}

/// Whether a character can be seen when it stands alone.
fn is_visible(c: char) -> bool {
    if c.is_ascii_graphic() {
        return true;
    }
    let is_mark = matches!(
        category(c),
        GeneralCategory::NonspacingMark
            | GeneralCategory::SpacingMark
            | GeneralCategory::EnclosingMark
    );
    // The blank of Braille is a symbol that looks like a space.
    !c.is_whitespace() && !is_mark && !is_joiner(c) && c != '\u{2800}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_is_judged_as_the_rest_of_unicode_is() {
        for c in (0_u8..128).map(char::from) {
            let control = category(c) == GeneralCategory::Control;
            assert_eq!(is_unprintable(c), control, "{c:?}");
            assert_eq!(is_visible(c), !c.is_whitespace(), "{c:?}");
            assert_eq!(composed(&c.to_string()), c.nfc().collect::<String>());
        }
    }

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
            ("\u{200d}", DisplayNameError::Unprintable),
            ("\u{fe0f}", DisplayNameError::Unprintable),
            ("\u{3164}", DisplayNameError::Unprintable),
            ("\u{115f}", DisplayNameError::Unprintable),
            ("\u{2800}", DisplayNameError::Unprintable),
            ("\u{301}", DisplayNameError::Unprintable),
            ("a\u{fffe}", DisplayNameError::Unprintable),
            ("a\u{10ffff}", DisplayNameError::Unprintable),
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
            ("Ada ❤\u{fe0f}", "Ada ❤\u{fe0f}"),
            ("O'Neil <b>", "O'Neil <b>"),
        ] {
            assert_eq!(DisplayName::parse(text).unwrap().as_str(), name);
        }
    }
}
