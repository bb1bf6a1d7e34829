use std::sync::Arc;

use doorward_domain::{KeptMail, Timestamp, ports::Store};
use time::Duration;
use uuid::Uuid;

use super::samples::{NOW, begin, email};

fn mail(number: u128, at: Timestamp) -> KeptMail {
    KeptMail {
        id: Uuid::from_u128(number),
        to: email("Ada+tag@Example.com"),
        subject: format!("Subject {number} — ü"),
        text: "Hello,\n\n    12345678\n".to_owned(),
        html: "<p>Hello,</p>\n<p>\"'&amp;</p>".to_owned(),
        at,
    }
}

async fn put(store: &Arc<dyn Store>, mail: &KeptMail, keep: u32) -> bool {
    let mut work = begin(store).await;
    let is_new = work.mailbox_put(mail, keep).await.expect("the mail is kept");
    work.commit().await.expect("the unit of work commits");
    is_new
}

async fn numbers(store: &Arc<dyn Store>, limit: u32) -> Vec<u128> {
    let mails = store.mailbox(limit).await.expect("the mailbox can be read");
    mails.iter().map(|mail| mail.id.as_u128()).collect()
}

pub async fn a_mail_is_kept_as_written_and_once(store: Arc<dyn Store>) {
    let first = mail(1, NOW);
    assert!(put(&store, &first, 10).await);
    let again = KeptMail { subject: "Another".to_owned(), ..mail(1, NOW + Duration::HOUR) };
    assert!(!put(&store, &again, 10).await);
    let read = store.mailbox_mail(first.id).await.unwrap().expect("it is there");
    assert_eq!(read, first);
    assert_eq!(read.to.as_given(), "Ada+tag@Example.com");
    assert_eq!(store.mailbox(10).await.unwrap(), [first]);
    assert_eq!(store.mailbox_mail(Uuid::from_u128(2)).await.unwrap(), None);
}

pub async fn the_mailbox_shows_the_newest_first_and_forgets_the_oldest(store: Arc<dyn Store>) {
    // The last one arrived in between, and two at the same moment.
    for (number, minutes) in [(1, 0), (2, 2), (3, 2), (4, 1)] {
        assert!(put(&store, &mail(number, NOW + Duration::minutes(minutes)), 4).await);
    }
    assert_eq!(numbers(&store, 10).await, [3, 2, 4, 1]);
    assert_eq!(numbers(&store, 2).await, [3, 2]);
    assert!(put(&store, &mail(5, NOW + Duration::minutes(3)), 4).await);
    assert_eq!(numbers(&store, 10).await, [5, 3, 2, 4]);
    assert!(put(&store, &mail(6, NOW + Duration::minutes(4)), 2).await);
    assert_eq!(numbers(&store, 10).await, [6, 5]);
    // One that comes again forgets nobody.
    assert!(!put(&store, &mail(6, NOW), 1).await);
    assert_eq!(numbers(&store, 10).await, [6, 5]);
}
