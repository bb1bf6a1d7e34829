//! Mails stay in the mailbox.

use std::sync::Arc;

use doorward_domain::{
    DisplayName, Email, Letter, Mail,
    ports::{EmailService, MailboxQueries},
};
use doorward_infra_mail::{MailboxMailer, Templates};
use doorward_testkit::{FixedClock, MemoryStore};
use time::{Duration, macros::datetime};
use uuid::Uuid;

#[tokio::test]
async fn a_mail_is_kept_as_it_would_have_been_sent_and_once() {
    let (store, clock) = (MemoryStore::default(), Arc::new(FixedClock::default()));
    let templates = Arc::new(Templates::built_in("Example"));
    let mailer = MailboxMailer::new(Arc::new(store.clone()), Arc::clone(&clock) as _, templates);
    let mail = Mail {
        id: Uuid::from_u128(7),
        to: Email::parse("Ada@example.com").unwrap(),
        name: DisplayName::parse("Ada").ok(),
        letter: Letter::Welcome,
        at: datetime!(2026-01-01 00:00 UTC),
    };
    for _ in 0..2 {
        clock.advance(Duration::HOUR);
        mailer.send(&mail).await.unwrap();
    }
    let kept = store.mailbox(10).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].id, kept[0].to.as_given()), (mail.id, "Ada@example.com"));
    assert_eq!(kept[0].subject, "Welcome to Example");
    assert!(kept[0].text.starts_with("Hello Ada,\n"), "{}", kept[0].text);
    assert!(kept[0].html.contains("<p style=\"margin:0 0 16px\">Hello Ada,</p>"));
    assert_eq!(kept[0].at, datetime!(2026-01-01 01:00 UTC), "when it arrived first");
}
