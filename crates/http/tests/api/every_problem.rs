//! Each problem that the OpenAPI document promises of an operation is one that it answers with. The
//! other direction, that nothing else is answered, every test checks (`documented.rs`).

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use doorward_domain::{IdempotencyKey, LetterKind, idempotency::Caller};
use doorward_http::HttpSettings;
use doorward_testkit::{World, mock::MockStore, token_of};
use serde_json::{Value, json};

use super::{
    documented::{self, each_operation},
    limits::NeverBody,
    support::{Answer, Api, PASSWORD, limits, settings, text},
};

type Problems = BTreeSet<(String, String)>;

/// What is answered before a request has come to the router (`server/src/listener/tests/refusals.rs`).
const AT_THE_DOOR: [&str; 3] = ["bad_request", "uri_too_long", "headers_too_large"];
/// Only a defect could make them fail: they ask nobody.
const CANNOT_FAIL: [&str; 2] = ["get_public_keys", "get_liveness"];
/// Names nothing that exists.
const NOBODY: &str = "019b76da-a87b-774b-8000-00000000ffff";

/// An operation, to be asked as the document says.
struct Asked {
    id: String,
    method: Method,
    path: String,
    body: Option<Value>,
    is_paged: bool,
    needs_permission: bool,
    takes_key: bool,
}

/// All of them, about things that do not exist.
fn asked() -> Vec<Asked> {
    let one = |(path, method, operation): (&str, &str, &Value)| {
        let example = &operation["requestBody"]["content"]["application/json"]["example"];
        let parameters = operation["parameters"].as_array();
        let takes = |name| parameters.into_iter().flatten().any(|it| it["name"] == name);
        Asked {
            id: text(&operation["operationId"]),
            method: method.to_uppercase().parse().unwrap(),
            path: path.replace("{id}", NOBODY).replace("{name}", "nobodys-role"),
            body: (!example.is_null()).then(|| example.clone()),
            is_paged: takes("limit"),
            takes_key: takes("Idempotency-Key"),
            needs_permission: operation["x-permission"].is_string(),
        }
    };
    each_operation().map(one).collect()
}

impl Asked {
    async fn send(&self, api: &Api, token: Option<&str>) -> Answer {
        api.call(self.method.clone(), &self.path, token, self.body.clone()).await
    }

    async fn send_raw(&self, api: &Api, token: &str, kind: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, kind);
        api.send(request.body(body.into()).unwrap()).await
    }
}

#[tokio::test(start_paused = true)]
async fn each_promised_problem_is_answered() {
    let mut answered = Problems::new();
    answered.extend(refused_at_sight().await);
    answered.extend(refused_in_their_state().await);
    answered.extend(about_nothing().await);
    answered.extend(passwords_and_tokens().await);
    answered.extend(proofs_by_mail().await);
    answered.extend(too_many_guesses().await);
    answered.extend(administrators_and_roles().await);
    answered.extend(a_job_that_was_not_tried().await);
    answered.extend(keys_that_were_used_before().await);
    answered.extend(server_in_trouble().await);
    let excused = |(id, code): &&(String, String)| {
        AT_THE_DOOR.contains(&code.as_str())
            || code == "internal_error" && CANNOT_FAIL.contains(&id.as_str())
    };
    let promised = documented::problems();
    let never: Vec<_> =
        promised.difference(&answered).filter(|problem| !excused(problem)).collect();
    assert!(never.is_empty(), "promised, but not answered here: {never:?}");
}

/// What a client does is what the document shows.
#[tokio::test]
async fn the_example_of_each_request_is_accepted() {
    for asked in asked() {
        let api = Api::new().await;
        let admin = api.admin().await;
        let role = json!({"description": "", "permissions": []});
        api.call(Method::PUT, "/api/v1/roles/support", Some(&admin), Some(role)).await;
        let answer = asked.send(&api, Some(&admin)).await;
        let refused = [400, 413, 415, 422].contains(&answer.status.as_u16());
        assert!(!refused, "{}: {answer:?}", asked.id);
    }
}

/// No token, a bad one, one without the permission; a body or a query that does not fit.
async fn refused_at_sight() -> Problems {
    let api = Api::new().await;
    let (admin, plain) = (api.admin().await, api.signed_in("plain@example.com").await);
    for asked in asked() {
        asked.send(&api, None).await;
        asked.send(&api, Some("x")).await;
        if asked.needs_permission {
            asked.send(&api, Some(&plain)).await;
        }
        if asked.is_paged {
            let path = format!("{}?limit=0", asked.path);
            let answer = api.call(asked.method.clone(), &path, Some(&admin), None).await;
            shows_what_the_document_does(&asked, &answer);
        }
        if asked.body.is_none() {
            continue;
        }
        let kind = "application/json";
        asked.send_raw(&api, &admin, kind, "{").await;
        asked.send_raw(&api, &admin, "text/plain", "{}").await;
        asked.send_raw(&api, &admin, kind, "x".repeat(70_000)).await;
        asked.send_raw(&api, &admin, kind, Body::new(NeverBody)).await;
        let mut wrong = json!({});
        if matches!(asked.method, Method::PATCH) {
            let example = asked.body.as_ref().and_then(Value::as_object).unwrap();
            wrong = example.keys().map(|name| (name.clone(), json!(7))).collect();
        }
        let answer = asked.send_raw(&api, &admin, kind, wrong.to_string()).await;
        shows_what_the_document_does(&asked, &answer);
    }
    api.problems.into_inner().unwrap()
}

/// The example of `validation_failed` is made from the schema, the answer by the code that reads.
fn shows_what_the_document_does(asked: &Asked, answer: &Answer) {
    let (_, _, operation) = each_operation().find(|it| it.2["operationId"] == asked.id).unwrap();
    let content = &operation["responses"]["422"]["content"]["application/problem+json"];
    let shown = &content["examples"]["validation_failed"]["value"]["errors"][0];
    let body = answer.json();
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("{}: {body}", asked.id));
    assert!(errors.contains(shown), "{}: {shown} is not in {errors:?}", asked.id);
}

/// A client over its limit; a server that is starting, or is not well.
async fn refused_in_their_state() -> Problems {
    let mut answered = Problems::new();
    for asked in asked() {
        let settings = HttpSettings { rate_limits: Some(limits(1)), ..settings() };
        let api = Api::with(World::default(), settings).await;
        asked.send(&api, None).await;
        asked.send(&api, None).await;
        answered.extend(api.problems.into_inner().unwrap());
    }
    let starting = Api::starting();
    for asked in asked() {
        asked.send(&starting, None).await;
    }
    answered.extend(starting.problems.into_inner().unwrap());
    answered
}

/// Ids and names of what does not exist.
async fn about_nothing() -> Problems {
    let mut answered = Problems::new();
    for asked in asked() {
        let api = Api::new().await;
        let admin = api.admin().await;
        asked.send(&api, Some(&admin)).await;
        answered.extend(api.problems.into_inner().unwrap());
    }
    answered
}

async fn passwords_and_tokens() -> Problems {
    let api = Api::new().await;
    let token = api.signed_in("ada@example.com").await;
    api.sign_up("ada@example.com").await;
    let login = |password: &str| {
        api.post("/api/v1/auth/login", json!({"email": "ada@example.com", "password": password}))
    };
    login("not the password").await;
    let me = "/api/v1/users/me";
    let wrong = json!({"password": "not the password"});
    api.call(Method::DELETE, me, Some(&token), Some(wrong)).await;
    let wrong = json!({"current_password": "not the password", "new_password": "four other words in a row"});
    api.call(Method::PUT, &format!("{me}/password"), Some(&token), Some(wrong)).await;

    let pair = api.sign_in("ada@example.com").await;
    for _ in 0..2 {
        let refresh = json!({"refresh_token": pair["refresh_token"]});
        api.post("/api/v1/auth/refresh", refresh).await;
        api.world.clock.advance(time::Duration::minutes(1));
    }
    api.post("/api/v1/auth/refresh", json!({"refresh_token": "x"})).await;

    let id = text(&api.get(me, Some(&token)).await.json()["id"]);
    let admin = api.admin().await;
    let path = format!("/api/v1/users/{id}");
    api.call(Method::PATCH, &path, Some(&admin), Some(json!({"status": "disabled"}))).await;
    login(PASSWORD).await;
    api.problems.into_inner().unwrap()
}

async fn proofs_by_mail() -> Problems {
    let mut world = World::default();
    world.ctx.policy.require_verified_email = true;
    let mut api = Api::with(world, settings()).await;
    api.sign_up("ada@example.com").await;
    let login = json!({"email": "ada@example.com", "password": PASSWORD});
    api.post("/api/v1/auth/login", login).await;
    api.world.ctx.policy.require_verified_email = false;
    let api = {
        let answered = std::mem::take(&mut *api.problems.lock().unwrap());
        let reopened = api.reopened();
        reopened.problems.lock().unwrap().extend(answered);
        reopened
    };
    let token = text(&api.sign_in("ada@example.com").await["access_token"]);
    api.world.mails().await;

    let change = "/api/v1/users/me/email";
    let wrong = json!({"new_email": "ada@example.org", "password": "not the password"});
    api.call(Method::POST, change, Some(&token), Some(wrong)).await;
    let right = json!({"new_email": "ada@example.org", "password": PASSWORD});
    api.call(Method::POST, change, Some(&token), Some(right)).await;
    let change = api.world.mails().await;
    let tokens: Vec<Value> = change.iter().map(|it| json!({"token": token_of(it)})).collect();
    let confirm = || api.post("/api/v1/auth/email-change/confirm", tokens[0].clone());
    api.sign_up("ada@example.org").await;
    confirm().await;
    let other = text(&api.sign_in("ada@example.org").await["access_token"]);
    let body = Some(json!({"password": PASSWORD}));
    api.call(Method::DELETE, "/api/v1/users/me", Some(&other), body).await;
    confirm().await;
    // The former address is kept for its owner; only an import may give it to somebody else.
    api.import(&["ada@example.com"]).await;
    api.post("/api/v1/auth/email-change/cancel", tokens[1].clone()).await;

    api.post("/api/v1/auth/password-reset", json!({"email": "ada@example.org"})).await;
    let mails = api.world.mails().await;
    let reset = mails.iter().find(|it| it.letter.kind() == LetterKind::ResetPassword).unwrap();
    api.world.hasher.set_overloaded(true);
    let body = json!({"token": token_of(reset), "new_password": "four other words in a row"});
    api.post("/api/v1/auth/password-reset/confirm", body).await;
    api.problems.into_inner().unwrap()
}

/// At each place where a password or a code is asked for.
async fn too_many_guesses() -> Problems {
    let api = Api::new().await;
    let token = api.signed_in("ada@example.com").await;
    let me = "/api/v1/users/me";
    let wrong = json!({"current_password": "wrong", "new_password": "four other words in a row"});
    for _ in 0..6 {
        let login = json!({"email": "ada@example.com", "password": "wrong"});
        api.post("/api/v1/auth/login", login).await;
        let wrong = wrong.clone();
        api.call(Method::PUT, &format!("{me}/password"), Some(&token), Some(wrong)).await;
    }
    api.call(Method::DELETE, me, Some(&token), Some(json!({"password": PASSWORD}))).await;
    let change = json!({"new_email": "ada@example.org", "password": PASSWORD});
    api.call(Method::POST, &format!("{me}/email"), Some(&token), Some(change)).await;
    let code = json!({"email": "ada@example.com", "code": "12345678"});
    for path in ["verify-email", "email-change/confirm"] {
        api.post(&format!("/api/v1/auth/{path}"), code.clone()).await;
    }
    let mut reset = code;
    reset["new_password"] = json!("four other words in a row");
    api.post("/api/v1/auth/password-reset/confirm", reset).await;
    api.problems.into_inner().unwrap()
}

async fn administrators_and_roles() -> Problems {
    let api = Api::new().await;
    let admin = api.admin().await;
    let me = "/api/v1/users/me";
    let id = text(&api.get(me, Some(&admin)).await.json()["id"]);
    let user = format!("/api/v1/users/{id}");
    let role = json!({"description": "", "permissions": []});
    for (method, path, body) in [
        (Method::PATCH, user.clone(), Some(json!({"status": "disabled"}))),
        (Method::PUT, format!("{user}/roles"), Some(json!({"roles": []}))),
        (Method::DELETE, user, None),
        (Method::DELETE, me.to_owned(), Some(json!({"password": PASSWORD}))),
        (Method::PUT, "/api/v1/roles/admin".to_owned(), Some(role)),
        (Method::DELETE, "/api/v1/roles/admin".to_owned(), None),
    ] {
        api.call(method, &path, Some(&admin), body).await;
    }
    api.problems.into_inner().unwrap()
}

async fn a_job_that_was_not_tried() -> Problems {
    let api = Api::new().await;
    let admin = api.admin().await;
    let id = api.enqueue("mail", 1).await;
    api.call(Method::POST, &format!("/api/v1/jobs/{id}/retry"), Some(&admin), None).await;
    api.problems.into_inner().unwrap()
}

/// No key at all, one of another payload, one whose request goes on.
async fn keys_that_were_used_before() -> Problems {
    let mut answered = Problems::new();
    for asked in asked().iter().filter(|asked| asked.takes_key) {
        let api = Api::new().await;
        let admin = api.admin().await;
        let send = async |key: &str, path: &str| {
            let request = Request::builder()
                .method(asked.method.clone())
                .uri(path)
                .header(header::AUTHORIZATION, format!("Bearer {admin}"))
                .header(header::CONTENT_TYPE, "application/json")
                .header("idempotency-key", key);
            let body = asked.body.as_ref().map_or(Body::empty(), |it| Body::from(it.to_string()));
            api.send(request.body(body).unwrap()).await
        };
        send("not a key", &asked.path).await;
        assert!(send("k", &asked.path).await.status.is_success(), "{}", asked.id);
        assert!(send("k", &asked.path).await.status.is_success(), "{}", asked.id);
        send("k", &format!("{}?other=1", asked.path)).await;
        let body = asked.body.as_ref().map(ToString::to_string).unwrap_or_default();
        let going_on = doorward_app::idempotency::Request {
            caller: if asked.id == "register" {
                Caller::Anonymous
            } else {
                api.admin_caller().await
            },
            operation: format!("{} {}", asked.method, asked.path),
            key: IdempotencyKey::parse("l").unwrap(),
            payload: format!("{}\n{body}", asked.path).into_bytes(),
        };
        api.begin_and_be_killed(going_on).await;
        send("l", &asked.path).await;
        answered.extend(api.problems.into_inner().unwrap());
    }
    answered
}

/// Too much to hash; a store that breaks whatever it is asked.
async fn server_in_trouble() -> Problems {
    let mut answered = Problems::new();
    for asked in asked() {
        let api = Api::new().await;
        let admin = api.admin().await;
        api.world.hasher.set_overloaded(true);
        asked.send(&api, Some(&admin)).await;
        answered.extend(api.problems.into_inner().unwrap());
    }
    let mut api = Api::new().await;
    let admin = api.admin().await;
    let pair = api.sign_in("admin@example.com").await;
    api.world.ctx.store = Arc::new(MockStore::new());
    let api = api.reopened();
    for mut asked in asked() {
        if asked.id == "refresh" {
            // Only a genuine one gets as far as the store.
            asked.body = Some(json!({"refresh_token": pair["refresh_token"]}));
        }
        // So does a code, which the store counts, while a token that nobody made does not.
        let code = json!({"email": "ada@example.com", "code": "01234567"});
        match asked.id.as_str() {
            "verify_email" | "confirm_email_change" => asked.body = Some(code),
            "reset_password" => {
                let mut body = code;
                body["new_password"] = "four other words in a row".into();
                asked.body = Some(body);
            }
            "cancel_email_change" => {
                asked.body = Some(json!({"token": format!("cancel_email_change:{NOBODY}")}));
            }
            _ => {}
        }
        asked.send(&api, Some(&admin)).await;
    }
    answered.extend(api.problems.into_inner().unwrap());
    answered
}
