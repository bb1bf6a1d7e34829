//! Mails leave by a real connection, to a server that behaves as it is told.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use doorward_domain::{
    DisplayName, Email, Letter, Mail, Proof,
    ports::{EmailService, MailError},
};
use doorward_infra_mail::{Security, SmtpMailer, SmtpSettings, Templates};
use doorward_testkit::{Manner, SmtpServer};
use time::macros::datetime;
use uuid::Uuid;

fn settings(port: u16) -> SmtpSettings {
    SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port,
        security: Security::None,
        credentials: None,
        sender: "Example & Söhne <no-reply@example.org>".parse().unwrap(),
        patience: Duration::from_millis(500),
    }
}

fn mailer(settings: SmtpSettings) -> SmtpMailer {
    SmtpMailer::new(settings, Arc::new(Templates::built_in("Example"))).unwrap()
}

async fn server(manner: Manner) -> (SmtpServer, SmtpMailer) {
    let server = SmtpServer::start(manner).await.unwrap();
    let mailer = mailer(settings(server.address().port()));
    (server, mailer)
}

fn mail_to(to: &str) -> Mail {
    let proof = Proof {
        link: "https://app.example.org/verify?token=abc".into(),
        link_lives: time::Duration::DAY,
        code: "12345678".into(),
        code_lives: time::Duration::minutes(10),
    };
    Mail {
        id: Uuid::from_u128(7),
        to: Email::parse(to).unwrap(),
        name: DisplayName::parse("Ada, <eve@example.com> Löve\"lace").ok(),
        letter: Letter::VerifyEmail(proof),
        at: datetime!(2026-01-01 12:30 UTC),
    }
}

fn mail() -> Mail {
    mail_to("Ada@example.com")
}

/// The lines of the head, with those that go on in the next line put together.
fn head(content: &str) -> Vec<String> {
    let (head, _) = content.split_once("\r\n\r\n").expect("a head and a body");
    head.replace("\r\n ", " ").split("\r\n").map(str::to_owned).collect()
}

#[tokio::test]
async fn a_mail_has_one_recipient_and_a_head_that_nobody_else_wrote() {
    let (server, mailer) = server(Manner::Accepts).await;
    mailer.send(&mail()).await.unwrap();
    let taken = server.taken();
    assert_eq!(taken[0].from, "<no-reply@example.org>");
    assert_eq!(taken[0].recipients, ["<Ada@example.com>"]);
    let head = head(&taken[0].content);
    let lines = |name: &str| head.iter().filter(|line| line.starts_with(name)).collect::<Vec<_>>();
    assert_eq!(lines("To:"), ["To: Ada@example.com"]);
    assert_eq!(lines("Bcc:").len() + lines("Cc:").len(), 0);
    assert_eq!(
        lines("Message-ID:"),
        [&format!("Message-ID: <{}@example.org>", Uuid::from_u128(7))]
    );
    assert_eq!(lines("Auto-Submitted:"), ["Auto-Submitted: auto-generated"]);
    assert_eq!(lines("Date:"), ["Date: Thu, 01 Jan 2026 12:30:00 +0000"]);
    assert_eq!(lines("Subject:"), ["Subject: Confirm your address for Example"]);
    assert!(taken[0].content.contains("text/plain") && taken[0].content.contains("text/html"));
    assert!(!taken[0].content.contains("eve@"), "who signs others up does not write to them");
    assert!(taken[0].content.is_ascii(), "it passes every server");
}

#[tokio::test]
async fn what_may_pass_is_told_from_what_is_refused_for_good() {
    for (manner, is_temporary) in [
        (Manner::AnswersRecipient("451 try later\r\n"), true),
        (Manner::AnswersRecipient("530 sign in first\r\n"), true),
        (Manner::AnswersRecipient("550 no such user\r\n"), false),
        (Manner::AnswersMail("554 spam\r\n"), false),
        (Manner::AnswersMail("452 full\r\n"), true),
        (Manner::Greets("421 busy\r\n"), true),
        (Manner::Greets("554 go away\r\n"), true),
        (Manner::Greets("nonsense\r\n"), true),
        (Manner::Breaks, true),
        (Manner::Tarpit, true),
    ] {
        let (server, mailer) = server(manner).await;
        let started = Instant::now();
        let error = mailer.send(&mail()).await.unwrap_err();
        assert_eq!(matches!(error, MailError::Temporary(_)), is_temporary, "{manner:?}: {error:?}");
        assert_eq!(matches!(error, MailError::Refused(_)), !is_temporary, "{manner:?}: {error:?}");
        assert!(started.elapsed() < Duration::from_secs(5), "it gives up in time");
        assert!(server.taken().is_empty());
        server.behave(Manner::Accepts);
        mailer.send(&mail()).await.unwrap();
    }
    let nobody = mailer(settings(1)).send(&mail()).await;
    assert!(matches!(nobody, Err(MailError::Temporary(_))), "{nobody:?}");
}

#[tokio::test]
async fn a_mail_whose_fate_is_unknown_may_come_twice_and_shows_that_it_is_the_same() {
    for manner in [Manner::TakesAndBreaks, Manner::TakesAndStalls] {
        let (server, mailer) = server(manner).await;
        let first = mailer.send(&mail()).await;
        assert!(matches!(first, Err(MailError::Temporary(_))), "{manner:?}: {first:?}");
        server.behave(Manner::Accepts);
        mailer.send(&mail()).await.unwrap();
        let [first, second] = &server.taken()[..] else { panic!("two mails") };
        let id =
            |content: &str| head(content).into_iter().find(|line| line.starts_with("Message-ID"));
        assert_eq!(id(&first.content), id(&second.content));
    }
}

#[tokio::test]
async fn the_answer_to_a_mail_that_was_given_up_is_not_read_as_that_to_the_next() {
    let (server, mailer) = server(Manner::Accepts).await;
    mailer.send(&mail()).await.unwrap();
    server.behave(Manner::TakesAndStalls);
    mailer.send(&mail()).await.unwrap_err();
    server.behave(Manner::AnswersRecipient("550 no such user\r\n"));
    let next = mailer.send(&mail()).await;
    assert!(matches!(next, Err(MailError::Refused(_))), "{next:?}");
}

#[tokio::test]
async fn a_connection_is_used_again_and_one_that_was_closed_is_replaced() {
    for (manner, connections) in [(Manner::Accepts, 1), (Manner::ClosesAfterEach, 5)] {
        let (server, mailer) = server(manner).await;
        for _ in 0..5 {
            mailer.send(&mail()).await.unwrap();
        }
        assert_eq!(server.taken().len(), 5);
        let hellos = server.commands().iter().filter(|command| *command == "EHLO").count();
        assert_eq!(hellos, connections, "{manner:?}");
    }
}

#[tokio::test]
async fn a_host_beyond_ascii_reaches_every_server_and_a_name_only_those_that_know_of_it() {
    let (server, mailer) = server(Manner::Accepts).await;
    mailer.send(&mail_to("ada@bücher.example")).await.unwrap();
    mailer.send(&mail_to("jürgen@bücher.example")).await.unwrap();
    let taken = server.taken();
    assert_eq!(taken[0].recipients, ["<ada@xn--bcher-kva.example>"]);
    assert!(!taken[0].from.contains("SMTPUTF8"), "{}", taken[0].from);
    assert_eq!(taken[1].recipients, ["<jürgen@xn--bcher-kva.example>"]);
    assert!(taken[1].from.contains("SMTPUTF8"), "{}", taken[1].from);
    assert!(head(&taken[1].content).contains(&"To: jürgen@xn--bcher-kva.example".to_owned()));

    let address = ([127, 0, 0, 1], 0).into();
    let old = SmtpServer::start_at(address, Manner::Accepts, &[]).await.unwrap();
    let mailer = self::mailer(settings(old.address().port()));
    mailer.send(&mail_to("ada@bücher.example")).await.unwrap();
    let refused = mailer.send(&mail_to("jürgen@example.com")).await;
    assert!(matches!(refused, Err(MailError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn a_wrong_password_is_not_the_mails_fault() {
    let address = ([127, 0, 0, 1], 0).into();
    let manner = Manner::AnswersSignIn("535 5.7.8 who are you\r\n");
    let server = SmtpServer::start_at(address, manner, &["AUTH PLAIN LOGIN"]).await.unwrap();
    let credentials = Some(("doorward".to_owned(), "secret word".into()));
    let mailer = mailer(SmtpSettings { credentials, ..settings(server.address().port()) });
    let error = mailer.send(&mail()).await.unwrap_err();
    let said = format!("{error:?}");
    assert!(matches!(error, MailError::Temporary(_)), "{said}");
    assert!(said.contains("who are you") && !said.contains("secret word"), "{said}");
    server.behave(Manner::Accepts);
    mailer.send(&mail()).await.unwrap();
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn without_tls_nothing_is_said_where_tls_is_wanted() {
    for security in [Security::StartTls, Security::Tls] {
        let address = ([127, 0, 0, 1], 0).into();
        let server = SmtpServer::start_at(address, Manner::Accepts, &["AUTH PLAIN"]).await.unwrap();
        let credentials = Some(("doorward".to_owned(), "secret word".into()));
        let port = server.address().port();
        let mailer = mailer(SmtpSettings { security, credentials, ..settings(port) });
        let error = mailer.send(&mail()).await.unwrap_err();
        assert!(matches!(error, MailError::Temporary(_)), "{error:?}");
        let said: Vec<_> = server.commands().into_iter().filter(|word| word != "QUIT").collect();
        assert!(server.taken().is_empty() && !said.contains(&"AUTH".to_owned()), "{said:?}");
    }
}
