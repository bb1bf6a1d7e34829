//! The development mailbox.

use axum::http::StatusCode;
use doorward_domain::{Email, KeptMail};
use doorward_http::HttpSettings;
use doorward_testkit::World;
use serde_json::json;
use time::macros::datetime;
use uuid::Uuid;

use super::support::{Answer, Api, settings};

async fn with_mailbox() -> Api {
    Api::with(World::default(), HttpSettings { mailbox: true, ..settings() }).await
}

async fn put(api: &Api, number: u128, subject: &str) -> String {
    let id = Uuid::from_u128(number);
    let mail = KeptMail {
        id,
        to: Email::parse("Ada@example.com").unwrap(),
        subject: subject.to_owned(),
        text: "Your code: <b>1234</b>".to_owned(),
        html: "<!doctype html><html><head></head><script>alert(1)</script></html>".to_owned(),
        at: datetime!(2026-01-01 12:00 UTC),
    };
    let mut work = api.world.ctx.store.begin().await.unwrap();
    assert!(work.mailbox_put(&mail, 10).await.unwrap());
    work.commit().await.unwrap();
    format!("/dev/mailbox/{id}")
}

fn page(answer: Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'; "));
    String::from_utf8(answer.octets).unwrap()
}

#[tokio::test]
async fn there_is_no_mailbox_unless_it_is_wanted() {
    let api = Api::new().await;
    let mail = put(&api, 1, "Hello").await;
    for path in ["/dev/mailbox", "/dev/mailbox.json", &mail, &format!("{mail}/html")] {
        let answer = api.get(path, None).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::NOT_FOUND, "not_found".into()));
    }
}

#[tokio::test]
async fn programs_read_the_newest_first() {
    let api = with_mailbox().await;
    let empty = api.get("/dev/mailbox.json", None).await;
    assert_eq!((empty.status, empty.json()), (StatusCode::OK, json!([])));
    put(&api, 1, "First").await;
    put(&api, 2, "Second").await;
    let answer = api.get("/dev/mailbox.json", None).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mail = |subject: &str| {
        json!({
            "to": "Ada@example.com",
            "subject": subject,
            "text": "Your code: <b>1234</b>",
            "html": "<!doctype html><html><head></head><script>alert(1)</script></html>",
            "at": "2026-01-01T12:00:00Z",
        })
    };
    assert_eq!(answer.json(), json!([mail("Second"), mail("First")]));
}

#[tokio::test]
async fn an_empty_mailbox_says_how_a_mail_gets_there() {
    let api = with_mailbox().await;
    let page = page(api.get("/dev/mailbox", None).await);
    assert!(page.contains("There is no mail yet") && page.contains("/api/v1/users"), "{page}");
}

#[tokio::test]
async fn a_mail_is_shown_in_both_forms_and_what_is_in_it_runs_nowhere() {
    let api = with_mailbox().await;
    let path = put(&api, 1, "<i>Hello</i> & welcome").await;
    let list = page(api.get("/dev/mailbox", None).await);
    assert!(list.contains(&format!("href=\"{path}\"")), "{list}");
    let shown = page(api.get(&path, None).await);
    for part in [
        "&lt;i&gt;Hello&lt;/i&gt; &amp; welcome",
        "Ada@example.com",
        "2026-01-01 12:00:00 UTC",
        "Your code: &lt;b&gt;1234&lt;/b&gt;",
        &format!("src=\"{path}/html\""),
        "sandbox=\"allow-popups allow-popups-to-escape-sandbox\"",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    for page in [&list, &shown] {
        assert!(!page.contains("<script") && !page.contains("<i>"), "{page}");
    }
    let html = api.get(&format!("{path}/html"), None).await;
    let policy = html.header("content-security-policy").unwrap().to_owned();
    assert!(policy.contains("; sandbox allow-popups allow-popups-to-escape-sandbox"), "{policy}");
    assert!(!policy.contains("script"), "{policy}");
    let html = self::page(html);
    assert!(html.contains("<head><base target=\"_blank\"></head>"), "{html}");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let api = with_mailbox().await;
    for path in ["/dev/mailbox/x", "/dev/mailbox/00000000-0000-0000-0000-000000000009/html"] {
        let answer = api.get(path, None).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::NOT_FOUND, "not_found".into()));
    }
}
