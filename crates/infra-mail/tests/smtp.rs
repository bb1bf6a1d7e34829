//! Mails leave by a real connection, to a server that behaves as it is told.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use doorward_domain::{
    DisplayName, Email, Letter, Mail, Proof,
    ports::{EmailService, MailError},
};
use doorward_infra_mail::{Security, SmtpMailer, SmtpSettings, Templates};
use time::macros::datetime;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

/// What a server does when it is asked to take a mail.
#[derive(Clone, Copy)]
enum Manner {
    Accepts,
    /// Answers the recipient so.
    Answers(&'static str),
    /// Accepts the connection and says nothing.
    Tarpit,
    /// Closes in the middle of an answer.
    Breaks,
    /// Accepts one mail, then closes the connection that the client would use again.
    ClosesAfterEach,
}

/// A server that keeps what it accepted.
struct Server {
    port: u16,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mails = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&mails);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                // A client that goes away in the middle is no matter.
                tokio::spawn(async move { serve(stream, manner, &kept).await.ok() });
            }
        });
        Self { port, mails }
    }

    fn mailer(&self) -> SmtpMailer {
        mailer(self.port)
    }
}

async fn serve(
    stream: TcpStream,
    manner: Manner,
    kept: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    if matches!(manner, Manner::Tarpit) {
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {}
        return Ok(());
    }
    stream.write_all(b"220 test\r\n").await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = match (line.split([' ', '\r']).next().unwrap_or_default(), manner) {
            ("EHLO", _) => "250-test\r\n250 8BITMIME\r\n",
            ("RCPT", Manner::Answers(answer)) => answer,
            ("RCPT", Manner::Breaks) => {
                stream.write_all(b"25").await?;
                return Ok(());
            }
            ("DATA", _) => {
                stream.write_all(b"354 go on\r\n").await?;
                let mail = read_mail(&mut stream).await?;
                kept.lock().unwrap().push(mail);
                stream.write_all(b"250 taken\r\n").await?;
                if matches!(manner, Manner::ClosesAfterEach) {
                    return Ok(());
                }
                continue;
            }
            ("QUIT", _) => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "250 ok\r\n",
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}

async fn read_mail(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut mail = String::new();
    loop {
        let start = mail.len();
        if stream.read_line(&mut mail).await? == 0 || &mail[start..] == ".\r\n" {
            return Ok(mail);
        }
    }
}

fn mailer(port: u16) -> SmtpMailer {
    let settings = SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port,
        security: Security::None,
        username: None,
        password: None,
        from: "Example & Söhne <no-reply@example.org>".to_owned(),
        patience: Duration::from_millis(500),
        max_connections: 2,
    };
    SmtpMailer::new(&settings, Arc::new(Templates::built_in("Example"))).unwrap()
}

fn mail(name: &str) -> Mail {
    let proof = Proof {
        link: "https://app.example.org/verify#token".into(),
        link_lives: time::Duration::DAY,
        code: "12345678".into(),
        code_lives: time::Duration::minutes(10),
    };
    Mail {
        id: Uuid::from_u128(7),
        to: Email::parse("Ada@example.com").unwrap(),
        name: DisplayName::parse(name).unwrap(),
        letter: Letter::VerifyEmail(proof),
        at: datetime!(2026-01-01 00:00 UTC),
    }
}

/// The lines of the head, with those that go on in the next line put together.
fn head(mail: &str) -> Vec<String> {
    let (head, _) = mail.split_once("\r\n\r\n").expect("a head and a body");
    head.replace("\r\n ", " ").split("\r\n").map(str::to_owned).collect()
}

#[tokio::test]
async fn a_mail_has_one_recipient_and_a_head_that_nobody_else_wrote() {
    let server = Server::start(Manner::Accepts).await;
    server.mailer().send(&mail("Ada, <eve@example.com> Löve\"lace")).await.unwrap();
    let mails = server.mails.lock().unwrap();
    let head = head(&mails[0]);
    let lines = |name: &str| head.iter().filter(|line| line.starts_with(name)).collect::<Vec<_>>();
    assert_eq!(lines("To:").len(), 1);
    assert!(lines("To:")[0].ends_with(" <Ada@example.com>"), "{:?}", lines("To:"));
    assert!(!lines("To:")[0].contains("<eve@"), "{:?}", lines("To:"));
    assert_eq!(lines("Bcc:").len() + lines("Cc:").len(), 0);
    assert_eq!(
        lines("Message-ID:"),
        [&format!("Message-ID: <{}@example.org>", Uuid::from_u128(7))]
    );
    assert_eq!(lines("Auto-Submitted:"), ["Auto-Submitted: auto-generated"]);
    assert_eq!(lines("Subject:"), ["Subject: Confirm your address for Example"]);
    assert!(mails[0].contains("text/plain") && mails[0].contains("text/html"));
}

#[tokio::test]
async fn what_may_pass_is_told_from_what_is_refused_for_good() {
    for (manner, is_temporary) in [
        (Manner::Answers("451 try later\r\n"), true),
        (Manner::Answers("550 no such user\r\n"), false),
        (Manner::Breaks, true),
        (Manner::Tarpit, true),
    ] {
        let server = Server::start(manner).await;
        let started = Instant::now();
        let error = server.mailer().send(&mail("Ada")).await.unwrap_err();
        assert_eq!(matches!(error, MailError::Temporary(_)), is_temporary, "{error:?}");
        assert_eq!(matches!(error, MailError::Refused(_)), !is_temporary, "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(5), "it gives up in time");
        assert!(server.mails.lock().unwrap().is_empty());
    }
    let nobody = mailer(1).send(&mail("Ada")).await;
    assert!(matches!(nobody, Err(MailError::Temporary(_))), "{nobody:?}");
}

#[tokio::test]
async fn a_connection_is_used_again_and_one_that_was_closed_is_replaced() {
    for manner in [Manner::Accepts, Manner::ClosesAfterEach] {
        let server = Server::start(manner).await;
        let mailer = server.mailer();
        for _ in 0..5 {
            mailer.send(&mail("Ada")).await.unwrap();
        }
        assert_eq!(server.mails.lock().unwrap().len(), 5);
    }
}

#[test]
fn a_sender_that_is_no_address_is_refused_at_start() {
    let settings = SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: 25,
        security: Security::None,
        username: None,
        password: None,
        from: "nobody".to_owned(),
        patience: Duration::from_secs(1),
        max_connections: 1,
    };
    assert!(SmtpMailer::new(&settings, Arc::new(Templates::built_in("Example"))).is_err());
}
