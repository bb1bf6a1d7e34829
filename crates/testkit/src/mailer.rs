use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use doorward_domain::{
    Letter, Mail, Proof,
    ports::{EmailService, MailError},
};
use secrecy::ExposeSecret;

/// Keeps the mails that it was given, and refuses as many as it was told to.
#[derive(Default)]
pub struct FakeMailer {
    sent: Mutex<Vec<Mail>>,
    refusals: Mutex<VecDeque<MailError>>,
}

impl FakeMailer {
    /// What was sent, in this order.
    #[must_use]
    pub fn sent(&self) -> Vec<Mail> {
        lock(&self.sent).clone()
    }

    /// Takes what was sent, so that the next look shows what came after.
    #[must_use]
    pub fn take(&self) -> Vec<Mail> {
        std::mem::take(&mut *lock(&self.sent))
    }

    /// Answers one more of the mails to come with this error.
    pub fn refuse(&self, error: MailError) {
        lock(&self.refusals).push_back(error);
    }
}

/// The token in the link of a mail.
///
/// # Panics
/// When it has none.
#[must_use]
pub fn token_of(mail: &Mail) -> String {
    let link = match &mail.letter {
        Letter::EmailChangeRequested { cancel_link } => cancel_link,
        letter => &proof_of(letter).link,
    };
    let (_, token) = link.expose_secret().split_once("?token=").expect("a link has a token");
    token.to_owned()
}

/// The code in a mail.
///
/// # Panics
/// When it has none.
#[must_use]
pub fn code_of(mail: &Mail) -> String {
    proof_of(&mail.letter).code.expose_secret().to_owned()
}

fn proof_of(letter: &Letter) -> &Proof {
    match letter {
        Letter::VerifyEmail(proof)
        | Letter::ResetPassword(proof)
        | Letter::ConfirmEmailChange(proof) => proof,
        other => panic!("{} proves nothing", other.name()),
    }
}

/// A test that panicked while it held the lock has left a whole value behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl EmailService for FakeMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        if let Some(error) = lock(&self.refusals).pop_front() {
            return Err(error);
        }
        lock(&self.sent).push(mail.clone());
        Ok(())
    }
}
