//! Passwords, by the rules of NIST SP 800-63B-4 §3.1.1.

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;

/// Longest new password in code points after NFKC.
const MAX_CHARACTERS: usize = 256;
/// Longest password that can be tried, in octets as typed. It bounds the work of one request, and is
/// what the widespread systems take from which accounts are imported (Django, passlib).
const MAX_OCTETS: usize = 4096;
/// The name of the product, which must not make up a password.
const PRODUCT: &str = "doorward";

/// A password that somebody typed: 1 to 4096 octets, no NUL. White space at the ends is part of it.
/// Nothing prints it, and it is wiped from memory when dropped.
#[derive(Debug, Clone)]
pub struct Password {
    /// In NFKC.
    normalised: SecretString,
    /// As typed, where that differs.
    typed: Option<SecretString>,
}

/// What a new password must fulfil beyond being a [`Password`]: at most 256 code points after NFKC,
/// and what this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Least number of code points after NFKC.
    pub min_length: usize,
}

/// Why a password is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("must not be empty")]
    Empty,
    #[error(
        "must be at least {min} characters; a few words in a row are easy to remember and hard to guess"
    )]
    TooShort { min: usize },
    #[error("must be at most {max} characters")]
    TooLong { max: usize },
    #[error("must not hold the NUL character")]
    Nul,
    #[error("is too easy to guess: {reason}")]
    Guessable { reason: String },
}

impl Password {
    /// Reads a password without judging its strength, as signing in does.
    ///
    /// # Errors
    /// When it is empty, too long or holds NUL. All of these are found before any hashing.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        if text.is_empty() {
            return Err(PasswordError::Empty);
        }
        if text.len() > MAX_OCTETS {
            return Err(PasswordError::TooLong { max: MAX_OCTETS });
        }
        if text.contains('\0') {
            return Err(PasswordError::Nul);
        }
        let normalised = SecretString::from(text.nfkc().collect::<String>());
        let typed = (normalised.expose_secret() != text).then(|| text.into());
        Ok(Self { normalised, typed })
    }

    /// The octets to hash: both Unicode forms of a password are one.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.normalised.expose_secret().as_bytes()
    }

    /// The octets as they were typed. Other systems hash these, so an imported hash is of these.
    #[must_use]
    pub fn expose_typed(&self) -> &[u8] {
        self.typed.as_ref().unwrap_or(&self.normalised).expose_secret().as_bytes()
    }
}

impl PasswordPolicy {
    /// Judges a password that is about to be set. `personal` are words that an attacker would try
    /// first: the person's address and name.
    ///
    /// # Errors
    /// When the password is too short, too long, or so guessable that zxcvbn scores it below 3 of 4.
    pub fn judge(&self, password: &Password, personal: &[&str]) -> Result<(), PasswordError> {
        let text = password.normalised.expose_secret();
        let length = text.chars().count();
        if length < self.min_length {
            return Err(PasswordError::TooShort { min: self.min_length });
        }
        if length > MAX_CHARACTERS {
            return Err(PasswordError::TooLong { max: MAX_CHARACTERS });
        }
        let words: Vec<&str> = personal
            .iter()
            .flat_map(|text| {
                std::iter::once(*text).chain(text.split(|c: char| !c.is_alphanumeric()))
            })
            .filter(|word| word.chars().count() > 2)
            .chain(std::iter::once(PRODUCT))
            .collect();
        let mut weakness = None;
        for window in windows(&without(text, personal)) {
            let estimate = zxcvbn::zxcvbn(&window, &words);
            if estimate.score() >= zxcvbn::Score::Three {
                return Ok(());
            }
            weakness = weakness.or_else(|| estimate.feedback()?.warning());
        }
        let reason = weakness.map_or_else(
            || "use more, and less common, words".to_owned(),
            |warning| warning.to_string().trim_end_matches('.').to_owned(),
        );
        Err(PasswordError::Guessable { reason })
    }
}

/// What is left of a password when the person's own address and name are taken out: whoever guesses
/// begins with them, so they add nothing. The estimator alone would not find a long one, because it
/// sees a part of the password at a time.
fn without(text: &str, personal: &[&str]) -> String {
    let mut rest = text.to_lowercase();
    for known in personal.iter().filter(|known| known.chars().count() > 2) {
        rest = rest.replace(&known.nfkc().collect::<String>().to_lowercase(), "");
    }
    // Upper and lower case count for the estimator.
    if rest.len() == text.to_lowercase().len() { text.to_owned() } else { rest }
}

/// The parts of a password that are estimated: all of a short one, otherwise its beginning and its end.
/// A password is as hard to guess as its hardest part.
///
/// The estimator's work grows with the square of the length and with the number of ways to read
/// `4@8({[<` as letters. On hostile input of full length that is seconds; on these windows it is
/// a few milliseconds.
fn windows(text: &str) -> impl Iterator<Item = String> {
    const WIDTH: usize = 32;
    let characters: Vec<char> = text.chars().collect();
    let first = characters[..characters.len().min(WIDTH)].to_vec();
    let last = (characters.len() > WIDTH).then(|| characters[characters.len() - WIDTH..].to_vec());
    std::iter::once(first).chain(last).map(|window| fold_look_alikes(&window))
}

/// What the estimator may read as one letter. Where a window allows many readings, each group is folded to
/// its first character, which reads as the same letter.
const LOOK_ALIKES: [&str; 6] = ["4@", "({[<", "1!|", "5$", "7+", "69"];
/// The most readings that are left as they are.
const MAX_READINGS: usize = 8;

fn fold_look_alikes(window: &[char]) -> String {
    let present = |group: &&str| group.chars().filter(|c| window.contains(c)).count().max(1);
    let readings: usize = LOOK_ALIKES.iter().map(present).product();
    if readings <= MAX_READINGS {
        return window.iter().collect();
    }
    let fold = |c: &char| {
        // 6 and 9 stay apart: digits mean something in dates and sequences.
        let group = LOOK_ALIKES[..5].iter().find(|group| group.contains(*c));
        group.and_then(|group| group.chars().next()).unwrap_or(*c)
    };
    window.iter().map(fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: PasswordPolicy = PasswordPolicy { min_length: 15 };

    fn judge(text: &str) -> Result<(), PasswordError> {
        let password = Password::parse(text)?;
        POLICY.judge(&password, &["ada.lovelace@example.com", "Ada Lovelace"])
    }

    #[test]
    fn refuses_what_cannot_be_a_password() {
        assert_eq!(judge(""), Err(PasswordError::Empty));
        let long = |max| Err(PasswordError::TooLong { max });
        assert_eq!(judge(&"correct horse ".repeat(19)), long(256));
        assert_eq!(judge(&"x".repeat(4096)), long(256));
        assert_eq!(judge(&"x".repeat(4097)), long(4096));
        assert_eq!(judge(&"x".repeat(1_000_000)), long(4096));
        assert_eq!(judge("correct horse\0battery"), Err(PasswordError::Nul));
        assert_eq!(judge("fourteen chars"), Err(PasswordError::TooShort { min: 15 }));
    }

    #[test]
    fn counts_code_points_after_nfkc() {
        // The ligature is one code point as typed and three after NFKC.
        let long = Err(PasswordError::TooLong { max: 256 });
        assert_eq!(judge(&"\u{fb03}".repeat(86)), long);
        assert_ne!(judge(&"\u{fb03}".repeat(85)), long);
        // Four octets a character are still one character each.
        assert_ne!(judge(&"🦀".repeat(256)), long);
    }

    #[test]
    fn what_another_system_took_can_be_tried_and_is_kept_as_typed() {
        for (typed, normalised) in [
            ("x", "x"),
            (" ", " "),
            ("4\u{b5}m\u{b2}", "4\u{3bc}m2"),
            ("cafe\u{301}", "caf\u{e9}"),
            (&"x".repeat(4096), &"x".repeat(4096)),
        ] {
            let password = Password::parse(typed).unwrap();
            assert_eq!(password.expose_typed(), typed.as_bytes());
            assert_eq!(password.expose(), normalised.as_bytes());
        }
    }

    #[test]
    fn refuses_what_is_guessable_and_says_why() {
        for text in [
            "passwordpassword",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "123456789012345678",
            "ada.lovelace@example.com",
            "Ada Lovelace Ada",
            "doorwarddoorward",
            "qwertyuiopasdfgh",
        ] {
            let refusal = judge(text).unwrap_err();
            assert!(
                matches!(&refusal, PasswordError::Guessable { reason } if !reason.is_empty()),
                "{text}"
            );
        }
    }

    #[test]
    fn accepts_long_passphrases_of_any_characters() {
        for text in [
            "correct horse battery staple",
            "  leading and trailing kept  ",
            "пароль из нескольких слов",
            "🦀🐙🦑🐡🐠🦐🦞🐚🐳🐬🐟🦈🐊🐢🦎",
            &format!("{} walks the long way home", "tortoise".repeat(20)),
        ] {
            assert_eq!(judge(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn both_unicode_forms_are_one_password_and_spaces_count() {
        let composed = Password::parse("caf\u{e9} au lait demain").unwrap();
        let decomposed = Password::parse("cafe\u{301} au lait demain").unwrap();
        let spaced = Password::parse(" caf\u{e9} au lait demain").unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
        assert_ne!(composed.expose(), spaced.expose());
    }

    #[test]
    fn a_hard_part_makes_up_for_an_easy_one() {
        let padded = format!("{}correct horse battery staple", "a".repeat(60));
        assert_eq!(judge(&padded), Ok(()));
        let turned = format!("correct horse battery staple{}", "a".repeat(60));
        assert_eq!(judge(&turned), Ok(()));
        let only_easy = format!("{}{}", "a".repeat(60), "b".repeat(60));
        assert!(matches!(judge(&only_easy), Err(PasswordError::Guessable { .. })));
    }

    #[test]
    fn ones_own_address_and_name_add_nothing_however_long() {
        let address = "ada.lovelace@analytical-engine-works.example";
        let name = "Augusta Ada King Countess of Lovelace, née Byron";
        for text in [
            address.to_owned(),
            address.to_uppercase(),
            format!("{address}1"),
            format!("1{address}{name}"),
            name.to_owned(),
            name.to_lowercase(),
        ] {
            let password = Password::parse(&text).unwrap();
            let refusal = POLICY.judge(&password, &[address, name]);
            assert!(matches!(refusal, Err(PasswordError::Guessable { .. })), "{text}");
        }
        let password = Password::parse(&format!("{name} correct horse battery staple")).unwrap();
        assert_eq!(POLICY.judge(&password, &[address, name]), Ok(()));
    }

    #[test]
    fn look_alikes_are_folded_only_where_there_are_many() {
        let fold = |text: &str| fold_look_alikes(&text.chars().collect::<Vec<_>>());
        for plain in ["p@$$w0rd1!", "tortoise 1987 mountain 4620", "1234567890"] {
            assert_eq!(fold(plain), plain);
        }
        assert_eq!(fold("4@({[<1!|5$7+69"), "44((((111557769");
        for easy in ["P@$$w0rd!P@$$w0rd!", "123456789012345678"] {
            assert!(matches!(judge(easy), Err(PasswordError::Guessable { .. })), "{easy}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let password = Password::parse("correct horse\u{b2} battery staple").unwrap();
        assert!(!format!("{password:?}").contains("horse"));
    }
}
