//! A mail server that is down, slow or unfriendly keeps nobody waiting.

use serde_json::json;

use crate::support::{PATIENCE, SECRET, Server, folder, free_port, run, until};

const FROM: (&str, &str) = ("APP_MAIL_FROM", "Doorward <no-reply@example.org>");

#[tokio::test]
async fn a_server_is_ready_whatever_its_mail_server_does() {
    let folder = folder();
    let url = format!("smtp://127.0.0.1:{}?tls=none", free_port());
    let server = Server::start(folder.path(), &[("APP_MAIL_SMTP_URL", &url), FROM]).await;
    let api = server.api();
    assert_eq!(api.get("/health/ready").await.expect(200)["status"], "ok");
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
    let page = server.api().get("/dev/mailbox").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
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
}
