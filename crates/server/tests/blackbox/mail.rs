//! A mail server that is down, slow or unfriendly keeps nobody waiting.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use doorward_infra_postgres::testing::TestDatabase;
use doorward_testkit::{Manner, SmtpServer, TakenMail};
use reqwest::Method;
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    api::{Person, sign_up_body},
    support::{PATIENCE, Random, SECRET, Server, Setting, folder, free_port, run, until},
};

const FROM: (&str, &str) = ("APP_MAIL_FROM", "Doorward <no-reply@example.org>");

#[tokio::test]
async fn a_server_is_ready_whatever_its_mail_server_does() {
    let folder = folder();
    let url = format!("smtp://127.0.0.1:{}?tls=none", free_port());
    let settings = [("APP_MAIL_SMTP_URL", &*url), FROM, ("APP_MAIL_PAGES", "false")];
    let server = Server::start(folder.path(), &settings).await;
    let api = server.api();
    assert_eq!(api.get("/health/ready").await.expect(200)["status"], "ok");
    api.get("/verify-email?token=x").await.expect_problem(404, "not_found");
    // What is sent elsewhere is not shown here.
    api.get("/dev/mailbox").await.expect_problem(404, "not_found");
    api.get("/dev/mailbox.json").await.expect_problem(404, "not_found");
    assert!(!server.program.printed().contains("/dev/mailbox"));
}

#[tokio::test]
async fn in_development_mails_are_kept_to_be_seen() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]).await;
    assert!(server.program.printed().contains("/dev/mailbox"));
    assert_eq!(server.api().get("/dev/mailbox.json").await.expect(200), json!([]));
    // The links in them lead somewhere.
    for path in ["/dev/mailbox", "/verify-email?token=x", "/reset-password?token=x"] {
        let page = server.api().get(path).await;
        let html = Some("text/html; charset=utf-8");
        assert_eq!((page.status, page.header("content-type")), (200, html), "{path}");
    }
}

#[tokio::test]
async fn production_shows_no_mails_and_says_when_none_are_sent() {
    let folder = folder();
    let production = [("APP_ENV", "production"), ("APP_AUTH_SECRET", SECRET)];
    let migrated = run(folder.path(), &production, &["migrate"], "").await;
    assert_eq!(migrated.code, 0, "{}", migrated.told);
    let server = Server::launch(folder.path(), &production).await;
    let api = server.api();
    until("readiness", PATIENCE, async || {
        (api.get("/health/ready").await.status == 200).then_some(())
    })
    .await;
    assert!(server.program.log().contains("mails wait as jobs"), "{}", server.program.log());
    api.get("/dev/mailbox").await.expect_problem(404, "not_found");
    drop(server);

    let settings = [&production[..], &[("APP_MAIL_TRANSPORT", "mailbox")]].concat();
    let refused = run(folder.path(), &settings, &["config", "check"], "").await;
    assert_ne!(refused.code, 0);
    assert!(refused.told.contains("mail.transport"), "{}", refused.told);

    let in_the_way = [&production[..], &[("APP_MAIL_VERIFY_EMAIL_PATH", "/docs")]].concat();
    let refused = run(folder.path(), &in_the_way, &["serve"], "").await;
    assert_ne!(refused.code, 0);
    assert!(refused.told.contains("mail.verify_email_path"), "{}", refused.told);
    assert!(!refused.told.contains("panicked"), "{}", refused.told);
}

/// How long Doorward waits for its mail server.
const MAIL_PATIENCE: Duration = Duration::from_secs(5);
/// By then a mail is tried again that could not be sent a few times.
const RECOVERY: Duration = Duration::from_mins(1);

fn message_id(mail: &TakenMail) -> &str {
    let line = mail.content.lines().find(|line| line.starts_with("Message-ID: "));
    line.expect("every mail has an id")
}

/// The ids of the mails to each address, with those that came more than once.
fn by_recipient(mails: &[TakenMail]) -> BTreeMap<String, Vec<&str>> {
    let mut found = BTreeMap::<String, Vec<&str>>::new();
    for mail in mails {
        let [recipient] = &mail.recipients[..] else { panic!("one recipient: {mail:?}") };
        let recipient = recipient.trim_matches(['<', '>']).to_owned();
        found.entry(recipient).or_default().push(message_id(mail));
    }
    found
}

#[tokio::test]
async fn signing_up_waits_for_no_mail_server_and_the_mails_arrive_when_it_recovers() {
    let manners = [
        // At first nobody listens at all.
        None,
        Some(Manner::Tarpit),
        Some(Manner::Greets("554 no service\r\n")),
        Some(Manner::AnswersRecipient("451 later\r\n")),
        Some(Manner::AnswersRecipient("550 no\r\n")),
        Some(Manner::AnswersMail("554 no\r\n")),
        Some(Manner::Breaks),
        Some(Manner::TakesAndBreaks),
    ];
    let folder = folder();
    let address = (Ipv4Addr::LOCALHOST, free_port()).into();
    let url = format!("smtp://{address}?tls=none");
    let patience = MAIL_PATIENCE.as_secs().to_string();
    let settings =
        [("APP_MAIL_SMTP_URL", url.as_str()), FROM, ("APP_MAIL_TIMEOUT_SECONDS", &patience)];
    let server = Server::start(folder.path(), &settings).await;
    let mut smtp = None;
    for (number, manner) in manners.iter().enumerate() {
        if let Some(manner) = *manner {
            match &smtp {
                None => {
                    smtp = Some(SmtpServer::start_at(address, manner, &[]).await.expect("free"));
                }
                Some(smtp) => smtp.behave(manner),
            }
        }
        let started = Instant::now();
        server.api().sign_up(&Person::new(&format!("person {number}"))).await.expect(201);
        assert!(started.elapsed() < MAIL_PATIENCE, "{manner:?}: {:?}", started.elapsed());
        let Some(smtp) = &smtp else { continue };
        // The mail server gets to behave so, before it behaves otherwise.
        let before = smtp.connections();
        until("a mail is brought", RECOVERY, async || {
            (smtp.connections() > before || manner == &Some(Manner::TakesAndBreaks)).then_some(())
        })
        .await;
    }
    let smtp = smtp.expect("it was started");
    let everybody: BTreeSet<String> =
        (0..manners.len()).map(|number| Person::new(&format!("person {number}")).email).collect();
    smtp.behave(Manner::Accepts);
    let mails = until("all mails", RECOVERY, async || {
        let mails = smtp.taken();
        (by_recipient(&mails).len() == everybody.len()).then_some(mails)
    })
    .await;
    for (recipient, ids) in by_recipient(&mails) {
        assert!(everybody.contains(&recipient), "{recipient}");
        // Only an answer that got lost makes a mail come again, and it is the same mail.
        assert!(ids.len() <= 2 && ids.iter().all(|id| *id == ids[0]), "{recipient}: {ids:?}");
    }
}

/// How often the server is killed while people sign up. `TEST_KILL_ROUNDS` raises it.
fn kill_rounds() -> usize {
    let rounds = std::env::var("TEST_KILL_ROUNDS").ok();
    rounds.map_or(5, |text| text.parse().expect("TEST_KILL_ROUNDS is a number"))
}

async fn who_was_acknowledged_has_a_mail(database: &[Setting<'_>]) {
    const EACH: usize = 20;
    let folder = folder();
    let unhurried = [("APP_RATE_LIMIT_ENABLED", "false"), ("APP_AUTH_HASH_QUEUE", "1000")];
    let settings = [&unhurried, database].concat();
    let mut random = Random::new();
    let mut acknowledged = BTreeSet::new();
    for round in 0..kill_rounds() {
        let mut server = Server::start(folder.path(), &settings).await;
        let mut clients = JoinSet::new();
        for number in 0..EACH {
            let (api, person) = (server.api(), Person::new(&format!("p {round} {number}")));
            clients.spawn(async move {
                let body = sign_up_body(&person);
                let sent = api.attempt(Method::POST, "/api/v1/users", None, Some(&body)).await;
                sent.ok().filter(|answer| answer.status == 201).map(|_| person.email)
            });
        }
        sleep(Duration::from_millis(random.below(1500))).await;
        server.program.kill();
        acknowledged.extend(clients.join_all().await.into_iter().flatten());
    }
    let server = Server::start(folder.path(), &settings).await;
    until("a mail for everybody", RECOVERY, async || {
        let mailbox = server.api().get("/dev/mailbox.json").await.expect(200);
        let mut count = BTreeMap::<&str, u32>::new();
        for mail in mailbox.as_array().expect("a list") {
            *count.entry(mail["to"].as_str().expect("an address")).or_default() += 1;
        }
        assert!(count.values().all(|count| *count == 1), "{count:?}");
        acknowledged.iter().all(|email| count.contains_key(email.as_str())).then_some(())
    })
    .await;
    eprintln!("{} sign-ups acknowledged, each with one mail", acknowledged.len());
    assert!(!acknowledged.is_empty());
}

#[tokio::test]
async fn who_was_acknowledged_has_a_mail_after_kill_9_and_one_only_on_sqlite() {
    who_was_acknowledged_has_a_mail(&[]).await;
}

#[tokio::test]
async fn who_was_acknowledged_has_a_mail_after_kill_9_and_one_only_on_postgres() {
    let database = TestDatabase::create().await;
    let settings = [("APP_DATABASE_URL", &*database.url()), ("APP_AUTH_SECRET", SECRET)];
    who_was_acknowledged_has_a_mail(&settings).await;
    database.drop().await;
}
