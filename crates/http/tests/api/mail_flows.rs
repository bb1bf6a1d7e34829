//! What is done by mail: verifying an address, choosing another password, changing the address.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use doorward_domain::{AuditFilter, Email, LetterKind, Mail, PageLimit, PageRequest, ports::Store};
use doorward_testkit::{World, code_of, token_of};
use serde_json::{Value, json};

use super::support::{Answer, Api, PASSWORD, settings, text};

const ADA: &str = "ada@example.com";
const NEW: &str = "four other words in a row";
const AT_ONCE: usize = 50;

fn letter(mails: &[Mail], kind: LetterKind) -> &Mail {
    mails.iter().find(|mail| mail.letter.kind() == kind).expect("the mail was sent")
}

async fn login(api: &Api, email: &str, password: &str) -> Answer {
    api.post("/api/v1/auth/login", json!({"email": email, "password": password})).await
}

async fn is_verified(api: &Api) -> bool {
    let email = Email::parse(ADA).unwrap();
    api.world.ctx.store.user_by_email(&email).await.unwrap().unwrap().email_verified
}

#[tokio::test]
async fn a_token_or_a_code_with_its_address_is_read_but_not_both() {
    let api = Api::new().await;
    let fault = |pointer: &str, code: &str| (pointer.to_owned(), code.to_owned());
    for (body, expected) in [
        (json!({}), vec![fault("/token", "required")]),
        (json!({"token": 7}), vec![fault("/token", "invalid_type")]),
        (json!({"email": ADA}), vec![fault("/code", "required")]),
        (json!({"code": "12345678"}), vec![fault("/email", "required")]),
        (
            json!({"email": "x", "code": "1234567"}),
            vec![fault("/email", "invalid_format"), fault("/code", "invalid_format")],
        ),
        (
            json!({"token": "x", "email": ADA, "code": "12345678"}),
            vec![fault("/token", "unknown_field")],
        ),
    ] {
        let answer = api.post("/api/v1/auth/verify-email", body.clone()).await;
        assert_eq!(answer.faults(), expected, "{body}");
    }
    let reset = json!({"token": "x", "new_password": "short", "code": "x"});
    let answer = api.post("/api/v1/auth/password-reset/confirm", reset).await;
    assert!(answer.faults().contains(&fault("/new_password", "too_short")), "{answer:?}");
}

#[tokio::test]
async fn what_proves_nothing_has_one_answer() {
    let api = Api::new().await;
    api.sign_up(ADA).await;
    let mails = api.world.mails().await;
    let code = code_of(&mails[0]);
    let mut answers = Vec::new();
    for proof in [
        json!({"token": "x"}),
        json!({"token": token_of(&mails[0]).replace("verify_email", "reset_password")}),
        json!({"email": ADA, "code": "00000000"}),
        json!({"email": "nobody@example.com", "code": code}),
    ] {
        let answer = api.post("/api/v1/auth/verify-email", proof).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.problem(), "invalid_token");
        let mut body = answer.json();
        body["request_id"] = Value::Null;
        answers.push(body);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}

#[tokio::test]
async fn a_look_at_a_link_uses_nothing_up() {
    let api = Api::new().await;
    api.sign_up(ADA).await;
    let mails = api.world.mails().await;
    let path = format!("/api/v1/auth/verify-email?token={}", token_of(&mails[0]));
    assert_eq!(api.get(&path, None).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(!is_verified(&api).await);
}

#[tokio::test]
async fn nobody_signs_in_before_the_address_is_verified_where_that_is_required() {
    let mut world = World::default();
    world.ctx.policy.require_verified_email = true;
    let api = Api::with(world, settings()).await;
    api.sign_up(ADA).await;
    assert_eq!(login(&api, ADA, "wrong").await.problem(), "invalid_credentials");
    let refused = login(&api, ADA, PASSWORD).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.problem(), "email_not_verified");
    let code = code_of(&api.world.mails().await[0]);
    let verified = json!({"email": "ADA@example.com", "code": code});
    let answer = api.post("/api/v1/auth/verify-email", verified).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    assert_eq!(login(&api, ADA, PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn whoever_asks_for_a_mail_gets_the_same_answer_for_every_address() {
    let api = Api::new().await;
    api.sign_up(ADA).await;
    api.world.mails().await;
    for path in ["/api/v1/auth/verify-email/resend", "/api/v1/auth/password-reset"] {
        for email in [ADA, "nobody@example.com"] {
            let answer = api.post(path, json!({"email": email})).await;
            assert_eq!((answer.status, answer.octets.len()), (StatusCode::ACCEPTED, 0));
        }
    }
    assert_eq!(api.world.mails().await.len(), 2);
}

#[tokio::test]
async fn a_forgotten_password_is_replaced() {
    let api = Api::new().await;
    let token = api.signed_in(ADA).await;
    api.post("/api/v1/auth/password-reset", json!({"email": ADA})).await;
    let mails = api.world.mails().await;
    let proof = token_of(letter(&mails, LetterKind::ResetPassword));
    let confirm = |password: &str| {
        let body = json!({"token": proof, "new_password": password});
        api.post("/api/v1/auth/password-reset/confirm", body)
    };
    assert_eq!(confirm("ada@example.com").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(confirm(NEW).await.status, StatusCode::NO_CONTENT);
    assert_eq!(confirm(NEW).await.problem(), "invalid_token");
    assert_eq!(api.get("/api/v1/users/me", Some(&token)).await.problem(), "invalid_token");
    assert_eq!(login(&api, ADA, PASSWORD).await.problem(), "invalid_credentials");
    assert_eq!(login(&api, ADA, NEW).await.status, StatusCode::OK);
    let notices = api.world.mails().await;
    letter(&notices, LetterKind::PasswordChanged);
    api.world.assert_consistent().await;
}

#[tokio::test]
async fn an_address_is_changed_and_changed_back() {
    let api = Api::new().await;
    let token = api.signed_in(ADA).await;
    api.world.mails().await;
    let ask = |password: &str| {
        let body = json!({"new_email": "ada@example.org", "password": password});
        api.call(Method::POST, "/api/v1/users/me/email", Some(&token), Some(body))
    };
    assert_eq!(ask("wrong").await.problem(), "wrong_password");
    assert_eq!(ask(PASSWORD).await.status, StatusCode::ACCEPTED);
    let mails = api.world.mails().await;
    let confirm = json!({"token": token_of(letter(&mails, LetterKind::ConfirmEmailChange))});
    let cancel = json!({"token": token_of(letter(&mails, LetterKind::EmailChangeRequested))});
    let path = "/api/v1/auth/email-change/confirm";
    assert_eq!(api.post(path, cancel.clone()).await.problem(), "invalid_token");
    assert_eq!(api.post(path, confirm).await.status, StatusCode::NO_CONTENT);
    let me = api.get("/api/v1/users/me", Some(&token)).await.json();
    assert_eq!(
        (text(&me["email"]), &me["email_verified"]),
        ("ada@example.org".to_owned(), &json!(true))
    );
    let answer = api.post("/api/v1/auth/email-change/cancel", cancel).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(api.get("/api/v1/users/me", Some(&token)).await.problem(), "invalid_token");
    assert_eq!(login(&api, ADA, PASSWORD).await.status, StatusCode::OK);
}

/// The action of the one event that a request left.
async fn left(api: &Api, answer: &Answer) -> String {
    let id = answer.header("x-request-id");
    let page = PageRequest { limit: PageLimit::new(200).unwrap(), after: None };
    let events = api.world.ctx.store.audit_events(&AuditFilter::default(), page).await.unwrap();
    let mut own = events.items.iter().filter(|event| event.origin.request_id.as_deref() == id);
    let action = own.next().expect("the request left an event").action.clone();
    assert_eq!(own.next(), None, "one event");
    action
}

#[tokio::test]
async fn each_step_leaves_an_event() {
    let api = Api::new().await;
    let token = api.signed_in(ADA).await;
    let (auth, known) = ("/api/v1/auth", json!({"email": ADA}));
    for (path, expected) in [
        ("verify-email/resend", "verification.requested"),
        ("password-reset", "password_reset.requested"),
    ] {
        for body in [known.clone(), json!({"email": "nobody@example.com"})] {
            let answer = api.post(&format!("{auth}/{path}"), body).await;
            assert_eq!(left(&api, &answer).await, expected);
        }
    }
    let body = json!({"new_email": "ada@example.org", "password": PASSWORD});
    let path = "/api/v1/users/me/email";
    for (password, expected) in [("x", "password.refused"), (PASSWORD, "email_change.requested")] {
        let mut body = body.clone();
        body["password"] = password.into();
        let answer = api.call(Method::POST, path, Some(&token), Some(body)).await;
        assert_eq!(left(&api, &answer).await, expected);
    }
    let mails = api.world.mails().await;
    let proof = |kind| json!({"token": token_of(letter(&mails, kind))});
    let mut reset = proof(LetterKind::ResetPassword);
    reset["new_password"] = NEW.into();
    let confirm = proof(LetterKind::ConfirmEmailChange);
    let cancel = proof(LetterKind::EmailChangeRequested);
    let code = json!({"email": "nobody@example.com", "code": "12345678"});
    for (path, body, expected) in [
        ("verify-email", code, "proof.refused"),
        ("verify-email", proof(LetterKind::VerifyEmail), "email.verified"),
        ("verify-email", proof(LetterKind::VerifyEmail), "proof.refused"),
        ("email-change/confirm", confirm.clone(), "email.changed"),
        ("email-change/confirm", confirm, "proof.refused"),
        ("email-change/cancel", cancel.clone(), "email_change.cancelled"),
        ("email-change/cancel", cancel, "proof.refused"),
        ("password-reset/confirm", reset, "proof.refused"),
    ] {
        let answer = api.post(&format!("{auth}/{path}"), body).await;
        assert_eq!(left(&api, &answer).await, expected, "{path}");
    }
    api.post(&format!("{auth}/password-reset"), known).await;
    let mails = api.world.mails().await;
    let mut reset = json!({"token": token_of(letter(&mails, LetterKind::ResetPassword))});
    reset["new_password"] = NEW.into();
    let answer = api.post(&format!("{auth}/password-reset/confirm"), reset).await;
    assert_eq!(left(&api, &answer).await, "password.reset");
}

/// Sends a request many times at once, of which one is answered with 204: which. All others are refused as
/// invalid.
async fn at_once(api: &Arc<Api>, path: &'static str, body: impl Fn(usize) -> Value) -> usize {
    let start = Arc::new(tokio::sync::Barrier::new(AT_ONCE));
    let requests: Vec<_> = (0..AT_ONCE)
        .map(|number| {
            let (api, start, body) = (Arc::clone(api), Arc::clone(&start), body(number));
            tokio::spawn(async move {
                start.wait().await;
                api.post(path, body).await
            })
        })
        .collect();
    let mut done = Vec::new();
    for (number, request) in requests.into_iter().enumerate() {
        let answer = request.await.unwrap();
        match answer.status {
            StatusCode::NO_CONTENT => done.push(number),
            _ => assert_eq!(answer.problem(), "invalid_token"),
        }
    }
    assert_eq!(done.len(), 1, "{path}");
    done[0]
}

/// Two people, since a proof that was used makes the others of its user void.
async fn of_many_uses_of_a_proof_one_succeeds(store: Arc<dyn Store>) {
    let api = Arc::new(Api::over(store).await);
    api.sign_up(ADA).await;
    api.sign_up("bob@example.com").await;
    let mails = api.world.mails().await;
    let verify = json!({"token": token_of(&mails[0])});
    at_once(&api, "/api/v1/auth/verify-email", |_| verify.clone()).await;
    let verify = json!({"email": "bob@example.com", "code": code_of(&mails[1])});
    at_once(&api, "/api/v1/auth/verify-email", |_| verify.clone()).await;
    // One welcome each.
    assert_eq!(api.world.mails().await.len(), 2);

    for email in [ADA, "bob@example.com"] {
        api.post("/api/v1/auth/password-reset", json!({"email": email})).await;
    }
    let mails = api.world.mails().await;
    let new = |number: usize| format!("{NEW}, the {number}th");
    let path = "/api/v1/auth/password-reset/confirm";
    let token = token_of(&mails[0]);
    let reset = |number| json!({"token": token, "new_password": new(number)});
    let adas = at_once(&api, path, reset).await;
    let code = code_of(&mails[1]);
    let reset =
        |number| json!({"email": "bob@example.com", "code": code, "new_password": new(number)});
    let bobs = at_once(&api, path, reset).await;
    // One notice each, and the password of who won. Whoever sent a right code too late did not guess, so
    // nobody is locked out.
    assert_eq!(api.world.mails().await.len(), 2);
    for (email, won) in [(ADA, adas), ("bob@example.com", bobs)] {
        let lost = (won + 1) % AT_ONCE;
        assert_eq!(login(&api, email, &new(lost)).await.problem(), "invalid_credentials");
        assert_eq!(login(&api, email, &new(won)).await.status, StatusCode::OK, "{email}");
    }
    api.world.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_uses_one_succeeds_on_sqlite() {
    let database = doorward_infra_sqlite::testing::TestDatabase::create().await;
    of_many_uses_of_a_proof_one_succeeds(Arc::new(database.store().await)).await;
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_uses_one_succeeds_on_postgresql() {
    let database = doorward_infra_postgres::testing::TestDatabase::create().await;
    of_many_uses_of_a_proof_one_succeeds(Arc::new(database.store().await)).await;
    database.drop().await;
}
