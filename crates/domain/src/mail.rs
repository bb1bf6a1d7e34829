//! What Doorward writes to people.

use std::fmt;

use secrecy::SecretString;
use time::Duration;
use uuid::Uuid;

use crate::{DisplayName, Email, Timestamp};

/// A mail to one person.
///
/// **Invariant:** `to` is the address as it is *stored*, never one that was typed into a form. Of two
/// addresses that fold to the same, only the stored one belongs to the account.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Stays the same when the mail is sent again because nobody knows whether it arrived, so that
    /// the reader's program can show it once.
    pub id: Uuid,
    pub to: Email,
    /// How the person is addressed: by their name, if they have shown that the address is theirs. Before
    /// that, whoever typed the address in chose the name too, and could write to a stranger by it.
    pub name: Option<DisplayName>,
    pub letter: Letter,
    /// When there was a reason for it, not when it is sent.
    pub at: Timestamp,
}

/// What a mail says. Each has a template.
#[derive(Debug, Clone)]
pub enum Letter {
    /// The address was shown to be the person's.
    Welcome,
    /// Please show that the address is yours.
    VerifyEmail(Proof),
    /// Please choose another password.
    ResetPassword(Proof),
    /// Please show that the new address is yours; it goes there.
    ConfirmEmailChange(Proof),
    /// Somebody wants another address for the account; it goes to the present one.
    EmailChangeRequested {
        /// Where one can put an end to it.
        cancel_link: SecretString,
    },
    /// The password is another one now.
    PasswordChanged,
    /// Somebody signed up with the address of an account that is there already.
    AlreadySignedUp,
}

/// What shows that a mail arrived: a link for one click, and a code for those whose mail is read by
/// machines that follow links, or on another device.
#[derive(Debug, Clone)]
pub struct Proof {
    pub link: SecretString,
    /// How long the link works.
    pub link_lives: Duration,
    /// Eight digits.
    pub code: SecretString,
    /// How long the code works.
    pub code_lives: Duration,
}

/// Which letter it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LetterKind {
    Welcome,
    VerifyEmail,
    ResetPassword,
    ConfirmEmailChange,
    EmailChangeRequested,
    PasswordChanged,
    AlreadySignedUp,
}

/// So many mails the development mailbox keeps, the newest.
pub const MAILBOX_CAPACITY: u32 = 5_000;

/// A mail that was kept in place of being sent: what its reader would have got. It may hold links and codes.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptMail {
    /// That of the [`Mail`].
    pub id: Uuid,
    pub to: Email,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// When it arrived.
    pub at: Timestamp,
}

/// Without what it says, which does not belong in logs.
impl fmt::Debug for KeptMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, to, at, .. } = self;
        f.debug_struct("KeptMail")
            .field("id", id)
            .field("to", to)
            .field("at", at)
            .finish_non_exhaustive()
    }
}

impl LetterKind {
    /// The name of its template, and of the kind of job that sends it behind `mail.`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ConfirmEmailChange => "confirm_email_change",
            Self::EmailChangeRequested => "email_change_requested",
            Self::PasswordChanged => "password_changed",
            Self::AlreadySignedUp => "already_signed_up",
        }
    }
}

impl Letter {
    #[must_use]
    pub const fn kind(&self) -> LetterKind {
        match self {
            Self::Welcome => LetterKind::Welcome,
            Self::VerifyEmail(_) => LetterKind::VerifyEmail,
            Self::ResetPassword(_) => LetterKind::ResetPassword,
            Self::ConfirmEmailChange(_) => LetterKind::ConfirmEmailChange,
            Self::EmailChangeRequested { .. } => LetterKind::EmailChangeRequested,
            Self::PasswordChanged => LetterKind::PasswordChanged,
            Self::AlreadySignedUp => LetterKind::AlreadySignedUp,
        }
    }

    /// The name of its template.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.kind().as_str()
    }
}
