//! Proofs that somebody reads the mail of an address: what verification, a new password and a change of
//! address rest on.
//!
//! A mail carries a token and a code. Either shows once that the mail arrived. Neither is kept: both follow
//! from the id of the proof, which is the id of the job that sends the mail. So a mail that is sent again,
//! because nobody knows whether it arrived, says the same.

use std::fmt;

use secrecy::SecretString;
use time::Duration;

use crate::{Email, ProofId, Timestamp, UserId};

/// How many mails of one purpose go to an address in [`MAILS_WINDOW`], whoever asks for them.
pub const MAILS_MAX: u32 = 3;
pub const MAILS_WINDOW: Duration = Duration::HOUR;
/// How long a code works after the mail was sent, but no longer than the token.
pub const CODE_LIFE: Duration = Duration::minutes(10);
/// How often one may try to guess a code.
pub const CODE_TRIES_MAX: u32 = 5;

/// What may be done by who has the proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProofPurpose {
    /// Marking the address as verified.
    VerifyEmail,
    /// Choosing another password.
    ResetPassword,
    /// Making the address, to which the mail went, that of the account.
    ConfirmEmailChange,
    /// Putting an end to a change of address, or undoing it; the mail went to the one before.
    CancelEmailChange,
}

impl ProofPurpose {
    pub const ALL: [Self; 4] =
        [Self::VerifyEmail, Self::ResetPassword, Self::ConfirmEmailChange, Self::CancelEmailChange];

    /// The word that stands in the databases, and in the MACs of tokens: it never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ConfirmEmailChange => "confirm_email_change",
            Self::CancelEmailChange => "cancel_email_change",
        }
    }

    /// Reads the word for a purpose; anything else is `None`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == word)
    }
}

/// A proof that was, or is about to be, mailed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailProof {
    pub id: ProofId,
    pub user_id: UserId,
    pub purpose: ProofPurpose,
    /// Where the mail goes, and so what is proved.
    pub address: Email,
    /// Of the token that was mailed last.
    pub token_digest: TokenDigest,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// The proof is over *at* this moment.
    pub expires_at: Timestamp,
    /// When it was used, or made void.
    pub used_at: Option<Timestamp>,
}

impl EmailProof {
    /// Whether the proof may be used at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && now < self.expires_at
    }

    /// Until when a code works that is mailed at `now`.
    #[must_use]
    pub fn code_expires_at(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(CODE_LIFE).min(self.expires_at)
    }
}

/// The SHA-256 (FIPS 180-4) of a token: enough to know it again, and of no use to who reads it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest(pub [u8; 32]);

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

/// What a mail carries.
#[derive(Debug)]
pub struct ProofSecrets {
    pub token: SecretString,
    pub token_digest: TokenDigest,
    /// Eight digits.
    pub code: SecretString,
}

/// How long proofs live, from when they were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofLives {
    pub verification: Duration,
    pub password_reset: Duration,
    pub email_change: Duration,
    pub email_change_cancel: Duration,
}

impl ProofLives {
    #[must_use]
    pub const fn of(&self, purpose: ProofPurpose) -> Duration {
        match purpose {
            ProofPurpose::VerifyEmail => self.verification,
            ProofPurpose::ResetPassword => self.password_reset,
            ProofPurpose::ConfirmEmailChange => self.email_change,
            ProofPurpose::CancelEmailChange => self.email_change_cancel,
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_code_works_for_its_time_but_never_longer_than_the_token() {
        let start = datetime!(2026-01-01 00:00:00 UTC);
        let proof = EmailProof {
            id: ProofId::from_uuid(Uuid::from_u128(1)),
            user_id: UserId::from_uuid(Uuid::from_u128(2)),
            purpose: ProofPurpose::ResetPassword,
            address: Email::parse("ada@example.com").unwrap(),
            token_digest: TokenDigest([0; 32]),
            created_at: start,
            expires_at: start + Duration::HOUR,
            used_at: None,
        };
        assert_eq!(proof.code_expires_at(start), start + CODE_LIFE);
        let late = start + Duration::minutes(55);
        assert_eq!(proof.code_expires_at(late), proof.expires_at);
        assert!(proof.is_live(proof.expires_at - Duration::MICROSECOND));
        assert!(!proof.is_live(proof.expires_at));
        assert!(!EmailProof { used_at: Some(start), ..proof }.is_live(start));
    }

    #[test]
    fn each_purpose_has_a_word_of_its_own() {
        for purpose in ProofPurpose::ALL {
            assert_eq!(ProofPurpose::from_word(purpose.as_str()), Some(purpose));
        }
        assert_eq!(ProofPurpose::from_word("welcome"), None);
    }
}
