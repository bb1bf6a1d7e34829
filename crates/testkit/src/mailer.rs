use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use doorward_domain::{
    Mail,
    ports::{EmailService, MailError},
};

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
